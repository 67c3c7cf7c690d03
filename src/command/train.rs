//! `train`: one network, on phantoms or a folder, resumable.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::progress::Bar;
use super::{Common, say, say_json, warn};
use crate::job::{DataSource, Error, ErrorKind, Progress, TrainingPlan, TrainingTask};
use crate::network::device::Place;
use crate::training;

/// Train a network.
#[derive(Debug, Args)]
pub struct Train {
    /// Which network.
    #[arg(value_enum)]
    task: Task,
    /// A folder of images, a manifest (`.csv` with a column `file`), or kinds of phantoms: `hip,chest,breast,jaw,brain-mr,brain-ct`.
    #[arg(long)]
    data: String,
    /// How many phantoms of each kind.
    #[arg(long, default_value_t = 400)]
    count: usize,
    /// Seed of the first phantom.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The recipe, TOML; its defaults if absent.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Folder for checkpoints, `metrics.jsonl` and `model.json`.
    #[arg(long)]
    out: PathBuf,
    /// Go on from the last checkpoint in the output folder.
    #[arg(long)]
    resume: bool,
    /// Stop after so many minutes, with a checkpoint.
    #[arg(long)]
    minutes: Option<f64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Task {
    /// Grey autoencoder and its preview decoder.
    Autoencoder,
    /// Conditional diffusion U-Net with its control adapter.
    Diffusion,
    /// ControlNet branch on a frozen U-Net.
    Control,
    /// Reader: classifier with named blocks.
    Reader,
    /// Hip points.
    Hips,
    /// Second, enlarged look at each hip.
    HipDetail,
    /// Squares of a film drawn again, finer.
    Refiner,
    /// Few-step student of a diffusion model.
    Student,
}

impl From<Task> for TrainingTask {
    fn from(task: Task) -> Self {
        match task {
            Task::Autoencoder => Self::Autoencoder,
            Task::Diffusion => Self::Diffusion,
            Task::Control => Self::Control,
            Task::Reader => Self::Reader,
            Task::Hips => Self::Hips,
            Task::HipDetail => Self::HipDetail,
            Task::Refiner => Self::Refiner,
            Task::Student => Self::Student,
        }
    }
}

/// Runs the command.
pub fn run(options: &Train, common: &Common) -> Result<ExitCode, Error> {
    let plan = plan(options)?;
    let mut bar = Bar::new(common);
    let (place, missing) = Place::choose(common.device.into());
    let (place, elsewhere) = training::place(place);
    for notice in missing.iter().chain(&elsewhere) {
        warn(notice);
    }
    let observe = &mut |progress: Progress| bar.show(&progress);
    let trained = training::carry_out(&plan, &place, observe, &mut |notice| warn(notice))?;
    bar.clear();
    if common.json {
        say_json(&serde_json::json!({
            "steps": trained.steps,
            "loss": trained.loss,
            "checkpoint": trained.checkpoint,
        }));
    } else {
        say(&format!(
            "{} steps, loss {:.5}: {}",
            trained.steps,
            trained.loss,
            plan.out.display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn plan(options: &Train) -> Result<TrainingPlan, Error> {
    let folder = PathBuf::from(&options.data);
    let data = if folder.exists() {
        DataSource::Folder(folder)
    } else {
        DataSource::Phantoms {
            kinds: options
                .data
                .split(',')
                .map(|k| k.trim().to_owned())
                .collect(),
            seed: options.seed,
            count: options.count,
        }
    };
    Ok(TrainingPlan {
        task: options.task.into(),
        data,
        recipe: recipe(options)?,
        out: options.out.clone(),
        resume: options.resume,
        minutes: options.minutes,
    })
}

fn recipe(options: &Train) -> Result<serde_json::Value, Error> {
    match &options.config {
        Some(path) => read_recipe(path),
        None => Ok(serde_json::json!({})),
    }
}

/// The content of a recipe file, TOML.
pub(super) fn read_recipe(path: &Path) -> Result<serde_json::Value, Error> {
    let wrong = |what: String| Error::new(ErrorKind::Usage, what).at(path);
    let text = std::fs::read_to_string(path)
        .map_err(|error| wrong(format!("the recipe cannot be read: {error}")))?;
    toml::from_str(&text).map_err(|error| wrong(format!("the recipe is not TOML: {error}")))
}
