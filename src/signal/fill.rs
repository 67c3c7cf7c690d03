//! What is missing of an image, guessed smoothly from what is around it.
//!
//! Push-pull (Gortler, Grzeszczuk, Szeliski, Cohen, "The Lumigraph", 1996, section 3.4): halved until nothing is
//! missing, then holes of each finer level take what the coarser one says, by as much as they are holes. Separate from
//! resizing because the weights travel with the values; linear in the pixels, however large the hole is.

use super::resize::resize;
use crate::grid::Grid;

/// `image` with the pixels where `hole` is above 0 replaced by a smooth continuation of the others, which stay as they
/// are; `nothing` everywhere in the holes where no pixel is known.
pub fn filled(image: &Grid<f32>, hole: &Grid<u8>, nothing: f32) -> Grid<f32> {
    let known = hole.map(|h| f32::from(u8::from(*h == 0)));
    if known.cells().iter().all(|k| *k == 0.0) {
        return Grid::filled(image.width(), image.height(), nothing);
    }
    let smooth = pulled(image, &known);
    let mut whole = image.clone();
    let cells = whole.cells_mut().iter_mut().zip(smooth.cells());
    for ((cell, smooth), hole) in cells.zip(hole.cells()) {
        if *hole > 0 {
            *cell = *smooth;
        }
    }
    whole
}

/// Values everywhere from values that count by `weight` (0–1).
fn pulled(values: &Grid<f32>, weight: &Grid<f32>) -> Grid<f32> {
    let (width, height) = values.size();
    if weight.cells().iter().all(|w| *w >= 1.0) || width.max(height) <= 1 {
        return values.clone();
    }
    let (half, half_weight) = halved(values, weight);
    let coarse = resize(&pulled(&half, &half_weight), width, height);
    Grid::from_fn(width, height, |x, y| {
        let (own, w) = (values[(x, y)], weight[(x, y)]);
        coarse[(x, y)] + w * (own - coarse[(x, y)])
    })
}

/// Half as many pixels a side, each the weighted mean of two by two, and how much is known of them, at most 1.
fn halved(values: &Grid<f32>, weight: &Grid<f32>) -> (Grid<f32>, Grid<f32>) {
    let (width, height) = values.size();
    let (columns, rows) = (width.div_ceil(2), height.div_ceil(2));
    let mut means = Grid::filled(columns, rows, 0.0_f32);
    let mut weights = Grid::filled(columns, rows, 0.0_f32);
    for y in 0..rows {
        for x in 0..columns {
            let (mut sum, mut all) = (0.0, 0.0);
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let (x, y) = (2 * x + dx, 2 * y + dy);
                if let (Some(value), Some(weight)) = (values.get(x, y), weight.get(x, y)) {
                    sum += value * weight;
                    all += weight;
                }
            }
            if all > 0.0 {
                means[(x, y)] = sum / all;
            }
            weights[(x, y)] = all.min(1.0);
        }
    }
    (means, weights)
}
