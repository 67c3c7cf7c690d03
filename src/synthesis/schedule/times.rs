//! The times a sampler visits and the noise at each.
//!
//! Separate from the variances of training: here the number of steps comes in.

use super::spread::{by_beta, exponential, karras, straight};
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
        return Ok((consistent(config, steps, 1.0)?, Vec::new()));
    }
    let times = spaced(kind, config, left, steps)?;
    if matches!(kind, Kind::Ddim | Kind::Ddpm) {
        return Ok((times, Vec::new()));
    }
    if kind == Kind::Pndm {
        return Ok((super::pndm::asked(config, times, steps)?, Vec::new()));
    }
    let training = Training::new(left);
    let (times, mut sigmas) = training.spread(kind, config, times, steps);
    let own_end = kind == Kind::UniPc && (config.use_flow_sigmas || config.spreads() > 0);
    let last = match config.final_sigmas_type {
        FinalSigma::Zero => 0.0,
        FinalSigma::SigmaMin if kind == Kind::EulerAncestral => 0.0,
        FinalSigma::SigmaMin if own_end => sigmas.last().copied().unwrap_or(0.0),
        FinalSigma::SigmaMin => training.ends().1,
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

/// The noise of training, by its times.
struct Training {
    sigmas: Vec<f32>,
    logarithms: Vec<f64>,
}

impl Training {
    fn new(left: &[f32]) -> Self {
        let sigmas: Vec<f32> = left.iter().map(|a| ((1.0 - a) / a).sqrt()).collect();
        Self {
            logarithms: sigmas.iter().map(|s| f64::from(s.ln())).collect(),
            sigmas,
        }
    }

    /// The most of it and the least.
    fn ends(&self) -> (f64, f64) {
        let of = |sigma: Option<&f32>| sigma.map_or(0.0, |&sigma| f64::from(sigma));
        (of(self.sigmas.last()), of(self.sigmas.first()))
    }

    /// Noise at a time between two of training.
    fn at(&self, time: f64) -> f64 {
        interpolated(&self.sigmas, time)
    }

    /// Times and noise by the rule of the settings, over times that are spread already.
    fn spread(
        &self,
        kind: Kind,
        config: &Config,
        times: Vec<f64>,
        steps: usize,
    ) -> (Vec<f64>, Vec<f64>) {
        let own = |times: Vec<f64>| {
            let sigmas = times.iter().map(|&time| self.at(time)).collect();
            (times, sigmas)
        };
        if kind == Kind::EulerAncestral {
            return own(times);
        }
        let (euler, unipc) = (kind == Kind::Euler, kind == Kind::UniPc);
        let evenly = euler && config.interpolation_type == Interpolation::LogLinear;
        // The most and the least noise: of the sampler's own times for Euler, of training for the others.
        let (most, least) = match (times.first(), times.last()) {
            (Some(&first), Some(&last)) if euler && !evenly => (self.at(first), self.at(last)),
            _ => self.ends(),
        };
        let ends = (
            config.sigma_max.unwrap_or(most),
            config.sigma_min.unwrap_or(least),
        );
        let cosine = config.beta_schedule == Some(super::BetaSchedule::SquaredCosine);
        let rounded = match kind {
            Kind::Euler => Rounding::Single,
            Kind::DpmSolver if cosine => Rounding::Down,
            _ => Rounding::Nearest,
        };
        let cut = if euler {
            Rounding::Single
        } else {
            Rounding::Down
        };
        if config.use_karras_sigmas {
            let sigmas = karras(ends, steps);
            if config.use_flow_sigmas && unipc {
                // Noise over signal becomes the share of the noise.
                return along(config, sigmas.into_iter().map(|s| s / (s + 1.0)).collect());
            }
            return self.timed(sigmas, rounded);
        }
        if config.use_lu_lambdas && kind == Kind::DpmSolver {
            let rounded = if cosine {
                Rounding::DownInSingle
            } else {
                rounded
            };
            return self.timed(exponential((most, least), steps), rounded);
        }
        if config.use_exponential_sigmas {
            return self.timed(exponential(ends, steps), cut);
        }
        if config.use_beta_sigmas {
            return self.timed(by_beta(ends, steps), cut);
        }
        if config.use_flow_sigmas {
            return along(config, straight(config, steps, unipc));
        }
        if evenly {
            return (times, exponential((most, least), steps + 1));
        }
        own(times)
    }

    /// Amounts of noise with the times that have them.
    fn timed(&self, sigmas: Vec<f64>, rounding: Rounding) -> (Vec<f64>, Vec<f64>) {
        let times = sigmas.iter().map(|&sigma| {
            let time = time_of(sigma, &self.logarithms);
            match rounding {
                Rounding::Single => f64::from(time as f32),
                Rounding::Nearest => time.round_ties_even(),
                Rounding::Down => time.trunc(),
                Rounding::DownInSingle => (time + 1e-5).trunc(),
            }
        });
        (times.collect(), sigmas)
    }
}

/// How a time between two of training is written.
#[derive(Clone, Copy)]
enum Rounding {
    /// As an f32.
    Single,
    /// The nearest one of training.
    Nearest,
    /// The one below.
    Down,
    /// The same where the peer computes in f32: its ends come back as they were.
    DownInSingle,
}

/// Amounts of noise on a straight line with their times, which are their shares of training.
fn along(config: &Config, sigmas: Vec<f64>) -> (Vec<f64>, Vec<f64>) {
    let train = config.num_train_timesteps as f64;
    let times = sigmas.iter().map(|sigma| (sigma * train).trunc());
    (times.collect(), sigmas)
}

/// Times over those of training.
fn spaced(kind: Kind, config: &Config, left: &[f32], steps: usize) -> Result<Vec<f64>, String> {
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
    if clipped == 0 {
        return Err(format!(
            "lambda_min_clipped = {} leaves no time of training",
            config.lambda_min_clipped.unwrap_or_default()
        ));
    }
    // The multistep samplers leave out the last of one more.
    let count = steps + usize::from(multistep);
    Ok(match config.timestep_spacing.unwrap_or(usual) {
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
    })
}

/// Latent consistency: some of the times that were distilled; below a `strength` of 1 of that share of them which has
/// the least noise.
pub(super) fn consistent(config: &Config, steps: usize, strength: f64) -> Result<Vec<f64>, String> {
    let (distilled, train) = (config.original_inference_steps, config.num_train_timesteps);
    let share = (distilled as f64 * strength.clamp(0.0, 1.0)) as usize;
    if distilled == 0 || distilled > train || steps == 0 || steps > share {
        let left = if share == distilled {
            String::new()
        } else {
            format!("{share}, which a strength of {strength} leaves of ")
        };
        return Err(format!(
            "{steps} steps of {left}{distilled} distilled of {train} of training"
        ));
    }
    let stride = train / distilled;
    // In this order, as the peer computes it: the last bit decides where a share falls on a whole number.
    let step = share as f64 / steps as f64;
    Ok((0..steps)
        .map(|i| ((share - (i as f64 * step).floor() as usize) * stride - 1) as f64)
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
