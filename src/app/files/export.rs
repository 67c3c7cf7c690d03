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
    HipReport, MeasuredAngle, Object, SecondaryCapture, Segment, coco, deidentify,
    deidentify_own_report, figure_annotations, figures_csv, hip_annotations, hips_csv, masks_csv,
    write_dicom, write_object, write_whole,
};
use crate::radiograph::{
    DisplayWindow, Identity, Pixels, Radiograph, export as write_image, export_color, read,
};

/// What is exported, besides the form that it takes.
#[derive(Clone, Debug)]
pub struct Exporting {
    /// The document.
    pub document: Document,
    /// The window that it is looked at through.
    pub window: DisplayWindow,
    /// What the network read, where the points are still those.
    pub reading: Option<HipReading>,
    /// Name of the file that was opened.
    pub name: String,
    /// Secret of this session: a file without identity gets its identifiers from it, the same for all of them. Absent =
    /// identity goes along.
    pub without_identity: Option<Vec<u8>>,
}

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
            let rewrite = match kind {
                ExportKind::Report => deidentify_own_report,
                _ => deidentify,
            };
            let done = rewrite(&whole, path, salt, true).map_err(failed)?;
            let mut said = vec![format!(
                "Identity removed: {} attributes, by the basic profile",
                done.removed.len()
            )];
            said.extend(done.warnings);
            Ok(said)
        }
        _ => {
            write(kind, what, path)?;
            Ok(Vec::new())
        }
    }
}

fn write(kind: ExportKind, what: &Exporting, path: &Path) -> Result<(), Error> {
    let document = &what.document;
    let picture =
        |image: &Radiograph| write_image(path, image, &image.pixels, true).map_err(failed);
    let text = |bytes: Result<Vec<u8>, String>| {
        write_whole(path, &bytes.map_err(failed)?, true).map_err(failed)
    };
    match kind {
        // A picture of a color image is what any other program shows of it.
        ExportKind::Png16 | ExportKind::Tiff if document.image().color().is_some() => {
            export_color(path, document.image(), true).map_err(failed)
        }
        ExportKind::Png16 | ExportKind::Tiff | ExportKind::Nifti => picture(document.image()),
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
                window: &what.window,
                annotations: &annotations,
            };
            write_object(path, image, &object, true).map_err(failed)
        }
        ExportKind::Coco => {
            let table = coco(&file_name(what), document.image(), &masks(document)?);
            text(serde_json::to_vec(&table).map_err(|error| error.to_string()))
        }
        ExportKind::Csv => text(table(what)?),
        ExportKind::Mask => {
            let image = document.image();
            let mask =
                painted(document).unwrap_or_else(|| Grid::filled(image.width(), image.height(), 0));
            picture(&Radiograph::from_pixels(Pixels::U8(mask)))
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
            text(serde_json::to_vec(&record).map_err(|error| error.to_string()))
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
            deidentify(&whole, &clean, salt, true).map_err(failed)?;
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

/// The first of figures, hips and masks that there is.
fn table(what: &Exporting) -> Result<Result<Vec<u8>, String>, Error> {
    let document = &what.document;
    let (name, image) = (file_name(what), document.image());
    let figures = figures(document);
    if !figures.is_empty() {
        return Ok(figures_csv(&name, image, &figures));
    }
    if let Some(report) = hips(what) {
        return Ok(hips_csv(&name, image, &report));
    }
    match masks(document) {
        Ok(masks) => Ok(masks_csv(&name, image, &masks)),
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
