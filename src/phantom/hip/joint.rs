//! One hip joint as geometry: the cup, the head in it, the rim point and the Norberg angle, in closed form.
//!
//! The bright cranial line of the acetabulum is the silhouette of the cup's inner sphere; it ends where the rim plane
//! cuts it. Renderer and truth both use [`Joint::rim_point`], so neither can drift. Separate because it is the one part
//! that must be exact.

use crate::geometry::Point;
use crate::landmarks::{Hip, HipLandmarks, Side};
use crate::phantom::xray::{Rotation, Vec3, View};

/// A joint in the frame of the pelvis (origin midway between the cups, x to the patient's left, y caudal, z ventral).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Joint {
    /// +1 for the patient's left (viewer's right), -1 for the right.
    pub lateral: f64,
    /// Centre of the cup, mm.
    pub cup: Vec3,
    /// Radius of the cup, mm.
    pub cup_radius: f64,
    /// Depth: offset of the rim plane along the opening normal, mm; positive is deep.
    pub depth: f64,
    /// Direction of the opening from lateral toward cranial, degrees; negative opens caudally.
    pub azimuth: f64,
    /// Tilt of the opening toward the tube, degrees.
    pub ventral: f64,
    /// Radius of the femoral head, mm.
    pub head_radius: f64,
    /// Unit direction in which the head leaves the cup (lateral, cranial, dorsal mixed), frame of the pelvis.
    pub escape: Vec3,
    /// How far the head has left, mm.
    pub displacement: f64,
}

/// Where the pelvis lies in the beam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// Turns the frame of the pelvis into the world.
    pub world_from_pelvis: Rotation,
    /// Where the origin of the pelvis lies, mm.
    pub origin: Vec3,
}

impl Pose {
    /// A point of the pelvis in the world.
    pub fn place(&self, p: Vec3) -> Vec3 {
        self.origin + self.world_from_pelvis.apply(p)
    }
}

impl Joint {
    /// Centre of the head in the frame of the pelvis.
    pub fn head(&self) -> Vec3 {
        self.cup + self.escape * self.displacement
    }

    /// Unit opening normal in the frame of the pelvis.
    pub fn opening(&self) -> Vec3 {
        let (sa, ca) = self.azimuth.to_radians().sin_cos();
        let (se, ce) = self.ventral.to_radians().sin_cos();
        Vec3::new(self.lateral * ca * ce, -sa * ce, se)
    }

    /// The silhouette of the cup from the cranial rim through the medial wall to the caudal rim, world, `n + 1` points.
    ///
    /// `A = Ca + R (cos ψ u + sin ψ v)`, `cos ψ = h / (R |n⊥|)`; the first point is the rim point.
    pub fn silhouette(&self, pose: &Pose, view: &View, n: usize) -> Vec<Vec3> {
        let center = pose.place(self.cup);
        let beam = view.beam_at(center);
        let normal = pose.world_from_pelvis.apply(self.opening());
        let across = normal - beam * normal.dot(beam);
        let u = across.unit();
        let cranial = beam.cross(u);
        let v = if cranial.y <= 0.0 {
            cranial
        } else {
            cranial * -1.0
        };
        let cosine = self.depth / (self.cup_radius * across.length().max(1e-9));
        let start = cosine.clamp(-1.0, 1.0).acos();
        let sweep = std::f64::consts::TAU - 2.0 * start;
        (0..=n)
            .map(|i| {
                let (s, c) = (start + sweep * i as f64 / n.max(1) as f64).sin_cos();
                center + (u * c + v * s) * self.cup_radius
            })
            .collect()
    }

    /// The craniolateral rim point, world.
    pub fn rim_point(&self, pose: &Pose, view: &View) -> Vec3 {
        self.silhouette(pose, view, 0)[0]
    }

    /// The dorsal half of the rim (away from the tube) from cranial to caudal, world.
    pub fn dorsal_edge(&self, pose: &Pose, view: &View, n: usize) -> Vec<Vec3> {
        let center = pose.place(self.cup);
        let beam = view.beam_at(center);
        let normal = pose.world_from_pelvis.apply(self.opening()).unit();
        let ring = (self.cup_radius.powi(2) - self.depth.powi(2))
            .max(0.0)
            .sqrt();
        let middle = center + normal * self.depth;
        // Down along the rim plane, away from the tube.
        let dorsal = (normal * normal.dot(beam) - beam).unit();
        let start = self.rim_point(pose, view) - middle;
        let side = normal.cross(dorsal);
        let side = if start.dot(side) >= 0.0 {
            side
        } else {
            side * -1.0
        };
        let from = start.dot(side).atan2(start.dot(dorsal));
        (0..=n)
            .map(|i| {
                let angle = from * (1.0 - 2.0 * i as f64 / n.max(1) as f64);
                middle + (dorsal * angle.cos() + side * angle.sin()) * ring
            })
            .collect()
    }

    /// Head circle and rim point on the film.
    pub fn on_film(&self, pose: &Pose, view: &View) -> Hip {
        let head = view.project(pose.place(self.head()));
        Hip {
            center: head.point,
            radius: self.head_radius * head.px_per_mm,
            rim: view.project(self.rim_point(pose, view)).point,
        }
    }
}

/// Both joints on the film.
pub fn landmarks(joints: &[Joint; 2], pose: &Pose, view: &View) -> HipLandmarks {
    HipLandmarks {
        left: joints[0].on_film(pose, view),
        right: joints[1].on_film(pose, view),
        pixel_spacing_mm: None,
    }
}

/// The angle at one head centre between the other head and the rim point, degrees.
pub fn norberg(points: &HipLandmarks, side: Side) -> f64 {
    let hip = points.hip(side);
    let other = match side {
        Side::Left => points.right.center,
        Side::Right => points.left.center,
    };
    let a: Point = other - hip.center;
    let b = hip.rim - hip.center;
    a.cross(b).abs().atan2(a.dot(b)).to_degrees()
}

/// Moves both heads (and deepens the cups where moving cannot help) until the angles are `targets`, left first.
pub fn solve(joints: &mut [Joint; 2], targets: [f64; 2], pose: &Pose, view: &View) {
    for _ in 0..4 {
        for (index, side) in [Side::Left, Side::Right].into_iter().enumerate() {
            let reach = 2.6 * joints[index].head_radius;
            let mut angle = |set: &mut dyn FnMut(&mut Joint)| {
                set(&mut joints[index]);
                norberg(&landmarks(joints, pose, view), side) - targets[index]
            };
            if angle(&mut |j| j.displacement = 0.0) < 0.0 {
                // Even a centred head reads less: only a deeper cup helps.
                let limit = 0.75;
                let s = bisect(-0.3, limit, |t| -angle(&mut |j| j.depth = t * j.cup_radius));
                angle(&mut |j| j.depth = s * j.cup_radius);
                continue;
            }
            let steps = 52;
            let mut low = 0.0;
            let mut high = reach;
            for k in 1..=steps {
                let s = reach * f64::from(k) / f64::from(steps);
                if angle(&mut |j| j.displacement = s) < 0.0 {
                    high = s;
                    break;
                }
                low = s;
            }
            let s = bisect(low, high, |t| angle(&mut |j| j.displacement = t));
            angle(&mut |j| j.displacement = s);
        }
    }
}

/// Where a falling function crosses zero.
fn bisect(mut low: f64, mut high: f64, mut f: impl FnMut(f64) -> f64) -> f64 {
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if f(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}
