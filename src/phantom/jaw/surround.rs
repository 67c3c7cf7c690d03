//! Soft tissue and air around the jaws, and what the slit shows blurred: spine, opposite jaw.
//!
//! Nothing here bears truth; it fills the film the way the rotation does.

use super::bones::Bones;
use super::person::Person;
use super::{FILM_MM, Frame, stream};
use crate::geometry::PixelRect;
use crate::grid::Grid;
use crate::noise::Noise;
use crate::phantom::xray::shape::{self, Node};
use crate::phantom::xray::{Material, Patch, Paths, PowerLaw, Texture, Vec3, blur, power_law};

/// How much coarser than the fine film the ghosts are drawn.
const COARSE: usize = 8;

fn step(t: f64) -> f64 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

fn band(person: &Person, frame: &Frame, corners: &[(f64, f64, f64)]) -> Patch {
    let places: Vec<Vec3> = corners.iter().map(|c| Vec3::new(c.0, c.1, c.2)).collect();
    let nodes: Vec<Node> = shape::spline(&places, false, 6)
        .into_iter()
        .map(|p| Node::new(Frame::place(person, p.x, p.y), p.z.max(0.3)))
        .collect();
    shape::tube(&frame.view, &nodes, 0.0).outer
}

/// The path through the head as the tube goes round it, with lips, tongue, throat.
pub(super) fn soft(seed: u64, person: &Person, frame: &Frame, paths: &mut Paths) {
    let mut chance = stream(seed, 6);
    let law = PowerLaw {
        beta: 3.0,
        low: 0.012,
        high: 0.3,
        anisotropy: 1.0,
    };
    let [tile, other] = power_law(&mut stream(seed, 7), 6, law);
    let texture = |tile| Texture {
        tile,
        mm_per_texel: 4.0,
    };
    let (swell, veil) = (texture(tile), texture(other));
    let build = chance.range(0.88, 1.12);
    let neck = chance.range(0.50, 0.68);
    let (w, h) = frame.view.size();
    let mm = frame.view.mm_per_px;
    let plane = Grid::from_fn(w, h, |px, py| {
        let x = (px as f64 + 0.5) * mm - 0.5 * FILM_MM.0;
        let y = (py as f64 + 0.5) * mm;
        let off = x.abs() / 140.0;
        // Face above, neck below the border of the jaw; the throat darkens the sides.
        let border = 121.0 - 0.0046 * x * x;
        let below = step((y - border) / 16.0);
        let center = (-(x / 30.0).powi(2)).exp();
        let whole = 8.6 + 1.6 * center - 1.0 * off + 1.2 * step((off - 0.72) / 0.2);
        let under = neck * (7.4 + 3.2 * center + 1.6 * step((off - 0.8) / 0.2));
        let cm = build * (whole + (under - whole) * below);
        let uneven =
            1.0 + 0.03 * f64::from(swell.at(x, y)) + 0.02 * f64::from(veil.at(2.0 * x, 2.0 * y));
        (cm * uneven) as f32
    });
    *paths.plane_mut(Material::Soft) = plane;
    air(person, frame, &mut chance, paths);
}

fn air(person: &Person, frame: &Frame, chance: &mut Noise, paths: &mut Paths) {
    // Between tongue and palate, unless the tongue was held up.
    let gap = chance.range(0.0, 1.0);
    let roof = [
        (-66.0, 44.0, 4.0),
        (-40.0, 34.0, 3.6),
        (0.0, 31.0, 3.2),
        (40.0, 34.0, 3.6),
        (66.0, 44.0, 4.0),
    ];
    let patch = band(person, frame, &roof);
    paths.add(
        Material::Soft,
        &blurred(&patch, 1.2, frame),
        -(1.9 * gap) as f32,
    );
    // Behind the tongue, down both sides.
    for side in [-1.0, 1.0] {
        let throat = [
            (side * 60.0, 46.0, 5.0),
            (side * 71.0, 62.0, 8.0),
            (side * 80.0, 84.0, 9.5),
            (side * 87.0, 106.0, 9.5),
            (side * 90.0, 128.0, 10.0),
            (side * 91.0, 160.0, 10.0),
        ];
        let patch = band(person, frame, &throat);
        let depth = chance.range(0.5, 1.0) as f32;
        paths.add(Material::Soft, &blurred(&patch, 3.5, frame), -depth);
        let lobe = [(side * 116.0, 34.0, 6.0), (side * 118.0, 48.0, 7.0)];
        paths.add(Material::Soft, &band(person, frame, &lobe), 0.5);
    }
    // Open lips around the front teeth.
    let lips = [(-17.0, 62.0, 6.0), (0.0, 62.5, 8.0), (17.0, 62.0, 6.0)];
    let open = chance.range(0.2, 1.2) as f32;
    paths.add(
        Material::Soft,
        &blurred(&band(person, frame, &lips), 2.0, frame),
        -open,
    );
    // The bite block keeps the arches apart: air between them, less of it toward the cheeks.
    let bite: Vec<(f64, f64, f64)> = (-6..=6)
        .map(|i| f64::from(i) * 9.5)
        .map(|x| (x, person.bite(x), 1.5 - 1.1 * (x / 57.0).powi(2)))
        .collect();
    let gap = chance.range(1.2, 2.6) as f32;
    let patch = blurred(&band(person, frame, &bite), 0.5, frame);
    paths.add(Material::Soft, &patch, -gap);
}

/// A patch through a blur, on its own box with room around.
fn blurred(patch: &Patch, sigma_mm: f64, frame: &Frame) -> Patch {
    let size = frame.view.size();
    let pad = (3.0 * sigma_mm * frame.px_per_mm()).ceil() as i64 + 1;
    let rect = PixelRect::new(
        patch.rect.x - pad,
        patch.rect.y - pad,
        patch.rect.width + 2 * pad as usize,
        patch.rect.height + 2 * pad as usize,
    );
    let mut wide = Patch::from_fn(rect, size, |x, y| patch.at(x as i64, y as i64));
    wide.values = blur::gaussian(&wide.values, sigma_mm * frame.px_per_mm());
    wide
}

/// What lies outside the layer in focus: the neck's spine amid, the opposite jaw higher and wider.
pub(super) fn ghosts(seed: u64, person: &Person, frame: &Frame, bones: &Bones, paths: &mut Paths) {
    let mut chance = stream(seed, 8);
    let spine = chance.range(0.05, 0.5);
    let wide = chance.range(12.0, 19.0);
    let jaw = chance.range(0.05, 0.16) as f32;
    let lift = chance.range(12.0, 22.0);
    let (w, h) = frame.view.size();
    let mm = frame.view.mm_per_px;
    // The mirrored jaw is drawn coarsely: it is blurred anyway.
    let (cw, ch) = (w.div_ceil(COARSE), h.div_ceil(COARSE));
    let coarse = Grid::from_fn(cw, ch, |x, y| {
        let from = (
            w as i64 - 1 - (x * COARSE + COARSE / 2) as i64,
            (y * COARSE + COARSE / 2) as i64,
        );
        let lower = from.1 + (lift / mm) as i64;
        bones.mandible.at(from.0, lower)
    });
    let smeared = blur::gaussian(&coarse, 7.0 / (mm * COARSE as f64));
    let smeared = blur::enlarged(&smeared, COARSE, w, h);
    let plane = paths.plane_mut(Material::Cancellous);
    for py in 0..h {
        let y = (py as f64 + 0.5) * mm;
        let rise = step((y - 35.0) / 50.0);
        for px in 0..w {
            let x = (px as f64 + 0.5) * mm - 0.5 * FILM_MM.0 - person.shift.0;
            let off = (x.abs() / wide).powi(4);
            let column = (spine * rise * (-off).exp()) as f32;
            plane[(px, py)] += column + jaw * 2.0 * smeared[(px, py)];
        }
    }
}
