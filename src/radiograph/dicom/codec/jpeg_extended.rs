//! 12-bit JPEG Extended.
//!
//! Separate because no decoder among the dependencies reads it.

use crate::radiograph::error::ReadProblem;

pub(super) fn decode(_stream: &[u8]) -> Result<Vec<u16>, ReadProblem> {
    Err(ReadProblem::Unsupported("12-bit JPEG Extended".to_owned()))
}
