//! Schedules, samplers, control, in- and outpainting: a request becomes an outcome. Owns no weights.

pub mod composite;
pub mod crop;
mod finish;
mod generate;
pub mod grey;
mod plan;
mod readings;
pub mod resize;
pub mod sampler;
pub mod schedule;

pub use finish::line_distance;
pub use generate::{ControlModel, Generator, generate, rebuilt};
pub use readings::{
    HipDetailModel, HipModel, ReaderModel, Readers, read_features, read_findings, read_hips,
    read_saliency,
};
