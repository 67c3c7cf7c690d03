//! Files inside files: ZIP archives and gzip.
//!
//! Separate because what is packed is hostile until counted: nothing is allocated by a size that an archive declares,
//! sizes are counted while inflating, and a name in an archive never becomes a path on the disk.

mod zip;

use std::path::{Path, PathBuf};

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use super::error::{MOST_EXPANSION, ReadProblem};

pub(crate) use zip::crc32;
pub(super) use zip::{entries, extract};

/// More than this from one packed file is refused.
pub(super) const MOST_UNPACKED: usize = 1 << 32;
/// Small files may be nothing but zeros; above this size a ratio counts.
const RATIO_FROM: usize = 1 << 26;

static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// Whether the bytes begin like gzip (RFC 1952).
pub(super) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1F, 0x8B, 8])
}

/// Whether the bytes begin like a ZIP archive with at least one member.
pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// Inflates a raw deflate stream (RFC 1951); at most `limit` bytes, and at most 100 times the input once it is large.
pub(super) fn inflate(packed: &[u8], limit: usize) -> Result<Vec<u8>, ReadProblem> {
    let mut state = Box::<DecompressorOxide>::default();
    let mut out = vec![0_u8; packed.len().saturating_mul(4).clamp(4096, 1 << 20)];
    let most = packed.len().saturating_mul(MOST_EXPANSION).max(RATIO_FROM);
    let most = most.min(limit);
    let (mut read, mut written) = (0, 0);
    loop {
        let (status, taken, made) = decompress(
            &mut state,
            packed.get(read..).unwrap_or(&[]),
            &mut out,
            written,
            inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
        );
        read += taken;
        written += made;
        match status {
            TINFLStatus::Done => {
                out.truncate(written);
                return Ok(out);
            }
            TINFLStatus::HasMoreOutput => {
                if written >= most {
                    return Err(ReadProblem::TooLarge(format!(
                        "{} packed bytes grow beyond {written}; at most 100 times and {limit} bytes are taken",
                        packed.len()
                    )));
                }
                let wanted = out.len().saturating_mul(2).min(most);
                out.try_reserve_exact(wanted - out.len()).map_err(|_| {
                    ReadProblem::TooLarge("packed data does not fit into memory".to_owned())
                })?;
                // By blocks: byte by byte, a build that is not optimised would take seconds.
                while out.len() < wanted {
                    let block = ZEROS.len().min(wanted - out.len());
                    out.extend_from_slice(&ZEROS[..block]);
                }
            }
            _ => {
                return Err(ReadProblem::Damaged(
                    "the packed data does not inflate".to_owned(),
                ));
            }
        }
    }
}

/// Unpacks a gzip member: header, deflate stream, check (RFC 1952 section 2.3).
pub(super) fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, ReadProblem> {
    let damaged = || ReadProblem::Damaged("gzip: the header is cut short".to_owned());
    let flags = *bytes.get(3).ok_or_else(damaged)?;
    let mut at = 10;
    if flags & 4 != 0 {
        let extra = bytes.get(at..at + 2).ok_or_else(damaged)?;
        at += 2 + usize::from(u16::from_le_bytes([extra[0], extra[1]]));
    }
    // A name and a comment, each ended by a zero.
    for flag in [8, 16] {
        if flags & flag != 0 {
            let rest = bytes.get(at..).ok_or_else(damaged)?;
            at += rest.iter().position(|b| *b == 0).ok_or_else(damaged)? + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    inflate(bytes.get(at..).ok_or_else(damaged)?, MOST_UNPACKED)
}

/// Packs bytes as one gzip member (RFC 1952).
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = vec![0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255];
    packed.extend(miniz_oxide::deflate::compress_to_vec(bytes, 6));
    packed.extend(crc32(bytes).to_le_bytes());
    packed.extend((bytes.len() as u32).to_le_bytes());
    packed
}

/// Splits a path that leads into an archive: the archive, which is a file, and the name of a member.
pub(super) fn split(path: &Path) -> Option<(PathBuf, String)> {
    if path.exists() {
        return None;
    }
    path.ancestors().skip(1).find_map(|archive| {
        let inner = path.strip_prefix(archive).ok()?;
        archive
            .is_file()
            .then(|| Some((archive.to_owned(), inner.to_str()?.replace('\\', "/"))))?
    })
}
