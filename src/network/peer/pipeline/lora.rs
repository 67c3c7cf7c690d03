//! Low-rank changes of weights (Hu et al. 2022): `W + weight · (α / r) · B A`, read under all the names in use.
//!
//! Separate from the networks: a change is added while the weights are read, so that a changed model runs as fast as
//! the plain one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use candle_core::{DType, Result as Tensors, Tensor};
use serde_json::Value;

use crate::network::folder::{ModelError, Store as _};
use crate::network::ops;
use crate::network::peer::source::Source;

/// Which network a change belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Part {
    /// The denoiser.
    Unet,
    /// The text encoder.
    Text,
}

/// The change of one weight.
#[derive(Clone, Debug)]
pub(super) struct Change {
    down: Tensor,
    up: Tensor,
    factor: f64,
}

impl Change {
    /// The weight with the change, in its own shape.
    pub(super) fn added_to(&self, weight: &Tensor) -> Tensors<Tensor> {
        let rank = self.down.dim(0)?;
        let up = self.up.reshape((self.up.elem_count() / rank, rank))?;
        let down = self.down.reshape((rank, self.down.elem_count() / rank))?;
        let change = (ops::linear(&up, &down.t()?, None)? * self.factor)?;
        weight + change.reshape(weight.shape())?
    }

    fn fits(&self, weight: &[usize]) -> bool {
        let (down, up) = (self.down.dims(), self.up.dims());
        let rank = down.first().copied().unwrap_or(0);
        rank > 0
            && up.get(1) == Some(&rank)
            && up.first() == weight.first()
            && down[1..].iter().product::<usize>() == weight[1..].iter().product::<usize>()
            && up[2..].iter().all(|n| *n == 1)
    }
}

/// The changes of one file by network and by the path of the layer; text without `text_model.`.
#[derive(Debug, Default)]
pub(super) struct Changes {
    changes: BTreeMap<(Part, String), Change>,
    file: std::path::PathBuf,
}

/// Which of the three tensors of a change a name ends with.
const ENDINGS: [(&str, Piece); 11] = [
    (".lora_A.weight", Piece::Down),
    (".lora_B.weight", Piece::Up),
    (".lora_A.default.weight", Piece::Down),
    (".lora_B.default.weight", Piece::Up),
    (".lora.down.weight", Piece::Down),
    (".lora.up.weight", Piece::Up),
    (".lora_linear_layer.down.weight", Piece::Down),
    (".lora_linear_layer.up.weight", Piece::Up),
    (".lora_down.weight", Piece::Down),
    (".lora_up.weight", Piece::Up),
    (".alpha", Piece::Alpha),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Down,
    Up,
    Alpha,
}

/// The layers that can be changed, by network: their paths and the shapes of their weights.
pub(super) type Layers = BTreeMap<Part, BTreeMap<String, Vec<usize>>>;

/// Paths and shapes of the weights of a part.
pub(super) fn layers(names: Vec<(String, Vec<usize>)>) -> BTreeMap<String, Vec<usize>> {
    let path = |name: String| {
        let path = name.strip_suffix(".weight")?;
        let path = path.strip_prefix("text_model.").unwrap_or(path);
        Some(path.to_owned())
    };
    names
        .into_iter()
        .filter_map(|(name, shape)| Some((path(name)?, shape)))
        .collect()
}

impl Changes {
    /// Reads a file of changes for a model of these layers.
    ///
    /// An error names the tensors that belong to no layer, have no counterpart, or do not fit.
    pub(super) fn read(path: &Path, layers: &Layers, weight: f64) -> Result<Self, ModelError> {
        let source = Source::open(path)?;
        let metadata = factors(path);
        let flat: HashMap<(Part, String), &String> = layers
            .iter()
            .flat_map(|(part, paths)| paths.keys().map(move |p| ((*part, p.replace('.', "_")), p)))
            .collect();
        let mut found: BTreeMap<(Part, String), [Option<String>; 3]> = BTreeMap::new();
        let mut unknown = BTreeSet::new();
        for name in source.names() {
            match place(&name, layers, &flat) {
                Some((part, path, piece)) => {
                    found.entry((part, path)).or_default()[piece as usize] = Some(name);
                }
                None => {
                    unknown.insert(name);
                }
            }
        }
        if !unknown.is_empty() {
            let count = unknown.len();
            let names: Vec<String> = unknown.into_iter().take(8).collect();
            let more = if count > 8 {
                format!(" and {} more", count - 8)
            } else {
                String::new()
            };
            return Err(ModelError::Unknown {
                path: path.to_owned(),
                names: format!("{}{more}", names.join(", ")),
            });
        }
        let mut changes = BTreeMap::new();
        for ((part, layer), [down, up, alpha]) in found {
            let lacking = |what: &str| ModelError::Tensor {
                path: path.to_owned(),
                tensor: layer.clone(),
                what: what.to_owned(),
            };
            let (Some(down), Some(up)) = (down, up) else {
                return Err(lacking("has one half of its change only"));
            };
            let (down, up) = (
                source.read(&down, DType::F32)?,
                source.read(&up, DType::F32)?,
            );
            let rank = down.dim(0).unwrap_or(1).max(1) as f64;
            let alpha = match alpha {
                Some(name) => scalar(&source.read(&name, DType::F32)?).map_err(|source| {
                    ModelError::Tensors {
                        path: path.to_owned(),
                        source,
                    }
                })?,
                None => metadata.get(&part).copied().unwrap_or(1.0) * rank,
            };
            let change = Change {
                down,
                up,
                factor: weight * alpha / rank,
            };
            let shape = &layers[&part][&layer];
            if !change.fits(shape) {
                return Err(lacking(&format!(
                    "is {shape:?}, its change {:?} and {:?}",
                    change.up.dims(),
                    change.down.dims()
                )));
            }
            changes.insert((part, layer), change);
        }
        Ok(Self {
            changes,
            file: path.to_owned(),
        })
    }

    /// Hands out those of a part under the names of its file.
    pub(super) fn take(
        &self,
        part: Part,
        names: &[String],
        into: &mut HashMap<String, Vec<Change>>,
    ) {
        for name in names {
            let Some(path) = name.strip_suffix(".weight") else {
                continue;
            };
            let path = path.strip_prefix("text_model.").unwrap_or(path);
            if let Some(change) = self.changes.get(&(part, path.to_owned())) {
                into.entry(name.clone()).or_default().push(change.clone());
            }
        }
    }

    /// The file they come from.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// How many weights are changed.
    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }
}

fn scalar(tensor: &Tensor) -> Tensors<f64> {
    Ok(f64::from(tensor.flatten_all()?.get(0)?.to_scalar::<f32>()?))
}

/// Network, layer and piece that a name stands for.
fn place(
    name: &str,
    layers: &Layers,
    flat: &HashMap<(Part, String), &String>,
) -> Option<(Part, String, Piece)> {
    let (path, piece) = ENDINGS
        .iter()
        .find_map(|(ending, piece)| Some((name.strip_suffix(ending)?, *piece)))
        .or_else(|| processor(name))?;
    for (prefix, part) in [
        ("lora_unet_", Part::Unet),
        ("lora_te_text_model_", Part::Text),
        ("lora_te1_text_model_", Part::Text),
    ] {
        if let Some(path) = path.strip_prefix(prefix) {
            let known = flat.get(&(part, path.to_owned()))?;
            return Some((part, (*known).clone(), piece));
        }
    }
    let (part, path) = if let Some(path) = path.strip_prefix("text_encoder.") {
        (Part::Text, path.strip_prefix("text_model.").unwrap_or(path))
    } else {
        (Part::Unet, path.strip_prefix("unet.").unwrap_or(path))
    };
    let path = [("_lora", ""), (".processor", "")]
        .iter()
        .fold(path.to_owned(), |path, (was, is)| path.replace(was, is));
    let path = if path.ends_with(".to_out") {
        format!("{path}.0")
    } else {
        path
    };
    layers
        .get(&part)?
        .contains_key(&path)
        .then_some((part, path, piece))
}

/// The oldest names: `….attn1.processor.to_q_lora.down.weight`.
fn processor(name: &str) -> Option<(&str, Piece)> {
    let down = name.strip_suffix(".down.weight").map(|p| (p, Piece::Down));
    down.or_else(|| name.strip_suffix(".up.weight").map(|p| (p, Piece::Up)))
        .filter(|(path, _)| path.ends_with("_lora"))
}

/// `α / r` of each network as the header of the file says; 1 where it does not.
fn factors(path: &Path) -> BTreeMap<Part, f64> {
    let mut length = [0; 8];
    let header = File::open(path).and_then(|mut file| {
        file.read_exact(&mut length)?;
        let mut text = String::new();
        file.take(u64::from_le_bytes(length).min(64 << 20))
            .read_to_string(&mut text)?;
        Ok(text)
    });
    let header: Value = header
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let settings: Value = header["__metadata__"]["lora_adapter_metadata"]
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    [(Part::Unet, "unet"), (Part::Text, "text_encoder")]
        .into_iter()
        .filter_map(|(part, name)| {
            let alpha = settings[format!("{name}.lora_alpha")].as_f64()?;
            let rank = settings[format!("{name}.r")].as_f64()?;
            (rank > 0.0).then_some((part, alpha / rank))
        })
        .collect()
}
