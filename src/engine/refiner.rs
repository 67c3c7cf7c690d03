//! The model that draws images again: which one is used, and whether it is the one that a record names.
//!
//! Separate because it goes with every generator but is nobody's need: without it films are made as they were before.

use std::sync::Arc;

use super::{ModelStore, joint_hash, model_error, same_weights};
use crate::job::{Error, ErrorKind, ModelReference, Request};
use crate::network::autoencoder;
use crate::network::device::Place;
use crate::network::folder::{self, DiffusionConfig, Task};
use crate::synthesis::{Generator, RefinerModel};

impl ModelStore {
    /// The first model that draws images again; `None` where there is none.
    ///
    /// Fails when its folder cannot be used, or its autoencoder is missing or another one.
    pub(super) fn load_refiner(&self, place: &Place) -> Result<Option<Arc<RefinerModel>>, Error> {
        let Some(found) = self.find(Task::Refiner, "") else {
            return Ok(None);
        };
        let (diffusion, folder) = folder::load_refiner(&found.path, place).map_err(model_error)?;
        let need = folder.card.needs.get(Task::Autoencoder.name());
        let needed = need.map_or("", |need| need.name.as_str());
        let wrong = |what: String| Error::new(ErrorKind::Model, what).at(&folder.path);
        let Some(other) = self.find(Task::Autoencoder, needed) else {
            let name = &folder.card.name;
            return Err(wrong(format!(
                "the autoencoder {needed} of {name} is missing"
            )));
        };
        if need.is_some_and(|need| need.hash != other.hash()) {
            let name = &folder.card.name;
            return Err(wrong(format!("{name} was trained with another {needed}"))
                .remedy("copy both model folders from the same place"));
        }
        let (autoencoder, other) =
            folder::load_autoencoder(&other.path, place).map_err(model_error)?;
        let config: DiffusionConfig = folder.configuration().map_err(model_error)?;
        let coder: autoencoder::Config = other.configuration().map_err(model_error)?;
        let size = folder.card.native_size[0];
        if config.denoiser.latent != coder.latent || size == 0 || !size.is_multiple_of(32) {
            let what = "its latents or its size do not fit its autoencoder".to_owned();
            return Err(wrong(what));
        }
        Ok(Some(Arc::new(RefinerModel {
            autoencoder,
            diffusion,
            size,
            latent: config.denoiser.latent,
            model: ModelReference {
                hash: joint_hash(&folder.hash(), &other.hash()),
                name: folder.card.name,
            },
            place: place.clone(),
        })))
    }
}

/// Refuses a request that names another model for its hips than the one that is here.
pub(super) fn same_refiner(generator: &Generator, request: &Request) -> Result<(), Error> {
    let Some(wanted) = request.refiner.as_ref() else {
        return Ok(());
    };
    match &generator.refiner {
        Some(refiner) if wanted.name.is_empty() || wanted.name == refiner.model.name => {
            same_weights("model that draws images again", &refiner.model, wanted)
        }
        None if wanted.name.is_empty() => Ok(()),
        _ => {
            let what = format!(
                "there is no model called {} that draws images again",
                wanted.name
            );
            Err(Error::new(ErrorKind::Model, what)
                .remedy("`radcanvas models list` shows what is there"))
        }
    }
}
