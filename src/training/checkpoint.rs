//! Checkpoints: one safetensors file with weights, moments, averages and the step, from which a run goes on bit for bit.
//!
//! Separate because half a checkpoint is worse than none: it is written beside the last one and renamed.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Tensor;

use super::optimizer::AdamW;
use crate::job::{Error, ErrorKind};
use crate::network::folder;

/// Name of the checkpoint in the output folder.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
/// Name of the checkpoint of the run before, which another one began in the same folder without going on with it.
pub const BEFORE: &str = "checkpoint-before.safetensors";

/// Where a run stands, beside its tensors. Batches and noise are pure functions of seed and step, so the step is also
/// the position of the data and of all chance.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Standing {
    /// Steps done.
    pub step: usize,
    /// Smoothed loss.
    pub loss: f64,
    /// Seconds spent.
    pub seconds: f64,
    /// Share of the run that is over, by steps or, where the recipe anneals by time, by minutes; 0–1.
    pub done: f64,
}

/// What a run is of: another answer to any of these means other images, another network or other chance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Task, phantoms, sizes, seed and network, for a person.
    pub run: String,
    /// Hash of the images and of what is known of them, where they are a person's own.
    pub images: String,
    /// Kinds and findings in their places.
    pub names: String,
    /// Hashes of the models that it stands on.
    pub models: String,
}

impl Identity {
    /// Each part with its name in a checkpoint, and what to say where it is another one.
    fn parts(&self) -> [(&'static str, &str, &'static str); 4] {
        [
            ("run", self.run.as_str(), ""),
            ("images", &self.images, "over other images"),
            ("names", &self.names, "with other kinds or findings"),
            ("models", &self.models, "on other models"),
        ]
    }

    /// What a checkpoint with these facts is of another run for, if it is. Those of before do not say everything.
    fn stranger(&self, facts: &HashMap<String, String>) -> Option<String> {
        self.parts().into_iter().find_map(|(name, own, how)| {
            let of = facts.get(name).filter(|of| *of != own)?;
            Some(if how.is_empty() {
                format!("it is of another run ({of}), not of {own}")
            } else {
                format!("it is of another run, {how}")
            })
        })
    }
}

/// Writes the checkpoint of a run; gives its path.
pub fn save(
    out: &Path,
    optimizer: &AdamW,
    standing: &Standing,
    identity: &Identity,
) -> Result<PathBuf, Error> {
    let path = out.join(CHECKPOINT);
    let failed = |what: String| {
        Error::new(
            ErrorKind::Failed,
            format!("the checkpoint cannot be written: {what}"),
        )
        .at(&path)
    };
    let state = optimizer
        .state()
        .map_err(|error| failed(error.to_string()))?;
    let mut facts = HashMap::from([
        ("step".to_owned(), standing.step.to_string()),
        // Shortest text that reads back to the same number.
        ("loss".to_owned(), format!("{:?}", standing.loss)),
        ("seconds".to_owned(), format!("{:?}", standing.seconds)),
        ("done".to_owned(), format!("{:?}", standing.done)),
    ]);
    let parts = identity.parts().into_iter();
    facts.extend(parts.map(|(name, own, _)| (name.to_owned(), own.to_owned())));
    let content =
        safetensors::serialize(&state, Some(facts)).map_err(|error| failed(error.to_string()))?;
    folder::write(&path, &content).map_err(|error| failed(error.to_string()))?;
    Ok(path)
}

/// Reads the checkpoint in `out` into the optimizer; `None` when there is none.
///
/// An error for a file that is broken, that does not fit the optimizer, or that says to be of another run than
/// `identity`: the same weights over other images or another seed would be neither run.
pub fn restore(
    out: &Path,
    optimizer: &mut AdamW,
    identity: &Identity,
) -> Result<Option<Standing>, Error> {
    let path = out.join(CHECKPOINT);
    if !path.is_file() {
        return Ok(None);
    }
    let failed = |what: String| {
        Error::new(
            ErrorKind::Input,
            format!("the checkpoint cannot be read: {what}"),
        )
        .at(&path)
        .remedy("start without --resume, or give the recipe it was made with")
    };
    let content = fs::read(&path).map_err(|error| failed(error.to_string()))?;
    let (_, header) = safetensors::SafeTensors::read_metadata(&content)
        .map_err(|error| failed(error.to_string()))?;
    let facts = header.metadata().clone().unwrap_or_default();
    let number = |name: &str| {
        facts
            .get(name)
            .and_then(|text| text.parse::<f64>().ok())
            .ok_or_else(|| failed(format!("it does not say its {name}")))
    };
    if let Some(what) = identity.stranger(&facts) {
        return Err(failed(what));
    }
    let standing = Standing {
        step: number("step")? as usize,
        loss: number("loss")?,
        seconds: number("seconds")?,
        done: number("done").unwrap_or(0.0),
    };
    let tensors: BTreeMap<String, Tensor> = folder::tensors_in(&path, &content)
        .map_err(|error| failed(error.to_string()))?
        .into_iter()
        .collect();
    optimizer
        .restore(&tensors, standing.step)
        .map_err(|error| failed(error.to_string()))?;
    Ok(Some(standing))
}
