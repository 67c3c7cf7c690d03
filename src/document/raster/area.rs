//! Areas: polygons by the even–odd rule, rectangles and filled regions.
//!
//! A pixel belongs to a polygon or rectangle when its center does; separate from strokes, which have a width.

use super::Target;
use crate::geometry::{PixelRect, Point};
use crate::grid::Grid;

/// Fills a closed outline; a center exactly on a left or upper edge is inside, on a right or lower one outside.
pub(super) fn polygon(target: &mut Target<'_>, points: &[Point]) {
    let clip = target.clip;
    let mut crossings: Vec<Vec<f64>> = vec![Vec::new(); clip.height];
    let next = points.iter().cycle().skip(1);
    for (p, q) in points.iter().zip(next) {
        let (upper, lower) = if p.y <= q.y { (p, q) } else { (q, p) };
        for y in target.rows(upper.y, lower.y) {
            let height = y as f64;
            // Half open, so that a corner between two edges counts once.
            if height >= upper.y && height < lower.y {
                let t = (height - upper.y) / (lower.y - upper.y);
                crossings[y - clip.y as usize].push(upper.x + (lower.x - upper.x) * t);
            }
        }
    }
    for (row, xs) in crossings.iter_mut().enumerate() {
        xs.sort_by(f64::total_cmp);
        let y = clip.y as usize + row;
        for pair in xs.chunks_exact(2) {
            // [low, high): the last whole center strictly below `high`.
            let columns = target.columns(pair[0], pair[1].ceil() - 1.0);
            target.fill(y, columns);
        }
    }
}

/// Fills the pixels whose centers lie in the closed rectangle.
pub(super) fn rectangle(target: &mut Target<'_>, from: Point, to: Point) {
    let columns = target.columns(from.x.min(to.x), from.x.max(to.x));
    for y in target.rows(from.y.min(to.y), from.y.max(to.y)) {
        target.fill(y, columns.clone());
    }
}

/// Copies a filled region, values as coverage.
pub(super) fn region(target: &mut Target<'_>, bounds: PixelRect, inside: &Grid<u8>) {
    let part = bounds.intersection(target.clip);
    for y in part.y..part.bottom() {
        for x in part.x..part.right() {
            let place = ((x - bounds.x) as usize, (y - bounds.y) as usize);
            if let Some(&coverage) = inside.get(place.0, place.1) {
                target.cover(x as usize, y as usize, coverage);
            }
        }
    }
}
