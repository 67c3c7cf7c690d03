//! Variances of the steps of training, and what is left of the picture after each.
//!
//! In f32 as the peer's are; products run in f64 and are rounded once each.

use super::{BetaSchedule, Config, Kind};

/// `ᾱ` of every step of training.
pub(super) fn left(kind: Kind, config: &Config) -> Result<Vec<f32>, String> {
    let betas = betas(kind, config)?;
    let betas = if config.rescale_betas_zero_snr && kind != Kind::Pndm {
        without_signal_at_end(&betas)
    } else {
        betas
    };
    Ok(products(&betas))
}

fn betas(kind: Kind, config: &Config) -> Result<Vec<f32>, String> {
    let count = config.num_train_timesteps;
    if let Some(betas) = &config.trained_betas {
        return if betas.len() == count {
            Ok(betas.clone())
        } else {
            Err(format!(
                "trained_betas has {} values for {count} steps",
                betas.len()
            ))
        };
    }
    let (start, end, schedule) = if kind == Kind::Lcm {
        (0.00085, 0.012, BetaSchedule::ScaledLinear)
    } else {
        (0.0001, 0.02, BetaSchedule::Linear)
    };
    let start = config.beta_start.unwrap_or(start);
    let end = config.beta_end.unwrap_or(end);
    let schedule = config.beta_schedule.unwrap_or(schedule);
    if matches!(schedule, BetaSchedule::Sigmoid | BetaSchedule::Laplace) && kind != Kind::Ddpm {
        return Err(
            format!("beta_schedule = {schedule:?} is of the DDPM scheduler alone").to_lowercase(),
        );
    }
    Ok(match schedule {
        BetaSchedule::Linear => even(start as f32, end as f32, count),
        BetaSchedule::ScaledLinear => even(start.sqrt() as f32, end.sqrt() as f32, count)
            .into_iter()
            .map(|root| root * root)
            .collect(),
        BetaSchedule::SquaredCosine => following(count, |t| {
            let angle = (t + 0.008) / 1.008;
            (angle * std::f64::consts::FRAC_PI_2).cos().powi(2)
        }),
        BetaSchedule::Laplace => following(count, |t| {
            let away = 0.5 - t;
            let logarithm = -0.5_f64.copysign(away) * (1.0 - 2.0 * away.abs() + 1e-6).ln();
            let ratio = logarithm.exp();
            (ratio / (1.0 + ratio)).sqrt()
        }),
        BetaSchedule::Sigmoid => even(-6.0, 6.0, count)
            .into_iter()
            .map(|x| (end - start) as f32 / (1.0 + (-x).exp()) + start as f32)
            .collect(),
    })
}

/// Variances so that what is left of the picture follows `left` of the share of training, 0 to 1.
fn following(count: usize, left: impl Fn(f64) -> f64) -> Vec<f32> {
    let at = |i: usize| left(i as f64 / count as f64);
    (0..count)
        .map(|i| (1.0 - at(i + 1) / at(i)).min(0.999) as f32)
        .collect()
}

/// `count` values from `start` to `end`, counted from the nearer one.
fn even(start: f32, end: f32, count: usize) -> Vec<f32> {
    if count == 1 {
        return vec![start];
    }
    let step = (end - start) / (count - 1) as f32;
    (0..count)
        .map(|i| {
            if i < count / 2 {
                step.mul_add(i as f32, start)
            } else {
                (-step).mul_add((count - 1 - i) as f32, end)
            }
        })
        .collect()
}

fn products(betas: &[f32]) -> Vec<f32> {
    let mut product = 1.0_f64;
    betas
        .iter()
        .map(|beta| {
            product *= f64::from(1.0 - beta);
            product as f32
        })
        .collect()
}

/// Lin et al. 2024, "Common diffusion noise schedules and sample steps are flawed", algorithm 1.
fn without_signal_at_end(betas: &[f32]) -> Vec<f32> {
    let roots: Vec<f32> = products(betas).into_iter().map(f32::sqrt).collect();
    let (Some(&first), Some(&last)) = (roots.first(), roots.last()) else {
        return Vec::new();
    };
    let factor = first / (first - last);
    let left: Vec<f32> = roots
        .into_iter()
        .map(|root| {
            let moved = (root - last) * factor;
            moved * moved
        })
        .collect();
    (0..left.len())
        .map(|i| {
            1.0 - if i == 0 {
                left[0]
            } else {
                left[i] / left[i - 1]
            }
        })
        .collect()
}
