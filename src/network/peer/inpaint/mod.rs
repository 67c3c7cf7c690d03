//! MAT: the mask-aware transformer for large holes (Li et al. 2022), generator and discriminator.
//!
//! A first stage fills the hole by attention among what is known, a second one refines it with convolutions whose
//! weights a style scales (Karras et al. 2020, "Analyzing and improving the image quality of `StyleGAN`"). Written from
//! the papers; the names of the tensors are those of the published weights.

mod discriminator;
mod first;
mod generator;
mod modulated;
mod partial;
mod primitive;
mod window;

pub use discriminator::Discriminator;
pub use generator::{Completed, Generator};

use candle_core::{Result, bail};
use serde::Deserialize;

/// Sizes of the networks; the defaults are those of the published weights.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Side of the picture: a power of two from 128.
    #[serde(alias = "resolution")]
    pub img_resolution: usize,
    /// Width of the noise.
    pub z_dim: usize,
    /// Width of the style.
    pub w_dim: usize,
    /// Channels of the picture.
    pub img_channels: usize,
    /// Channels of the first stage.
    pub dim: usize,
    /// Heads of its attention.
    pub num_heads: usize,
    /// The most channels of the second stage and of the discriminator.
    pub channel_max: usize,
    /// Images whose spread the discriminator sees.
    pub mbstd_group_size: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            img_resolution: 512,
            z_dim: 512,
            w_dim: 512,
            img_channels: 3,
            dim: 180,
            num_heads: 6,
            channel_max: 512,
            mbstd_group_size: 4,
        }
    }
}

impl Config {
    /// The base-two logarithm of the side; an error for sizes that the networks are not defined for.
    fn levels(&self) -> Result<usize> {
        let side = self.img_resolution;
        if side < 128 || !side.is_power_of_two() || side > 4096 {
            bail!("img_resolution = {side} must be a power of two from 128 to 4096")
        }
        if self.num_heads == 0 || !self.dim.is_multiple_of(self.num_heads) {
            bail!(
                "dim = {} cannot be split into {} heads",
                self.dim,
                self.num_heads
            )
        }
        Ok(side.ilog2() as usize)
    }

    /// Channels at the side `2^level`: half of the most at 128, and half again at every doubling.
    fn channels(&self, level: usize) -> usize {
        (self.channel_max >> level.saturating_sub(6)).max(1)
    }
}
