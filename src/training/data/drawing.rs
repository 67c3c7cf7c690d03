//! Sketches as a hand would draw them, and masks as a hand would paint them.
//!
//! Separate because a network that only ever saw perfect outlines obeys nothing else: lines are dropped, shaken, of
//! changing width, and sometimes come from edges of the image instead of the truth. Rastered by the document's own
//! code, so that training and drawing agree on every pixel.

use super::Facts;
use super::augment::View;
use crate::document::raster::draw;
use crate::document::{Layer, Mark, Operation, Shape, StrokePoint, Tip};
use crate::geometry::Point;
use crate::grid::Grid;
use crate::noise::Noise;

/// A sketch of a view of a whole film: white lines on black, 0–1, of its size.
pub fn sketch_of(view: &View, noise: &mut Noise) -> Grid<f32> {
    sketch_at(view, view.image.width() as f64 / 256.0, noise)
}

/// A sketch of a view of a part of a film: a hand shakes and a pen is wide as on the whole film, of which 1/256 is
/// `unit` pixels of the view.
pub fn sketch_at(view: &View, unit: f64, noise: &mut Noise) -> Grid<f32> {
    let (width, height) = view.image.size();
    let mut raster = Grid::filled(width, height, 0_u8);
    let dropped = noise.range(0.0, 0.6);
    let shake = noise.range(0.0, 2.5) * unit;
    let pen = noise.range(1.2, 4.0) * unit;
    for (points, closed) in &view.facts.outlines {
        if noise.chance(dropped) {
            continue;
        }
        let mut points = points.clone();
        if *closed && let Some(first) = points.first().copied() {
            points.push(first);
        }
        // Now and then only a part of a line.
        let part = if noise.chance(0.3) {
            noise.range(0.4, 1.0)
        } else {
            1.0
        };
        let kept = ((points.len() as f64 * part) as usize)
            .max(2)
            .min(points.len());
        points.truncate(kept);
        stroke(&mut raster, &shaken(&points, shake, noise), pen);
    }
    let mut sketch = raster.map(|v| f32::from(*v) / 255.0);
    let edges = view.facts.outlines.is_empty() || noise.chance(0.2);
    if edges {
        let threshold = [0.10, 0.18, 0.30][noise.index(3)];
        add_edges(&mut sketch, &view.image, threshold);
    }
    sketch
}

/// A line with slow random offsets: what a hand does, not what noise does.
fn shaken(points: &[Point], amount: f64, noise: &mut Noise) -> Vec<Point> {
    let mut wave = || {
        let (turns, phase) = (
            noise.range(1.0, 6.0),
            noise.range(0.0, std::f64::consts::TAU),
        );
        move |share: f64| (std::f64::consts::TAU * turns * share + phase).sin()
    };
    let (x, y) = (wave(), wave());
    let last = points.len().saturating_sub(1).max(1) as f64;
    points
        .iter()
        .enumerate()
        .map(|(i, p)| {
            let share = i as f64 / last;
            Point::new(p.x + amount * x(share), p.y + amount * y(share))
        })
        .collect()
}

fn stroke(raster: &mut Grid<u8>, points: &[Point], width: f64) {
    let mark = Mark {
        layer: Layer::Sketch,
        operation: Operation::Paint,
        shape: Shape::Stroke {
            points: points
                .iter()
                .map(|at| StrokePoint {
                    at: *at,
                    pressure: 1.0,
                })
                .collect(),
            width,
            smooth: true,
            tip: Tip::Round,
        },
    };
    let clip = raster.bounds();
    draw(raster, &mark, clip);
}

/// Adds the places where the smoothed image (−1…1) changes by more than `threshold` over three pixels.
fn add_edges(sketch: &mut Grid<f32>, image: &Grid<f32>, threshold: f32) {
    let (width, height) = image.size();
    let smooth = |x: usize, y: usize| {
        let mut sum = 0.0;
        for dy in 0..3 {
            for dx in 0..3 {
                sum += image[(x + dx - 1, y + dy - 1)];
            }
        }
        sum / 9.0
    };
    if width < 8 || height < 8 {
        return;
    }
    let soft = Grid::from_fn(width, height, |x, y| {
        smooth(x.clamp(1, width - 2), y.clamp(1, height - 2))
    });
    let slope = Grid::from_fn(width, height, |x, y| {
        if x < 2 || y < 2 || x + 2 >= width || y + 2 >= height {
            return (0.0, 0.0);
        }
        (
            0.5 * (soft[(x + 1, y)] - soft[(x - 1, y)]),
            0.5 * (soft[(x, y + 1)] - soft[(x, y - 1)]),
        )
    });
    let strength = slope.map(|(dx, dy): &(f32, f32)| dx.hypot(*dy));
    for y in 2..height - 2 {
        for x in 2..width - 2 {
            let here = strength[(x, y)];
            if here < 0.5 * threshold {
                continue;
            }
            // Only the crest of a slope is a line.
            let (dx, dy) = slope[(x, y)];
            let (before, after) = if dx.abs() > dy.abs() {
                (strength[(x - 1, y)], strength[(x + 1, y)])
            } else {
                (strength[(x, y - 1)], strength[(x, y + 1)])
            };
            if here >= before && here >= after {
                sketch[(x, y)] = 1.0;
            }
        }
    }
}

/// How often a mask is painted about a finding, where one is seen.
const ABOUT_FINDING: f64 = 0.6;
/// Share of a finding's box that a mask must cover for what is said to be said of it.
const COVERED: f64 = 0.5;

/// A mask about a finding of a view, or anywhere.
pub fn mask_of(view: &View, noise: &mut Noise) -> Grid<u8> {
    let (width, height) = view.image.size();
    let side = width.max(height) as f64;
    let seen = |[low, high]: &[Point; 2]| {
        let middle = (*low + *high) * 0.5;
        let inside = |at: f64, length: usize| at > 0.0 && at < length as f64 - 1.0;
        (high.x - low.x).max(high.y - low.y) < 0.7 * side
            && inside(middle.x, width)
            && inside(middle.y, height)
    };
    let places = view.facts.places.iter().map(|(_, place)| *place);
    let places: Vec<[Point; 2]> = places.filter(seen).collect();
    if !places.is_empty() && noise.chance(ABOUT_FINDING) {
        mask_about(places[noise.index(places.len())], view.image.size(), noise)
    } else {
        random_mask(width, height, noise)
    }
}

/// What a masked picture is said to show: of findings whose places are known, those that the mask covers.
///
/// Who paints a mask and names a finding wants it there. One that stands elsewhere is, of a small mask, absent as often
/// as not spoken of; of a large one, which renews most of the picture, not spoken of.
pub fn said_of_mask(facts: &mut Facts, mask: &Grid<u8>, noise: &mut Noise) {
    let renewed = mask.cells().iter().filter(|v| **v > 0).count();
    let small = 2 * renewed < mask.cells().len();
    let covered = |[low, high]: &[Point; 2]| {
        let part = |n: usize| (n as f64 + 0.5) / 8.0;
        let hit = |n: usize| {
            let x = (low.x + (high.x - low.x) * part(n % 8)).round();
            let y = (low.y + (high.y - low.y) * part(n / 8)).round();
            let within = x >= 0.0 && y >= 0.0;
            within && mask.get(x as usize, y as usize).is_some_and(|v| *v > 0)
        };
        (0..64).filter(|n| hit(*n)).count() as f64 >= COVERED * 64.0
    };
    let mut elsewhere: Vec<String> = Vec::new();
    for (name, _) in &facts.places {
        let mut named = facts.places.iter().filter(|(other, _)| other == name);
        if !named.any(|(_, place)| covered(place)) {
            elsewhere.push(name.clone());
        }
    }
    facts.findings.retain_mut(|(name, present)| {
        if !*present || !elsewhere.contains(name) {
            return true;
        }
        *present = false;
        small && noise.chance(0.5)
    });
}

/// A mask about a box, 255 = renewed, as a hand paints one where something shall be: an ellipse or a box a little to
/// much larger than it, not quite in its middle.
fn mask_about(place: [Point; 2], (width, height): (usize, usize), noise: &mut Noise) -> Grid<u8> {
    let [low, high] = place;
    let least = 0.02 * width.max(height) as f64;
    let grown = noise.range(1.05, 1.7);
    let half = |a: f64, b: f64, noise: &mut Noise| {
        (0.5 * (b - a).abs() * grown * noise.range(0.9, 1.1)).max(least)
    };
    let half = Point::new(half(low.x, high.x, noise), half(low.y, high.y, noise));
    let mut off = |half: f64| noise.range(-0.12, 0.12) * half;
    let center = (low + high) * 0.5 + Point::new(off(half.x), off(half.y));
    let boxed = noise.chance(0.2);
    Grid::from_fn(width, height, |x, y| {
        let (u, v) = (
            (x as f64 - center.x) / half.x,
            (y as f64 - center.y) / half.y,
        );
        let inside = if boxed {
            u.abs().max(v.abs()) <= 1.0
        } else {
            // An ellipse within which the box would just fit is too large for what is round itself.
            u * u + v * v <= 1.3
        };
        if inside { 255 } else { 0 }
    })
}

/// How often a box or a blob is what is kept, as in outpainting, not what is renewed.
const KEPT: f64 = 0.25;

/// A random mask, 255 = renewed: a box, a hand's blob, all but one of them, or a half-plane.
fn random_mask(width: usize, height: usize, noise: &mut Noise) -> Grid<u8> {
    let mut mask = Grid::filled(width, height, 0_u8);
    let (w, h) = (width as f64, height as f64);
    let somewhere =
        |noise: &mut Noise| Point::new(noise.range(0.1, 0.9) * w, noise.range(0.1, 0.9) * h);
    let shape = noise.index(10);
    match shape {
        0..=3 => {
            let center = somewhere(noise);
            let half = Point::new(noise.range(0.05, 0.3) * w, noise.range(0.05, 0.3) * h);
            for y in 0..height {
                for x in 0..width {
                    let inside = (x as f64 - center.x).abs() <= half.x
                        && (y as f64 - center.y).abs() <= half.y;
                    if inside {
                        mask[(x, y)] = 255;
                    }
                }
            }
        }
        4..=7 => {
            let mut at = somewhere(noise);
            let mut points = vec![at];
            for _ in 0..noise.index(6) {
                let step = Point::new(noise.gauss(0.0, 0.12) * w, noise.gauss(0.0, 0.12) * h);
                at = at + step;
                points.push(at);
            }
            stroke(&mut mask, &points, noise.range(0.08, 0.3) * w);
        }
        _ => {
            let at = somewhere(noise);
            let angle = noise.range(0.0, std::f64::consts::TAU);
            let normal = Point::new(angle.cos(), angle.sin());
            for y in 0..height {
                for x in 0..width {
                    if (Point::new(x as f64, y as f64) - at).dot(normal) > 0.0 {
                        mask[(x, y)] = 255;
                    }
                }
            }
        }
    }
    if shape <= 7 && noise.chance(KEPT) {
        mask = mask.map(|v| 255 - v);
    }
    mask
}
