//! `UniPC` (Zhao et al. 2023, "UniPC: a unified predictor-corrector framework", algorithms 5–8, B(h)).
//!
//! Separate from DPM-Solver++: every answer first corrects the sample it was asked at.

use candle_core::{Result, Tensor};

use super::estimate::{Levels, mix, thresholded};
use super::multistep::Memory;
use super::scheduler::Options;

/// One step, number `at`, from the sample and the network's answer.
pub(super) fn step(
    options: &Options,
    memory: &mut Memory,
    (at, levels): (usize, Levels<'_>),
    [z, answer]: [&Tensor; 2],
) -> Result<Tensor> {
    let now = levels.share(at);
    let newest = if options.predict_x0 {
        let clean = now.clean(options.prediction_type, z, answer)?;
        if options.thresholding {
            thresholded(options, &clean)?
        } else {
            clean
        }
    } else {
        now.epsilon(options.prediction_type, z, answer)?
    };
    let corrects = at > 0 && !options.disable_corrector.contains(&(at - 1));
    let z = match memory.sample.take().filter(|_| corrects) {
        Some(before) => {
            let order = memory.order;
            let solver = Solver::new(options, levels, at - 1, order);
            let weights = if order == 1 {
                vec![0.5]
            } else {
                solver.weights(order)
            };
            let (own, looked_back) = weights.split_at(order - 1);
            let end = (looked_back[0], &newest);
            solver.moved(&before, &memory.answers, own, Some(end))?
        }
        None => z.clone(),
    };
    memory.keep(newest, options.solver_order);
    let left = if options.lower_order_final {
        options.solver_order.min(levels.steps() - at)
    } else {
        options.solver_order
    };
    let order = left.min(memory.done + 1);
    let solver = Solver::new(options, levels, at, order);
    let weights = match order {
        1 => Vec::new(),
        2 => vec![0.5],
        _ => solver.weights(order - 1),
    };
    let next = solver.moved(&z, &memory.answers, &weights, None)?;
    memory.order = order;
    memory.done = (memory.done + 1).min(options.solver_order);
    memory.sample = Some(z);
    Ok(next)
}

/// The numbers of one step between two amounts of noise.
struct Solver {
    /// Factor on the sample.
    kept: f64,
    /// Factor on the newest estimate.
    newest: f64,
    /// Factor on the weighted differences.
    scale: f64,
    /// Distances of the estimates looked back at, over that of the step; 1 for the step's end.
    ratios: Vec<f64>,
    /// Right sides of the conditions of each order.
    sides: Vec<f64>,
}

impl Solver {
    fn new(options: &Options, levels: Levels<'_>, from: usize, order: usize) -> Self {
        let (now, next) = (levels.share(from), levels.share(from + 1));
        let h = next.lambda() - now.lambda();
        // Over the noise the integral runs the other way, and picture and noise change places.
        let (way, kept, side) = if options.predict_x0 {
            (-h, next.s / now.s, next.a)
        } else {
            (h, next.a / now.a, next.s)
        };
        let first = way.exp_m1();
        let scale = if options.solver_type.as_deref() == Some("bh1") {
            way
        } else {
            first
        };
        let mut ratios: Vec<f64> = (1..order)
            .map(|i| (levels.share(from - i).lambda() - now.lambda()) / h)
            .collect();
        ratios.push(1.0);
        let mut sides = Vec::with_capacity(order);
        let (mut factorial, mut phi) = (1.0, first / way - 1.0);
        for i in 1..=order {
            sides.push(phi * factorial / scale);
            factorial *= (i + 1) as f64;
            phi = phi / way - 1.0 / factorial;
        }
        Self {
            kept,
            newest: -side * first,
            scale: -side * scale,
            ratios,
            sides,
        }
    }

    /// Weights that fulfil the first `count` conditions.
    fn weights(&self, count: usize) -> Vec<f64> {
        let rows: Vec<Vec<f64>> = (0..count)
            .map(|power| {
                let ratios = self.ratios[..count].iter();
                ratios.map(|r| r.powi(power as i32)).collect()
            })
            .collect();
        solved(rows, self.sides[..count].to_vec())
    }

    /// The sample at the end of the step; `said[0]` was estimated at its begin, `end` with its weight at its end.
    fn moved(
        &self,
        z: &Tensor,
        said: &[Tensor],
        weights: &[f64],
        end: Option<(f64, &Tensor)>,
    ) -> Result<Tensor> {
        let mut own = self.newest;
        let mut terms = vec![(self.kept, z)];
        for (i, weight) in weights.iter().enumerate() {
            let factor = self.scale * weight / self.ratios[i];
            terms.push((factor, &said[i + 1]));
            own -= factor;
        }
        if let Some((weight, tensor)) = end {
            let factor = self.scale * weight;
            terms.push((factor, tensor));
            own -= factor;
        }
        terms.push((own, &said[0]));
        mix(&terms)
    }
}

/// Gaussian elimination with the largest pivot; as many unknowns as the order.
fn solved(mut rows: Vec<Vec<f64>>, mut sides: Vec<f64>) -> Vec<f64> {
    let n = sides.len();
    for column in 0..n {
        let pivot = (column..n)
            .max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))
            .unwrap_or(column);
        rows.swap(column, pivot);
        sides.swap(column, pivot);
        let pivot = rows[column].clone();
        for row in column + 1..n {
            let factor = rows[row][column] / pivot[column];
            for (cell, above) in rows[row].iter_mut().zip(&pivot).skip(column) {
                *cell -= factor * above;
            }
            sides[row] -= factor * sides[column];
        }
    }
    for column in (0..n).rev() {
        let known: f64 = (column + 1..n).map(|k| rows[column][k] * sides[k]).sum();
        sides[column] = (sides[column] - known) / rows[column][column];
    }
    sides
}
