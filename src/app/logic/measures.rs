//! Measurements: figures that are drawn, chosen, dragged and removed, and the brush that takes only some values.
//!
//! Separate because all of it is an answer to what a hand did on a canvas with a view to values and millimetres.

use std::sync::Arc;

use crate::app::App;
use crate::app::canvas::CanvasEvent;
use crate::app::session::{ResultId, Stage, Weight};
use crate::document::raster::{bounds_of, draw};
use crate::document::{Edit, Mark, Operation, Shape};
use crate::geometry::{FigureKind, PixelRect};
use crate::grid::Grid;
use crate::radiograph::{Spacing, SpacingSource};

/// The measurements under the hand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measures {
    /// The figure that is chosen.
    pub chosen: Option<usize>,
    /// A figure is being dragged: its moves are one step.
    pub dragged: bool,
    /// What the measuring tool draws.
    pub kind: FigureKind,
    /// The length that is typed to calibrate with, mm.
    pub known_mm: f64,
}

impl Default for Measures {
    fn default() -> Self {
        Self {
            chosen: None,
            dragged: false,
            kind: FigureKind::Length,
            // The ball that is usual beside hips.
            known_mm: 25.0,
        }
    }
}

impl App {
    /// Carries out what a canvas says of figures.
    pub(super) fn measure(&mut self, event: CanvasEvent) {
        match event {
            CanvasEvent::Figure(figure) => {
                self.edit(Edit::AddFigure(Arc::new(figure)), false);
                let last = self
                    .session
                    .open()
                    .and_then(|open| open.document().figures.len().checked_sub(1));
                self.session.measures.chosen = last;
            }
            CanvasEvent::ChooseFigure(index) => self.session.measures.chosen = index,
            CanvasEvent::MoveFigure {
                index,
                figure,
                done,
            } => {
                // One drag is one step: its first move begins it, the others join.
                let joined = self.session.measures.dragged;
                self.session.measures.dragged = !done;
                if let Stage::Open(open) = &mut self.session.stage {
                    open.figures.hold(!done);
                }
                self.edit(Edit::SetFigure(index, Arc::new(figure)), joined);
            }
            CanvasEvent::RestoreFigure if self.session.measures.dragged => {
                self.session.measures.dragged = false;
                if let Stage::Open(open) = &mut self.session.stage {
                    open.figures.hold(false);
                }
                // The drag was one step: taking it back leaves the figure as it was.
                self.step(true);
            }
            _ => {}
        }
    }

    /// Lets the numbers of figures follow what lies over the image.
    pub(crate) fn follow_figures(&mut self) {
        let answer = self.shown().answer().cloned();
        let held = self.session.measures.dragged;
        if let Stage::Open(open) = &mut self.session.stage {
            let document = open.work.history().document();
            open.figures.follow(document, answer.as_ref(), held);
        }
    }

    /// Measures the whole image by one length that a person knows.
    pub(super) fn calibrate(&mut self, index: usize, mm: f64) {
        let Some(open) = self.session.open() else {
            return;
        };
        let document = open.document();
        let ratio = document.image().pixel_ratio();
        let figure = document.figures.get(index);
        let Some([row_mm, column_mm]) = figure.and_then(|figure| figure.calibration(mm, ratio))
        else {
            let text = "Only a drawn length of more than 0 mm calibrates the image";
            self.session.say(Weight::Wrong, text);
            return;
        };
        let source = SpacingSource::Manual;
        self.edit(
            Edit::Calibrate(Some(Spacing {
                row_mm,
                column_mm,
                source,
            })),
            false,
        );
        let text = format!(
            "{column_mm:.4} mm a pixel ({}); Undo takes it back",
            source.label()
        );
        self.session.say(Weight::Done, text);
    }

    /// Delete: the result that is shown, else the figure that is chosen.
    pub(super) fn reject_or_remove(&mut self, id: Option<ResultId>) {
        let figures = self
            .session
            .open()
            .map_or(0, |open| open.document().figures.len());
        let chosen = self.session.measures.chosen.filter(|n| *n < figures);
        match (id.or(self.session.shown), chosen) {
            (None, Some(index)) => {
                self.session.measures.chosen = None;
                self.edit(Edit::RemoveFigure(index), false);
            }
            _ => self.reject(id),
        }
    }

    /// A stroke of a brush that takes only some values, as the pixels it takes; `None` when it takes none.
    pub(super) fn in_range(&self, mark: Mark) -> Option<Mark> {
        let options = &self.session.tool_options;
        if options.range.is_none() || !matches!(mark.shape, Shape::Stroke { .. }) {
            return Some(mark);
        }
        let image = self.session.open()?.document().image();
        let limits = PixelRect::new(0, 0, image.width(), image.height());
        let bounds = bounds_of(&mark).intersection(limits);
        let mut inside = Grid::filled(bounds.width, bounds.height, 0_u8);
        let shifted = shifted(&mark, bounds);
        let whole = inside.bounds();
        draw(&mut inside, &shifted, whole);
        let mut any = false;
        for y in 0..bounds.height {
            for (x, cell) in inside.row_mut(y).iter_mut().enumerate() {
                let at = (bounds.x as usize + x, bounds.y as usize + y);
                if *cell != 0 && !options.takes(image.modality_value(at.0, at.1)) {
                    *cell = 0;
                }
                any |= *cell != 0;
            }
        }
        any.then_some(Mark {
            shape: Shape::Region { bounds, inside },
            ..mark
        })
    }
}

/// The stroke as it lies in a raster of its own, painted.
fn shifted(mark: &Mark, bounds: PixelRect) -> Mark {
    let mut mark = mark.clone();
    mark.operation = Operation::Paint;
    if let Shape::Stroke { points, .. } = &mut mark.shape {
        for point in points {
            point.at.x -= bounds.x as f64;
            point.at.y -= bounds.y as f64;
        }
    }
    mark
}
