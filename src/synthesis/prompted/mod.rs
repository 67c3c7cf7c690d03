//! Images from models that read text: text to image, image to image, `ControlNet`, inpainting.
//!
//! Rombach et al. 2022; the order of computing is that of diffusers' pipelines, so that a folder gives the same latent
//! here and there. Separate from the project's own models, which have another path, no text and no table.

mod asked;
pub mod library;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use self::asked::Asked;
use super::generate::check;
use super::readings::{Readers, go_on};
use super::schedule::{Kind, Scheduler};
use crate::job::{self, Error, ErrorKind, ModelReference, Observe, Outcome, Progress, Request};
use crate::network::folder::ModelError;
use crate::network::peer::pipeline::{
    Checked, Need, PeerControl, PeerFolder, Pipeline, add_reference, check_peer, gigabytes,
};

/// The scheduler of a request over the settings of a model.
const fn kind(scheduler: job::Scheduler) -> Kind {
    match scheduler {
        job::Scheduler::Ddim => Kind::Ddim,
        job::Scheduler::Ddpm => Kind::Ddpm,
        job::Scheduler::Euler => Kind::Euler,
        job::Scheduler::EulerAncestral => Kind::EulerAncestral,
        job::Scheduler::DpmSolver => Kind::DpmSolver,
        job::Scheduler::UniPc => Kind::UniPc,
        job::Scheduler::Lcm => Kind::Lcm,
        job::Scheduler::Pndm => Kind::Pndm,
    }
}

/// The scheduler that a request runs with; an error in words names what is not supported.
///
/// Without a `ControlNet` leading times begin at one and nothing is clamped, whatever the settings say, as the peer's
/// pipelines have it.
fn scheduler_of(pipeline: &Pipeline, request: &Request) -> Result<Scheduler, String> {
    let mut scheduler = Scheduler::read(&pipeline.scheduler)?;
    let asked = request.prompted.as_ref();
    if let Some(wanted) = asked.and_then(|asked| asked.scheduler) {
        scheduler = scheduler.with_kind(kind(wanted));
    }
    if asked.is_none_or(|asked| asked.controls.is_empty()) {
        scheduler.config.steps_offset = 1;
        scheduler.options.clip_sample = Some(false);
    }
    scheduler.check_answer(pipeline.shape.latent, pipeline.shape.answers)?;
    Ok(scheduler)
}

/// Whether a model of this layout is whole, its scheduler included.
pub fn check_model(folder: &PeerFolder) -> Result<Checked, ModelError> {
    let checked = check_peer(folder)?;
    if let Some(scheduler) = &checked.scheduler {
        let wrong = |what| ModelError::Configuration {
            path: folder.path.join("scheduler").join("scheduler_config.json"),
            what,
        };
        let scheduler = Scheduler::read(scheduler).map_err(wrong)?;
        if let Some(shape) = &checked.shape {
            let fits = scheduler.check_answer(shape.latent, shape.answers);
            fits.map_err(wrong)?;
        }
    }
    Ok(checked)
}

/// Checks a model of this layout and makes it known in a folder of models, by a reference; returns it with its name.
pub fn add(path: &Path, models: &Path) -> Result<PeerFolder, Error> {
    let failed = |error: ModelError| Error::new(ErrorKind::Model, error.to_string());
    let folder = PeerFolder::open(path).map_err(failed)?;
    check_model(&folder).map_err(failed)?;
    add_reference(models, &folder).map_err(failed)
}

/// Says how much is about to be loaded; `Break` stops there.
pub fn tell_need(name: &str, bytes: u64, observe: &mut Observe<'_>) -> Result<(), Error> {
    go_on(observe(Progress {
        stage: format!("loading {name}, about {}", gigabytes(bytes)),
        step: 0,
        steps: 0,
        seconds_left: None,
        preview: None,
        value: None,
    }))
}

/// What a model and its `ControlNets` take together.
pub fn joint_need(needs: impl IntoIterator<Item = Need>) -> Need {
    needs.into_iter().fold(Need::default(), Need::plus)
}

/// Makes the images of a request; `controls` stand in the order in which the request lists them.
///
/// Calls `observe` before every denoising step and stops there on `Break`.
pub fn generate_prompted(
    pipeline: &Pipeline,
    controls: &[Arc<PeerControl>],
    readers: &Readers,
    request: &Request,
    observe: &mut Observe<'_>,
) -> Result<Outcome, Error> {
    let started = Instant::now();
    check(request)?;
    let mut request = request.clone();
    request.model = ModelReference {
        name: pipeline.name.clone(),
        hash: pipeline.hash.clone(),
    };
    let uses = request.prompted.get_or_insert_default();
    if uses.controls.len() != controls.len() {
        return Err(Error::new(
            ErrorKind::Failed,
            "the request and the loaded ControlNets differ",
        ));
    }
    for (listed, control) in uses.controls.iter_mut().zip(controls) {
        listed.model = ModelReference {
            name: control.name.clone(),
            hash: control.hash.clone(),
        };
    }
    let request = &request;
    let asked = Asked::new(pipeline, controls, request)?;
    let steps_each = asked.steps();
    let mut images = Vec::with_capacity(request.count);
    for n in 0..request.count {
        let image_number = request.first_image + n as u64;
        let mut report = |step: usize| {
            let done = n * steps_each + step;
            observe(Progress::denoising(
                done,
                request.count * steps_each,
                started,
            ))
        };
        let (grey, latent) = asked.sample(image_number, &mut report)?;
        let frame = asked.frame();
        let mut reading = || report(steps_each);
        let mut made = frame.finish_asking(readers, request, image_number, &grey, &mut reading)?;
        made.decoder_tile_px = pipeline.autoencoder.decoder.tile([pipeline.shape.size; 2]);
        made.latent = Some((frame.crop.region, latent));
        images.push(made);
    }
    Ok(Outcome {
        request: Arc::new(request.clone()),
        images,
        seconds: started.elapsed().as_secs_f64(),
    })
}
