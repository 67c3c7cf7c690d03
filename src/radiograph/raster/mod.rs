//! PNG, TIFF and JPEG files to radiographs.
//!
//! Separate from DICOM because these files carry pixels and a resolution and little else.

mod jpeg;
mod png;
mod tiff;

use super::{FileKind, Pixels, Radiograph, Spacing, SpacingSource, SyntheticMark};

pub(super) use jpeg::read as read_jpeg;
pub(super) use png::read as read_png;
pub(super) use tiff::{pages as tiff_pages, read as read_tiff};

/// The keyword of a PNG text chunk, and the start of a TIFF description, that mark an image as synthetic.
pub const SYNTHETIC_KEYWORD: &str = "Radcanvas-Synthetic";

/// A radiograph of a picture file.
fn radiograph(pixels: Pixels, kind: FileKind, photometric: &str, bits: u16) -> Radiograph {
    let mut made = Radiograph::from_pixels(pixels);
    made.source.kind = kind;
    photometric.clone_into(&mut made.source.photometric);
    made.source.bits_stored = bits;
    made.source.lossy = kind == FileKind::Jpeg;
    made
}

/// A spacing from pixels a millimetre, when both are sensible.
fn file_spacing(rows_per_mm: f64, columns_per_mm: f64) -> Option<Spacing> {
    let usable = |per_mm: f64| per_mm.is_finite() && per_mm > 1.0e-4 && per_mm < 1.0e6;
    (usable(rows_per_mm) && usable(columns_per_mm)).then(|| Spacing {
        row_mm: 1.0 / rows_per_mm,
        column_mm: 1.0 / columns_per_mm,
        source: SpacingSource::FileResolution,
    })
}

/// The mark of a text that a file of this program carries.
fn mark(place: &str, contribution: &str) -> SyntheticMark {
    SyntheticMark {
        evidence: format!("{place} {SYNTHETIC_KEYWORD}"),
        contribution: contribution.trim().to_owned(),
    }
}
