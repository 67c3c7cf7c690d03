//! What of an image is denoised: whole cells of the latent, which reach further than what is painted.
//!
//! Separate from the composite, which decides what of it is then used: a person sees both, and why the surroundings of
//! a small spot are never asked.

use super::frame::Frame;
use crate::geometry::Point;
use crate::grid::Grid;
use crate::job::Request;
use crate::network::autoencoder::{FACTOR, latent_cells};
use crate::signal::resize::resize_lines;

/// Edges of the part of the image that a model of `model_px` pixels a side puts noise into, image pixels with centers at
/// integers; `None` where that is all of it.
pub fn denoised(request: &Request, model_px: usize) -> Option<Vec<[Point; 2]>> {
    let frame = Frame::new(request, model_px).ok()?;
    let painted = renewed(&frame)?;
    let cells = latent_cells(&painted);
    let image_from_model = frame.crop.image_from_model();
    let (width, height) = (frame.size.0 as f64 - 0.5, frame.size.1 as f64 - 0.5);
    let corner = |x: usize, y: usize| {
        let at = |cell: usize| (cell * FACTOR) as f64 - 0.5;
        let point = image_from_model.apply(Point::new(at(x), at(y)));
        Point::new(point.x.clamp(-0.5, width), point.y.clamp(-0.5, height))
    };
    let edges = edges(&cells)
        .into_iter()
        .map(|ends| ends.map(|(x, y)| corner(x, y)));
    Some(edges.filter(|[a, b]| a.distance(*b) > 0.0).collect())
}

/// Pixels of the model, 255 where the result counts at all.
pub(in crate::synthesis) fn renewed(frame: &Frame) -> Option<Grid<u8>> {
    let touched = frame.touched()?;
    let model = frame.crop.model_px;
    Some(resize_lines(&touched, model, model).map(|v| if *v > 0.0 { 255 } else { 0 }))
}

/// Where set and other cells meet, each straight run once, corners of cells; beyond the grid nothing is set.
fn edges(cells: &Grid<bool>) -> Vec<[(usize, usize); 2]> {
    let (columns, rows) = cells.size();
    let is_set = |x: Option<usize>, y: Option<usize>| {
        let cell = x.zip(y).and_then(|(x, y)| cells.get(x, y));
        cell.copied().unwrap_or(false)
    };
    let mut found = Vec::new();
    let mut runs =
        |length: usize, meets: &dyn Fn(usize) -> bool, at: &dyn Fn(usize) -> (usize, usize)| {
            let mut start = None;
            for i in 0..=length {
                match (start, i < length && meets(i)) {
                    (None, true) => start = Some(i),
                    (Some(first), false) => {
                        found.push([at(first), at(i)]);
                        start = None;
                    }
                    _ => {}
                }
            }
        };
    for y in 0..=rows {
        let meets = |x: usize| is_set(Some(x), Some(y)) != is_set(Some(x), y.checked_sub(1));
        runs(columns, &meets, &|x| (x, y));
    }
    for x in 0..=columns {
        let meets = |y: usize| is_set(Some(x), Some(y)) != is_set(x.checked_sub(1), Some(y));
        runs(rows, &meets, &|y| (x, y));
    }
    found
}
