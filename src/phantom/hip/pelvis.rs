//! The hip bones: ilium, acetabulum, pubis and ischium with the obturator foramen.
//!
//! Each half is one outline of 3-D points (units: distance between the hips) that runs through the very rim point and
//! silhouette of its joint, so that drawing and truth coincide. Separate because it is a table of anatomy.

use super::Scene;
use crate::geometry::Point;
use crate::noise::Noise;
use crate::phantom::xray::Patch;
use crate::phantom::xray::Vec3;
use crate::phantom::xray::shape::{self, Hollow, Node};

/// Half a pelvis as drawn.
pub(crate) struct Half {
    /// The bone.
    pub(crate) bone: Hollow,
    /// Dense lines and the dorsal wall, cortical, cm.
    pub(crate) lines: Patch,
    /// The outline on the fine film.
    pub(crate) outline: Vec<Point>,
    /// The obturator foramen on the fine film.
    pub(crate) foramen: Vec<Point>,
    /// The acetabular silhouette on the fine film, cranial rim first.
    pub(crate) rim: Vec<Point>,
    /// Osteophytes and sclerosis, cortical, cm.
    pub(crate) growth: Patch,
}

/// Individual proportions, shared by both sides up to a jitter.
struct Form {
    flare: f64,
    waist: f64,
    inlet: f64,
    crest: f64,
    tuber: f64,
}

impl Form {
    fn drawn(seed: u64, index: usize) -> Self {
        let mut shared = Noise::new(seed, 20);
        let mut own = Noise::new(seed, 21 + index as u64);
        let mut draw = |mean: f64, spread: f64| {
            mean + spread * (shared.range(-1.0, 1.0) + 0.3 * own.normal()).clamp(-1.4, 1.4)
        };
        Self {
            flare: draw(0.62, 0.07),
            waist: draw(0.128, 0.03),
            inlet: draw(0.315, 0.02),
            crest: draw(-1.16, 0.12),
            tuber: draw(0.54, 0.06),
        }
    }
}

/// Draws one half; `index` 0 is the patient's left.
pub(crate) fn half(scene: &Scene, index: usize, seed: u64) -> Half {
    let joint = &scene.joints[index];
    let form = Form::drawn(seed, index);
    let film = |line: &[Vec3]| -> Vec<Point> {
        line.iter().map(|p| scene.view.project(*p).point).collect()
    };
    let side = joint.lateral;
    let place = |&(x, y, z): &(f64, f64, f64)| scene.place(side * x, y, z);
    let arc = joint.silhouette(&scene.pose, &scene.view, 28);
    let (lateral, medial) = borders(&form);
    let mut lateral: Vec<Vec3> = lateral.iter().map(place).collect();
    // The border comes to the rim from above, so that its corner is never a sliver.
    let above = Vec3::new(-0.012 * side, -0.055, 0.0) * scene.dog.distance;
    lateral.push(arc[0] + scene.pose.world_from_pelvis.apply(above));
    let mut line = shape::spline(&lateral, false, 5);
    line.extend(&arc);
    line.extend(shape::spline(
        &medial.iter().map(place).collect::<Vec<_>>(),
        false,
        5,
    ));
    let outline = film(&line);
    let hole: Vec<Vec3> = shape::spline(&foramen(&form).map(|p| place(&p)), true, 5);
    let foramen = film(&hole);
    let k = scene.px_per_mm();
    let r = joint.head_radius;
    let size = (scene.view.width, scene.view.height);
    let band = 0.55 * r * k;
    let whole = shape::outline_distance(size, &outline, band);
    let open = shape::outline_distance(size, &foramen, band);
    let distance = whole.mapped(|x, y, d| {
        let hole = open.at(x as i64, y as i64);
        if hole == 0.0 { d } else { d.min(-hole) }
    });
    let wall = r * if scene.dog.age < 1.0 { 0.065 } else { 0.10 };
    let bone = shape::plate(&distance, k, 1.1 * r, 0.5 * r, wall);
    let bone = thickened(scene, &bone, index, &form);
    Half {
        lines: lines(scene, index, &arc, &form),
        growth: growth(scene, index, &arc, seed),
        bone,
        outline,
        foramen,
        rim: film(&arc),
    }
}

type Place = (f64, f64, f64);

/// The lateral border from the sacro-iliac joint over the crest to the rim, and the rest after the caudal rim.
fn borders(form: &Form) -> (Vec<Place>, Vec<Place>) {
    let Form {
        flare,
        waist,
        inlet,
        crest,
        tuber,
    } = *form;
    let outer = inlet + waist;
    let lateral = vec![
        (inlet - 0.03, -0.86, -0.30),
        (inlet - 0.02, crest + 0.13, -0.36),
        (inlet + 0.09, crest - 0.01, -0.38),
        (flare - 0.06, crest - 0.04, -0.33),
        (flare + 0.03, crest + 0.05, -0.28),
        (flare - 0.02, crest + 0.22, -0.26),
        (0.5 * (flare + outer) - 0.01, -0.74, -0.18),
        (outer + 0.005, -0.55, -0.11),
        (outer, -0.40, -0.06),
        (outer + 0.025, -0.27, -0.02),
    ];
    let medial = vec![
        (0.455, 0.155, -0.01),
        (0.40, 0.24, -0.03),
        (0.395, 0.315, -0.05),
        (0.44, 0.375, -0.08),
        (tuber - 0.05, 0.415, -0.10),
        (tuber + 0.03, 0.47, -0.12),
        (tuber + 0.03, 0.54, -0.12),
        (tuber - 0.06, 0.615, -0.10),
        (0.36, 0.67, -0.04),
        (0.22, 0.675, 0.03),
        (0.10, 0.615, 0.09),
        (0.006, 0.535, 0.13),
        (0.003, 0.38, 0.18),
        (0.003, 0.20, 0.23),
        (0.008, 0.145, 0.24),
        (0.09, 0.115, 0.20),
        (0.19, 0.055, 0.12),
        (0.275, -0.035, 0.04),
        (inlet, -0.17, -0.02),
        (inlet + 0.01, -0.34, -0.07),
        (inlet, -0.52, -0.13),
        (inlet - 0.015, -0.68, -0.22),
    ];
    (lateral, medial)
}

fn foramen(form: &Form) -> [Place; 9] {
    let wide = form.inlet - 0.315;
    [
        (0.06, 0.245, 0.20),
        (0.13, 0.155, 0.16),
        (0.23, 0.115, 0.08),
        (0.305 + wide, 0.145, 0.02),
        (0.335 + wide, 0.235, -0.01),
        (0.315 + wide, 0.335, -0.02),
        (0.235, 0.42, 0.02),
        (0.13, 0.415, 0.09),
        (0.065, 0.345, 0.15),
    ]
}

/// Where the bone is deep: the body of the ilium, the acetabulum, the tuber and the branches.
fn thickened(scene: &Scene, bone: &Hollow, index: usize, form: &Form) -> Hollow {
    let joint = &scene.joints[index];
    let side = joint.lateral;
    let r = joint.head_radius;
    let node =
        |x: f64, y: f64, z: f64, radius: f64| Node::new(scene.place(side * x, y, z), radius * r);
    let body = form.inlet + 0.5 * form.waist;
    let column = [
        node(form.flare - 0.16, -0.95, -0.25, 0.28),
        node(body + 0.05, -0.72, -0.15, 0.42),
        node(body, -0.48, -0.06, 0.5),
        node(body + 0.005, -0.25, 0.0, 0.55),
        node(body - 0.02, -0.12, 0.0, 0.48),
        node(form.inlet + 0.05, 0.02, 0.0, 0.33),
        node(0.37, 0.2, -0.02, 0.33),
        node(0.37, 0.36, -0.06, 0.36),
        node(form.tuber - 0.07, 0.5, -0.10, 0.4),
    ];
    let tube = shape::tube(&scene.view, &column, 0.09 * r);
    // Only where there is bone: the outline stays the silhouette.
    let inside = bone.outer.clone();
    let inside_only = |p: Patch| {
        p.mapped(|x, y, v| {
            let there = inside.at(x as i64, y as i64);
            v.min(3.0 * there)
        })
    };
    Hollow {
        outer: bone.outer.union(&inside_only(tube.outer), 0.3),
        inner: bone.inner.union(&inside_only(tube.inner), 0.3),
    }
}

fn lines(scene: &Scene, index: usize, arc: &[Vec3], form: &Form) -> Patch {
    let joint = &scene.joints[index];
    let r = joint.head_radius;
    let view = &scene.view;
    let sclerosis = 1.0 + 0.3 * scene.dog.sides[index].arthritis;
    // The subchondral shell outside the inner sphere: its inner edge is the joint surface.
    let center = scene.pose.place(joint.cup);
    let half = 0.055 * r;
    let shell: Vec<Node> = arc
        .iter()
        .take(19)
        .enumerate()
        .map(|(i, p)| {
            let taper = (1.0 - i as f64 / 21.0).max(0.3) * sclerosis.sqrt();
            let out = (*p - center).unit();
            Node::new(*p + out * (half * taper), half * taper)
        })
        .collect();
    let mut lines = shape::tube(view, &shell, 0.0).outer.scaled(2.4);
    // The dorsal wall: a thin plate between silhouette and dorsal edge, seen through the head.
    let edge = joint.dorsal_edge(&scene.pose, view, 20);
    // It reaches under the shell, or its rounded border would leave a gap too dark.
    let mut wall: Vec<Point> = arc
        .iter()
        .map(|p| view.project(center + (*p - center) * 1.12).point)
        .collect();
    wall.extend(edge.iter().rev().map(|p| view.project(*p).point));
    let size = (view.width, view.height);
    let band = 0.35 * r * scene.px_per_mm();
    let distance = shape::outline_distance(size, &wall, band);
    let plate = shape::plate(&distance, scene.px_per_mm(), 0.34 * r, 0.12 * r, 0.06 * r);
    lines = add(&lines, &plate.outer.scaled(0.42));
    let rim: Vec<Node> = edge.iter().map(|p| Node::new(*p, 0.035 * r)).collect();
    lines = add(&lines, &shape::tube(view, &rim, 0.0).outer.scaled(1.3));
    // Ridges seen end-on: the arcuate line, the ventral border of the ilium, the pecten.
    let side = joint.lateral;
    let inner = form.inlet;
    let ridges: [(&[Place], f64); 3] = [
        (
            &[
                (inner + 0.005, -0.80, -0.28),
                (inner + 0.035, -0.55, -0.13),
                (inner + 0.035, -0.30, -0.06),
                (inner + 0.03, -0.08, 0.0),
                (inner + 0.04, 0.08, 0.0),
                (inner + 0.05, 0.2, 0.0),
            ],
            0.06,
        ),
        (
            &[
                (inner + 0.10, -1.0, -0.34),
                (inner + 0.08, -0.8, -0.26),
                (inner + 0.10, -0.55, -0.12),
                (inner + 0.115, -0.35, -0.05),
            ],
            0.05,
        ),
        (
            &[
                (0.30, 0.02, 0.03),
                (0.20, 0.085, 0.12),
                (0.09, 0.14, 0.2),
                (0.02, 0.165, 0.24),
            ],
            0.045,
        ),
    ];
    for (points, radius) in ridges {
        let points: Vec<Vec3> = points
            .iter()
            .map(|&(x, y, z)| scene.place(side * x, y, z))
            .collect();
        let nodes: Vec<Node> = shape::spline(&points, false, 6)
            .into_iter()
            .map(|p| Node::new(p, radius * r))
            .collect();
        lines = add(&lines, &shape::tube(view, &nodes, 0.0).outer.scaled(1.6));
    }
    lines
}

/// New bone of osteoarthritis on the rim: a bead beyond the rim point, a veil in the cup.
fn growth(scene: &Scene, index: usize, arc: &[Vec3], seed: u64) -> Patch {
    let joint = &scene.joints[index];
    let arthritis = scene.dog.sides[index].arthritis;
    let r = joint.head_radius;
    let mut noise = Noise::new(seed, 24 + index as u64);
    // The lip: a solid bead, so that line end and rim point coincide.
    let center = scene.pose.place(joint.cup);
    let out = (arc[0] - center).unit();
    let lip = Node::new(arc[0] + out * (0.05 * r), 0.06 * r);
    let mut growth = shape::tube(&scene.view, &[lip], 0.0).outer.scaled(1.4);
    if arthritis < 0.5 {
        return growth;
    }
    let size = r * (0.06 + 0.07 * arthritis);
    for i in 0..3 {
        let at = arc[0]
            + out * (size * (0.6 + 0.3 * f64::from(i)))
            + Vec3::new(
                joint.lateral * noise.range(0.0, 0.8) * size,
                noise.range(-0.9, 0.1) * size,
                0.0,
            );
        let bead = shape::tube(
            &scene.view,
            &[Node::new(at, size * noise.range(0.5, 0.9))],
            0.0,
        );
        growth = growth.union(&bead.outer.scaled(0.6), 0.1);
    }
    growth
}

pub(crate) fn add(a: &Patch, b: &Patch) -> Patch {
    a.combined(b, |a, b| a + b)
}
