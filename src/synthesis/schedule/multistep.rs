//! DPM-Solver over the network's noise (Lu et al. 2022, "DPM-Solver: a fast ODE solver", algorithms 1 and 2) and
//! DPM-Solver++ over its picture (Lu et al. 2022, "DPM-Solver++: fast solver for guided sampling", algorithms 1 and 2),
//! with the stochastic form of each.
//!
//! Separate because a step looks back at the answers before it.

use candle_core::{Result, Tensor};

use super::FinalSigma;
use super::estimate::{Levels, Share, mix, thresholded};
use super::scheduler::{Options, Scheduler};

/// What the steps before left behind.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// What the network said, the newest first, as many as are looked back at: estimates of the picture or of the noise,
    /// for PNDM its answers.
    pub answers: Vec<Tensor>,
    /// Steps done; the solvers count up to their order.
    pub done: usize,
    /// Order of the step before; `UniPC` only.
    pub order: usize,
    /// Sample before the step before; `UniPC` and PNDM only.
    pub sample: Option<Tensor>,
    /// Weighted sum of the answers within a Runge–Kutta step; PNDM only.
    pub sum: Option<Tensor>,
}

impl Memory {
    pub(super) fn keep(&mut self, answer: Tensor, order: usize) {
        self.answers.insert(0, answer);
        self.answers.truncate(order.max(1));
    }
}

/// What the solver integrates: the picture, or the noise for the first DPM-Solver.
fn estimate(options: &Options, now: Share, z: &Tensor, answer: &Tensor) -> Result<Tensor> {
    let wanted = options.prediction_type;
    if !options.follows_noise() {
        let clean = now.clean(wanted, z, answer)?;
        return if options.thresholding {
            thresholded(options, &clean)
        } else {
            Ok(clean)
        };
    }
    let noise = now.epsilon(wanted, z, answer)?;
    if options.thresholding {
        let clean = mix(&[(1.0 / now.a, z), (-now.s / now.a, &noise)])?;
        return now.noise_beside(z, &thresholded(options, &clean)?);
    }
    Ok(noise)
}

/// One step, number `at`, from the sample and the network's answer.
pub(super) fn step(
    scheduler: &Scheduler,
    memory: &mut Memory,
    (at, levels): (usize, Levels<'_>),
    [z, answer]: [&Tensor; 2],
    fresh: Option<&Tensor>,
) -> Result<Tensor> {
    let options = &scheduler.options;
    let count = levels.steps();
    let now = levels.share(at);
    memory.keep(estimate(options, now, z, answer)?, options.solver_order);
    let few = options.lower_order_final && count < 15;
    let last = at + 1 == count
        && (options.euler_at_final
            || few
            || scheduler.config.final_sigmas_type == FinalSigma::Zero);
    let second = at + 2 == count && few;
    let order = if options.solver_order == 1 || memory.done < 1 || last {
        1
    } else if options.solver_order == 2 || memory.done < 2 || second {
        2
    } else {
        3
    };
    memory.done = (memory.done + 1).min(options.solver_order);
    let next = levels.share(at + 1);
    let h = next.lambda() - now.lambda();
    let curved = options.solver_type.as_deref() == Some("heun") || order == 3;
    let factors = if options.follows_noise() {
        Factors::of_noise(now, next, fresh.is_some(), curved)
    } else {
        Factors::of_picture(now, next, fresh.is_some(), curved)
    };
    let m = &memory.answers;
    let mut terms = vec![(factors.kept, z), (factors.newest, &m[0])];
    // `m0 − m1` and `m1 − m2` over their distances, gathered as factors of the three.
    let Factors { slope, bend, .. } = factors;
    let distance = |i: usize| levels.share(at - i).lambda() - levels.share(at - i - 1).lambda();
    if order == 2 {
        let r = distance(0) / h;
        terms.push((slope / r, &m[0]));
        terms.push((-slope / r, &m[1]));
    } else if order == 3 {
        let (r0, r1) = (distance(0) / h, distance(1) / h);
        // D1 = (1 + w) d0 − w d1 and D2 = (d0 − d1) / (r0 + r1), with w = r0 / (r0 + r1).
        let w = r0 / (r0 + r1);
        let near = (slope * (1.0 + w) + bend / (r0 + r1)) / r0;
        let far = (-slope * w - bend / (r0 + r1)) / r1;
        terms.push((near, &m[0]));
        terms.push((far - near, &m[1]));
        terms.push((-far, &m[2]));
    }
    if let Some(fresh) = fresh {
        terms.push((factors.fresh, fresh));
    }
    mix(&terms)
}

/// What a step multiplies.
struct Factors {
    /// The sample.
    kept: f64,
    /// The newest estimate, `D0`.
    newest: f64,
    /// The first difference, `D1`.
    slope: f64,
    /// The second, `D2`.
    bend: f64,
    /// The fresh noise.
    fresh: f64,
}

impl Factors {
    /// DPM-Solver++; `curved` takes the first difference by the integral and not by its midpoint.
    fn of_picture(now: Share, next: Share, stochastic: bool, curved: bool) -> Self {
        let h = next.lambda() - now.lambda();
        // The stochastic form goes twice as far and comes half-way back with noise.
        let (k, kept, half) = if stochastic {
            (2.0 * h, next.s / now.s * (-h).exp(), 0.5)
        } else {
            (h, next.s / now.s, -0.5)
        };
        let q = -(-k).exp_m1();
        Self {
            kept,
            newest: next.a * q,
            slope: if curved {
                next.a * (1.0 - q / k)
            } else {
                0.5 * next.a * q
            },
            bend: -next.a * ((k - q) / (k * k) + half),
            fresh: next.s * q.sqrt(),
        }
    }

    /// DPM-Solver, likewise; its stochastic form has no third order.
    fn of_noise(now: Share, next: Share, stochastic: bool, curved: bool) -> Self {
        let h = next.lambda() - now.lambda();
        let grown = h.exp_m1();
        let scale = -next.s * if stochastic { 2.0 } else { 1.0 };
        Self {
            kept: next.a / now.a,
            newest: scale * grown,
            slope: if curved {
                scale * (grown / h - 1.0)
            } else {
                0.5 * scale * grown
            },
            bend: scale * ((grown - h) / (h * h) - 0.5),
            fresh: next.s * (2.0 * h).exp_m1().sqrt(),
        }
    }
}
