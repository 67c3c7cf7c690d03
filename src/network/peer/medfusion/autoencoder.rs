//! The autoencoder, `VAE`.

use candle_core::{Result, Tensor};
use serde::Deserialize;

use super::block::{Block, Down, Up, check};
use crate::network::peer::layers::{Conv, Taps};
use crate::network::peer::scope::Scope;

/// Settings with the names of the program's arguments.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Channels of the picture.
    pub in_channels: usize,
    /// Channels of the decoded picture.
    pub out_channels: usize,
    /// Channels of a latent.
    pub emb_channels: usize,
    /// Channels of each level.
    pub hid_chs: Vec<usize>,
    /// Strides before each level; the first is 1.
    pub strides: Vec<usize>,
    /// Groups of all norms.
    pub norm_groups: usize,
    /// Side outputs for training.
    pub deep_supervision: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            in_channels: 3,
            out_channels: 3,
            emb_channels: 8,
            hid_chs: vec![64, 128, 256, 512],
            strides: vec![1, 2, 2, 2],
            norm_groups: 8,
            deep_supervision: 1,
        }
    }
}

/// `VAE` of Medfusion.
#[derive(Clone, Debug)]
pub struct Autoencoder {
    input: Block,
    down: Vec<Down>,
    to_latent: [Conv; 2],
    from_latent: Block,
    up: Vec<Up>,
    output: Conv,
    sides: Vec<Conv>,
}

impl Autoencoder {
    /// Builds it under `scope`.
    pub fn new(scope: &Scope<'_>, config: &Config) -> Result<Self> {
        let widths = &config.hid_chs;
        check(widths, &config.strides)?;
        let groups = config.norm_groups;
        let (first, last) = (widths[0], widths[widths.len() - 1]);
        let double = 2 * config.emb_channels;
        let (one, three) = (Taps::square(1), Taps::square(3).pad(1));
        let levels = widths.len() - 1;
        let pair = |i: usize| [widths[i], widths[i + 1]];
        let back = |i: usize| [widths[i + 1], widths[i]];
        Ok(Self {
            input: Block::new(&scope.at("inc"), [config.in_channels, first], groups, None)?,
            down: (0..levels)
                .map(|i| {
                    let place = scope.at(format!("encoders.{i}"));
                    Down::new(&place, pair(i), config.strides[i + 1], groups, None)
                })
                .collect::<Result<_>>()?,
            to_latent: [
                Conv::new(&scope.at("out_enc.0.conv"), [last, double], three)?,
                Conv::new(&scope.at("out_enc.1.conv"), [double, double], one)?,
            ],
            from_latent: {
                let channels = [config.emb_channels, last];
                Block::new(&scope.at("inc_dec"), channels, groups, None)?
            },
            up: (0..levels)
                .map(|i| {
                    let place = scope.at(format!("decoders.{i}"));
                    Up::new(&place, back(i), config.strides[i + 1], groups, None)
                })
                .collect::<Result<_>>()?,
            output: Conv::new(&scope.at("outc.conv"), [first, config.out_channels], one)?,
            sides: (0..config.deep_supervision.min(levels))
                .map(|i| {
                    let place = scope.at(format!("outc_ver.{i}.conv"));
                    Conv::new(&place, [widths[i + 1], config.out_channels], one)
                })
                .collect::<Result<_>>()?,
        })
    }

    /// `image [B,C,H,W]` in -1..1 to mean and log-variance of its latent, the latter clamped to -30..20.
    pub fn encode(&self, image: &Tensor) -> Result<(Tensor, Tensor)> {
        let mut x = self.input.forward(image, None)?;
        for level in &self.down {
            x = level.forward(&x, None)?;
        }
        for conv in &self.to_latent {
            x = conv.forward(&x)?;
        }
        let parts = x.chunk(2, 1)?;
        let variance = parts[1].contiguous()?.clamp(-30.0, 20.0)?;
        Ok((parts[0].contiguous()?, variance))
    }

    /// A latent to a picture.
    pub fn decode(&self, latent: &Tensor) -> Result<Tensor> {
        let (picture, _) = self.decode_with_sides(latent)?;
        Ok(picture)
    }

    /// A latent to a picture, and to the smaller ones that training compares too, the largest first.
    pub fn decode_with_sides(&self, latent: &Tensor) -> Result<(Tensor, Vec<Tensor>)> {
        let mut x = self.from_latent.forward(latent, None)?;
        let mut sides = Vec::new();
        for (i, level) in self.up.iter().enumerate().rev() {
            if let Some(side) = self.sides.get(i) {
                sides.insert(0, side.forward(&x)?);
            }
            x = level.forward(&x, None, None)?;
        }
        Ok((self.output.forward(&x)?, sides))
    }
}
