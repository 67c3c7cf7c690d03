//! Losses on images, built of plain differentiable operations.
//!
//! Separate because several lessons share them and tests check them against closed forms.

use candle_core::{D, Result, Tensor};

/// Mean squared difference, a scalar.
pub fn mean_square(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    (a - b)?.sqr()?.mean_all()
}

/// Mean absolute difference of first differences in x and in y: sharpness without ringing.
pub fn gradient_difference(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let d = (a - b)?;
    let along = |dim: usize| -> Result<Tensor> {
        let n = d.dim(dim)?;
        (d.narrow(dim, 1, n - 1)? - d.narrow(dim, 0, n - 1)?)?
            .abs()?
            .mean_all()
    };
    along(2)? + along(3)?
}

/// Mean over 2×2 pixels: `[B,C,H,W]` to half the size.
pub fn halved(x: &Tensor) -> Result<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    x.reshape((b, c, h / 2, 2, w / 2, 2))?.mean(5)?.mean(3)
}

/// Binary cross entropy of `logits` against `targets` in 0–1, weighted cell by cell and divided by the weights' sum.
pub fn binary(logits: &Tensor, targets: &Tensor, weights: &Tensor) -> Result<Tensor> {
    // max(x, 0) − x·y + ln(1 + e^−|x|), which never overflows.
    let soft = ((logits.abs()?.neg()?.exp()? + 1.0)?).log()?;
    let each = ((logits.relu()? - (logits * targets)?)? + soft)?;
    let sum = (each * weights)?.sum_all()?;
    let total = weights.sum_all()?.to_scalar::<f32>()?.max(1.0);
    sum / f64::from(total)
}

/// Cross entropy of a softmax over the last dimension with a distribution, mean over the weighted rows.
///
/// `logits` and `target` `[B,K,N]`, `weights [B,K]`.
pub fn cross_entropy(logits: &Tensor, target: &Tensor, weights: &Tensor) -> Result<Tensor> {
    let most = logits.max_keepdim(D::Minus1)?.detach();
    let shifted = logits.broadcast_sub(&most)?;
    let normal = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    let logs = shifted.broadcast_sub(&normal)?;
    let rows = (logs * target)?.sum(D::Minus1)?.neg()?;
    let total = weights.sum_all()?.to_scalar::<f32>()?.max(1.0);
    (rows * weights)?.sum_all()? / f64::from(total)
}
