//! A network that paints latents and the autoencoder it was trained with: they are one model.
//!
//! Separate because generators and refiners need the same pairing, and a wrong pair paints noise without an error.

use super::{ModelStore, model_error};
use crate::job::{Error, ErrorKind, ModelReference};
use crate::network::autoencoder::{self, Autoencoder};
use crate::network::device::Place;
use crate::network::folder::{self, DiffusionConfig, ModelFolder, Task};

/// An autoencoder with what its pair is called.
pub(super) struct Coder {
    pub(super) autoencoder: Autoencoder,
    /// Channels of a latent.
    pub(super) latent: usize,
    /// Name of the painting network, hash of both.
    pub(super) model: ModelReference,
}

impl ModelStore {
    /// The autoencoder that a painting network was trained with; an error when it is missing, or another one.
    pub(super) fn coder_of(&self, folder: &ModelFolder, place: &Place) -> Result<Coder, Error> {
        let name = &folder.card.name;
        let need = folder.card.needs.get(Task::Autoencoder.name());
        let needed = need.map_or("", |need| need.name.as_str());
        let Some(other) = self.find(Task::Autoencoder, needed) else {
            let what = format!("the autoencoder {needed} of {name} is missing");
            return Err(Error::new(ErrorKind::Model, what).at(&folder.path));
        };
        let (autoencoder, other) =
            folder::load_autoencoder(&other.path, place).map_err(model_error)?;
        if let Some(need) = need
            && need.hash != other.hash()
        {
            let what = format!("{name} was trained with another {}", need.name);
            return Err(Error::new(ErrorKind::Model, what)
                .at(other.path)
                .remedy("copy both model folders from the same place"));
        }
        let config: DiffusionConfig = folder.configuration().map_err(model_error)?;
        let coder: autoencoder::Config = other.configuration().map_err(model_error)?;
        if config.denoiser.latent != coder.latent {
            let what = "the denoiser and the autoencoder differ in their latents";
            return Err(Error::new(ErrorKind::Model, what).at(&folder.path));
        }
        Ok(Coder {
            autoencoder,
            latent: coder.latent,
            model: ModelReference {
                hash: joint_hash(&folder.hash(), &other.hash()),
                name: name.clone(),
            },
        })
    }
}

/// The identity of weights in two folders.
fn joint_hash(first: &str, second: &str) -> String {
    use sha2::{Digest as _, Sha256};
    crate::encoding::hex(&Sha256::digest(format!("{first}\n{second}\n")))
}
