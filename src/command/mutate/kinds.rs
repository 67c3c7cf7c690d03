//! The kinds of damage: each takes a file and makes a worse one of it.
//!
//! Separate because the list is the test: what is not in it has not been tried. Attributes of DICOM are changed where
//! they are found, or put where they would stand; in other files the same kinds overwrite whatever lies at a random place.

use super::bombs;
use super::elements::{Element, Writing, elements, place_for};
use crate::noise::Noise;

/// A kind of damage.
type Kind = fn(&[u8], &mut Noise) -> Vec<u8>;

/// Every kind, with its name.
pub(super) const KINDS: [(&str, Kind); 14] = [
    ("cut short", cut),
    ("bits flipped", flip),
    ("a length changed", length),
    ("a representation changed", representation),
    ("rows or columns", size),
    ("number of frames", frames),
    ("bits", bits),
    ("window", window),
    ("spacing", spacing),
    ("nested sequences", nested),
    ("palette", palette),
    ("a bomb", bomb),
    ("character set", charset),
    ("a bomb that expands", |_, noise| bombs::any(noise)),
];

pub(super) fn pick<T: Copy>(noise: &mut Noise, from: &[T]) -> T {
    from[noise.index(from.len())]
}

/// Any element of a DICOM file.
fn some_element(bytes: &[u8], noise: &mut Noise) -> Option<Element> {
    let all = elements(bytes);
    (!all.is_empty()).then(|| pick(noise, &all))
}

fn cut(bytes: &[u8], noise: &mut Noise) -> Vec<u8> {
    let at = match some_element(bytes, noise) {
        Some(element) if noise.chance(0.5) => element.at + noise.index(3) * 4,
        _ => noise.index(bytes.len()),
    };
    bytes[..at.min(bytes.len())].to_vec()
}

fn flip(bytes: &[u8], noise: &mut Noise) -> Vec<u8> {
    let mut worse = bytes.to_vec();
    // The header is short beside the pixels: half of the flips go there.
    let most = if noise.chance(0.5) {
        worse.len().min(1024)
    } else {
        worse.len()
    };
    for _ in 0..=noise.index(16) {
        let at = noise.index(most);
        worse[at] ^= 1 << noise.index(8);
    }
    worse
}

const LENGTHS: [u32; 8] = [
    0,
    1,
    0xFF,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFE,
    0xFFFF_FFFF,
];

fn length(bytes: &[u8], noise: &mut Noise) -> Vec<u8> {
    let mut worse = bytes.to_vec();
    let element = some_element(bytes, noise);
    let new = |old: u32, noise: &mut Noise| match noise.index(3) {
        0 => old.wrapping_add(pick(noise, &[1, 2, 0xFFFF_FFFF, 0xFFFF_FFFE, 1 << 16])),
        _ => pick(noise, &LENGTHS),
    };
    let Some(element) = element else {
        let at = noise.index(bytes.len());
        if let Some(four) = worse[at..].first_chunk_mut() {
            *four = new(u32::from_le_bytes(*four), noise).to_le_bytes();
        }
        return worse;
    };
    let new = new(element.length, noise);
    let place = element.value - element.length_bytes..element.value;
    if let Some(written) = worse.get_mut(place) {
        match element.length_bytes {
            2 => written.copy_from_slice(&element.writing.short(new as u16)),
            _ => written.copy_from_slice(&element.writing.long(new)),
        }
    }
    worse
}

/// Another representation; in a file that names none, one is written where the length should be.
fn representation(bytes: &[u8], noise: &mut Noise) -> Vec<u8> {
    const NAMES: [[u8; 2]; 12] = [
        *b"SQ", *b"UN", *b"OB", *b"OW", *b"US", *b"DS", *b"UT", *b"FD", *b"ZZ", *b"OV", *b"PN",
        *b"UL",
    ];
    let Some(element) = some_element(bytes, noise) else {
        return flip(bytes, noise);
    };
    let mut worse = bytes.to_vec();
    worse[element.at + 4..element.at + 6].copy_from_slice(&pick(noise, &NAMES));
    worse
}

/// What an attribute is given.
enum Value<'a> {
    Shorts(&'a [u16]),
    Long(u32),
    Text(&'a [u8]),
}

impl Value<'_> {
    fn bytes(&self, writing: Writing) -> Vec<u8> {
        match self {
            Self::Shorts(shorts) => shorts.iter().flat_map(|s| writing.short(*s)).collect(),
            Self::Long(long) => writing.long(*long).to_vec(),
            Self::Text(text) => text.to_vec(),
        }
    }
}

/// With another value, and its length as long as that; put in where it is missing.
fn with(bytes: &[u8], tag: u32, vr: [u8; 2], value: &Value<'_>) -> Option<Vec<u8>> {
    let all = elements(bytes);
    let found = all.iter().find(|element| element.tag == tag);
    let (writing, at, after) = if let Some(element) = found {
        (element.writing, element.at, element.end()?)
    } else {
        let at = place_for(&all, tag)?;
        let next = all.iter().find(|element| element.at == at)?;
        (next.writing, at, at)
    };
    let after = bytes.get(after..)?;
    let mut worse = bytes[..at].to_vec();
    worse.extend(writing.element(tag, vr, &value.bytes(writing)));
    worse.extend(after);
    Some(worse)
}

/// The attribute changed, or a random place overwritten in a file that can have none.
fn changed(
    bytes: &[u8],
    noise: &mut Noise,
    tags: &[u32],
    vr: [u8; 2],
    value: &Value<'_>,
) -> Vec<u8> {
    let tag = pick(noise, tags);
    with(bytes, tag, vr, value).unwrap_or_else(|| {
        let mut worse = bytes.to_vec();
        let at = noise.index(worse.len().min(4096));
        let new = value.bytes(Writing::PLAIN);
        for (place, new) in worse[at..].iter_mut().zip(new) {
            *place = new;
        }
        worse
    })
}

fn size(bytes: &[u8], noise: &mut Noise) -> Vec<u8> {
    let tags = [0x0028_0010, 0x0028_0011];
    if noise.chance(0.3) {
        let value: u32 = pick(noise, &[0, 65_536, 0x7FFF_FFFF, 0xFFFF_FFFF, 1 << 20]);
        return changed(bytes, noise, &tags, *b"UL", &Value::Long(value));
    }
    let value = pick(noise, &[0, 1, 2, 255, 4096, 32_768, 65_535]);
    let once = changed(bytes, noise, &tags, *b"US", &Value::Shorts(&[value]));
    changed(&once, noise, &tags, *b"US", &Value::Shorts(&[value]))
}

fn frames(bytes: &[u8], noise: &mut Noise) -> Vec<u8> {
    let value = pick(
        noise,
        &[
            "0 ",
            "-1",
            "2147483648",
            "99",
            "1e9 ",
            "4294967296",
            "NaN ",
            "65536 ",
        ],
    );
    let value = Value::Text(value.as_bytes());
    changed(bytes, noise, &[0x0028_0008], *b"IS", &value)
}

fn bits(bytes: &[u8], noise: &mut Noise) -> Vec<u8> {
    let tags = [
        0x0028_0100,
        0x0028_0101,
        0x0028_0102,
        0x0028_0103,
        0x0028_0002,
        0x0028_0006,
    ];
    let value = pick(
        noise,
        &[0, 1, 2, 3, 4, 7, 8, 12, 15, 16, 17, 31, 32, 64, 65_535],
    );
    changed(bytes, noise, &tags, *b"US", &Value::Shorts(&[value]))
}

const NUMBERS: [&str; 10] = [
    "0 ",
    "-1",
    "NaN ",
    "1e308 ",
    "-1e308",
    "1e-308",
    "inf ",
    "\\\\",
    "1e9 ",
    "9\\9\\9\\9 ",
];

fn window(bytes: &[u8], noise: &mut Noise) -> Vec<u8> {
    let tags = [
        0x0028_1050,
        0x0028_1051,
        0x0028_1052,
        0x0028_1053,
        0x0028_0120,
    ];
    let value = pick(noise, &NUMBERS);
    changed(bytes, noise, &tags, *b"DS", &Value::Text(value.as_bytes()))
}

fn spacing(bytes: &[u8], noise: &mut Noise) -> Vec<u8> {
    let tags = [
        0x0028_0030,
        0x0018_1164,
        0x0018_1114,
        0x0020_0032,
        0x0020_0037,
    ];
    let value = pick(
        noise,
        &[
            "0\\0 ",
            "-1\\1",
            "1e9\\1e9 ",
            "0.1\\5 ",
            "NaN\\NaN ",
            "1 ",
            "1e-300\\1e300 ",
        ],
    );
    changed(bytes, noise, &tags, *b"DS", &Value::Text(value.as_bytes()))
}

/// Sequences within sequences, before the pixels, by the hundred or by the hundred thousand.
fn nested(bytes: &[u8], noise: &mut Noise) -> Vec<u8> {
    let depth = pick(noise, &[10, 31, 33, 100, 3000, 100_000]);
    let all = elements(bytes);
    let at = place_for(&all, 0x0028_000F).unwrap_or(bytes.len().min(132));
    let next = all.iter().find(|element| element.at == at);
    let writing = next.map_or(Writing::PLAIN, |element| element.writing);
    let mut level = writing.tag(0x0020_9111).to_vec();
    if writing.explicit {
        level.extend(b"SQ\0\0");
    }
    level.extend([0xFF; 4]);
    level.extend(writing.tag(0xFFFE_E000));
    level.extend([0xFF; 4]);
    [&bytes[..at], &level.repeat(depth), &bytes[at..]].concat()
}

fn palette(bytes: &[u8], noise: &mut Noise) -> Vec<u8> {
    let tags = [0x0028_1101, 0x0028_1102, 0x0028_1103, 0x0028_3002];
    let words: Vec<u16> = (0..3)
        .map(|_| pick(noise, &[0, 1, 8, 16, 255, 256, 32_768, 65_535]))
        .collect();
    let colored = with(bytes, 0x0028_0004, *b"CS", &Value::Text(b"PALETTE COLOR "));
    let base = if noise.chance(0.3) {
        colored.unwrap_or_else(|| bytes.to_vec())
    } else {
        bytes.to_vec()
    };
    changed(&base, noise, &tags, *b"US", &Value::Shorts(&words))
}

/// Little that claims to be much: the tail of the file repeated, zeroed or replaced by what expands.
fn bomb(bytes: &[u8], noise: &mut Noise) -> Vec<u8> {
    let mut worse = bytes.to_vec();
    let tail = worse.len() - noise.index(worse.len().min(2048)) - 1;
    match noise.index(4) {
        // Deflate: a stored block's worth of matches; PackBits: runs of the longest kind.
        0 => worse[tail..].iter_mut().for_each(|byte| *byte = 0x81),
        1 => worse[tail..].iter_mut().for_each(|byte| *byte = 0),
        2 => {
            let part = worse[tail..].to_vec();
            for _ in 0..64 {
                worse.extend_from_slice(&part);
            }
        }
        _ => {
            // The size in the header of a code stream: JPEG 2000's SIZ, JPEG's SOF, PNG's IHDR.
            let marks: [&[u8]; 4] = [&[0xFF, 0x51], &[0xFF, 0xC0], &[0xFF, 0xF7], b"IHDR"];
            let mark = pick(noise, &marks);
            let found = worse.windows(mark.len()).position(|part| part == mark);
            let at = found.map_or(tail, |at| at + mark.len());
            let value: u32 = pick(noise, &[0xFFFF_FFFF, 0x7FFF_FFFF, 0, 1, 0x0001_0000]);
            let skip = noise.index(24);
            for (place, new) in worse.iter_mut().skip(at + skip).zip(value.to_be_bytes()) {
                *place = new;
            }
        }
    }
    worse
}

fn charset(bytes: &[u8], noise: &mut Noise) -> Vec<u8> {
    let value: Vec<u8> = match noise.index(3) {
        0 => b"ISO 2022 IR 87\\\\ISO 2022 IR 159 ".to_vec(),
        1 => (0..64).map(|_| noise.index(256) as u8).collect(),
        _ => b"ISO_IR 192\\NO SUCH SET ".to_vec(),
    };
    let once = changed(bytes, noise, &[0x0008_0005], *b"CS", &Value::Text(&value));
    let name: Vec<u8> = (0..32)
        .map(|_| pick(noise, &[0x1B, b'$', b'B', b')', b'(', 0xFF, 0x80, b'^', 0]))
        .collect();
    let tags = [0x0010_0010, 0x0008_103E];
    changed(&once, noise, &tags, *b"PN", &Value::Text(&name))
}
