//! Dyadic bands of an image by an undecimated wavelet: what of its texture is how coarse.
//!
//! Separate because grain is matched, blended and told apart from anatomy band by band. The `B3` spline with holes of
//! Starck, Murtagh and Fadili ("Sparse image and signal processing", 2010, section 3.5): no shifts, and the bands add up
//! to the image.

use rayon::prelude::*;

use crate::grid::Grid;

/// The spline's weights, a hole of `2^level − 1` pixels between two of them.
const SPLINE: [f32; 5] = [0.0625, 0.25, 0.375, 0.25, 0.0625];

/// Farthest pixel that the first `bands` details at a place depend on, pixels.
pub const fn reach(bands: usize) -> usize {
    2 * ((1 << bands) - 1)
}

/// The next smoother image: without the periods of about `2^(level + 1)` to `2^(level + 2)` pixels; the border repeats.
///
/// What it lacks of `image`, itself the result of the level before, is the detail of band `level`.
pub fn smoother(image: &Grid<f32>, level: usize) -> Grid<f32> {
    let (width, height) = image.size();
    if image.is_empty() {
        return image.clone();
    }
    let step = 1_usize << level;
    let at =
        |i: usize, k: usize, size: usize| (i + k * step).saturating_sub(2 * step).min(size - 1);
    let mut across = Grid::filled(width, height, 0.0_f32);
    let lines = across.cells_mut().par_chunks_mut(width).enumerate();
    lines.for_each(|(y, line)| {
        let from = image.row(y);
        for (x, cell) in line.iter_mut().enumerate() {
            let taps = SPLINE.iter().enumerate();
            *cell = taps.map(|(k, weight)| weight * from[at(x, k, width)]).sum();
        }
    });
    let mut result = Grid::filled(width, height, 0.0_f32);
    let lines = result.cells_mut().par_chunks_mut(width).enumerate();
    lines.for_each(|(y, line)| {
        for (k, weight) in SPLINE.iter().enumerate() {
            for (cell, value) in line.iter_mut().zip(across.row(at(y, k, height))) {
                *cell += weight * value;
            }
        }
    });
    result
}

/// How blurred white noise of variance 1, shaped by an amplitude in each band, is seen in the bands: `power(a, k)` is
/// `aᵀ G_k a`.
#[derive(Clone, Debug)]
pub struct Response {
    /// `G_k[i][j]`.
    gram: Vec<Vec<Vec<f64>>>,
    /// Power of the noise itself in the finest band.
    finest: f64,
}

impl Response {
    /// The response of so many bands to white noise behind a Gaussian blur of `blur` pixels; 0 = none.
    pub fn new(bands: usize, blur: f64) -> Self {
        let smooth = kernels(bands);
        let base = gaussian_kernel(blur);
        // Inner products of the smoothings of smoothings along one axis; in the plane they are squared.
        let pairs: Vec<Vec<Vec<f64>>> = smooth
            .iter()
            .map(|a| {
                let a = convolved(a, &base);
                smooth.iter().map(|b| convolved(&a, b)).collect()
            })
            .collect();
        let plane = |a: usize, b: usize, c: usize, d: usize| {
            let inner = inner(&pairs[a][b], &pairs[c][d]);
            inner * inner
        };
        // A detail is one smoothing less the next: its inner products are alternating sums.
        let of = |k: usize, i: usize, j: usize| {
            let mut sum = 0.0;
            for corner in 0..16_usize {
                let bit = |n: usize| corner >> n & 1;
                let sign = if corner.count_ones() % 2 == 0 {
                    1.0
                } else {
                    -1.0
                };
                sum += sign * plane(k + bit(0), i + bit(1), k + bit(2), j + bit(3));
            }
            sum
        };
        let row = |k: usize, i: usize| (0..bands).map(|j| of(k, i, j)).collect();
        let square = |k: usize| (0..bands).map(|i| row(k, i)).collect();
        // `smooth[0]` does nothing.
        let finest = plane(0, 0, 0, 0) - 2.0 * plane(0, 0, 1, 0) + plane(1, 0, 1, 0);
        Self {
            gram: (0..bands).map(square).collect(),
            finest,
        }
    }

    /// Power of the finest detail's own finest detail over that of the finest detail: how steep the spectrum is there.
    pub fn sharpness(&self) -> f64 {
        self.gram[0][0][0] / self.finest
    }

    /// Power in band `k` of white noise of variance 1 whose bands are multiplied by `amplitudes`.
    pub fn power(&self, amplitudes: &[f64], k: usize) -> f64 {
        let rows = amplitudes.iter().zip(&self.gram[k]);
        rows.map(|(a, row)| a * row.iter().zip(amplitudes).map(|(g, b)| g * b).sum::<f64>())
            .sum()
    }

    /// Amplitudes that give each band a power; where bands leak into each other more than is wanted, as near as it goes.
    pub fn amplitudes(&self, powers: &[f64]) -> Vec<f64> {
        let alone = |k: usize| self.gram[k][k][k];
        let mut amplitudes: Vec<f64> = powers
            .iter()
            .enumerate()
            .map(|(k, power)| (power.max(0.0) / alone(k)).sqrt())
            .collect();
        for _ in 0..40 {
            for (k, wanted) in powers.iter().enumerate() {
                let found = self.power(&amplitudes, k);
                if found > 0.0 {
                    amplitudes[k] *= (wanted.max(0.0) / found).sqrt().clamp(0.5, 2.0);
                }
            }
        }
        amplitudes
    }
}

/// What the first smoothings do together to one bright pixel, along one axis; the first does nothing.
fn kernels(bands: usize) -> Vec<Vec<f64>> {
    let mut all = vec![vec![1.0]];
    for level in 0..bands {
        let mut holes = vec![0.0; (4 << level) + 1];
        for (k, weight) in SPLINE.iter().enumerate() {
            holes[k << level] = f64::from(*weight);
        }
        let next = all
            .last()
            .map_or_else(Vec::new, |last| convolved(last, &holes));
        all.push(next);
    }
    all
}

/// A sampled Gaussian of sum 1, as [`super::blur::sampled_gaussian`] has it.
fn gaussian_kernel(sigma: f64) -> Vec<f64> {
    if sigma <= 0.0 {
        return vec![1.0];
    }
    let reach = (3.5 * sigma).ceil() as i64;
    let weights = (-reach..=reach).map(|i| (-0.5 * (i as f64 / sigma).powi(2)).exp());
    let kernel: Vec<f64> = weights.collect();
    let sum: f64 = kernel.iter().sum();
    kernel.iter().map(|weight| weight / sum).collect()
}

fn convolved(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut result = vec![0.0; (a.len() + b.len()).saturating_sub(1)];
    for (i, p) in a.iter().enumerate() {
        for (j, q) in b.iter().enumerate() {
            result[i + j] += p * q;
        }
    }
    result
}

/// Inner product of two kernels of odd length about their middles.
fn inner(a: &[f64], b: &[f64]) -> f64 {
    let (long, short) = if a.len() > b.len() { (a, b) } else { (b, a) };
    let skip = (long.len() - short.len()) / 2;
    long[skip..].iter().zip(short).map(|(p, q)| p * q).sum()
}
