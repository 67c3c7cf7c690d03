//! From primary attenuation to a detected intensity: scatter, blur and noise.
//!
//! Scatter: the usual forward-scatter source `T·(-ln T)` spread by two Gaussians (Boone 1986: a Gaussian is a good
//! scatter kernel); noise: Poisson in its Gaussian limit. Separate because it knows physics but no anatomy.

use super::blur;
use crate::grid::Grid;
use crate::noise::Noise;

/// How much radiation arrives from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scatter {
    /// Median scatter-to-primary ratio over the body.
    pub ratio: f64,
    /// Standard deviation of the narrow kernel (weight .7), pixels.
    pub narrow_px: f64,
    /// Standard deviation of the wide kernel (weight .3), pixels.
    pub wide_px: f64,
}

/// Detected intensity, 1 in the open beam without scatter: `I = T + S`.
///
/// `S` is scaled so that the median of S/T where `p > body_p` is the ratio asked for. Computed at 1/8 resolution.
pub fn with_scatter(p: &Grid<f32>, scatter: Scatter, body_p: f32) -> Grid<f32> {
    const COARSE: usize = 8;
    let primary = p.map(|p| (-p).exp());
    if scatter.ratio <= 0.0 || p.is_empty() {
        return primary;
    }
    let source = blur::area_average(&p.map(|p| p * (-p).exp()), COARSE);
    let coarse = blur::area_average(&primary, COARSE);
    let narrow = blur::gaussian(&source, scatter.narrow_px / COARSE as f64);
    let wide = blur::gaussian(&source, scatter.wide_px / COARSE as f64);
    let mut spread = narrow;
    for (s, w) in spread.cells_mut().iter_mut().zip(wide.cells()) {
        *s = 0.7 * *s + 0.3 * w;
    }
    let mut ratios: Vec<f32> = spread
        .cells()
        .iter()
        .zip(coarse.cells())
        .filter(|(_, t)| **t < (-body_p).exp())
        .map(|(s, t)| s / t.max(1e-9))
        .collect();
    if ratios.is_empty() {
        return primary;
    }
    let middle = ratios.len() / 2;
    let median = *ratios.select_nth_unstable_by(middle, f32::total_cmp).1;
    let amplitude = scatter.ratio as f32 / median.max(1e-9);
    let mut intensity = primary;
    let fine = blur::enlarged(&spread, COARSE, p.width(), p.height());
    for (i, s) in intensity.cells_mut().iter_mut().zip(fine.cells()) {
        *i += amplitude * s;
    }
    intensity
}

/// Quantum and electronic noise of one pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grain {
    /// Detected quanta a pixel in the open beam (fluence × area × DQE).
    pub quanta: f64,
    /// Electronic noise, quanta.
    pub electronic: f64,
    /// Fixed pattern, fraction of the signal.
    pub fixed_pattern: f64,
    /// Spread of the detector's correlation, pixels; the variance is kept.
    pub correlation_px: f64,
}

/// Adds noise of variance `I/N + (e/N)² + (f·I)²` to an intensity; never below a thousandth of a quantum.
pub fn add_noise(intensity: &mut Grid<f32>, noise: &mut Noise, grain: Grain) {
    let (w, h) = intensity.size();
    let white = Grid::from_vec(w, h, normal_pairs(noise, w * h)).unwrap_or_default();
    let field = blur::gaussian(&white, grain.correlation_px);
    let gain = 1.0 / energy(grain.correlation_px).sqrt().max(1e-6);
    let n = grain.quanta.max(1.0);
    let dark = (grain.electronic / n).powi(2);
    let fixed = grain.fixed_pattern * grain.fixed_pattern;
    for (i, z) in intensity.cells_mut().iter_mut().zip(field.cells()) {
        let signal = f64::from(*i).max(0.0);
        let sigma = (signal / n + dark + fixed * signal * signal).sqrt();
        *i = (signal + sigma * gain * f64::from(*z)).max(1e-3 / n) as f32;
    }
}

/// Standard normal numbers, both branches of Box–Muller: half the cost of one at a time.
fn normal_pairs(noise: &mut Noise, count: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(count + 1);
    while out.len() < count {
        let radius = (-2.0 * (1.0 - noise.uniform()).ln()).sqrt();
        let (s, c) = (std::f64::consts::TAU * noise.uniform()).sin_cos();
        out.push((radius * c) as f32);
        out.push((radius * s) as f32);
    }
    out.truncate(count);
    out
}

/// Sum of squares of the 2-D blur kernel: the variance that white noise keeps.
fn energy(sigma: f64) -> f64 {
    let reach = (4.0 * sigma).ceil() as usize + 4;
    let size = 2 * reach + 1;
    let mut impulse = Grid::filled(size, size, 0.0_f32);
    impulse[(reach, reach)] = 1.0;
    blur::gaussian(&impulse, sigma)
        .cells()
        .iter()
        .map(|v| f64::from(*v) * f64::from(*v))
        .sum()
}
