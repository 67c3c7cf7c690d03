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

use checkpoint::Identity;
use data::DataSet;
use recipe::Recipe;

use crate::job::{DataSource, Error, ErrorKind, Observe, Trained, TrainingPlan, TrainingTask};
use crate::network::device::{Place, is_device_failure};
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
/// Calls `observe` before every step; on `Break` it writes a checkpoint and gives [`Error::stopped`]. A GPU that fails
/// on the way is told to `notice`, and the run goes on on the processor, from its last checkpoint.
pub fn carry_out(
    plan: &TrainingPlan,
    place: &Place,
    observe: &mut Observe<'_>,
    notice: &mut dyn FnMut(&str),
) -> Result<Trained, Error> {
    let before = written(plan);
    on_another_device(place.is_gpu(), |gave_up| {
        let Some(why) = gave_up else {
            return attempt(plan, place, observe, notice);
        };
        notice(&format!(
            "the GPU failed ({why}): training goes on on the processor"
        ));
        let plan = TrainingPlan {
            // A checkpoint from before this run is not this run's.
            resume: plan.resume || written(plan) != before,
            ..plan.clone()
        };
        attempt(&plan, &Place::default(), observe, notice)
    })
}

/// When the checkpoint of a plan was written last.
fn written(plan: &TrainingPlan) -> Option<std::time::SystemTime> {
    let about = std::fs::metadata(plan.out.join(checkpoint::CHECKPOINT)).ok()?;
    about.modified().ok()
}

/// Runs `run`, and where a GPU fails in it once more with the reason.
fn on_another_device<T>(
    on_gpu: bool,
    mut run: impl FnMut(Option<&str>) -> Result<T, Error>,
) -> Result<T, Error> {
    match run(None) {
        Err(error) if on_gpu && is_device_failure(&error.what) => run(Some(&error.what)),
        other => other,
    }
}

fn attempt(
    plan: &TrainingPlan,
    place: &Place,
    observe: &mut Observe<'_>,
    notice: &mut dyn FnMut(&str),
) -> Result<Trained, Error> {
    let recipe = Recipe::from_value(&plan.recipe)?;
    if recipe.checkpointing && !goes_block_by_block(plan.task) {
        let what = format!(
            "`checkpointing` is not built for the lesson {}",
            task_name(plan.task)
        );
        return Err(Error::new(ErrorKind::Usage, what)
            .remedy("take it out of the recipe; diffusion, refiner and student have it"));
    }
    let mut data = data::load(plan, &recipe, observe)?;
    let start = start::Start::open(&recipe)?;
    if let Some(start) = &start {
        data.names = start.names(&data.names)?;
    }
    let mut identity = identity(plan, &recipe, &data);
    let mut lesson = lesson::begin(plan, &recipe, data, place)?;
    if let Some(start) = &start {
        start.give(lesson.weights())?;
    }
    if !plan.resume && written(plan).is_some() {
        notice(&format!(
            "another run was in {}: it is kept as {}",
            plan.out.display(),
            checkpoint::BEFORE
        ));
    }
    identity.models = lesson.stands_on().join(" ");
    trainer::train(plan, &recipe, lesson.as_mut(), &identity, observe)
}

/// What a run is of. Steps, rates and folders may change between its sessions.
fn identity(plan: &TrainingPlan, recipe: &Recipe, data: &DataSet) -> Identity {
    let (source, images) = match &plan.data {
        DataSource::Folder(_) => ("a folder".to_owned(), data.hash()),
        DataSource::Phantoms { kinds, seed, count } => (
            format!("{count} phantoms of each {} from {seed}", kinds.join(" ")),
            String::new(),
        ),
    };
    let run = format!(
        "{} on {source}{}, {} px of {}, crops of {}, {} a batch, {} held out, seed {}, network {}",
        task_name(plan.task),
        if recipe.independent {
            ", heads of their own"
        } else {
            ""
        },
        recipe.size,
        recipe.film_size(),
        recipe.crop,
        recipe.batch,
        recipe.held_out,
        recipe.seed,
        recipe.network,
    );
    let names = [&data.names.kinds, &data.names.findings].map(|names| names.join(" "));
    Identity {
        run,
        images,
        names: names.join("; "),
        models: String::new(),
    }
}

/// Whether a lesson can keep one block of its network in memory at a time.
const fn goes_block_by_block(task: TrainingTask) -> bool {
    matches!(
        task,
        TrainingTask::Diffusion | TrainingTask::Refiner | TrainingTask::Student
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_that_fails_is_given_up_once() {
        let failed = || Error::new(ErrorKind::Failed, "the network failed: CUDA out of memory");
        let mut told = Vec::new();
        let made = on_another_device(true, |gave_up| {
            told.push(gave_up.map(str::to_owned));
            if gave_up.is_some() {
                Ok(7)
            } else {
                Err(failed())
            }
        });
        assert_eq!(made.ok(), Some(7));
        assert!(told[0].is_none() && told[1].as_deref().is_some_and(|why| why.contains("CUDA")));
        let mut calls = 0;
        let error = on_another_device(true, |_| -> Result<(), Error> {
            calls += 1;
            Err(failed())
        });
        assert!(error.is_err() && calls == 2);
        calls = 0;
        let error = on_another_device(false, |_| -> Result<(), Error> {
            calls += 1;
            Err(failed())
        });
        assert!(
            error.is_err() && calls == 1,
            "the processor is not another device"
        );
    }
}
