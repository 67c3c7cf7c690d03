//! Lessons: for each network its data, its loss, its card and its measurement.
//!
//! Separate from the loop, which is the same for all of them.

mod autoencoder;
mod control;
mod diffusion;
mod flow;
mod hips;
mod reader;
mod refiner;
mod student;

pub use reader::auroc;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

use super::data::DataSet;
use super::recipe::Recipe;
use super::trainer::Loss;
use crate::job::{Error, ErrorKind, TrainingPlan, TrainingTask};
use crate::network::device::Place;
use crate::network::folder::{Card, Task};
use crate::network::weights::Weights;

/// What one network is taught.
pub trait Lesson {
    /// The weights that are trained.
    fn weights(&self) -> &Weights;

    /// The loss of step `step` (its batch and noise are a pure function of it); `done` is the share of the run over.
    fn loss(&mut self, step: usize, done: f64) -> Result<Loss, Error>;

    /// The card of the averaged weights, without files.
    fn card(&mut self, averages: &BTreeMap<String, Tensor>) -> Result<Card, Error>;

    /// Measures the averaged weights on the images held out, and calibrates.
    fn measure(
        &mut self,
        averages: &BTreeMap<String, Tensor>,
        card: &mut Card,
    ) -> Result<(), Error>;
}

/// The lesson of a plan, its weights at a place.
pub fn begin(
    plan: &TrainingPlan,
    recipe: &Recipe,
    data: DataSet,
    place: &Place,
) -> Result<Box<dyn Lesson>, Error> {
    let cuts = [
        TrainingTask::Diffusion,
        TrainingTask::Control,
        TrainingTask::Student,
    ];
    if recipe.film_size() != recipe.size && !cuts.contains(&plan.task) {
        let what = "this network is taught with films of `size` alone";
        return Err(Error::new(ErrorKind::Usage, what).remedy("take `film` out of the recipe"));
    }
    Ok(match plan.task {
        TrainingTask::Autoencoder => Box::new(autoencoder::begin(&plan.out, recipe, data, place)?),
        TrainingTask::Diffusion => Box::new(diffusion::begin(&plan.out, recipe, data, place)?),
        TrainingTask::Control => Box::new(control::begin(&plan.out, recipe, data, place)?),
        TrainingTask::Reader => Box::new(reader::begin(&plan.out, recipe, data, place)?),
        TrainingTask::Hips => Box::new(hips::begin(&plan.out, recipe, data, place)?),
        TrainingTask::HipDetail => Box::new(hips::detail::begin(&plan.out, recipe, data, place)?),
        TrainingTask::Refiner => Box::new(refiner::begin(&plan.out, recipe, data, place)?),
        TrainingTask::Student => Box::new(student::begin(&plan.out, recipe, data, place)?),
    })
}

/// The parts of a card that every lesson fills alike.
fn card(
    task: Task,
    architecture: &str,
    configuration: impl serde::Serialize,
    out: &Path,
    recipe: &Recipe,
    data: &DataSet,
) -> Card {
    let name = if recipe.name.is_empty() {
        out.file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    } else {
        recipe.name.clone()
    };
    Card {
        name,
        task,
        domain: data.description.clone(),
        architecture: architecture.to_owned(),
        configuration: serde_json::to_value(configuration).unwrap_or_default(),
        native_size: [recipe.size; 2],
        spacing_mm: None,
        hint: "white on black".to_owned(),
        licence: recipe.licence.clone(),
        training: format!("{} on {}", origin(recipe), data.description),
        measured: BTreeMap::new(),
        files: BTreeMap::new(),
        latent: None,
        calibration: None,
        names: None,
        student: None,
        needs: BTreeMap::new(),
    }
}

/// How a run began, for `model.json`.
fn origin(recipe: &Recipe) -> String {
    match recipe.start.file_name() {
        Some(name) => format!("continued from {}", name.to_string_lossy()),
        None => "trained from scratch".to_owned(),
    }
}

/// A builder over fixed tensors: the averaged weights.
fn fixed(averages: &BTreeMap<String, Tensor>) -> VarBuilder<'static> {
    let tensors: HashMap<String, Tensor> = averages
        .iter()
        .map(|(name, tensor)| (name.clone(), tensor.clone()))
        .collect();
    let first = averages.values().next();
    let device = first.map_or(&Device::Cpu, Tensor::device);
    VarBuilder::from_tensors(tensors, DType::F32, device)
}

/// The mean of a loss over four steps far beyond any run: their noise and views were never trained on.
fn mean_unseen(
    mut loss: impl FnMut(usize) -> candle_core::Result<Tensor>,
) -> candle_core::Result<f64> {
    const BEYOND: usize = 1 << 40;
    const STEPS: usize = 4;
    let mut sum = 0.0;
    for step in 0..STEPS {
        sum += scalar(&loss(BEYOND + step)?)?;
    }
    Ok(sum / STEPS as f64)
}

/// A scalar as f64.
fn scalar(tensor: &Tensor) -> candle_core::Result<f64> {
    Ok(f64::from(tensor.to_scalar::<f32>()?))
}
