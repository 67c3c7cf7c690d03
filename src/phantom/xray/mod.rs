//! The X-ray core shared by every projection phantom: solids, beam, detector, film.
//!
//! The way of one film: solids are rasterised to [`Patch`]es of chords (cm) through one [`View`]; patches are summed to
//! path lengths a material ([`Paths`]); a [`Spectrum`] turns those into `p = -ln(I/I0)`; [`detector`] adds scatter,
//! blur and noise; [`film`] makes a displayed film of it. World frame: millimetres, x to the right of the film, y down,
//! z from the detector (z = 0) toward the tube. Separate from the anatomy so that every kind shares one physics.

pub mod detector;
pub mod film;
pub mod letters;
mod material;
mod paths;
pub mod shape;
mod space;
mod texture;

pub use crate::signal::blur;
pub use material::{Material, Spectrum, Technique};
pub use paths::{Patch, Paths};
pub use space::{Projected, Rotation, Vec3, View};
pub use texture::{PowerLaw, Texture, power_law};
