//! What a file is by its content, and one frame of it, decoded in this process.
//!
//! Separate from opening because the same work is done here for tests and inside the decoding process for the program.

use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::radiograph::error::{ReadError, ReadProblem};
use crate::radiograph::series::{self, Heading, Place};
use crate::radiograph::volume::{self, Volume};
use crate::radiograph::{FileKind, Picture, Radiograph, archive, dicom, raster};

/// Files larger than this are refused: they would not fit beside anything else in memory.
const MOST_FILE_BYTES: u64 = 1 << 33;

/// Every format shows itself within so many bytes.
pub(super) const HEAD_BYTES: u64 = 4096;

/// A file in memory, its kind known and its header read.
pub(in crate::radiograph) enum Content {
    Dicom(Box<dicom::DicomFile>, dicom::Layout),
    Png(Vec<u8>),
    Tiff(Vec<u8>, usize),
    Jpeg(Vec<u8>),
    Volume(Box<Volume>),
}

/// What a path leads to.
pub(in crate::radiograph) enum Found {
    /// One image file.
    Image(Content),
    /// A DICOMDIR or a ZIP archive: the files that it names, as paths that can be opened.
    Collection(Vec<PathBuf>),
}

/// What a list of files needs to know of each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::radiograph) struct Facts {
    pub(in crate::radiograph) kind: FileKind,
    pub(in crate::radiograph) frames: usize,
    pub(in crate::radiograph) place: Place,
    pub(in crate::radiograph) heading: Heading,
}

/// Reads what lies at `path`: a file, or a member of a ZIP archive (`archive.zip/folder/name`).
pub(in crate::radiograph) fn find(path: &Path) -> Result<Found, ReadError> {
    found(path).map_err(|problem| ReadError::new(path, problem))
}

fn found(path: &Path) -> Result<Found, ReadProblem> {
    if let Some((archive, name)) = archive::split(path) {
        let failed = |error: std::io::Error| ReadProblem::Open(error.to_string());
        let mut file = std::fs::File::open(archive).map_err(failed)?;
        let entries = archive::entries(&mut file)?;
        let entry = entries.iter().find(|entry| entry.name == name);
        let entry = entry.ok_or_else(|| {
            ReadProblem::Open("the ZIP archive has no member of this name".to_owned())
        })?;
        let bytes = archive::extract(&mut file, entry)?;
        return Content::of(bytes).map(Found::Image);
    }
    let (mut file, length) = opened(path)?;
    let mut start = [0; 4];
    let failed = |error: std::io::Error| ReadProblem::Open(error.to_string());
    let read = file.read(&mut start).map_err(failed)?;
    if archive::is_zip(start.get(..read).unwrap_or(&[])) {
        let entries = archive::entries(&mut file)?;
        // A name joined to the archive's path must stay behind it.
        let inside = entries.iter().filter(|entry| {
            let mut parts = entry.name.split('/');
            parts.all(|part| !matches!(part, "" | "." | "..") && !part.contains([':', '\0']))
        });
        let paths = inside.map(|entry| path.join(&entry.name));
        return Ok(Found::Collection(paths.collect()));
    }
    file.rewind().map_err(failed)?;
    // A folder may hold anything: what is no image is found out by its start and never read whole.
    let mut head = Vec::new();
    file.by_ref()
        .take(HEAD_BYTES)
        .read_to_end(&mut head)
        .map_err(failed)?;
    if length > HEAD_BYTES && !known(&head) {
        return Err(unknown(&head));
    }
    file.rewind().map_err(failed)?;
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(length as usize)
        .map_err(|_| ReadProblem::TooLarge("the file does not fit into memory".to_owned()))?;
    file.take(MOST_FILE_BYTES)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let picture = matches!(
        bytes[..],
        [0x89, b'P', b'N', b'G', ..] | [0xFF, 0xD8, 0xFF, ..]
    );
    if !picture && dicom::looks_like_dicom(&bytes) {
        let file = dicom::parse(bytes)?;
        if dicom::is_directory(&file) {
            let names = dicom::referenced(&file);
            return Ok(Found::Collection(series::on_medium(path, &names)));
        }
        return Content::of_dicom(file).map(Found::Image);
    }
    Content::of(bytes).map(Found::Image)
}

pub(super) fn opened(path: &Path) -> Result<(std::fs::File, u64), ReadProblem> {
    let failed = |error: std::io::Error| ReadProblem::Open(error.to_string());
    let meta = std::fs::metadata(path).map_err(failed)?;
    // A pipe or a device would wait for ever.
    if !meta.is_file() {
        return Err(ReadProblem::Open("it is not a regular file".to_owned()));
    }
    if meta.len() > MOST_FILE_BYTES {
        return Err(ReadProblem::TooLarge(format!(
            "the file has {} bytes; the limit is 8 GiB",
            meta.len()
        )));
    }
    Ok((std::fs::File::open(path).map_err(failed)?, meta.len()))
}

impl Content {
    /// Finds out what the bytes are and reads their header.
    pub(in crate::radiograph) fn of(bytes: Vec<u8>) -> Result<Self, ReadProblem> {
        if archive::is_gzip(&bytes) {
            let inner = archive::gunzip(&bytes)?;
            drop(bytes);
            return Self::plain(inner);
        }
        Self::plain(bytes)
    }

    fn plain(bytes: Vec<u8>) -> Result<Self, ReadProblem> {
        match bytes.get(..8).unwrap_or(&bytes) {
            [0x89, b'P', b'N', b'G', ..] => Ok(Self::Png(bytes)),
            [0xFF, 0xD8, 0xFF, ..] => Ok(Self::Jpeg(bytes)),
            _ if volume::is_nrrd(&bytes) || volume::is_nifti(&bytes) => {
                Volume::of(bytes).map(|volume| Self::Volume(Box::new(volume)))
            }
            // A preamble may imitate a TIFF file: DICOM is looked for first.
            _ if dicom::looks_like_dicom(&bytes) => Self::of_dicom(dicom::parse(bytes)?),
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => {
                let pages = raster::tiff_pages(&bytes)?;
                Ok(Self::Tiff(bytes, pages))
            }
            _ => Err(unknown(&bytes)),
        }
    }

    fn of_dicom(file: dicom::DicomFile) -> Result<Self, ReadProblem> {
        let layout = dicom::Layout::of(&file)?;
        Ok(Self::Dicom(Box::new(file), layout))
    }

    /// What it is.
    pub(in crate::radiograph) const fn kind(&self) -> FileKind {
        match self {
            Self::Dicom(..) => FileKind::Dicom,
            Self::Png(_) => FileKind::Png,
            Self::Tiff(..) => FileKind::Tiff,
            Self::Jpeg(_) => FileKind::Jpeg,
            Self::Volume(volume) => volume.kind(),
        }
    }

    /// Frames, pages or slices, ≥ 1.
    pub(in crate::radiograph) const fn frames(&self) -> usize {
        match self {
            Self::Dicom(_, layout) => layout.frames,
            Self::Tiff(_, pages) => *pages,
            Self::Volume(volume) => volume.slices,
            Self::Png(_) | Self::Jpeg(_) => 1,
        }
    }

    /// What a list of files shows of it.
    pub(in crate::radiograph) fn facts(&self) -> Facts {
        let (place, heading) = match self {
            Self::Dicom(file, _) => (dicom::place(file), dicom::heading(file)),
            _ => Default::default(),
        };
        Facts {
            kind: self.kind(),
            frames: self.frames(),
            place,
            heading,
        }
    }

    /// Decodes frame `frame`, from 0; its path is not known here.
    pub(in crate::radiograph) fn frame(&self, frame: usize) -> Result<Radiograph, ReadProblem> {
        let frames = self.frames();
        if frame >= frames {
            return Err(ReadProblem::NoFrame { frame, frames });
        }
        let mut radiograph = match self {
            Self::Dicom(file, layout) => dicom::read_frame(file, layout, frame),
            Self::Png(bytes) => raster::read_png(bytes),
            Self::Tiff(bytes, _) => raster::read_tiff(bytes, frame),
            Self::Jpeg(bytes) => raster::read_jpeg(bytes),
            Self::Volume(volume) => volume.slice(frame),
        }?;
        radiograph.frame = frame;
        radiograph.frames = frames;
        Ok(radiograph)
    }
}

/// A picture of an image that is still to be decoded: as it will be shown, and nothing that can be measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// The picture.
    pub picture: Picture,
    /// Columns and rows of the image itself.
    pub size: (usize, usize),
    /// Height of one of its pixels over its width.
    pub pixel_ratio: f64,
    /// Whether any pixel is synthetic: the picture must say so too.
    pub synthetic: bool,
}

impl Content {
    /// A picture of frame `frame`, its longer side at least `least` pixels, where that is quicker than the frame.
    pub(in crate::radiograph) fn preview(&self, frame: usize, least: usize) -> Option<Preview> {
        let Self::Dicom(file, layout) = self else {
            return None;
        };
        if frame >= layout.frames {
            return None;
        }
        // What is wrong with the image is said when the whole of it is decoded.
        let image = dicom::read_reduced(file, layout, frame, least)?.ok()?;
        Some(Preview {
            picture: Picture::of(&image),
            size: layout.size(),
            pixel_ratio: image.pixel_ratio(),
            synthetic: image.synthetic.is_some(),
        })
    }
}

/// Whether the bytes begin like any format that is read.
fn known(head: &[u8]) -> bool {
    matches!(
        head,
        [0x89, b'P', b'N', b'G', ..]
            | [0xFF, 0xD8, 0xFF, ..]
            | [b'I', b'I', 42 | 43, 0, ..]
            | [b'M', b'M', 0, 42 | 43, ..]
    ) || archive::is_gzip(head)
        || volume::is_nrrd(head)
        || volume::is_nifti(head)
        || dicom::looks_like_dicom(head)
}

/// Names what the bytes seem to be.
fn unknown(bytes: &[u8]) -> ReadProblem {
    let start = bytes.get(..8).unwrap_or(bytes);
    let seen = match start {
        [] => "it is empty".to_owned(),
        [0x1F, 0x8B, 8, ..] => "it is compressed by gzip twice; unpack it first".to_owned(),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => {
            "it is a ZIP archive inside another file; unpack it first".to_owned()
        }
        [b'%', b'P', b'D', b'F', ..] => "it is a PDF document".to_owned(),
        [b'R', b'I', b'F', b'F', ..] => "it is a RIFF file (WebP, WAV or AVI)".to_owned(),
        _ => {
            let sample = bytes.get(..512).unwrap_or(bytes);
            let text = !sample.contains(&0) && std::str::from_utf8(sample).is_ok();
            if text {
                "it is a text file".to_owned()
            } else {
                let hex: Vec<String> = start.iter().map(|b| format!("{b:02X}")).collect();
                format!("it starts with the bytes {}", hex.join(" "))
            }
        }
    };
    ReadProblem::UnknownFormat(seen)
}
