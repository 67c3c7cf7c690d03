//! Volumes of other programs as stacks of slices: NIfTI-1 and -2, NRRD.
//!
//! Separate because both are a header, an affine map and a block of numbers: what differs is only how the header is
//! written. A slice lies as a radiologist expects it: the patient's left on the viewer's right, front and head up.

mod nifti;
mod nrrd;

use std::sync::Arc;

use super::error::{ReadProblem, checked_size};
use super::{
    FileKind, ModalityTransform, Pixels, Radiograph, Rgb, Spacing, SpacingSource, SyntheticMark,
};
use crate::grid::Grid;

pub(super) use nifti::is_nifti;
pub(super) use nrrd::is_nrrd;

/// How one number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl Number {
    const fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}

/// A volume whose numbers lie in memory.
pub(super) struct Volume {
    kind: FileKind,
    bytes: Vec<u8>,
    /// First byte of the numbers.
    start: usize,
    number: Number,
    big: bool,
    /// Columns, rows.
    width: usize,
    height: usize,
    /// All further axes multiplied.
    pub(super) slices: usize,
    /// Numbers a pixel: 1, or 3 and 4 for color.
    samples: usize,
    /// Millimetres between columns and between rows.
    spacing: Option<(f64, f64)>,
    scale: (f64, f64),
    /// Whether columns or rows run to the patient's right, front or head, and so are turned round.
    flip: (bool, bool),
    /// The mark of an image that this program made.
    synthetic: Option<SyntheticMark>,
    notes: Vec<String>,
}

impl Volume {
    /// Reads the header of a NIfTI or NRRD file and checks it against the numbers that are there.
    pub(super) fn of(bytes: Vec<u8>) -> Result<Self, ReadProblem> {
        let volume = if is_nrrd(&bytes) {
            nrrd::read(bytes)?
        } else {
            nifti::read(bytes)?
        };
        let frame = checked_size(
            volume.width,
            volume.height,
            volume.samples,
            volume.number.bytes(),
        )?;
        let wanted = (frame as u128) * volume.slices as u128;
        let there = volume.bytes.len().saturating_sub(volume.start);
        if volume.slices == 0 || wanted > there as u128 {
            return Err(ReadProblem::Damaged(format!(
                "{} slices of {} × {} need {wanted} bytes, {there} are there",
                volume.slices, volume.width, volume.height
            )));
        }
        Ok(volume)
    }

    /// What it was read from.
    pub(super) const fn kind(&self) -> FileKind {
        self.kind
    }

    /// One slice, which is below `slices`.
    pub(super) fn slice(&self, index: usize) -> Result<Radiograph, ReadProblem> {
        let count = self.width * self.height * self.samples;
        let length = count * self.number.bytes();
        let from = self.start + index * length;
        let raw = self.bytes.get(from..from + length).ok_or_else(|| {
            ReadProblem::Damaged(format!("slice {index} ends after the end of the file"))
        })?;
        let mut notes = self.notes.clone();
        let pixels = self.pixels(raw, &mut notes)?;
        let mut made = Radiograph::from_pixels(pixels).with_color(self.colors(raw));
        made.source.kind = self.kind;
        if self.number == Number::I8 {
            made.source.bits_stored = 8;
        }
        if self.number.bytes() > 4 {
            made.source.bits_stored = 64;
        }
        made.spacing = self.spacing.map(|(column_mm, row_mm)| Spacing {
            row_mm,
            column_mm,
            source: SpacingSource::FileResolution,
        });
        let (slope, intercept) = self.scale;
        made.modality_transform = ModalityTransform::Linear { slope, intercept };
        made.synthetic.clone_from(&self.synthetic);
        made.notes = notes;
        Ok(made)
    }

    /// The colors of a slice, turned as its pixels are.
    fn colors(&self, raw: &[u8]) -> Option<Arc<Rgb>> {
        if self.samples < 3 || self.number != Number::U8 {
            return None;
        }
        let pixels = raw.chunks_exact(self.samples);
        let cells = self
            .grid(pixels.map(|p| [p[0], p[1], p[2]]).collect())
            .ok()?;
        super::luminance::kept(cells.size(), cells.cells().iter().copied())
    }

    fn pixels(&self, raw: &[u8], notes: &mut Vec<String>) -> Result<Pixels, ReadProblem> {
        if self.samples > 1 {
            if self.number != Number::U8 {
                return Err(ReadProblem::Unsupported(
                    "color volumes with more than 8 bits a sample".to_owned(),
                ));
            }
            notes.push(super::luminance::NOTE.to_owned());
            let grey = super::luminance::of_interleaved(raw, self.samples);
            return Ok(Pixels::U8(self.grid(grey)?));
        }
        macro_rules! numbers {
            ($type:ty) => {{
                const SIZE: usize = size_of::<$type>();
                let parts = raw.as_chunks::<SIZE>().0.iter();
                if self.big {
                    parts
                        .map(|b| <$type>::from_be_bytes(*b))
                        .collect::<Vec<_>>()
                } else {
                    parts
                        .map(|b| <$type>::from_le_bytes(*b))
                        .collect::<Vec<_>>()
                }
            }};
        }
        macro_rules! as_floats {
            ($type:ty) => {
                Pixels::F32(self.grid(numbers!($type).into_iter().map(|v| v as f32).collect())?)
            };
        }
        Ok(match self.number {
            Number::U8 => Pixels::U8(self.grid(raw.to_vec())?),
            Number::I8 => {
                Pixels::I16(self.grid(raw.iter().map(|v| i16::from(*v as i8)).collect())?)
            }
            Number::U16 => Pixels::U16(self.grid(numbers!(u16))?),
            Number::I16 => Pixels::I16(self.grid(numbers!(i16))?),
            Number::U32 => as_floats!(u32),
            Number::I32 => as_floats!(i32),
            Number::U64 => as_floats!(u64),
            Number::I64 => as_floats!(i64),
            Number::F32 => Pixels::F32(self.grid(numbers!(f32))?),
            Number::F64 => as_floats!(f64),
        })
    }

    fn grid<T>(&self, mut values: Vec<T>) -> Result<Grid<T>, ReadProblem> {
        if self.flip.0 {
            values.chunks_exact_mut(self.width).for_each(<[T]>::reverse);
        }
        if self.flip.1 {
            let (mut top, mut bottom) = (0, self.height.saturating_sub(1));
            while top < bottom {
                let (upper, lower) = values.split_at_mut(bottom * self.width);
                upper[top * self.width..][..self.width].swap_with_slice(&mut lower[..self.width]);
                (top, bottom) = (top + 1, bottom - 1);
            }
        }
        Grid::from_vec(self.width, self.height, values)
            .ok_or_else(|| ReadProblem::Damaged("fewer numbers than the header says".to_owned()))
    }
}

/// Whether an axis with this direction in right-anterior-superior space must be turned round for display, and how to
/// say so; a direction of zeros tells nothing.
fn turned(direction: [f64; 3]) -> bool {
    let [x, y, z] = direction;
    let largest = if x.abs() >= y.abs() && x.abs() >= z.abs() {
        x
    } else if y.abs() >= z.abs() {
        y
    } else {
        z
    };
    largest > 0.0
}

/// Said when rows or columns were turned round.
fn turned_note(flip: (bool, bool)) -> Option<String> {
    let what = match flip {
        (false, false) => return None,
        (true, false) => "columns were",
        (false, true) => "rows were",
        (true, true) => "rows and columns were",
    };
    Some(format!(
        "{what} turned round so that the patient's left is on the right, front or head up"
    ))
}

/// A usable distance in millimetres.
fn distance(mm: f64) -> Option<f64> {
    (mm.is_finite() && mm > 0.0 && mm < 1.0e4).then_some(mm)
}
