//! Layers under the names that PyTorch gives their weights.
//!
//! Separate from the project's own layers because stride, padding, groups and epsilons are the peer's here; both compute
//! through [`crate::network::ops`].

mod activation;
mod chain;
mod convolution;
mod norm;
mod tokens;
mod windows;

pub use crate::network::layers::Linear;
pub use activation::Activation;
pub use chain::{Chain, Concat, Gate, Layer, Residual, Step, window};
pub use convolution::{Conv, ConvNorm, Taps, pad_zeros};
pub use norm::{BatchNorm, GroupNorm, LayerNorm};
pub use tokens::{attend, from_tokens, linear, split_heads, to_tokens};
pub use windows::{AWAY, Windows, relative_bias};
