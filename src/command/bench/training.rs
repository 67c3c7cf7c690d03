//! `bench training`: steps of each bundled network's lesson, with our operations and with the tensor library's.
//!
//! Separate from `bench network`, which times operations alone: here a step is what `train` does, data included.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Figure, median};
use crate::command::Common;
use crate::command::progress::Bar;
use crate::command::train::read_recipe;
use crate::job::{DataSource, Error, ErrorKind, TrainingPlan, TrainingTask};
use crate::training::speed::{Turns, side_by_side};
use crate::training::task_name;

/// Options of `bench training`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Only lessons whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Steps with our operations.
    #[arg(long, default_value_t = 100)]
    steps: usize,
    /// Steps with the tensor library's, which take several times as long; without it as many.
    #[arg(long)]
    library_steps: Option<usize>,
    /// Phantoms of each kind that are learnt from.
    #[arg(long, default_value_t = 16)]
    phantoms: usize,
}

/// The lessons of the bundled networks, with the phantoms each learns from.
const LESSONS: [(TrainingTask, &[&str]); 7] = [
    (TrainingTask::Autoencoder, &["hip", "chest"]),
    (TrainingTask::Diffusion, &["hip", "chest"]),
    (TrainingTask::Student, &["hip", "chest"]),
    (TrainingTask::Hips, &["hip"]),
    (TrainingTask::HipDetail, &["hip"]),
    (TrainingTask::Reader, &["hip", "chest"]),
    (TrainingTask::Refiner, &["hip", "chest"]),
];

/// Medians of the steps of every lesson, seconds, and ours as a share of the library's.
pub(super) fn figures(options: &Options, common: &Common) -> Result<Vec<Figure>, Error> {
    let assets = crate::bundle::assets().ok_or_else(|| {
        Error::new(
            ErrorKind::Model,
            "the recipes that come with the program are not there",
        )
    })?;
    let scratch = tempfile::tempdir()
        .map_err(|error| Error::new(ErrorKind::Failed, format!("no folder to work in: {error}")))?;
    let mut bar = Bar::new(common);
    let mut figures = Vec::new();
    for (task, kinds) in LESSONS {
        let name = task_name(task);
        if !name.contains(&options.only) {
            continue;
        }
        let plan = TrainingPlan {
            task,
            data: DataSource::Phantoms {
                kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
                seed: 1,
                count: options.phantoms,
            },
            recipe: recipe(task, &assets)?,
            out: scratch.path().join(name),
            resume: false,
            minutes: None,
        };
        let library_steps = options.library_steps.unwrap_or(options.steps);
        let turns = side_by_side(&plan, options.steps, library_steps, &mut |progress| {
            bar.show(&progress)
        })?;
        add(name, &turns, &mut figures);
    }
    bar.clear();
    Ok(figures)
}

/// The bundled recipe of a task, pointed at the bundled models that it stands on.
fn recipe(task: TrainingTask, assets: &Path) -> Result<serde_json::Value, Error> {
    let path = assets.join("recipes").join(task_name(task));
    let mut recipe = read_recipe(&path.with_extension("toml"))?;
    let model = |name: &str| -> PathBuf { assets.join("models").join(name) };
    if matches!(task, TrainingTask::Diffusion | TrainingTask::Student) {
        recipe["autoencoder"] = serde_json::json!(model("autoencoder"));
    }
    if task == TrainingTask::Refiner {
        recipe["autoencoder"] = serde_json::json!(model("autoencoder-kinds"));
    }
    if task == TrainingTask::Student {
        recipe["base"] = serde_json::json!(model("diffusion"));
    }
    Ok(recipe)
}

fn add(name: &str, turns: &Turns, figures: &mut Vec<Figure>) {
    let (ours, library) = (median(turns.ours.clone()), median(turns.library.clone()));
    let mut figure = |what: &str, value: Option<f64>, unit: &str| {
        figures.extend(value.map(|value| Figure::new(format!("{name} {what}"), value, unit)));
    };
    figure("step", ours, "s");
    let data = median(turns.data.clone());
    let share = data.zip(ours).map(|(data, ours)| 100.0 * data / ours);
    figure("share of its batch", share, "%");
    figure("step, library", library, "s");
    let ratio = ours.zip(library).map(|(ours, library)| ours / library);
    figure("ours / library", ratio, "");
    figure("steps", Some(turns.ours.len() as f64), "");
    figure("steps, library", Some(turns.library.len() as f64), "");
    figure("losses apart by", ratio.map(|_| turns.difference), "");
}
