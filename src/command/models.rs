//! `models`: what is there, and whether it loads and matches its hashes.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::peers::{self, Convert};
use super::{Common, say, say_json, warn};
use crate::job::{Error, ErrorKind};
use crate::network::device::Place;
use crate::network::folder::{self, ModelError, ModelFolder};
use crate::network::peer::pipeline::{PeerFolder, list_peers};
use crate::network::peer::{Files, architectures_help, forward_files};

/// Models: what is there, and whether it loads.
#[derive(Debug, Subcommand)]
pub enum Models {
    /// The model folders in a folder.
    List {
        /// Where to look; without it, the person's own models and the bundled ones.
        folder: Option<PathBuf>,
    },
    /// Reads one model folder whole: hashes, types, names and shapes.
    Check {
        /// The model folder.
        folder: PathBuf,
    },
    /// Checks a model of the diffusers layout (a pipeline, a `ControlNet`, a `LoRA` file) and makes it known by its name;
    /// nothing is copied.
    Add {
        /// The folder or file.
        path: PathBuf,
    },
    /// A checkpoint of the original layout into a folder of the diffusers layout.
    Convert(Convert),
    /// Runs one network of another program, from files to a file.
    #[command(after_help = architectures_help())]
    Forward(Forward),
}

/// Options of `models forward`.
#[derive(Clone, Debug, clap::Args)]
pub struct Forward {
    /// Which network: `resnet50`, `unet-2d-condition`, `segformer`, …; all of them below.
    #[arg(long)]
    arch: String,
    /// Its `config.json`, as the peer writes it.
    #[arg(long)]
    config: PathBuf,
    /// Its weights, as the peer writes them: .safetensors, or a PyTorch archive of plain tensors.
    #[arg(long)]
    weights: PathBuf,
    /// Its inputs by name, as listed below: .safetensors.
    #[arg(long)]
    inputs: PathBuf,
    /// Where the outputs go: .safetensors.
    #[arg(long)]
    out: PathBuf,
    /// How often it runs, after once to warm up.
    #[arg(long, default_value_t = 1)]
    repeat: usize,
    /// Replace an existing file.
    #[arg(long)]
    force: bool,
}

/// Runs the command.
pub fn run(what: &Models, common: &Common) -> Result<ExitCode, Error> {
    match what {
        Models::List { folder } => list(folder.as_deref(), common),
        Models::Check { folder } => check(folder, common),
        Models::Add { path } => peers::add(path, common),
        Models::Convert(options) => peers::run_convert(options, common),
        Models::Forward(options) => forward(options, common),
    }
}

fn list(folder: Option<&Path>, common: &Common) -> Result<ExitCode, Error> {
    if let Some(path) = folder.filter(|path| !path.is_dir()) {
        return Err(Error::new(ErrorKind::Input, "there is no such folder").at(path));
    }
    let folders = match folder {
        Some(path) => vec![path.to_owned()],
        None => crate::bundle::model_folders(),
    };
    let found: Vec<_> = folders.iter().flat_map(|path| folder::list(path)).collect();
    let others: Vec<_> = folders.iter().flat_map(|path| list_peers(path)).collect();
    let broken = found.iter().any(|(_, opened)| opened.is_err())
        || others.iter().any(|(_, opened)| opened.is_err());
    let rows = found.iter().map(|(path, opened)| row(path, opened));
    let others_rows = others.iter().map(|(path, opened)| peers::row(path, opened));
    if common.json {
        say_json(&rows.chain(others_rows).collect());
        return Ok(ExitCode::from(u8::from(broken)));
    }
    report(&found, common);
    for (path, opened) in &others {
        say(&peers::line(path, opened));
    }
    Ok(ExitCode::from(u8::from(broken)))
}

fn check(path: &Path, common: &Common) -> Result<ExitCode, Error> {
    if !path.join(folder::CARD).is_file()
        && (PeerFolder::is_one(path) || path.join("unet").is_dir())
    {
        return peers::check(path, common);
    }
    let checked = folder::check(path);
    let error = checked.as_ref().err().map(ToString::to_string);
    report(&[(path.to_owned(), checked)], common);
    match error {
        None => Ok(ExitCode::SUCCESS),
        Some(what) => Err(Error::new(ErrorKind::Model, what)),
    }
}

fn forward(options: &Forward, common: &Common) -> Result<ExitCode, Error> {
    if options.out.exists() && !options.force {
        return Err(Error::new(ErrorKind::Usage, "the file exists already")
            .at(&options.out)
            .remedy("give another --out, or --force to replace it"));
    }
    let files = Files {
        config: options.config.clone(),
        weights: options.weights.clone(),
        inputs: options.inputs.clone(),
        out: options.out.clone(),
    };
    let (place, missing) = Place::choose(common.device.into());
    if let Some(notice) = &missing {
        warn(notice);
    }
    let made = forward_files(&options.arch, &files, options.repeat, &place.device);
    let report = made.map_err(|error| {
        let kind = match &error {
            ModelError::Inputs { .. } => ErrorKind::Input,
            ModelError::Missing { path } if *path == options.inputs => ErrorKind::Input,
            _ => ErrorKind::Model,
        };
        Error::new(kind, error.to_string())
    })?;
    if common.json {
        say_json(&json!({"outputs": report.outputs, "seconds": report.seconds}));
        return Ok(ExitCode::SUCCESS);
    }
    for (name, shape) in &report.outputs {
        say(&format!("{name}: {shape:?}"));
    }
    say(&format!("{:.3} s", report.seconds));
    Ok(ExitCode::SUCCESS)
}

fn report(found: &[(PathBuf, Result<ModelFolder, ModelError>)], common: &Common) {
    let rows: Vec<Value> = found
        .iter()
        .map(|(path, opened)| row(path, opened))
        .collect();
    if common.json {
        say_json(&Value::Array(rows));
        return;
    }
    for (path, opened) in found {
        match opened {
            Ok(folder) => say(&format!(
                "{}: {}, {}, {}×{} px",
                folder.card.name,
                folder.card.task.name(),
                folder.card.domain,
                folder.card.native_size[0],
                folder.card.native_size[1]
            )),
            Err(error) => say(&format!("{}: {error}", path.display())),
        }
    }
}

fn row(path: &Path, opened: &Result<ModelFolder, ModelError>) -> Value {
    match opened {
        Ok(folder) => json!({
            "name": folder.card.name,
            "path": path,
            "task": folder.card.task.name(),
            "domain": folder.card.domain,
            "native_size": folder.card.native_size,
            "hash": folder.hash(),
            "ok": true,
            "error": null,
        }),
        Err(error) => json!({
            "name": path.file_name().map(|name| name.to_string_lossy()),
            "path": path,
            "task": null,
            "domain": null,
            "native_size": null,
            "hash": null,
            "ok": false,
            "error": error.to_string(),
        }),
    }
}
