//! What was measured as graphics of a presentation state: circles, lines, regions, each with its numbers.

use super::presentation::Annotation;
use super::report::HipReport;
use crate::geometry::{Figure, FigureKind};
use crate::landmarks::Side;
use crate::radiograph::Radiograph;

/// Parts in which an ellipse is drawn: DICOM's graphics have circles only.
const STEPS: usize = 72;

/// Circles, rim points with their angles, and the line between the centers.
pub fn hip_annotations(report: &HipReport) -> Vec<Annotation> {
    let landmarks = &report.landmarks;
    let mut found = vec![Annotation::Lines(vec![
        landmarks.left.center,
        landmarks.right.center,
    ])];
    for (side, angle) in [(Side::Left, report.left), (Side::Right, report.right)] {
        let hip = landmarks.hip(side);
        found.push(Annotation::Circle {
            center: hip.center,
            radius: hip.radius,
        });
        found.push(Annotation::Point {
            at: hip.rim,
            label: angle
                .map(|a| format!("{:.1} deg", a.degrees))
                .unwrap_or_default(),
        });
    }
    found
}

/// Each figure and, where it ends, its numbers.
pub fn figure_annotations(image: &Radiograph, figures: &[Figure]) -> Vec<Annotation> {
    let scale = image.scale();
    let mut found = Vec::new();
    for figure in figures.iter().filter(|figure| figure.is_valid()) {
        match (figure.kind, figure.circle(scale)) {
            (FigureKind::Circle, Some((center, radius))) if scale[0] == scale[1] => {
                found.push(Annotation::Circle {
                    center,
                    radius: radius / scale[1],
                });
            }
            _ => found.extend(
                figure
                    .lines(scale, STEPS)
                    .into_iter()
                    .map(Annotation::Lines),
            ),
        }
        let text = image.readings(figure).lines().join(", ");
        if let Some(at) = figure.points.last().filter(|_| !text.is_empty()) {
            found.push(Annotation::Text { at: *at, text });
        }
    }
    found
}
