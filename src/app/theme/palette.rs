//! Colors of the canvas, Okabe–Ito for meaning; each comes with a second cue (pattern, shape or letter).
//!
//! Separate so that the theme can take them over in one place.

use egui::Color32;

/// Ground around the image.
pub const GROUND: Color32 = Color32::from_rgb(0x0F, 0x11, 0x13);
/// Text on the image.
pub const TEXT: Color32 = Color32::from_rgb(0xD6, 0xDA, 0xDE);
/// Less important text.
pub const DIM: Color32 = Color32::from_rgb(0x8B, 0x94, 0x9C);
/// Sketch ink.
pub const SKETCH: Color32 = Color32::from_rgb(0x56, 0xB4, 0xE9);
/// What will be regenerated, hatched.
pub const REGENERATE: Color32 = Color32::from_rgb(0xE6, 0x9F, 0x00);
/// What is kept.
pub const KEPT: Color32 = Color32::from_rgb(0x00, 0x9E, 0x73);
/// Landmarks and measures.
pub const LANDMARK: Color32 = Color32::from_rgb(0xF0, 0xE4, 0x42);
/// The patient's right, with the letter R and round handles.
pub const RIGHT: Color32 = Color32::from_rgb(0x56, 0xB4, 0xE9);
/// The patient's left, with the letter L and square handles.
pub const LEFT: Color32 = Color32::from_rgb(0xD5, 0x5E, 0x00);
/// The synthetic badge.
pub const SYNTHETIC: Color32 = Color32::from_rgb(0xCC, 0x79, 0xA7);
/// Dark halo under lines and text, so that they stand on white as on black.
pub const HALO: Color32 = Color32::from_rgba_premultiplied(0, 0, 0, 170);
