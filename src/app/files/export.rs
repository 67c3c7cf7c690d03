//! One file out of an open case: image, mask or record.
//!
//! Separate from reading because nothing that is read depends on it.

use std::path::Path;
use std::sync::Arc;

use crate::app::action::ExportKind;
use crate::document::Document;
use crate::grid::Grid;
use crate::job::record::Record;
use crate::job::{Error, ErrorKind, Mode};
use crate::radiograph::Radiograph;

/// Writes one file; the work of a task.
pub fn export(kind: ExportKind, document: &Document, path: &Path) -> Result<(), Error> {
    use crate::radiograph::write::{SecondaryCapture, write_dicom, write_whole};
    use crate::radiograph::{Pixels, export as write_image};
    let failed = |error: &dyn std::fmt::Display| Error::new(ErrorKind::Failed, error.to_string());
    let picture =
        |image: &Radiograph| write_image(path, image, &image.pixels, true).map_err(|e| failed(&e));
    match kind {
        ExportKind::Png16 => picture(document.image()),
        ExportKind::Dicom => {
            let made = accepted_record(document);
            let facts = SecondaryCapture {
                description: "Radcanvas".to_owned(),
                from_nothing: made
                    .is_some_and(|r| matches!(r.request.mode, Mode::Sketch | Mode::Sample)),
            };
            write_dicom(path, document.image(), &facts, true).map_err(|e| failed(&e))
        }
        ExportKind::Mask => {
            let image = document.image();
            // What is painted now; after accepting, what was painted for the image shown.
            let used = || accepted_record(document).and_then(|record| record.request.mask);
            let mask = document
                .mask()
                .or_else(used)
                .unwrap_or_else(|| Grid::filled(image.width(), image.height(), 0));
            picture(&Radiograph::from_pixels(Pixels::U8(mask)))
        }
        ExportKind::Record => {
            let Some(mut record) = accepted_record(document) else {
                return Err(failed(&"there is no accepted result to record"));
            };
            // The source of the last accepted result is the image that it was made from.
            let before = document.accepted.len().checked_sub(2);
            let source = before.and_then(|n| document.accepted.get(n));
            let source = source.map_or(&document.original, |accepted| &accepted.radiograph);
            record.request.source = Some(Arc::clone(source));
            let text = serde_json::to_vec(&record).map_err(|e| failed(&e))?;
            write_whole(path, &text, true).map_err(|e| failed(&e))
        }
    }
}

/// The record of the image as it stands, without its source's pixels.
fn accepted_record(document: &Document) -> Option<Record> {
    let accepted = document.accepted.last()?;
    serde_json::from_value(accepted.record.clone()).ok()
}
