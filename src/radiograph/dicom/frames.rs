//! Where the bytes of one frame lie (PS3.5 section 8.2 and Annex A.4).
//!
//! Separate because finding a frame is the same work for every codec: by position, by the offset tables, or by
//! the marker at the start of a fragment.

use std::borrow::Cow;

use super::dataset;
use super::file::DicomFile;
use super::layout::Layout;
use crate::radiograph::error::ReadProblem;

/// The bytes of one frame.
pub(super) enum FrameBytes<'a> {
    /// Not compressed; for 1-bit pixels, the number of bits to pass over first.
    Native(Cow<'a, [u8]>, usize),
    /// A code stream.
    Encoded(Cow<'a, [u8]>),
}

/// Finds frame `frame`, which is below `layout.frames`.
pub(super) fn frame_bytes<'a>(
    file: &'a DicomFile,
    layout: &Layout,
    frame: usize,
) -> Result<FrameBytes<'a>, ReadProblem> {
    let missing = || ReadProblem::NoImage("it has no Pixel Data (7FE0,0010)".to_owned());
    let element = file
        .elements
        .find(layout.carrier.tag())
        .ok_or_else(missing)?;
    if element.undefined {
        return encoded(file, layout, frame).map(FrameBytes::Encoded);
    }
    let value = file
        .bytes
        .get(element.start..element.end)
        .ok_or_else(missing)?;
    let bits = layout.native_samples() as u64 * u64::from(layout.allocated);
    let too_short = || {
        ReadProblem::Damaged(format!(
            "Pixel Data (7FE0,0010) has {} bytes; frame {frame} of {} × {} pixels, {} × {} bits each, ends at byte {}",
            value.len(),
            layout.width,
            layout.height,
            layout.samples,
            layout.allocated,
            u128::from(bits) * (frame as u128 + 1) / 8
        ))
    };
    let first = bits.checked_mul(frame as u64).ok_or_else(too_short)?;
    let last = first.checked_add(bits).ok_or_else(too_short)?.div_ceil(8);
    let bytes = value
        .get((first / 8) as usize..last as usize)
        .ok_or_else(too_short)?;
    let skipped = (first % 8) as usize;
    let swapped = element.encoding.big && element.vr == *b"OW" && layout.allocated <= 8;
    Ok(FrameBytes::Native(
        if swapped {
            Cow::Owned(swap_pairs(value, first / 8, bytes.len()))
        } else {
            Cow::Borrowed(bytes)
        },
        skipped,
    ))
}

/// Bytes in big-endian words lie the other way round, two by two (PS3.5 Annex A.3).
fn swap_pairs(value: &[u8], first: u64, length: usize) -> Vec<u8> {
    (first as usize..first as usize + length)
        .map(|at| value.get(at ^ 1).copied().unwrap_or(0))
        .collect()
}

/// The fragments of one frame, joined.
fn encoded<'a>(
    file: &'a DicomFile,
    layout: &Layout,
    frame: usize,
) -> Result<Cow<'a, [u8]>, ReadProblem> {
    let no_frame = |why: &str| {
        ReadProblem::Damaged(format!("frame {frame} is not among the fragments: {why}"))
    };
    let element = file
        .elements
        .find(layout.carrier.tag())
        .ok_or_else(|| no_frame("no Pixel Data"))?;
    let ranges = dataset::item_ranges(&file.bytes, element);
    let Some((table, fragments)) = ranges.split_first() else {
        return Err(no_frame("Pixel Data (7FE0,0010) has no item"));
    };
    let fragment = |&(start, end, _): &(usize, usize, bool)| &file.bytes[start..end];
    if fragments.is_empty() {
        return Err(no_frame("there is none"));
    }
    if layout.frames == 1 {
        return Ok(join(fragments.iter().map(fragment)));
    }
    if fragments.len() == layout.frames {
        return fragments
            .get(frame)
            .map(|one| Cow::Borrowed(fragment(one)))
            .ok_or_else(|| no_frame("there are fewer"));
    }
    let base = fragments.first().map_or(0, |first| first.0 - 8);
    let starts = offsets(file, fragment(table), layout.frames).or_else(|| {
        let marked: Vec<u64> = fragments
            .iter()
            .filter(|range| starts_a_frame(fragment(range)))
            .map(|range| (range.0 - 8 - base) as u64)
            .collect();
        (marked.len() == layout.frames).then_some(marked)
    });
    let starts = starts.ok_or_else(|| {
        no_frame(&format!(
            "{} fragments for {} frames and no offset table",
            fragments.len(),
            layout.frames
        ))
    })?;
    let from = starts.get(frame).copied().unwrap_or(u64::MAX);
    let to = starts.get(frame + 1).copied().unwrap_or(u64::MAX);
    let own = fragments.iter().filter(|range| {
        let offset = (range.0 - 8 - base) as u64;
        (from..to).contains(&offset)
    });
    let joined = join(own.map(fragment));
    if joined.is_empty() {
        return Err(no_frame("the offset table points beside them"));
    }
    Ok(joined)
}

fn join<'a>(parts: impl Iterator<Item = &'a [u8]> + Clone) -> Cow<'a, [u8]> {
    let mut each = parts.clone();
    match (each.next(), each.next()) {
        (Some(only), None) => Cow::Borrowed(only),
        _ => Cow::Owned(parts.collect::<Vec<_>>().concat()),
    }
}

/// Frame offsets from the Extended (7FE0,0001) or the Basic Offset Table, when it is whole.
fn offsets(file: &DicomFile, basic: &[u8], frames: usize) -> Option<Vec<u64>> {
    let view = file.view();
    if let Some(extended) = view.raw(0x7FE0_0001) {
        let offsets: Vec<u64> = extended
            .chunks_exact(8)
            .filter_map(|b| b.try_into().ok().map(u64::from_le_bytes))
            .collect();
        if offsets.len() == frames {
            return Some(offsets);
        }
    }
    let offsets: Vec<u64> = basic
        .chunks_exact(4)
        .filter_map(|b| b.try_into().ok().map(u32::from_le_bytes).map(u64::from))
        .collect();
    (offsets.len() == frames).then_some(offsets)
}

/// JPEG and JPEG-LS, JPEG 2000 (bare or boxed), JPEG XL (bare or boxed).
fn starts_a_frame(fragment: &[u8]) -> bool {
    [
        &[0xFF, 0xD8, 0xFF][..],
        &[0xFF, 0x4F, 0xFF, 0x51],
        b"\0\0\0\x0CjP  ",
        &[0xFF, 0x0A],
        b"\0\0\0\x0CJXL ",
    ]
    .iter()
    .any(|magic| fragment.starts_with(magic))
}
