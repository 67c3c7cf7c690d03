//! A toy phantom that is drawn in a millisecond: two discs with a roof each, on a slope of grey.
//!
//! Separate from the real phantoms: it lets every lesson be tested, and a machine be timed, without their rendering.

use std::collections::BTreeMap;

use super::Facts;
use crate::geometry::Point;
use crate::grid::Grid;
use crate::landmarks::{Hip, HipLandmarks};
use crate::noise::Noise;

/// A toy image of the given size with its truth.
pub(super) fn draw(seed: u64, size: usize) -> (Grid<u8>, Facts) {
    let mut noise = Noise::new(seed, 0x5348);
    let side = size as f64;
    let bright = noise.chance(0.5);
    let tilt = noise.range(-0.2, 0.2);
    let head = |noise: &mut Noise, x: f64| {
        let center = Point::new(
            side * (x + noise.range(-0.04, 0.04)),
            side * noise.range(0.45, 0.6),
        );
        let radius = side * noise.range(0.07, 0.11);
        let angle = f64::to_radians(noise.range(80.0, 115.0));
        let outward = if x > 0.5 { 1.0 } else { -1.0 };
        let reach = radius * 1.25;
        let rim = Point::new(
            center.x - outward * reach * angle.cos(),
            center.y - reach * angle.sin(),
        );
        Hip {
            center,
            radius,
            rim,
        }
    };
    let landmarks = HipLandmarks {
        left: head(&mut noise, 0.7),
        right: head(&mut noise, 0.3),
        pixel_spacing_mm: None,
    };
    let hips = [landmarks.left, landmarks.right];
    let base = if bright { 0.45 } else { 0.3 };
    let image = Grid::from_fn(size, size, |x, y| {
        let at = Point::new(x as f64, y as f64);
        let mut grey = base + tilt * (at.x / side - 0.5);
        for hip in &hips {
            if at.distance(hip.center) < hip.radius {
                grey += 0.3;
            }
            if at.distance(hip.rim) < 0.02 * side {
                grey += 0.2;
            }
        }
        (grey.clamp(0.0, 1.0) * 255.0).round() as u8
    });
    let circle = |hip: &Hip| -> Vec<Point> {
        (0..24)
            .map(|i| {
                let angle = std::f64::consts::TAU * f64::from(i) / 24.0;
                hip.center + Point::new(angle.cos(), angle.sin()) * hip.radius
            })
            .collect()
    };
    let labels = BTreeMap::from([("bright".to_owned(), bright)]);
    let facts = Facts {
        kind: "shapes".to_owned(),
        age_years: Some(noise.range(0.0, 90.0)),
        sex: Some(noise.index(2)),
        findings: labels.into_iter().collect(),
        landmarks: Some(landmarks),
        outlines: hips.iter().map(|hip| (circle(hip), true)).collect(),
        places: Vec::new(),
        spacing_mm: None,
    };
    (image, facts)
}
