//! A DICOM data set as a list of where each element lies in the file (PS3.5 section 7).
//!
//! Separate, and our own, because a file is untrusted: nothing is copied or allocated by a length that the file
//! declares, nesting is bounded, and implicit elements in explicit files, odd value representations and a missing
//! end are taken as they come. Values are interpreted elsewhere.

use crate::radiograph::error::ReadProblem;

/// Deeper nesting than this is hostile.
const MOST_NESTED: usize = 32;

/// More elements than this in one data set are hostile: each costs more here than in the file.
const MOST_ELEMENTS: usize = 1 << 20;

const ITEM: u32 = 0xFFFE_E000;
const ITEM_END: u32 = 0xFFFE_E00D;
const SEQUENCE_END: u32 = 0xFFFE_E0DD;
const UNDEFINED: u32 = 0xFFFF_FFFF;

/// How elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    /// Each element names its value representation.
    pub(super) explicit: bool,
    /// Numbers are big endian.
    pub(super) big: bool,
}

impl Encoding {
    pub(super) const IMPLICIT: Self = Self {
        explicit: false,
        big: false,
    };
    pub(super) const EXPLICIT: Self = Self {
        explicit: true,
        big: false,
    };

    pub(super) fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.big {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        }
    }

    pub(super) fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.big {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }

    fn tag(self, bytes: [u8; 4]) -> u32 {
        let [a, b, c, d] = bytes;
        u32::from(self.u16([a, b])) << 16 | u32::from(self.u16([c, d]))
    }
}

/// One element: its tag, its value representation if written, and where its value lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    pub(super) tag: u32,
    /// `[0; 2]` when not written.
    pub(super) vr: [u8; 2],
    /// First byte of the value.
    pub(super) start: usize,
    /// One past the last byte of the value that is in the file.
    pub(super) end: usize,
    /// The length was not written: items until a delimiter.
    pub(super) undefined: bool,
    /// How many bytes the value should have had beyond the end of the file.
    pub(super) missing: usize,
    pub(super) encoding: Encoding,
}

/// The elements of one data set or item, in file order.
#[derive(Clone, Debug, Default)]
pub(super) struct Elements {
    pub(super) list: Vec<Element>,
    /// One past the last byte read.
    pub(super) end: usize,
    /// Where and why reading stopped before the end, if it did.
    pub(super) broken: Option<String>,
}

impl Elements {
    pub(super) fn find(&self, tag: u32) -> Option<&Element> {
        self.list.iter().find(|element| element.tag == tag)
    }
}

fn four(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok()
}

/// `(gggg,eeee)`.
pub(super) fn tag_name(tag: u32) -> String {
    format!("({:04X},{:04X})", tag >> 16, tag & 0xFFFF)
}

pub(super) fn is_long(vr: [u8; 2], after: [u8; 2]) -> bool {
    match &vr {
        b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN" | b"UR"
        | b"UT" | b"UV" => true,
        b"AE" | b"AS" | b"AT" | b"CS" | b"DA" | b"DS" | b"DT" | b"FL" | b"FD" | b"IS" | b"LO"
        | b"LT" | b"PN" | b"SH" | b"SL" | b"SS" | b"ST" | b"TM" | b"UI" | b"UL" | b"US" => false,
        // A value representation of the future has the long form, whose next two bytes are reserved.
        _ => after == [0, 0],
    }
}

/// The header at `at`: the element with `end` not yet bounded, and its declared length.
fn header(bytes: &[u8], at: usize, encoding: Encoding) -> Option<(Element, u32)> {
    let tag = encoding.tag(four(bytes, at)?);
    let [a, b, c, d] = four(bytes, at + 4)?;
    let mut element = Element {
        tag,
        vr: [0; 2],
        start: at + 8,
        end: at + 8,
        undefined: false,
        missing: 0,
        encoding,
    };
    let named = encoding.explicit && a.is_ascii_uppercase() && b.is_ascii_uppercase();
    if !named || tag >> 16 == 0xFFFE {
        return Some((element, encoding.u32([a, b, c, d])));
    }
    element.vr = [a, b];
    if is_long([a, b], [c, d]) {
        element.start = at + 12;
        Some((element, encoding.u32(four(bytes, at + 8)?)))
    } else {
        Some((element, u32::from(encoding.u16([c, d]))))
    }
}

/// Reads elements from `start` to `end`, or to the item delimiter when `delimited`.
///
/// Stops, and says so in `broken`, at the first header that cannot be followed; what came before is kept.
pub(super) fn elements(
    bytes: &[u8],
    start: usize,
    end: usize,
    encoding: Encoding,
    delimited: bool,
    depth: usize,
) -> Result<Elements, ReadProblem> {
    if depth > MOST_NESTED {
        return Err(ReadProblem::Damaged(format!(
            "sequences nested more than {MOST_NESTED} deep at byte {start}"
        )));
    }
    let mut found = Elements {
        end: start,
        ..Elements::default()
    };
    let end = end.min(bytes.len());
    let mut at = start;
    while at < end {
        let Some((mut element, length)) = header(bytes, at, encoding).filter(|h| h.0.start <= end)
        else {
            found.broken = Some(format!("the file ends within an element at byte {at}"));
            break;
        };
        if matches!(element.tag, ITEM_END | SEQUENCE_END) {
            at = element.start;
            if delimited && element.tag == ITEM_END {
                break;
            }
            continue;
        }
        if length == UNDEFINED {
            element.undefined = true;
            let inner = inner_encoding(&element);
            let (after, broken) = skip_items(bytes, element.start, end, inner, depth)?;
            element.end = after;
            at = after;
            if broken {
                element.missing = 1;
                found.broken = Some(format!("{} has no end", tag_name(element.tag)));
            }
        } else {
            let wanted = element.start.saturating_add(length as usize);
            element.end = wanted.min(end);
            element.missing = wanted - element.end;
            at = element.end;
            if element.missing > 0 {
                found.broken = Some(format!(
                    "{} at byte {} declares {length} bytes, {} are there",
                    tag_name(element.tag),
                    element.start,
                    element.end - element.start
                ));
            }
        }
        if found.list.len() >= MOST_ELEMENTS {
            return Err(ReadProblem::TooLarge(format!(
                "a data set of more than {MOST_ELEMENTS} elements"
            )));
        }
        found.list.push(element);
        if found.broken.is_some() {
            break;
        }
    }
    found.end = at;
    Ok(found)
}

/// A sequence of unknown representation and undefined length holds implicit little endian (PS3.5 6.2.2, note 4).
fn inner_encoding(element: &Element) -> Encoding {
    if element.vr == *b"UN" {
        Encoding::IMPLICIT
    } else {
        element.encoding
    }
}

/// Passes over items until the sequence delimiter: the byte after it, and whether it was missing.
fn skip_items(
    bytes: &[u8],
    start: usize,
    end: usize,
    encoding: Encoding,
    depth: usize,
) -> Result<(usize, bool), ReadProblem> {
    let mut at = start;
    while let Some((element, length)) =
        header(bytes, at, encoding).filter(|h| h.0.start <= end && at < end)
    {
        match element.tag {
            SEQUENCE_END => return Ok((element.start, false)),
            ITEM if length == UNDEFINED => {
                let inner = elements(bytes, element.start, end, encoding, true, depth + 1)?;
                if inner.broken.is_some() {
                    return Ok((inner.end, true));
                }
                at = inner.end;
            }
            ITEM => at = element.start.saturating_add(length as usize),
            _ => return Ok((at, true)),
        }
    }
    Ok((at.min(end), true))
}

/// The byte ranges of the items in an element, delimiters left out; `usize` pairs are start and end in the file.
pub(super) fn item_ranges(bytes: &[u8], element: &Element) -> Vec<(usize, usize, bool)> {
    let encoding = inner_encoding(element);
    let mut ranges = Vec::new();
    let mut at = element.start;
    while let Some((item, length)) =
        header(bytes, at, encoding).filter(|h| h.0.tag == ITEM && h.0.start <= element.end)
    {
        if length == UNDEFINED {
            let Ok(inner) = elements(bytes, item.start, element.end, encoding, true, 1) else {
                break;
            };
            ranges.push((item.start, inner.end, true));
            at = inner.end;
        } else {
            let end = item.start.saturating_add(length as usize).min(element.end);
            ranges.push((item.start, end, false));
            at = end;
        }
    }
    ranges
}

/// The items of a sequence, each a data set.
pub(super) fn items(bytes: &[u8], element: &Element) -> Vec<Elements> {
    let encoding = inner_encoding(element);
    item_ranges(bytes, element)
        .into_iter()
        .filter_map(|(start, end, delimited)| {
            elements(bytes, start, end, encoding, delimited, 1).ok()
        })
        .collect()
}

/// [`items`], or an error when one of them ends before its length: for writers, which must not lose a part silently.
pub(super) fn whole_items(bytes: &[u8], element: &Element) -> Result<Vec<Elements>, ReadProblem> {
    let items = items(bytes, element);
    if items.iter().any(|item| item.broken.is_some()) {
        return Err(ReadProblem::Damaged(format!(
            "an item of {} is cut short",
            tag_name(element.tag)
        )));
    }
    Ok(items)
}
