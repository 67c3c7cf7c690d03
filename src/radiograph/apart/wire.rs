//! What the program and its decoding process say to each other: length, JSON header, length, bytes.
//!
//! Separate because both sides must agree on it and neither trusts it: every length has a limit, and every count of
//! pixels is checked again by who receives them.

use std::io::{Error, Read, Result, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::radiograph::error::ReadProblem;
use crate::radiograph::open::content::Facts;
use crate::radiograph::{Inspection, Radiograph};

/// A header longer than this is an error of the other side.
const MOST_HEADER: u64 = 1 << 28;
/// A frame has at most 2 GiB, and a file given as bytes at most 8 GiB.
const MOST_BYTES: u64 = 1 << 33;

/// What is asked about a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Ask {
    /// What it is: an image or a collection.
    Look,
    /// One frame.
    Frame(usize),
    /// A picture of a frame, its longer side at least so many pixels, where that is quicker than the frame.
    Preview(usize, usize),
    /// What the reader understood.
    Inspect,
}

/// What comes with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Attached {
    /// Nothing: the other side holds the source.
    Nothing,
    /// The path of a file.
    Path,
    /// The file itself.
    File,
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Request {
    /// Number of the source, by which the other side knows it again.
    pub(super) key: u64,
    pub(super) ask: Ask,
    pub(super) attached: Attached,
}

/// An answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// An image.
    Image(Box<Facts>),
    /// Paths, in the bytes that follow, each ended by a zero.
    Collection,
    /// One frame; its pixels are in the bytes that follow, and behind them its colors, three bytes a pixel.
    Frame {
        /// Everything but the pixels.
        facts: Box<Radiograph>,
        /// Their depth, width and height.
        depth: String,
        width: usize,
        height: usize,
        /// Whether there are colors.
        colored: bool,
    },
    /// A picture of a frame: its grey is in the bytes that follow, or its colors.
    Preview {
        /// Its width and height.
        width: usize,
        height: usize,
        /// Three bytes a pixel instead of one.
        colored: bool,
        /// Columns and rows of the image.
        size: (usize, usize),
        /// Height of one of its pixels over its width.
        pixel_ratio: f64,
        /// Whether any pixel is synthetic.
        synthetic: bool,
    },
    /// The frame itself is as quick as a picture of it.
    NoPreview,
    /// What the reader understood.
    Inspection(Box<Inspection>),
    /// It was refused.
    Refused(ReadProblem),
}

/// Sends one message: a header, and bytes that may lie in several pieces.
///
/// What is small goes in one piece: the other side wakes once for it.
pub(super) fn send(to: &mut impl Write, header: &impl Serialize, pieces: &[&[u8]]) -> Result<()> {
    const SMALL: usize = 1 << 14;
    let header = serde_json::to_vec(header)?;
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    let small = length <= SMALL;
    let mut start = Vec::with_capacity(16 + header.len() + if small { length } else { 0 });
    start.extend_from_slice(&(header.len() as u64).to_le_bytes());
    start.extend_from_slice(&header);
    start.extend_from_slice(&(length as u64).to_le_bytes());
    if small {
        start.extend(pieces.iter().copied().flatten());
        to.write_all(&start)?;
    } else {
        to.write_all(&start)?;
        for piece in pieces {
            to.write_all(piece)?;
        }
    }
    to.flush()
}

/// Receives the header of a message and how many bytes follow it; `None` where the other side has closed the pipe
/// between two messages.
pub(super) fn receive<T: DeserializeOwned>(from: &mut impl Read) -> Result<Option<(T, usize)>> {
    let mut length = [0; 8];
    let mut got = 0;
    while got < length.len() {
        match from.read(&mut length[got..]) {
            Ok(0) if got == 0 => return Ok(None),
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => got += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let header = exactly(from, limited(length, MOST_HEADER)?)?;
    from.read_exact(&mut length)?;
    let length = limited(length, MOST_BYTES)?;
    Ok(Some((serde_json::from_slice(&header)?, length)))
}

fn limited(length: [u8; 8], most: u64) -> Result<usize> {
    let length = u64::from_le_bytes(length);
    if length > most {
        return Err(Error::other("a message longer than any that is sent"));
    }
    usize::try_from(length).map_err(Error::other)
}

/// The next `length` bytes.
pub(super) fn exactly(from: &mut impl Read, length: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(Error::other)?;
    from.by_ref().take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() == length {
        Ok(bytes)
    } else {
        Err(std::io::ErrorKind::UnexpectedEof.into())
    }
}

/// A path as bytes, whatever its characters.
#[cfg(unix)]
pub(super) fn path_bytes(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    path.as_os_str().as_bytes().to_vec()
}

/// The path of such bytes.
#[cfg(unix)]
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

/// A path as bytes; lone surrogates are lost, and such a file is then not found.
#[cfg(not(unix))]
pub(super) fn path_bytes(path: &Path) -> Vec<u8> {
    path.to_string_lossy().into_owned().into_bytes()
}

/// The path of such bytes.
#[cfg(not(unix))]
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}
