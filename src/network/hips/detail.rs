//! The second look: one hip at a time, enlarged, where the first look found it.
//!
//! Separate from the first look because its image space is another one: a square about one hip, mirrored for the
//! patient's right so that every hip looks like a left one. On a whole film at 256² the rim lies about ten pixels from
//! the centre and half a pixel is three degrees; enlarged four to five times, half a pixel is less than one.

use candle_core::{Error, Result, Tensor};
use serde::{Deserialize, Serialize};

use super::points::{Calibration, HipPrediction, UncertainPoint, predictions};
use crate::geometry::{Affine, Point};
use crate::landmarks::{HipLandmarks, Side};

/// The network of the second look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Channels at a quarter of the size, and at each halving of it.
    pub widths: [usize; 4],
    /// Sides of the squares each hip is seen in, as shares of the distance between the heads; their answers are
    /// joined.
    pub sides: Vec<f64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            widths: [32, 64, 96, 128],
            sides: vec![0.45, 0.6],
        }
    }
}

impl Config {
    /// The hourglass it is, the same as that of the first look.
    pub fn hourglass(&self) -> super::Config {
        super::Config {
            widths: self.widths,
        }
    }
}

/// How often each hip is looked at, every time where the last look found it: a hip in the middle is read best.
pub const ROUNDS: usize = 2;

/// One square that one hip is seen in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// The patient's side.
    pub side: Side,
    /// From the network's pixels to the image's; mirrors for the right hip.
    pub image_from_look: Affine,
}

/// Where to look for a hip: the middle between head and rim, and the side of a square of `share` times the distance
/// between the heads. Pixels of the image.
pub fn square(landmarks: &HipLandmarks, side: Side, share: f64) -> (Point, f64) {
    let hip = landmarks.hip(side);
    let heads = landmarks.left.center.distance(landmarks.right.center);
    ((hip.center + hip.rim) * 0.5, share * heads)
}

impl Look {
    /// The look of `size` pixels a side at a square about `center`.
    pub fn new(side: Side, center: Point, length: f64, size: usize) -> Self {
        let pixel = length / size as f64;
        let across = match side {
            Side::Left => pixel,
            Side::Right => -pixel,
        };
        let half = (size as f64 - 1.0) / 2.0;
        Self {
            side,
            image_from_look: Affine::scale_then_shift(
                Point::new(across, pixel),
                Point::new(center.x - across * half, center.y - pixel * half),
            ),
        }
    }

    fn moved(&self, point: &UncertainPoint) -> UncertainPoint {
        let [a, b, _, c, d, _] = self.image_from_look.coefficients;
        let [xx, xy, yy] = point.covariance;
        UncertainPoint {
            at: self.image_from_look.apply(point.at),
            covariance: [
                a * a * xx + 2.0 * a * b * xy + b * b * yy,
                a * c * xx + (a * d + b * c) * xy + b * d * yy,
                c * c * xx + 2.0 * c * d * xy + d * d * yy,
            ],
            peak: point.peak,
        }
    }
}

/// What the looks `maps [N,8,h,w]` say together, in pixels of the image; each hip must be in one at least.
///
/// Of the eight maps a look uses those of the left hip. The looks of a hip are joined like an image and its mirror
/// image: their spread is added to the ellipse.
pub fn joined(maps: &Tensor, looks: &[Look], calibration: &Calibration) -> Result<HipPrediction> {
    let read = predictions(maps, calibration)?;
    if read.len() != looks.len() {
        return Err(Error::Msg("maps and looks differ in number".to_owned()));
    }
    let mut points = Vec::with_capacity(4);
    let (mut radii, mut radius_sigmas) = ([0.0; 2], [0.0; 2]);
    for (i, side) in [Side::Left, Side::Right].into_iter().enumerate() {
        let mine: Vec<_> = looks
            .iter()
            .zip(&read)
            .filter(|(look, _)| look.side == side)
            .collect();
        if mine.is_empty() {
            return Err(Error::Msg("a hip was not looked at".to_owned()));
        }
        for k in 0..2 {
            let moved: Vec<UncertainPoint> = mine
                .iter()
                .map(|(look, read)| look.moved(&read.points[k]))
                .collect();
            points.push(UncertainPoint::joined(&moved));
        }
        let n = mine.len() as f64;
        for (look, read) in mine {
            let scale = look.image_from_look.scale();
            radii[i] += scale * read.radii[0] / n;
            radius_sigmas[i] += scale * read.radius_sigmas[0] / n;
        }
    }
    let points = points
        .try_into()
        .map_err(|_| Error::Msg("four points were expected".to_owned()))?;
    Ok(HipPrediction {
        points,
        radii,
        radius_sigmas,
    })
}
