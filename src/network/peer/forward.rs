//! One network, run from files to files: how weights are held against the program they come from.
//!
//! Separate from the networks: here are files, clocks and errors with paths.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::{Device, Tensor};
use serde_json::Value;

use super::kind::{self, Inputs, Outputs, prefixes};
use super::source::Source;
use crate::network::folder::{ModelError, write};

/// The files of one run.
#[derive(Clone, Debug)]
pub struct Files {
    /// `config.json` of the peer.
    pub config: PathBuf,
    /// Weights of the peer.
    pub weights: PathBuf,
    /// Inputs by name, safetensors.
    pub inputs: PathBuf,
    /// Where the outputs go, safetensors.
    pub out: PathBuf,
}

/// What a run made and took.
#[derive(Clone, Debug)]
pub struct Report {
    /// Shape of each output.
    pub outputs: BTreeMap<String, Vec<usize>>,
    /// Median over the runs after one to warm up; loading is not counted.
    pub seconds: f64,
}

/// Builds the network `arch` on a device in f32, computes `repeat` times (at least once) and writes the outputs.
///
/// An error names the file, and the setting, tensor or input that is wrong; nothing is written then.
pub fn forward_files(
    arch: &str,
    files: &Files,
    repeat: usize,
    device: &Device,
) -> Result<Report, ModelError> {
    let configuration = |what: String| ModelError::Configuration {
        path: files.config.clone(),
        what,
    };
    let text = std::fs::read(&files.config)
        .map_err(|source| ModelError::reading(&files.config, source))?;
    let config: Value =
        serde_json::from_slice(&text).map_err(|error| configuration(error.to_string()))?;
    let inputs = read_inputs(&files.inputs, device)?;
    let (others, prefixes) = prefixes(arch);
    let source = Source::open(&files.weights)?
        .without(others)
        .without_prefix(prefixes);
    let network = source
        .build(device, |scope| kind::build(arch, &config, scope))
        .map_err(|error| match error {
            // What is not about a tensor of the file is about the name or the settings.
            ModelError::Tensors { source, .. } => configuration(plain(&source)),
            error => error,
        })?;
    let wrong = |what: String| ModelError::Inputs {
        path: files.inputs.clone(),
        what,
    };
    let failed = |source: candle_core::Error| wrong(plain(&source));
    let mut outputs = network.forward(&inputs).map_err(failed)?;
    let unused = inputs.unused();
    if !unused.is_empty() {
        return Err(wrong(format!("{arch} has no inputs {}", unused.join(", "))));
    }
    let mut times = Vec::with_capacity(repeat.max(1));
    for _ in 0..repeat.max(1) {
        let start = Instant::now();
        outputs = network.forward(&inputs).map_err(failed)?;
        device.synchronize().map_err(failed)?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    save(&files.out, &outputs)?;
    Ok(Report {
        outputs: outputs
            .iter()
            .map(|(name, tensor)| (name.clone(), tensor.dims().to_vec()))
            .collect(),
        seconds: times[times.len() / 2],
    })
}

/// An error's own words, without where in the program it arose.
fn plain(error: &candle_core::Error) -> String {
    match error {
        candle_core::Error::WithBacktrace { inner, .. } => plain(inner),
        candle_core::Error::Context { inner, context } => format!("{context}: {}", plain(inner)),
        error => error.to_string(),
    }
}

fn read_inputs(path: &Path, device: &Device) -> Result<Inputs, ModelError> {
    let content = std::fs::read(path).map_err(|source| ModelError::reading(path, source))?;
    let tensors = candle_core::safetensors::load_buffer(&content, device).map_err(|error| {
        ModelError::Inputs {
            path: path.to_owned(),
            what: format!("these are no safetensors: {}", plain(&error)),
        }
    })?;
    Ok(Inputs::new(tensors.into_iter().collect()))
}

fn save(path: &Path, outputs: &Outputs) -> Result<(), ModelError> {
    let failed = |source: candle_core::Error| ModelError::Tensors {
        path: path.to_owned(),
        source,
    };
    let tensors: BTreeMap<&String, Tensor> = outputs
        .iter()
        .map(|(name, tensor)| Ok((name, tensor.contiguous()?)))
        .collect::<candle_core::Result<_>>()
        .map_err(failed)?;
    let content = safetensors::serialize(&tensors, None)
        .map_err(|error| failed(candle_core::Error::Msg(error.to_string())))?;
    write(path, &content)
}
