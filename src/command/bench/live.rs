//! `bench live`: what passes between pen up and a new image, stage by stage as the window does it.
//!
//! Every run draws something new, so that nothing that the drawing decides is at hand from the run before; what stays
//! while a person draws (weights, the film, the empty hint) is.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::{Figure, WindowFigures, WindowLive, stop};
use crate::command::{Common, engine_of, folders_of};
use crate::document::{Document, Edit, Layer, Mark, Operation, Shape, StrokePoint, Tip};
use crate::engine::LocalEngine;
use crate::geometry::Point;
use crate::grid::Grid;
use crate::job::{
    Engine as _, Error, ErrorKind, Made, Measurement, Mode, ModelReference, Order, Product,
    Request, WarmStart,
};
use crate::phantom::hip::{self, HipOptions};
use crate::radiograph::{Pixels, Radiograph};

/// Seed of the film that is drawn on.
const FILM: u64 = 11;
/// Columns and rows of a digital mammogram.
const LARGE: (usize, usize) = (3328, 4096);

/// Seconds from pen up within which a first picture, one of four steps and one in full quality are to stand there.
const GOALS: [f64; 3] = [0.1, 0.25, 1.2];
/// Most memory of the whole program, MB.
const MEMORY: f64 = 1200.0;

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

impl Chain {
    /// The most that pen up to its image is meant to take, seconds.
    fn goal(&self) -> f64 {
        match (self.preview, self.steps) {
            (true, ..=2) => GOALS[0],
            (true, _) => GOALS[1],
            (false, 4) if !self.finer => GOALS[1],
            _ => GOALS[2],
        }
    }
}

/// Median and slowest of pen up to image for every chain whose name holds `only`, the same through the window, the
/// longest time to a cancel, and the most memory the program ever held.
pub(super) fn figures(
    repeat: usize,
    only: &str,
    models: Option<&Path>,
    common: &Common,
    window: WindowFigures,
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
    if "window".contains(only) {
        figures.extend(through_window(&small, repeat, models, common, window)?);
    }
    if "cancel".contains(only) {
        figures.extend(stopped(&mut engine, &small)?);
    }
    if let Some(bytes) = crate::network::speed::whole::largest_memory() {
        let name = "largest memory of the program";
        figures.push(Figure::new(name, bytes / 1e6, "MB").at_most(MEMORY));
    }
    Ok(figures)
}

/// The window's own way, on the same film in a file.
fn through_window(
    film: &Radiograph,
    repeat: usize,
    models: Option<&Path>,
    common: &Common,
    window: WindowFigures,
) -> Result<Vec<Figure>, Error> {
    let failed = |what: String| Error::new(ErrorKind::Failed, what);
    let folder = tempfile::tempdir().map_err(|e| failed(format!("no folder for a film: {e}")))?;
    let path = folder.path().join("film.png");
    crate::radiograph::export(&path, film, &film.pixels, false)
        .map_err(|e| failed(e.to_string()))?;
    (window.live)(&WindowLive {
        film: path,
        folders: folders_of(models),
        device: common.device.into(),
        repeat,
    })
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
    let name = format!("pen up to image: {}", chain.name);
    push(figures, &name, times, Some(chain.goal()));
    let name = format!("of it the engine: {}", chain.name);
    push(figures, &name, generating, None);
    Ok(())
}

fn push(figures: &mut Vec<Figure>, name: &str, mut times: Vec<f64>, most: Option<f64>) {
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    let slowest = times[times.len() - 1];
    figures.push(Figure {
        most,
        ..Figure::new(format!("{name}, median"), median, "s")
    });
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
                tip: Tip::Round,
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

/// How long each kind of order goes on after it was asked to stop.
fn stopped(engine: &mut LocalEngine, film: &Arc<Radiograph>) -> Result<Vec<Figure>, Error> {
    let generate = |run: usize, mode: Mode, steps: usize, preview: bool| -> Result<Order, Error> {
        let mut request = request(&drawn(film, run)?, mode);
        request.steps = steps;
        request.preview = preview;
        request.guidance = 2.0;
        Ok(Order::Generate(request))
    };
    let full = |run: usize| generate(run, Mode::Sketch, 4, false);
    let patch = |run: usize| generate(run, Mode::Inpaint, 4, false);
    let preview = |run: usize| generate(run, Mode::Sketch, 4, true);
    let points = |_: usize| -> Result<Order, Error> {
        Ok(Order::Measure(Measurement::Hips {
            radiograph: Arc::clone(film),
            window: None,
        }))
    };
    stop::figures(
        engine,
        &[
            ("sketch, 4 guided steps, drawn again", &full),
            ("inpaint, 4 guided steps", &patch),
            ("preview, 4 steps, hips drawn again", &preview),
            ("hip points", &points),
        ],
    )
}
