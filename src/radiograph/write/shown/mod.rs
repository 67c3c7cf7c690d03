//! How an image is to be shown, in the standard's words: curves, windows, turns, the area in sight, and millimetres.
//!
//! Separate because an image and a presentation state say the same things and must say them alike.

mod look;
mod luts;
mod spacing;

pub use look::Look;
pub(super) use look::put_view;
pub(super) use luts::{put_modality, put_voi};
pub(super) use spacing::put_spacing;

pub(in crate::radiograph) use look::{displayed, is_inverse};
pub(in crate::radiograph) use luts::written_displays;
