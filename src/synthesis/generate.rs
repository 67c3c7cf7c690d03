//! A request becomes an outcome: crop, encode, denoise, decode, composite, read.

use std::sync::Arc;
use std::time::Instant;

use candle_core::Tensor;

use super::kept::Kept;
use super::plan::Plan;
use super::readings::{Readers, broken, image_tensor};
use super::refine::{Refine, RefinerModel};
use crate::grid::Grid;
use crate::job::{COMPOSITE, Error, ErrorKind, Mode, Observe, Outcome, Progress, Request};
use crate::network::autoencoder::{Autoencoder, FACTOR};
use crate::network::control::Branch;
use crate::network::device::Place;
use crate::network::folder::Diffusion;

/// The networks that make images.
#[derive(Debug)]
pub struct Generator {
    /// Image to latent and back.
    pub autoencoder: Autoencoder,
    /// Denoiser with its adapter and names.
    pub diffusion: Diffusion,
    /// Width and height of a generated square, pixels.
    pub size: usize,
    /// Channels of a latent.
    pub latent: usize,
    /// Name and hash of the model, for the record.
    pub model: crate::job::ModelReference,
    /// Hash of the diffusion model alone: what its control branches name.
    pub diffusion_hash: String,
    /// Where they run.
    pub place: Place,
    /// Whether it is told the lengths of its steps, as it was distilled; otherwise the plain velocity is asked.
    pub few_step: bool,
    /// Draws films again, finer, where there is such a model.
    pub refiner: Option<Arc<RefinerModel>>,
    /// What live requests need not compute again.
    pub kept: Kept,
}

/// A ControlNet branch of a generator.
#[derive(Debug)]
pub struct ControlModel {
    /// The network.
    pub branch: Branch,
    /// Name and hash, for the record.
    pub model: crate::job::ModelReference,
}

/// Makes the images of a request.
///
/// Calls `observe` before every denoising step and between all other parts of the work (encoding, decoding, squares of a
/// film, readings), with the number of the step then; stops there on `Break`.
pub fn generate(
    generator: &Generator,
    control: Option<&ControlModel>,
    readers: &Readers,
    request: &Request,
    observe: &mut Observe<'_>,
) -> Result<Outcome, Error> {
    let started = Instant::now();
    check(request)?;
    check_noise(generator, request)?;
    check_warm(generator, request)?;
    // From here on the request names the model that is used, in every mark and record.
    let mut request = request.clone();
    request.model = generator.model.clone();
    request.control_model = control.map(|control| control.model.clone());
    let refiner = generator.refiner.as_deref();
    request.refiner = Refine::of(refiner, &request).map(|refine| refine.model().clone());
    let request = &request;
    let refine = Refine::of(refiner, request);
    let branch = control.map(|control| &control.branch);
    // How many steps there are is part of what is found out.
    let mut first_parts = |_: usize| observe(Progress::denoising(0, 0, started));
    let plan = Plan::new(generator, branch, request, &mut first_parts)?;
    let mut images = Vec::with_capacity(request.count);
    let second_steps = plan.second_steps();
    let finer_steps = refine.as_ref().map_or(0, Refine::steps);
    let each = plan.steps + second_steps + finer_steps;
    for n in 0..request.count {
        let image_number = request.first_image + n as u64;
        let mut report = |step: usize| {
            let done = n * each + step;
            observe(Progress::denoising(done, request.count * each, started))
        };
        let first = plan.sample(image_number, &mut report)?;
        let mut between = |_: usize| report(plan.steps);
        let second = plan.second(branch, &first.grey, &mut between)?;
        let tiled = if second.is_none() {
            plan.tiled(branch, &first.grey, &mut between)?
        } else {
            None
        };
        let (frame, mut grey) = if let Some(second) = &second {
            let mut report = |step: usize| report(plan.steps + step);
            let finer = second.sample(image_number, &mut report)?;
            (&second.frame, finer.grey)
        } else if let Some(tiled) = &tiled {
            let mut report = |step: usize| report(plan.steps + step);
            (tiled.frame(), tiled.sample(image_number, &mut report)?)
        } else {
            (&plan.frame, first.grey)
        };
        if let Some(refine) = &refine {
            let mut report = |step: usize| report(plan.steps + second_steps + step);
            let drawn = refine.drawn(frame, readers, image_number, &grey, &mut report)?;
            grey = drawn.unwrap_or(grey);
        }
        let mut reading = || report(each);
        let mut made = frame.finish_asking(readers, request, image_number, &grey, &mut reading)?;
        if request.preview {
            made.latent = Some((plan.frame.crop.region, first.latent));
        }
        images.push(made);
    }
    Ok(Outcome {
        request: Arc::new(request.clone()),
        images,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// A grey image (0–1, of the model's size) after encoding and decoding: by the decoder and by the preview decoder.
pub fn rebuilt(generator: &Generator, grey: &Grid<f32>) -> Result<[Grid<f32>; 2], Error> {
    let image = image_tensor(grey)?;
    let run = || -> candle_core::Result<[Vec<f32>; 2]> {
        let z = generator.autoencoder.encode(&image)?;
        let values = |made: Tensor| made.flatten_all()?.to_vec1::<f32>();
        Ok([
            values(generator.autoencoder.decode(&z)?)?,
            values(generator.autoencoder.decode_preview(&z)?)?,
        ])
    };
    let [full, preview] = run().map_err(|e| broken(&e))?;
    let (width, height) = grey.size();
    let grid = |values: Vec<f32>| {
        let grey = values.into_iter().map(|v| (0.5 * v + 0.5).clamp(0.0, 1.0));
        Grid::from_vec(width, height, grey.collect())
            .ok_or_else(|| Error::new(ErrorKind::Model, "the decoder answers at another size"))
    };
    Ok([grid(full)?, grid(preview)?])
}

/// Refuses given noise that does not fit the latent and the number of images.
fn check_noise(generator: &Generator, request: &Request) -> Result<(), Error> {
    let Some(noise) = &request.noise else {
        return Ok(());
    };
    let side = generator.size / FACTOR;
    let wanted = [generator.latent, side, side];
    let count = request.count * wanted.iter().product::<usize>();
    if noise.shape == wanted && noise.values.len() == count {
        return Ok(());
    }
    let what = format!(
        "the noise has {} numbers of the shape {:?}, {} images of {wanted:?} need {count}",
        noise.values.len(),
        noise.shape,
        request.count
    );
    Err(Error::new(ErrorKind::Usage, what).remedy("give a tensor [N,C,H,W] that fits the model"))
}

/// Refuses a warm start that does not fit the latent, or that begins nowhere on the path.
fn check_warm(generator: &Generator, request: &Request) -> Result<(), Error> {
    let Some(warm) = &request.warm else {
        return Ok(());
    };
    let side = generator.size / FACTOR;
    let wanted = [generator.latent, side, side];
    let fits = warm.latent.shape == wanted
        && warm.latent.values.len() == wanted.iter().product::<usize>()
        && warm.latent.values.iter().all(|v| v.is_finite());
    if fits && warm.t > 0.0 && warm.t < 1.0 && request.count == 1 {
        return Ok(());
    }
    let what = format!(
        "the warm start has the shape {:?} and begins at {}, for {} images",
        warm.latent.shape, warm.t, request.count
    );
    Err(Error::new(ErrorKind::Usage, what).remedy(
        "give one latent of the model's size, a time between 0 and 1, and ask for one image",
    ))
}

/// Refuses what contradicts itself.
pub(super) fn check(request: &Request) -> Result<(), Error> {
    let usage = |what: String, remedy: &str| Err(Error::new(ErrorKind::Usage, what).remedy(remedy));
    if !(1..=1000).contains(&request.steps) {
        return usage(
            format!("{} steps are asked for", request.steps),
            "use 1 to 1000",
        );
    }
    if !(1..=10_000).contains(&request.count) {
        return usage(
            format!("{} images are asked for", request.count),
            "use 1 to 10000",
        );
    }
    if request.composite > COMPOSITE {
        return usage(
            format!("the request puts patches in as way {}", request.composite),
            "make it with the newer version of the program that wrote it",
        );
    }
    let numbers = [
        request.strength,
        request.guidance,
        request.control.weight,
        request.ring.px,
        request.control.start,
        request.control.end,
    ];
    if numbers.iter().any(|v| !v.is_finite() || *v < 0.0) || request.strength > 1.0 {
        return usage(
            "strength, guidance, control or ring is not a usable number".to_owned(),
            "strength is 0–1, the others are not negative",
        );
    }
    let size = match (&request.source, request.size) {
        (Some(source), _) => Some((source.width(), source.height())),
        (None, Some([w, h])) => Some((w, h)),
        (None, None) => None,
    };
    if let Some((w, h)) = size.filter(|(w, h)| *w == 0 || *h == 0 || *w.max(h) > 65_535) {
        return usage(
            format!("an image of {w} × {h} pixels cannot be made"),
            "use 1 to 65535 pixels a side",
        );
    }
    for (what, raster) in [("mask", &request.mask), ("hint", &request.hint)] {
        if let (Some(raster), Some(size)) = (raster, size)
            && raster.size() != size
        {
            let (w, h) = raster.size();
            return usage(
                format!("the {what} is {w} × {h}, the image {} × {}", size.0, size.1),
                "give one of the image's size",
            );
        }
    }
    if matches!(request.mode, Mode::Inpaint | Mode::Outpaint) {
        if request.source.is_none() {
            return usage("there is no image to work on".to_owned(), "open one first");
        }
        let painted = request
            .mask
            .as_ref()
            .map_or(0, |m| m.cells().iter().filter(|v| **v > 0).count());
        if painted == 0 {
            return usage(
                "nothing is painted".to_owned(),
                "paint the part with the brush or the lasso",
            );
        }
        if request.mode == Mode::Outpaint
            && request.mask.as_ref().is_some_and(|m| m.len() == painted)
        {
            return usage(
                "all of the image is kept".to_owned(),
                "paint only what shall stay",
            );
        }
    }
    Ok(())
}
