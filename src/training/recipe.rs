//! What a recipe says: sizes, rates and steps of one training run.
//!
//! Separate because it is the part a person writes, as TOML; the bundled ones lie in `assets/recipes`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::job::{Error, ErrorKind};

/// A training recipe; missing keys take these defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Name in `model.json`; empty = the name of the output folder.
    pub name: String,
    /// Width and height of the images, a multiple of 32.
    pub size: usize,
    /// Diffusion, control, student: width and height of the films that views of `size` are cut from, so that close ones
    /// are as sharp as whole ones; 0 = `size`.
    pub film: usize,
    /// Optimizer steps in all.
    pub steps: usize,
    /// Images a step.
    pub batch: usize,
    /// Highest learning rate.
    pub rate: f64,
    /// Steps of linear warm-up.
    pub warm_up: usize,
    /// Share of the run at the highest rate, before the cosine.
    pub flat: f64,
    /// Rate at the end, as a share of the highest.
    pub last_rate: f64,
    /// Decoupled weight decay, on matrices and kernels only.
    pub weight_decay: f64,
    /// Largest norm of the whole gradient.
    pub clip: f64,
    /// Largest decay of the averaged weights.
    pub average: f64,
    /// Seed of weights, batches and noise.
    pub seed: u64,
    /// Minutes between two checkpoints.
    pub checkpoint_minutes: f64,
    /// Steps between two lines of `metrics.jsonl`.
    pub log_every: usize,
    /// With `--minutes`, let the rate fall with the time used instead of the steps done: the run ends annealed
    /// however fast the machine is, but another run of it gives other numbers.
    pub anneal_by_time: bool,
    /// Side of the random crops an autoencoder trains on; 0 = whole images.
    pub crop: usize,
    /// Diffusion: keep only what lies between the blocks of the denoiser and compute the rest twice: about a third more
    /// time for a fraction of the memory.
    pub checkpointing: bool,
    /// Phantoms of the brain: whether MR and CT of one seed are heads of their own, not pairs.
    pub independent: bool,
    /// Images kept out of training, for measuring and calibrating; at most a quarter of all.
    pub held_out: usize,
    /// Folder where drawn phantoms are kept between runs; empty = beside the output folder.
    pub cache: PathBuf,
    /// Model folder of the autoencoder (diffusion, control); empty = `autoencoder` beside the output folder.
    pub autoencoder: PathBuf,
    /// Model folder of the diffusion model (control); empty = `diffusion` beside the output folder.
    pub base: PathBuf,
    /// Model folder whose weights the run starts from, where name and shape agree; empty = from random ones.
    pub start: PathBuf,
    /// SPDX expression for the weights.
    pub licence: String,
    /// The network's own configuration; missing keys take its defaults.
    pub network: serde_json::Value,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            name: String::new(),
            size: 256,
            film: 0,
            steps: 4000,
            batch: 16,
            rate: 1e-3,
            warm_up: 200,
            flat: 0.6,
            last_rate: 0.02,
            weight_decay: 0.01,
            clip: 1.0,
            average: 0.999,
            seed: 1,
            checkpoint_minutes: 5.0,
            log_every: 10,
            anneal_by_time: false,
            crop: 0,
            checkpointing: false,
            independent: false,
            held_out: 100,
            cache: PathBuf::new(),
            autoencoder: PathBuf::new(),
            base: PathBuf::new(),
            start: PathBuf::new(),
            licence: "MIT OR Apache-2.0".to_owned(),
            network: serde_json::json!({}),
        }
    }
}

impl Recipe {
    /// The recipe of a plan; `null` is all defaults.
    pub fn from_value(value: &serde_json::Value) -> Result<Self, Error> {
        let wrong = |what: String| {
            Error::new(
                ErrorKind::Usage,
                format!("the recipe cannot be used: {what}"),
            )
        };
        let recipe: Self = if value.is_null() {
            Self::default()
        } else {
            serde_json::from_value(value.clone()).map_err(|error| wrong(error.to_string()))?
        };
        if recipe.size == 0 || !recipe.size.is_multiple_of(32) {
            return Err(wrong(format!(
                "size {} is not a multiple of 32",
                recipe.size
            )));
        }
        if !recipe.crop.is_multiple_of(32) || recipe.crop > recipe.size {
            return Err(wrong(format!(
                "crop {} is not a multiple of 32 within the size",
                recipe.crop
            )));
        }
        if recipe.film != 0 && recipe.film < recipe.size {
            return Err(wrong(format!(
                "film {} is smaller than the size {}",
                recipe.film, recipe.size
            )));
        }
        if recipe.batch == 0 || recipe.steps == 0 {
            return Err(wrong("batch and steps must be at least 1".to_owned()));
        }
        let positive = [recipe.rate, recipe.clip, recipe.checkpoint_minutes];
        if !positive.iter().all(|v| v.is_finite() && *v > 0.0) {
            let what = "rate, clip and checkpoint_minutes must be above 0";
            return Err(wrong(what.to_owned()));
        }
        Ok(recipe)
    }

    /// Width and height of the films in memory.
    pub fn film_size(&self) -> usize {
        self.film.max(self.size)
    }

    /// The configuration of the network.
    pub fn network<C: serde::de::DeserializeOwned>(&self) -> Result<C, Error> {
        serde_json::from_value(self.network.clone()).map_err(|error| {
            Error::new(
                ErrorKind::Usage,
                format!("[network] of the recipe cannot be used: {error}"),
            )
        })
    }

    /// `given`, or `name` beside the output folder when it is empty.
    pub fn beside(given: &Path, out: &Path, name: &str) -> PathBuf {
        if given.as_os_str().is_empty() {
            out.parent().unwrap_or(Path::new(".")).join(name)
        } else {
            given.to_owned()
        }
    }

    /// Learning rate when `done` (0–1) of the run is over and `step` steps are behind.
    pub fn rate_at(&self, step: usize, done: f64) -> f64 {
        let warm = ((step + 1) as f64 / self.warm_up.max(1) as f64).min(1.0);
        let fall = ((done - self.flat) / (1.0 - self.flat).max(1e-9)).clamp(0.0, 1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * fall).cos());
        self.rate * warm * (self.last_rate + (1.0 - self.last_rate) * cosine)
    }
}
