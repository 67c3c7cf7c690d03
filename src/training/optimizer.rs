//! AdamW, gradient clipping and averaged weights, in one pass over each variable.
//!
//! Separate because the tensor library's own optimizer makes a dozen temporaries a variable and cannot be saved.

use std::cell::RefCell;
use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, Device, Error, InplaceOp1, Layout, Result, Tensor, Var};

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

/// One variable with its moments and its average.
#[derive(Debug)]
struct Slot {
    name: String,
    variable: Var,
    mean: Vec<f32>,
    square: Vec<f32>,
    average: Vec<f32>,
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
            let n = variable.elem_count();
            Ok(Slot {
                name,
                average: variable.as_tensor().flatten_all()?.to_vec1()?,
                variable,
                mean: vec![0.0; n],
                square: vec![0.0; n],
            })
        });
        Ok(Self {
            slots: slots.collect::<Result<_>>()?,
            steps: 0,
        })
    }

    /// One step; gives the norm of the gradient before clipping. Nothing changes when it is not finite.
    pub fn step(&mut self, gradients: &GradStore, rates: &Rates) -> Result<f64> {
        let mut square = 0.0;
        let mut all = Vec::with_capacity(self.slots.len());
        for slot in &self.slots {
            let gradient: Option<Vec<f32>> = gradients
                .get(slot.variable.as_tensor())
                .map(|gradient| gradient.flatten_all()?.to_vec1())
                .transpose()?;
            square += gradient
                .iter()
                .flatten()
                .map(|g| f64::from(g * g))
                .sum::<f64>();
            all.push(gradient);
        }
        let norm = square.sqrt();
        if !norm.is_finite() {
            return Ok(norm);
        }
        self.steps += 1;
        let n = self.steps as f64;
        let clip = (rates.clip / norm.max(1e-12)).min(1.0);
        let decay = rates.average.min((1.0 + n) / (10.0 + n));
        for (slot, gradient) in self.slots.iter_mut().zip(all) {
            // A variable that took no part in this step's loss keeps its value.
            let Some(gradient) = gradient else { continue };
            let tensor = slot.variable.as_tensor().clone();
            let matrix = tensor.rank() >= 2;
            let update = Update {
                gradient,
                clip: clip as f32,
                rate: rates.rate / (1.0 - BETA[0].powf(n)),
                square_correction: 1.0 / (1.0 - BETA[1].powf(n)),
                keep: 1.0 - rates.rate * if matrix { rates.weight_decay } else { 0.0 },
                average_decay: decay as f32,
                slot: RefCell::new(slot),
            };
            tensor.inplace_op1(&update)?;
        }
        Ok(norm)
    }

    /// The averaged weights: what is exported.
    pub fn averages(&self) -> Result<BTreeMap<String, Tensor>> {
        self.named(|slot| &slot.average)
    }

    /// Everything a resumed run needs, by `w/`, `m/`, `v/`, `e/` and the variable's name.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        type Part = fn(&Slot) -> &Vec<f32>;
        let mut state = BTreeMap::new();
        for slot in &self.slots {
            let name = &slot.name;
            state.insert(format!("w/{name}"), slot.variable.as_detached_tensor());
        }
        let parts: [(&str, Part); 3] = [
            ("m", |slot| &slot.mean),
            ("v", |slot| &slot.square),
            ("e", |slot| &slot.average),
        ];
        for (letter, part) in parts {
            let named = self.named(part)?;
            state.extend(
                named
                    .into_iter()
                    .map(|(name, t)| (format!("{letter}/{name}"), t)),
            );
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
                    Ok(tensor.clone())
                } else {
                    Err(Error::Msg(format!("{name} is {:?}", tensor.shape())))
                }
            };
            let weight = find("w")?;
            let parts = [find("m")?, find("v")?, find("e")?];
            slot.variable.set(&weight)?;
            let [mean, square, average] = parts.map(|t| t.flatten_all()?.to_vec1::<f32>());
            (slot.mean, slot.square, slot.average) = (mean?, square?, average?);
        }
        self.steps = steps;
        Ok(())
    }

    fn named(&self, part: impl Fn(&Slot) -> &Vec<f32>) -> Result<BTreeMap<String, Tensor>> {
        self.slots
            .iter()
            .map(|slot| {
                let shape = slot.variable.shape();
                let tensor = Tensor::from_slice(part(slot), shape, &Device::Cpu)?;
                Ok((slot.name.clone(), tensor))
            })
            .collect()
    }
}

struct Update<'a> {
    gradient: Vec<f32>,
    clip: f32,
    rate: f64,
    square_correction: f64,
    keep: f64,
    average_decay: f32,
    slot: RefCell<&'a mut Slot>,
}

impl InplaceOp1 for Update<'_> {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets())
        else {
            return Err(Error::Msg("weights are contiguous f32".to_owned()));
        };
        let mut slot = self.slot.borrow_mut();
        let Slot {
            mean,
            square,
            average,
            ..
        } = &mut **slot;
        let moments = mean
            .iter_mut()
            .zip(square.iter_mut())
            .zip(average.iter_mut());
        let (rate, keep) = (self.rate as f32, self.keep as f32);
        let correction = self.square_correction as f32;
        let [b1, b2] = BETA.map(|b| b as f32);
        for ((w, g), ((m, v), e)) in values[start..end]
            .iter_mut()
            .zip(&self.gradient)
            .zip(moments)
        {
            let g = g * self.clip;
            *m = b1 * *m + (1.0 - b1) * g;
            *v = b2 * *v + (1.0 - b2) * g * g;
            *w = *w * keep - rate * *m / ((*v * correction).sqrt() + EPSILON as f32);
            *e += (1.0 - self.average_decay) * (*w - *e);
        }
        Ok(())
    }
}
