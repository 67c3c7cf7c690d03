//! JPEG files: always lossy, mostly color.
//!
//! Separate because their resolution hides in the JFIF header and means nothing without a unit.

use std::sync::Arc;

use super::{file_spacing, radiograph};
use crate::grid::Grid;
use crate::radiograph::dicom::{Color, Words, decode_jpeg};
use crate::radiograph::error::ReadProblem;
use crate::radiograph::luminance::{self, Rgb, Sample};
use crate::radiograph::{FileKind, Pixels, Radiograph, Spacing};

/// Reads the image of a JPEG file.
pub(in crate::radiograph) fn read(bytes: &[u8]) -> Result<Radiograph, ReadProblem> {
    let coded = decode_jpeg(bytes)?;
    let mut notes = Vec::new();
    let (width, height, samples) = (coded.width, coded.height, coded.samples);
    let luma = coded.color != Color::Rgb;
    let bits = u32::from(coded.bits);
    let mut color = None;
    let pixels = match coded.words {
        Words::Bytes(words) => {
            color = colors(&words, samples, luma, bits, (width, height));
            grid(grey(words, samples, luma)?, width, height).map(Pixels::U8)
        }
        Words::Shorts(words) => {
            color = colors(&words, samples, luma, bits, (width, height));
            grid(grey(words, samples, luma)?, width, height).map(Pixels::U16)
        }
        Words::Longs(_) => Err(ReadProblem::Unsupported("JPEG of 32 bits".to_owned())),
    }?;
    if samples > 1 {
        notes.push(luminance::NOTE.to_owned());
    }
    let name = if samples > 1 { "RGB" } else { "L" };
    let mut made = radiograph(pixels, FileKind::Jpeg, name, coded.bits);
    made.notes = notes;
    made.spacing = jfif_spacing(bytes);
    Ok(made.with_color(color))
}

fn grid<T>(values: Vec<T>, width: usize, height: usize) -> Result<Grid<T>, ReadProblem> {
    Grid::from_vec(width, height, values)
        .ok_or_else(|| ReadProblem::Damaged("JPEG: fewer pixels than its header says".to_owned()))
}

/// The colors to look at.
fn colors<T: Sample>(
    words: &[T],
    samples: usize,
    luma: bool,
    bits: u32,
    size: (usize, usize),
) -> Option<Arc<Rgb>> {
    if samples != 3 {
        return None;
    }
    if !luma {
        return luminance::colors(words, 3, bits, size);
    }
    let pixels = words.as_chunks::<3>().0.iter();
    luminance::kept(
        size,
        pixels.map(|pixel| {
            let [y, b, r] = pixel.map(|sample| sample.eight(bits));
            luminance::from_full(y, b, r)
        }),
    )
}

/// Without an Adobe marker, three components are luma and chroma.
fn grey<T: Sample>(words: Vec<T>, samples: usize, luma: bool) -> Result<Vec<T>, ReadProblem> {
    match samples {
        1 => Ok(words),
        3 if luma => Ok(words.iter().step_by(3).copied().collect()),
        3 => Ok(luminance::of_interleaved(&words, 3)),
        _ => Err(ReadProblem::Unsupported(format!(
            "JPEG with {samples} components"
        ))),
    }
}

/// The density of the JFIF header, when it names inches or centimetres.
fn jfif_spacing(bytes: &[u8]) -> Option<Spacing> {
    let header = bytes.get(2..18)?;
    if header.get(..2)? != [0xFF, 0xE0] || header.get(4..9)? != b"JFIF\0" {
        return None;
    }
    let per_unit = |at: usize| {
        Some(f64::from(u16::from_be_bytes([
            *header.get(at)?,
            *header.get(at + 1)?,
        ])))
    };
    let millimetres = match header.get(11)? {
        1 => 25.4,
        2 => 10.0,
        _ => return None,
    };
    file_spacing(per_unit(14)? / millimetres, per_unit(12)? / millimetres)
}
