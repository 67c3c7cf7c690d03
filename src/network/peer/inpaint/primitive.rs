//! Layers that scale their weights while they compute, and the filter that every change of size goes through.
//!
//! Karras et al. 2018, "Progressive growing of GANs", section 4.1 (equalized learning rate); the filter is `[1, 3, 3, 1]`
//! along both axes.

use candle_core::{DType, Result, Tensor};
use candle_nn::Init;

use crate::network::ops::{self, Convolution};
use crate::network::peer::layers::Activation;
use crate::network::peer::scope::Scope;

/// Leaky `ReLU` with the gain that keeps the variance.
pub(super) const LEAKY: Activation = Activation::LeakyRelu(0.2);

/// Unit normal: the layers scale.
pub(super) const UNIT: Init = Init::Randn {
    mean: 0.0,
    stdev: 1.0,
};

/// What a layer does with its sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Linear,
    Leaky,
}

impl Ending {
    /// The activation, and `√2` behind the leaky one; `gain` multiplies both.
    pub(super) fn apply(self, x: &Tensor, gain: f64) -> Result<Tensor> {
        match self {
            Self::Linear if gain == 1.0 => Ok(x.clone()),
            Self::Linear => x * gain,
            Self::Leaky => LEAKY.apply(x)? * (gain * std::f64::consts::SQRT_2),
        }
    }
}

/// Whether a layer changes the size of its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Same,
    Half,
    Double,
}

/// A fully connected layer.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    weight: Tensor,
    bias: Tensor,
    weight_gain: f64,
    bias_gain: f64,
    ending: Ending,
}

impl Dense {
    pub(super) fn new(
        scope: &Scope<'_>,
        [input, output]: [usize; 2],
        ending: Ending,
    ) -> Result<Self> {
        Self::with(scope, [input, output], ending, 1.0, 0.0)
    }

    /// `rate` scales what is learned, `start` is where the bias starts.
    pub(super) fn with(
        scope: &Scope<'_>,
        [input, output]: [usize; 2],
        ending: Ending,
        rate: f64,
        start: f64,
    ) -> Result<Self> {
        let init = Init::Randn {
            mean: 0.0,
            stdev: 1.0 / rate,
        };
        Ok(Self {
            weight: scope.tensor("weight", (output, input), init)?,
            bias: scope.constant("bias", output, start)?,
            weight_gain: rate / (input as f64).sqrt(),
            bias_gain: rate,
            ending,
        })
    }

    /// `x […,I]` to `[…,O]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let weight = (&self.weight * self.weight_gain)?;
        let bias = (&self.bias * self.bias_gain)?;
        self.ending
            .apply(&ops::linear(x, &weight, Some(&bias))?, 1.0)
    }
}

/// A convolution.
#[derive(Clone, Debug)]
pub(super) struct Scaled {
    weight: Tensor,
    bias: Option<Tensor>,
    gain: f64,
    size: Size,
    ending: Ending,
}

impl Scaled {
    pub(super) fn new(
        scope: &Scope<'_>,
        [input, output]: [usize; 2],
        kernel: usize,
        size: Size,
        ending: Ending,
    ) -> Result<Self> {
        let mut layer = Self::unbiased(scope, [input, output], kernel, size)?;
        layer.bias = Some(scope.constant("bias", output, 0.0)?);
        layer.ending = ending;
        Ok(layer)
    }

    /// Linear and without bias.
    pub(super) fn unbiased(
        scope: &Scope<'_>,
        [input, output]: [usize; 2],
        kernel: usize,
        size: Size,
    ) -> Result<Self> {
        scope.ignore("resample_filter")?;
        Ok(Self {
            weight: scope.tensor("weight", (output, input, kernel, kernel), UNIT)?,
            bias: None,
            gain: 1.0 / ((input * kernel * kernel) as f64).sqrt(),
            size,
            ending: Ending::Linear,
        })
    }

    /// `x [B,I,H,W]`, with `gain` behind the activation.
    pub(super) fn forward_by(&self, x: &Tensor, gain: f64) -> Result<Tensor> {
        let y = resized(x, &(&self.weight * self.gain)?, self.size)?;
        let y = match &self.bias {
            Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1, 1))?)?,
            None => y,
        };
        self.ending.apply(&y, gain)
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_by(x, 1.0)
    }
}

/// A convolution that may halve or double the picture, with the filter where it does.
pub(super) fn resized(x: &Tensor, weight: &Tensor, size: Size) -> Result<Tensor> {
    let kernel = weight.dim(2)?;
    match size {
        Size::Same => ops::conv2d(x, weight, None, 1, kernel / 2),
        Size::Half if kernel == 1 => {
            let filtered = filter(x, 2, 1, 1.0)?;
            ops::conv2d(&filtered, weight, None, 1, 0)
        }
        Size::Half => {
            let filtered = filter(x, 1, 1 + kernel / 2, 1.0)?;
            ops::conv2d(&filtered, weight, None, 2, 0)
        }
        Size::Double => {
            let turned = weight.transpose(0, 1)?.contiguous()?.flip(&[2, 3])?;
            let how = Convolution {
                stride: 2,
                ..Convolution::default()
            };
            let wide = ops::convolution_transposed(x, &turned, None, how, 0)?;
            filter(&wide, 1, 1, 4.0)
        }
    }
}

/// The filter as a kernel for each channel, `[C,1,4,4]`.
fn taps(channels: usize, gain: f64, like: &Tensor) -> Result<Tensor> {
    let row = [1.0, 3.0, 3.0, 1.0];
    let values: Vec<f32> = row
        .iter()
        .flat_map(|a| row.map(|b| (a * b * gain / 64.0) as f32))
        .collect();
    Tensor::from_vec(values, (1, 1, 4, 4), like.device())?
        .broadcast_as((channels, 1, 4, 4))?
        .contiguous()
}

fn filter(x: &Tensor, stride: usize, padding: usize, gain: f64) -> Result<Tensor> {
    let channels = x.dim(1)?;
    let how = Convolution {
        stride,
        padding,
        groups: channels,
        ..Convolution::default()
    };
    ops::convolution(x, &taps(channels, gain, x)?, None, how)
}

/// A picture at twice its size: zeros between its pixels, then the filter.
pub(super) fn double(x: &Tensor) -> Result<Tensor> {
    let channels = x.dim(1)?;
    let how = Convolution {
        stride: 2,
        padding: 1,
        groups: channels,
        ..Convolution::default()
    };
    ops::convolution_transposed(x, &taps(channels, 4.0, x)?, None, how, 0)
}

/// A Bernoulli map as numbers: what is 1 keeps the features, what is 0 takes the style's.
pub(super) fn mixed(x: &Tensor, other: &Tensor, keep: &Tensor) -> Result<Tensor> {
    let keep = keep.to_dtype(DType::F32)?;
    let rest = keep.affine(-1.0, 1.0)?;
    (x * keep)? + rest.broadcast_mul(other)?
}
