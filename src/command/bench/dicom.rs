//! `bench dicom`: how long a file takes from its name to its pixels, and to the first picture of it.
//!
//! Separate because it is read by the comparison with other programs, which needs the figures file by file.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Figure;
use crate::job::{Error, ErrorKind};
use crate::radiograph::{self, ImageFile, ReadError};

/// What a person waits for without a thought, seconds; asked of a mammogram of 4096 × 3328 pixels in JPEG 2000.
const FIRST_PICTURE_SECONDS: f64 = 0.4;

/// Options of `bench dicom`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Image files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Repetitions; the fastest counts.
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// Pixels that the longer side of the first picture has at least.
    #[arg(long, default_value_t = 1000)]
    preview: usize,
}

/// Five figures a file; a file that is refused has none.
///
/// `apart`: opened and every frame decoded in the process for that, which is running already, as the window does it.
/// `here`: the same in this process. `first picture`: until there is something to look at, the process for it started
/// first; meant to be there 0.4 s after the click. `next picture`: the same with that process running already, as it is
/// soon after the window was opened. `all frames`: with the start again, until every frame is there.
pub(super) fn figures(options: &Options) -> Result<Vec<Figure>, Error> {
    let mut figures = Vec::new();
    for path in &options.files {
        let measured = [
            (
                "apart",
                fastest(options, || frames(&radiograph::open(path)?)),
            ),
            (
                "here",
                fastest(options, || frames(&radiograph::open_here(path)?)),
            ),
            (
                "first picture",
                fastest(options, || {
                    radiograph::end_idle();
                    picture(path, options.preview)
                }),
            ),
            (
                "next picture",
                fastest(options, || picture(path, options.preview)),
            ),
            (
                "all frames",
                fastest(options, || {
                    radiograph::end_idle();
                    frames(&radiograph::open(path)?)
                }),
            ),
        ];
        for (kind, seconds) in measured {
            if let Ok(seconds) = seconds {
                let name = format!("{kind} {}", path.display());
                let most = kind.ends_with("picture").then_some(FIRST_PICTURE_SECONDS);
                figures.push(Figure {
                    most,
                    ..Figure::new(name, seconds, "s")
                });
            }
        }
    }
    if figures.is_empty() {
        return Err(Error::new(ErrorKind::Input, "no file could be read"));
    }
    Ok(figures)
}

fn fastest(
    options: &Options,
    mut work: impl FnMut() -> Result<(), ReadError>,
) -> Result<f64, ReadError> {
    let mut least = f64::INFINITY;
    for _ in 0..options.repeat.clamp(1, 1000) {
        let begun = Instant::now();
        work()?;
        least = least.min(begun.elapsed().as_secs_f64());
    }
    Ok(least)
}

fn frames(file: &ImageFile) -> Result<(), ReadError> {
    (0..file.frames()).try_for_each(|frame| file.frame(frame).map(drop))
}

fn picture(path: &Path, least: usize) -> Result<(), ReadError> {
    let file = radiograph::open(path)?;
    match file.preview(0, least) {
        Some(_) => Ok(()),
        None => file.frame(0).map(drop),
    }
}
