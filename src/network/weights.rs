//! Named weights of one network: created from a seed, trained in place, saved and loaded by name.
//!
//! Separate from the layers because a layer only asks for a tensor by name; whether that name is a fresh variable, a
//! checkpoint or a bundled file is decided here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Error, Result, Shape, Tensor, Var};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use crate::noise::Noise;

/// The variables of a network in training, by name; clones share them.
///
/// Initial values depend on the seed and on the name alone, so that a network starts the same wherever, and in
/// whatever order, its layers are built.
#[derive(Clone, Debug)]
pub struct Weights {
    seed: u64,
    device: Device,
    variables: Arc<Mutex<BTreeMap<String, Var>>>,
}

impl Weights {
    /// No variables yet; those asked for are drawn from `seed` and lie on the processor.
    pub fn new(seed: u64) -> Self {
        Self::on(seed, &Device::Cpu)
    }

    /// The same on another device; the values are drawn on the processor all the same.
    pub fn on(seed: u64, device: &Device) -> Self {
        Self {
            seed,
            device: device.clone(),
            variables: Arc::default(),
        }
    }

    /// Where they lie.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Gives layers their variables, f32.
    pub fn builder(&self) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), DType::F32, self.device.clone())
    }

    /// All variables in order of their names.
    pub fn variables(&self) -> Vec<(String, Var)> {
        self.lock()
            .iter()
            .map(|(name, variable)| (name.clone(), variable.clone()))
            .collect()
    }

    /// Detached values by name.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.lock()
            .iter()
            .map(|(name, variable)| (name.clone(), variable.as_detached_tensor()))
            .collect()
    }

    /// Number of weights.
    pub fn count(&self) -> usize {
        self.lock().values().map(|v| v.elem_count()).sum()
    }

    /// Overwrites the variables named in `values`; names that this network does not have are an error, as are shapes
    /// that differ.
    pub fn set(&self, values: &BTreeMap<String, Tensor>) -> Result<()> {
        let variables = self.lock();
        for (name, value) in values {
            let variable = variables
                .get(name)
                .ok_or_else(|| Error::Msg(format!("no weight is called {name}")))?;
            variable.set(&value.to_device(&self.device)?.to_dtype(DType::F32)?)?;
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Var>> {
        self.variables
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self, name: &str, shape: &Shape, init: Init) -> Result<Var> {
        let mut noise = Noise::new(self.seed, stream_of(name));
        let count = shape.elem_count();
        let values: Vec<f32> = match init {
            Init::Const(value) => vec![value as f32; count],
            Init::Randn { mean, stdev } => (0..count)
                .map(|_| noise.gauss(mean, stdev) as f32)
                .collect(),
            Init::Uniform { lo, up } => (0..count).map(|_| noise.range(lo, up) as f32).collect(),
            Init::Kaiming { .. } => {
                return Err(Error::Msg(format!("{name}: state the range of its start")));
            }
        };
        Var::from_vec(values, shape, &self.device)
    }
}

/// The noise stream of a name: FNV-1a, 64 bits.
fn stream_of(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl SimpleBackend for Weights {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        dtype: DType,
        _device: &Device,
    ) -> Result<Tensor> {
        let known = self.lock().get(name).cloned();
        let variable = if let Some(variable) = known {
            variable
        } else {
            let variable = self.draw(name, &shape, init)?;
            self.lock().insert(name.to_owned(), variable.clone());
            variable
        };
        if variable.shape() != &shape || variable.dtype() != dtype {
            return Err(Error::Msg(format!(
                "{name} is {:?} {:?}, asked for {shape:?} {dtype:?}",
                variable.shape(),
                variable.dtype()
            )));
        }
        Ok(variable.as_tensor().clone())
    }

    fn get_unchecked(&self, name: &str, _dtype: DType, _device: &Device) -> Result<Tensor> {
        self.lock()
            .get(name)
            .map(|variable| variable.as_tensor().clone())
            .ok_or_else(|| Error::Msg(format!("no weight is called {name}")))
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.lock().contains_key(name)
    }
}
