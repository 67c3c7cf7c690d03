//! Pixels made black where a name is burned into them: the Clean Pixel Data Option (PS3.15 E.3.1).
//!
//! Separate because it is the only part of de-identifying that touches a pixel, and every other one must keep its bits.

use super::PIXEL_DATA;
use crate::grid::Grid;
use crate::radiograph::dicom::file::{self, DicomFile};
use crate::radiograph::dicom::layout::{Carrier, Layout};
use crate::radiograph::error::ReadProblem;

/// The value of Pixel Data with every pixel black where `mask` is not 0, in each frame.
///
/// # Errors
/// A mask of another size, and pixels that are compressed or of a form whose black is not known.
pub(super) fn blanked(file: &DicomFile, mask: &Grid<u8>) -> Result<Vec<u8>, ReadProblem> {
    let refused = |what: &str| {
        Err(ReadProblem::Unsupported(format!(
            "pixels cannot be made black in {what}; write the image as Secondary Capture first"
        )))
    };
    let layout = Layout::of(file)?;
    if mask.size() != layout.size() {
        let ((width, height), (columns, rows)) = (mask.size(), layout.size());
        return Err(ReadProblem::Unsupported(format!(
            "the mask to make black has {width} × {height} pixels, the image {columns} × {rows}"
        )));
    }
    let Some(element) = file.elements.find(PIXEL_DATA) else {
        return refused("an object without Pixel Data");
    };
    if element.undefined || file.syntax == file::DEFLATED_FRAME {
        return refused("a compressed image");
    }
    if layout.carrier != Carrier::Integer || !matches!(layout.allocated, 8 | 16) {
        return refused("an image that has not 8 or 16 bits a sample");
    }
    let Some(black) = black(&layout) else {
        return refused(&format!("an image of {}", layout.photometric));
    };
    let big = file.syntax == file::GE_PRIVATE || element.encoding.big;
    let mut bytes = file
        .bytes
        .get(element.start..element.end)
        .unwrap_or(&[])
        .to_vec();
    let (area, samples) = (layout.area(), layout.samples);
    let size = usize::from(layout.allocated / 8);
    let inside = mask.cells().iter().enumerate().filter(|(_, v)| **v != 0);
    for (pixel, _) in inside {
        for frame in 0..layout.frames {
            for (sample, word) in black.iter().enumerate() {
                let within = if layout.planar {
                    sample * area + pixel
                } else {
                    pixel * samples + sample
                };
                let at = (frame * area * samples + within) * size;
                let word = if big && size == 2 {
                    word.to_be_bytes()
                } else {
                    word.to_le_bytes()
                };
                if let Some(place) = bytes.get_mut(at..at + size) {
                    place.copy_from_slice(&word[..size]);
                }
            }
        }
    }
    Ok(bytes)
}

/// The words of a black pixel, one a sample; `None` where the file alone does not say what is black.
fn black(layout: &Layout) -> Option<Vec<u16>> {
    let shift = layout.high_bit + 1 - layout.stored;
    let bits = u32::from(layout.stored);
    let all = (1_u32 << bits) - 1;
    let sign = 1_u32 << (bits - 1);
    let word = match (layout.photometric.as_str(), layout.signed) {
        ("MONOCHROME1", false) => all,
        ("MONOCHROME1", true) => all & !sign,
        ("MONOCHROME2", true) => sign,
        ("MONOCHROME2" | "RGB", false) => 0,
        ("YBR_FULL", false) if layout.allocated == 8 => return Some(vec![0, 128, 128]),
        _ => return None,
    };
    let whole = (word << shift) as u16;
    // The sign is carried to the top of the word, as most writers do.
    let extended = if layout.signed && word & sign != 0 {
        whole | (u32::MAX << (bits + u32::from(shift) - 1)) as u16
    } else {
        whole
    };
    Some(vec![extended; layout.samples])
}
