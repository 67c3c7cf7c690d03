//! Orders: anything asked of an engine, plain data.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{HipReading, Request};
use crate::grid::Grid;
use crate::radiograph::{DisplayWindow, Radiograph};

/// Anything asked of an engine.
#[expect(
    clippy::large_enum_variant,
    reason = "orders are few and move once; a box would be in the way of every pattern"
)]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Order {
    /// Make images.
    Generate(Request),
    /// Read an image with a network.
    Measure(Measurement),
    /// Train a network.
    Train(TrainingPlan),
    /// Run a with-and-without-augmentation study.
    Study(StudyPlan),
}

/// What is read from an image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Measurement {
    /// Both hips of a ventrodorsal film.
    Hips {
        /// The film.
        radiograph: Arc<Radiograph>,
        /// Window that maps it to grey; absent = its initial window.
        window: Option<DisplayWindow>,
    },
    /// What kind of image it is.
    Kind {
        /// The image.
        radiograph: Arc<Radiograph>,
        /// Window that maps it to grey; absent = its initial window.
        window: Option<DisplayWindow>,
    },
    /// Saliency maps of the reader's blocks, for the D-score.
    Saliency {
        /// The image.
        radiograph: Arc<Radiograph>,
        /// Window that maps it to grey; absent = its initial window.
        window: Option<DisplayWindow>,
    },
}

/// What a measurement gave.
#[derive(Clone, Debug)]
pub enum Reading {
    /// Hip points with their uncertainty.
    Hips(HipReading),
    /// Kinds with the reader's probabilities, which add up to 1; the likeliest first.
    Kind(Vec<(String, f64)>),
    /// One map a block.
    Saliency(Vec<Grid<f32>>),
}

/// The network that is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainingTask {
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

/// What is trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataSource {
    /// Phantoms made on the fly; kinds by name.
    Phantoms {
        /// `hip`, `chest`.
        kinds: Vec<String>,
        /// Seed of the first phantom.
        seed: u64,
        /// How many different phantoms.
        count: usize,
    },
    /// A folder of images, or a manifest (CSV) of them.
    Folder(PathBuf),
}

/// A training run, resumable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingPlan {
    /// Which network.
    pub task: TrainingTask,
    /// On what.
    pub data: DataSource,
    /// The recipe (sizes, rates, steps), as read from its TOML file; missing keys take the task's defaults.
    #[serde(default)]
    pub recipe: serde_json::Value,
    /// Folder for checkpoints, `metrics.jsonl` and `model.json`.
    pub out: PathBuf,
    /// Go on from the last checkpoint in `out`.
    pub resume: bool,
    /// Stop after so many minutes, with a checkpoint.
    pub minutes: Option<f64>,
}

/// What training gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trained {
    /// Optimiser steps done in all.
    pub steps: usize,
    /// Smoothed training loss at the end.
    pub loss: f64,
    /// The last checkpoint.
    pub checkpoint: PathBuf,
}

/// A with-and-without-augmentation study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudyPlan {
    /// `classification`, `detection`, `segmentation`, `norberg`, `translation`.
    pub protocol: String,
    /// Real and synthetic cases.
    pub data: PathBuf,
    /// Folder for the tables.
    pub out: PathBuf,
}

/// The table of a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudyTable {
    /// One object a row.
    pub table: Vec<serde_json::Value>,
}
