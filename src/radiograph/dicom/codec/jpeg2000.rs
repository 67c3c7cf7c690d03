//! JPEG 2000 and High-Throughput JPEG 2000 (ITU-T T.800, T.814) by `openjp2`.
//!
//! Separate because the code stream has its own depth and sign, which outweigh the header's.

use jpeg2k::{DecodeParameters, Image};

use super::{Coded, Color, Words};
use crate::radiograph::dicom::layout::Layout;
use crate::radiograph::error::{ReadProblem, checked_size};

/// Width, height and components of the SIZ marker, before anything is decoded.
fn size(stream: &[u8]) -> Option<(usize, usize, usize)> {
    let at = stream
        .windows(4)
        .position(|four| four == [0xFF, 0x4F, 0xFF, 0x51])?;
    let number = |offset: usize| {
        let bytes = stream.get(at + offset..at + offset + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?) as usize)
    };
    let components = u16::from_be_bytes([*stream.get(at + 40)?, *stream.get(at + 41)?]);
    Some((
        number(8)?.checked_sub(number(16)?)?,
        number(12)?.checked_sub(number(20)?)?,
        usize::from(components),
    ))
}

/// How often the image can be halved: the decomposition levels of its COD marker (T.800 A.6.1).
pub(super) fn halvings(stream: &[u8]) -> u32 {
    let start = stream
        .windows(4)
        .position(|four| four == [0xFF, 0x4F, 0xFF, 0x51]);
    let mut at = start.map_or(stream.len(), |start| start + 2);
    while let Some(&[a, b, high, low]) = stream.get(at..).and_then(|rest| rest.first_chunk()) {
        match [a, b] {
            [0xFF, 0x52] => {
                return stream
                    .get(at + 9)
                    .map_or(0, |levels| u32::from(*levels).min(32));
            }
            // The first tile begins: its header has no say over all.
            [0xFF, 0x90] => return 0,
            [0xFF, _] => at += 2 + usize::from(u16::from_be_bytes([high, low])),
            _ => return 0,
        }
    }
    0
}

/// Decodes the image halved `halved` times, without the code blocks that only the larger ones need.
pub(super) fn decode(stream: &[u8], layout: &Layout, halved: u32) -> Result<Coded, ReadProblem> {
    let damaged = |why: String| ReadProblem::Damaged(format!("JPEG 2000: {why}"));
    let (width, height, components) =
        size(stream).ok_or_else(|| damaged("no SIZ marker".to_owned()))?;
    if (width, height) != (layout.width, layout.height) {
        return Err(damaged(format!(
            "the code stream has {width} × {height} pixels, Columns and Rows say {} × {}",
            layout.width, layout.height
        )));
    }
    checked_size(width, height, components, 4)?;
    let parameters = DecodeParameters::new().reduce(halved);
    let image =
        Image::from_bytes_with(stream, parameters).map_err(|error| damaged(error.to_string()))?;
    let parts = image.components();
    let samples = layout.samples.min(parts.len());
    let Some(first) = parts.first() else {
        return Err(damaged("no component".to_owned()));
    };
    let bits = first.precision().clamp(1, 32);
    let (width, height) = if halved == 0 {
        (width, height)
    } else {
        (first.width() as usize, first.height() as usize)
    };
    for part in parts.iter().take(samples) {
        if part.data().len() != width * height {
            return Err(ReadProblem::Unsupported(
                "JPEG 2000 with subsampled components".to_owned(),
            ));
        }
    }
    let mask = u32::MAX >> (32 - bits);
    let all = parts
        .iter()
        .take(samples)
        .flat_map(jpeg2k::ImageComponent::data);
    let patterns = all.map(|value| *value as u32 & mask);
    let words = match bits {
        0..=8 => Words::Bytes(patterns.map(|v| v as u8).collect()),
        9..=16 => Words::Shorts(patterns.map(|v| v as u16).collect()),
        _ => Words::Longs(patterns.collect()),
    };
    // The decoder undoes the multiple component transform: YBR_ICT and YBR_RCT come out as RGB.
    let color = match layout.photometric.as_str() {
        "YBR_FULL" | "YBR_FULL_422" => Color::Luma,
        _ => Color::Rgb,
    };
    Ok(Coded {
        words,
        width,
        height,
        samples,
        planar: true,
        bits: bits as u16,
        color,
    })
}
