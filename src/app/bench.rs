//! `bench live` through the window: what a person waits for after a stroke, by the worker, the live machine and the
//! readings as they are in use.
//!
//! Everything but the frame itself: events are taken in as soon as the worker has some, not with the next picture of
//! the screen, which would add up to a frame.

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use super::action::Action;
use super::canvas::CanvasEvent;
use super::canvas::bench::Figure;
use super::live::{LiveResult, Quality};
use super::{App, Start};
use crate::document::{Layer, Mark, Operation, Shape, StrokePoint, Tip};
use crate::geometry::Point;
use crate::job::{Engine, Error, ErrorKind, Mode, Worker};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often it is looked whether a pause is over.
const TICK: Duration = Duration::from_millis(1);

/// A window without a screen.
struct Bench {
    app: App,
    ctx: egui::Context,
    woken: Receiver<()>,
}

impl Bench {
    /// Takes events in until `done`; the time it took.
    fn until(&mut self, what: &str, done: impl Fn(&App) -> bool) -> Result<f64, Error> {
        let began = Instant::now();
        loop {
            self.app.drain(&self.ctx);
            if done(&self.app) {
                return Ok(began.elapsed().as_secs_f64());
            }
            if let Some(error) = self.app.session.engine_error.take() {
                return Err(error);
            }
            if began.elapsed() > PATIENCE || (self.app.session.notices.len() > 20) {
                let what = format!("the window never came to {what}");
                return Err(Error::new(ErrorKind::Failed, what));
            }
            self.woken.recv_timeout(TICK).ok();
        }
    }

    fn idle(&mut self) -> Result<f64, Error> {
        self.until("rest", |app| {
            let live = &app.session.live;
            app.session.engine_ready && app.session.jobs.is_empty() && live.in_flight.is_none()
        })
    }

    /// Draws an arc of a femoral head, a little further out with every run; the revision then.
    fn draw(&mut self, run: usize, size: f64) -> u64 {
        let out = 0.62 + 0.08 * (run % 16) as f64 / 16.0;
        let turn = 0.4 * run as f64;
        let points = (0..=12).map(|i| {
            let angle = turn + f64::from(i) / 12.0 * std::f64::consts::FRAC_PI_2;
            let (sin, cos) = angle.sin_cos();
            StrokePoint {
                at: Point::new((out + 0.05 * cos) * size, (0.45 + 0.05 * sin) * size),
                pressure: 1.0,
            }
        });
        let mark = Mark {
            layer: Layer::Sketch,
            operation: Operation::Paint,
            shape: Shape::Stroke {
                points: points.collect(),
                width: size / 128.0,
                smooth: true,
                tip: Tip::Round,
            },
        };
        let event = CanvasEvent::Mark(mark);
        self.app.act(Action::Canvas(Layer::Sketch, Box::new(event)));
        self.app.revision()
    }

    /// Seconds from pen up to the quick, the settled, the read and the full answer, and to the quick one of an edit while
    /// points are read; absent where the points were not read before the full answer brought its own.
    fn round(&mut self, run: usize, size: f64) -> Result<[Option<f64>; 5], Error> {
        let revision = self.draw(2 * run, size);
        let shows = |app: &App, is: fn(&LiveResult) -> bool| {
            let shown = app.session.live.result.as_ref();
            shown.is_some_and(|shown| shown.revision == revision && is(shown))
        };
        let is_full = |shown: &LiveResult| shown.quality == Quality::Full;
        let quick = self.until("a quick answer", |app| shows(app, |_| true))?;
        let settled = quick
            + self.until("a settled answer", |app| {
                shows(app, |shown| shown.quality >= Quality::Settled)
            })?;
        let read = settled
            + self.until("angles", |app| {
                let has = |shown: &LiveResult| shown.made.hips.is_some();
                shows(app, has) || shows(app, is_full)
            })?;
        let is_read = !shows(&self.app, is_full);
        let full = read + self.until("full quality", |app| shows(app, is_full))?;
        self.idle()?;
        self.draw(2 * run + 1, size);
        self.until("a reading", |app| {
            let live = &app.session.live;
            let full = live.result.as_ref().is_some_and(is_full);
            live.reading.is_some() || (full && live.in_flight.is_none())
        })?;
        let revision = self.draw(2 * run + 2, size);
        let between = self.until("the next answer", |app| {
            let shown = app.session.live.result.as_ref();
            shown.is_some_and(|shown| shown.revision == revision)
        })?;
        self.until("full quality", |app| {
            app.session.live.result.as_ref().is_some_and(is_full)
        })?;
        Ok([
            Some(quick),
            Some(settled),
            is_read.then_some(read),
            Some(full),
            Some(between),
        ])
    }
}

/// Medians of pen up to each answer, on the film that `start` opens.
///
/// Fails when the window comes to no answer.
pub fn figures(
    start: Start,
    repeat: usize,
    build: impl Fn() -> Result<Box<dyn Engine>, Error> + Send + 'static,
) -> Result<Vec<Figure>, Error> {
    let (wake, woken) = sync_channel(1);
    let wake = Box::new(move || {
        wake.try_send(()).ok();
    });
    let worker = Worker::start(build, wake, None)?;
    let ctx = egui::Context::default();
    let app = App::new(&ctx, start, worker, None);
    let mut bench = Bench { app, ctx, woken };
    bench.until("the film", |app| app.session.open().is_some())?;
    bench.idle()?;
    let mut recipe = bench.app.session.recipe.clone();
    if let Some(model) = bench.app.models.iter().find(|model| model.kind == "hip") {
        recipe.choose(model);
    }
    recipe.mode = Mode::Sketch;
    bench.app.act(Action::Recipe(Box::new(recipe)));
    bench.app.act(Action::Live(true));
    let size =
        (bench.app.session.open()).map_or(1.0, |open| open.document().image().width() as f64);
    let mut times: [Vec<f64>; 5] = Default::default();
    // One run before the clock: weights are loaded when first asked for.
    for run in 0..=repeat {
        let round = bench.round(run, size)?;
        if run > 0 {
            for (times, time) in times.iter_mut().zip(round) {
                times.extend(time);
            }
        }
    }
    let names = [
        ("pen up to the quick picture", Some(0.1)),
        (
            "pen up to the settled picture, hips drawn again",
            Some(0.25),
        ),
        ("pen up to its angles", None),
        ("pen up to full quality, angles included", Some(1.2)),
        ("pen up while points are read, to the picture", Some(0.1)),
    ];
    let figure = |((name, most), mut times): ((&str, Option<f64>), Vec<f64>)| {
        times.sort_by(f64::total_cmp);
        let value = *times.get(times.len() / 2)?;
        Some(Figure {
            name: format!("window, {name}, median"),
            value,
            unit: "s",
            most,
        })
    };
    Ok(names.into_iter().zip(times).filter_map(figure).collect())
}
