//! A data set in another transfer syntax, with the same meaning (PS3.5 sections 7 and 10).
//!
//! Separate because a node may refuse the transfer syntax of a file: then the same values are written the plain way.

use std::path::Path;

use crate::radiograph::dicom::dataset::{self, Element, Encoding};
use crate::radiograph::dicom::file::{self, DicomFile};
use crate::radiograph::dicom::layout::{Carrier, Layout};
use crate::radiograph::dicom::values::View;
use crate::radiograph::dicom::written::{item, padded, representation, written};
use crate::radiograph::error::ReadProblem;
use crate::radiograph::{Pixels, open};

const PIXEL_DATA: u32 = 0x7FE0_0010;
const LOSSY: u32 = 0x0028_2110;
/// A value has at most so many bytes: its length is written with 32 bits.
const MOST_VALUE: u64 = u32::MAX as u64 - 1;

/// The data set of `file`, which lies at `path`, in little endian with native pixels.
pub(super) fn recode(
    path: &Path,
    file: &DicomFile,
    explicit: bool,
) -> Result<Vec<u8>, ReadProblem> {
    if file.syntax == file::GE_PRIVATE {
        return Err(ReadProblem::Unsupported(
            "a private transfer syntax that the other node does not take".to_owned(),
        ));
    }
    let encoding = if explicit {
        Encoding::EXPLICIT
    } else {
        Encoding::IMPLICIT
    };
    let view = file.view();
    let signed = view.raw(0x0028_0103).is_some_and(|raw| raw.contains(&1));
    let coded = view
        .find(PIXEL_DATA)
        .is_some_and(|element| element.undefined);
    let pixels = if coded {
        Some(native(path, file)?)
    } else {
        None
    };
    let lossy = pixels.as_ref().is_some_and(|pixels| pixels.lossy);
    let said_lossy = written(LOSSY, *b"CS", padded("01", *b"CS"), encoding);
    let mut out = Vec::with_capacity(file.bytes.len());
    let mut lossy_said = !lossy;
    for element in &view.elements.list {
        // Offsets into fragments mean nothing without them.
        if coded && matches!(element.tag, 0x7FE0_0001..=0x7FE0_0003) {
            continue;
        }
        if !lossy_said && element.tag >= LOSSY {
            out.extend_from_slice(&said_lossy);
            lossy_said = true;
            if element.tag == LOSSY {
                continue;
            }
        }
        match &pixels {
            Some(pixels) if element.tag == PIXEL_DATA => {
                let vr = if pixels.wide { *b"OW" } else { *b"OB" };
                out.extend(written(PIXEL_DATA, vr, pixels.bytes.clone(), encoding));
            }
            _ => put(&mut out, view, element, encoding, signed)?,
        }
    }
    Ok(out)
}

/// One element in `encoding`, sequences entered; lengths are written.
fn put(
    out: &mut Vec<u8>,
    view: View<'_>,
    element: &Element,
    encoding: Encoding,
    signed: bool,
) -> Result<(), ReadProblem> {
    let tag = element.tag;
    // Lengths of groups no longer hold, and padding behind the data set is nothing.
    if tag.trailing_zeros() >= 16 || tag == 0xFFFC_FFFC {
        return Ok(());
    }
    let mut vr = representation(element);
    if element.undefined || vr == *b"SQ" {
        let mut items = Vec::new();
        for inner in dataset::whole_items(view.bytes, element)? {
            let mut bytes = Vec::new();
            for within in &inner.list {
                put(&mut bytes, view.of(&inner), within, encoding, signed)?;
            }
            items.extend(item(&bytes, encoding));
        }
        out.extend(written(tag, *b"SQ", items, encoding));
        return Ok(());
    }
    // Where the file does not say, US or SS follows Pixel Representation (PS3.5 Annex A.1).
    if element.vr == [0; 2] && vr == *b"US" && signed && follows_pixels(tag) {
        vr = *b"SS";
    }
    // Unknown values keep being unknown, and those are never swapped.
    if element.vr == *b"UN" {
        vr = *b"UN";
    }
    let mut value = view
        .bytes
        .get(element.start..element.end)
        .unwrap_or(&[])
        .to_vec();
    if element.encoding.big {
        swap(&mut value, vr);
    }
    if value.len() % 2 == 1 {
        value.push(0);
    }
    out.extend(written(tag, vr, value, encoding));
    Ok(())
}

/// Attributes that the standard gives as US or SS.
fn follows_pixels(tag: u32) -> bool {
    matches!(
        tag,
        0x0028_0106..=0x0028_0111 | 0x0028_0120 | 0x0028_0121 | 0x0028_1101..=0x0028_1103 | 0x0060_3004 | 0x0060_3006
    )
}

fn swap(value: &mut [u8], vr: [u8; 2]) {
    let each = match &vr {
        b"US" | b"SS" | b"OW" | b"AT" => 2,
        b"UL" | b"SL" | b"FL" | b"OL" | b"OF" => 4,
        b"FD" | b"OD" | b"SV" | b"UV" | b"OV" => 8,
        _ => return,
    };
    value.chunks_exact_mut(each).for_each(<[u8]>::reverse);
}

/// Every frame uncompressed.
struct Native {
    bytes: Vec<u8>,
    /// More than 8 bits are allocated.
    wide: bool,
    /// The compressed form had lost something already.
    lossy: bool,
}

fn native(path: &Path, file: &DicomFile) -> Result<Native, ReadProblem> {
    let layout = Layout::of(file)?;
    let refused = |what: &str| {
        Err(ReadProblem::Unsupported(format!(
            "the other node takes no {} and {what}",
            file.syntax
        )))
    };
    let grey = layout.samples == 1 && layout.photometric.starts_with("MONOCHROME");
    if !grey {
        return refused("color is not decoded without a loss here");
    }
    if layout.carrier != Carrier::Integer || !matches!(layout.allocated, 8 | 16) {
        return refused("only 8 or 16 bits a pixel are written uncompressed");
    }
    let each = u64::from(layout.allocated / 8);
    let size = [layout.width, layout.height, layout.frames]
        .iter()
        .try_fold(each, |size, n| size.checked_mul(*n as u64));
    if size.is_none_or(|size| size > MOST_VALUE) {
        return refused("uncompressed it is larger than a DICOM value may be");
    }
    let image = open(path).map_err(|error| error.problem)?;
    let mut bytes = Vec::new();
    let mut lossy = false;
    for frame in 0..layout.frames {
        let radiograph = image.frame(frame).map_err(|error| error.problem)?;
        lossy |= radiograph.source.lossy;
        if matches!(radiograph.pixels, Pixels::F32(_)) {
            return refused("its values are no integers of 16 bits");
        }
        for value in radiograph.pixels.to_f32().cells() {
            let [low, high, ..] = (*value as i32).to_le_bytes();
            bytes.push(low);
            if each == 2 {
                bytes.push(high);
            }
        }
    }
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    Ok(Native {
        bytes,
        wide: each == 2,
        lossy,
    })
}
