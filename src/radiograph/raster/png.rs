//! PNG of any depth and color type (W3C PNG, third edition).
//!
//! Separate because its text chunks carry the synthetic mark and `pHYs` the resolution.

use std::io::Cursor;

use png::{BitDepth, ColorType, Transformations, Unit};

use super::{SYNTHETIC_KEYWORD, file_spacing, mark, radiograph};
use crate::grid::Grid;
use crate::radiograph::error::{
    MOST_FRAME_BYTES, ReadProblem, checked_expansion, checked_size, shielded,
};
use crate::radiograph::luminance::{self, Sample};
use crate::radiograph::{FileKind, Pixels, Radiograph, SyntheticMark};

/// Reads the image of a PNG file.
pub(in crate::radiograph) fn read(bytes: &[u8]) -> Result<Radiograph, ReadProblem> {
    shielded("PNG", || decode(bytes))
}

fn decode(bytes: &[u8]) -> Result<Radiograph, ReadProblem> {
    let damaged = |error: png::DecodingError| ReadProblem::Damaged(format!("PNG: {error}"));
    let limits = png::Limits {
        bytes: MOST_FRAME_BYTES as usize,
    };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let info = reader.info();
    let (width, height) = (info.width as usize, info.height as usize);
    let written = info.color_type;
    let bits = if written == ColorType::Indexed {
        8
    } else {
        info.bit_depth as u16
    };
    let size = checked_size(width, height, 4, 2)?;
    // Deflate expands at most 1032 times, and every row has at least one byte.
    if (bytes.len() as u64).saturating_mul(1100) < height as u64
        || size as u64 / 64 > (bytes.len() as u64).saturating_mul(1100)
    {
        return Err(ReadProblem::Damaged(format!(
            "PNG: {} bytes cannot hold {width} × {height} pixels",
            bytes.len()
        )));
    }
    let (color, depth) = reader.output_color_type();
    let room = reader
        .output_buffer_size()
        .ok_or_else(|| ReadProblem::TooLarge(format!("PNG of {width} × {height} pixels")))?;
    checked_expansion(bytes.len(), room)?;
    let mut buffer = vec![0; room];
    reader.next_frame(&mut buffer).map_err(damaged)?;
    // Text may follow the pixels; a file that ends early keeps its pixels.
    let complete = reader.finish().is_ok();
    let mut notes = Vec::new();
    if !complete {
        notes.push("the PNG file is damaged after its pixels".to_owned());
    }
    let samples = color.samples();
    let mut colors = None;
    let pixels = if depth == BitDepth::Sixteen {
        let words: Vec<u16> = buffer
            .as_chunks::<2>()
            .0
            .iter()
            .map(|pair| u16::from_be_bytes(*pair))
            .collect();
        if samples >= 3 {
            colors = luminance::colors(&words, samples, 16, (width, height));
        }
        grid(grey(words, samples, &mut notes), width, height).map(Pixels::U16)
    } else {
        let unscaled = if color == ColorType::Grayscale && bits < 8 {
            // Expanded to 8 bits: 1-bit masks become 0 and 255.
            notes.push(format!("{bits}-bit grey was spread over 0 to 255"));
            buffer
        } else {
            buffer
        };
        if samples >= 3 {
            colors = luminance::colors(&unscaled, samples, 8, (width, height));
        }
        grid(grey(unscaled, samples, &mut notes), width, height).map(Pixels::U8)
    }?;
    let info = reader.info();
    let name = match written {
        ColorType::Grayscale => "L",
        ColorType::GrayscaleAlpha => "LA",
        ColorType::Rgb => "RGB",
        ColorType::Rgba => "RGBA",
        ColorType::Indexed => "P",
    };
    let mut made = radiograph(pixels, FileKind::Png, name, bits);
    made.notes = notes;
    made.synthetic = synthetic(info);
    if let Some(dims) = info.pixel_dims
        && dims.unit == Unit::Meter
    {
        made.spacing = file_spacing(f64::from(dims.yppu) / 1000.0, f64::from(dims.xppu) / 1000.0);
    }
    Ok(made.with_color(colors))
}

fn grid<T>(values: Vec<T>, width: usize, height: usize) -> Result<Grid<T>, ReadProblem> {
    Grid::from_vec(width, height, values)
        .ok_or_else(|| ReadProblem::Damaged("PNG: fewer pixels than its header says".to_owned()))
}

/// One sample a pixel.
fn grey<T: Sample>(values: Vec<T>, samples: usize, notes: &mut Vec<String>) -> Vec<T> {
    if samples.is_multiple_of(2) {
        notes.push("transparency was left out".to_owned());
    }
    match samples {
        1 => values,
        2 => values.iter().step_by(2).copied().collect(),
        _ => {
            notes.push(luminance::NOTE.to_owned());
            luminance::of_interleaved(&values, samples)
        }
    }
}

fn synthetic(info: &png::Info<'_>) -> Option<SyntheticMark> {
    let latin = info
        .uncompressed_latin1_text
        .iter()
        .map(|chunk| (chunk.keyword.as_str(), Some(chunk.text.clone())));
    let packed = info
        .compressed_latin1_text
        .iter()
        .map(|chunk| (chunk.keyword.as_str(), chunk.get_text().ok()));
    let international = info
        .utf8_text
        .iter()
        .map(|chunk| (chunk.keyword.as_str(), chunk.get_text().ok()));
    latin
        .chain(packed)
        .chain(international)
        .find(|(keyword, _)| *keyword == SYNTHETIC_KEYWORD)
        .map(|(_, text)| mark("PNG text chunk", &text.unwrap_or_default()))
}
