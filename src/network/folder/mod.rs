//! Model folders: `model.json` and safetensors, read with every check and written so that a crash leaves no half file.
//!
//! Separate from the networks because trust is decided here: nothing is built from a file whose hash, type or names
//! are not what the card promises.

mod error;
mod load;
mod watched;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::autoencoder::LatentScale;
use super::condition::Names;
use super::hips::points::Calibration;
use crate::encoding::hex;
use crate::whole;

pub use error::ModelError;
pub use load::{
    Context, Diffusion, DiffusionConfig, build, check, load_autoencoder, load_control,
    load_diffusion, load_hip_detail, load_hips, load_reader, load_refiner,
};
pub use watched::{Store, build_over};

/// The file that makes a folder a model.
pub const CARD: &str = "model.json";
/// The weights written by this program.
pub const WEIGHTS: &str = "weights.safetensors";
/// The weights of the card that is there, while those in their place are already the next ones: a card and its weights
/// cannot change at one moment.
const BEFORE: &str = "weights.before.safetensors";

/// What a network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Grey autoencoder.
    Autoencoder,
    /// Conditional denoiser with its adapter.
    Diffusion,
    /// ControlNet branch.
    Control,
    /// Reader.
    Reader,
    /// Hip points.
    Hips,
    /// Second, enlarged look at each hip.
    HipDetail,
    /// Squares of a film drawn again, finer.
    Refiner,
}

impl Task {
    /// Its lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Autoencoder => "autoencoder",
            Self::Diffusion => "diffusion",
            Self::Control => "control",
            Self::Reader => "reader",
            Self::Hips => "hips",
            Self::HipDetail => "hip-detail",
            Self::Refiner => "refiner",
        }
    }
}

/// What `model.json` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The model's name; requests and records use it.
    pub name: String,
    /// What it does.
    pub task: Task,
    /// What images it knows: `canine hip and chest phantoms`.
    pub domain: String,
    /// Name of the architecture: `grey-autoencoder-1`.
    pub architecture: String,
    /// Its configuration: the serde form of the network's `Config`.
    pub configuration: serde_json::Value,
    /// Width and height it was trained at.
    pub native_size: [usize; 2],
    /// Millimetres a pixel it was trained at; absent when mixed.
    #[serde(default)]
    pub spacing_mm: Option<f64>,
    /// `white on black`: what a hint must look like.
    #[serde(default)]
    pub hint: String,
    /// SPDX expression.
    pub licence: String,
    /// How and on what it was trained, for a person.
    pub training: String,
    /// Figures measured on held-out images.
    #[serde(default)]
    pub measured: BTreeMap<String, f64>,
    /// SHA-256 of each weights file, hexadecimal.
    pub files: BTreeMap<String, String>,
    /// Latent statistics; autoencoders only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latent: Option<LatentScale>,
    /// Calibration; hips only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Names of kinds and findings; diffusion and reader only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<Names>,
    /// What it was distilled for; few-step diffusion models only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub student: Option<Student>,
    /// Models it only works with, by task: name and hash.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub needs: BTreeMap<String, Need>,
}

/// What a few-step model was distilled for: it takes long steps, and guidance is folded into its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Student {
    /// Numbers of steps it does well with.
    pub steps: Vec<usize>,
    /// The least and the most guidance weight that it was taught; the weight is an input of it.
    pub guidance: [f64; 2],
}

/// A model that another one needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// Its name, also that of its folder beside the other one.
    pub name: String,
    /// Its [`ModelFolder::hash`].
    pub hash: String,
}

impl Need {
    /// That very model.
    pub fn of(folder: &ModelFolder) -> Self {
        Self {
            name: folder.card.name.clone(),
            hash: folder.hash(),
        }
    }
}

/// A folder with its card; the weights are read when asked for.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub card: Card,
}

impl ModelFolder {
    /// Reads the card.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let file = path.join(CARD);
        let text = read(&file)?;
        let card = serde_json::from_slice(&text).map_err(|error| ModelError::Card {
            path: file,
            what: error.to_string(),
        })?;
        Ok(Self {
            path: path.to_owned(),
            card,
        })
    }

    /// SHA-256 over the names and hashes of the files, hexadecimal: the identity of the weights.
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        for (name, hash) in &self.card.files {
            hasher.update(format!("{name} {hash}\n"));
        }
        hex(&hasher.finalize())
    }

    /// The configuration of its network.
    pub fn configuration<C: serde::de::DeserializeOwned>(&self) -> Result<C, ModelError> {
        serde_json::from_value(self.card.configuration.clone()).map_err(|error| ModelError::Card {
            path: self.path.join(CARD),
            what: format!("configuration: {error}"),
        })
    }

    /// All tensors in f32; every file's hash is checked first.
    pub fn tensors(&self) -> Result<HashMap<String, Tensor>, ModelError> {
        let mut tensors = HashMap::new();
        for (name, expected) in &self.card.files {
            let path = self.path.join(name);
            // A card is not trusted with a path: its files lie beside it.
            let inside = Path::new(name)
                .file_name()
                .is_some_and(|own| own == name.as_str());
            if !inside {
                return Err(ModelError::Card {
                    path: self.path.join(CARD),
                    what: format!("'{name}' is no name of a file in this folder"),
                });
            }
            let content = self.content(&path, name, expected)?;
            tensors.extend(tensors_in(&path, &content)?);
        }
        Ok(tensors)
    }

    /// The bytes of one file with the hash that the card promises.
    fn content(&self, path: &Path, name: &str, expected: &str) -> Result<Vec<u8>, ModelError> {
        let content = read(path)?;
        let found = hex(&Sha256::digest(&content));
        if found.eq_ignore_ascii_case(expected) {
            return Ok(content);
        }
        // A save that was ended in its middle left the weights of this card beside those of the next.
        if name == WEIGHTS
            && let Ok(kept) = fs::read(self.path.join(BEFORE))
            && hex(&Sha256::digest(&kept)).eq_ignore_ascii_case(expected)
        {
            return Ok(kept);
        }
        Err(ModelError::Hash {
            path: path.to_owned(),
            expected: expected.to_owned(),
            found,
        })
    }
}

/// The tensors of one safetensors file, in f32.
pub fn tensors_in(path: &Path, content: &[u8]) -> Result<HashMap<String, Tensor>, ModelError> {
    let damaged = |what: String| ModelError::Damaged {
        path: path.to_owned(),
        what,
    };
    let file = safetensors::SafeTensors::deserialize(content)
        .map_err(|error| damaged(error.to_string()))?;
    for (name, view) in file.tensors() {
        use safetensors::Dtype;
        if !matches!(view.dtype(), Dtype::F16 | Dtype::BF16 | Dtype::F32) {
            return Err(ModelError::Type {
                path: path.to_owned(),
                tensor: name,
                found: format!("{:?}", view.dtype()),
            });
        }
    }
    candle_core::safetensors::load_buffer(content, &Device::Cpu)
        .and_then(|tensors| {
            tensors
                .into_iter()
                .map(|(name, tensor)| Ok((name, tensor.to_dtype(DType::F32)?)))
                .collect()
        })
        .map_err(|error| damaged(error.to_string()))
}

/// Writes weights as f16 and then the card with their hash; either the old or the new model is there at any moment,
/// with all of its files.
pub fn save(
    path: &Path,
    mut card: Card,
    tensors: &BTreeMap<String, Tensor>,
) -> Result<ModelFolder, ModelError> {
    let tensors_failed = |source| ModelError::Tensors {
        path: path.to_owned(),
        source,
    };
    let halves: BTreeMap<&String, Tensor> = tensors
        .iter()
        .map(|(name, tensor)| Ok((name, tensor.to_dtype(DType::F16)?)))
        .collect::<candle_core::Result<_>>()
        .map_err(tensors_failed)?;
    let content = safetensors::serialize(&halves, None)
        .map_err(|error| tensors_failed(candle_core::Error::Msg(error.to_string())))?;
    let before = path.join(BEFORE);
    keep(path, &before).map_err(|source| ModelError::Write {
        path: before.clone(),
        source,
    })?;
    write(&path.join(WEIGHTS), &content)?;
    card.files = BTreeMap::from([(WEIGHTS.to_owned(), hex(&Sha256::digest(&content)))]);
    let folder = ModelFolder {
        path: path.to_owned(),
        card,
    };
    folder.save_card()?;
    // No card speaks of them any more; where they cannot be removed they are in nobody's way.
    let _ = fs::remove_file(before);
    Ok(folder)
}

/// Keeps the weights that the card of a folder speaks of under another name.
fn keep(path: &Path, before: &Path) -> std::io::Result<()> {
    let weights = path.join(WEIGHTS);
    let Ok(old) = ModelFolder::open(path) else {
        return Ok(());
    };
    let Ok(content) = fs::read(&weights) else {
        return Ok(());
    };
    if old.card.files.get(WEIGHTS) != Some(&hex(&Sha256::digest(&content))) {
        // Ended in the middle the last time: what was kept then belongs to the card, what lies here does not.
        return Ok(());
    }
    match fs::remove_file(before) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Not every disk knows a second name of a file.
    fs::hard_link(&weights, before).or_else(|_| fs::copy(&weights, before).map(drop))
}

impl ModelFolder {
    /// Writes the card alone: after measuring or calibrating.
    pub fn save_card(&self) -> Result<(), ModelError> {
        let path = self.path.join(CARD);
        let mut text = serde_json::to_vec_pretty(&self.card).map_err(|error| ModelError::Card {
            path: path.clone(),
            what: error.to_string(),
        })?;
        text.push(b'\n');
        write(&path, &text)
    }
}

/// The model folders directly inside `folder`, in order of their names, readable or not.
pub fn list(folder: &Path) -> Vec<(PathBuf, Result<ModelFolder, ModelError>)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join(CARD).is_file())
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let opened = ModelFolder::open(&path);
            (path, opened)
        })
        .collect()
}

fn read(path: &Path) -> Result<Vec<u8>, ModelError> {
    fs::read(path).map_err(|source| ModelError::reading(path, source))
}

/// Writes a file of a model by [`whole::write`]: a reader never sees half of it.
pub fn write(path: &Path, content: &[u8]) -> Result<(), ModelError> {
    let written = whole::make_folder_of(path).and_then(|()| whole::write(path, content, true));
    written.map_err(|source| ModelError::Write {
        path: path.to_owned(),
        source,
    })
}
