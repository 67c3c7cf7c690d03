//! The mandibular canal: a dark tube with two bright lines from the middle of the ramus to the mental foramen.
//!
//! Lowest at the first molar, 6–9 mm above the border; the foramen lies below the premolars. Separate because it bears
//! a truth of its own: centreline and mask.

use super::bones::Bones;
use super::person::{Person, TALL};
use super::{Frame, stream};
use crate::geometry::Point;
use crate::phantom::xray::shape::{self, Node};
use crate::phantom::xray::{Material, Patch, Paths, Rotation, Vec3};

/// One canal.
pub(super) struct Canal {
    /// Chord of the tube, cm.
    pub(super) tube: Patch,
    /// Centreline from the ramus to the foramen, fine pixels.
    pub(super) line: Vec<Point>,
    /// The mental foramen, fine pixels.
    pub(super) foramen: Point,
}

/// Cuts one canal; `side` is −1 for the patient's right, 1 for the left.
pub(super) fn cut(
    seed: u64,
    person: &Person,
    frame: &Frame,
    side: f64,
    bones: &Bones,
    paths: &mut Paths,
) -> Canal {
    let mut chance = stream(seed, if side < 0.0 { 4 } else { 5 });
    let above = chance.range(6.0, 9.0) * TALL;
    let mental = chance.range(25.0, 30.0);
    let rise = (13.3 + chance.gauss(0.0, 1.6)) * TALL;
    let border = |x: f64| 118.0 - 0.0042 * x * x;
    // In a jaw without teeth the crest has sunk toward the canal, not the canal toward the border.
    let points = [
        (85.0, 50.0),
        (82.0, 62.0),
        (74.0, 76.0),
        (62.0, border(62.0) - above - 6.0),
        (50.0, border(50.0) - above - 0.8),
        (41.0, border(41.0) - above),
        (34.0, border(34.0) - 0.5 * (above + rise)),
        (mental, border(mental) - rise),
    ]
    .map(|(x, y)| {
        let (x, y) = person.jaw(side, x, y);
        Vec3::new(x + 0.5 * chance.normal(), y + 0.5 * chance.normal(), 0.0)
    });
    let path = shape::spline(&points, false, 8);
    let radius = chance.range(1.2, 1.75);
    let nodes: Vec<Node> = path
        .iter()
        .map(|p| Node::new(Frame::place(person, p.x, p.y), radius))
        .collect();
    let wide: Vec<Node> = nodes
        .iter()
        .map(|n| Node::new(n.at, n.radius + 0.45))
        .collect();
    let tube = shape::tube(&frame.view, &nodes, 0.0).outer;
    let inside =
        |patch: Patch| patch.mapped(|x, y, v| v.min(bones.mandible.at(x as i64, y as i64)));
    let wall = inside(shape::tube(&frame.view, &wide, 0.0).outer.without(&tube));
    let hollow = inside(tube.clone());
    let clear = chance.range(2.0, 3.5) as f32;
    paths.add(Material::Cancellous, &hollow, -clear);
    paths.add(Material::Soft, &hollow, clear);
    let lined = chance.range(1.0, 1.7) as f32;
    paths.add(Material::Cancellous, &wall, -lined);
    paths.add(Material::Cortical, &wall, lined);
    let end = points[points.len() - 1];
    let hole = shape::ellipsoid(
        &frame.view,
        Frame::place(person, end.x, end.y),
        Vec3::new(1.7, 1.9, 3.4),
        &Rotation::IDENTITY,
    );
    let hole = inside(hole);
    paths.add(Material::Cancellous, &hole, -0.8);
    paths.add(Material::Cortical, &hole, -0.3);
    paths.add(Material::Soft, &hole, 1.1);
    Canal {
        tube,
        line: path.iter().map(|p| frame.pixel(person, p.x, p.y)).collect(),
        foramen: frame.pixel(person, end.x, end.y),
    }
}
