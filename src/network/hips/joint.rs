//! One hip drawn again, larger: where it is drawn, what is left open, and how a right hip becomes a left one.
//!
//! On a whole film at 256 pixels a side a femoral head is a cell and a half of the latent wide, too little for an edge
//! that can be measured. Drawn again in a square three times as fine it is four cells. Separate from the second look
//! ([`super::detail`]), which reads such squares: here they are painted, and lesson and synthesis must agree on them.

use super::detail;
use crate::geometry::{Affine, Point};
use crate::grid::Grid;
use crate::landmarks::{HipLandmarks, Side};

/// Side of the square, as a share of the distance between the heads, where the hip is in its place.
const SHARE: f64 = 0.62;
/// Radius of what is drawn anew in the middle of the square, as a share of its side; the rest tells what is around.
const OPEN: f64 = 0.36;

/// Where a hip is drawn: the middle between head and rim, and the side of the square; pixels of the image.
///
/// A head far out of its socket gets a larger square: head and rim lie within what is drawn anew.
pub fn square(landmarks: &HipLandmarks, side: Side) -> (Point, f64) {
    let (center, usual) = detail::square(landmarks, side, SHARE);
    let hip = landmarks.hip(side);
    let half = 0.5 * hip.center.distance(hip.rim) + 1.2 * hip.radius;
    (center, usual.max(half / OPEN))
}

/// 255 in the disc that is drawn anew, for a square of `size` pixels a side.
pub fn opening(size: usize) -> Grid<u8> {
    let middle = (size as f64 - 1.0) / 2.0;
    let middle = Point::new(middle, middle);
    Grid::from_fn(size, size, |x, y| {
        let inside = Point::new(x as f64, y as f64).distance(middle) <= OPEN * size as f64;
        if inside { 255 } else { 0 }
    })
}

/// The points in the pixels of a square about the hip of `side`, which is the left one there: the square of a right hip
/// is a mirror image.
pub fn as_left(landmarks: &HipLandmarks, side: Side, square_from_image: &Affine) -> HipLandmarks {
    let mut points = landmarks.mapped(square_from_image);
    if side == Side::Right {
        std::mem::swap(&mut points.left, &mut points.right);
    }
    points
}

/// The name of a finding there: what belongs to a side changes sides in a mirror image.
pub fn finding_as_left(name: &str, side: Side) -> String {
    if side == Side::Left {
        return name.to_owned();
    }
    match (name.strip_suffix("_left"), name.strip_suffix("_right")) {
        (Some(stem), _) => format!("{stem}_right"),
        (_, Some(stem)) => format!("{stem}_left"),
        _ => name.to_owned(),
    }
}
