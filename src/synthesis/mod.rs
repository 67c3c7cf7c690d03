//! Schedules, samplers, control, in- and outpainting: a request becomes an outcome. Owns no weights.

mod film;
mod generate;
pub mod kept;
mod plan;
pub mod prompted;
mod readings;
mod refine;
pub mod sampler;
pub mod schedule;
mod tiled;

pub use film::{composite, crop, denoised, frame, grey, line_distance};
pub use generate::{ControlModel, Generator, generate, rebuilt};
pub use prompted::{check_model, generate_prompted};
pub use readings::{
    HipDetailModel, HipModel, LEAST_AREA, ReaderModel, Readers, looks_of, read_features,
    read_findings, read_hips, read_hips_asking, read_kind, read_saliency, told_by_angles,
};
pub use refine::RefinerModel;
