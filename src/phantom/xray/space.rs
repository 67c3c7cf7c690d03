//! Vectors, rotations and the cone beam: where a point of the body falls on the film.
//!
//! Separate so that renderer and ground truth project through the same function and cannot disagree.

use crate::geometry::Point;

/// A point or vector in millimetres: x to the right, y down the film, z toward the tube.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Vec3 {
    /// To the right of the film.
    pub x: f64,
    /// Down the film.
    pub y: f64,
    /// From the detector toward the tube.
    pub z: f64,
}

impl Vec3 {
    /// A vector from its components.
    pub const fn new(x: f64, y: f64, z: f64) -> Self {
        Self { x, y, z }
    }

    /// Scalar product.
    pub fn dot(self, other: Self) -> f64 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    /// Vector product.
    #[must_use]
    pub fn cross(self, o: Self) -> Self {
        Self::new(
            self.y * o.z - self.z * o.y,
            self.z * o.x - self.x * o.z,
            self.x * o.y - self.y * o.x,
        )
    }

    /// Length.
    pub fn length(self) -> f64 {
        self.dot(self).sqrt()
    }

    /// Of length 1; the zero vector stays zero.
    #[must_use]
    pub fn unit(self) -> Self {
        let length = self.length();
        if length > 0.0 {
            self * (1.0 / length)
        } else {
            self
        }
    }

    /// The point at `t` of the way to `other`.
    #[must_use]
    pub fn lerp(self, other: Self, t: f64) -> Self {
        self * (1.0 - t) + other * t
    }
}

impl std::ops::Add for Vec3 {
    type Output = Self;

    fn add(self, o: Self) -> Self {
        Self::new(self.x + o.x, self.y + o.y, self.z + o.z)
    }
}

impl std::ops::Sub for Vec3 {
    type Output = Self;

    fn sub(self, o: Self) -> Self {
        Self::new(self.x - o.x, self.y - o.y, self.z - o.z)
    }
}

impl std::ops::Mul<f64> for Vec3 {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self::new(self.x * factor, self.y * factor, self.z * factor)
    }
}

/// A rotation as its matrix, rows first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotation(pub [[f64; 3]; 3]);

impl Rotation {
    /// No rotation.
    pub const IDENTITY: Self = Self([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);

    /// About axis 0 (x), 1 (y) or 2 (z), degrees, right-handed in the world frame.
    pub fn about(axis: usize, degrees: f64) -> Self {
        let (s, c) = degrees.to_radians().sin_cos();
        Self(match axis {
            0 => [[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]],
            1 => [[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]],
            _ => [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]],
        })
    }

    /// The rotated vector.
    pub fn apply(&self, v: Vec3) -> Vec3 {
        let row = |r: &[f64; 3]| r[0] * v.x + r[1] * v.y + r[2] * v.z;
        Vec3::new(row(&self.0[0]), row(&self.0[1]), row(&self.0[2]))
    }

    /// First `other`, then `self`.
    #[must_use]
    pub fn after(&self, other: &Self) -> Self {
        let (a, b) = (&self.0, &other.0);
        Self(std::array::from_fn(|i| {
            std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum())
        }))
    }

    /// The inverse.
    #[must_use]
    pub fn inverse(&self) -> Self {
        Self(std::array::from_fn(|i| {
            std::array::from_fn(|j| self.0[j][i])
        }))
    }
}

/// A projected point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Projected {
    /// Place on the film, pixels.
    pub point: Point,
    /// Pixels a millimetre at the depth of the point: magnification over pixel size.
    pub px_per_mm: f64,
}

/// A cone beam onto a flat detector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Pixel pitch on the detector, mm.
    pub mm_per_px: f64,
    /// The pixel onto which the world point (0, 0, 0) falls.
    pub center_px: Point,
    /// Foot of the central ray on the detector, mm.
    pub focus_mm: Point,
    /// Source–image distance, mm.
    pub source_mm: f64,
}

impl View {
    /// `(width, height)`.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Where a world point falls.
    pub fn project(&self, p: Vec3) -> Projected {
        let magnification = self.source_mm / (self.source_mm - p.z).max(1.0);
        let px_per_mm = magnification / self.mm_per_px;
        let on_detector = |f: f64, v: f64| (f + (v - f) * magnification) / self.mm_per_px;
        Projected {
            point: Point::new(
                self.center_px.x + on_detector(self.focus_mm.x, p.x),
                self.center_px.y + on_detector(self.focus_mm.y, p.y),
            ),
            px_per_mm,
        }
    }

    /// Foot on the detector of the ray through a pixel, and its unit direction toward the focal spot.
    pub fn ray(&self, px: Point) -> (Vec3, Vec3) {
        let foot = Vec3::new(
            (px.x - self.center_px.x) * self.mm_per_px,
            (px.y - self.center_px.y) * self.mm_per_px,
            0.0,
        );
        (foot, (self.focus() - foot).unit())
    }

    /// The focal spot.
    pub fn focus(&self) -> Vec3 {
        Vec3::new(self.focus_mm.x, self.focus_mm.y, self.source_mm)
    }

    /// Unit direction from a point toward the focal spot.
    pub fn beam_at(&self, p: Vec3) -> Vec3 {
        (self.focus() - p).unit()
    }

    /// The same beam sampled `factor` times finer; pixel centres stay aligned with area averaging.
    #[must_use]
    pub fn finer(&self, factor: usize) -> Self {
        let f = factor as f64;
        Self {
            width: self.width * factor,
            height: self.height * factor,
            mm_per_px: self.mm_per_px / f,
            center_px: Point::new(
                (self.center_px.x + 0.5) * f - 0.5,
                (self.center_px.y + 0.5) * f - 0.5,
            ),
            ..*self
        }
    }
}
