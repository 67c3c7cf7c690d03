//! Training: data from phantoms and folders, one lesson a network, one loop for all.
//!
//! Separate from `network`, which only knows layers, and from `synthesis`, which owns no weights. A run is a pure
//! function of its plan and the step: batches, augmentation and noise are keyed by seed and step, so a resumed run
//! equals an unbroken one bit for bit.

pub mod checkpoint;
pub mod data;
pub mod lesson;
pub mod loss;
pub mod optimizer;
pub mod patches;
pub mod recipe;
pub mod speed;
mod start;
pub mod trainer;

use candle_core::DType;

use crate::job::{Error, ErrorKind, Observe, Trained, TrainingPlan, TrainingTask};
use crate::network::device::Place;
use crate::network::folder::ModelError;

/// Where training runs when networks run at `place`: in f32, and never on Metal.
///
/// The tensor library gives wrong gradients of convolutions there (its kernels ignore the strides of a kernel that is
/// not contiguous), so that the processor trains instead; the second value says so.
pub fn place(place: Place) -> (Place, Option<String>) {
    if place.device.is_metal() {
        let notice = "training runs on the processor: gradients on Metal are not reliable";
        return (Place::default(), Some(notice.to_owned()));
    }
    let dtype = DType::F32;
    (Place { dtype, ..place }, None)
}

/// Carries a training plan out: reads or draws its data, trains, measures, and leaves a model folder in `plan.out`.
///
/// Calls `observe` before every step; on `Break` it writes a checkpoint and gives [`Error::stopped`].
pub fn carry_out(
    plan: &TrainingPlan,
    place: &Place,
    observe: &mut Observe<'_>,
) -> Result<Trained, Error> {
    let recipe = recipe::Recipe::from_value(&plan.recipe)?;
    let mut data = data::load(plan, &recipe, observe)?;
    let start = start::Start::open(&recipe)?;
    if let Some(start) = &start {
        data.names = start.names(&data.names)?;
    }
    let mut lesson = lesson::begin(plan, &recipe, data, place)?;
    if let Some(start) = &start {
        start.give(lesson.weights())?;
    }
    trainer::train(plan, &recipe, lesson.as_mut(), observe)
}

/// The lower-case name of a task, as on the command line.
pub const fn task_name(task: TrainingTask) -> &'static str {
    match task {
        TrainingTask::Autoencoder => "autoencoder",
        TrainingTask::Diffusion => "diffusion",
        TrainingTask::Control => "control",
        TrainingTask::Reader => "reader",
        TrainingTask::Hips => "hips",
        TrainingTask::HipDetail => "hip-detail",
        TrainingTask::Refiner => "refiner",
        TrainingTask::Student => "student",
    }
}

/// An error of the tensor library, for a person.
fn tensors(error: &candle_core::Error) -> Error {
    Error::new(ErrorKind::Failed, format!("the network failed: {error}"))
}

/// An error of a model folder.
fn model(error: &ModelError) -> Error {
    Error::new(ErrorKind::Model, error.to_string())
}
