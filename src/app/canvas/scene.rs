//! What a canvas is given to show, and what it says happened: plain borrowed data in, events out.
//!
//! Separate from the widget so that the panels can be written against it.

use std::sync::Arc;

use super::{Measured, Planes};
use crate::document::{Layer, Mark, Tip};
use crate::geometry::{Figure, FigureKind, PixelRect, Point};
use crate::grid::Grid;
use crate::landmarks::{HipLandmarks, HipPoint, Side};
use crate::radiograph::{Margins, Radiograph};

use super::veil::Veil;

/// A raster of one layer at the size of the image, with what changed since the generation before.
#[derive(Clone, Debug)]
pub struct OverlayRaster {
    /// 0 = nothing, 255 = fully covered.
    pub grid: Arc<Grid<u8>>,
    /// Moves on by one with every change; never used for two different contents.
    pub generation: u64,
    /// What changed since `generation − 1`; absent = everything may have.
    pub dirty: Option<PixelRect>,
}

/// What the left button does.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Tool {
    /// Wide stroke.
    #[default]
    Brush,
    /// Thin, hard line.
    Pen,
    /// Stroke that takes away.
    Eraser,
    /// Closed outline by hand.
    Lasso,
    /// Axis-parallel rectangle.
    Rectangle,
    /// Fill of similar pixels from a point.
    Fill,
    /// Hip points: drag centers, rims and radii.
    Hips,
    /// Draws a figure that measures.
    Measure(FigureKind),
    /// Moves the image, and takes hold of what is drawn on it.
    Select,
    /// Drags the edges of the canvas outward.
    Bounds,
}

impl Tool {
    /// Whether it draws a stroke of a width.
    pub const fn is_stroke(self) -> bool {
        matches!(self, Self::Brush | Self::Pen | Self::Eraser)
    }
}

/// How the tools draw.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ToolOptions {
    /// Full width of a stroke in image pixels, > 0.
    pub size_px: f64,
    /// Anti-aliased edge; otherwise every pixel is wholly in or out.
    pub smooth: bool,
    /// What brush and eraser are; a pen is always round.
    pub tip: Tip,
    /// Steadies the hand: 0 = the raw pointer, towards 1 = slow and smooth.
    pub smoothing: f64,
    /// Paint and erase exchanged (`X`).
    pub erase: bool,
    /// How far stored values may lie from the one clicked, as a fraction of the window width, 0–1.
    pub fill_tolerance: f64,
    /// Strokes take only pixels whose modality value lies between these two; absent = all.
    pub range: Option<[f64; 2]>,
}

impl ToolOptions {
    /// What this tool is.
    pub fn tip_of(&self, tool: Tool) -> Tip {
        match tool {
            Tool::Brush | Tool::Eraser => self.tip,
            _ => Tip::Round,
        }
    }

    /// Whether a stroke may take a pixel of this modality value.
    pub fn takes(&self, value: Option<f64>) -> bool {
        self.range.is_none_or(|[low, high]| {
            value.is_some_and(|v| v >= low.min(high) && v <= high.max(low))
        })
    }
}

impl Default for ToolOptions {
    fn default() -> Self {
        Self {
            size_px: 24.0,
            smooth: false,
            tip: Tip::Round,
            smoothing: 0.0,
            erase: false,
            fill_tolerance: 0.1,
            range: None,
        }
    }
}

/// Everything a canvas shows; borrowed for one frame.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches of the window, each named"
)]
pub struct Scene<'a> {
    /// The image.
    pub image: &'a Arc<Radiograph>,
    /// The answer, shown to the right of the split; must be of the same size.
    pub after: Option<&'a Arc<Radiograph>>,
    /// Where the before/after slider stands: 0 = all `after`, 1 = all `image`.
    pub split: f32,
    /// What lies over the answer, with its scale.
    pub veil: Option<&'a Veil>,
    /// The layer that the tools draw on.
    pub layer: Layer,
    /// The sketch layer.
    pub hint: Option<&'a OverlayRaster>,
    /// The mask layer.
    pub mask: Option<&'a OverlayRaster>,
    /// Whether the painted part is regenerated (inpainting) or everything else (outpainting).
    pub regenerate_inside: bool,
    /// How far outside the painted part pixels may change, image pixels; 0 = no ring is drawn.
    pub ring_px: f64,
    /// Edges of the part that noise is put into, image pixels; none = no contour of its own.
    pub denoised: &'a [[Point; 2]],
    /// Hip points.
    pub landmarks: Option<&'a HipLandmarks>,
    /// 90 % intervals of the Norberg angles, degrees, `[left, right]`.
    pub intervals: Option<[[f64; 2]; 2]>,
    /// Whether the construction of the hips is drawn.
    pub show_hips: bool,
    /// Figures drawn to measure.
    pub figures: &'a [Measured],
    /// The figure that is chosen.
    pub chosen: Option<usize>,
    /// Whether what lies under the pointer is magnified.
    pub loupe: bool,
    /// What the left button does.
    pub tool: Tool,
    /// How the tools draw.
    pub tool_options: &'a ToolOptions,
    /// Lines in the corners: top left, top right, bottom left, bottom right.
    pub corner_texts: &'a [Vec<String>; 4],
    /// Whether a badge must be shown.
    pub synthetic: bool,
    /// Whether overlays (layers, contours, corners) are shown; the badge always is.
    pub overlays: bool,
    /// Which overlay planes of the file are shown, where overlays are.
    pub planes: Planes,
    /// Left = window, middle = pan, right = zoom, as in a PACS viewer.
    pub pacs_buttons: bool,
    /// Whether the wheel steps through frames, and Ctrl+wheel zooms.
    pub stack: bool,
    /// Name for screen readers: `Sketch`, `Mask`.
    pub title: &'a str,
}

/// What lies under the pointer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Under {
    /// Where, image pixels.
    pub at: Point,
    /// Whether the answer is what is shown there, and not the image.
    pub answer: bool,
    /// The layer of its canvas.
    pub layer: Layer,
}

/// What happened on a canvas.
#[derive(Clone, Debug, PartialEq)]
pub enum CanvasEvent {
    /// A mark was finished.
    Mark(Mark),
    /// A fill was asked for at an image point.
    Fill {
        /// Where, image pixels.
        at: Point,
    },
    /// A hip point was dragged; `done` when the button went up.
    MoveLandmark {
        /// The patient's side.
        side: Side,
        /// Which point.
        point: HipPoint,
        /// Where to, image pixels.
        to: Point,
        /// Whether the drag ended.
        done: bool,
    },
    /// The hip tool was pressed on a film without points.
    PlaceLandmarks(Point),
    /// A hip drag was canceled: the points are as they were before it.
    RestoreLandmarks(HipLandmarks),
    /// A figure was finished.
    Figure(Figure),
    /// A figure was chosen, or none.
    ChooseFigure(Option<usize>),
    /// A figure was dragged, as a whole or by one of its points; `done` when the button went up.
    MoveFigure {
        /// Which.
        index: usize,
        /// What it is now.
        figure: Figure,
        /// Whether the drag ended.
        done: bool,
    },
    /// A drag of a figure was canceled: it is as it was before.
    RestoreFigure,
    /// The pointer is over another point or another image than before, or has left.
    PointerAt(Option<Under>),
    /// The draft grew.
    DraftChanged,
    /// Esc dropped the gesture.
    Cancelled,
    /// The edges of the canvas were dragged outward.
    Extend(Margins),
    /// The before/after slider was dragged.
    SplitMoved(f32),
    /// The wheel asks for another frame: +1 next, −1 previous; a touchpad may ask for several.
    FrameStep(i32),
}
