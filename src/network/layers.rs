//! Layers with weights: convolution, linear, group norm, residual block, attention.
//!
//! Separate from the networks because all of them are built of these, and because every layer computes through
//! [`crate::network::ops`] only: a faster kernel reaches every network at once.

use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::device::beside;
use super::ops;

/// Groups of every group norm; widths are multiples of it.
pub const GROUPS: usize = 8;
const EPSILON: f64 = 1e-5;

/// How a layer starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Uniform within `±1/√fan-in`, weight and bias.
    Random,
    /// All zero: the layer first contributes nothing.
    Zero,
}

impl Start {
    fn init(self, fan_in: usize) -> Init {
        match self {
            Self::Random => {
                let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
                Init::Uniform {
                    lo: -bound,
                    up: bound,
                }
            }
            Self::Zero => Init::Const(0.0),
        }
    }
}

/// A square convolution with bias; padding keeps the size at stride 1.
#[derive(Clone, Debug)]
pub struct Convolution {
    weight: Tensor,
    bias: Tensor,
    stride: usize,
}

impl Convolution {
    /// `input` to `output` channels with a `kernel × kernel` window.
    pub fn new(
        vb: &VarBuilder<'_>,
        [input, output]: [usize; 2],
        kernel: usize,
        stride: usize,
        start: Start,
    ) -> Result<Self> {
        let init = start.init(input * kernel * kernel);
        Ok(Self {
            weight: vb.get_with_hints((output, input, kernel, kernel), "weight", init)?,
            bias: vb.get_with_hints(output, "bias", init)?,
            stride,
        })
    }

    /// 3×3, stride 1.
    pub fn three(vb: &VarBuilder<'_>, channels: [usize; 2]) -> Result<Self> {
        Self::new(vb, channels, 3, 1, Start::Random)
    }

    /// 3×3, stride 2: half the size.
    pub fn halving(vb: &VarBuilder<'_>, channels: [usize; 2]) -> Result<Self> {
        Self::new(vb, channels, 3, 2, Start::Random)
    }

    /// 1×1.
    pub fn one(vb: &VarBuilder<'_>, channels: [usize; 2], start: Start) -> Result<Self> {
        Self::new(vb, channels, 1, 1, start)
    }

    /// `x [B,I,H,W]` to `[B,O,H/stride,W/stride]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let padding = self.weight.dim(2)? / 2;
        let x = &beside(x, &self.weight)?;
        ops::conv2d(x, &self.weight, Some(&self.bias), self.stride, padding)
    }
}

/// `x Wᵀ + b` over the last dimension.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// With bias.
    pub fn new(vb: &VarBuilder<'_>, [input, output]: [usize; 2], start: Start) -> Result<Self> {
        let mut linear = Self::unbiased(vb, [input, output], start)?;
        linear.bias = Some(vb.get_with_hints(output, "bias", start.init(input))?);
        Ok(linear)
    }

    /// Without bias: an all-zero input gives zero.
    pub fn unbiased(
        vb: &VarBuilder<'_>,
        [input, output]: [usize; 2],
        start: Start,
    ) -> Result<Self> {
        Ok(Self {
            weight: vb.get_with_hints((output, input), "weight", start.init(input))?,
            bias: None,
        })
    }

    /// `x [B,I]` to `[B,O]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ops::linear(&beside(x, &self.weight)?, &self.weight, self.bias.as_ref())
    }
}

/// Group norm with eight groups.
#[derive(Clone, Debug)]
pub struct Norm {
    gamma: Tensor,
    beta: Tensor,
}

impl Norm {
    /// Starts as the plain normalisation.
    pub fn new(vb: &VarBuilder<'_>, channels: usize) -> Result<Self> {
        Ok(Self {
            gamma: vb.get_with_hints(channels, "gamma", Init::Const(1.0))?,
            beta: vb.get_with_hints(channels, "beta", Init::Const(0.0))?,
        })
    }

    /// Normalises.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ops::group_norm(x, &self.gamma, &self.beta, GROUPS, EPSILON)
    }

    /// Normalises, then SiLU.
    pub fn forward_silu(&self, x: &Tensor) -> Result<Tensor> {
        ops::group_norm_silu(x, &self.gamma, &self.beta, GROUPS, EPSILON)
    }
}

/// Norm, SiLU, conv, norm, scale and shift by the condition, SiLU, conv, plus the input (`FiLM`, Perez et al. 2018).
///
/// The second convolution starts at zero: a fresh block hands its input on.
#[derive(Clone, Debug)]
pub struct Residual {
    norm1: Norm,
    conv1: Convolution,
    film: Option<Linear>,
    norm2: Norm,
    conv2: Convolution,
    shortcut: Option<Convolution>,
}

impl Residual {
    /// A block without condition.
    pub fn new(vb: &VarBuilder<'_>, channels: [usize; 2]) -> Result<Self> {
        Self::build(vb, channels, None)
    }

    /// A block that a condition vector of `width` numbers scales and shifts.
    pub fn conditioned(vb: &VarBuilder<'_>, channels: [usize; 2], width: usize) -> Result<Self> {
        Self::build(vb, channels, Some(width))
    }

    fn build(
        vb: &VarBuilder<'_>,
        [input, output]: [usize; 2],
        condition: Option<usize>,
    ) -> Result<Self> {
        Ok(Self {
            norm1: Norm::new(&vb.pp("norm1"), input)?,
            conv1: Convolution::three(&vb.pp("conv1"), [input, output])?,
            film: condition
                .map(|width| Linear::new(&vb.pp("film"), [width, 2 * output], Start::Random))
                .transpose()?,
            norm2: Norm::new(&vb.pp("norm2"), output)?,
            conv2: Convolution::new(&vb.pp("conv2"), [output, output], 3, 1, Start::Zero)?,
            shortcut: (input != output)
                .then(|| Convolution::one(&vb.pp("shortcut"), [input, output], Start::Random))
                .transpose()?,
        })
    }

    /// `x [B,I,H,W]`, `condition [B,W]` (ignored by blocks without one) to `[B,O,H,W]`.
    pub fn forward(&self, x: &Tensor, condition: Option<&Tensor>) -> Result<Tensor> {
        let h = self.conv1.forward(&self.norm1.forward_silu(x)?)?;
        let h = match (&self.film, condition) {
            (Some(film), Some(condition)) => {
                let film = film.forward(condition)?.unsqueeze(2)?.unsqueeze(3)?;
                let film = film.chunk(2, 1)?;
                let scale = (&film[0] + 1.0)?;
                let h = self.norm2.forward(&h)?.broadcast_mul(&scale)?;
                ops::silu(&h.broadcast_add(&film[1])?)?
            }
            _ => self.norm2.forward_silu(&h)?,
        };
        let h = self.conv2.forward(&h)?;
        match &self.shortcut {
            Some(shortcut) => shortcut.forward(x)? + h,
            None => x + h,
        }
    }
}

/// Self-attention over all positions, plus the input.
#[derive(Clone, Debug)]
pub struct Attention {
    norm: Norm,
    qkv: Convolution,
    out: Convolution,
    heads: usize,
}

impl Attention {
    /// Heads of `head_width` channels each.
    pub fn new(vb: &VarBuilder<'_>, channels: usize, head_width: usize) -> Result<Self> {
        Ok(Self {
            norm: Norm::new(&vb.pp("norm"), channels)?,
            qkv: Convolution::one(&vb.pp("qkv"), [channels, 3 * channels], Start::Random)?,
            out: Convolution::one(&vb.pp("out"), [channels, channels], Start::Zero)?,
            heads: (channels / head_width.max(1)).max(1),
        })
    }

    /// `x [B,C,H,W]` to the same shape.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (b, c, h, w) = x.dims4()?;
        let qkv = self
            .qkv
            .forward(&self.norm.forward(x)?)?
            .reshape((b, 3, self.heads, c / self.heads, h * w))?
            .transpose(3, 4)?;
        let part = |i: usize| qkv.narrow(1, i, 1)?.squeeze(1)?.contiguous();
        let y = ops::attention(&part(0)?, &part(1)?, &part(2)?)?;
        let y = y.transpose(2, 3)?.reshape((b, c, h, w))?;
        x + self.out.forward(&y)?
    }
}
