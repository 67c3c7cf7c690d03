//! A larger canvas: the same image with room at its edges.
//!
//! The pixels of the image are copied bit for bit; the room repeats the nearest pixel until something is put there.
//! Whatever holds such room is marked, since a repeated pixel was never measured.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Photometric, Pixels, Radiograph, SyntheticMark};
use crate::geometry::PixelRect;
use crate::grid::Grid;

/// Pixels added at each edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Margins {
    /// Columns on the left.
    pub left: usize,
    /// Rows at the top.
    pub top: usize,
    /// Columns on the right.
    pub right: usize,
    /// Rows at the bottom.
    pub bottom: usize,
}

impl Margins {
    /// Whether nothing is added.
    pub const fn is_empty(&self) -> bool {
        self.left == 0 && self.top == 0 && self.right == 0 && self.bottom == 0
    }

    /// Columns and rows of an image of `size` with this room; `None` beyond 65 535 a side, which no file can hold.
    pub fn around(&self, size: (usize, usize)) -> Option<(usize, usize)> {
        let add = |a: usize, b: usize, c: usize| {
            let sum = a.checked_add(b)?.checked_add(c)?;
            (sum <= 65_535).then_some(sum)
        };
        Some((
            add(size.0, self.left, self.right)?,
            add(size.1, self.top, self.bottom)?,
        ))
    }

    /// The bands of room around an image of `size`, in pixels of the larger one: above, below, left, right.
    pub const fn bands(&self, size: (usize, usize)) -> [PixelRect; 4] {
        let width = self.left + size.0 + self.right;
        let below = (self.top + size.1) as i64;
        let beside = (self.left + size.0) as i64;
        [
            PixelRect::new(0, 0, width, self.top),
            PixelRect::new(0, below, width, self.bottom),
            PixelRect::new(0, self.top as i64, self.left, size.1),
            PixelRect::new(beside, self.top as i64, self.right, size.1),
        ]
    }

    /// 255 in the room, 0 where the image of `size` lies.
    pub fn mask(&self, size: (usize, usize)) -> Grid<u8> {
        let (width, height) = (
            self.left + size.0 + self.right,
            self.top + size.1 + self.bottom,
        );
        let columns = self.left..self.left + size.0;
        let rows = self.top..self.top + size.1;
        Grid::from_fn(width, height, |x, y| {
            if columns.contains(&x) && rows.contains(&y) {
                0
            } else {
                255
            }
        })
    }
}

impl Pixels {
    /// The part inside `rect` at the same depth; pixels of `rect` outside the image take the nearest pixel's value.
    #[must_use]
    pub fn crop(&self, rect: PixelRect) -> Self {
        fn part<T: Copy>(grid: &Grid<T>, rect: PixelRect) -> Grid<T> {
            let (width, height) = (grid.width() as i64, grid.height() as i64);
            Grid::from_fn(rect.width, rect.height, |x, y| {
                let x = (rect.x + x as i64).clamp(0, width - 1) as usize;
                let y = (rect.y + y as i64).clamp(0, height - 1) as usize;
                grid[(x, y)]
            })
        }
        match self {
            Self::U8(grid) => Self::U8(part(grid, rect)),
            Self::U16(grid) => Self::U16(part(grid, rect)),
            Self::I16(grid) => Self::I16(part(grid, rect)),
            Self::F32(grid) => Self::F32(part(grid, rect)),
        }
    }
}

impl Radiograph {
    /// The image with black where `mask` is not 0, colors too: what was burned into it there is gone, and it says so.
    ///
    /// A mask of another size changes nothing.
    #[must_use]
    pub fn blackened(&self, mask: &Grid<u8>) -> Self {
        let mut image = self.clone();
        if mask.size() != (self.width(), self.height()) {
            return image;
        }
        let (low, high) = self.stored_limits().unwrap_or_else(|| self.pixels.range());
        let black = match self.photometric {
            Photometric::Monochrome1 => high,
            Photometric::Monochrome2 => low,
        };
        let inside = |x: usize, y: usize| mask[(x, y)] != 0;
        let values = self.pixels.to_f32();
        let values = Grid::from_fn(self.width(), self.height(), |x, y| {
            if inside(x, y) {
                black as f32
            } else {
                values[(x, y)]
            }
        });
        let colors = self.color().map(|colors| {
            let (width, height) = colors.size();
            Arc::new(Grid::from_fn(width, height, |x, y| {
                if inside(x, y) { [0; 3] } else { colors[(x, y)] }
            }))
        });
        image.replace_pixels(self.pixels.like(&values));
        "NO".clone_into(&mut image.burned_in);
        image.with_color(colors)
    }

    /// The image with room at its edges, marked as holding pixels that were not measured; `None` when it would be
    /// larger than 65 535 pixels a side, or has no pixels.
    pub fn extended(&self, margins: &Margins) -> Option<Self> {
        let size = (self.width(), self.height());
        let (width, height) = margins.around(size)?;
        if size.0 == 0 || size.1 == 0 {
            return None;
        }
        let rect = PixelRect::new(-(margins.left as i64), -(margins.top as i64), width, height);
        let mut larger = self.clone();
        // Room that was never seen has no color: the larger image is grey.
        larger.replace_pixels(self.pixels.crop(rect));
        for overlay in &mut larger.overlays {
            if let Pixels::U8(ink) = &overlay.ink {
                overlay.ink = Pixels::U8(ink.crop(rect, 0));
            }
        }
        if !margins.is_empty() && larger.synthetic.is_none() {
            larger.synthetic = Some(SyntheticMark {
                evidence: "canvas extended by this program".to_owned(),
                contribution: format!(
                    "{} columns and {} rows at the edges were not measured",
                    width - size.0,
                    height - size.1
                ),
            });
        }
        Some(larger)
    }
}
