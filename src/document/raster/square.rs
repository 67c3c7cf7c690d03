//! Strokes of a square tip: between two samples the convex hull of their squares, row by row.
//!
//! Separate from the round tip because its runs are straight lines' and need no roots. The hull of two squares with
//! parallel sides is what a square covers that moves and grows evenly from one to the other: a row holds those moments
//! at which the square reaches it, and its run ends at the first or the last of them.

use super::{Dab, Target, segments};
use crate::document::StrokePoint;

/// Draws a stroke of a square tip; samples of pressure 0 leave nothing, all others at least one pixel.
///
/// The upper and the left edge belong to a square, the lower and the right one do not: a tip of n pixels covers n
/// columns and n rows wherever it is set down.
pub(super) fn stroke(target: &mut Target<'_>, points: &[StrokePoint], width: f64) {
    segments(points, width, |a, b| hull(target, a.wide(), b.wide()));
}

fn hull(target: &mut Target<'_>, a: Dab, b: Dab) {
    let top = (a.at.y - a.reach).min(b.at.y - b.reach);
    let bottom = (a.at.y + a.reach).max(b.at.y + b.reach);
    for y in target.rows(top, bottom) {
        if y as f64 >= bottom {
            break;
        }
        if let Some((low, high)) = run(a, b, y as f64) {
            let columns = target.columns_before(low, high);
            target.fill(y, columns);
        }
    }
}

/// The run of x that the hull has at height `y`.
///
/// Moments stay fractions until the end: the one division there is rounded rightly, so an edge that runs through the
/// middle of a pixel is found there and not beside it.
fn run(a: Dab, b: Dab, y: f64) -> Option<(f64, f64)> {
    let (along, growth) = (b.at - a.at, b.reach - a.reach);
    // Moments, 0 at `a` and 1 at `b`, between which the row lies within the square: numerator and denominator.
    let (mut first, mut last) = ((0.0, 1.0), (1.0, 1.0));
    let value = |(n, d): (f64, f64)| n / d;
    // How far within it is now, and how that changes: for the upper edge, then for the lower one.
    for (now, change) in [
        (y - (a.at.y - a.reach), growth - along.y),
        (a.at.y + a.reach - y, growth + along.y),
    ] {
        if change > 0.0 {
            if value((-now, change)) > value(first) {
                first = (-now, change);
            }
        } else if change < 0.0 {
            if value((now, -change)) < value(last) {
                last = (now, -change);
            }
        } else if now < 0.0 {
            return None;
        }
    }
    if value(first) > value(last) {
        return None;
    }
    let edges = |(n, d): (f64, f64)| {
        let (x, half) = (a.at.x * d + along.x * n, a.reach * d + growth * n);
        ((x - half) / d, (x + half) / d)
    };
    let (first, last) = (edges(first), edges(last));
    Some((first.0.min(last.0), first.1.max(last.1)))
}
