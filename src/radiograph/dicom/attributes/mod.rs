//! What the attributes beside the pixels mean: look-up tables, windows, palettes, spacing, overlays, place in a series.
//!
//! Separate from finding and decoding pixels because each of these is a page of the standard of its own.

pub(super) mod lut;
pub(super) mod overlay;
pub(super) mod palette;
pub(super) mod place;
pub(super) mod spacing;
