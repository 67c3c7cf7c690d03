//! What changes a document: strokes, fills, hip points, undo.
//!
//! Separate so that every call that changes a document can be read in one place.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::app::App;
use crate::app::action::FrameChange;
use crate::app::canvas::{CanvasEvent, Tool, Under};
use crate::app::files::{KeepError, Work};
use crate::app::session::{Remark, Stage, Staged, Weight};
use crate::document::{Edit, History, Layer, Mark, Operation, Shape, fill};
use crate::geometry::{PixelRect, Point};
use crate::grid::Grid;
use crate::job::Task;
use crate::landmarks::{Hip, HipLandmarks, HipPoint, Side};
use crate::radiograph::Radiograph;

/// Images of at most so many pixels are filled at once: some milliseconds.
const FILL_AT_ONCE_PX: usize = 1 << 19;

/// Bounds and raster of what was filled.
type Region = (PixelRect, Grid<u8>);

/// A large fill under way.
pub(crate) struct Filling {
    task: Task<Option<Region>>,
    layer: Layer,
    operation: Operation,
    image: Arc<Radiograph>,
    stop: Arc<AtomicBool>,
}

/// Everything a fill needs.
struct Flood {
    image: Arc<Radiograph>,
    /// The sketch, where its lines may close the region off.
    lines: Option<Arc<Grid<u8>>>,
    seed: (usize, usize),
    /// How far values may lie from the one pressed.
    span: f64,
    stop: Arc<AtomicBool>,
}

impl Flood {
    fn region(&self) -> Option<Region> {
        let (seed, image) = (self.seed, &self.image);
        let stops = || self.stop.load(Ordering::Relaxed);
        let lines = self.lines.as_ref();
        let closed = lines.and_then(|lines| fill::fill_closed(lines, seed, stops));
        closed.or_else(|| {
            let center = image.modality_value(seed.0, seed.1)?;
            let limits = PixelRect::new(0, 0, image.width(), image.height());
            let belongs = |x, y| {
                let value = image.modality_value(x, y);
                value.is_some_and(|value| (value - center).abs() <= self.span)
            };
            fill::flood_fill(seed, limits, belongs, stops)
        })
    }
}

impl App {
    /// Changes the document; a disk that refuses ends the journal, never the work.
    pub(crate) fn edit(&mut self, edit: Edit, joined: bool) {
        let Stage::Open(open) = &mut self.session.stage else {
            return;
        };
        match open.work.apply(edit.clone(), joined) {
            Ok(()) => open.update_layers(),
            Err(error @ KeepError::Edit(_)) => self.session.say(Weight::Wrong, error),
            Err(KeepError::Project(error)) => {
                let remark = Remark {
                    text: format!("Edits are no longer kept on the disk: {}", error.words()),
                    file: error.path().map(Path::to_owned),
                };
                let placeholder = History::new(open.document().clone());
                let work = std::mem::replace(&mut open.work, Work::Loose(Box::new(placeholder)));
                if let Work::Kept(project) = work {
                    open.work = Work::Loose(Box::new(project.into_history()));
                }
                open.not_kept = Some(error.words());
                let again = open.work.apply(edit, joined);
                open.update_layers();
                self.session.say(Weight::Wrong, remark);
                if let Err(error) = again {
                    self.session.say(Weight::Wrong, error);
                }
            }
        }
    }

    pub(super) fn step(&mut self, back: bool) {
        if let Stage::Open(open) = &mut self.session.stage {
            match open.work.step(back) {
                Ok(_) => open.update_layers(),
                Err(error) => self.session.say(Weight::Wrong, error),
            }
        }
    }

    pub(super) fn canvas(&mut self, layer: Layer, event: CanvasEvent) {
        match event {
            CanvasEvent::Mark(mark) => {
                self.session.layer = layer;
                if self.session.live.on {
                    // Whoever draws wants to see what the drawing does.
                    self.session.shown = None;
                }
                if let Some(mark) = self.in_range(mark) {
                    self.edit(Edit::AddMark(Arc::new(mark)), false);
                }
            }
            CanvasEvent::Fill { at } => self.fill(layer, at),
            CanvasEvent::MoveLandmark {
                side,
                point,
                to,
                done,
            } => {
                // One drag is one step: its first move begins it, the others join.
                let joined = self.dragging == Some((side, point));
                self.dragging = (!done).then_some((side, point));
                if !self.move_shown(side, point, to) {
                    self.edit(Edit::MoveLandmark { side, point, to }, joined);
                }
            }
            CanvasEvent::RestoreLandmarks(points) => {
                self.dragging = None;
                if let Some(item) = self.shown_item() {
                    if let Some(hips) = &mut item.made.hips {
                        hips.landmarks = points;
                    }
                } else {
                    // The drag was one step: taking it back leaves the points as they were.
                    self.step(true);
                }
            }
            CanvasEvent::PlaceLandmarks(at) => self.place_hips(Some(at)),
            CanvasEvent::Figure(_)
            | CanvasEvent::ChooseFigure(_)
            | CanvasEvent::MoveFigure { .. }
            | CanvasEvent::RestoreFigure => self.measure(event),
            CanvasEvent::PointerAt(None) => {
                // The pointer may have gone to the canvas beside.
                let session = &mut self.session;
                let elsewhere = |under: &Under| under.layer != layer || session.probed != 0;
                session.probe = session.probe.filter(elsewhere);
            }
            CanvasEvent::PointerAt(under) => {
                (self.session.probe, self.session.probed) = (under, 0);
            }
            CanvasEvent::SplitMoved(split) => self.session.split = split.clamp(0.0, 1.0),
            CanvasEvent::Extend(margins) => self.extend(margins),
            CanvasEvent::FrameStep(step) => self.change_frame(FrameChange::Step(step as isize)),
            CanvasEvent::DraftChanged | CanvasEvent::Cancelled => {}
        }
    }

    pub(super) fn shown_item(&mut self) -> Option<&mut Staged> {
        let id = self.session.shown.filter(|_| !self.session.before)?;
        self.session
            .tray
            .items
            .iter_mut()
            .find(|item| item.id == id)
    }

    /// Moves a point of the result that is shown; `false` when the points are the document's.
    pub(super) fn move_shown(&mut self, side: Side, point: HipPoint, to: Point) -> bool {
        if let Some(item) = self.shown_item()
            && let Some(hips) = &mut item.made.hips
        {
            hips.landmarks = hips.landmarks.with_point(side, point, to);
            item.by_hand = true;
            return true;
        }
        if self.shown().follows_points() {
            return false;
        }
        let live = self.session.live.result.as_ref();
        // Points of a live answer belong to an image that the next edit replaces.
        live.is_some_and(|live| live.made.hips.is_some()) && !self.session.before
    }

    /// Fills from a point: at once in a small image, beside the window in a large one.
    pub(super) fn fill(&mut self, layer: Layer, at: Point) {
        let Some(open) = self.session.open() else {
            return;
        };
        let image = Arc::clone(open.document().image());
        let (x, y) = (at.x.round(), at.y.round());
        if x < 0.0 || y < 0.0 || self.tasks.fill.is_some() {
            return;
        }
        let options = &self.session.tool_options;
        let work = Flood {
            seed: (x as usize, y as usize),
            lines: (layer == Layer::Sketch).then(|| Arc::clone(&open.sketch.overlay.grid)),
            span: self.session.view.window.width * options.fill_tolerance,
            stop: Arc::default(),
            image,
        };
        let operation = if options.erase {
            Operation::Erase
        } else {
            Operation::Paint
        };
        if work.image.width() * work.image.height() <= FILL_AT_ONCE_PX {
            let region = work.region();
            self.filled(layer, operation, region);
            return;
        }
        let text = format!("Filling; {} stops it", self.keys.label("cancel"));
        self.session.say(Weight::Note, text);
        let (stop, image) = (Arc::clone(&work.stop), Arc::clone(&work.image));
        self.tasks.fill = Some(Filling {
            task: Task::start("fill", self.wake(), move || Ok(work.region())),
            layer,
            operation,
            image,
            stop,
        });
    }

    /// Collects a fill; one of an image that is no longer shown is dropped.
    pub(super) fn poll_fill(&mut self) {
        let Some(result) = self.tasks.fill.as_ref().and_then(|fill| fill.task.poll()) else {
            return;
        };
        let Some(fill) = self.tasks.fill.take() else {
            return;
        };
        let open = self.session.open();
        if !open.is_some_and(|open| Arc::ptr_eq(open.document().image(), &fill.image)) {
            return;
        }
        match result {
            Ok(region) => self.filled(fill.layer, fill.operation, region),
            Err(error) => self.session.say(Weight::Wrong, error),
        }
    }

    /// Stops a fill under way; `false` where there is none.
    pub(super) fn stop_fill(&mut self) -> bool {
        let any = self.drop_fill();
        if any {
            self.session.say(Weight::Note, "The fill was stopped");
        }
        any
    }

    /// The same without a word.
    pub(super) fn drop_fill(&mut self) -> bool {
        let fill = self.tasks.fill.take();
        if let Some(fill) = &fill {
            fill.stop.store(true, Ordering::Relaxed);
        }
        fill.is_some()
    }

    fn filled(&mut self, layer: Layer, operation: Operation, region: Option<Region>) {
        let Some((bounds, inside)) = region else {
            return;
        };
        let mark = Mark {
            layer,
            operation,
            shape: Shape::Region { bounds, inside },
        };
        self.session.layer = layer;
        self.edit(Edit::AddMark(Arc::new(mark)), false);
    }

    /// Hip points in the middle of the image, or around a point, to be dragged.
    pub(super) fn place_hips(&mut self, at: Option<Point>) {
        let Some(open) = self.session.open() else {
            return;
        };
        let image = open.document().image();
        let (w, h) = (image.width() as f64, image.height() as f64);
        let middle = at.unwrap_or(Point::new(w / 2.0, h / 2.0));
        let hip = |sign: f64| Hip {
            center: Point::new(middle.x + sign * w * 0.16, middle.y),
            radius: w * 0.045,
            rim: Point::new(middle.x + sign * w * 0.178, middle.y - w * 0.058),
        };
        let points = HipLandmarks {
            left: hip(1.0),
            right: hip(-1.0),
            pixel_spacing_mm: image.spacing.map(|s| [s.row_mm, s.column_mm]),
        };
        self.session.tool = Tool::Hips;
        if let Some(item) = self.shown_item()
            && let Some(hips) = &mut item.made.hips
        {
            hips.landmarks = points;
            item.by_hand = true;
            return;
        }
        self.edit(Edit::SetLandmarks(Some(points)), false);
    }
}
