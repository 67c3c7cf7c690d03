//! Marks: strokes, polygons, rectangles and filled regions, in image space.

use serde::{Deserialize, Serialize};

use crate::geometry::{PixelRect, Point};
use crate::grid::Grid;

/// The layer a mark belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// Control hint: lines that the answer follows.
    Sketch,
    /// What is painted: regenerated when inpainting, kept when outpainting.
    Mask,
}

/// Whether a mark adds to its layer or takes away from what lies below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Adds.
    Paint,
    /// Takes away from the marks before it, not from later ones.
    Erase,
}

/// One sample of the pen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StrokePoint {
    /// Where, image pixels.
    pub at: Point,
    /// 0–1; 1 where the pen tells none.
    pub pressure: f32,
}

/// The form of what a stroke is drawn with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tip {
    /// A disc.
    #[default]
    Round,
    /// A square along rows and columns of the image.
    Square,
}

impl Tip {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Round => Self::Square,
            Self::Square => Self::Round,
        }
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "what serde hands to `skip_serializing_if`"
    )]
    fn is_round(&self) -> bool {
        *self == Self::Round
    }
}

/// The form of a mark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// A line through samples with ends of the form of its tip; its width at a sample is `width × pressure`.
    Stroke {
        /// Samples in order; one sample is a dot.
        points: Vec<StrokePoint>,
        /// Full width in image pixels at pressure 1, > 0.
        width: f64,
        /// Anti-aliased coverage; otherwise every pixel is wholly in or out, as it always is of a square tip.
        smooth: bool,
        /// What it is drawn with; not written where it is round, which it always was before.
        #[serde(default, skip_serializing_if = "Tip::is_round")]
        tip: Tip,
    },
    /// A closed, filled outline (even–odd).
    Polygon {
        /// Corners in order.
        points: Vec<Point>,
    },
    /// A filled, axis-parallel rectangle between two corners.
    Rectangle {
        /// One corner.
        from: Point,
        /// The opposite corner.
        to: Point,
    },
    /// Pixels chosen by a fill: 255 inside, relative to `bounds`.
    Region {
        /// Where the raster lies.
        bounds: PixelRect,
        /// 255 = inside; of the size of `bounds`.
        #[serde(with = "crate::encoding::grid_u8")]
        inside: Grid<u8>,
    },
}

/// One thing drawn with one tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Where it counts.
    pub layer: Layer,
    /// Whether it adds or takes away.
    pub operation: Operation,
    /// Its form.
    pub shape: Shape,
}

/// A note pinned to a point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// Where, image pixels.
    pub at: Point,
    /// What it says.
    pub text: String,
}
