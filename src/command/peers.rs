//! `models` on folders of the diffusers layout: check, add, and original checkpoints into it.
//!
//! Separate from our own model folders, whose card promises what is in them; here it is found out.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Common, say, say_json};
use crate::job::{Error, ErrorKind};
use crate::network::device::Place;
use crate::network::folder::ModelError;
use crate::network::peer::pipeline::convert::convert;
use crate::network::peer::pipeline::{Checked, PeerFolder, PeerTask, gigabytes};
use crate::synthesis::prompted::library::peers_in;
use crate::synthesis::{check_model, prompted};

fn model_error(error: &ModelError) -> Error {
    Error::new(ErrorKind::Model, error.to_string())
}

/// What `models list` says about one.
pub(super) fn row(path: &Path, opened: &Result<PeerFolder, ModelError>) -> Value {
    let name = path.file_name().map(|name| name.to_string_lossy());
    match opened {
        Ok(folder) => json!({
            "name": folder.name,
            "path": folder.path,
            "task": folder.task.name(),
            "domain": "any",
            "native_size": null,
            "hash": null,
            "ok": true,
            "error": null,
        }),
        Err(error) => json!({
            "name": name, "path": path, "task": null, "domain": null, "native_size": null, "hash": null,
            "ok": false, "error": error.to_string(),
        }),
    }
}

/// One line for a person.
pub(super) fn line(path: &Path, opened: &Result<PeerFolder, ModelError>) -> String {
    match opened {
        Ok(folder) => format!(
            "{}: {}, {}",
            folder.name,
            folder.task.name(),
            folder.path.display()
        ),
        Err(error) => format!("{}: {error}", path.display()),
    }
}

fn checked_row(folder: &PeerFolder, checked: &Checked) -> Value {
    let size = checked.shape.as_ref().map(|shape| [shape.size, shape.size]);
    json!({
        "name": folder.name,
        "path": folder.path,
        "task": folder.task.name(),
        "domain": "any",
        "native_size": size,
        "channels": checked.shape.as_ref().map(|shape| shape.channels),
        "hash": checked.hash,
        "files": checked.files,
        "memory_bytes": checked.need.bytes(&Place::default()),
        "weights_bytes": checked.need.weights * 4,
        "ok": true,
        "error": null,
    })
}

/// `models check` on one of these.
pub(super) fn check(path: &Path, common: &Common) -> Result<ExitCode, Error> {
    let opened = PeerFolder::open(path);
    let checked = opened.and_then(|folder| {
        let checked = check_model(&folder)?;
        Ok((folder, checked))
    });
    match checked {
        Ok((folder, checked)) => {
            tell(&folder, &checked, common);
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            let said = model_error(&error);
            if common.json {
                say_json(&Value::Array(vec![row(path, &Err(error))]));
            }
            Err(said)
        }
    }
}

fn tell(folder: &PeerFolder, checked: &Checked, common: &Common) {
    if common.json {
        say_json(&Value::Array(vec![checked_row(folder, checked)]));
        return;
    }
    let size = checked.shape.as_ref().map_or_else(String::new, |shape| {
        format!(", {}×{} px", shape.size, shape.size)
    });
    say(&format!("{}: {}{size}", folder.name, folder.task.name()));
    say(&format!(
        "about {} of memory on the processor, half of it on a GPU",
        gigabytes(checked.need.bytes(&Place::default()))
    ));
    for (name, hash) in &checked.files {
        say(&format!("{hash}  {name}"));
    }
}

/// `models add`: checks a folder and makes it known by name.
pub(super) fn add(path: &Path, common: &Common) -> Result<ExitCode, Error> {
    let models = crate::bundle::own_folder()
        .map(|own| own.join("models"))
        .ok_or_else(|| Error::new(ErrorKind::Failed, "this system names no folder for data"))?;
    let added = prompted::add(path, &models)?;
    let checked = check_model(&added).map_err(|e| model_error(&e))?;
    tell(&added, &checked, common);
    Ok(ExitCode::SUCCESS)
}

/// Options of `models convert`.
#[derive(Clone, Debug, clap::Args)]
pub struct Convert {
    /// A checkpoint of the original layout: Stable Diffusion 1.x or a ControlNet, .safetensors, .ckpt or .pth.
    input: PathBuf,
    /// The folder to make.
    out: PathBuf,
    /// The folder with CLIP's vocab.json and merges.txt; checkpoints carry none.
    #[arg(long)]
    tokenizer: Option<PathBuf>,
}

/// `models convert`.
pub(super) fn run_convert(options: &Convert, common: &Common) -> Result<ExitCode, Error> {
    let tokenizer = options.tokenizer.clone().or_else(known_tokenizer);
    let made = convert(&options.input, &options.out, tokenizer.as_deref()).map_err(|error| {
        let kind = match &error {
            ModelError::Inputs { .. } => ErrorKind::Usage,
            _ => ErrorKind::Model,
        };
        Error::new(kind, error.to_string())
    })?;
    if common.json {
        say_json(&json!({
            "path": made.folder, "task": made.task, "tensors": made.tensors,
            "left_out": made.left_out, "tokenizer": made.tokenizer,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!(
        "{}: {} tensors, {} of the checkpoint were left out",
        made.folder.display(),
        made.tensors,
        made.left_out
    ));
    if made.task == "diffusers" && !made.tokenizer {
        say(&format!(
            "checkpoints carry no tokenizer: copy CLIP's vocab.json and merges.txt into {}",
            made.folder.join("tokenizer").display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The tokenizer of a model that is known already; all of Stable Diffusion 1 have the same.
fn known_tokenizer() -> Option<PathBuf> {
    let peers = peers_in(&crate::bundle::model_folders());
    let pipelines = peers.iter().filter(|peer| peer.task == PeerTask::Pipeline);
    pipelines
        .map(|peer| peer.path.join("tokenizer"))
        .find(|folder| folder.join("vocab.json").is_file())
}
