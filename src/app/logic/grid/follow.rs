//! What of one view another takes over: zoom, pan, window, each for itself.
//!
//! Separate because it is arithmetic on two views and knows nothing of where they are shown.

use crate::app::canvas::View;
use crate::app::canvas::view::{MAX_ZOOM, MIN_ZOOM};
use crate::radiograph::{DisplayWindow, Radiograph};

/// What of a view's place goes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    /// How large the image is shown.
    pub zoom: bool,
    /// Which part of it is in the middle.
    pub pan: bool,
}

/// How the window of one image goes with that of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Windows {
    /// Not at all.
    Apart,
    /// The same numbers: values of one scale, as Hounsfield units are.
    Same,
    /// The same change: values of the same kind, whose scale is each image's own.
    Alike,
}

/// How the windows of two images can go together.
pub(crate) fn windows(a: &Radiograph, b: &Radiograph, linked: bool) -> Windows {
    if !linked || a.modality != b.modality || a.modality_unit != b.modality_unit {
        Windows::Apart
    } else if a.modality_unit.is_empty() {
        Windows::Alike
    } else {
        Windows::Same
    }
}

/// Takes over what goes together from a view that changed from `before` to `now`.
pub(crate) fn follow(before: &View, now: &View, to: &mut View, places: Places, windows: Windows) {
    follow_place(before, now, to, places);
    if windows == Windows::Apart {
        return;
    }
    to.invert = now.invert;
    if windows == Windows::Same || to.window == before.window {
        to.window.clone_from(&now.window);
        return;
    }
    let width = to.window.width * (now.window.width / before.window.width);
    let moved = (now.window.center - before.window.center) / before.window.width;
    let next = DisplayWindow {
        center: to.window.center + moved * to.window.width,
        width,
        ..to.window.clone()
    };
    if next.is_usable() {
        to.window = next;
    }
}

fn follow_place(before: &View, now: &View, to: &mut View, Places { zoom, pan }: Places) {
    let stays = (before.fitted, before.center, before.zoom) == (now.fitted, now.center, now.zoom);
    if !zoom && !pan || (stays && !(zoom && pan)) {
        return;
    }
    let ratio = |a: usize, b: usize| b.max(1) as f64 / a.max(1) as f64;
    let (x, y) = (
        ratio(now.image_size.0, to.image_size.0),
        ratio(now.image_size.1, to.image_size.1),
    );
    // As much of the image is seen, however many pixels it has and of whatever shape.
    let larger = x.max(y * to.pixel_ratio / now.pixel_ratio);
    let zoomed = |zoom: f64| (zoom / larger).clamp(MIN_ZOOM, MAX_ZOOM);
    if zoom && pan {
        to.fitted = now.fitted;
        to.center = now.center.scaled(x, y);
        to.zoom = zoomed(now.zoom);
    } else if zoom && now.fitted {
        to.fit();
    } else {
        // What does not go along stays as it is seen, also in an image that was fitted.
        let (own_center, own_zoom) = to.place();
        let (center, size) = now.place();
        to.fitted = false;
        to.center = if pan { center.scaled(x, y) } else { own_center };
        to.zoom = if zoom { zoomed(size) } else { own_zoom };
    }
}
