//! Slope of the power spectrum of tiles: how rough a film is from scale to scale.
//!
//! Power falls as `f^-β`; mean periodogram of Hann-windowed tiles that overlap by half, radial mean, straight line
//! through log power over log frequency.

use crate::grid::Grid;
use crate::signal::fourier;

/// Side of a tile, pixels.
const TILE: usize = 64;

/// `β` between the frequencies `low` and `high` (cycles a pixel) over tiles that lie to 97 % in `mask`; `None` when
/// there is no such tile.
pub fn tile_slope(grey: &Grid<f32>, mask: Option<&Grid<bool>>, low: f64, high: f64) -> Option<f64> {
    let (w, h) = grey.size();
    let window: Vec<f32> = (0..TILE)
        .map(|i| {
            let t = std::f64::consts::TAU * (i as f64 + 0.5) / TILE as f64;
            (0.5 - 0.5 * t.cos()) as f32
        })
        .collect();
    let mut power = vec![0.0_f64; TILE * TILE];
    let mut tiles = 0;
    for y0 in (0..(h + 1).saturating_sub(TILE)).step_by(TILE / 2) {
        for x0 in (0..(w + 1).saturating_sub(TILE)).step_by(TILE / 2) {
            if let Some(mask) = mask {
                let inside: usize = (y0..y0 + TILE)
                    .map(|y| mask.row(y)[x0..x0 + TILE].iter().filter(|m| **m).count())
                    .sum();
                if inside * 100 <= TILE * TILE * 97 {
                    continue;
                }
            }
            add_tile(grey, (x0, y0), &window, &mut power);
            tiles += 1;
        }
    }
    if tiles == 0 {
        return None;
    }
    fitted(&power, low, high)
}

fn add_tile(grey: &Grid<f32>, at: (usize, usize), window: &[f32], power: &mut [f64]) {
    let rows = || (at.1..at.1 + TILE).map(|y| &grey.row(y)[at.0..at.0 + TILE]);
    let mean = rows().flatten().sum::<f32>() / (TILE * TILE) as f32;
    let mut re = Vec::with_capacity(TILE * TILE);
    for (row, wy) in rows().zip(window) {
        re.extend(row.iter().zip(window).map(|(v, wx)| (v - mean) * wx * wy));
    }
    let mut im = vec![0.0; TILE * TILE];
    fourier::transform_2d(&mut re, &mut im, TILE);
    for (p, (a, b)) in power.iter_mut().zip(re.iter().zip(&im)) {
        *p += f64::from(a * a + b * b);
    }
}

/// Minus the slope of log radial mean power over log frequency.
fn fitted(power: &[f64], low: f64, high: f64) -> Option<f64> {
    let mut rings = [(0.0_f64, 0.0_f64); TILE];
    let signed = |i: usize| {
        if i > TILE / 2 {
            i as f64 - TILE as f64
        } else {
            i as f64
        }
    };
    for (i, p) in power.iter().enumerate() {
        let radius = signed(i % TILE).hypot(signed(i / TILE));
        let ring = radius.round() as usize;
        rings[ring].0 += p;
        rings[ring].1 += 1.0;
    }
    let (mut n, mut sx, mut sy, mut sxx, mut sxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (ring, (sum, count)) in rings.iter().enumerate().skip(1) {
        let frequency = ring as f64 / TILE as f64;
        if frequency < low || frequency > high || *count == 0.0 || *sum <= 0.0 {
            continue;
        }
        let (x, y) = (frequency.ln(), (sum / count).ln());
        n += 1.0;
        sx += x;
        sy += y;
        sxx += x * x;
        sxy += x * y;
    }
    let spread = n * sxx - sx * sx;
    (n >= 3.0 && spread > 0.0).then(|| -(n * sxy - sx * sy) / spread)
}
