//! The seam between what a person asks and what carries it out.
//!
//! Orders, requests, outcomes and events are plain data; an [`Engine`] turns one into the other, on the worker's
//! thread in the window and directly in a headless command. Threads and channels live here and nowhere else.

mod engine;
mod error;
mod fake;
mod order;
mod outcome;
mod prompted;
pub mod record;
mod request;
mod worker;

pub use engine::{Engine, Event, JobId, Observe, Product, Progress};
pub use error::{Error, ErrorKind};
pub use fake::{FAIL_SEED, Fake, HEADLESS_SEED, PANIC_SEED};
pub use order::{
    DataSource, Measurement, Order, Reading, StudyPlan, StudyTable, Trained, TrainingPlan,
    TrainingTask,
};
pub use outcome::{HipReading, Made, Outcome, Seam};
pub use prompted::{ControlUse, LoraUse, Prompted, Scheduler};
pub use request::{
    Attributes, COMPOSITE, Control, GivenNoise, Mode, ModelReference, Request, RingPolicy, Sampler,
    Sex, WarmStart,
};
pub use worker::{BuildEngine, Task, Wake, Worker};
