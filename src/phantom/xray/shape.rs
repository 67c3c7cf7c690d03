//! Chords of simple solids: ellipsoids, swept tubes, plates from an outline.
//!
//! Everything is rasterised over its own box and returned as a [`Patch`] in centimetres; anatomy is sums, unions and
//! differences of these. A hollow bone is the outer chord in cortical bone less the inner one, which is cancellous.

use super::{Patch, Rotation, Vec3, View};
use crate::geometry::{PixelRect, Point};
use crate::grid::Grid;

/// A solid with a wall: the chord of the whole and of the inside of the wall.
#[derive(Clone, Debug)]
pub struct Hollow {
    /// Chord of the whole, cm.
    pub outer: Patch,
    /// Chord of what the wall encloses, cm.
    pub inner: Patch,
}

impl Hollow {
    /// The wall alone, cm.
    pub fn wall(&self) -> Patch {
        self.outer.without(&self.inner)
    }

    /// The union with a touching solid; no wall remains between the two.
    #[must_use]
    pub fn union(&self, other: &Self, smooth_cm: f32) -> Self {
        Self {
            outer: self.outer.union(&other.outer, smooth_cm),
            inner: self.inner.union(&other.inner, smooth_cm),
        }
    }

    /// Both chords scaled: a flatter or deeper cross-section.
    #[must_use]
    pub fn scaled(self, factor: f32) -> Self {
        Self {
            outer: self.outer.scaled(factor),
            inner: self.inner.scaled(factor),
        }
    }
}

/// Chord length in mm of a ray through an ellipsoid, from quadratic coefficients in the frame of the unit ball.
pub fn ellipsoid_chord_mm(
    center: Vec3,
    half_axes_mm: Vec3,
    world_from_body: &Rotation,
    origin: Vec3,
    direction: Vec3,
) -> f64 {
    let body = world_from_body.inverse();
    let squeeze = |v: Vec3| {
        Vec3::new(
            v.x / half_axes_mm.x,
            v.y / half_axes_mm.y,
            v.z / half_axes_mm.z,
        )
    };
    let o = squeeze(body.apply(origin - center));
    let d = squeeze(body.apply(direction));
    let (a, b, c) = (d.dot(d), o.dot(d), o.dot(o) - 1.0);
    let discriminant = b * b - a * c;
    if discriminant > 0.0 {
        2.0 * discriminant.sqrt() / a
    } else {
        0.0
    }
}

/// An ellipsoid seen by the cone beam, cm.
pub fn ellipsoid(
    view: &View,
    center: Vec3,
    half_axes_mm: Vec3,
    world_from_body: &Rotation,
) -> Patch {
    let body = world_from_body.inverse();
    let inverse_axes = Vec3::new(
        1.0 / half_axes_mm.x,
        1.0 / half_axes_mm.y,
        1.0 / half_axes_mm.z,
    );
    let squeeze = |v: Vec3| {
        let v = body.apply(v);
        Vec3::new(
            v.x * inverse_axes.x,
            v.y * inverse_axes.y,
            v.z * inverse_axes.z,
        )
    };
    let at = view.project(center);
    // Half extent along each film axis, with room for the obliquity of the rays.
    let extent = |axis: usize| {
        let r = &world_from_body.0[axis];
        let (x, y, z) = (
            r[0] * half_axes_mm.x,
            r[1] * half_axes_mm.y,
            r[2] * half_axes_mm.z,
        );
        (x * x + y * y + z * z).sqrt()
    };
    let oblique = (at.point - view.center_px).length() * view.mm_per_px / view.source_mm;
    let slack = extent(2) * (oblique + 0.1) * at.px_per_mm + 2.0;
    let (w, h) = (
        extent(0) * at.px_per_mm + slack,
        extent(1) * at.px_per_mm + slack,
    );
    let rect = bounds(
        Point::new(at.point.x - w, at.point.y - h),
        Point::new(at.point.x + w, at.point.y + h),
    );
    // The ball frame of the focal spot is the same for all rays: only the foot moves.
    let focus = squeeze(view.focus() - center);
    Patch::from_fn(rect, (view.width, view.height), |x, y| {
        let (foot, _) = view.ray(Point::new(x as f64, y as f64));
        let o = squeeze(foot - center);
        let d = focus - o;
        let (a, b, c) = (d.dot(d), o.dot(d), o.dot(o) - 1.0);
        let discriminant = b * b - a * c;
        if discriminant > 0.0 {
            let length = (view.focus() - foot).length();
            (2.0 * discriminant.sqrt() / a * length / 10.0) as f32
        } else {
            0.0
        }
    })
}

fn bounds(low: Point, high: Point) -> PixelRect {
    let clamp = |v: f64| v.clamp(-1e6, 1e6) as i64;
    let (x, y) = (clamp(low.x.floor()), clamp(low.y.floor()));
    PixelRect::new(
        x,
        y,
        (clamp(high.x.ceil()) - x + 1).max(0) as usize,
        (clamp(high.y.ceil()) - y + 1).max(0) as usize,
    )
}

/// A point on the axis of a tube.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Node {
    /// Place, mm.
    pub at: Vec3,
    /// Radius, mm.
    pub radius: f64,
}

impl Node {
    /// A node from its place and radius.
    pub const fn new(at: Vec3, radius: f64) -> Self {
        Self { at, radius }
    }
}

/// A tube of round section swept along nodes, with round ends and a wall of `wall_mm`.
///
/// At distance δ from the projected axis the chord is `2 √(r²-δ²) / sin θ`, θ between axis and beam, `1/sin θ` at most
/// 3; neighbouring segments do not add. Tubes thinner than a pixel are widened to it with the same mass.
pub fn tube(view: &View, nodes: &[Node], wall_mm: f64) -> Hollow {
    let projected: Vec<_> = nodes
        .iter()
        .map(|n| {
            let p = view.project(n.at);
            (p.point, n.radius * p.px_per_mm, p.px_per_mm)
        })
        .collect();
    let mut low = Point::new(f64::MAX, f64::MAX);
    let mut high = Point::new(f64::MIN, f64::MIN);
    for (p, r, _) in &projected {
        low = Point::new(low.x.min(p.x - r - 1.0), low.y.min(p.y - r - 1.0));
        high = Point::new(high.x.max(p.x + r + 1.0), high.y.max(p.y + r + 1.0));
    }
    let size = (view.width, view.height);
    let rect = if projected.is_empty() {
        PixelRect::default()
    } else {
        bounds(low, high)
    };
    let mut outer = Patch::from_fn(rect, size, |_, _| 0.0);
    let mut inner = outer.clone();
    let single = [(0, 0)];
    let pairs: Vec<(usize, usize)> = (1..nodes.len()).map(|i| (i - 1, i)).collect();
    let pairs: &[(usize, usize)] = if nodes.len() == 1 { &single } else { &pairs };
    for &(i, j) in pairs {
        let axis = nodes[j].at - nodes[i].at;
        let beam = view.beam_at(nodes[i].at);
        let along = axis.unit().dot(beam);
        let stretch = if i == j {
            1.0
        } else {
            1.0 / (1.0 - along * along).max(1.0 / 9.0).sqrt()
        };
        segment(
            &mut outer,
            &mut inner,
            projected[i],
            projected[j],
            wall_mm,
            stretch,
        );
    }
    Hollow { outer, inner }
}

type Knot = (Point, f64, f64);

fn segment(outer: &mut Patch, inner: &mut Patch, a: Knot, b: Knot, wall_mm: f64, stretch: f64) {
    let reach = a.1.max(b.1).max(0.7) + 1.0;
    let part = bounds(
        Point::new(a.0.x.min(b.0.x) - reach, a.0.y.min(b.0.y) - reach),
        Point::new(a.0.x.max(b.0.x) + reach, a.0.y.max(b.0.y) + reach),
    )
    .intersection(outer.rect);
    let axis = b.0 - a.0;
    let inverse_length = 1.0 / axis.dot(axis).max(1e-12);
    let px_per_mm = 0.5 * (a.2 + b.2);
    let cm_per_px = stretch / px_per_mm / 10.0;
    let wall_px = wall_mm * px_per_mm;
    let (x0, y0) = (outer.rect.x, outer.rect.y);
    for y in part.y..part.bottom() {
        let row = (y - y0) as usize;
        for x in part.x..part.right() {
            let p = Point::new(x as f64, y as f64) - a.0;
            let t = (p.dot(axis) * inverse_length).clamp(0.0, 1.0);
            let off = p - axis * t;
            let d2 = off.dot(off);
            let r = a.1 + (b.1 - a.1) * t;
            let wide = r.max(0.7);
            let rest = wide * wide - d2;
            if rest <= 0.0 {
                continue;
            }
            let column = (x - x0) as usize;
            let thin = (r / wide) * (r / wide);
            let chord = (2.0 * rest.sqrt() * thin * cm_per_px) as f32;
            let cell = &mut outer.values[(column, row)];
            *cell = cell.max(chord);
            let core = r - wall_px;
            let rest = core * core - d2;
            if core > 0.0 && rest > 0.0 {
                let cell = &mut inner.values[(column, row)];
                *cell = cell.max((2.0 * rest.sqrt() * cm_per_px) as f32);
            }
        }
    }
}

/// Signed distance to a closed outline in pixels: positive inside, exact up to `band_px`, constant beyond.
///
/// Outside the patch's box everything counts as outside (values there are 0, not negative).
pub fn outline_distance(size: (usize, usize), outline: &[Point], band_px: f64) -> Patch {
    let mut low = Point::new(f64::MAX, f64::MAX);
    let mut high = Point::new(f64::MIN, f64::MIN);
    for p in outline {
        low = Point::new(low.x.min(p.x), low.y.min(p.y));
        high = Point::new(high.x.max(p.x), high.y.max(p.y));
    }
    if outline.len() < 3 {
        return Patch::from_fn(PixelRect::default(), size, |_, _| 0.0);
    }
    let margin = Point::new(band_px + 1.0, band_px + 1.0);
    let mut squared = Patch::from_fn(bounds(low - margin, high + margin), size, |_, _| {
        (band_px * band_px) as f32
    });
    let rect = squared.rect;
    for (i, &a) in outline.iter().enumerate() {
        let b = outline[(i + 1) % outline.len()];
        near_edge(&mut squared, a, b, band_px);
    }
    let inside = filled(rect, outline);
    squared.mapped(|x, y, d2| {
        let d = d2.sqrt();
        let at = (x - rect.x.max(0) as usize, y - rect.y.max(0) as usize);
        if inside[at] { d } else { -d }
    })
}

fn near_edge(squared: &mut Patch, a: Point, b: Point, band: f64) {
    let part = bounds(
        Point::new(a.x.min(b.x) - band, a.y.min(b.y) - band),
        Point::new(a.x.max(b.x) + band, a.y.max(b.y) + band),
    )
    .intersection(squared.rect);
    let axis = b - a;
    let inverse = 1.0 / axis.dot(axis).max(1e-12);
    let rect = squared.rect;
    for y in part.y..part.bottom() {
        for x in part.x..part.right() {
            let p = Point::new(x as f64, y as f64) - a;
            let off = p - axis * (p.dot(axis) * inverse).clamp(0.0, 1.0);
            let cell = &mut squared.values[((x - rect.x) as usize, (y - rect.y) as usize)];
            *cell = cell.min(off.dot(off) as f32);
        }
    }
}

/// Which pixel centres of `rect` lie inside a closed outline (even-odd rule).
fn filled(rect: PixelRect, outline: &[Point]) -> Grid<bool> {
    let mut inside = Grid::filled(rect.width, rect.height, false);
    let mut crossings = Vec::new();
    for row in 0..rect.height {
        let y = (rect.y + row as i64) as f64;
        crossings.clear();
        for (i, a) in outline.iter().enumerate() {
            let b = outline[(i + 1) % outline.len()];
            if (a.y <= y) != (b.y <= y) {
                crossings.push(a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x) - rect.x as f64);
            }
        }
        crossings.sort_by(f64::total_cmp);
        for pair in crossings.chunks_exact(2) {
            let from = pair[0].ceil().clamp(0.0, rect.width as f64) as usize;
            let to = (pair[1].floor() + 1.0).clamp(0.0, rect.width as f64) as usize;
            if from < to {
                inside.row_mut(row)[from..to].fill(true);
            }
        }
    }
    inside
}

/// A plate from its distance field (pixels): `thickness_mm` deep, rounded over `edge_mm`, with a wall of `wall_mm`.
///
/// `t = T √(1 - (1 - min(d/edge, 1))²)`; the wall seen edge-on gives the bright rim of real bones.
pub fn plate(
    distance_px: &Patch,
    px_per_mm: f64,
    thickness_mm: f64,
    edge_mm: f64,
    wall_mm: f64,
) -> Hollow {
    let chord = |inset: f64| {
        let depth = (thickness_mm - 2.0 * inset).max(0.0) / 10.0;
        let edge = (edge_mm - inset).max(0.3) * px_per_mm;
        let inset_px = (inset * px_per_mm) as f32;
        distance_px.clone().mapped(|_, _, d| {
            let d = f64::from(d - inset_px);
            if d <= 0.0 {
                return 0.0;
            }
            let away = 1.0 - (d / edge).min(1.0);
            (depth * (1.0 - away * away).sqrt()) as f32
        })
    };
    Hollow {
        outer: chord(0.0),
        inner: chord(wall_mm),
    }
}

/// A smooth line through points (centripetal in spirit: uniform Catmull–Rom), `steps` pieces between neighbours.
pub fn spline(points: &[Vec3], closed: bool, steps: usize) -> Vec<Vec3> {
    let n = points.len();
    if n < 3 {
        return points.to_vec();
    }
    let at = |i: i64| {
        if closed {
            points[i.rem_euclid(n as i64) as usize]
        } else {
            points[i.clamp(0, n as i64 - 1) as usize]
        }
    };
    let pieces = if closed { n } else { n - 1 };
    let mut line = Vec::with_capacity(pieces * steps + 1);
    for i in 0..pieces as i64 {
        let (a, b, c, d) = (at(i - 1), at(i), at(i + 1), at(i + 2));
        for k in 0..steps {
            let t = k as f64 / steps as f64;
            let (t2, t3) = (t * t, t * t * t);
            line.push(
                (b * 2.0
                    + (c - a) * t
                    + (a * 2.0 - b * 5.0 + c * 4.0 - d) * t2
                    + (b * 3.0 - a - c * 3.0 + d) * t3)
                    * 0.5,
            );
        }
    }
    if !closed {
        line.push(points[n - 1]);
    }
    line
}
