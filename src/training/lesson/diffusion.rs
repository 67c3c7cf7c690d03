//! The generator's lesson: denoiser and adapter together from the first step (measured: better than a frozen base).
//!
//! Separate from [`super::control`], which trains a branch on a denoiser that stays as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::backprop::GradStore;
use candle_core::{Result as Tensors, Tensor};

use super::flow::{FlowBatch, FlowData, Holes, Sample, logit_normal};
use super::{Taught, card, fixed, mean_unseen, scalar};
use crate::job::Error;
use crate::network::autoencoder::Autoencoder;
use crate::network::condition::Names;
use crate::network::device::Place;
use crate::network::folder::{
    Card, Diffusion, DiffusionConfig, ModelFolder, Need, Task, load_autoencoder,
};
use crate::network::stages;
use crate::network::weights::Weights;
use crate::training::data::DataSet;
use crate::training::recipe::Recipe;
use crate::training::trainer::Loss;
use crate::training::{model, tensors};

struct DiffusionLesson {
    out: PathBuf,
    recipe: Recipe,
    flow: FlowData,
    autoencoder: ModelFolder,
    config: DiffusionConfig,
    weights: Weights,
    network: Diffusion,
}

/// As often as in use: most pictures have lines, half of them are a part of one that stands.
pub(super) const HOLES: Holes = Holes {
    no_sketch: 0.3,
    no_geometry: 0.3,
    neither: 0.1,
    mask: 0.5,
    moment: logit_normal,
};

/// A generator with random weights on a finished autoencoder: what each lesson of one begins with.
pub(super) struct Fresh {
    pub(super) autoencoder: Autoencoder,
    pub(super) folder: ModelFolder,
    pub(super) config: DiffusionConfig,
    pub(super) weights: Weights,
    pub(super) network: Diffusion,
}

impl Fresh {
    /// Loads the autoencoder that the recipe names, or that lies beside `out`, and builds the network over it.
    pub(super) fn new(
        out: &Path,
        recipe: &Recipe,
        names: Names,
        place: &Place,
    ) -> Result<Self, Error> {
        let path = Recipe::beside(&recipe.autoencoder, out, "autoencoder");
        let (autoencoder, folder) = load_autoencoder(&path, place).map_err(|e| model(&e))?;
        let mut config: DiffusionConfig = recipe.network()?;
        config.denoiser.latent = autoencoder.channels();
        config.adapter = config.adapter.fitting(&config.denoiser);
        let weights = Weights::on(recipe.seed, &place.device);
        let network =
            Diffusion::new(&weights.builder(), &config, names).map_err(|e| tensors(&e))?;
        Ok(Self {
            autoencoder,
            folder,
            config,
            weights,
            network,
        })
    }
}

/// Loads the autoencoder and builds the generator and its lesson.
pub(super) fn begin(
    out: &Path,
    recipe: &Recipe,
    data: DataSet,
    place: &Place,
) -> Result<impl Taught + use<>, Error> {
    let fresh = Fresh::new(out, recipe, data.names.clone(), place)?;
    Ok(DiffusionLesson {
        out: out.to_owned(),
        recipe: recipe.clone(),
        flow: FlowData::new(data, fresh.autoencoder, fresh.config.context),
        autoencoder: fresh.folder,
        config: fresh.config,
        weights: fresh.weights,
        network: fresh.network,
    })
}

/// Mean squared velocity error of a batch, weighted.
pub(super) fn error(network: &Diffusion, batch: &FlowBatch) -> Tensors<Tensor> {
    let (conditions, moments) = (&batch.conditions, &batch.moments);
    let velocity = network.velocity(&batch.input, &batch.hint, conditions, moments)?;
    weighted(&velocity, batch)
}

/// Squared distance of a velocity from the batch's target, less where nothing is renewed.
pub(super) fn weighted(velocity: &Tensor, batch: &FlowBatch) -> Tensors<Tensor> {
    let square = (velocity - &batch.target)?.sqr()?;
    square.broadcast_mul(&batch.weight)?.mean_all()
}

/// The loss of a batch; where the recipe says so its gradients too, one block of the denoiser in memory at a time.
pub(super) fn velocity_loss(
    network: &Diffusion,
    batch: &FlowBatch,
    (recipe, config): (&Recipe, &DiffusionConfig),
    part: &'static str,
) -> Tensors<Loss> {
    // A level without blocks has no stage that could halve it.
    let (total, gradients) = if recipe.checkpointing && !config.denoiser.blocks.contains(&0) {
        let (total, gradients) = staged(network, batch)?;
        (total, Some(gradients))
    } else {
        (error(network, batch)?, None)
    };
    Ok(Loss {
        parts: vec![(part, scalar(&total)?)],
        total,
        gradients,
    })
}

/// [`error`] with its gradients, one block of the denoiser in memory at a time.
fn staged(network: &Diffusion, batch: &FlowBatch) -> Tensors<(Tensor, GradStore)> {
    let condition = network.denoiser.embed(&batch.conditions, &batch.moments)?;
    let mut begin = vec![batch.input.clone(), condition];
    begin.extend(network.adapter.forward(&batch.hint)?);
    let stages = network.denoiser.stages();
    let mut staged = stages::backward(&begin, &stages, |state| weighted(&state[0], batch))?;
    // What came before the stages has a graph of its own.
    for (tensor, gradient) in begin.iter().zip(&staged.by_begin).skip(1) {
        if let Some(gradient) = gradient {
            let more = (tensor * gradient)?.sum_all()?.backward()?;
            staged.gradients.extend(more)?;
        }
    }
    Ok((staged.loss, staged.gradients))
}

/// The mean error of averaged weights on batches of steps far beyond the run.
pub(super) fn mean_error(
    averages: &BTreeMap<String, Tensor>,
    config: &DiffusionConfig,
    batch: impl Fn(usize) -> Tensors<FlowBatch>,
) -> Result<f64, Error> {
    Diffusion::new(&fixed(averages), config, Names::default())
        .and_then(|network| mean_unseen(|step| error(&network, &batch(step)?)))
        .map_err(|e| tensors(&e))
}

impl Taught for DiffusionLesson {
    type Batch = Vec<Sample>;

    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn stands_on(&self) -> Vec<String> {
        vec![self.autoencoder.hash()]
    }

    fn batch(&self, step: usize) -> Tensors<Vec<Sample>> {
        Ok(self.flow.samples(&self.recipe, step, &HOLES))
    }

    fn loss(&self, samples: Vec<Sample>, _step: usize, _done: f64) -> Tensors<Loss> {
        let batch = self.flow.batch(&samples)?;
        let given = (&self.recipe, &self.config);
        velocity_loss(&self.network, &batch, given, "velocity")
    }

    fn card(&self, _averages: &BTreeMap<String, Tensor>) -> Result<Card, Error> {
        let (out, recipe, data) = (&self.out, &self.recipe, &self.flow.data);
        let task = Task::Diffusion;
        let mut card = card(task, "flow-unet-1", &self.config, out, recipe, data);
        card.names = Some(data.names.clone());
        card.needs = BTreeMap::from([("autoencoder".to_owned(), Need::of(&self.autoencoder))]);
        Ok(card)
    }

    fn measure(&self, averages: &BTreeMap<String, Tensor>, card: &mut Card) -> Result<(), Error> {
        let mean = mean_error(averages, &self.config, |step| {
            self.flow.batch(&self.batch(step)?)
        })?;
        card.measured.insert("velocity_error".to_owned(), mean);
        Ok(())
    }
}
