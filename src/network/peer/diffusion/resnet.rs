//! Residual blocks with time, and the layers that halve and double a picture.
//!
//! Separate from the project's own residual block, whose second convolution and norm differ.

use candle_core::{Result, Tensor};

use crate::network::ops::{self, Window};
use crate::network::peer::layers::{Conv, GroupNorm, Linear, Taps, linear, pad_zeros};
use crate::network::peer::scope::Scope;

/// What a block does to the size of its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Same,
    Half,
    Double,
}

/// What all blocks of a network share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Width of the time embedding; none without time.
    pub time: Option<usize>,
    pub groups: usize,
    pub epsilon: f64,
    /// Time scales and shifts the second norm instead of being added before it.
    pub scale_shift: bool,
    /// What the sum is divided by.
    pub divisor: f64,
}

/// Norm, SiLU, conv, time, norm, SiLU, conv, plus the input.
#[derive(Clone, Debug)]
pub(super) struct Resnet {
    norm1: GroupNorm,
    conv1: Conv,
    time: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv,
    shortcut: Option<Conv>,
    scale_shift: bool,
    divisor: f64,
    size: Size,
}

const THREE: Taps = Taps::square(3).pad(1);

impl Resnet {
    pub(super) fn new(
        scope: &Scope<'_>,
        [input, output]: [usize; 2],
        style: Style,
        size: Size,
    ) -> Result<Self> {
        let Style {
            groups, epsilon, ..
        } = style;
        let wide = if style.scale_shift {
            2 * output
        } else {
            output
        };
        Ok(Self {
            norm1: GroupNorm::new(&scope.at("norm1"), input, groups, epsilon)?,
            conv1: Conv::new(&scope.at("conv1"), [input, output], THREE)?,
            time: style
                .time
                .map(|width| linear(&scope.at("time_emb_proj"), [width, wide], true))
                .transpose()?,
            norm2: GroupNorm::new(&scope.at("norm2"), output, groups, epsilon)?,
            conv2: Conv::new(&scope.at("conv2"), [output, output], THREE)?,
            shortcut: (input != output)
                .then(|| Conv::new(&scope.at("conv_shortcut"), [input, output], Taps::square(1)))
                .transpose()?,
            scale_shift: style.scale_shift,
            divisor: style.divisor,
            size,
        })
    }

    /// `time [B,T]` is the embedding before its activation.
    pub(super) fn forward(&self, x: &Tensor, time: Option<&Tensor>) -> Result<Tensor> {
        let mut h = self.norm1.forward_silu(x)?;
        let mut x = x.clone();
        if self.size != Size::Same {
            (x, h) = (resample(&x, self.size)?, resample(&h, self.size)?);
        }
        h = self.conv1.forward(&h)?;
        let time = match (&self.time, time) {
            (Some(layer), Some(time)) => {
                let time = layer.forward(&ops::silu(time)?)?;
                Some(time.unsqueeze(2)?.unsqueeze(3)?)
            }
            _ => None,
        };
        h = match time {
            Some(time) if self.scale_shift => {
                let parts = time.chunk(2, 1)?;
                let h = self.norm2.forward(&h)?;
                let h = h.broadcast_mul(&(&parts[0] + 1.0)?)?;
                ops::silu(&h.broadcast_add(&parts[1])?)?
            }
            Some(time) => self.norm2.forward_silu(&h.broadcast_add(&time)?)?,
            None => self.norm2.forward_silu(&h)?,
        };
        h = self.conv2.forward(&h)?;
        let sum = match &self.shortcut {
            Some(shortcut) => ops::add(&shortcut.forward(&x)?, &h)?,
            None => ops::add(&x, &h)?,
        };
        if self.divisor == 1.0 {
            Ok(sum)
        } else {
            sum / self.divisor
        }
    }
}

/// Means of 2×2 pixels, or each pixel four times.
fn resample(x: &Tensor, size: Size) -> Result<Tensor> {
    match size {
        Size::Same => Ok(x.clone()),
        Size::Half => ops::average_pool(x, Window::square(2), true),
        Size::Double => ops::upsample_nearest_2x(x),
    }
}

/// A convolution with stride 2.
#[derive(Clone, Debug)]
pub(super) struct Downsample {
    conv: Conv,
    padding: usize,
}

impl Downsample {
    /// `padding` 0 means one line of zeros below and one to the right.
    pub(super) fn new(scope: &Scope<'_>, channels: usize, padding: usize) -> Result<Self> {
        let taps = Taps::square(3).stride(2).pad(padding);
        Ok(Self {
            conv: Conv::new(&scope.at("conv"), [channels, channels], taps)?,
            padding,
        })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if self.padding == 0 {
            self.conv.forward(&pad_zeros(x, [0, 1, 0, 1])?)
        } else {
            self.conv.forward(x)
        }
    }
}

/// Nearest-neighbor enlargement and a convolution.
#[derive(Clone, Debug)]
pub(super) struct Upsample {
    conv: Conv,
}

impl Upsample {
    pub(super) fn new(scope: &Scope<'_>, channels: usize) -> Result<Self> {
        Ok(Self {
            conv: Conv::new(&scope.at("conv"), [channels, channels], THREE)?,
        })
    }

    /// To `size` (height, width), or to twice the size.
    pub(super) fn forward(&self, x: &Tensor, size: Option<(usize, usize)>) -> Result<Tensor> {
        let x = match size {
            Some((height, width)) => ops::resize_nearest(x, height, width)?,
            None => ops::upsample_nearest_2x(x)?,
        };
        self.conv.forward(&x)
    }
}
