//! A request: everything a generation needs, frozen.
//!
//! The same value is a line of a batch manifest, a provenance record, a bug report and a test fixture: no globals,
//! no clock, no path to weights beyond a name and a hash.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Prompted;
use crate::geometry::PixelRect;
use crate::grid::Grid;
use crate::landmarks::HipLandmarks;
use crate::radiograph::{DisplayWindow, Radiograph};

/// What is generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A whole image from a sketch.
    Sketch,
    /// The painted part is renewed, the rest kept.
    Inpaint,
    /// The painted part is kept, the rest renewed.
    Outpaint,
    /// A whole image from attributes alone.
    Sample,
}

/// A model by name and content, never by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelReference {
    /// The folder's name in `model.json`.
    pub name: String,
    /// SHA-256 over the hashes of its files, hexadecimal; empty = whatever the name finds (recorded after the run).
    #[serde(default)]
    pub hash: String,
}

impl ModelReference {
    /// Whatever the name finds.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            hash: String::new(),
        }
    }
}

/// How noise becomes an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampler {
    /// Deterministic DDIM, η = 0; on a flow-matching model its Euler form.
    #[default]
    Ddim,
    /// Ancestral DDPM.
    Ddpm,
}

/// How strongly and when the hint acts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Control {
    /// Factor on the control residuals, ≥ 0.
    pub weight: f64,
    /// Fraction of the steps at which control begins, 0–1.
    pub start: f64,
    /// Fraction of the steps at which control ends, 0–1.
    pub end: f64,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            weight: 1.0,
            start: 0.0,
            end: 1.0,
        }
    }
}

/// Patient Sex (0010,0040).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Sex {
    /// Male.
    #[serde(rename = "M")]
    Male,
    /// Female.
    #[serde(rename = "F")]
    Female,
    /// Other: its own value, not unknown.
    #[serde(rename = "O")]
    Other,
}

/// What the image shall show; what is absent is unknown, not false.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Attributes {
    /// `hip`, `chest`, …; empty when unknown.
    #[serde(default)]
    pub kind: String,
    /// Age in years.
    #[serde(default)]
    pub age_years: Option<f64>,
    /// Sex.
    #[serde(default)]
    pub sex: Option<Sex>,
    /// Findings by name, present or absent.
    #[serde(default)]
    pub findings: BTreeMap<String, bool>,
}

/// How far outside the painted mask pixels may change.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RingPolicy {
    /// Width of the ring in image pixels, ≥ 0; 0 blends inward only.
    pub px: f64,
}

impl Default for RingPolicy {
    fn default() -> Self {
        Self { px: 12.0 }
    }
}

/// Initial noise given from outside, instead of that of the seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GivenNoise {
    /// Channels, rows and columns of one image's latent.
    pub shape: [usize; 3],
    /// Standard normal numbers, image after image in NCHW order.
    ///
    /// A model that reads text may be given one row an image, or one and one more for each step: schedulers that mix
    /// in fresh noise take those in their order, `[steps + 1, C, h, w]` an image.
    #[serde(with = "crate::encoding::floats")]
    pub values: Vec<f32>,
}

/// A latent to begin with instead of noise alone: what an earlier answer ended in, before a small edit.
///
/// It is part of the request, so that a record of the answer gives the same image again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WarmStart {
    /// Where on the path the walk begins, above 0 and below 1; 1 would be noise alone.
    pub t: f64,
    /// The square of the image that the latent shows; where another one is generated it is left alone.
    pub region: PixelRect,
    /// The latent; noise is mixed into it first.
    pub latent: GivenNoise,
}

/// How patches are put into films today; see [`Request::composite`].
pub const COMPOSITE: u32 = 3;

const fn one_pass() -> usize {
    1
}

/// Everything a generation needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// What is generated.
    pub mode: Mode,
    /// With what.
    pub model: ModelReference,
    /// A ControlNet branch that brings the hint in instead of the model's own adapter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_model: Option<ModelReference>,
    /// The model that draws squares of an image again, finer, after it is painted; an empty name is whatever there is,
    /// absent (as in records from before there was one) is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refiner: Option<ModelReference>,
    /// What is asked of a model that reads text; absent for the project's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompted: Option<Prompted>,
    /// The image worked on, at native depth; absent when a whole image is made from nothing.
    #[serde(default)]
    pub source: Option<Arc<Radiograph>>,
    /// Maps stored values to the model's grey and back; absent = the source's initial window.
    #[serde(default)]
    pub window: Option<DisplayWindow>,
    /// Size of the result, `[width, height]`, when there is no source; the model's own size if absent.
    #[serde(default)]
    pub size: Option<[usize; 2]>,
    /// The rasterised sketch in image space, 255 = line.
    #[serde(default, with = "crate::encoding::optional_grid_u8")]
    pub hint: Option<Grid<u8>>,
    /// The rasterised mask in image space, 255 = painted.
    #[serde(default, with = "crate::encoding::optional_grid_u8")]
    pub mask: Option<Grid<u8>>,
    /// Landmark geometry asked for, image space.
    #[serde(default)]
    pub landmarks: Option<HipLandmarks>,
    /// What the image shall show.
    #[serde(default)]
    pub attributes: Attributes,
    /// Seed of the noise; image `n` draws from the stream `first_image + n` of it.
    pub seed: u64,
    /// How many images.
    pub count: usize,
    /// Number of the first image: the same image of the same seed whatever the batch.
    #[serde(default)]
    pub first_image: u64,
    /// Denoising steps, ≥ 1.
    pub steps: usize,
    /// How noise becomes an image.
    #[serde(default)]
    pub sampler: Sampler,
    /// 0 keeps the source, 1 starts from noise alone.
    pub strength: f64,
    /// Classifier-free guidance scale; 1 = none.
    pub guidance: f64,
    /// Effect of the hint.
    #[serde(default)]
    pub control: Control,
    /// How far outside the mask pixels may change.
    #[serde(default)]
    pub ring: RingPolicy,
    /// Initial noise of each image, if it does not come from the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<GivenNoise>,
    /// Begins with an earlier answer instead of noise alone; for one image only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm: Option<WarmStart>,
    /// 2 = a painted part that is larger than the model is made again in a tighter crop, from what the first pass made.
    #[serde(default = "one_pass")]
    pub passes: usize,
    /// How a patch is put into its film: [`COMPOSITE`] is today's way. 0, or absent as in records from before there was a
    /// choice, is that of then, so that they still give the same image: gain and offset fitted on what the window
    /// clips, too, grain of one power, no match before a second pass, and no second pass over large parts. 1 showed
    /// every model grey in place of what is renewed, whatever its card says. Up to 2 gains were fitted by deviations, what
    /// was near the mask counted as grain whatever it was, and every walk began at noise alone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub composite: u32,
    /// A draft while the pen moves: the preview decoder and no measurements.
    #[serde(default)]
    pub preview: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(composite: &u32) -> bool {
    *composite == 0
}

impl Request {
    /// A request with the defaults of its mode: no source, no hint, no mask.
    pub fn new(mode: Mode, model: ModelReference) -> Self {
        Self {
            mode,
            model,
            control_model: None,
            refiner: Some(ModelReference::default()),
            prompted: None,
            source: None,
            window: None,
            size: None,
            hint: None,
            mask: None,
            landmarks: None,
            attributes: Attributes::default(),
            seed: 1,
            count: 1,
            first_image: 0,
            steps: 8,
            sampler: Sampler::default(),
            strength: 1.0,
            guidance: 1.5,
            control: Control::default(),
            ring: RingPolicy::default(),
            noise: None,
            warm: None,
            passes: 2,
            composite: COMPOSITE,
            preview: false,
        }
    }

    /// Where models are named that `other` names too, takes over the hashes that were found there.
    pub fn take_hashes_of(&mut self, other: &Self) {
        let take = |own: &mut ModelReference, other: &ModelReference| {
            if own.name == other.name && own.hash.is_empty() {
                own.hash.clone_from(&other.hash);
            }
        };
        if let (Some(own), Some(other)) = (&mut self.control_model, &other.control_model) {
            take(own, other);
        }
        match (&mut self.refiner, &other.refiner) {
            // Whatever there was, or nothing where the images show no hips.
            (Some(own), _) if own.name.is_empty() => self.refiner.clone_from(&other.refiner),
            (Some(own), Some(other)) => take(own, other),
            _ => {}
        }
        let Some(others) = &other.prompted else {
            return;
        };
        let own = self.prompted.get_or_insert_default();
        for (own, other) in own.controls.iter_mut().zip(&others.controls) {
            take(&mut own.model, &other.model);
        }
        for (own, other) in own.loras.iter_mut().zip(&others.loras) {
            take(&mut own.model, &other.model);
        }
    }

    /// The request for image `number` of this one alone: it gives the same image.
    #[must_use]
    pub fn for_image(&self, number: u64) -> Self {
        let mut one = self.clone();
        one.count = 1;
        one.first_image = number;
        if let Some(noise) = &mut one.noise {
            let before = number.saturating_sub(self.first_image) as usize;
            let numbers = noise.values.len() / self.count.max(1);
            let first = before.saturating_mul(numbers);
            let own = noise.values.get(first..first.saturating_add(numbers));
            noise.values = own.map(<[f32]>::to_vec).unwrap_or_default();
        }
        one
    }
}
