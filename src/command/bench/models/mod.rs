//! `bench models`: what the models can do, on phantoms that none of them was trained on.
//!
//! Truth is exact on phantoms, so that errors here are errors of the networks; films of real patients are another
//! matter, which a figure of this kind does not answer. Separate from the lessons' own measurements, which see a few
//! images of the training's own kind of seed.

mod drawn;
mod films;
mod likeness;
mod reading;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::command::bench::median;
use crate::command::progress::Bar;
use crate::command::{Common, folders_of, say, say_json, warn};
use crate::engine::ModelStore;
use crate::job::{Error, ErrorKind, ModelReference, Progress};
use crate::phantom::KINDS;
use crate::synthesis::{Generator, Readers};
use crate::training::data::PHANTOM_KINDS;
use films::Films;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Error and intervals of the Norberg angle.
    Hips,
    /// Area under the ROC curve of each finding.
    Reader,
    /// Distance from drawn lines to the edges of what they became.
    Follow,
    /// Angle asked for against the angle found in the image.
    Geometry,
    /// Fréchet distance of generated images, over that of real ones.
    Frechet,
    /// What the autoencoder loses.
    Autoencoder,
}

/// Options of `bench models`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Folder of model folders to use before the bundled ones.
    #[arg(long)]
    models: Option<PathBuf>,
    /// Name of the model that makes images; without it the first there is.
    #[arg(long, default_value = "")]
    generator: String,
    /// Only these parts.
    #[arg(long, value_enum, value_delimiter = ',')]
    part: Vec<Part>,
    /// Only these kinds of phantom.
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<String>,
    /// Images generated of each kind, for each part that generates.
    #[arg(long, default_value_t = 24)]
    count: usize,
    /// Phantoms read of each kind.
    #[arg(long, default_value_t = 240)]
    films: usize,
    /// Side of the hip films that are read, pixels; without it that of the hips model, or three times as much where it
    /// looks at each hip again.
    #[arg(long)]
    hip_side: Option<usize>,
    /// First seed of the phantoms; far from those of any training.
    #[arg(long, default_value_t = 900_000)]
    seed: u64,
    /// Denoising steps of each generated image.
    #[arg(long, default_value_t = 8)]
    steps: usize,
    /// Guidance of each generated image; 1 = none.
    #[arg(long, default_value_t = 1.5)]
    guidance: f64,
}

/// One number, what it shall be, and what is to be said about it.
struct Row {
    name: String,
    /// Absent when it could not be measured; the note says why.
    value: Option<f64>,
    unit: &'static str,
    /// Smallest and largest value wanted.
    wanted: Option<[f64; 2]>,
    note: String,
}

impl Row {
    fn of(name: impl Into<String>, value: Option<f64>, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
            wanted: None,
            note: String::new(),
        }
    }

    /// Something that cannot be measured, and why.
    fn unknown(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self::of(name, None, "").note(why)
    }

    fn wanted(mut self, low: f64, high: f64) -> Self {
        self.wanted = Some([low, high]);
        self
    }

    fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn holds(&self) -> Option<bool> {
        let [low, high] = self.wanted?;
        self.value.map(|v| (low..=high).contains(&v))
    }
}

/// Everything that a part needs.
struct Ground<'a> {
    options: &'a Options,
    kinds: Vec<String>,
    films: Films,
    readers: Arc<Readers>,
    /// The networks that make images, or why there are none.
    generator: Result<Arc<Generator>, Error>,
    bar: Bar,
}

impl Ground<'_> {
    /// Shows how far a part is.
    fn at(&mut self, stage: &str, step: usize, steps: usize) {
        let progress = Progress {
            stage: stage.to_owned(),
            step,
            steps,
            seconds_left: None,
            preview: None,
            value: None,
        };
        // Showing never stops.
        let _ = self.bar.show(&progress);
    }
}

/// Measures and reports.
pub(super) fn run(options: &Options, common: &Common) -> Result<ExitCode, Error> {
    let mut store = ModelStore::new(folders_of(options.models.as_deref()), common.device.into());
    let mut ground = Ground {
        options,
        kinds: kinds(&options.kinds)?,
        films: Films::new(options.seed),
        readers: store.readers()?,
        generator: store.generator(&ModelReference {
            name: options.generator.clone(),
            ..ModelReference::default()
        }),
        bar: Bar::new(common),
    };
    let all = Part::value_variants();
    let parts = all
        .iter()
        .filter(|part| options.part.is_empty() || options.part.contains(part));
    let mut rows = Vec::new();
    for part in parts {
        rows.extend(match part {
            Part::Hips => reading::hips(&mut ground),
            Part::Reader => reading::findings(&mut ground)?,
            Part::Follow => drawn::follow(&mut ground)?,
            Part::Geometry => drawn::geometry(&mut ground)?,
            Part::Frechet => likeness::frechet(&mut ground)?,
            Part::Autoencoder => likeness::autoencoder(&mut ground)?,
        });
    }
    ground.bar.clear();
    for notice in store.take_notices() {
        warn(&notice);
    }
    show(&rows, common.json);
    Ok(ExitCode::SUCCESS)
}

/// The kinds asked for; all kinds of phantom when none is.
fn kinds(asked: &[String]) -> Result<Vec<String>, Error> {
    if let Some(unknown) = asked.iter().find(|k| !PHANTOM_KINDS.contains(&k.as_str())) {
        return Err(
            Error::new(ErrorKind::Usage, format!("no phantom is called {unknown}"))
                .remedy(format!("give one or more of {}", PHANTOM_KINDS.join(", "))),
        );
    }
    Ok(if asked.is_empty() {
        KINDS.map(str::to_owned).to_vec()
    } else {
        asked.to_vec()
    })
}

/// The mean; `None` of nothing.
fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn show(rows: &[Row], as_json: bool) {
    if as_json {
        let list: Vec<_> = rows
            .iter()
            .map(|row| {
                let [low, high] = row.wanted.unwrap_or([f64::NAN; 2]);
                json!({
                    "name": row.name, "value": row.value, "unit": row.unit,
                    "low": low.is_finite().then_some(low), "high": high.is_finite().then_some(high),
                    "holds": row.holds(), "note": row.note,
                })
            })
            .collect();
        say_json(&json!({ "figures": list }));
        return;
    }
    for row in rows {
        let value = row.value.map_or("-".to_owned(), |v| format!("{v:.3}"));
        let verdict = match row.holds() {
            Some(true) => "holds",
            Some(false) => "MISSED",
            None => "",
        };
        let line = format!("{:<44} {value:>9} {:<8} {verdict:<7}", row.name, row.unit);
        say(format!("{line} {}", row.note).trim_end());
    }
}
