//! Networks out of model folders, with every tensor accounted for.
//!
//! Separate from reading files because only a built network knows which tensors it wants.

use std::path::Path;

use candle_core::{Result as Tensors, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use super::watched::build_over;
use super::{ModelError, ModelFolder, Task};
use crate::grid::Grid;
use crate::network::autoencoder::{self, Autoencoder};
use crate::network::condition::{Condition, Moment, Names};
use crate::network::control::{Adapter, AdapterConfig, Branch};
use crate::network::denoiser::{self, Denoiser};
use crate::network::device::Place;
use crate::network::hips::points::Calibration;
use crate::network::hips::{self, HipNetwork};
use crate::network::reader::{self, Reader};
use crate::signal::fill::filled;

/// Builds a network at a place from a folder's tensors; a missing, misshapen or unused tensor is an error that names it.
pub fn build<N>(
    folder: &ModelFolder,
    place: &Place,
    network: impl FnOnce(&VarBuilder<'_>) -> Tensors<N>,
) -> Result<N, ModelError> {
    build_over(folder.tensors()?, &folder.path, place, network)
}

fn open(path: &Path, task: Task) -> Result<ModelFolder, ModelError> {
    let folder = ModelFolder::open(path)?;
    if folder.card.task == task {
        Ok(folder)
    } else {
        Err(ModelError::Task {
            path: path.to_owned(),
            expected: task.name().to_owned(),
            found: folder.card.task.name().to_owned(),
        })
    }
}

/// Configuration of a diffusion model: denoiser and adapter in one file, `denoiser.*` and `adapter.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiffusionConfig {
    /// The denoiser.
    pub denoiser: denoiser::Config,
    /// Its adapter.
    pub adapter: AdapterConfig,
    /// What it is shown of a part that is renewed.
    pub context: Context,
}

/// What stands in a part that is renewed, in the picture of what is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Context {
    /// The middle of the grey scale.
    #[default]
    Grey,
    /// A smooth continuation of what is around it: a small network has far to look across a large part, and painted it
    /// too dark (seen).
    Filled,
}

impl Context {
    /// The picture without what is renewed (`mask` above 0); `middle` of its grey scale.
    pub fn of(self, grey: &Grid<f32>, mask: &Grid<u8>, middle: f32) -> Grid<f32> {
        match self {
            Self::Filled => filled(grey, mask, middle),
            Self::Grey => {
                let mut kept = grey.clone();
                for (value, renewed) in kept.cells_mut().iter_mut().zip(mask.cells()) {
                    if *renewed > 0 {
                        *value = middle;
                    }
                }
                kept
            }
        }
    }
}

impl DiffusionConfig {
    /// A size for tests.
    pub fn tiny() -> Self {
        Self {
            denoiser: denoiser::Config::tiny(),
            adapter: AdapterConfig::tiny(),
            context: Context::default(),
        }
    }
}

/// A generator: denoiser and adapter.
#[derive(Clone, Debug)]
pub struct Diffusion {
    /// The denoiser.
    pub denoiser: Denoiser,
    /// The adapter.
    pub adapter: Adapter,
    /// Names of its kinds and findings.
    pub names: Names,
    /// What it is shown of a part that is renewed.
    pub context: Context,
}

impl Diffusion {
    /// Reads `denoiser.*` and `adapter.*`.
    pub fn new(vb: &VarBuilder<'_>, config: &DiffusionConfig, names: Names) -> Tensors<Self> {
        Ok(Self {
            denoiser: Denoiser::new(&vb.pp("denoiser"), &config.denoiser)?,
            adapter: Adapter::new(&vb.pp("adapter"), &config.adapter)?,
            names,
            context: config.context,
        })
    }

    /// The velocity at `input` (see [`assemble`](crate::network::denoiser::assemble)) with hint planes, and a condition
    /// and a moment a sample: `[B,C,h,w]`.
    pub fn velocity(
        &self,
        input: &Tensor,
        hint: &Tensor,
        conditions: &[Condition],
        moments: &[Moment],
    ) -> Tensors<Tensor> {
        let condition = self.denoiser.embed(conditions, moments)?;
        let injections = self.adapter.forward(hint)?;
        self.denoiser
            .forward(input, &condition, Some(&injections), None)
    }
}

/// An autoencoder with its latent statistics.
pub fn load_autoencoder(
    path: &Path,
    place: &Place,
) -> Result<(Autoencoder, ModelFolder), ModelError> {
    let folder = open(path, Task::Autoencoder)?;
    let config: autoencoder::Config = folder.configuration()?;
    let mut network = build(&folder, place, |vb| Autoencoder::new(vb, &config))?;
    network.scale = folder.card.latent.clone().unwrap_or_default();
    Ok((network, folder))
}

/// A generator.
pub fn load_diffusion(path: &Path, place: &Place) -> Result<(Diffusion, ModelFolder), ModelError> {
    load_flow(path, Task::Diffusion, place)
}

/// What draws squares of a film again: a generator whose images are parts of films.
pub fn load_refiner(path: &Path, place: &Place) -> Result<(Diffusion, ModelFolder), ModelError> {
    load_flow(path, Task::Refiner, place)
}

fn load_flow(
    path: &Path,
    task: Task,
    place: &Place,
) -> Result<(Diffusion, ModelFolder), ModelError> {
    let folder = open(path, task)?;
    let config: DiffusionConfig = folder.configuration()?;
    let names = folder.card.names.clone().unwrap_or_default();
    let network = build(&folder, place, |vb| Diffusion::new(vb, &config, names))?;
    Ok((network, folder))
}

/// A ControlNet branch; its configuration is that of the denoiser it belongs to.
pub fn load_control(path: &Path, place: &Place) -> Result<(Branch, ModelFolder), ModelError> {
    let folder = open(path, Task::Control)?;
    let config: denoiser::Config = folder.configuration()?;
    let network = build(&folder, place, |vb| Branch::new(vb, &config))?;
    Ok((network, folder))
}

/// A reader with its names.
pub fn load_reader(path: &Path, place: &Place) -> Result<(Reader, ModelFolder), ModelError> {
    let folder = open(path, Task::Reader)?;
    let config: reader::Config = folder.configuration()?;
    let network = build(&folder, place, |vb| Reader::new(vb, &config))?;
    Ok((network, folder))
}

/// A hips network with its calibration.
pub fn load_hips(
    path: &Path,
    place: &Place,
) -> Result<(HipNetwork, Calibration, ModelFolder), ModelError> {
    let folder = open(path, Task::Hips)?;
    let config: hips::Config = folder.configuration()?;
    let network = build(&folder, place, |vb| HipNetwork::new(vb, &config))?;
    let calibration = folder.card.calibration.clone().unwrap_or_default();
    Ok((network, calibration, folder))
}

/// The second look at a hip with its configuration and calibration.
pub fn load_hip_detail(
    path: &Path,
    place: &Place,
) -> Result<(HipNetwork, hips::detail::Config, Calibration, ModelFolder), ModelError> {
    let folder = open(path, Task::HipDetail)?;
    let config: hips::detail::Config = folder.configuration()?;
    let network = build(&folder, place, |vb| {
        HipNetwork::new(vb, &config.hourglass())
    })?;
    let calibration = folder.card.calibration.clone().unwrap_or_default();
    Ok((network, config, calibration, folder))
}

/// Whether a folder loads whole: hashes, types, names and shapes.
pub fn check(path: &Path) -> Result<ModelFolder, ModelError> {
    let (folder, place) = (ModelFolder::open(path)?, &Place::default());
    match folder.card.task {
        Task::Autoencoder => load_autoencoder(path, place).map(|(_, folder)| folder),
        Task::Diffusion => load_diffusion(path, place).map(|(_, folder)| folder),
        Task::Control => load_control(path, place).map(|(_, folder)| folder),
        Task::Reader => load_reader(path, place).map(|(_, folder)| folder),
        Task::Hips => load_hips(path, place).map(|(.., folder)| folder),
        Task::HipDetail => load_hip_detail(path, place).map(|(.., folder)| folder),
        Task::Refiner => load_refiner(path, place).map(|(.., folder)| folder),
    }
}
