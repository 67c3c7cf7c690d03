//! Millimetres a pixel, and how far they can be trusted (PS3.3 10.7.1.3, C.8.7.1.1, C.8.11.7).
//!
//! Separate because it is the most repeated clinical complaint about viewers: detector spacing is not body spacing.

use super::lut::first_in_groups;
use crate::radiograph::dicom::values::{Kind, View};
use crate::radiograph::{Spacing, SpacingSource};

/// Modalities whose rays spread from a point, so that the detector sees things larger.
const PROJECTION: &[&str] = &[
    "CR", "DX", "MG", "IO", "PX", "RF", "XA", "RG", "XC", "DR", "RTIMAGE",
];

fn pair(view: View<'_>, tag: u32) -> Option<(f64, f64)> {
    let numbers = view.numbers(tag, Kind::Text);
    let &[row, column] = numbers.first_chunk::<2>()?;
    let usable = |mm: f64| mm.is_finite() && mm > 0.0 && mm < 1.0e4;
    (usable(row) && usable(column)).then_some((row, column))
}

/// Estimated Radiographic Magnification Factor, or source–detector over source–patient distance.
fn magnification(view: View<'_>) -> Option<f64> {
    let written = view.number(0x0018_1114, Kind::Text);
    let distance = |tag| view.number(tag, Kind::Text).filter(|mm| *mm > 0.0);
    let ratio = || Some(distance(0x0018_1110)? / distance(0x0018_1111)?);
    written
        .or_else(ratio)
        .filter(|factor| *factor > 1.0 && *factor < 100.0)
}

/// Height of a pixel over its width, of Pixel Aspect Ratio (0028,0034): vertical over horizontal (C.7.6.3.1.7).
pub(in crate::radiograph::dicom) fn aspect(view: View<'_>) -> Option<f64> {
    let (vertical, horizontal) = pair(view, 0x0028_0034)?;
    let ratio = vertical / horizontal;
    (1.0 / 32.0..=32.0).contains(&ratio).then_some(ratio)
}

/// The spacing of a frame.
pub(in crate::radiograph::dicom) fn spacing(
    view: View<'_>,
    frame: usize,
    notes: &mut Vec<String>,
) -> Option<Spacing> {
    let body = first_in_groups(view, frame, 0x0028_9110, |group| pair(group, 0x0028_0030));
    let detector = pair(view, 0x0018_1164);
    let made = |(row_mm, column_mm), source| {
        Some(Spacing {
            row_mm,
            column_mm,
            source,
        })
    };
    let modality = view.text(0x0008_0060);
    let projection = PROJECTION.contains(&modality.as_str()) || detector.is_some();
    let calibrated = matches!(view.text(0x0028_0A02).as_str(), "FIDUCIAL" | "GEOMETRY");
    if let Some(body) = body {
        // Equal to the detector's: not calibrated; different without a type: calibrated (10.7.1.3).
        if !projection || calibrated || detector.is_some_and(|detector| detector != body) {
            let described = (view.text(0x0028_0A02), view.text(0x0028_0A04));
            let own = [SpacingSource::EstimatedMagnification, SpacingSource::Manual]
                .into_iter()
                .find(|source| {
                    let known = source.calibration();
                    known == Some((described.0.as_str(), described.1.as_str()))
                });
            return made(body, own.unwrap_or(SpacingSource::Calibrated));
        }
        if detector.is_none() {
            notes.push(
                "Pixel Spacing (0028,0030) without a calibration type was taken as spacing at the detector"
                    .to_owned(),
            );
        }
    }
    let nominal = || pair(view, 0x0018_2010);
    let at_detector = detector.or(body).or_else(nominal)?;
    match magnification(view).filter(|_| projection) {
        Some(factor) => made(
            (at_detector.0 / factor, at_detector.1 / factor),
            SpacingSource::EstimatedMagnification,
        ),
        None => made(at_detector, SpacingSource::Detector),
    }
}
