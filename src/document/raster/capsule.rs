//! Strokes: between two samples the convex hull of their discs, row by row.
//!
//! Every row of a hull is one run, found in closed form, so a wide brush costs its rows and not its pixels.

use super::{Dab, Target, segments};
use crate::document::StrokePoint;
use crate::geometry::Point;

/// Draws a stroke with round ends; samples of pressure 0 leave nothing.
///
/// Aliased lines are at least one pixel wide, so that a thin one has no gaps; smooth ones fade instead.
pub(super) fn stroke(target: &mut Target<'_>, points: &[StrokePoint], width: f64, smooth: bool) {
    segments(points, width, |a, b| {
        if smooth {
            smooth_hull(target, a, b);
        } else {
            aliased_hull(target, a, b);
        }
    });
}

fn aliased_hull(target: &mut Target<'_>, a: Dab, b: Dab) {
    let hull = Hull::new(a.wide(), b.wide());
    let (top, bottom) = hull.rows();
    for y in target.rows(top, bottom) {
        if let Some((low, high)) = hull.run(y as f64) {
            let columns = target.columns(low, high);
            target.fill(y, columns);
        }
    }
    for disc in [a, b] {
        // A dot between four pixels would vanish: the pixel that holds the sample is always covered.
        if disc.reach > 0.0 {
            let (x, y) = (disc.at.x.round(), disc.at.y.round());
            for row in target.rows(y, y) {
                let columns = target.columns(x, x);
                target.fill(row, columns);
            }
        }
    }
}

fn smooth_hull(target: &mut Target<'_>, a: Dab, b: Dab) {
    let grown = |d: Dab, by: f64| Dab {
        at: d.at,
        reach: (d.reach + by).max(0.0),
    };
    let outer = Hull::new(grown(a, 0.5), grown(b, 0.5));
    // Only where both radii leave a core is the shrunken hull the set of full coverage.
    let inner =
        (a.reach >= 0.5 && b.reach >= 0.5).then(|| Hull::new(grown(a, -0.5), grown(b, -0.5)));
    let distance = Distance::new(a, b);
    let (top, bottom) = outer.rows();
    for y in target.rows(top, bottom) {
        let Some((low, high)) = outer.run(y as f64) else {
            continue;
        };
        let all = target.columns(low, high);
        let core = inner.as_ref().and_then(|hull| hull.run(y as f64)).map_or(
            all.start..all.start,
            |(low, high)| {
                let core = target.columns(low, high);
                core.start.clamp(all.start, all.end)..core.end.clamp(all.start, all.end)
            },
        );
        if !core.is_empty() {
            target.fill(y, core.clone());
        }
        for x in (all.start..core.start).chain(core.end.max(all.start)..all.end) {
            if target.is_full(x, y) {
                continue;
            }
            let coverage = distance.coverage(Point::new(x as f64, y as f64));
            target.cover(x, y, (coverage * 255.0).round() as u8);
        }
    }
}

/// The convex hull of two discs: the discs and the two outer tangents.
struct Hull {
    discs: [Dab; 2],
    tangents: Option<[[Point; 2]; 2]>,
}

impl Hull {
    fn new(a: Dab, b: Dab) -> Self {
        let along = b.at - a.at;
        let length = along.length();
        let tangents = (length > (a.reach - b.reach).abs()).then(|| {
            let unit = along * (1.0 / length);
            let across = Point::new(-unit.y, unit.x);
            // The normal n of an outer tangent: n·(b − a) = r_a − r_b.
            let cos = (a.reach - b.reach) / length;
            let sin = (1.0 - cos * cos).max(0.0).sqrt();
            [1.0, -1.0].map(|sign| {
                let normal = unit * cos + across * (sin * sign);
                [a.at + normal * a.reach, b.at + normal * b.reach]
            })
        });
        Self {
            discs: [a, b],
            tangents,
        }
    }

    /// Lowest and highest y.
    fn rows(&self) -> (f64, f64) {
        let [a, b] = self.discs;
        (
            (a.at.y - a.reach).min(b.at.y - b.reach),
            (a.at.y + a.reach).max(b.at.y + b.reach),
        )
    }

    /// The run of x at height `y`: hulls are convex, so there is at most one.
    fn run(&self, y: f64) -> Option<(f64, f64)> {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        let mut widen = |a: f64, b: f64| {
            low = low.min(a);
            high = high.max(b);
        };
        for disc in self.discs {
            let dy = y - disc.at.y;
            if dy.abs() <= disc.reach {
                let half = ((disc.reach - dy) * (disc.reach + dy)).max(0.0).sqrt();
                widen(disc.at.x - half, disc.at.x + half);
            }
        }
        for [p, q] in self.tangents.iter().flatten() {
            if y >= p.y.min(q.y) && y <= p.y.max(q.y) && p.y != q.y {
                let x = p.x + (q.x - p.x) * ((y - p.y) / (q.y - p.y));
                widen(x, x);
            }
        }
        (low <= high).then_some((low, high))
    }
}

/// Distance to the hull of two discs, negative inside.
struct Distance {
    discs: [Dab; 2],
    unit: Point,
    length: f64,
    /// `k / √(1 − k²)` with `k = (r_a − r_b) / length`; `None` when one disc holds the other.
    lean: Option<f64>,
}

impl Distance {
    fn new(a: Dab, b: Dab) -> Self {
        let along = b.at - a.at;
        let length = along.length();
        let slope = (a.reach - b.reach) / length;
        let lean = (slope.abs() < 1.0).then(|| slope / (1.0 - slope * slope).sqrt());
        Self {
            discs: [a, b],
            unit: along * (1.0 / length),
            length,
            lean,
        }
    }

    /// 0–1: how much of a pixel of size 1 lies inside, by the distance of its center to the edge.
    fn coverage(&self, p: Point) -> f64 {
        let [a, b] = self.discs;
        let (at, radius) = match self.lean {
            None if a.reach >= b.reach => (a.at, a.reach),
            None => (b.at, b.reach),
            Some(lean) => {
                let offset = p - a.at;
                let height = self.unit.cross(offset).abs();
                // The disc on the way from a to b whose edge is nearest.
                let t = ((self.unit.dot(offset) - height * lean) / self.length).clamp(0.0, 1.0);
                (a.at + (b.at - a.at) * t, a.reach + (b.reach - a.reach) * t)
            }
        };
        let inside = radius - p.distance(at) + 0.5;
        inside.min(2.0 * radius).clamp(0.0, 1.0)
    }
}
