//! The refiner's lesson: squares of a film drawn again, crisp where the whole film is soft.
//!
//! A square shows what a first pass would have painted, out of the autoencoder at the film's size and blurred; its
//! target is the film itself, two to three times as fine. A square about a hip is open in the middle: there it is drawn
//! anew from lines, points and labels. Separate from the generator's lesson, whose batch and loss it shares, because
//! its images are parts of larger films and its context is another picture than its target.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{Result as Tensors, Tensor};
use rayon::prelude::*;

use super::diffusion::{Fresh, mean_error, velocity_loss};
use super::flow::{FlowBatch, logit_normal, masked, with_holes};
use super::{Taught, card};
use crate::geometry::{Affine, Point};
use crate::grid::Grid;
use crate::job::{Error, ErrorKind};
use crate::landmarks::{HipLandmarks, Side};
use crate::network::autoencoder::{Autoencoder, FACTOR, latent_mask};
use crate::network::condition::{Condition, Moment};
use crate::network::control::hint;
use crate::network::denoiser::assemble;
use crate::network::device::Place;
use crate::network::folder::{Card, Context, Diffusion, DiffusionConfig, ModelFolder, Need, Task};
use crate::network::hips::detail::Look;
use crate::network::hips::joint::{as_left, finding_as_left, opening, square};
use crate::network::weights::Weights;
use crate::noise::Noise;
use crate::signal::blur::gaussian;
use crate::signal::resize::{resize, resize_lines};
use crate::training::data::augment::{View, part};
use crate::training::data::{
    DataSet, Example, Facts, condition_of, image_tensor, indices, sketch_at,
};
use crate::training::recipe::Recipe;
use crate::training::tensors;
use crate::training::trainer::Loss;

/// Side of a whole film as the first pass paints it, pixels.
const FILM: usize = 256;
/// Squares kept of each hip, and of each film.
const HIP_VIEWS: u64 = 4;
const VIEWS: u64 = 8;
/// How often a film that shows hips is chosen, where there are others, and how often a square of it is about a hip.
const HIPS: f64 = 0.4;
const ABOUT_HIP: f64 = 0.65;
/// A film with a luxated hip counts as so many: they are rare, and their heads stand in many places.
const LUXATED: usize = 3;
/// Sides of squares that are not about a hip, as shares of the film's.
const SHARES: [f64; 2] = [0.3, 0.46];
/// How carelessly a square is placed: shift as a share of its side, relative size, degrees.
const SHIFT: f64 = 0.1;
const SIZE: f64 = 0.12;
const ROTATION: f64 = 6.0;
/// Strength of changes of exposure.
const EXPOSURE: f64 = 0.3;
/// Largest deviation of the blur of what a first pass paints, pixels of the film at [`FILM`]; most are far smaller.
const BLUR: f64 = 3.5;
/// A square as dark as this in the mean (of 255) is chosen only where five others were.
const DARK: f64 = 12.0;
/// How often nothing is shown of what is around.
const ALONE: f64 = 0.08;

struct RefinerLesson {
    out: PathBuf,
    recipe: Recipe,
    data: DataSet,
    autoencoder: Autoencoder,
    folder: ModelFolder,
    config: DiffusionConfig,
    weights: Weights,
    network: Diffusion,
    /// Films that show hips, those with a luxated one several times.
    hips: Vec<usize>,
    /// The latent masks of the open disc and of nothing.
    open: Tensor,
    closed: Tensor,
    /// Films as the first pass paints them.
    soft: Mutex<HashMap<usize, Arc<Grid<u8>>>>,
    /// Latents of a square and of what is shown around its opening.
    latents: Mutex<HashMap<Key, (Tensor, Tensor)>>,
}

/// One fixed square: of which film, about which hip if any, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    example: usize,
    hip: Option<Side>,
    number: u64,
}

/// One sample before the networks see it.
struct Sample {
    key: Key,
    sketch: Grid<f32>,
    landmarks: Option<HipLandmarks>,
    condition: Condition,
    moment: Moment,
    alone: bool,
    noise: Vec<f32>,
}

/// Loads the autoencoder and builds the network; the recipe's `crop` is the size of a square.
///
/// Films without hips teach what every film teaches; without any film of hips none is drawn anew.
pub(super) fn begin(
    out: &Path,
    recipe: &Recipe,
    data: DataSet,
    place: &Place,
) -> Result<impl Taught + use<>, Error> {
    if recipe.crop == 0 {
        let what = "the recipe needs `crop`, the pixels of a square";
        return Err(Error::new(ErrorKind::Usage, what).remedy("see assets/recipes/refiner.toml"));
    }
    let fresh = Fresh::new(out, recipe, data.names.clone(), place)?;
    let open = latent_mask(&opening(recipe.crop))
        .and_then(|mask| mask.to_device(&place.device))
        .map_err(|e| tensors(&e))?;
    let hips = data.training().flat_map(|n| {
        let facts = &data.examples[n].facts;
        let seen = facts.landmarks.is_some_and(|l| l.is_valid());
        let luxated = facts
            .findings
            .iter()
            .any(|(name, present)| *present && name.starts_with("luxation"));
        std::iter::repeat_n(n, usize::from(seen) * if luxated { LUXATED } else { 1 })
    });
    Ok(RefinerLesson {
        hips: hips.collect(),
        out: out.to_owned(),
        recipe: recipe.clone(),
        data,
        autoencoder: fresh.autoencoder,
        folder: fresh.folder,
        config: fresh.config,
        weights: fresh.weights,
        network: fresh.network,
        closed: open.zeros_like().map_err(|e| tensors(&e))?,
        open,
        soft: Mutex::default(),
        latents: Mutex::default(),
    })
}

/// Where a square lies on its film, and the noise that its exposure is drawn from.
fn placed(example: &Example, key: Key, size: usize) -> Option<(Affine, Noise)> {
    let about = match key.hip {
        None => 0,
        Some(Side::Left) => 1,
        Some(Side::Right) => 2,
    };
    let mut noise = Noise::new(key.example as u64 ^ 0x4a4f_494e, key.number << 2 | about);
    let (side, center, length, turn) = if let Some(side) = key.hip {
        let (center, length) = square(&example.facts.landmarks?, side);
        let mut off = || noise.range(-SHIFT, SHIFT) * length;
        let center = center + Point::new(off(), off());
        let length = length * (1.0 + noise.range(-SIZE, SIZE));
        (side, center, length, noise.range(-ROTATION, ROTATION))
    } else {
        let (center, length) = somewhere(&example.image, &mut noise);
        (
            Side::Left,
            center,
            length,
            noise.range(-0.5, 0.5) * ROTATION,
        )
    };
    let look = Look::new(side, center, length, size);
    let middle = (size as f64 - 1.0) / 2.0;
    let turn = Affine::rotation(turn.to_radians(), Point::new(middle, middle));
    let square_from_film = turn.after(&look.image_from_look.inverse()?);
    Some((square_from_film, noise))
}

/// The middle and the side of a square of a film, not a dark one if that can be helped.
fn somewhere(film: &Grid<u8>, noise: &mut Noise) -> (Point, f64) {
    let (width, height) = film.size();
    let mut found = (Point::default(), 1.0);
    for _ in 0..6 {
        let length = width as f64 * noise.range(SHARES[0], SHARES[1]);
        // A square may reach a little beyond the film.
        let mut along = |whole: usize| noise.range(0.4 * length, whole as f64 - 0.4 * length);
        found = (Point::new(along(width), along(height)), length);
        let sum: f64 = (0..64)
            .map(|i| {
                let at = |k: usize, middle: f64| middle + ((k as f64 + 0.5) / 8.0 - 0.5) * length;
                let (x, y) = (at(i % 8, found.0.x), at(i / 8, found.0.y));
                let inside = x >= 0.0 && y >= 0.0;
                let cell = inside.then(|| film.get(x as usize, y as usize)).flatten();
                cell.map_or(0.0, |v| f64::from(*v))
            })
            .sum();
        if sum / 64.0 > DARK {
            break;
        }
    }
    found
}

/// Facts of a film in the pixels of a square, as those of a left hip.
fn seen_as_left(facts: &Facts, side: Side, square_from_film: &Affine) -> Facts {
    let mut facts = facts.clone();
    facts.landmarks = facts
        .landmarks
        .map(|landmarks| as_left(&landmarks, side, square_from_film));
    for (points, _) in &mut facts.outlines {
        for point in points {
            *point = square_from_film.apply(*point);
        }
    }
    for (name, _) in &mut facts.findings {
        *name = finding_as_left(name, side);
    }
    facts
}

impl RefinerLesson {
    fn samples(&self, step: usize) -> Vec<Sample> {
        let recipe = &self.recipe;
        let mut noise = Noise::new(recipe.seed, step as u64);
        let mut chosen = indices(&mut noise, self.data.training().len(), recipe.batch);
        for n in &mut chosen {
            if noise.chance(HIPS) && !self.hips.is_empty() {
                *n = self.hips[noise.index(self.hips.len())];
            }
        }
        chosen
            .par_iter()
            .enumerate()
            .filter_map(|(i, n)| {
                let stream = (step as u64) << 16 | i as u64;
                self.sample(*n, &mut Noise::new(recipe.seed ^ 0x5245_4649, stream))
            })
            .collect()
    }

    fn sample(&self, example: usize, noise: &mut Noise) -> Option<Sample> {
        let size = self.recipe.crop;
        let film = &self.data.examples[example];
        let with_hips = film.facts.landmarks.is_some_and(|l| l.is_valid());
        let hip = (with_hips && noise.chance(ABOUT_HIP))
            .then(|| [Side::Left, Side::Right][noise.index(2)]);
        let views = if hip.is_some() { HIP_VIEWS } else { VIEWS };
        let key = Key {
            example,
            hip,
            number: noise.index(views as usize) as u64,
        };
        let (square_from_film, mut exposure) = placed(film, key, size)?;
        let image = part(
            &film.image,
            &square_from_film,
            size,
            EXPOSURE,
            &mut exposure,
        );
        let mut facts = seen_as_left(&film.facts, hip.unwrap_or(Side::Left), &square_from_film);
        if hip.is_none() {
            facts.landmarks = None;
        }
        let neither = noise.chance(0.08);
        let lines = !neither && !noise.chance(0.3);
        let geometry = !neither && !noise.chance(0.4);
        let landmarks = facts.landmarks.filter(|_| geometry);
        let condition = with_holes(self.condition(&facts), landmarks.is_some(), noise);
        let sketch = if lines {
            // Pixels of the square for 1/256 of the film.
            let unit = square_from_film.scale() * film.image.width() as f64 / FILM as f64;
            sketched(&View { image, facts }, unit, noise)
        } else {
            Grid::filled(size, size, 0.0)
        };
        let cells = size / FACTOR;
        Some(Sample {
            key,
            sketch,
            landmarks,
            condition,
            moment: logit_normal(noise, !lines && landmarks.is_none() && hip.is_some()),
            alone: hip.is_some() && noise.chance(ALONE),
            noise: noise.normals(self.autoencoder.channels() * cells * cells),
        })
    }

    fn condition(&self, facts: &Facts) -> Condition {
        condition_of(facts, &self.data.names, self.recipe.crop)
    }

    /// Film `n` as the first pass paints it: reduced, and out of the autoencoder.
    fn softened(&self, n: usize) -> Tensors<Option<Arc<Grid<u8>>>> {
        if let Some(known) = kept(&self.soft).get(&n) {
            return Ok(Some(known.clone()));
        }
        let film = &self.data.examples[n].image;
        let small = resize(&film.map(|v| f32::from(*v) / 127.5 - 1.0), FILM, FILM);
        let latent = self.autoencoder.encode(&image_tensor(&[small])?)?;
        let made = self.autoencoder.decode(&latent)?.flatten_all()?;
        let cells = made
            .to_vec1::<f32>()?
            .into_iter()
            .map(|v| ((v + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8)
            .collect();
        let made = Grid::from_vec(FILM, FILM, cells).map(Arc::new);
        if let Some(made) = &made {
            kept(&self.soft).insert(n, made.clone());
        }
        Ok(made)
    }

    /// Latents of a square and of what is shown of it.
    fn latents(&self, key: Key) -> Tensors<(Tensor, Tensor)> {
        if let Some(known) = kept(&self.latents).get(&key) {
            return Ok(known.clone());
        }
        let size = self.recipe.crop;
        let film = &self.data.examples[key.example];
        let soft = self.softened(key.example)?;
        let (Some((square_from_film, mut exposure)), Some(soft)) = (placed(film, key, size), soft)
        else {
            let what = "a square without a film was chosen".to_owned();
            return Err(candle_core::Error::Msg(what));
        };
        // The same exposure for both: they are one film.
        let crisp = part(
            &film.image,
            &square_from_film,
            size,
            EXPOSURE,
            &mut exposure.clone(),
        );
        let scale = film.image.width() as f64 / FILM as f64;
        let film_from_soft = Affine::scale_then_shift(
            Point::new(scale, scale),
            Point::new(0.5 * scale - 0.5, 0.5 * scale - 0.5),
        );
        let square_from_soft = square_from_film.after(&film_from_soft);
        let blur = BLUR * Noise::new(key.example as u64, key.number).uniform().powi(2);
        let blurred = gaussian(&soft.map(|v| f32::from(*v)), blur).map(|v| v.round() as u8);
        let shown = part(&blurred, &square_from_soft, size, EXPOSURE, &mut exposure);
        let shown = if key.hip.is_some() {
            masked(&shown, &opening(size), Context::Grey)?
        } else {
            image_tensor(&[shown])?
        };
        let z = self.autoencoder.encode(&image_tensor(&[crisp])?)?.detach();
        let around = self.autoencoder.encode(&shown)?.detach();
        let both = (z, around);
        kept(&self.latents).insert(key, both.clone());
        Ok(both)
    }

    fn assembled(&self, samples: &[Sample]) -> Tensors<FlowBatch> {
        let (mut inputs, mut targets, mut weights, mut hints) = (vec![], vec![], vec![], vec![]);
        let in_hole = ((&self.open * 0.7)? + 0.3)?;
        for sample in samples {
            let (z, kept) = self.latents(sample.key)?;
            let e = Tensor::from_slice(&sample.noise, z.shape(), z.device())?;
            let noisy = ((&z * (1.0 - sample.moment.t))? + (&e * sample.moment.t)?)?;
            targets.push((&e - &z)?);
            let about_hip = sample.key.hip.is_some();
            let mask = if about_hip { &self.open } else { &self.closed };
            inputs.push(assemble(&noisy, (!sample.alone).then_some((mask, &kept)))?);
            weights.push(if about_hip && !sample.alone {
                in_hole.clone()
            } else {
                in_hole.ones_like()?
            });
            hints.push(hint(&sample.sketch, sample.landmarks.as_ref())?);
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
}

/// What is kept between steps.
fn kept<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lines of a square as they arrive there: drawn on the film at some resolution, and enlarged.
fn sketched(view: &View, unit: f64, noise: &mut Noise) -> Grid<f32> {
    let sketch = sketch_at(view, unit, noise);
    let (size, _) = sketch.size();
    let film_px = noise.range(1.0, unit.max(1.01));
    let small = ((size as f64 * film_px / unit).round() as usize).clamp(16, size);
    let bytes = |lines: &Grid<f32>| lines.map(|v| (v * 255.0) as u8);
    let drawn = resize_lines(&bytes(&sketch), small, small);
    resize_lines(&bytes(&drawn), size, size)
}

impl Taught for RefinerLesson {
    type Batch = Vec<Sample>;

    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn stands_on(&self) -> Vec<String> {
        vec![self.folder.hash()]
    }

    fn batch(&self, step: usize) -> Tensors<Vec<Sample>> {
        Ok(self.samples(step))
    }

    fn loss(&self, samples: Vec<Sample>, _step: usize, _done: f64) -> Tensors<Loss> {
        let batch = self.assembled(&samples)?;
        let given = (&self.recipe, &self.config);
        velocity_loss(&self.network, &batch, given, "velocity")
    }

    fn card(&self, _averages: &BTreeMap<String, Tensor>) -> Result<Card, Error> {
        let (out, recipe, data) = (&self.out, &self.recipe, &self.data);
        let task = Task::Refiner;
        let mut card = card(task, "flow-refiner-1", &self.config, out, recipe, data);
        card.native_size = [recipe.crop; 2];
        card.names = Some(data.names.clone());
        card.needs = BTreeMap::from([("autoencoder".to_owned(), Need::of(&self.folder))]);
        Ok(card)
    }

    fn measure(&self, averages: &BTreeMap<String, Tensor>, card: &mut Card) -> Result<(), Error> {
        let mean = mean_error(averages, &self.config, |step| {
            self.assembled(&self.samples(step))
        })?;
        card.measured.insert("velocity_error".to_owned(), mean);
        Ok(())
    }
}
