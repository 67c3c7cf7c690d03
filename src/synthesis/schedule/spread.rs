//! Amounts of noise between the most and the least, spread by a rule of their own instead of by times.
//!
//! Separate from the times, which are found for them afterwards.

use super::Config;

/// `steps` values from `most` to `least`, evenly in their seventh roots.
pub(super) fn karras((most, least): (f64, f64), steps: usize) -> Vec<f64> {
    const RHO: f64 = 7.0;
    let (high, low) = (most.powf(1.0 / RHO), least.powf(1.0 / RHO));
    ramp(steps)
        .map(|share| (high + share * (low - high)).powf(RHO))
        .collect()
}

/// `steps` values from `most` to `least`, evenly in their logarithms.
pub(super) fn exponential((most, least): (f64, f64), steps: usize) -> Vec<f64> {
    let (high, low) = (most.ln(), least.ln());
    ramp(steps)
        .map(|share| (high + share * (low - high)).exp())
        .collect()
}

/// `steps` values from `most` to `least`, evenly in the distribution Beta(0.6, 0.6): more of them at both ends (Lee et al.
/// 2024, "Beta sampling is all you need").
pub(super) fn by_beta((most, least): (f64, f64), steps: usize) -> Vec<f64> {
    ramp(steps)
        .map(|share| least + beta_quantile(1.0 - share) * (most - least))
        .collect()
}

/// `steps` values from noise towards none along a straight line, `f σ / (1 + (f − 1) σ)` of even ones (Esser et al.
/// 2024, "Scaling rectified flow transformers", eq. 23).
///
/// `UniPC` begins at 1 and leaves out the step of training nearest to none, and may stretch the line to another end;
/// DPM-Solver begins a step of training before 1. Operations stand in the peer's order, because the times are cut to whole
/// ones afterwards.
pub(super) fn straight(config: &Config, steps: usize, unipc: bool) -> Vec<f64> {
    /// What is left of the picture where a line begins: noise alone would be infinitely far from every picture.
    const NEARLY: f64 = 1e-6;
    let least = 1.0 / config.num_train_timesteps as f64;
    let stride = (least - 1.0) / steps as f64;
    let even = |i: usize| {
        if i == steps {
            least
        } else {
            i as f64 * stride + 1.0
        }
    };
    let shifted = |sigma: f64| {
        let shift = config.flow_shift;
        shift * sigma / (1.0 + (shift - 1.0) * sigma)
    };
    if !unipc {
        let falling = (1..=steps).rev();
        return falling.map(|i| shifted(1.0 - even(i))).collect();
    }
    let mut sigmas: Vec<f64> = (0..steps).map(|i| shifted(even(i))).collect();
    let last = sigmas.last().copied().unwrap_or_default();
    if let Some(end) = config.shift_terminal.filter(|end| *end != 0.0) {
        let scale = (1.0 - last) / (1.0 - end);
        for sigma in &mut sigmas {
            *sigma = 1.0 - (1.0 - *sigma) / scale;
        }
    }
    if let Some(first) = sigmas.first_mut().filter(|s| (**s - 1.0).abs() < NEARLY) {
        *first -= NEARLY;
    }
    sigmas
}

fn ramp(steps: usize) -> impl Iterator<Item = f64> {
    let last = (steps - 1).max(1) as f64;
    (0..steps).map(move |i| i as f64 / last)
}

/// Both parameters of the distribution.
const SHAPE: f64 = 0.6;
/// `Γ(0.6)² / Γ(1.2)`, the complete beta function.
const COMPLETE: f64 = 1.489_192_248_812_817 * 1.489_192_248_812_817 / 0.918_168_742_399_760_7;

/// Where Beta(0.6, 0.6) has this share below, by halving.
fn beta_quantile(share: f64) -> f64 {
    if share <= 0.0 {
        return 0.0;
    }
    if share >= 1.0 {
        return 1.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if beta_share(middle) < share {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// The share of Beta(0.6, 0.6) below `x`: its continued fraction (Abramowitz & Stegun 26.5.8), which converges fast up to
/// the middle; the other half mirrors it.
fn beta_share(x: f64) -> f64 {
    if x > 0.5 {
        return 1.0 - beta_share(1.0 - x);
    }
    // From its end: d(2m) and d(2m + 1) with equal parameters.
    let mut fraction = 1.0;
    for m in (1..=60).rev() {
        let n = f64::from(m);
        let even = n * (SHAPE - n) * x / ((SHAPE + 2.0 * n - 1.0) * (SHAPE + 2.0 * n));
        let odd =
            -(SHAPE + n) * (2.0 * SHAPE + n) * x / ((SHAPE + 2.0 * n) * (SHAPE + 2.0 * n + 1.0));
        fraction = 1.0 + even / (1.0 + odd / fraction);
    }
    let first = -SHAPE * (2.0 * SHAPE) * x / (SHAPE * (SHAPE + 1.0));
    let fraction = 1.0 + first / fraction;
    (x * (1.0 - x)).powf(SHAPE) / (SHAPE * COMPLETE * fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beta_distribution_is_that_of_its_density() {
        // The density's integral by t = u^(1/0.6), which takes its pole at 0 away.
        for x in [0.02_f64, 0.3, 0.5] {
            let (end, parts) = (x.powf(SHAPE), 20_000);
            let sum: f64 = (0..parts)
                .map(|i| {
                    let u = end * (f64::from(i) + 0.5) / f64::from(parts);
                    (1.0 - u.powf(1.0 / SHAPE)).powf(SHAPE - 1.0)
                })
                .sum();
            let share = sum * end / f64::from(parts) / SHAPE / COMPLETE;
            assert!((beta_share(x) - share).abs() < 1e-8, "{x}");
            assert!((beta_quantile(beta_share(x)) - x).abs() < 1e-12);
            assert!((beta_share(1.0 - x) + beta_share(x) - 1.0).abs() < 1e-12);
        }
    }
}
