//! History: a document with undo and redo.
//!
//! Documents share their marks and results, so a step is a snapshot: nothing has to be inverted, and undo gives back
//! exactly what was there. Separate from the journal, which keeps the same steps on a disk.

use super::{Document, Edit, EditError, Layer, Operation, Shape};

/// Steps kept; the oldest is forgotten first.
pub const MOST_STEPS: usize = 2000;

/// A document and the way back and forth.
#[derive(Clone, Debug)]
pub struct History {
    document: Document,
    past: Vec<Step>,
    future: Vec<Step>,
    revision: u64,
}

/// One step: the document on its other side, and what was done.
#[derive(Clone, Debug)]
struct Step {
    document: Document,
    edit: Edit,
}

impl History {
    /// A history that begins with `document`, at revision 0.
    pub fn new(document: Document) -> Self {
        Self {
            document,
            past: Vec::new(),
            future: Vec::new(),
            revision: 0,
        }
    }

    /// The document as it stands.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Moves on with every edit, undo and redo; never back.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether an edit fits the document as it stands.
    pub fn check(&self, edit: &Edit) -> Result<(), EditError> {
        self.document.clone().apply(edit)
    }

    /// Applies an edit as a step of its own and returns the new revision; on an error nothing has changed.
    pub fn apply(&mut self, edit: Edit) -> Result<u64, EditError> {
        let mut document = self.document.clone();
        document.apply(&edit)?;
        let before = std::mem::replace(&mut self.document, document);
        if self.past.len() == MOST_STEPS {
            self.past.remove(0);
        }
        self.past.push(Step {
            document: before,
            edit,
        });
        self.future.clear();
        self.revision += 1;
        Ok(self.revision)
    }

    /// Like [`Self::apply`], but a move of the point that the last step moved joins that step.
    ///
    /// A drag is one `apply` for its first position and this for those that follow, so one undo takes it all back.
    pub fn apply_coalesced(&mut self, edit: Edit) -> Result<u64, EditError> {
        let last = self.past.last_mut();
        let joins = last.filter(|step| self.future.is_empty() && continues(&step.edit, &edit));
        let Some(step) = joins else {
            return self.apply(edit);
        };
        self.document.apply(&edit)?;
        step.edit = edit;
        self.revision += 1;
        Ok(self.revision)
    }

    /// Takes the last step back; `false` when there is none.
    pub fn undo(&mut self) -> bool {
        self.step(true)
    }

    /// Makes the last undone step again; `false` when there is none.
    pub fn redo(&mut self) -> bool {
        self.step(false)
    }

    fn step(&mut self, back: bool) -> bool {
        let (from, to) = if back {
            (&mut self.past, &mut self.future)
        } else {
            (&mut self.future, &mut self.past)
        };
        let Some(Step { document, edit }) = from.pop() else {
            return false;
        };
        let document = std::mem::replace(&mut self.document, document);
        to.push(Step { document, edit });
        self.revision += 1;
        true
    }

    /// Whether there is a step to take back.
    pub fn can_undo(&self) -> bool {
        !self.past.is_empty()
    }

    /// Whether there is a step to make again.
    pub fn can_redo(&self) -> bool {
        !self.future.is_empty()
    }

    /// The Edit menu's line, `Undo stroke`; `None` when there is nothing to undo.
    pub fn undo_name(&self) -> Option<String> {
        Some(format!("Undo {}", step_name(&self.past.last()?.edit)))
    }

    /// The Edit menu's line, `Redo stroke`; `None` when there is nothing to redo.
    pub fn redo_name(&self) -> Option<String> {
        Some(format!("Redo {}", step_name(&self.future.last()?.edit)))
    }
}

/// Whether `next` moves the same point or figure as `last`.
fn continues(last: &Edit, next: &Edit) -> bool {
    match (last, next) {
        (
            Edit::MoveLandmark { side, point, .. },
            Edit::MoveLandmark {
                side: next_side,
                point: next_point,
                ..
            },
        ) => side == next_side && point == next_point,
        (Edit::SetFigure(index, _), Edit::SetFigure(next_index, _)) => index == next_index,
        _ => false,
    }
}

/// What an edit is called in a menu or an audit: `stroke`, `fill`, `clear mask`.
pub fn step_name(edit: &Edit) -> &'static str {
    match edit {
        Edit::AddMark(mark) => match (&mark.shape, mark.operation) {
            (Shape::Stroke { .. }, Operation::Paint) => "stroke",
            (Shape::Stroke { .. }, Operation::Erase) => "erase stroke",
            (Shape::Polygon { .. }, Operation::Paint) => "lasso",
            (Shape::Polygon { .. }, Operation::Erase) => "erase lasso",
            (Shape::Rectangle { .. }, Operation::Paint) => "rectangle",
            (Shape::Rectangle { .. }, Operation::Erase) => "erase rectangle",
            (Shape::Region { .. }, Operation::Paint) => "fill",
            (Shape::Region { .. }, Operation::Erase) => "erase fill",
        },
        Edit::RemoveMark(_) => "remove mark",
        Edit::ClearLayer(Layer::Sketch) => "clear sketch",
        Edit::ClearLayer(Layer::Mask) => "clear mask",
        Edit::SetLandmarks(Some(_)) => "place hip points",
        Edit::SetLandmarks(None) => "remove hip points",
        Edit::MoveLandmark { .. } => "move hip point",
        Edit::AddFigure(_) => "measurement",
        Edit::SetFigure(..) => "move measurement",
        Edit::RemoveFigure(_) => "remove measurement",
        Edit::ClearFigures => "clear measurements",
        Edit::AddNote(_) => "note",
        Edit::RemoveNote(_) => "remove note",
        Edit::Accept(_) => "accept result",
        Edit::Extend(_) => "extend canvas",
        Edit::Calibrate(_) => "calibration",
    }
}
