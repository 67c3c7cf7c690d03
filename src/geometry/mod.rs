//! Points, rectangles and transforms in named spaces.
//!
//! Image space: pixels, x to the right and y down, pixel centres at integers. A transform is named
//! `a_from_b` and maps points of space `b` to space `a`.

pub mod figure;
mod region;

use serde::{Deserialize, Serialize};

pub use figure::{Figure, FigureKind, angle_degrees};
pub use region::Statistics;

/// A point or a vector in some space (pixels unless its name says otherwise); JSON `[x, y]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f64; 2]", into = "[f64; 2]")]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Down.
    pub y: f64,
}

impl From<[f64; 2]> for Point {
    fn from([x, y]: [f64; 2]) -> Self {
        Self { x, y }
    }
}

impl From<Point> for [f64; 2] {
    fn from(point: Point) -> Self {
        [point.x, point.y]
    }
}

impl Point {
    /// A point from its coordinates.
    pub const fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }

    /// Component-wise product: pixels times millimetres a pixel.
    #[must_use]
    pub fn scaled(self, x: f64, y: f64) -> Self {
        Self::new(self.x * x, self.y * y)
    }

    /// Distance to another point.
    pub fn distance(self, other: Self) -> f64 {
        (self - other).length()
    }

    /// Length as a vector.
    pub fn length(self) -> f64 {
        self.x.hypot(self.y)
    }

    /// Scalar product.
    pub fn dot(self, other: Self) -> f64 {
        self.x * other.x + self.y * other.y
    }

    /// z component of the vector product; positive when `other` is clockwise of `self` on the screen.
    pub fn cross(self, other: Self) -> f64 {
        self.x * other.y - self.y * other.x
    }

    /// Whether both coordinates are finite.
    pub fn is_finite(self) -> bool {
        self.x.is_finite() && self.y.is_finite()
    }
}

impl std::ops::Add for Point {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::new(self.x + other.x, self.y + other.y)
    }
}

impl std::ops::Sub for Point {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self::new(self.x - other.x, self.y - other.y)
    }
}

impl std::ops::Mul<f64> for Point {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self::new(self.x * factor, self.y * factor)
    }
}

/// A rectangle of whole pixels; may lie partly outside an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PixelRect {
    /// Leftmost column.
    pub x: i64,
    /// Topmost row.
    pub y: i64,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl PixelRect {
    /// A rectangle from its top left pixel and its size.
    pub const fn new(x: i64, y: i64, width: usize, height: usize) -> Self {
        Self {
            x,
            y,
            width,
            height,
        }
    }

    /// First column to the right of it.
    pub const fn right(self) -> i64 {
        self.x + self.width as i64
    }

    /// First row below it.
    pub const fn bottom(self) -> i64 {
        self.y + self.height as i64
    }

    /// Whether it holds no pixel.
    pub const fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Whether the pixel lies in it.
    pub const fn contains(self, x: i64, y: i64) -> bool {
        x >= self.x && x < self.right() && y >= self.y && y < self.bottom()
    }

    /// The pixels in both; empty when there are none.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let (right, bottom) = (
            self.right().min(other.right()),
            self.bottom().min(other.bottom()),
        );
        if right <= x || bottom <= y {
            return Self::new(x, y, 0, 0);
        }
        Self::new(x, y, (right - x) as usize, (bottom - y) as usize)
    }

    /// The smallest rectangle that holds both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let (right, bottom) = (
            self.right().max(other.right()),
            self.bottom().max(other.bottom()),
        );
        Self::new(x, y, (right - x) as usize, (bottom - y) as usize)
    }

    /// Grown by `margin` pixels on every side.
    #[must_use]
    pub fn grown(self, margin: i64) -> Self {
        let width = (self.width as i64 + 2 * margin).max(0) as usize;
        let height = (self.height as i64 + 2 * margin).max(0) as usize;
        Self::new(self.x - margin, self.y - margin, width, height)
    }
}

/// A plane affine map `p ↦ (a·x + b·y + c, d·x + e·y + f)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Affine {
    /// `[a, b, c, d, e, f]`.
    pub coefficients: [f64; 6],
}

impl Affine {
    /// The map that changes nothing.
    pub const IDENTITY: Self = Self {
        coefficients: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
    };

    /// Scale about the origin, then shift.
    pub const fn scale_then_shift(scale: Point, shift: Point) -> Self {
        Self {
            coefficients: [scale.x, 0.0, shift.x, 0.0, scale.y, shift.y],
        }
    }

    /// Rotation by `radians` about `center` (positive turns x towards y, clockwise on the screen).
    pub fn rotation(radians: f64, center: Point) -> Self {
        let (sin, cos) = radians.sin_cos();
        Self {
            coefficients: [
                cos,
                -sin,
                center.x - cos * center.x + sin * center.y,
                sin,
                cos,
                center.y - sin * center.x - cos * center.y,
            ],
        }
    }

    /// The image of a point.
    pub fn apply(&self, p: Point) -> Point {
        let [a, b, c, d, e, f] = self.coefficients;
        Point::new(a * p.x + b * p.y + c, d * p.x + e * p.y + f)
    }

    /// First `first`, then `self`.
    #[must_use]
    pub fn after(&self, first: &Self) -> Self {
        let [a, b, c, d, e, f] = self.coefficients;
        let [g, h, i, j, k, l] = first.coefficients;
        Self {
            coefficients: [
                a * g + b * j,
                a * h + b * k,
                a * i + b * l + c,
                d * g + e * j,
                d * h + e * k,
                d * i + e * l + f,
            ],
        }
    }

    /// The inverse map; `None` when the map is singular.
    pub fn inverse(&self) -> Option<Self> {
        let [a, b, c, d, e, f] = self.coefficients;
        let determinant = a * e - b * d;
        if !determinant.is_finite() || determinant.abs() < 1e-300 {
            return None;
        }
        let (p, q, r, s) = (
            e / determinant,
            -b / determinant,
            -d / determinant,
            a / determinant,
        );
        Some(Self {
            coefficients: [p, q, -(p * c + q * f), r, s, -(r * c + s * f)],
        })
    }

    /// The box, least and largest corner, about a box in the target.
    pub fn bounds_of(&self, [low, high]: [Point; 2]) -> [Point; 2] {
        let corners = [
            low,
            Point::new(high.x, low.y),
            high,
            Point::new(low.x, high.y),
        ];
        let [first, rest @ ..] = corners.map(|corner| self.apply(corner));
        rest.iter().fold([first; 2], |[low, high], p| {
            [
                Point::new(low.x.min(p.x), low.y.min(p.y)),
                Point::new(high.x.max(p.x), high.y.max(p.y)),
            ]
        })
    }

    /// How many units of the target one unit of the source becomes: `√|det|`.
    pub fn scale(&self) -> f64 {
        let [a, b, _, d, e, _] = self.coefficients;
        (a * e - b * d).abs().sqrt()
    }
}
