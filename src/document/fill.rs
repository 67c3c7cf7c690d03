//! Fills: regions that grow from a seed.
//!
//! Neighbors share an edge (4-connected), so a line one pixel wide that is connected by corners holds them in.

use crate::geometry::PixelRect;
use crate::grid::Grid;

/// The part of the sketch's background around `seed` that lines close off.
///
/// `None` when the seed lies on a line or outside, when the region reaches the edge of the image (it is open), and as
/// soon as `stops()`.
pub fn fill_closed(
    sketch: &Grid<u8>,
    seed: (usize, usize),
    stops: impl Fn() -> bool,
) -> Option<(PixelRect, Grid<u8>)> {
    let all = sketch.bounds();
    let (bounds, inside) = flood_fill(seed, all, |x, y| sketch[(x, y)] < 128, stops)?;
    let open = bounds.x == 0
        || bounds.y == 0
        || bounds.right() == all.right()
        || bounds.bottom() == all.bottom();
    (!open).then_some((bounds, inside))
}

/// The connected pixels around `seed` for which `belongs(x, y)`, inside `limits`.
///
/// Returns the region's bounds and its raster (255 inside, of the size of the bounds): the parts of
/// [`Shape::Region`](super::Shape::Region). `None` when the seed is not one, and as soon as `stops()`, which is asked
/// once a run of pixels. `belongs` is asked only inside `limits`, which must not reach below 0.
pub fn flood_fill(
    seed: (usize, usize),
    limits: PixelRect,
    belongs: impl Fn(usize, usize) -> bool,
    stops: impl Fn() -> bool,
) -> Option<(PixelRect, Grid<u8>)> {
    let inside_limits = limits.x >= 0
        && limits.y >= 0
        && i64::try_from(seed.0).is_ok_and(|x| x >= limits.x && x < limits.right())
        && i64::try_from(seed.1).is_ok_and(|y| y >= limits.y && y < limits.bottom());
    if !inside_limits || !belongs(seed.0, seed.1) {
        return None;
    }
    let (left, top) = (limits.x as usize, limits.y as usize);
    let mut filled = Grid::filled(limits.width, limits.height, 0_u8);
    let (mut low, mut high) = (seed, seed);
    let mut waiting = vec![seed];
    while let Some((x, y)) = waiting.pop() {
        if stops() {
            return None;
        }
        if filled[(x - left, y - top)] != 0 {
            continue;
        }
        let free = |x: usize, y: usize, filled: &Grid<u8>| {
            filled[(x - left, y - top)] == 0 && belongs(x, y)
        };
        let mut start = x;
        while start > left && free(start - 1, y, &filled) {
            start -= 1;
        }
        let mut end = x + 1;
        while end < left + limits.width && free(end, y, &filled) {
            end += 1;
        }
        filled.row_mut(y - top)[start - left..end - left].fill(255);
        low = (low.0.min(start), low.1.min(y));
        high = (high.0.max(end - 1), high.1.max(y));
        let above = (y > top).then(|| y - 1);
        let below = (y + 1 < top + limits.height).then_some(y + 1);
        for row in [above, below].into_iter().flatten() {
            let mut before = false;
            for column in start..end {
                let now = free(column, row, &filled);
                if now && !before {
                    waiting.push((column, row));
                }
                before = now;
            }
        }
    }
    let bounds = PixelRect::new(
        low.0 as i64,
        low.1 as i64,
        high.0 - low.0 + 1,
        high.1 - low.1 + 1,
    );
    let shifted = PixelRect::new(
        bounds.x - limits.x,
        bounds.y - limits.y,
        bounds.width,
        bounds.height,
    );
    Some((bounds, filled.crop(shifted, 0)))
}
