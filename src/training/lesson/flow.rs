//! One batch of flow matching, shared by the denoiser's lesson and the control branch's.
//!
//! `z_t = (1 − t)·z + t·ε`, target `ε − z`, `t = sigmoid(N(0, 1))` (Lipman et al. 2023; Esser et al. 2024). Latents of
//! the unmasked views are kept: an example has a few fixed views, encoded when first seen.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use candle_core::{Result as Tensors, Tensor};

use crate::grid::Grid;
use crate::network::autoencoder::{Autoencoder, latent_mask};
use crate::network::condition::{Condition, Moment};
use crate::network::control::hint;
use crate::network::denoiser::assemble;
use crate::network::folder::Context;
use crate::noise::Noise;
use crate::training::data::augment::View;
use crate::training::data::{
    CLOSE, DataSet, WHOLE, fixed_view, image_tensor, indices, mask_of, said_of_mask, sketch_of,
};
use crate::training::recipe::Recipe;
use rayon::prelude::*;

/// A batch ready for the denoiser.
pub(super) struct FlowBatch {
    /// Noisy latent, mask, masked latent.
    pub(super) input: Tensor,
    /// The velocity to predict.
    pub(super) target: Tensor,
    /// 1 where regenerated, less outside the mask.
    pub(super) weight: Tensor,
    /// Hint planes.
    pub(super) hint: Tensor,
    /// What is said about each picture, holes included.
    pub(super) conditions: Vec<Condition>,
    /// When on the path.
    pub(super) moments: Vec<Moment>,
}

/// Makes batches and keeps latents.
pub(super) struct FlowData {
    pub(super) data: DataSet,
    pub(super) autoencoder: Autoencoder,
    context: Context,
    latents: Mutex<HashMap<(usize, u64), Tensor>>,
}

/// One sample before the networks see it.
pub(super) struct Sample {
    key: (usize, u64),
    view: View,
    mask: Option<Grid<u8>>,
    sketch: Grid<f32>,
    geometry: bool,
    condition: Condition,
    moment: Moment,
    noise: Vec<f32>,
}

/// How often what is left out, and when on the path a network is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holes {
    pub(super) no_sketch: f64,
    pub(super) no_geometry: f64,
    pub(super) neither: f64,
    pub(super) mask: f64,
    /// When on the path; told whether nothing is drawn of what shall be there.
    pub(super) moment: fn(&mut Noise, bool) -> Moment,
}

/// Shift of [`logit_normal`] where nothing is drawn of what shall be there.
///
/// What a picture will be is decided near `t = 1`, where the unshifted law draws one time in seventy beyond 0.9: with
/// lines the labels are not needed there; without them a request for a chest became a brain (seen). Shifted, it is one
/// in four. Where a part is renewed its tone is decided there as well.
const BLIND: f64 = 1.5;

/// `t = sigmoid(N(m, 1))`, the plain velocity (Esser et al. 2024): m = 0, or [`BLIND`].
pub(super) fn logit_normal(noise: &mut Noise, blind: bool) -> Moment {
    let shift = if blind { BLIND } else { 0.0 };
    Moment::plain(1.0 / (1.0 + (-noise.normal() - shift).exp()))
}

impl FlowData {
    pub(super) fn new(data: DataSet, autoencoder: Autoencoder, context: Context) -> Self {
        Self {
            data,
            autoencoder,
            context,
            latents: Mutex::default(),
        }
    }

    /// What a step learns from, before the autoencoder has seen it.
    pub(super) fn samples(&self, recipe: &Recipe, step: usize, holes: &Holes) -> Vec<Sample> {
        let mut noise = Noise::new(recipe.seed, step as u64);
        let chosen = indices(&mut noise, self.data.training().len(), recipe.batch);
        let latent = self.latent_size();
        chosen
            .par_iter()
            .enumerate()
            .map(|(i, n)| {
                let stream = (step as u64) << 16 | i as u64;
                let mut noise = Noise::new(recipe.seed ^ 0x464c_4f57, stream);
                self.sample(*n, &mut noise, holes, latent)
            })
            .collect()
    }

    /// The numbers of one latent.
    fn latent_size(&self) -> usize {
        let cells = self.data.size / crate::network::autoencoder::FACTOR;
        self.autoencoder.channels() * cells * cells
    }

    fn sample(&self, n: usize, noise: &mut Noise, holes: &Holes, latent: usize) -> Sample {
        let with_mask = noise.chance(holes.mask);
        let seen = |number| fixed_view(&self.data.examples[n], n, number, self.data.size);
        let close = with_mask && noise.chance(CLOSE_UP);
        let mut number = if close {
            WHOLE + noise.index(CLOSE as usize) as u64
        } else {
            noise.index(WHOLE as usize) as u64
        };
        let mut view = seen(number);
        let mask = with_mask.then(|| mask_of(&view, noise));
        if close
            && mask
                .as_ref()
                .is_some_and(|mask| 2 * renewed(mask) > mask.len())
        {
            number = noise.index(WHOLE as usize) as u64;
            view = seen(number);
        }
        let key = (n, number);
        if let Some(mask) = &mask {
            said_of_mask(&mut view.facts, mask, noise);
        }
        let neither = noise.chance(holes.neither);
        let alone = mask.is_some() && noise.chance(MASK_ALONE);
        let lines = !neither && !alone && !noise.chance(holes.no_sketch);
        let geometry = !neither && !noise.chance(holes.no_geometry);
        let sketch = if lines {
            sketch_of(&view, noise)
        } else {
            view.image.map(|_| 0.0)
        };
        let condition = with_holes(self.data.condition(&view.facts), geometry, noise);
        let blind = !lines && condition.geometry.is_none();
        let moment = (holes.moment)(noise, blind);
        Sample {
            key,
            view,
            mask,
            sketch,
            geometry,
            condition,
            moment,
            noise: noise.normals(latent),
        }
    }

    /// The batch of these samples.
    pub(super) fn batch(&self, samples: &[Sample]) -> Tensors<FlowBatch> {
        let (mut inputs, mut targets, mut weights, mut hints) = (vec![], vec![], vec![], vec![]);
        for sample in samples {
            let z = self.latent(sample)?;
            let e = Tensor::from_slice(&sample.noise, z.shape(), z.device())?;
            let noisy = ((&z * (1.0 - sample.moment.t))? + (&e * sample.moment.t)?)?;
            targets.push((&e - &z)?);
            let (_, _, h, w) = z.dims4()?;
            let ones = Tensor::ones((1, 1, h, w), z.dtype(), z.device())?;
            if let Some(mask) = &sample.mask {
                let cells = latent_mask(mask)?.to_device(z.device())?;
                let kept =
                    self.autoencoder
                        .encode(&masked(&sample.view.image, mask, self.context)?)?;
                inputs.push(assemble(&noisy, Some((&cells, &kept)))?);
                weights.push(((cells * 0.7)? + 0.3)?);
            } else {
                inputs.push(assemble(&noisy, None)?);
                weights.push(ones);
            }
            let landmarks = sample.view.facts.landmarks.filter(|_| sample.geometry);
            hints.push(hint(&sample.sketch, landmarks.as_ref())?);
        }
        Ok(FlowBatch {
            input: Tensor::cat(&inputs, 0)?,
            target: Tensor::cat(&targets, 0)?,
            weight: Tensor::cat(&weights, 0)?,
            hint: Tensor::cat(&hints, 0)?,
            conditions: samples.iter().map(|s| s.condition.clone()).collect(),
            moments: samples.iter().map(|s| s.moment).collect(),
        })
    }

    fn latent(&self, sample: &Sample) -> Tensors<Tensor> {
        let kept = || self.latents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(z) = kept().get(&sample.key) {
            return Ok(z.clone());
        }
        let image = image_tensor(std::slice::from_ref(&sample.view.image))?;
        let z = self.autoencoder.encode(&image)?.detach();
        kept().insert(sample.key, z.clone());
        Ok(z)
    }
}

/// Pixels that a mask renews.
fn renewed(mask: &Grid<u8>) -> usize {
    mask.cells().iter().filter(|v| **v > 0).count()
}

/// How often a picture of which a smaller part is renewed is a close one: outpainting begins with whole films.
const CLOSE_UP: f64 = 0.5;
/// How often a masked picture that would have lines has none: who paints a mask seldom draws too.
const MASK_ALONE: f64 = 0.4;

/// The picture without what will be renewed: nothing of the truth leaks through the encoder.
pub(super) fn masked(image: &Grid<f32>, mask: &Grid<u8>, context: Context) -> Tensors<Tensor> {
    image_tensor(&[context.of(image, mask, 0.0)])
}

/// Leaves fields out: everything one time in ten, each field alone 15 %.
pub(super) fn with_holes(mut condition: Condition, geometry: bool, noise: &mut Noise) -> Condition {
    if !geometry {
        condition.geometry = None;
    }
    if noise.chance(0.1) {
        return Condition {
            geometry: condition.geometry,
            ..Condition::default()
        };
    }
    if noise.chance(0.15) {
        condition.kind = None;
    }
    if noise.chance(0.15) {
        condition.age_decades = None;
    }
    if noise.chance(0.15) {
        condition.sex = None;
    }
    condition.findings.retain(|_| !noise.chance(0.15));
    condition
}
