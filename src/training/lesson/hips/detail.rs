//! The lesson of the second look: single hips, enlarged, placed as carelessly as the first look places them.
//!
//! Separate from [the whole film's](super), whose loss it shares, because its images are parts of larger films: the data are drawn
//! at several times the size that the first look sees.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Result as Tensors, Tensor};
use rayon::prelude::*;

use super::calibration::{HeldOut, calibrate, truth};
use super::{Targets, judged, targets, with_points};
use crate::geometry::{Affine, Point};
use crate::grid::Grid;
use crate::job::{Error, ErrorKind};
use crate::landmarks::{HipLandmarks, Side};
use crate::network::device::Place;
use crate::network::folder::{Card, Task, load_hips};
use crate::network::hips::detail::{Config, Look, ROUNDS, joined, square};
use crate::network::hips::points::{Calibration, HipPrediction, both_maps, joined_prediction};
use crate::network::hips::{CELL, HipNetwork};
use crate::network::weights::Weights;
use crate::noise::Noise;
use crate::signal::resize::resize;
use crate::training::data::augment::part;
use crate::training::data::{DataSet, Example, image_tensor, indices};
use crate::training::lesson::{Taught, card, fixed};
use crate::training::recipe::Recipe;
use crate::training::trainer::Loss;
use crate::training::{model, tensors};

/// How far the first look may be off: shift as a share of the square's side, and relative size.
const SHIFT: f64 = 0.12;
const SIZE: f64 = 0.15;
/// Largest rotation in degrees.
const ROTATION: f64 = 10.0;

struct HipDetailLesson {
    out: PathBuf,
    recipe: Recipe,
    data: DataSet,
    config: Config,
    weights: Weights,
    network: HipNetwork,
    /// The network of the first look and the size of its input, for calibrating on what it finds.
    first: Option<(HipNetwork, usize)>,
}

/// Builds the network and its lesson; the recipe's `crop` is the size of a look.
pub(in super::super) fn begin(
    out: &Path,
    recipe: &Recipe,
    data: DataSet,
    place: &Place,
) -> Result<impl Taught + use<>, Error> {
    let config: Config = recipe.network()?;
    let usable = |share: &f64| share.is_finite() && (0.1..=2.0).contains(share);
    if recipe.crop == 0 || config.sides.is_empty() || !config.sides.iter().all(usable) {
        let what = "the recipe needs `crop`, the pixels of a look, and `sides` between 0.1 and 2";
        return Err(Error::new(ErrorKind::Usage, what).remedy("see assets/recipes/hip-detail.toml"));
    }
    let data = with_points(data, recipe)?;
    let weights = Weights::on(recipe.seed, &place.device);
    let network =
        HipNetwork::new(&weights.builder(), &config.hourglass()).map_err(|e| tensors(&e))?;
    Ok(HipDetailLesson {
        out: out.to_owned(),
        recipe: recipe.clone(),
        data,
        config,
        weights,
        network,
        first: first_look(recipe, place)?,
    })
}

/// The network of the first look, where the recipe's `base` names its folder.
fn first_look(recipe: &Recipe, place: &Place) -> Result<Option<(HipNetwork, usize)>, Error> {
    if recipe.base.as_os_str().is_empty() {
        return Ok(None);
    }
    let (network, _, folder) = load_hips(&recipe.base, place).map_err(|e| model(&e))?;
    Ok(Some((network, folder.card.native_size[0])))
}

/// A look with the points of its hip in its own pixels, as if it were a left one.
fn seen_as_left(landmarks: &HipLandmarks, look: &Look, turn: &Affine) -> (Affine, HipLandmarks) {
    let look_from_image = look.image_from_look.inverse().unwrap_or(Affine::IDENTITY);
    let look_from_image = turn.after(&look_from_image);
    let mut hip = *landmarks.hip(look.side);
    hip.center = look_from_image.apply(hip.center);
    hip.rim = look_from_image.apply(hip.rim);
    hip.radius *= look_from_image.scale();
    let points = HipLandmarks {
        left: hip,
        right: hip,
        pixel_spacing_mm: None,
    };
    (look_from_image, points)
}

impl HipDetailLesson {
    /// A random careless look at one hip of an example.
    fn look(&self, landmarks: &HipLandmarks, side: Side, share: f64, noise: &mut Noise) -> Look {
        let (center, length) = square(landmarks, side, share);
        let length = length * (1.0 + noise.range(-SIZE, SIZE));
        let mut off = || noise.range(-SHIFT, SHIFT) * length;
        let center = center + Point::new(off(), off());
        Look::new(side, center, length, self.recipe.crop)
    }

    fn sample(&self, example: &Example, noise: &mut Noise) -> Option<(Grid<f32>, HipLandmarks)> {
        let landmarks = example.facts.landmarks?;
        let side = if noise.chance(0.5) {
            Side::Left
        } else {
            Side::Right
        };
        let sides = &self.config.sides;
        let share = sides[noise.index(sides.len())];
        let look = self.look(&landmarks, side, share, noise);
        let middle = (self.recipe.crop as f64 - 1.0) / 2.0;
        let angle = noise.range(-ROTATION, ROTATION).to_radians();
        let turn = Affine::rotation(angle, Point::new(middle, middle));
        let (look_from_image, points) = seen_as_left(&landmarks, &look, &turn);
        let image = part(
            &example.image,
            &look_from_image,
            self.recipe.crop,
            1.0,
            noise,
        );
        Some((image, points))
    }

    fn views(&self, step: usize) -> Tensors<(Tensor, Targets)> {
        let mut noise = Noise::new(self.recipe.seed, step as u64);
        let chosen = indices(&mut noise, self.data.training().len(), self.recipe.batch);
        let seed = self.recipe.seed ^ ((step as u64) << 20);
        let (images, points): (Vec<_>, Vec<_>) = chosen
            .par_iter()
            .enumerate()
            .filter_map(|(i, n)| {
                let mut noise = Noise::new(seed, i as u64);
                self.sample(&self.data.examples[*n], &mut noise)
            })
            .unzip();
        let cells = self.recipe.crop / CELL;
        let targets = targets(&points, 1, cells, self.weights.device())?;
        Ok((image_tensor(&images)?, targets))
    }

    /// Looks at one film, placed by `look(side, share)`: their maps and where the points are in each.
    fn looked_at(
        &self,
        network: &HipNetwork,
        example: &Example,
        landmarks: &HipLandmarks,
        mut look: impl FnMut(Side, f64) -> Look,
    ) -> Tensors<LookedAt> {
        let mut noise = Noise::new(0, 0);
        let (mut looks, mut images, mut truths) = (vec![], vec![], vec![]);
        for side in [Side::Left, Side::Right] {
            for share in &self.config.sides {
                let look = look(side, *share);
                let (look_from_image, points) = seen_as_left(landmarks, &look, &Affine::IDENTITY);
                let size = self.recipe.crop;
                images.push(part(
                    &example.image,
                    &look_from_image,
                    size,
                    0.0,
                    &mut noise,
                ));
                truths.push(points);
                looks.push(look);
            }
        }
        let images = image_tensor(&images)?.to_device(self.weights.device())?;
        Ok(LookedAt {
            maps: network.forward(&images)?,
            looks,
            truths,
            landmarks: *landmarks,
        })
    }

    /// What the first look finds on a film, pixels of the film.
    fn found(&self, example: &Example) -> Tensors<Option<HipLandmarks>> {
        let Some((network, size)) = &self.first else {
            return Ok(None);
        };
        let image = image_tensor(&[reduced(&example.image, *size)])?;
        let maps = both_maps(network, &image.to_device(self.weights.device())?)?;
        let read = joined_prediction(&maps, &Calibration::default())?;
        let scale = example.image.width() as f64 / *size as f64;
        let film_from_input = Affine::scale_then_shift(
            Point::new(scale, scale),
            Point::new(0.5 * scale - 0.5, 0.5 * scale - 0.5),
        );
        let found = read.mapped(&film_from_input).landmarks();
        Ok(found.is_valid().then_some(found))
    }

    /// What is seen of the films held out: where the looks before find the hips, or placed as carelessly as in training.
    fn held_out(&self, network: &HipNetwork) -> Tensors<Vec<LookedAt>> {
        let mut all = Vec::new();
        for n in self.data.held() {
            let example = &self.data.examples[n];
            let Some(landmarks) = example.facts.landmarks else {
                continue;
            };
            let mut noise = Noise::new(self.recipe.seed ^ 0x4845_4c44, n as u64);
            let careless = |side, share: f64| self.look(&landmarks, side, share, &mut noise);
            let Some(mut found) = self.found(example)? else {
                all.push(self.looked_at(network, example, &landmarks, careless)?);
                continue;
            };
            for round in 1..=ROUNDS {
                let placed = |side, share: f64| {
                    let (center, length) = square(&found, side, share);
                    Look::new(side, center, length, self.recipe.crop)
                };
                let seen = self.looked_at(network, example, &landmarks, placed)?;
                if round == ROUNDS {
                    all.push(seen);
                    break;
                }
                let read = seen.prediction(&Calibration::default())?.landmarks();
                if read.is_valid() {
                    found = read;
                }
            }
        }
        Ok(all)
    }
}

/// A film as the first look sees it: means of equal parts, grey in −1…1.
fn reduced(image: &Grid<u8>, size: usize) -> Grid<f32> {
    resize(&image.map(|v| f32::from(*v) / 127.5 - 1.0), size, size)
}

/// All looks at one film.
struct LookedAt {
    maps: Tensor,
    looks: Vec<Look>,
    truths: Vec<HipLandmarks>,
    landmarks: HipLandmarks,
}

impl HeldOut for LookedAt {
    fn truth(&self) -> &HipLandmarks {
        &self.landmarks
    }

    fn prediction(&self, calibration: &Calibration) -> Tensors<HipPrediction> {
        joined(&self.maps, &self.looks, calibration)
    }

    fn maps(&self, point: usize) -> Tensors<Vec<(Tensor, Point)>> {
        // Both hips are read by the maps of the left one.
        if point >= 2 {
            return Ok(Vec::new());
        }
        let truths = self.truths.iter().enumerate();
        truths
            .map(|(i, seen)| Ok((self.maps.get(i)?.get(point)?, truth(seen)[point])))
            .collect()
    }
}

impl Taught for HipDetailLesson {
    type Batch = (Tensor, Targets);

    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn batch(&self, step: usize) -> Tensors<Self::Batch> {
        self.views(step)
    }

    fn loss(&self, (images, targets): Self::Batch, _step: usize, _done: f64) -> Tensors<Loss> {
        let images = images.to_device(self.weights.device())?;
        judged(&self.network.forward(&images)?, &targets)
    }

    fn card(&self, _averages: &BTreeMap<String, Tensor>) -> Result<Card, Error> {
        let (out, recipe, data) = (&self.out, &self.recipe, &self.data);
        let task = Task::HipDetail;
        let mut card = card(task, "hip-detail-1", &self.config, out, recipe, data);
        card.native_size = [recipe.crop; 2];
        card.calibration = Some(Calibration::default());
        Ok(card)
    }

    fn measure(&self, averages: &BTreeMap<String, Tensor>, card: &mut Card) -> Result<(), Error> {
        HipNetwork::new(&fixed(averages), &self.config.hourglass())
            .and_then(|network| calibrate(&self.held_out(&network)?, card))
            .map_err(|e| tensors(&e))
    }
}
