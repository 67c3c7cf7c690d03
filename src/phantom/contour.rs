//! Outlines from masks: the lines a person would draw around what is on the film.
//!
//! Moore-neighbor tracing of the largest part of a mask. Separate because truth is traced, whatever made the mask.

use std::collections::BTreeMap;

use crate::geometry::{PixelRect, Point};
use crate::grid::Grid;
use crate::phantom::Outline;

/// A mask drawn `factor` times finer, at the film's sampling: 255 where half of the pixel is inside.
pub(crate) fn coarser(fine: &Grid<u8>, factor: usize, inside: impl Fn(u8) -> bool) -> Grid<u8> {
    let f = factor;
    Grid::from_fn(fine.width() / f, fine.height() / f, |x, y| {
        let count = (0..f * f)
            .filter(|k| inside(fine[(x * f + k % f, y * f + k / f)]))
            .count();
        if 2 * count >= f * f { 255 } else { 0 }
    })
}

/// Puts a mask under a name, joined with what lies there already.
pub(crate) fn join(masks: &mut BTreeMap<String, Grid<u8>>, name: &str, mask: Grid<u8>) {
    let merged = match masks.remove(name) {
        None => mask,
        Some(old) => Grid::from_fn(mask.width(), mask.height(), |x, y| {
            mask[(x, y)].max(old[(x, y)])
        }),
    };
    masks.insert(name.to_owned(), merged);
}

/// A point of a film drawn `factor` times finer, on the film as delivered.
pub(crate) fn coarser_point(p: Point, factor: usize) -> Point {
    let f = factor as f64;
    Point::new((p.x + 0.5) / f - 0.5, (p.y + 0.5) / f - 0.5)
}

/// The eight neighbors of a pixel, clockwise on the film from the left one.
const AROUND: [(i64, i64); 8] = [
    (-1, 0),
    (-1, -1),
    (0, -1),
    (1, -1),
    (1, 0),
    (1, 1),
    (0, 1),
    (-1, 1),
];

/// The smallest rectangle around all set pixels; `None` when there is none.
pub(crate) fn bounds(mask: &Grid<u8>) -> Option<PixelRect> {
    let mut low = (usize::MAX, usize::MAX);
    let mut high = (0, 0);
    for y in 0..mask.height() {
        for (x, v) in mask.row(y).iter().enumerate() {
            if *v > 0 {
                low = (low.0.min(x), low.1.min(y));
                high = (high.0.max(x), high.1.max(y));
            }
        }
    }
    (low.0 != usize::MAX).then(|| {
        PixelRect::new(
            low.0 as i64,
            low.1 as i64,
            high.0 - low.0 + 1,
            high.1 - low.1 + 1,
        )
    })
}

/// The outline of the largest part of a mask, thinned to every second pixel and lightly smoothed.
pub(crate) fn traced(name: &str, mask: &Grid<u8>) -> Option<Outline> {
    let start = largest_part(mask)?;
    let set = |p: (i64, i64)| {
        p.0 >= 0 && p.1 >= 0 && mask.get(p.0 as usize, p.1 as usize).is_some_and(|v| *v > 0)
    };
    let mut border = vec![start];
    let (mut at, mut from) = (start, 0_usize);
    // A border visits no pixel more than a few times.
    for _ in 0..4 * mask.len() {
        let next = (1..=8).map(|k| (from + k) % 8).find_map(|k| {
            let p = (at.0 + AROUND[k].0, at.1 + AROUND[k].1);
            set(p).then_some((p, k))
        });
        let Some((p, k)) = next else { break };
        if p == start {
            break;
        }
        border.push(p);
        at = p;
        from = (k + 5) % 8;
    }
    if border.len() < 6 {
        return None;
    }
    let n = border.len();
    let points = (0..n)
        .step_by(2)
        .map(|i| {
            let sum = (0..3).fold(Point::new(0.0, 0.0), |sum, k| {
                let p = border[(i + n + k - 1) % n];
                sum + Point::new(p.0 as f64, p.1 as f64)
            });
            sum * (1.0 / 3.0)
        })
        .collect();
    Some(Outline {
        name: name.to_owned(),
        points,
        closed: true,
    })
}

/// The topmost leftmost pixel of the part with the most pixels.
fn largest_part(mask: &Grid<u8>) -> Option<(i64, i64)> {
    let (w, h) = mask.size();
    let mut seen = mask.map(|v| *v == 0);
    let mut best = (0, None);
    let mut stack = Vec::new();
    for y in 0..h {
        for x in 0..w {
            if seen[(x, y)] {
                continue;
            }
            seen[(x, y)] = true;
            stack.push((x, y));
            let mut count = 0;
            while let Some((cx, cy)) = stack.pop() {
                count += 1;
                for (dx, dy) in AROUND {
                    let (nx, ny) = (cx as i64 + dx, cy as i64 + dy);
                    if nx < 0 || ny < 0 || nx >= w as i64 || ny >= h as i64 {
                        continue;
                    }
                    let next = (nx as usize, ny as usize);
                    if !seen[next] {
                        seen[next] = true;
                        stack.push(next);
                    }
                }
            }
            if count > best.0 {
                best = (count, Some((x as i64, y as i64)));
            }
        }
    }
    best.1
}
