//! `radcanvas bench`: figures of this machine, as text or JSON.
//!
//! Separate from the work it measures; other programs read its JSON to compare.

mod dicom;
mod live;
mod models;
mod phantoms;
mod stop;
mod training;
mod untouched;

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use serde_json::json;

use super::{Common, say, say_json, warn};
use crate::job::{Error, ErrorKind};
use crate::network::device::Place;
use crate::network::{ops, speed};

/// One measured figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// The unit of the value; seconds are shown as milliseconds. Empty for a plain number.
    pub unit: String,
    /// The most that it is meant to be, where that is known.
    pub most: Option<f64>,
}

impl Figure {
    /// A figure without a limit.
    pub fn new(name: impl Into<String>, value: f64, unit: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value,
            unit: unit.into(),
            most: None,
        }
    }

    /// With the most that it is meant to be.
    fn at_most(self, most: f64) -> Self {
        Self {
            most: Some(most),
            ..self
        }
    }
}

/// What is measured of the window; given by the program, since only it has one.
#[derive(Clone, Copy, Debug)]
pub struct WindowFigures {
    /// The canvas.
    pub canvas: fn() -> Result<Vec<Figure>, Error>,
    /// Live answers, from the stroke to what is shown of them.
    pub live: fn(&WindowLive) -> Result<Vec<Figure>, Error>,
}

/// What live answers of the window are measured on.
#[derive(Clone, Debug)]
pub struct WindowLive {
    /// The film that is drawn on.
    pub film: std::path::PathBuf,
    /// Where models are looked for, in order.
    pub folders: Vec<std::path::PathBuf>,
    /// Where networks run.
    pub device: crate::network::device::Wanted,
    /// Repetitions of each figure.
    pub repeat: usize,
}

/// What to measure.
#[derive(Clone, Debug, Subcommand)]
pub enum Bench {
    /// Time and bytes of a frame while panning, windowing and painting on 4096 × 4096 16-bit pixels.
    Canvas,
    /// From pen up to a new image, on the bundled models.
    Live {
        /// Repetitions of each figure.
        #[arg(long, default_value_t = 12)]
        repeat: usize,
        /// Only chains whose name contains this.
        #[arg(long, default_value = "")]
        only: String,
        /// Folder of model folders to use before the bundled ones.
        #[arg(long)]
        models: Option<std::path::PathBuf>,
    },
    /// Opening and decoding image files, and the time to the first picture of each.
    Dicom(dicom::Options),
    /// How near drawn films come to real ones: every gate of every kind, and the time to draw a film.
    Phantoms(phantoms::Options),
    /// Pixels outside the ring that change, over random masks, depths, crops, rings, scales and canvases: 0.
    Untouched(untouched::Options),
    /// What the models can do, on phantoms that none of them was trained on.
    Models(models::Options),
    /// Training steps of the bundled networks, with our operations and with the tensor library's own in turns.
    Training(training::Options),
    /// Convolutions and the other operations of the networks, on the processor.
    Network {
        /// Only operations whose name contains this.
        #[arg(long, default_value = "")]
        only: String,
        /// Seconds for each figure.
        #[arg(long, default_value_t = 0.3)]
        seconds: f64,
        /// The whole denoiser of this diffusion model folder instead of single operations.
        #[arg(long)]
        whole: Option<std::path::PathBuf>,
        /// The tensor library's own kernels instead of ours, to compare.
        #[arg(long)]
        library: bool,
    },
}

/// Measures and reports.
pub fn run(bench: &Bench, common: &Common, window: WindowFigures) -> Result<ExitCode, Error> {
    let threads = common.threads.unwrap_or(0);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| Error::new(ErrorKind::Failed, format!("no threads: {error}")))?;
    let figures = match bench {
        Bench::Phantoms(options) => {
            return pool.install(|| phantoms::run(options, common));
        }
        Bench::Untouched(options) => {
            return pool.install(|| untouched::run(options, common));
        }
        Bench::Models(options) => {
            return pool.install(|| models::run(options, common));
        }
        Bench::Dicom(options) => dicom::figures(options)?,
        Bench::Training(options) => pool.install(|| training::figures(options, common))?,
        Bench::Canvas => (window.canvas)()?,
        Bench::Live {
            repeat,
            only,
            models,
        } => pool.install(|| live::figures(*repeat, only, models.as_deref(), common, window))?,
        Bench::Network {
            only,
            seconds,
            whole,
            library,
        } => {
            let budget = Duration::try_from_secs_f64(*seconds).map_err(|error| {
                Error::new(ErrorKind::Usage, format!("--seconds {seconds}: {error}"))
            })?;
            let (place, missing) = Place::choose(common.device.into());
            if let Some(notice) = &missing {
                warn(notice);
            }
            let device = &place.device;
            let measure = || match whole {
                Some(folder) => speed::whole::figures(folder, only, budget, device),
                None => speed::figures(only, budget, device),
            };
            pool.install(|| {
                if *library {
                    ops::with_library_kernels(measure)
                } else {
                    measure()
                }
            })
            .map_err(|error| Error::new(ErrorKind::Failed, error.to_string()))?
            .into_iter()
            .map(|figure| Figure::new(figure.name, figure.value, figure.unit))
            .collect()
        }
    };
    show(&figures, common.json);
    Ok(ExitCode::SUCCESS)
}

/// The middle value; `None` of nothing.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    Some(f64::midpoint(values[last / 2], values[last.div_ceil(2)]))
}

fn show(figures: &[Figure], as_json: bool) {
    if as_json {
        let list: Vec<_> = figures
            .iter()
            .map(|figure| {
                let mut entry = json!({
                    "name": figure.name, "value": figure.value, "unit": figure.unit,
                });
                if let Some(most) = figure.most {
                    entry["most"] = json!(most);
                }
                entry
            })
            .collect();
        say_json(&json!({ "figures": list }));
        return;
    }
    for figure in figures {
        let (scale, unit) = match figure.unit.as_str() {
            "s" => (1e3, "ms"),
            unit => (1.0, unit),
        };
        let goal = figure.most.map_or_else(String::new, |most| {
            let verdict = if figure.value <= most {
                "holds"
            } else {
                "MISSED"
            };
            format!("  goal: at most {}, {verdict}", most * scale)
        });
        let value = figure.value * scale;
        say(&format!("{:<52} {value:>12.3} {unit}{goal}", figure.name));
    }
}
