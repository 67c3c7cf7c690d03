//! The model that draws images again: which one is used, and whether it is the one that a record names.
//!
//! Separate because it goes with every generator but is nobody's need: without it films are made as they were before.

use std::path::Path;
use std::sync::Arc;

use super::{ModelStore, model_error, same_weights};
use crate::job::{Error, ErrorKind, Request};
use crate::network::device::Place;
use crate::network::folder::{self, Task};
use crate::synthesis::kept::{HINTS_AGAIN, Kept};
use crate::synthesis::{Generator, RefinerModel};

impl ModelStore {
    /// The first model that draws images again, loaded once for all generators; `None` where there is none.
    ///
    /// Fails when its folder cannot be used, or its autoencoder is missing or another one.
    pub(super) fn refiner(&mut self, place: &Place) -> Result<Option<Arc<RefinerModel>>, Error> {
        if self.refiner.is_none()
            && let Some(folder) = self.find(Task::Refiner, "")
        {
            let refiner = self.load_refiner(&folder.path, place)?;
            self.refiner = Some(Arc::new(refiner));
        }
        Ok(self.refiner.clone())
    }

    fn load_refiner(&self, path: &Path, place: &Place) -> Result<RefinerModel, Error> {
        let (diffusion, folder) = folder::load_refiner(path, place).map_err(model_error)?;
        let coder = self.coder_of(&folder, place)?;
        let size = folder.card.native_size[0];
        if size == 0 || !size.is_multiple_of(32) {
            let what = format!("squares of {size} pixels cannot be drawn");
            return Err(Error::new(ErrorKind::Model, what).at(folder.path));
        }
        Ok(RefinerModel {
            autoencoder: coder.autoencoder,
            diffusion,
            size,
            latent: coder.latent,
            model: coder.model,
            place: place.clone(),
            kept: Kept::of_hints(HINTS_AGAIN),
        })
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
