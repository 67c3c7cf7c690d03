//! DPM-Solver++ (Lu et al. 2022, "DPM-Solver++: fast solver for guided sampling", algorithms 1 and 2).
//!
//! Separate because a step looks back at the answers before it.

use candle_core::{Result, Tensor};

use super::FinalSigma;
use super::scheduler::Scheduler;
use super::walk::{Share, mix};

/// What the steps before left behind.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// Estimates of the picture, the newest first; three at most. For PNDM the network's answers, four at most.
    pub clean: Vec<Tensor>,
    /// Steps done, counted up to the order.
    pub done: usize,
    /// Order of the step before; `UniPC` only.
    pub order: usize,
    /// Sample before the step before; `UniPC` and PNDM only.
    pub sample: Option<Tensor>,
}

impl Memory {
    pub(super) fn keep(&mut self, clean: Tensor, order: usize) {
        self.clean.insert(0, clean);
        self.clean.truncate(order.max(1));
    }
}

/// The share of the picture at a step, as the solvers have it.
pub(super) fn share(sigmas: &[f32], index: usize) -> Share {
    Share::noise(sigmas.get(index).map_or(0.0, |sigma| f64::from(*sigma)))
}

/// One step `(index, sigmas)` from the sample and the network's answer.
pub(super) fn step(
    scheduler: &Scheduler,
    memory: &mut Memory,
    (at, sigmas): (usize, &[f32]),
    [z, answer]: [&Tensor; 2],
    fresh: Option<&Tensor>,
) -> Result<Tensor> {
    let options = &scheduler.options;
    let count = sigmas.len() - 1;
    let now = share(sigmas, at);
    let clean = now.clean(options.prediction_type, z, answer)?;
    memory.keep(clean, options.solver_order);
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
    let next = share(sigmas, at + 1);
    let h = next.lambda() - now.lambda();
    // The stochastic form goes twice as far and comes half-way back with noise.
    let (k, kept) = match fresh {
        Some(_) => (2.0 * h, next.s / now.s * (-h).exp()),
        None => (h, next.s / now.s),
    };
    let q = -(-k).exp_m1();
    let m = &memory.clean;
    let mut terms = vec![(kept, z), (next.a * q, &m[0])];
    // `m0 − m1` and `m1 − m2` over their distances, gathered as factors of the three.
    let first = if options.solver_type.as_deref() == Some("heun") || order == 3 {
        next.a * (1.0 - q / k)
    } else {
        0.5 * next.a * q
    };
    let distance = |i: usize| share(sigmas, at - i).lambda() - share(sigmas, at - i - 1).lambda();
    if order == 2 {
        let r = distance(0) / h;
        terms.push((first / r, &m[0]));
        terms.push((-first / r, &m[1]));
    } else if order == 3 {
        let (r0, r1) = (distance(0) / h, distance(1) / h);
        let half = if fresh.is_some() { 0.5 } else { -0.5 };
        let second = -next.a * ((k - q) / (k * k) + half);
        // D1 = (1 + w) d0 − w d1 and D2 = (d0 − d1) / (r0 + r1), with w = r0 / (r0 + r1).
        let w = r0 / (r0 + r1);
        let near = (first * (1.0 + w) + second / (r0 + r1)) / r0;
        let far = (-first * w - second / (r0 + r1)) / r1;
        terms.push((near, &m[0]));
        terms.push((far - near, &m[1]));
        terms.push((-far, &m[2]));
    }
    if let Some(fresh) = fresh {
        terms.push((next.s * q.sqrt(), fresh));
    }
    mix(&terms)
}
