//! Samples of a frame to stored values: byte order, bit masks, sign, color (PS3.5 section 8.1).
//!
//! Separate because it is the hot path of opening: one pass from the bytes of the file to the grid, by type, not by pixel.

use std::sync::Arc;

use super::attributes::palette::Palette;
use super::codec::{Coded, Color, Words};
use super::layout::{Carrier, Layout};
use crate::grid::Grid;
use crate::radiograph::error::ReadProblem;
use crate::radiograph::luminance::{self, Rgb, Sample};
use crate::radiograph::pixels::Pixels;

/// The samples of a frame: what is measured, and the colors to look at where there are any.
pub(super) struct Sampled {
    pub(super) pixels: Pixels,
    pub(super) color: Option<Arc<Rgb>>,
}

impl From<Pixels> for Sampled {
    fn from(pixels: Pixels) -> Self {
        Self {
            pixels,
            color: None,
        }
    }
}

/// Which bits of a word are the value, and whether its top one is a sign.
#[derive(Clone, Copy, Debug)]
struct Bits {
    shift: u32,
    count: u32,
    signed: bool,
}

impl Bits {
    fn unsigned(self, word: u32) -> u32 {
        word >> self.shift & (u32::MAX >> (32 - self.count))
    }

    fn extended(self, word: u32) -> i32 {
        let up = 32 - self.count;
        ((word >> self.shift) << up) as i32 >> up
    }
}

/// The words of an uncompressed frame.
pub(super) fn native(
    bytes: &[u8],
    skipped_bits: usize,
    layout: &Layout,
    big: bool,
    palette: Option<&Palette>,
) -> Result<Sampled, ReadProblem> {
    match layout.carrier {
        Carrier::Float => {
            return floats(
                arrays(bytes).map(|b| from(b, big, f32::from_be_bytes, f32::from_le_bytes)),
                layout,
            )
            .map(Sampled::from);
        }
        Carrier::Double => {
            let doubles =
                arrays(bytes).map(|b| from(b, big, f64::from_be_bytes, f64::from_le_bytes));
            return floats(doubles.map(|v| v as f32), layout).map(Sampled::from);
        }
        Carrier::Integer => {}
    }
    let words = match layout.allocated {
        1 => Words::Bytes(
            (0..layout.area())
                .map(|index| {
                    let bit = skipped_bits + index;
                    bytes.get(bit / 8).map_or(0, |byte| byte >> (bit % 8) & 1)
                })
                .collect(),
        ),
        8 => Words::Bytes(bytes.to_vec()),
        16 if big => Words::Shorts(arrays(bytes).map(u16::from_be_bytes).collect()),
        16 => Words::Shorts(arrays(bytes).map(u16::from_le_bytes).collect()),
        32 => Words::Longs(
            arrays(bytes)
                .map(|b| from(b, big, u32::from_be_bytes, u32::from_le_bytes))
                .collect(),
        ),
        // 12 bits of old films and other odd widths, packed without gaps from the lowest bit on.
        2..=31 => Words::Longs(packed(bytes, skipped_bits, layout).collect()),
        _ => {
            let longs = arrays(bytes).map(|b| from(b, big, u64::from_be_bytes, u64::from_le_bytes));
            return if layout.signed {
                floats(longs.map(|v| v as i64 as f32), layout)
            } else {
                floats(longs.map(|v| v as f32), layout)
            }
            .map(Sampled::from);
        }
    };
    let bits = Bits {
        shift: u32::from(layout.high_bit + 1 - layout.stored),
        count: u32::from(layout.stored),
        signed: layout.signed,
    };
    let (words, planar) = unpacked_chroma(words, layout);
    finish(words, bits, layout, planar, Color::AsWritten, palette)
}

/// The words of a decoded code stream.
pub(super) fn coded(
    coded: Coded,
    layout: &Layout,
    palette: Option<&Palette>,
) -> Result<Sampled, ReadProblem> {
    if coded.samples != layout.samples {
        return Err(ReadProblem::Damaged(format!(
            "the code stream has {} components, Samples per Pixel (0028,0002) says {}",
            coded.samples, layout.samples
        )));
    }
    // RLE keeps the words of the file; the other codecs have no bits beside the value.
    let whole = coded.bits == layout.allocated;
    let bits = Bits {
        shift: if whole {
            u32::from(layout.high_bit + 1 - layout.stored)
        } else {
            0
        },
        count: u32::from(if whole { layout.stored } else { coded.bits }),
        signed: layout.signed,
    };
    finish(
        coded.words,
        bits,
        layout,
        coded.planar,
        coded.color,
        palette,
    )
}

/// Words of any number of bits below 32, one after the other.
fn packed<'a>(
    bytes: &'a [u8],
    skipped_bits: usize,
    layout: &Layout,
) -> impl Iterator<Item = u32> + 'a {
    let width = usize::from(layout.allocated);
    let mask = (1_u64 << width) - 1;
    (0..layout.native_samples()).map(move |index| {
        let bit = skipped_bits + index * width;
        let near = (0..5).rev().fold(0_u64, |word, offset| {
            word << 8 | u64::from(bytes.get(bit / 8 + offset).copied().unwrap_or(0))
        });
        (near >> (bit % 8) & mask) as u32
    })
}

/// Halved chroma of uncompressed YBR, given to both of its pixels; and whether samples lie in planes.
fn unpacked_chroma(words: Words, layout: &Layout) -> (Words, bool) {
    let (Words::Bytes(bytes), 3) = (&words, layout.samples) else {
        return (words, layout.planar);
    };
    match layout.photometric.as_str() {
        "YBR_FULL_422" | "YBR_PARTIAL_422" => {
            // Two lumas, then their common chroma.
            let row_bytes = layout.width.div_ceil(2) * 4;
            let rows = bytes.chunks_exact(row_bytes.max(1));
            let mut whole = Vec::with_capacity(layout.area() * 3);
            for row in rows {
                let fours = row.as_chunks::<4>().0.iter();
                let pixels = fours.flat_map(|[y, next, b, r]| [[*y, *b, *r], [*next, *b, *r]]);
                whole.extend(pixels.take(layout.width).flatten());
            }
            (Words::Bytes(whole), false)
        }
        _ => (words, layout.planar),
    }
}

fn arrays<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.as_chunks::<N>().0.iter().copied()
}

fn from<const N: usize, T>(
    bytes: [u8; N],
    big: bool,
    from_big: fn([u8; N]) -> T,
    from_little: fn([u8; N]) -> T,
) -> T {
    if big {
        from_big(bytes)
    } else {
        from_little(bytes)
    }
}

fn grid<T>(values: Vec<T>, layout: &Layout) -> Result<Grid<T>, ReadProblem> {
    let count = values.len();
    Grid::from_vec(layout.width, layout.height, values).ok_or_else(|| {
        ReadProblem::Damaged(format!(
            "{count} values for {} × {} pixels",
            layout.width, layout.height
        ))
    })
}

fn floats(values: impl Iterator<Item = f32>, layout: &Layout) -> Result<Pixels, ReadProblem> {
    if layout.samples != 1 {
        return Err(ReadProblem::Unsupported(
            "color with more than 16 bits a sample".to_owned(),
        ));
    }
    Ok(Pixels::F32(grid(values.collect(), layout)?))
}

fn finish(
    words: Words,
    bits: Bits,
    layout: &Layout,
    planar: bool,
    color: Color,
    palette: Option<&Palette>,
) -> Result<Sampled, ReadProblem> {
    if let Some(palette) = palette {
        return palette_grey(words, bits, layout, palette);
    }
    if layout.samples == 3 {
        return color_grey(words, bits, layout, planar, color);
    }
    one_grey(words, bits, layout).map(Sampled::from)
}

fn one_grey(words: Words, bits: Bits, layout: &Layout) -> Result<Pixels, ReadProblem> {
    let plain = bits.shift == 0 && !bits.signed;
    match words {
        Words::Bytes(words) if plain && bits.count == 8 => Ok(Pixels::U8(grid(words, layout)?)),
        Words::Shorts(words) if plain && bits.count == 16 => Ok(Pixels::U16(grid(words, layout)?)),
        Words::Bytes(words) => narrow(words.iter().map(|w| u32::from(*w)), bits, layout),
        Words::Shorts(words) => narrow(words.iter().map(|w| u32::from(*w)), bits, layout),
        Words::Longs(words) => narrow(words.iter().copied(), bits, layout),
    }
}

/// The smallest buffer that holds every value of so many bits.
fn narrow(
    words: impl Iterator<Item = u32>,
    bits: Bits,
    layout: &Layout,
) -> Result<Pixels, ReadProblem> {
    Ok(match (bits.signed, bits.count) {
        (false, ..=8) => Pixels::U8(grid(
            words.map(|w| bits.unsigned(w) as u8).collect(),
            layout,
        )?),
        (false, ..=16) => Pixels::U16(grid(
            words.map(|w| bits.unsigned(w) as u16).collect(),
            layout,
        )?),
        (true, ..=16) => Pixels::I16(grid(
            words.map(|w| bits.extended(w) as i16).collect(),
            layout,
        )?),
        (false, _) => Pixels::F32(grid(
            words.map(|w| bits.unsigned(w) as f32).collect(),
            layout,
        )?),
        (true, _) => Pixels::F32(grid(
            words.map(|w| bits.extended(w) as f32).collect(),
            layout,
        )?),
    })
}

fn palette_grey(
    words: Words,
    bits: Bits,
    layout: &Layout,
    palette: &Palette,
) -> Result<Sampled, ReadProblem> {
    let indices: Vec<i64> = match words {
        Words::Bytes(words) => words
            .iter()
            .map(|w| i64::from(bits.unsigned(u32::from(*w))))
            .collect(),
        Words::Shorts(words) => words
            .iter()
            .map(|w| {
                let word = u32::from(*w);
                if bits.signed {
                    i64::from(bits.extended(word))
                } else {
                    i64::from(bits.unsigned(word))
                }
            })
            .collect(),
        Words::Longs(_) => {
            return Err(ReadProblem::Unsupported(
                "palette color with more than 16 bits".to_owned(),
            ));
        }
    };
    let greys = indices.iter().map(|index| palette.grey(*index));
    let pixels = if palette.deep {
        Pixels::U16(grid(greys.collect(), layout)?)
    } else {
        Pixels::U8(grid(greys.map(|grey| grey as u8).collect(), layout)?)
    };
    let colors = indices.iter().map(|index| palette.color(*index));
    Ok(Sampled {
        pixels,
        color: luminance::kept(layout.size(), colors),
    })
}

fn color_grey(
    words: Words,
    bits: Bits,
    layout: &Layout,
    planar: bool,
    color: Color,
) -> Result<Sampled, ReadProblem> {
    let photometric = layout.photometric.as_str();
    let luma = match color {
        Color::Luma => true,
        Color::Rgb => false,
        Color::AsWritten => matches!(
            photometric,
            "YBR_FULL" | "YBR_FULL_422" | "YBR_PARTIAL_422" | "YBR_PARTIAL_420"
        ),
    };
    // Partial range: 16 to 235 carry black to white.
    let partial = luma && photometric.starts_with("YBR_PARTIAL");
    match words {
        Words::Bytes(words) => {
            let color = shown(&words, 8, layout, planar, (luma, partial));
            let mut grey = one_sample(&words, layout, planar, luma);
            if partial {
                for value in &mut grey {
                    *value = ((f32::from(*value) - 16.0) * 255.0 / 219.0).round() as u8;
                }
            }
            let pixels = Pixels::U8(grid(grey, layout)?);
            Ok(Sampled { pixels, color })
        }
        Words::Shorts(mut words) => {
            for word in &mut words {
                *word = bits.unsigned(u32::from(*word)) as u16;
            }
            let color = shown(&words, bits.count, layout, planar, (luma, partial));
            let grey = one_sample(&words, layout, planar, luma);
            let pixels = Pixels::U16(grid(grey, layout)?);
            Ok(Sampled { pixels, color })
        }
        Words::Longs(words) => {
            let area = layout.area();
            let at = |pixel: usize, sample: usize| {
                let index = if planar {
                    sample * area + pixel
                } else {
                    pixel * 3 + sample
                };
                words
                    .get(index)
                    .map_or(0, |word| u64::from(bits.unsigned(*word)))
            };
            // In whole numbers and rounded once: a float of 32 bits holds 24 of them.
            let grey = (0..area).map(|pixel| {
                let luminance = if luma {
                    at(pixel, 0)
                } else {
                    (299 * at(pixel, 0) + 587 * at(pixel, 1) + 114 * at(pixel, 2) + 500) / 1000
                };
                luminance as f32
            });
            Ok(Pixels::F32(grid(grey.collect(), layout)?).into())
        }
    }
}

/// The colors of three samples of `bits` bits, in planes or pixel by pixel.
fn shown<T: Sample>(
    words: &[T],
    bits: u32,
    layout: &Layout,
    planar: bool,
    (luma, partial): (bool, bool),
) -> Option<Arc<Rgb>> {
    let area = layout.area();
    if words.len() < area.checked_mul(3)? {
        return None;
    }
    let colored = |samples: [T; 3]| {
        let [a, b, c] = samples.map(|sample| sample.eight(bits));
        match (luma, partial) {
            (false, _) => [a, b, c],
            (true, false) => luminance::from_full(a, b, c),
            (true, true) => luminance::from_partial(a, b, c),
        }
    };
    if planar {
        let (first, rest) = words.split_at(area);
        let (second, third) = rest.split_at(area);
        let pixels = first.iter().zip(second).zip(third);
        luminance::kept(
            layout.size(),
            pixels.map(|((a, b), c)| colored([*a, *b, *c])),
        )
    } else {
        let pixels = words.as_chunks::<3>().0.iter();
        luminance::kept(layout.size(), pixels.map(|pixel| colored(*pixel)))
    }
}

fn one_sample<T: Sample>(words: &[T], layout: &Layout, planar: bool, luma: bool) -> Vec<T> {
    let area = layout.area();
    if words.len() == area {
        return words.to_vec();
    }
    match (luma, planar) {
        (true, true) => words.iter().take(area).copied().collect(),
        (true, false) => words.iter().step_by(3).copied().collect(),
        (false, true) => luminance::of_planes(words),
        (false, false) => luminance::of_interleaved(words, 3),
    }
}
