//! Sacrum, last lumbar vertebrae and tail.
//!
//! Midline bones in units of the distance between the hips; separate because they are drawn once, not per side.

use super::Scene;
use super::pelvis::add;
use crate::geometry::Point;
use crate::noise::Noise;
use crate::phantom::xray::shape::{self, Hollow, Node};
use crate::phantom::xray::{Patch, Vec3};

/// The midline as drawn.
pub(crate) struct Spine {
    /// Sacrum, vertebrae and tail.
    pub(crate) bone: Hollow,
    /// Spinous processes and end plates, cortical, cm.
    pub(crate) lines: Patch,
    /// The middle of the vertebrae, world, cranial first.
    pub(crate) midline: Vec<Vec3>,
}

/// Draws it.
pub(crate) fn spine(scene: &Scene, seed: u64) -> Spine {
    let mut noise = Noise::new(seed, 40);
    let d = scene.dog.distance;
    let view = &scene.view;
    let width = noise.range(0.19, 0.235);
    let bend = noise.gauss(0.0, 0.02);
    let at = |x: f64, y: f64, z: f64| scene.place(x, y, z);
    let node = |x: f64, y: f64, z: f64, r: f64| Node::new(at(x, y, z), r * d);
    // Sacrum: broad wings against the ilia, tapering caudally.
    let half = [
        (0.10, -1.055),
        (width, -1.035),
        (width + 0.115, -0.985),
        (width + 0.125, -0.90),
        (width + 0.085, -0.81),
        (0.165, -0.72),
        (0.115, -0.63),
        (0.075, -0.565),
    ];
    let mut outline: Vec<Vec3> = half.iter().map(|&(x, y)| at(bend + x, y, -0.36)).collect();
    outline.extend(half.iter().rev().map(|&(x, y)| at(bend - x, y, -0.36)));
    let outline: Vec<Point> = shape::spline(&outline, true, 4)
        .into_iter()
        .map(|p| view.project(p).point)
        .collect();
    let k = scene.px_per_mm();
    let flat = shape::outline_distance((view.width, view.height), &outline, 0.06 * d * k);
    let mut bone = shape::plate(&flat, k, 0.085 * d, 0.05 * d, 0.008 * d);
    let column = shape::tube(
        view,
        &[
            node(bend, -1.0, -0.36, 0.10),
            node(bend, -0.86, -0.37, 0.088),
            node(bend, -0.70, -0.36, 0.07),
            node(bend, -0.61, -0.34, 0.06),
        ],
        0.010 * d,
    );
    bone = bone.union(&column, 0.6);
    let mut lines = shape::tube(
        view,
        &[
            node(bend, -1.0, -0.42, 0.012),
            node(bend, -0.62, -0.42, 0.010),
        ],
        0.0,
    )
    .outer
    .scaled(1.5);
    for side in [-1.0, 1.0] {
        for y in [-0.86, -0.73] {
            // Sacral foramina: small gaps in the wings.
            let gap = shape::tube(view, &[node(bend + side * 0.115, y, -0.4, 0.016)], 0.0);
            bone.outer = bone.outer.without(&gap.outer.scaled(1.6));
        }
    }
    let mut midline = vec![];
    lumbar(scene, &mut noise, bend, &mut bone, &mut lines, &mut midline);
    midline.push(at(bend, -0.85, -0.37));
    tail(scene, &mut noise, bend, &mut bone, &mut lines, &mut midline);
    Spine {
        bone,
        lines,
        midline,
    }
}

/// L7, L6 and what fits above.
fn lumbar(
    scene: &Scene,
    noise: &mut Noise,
    bend: f64,
    bone: &mut Hollow,
    lines: &mut Patch,
    midline: &mut Vec<Vec3>,
) {
    let d = scene.dog.distance;
    let view = &scene.view;
    let half = noise.range(0.125, 0.165);
    let length = noise.range(0.26, 0.32);
    let lean = noise.gauss(0.0, 0.03);
    let spondylosis = if scene.dog.age > 7.0 && noise.chance(0.4) {
        0.03
    } else {
        0.0
    };
    for i in 0..5 {
        let y = -1.09 - length * (f64::from(i) + 0.5);
        let x = bend + lean * f64::from(i);
        let node =
            |dx: f64, dy: f64, z: f64, r: f64| Node::new(scene.place(x + dx, y + dy, z), r * d);
        let h = 0.5 * length - 0.018;
        let flare = half + if i == 0 { spondylosis } else { 0.0 };
        let mut body = shape::tube(
            view,
            &[
                node(0.0, -h + 0.05, -0.32, half),
                node(0.0, 0.0, -0.32, 0.82 * half),
                node(0.0, h - 0.05, -0.32, flare),
            ],
            0.010 * d,
        );
        for side in [-1.0, 1.0] {
            let process = shape::tube(
                view,
                &[
                    node(side * half * 0.8, -0.02, -0.34, 0.05),
                    node(side * (half + 0.12), -0.09, -0.30, 0.035),
                    node(side * (half + 0.22), -0.18, -0.27, 0.018),
                ],
                0.009 * d,
            )
            .scaled(0.6);
            body = body.union(&process, 0.1);
            let facet = shape::tube(
                view,
                &[
                    node(side * 0.075, h - 0.04, -0.42, 0.025),
                    node(side * 0.065, h + 0.06, -0.43, 0.022),
                ],
                0.0,
            );
            *lines = add(lines, &facet.outer.scaled(0.35));
        }
        *bone = bone.union(&body, 0.1);
        let spine = shape::tube(
            view,
            &[node(0.0, -0.08, -0.45, 0.012), node(0.0, 0.1, -0.47, 0.016)],
            0.0,
        );
        *lines = add(lines, &spine.outer.scaled(1.5));
        for dy in [-h, h] {
            let plate = shape::tube(
                view,
                &[
                    node(-half * 0.85, dy, -0.32, 0.009),
                    node(half * 0.85, dy, -0.32, 0.009),
                ],
                0.0,
            );
            *lines = add(lines, &plate.outer.scaled(2.0));
        }
        midline.insert(0, scene.place(x, y, -0.32));
    }
}

fn tail(
    scene: &Scene,
    noise: &mut Noise,
    bend: f64,
    bone: &mut Hollow,
    lines: &mut Patch,
    midline: &mut Vec<Vec3>,
) {
    let d = scene.dog.distance;
    let lean = noise.gauss(0.0, 0.10);
    let count = if noise.chance(0.08) { 2 } else { 9 };
    let (mut x, mut y) = (bend, -0.575);
    let mut angle: f64 = 0.0;
    for i in 0..count {
        let t = f64::from(i);
        let length = (0.155 + 0.017 * t).min(0.25);
        let half = (0.062 - 0.0048 * t).max(0.022);
        angle += lean * 0.6;
        let (s, c) = angle.sin_cos();
        let step = |k: f64| (x + s * k * length, y + c * k * length, -0.34 - 0.008 * t);
        let node = |k: f64, r: f64| {
            let (x, y, z) = step(k);
            Node::new(scene.place(x, y, z), r * d)
        };
        let body = shape::tube(
            &scene.view,
            &[
                node(0.14, half),
                node(0.3, 0.72 * half),
                node(0.6, 0.66 * half),
                node(0.82, 0.92 * half),
            ],
            0.009 * d,
        );
        *bone = bone.union(&body, 0.0);
        if i < 4 {
            for side in [-1.0, 1.0] {
                let (px, py, pz) = step(0.3);
                let process = shape::tube(
                    &scene.view,
                    &[
                        Node::new(scene.place(px + side * 0.5 * half, py, pz), 0.022 * d),
                        Node::new(
                            scene.place(px + side * (1.75 - 0.2 * t) * half, py + 0.02, pz),
                            0.012 * d,
                        ),
                    ],
                    0.006 * d,
                )
                .scaled(0.7);
                *bone = bone.union(&process, 0.05);
            }
            let mid = shape::tube(&scene.view, &[node(0.25, 0.008), node(0.7, 0.008)], 0.0);
            *lines = add(lines, &mid.outer.scaled(1.3));
        }
        let (mx, my, mz) = step(0.5);
        midline.push(scene.place(mx, my, mz));
        x += s * length;
        y += c * length;
    }
}
