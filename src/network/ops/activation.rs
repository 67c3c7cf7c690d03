//! Pointwise functions and softmax, in one vectorized pass each, with gradients.
//!
//! Separate from the layers that use them: they have no weights.

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, D, DType, Layout, Result, Shape, Tensor, bail,
};
use rayon::prelude::*;

use super::tensor::{OneStorage, new_tensor, on_processor, read, slice, written};
use super::vector::{
    LANES, erf, exp, fold, sigmoid as sigmoid_of, silu as silu_of, silu_slope, vectorized,
};

/// The normal distribution's density at its mean.
const DENSITY: f32 = 0.398_942_3;
/// The factors of `x` and of `x³` in twice the argument of the tangent that stands in for Φ: `2 √(2/π)` and 0.044715 of it
/// (Hendrycks & Gimpel 2016, "Gaussian error linear units").
const TANGENT: [f32; 2] = [1.595_769, 0.071_354_82];
/// The slope of the logistic function that stands in for Φ (same source).
const QUICK: f32 = 1.702;
/// Elements a task.
const PART: usize = 16 * 1024;

/// `x σ(x)` of every element.
pub fn silu(x: &Tensor) -> Result<Tensor> {
    if on_processor(x) {
        x.contiguous()?.apply_op1(Pointwise::Silu)
    } else {
        x.silu()
    }
}

/// `x Φ(x)` of every element, with the normal distribution's own Φ (not the hyperbolic approximation).
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    if on_processor(x) {
        x.contiguous()?.apply_op1(Pointwise::Gelu)
    } else {
        x.gelu_erf()
    }
}

/// The hyperbolic approximation of [`gelu`]: `x/2 (1 + tanh √(2/π) (x + 0.044715 x³))`.
pub fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    if on_processor(x) {
        x.contiguous()?.apply_op1(Pointwise::GeluTanh)
    } else {
        x.gelu()
    }
}

/// The quick approximation of [`gelu`]: `x σ(1.702 x)`.
pub fn quick_gelu(x: &Tensor) -> Result<Tensor> {
    if on_processor(x) {
        x.contiguous()?.apply_op1(Pointwise::QuickGelu)
    } else {
        x * sigmoid(&(x * f64::from(QUICK))?)?
    }
}

/// The logistic function of every element.
pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    if on_processor(x) {
        x.contiguous()?.apply_op1(Pointwise::Sigmoid)
    } else {
        candle_nn::ops::sigmoid(x)
    }
}

/// The first half of the last dimension times [`gelu`] of the second (Shazeer 2020, "GLU variants improve transformer").
///
/// `x […,2D]` to `[…,D]`.
pub fn gated_gelu(x: &Tensor) -> Result<Tensor> {
    let width = x.dim(D::Minus1)?;
    if width % 2 != 0 {
        bail!("gated_gelu: {width} values cannot be halved")
    }
    if on_processor(x) {
        return x.contiguous()?.apply_op1(Gated);
    }
    let parts = x.chunk(2, D::Minus1)?;
    &parts[0] * parts[1].gelu_erf()?
}

/// `a + b` of equal shapes, as residual blocks end.
pub fn add(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if on_processor(a) && a.shape() == b.shape() {
        return a.contiguous()?.apply_op2(&b.contiguous()?, Sum);
    }
    a + b
}

/// Softmax over the last dimension.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    if on_processor(x) {
        return x.contiguous()?.apply_op1(Softmax);
    }
    let wide = x.to_dtype(DType::F32)?;
    let shifted = wide.broadcast_sub(&wide.max_keepdim(D::Minus1)?.detach())?;
    let exponential = shifted.exp()?;
    exponential
        .broadcast_div(&exponential.sum_keepdim(D::Minus1)?)?
        .to_dtype(x.dtype())
}

#[derive(Clone, Copy)]
enum Pointwise {
    Silu,
    Gelu,
    GeluTanh,
    QuickGelu,
    Sigmoid,
}

vectorized! {
    fn silu_all(x: &[f32], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = silu_of::<FUSED>(x);
        }
    }
}

vectorized! {
    fn gelu_all(x: &[f32], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = 0.5 * x * (1.0 + erf::<FUSED>(x * std::f32::consts::FRAC_1_SQRT_2));
        }
    }
}

vectorized! {
    fn gelu_tanh_all(x: &[f32], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = x * sigmoid_of::<FUSED>(x * (TANGENT[0] + TANGENT[1] * x * x));
        }
    }
}

vectorized! {
    fn quick_gelu_all(x: &[f32], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = x * sigmoid_of::<FUSED>(QUICK * x);
        }
    }
}

vectorized! {
    fn sigmoid_all(x: &[f32], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = sigmoid_of::<FUSED>(x);
        }
    }
}

vectorized! {
    fn gelu_tanh_back(x: &[f32], dy: &[f32], dx: &mut [f32]) {
        for ((dx, &x), dy) in dx.iter_mut().zip(x).zip(dy) {
            let square = x * x;
            let s = sigmoid_of::<FUSED>(x * (TANGENT[0] + TANGENT[1] * square));
            let slope = TANGENT[0] + 3.0 * TANGENT[1] * square;
            *dx = dy * s * (1.0 + x * (1.0 - s) * slope);
        }
    }
}

vectorized! {
    fn quick_gelu_back(x: &[f32], dy: &[f32], dx: &mut [f32]) {
        for ((dx, &x), dy) in dx.iter_mut().zip(x).zip(dy) {
            *dx = dy * silu_slope::<FUSED>(QUICK * x);
        }
    }
}

vectorized! {
    fn sigmoid_back(x: &[f32], dy: &[f32], dx: &mut [f32]) {
        for ((dx, &x), dy) in dx.iter_mut().zip(x).zip(dy) {
            let s = sigmoid_of::<FUSED>(x);
            *dx = dy * s * (1.0 - s);
        }
    }
}

vectorized! {
    fn silu_back(x: &[f32], dy: &[f32], dx: &mut [f32]) {
        for ((dx, &x), dy) in dx.iter_mut().zip(x).zip(dy) {
            *dx = dy * silu_slope::<FUSED>(x);
        }
    }
}

vectorized! {
    fn gelu_back(x: &[f32], dy: &[f32], dx: &mut [f32]) {
        for ((dx, &x), dy) in dx.iter_mut().zip(x).zip(dy) {
            let below = 0.5 * (1.0 + erf::<FUSED>(x * std::f32::consts::FRAC_1_SQRT_2));
            *dx = dy * (below + x * DENSITY * exp::<FUSED>(-0.5 * x * x));
        }
    }
}

impl CustomOp1 for Pointwise {
    fn name(&self) -> &'static str {
        match self {
            Self::Silu => "silu",
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu-tanh",
            Self::QuickGelu => "quick-gelu",
            Self::Sigmoid => "sigmoid",
        }
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<OneStorage> {
        let x = slice(x, layout)?;
        let f = match self {
            Self::Silu => silu_all,
            Self::Gelu => gelu_all,
            Self::GeluTanh => gelu_tanh_all,
            Self::QuickGelu => quick_gelu_all,
            Self::Sigmoid => sigmoid_all,
        };
        let y = written(x.len(), |y| {
            y.par_chunks_mut(PART)
                .zip(x.par_chunks(PART))
                .for_each(|(y, x)| f(x, y));
        });
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let f = match self {
            Self::Silu => silu_back,
            Self::Gelu => gelu_back,
            Self::GeluTanh => gelu_tanh_back,
            Self::QuickGelu => quick_gelu_back,
            Self::Sigmoid => sigmoid_back,
        };
        read([x, dy], |[xs, dy]| {
            new_tensor(x, |dx| {
                dx.par_chunks_mut(PART)
                    .zip(xs.par_chunks(PART).zip(dy.par_chunks(PART)))
                    .for_each(|(dx, (x, dy))| f(x, dy, dx));
            })
        })
        .map(Some)
    }
}

struct Sum;

vectorized! {
    fn sums(a: &[f32], b: &[f32], y: &mut [f32]) {
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            *y = a + b;
        }
    }
}

impl CustomOp2 for Sum {
    fn name(&self) -> &'static str {
        "add"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<OneStorage> {
        let (a, b) = (slice(a, a_layout)?, slice(b, b_layout)?);
        let y = written(a.len(), |y| {
            y.par_chunks_mut(PART)
                .zip(a.par_chunks(PART).zip(b.par_chunks(PART)))
                .for_each(|(y, (a, b))| sums(a, b, y));
        });
        Ok((CpuStorage::F32(y), a_layout.shape().clone()))
    }

    fn bwd(
        &self,
        _a: &Tensor,
        _b: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((Some(dy.clone()), Some(dy.clone())))
    }
}

struct Gated;

vectorized! {
    /// A row `[2D]` to `[D]`.
    fn gated_row(x: &[f32], y: &mut [f32]) {
        let (x, gate) = x.split_at(y.len());
        for ((y, x), &gate) in y.iter_mut().zip(x).zip(gate) {
            *y = x * (0.5 * gate * (1.0 + erf::<FUSED>(gate * std::f32::consts::FRAC_1_SQRT_2)));
        }
    }
}

vectorized! {
    fn gated_row_back(x: &[f32], dy: &[f32], dx: &mut [f32]) {
        let (x, gate) = x.split_at(dy.len());
        let (dx, dgate) = dx.split_at_mut(dy.len());
        for ((((dx, dgate), x), &gate), dy) in dx.iter_mut().zip(dgate).zip(x).zip(gate).zip(dy) {
            let below = 0.5 * (1.0 + erf::<FUSED>(gate * std::f32::consts::FRAC_1_SQRT_2));
            *dx = dy * gate * below;
            *dgate = dy * x * (below + gate * DENSITY * exp::<FUSED>(-0.5 * gate * gate));
        }
    }
}

impl CustomOp1 for Gated {
    fn name(&self) -> &'static str {
        "gated_gelu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<OneStorage> {
        let x = slice(x, layout)?;
        let mut dims = layout.dims().to_vec();
        let width = last_of(layout.shape());
        if let Some(last) = dims.last_mut() {
            *last /= 2;
        }
        let y = written(x.len() / 2, |y| {
            y.par_chunks_mut(width / 2)
                .zip(x.par_chunks(width))
                .with_min_len(1 + PART / width)
                .for_each(|(y, x)| gated_row(x, y));
        });
        Ok((CpuStorage::F32(y), Shape::from(dims)))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let width = last_of(x.shape());
        read([x, dy], |[xs, dy]| {
            new_tensor(x, |dx| {
                dx.par_chunks_mut(width)
                    .zip(xs.par_chunks(width).zip(dy.par_chunks(width / 2)))
                    .with_min_len(1 + PART / width)
                    .for_each(|(dx, (x, dy))| gated_row_back(x, dy, dx));
            })
        })
        .map(Some)
    }
}

struct Softmax;

vectorized! {
    /// Writes `e^(scale·x - most)` over a row and returns its sum.
    pub(super) fn exponentials(row: &mut [f32], scale: f32, most: f32) -> f32 {
        let mut parts = [0.0_f32; LANES];
        let mut chunks = row.chunks_exact_mut(LANES);
        for chunk in &mut chunks {
            for (part, value) in parts.iter_mut().zip(chunk) {
                *value = exp::<FUSED>(*value * scale - most);
                *part += *value;
            }
        }
        let mut rest = 0.0;
        for value in chunks.into_remainder() {
            *value = exp::<FUSED>(*value * scale - most);
            rest += *value;
        }
        fold(parts) + rest
    }
}

vectorized! {
    /// The largest value of a row; -∞ for none.
    pub(super) fn largest(row: &[f32]) -> f32 {
        let mut parts = [f32::NEG_INFINITY; LANES];
        let chunks = row.chunks_exact(LANES);
        let mut most = f32::NEG_INFINITY;
        for &value in chunks.remainder() {
            most = if value > most { value } else { most };
        }
        for chunk in chunks {
            for (part, &value) in parts.iter_mut().zip(chunk) {
                *part = if value > *part { value } else { *part };
            }
        }
        for part in parts {
            most = if part > most { part } else { most };
        }
        most
    }
}

vectorized! {
    pub(super) fn scale_all(row: &mut [f32], factor: f32) {
        for value in row {
            *value *= factor;
        }
    }
}

vectorized! {
    fn softmax_back(y: &[f32], dy: &[f32], mean: f32, dx: &mut [f32]) {
        for ((dx, y), dy) in dx.iter_mut().zip(y).zip(dy) {
            *dx = y * (dy - mean);
        }
    }
}

fn last_of(shape: &Shape) -> usize {
    shape.dims().last().copied().unwrap_or(1).max(1)
}

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<OneStorage> {
        let x = slice(x, layout)?;
        let width = last_of(layout.shape());
        let y = written(x.len(), |y| {
            y.par_chunks_mut(width)
                .zip(x.par_chunks(width))
                .with_min_len(1 + PART / 4 / width)
                .for_each(|(y, x)| {
                    y.copy_from_slice(x);
                    let most = largest(x);
                    let sum = exponentials(y, 1.0, most);
                    scale_all(y, 1.0 / sum);
                });
        });
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, _x: &Tensor, y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let width = last_of(y.shape());
        read([y, dy], |[ys, dy]| {
            new_tensor(y, |dx| {
                dx.par_chunks_mut(width)
                    .zip(ys.par_chunks(width).zip(dy.par_chunks(width)))
                    .with_min_len(1 + PART / 4 / width)
                    .for_each(|(dx, (y, dy))| {
                        softmax_back(y, dy, super::vector::dot(y, dy) as f32, dx);
                    });
            })
        })
        .map(Some)
    }
}
