//! One file out of an open case: image, masks, measurements, the view, or the record.
//!
//! Separate from reading because nothing that is read depends on it. Every writer reads back what it wrote, by another
//! path than it was written by, before it says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::action::ExportKind;
use crate::document::Document;
use crate::geometry::Figure;
use crate::grid::Grid;
use crate::job::record::Record;
use crate::job::{Error, ErrorKind, HipReading, Mode};
use crate::landmarks::Side;
use crate::measure::norberg::norberg_degrees;
use crate::radiograph::write::{
    Deidentification, HipReport, Look, MeasuredAngle, Object, SecondaryCapture, Segment, Table,
    deidentify, deidentify_blanked, deidentify_own_report, figure_annotations, hip_annotations,
    write_dicom, write_object, write_table, write_whole,
};
use crate::radiograph::{Identity, Pixels, Radiograph, export as write_image, export_color, read};

/// What is exported, besides the form that it takes.
#[derive(Clone, Debug)]
pub struct Exporting {
    /// The document.
    pub document: Document,
    /// How it is looked at.
    pub look: Look,
    /// What the network read, where the points are still those.
    pub reading: Option<HipReading>,
    /// Name of the file that was opened.
    pub name: String,
    /// Whether the painted mask is made black where the image leaves without identity.
    pub blank: bool,
    /// Secret of this session: a file without identity gets its identifiers from it, the same for all of them. Absent =
    /// identity goes along.
    pub without_identity: Option<Vec<u8>>,
}

/// What is said where pixels leave without identity, and the file does not promise that they show none.
const BURNED_IN: &str = "The pixels may show a name: look at them before you give them away \
    (Burned In Annotation is not NO)";

fn failed(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Failed, error.to_string())
}

fn nothing(what: &str, remedy: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("not exported: {what}")).remedy(remedy)
}

/// Writes one file and says what was checked; the work of a task.
///
/// # Errors
/// What is missing or does not fit, and what to do; then nothing was written.
pub fn export(kind: ExportKind, what: &Exporting, path: &Path) -> Result<Vec<String>, Error> {
    let dicom = matches!(
        kind,
        ExportKind::Dicom
            | ExportKind::Segmentation
            | ExportKind::Report
            | ExportKind::Presentation
    );
    match &what.without_identity {
        Some(salt) if dicom => {
            // The whole file lies outside its target folder until nothing in it tells who it is.
            let folder = tempfile::tempdir().map_err(failed)?;
            let whole = folder.path().join("whole.dcm");
            write(kind, what, &whole)?;
            let done = match kind {
                ExportKind::Report => {
                    deidentify_own_report(&whole, path, salt, true).map_err(failed)?
                }
                _ => without_identity(kind, what, (&whole, path), salt)?,
            };
            let mut said = vec![format!(
                "Identity removed: {} attributes, by the basic profile",
                done.removed.len()
            )];
            said.extend(done.warnings);
            Ok(said)
        }
        nameless => {
            let blank = blank_mask(kind, what)?;
            match &blank {
                Some(mask) => picture(path, &what.document.image().blackened(mask))?,
                None => write(kind, what, path)?,
            }
            let image = what.document.image();
            let shows_pixels = matches!(
                kind,
                ExportKind::Png16 | ExportKind::Tiff | ExportKind::Nifti | ExportKind::Record
            );
            let unknown = image.burned_in != "NO" && blank.is_none();
            let burned = nameless.is_some() && shows_pixels && unknown;
            let mut said: Vec<String> = burned.then(|| BURNED_IN.to_owned()).into_iter().collect();
            if kind == ExportKind::Dicom {
                said.extend(image.about_colors().map(|what| format!("Color: {what}")));
            }
            Ok(said)
        }
    }
}

/// A DICOM file of this form again, without identity and with what is to be made black.
fn without_identity(
    kind: ExportKind,
    what: &Exporting,
    (whole, clean): (&Path, &Path),
    salt: &[u8],
) -> Result<Deidentification, Error> {
    match blank_mask(kind, what)? {
        Some(mask) => deidentify_blanked(whole, clean, salt, true, &mask),
        None => deidentify(whole, clean, salt, true),
    }
    .map_err(failed)
}

/// What is to be made black in this form; absent where nothing is, or the form shows no pixels.
///
/// # Errors
/// It was asked for, and nothing is painted.
fn blank_mask(kind: ExportKind, what: &Exporting) -> Result<Option<Grid<u8>>, Error> {
    let shows = matches!(
        kind,
        ExportKind::Png16 | ExportKind::Tiff | ExportKind::Nifti | ExportKind::Dicom
    );
    if !(what.blank && what.without_identity.is_some() && shows) {
        return Ok(None);
    }
    let mask = what.document.mask();
    let missing = || {
        let remedy = "paint over every name on the mask canvas, or export without making it black";
        nothing("there is no mask to make black", remedy)
    };
    mask.map(Some).ok_or_else(missing)
}

/// An image as a picture: of a color image what any other program shows of it.
fn picture(path: &Path, image: &Radiograph) -> Result<(), Error> {
    let nifti = path.extension().is_some_and(|e| e == "gz" || e == "nii");
    if image.color().is_some() && !nifti {
        export_color(path, image, true).map_err(failed)
    } else {
        write_image(path, image, &image.pixels, true).map_err(failed)
    }
}

fn write(kind: ExportKind, what: &Exporting, path: &Path) -> Result<(), Error> {
    let document = &what.document;
    let table = |table: &Table<'_>| {
        write_table(path, &file_name(what), document.image(), table, true).map_err(failed)
    };
    match kind {
        ExportKind::Png16 | ExportKind::Tiff | ExportKind::Nifti => picture(path, document.image()),
        ExportKind::Dicom => {
            let made = accepted_record(document);
            let facts = SecondaryCapture {
                description: "Radcanvas".to_owned(),
                from_nothing: made
                    .is_some_and(|r| matches!(r.request.mode, Mode::Sketch | Mode::Sample)),
            };
            write_dicom(path, document.image(), &facts, true).map_err(failed)
        }
        ExportKind::Segmentation => {
            let masks = masks(document)?;
            // A mask lies on the same grid before and after what was accepted.
            write_object(
                path,
                &document.original,
                &Object::Segmentation(&masks),
                true,
            )
            .map_err(failed)
        }
        ExportKind::Report => {
            let image = referred(document)?;
            let hips = hips(what);
            let figures = figures(document);
            let object = Object::Measurements {
                hips: hips.as_ref(),
                figures: &figures,
            };
            write_object(path, image, &object, true).map_err(failed)
        }
        ExportKind::Presentation => {
            let image = referred(document)?;
            let mut annotations: Vec<_> = hips(what).iter().flat_map(hip_annotations).collect();
            annotations.extend(figure_annotations(image, &figures(document)));
            let object = Object::Presentation {
                look: &what.look,
                annotations: &annotations,
            };
            write_object(path, image, &object, true).map_err(failed)
        }
        ExportKind::Coco => table(&Table::Coco(&masks(document)?)),
        ExportKind::Csv => write_csv(what, table),
        ExportKind::Mask => {
            let image = document.image();
            let mask =
                painted(document).unwrap_or_else(|| Grid::filled(image.width(), image.height(), 0));
            picture(path, &Radiograph::from_pixels(Pixels::U8(mask)))
        }
        ExportKind::Record => {
            let Some(mut record) = accepted_record(document) else {
                return Err(failed("there is no accepted result to record"));
            };
            // The source of the last accepted result is the image that it was made from.
            let before = document.accepted.len().checked_sub(2);
            let source = before.and_then(|n| document.accepted.get(n));
            let source = source.map_or(&document.original, |accepted| &accepted.radiograph);
            record.request.source = Some(if what.without_identity.is_some() {
                Arc::new(nameless(source))
            } else {
                Arc::clone(source)
            });
            write_whole(path, &record.bytes()?, true).map_err(failed)
        }
    }
}

/// Writes the image as it stands into `folder`, and the objects of `kinds` that say something of it; the work of a task.
///
/// The objects refer to the image that is written, not to the file that was opened: whoever receives them has that one,
/// synthetic or not. Each is read back, and leaves its identity behind where that is asked for, with UIDs that agree.
///
/// # Errors
/// What is missing or does not fit; nothing of it is to be used then.
pub fn bundle(
    kinds: &[ExportKind],
    what: &Exporting,
    folder: &Path,
) -> Result<Vec<PathBuf>, Error> {
    let whole = folder.join("whole.dcm");
    write(ExportKind::Dicom, what, &whole)?;
    let image = match &what.without_identity {
        Some(salt) => {
            let clean = folder.join("image.dcm");
            without_identity(ExportKind::Dicom, what, (&whole, &clean), salt)?;
            clean
        }
        None => whole.clone(),
    };
    let mut files = vec![image];
    if kinds.is_empty() {
        return Ok(files);
    }
    let written = Arc::new(read(&whole, 0)?);
    let about = Exporting {
        document: Document {
            original: written,
            accepted: Vec::new(),
            ..what.document.clone()
        },
        ..what.clone()
    };
    for kind in kinds {
        let path = folder.join(format!("object{}.dcm", kind.suffix()));
        export(*kind, &about, &path)?;
        files.push(path);
    }
    Ok(files)
}

/// The image without who it is of, where it came from and what it was called.
fn nameless(image: &Radiograph) -> Radiograph {
    let mut image = image.clone();
    image.identity = Identity::default();
    image.source.path = None;
    image.source.sop_instance = None;
    image.source.study = None;
    image.place = crate::radiograph::series::Place::default();
    image
}

/// The image that a report or a view is about: it must be the one of the file.
fn referred(document: &Document) -> Result<&Radiograph, Error> {
    if document.accepted.is_empty() {
        return Ok(&document.original);
    }
    Err(nothing(
        "the image as it stands is not the one of the file",
        "export it as DICOM, open that file and measure on it",
    ))
}

fn file_name(what: &Exporting) -> String {
    if what.without_identity.is_some() {
        "image".to_owned()
    } else {
        what.name.clone()
    }
}

/// What is painted now; after accepting, what was painted for the image shown.
fn painted(document: &Document) -> Option<Grid<u8>> {
    let used = || accepted_record(document).and_then(|record| record.request.mask);
    document.mask().or_else(used)
}

fn masks(document: &Document) -> Result<Vec<Segment>, Error> {
    let mask = painted(document)
        .ok_or_else(|| nothing("there is no mask", "paint one on the mask canvas"))?;
    Ok(vec![Segment {
        label: "Mask".to_owned(),
        mask,
        algorithm: None,
    }])
}

fn figures(document: &Document) -> Vec<Figure> {
    document.figures.iter().map(|f| (**f).clone()).collect()
}

/// The Norberg angles, and what placed their points.
fn hips(what: &Exporting) -> Option<HipReport> {
    let landmarks = what.document.landmarks?;
    let spacing = what.document.image().proportions();
    let read = what.reading.as_ref().filter(|r| r.landmarks == landmarks);
    let side = |side| {
        let degrees = norberg_degrees(&landmarks, side, spacing)?;
        let interval = read.map(|reading| match side {
            Side::Left => reading.left_interval_degrees,
            Side::Right => reading.right_interval_degrees,
        });
        Some(MeasuredAngle {
            degrees,
            interval_degrees: interval.filter(|i| i.iter().all(|v| v.is_finite())),
        })
    };
    Some(HipReport {
        landmarks,
        left: side(Side::Left),
        right: side(Side::Right),
        algorithm: read.map(|_| "hips".to_owned()),
        person: String::new(),
    })
}

/// Writes the first of figures, hips and masks that there is.
fn write_csv(
    what: &Exporting,
    write: impl Fn(&Table<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let figures = figures(&what.document);
    if !figures.is_empty() {
        return write(&Table::Figures(&figures));
    }
    if let Some(report) = hips(what) {
        return write(&Table::Hips(&report));
    }
    match masks(&what.document) {
        Ok(masks) => write(&Table::Masks(&masks)),
        Err(_) => Err(nothing(
            "there is nothing to count",
            "measure something, place hip points or paint a mask",
        )),
    }
}

/// The record of the image as it stands, without its source's pixels.
fn accepted_record(document: &Document) -> Option<Record> {
    let accepted = document.accepted.last()?;
    serde_json::from_value(accepted.record.clone()).ok()
}
