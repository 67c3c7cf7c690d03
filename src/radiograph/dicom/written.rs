//! Elements on their way back into bytes (PS3.5 section 7.1), and the head of a file (PS3.10 section 7.1).
//!
//! Separate because a file that is de-identified, a message and a data set in another transfer syntax are all written
//! element by element, as they were read.

use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;

use super::dataset::{self, Element, Encoding};

/// The representation of an element: as written, else as the standard has it, else unknown.
pub(super) fn representation(element: &Element) -> [u8; 2] {
    if element.vr != [0; 2] && element.vr != *b"UN" {
        return element.vr;
    }
    standard_representation(element.tag)
}

/// The representation that the standard gives a tag; of several the first one, `UN` where it has none.
pub(super) fn standard_representation(tag: u32) -> [u8; 2] {
    let tag = Tag((tag >> 16) as u16, (tag & 0xFFFF) as u16);
    let known = StandardDataDictionary
        .by_tag(tag)
        .map(|entry| entry.vr().relaxed());
    let name = known.unwrap_or(VR::UN).to_string();
    name.as_bytes()
        .first_chunk::<2>()
        .copied()
        .unwrap_or(*b"UN")
}

/// Text of an even length: UIDs are padded by a zero.
pub(super) fn padded(text: &str, vr: [u8; 2]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    if bytes.len() % 2 == 1 {
        bytes.push(if vr == *b"UI" { 0 } else { b' ' });
    }
    bytes
}

fn number<const N: usize>(mut little: [u8; N], big: bool) -> [u8; N] {
    if big {
        little.reverse();
    }
    little
}

/// The header of an element or item: tag, representation where it is explicit, length.
pub(super) fn header(tag: u32, vr: [u8; 2], length: u32, encoding: Encoding) -> Vec<u8> {
    let big = encoding.big;
    let mut bytes = number(((tag >> 16) as u16).to_le_bytes(), big).to_vec();
    bytes.extend(number((tag as u16).to_le_bytes(), big));
    if !encoding.explicit || tag >> 16 == 0xFFFE {
        bytes.extend(number(length.to_le_bytes(), big));
        return bytes;
    }
    bytes.extend(vr);
    if dataset::is_long(vr, [0, 0]) {
        bytes.extend([0, 0]);
        bytes.extend(number(length.to_le_bytes(), big));
    } else {
        bytes.extend(number((length as u16).to_le_bytes(), big));
    }
    bytes
}

/// A whole element.
pub(super) fn written(tag: u32, vr: [u8; 2], value: Vec<u8>, encoding: Encoding) -> Vec<u8> {
    // A value too long for the short form is written as unknown, which has the long one.
    let long = dataset::is_long(vr, [0, 0]);
    let vr = if value.len() > 0xFFFF && !long {
        *b"UN"
    } else {
        vr
    };
    let mut bytes = header(tag, vr, value.len() as u32, encoding);
    bytes.extend(value);
    bytes
}

/// A whole item of a sequence.
pub(super) fn item(inner: &[u8], encoding: Encoding) -> Vec<u8> {
    let mut bytes = header(0xFFFE_E000, [0; 2], inner.len() as u32, encoding);
    bytes.extend_from_slice(inner);
    bytes
}

/// Preamble of zeros, since anything may hide in one, and file meta information (PS3.10 section 7.1).
pub(super) fn head(class: &str, instance: &str, syntax: &str) -> Vec<u8> {
    let explicit = Encoding::EXPLICIT;
    let uid = |tag, text: &str| written(tag, *b"UI", padded(text, *b"UI"), explicit);
    let mut meta = written(0x0002_0001, *b"OB", vec![0, 1], explicit);
    meta.extend(uid(0x0002_0002, class));
    meta.extend(uid(0x0002_0003, instance));
    meta.extend(uid(0x0002_0010, syntax));
    meta.extend(uid(
        0x0002_0012,
        "2.25.302478391206185719640953829518406713",
    ));
    meta.extend(written(
        0x0002_0013,
        *b"SH",
        b"RADCANVAS ".to_vec(),
        explicit,
    ));
    let mut out = vec![0; 128];
    out.extend(b"DICM");
    let length = (meta.len() as u32).to_le_bytes().to_vec();
    out.extend(written(0x0002_0000, *b"UL", length, explicit));
    out.extend(meta);
    out
}
