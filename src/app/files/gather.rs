//! What was opened, as series: a file, a folder, a ZIP archive or a DICOMDIR.
//!
//! Separate because a folder of a hundred images is one thing to open and a hundred to look at.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::refused;
use crate::job::{Error, ErrorKind};
use crate::radiograph::series::{Listing, Series, list, list_all};
use crate::radiograph::{ImageFile, Picture, open};

/// Pixels a side of a picture in the list of series, at most.
const THUMBNAIL: usize = 192;

/// One series, ready to be opened.
#[derive(Clone, Debug)]
pub struct SeriesEntry {
    /// What a person reads: its description, else the name of its file.
    pub title: String,
    /// Modality; may be empty.
    pub modality: String,
    /// Its images; nothing is decoded yet.
    pub file: Arc<ImageFile>,
}

/// The series of what was opened.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// In the order of the list; at least one.
    pub series: Vec<SeriesEntry>,
    /// The one that is shown first.
    pub first: usize,
    /// What a person should know: files that were refused.
    pub notes: Vec<String>,
}

impl Gathered {
    /// A single file.
    fn single(file: ImageFile) -> Self {
        Self {
            series: vec![SeriesEntry {
                title: crate::app::panel::file_name(file.path()),
                modality: String::new(),
                file: Arc::new(file),
            }],
            first: 0,
            notes: Vec::new(),
        }
    }
}

/// Lists what lies at `path`; nothing is decoded yet.
///
/// # Errors
/// The path cannot be read, or holds no image.
pub fn gather(path: &Path) -> Result<Gathered, Error> {
    if !path.is_dir() {
        let file = open(path).map_err(refused)?;
        if !file.is_collection() {
            return Ok(Gathered::single(file));
        }
    }
    let listing = list(path).map_err(refused)?;
    // A folder without an image is refused in the words of the reader.
    if listing.series.is_empty() {
        return open(path).map(Gathered::single).map_err(refused);
    }
    Ok(gathered(path, &listing))
}

/// Lists what several paths hold, as series; the one that the first path belongs to is shown first.
///
/// # Errors
/// None of them holds an image.
pub fn gather_all(paths: &[PathBuf]) -> Result<Gathered, Error> {
    let listing = list_all(paths);
    let first = paths.first().map_or(Path::new(""), PathBuf::as_path);
    if listing.series.is_empty() {
        return match listing.refused.first() {
            Some(refusal) => Err(Error::new(ErrorKind::Input, refusal.problem.to_string())
                .at(&refusal.path)
                .remedy(refusal.problem.remedy())),
            None => gather(first),
        };
    }
    let mut gathered = gathered(first, &listing);
    let holds = |series: &Series| series.members.iter().any(|member| member.path == first);
    if let Some(own) = listing.series.iter().position(holds) {
        gathered.first = own;
    }
    Ok(gathered)
}

fn gathered(path: &Path, listing: &Listing) -> Gathered {
    // Scouts come before the images themselves, so the first series is not the one that is meant.
    let most = listing.series.iter().map(Series::frames).max();
    let first = listing
        .series
        .iter()
        .position(|series| Some(series.frames()) == most)
        .unwrap_or(0);
    let series = listing
        .series
        .iter()
        .map(|series| entry(path, series))
        .collect();
    let notes = match listing.refused.as_slice() {
        [] => Vec::new(),
        [one] => vec![format!("One file was left out: {one}")],
        [first, ..] => vec![format!(
            "{} files were left out, the first: {first}",
            listing.refused.len()
        )],
    };
    Gathered {
        series,
        first,
        notes,
    }
}

fn entry(path: &Path, series: &Series) -> SeriesEntry {
    let first = series.members.first();
    let place = first.map(|member| &member.place);
    let description = place.map_or("", |place| place.description.trim());
    let file = first.map_or(path, |member| &member.path).to_owned();
    SeriesEntry {
        title: if description.is_empty() {
            crate::app::panel::file_name(&file)
        } else {
            description.to_owned()
        },
        modality: place.map_or_else(String::new, |place| place.modality.clone()),
        file: Arc::new(ImageFile::of_series(path, series)),
    }
}

/// The middle image of a series, small and through its own window; the work of a task.
///
/// # Errors
/// The image cannot be read.
pub fn thumbnail(file: &ImageFile) -> Result<Picture, Error> {
    let frames = file.frames();
    if frames == 0 {
        return Err(Error::new(ErrorKind::Input, "the series holds no image"));
    }
    let image = file.frame(frames / 2).map_err(refused)?;
    Ok(Picture::reduced(&image, THUMBNAIL))
}
