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
    /// do that have more pixels than 768 × 768, the largest native size of Stable Diffusion 1 and 2.
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
/// The sides of tiles where nothing is said: those of Stable Diffusion 1 and 2.
const NATIVE: [usize; 2] = [512, 768];
/// Pixels of the largest picture that goes through whole where nothing is said. Whole is what the peer does and what a
/// film needs, as the norms of a tile see that tile alone; beyond the native sizes of the family memory decides: the widest
/// convolution of the published decoders would take more than 3 GB on a GPU.
const WHOLE: usize = NATIVE[1] * NATIVE[1];

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
                side.clamp(NATIVE[0], NATIVE[1])
            } else {
                side
            },
            // Asked before the settings are checked, too.
            factor: 1 << (self.block_out_channels.len().clamp(1, 16) - 1),
            whole: match self.use_tiling {
                None => WHOLE,
                Some(true) => 0,
                Some(false) => usize::MAX,
            },
        }
    }

    /// Side of the largest part of a square picture of this side that goes through at once.
    pub fn at_once(&self, side: usize) -> usize {
        match self.tiling().of([side, side]) {
            Some(tiles) => tiles.before,
            None => side,
        }
    }

    fn norm(&self, scope: &Scope<'_>, channels: usize) -> Result<GroupNorm> {
        GroupNorm::new(scope, channels, self.norm_num_groups, EPSILON)
    }
}

/// What the two halves share: the layers at the coarsest level.
struct Ends<'a> {
    config: &'a Config,
    /// Channels of the finest and of the coarsest level.
    channels: [usize; 2],
}

impl<'a> Ends<'a> {
    fn of(config: &'a Config) -> Result<Self> {
        config.check()?;
        let widths = &config.block_out_channels;
        Ok(Self {
            config,
            channels: [widths[0], widths[widths.len() - 1]],
        })
    }

    fn middle(&self, scope: &Scope<'_>) -> Result<Middle> {
        let config = self.config;
        let attends = config.mid_block_add_attention;
        let place = scope.at("mid_block");
        Middle::plain(&place, self.channels[1], config.style(), attends)
    }

    fn one(scope: &Scope<'_>, wanted: bool, channels: usize) -> Result<Option<Conv>> {
        wanted
            .then(|| Conv::new(scope, [channels, channels], Taps::square(1)))
            .transpose()
    }
}

/// The half of [`AutoencoderKl`] from pictures to latents.
#[derive(Clone, Debug)]
pub struct Encoder {
    first: Conv,
    down: Vec<(Vec<Resnet>, Option<Downsample>)>,
    middle: Middle,
    norm: GroupNorm,
    last: Conv,
    quant: Option<Conv>,
    tiling: Tiling,
}

impl Encoder {
    /// Builds it under the place of the whole; an error for settings that are not supported.
    pub fn new(scope: &Scope<'_>, config: &Config) -> Result<Self> {
        let ends = Ends::of(config)?;
        let ([fine, coarse], z) = (ends.channels, config.latent_channels);
        let place = scope.at("encoder");
        Ok(Self {
            first: Conv::new(&place.at("conv_in"), [config.in_channels, fine], THREE)?,
            down: down_levels(&place, config)?,
            middle: ends.middle(&place)?,
            norm: config.norm(&place.at("conv_norm_out"), coarse)?,
            last: Conv::new(&place.at("conv_out"), [coarse, 2 * z], THREE)?,
            quant: Ends::one(&scope.at("quant_conv"), config.use_quant_conv, 2 * z)?,
            tiling: config.tiling(),
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

    /// Means and log-variances, one after the other in the channels.
    fn moments(&self, image: &Tensor) -> Result<Tensor> {
        let mut x = self.first.forward(image)?;
        for (resnets, down) in &self.down {
            for resnet in resnets {
                x = resnet.forward(&x, None)?;
            }
            if let Some(down) = down {
                x = down.forward(&x)?;
            }
        }
        x = self.middle.forward(&x, None, None)?;
        x = self.last.forward(&self.norm.forward_silu(&x)?)?;
        match &self.quant {
            Some(quant) => quant.forward(&x),
            None => Ok(x),
        }
    }
}

/// The half of [`AutoencoderKl`] from latents to pictures.
#[derive(Clone, Debug)]
pub struct Decoder {
    post_quant: Option<Conv>,
    first: Conv,
    middle: Middle,
    up: Vec<(Vec<Resnet>, Option<Upsample>)>,
    norm: GroupNorm,
    last: Conv,
    tiling: Tiling,
}

impl Decoder {
    /// Builds it under the place of the whole; an error for settings that are not supported.
    pub fn new(scope: &Scope<'_>, config: &Config) -> Result<Self> {
        let ends = Ends::of(config)?;
        let ([fine, coarse], z) = (ends.channels, config.latent_channels);
        let place = scope.at("decoder");
        let one = scope.at("post_quant_conv");
        Ok(Self {
            post_quant: Ends::one(&one, config.use_post_quant_conv, z)?,
            first: Conv::new(&place.at("conv_in"), [z, coarse], THREE)?,
            middle: ends.middle(&place)?,
            up: up_levels(&place, config)?,
            norm: config.norm(&place.at("conv_norm_out"), fine)?,
            last: Conv::new(&place.at("conv_out"), [fine, config.out_channels], THREE)?,
            tiling: config.tiling(),
        })
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

    /// Side in pixels of the tiles that a picture of so many rows and columns goes through in, both ways; none if it goes
    /// through whole.
    pub fn tile(&self, size: [usize; 2]) -> Option<usize> {
        self.tiling.of(size).map(|tiles| tiles.before)
    }

    fn picture(&self, latent: &Tensor) -> Result<Tensor> {
        let mut x = match &self.post_quant {
            Some(conv) => conv.forward(latent)?,
            None => latent.clone(),
        };
        x = self.first.forward(&x)?;
        x = self.middle.forward(&x, None, None)?;
        for (resnets, up) in &self.up {
            for resnet in resnets {
                x = resnet.forward(&x, None)?;
            }
            if let Some(up) = up {
                x = up.forward(&x, None)?;
            }
        }
        self.last.forward(&self.norm.forward_silu(&x)?)
    }
}

/// `AutoencoderKL` of diffusers.
#[derive(Clone, Debug)]
pub struct AutoencoderKl {
    /// Pictures to latents.
    pub encoder: Encoder,
    /// Latents to pictures.
    pub decoder: Decoder,
}

impl AutoencoderKl {
    /// Builds it under `scope`; an error for settings that are not supported.
    pub fn new(scope: &Scope<'_>, config: &Config) -> Result<Self> {
        Ok(Self {
            encoder: Encoder::new(scope, config)?,
            decoder: Decoder::new(scope, config)?,
        })
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
