//! Pointwise functions by the names that configurations give them.
//!
//! Separate from the operations: these are small compositions, not kernels.

use candle_core::{Result, Tensor};

use crate::network::ops;

/// A pointwise function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `x`.
    Identity,
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `x` where positive, else `slope · x`.
    LeakyRelu(f64),
    /// `x σ(x)`.
    Silu,
    /// `x Φ(x)`.
    Gelu,
    /// The hyperbolic approximation of [`Self::Gelu`].
    GeluTanh,
    /// `x σ(1.702 x)`.
    QuickGelu,
    /// `x · relu6(x + 3) / 6`.
    HardSwish,
    /// `relu6(x + 3) / 6`.
    HardSigmoid,
    /// `σ(x)`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// By the name that configurations of diffusers and transformers use.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "relu" => Self::Relu,
            "relu6" => Self::Relu6,
            "silu" | "swish" => Self::Silu,
            "gelu" => Self::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" | "gelu-approximate" => Self::GeluTanh,
            "quick_gelu" => Self::QuickGelu,
            _ => return None,
        })
    }

    /// The function of every element.
    pub fn apply(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Identity => Ok(x.clone()),
            Self::Relu => x.relu(),
            Self::Relu6 => x.clamp(0.0, 6.0),
            Self::LeakyRelu(slope) => x.maximum(&(x * slope)?),
            Self::Silu => ops::silu(x),
            Self::Gelu => ops::gelu(x),
            Self::GeluTanh => ops::gelu_tanh(x),
            Self::QuickGelu => ops::quick_gelu(x),
            Self::HardSwish => x * Self::HardSigmoid.apply(x)?,
            Self::HardSigmoid => (x + 3.0)?.clamp(0.0, 6.0)? / 6.0,
            Self::Sigmoid => ops::sigmoid(x),
            Self::Tanh => x.tanh(),
        }
    }
}
