//! From the bytes of a file to a data set: preamble, file meta information, transfer syntax (PS3.10 section 7).
//!
//! Separate because real files lack the preamble, the meta group or the truth in it; what was assumed is noted.

use super::dataset::{self, Elements, Encoding};
use super::values::View;
use crate::radiograph::archive;
use crate::radiograph::error::ReadProblem;

/// More than this after inflating is refused: a deflate bomb, or a study in one file.
const MOST_INFLATED: usize = 1 << 31;
/// A zlib header before the deflate stream, which some writers put there, has two bytes.
const ZLIB_HEADER: usize = 2;

/// A parsed file.
pub(in crate::radiograph) struct DicomFile {
    /// The file, or the inflated data set.
    pub(super) bytes: Vec<u8>,
    pub(super) elements: Elements,
    /// First byte of the data set.
    pub(super) start: usize,
    /// Transfer Syntax UID; as guessed when the file does not say.
    pub(super) syntax: String,
    /// Media Storage SOP Class UID (0002,0002).
    pub(super) meta_class: Option<String>,
    /// What had to be assumed.
    pub(super) notes: Vec<String>,
}

impl DicomFile {
    /// Its data set, to be read from.
    pub(super) fn view(&self) -> View<'_> {
        View {
            bytes: &self.bytes,
            elements: &self.elements,
        }
    }

    /// SOP Class UID (0008,0016), else what the file meta information says (0002,0002).
    pub(super) fn class(&self) -> Option<String> {
        let own = self.view().some_text(0x0008_0016);
        own.or_else(|| self.meta_class.clone())
    }
}

/// Implicit VR with big-endian pixel data: a private transfer syntax of GE.
pub(super) const GE_PRIVATE: &str = "1.2.840.113619.5.2";
/// Each frame deflated by itself, otherwise uncompressed.
pub(super) const DEFLATED_FRAME: &str = "1.2.840.10008.1.2.8.1";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// Whether the bytes begin like a DICOM file or a bare data set.
pub(in crate::radiograph) fn looks_like_dicom(bytes: &[u8]) -> bool {
    if bytes.get(128..132) == Some(b"DICM") || bytes.starts_with(b"DICM") {
        return true;
    }
    // A bare data set starts with a low element of group 2 or 8.
    let Some(&[a, b, c, d, e, f, g, h]) = bytes.first_chunk::<8>() else {
        return false;
    };
    let plausible_group = matches!((a, b), (2 | 8, 0) | (0, 2 | 8));
    let big = a == 0;
    let element = if big {
        u16::from_be_bytes([c, d])
    } else {
        u16::from_le_bytes([c, d])
    };
    let named = e.is_ascii_uppercase() && f.is_ascii_uppercase();
    let length = if big {
        u32::from_be_bytes([e, f, g, h])
    } else {
        u32::from_le_bytes([e, f, g, h])
    };
    plausible_group && element < 0x0100 && (named || length < 256)
}

/// Parses a file whose bytes look like DICOM.
pub(in crate::radiograph) fn parse(mut bytes: Vec<u8>) -> Result<DicomFile, ReadProblem> {
    let mut notes = Vec::new();
    let start = if bytes.get(128..132) == Some(b"DICM") {
        132
    } else {
        notes.push("the file has no DICOM preamble".to_owned());
        if bytes.starts_with(b"DICM") { 4 } else { 0 }
    };
    let meta = read_meta(&bytes, start)?;
    let view = View {
        bytes: &bytes,
        elements: &meta,
    };
    let declared = view.some_text(0x0002_0010);
    let meta_class = view.some_text(0x0002_0002);
    let mut at = meta.end;
    if declared.as_deref() == Some(DEFLATED) {
        bytes = inflate(bytes.get(at..).unwrap_or(&[]))?;
        at = 0;
    }
    let (encoding, syntax) = encoding_at(&bytes, at, declared, &mut notes);
    let elements = dataset::elements(&bytes, at, bytes.len(), encoding, false, 0)?;
    Ok(DicomFile {
        bytes,
        elements,
        start: at,
        syntax,
        meta_class,
        notes,
    })
}

/// The elements of group 2, whatever the group length says; `end` is where the data set starts.
fn read_meta(bytes: &[u8], start: usize) -> Result<Elements, ReadProblem> {
    let mut meta = Elements {
        end: start,
        ..Elements::default()
    };
    let big = bytes.get(start..start + 2) == Some(&[0, 2]);
    loop {
        let head = bytes.get(meta.end..meta.end + 6).unwrap_or(&[0; 6]);
        // Some writers leave the representation out here too, against PS3.10 7.1.
        let encoding = Encoding {
            explicit: head[4].is_ascii_uppercase() && head[5].is_ascii_uppercase(),
            big,
        };
        if encoding.u16([head[0], head[1]]) != 2 {
            return Ok(meta);
        }
        // One element at a time: what follows the group may be written in another way.
        let header_end = (meta.end + 12).min(bytes.len());
        let one = one_element(bytes, meta.end, header_end, encoding)?;
        meta.end = one.end;
        meta.list.extend(one.list);
        if one.broken.is_some() {
            return Err(ReadProblem::Damaged(format!(
                "the file meta information ends within an element at byte {}",
                meta.end
            )));
        }
    }
}

fn one_element(
    bytes: &[u8],
    at: usize,
    header_end: usize,
    encoding: Encoding,
) -> Result<Elements, ReadProblem> {
    let probe = dataset::elements(bytes, at, header_end, encoding, false, 0)?;
    let Some(first) = probe.list.first() else {
        return Ok(probe);
    };
    let end = first.end.saturating_add(first.missing).min(bytes.len());
    let mut whole = dataset::elements(bytes, at, end.max(at + 8), encoding, false, 0)?;
    whole.list.truncate(1);
    Ok(whole)
}

pub(super) fn inflate(deflated: &[u8]) -> Result<Vec<u8>, ReadProblem> {
    match archive::inflate(deflated, MOST_INFLATED) {
        Err(ReadProblem::Damaged(why)) if deflated.first() == Some(&0x78) => {
            let inner = deflated.get(ZLIB_HEADER..).unwrap_or(&[]);
            archive::inflate(inner, MOST_INFLATED).map_err(|_| ReadProblem::Damaged(why))
        }
        other => other,
    }
}

/// How the data set at `at` is written: as its first element shows, which outweighs what the meta group says.
fn encoding_at(
    bytes: &[u8],
    at: usize,
    declared: Option<String>,
    notes: &mut Vec<String>,
) -> (Encoding, String) {
    let first = bytes.get(at..).and_then(|rest| rest.first_chunk::<6>());
    let seen = match first {
        Some(&[a, b, _, _, e, f]) => Encoding {
            explicit: e.is_ascii_uppercase() && f.is_ascii_uppercase(),
            big: a == 0 && b != 0,
        },
        None => Encoding::EXPLICIT,
    };
    let said = declared.as_deref().map(|uid| match uid {
        "1.2.840.10008.1.2" | GE_PRIVATE => Encoding::IMPLICIT,
        "1.2.840.10008.1.2.2" => Encoding {
            explicit: true,
            big: true,
        },
        _ => Encoding::EXPLICIT,
    });
    let guessed = || {
        match (seen.explicit, seen.big) {
            (false, false) => "1.2.840.10008.1.2",
            (true, false) => "1.2.840.10008.1.2.1",
            (_, true) => "1.2.840.10008.1.2.2",
        }
        .to_owned()
    };
    if let (Some(said), Some(uid)) = (said, declared) {
        if said != seen {
            notes.push(format!(
                "the data set is not written as its transfer syntax {uid} says"
            ));
        }
        (seen, uid)
    } else {
        notes.push("the file does not name its transfer syntax; it was guessed".to_owned());
        (seen, guessed())
    }
}
