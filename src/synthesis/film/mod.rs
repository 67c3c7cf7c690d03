//! The film's side of a generation, at its own depth and resolution: which part is shown to a model, how grey becomes
//! stored values again, and what of it is put into the image.
//!
//! Separate from the networks: nothing here knows what paints the grey.

mod before;
pub mod composite;
pub mod crop;
mod finish;
pub mod frame;
mod grain;
pub mod grey;
pub(in crate::synthesis) mod outline;
pub(super) mod tiles;

pub use finish::line_distance;
pub use outline::denoised;
