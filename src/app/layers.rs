//! A layer of the document as pixels that a canvas can show.
//!
//! Separate from the document because it carries what the screen needs: a shared grid, a generation, a dirty rectangle.

use std::sync::Arc;

use super::canvas::{Measured, OverlayRaster};
use crate::document::{Document, Layer, LayerRaster};
use crate::geometry::PixelRect;
use crate::grid::Grid;
use crate::radiograph::Radiograph;

/// A layer as pixels, ready for the canvas.
pub struct LayerPixels {
    raster: LayerRaster,
    /// What the canvas shows.
    pub overlay: OverlayRaster,
    /// Pixels that are drawn or painted; counted where something changes.
    pub painted_px: usize,
}

impl LayerPixels {
    pub(super) fn new(layer: Layer, width: usize, height: usize) -> Self {
        Self {
            raster: LayerRaster::new(layer, width, height),
            overlay: OverlayRaster {
                grid: Arc::new(Grid::filled(width, height, 0)),
                generation: 0,
                dirty: None,
            },
            painted_px: 0,
        }
    }

    /// Follows the document; only the rectangle that changed is drawn and copied.
    pub(super) fn update(&mut self, document: &Document) {
        let dirty = self.raster.update(document);
        if dirty.is_empty() {
            return;
        }
        let fresh = self.raster.grid();
        if fresh.size() == self.overlay.grid.size() {
            let grid = Arc::make_mut(&mut self.overlay.grid);
            self.painted_px -= painted_in(grid, dirty);
            copy_rows(fresh, grid, dirty);
            self.painted_px += painted_in(grid, dirty);
            self.overlay.dirty = Some(dirty);
        } else {
            self.painted_px = painted_in(fresh, fresh.bounds());
            self.overlay.grid = Arc::new(fresh.clone());
            self.overlay.dirty = None;
        }
        self.overlay.generation += 1;
    }
}

/// The figures of the document with their numbers, measured once each.
#[derive(Default)]
pub struct Figures {
    /// In the order of the document.
    pub all: Vec<Measured>,
    image: Option<Arc<Radiograph>>,
}

impl Figures {
    /// Follows the document; what did not change keeps its numbers.
    pub(super) fn update(&mut self, document: &Document) {
        let image = document.image();
        let same = self
            .image
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, image));
        let known = if same {
            std::mem::take(&mut self.all)
        } else {
            Vec::new()
        };
        self.image = Some(Arc::clone(image));
        self.all = document
            .figures
            .iter()
            .map(|figure| {
                known
                    .iter()
                    .find(|measured| Arc::ptr_eq(&measured.figure, figure))
                    .cloned()
                    .unwrap_or_else(|| Measured::new(Arc::clone(figure), image))
            })
            .collect();
    }
}

/// Cells above 0 in a part of a grid.
fn painted_in(grid: &Grid<u8>, rect: PixelRect) -> usize {
    let rect = rect.intersection(grid.bounds());
    let columns = rect.x as usize..rect.right() as usize;
    (rect.y as usize..rect.bottom() as usize)
        .map(|y| {
            grid.row(y)[columns.clone()]
                .iter()
                .filter(|v| **v != 0)
                .count()
        })
        .sum()
}

fn copy_rows(from: &Grid<u8>, to: &mut Grid<u8>, rect: PixelRect) {
    let rect = rect.intersection(from.bounds());
    let columns = rect.x as usize..rect.right() as usize;
    for y in rect.y as usize..rect.bottom() as usize {
        to.row_mut(y)[columns.clone()].copy_from_slice(&from.row(y)[columns.clone()]);
    }
}
