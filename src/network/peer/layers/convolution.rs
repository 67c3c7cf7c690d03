//! Convolutions with any window, alone or with a batch norm and an activation behind them.
//!
//! Separate from the norms: a batch norm with stored statistics is a scale and a shift, and disappears into the
//! convolution before it.

use candle_core::{Result, Tensor};

use super::activation::Activation;
use super::norm::BatchNorm;
use crate::network::device::beside;
use crate::network::ops;
use crate::network::peer::scope::Scope;

/// The window of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taps {
    /// Rows and columns.
    pub kernel: (usize, usize),
    /// Step between outputs.
    pub stride: usize,
    /// Zeros above and below, left and right.
    pub padding: (usize, usize),
    /// Step between taps.
    pub dilation: usize,
    /// Independent groups of channels.
    pub groups: usize,
}

impl Taps {
    /// `k × k`, stride 1, no padding.
    pub const fn square(k: usize) -> Self {
        Self::new(k, k)
    }

    /// `rows × columns`, stride 1, no padding.
    pub const fn new(rows: usize, columns: usize) -> Self {
        Self {
            kernel: (rows, columns),
            stride: 1,
            padding: (0, 0),
            dilation: 1,
            groups: 1,
        }
    }

    /// With half a window of padding: the size stays at stride 1.
    #[must_use]
    pub const fn same(mut self) -> Self {
        self.padding = (
            (self.kernel.0 - 1) / 2 * self.dilation,
            (self.kernel.1 - 1) / 2 * self.dilation,
        );
        self
    }

    /// With so many zeros on every side.
    #[must_use]
    pub const fn pad(mut self, zeros: usize) -> Self {
        self.padding = (zeros, zeros);
        self
    }

    /// With this stride.
    #[must_use]
    pub const fn stride(mut self, stride: usize) -> Self {
        self.stride = stride;
        self
    }

    /// With so many groups.
    #[must_use]
    pub const fn groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// `weight` must have the shape that [`Conv::new`] gives it.
    fn apply(self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let (down, across) = self.padding;
        let even = down.min(across);
        let how = ops::Convolution {
            stride: self.stride,
            padding: even,
            dilation: self.dilation,
            groups: self.groups,
        };
        if down == across {
            return ops::convolution(x, weight, bias, how);
        }
        let (down, across) = (down - even, across - even);
        ops::convolution(
            &pad_zeros(x, [down, down, across, across])?,
            weight,
            bias,
            how,
        )
    }
}

/// Zeros around a picture: above, below, left, right.
pub fn pad_zeros(x: &Tensor, [above, below, left, right]: [usize; 4]) -> Result<Tensor> {
    let mut x = x.clone();
    if above + below > 0 {
        x = x.pad_with_zeros(2, above, below)?;
    }
    if left + right > 0 {
        x = x.pad_with_zeros(3, left, right)?;
    }
    Ok(x)
}

/// `weight [O, I/groups, rows, columns]` and perhaps `bias [O]`.
#[derive(Clone, Debug)]
pub struct Conv {
    weight: Tensor,
    bias: Option<Tensor>,
    taps: Taps,
}

impl Conv {
    /// With bias.
    pub fn new(scope: &Scope<'_>, [input, output]: [usize; 2], taps: Taps) -> Result<Self> {
        let mut conv = Self::unbiased(scope, [input, output], taps)?;
        let fan_in = input / taps.groups * taps.kernel.0 * taps.kernel.1;
        conv.bias = Some(scope.random("bias", output, fan_in)?);
        Ok(conv)
    }

    /// Without bias.
    pub fn unbiased(scope: &Scope<'_>, [input, output]: [usize; 2], taps: Taps) -> Result<Self> {
        let inner = input / taps.groups.max(1);
        let (rows, columns) = taps.kernel;
        let fan_in = inner * rows * columns;
        Ok(Self {
            weight: scope.random("weight", (output, inner, rows, columns), fan_in)?,
            bias: None,
            taps,
        })
    }

    /// All zero when fresh: the layer first contributes nothing.
    pub fn zero(scope: &Scope<'_>, [input, output]: [usize; 2], taps: Taps) -> Result<Self> {
        let (rows, columns) = taps.kernel;
        Ok(Self {
            weight: scope.constant("weight", (output, input, rows, columns), 0.0)?,
            bias: Some(scope.constant("bias", output, 0.0)?),
            taps,
        })
    }

    /// `x [B,I,H,W]` to `[B,O,h,w]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = &beside(x, &self.weight)?;
        self.taps.apply(x, &self.weight, self.bias.as_ref())
    }
}

/// Convolution, batch norm, activation.
#[derive(Clone, Debug)]
pub struct ConvNorm {
    conv: Conv,
    norm: Option<BatchNorm>,
    activation: Activation,
}

impl ConvNorm {
    /// A convolution without bias at `conv` and a norm at `norm`.
    pub fn new(
        conv: &Scope<'_>,
        norm: &Scope<'_>,
        channels: [usize; 2],
        taps: Taps,
        epsilon: f64,
        activation: Activation,
    ) -> Result<Self> {
        let built = Conv::unbiased(conv, channels, taps)?;
        let norm = BatchNorm::new(norm, channels[1], epsilon)?;
        Self::of(built, norm, activation)
    }

    /// A convolution and the norm behind it; joined where neither is trained.
    pub fn of(mut conv: Conv, norm: BatchNorm, activation: Activation) -> Result<Self> {
        let joined = !conv.weight.track_op() && !norm.is_trained();
        if joined {
            let (scale, shift) = norm.affine()?;
            let shift = match &conv.bias {
                Some(bias) => ((bias * &scale)? + shift)?,
                None => shift,
            };
            conv.weight = conv.weight.broadcast_mul(&scale.reshape(((), 1, 1, 1))?)?;
            conv.bias = Some(shift);
        }
        Ok(Self {
            conv,
            norm: (!joined).then_some(norm),
            activation,
        })
    }

    /// `x [B,I,H,W]` to `[B,O,h,w]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.conv.forward(x)?;
        let y = match &self.norm {
            Some(norm) => norm.forward(&y)?,
            None => y,
        };
        self.activation.apply(&y)
    }
}
