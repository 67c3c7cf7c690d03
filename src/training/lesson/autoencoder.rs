//! The autoencoder's lesson: grey pictures through 4 numbers an 8×8 block and back.
//!
//! Mean square first, sharpness later (from the first step on it costs quality, measured). The preview decoder learns
//! beside it from latents whose gradient it does not touch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Result as Tensors, Tensor};

use super::{Taught, card, fixed, scalar};
use crate::grid::Grid;
use crate::job::Error;
use crate::network::autoencoder::{Autoencoder, Config, LatentScale};
use crate::network::device::Place;
use crate::network::folder::{Card, Task};
use crate::network::weights::Weights;
use crate::noise::Noise;
use crate::training::data::augment::{Amount, View, views};
use crate::training::data::{DataSet, image_tensor, indices};
use crate::training::loss::{gradient_difference, halved, mean_square};
use crate::training::recipe::Recipe;
use crate::training::tensors;
use crate::training::trainer::Loss;

/// Images the latent statistics and the measurement look at.
const LOOKED_AT: usize = 48;

struct AutoencoderLesson {
    out: PathBuf,
    recipe: Recipe,
    data: DataSet,
    config: Config,
    weights: Weights,
    network: Autoencoder,
}

/// Builds the network and its lesson.
pub(super) fn begin(
    out: &Path,
    recipe: &Recipe,
    data: DataSet,
    place: &Place,
) -> Result<impl Taught + use<>, Error> {
    let config: Config = recipe.network()?;
    let weights = Weights::on(recipe.seed, &place.device);
    let network = Autoencoder::new(&weights.builder(), &config).map_err(|e| tensors(&e))?;
    Ok(AutoencoderLesson {
        out: out.to_owned(),
        recipe: recipe.clone(),
        data,
        config,
        weights,
        network,
    })
}

impl AutoencoderLesson {
    /// Random crops of random views.
    fn crops(&self, step: usize) -> Tensors<Tensor> {
        let mut noise = Noise::new(self.recipe.seed, step as u64);
        let chosen = indices(&mut noise, self.data.training().len(), self.recipe.batch);
        let seed = self.recipe.seed ^ ((step as u64) << 20);
        let examples: Vec<_> = chosen
            .iter()
            .enumerate()
            .map(|(i, n)| (&self.data.examples[*n], i as u64))
            .collect();
        let amount = Amount {
            mirror: 0.5,
            exposure: 0.6,
            ..Amount::GENTLE
        };
        let crop = self.recipe.crop;
        let images: Vec<Grid<f32>> = views(&examples, seed, &amount)
            .into_iter()
            .map(|View { image, .. }| {
                if crop == 0 || crop >= image.width() {
                    return image;
                }
                let x = noise.index(image.width() - crop + 1);
                let y = noise.index(image.height() - crop + 1);
                Grid::from_fn(crop, crop, |u, v| image[(x + u, y + v)])
            })
            .collect();
        image_tensor(&images)
    }

    fn losses(&self, image: &Tensor, step: usize, done: f64) -> Tensors<Loss> {
        let image = image.to_device(self.weights.device())?;
        let z = self.network.encode(&image)?;
        let mut noise = Noise::new(self.recipe.seed ^ 0x4c41, step as u64);
        let shake = Tensor::from_vec(noise.normals(z.elem_count()), z.shape(), z.device())?;
        let shaken = (&z + (shake * 0.05)?)?;
        let decoded = self.network.decode(&shaken)?;
        let error = mean_square(&decoded, &image)?;
        let mut total = ((&error * 4.0)? + (z.sqr()?.mean_all()? * 1e-4)?)?;
        // Every fourth step: a smaller latent must be a smaller picture, which keeps the latent smooth.
        if step % 4 == 3 && image.dim(3)? >= 64 {
            let small = self.network.decode(&halved(&z)?)?;
            total = (total + mean_square(&small, &halved(&image)?)?)?;
        }
        if done > 0.5 {
            let sharp = gradient_difference(&decoded, &image)?;
            let weight = 0.5 * ((done - 0.5) / 0.1).min(1.0);
            total = (total + (sharp * weight)?)?;
        }
        let preview = self.network.decode_preview(&z.detach())?;
        let preview = mean_square(&preview, &image)?;
        let psnr = |mse: f64| 10.0 * (4.0 / mse.max(1e-12)).log10();
        Ok(Loss {
            gradients: None,
            parts: vec![
                ("psnr", psnr(scalar(&error)?)),
                ("preview_psnr", psnr(scalar(&preview)?)),
            ],
            total: (total + (preview * 4.0)?)?,
        })
    }

    /// Unchanged views of some examples, spread over a range.
    fn plain(&self, range: std::ops::Range<usize>) -> Tensors<Vec<Tensor>> {
        let step = (range.len() / LOOKED_AT).max(1);
        range
            .step_by(step)
            .take(LOOKED_AT)
            .map(|n| {
                let seen = views(&[(&self.data.examples[n], 0)], 0, &Amount::NONE);
                image_tensor(&seen.into_iter().map(|v| v.image).collect::<Vec<_>>())
            })
            .collect()
    }

    fn statistics(&self, network: &Autoencoder) -> Tensors<LatentScale> {
        let mut latents = Vec::new();
        for image in self.plain(self.data.training())? {
            latents.push(network.encode(&image)?);
        }
        let all = Tensor::cat(&latents, 0)?.transpose(0, 1)?.flatten_from(1)?;
        let rows: Vec<Vec<f32>> = all.to_vec2()?;
        let mut scale = LatentScale::default();
        for row in rows {
            let n = row.len().max(1) as f64;
            let mean = row.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
            let square = row
                .iter()
                .map(|v| (f64::from(*v) - mean).powi(2))
                .sum::<f64>()
                / n;
            scale.mean.push(mean as f32);
            scale.std.push((square.sqrt() as f32).max(1e-4));
        }
        Ok(scale)
    }

    fn quality(&self, averages: &BTreeMap<String, Tensor>) -> Tensors<[f64; 3]> {
        let network = Autoencoder::new(&fixed(averages), &self.config)?;
        let range = if self.data.held_out > 0 {
            self.data.held()
        } else {
            self.data.training()
        };
        let mut sums = [0.0; 3];
        let images = self.plain(range)?;
        for image in &images {
            let z = network.encode(image)?;
            let decoded = network.decode(&z)?.clamp(-1.0, 1.0)?;
            let preview = network.decode_preview(&z)?.clamp(-1.0, 1.0)?;
            for (sum, made) in sums.iter_mut().zip([&decoded, &preview]) {
                *sum += scalar(&mean_square(made, image)?)?;
            }
            let zero = image.zeros_like()?;
            let fine = |x: &Tensor| scalar(&gradient_difference(x, &zero)?);
            sums[2] += fine(&decoded)? / fine(image)?.max(1e-9);
        }
        let n = images.len().max(1) as f64;
        let psnr = |mse: f64| 10.0 * (4.0 / mse.max(1e-12)).log10();
        Ok([psnr(sums[0] / n), psnr(sums[1] / n), sums[2] / n])
    }
}

impl Taught for AutoencoderLesson {
    type Batch = Tensor;

    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn batch(&self, step: usize) -> Tensors<Tensor> {
        self.crops(step)
    }

    fn loss(&self, images: Tensor, step: usize, done: f64) -> Tensors<Loss> {
        self.losses(&images, step, done)
    }

    fn card(&self, averages: &BTreeMap<String, Tensor>) -> Result<Card, Error> {
        let latent = Autoencoder::new(&fixed(averages), &self.config)
            .and_then(|network| self.statistics(&network))
            .map_err(|e| tensors(&e))?;
        let (out, recipe, data) = (&self.out, &self.recipe, &self.data);
        let task = Task::Autoencoder;
        let mut card = card(task, "grey-autoencoder-1", &self.config, out, recipe, data);
        card.latent = Some(latent);
        Ok(card)
    }

    fn measure(&self, averages: &BTreeMap<String, Tensor>, card: &mut Card) -> Result<(), Error> {
        let [psnr, preview, fine] = self.quality(averages).map_err(|e| tensors(&e))?;
        card.measured.insert("held_out_psnr_db".to_owned(), psnr);
        card.measured
            .insert("held_out_preview_psnr_db".to_owned(), preview);
        card.measured
            .insert("held_out_gradient_ratio".to_owned(), fine);
        Ok(())
    }
}
