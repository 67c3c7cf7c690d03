//! Wasserstein-1 distances between maps: sliced over directions, and of their values.
//!
//! Both are L1 distances between vectors that each map has for itself (its CDFs, its sorted values), so a whole set
//! is scored coordinate by coordinate, without visiting pairs.

use rayon::prelude::*;

use crate::grid::Grid;

/// Directions of the sliced distance: `π (k + ½) / 16`.
pub const DIRECTIONS: usize = 16;

/// The projections of a grid's pixel centers `((x + ½)/W, (y + ½)/H)`, sorted, for every direction.
#[derive(Clone, Debug)]
pub struct Slices {
    size: (usize, usize),
    /// For each direction the pixels in order of their projection.
    order: Vec<Vec<u32>>,
    /// For each direction the distance from each projection to the next; 0 after the last.
    gaps: Vec<Vec<f64>>,
}

impl Slices {
    /// The projections of a `width × height` grid.
    pub fn new(width: usize, height: usize) -> Self {
        let (order, gaps) = (0..DIRECTIONS)
            .map(|k| {
                let angle = std::f64::consts::PI * (k as f64 + 0.5) / DIRECTIONS as f64;
                let (sin, cos) = angle.sin_cos();
                let mut projected: Vec<(f64, u32)> = (0..width * height)
                    .map(|i| {
                        let x = ((i % width) as f64 + 0.5) / width as f64;
                        let y = ((i / width) as f64 + 0.5) / height as f64;
                        (x * cos + y * sin, i as u32)
                    })
                    .collect();
                projected.sort_by(|a, b| a.0.total_cmp(&b.0));
                let gaps = projected
                    .windows(2)
                    .map(|pair| pair[1].0 - pair[0].0)
                    .chain(std::iter::once(0.0))
                    .take(projected.len())
                    .collect();
                (projected.into_iter().map(|(_, i)| i).collect(), gaps)
            })
            .unzip();
        Self {
            size: (width, height),
            order,
            gaps,
        }
    }

    /// `(width, height)`.
    pub fn size(&self) -> (usize, usize) {
        self.size
    }

    /// Sliced W1 of two maps of mass 1; lengths in fractions of the map's sides.
    pub fn distance(&self, a: &[f32], b: &[f32]) -> f64 {
        let per_direction = |(order, gaps): (&Vec<u32>, &Vec<f64>)| {
            let mut difference = 0.0;
            let mut sum = 0.0;
            for (i, gap) in order.iter().zip(gaps) {
                difference += f64::from(a[*i as usize]) - f64::from(b[*i as usize]);
                sum += difference.abs() * gap;
            }
            sum
        };
        let sum: f64 = self.order.iter().zip(&self.gaps).map(per_direction).sum();
        sum / DIRECTIONS as f64
    }

    /// Sum of the sliced W1 over all pairs of `maps`, without visiting the pairs.
    pub fn sum_over_pairs(&self, maps: &[Vec<f32>]) -> f64 {
        // Pixel-major, so that one coordinate of all maps lies together.
        let pixels = self.size.0 * self.size.1;
        let mut across = vec![0.0_f32; pixels * maps.len()];
        for (n, map) in maps.iter().enumerate() {
            for (i, value) in map.iter().enumerate() {
                across[i * maps.len() + n] = *value;
            }
        }
        let sums: Vec<f64> = (0..DIRECTIONS)
            .into_par_iter()
            .map(|k| {
                let mut cdf = vec![0.0_f64; maps.len()];
                let mut sorted = vec![0.0_f64; maps.len()];
                let mut sum = 0.0;
                for (i, gap) in self.order[k].iter().zip(&self.gaps[k]) {
                    let start = *i as usize * maps.len();
                    for (c, v) in cdf.iter_mut().zip(&across[start..start + maps.len()]) {
                        *c += f64::from(*v);
                    }
                    sorted.copy_from_slice(&cdf);
                    sum += gap * sum_of_differences(&mut sorted);
                }
                sum
            })
            .collect();
        sums.iter().sum::<f64>() / DIRECTIONS as f64
    }
}

/// `Σ_{i<j} |u_i − u_j| = Σ_r (2r − N + 1) u_(r)`; sorts its argument.
pub fn sum_of_differences(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len() as f64;
    values
        .iter()
        .enumerate()
        .map(|(r, u)| (2.0 * r as f64 - n + 1.0) * u)
        .sum()
}

/// W1 of two samples of equal size: the mean absolute difference of their sorted values.
pub fn distance_of_sorted(a: &[f32], b: &[f32]) -> f64 {
    let sum: f64 = a
        .iter()
        .zip(b)
        .map(|(p, q)| (f64::from(*p) - f64::from(*q)).abs())
        .sum();
    sum / a.len().max(1) as f64
}

/// A map scaled to mass 1; an all-zero map becomes uniform mass, and the second value says so.
///
/// Negative and non-finite cells count as 0: saliency is non-negative by definition.
pub fn normalized_mass(map: &Grid<f32>) -> (Vec<f32>, bool) {
    let clean = |v: &f32| if v.is_finite() { v.max(0.0) } else { 0.0 };
    let mass: f64 = map.cells().iter().map(|v| f64::from(clean(v))).sum();
    if mass <= 0.0 {
        return (vec![1.0 / map.len().max(1) as f32; map.len()], true);
    }
    let cells = map.cells().iter();
    (
        cells.map(|v| (f64::from(clean(v)) / mass) as f32).collect(),
        false,
    )
}

/// A map's values divided by its maximum, sorted; an all-zero map stays zero.
pub fn sorted_values(map: &Grid<f32>) -> Vec<f32> {
    let clean = |v: &f32| if v.is_finite() { v.max(0.0) } else { 0.0 };
    let mut values: Vec<f32> = map.cells().iter().map(clean).collect();
    values.sort_unstable_by(f32::total_cmp);
    match values.last() {
        Some(largest) if *largest > 0.0 => {
            let largest = *largest;
            for value in &mut values {
                *value /= largest;
            }
        }
        _ => {}
    }
    values
}
