//! Random fields with a power-law spectrum: trabeculae, breast tissue, haze, faeces.
//!
//! Made as a periodic tile by a small inverse FFT and sampled in millimetres of the body, so that a field costs one
//! tile whatever the film's size and its exponent is exact. Real and imaginary part are two independent fields.

use crate::grid::Grid;
use crate::noise::Noise;
use crate::signal::fourier;

/// A periodic random field of mean 0 and variance 1.
#[derive(Clone, Debug)]
pub struct Texture {
    /// One period; a power of two a side.
    pub tile: Grid<f32>,
    /// Millimetres a texel.
    pub mm_per_texel: f64,
}

impl Texture {
    /// The value at a place in millimetres, bilinear, periodic.
    pub fn at(&self, x_mm: f64, y_mm: f64) -> f32 {
        let (w, h) = self.tile.size();
        let (x, y) = (x_mm / self.mm_per_texel, y_mm / self.mm_per_texel);
        let (fx, fy) = ((x - x.floor()) as f32, (y - y.floor()) as f32);
        let wrap = |v: f64, n: usize| (v.floor() as i64).rem_euclid(n as i64) as usize;
        let (x0, y0) = (wrap(x, w), wrap(y, h));
        let (x1, y1) = ((x0 + 1) % w, (y0 + 1) % h);
        let (a, b) = (self.tile.row(y0), self.tile.row(y1));
        let top = a[x0] + (a[x1] - a[x0]) * fx;
        let low = b[x0] + (b[x1] - b[x0]) * fx;
        top + (low - top) * fy
    }
}

/// What a power-law field looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerLaw {
    /// Power falls as `f^-beta`.
    pub beta: f64,
    /// Flat below this frequency, cycles a texel.
    pub low: f64,
    /// Gaussian fall-off above this frequency, cycles a texel.
    pub high: f64,
    /// Elongation along the y axis of the tile; 1 is isotropic.
    pub anisotropy: f64,
}

/// Two independent fields of `2^log_size` a side, mean 0, variance 1.
///
/// Spectrum: `(f_t² + f0²)^(-β/2) exp(-2 (f/f1)²)` with `f_t² = κ f_y² + f_x²/κ`.
pub fn power_law(noise: &mut Noise, log_size: u32, law: PowerLaw) -> [Grid<f32>; 2] {
    let n = 1_usize << log_size.clamp(2, 11);
    let frequency = |i: usize| {
        let i = i as f64;
        let n = n as f64;
        (if i > n / 2.0 { i - n } else { i }) / n
    };
    let mut re = vec![0.0_f32; n * n];
    let mut im = vec![0.0_f32; n * n];
    for y in 0..n {
        let fy = frequency(y);
        for x in 0..n {
            let fx = frequency(x);
            let f2 = fx * fx + fy * fy;
            // One Box–Muller pair a cell: both parts from two uniforms.
            let radius = (-2.0 * (1.0 - noise.uniform()).ln()).sqrt();
            let (s, c) = (std::f64::consts::TAU * noise.uniform()).sin_cos();
            if f2 == 0.0 {
                continue;
            }
            let stretched = law.anisotropy * fy * fy + fx * fx / law.anisotropy;
            let amplitude = (stretched + law.low * law.low).powf(-law.beta / 4.0)
                * (-f2 / (law.high * law.high)).exp();
            re[y * n + x] = (radius * c * amplitude) as f32;
            im[y * n + x] = (radius * s * amplitude) as f32;
        }
    }
    fourier::transform_2d(&mut re, &mut im, n);
    [standardized(re, n), standardized(im, n)]
}

fn standardized(mut cells: Vec<f32>, n: usize) -> Grid<f32> {
    let count = cells.len() as f64;
    let mean = cells.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let variance = cells
        .iter()
        .map(|&v| (f64::from(v) - mean).powi(2))
        .sum::<f64>()
        / count;
    let scale = 1.0 / variance.sqrt().max(1e-12);
    for v in &mut cells {
        *v = ((f64::from(*v) - mean) * scale) as f32;
    }
    Grid::from_vec(n, n, cells).unwrap_or_default()
}
