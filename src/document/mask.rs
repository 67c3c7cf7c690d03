//! Algebra of masks: bounds, area, distance and growth.
//!
//! A pixel counts as painted when its value is above 0: whatever a soft edge may change lies inside the mask.
//! Distances are exact and Euclidean, in time linear in the pixels (Felzenszwalb and Huttenlocher, "Distance
//! transforms of sampled functions", 2012; integer envelope as in Meijster et al., 2000).

use crate::geometry::PixelRect;
use crate::grid::Grid;
use crate::radiograph::Spacing;

/// The smallest rectangle that holds every painted pixel; `None` when there is none.
pub fn bounds(mask: &Grid<u8>) -> Option<PixelRect> {
    let mut found: Option<(usize, usize, usize, usize)> = None;
    for y in 0..mask.height() {
        let row = mask.row(y);
        let Some(first) = row.iter().position(|v| *v != 0) else {
            continue;
        };
        let last = row.iter().rposition(|v| *v != 0).unwrap_or(first);
        let (left, right, top) = found.map_or((first, last, y), |(l, r, t, _)| {
            (l.min(first), r.max(last), t)
        });
        found = Some((left, right, top, y));
    }
    let (left, right, top, bottom) = found?;
    Some(PixelRect::new(
        left as i64,
        top as i64,
        right - left + 1,
        bottom - top + 1,
    ))
}

/// Number of painted pixels.
pub fn area_px(mask: &Grid<u8>) -> usize {
    mask.cells().iter().filter(|v| **v != 0).count()
}

/// Painted area in mm²; `None` when the spacing is not usable.
pub fn area_mm2(mask: &Grid<u8>, spacing: Option<Spacing>) -> Option<f64> {
    let spacing = spacing?;
    let area = area_px(mask) as f64 * spacing.row_mm * spacing.column_mm;
    (area.is_finite() && spacing.row_mm > 0.0 && spacing.column_mm > 0.0).then_some(area)
}

/// Distance of every pixel center to the nearest painted one, pixels; 0 inside, infinite when nothing is painted.
pub fn distance_to(mask: &Grid<u8>) -> Grid<f32> {
    match squared_distance_to(mask) {
        Some(squared) => squared.map(|d| (*d as f64).sqrt() as f32),
        None => Grid::filled(mask.width(), mask.height(), f32::INFINITY),
    }
}

/// 255 where the nearest painted pixel is at most `px` pixels away, else 0; a negative or NaN `px` counts as 0.
pub fn dilated(mask: &Grid<u8>, px: f64) -> Grid<u8> {
    let mut grown = Grid::filled(mask.width(), mask.height(), 0);
    let Some(painted) = bounds(mask) else {
        return grown;
    };
    let px = px.max(0.0).min((mask.width() + mask.height()) as f64);
    let part = painted.grown(px.ceil() as i64).intersection(mask.bounds());
    let Some(squared) = squared_distance_to(&mask.crop(part, 0)) else {
        return grown;
    };
    for y in 0..part.height {
        let row = &mut grown.row_mut(part.y as usize + y)[part.x as usize..part.right() as usize];
        for (cell, d) in row.iter_mut().zip(squared.row(y)) {
            if *d as f64 <= px * px {
                *cell = 255;
            }
        }
    }
    grown
}

/// Squared distances; `None` when nothing is painted.
fn squared_distance_to(mask: &Grid<u8>) -> Option<Grid<i64>> {
    bounds(mask)?;
    let (width, height) = mask.size();
    // Larger than any distance inside the grid: a column without a painted pixel.
    let far = (width + height) as i64;
    let mut along_columns = Grid::from_fn(
        width,
        height,
        |x, y| {
            if mask[(x, y)] == 0 { far } else { 0 }
        },
    );
    for y in 1..height {
        relax(&mut along_columns, y, y - 1);
    }
    for y in (0..height.saturating_sub(1)).rev() {
        relax(&mut along_columns, y, y + 1);
    }
    let mut squared = Grid::filled(width, height, 0);
    let mut envelope = Vec::with_capacity(width);
    for y in 0..height {
        lower_envelope(along_columns.row(y), squared.row_mut(y), &mut envelope);
    }
    Some(squared)
}

fn relax(grid: &mut Grid<i64>, y: usize, neighbor: usize) {
    for x in 0..grid.width() {
        let through = grid[(x, neighbor)] + 1;
        let cell = &mut grid[(x, y)];
        *cell = (*cell).min(through);
    }
}

/// `squared[x] = min over i of (x − i)² + g[i]²`, by the lower envelope of the parabolas.
///
/// `envelope` holds `(i, first x at which parabola i is lowest)`.
fn lower_envelope(g: &[i64], squared: &mut [i64], envelope: &mut Vec<(i64, i64)>) {
    let value = |x: i64, i: i64| (x - i) * (x - i) + g[i as usize] * g[i as usize];
    envelope.clear();
    for u in 0..g.len() as i64 {
        while let Some(&(i, start)) = envelope.last() {
            if value(start, i) <= value(start, u) {
                break;
            }
            envelope.pop();
        }
        let Some(&(i, _)) = envelope.last() else {
            envelope.push((u, 0));
            continue;
        };
        let (gu, gi) = (g[u as usize], g[i as usize]);
        let crossing = (u * u - i * i + gu * gu - gi * gi).div_euclid(2 * (u - i)) + 1;
        if crossing < g.len() as i64 {
            envelope.push((u, crossing));
        }
    }
    let mut current = 0;
    for (x, cell) in squared.iter_mut().enumerate() {
        let x = x as i64;
        while envelope
            .get(current + 1)
            .is_some_and(|(_, start)| *start <= x)
        {
            current += 1;
        }
        *cell = envelope.get(current).map_or(0, |(i, _)| value(x, *i));
    }
}
