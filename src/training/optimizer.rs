//! AdamW, gradient clipping and averaged weights, in one pass over each variable.
//!
//! Separate because the tensor library's own optimizer makes a dozen temporaries a variable and cannot be saved.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{Error, Result, Tensor, Var};

use crate::network::ops;
use crate::network::weights::Weights;

/// Constants of one step (Loshchilov and Hutter 2019; β = 0.9, 0.99).
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Learning rate.
    pub rate: f64,
    /// Decoupled decay, on tensors of two dimensions and more.
    pub weight_decay: f64,
    /// Largest norm of the whole gradient.
    pub clip: f64,
    /// Largest decay of the averaged weights.
    pub average: f64,
}

const BETA: [f64; 2] = [0.9, 0.99];
const EPSILON: f64 = 1e-8;

/// One variable with its moments and its average, all where the variable is.
#[derive(Debug)]
struct Slot {
    name: String,
    variable: Var,
    mean: Tensor,
    square: Tensor,
    average: Tensor,
}

/// The optimizer of one network.
#[derive(Debug)]
pub struct AdamW {
    slots: Vec<Slot>,
    /// Steps done.
    pub steps: usize,
}

impl AdamW {
    /// For all variables of a network, whose averages start at their values.
    pub fn new(weights: &Weights) -> Result<Self> {
        let slots = weights.variables().into_iter().map(|(name, variable)| {
            Ok(Slot {
                name,
                average: variable.as_tensor().copy()?.detach(),
                mean: variable.zeros_like()?.detach(),
                square: variable.zeros_like()?.detach(),
                variable,
            })
        });
        Ok(Self {
            slots: slots.collect::<Result<_>>()?,
            steps: 0,
        })
    }

    /// One step; gives the norm of the gradient before clipping. Nothing changes when it is not finite.
    pub fn step(&mut self, gradients: &GradStore, rates: &Rates) -> Result<f64> {
        // A variable that took no part in this step's loss keeps its value.
        let moved: Vec<(&Slot, &Tensor)> = self
            .slots
            .iter()
            .filter_map(|slot| Some((slot, gradients.get(slot.variable.as_tensor())?)))
            .collect();
        let all: Vec<&Tensor> = moved.iter().map(|(_, gradient)| *gradient).collect();
        let norm = ops::gradient_norm(&all)?;
        if !norm.is_finite() {
            return Ok(norm);
        }
        self.steps += 1;
        let n = self.steps as f64;
        let clip = ops::clip_scale(norm, rates.clip);
        let decay = rates.average.min((1.0 + n) / (10.0 + n));
        for (slot, gradient) in moved {
            let matrix = slot.variable.rank() >= 2;
            let how = ops::AdamW {
                rate: rates.rate,
                beta1: BETA[0],
                beta2: BETA[1],
                epsilon: EPSILON,
                decay: if matrix { rates.weight_decay } else { 0.0 },
            };
            let (mean, square) = (&slot.mean, &slot.square);
            ops::adamw_step(
                &slot.variable,
                gradient,
                mean,
                square,
                how,
                self.steps,
                clip,
            )?;
            ops::average_step(&slot.average, slot.variable.as_tensor(), decay)?;
        }
        Ok(norm)
    }

    /// The averaged weights: what is exported.
    pub fn averages(&self) -> Result<BTreeMap<String, Tensor>> {
        let copied = |slot: &Slot| Ok((slot.name.clone(), slot.average.copy()?));
        self.slots.iter().map(copied).collect()
    }

    /// Everything a resumed run needs, by `w/`, `m/`, `v/`, `e/` and the variable's name.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut state = BTreeMap::new();
        for slot in &self.slots {
            let name = &slot.name;
            let weight = slot.variable.as_detached_tensor();
            let parts = [
                ("w", &weight),
                ("m", &slot.mean),
                ("v", &slot.square),
                ("e", &slot.average),
            ];
            for (letter, tensor) in parts {
                state.insert(format!("{letter}/{name}"), tensor.copy()?);
            }
        }
        Ok(state)
    }

    /// The inverse of [`AdamW::state`]; a missing or misshapen tensor is an error that names it.
    pub fn restore(&mut self, state: &BTreeMap<String, Tensor>, steps: usize) -> Result<()> {
        for slot in &mut self.slots {
            let find = |letter: &str| {
                let name = format!("{letter}/{}", slot.name);
                let tensor = state
                    .get(&name)
                    .ok_or_else(|| Error::Msg(format!("{name} is missing")))?;
                if tensor.shape() == slot.variable.shape() {
                    // A copy: what is updated in place must not be the caller's.
                    tensor.to_device(slot.variable.device())?.copy()
                } else {
                    Err(Error::Msg(format!("{name} is {:?}", tensor.shape())))
                }
            };
            let weight = find("w")?;
            let (mean, square, average) = (find("m")?, find("v")?, find("e")?);
            slot.variable.set(&weight)?;
            (slot.mean, slot.square, slot.average) = (mean, square, average);
        }
        self.steps = steps;
        Ok(())
    }
}
