//! Skin line, pectoral muscle and thickness: the shape between the paddles.
//!
//! The skin line is a smooth closed curve that runs beyond the film at the chest wall; thickness rolls off over its
//! outer margin as a quarter ellipse. Separate because tissue, lesions and truth all ask where they are in it.

use super::woman::Woman;
use super::{BreastView, Frame, stream};
use crate::geometry::Point;
use crate::grid::Grid;
use crate::noise::Noise;
use crate::phantom::xray::{Patch, Vec3, blur, shape};

/// The compressed breast on the fine film.
pub(super) struct Shape {
    /// Skin line, pixels, closed beyond the chest wall.
    pub(super) skin: Vec<Point>,
    /// Distance from the skin, mm, positive inside.
    pub(super) inside: Patch,
    /// Thickness between the paddles, cm.
    pub(super) depth: Grid<f32>,
    /// Part of the thickness that is skin, cm.
    pub(super) cover: Grid<f32>,
    /// Share of the thickness that is pectoral muscle, 0–1.
    pub(super) muscle: Grid<f32>,
    /// Front edge of the pectoral muscle, pixels; empty without one.
    pub(super) edge: Vec<Point>,
    /// The nipple, `(u, v)` mm.
    pub(super) nipple: (f64, f64),
    /// Middle of the breast at the chest wall, mm down the film.
    pub(super) middle: f64,
}

/// Where a rounded margin begins, cells whose muscle fades.
fn smooth(t: f64) -> f64 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Corners of the skin line and the nipple of the oblique view: from the armpit round to the belly.
fn oblique(woman: &Woman, chance: &mut Noise) -> (Vec<(f64, f64)>, (f64, f64)) {
    let (d, h, side) = (woman.depth, woman.height, woman.side_mm);
    let top = side * chance.range(-0.06, 0.04);
    let nipple = top + h * chance.range(0.60, 0.70) + 0.06 * side;
    let low = nipple + h * chance.range(0.36, 0.42);
    let arm = d * chance.range(0.26, 0.48);
    let full = chance.range(0.38, 0.56);
    let mut p = vec![(-60.0, top - 60.0), (arm * 0.7, top - 60.0)];
    let upper = chance.range(1.6, 2.3);
    p.extend([1.0_f64, 0.8, 0.6, 0.4, 0.22, 0.1].map(|s| {
        let u = arm + (d - arm) * (1.0 - s.powf(upper)).max(0.0).powf(0.9);
        (u, nipple - s * (nipple - top))
    }));
    p.extend([0.0_f64, 0.14, 0.3, 0.5, 0.7, 0.86, 0.96].map(|s| {
        let u = d * (1.0 - s * s).powf(full);
        (u, nipple + s * (low - nipple))
    }));
    // Fold under the breast, and the belly below it.
    let belly = d * chance.range(0.05, 0.16);
    p.extend([
        (d * 0.11, low + 0.015 * h),
        (belly, low + 0.10 * h),
        (belly * 1.1, low + 0.5 * h),
        (-60.0, low + 0.5 * h),
    ]);
    (p, (d, nipple))
}

/// Corners of the skin line and the nipple of the craniocaudal view: nearly half an ellipse.
fn craniocaudal(woman: &Woman, middle: f64, chance: &mut Noise) -> (Vec<(f64, f64)>, (f64, f64)) {
    let (d, h) = (woman.depth, woman.height);
    let lean = chance.range(-0.05, 0.05) * h;
    let power = chance.range(1.85, 2.2);
    let half = 0.5 * h;
    let mut p = vec![(-60.0, middle - half * 1.12)];
    for i in 0..=16 {
        // Closer together where the line is steep.
        let t = (std::f64::consts::FRAC_PI_2 * (f64::from(i) / 8.0 - 1.0)).sin();
        let u = d * (1.0 - t.abs().powf(power)).max(0.0).powf(1.0 / power);
        p.push((u, middle + half * t + lean * (1.0 - t * t)));
    }
    p.push((-60.0, middle + half * 1.12));
    (p, (d, middle + lean))
}

pub(super) fn built(seed: u64, woman: &Woman, frame: &Frame) -> Shape {
    let mut chance = stream(seed, 1);
    let (d, h, side) = (woman.depth, woman.height, woman.side_mm);
    let mlo = woman.view == BreastView::Mlo;
    let middle = side * chance.range(0.47, 0.53);
    let (points, nipple) = if mlo {
        oblique(woman, &mut chance)
    } else {
        craniocaudal(woman, middle, &mut chance)
    };
    let nipple = (nipple.0, nipple.1 + chance.gauss(0.0, 3.0));
    let corners: Vec<Vec3> = points.iter().map(|&(u, v)| Vec3::new(u, v, 0.0)).collect();
    let bump = chance.range(4.0, 8.0);
    let profile = chance.chance(0.75);
    let skin: Vec<Point> = shape::spline(&corners, true, 14)
        .iter()
        .map(|p| {
            // The nipple stands out where it is in profile.
            let off = (p.y - nipple.1) / 6.5;
            let out = if profile && p.x > 0.5 * d {
                bump * (-0.5 * off.powi(4)).exp()
            } else {
                0.0
            };
            frame.pixel(p.x + out, p.y)
        })
        .collect();
    let size = frame.view.size();
    let scale = frame.px_per_mm();
    let margin = (0.5 * woman.thickness).clamp(14.0, 32.0);
    let distance = shape::outline_distance(size, &skin, (margin + 4.0) * scale);
    let plate = shape::plate(&distance, scale, woman.thickness, margin, 1.5);
    let whole = |patch: &Patch| Grid::from_fn(size.0, size.1, |x, y| patch.at(x as i64, y as i64));
    let depth = whole(&plate.outer);
    let cover = whole(&plate.wall());
    let (muscle, edge) = if mlo {
        pectoral(seed, woman, frame, &depth)
    } else {
        (Grid::filled(size.0, size.1, 0.0), Vec::new())
    };
    Shape {
        skin,
        inside: distance.scaled((1.0 / scale) as f32),
        depth,
        cover,
        muscle,
        edge,
        nipple,
        middle: if mlo { nipple.1 - 0.1 * h } else { middle },
    }
}

/// A slightly convex triangle at the upper chest wall, 10–30° steep, fading downward.
fn pectoral(seed: u64, woman: &Woman, frame: &Frame, depth: &Grid<f32>) -> (Grid<f32>, Vec<Point>) {
    let mut chance = stream(seed, 2);
    let reach = woman.side_mm * chance.range(0.45, 0.72);
    let wide = (reach * chance.range(14.0_f64, 27.0).to_radians().tan()).min(0.72 * woman.depth);
    let bow = wide * chance.range(0.02, 0.16);
    let strength = chance.range(0.28, 0.6);
    let soft = chance.range(1.2, 4.0);
    let line = |v: f64| {
        let t = v / reach;
        wide * (1.0 - t) + bow * (std::f64::consts::PI * t.clamp(0.0, 1.0)).sin()
    };
    let (w, h) = depth.size();
    let muscle = Grid::from_fn(w, h, |x, y| {
        if depth[(x, y)] <= 0.0 {
            return 0.0;
        }
        let (u, v) = frame.at(x as f64, y as f64);
        let off = line(v) - u;
        let edge = smooth(0.5 + off / (2.0 * soft));
        let fade = smooth((reach - v) / (0.45 * reach) + 0.25);
        (strength * edge * (0.55 + 0.45 * fade)) as f32
    });
    let muscle = blur::gaussian(&muscle, 0.6 * Frame::FINER as f64);
    let edge = (0..=20)
        .map(|i| reach * f64::from(i) / 20.0)
        .map(|v| frame.pixel(line(v).max(0.0), v))
        .collect();
    (muscle, edge)
}
