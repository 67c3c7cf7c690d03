//! Pseudo linear multistep (Liu et al. 2022, "Pseudo numerical methods for diffusion models", eq. 12), begun as the
//! peer does where Runge–Kutta steps are left out: the second time is asked twice, and its first answer only looks ahead.
//!
//! Separate because a step looks back at the answers before it.

use candle_core::{Result, Tensor};

use super::multistep::Memory;
use super::walk::mix;

/// Times with the second one twice.
pub(super) fn asked_twice(mut times: Vec<f64>) -> Vec<f64> {
    if times.len() > 1 {
        times.insert(1, times[1]);
    }
    times
}

/// The sample that a step starts from, and the answer that it follows: Adams–Bashforth over up to four answers.
///
/// The second step goes back to the sample of the first, with the mean of both answers (Heun's rule).
pub(super) fn combined(
    memory: &mut Memory,
    z: &Tensor,
    answer: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let done = memory.done;
    memory.done += 1;
    if done == 1 {
        let first = memory.sample.take();
        let mean = mix(&[(0.5, answer), (0.5, &memory.clean[0])])?;
        return Ok((first.unwrap_or_else(|| z.clone()), mean));
    }
    memory.keep(answer.clone(), 4);
    if done == 0 {
        memory.sample = Some(z.clone());
    }
    let factors: &[f64] = match memory.clean.len() {
        1 => &[1.0],
        2 => &[1.5, -0.5],
        3 => &[23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0],
        _ => &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0],
    };
    let terms: Vec<(f64, &Tensor)> = factors.iter().copied().zip(&memory.clean).collect();
    Ok((z.clone(), mix(&terms)?))
}
