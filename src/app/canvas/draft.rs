//! What is being drawn: samples of the pen, and the raster that shows them in the same frame.
//!
//! Separate from the widget because strokes are tested without a screen. The raster is for the eye, drawn by the code that
//! draws the document's; the mark that leaves the canvas is vectors.

use crate::document::{Layer, Mark, Operation, Shape, StrokePoint, Tip, raster};
use crate::geometry::PixelRect;
use crate::grid::Grid;

use super::{Tool, ToolOptions};

/// A drawing gesture between press and release.
#[derive(Clone, Debug)]
pub struct Draft {
    tool: Tool,
    layer: Layer,
    options: ToolOptions,
    points: Vec<StrokePoint>,
    /// Where the raw pointer is; the steadied line follows it.
    last: StrokePoint,
}

impl Draft {
    /// Begins with the first sample.
    pub fn new(tool: Tool, layer: Layer, options: &ToolOptions, first: StrokePoint) -> Self {
        Self {
            tool,
            layer,
            options: options.clone(),
            points: vec![first],
            last: first,
        }
    }

    /// The tool it was begun with.
    pub fn tool(&self) -> Tool {
        self.tool
    }

    /// The layer it counts on.
    pub fn layer(&self) -> Layer {
        self.layer
    }

    /// Samples so far.
    pub fn points(&self) -> &[StrokePoint] {
        &self.points
    }

    /// Full width of the stroke in image pixels.
    pub fn width(&self) -> f64 {
        self.options.size_px.max(0.5)
    }

    /// Whether it takes away.
    pub fn erases(&self) -> bool {
        (self.tool == Tool::Eraser) != self.options.erase
    }

    /// Whether its edge is anti-aliased; a pen's never is, nor that of a square.
    pub fn is_smooth(&self) -> bool {
        self.options.smooth && self.tool != Tool::Pen && self.tip() == Tip::Round
    }

    /// What it is drawn with.
    pub fn tip(&self) -> Tip {
        self.options.tip_of(self.tool)
    }

    /// Draws the part of it between two samples; returns what may have changed.
    pub fn segment(&self, raster: &mut DraftRaster, a: StrokePoint, b: StrokePoint) -> PixelRect {
        raster.segment(a, b, self.width(), self.is_smooth(), self.tip())
    }

    /// Adds a sample; `false` when it is closer than `least_px` to the one before and so is not kept.
    pub fn push(&mut self, raw: StrokePoint, least_px: f64) -> bool {
        if !raw.at.is_finite() {
            return false;
        }
        self.last = raw;
        let Some(before) = self.points.last().copied() else {
            return false;
        };
        let follow = 1.0 - self.options.smoothing.clamp(0.0, 0.95);
        let at = if self.tool.is_stroke() {
            before.at + (raw.at - before.at) * follow
        } else {
            raw.at
        };
        if self.tool == Tool::Rectangle {
            self.points.truncate(1);
        } else if at.distance(before.at) < least_px {
            return false;
        }
        self.points.push(StrokePoint {
            at,
            pressure: raw.pressure,
        });
        true
    }

    /// Brings the steadied line to where the pointer is, on release.
    pub fn close(&mut self) -> bool {
        let behind = self
            .points
            .last()
            .is_some_and(|p| p.at.distance(self.last.at) > 1e-6);
        if behind && self.tool.is_stroke() {
            self.points.push(self.last);
            return true;
        }
        false
    }

    /// The mark it would be; `None` while it encloses nothing.
    pub fn mark(&self) -> Option<Mark> {
        let shape = match self.tool {
            Tool::Brush | Tool::Pen | Tool::Eraser => Shape::Stroke {
                points: self.points.clone(),
                width: self.width(),
                smooth: self.is_smooth(),
                tip: self.tip(),
            },
            Tool::Lasso if self.points.len() >= 3 => Shape::Polygon {
                points: self.points.iter().map(|p| p.at).collect(),
            },
            Tool::Rectangle if self.points.len() == 2 => Shape::Rectangle {
                from: self.points[0].at,
                to: self.points[1].at,
            },
            _ => return None,
        };
        Some(Mark {
            layer: self.layer,
            operation: if self.erases() {
                Operation::Erase
            } else {
                Operation::Paint
            },
            shape,
        })
    }
}

/// The stroke so far as coverage, and what of it the GPU has not yet got.
#[derive(Default)]
pub struct DraftRaster {
    /// 0–255, the size of the image.
    pub grid: Grid<u8>,
    /// Changed since the last upload.
    pub pending: PixelRect,
    /// Everything that is not zero lies in here.
    pub touched: PixelRect,
}

impl DraftRaster {
    /// Makes it the size of an image and empty; costs only what was touched.
    pub fn clear(&mut self, (width, height): (usize, usize)) {
        if self.grid.size() != (width, height) {
            self.grid = Grid::filled(width, height, 0);
            self.pending = self.grid.bounds();
        } else if !self.touched.is_empty() {
            let rect = self.touched.intersection(self.grid.bounds());
            for y in rect.y..rect.bottom() {
                self.grid.row_mut(y as usize)[rect.x as usize..rect.right() as usize].fill(0);
            }
            self.pending = self.pending.union(rect);
        }
        self.touched = PixelRect::default();
    }

    /// Draws the part between two samples as the document will draw it; returns what may have changed.
    ///
    /// A stroke split at its samples covers the same pixels as the whole one, so what is seen while the hand moves is what
    /// the mark will be.
    pub fn segment(
        &mut self,
        a: StrokePoint,
        b: StrokePoint,
        width: f64,
        smooth: bool,
        tip: Tip,
    ) -> PixelRect {
        let part = Mark {
            layer: Layer::Sketch,
            // Coverage alone: whether it is painted or taken away is the shader's concern.
            operation: Operation::Paint,
            shape: Shape::Stroke {
                points: vec![a, b],
                width,
                smooth,
                tip,
            },
        };
        let whole = self.grid.bounds();
        let rect = raster::draw(&mut self.grid, &part, whole);
        self.pending = self.pending.union(rect);
        self.touched = self.touched.union(rect);
        rect
    }

    /// Takes away what does not belong, inside `rect`.
    pub fn keep(&mut self, rect: PixelRect, belongs: impl Fn(usize, usize) -> bool) {
        let rect = rect.intersection(self.grid.bounds());
        for y in rect.y as usize..rect.bottom() as usize {
            let columns = rect.x as usize..rect.right() as usize;
            for (x, cell) in columns.clone().zip(&mut self.grid.row_mut(y)[columns]) {
                if *cell != 0 && !belongs(x, y) {
                    *cell = 0;
                }
            }
        }
    }
}
