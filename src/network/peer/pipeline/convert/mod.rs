//! Checkpoints of the original layout into folders of the diffusers layout.
//!
//! Stable Diffusion 1.x in one file (`.safetensors`, `.ckpt`) and `ControlNet` (`.pth`). Separate from loading: a
//! converted model is then one of many, and nothing else knows the old names.

mod names;
mod settings;
mod stream;

use std::path::{Path, PathBuf};

use serde_json::Value;

use self::settings::{Shapes, index, scheduler};
use self::stream::Move;
use super::folder::PeerFolder;
use super::load::check_networks;
use crate::network::folder::{ModelError, Store as _, write as write_file};
use crate::network::peer::source::Source;

pub use names::{Counts, control, is_left_out, renamed};

/// What a conversion made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The folder.
    pub folder: PathBuf,
    /// `diffusers` or `diffusers-control`.
    pub task: &'static str,
    /// Tensors written.
    pub tensors: usize,
    /// Tensors of the checkpoint that no picture depends on.
    pub left_out: usize,
    /// Whether the folder has a tokenizer; checkpoints carry none.
    pub tokenizer: bool,
}

/// Files of a tokenizer.
const WORDS: [&str; 5] = [
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
];

/// Converts `input` into the new folder `out`; `tokenizer` is a folder whose files are copied.
///
/// One tensor is in memory at a time. The folder is made under another name, checked and renamed: after an error there
/// is none. An error for files of other families, for pickles that carry code, and where `out` exists.
pub fn convert(
    input: &Path,
    out: &Path,
    tokenizer: Option<&Path>,
) -> Result<Converted, ModelError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source: std::io::Error| ModelError::Write { path, source }
    };
    if out.exists() {
        return Err(ModelError::Inputs {
            path: out.to_owned(),
            what: "the folder exists already; give another name".to_owned(),
        });
    }
    let source = Source::open(input)?;
    let parent = match out.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).map_err(io(parent))?;
    let part = tempfile::Builder::new()
        .prefix(".converting-")
        .tempdir_in(parent)
        .map_err(io(parent))?;
    let mut converted = fill(&source, part.path())?;
    if converted.task == "diffusers" {
        converted.tokenizer = match tokenizer {
            Some(from) => copy_words(from, &part.path().join("tokenizer"))?,
            None => false,
        };
    }
    check_networks(&PeerFolder::open(part.path())?)?;
    let made = part.keep();
    std::fs::rename(&made, out).map_err(|error| {
        std::fs::remove_dir_all(&made).ok();
        io(out)(error)
    })?;
    out.clone_into(&mut converted.folder);
    Ok(converted)
}

fn copy_words(from: &Path, to: &Path) -> Result<bool, ModelError> {
    super::tokenizer::ClipTokenizer::open(from)?;
    std::fs::create_dir_all(to).map_err(|source| ModelError::Write {
        path: to.to_owned(),
        source,
    })?;
    for name in WORDS {
        let file = from.join(name);
        if file.is_file() {
            std::fs::copy(&file, to.join(name)).map_err(|source| ModelError::Io {
                path: file.clone(),
                source,
            })?;
        }
    }
    Ok(true)
}

/// Writes everything but the tokenizer into a folder that exists.
fn fill(source: &Source, out: &Path) -> Result<Converted, ModelError> {
    let names = source.names();
    let begins = |prefix: &str| names.iter().any(|name| name.starts_with(prefix));
    if begins("control_model.") {
        return fill_control(source, &names, "control_model.", out);
    }
    if begins("input_hint_block.") {
        return fill_control(source, &names, "", out);
    }
    if begins("cond_stage_model.model.") {
        return Err(refused(
            source,
            "it is of Stable Diffusion 2, only 1.x is converted",
        ));
    }
    for part in [
        "model.diffusion_model.",
        "first_stage_model.",
        "cond_stage_model.transformer.",
    ] {
        if !begins(part) {
            let what = format!(
                "it is no checkpoint of Stable Diffusion 1 or a ControlNet: there is no tensor {part}…"
            );
            return Err(refused(source, &what));
        }
    }
    fill_pipeline(source, &names, out)
}

fn refused(source: &Source, what: &str) -> ModelError {
    ModelError::Configuration {
        path: source.path().to_owned(),
        what: what.to_owned(),
    }
}

fn write_json(path: &Path, value: &Value) -> Result<(), ModelError> {
    let mut text = format!("{value:#}").into_bytes();
    text.push(b'\n');
    write_file(path, &text)
}

fn fill_control(
    source: &Source,
    names: &[String],
    prefix: &str,
    out: &Path,
) -> Result<Converted, ModelError> {
    let shapes = Shapes { source, prefix };
    let wrong = |what: String| refused(source, &what);
    let counts = Counts {
        layers: shapes.layers().map_err(wrong)?,
        levels: 0,
        last_hint: shapes.last_hint(),
    };
    let mut moves = Vec::new();
    let mut unknown = Vec::new();
    // A file of ControlNet often holds the whole model that it was trained on.
    let own = names
        .iter()
        .filter_map(|name| Some((name, name.strip_prefix(prefix)?)));
    for (full, name) in own {
        match control(name, counts) {
            Some(to) => moves.push(Move::new(source, full, to)),
            None => unknown.push(full.as_str()),
        }
    }
    none_unknown(source, &unknown)?;
    write_json(
        &out.join("config.json"),
        &shapes.control(counts).map_err(wrong)?,
    )?;
    stream::write(
        source,
        &moves,
        &out.join("diffusion_pytorch_model.safetensors"),
    )?;
    Ok(Converted {
        folder: out.to_owned(),
        task: "diffusers-control",
        tensors: moves.len(),
        left_out: names.len() - moves.len(),
        tokenizer: false,
    })
}

fn none_unknown(source: &Source, unknown: &[&str]) -> Result<(), ModelError> {
    if unknown.is_empty() {
        return Ok(());
    }
    let listed = unknown[..unknown.len().min(8)].join(", ");
    let more = unknown.len().saturating_sub(8);
    Err(ModelError::Unknown {
        path: source.path().to_owned(),
        names: if more > 0 {
            format!("{listed} and {more} more")
        } else {
            listed
        },
    })
}

fn fill_pipeline(source: &Source, names: &[String], out: &Path) -> Result<Converted, ModelError> {
    let wrong = |what: String| refused(source, &what);
    let at = |prefix: &'static str| Shapes { source, prefix };
    let (unet, vae) = (at("model.diffusion_model."), at("first_stage_model."));
    let counts = Counts {
        layers: unet.layers().map_err(wrong)?,
        levels: vae.levels(),
        last_hint: 0,
    };
    let mut moves: [(&str, &str, Vec<Move>); 3] = [
        ("unet", "diffusion_pytorch_model.safetensors", Vec::new()),
        ("vae", "diffusion_pytorch_model.safetensors", Vec::new()),
        ("text_encoder", "model.safetensors", Vec::new()),
    ];
    let mut unknown = Vec::new();
    for name in names.iter().filter(|name| !is_left_out(name)) {
        match renamed(name, counts) {
            Some((part, to)) => {
                for (own, _, moves) in &mut moves {
                    if *own == part {
                        moves.push(Move::new(source, name, to.clone()));
                    }
                }
            }
            None => unknown.push(name.as_str()),
        }
    }
    none_unknown(source, &unknown)?;
    let unet_config = unet.unet(counts).map_err(wrong)?;
    let inpaints = unet_config["in_channels"].as_u64() == Some(9);
    let configs = [
        ("unet/config.json", unet_config),
        ("vae/config.json", vae.autoencoder(counts).map_err(wrong)?),
        (
            "text_encoder/config.json",
            at("cond_stage_model.transformer.").text().map_err(wrong)?,
        ),
        ("scheduler/scheduler_config.json", scheduler()),
    ];
    for (name, config) in &configs {
        let path = out.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|source| ModelError::Write {
                path: folder.to_owned(),
                source,
            })?;
        }
        write_json(&path, config)?;
    }
    for (part, file, moves) in &moves {
        stream::write(source, moves, &out.join(part).join(file))?;
    }
    write_json(&out.join("model_index.json"), &index(inpaints))?;
    let tensors: usize = moves.iter().map(|(_, _, moves)| moves.len()).sum();
    Ok(Converted {
        folder: out.to_owned(),
        task: "diffusers",
        tensors,
        left_out: names.len() - tensors,
        tokenizer: false,
    })
}
