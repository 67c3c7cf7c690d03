//! Scaling of given pictures as Pillow's `resize(…, LANCZOS)` scales them: squares, as crops are, byte for byte.
//!
//! Separate from the project's own scaling: hints of networks that others have trained are scaled by their programs this
//! way, and what those saw is what is wanted here (`src/libImaging/Resample.c`; which axis of a picture that is no square
//! comes first differs between the versions of Pillow).

use crate::grid::Grid;

/// Zeros of the kernel on either side.
const SUPPORT: f64 = 3.0;
/// Bits of a weight behind the point.
const BITS: u32 = 22;

/// Weights of one output position along one axis.
struct Taps {
    start: usize,
    weights: Vec<i64>,
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * std::f64::consts::PI;
    x.sin() / x
}

fn kernel(x: f64) -> f64 {
    if (-SUPPORT..SUPPORT).contains(&x) {
        sinc(x) * sinc(x / SUPPORT)
    } else {
        0.0
    }
}

fn axis(from: usize, to: usize) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    (0..to)
        .map(|i| {
            let center = (i as f64 + 0.5) * scale;
            let start = (center - SUPPORT * stretch + 0.5).max(0.0) as usize;
            let end = ((center + SUPPORT * stretch + 0.5) as usize).min(from);
            let weights: Vec<f64> = (start..end)
                .map(|at| kernel((at as f64 - center + 0.5) / stretch))
                .collect();
            let total: f64 = weights.iter().sum();
            let fixed = |weight: &f64| {
                let scaled = weight / total * f64::from(1_u32 << BITS);
                (scaled + 0.5_f64.copysign(scaled)) as i64
            };
            Taps {
                start,
                weights: weights.iter().map(fixed).collect(),
            }
        })
        .collect()
}

fn mixed(values: impl Iterator<Item = u8>, taps: &Taps) -> u8 {
    let sum: i64 = values
        .zip(&taps.weights)
        .map(|(value, weight)| i64::from(value) * weight)
        .sum();
    ((sum + (1 << (BITS - 1))) >> BITS).clamp(0, 255) as u8
}

/// `source` at another size; an empty source or target gives a black grid.
pub fn resize_lanczos(source: &Grid<u8>, width: usize, height: usize) -> Grid<u8> {
    if source.size() == (width, height) {
        return source.clone();
    }
    if source.is_empty() || width == 0 || height == 0 {
        return Grid::filled(width, height, 0);
    }
    let across = if source.width() == width {
        source.clone()
    } else {
        let columns = axis(source.width(), width);
        Grid::from_fn(width, source.height(), |x, y| {
            let taps = &columns[x];
            mixed(source.row(y)[taps.start..].iter().copied(), taps)
        })
    };
    if source.height() == height {
        return across;
    }
    let rows = axis(source.height(), height);
    Grid::from_fn(width, height, |x, y| {
        let taps = &rows[y];
        mixed((taps.start..).map(|row| across[(x, row)]), taps)
    })
}
