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
    /// Pixels that are drawn or painted; counted where something changes.
    pub painted_px: usize,
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
        let generation = self.overlay.generation + 1;
        if fresh.size() == self.overlay.grid.size() {
            let grid = Arc::make_mut(&mut self.overlay.grid);
            self.painted_px -= painted_in(grid, dirty);
            copy_rows(fresh, grid, dirty);
            self.painted_px += painted_in(grid, dirty);
            self.overlay.dirty = Some(dirty);
            self.changes.push_back((generation, dirty));
            if self.changes.len() > REMEMBERED
                && let Some((forgotten, _)) = self.changes.pop_front()
            {
                self.known_from = forgotten;
            }
        } else {
            self.painted_px = painted_in(fresh, fresh.bounds());
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
    answer: Option<Arc<Radiograph>>,
    held: bool,
}

impl Figures {
    /// Says what lies over the image, and whether a figure is under the hand: a large one is measured when it is left.
    pub(super) fn follow(
        &mut self,
        document: &Document,
        answer: Option<&Arc<Radiograph>>,
        held: bool,
    ) {
        let same = same_image(self.answer.as_ref(), answer);
        let waits = self.all.iter().any(|measured| measured.waits);
        self.held = held;
        if !same {
            self.answer = answer.cloned();
            let answer = answer.map(|answer| &**answer);
            for measured in &mut self.all {
                *measured = measured.clone().answered(answer);
            }
        }
        if waits && !held {
            self.update(document);
        }
    }

    /// A figure is under the hand from now on, or no more.
    pub(super) fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Follows the document; what did not change keeps its numbers.
    pub(super) fn update(&mut self, document: &Document) {
        let image = document.image();
        let same = same_image(self.image.as_ref(), Some(image));
        let (answer, held) = (self.answer.as_deref(), self.held);
        let answer = answer
            .filter(|answer| (answer.width(), answer.height()) == (image.width(), image.height()));
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
                    .find(|measured| {
                        Arc::ptr_eq(&measured.figure, figure) && (held || !measured.waits)
                    })
                    .cloned()
                    .unwrap_or_else(|| {
                        let figure = Arc::clone(figure);
                        let measured = if held {
                            Measured::held(figure, image)
                        } else {
                            Measured::new(figure, image)
                        };
                        measured.answered(answer)
                    })
            })
            .collect();
    }
}

fn same_image(a: Option<&Arc<Radiograph>>, b: Option<&Arc<Radiograph>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
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
