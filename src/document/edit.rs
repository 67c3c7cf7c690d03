//! Edits: the only way a document changes, and the lines of its journal.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Document, Layer, Mark, Note};
use crate::geometry::{Figure, Point};
use crate::grid::Grid;
use crate::landmarks::{HipLandmarks, HipPoint, Side};
use crate::radiograph::{Margins, Radiograph, Spacing};

/// A result that became part of the document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// The composite at native depth; marked synthetic.
    pub radiograph: Arc<Radiograph>,
    /// 255 where pixels may have changed: the mask grown by its ring.
    #[serde(with = "crate::encoding::grid_u8")]
    pub changed: Grid<u8>,
    /// Hip points read from the result, if any.
    pub landmarks: Option<HipLandmarks>,
    /// `record.json`: everything that reproduces it.
    pub record: serde_json::Value,
}

/// One change to a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edit {
    /// Adds a mark on top.
    AddMark(Arc<Mark>),
    /// Removes the mark at this index of `Document::marks`.
    RemoveMark(usize),
    /// Removes all marks of a layer.
    ClearLayer(Layer),
    /// Sets or removes all hip points.
    SetLandmarks(Option<HipLandmarks>),
    /// Moves one hip point.
    MoveLandmark {
        /// The patient's side.
        side: Side,
        /// Which point.
        point: HipPoint,
        /// Where to, image pixels.
        to: Point,
    },
    /// Adds a figure drawn to measure.
    AddFigure(Arc<Figure>),
    /// Puts another figure in the place of the one at this index: a point was moved.
    SetFigure(usize, Arc<Figure>),
    /// Removes the figure at this index.
    RemoveFigure(usize),
    /// Removes all figures.
    ClearFigures,
    /// Adds a note.
    AddNote(Note),
    /// Removes the note at this index.
    RemoveNote(usize),
    /// Makes a result the image that is shown and worked on.
    Accept(Arc<Accepted>),
    /// Gives the image room at its edges, painted on the mask layer.
    Extend(Margins),
    /// Millimetres a pixel as a person measured them; absent = unknown.
    Calibrate(Option<Spacing>),
}

/// Why an edit cannot be applied; the document is then as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// There is no mark or note with this index.
    #[error("there is no {what} number {index}")]
    NoSuch {
        /// `mark`, `figure` or `note`.
        what: &'static str,
        /// The index asked for.
        index: usize,
    },
    /// A point, width or radius is not a usable number.
    #[error("the {0} has a coordinate or size that is not a usable number")]
    NotANumber(&'static str),
    /// Hip points are moved before there are any.
    #[error("there are no hip points to move; place them first")]
    NoLandmarks,
    /// An accepted image or region of another size.
    #[error("the {what} is {found_width} × {found_height}, the image {width} × {height}")]
    SizeMismatch {
        /// What has the wrong size.
        what: &'static str,
        /// Columns found.
        found_width: usize,
        /// Rows found.
        found_height: usize,
        /// Columns of the image.
        width: usize,
        /// Rows of the image.
        height: usize,
    },
    /// A canvas that is extended by nothing.
    #[error("the canvas is not extended: every edge stays where it is")]
    NoRoom,
    /// A canvas that no file could hold.
    #[error("an image can have at most 65535 pixels a side")]
    TooLarge,
    /// An accepted image that carries no synthetic mark.
    #[error("a generated image without its synthetic mark is refused")]
    NotMarked,
}

impl Document {
    /// Applies one edit, or leaves the document as it was.
    ///
    /// Accepting a result clears the mask layer: a mask that was used never waits unseen for the next image.
    pub fn apply(&mut self, edit: &Edit) -> Result<(), EditError> {
        match edit {
            Edit::AddMark(mark) => {
                mark.check()?;
                self.marks.push(Arc::clone(mark));
            }
            Edit::RemoveMark(index) => {
                let index = *index;
                if index >= self.marks.len() {
                    return Err(EditError::NoSuch {
                        what: "mark",
                        index,
                    });
                }
                self.marks.remove(index);
            }
            Edit::ClearLayer(layer) => self.marks.retain(|mark| mark.layer != *layer),
            Edit::SetLandmarks(landmarks) => {
                if landmarks.as_ref().is_some_and(|l| !l.is_valid()) {
                    return Err(EditError::NotANumber("hip point"));
                }
                self.landmarks = *landmarks;
            }
            Edit::MoveLandmark { side, point, to } => {
                if !to.is_finite() {
                    return Err(EditError::NotANumber("hip point"));
                }
                let landmarks = self.landmarks.ok_or(EditError::NoLandmarks)?;
                self.landmarks = Some(landmarks.with_point(*side, *point, *to));
            }
            Edit::AddFigure(figure) => {
                self.figures.push(usable(figure)?);
            }
            Edit::SetFigure(index, figure) => {
                let figure = usable(figure)?;
                *self.figures.get_mut(*index).ok_or(EditError::NoSuch {
                    what: "figure",
                    index: *index,
                })? = figure;
            }
            Edit::RemoveFigure(index) => {
                let index = *index;
                if index >= self.figures.len() {
                    return Err(EditError::NoSuch {
                        what: "figure",
                        index,
                    });
                }
                self.figures.remove(index);
            }
            Edit::ClearFigures => self.figures.clear(),
            Edit::AddNote(note) => {
                if !note.at.is_finite() {
                    return Err(EditError::NotANumber("note"));
                }
                self.notes.push(note.clone());
            }
            Edit::RemoveNote(index) => {
                let index = *index;
                if index >= self.notes.len() {
                    return Err(EditError::NoSuch {
                        what: "note",
                        index,
                    });
                }
                self.notes.remove(index);
            }
            Edit::Accept(accepted) => self.accept(accepted)?,
            Edit::Extend(margins) => self.extend(margins)?,
            Edit::Calibrate(spacing) => self.calibrate(*spacing)?,
        }
        Ok(())
    }

    /// The same pixels with other millimetres, in every image of the document.
    fn calibrate(&mut self, spacing: Option<Spacing>) -> Result<(), EditError> {
        let usable = |mm: f64| mm.is_finite() && mm > 1.0e-6 && mm < 1.0e4;
        if spacing.is_some_and(|s| !usable(s.row_mm) || !usable(s.column_mm)) {
            return Err(EditError::NotANumber("calibration"));
        }
        let measured = |image: &Arc<Radiograph>| {
            let mut image = (**image).clone();
            image.spacing = spacing;
            Arc::new(image)
        };
        self.original = measured(&self.original);
        for accepted in &mut self.accepted {
            *accepted = Arc::new(Accepted {
                radiograph: measured(&accepted.radiograph),
                ..(**accepted).clone()
            });
        }
        if let Some(landmarks) = &mut self.landmarks {
            landmarks.pixel_spacing_mm = spacing.map(|s| [s.row_mm, s.column_mm]);
        }
        Ok(())
    }

    fn accept(&mut self, accepted: &Arc<Accepted>) -> Result<(), EditError> {
        let (width, height) = (self.image().width(), self.image().height());
        let sizes = [
            (
                "result",
                accepted.radiograph.width(),
                accepted.radiograph.height(),
            ),
            (
                "changed region",
                accepted.changed.width(),
                accepted.changed.height(),
            ),
        ];
        for (what, found_width, found_height) in sizes {
            if (found_width, found_height) != (width, height) {
                return Err(EditError::SizeMismatch {
                    what,
                    found_width,
                    found_height,
                    width,
                    height,
                });
            }
        }
        if accepted.radiograph.synthetic.is_none() {
            return Err(EditError::NotMarked);
        }
        self.accepted.push(Arc::clone(accepted));
        self.marks.retain(|mark| mark.layer != Layer::Mask);
        if accepted.landmarks.is_some() {
            self.landmarks = accepted.landmarks;
        }
        Ok(())
    }
}

fn usable(figure: &Arc<Figure>) -> Result<Arc<Figure>, EditError> {
    if figure.is_valid() {
        Ok(Arc::clone(figure))
    } else {
        Err(EditError::NotANumber("figure"))
    }
}

impl Mark {
    /// Whether every number can be used: finite points, positive widths, a raster of the size of its bounds.
    fn check(&self) -> Result<(), EditError> {
        use super::Shape;
        let usable = match &self.shape {
            Shape::Stroke { points, width, .. } => {
                width.is_finite()
                    && *width > 0.0
                    && !points.is_empty()
                    && points
                        .iter()
                        .all(|p| p.at.is_finite() && (0.0..=1.0).contains(&p.pressure))
            }
            Shape::Polygon { points } => points.len() >= 3 && points.iter().all(|p| p.is_finite()),
            Shape::Rectangle { from, to } => from.is_finite() && to.is_finite(),
            Shape::Region { bounds, inside } => inside.size() == (bounds.width, bounds.height),
        };
        if usable {
            Ok(())
        } else {
            Err(EditError::NotANumber("mark"))
        }
    }
}
