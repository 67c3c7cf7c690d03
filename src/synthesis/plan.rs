//! What all images of a request share, and the way from noise to grey.
//!
//! Separate from the composite because nothing here knows about the source's depth: it is all model pixels.

use std::sync::Arc;

use candle_core::Tensor;

use super::crop::CropTransform;
use super::finish::Frame;
use super::generate::Generator;
use super::readings::{broken, image_tensor};
use super::sampler::{Known, Step, grid, noised, walk};
use crate::geometry::{Affine, Point};
use crate::grid::Grid;
use crate::job::{Attributes, Error, ErrorKind, Request, Sex};
use crate::landmarks::HipLandmarks;
use crate::network::autoencoder::{FACTOR, latent_mask};
use crate::network::condition::{Condition, Moment, Names};
use crate::network::control::{self, Branch};
use crate::network::denoiser::assemble;
use crate::noise::Noise;

/// Stream of the ancestral sampler's fresh noise: beyond those of the images.
const FRESH_STREAM: u64 = 1 << 41;

/// Everything that all images of a request share.
pub(super) struct Plan<'a> {
    /// A ControlNet branch with the hint it reads; it takes the adapter's place.
    branch: Option<(&'a Branch, Tensor)>,
    pub(super) frame: Frame,
    /// What the model is told to keep: mask (1 = renew) and the source's latent, at latent size.
    known: Option<(Tensor, Tensor, Tensor)>,
    /// The whole source's latent, for a strength below 1.
    start: Option<Tensor>,
    condition: Condition,
    /// What the adapter adds for an empty hint: the network never knew it without.
    without_hint: Vec<Tensor>,
    /// What it adds for this hint, at the weight asked for; absent without a hint.
    with_hint: Option<Vec<Tensor>>,
}

impl<'a> Plan<'a> {
    /// Encodes what is known and runs the control adapter: once a request, whatever the number of images.
    pub(super) fn new(
        generator: &Generator,
        branch: Option<&'a Branch>,
        request: &Request,
    ) -> Result<Self, Error> {
        let frame = Frame::new(request, generator.size)?;
        let mut plan = Self {
            branch: None,
            known: None,
            start: None,
            condition: condition(
                &generator.diffusion.names,
                &request.attributes,
                request.landmarks.as_ref(),
                &frame.crop,
            ),
            without_hint: Vec::new(),
            with_hint: None,
            frame,
        };
        plan.encode(generator, request).map_err(|e| broken(&e))?;
        plan.control(generator, branch, request)
            .map_err(|e| broken(&e))?;
        Ok(plan)
    }

    /// Latents of what is known.
    fn encode(&mut self, generator: &Generator, request: &Request) -> candle_core::Result<()> {
        let Some(source) = &request.source else {
            return Ok(());
        };
        let tensor =
            |grey: &Grid<f32>| image_tensor(grey).map_err(|e| candle_core::Error::Msg(e.what));
        let needs_start = request.strength < 1.0;
        if self.frame.blend.is_none() && !needs_start {
            return Ok(());
        }
        let model = self.frame.crop.model_px;
        let grey = self.frame.grey(source);
        let image = tensor(&grey)?;
        self.start = Some(generator.autoencoder.encode(&image)?);
        if let Some(touched) = self.frame.touched() {
            // The renewed part is blanked in pixels before encoding, so that nothing of it leaks into the latent.
            let blanked = Grid::from_fn(model, model, |x, y| {
                if touched[(x, y)] > 0 {
                    0.5
                } else {
                    grey[(x, y)]
                }
            });
            let kept = generator.autoencoder.encode(&tensor(&blanked)?)?;
            let latent = self.start.clone().unwrap_or_else(|| kept.clone());
            let mask = latent_mask(&touched)?.to_device(&generator.place.device)?;
            self.known = Some((mask, latent, kept));
        }
        Ok(())
    }

    /// Runs the control adapter: once a request, whatever the steps.
    ///
    /// The weight goes from the empty hint (0) to the drawn one (1) and beyond, since the network was trained with the
    /// adapter always on.
    fn control(
        &mut self,
        generator: &Generator,
        branch: Option<&'a Branch>,
        request: &Request,
    ) -> candle_core::Result<()> {
        let adapter = &generator.diffusion.adapter;
        let model = self.frame.crop.model_px;
        let empty = Grid::filled(model, model, 0.0);
        self.without_hint = adapter.forward(&control::hint(&empty, None)?)?;
        let drawn = request
            .hint
            .as_ref()
            .filter(|hint| hint.cells().iter().any(|v| *v > 0));
        if drawn.is_none() && request.landmarks.is_none() {
            return Ok(());
        }
        let lines = drawn.map_or(empty, |hint| self.frame.crop.lines_to_model(hint));
        let landmarks = request
            .landmarks
            .as_ref()
            .map(|l| self.frame.crop.landmarks_to_model(l));
        let hint = control::hint(&lines, landmarks.as_ref())?;
        if let Some(branch) = branch {
            self.branch = Some((branch, hint));
            return Ok(());
        }
        let full = adapter.forward(&hint)?;
        let weighted = self.without_hint.iter().zip(full);
        let weighted =
            weighted.map(|(without, with)| without + ((with - without)? * request.control.weight)?);
        self.with_hint = Some(weighted.collect::<candle_core::Result<_>>()?);
        Ok(())
    }

    /// Grey of one image at the model's size.
    pub(super) fn sample(
        &self,
        generator: &Generator,
        request: &Request,
        image_number: u64,
        report: &mut dyn FnMut(usize, Option<Arc<Grid<f32>>>) -> std::ops::ControlFlow<()>,
    ) -> Result<Grid<f32>, Error> {
        let side = generator.size / FACTOR;
        let shape = (1, generator.latent, side, side);
        let count = generator.latent * side * side;
        let mut stopped = false;
        let mut run = || -> candle_core::Result<Tensor> {
            let draw = |stream: u64| {
                Tensor::from_vec(
                    Noise::new(request.seed, stream).normals(count),
                    shape,
                    &generator.place.device,
                )
            };
            let given = request.noise.as_ref().map(|given| {
                let first = (image_number - request.first_image) as usize * count;
                let values = &given.values[first..first + count];
                Tensor::from_slice(values, shape, &generator.place.device)
            });
            let noise = given.unwrap_or_else(|| draw(image_number))?;
            let begin = if self.known.is_some() || self.start.is_none() {
                1.0
            } else {
                request.strength.max(1e-3)
            };
            let steps = grid(begin, request.steps);
            let z = match &self.start {
                Some(start) if begin < 1.0 => noised(start, &noise, begin)?,
                _ => noise.clone(),
            };
            let known = self
                .known
                .as_ref()
                .map(|(mask, latent, _)| Known { mask, latent });
            let velocity = |z: &Tensor, step: &Step| {
                if report(step.index, None).is_break() {
                    stopped = true;
                    return Err(candle_core::Error::Msg("stopped".to_owned()));
                }
                self.velocity(generator, request, z, step)
            };
            let fresh = |step: &Step| draw(FRESH_STREAM + (image_number << 10) + step.index as u64);
            let z = walk(
                z,
                &noise,
                &steps,
                request.sampler,
                known.as_ref(),
                velocity,
                fresh,
            )?;
            if request.preview {
                generator.autoencoder.decode_preview(&z)
            } else {
                generator.autoencoder.decode(&z)
            }
        };
        let decoded = run();
        if stopped {
            return Err(Error::stopped());
        }
        let values = decoded
            .and_then(|image| image.flatten_all()?.to_vec1::<f32>())
            .map_err(|e| broken(&e))?;
        if values.iter().any(|v| !v.is_finite()) {
            return Err(Error::new(
                ErrorKind::Failed,
                "the model answered with values that are no numbers",
            )
            .remedy("check the model folder with `radcanvas models check`"));
        }
        let grey = values
            .into_iter()
            .map(|v| (v * 0.5 + 0.5).clamp(0.0, 1.0))
            .collect();
        Grid::from_vec(generator.size, generator.size, grey)
            .ok_or_else(|| Error::new(ErrorKind::Model, "the decoder answers at another size"))
    }

    /// The guided velocity at one step.
    fn velocity(
        &self,
        generator: &Generator,
        request: &Request,
        z: &Tensor,
        step: &Step,
    ) -> candle_core::Result<Tensor> {
        let denoiser = &generator.diffusion.denoiser;
        let known = self.known.as_ref().map(|(mask, _, kept)| (mask, kept));
        let x = assemble(z, known)?;
        let done = step.index as f64 / request.steps as f64;
        let in_range = done >= request.control.start && done < request.control.end.max(1e-9);
        let with_hint = self.with_hint.as_deref().filter(|_| in_range);
        let injections = Some(with_hint.unwrap_or(&self.without_hint));
        let ask = |condition: &Condition, moment: Moment| {
            let vector = denoiser.embed(std::slice::from_ref(condition), &[moment])?;
            let Some((branch, hint)) = self.branch.as_ref().filter(|_| in_range) else {
                return denoiser.forward(&x, &vector, injections, None);
            };
            // A branch was trained beside the bare denoiser, without an adapter.
            let added = branch.forward(&x, &vector, hint, request.control.weight)?;
            denoiser.forward(&x, &vector, None, Some(&added))
        };
        if generator.few_step {
            let moment = Moment {
                t: step.t,
                step: step.t - step.next,
                guidance: request.guidance.max(1.0),
            };
            return ask(&self.condition, moment);
        }
        let strong = ask(&self.condition, Moment::plain(step.t))?;
        let weak_condition = self.condition.without_labels();
        if request.guidance == 1.0 || !step.guided() || weak_condition == self.condition {
            return Ok(strong);
        }
        let weak = ask(&weak_condition, Moment::plain(step.t))?;
        &weak + ((strong - &weak)? * request.guidance)?
    }
}

/// The condition of a request; names that the model does not know count as unknown.
fn condition(
    names: &Names,
    attributes: &Attributes,
    landmarks: Option<&HipLandmarks>,
    crop: &CropTransform,
) -> Condition {
    let kind = names.kind(&attributes.kind);
    let unit = 1.0 / crop.model_px as f64;
    let fractions =
        Affine::scale_then_shift(Point::new(unit, unit), Point::new(0.5 * unit, 0.5 * unit));
    let findings = attributes.findings.iter();
    Condition {
        kind,
        age_decades: attributes.age_years.map(|age| names.decades(kind, age)),
        sex: attributes.sex.map(|sex| match sex {
            Sex::Female => 0,
            Sex::Male => 1,
            Sex::Other => 2,
        }),
        findings: findings
            .filter_map(|(name, present)| Some((names.finding(name)?, *present)))
            .collect(),
        geometry: landmarks.map(|l| crop.landmarks_to_model(l).mapped(&fractions)),
    }
}
