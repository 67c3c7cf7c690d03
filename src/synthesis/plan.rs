//! What all images of a request share, and the way from noise to grey.
//!
//! Separate from the composite because nothing here knows about the source's depth: it is all model pixels.

use std::ops::ControlFlow;

use candle_core::{DType, Tensor};

use super::film::crop::CropTransform;
use super::film::frame::{Frame, place};
use super::film::outline::renewed;
use super::film::tiles::Squares;
use super::generate::Generator;
use super::readings::{asked, broken, go_on, grey_of, image_tensor};
use super::sampler::{Known, Step, grid, noised, walk};
use crate::geometry::{Affine, Point};
use crate::grid::Grid;
use crate::job::{Attributes, Error, GivenNoise, Request, Sex};
use crate::landmarks::HipLandmarks;
use crate::network::autoencoder::{FACTOR, latent_mask};
use crate::network::condition::{Condition, Moment, Names, guided};
use crate::network::control::{self, Branch};
use crate::network::denoiser::assemble;
use crate::network::folder::Context;
use crate::noise::Noise;
use crate::signal::resize::resize;

/// Stream of the ancestral sampler's fresh noise: beyond those of the images.
pub(super) const FRESH_STREAM: u64 = 1 << 41;
/// Stream of the noise of a second pass.
const SECOND_STREAM: u64 = 1 << 42;
/// How much of a second pass is new: it sharpens what the first one decided.
pub(super) const SECOND_STRENGTH: f64 = 0.4;

/// Everything that all images of a request share.
pub(super) struct Plan<'a> {
    pub(super) generator: &'a Generator,
    pub(super) request: &'a Request,
    /// A ControlNet branch with the hint it reads; it takes the adapter's place.
    branch: Option<(&'a Branch, Tensor)>,
    pub(super) frame: Frame,
    /// The frame of the second pass, where one is worth it.
    finer: Option<Frame>,
    /// The squares of the second pass, where a single one would show nothing finer.
    pub(super) squares: Option<Squares>,
    /// What the model is told to keep: mask (1 = renew) and the source's latent, at latent size.
    pub(super) known: Option<(Tensor, Tensor, Tensor)>,
    /// The share of the model's pixels that is renewed: 1 without a mask.
    renewed: f64,
    /// The latent that noise is mixed into, and when on the path the walk begins; absent = noise alone.
    origin: Option<(Tensor, f64)>,
    condition: Condition,
    /// What the adapter adds for an empty hint: the network never knew it without.
    without_hint: Vec<Tensor>,
    /// What it adds for this hint, at the weight asked for; absent without a hint.
    with_hint: Option<Vec<Tensor>>,
    /// Steps of the walk.
    pub(super) steps: usize,
    /// First stream of the images' noise.
    stream: u64,
}

/// Above this time it is decided what an image shows; below, how it looks.
const EARLY: f64 = 0.6;

/// Where a walk begins that renews a part: not at noise alone, but at the smooth continuation of what is around it, so far
/// gone that all but its tone is lost. Small networks are least sure of the tone, and it is known.
const CONTINUED: f64 = 0.9;
/// Beyond this share of renewed pixels nothing continues what is kept.
const MOSTLY: f64 = 0.5;

/// Least weight of the kind while that is decided, where nothing is drawn: small networks trained for minutes mix the
/// kinds without it (seen).
const KIND_GUIDANCE: f64 = 3.0;

/// What a walk ended in.
pub(super) struct Sampled {
    /// Grey, 0–1, at the model's size.
    pub(super) grey: Grid<f32>,
    /// The latent.
    pub(super) latent: GivenNoise,
}

impl<'a> Plan<'a> {
    /// Encodes what is known and runs the control adapter: once a request, whatever the number of images.
    pub(super) fn new(
        generator: &'a Generator,
        branch: Option<&'a Branch>,
        request: &'a Request,
        report: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Self, Error> {
        go_on(report(0))?;
        let frame = Frame::new(request, generator.size)?;
        let encoded = frame.blend.is_some() || request.strength < 1.0;
        let grey = request.source.as_ref().filter(|_| encoded).map(|source| {
            let window = request.window.as_ref();
            generator.kept.film(source, frame.crop.region, window, || {
                resize(
                    &frame.grey(source),
                    frame.crop.model_px,
                    frame.crop.model_px,
                )
            })
        });
        let mut plan = Self::over(generator, request, frame);
        plan.steps = request.steps;
        plan.finer = plan.frame.finer(request);
        if plan.finer.is_none() && request.refiner.is_none() {
            // A refiner goes over the same part as finely itself.
            plan.squares = plan.frame.squares(request, generator.size / FACTOR);
        }
        plan.encode(grey.as_ref(), report)?;
        plan.begin().map_err(|e| broken(&e))?;
        plan.control(branch).map_err(|e| broken(&e))?;
        go_on(report(0))?;
        Ok(plan)
    }

    /// How many steps a second pass will take, those of all its squares together; 0 without one.
    pub(super) fn second_steps(&self) -> usize {
        let squares = match (&self.finer, &self.squares) {
            (Some(_), _) => 1,
            (None, Some(squares)) => squares.frames.len(),
            (None, None) => 0,
        };
        squares * self.steps_again()
    }

    /// Steps of a second pass of one square.
    pub(super) fn steps_again(&self) -> usize {
        (self.request.steps as f64 * SECOND_STRENGTH).ceil() as usize
    }

    /// The plan that goes over what the first pass painted once more, in a tighter crop; `None` without one.
    pub(super) fn second(
        &self,
        branch: Option<&'a Branch>,
        first: &Grid<f32>,
        report: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<Self>, Error> {
        let Some(mut frame) = self.finer.clone() else {
            return Ok(None);
        };
        let (painted, matched) = self.frame.painted(self.request, first);
        frame.matched = matched;
        self.again(branch, frame, &painted, report)
    }

    /// The plan that goes over `painted` (grey over this plan's crop at the image's resolution) in a tighter crop; `None`
    /// without a source.
    pub(super) fn again(
        &self,
        branch: Option<&'a Branch>,
        frame: Frame,
        painted: &Grid<f32>,
        report: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<Self>, Error> {
        let Some(source) = &self.request.source else {
            return Ok(None);
        };
        let painted = place(painted, self.frame.crop.region, frame.crop.region);
        let touched = frame.touched().unwrap_or_default();
        let mut grey = frame.grey(source);
        for ((cell, new), touched) in grey
            .cells_mut()
            .iter_mut()
            .zip(painted.cells())
            .zip(touched.cells())
        {
            if *touched > 0 {
                *cell = *new;
            }
        }
        let grey = resize(&grey, frame.crop.model_px, frame.crop.model_px);
        let mut plan = Self::over(self.generator, self.request, frame);
        plan.steps = self.steps_again();
        plan.stream = SECOND_STREAM;
        plan.encode(Some(&grey), report)?;
        plan.origin = plan
            .known
            .as_ref()
            .map(|(_, latent, _)| (latent.clone(), SECOND_STRENGTH));
        plan.control(branch).map_err(|e| broken(&e))?;
        Ok(Some(plan))
    }

    fn over(generator: &'a Generator, request: &'a Request, frame: Frame) -> Self {
        Self {
            generator,
            request,
            branch: None,
            known: None,
            renewed: 1.0,
            origin: None,
            condition: condition(
                &generator.diffusion.names,
                &request.attributes,
                request.landmarks.as_ref(),
                &frame.crop,
            ),
            without_hint: Vec::new(),
            with_hint: None,
            frame,
            finer: None,
            squares: None,
            steps: 1,
            stream: 0,
        }
    }

    fn latent(&self, grey: &Grid<f32>) -> Result<Tensor, Error> {
        let latent = self.generator.kept.latent(grey, || {
            let image = image_tensor(grey).map_err(|e| candle_core::Error::Msg(e.what))?;
            self.generator.autoencoder.encode(&image)
        });
        latent.map_err(|e| broken(&e))
    }

    /// Latents of what is known; `grey` is the source at the model's size.
    fn encode(
        &mut self,
        grey: Option<&Grid<f32>>,
        report: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let Some(grey) = grey else { return Ok(()) };
        go_on(report(0))?;
        if self.request.strength < 1.0 {
            self.origin = Some((self.latent(grey)?, self.request.strength.max(1e-3)));
        }
        let Some(touched) = renewed(&self.frame) else {
            return Ok(());
        };
        // The renewed part is blanked in pixels before encoding, so that nothing of it leaks into the latent.
        // Records from before a card could say what with are as they were.
        let context = if self.request.composite > 1 {
            self.generator.diffusion.context
        } else {
            Context::Grey
        };
        let blanked = context.of(grey, &touched, 0.5);
        let device = &self.generator.place.device;
        let open = || -> candle_core::Result<(Tensor, f64)> {
            let mask = latent_mask(&touched)?.to_device(device)?;
            let share = mask.mean_all()?.to_dtype(DType::F32)?.to_scalar::<f32>()?;
            Ok((mask, f64::from(share)))
        };
        let (mask, renewed) = open().map_err(|e| broken(&e))?;
        self.renewed = renewed;
        let source = self.latent(grey)?;
        go_on(report(0))?;
        let blanked = self.latent(&blanked)?;
        let continued = self.request.composite > 2 && context == Context::Filled;
        // What is painted is made anew: the source shines through only where it is kept. A few-step model knows the times
        // of its own steps alone.
        self.origin = (continued && renewed < MOSTLY && !self.generator.few_step)
            .then(|| (blanked.clone(), CONTINUED));
        self.known = Some((mask, source, blanked));
        go_on(report(0))?;
        Ok(())
    }

    /// A warm start takes the place of every other.
    fn begin(&mut self) -> candle_core::Result<()> {
        let region = self.frame.crop.region;
        let warm = self.request.warm.as_ref();
        if let Some(warm) = warm.filter(|warm| warm.region == region) {
            let [channels, rows, columns] = warm.latent.shape;
            let shape = (1, channels, rows, columns);
            let device = &self.generator.place.device;
            let latent = Tensor::from_slice(&warm.latent.values, shape, device)?;
            self.origin = Some((latent, warm.t));
        }
        Ok(())
    }

    fn adapted(
        &self,
        lines: &Grid<f32>,
        landmarks: Option<&HipLandmarks>,
    ) -> candle_core::Result<Vec<Tensor>> {
        let adapter = &self.generator.diffusion.adapter;
        self.generator.kept.hint(lines, landmarks, || {
            adapter.forward(&control::hint(lines, landmarks)?)
        })
    }

    /// Runs the control adapter: once a request, whatever the steps.
    fn control(&mut self, branch: Option<&'a Branch>) -> candle_core::Result<()> {
        let request = self.request;
        let model = self.frame.crop.model_px;
        let empty = Grid::filled(model, model, 0.0);
        self.without_hint = self.adapted(&empty, None)?;
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
        if let Some(branch) = branch {
            self.branch = Some((branch, control::hint(&lines, landmarks.as_ref())?));
            return Ok(());
        }
        let full = self.adapted(&lines, landmarks.as_ref())?;
        let weighted = control::weighted(&self.without_hint, &full, request.control.weight)?;
        self.with_hint = Some(weighted);
        Ok(())
    }

    /// One image at the model's size; `report` is told the number of each step before it, and once more before decoding.
    pub(super) fn sample(
        &self,
        image_number: u64,
        report: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Sampled, Error> {
        let (generator, request) = (self.generator, self.request);
        let side = generator.size / FACTOR;
        let shape = (1, generator.latent, side, side);
        let count = generator.latent * side * side;
        let mut stopped = false;
        let mut run = || -> candle_core::Result<(Tensor, Tensor)> {
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
            let noise = given.unwrap_or_else(|| draw(self.stream + image_number))?;
            let begin = self.origin.as_ref().map_or(1.0, |(_, t)| *t);
            let steps = grid(begin, self.steps);
            let z = match &self.origin {
                Some((start, t)) if *t < 1.0 => noised(start, &noise, *t)?,
                _ => noise.clone(),
            };
            let known = self
                .known
                .as_ref()
                .map(|(mask, latent, _)| Known { mask, latent });
            let velocity = |z: &Tensor, step: &Step| {
                asked(report, step.index, &mut stopped)?;
                self.velocity(z, step)
            };
            let fresh = |step: &Step| {
                draw(FRESH_STREAM + self.stream + (image_number << 10) + step.index as u64)
            };
            let z = walk(
                z,
                &noise,
                &steps,
                request.sampler,
                known.as_ref(),
                velocity,
                fresh,
            )?;
            // The last step is done: decoding is asked for as one more.
            asked(report, self.steps, &mut stopped)?;
            let image = if request.preview {
                generator.autoencoder.decode_preview(&z)?
            } else {
                generator.autoencoder.decode(&z)?
            };
            Ok((image, z))
        };
        let decoded = run();
        if stopped {
            return Err(Error::stopped());
        }
        let read = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
        let (values, latent) = decoded
            .and_then(|(image, z)| Ok((read(&image)?, read(&z)?)))
            .map_err(|e| broken(&e))?;
        let grey = grey_of(values, generator.size)?;
        let shape = [generator.latent, side, side];
        Ok(Sampled {
            grey,
            latent: GivenNoise {
                shape,
                values: latent,
            },
        })
    }

    /// Whether next to nothing but the labels says what the image shall show.
    fn only_labels(&self) -> bool {
        self.renewed > 0.8
            && self.with_hint.is_none()
            && self.branch.is_none()
            && self.origin.is_none()
            && self.condition.kind.is_some()
    }

    /// The guided velocity at one step.
    pub(super) fn velocity(&self, z: &Tensor, step: &Step) -> candle_core::Result<Tensor> {
        let (generator, request) = (self.generator, self.request);
        let denoiser = &generator.diffusion.denoiser;
        let known = self.known.as_ref().map(|(mask, _, kept)| (mask, kept));
        let x = assemble(z, known)?;
        let done = step.index as f64 / self.steps as f64;
        let in_range = done >= request.control.start && done < request.control.end.max(1e-9);
        let with_hint = self.with_hint.as_deref().filter(|_| in_range);
        let injections = Some(with_hint.unwrap_or(&self.without_hint));
        let ask = |condition: &Condition, moment: Moment| {
            let vector = generator.kept.vector(condition, moment, || {
                denoiser.embed(std::slice::from_ref(condition), &[moment])
            })?;
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
        let moment = Moment::plain(step.t);
        let strong = ask(&self.condition, moment)?;
        if self.only_labels() && request.guidance != 1.0 && step.t > EARLY {
            let weak = ask(&Condition::default(), moment)?;
            return guided(&weak, &strong, KIND_GUIDANCE.max(request.guidance));
        }
        let weak_condition = self.condition.without_labels();
        if request.guidance == 1.0 || !moment.guided() || weak_condition == self.condition {
            return Ok(strong);
        }
        guided(&ask(&weak_condition, moment)?, &strong, request.guidance)
    }
}

/// The condition of a request; names that the model does not know count as unknown.
pub(super) fn condition(
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
