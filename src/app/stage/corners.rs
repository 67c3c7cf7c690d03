//! The corners of an image: who it is of, what it is, which of how many, how large it is.
//!
//! Separate because one key hides what tells who it is, and that must be decided in one place. How an image is looked
//! at, its window and zoom, is said by the canvas itself, which knows it in the very frame.

use super::Show;
use crate::app::logic::frames;
use crate::app::panel::{self, Shown};
use crate::radiograph::Radiograph;

/// Corners as in any viewer: who, what, how it is looked at, how large it is.
pub(super) fn corner_texts(shown: &Shown<'_>, show: Show) -> [Vec<String>; 4] {
    let mut corners: [Vec<String>; 4] = Default::default();
    let Some(open) = shown.session.open() else {
        return corners;
    };
    let image = open.document().image();
    let [top_left, top_right, bottom_left, bottom_right] = &mut corners;
    bottom_left.extend(frames::title(shown.session));
    if show == Show::Mask {
        // Beside the sketch, which says the rest.
        return corners;
    }
    let hidden = shown.session.hide_identity;
    if !hidden {
        *top_left = identity_lines(image);
    }
    *top_right = facts_lines(image, hidden);
    top_right.extend(shown.planes_line(image));
    *bottom_right = size_lines(image);
    corners
}

/// Who it is of.
pub(super) fn identity_lines(image: &Radiograph) -> Vec<String> {
    let identity = &image.identity;
    [
        &identity.name,
        &identity.id,
        &identity.birth_date,
        &identity.responsible_person,
    ]
    .into_iter()
    .filter(|text| !text.is_empty())
    .cloned()
    .collect()
}

/// What it is; its date and description tell of a person, and are hidden with the rest of who it is.
pub(super) fn facts_lines(image: &Radiograph, hidden: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if !hidden {
        lines.extend(panel::date(&image.identity.study_date));
        let description = image.place.description.trim();
        if !description.is_empty() {
            lines.push(description.chars().take(64).collect());
        }
    }
    let what = [image.modality.as_str(), image.view_position.as_str()];
    let what: Vec<&str> = what
        .into_iter()
        .filter(|text| !text.is_empty() && *text != "OT")
        .collect();
    if !what.is_empty() {
        lines.push(what.join(" "));
    }
    if image.source.bits_stored <= 8 {
        lines.push("8-bit source".to_owned());
    }
    if image.color().is_some() {
        lines.push("color · measured and generated in grey".to_owned());
    }
    lines
}

/// How large it is.
pub(super) fn size_lines(image: &Radiograph) -> Vec<String> {
    let mm = image.spacing.map_or_else(
        || "no scale".to_owned(),
        |s| {
            format!(
                "{:.0} × {:.0} mm ({})",
                s.column_mm * image.width() as f64,
                s.row_mm * image.height() as f64,
                s.source.label()
            )
        },
    );
    let mut lines = vec![format!("{} × {}", image.width(), image.height()), mm];
    let ratio = image.pixel_ratio();
    if (ratio - 1.0).abs() > 1.0e-3 {
        // Said because one to one and sizes in pixels mean less than they seem to.
        let shape = image.spacing.map_or_else(
            || format!("{ratio:.3} times as tall as wide"),
            |s| format!("{:.3} × {:.3} mm", s.column_mm, s.row_mm),
        );
        lines.insert(0, format!("pixels not square: {shape}"));
    }
    lines
}
