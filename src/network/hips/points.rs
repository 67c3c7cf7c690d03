//! Maps to points, radii and error ellipses; calibration of all three; intervals of anything computed from them.
//!
//! Separate from the network because it is plain arithmetic in f64. Honest limit: coverage holds for films like those
//! of the calibration set; calibrated on phantoms it says nothing about real ones.

use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

use super::{CELL, HipNetwork};
use crate::geometry::{Affine, Point};
use crate::landmarks::{Hip, HipLandmarks};
use crate::noise::Noise;

/// Names of the four points in the order of the maps.
pub const POINTS: [&str; 4] = ["left center", "left rim", "right center", "right rim"];

/// What the held-out set said about the network's own certainty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Divides the logits of each point's map.
    pub temperature: [f64; 4],
    /// Multiplies the standard deviations of each point.
    pub scale: [f64; 4],
    /// Mahalanobis radius that held 90 % of the held-out points.
    pub point_quantile: f64,
    /// Angle error over its sampled deviation that held 90 % of the held-out angles.
    pub angle_quantile: f64,
    /// The 5 % quantile of the highest probability of a map: below it a point is doubtful.
    pub least_peak: f64,
    /// Images it was measured on; 0 = not calibrated.
    pub images: usize,
    /// What they were: `phantoms`, `corrected films`.
    pub on: String,
}

impl Default for Calibration {
    fn default() -> Self {
        Self {
            temperature: [1.0; 4],
            scale: [1.0; 4],
            // √χ²(2; 0.9) and the normal quantile: what a perfectly calibrated network would give.
            point_quantile: 2.146,
            angle_quantile: 1.645,
            least_peak: 0.0,
            images: 0,
            on: String::new(),
        }
    }
}

/// A point with its error ellipse, pixels of the network's input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UncertainPoint {
    /// Mean of the map.
    pub at: Point,
    /// `[xx, xy, yy]` of the covariance, square pixels.
    pub covariance: [f64; 3],
    /// Highest probability of the map.
    pub peak: f64,
}

impl UncertainPoint {
    /// Root mean square deviation over both axes, pixels.
    pub fn sigma(&self) -> f64 {
        (0.5 * (self.covariance[0] + self.covariance[2]))
            .max(0.0)
            .sqrt()
    }

    /// Mahalanobis distance of a point.
    pub fn mahalanobis(&self, p: Point) -> f64 {
        let [xx, xy, yy] = self.covariance;
        let d = p - self.at;
        let determinant = (xx * yy - xy * xy).max(1e-12);
        let square = (yy * d.x * d.x - 2.0 * xy * d.x * d.y + xx * d.y * d.y) / determinant;
        square.max(0.0).sqrt()
    }

    /// One answer from several to the same question: their mean; their spread is added to the mean ellipse.
    pub fn joined(answers: &[Self]) -> Self {
        let share = 1.0 / answers.len().max(1) as f64;
        let sum = |number: &dyn Fn(&Self) -> f64| answers.iter().map(number).sum::<f64>() * share;
        let at = Point::new(sum(&|a| a.at.x), sum(&|a| a.at.y));
        let off = |a: &Self| a.at - at;
        Self {
            at,
            covariance: [
                sum(&|a| a.covariance[0] + off(a).x * off(a).x),
                sum(&|a| a.covariance[1] + off(a).x * off(a).y),
                sum(&|a| a.covariance[2] + off(a).y * off(a).y),
            ],
            peak: sum(&|a| a.peak),
        }
    }

    fn draw(&self, noise: &mut Noise) -> Point {
        let [xx, xy, yy] = self.covariance;
        let a = xx.max(1e-12).sqrt();
        let b = xy / a;
        let c = (yy - b * b).max(0.0).sqrt();
        let (u, v) = (noise.normal(), noise.normal());
        Point::new(self.at.x + a * u, self.at.y + b * u + c * v)
    }
}

/// What the network sees in one image, pixels of its input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HipPrediction {
    /// In the order of [`POINTS`].
    pub points: [UncertainPoint; 4],
    /// Radii of the left and right head.
    pub radii: [f64; 2],
    /// Their standard deviations.
    pub radius_sigmas: [f64; 2],
}

impl HipPrediction {
    /// The same in the pixels of an image, of which one of the input's is `image_from_input`: a scale and a shift.
    #[must_use]
    pub fn mapped(&self, image_from_input: &Affine) -> Self {
        let scale = image_from_input.scale();
        Self {
            points: self.points.map(|point| UncertainPoint {
                at: image_from_input.apply(point.at),
                covariance: point.covariance.map(|c| c * scale * scale),
                peak: point.peak,
            }),
            radii: self.radii.map(|r| r * scale),
            radius_sigmas: self.radius_sigmas.map(|s| s * scale),
        }
    }

    /// The points without their uncertainty.
    pub fn landmarks(&self) -> HipLandmarks {
        let hip = |i: usize| Hip {
            center: self.points[2 * i].at,
            radius: self.radii[i],
            rim: self.points[2 * i + 1].at,
        };
        HipLandmarks {
            left: hip(0),
            right: hip(1),
            pixel_spacing_mm: None,
        }
    }

    /// One possible truth: every point drawn from its ellipse.
    pub fn draw(&self, noise: &mut Noise) -> HipLandmarks {
        let mut landmarks = self.landmarks();
        landmarks.left.center = self.points[0].draw(noise);
        landmarks.left.rim = self.points[1].draw(noise);
        landmarks.right.center = self.points[2].draw(noise);
        landmarks.right.rim = self.points[3].draw(noise);
        landmarks
    }

    /// Mean and standard deviation of a number computed from the points, over 256 draws; `None` when fewer than half
    /// of the draws give one.
    pub fn spread(&self, number: impl Fn(&HipLandmarks) -> Option<f64>) -> Option<(f64, f64)> {
        let mut noise = Noise::new(0, 0x4855);
        let values: Vec<f64> = (0..256)
            .filter_map(|_| number(&self.draw(&mut noise)))
            .collect();
        if values.len() < 128 {
            return None;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        Some((mean, variance.sqrt()))
    }

    /// 90 % interval of an angle in degrees: the answer ± the calibrated multiple of its spread, at least ±0.5°.
    pub fn angle_interval(
        &self,
        calibration: &Calibration,
        angle: impl Fn(&HipLandmarks) -> Option<f64>,
    ) -> Option<[f64; 2]> {
        let answer = angle(&self.landmarks())?;
        let (_, deviation) = self.spread(angle)?;
        let half = (calibration.angle_quantile * deviation).max(0.5);
        Some([(answer - half).max(0.0), (answer + half).min(180.0)])
    }
}

/// The predictions in `maps [B,8,H,W]` (see [`HipNetwork::forward`]).
pub fn predictions(maps: &Tensor, calibration: &Calibration) -> Result<Vec<HipPrediction>> {
    let (batch, _, height, width) = maps.dims4()?;
    let values: Vec<f32> = maps.flatten_all()?.to_vec1()?;
    let cells = height * width;
    Ok((0..batch)
        .map(|b| {
            let map = |i: usize| &values[(b * super::MAPS + i) * cells..][..cells];
            let p: [Vec<f64>; 4] =
                std::array::from_fn(|k| softmax(map(k), calibration.temperature[k]));
            let read = |k: usize, m: usize| -> f64 {
                p[k].iter()
                    .zip(map(m))
                    .map(|(p, v)| p * f64::from(*v))
                    .sum()
            };
            HipPrediction {
                points: std::array::from_fn(|k| moments(&p[k], width, calibration.scale[k])),
                // Radii are in map cells and read where their head is.
                radii: [0, 1].map(|i| (read(2 * i, 4 + i).exp() * CELL as f64).max(0.5)),
                radius_sigmas: [0, 1]
                    .map(|i| (0.5 * read(2 * i, 6 + i)).clamp(-10.0, 10.0).exp() * CELL as f64),
            }
        })
        .collect())
}

fn softmax(logits: &[f32], temperature: f64) -> Vec<f64> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponential = |v: &f32| (f64::from(v - most) / temperature.max(1e-3)).exp();
    let mut p: Vec<f64> = logits.iter().map(exponential).collect();
    let sum: f64 = p.iter().sum();
    for value in &mut p {
        *value /= sum;
    }
    p
}

/// Mean and covariance of a map in pixels; the variance of a uniform cell (0.29²) is added.
fn moments(p: &[f64], width: usize, scale: f64) -> UncertainPoint {
    let cell = CELL as f64;
    let at = |i: usize| ((i % width) as f64, (i / width) as f64);
    let (mut x, mut y) = (0.0, 0.0);
    for (i, p) in p.iter().enumerate() {
        x += p * at(i).0;
        y += p * at(i).1;
    }
    let mut covariance = [0.29_f64.powi(2), 0.0, 0.29_f64.powi(2)];
    for (i, p) in p.iter().enumerate() {
        let (dx, dy) = (at(i).0 - x, at(i).1 - y);
        covariance[0] += p * dx * dx;
        covariance[1] += p * dx * dy;
        covariance[2] += p * dy * dy;
    }
    let half = (cell - 1.0) / 2.0;
    UncertainPoint {
        at: Point::new(x * cell + half, y * cell + half),
        covariance: covariance.map(|c| c * (cell * scale).powi(2)),
        peak: p.iter().copied().fold(0.0, f64::max),
    }
}

/// Reads one image `[1,1,H,W]` and its mirror image and joins both.
///
/// A mirrored film swaps the patient's sides. The spread of the two answers is added to the ellipses: a small share
/// of what the network does not know.
pub fn read(
    network: &HipNetwork,
    image: &Tensor,
    calibration: &Calibration,
) -> Result<HipPrediction> {
    joined_prediction(&both_maps(network, image)?, calibration)
}

/// The maps `[2,8,H/4,W/4]` of an image `[1,1,H,W]` and of its mirror image.
pub fn both_maps(network: &HipNetwork, image: &Tensor) -> Result<Tensor> {
    network.forward(&Tensor::cat(&[image, &mirrored(image)?], 0)?)
}

/// Joins what [`both_maps`] gave.
pub fn joined_prediction(maps: &Tensor, calibration: &Calibration) -> Result<HipPrediction> {
    let width = maps.dim(3)? * CELL;
    let answers = predictions(maps, calibration)?;
    let [plain, mirror] = answers.as_slice() else {
        return Err(candle_core::Error::Msg("one image at a time".to_owned()));
    };
    let unmirrored = |k: usize| {
        let point = mirror.points[(k + 2) % 4];
        UncertainPoint {
            at: Point::new((width - 1) as f64 - point.at.x, point.at.y),
            covariance: [
                point.covariance[0],
                -point.covariance[1],
                point.covariance[2],
            ],
            peak: point.peak,
        }
    };
    Ok(HipPrediction {
        points: std::array::from_fn(|k| UncertainPoint::joined(&[plain.points[k], unmirrored(k)])),
        radii: [0, 1].map(|i| 0.5 * (plain.radii[i] + mirror.radii[1 - i])),
        radius_sigmas: [0, 1].map(|i| 0.5 * (plain.radius_sigmas[i] + mirror.radius_sigmas[1 - i])),
    })
}

/// The image mirrored left to right.
pub fn mirrored(image: &Tensor) -> Result<Tensor> {
    let width = image.dim(3)? as u32;
    let columns: Vec<u32> = (0..width).rev().collect();
    let columns = Tensor::from_vec(columns, width as usize, image.device())?;
    image.contiguous()?.index_select(&columns, 3)
}
