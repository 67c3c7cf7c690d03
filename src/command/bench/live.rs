//! `bench live`: what passes between pen up and a new image, stage by stage as the window does it.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::Figure;
use crate::command::{Common, engine_of};
use crate::document::{Document, Edit, Layer, Mark, Operation, Shape, StrokePoint};
use crate::engine::LocalEngine;
use crate::geometry::Point;
use crate::job::{Engine as _, Error, ErrorKind, Mode, ModelReference, Order, Request};
use crate::phantom::hip::{self, HipOptions};
use crate::radiograph::{Pixels, Radiograph};

/// Seed of the film that is drawn on.
const FILM: u64 = 11;

/// Median and slowest of pen up to image, for previews and full images, and the longest time to a cancel.
pub(super) fn figures(
    repeat: usize,
    models: Option<&Path>,
    common: &Common,
) -> Result<Vec<Figure>, Error> {
    let mut engine = engine_of(models, common);
    let document = drawn()?;
    let mut figures = Vec::new();
    let repeat = repeat.clamp(1, 1000);
    let kinds: [(&str, Mode, usize, bool, f64); 5] = [
        (
            "sketch, 1 step, preview decoder",
            Mode::Sketch,
            1,
            true,
            1.0,
        ),
        ("sketch, 4 steps", Mode::Sketch, 4, false, 1.0),
        ("sketch, 16 guided steps", Mode::Sketch, 16, false, 2.0),
        (
            "inpaint, 2 steps, preview decoder",
            Mode::Inpaint,
            2,
            true,
            1.0,
        ),
        ("inpaint, 8 steps", Mode::Inpaint, 8, false, 1.5),
    ];
    for (name, mode, steps, preview, guidance) in kinds {
        let mut times = Vec::with_capacity(repeat);
        let mut generating = Vec::with_capacity(repeat);
        // One run before the clock: weights are loaded when first asked for.
        for run in 0..=repeat {
            let started = Instant::now();
            let mut request = request(&document, mode);
            request.steps = steps;
            request.preview = preview;
            request.guidance = guidance;
            let asked = Instant::now();
            engine.carry_out(
                &Order::Generate(request),
                &mut |_| ControlFlow::Continue(()),
            )?;
            if run > 0 {
                times.push(started.elapsed().as_secs_f64());
                generating.push(asked.elapsed().as_secs_f64());
            }
        }
        push(&mut figures, &format!("pen up to image: {name}"), times);
        push(
            &mut figures,
            &format!("of it the engine: {name}"),
            generating,
        );
    }
    figures.push((
        "cancel, longest".to_owned(),
        cancel(&mut engine, &document)?,
        "s".to_owned(),
    ));
    Ok(figures)
}

fn push(figures: &mut Vec<Figure>, name: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    let slowest = times[times.len() - 1];
    figures.push((format!("{name}, median"), median, "s".to_owned()));
    figures.push((format!("{name}, slowest"), slowest, "s".to_owned()));
}

/// A hip film with a sketched femoral head and a painted patch.
fn drawn() -> Result<Document, Error> {
    let film = hip::draw(FILM, &HipOptions::default());
    let radiograph = Radiograph::from_pixels(Pixels::U16(film.image.clone()));
    let mut document = Document::new(Arc::new(radiograph));
    let size = film.image.width() as f64;
    let circle = |x: f64, y: f64, r: f64| -> Vec<StrokePoint> {
        (0..=48)
            .map(|i| {
                let angle = f64::from(i) / 48.0 * std::f64::consts::TAU;
                StrokePoint {
                    at: Point::new(x + r * angle.cos(), y + r * angle.sin()),
                    pressure: 1.0,
                }
            })
            .collect()
    };
    let marks = [
        (
            Layer::Sketch,
            circle(0.62 * size, 0.45 * size, 0.05 * size),
            2.0,
        ),
        (
            Layer::Mask,
            circle(0.62 * size, 0.45 * size, 0.04 * size),
            0.08 * size,
        ),
    ];
    for (layer, points, width) in marks {
        let mark = Mark {
            layer,
            operation: Operation::Paint,
            shape: Shape::Stroke {
                points,
                width,
                smooth: true,
            },
        };
        document
            .apply(&Edit::AddMark(Arc::new(mark)))
            .map_err(|e| Error::new(ErrorKind::Failed, e.to_string()))?;
    }
    Ok(document)
}

/// What the window freezes at pen up: rasters, image and settings.
fn request(document: &Document, mode: Mode) -> Request {
    let mut request = Request::new(mode, ModelReference::default());
    request.source = Some(Arc::clone(document.image()));
    request.hint = document.hint();
    request.mask = document.mask();
    "hip".clone_into(&mut request.attributes.kind);
    request
}

/// Longest time from asking to stop to the engine's return.
fn cancel(engine: &mut LocalEngine, document: &Document) -> Result<f64, Error> {
    let mut longest: f64 = 0.0;
    for stop_at in 1..6 {
        let mut request = request(document, Mode::Sketch);
        request.steps = 50;
        let mut last = Instant::now();
        let mut asked = None;
        let stopped = engine.carry_out(&Order::Generate(request), &mut |progress| {
            // The wish may come right after the last look at it: then a whole step passes first.
            if progress.step == stop_at {
                asked = Some(last);
                return ControlFlow::Break(());
            }
            last = Instant::now();
            ControlFlow::Continue(())
        });
        match (stopped, asked) {
            (Err(error), Some(asked)) if error.kind == ErrorKind::Stopped => {
                longest = longest.max(asked.elapsed().as_secs_f64());
            }
            (Err(error), _) => return Err(error),
            _ => return Err(Error::new(ErrorKind::Failed, "the engine did not stop")),
        }
    }
    Ok(longest)
}
