//! Ribs, clavicles, shoulder blades, spine, sternum and upper arms: hollow bones in place of soft tissue.
//!
//! Ribs are swept along tilted ellipses from the vertebrae to the cartilage. Separate because bones know neither lung
//! nor heart.

use super::person::Person;
use super::{ChestView, Frame};
use crate::geometry::Point;
use crate::grid::Grid;
use crate::noise::Noise;
use crate::phantom::xray::shape::{self, Hollow, Node};
use crate::phantom::xray::{Material, Paths, Rotation, Vec3};

/// What is kept of the bones for the truth.
pub(super) struct Skeleton {
    /// Named lines on the fine grid and whether they are closed.
    pub(super) lines: Vec<(String, Vec<Point>, bool)>,
    /// Where ribs are.
    pub(super) ribs: Grid<u8>,
    /// Where clavicles are.
    pub(super) clavicles: Grid<u8>,
}

struct Bones<'a> {
    frame: &'a Frame,
    paths: &'a mut Paths,
    mineral: f32,
}

impl Bones<'_> {
    /// Puts a hollow bone in the place of soft tissue; `marrow` is the fraction of bone in its inside.
    fn put(&mut self, bone: &Hollow, marrow: f32) {
        let strong = self.mineral;
        self.paths.add(Material::Cortical, &bone.wall(), strong);
        self.paths
            .add(Material::Cancellous, &bone.inner, marrow * strong);
        self.paths
            .add(Material::Soft, &bone.outer, -(0.5 + 0.5 * marrow).min(1.0));
    }

    fn tube(&self, nodes: &[Node], wall: f64) -> Hollow {
        shape::tube(&self.frame.view, nodes, wall)
    }
}

fn stamp(mask: &mut Grid<u8>, bone: &Hollow) {
    let rect = bone.outer.rect;
    for y in rect.y..rect.bottom() {
        for x in rect.x..rect.right() {
            if bone.outer.at(x, y) > 0.12 {
                mask[(x as usize, y as usize)] = 255;
            }
        }
    }
}

/// Puts all bones into the paths.
pub(super) fn built(
    seed: u64,
    person: &Person,
    frame: &Frame,
    body: &Grid<f32>,
    paths: &mut Paths,
) -> Skeleton {
    let mut chance = Noise::new(seed, 120);
    let size = (frame.view.width, frame.view.height);
    let mut skeleton = Skeleton {
        lines: Vec::new(),
        ribs: Grid::filled(size.0, size.1, 0),
        clavicles: Grid::filled(size.0, size.1, 0),
    };
    let mut bones = Bones {
        frame,
        paths,
        mineral: person.mineral as f32,
    };
    spine(&mut bones, person, &mut chance, &mut skeleton);
    for side in 0..2 {
        for i in 0..12 {
            rib(&mut bones, person, side, i, &mut chance, &mut skeleton);
        }
        shoulder(&mut bones, person, side, body, &mut chance, &mut skeleton);
    }
    sternum(&mut bones, person);
    skeleton
}

fn rib(
    bones: &mut Bones<'_>,
    person: &Person,
    side: usize,
    i: usize,
    chance: &mut Noise,
    skeleton: &mut Skeleton,
) {
    let sign = if side == 0 { -1.0 } else { 1.0 };
    let (wide, deep) = person.ribs[i];
    let wide = wide * (1.0 + 0.012 * chance.normal());
    let slope = (person.rib_slope(i) + 1.5 * chance.normal())
        .to_radians()
        .tan();
    let top = person.vertebra_y(i as f64) + 1.2 * chance.normal();
    let back = person.cavity_middle() + deep / 2.0;
    let end = match i {
        0 => 150.0,
        1..=6 => 146.0 - 1.0 * i as f64,
        7..=9 => 128.0 - 6.0 * (i as f64 - 7.0),
        10 => 70.0,
        _ => 46.0,
    } + 3.0 * chance.normal();
    let tall = [5.6, 6.4, 7.0, 7.4, 7.7, 7.9, 7.9, 7.7, 7.4, 6.8, 5.6, 4.6][i]
        * if person.sex == 'F' { 0.92 } else { 1.0 };
    let lean = 0.4 * person.spine_x(top);
    let place = |degrees: f64| {
        let a = degrees.to_radians();
        // The neck of a rib rises a little before the shaft falls away.
        let behind = 0.5 * (1.0 - a.cos()) * deep;
        let arch = 7.0 * (-((degrees - 32.0) / 24.0).powi(2)).exp();
        let shift = if degrees > 90.0 {
            person.turned * 0.5
        } else {
            0.0
        };
        Vec3::new(
            lean + shift + sign * (wide * a.sin().powf(0.86)).max(16.0),
            top + slope * behind * 0.94 - arch + 3.0,
            back - behind,
        )
    };
    let nodes: Vec<Node> = (0..=44)
        .map(|k| {
            let degrees = 9.0 + (end - 9.0) * f64::from(k) / 44.0;
            let edge = degrees.to_radians().sin().powi(6);
            let flare = 1.0 + 0.16 * ((degrees - 120.0) / 30.0).clamp(0.0, 1.0);
            Node::new(
                bones.frame.place(place(degrees)),
                tall * (1.0 - 0.30 * edge) * flare,
            )
        })
        .collect();
    let shaft = bones.tube(&nodes, 1.15).scaled(0.66);
    bones.put(&shaft, 0.62);
    stamp(&mut skeleton.ribs, &shaft);
    // The lower border is a second bright line: the edge of the groove.
    let groove: Vec<Node> = nodes
        .iter()
        .take(30)
        .map(|n| Node::new(n.at + Vec3::new(0.0, n.radius * 0.78, 0.0), 0.9))
        .collect();
    let groove = bones.tube(&groove, 0.0);
    bones
        .paths
        .add(Material::Cortical, &groove.outer, 0.34 * bones.mineral);
    if matches!(i, 3 | 5 | 7) {
        let name = format!("{} rib {}", if side == 0 { "right" } else { "left" }, i + 1);
        let line = nodes.iter().map(|n| bones.frame.view.project(n.at).point);
        skeleton.lines.push((name, line.collect(), false));
    }
    if i < 10 && person.age > 42.0 {
        cartilage(bones, person, &place(end), sign, chance);
    }
}

/// Calcified cartilage in front of a rib: along the borders in men, central in women.
fn cartilage(bones: &mut Bones<'_>, person: &Person, end: &Vec3, sign: f64, chance: &mut Noise) {
    let amount = ((person.age - 42.0) / 50.0).clamp(0.0, 1.0);
    let marginal = person.sex == 'M';
    for _ in 0..(5.0 * amount) as usize {
        let along = chance.range(2.0, 26.0);
        let off = if marginal { 5.5 } else { 1.5 } * if chance.chance(0.5) { 1.0 } else { -1.0 };
        let from = *end + Vec3::new(-sign * along, 0.12 * along + off, -3.0);
        let to = from + Vec3::new(-sign * chance.range(3.0, 8.0), 1.0, 0.0);
        let bar = bones.tube(
            &[
                Node::new(bones.frame.place(from), 1.3),
                Node::new(bones.frame.place(to), 1.0),
            ],
            0.0,
        );
        bones.paths.add(Material::Cortical, &bar.outer, 0.4);
    }
}

fn shoulder(
    bones: &mut Bones<'_>,
    person: &Person,
    side: usize,
    body: &Grid<f32>,
    chance: &mut Noise,
    skeleton: &mut Skeleton,
) {
    let sign = if side == 0 { -1.0 } else { 1.0 };
    let name = if side == 0 { "right" } else { "left" };
    let bedside = person.view == ChestView::Ap;
    let length = person.thorax_width * chance.range(0.48, 0.53);
    let rise = if bedside {
        chance.range(16.0, 46.0)
    } else {
        chance.range(6.0, 30.0)
    };
    let front = person.fat + 18.0;
    let inner = Vec3::new(
        sign * 15.0 + person.turned,
        chance.range(22.0, 32.0) - if bedside { 6.0 } else { 0.0 },
        front,
    );
    let along =
        |t: f64, up: f64, back: f64| inner + Vec3::new(sign * length * t, -rise * t - up, back);
    let line = shape::spline(
        &[
            along(0.0, 0.0, 0.0),
            along(0.25, 2.0, -6.0),
            along(0.5, 5.0, 4.0),
            along(0.75, 6.0, 24.0),
            along(1.0, 1.0, 34.0),
        ],
        false,
        6,
    );
    let nodes: Vec<Node> = line
        .iter()
        .enumerate()
        .map(|(k, p)| {
            let t = k as f64 / (line.len() - 1) as f64;
            Node::new(bones.frame.place(*p), 5.8 + 4.2 * (2.0 * t - 0.9).powi(2))
        })
        .collect();
    let clavicle = bones.tube(&nodes, 1.6);
    bones.put(&clavicle, 0.6);
    stamp(&mut skeleton.clavicles, &clavicle);
    let points = nodes.iter().map(|n| bones.frame.view.project(n.at).point);
    skeleton
        .lines
        .push((format!("{name} clavicle"), points.collect(), false));
    let tip = line[line.len() - 1];
    blade(bones, person, sign, tip, chance);
    // Upper arm: head and shaft.
    let down = if bedside { 0.22 } else { 0.36 };
    let head = tip + Vec3::new(sign * 22.0, 30.0, 10.0);
    let bone: Vec<Node> = (0..10)
        .map(|k| {
            let t = f64::from(k);
            Node::new(
                bones
                    .frame
                    .place(head + Vec3::new(sign * down * 22.0 * t, 22.0 * t, 0.0)),
                10.5 + 11.5 * (-t * 0.9).exp(),
            )
        })
        .collect();
    let flesh: Vec<Node> = bone.iter().map(|n| Node::new(n.at, 40.0)).collect();
    let flesh = bones
        .tube(&flesh, 0.0)
        .outer
        .mapped(|x, y, v| (v - body[(x, y)]).max(0.0));
    bones.paths.add(Material::Soft, &flesh, 1.0);
    let arm = bones.tube(&bone, 2.6).scaled(0.8);
    bones.put(&arm, 0.42);
}

/// Shoulder blade: a thin plate with a thick lateral border, its spine and the coracoid.
fn blade(bones: &mut Bones<'_>, person: &Person, sign: f64, tip: Vec3, chance: &mut Noise) {
    let bedside = person.view == ChestView::Ap;
    let back = person.depth - person.fat - 34.0;
    let inward = if bedside {
        chance.range(12.0, 36.0)
    } else {
        chance.range(-16.0, 8.0)
    };
    let glenoid = Vec3::new(tip.x + sign * 4.0, tip.y + 32.0, back - 20.0);
    let at = |x: f64, y: f64| {
        Vec3::new(
            glenoid.x - sign * (x + inward * y / 130.0),
            glenoid.y + y,
            back,
        )
    };
    let corners = [
        at(2.0, -14.0),
        at(26.0, -26.0),
        at(64.0, -32.0),
        at(78.0, -10.0),
        at(80.0, 40.0),
        at(70.0, 90.0),
        at(56.0, 122.0),
        at(46.0, 118.0),
        at(34.0, 80.0),
        at(14.0, 30.0),
        at(2.0, 14.0),
    ];
    let scale = bones.frame.px_per_mm;
    let outline: Vec<Point> = shape::spline(&corners, true, 4)
        .iter()
        .map(|p| bones.frame.view.project(bones.frame.place(*p)).point)
        .collect();
    let size = (bones.frame.view.width, bones.frame.view.height);
    let field = shape::outline_distance(size, &outline, 8.0 * scale);
    bones.put(&shape::plate(&field, scale, 4.2, 4.0, 0.8), 0.35);
    let bar = |bones: &mut Bones<'_>, points: &[Vec3], radius: f64| {
        let nodes: Vec<Node> = shape::spline(points, false, 4)
            .iter()
            .map(|p| Node::new(bones.frame.place(*p), radius))
            .collect();
        let bar = bones.tube(&nodes, 1.3).scaled(0.7);
        bones.put(&bar, 0.35);
    };
    bar(
        bones,
        &[
            at(6.0, 14.0),
            at(18.0, 40.0),
            at(38.0, 84.0),
            at(52.0, 120.0),
        ],
        4.2,
    );
    bar(
        bones,
        &[
            at(78.0, 2.0),
            at(44.0, -8.0),
            at(14.0, -26.0),
            at(-8.0, -34.0),
        ],
        4.6,
    );
    bar(
        bones,
        &[at(6.0, -8.0), at(22.0, -18.0), at(16.0, -8.0)],
        5.5,
    );
    bar(bones, &[at(0.0, -12.0), at(0.0, 0.0), at(2.0, 14.0)], 6.0);
}

fn spine(bones: &mut Bones<'_>, person: &Person, chance: &mut Noise, skeleton: &mut Skeleton) {
    let size = if person.sex == 'F' { 0.91 } else { 1.0 };
    let back = person.cavity_middle() + person.ribs[6].1 / 2.0 - 10.0;
    let mut edges = [Vec::new(), Vec::new()];
    for i in -3..15 {
        let t = f64::from(i);
        let y = person.vertebra_y(t);
        let x = person.spine_x(y);
        let half = size * (14.0 + 0.5 * t.max(0.0)) * if i < 0 { 0.9 } else { 1.0 };
        let step = person.vertebra_y(t + 0.5) - person.vertebra_y(t - 0.5);
        let tall = (step - size * (3.5 + 0.12 * t)) / 2.0;
        let at = |dx: f64, dy: f64| {
            let p = bones.frame.place(Vec3::new(x + dx, y + dy, back));
            bones.frame.view.project(p).point
        };
        let outline: Vec<Point> = [
            (-half, -tall),
            (-half * 0.5, -tall * 0.94),
            (half * 0.5, -tall * 0.94),
            (half, -tall),
            (half * 0.88, 0.0),
            (half, tall),
            (half * 0.5, tall * 0.94),
            (-half * 0.5, tall * 0.94),
            (-half, tall),
            (-half * 0.88, 0.0),
        ]
        .iter()
        .map(|&(dx, dy)| at(dx, dy))
        .collect();
        if i >= 0 {
            edges[0].push(at(-half, 0.0));
            edges[1].push(at(half, 0.0));
        }
        let scale = bones.frame.px_per_mm;
        let canvas = (bones.frame.view.width, bones.frame.view.height);
        let field = shape::outline_distance(canvas, &outline, 7.0 * scale);
        bones.put(&shape::plate(&field, scale, 26.0 * size, 5.0, 0.7), 0.55);
        arch(bones, Vec3::new(x, y, back), half, tall, i < 12, chance);
    }
    let [right, left] = edges;
    skeleton
        .lines
        .push(("right spine edge".into(), right, false));
    skeleton.lines.push(("left spine edge".into(), left, false));
}

/// The arch of a vertebra: pedicles, transverse processes where there are ribs, and the spinous process.
fn arch(
    bones: &mut Bones<'_>,
    middle: Vec3,
    half: f64,
    tall: f64,
    ribbed: bool,
    chance: &mut Noise,
) {
    let Vec3 { x, y, z: back } = middle;
    for sign in [-1.0, 1.0] {
        let pedicle = shape::ellipsoid(
            &bones.frame.view,
            bones.frame.place(Vec3::new(
                x + sign * half * 0.68,
                y - tall * 0.3,
                back + 20.0,
            )),
            Vec3::new(3.2, 4.6, 7.0),
            &Rotation::IDENTITY,
        );
        bones
            .paths
            .add(Material::Cortical, &pedicle, 0.28 * bones.mineral);
        // Transverse process.
        let process = bones.tube(
            &[
                Node::new(
                    bones.frame.place(Vec3::new(
                        x + sign * half * 0.8,
                        y - tall * 0.4,
                        back + 24.0,
                    )),
                    4.4,
                ),
                Node::new(
                    bones.frame.place(Vec3::new(
                        x + sign * (half + 13.0),
                        y - tall * 0.8,
                        back + 30.0,
                    )),
                    3.6,
                ),
            ],
            0.9,
        );
        if ribbed {
            bones.put(&process.scaled(0.8), 0.3);
        }
    }
    let tip = x + 1.5 * chance.normal();
    let process = bones.tube(
        &[
            Node::new(bones.frame.place(Vec3::new(tip, y + 2.0, back + 34.0)), 2.4),
            Node::new(
                bones
                    .frame
                    .place(Vec3::new(tip, y + tall + 7.0, back + 40.0)),
                2.8,
            ),
        ],
        0.9,
    );
    bones.put(&process, 0.4);
}

fn sternum(bones: &mut Bones<'_>, person: &Person) {
    let front = person.fat + 14.0;
    let shift = person.turned;
    let outline: Vec<Point> = [
        (-26.0, 30.0),
        (-10.0, 27.0),
        (10.0, 27.0),
        (26.0, 30.0),
        (17.0, 62.0),
        (15.0, 76.0),
        (18.0, 140.0),
        (6.0, 168.0),
        (-6.0, 168.0),
        (-18.0, 140.0),
        (-15.0, 76.0),
        (-17.0, 62.0),
    ]
    .iter()
    .map(|&(x, y)| {
        let p = bones.frame.place(Vec3::new(x + shift, y, front));
        bones.frame.view.project(p).point
    })
    .collect();
    let scale = bones.frame.px_per_mm;
    let canvas = (bones.frame.view.width, bones.frame.view.height);
    let field = shape::outline_distance(canvas, &outline, 6.0 * scale);
    bones.put(&shape::plate(&field, scale, 9.0, 4.0, 0.6), 0.3);
}
