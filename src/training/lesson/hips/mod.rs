//! The hips' lesson: heat maps against the truth, then error ellipses, then calibration on images held out.
//!
//! The lesson of the second look, [`detail`], shares its loss.

mod calibration;
pub(super) mod detail;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Result as Tensors, Tensor};

use self::calibration::{HeldOut, calibrate, truth};
use super::{Taught, card, fixed, scalar};
use crate::geometry::Point;
use crate::grid::Grid;
use crate::job::{Error, ErrorKind};
use crate::landmarks::HipLandmarks;
use crate::network::device::Place;
use crate::network::folder::{Card, Task};
use crate::network::hips::points::{Calibration, HipPrediction, both_maps, joined_prediction};
use crate::network::hips::{CELL, Config, HipNetwork, MAPS};
use crate::network::ops;
use crate::network::weights::Weights;
use crate::noise::Noise;
use crate::training::data::augment::{Amount, views};
use crate::training::data::{DataSet, Example, image_tensor, indices};
use crate::training::loss::cross_entropy;
use crate::training::recipe::Recipe;
use crate::training::tensors;
use crate::training::trainer::Loss;

/// Width of the spot around the truth, in map cells.
const SPOT: f64 = 1.5;

struct HipsLesson {
    out: PathBuf,
    recipe: Recipe,
    data: DataSet,
    config: Config,
    weights: Weights,
    network: HipNetwork,
}

/// Builds the network and its lesson from the images that have hip points.
pub(super) fn begin(
    out: &Path,
    recipe: &Recipe,
    data: DataSet,
    place: &Place,
) -> Result<impl Taught + use<>, Error> {
    let data = with_points(data, recipe)?;
    let config: Config = recipe.network()?;
    let weights = Weights::on(recipe.seed, &place.device);
    let network = HipNetwork::new(&weights.builder(), &config).map_err(|e| tensors(&e))?;
    Ok(HipsLesson {
        out: out.to_owned(),
        recipe: recipe.clone(),
        data,
        config,
        weights,
        network,
    })
}

/// The images that have hip points.
pub(super) fn with_points(data: DataSet, recipe: &Recipe) -> Result<DataSet, Error> {
    let examples: Vec<Example> = data
        .examples
        .into_iter()
        .filter(|example| example.facts.landmarks.is_some())
        .collect();
    if examples.is_empty() {
        return Err(
            Error::new(ErrorKind::Input, "no image has hip points to learn from")
                .remedy("give hip phantoms, or a folder with landmarks.json"),
        );
    }
    let description = format!("{} images with hip points", examples.len());
    DataSet::new(examples, recipe, description)
}

/// Spots, their weights, positions in cells and log-radii in cells of a batch.
pub(super) struct Targets {
    spots: Tensor,
    known: Tensor,
    at: Tensor,
    radii: Tensor,
    heads: Tensor,
}

/// Targets of images with these points, pixels of the input; of `sides` 1 only the left hip is looked at.
pub(super) fn targets(
    seen: &[HipLandmarks],
    sides: usize,
    cells: usize,
    device: &Device,
) -> Tensors<Targets> {
    let (mut spots, mut known, mut at) = (Vec::new(), Vec::new(), Vec::new());
    let (mut radii, mut heads) = (Vec::new(), Vec::new());
    for landmarks in seen {
        let half = (CELL as f64 - 1.0) / 2.0;
        for (k, p) in truth(landmarks).into_iter().enumerate() {
            let (x, y) = ((p.x - half) / CELL as f64, (p.y - half) / CELL as f64);
            let last = (cells - 1) as f64;
            let inside = (0.0..=last).contains(&x) && (0.0..=last).contains(&y);
            spots.extend(spot(x, y, cells));
            let asked = inside && k < 2 * sides;
            known.push(if asked { 1.0_f32 } else { 0.0 });
            at.extend([x as f32, y as f32]);
        }
        for (i, hip) in [landmarks.left, landmarks.right].iter().enumerate() {
            radii.push((hip.radius / CELL as f64).max(0.1).ln() as f32);
            heads.push(if i < sides { 1.0_f32 } else { 0.0 });
        }
    }
    let n = seen.len();
    Ok(Targets {
        spots: Tensor::from_vec(spots, (n, 4, cells * cells), device)?,
        known: Tensor::from_vec(known, (n, 4), device)?,
        at: Tensor::from_vec(at, (n, 4, 2), device)?,
        radii: Tensor::from_vec(radii, (n, 2), device)?,
        heads: Tensor::from_vec(heads, (n, 2), device)?,
    })
}

/// A normalized Gaussian spot.
fn spot(x: f64, y: f64, cells: usize) -> Vec<f32> {
    let along = |c: f64| -> Vec<f64> {
        (0..cells)
            .map(|i| (-0.5 * ((i as f64 - c) / SPOT).powi(2)).exp())
            .collect()
    };
    let (across, down) = (along(x), along(y));
    let sum = across.iter().sum::<f64>() * down.iter().sum::<f64>();
    let each = down
        .iter()
        .flat_map(|b| across.iter().map(move |a| a * b / sum.max(1e-12)));
    each.map(|v| v as f32).collect()
}

impl HipsLesson {
    fn views(&self, step: usize) -> Tensors<(Tensor, Targets)> {
        let mut noise = Noise::new(self.recipe.seed, step as u64);
        let chosen = indices(&mut noise, self.data.training().len(), self.recipe.batch);
        let examples: Vec<_> = chosen
            .iter()
            .enumerate()
            .map(|(i, n)| (&self.data.examples[*n], i as u64))
            .collect();
        let seed = self.recipe.seed ^ ((step as u64) << 20);
        let seen = views(&examples, seed, &Amount::STRONG);
        let points: Vec<HipLandmarks> = seen.iter().filter_map(|v| v.facts.landmarks).collect();
        let targets = targets(&points, 2, self.data.size / CELL, self.weights.device())?;
        let images: Vec<Grid<f32>> = seen.into_iter().map(|v| v.image).collect();
        Ok((image_tensor(&images)?, targets))
    }

    /// Maps and truth of the images held out.
    fn held_out(&self, network: &HipNetwork) -> Tensors<Vec<WholeFilm>> {
        let mut all = Vec::new();
        for n in self.data.held() {
            let example = &self.data.examples[n];
            let seen = views(&[(example, 0)], 0, &Amount::NONE);
            let images: Vec<Grid<f32>> = seen.into_iter().map(|v| v.image).collect();
            if let Some(landmarks) = example.facts.landmarks {
                let maps = both_maps(network, &image_tensor(&images)?)?;
                all.push(WholeFilm { maps, landmarks });
            }
        }
        Ok(all)
    }
}

/// Maps of an image and its mirror image, with the truth.
struct WholeFilm {
    maps: Tensor,
    landmarks: HipLandmarks,
}

impl HeldOut for WholeFilm {
    fn truth(&self) -> &HipLandmarks {
        &self.landmarks
    }

    fn prediction(&self, calibration: &Calibration) -> Tensors<HipPrediction> {
        joined_prediction(&self.maps, calibration)
    }

    fn maps(&self, point: usize) -> Tensors<Vec<(Tensor, Point)>> {
        Ok(vec![(
            self.maps.get(0)?.get(point)?,
            truth(&self.landmarks)[point],
        )])
    }
}

/// Cross entropy of the maps, distance of their means, and likelihood of the radii.
pub(super) fn judged(maps: &Tensor, targets: &Targets) -> Tensors<Loss> {
    let (b, _, h, w) = maps.dims4()?;
    let flat = maps.reshape((b, MAPS, h * w))?;
    let logits = flat.narrow(1, 0, 4)?.contiguous()?;
    let entropy = cross_entropy(&logits, &targets.spots, &targets.known)?;
    let p = ops::softmax(&logits)?;
    let columns = (0..h * w).map(|i| (i % w) as f32);
    let position: Vec<f32> = columns.chain((0..h * w).map(|i| (i / w) as f32)).collect();
    let position = Tensor::from_vec(position, (2, h * w), maps.device())?;
    let means = ops::linear(&p.reshape((b * 4, h * w))?, &position, None)?.reshape((b, 4, 2))?;
    let distance = ((means - &targets.at)?.sqr()?.sum(2)? + 1e-4)?.sqrt()?;
    let distance = ((distance * &targets.known)?.sum_all()? / (4 * b) as f64)?;
    // Radii are read where their head is thought to be; the maps do not learn from them.
    let heads = Tensor::cat(&[p.narrow(1, 0, 1)?, p.narrow(1, 2, 1)?], 1)?.detach();
    let radius = (flat.narrow(1, 4, 2)? * &heads)?.sum(2)?;
    let spread = (flat.narrow(1, 6, 2)? * &heads)?.sum(2)?;
    let square = (radius - &targets.radii)?.sqr()?;
    let likelihood = ((square * spread.neg()?.exp()?)? + &spread)?;
    let likelihood = ((likelihood * &targets.heads)?.mean_all()? * 0.5)?;
    Ok(Loss {
        gradients: None,
        parts: vec![
            ("entropy", scalar(&entropy)?),
            ("distance_px", CELL as f64 * scalar(&distance)?),
        ],
        total: ((entropy + (distance * 0.05)?)? + (likelihood * 0.1)?)?,
    })
}

impl Taught for HipsLesson {
    type Batch = (Tensor, Targets);

    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn batch(&self, step: usize) -> Tensors<Self::Batch> {
        self.views(step)
    }

    fn loss(&self, (images, targets): Self::Batch, _step: usize, _done: f64) -> Tensors<Loss> {
        judged(&self.network.forward(&images)?, &targets)
    }

    fn card(&self, _averages: &BTreeMap<String, Tensor>) -> Result<Card, Error> {
        let (out, recipe, data) = (&self.out, &self.recipe, &self.data);
        let mut card = card(
            Task::Hips,
            "hip-hourglass-1",
            &self.config,
            out,
            recipe,
            data,
        );
        card.calibration = Some(Calibration::default());
        Ok(card)
    }

    fn measure(&self, averages: &BTreeMap<String, Tensor>, card: &mut Card) -> Result<(), Error> {
        HipNetwork::new(&fixed(averages), &self.config)
            .and_then(|network| calibrate(&self.held_out(&network)?, card))
            .map_err(|e| tensors(&e))
    }
}
