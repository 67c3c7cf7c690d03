//! Values of elements as text and numbers, whatever their representation (PS3.5 sections 6.1 and 6.2).
//!
//! Separate because every attribute is read the same forgiving way: a value of an odd representation is still read
//! when its meaning is plain, and absent when it is not.

use dicom_encoding::text::{SpecificCharacterSet, TextCodec as _};

use super::dataset::{self, Element, Elements, Encoding};

/// A data set together with the bytes that its elements point into.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) elements: &'a Elements,
}

/// How a number is written when the file does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// US: unsigned 16 bits.
    Short,
    /// SS: signed 16 bits.
    SignedShort,
    /// DS or IS: decimal text.
    Text,
}

impl<'a> View<'a> {
    pub(super) fn find(&self, tag: u32) -> Option<&'a Element> {
        self.elements.find(tag)
    }

    /// The bytes of a value.
    pub(super) fn raw(&self, tag: u32) -> Option<&'a [u8]> {
        let element = self.find(tag)?;
        self.bytes.get(element.start..element.end)
    }

    /// A value as trimmed text of the default repertoire; empty when absent.
    pub(super) fn text(&self, tag: u32) -> String {
        self.raw(tag).map(plain_text).unwrap_or_default()
    }

    /// Non-empty text.
    pub(super) fn some_text(&self, tag: u32) -> Option<String> {
        Some(self.text(tag)).filter(|text| !text.is_empty())
    }

    /// The components of a multi-valued text, each trimmed.
    pub(super) fn texts(&self, tag: u32) -> Vec<String> {
        match self.some_text(tag) {
            Some(text) => text.split('\\').map(|t| t.trim().to_owned()).collect(),
            None => Vec::new(),
        }
    }

    /// Text of a person or a place in the character set of the file (0008,0005).
    pub(super) fn free_text(&self, tag: u32, charsets: &[String]) -> String {
        let Some(raw) = self.raw(tag) else {
            return String::new();
        };
        let code = charsets.iter().find(|code| !code.is_empty());
        let code = code.map_or("ISO_IR 6", String::as_str);
        let decoded = if raw.contains(&0x1B) {
            decode_extended(raw, code)
        } else {
            decode(raw, code)
        };
        let text = decoded.unwrap_or_else(|| String::from_utf8_lossy(raw).into_owned());
        text.trim_matches(|c: char| c == '\0' || c.is_whitespace())
            .to_owned()
    }

    /// All numbers of a value; empty when absent or meaningless. `kind` holds where the file does not say.
    pub(super) fn numbers(&self, tag: u32, kind: Kind) -> Vec<f64> {
        let Some(element) = self.find(tag) else {
            return Vec::new();
        };
        let raw = self.bytes.get(element.start..element.end).unwrap_or(&[]);
        numbers(raw, element.vr, kind, element.encoding)
    }

    /// The first number of a value, if finite.
    pub(super) fn number(&self, tag: u32, kind: Kind) -> Option<f64> {
        let first = self.numbers(tag, kind).first().copied();
        first.filter(|number| number.is_finite())
    }

    /// The first number of a value as a whole, non-negative number.
    pub(super) fn count(&self, tag: u32, kind: Kind) -> Option<usize> {
        let number = self.number(tag, kind)?;
        (number >= 0.0 && number <= f64::from(u32::MAX)).then_some(number as usize)
    }

    /// The items of a sequence.
    pub(super) fn items(&self, tag: u32) -> Vec<Elements> {
        self.find(tag)
            .map(|element| dataset::items(self.bytes, element))
            .unwrap_or_default()
    }

    /// The first item of a sequence.
    pub(super) fn item(&self, tag: u32) -> Option<Elements> {
        self.items(tag).into_iter().next()
    }

    /// The same bytes seen through an item.
    pub(super) fn of(&self, elements: &'a Elements) -> Self {
        Self {
            bytes: self.bytes,
            elements,
        }
    }
}

fn plain_text(raw: &[u8]) -> String {
    let text: String = raw.iter().map(|byte| char::from(*byte)).collect();
    text.trim_matches(|c: char| c == '\0' || c.is_whitespace())
        .to_owned()
}

/// Text in one character set; an unknown one is taken as the default repertoire.
fn decode(raw: &[u8], code: &str) -> Option<String> {
    // Latin alphabets 5 and 9 differ from the first in a few letters, and the decoders at hand do not know them.
    let letters: &[(u8, char)] = match code {
        "ISO_IR 148" | "ISO 2022 IR 148" => &[
            (0xD0, 'Ğ'),
            (0xDD, 'İ'),
            (0xDE, 'Ş'),
            (0xF0, 'ğ'),
            (0xFD, 'ı'),
            (0xFE, 'ş'),
        ],
        "ISO_IR 203" | "ISO 2022 IR 203" => &[
            (0xA4, '€'),
            (0xA6, 'Š'),
            (0xA8, 'š'),
            (0xB4, 'Ž'),
            (0xB8, 'ž'),
            (0xBC, 'Œ'),
            (0xBD, 'œ'),
            (0xBE, 'Ÿ'),
        ],
        _ => {
            let codec = SpecificCharacterSet::from_code(code).unwrap_or_default();
            return codec.decode(raw).ok();
        }
    };
    let letter = |byte: &u8| {
        let own = letters.iter().find(|(at, _)| at == byte);
        own.map_or(char::from(*byte), |(_, letter)| *letter)
    };
    Some(raw.iter().map(letter).collect())
}

/// Text that switches character sets by escape sequences (PS3.5 6.1.2.5, PS3.3 Table C.12-3).
fn decode_extended(raw: &[u8], first: &str) -> Option<String> {
    let mut text = String::new();
    let mut parts = raw.split(|byte| *byte == 0x1B);
    text.push_str(&decode(parts.next()?, first)?);
    for part in parts {
        let (length, code) = match part {
            [b'$', b'B', ..] => (2, "ISO 2022 IR 87"),
            [b'$', b')', b'C', ..] => (3, "ISO 2022 IR 149"),
            [b'$', b')', b'A', ..] => (3, "ISO 2022 IR 58"),
            [b'(', b'J', ..] | [b')', b'I', ..] => (2, "ISO 2022 IR 13"),
            [b'-', b'A', ..] => (2, "ISO 2022 IR 100"),
            [b'-', b'B', ..] => (2, "ISO 2022 IR 101"),
            [b'-', b'F', ..] => (2, "ISO 2022 IR 126"),
            [b'-', b'G', ..] => (2, "ISO 2022 IR 127"),
            [b'-', b'H', ..] => (2, "ISO 2022 IR 138"),
            [b'-', b'L', ..] => (2, "ISO 2022 IR 144"),
            [b'-', b'M', ..] => (2, "ISO 2022 IR 148"),
            [b'-', b'T', ..] => (2, "ISO 2022 IR 166"),
            [b'-', b'b', ..] => (2, "ISO 2022 IR 203"),
            _ => (2, "ISO_IR 6"),
        };
        let bytes = part.get(length..).unwrap_or(&[]);
        // The decoder of this set expects its escape sequence.
        let with_escape;
        let bytes = if code == "ISO 2022 IR 87" {
            with_escape = [b"\x1B$B", bytes].concat();
            &with_escape[..]
        } else {
            bytes
        };
        text.push_str(&decode(bytes, code)?);
    }
    Some(text)
}

fn arrays<const N: usize>(raw: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    raw.chunks_exact(N)
        .filter_map(|chunk| chunk.try_into().ok())
}

fn numbers(raw: &[u8], vr: [u8; 2], kind: Kind, encoding: Encoding) -> Vec<f64> {
    let long = |bytes| encoding.u32(bytes);
    let double = |bytes: [u8; 8]| {
        if encoding.big {
            f64::from_be_bytes(bytes)
        } else {
            f64::from_le_bytes(bytes)
        }
    };
    let short = |signed: bool| -> Vec<f64> {
        arrays(raw)
            .map(|bytes| {
                let value = encoding.u16(bytes);
                if signed {
                    f64::from(value as i16)
                } else {
                    f64::from(value)
                }
            })
            .collect()
    };
    match &vr {
        b"US" | b"OW" | b"SS" => short(kind == Kind::SignedShort || vr == *b"SS"),
        b"UL" => arrays(raw).map(|b| f64::from(long(b))).collect(),
        b"SL" => arrays(raw).map(|b| f64::from(long(b) as i32)).collect(),
        b"FL" => arrays(raw)
            .map(|b| f64::from(f32::from_bits(long(b))))
            .collect(),
        b"FD" => arrays(raw).map(double).collect(),
        b"DS" | b"IS" => decimal_numbers(raw),
        _ => match kind {
            Kind::Short => short(false),
            Kind::SignedShort => short(true),
            Kind::Text => decimal_numbers(raw),
        },
    }
}

/// Components that are no number become NaN, so that the others keep their place.
fn decimal_numbers(raw: &[u8]) -> Vec<f64> {
    let text = plain_text(raw);
    if text.is_empty() {
        return Vec::new();
    }
    text.split('\\')
        .map(|part| {
            let part = part.trim();
            // Some writers use a decimal comma, which no valid DS or IS holds.
            part.parse()
                .or_else(|_| part.replace(',', ".").parse())
                .unwrap_or(f64::NAN)
        })
        .collect()
}
