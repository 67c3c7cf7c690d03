//! What all images of a request share, and the way from noise to grey.
//!
//! Separate from the composite because nothing here knows about the source's depth: it is all model pixels.

use std::sync::Arc;

use candle_core::Tensor;

use super::composite::{Blend, blend};
use super::crop::CropTransform;
use super::generate::Generator;
use super::grey::GreyMap;
use super::readings::{broken, image_tensor};
use super::sampler::{Known, Step, grid, noised, walk};
use crate::document::mask::bounds;
use crate::geometry::{Affine, PixelRect, Point};
use crate::grid::Grid;
use crate::job::{Attributes, Error, ErrorKind, Mode, Request, Sex};
use crate::landmarks::HipLandmarks;
use crate::network::autoencoder::{FACTOR, latent_mask};
use crate::network::condition::{Condition, Moment, Names, guided};
use crate::network::control::{self, Branch};
use crate::network::denoiser::assemble;
use crate::noise::Noise;

/// Stream of the ancestral sampler's fresh noise: beyond those of the images.
const FRESH_STREAM: u64 = 1 << 41;

/// Everything that all images of a request share.
pub(super) struct Plan<'a> {
    /// A ControlNet branch with the hint it reads; it takes the adapter's place.
    branch: Option<(&'a Branch, Tensor)>,
    pub(super) crop: CropTransform,
    pub(super) map: GreyMap,
    /// In- and outpainting: where the patch counts.
    pub(super) blend: Option<Blend>,
    /// What the model is told to keep: mask (1 = renew) and the source's latent, at latent size.
    known: Option<(Tensor, Tensor, Tensor)>,
    /// The whole source's latent, for a strength below 1.
    start: Option<Tensor>,
    condition: Condition,
    /// What the adapter adds for an empty hint: the network never knew it without.
    without_hint: Vec<Tensor>,
    /// What it adds for this hint, at the weight asked for; absent without a hint.
    with_hint: Option<Vec<Tensor>>,
    pub(super) size: (usize, usize),
}

impl<'a> Plan<'a> {
    /// Encodes what is known and runs the control adapter: once a request, whatever the number of images.
    pub(super) fn new(
        generator: &Generator,
        branch: Option<&'a Branch>,
        request: &Request,
    ) -> Result<Self, Error> {
        let size = match (&request.source, request.size, &request.hint) {
            (Some(source), ..) => (source.width(), source.height()),
            (None, Some([w, h]), _) => (w, h),
            (None, None, Some(hint)) => hint.size(),
            (None, None, None) => (generator.size, generator.size),
        };
        let map = match &request.source {
            Some(source) => GreyMap::new(source, request.window.as_ref())?,
            None => GreyMap::twelve_bit(),
        };
        let renew = request.mask.as_ref().and_then(|mask| match request.mode {
            Mode::Inpaint => Some(mask.map(|m| if *m > 0 { 255 } else { 0 })),
            Mode::Outpaint => Some(mask.map(|m| if *m > 0 { 0 } else { 255 })),
            Mode::Sketch | Mode::Sample => None,
        });
        let crop = match &renew {
            Some(renew) => {
                let touched = bounds(renew).unwrap_or_default();
                let bounds = touched.grown(request.ring.px.ceil() as i64);
                CropTransform::around(size, bounds, generator.size)
            }
            None => CropTransform::whole(size, generator.size),
        };
        let mut plan = Self {
            branch: None,
            blend: renew
                .as_ref()
                .map(|renew| blend(renew, request.ring.px, crop.region)),
            known: None,
            start: None,
            condition: condition(
                &generator.diffusion.names,
                &request.attributes,
                request.landmarks.as_ref(),
                &crop,
            ),
            without_hint: Vec::new(),
            with_hint: None,
            crop,
            map,
            size,
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
        if self.blend.is_none() && !needs_start {
            return Ok(());
        }
        let stored = source
            .pixels
            .crop_f32(self.crop.region.intersection(whole(self.size)));
        let inside = self.crop.region.intersection(whole(self.size));
        let grey = place(&self.map.grey(&stored), inside, self.crop.region);
        let grey = super::resize::resize(&grey, self.crop.model_px, self.crop.model_px);
        let image = tensor(&grey)?;
        if needs_start || self.blend.is_some() {
            self.start = Some(generator.autoencoder.encode(&image)?);
        }
        if let Some(blend) = &self.blend {
            let renewed = blend.share.map(|s| if *s > 0.0 { 255_u8 } else { 0 });
            let mut in_crop = Grid::filled(self.crop.region.width, self.crop.region.height, 0_u8);
            let (dx, dy) = (
                blend.region.x - self.crop.region.x,
                blend.region.y - self.crop.region.y,
            );
            for y in 0..renewed.height() {
                let to = (dx as usize, y + dy as usize);
                in_crop.row_mut(to.1)[to.0..to.0 + renewed.width()].copy_from_slice(renewed.row(y));
            }
            let model = self.crop.model_px;
            let touched = super::resize::resize_lines(&in_crop, model, model)
                .map(|v| if *v > 0.0 { 255_u8 } else { 0 });
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
        let model = self.crop.model_px;
        let empty = Grid::filled(model, model, 0.0);
        self.without_hint = adapter.forward(&control::hint(&empty, None)?)?;
        let drawn = request
            .hint
            .as_ref()
            .filter(|hint| hint.cells().iter().any(|v| *v > 0));
        if drawn.is_none() && request.landmarks.is_none() {
            return Ok(());
        }
        let lines = drawn.map_or(empty, |hint| self.crop.lines_to_model(hint));
        let landmarks = request
            .landmarks
            .as_ref()
            .map(|l| self.crop.landmarks_to_model(l));
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
        let moment = Moment::plain(step.t);
        let strong = ask(&self.condition, moment)?;
        let weak_condition = self.condition.without_labels();
        if request.guidance == 1.0 || !moment.guided() || weak_condition == self.condition {
            return Ok(strong);
        }
        guided(&ask(&weak_condition, moment)?, &strong, request.guidance)
    }
}

/// All pixels of an image.
const fn whole(size: (usize, usize)) -> PixelRect {
    PixelRect::new(0, 0, size.0, size.1)
}

/// `part` (over `inside`) on a black ground over `region`.
fn place(part: &Grid<f32>, inside: PixelRect, region: PixelRect) -> Grid<f32> {
    let shift = PixelRect::new(
        region.x - inside.x,
        region.y - inside.y,
        region.width,
        region.height,
    );
    part.crop(shift, 0.0)
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
