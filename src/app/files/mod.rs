//! Opening, keeping and saving cases: everything that touches a disk, always on a thread of its own.
//!
//! Separate from the logic because none of it may make the window wait: each function here is the work of a task.

mod export;
mod gather;
mod unsaved;

pub use export::{Exporting, bundle, export};
pub use gather::{Gathered, SeriesEntry, StudyEntry, gather, gather_all, thumbnail};
pub use unsaved::{Unsaved, unsaved};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::demo::Recording;
use super::layers::{Figures, LayerPixels};
use super::recent::Glimpse;
use super::session::Remark;
use crate::document::project::{Project, ProjectError};
use crate::document::{Document, Edit, EditError, History, Layer};
use crate::job::{Error, ErrorKind, HipReading, Mode, Sex};
use crate::landmarks::HipLandmarks;
use crate::radiograph::{
    Picture, Preview, Radiograph, Spacing, SpacingSource, SyntheticMark, read,
};

/// A bundled case, as its folder describes it (`case.json`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CaseFacts {
    /// What a person reads.
    pub title: String,
    /// One sentence.
    pub description: String,
    /// `hip`, `chest`, …
    pub kind: String,
    /// Millimetres a pixel, `[row, column]`.
    pub spacing_mm: Option<[f64; 2]>,
    /// Age in years.
    pub age_years: Option<f64>,
    /// Sex.
    pub sex: Option<Sex>,
    /// What to do with it first.
    pub mode: Option<Mode>,
    /// DICOM View Position.
    pub view_position: String,
    /// Whether the picture itself is generated.
    pub synthetic: bool,
}

/// A bundled case on the empty screen.
pub struct CaseCard {
    /// Its folder.
    pub folder: PathBuf,
    /// What a person reads.
    pub title: String,
    /// One sentence.
    pub description: String,
    /// A reduced picture.
    pub small: Picture,
    /// The same on the GPU.
    pub picture: Option<egui::TextureHandle>,
}

/// How the document is kept: with a journal on the disk, or in memory when the disk refuses.
#[derive(Debug)]
pub enum Work {
    /// Every edit is written before it is made.
    Kept(Box<Project>),
    /// No journal.
    Loose(Box<History>),
}

impl Work {
    /// The document with its undo and redo.
    pub fn history(&self) -> &History {
        match self {
            Self::Kept(project) => project.history(),
            Self::Loose(history) => history,
        }
    }

    /// Applies an edit; `joined` lets the moves of one drag be one step.
    pub(super) fn apply(&mut self, edit: Edit, joined: bool) -> Result<(), KeepError> {
        match (self, joined) {
            (Self::Kept(project), false) => project.apply(edit).map(drop)?,
            (Self::Kept(project), true) => project.apply_coalesced(edit).map(drop)?,
            (Self::Loose(history), false) => history.apply(edit).map(drop)?,
            (Self::Loose(history), true) => history.apply_coalesced(edit).map(drop)?,
        }
        Ok(())
    }

    /// Takes the last step back or makes it again; `false` when there is none.
    pub(super) fn step(&mut self, back: bool) -> Result<bool, KeepError> {
        Ok(match (self, back) {
            (Self::Kept(project), true) => project.undo()?,
            (Self::Kept(project), false) => project.redo()?,
            (Self::Loose(history), true) => history.undo(),
            (Self::Loose(history), false) => history.redo(),
        })
    }
}

/// Why an edit was not made.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// It does not fit the document.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The journal could not be written.
    #[error(transparent)]
    Project(#[from] ProjectError),
}

impl From<KeepError> for Remark {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Edit(error) => error.to_string().into(),
            KeepError::Project(error) => Error::from(error).into(),
        }
    }
}

/// A case as it was read, before it is shown.
#[derive(Debug)]
pub struct Loaded {
    /// The document, journalled where possible.
    pub work: Work,
    /// What a person reads.
    pub title: String,
    /// `hip`, `chest`, … or empty.
    pub kind: String,
    /// What was opened.
    pub path: Option<PathBuf>,
    /// Everything that was opened with it, when that is more than one image.
    pub stack: Option<Gathered>,
    /// Facts of a bundled case.
    pub facts: Option<CaseFacts>,
    /// Recorded strokes of a bundled case.
    pub recording: Option<Recording>,
    /// Where it is saved by the person; absent for unsaved work.
    pub project_folder: Option<PathBuf>,
    /// What a person should know.
    pub notes: Vec<Remark>,
    /// Why there is no journal, where there should be one.
    pub not_kept: Option<String>,
    /// What tells it apart among the files opened last; absent for one of several images that were opened together.
    pub seen: Option<Glimpse>,
}

/// The open case.
pub struct Open {
    /// The document; only the logic changes it.
    pub(super) work: Work,
    /// What a person reads.
    pub title: String,
    /// `hip`, `chest`, … or empty.
    pub kind: String,
    /// What was opened.
    pub path: Option<PathBuf>,
    /// The sketch layer as pixels.
    pub sketch: LayerPixels,
    /// The mask layer as pixels.
    pub mask: LayerPixels,
    /// The kind that the reader takes it for and how sure it is; absent where the file says, or the person.
    pub guess: Option<(String, f64)>,
    /// Model and kind that were chosen when the reader was asked: a guess that comes late overrules nobody.
    pub chosen_before: (String, String),
    /// The figures with their numbers.
    pub figures: Figures,
    /// What the network last read, to know the intervals of its points.
    pub reading: Option<HipReading>,
    /// Recorded strokes of a bundled case.
    pub recording: Option<Recording>,
    /// Where the person saves it.
    pub project_folder: Option<PathBuf>,
    /// The revision that was saved.
    pub saved_revision: u64,
    /// Why its edits are in memory alone, where they should be on the disk too.
    pub not_kept: Option<String>,
}

impl Open {
    pub(super) fn new(loaded: Loaded) -> Self {
        let image = loaded.work.history().document().image();
        let (width, height) = (image.width(), image.height());
        let mut open = Self {
            title: loaded.title,
            kind: loaded.kind,
            path: loaded.path,
            sketch: LayerPixels::new(Layer::Sketch, width, height),
            mask: LayerPixels::new(Layer::Mask, width, height),
            guess: None,
            chosen_before: Default::default(),
            figures: Figures::default(),
            reading: None,
            recording: loaded.recording,
            project_folder: loaded.project_folder,
            saved_revision: loaded.work.history().revision(),
            not_kept: loaded.not_kept,
            work: loaded.work,
        };
        open.update_layers();
        open
    }

    /// The document with its undo and redo.
    pub fn history(&self) -> &History {
        self.work.history()
    }

    /// The document as it stands.
    pub fn document(&self) -> &Document {
        self.history().document()
    }

    /// Moves on with every edit, undo and redo.
    pub fn revision(&self) -> u64 {
        self.history().revision()
    }

    pub(super) fn update_layers(&mut self) {
        let document = self.work.history().document();
        self.sketch.update(document);
        self.mask.update(document);
        self.figures.update(document);
    }
}

fn unreadable(path: &Path, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Input, what.to_string()).at(path)
}

/// Reads an image.
fn image(path: &Path) -> Result<Radiograph, Error> {
    Ok(read(path, 0)?)
}

/// One image of a file, ready for the stage.
pub(super) fn loaded(radiograph: Radiograph, file: &Path, keep: Option<&Path>) -> Loaded {
    // Of a series it is the image's own file that is shown, not the folder.
    let own = radiograph.source.path.clone();
    let title = own
        .as_deref()
        .unwrap_or(file)
        .file_stem()
        .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let kind = kind_of(&radiograph);
    let notes = radiograph.notes.iter().cloned().map(Remark::from);
    let notes = notes.collect();
    let (work, not_kept) = keep_work(Document::new(Arc::new(radiograph)), keep);
    Loaded {
        title,
        kind,
        path: Some(file.to_owned()),
        stack: None,
        facts: None,
        recording: None,
        project_folder: None,
        notes,
        work,
        not_kept,
        seen: None,
    }
}

/// Pixels of the longer side of a preview: about those that a canvas has.
const PREVIEW_SIDE: usize = 1000;

/// Opens a file, a folder as its series, a project folder or a bundled case; the work of a task.
///
/// `keep` is the folder for the journals of unsaved work; without it nothing is kept. Where the image takes its time, a
/// picture of it is shown by `show` first.
pub fn load(path: &Path, keep: Option<&Path>, show: &dyn Fn(Preview)) -> Result<Loaded, Error> {
    if path.join("project.json").is_file() {
        return restore(path, Some(path.to_owned()));
    }
    if path.join("case.json").is_file() {
        return case(path, keep);
    }
    opened(gather(path)?, path, keep, show)
}

/// Opens several files and folders as the series that they hold; the work of a task.
///
/// Projects and bundled cases open alone: among others they are named and left out.
pub fn load_all(
    paths: &[PathBuf],
    keep: Option<&Path>,
    show: &dyn Fn(Preview),
) -> Result<Loaded, Error> {
    let alone =
        |path: &&PathBuf| path.join("project.json").is_file() || path.join("case.json").is_file();
    let (left, images): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.iter().partition(alone);
    let images: Vec<PathBuf> = images.into_iter().cloned().collect();
    let Some(first) = images.first() else {
        let first = paths.first().map_or(Path::new(""), PathBuf::as_path);
        return load(first, keep, show);
    };
    let mut loaded = opened(gather_all(&images)?, first, keep, show)?;
    let notes = left.into_iter().map(|path| {
        let what = if path.join("project.json").is_file() {
            "project"
        } else {
            "bundled case"
        };
        Remark::about(format!("A {what} opens alone and was left out"), path)
    });
    loaded.notes.extend(notes);
    Ok(loaded)
}

fn opened(
    gathered: Gathered,
    path: &Path,
    keep: Option<&Path>,
    show: &dyn Fn(Preview),
) -> Result<Loaded, Error> {
    let Some(first) = gathered.series.get(gathered.first) else {
        return Err(unreadable(path, "there is no image"));
    };
    if let Some(preview) = first.file.preview(0, PREVIEW_SIDE) {
        show(preview);
    }
    let radiograph = first.file.frame(0)?;
    if let Some(what) = radiograph.masks_note() {
        let remedy = "open that image, then drop this file on it";
        return Err(unreadable(path, what).remedy(remedy));
    }
    let several = gathered.series.len() > 1 || first.file.frames() > 1;
    let images = gathered.studies.iter().map(|study| study.images).sum();
    let seen = Glimpse::of(&radiograph, &kind_of(&radiograph), images);
    let mut loaded = loaded(radiograph, path, keep);
    loaded.notes.extend(gathered.notes.iter().cloned());
    loaded.stack = several.then_some(gathered);
    loaded.seen = Some(seen);
    Ok(loaded)
}

/// A kind of image where the file says so; a name or a guess from pixels is not enough.
fn kind_of(radiograph: &Radiograph) -> String {
    match (
        radiograph.view_position.as_str(),
        radiograph.modality.as_str(),
    ) {
        ("VD", _) => "hip",
        ("PA" | "AP", _) => "chest",
        ("MLO" | "CC", _) => "breast",
        ("PANORAMIC", _) | (_, "PX") => "jaw",
        _ => "",
    }
    .to_owned()
}

/// Opens a project as it was left; `folder` is where the person saves it, absent for unsaved work.
pub fn restore(path: &Path, folder: Option<PathBuf>) -> Result<Loaded, Error> {
    let (project, notes) = Project::open(path).map_err(|error| unreadable(path, error.words()))?;
    let title = folder
        .as_deref()
        .map_or_else(|| "Restored work".to_owned(), super::panel::file_name);
    let kind = kind_of(&project.document().original);
    let seen = Some(Glimpse::of(project.document().image(), &kind, 1));
    Ok(Loaded {
        title,
        seen,
        kind,
        path: folder.clone(),
        stack: None,
        facts: None,
        recording: None,
        project_folder: folder,
        work: Work::Kept(Box::new(project)),
        notes: notes.into_iter().map(Remark::from).collect(),
        not_kept: None,
    })
}

/// Puts a document into a journal of its own; in memory when there is no folder, or, with the reason, when the disk
/// refuses.
fn keep_work(document: Document, keep: Option<&Path>) -> (Work, Option<String>) {
    let loose = |document| Work::Loose(Box::new(History::new(document)));
    let Some(keep) = keep else {
        return (loose(document), None);
    };
    let stamp = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis());
    // Frames are read faster than the clock of some systems ticks.
    let frame = document.original.frame;
    match Project::create(
        &keep.join(format!("work-{stamp}-{frame}")),
        document.clone(),
    ) {
        Ok(project) => (Work::Kept(Box::new(project)), None),
        Err(error) => (loose(document), Some(error.words())),
    }
}

/// Facts of a bundled case.
fn facts(folder: &Path) -> Result<CaseFacts, Error> {
    let path = folder.join("case.json");
    let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
    serde_json::from_str(&text).map_err(|error| unreadable(&path, error))
}

/// Opens a bundled case: `image.png`, `case.json`, and where there are any `landmarks.json` and `sketch.json`.
fn case(folder: &Path, keep: Option<&Path>) -> Result<Loaded, Error> {
    let facts = facts(folder)?;
    let mut radiograph = image(&folder.join("image.png"))?;
    // A case is shown by its title; where it lies on this computer is nobody's business.
    radiograph.source.path = None;
    radiograph.view_position.clone_from(&facts.view_position);
    if facts.synthetic && radiograph.synthetic.is_none() {
        radiograph.synthetic = Some(SyntheticMark {
            evidence: "bundled case made by a program".to_owned(),
            contribution: facts.description.clone(),
        });
    }
    if let Some([row_mm, column_mm]) = facts.spacing_mm.filter(|mm| mm.iter().all(|v| *v > 0.0)) {
        radiograph.spacing = Some(Spacing {
            row_mm,
            column_mm,
            source: SpacingSource::Calibrated,
        });
    }
    let mut document = Document::new(Arc::new(radiograph));
    let landmarks = folder.join("landmarks.json");
    if let Ok(text) = std::fs::read_to_string(&landmarks) {
        let points: HipLandmarks =
            serde_json::from_str(&text).map_err(|error| unreadable(&landmarks, error))?;
        document.landmarks = points.is_valid().then_some(points);
    }
    let sketch = folder.join("sketch.json");
    let recording = match std::fs::read_to_string(&sketch) {
        Ok(text) => Some(serde_json::from_str(&text).map_err(|error| unreadable(&sketch, error))?),
        Err(_) => None,
    };
    let (work, not_kept) = keep_work(document, keep);
    Ok(Loaded {
        work,
        not_kept,
        seen: None,
        title: facts.title.clone(),
        kind: facts.kind.clone(),
        path: None,
        stack: None,
        facts: Some(facts),
        recording,
        project_folder: None,
        notes: Vec::new(),
    })
}

/// The bundled cases with a picture each, sorted by folder; one that cannot be read is left out.
pub fn cards(root: &Path) -> Vec<CaseCard> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root)
        .map(|entries| entries.filter_map(|e| Some(e.ok()?.path())).collect())
        .unwrap_or_default();
    folders.sort();
    folders
        .into_iter()
        .filter_map(|folder| {
            let facts = facts(&folder).ok()?;
            let radiograph = image(&folder.join("image.png")).ok()?;
            Some(CaseCard {
                title: facts.title,
                description: facts.description,
                small: Picture::reduced(&radiograph, 304),
                picture: None,
                folder,
            })
        })
        .collect()
}
