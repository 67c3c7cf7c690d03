//! What all images of a request share, and the way from noise to grey.
//!
//! Separate from the networks and from the composite: here is the order in which they are asked.

use std::ops::ControlFlow;
use std::sync::Arc;

use candle_core::{DType, Result as Tensors, Tensor};

use super::scheduler_of;
use crate::grid::Grid;
use crate::job::{ControlUse, Error, ErrorKind, GivenNoise, Prompted, Request};
use crate::network::peer::diffusion::{Encoder, guidance_embedding};
use crate::network::peer::pipeline::{PeerControl, Pipeline, words};
use crate::noise::Noise;
use crate::signal::resize::{resize, resize_lines};
use crate::synthesis::film::frame::Frame;
use crate::synthesis::readings::{asked, grey_of, no_numbers};
use crate::synthesis::schedule::Walk;

/// Stream of fresh noise: beyond those of the images.
const FRESH_STREAM: u64 = 1 << 41;

/// Everything that all images of a request share.
pub(super) struct Asked<'a> {
    pipeline: &'a Pipeline,
    request: &'a Request,
    prompted: Prompted,
    controls: &'a [Arc<PeerControl>],
    /// `[1,3,H,W]` in 0–1, one a control.
    hints: Vec<Tensor>,
    frame: Frame,
    /// At its beginning.
    walk: Walk,
    /// `[B,M,D]`: the negative prompt's states first, where there is guidance.
    text: Tensor,
    /// The source's latent, scaled.
    start: Option<Tensor>,
    /// In- and outpainting: mask (1 = renew) and the latent of what is kept, at latent size.
    masked: Option<(Tensor, Tensor)>,
    strength: f64,
    steps: usize,
    /// Rows of given noise an image; 0 = none is given.
    rows: usize,
}

fn broken(error: &candle_core::Error) -> Error {
    Error::new(
        ErrorKind::Failed,
        format!("a network could not be run ({})", words(error)),
    )
}

fn usage(what: impl Into<String>, remedy: &str) -> Error {
    Error::new(ErrorKind::Usage, what.into()).remedy(remedy)
}

impl<'a> Asked<'a> {
    /// Reads the text and encodes what is known: once a request, whatever the number of images.
    pub(super) fn new(
        pipeline: &'a Pipeline,
        controls: &'a [Arc<PeerControl>],
        request: &'a Request,
    ) -> Result<Self, Error> {
        let prompted = request.prompted.clone().unwrap_or_default();
        check(&prompted, request)?;
        for control in controls {
            control.check_for(&pipeline.shape).map_err(|what| {
                Error::new(
                    ErrorKind::Model,
                    format!(
                        "{} does not belong to {}: {what}",
                        control.name, pipeline.name
                    ),
                )
                .remedy("choose one that was made for this model")
            })?;
        }
        let scheduler = scheduler_of(pipeline, request)
            .map_err(|what| Error::new(ErrorKind::Model, format!("{}: {what}", pipeline.name)))?;
        let frame = Frame::new(request, pipeline.shape.size)?;
        let known = frame.blend.is_some() || (request.source.is_some() && request.strength < 1.0);
        let strength = if known { request.strength } else { 1.0 };
        if pipeline.shape.inpaints() && frame.blend.is_none() {
            return Err(usage(
                format!("{} can only in- and outpaint", pipeline.name),
                "paint a part, or choose another model",
            ));
        }
        // Paintings and ControlNets have pipelines of Stable Diffusion only, which take the last of the steps.
        let distilled = pipeline.distilled_images && frame.blend.is_none() && controls.is_empty();
        let begin = if distilled {
            Walk::distilled
        } else {
            Walk::new
        };
        let walk = begin(&scheduler, request.steps, strength)
            .map_err(|what| usage(what, "change the steps, the strength or the scheduler"))?;
        let mut asked = Self {
            rows: rows(pipeline, request)?,
            steps: walk.times().len(),
            walk,
            text: text(pipeline, request.guidance, &prompted)?,
            pipeline,
            request,
            prompted,
            controls,
            hints: Vec::new(),
            frame,
            start: None,
            masked: None,
            strength,
        };
        asked.hints = asked.read_hints()?;
        if known {
            let encoder = pipeline.autoencoder.encoder();
            let encoder = encoder.map_err(|e| Error::new(ErrorKind::Model, e.to_string()))?;
            asked.encode(&encoder).map_err(|e| broken(&e))?;
        }
        Ok(asked)
    }

    /// Denoising steps an image.
    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    /// The way back into the image.
    pub(super) fn frame(&self) -> &Frame {
        &self.frame
    }

    fn guided(&self) -> bool {
        doubled(self.pipeline, self.request.guidance)
    }

    /// Three equal channels.
    fn picture(&self, grey: &Grid<f32>, scale: f64, shift: f64) -> Tensors<Tensor> {
        let shape = (1, 1, grey.height(), grey.width());
        let place = &self.pipeline.place;
        Tensor::from_slice(grey.cells(), shape, &place.device)?
            .affine(scale, shift)?
            .repeat((1, 3, 1, 1))?
            .to_dtype(place.dtype)
    }

    /// What each `ControlNet` sees, `[1,3,H,W]` in 0–1: lines that were drawn, or a picture that was given.
    fn read_hints(&self) -> Result<Vec<Tensor>, Error> {
        let fits = |hint: &Grid<u8>| {
            let ((w, h), size) = (hint.size(), self.frame.size);
            if (w, h) == size {
                return Ok(());
            }
            Err(usage(
                format!("a hint is {w} × {h}, the image {} × {}", size.0, size.1),
                "give one of the image's size",
            ))
        };
        let hint = |control: &ControlUse| {
            let crop = &self.frame.crop;
            if let Some(red) = &control.hint {
                let others = control.green_blue.iter().flatten();
                let channels: Vec<&Grid<u8>> = std::iter::once(red).chain(others).collect();
                channels.iter().try_for_each(|channel| fits(channel))?;
                let channels = channels.iter().map(|channel| {
                    let channel = crop.picture_to_model(channel);
                    self.picture(&channel, 1.0, 0.0)?.narrow(1, 0, 1)
                });
                let joint = channels.collect::<Tensors<Vec<_>>>().and_then(|channels| {
                    let repeats = 3 / channels.len();
                    Tensor::cat(&channels, 1)?.repeat((1, repeats, 1, 1))
                });
                return joint.map_err(|e| broken(&e));
            }
            let drawn = self.request.hint.as_ref().ok_or_else(|| {
                usage(
                    "a ControlNet is listed and there is no hint",
                    "draw lines, or give a hint image",
                )
            })?;
            fits(drawn)?;
            let lines = crop.lines_to_model(drawn);
            self.picture(&lines, 1.0, 0.0).map_err(|e| broken(&e))
        };
        self.prompted.controls.iter().map(hint).collect()
    }

    /// The mean of what the autoencoder sees in a picture, scaled, f32.
    fn encoded(&self, encoder: &Encoder, grey: &Grid<f32>) -> Tensors<Tensor> {
        let (mean, _) = encoder.encode(&self.picture(grey, 2.0, -1.0)?)?;
        mean.to_dtype(DType::F32)? * self.pipeline.autoencoder.scaling_factor
    }

    /// Latents of what is known.
    fn encode(&mut self, encoder: &Encoder) -> Tensors<()> {
        let Some(source) = &self.request.source else {
            return Ok(());
        };
        let side = self.frame.crop.model_px;
        let grey = resize(&self.frame.grey(source), side, side);
        let start = self.encoded(encoder, &grey)?;
        if let Some(touched) = self.frame.touched() {
            let touched = resize_lines(&touched, side, side);
            let touched = touched.map(|v| if *v > 0.0 { 255_u8 } else { 0 });
            let mask = latent_mask(&touched, self.pipeline.shape.factor);
            let shape = (1, 1, mask.height(), mask.width());
            let mask = Tensor::from_slice(mask.cells(), shape, start.device())?;
            let kept = if self.pipeline.shape.inpaints() {
                // What is renewed is mid-grey to the model.
                let blanked = Grid::from_fn(grey.width(), grey.height(), |x, y| {
                    if touched[(x, y)] > 0 {
                        0.5
                    } else {
                        grey[(x, y)]
                    }
                });
                self.encoded(encoder, &blanked)?
            } else {
                start.clone()
            };
            self.masked = Some((mask, kept));
        }
        self.start = Some(start);
        Ok(())
    }

    /// Noise of one image: row 0 begins it, row `k + 1` is mixed in by its step `k`.
    fn noise(&self, image_number: u64, row: usize) -> Tensors<Tensor> {
        let shape = &self.pipeline.shape;
        let side = shape.size / shape.factor;
        let count = shape.latent * side * side;
        let dims = (1, shape.latent, side, side);
        let device = &self.pipeline.place.device;
        let given = self.request.noise.as_ref().filter(|_| row < self.rows);
        if let Some(given) = given {
            let image = (image_number - self.request.first_image) as usize;
            let first = (image * self.rows + row) * count;
            let values = given.values.get(first..first + count);
            return Tensor::from_slice(values.unwrap_or_default(), dims, device);
        }
        let stream = match row {
            0 => image_number,
            row => FRESH_STREAM + (image_number << 10) + row as u64 - 1,
        };
        let values = Noise::new(self.request.seed, stream).normals(count);
        Tensor::from_vec(values, dims, device)
    }

    /// Grey of one image at the model's size, and the latent it was decoded from.
    pub(super) fn sample(
        &self,
        image_number: u64,
        report: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<(Grid<f32>, GivenNoise), Error> {
        let mut walk = self.walk.clone();
        let mut stopped = false;
        let mut run = || -> Tensors<(Tensor, Vec<f32>)> {
            let noise = self.noise(image_number, 0)?;
            let mut z = match &self.start {
                Some(start) if self.strength < 1.0 => walk.noised(start, &noise, 0)?,
                _ => walk.first(&noise)?,
            };
            let times = walk.times().to_vec();
            for (i, time) in times.iter().enumerate() {
                asked(report, i, &mut stopped)?;
                let answer = self.answer(&walk.seen(&z)?, *time, i)?;
                let fresh = walk
                    .draws()
                    .then(|| self.noise(image_number, i + 1))
                    .transpose()?;
                z = walk.step(&z, &answer, fresh.as_ref())?;
                if let (Some((mask, kept)), false) = (&self.masked, self.pipeline.shape.inpaints())
                {
                    let known = if i + 1 < times.len() {
                        walk.noised(kept, &noise, i + 1)?
                    } else {
                        kept.clone()
                    };
                    let renewed = z.broadcast_mul(mask)?;
                    z = (renewed + known.broadcast_mul(&mask.affine(-1.0, 1.0)?)?)?;
                }
            }
            let coder = &self.pipeline.autoencoder;
            let scaled = (&z / coder.scaling_factor)?.to_dtype(self.pipeline.place.dtype)?;
            let image = coder.decoder.decode(&scaled)?.to_dtype(DType::F32)?;
            let grey = image.mean(1)?.flatten_all()?.to_vec1()?;
            Ok((z, grey))
        };
        let made = run();
        if stopped {
            return Err(Error::stopped());
        }
        let (z, grey) = made.map_err(|e| broken(&e))?;
        let (_, c, h, w) = z.dims4().map_err(|e| broken(&e))?;
        let values = z
            .flatten_all()
            .and_then(|z| z.to_vec1::<f32>())
            .map_err(|e| broken(&e))?;
        let other = "try another scheduler; check the folder with `radcanvas models check`";
        if values.iter().any(|v| !v.is_finite()) {
            return Err(no_numbers().remedy(other));
        }
        let grey = grey_of(grey, self.pipeline.shape.size).map_err(|error| error.remedy(other))?;
        let latent = GivenNoise {
            shape: [c, h, w],
            values,
        };
        Ok((grey, latent))
    }

    /// The guided answer of the denoiser at the step `index`; f32.
    fn answer(&self, seen: &Tensor, time: f64, index: usize) -> Tensors<Tensor> {
        let place = &self.pipeline.place;
        let batch = if self.guided() { 2 } else { 1 };
        let repeated = |x: &Tensor| {
            let x = x.to_dtype(place.dtype)?;
            if batch == 1 {
                Ok(x)
            } else {
                x.repeat((batch, 1, 1, 1))
            }
        };
        let time = Tensor::from_slice(&[time as f32], 1, &place.device)?;
        let z = repeated(seen)?;
        let mut added = None;
        for ((using, control), hint) in self
            .prompted
            .controls
            .iter()
            .zip(self.controls)
            .zip(&self.hints)
        {
            let (from, to) = (
                index as f64 / self.steps as f64,
                (index + 1) as f64 / self.steps as f64,
            );
            if from < using.start || to > using.end || using.weight == 0.0 {
                continue;
            }
            let hint = repeated(hint)?;
            let network = &control.network;
            let residuals = network.forward(&z, &time, &self.text, &hint, using.weight)?;
            added = Some(match added {
                None => residuals,
                Some(before) => residuals.plus(&before)?,
            });
        }
        let input = match &self.masked {
            Some((mask, kept)) if self.pipeline.shape.inpaints() => {
                Tensor::cat(&[&z, &repeated(mask)?, &repeated(kept)?], 1)?
            }
            _ => z,
        };
        let unet = &self.pipeline.unet;
        let told = unet
            .guidance_width()
            .map(|width| guidance_embedding(self.request.guidance, width, &place.device));
        let told = told.transpose()?;
        let sides = (Some(&self.text), told.as_ref());
        let answer = unet.forward_guided(&input, &time, sides, added.as_ref())?;
        let answer = answer.to_dtype(DType::F32)?;
        if batch == 1 {
            return Ok(answer);
        }
        let (without, with) = (answer.narrow(0, 0, 1)?, answer.narrow(0, 1, 1)?);
        let apart = ((with - &without)? * self.request.guidance)?;
        without + apart
    }
}

/// Whether a second answer, to the negative prompt, is needed: a network that was taught guidance is told it instead.
fn doubled(pipeline: &Pipeline, guidance: f64) -> bool {
    guidance > 1.0 && pipeline.unet.guidance_width().is_none()
}

/// Refuses what contradicts itself.
fn check(prompted: &Prompted, request: &Request) -> Result<(), Error> {
    for control in &prompted.controls {
        let numbers = [control.weight, control.start, control.end];
        if numbers.iter().any(|v| !v.is_finite() || *v < 0.0)
            || control.start >= control.end
            || control.end > 1.0
        {
            return Err(usage(
                format!(
                    "the weight {} and the range {}–{} of {} cannot be used",
                    control.weight, control.start, control.end, control.model.name
                ),
                "the weight is not negative; the range lies within 0–1 and its start before its end",
            ));
        }
    }
    let drawn = request.hint.as_ref();
    if drawn.is_some_and(|hint| hint.cells().iter().any(|v| *v > 0)) && prompted.controls.is_empty()
    {
        return Err(usage(
            "this model sees lines only through a ControlNet, and none is listed",
            "add one, or leave the lines out",
        ));
    }
    Ok(())
}

/// Rows of given noise an image; an error where the file does not fit.
fn rows(pipeline: &Pipeline, request: &Request) -> Result<usize, Error> {
    let Some(noise) = &request.noise else {
        return Ok(0);
    };
    let shape = &pipeline.shape;
    let side = shape.size / shape.factor;
    let wanted = [shape.latent, side, side];
    let each = request.count * wanted.iter().product::<usize>();
    let rows = noise.values.len() / each.max(1);
    if noise.shape == wanted
        && noise.values.len() == rows * each
        && (rows == 1 || rows == request.steps + 1)
    {
        return Ok(rows);
    }
    Err(usage(
        format!(
            "the noise has {} numbers of the shape {:?}; {} images of {wanted:?} need {each}, or {} with that of \
             every step",
            noise.values.len(),
            noise.shape,
            request.count,
            each * (request.steps + 1)
        ),
        "give a tensor [N,C,H,W] that fits the model, or [steps + 1,C,H,W] an image",
    ))
}

/// States of the prompts, the negative one first where there is guidance.
fn text(pipeline: &Pipeline, guidance: f64, prompted: &Prompted) -> Result<Tensor, Error> {
    let mut prompts = vec![prompted.prompt.as_str()];
    if doubled(pipeline, guidance) {
        prompts.insert(0, &prompted.negative);
    }
    let mut numbers = Vec::new();
    for prompt in &prompts {
        let own = pipeline.tokenizer.numbers(prompt);
        numbers.extend(own.map_err(|what| usage(what, "shorten it"))?);
    }
    let length = pipeline.tokenizer.length();
    let states = pipeline.text.states(&numbers, length);
    states.map_err(|error| Error::new(ErrorKind::Model, error.to_string()))
}

/// The mask at latent size, 1 = renew: the pixel at each latent pixel's upper left corner, as the peer has it.
///
/// Where that would lose all of a thin mask, latent pixels count that are touched anywhere.
fn latent_mask(touched: &Grid<u8>, factor: usize) -> Grid<f32> {
    let (w, h) = (touched.width() / factor, touched.height() / factor);
    let at = |x: usize, y: usize| f32::from(u8::from(touched[(x, y)] > 0));
    let corners = Grid::from_fn(w, h, |x, y| at(x * factor, y * factor));
    if corners.cells().iter().any(|v| *v > 0.0) {
        return corners;
    }
    Grid::from_fn(w, h, |x, y| {
        let any = (0..factor * factor)
            .any(|i| at(x * factor + i % factor, y * factor + i / factor) > 0.0);
        f32::from(u8::from(any))
    })
}
