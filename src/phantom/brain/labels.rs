//! The map of tissues: scalp, skull, fluid, cortex with its furrows, white matter, deep nuclei, ventricles.
//!
//! Sulci are lines that enter from the surface at a warped, regular spacing, each to its own depth; cortex is what lies
//! near a surface. Nuclei and ventricles are ellipses and capsules that come and go with the height of the slice. A
//! mass pushes all of it aside. Separate because contrast and truth only read the map.

use super::head::Head;
use super::lesions::Lesions;
use super::stream;
use crate::geometry::Point;
use crate::grid::Grid;
use crate::phantom::xray::{PowerLaw, Texture, power_law};

/// Tissues by number.
pub(super) mod tissue {
    pub(crate) const AIR: u8 = 0;
    pub(crate) const SKIN: u8 = 1;
    pub(crate) const FAT: u8 = 2;
    pub(crate) const MUSCLE: u8 = 3;
    pub(crate) const COMPACT: u8 = 4;
    pub(crate) const DIPLOE: u8 = 5;
    pub(crate) const FLUID: u8 = 6;
    pub(crate) const CORTEX: u8 = 7;
    pub(crate) const WHITE: u8 = 8;
    pub(crate) const NUCLEUS: u8 = 9;
    pub(crate) const VENTRICLE: u8 = 10;
    pub(crate) const DURA: u8 = 11;
    pub(crate) const CALCIFIED: u8 = 12;
    pub(crate) const PATCH: u8 = 13;
    pub(crate) const EDEMA: u8 = 14;
    pub(crate) const INFARCT: u8 = 15;
    pub(crate) const TUMOR: u8 = 16;
    pub(crate) const RING: u8 = 17;
    pub(crate) const NECROSIS: u8 = 18;
    pub(crate) const BLOOD: u8 = 19;
    pub(crate) const PLAQUE: u8 = 20;
    /// How many there are.
    pub(crate) const COUNT: usize = 21;
}
use tissue as t;

/// Distance from a segment.
fn segment(p: (f64, f64), a: (f64, f64), b: (f64, f64)) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let s = ((p.0 - a.0) * dx + (p.1 - a.1) * dy) / (dx * dx + dy * dy).max(1e-9);
    let s = s.clamp(0.0, 1.0);
    (p.0 - a.0 - s * dx).hypot(p.1 - a.1 - s * dy)
}

/// Below 0 inside a turned ellipse; about millimetres near its edge.
fn ellipse(p: (f64, f64), c: (f64, f64), half: (f64, f64), degrees: f64) -> f64 {
    let (s, k) = degrees.to_radians().sin_cos();
    let (x, y) = (p.0 - c.0, p.1 - c.1);
    let (u, v) = ((k * x + s * y) / half.0, (k * y - s * x) / half.1);
    (u.hypot(v) - 1.0) * half.0.min(half.1)
}

/// What a slice looks like inside, drawn once.
struct Plan {
    /// Half-width of the frontal horns at their tips.
    horn: f64,
    /// Scale of deep parts against a head of average size.
    scale: f64,
    /// Left–right differences, 1 ± a few per cent.
    sides: [f64; 2],
    phase: f64,
    coarse: Texture,
    fine: Texture,
    calcified: bool,
}

pub(super) fn drawn(
    seed: u64,
    head: &Head,
    lesions: &mut Lesions,
    fine: usize,
    pitch: f64,
) -> Grid<u8> {
    let mut chance = stream(seed, 1);
    let law = |beta, low, high| PowerLaw {
        beta,
        low,
        high,
        anisotropy: 1.0,
    };
    let [a, b] = power_law(&mut stream(seed, 2), 6, law(3.0, 0.06, 0.25));
    let plan = Plan {
        horn: head.evans * head.inner_half(),
        scale: head.half.0 / 77.0,
        sides: [chance.gauss(1.0, 0.05), chance.gauss(1.0, 0.05)],
        phase: chance.range(0.0, std::f64::consts::TAU),
        coarse: Texture {
            tile: a,
            mm_per_texel: 3.4,
        },
        fine: Texture {
            tile: b,
            mm_per_texel: 1.5,
        },
        calcified: chance.chance(((head.age - 20.0) / 70.0).clamp(0.0, 0.75)),
    };
    let labels = Grid::from_fn(fine, fine, |px, py| {
        let at = Point::new((px as f64 + 0.5) * pitch, (py as f64 + 0.5) * pitch);
        label(head, &plan, lesions, head.head_mm(at))
    });
    lesions.mark(&labels);
    labels
}

fn label(head: &Head, plan: &Plan, lesions: &Lesions, p: (f64, f64)) -> u8 {
    let r = p.0.hypot(p.1);
    let surface = head.reach(p.0, p.1);
    let depth = surface - r;
    if depth <= 0.0 {
        return t::AIR;
    }
    let wave = 0.6 * f64::from(plan.fine.at(p.0 + 200.0, p.1));
    if depth < 2.1 {
        return t::SKIN;
    }
    if depth < head.scalp + wave {
        // Temporal muscle at the sides of low slices, a thin layer of muscle and galea elsewhere.
        let side = (p.0.abs() / r.max(1.0)) * (1.0 - head.level);
        let muscle = if side > 0.75 && p.1 < 0.3 * head.half.1 {
            0.75
        } else {
            0.45
        };
        let inward = (depth - 2.1) / (head.scalp - 2.1).max(0.5);
        return if inward > 1.0 - muscle {
            t::MUSCLE
        } else {
            t::FAT
        };
    }
    let bone = head.bone(p.0, p.1);
    let under = depth - head.scalp - wave;
    if under < bone {
        let part = under / bone;
        let marrow = bone > 4.0 && part > 0.3 && part < 0.72 && wave > -0.55;
        return if marrow { t::DIPLOE } else { t::COMPACT };
    }
    let below = under - bone;
    if let Some(found) = lesions.outside(p, below) {
        return found;
    }
    if below < 0.7 {
        return t::DURA;
    }
    brain(head, plan, lesions, p, below - head.rim, r)
}

/// What lies `depth` mm under the brain's surface.
fn brain(head: &Head, plan: &Plan, lesions: &Lesions, p: (f64, f64), depth: f64, r: f64) -> u8 {
    if let Some(found) = lesions.inside(p, depth) {
        return found;
    }
    // Anatomy is asked for where it lay before a mass pushed it.
    let q = lesions.unpushed(p);
    let bent = (
        q.0 + 1.1 * f64::from(plan.coarse.at(q.0, q.1)),
        q.1 + 1.1 * f64::from(plan.coarse.at(q.1 + 90.0, q.0)),
    );
    let side = usize::from(q.0 > 0.0);
    let folded = (bent.0.abs() * plan.sides[side], bent.1);
    let ventricle = ventricles(head, plan, folded);
    if ventricle < 0.0 {
        let calcified = plan.calcified
            && head.level < 0.5
            && segment(folded, (21.0 * plan.scale, 31.0), (23.0 * plan.scale, 35.0)) < 2.0;
        return if calcified {
            t::CALCIFIED
        } else {
            t::VENTRICLE
        };
    }
    let folds = furrows(head, plan, q, depth, r);
    let (midline, falx) = midline(head, q, bent.0);
    if falx && midline < 0.9 {
        return t::DURA;
    }
    let fluid = folds.min(midline).min(sylvian(head, plan, folded));
    if fluid < 0.0 || depth < 0.0 {
        return t::FLUID;
    }
    if plan.calcified && head.level < 0.3 && bent.0.hypot(q.1 - 27.0) < 2.2 {
        return t::CALCIFIED;
    }
    if nuclei(head, plan, folded) < 0.0 {
        return t::NUCLEUS;
    }
    let ribbon = 4.0 + 0.8 * f64::from(plan.fine.at(q.0, q.1));
    if fluid.min(depth) < ribbon {
        return t::CORTEX;
    }
    if let Some(found) = lesions.white(head, p, ventricle, &plan.fine) {
        return found;
    }
    t::WHITE
}

/// Below 0 in a ventricle.
fn ventricles(head: &Head, plan: &Plan, p: (f64, f64)) -> f64 {
    let z = head.level;
    let s = plan.scale;
    let wide = head.evans / 0.26;
    let mut d = 99.0_f64;
    if z < 0.42 {
        // Frontal horns: from beside the septum forward and outward.
        let thick = (3.3 * wide * wide * (1.0 - 0.8 * z)).min(10.0);
        let tip = ((plan.horn - 0.8 * thick).max(4.0), -35.0 * s);
        let root = (2.0 + 0.75 * thick, -13.0 * s);
        let middle = (0.5 * (tip.0 + root.0) - 1.2, -25.0 * s);
        d = d.min(segment(p, root, middle) - 0.85 * thick);
        d = d.min(segment(p, middle, tip) - 0.75 * thick);
        // Trigones behind, diverging.
        let back = 3.2 * wide.powf(1.5);
        d = d.min(segment(p, (17.0 * s, 27.0 * s), (25.0 * s, 42.0 * s)) - back);
        d = d.min(segment(p, (25.0 * s, 42.0 * s), (23.0 * s, 55.0 * s)) - 0.55 * back);
    }
    if z < 0.3 {
        d = d.min(segment(p, (0.0, -6.0 * s), (0.0, 14.0 * s)) - 0.5 * head.third);
    }
    if (0.30..0.86).contains(&z) {
        // Bodies: two bows beside the midline, shorter the higher.
        let short = 1.0 - 0.55 * ((z - 0.42) / 0.44).clamp(0.0, 1.0);
        let thick = 5.2 * wide.powf(1.4) * (1.0 - 0.55 * ((z - 0.5) / 0.36).clamp(0.0, 1.0));
        let points = [
            (plan.horn * 0.62, -31.0 * s * short),
            (3.0 + thick, -12.0 * s * short),
            (4.0 + thick, 10.0 * s * short),
            (16.0 * s, 33.0 * s * short),
            (23.0 * s, 46.0 * s * short),
        ];
        let radii = [0.75, 1.0, 1.0, 1.0, 0.7];
        for (ends, wide) in points.windows(2).zip(radii.windows(2)) {
            let r = 0.5 * (wide[0] + wide[1]) * thick;
            d = d.min(segment(p, ends[0], ends[1]) - r);
        }
        // The septum between them stays.
        d = d.max(0.7 - p.0);
    }
    d
}

/// Below 0 in thalamus, caudate or lentiform nucleus.
fn nuclei(head: &Head, plan: &Plan, p: (f64, f64)) -> f64 {
    let z = head.level;
    let s = plan.scale;
    let push = (plan.horn - 18.0).max(0.0) * 0.5;
    let mut d = 99.0_f64;
    let fade = |limit: f64| (1.0 - (z / limit).powi(2)).max(0.0).sqrt();
    if z < 0.45 {
        let k = fade(0.45);
        let c = (11.5 * s + 0.5 * head.third, 9.0 * s);
        d = d.min(ellipse(p, c, (9.0 * s * k, 15.0 * s * k), -24.0));
    }
    if z < 0.34 {
        let k = fade(0.34);
        d = d.min(ellipse(
            p,
            (25.5 * s, -4.0 * s),
            (7.0 * s * k, 15.5 * s * k),
            14.0,
        ));
    }
    if z < 0.7 {
        let k = fade(0.7);
        let c = ((12.5 * s + 0.6 * push).max(plan.horn * 0.78), -21.0 * s);
        d = d.min(ellipse(p, c, (4.6 * s * k, 10.0 * s * k), 28.0));
    }
    d
}

/// The fissure between the hemispheres: distance from its fluid, and whether the falx stands in it.
fn midline(head: &Head, q: (f64, f64), bent: f64) -> (f64, bool) {
    let long = head.half.1;
    let front = -0.36 * long + 0.30 * long * ((head.level - 0.35) / 0.4).clamp(0.0, 1.2);
    let back = 0.40 * long - 0.36 * long * ((head.level - 0.35) / 0.4).clamp(0.0, 1.2);
    let half = 0.35 + 0.35 * head.sulcus;
    let gap = if q.1 < front || q.1 > back {
        (0.35 * bent + 0.65 * q.0).abs()
    } else {
        (0.35 * bent + 0.65 * q.0)
            .abs()
            .hypot((q.1 - front).min(back - q.1))
    };
    let falx = q.1 < front - 6.0 || q.1 > back + 4.0;
    (gap - half, falx && q.0.abs() < 0.7)
}

/// Distance from the fluid of the sulci; below 0 in it.
fn furrows(head: &Head, plan: &Plan, q: (f64, f64), depth: f64, r: f64) -> f64 {
    let angle = q.1.atan2(q.0);
    let mean = 0.5 * (head.half.0 + head.half.1) - 15.0;
    let drift = f64::from(plan.coarse.at(q.0 * 0.9 + 40.0, q.1 * 0.9));
    let lean = f64::from(plan.coarse.at(30.0 * angle + 400.0, 7.0));
    let along = angle * mean + 4.5 * drift + 0.55 * lean * depth.max(0.0);
    let turns =
        (std::f64::consts::TAU * mean / head.period).round() / (std::f64::consts::TAU * mean);
    let place = along * turns + plan.phase;
    let number = place.round();
    let across = (place - number) / turns * (r / mean).clamp(0.35, 1.1);
    // Each has its own depth, some are shallow.
    let own = (number * 12.9898 + plan.phase * 78.233).sin() * 43_758.547;
    let own = own - own.floor();
    let reach = head.sulcus_depth * (0.4 + 0.9 * own);
    let taper = (1.0 - depth / reach).clamp(0.0, 1.0);
    let width = 0.5 * head.sulcus * (0.45 + 0.75 * taper);
    let line = if depth < reach {
        across.abs()
    } else {
        across.hypot(depth - reach)
    };
    let main = line - width;
    // Furrows cut across by the slice: zero lines of a smooth field, more of them the higher the slice.
    let n = f64::from(plan.coarse.at(1.7 * q.0 + 130.0, 1.7 * q.1));
    let there = f64::from(plan.coarse.at(1.3 * q.1 + 20.0, 1.3 * q.0 + 170.0));
    let open = 0.9 - 1.3 * head.level + 0.05 * (depth - 9.0).max(0.0);
    let other = (n.abs() / 0.17).hypot((open - there).max(0.0) * 9.0) - 0.30 * head.sulcus;
    main.min(other)
}

/// The lateral fissure and the insula behind it, in low slices.
fn sylvian(head: &Head, plan: &Plan, p: (f64, f64)) -> f64 {
    if head.level > 0.45 {
        return 99.0;
    }
    let s = plan.scale;
    let fade = 1.0 - head.level / 0.5;
    let half = 0.4 + 0.55 * head.sulcus * fade;
    let deep = 37.0 * s;
    let a = segment(p, (75.0 * s, 2.0 * s), (deep + 4.0, -3.0 * s));
    let b = segment(p, (deep + 1.0, -17.0 * s * fade), (deep + 4.0, -3.0 * s));
    let c = segment(p, (deep + 4.0, -3.0 * s), (deep - 1.0, 15.0 * s * fade));
    a.min(b).min(c) - half
}
