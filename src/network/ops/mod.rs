//! Fast network operations on the CPU, each differentiable.
//!
//! Everything a network of the project computes goes through here, so that a faster kernel or a closed trap of the
//! tensor library is one change. Tensors are f32, NCHW, contiguous unless said otherwise.

use candle_core::{D, Result, Tensor};

mod convolution;
mod product;
mod tensor;

pub use convolution::{Convolution, convolution, convolution_transposed};

/// 2-D convolution with fused bias: `x [B,C,H,W]`, `weight [O,C,k,k]`, `bias [O]`.
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: usize,
    padding: usize,
) -> Result<Tensor> {
    let how = Convolution {
        stride,
        padding,
        ..Convolution::default()
    };
    convolution(x, weight, bias, how)
}

/// `x weightᵀ + bias` over the last dimension: `x […,I]`, `weight [O,I]`, `bias [O]`.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let y = x.broadcast_matmul(&weight.t()?)?;
    match bias {
        Some(bias) => y.broadcast_add(bias),
        None => Ok(y),
    }
}

/// Group normalisation: `x [B,C,H,W]`, `gamma [C]`, `beta [C]`; statistics over each group of channels and space.
pub fn group_norm(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    groups: usize,
    epsilon: f64,
) -> Result<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    let y = x.reshape((b, groups, c / groups * h * w))?;
    let mean = y.mean_keepdim(D::Minus1)?;
    let centered = y.broadcast_sub(&mean)?;
    let variance = centered.sqr()?.mean_keepdim(D::Minus1)?;
    let normal = centered
        .broadcast_div(&(variance + epsilon)?.sqrt()?)?
        .reshape((b, c, h, w))?;
    normal
        .broadcast_mul(&gamma.reshape((1, c, 1, 1))?)?
        .broadcast_add(&beta.reshape((1, c, 1, 1))?)
}

/// [`group_norm`] followed by SiLU in one pass.
pub fn group_norm_silu(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    groups: usize,
    epsilon: f64,
) -> Result<Tensor> {
    group_norm(x, gamma, beta, groups, epsilon)?.silu()
}

/// Scaled dot-product attention: `q, k, v [B,H,N,D]` to `[B,H,N,D]`, scale `1/√D`.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    let scale = 1.0 / (q.dim(D::Minus1)? as f64).sqrt();
    let scores = (q.matmul(&k.t()?)? * scale)?;
    softmax(&scores)?.matmul(v)
}

/// Softmax over the last dimension.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    let shifted = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?;
    let exponential = shifted.exp()?;
    exponential.broadcast_div(&exponential.sum_keepdim(D::Minus1)?)
}

/// Nearest-neighbour enlargement by two: `[B,C,H,W]` to `[B,C,2H,2W]`.
pub fn upsample_nearest_2x(x: &Tensor) -> Result<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    x.reshape((b, c, h, 1, w, 1))?
        .broadcast_as((b, c, h, 2, w, 2))?
        .reshape((b, c, 2 * h, 2 * w))
}

/// `[B,C,H·f,W·f]` to `[B,C·f²,H,W]`; channel `c·f² + dy·f + dx` holds the pixel `(dx, dy)` of each block.
pub fn pixel_unshuffle(x: &Tensor, factor: usize) -> Result<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    let (rows, columns) = (h / factor, w / factor);
    x.reshape((b, c, rows, factor, columns, factor))?
        .permute((0, 1, 3, 5, 2, 4))?
        .reshape((b, c * factor * factor, rows, columns))
}

/// The inverse of [`pixel_unshuffle`].
pub fn pixel_shuffle(x: &Tensor, factor: usize) -> Result<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    let channels = c / (factor * factor);
    x.reshape((b, channels, factor, factor, h, w))?
        .permute((0, 1, 4, 2, 5, 3))?
        .reshape((b, channels, h * factor, w * factor))
}
