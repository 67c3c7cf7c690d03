//! The points of a hip film: one circle and one rim point for each femoral head.
//!
//! Ground truth of a phantom, answer of a network, points dragged by hand and the `--landmarks` file
//! are this one type, so that no two of them can disagree about sides or units.
//! `left` and `right` are the patient's: on a ventrodorsal film the patient's left is on the viewer's right.

use serde::{Deserialize, Serialize};

use crate::geometry::{Affine, Point};

/// One hip: the femoral head as a circle, and the craniolateral point of the acetabular rim.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hip {
    /// Centre of the circle fitted to the femoral head, pixels.
    pub center: Point,
    /// Radius of that circle, pixels.
    pub radius: f64,
    /// Cranial effective acetabular rim, pixels.
    pub rim: Point,
}

/// Both hips of one film, in pixels of the image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HipLandmarks {
    /// The patient's left hip.
    pub left: Hip,
    /// The patient's right hip.
    pub right: Hip,
    /// Millimetres a pixel, `[row, column]`; absent when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixel_spacing_mm: Option<[f64; 2]>,
}

/// A side of the patient, never of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The patient's left.
    Left,
    /// The patient's right.
    Right,
}

/// The part of a hip that a hand can drag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HipPoint {
    /// Moves the head circle, rim point fixed.
    Center,
    /// Moves the acetabular rim point.
    Rim,
    /// Changes the radius: the circle passes through the dragged point.
    Edge,
}

impl HipLandmarks {
    /// The hip of one side.
    pub fn hip(&self, side: Side) -> &Hip {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }

    /// The hip of one side, for changing.
    pub fn hip_mut(&mut self, side: Side) -> &mut Hip {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }

    /// With one point moved to `to`; a circle's radius never falls below half a pixel.
    #[must_use]
    pub fn with_point(mut self, side: Side, point: HipPoint, to: Point) -> Self {
        let hip = self.hip_mut(side);
        match point {
            HipPoint::Center => hip.center = to,
            HipPoint::Rim => hip.rim = to,
            HipPoint::Edge => hip.radius = hip.center.distance(to).max(0.5),
        }
        self
    }

    /// The same points in another space of the same orientation; the spacing is dropped, as it no longer holds.
    #[must_use]
    pub fn mapped(&self, target_from_source: &Affine) -> Self {
        let map = |hip: &Hip| Hip {
            center: target_from_source.apply(hip.center),
            radius: hip.radius * target_from_source.scale(),
            rim: target_from_source.apply(hip.rim),
        };
        Self {
            left: map(&self.left),
            right: map(&self.right),
            pixel_spacing_mm: None,
        }
    }

    /// Whether every number is finite and every radius positive.
    pub fn is_valid(&self) -> bool {
        [&self.left, &self.right].iter().all(|hip| {
            hip.center.is_finite()
                && hip.rim.is_finite()
                && hip.radius.is_finite()
                && hip.radius > 0.0
        })
    }
}
