//! Examples on disk: facts as JSON lines, pixels as one block of bytes.
//!
//! Separate because a cache may be damaged or old at any time: whatever does not fit is drawn again, never an error.

use std::fs;
use std::path::Path;

use super::{Example, Facts};
use crate::grid::Grid;
use crate::job::{Error, ErrorKind};
use crate::network::folder;

/// Version of the form: raised when facts change their meaning.
const VERSION: u32 = 3;

/// The examples kept under `name`, if they are whole.
pub(super) fn load(folder: &Path, name: &str) -> Option<Vec<Example>> {
    let text = fs::read_to_string(folder.join(format!("{name}.jsonl"))).ok()?;
    let pixels = fs::read(folder.join(format!("{name}.pixels"))).ok()?;
    let mut lines = text.lines();
    let (version, size): (u32, usize) = serde_json::from_str(lines.next()?).ok()?;
    if version != VERSION || size == 0 {
        return None;
    }
    let facts: Vec<Facts> = lines
        .map(|line| serde_json::from_str(line).ok())
        .collect::<Option<_>>()?;
    if pixels.len() != facts.len() * size * size {
        return None;
    }
    facts
        .into_iter()
        .zip(pixels.chunks_exact(size * size))
        .map(|(facts, cells)| {
            let image = Grid::from_vec(size, size, cells.to_vec())?;
            Some(Example { image, facts })
        })
        .collect()
}

/// Keeps square examples of one size under `name`.
pub(super) fn save(to: &Path, name: &str, examples: &[Example]) -> Result<(), Error> {
    let failed = |what: String| {
        Error::new(
            ErrorKind::Failed,
            format!("phantoms cannot be kept: {what}"),
        )
        .at(to)
        .remedy("give another folder as `cache` in the recipe")
    };
    fs::create_dir_all(to).map_err(|error| failed(error.to_string()))?;
    let size = examples.first().map_or(0, |example| example.image.width());
    let mut text = format!("[{VERSION},{size}]\n");
    let mut pixels = Vec::with_capacity(examples.len() * size * size);
    for example in examples {
        let line = serde_json::to_string(&example.facts).map_err(|e| failed(e.to_string()))?;
        text.push_str(&line);
        text.push('\n');
        pixels.extend_from_slice(example.image.cells());
    }
    folder::write(&to.join(format!("{name}.pixels")), &pixels)
        .and_then(|()| folder::write(&to.join(format!("{name}.jsonl")), text.as_bytes()))
        .map_err(|error| failed(error.to_string()))
}
