//! Objects about an image: masks, reports, presentation states; which image they belong to.
//!
//! Separate because none of them is an image: a person who opens one is told what it is and what to open instead.

mod masks;

use super::layout::class_name;
use super::values::View;

pub(in crate::radiograph) use masks::{SEGMENTATION, masks_on};

/// Referenced SOP Instance UID.
const INSTANCE: u32 = 0x0008_1155;
const SERIES: u32 = 0x0008_1115;

/// SOP Instance UIDs of the images that an object is about, each once, in the order in which it names them.
///
/// Referenced Series Sequence of segmentations and presentation states, evidence of reports (PS3.3 C.7.2.3, C.11.10,
/// C.17.2).
pub(super) fn referenced(view: View<'_>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut add = |view: View<'_>| {
        for series in &view.items(SERIES) {
            let series = view.of(series);
            for list in [0x0008_114A, 0x0008_1140, 0x0008_1199] {
                for item in &series.items(list) {
                    let instance = series.of(item).some_text(INSTANCE);
                    found.extend(instance.filter(|uid| !found.contains(uid)));
                }
            }
        }
    };
    add(view);
    for evidence in [0x0040_A375, 0x0040_A385] {
        for study in &view.items(evidence) {
            add(view.of(study));
        }
    }
    found
}

/// Which image an object belongs to, for a person; empty where it does not say.
pub(super) fn belongs(view: View<'_>) -> String {
    match referenced(view).as_slice() {
        [] => String::new(),
        [one] => format!("it belongs to the image {one}"),
        [first, more @ ..] => format!("it belongs to {} images, the first {first}", more.len() + 1),
    }
}

/// What is said about masks that are opened as if they were an image; `None` for everything else.
pub(super) fn about_masks(view: View<'_>, class: Option<&str>) -> Option<String> {
    let class = class.filter(|class| SEGMENTATION.contains(class))?;
    let belongs = belongs(view);
    let comma = if belongs.is_empty() { "" } else { "; " };
    Some(format!(
        "this is a {} and no image{comma}{belongs}",
        class_name(class)
    ))
}
