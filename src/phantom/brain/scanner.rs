//! From the map of tissues to an image: T1-weighted MR with bias and Rician noise, or CT in a brain window.
//!
//! MR signals are those of spin echo 600/12 and of a spoiled gradient echo, relative to white matter; CT in Hounsfield
//! units. Both are averaged from the fine map, so that borders are partial volumes. Separate because it is nuisance.

use super::labels::tissue as t;
use super::{Contrast, FINER, Scene, stream};
use crate::grid::Grid;
use crate::noise::Noise;
use crate::phantom::xray::blur;
use crate::phantom::xray::film;

/// T1 signal relative to white matter: spin echo, gradient echo.
const SIGNALS: [(u8, f64, f64); t::COUNT] = [
    (t::AIR, 0.0, 0.0),
    (t::SKIN, 0.80, 0.85),
    (t::FAT, 1.52, 1.69),
    (t::MUSCLE, 0.78, 0.75),
    (t::COMPACT, 0.16, 0.12),
    (t::DIPLOE, 0.70, 0.80),
    (t::FLUID, 0.54, 0.44),
    (t::CORTEX, 0.84, 0.74),
    (t::WHITE, 1.0, 1.0),
    (t::NUCLEUS, 0.88, 0.81),
    (t::VENTRICLE, 0.42, 0.29),
    (t::DURA, 0.50, 0.55),
    (t::CALCIFIED, 0.35, 0.30),
    (t::PATCH, 0.84, 0.76),
    (t::EDEMA, 0.77, 0.66),
    (t::INFARCT, 0.70, 0.58),
    (t::TUMOR, 0.76, 0.66),
    (t::RING, 0.80, 0.72),
    (t::NECROSIS, 0.55, 0.42),
    (t::BLOOD, 0.90, 0.85),
    (t::PLAQUE, 0.68, 0.58),
];

/// Hounsfield units.
const UNITS: [(u8, f64); t::COUNT] = [
    (t::AIR, -1000.0),
    (t::SKIN, 30.0),
    (t::FAT, -68.0),
    (t::MUSCLE, 50.0),
    (t::COMPACT, 1300.0),
    (t::DIPLOE, 620.0),
    (t::FLUID, 17.0),
    (t::CORTEX, 40.0),
    (t::WHITE, 30.0),
    (t::NUCLEUS, 38.0),
    (t::VENTRICLE, 6.0),
    (t::DURA, 58.0),
    (t::CALCIFIED, 190.0),
    (t::PATCH, 24.0),
    (t::EDEMA, 18.0),
    (t::INFARCT, 17.0),
    (t::TUMOR, 42.0),
    (t::RING, 55.0),
    (t::NECROSIS, 16.0),
    (t::BLOOD, 66.0),
    (t::PLAQUE, 25.0),
];

/// The 12-bit image.
pub(super) fn image(seed: u64, scene: &Scene, contrast: Contrast) -> Grid<u16> {
    film::quantized(&match contrast {
        Contrast::Mr => magnetic(scene, &mut stream(seed, 50)),
        Contrast::Ct => computed(scene, &mut stream(seed, 60)),
    })
}

/// The map through a table, averaged to the image.
fn averaged(labels: &Grid<u8>, table: &[f32; t::COUNT]) -> Grid<f32> {
    blur::area_average(&labels.map(|l| table[usize::from(*l)]), FINER)
}

fn magnetic(scene: &Scene, chance: &mut Noise) -> Grid<f32> {
    let mix = chance.range(0.25, 1.0);
    let enhanced = chance.chance(0.5);
    let old_blood = chance.chance(0.5);
    let mut table = [0.0_f32; t::COUNT];
    for (tissue, spin, gradient) in SIGNALS {
        let wobble = if tissue == t::WHITE {
            0.0
        } else {
            0.02 * chance.normal()
        };
        table[usize::from(tissue)] = (spin + (gradient - spin) * mix + wobble).max(0.0) as f32;
    }
    if enhanced {
        table[usize::from(t::RING)] = 1.36;
        table[usize::from(t::TUMOR)] = 1.25;
        table[usize::from(t::DURA)] = 0.9;
    }
    if old_blood {
        table[usize::from(t::BLOOD)] = 1.38;
    }
    // Fat is suppressed on some scans, and its brightness varies most with the coil.
    let fat = chance.range(0.40, 0.86) as f32;
    table[usize::from(t::FAT)] *= fat;
    table[usize::from(t::DIPLOE)] *= fat;
    // Thick slices mix furrows with the cortex beside them.
    table[usize::from(t::FLUID)] *= chance.range(0.70, 1.15) as f32;
    let signal = blur::gaussian(&averaged(&scene.labels, &table), chance.range(0.12, 0.58));
    let (w, h) = signal.size();
    let strength = if chance.chance(0.4) { 0.36 } else { 0.18 };
    let mut bias = || strength * chance.range(-1.0, 1.0);
    let (bx, by, bxx, byy, bxy) = (bias(), bias(), bias(), bias(), bias());
    let mottle = mottle(scene.pitch * FINER as f64, (w, h), chance);
    let sigma = 0.041 * (1.4 * chance.normal()).clamp(-2.6, 1.0).exp();
    // The matrix is smaller than the image and filled with zeros: noise ends where the signal does.
    let matrix = chance.range(0.5, 1.1);
    let [real, imaginary] = [(), ()].map(|()| grain((w, h), matrix, None, chance));
    let mut noisy = Grid::filled(w, h, 0.0_f32);
    for y in 0..h {
        for x in 0..w {
            let u = 2.0 * x as f64 / w as f64 - 1.0;
            let v = 2.0 * y as f64 / h as f64 - 1.0;
            let field = (bx * u + by * v + bxx * u * u + byy * v * v + bxy * u * v).exp();
            let value = f64::from(signal[(x, y)]) * field * f64::from(mottle[(x, y)]);
            let in_phase = value + sigma * f64::from(real[(x, y)]);
            noisy[(x, y)] = in_phase.hypot(sigma * f64::from(imaginary[(x, y)])) as f32;
        }
    }
    let smooth = blur::gaussian(&noisy, chance.range(0.30, 0.45));
    let white = chance.range(0.31, 0.73) as f32;
    let gamma = chance.range(0.9, 1.15) as f32;
    let mut image = smooth.map(|s| white * s.max(0.0).powf(gamma));
    // Air is masked to nothing on most scans.
    if chance.chance(0.8) {
        let head = scene.labels.map(|l| f32::from(u8::from(*l != t::AIR)));
        let head = blur::area_average(&head, FINER);
        for (v, inside) in image.cells_mut().iter_mut().zip(head.cells()) {
            *v *= inside;
        }
    }
    image
}

/// Slow change of signal within a tissue, about 1 ± .02.
fn mottle(mm_per_px: f64, size: (usize, usize), chance: &mut Noise) -> Grid<f32> {
    let coarse = 4;
    let (w, h) = (size.0.div_ceil(coarse), size.1.div_ceil(coarse));
    let white = Grid::from_fn(w, h, |_, _| chance.normal() as f32);
    let smooth = blur::gaussian(&white, (2.2 / mm_per_px / coarse as f64).max(0.6));
    let fine = blur::enlarged(&smooth, coarse, size.0, size.1);
    fine.map(|v| 1.0 + 0.04 * v)
}

fn computed(scene: &Scene, chance: &mut Noise) -> Grid<f32> {
    let mut table = [0.0_f32; t::COUNT];
    for (tissue, units) in UNITS {
        table[usize::from(tissue)] = (units + 1.2 * chance.normal()) as f32;
    }
    if chance.chance(0.35) {
        table[usize::from(t::RING)] = 72.0;
        table[usize::from(t::TUMOR)] = 58.0;
    }
    let mut units = scene.labels.map(|l| table[usize::from(*l)]);
    rest(scene, &mut units, chance);
    // A slice is some millimetres thick: furrows and skin run through it obliquely and blur; bone saturates the window
    // long before its border does.
    let near = |u: f32| u.clamp(-120.0, 110.0);
    let soft = blur::gaussian(&units.map(|u| near(*u)), chance.range(1.6, 2.4));
    let mut far = blur::gaussian(&units.map(|u| u - near(*u)), chance.range(0.8, 1.15));
    for (u, soft) in far.cells_mut().iter_mut().zip(soft.cells()) {
        *u += soft;
    }
    let units = far;
    let (w, h) = units.size();
    // Bone hardens the beam: the brain beside it reads a few units higher.
    let bone = blur::area_average(&units.map(|u| (u / 1000.0).clamp(0.0, 1.2)), 4);
    let glow = blur::gaussian(&bone, 5.0 / (scene.pitch * 4.0));
    let glow = blur::enlarged(&glow, 4, w, h);
    let cup = chance.range(2.0, 8.0) as f32;
    let sigma = chance.range(1.45, 4.5) as f32;
    let width = chance.gauss(109.5, 8.0).clamp(85.0, 127.0) as f32;
    let level = chance.gauss(38.0, 2.5).clamp(31.0, 44.0) as f32;
    // Through the window at the scanner's matrix, then shrunk: saturated bone has soft borders that way.
    let shown = Grid::from_fn(w, h, |x, y| {
        let at = (x, y);
        let value = units[at] + cup * glow[at];
        ((value - level) / width + 0.5).clamp(0.0, 1.0)
    });
    let soft = chance.range(0.63, 0.71);
    let mut image = blur::gaussian(&blur::area_average(&shown, FINER), soft);
    // Noise that the window does not cut off, as it is left at this matrix.
    let (w, h) = image.size();
    // A reconstruction filter: ramp, then roll-off; its noise is a band.
    let noise = grain((w, h), 0.6, Some(2.2), chance);
    for (v, noise) in image.cells_mut().iter_mut().zip(noise.cells()) {
        let open = (12.0 * v.min(1.0 - *v)).clamp(0.0, 1.0);
        *v = (*v + open * sigma / width * noise).clamp(0.0, 1.0);
    }
    image
}

/// Noise of mean 0 and deviation 1 below the frequency of a blur (pixels), and above that of a wider one.
fn grain(size: (usize, usize), fine: f64, coarse: Option<f64>, chance: &mut Noise) -> Grid<f32> {
    let white = Grid::from_fn(size.0, size.1, |_, _| chance.normal() as f32);
    let mut field = blur::gaussian(&white, fine);
    if let Some(coarse) = coarse {
        let slow = blur::gaussian(&white, coarse);
        for (v, slow) in field.cells_mut().iter_mut().zip(slow.cells()) {
            *v -= slow;
        }
    }
    let power: f64 = field.cells().iter().map(|v| f64::from(*v).powi(2)).sum();
    let scale = 1.0 / (power / field.len().max(1) as f64).sqrt().max(1e-6) as f32;
    field.map(|v| v * scale)
}

/// The head rest: a thin bright shell under the head, on most scans.
fn rest(scene: &Scene, units: &mut Grid<f32>, chance: &mut Noise) {
    let present = chance.chance(0.92);
    let gap = chance.range(4.0, 12.0);
    let radius = chance.range(104.0, 125.0);
    let open = chance.range(1.2, 1.6);
    let dense = chance.range(76.0, 168.0) as f32;
    if !present {
        return;
    }
    let head = &scene.head;
    let low = head.shift.1 + 0.5 * head.field_mm + head.half.1 + gap;
    let pitch = scene.pitch;
    let (w, h) = units.size();
    for y in 0..h {
        for x in 0..w {
            let px = (x as f64 + 0.5) * pitch - 0.5 * head.field_mm;
            let py = (y as f64 + 0.5) * pitch - (low - radius);
            let r = px.hypot(py);
            if py > 0.0 && (px / py).atan().abs() < open && (r - radius).abs() < 1.1 {
                units[(x, y)] = units[(x, y)].max(dense);
            }
        }
    }
}
