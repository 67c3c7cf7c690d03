//! The raster of a layer that follows its document and redraws only what changed.

use std::sync::Arc;

use super::{bounds_of, draw};
use crate::document::{Document, Layer, Mark};
use crate::geometry::PixelRect;
use crate::grid::Grid;

/// One layer as pixels, kept up to date from edit to edit.
#[derive(Clone, Debug)]
pub struct LayerRaster {
    layer: Layer,
    grid: Grid<u8>,
    generation: u64,
    drawn: Vec<Arc<Mark>>,
}

impl LayerRaster {
    /// An empty raster of the given size.
    pub fn new(layer: Layer, width: usize, height: usize) -> Self {
        Self {
            layer,
            grid: Grid::filled(width, height, 0),
            generation: 0,
            drawn: Vec::new(),
        }
    }

    /// The raster, image space: 0 outside, 255 inside.
    pub fn grid(&self) -> &Grid<u8> {
        &self.grid
    }

    /// Moves on whenever a pixel may have changed: what a texture compares itself with.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Takes over the marks of the document and returns the rectangle that may have changed, empty when none did.
    ///
    /// Marks added on top are drawn over what is there; after anything else only the rectangle of the marks that
    /// came or went is drawn anew. A document of another size starts the raster afresh.
    pub fn update(&mut self, document: &Document) -> PixelRect {
        let size = (document.image().width(), document.image().height());
        let resized = size != self.grid.size();
        if resized {
            self.grid = Grid::filled(size.0, size.1, 0);
            self.drawn.clear();
        }
        let marks: Vec<Arc<Mark>> = document
            .marks
            .iter()
            .filter(|mark| mark.layer == self.layer)
            .cloned()
            .collect();
        let same = |(a, b): &(&Arc<Mark>, &Arc<Mark>)| Arc::ptr_eq(a, b);
        let kept = self.drawn.iter().zip(&marks).take_while(same).count();
        let tail = (self.drawn.len() - kept).min(marks.len() - kept);
        let kept_after = (self.drawn.iter().rev().zip(marks.iter().rev()))
            .take_while(same)
            .take(tail)
            .count();
        let gone = &self.drawn[kept..self.drawn.len() - kept_after];
        let come = &marks[kept..marks.len() - kept_after];
        let mut dirty = gone
            .iter()
            .chain(come)
            .map(|mark| bounds_of(mark).intersection(self.grid.bounds()))
            .fold(PixelRect::default(), PixelRect::union);
        if gone.is_empty() && kept_after == 0 {
            for mark in come {
                draw(&mut self.grid, mark, dirty);
            }
        } else if !dirty.is_empty() {
            for y in dirty.y..dirty.bottom() {
                self.grid.row_mut(y as usize)[dirty.x as usize..dirty.right() as usize].fill(0);
            }
            for mark in &marks {
                draw(&mut self.grid, mark, dirty);
            }
        }
        self.drawn = marks;
        if resized {
            dirty = self.grid.bounds();
        }
        self.generation += u64::from(!dirty.is_empty());
        dirty
    }
}
