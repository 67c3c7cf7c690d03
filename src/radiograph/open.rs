//! Opening a file: which kind it is by its content, how many frames it has, and one frame of it.
//!
//! Separate because callers name a path and get pixels or a refusal; which reader did it is no concern of theirs.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::{ReadError, ReadProblem};
use super::{FileKind, Radiograph, dicom, raster};

/// Files larger than this are refused: they would not fit beside anything else in memory.
const MOST_FILE_BYTES: u64 = 1 << 33;

/// A file that was opened: its bytes and what they are.
pub struct ImageFile {
    path: PathBuf,
    content: Content,
}

impl std::fmt::Debug for ImageFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither pixels nor identity belong into a log.
        write!(f, "ImageFile({:?}, {} frames)", self.kind(), self.frames())
    }
}

enum Content {
    Dicom(Box<dicom::DicomFile>, dicom::Layout),
    Png(Vec<u8>),
    Tiff(Vec<u8>, usize),
    Jpeg(Vec<u8>),
}

/// Opens the file at `path`; its kind is found by content, not by name.
///
/// # Errors
/// [`ReadError`] names the path, what was found and what to do; nothing is decoded yet.
pub fn open(path: impl AsRef<Path>) -> Result<ImageFile, ReadError> {
    let path = path.as_ref();
    let refused = |problem| ReadError::new(path, problem);
    let bytes = file_bytes(path).map_err(refused)?;
    Ok(ImageFile {
        path: path.to_owned(),
        content: content(bytes).map_err(refused)?,
    })
}

/// Opens the file at `path` and decodes frame `frame`, from 0.
///
/// # Errors
/// See [`open`] and [`ImageFile::frame`].
pub fn read(path: impl AsRef<Path>, frame: usize) -> Result<Radiograph, ReadError> {
    open(path)?.frame(frame)
}

/// Reads an image that is already in memory, as if it were the file at `path`.
///
/// # Errors
/// See [`open`].
pub fn open_bytes(path: impl AsRef<Path>, bytes: Vec<u8>) -> Result<ImageFile, ReadError> {
    let path = path.as_ref();
    Ok(ImageFile {
        path: path.to_owned(),
        content: content(bytes).map_err(|problem| ReadError::new(path, problem))?,
    })
}

fn file_bytes(path: &Path) -> Result<Vec<u8>, ReadProblem> {
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
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(meta.len() as usize)
        .map_err(|_| ReadProblem::TooLarge("the file does not fit into memory".to_owned()))?;
    std::fs::File::open(path)
        .and_then(|file| file.take(MOST_FILE_BYTES).read_to_end(&mut bytes))
        .map_err(failed)?;
    Ok(bytes)
}

fn content(bytes: Vec<u8>) -> Result<Content, ReadProblem> {
    let start = bytes.get(..8).unwrap_or(&bytes);
    match start {
        [0x89, b'P', b'N', b'G', ..] => Ok(Content::Png(bytes)),
        [0xFF, 0xD8, 0xFF, ..] => Ok(Content::Jpeg(bytes)),
        // A preamble may imitate a TIFF file: DICOM is looked for first.
        _ if dicom::looks_like_dicom(&bytes) => {
            let file = dicom::parse(bytes)?;
            let layout = dicom::Layout::of(&file)?;
            Ok(Content::Dicom(Box::new(file), layout))
        }
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => {
            let pages = raster::tiff_pages(&bytes)?;
            Ok(Content::Tiff(bytes, pages))
        }
        _ => Err(unknown(&bytes)),
    }
}

/// Names what the bytes seem to be.
fn unknown(bytes: &[u8]) -> ReadProblem {
    let start = bytes.get(..8).unwrap_or(bytes);
    let seen = match start {
        [] => "it is empty".to_owned(),
        [0x1F, 0x8B, ..] => "it is compressed by gzip; unpack it first".to_owned(),
        [b'P', b'K', 3, 4, ..] => "it is a ZIP archive; unpack it first".to_owned(),
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

impl ImageFile {
    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is.
    pub const fn kind(&self) -> FileKind {
        match self.content {
            Content::Dicom(..) => FileKind::Dicom,
            Content::Png(_) => FileKind::Png,
            Content::Tiff(..) => FileKind::Tiff,
            Content::Jpeg(_) => FileKind::Jpeg,
        }
    }

    /// Frames, or pages of a TIFF file, ≥ 1.
    pub const fn frames(&self) -> usize {
        match &self.content {
            Content::Dicom(_, layout) => layout.frames,
            Content::Tiff(_, pages) => *pages,
            Content::Png(_) | Content::Jpeg(_) => 1,
        }
    }

    /// Decodes frame `frame`, from 0.
    ///
    /// # Errors
    /// [`ReadProblem::NoFrame`] for a frame that is not there; damaged, unsupported or too large data by name.
    pub fn frame(&self, frame: usize) -> Result<Radiograph, ReadError> {
        let frames = self.frames();
        let decoded = if frame >= frames {
            Err(ReadProblem::NoFrame { frame, frames })
        } else {
            match &self.content {
                Content::Dicom(file, layout) => dicom::read_frame(file, layout, frame),
                Content::Png(bytes) => raster::read_png(bytes),
                Content::Tiff(bytes, _) => raster::read_tiff(bytes, frame),
                Content::Jpeg(bytes) => raster::read_jpeg(bytes),
            }
        };
        let mut radiograph = decoded.map_err(|problem| ReadError::new(&self.path, problem))?;
        radiograph.source.path = Some(self.path.clone());
        radiograph.frame = frame;
        radiograph.frames = frames;
        Ok(radiograph)
    }
}

/// A window in words for a machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InspectedWindow {
    /// Window center, modality values.
    pub center: f64,
    /// Window width, modality values.
    pub width: f64,
}

/// What the reader understood of a file; `error` is filled and the rest is empty when it was refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Inspection {
    /// The file.
    pub path: PathBuf,
    /// `dicom`, `png`, `tiff` or `jpeg`.
    pub kind: Option<FileKind>,
    /// Columns.
    pub width: Option<usize>,
    /// Rows.
    pub height: Option<usize>,
    /// Frames.
    pub frames: Option<usize>,
    /// Bits Stored, or the bit depth of the file.
    pub bits_stored: Option<u16>,
    /// Whether stored values are signed.
    pub signed: Option<bool>,
    /// Photometric Interpretation, or the color type of the file.
    pub photometric: Option<String>,
    /// `[row, column]`, mm.
    pub spacing_mm: Option<[f64; 2]>,
    /// Where the spacing came from.
    pub spacing_source: Option<super::SpacingSource>,
    /// The window that it opens with.
    pub window: Option<InspectedWindow>,
    /// DICOM Modality, or `OT`.
    pub modality: Option<String>,
    /// Whether any pixel is synthetic.
    pub synthetic: Option<bool>,
    /// Transfer Syntax UID.
    pub transfer_syntax: Option<String>,
    /// Whether it was ever compressed with loss.
    pub lossy: Option<bool>,
    /// What had to be assumed.
    pub notes: Vec<String>,
    /// Why it was refused.
    pub error: Option<String>,
}

/// Opens a file, decodes its first frame and says what was understood; a refusal is part of the answer.
pub fn inspect(path: impl AsRef<Path>) -> Inspection {
    let path = path.as_ref();
    let refused = |error: &ReadError, kind| Inspection {
        path: path.to_owned(),
        kind,
        error: Some(format!("{}; {}", error.problem, error.problem.remedy())),
        ..Inspection::default()
    };
    let file = match open(path) {
        Ok(file) => file,
        Err(error) => return refused(&error, None),
    };
    let image = match file.frame(0) {
        Ok(image) => image,
        Err(error) => return refused(&error, Some(file.kind())),
    };
    let window = image.initial_window();
    Inspection {
        path: path.to_owned(),
        kind: Some(image.source.kind),
        width: Some(image.width()),
        height: Some(image.height()),
        frames: Some(image.frames),
        bits_stored: Some(image.source.bits_stored),
        signed: Some(image.source.signed),
        photometric: Some(image.source.photometric.clone()),
        spacing_mm: image.spacing.map(|s| [s.row_mm, s.column_mm]),
        spacing_source: image.spacing.map(|s| s.source),
        window: Some(InspectedWindow {
            center: window.center,
            width: window.width,
        }),
        modality: Some(image.modality.clone()),
        synthetic: Some(image.synthetic.is_some()),
        transfer_syntax: image.source.transfer_syntax.clone(),
        lossy: Some(image.source.lossy),
        notes: image.notes,
        error: None,
    }
}
