//! The kinds of damage: each takes a file and makes a worse one of it.
//!
//! Separate because the list is the test: what is not in it has not been tried. Attributes of DICOM are changed where
//! they are found, little endian; in other files the same kinds overwrite whatever lies at a random place.

use crate::noise::Noise;

/// A kind of damage.
type Kind = fn(&[u8], &mut Noise) -> Vec<u8>;

/// Every kind, with its name.
pub(super) const KINDS: [(&str, Kind); 13] = [
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
];

fn pick<T: Copy>(noise: &mut Noise, from: &[T]) -> T {
    from[noise.index(from.len())]
}

/// A place where an element may begin: a group of this file, little endian.
fn element_near(bytes: &[u8], noise: &mut Noise) -> Option<usize> {
    let last = bytes.len().saturating_sub(8);
    let start = noise.index(last);
    let places = (start..last).chain(132..start);
    places.take(20_000).find(|at| {
        let group = [bytes[*at], bytes[*at + 1]];
        let named = bytes[*at + 4].is_ascii_uppercase() && bytes[*at + 5].is_ascii_uppercase();
        named && matches!(group, [2 | 8 | 0x10 | 0x18 | 0x20 | 0x28, 0] | [0xE0, 0x7F])
    })
}

fn cut(bytes: &[u8], noise: &mut Noise) -> Vec<u8> {
    let at = match element_near(bytes, noise) {
        Some(at) if noise.chance(0.5) => at + noise.index(3) * 4,
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
    let at = element_near(bytes, noise).unwrap_or_else(|| noise.index(bytes.len()));
    let place = at + if noise.chance(0.5) { 4 } else { 8 };
    if let Some(four) = worse.get_mut(place..place + 4) {
        let old = u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
        let new = match noise.index(3) {
            0 => old.wrapping_add(pick(noise, &[1, 2, 0xFFFF_FFFF, 0xFFFF_FFFE, 1 << 16])),
            _ => pick(noise, &LENGTHS),
        };
        four.copy_from_slice(&new.to_le_bytes());
    }
    worse
}

fn representation(bytes: &[u8], noise: &mut Noise) -> Vec<u8> {
    const NAMES: [[u8; 2]; 12] = [
        *b"SQ", *b"UN", *b"OB", *b"OW", *b"US", *b"DS", *b"UT", *b"FD", *b"ZZ", *b"OV", *b"PN",
        *b"UL",
    ];
    let mut worse = bytes.to_vec();
    if let Some(at) = element_near(bytes, noise) {
        worse[at + 4..at + 6].copy_from_slice(&pick(noise, &NAMES));
    } else {
        return flip(bytes, noise);
    }
    worse
}

/// Where the element `tag` begins, little endian.
fn place(bytes: &[u8], tag: u32) -> Option<usize> {
    let [a, b, c, d] = tag.to_le_bytes();
    let wanted = [c, d, a, b];
    bytes.windows(8).position(|eight| {
        eight[..4] == wanted && (eight[4].is_ascii_uppercase() || u32::from(eight[7]) == 0)
    })
}

/// With another value, and its length as long as that.
fn with(bytes: &[u8], tag: u32, vr: [u8; 2], value: &[u8]) -> Option<Vec<u8>> {
    let at = place(bytes, tag)?;
    let explicit = bytes[at + 4].is_ascii_uppercase() && bytes[at + 5].is_ascii_uppercase();
    let long = matches!(
        &bytes[at + 4..at + 6],
        b"OB" | b"OW" | b"UN" | b"SQ" | b"UT"
    );
    let (start, old) = if explicit && !long {
        let length = bytes.get(at + 6..at + 8)?;
        (
            at + 8,
            usize::from(u16::from_le_bytes([length[0], length[1]])),
        )
    } else {
        let from = if explicit { at + 8 } else { at + 4 };
        let length = bytes.get(from..from + 4)?;
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
        (from + 4, length as usize)
    };
    let after = bytes.get(start.checked_add(old)?..)?;
    let mut worse = bytes[..at + 4].to_vec();
    if explicit && !long {
        worse.extend(vr);
        worse.extend((value.len() as u16).to_le_bytes());
    } else {
        worse.extend(&bytes[at + 4..start - 4]);
        worse.extend((value.len() as u32).to_le_bytes());
    }
    worse.extend(value);
    worse.extend(after);
    Some(worse)
}

/// The attribute changed, or a random place overwritten where the file has none.
fn changed(bytes: &[u8], noise: &mut Noise, tags: &[u32], vr: [u8; 2], value: &[u8]) -> Vec<u8> {
    let tag = pick(noise, tags);
    with(bytes, tag, vr, value).unwrap_or_else(|| {
        let mut worse = bytes.to_vec();
        let at = noise.index(worse.len().min(4096));
        for (place, new) in worse[at..].iter_mut().zip(value) {
            *place = *new;
        }
        worse
    })
}

fn short(value: u16) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

fn size(bytes: &[u8], noise: &mut Noise) -> Vec<u8> {
    let tags = [0x0028_0010, 0x0028_0011];
    if noise.chance(0.3) {
        let value: u32 = pick(noise, &[0, 65_536, 0x7FFF_FFFF, 0xFFFF_FFFF, 1 << 20]);
        return changed(bytes, noise, &tags, *b"UL", &value.to_le_bytes());
    }
    let value = pick(noise, &[0, 1, 2, 255, 4096, 32_768, 65_535]);
    let once = changed(bytes, noise, &tags, *b"US", &short(value));
    changed(&once, noise, &tags, *b"US", &short(value))
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
    changed(bytes, noise, &[0x0028_0008], *b"IS", value.as_bytes())
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
    changed(bytes, noise, &tags, *b"US", &short(value))
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
    changed(bytes, noise, &tags, *b"DS", value.as_bytes())
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
    changed(bytes, noise, &tags, *b"DS", value.as_bytes())
}

/// Sequences within sequences, before the pixels, by the hundred or by the hundred thousand.
fn nested(bytes: &[u8], noise: &mut Noise) -> Vec<u8> {
    let depth = pick(noise, &[10, 31, 33, 100, 3000, 100_000]);
    let at = place(bytes, 0x0028_0010).unwrap_or(bytes.len().min(132));
    let explicit = bytes.get(at + 4).is_some_and(u8::is_ascii_uppercase);
    let mut worse = bytes[..at].to_vec();
    for _ in 0..depth {
        worse.extend([0x20, 0x00, 0x11, 0x91]);
        if explicit {
            worse.extend(b"SQ\0\0");
        }
        worse.extend([0xFF; 4]);
        worse.extend([0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
    }
    worse.extend(&bytes[at..]);
    worse
}

fn palette(bytes: &[u8], noise: &mut Noise) -> Vec<u8> {
    let tags = [0x0028_1101, 0x0028_1102, 0x0028_1103, 0x0028_3002];
    let words: Vec<u16> = (0..3)
        .map(|_| pick(noise, &[0, 1, 8, 16, 255, 256, 32_768, 65_535]))
        .collect();
    let value: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    let colored = with(bytes, 0x0028_0004, *b"CS", b"PALETTE COLOR ");
    let base = if noise.chance(0.3) {
        colored.unwrap_or_else(|| bytes.to_vec())
    } else {
        bytes.to_vec()
    };
    changed(&base, noise, &tags, *b"US", &value)
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
    let once = changed(bytes, noise, &[0x0008_0005], *b"CS", &value);
    let name: Vec<u8> = (0..32)
        .map(|_| pick(noise, &[0x1B, b'$', b'B', b')', b'(', 0xFF, 0x80, b'^', 0]))
        .collect();
    changed(&once, noise, &[0x0010_0010, 0x0008_103E], *b"PN", &name)
}
