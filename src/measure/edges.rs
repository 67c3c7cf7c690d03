//! Edges of an image, and how far drawn lines lie from them.
//!
//! Answers "did the model follow my line?" in pixels, and so in millimetres.

use crate::grid::Grid;

/// Pixels on an edge: local maxima of the gradient along its direction, above `share` of the gradients (0–1).
pub fn edges(image: &Grid<f32>, share: f64) -> Grid<bool> {
    let (width, height) = image.size();
    let at = |x: i64, y: i64| {
        let x = x.clamp(0, width as i64 - 1) as usize;
        let y = y.clamp(0, height as i64 - 1) as usize;
        image[(x, y)]
    };
    if image.is_empty() {
        return Grid::filled(width, height, false);
    }
    let sobel = |x: usize, y: usize| {
        let (x, y) = (x as i64, y as i64);
        let column = |dx: i64| at(x + dx, y - 1) + 2.0 * at(x + dx, y) + at(x + dx, y + 1);
        let row = |dy: i64| at(x - 1, y + dy) + 2.0 * at(x, y + dy) + at(x + 1, y + dy);
        (column(1) - column(-1), row(1) - row(-1))
    };
    let gradient = Grid::from_fn(width, height, sobel);
    let size = gradient.map(|(x, y)| x.hypot(*y));
    let mut sorted = size.cells().to_vec();
    let index = ((sorted.len() - 1) as f64 * share.clamp(0.0, 1.0)) as usize;
    let least = *sorted.select_nth_unstable_by(index, f32::total_cmp).1;
    Grid::from_fn(width, height, |x, y| {
        let strength = size[(x, y)];
        if strength <= least || strength <= 0.0 {
            return false;
        }
        let (gx, gy) = gradient[(x, y)];
        let (dx, dy) = if gx.abs() > 2.0 * gy.abs() {
            (1, 0)
        } else if gy.abs() > 2.0 * gx.abs() {
            (0, 1)
        } else if gx * gy > 0.0 {
            (1, 1)
        } else {
            (1, -1)
        };
        let neighbor = |sign: i64| {
            let (nx, ny) = (x as i64 + sign * dx, y as i64 + sign * dy);
            if nx < 0 || ny < 0 {
                return 0.0;
            }
            size.get(nx as usize, ny as usize).copied().unwrap_or(0.0)
        };
        strength >= neighbor(1) && strength >= neighbor(-1)
    })
}

/// Median over the cells of `lines` of their distance to the nearest edge; `None` without lines or without edges.
///
/// `distance_to_edge` is the distance transform of the edges, in pixels.
pub fn median_distance(lines: &Grid<bool>, distance_to_edge: &Grid<f32>) -> Option<f64> {
    let mut distances: Vec<f32> = lines
        .cells()
        .iter()
        .zip(distance_to_edge.cells())
        .filter(|(line, distance)| **line && distance.is_finite())
        .map(|(_, distance)| *distance)
        .collect();
    if distances.is_empty() {
        return None;
    }
    let middle = distances.len() / 2;
    Some(f64::from(
        *distances.select_nth_unstable_by(middle, f32::total_cmp).1,
    ))
}
