//! How a film looks, in numbers: what tells a drawn film from a real one before any eye does.
//!
//! Estimators of contrast, edges, noise and spectrum on 8-bit grey at a fixed size, the figures that real films gave
//! under the same estimators, and the limits ("gates") between the two. Separate from the drawing, which must not know
//! what it is measured by.

mod gates;
mod reference;
mod spectrum;
mod surface;

pub use gates::{Gate, Summary, gates};
pub use reference::{LEAST_FILMS, REFERENCES, Reference, Spread};
pub use spectrum::tile_slope;

use crate::geometry::PixelRect;
use crate::grid::Grid;
use crate::signal::blur;

/// Names of the numbers of [`Look::values`], in order.
pub const NAMES: [&str; 15] = [
    "fg fraction",
    "fg mean",
    "fg SD",
    "beta tile",
    "beta tile high",
    "sigma flat",
    "gradient mean",
    "gradient p95",
    "gradient p99",
    "edge",
    "bp1",
    "bp2",
    "bp4",
    "bp8",
    "bp16",
];

/// Places of numbers in [`NAMES`].
pub mod place {
    /// Mean grey of the foreground, 0–1.
    pub const MEAN: usize = 1;
    /// Standard deviation of the foreground's grey, 0–1.
    pub const DEVIATION: usize = 2;
    /// Slope of the tiles' spectrum.
    pub const BETA: usize = 3;
    /// Noise in flat places, grey levels of 255.
    pub const SIGMA: usize = 5;
    /// Mean gradient.
    pub const GRADIENT: usize = 6;
    /// 99th percentile of the gradient.
    pub const STEEPEST: usize = 8;
    /// Width of the sharpest edges, pixels.
    pub const EDGE: usize = 9;
    /// First of the five bands.
    pub const BANDS: usize = 10;
}

/// The look of one film.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// One number for each of [`NAMES`]; absent where it cannot be measured (too small a foreground).
    pub values: [Option<f64>; NAMES.len()],
    /// Share of each of the 256 grey levels, over the whole film.
    pub histogram: Vec<f64>,
}

/// Grey that is anatomy: above .06 and above the film's own black (its first percentile) by .03, opened twice.
pub fn foreground(grey: &Grid<f32>) -> Grid<bool> {
    let black = percentile(grey.cells().to_vec(), 0.01).unwrap_or(0.0);
    let limit = (black + 0.03).max(0.06);
    let mut mask = grey.map(|v| *v > limit);
    for _ in 0..2 {
        mask = eroded(&mask);
    }
    for _ in 0..2 {
        mask = eroded(&mask.map(|v| !v)).map(|v| !v);
    }
    mask
}

/// Without its border pixels (4 neighbors; outside the film counts as inside).
fn eroded(mask: &Grid<bool>) -> Grid<bool> {
    let (w, h) = mask.size();
    Grid::from_fn(w, h, |x, y| {
        mask[(x, y)]
            && (x == 0 || mask[(x - 1, y)])
            && (x + 1 == w || mask[(x + 1, y)])
            && (y == 0 || mask[(x, y - 1)])
            && (y + 1 == h || mask[(x, y + 1)])
    })
}

/// The value below which a share `q` (0–1) of the values lies; `None` when there are none.
fn percentile(mut values: Vec<f32>, q: f64) -> Option<f32> {
    if values.is_empty() {
        return None;
    }
    let at = ((values.len() - 1) as f64 * q).round() as usize;
    Some(*values.select_nth_unstable_by(at, f32::total_cmp).1)
}

/// The part inside rows and columns of one grey (range up to 6/255) at the borders.
pub fn content(grey: &Grid<f32>) -> PixelRect {
    let (w, h) = grey.size();
    let flat = |values: &mut dyn Iterator<Item = f32>| {
        let (mut low, mut high) = (f32::MAX, f32::MIN);
        for v in values {
            low = low.min(v);
            high = high.max(v);
        }
        high - low <= 6.0 / 255.0
    };
    let row_is_flat = |y: &usize| flat(&mut grey.row(*y).iter().copied());
    let top = (0..h).take_while(row_is_flat).count();
    let low = (top..h).rev().take_while(row_is_flat).count();
    let column_is_flat = |x: &usize| flat(&mut (top..h - low).map(|y| grey[(*x, y)]));
    let left = (0..w).take_while(column_is_flat).count();
    let right = (left..w).rev().take_while(column_is_flat).count();
    PixelRect::new(left as i64, top as i64, w - left - right, h - top - low)
}

/// Measures a film of grey 0–1 at its own size, which shall be 256 pixels on the longer side.
pub fn look(grey: &Grid<f32>) -> Look {
    let mask = foreground(grey);
    let inside: Vec<f64> = grey
        .cells()
        .iter()
        .zip(mask.cells())
        .filter(|(_, m)| **m)
        .map(|(v, _)| f64::from(*v))
        .collect();
    let mut values = [None; NAMES.len()];
    values[0] = (!grey.is_empty()).then(|| inside.len() as f64 / grey.len() as f64);
    if let Some((mean, deviation)) = moments(&inside) {
        values[place::MEAN] = Some(mean);
        values[place::DEVIATION] = Some(deviation);
    }
    values[place::BETA] = spectrum::tile_slope(grey, Some(&mask), 2.5 / 64.0, 0.25);
    values[place::BETA + 1] = spectrum::tile_slope(grey, Some(&mask), 0.25, 0.48);
    let slope = surface::gradient(grey);
    values[place::SIGMA] = surface::flat_noise(grey, &slope, &mask).map(|v| 255.0 * v);
    let inner = surface::picked(&slope, &mask);
    let steep = |q| percentile(inner.clone(), q).map(|v| 255.0 * f64::from(v));
    let all: Vec<f64> = inner.iter().map(|v| f64::from(*v)).collect();
    values[place::GRADIENT] = moments(&all).map(|m| 255.0 * m.0);
    values[place::GRADIENT + 1] = steep(0.95);
    values[place::STEEPEST] = steep(0.99);
    values[place::EDGE] = surface::edge_width(grey, &slope);
    for (i, value) in values[place::BANDS..].iter_mut().enumerate() {
        let sigma = f64::from(1_u32 << i);
        let (a, b) = (
            blur::sampled_gaussian(grey, sigma),
            blur::sampled_gaussian(grey, 1.6 * sigma),
        );
        let band: Vec<f64> = a
            .cells()
            .iter()
            .zip(b.cells())
            .zip(mask.cells())
            .filter(|(_, m)| **m)
            .map(|((a, b), _)| f64::from(a - b))
            .collect();
        *value = moments(&band).map(|m| 255.0 * m.1);
    }
    let mut histogram = vec![0.0; 256];
    for v in grey.cells() {
        histogram[(v.clamp(0.0, 1.0) * 255.0).round() as usize] += 1.0 / grey.len() as f64;
    }
    Look { values, histogram }
}

/// Mean and standard deviation; `None` of nothing.
pub fn moments(values: &[f64]) -> Option<(f64, f64)> {
    if values.is_empty() {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    Some((mean, variance.sqrt()))
}
