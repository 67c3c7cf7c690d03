//! Color to luminance by Rec. 601, in whole numbers.
//!
//! Separate because DICOM, PNG, TIFF and JPEG must give the same grey for the same color.

/// A sample of 8 or 16 bits.
pub(super) trait Sample: Copy {
    fn wide(self) -> u32;
    fn narrow(value: u32) -> Self;
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
