//! ZIP archives: the central directory, stored and deflated members (PKWARE APPNOTE 6.3, ZIP64 included).
//!
//! Separate, and our own, because only reading is needed and every number in an archive is a claim to be checked.

use std::io::{Read, Seek, SeekFrom};

use super::{MOST_UNPACKED, inflate};
use crate::radiograph::error::ReadProblem;

/// More members than this are not listed.
const MOST_MEMBERS: usize = 100_000;
/// A directory larger than this is no list of images.
const MOST_DIRECTORY: u64 = 1 << 28;

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::radiograph) struct Entry {
    /// Its name as written, with forward slashes.
    pub(in crate::radiograph) name: String,
    method: u16,
    encrypted: bool,
    crc: u32,
    packed: u64,
    header_at: u64,
}

fn damaged(what: &str) -> ReadProblem {
    ReadProblem::Damaged(format!("ZIP archive: {what}"))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn read_at(file: &mut (impl Read + Seek), at: u64, most: u64) -> Result<Vec<u8>, ReadProblem> {
    let failed = |error: std::io::Error| ReadProblem::Open(error.to_string());
    file.seek(SeekFrom::Start(at)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Where the central directory lies: its first byte and its length.
fn directory(file: &mut (impl Read + Seek)) -> Result<(u64, u64), ReadProblem> {
    let failed = |error: std::io::Error| ReadProblem::Open(error.to_string());
    let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
    // The end record has 22 bytes and a comment of at most 65535.
    let tail_at = length.saturating_sub(22 + 65_535);
    let tail = read_at(file, tail_at, 22 + 65_535)?;
    let end = tail
        .windows(4)
        .rposition(|four| four == b"PK\x05\x06")
        .ok_or_else(|| damaged("it has no end record, as when a download was cut short"))?;
    let size = u32_at(&tail, end + 12).map(u64::from);
    let at = u32_at(&tail, end + 16).map(u64::from);
    let (Some(mut size), Some(mut at)) = (size, at) else {
        return Err(damaged("its end record is cut short"));
    };
    if at == u64::from(u32::MAX) || size == u64::from(u32::MAX) {
        let locator = end
            .checked_sub(20)
            .filter(|at| tail.get(*at..*at + 4) == Some(b"PK\x06\x07"))
            .and_then(|at| u64_at(&tail, at + 8))
            .ok_or_else(|| damaged("its ZIP64 locator is missing"))?;
        let record = read_at(file, locator, 56)?;
        if !record.starts_with(b"PK\x06\x06") {
            return Err(damaged("its ZIP64 end record is missing"));
        }
        size = u64_at(&record, 40).ok_or_else(|| damaged("its ZIP64 end record is cut short"))?;
        at = u64_at(&record, 48).ok_or_else(|| damaged("its ZIP64 end record is cut short"))?;
    }
    if size > MOST_DIRECTORY || at.checked_add(size).is_none_or(|end| end > length) {
        return Err(damaged("its directory lies outside the file"));
    }
    Ok((at, size))
}

/// The members that are files, in the order of the directory.
pub(in crate::radiograph) fn entries(
    file: &mut (impl Read + Seek),
) -> Result<Vec<Entry>, ReadProblem> {
    let (at, size) = directory(file)?;
    let bytes = read_at(file, at, size)?;
    let mut found = Vec::new();
    let mut at = 0;
    while bytes.get(at..at + 4) == Some(b"PK\x01\x02") {
        if found.len() >= MOST_MEMBERS {
            return Err(ReadProblem::TooLarge(format!(
                "a ZIP archive of more than {MOST_MEMBERS} members"
            )));
        }
        let (entry, next) =
            entry_at(&bytes, at).ok_or_else(|| damaged("its directory is cut short"))?;
        at = next;
        if !entry.name.ends_with('/') {
            found.push(entry);
        }
    }
    if overlap(&found) {
        return Err(damaged("its members lie in one another, as in a bomb"));
    }
    Ok(found)
}

/// Whether two members share bytes: then a small file holds as much as it likes. Empty members share nothing.
fn overlap(entries: &[Entry]) -> bool {
    let ranges = entries.iter().filter(|entry| entry.packed > 0);
    let mut ranges: Vec<(u64, u64)> = ranges.map(|e| (e.header_at, e.packed)).collect();
    ranges.sort_unstable();
    // A header has 30 bytes at least; the length of the name in it is read with the member.
    let end = |(at, packed): (u64, u64)| at.saturating_add(30).saturating_add(packed);
    ranges.windows(2).any(|two| end(two[0]) > two[1].0)
}

fn entry_at(bytes: &[u8], at: usize) -> Option<(Entry, usize)> {
    let (name_length, extra_length, comment_length) = (
        usize::from(u16_at(bytes, at + 28)?),
        usize::from(u16_at(bytes, at + 30)?),
        usize::from(u16_at(bytes, at + 32)?),
    );
    let name = bytes.get(at + 46..at + 46 + name_length)?;
    let extra = bytes.get(at + 46 + name_length..at + 46 + name_length + extra_length)?;
    let mut packed = u64::from(u32_at(bytes, at + 20)?);
    let mut header_at = u64::from(u32_at(bytes, at + 42)?);
    let large_size = u32_at(bytes, at + 24)? == u32::MAX;
    // ZIP64: only the fields that did not fit follow, in this order.
    if let Some(wide) = extra_field(extra, 1) {
        let mut next = usize::from(large_size) * 8;
        if packed == u64::from(u32::MAX) {
            packed = u64_at(wide, next)?;
            next += 8;
        }
        if header_at == u64::from(u32::MAX) {
            header_at = u64_at(wide, next)?;
        }
    }
    let entry = Entry {
        name: String::from_utf8_lossy(name).replace('\\', "/"),
        method: u16_at(bytes, at + 10)?,
        encrypted: u16_at(bytes, at + 8)? & 1 != 0,
        crc: u32_at(bytes, at + 16)?,
        packed,
        header_at,
    };
    Some((entry, at + 46 + name_length + extra_length + comment_length))
}

fn extra_field(mut extra: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let (id, length) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
        let field = extra.get(4..4 + length)?;
        if id == wanted {
            return Some(field);
        }
        extra = &extra[4 + length..];
    }
}

/// The bytes of one member, checked by its CRC.
pub(in crate::radiograph) fn extract(
    file: &mut (impl Read + Seek),
    entry: &Entry,
) -> Result<Vec<u8>, ReadProblem> {
    if entry.encrypted {
        return Err(ReadProblem::Unsupported(format!(
            "the member {} of the ZIP archive is encrypted",
            entry.name
        )));
    }
    if entry.packed > MOST_UNPACKED as u64 {
        return Err(ReadProblem::TooLarge(format!(
            "the member {} of the ZIP archive has {} bytes",
            entry.name, entry.packed
        )));
    }
    let header = read_at(file, entry.header_at, 30)?;
    if !header.starts_with(b"PK\x03\x04") {
        return Err(damaged("a member lies outside the file"));
    }
    let skip = u16_at(&header, 26).zip(u16_at(&header, 28));
    let (name, extra) = skip.ok_or_else(|| damaged("a member's header is cut short"))?;
    let start = entry.header_at + 30 + u64::from(name) + u64::from(extra);
    let packed = read_at(file, start, entry.packed)?;
    if (packed.len() as u64) < entry.packed {
        return Err(damaged("a member is cut short"));
    }
    let bytes = match entry.method {
        0 => packed,
        8 => inflate(&packed, MOST_UNPACKED)?,
        other => {
            return Err(ReadProblem::Unsupported(format!(
                "compression method {other} of the ZIP member {}",
                entry.name
            )));
        }
    };
    if crc32(&bytes) == entry.crc {
        Ok(bytes)
    } else {
        Err(damaged("a member differs from its check sum"))
    }
}

/// CRC-32 of ISO 3309, reflected, as ZIP and gzip use it.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0_u32; 256];
        let mut n = 0;
        while n < 256 {
            let mut value = n as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 {
                    0xEDB8_8320 ^ (value >> 1)
                } else {
                    value >> 1
                };
                bit += 1;
            }
            table[n] = value;
            n += 1;
        }
        table
    };
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        TABLE[((crc ^ u32::from(*byte)) & 0xFF) as usize] ^ (crc >> 8)
    })
}
