//! What the reader understood of a file, in words for a machine.
//!
//! Separate because a refusal is part of the answer here, and a folder or an archive has an answer for each file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::content::Content;
use crate::radiograph::error::{ReadError, ReadProblem};
use crate::radiograph::{FileKind, SpacingSource, apart, series};

/// A window in words for a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InspectedWindow {
    /// Window center, modality values.
    pub center: f64,
    /// Window width, modality values.
    pub width: f64,
}

/// What the reader understood of a file; `error` is filled and the rest is empty when it was refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// The file.
    pub path: PathBuf,
    /// `dicom`, `png`, `tiff`, `jpeg`, `nifti` or `nrrd`.
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
    pub spacing_source: Option<SpacingSource>,
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
    /// Overlay planes.
    pub overlays: Option<usize>,
    /// Number of the series within what was listed, from 0; only for a file out of a folder or an archive.
    pub series: Option<usize>,
    /// What had to be assumed.
    pub notes: Vec<String>,
    /// Why it was refused.
    pub error: Option<String>,
}

impl Inspection {
    fn refused(path: &Path, problem: &ReadProblem, kind: Option<FileKind>) -> Self {
        Self {
            path: path.to_owned(),
            kind,
            error: Some(format!("{problem}; {}", problem.remedy())),
            ..Self::default()
        }
    }
}

/// Opens a file, decodes its first frame and says what was understood; a refusal is part of the answer.
///
/// A folder, a ZIP archive or a DICOMDIR is refused here: [`inspect_all`] answers for each of its files.
pub fn inspect(path: impl AsRef<Path>) -> Inspection {
    let path = path.as_ref();
    one(path).unwrap_or_else(|| {
        let problem = ReadProblem::Unsupported("a collection of files".to_owned());
        Inspection::refused(path, &problem, None)
    })
}

/// The answers for a file, or for each file of a folder, a ZIP archive or a DICOMDIR, series by series and in order.
pub fn inspect_all(path: impl AsRef<Path>) -> Vec<Inspection> {
    let path = path.as_ref();
    if let Some(single) = one(path) {
        return vec![single];
    }
    let refused = |error: &ReadError| Inspection::refused(&error.path, &error.problem, None);
    let listing = match series::list(path) {
        Ok(listing) => listing,
        Err(error) => return vec![refused(&error)],
    };
    let mut rows = Vec::new();
    for (number, series) in listing.series.iter().enumerate() {
        rows.extend(series.members.iter().map(|member| Inspection {
            series: Some(number),
            ..inspect(&member.path)
        }));
    }
    rows.extend(listing.refused.iter().map(refused));
    rows
}

/// The answer for one file; `None` for a collection.
fn one(path: &Path) -> Option<Inspection> {
    if path.is_dir() {
        return None;
    }
    match apart::inspect(path) {
        Ok(inspection) => inspection.map(|found| Inspection {
            path: path.to_owned(),
            ..found
        }),
        Err(problem) => Some(Inspection::refused(path, &problem, None)),
    }
}

/// The answer for a file whose header is read.
pub(in crate::radiograph) fn of_content(content: &Content) -> Inspection {
    let path = Path::new("");
    let image = match content.frame(0) {
        Ok(image) => image,
        Err(problem) => return Inspection::refused(path, &problem, Some(content.kind())),
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
        overlays: Some(image.overlays.len()),
        series: None,
        notes: image.notes,
        error: None,
    }
}
