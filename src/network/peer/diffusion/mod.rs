//! The networks of latent diffusion with diffusers' names: U-Nets, `ControlNet`, autoencoder.
//!
//! Rombach et al. 2022, "High-resolution image synthesis with latent diffusion models"; Zhang et al. 2023, "Adding
//! conditional control to text-to-image diffusion models". Separate from the project's own denoiser: these carry
//! published weights and are exact against the programs those come from.

mod attention;
mod autoencoder;
mod blocks;
mod config;
mod control;
mod embedding;
mod resnet;
mod tiles;
mod unet;

pub use autoencoder::{AutoencoderKl, Config as AutoencoderConfig, Decoder, Encoder, Side};
pub use config::{Config, Family};
pub use control::{ControlNet, Residuals};
pub use embedding::{TimeEmbedding, guidance_embedding};
pub use unet::Unet;
