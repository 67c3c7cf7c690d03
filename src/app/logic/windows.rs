//! The windows that can be chosen: those the file names, then the presets of its modality.
//!
//! Separate because menu, keys and palette count them alike.

use crate::radiograph::{DisplayWindow, Radiograph};

/// Window presets of a modality: name, (center, width).
fn presets(modality: &str) -> &'static [(&'static str, (f64, f64))] {
    match modality {
        "CT" => &[
            ("Soft tissue", (40.0, 400.0)),
            ("Lung", (-600.0, 1500.0)),
            ("Liver", (90.0, 150.0)),
            ("Bone", (480.0, 2500.0)),
            ("Brain", (40.0, 80.0)),
        ],
        _ => &[],
    }
}

/// The windows of an image with what a person reads, in the order in which keys count them.
pub(crate) fn list(image: &Radiograph) -> Vec<(String, DisplayWindow)> {
    let own = image
        .displays()
        .into_iter()
        .enumerate()
        .map(|(n, display)| {
            let kind = if display.table.is_some() {
                "VOI LUT".to_owned()
            } else {
                format!("{:.0} / {:.0}", display.center, display.width)
            };
            let title = match display.explanation.trim() {
                "" => format!("File {}: {kind}", n + 1),
                explanation => format!("{explanation} ({kind})"),
            };
            (title, display)
        });
    let presets = presets(&image.modality).iter().map(|(name, range)| {
        let (center, width) = *range;
        let window = DisplayWindow {
            center,
            width,
            explanation: (*name).to_owned(),
            ..DisplayWindow::from_range(0.0, 1.0)
        };
        ((*name).to_owned(), window)
    });
    own.chain(presets).collect()
}
