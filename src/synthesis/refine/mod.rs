//! A film drawn again, finer: after a whole film is painted, squares of it are painted once more, two to three times as
//! fine, each on what the first pass made.
//!
//! At an eighth of 256 pixels a cortex or a femoral head has no edge that could be measured. [`film`] goes over all of
//! the film and keeps its tones; [`hips`] draws each hip anew from lines and points. Separate from the second pass of
//! inpainting, which sharpens what the first one decided with the same network: here it is a network of its own, which
//! never saw a whole film.

mod film;
mod hips;

use std::ops::ControlFlow;

use candle_core::Tensor;

use super::film::frame::Frame;
use super::kept::Kept;
use super::readings::{Readers, go_on};
use crate::grid::Grid;
use crate::job::{Error, ModelReference, Request};
use crate::landmarks::HipLandmarks;
use crate::network::autoencoder::Autoencoder;
use crate::network::control;
use crate::network::device::Place;
use crate::network::folder::Diffusion;

/// Fewest and most steps of a hip; its square is so well described that more change little.
const HIP_STEPS: [usize; 2] = [4, 8];
/// Steps of a hip in a preview.
const PREVIEW_STEPS: usize = 2;
/// Steps over the whole film.
const FILM_STEPS: usize = 3;
/// Largest side of the finer picture, pixels: beyond it the squares have no more to give.
const LARGEST: usize = 1024;

/// The network that draws squares of films again, with what it needs.
#[derive(Debug)]
pub struct RefinerModel {
    /// Square to latent and back.
    pub autoencoder: Autoencoder,
    /// Denoiser with its adapter and names.
    pub diffusion: Diffusion,
    /// Width and height of a square, pixels.
    pub size: usize,
    /// Channels of a latent.
    pub latent: usize,
    /// Name and hash, for the record.
    pub model: ModelReference,
    /// Where it runs.
    pub place: Place,
    /// What squares whose lines stay need not compute again.
    pub kept: Kept,
}

/// What is drawn again of the images of one request.
pub(super) struct Refine<'a> {
    model: &'a RefinerModel,
    request: &'a Request,
    film_steps: usize,
    hip_steps: usize,
}

impl<'a> Refine<'a> {
    /// `None` where the request wants nothing drawn again, or the model does not know its kind.
    pub(super) fn of(model: Option<&'a RefinerModel>, request: &'a Request) -> Option<Self> {
        let kind = &request.attributes.kind;
        let model = model.filter(|model| model.diffusion.names.kind(kind).is_some())?;
        let has_hips = kind == "hip";
        let (film_steps, hip_steps) = if request.preview {
            // The very first answer is one step: it shall come at once.
            let steps = if request.steps > 1 { PREVIEW_STEPS } else { 0 };
            (0, steps)
        } else {
            (FILM_STEPS, request.steps.clamp(HIP_STEPS[0], HIP_STEPS[1]))
        };
        let hip_steps = if has_hips { hip_steps } else { 0 };
        let wanted = request.refiner.is_some() && film_steps + hip_steps > 0;
        wanted.then_some(Self {
            model,
            request,
            film_steps,
            hip_steps,
        })
    }

    /// What draws, for the record.
    pub(super) const fn model(&self) -> &ModelReference {
        &self.model.model
    }

    /// Steps for an image, those of all squares together.
    pub(super) const fn steps(&self) -> usize {
        self.film_steps + self.hip_steps
    }

    /// What was painted over the frame's crop (grey 0–1, at the model's size), drawn again at the image's resolution or
    /// up to [`LARGEST`] pixels; `None` where there was nothing to draw.
    ///
    /// `report` is told the number of each step before it, and between all other parts of the work.
    pub(super) fn drawn(
        &self,
        frame: &Frame,
        readers: &Readers,
        image_number: u64,
        grey: &Grid<f32>,
        report: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<Grid<f32>>, Error> {
        let finer = if self.film_steps > 0 {
            self.film(frame, image_number, grey, report)?
        } else {
            None
        };
        if self.hip_steps == 0 {
            return Ok(finer);
        }
        let mut report = |step: usize| report(self.film_steps + step);
        let base = finer.as_ref().unwrap_or(grey);
        go_on(report(0))?;
        let with_hips = self.hips(frame, readers, image_number, (grey, base), &mut report)?;
        Ok(with_hips.or(finer))
    }

    /// What the adapter adds in a square for its lines (0–1) and hip points, at the weight asked for.
    fn injections(
        &self,
        lines: &Grid<f32>,
        points: Option<&HipLandmarks>,
    ) -> candle_core::Result<Vec<Tensor>> {
        let adapted = |lines: &Grid<f32>, points: Option<&HipLandmarks>| {
            let model = self.model;
            model.kept.hint(lines, points, || {
                model
                    .diffusion
                    .adapter
                    .forward(&control::hint(lines, points)?)
            })
        };
        let full = adapted(lines, points)?;
        let weight = self.request.control.weight;
        if weight == 1.0 {
            return Ok(full);
        }
        let empty = Grid::filled(lines.width(), lines.height(), 0.0);
        control::weighted(&adapted(&empty, None)?, &full, weight)
    }
}
