//! The weights a run starts from when it goes on from a finished model: fine-tuning on other images or kinds.
//!
//! Separate from checkpoints, which go on with the same run bit for bit: a start takes weights only, and what the new
//! network has beyond the old one keeps its random beginning.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::recipe::Recipe;
use super::{model, tensors};
use crate::job::{Error, ErrorKind};
use crate::network::condition::{FINDINGS, KINDS, Names};
use crate::network::folder::ModelFolder;
use crate::network::weights::Weights;

/// A model folder to start from.
pub(super) struct Start {
    folder: ModelFolder,
}

impl Start {
    /// The recipe's start, if it names one; an error when the folder cannot be read.
    pub(super) fn open(recipe: &Recipe) -> Result<Option<Self>, Error> {
        if recipe.start.as_os_str().is_empty() {
            return Ok(None);
        }
        let folder = ModelFolder::open(&recipe.start).map_err(|error| model(&error))?;
        Ok(Some(Self { folder }))
    }

    /// The start's names in their places, then those that only the new images have.
    ///
    /// Where the places run out, a new name takes the place of an old one that the new images do not have.
    pub(super) fn names(&self, new: &Names) -> Result<Names, Error> {
        let Some(old) = &self.folder.card.names else {
            return Ok(new.clone());
        };
        let kinds = joined(&old.kinds, &new.kinds, KINDS);
        let findings = joined(&old.findings, &new.findings, FINDINGS);
        let (Some(kinds), Some(findings)) = (kinds, findings) else {
            let what = format!(
                "its names and those of the images do not fit in {KINDS} kinds and {FINDINGS} findings"
            );
            return Err(Error::new(ErrorKind::Input, what)
                .at(&self.folder.path)
                .remedy("start from random weights, or train on fewer kinds at once"));
        };
        let years = |kind: &String| {
            let of = |names: &Names| names.years_per_decade.get(names.kind(kind)?).copied();
            of(new).or_else(|| of(old)).unwrap_or(10.0)
        };
        Ok(Names {
            years_per_decade: kinds.iter().map(years).collect(),
            kinds,
            findings,
        })
    }

    /// Gives the network every tensor of the folder that it has too, in the same shape.
    pub(super) fn give(&self, weights: &Weights) -> Result<(), Error> {
        let shapes: BTreeMap<String, Vec<usize>> = weights
            .variables()
            .into_iter()
            .map(|(name, variable)| (name, variable.dims().to_vec()))
            .collect();
        let fitting: BTreeMap<String, Tensor> = self
            .folder
            .tensors()
            .map_err(|error| model(&error))?
            .into_iter()
            .filter(|(name, tensor)| shapes.get(name).is_some_and(|shape| shape == tensor.dims()))
            .collect();
        if fitting.is_empty() {
            let what = "none of its weights fits the network to train";
            return Err(Error::new(ErrorKind::Model, what)
                .at(&self.folder.path)
                .remedy("give as `start` a model of the same task and [network] sizes"));
        }
        weights.set(&fitting).map_err(|error| tensors(&error))
    }
}

/// Old names in their places and new ones behind them, or in places that the new ones do not need; `None` when there
/// are more new names than places.
fn joined(old: &[String], new: &[String], places: usize) -> Option<Vec<String>> {
    let mut names = old.to_vec();
    for name in new {
        if names.contains(name) {
            continue;
        }
        if names.len() < places {
            names.push(name.clone());
        } else {
            let free = names.iter().position(|old| !new.contains(old))?;
            names[free].clone_from(name);
        }
    }
    Some(names)
}
