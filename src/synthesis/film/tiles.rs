//! The squares of a second pass over a part that is too large for a single tighter crop.
//!
//! Outpainting, a band across the film or a mask of most of it have no crop that shows them finer; up to nine squares
//! that overlap do.

use super::composite::Blend;
use super::crop::CropTransform;
use super::frame::{COARSE, FINER, Frame, reach, renewed, shift};
use crate::geometry::PixelRect;
use crate::grid::Grid;
use crate::job::Request;

/// Squares along each side at most.
pub(in crate::synthesis) const ALONG: usize = 3;
/// Distance of neighbours as parts of their side: a sixth overlaps.
pub(in crate::synthesis) const STRIDE: [usize; 2] = [5, 6];

/// Squares of one size, in step with one latent under all of them.
#[derive(Clone, Debug)]
pub(in crate::synthesis) struct Squares {
    /// Those with something to renew, each with its first column and row in cells of the latent.
    pub(in crate::synthesis) frames: Vec<(Frame, [usize; 2])>,
    /// Columns and rows of the latent.
    pub(in crate::synthesis) cells: [usize; 2],
    /// Cells of the overlap of two neighbours.
    pub(in crate::synthesis) overlap: usize,
    /// What the latent shows, in image pixels.
    pub(in crate::synthesis) region: PixelRect,
}

impl Frame {
    /// The squares of a second pass of a model whose latent has `cells` a side; `None` where they would show nothing
    /// finer, and for records from before there were such.
    pub(in crate::synthesis) fn squares(&self, request: &Request, cells: usize) -> Option<Squares> {
        let coarse = self.crop.scale() * COARSE >= 1.0;
        if request.composite == 0 || request.passes < 2 || request.preview || !coarse || cells < 2 {
            return None;
        }
        let blend = self.blend.as_ref()?;
        let part = reach(&renewed(request)?, request).intersection(blend.region);
        if part.is_empty() {
            return None;
        }
        let stride = (cells * STRIDE[0] / STRIDE[1]).max(1);
        let span = |count: usize| cells + (count - 1) * stride;
        // A cell covers whole pixels, so that all squares lie in step; no fewer than the model has for it.
        let least = self.crop.model_px / cells;
        let long = part.width.max(part.height);
        let cell_px = long.div_ceil(span(ALONG)).max(least);
        let side = cells * cell_px;
        if side as f64 >= FINER * self.crop.region.width as f64 {
            return None;
        }
        let count = |length: usize| {
            (1..ALONG)
                .find(|count| span(*count) * cell_px >= length)
                .unwrap_or(ALONG)
        };
        let (columns, rows) = (count(part.width), count(part.height));
        let all = [span(columns), span(rows)];
        let region = PixelRect::new(
            start(
                part.x,
                part.width,
                all[0] * cell_px,
                self.crop.region.x,
                self.crop.region.width,
            ),
            start(
                part.y,
                part.height,
                all[1] * cell_px,
                self.crop.region.y,
                self.crop.region.height,
            ),
            all[0] * cell_px,
            all[1] * cell_px,
        );
        let squares = (0..columns * rows).map(|i| [i % columns * stride, i / columns * stride]);
        let frames = squares.filter_map(|at| {
            let square = PixelRect::new(
                region.x + (at[0] * cell_px) as i64,
                region.y + (at[1] * cell_px) as i64,
                side,
                side,
            );
            Some((self.over(blend, square)?, at))
        });
        let frames: Vec<_> = frames.collect();
        (!frames.is_empty()).then_some(Squares {
            frames,
            cells: all,
            overlap: cells - stride,
            region,
        })
    }

    /// This frame's part in a square; `None` where nothing is renewed in it.
    fn over(&self, blend: &Blend, square: PixelRect) -> Option<Self> {
        let region = square.intersection(blend.region);
        let share = blend.share.crop(shift(blend.region, region), 0.0);
        let counts = !region.is_empty() && share.cells().iter().any(|s| *s > 0.0);
        counts.then(|| Self {
            crop: CropTransform {
                region: square,
                ..self.crop
            },
            map: self.map.clone(),
            blend: Some(Blend { region, share }),
            size: self.size,
            matched: None,
        })
    }
}

/// Where `length` pixels about the middle of a part begin, moved into the crop as far as they fit.
fn start(part: i64, part_length: usize, length: usize, crop: i64, crop_length: usize) -> i64 {
    let centered = part + (part_length as i64 - length as i64).div_euclid(2);
    let room = crop_length as i64 - length as i64;
    if room <= 0 {
        centered
    } else {
        centered.clamp(crop, crop + room)
    }
}

/// How much a place counts along one side of a square: it fades over what overlaps.
pub(in crate::synthesis) fn ramp(length: usize, overlap: usize) -> Vec<f32> {
    let share = |distance: usize| (distance as f32 + 0.5) / overlap.max(1) as f32;
    (0..length)
        .map(|i| share(i).min(share(length - 1 - i)).min(1.0))
        .collect()
}

/// Adds a patch, weighed by the ramp on both sides, and its weights.
pub(in crate::synthesis) fn add(
    patch: &Grid<f32>,
    ramp: &[f32],
    at: [usize; 2],
    sum: &mut Grid<f32>,
    weight: &mut Grid<f32>,
) {
    for (y, down) in ramp.iter().enumerate() {
        for (x, across) in ramp.iter().enumerate() {
            let share = across * down;
            let place = (at[0] + x, at[1] + y);
            sum[place] += share * patch[(x, y)];
            weight[place] += share;
        }
    }
}

/// Makes sums of patches their means; where none lies, what was there `before` stands.
pub(in crate::synthesis) fn settle(sum: &mut Grid<f32>, weight: &Grid<f32>, before: &Grid<f32>) {
    let cells = sum.cells_mut().iter_mut().zip(weight.cells());
    for ((cell, weight), before) in cells.zip(before.cells()) {
        *cell = if *weight > 0.0 {
            *cell / weight
        } else {
            *before
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::job::{Mode, ModelReference};
    use crate::radiograph::{Pixels, Radiograph};

    fn squares(size: (usize, usize), mode: Mode, painted: PixelRect) -> Option<(Frame, Squares)> {
        let mut request = Request::new(mode, ModelReference::default());
        let film = Grid::filled(size.0, size.1, 1000_u16);
        request.source = Some(Arc::new(Radiograph::from_pixels(Pixels::U16(film))));
        request.mask = Some(Grid::from_fn(size.0, size.1, |x, y| {
            if painted.contains(x as i64, y as i64) {
                255
            } else {
                0
            }
        }));
        let frame = Frame::new(&request, 64).unwrap();
        let squares = frame.squares(&request, 8);
        request.composite = 0;
        assert!(frame.squares(&request, 8).is_none(), "older records");
        squares.map(|squares| (frame, squares))
    }

    #[test]
    fn squares_lie_in_step_and_over_all_that_changes() {
        for (size, mode, painted, most) in [
            (
                (400, 300),
                Mode::Outpaint,
                PixelRect::new(150, 100, 90, 90),
                9,
            ),
            (
                (400, 300),
                Mode::Inpaint,
                PixelRect::new(10, 5, 370, 290),
                9,
            ),
            (
                (500, 300),
                Mode::Inpaint,
                PixelRect::new(0, 130, 500, 30),
                3,
            ),
            ((300, 900), Mode::Inpaint, PixelRect::new(20, 0, 40, 900), 3),
            (
                (211, 467),
                Mode::Outpaint,
                PixelRect::new(3, 5, 200, 430),
                9,
            ),
        ] {
            let (frame, squares) = squares(size, mode, painted).unwrap();
            assert!((2..=most).contains(&squares.frames.len()));
            let mut covered = Grid::filled(size.0, size.1, false);
            let cell_px = squares.region.width / squares.cells[0];
            for (square, at) in &squares.frames {
                let region = square.crop.region;
                assert!((region.width as f64) < FINER * frame.crop.region.width as f64);
                assert_eq!(region.width, region.height);
                let start = squares.region.x + (at[0] * cell_px) as i64;
                assert_eq!(region.x, start, "{size:?}");
                for y in region.y.max(0)..region.bottom().min(size.1 as i64) {
                    for x in region.x.max(0)..region.right().min(size.0 as i64) {
                        covered[(x as usize, y as usize)] = true;
                    }
                }
            }
            let blend = frame.blend.as_ref().unwrap();
            for y in 0..blend.region.height {
                for x in 0..blend.region.width {
                    let place = (blend.region.x as usize + x, blend.region.y as usize + y);
                    assert!(blend.share[(x, y)] == 0.0 || covered[place], "{place:?}");
                }
            }
        }
        let small = PixelRect::new(5, 5, 50, 50);
        assert!(squares((64, 64), Mode::Inpaint, small).is_none());
    }
}
