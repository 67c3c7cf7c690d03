//! Distance to the painted part, from which the contours of ring and noise are drawn.
//!
//! Separate because it is exact and slow (Felzenszwalb and Huttenlocher, "Distance transforms of sampled functions",
//! 2012), so it runs off the window's thread, on a raster reduced to at most 2048 pixels a side.

use crate::grid::Grid;

/// A distance field of a mask.
pub struct Reach {
    /// `min(255, distance in image pixels × steps)`.
    pub field: Grid<u8>,
    /// Image pixels a cell.
    pub reduction: usize,
    /// Steps an image pixel.
    pub steps: f64,
}

/// Distances up to a little more than `most_px` image pixels from the half-covered pixels of a mask.
pub fn reach_of(mask: &Grid<u8>, most_px: f64) -> Reach {
    let reduction = mask.width().max(mask.height()).div_ceil(2048).max(1);
    let steps = 250.0 / (most_px.max(1.0) + 3.0);
    let (width, height) = (
        mask.width().div_ceil(reduction),
        mask.height().div_ceil(reduction),
    );
    let far = ((width + height) * 2) as f32;
    let mut squares = Grid::filled(width, height, far * far);
    for y in 0..mask.height() {
        for (x, covered) in mask.row(y).iter().enumerate() {
            if *covered >= 128 {
                squares[(x / reduction, y / reduction)] = 0.0;
            }
        }
    }
    let mut line = Vec::new();
    for y in 0..height {
        line.clear();
        line.extend_from_slice(squares.row(y));
        lower_envelope(&line, squares.row_mut(y));
    }
    let mut below = vec![0.0; height];
    for x in 0..width {
        line.clear();
        line.extend((0..height).map(|y| squares[(x, y)]));
        lower_envelope(&line, &mut below);
        for (y, value) in below.iter().enumerate() {
            squares[(x, y)] = *value;
        }
    }
    let scale = (reduction as f64 * steps) as f32;
    Reach {
        field: squares.map(|square| (square.sqrt() * scale).round().min(255.0) as u8),
        reduction,
        steps,
    }
}

/// `out[q] = min over p of (q − p)² + from[p]`.
fn lower_envelope(from: &[f32], out: &mut [f32]) {
    let mut vertices: Vec<usize> = Vec::with_capacity(from.len());
    let mut starts: Vec<f32> = Vec::with_capacity(from.len());
    for (q, height) in from.iter().enumerate() {
        let mut start = f32::NEG_INFINITY;
        while let (Some(&p), Some(&before)) = (vertices.last(), starts.last()) {
            let rise = (height + (q * q) as f32) - (from[p] + (p * p) as f32);
            start = rise / (2.0 * (q - p) as f32);
            if start > before {
                break;
            }
            vertices.pop();
            starts.pop();
            start = f32::NEG_INFINITY;
        }
        vertices.push(q);
        starts.push(start);
    }
    let mut k = 0;
    for (q, cell) in out.iter_mut().enumerate() {
        while k + 1 < starts.len() && starts[k + 1] < q as f32 {
            k += 1;
        }
        if let Some(&p) = vertices.get(k) {
            let away = q as f32 - p as f32;
            *cell = away * away + from[p];
        }
    }
}
