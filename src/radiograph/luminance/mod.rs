//! Color to luminance by Rec. 601, in whole numbers, and the colors themselves as they are shown.
//!
//! Separate because DICOM, PNG, TIFF and JPEG must give the same grey for the same color. Luminance is what is windowed,
//! measured and generated from; the colors are a picture beside it that no window touches (PS3.3 C.11.2: VOI is for
//! grey alone).

mod picture;

use std::sync::Arc;

use crate::grid::Grid;

pub use picture::Picture;

/// A sample of 8 or 16 bits.
pub(super) trait Sample: Copy {
    fn wide(self) -> u32;
    fn narrow(value: u32) -> Self;

    /// The sample, of `bits` bits, on the scale of 0 to 255, rounded.
    fn eight(self, bits: u32) -> u8 {
        let most = u64::from(u32::MAX >> (32 - bits.clamp(1, 32)));
        let value = u64::from(self.wide()).min(most);
        ((value * 255 + most / 2) / most) as u8
    }
}

impl Sample for u8 {
    fn wide(self) -> u32 {
        u32::from(self)
    }

    fn narrow(value: u32) -> Self {
        value as Self
    }
}

impl Sample for u16 {
    fn wide(self) -> u32 {
        u32::from(self)
    }

    fn narrow(value: u32) -> Self {
        value as Self
    }
}

/// `0.299 R + 0.587 G + 0.114 B`, rounded (Rec. ITU-R BT.601).
pub(super) fn luminance<T: Sample>(red: T, green: T, blue: T) -> T {
    T::narrow((red.wide() * 299 + green.wide() * 587 + blue.wide() * 114 + 500) / 1000)
}

/// The luminance of interleaved pixels of `samples` ≥ 3 each: red, green, blue and what is left out.
pub(super) fn of_interleaved<T: Sample>(values: &[T], samples: usize) -> Vec<T> {
    values
        .chunks_exact(samples.max(3))
        .map(|pixel| luminance(pixel[0], pixel[1], pixel[2]))
        .collect()
}

/// The luminance of three planes one after the other.
pub(super) fn of_planes<T: Sample>(values: &[T]) -> Vec<T> {
    let area = values.len() / 3;
    let (red, rest) = values.split_at(area);
    let (green, blue) = rest.split_at(area);
    red.iter()
        .zip(green)
        .zip(blue)
        .map(|((r, g), b)| luminance(*r, *g, *b))
        .collect()
}

/// What is said about a color image.
pub(super) const NOTE: &str = "color was reduced to luminance (Rec. 601)";

/// The colors of an image as they are shown: red, green and blue, 0 to 255.
pub type Rgb = Grid<[u8; 3]>;

/// Larger images are shown by their luminance alone: their colors do not fit into the decoding process beside it.
const MOST_COLOR_PX: usize = 1 << 26;

/// The colors of an image of `size`, row by row; `None` where all of them are grey, or it is too large.
///
/// Grey in three samples is grey: such an image keeps its window.
pub(super) fn kept(
    (width, height): (usize, usize),
    colors: impl Iterator<Item = [u8; 3]>,
) -> Option<Arc<Rgb>> {
    if width.checked_mul(height)? > MOST_COLOR_PX {
        return None;
    }
    let cells: Vec<[u8; 3]> = colors.take(width * height).collect();
    if cells
        .iter()
        .all(|[red, green, blue]| red == green && green == blue)
    {
        return None;
    }
    Grid::from_vec(width, height, cells).map(Arc::new)
}

/// [`kept`] of interleaved pixels of `samples` ≥ 3 each, `bits` bits a sample: red, green, blue and what is left out.
pub(super) fn colors<T: Sample>(
    values: &[T],
    samples: usize,
    bits: u32,
    size: (usize, usize),
) -> Option<Arc<Rgb>> {
    let pixels = values.chunks_exact(samples.max(3));
    kept(
        size,
        pixels.map(|p| [p[0].eight(bits), p[1].eight(bits), p[2].eight(bits)]),
    )
}

/// Red, green and blue of luma and chroma of 8 bits, full range (PS3.3 C.7.6.3.1.2, `YBR_FULL`; the same in JFIF).
pub(super) fn from_full(luma: u8, blue: u8, red: u8) -> [u8; 3] {
    let (y, b, r) = (
        f32::from(luma),
        f32::from(blue) - 128.0,
        f32::from(red) - 128.0,
    );
    [
        whole(y + 1.402 * r),
        whole(y - 0.344_136 * b - 0.714_136 * r),
        whole(y + 1.772 * b),
    ]
}

/// The same of partial range: 16 to 235 carry black to white (PS3.3 C.7.6.3.1.2, `YBR_PARTIAL_422`).
pub(super) fn from_partial(luma: u8, blue: u8, red: u8) -> [u8; 3] {
    let y = (f32::from(luma) - 16.0) * 255.0 / 219.0;
    let (b, r) = (f32::from(blue) - 128.0, f32::from(red) - 128.0);
    [
        whole(y + 1.596_027 * r),
        whole(y - 0.391_762 * b - 0.812_968 * r),
        whole(y + 2.017_232 * b),
    ]
}

fn whole(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}
