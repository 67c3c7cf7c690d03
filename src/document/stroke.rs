//! Strokes before they become marks: fewer corners for a lasso, an even hand for a pen.

use super::StrokePoint;
use crate::geometry::Point;

/// How far a lasso may move when it is simplified, pixels.
pub const LASSO_TOLERANCE_PX: f64 = 0.6;

/// Samples that one smoothed stroke may have at most.
const MOST_SAMPLES: usize = 100_000;

/// The outline with as few corners as keep every dropped one within `tolerance` of it (Ramer–Douglas–Peucker).
///
/// First and last corner stay; without recursion, so that a long lasso cannot exhaust the stack.
pub fn simplified(points: &[Point], tolerance: f64) -> Vec<Point> {
    if points.len() < 3 {
        return points.to_vec();
    }
    let mut keep = vec![false; points.len()];
    keep[0] = true;
    keep[points.len() - 1] = true;
    let mut waiting = vec![(0, points.len() - 1)];
    while let Some((first, last)) = waiting.pop() {
        let farthest = (first + 1..last)
            .map(|i| {
                (
                    distance_to_segment(points[i], points[first], points[last]),
                    i,
                )
            })
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((distance, index)) = farthest
            && distance > tolerance
        {
            keep[index] = true;
            waiting.push((first, index));
            waiting.push((index, last));
        }
    }
    points
        .iter()
        .zip(keep)
        .filter_map(|(p, kept)| kept.then_some(*p))
        .collect()
}

/// Distance of a point to a segment.
pub fn distance_to_segment(p: Point, a: Point, b: Point) -> f64 {
    let along = b - a;
    let squared = along.dot(along);
    if squared <= 0.0 {
        return p.distance(a);
    }
    let t = ((p - a).dot(along) / squared).clamp(0.0, 1.0);
    p.distance(a + along * t)
}

/// The stroke as a Catmull–Rom curve through its samples, sampled anew every `spacing` pixels of its length.
///
/// Ends stay where they are; pressure is interpolated. A `spacing` that is not positive gives the samples back.
/// (Catmull and Rom, "A class of local interpolating splines", 1974; uniform knots.)
pub fn smoothed(points: &[StrokePoint], spacing: f64) -> Vec<StrokePoint> {
    let length: f64 = points
        .windows(2)
        .map(|pair| pair[0].at.distance(pair[1].at))
        .sum();
    let usable = spacing > 0.0 && length.is_finite() && length / spacing < MOST_SAMPLES as f64;
    let (true, [first, .., last]) = (usable, points) else {
        return points.to_vec();
    };
    let mut even = vec![*first];
    let mut previous = *first;
    let mut since = 0.0;
    for i in 0..points.len() - 1 {
        let corners = [
            points[i.saturating_sub(1)].at,
            points[i].at,
            points[i + 1].at,
            points[(i + 2).min(points.len() - 1)].at,
        ];
        let pieces = (corners[1].distance(corners[2]) / spacing * 4.0)
            .ceil()
            .max(4.0) as usize;
        for piece in 1..=pieces {
            let t = piece as f64 / pieces as f64;
            let (from, to) = (points[i].pressure, points[i + 1].pressure);
            let next = StrokePoint {
                at: catmull_rom(corners, t),
                pressure: from + (to - from) * t as f32,
            };
            loop {
                let room = previous.at.distance(next.at);
                let full = even.len() >= 2 * MOST_SAMPLES;
                if room <= 0.0 || since + room < spacing || full {
                    break;
                }
                let part = (spacing - since) / room;
                previous = StrokePoint {
                    at: previous.at + (next.at - previous.at) * part,
                    pressure: previous.pressure + (next.pressure - previous.pressure) * part as f32,
                };
                even.push(previous);
                since = 0.0;
            }
            since += previous.at.distance(next.at);
            previous = next;
        }
    }
    if even
        .last()
        .is_none_or(|p| p.at.distance(last.at) > spacing * 1e-6)
    {
        even.push(*last);
    } else if let Some(end) = even.last_mut() {
        *end = *last;
    }
    even
}

fn catmull_rom([p0, p1, p2, p3]: [Point; 4], t: f64) -> Point {
    let linear = (p2 - p0) * t;
    let square = (p0 * 2.0 - p1 * 5.0 + p2 * 4.0 - p3) * (t * t);
    let cube = (p1 * 3.0 - p0 - p2 * 3.0 + p3) * (t * t * t);
    (p1 * 2.0 + linear + square + cube) * 0.5
}
