//! JPEG XL (ISO/IEC 18181-1) by `jxl-oxide`.
//!
//! Separate because its samples come as floats of 0 to 1, which a lossless image of up to 16 bits survives exactly.

use jxl_oxide::JxlImage;

use super::{Coded, Color, Words};
use crate::radiograph::dicom::layout::Layout;
use crate::radiograph::error::{ReadProblem, checked_size};

pub(super) fn decode(stream: &[u8], layout: &Layout) -> Result<Coded, ReadProblem> {
    let damaged = |why: String| ReadProblem::Damaged(format!("JPEG XL: {why}"));
    let image = JxlImage::builder()
        .read(stream)
        .map_err(|error| damaged(error.to_string()))?;
    let (width, height) = (image.width() as usize, image.height() as usize);
    if (width, height) != (layout.width, layout.height) {
        return Err(damaged(format!(
            "the code stream has {width} × {height} pixels, Columns and Rows say {} × {}",
            layout.width, layout.height
        )));
    }
    let bits = u16::try_from(image.image_header().metadata.bit_depth.bits_per_sample())
        .unwrap_or(u16::MAX);
    if !(1..=16).contains(&bits) {
        return Err(ReadProblem::Unsupported(format!(
            "JPEG XL with {bits} bits a sample"
        )));
    }
    checked_size(width, height, layout.samples, 4)?;
    let render = image
        .render_frame(0)
        .map_err(|error| damaged(error.to_string()))?;
    let mut pixels = render.stream_no_alpha();
    let samples = pixels.channels() as usize;
    let mut unit = vec![0.0_f32; width * height * samples];
    let count = pixels.write_to_buffer(&mut unit);
    unit.truncate(count);
    let most = f64::from((1_u32 << bits) - 1);
    let scaled = unit
        .iter()
        .map(|v| (f64::from(*v) * most).round().clamp(0.0, most) as u16);
    let words = if bits <= 8 {
        Words::Bytes(scaled.map(|v| v as u8).collect())
    } else {
        Words::Shorts(scaled.collect())
    };
    Ok(Coded {
        words,
        width,
        height,
        samples,
        planar: false,
        bits,
        color: Color::Rgb,
    })
}
