//! Code streams of compressed DICOM frames to samples.
//!
//! Separate because each codec belongs to another project or standard; what they return is one small type. The codec
//! is chosen by the code stream itself: transfer syntaxes are wrong more often than markers.

mod jpeg;
mod jpeg2000;
mod jpeg_extended;
mod jpeg_ls;
mod jpeg_ls_color;
mod jpeg_xl;
mod rle;

use super::layout::Layout;
use crate::radiograph::error::{ReadProblem, checked_expansion, checked_size, shielded};

pub(in crate::radiograph) use jpeg::decode as decode_jpeg;

/// Samples of one frame as coded: unsigned bit patterns.
pub(in crate::radiograph) enum Words {
    /// Up to 8 bits.
    Bytes(Vec<u8>),
    /// Up to 16 bits.
    Shorts(Vec<u16>),
    /// Up to 32 bits.
    Longs(Vec<u32>),
}

impl Words {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(words) => words.len(),
            Self::Shorts(words) => words.len(),
            Self::Longs(words) => words.len(),
        }
    }
}

/// What the three samples of a pixel mean after decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::radiograph) enum Color {
    /// As Photometric Interpretation says.
    AsWritten,
    /// Red, green, blue.
    Rgb,
    /// Luma first.
    Luma,
}

/// One decoded frame.
pub(in crate::radiograph) struct Coded {
    pub(in crate::radiograph) words: Words,
    pub(in crate::radiograph) width: usize,
    pub(in crate::radiograph) height: usize,
    pub(in crate::radiograph) samples: usize,
    /// Each sample's plane apart.
    pub(in crate::radiograph) planar: bool,
    /// Bits of a sample that carry meaning, from bit 0.
    pub(in crate::radiograph) bits: u16,
    pub(in crate::radiograph) color: Color,
}

const fn is_jpeg_2000(stream: &[u8]) -> bool {
    matches!(
        stream,
        [0xFF, 0x4F, 0xFF, ..] | [0, 0, 0, 0x0C, b'j', b'P', ..]
    )
}

/// How often a code stream can be halved before it is decoded; 0 for all but JPEG 2000.
pub(super) fn halvings(stream: &[u8]) -> u32 {
    if is_jpeg_2000(stream) {
        jpeg2000::halvings(stream)
    } else {
        0
    }
}

/// Refuses a frame that its code stream is too short for.
fn checked_frame(stream: &[u8], layout: &Layout) -> Result<(), ReadProblem> {
    let each = usize::from(layout.allocated).div_ceil(8);
    let size = checked_size(layout.width, layout.height, layout.samples, each)?;
    checked_expansion(stream.len(), size)
}

/// Decodes one frame halved `halved` times, at most [`halvings`].
pub(super) fn decode_halved(
    stream: &[u8],
    layout: &Layout,
    halved: u32,
) -> Result<Coded, ReadProblem> {
    checked_frame(stream, layout)?;
    let coded = shielded("JPEG 2000", || jpeg2000::decode(stream, layout, halved))?;
    if coded.words.len() == coded.width * coded.height * coded.samples {
        Ok(coded)
    } else {
        Err(ReadProblem::Damaged(
            "JPEG 2000: components of different sizes".to_owned(),
        ))
    }
}

/// Decodes one frame and checks its size against the header.
pub(super) fn decode(stream: &[u8], syntax: &str, layout: &Layout) -> Result<Coded, ReadProblem> {
    checked_frame(stream, layout)?;
    let stream_start = stream.get(..12).unwrap_or(stream);
    let coded = match stream_start {
        [0xFF, 0xD8, 0xFF, ..] => match jpeg::start_of_frame(stream) {
            Some(0xF7) => shielded("JPEG-LS", || jpeg_ls::decode(stream, layout)),
            _ => jpeg::decode(stream),
        },
        start if is_jpeg_2000(start) => {
            shielded("JPEG 2000", || jpeg2000::decode(stream, layout, 0))
        }
        [0xFF, 0x0A, ..] | [0, 0, 0, 0x0C, b'J', b'X', ..] => {
            shielded("JPEG XL", || jpeg_xl::decode(stream, layout))
        }
        _ if syntax == "1.2.840.10008.1.2.5" => rle::decode(stream, layout),
        _ => Err(unknown(stream, syntax)),
    }?;
    if (coded.width, coded.height) != (layout.width, layout.height) {
        return Err(ReadProblem::Damaged(format!(
            "the code stream has {} × {} pixels, Columns and Rows say {} × {}",
            coded.width, coded.height, layout.width, layout.height
        )));
    }
    if coded.words.len() != coded.width * coded.height * coded.samples {
        return Err(ReadProblem::Damaged(format!(
            "the code stream gave {} samples for {} × {} pixels",
            coded.words.len(),
            coded.width,
            coded.height
        )));
    }
    Ok(coded)
}

fn unknown(stream: &[u8], syntax: &str) -> ReadProblem {
    use dicom_encoding::TransferSyntaxIndex as _;
    let name = dicom_transfer_syntax_registry::TransferSyntaxRegistry
        .get(syntax)
        .map_or("unknown", |known| known.name());
    let start: Vec<String> = stream.iter().take(4).map(|b| format!("{b:02X}")).collect();
    ReadProblem::Unsupported(format!(
        "transfer syntax {syntax} ({name}) with a code stream that starts with {}",
        start.join(" ")
    ))
}
