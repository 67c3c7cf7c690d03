//! Pseudo numerical methods (Liu et al. 2022, "Pseudo numerical methods for diffusion models", algorithm 2): three steps
//! of Runge–Kutta (eq. 13), then linear multistep (eq. 12).
//!
//! Where `skip_prk_steps` leaves the first out, the second time is asked twice instead, and its first answer only looks
//! ahead. Separate because a step looks back at the answers before it.

use candle_core::{Result, Tensor};

use super::Config;
use super::estimate::mix;
use super::multistep::Memory;

/// Answers that the Runge–Kutta steps take: four each.
const RUNGE_KUTTA: usize = 12;

/// The times the network is asked at, over those of the schedule.
///
/// An error with Runge–Kutta steps and fewer than four times: they go over the first four.
pub(super) fn asked(
    config: &Config,
    times: Vec<f64>,
    steps: usize,
) -> std::result::Result<Vec<f64>, String> {
    if config.skips_runge_kutta() {
        let mut times = times;
        if times.len() > 1 {
            times.insert(1, times[1]);
        }
        return Ok(times);
    }
    if times.len() < 4 {
        return Err(format!(
            "{} steps: PNDM begins with Runge–Kutta steps over four times, unless skip_prk_steps leaves them out",
            times.len()
        ));
    }
    let half = (config.num_train_timesteps / steps / 2) as f64;
    let begin = times.windows(2).take(RUNGE_KUTTA / 4).flat_map(|pair| {
        let between = pair[1] + half;
        [pair[0], between, between, pair[1]]
    });
    Ok(begin.chain(times[3..].iter().copied()).collect())
}

/// The times of training that the answer to `times[at]` leads from and to; below 0 is behind the last.
pub(super) fn span(
    config: &Config,
    memory: &Memory,
    (times, at): (&[f64], usize),
    steps: usize,
) -> (f64, f64) {
    let stride = config.num_train_timesteps / steps;
    let (time, done) = (times[at], memory.done);
    match (config.skips_runge_kutta(), done) {
        (true, 1) => (time + stride as f64, time),
        (false, 0..RUNGE_KUTTA) => {
            let half = if done % 2 == 0 { stride / 2 } else { 0 };
            (times[at - done % 4], time - half as f64)
        }
        _ => (time, time - stride as f64),
    }
}

/// The sample that a step starts from, and the answer that it follows.
pub(super) fn followed(
    config: &Config,
    memory: &mut Memory,
    z: &Tensor,
    answer: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let done = memory.done;
    memory.done += 1;
    if !config.skips_runge_kutta() && done < RUNGE_KUTTA {
        return runge_kutta(memory, done % 4, z, answer);
    }
    if config.skips_runge_kutta() && done == 1 {
        // Back to the sample of the first step, with the mean of both answers (Heun's rule).
        let first = memory.sample.take();
        let mean = mix(&[(0.5, answer), (0.5, &memory.answers[0])])?;
        return Ok((first.unwrap_or_else(|| z.clone()), mean));
    }
    memory.keep(answer.clone(), 4);
    if done == 0 {
        memory.sample = Some(z.clone());
    }
    // Adams–Bashforth over up to four answers.
    let factors: &[f64] = match memory.answers.len() {
        1 => &[1.0],
        2 => &[1.5, -0.5],
        3 => &[23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0],
        _ => &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0],
    };
    let terms: Vec<(f64, &Tensor)> = factors.iter().copied().zip(&memory.answers).collect();
    Ok((z.clone(), mix(&terms)?))
}

/// The answer number `phase` of four: the first three only look ahead from the step's own sample.
fn runge_kutta(
    memory: &mut Memory,
    phase: usize,
    z: &Tensor,
    answer: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let weight = [1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0][phase];
    let sum = match memory.sum.take() {
        Some(sum) if phase > 0 => mix(&[(1.0, &sum), (weight, answer)])?,
        _ => (answer * weight)?,
    };
    if phase == 0 {
        memory.keep(answer.clone(), 4);
        memory.sample = Some(z.clone());
    }
    let from = memory.sample.clone().unwrap_or_else(|| z.clone());
    if phase == 3 {
        return Ok((from, sum));
    }
    memory.sum = Some(sum);
    Ok((from, answer.clone()))
}
