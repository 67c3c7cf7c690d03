//! Where the elements of a DICOM file lie, in whichever way it is written.
//!
//! Separate, and independent of the reader that is tried: it follows whole files, which is all that it is given.

/// More elements than these are not changed.
const MOST: usize = 20_000;
const UNDEFINED: u32 = 0xFFFF_FFFF;
const DEFLATED: &[u8] = b"1.2.840.10008.1.2.1.99";
/// Inflated data sets larger than this are left packed, bytes.
const MOST_INFLATED: usize = 1 << 26;

/// How elements are written (PS3.5 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Writing {
    /// Each element names its value representation.
    pub(super) explicit: bool,
    /// Numbers are big endian.
    pub(super) big: bool,
}

impl Writing {
    /// As file meta information is.
    pub(super) const PLAIN: Self = Self {
        explicit: true,
        big: false,
    };

    fn read_short(self, bytes: [u8; 2]) -> u16 {
        if self.big {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        }
    }

    fn read_long(self, bytes: [u8; 4]) -> u32 {
        if self.big {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }

    pub(super) fn short(self, value: u16) -> [u8; 2] {
        if self.big {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    }

    pub(super) fn long(self, value: u32) -> [u8; 4] {
        if self.big {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    }

    pub(super) fn tag(self, tag: u32) -> [u8; 4] {
        let [[a, b], [c, d]] = [(tag >> 16) as u16, tag as u16].map(|half| self.short(half));
        [a, b, c, d]
    }

    /// A whole element whose length has the short form where representations are named.
    pub(super) fn element(self, tag: u32, vr: [u8; 2], value: &[u8]) -> Vec<u8> {
        let mut bytes = self.tag(tag).to_vec();
        if self.explicit {
            bytes.extend(vr);
            bytes.extend(self.short(value.len() as u16));
        } else {
            bytes.extend(self.long(value.len() as u32));
        }
        bytes.extend(value);
        bytes
    }
}

/// One element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) tag: u32,
    /// Its first byte.
    pub(super) at: usize,
    /// The first byte of its value.
    pub(super) value: usize,
    /// The length as written; `0xFFFF_FFFF` where it is not.
    pub(super) length: u32,
    /// Bytes of the length itself: 2 or 4.
    pub(super) length_bytes: usize,
    /// It lies in no sequence.
    top: bool,
    pub(super) writing: Writing,
}

impl Element {
    /// One past its last byte, where its length is written.
    pub(super) fn end(&self) -> Option<usize> {
        (self.length != UNDEFINED).then(|| self.value.saturating_add(self.length as usize))
    }
}

/// Every element and item in the order of the file, those in sequences too; none in files that are not DICOM.
///
/// In implicit files a sequence of known length is one value: nothing there says that it is none.
pub(super) fn elements(bytes: &[u8]) -> Vec<Element> {
    const ITEM: u32 = 0xFFFE_E000;
    const ITEM_END: u32 = 0xFFFE_E00D;
    const SEQUENCE_END: u32 = 0xFFFE_E0DD;
    let mut found = Vec::new();
    let Some(mut at) = start(bytes) else {
        return found;
    };
    let (mut depth, mut inside_until, mut in_pixels) = (0_usize, 0, false);
    let mut writing = None;
    while found.len() < MOST {
        let Some(&[a, b, c, d, e, f, g, h]) = bytes.get(at..).and_then(|rest| rest.first_chunk())
        else {
            break;
        };
        let named = e.is_ascii_uppercase() && f.is_ascii_uppercase();
        let seen = Writing {
            explicit: named,
            big: a == 0 && b != 0,
        };
        let meta = writing.is_none() && [a, b] == [2, 0];
        let now = if meta {
            seen
        } else {
            *writing.get_or_insert(seen)
        };
        let tag = u32::from(now.read_short([a, b])) << 16 | u32::from(now.read_short([c, d]));
        let named = now.explicit && named && tag >> 16 != 0xFFFE;
        let (value, length, length_bytes) = match [e, f] {
            vr if named && is_long(vr) => {
                let Some(length) = bytes.get(at + 8..).and_then(|rest| rest.first_chunk()) else {
                    break;
                };
                (at + 12, now.read_long(*length), 4)
            }
            _ if named => (at + 8, u32::from(now.read_short([g, h])), 2),
            _ => (at + 8, now.read_long([e, f, g, h]), 4),
        };
        found.push(Element {
            tag,
            at,
            value,
            length,
            length_bytes,
            top: depth == 0 && at >= inside_until && tag >> 16 != 0xFFFE,
            writing: now,
        });
        let end = value.saturating_add(length as usize);
        at = match tag {
            _ if length == UNDEFINED => {
                depth += 1;
                in_pixels |= tag >> 16 == 0x7FE0;
                value
            }
            ITEM_END | SEQUENCE_END => {
                depth = depth.saturating_sub(1);
                in_pixels = false;
                value
            }
            ITEM if !in_pixels => value,
            _ if named && [e, f] == *b"SQ" => {
                inside_until = end.max(inside_until);
                value
            }
            _ => end,
        };
    }
    found
}

/// Where elements begin; `None` in files of other kinds.
fn start(bytes: &[u8]) -> Option<usize> {
    if bytes.get(128..132) == Some(b"DICM") {
        return Some(132);
    }
    if bytes.starts_with(b"DICM") {
        return Some(4);
    }
    let bare = matches!(bytes, [2 | 8, 0, ..] | [0, 8, 0, ..]);
    bare.then_some(0)
}

fn is_long(vr: [u8; 2]) -> bool {
    matches!(
        &vr,
        b"OB"
            | b"OD"
            | b"OF"
            | b"OL"
            | b"OV"
            | b"OW"
            | b"SQ"
            | b"SV"
            | b"UC"
            | b"UN"
            | b"UR"
            | b"UT"
            | b"UV"
    )
}

/// Where an element of this tag would stand in a data set of these elements.
pub(super) fn place_for(elements: &[Element], tag: u32) -> Option<usize> {
    let mut all = elements.iter().filter(|element| element.top);
    let next = all.find(|element| element.tag > tag && element.tag >> 16 != 2);
    next.map(|element| element.at)
}

/// The first byte behind the file meta information, and the data set, where it is deflated.
pub(super) fn inflated(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    let all = elements(bytes);
    let meta = all.iter().take_while(|element| element.tag >> 16 == 2);
    let meta: Vec<&Element> = meta.collect();
    let syntax = meta.iter().find(|element| element.tag == 0x0002_0010)?;
    let named = bytes.get(syntax.value..syntax.end()?)?;
    if !named.starts_with(DEFLATED) {
        return None;
    }
    let end = meta.last()?.end()?;
    let packed = bytes.get(end..)?;
    let data = miniz_oxide::inflate::decompress_to_vec_with_limit(packed, MOST_INFLATED).ok()?;
    Some((end, data))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small data set with a sequence, by the same hand in each of the three ways.
    fn data_set(writing: Writing) -> Vec<u8> {
        let mut bytes = writing.element(0x0008_0060, *b"CS", b"CR");
        bytes.extend(writing.tag(0x0008_1140));
        if writing.explicit {
            bytes.extend(b"SQ\0\0");
        }
        bytes.extend([0xFF; 4]);
        bytes.extend(writing.tag(0xFFFE_E000));
        bytes.extend([0xFF; 4]);
        bytes.extend(writing.element(0x0008_1155, *b"UI", b"1.2\0"));
        bytes.extend(writing.tag(0xFFFE_E00D));
        bytes.extend([0; 4]);
        bytes.extend(writing.tag(0xFFFE_E0DD));
        bytes.extend([0; 4]);
        bytes.extend(writing.element(0x0028_0010, *b"US", &writing.short(7)));
        bytes
    }

    #[test]
    fn every_writing_is_followed() {
        for (explicit, big) in [(true, false), (false, false), (true, true)] {
            let writing = Writing { explicit, big };
            let bytes = data_set(writing);
            let found = elements(&bytes);
            let tags: Vec<u32> = found.iter().map(|element| element.tag).collect();
            assert_eq!(
                tags,
                [
                    0x0008_0060,
                    0x0008_1140,
                    0xFFFE_E000,
                    0x0008_1155,
                    0xFFFE_E00D,
                    0xFFFE_E0DD,
                    0x0028_0010
                ],
                "{writing:?}"
            );
            let rows = found.last().unwrap();
            assert_eq!(bytes[rows.value..], writing.short(7), "{writing:?}");
            assert_eq!(rows.end(), Some(bytes.len()));
            // What stands in the sequence is no place for an element of the data set.
            assert_eq!(place_for(&found, 0x0008_1150), Some(rows.at));
            assert_eq!(place_for(&found, 0x0028_0011), None);
        }
        assert_eq!(elements(b"\x89PNG\r\n\x1A\n0123"), []);
    }
}
