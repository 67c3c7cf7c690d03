//! Group, instance and layer normalization, alone or with `SiLU`, one read and one write of the picture each way.
//!
//! Separate because a normalization is bound by memory: what counts here is the number of passes.

use candle_core::{CpuStorage, CustomOp3, D, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::moments::mean_and_variance;
use super::tensor::{OneStorage, new_tensor, on_processor, read, slice, written};
use super::vector::{
    LANES, SUM_BLOCK, fold, multiply_add, silu as silu_of, silu_slope, vectorized,
};

/// Group normalization: `x [B,C,…]`, statistics over each of `groups` groups of channels and all positions.
///
/// `gamma` and `beta` are `[C]`, or `[B,C]` for scales of each image's own (feature-wise modulation).
/// Wu & He 2018, "Group normalization", eq. 1-3; variance without Bessel's correction.
pub fn group_norm(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    groups: usize,
    epsilon: f64,
) -> Result<Tensor> {
    normalize(x, gamma, beta, groups, epsilon, false)
}

/// [`group_norm`] followed by `SiLU` in one pass.
pub fn group_norm_silu(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    groups: usize,
    epsilon: f64,
) -> Result<Tensor> {
    normalize(x, gamma, beta, groups, epsilon, true)
}

/// Instance normalization: statistics over the positions of each channel; otherwise as [`group_norm`].
pub fn instance_norm(x: &Tensor, gamma: &Tensor, beta: &Tensor, epsilon: f64) -> Result<Tensor> {
    let channels = x.dim(1)?;
    normalize(x, gamma, beta, channels, epsilon, false)
}

/// Layer normalization over the last dimension: `x […,D]`, `gamma [D]`, `beta [D]`.
///
/// Ba, Kiros & Hinton 2016, "Layer normalization"; variance without Bessel's correction.
pub fn layer_norm(x: &Tensor, gamma: &Tensor, beta: &Tensor, epsilon: f64) -> Result<Tensor> {
    let width = x.dim(D::Minus1)?;
    if gamma.dims() != [width] || beta.dims() != [width] {
        bail!(
            "layer_norm: scales {:?} for a width of {width}",
            gamma.dims()
        )
    }
    if !on_processor(x) {
        let y = x.to_dtype(DType::F32)?;
        let centered = y.broadcast_sub(&y.mean_keepdim(D::Minus1)?)?;
        let variance = centered.sqr()?.mean_keepdim(D::Minus1)?;
        return centered
            .broadcast_div(&(variance + epsilon)?.sqrt()?)?
            .broadcast_mul(&gamma.to_dtype(DType::F32)?)?
            .broadcast_add(&beta.to_dtype(DType::F32)?)?
            .to_dtype(x.dtype());
    }
    x.contiguous()?.apply_op3(
        &gamma.contiguous()?,
        &beta.contiguous()?,
        Rows { width, epsilon },
    )
}

fn normalize(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    groups: usize,
    epsilon: f64,
    silu: bool,
) -> Result<Tensor> {
    let &[batch, channels, ref places @ ..] = x.dims() else {
        bail!("group_norm wants x [B,C,...], got {:?}", x.dims())
    };
    if groups == 0 || channels % groups != 0 {
        bail!("group_norm: {channels} channels in {groups} groups")
    }
    let own_scales = gamma.dims() == [batch, channels];
    if gamma.dims() != beta.dims() || !(own_scales || gamma.dims() == [channels]) {
        bail!(
            "group_norm: gamma {:?} and beta {:?} for x {:?}",
            gamma.dims(),
            beta.dims(),
            x.dims()
        )
    }
    let op = Groups {
        batch,
        channels,
        groups,
        plane: places.iter().product(),
        epsilon,
        silu,
        own_scales: own_scales && gamma.rank() == 2,
    };
    if on_processor(x) {
        return x
            .contiguous()?
            .apply_op3(&gamma.contiguous()?, &beta.contiguous()?, op);
    }
    let y = x.to_dtype(DType::F32)?;
    let y = y.reshape((batch, groups, channels / groups * op.plane))?;
    let centered = y.broadcast_sub(&y.mean_keepdim(D::Minus1)?)?;
    let variance = centered.sqr()?.mean_keepdim(D::Minus1)?;
    let rows = if op.own_scales { batch } else { 1 };
    let y = centered
        .broadcast_div(&(variance + epsilon)?.sqrt()?)?
        .reshape((batch, channels, op.plane))?
        .broadcast_mul(&gamma.to_dtype(DType::F32)?.reshape((rows, channels, 1))?)?
        .broadcast_add(&beta.to_dtype(DType::F32)?.reshape((rows, channels, 1))?)?
        .reshape(x.shape())?;
    let y = if silu { y.silu()? } else { y };
    y.to_dtype(x.dtype())
}

/// Mean and reciprocal standard deviation.
fn statistics(values: &[f32], epsilon: f64) -> (f32, f32) {
    let (mean, variance) = mean_and_variance(values);
    (mean, (1.0 / (variance + epsilon).sqrt()) as f32)
}

vectorized! {
    fn affine(x: &[f32], mean: f32, factor: f32, shift: f32, y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = multiply_add::<FUSED>(x - mean, factor, shift);
        }
    }
}

vectorized! {
    fn affine_silu(x: &[f32], mean: f32, factor: f32, shift: f32, y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = silu_of::<FUSED>(multiply_add::<FUSED>(x - mean, factor, shift));
        }
    }
}

vectorized! {
    /// Writes the gradient by the normalized and scaled values, and returns its sum and its sum times `x - mean`.
    fn slopes_silu(x: &[f32], dy: &[f32], factor: f32, shift: f32, mean: f32, dz: &mut [f32]) -> (f64, f64) {
        let (mut total, mut moment) = (0.0, 0.0);
        for ((x, dy), dz) in x.chunks(SUM_BLOCK).zip(dy.chunks(SUM_BLOCK)).zip(dz.chunks_mut(SUM_BLOCK)) {
            for ((dz, x), dy) in dz.iter_mut().zip(x).zip(dy) {
                *dz = dy * silu_slope::<FUSED>(multiply_add::<FUSED>(x - mean, factor, shift));
            }
            let (a, b) = sums(x, dz, mean);
            total += f64::from(a);
            moment += f64::from(b);
        }
        (total, moment)
    }
}

vectorized! {
    /// As [`slopes_silu`] where the values were not changed after scaling.
    fn slopes(x: &[f32], dy: &[f32], mean: f32) -> (f64, f64) {
        let (mut total, mut moment) = (0.0, 0.0);
        for (x, dy) in x.chunks(SUM_BLOCK).zip(dy.chunks(SUM_BLOCK)) {
            let (a, b) = sums(x, dy, mean);
            total += f64::from(a);
            moment += f64::from(b);
        }
        (total, moment)
    }
}

#[expect(clippy::inline_always, reason = "part of vector loops")]
#[inline(always)]
fn sums(x: &[f32], dz: &[f32], mean: f32) -> (f32, f32) {
    let (mut total, mut moment) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let (xc, dc) = (x.chunks_exact(LANES), dz.chunks_exact(LANES));
    let (mut rest, mut rest_moment) = (0.0, 0.0);
    for (x, d) in xc.remainder().iter().zip(dc.remainder()) {
        rest += d;
        rest_moment += d * (x - mean);
    }
    for (x, d) in xc.zip(dc) {
        for lane in 0..LANES {
            total[lane] += d[lane];
            moment[lane] += d[lane] * (x[lane] - mean);
        }
    }
    (fold(total) + rest, fold(moment) + rest_moment)
}

vectorized! {
    /// `dx = dz · a - (x - mean) · b - c`.
    fn combine(x: &[f32], dz: &[f32], terms: [f32; 4], dx: &mut [f32]) {
        let [a, b, c, mean] = terms;
        for ((dx, x), dz) in dx.iter_mut().zip(x).zip(dz) {
            *dx = dz * a - (x - mean) * b - c;
        }
    }
}

vectorized! {
    fn combine_in_place(x: &[f32], terms: [f32; 4], dx: &mut [f32]) {
        let [a, b, c, mean] = terms;
        for (dx, x) in dx.iter_mut().zip(x) {
            *dx = *dx * a - (x - mean) * b - c;
        }
    }
}

#[expect(clippy::struct_field_names, reason = "the word of the paper")]
struct Groups {
    batch: usize,
    channels: usize,
    groups: usize,
    plane: usize,
    epsilon: f64,
    silu: bool,
    own_scales: bool,
}

impl Groups {
    /// Where the scale of a channel of an image lies.
    fn scale_index(&self, image: usize, channel: usize) -> usize {
        if self.own_scales {
            image * self.channels + channel
        } else {
            channel
        }
    }

    /// Channels a group.
    fn width(&self) -> usize {
        self.channels / self.groups
    }

    fn forward(&self, x: &[f32], gamma: &[f32], beta: &[f32], y: &mut [f32]) {
        let size = self.width() * self.plane;
        y.par_chunks_mut(size)
            .zip(x.par_chunks(size))
            .enumerate()
            .with_min_len(1 + 4096 / size)
            .for_each(|(index, (y, x))| {
                let (mean, deviation) = statistics(x, self.epsilon);
                let (image, group) = (index / self.groups, index % self.groups);
                let planes = y.chunks_mut(self.plane).zip(x.chunks(self.plane));
                for (c, (y, x)) in planes.enumerate() {
                    let at = self.scale_index(image, group * self.width() + c);
                    let factor = gamma[at] * deviation;
                    let shift = beta[at];
                    if self.silu {
                        affine_silu(x, mean, factor, shift, y);
                    } else {
                        affine(x, mean, factor, shift, y);
                    }
                }
            });
    }

    /// Writes `dx` and returns, for each image and channel, the gradients by its scale and shift.
    fn backward(
        &self,
        x: &[f32],
        gamma: &[f32],
        beta: &[f32],
        dy: &[f32],
        dx: &mut [f32],
    ) -> Vec<(f64, f64)> {
        let (width, plane) = (self.width(), self.plane);
        let size = width * plane;
        let mut channels = vec![(0.0, 0.0); self.batch * self.channels];
        dx.par_chunks_mut(size)
            .zip(x.par_chunks(size).zip(dy.par_chunks(size)))
            .zip(channels.par_chunks_mut(width))
            .enumerate()
            .with_min_len(1 + 4096 / size)
            .for_each(|(index, ((dx, (x, dy)), channels))| {
                let (mean, deviation) = statistics(x, self.epsilon);
                let (image, group) = (index / self.groups, index % self.groups);
                let (mut total, mut moment) = (0.0, 0.0);
                for (c, found) in channels.iter_mut().enumerate() {
                    let at = self.scale_index(image, group * width + c);
                    let factor = gamma[at] * deviation;
                    let shift = beta[at];
                    let part = c * plane..(c + 1) * plane;
                    let (x, dy) = (&x[part.clone()], &dy[part.clone()]);
                    let (slope, with_x) = if self.silu {
                        slopes_silu(x, dy, factor, shift, mean, &mut dx[part])
                    } else {
                        slopes(x, dy, mean)
                    };
                    let by_scale = with_x * f64::from(deviation);
                    total += f64::from(gamma[at]) * slope;
                    moment += f64::from(gamma[at]) * by_scale;
                    *found = (by_scale, slope);
                }
                let count = size as f64;
                let d = f64::from(deviation);
                let b = (d * d * moment / count) as f32;
                let c = (d * total / count) as f32;
                for channel in 0..width {
                    let at = self.scale_index(image, group * width + channel);
                    let part = channel * plane..(channel + 1) * plane;
                    let terms = [gamma[at] * deviation, b, c, mean];
                    if self.silu {
                        combine_in_place(&x[part.clone()], terms, &mut dx[part]);
                    } else {
                        combine(&x[part.clone()], &dy[part.clone()], terms, &mut dx[part]);
                    }
                }
            });
        channels
    }
}

impl CustomOp3 for Groups {
    fn name(&self) -> &'static str {
        "group_norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        gamma: &CpuStorage,
        gamma_layout: &Layout,
        beta: &CpuStorage,
        beta_layout: &Layout,
    ) -> Result<OneStorage> {
        let x = slice(x, x_layout)?;
        let (gamma, beta) = (slice(gamma, gamma_layout)?, slice(beta, beta_layout)?);
        let y = written(x.len(), |y| self.forward(x, gamma, beta, y));
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        read([x, gamma, beta, dy], |[xs, gammas, betas, dy]| {
            let mut channels = Vec::new();
            let dx = new_tensor(x, |dx| {
                channels = self.backward(xs, gammas, betas, dy, dx);
            })?;
            let rows = gammas.len() / self.channels.max(1);
            let mut sums = vec![(0.0, 0.0); gammas.len()];
            for image in channels.chunks(sums.len().max(1)) {
                for (sum, one) in sums.iter_mut().zip(image) {
                    sum.0 += one.0;
                    sum.1 += one.1;
                }
            }
            debug_assert!(rows == 1 || rows == self.batch);
            let part = |f: fn(&(f64, f64)) -> f64| {
                let values: Vec<f32> = sums.iter().map(|s| f(s) as f32).collect();
                Tensor::from_vec(values, gamma.shape(), gamma.device())
            };
            Ok((Some(dx), Some(part(|s| s.0)?), Some(part(|s| s.1)?)))
        })
    }
}

struct Rows {
    width: usize,
    epsilon: f64,
}

/// Rows whose gradients by the scales are summed together; fixed, so that the order of the sums is.
const ROWS_TOGETHER: usize = 64;

vectorized! {
    fn scale_row(x: &[f32], mean: f32, deviation: f32, gamma: &[f32], beta: &[f32], y: &mut [f32]) {
        for (((y, x), gamma), beta) in y.iter_mut().zip(x).zip(gamma).zip(beta) {
            *y = (x - mean) * deviation * gamma + beta;
        }
    }
}

vectorized! {
    /// Writes `dy · gamma` and adds the row's gradients by scale and shift.
    fn row_slopes(x: &[f32], dy: &[f32], gamma: &[f32], mean: f32, deviation: f32, dz: &mut [f32], sums: &mut [f32]) {
        let (by_scale, by_shift) = sums.split_at_mut(gamma.len());
        for ((((dz, x), dy), gamma), (scale, shift)) in dz
            .iter_mut()
            .zip(x)
            .zip(dy)
            .zip(gamma)
            .zip(by_scale.iter_mut().zip(by_shift))
        {
            *dz = dy * gamma;
            *scale += dy * (x - mean) * deviation;
            *shift += dy;
        }
    }
}

impl CustomOp3 for Rows {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        gamma: &CpuStorage,
        gamma_layout: &Layout,
        beta: &CpuStorage,
        beta_layout: &Layout,
    ) -> Result<OneStorage> {
        let x = slice(x, x_layout)?;
        let (gamma, beta) = (slice(gamma, gamma_layout)?, slice(beta, beta_layout)?);
        let y = written(x.len(), |y| {
            y.par_chunks_mut(self.width)
                .zip(x.par_chunks(self.width))
                .with_min_len(1 + 8192 / self.width)
                .for_each(|(y, x)| {
                    let (mean, deviation) = statistics(x, self.epsilon);
                    scale_row(x, mean, deviation, gamma, beta, y);
                });
        });
        Ok((CpuStorage::F32(y), Shape::from(x_layout.shape())))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        _beta: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let width = self.width;
        read([x, gamma, dy], |[xs, gammas, dy]| {
            let stripe = width * ROWS_TOGETHER;
            let mut partial = vec![0.0_f32; xs.len().div_ceil(stripe.max(1)) * 2 * width];
            let dx = new_tensor(x, |dx| {
                dx.par_chunks_mut(stripe)
                    .zip(xs.par_chunks(stripe).zip(dy.par_chunks(stripe)))
                    .zip(partial.par_chunks_mut(2 * width))
                    .for_each(|((dx, (x, dy)), sums)| {
                        let rows = dx.chunks_mut(width).zip(x.chunks(width));
                        for ((dx, x), dy) in rows.zip(dy.chunks(width)) {
                            let (mean, deviation) = statistics(x, self.epsilon);
                            row_slopes(x, dy, gammas, mean, deviation, dx, sums);
                            let (total, moment) = slopes(x, dx, mean);
                            let (d, count) = (f64::from(deviation), width as f64);
                            let b = (d * d * d * moment / count) as f32;
                            let c = (d * total / count) as f32;
                            combine_in_place(x, [deviation, b, c, mean], dx);
                        }
                    });
            })?;
            let mut sums = vec![0.0_f64; 2 * width];
            for part in partial.chunks(2 * width) {
                for (sum, value) in sums.iter_mut().zip(part) {
                    *sum += f64::from(*value);
                }
            }
            let part = |values: &[f64]| {
                let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
                Tensor::from_vec(values, width, x.device())
            };
            let (by_scale, by_shift) = sums.split_at(width);
            Ok((Some(dx), Some(part(by_scale)?), Some(part(by_shift)?)))
        })
    }
}
