//! Schedules, samplers, control, in- and outpainting: a request becomes an outcome. Owns no weights.

pub mod composite;
pub mod crop;
mod generate;
pub mod grey;
mod readings;
pub mod resize;
pub mod sampler;

pub use generate::{Generator, generate, latent_mask};
pub use readings::{HipModel, ReaderModel, Readers, read_findings, read_hips, read_saliency};
