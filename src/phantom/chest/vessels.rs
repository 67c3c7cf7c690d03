//! Pulmonary vessels, hila and airways.
//!
//! Trees follow `d1^x + d2^x = d0^x` with x = 2.6 and bifurcations of 28 ± 15 degrees (Dong 2020), down to 1 mm.
//! Separate because trees are grown in space and only then projected.

use super::Frame;
use super::person::Person;
use super::trunk::{Trunk, dome_y};
use crate::geometry::Point;
use crate::noise::Noise;
use crate::phantom::xray::shape::{self, Node};
use crate::phantom::xray::{Material, Patch, Paths, Rotation, Vec3};

/// The exponent of the branching law.
const EXPONENT: f64 = 2.6;
/// Thinnest vessel drawn, mm.
const THINNEST: f64 = 1.0;

struct Growth<'a> {
    person: &'a Person,
    frame: &'a Frame,
    side: usize,
    vessels: Vec<[Node; 2]>,
}

impl Growth<'_> {
    /// Whether a point lies in the lung and at least `margin` mm from the pleura.
    fn inside(&self, p: Vec3, margin: f64) -> bool {
        let (wide, deep) = self.person.cavity(p.y);
        let u = p.x / (wide - margin).max(1.0);
        let v = (p.z - self.person.cavity_middle()) / (deep / 2.0 - margin).max(1.0);
        let outward = if self.side == 0 { -p.x } else { p.x };
        let top = 4.0 + ((outward - 47.0) / 40.0).powi(2) * 26.0;
        u * u + v * v < 1.0
            && outward > 12.0
            && p.y > top
            && p.y < dome_y(self.person, self.side, p.x) + 45.0
    }

    fn grow(&mut self, from: Vec3, heading: Vec3, diameter: f64, chance: &mut Noise, depth: u32) {
        let length = diameter.sqrt() * chance.range(7.5, 13.0);
        let pieces = 2;
        let mut at = from;
        let mut heading = heading.unit();
        for k in 0..pieces {
            let bend = Vec3::new(chance.normal(), chance.normal(), chance.normal()) * 0.10;
            heading = (heading + bend).unit();
            let to = at + heading * (length / f64::from(pieces));
            if !self.inside(to, 4.0) {
                return;
            }
            let taper = |k: i32| diameter / 2.0 * (1.0 - 0.05 * f64::from(k));
            self.vessels.push([
                Node::new(self.frame.place(at), taper(k)),
                Node::new(self.frame.place(to), taper(k + 1)),
            ]);
            at = to;
        }
        if depth > 11 {
            return;
        }
        let ratio: f64 = chance.range(0.5, 1.0);
        let major = diameter / (1.0 + ratio.powf(EXPONENT)).powf(1.0 / EXPONENT);
        let minor = major * ratio;
        let side = heading
            .cross(Vec3::new(chance.normal(), chance.normal(), chance.normal()))
            .unit();
        let turn = |angle: f64| heading * angle.cos() + side * angle.sin();
        let angle = (28.0 + 12.0 * chance.normal())
            .clamp(8.0, 65.0)
            .to_radians();
        if major >= THINNEST {
            self.grow(at, turn(-angle * ratio * 0.5), major, chance, depth + 1);
        }
        if minor >= THINNEST {
            self.grow(at, turn(angle), minor, chance, depth + 1);
        }
    }
}

/// Height of a hilum; the left one stands higher.
fn hilum(person: &Person, side: usize) -> Vec3 {
    let sign = if side == 0 { -1.0 } else { 1.0 };
    let y = person.lung_height[0] * 0.47 - if side == 1 { 9.0 } else { 0.0 };
    Vec3::new(
        sign * if side == 0 { 34.0 } else { 38.0 } + 0.4 * person.turned,
        y,
        person.cavity_middle() + 4.0,
    )
}

/// Root directions of one lung: x outward, y down, z backward, and the diameter.
const ROOTS: [([f64; 3], f64); 11] = [
    ([0.35, -1.0, -0.25], 6.6),
    ([0.75, -0.75, 0.35], 5.6),
    ([1.0, -0.35, -0.6], 5.0),
    ([1.0, 0.02, 0.15], 4.6),
    ([1.0, 0.28, -0.7], 5.4),
    ([0.9, 0.55, 0.5], 5.6),
    ([0.42, 1.0, 0.1], 9.6),
    ([0.75, 0.9, 0.6], 6.2),
    ([0.2, 1.0, 0.55], 5.4),
    ([0.6, 0.75, -0.6], 5.0),
    ([0.6, -0.9, -0.6], 4.4),
];

/// Vessels of both lungs as one patch in cm, clipped to where there is lung.
pub(super) fn vessels(seed: u64, person: &Person, frame: &Frame, trunk: &Trunk) -> Patch {
    let size = (frame.view.width, frame.view.height);
    let whole = trunk.lung.bounds();
    let mut sum = Patch::from_fn(whole, size, |_, _| 0.0);
    for side in 0..2 {
        let mut chance = Noise::new(seed, 130 + side as u64);
        let mut growth = Growth {
            person,
            frame,
            side,
            vessels: Vec::with_capacity(1500),
        };
        let sign = if side == 0 { -1.0 } else { 1.0 };
        let root = hilum(person, side);
        for (heading, diameter) in ROOTS {
            let jitter = |c: &mut Noise| 0.16 * c.normal();
            let heading = Vec3::new(
                sign * heading[0] + jitter(&mut chance),
                heading[1] + jitter(&mut chance),
                heading[2] + jitter(&mut chance),
            );
            let start = root + heading.unit() * 4.0;
            let diameter = diameter * chance.range(0.85, 1.15);
            growth.grow(start, heading, diameter, &mut chance, 0);
        }
        for pair in &growth.vessels {
            let piece = shape::tube(&frame.view, pair, 0.0).outer;
            let rect = piece.rect;
            for y in rect.y..rect.bottom() {
                let row = sum.values.row_mut(y as usize);
                let from = piece.values.row((y - rect.y) as usize);
                for (to, v) in row[rect.x as usize..].iter_mut().zip(from) {
                    *to += v;
                }
            }
        }
    }
    sum.mapped(|x, y, v| (1.25 * v).min(1.6) * (trunk.lung[(x, y)] / 3.0).clamp(0.0, 1.0))
}

/// Hilar tissue in cm: soft swellings where the great vessels leave the heart.
pub(super) fn hila(seed: u64, person: &Person, frame: &Frame, trunk: &Trunk) -> Vec<Patch> {
    let mut chance = Noise::new(seed, 134);
    let mut parts = Vec::new();
    for side in 0..2 {
        let root = hilum(person, side);
        let sign = if side == 0 { -1.0 } else { 1.0 };
        for (x, y, radius, tall) in [
            (0.0, -6.0, 12.0, 15.0),
            (7.0, 8.0, 8.0, 17.0),
            (2.0, 20.0, 8.0, 18.0),
            (9.0, -14.0, 7.0, 9.0),
        ] {
            let center = root + Vec3::new(sign * x, y + 2.0 * chance.normal(), 0.0);
            let blob = shape::ellipsoid(
                &frame.view,
                frame.place(center),
                Vec3::new(radius, tall, radius) * chance.range(0.85, 1.15),
                &Rotation::about(2, -sign * chance.range(4.0, 24.0)),
            );
            let lung = &trunk.lung;
            parts.push(blob.mapped(|x, y, v| 0.95 * v * (lung[(x, y)] / 3.0).clamp(0.0, 1.0)));
        }
    }
    parts
}

/// Takes trachea and main bronchi out of the soft tissue; returns their line for the truth.
pub(super) fn airways(seed: u64, person: &Person, frame: &Frame, paths: &mut Paths) -> Vec<Point> {
    let mut chance = Noise::new(seed, 135);
    let wide = chance.range(7.2, 10.0) * if person.sex == 'F' { 0.85 } else { 1.0 };
    let carina_y = person.vertebra_y(4.6) + 4.0 * chance.normal();
    let lean = 0.5 * person.turned - 2.0;
    let deep = person.cavity_middle() + 14.0;
    let line = shape::spline(
        &[
            Vec3::new(0.4 * lean, -120.0, deep - 20.0),
            Vec3::new(0.6 * lean, -50.0, deep - 20.0),
            Vec3::new(lean - 1.0, 10.0, deep - 10.0),
            Vec3::new(lean - 3.0, 50.0, deep),
            Vec3::new(lean, carina_y, deep),
        ],
        false,
        5,
    );
    let nodes: Vec<Node> = line
        .iter()
        .map(|p| Node::new(frame.place(*p), wide))
        .collect();
    let mut gas = shape::tube(&frame.view, &nodes, 0.0).outer;
    let carina = line[line.len() - 1];
    for side in 0..2 {
        let sign = if side == 0 { -1.0 } else { 1.0 };
        let end = hilum(person, side);
        let (steep, radius) = if side == 0 { (0.9, 6.6) } else { (1.0, 5.8) };
        let middle = carina.lerp(end, 0.5) + Vec3::new(sign * 2.0, steep * 3.0, 0.0);
        let nodes: Vec<Node> =
            shape::spline(&[carina, middle, end + Vec3::new(0.0, 4.0, 0.0)], false, 5)
                .iter()
                .enumerate()
                .map(|(k, p)| Node::new(frame.place(*p), radius * (1.0 - 0.03 * k as f64)))
                .collect();
        gas = gas.union(&shape::tube(&frame.view, &nodes, 0.0).outer, 0.3);
    }
    paths.add(Material::Soft, &gas, -1.35);
    nodes
        .iter()
        .map(|n| frame.view.project(n.at).point)
        .collect()
}
