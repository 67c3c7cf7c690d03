//! Schedules, samplers, control, in- and outpainting: a request becomes an outcome. Owns no weights.

pub mod composite;
pub mod crop;
mod finish;
mod generate;
pub mod grey;
mod plan;
pub mod prompted;
mod readings;
pub mod resize;
pub mod sampler;
pub mod schedule;

pub use generate::{ControlModel, Generator, generate};
pub use prompted::{check_model, generate_prompted};
pub use readings::{HipModel, ReaderModel, Readers, read_findings, read_hips, read_saliency};
