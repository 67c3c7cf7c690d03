//! DICOM files to radiographs.
//!
//! Separate because a DICOM file is a small world of its own; nothing outside this folder knows a tag. The parser is
//! our own (a file is untrusted, and real files break the rules); code streams go to decoders of other projects.

mod attributes;
mod codec;
mod dataset;
mod deidentify;
mod directory;
pub mod exchange;
mod file;
mod frames;
mod layout;
mod objects;
mod readback;
mod samples;
mod values;
mod written;

use super::error::ReadProblem;
use super::{FileKind, Identity, Photometric, Radiograph, Source, SyntheticMark, luminance};
use attributes::palette::Palette;
use attributes::{lut, overlay, spacing};
use frames::FrameBytes;
use values::{Kind, View};

pub(super) use codec::{Color, Words, decode_jpeg};
pub(super) use deidentify::deidentify;
pub(super) use directory::{is_directory, referenced};
pub(super) use file::{DicomFile, looks_like_dicom, parse};
pub(super) use layout::Layout;
pub(super) use objects::{SEGMENTATION, masks_on};
pub(super) use readback::{Presented, presented, report_numbers};

/// Where a file belongs, without a look at its pixels.
pub(super) fn place(file: &DicomFile) -> super::series::Place {
    attributes::place::place(file.view())
}

/// What stands over its study in a list.
pub(super) fn heading(file: &DicomFile) -> super::series::Heading {
    attributes::place::heading(file.view())
}

/// Whether a file holds masks of an image, and no image.
pub(super) fn is_masks(file: &DicomFile) -> bool {
    let class = file.class();
    class.is_some_and(|class| SEGMENTATION.contains(&class.as_str()))
}

/// Decodes one frame.
pub(super) fn read_frame(
    file: &DicomFile,
    layout: &Layout,
    frame: usize,
) -> Result<Radiograph, ReadProblem> {
    if frame >= layout.frames {
        return Err(ReadProblem::NoFrame {
            frame,
            frames: layout.frames,
        });
    }
    let view = file.view();
    let mut notes = file.notes.clone();
    if let Some(broken) = &file.elements.broken {
        notes.push(format!("the file is cut short: {broken}"));
    }
    notes.extend(layout.fewer_frames.clone());
    let photometric = polarity(layout, &mut notes)?;
    let palette = if layout.photometric == "PALETTE COLOR" {
        notes.push("palette color was reduced to luminance (Rec. 601)".to_owned());
        Some(Palette::of(view, layout.signed)?)
    } else {
        None
    };
    let mut overlays = Vec::new();
    let has_overlays = file
        .elements
        .list
        .iter()
        .any(|e| e.tag >> 16 & 0xFFE0 == 0x6000);
    let frame_bytes = frames::frame_bytes(file, layout, frame)?;
    if has_overlays {
        let native = match &frame_bytes {
            FrameBytes::Native(bytes, 0) => Some(&**bytes),
            _ => None,
        };
        overlays = overlay::overlays(view, frame, layout, native, &mut notes);
    }
    let sampled = match frame_bytes {
        FrameBytes::Native(bytes, skipped) => {
            let big = file.syntax == file::GE_PRIVATE
                || file
                    .elements
                    .find(layout.carrier.tag())
                    .is_some_and(|element| element.encoding.big);
            samples::native(&bytes, skipped, layout, big, palette.as_ref())?
        }
        FrameBytes::Encoded(stream) if file.syntax == file::DEFLATED_FRAME => {
            let bytes = file::inflate(&stream)?;
            let needed = layout.native_samples() as u64 * u64::from(layout.allocated);
            if (bytes.len() as u64) < needed.div_ceil(8) {
                return Err(ReadProblem::Damaged(format!(
                    "the deflated frame {frame} has {} bytes, {} are needed",
                    bytes.len(),
                    needed.div_ceil(8)
                )));
            }
            let bytes = &bytes[..needed.div_ceil(8) as usize];
            samples::native(bytes, 0, layout, false, palette.as_ref())?
        }
        FrameBytes::Encoded(stream) => {
            let coded = codec::decode(&stream, &file.syntax, layout)?;
            samples::coded(coded, layout, palette.as_ref())?
        }
    };
    notes.extend(rounded(&sampled.pixels, layout));
    let mut radiograph = Radiograph::from_pixels(sampled.pixels).with_color(sampled.color);
    radiograph.frame = frame;
    radiograph.frames = layout.frames;
    radiograph.photometric = photometric;
    radiograph.overlays = overlays;
    describe(&mut radiograph, view, file, layout, &mut notes);
    // What it is comes before what was assumed about it.
    let about = objects::about_masks(view, radiograph.source.sop_class.as_deref());
    if let Some(about) = about {
        notes.insert(0, about);
    }
    radiograph.notes = notes;
    Ok(radiograph)
}

/// Decodes one frame at about a fraction of its size, its longer side at least `least` pixels where it has so many.
///
/// `None` where its code stream cannot be decoded in part, or would not be any smaller, or still be large.
pub(super) fn read_reduced(
    file: &DicomFile,
    layout: &Layout,
    frame: usize,
    least: usize,
) -> Option<Result<Radiograph, ReadProblem>> {
    let Ok(FrameBytes::Encoded(stream)) = frames::frame_bytes(file, layout, frame) else {
        return None;
    };
    let longest = layout.width.max(layout.height);
    let halved = (0..=codec::halvings(&stream))
        .take_while(|n| longest.checked_shr(*n).unwrap_or(0) >= least.max(1))
        .last()
        .filter(|halved| *halved > 0 && longest >> halved < 4 * least.max(1))?;
    Some(reduced(file, layout, frame, &stream, halved))
}

fn reduced(
    file: &DicomFile,
    layout: &Layout,
    frame: usize,
    stream: &[u8],
    halved: u32,
) -> Result<Radiograph, ReadProblem> {
    let view = file.view();
    let mut notes = Vec::new();
    let photometric = polarity(layout, &mut notes)?;
    let palette = match layout.photometric.as_str() {
        "PALETTE COLOR" => Some(Palette::of(view, layout.signed)?),
        _ => None,
    };
    let coded = codec::decode_halved(stream, layout, halved)?;
    let smaller = Layout {
        width: coded.width,
        height: coded.height,
        ..layout.clone()
    };
    let sampled = samples::coded(coded, &smaller, palette.as_ref())?;
    let mut radiograph = Radiograph::from_pixels(sampled.pixels).with_color(sampled.color);
    radiograph.frame = frame;
    radiograph.frames = layout.frames;
    radiograph.photometric = photometric;
    describe(&mut radiograph, view, file, layout, &mut notes);
    Ok(radiograph)
}

/// What is said where values are kept as floats of 32 bits, which hold 24 bits, and need more.
fn rounded(pixels: &super::Pixels, layout: &Layout) -> Option<String> {
    let wide = match layout.carrier {
        layout::Carrier::Float => false,
        layout::Carrier::Double => true,
        layout::Carrier::Integer => {
            layout.stored > 24 && {
                let (low, high) = pixels.range();
                high.max(-low) > 16_777_216.0
            }
        }
    };
    wide.then(|| "values are kept as floats of 32 bits, rounded where they need more".to_owned())
}

/// Whether low is black, and a refusal of color spaces that are not read.
fn polarity(layout: &Layout, notes: &mut Vec<String>) -> Result<Photometric, ReadProblem> {
    let written = layout.photometric.as_str();
    if layout.samples == 3 {
        notes.push(luminance::NOTE.to_owned());
    }
    match (layout.samples, written) {
        (1, "MONOCHROME1") => Ok(Photometric::Monochrome1),
        (1, "MONOCHROME2" | "PALETTE COLOR") => Ok(Photometric::Monochrome2),
        (3, "RGB" | "YBR_FULL" | "YBR_FULL_422" | "YBR_PARTIAL_422" | "YBR_ICT" | "YBR_RCT") => {
            Ok(Photometric::Monochrome2)
        }
        (3, "YBR_PARTIAL_420") | (_, "HSV" | "ARGB" | "CMYK") => Err(ReadProblem::Unsupported(
            format!("Photometric Interpretation (0028,0004) {written}"),
        )),
        (samples, other) => {
            let taken = if samples == 1 { "MONOCHROME2" } else { "RGB" };
            notes.push(format!(
                "Photometric Interpretation (0028,0004) '{other}' with {samples} samples was taken as {taken}"
            ));
            Ok(Photometric::Monochrome2)
        }
    }
}

/// Everything but the pixels.
fn describe(
    radiograph: &mut Radiograph,
    view: View<'_>,
    file: &DicomFile,
    layout: &Layout,
    notes: &mut Vec<String>,
) {
    let frame = radiograph.frame;
    let grey = layout.samples == 1 && layout.photometric != "PALETTE COLOR";
    if grey {
        let (transform, unit) = lut::modality(view, frame, layout.signed, notes);
        let negative = layout.signed
            || matches!(&transform, super::ModalityTransform::Linear { intercept, .. } if *intercept < 0.0);
        radiograph.modality_transform = transform;
        radiograph.modality_unit = unit;
        radiograph.windows = lut::windows(view, frame);
        radiograph.voi_tables = lut::voi_tables(view, frame, negative);
        radiograph.padding = padding(view, layout.signed);
    }
    radiograph.modality = view
        .some_text(0x0008_0060)
        .unwrap_or_else(|| "OT".to_owned());
    radiograph.spacing = spacing::spacing(view, frame, notes);
    radiograph.calibration = view
        .some_text(0x0028_0A02)
        .map(|kind| [kind, view.text(0x0028_0A04)]);
    radiograph.burned_in = view
        .some_text(0x0028_0301)
        .filter(|said| matches!(said.as_str(), "YES" | "NO"))
        .unwrap_or_default();
    if radiograph.spacing.is_none() {
        radiograph.aspect = spacing::aspect(view);
    }
    radiograph.view_position = view.text(0x0018_5101);
    radiograph.source = Source {
        path: None,
        kind: FileKind::Dicom,
        transfer_syntax: Some(file.syntax.clone()),
        sop_class: file.class(),
        sop_instance: view.some_text(0x0008_0018),
        study: view.some_text(0x0020_000D),
        photometric: layout.photometric.clone(),
        bits_stored: layout.stored,
        signed: layout.signed || layout.carrier != layout::Carrier::Integer,
        lossy: view.text(0x0028_2110) == "01" || lossy_syntax(&file.syntax),
    };
    let charsets = view.texts(0x0008_0005);
    radiograph.identity = Identity {
        name: view.free_text(0x0010_0010, &charsets),
        id: view.free_text(0x0010_0020, &charsets),
        birth_date: view.text(0x0010_0030),
        responsible_person: view.free_text(0x0010_2297, &charsets),
        sex: view.text(0x0010_0040),
        study_date: view.text(0x0008_0020),
        study_time: view.text(0x0008_0030),
        study_id: view.free_text(0x0020_0010, &charsets),
        accession: view.free_text(0x0008_0050, &charsets),
        physician: view.free_text(0x0008_0090, &charsets),
    };
    radiograph.synthetic = synthetic_mark(view, &charsets);
    radiograph.place = attributes::place::place(view);
    radiograph.orientation = attributes::place::orientation(view, frame);
}

/// Transfer syntaxes that cannot be lossless: JPEG baseline and extended.
fn lossy_syntax(uid: &str) -> bool {
    matches!(uid, "1.2.840.10008.1.2.4.50" | "1.2.840.10008.1.2.4.51")
}

/// Pixel Padding Value and Range Limit (C.7.5.1.1.2).
fn padding(view: View<'_>, signed: bool) -> Option<(f64, f64)> {
    let kind = if signed {
        Kind::SignedShort
    } else {
        Kind::Short
    };
    // Written US for signed pixels, or the other way round: the sign of the pixels holds.
    let fit = |value: f64| match (signed, value) {
        (true, v) if v > 32767.0 => v - 65536.0,
        (false, v) if v < 0.0 => v + 65536.0,
        (_, v) => v,
    };
    let value = fit(view.number(0x0028_0120, kind)?);
    let limit = view.number(0x0028_0121, kind).map_or(value, fit);
    Some((value.min(limit), value.max(limit)))
}

/// Synthetic Data (0008,001C), Conversion Type (0008,0064), Contributing Equipment (0018,A001).
fn synthetic_mark(view: View<'_>, charsets: &[String]) -> Option<SyntheticMark> {
    let mut evidence = Vec::new();
    if view.text(0x0008_001C) == "YES" {
        evidence.push("Synthetic Data (0008,001C) is YES");
    }
    if view.text(0x0008_0064) == "SYN" {
        evidence.push("Conversion Type (0008,0064) is SYN");
    }
    if evidence.is_empty() {
        return None;
    }
    let contributions: Vec<String> = view
        .items(0x0018_A001)
        .iter()
        .map(|item| view.of(item).free_text(0x0018_A003, charsets))
        .filter(|text| !text.is_empty())
        .collect();
    Some(SyntheticMark {
        evidence: evidence.join(", "),
        contribution: contributions.join("; "),
    })
}
