//! Tumor, infarct, bleeding, plaques and small-vessel disease, with the push of a mass.
//!
//! A lesion answers for places: which tissue stands there instead, and where the anatomy came from. Its mask is read
//! off the finished map. Separate so that a healthy and a diseased brain of one seed differ in it alone.

use super::head::Head;
use super::labels::tissue as t;
use super::{BrainOptions, stream};
use crate::geometry::Point;
use crate::grid::Grid;
use crate::noise::Noise;
use crate::phantom::FindingRequest;
use crate::phantom::xray::Texture;

/// One focal lesion.
#[derive(Clone, Debug)]
enum Kind {
    /// Rim, core and edema around it.
    Tumor { ring: bool, edema: f64 },
    /// A wedge of a territory, from its point outward.
    Infarct { from: (f64, f64), half_angle: f64 },
    /// Within the brain.
    Bleeding { edema: f64 },
    /// Between skull and brain: a crescent or a lens.
    Film { lens: bool },
}

#[derive(Clone, Debug)]
struct Focus {
    name: &'static str,
    kind: Kind,
    center: (f64, f64),
    radius: f64,
    /// Waves of the outline: amplitude and phase of the harmonics 2 to 6.
    waves: [(f64, f64); 5],
    push: f64,
}

impl Focus {
    /// Distance over the own radius in the direction of a place.
    fn relative(&self, p: (f64, f64)) -> f64 {
        let (x, y) = (p.0 - self.center.0, p.1 - self.center.1);
        let angle = y.atan2(x);
        let wave: f64 = self
            .waves
            .iter()
            .enumerate()
            .map(|(i, (a, phase))| a * ((i + 2) as f64 * angle + phase).cos())
            .sum();
        x.hypot(y) / (self.radius * (1.0 + wave)).max(0.5)
    }
}

/// What was placed.
#[derive(Clone, Debug, Default)]
pub(super) struct Lesions {
    foci: Vec<Focus>,
    plaques: Vec<(f64, f64, f64, f64)>,
    patches: f64,
    /// Name and fine mask of each finding.
    pub(super) marks: Vec<(String, Grid<u8>)>,
    /// Sizes worth keeping.
    pub(super) numbers: Vec<(String, f64)>,
}

/// What is asked for, or drawn: half of the brains are healthy.
pub(super) fn requests(seed: u64, options: &BrainOptions) -> Vec<FindingRequest> {
    if let Some(asked) = &options.findings {
        return asked.clone();
    }
    let mut chance = stream(seed, 10);
    let mut list = Vec::new();
    let mut add = |name: &str| {
        list.push(FindingRequest {
            name: name.to_owned(),
            place: None,
            size_mm: None,
        });
    };
    let pick = chance.uniform();
    let focal = [
        ("tumor", 0.16),
        ("stroke", 0.14),
        ("hemorrhage", 0.14),
        ("sclerosis", 0.10),
    ];
    let mut left = pick;
    for (name, share) in focal {
        if left >= 0.0 && left < share {
            add(name);
        }
        left -= share;
    }
    let wide = chance.uniform();
    if wide < 0.12 {
        add("atrophy");
    } else if wide < 0.20 {
        add("hydrocephalus");
    }
    list
}

pub(super) fn placed(seed: u64, asked: &[FindingRequest], head: &Head) -> Lesions {
    let mut lesions = Lesions {
        patches: head.patches,
        ..Lesions::default()
    };
    for (i, request) in asked.iter().enumerate() {
        let mut chance = stream(seed, 20 + i as u64);
        let side = if chance.chance(0.5) { 1.0 } else { -1.0 };
        let drawn = (
            side * chance.range(0.28, 0.62) * head.half.0,
            chance.range(-0.55, 0.55) * head.half.1,
        );
        let asked_for = request
            .place
            .map(|p| head.head_mm(Point::new(p.x * head.field_mm, p.y * head.field_mm)));
        let site = Site {
            at: asked_for.unwrap_or(drawn),
            given: asked_for.is_some(),
            side,
            size: request.size_mm.filter(|s| s.is_finite() && *s > 0.0),
        };
        match request.name.as_str() {
            "tumor" => tumor(&site, &mut chance, &mut lesions),
            "stroke" => stroke(&site, &mut chance, &mut lesions),
            "hemorrhage" => hemorrhage(&site, head, &mut chance, &mut lesions),
            "sclerosis" => plaques(head, &mut chance, &mut lesions),
            _ => {}
        }
    }
    lesions
}

/// Where one lesion shall stand.
struct Site {
    at: (f64, f64),
    /// The place was asked for.
    given: bool,
    /// −1 on the viewer's left.
    side: f64,
    size: Option<f64>,
}

/// Amplitude and phase of an outline's waves.
fn waves(rough: f64, chance: &mut Noise) -> [(f64, f64); 5] {
    std::array::from_fn(|k| {
        let a = rough * chance.normal() / (k as f64 + 1.0);
        (a, chance.range(0.0, std::f64::consts::TAU))
    })
}

fn tumor(site: &Site, chance: &mut Noise, lesions: &mut Lesions) {
    let drawn = chance.range(16.0, 48.0);
    let size = site.size.unwrap_or(drawn).clamp(4.0, 90.0);
    lesions.foci.push(Focus {
        name: "tumor",
        kind: Kind::Tumor {
            ring: chance.chance(0.6),
            edema: chance.range(0.2, 1.0),
        },
        center: site.at,
        radius: 0.5 * size,
        waves: waves(0.10, chance),
        push: chance.range(0.15, 0.5),
    });
    lesions.numbers.push(("tumor_mm".into(), size));
}

fn stroke(site: &Site, chance: &mut Noise, lesions: &mut Lesions) {
    let drawn = chance.range(24.0, 62.0);
    let size = site.size.unwrap_or(drawn).clamp(5.0, 110.0);
    let reach = site.at.0.hypot(site.at.1).max(1.0);
    let inward = 1.0 - 0.55 * size / reach.max(size);
    lesions.foci.push(Focus {
        name: "stroke",
        kind: Kind::Infarct {
            from: (site.at.0 * inward, site.at.1 * inward),
            half_angle: chance.range(0.35, 0.7),
        },
        center: site.at,
        radius: 0.62 * size,
        waves: waves(0.10, chance),
        push: 0.0,
    });
    lesions.numbers.push(("stroke_mm".into(), size));
}

/// Within the brain, or two times in five between skull and brain.
fn hemorrhage(site: &Site, head: &Head, chance: &mut Noise, lesions: &mut Lesions) {
    let outer = chance.chance(0.4) && !site.given;
    let drawn = chance.range(14.0, 48.0);
    let size = site.size.unwrap_or(drawn).clamp(4.0, 90.0);
    let lens = chance.chance(0.4);
    let edema = chance.range(0.1, 0.4);
    let angle = chance.range(-0.8, 0.8);
    let push = chance.range(0.15, 0.4);
    let (kind, center) = if outer {
        let (c, s) = (site.side * f64::cos(angle), f64::sin(angle));
        let r = head.reach(c, s) - head.scalp - head.bone(c * 50.0, s * 50.0);
        (Kind::Film { lens }, (c * r, s * r))
    } else {
        (Kind::Bleeding { edema }, site.at)
    };
    lesions.foci.push(Focus {
        name: "hemorrhage",
        kind,
        center,
        radius: if outer { size } else { 0.5 * size },
        waves: waves(if outer { 0.02 } else { 0.12 }, chance),
        push: if outer { 0.0 } else { push },
    });
    lesions.numbers.push(("hemorrhage_mm".into(), size));
}

fn plaques(head: &Head, chance: &mut Noise, lesions: &mut Lesions) {
    for k in 0..5 + chance.index(10) {
        let sign = if k % 2 == 0 { 1.0 } else { -1.0 };
        let x = sign * chance.range(0.16, 0.42) * head.half.0;
        let y = chance.range(-0.45, 0.5) * head.half.1;
        let long = chance.range(2.5, 6.5);
        let short = long * chance.range(0.45, 0.9);
        lesions.plaques.push((x, y, long, short));
    }
    let count = lesions.plaques.len() as f64;
    lesions.numbers.push(("plaques".into(), count));
}

impl Lesions {
    /// What stands `below` mm under the inner table instead of dura and brain.
    pub(super) fn outside(&self, p: (f64, f64), below: f64) -> Option<u8> {
        self.foci.iter().find_map(|focus| {
            let Kind::Film { lens } = focus.kind else {
                return None;
            };
            let along = (p.0 - focus.center.0).hypot(p.1 - focus.center.1) / focus.radius;
            if p.0 * focus.center.0 < 0.0 {
                return None;
            }
            let thick = if lens {
                0.42 * focus.radius * (1.0 - along * along).max(0.0)
            } else {
                // A crescent runs far along the skull.
                (0.22 * focus.radius).min(11.0) * (1.0 - (along / 2.4).powi(2)).max(0.0)
            };
            (below > 0.3 && below < thick).then_some(t::BLOOD)
        })
    }

    /// What stands at a place of the brain instead of its anatomy.
    pub(super) fn inside(&self, p: (f64, f64), depth: f64) -> Option<u8> {
        if depth < 0.0 {
            return None;
        }
        self.foci.iter().find_map(|focus| {
            let r = focus.relative(p);
            match focus.kind {
                Kind::Tumor { ring, .. } if r < 1.0 => Some(match (ring, r > 0.72) {
                    (false, _) => t::TUMOR,
                    (true, true) => t::RING,
                    (true, false) => t::NECROSIS,
                }),
                Kind::Bleeding { .. } if r < 1.0 => Some(t::BLOOD),
                Kind::Infarct { from, half_angle } => {
                    let (x, y) = (p.0 - from.0, p.1 - from.1);
                    let length = from.0.hypot(from.1).max(1e-6);
                    let outward = (x * from.0 + y * from.1) / (length * x.hypot(y).max(1e-6));
                    let wedge = outward > (half_angle * (1.0 + 0.6 * focus.waves[0].0)).cos();
                    (wedge && r < 1.25).then_some(t::INFARCT)
                }
                _ => None,
            }
        })
    }

    /// Edema, plaques and patches, which spare gray matter; `ventricle` is the distance from the ventricles.
    pub(super) fn white(
        &self,
        head: &Head,
        p: (f64, f64),
        ventricle: f64,
        texture: &Texture,
    ) -> Option<u8> {
        let wave = f64::from(texture.at(p.0 * 0.7, p.1 * 0.7));
        for focus in &self.foci {
            let (Kind::Tumor { edema, .. } | Kind::Bleeding { edema }) = focus.kind else {
                continue;
            };
            if focus.relative(p) < 1.0 + edema * (0.8 + 0.35 * wave) {
                return Some(t::EDEMA);
            }
        }
        for (x, y, long, short) in &self.plaques {
            // Plaques stand at right angles to the ventricles.
            if ((p.0 - x) / long).hypot((p.1 - y) / short) < 1.0 {
                return Some(t::PLAQUE);
            }
        }
        let caps = 1.0 + 4.0 * self.patches;
        let near = ventricle < caps * (0.6 + 0.5 * wave) && self.patches > 0.12;
        let spots = wave > 2.6 - 1.9 * self.patches && head.level < 0.95;
        (near || spots && self.patches > 0.2).then_some(t::PATCH)
    }

    /// Where the tissue at a place lay before a mass pushed it away.
    pub(super) fn unpushed(&self, p: (f64, f64)) -> (f64, f64) {
        let mut q = p;
        for focus in &self.foci {
            if focus.push <= 0.0 {
                continue;
            }
            let (x, y) = (q.0 - focus.center.0, q.1 - focus.center.1);
            let r = x.hypot(y).max(1e-6);
            let reach = 2.6 * focus.radius;
            let back = focus.push * focus.radius * (-(r / reach).powi(2)).exp();
            let scale = (r - back).max(0.0) / r;
            q = (focus.center.0 + x * scale, focus.center.1 + y * scale);
        }
        q
    }

    /// Reads the masks off the finished map.
    pub(super) fn mark(&mut self, labels: &Grid<u8>) {
        let of = |set: &[u8]| labels.map(|l| u8::from(set.contains(l)));
        for focus in &self.foci {
            let mask = match focus.name {
                "tumor" => of(&[t::TUMOR, t::RING, t::NECROSIS]),
                "stroke" => of(&[t::INFARCT]),
                _ => of(&[t::BLOOD]),
            };
            self.marks.push((focus.name.to_owned(), mask));
        }
        if !self.plaques.is_empty() {
            self.marks.push(("sclerosis".to_owned(), of(&[t::PLAQUE])));
        }
    }
}
