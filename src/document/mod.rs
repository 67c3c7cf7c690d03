//! A document: a radiograph plus what a person made on it.
//!
//! Vector marks are the truth; hint and mask rasters are derived from them. A document is pure data and cheap to
//! clone (marks and accepted results are shared), so that history can keep a thousand of them.

mod edit;
mod extend;
pub mod fill;
mod history;
mod mark;
pub mod mask;
pub mod project;
pub mod raster;
pub mod stroke;

use std::sync::Arc;

use crate::geometry::Figure;
use crate::grid::Grid;
use crate::landmarks::HipLandmarks;
use crate::radiograph::Radiograph;

pub use edit::{Accepted, Edit, EditError};
pub use history::{History, MOST_STEPS, step_name};
pub use mark::{Layer, Mark, Note, Operation, Shape, StrokePoint, Tip};
pub use mask::distance_to;
pub use project::{Project, ProjectError};
pub use raster::{LayerRaster, rasterize};

/// What is edited, undone and saved.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The radiograph that was opened; its pixels never change, its millimetres by calibration alone.
    pub original: Arc<Radiograph>,
    /// Marks of both layers in the order they were made.
    pub marks: Vec<Arc<Mark>>,
    /// Hip points, found or dragged.
    pub landmarks: Option<HipLandmarks>,
    /// Figures drawn to measure, in the order they were made.
    pub figures: Vec<Arc<Figure>>,
    /// Notes pinned to the image.
    pub notes: Vec<Note>,
    /// Accepted results, oldest first; the last one is the image shown and worked on.
    pub accepted: Vec<Arc<Accepted>>,
}

impl Document {
    /// A document without any mark.
    pub fn new(radiograph: Arc<Radiograph>) -> Self {
        Self {
            original: radiograph,
            marks: Vec::new(),
            landmarks: None,
            figures: Vec::new(),
            notes: Vec::new(),
            accepted: Vec::new(),
        }
    }

    /// The image as it stands: the last accepted result, or the original.
    pub fn image(&self) -> &Arc<Radiograph> {
        self.accepted
            .last()
            .map_or(&self.original, |accepted| &accepted.radiograph)
    }

    /// Whether any pixel of the image as it stands is synthetic.
    pub fn is_synthetic(&self) -> bool {
        self.image().synthetic.is_some()
    }

    /// The marks of one layer, oldest first.
    pub fn marks_of(&self, layer: Layer) -> impl Iterator<Item = &Mark> {
        self.marks
            .iter()
            .map(AsRef::as_ref)
            .filter(move |mark| mark.layer == layer)
    }

    /// The sketch as a control hint at the size of the image, 255 = line; `None` when nothing is drawn.
    pub fn hint(&self) -> Option<Grid<u8>> {
        self.drawn(Layer::Sketch)
    }

    /// The painted mask at the size of the image, 255 = painted; `None` when nothing is painted.
    pub fn mask(&self) -> Option<Grid<u8>> {
        self.drawn(Layer::Mask)
    }

    fn drawn(&self, layer: Layer) -> Option<Grid<u8>> {
        self.marks_of(layer).next()?;
        let grid = rasterize(self, layer);
        grid.cells().iter().any(|v| *v != 0).then_some(grid)
    }
}
