//! `ControlNetModel`: a copy of the encoder that sees a hint and steers the U-Net through its skips.
//!
//! Zhang et al. 2023. Separate from the project's own branch, which is a copy of another encoder.

use candle_core::{Error, Result, Tensor, bail};

use super::config::Config;
use super::unet::{Encoded, Encoder, skip_channels};
use crate::network::device::beside;
use crate::network::ops;
use crate::network::peer::layers::{Conv, Taps};
use crate::network::peer::scope::Scope;

/// What a `ControlNet` adds to a U-Net.
#[derive(Clone, Debug)]
pub struct Residuals {
    /// One for each skip, the finest first.
    pub skips: Vec<Tensor>,
    /// For the middle.
    pub middle: Tensor,
}

impl Residuals {
    /// Adds them in place; an error where the numbers differ, so that none is dropped silently.
    pub fn add_to(&self, skips: &mut [Tensor], middle: &mut Tensor) -> Result<()> {
        if skips.len() != self.skips.len() {
            bail!(
                "a control of {} skips for a network of {}",
                self.skips.len(),
                skips.len()
            )
        }
        for (skip, residual) in skips.iter_mut().zip(&self.skips) {
            *skip = with_residual(skip, residual)?;
        }
        *middle = with_residual(middle, &self.middle)?;
        Ok(())
    }

    /// Both together, as several `ControlNets` are.
    pub fn plus(&self, other: &Self) -> Result<Self> {
        let mut sum = self.clone();
        other.add_to(&mut sum.skips, &mut sum.middle)?;
        Ok(sum)
    }
}

/// A residual that was pooled is one number for all places.
fn with_residual(x: &Tensor, residual: &Tensor) -> Result<Tensor> {
    let residual = beside(residual, x)?;
    if residual.shape() == x.shape() {
        ops::add(x, &residual)
    } else {
        x.broadcast_add(&residual)
    }
}

/// `ControlNetModel` of diffusers.
#[derive(Clone, Debug)]
pub struct ControlNet {
    encoder: Encoder,
    hint: Vec<Conv>,
    skips: Vec<Conv>,
    middle: Conv,
    reversed: bool,
    pooled: bool,
}

impl ControlNet {
    /// Builds it under `scope`; fresh, it adds nothing.
    pub fn new(scope: &Scope<'_>, config: &Config) -> Result<Self> {
        let levels = config.levels().map_err(Error::Msg)?;
        let one = Taps::square(1);
        let skips = skip_channels(&levels)
            .into_iter()
            .enumerate()
            .map(|(i, channels)| {
                let place = scope.at(format!("controlnet_down_blocks.{i}"));
                Conv::zero(&place, [channels, channels], one)
            })
            .collect::<Result<_>>()?;
        let coarsest = levels[levels.len() - 1].channels;
        Ok(Self {
            encoder: Encoder::new(scope, config, &levels)?,
            hint: hint_encoder(&scope.at("controlnet_cond_embedding"), config)?,
            skips,
            middle: Conv::zero(&scope.at("controlnet_mid_block"), [coarsest, coarsest], one)?,
            reversed: config.controlnet_conditioning_channel_order == "bgr",
            pooled: config.global_pool_conditions,
        })
    }

    /// `hint [B,3,8H,8W]` in 0..1, white on black for scribbles; `scale` multiplies everything.
    ///
    /// The other arguments are those of [`super::Unet::forward`].
    pub fn forward(
        &self,
        sample: &Tensor,
        time: &Tensor,
        text: &Tensor,
        hint: &Tensor,
        scale: f64,
    ) -> Result<Residuals> {
        let hint = if self.reversed {
            reverse_channels(hint)?
        } else {
            hint.clone()
        };
        let hint = self.encode_hint(&hint)?;
        let Encoded { skips, middle, .. } =
            self.encoder
                .forward(sample, (time, None), Some(text), Some(&hint))?;
        let finish = |conv: &Conv, x: &Tensor| {
            let y = (conv.forward(x)? * scale)?;
            if self.pooled {
                y.mean_keepdim(3)?.mean_keepdim(2)
            } else {
                Ok(y)
            }
        };
        Ok(Residuals {
            skips: self
                .skips
                .iter()
                .zip(&skips)
                .map(|(conv, skip)| finish(conv, skip))
                .collect::<Result<_>>()?,
            middle: finish(&self.middle, &middle)?,
        })
    }

    /// SiLU after every convolution but the last.
    fn encode_hint(&self, hint: &Tensor) -> Result<Tensor> {
        let mut x = hint.clone();
        for (i, conv) in self.hint.iter().enumerate() {
            x = conv.forward(&x)?;
            if i + 1 < self.hint.len() {
                x = ops::silu(&x)?;
            }
        }
        Ok(x)
    }
}

/// `conv_in`, pairs of convolutions of which the second halves, `conv_out`.
fn hint_encoder(scope: &Scope<'_>, config: &Config) -> Result<Vec<Conv>> {
    let widths = &config.conditioning_embedding_out_channels;
    let (Some(&first), Some(&last)) = (widths.first(), widths.last()) else {
        bail!("conditioning_embedding_out_channels is empty")
    };
    let three = Taps::square(3).pad(1);
    let input = config.conditioning_channels;
    let mut layers = vec![Conv::new(&scope.at("conv_in"), [input, first], three)?];
    for (i, pair) in widths.windows(2).enumerate() {
        let place = |k: usize| scope.at(format!("blocks.{k}"));
        layers.push(Conv::new(&place(2 * i), [pair[0], pair[0]], three)?);
        layers.push(Conv::new(
            &place(2 * i + 1),
            [pair[0], pair[1]],
            three.stride(2),
        )?);
    }
    let output = config.block_out_channels[0];
    layers.push(Conv::zero(&scope.at("conv_out"), [last, output], three)?);
    Ok(layers)
}

fn reverse_channels(x: &Tensor) -> Result<Tensor> {
    let channels = x.dim(1)? as u32;
    let order: Vec<u32> = (0..channels).rev().collect();
    x.contiguous()?
        .index_select(&Tensor::from_vec(order, channels as usize, x.device())?, 1)
}
