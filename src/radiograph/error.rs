//! Why a file was not read: where, what was found and what to do.
//!
//! Separate because every reader below refuses by name instead of guessing, and callers turn this into their own error.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The reason of a refusal, without the file it is about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ReadProblem {
    /// The operating system refused the file.
    #[error("cannot open the file ({0})")]
    Open(String),
    /// The content is none of the formats that are read.
    #[error("not an image that can be read: {0}")]
    UnknownFormat(String),
    /// A DICOM object that holds no picture, or one of another sort.
    #[error("no image in this DICOM object: {0}")]
    NoImage(String),
    /// The content contradicts itself or ends too early.
    #[error("damaged file: {0}")]
    Damaged(String),
    /// A valid form that this program does not read.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// Larger than this program is willing to allocate.
    #[error("too large: {0}")]
    TooLarge(String),
    /// The process that decodes it was stopped, or ended by itself.
    #[error("decoding was stopped: {0}")]
    Stopped(String),
    /// A frame was asked for that the file does not have.
    #[error("no frame {frame}: the file has {frames}, counted from 0")]
    NoFrame {
        /// The frame asked for.
        frame: usize,
        /// Frames in the file.
        frames: usize,
    },
}

impl ReadProblem {
    /// What a person can do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Open(_) => "check the path and the permissions",
            Self::UnknownFormat(_) => "open a DICOM, PNG, TIFF, JPEG, NIfTI or NRRD file",
            Self::NoImage(_) => "open the image that this object refers to",
            Self::Damaged(_) => "ask for the file again from where it came",
            Self::Unsupported(_) => "convert it to Explicit VR Little Endian or 16-bit PNG first",
            Self::Stopped(_) => "ask for the file in a simpler form, or a smaller one",
            Self::TooLarge(_) => "crop or reduce it first",
            Self::NoFrame { .. } => "choose another frame",
        }
    }
}

/// A file that was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem}; {}", path.display(), problem.remedy())]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub problem: ReadProblem,
}

impl ReadError {
    /// A refusal of the file at `path`.
    pub fn new(path: &Path, problem: ReadProblem) -> Self {
        Self {
            path: path.to_owned(),
            problem,
        }
    }
}

/// A frame larger than this is refused by name: 2^31 bytes is 32768 × 32768 at 16 bits.
///
/// A fuzzer asks for a thousand frames a second and learns nothing from large ones.
pub(super) const MOST_FRAME_BYTES: u64 = if cfg!(fuzzing) { 1 << 22 } else { 1 << 31 };

/// `width × height × samples × bytes_each` as a size that may be allocated.
pub(super) fn checked_size(
    width: usize,
    height: usize,
    samples: usize,
    bytes_each: usize,
) -> Result<usize, ReadProblem> {
    let size = [width, height, samples, bytes_each]
        .iter()
        .try_fold(1_u64, |product, n| product.checked_mul(*n as u64));
    match size {
        Some(0) => Err(ReadProblem::Damaged(format!(
            "an image of {width} × {height} pixels with {samples} samples has no pixel"
        ))),
        Some(size) if size <= MOST_FRAME_BYTES => Ok(size as usize),
        _ => Err(ReadProblem::TooLarge(format!(
            "a frame of {width} × {height} pixels with {samples} samples of {bytes_each} bytes; the limit is 2 GiB"
        ))),
    }
}

/// Real images do not shrink more than this, large ones at least: masks and blank films do.
pub(super) const MOST_EXPANSION: usize = 100;
/// A blank picture of this size is still opened, bytes of pixels.
const LARGEST_BLANK: usize = 1 << 28;

/// Refuses a picture of `packed` bytes that declares to be `unpacked` large, before anything is decoded: beyond 256 MiB,
/// more than a hundred times as much is a bomb.
pub(super) fn checked_expansion(packed: usize, unpacked: usize) -> Result<(), ReadProblem> {
    if unpacked > LARGEST_BLANK && unpacked > packed.saturating_mul(MOST_EXPANSION) {
        return Err(ReadProblem::TooLarge(format!(
            "{packed} packed bytes for {unpacked} bytes of pixels; beyond 256 MiB at most {MOST_EXPANSION} times are taken"
        )));
    }
    Ok(())
}

/// Runs a decoder of another project; its panic becomes a refusal.
pub(super) fn shielded<T>(
    decoder: &str,
    work: impl FnOnce() -> Result<T, ReadProblem>,
) -> Result<T, ReadProblem> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(ReadProblem::Damaged(format!(
            "the {decoder} decoder broke off on this data"
        )))
    })
}
