//! `bench untouched`: random masks, depths, crops, rings, scales and canvases, painted with garbage instead of by a
//! network; counts the pixels outside the ring that changed. There must be none.
//!
//! The request goes the way of every request but for the networks; what may change is worked out here a second time,
//! from the mask and the ring alone.

use std::process::ExitCode;
use std::sync::Arc;

use rayon::prelude::*;
use serde_json::json;

use crate::command::{Common, say, say_json};
use crate::document::{Document, Edit, Layer, Mark, Operation, Shape, distance_to};
use crate::geometry::PixelRect;
use crate::grid::Grid;
use crate::job::{Error, ErrorKind, Made, Mode, ModelReference, Request};
use crate::noise::Noise;
use crate::radiograph::{
    DisplayWindow, Margins, ModalityTransform, Photometric, Pixels, Radiograph,
};
use crate::synthesis::Readers;
use crate::synthesis::frame::Frame;

/// What is counted.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Cases.
    #[arg(long, default_value_t = 10_000)]
    count: u64,
    /// Number of the first case: each is drawn from its own number.
    #[arg(long, default_value_t = 0)]
    first: u64,
}

/// What one case showed.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Pixels outside the ring.
    compared: usize,
    /// Those of them that changed.
    changed: usize,
    /// Those that the result itself says changed.
    said: usize,
    /// 1 for each: in, out, canvas, ring of 0, second pass.
    kinds: [usize; 5],
}

impl Seen {
    fn and(self, other: Self) -> Self {
        let mut kinds = self.kinds;
        for (sum, more) in kinds.iter_mut().zip(other.kinds) {
            *sum += more;
        }
        Self {
            compared: self.compared + other.compared,
            changed: self.changed + other.changed,
            said: self.said + other.said,
            kinds,
        }
    }
}

/// Counts and reports; any changed pixel is a failure of this command.
pub(super) fn run(options: &Options, common: &Common) -> Result<ExitCode, Error> {
    let started = std::time::Instant::now();
    let last = options.first.saturating_add(options.count);
    let seen = (options.first..last)
        .into_par_iter()
        .map(case)
        .try_reduce(Seen::default, |a, b| Ok(a.and(b)))?;
    let seconds = started.elapsed().as_secs_f64();
    let [inpainted, outpainted, canvases, rings, second] = seen.kinds;
    let clean = seen.changed == 0 && seen.said == 0;
    if common.json {
        say_json(&json!({ "figures": [
            { "name": "cases", "value": options.count, "unit": "" },
            { "name": "pixels outside the ring, compared", "value": seen.compared, "unit": "px" },
            { "name": "of them changed", "value": seen.changed, "unit": "px" },
            { "name": "of them said to be changed", "value": seen.said, "unit": "px" },
            { "name": "inpainted", "value": inpainted, "unit": "" },
            { "name": "outpainted", "value": outpainted, "unit": "" },
            { "name": "on a larger canvas", "value": canvases, "unit": "" },
            { "name": "with a ring of 0", "value": rings, "unit": "" },
            { "name": "with a second pass", "value": second, "unit": "" },
            { "name": "time", "value": seconds, "unit": "s" },
        ] }));
    } else {
        say(&format!(
            "{} cases ({inpainted} inpainted, {outpainted} outpainted, {canvases} on a larger canvas, {rings} with a \
             ring of 0, {second} with a second pass) in {seconds:.1} s",
            options.count
        ));
        say(&format!(
            "{} pixels outside the ring compared, {} changed",
            seen.compared,
            seen.changed.max(seen.said)
        ));
    }
    Ok(ExitCode::from(u8::from(!clean)))
}

/// One case, drawn from its number alone.
fn case(number: u64) -> Result<Seen, Error> {
    let mut noise = Noise::new(0x0077, number);
    let film = film(&mut noise);
    let mut document = Document::new(Arc::new(film));
    let before = Arc::clone(document.image());
    let mut margins = Margins::default();
    let failed = |what: String| Error::new(ErrorKind::Failed, format!("case {number}: {what}"));
    let apply = |document: &mut Document, edit: Edit| {
        document
            .apply(&edit)
            .map_err(|error| failed(error.to_string()))
    };
    let painted = paint(&mut noise, (before.width(), before.height()));
    let outpaints = noise.chance(0.25);
    // A larger canvas is painted anew at its edges, with or without a part inside; outpainting has edges of its own.
    let extends = !outpaints && noise.chance(0.3);
    if !extends || noise.chance(0.5) {
        let bounds = PixelRect::new(0, 0, before.width(), before.height());
        let mark = Mark {
            layer: Layer::Mask,
            operation: Operation::Paint,
            shape: Shape::Region {
                bounds,
                inside: painted,
            },
        };
        apply(&mut document, Edit::AddMark(Arc::new(mark)))?;
    }
    if extends {
        let mut edge = || {
            if noise.chance(0.5) {
                noise.index(60)
            } else {
                0
            }
        };
        margins = Margins {
            left: edge(),
            top: edge(),
            right: edge(),
            bottom: edge() + 1,
        };
        apply(&mut document, Edit::Extend(margins))?;
    }
    let mode = if outpaints {
        Mode::Outpaint
    } else {
        Mode::Inpaint
    };
    let mut request = Request::new(mode, ModelReference::default());
    request.source = Some(Arc::clone(document.image()));
    request.mask = document.mask();
    request.seed = number;
    request.ring.px = match noise.index(3) {
        0 => 0.0,
        1 => noise.index(20) as f64,
        _ => noise.range(0.0, 20.0),
    };
    if noise.chance(0.3) {
        let low = noise.range(-2e4, 2e4);
        request.window = Some(DisplayWindow::from_range(low, low + noise.range(1.0, 5e4)));
    }
    let model_px = [8, 16, 32, 64, 256][noise.index(5)];
    let first = Frame::new(&request, model_px)?;
    let second = first.finer(&request);
    let frame = second.as_ref().unwrap_or(&first);
    let garbage = Grid::from_fn(model_px, model_px, |_, _| noise.range(-40.0, 40.0) as f32);
    let made = frame.finish(&Readers::default(), &request, number % 5, &garbage)?;
    let mut seen = look(&request, &made, &before, margins)
        .ok_or_else(|| failed("the result has another size or depth".to_owned()))?;
    seen.kinds = [
        usize::from(!outpaints),
        usize::from(outpaints),
        usize::from(extends),
        usize::from(request.ring.px == 0.0),
        usize::from(second.is_some()),
    ];
    Ok(seen)
}

/// Compares with the image that was worked on, and inside it with the film before its canvas grew.
fn look(request: &Request, made: &Made, film: &Radiograph, margins: Margins) -> Option<Seen> {
    let source = request.source.as_ref()?;
    let size = (source.width(), source.height());
    let mask = request
        .mask
        .clone()
        .unwrap_or_else(|| Grid::filled(size.0, size.1, 0));
    let renewed = match request.mode {
        Mode::Outpaint => mask.map(|m| if *m > 0 { 0 } else { 255 }),
        _ => mask,
    };
    let away = distance_to(&renewed);
    let kept = |x: usize, y: usize| f64::from(away[(x, y)]) > request.ring.px.max(0.0);
    let changed = source
        .pixels
        .count_different_where(&made.radiograph.pixels, kept)?;
    let (left, top) = (margins.left, margins.top);
    let inner = PixelRect::new(left as i64, top as i64, film.width(), film.height());
    let of_film = film
        .pixels
        .count_different_where(&made.radiograph.pixels.crop(inner), |x, y| {
            kept(x + left, y + top)
        })?;
    let compared = (0..size.1)
        .map(|y| (0..size.0).filter(|x| kept(*x, y)).count())
        .sum();
    Some(Seen {
        compared,
        changed: changed + of_film,
        said: made.changed_outside_ring,
        kinds: [0; 5],
    })
}

/// A film of random size, depth, polarity and rescaling, filled with noise.
fn film(noise: &mut Noise) -> Radiograph {
    let most = if noise.chance(0.02) { 700 } else { 110 };
    let (width, height) = (noise.index(most) + 2, noise.index(most) + 2);
    let mut film = Radiograph::from_pixels(match noise.index(4) {
        0 => Pixels::U8(Grid::from_fn(width, height, |_, _| noise.bits() as u8)),
        1 => Pixels::U16(Grid::from_fn(width, height, |_, _| noise.bits() as u16)),
        2 => Pixels::I16(Grid::from_fn(width, height, |_, _| noise.bits() as i16)),
        _ => Pixels::F32(Grid::from_fn(width, height, |_, _| {
            noise.range(-5.0, 5.0) as f32
        })),
    });
    if noise.chance(0.3) {
        film.photometric = Photometric::Monochrome1;
    }
    if noise.chance(0.5) {
        let slope = noise.range(0.1, 4.0);
        film.modality_transform = ModalityTransform::Linear {
            slope: if noise.chance(0.5) { slope } else { -slope },
            intercept: noise.range(-1100.0, 1100.0),
        };
    }
    film
}

/// Discs, boxes and single pixels; at least one pixel is painted and one is not.
fn paint(noise: &mut Noise, (width, height): (usize, usize)) -> Grid<u8> {
    let mut mask = Grid::filled(width, height, 0_u8);
    for _ in 0..=noise.index(4) {
        let (cx, cy) = (noise.index(width) as f64, noise.index(height) as f64);
        let (rx, ry) = (noise.range(0.4, 30.0), noise.range(0.4, 30.0));
        let round = noise.chance(0.6);
        for y in 0..height {
            for x in 0..width {
                let (dx, dy) = ((x as f64 - cx).abs() / rx, (y as f64 - cy).abs() / ry);
                let inside = if round {
                    dx.hypot(dy) < 1.0
                } else {
                    dx.max(dy) < 1.0
                };
                if inside {
                    // A soft edge counts as painted.
                    mask[(x, y)] = mask[(x, y)].max((noise.index(255) + 1) as u8);
                }
            }
        }
    }
    mask[(0, 0)] = 0;
    mask[(width - 1, height - 1)] = 255;
    mask
}
