//! What was opened, as series: a file, a folder, a ZIP archive or a DICOMDIR.
//!
//! Separate because a folder of a hundred images is one thing to open and a hundred to look at.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::session::Remark;
use crate::job::{Error, ErrorKind};
use crate::radiograph::series::{Heading, Listing, Series, list, list_all};
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
    /// Series Number, where the file tells one.
    pub number: Option<i64>,
    /// Its images; nothing is decoded yet.
    pub file: Arc<ImageFile>,
}

/// Series that lie one after the other in the list and belong to one study.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StudyEntry {
    /// Who and when it is of; empty where that is not known.
    pub heading: Heading,
    /// Its first series in the list.
    pub first: usize,
    /// How many series it has, ≥ 1.
    pub count: usize,
    /// Images of all its series.
    pub images: usize,
    /// Modalities of its series, each once, in the order of the list.
    pub modalities: Vec<String>,
    /// Whether it is a study, and not what belongs to none.
    pub known: bool,
}

impl StudyEntry {
    /// Whether a series of the list belongs to it.
    pub const fn holds(&self, series: usize) -> bool {
        series >= self.first && series - self.first < self.count
    }
}

/// The series of what was opened.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// In the order of the list; at least one.
    pub series: Vec<SeriesEntry>,
    /// The studies that they belong to, in the same order; each series is in one of them.
    pub studies: Vec<StudyEntry>,
    /// The one that is shown first.
    pub first: usize,
    /// What a person should know: files that were refused.
    pub notes: Vec<Remark>,
}

impl Gathered {
    /// A single file.
    fn single(file: ImageFile) -> Self {
        Self {
            studies: vec![StudyEntry {
                heading: Heading::default(),
                first: 0,
                count: 1,
                images: file.frames(),
                modalities: Vec::new(),
                known: false,
            }],
            series: vec![SeriesEntry {
                title: crate::app::panel::file_name(file.path()),
                modality: String::new(),
                number: None,
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
        let file = open(path)?;
        if !file.is_collection() {
            return Ok(Gathered::single(file));
        }
    }
    let listing = list(path)?;
    // A folder without an image is refused in the words of the reader.
    if listing.series.is_empty() {
        return Ok(Gathered::single(open(path)?));
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
            Some(refusal) => Err(refusal.clone().into()),
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
    let notes = listing.refused.first().map(|refusal| {
        let left = match listing.refused.len() {
            1 => "One file was left out".to_owned(),
            more => format!("{more} files were left out, the first"),
        };
        let why = Error::from(refusal.clone()).words();
        Remark::about(format!("{left}: {why}"), &refusal.path)
    });
    Gathered {
        series,
        studies: studies(&listing.series),
        first,
        notes: notes.into_iter().collect(),
    }
}

/// The studies of series in the order of the list, in which those of one study follow each other.
fn studies(series: &[Series]) -> Vec<StudyEntry> {
    let mut studies: Vec<(Option<&str>, StudyEntry)> = Vec::new();
    for (index, one) in series.iter().enumerate() {
        let first = one.members.first();
        let study = first.and_then(|member| member.place.study.as_deref());
        if studies.last().is_none_or(|(last, _)| *last != study) {
            let entry = StudyEntry {
                heading: Heading::default(),
                first: index,
                count: 0,
                images: 0,
                modalities: Vec::new(),
                known: study.is_some(),
            };
            studies.push((study, entry));
        }
        let (Some((_, entry)), Some(first)) = (studies.last_mut(), first) else {
            continue;
        };
        entry.count += 1;
        entry.images += one.frames();
        let modality = &first.place.modality;
        if !modality.is_empty() && !entry.modalities.contains(modality) {
            entry.modalities.push(modality.clone());
        }
        // Files that belong to no study need not be of one person, or of one day.
        if entry.known {
            complete(&mut entry.heading, &first.heading);
        }
    }
    studies.into_iter().map(|(_, entry)| entry).collect()
}

/// Fills in what the series before do not tell and this one does.
fn complete(heading: &mut Heading, other: &Heading) {
    for (own, others) in [
        (&mut heading.patient, &other.patient),
        (&mut heading.date, &other.date),
        (&mut heading.time, &other.time),
        (&mut heading.description, &other.description),
    ] {
        if own.is_empty() {
            own.clone_from(others);
        }
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
        number: place.and_then(|place| place.series_number),
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
    let image = file.frame(frames / 2)?;
    Ok(Picture::reduced(&image, THUMBNAIL))
}
