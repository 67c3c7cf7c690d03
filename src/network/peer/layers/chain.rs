//! Layers one after the other, beside each other, and around each other.
//!
//! Separate from the layers: classifiers are tables of channels and windows, and these words are what the tables say.

use std::fmt::Debug;

use candle_core::{Result, Tensor};

use super::activation::Activation;
use super::convolution::{Conv, ConvNorm};
use super::norm::{BatchNorm, LayerNorm};
use crate::network::layers::Linear;
use crate::network::ops::{self, Window};

/// Anything that makes one tensor of one.
pub trait Layer: Debug + Send + Sync {
    /// Computes.
    fn forward(&self, x: &Tensor) -> Result<Tensor>;
}

macro_rules! layers {
    ($($kind:ty),*) => {
        $(impl Layer for $kind {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                Self::forward(self, x)
            }
        })*
    };
}

layers!(Conv, ConvNorm, BatchNorm, Linear, LayerNorm);

impl Layer for Activation {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.apply(x)
    }
}

/// Layers one after the other; none is the identity.
#[derive(Debug, Default)]
pub struct Chain {
    layers: Vec<Box<dyn Layer>>,
}

impl Chain {
    /// No layers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more.
    #[must_use]
    pub fn then(mut self, layer: impl Layer + 'static) -> Self {
        self.layers.push(Box::new(layer));
        self
    }

    /// One more, in place.
    pub fn push(&mut self, layer: impl Layer + 'static) {
        self.layers.push(Box::new(layer));
    }

    /// One more whose kind is known only when it is made.
    pub fn push_boxed(&mut self, layer: Box<dyn Layer>) {
        self.layers.push(layer);
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }
}

impl Layer for Chain {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.layers
            .iter()
            .try_fold(x.clone(), |x, layer| layer.forward(&x))
    }
}

/// Layers without weights.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// The largest value of windows.
    MaxPool(Window),
    /// The mean of windows, zeros of the padding counted if so said.
    AveragePool(Window, bool),
    /// Means of `n × n` parts of the picture, whatever its size.
    AdaptivePool(usize),
    /// `[B,C,H,W]` to the means `[B,C]`.
    GlobalMean,
    /// `[B,…]` to `[B,N]`.
    Flatten,
    /// Means of `[B,C,H,W]` that keep the rank, `[B,C,1,1]`.
    GlobalMeanMap,
}

/// A square window.
pub const fn window(kernel: usize, stride: usize, padding: usize, ceil: bool) -> Window {
    Window {
        kernel: (kernel, kernel),
        stride,
        padding,
        ceil,
    }
}

impl Layer for Step {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match *self {
            Self::MaxPool(window) => ops::max_pool(x, window),
            Self::AveragePool(window, count) => ops::average_pool(x, window, count),
            Self::AdaptivePool(parts) => adaptive_pool(x, parts),
            Self::GlobalMean => x.flatten_from(2)?.mean(2),
            Self::GlobalMeanMap => x.mean_keepdim(3)?.mean_keepdim(2),
            Self::Flatten => x.flatten_from(1),
        }
    }
}

/// Means over the parts `⌊i·n/parts⌋ .. ⌈(i+1)·n/parts⌉` of both axes, as products with two matrices.
fn adaptive_pool(x: &Tensor, parts: usize) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    if (height, width) == (parts, parts) {
        return Ok(x.clone());
    }
    let matrix = |size: usize| {
        let mut values = vec![0.0_f32; parts * size];
        for (i, row) in values.chunks_exact_mut(size).enumerate() {
            let (from, to) = (i * size / parts, ((i + 1) * size).div_ceil(parts));
            row[from..to].fill(1.0 / (to - from) as f32);
        }
        Tensor::from_vec(values, (parts, size), x.device())
    };
    let rows = ops::linear(x, &matrix(width)?, None)?;
    let turned = rows.transpose(2, 3)?.contiguous()?;
    ops::linear(&turned, &matrix(height)?, None)?
        .transpose(2, 3)?
        .contiguous()
}

/// `activation(body(x) + shortcut(x))`; an empty shortcut is the input itself.
#[derive(Debug)]
pub struct Residual {
    /// The way with the layers.
    pub body: Chain,
    /// The short way.
    pub shortcut: Chain,
    /// Of the sum.
    pub activation: Activation,
}

impl Residual {
    /// With `ReLU` on the sum; no shortcut is the input itself.
    pub fn relu(body: Chain, shortcut: Option<ConvNorm>) -> Self {
        let mut short = Chain::new();
        if let Some(layer) = shortcut {
            short.push(layer);
        }
        Self {
            body,
            shortcut: short,
            activation: Activation::Relu,
        }
    }
}

impl Layer for Residual {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let sum = (self.body.forward(x)? + self.shortcut.forward(x)?)?;
        self.activation.apply(&sum)
    }
}

/// The results of several ways, one after the other in the channels.
#[derive(Debug)]
pub struct Concat(pub Vec<Chain>);

impl Layer for Concat {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let results: Vec<Tensor> = self
            .0
            .iter()
            .map(|way| way.forward(x))
            .collect::<Result<_>>()?;
        Tensor::cat(&results, 1)
    }
}

/// Squeeze and excitation (Hu et al. 2018): channels scaled by a function of their means.
#[derive(Debug)]
pub struct Gate {
    /// To fewer channels.
    pub squeeze: Conv,
    /// Between the two.
    pub inner: Activation,
    /// Back to all channels.
    pub excite: Conv,
    /// Of the scales.
    pub outer: Activation,
}

impl Layer for Gate {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let means = Step::GlobalMeanMap.forward(x)?;
        let inner = self.inner.apply(&self.squeeze.forward(&means)?)?;
        x.broadcast_mul(&self.outer.apply(&self.excite.forward(&inner)?)?)
    }
}
