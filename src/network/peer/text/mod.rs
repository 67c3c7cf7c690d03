//! Text encoders.

mod clip;

pub use clip::{ClipText, Config as ClipTextConfig};
