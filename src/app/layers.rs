//! A layer of the document as pixels that a canvas can show.
//!
//! Separate from the document because it carries what the screen needs: a shared grid, a generation, a dirty rectangle.

use std::collections::VecDeque;
use std::sync::Arc;

use super::canvas::{Measured, OverlayRaster};
use crate::document::{Document, Layer, LayerRaster};
use crate::geometry::PixelRect;
use crate::grid::Grid;
use crate::radiograph::Radiograph;

/// Changes of a layer that are remembered one by one.
const REMEMBERED: usize = 64;

/// A layer as pixels, ready for the canvas.
pub struct LayerPixels {
    raster: LayerRaster,
    /// What each of the last generations changed, the newest last.
    changes: VecDeque<(u64, PixelRect)>,
    /// The generation from which on `changes` knows all.
    known_from: u64,
    /// What the canvas shows.
    pub overlay: OverlayRaster,
}

impl LayerPixels {
    pub(super) fn new(layer: Layer, width: usize, height: usize) -> Self {
        Self {
            raster: LayerRaster::new(layer, width, height),
            changes: VecDeque::new(),
            known_from: 0,
            overlay: OverlayRaster {
                grid: Arc::new(Grid::filled(width, height, 0)),
                generation: 0,
                dirty: None,
            },
        }
    }

    /// Follows the document; only the rectangle that changed is drawn and copied.
    pub(super) fn update(&mut self, document: &Document) {
        let dirty = self.raster.update(document);
        if dirty.is_empty() {
            return;
        }
        let fresh = self.raster.grid();
        let generation = self.overlay.generation + 1;
        if fresh.size() == self.overlay.grid.size() {
            let grid = Arc::make_mut(&mut self.overlay.grid);
            copy_rows(fresh, grid, dirty);
            self.overlay.dirty = Some(dirty);
            self.changes.push_back((generation, dirty));
            if self.changes.len() > REMEMBERED
                && let Some((forgotten, _)) = self.changes.pop_front()
            {
                self.known_from = forgotten;
            }
        } else {
            self.overlay.grid = Arc::new(fresh.clone());
            self.overlay.dirty = None;
            self.changes.clear();
            self.known_from = generation;
        }
        self.overlay.generation = generation;
    }

    /// The rectangle around all that changed since a generation, empty where nothing did; `None` when that is not
    /// known any more.
    pub(super) fn changed_since(&self, generation: u64) -> Option<PixelRect> {
        let later = self.changes.iter().filter(|(when, _)| *when > generation);
        (generation >= self.known_from)
            .then(|| later.fold(PixelRect::default(), |all, (_, rect)| all.union(*rect)))
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

fn copy_rows(from: &Grid<u8>, to: &mut Grid<u8>, rect: PixelRect) {
    let rect = rect.intersection(from.bounds());
    let columns = rect.x as usize..rect.right() as usize;
    for y in rect.y as usize..rect.bottom() as usize {
        to.row_mut(y)[columns.clone()].copy_from_slice(&from.row(y)[columns.clone()]);
    }
}
