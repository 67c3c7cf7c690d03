//! Noise in flat places and the steepness and width of edges.

use super::{eroded, percentile};
use crate::grid::Grid;
use crate::signal::blur;

/// Length of the gradient by central differences, grey a pixel; the border repeats.
pub(super) fn gradient(grey: &Grid<f32>) -> Grid<f32> {
    let (w, h) = grey.size();
    Grid::from_fn(w, h, |x, y| {
        let (l, r) = (x.saturating_sub(1), (x + 1).min(w - 1));
        let (t, b) = (y.saturating_sub(1), (y + 1).min(h - 1));
        let dx = (grey[(r, y)] - grey[(l, y)]) / (r - l).max(1) as f32;
        let dy = (grey[(x, b)] - grey[(x, t)]) / (b - t).max(1) as f32;
        dx.hypot(dy)
    })
}

/// Median, over the flattest fifth of the foreground, of the local (9 × 9) root mean square of what the kernel
/// `[1 -2 1; -2 4 -2; 1 -2 1]/6` leaves: the deviation of white noise.
pub(super) fn flat_noise(grey: &Grid<f32>, slope: &Grid<f32>, mask: &Grid<bool>) -> Option<f64> {
    let (w, h) = grey.size();
    if w < 9 || h < 9 {
        return None;
    }
    let mut inner = mask.clone();
    for _ in 0..3 {
        inner = eroded(&inner);
    }
    let squared = Grid::from_fn(w, h, |x, y| {
        let at = |dx: i64, dy: i64| {
            let x = (x as i64 + dx).clamp(0, w as i64 - 1) as usize;
            let y = (y as i64 + dy).clamp(0, h as i64 - 1) as usize;
            grey[(x, y)]
        };
        let corners = at(-1, -1) + at(1, -1) + at(-1, 1) + at(1, 1);
        let sides = at(-1, 0) + at(1, 0) + at(0, -1) + at(0, 1);
        let rest = (corners - 2.0 * sides + 4.0 * at(0, 0)) / 6.0;
        rest * rest
    });
    let steps: Vec<f32> = picked(slope, &inner);
    let limit = percentile(steps, 0.2)?;
    let local = blur::boxed(&squared, 4);
    let flat: Vec<f32> = local
        .cells()
        .iter()
        .zip(slope.cells())
        .zip(inner.cells())
        .filter(|((_, s), m)| **m && **s <= limit)
        .map(|((v, _), _)| v.max(0.0).sqrt())
        .collect();
    percentile(flat, 0.5).map(f64::from)
}

pub(super) fn picked(values: &Grid<f32>, mask: &Grid<bool>) -> Vec<f32> {
    values
        .cells()
        .iter()
        .zip(mask.cells())
        .filter(|(_, m)| **m)
        .map(|(v, _)| *v)
        .collect()
}

/// Median distance in pixels between 10 and 90 % of the step, along the gradient, at the steepest 1/200 of pixels.
pub(super) fn edge_width(grey: &Grid<f32>, slope: &Grid<f32>) -> Option<f64> {
    let limit = percentile(slope.cells().to_vec(), 0.995)?;
    let (w, h) = grey.size();
    let mut widths = Vec::new();
    for y in 1..h.saturating_sub(1) {
        for x in 1..w.saturating_sub(1) {
            if slope[(x, y)] < limit || slope[(x, y)] <= 0.0 {
                continue;
            }
            let dx = grey[(x + 1, y)] - grey[(x - 1, y)];
            let dy = grey[(x, y + 1)] - grey[(x, y - 1)];
            let along = f64::from(dx.hypot(dy)).max(1e-9);
            let step = (f64::from(dx) / along, f64::from(dy) / along);
            if let Some(width) = width_at(grey, (x, y), step) {
                widths.push(width as f32);
            }
        }
    }
    percentile(widths, 0.5).map(f64::from)
}

/// Climbs both ways until the grey no longer rises, then measures between 10 and 90 % of that step.
fn width_at(grey: &Grid<f32>, at: (usize, usize), step: (f64, f64)) -> Option<f64> {
    const FINE: f64 = 0.1;
    const REACH: usize = 120;
    let sample = |t: f64| {
        let (x, y) = (at.0 as f64 + t * step.0, at.1 as f64 + t * step.1);
        f64::from(blur::bilinear(grey, x, y))
    };
    let climb = |sign: f64| {
        let mut values = vec![sample(0.0)];
        for i in 1..=REACH {
            let v = sample(sign * FINE * i as f64);
            if sign * (v - values[values.len() - 1]) <= 0.0 {
                break;
            }
            values.push(v);
        }
        values
    };
    let (up, down) = (climb(1.0), climb(-1.0));
    let (high, low) = (*up.last()?, *down.last()?);
    if high - low < 1e-4 {
        return None;
    }
    let crossing = |level: f64| {
        let wanted = low + level * (high - low);
        if wanted >= up[0] {
            up.iter()
                .position(|v| *v >= wanted)
                .map(|i| FINE * i as f64)
        } else {
            down.iter()
                .position(|v| *v <= wanted)
                .map(|i| -FINE * i as f64)
        }
    };
    Some(crossing(0.9)? - crossing(0.1)?)
}
