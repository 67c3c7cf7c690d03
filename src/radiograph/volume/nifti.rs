//! NIfTI-1 and NIfTI-2, single file (nifti.nimh.nih.gov: nifti1.h, nifti2.h).
//!
//! Separate because the header is binary, in either byte order, in two sizes with the fields in other places.

use super::{Number, Volume, distance, turned, turned_note};
use crate::radiograph::error::ReadProblem;
use crate::radiograph::raster::SYNTHETIC_KEYWORD;
use crate::radiograph::{FileKind, SyntheticMark};

/// Where the fields of a version lie.
struct Places {
    dim: usize,
    datatype: usize,
    /// `pixdim` and everything after it is 64-bit.
    pixdim: usize,
    vox_offset: usize,
    slope: usize,
    qform: usize,
    quatern: usize,
    srow: usize,
    units: usize,
}

const ONE: Places = Places {
    dim: 40,
    datatype: 70,
    pixdim: 76,
    vox_offset: 108,
    slope: 112,
    qform: 252,
    quatern: 256,
    srow: 280,
    units: 123,
};
const TWO: Places = Places {
    dim: 16,
    datatype: 12,
    pixdim: 104,
    vox_offset: 168,
    slope: 176,
    qform: 344,
    quatern: 352,
    srow: 400,
    units: 500,
};

/// Whether the bytes begin like a NIfTI file.
pub(in crate::radiograph) fn is_nifti(bytes: &[u8]) -> bool {
    let size = bytes.first_chunk::<4>();
    let sized = |wanted: u32| {
        size.is_some_and(|four| {
            u32::from_le_bytes(*four) == wanted || u32::from_be_bytes(*four) == wanted
        })
    };
    (sized(348) && bytes.get(344..347) == Some(b"n+1"))
        || (sized(540) && bytes.get(4..7) == Some(b"n+2"))
}

/// The header's numbers, in its byte order.
struct Header<'a> {
    bytes: &'a [u8],
    big: bool,
    wide: bool,
}

impl Header<'_> {
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let found = self.bytes.get(at..at + N).and_then(|b| b.try_into().ok());
        let mut array: [u8; N] = found.unwrap_or([0; N]);
        if self.big {
            array.reverse();
        }
        array
    }

    fn short(&self, at: usize) -> i16 {
        i16::from_le_bytes(self.array(at))
    }

    /// A short of version 1 or a 32-bit number of version 2.
    fn code(&self, at: usize) -> i32 {
        if self.wide {
            i32::from_le_bytes(self.array(at))
        } else {
            i32::from(self.short(at))
        }
    }

    fn dimension(&self, at: usize, index: usize) -> i64 {
        if self.wide {
            i64::from_le_bytes(self.array(at + index * 8))
        } else {
            i64::from(self.short(at + index * 2))
        }
    }

    fn real(&self, at: usize, index: usize) -> f64 {
        if self.wide {
            f64::from_le_bytes(self.array(at + index * 8))
        } else {
            f64::from(f32::from_le_bytes(self.array(at + index * 4)))
        }
    }
}

fn number(code: i16) -> Result<(Number, usize), ReadProblem> {
    Ok(match code {
        2 => (Number::U8, 1),
        4 => (Number::I16, 1),
        8 => (Number::I32, 1),
        16 => (Number::F32, 1),
        64 => (Number::F64, 1),
        128 => (Number::U8, 3),
        256 => (Number::I8, 1),
        512 => (Number::U16, 1),
        768 => (Number::U32, 1),
        1024 => (Number::I64, 1),
        1280 => (Number::U64, 1),
        2304 => (Number::U8, 4),
        other => {
            return Err(ReadProblem::Unsupported(format!("NIfTI data type {other}")));
        }
    })
}

/// The directions of the first two axes in right-anterior-superior space: from the sform, else from the qform.
fn directions(header: &Header<'_>, at: &Places) -> Option<[[f64; 3]; 2]> {
    let sform = header.code(at.qform + if header.wide { 4 } else { 2 });
    if sform > 0 {
        let row = |r: usize, c: usize| header.real(at.srow, r * 4 + c);
        return Some([0, 1].map(|c| [row(0, c), row(1, c), row(2, c)]));
    }
    if header.code(at.qform) <= 0 {
        return None;
    }
    // The quaternion (a, b, c, d) with a ≥ 0 (nifti1.h, method 2).
    let [b, c, d] = [0, 1, 2].map(|i| header.real(at.quatern, i));
    let a = (1.0 - b * b - c * c - d * d).max(0.0).sqrt();
    Some([
        [
            a * a + b * b - c * c - d * d,
            2.0 * (b * c + a * d),
            2.0 * (b * d - a * c),
        ],
        [
            2.0 * (b * c - a * d),
            a * a + c * c - b * b - d * d,
            2.0 * (c * d + a * b),
        ],
    ])
}

pub(super) fn read(bytes: Vec<u8>) -> Result<Volume, ReadProblem> {
    let little = bytes
        .first_chunk::<4>()
        .map(|four| u32::from_le_bytes(*four));
    let wide = bytes.get(4..7) == Some(b"n+2");
    let header = Header {
        bytes: &bytes,
        big: !matches!(little, Some(348 | 540)),
        wide,
    };
    let at = if wide { TWO } else { ONE };
    let axes = header.dimension(at.dim, 0);
    if !(1..=7).contains(&axes) {
        return Err(ReadProblem::Damaged(format!("NIfTI with {axes} axes")));
    }
    let sizes: Vec<usize> = (1..=axes as usize)
        .map(|index| usize::try_from(header.dimension(at.dim, index)).unwrap_or(0))
        .collect();
    let slices = sizes
        .iter()
        .skip(2)
        .try_fold(1_usize, |product, n| product.checked_mul(*n))
        .filter(|slices| u32::try_from(*slices).is_ok())
        .ok_or_else(|| ReadProblem::Damaged("NIfTI: its axes overflow".to_owned()))?;
    let (number, samples) = number(header.short(at.datatype))?;
    let start = if wide {
        header.dimension(at.vox_offset, 0) as f64
    } else {
        header.real(at.vox_offset, 0)
    };
    // Millimetres unless metres or micrometres are named.
    let units = if wide {
        header.code(at.units)
    } else {
        i32::from(*header.bytes.get(at.units).unwrap_or(&0))
    };
    let to_mm = match units & 7 {
        1 => 1000.0,
        3 => 0.001,
        _ => 1.0,
    };
    let columns = distance(header.real(at.pixdim, 1).abs() * to_mm);
    let rows = distance(header.real(at.pixdim, 2).abs() * to_mm);
    let (slope, intercept) = (header.real(at.slope, 0), header.real(at.slope, 1));
    let scale = if slope.is_finite() && intercept.is_finite() && slope != 0.0 {
        (slope, intercept)
    } else {
        (1.0, 0.0)
    };
    let flip = directions(&header, &at).map_or((false, false), |[x, y]| (turned(x), turned(y)));
    let big = header.big;
    let description = bytes.get(if wide { 240..320 } else { 148..228 });
    let description = String::from_utf8_lossy(description.unwrap_or(&[])).into_owned();
    let synthetic = description
        .strip_prefix(SYNTHETIC_KEYWORD)
        .map(|rest| SyntheticMark {
            evidence: format!("NIfTI description {SYNTHETIC_KEYWORD}"),
            contribution: rest.trim_matches([':', ' ', '\0']).to_owned(),
        });
    Ok(Volume {
        kind: FileKind::Nifti,
        start: (start.max(if wide { 540.0 } else { 348.0 })) as usize,
        number,
        big,
        width: sizes.first().copied().unwrap_or(0),
        height: sizes.get(1).copied().unwrap_or(1),
        slices,
        samples,
        spacing: columns.zip(rows),
        scale,
        flip,
        synthetic,
        notes: turned_note(flip).into_iter().collect(),
        bytes,
    })
}
