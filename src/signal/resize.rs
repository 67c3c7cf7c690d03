//! Scaling between image and model pixels: area average when shrinking, Catmull–Rom when enlarging.
//!
//! Edges coincide (not centers), constants stay constant, and shrinking keeps the mean: no aliasing, no half-pixel
//! shift, whatever the two sizes are.

use rayon::prelude::*;

use crate::grid::Grid;

/// Weights of one output position along one axis.
struct Taps {
    start: usize,
    weights: Vec<f32>,
}

fn axis(from: usize, to: usize) -> Vec<Taps> {
    let ratio = from as f64 / to as f64;
    (0..to)
        .map(|i| {
            if ratio >= 1.0 {
                area_taps(i as f64 * ratio, (i + 1) as f64 * ratio, from)
            } else {
                cubic_taps((i as f64 + 0.5) * ratio - 0.5, from)
            }
        })
        .collect()
}

/// The share of each input cell in the interval `[low, high)`.
fn area_taps(low: f64, high: f64, from: usize) -> Taps {
    let start = (low + 1e-9).floor().max(0.0) as usize;
    let end = ((high - 1e-9).ceil() as usize).clamp(start + 1, from.max(start + 1));
    let weights = (start..end)
        .map(|cell| {
            let covered = high.min(cell as f64 + 1.0) - low.max(cell as f64);
            (covered.max(0.0) / (high - low)) as f32
        })
        .collect();
    Taps { start, weights }
}

/// Catmull–Rom weights at a position between cell centers; cells outside repeat the border.
fn cubic_taps(at: f64, from: usize) -> Taps {
    let base = at.floor();
    let t = at - base;
    let cubic = [
        -0.5 * t + t * t - 0.5 * t * t * t,
        1.0 - 2.5 * t * t + 1.5 * t * t * t,
        0.5 * t + 2.0 * t * t - 1.5 * t * t * t,
        -0.5 * t * t + 0.5 * t * t * t,
    ];
    let last = from as i64 - 1;
    let first = (base as i64 - 1).clamp(0, last);
    let mut weights = vec![0.0; ((base as i64 + 2).clamp(0, last) - first + 1) as usize];
    for (k, weight) in cubic.iter().enumerate() {
        let cell = (base as i64 - 1 + k as i64).clamp(0, last);
        weights[(cell - first) as usize] += *weight as f32;
    }
    Taps {
        start: first as usize,
        weights,
    }
}

/// `source` at another size; an empty source or target gives an empty or zero grid.
pub fn resize(source: &Grid<f32>, width: usize, height: usize) -> Grid<f32> {
    if source.size() == (width, height) {
        return source.clone();
    }
    if source.is_empty() || width == 0 || height == 0 {
        return Grid::filled(width, height, 0.0);
    }
    let columns = axis(source.width(), width);
    let rows = axis(source.height(), height);
    let mut across = Grid::filled(width, source.height(), 0.0_f32);
    across
        .cells_mut()
        .par_chunks_mut(width)
        .enumerate()
        .for_each(|(y, line)| {
            let from = source.row(y);
            for (cell, taps) in line.iter_mut().zip(&columns) {
                let part = &from[taps.start..taps.start + taps.weights.len()];
                *cell = part.iter().zip(&taps.weights).map(|(v, w)| v * w).sum();
            }
        });
    let mut result = Grid::filled(width, height, 0.0_f32);
    result
        .cells_mut()
        .par_chunks_mut(width)
        .zip(&rows)
        .for_each(|(line, taps)| {
            for (k, weight) in taps.weights.iter().enumerate() {
                for (cell, value) in line.iter_mut().zip(across.row(taps.start + k)) {
                    *cell += weight * value;
                }
            }
        });
    result
}

/// A raster of lines at another size, 0–1: when shrinking, a cell takes the largest value it covers, so that a thin
/// line stays a line of full strength; when enlarging, the nearest value.
pub fn resize_lines(source: &Grid<u8>, width: usize, height: usize) -> Grid<f32> {
    if source.is_empty() || width == 0 || height == 0 {
        return Grid::filled(width, height, 0.0);
    }
    let span = |i: usize, from: usize, to: usize| {
        let start = (i * from / to).min(from - 1);
        let end = ((i + 1) * from).div_ceil(to).clamp(start + 1, from);
        if from <= to {
            let nearest = ((2 * i + 1) * from / (2 * to)).min(from - 1);
            (nearest, nearest + 1)
        } else {
            (start, end)
        }
    };
    Grid::from_fn(width, height, |x, y| {
        let (left, right) = span(x, source.width(), width);
        let (top, bottom) = span(y, source.height(), height);
        let largest = (top..bottom)
            .map(|row| {
                source.row(row)[left..right]
                    .iter()
                    .copied()
                    .max()
                    .unwrap_or(0)
            })
            .max();
        f32::from(largest.unwrap_or(0)) / 255.0
    })
}
