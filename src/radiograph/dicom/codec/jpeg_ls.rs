//! JPEG-LS, lossless and near-lossless (ITU-T T.87).
//!
//! Separate because one component goes to a decoder of another project and several, which it does not know, to
//! [`super::jpeg_ls_color`].

use super::{Coded, Color, Words, jpeg, jpeg_ls_color};
use crate::radiograph::dicom::layout::Layout;
use crate::radiograph::error::{ReadProblem, checked_size};

pub(super) fn decode(stream: &[u8], layout: &Layout) -> Result<Coded, ReadProblem> {
    let damaged = |why: String| ReadProblem::Damaged(format!("JPEG-LS: {why}"));
    let header = jpeg::header(stream).ok_or_else(|| damaged("no frame header".to_owned()))?;
    if (header.width, header.height) != (layout.width, layout.height) {
        return Err(damaged(format!(
            "the code stream has {} × {} pixels, Columns and Rows say {} × {}",
            header.width, header.height, layout.width, layout.height
        )));
    }
    checked_size(header.width, header.height, header.components, 2)?;
    if !(2..=16).contains(&header.precision) {
        return Err(damaged(format!("{} bits a sample", header.precision)));
    }
    let (shorts, planar) = if header.components == 1 {
        let (shorts, _, _) = jpegls::decode(stream, header.width as u32, header.height as u32)
            .map_err(|error| damaged(error.to_string()))?;
        (shorts, false)
    } else {
        (jpeg_ls_color::decode(stream, &header)?, true)
    };
    let words = if header.precision <= 8 {
        Words::Bytes(shorts.iter().map(|v| *v as u8).collect())
    } else {
        Words::Shorts(shorts)
    };
    Ok(Coded {
        words,
        width: header.width,
        height: header.height,
        samples: header.components,
        planar,
        bits: u16::from(header.precision),
        color: Color::AsWritten,
    })
}
