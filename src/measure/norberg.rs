//! Norberg angles of both hips (FCI/BVA construction, ventrodorsal hip-extended view).
//!
//! The angle at the centre of one femoral head between the line to the other centre and the line to the cranial
//! effective acetabular rim. Computed in millimetres where the spacing is known, because an anisotropic pixel
//! changes an angle; invariant under rotation, reflection and uniform scale.

pub use crate::geometry::angle_degrees;

use crate::geometry::Point;
use crate::landmarks::{Hip, HipLandmarks, Side};

/// Norberg angle of one side in degrees, 0–180; `None` when points coincide or are not numbers.
///
/// `spacing_mm` is `[row, column]`, millimetres a pixel; absent means square pixels.
pub fn norberg_degrees(
    landmarks: &HipLandmarks,
    side: Side,
    spacing_mm: Option<[f64; 2]>,
) -> Option<f64> {
    let (hip, other) = match side {
        Side::Left => (&landmarks.left, &landmarks.right),
        Side::Right => (&landmarks.right, &landmarks.left),
    };
    angle_degrees(hip.center, other.center, hip.rim, spacing_mm)
}

/// What makes an angle doubtful, for a person; empty when nothing does.
///
/// A rim point caudal of the line through the centres gives the same inner angle as a cranial one, so it is named.
/// On a ventrodorsal film cranial is up.
pub fn doubts(landmarks: &HipLandmarks) -> Vec<String> {
    let mut doubts = Vec::new();
    let (left, right) = (&landmarks.left, &landmarks.right);
    if left.center.x <= right.center.x {
        doubts.push(
            "the patient's left hip lies on the viewer's left: sides swapped, or a mirrored film"
                .to_owned(),
        );
    }
    let baseline = right.center - left.center;
    for (name, hip) in [("left", left), ("right", right)] {
        doubts.extend(hip_doubts(name, hip, baseline));
    }
    let ratio = left.radius / right.radius;
    if !(0.8..=1.25).contains(&ratio) {
        doubts.push("the two femoral heads differ in size by more than a quarter".to_owned());
    }
    doubts
}

fn hip_doubts(name: &str, hip: &Hip, baseline: Point) -> Vec<String> {
    let mut doubts = Vec::new();
    let to_rim = hip.rim - hip.center;
    // Cranial is up (−y): the side of the baseline on which −y lies.
    let up = baseline.cross(Point::new(0.0, -1.0));
    if baseline.cross(to_rim) * up < 0.0 {
        doubts.push(format!(
            "the {name} rim point lies caudal of the line through the heads"
        ));
    }
    let reach = to_rim.length() / hip.radius;
    if reach < 0.8 {
        doubts.push(format!("the {name} rim point lies inside the femoral head"));
    } else if reach > 2.5 {
        doubts.push(format!(
            "the {name} rim point lies far from the femoral head"
        ));
    }
    doubts
}

/// Points of the British Veterinary Association's scheme for one Norberg angle: 0 (≥ 105°) to 6 (< 80°).
pub fn bva_points(degrees: f64) -> u8 {
    match degrees {
        d if d >= 105.0 => 0,
        d if d >= 100.0 => 1,
        d if d >= 95.0 => 2,
        d if d >= 90.0 => 3,
        d if d >= 85.0 => 4,
        d if d >= 80.0 => 5,
        _ => 6,
    }
}
