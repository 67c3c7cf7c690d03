//! The times a sampler visits and the noise at each.
//!
//! Separate from the variances of training: here the number of steps comes in.

use super::spread::{by_beta, exponential, karras};
use super::{Config, FinalSigma, Interpolation, Kind, Spacing};

type Times = (Vec<f64>, Vec<f32>);

/// Times, the noisiest first, and the noise at each and behind the last.
pub(super) fn times(
    kind: Kind,
    config: &Config,
    left: &[f32],
    steps: usize,
) -> Result<Times, String> {
    if kind == Kind::Lcm {
        return Ok((consistent(config, steps)?, Vec::new()));
    }
    let times = spaced(kind, config, left, steps);
    if matches!(kind, Kind::Ddim | Kind::Ddpm) {
        return Ok((times, Vec::new()));
    }
    if kind == Kind::Pndm {
        return Ok((super::pndm::asked_twice(times), Vec::new()));
    }
    let noise: Vec<f32> = left.iter().map(|a| ((1.0 - a) / a).sqrt()).collect();
    let logarithms: Vec<f64> = noise.iter().map(|s| f64::from(s.ln())).collect();
    let euler = matches!(kind, Kind::Euler | Kind::EulerAncestral);
    let at = |time: f64| interpolated(&noise, time);
    let whole = |sigmas: Vec<f64>, rounded: bool| {
        let times = sigmas.iter().map(|&sigma| {
            let time = time_of(sigma, &logarithms);
            match (euler, rounded) {
                (true, _) => f64::from(time as f32),
                (false, true) => time.round_ties_even(),
                (false, false) => time.trunc(),
            }
        });
        (times.collect::<Vec<f64>>(), sigmas)
    };
    // The most and the least noise: of the sampler's own times for Euler, of training for the others.
    let (most, least) = if euler {
        let most = times.first().map_or(0.0, |&time| at(time));
        (most, times.last().map_or(0.0, |&time| at(time)))
    } else {
        let of = |sigma: Option<&f32>| sigma.map_or(0.0, |&sigma| f64::from(sigma));
        (of(noise.last()), of(noise.first()))
    };
    let ends = (
        config.sigma_max.unwrap_or(most),
        config.sigma_min.unwrap_or(least),
    );
    let cosine = config.beta_schedule == Some(super::BetaSchedule::SquaredCosine);
    let rounded = kind == Kind::UniPc || !cosine;
    let chosen = kind != Kind::EulerAncestral;
    let (times, mut sigmas) = if config.use_karras_sigmas && chosen {
        whole(karras(ends, steps), rounded)
    } else if config.use_lu_lambdas && kind == Kind::DpmSolver {
        whole(exponential((most, least), steps), rounded)
    } else if config.use_exponential_sigmas && chosen {
        whole(exponential(ends, steps), false)
    } else if config.use_beta_sigmas && chosen {
        whole(by_beta(ends, steps), false)
    } else if kind == Kind::Euler && config.interpolation_type == Interpolation::LogLinear {
        let ends = (
            noise.last().map_or(0.0, |&s| f64::from(s)),
            noise.first().map_or(0.0, |&s| f64::from(s)),
        );
        (times, exponential(ends, steps + 1))
    } else {
        let sigmas = times.iter().map(|&time| at(time)).collect();
        (times, sigmas)
    };
    let spread = config.spreads() > 0;
    let last = match config.final_sigmas_type {
        FinalSigma::Zero => 0.0,
        FinalSigma::SigmaMin if kind == Kind::EulerAncestral => 0.0,
        FinalSigma::SigmaMin if kind == Kind::UniPc && spread => {
            sigmas.last().copied().unwrap_or(0.0)
        }
        FinalSigma::SigmaMin => noise.first().map_or(0.0, |&s| f64::from(s)),
    };
    // Networks that were trained on amounts of noise are asked for these.
    let times = if kind == Kind::Euler && config.is_continuous() {
        let quarter = |sigma: &f64| f64::from(0.25 * (*sigma as f32).ln());
        sigmas.iter().map(quarter).collect()
    } else {
        times
    };
    sigmas.push(last);
    Ok((times, sigmas.into_iter().map(|s| s as f32).collect()))
}

/// Times over those of training.
fn spaced(kind: Kind, config: &Config, left: &[f32], steps: usize) -> Vec<f64> {
    let train = config.num_train_timesteps;
    let multistep = matches!(kind, Kind::DpmSolver | Kind::UniPc);
    let euler = matches!(kind, Kind::Euler | Kind::EulerAncestral);
    let usual = if matches!(kind, Kind::Ddim | Kind::Ddpm | Kind::Pndm) {
        Spacing::Leading
    } else {
        Spacing::Linspace
    };
    // DPM-Solver may leave out times where nearly nothing of the picture is left.
    let clipped = match config.lambda_min_clipped {
        Some(least) if kind == Kind::DpmSolver => {
            let enough = |a: &&f32| f64::from(a.sqrt().ln() - (1.0 - **a).sqrt().ln()) >= least;
            left.iter().filter(enough).count()
        }
        _ => train,
    };
    // The multistep samplers leave out the last of one more.
    let count = steps + usize::from(multistep);
    match config.timestep_spacing.unwrap_or(usual) {
        Spacing::Linspace => {
            let step = (clipped - 1) as f64 / (count - 1).max(1) as f64;
            (0..count)
                .rev()
                .take(steps)
                .map(|i| {
                    let time = i as f64 * step;
                    if euler {
                        f64::from(time as f32)
                    } else {
                        time.round_ties_even()
                    }
                })
                .collect()
        }
        Spacing::Leading => {
            let stride = clipped / count;
            (0..count)
                .rev()
                .take(steps)
                .map(|i| (i * stride + config.steps_offset) as f64)
                .collect()
        }
        Spacing::Trailing => {
            let stride = train as f64 / steps as f64;
            let count = (clipped as f64 / stride).ceil() as usize;
            (0..count)
                .map(|i| (clipped as f64 - i as f64 * stride).round_ties_even() - 1.0)
                .collect()
        }
    }
}

/// Latent consistency: some of the times that were distilled.
fn consistent(config: &Config, steps: usize) -> Result<Vec<f64>, String> {
    let distilled = config.original_inference_steps;
    if distilled == 0 || distilled > config.num_train_timesteps || steps > distilled {
        return Err(format!(
            "{steps} steps of {distilled} distilled of {} of training",
            config.num_train_timesteps
        ));
    }
    let stride = config.num_train_timesteps / distilled;
    Ok((0..steps)
        .map(|i| {
            let index = (i as f64 * distilled as f64 / steps as f64).floor() as usize;
            ((distilled - index) * stride - 1) as f64
        })
        .collect())
}

/// Noise at a time between two of training.
fn interpolated(noise: &[f32], time: f64) -> f64 {
    let last = noise.len() - 1;
    let time = time.clamp(0.0, last as f64);
    let below = (time as usize).min(last.saturating_sub(1));
    let (a, b) = (
        f64::from(noise[below]),
        f64::from(noise[(below + 1).min(last)]),
    );
    a + (b - a) * (time - below as f64)
}

/// The time with so much noise, by the logarithms of those of training.
fn time_of(sigma: f64, logarithms: &[f64]) -> f64 {
    let wanted = sigma.max(1e-10).ln();
    let last = logarithms.len() - 1;
    let reached = logarithms.iter().filter(|&&l| wanted >= l).count();
    let low = reached.saturating_sub(1).min(last.saturating_sub(1));
    let (a, b) = (logarithms[low], logarithms[(low + 1).min(last)]);
    let share = ((a - wanted) / (a - b)).clamp(0.0, 1.0);
    low as f64 + share
}
