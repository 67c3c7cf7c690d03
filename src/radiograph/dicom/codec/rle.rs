//! RLE Lossless (PS3.5 Annex G): byte planes, most significant first, each packed by `PackBits`.
//!
//! Separate because it is DICOM's own coding; planes may be any number of bytes deep and sample planes stay apart.

use super::{Coded, Color, Words};
use crate::radiograph::dicom::layout::Layout;
use crate::radiograph::error::ReadProblem;

pub(super) fn decode(stream: &[u8], layout: &Layout) -> Result<Coded, ReadProblem> {
    let damaged = |why: String| ReadProblem::Damaged(format!("RLE frame: {why}"));
    let depth = usize::from(layout.allocated).div_ceil(8);
    let planes = depth * layout.samples;
    let word = |at: usize| {
        let bytes = stream.get(at * 4..at * 4 + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    };
    let segments = word(0).unwrap_or(0);
    if segments != planes || planes > 15 {
        return Err(damaged(format!(
            "{segments} segments where {planes} are needed"
        )));
    }
    // Single bits are packed eight to a byte before they are coded.
    let packed_bits = layout.allocated == 1;
    let area = if packed_bits {
        layout.area().div_ceil(8)
    } else {
        layout.area()
    };
    // PackBits cannot expand by more than 64: a frame that claims more is refused before anything is allocated.
    if stream.len().saturating_mul(64) < area.saturating_mul(planes) {
        return Err(damaged(format!(
            "{} bytes cannot hold {planes} planes of {area} pixels",
            stream.len()
        )));
    }
    let plane = |index: usize| -> Result<Vec<u8>, ReadProblem> {
        let start = word(index + 1).unwrap_or(usize::MAX);
        let next = if index + 1 < planes {
            word(index + 2).unwrap_or(stream.len())
        } else {
            stream.len()
        };
        let packed = stream
            .get(start..next.min(stream.len()))
            .ok_or_else(|| damaged(format!("segment {index} lies outside")))?;
        unpack(packed, area).ok_or_else(|| damaged(format!("segment {index} ends early")))
    };
    let words = joined(layout, depth, area, plane)?;
    Ok(Coded {
        words,
        width: layout.width,
        height: layout.height,
        samples: layout.samples,
        planar: true,
        bits: layout.allocated,
        color: Color::AsWritten,
    })
}

/// Byte planes to words, sample plane after sample plane.
fn joined(
    layout: &Layout,
    depth: usize,
    area: usize,
    plane: impl Fn(usize) -> Result<Vec<u8>, ReadProblem>,
) -> Result<Words, ReadProblem> {
    Ok(match depth {
        1 if layout.allocated == 1 => {
            let bytes = plane(0)?;
            let bit = |index: usize| {
                bytes
                    .get(index / 8)
                    .map_or(0, |byte| byte >> (index % 8) & 1)
            };
            Words::Bytes((0..layout.area()).map(bit).collect())
        }
        1 => {
            let mut bytes = plane(0)?;
            for index in 1..layout.samples {
                bytes.extend(plane(index)?);
            }
            Words::Bytes(bytes)
        }
        2 => {
            let mut shorts = Vec::with_capacity(area * layout.samples);
            for sample in 0..layout.samples {
                let (high, low) = (plane(sample * 2)?, plane(sample * 2 + 1)?);
                let pairs = high.iter().zip(&low);
                shorts.extend(pairs.map(|(h, l)| u16::from_be_bytes([*h, *l])));
            }
            Words::Shorts(shorts)
        }
        4 => {
            let mut longs = vec![0_u32; area * layout.samples];
            for (sample, part) in longs.chunks_exact_mut(area).enumerate() {
                for byte in 0..4 {
                    for (long, value) in part.iter_mut().zip(plane(sample * 4 + byte)?) {
                        *long = *long << 8 | u32::from(value);
                    }
                }
            }
            Words::Longs(longs)
        }
        _ => {
            return Err(ReadProblem::Unsupported(format!(
                "RLE with {} bits allocated",
                layout.allocated
            )));
        }
    })
}

/// Exactly `wanted` bytes; what follows is padding.
fn unpack(packed: &[u8], wanted: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(wanted);
    let mut rest = packed;
    while bytes.len() < wanted {
        let (&control, after) = rest.split_first()?;
        let count = usize::from(control);
        match count {
            ..128 => {
                let (literal, after) = after.split_at_checked(count + 1)?;
                bytes.extend_from_slice(literal);
                rest = after;
            }
            128 => rest = after,
            _ => {
                let (&value, after) = after.split_first()?;
                bytes.resize(bytes.len() + 257 - count, value);
                rest = after;
            }
        }
    }
    bytes.truncate(wanted);
    Some(bytes)
}
