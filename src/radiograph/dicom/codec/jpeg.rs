//! JPEG baseline, progressive and lossless (ITU-T T.81), 12-bit extended through [`super::jpeg_extended`].
//!
//! Separate because the meaning of three components must be read from the markers: Adobe's, JFIF's or their names.

use super::{Coded, Color, Words, jpeg_extended};
use crate::radiograph::error::{ReadProblem, checked_expansion, checked_size, shielded};

/// The header of a JPEG stream, as far as it matters here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Header {
    /// The SOF marker, `0xC0` to `0xCF` or `0xF7`.
    pub(super) frame_marker: u8,
    pub(super) precision: u8,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) components: usize,
    names: [u8; 3],
    adobe: Option<u8>,
    jfif: bool,
}

/// The marker of the frame header, if there is one.
pub(super) fn start_of_frame(stream: &[u8]) -> Option<u8> {
    header(stream).map(|header| header.frame_marker)
}

/// Reads marker segments up to the frame header.
pub(super) fn header(stream: &[u8]) -> Option<Header> {
    let mut found = Header::default();
    let mut at = 2;
    loop {
        while *stream.get(at)? != 0xFF {
            at += 1;
        }
        let marker = *stream.get(at + 1)?;
        if matches!(marker, 0xFF) {
            at += 1;
            continue;
        }
        if matches!(marker, 0 | 0x01 | 0xD0..=0xD8) {
            at += 2;
            continue;
        }
        let length = usize::from(u16::from_be_bytes([
            *stream.get(at + 2)?,
            *stream.get(at + 3)?,
        ]));
        let body = stream.get(at + 4..(at + 2 + length).max(at + 4))?;
        match marker {
            0xE0 if body.starts_with(b"JFIF\0") => found.jfif = true,
            0xEE if body.starts_with(b"Adobe") => found.adobe = body.get(11).copied(),
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | 0xF7 => {
                let &[precision, h1, h0, w1, w0, components] = body.first_chunk::<6>()?;
                found.frame_marker = marker;
                found.precision = precision;
                found.height = usize::from(u16::from_be_bytes([h1, h0]));
                found.width = usize::from(u16::from_be_bytes([w1, w0]));
                found.components = usize::from(components);
                for (index, name) in found.names.iter_mut().enumerate() {
                    *name = body.get(6 + index * 3).copied().unwrap_or(0);
                }
                return Some(found);
            }
            0xDA | 0xD9 => return None,
            _ => {}
        }
        at += 2 + length;
    }
}

impl Header {
    /// T.81 leaves color to the application: Adobe's marker decides, then the component names, then JFIF.
    fn color(&self) -> Color {
        let lossless = matches!(self.frame_marker, 0xC3 | 0xC7);
        match self.adobe {
            Some(0) => Color::Rgb,
            Some(_) => Color::Luma,
            None if &self.names == b"RGB" => Color::Rgb,
            None if self.jfif && !lossless => Color::Luma,
            None => Color::AsWritten,
        }
    }
}

/// Decodes any JPEG but JPEG-LS.
pub(in crate::radiograph) fn decode(stream: &[u8]) -> Result<Coded, ReadProblem> {
    let damaged = |why: String| ReadProblem::Damaged(format!("JPEG: {why}"));
    let header = header(stream).ok_or_else(|| damaged("no frame header".to_owned()))?;
    let bytes_each = usize::from(header.precision).div_ceil(8);
    let size = checked_size(header.width, header.height, header.components, bytes_each)?;
    checked_expansion(stream.len(), size)?;
    // The shortest code of T.81 spends about a bit on an 8 × 8 block; a stream beyond that is a bomb.
    if stream.len().saturating_mul(8 * 64 * 4) < header.width * header.height {
        return Err(damaged(format!(
            "{} bytes cannot hold {} × {} pixels",
            stream.len(),
            header.width,
            header.height
        )));
    }
    if header.precision == 12 && matches!(header.frame_marker, 0xC0 | 0xC1) {
        let shorts = jpeg_extended::decode(stream)?;
        return Ok(coded(&header, Words::Shorts(shorts)));
    }
    let words = shielded("JPEG", || {
        let mut decoder = jpeg_decoder::Decoder::new(stream);
        decoder.set_max_decoding_buffer_size(1 << 31);
        // Three components as they are, side by side; `None` would leave their planes ragged.
        decoder.set_color_transform(match header.components {
            3 => jpeg_decoder::ColorTransform::RGB,
            _ => jpeg_decoder::ColorTransform::None,
        });
        let bytes = decoder.decode().map_err(|error| match error {
            jpeg_decoder::Error::Unsupported(what) => {
                ReadProblem::Unsupported(format!("JPEG with {what:?}"))
            }
            other => damaged(other.to_string()),
        })?;
        Ok(match decoder.info().map(|info| info.pixel_format) {
            Some(jpeg_decoder::PixelFormat::L16) => Words::Shorts(
                bytes
                    .chunks_exact(2)
                    .map(|b| u16::from_ne_bytes([b[0], b[1]]))
                    .collect(),
            ),
            _ => Words::Bytes(bytes),
        })
    })?;
    Ok(coded(&header, words))
}

fn coded(header: &Header, words: Words) -> Coded {
    Coded {
        words,
        width: header.width,
        height: header.height,
        samples: header.components,
        planar: false,
        bits: u16::from(header.precision),
        color: header.color(),
    }
}
