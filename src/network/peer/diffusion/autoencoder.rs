//! `AutoencoderKL`: pictures to latents and back.
//!
//! Separate from the U-Nets: its levels have no time, no skips and an epsilon of their own.

use candle_core::{Result, Tensor, bail};
use serde::{Deserialize, Serialize};

use super::blocks::Middle;
use super::config::{MOST_BLOCKS, MOST_CHANNELS, within};
use super::resnet::{Downsample, Resnet, Size, Style, Upsample};
use super::tiles::Tiles;
use crate::network::device::beside;
use crate::network::peer::layers::{Conv, GroupNorm, Taps};
use crate::network::peer::scope::Scope;

/// Settings with diffusers' names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Channels of the picture.
    pub in_channels: usize,
    /// Channels of the decoded picture.
    pub out_channels: usize,
    /// `DownEncoderBlock2D` only.
    pub down_block_types: Vec<String>,
    /// `UpDecoderBlock2D` only.
    pub up_block_types: Vec<String>,
    /// Channels of each level.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks a level of the encoder; the decoder has one more.
    pub layers_per_block: usize,
    /// `silu`.
    pub act_fn: String,
    /// Channels of a latent.
    pub latent_channels: usize,
    /// Groups of all norms.
    pub norm_num_groups: usize,
    /// What latents are multiplied by for the U-Net.
    pub scaling_factor: f64,
    /// What is subtracted from latents before that, but only by the pipelines of later families: those of Stable
    /// Diffusion 1 and 2 scale without a shift in diffusers, and so here.
    pub shift_factor: Option<f64>,
    /// A 1×1 convolution behind the encoder.
    pub use_quant_conv: bool,
    /// A 1×1 convolution before the decoder.
    pub use_post_quant_conv: bool,
    /// Attention in the middle.
    pub mid_block_add_attention: bool,
    /// Pixels a side that it was trained with: the side of a tile.
    pub sample_size: Side,
    /// Whether pictures beyond that side go through in tiles, as with the peer's `enable_tiling`; unless it is said, those
    /// do that are too large for a graphics card of 6 GB.
    pub use_tiling: Option<bool>,
}

/// A side, or height and width; the first counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Side {
    /// Of a square.
    Square(usize),
    /// Height and width.
    Both([usize; 2]),
}

impl Side {
    const fn pixels(&self) -> usize {
        match self {
            Self::Square(side) | Self::Both([side, _]) => *side,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            in_channels: 3,
            out_channels: 3,
            down_block_types: vec!["DownEncoderBlock2D".to_owned()],
            up_block_types: vec!["UpDecoderBlock2D".to_owned()],
            block_out_channels: vec![64],
            layers_per_block: 1,
            act_fn: "silu".to_owned(),
            latent_channels: 4,
            norm_num_groups: 32,
            scaling_factor: 0.18215,
            shift_factor: None,
            use_quant_conv: true,
            use_post_quant_conv: true,
            mid_block_add_attention: true,
            sample_size: Side::Square(32),
            use_tiling: None,
        }
    }
}

const THREE: Taps = Taps::square(3).pad(1);
const EPSILON: f64 = 1e-6;
/// Pixels of the largest picture that goes through whole where nothing is said: beyond, the widest convolution of the
/// published decoders takes 2 GB on a GPU.
const WHOLE: usize = 640 * 640;
/// The least side of a tile where nothing is said.
const LEAST_TILE: usize = 512;

/// When a picture goes through in tiles.
#[derive(Clone, Copy, Debug)]
struct Tiling {
    /// Side of a tile in pixels.
    side: usize,
    /// Pixels a latent's pixel stands for along one side.
    factor: usize,
    /// Pixels that still go through whole.
    whole: usize,
}

impl Tiling {
    /// The tiles of a picture of so many rows and columns, on the way to a latent; none if it goes through whole.
    fn of(&self, [height, width]: [usize; 2]) -> Option<Tiles> {
        let (before, after) = (self.side, self.side / self.factor);
        let large = height * width > self.whole && height.max(width) > before;
        (large && after > 1).then_some(Tiles { before, after })
    }
}

impl Config {
    /// Refuses sizes that no autoencoder has, by name, before anything is counted or made by them.
    pub fn check_sizes(&self) -> std::result::Result<(), String> {
        let channels = [self.in_channels, self.out_channels, self.latent_channels];
        within("a number of channels", &channels, MOST_CHANNELS)?;
        let levels = &self.block_out_channels;
        within("block_out_channels", levels, MOST_CHANNELS)?;
        within("layers_per_block", &[self.layers_per_block], MOST_BLOCKS)?;
        within("sample_size", &[self.sample_size.pixels()], MOST_CHANNELS)
    }

    fn check(&self) -> Result<()> {
        let levels = self.block_out_channels.len();
        let known = |names: &[String], known: &str| {
            names.len() == levels && names.iter().all(|name| name == known)
        };
        if levels == 0
            || !known(&self.down_block_types, "DownEncoderBlock2D")
            || !known(&self.up_block_types, "UpDecoderBlock2D")
        {
            bail!(
                "block types {:?} and {:?} for {levels} levels are not supported",
                self.down_block_types,
                self.up_block_types
            )
        }
        if !matches!(self.act_fn.as_str(), "silu" | "swish") {
            bail!("act_fn = {} is not supported, only silu", self.act_fn)
        }
        self.check_sizes().map_err(candle_core::Error::Msg)
    }

    fn style(&self) -> Style {
        Style {
            time: None,
            groups: self.norm_num_groups,
            epsilon: EPSILON,
            scale_shift: false,
            divisor: 1.0,
        }
    }

    fn tiling(&self) -> Tiling {
        let side = self.sample_size.pixels();
        Tiling {
            side: if self.use_tiling.is_none() {
                side.max(LEAST_TILE)
            } else {
                side
            },
            factor: 1 << (self.block_out_channels.len() - 1),
            whole: match self.use_tiling {
                None => WHOLE,
                Some(true) => 0,
                Some(false) => usize::MAX,
            },
        }
    }

    fn norm(&self, scope: &Scope<'_>, channels: usize) -> Result<GroupNorm> {
        GroupNorm::new(scope, channels, self.norm_num_groups, EPSILON)
    }
}

/// `AutoencoderKL` of diffusers.
#[derive(Clone, Debug)]
pub struct AutoencoderKl {
    encoder_in: Conv,
    down: Vec<(Vec<Resnet>, Option<Downsample>)>,
    encoder_middle: Middle,
    encoder_norm: GroupNorm,
    encoder_out: Conv,
    quant: Option<Conv>,
    post_quant: Option<Conv>,
    decoder_in: Conv,
    decoder_middle: Middle,
    up: Vec<(Vec<Resnet>, Option<Upsample>)>,
    decoder_norm: GroupNorm,
    decoder_out: Conv,
    tiling: Tiling,
    /// What latents are multiplied by for the U-Net.
    pub scaling_factor: f64,
}

impl AutoencoderKl {
    /// Builds it under `scope`; an error for settings that are not supported.
    pub fn new(scope: &Scope<'_>, config: &Config) -> Result<Self> {
        config.check()?;
        let widths = &config.block_out_channels;
        let (first, last) = (widths[0], widths[widths.len() - 1]);
        let z = config.latent_channels;
        let (encoder, decoder) = (scope.at("encoder"), scope.at("decoder"));
        let attends = config.mid_block_add_attention;
        let style = config.style();
        let middle =
            |scope: &Scope<'_>| Middle::plain(&scope.at("mid_block"), last, style, attends);
        let one = |name: &str, wanted: bool, channels: usize| {
            wanted
                .then(|| Conv::new(&scope.at(name), [channels, channels], Taps::square(1)))
                .transpose()
        };
        Ok(Self {
            encoder_in: Conv::new(&encoder.at("conv_in"), [config.in_channels, first], THREE)?,
            down: down_levels(&encoder, config)?,
            encoder_middle: middle(&encoder)?,
            encoder_norm: config.norm(&encoder.at("conv_norm_out"), last)?,
            encoder_out: Conv::new(&encoder.at("conv_out"), [last, 2 * z], THREE)?,
            quant: one("quant_conv", config.use_quant_conv, 2 * z)?,
            post_quant: one("post_quant_conv", config.use_post_quant_conv, z)?,
            decoder_in: Conv::new(&decoder.at("conv_in"), [z, last], THREE)?,
            decoder_middle: middle(&decoder)?,
            up: up_levels(&decoder, config)?,
            decoder_norm: config.norm(&decoder.at("conv_norm_out"), first)?,
            decoder_out: Conv::new(&decoder.at("conv_out"), [first, config.out_channels], THREE)?,
            tiling: config.tiling(),
            scaling_factor: config.scaling_factor,
        })
    }

    /// `image [B,C,H,W]` in -1..1 to mean and log-variance of its latent, `[B,z,h,w]` each, not yet scaled.
    ///
    /// The log-variance is clamped to -30..20 as the peer's is.
    pub fn encode(&self, image: &Tensor) -> Result<(Tensor, Tensor)> {
        let (_, _, height, width) = image.dims4()?;
        let moments = match self.tiling.of([height, width]) {
            Some(tiles) => tiles.run(image, |tile| self.moments(tile))?,
            None => self.moments(image)?,
        };
        let parts = beside(&moments, image)?.chunk(2, 1)?;
        Ok((
            parts[0].contiguous()?,
            parts[1].contiguous()?.clamp(-30.0, 20.0)?,
        ))
    }

    /// A latent `[B,z,h,w]`, not scaled, to a picture `[B,C,H,W]`.
    pub fn decode(&self, latent: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = latent.dims4()?;
        let pixels = [height, width].map(|side| side * self.tiling.factor);
        let picture = match self.tiling.of(pixels) {
            Some(tiles) => tiles.turned().run(latent, |tile| self.picture(tile))?,
            None => self.picture(latent)?,
        };
        beside(&picture, latent)
    }

    /// Means and log-variances, one after the other in the channels.
    fn moments(&self, image: &Tensor) -> Result<Tensor> {
        let mut x = self.encoder_in.forward(image)?;
        for (resnets, down) in &self.down {
            for resnet in resnets {
                x = resnet.forward(&x, None)?;
            }
            if let Some(down) = down {
                x = down.forward(&x)?;
            }
        }
        x = self.encoder_middle.forward(&x, None, None)?;
        x = self
            .encoder_out
            .forward(&self.encoder_norm.forward_silu(&x)?)?;
        match &self.quant {
            Some(quant) => quant.forward(&x),
            None => Ok(x),
        }
    }

    fn picture(&self, latent: &Tensor) -> Result<Tensor> {
        let mut x = match &self.post_quant {
            Some(conv) => conv.forward(latent)?,
            None => latent.clone(),
        };
        x = self.decoder_in.forward(&x)?;
        x = self.decoder_middle.forward(&x, None, None)?;
        for (resnets, up) in &self.up {
            for resnet in resnets {
                x = resnet.forward(&x, None)?;
            }
            if let Some(up) = up {
                x = up.forward(&x, None)?;
            }
        }
        self.decoder_out
            .forward(&self.decoder_norm.forward_silu(&x)?)
    }
}

fn down_levels(
    scope: &Scope<'_>,
    config: &Config,
) -> Result<Vec<(Vec<Resnet>, Option<Downsample>)>> {
    let mut input = config.block_out_channels[0];
    let count = config.block_out_channels.len();
    let mut levels = Vec::new();
    for (i, &channels) in config.block_out_channels.iter().enumerate() {
        let place = scope.at(format!("down_blocks.{i}"));
        let resnets = chain(&place, [input, channels], config.layers_per_block, config)?;
        let down = (i + 1 < count)
            .then(|| Downsample::new(&place.at("downsamplers.0"), channels, 0))
            .transpose()?;
        levels.push((resnets, down));
        input = channels;
    }
    Ok(levels)
}

fn up_levels(scope: &Scope<'_>, config: &Config) -> Result<Vec<(Vec<Resnet>, Option<Upsample>)>> {
    let count = config.block_out_channels.len();
    let mut input = config.block_out_channels[count - 1];
    let mut levels = Vec::new();
    for (i, &channels) in config.block_out_channels.iter().rev().enumerate() {
        let place = scope.at(format!("up_blocks.{i}"));
        let resnets = chain(
            &place,
            [input, channels],
            config.layers_per_block + 1,
            config,
        )?;
        let up = (i + 1 < count)
            .then(|| Upsample::new(&place.at("upsamplers.0"), channels))
            .transpose()?;
        levels.push((resnets, up));
        input = channels;
    }
    Ok(levels)
}

fn chain(
    scope: &Scope<'_>,
    [input, channels]: [usize; 2],
    layers: usize,
    config: &Config,
) -> Result<Vec<Resnet>> {
    (0..layers)
        .map(|i| {
            let from = if i == 0 { input } else { channels };
            let place = scope.at(format!("resnets.{i}"));
            Resnet::new(&place, [from, channels], config.style(), Size::Same)
        })
        .collect()
}
