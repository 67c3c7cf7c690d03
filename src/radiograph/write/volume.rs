//! NIfTI-1 with one slice (nifti.nimh.nih.gov, nifti1.h), plain or packed by gzip.
//!
//! Separate because other programs measure in its affine: rows run to the patient's left and columns to the back, as
//! the image is shown, and the synthetic mark goes into the description.

use crate::radiograph::raster::SYNTHETIC_KEYWORD;
use crate::radiograph::{ModalityTransform, Pixels, Radiograph, archive};

/// The bytes of a `.nii` file: stored values as they are, with slope and intercept of a linear Modality LUT.
///
/// # Errors
/// A side of more than 32767 pixels, which the format cannot say.
pub(in crate::radiograph) fn nifti_bytes(
    image: &Radiograph,
    pixels: &Pixels,
) -> Result<Vec<u8>, String> {
    let (Ok(width), Ok(height)) = (
        i16::try_from(pixels.width()),
        i16::try_from(pixels.height()),
    ) else {
        return Err(format!(
            "{} × {} pixels are more than NIfTI's 32767 a side",
            pixels.width(),
            pixels.height()
        ));
    };
    let mut header = [0_u8; 352];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &348_i32.to_le_bytes());
    for (index, size) in [3, width, height, 1, 1, 1, 1, 1].into_iter().enumerate() {
        put(40 + index * 2, &size.to_le_bytes());
    }
    let (kind, bits): (i16, i16) = match pixels {
        Pixels::U8(_) => (2, 8),
        Pixels::I16(_) => (4, 16),
        Pixels::F32(_) => (16, 32),
        Pixels::U16(_) => (512, 16),
    };
    put(70, &kind.to_le_bytes());
    put(72, &bits.to_le_bytes());
    let (row_mm, column_mm) = image
        .spacing
        .map_or((1.0, 1.0), |s| (s.row_mm as f32, s.column_mm as f32));
    for (index, step) in [1.0, column_mm, row_mm, 1.0].into_iter().enumerate() {
        put(76 + index * 4, &step.to_le_bytes());
    }
    put(108, &352_f32.to_le_bytes());
    if let ModalityTransform::Linear { slope, intercept } = image.modality_transform {
        put(112, &(slope as f32).to_le_bytes());
        put(116, &(intercept as f32).to_le_bytes());
    }
    // Millimetres where a spacing is known.
    put(123, &[if image.spacing.is_some() { 2 } else { 0 }]);
    let said = match &image.synthetic {
        Some(mark) => format!("{SYNTHETIC_KEYWORD}: {}", mark.contribution),
        None => String::new(),
    };
    let plain: Vec<u8> = said.bytes().filter(u8::is_ascii).take(79).collect();
    put(148, &plain);
    // Scanner coordinates: x to the patient's right, y to the front; both run against the picture.
    put(254, &1_i16.to_le_bytes());
    put(280, &(-column_mm).to_le_bytes());
    put(296 + 4, &(-row_mm).to_le_bytes());
    put(312 + 8, &1_f32.to_le_bytes());
    put(344, b"n+1\0");
    let mut bytes = header.to_vec();
    bytes.extend_from_slice(&pixels.le_bytes());
    Ok(bytes)
}

/// The same packed by gzip.
pub(in crate::radiograph) fn packed(bytes: &[u8]) -> Vec<u8> {
    archive::gzip(bytes)
}
