//! Pictures as rows of tokens, and attention between them.
//!
//! Separate from the layers with weights: here are only shapes and the choice of the kernel.

use candle_core::{Result, Tensor};

use crate::network::layers::{Linear, Start};
use crate::network::ops;
use crate::network::peer::scope::Scope;

/// `x Wᵀ + b`, with bias if `biased`.
pub fn linear(scope: &Scope<'_>, sizes: [usize; 2], biased: bool) -> Result<Linear> {
    if biased {
        Linear::new(scope.builder(), sizes, Start::Random)
    } else {
        Linear::unbiased(scope.builder(), sizes, Start::Random)
    }
}

/// `x [B,C,H,W]` to tokens `[B,H·W,C]`.
pub fn to_tokens(x: &Tensor) -> Result<Tensor> {
    x.flatten_from(2)?.transpose(1, 2)?.contiguous()
}

/// The inverse of [`to_tokens`].
pub fn from_tokens(x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let (batch, _, channels) = x.dims3()?;
    x.transpose(1, 2)?
        .contiguous()?
        .reshape((batch, channels, height, width))
}

/// `x [B,N,C]` to `[B,heads,N,C/heads]`.
pub fn split_heads(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, tokens, channels) = x.dims3()?;
    x.reshape((batch, tokens, heads, channels / heads))?
        .transpose(1, 2)?
        .contiguous()
}

/// Attention of `q [B,N,C]` to `k, v [B,M,C]` in heads: `[B,N,C]`.
///
/// `bias`, if any, is added to the scaled scores: `[N,M]` for all heads and images alike, `[heads,N,M]` for all
/// images alike, or as [`ops::attention_biased`] has it.
pub fn attend(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: usize,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let Some(bias) = bias else {
        return ops::attention_of_tokens(q, k, v, heads);
    };
    let mut bias = bias.clone();
    while bias.rank() < 4 {
        bias = bias.unsqueeze(0)?;
    }
    let (q, k, v) = (
        split_heads(q, heads)?,
        split_heads(k, heads)?,
        split_heads(v, heads)?,
    );
    let y = ops::attention_biased(&q, &k, &v, &bias)?;
    y.transpose(1, 2)?.flatten_from(2)?.contiguous()
}
