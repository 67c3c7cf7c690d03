//! The denoiser: `UNet2DConditionModel` and `UNet2DModel`.
//!
//! One type for both: without text the levels attend to pixels only.

use candle_core::{Error, Result, Tensor};

use super::blocks::{Middle, Stage};
use super::config::{Config, Level};
use super::control::Residuals;
use super::embedding::TimeEmbedding;
use crate::network::device::beside;
use crate::network::peer::layers::{Conv, GroupNorm, Taps};
use crate::network::peer::scope::Scope;

/// Everything before the way up; `ControlNet` is a copy of it.
#[derive(Clone, Debug)]
pub(super) struct Encoder {
    conv_in: Conv,
    time: TimeEmbedding,
    down: Vec<Stage>,
    middle: Option<Middle>,
    centered: bool,
}

/// What the encoder makes of a sample.
pub(super) struct Encoded {
    pub time: Tensor,
    pub skips: Vec<Tensor>,
    pub middle: Tensor,
}

impl Encoder {
    pub(super) fn new(scope: &Scope<'_>, config: &Config, levels: &[Level]) -> Result<Self> {
        let first = config.block_out_channels[0];
        let time = scope.at("time_embedding");
        let mut input = first;
        let mut down = Vec::new();
        for (i, level) in levels.iter().enumerate() {
            let place = scope.at(format!("down_blocks.{i}"));
            let kind = &config.down_block_types[i];
            let last = i + 1 == levels.len();
            down.push(Stage::down(&place, config, kind, (input, level), last)?);
            input = level.channels;
        }
        let coarsest = &levels[levels.len() - 1];
        let mut embedding = TimeEmbedding::new(
            &time.at("linear_1"),
            &time.at("linear_2"),
            [first, config.time_width()],
            config.flip_sin_to_cos,
            config.freq_shift,
        )?;
        if let Some(width) = config.time_cond_proj_dim {
            embedding = embedding.guided(&time.at("cond_proj"), width)?;
        }
        Ok(Self {
            conv_in: Conv::new(
                &scope.at("conv_in"),
                [config.in_channels, first],
                Taps::square(config.conv_in_kernel).same(),
            )?,
            time: embedding,
            down,
            middle: Middle::new(&scope.at("mid_block"), config, coarsest)?,
            centered: config.center_input_sample,
        })
    }

    /// `hint`, if any, is added after the first convolution.
    pub(super) fn forward(
        &self,
        sample: &Tensor,
        (time, guidance): (&Tensor, Option<&Tensor>),
        text: Option<&Tensor>,
        hint: Option<&Tensor>,
    ) -> Result<Encoded> {
        let time = self.time.forward_guided(time, sample.dim(0)?, guidance)?;
        let centered;
        let sample = if self.centered {
            centered = sample.affine(2.0, -1.0)?;
            &centered
        } else {
            sample
        };
        let mut x = self.conv_in.forward(sample)?;
        // Brought to the weights once, not by every layer.
        let text = text.map(|text| beside(text, &x)).transpose()?;
        let text = text.as_ref();
        if let Some(hint) = hint {
            x = (x + hint)?;
        }
        let mut skips = vec![x.clone()];
        for level in &self.down {
            x = level.descend(&x, Some(&time), text, &mut skips)?;
        }
        if let Some(middle) = &self.middle {
            x = middle.forward(&x, Some(&time), text)?;
        }
        Ok(Encoded {
            time,
            skips,
            middle: x,
        })
    }
}

/// A U-Net of diffusers.
#[derive(Clone, Debug)]
pub struct Unet {
    encoder: Encoder,
    up: Vec<Stage>,
    norm: GroupNorm,
    conv_out: Conv,
    guidance_width: Option<usize>,
}

impl Unet {
    /// Builds it under `scope`; the configuration must have passed [`Config::read`].
    pub fn new(scope: &Scope<'_>, config: &Config) -> Result<Self> {
        let levels = config.levels().map_err(Error::Msg)?;
        let encoder = Encoder::new(scope, config, &levels)?;
        let mut skips = skip_channels(&levels);
        let count = levels.len();
        let mut from = levels[count - 1].channels;
        let mut up = Vec::new();
        for (i, level) in levels.iter().rev().enumerate() {
            let taken = skips.len().saturating_sub(level.layers + 1);
            let mut own = skips.split_off(taken);
            own.reverse();
            let place = scope.at(format!("up_blocks.{i}"));
            let kind = &config.up_block_types[i];
            let last = i + 1 == count;
            up.push(Stage::up(&place, config, kind, level, (from, &own), last)?);
            from = level.channels;
        }
        let first = config.block_out_channels[0];
        Ok(Self {
            encoder,
            up,
            norm: GroupNorm::new(
                &scope.at("conv_norm_out"),
                first,
                config.norm_num_groups,
                config.norm_eps,
            )?,
            conv_out: Conv::new(
                &scope.at("conv_out"),
                [first, config.out_channels],
                Taps::square(config.conv_out_kernel).same(),
            )?,
            guidance_width: config.time_cond_proj_dim,
        })
    }

    /// Numbers in the embedding of the guidance, for networks that were taught it: these need no second, unguided answer.
    pub fn guidance_width(&self) -> Option<usize> {
        self.guidance_width
    }

    /// `sample [B,I,H,W]`, `time` (one number or one an image), `text [B,M,D]` to `[B,O,H,W]`.
    ///
    /// `control` is added to the skips and to the middle. The result is where the sample is, and of its type.
    pub fn forward(
        &self,
        sample: &Tensor,
        time: &Tensor,
        text: Option<&Tensor>,
        control: Option<&Residuals>,
    ) -> Result<Tensor> {
        self.forward_guided(sample, time, (text, None), control)
    }

    /// [`Self::forward`] with the embedding of the guidance beside the text, see [`super::guidance_embedding`].
    pub fn forward_guided(
        &self,
        sample: &Tensor,
        time: &Tensor,
        (text, guidance): (Option<&Tensor>, Option<&Tensor>),
        control: Option<&Residuals>,
    ) -> Result<Tensor> {
        let Encoded {
            time,
            mut skips,
            middle: mut x,
        } = self.encoder.forward(sample, (time, guidance), text, None)?;
        let text = text.map(|text| beside(text, &x)).transpose()?;
        let text = text.as_ref();
        if let Some(control) = control {
            control.add_to(&mut skips, &mut x)?;
        }
        for level in &self.up {
            x = level.ascend(x, Some(&time), text, &mut skips)?;
        }
        beside(
            &self.conv_out.forward(&self.norm.forward_silu(&x)?)?,
            sample,
        )
    }
}

/// Channels of all skips in the order of the way down.
pub(super) fn skip_channels(levels: &[Level]) -> Vec<usize> {
    let mut channels = vec![levels[0].channels];
    for (i, level) in levels.iter().enumerate() {
        let halved = usize::from(i + 1 < levels.len());
        channels.extend(std::iter::repeat_n(level.channels, level.layers + halved));
    }
    channels
}
