//! Mandible, maxilla, palate, sinuses, cheekbones, skull base.
//!
//! Plates from outlines with a wall of compact bone, filled with spongy bone of a trabecular field; thin walls as
//! tubes. Separate because teeth and canals are cut into it.

use super::person::{Person, TALL};
use super::{Frame, stream, trabeculae};
use crate::geometry::Point;
use crate::noise::Noise;
use crate::phantom::xray::shape::{self, Hollow, Node};
use crate::phantom::xray::{Material, Patch, Paths, Rotation, Vec3};

/// What truth and ghosts need of the bones.
pub(super) struct Bones {
    /// The mandible's whole chord, cm.
    pub(super) mandible: Patch,
    /// Its outline, fine pixels.
    pub(super) outline: Vec<Point>,
    /// Outline of the upper jaw's process, fine pixels.
    pub(super) upper: Vec<Point>,
}

/// Lower border, ramus, condyle, notch, coronoid and front border of one half, from the chin round.
const HALF: [(f64, f64); 24] = [
    (0.0, 118.5),
    (12.0, 118.8),
    (26.0, 117.0),
    (40.0, 113.4),
    (54.0, 108.0),
    (68.0, 100.8),
    (79.0, 94.2),
    (88.0, 88.0),
    (94.5, 80.0),
    (97.5, 68.0),
    (99.5, 54.0),
    (103.0, 40.0),
    (106.5, 29.0),
    (110.5, 22.0),
    (109.5, 15.5),
    (104.0, 12.5),
    (98.5, 14.5),
    (97.5, 21.0),
    (95.0, 30.0),
    (88.5, 33.5),
    (82.5, 28.0),
    (78.0, 21.5),
    (72.5, 30.0),
    (68.5, 44.0),
];

/// Height of the lower crest at a distance from the midline.
pub(super) fn lower_crest(person: &Person, x: f64) -> f64 {
    let full = person.bite(x) + 9.2 * TALL + person.crest - 2.0;
    let border = 117.0 - 0.0042 * x * x;
    border - (border - full) * person.height[1]
}

/// Height of the upper crest.
pub(super) fn upper_crest(person: &Person, x: f64) -> f64 {
    let full = person.bite(x) - 9.0 * TALL - person.crest + 2.0;
    26.0 + (full - 26.0) * person.height[0]
}

fn line(
    person: &Person,
    frame: &Frame,
    corners: &[(f64, f64)],
    closed: bool,
    steps: usize,
) -> Vec<Point> {
    let corners: Vec<Vec3> = corners.iter().map(|&(x, y)| Vec3::new(x, y, 0.0)).collect();
    shape::spline(&corners, closed, steps)
        .iter()
        .map(|p| frame.pixel(person, p.x, p.y))
        .collect()
}

fn rod(person: &Person, frame: &Frame, corners: &[(f64, f64)], radius: f64) -> Patch {
    let corners: Vec<Vec3> = corners.iter().map(|&(x, y)| Vec3::new(x, y, 0.0)).collect();
    let nodes: Vec<Node> = shape::spline(&corners, false, 6)
        .into_iter()
        .map(|p| Node::new(Frame::place(person, p.x, p.y), radius))
        .collect();
    shape::tube(&frame.view, &nodes, 0.0).outer
}

fn oval(person: &Person, frame: &Frame, at: (f64, f64), half: Vec3, degrees: f64) -> Patch {
    let center = Frame::place(person, at.0, at.1);
    shape::ellipsoid(
        &frame.view,
        center,
        half,
        &Rotation::about(2, degrees + person.tilt),
    )
}

/// Puts all bones into the paths.
pub(super) fn built(seed: u64, person: &Person, frame: &Frame, paths: &mut Paths) -> Bones {
    let mut chance = stream(seed, 2);
    let spongy = trabeculae(seed);
    let k = frame.px_per_mm();
    let grain = |strength: f32, shift: f64| {
        let spongy = &spongy;
        move |x: usize, y: usize| 1.0 + strength * spongy.at(x as f64 / k + shift, y as f64 / k)
    };
    skull(person, frame, &mut chance, paths, &grain(0.3, 60.0));
    let upper = maxilla(person, frame, &mut chance, paths, &grain(0.40, 20.0));
    let (mandible, outline) = mandible(person, frame, &mut chance);
    let texture = grain(0.42, 0.0);
    let wall = mandible
        .wall()
        .mapped(|x, y, v| v * (0.85 + 0.15 * texture(x, y)));
    paths.replace(Material::Soft, Material::Cortical, &wall);
    let inner = mandible.inner.clone().mapped(|x, y, v| v * texture(x, y));
    paths.replace(Material::Soft, Material::Cancellous, &inner);
    for side in [-1.0, 1.0] {
        // The oblique line runs on from the front border of the ramus.
        let ridge: Vec<(f64, f64)> = [(69.0, 44.0), (66.0, 60.0), (61.0, 72.0), (52.0, 81.0)]
            .map(|(x, y)| person.jaw(side, x, y))
            .to_vec();
        paths.replace(
            Material::Soft,
            Material::Cortical,
            &rod(person, frame, &ridge, 0.9),
        );
    }
    Bones {
        mandible: mandible.outer,
        outline,
        upper,
    }
}

fn mandible(person: &Person, frame: &Frame, chance: &mut Noise) -> (Hollow, Vec<Point>) {
    let notch = chance.range(0.0, 2.0);
    let half = |side: f64, chance: &mut Noise| -> Vec<(f64, f64)> {
        HALF.iter()
            .enumerate()
            .map(|(i, &(x, y))| {
                let dip = if (6..8).contains(&i) { -notch } else { 0.0 };
                let jitter = if i == 0 { 0.0 } else { 0.6 };
                let x = x + jitter * chance.normal();
                person.jaw(side, x, y + dip + jitter * chance.normal())
            })
            .collect()
    };
    let (right, left) = (half(-1.0, chance), half(1.0, chance));
    let mut corners = left;
    let last = 64.0;
    for i in 0..=12 {
        let x = last - 2.0 * last * f64::from(i) / 12.0;
        corners.push((
            x * person.size,
            lower_crest(person, x.abs()) + 0.5 * chance.normal(),
        ));
    }
    corners.extend(right.into_iter().skip(1).rev());
    let outline = line(person, frame, &corners, true, 5);
    let k = frame.px_per_mm();
    let distance = shape::outline_distance(frame.view.size(), &outline, 9.0 * k);
    let mut plate = shape::plate(&distance, k, 12.5, 6.5, 1.7);
    // The lower border is thick; crest, ramus and head are not.
    let thick = shape::plate(&distance, k, 12.5, 6.5, person.cortex);
    let mean = frame.view.height as f64;
    plate.inner = plate.inner.combined(&thick.inner, |a, b| a.min(b.max(0.0)));
    let low = |y: usize| ((y as f64 / mean - 0.60) / 0.14).clamp(0.0, 1.0) as f32;
    let thin = shape::plate(&distance, k, 12.5, 6.5, 1.2).inner;
    let thick = plate.inner.clone();
    plate.inner = thin.mapped(|x, y, v| {
        let w = low(y);
        v * (1.0 - w) + w * thick.at(x as i64, y as i64)
    });
    // The ramus is thinner than the body.
    let ramus = |x: usize| {
        let off = (x as f64 / frame.view.width as f64 - 0.5).abs() * super::FILM_MM.0;
        (1.0 - 0.35 * ((off - 60.0) / 14.0).clamp(0.0, 1.0)) as f32
    };
    plate.outer = plate.outer.mapped(|x, _, v| v * ramus(x));
    plate.inner = plate.inner.mapped(|x, _, v| v * ramus(x));
    (plate, outline)
}

fn maxilla(
    person: &Person,
    frame: &Frame,
    chance: &mut Noise,
    paths: &mut Paths,
    texture: &dyn Fn(usize, usize) -> f32,
) -> Vec<Point> {
    let mut corners: Vec<(f64, f64)> = (0..=12)
        .map(|i| -62.0 + 124.0 * f64::from(i) / 12.0)
        .map(|x| (x * person.size, upper_crest(person, x.abs())))
        .collect();
    corners.extend([
        (66.0, 40.0),
        (64.0, 22.0),
        (30.0, 20.0),
        (0.0, 21.0),
        (-30.0, 20.0),
        (-64.0, 22.0),
        (-66.0, 40.0),
    ]);
    let outline = line(person, frame, &corners, true, 4);
    let k = frame.px_per_mm();
    let distance = shape::outline_distance(frame.view.size(), &outline, 11.0 * k);
    let plate = shape::plate(&distance, k, 11.0, 10.0, 0.35);
    paths.replace(Material::Soft, Material::Cortical, &plate.wall());
    let inner = plate.inner.mapped(|x, y, v| v * texture(x, y));
    paths.replace(Material::Soft, Material::Cancellous, &inner);
    // The palate is seen twice: sharp, and its other side above.
    let floor = chance.range(23.0, 27.0);
    let palate = [
        (-58.0, floor - 1.0),
        (-25.0, floor + 0.6),
        (25.0, floor + 0.6),
        (58.0, floor - 1.0),
    ];
    paths.replace(
        Material::Soft,
        Material::Cortical,
        &rod(person, frame, &palate, 1.1).scaled(1.6),
    );
    let twin = palate.map(|(x, y)| (x, y - 4.2));
    paths.add(Material::Cortical, &rod(person, frame, &twin, 1.3), 0.6);
    for side in [-1.0, 1.0] {
        sinus(person, frame, side, floor, chance, paths);
        cheek(person, frame, side, paths);
    }
    nose(person, frame, chance, paths, floor);
    outline
}

/// Air in the upper jaw with its thin wall.
fn sinus(
    person: &Person,
    frame: &Frame,
    side: f64,
    floor: f64,
    chance: &mut Noise,
    paths: &mut Paths,
) {
    let k = frame.px_per_mm();
    let low = floor + chance.range(1.0, 7.0) * person.height[0];
    let wide = chance.range(17.0, 21.0);
    let sinus = [
        (side * (25.0 + wide), 3.0),
        (side * (27.0 + 2.0 * wide), 9.0),
        (side * (25.0 + 1.9 * wide), 20.0),
        (side * (25.0 + 1.2 * wide), low),
        (side * (26.0 + 0.4 * wide), low - 2.0),
        (side * 24.0, 15.0),
        (side * 25.0, 5.0),
    ];
    let edge = line(person, frame, &sinus, true, 6);
    let distance = shape::outline_distance(frame.view.size(), &edge, 6.0 * k);
    let air = shape::plate(&distance, k, 20.0, 9.0, 0.0).outer;
    paths.add(Material::Soft, &air, -1.0);
    paths.add(Material::Cancellous, &air, -0.28);
    let mut ring = sinus.to_vec();
    ring.push(sinus[0]);
    paths.replace(
        Material::Soft,
        Material::Cortical,
        &rod(person, frame, &ring, 0.7),
    );
}

fn cheek(person: &Person, frame: &Frame, side: f64, paths: &mut Paths) {
    // Cheekbone: its root stands as a U over the molars, its arch runs backward.
    let root = [
        (side * 52.0, 8.0),
        (side * 57.0, 22.0),
        (side * 64.0, 24.0),
        (side * 68.0, 10.0),
    ];
    paths.replace(
        Material::Soft,
        Material::Cortical,
        &rod(person, frame, &root, 1.6),
    );
    let arch = [
        (side * 64.0, 16.0),
        (side * 80.0, 12.0),
        (side * 98.0, 8.0),
        (side * 116.0, 7.0),
    ];
    let arch = rod(person, frame, &arch, 3.4);
    paths.replace(Material::Soft, Material::Cancellous, &arch);
    // Pterygoid plates and tuberosity.
    let plate = [
        (side * 68.0, 18.0),
        (side * 70.0, 34.0),
        (side * 69.0, 46.0),
    ];
    paths.replace(
        Material::Soft,
        Material::Cancellous,
        &rod(person, frame, &plate, 3.0),
    );
}

fn nose(person: &Person, frame: &Frame, chance: &mut Noise, paths: &mut Paths, floor: f64) {
    let bend = chance.gauss(0.0, 1.6);
    for side in [-1.0, 1.0] {
        // Narrow above, wide below, with the turbinates hanging in from the side.
        let cavity = [
            (side * 6.0, -6.0),
            (side * 8.5, 0.35 * floor),
            (side * 11.0, 0.72 * floor),
        ];
        let cavity = rod(person, frame, &cavity, 6.2);
        paths.add(Material::Soft, &cavity, -1.1);
        for (y, wide) in [(0.30, 3.2), (0.68, 4.4)] {
            let shell = [
                (side * 18.0, y * floor - 2.0),
                (side * 11.0, y * floor + 1.5),
            ];
            paths.add(Material::Soft, &rod(person, frame, &shell, wide), 0.9);
        }
    }
    let septum = [(0.0, 0.0), (bend, 0.5 * floor), (0.0, floor)];
    paths.replace(
        Material::Soft,
        Material::Cortical,
        &rod(person, frame, &septum, 1.0),
    );
}

/// Skull base, joint sockets, styloids, hyoid and the spine at both edges.
fn skull(
    person: &Person,
    frame: &Frame,
    chance: &mut Noise,
    paths: &mut Paths,
    texture: &dyn Fn(usize, usize) -> f32,
) {
    for side in [-1.0, 1.0] {
        for _ in 0..9 {
            let at = (side * chance.range(112.0, 146.0), chance.range(-6.0, 16.0));
            let half = Vec3::new(chance.range(7.0, 16.0), chance.range(5.0, 11.0), 14.0);
            let mass = oval(person, frame, at, half, chance.range(-40.0, 40.0));
            let mass = mass.mapped(|x, y, v| v * texture(x, y));
            paths.replace(
                Material::Soft,
                Material::Cancellous,
                &mass.clone().scaled(0.75),
            );
            paths.add(Material::Cortical, &mass, 0.06);
        }
        let socket = [
            (side * 92.0, 10.0),
            (side * 99.0, 7.5),
            (side * 106.0, 6.0),
            (side * 113.0, 11.0),
            (side * 117.0, 16.0),
        ];
        paths.replace(
            Material::Soft,
            Material::Cortical,
            &rod(person, frame, &socket, 1.5),
        );
        let styloid = [
            (side * 117.0, 22.0),
            (side * 112.0, 40.0),
            (side * 107.0, 54.0),
        ];
        paths.replace(
            Material::Soft,
            Material::Cortical,
            &rod(person, frame, &styloid, 1.1),
        );
        for i in 0..5 {
            let y = 38.0 + 24.0 * f64::from(i) + chance.gauss(0.0, 1.5);
            let at = (side * (133.0 + chance.gauss(0.0, 2.0)), y);
            let half = Vec3::new(13.0, 11.5, 11.0);
            let body =
                oval(person, frame, at, half, side * 8.0).mapped(|x, y, v| v * texture(x, y));
            paths.replace(Material::Soft, Material::Cancellous, &body.scaled(0.55));
        }
        let y = chance.range(116.0, 127.0);
        let horn = [
            (side * 96.0, y - 9.0),
            (side * 78.0, y - 1.0),
            (side * 58.0, y + 1.5),
            (side * 40.0, y),
        ];
        paths.replace(
            Material::Soft,
            Material::Cancellous,
            &rod(person, frame, &horn, 2.4),
        );
    }
}
