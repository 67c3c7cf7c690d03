//! From a detected intensity to a displayed film: exposure recognition, multi-scale boost, tone curve, collimation.
//!
//! The drawn gains are the largest source of difference between sites; the boost follows the idea of multi-scale
//! contrast amplification (Vuylsteke and Schoeters 1994) with Gaussian bands. Separate from the detector because it is
//! software in real life as well.

use super::blur;
use crate::geometry::Point;
use crate::grid::Grid;
use crate::noise::Noise;

/// How a site processes its films.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Gains of the bands 0–1, 1–2, 2–4, 4–8 and 8–16 px.
    pub gains: [f32; 5],
    /// Gain of what is coarser: below 1 compresses the range.
    pub coarse: f32,
    /// Bands saturate around this amplitude (unit range).
    pub saturation: f32,
    /// Bands below this amplitude (noise) are not boosted.
    pub gate: f32,
    /// Steepness of the sigmoid over the unit range, 4–8.
    pub steepness: f32,
    /// Middle of the sigmoid, .4–.6.
    pub middle: f32,
    /// Change of the recognised range at its low and high end, as a fraction of it.
    pub jitter: [f32; 2],
    /// Standard deviation of the final blur, px.
    pub blur_px: f64,
}

/// Gains of a site: of each band what is typical, its distance from 1 times `boost`, scattered by 15 %.
pub fn scattered(typical: [f64; 5], boost: f64, chance: &mut Noise) -> [f32; 5] {
    typical.map(|gain| (1.0 + (gain - 1.0) * boost * chance.range(0.85, 1.15)) as f32)
}

/// `p = -ln I` of every pixel.
pub fn negative_log(intensity: &Grid<f32>) -> Grid<f32> {
    intensity.map(|i| -i.max(1e-9).ln())
}

/// The `low` and `high` quantiles of `p` where `inside` is positive; `(0, 1)` when nothing is.
pub fn recognized_range(p: &Grid<f32>, inside: &Grid<f32>, low: f64, high: f64) -> (f32, f32) {
    let mut values: Vec<f32> = p
        .cells()
        .iter()
        .zip(inside.cells())
        .filter(|(_, i)| **i > 0.0)
        .map(|(p, _)| *p)
        .collect();
    if values.len() < 16 {
        return (0.0, 1.0);
    }
    values.sort_unstable_by(f32::total_cmp);
    let at = |q: f64| values[((values.len() - 1) as f64 * q) as usize];
    let (a, b) = (at(low), at(high));
    (a, b.max(a + 1e-3))
}

/// A film in 0–1 (bone bright) from `p`; `inside` marks body and field, from which the exposure is recognised.
pub fn develop(p: &Grid<f32>, inside: &Grid<f32>, look: &Look) -> Grid<f32> {
    let (low, high) = recognized_range(p, inside, 0.01, 0.995);
    let range = high - low;
    let low = low + look.jitter[0] * range;
    let high = high + look.jitter[1] * range;
    let scale = 1.0 / (high - low).max(1e-3);
    // The air side is bent softly, or the step at the skin would ring through every band.
    let bent = |u: f32| {
        if u < 0.0 {
            -0.6 * (1.0 - (u / 0.6).exp())
        } else {
            u.min(2.0)
        }
    };
    let unit = blur::gaussian(&p.map(|p| bent((p - low) * scale)), look.blur_px);
    let boosted = boost(&unit, look);
    let sigmoid = |v: f32| 1.0 / (1.0 + (-look.steepness * (v - look.middle)).exp());
    let (black, white) = (sigmoid(-0.45), sigmoid(1.12));
    boosted.map(|v| ((sigmoid(*v) - black) / (white - black)).clamp(0.0, 1.0))
}

/// The multi-scale boost of a unit-range image.
pub fn boost(image: &Grid<f32>, look: &Look) -> Grid<f32> {
    let mut finer = image.clone();
    let mut out = Grid::filled(image.width(), image.height(), 0.0_f32);
    for (level, gain) in look.gains.iter().enumerate() {
        let sigma = f64::from(1_u32 << level);
        let step = if level == 0 {
            1.0
        } else {
            (sigma * sigma * 0.75).sqrt()
        };
        let coarser = blur::gaussian(&finer, step);
        for ((o, a), b) in out
            .cells_mut()
            .iter_mut()
            .zip(finer.cells())
            .zip(coarser.cells())
        {
            let band = a - b;
            let size = band.abs();
            let open = size / (size + look.gate);
            *o += band * (1.0 + (gain - 1.0) * open / (1.0 + size / look.saturation));
        }
        finer = coarser;
    }
    for (o, c) in out.cells_mut().iter_mut().zip(finer.cells()) {
        *o += 0.5 + look.coarse * (c - 0.5);
    }
    out
}

/// One straight edge of the collimator: light where `(point - at)·normal > 0`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blade {
    /// A point on the edge, pixels.
    pub at: Point,
    /// Unit normal into the field.
    pub normal: Point,
    /// Width of the penumbra, pixels.
    pub penumbra_px: f64,
}

/// The open fraction of the field, 0–1, behind all blades.
pub fn field(size: (usize, usize), blades: &[Blade]) -> Grid<f32> {
    Grid::from_fn(size.0, size.1, |x, y| {
        let p = Point::new(x as f64, y as f64);
        blades.iter().fold(1.0_f32, |open, b| {
            let d = (p - b.at).dot(b.normal) / b.penumbra_px.max(0.25);
            open.min((d + 0.5).clamp(0.0, 1.0) as f32)
        })
    })
}

/// 12-bit grey of a film in 0–1.
pub fn quantized(film: &Grid<f32>) -> Grid<u16> {
    film.map(|v| (v.clamp(0.0, 1.0) * 4095.0).round() as u16)
}
