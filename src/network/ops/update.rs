//! In-place steps of training: `AdamW`, moving averages, norms of gradients.
//!
//! Separate from the differentiable operations: these change the tensors they get, and nothing flows back through
//! them. A tensor kept elsewhere as a view of the same memory changes with them.

use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Result, Tensor, Var, bail};
use rayon::prelude::*;

use super::tensor::{read, slice};
use super::vector::{sum_of_squares, vectorized};

/// Elements a task; also those whose squares are summed together, so it fixes the order of [`gradient_norm`].
const PART: usize = 64 * 1024;

/// The constants of one `AdamW` step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Learning rate of this step.
    pub rate: f64,
    /// Decay of the mean of gradients, 0..1.
    pub beta1: f64,
    /// Decay of the mean of squared gradients, 0..1.
    pub beta2: f64,
    /// Added to the root in the denominator.
    pub epsilon: f64,
    /// Decoupled weight decay: the parameter loses `rate · decay` of itself.
    pub decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        Self {
            rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            decay: 0.01,
        }
    }
}

/// One `AdamW` step of `parameter`, with its moments changed in place too.
///
/// All tensors have one shape, f32, contiguous. `step` counts from 1 (bias correction); `scale` multiplies the
/// gradient first (for clipping). Loshchilov & Hutter 2019, "Decoupled weight decay regularization", algorithm 2.
pub fn adamw_step(
    parameter: &Var,
    gradient: &Tensor,
    first: &Tensor,
    second: &Tensor,
    how: AdamW,
    step: usize,
    scale: f64,
) -> Result<()> {
    for other in [gradient, first, second] {
        if other.dims() != parameter.dims() {
            bail!(
                "adamw: a parameter {:?} with {:?}",
                parameter.dims(),
                other.dims()
            )
        }
    }
    if step == 0 {
        bail!("adamw: steps count from 1")
    }
    let power = |beta: f64| 1.0 - beta.powf(step as f64);
    let (correction1, correction2) = (power(how.beta1), power(how.beta2));
    if !parameter.device().is_cpu() {
        let gradient = (gradient * scale)?;
        let m = ((first * how.beta1)? + (&gradient * (1.0 - how.beta1))?)?;
        let v = ((second * how.beta2)? + (gradient.sqr()? * (1.0 - how.beta2))?)?;
        let root = ((&v / correction2)?.sqrt()? + how.epsilon)?;
        let change = ((&m / correction1)? / root)?;
        first.slice_set(&m, 0, 0)?;
        second.slice_set(&v, 0, 0)?;
        let kept = (parameter.as_tensor() * (1.0 - how.rate * how.decay))?;
        return parameter.set(&(kept - (change * how.rate)?)?);
    }
    let gradient = gradient.contiguous()?;
    let (scale, beta1, beta2) = (scale as f32, how.beta1 as f32, how.beta2 as f32);
    let mean = Mean {
        keep: beta1,
        take: scale * (1.0 - how.beta1) as f32,
        squared: false,
    };
    first.inplace_op2(&gradient, &mean)?;
    let squares = Mean {
        keep: beta2,
        take: scale * scale * (1.0 - how.beta2) as f32,
        squared: true,
    };
    second.inplace_op2(&gradient, &squares)?;
    let step = Step {
        keep: (1.0 - how.rate * how.decay) as f32,
        rate: (how.rate / correction1) as f32,
        root: (1.0 / correction2.sqrt()) as f32,
        epsilon: how.epsilon as f32,
    };
    parameter.inplace_op3(first, second, &step)
}

/// Moves `average` toward `value` in place: `average += (1 - decay) · (value - average)`.
pub fn average_step(average: &Tensor, value: &Tensor, decay: f64) -> Result<()> {
    if average.dims() != value.dims() {
        bail!("average: {:?} with {:?}", average.dims(), value.dims())
    }
    if !average.device().is_cpu() {
        let moved = ((average * decay)? + (value * (1.0 - decay))?)?;
        return average.slice_set(&moved, 0, 0);
    }
    let step = Lerp {
        share: (1.0 - decay) as f32,
    };
    average.inplace_op2(&value.contiguous()?, &step)
}

/// The Euclidean norm of all gradients together, in a fixed order.
pub fn gradient_norm(gradients: &[&Tensor]) -> Result<f64> {
    let mut total = 0.0;
    for gradient in gradients {
        if gradient.device().is_cpu() {
            total += read([gradient], |[values]| {
                let parts: Vec<f64> = values
                    .par_chunks(PART)
                    .map(|part| sum_of_squares(part, 0.0))
                    .collect();
                Ok(parts.iter().sum::<f64>())
            })?;
        } else {
            total += f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?);
        }
    }
    Ok(total.sqrt())
}

/// What gradients of this norm must be multiplied by so that it is at most `most`; 1 where it is.
///
/// Pass it to [`adamw_step`] as `scale`. A norm that is not finite gives 0: such a step changes only the decay.
pub fn clip_scale(norm: f64, most: f64) -> f64 {
    if !norm.is_finite() {
        0.0
    } else if norm > most {
        most / norm
    } else {
        1.0
    }
}

struct Mean {
    keep: f32,
    take: f32,
    squared: bool,
}

struct Step {
    keep: f32,
    rate: f32,
    root: f32,
    epsilon: f32,
}

struct Lerp {
    share: f32,
}

vectorized! {
    fn mix(to: &mut [f32], x: &[f32], keep: f32, take: f32) {
        for (to, x) in to.iter_mut().zip(x) {
            *to = *to * keep + x * take;
        }
    }
}

vectorized! {
    fn mix_squares(to: &mut [f32], x: &[f32], keep: f32, take: f32) {
        for (to, x) in to.iter_mut().zip(x) {
            *to = *to * keep + x * x * take;
        }
    }
}

vectorized! {
    fn lerp(to: &mut [f32], x: &[f32], share: f32) {
        for (to, x) in to.iter_mut().zip(x) {
            *to += share * (x - *to);
        }
    }
}

vectorized! {
    fn descend(to: &mut [f32], m: &[f32], v: &[f32], step: &Step) {
        for ((to, m), v) in to.iter_mut().zip(m).zip(v) {
            *to = *to * step.keep - step.rate * m / (v.sqrt() * step.root + step.epsilon);
        }
    }
}

fn slice_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((from, to))) => Ok(&mut values[from..to]),
        _ => bail!("an in-place step needs contiguous f32 tensors"),
    }
}

impl InplaceOp2 for Mean {
    fn name(&self) -> &'static str {
        "moving mean"
    }

    fn cpu_fwd(
        &self,
        to: &mut CpuStorage,
        to_layout: &Layout,
        x: &CpuStorage,
        x_layout: &Layout,
    ) -> Result<()> {
        let (to, x) = (slice_mut(to, to_layout)?, slice(x, x_layout)?);
        let f = if self.squared { mix_squares } else { mix };
        to.par_chunks_mut(PART)
            .zip(x.par_chunks(PART))
            .for_each(|(to, x)| f(to, x, self.keep, self.take));
        Ok(())
    }
}

impl InplaceOp2 for Lerp {
    fn name(&self) -> &'static str {
        "moving average"
    }

    fn cpu_fwd(
        &self,
        to: &mut CpuStorage,
        to_layout: &Layout,
        x: &CpuStorage,
        x_layout: &Layout,
    ) -> Result<()> {
        let (to, x) = (slice_mut(to, to_layout)?, slice(x, x_layout)?);
        to.par_chunks_mut(PART)
            .zip(x.par_chunks(PART))
            .for_each(|(to, x)| lerp(to, x, self.share));
        Ok(())
    }
}

impl InplaceOp3 for Step {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(
        &self,
        to: &mut CpuStorage,
        to_layout: &Layout,
        m: &CpuStorage,
        m_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<()> {
        let to = slice_mut(to, to_layout)?;
        let (m, v) = (slice(m, m_layout)?, slice(v, v_layout)?);
        to.par_chunks_mut(PART)
            .zip(m.par_chunks(PART).zip(v.par_chunks(PART)))
            .for_each(|(to, (m, v))| descend(to, m, v, self));
        Ok(())
    }
}
