//! Medfusion (Müller-Franzes et al. 2023): the autoencoder and the U-Net of a latent diffusion model of medical images.
//!
//! Both are built of one block and have no attention; the names are those of the published checkpoints.

mod autoencoder;
mod block;
mod unet;

pub use autoencoder::{Autoencoder, Config as AutoencoderConfig};
pub use unet::{Config as UnetConfig, Labels, Unet};
