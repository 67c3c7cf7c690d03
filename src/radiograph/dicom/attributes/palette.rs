//! Palette color to grey and to the colors shown (PS3.3 C.7.6.3.1.5, C.7.9), plain and segmented tables.
//!
//! Separate because an index is not a grey: every index is looked up, and an index outside takes the nearest entry.

use crate::radiograph::dicom::values::{Kind, View};
use crate::radiograph::error::ReadProblem;
use crate::radiograph::luminance::{Sample as _, luminance};

/// The grey and the color of every palette entry.
pub(in crate::radiograph::dicom) struct Palette {
    first: i64,
    greys: Vec<u16>,
    colors: Vec<[u8; 3]>,
    /// Greys have 16 bits, else 8.
    pub(in crate::radiograph::dicom) deep: bool,
}

impl Palette {
    /// The table of the image, by Palette Color Lookup Table Descriptor and Data.
    pub(in crate::radiograph::dicom) fn of(
        view: View<'_>,
        signed: bool,
    ) -> Result<Self, ReadProblem> {
        let kind = if signed {
            Kind::SignedShort
        } else {
            Kind::Short
        };
        let descriptor = view.numbers(0x0028_1101, kind);
        let &[entries, first, bits] = descriptor.first_chunk::<3>().ok_or_else(|| {
            ReadProblem::Damaged(
                "no Red Palette Color Lookup Table Descriptor (0028,1101)".to_owned(),
            )
        })?;
        // The number of entries is unsigned whatever the pixels are; 0 stands for 65536.
        let entries = match (entries as i64).rem_euclid(1 << 16) {
            0 => 1 << 16,
            some => some as usize,
        };
        let table = |offset: u32| -> Result<Vec<u16>, ReadProblem> {
            let plain = 0x0028_1201 + offset;
            let segmented = 0x0028_1221 + offset;
            let words = if let Some(raw) = view.raw(segmented).filter(|raw| !raw.is_empty()) {
                segments(&words_of(raw, entries, bits, view), entries)
            } else {
                words_of(view.raw(plain).unwrap_or(&[]), entries, bits, view)
            };
            if words.is_empty() {
                return Err(ReadProblem::Damaged(format!(
                    "no palette in (0028,{:04X})",
                    plain & 0xFFFF
                )));
            }
            Ok(words)
        };
        let (red, green, blue) = (table(0)?, table(1)?, table(2)?);
        let greys: Vec<u16> = red
            .iter()
            .zip(&green)
            .zip(&blue)
            .take(entries)
            .map(|((r, g), b)| luminance(*r, *g, *b))
            .collect();
        let deep = bits > 8.0;
        let eight = |word: u16| word.eight(if deep { 16 } else { 8 });
        let colors = red.iter().zip(&green).zip(&blue).take(entries);
        let colors = colors.map(|((r, g), b)| [eight(*r), eight(*g), eight(*b)]);
        Ok(Self {
            first: first as i64,
            deep,
            greys,
            colors: colors.collect(),
        })
    }

    /// The grey of a stored value.
    pub(in crate::radiograph::dicom) fn grey(&self, index: i64) -> u16 {
        self.greys.get(self.entry(index)).copied().unwrap_or(0)
    }

    /// The color of a stored value, as it is shown.
    pub(in crate::radiograph::dicom) fn color(&self, index: i64) -> [u8; 3] {
        self.colors
            .get(self.entry(index))
            .copied()
            .unwrap_or_default()
    }

    fn entry(&self, index: i64) -> usize {
        let last = self.greys.len() as i64 - 1;
        index.saturating_sub(self.first).clamp(0, last.max(0)) as usize
    }
}

/// Table words: 16 bits each, or bytes where the data is too short for words.
fn words_of(raw: &[u8], entries: usize, bits: f64, view: View<'_>) -> Vec<u16> {
    let big = view
        .elements
        .list
        .first()
        .is_some_and(|element| element.encoding.big);
    if bits <= 8.0 && raw.len() < entries * 2 {
        return raw.iter().map(|byte| u16::from(*byte)).collect();
    }
    let pairs = raw.as_chunks::<2>().0.iter();
    if big {
        pairs.map(|pair| u16::from_be_bytes(*pair)).collect()
    } else {
        pairs.map(|pair| u16::from_le_bytes(*pair)).collect()
    }
}

/// Expands discrete, linear and indirect segments (PS3.3 C.7.9.2).
fn segments(words: &[u16], entries: usize) -> Vec<u16> {
    let mut values = Vec::new();
    let mut starts = Vec::new();
    let mut at = 0;
    while let (Some(&code), Some(&count)) = (words.get(at), words.get(at + 1)) {
        if values.len() > entries {
            break;
        }
        starts.push(at);
        let count = usize::from(count);
        at = match code {
            0 | 1 => one_segment(words, at, &mut values),
            2 => {
                let (Some(&low), Some(&high)) = (words.get(at + 2), words.get(at + 3)) else {
                    break;
                };
                let target = usize::from(high) << 16 | usize::from(low);
                // The offset counts bytes; the segments there are repeated once, never indirect ones again.
                let from = starts.iter().position(|start| start * 2 == target);
                for start in starts.iter().skip(from.unwrap_or(starts.len())).take(count) {
                    if matches!(words.get(*start), Some(0 | 1)) {
                        one_segment(words, *start, &mut values);
                    }
                }
                at + 4
            }
            _ => break,
        };
    }
    values.truncate(entries);
    values
}

fn one_segment(words: &[u16], at: usize, values: &mut Vec<u16>) -> usize {
    let count = words.get(at + 1).map_or(0, |count| usize::from(*count));
    if words.get(at) == Some(&0) {
        let from = (at + 2).min(words.len());
        let to = (at + 2 + count).min(words.len());
        values.extend_from_slice(&words[from..to]);
        return at + 2 + count;
    }
    let start = values.last().copied().map_or(0.0, f64::from);
    let end = words.get(at + 2).copied().map_or(0.0, f64::from);
    for step in 1..=count {
        let value = start + (end - start) * step as f64 / count as f64;
        values.push(value.round() as u16);
    }
    at + 3
}
