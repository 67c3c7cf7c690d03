//! Findings: what replaces the air of the lung, where, and what is known about it.
//!
//! Every finding has its own stream of chance. Fluid and gas are fractions of the lung under each pixel, so that
//! borders vanish beside dense lung as on real films. Separate because findings are options and anatomy is not.

use std::f64::consts::TAU;

use super::person::Person;
use super::trunk::{Trunk, dome_y};
use super::{ChestOptions, ChestView, FINDINGS, FindingRequest, Frame};
use crate::geometry::Point;
use crate::grid::Grid;
use crate::noise::Noise;
use crate::phantom::xray::shape::{self, Node};
use crate::phantom::xray::{Material, Patch, Texture, Vec3};

/// How often each of [`FINDINGS`] is drawn.
const PREVALENCE: [f64; 9] = [0.14, 0.07, 0.20, 0.09, 0.16, 0.20, 0.12, 0.12, 0.14];

/// All findings of one film on the fine grid.
pub(super) struct Lesions {
    /// Fraction of the lung filled with fluid or tissue.
    pub(super) fluid: Grid<f32>,
    /// Fraction of the lung replaced by free air.
    pub(super) gas: Grid<f32>,
    /// Solids beside.
    pub(super) extra: Vec<(Material, Patch, f32)>,
    /// Name and mask (0/1) of each.
    pub(super) marks: Vec<(String, Grid<u8>)>,
    /// Numbers worth keeping.
    pub(super) numbers: Vec<(String, f64)>,
}

/// The findings asked for, or drawn: pleural fluid comes with a large heart and with edema.
pub(super) fn requests(seed: u64, options: &ChestOptions) -> Vec<FindingRequest> {
    if let Some(asked) = &options.findings {
        return asked.clone();
    }
    let mut chance = Noise::new(seed, 140);
    let mut present = PREVALENCE.map(|p| chance.chance(p));
    if present[6] {
        present[5] |= chance.chance(0.5);
        present[2] |= chance.chance(0.4);
    }
    if present[5] {
        present[2] |= chance.chance(0.25);
    }
    FINDINGS
        .iter()
        .zip(present)
        .filter(|(_, present)| *present)
        .map(|(name, _)| FindingRequest {
            name: (*name).to_owned(),
            place: None,
            size_mm: None,
        })
        .collect()
}

/// Cardiothoracic ratio of an enlarged heart, when it was asked for.
pub(super) fn enlarged_heart(
    seed: u64,
    options: &ChestOptions,
    asked: &[FindingRequest],
) -> Option<f64> {
    let request = asked.iter().find(|r| r.name == "cardiomegaly")?;
    let drawn = Person::drawn(seed, options, None);
    let limit = match drawn.view {
        ChestView::Pa => 0.52,
        ChestView::Ap => 0.565,
    };
    let by_chance = Noise::new(seed, 205).range(limit, 0.68);
    let by_size = request
        .size_mm
        .filter(|s| s.is_finite())
        .map(|s| s / drawn.thorax_width);
    Some(by_size.unwrap_or(by_chance).clamp(limit, 0.72))
}

struct Work<'a> {
    person: &'a Person,
    frame: &'a Frame,
    trunk: &'a Trunk,
    cloud: &'a Texture,
    found: Lesions,
}

/// Places all findings.
pub(super) fn placed(
    seed: u64,
    asked: &[FindingRequest],
    person: &Person,
    frame: &Frame,
    trunk: &Trunk,
    cloud: &Texture,
) -> Lesions {
    let (w, h) = (frame.view.width, frame.view.height);
    let mut work = Work {
        person,
        frame,
        trunk,
        cloud,
        found: Lesions {
            fluid: Grid::filled(w, h, 0.0),
            gas: Grid::filled(w, h, 0.0),
            extra: Vec::new(),
            marks: Vec::new(),
            numbers: Vec::new(),
        },
    };
    let mut seen = [0_u64; FINDINGS.len()];
    for request in asked.iter().take(64) {
        let Some(kind) = FINDINGS.iter().position(|n| *n == request.name) else {
            continue;
        };
        let mut chance = Noise::new(seed, 200 + kind as u64 + 16 * seen[kind]);
        seen[kind] += 1;
        let request = FindingRequest {
            size_mm: request
                .size_mm
                .filter(|s| s.is_finite())
                .map(|s| s.clamp(2.0, 200.0)),
            ..request.clone()
        };
        match kind {
            0 | 1 => work.round(&request, kind == 1, &mut chance),
            2 => work.effusion(&request, &mut chance),
            3 => work.pneumothorax(&request, &mut chance),
            4 => work.consolidation(&request, &mut chance),
            5 => work
                .found
                .marks
                .push((request.name.clone(), trunk.heart_mask.clone())),
            6 => work.edema(&mut chance),
            7 => work.atelectasis(&request, &mut chance),
            _ => work.opacities(&mut chance),
        }
    }
    work.found
}

fn smooth(t: f64) -> f64 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// The side of a finding of a whole side: 1 right, 2 left.
fn asked_side(request: &FindingRequest, chance: &mut Noise) -> u8 {
    let drawn = 1 + u8::from(chance.chance(0.45));
    request
        .place
        .map_or(drawn, |p| if p.x < 0.5 { 1 } else { 2 })
}

impl Work<'_> {
    /// The middle of a finding, mm, and its side; in the lung unless a place was asked for.
    fn middle(&self, request: &FindingRequest, margin: f64, chance: &mut Noise) -> (Point, u8) {
        let (w, h) = self.trunk.field.size();
        let mut drawn = (w / 4, h / 2);
        for _ in 0..200 {
            let at = (chance.index(w), chance.index(h));
            if self.trunk.field[at] > 0 && f64::from(self.trunk.wall[at]) > margin {
                drawn = at;
                break;
            }
        }
        let px = match request.place.filter(|p| p.is_finite()) {
            Some(p) => Point::new(
                p.x.clamp(0.0, 1.0) * (w - 1) as f64,
                p.y.clamp(0.0, 1.0) * (h - 1) as f64,
            ),
            None => Point::new(drawn.0 as f64, drawn.1 as f64),
        };
        let at = self.frame.middle_mm(px.x, px.y);
        let side = if at.x > 0.4 * self.person.spine_x(at.y) {
            2
        } else {
            1
        };
        (at, side)
    }

    /// Adds fluid (or gas) of a fraction a pixel; marks where it exceeds `threshold`.
    fn fill(
        &mut self,
        name: &str,
        gas: bool,
        threshold: f64,
        fraction: impl Fn(Point, (usize, usize)) -> f64,
    ) {
        let (w, h) = self.trunk.field.size();
        let mut mask = Grid::filled(w, h, 0_u8);
        for y in 0..h {
            for x in 0..w {
                let at = (x, y);
                if self.trunk.lung[at] <= 0.0 {
                    continue;
                }
                let mm = self.frame.middle_mm(x as f64, y as f64);
                let f = fraction(mm, at).clamp(0.0, 1.0);
                if f <= 0.0 {
                    continue;
                }
                let plane = if gas {
                    &mut self.found.gas
                } else {
                    &mut self.found.fluid
                };
                plane[at] = 1.0 - (1.0 - plane[at]) * (1.0 - f as f32);
                mask[at] = u8::from(f > threshold);
            }
        }
        self.found.marks.push((name.to_owned(), mask));
    }

    fn side_of(&self, mm: Point) -> u8 {
        1 + u8::from(mm.x > 0.4 * self.person.spine_x(mm.y))
    }

    fn round(&mut self, request: &FindingRequest, large: bool, chance: &mut Noise) {
        let drawn = if large {
            chance.range(31.0, 75.0)
        } else {
            chance.range(9.0, 29.0)
        };
        let diameter = request.size_mm.unwrap_or(drawn);
        let (at, _) = self.middle(request, (diameter * 0.5).min(25.0), chance);
        let waves: Vec<(f64, f64)> = (2..7)
            .map(|k| {
                (
                    chance.range(0.0, TAU),
                    0.14 * chance.normal() / f64::from(k),
                )
            })
            .collect();
        let spikes = chance.chance(if large { 0.5 } else { 0.25 });
        let radius = diameter / 2.0;
        let depth = self.trunk.lung.clone();
        self.fill(&request.name, false, 0.03, |mm, pixel| {
            let d = mm - at;
            let angle = d.y.atan2(d.x);
            let bumps: f64 = waves
                .iter()
                .zip(2..)
                .map(|((phase, a), k)| a * (f64::from(k) * angle + phase).cos())
                .sum();
            let r = radius * (1.0 + bumps).max(0.5);
            let u = d.length() / r;
            if u > 1.0 {
                return 0.0;
            }
            let chord = 2.0 * radius * (1.0 - u * u).powf(0.62) / 10.0;
            chord * 1.2 / f64::from(depth[pixel]).max(chord)
        });
        if spikes {
            for _ in 0..12 {
                let angle = chance.range(0.0, TAU);
                let ray = Vec3::new(angle.cos(), angle.sin(), 0.0);
                let deep = self.person.cavity_middle();
                let from = Vec3::new(at.x, at.y, deep) + ray * (radius * 0.8);
                let to = from + ray * (radius * chance.range(0.4, 1.0));
                self.line(&[Node::new(from, 1.0), Node::new(to, 0.3)], 1.2);
            }
        }
        let name = format!("{}_diameter_mm", request.name);
        self.found.numbers.push((name, diameter));
    }

    /// A line of tissue in the lung; nodes in patient millimetres.
    fn line(&mut self, nodes: &[Node], factor: f32) {
        let nodes: Vec<Node> = nodes
            .iter()
            .map(|n| Node::new(self.frame.place(n.at), n.radius))
            .collect();
        let lung = &self.trunk.lung;
        let patch = shape::tube(&self.frame.view, &nodes, 0.0)
            .outer
            .mapped(|x, y, v| v * (lung[(x, y)] / 2.0).clamp(0.0, 1.0));
        self.found.extra.push((Material::Soft, patch, factor));
    }

    fn effusion(&mut self, request: &FindingRequest, chance: &mut Noise) {
        let side = asked_side(request, chance);
        let size = request.size_mm.unwrap_or(chance.range(18.0, 110.0));
        let slope = chance.range(28.0, 60.0);
        let veil = self.person.view == ChestView::Ap && chance.chance(0.4);
        let strength = chance.range(0.18, 0.42);
        let base = dome_y(
            self.person,
            usize::from(side - 1),
            if side == 1 { -1.0 } else { 1.0 } * 110.0,
        );
        let person = self.person;
        let wall = self.trunk.wall.clone();
        let name = "effusion";
        if veil {
            self.fill(name, false, 0.08, |mm, _| {
                let here = 1 + u8::from(mm.x > 0.4 * person.spine_x(mm.y));
                let down = smooth((mm.y / base).powi(2));
                if here == side {
                    strength * down + 0.5 * smooth((mm.y - base + size * 0.4) / 25.0)
                } else {
                    0.0
                }
            });
        } else {
            self.fill(name, false, 0.4, |mm, pixel| {
                let here = 1 + u8::from(mm.x > 0.4 * person.spine_x(mm.y));
                if here != side {
                    return 0.0;
                }
                let rise = 0.75 * size * (-f64::from(wall[pixel]).max(0.0) / slope).exp();
                let edge = base + 14.0 - 0.5 * size - rise;
                smooth((mm.y - edge) / 11.0)
            });
        }
        self.found.numbers.push(("effusion_height_mm".into(), size));
    }

    fn pneumothorax(&mut self, request: &FindingRequest, chance: &mut Noise) {
        let side = asked_side(request, chance);
        let rim = request.size_mm.unwrap_or(chance.range(10.0, 48.0));
        let height = self.person.lung_height[0];
        let wave = chance.range(0.0, TAU);
        let wall = self.trunk.wall.clone();
        let person = self.person;
        let inside = move |mm: Point, wall: f64| {
            let here = 1 + u8::from(mm.x > 0.4 * person.spine_x(mm.y));
            let t = mm.y / height;
            let width = rim * (1.15 - 0.75 * t).clamp(0.2, 1.2) + 1.5 * (4.0 * t + wave).sin();
            if here == side { width - wall } else { -50.0 }
        };
        self.fill("pneumothorax", true, 0.5, |mm, pixel| {
            smooth((inside(mm, f64::from(wall[pixel])) + 0.8) / 1.6)
        });
        let canvas = wall.size();
        let frame = self.frame;
        let lung = &self.trunk.lung;
        let line = Patch::from_fn(wall.bounds(), canvas, |x, y| {
            let mm = frame.middle_mm(x as f64, y as f64);
            let off = inside(mm, f64::from(wall[(x, y)]));
            if lung[(x, y)] > 0.3 {
                (-(off / 1.1).powi(2)).exp() as f32
            } else {
                0.0
            }
        });
        self.found.extra.push((Material::Soft, line, 0.32));
        self.found.numbers.push(("pneumothorax_rim_mm".into(), rim));
    }

    fn blobs(
        &self,
        at: Point,
        spread: f64,
        count: usize,
        radius: (f64, f64),
        chance: &mut Noise,
    ) -> Vec<(Point, f64)> {
        (0..count)
            .map(|k| {
                let off = if k == 0 { 0.0 } else { spread };
                let p = at + Point::new(off * chance.normal(), off * chance.normal());
                (p, chance.range(radius.0, radius.1))
            })
            .filter(|(p, _)| self.side_of(*p) == self.side_of(at))
            .collect()
    }

    fn consolidation(&mut self, request: &FindingRequest, chance: &mut Noise) {
        let drawn = chance.range(45.0, 105.0);
        let size = request.size_mm.unwrap_or(drawn);
        let (at, side) = self.middle(request, 15.0, chance);
        let density = chance.range(0.55, 0.95);
        let balls = self.blobs(at, size * 0.2, 14, (size * 0.10, size * 0.24), chance);
        let phase: [f64; 2] = std::array::from_fn(|_| chance.range(0.0, 200.0));
        let cloud = self.cloud;
        let person = self.person;
        self.fill("consolidation", false, 0.18, |mm, _| {
            let here = 1 + u8::from(mm.x > 0.4 * person.spine_x(mm.y));
            if here != side || (mm - at).length() > size {
                return 0.0;
            }
            let sum: f64 = balls
                .iter()
                .map(|(p, r)| (-((mm - *p).length() / r).powi(2)).exp())
                .sum();
            let mottle = f64::from(cloud.at(mm.x * 1.7 + phase[0], mm.y * 1.7 + phase[1]));
            density * smooth((sum - 0.30 + 0.22 * mottle) / 1.1)
        });
        self.found
            .numbers
            .push(("consolidation_size_mm".into(), size));
    }

    fn edema(&mut self, chance: &mut Noise) {
        let strength = chance.range(0.22, 0.5);
        let y0 = self.person.lung_height[0] * 0.52;
        let reach = self.person.thorax_width * chance.range(0.16, 0.21);
        let phase: [f64; 2] = std::array::from_fn(|_| chance.range(0.0, 200.0));
        let cloud = self.cloud;
        self.fill("edema", false, 0.12, |mm, _| {
            let x = (mm.x.abs() - 45.0) / reach;
            let y = (mm.y - y0 - 8.0) / 66.0;
            let mottle = f64::from(cloud.at(mm.x * 1.7 + phase[0], mm.y * 1.7 + phase[1]));
            strength * (-(x * x + y * y)).exp() * (1.0 + 0.3 * mottle)
        });
        let deep = self.person.cavity_middle();
        for k in 0..16 {
            let sign = if k % 2 == 0 { -1.0 } else { 1.0 };
            let y = self.person.lung_height[0] * chance.range(0.66, 0.97);
            let (wide, _) = self.person.cavity(y);
            let from = Vec3::new(sign * (wide - 3.0), y, deep);
            let to = from
                + Vec3::new(
                    -sign * chance.range(9.0, 18.0),
                    chance.range(-2.0, 2.0),
                    0.0,
                );
            self.line(&[Node::new(from, 0.6), Node::new(to, 0.5)], 2.0);
        }
    }

    fn atelectasis(&mut self, request: &FindingRequest, chance: &mut Noise) {
        let length = request.size_mm.unwrap_or(chance.range(40.0, 80.0));
        let mut place = request.clone();
        if place.place.is_none() {
            let side = chance.index(2);
            let x = if side == 0 { -1.0 } else { 1.0 } * chance.range(62.0, 92.0);
            let y = dome_y(self.person, side, x) - chance.range(12.0, 42.0);
            let px = self.frame.middle(x, y);
            let (w, h) = self.trunk.field.size();
            place.place = Some(Point::new(px.x / (w - 1) as f64, px.y / (h - 1) as f64));
        }
        let (at, _) = self.middle(&place, 0.0, chance);
        let tilt = chance.range(-0.45, 0.45);
        let radius = chance.range(1.4, 2.6);
        let deep = self.person.cavity_middle();
        let nodes: Vec<Node> = (0..9)
            .map(|k| {
                let t = f64::from(k) / 4.0 - 1.0;
                let x = at.x + 0.5 * length * t;
                let y = at.y + 0.5 * length * tilt * t - 3.0 * (1.0 - t * t);
                Node::new(Vec3::new(x, y, deep), radius * (1.0 - 0.5 * t * t))
            })
            .collect();
        self.line(&nodes, 5.0);
        let (w, h) = self.trunk.field.size();
        let mut mask = Grid::filled(w, h, 0_u8);
        if let Some((_, patch, _)) = self.found.extra.last() {
            for y in patch.rect.y..patch.rect.bottom() {
                for x in patch.rect.x..patch.rect.right() {
                    mask[(x as usize, y as usize)] = u8::from(patch.at(x, y) > 0.03);
                }
            }
        }
        self.found.marks.push(("atelectasis".into(), mask));
        self.found
            .numbers
            .push(("atelectasis_length_mm".into(), length));
    }

    fn opacities(&mut self, chance: &mut Noise) {
        let count = 6 + chance.index(14);
        let density = chance.range(0.2, 0.45);
        let mut balls = Vec::new();
        let none = FindingRequest {
            name: String::new(),
            place: None,
            size_mm: None,
        };
        for _ in 0..count {
            let (at, _) = self.middle(&none, 6.0, chance);
            let at = Point::new(at.x, at.y.max(self.person.lung_height[0] * 0.3));
            balls.extend(self.blobs(at, 9.0, 4, (6.0, 15.0), chance));
        }
        let phase: [f64; 2] = std::array::from_fn(|_| chance.range(0.0, 200.0));
        let cloud = self.cloud;
        self.fill("opacities", false, 0.1, |mm, _| {
            let sum: f64 = balls
                .iter()
                .map(|(p, r)| {
                    let d = mm - *p;
                    let u = d.dot(d) / (r * r);
                    if u < 9.0 { (-u).exp() } else { 0.0 }
                })
                .sum();
            let mottle = f64::from(cloud.at(mm.x * 1.7 + phase[0], mm.y * 1.7 + phase[1]));
            density * smooth((sum - 0.2 + 0.14 * mottle) / 1.3)
        });
    }
}
