//! Lessons: for each network its data, its loss, its card and its measurement.
//!
//! Separate from the loop, which is the same for all of them.

mod ahead;
mod autoencoder;
mod control;
mod diffusion;
mod flow;
mod hips;
mod reader;
mod refiner;
mod student;

pub use ahead::DataTime;
pub use reader::auroc;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

use ahead::{Ahead, Taught};

use super::data::DataSet;
use super::recipe::Recipe;
use super::trainer::Loss;
use crate::job::{Error, ErrorKind, TrainingPlan, TrainingTask};
use crate::network::device::Place;
use crate::network::folder::{Card, Task};
use crate::network::weights::Weights;

/// What one network is taught.
pub trait Lesson: Send {
    /// The weights that are trained.
    fn weights(&self) -> &Weights;

    /// Hashes of the models that the run stands on and that stay as they are.
    fn stands_on(&self) -> Vec<String>;

    /// The loss of step `step` (its batch and noise are a pure function of it); `done` is the share of the run over.
    fn loss(&mut self, step: usize, done: f64) -> Result<(Loss, DataTime), Error>;

    /// Gives the loss of step `step` to `learn`, and makes the batch of step `next` meanwhile.
    fn learn(
        &mut self,
        step: usize,
        next: Option<usize>,
        done: f64,
        learn: &mut (dyn FnMut(Loss) -> Result<(), Error> + Send),
    ) -> Result<DataTime, Error>;

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
    let (out, task) = (&plan.out, plan.task);
    Ok(match task {
        TrainingTask::Autoencoder => ahead(autoencoder::begin(out, recipe, data, place)?),
        TrainingTask::Diffusion => ahead(diffusion::begin(out, recipe, data, place)?),
        TrainingTask::Control => ahead(control::begin(out, recipe, data, place)?),
        TrainingTask::Reader => ahead(reader::begin(out, recipe, data, place)?),
        TrainingTask::Hips => ahead(hips::begin(out, recipe, data, place)?),
        TrainingTask::HipDetail => ahead(hips::detail::begin(out, recipe, data, place)?),
        TrainingTask::Refiner => ahead(refiner::begin(out, recipe, data, place)?),
        TrainingTask::Student => ahead(student::begin(out, recipe, data, place)?),
    })
}

fn ahead(taught: impl Taught + 'static) -> Box<dyn Lesson> {
    Box::new(Ahead::new(taught))
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
