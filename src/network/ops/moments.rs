//! Mean and variance of runs of numbers.
//!
//! Separate from the normalizations: those that follow their batches want the numbers themselves.

use candle_core::{DType, Result, Tensor};
use rayon::prelude::*;

use super::tensor::{on_processor, read};
use super::vector::{centered_sums, sum, sum_of_squares};

/// Means `[C]` and variances `[C]` of the rows of `x [C,N]`, without Bessel's correction and without a gradient.
pub fn moments(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let (rows, count) = x.dims2()?;
    if !on_processor(x) {
        let x = x.detach().to_dtype(DType::F32)?;
        let mean = x.mean_keepdim(1)?;
        let variance = x.broadcast_sub(&mean)?.sqr()?.mean(1)?;
        return Ok((mean.flatten_all()?, variance));
    }
    let both: Vec<(f32, f32)> = read([&x.detach()], |[x]| {
        let rows = x.par_chunks(count.max(1));
        Ok(rows
            .map(mean_and_variance)
            .map(|(m, v)| (m, v as f32))
            .collect())
    })?;
    let (means, variances): (Vec<f32>, Vec<f32>) = both.into_iter().unzip();
    let tensor = |values| Tensor::from_vec(values, rows, x.device());
    Ok((tensor(means)?, tensor(variances)?))
}

/// Both of the same values, without Bessel's correction.
pub(super) fn mean_and_variance(values: &[f32]) -> (f32, f64) {
    let count = values.len().max(1) as f64;
    // One pass about a guess of the mean: as exact as two unless the guess is many deviations off.
    let guess = &values[..values.len().min(1024)];
    let shift = (sum(guess) / guess.len().max(1) as f64) as f32;
    let (total, squares) = centered_sums(values, shift);
    let off = total / count;
    let (mean, variance) = (f64::from(shift) + off, squares / count - off * off);
    let variance = if off * off > 16.0 * variance {
        sum_of_squares(values, mean as f32) / count
    } else {
        variance
    };
    (mean as f32, variance)
}
