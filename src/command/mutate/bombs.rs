//! Files of a few kilobytes that become gigabytes: one of every packed form that is read.
//!
//! Separate because these are made and not damaged: each is a right file of its format, but for what comes out of it.

use std::sync::OnceLock;

use miniz_oxide::DataFormat;
use miniz_oxide::deflate::CompressionLevel;
use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, compress};

use super::elements::Writing;
use super::kinds::pick;
use crate::noise::Noise;
use crate::radiograph::crc32;

/// Zeros that are packed at once.
const PIECE: usize = 1 << 20;
/// Columns and rows of pictures: 289 MB of 8 bits.
const SIDE: u16 = 17_000;

/// One of them.
pub(super) fn any(noise: &mut Noise) -> Vec<u8> {
    // Beyond what a packed file may become, and up to what the decoding process has no room for.
    let pieces = pick(noise, &[200, 400, 1100]);
    match noise.index(9) {
        0 => deflated(pieces),
        1 => deflated_frame(pieces),
        2 => gzip(pieces),
        3 => archive(pieces, 1),
        4 => archive(pieces, 500),
        5 => png(),
        6 => tiff(),
        7 => jpeg(),
        _ => run_lengths(noise),
    }
}

/// `head` and then so many mebibytes of zeros, deflated (RFC 1951).
fn packed(head: &[u8], pieces: usize) -> Vec<u8> {
    static ZEROS: OnceLock<Vec<u8>> = OnceLock::new();
    let zeros = ZEROS.get_or_init(|| piece(&vec![0; PIECE]));
    let mut bytes = piece(head);
    for _ in 0..pieces {
        bytes.extend_from_slice(zeros);
    }
    // A last stored block of nothing.
    bytes.extend([1, 0, 0, 0xFF, 0xFF]);
    bytes
}

/// Whole blocks that end on a byte and need nothing of what was before: they may be repeated.
fn piece(bytes: &[u8]) -> Vec<u8> {
    let level = CompressionLevel::BestCompression;
    let mut state = CompressorOxide::with_format_and_level(DataFormat::Raw, level);
    let mut out = vec![0; bytes.len() / 64 + 1024];
    let (_, _, made) = compress(&mut state, bytes, &mut out, TDEFLFlush::Full);
    out.truncate(made);
    out
}

/// `packed` with the wrapping of RFC 1950.
fn zlib(zeros: usize) -> Vec<u8> {
    let whole = zeros / PIECE;
    let mut bytes = vec![0x78, 0xDA];
    bytes.extend(packed(&vec![0; zeros % PIECE], whole));
    // Of zeros, the check is their number.
    bytes.extend(((zeros % 65_521) as u32 * 65_536 + 1).to_be_bytes());
    bytes
}

fn file_meta(syntax: &str) -> Vec<u8> {
    let mut uid = syntax.as_bytes().to_vec();
    if uid.len() % 2 == 1 {
        uid.push(0);
    }
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    bytes.extend(Writing::PLAIN.element(0x0002_0010, *b"UI", &uid));
    bytes
}

/// The elements before the pixels of a grey picture of 8 bits.
fn picture_elements(columns: u16, rows: u16) -> Vec<u8> {
    let short = |tag, value: u16| Writing::PLAIN.element(tag, *b"US", &value.to_le_bytes());
    let mut bytes = short(0x0028_0002, 1);
    bytes.extend(Writing::PLAIN.element(0x0028_0004, *b"CS", b"MONOCHROME2 "));
    let shorts = [
        (0x0028_0010, rows),
        (0x0028_0011, columns),
        (0x0028_0100, 8),
        (0x0028_0101, 8),
        (0x0028_0102, 7),
        (0x0028_0103, 0),
    ];
    bytes.extend(shorts.iter().flat_map(|(tag, value)| short(*tag, *value)));
    bytes
}

fn pixel_data(length: u32) -> Vec<u8> {
    let mut bytes = Writing::PLAIN.tag(0x7FE0_0010).to_vec();
    bytes.extend(b"OB\0\0");
    bytes.extend(length.to_le_bytes());
    bytes
}

/// A data set that is deflated as a whole (PS3.5 A.5).
fn deflated(pieces: usize) -> Vec<u8> {
    let mut head = picture_elements(1024, 1024);
    head.extend(pixel_data((pieces * PIECE) as u32));
    let mut bytes = file_meta("1.2.840.10008.1.2.1.99");
    bytes.extend(packed(&head, pieces));
    bytes
}

/// Pixel Data of one fragment.
fn one_fragment(syntax: &str, size: (u16, u16), fragment: &[u8]) -> Vec<u8> {
    let mut bytes = file_meta(syntax);
    bytes.extend(picture_elements(size.0, size.1));
    bytes.extend(pixel_data(0xFFFF_FFFF));
    let item = |length: usize| {
        let mut bytes = Writing::PLAIN.tag(0xFFFE_E000).to_vec();
        bytes.extend((length as u32).to_le_bytes());
        bytes
    };
    bytes.extend(item(0));
    bytes.extend(item(fragment.len().next_multiple_of(2)));
    bytes.extend_from_slice(fragment);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes.extend(Writing::PLAIN.tag(0xFFFE_E0DD));
    bytes.extend([0; 4]);
    bytes
}

/// One frame that is deflated by itself (PS3.5 A.4.13).
fn deflated_frame(pieces: usize) -> Vec<u8> {
    let frame = packed(&[], pieces);
    one_fragment("1.2.840.10008.1.2.8.1", (1024, 1024), &frame)
}

/// A NIfTI file of `pieces` slices of 1024 × 1024 in gzip.
fn gzip(pieces: usize) -> Vec<u8> {
    let mut header = vec![0; 352];
    header[..4].copy_from_slice(&348_i32.to_le_bytes());
    for (number, side) in [3, 1024, 1024, pieces as i16].into_iter().enumerate() {
        header[40 + 2 * number..][..2].copy_from_slice(&side.to_le_bytes());
    }
    // 8 bits, without a sign.
    header[70..74].copy_from_slice(&[2, 0, 8, 0]);
    header[108..112].copy_from_slice(&352_f32.to_le_bytes());
    header[344..348].copy_from_slice(b"n+1\0");
    let mut bytes = vec![0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255];
    bytes.extend(packed(&header, pieces));
    // No check: nobody may get so far.
    bytes.extend([0; 8]);
    bytes
}

/// A ZIP archive of one packed member, under `names` names (Fifield 2019, "A better zip bomb").
fn archive(pieces: usize, names: usize) -> Vec<u8> {
    let mut head = file_meta("1.2.840.10008.1.2.1");
    head.extend(picture_elements(1024, 1024));
    head.extend(pixel_data((pieces * PIECE) as u32));
    let member = packed(&head, pieces);
    let unpacked = (head.len() + pieces * PIECE) as u32;
    // Version, flags, method, time and date, check, packed and unpacked size, length of the name and of what follows it.
    let facts = |name: &str| {
        let mut facts = vec![20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0, 0, 0, 0, 0];
        facts.extend((member.len() as u32).to_le_bytes());
        facts.extend(unpacked.to_le_bytes());
        facts.extend((name.len() as u16).to_le_bytes());
        facts.extend([0, 0]);
        facts
    };
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.extend(facts("0000.dcm"));
    bytes.extend(b"0000.dcm");
    bytes.extend_from_slice(&member);
    let start = bytes.len();
    for number in 0..names {
        let name = format!("{number:04}.dcm");
        bytes.extend(b"PK\x01\x02\x14\0");
        bytes.extend(facts(&name));
        // Comment, disk, attributes; and the first byte of the member, which is that of the file.
        bytes.extend([0; 14]);
        bytes.extend(name.as_bytes());
    }
    let length = bytes.len() - start;
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    for _ in 0..2 {
        bytes.extend((names as u16).to_le_bytes());
    }
    bytes.extend((length as u32).to_le_bytes());
    bytes.extend((start as u32).to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

/// A grey PNG of zeros of 16 bits: 512 MB.
fn png() -> Vec<u8> {
    const SIDE: u32 = 16_000;
    let side = SIDE as usize;
    let mut header = SIDE.to_be_bytes().repeat(2);
    header.extend([16, 0, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1A\n".to_vec();
    // Every row begins with its filter.
    let pixels = zlib(side * (2 * side + 1));
    for (name, content) in [
        (b"IHDR", &header),
        (b"IDAT", &pixels),
        (b"IEND", &Vec::new()),
    ] {
        bytes.extend((content.len() as u32).to_be_bytes());
        let start = bytes.len();
        bytes.extend(name);
        bytes.extend(content);
        bytes.extend(crc32(&bytes[start..]).to_be_bytes());
    }
    bytes
}

/// A grey TIFF of one deflated strip of zeros.
fn tiff() -> Vec<u8> {
    let pixels = zlib(usize::from(SIDE).pow(2));
    let entries: [(u16, u32); 9] = [
        (256, u32::from(SIDE)),
        (257, u32::from(SIDE)),
        (258, 8),
        (259, 8),
        (262, 1),
        (273, 8 + 2 + 9 * 12 + 4),
        (277, 1),
        (278, u32::from(SIDE)),
        (279, pixels.len() as u32),
    ];
    let mut bytes = b"II\x2A\0\x08\0\0\0\x09\0".to_vec();
    for (tag, value) in entries {
        bytes.extend(tag.to_le_bytes());
        // One number of 32 bits.
        bytes.extend([4, 0, 1, 0, 0, 0]);
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0; 4]);
    bytes.extend(pixels);
    bytes
}

/// A grey JPEG whose blocks take two bits each (T.81): one code for "as before", one for "nothing more".
fn jpeg() -> Vec<u8> {
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
    bytes.extend([1; 64]);
    let [high, low] = SIDE.to_be_bytes();
    bytes.extend([0xFF, 0xC0, 0, 11, 8, high, low, high, low, 1, 1, 0x11, 0]);
    for class in [0, 0x10] {
        bytes.extend([0xFF, 0xC4, 0, 20, class, 1]);
        bytes.extend([0; 16]);
    }
    bytes.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]);
    let blocks = usize::from(SIDE / 8).pow(2);
    bytes.resize(bytes.len() + blocks / 4, 0);
    bytes.extend([0xFF, 0xD9]);
    bytes
}

/// Run lengths (PS3.5 Annex G): 64 times as much as there is, which is all that they can; or a claim of far more.
fn run_lengths(noise: &mut Noise) -> Vec<u8> {
    let size = pick(noise, &[(1_000, 1_000), (60_000, 30_000)]);
    let mut frame = vec![0; 64];
    frame[0] = 1;
    frame[4] = 64;
    frame.extend([0x81, 0].repeat(1_000 * 1_000 / 128 + 1));
    one_fragment("1.2.840.10008.1.2.5", size, &frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radiograph::{self, ReadProblem};
    use miniz_oxide::inflate::{decompress_to_vec, decompress_to_vec_zlib};

    #[test]
    fn what_is_packed_comes_out_again() {
        let out = decompress_to_vec(&packed(b"head", 3)).unwrap();
        assert_eq!((&out[..4], out.len()), (&b"head"[..], 4 + 3 * PIECE));
        let zeros = 2 * PIECE + 77;
        assert_eq!(
            decompress_to_vec_zlib(&zlib(zeros)).unwrap(),
            vec![0; zeros]
        );
        // More than a thousand times as much.
        assert!(packed(&[], 64).len() < 64 * PIECE / 1000);
    }

    #[test]
    fn every_bomb_is_refused_for_its_size() {
        let bombs = [
            deflated(300),
            deflated_frame(300),
            gzip(300),
            png(),
            tiff(),
            jpeg(),
        ];
        for (number, bomb) in bombs.into_iter().enumerate() {
            assert!(bomb.len() < 2 << 20, "bomb {number}: {} bytes", bomb.len());
            let opened = radiograph::open_bytes("bomb", bomb);
            let problem = opened.and_then(|file| file.frame(0)).unwrap_err().problem;
            assert!(
                matches!(problem, ReadProblem::TooLarge(_)),
                "bomb {number}: {problem}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        for (names, words) in [(1, "grow beyond"), (500, "in one another")] {
            let path = folder.path().join("bomb.zip");
            std::fs::write(&path, archive(300, names)).unwrap();
            let refused = radiograph::open(&path).unwrap_err().to_string();
            assert!(refused.contains(words), "{names}: {refused}");
        }
    }
}
