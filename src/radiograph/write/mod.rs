//! DICOM Secondary Capture out, with the mark of what is synthetic, and whole files written safely.
//!
//! Every writer writes beside the target, syncs and renames: a file is there whole or not at all, and one that exists
//! is replaced only when asked.

mod annotations;
mod dataset;
mod dicom;
mod glyphs;
mod modules;
mod presentation;
mod report;
mod segmentation;
mod shown;
mod tables;
mod volume;

use std::path::{Path, PathBuf};

use crate::geometry::Figure;
use crate::grid::Grid;

use super::{Radiograph, ReadError, ReadProblem, check};
use crate::whole;

pub(super) use glyphs::MARK;
pub(super) use volume::{nifti_bytes, packed};

pub use annotations::{figure_annotations, hip_annotations};
pub use dataset::date_and_time;
pub use dicom::{SecondaryCapture, dicom_bytes, write_dicom};
pub use presentation::{Annotation, presentation_bytes};
pub(super) use report::reported;
pub use report::{HipReport, MeasuredAngle, report_bytes};
pub use segmentation::{Segment, segmentation_bytes};
pub use shown::Look;
pub(super) use shown::{displayed, is_inverse, written_displays};
pub use tables::{Table, coco, figures_csv, hips_csv, mask_of_counts, masks_csv, write_table};

/// A DICOM object about an image.
#[derive(Clone, Copy, Debug)]
pub enum Object<'a> {
    /// Masks.
    Segmentation(&'a [Segment]),
    /// Norberg angles.
    Report(&'a HipReport),
    /// Everything that was measured: Norberg angles where there are any, and figures.
    Measurements {
        /// Norberg angles.
        hips: Option<&'a HipReport>,
        /// Figures.
        figures: &'a [Figure],
    },
    /// How the image was looked at.
    Presentation {
        /// Window, polarity, turns and what is in sight.
        look: &'a Look,
        /// What is drawn over it.
        annotations: &'a [Annotation],
    },
}

/// Writes an object about `image`; it is read back by our own parser first, and saved only when it says the same.
pub fn write_object(
    path: &Path,
    image: &Radiograph,
    object: &Object<'_>,
    replace: bool,
) -> Result<(), WriteError> {
    let unsupported = |what| WriteError::Unsupported {
        what,
        path: path.to_owned(),
    };
    let bytes = match object {
        Object::Segmentation(segments) => segmentation_bytes(image, segments),
        Object::Report(report) => report_bytes(image, Some(report), &[], ""),
        Object::Measurements { hips, figures } => report_bytes(image, *hips, figures, ""),
        Object::Presentation { look, annotations } => presentation_bytes(image, look, annotations),
    }
    .map_err(unsupported)?;
    check::object(&bytes, image, object).map_err(unsupported)?;
    write_whole(path, &bytes, replace)
}

/// Reads the object at `path` back: whether it is there whole and says what `object` does.
pub fn object_at(path: &Path, image: &Radiograph, object: &Object<'_>) -> Result<(), WriteError> {
    let bytes = std::fs::read(path).map_err(|error| WriteError::Disk {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    check::object(&bytes, image, object).map_err(|what| WriteError::Unsupported {
        what,
        path: path.to_owned(),
    })
}

/// What de-identifying did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deidentification {
    /// Tags that were removed, emptied or replaced, `(gggg,eeee)`.
    pub removed: Vec<String>,
    /// What a person must still look at.
    pub warnings: Vec<String>,
}

/// Bytes that nobody can guess later: of the clock and of the system's source of random numbers.
pub fn secret() -> Vec<u8> {
    use std::hash::{BuildHasher as _, RandomState};
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    // The keys of a hasher come from the system's source of random numbers.
    let random = [0; 4].map(|_: u8| RandomState::new().hash_one(now));
    let mut salt: Vec<u8> = random
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    salt.extend(now.to_le_bytes());
    salt
}

/// Why a file was not de-identified.
#[derive(Debug, thiserror::Error)]
pub enum DeidentifyError {
    /// It was not read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It was not written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Writes a DICOM file without what tells who it is: PS3.15's basic profile, an animal's owner included.
///
/// What was written is read back and looked through before it is saved. `salt` is secret: UIDs are replaced by it, and
/// references between files hold among those with the same one.
pub fn deidentify(
    from: &Path,
    to: &Path,
    salt: &[u8],
    replace: bool,
) -> Result<Deidentification, DeidentifyError> {
    without_identity(from, to, salt, replace, false, None)
}

/// The same for a report that this program has just made: its content, which holds no name, stays.
pub fn deidentify_own_report(
    from: &Path,
    to: &Path,
    salt: &[u8],
    replace: bool,
) -> Result<Deidentification, DeidentifyError> {
    without_identity(from, to, salt, replace, true, None)
}

/// The same as [`deidentify`], with pixels made black where `mask` is not 0: what is burned into them goes too.
///
/// The file then says Burned In Annotation NO, by PS3.15's Clean Pixel Data Option: the mask must hold every name.
pub fn deidentify_blanked(
    from: &Path,
    to: &Path,
    salt: &[u8],
    replace: bool,
    mask: &Grid<u8>,
) -> Result<Deidentification, DeidentifyError> {
    without_identity(from, to, salt, replace, false, Some(mask))
}

fn without_identity(
    from: &Path,
    to: &Path,
    salt: &[u8],
    replace: bool,
    own_content: bool,
    blank: Option<&Grid<u8>>,
) -> Result<Deidentification, DeidentifyError> {
    let refused = |problem| ReadError::new(from, problem);
    let bytes = std::fs::read(from).map_err(|e| refused(ReadProblem::Open(e.to_string())))?;
    if !super::dicom::looks_like_dicom(&bytes) {
        let what = "only DICOM files are de-identified".to_owned();
        return Err(refused(ReadProblem::UnknownFormat(what)).into());
    }
    let done = super::dicom::deidentify(bytes, salt, own_content, blank).map_err(refused)?;
    write_whole(to, &done.bytes, replace)?;
    Ok(Deidentification {
        removed: done.removed,
        warnings: done.warnings,
    })
}

/// Why a file was not written; nothing half-written is left.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file exists.
    #[error("the file exists and is not replaced without being asked: {}", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// The disk refused.
    #[error("the file could not be written ({reason}); check the free space and the rights of the folder: {}", path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The values do not fit the format.
    #[error("{what}: {}", path.display())]
    Unsupported {
        /// What does not fit and what to use instead.
        what: String,
        /// Where it was to go.
        path: PathBuf,
    },
}

/// Writes a whole file by [`whole::write`]; its folder is made where it is missing.
pub fn write_whole(path: &Path, bytes: &[u8], replace: bool) -> Result<(), WriteError> {
    let refused = |error: &std::io::Error| WriteError::Disk {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    // A file in the place of the folder exists as well, and is not the one that may not be replaced.
    whole::make_folder_of(path).map_err(|error| refused(&error))?;
    whole::write(path, bytes, replace).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists if !replace => WriteError::Exists {
            path: path.to_owned(),
        },
        _ => refused(&error),
    })
}
