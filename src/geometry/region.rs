//! The pixels of a region and what their values have in common.
//!
//! Separate from the figures because it counts pixels: one belongs to a region when its center does.

use std::ops::Range;

use super::{Figure, FigureKind, Point};

/// What the values of some pixels have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    /// Values counted, ≥ 1.
    pub count: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation of a sample (divided by n − 1); absent for a single value.
    pub deviation: Option<f64>,
    /// Smallest value.
    pub minimum: f64,
    /// Largest value.
    pub maximum: f64,
}

impl Statistics {
    /// Of all finite values; `None` when there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        // Welford's update: exact enough for any offset, in one pass.
        let (mut count, mut mean, mut squares) = (0_usize, 0.0_f64, 0.0_f64);
        let (mut minimum, mut maximum) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(|v| v.is_finite()) {
            count += 1;
            let before = value - mean;
            mean += before / count as f64;
            squares += before * (value - mean);
            minimum = minimum.min(value);
            maximum = maximum.max(value);
        }
        let deviation = (count > 1)
            .then(|| (squares / (count as f64 - 1.0)).sqrt())
            .filter(|deviation| deviation.is_finite());
        (count > 0 && mean.is_finite()).then_some(Self {
            count,
            mean,
            deviation,
            minimum,
            maximum,
        })
    }
}

impl Figure {
    /// The pixels of a region inside an image of `width × height`: runs of columns, row by row; empty for other kinds.
    pub fn runs(&self, width: usize, height: usize) -> Vec<(usize, Range<usize>)> {
        let size = (width, height);
        let mut runs = Vec::new();
        match (self.kind, self.points.as_slice()) {
            (FigureKind::Rectangle, [a, b]) => {
                for y in whole(a.y.min(b.y), a.y.max(b.y), height) {
                    push(&mut runs, y, a.x.min(b.x), a.x.max(b.x), width);
                }
            }
            (FigureKind::Ellipse, [a, b]) => {
                let half = (*b - *a) * 0.5;
                let (center, across, down) = (*a + half, half.x.abs(), half.y.abs());
                for y in whole(center.y - down, center.y + down, height) {
                    let off = if down > 0.0 {
                        (y as f64 - center.y) / down
                    } else {
                        0.0
                    };
                    let reach = across * (1.0 - off * off).max(0.0).sqrt();
                    push(&mut runs, y, center.x - reach, center.x + reach, width);
                }
            }
            (FigureKind::Freehand, points) if points.len() >= 3 => outline(&mut runs, points, size),
            _ => {}
        }
        runs
    }
}

/// Even–odd: between every second pair of crossings of a row of centers.
fn outline(
    runs: &mut Vec<(usize, Range<usize>)>,
    points: &[Point],
    (width, height): (usize, usize),
) {
    let low = points.iter().map(|p| p.y).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|p| p.y).fold(f64::NEG_INFINITY, f64::max);
    let rows = whole(low, high, height);
    let mut crossings = vec![Vec::new(); rows.len()];
    for (a, b) in points.iter().zip(points.iter().cycle().skip(1)) {
        let (upper, lower) = if a.y <= b.y { (a, b) } else { (b, a) };
        for y in whole(upper.y, lower.y, height) {
            let at = y as f64;
            // A corner belongs to the edge below it, so that two edges that meet cross a row once.
            if at < upper.y || at >= lower.y {
                continue;
            }
            let along = (at - upper.y) / (lower.y - upper.y);
            if let Some(row) = crossings.get_mut(y - rows.start) {
                row.push(upper.x + (lower.x - upper.x) * along);
            }
        }
    }
    for (y, mut row) in rows.zip(crossings) {
        row.sort_by(f64::total_cmp);
        for pair in row.chunks_exact(2) {
            push(runs, y, pair[0], pair[1], width);
        }
    }
}

/// Whole numbers from `low` to `high` below `size`.
fn whole(low: f64, high: f64, size: usize) -> Range<usize> {
    // `as` saturates and takes NaN to 0.
    let start = (low.ceil().max(0.0) as usize).min(size);
    let end = if high < 0.0 {
        0
    } else {
        (high.floor() as usize).saturating_add(1).min(size)
    };
    start..end.max(start)
}

fn push(runs: &mut Vec<(usize, Range<usize>)>, y: usize, low: f64, high: f64, width: usize) {
    let columns = whole(low, high, width);
    if !columns.is_empty() {
        runs.push((y, columns));
    }
}
