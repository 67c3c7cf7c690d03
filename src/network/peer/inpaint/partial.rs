//! Convolutions that know which of their inputs are known (Liu et al. 2018, "Image inpainting for irregular holes").
//!
//! As the published network has it: the weights see the holes as they are, and the result, bias and activation
//! included, is scaled by the share that was known.

use candle_core::{Result, Tensor};

use super::primitive::{Ending, Scaled, Size};
use crate::network::ops;
use crate::network::peer::scope::Scope;

/// A convolution and the update of its mask.
#[derive(Clone, Debug)]
pub(super) struct Partial {
    conv: Scaled,
    kernel: usize,
    stride: usize,
}

impl Partial {
    /// 3×3 with leaky `ReLU`.
    pub(super) fn new(scope: &Scope<'_>, channels: [usize; 2], size: Size) -> Result<Self> {
        let kernel = 3;
        Ok(Self {
            conv: Scaled::new(&scope.at("conv"), channels, kernel, size, Ending::Leaky)?,
            kernel,
            stride: if size == Size::Half { 2 } else { 1 },
        })
    }

    /// `x [B,C,H,W]` and a mask `[B,1,H,W]` of what is known (1) to both after the layer.
    pub(super) fn forward(&self, x: &Tensor, mask: &Tensor) -> Result<(Tensor, Tensor)> {
        let taps = (self.kernel, self.kernel);
        let ones = Tensor::ones((1, 1, taps.0, taps.1), mask.dtype(), mask.device())?;
        let known = ops::conv2d(&mask.detach(), &ones, None, self.stride, self.kernel / 2)?;
        let next = known.clamp(0.0, 1.0)?;
        let all = (self.kernel * self.kernel) as f64;
        let ratio = ((known + 1e-8)?.recip()? * all)?.mul(&next)?;
        Ok((self.conv.forward(x)?.broadcast_mul(&ratio)?, next))
    }

    /// Where everything is known.
    pub(super) fn forward_known(&self, x: &Tensor) -> Result<Tensor> {
        self.conv.forward(x)
    }
}
