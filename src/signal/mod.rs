//! Filters and transforms of images that several layers need: blur, bands, area averages, Fourier.
//!
//! Ground: pure functions of grids and slices, so that phantoms and measurements share one piece of code.

pub mod atrous;
pub mod blur;
pub mod fill;
pub mod fourier;
pub mod lanczos;
pub mod resize;
