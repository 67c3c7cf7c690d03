//! Fast network operations on the CPU, each differentiable.
//!
//! Everything a network of the project computes goes through here, so that a faster kernel or a closed trap of the
//! tensor library is one change. Tensors are f32, NCHW, contiguous unless said otherwise.

use candle_core::{Result, Tensor};

mod activation;
mod attention;
mod convolution;
mod linear;
mod moments;
mod normalize;
mod pool;
mod product;
mod resize;
mod tensor;
mod update;
mod vector;

pub use activation::{add, gated_gelu, gelu, gelu_tanh, quick_gelu, sigmoid, silu, softmax};
pub use attention::{attention, attention_biased, attention_of_tokens};
pub use convolution::{Convolution, convolution, convolution_transposed};
pub use linear::linear;
pub use moments::moments;
pub use normalize::{group_norm, group_norm_silu, instance_norm, layer_norm};
pub use pool::{Window, average_pool, max_pool};
pub use resize::{resize_bilinear, resize_nearest, upsample_nearest_2x};
pub use tensor::with_library_kernels;
pub use update::{AdamW, adamw_step, average_step, clip_scale, gradient_norm};

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
