//! The U-Net; its skips are added.

use candle_core::{Result, Tensor};
use serde::Deserialize;

use super::block::{Block, Down, Up, check};
use crate::network::peer::diffusion::TimeEmbedding;
use crate::network::peer::layers::{Conv, Taps};
use crate::network::peer::scope::Scope;

/// Settings with the names of the program's arguments.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Channels of a latent.
    pub in_ch: usize,
    /// Channels of the estimate.
    pub out_ch: usize,
    /// Channels of each level.
    pub hid_chs: Vec<usize>,
    /// Strides before each level; the first is 1.
    pub strides: Vec<usize>,
    /// Groups of all norms.
    pub norm_groups: usize,
    /// Sinusoids of time.
    pub time_pos_dim: usize,
    /// Width of the time embedding.
    pub time_emb_dim: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            in_ch: 8,
            out_ch: 8,
            hid_chs: vec![256, 256, 512, 1024],
            strides: vec![1, 2, 2, 2],
            norm_groups: 32,
            time_pos_dim: 256,
            time_emb_dim: 1024,
        }
    }
}

/// `UNet` of Medfusion.
#[derive(Clone, Debug)]
pub struct Unet {
    time: TimeEmbedding,
    input: Block,
    down: Vec<Down>,
    up: Vec<Up>,
    output: Conv,
}

impl Unet {
    /// Builds it under `scope`.
    pub fn new(scope: &Scope<'_>, config: &Config) -> Result<Self> {
        let widths = &config.hid_chs;
        check(widths, &config.strides)?;
        let (groups, time) = (config.norm_groups, Some(config.time_emb_dim));
        let place = scope.at("time_embedder.time_emb");
        let sizes = [config.time_pos_dim, config.time_emb_dim];
        let levels = widths.len() - 1;
        let first = widths[0];
        Ok(Self {
            time: TimeEmbedding::new(&place.at(1), &place.at(3), sizes, false, 1.0)?,
            input: Block::new(&scope.at("inc"), [config.in_ch, first], groups, time)?,
            down: (0..levels)
                .map(|i| {
                    let channels = [widths[i], widths[i + 1]];
                    let place = scope.at(format!("encoders.{i}"));
                    Down::new(&place, channels, config.strides[i + 1], groups, time)
                })
                .collect::<Result<_>>()?,
            up: (0..levels)
                .map(|i| {
                    let channels = [widths[i + 1], widths[i]];
                    let place = scope.at(format!("decoders.{i}"));
                    Up::new(&place, channels, config.strides[i + 1], groups, time)
                })
                .collect::<Result<_>>()?,
            output: Conv::new(
                &scope.at("outc.conv.conv"),
                [first, config.out_ch],
                Taps::square(1),
            )?,
        })
    }

    /// `sample [B,C,H,W]` and times (one, or one an image) to the estimate.
    pub fn forward(&self, sample: &Tensor, time: &Tensor) -> Result<Tensor> {
        let time = self.time.forward(time, sample.dim(0)?)?;
        let mut x = self.input.forward(sample, Some(&time))?;
        let mut skips = Vec::with_capacity(self.down.len());
        for level in &self.down {
            skips.push(x.clone());
            x = level.forward(&x, Some(&time))?;
        }
        for level in self.up.iter().rev() {
            x = level.forward(&x, skips.pop().as_ref(), Some(&time))?;
        }
        self.output.forward(&x)
    }
}
