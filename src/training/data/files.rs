//! A folder of images as training data.
//!
//! Separate from phantoms: nothing is known about a file but what stands in it.

use std::path::Path;

use super::Example;
use crate::job::{Error, ErrorKind, Observe};

/// Every readable image below `folder`, fitted into `size`² with black borders.
pub fn examples(
    folder: &Path,
    _size: usize,
    _observe: &mut Observe<'_>,
) -> Result<Vec<Example>, Error> {
    Err(Error::new(
        ErrorKind::Usage,
        "training on a folder is not available in this build",
    )
    .at(folder))
}
