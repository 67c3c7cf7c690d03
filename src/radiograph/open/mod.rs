//! Opening a path: a file, a member of an archive, or the largest series of a folder, a ZIP archive or a DICOMDIR.
//!
//! Separate because callers name a path and get pixels or a refusal; which reader did it, and in which process, is no
//! concern of theirs.

pub(super) mod content;
pub(super) mod inspect;
mod masks;

use std::path::{Path, PathBuf};

use super::apart::{self, Handle, Opened};
use super::error::{ReadError, ReadProblem};
use super::series::{self, Member};
use super::{FileKind, Radiograph};
use content::Content;

pub use content::Preview;
pub use inspect::{InspectedWindow, Inspection, inspect, inspect_all};
pub use masks::masks_of;

/// A file that was opened, or the files of a series one after the other.
pub struct ImageFile {
    path: PathBuf,
    form: Form,
}

impl std::fmt::Debug for ImageFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither pixels nor identity belong into a log.
        write!(f, "ImageFile({:?}, {} frames)", self.kind(), self.frames())
    }
}

enum Form {
    Here(Content),
    Apart(Box<Handle>),
    Stack(Vec<Member>),
}

/// Opens what lies at `path`; its kind is found by content, not by name.
///
/// A folder, a ZIP archive or a DICOMDIR opens as the stack of its largest series; [`series::list`] tells of the others.
///
/// # Errors
/// [`ReadError`] names the path, what was found and what to do; nothing is decoded yet.
pub fn open(path: impl AsRef<Path>) -> Result<ImageFile, ReadError> {
    let path = path.as_ref();
    let form = if path.is_dir() {
        stack(path)?
    } else {
        match apart::open(path)? {
            Opened::Here(content) => Form::Here(content),
            Opened::Apart(handle) => Form::Apart(handle),
            Opened::Collection(_) => stack(path)?,
        }
    };
    Ok(ImageFile {
        path: path.to_owned(),
        form,
    })
}

fn stack(path: &Path) -> Result<Form, ReadError> {
    let listing = series::list(path)?;
    // Scouts come before the images themselves, so the first series is not the one that is meant.
    let most = listing.series.iter().map(series::Series::frames).max();
    let largest = listing
        .series
        .into_iter()
        .find(|s| Some(s.frames()) == most);
    match largest {
        Some(series) => Ok(Form::Stack(series.members)),
        None => Err(ReadError::new(
            path,
            ReadProblem::NoImage(match listing.refused.first() {
                Some(first) => format!(
                    "none of its {} files could be read, the first because: {}",
                    listing.refused.len(),
                    first.problem
                ),
                None => "it holds no file".to_owned(),
            }),
        )),
    }
}

/// Opens the file at `path` and decodes frame `frame`, from 0.
///
/// # Errors
/// See [`open`] and [`ImageFile::frame`].
pub fn read(path: impl AsRef<Path>, frame: usize) -> Result<Radiograph, ReadError> {
    open(path)?.frame(frame)
}

/// Opens a single file in this process, without the one that decodes apart: to measure what the other process costs.
///
/// # Errors
/// See [`open`]; a collection is refused.
pub fn open_here(path: impl AsRef<Path>) -> Result<ImageFile, ReadError> {
    let path = path.as_ref();
    match content::find(path)? {
        content::Found::Image(content) => Ok(ImageFile {
            path: path.to_owned(),
            form: Form::Here(content),
        }),
        content::Found::Collection(_) => Err(ReadError::new(
            path,
            ReadProblem::Unsupported("a collection of files".to_owned()),
        )),
    }
}

/// Reads an image that is already in memory, as if it were the file at `path`.
///
/// # Errors
/// See [`open`].
pub fn open_bytes(path: impl AsRef<Path>, bytes: Vec<u8>) -> Result<ImageFile, ReadError> {
    let path = path.as_ref();
    let refused = |problem| ReadError::new(path, problem);
    let form = match apart::open_bytes(bytes).map_err(refused)? {
        Opened::Here(content) => Form::Here(content),
        Opened::Apart(handle) => Form::Apart(handle),
        Opened::Collection(_) => {
            return Err(refused(ReadProblem::Unsupported(
                "an archive that is not a file".to_owned(),
            )));
        }
    };
    Ok(ImageFile {
        path: path.to_owned(),
        form,
    })
}

/// The file of a stack that holds a frame, and the frame's number within it.
fn member_of(members: &[Member], frame: usize) -> Option<(&Member, usize)> {
    let mut left = frame;
    let member = members.iter().find(|member| {
        let inside = left < member.frames;
        if !inside {
            left -= member.frames;
        }
        inside
    })?;
    Some((member, left))
}

impl ImageFile {
    /// The files of one series as one stack; nothing is opened yet. `path` is where the series was found.
    pub fn of_series(path: impl Into<PathBuf>, series: &series::Series) -> Self {
        Self {
            path: path.into(),
            form: Form::Stack(series.members.clone()),
        }
    }

    /// Whether it is a stack of files.
    pub fn is_collection(&self) -> bool {
        matches!(self.form, Form::Stack(_))
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is; of a stack, what its first file is.
    pub fn kind(&self) -> FileKind {
        match &self.form {
            Form::Here(content) => content.kind(),
            Form::Apart(handle) => handle.facts.kind,
            Form::Stack(members) => members.first().map_or(FileKind::Memory, |first| first.kind),
        }
    }

    /// Frames, pages of a TIFF file, slices of a volume, or images of a stack, ≥ 1.
    pub fn frames(&self) -> usize {
        match &self.form {
            Form::Here(content) => content.frames(),
            Form::Apart(handle) => handle.facts.frames,
            Form::Stack(members) => members.iter().map(|member| member.frames).sum(),
        }
    }

    /// Where each frame lies, as far as the headers read for the list say: of a file of several frames, nothing.
    pub fn places(&self) -> Vec<Option<&series::Place>> {
        match &self.form {
            Form::Here(_) => vec![None; self.frames()],
            Form::Apart(handle) => match handle.facts.frames {
                1 => vec![Some(&handle.facts.place)],
                frames => vec![None; frames],
            },
            Form::Stack(members) => members
                .iter()
                .flat_map(|member| {
                    let place = (member.frames == 1).then_some(&member.place);
                    std::iter::repeat_n(place, member.frames)
                })
                .collect(),
        }
    }

    /// A picture of frame `frame`, its longer side at least `least` pixels, where that is quicker than the frame.
    ///
    /// `None` where it is not, and for whatever cannot be read: [`Self::frame`] says what is wrong.
    pub fn preview(&self, frame: usize, least: usize) -> Option<Preview> {
        match &self.form {
            Form::Here(content) => content.preview(frame, least),
            Form::Apart(handle) => handle.preview(frame, least),
            Form::Stack(members) => {
                let (member, frame) = member_of(members, frame)?;
                open(&member.path).ok()?.preview(frame, least)
            }
        }
    }

    /// Decodes frame `frame`, from 0.
    ///
    /// # Errors
    /// [`ReadProblem::NoFrame`] for a frame that is not there; damaged, unsupported or too large data by name.
    pub fn frame(&self, frame: usize) -> Result<Radiograph, ReadError> {
        let refused = |problem| ReadError::new(&self.path, problem);
        let frames = self.frames();
        if frame >= frames {
            return Err(refused(ReadProblem::NoFrame { frame, frames }));
        }
        let mut radiograph = match &self.form {
            Form::Here(content) => content.frame(frame).map_err(refused)?,
            Form::Apart(handle) => handle.frame(frame).map_err(refused)?,
            Form::Stack(members) => {
                let (member, frame) = member_of(members, frame)
                    .ok_or_else(|| refused(ReadProblem::NoFrame { frame, frames }))?;
                read(&member.path, frame)?
            }
        };
        if matches!(self.form, Form::Stack(_)) {
            radiograph.place.own_frame = Some((radiograph.frame, radiograph.frames));
        } else {
            radiograph.source.path = Some(self.path.clone());
        }
        radiograph.frame = frame;
        radiograph.frames = frames;
        Ok(radiograph)
    }
}
