//! The text encoder of a pipeline, in memory only while it reads.
//!
//! Separate because a prompt is read once and pictures are made of it many times: what it became is kept, a few hundred
//! kilobytes; the weights, half a gigabyte of Stable Diffusion's, are not.

use std::sync::{Mutex, PoisonError};

use candle_core::{Result, Tensor};

use super::dressed::Dressed;
use crate::network::device::Place;
use crate::network::folder::ModelError;
use crate::network::peer::text::{ClipText, ClipTextConfig};

/// Prompts whose states are kept.
const KEPT: usize = 8;

/// Numbers of words to states.
#[derive(Debug)]
pub struct TextReader {
    weights: Dressed,
    config: ClipTextConfig,
    place: Place,
    kept: Mutex<Vec<(Vec<u32>, Tensor)>>,
}

impl TextReader {
    /// An error where the weights are not those of this encoder.
    pub(super) fn new(
        weights: Dressed,
        config: ClipTextConfig,
        place: &Place,
    ) -> std::result::Result<Self, ModelError> {
        let reader = Self {
            weights,
            config,
            place: place.clone(),
            kept: Mutex::default(),
        };
        // Names, shapes and types are known without reading; whether changes fit is seen when they are made.
        if reader.weights.is_changed() {
            reader.network(reader.weights.clone())?;
        } else {
            reader.network(reader.weights.clone().hollow())?;
        }
        Ok(reader)
    }

    fn network(&self, weights: Dressed) -> std::result::Result<ClipText, ModelError> {
        weights.build(&self.place, |scope| ClipText::new(scope, &self.config))
    }

    /// The states `[B,length,D]` of texts of `length` numbers each, one behind the other, in the place's number type.
    pub fn states(
        &self,
        numbers: &[u32],
        length: usize,
    ) -> std::result::Result<Tensor, ModelError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, states)) = kept.iter().find(|(known, _)| known == numbers) {
            return Ok(states.clone());
        }
        let network = self.network(self.weights.clone())?;
        let read = || -> Result<Tensor> {
            let shape = (numbers.len() / length.max(1), length);
            let tokens = Tensor::from_slice(numbers, shape, &self.place.device)?;
            network.forward(&tokens)?.to_dtype(self.place.dtype)
        };
        let states = read().map_err(|source| ModelError::Tensors {
            path: self.weights.path().to_owned(),
            source,
        })?;
        kept.truncate(KEPT - 1);
        kept.insert(0, (numbers.to_vec(), states.clone()));
        Ok(states)
    }
}
