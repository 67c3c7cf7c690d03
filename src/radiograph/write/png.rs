//! PNG at native depth, with the synthetic mark as a text chunk.

use std::path::Path;

use super::{WriteError, write_whole};
use crate::radiograph::{Pixels, Radiograph};

/// Keyword of the text chunk that marks a PNG as synthetic; its text says what made it.
pub const PNG_MARK: &str = "Radcanvas-Synthetic";

/// A grey PNG of 8 or 16 bits; `None` for signed and float pixels, which PNG cannot hold.
pub fn png_bytes(radiograph: &Radiograph) -> Option<Vec<u8>> {
    let (depth, data) = match &radiograph.pixels {
        Pixels::U8(grid) => (png::BitDepth::Eight, grid.cells().to_vec()),
        Pixels::U16(grid) => (
            png::BitDepth::Sixteen,
            grid.cells().iter().flat_map(|v| v.to_be_bytes()).collect(),
        ),
        Pixels::I16(_) | Pixels::F32(_) => return None,
    };
    let mut bytes = Vec::new();
    let width = u32::try_from(radiograph.width()).ok()?;
    let height = u32::try_from(radiograph.height()).ok()?;
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(depth);
    if let Some(mark) = &radiograph.synthetic {
        let said = if mark.contribution.is_empty() {
            &mark.evidence
        } else {
            &mark.contribution
        };
        encoder
            .add_itxt_chunk(PNG_MARK.to_owned(), said.clone())
            .ok()?;
    }
    if let Some(spacing) = radiograph.spacing {
        let per_meter = |mm: f64| (1000.0 / mm).round().clamp(1.0, f64::from(u32::MAX)) as u32;
        encoder.set_pixel_dims(Some(png::PixelDimensions {
            xppu: per_meter(spacing.column_mm),
            yppu: per_meter(spacing.row_mm),
            unit: png::Unit::Meter,
        }));
    }
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&data).ok()?;
    writer.finish().ok()?;
    Some(bytes)
}

/// Writes a PNG at native depth.
pub fn write_png(path: &Path, radiograph: &Radiograph, replace: bool) -> Result<(), WriteError> {
    let bytes = png_bytes(radiograph).ok_or_else(|| WriteError::Unsupported {
        what: "PNG holds no signed or float values; export DICOM or TIFF".to_owned(),
        path: path.to_owned(),
    })?;
    write_whole(path, &bytes, replace)
}
