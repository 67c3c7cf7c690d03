//! The control branch's lesson: a copy of the denoiser's way down learns the hint, the denoiser stays as it is.
//!
//! Separate from [`super::diffusion`]: here nothing of the base may change, and the adapter is not used.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Result as Tensors, Tensor};

use super::flow::{FlowBatch, FlowData, Holes, Sample, logit_normal};
use super::{Taught, card, scalar};
use crate::job::Error;
use crate::network::control::Branch;
use crate::network::denoiser;
use crate::network::device::Place;
use crate::network::folder::{
    Card, Diffusion, DiffusionConfig, ModelFolder, Need, Task, load_autoencoder, load_diffusion,
};
use crate::network::weights::Weights;
use crate::training::data::DataSet;
use crate::training::recipe::Recipe;
use crate::training::trainer::Loss;
use crate::training::{model, tensors};

struct ControlLesson {
    out: PathBuf,
    recipe: Recipe,
    flow: FlowData,
    autoencoder_hash: String,
    base: Diffusion,
    base_folder: ModelFolder,
    config: denoiser::Config,
    weights: Weights,
    branch: Branch,
}

const HOLES: Holes = Holes {
    no_sketch: 0.1,
    no_geometry: 0.3,
    neither: 0.0,
    mask: 0.3,
    moment: logit_normal,
};

/// Loads autoencoder and base and starts the branch as a copy of the base.
pub(super) fn begin(
    out: &Path,
    recipe: &Recipe,
    data: DataSet,
    place: &Place,
) -> Result<impl Taught + use<>, Error> {
    let path = Recipe::beside(&recipe.autoencoder, out, "autoencoder");
    let (autoencoder, autoencoder_folder) =
        load_autoencoder(&path, place).map_err(|e| model(&e))?;
    let path = Recipe::beside(&recipe.base, out, "diffusion");
    let (base, base_folder) = load_diffusion(&path, place).map_err(|e| model(&e))?;
    let config: DiffusionConfig = base_folder.configuration().map_err(|e| model(&e))?;
    let config = config.denoiser;
    let weights = Weights::on(recipe.seed, &place.device);
    let branch = Branch::new(&weights.builder(), &config).map_err(|e| tensors(&e))?;
    let copied = base_folder
        .tensors()
        .map_err(|e| model(&e))?
        .into_iter()
        .filter_map(|(name, tensor)| {
            let name = name.strip_prefix("denoiser.")?;
            name.starts_with("down.").then(|| (name.to_owned(), tensor))
        })
        .collect();
    weights.set(&copied).map_err(|e| tensors(&e))?;
    Ok(ControlLesson {
        out: out.to_owned(),
        recipe: recipe.clone(),
        flow: FlowData::new(data, autoencoder, base.context),
        autoencoder_hash: autoencoder_folder.hash(),
        base,
        base_folder,
        config,
        weights,
        branch,
    })
}

impl ControlLesson {
    fn error(&self, batch: &FlowBatch) -> Tensors<Tensor> {
        let denoiser = &self.base.denoiser;
        let condition = denoiser.embed(&batch.conditions, &batch.moments)?;
        let residuals = self
            .branch
            .forward(&batch.input, &condition, &batch.hint, 1.0)?;
        let velocity = denoiser.forward(&batch.input, &condition, None, Some(&residuals))?;
        let square = (velocity - &batch.target)?.sqr()?;
        square.broadcast_mul(&batch.weight)?.mean_all()
    }
}

impl Taught for ControlLesson {
    type Batch = Vec<Sample>;

    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn stands_on(&self) -> Vec<String> {
        vec![self.autoencoder_hash.clone(), self.base_folder.hash()]
    }

    fn batch(&self, step: usize) -> Tensors<Vec<Sample>> {
        Ok(self.flow.samples(&self.recipe, step, &HOLES))
    }

    fn loss(&self, samples: Vec<Sample>, _step: usize, _done: f64) -> Tensors<Loss> {
        let total = self.error(&self.flow.batch(&samples)?)?;
        Ok(Loss {
            gradients: None,
            parts: vec![("velocity", scalar(&total)?)],
            total,
        })
    }

    fn card(&self, _averages: &BTreeMap<String, Tensor>) -> Result<Card, Error> {
        let (out, recipe, data) = (&self.out, &self.recipe, &self.flow.data);
        let mut card = card(
            Task::Control,
            "control-branch-1",
            &self.config,
            out,
            recipe,
            data,
        );
        card.needs = BTreeMap::from([("diffusion".to_owned(), Need::of(&self.base_folder))]);
        Ok(card)
    }

    fn measure(&self, _averages: &BTreeMap<String, Tensor>, _card: &mut Card) -> Result<(), Error> {
        Ok(())
    }
}
