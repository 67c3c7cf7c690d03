//! A model of the diffusers layout on the disk: a pipeline, a `ControlNet` or a change of weights.
//!
//! Separate from the networks: what it is, which files make it up and whether they belong together is known before any
//! weight is read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::files::{hash, joint, read_json, weights_in};
use crate::network::folder::{ModelError, Store as _};
use crate::network::peer::source::Source;

/// The file that makes a folder a pipeline.
const INDEX: &str = "model_index.json";
/// The file that stands for a folder elsewhere.
const REFERENCE: &str = "reference.json";
const CONFIG: &str = "config.json";
/// The usual name of a change of weights.
const LORA: &str = "pytorch_lora_weights.safetensors";

/// The classes of `model_index.json` whose folders hold the parts of Stable Diffusion 1 and 2: what else they name in
/// diffusers is how pictures are asked of them.
const PIPELINES: [&str; 14] = [
    "StableDiffusionPipeline",
    "StableDiffusionImg2ImgPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionInpaintPipelineLegacy",
    "StableDiffusionControlNetPipeline",
    "StableDiffusionControlNetImg2ImgPipeline",
    "StableDiffusionControlNetInpaintPipeline",
    "StableDiffusionPAGPipeline",
    "StableDiffusionPAGImg2ImgPipeline",
    "StableDiffusionPAGInpaintPipeline",
    "StableDiffusionControlNetPAGPipeline",
    "StableDiffusionControlNetPAGInpaintPipeline",
    "LatentConsistencyModelPipeline",
    DISTILLED_IMAGES,
];
/// The class that takes all steps from a picture, whatever the strength.
const DISTILLED_IMAGES: &str = "LatentConsistencyModelImg2ImgPipeline";

/// What names of checkpoints of the original layout begin with.
const ORIGINAL: [&str; 5] = [
    "model.diffusion_model.",
    "first_stage_model.",
    "cond_stage_model.",
    "control_model.",
    "input_hint_block.",
];

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerTask {
    /// Text, denoiser, autoencoder and scheduler.
    Pipeline,
    /// `ControlNet`.
    Control,
    /// A low-rank change of weights.
    Lora,
}

impl PeerTask {
    /// Its lower-case name, as `models list` shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pipeline => "diffusers",
            Self::Control => "diffusers-control",
            Self::Lora => "lora",
        }
    }
}

/// A folder (or, for a change of weights, a file) with what its index says.
#[derive(Clone, Debug)]
pub struct PeerFolder {
    /// Where it is.
    pub path: PathBuf,
    /// Its name: that of the folder, or that under which it was added.
    pub name: String,
    /// What it is.
    pub task: PeerTask,
    /// Whether a picture is begun from as diffusers' `LatentConsistencyModelImg2ImgPipeline` does it: so the index says.
    pub distilled_images: bool,
    /// Hashes that were recorded when it was added; empty = none were.
    promised: BTreeMap<String, String>,
}

impl PeerFolder {
    /// Whether something at this path could be one.
    pub fn is_one(path: &Path) -> bool {
        path.join(INDEX).is_file()
            || path.join(REFERENCE).is_file()
            || path.join(LORA).is_file()
            || is_lora_file(path)
            || (path.join(CONFIG).is_file() && !path.join("model.json").is_file())
    }

    /// Reads what it is; a reference is followed once. No weights are read.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let name = name_of(path);
        let reference = path.join(REFERENCE);
        if reference.is_file() {
            let value = read_json(&reference)?;
            let Some(target) = value["path"].as_str().map(PathBuf::from) else {
                return Err(ModelError::Configuration {
                    path: reference,
                    what: "it names no path".to_owned(),
                });
            };
            if !target.exists() {
                return Err(ModelError::Missing { path: target });
            }
            let (task, distilled_images) = task_of(&target)?;
            return Ok(Self {
                path: target,
                name,
                task,
                distilled_images,
                promised: serde_json::from_value(value["files"].clone()).unwrap_or_default(),
            });
        }
        let (task, distilled_images) = task_of(path)?;
        Ok(Self {
            path: path.to_owned(),
            name,
            task,
            distilled_images,
            promised: BTreeMap::new(),
        })
    }

    /// The `ControlNet` folders that lie inside of a pipeline.
    pub fn own_controls(&self) -> Vec<PathBuf> {
        if self.task != PeerTask::Pipeline {
            return Vec::new();
        }
        (0..8)
            .map(|i| match i {
                0 => self.path.join("controlnet"),
                i => self.path.join(format!("controlnet_{i}")),
            })
            .filter(|path| path.join(CONFIG).is_file())
            .collect()
    }

    /// The files that decide what it makes, by their names in the folder, with their SHA-256.
    ///
    /// An error where a file is not the one that was there when the folder was added.
    pub fn hashes(&self) -> Result<BTreeMap<String, String>, ModelError> {
        let mut files = Vec::new();
        match self.task {
            PeerTask::Pipeline => {
                let part = |name: &str| self.path.join(name);
                if self.distilled_images {
                    // Of other classes the index decides nothing.
                    files.push(part(INDEX));
                }
                for name in ["unet", "vae", "text_encoder"] {
                    files.push(part(name).join(CONFIG));
                    files.push(self.weights(name)?);
                }
                files.push(part("scheduler").join("scheduler_config.json"));
                let tokenizer = part("tokenizer");
                let optional = [
                    "vocab.json",
                    "merges.txt",
                    "tokenizer.json",
                    "tokenizer_config.json",
                ];
                let there = optional.iter().map(|name| tokenizer.join(name));
                files.extend(there.filter(|path| path.is_file()));
            }
            PeerTask::Control => {
                files.push(self.path.join(CONFIG));
                files.push(control_weights(&self.path)?);
            }
            PeerTask::Lora => files.push(lora_file(&self.path)),
        }
        let base = if self.path.is_dir() {
            self.path.as_path()
        } else {
            self.path.parent().unwrap_or(&self.path)
        };
        files
            .into_iter()
            .map(|path| {
                let name = path.strip_prefix(base).unwrap_or(&path);
                let name = name.to_string_lossy().replace('\\', "/");
                let found = hash(&path)?;
                match self.promised.get(&name) {
                    Some(expected) if *expected != found => Err(ModelError::Hash {
                        path,
                        expected: expected.clone(),
                        found,
                    }),
                    _ => Ok((name, found)),
                }
            })
            .collect()
    }

    /// The identity of its weights and settings, hexadecimal.
    pub fn hash(&self) -> Result<String, ModelError> {
        self.hashes().map(|files| joint(&files))
    }

    /// The weights of a part of a pipeline.
    pub(super) fn weights(&self, part: &str) -> Result<PathBuf, ModelError> {
        let folder = self.path.join(part);
        if part == "text_encoder" {
            weights_in(&folder, &["model", "pytorch_model"])
        } else {
            weights_in(&folder, &["diffusion_pytorch_model"])
        }
    }

    /// The configuration of a part of a pipeline.
    pub(super) fn config(&self, part: &str) -> Result<Value, ModelError> {
        read_json(&self.path.join(part).join(CONFIG))
    }
}

/// The weights of a `ControlNet` folder.
pub(super) fn control_weights(folder: &Path) -> Result<PathBuf, ModelError> {
    weights_in(folder, &["diffusion_pytorch_model"])
}

/// The file of a change of weights.
pub(super) fn lora_file(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join(LORA)
    } else {
        path.to_owned()
    }
}

fn is_lora_file(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|e| e == "safetensors")
}

fn name_of(path: &Path) -> String {
    let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = if absolute.is_dir() {
        absolute.file_name()
    } else {
        absolute.file_stem()
    };
    name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// What lies at a path, and [`PeerFolder::distilled_images`].
fn task_of(path: &Path) -> Result<(PeerTask, bool), ModelError> {
    let index = path.join(INDEX);
    if index.is_file() {
        let class = check_index(&index)?;
        return Ok((PeerTask::Pipeline, class == DISTILLED_IMAGES));
    }
    if path.is_file() || path.join(LORA).is_file() {
        only_changes(&lora_file(path))?;
        return Ok((PeerTask::Lora, false));
    }
    if !path.exists() {
        return Err(ModelError::Missing {
            path: path.to_owned(),
        });
    }
    let config = path.join(CONFIG);
    if !config.is_file() {
        return Err(ModelError::Missing { path: index });
    }
    let value = read_json(&config)?;
    match value["_class_name"].as_str() {
        Some("ControlNetModel") => Ok((PeerTask::Control, false)),
        other => Err(ModelError::Task {
            path: path.to_owned(),
            expected: "a pipeline or a ControlNet".to_owned(),
            found: other.unwrap_or("nameless").to_owned(),
        }),
    }
}

/// An error that says what a file is instead, unless it holds changes of weights; only its header is read.
fn only_changes(path: &Path) -> Result<(), ModelError> {
    let wrong = |what: String| ModelError::Configuration {
        path: path.to_owned(),
        what,
    };
    if !is_lora_file(path) {
        let what = "only .safetensors files of changes of weights (LoRA) are added as they are; \
                    `radcanvas models convert` makes a folder of a checkpoint, which can be added";
        return Err(wrong(what.to_owned()));
    }
    let names = Source::open(path)?.names();
    if names.iter().any(|name| name.contains("lora")) {
        return Ok(());
    }
    let begins = |starts: &[&str]| {
        let begins = |name: &&String| starts.iter().any(|start| name.starts_with(start));
        names.iter().find(begins)
    };
    if let Some(name) = begins(&ORIGINAL) {
        return Err(wrong(format!(
            "it is a checkpoint of the original layout ({name}), not changes of weights (LoRA); `radcanvas models \
             convert` makes a folder of it, which can be added"
        )));
    }
    if begins(&[
        "down_blocks.",
        "up_blocks.",
        "encoder.",
        "decoder.",
        "text_model.",
    ])
    .is_some()
    {
        let what = "it holds the weights of one network, not changes of weights (LoRA); add the folder of the model \
                    that it belongs to, with its configuration";
        return Err(wrong(what.to_owned()));
    }
    let first: Vec<&str> = names.iter().take(4).map(String::as_str).collect();
    Err(wrong(format!(
        "it holds no changes of weights (LoRA); its tensors are called {}{}",
        first.join(", "),
        if names.len() > 4 { ", …" } else { "" }
    )))
}

/// The class of a pipeline; refuses those of other families and parts of other classes.
fn check_index(path: &Path) -> Result<String, ModelError> {
    let value = read_json(path)?;
    // A class of somebody's own stands behind the name of its file.
    let class = &value["_class_name"];
    let class = class.as_str().or_else(|| class[1].as_str());
    let class = class.unwrap_or("nameless").to_owned();
    if !PIPELINES.contains(&class.as_str()) {
        return Err(ModelError::Task {
            path: path.to_owned(),
            expected: "one of text, pictures, masks or ControlNets of Stable Diffusion 1 or 2"
                .to_owned(),
            found: class,
        });
    }
    for (part, wanted) in [
        ("unet", "UNet2DConditionModel"),
        ("vae", "AutoencoderKL"),
        ("text_encoder", "CLIPTextModel"),
    ] {
        if let Some(found) = value[part][1].as_str()
            && found != wanted
        {
            return Err(ModelError::Configuration {
                path: path.to_owned(),
                what: format!("{part} is a {found}, only {wanted} is supported"),
            });
        }
    }
    Ok(class)
}

/// The models of this layout directly inside a folder, in order of their names, readable or not.
pub fn list_peers(folder: &Path) -> Vec<(PathBuf, Result<PeerFolder, ModelError>)> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| !path.join("model.json").is_file() && PeerFolder::is_one(path))
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let opened = PeerFolder::open(&path);
            (path, opened)
        })
        .collect()
}

/// Makes a model of this layout known under `models`, by a reference: nothing is copied. Returns it with its name.
///
/// It must have been checked before; a name that is taken gets a number.
pub fn add_reference(models: &Path, found: &PeerFolder) -> Result<PeerFolder, ModelError> {
    let target = found
        .path
        .canonicalize()
        .unwrap_or_else(|_| found.path.clone());
    for (_, known) in list_peers(models) {
        if let Ok(known) = known
            && known.path == target
        {
            return Ok(known);
        }
    }
    let folder = (1..1000)
        .map(|n| match n {
            1 => models.join(&found.name),
            n => models.join(format!("{} {n}", found.name)),
        })
        .find(|path| !path.exists())
        .ok_or_else(|| ModelError::Configuration {
            path: models.to_owned(),
            what: format!("the name {} is taken", found.name),
        })?;
    std::fs::create_dir_all(&folder).map_err(|source| ModelError::Write {
        path: folder.clone(),
        source,
    })?;
    let files = found.hashes()?;
    let content = serde_json::json!({"path": target, "files": files});
    crate::network::folder::write(&folder.join(REFERENCE), content.to_string().as_bytes())?;
    Ok(PeerFolder {
        path: target,
        name: name_of(&folder),
        task: found.task,
        distilled_images: found.distilled_images,
        promised: files,
    })
}
