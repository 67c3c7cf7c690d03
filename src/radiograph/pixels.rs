//! Stored values at native depth.
//!
//! Separate because every reader ends here and every composite starts here; no value is ever forced to 8 bits.

use std::borrow::Cow;
use std::io::{ErrorKind, Read};

use serde::{Deserialize, Serialize};

use super::{FileKind, Radiograph, Rgb};
use crate::geometry::PixelRect;
use crate::grid::Grid;

/// Stored values of one frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// Unsigned, up to 8 bits.
    U8(Grid<u8>),
    /// Unsigned, 9 to 16 bits.
    U16(Grid<u16>),
    /// Signed, up to 16 bits.
    I16(Grid<i16>),
    /// Float pixel data, and integers wider than 16 bits.
    F32(Grid<f32>),
}

/// Runs the same expression on whichever grid there is.
macro_rules! each {
    ($pixels:expr, $grid:ident => $body:expr) => {
        match $pixels {
            Pixels::U8($grid) => $body,
            Pixels::U16($grid) => $body,
            Pixels::I16($grid) => $body,
            Pixels::F32($grid) => $body,
        }
    };
}

impl Pixels {
    /// Columns.
    pub fn width(&self) -> usize {
        each!(self, grid => grid.width())
    }

    /// Rows.
    pub fn height(&self) -> usize {
        each!(self, grid => grid.height())
    }

    /// `(bits, signed)` of the buffer.
    pub fn depth(&self) -> (u16, bool) {
        match self {
            Self::U8(_) => (8, false),
            Self::U16(_) => (16, false),
            Self::I16(_) => (16, true),
            Self::F32(_) => (32, true),
        }
    }

    /// The smallest and the largest stored value outside `padding`; of all where nothing else is there.
    pub fn extremes(&self, padding: Option<(f64, f64)>) -> (f64, f64) {
        let Some((first, last)) = padding else {
            return self.range();
        };
        let mut found: Option<(f64, f64)> = None;
        each!(self, grid => for value in grid.cells() {
            let value = f64::from(*value);
            if value.is_finite() && !(first..=last).contains(&value) {
                found = Some(found.map_or((value, value), |(a, b)| (a.min(value), b.max(value))));
            }
        });
        found.unwrap_or_else(|| self.range())
    }

    /// The range of values that the buffer can hold; floats have none.
    pub fn limits(&self) -> Option<(f64, f64)> {
        match self {
            Self::U8(_) => Some((0.0, 255.0)),
            Self::U16(_) => Some((0.0, 65535.0)),
            Self::I16(_) => Some((-32768.0, 32767.0)),
            Self::F32(_) => None,
        }
    }

    /// The stored value at `(x, y)`, if inside.
    pub fn value(&self, x: usize, y: usize) -> Option<f64> {
        each!(self, grid => grid.get(x, y).map(|v| f64::from(*v)))
    }

    /// All stored values as f32; exact for every integer depth.
    #[expect(
        clippy::useless_conversion,
        reason = "one expression for every depth, f32 among them"
    )]
    pub fn to_f32(&self) -> Grid<f32> {
        each!(self, grid => grid.map(|v| f32::from(*v)))
    }

    /// The part inside `rect`; pixels of `rect` outside the image take the nearest pixel's value.
    #[expect(
        clippy::useless_conversion,
        reason = "one expression for every depth, f32 among them"
    )]
    pub fn crop_f32(&self, rect: PixelRect) -> Grid<f32> {
        let (width, height) = (self.width() as i64, self.height() as i64);
        each!(self, grid => Grid::from_fn(rect.width, rect.height, |x, y| {
            let source_x = (rect.x + x as i64).clamp(0, width - 1) as usize;
            let source_y = (rect.y + y as i64).clamp(0, height - 1) as usize;
            f32::from(grid[(source_x, source_y)])
        }))
    }

    /// The range of values that `bits` of the buffer can hold, signed where the buffer is; of other numbers of bits the
    /// range of the buffer. Floats have none.
    pub fn limits_of(&self, bits: u16) -> Option<(f64, f64)> {
        let power = |bits: u16| f64::from(1_u32 << bits);
        match self {
            Self::U8(_) if (1..8).contains(&bits) => Some((0.0, power(bits) - 1.0)),
            Self::U16(_) if (9..16).contains(&bits) => Some((0.0, power(bits) - 1.0)),
            Self::I16(_) if (2..16).contains(&bits) => {
                Some((-power(bits - 1), power(bits - 1) - 1.0))
            }
            _ => self.limits(),
        }
    }

    /// A buffer of the same depth; values are rounded once and clamped to what the depth can hold.
    #[must_use]
    pub fn like(&self, values: &Grid<f32>) -> Self {
        match self {
            Self::U8(_) => Self::U8(values.map(|v| v.round().clamp(0.0, 255.0) as u8)),
            Self::U16(_) => Self::U16(values.map(|v| v.round().clamp(0.0, 65535.0) as u16)),
            Self::I16(_) => Self::I16(values.map(|v| v.round().clamp(-32768.0, 32767.0) as i16)),
            Self::F32(_) => Self::F32(values.clone()),
        }
    }

    /// How many pixels differ from `other`; `None` when size or depth differ.
    pub fn count_different(&self, other: &Self) -> Option<usize> {
        self.count_different_where(other, |_, _| true)
    }

    /// How many pixels with `counts(x, y)` differ from `other`; `None` when size or depth differ.
    ///
    /// Floats are compared by their bits, so that NaN equals itself.
    pub fn count_different_where(
        &self,
        other: &Self,
        counts: impl Fn(usize, usize) -> bool,
    ) -> Option<usize> {
        fn count<T: Copy>(
            a: &Grid<T>,
            b: &Grid<T>,
            counts: impl Fn(usize, usize) -> bool,
            same: impl Fn(T, T) -> bool,
        ) -> Option<usize> {
            if a.size() != b.size() {
                return None;
            }
            let mut different = 0;
            for y in 0..a.height() {
                for (x, (p, q)) in a.row(y).iter().zip(b.row(y)).enumerate() {
                    different += usize::from(!same(*p, *q) && counts(x, y));
                }
            }
            Some(different)
        }
        match (self, other) {
            (Self::U8(a), Self::U8(b)) => count(a, b, counts, |p, q| p == q),
            (Self::U16(a), Self::U16(b)) => count(a, b, counts, |p, q| p == q),
            (Self::I16(a), Self::I16(b)) => count(a, b, counts, |p, q| p == q),
            (Self::F32(a), Self::F32(b)) => count(a, b, counts, |p, q| p.to_bits() == q.to_bits()),
            _ => None,
        }
    }

    /// Stored values, little endian, row after row: what is hashed and written.
    ///
    /// Borrowed where the machine keeps them so: a film of 27 MB is not copied to be sent.
    pub fn le_bytes(&self) -> Cow<'_, [u8]> {
        if cfg!(target_endian = "little") {
            return Cow::Borrowed(each!(self, grid => bytemuck::cast_slice(grid.cells())));
        }
        Cow::Owned(match self {
            Self::U8(grid) => grid.cells().to_vec(),
            Self::U16(grid) => grid.cells().iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::I16(grid) => grid.cells().iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::F32(grid) => grid.cells().iter().flat_map(|v| v.to_le_bytes()).collect(),
        })
    }

    /// The inverse of [`Self::le_bytes`] for a depth named `u8`, `u16`, `i16` or `f32`.
    pub fn from_le_bytes(depth: &str, width: usize, height: usize, bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let pixels = Self::read_le(depth, width, height, &mut rest).ok()?;
        rest.is_empty().then_some(pixels)
    }

    /// Takes as many bytes as `width × height` values of a depth have, as [`Self::le_bytes`] gives them.
    ///
    /// A little at a time, so that only the values themselves take memory of the size of the image.
    ///
    /// # Errors
    /// There are fewer bytes, the depth is none of the four, or there is no memory for the values.
    pub(super) fn read_le(
        depth: &str,
        width: usize,
        height: usize,
        from: &mut impl Read,
    ) -> std::io::Result<Self> {
        let count = width.checked_mul(height).ok_or(ErrorKind::InvalidData)?;
        let grid =
            match depth {
                "u8" => Grid::from_vec(width, height, take(from, count, |[v]| v)?).map(Self::U8),
                "u16" => Grid::from_vec(width, height, take(from, count, u16::from_le_bytes)?)
                    .map(Self::U16),
                "i16" => Grid::from_vec(width, height, take(from, count, i16::from_le_bytes)?)
                    .map(Self::I16),
                "f32" => Grid::from_vec(width, height, take(from, count, f32::from_le_bytes)?)
                    .map(Self::F32),
                _ => None,
            };
        grid.ok_or_else(|| ErrorKind::InvalidData.into())
    }

    /// Takes three bytes a pixel: red, green and blue.
    ///
    /// # Errors
    /// There are fewer bytes, or there is no memory for the colors.
    pub(super) fn read_color(
        width: usize,
        height: usize,
        from: &mut impl Read,
    ) -> std::io::Result<Rgb> {
        let count = width.checked_mul(height).ok_or(ErrorKind::InvalidData)?;
        let cells = take(from, count, |rgb: [u8; 3]| rgb)?;
        Grid::from_vec(width, height, cells).ok_or_else(|| ErrorKind::InvalidData.into())
    }

    /// Bytes that `width × height` values of a depth have; `None` for another depth, or for more than can be counted.
    pub(super) fn byte_count(depth: &str, width: usize, height: usize) -> Option<usize> {
        let size = match depth {
            "u8" => 1,
            "u16" | "i16" => 2,
            "f32" => 4,
            _ => return None,
        };
        width.checked_mul(height)?.checked_mul(size)
    }

    /// `u8`, `u16`, `i16` or `f32`.
    pub fn depth_name(&self) -> &'static str {
        match self {
            Self::U8(_) => "u8",
            Self::U16(_) => "u16",
            Self::I16(_) => "i16",
            Self::F32(_) => "f32",
        }
    }

    /// The smallest and the largest finite stored value; `(0, 0)` when there is none.
    pub fn range(&self) -> (f64, f64) {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        each!(self, grid => for value in grid.cells() {
            let value = f64::from(*value);
            if value.is_finite() {
                low = low.min(value);
                high = high.max(value);
            }
        });
        if low > high { (0.0, 0.0) } else { (low, high) }
    }

    /// The `tail` and `1 − tail` quantiles of the finite stored values outside `padding`.
    ///
    /// At most about a million pixels on a regular lattice are read: enough for a window, quick on any film.
    #[expect(
        clippy::useless_conversion,
        reason = "one expression for every depth, f32 among them"
    )]
    pub fn quantiles(&self, tail: f64, padding: Option<(f64, f64)>) -> (f64, f64) {
        let step = ((self.width() * self.height()) as f64 / 1.0e6)
            .sqrt()
            .ceil()
            .max(1.0) as usize;
        let mut sample: Vec<f32> = Vec::new();
        each!(self, grid => for y in (0..grid.height()).step_by(step) {
            for value in grid.row(y).iter().step_by(step) {
                let value = f32::from(*value);
                let padded = padding.is_some_and(|(a, b)| (a..=b).contains(&f64::from(value)));
                if value.is_finite() && !padded {
                    sample.push(value);
                }
            }
        });
        if sample.is_empty() {
            return self.range();
        }
        let last = sample.len() - 1;
        let mut quantile = |q: f64| {
            let index = ((last as f64) * q).round() as usize;
            f64::from(*sample.select_nth_unstable_by(index, f32::total_cmp).1)
        };
        (quantile(tail), quantile(1.0 - tail))
    }
}

impl Radiograph {
    /// The stored values that the file's own bits can hold: a 12-bit film stays one. Floats have none.
    pub fn stored_limits(&self) -> Option<(f64, f64)> {
        // Of other kinds of file and of colors, the bits are those of a sample and not of the values here.
        let own = self.source.kind == FileKind::Dicom || self.source.kind == FileKind::Memory;
        let grey = self.source.photometric.starts_with("MONOCHROME");
        if own && grey {
            self.pixels.limits_of(self.source.bits_stored)
        } else {
            self.pixels.limits()
        }
    }
}

/// The next `count` values, each of `N` bytes.
fn take<T, const N: usize>(
    from: &mut impl Read,
    count: usize,
    value: impl Fn([u8; N]) -> T,
) -> std::io::Result<Vec<T>> {
    /// What stays in the cache of a processor between being read and being put in its place.
    const AT_ONCE: usize = 1 << 16;
    let mut values = Vec::new();
    values
        .try_reserve_exact(count)
        .map_err(std::io::Error::other)?;
    let mut bytes = vec![[0; N]; AT_ONCE.min(count)];
    while values.len() < count {
        let part = &mut bytes[..(count - values.len()).min(AT_ONCE)];
        from.read_exact(part.as_flattened_mut())?;
        values.extend(part.iter().map(|bytes| value(*bytes)));
    }
    Ok(values)
}

/// The written form: depth, size and the little-endian values, base64.
#[derive(Serialize, Deserialize)]
struct Packed {
    depth: String,
    width: usize,
    height: usize,
    values: String,
}

impl Serialize for Pixels {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Packed {
            depth: self.depth_name().to_owned(),
            width: self.width(),
            height: self.height(),
            values: crate::encoding::pack(&self.le_bytes()),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Pixels {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let packed = Packed::deserialize(deserializer)?;
        let bytes = crate::encoding::unpack(&packed.values)
            .ok_or_else(|| D::Error::custom("pixel values are not valid packed data"))?;
        Self::from_le_bytes(&packed.depth, packed.width, packed.height, &bytes)
            .ok_or_else(|| D::Error::custom("pixel values do not fit their depth and size"))
    }
}
