//! Teeth as solids: dentin, a shell of enamel, pulp, the gap and the bright wall around each root; what was done to them.
//!
//! Separate from the plan, which knows no pixels.

use super::Frame;
use super::person::Person;
use super::tooth::{Place, Tooth};
use crate::geometry::{PixelRect, Point};
use crate::grid::Grid;
use crate::phantom::xray::shape::{self, Hollow, Node};
use crate::phantom::xray::{Material, Patch, Paths, Rotation, Vec3};

/// What truth needs of one tooth or implant.
pub(super) struct Drawn {
    pub(super) number: u8,
    /// Chord of the whole, cm.
    pub(super) whole: Patch,
    /// Outline of the crown, fine pixels.
    pub(super) crown: Vec<Point>,
    /// Lesions by name.
    pub(super) lesions: Vec<(&'static str, Patch)>,
}

/// Crown outlines `(across, down)` in widths and crown heights: front, canine and cheek teeth.
const FRONT: [(f64, f64); 10] = [
    (-0.44, 0.06),
    (-0.2, 0.0),
    (0.2, 0.0),
    (0.44, 0.06),
    (0.5, 0.30),
    (0.45, 0.65),
    (0.36, 1.0),
    (-0.36, 1.0),
    (-0.45, 0.65),
    (-0.5, 0.30),
];
const CANINE: [(f64, f64); 9] = [
    (-0.36, 0.22),
    (0.0, 0.0),
    (0.36, 0.22),
    (0.5, 0.42),
    (0.44, 0.7),
    (0.36, 1.0),
    (-0.36, 1.0),
    (-0.44, 0.7),
    (-0.5, 0.42),
];
const CHEEK: [(f64, f64); 11] = [
    (-0.42, 0.16),
    (-0.25, 0.0),
    (0.0, 0.17),
    (0.25, 0.0),
    (0.42, 0.16),
    (0.5, 0.42),
    (0.46, 0.72),
    (0.41, 1.0),
    (-0.41, 1.0),
    (-0.46, 0.72),
    (-0.5, 0.42),
];

/// Puts all teeth into the paths.
pub(super) fn set(
    person: &Person,
    frame: &Frame,
    teeth: &[Tooth],
    paths: &mut Paths,
) -> Vec<Drawn> {
    teeth
        .iter()
        .filter(|tooth| tooth.state.place != Place::Missing)
        .map(|tooth| {
            if tooth.state.place == Place::Implant {
                screw(person, frame, tooth, paths)
            } else {
                natural(person, frame, tooth, paths)
            }
        })
        .collect()
}

fn node(person: &Person, tooth: &Tooth, s: f64, t: f64, radius: f64) -> Node {
    let (x, y) = tooth.point(s, t);
    Node::new(Frame::place(person, x, y), radius)
}

/// Middles across of the roots, and their width at the neck, in widths of the crown.
fn roots(tooth: &Tooth) -> &'static [(f64, f64)] {
    match (tooth.upper, tooth.rank()) {
        (_, 1..=3 | 5) | (false, 4) => &[(0.0, 0.34)],
        (true, 4) => &[(-0.12, 0.24), (0.12, 0.24)],
        (true, _) => &[(-0.25, 0.19), (0.25, 0.19), (0.0, 0.20)],
        (false, _) => &[(-0.23, 0.22), (0.23, 0.21)],
    }
}

/// Nodes of one root from the neck to its tip, wider by `more`, from `from` (0 neck, 1 tip).
fn root(person: &Person, tooth: &Tooth, which: (f64, f64), more: f64, from: f64) -> Vec<Node> {
    let w = tooth.width;
    let splay = if which.0 == 0.0 { 0.0 } else { 0.28 };
    (0..=5)
        .map(|i| from + (1.0 - from) * f64::from(i) / 5.0)
        .map(|t| {
            let s = which.0 * w * (1.0 + splay * (1.0 - (2.0 * t - 1.2).powi(2)));
            let r = which.1 * w * (1.0 - 0.72 * t.powf(1.6));
            node(
                person,
                tooth,
                s,
                0.93 * tooth.crown + t * tooth.root,
                r + more,
            )
        })
        .collect()
}

fn crown(person: &Person, frame: &Frame, tooth: &Tooth) -> (Hollow, Vec<Point>) {
    let shape_of: &[(f64, f64)] = match tooth.rank() {
        1 | 2 => &FRONT,
        3 => &CANINE,
        _ => &CHEEK,
    };
    let corners: Vec<Vec3> = shape_of
        .iter()
        .map(|(s, t)| {
            let (x, y) = tooth.point(s * tooth.width, t * tooth.crown);
            Vec3::new(x, y, 0.0)
        })
        .collect();
    let outline: Vec<Point> = shape::spline(&corners, true, 3)
        .iter()
        .map(|p| frame.pixel(person, p.x, p.y))
        .collect();
    let k = frame.px_per_mm();
    let distance = shape::outline_distance(frame.view.size(), &outline, 0.5 * tooth.width * k);
    let thick = match tooth.rank() {
        1..=3 => 5.0,
        4 | 5 => 7.5,
        _ => 8.5,
    };
    let plate = shape::plate(&distance, k, thick, 0.42 * tooth.width, 1.15);
    (plate, outline)
}

fn around(
    person: &Person,
    frame: &Frame,
    tooth: &Tooth,
    place: (f64, f64),
    half: (f64, f64),
) -> Patch {
    let (x, y) = tooth.point(place.0, place.1);
    shape::ellipsoid(
        &frame.view,
        Frame::place(person, x, y),
        Vec3::new(half.0, half.1, half.0),
        &Rotation::IDENTITY,
    )
}

/// The roots with the bed they stand in: gap and bright wall.
fn rooted(person: &Person, frame: &Frame, tooth: &Tooth, paths: &mut Paths) -> Patch {
    let nothing = || Patch::from_fn(PixelRect::default(), frame.view.size(), |_, _| 0.0);
    let (mut stem, mut socket, mut wall) = (nothing(), nothing(), nothing());
    // In the bone from the crest on.
    let from = ((0.07 * tooth.crown + person.crest) / tooth.root).clamp(0.0, 0.8);
    let lies = tooth.state.place == Place::Impacted;
    let from = if lies { 0.0 } else { from };
    for which in roots(tooth) {
        let inner = root(person, tooth, *which, 0.0, 0.0);
        stem = stem.union(&shape::tube(&frame.view, &inner, 0.0).outer, 0.1);
        let bed = root(person, tooth, *which, 0.95, from);
        let bed = shape::tube(&frame.view, &bed, 0.5);
        wall = wall.union(&bed.wall(), 0.0);
        socket = socket.union(&bed.inner, 0.0);
    }
    paths.add(Material::Cortical, &wall.without(&stem), 0.42);
    let gap = socket.without(&stem).scaled(0.9);
    paths.replace(Material::Cancellous, Material::Soft, &gap);
    // Roots are deeper than wide.
    let stem = stem.scaled(1.5);
    paths.add(Material::Cancellous, &stem, -0.35);
    stem
}

fn natural(person: &Person, frame: &Frame, tooth: &Tooth, paths: &mut Paths) -> Drawn {
    let (plate, outline) = crown(person, frame, tooth);
    let stem = rooted(person, frame, tooth, paths);
    let mut dentin = plate.inner.union(&stem, 0.1);
    let mut shell = plate.wall().scaled(0.42);
    let mut lesions = Vec::new();
    pulp(person, frame, tooth, &mut dentin, paths);
    if let Some(side) = tooth.state.caries {
        let half = (0.20 * tooth.width + 0.5, 0.17 * tooth.crown + 0.6);
        let place = (side * 0.42 * tooth.width, 0.55 * tooth.crown);
        let decay = around(person, frame, tooth, place, half);
        let eaten =
            |x: usize, y: usize| (decay.at(x as i64, y as i64) / 0.30).clamp(0.0, 1.0) * 0.85;
        dentin = dentin.mapped(|x, y, v| v * (1.0 - eaten(x, y)));
        shell = shell.mapped(|x, y, v| v * (1.0 - eaten(x, y)));
        lesions.push(("caries", decay));
    }
    paths.replace(Material::Soft, Material::Dentin, &dentin);
    paths.replace(Material::Soft, Material::Enamel, &shell);
    if let Some(share) = tooth.state.filling {
        let metal = if share > 1.0 {
            plate.outer.clone()
        } else {
            let half = (0.5 * share * tooth.width, 0.24 * tooth.crown);
            let place = (0.0, 0.28 * tooth.crown);
            around(person, frame, tooth, place, half).combined(&plate.outer, f32::min)
        };
        let sheet = metal
            .clone()
            .mapped(|_, _, v| if v > 0.0 { 0.05 } else { 0.0 });
        paths.add(Material::Lead, &sheet, 1.0);
        lesions.push(("filling", metal));
    }
    if let Some(radius) = tooth.state.apical {
        lesions.push((
            "apical_lesion",
            apical(person, frame, tooth, radius, &stem, paths),
        ));
    }
    let whole = plate.outer.union(&stem, 0.0);
    if tooth.state.place == Place::Impacted {
        lesions.push(("impacted", whole.clone()));
    }
    Drawn {
        number: tooth.number,
        whole,
        crown: outline,
        lesions,
    }
}

/// A dark round with a bright rim at the tip of the first root.
fn apical(
    person: &Person,
    frame: &Frame,
    tooth: &Tooth,
    radius: f64,
    stem: &Patch,
    paths: &mut Paths,
) -> Patch {
    let tip = 0.93 * tooth.crown + tooth.root + 0.35 * radius;
    let place = (roots(tooth)[0].0 * tooth.width, tip);
    let hole = around(person, frame, tooth, place, (radius, radius));
    let rim = around(person, frame, tooth, place, (radius + 0.7, radius + 0.7));
    let open = hole.without(stem);
    paths.add(Material::Cancellous, &open, -0.85);
    paths.add(Material::Soft, &open, 0.5);
    paths.add(Material::Cortical, &rim.without(&hole), 0.12);
    hole
}

/// Chamber and canals; filled canals are brighter than dentin.
fn pulp(person: &Person, frame: &Frame, tooth: &Tooth, dentin: &mut Patch, paths: &mut Paths) {
    let w = tooth.width;
    for which in roots(tooth) {
        let wide = (0.13 * w).min(1.1) * person.pulp;
        let nodes: Vec<Node> = root(person, tooth, *which, 0.0, 0.0)
            .into_iter()
            .enumerate()
            .map(|(i, n)| Node::new(n.at, (wide * (1.0 - 0.14 * i as f64)).max(0.15)))
            .collect();
        let canal = shape::tube(&frame.view, &nodes, 0.0).outer;
        if tooth.state.root_filled {
            paths.add(Material::Calcification, &canal, 1.6);
        } else {
            *dentin = dentin.without(&canal.scaled(1.3));
        }
    }
    let half = (
        0.22 * w * (0.6 + 0.4 * person.pulp),
        0.16 * tooth.crown * person.pulp,
    );
    let chamber = around(person, frame, tooth, (0.0, 0.72 * tooth.crown), half);
    *dentin = dentin.without(&chamber.scaled(0.6));
}

/// A titanium screw with its crown.
fn screw(person: &Person, frame: &Frame, tooth: &Tooth, paths: &mut Paths) -> Drawn {
    let (plate, outline) = crown(person, frame, tooth);
    let start = 0.95 * tooth.crown + 0.4 * person.crest;
    let length = 13.0;
    let nodes: Vec<Node> = (0..=24)
        .map(|i| {
            let t = f64::from(i) / 24.0;
            let thread = if i > 3 && i % 2 == 0 { 0.25 } else { 0.0 };
            node(
                person,
                tooth,
                0.0,
                start + t * length,
                2.2 - 0.4 * t + thread,
            )
        })
        .collect();
    let post = [
        node(person, tooth, 0.0, 0.5 * tooth.crown, 1.4),
        node(person, tooth, 0.0, start, 1.9),
    ];
    let metal = shape::tube(&frame.view, &nodes, 0.0)
        .outer
        .union(&shape::tube(&frame.view, &post, 0.0).outer, 0.0);
    paths.replace(Material::Soft, Material::Titanium, &metal);
    paths.replace(
        Material::Soft,
        Material::Enamel,
        &plate.outer.clone().scaled(0.55),
    );
    let whole = plate.outer.union(&metal, 0.0);
    Drawn {
        number: tooth.number,
        whole: whole.clone(),
        crown: outline,
        lesions: vec![("implant", whole)],
    }
}

/// Fine mask of each lesion, implant and filling; each has its own, so that each has its own box.
pub(super) fn marks(frame: &Frame, drawn: &[Drawn]) -> Vec<(String, Grid<u8>)> {
    let (w, h) = frame.view.size();
    drawn
        .iter()
        .flat_map(|one| &one.lesions)
        .map(|(name, patch)| {
            let limit = if *name == "apical_lesion" { 0.15 } else { 0.02 };
            let mask = Grid::from_fn(w, h, |x, y| u8::from(patch.at(x as i64, y as i64) > limit));
            ((*name).to_owned(), mask)
        })
        .collect()
}
