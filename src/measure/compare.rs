//! Images against each other, pixel by pixel: a signed difference, and the spread of several.
//!
//! Pure functions of grids in any unit; the window shows them as a veil with these very numbers.

use crate::grid::Grid;

/// `after − before`; `None` when sizes differ.
pub fn difference(before: &Grid<f32>, after: &Grid<f32>) -> Option<Grid<f32>> {
    if before.size() != after.size() {
        return None;
    }
    let pairs = after.cells().iter().zip(before.cells());
    let cells = pairs.map(|(after, before)| after - before).collect();
    Grid::from_vec(before.width(), before.height(), cells)
}

/// Standard deviation of each pixel over several images, fed one at a time (Welford 1962), so that a stack of large
/// films need not lie in memory.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    count: usize,
    mean: Grid<f32>,
    /// Sum of squared distances from the mean.
    squares: Grid<f32>,
}

impl Spread {
    /// Takes one more image in; `false` when its size is another one, and nothing has changed then.
    pub fn push(&mut self, image: &Grid<f32>) -> bool {
        if self.count == 0 {
            self.mean = Grid::filled(image.width(), image.height(), 0.0);
            self.squares = self.mean.clone();
        } else if self.mean.size() != image.size() {
            return false;
        }
        self.count += 1;
        let share = 1.0 / self.count as f32;
        let sums = self
            .mean
            .cells_mut()
            .iter_mut()
            .zip(self.squares.cells_mut());
        for ((mean, squares), value) in sums.zip(image.cells()) {
            let away = value - *mean;
            *mean += away * share;
            *squares += away * (value - *mean);
        }
        true
    }

    /// How many images went in.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Sample standard deviation (n − 1) in the images' unit; `None` below two images.
    pub fn deviation(&self) -> Option<Grid<f32>> {
        if self.count < 2 {
            return None;
        }
        let share = 1.0 / (self.count - 1) as f32;
        Some(self.squares.map(|sum| (sum * share).max(0.0).sqrt()))
    }
}

/// Numbers of the pixels that count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// How many count.
    pub pixels: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation.
    pub deviation: f64,
    /// The smallest.
    pub least: f64,
    /// The median.
    pub median: f64,
    /// The largest.
    pub most: f64,
    /// 95 % of them are at most this far from 0.
    pub size_95: f64,
    /// 99.5 % of them are at most this far from 0.
    pub size_995: f64,
}

/// Numbers of the finite values for which `counts` holds; `None` when there is none.
pub fn summary(values: &Grid<f32>, counts: impl Fn(usize, usize) -> bool) -> Option<Summary> {
    let mut chosen: Vec<f32> = Vec::new();
    for y in 0..values.height() {
        for (x, value) in values.row(y).iter().enumerate() {
            if value.is_finite() && counts(x, y) {
                chosen.push(*value);
            }
        }
    }
    if chosen.is_empty() {
        return None;
    }
    let n = chosen.len() as f64;
    let mean = chosen.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let away = chosen.iter().map(|v| (f64::from(*v) - mean).powi(2));
    let deviation = (away.sum::<f64>() / n).sqrt();
    let ends = chosen.iter().fold((f32::MAX, f32::MIN), |(low, high), v| {
        (low.min(*v), high.max(*v))
    });
    let median = quantile(&mut chosen, 0.5);
    for value in &mut chosen {
        *value = value.abs();
    }
    Some(Summary {
        pixels: chosen.len(),
        mean,
        deviation,
        least: f64::from(ends.0),
        median,
        most: f64::from(ends.1),
        size_95: quantile(&mut chosen, 0.95),
        size_995: quantile(&mut chosen, 0.995),
    })
}

fn quantile(values: &mut [f32], q: f64) -> f64 {
    let index = ((values.len() - 1) as f64 * q).round() as usize;
    f64::from(*values.select_nth_unstable_by(index, f32::total_cmp).1)
}
