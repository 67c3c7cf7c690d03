//! Which frames of a Segmentation lie on an image, and what they are called (PS3.3 C.8.20, C.7.6.16).
//!
//! Separate because one object may hold the masks of a whole series, a frame each.

use super::{INSTANCE, referenced};
use crate::radiograph::dicom::dataset::Elements;
use crate::radiograph::dicom::file::DicomFile;
use crate::radiograph::dicom::values::{Kind, View};
use crate::radiograph::error::ReadProblem;

/// SOP classes of masks: Segmentation Storage, and Label Map Segmentation Storage.
pub(in crate::radiograph) const SEGMENTATION: [&str; 2] = [
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.66.7",
];

/// A frame of masks.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::radiograph) struct MaskFrame {
    /// Its number in the file, from 0.
    pub(in crate::radiograph) frame: usize,
    /// Segment Number.
    pub(in crate::radiograph) segment: usize,
    /// Segment Label.
    pub(in crate::radiograph) label: String,
    /// Segment Algorithm Name, where it was not drawn by hand.
    pub(in crate::radiograph) algorithm: Option<String>,
    /// Stored values from this one on are inside.
    pub(in crate::radiograph) least: f64,
}

/// The frames that lie on the image of this SOP Instance UID, in the order of the file.
///
/// `frame` is the frame of the image, from 1, where it has several.
///
/// # Errors
/// The file is no segmentation, one of label maps, or one of another image.
pub(in crate::radiograph) fn masks_on(
    file: &DicomFile,
    instance: &str,
    frame: Option<usize>,
) -> Result<Vec<MaskFrame>, ReadProblem> {
    let view = file.view();
    let class = file.class().unwrap_or_default();
    match SEGMENTATION.iter().position(|known| *known == class) {
        Some(0) => {}
        Some(_) => {
            return Err(ReadProblem::Unsupported(
                "a Label Map Segmentation; ask for a Segmentation with one bit a pixel".to_owned(),
            ));
        }
        None => {
            return Err(ReadProblem::NoImage(
                "it is no DICOM Segmentation".to_owned(),
            ));
        }
    }
    let whole = referenced(view);
    let shared = view.item(0x5200_9229);
    let shared = shared.as_ref().map(|item| view.of(item));
    let groups = view.items(0x5200_9230);
    let frames = view.count(0x0028_0008, Kind::Text).unwrap_or(1).max(1);
    // Fractional masks count as inside from half on.
    let most = view.number(0x0062_000E, Kind::Short);
    let least = match view.text(0x0062_0001).as_str() {
        "FRACTIONAL" => most.unwrap_or(255.0) / 2.0,
        _ => 1.0,
    };
    let names = view.items(0x0062_0002);
    let mut found = Vec::new();
    // A declared number of frames costs nothing: what has no group of its own is taken at most once.
    for number in 0..frames.min(groups.len().max(1)) {
        let own = groups.get(number).map(|item| view.of(item));
        let sources = [own, shared]
            .into_iter()
            .flatten()
            .map(sources)
            .find(|sources| !sources.is_empty());
        let fits = match &sources {
            Some(sources) => sources.iter().any(|(uid, frames)| {
                let this = frame.is_none_or(|f| frames.is_empty() || frames.contains(&f));
                uid == instance && this
            }),
            None => whole.iter().any(|uid| uid == instance),
        };
        if !fits {
            continue;
        }
        let segment = [own, shared]
            .into_iter()
            .flatten()
            .find_map(|group| {
                let item = group.item(0x0062_000A)?;
                group.of(&item).count(0x0062_000B, Kind::Short)
            })
            .unwrap_or(number + 1);
        found.push(named(view, &names, segment, number, least));
    }
    if found.is_empty() {
        let about = match whole.first() {
            Some(other) if other != instance => format!("it belongs to the image {other}"),
            Some(_) => "it has no mask of this frame".to_owned(),
            None => "it does not say which image it belongs to".to_owned(),
        };
        return Err(ReadProblem::NoImage(format!(
            "these are masks of another image: {about}"
        )));
    }
    Ok(found)
}

/// Derivation Image Sequence: images, and their frames where they have several.
fn sources(group: View<'_>) -> Vec<(String, Vec<usize>)> {
    let mut found = Vec::new();
    for derivation in &group.items(0x0008_9124) {
        let derivation = group.of(derivation);
        for source in &derivation.items(0x0008_2112) {
            let source = derivation.of(source);
            let frames = source.numbers(0x0008_1160, Kind::Text);
            let frames = frames.into_iter().map(|n| n.max(0.0) as usize).collect();
            found.push((source.text(INSTANCE), frames));
        }
    }
    found
}

fn named(
    view: View<'_>,
    names: &[Elements],
    segment: usize,
    frame: usize,
    least: f64,
) -> MaskFrame {
    let charsets = view.texts(0x0008_0005);
    let item = names
        .iter()
        .map(|item| view.of(item))
        .find(|item| item.count(0x0062_0004, Kind::Short) == Some(segment));
    let text = |tag| item.map_or_else(String::new, |item| item.free_text(tag, &charsets));
    let by_hand = matches!(text(0x0062_0008).as_str(), "MANUAL" | "");
    let label = text(0x0062_0005);
    MaskFrame {
        frame,
        segment,
        label: if label.is_empty() {
            format!("mask {segment}")
        } else {
            label
        },
        algorithm: Some(text(0x0062_0009)).filter(|name| !by_hand && !name.is_empty()),
        least,
    }
}
