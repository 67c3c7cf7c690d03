//! `bench live`: what passes between pen up and a new image, stage by stage as the window does it.
//!
//! Every run draws something new, so that nothing that the drawing decides is at hand from the run before; what stays
//! while a person draws (weights, the film, the empty hint) is.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::Figure;
use crate::command::{Common, engine_of};
use crate::document::{Document, Edit, Layer, Mark, Operation, Shape, StrokePoint};
use crate::engine::LocalEngine;
use crate::geometry::Point;
use crate::grid::Grid;
use crate::job::{
    Engine as _, Error, ErrorKind, Made, Mode, ModelReference, Order, Product, Request, WarmStart,
};
use crate::phantom::hip::{self, HipOptions};
use crate::radiograph::{Pixels, Radiograph};

/// Seed of the film that is drawn on.
const FILM: u64 = 11;
/// Columns and rows of a digital mammogram.
const LARGE: (usize, usize) = (3328, 4096);

/// One chain that is timed.
struct Chain {
    name: &'static str,
    mode: Mode,
    steps: usize,
    preview: bool,
    guidance: f64,
    /// Begins with the answer before at this time.
    warm: Option<f64>,
    /// On the large film.
    large: bool,
    /// Drawn again, finer.
    finer: bool,
}

const CHAINS: [Chain; 11] = [
    chain(
        "sketch, 1 step, preview decoder",
        Mode::Sketch,
        1,
        true,
        1.0,
    ),
    chain("sketch, 4 steps", Mode::Sketch, 4, false, 1.0),
    chain("sketch, 16 guided steps", Mode::Sketch, 16, false, 2.0),
    Chain {
        finer: true,
        ..chain(
            "sketch, 4 steps, preview decoder, hips drawn again",
            Mode::Sketch,
            4,
            true,
            1.0,
        )
    },
    Chain {
        finer: true,
        ..chain("sketch, 4 steps, drawn again", Mode::Sketch, 4, false, 1.0)
    },
    Chain {
        finer: true,
        ..chain(
            "sketch, 16 guided steps, drawn again",
            Mode::Sketch,
            16,
            false,
            2.0,
        )
    },
    chain(
        "inpaint, 2 steps, preview decoder",
        Mode::Inpaint,
        2,
        true,
        1.0,
    ),
    chain("inpaint, 8 steps", Mode::Inpaint, 8, false, 1.5),
    Chain {
        warm: Some(0.5),
        ..chain(
            "sketch, warm start, 2 steps, preview decoder",
            Mode::Sketch,
            2,
            true,
            1.0,
        )
    },
    Chain {
        large: true,
        ..chain(
            "inpaint 3328 × 4096, 4 steps, preview decoder",
            Mode::Inpaint,
            4,
            true,
            1.0,
        )
    },
    Chain {
        large: true,
        ..chain(
            "inpaint 3328 × 4096, 8 steps, two passes",
            Mode::Inpaint,
            8,
            false,
            1.5,
        )
    },
];

const fn chain(
    name: &'static str,
    mode: Mode,
    steps: usize,
    preview: bool,
    guidance: f64,
) -> Chain {
    Chain {
        name,
        mode,
        steps,
        preview,
        guidance,
        warm: None,
        large: false,
        finer: false,
    }
}

/// Median and slowest of pen up to image for every chain whose name holds `only`, the longest time to a cancel, and
/// the most memory the program ever held.
pub(super) fn figures(
    repeat: usize,
    only: &str,
    models: Option<&Path>,
    common: &Common,
) -> Result<Vec<Figure>, Error> {
    let mut engine = engine_of(models, common);
    let small = film();
    let repeat = repeat.clamp(1, 1000);
    let mut figures = Vec::new();
    for chain in CHAINS.iter().filter(|chain| chain.name.contains(only)) {
        let film = if chain.large {
            Arc::new(enlarged(&small, LARGE))
        } else {
            Arc::clone(&small)
        };
        time(&mut engine, chain, &film, repeat, &mut figures)?;
    }
    if only.is_empty() {
        let longest = cancel(&mut engine, &drawn(&small, 0)?)?;
        figures.push(Figure::new("cancel, longest", longest, "s"));
    }
    if let Some(bytes) = crate::network::speed::whole::largest_memory() {
        let name = "largest memory of the program";
        figures.push(Figure::new(name, bytes / 1e6, "MB"));
    }
    Ok(figures)
}

fn time(
    engine: &mut LocalEngine,
    chain: &Chain,
    film: &Arc<Radiograph>,
    repeat: usize,
    figures: &mut Vec<Figure>,
) -> Result<(), Error> {
    let mut times = Vec::with_capacity(repeat);
    let mut generating = Vec::with_capacity(repeat);
    let mut before: Option<Made> = None;
    // One run before the clock: weights are loaded when first asked for.
    for run in 0..=repeat {
        let document = drawn(film, run)?;
        let started = Instant::now();
        let mut request = request(&document, chain.mode);
        request.steps = chain.steps;
        request.preview = chain.preview;
        request.guidance = chain.guidance;
        request.refiner = request.refiner.filter(|_| chain.finer);
        let latent = before.take().and_then(|made| made.latent);
        if let (Some(t), Some((region, latent))) = (chain.warm, latent) {
            request.warm = Some(WarmStart { t, region, latent });
        }
        let asked = Instant::now();
        let product =
            engine.carry_out(
                &Order::Generate(request),
                &mut |_| ControlFlow::Continue(()),
            )?;
        if run > 0 {
            times.push(started.elapsed().as_secs_f64());
            generating.push(asked.elapsed().as_secs_f64());
        }
        if let Product::Outcome(mut outcome) = product {
            before = outcome.images.pop();
        }
    }
    push(figures, &format!("pen up to image: {}", chain.name), times);
    push(
        figures,
        &format!("of it the engine: {}", chain.name),
        generating,
    );
    Ok(())
}

fn push(figures: &mut Vec<Figure>, name: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    let slowest = times[times.len() - 1];
    figures.push(Figure::new(format!("{name}, median"), median, "s"));
    figures.push(Figure::new(format!("{name}, slowest"), slowest, "s"));
}

fn film() -> Arc<Radiograph> {
    let film = hip::draw(FILM, &HipOptions::default());
    Arc::new(Radiograph::from_pixels(Pixels::U16(film.image)))
}

/// The same film with so many columns and rows, each pixel repeated.
fn enlarged(film: &Radiograph, (width, height): (usize, usize)) -> Radiograph {
    let (columns, rows) = (film.width(), film.height());
    let stored = film.pixels.to_f32();
    let grid = Grid::from_fn(width, height, |x, y| {
        stored[(x * columns / width, y * rows / height)] as u16
    });
    let mut large = film.clone();
    large.pixels = Pixels::U16(grid);
    large
}

/// A film with a sketched femoral head and a painted patch, a little further out with every run.
fn drawn(film: &Arc<Radiograph>, run: usize) -> Result<Document, Error> {
    let mut document = Document::new(Arc::clone(film));
    let size = film.width() as f64;
    let out = 0.62 + 0.08 * (run % 16) as f64 / 16.0;
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
            circle(out * size, 0.45 * size, 0.05 * size),
            size / 128.0,
        ),
        (
            Layer::Mask,
            circle(out * size, 0.45 * size, 0.04 * size),
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
    // A finding that is asked for is what guidance is for.
    request
        .attributes
        .findings
        .insert("dysplasia".to_owned(), true);
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
