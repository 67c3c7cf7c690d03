//! TIFF: strips and tiles, integer, signed and float (TIFF 6.0).
//!
//! Separate because one file may hold several pages and every kind of number.

use std::io::Cursor;
use std::sync::Arc;

use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;

use super::{SYNTHETIC_KEYWORD, file_spacing, mark, radiograph};
use crate::grid::Grid;
use crate::radiograph::error::{
    MOST_FRAME_BYTES, ReadProblem, checked_expansion, checked_size, shielded,
};
use crate::radiograph::luminance::{self, Rgb, Sample};
use crate::radiograph::{FileKind, Photometric, Pixels, Radiograph, Spacing};

type File<'a> = Decoder<Cursor<&'a [u8]>>;

/// More pages than this are not counted: a chain of directories may be a circle.
const MOST_PAGES: usize = 100_000;

fn problem(error: &tiff::TiffError) -> ReadProblem {
    match error {
        tiff::TiffError::UnsupportedError(what) => {
            ReadProblem::Unsupported(format!("TIFF: {what}"))
        }
        tiff::TiffError::LimitsExceeded => {
            ReadProblem::TooLarge("TIFF: its tables or pixels exceed 2 GiB".to_owned())
        }
        other => ReadProblem::Damaged(format!("TIFF: {other}")),
    }
}

fn opened(bytes: &[u8]) -> Result<File<'_>, ReadProblem> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MOST_FRAME_BYTES as usize;
    limits.intermediate_buffer_size = MOST_FRAME_BYTES as usize;
    limits.ifd_value_size = 1 << 24;
    let decoder = Decoder::new(Cursor::new(bytes)).map_err(|error| problem(&error))?;
    Ok(decoder.with_limits(limits))
}

/// How many pages the file has.
pub(in crate::radiograph) fn pages(bytes: &[u8]) -> Result<usize, ReadProblem> {
    shielded("TIFF", || {
        let mut file = opened(bytes)?;
        let mut count = 1;
        while file.more_images() && count < MOST_PAGES {
            file.next_image().map_err(|error| problem(&error))?;
            count += 1;
        }
        Ok(count)
    })
}

/// Reads page `page`, from 0.
pub(in crate::radiograph) fn read(bytes: &[u8], page: usize) -> Result<Radiograph, ReadProblem> {
    shielded("TIFF", || decode(bytes, page))
}

fn decode(bytes: &[u8], page: usize) -> Result<Radiograph, ReadProblem> {
    let refused = |error: tiff::TiffError| problem(&error);
    let mut file = opened(bytes)?;
    file.seek_to_image(page).map_err(refused)?;
    let (width, height) = file.dimensions().map_err(refused)?;
    let (width, height) = (width as usize, height as usize);
    let color = file.colortype().map_err(refused)?;
    let bits = u16::from(color.bit_depth());
    let samples = match color {
        ColorType::Gray(_) | ColorType::Palette(_) => 1,
        ColorType::GrayA(_) => 2,
        ColorType::RGB(_) => 3,
        ColorType::RGBA(_) => 4,
        other => {
            return Err(ReadProblem::Unsupported(format!("TIFF color {other:?}")));
        }
    };
    let size = checked_size(width, height, samples, usize::from(bits).div_ceil(8))?;
    if size as u64 / 2048 > bytes.len() as u64 {
        return Err(ReadProblem::Damaged(format!(
            "TIFF: {} bytes cannot hold {width} × {height} pixels",
            bytes.len()
        )));
    }
    checked_expansion(bytes.len(), size)?;
    let white_is_zero = file
        .find_tag_unsigned::<u16>(Tag::PhotometricInterpretation)
        .map_err(refused)?
        == Some(0);
    let description = file.get_tag_ascii_string(Tag::ImageDescription).ok();
    let spacing = resolution(&mut file);
    let palette = match color {
        ColorType::Palette(_) => Some(file.get_tag_u16_vec(Tag::ColorMap).map_err(refused)?),
        _ => None,
    };
    let decoded = file.read_image().map_err(refused)?;
    let mut colors = match &decoded {
        DecodingResult::U8(values) if samples >= 3 && bits == 8 => {
            luminance::colors(values, samples, 8, (width, height))
        }
        DecodingResult::U16(values) if samples >= 3 => {
            luminance::colors(values, samples, 16, (width, height))
        }
        _ => None,
    };
    let mut notes = Vec::new();
    let mut pixels = pixels(decoded, width, height, samples, bits, &mut notes)?;
    if let Some(map) = palette {
        (pixels, colors) = looked_up(&pixels, &map)?;
        notes.push("palette color was reduced to luminance (Rec. 601)".to_owned());
    }
    let name = match color {
        ColorType::Gray(_) if white_is_zero => "L (white is zero)",
        ColorType::Gray(_) => "L",
        ColorType::GrayA(_) => "LA",
        ColorType::RGB(_) => "RGB",
        ColorType::RGBA(_) => "RGBA",
        _ => "P",
    };
    let mut made = radiograph(pixels, FileKind::Tiff, name, bits);
    made.notes = notes;
    made.spacing = spacing;
    // The decoder inverts white-is-zero integers itself; floats stay as they are.
    if white_is_zero && matches!(made.pixels, Pixels::F32(_)) {
        made.photometric = Photometric::Monochrome1;
    }
    if let Some(rest) = description.and_then(|text| {
        text.strip_prefix(SYNTHETIC_KEYWORD)
            .map(|rest| rest.trim_start_matches([':', ' ']).to_owned())
    }) {
        made.synthetic = Some(mark("TIFF ImageDescription", &rest));
    }
    Ok(made.with_color(colors))
}

/// `XResolution` and `YResolution`, when `ResolutionUnit` names inches or centimetres.
fn resolution(file: &mut File<'_>) -> Option<Spacing> {
    let millimetres = match file.find_tag_unsigned::<u16>(Tag::ResolutionUnit) {
        Ok(Some(2)) => 25.4,
        Ok(Some(3)) => 10.0,
        _ => return None,
    };
    let mut per_unit = |tag: Tag| match file.get_tag(tag).ok()? {
        tiff::decoder::ifd::Value::Rational(a, b) if b > 0 => Some(f64::from(a) / f64::from(b)),
        _ => None,
    };
    let (x, y) = (per_unit(Tag::XResolution)?, per_unit(Tag::YResolution)?);
    file_spacing(y / millimetres, x / millimetres)
}

fn grid<T>(values: Vec<T>, width: usize, height: usize) -> Result<Grid<T>, ReadProblem> {
    Grid::from_vec(width, height, values)
        .ok_or_else(|| ReadProblem::Damaged("TIFF: fewer pixels than its header says".to_owned()))
}

fn pixels(
    decoded: DecodingResult,
    width: usize,
    height: usize,
    samples: usize,
    bits: u16,
    notes: &mut Vec<String>,
) -> Result<Pixels, ReadProblem> {
    if samples >= 3 {
        notes.push(luminance::NOTE.to_owned());
    }
    if samples.is_multiple_of(2) {
        notes.push("transparency was left out".to_owned());
    }
    let float = |values: Vec<f32>| {
        let one = float_grey(&values, samples);
        grid(one, width, height).map(Pixels::F32)
    };
    match decoded {
        DecodingResult::U8(values) if bits < 8 => {
            let unpacked = unpack(&values, width, usize::from(bits));
            grid(unpacked, width, height).map(Pixels::U8)
        }
        DecodingResult::U8(values) => grid(grey(values, samples), width, height).map(Pixels::U8),
        DecodingResult::U16(values) => grid(grey(values, samples), width, height).map(Pixels::U16),
        DecodingResult::I8(values) if samples == 1 => {
            grid(values.into_iter().map(i16::from).collect(), width, height).map(Pixels::I16)
        }
        DecodingResult::I16(values) if samples == 1 => grid(values, width, height).map(Pixels::I16),
        DecodingResult::U32(values) => float(values.into_iter().map(|v| v as f32).collect()),
        DecodingResult::I32(values) => float(values.into_iter().map(|v| v as f32).collect()),
        DecodingResult::U64(values) => float(values.into_iter().map(|v| v as f32).collect()),
        DecodingResult::I64(values) => float(values.into_iter().map(|v| v as f32).collect()),
        DecodingResult::F16(values) => float(values.into_iter().map(f32::from).collect()),
        DecodingResult::F32(values) => float(values),
        DecodingResult::F64(values) => float(values.into_iter().map(|v| v as f32).collect()),
        _ => Err(ReadProblem::Unsupported(
            "TIFF with signed color".to_owned(),
        )),
    }
}

/// Samples of less than a byte, rows on byte edges; 1 bit becomes 0 and 1.
fn unpack(values: &[u8], width: usize, bits: usize) -> Vec<u8> {
    let row_bytes = (width * bits).div_ceil(8);
    let mask = (1_u16 << bits) as u8 - 1;
    values
        .chunks(row_bytes.max(1))
        .flat_map(|row| {
            (0..width).map(move |x| {
                let bit = x * bits;
                let byte = row.get(bit / 8).copied().unwrap_or(0);
                byte >> (8 - bits - bit % 8) & mask
            })
        })
        .collect()
}

fn grey<T: Sample>(values: Vec<T>, samples: usize) -> Vec<T> {
    match samples {
        1 => values,
        2 => values.iter().step_by(2).copied().collect(),
        _ => luminance::of_interleaved(&values, samples),
    }
}

fn float_grey(values: &[f32], samples: usize) -> Vec<f32> {
    values
        .chunks_exact(samples)
        .map(|pixel| match pixel {
            [r, g, b, ..] => 0.299 * r + 0.587 * g + 0.114 * b,
            [grey, ..] => *grey,
            [] => 0.0,
        })
        .collect()
}

/// Palette indices to 16-bit luminance and to colors; the map holds all reds, then all greens, then all blues.
fn looked_up(indices: &Pixels, map: &[u16]) -> Result<(Pixels, Option<Arc<Rgb>>), ReadProblem> {
    let Pixels::U8(indices) = indices else {
        return Err(ReadProblem::Unsupported(
            "TIFF palette with more than 8 bits".to_owned(),
        ));
    };
    let greys = luminance::of_planes(map);
    let area = map.len() / 3;
    let part = |plane: usize, index: usize| {
        let word = (index < area).then(|| map.get(plane * area + index));
        word.flatten().map_or(0, |word| word.eight(16))
    };
    let color = |index: &u8| [0, 1, 2].map(|plane| part(plane, usize::from(*index)));
    let colors = luminance::kept(indices.size(), indices.cells().iter().map(color));
    let pixels = indices.map(|index| greys.get(usize::from(*index)).copied().unwrap_or(0));
    Ok((Pixels::U16(pixels), colors))
}
