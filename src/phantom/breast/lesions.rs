//! Masses and calcifications, with their masks.
//!
//! A mass is extra gland in 60–100 % of a sphere's chord within a wavy outline; its margin is sharp, blurred or drawn
//! out into spicules. Calcifications are grains of hydroxyapatite in clusters, or coarse ones that a film of one
//! millimetre a pixel still shows. Separate because tissue only has to make room for them.

use super::outline::Shape;
use super::woman::Woman;
use super::{BreastOptions, Frame, stream};
use crate::geometry::Point;
use crate::grid::Grid;
use crate::noise::Noise;
use crate::phantom::FindingRequest;
use crate::phantom::xray::shape::{self, Node};
use crate::phantom::xray::{Patch, Rotation, Vec3, blur};

/// What was placed.
pub(super) struct Lesions {
    /// Mass, cm along the ray.
    pub(super) lump: Grid<f32>,
    /// Calcification, cm along the ray.
    pub(super) grains: Grid<f32>,
    /// Name and fine mask of each finding.
    pub(super) marks: Vec<(String, Grid<u8>)>,
    /// Diameter of the largest mass, extent of the cluster, count of grains.
    pub(super) numbers: Vec<(String, f64)>,
}

/// What is asked for, or drawn: a mass on two films in five, a third of them spiculated; calcifications on three in
/// ten.
pub(super) fn requests(seed: u64, options: &BreastOptions) -> Vec<FindingRequest> {
    if let Some(asked) = &options.findings {
        return asked.clone();
    }
    let mut chance = stream(seed, 10);
    let any = |name: &str| FindingRequest {
        name: name.to_owned(),
        place: None,
        size_mm: None,
    };
    let mut list = Vec::new();
    if chance.chance(0.42) {
        list.push(any(if chance.chance(0.36) {
            "spiculated"
        } else {
            "mass"
        }));
    }
    if chance.chance(0.3) {
        list.push(any("calcifications"));
    }
    list
}

pub(super) fn placed(
    seed: u64,
    asked: &[FindingRequest],
    woman: &Woman,
    frame: &Frame,
    shape: &Shape,
    gland: &Grid<f32>,
) -> Lesions {
    let (w, h) = frame.view.size();
    let mut lesions = Lesions {
        lump: Grid::filled(w, h, 0.0),
        grains: Grid::filled(w, h, 0.0),
        marks: Vec::new(),
        numbers: Vec::new(),
    };
    for (i, request) in asked.iter().enumerate() {
        let mut chance = stream(seed, 20 + i as u64);
        let wanted = match request.name.as_str() {
            "mass" | "spiculated" => 0.25,
            "calcifications" => 0.35,
            _ => continue,
        };
        let at = request
            .place
            .map(|p| (p.x * w as f64 - 0.5, p.y * h as f64 - 0.5))
            .map(|(x, y)| frame.at(x, y));
        let at = at.unwrap_or_else(|| site(woman, frame, shape, gland, wanted, &mut chance));
        let size = request.size_mm.filter(|s| s.is_finite() && *s > 0.0);
        if request.name == "calcifications" {
            let size = size
                .unwrap_or_else(|| chance.range(9.0, 28.0))
                .clamp(3.0, 60.0);
            calcifications(at, size, frame, &mut chance, &mut lesions);
        } else {
            let drawn = (14.0 * (0.45 * chance.normal()).exp()).clamp(7.0, 45.0);
            let size = size.unwrap_or(drawn).clamp(3.0, 80.0);
            let spiculated = request.name == "spiculated";
            let parts = (woman, frame, shape);
            mass(at, size, spiculated, parts, &mut chance, &mut lesions);
        }
    }
    lesions
}

/// A place inside the breast where gland is at least `wanted`; the most glandular of thirty when there is none.
fn site(
    woman: &Woman,
    frame: &Frame,
    shape: &Shape,
    gland: &Grid<f32>,
    wanted: f32,
    chance: &mut Noise,
) -> (f64, f64) {
    let mut best = (-1.0, (0.4 * woman.depth, shape.middle));
    for _ in 0..30 {
        let u = chance.range(0.08, 0.88) * woman.depth;
        let v = shape.middle + chance.range(-0.5, 0.5) * woman.height;
        let p = frame.pixel(u, v);
        if p.x < 0.0 || p.y < 0.0 {
            continue;
        }
        let at = (p.x as usize, p.y as usize);
        let deep = shape.inside.at(at.0 as i64, at.1 as i64) > 10.0;
        let Some(g) = gland.get(at.0, at.1).copied().filter(|_| deep) else {
            continue;
        };
        if shape.muscle[at] > 0.1 {
            continue;
        }
        if g >= wanted {
            return (u, v);
        }
        if g > best.0 {
            best = (g, (u, v));
        }
    }
    best.1
}

/// Outline, margin and density of one mass.
struct Mass {
    radius: f64,
    oval: f64,
    /// Sine and cosine of its long axis.
    turn: (f64, f64),
    /// Harmonic, amplitude and phase of the outline's waves.
    waves: Vec<(f64, f64, f64)>,
    margin: f64,
    strength: f64,
}

impl Mass {
    fn drawn(size_mm: f64, spiculated: bool, chance: &mut Noise) -> Self {
        let radius = 0.5 * size_mm;
        let kind = chance.uniform();
        let oval = chance.range(1.15, 1.5);
        let turn = chance.range(0.0, std::f64::consts::PI);
        // Few and low waves when circumscribed, a falling spectrum when irregular.
        let irregular = spiculated || kind > 0.75;
        let rough = if irregular { 0.16 } else { 0.05 };
        let waves = (2..9)
            .map(|k| {
                let k = f64::from(k);
                let a = rough * chance.normal() / (k - 1.0);
                (k, a, chance.range(0.0, std::f64::consts::TAU))
            })
            .collect();
        let blurred = chance.range(1.5, 4.0).min(0.5 * radius);
        Self {
            radius,
            oval: if kind < 0.35 { oval } else { 1.05 },
            turn: turn.sin_cos(),
            waves,
            margin: match (spiculated, irregular) {
                (true, _) => 0.9,
                (false, true) => blurred,
                _ => 0.4,
            },
            strength: chance.range(0.6, 1.0) * if spiculated { 1.1 } else { 1.0 },
        }
    }

    /// Thickness in cm at an offset in mm from the middle.
    fn chord(&self, off: Point) -> f64 {
        let (sin, cos) = self.turn;
        let (a, b) = (off.x * cos + off.y * sin, off.y * cos - off.x * sin);
        let (a, b) = (a / self.oval.sqrt(), b * self.oval.sqrt());
        let angle = b.atan2(a);
        let wave: f64 = self
            .waves
            .iter()
            .map(|(k, s, p)| s * (k * angle + p).cos())
            .sum();
        let edge = self.radius * (1.0 + wave);
        let r = a.hypot(b) / edge.max(0.5);
        // A little fuller than a sphere: a mass pushes tissue aside.
        0.2 * edge * self.strength * (1.0 - r.powf(2.6)).max(0.0).sqrt()
    }
}

fn mass(
    at: (f64, f64),
    size_mm: f64,
    spiculated: bool,
    (woman, frame, shape): (&Woman, &Frame, &Shape),
    chance: &mut Noise,
    lesions: &mut Lesions,
) {
    let mass = Mass::drawn(size_mm, spiculated, chance);
    let center = frame.pixel(at.0, at.1);
    let scale = frame.px_per_mm();
    let reach = (1.8 * mass.radius + 4.0 * mass.margin) * scale;
    let (w, h) = frame.view.size();
    let mut own = Grid::filled(w, h, 0.0_f32);
    let range = |c: f64, n: usize| {
        ((c - reach).max(0.0) as usize)..((c + reach).clamp(0.0, n as f64) as usize)
    };
    for y in range(center.y, h) {
        for x in range(center.x, w) {
            if shape.depth[(x, y)] > 0.0 {
                let off = (Point::new(x as f64, y as f64) - center) * (1.0 / scale);
                own[(x, y)] = mass.chord(off) as f32;
            }
        }
    }
    let mut own = blur::gaussian(&own, mass.margin * scale);
    if spiculated {
        for patch in spicules(at, mass.radius, woman, frame, chance) {
            for y in 0..patch.rect.height {
                for x in 0..patch.rect.width {
                    let cell = (x + patch.rect.x as usize, y + patch.rect.y as usize);
                    if shape.depth[cell] > 0.0 {
                        own[cell] = own[cell].max(patch.values[(x, y)] * 3.2);
                    }
                }
            }
        }
    }
    // The mask ends where a quarter of the mass is left; of spicules, thin as they are, less.
    let limit = if spiculated { 0.015 } else { 0.05 } * mass.radius as f32;
    let mark = own.map(|v| u8::from(*v > limit));
    for (to, from) in lesions.lump.cells_mut().iter_mut().zip(own.cells()) {
        *to = to.max(*from);
    }
    lesions
        .numbers
        .push(("mass_diameter_mm".to_owned(), size_mm));
    if spiculated {
        lesions.marks.push(("spiculated".to_owned(), mark.clone()));
    }
    lesions.marks.push(("mass".to_owned(), mark));
}

/// Tapering strands that draw the surroundings in.
fn spicules(
    at: (f64, f64),
    radius: f64,
    woman: &Woman,
    frame: &Frame,
    chance: &mut Noise,
) -> Vec<Patch> {
    let count = 12 + chance.index(14);
    (0..count)
        .map(|i| {
            let angle =
                std::f64::consts::TAU * (i as f64 + chance.range(-0.35, 0.35)) / count as f64;
            let length = radius * chance.range(1.2, 2.6);
            let bend = chance.gauss(0.0, 0.18);
            let thick =
                chance.range(0.35, 0.85) * (0.02 * woman.depth + 0.1 * radius).clamp(0.6, 1.6);
            let nodes: Vec<Node> = (0..=6)
                .map(|k| {
                    let t = f64::from(k) / 6.0;
                    let r = 0.6 * radius + t * length;
                    let a = angle + bend * t;
                    let p = frame.place(at.0 + r * a.cos(), at.1 + r * a.sin());
                    Node::new(p, thick * (1.0 - 0.85 * t))
                })
                .collect();
            shape::tube(&frame.view, &nodes, 0.0).outer
        })
        .collect()
}

fn calcifications(
    at: (f64, f64),
    size_mm: f64,
    frame: &Frame,
    chance: &mut Noise,
    lesions: &mut Lesions,
) {
    let coarse = frame.view.mm_per_px * Frame::FINER as f64;
    let kind = chance.uniform();
    let patches = if kind < 0.2 {
        popcorn(at, size_mm, frame, chance)
    } else if kind < 0.32 {
        // Egg shell: the rim of a cyst.
        let r = 0.5 * size_mm.clamp(4.0, 11.0);
        let ring = |radius: f64| {
            let half = Vec3::new(radius, 0.9 * radius, radius);
            let center = frame.place(at.0, at.1);
            shape::ellipsoid(&frame.view, center, half, &Rotation::IDENTITY)
        };
        vec![ring(r).without(&ring(r - 0.5)).scaled(0.10)]
    } else {
        cluster(at, size_mm, coarse, frame, chance)
    };
    let (w, h) = frame.view.size();
    let mut own = Grid::filled(w, h, 0.0_f32);
    for patch in &patches {
        for y in 0..patch.rect.height {
            for x in 0..patch.rect.width {
                let cell = (x + patch.rect.x as usize, y + patch.rect.y as usize);
                own[cell] += patch.values[(x, y)];
            }
        }
    }
    let touched = own.map(|v| f32::from(u8::from(*v > 0.003)));
    let mark = blur::gaussian(&touched, 1.2 / coarse.min(1.2)).map(|v| u8::from(*v > 0.08));
    for (to, from) in lesions.grains.cells_mut().iter_mut().zip(own.cells()) {
        *to += from;
    }
    let count = patches.len() as f64;
    lesions
        .numbers
        .push(("calcification_extent_mm".to_owned(), size_mm));
    lesions
        .numbers
        .push(("calcification_count".to_owned(), count));
    lesions.marks.push(("calcifications".to_owned(), mark));
}

/// A few lobes that run together.
fn popcorn(at: (f64, f64), size_mm: f64, frame: &Frame, chance: &mut Noise) -> Vec<Patch> {
    (0..5 + chance.index(6))
        .map(|_| {
            let r = size_mm * chance.range(0.04, 0.10);
            let p = near(at, 0.22 * size_mm, chance);
            grain(frame, p, [r, 0.8 * r], 0.16, chance)
        })
        .collect()
}

/// Many grains; where a pixel is large, only the larger ones would be seen, so those are drawn.
fn cluster(
    at: (f64, f64),
    size_mm: f64,
    mm_per_px: f64,
    frame: &Frame,
    chance: &mut Noise,
) -> Vec<Patch> {
    let (low, high) = if mm_per_px < 0.6 {
        (0.1, 0.3)
    } else {
        (0.16, 0.38)
    };
    let linear = chance.chance(0.4);
    let direction = chance.range(0.0, std::f64::consts::TAU);
    (0..8 + chance.index(28))
        .map(|_| {
            let p = if linear {
                let t = chance.range(-0.5, 0.5) * size_mm;
                let q = (at.0 + t * direction.cos(), at.1 + t * direction.sin());
                near(q, 0.1 * size_mm, chance)
            } else {
                near(at, 0.24 * size_mm, chance)
            };
            let r = chance.range(low, high);
            let aspect = chance.range(1.0, 2.4);
            grain(frame, p, [r * aspect, r / aspect.sqrt()], 1.0, chance)
        })
        .collect()
}

fn near(at: (f64, f64), spread: f64, chance: &mut Noise) -> (f64, f64) {
    (
        at.0 + spread * chance.normal(),
        at.1 + spread * chance.normal(),
    )
}

fn grain(frame: &Frame, at: (f64, f64), half: [f64; 2], share: f32, chance: &mut Noise) -> Patch {
    let turn = chance.range(0.0, std::f64::consts::TAU);
    let along = (half[0] - half[1]).max(0.01);
    let end = |sign: f64| {
        let p = frame.place(
            at.0 + sign * along * turn.cos(),
            at.1 + sign * along * turn.sin(),
        );
        Node::new(p, half[1])
    };
    shape::tube(&frame.view, &[end(-1.0), end(1.0)], 0.0)
        .outer
        .scaled(share)
}
