//! The femur: head, neck, trochanters, shaft with cortex and marrow, condyles, patella and fabellae.
//!
//! Built around the centre of its head in multiples of the head's radius, so that a displaced head takes its femur
//! along. Separate because it is a table of anatomy.

use super::Scene;
use super::pelvis::add;
use crate::geometry::Point;
use crate::noise::Noise;
use crate::phantom::xray::shape::{self, Hollow, Node};
use crate::phantom::xray::{Patch, Rotation, Vec3};

/// One femur as drawn.
pub(crate) struct Femur {
    /// Head, neck, trochanters and condyles: cancellous inside.
    pub(crate) ends: Hollow,
    /// Share of the inside that is cancellous, 0–1 (the rest is marrow), over the box of `ends`.
    pub(crate) spongy: Patch,
    /// Dense lines, cortical, cm.
    pub(crate) lines: Patch,
    /// Patella and fabellae.
    pub(crate) small: Hollow,
    /// Tibia and fibula.
    pub(crate) leg: Hollow,
    /// The head alone, cm.
    pub(crate) head: Patch,
    /// Axis of neck and shaft on the fine film.
    pub(crate) axis: Vec<Point>,
    /// Lateral and medial border of the shaft on the fine film.
    pub(crate) borders: [Vec<Point>; 2],
    /// Middle of the stifle, world: for the soft tissue.
    pub(crate) stifle: Vec3,
    /// Direction of the shaft, world.
    pub(crate) distal: Vec3,
}

struct Frame {
    center: Vec3,
    lateral: Vec3,
    distal: Vec3,
    r: f64,
}

impl Frame {
    /// A point in multiples of the head radius: lateral, distal, toward the tube.
    fn at(&self, x: f64, y: f64, z: f64) -> Vec3 {
        self.center + (self.lateral * x + self.distal * y + Vec3::new(0.0, 0.0, 1.0) * z) * self.r
    }

    fn node(&self, x: f64, y: f64, z: f64, radius: f64) -> Node {
        Node::new(self.at(x, y, z), radius * self.r)
    }
}

#[expect(
    clippy::too_many_lines,
    reason = "one table of proportions, drawn in order"
)]
/// Draws one femur; `index` 0 is the patient's left.
pub(crate) fn femur(scene: &Scene, index: usize, seed: u64) -> Femur {
    let mut noise = Noise::new(seed, 30 + index as u64);
    let mut shared = Noise::new(seed, 32);
    let joint = &scene.joints[index];
    let side = &scene.dog.sides[index];
    let r = joint.head_radius;
    // Clockwise on the film brings the distal end of the viewer's right leg toward the midline.
    let turn = scene.turn - joint.lateral * scene.abduction[index];
    let (s, c) = turn.to_radians().sin_cos();
    let frame = Frame {
        center: scene.pose.place(joint.head()),
        lateral: Vec3::new(c, s, 0.0) * joint.lateral,
        distal: Vec3::new(-s, c, 0.0),
        r,
    };
    let valgus = if side.grade as usize >= 3 {
        noise.range(2.0, 9.0)
    } else {
        0.0
    };
    let inclination = (134.0 + noise.gauss(0.0, 3.0) + 2.0 * shared.normal() + valgus).to_radians();
    let (sn, cn) = (inclination.sin(), -inclination.cos());
    let neck = 2.55 + noise.gauss(0.0, 0.06) + 0.1 * shared.normal();
    let (bx, by) = (neck * sn, neck * cn);
    let length = scene.dog.distance / r * (1.6 + 0.4 * shared.uniform()) + noise.gauss(0.0, 0.1);
    let half_shaft =
        0.085 * scene.dog.distance / r * (1.0 + 0.08 * shared.normal()).clamp(0.85, 1.2);
    let thick_neck = 1.0 + 0.09 * side.arthritis;
    let shape = Shape {
        bx,
        by,
        length,
        half_shaft,
        thick_neck,
    };
    let (mut ends, head) = proximal(
        scene,
        &frame,
        &shape,
        side.flattening,
        scene.limb_rotation[index],
    );
    let ends_shaft = shaft(scene, &frame, &shape, &mut shared);
    ends = ends.union(&ends_shaft, 0.25);
    ends = ends.union(&condyles(scene, &frame, &shape), 0.2);
    let leg = leg(scene, &frame, &shape);
    let top = scene.view.project(frame.at(bx, by, 0.0)).point;
    let low = scene.view.project(frame.at(bx - 0.1, length, 0.0)).point;
    let along = low - top;
    let unit = along * (1.0 / along.length().max(1e-9));
    let span = along.length() / (length - by).max(1.0);
    let spongy = ends.outer.clone().mapped(|x, y, _| {
        let t = (Point::new(x as f64, y as f64) - top).dot(unit) / span;
        let proximal = ((3.6 - t) / 3.0).clamp(0.0, 1.0);
        let distal = ((t - (length - by) + 4.0) / 2.5).clamp(0.0, 1.0);
        (0.12 + 0.88 * proximal.max(distal)) as f32
    });
    let film = |p: Vec3| scene.view.project(p).point;
    let border = |sign: f64| -> Vec<Point> {
        (0..=8)
            .map(|i| {
                let y = 4.2 + (length - 7.0) * f64::from(i) / 8.0;
                film(frame.at(bx - 0.1 + sign * half_shaft, y, 0.0))
            })
            .collect()
    };
    Femur {
        lines: lines(scene, &frame, &shape, side.arthritis, &mut noise),
        small: small_bones(scene, &frame, &shape, scene.limb_rotation[index]),
        leg,
        spongy,
        head,
        axis: [
            frame.center,
            frame.at(bx, by, 0.0),
            frame.at(bx - 0.1, length, 0.0),
        ]
        .map(film)
        .to_vec(),
        borders: [border(1.0), border(-1.0)],
        stifle: frame.at(bx - 0.1, length, 0.0),
        distal: frame.distal,
        ends,
    }
}

struct Shape {
    bx: f64,
    by: f64,
    length: f64,
    half_shaft: f64,
    thick_neck: f64,
}

fn proximal(
    scene: &Scene,
    frame: &Frame,
    shape: &Shape,
    flattening: f64,
    rotation: f64,
) -> (Hollow, Patch) {
    let view = &scene.view;
    let r = frame.r;
    let Shape {
        bx, by, thick_neck, ..
    } = *shape;
    let ball = |radius: f64| {
        shape::ellipsoid(
            view,
            frame.center,
            Vec3::new(radius, radius, radius),
            &Rotation::IDENTITY,
        )
    };
    // A flattened head loses its cranial cap: the chord is cut by a slanted plane with a soft corner.
    let up = (frame.lateral * 0.35 - frame.distal * 0.94).unit();
    let top = view.project(frame.center).point;
    let k = scene.px_per_mm() * r;
    let flat = |p: Patch, inset: f64| {
        p.mapped(|x, y, v| {
            let d = Point::new(x as f64, y as f64) - top;
            let height = (d.x * up.x + d.y * up.y) / k;
            let limit = 1.0 - flattening - inset;
            let over = ((limit - height) / 0.18).clamp(0.0, 1.0);
            v * (over * (2.0 - over)).sqrt() as f32
        })
    };
    let (whole, core) = (ball(r), ball(0.95 * r));
    let head = if flattening > 0.02 {
        Hollow {
            outer: flat(whole, 0.0),
            inner: flat(core, 0.05),
        }
    } else {
        Hollow {
            outer: whole,
            inner: core,
        }
    };
    let alone = head.outer.clone();
    let neck = shape::tube(
        view,
        &[
            frame.node(0.25, 0.22, 0.0, 0.70 * thick_neck),
            frame.node(0.5 * bx, 0.5 * by, 0.0, 0.60 * thick_neck),
            frame.node(0.85 * bx, 0.85 * by, 0.0, 0.92),
            frame.node(bx, by + 0.3, 0.0, 1.0),
        ],
        0.10 * r,
    );
    let trochanter = shape::tube(
        view,
        &[
            frame.node(2.02, 0.22, -0.3, 0.34),
            frame.node(2.34, 0.30, -0.35, 0.46),
            frame.node(2.50, 0.95, -0.3, 0.52),
            frame.node(2.25, 1.9, -0.1, 0.72),
            frame.node(bx + 0.1, by + 1.0, 0.0, 0.9),
        ],
        0.07 * r,
    );
    let out = (0.5 * (rotation + 6.0) / 12.0).clamp(0.0, 0.45);
    let lesser = shape::tube(
        view,
        &[
            frame.node(bx - 0.55, 3.1, -0.2, 0.4),
            frame.node(bx - 0.72 - out, 3.5, -0.3, 0.24),
            frame.node(bx - 0.55, 4.0, -0.2, 0.3),
        ],
        0.09 * r,
    );
    let all = head
        .union(&neck, 0.25)
        .union(&trochanter, 0.3)
        .union(&lesser, 0.1);
    (all, alone)
}

fn shaft(scene: &Scene, frame: &Frame, shape: &Shape, noise: &mut Noise) -> Hollow {
    let Shape {
        bx,
        by,
        length,
        half_shaft,
        ..
    } = *shape;
    let wall =
        half_shaft * 2.0 * noise.range(0.19, 0.26) * (1.0 - 0.012 * (scene.dog.age - 6.0).max(0.0));
    let bow = noise.range(-0.1, 0.12);
    // (place along the bone, radius, wall), all in head radii.
    let table = [
        (by + 0.2, 1.0, 0.09),
        (3.2, 0.98 * half_shaft + 0.13, 0.16),
        (4.3, 1.02 * half_shaft, 0.8 * wall),
        (5.6, half_shaft, wall),
        (0.55 * length, half_shaft, wall),
        (length - 5.5, half_shaft * 1.02, 0.9 * wall),
        (length - 3.2, half_shaft * 1.15, 0.5 * wall),
        (length - 1.6, half_shaft * 1.45, 0.12),
        (length - 0.7, half_shaft * 1.5, 0.08),
    ];
    let nodes = |inset: f64| -> Vec<Node> {
        table
            .iter()
            .map(|&(y, radius, wall)| {
                let t = ((y - by) / (length - by)).clamp(0.0, 1.0);
                let x = bx - 0.1 * t + bow * (std::f64::consts::PI * t).sin();
                frame.node(x, y, 0.3 * t, radius - inset * wall)
            })
            .collect()
    };
    Hollow {
        outer: shape::tube(&scene.view, &nodes(0.0), 0.0).outer,
        inner: shape::tube(&scene.view, &nodes(1.0), 0.0).outer,
    }
}

fn condyles(scene: &Scene, frame: &Frame, shape: &Shape) -> Hollow {
    let Shape {
        bx,
        length,
        half_shaft,
        ..
    } = *shape;
    let one = |sign: f64| {
        shape::tube(
            &scene.view,
            &[
                frame.node(
                    bx + sign * half_shaft * 0.85,
                    length - 1.0,
                    0.0,
                    0.85 * half_shaft,
                ),
                frame.node(
                    bx + sign * half_shaft * 0.9,
                    length - 0.2,
                    -0.2,
                    0.82 * half_shaft,
                ),
            ],
            0.07 * frame.r,
        )
    };
    one(1.0).union(&one(-1.0), 0.2)
}

/// Tibia and fibula, as far as the film shows them.
fn leg(scene: &Scene, frame: &Frame, shape: &Shape) -> Hollow {
    let Shape {
        bx,
        length,
        half_shaft: w,
        ..
    } = *shape;
    let top = length + 0.5 + 0.82 * w;
    let nodes = |inset: f64| -> Vec<Node> {
        [
            (1.5, 1.5, 0.1),
            (3.2, 1.0, 0.2),
            (6.0, 0.82, 0.3),
            (12.0, 0.72, 0.3),
            (19.0, 0.75, 0.2),
        ]
        .map(|(y, radius, wall)| frame.node(bx, top + y * w, 0.2, (radius - inset * wall) * w))
        .to_vec()
    };
    let plateau = |sign: f64| {
        let place = |x: f64| frame.node(bx + sign * x * w, top + 0.75 * w, 0.0, 0.72 * w);
        shape::tube(&scene.view, &[place(0.5), place(1.1)], 0.06 * frame.r)
    };
    let fibula = shape::tube(
        &scene.view,
        &[
            frame.node(bx + 1.75 * w, top + 1.5 * w, -0.4, 0.3 * w),
            frame.node(bx + 1.55 * w, top + 4.3 * w, -0.4, 0.17 * w),
            frame.node(bx + 1.05 * w, top + 16.0 * w, -0.3, 0.17 * w),
        ],
        0.08 * w * frame.r,
    );
    let tibia = Hollow {
        outer: shape::tube(&scene.view, &nodes(0.0), 0.0).outer,
        inner: shape::tube(&scene.view, &nodes(1.0), 0.0).outer,
    };
    tibia
        .union(&plateau(1.0), 0.25)
        .union(&plateau(-1.0), 0.25)
        .union(&fibula, 0.0)
}

fn small_bones(scene: &Scene, frame: &Frame, shape: &Shape, rotation: f64) -> Hollow {
    let Shape {
        bx,
        length,
        half_shaft,
        ..
    } = *shape;
    let shift = -(rotation + 3.0).to_radians().sin() * 1.2;
    let patella = shape::tube(
        &scene.view,
        &[
            frame.node(bx + shift, length - 2.6, 1.3, 0.62),
            frame.node(bx + shift, length - 1.9, 1.4, 0.72),
            frame.node(bx + shift, length - 1.3, 1.3, 0.5),
        ],
        0.09 * frame.r,
    )
    .scaled(0.6);
    let fabella = |sign: f64| {
        shape::tube(
            &scene.view,
            &[frame.node(bx + sign * half_shaft * 1.05, length - 1.5, -1.2, 0.3)],
            0.1 * frame.r,
        )
    };
    let two = fabella(1.0).union(&fabella(-1.0), 0.0);
    Hollow {
        outer: add(&patella.outer, &two.outer),
        inner: add(&patella.inner, &two.inner),
    }
}

fn lines(scene: &Scene, frame: &Frame, shape: &Shape, arthritis: f64, noise: &mut Noise) -> Patch {
    let Shape { bx, by, .. } = *shape;
    let view = &scene.view;
    let thread = |points: &[(f64, f64, f64)], radius: f64| {
        let line: Vec<Vec3> = points.iter().map(|&(x, y, z)| frame.at(x, y, z)).collect();
        let nodes: Vec<Node> = shape::spline(&line, false, 5)
            .into_iter()
            .map(|p| Node::new(p, radius * frame.r))
            .collect();
        shape::tube(view, &nodes, 0.0).outer
    };
    // The crest that bounds the trochanteric fossa, and the intertrochanteric crest below it.
    let mut lines = thread(
        &[
            (1.95, 0.30, -0.4),
            (1.86, 0.75, -0.5),
            (1.95, 1.25, -0.5),
            (2.12, 1.7, -0.4),
            (bx + 0.05, 2.5, -0.3),
            (bx - 0.25, 3.2, -0.2),
        ],
        0.055,
    )
    .scaled(1.9);
    lines = add(
        &lines,
        &thread(
            &[(1.98, 0.25, -0.3), (2.18, 0.5, -0.4), (2.1, 1.0, -0.4)],
            0.05,
        )
        .scaled(1.6),
    );
    if arthritis > 0.4 {
        let size = 0.03 + 0.015 * arthritis;
        // Morgan line across the base of the neck; later a ring of osteophytes around it.
        lines = add(
            &lines,
            &thread(
                &[
                    (0.75 * bx, 0.35 * by, -0.5),
                    (0.72 * bx, 0.7 * by, -0.6),
                    (0.66 * bx, 1.05 * by, -0.5),
                ],
                size,
            )
            .scaled(1.3),
        );
    }
    if arthritis > 1.2 {
        for sign in [-1.0, 1.0] {
            let (x, y) = (0.75 + 0.1 * noise.normal(), sign * 0.75 + 0.45);
            let bead = shape::tube(view, &[frame.node(x, y, 0.0, 0.07 * arthritis)], 0.0);
            lines = add(&lines, &bead.outer.scaled(0.5));
        }
        lines = add(
            &lines,
            &thread(
                &[(0.95, -0.3, 0.3), (0.78, 0.3, 0.75), (0.45, 0.95, 0.3)],
                size_of(arthritis),
            )
            .scaled(1.5),
        );
    }
    lines
}

fn size_of(arthritis: f64) -> f64 {
    0.03 + 0.02 * arthritis
}
