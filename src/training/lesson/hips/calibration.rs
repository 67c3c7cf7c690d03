//! How far the hips network's own certainty can be trusted, from images it never trained on.
//!
//! Separate from its lesson because the same steps recalibrate it on films that a person corrected: a temperature for
//! each map, a scale for each ellipse, then split conformal quantiles, which hold whatever the first two got wrong.

use candle_core::{Result, Tensor};

use crate::geometry::Point;
use crate::landmarks::{HipLandmarks, Side};
use crate::measure::norberg::norberg_degrees;
use crate::network::folder::Card;
use crate::network::hips::CELL;
use crate::network::hips::points::{Calibration, HipPrediction};

/// One image that the network never trained on, and what its maps say of it.
pub(super) trait HeldOut {
    /// Where the points are, in the pixels of [`HeldOut::prediction`].
    fn truth(&self) -> &HipLandmarks;

    /// The answer under a calibration.
    fn prediction(&self, calibration: &Calibration) -> Result<HipPrediction>;

    /// Maps of one point (0–3), each `[h,w]` in logits, with the truth in pixels of the network's input.
    fn maps(&self, point: usize) -> Result<Vec<(Tensor, Point)>>;
}

/// The four points in the order of the maps.
pub(super) fn truth(landmarks: &HipLandmarks) -> [Point; 4] {
    let (left, right) = (landmarks.left, landmarks.right);
    [left.center, left.rim, right.center, right.rim]
}

/// Calibrates on images held out, and writes calibration and figures into the card.
pub(super) fn calibrate(held_out: &[impl HeldOut], card: &mut Card) -> Result<()> {
    if held_out.is_empty() {
        return Ok(());
    }
    let mut calibration = Calibration {
        images: held_out.len(),
        on: "phantoms".to_owned(),
        ..Calibration::default()
    };
    calibration.temperature = temperatures(held_out)?;
    let read = |calibration: &Calibration| -> Result<Vec<(HipPrediction, HipLandmarks)>> {
        held_out
            .iter()
            .map(|held| Ok((held.prediction(calibration)?, *held.truth())))
            .collect()
    };
    let first = read(&calibration)?;
    for k in 0..4 {
        let squares = first
            .iter()
            .map(|(p, landmarks)| p.points[k].mahalanobis(truth(landmarks)[k]).powi(2));
        let mean = squares.sum::<f64>() / first.len() as f64;
        // Two degrees of freedom: the mean of a calibrated square distance is 2.
        calibration.scale[k] = (mean / 2.0).sqrt().clamp(0.2, 5.0);
    }
    let scaled = read(&calibration)?;
    let distances = scaled.iter().flat_map(|(p, landmarks)| {
        let truth = truth(landmarks);
        (0..4).map(move |k| p.points[k].mahalanobis(truth[k]))
    });
    if let Some(quantile) = conformal(distances.collect(), 0.9) {
        calibration.point_quantile = quantile;
    }
    let ratios = scaled.iter().flat_map(|(p, landmarks)| {
        [Side::Left, Side::Right]
            .into_iter()
            .filter_map(move |side| {
                let angle = |points: &HipLandmarks| norberg_degrees(points, side, None);
                let error = angle(&p.landmarks())? - angle(landmarks)?;
                let (_, deviation) = p.spread(angle)?;
                Some(error.abs() / deviation.max(1e-6))
            })
    });
    if let Some(quantile) = conformal(ratios.collect(), 0.9) {
        calibration.angle_quantile = quantile;
    }
    let mut peaks: Vec<f64> = scaled
        .iter()
        .flat_map(|(p, _)| p.points.map(|point| point.peak))
        .collect();
    peaks.sort_by(f64::total_cmp);
    calibration.least_peak = peaks.get(peaks.len() / 20).copied().unwrap_or_default();
    figures(&scaled, &calibration, card);
    card.calibration = Some(calibration);
    Ok(())
}

/// For each point the temperature under which the truth is most likely.
fn temperatures(held_out: &[impl HeldOut]) -> Result<[f64; 4]> {
    let half = (CELL as f64 - 1.0) / 2.0;
    let mut best = [1.0; 4];
    for (k, best) in best.iter_mut().enumerate() {
        let mut rows: Vec<(Vec<f32>, usize)> = Vec::new();
        for held in held_out {
            for (map, truth) in held.maps(k)? {
                let (height, width) = map.dims2()?;
                let cell = |c: f64, count: usize| {
                    let cell = ((c - half) / CELL as f64).round();
                    cell.clamp(0.0, (count - 1) as f64) as usize
                };
                let at = cell(truth.y, height) * width + cell(truth.x, width);
                rows.push((map.flatten_all()?.to_vec1()?, at));
            }
        }
        let mut least = f64::INFINITY;
        for step in 0..=12 {
            let temperature = 0.5 * 4.0_f64.powf(f64::from(step) / 12.0);
            let loss = rows.iter().map(|(map, at)| surprise(map, *at, temperature));
            let loss: f64 = loss.sum();
            if loss < least {
                (least, *best) = (loss, temperature);
            }
        }
    }
    Ok(best)
}

/// −ln of the probability of one cell.
fn surprise(logits: &[f32], cell: usize, temperature: f64) -> f64 {
    let scaled = |v: f32| f64::from(v) / temperature;
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits
        .iter()
        .map(|v| (scaled(*v) - scaled(most)).exp())
        .sum();
    sum.ln() + scaled(most) - logits.get(cell).copied().map_or(0.0, scaled)
}

/// The `share` quantile as split conformal prediction takes it: the ⌈(n+1)·share⌉-th smallest, or the largest.
fn conformal(mut scores: Vec<f64>, share: f64) -> Option<f64> {
    scores.sort_by(f64::total_cmp);
    let rank = ((scores.len() + 1) as f64 * share).ceil() as usize;
    scores.get(rank.min(scores.len()).checked_sub(1)?).copied()
}

fn figures(read: &[(HipPrediction, HipLandmarks)], calibration: &Calibration, card: &mut Card) {
    let (mut centers, mut rims, mut radii, mut angles) = (vec![], vec![], vec![], vec![]);
    let mut covered = 0_usize;
    for (p, landmarks) in read {
        for (k, truth) in truth(landmarks).into_iter().enumerate() {
            let errors = if k % 2 == 0 { &mut centers } else { &mut rims };
            errors.push(p.points[k].at.distance(truth));
        }
        for (i, hip) in [landmarks.left, landmarks.right].iter().enumerate() {
            radii.push((p.radii[i] - hip.radius).abs());
        }
        for side in [Side::Left, Side::Right] {
            let angle = |points: &HipLandmarks| norberg_degrees(points, side, None);
            if let (Some(a), Some(b)) = (angle(&p.landmarks()), angle(landmarks)) {
                angles.push((a - b).abs());
                let interval = p.angle_interval(calibration, angle);
                covered +=
                    usize::from(interval.is_some_and(|[low, high]| (low..=high).contains(&b)));
            }
        }
    }
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
    let share = covered as f64 / angles.len().max(1) as f64;
    for (name, value) in [
        ("held_out_center_error_px", mean(&centers)),
        ("held_out_rim_error_px", mean(&rims)),
        ("held_out_radius_error_px", mean(&radii)),
        ("held_out_norberg_error_degrees", mean(&angles)),
        ("calibration_set_interval_coverage", share),
    ] {
        card.measured.insert(name.to_owned(), value);
    }
}
