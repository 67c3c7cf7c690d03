//! NRRD with attached data (teem.sourceforge.net/nrrd/format.html), raw or gzip.
//!
//! Separate because the header is text; a header that points at another file is refused: no path is taken from a file.

use super::{Number, Volume, distance, turned, turned_note};
use crate::radiograph::error::ReadProblem;
use crate::radiograph::{FileKind, archive};

/// A header longer than this is none.
const MOST_HEADER: usize = 1 << 16;

/// Whether the bytes begin like NRRD.
pub(in crate::radiograph) fn is_nrrd(bytes: &[u8]) -> bool {
    bytes.starts_with(b"NRRD000")
}

/// The header as text and the first byte after the blank line that ends it.
fn header(bytes: &[u8]) -> Option<(String, usize)> {
    let head = bytes.get(..MOST_HEADER).unwrap_or(bytes);
    let ends = [(&b"\n\n"[..], 2), (b"\r\n\r\n", 4)];
    let (at, length) = ends
        .iter()
        .filter_map(|(mark, length)| {
            let at = head.windows(*length).position(|part| part == *mark)?;
            Some((at, *length))
        })
        .min()?;
    Some((
        String::from_utf8_lossy(&bytes[..at]).into_owned(),
        at + length,
    ))
}

fn number(name: &str) -> Option<Number> {
    Some(match name {
        "signed char" | "int8" | "int8_t" => Number::I8,
        "uchar" | "unsigned char" | "uint8" | "uint8_t" => Number::U8,
        "short" | "short int" | "signed short" | "signed short int" | "int16" | "int16_t" => {
            Number::I16
        }
        "ushort" | "unsigned short" | "unsigned short int" | "uint16" | "uint16_t" => Number::U16,
        "int" | "signed int" | "int32" | "int32_t" => Number::I32,
        "uint" | "unsigned int" | "uint32" | "uint32_t" => Number::U32,
        "longlong"
        | "long long"
        | "long long int"
        | "signed long long"
        | "signed long long int"
        | "int64"
        | "int64_t" => Number::I64,
        "ulonglong" | "unsigned long long" | "unsigned long long int" | "uint64" | "uint64_t" => {
            Number::U64
        }
        "float" => Number::F32,
        "double" => Number::F64,
        _ => return None,
    })
}

/// `(a,b,c)` to numbers; `none` to nothing.
fn vectors(text: &str) -> Vec<Option<[f64; 3]>> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("none") {
            found.push(None);
            rest = after.trim_start();
            continue;
        }
        let Some((inner, after)) = rest
            .strip_prefix('(')
            .and_then(|inside| inside.split_once(')'))
        else {
            break;
        };
        let parts: Vec<f64> = inner
            .split(',')
            .filter_map(|n| n.trim().parse().ok())
            .collect();
        let mut vector = [0.0; 3];
        for (place, value) in vector.iter_mut().zip(&parts) {
            *place = *value;
        }
        found.push(Some(vector));
        rest = after.trim_start();
    }
    found
}

/// Signs that bring the first three axes of a named space to right-anterior-superior.
fn to_ras(space: &str) -> [f64; 3] {
    match space.to_lowercase().as_str() {
        "left-posterior-superior" | "lps" => [-1.0, -1.0, 1.0],
        "left-anterior-superior" | "las" => [-1.0, 1.0, 1.0],
        "right-anterior-superior" | "ras" => [1.0, 1.0, 1.0],
        // No anatomical space: rows and columns lie as they are.
        _ => [0.0; 3],
    }
}

/// How the first two image axes lie: whether each is turned round, and its step in mm.
struct Geometry {
    flip: (bool, bool),
    spacing: Option<(f64, f64)>,
}

/// From Space Directions, else from Spacings; `first` is the index of the first axis that is no color.
fn geometry<'a>(field: &impl Fn(&str) -> Option<&'a str>, first: usize) -> Geometry {
    let directions = vectors(field("space directions").unwrap_or_default());
    let signs = to_ras(field("space").unwrap_or_default());
    let axis = |index: usize| directions.get(first + index).copied().flatten();
    let flipped = |index: usize| {
        axis(index).is_some_and(|v| turned([v[0] * signs[0], v[1] * signs[1], v[2] * signs[2]]))
    };
    let flip = (flipped(0), flipped(1));
    let spacings: Vec<Option<f64>> = field("spacings")
        .unwrap_or_default()
        .split_whitespace()
        .map(|n| n.parse().ok())
        .collect();
    let step = |index: usize| {
        let length = axis(index).map(|v| v.iter().map(|c| c * c).sum::<f64>().sqrt());
        let written = spacings.get(first + index).copied().flatten();
        length.or(written).and_then(distance)
    };
    Geometry {
        flip,
        spacing: step(0).zip(step(1)),
    }
}

pub(super) fn read(bytes: Vec<u8>) -> Result<Volume, ReadProblem> {
    let damaged = |what: String| ReadProblem::Damaged(format!("NRRD: {what}"));
    let (text, start) =
        header(&bytes).ok_or_else(|| damaged("its header has no end".to_owned()))?;
    let field = |name: &str| {
        text.lines()
            .skip(1)
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once(':'))
            .find(|(key, value)| key.trim().eq_ignore_ascii_case(name) && !value.starts_with('='))
            .map(|(_, value)| value.trim())
    };
    if field("data file").or_else(|| field("datafile")).is_some() {
        return Err(ReadProblem::Unsupported(
            "NRRD whose data lies in another file; save it with attached data".to_owned(),
        ));
    }
    let name = field("type").unwrap_or_default();
    let number = number(&name.to_lowercase())
        .ok_or_else(|| ReadProblem::Unsupported(format!("NRRD of type '{name}'")))?;
    let sizes: Vec<usize> = field("sizes")
        .unwrap_or_default()
        .split_whitespace()
        .map(|n| n.parse().unwrap_or(0))
        .collect();
    let kinds: Vec<String> = field("kinds")
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_lowercase)
        .collect();
    let color = sizes.len() > 2
        && matches!(
            (kinds.first().map(String::as_str), sizes[0]),
            (
                Some("rgb-color" | "rgba-color" | "vector" | "3-color" | "4-color" | "list"),
                3 | 4
            )
        );
    let first = usize::from(color);
    let (Some(&width), Some(&height)) = (sizes.get(first), sizes.get(first + 1)) else {
        return Err(damaged(format!("it has {} axes", sizes.len())));
    };
    let slices = sizes
        .iter()
        .skip(first + 2)
        .try_fold(1_usize, |product, n| product.checked_mul(*n))
        .filter(|slices| u32::try_from(*slices).is_ok())
        .ok_or_else(|| damaged("its axes overflow".to_owned()))?;
    let geometry = geometry(&field, first);
    let encoding = field("encoding").unwrap_or_default().to_lowercase();
    let big = field("endian").is_some_and(|e| e.eq_ignore_ascii_case("big"));
    let (bytes, start) = match encoding.as_str() {
        "raw" => (bytes, start),
        "gzip" | "gz" => (archive::gunzip(&bytes[start..])?, 0),
        other => {
            return Err(ReadProblem::Unsupported(format!("NRRD encoding '{other}'")));
        }
    };
    Ok(Volume {
        kind: FileKind::Nrrd,
        bytes,
        start,
        number,
        big,
        width,
        height,
        slices,
        samples: if color { sizes[0] } else { 1 },
        spacing: geometry.spacing,
        scale: (1.0, 0.0),
        flip: geometry.flip,
        synthetic: None,
        notes: turned_note(geometry.flip).into_iter().collect(),
    })
}
