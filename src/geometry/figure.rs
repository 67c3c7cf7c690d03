//! Figures drawn to measure: lines, angles, circles and regions, and the numbers that follow from their points alone.
//!
//! Points are pixels of the image. A scale, `[row, column]`, is what one pixel counts down and across: millimetres where
//! they are known, `[1, 1]` where they are not. Angles and circles are computed after scaling, because a pixel that is not
//! square changes them.

use serde::{Deserialize, Serialize};

use super::Point;

/// More points than this are no outline of a hand.
pub const MOST_POINTS: usize = 65_536;
/// Coordinates beyond this are no place on an image, pixels.
const FAR: f64 = 1.0e7;
/// Lines steeper than this, degrees from horizontal, are not taken to be drawn from left to right.
const STEEP_DEGREES: f64 = 60.0;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FigureKind {
    /// Distance of two points.
    Length,
    /// Angle at the second of three points.
    Angle,
    /// Angle between the line of the first two points and that of the last two.
    Cobb,
    /// Circle through three points.
    Circle,
    /// Axis-parallel rectangle between two corners, with the values inside.
    Rectangle,
    /// Ellipse in the axis-parallel rectangle between two corners, with the values inside.
    Ellipse,
    /// Outline by hand, closed, with the values inside (even–odd).
    Freehand,
}

impl FigureKind {
    /// All of them, in the order of menus.
    pub const ALL: [Self; 7] = [
        Self::Length,
        Self::Angle,
        Self::Cobb,
        Self::Circle,
        Self::Rectangle,
        Self::Ellipse,
        Self::Freehand,
    ];

    /// What a person calls it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Length => "Length",
            Self::Angle => "Angle",
            Self::Cobb => "Cobb angle",
            Self::Circle => "Circle by three points",
            Self::Rectangle => "Region, rectangle",
            Self::Ellipse => "Region, ellipse",
            Self::Freehand => "Region, freehand",
        }
    }

    /// Points of a finished one; absent where the hand decides.
    pub const fn points(self) -> Option<usize> {
        match self {
            Self::Length | Self::Rectangle | Self::Ellipse => Some(2),
            Self::Angle | Self::Circle => Some(3),
            Self::Cobb => Some(4),
            Self::Freehand => None,
        }
    }

    /// Whether it encloses pixels whose values are measured.
    pub const fn is_region(self) -> bool {
        matches!(self, Self::Rectangle | Self::Ellipse | Self::Freehand)
    }
}

/// A figure drawn to measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What is measured.
    pub kind: FigureKind,
    /// Its points in the order they were set, image pixels.
    pub points: Vec<Point>,
}

impl Figure {
    /// Whether it has the points of its kind, each a usable number.
    pub fn is_valid(&self) -> bool {
        let count = self.points.len();
        let enough = self
            .kind
            .points()
            .map_or((3..=MOST_POINTS).contains(&count), |wanted| wanted == count);
        enough
            && self
                .points
                .iter()
                .all(|p| p.is_finite() && p.x.abs() <= FAR && p.y.abs() <= FAR)
    }

    /// The distance of a length; `None` for other kinds.
    pub fn length(&self, scale: [f64; 2]) -> Option<f64> {
        match (self.kind, self.points.as_slice()) {
            (FigureKind::Length, [a, b]) => finite(scaled(*b - *a, scale).length()),
            _ => None,
        }
    }

    /// What one pixel counts, `[row, column]`, where this length is `mm` long and a pixel `ratio` times as tall as wide.
    ///
    /// `None` for other kinds, for coinciding points and where the outcome is no usable number.
    pub fn calibration(&self, mm: f64, ratio: f64) -> Option<[f64; 2]> {
        let widths = self.length([ratio, 1.0]).filter(|widths| *widths > 0.0)?;
        let column = finite(mm / widths).filter(|column| *column > 0.0)?;
        Some([finite(column * ratio)?, column])
    }

    /// The angle of an angle or a Cobb angle, degrees, 0–180; `None` for other kinds or where points coincide.
    pub fn angle_degrees(&self, scale: [f64; 2]) -> Option<f64> {
        match (self.kind, self.points.as_slice()) {
            (FigureKind::Angle, [a, vertex, b]) => angle_degrees(*vertex, *a, *b, Some(scale)),
            (FigureKind::Cobb, [a, b, c, d]) => cobb_degrees([*a, *b], [*c, *d], scale),
            _ => None,
        }
    }

    /// Center in image pixels and radius in units of the scale; `None` for other kinds and for points on a line.
    pub fn circle(&self, scale: [f64; 2]) -> Option<(Point, f64)> {
        match (self.kind, self.points.as_slice()) {
            (FigureKind::Circle, [a, b, c]) => {
                let (center, radius) =
                    circle_through(scaled(*a, scale), scaled(*b, scale), scaled(*c, scale))?;
                let center = center.scaled(1.0 / scale[1], 1.0 / scale[0]);
                center.is_finite().then_some((center, radius))
            }
            _ => None,
        }
    }

    /// The area of a region or a circle in squared units of the scale; `None` for other kinds.
    ///
    /// Of an outline that crosses itself it is that of the shoelace formula.
    pub fn area(&self, scale: [f64; 2]) -> Option<f64> {
        let area = match (self.kind, self.points.as_slice()) {
            (FigureKind::Rectangle, [a, b]) => box_area(*a, *b, scale),
            (FigureKind::Ellipse, [a, b]) => box_area(*a, *b, scale) * std::f64::consts::FRAC_PI_4,
            (FigureKind::Freehand, points) if points.len() >= 3 => {
                let first = points[0];
                let next = points.iter().cycle().skip(1);
                // From the first point, so that outlines far from the origin lose no digits.
                let twice: f64 = points
                    .iter()
                    .zip(next)
                    .map(|(a, b)| (*a - first).cross(*b - first))
                    .sum();
                twice.abs() / 2.0 * scale[0] * scale[1]
            }
            (FigureKind::Circle, _) => {
                let (_, radius) = self.circle(scale)?;
                std::f64::consts::PI * radius * radius
            }
            _ => return None,
        };
        finite(area)
    }

    /// Lines that show it, image pixels; curves in `steps` parts.
    pub fn lines(&self, scale: [f64; 2], steps: usize) -> Vec<Vec<Point>> {
        let closed = |mut points: Vec<Point>| {
            points.extend(points.first().copied());
            vec![points]
        };
        let oval = |center: Point, across: f64, down: f64| {
            let step = std::f64::consts::TAU / steps.max(3) as f64;
            let at = |n| {
                let (sin, cos) = (step * n as f64).sin_cos();
                center + Point::new(across * cos, down * sin)
            };
            vec![(0..=steps.max(3)).map(at).collect()]
        };
        match (self.kind, self.points.as_slice()) {
            (FigureKind::Cobb, [a, b, rest @ ..]) => {
                let mut lines = vec![vec![*a, *b]];
                lines.extend((!rest.is_empty()).then(|| rest.to_vec()));
                lines
            }
            (FigureKind::Circle, _) => self.circle(scale).map_or_else(
                || vec![self.points.clone()],
                |(center, radius)| oval(center, radius / scale[1], radius / scale[0]),
            ),
            (FigureKind::Rectangle, [a, b]) => {
                closed(vec![*a, Point::new(b.x, a.y), *b, Point::new(a.x, b.y)])
            }
            (FigureKind::Ellipse, [a, b]) => {
                let half = (*b - *a) * 0.5;
                oval(*a + half, half.x.abs(), half.y.abs())
            }
            (FigureKind::Freehand, points) => closed(points.to_vec()),
            (_, points) => vec![points.to_vec()],
        }
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn scaled(point: Point, [row, column]: [f64; 2]) -> Point {
    point.scaled(column, row)
}

fn box_area(a: Point, b: Point, scale: [f64; 2]) -> f64 {
    let size = scaled(b - a, scale);
    (size.x * size.y).abs()
}

/// The angle at `vertex` between the directions to `a` and `b`, degrees, 0–180; `None` where points coincide.
///
/// `scale` is `[row, column]`; absent means square pixels.
pub fn angle_degrees(vertex: Point, a: Point, b: Point, scale: Option<[f64; 2]>) -> Option<f64> {
    let scale = scale.unwrap_or([1.0, 1.0]);
    between_degrees(scaled(a - vertex, scale), scaled(b - vertex, scale))
}

fn between_degrees(u: Point, v: Point) -> Option<f64> {
    if u.length() <= 0.0 || v.length() <= 0.0 {
        return None;
    }
    finite(u.cross(v).abs().atan2(u.dot(v)).to_degrees())
}

/// The angle between two lines as Cobb's method takes it (J. R. Cobb, Outline for the study of scoliosis, 1948).
///
/// Endplates run across the image: each line counts from left to right, however it was drawn, so that curves of more
/// than 90° keep their angle. Where a line is steeper than 60° that says nothing, and the acute angle is given.
fn cobb_degrees(first: [Point; 2], second: [Point; 2], scale: [f64; 2]) -> Option<f64> {
    let direction = |[a, b]: [Point; 2]| {
        let along = scaled(b - a, scale);
        if along.x < 0.0 { along * -1.0 } else { along }
    };
    let (u, v) = (direction(first), direction(second));
    let degrees = between_degrees(u, v)?;
    let steep = |d: Point| d.y.abs().atan2(d.x).to_degrees() > STEEP_DEGREES;
    Some(if steep(u) || steep(v) {
        degrees.min(180.0 - degrees)
    } else {
        degrees
    })
}

/// Center and radius of the circle through three points; `None` where they lie on a line.
fn circle_through(a: Point, b: Point, c: Point) -> Option<(Point, f64)> {
    // Seen from the first point, so that a small circle far from the origin loses no digits.
    let (u, v) = (b - a, c - a);
    let twice_area = 2.0 * u.cross(v);
    let longest = u.dot(u).max(v.dot(v)).max((v - u).dot(v - u));
    if twice_area.abs() <= longest * 1.0e-9 {
        return None;
    }
    let center = Point::new(
        (v.y * u.dot(u) - u.y * v.dot(v)) / twice_area,
        (u.x * v.dot(v) - v.x * u.dot(u)) / twice_area,
    );
    let radius = center.length();
    radius.is_finite().then_some((a + center, radius))
}
