//! What `GoogLeNet` and Inception share: a convolution with its norm, and the second normalisation of the picture.

use candle_core::{Result, Tensor};

use crate::network::peer::layers::{Activation, ConvNorm, Layer, Taps};
use crate::network::peer::scope::Scope;

/// Convolution without bias `conv`, batch norm `bn`, `ReLU`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Basic {
    pub epsilon: f64,
}

impl Basic {
    pub(super) fn conv(
        self,
        scope: &Scope<'_>,
        channels: [usize; 2],
        taps: Taps,
    ) -> Result<ConvNorm> {
        let (conv, norm) = (scope.at("conv"), scope.at("bn"));
        ConvNorm::new(&conv, &norm, channels, taps, self.epsilon, Activation::Relu)
    }
}

/// From `ImageNet`'s mean and deviation to -1..1, which the published weights were trained with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Renormalize;

impl Layer for Renormalize {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let scale = [0.229_f32, 0.224, 0.225].map(|deviation| deviation / 0.5);
        let shift = [0.485_f32, 0.456, 0.406].map(|mean| (mean - 0.5) / 0.5);
        let row = |values: [f32; 3]| Tensor::new(&values, x.device())?.reshape((1, 3, 1, 1));
        x.broadcast_mul(&row(scale)?)?.broadcast_add(&row(shift)?)
    }
}
