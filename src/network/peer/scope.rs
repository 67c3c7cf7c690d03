//! Where a layer gets its tensors: a place in a peer's tree of names, and whether it is built to be trained.
//!
//! Separate from the layers because missing, optional and ignored names are decided in one place.

use std::fmt::Display;

use candle_core::{Device, Result, Shape, Tensor};
use candle_nn::{Init, VarBuilder};

/// A place in the tree of a peer's tensor names.
///
/// The same constructor serves both uses: over variables ([`crate::network::weights::Weights`]) the network can be
/// trained, over a file it computes. In training mode batch norms use and update the statistics of their batch.
#[derive(Clone)]
pub struct Scope<'a> {
    builder: VarBuilder<'a>,
    training: bool,
}

impl<'a> Scope<'a> {
    /// The root, for computing: batch norms use the stored statistics.
    pub fn new(builder: VarBuilder<'a>) -> Self {
        Self {
            builder,
            training: false,
        }
    }

    /// The root, for training.
    pub fn training(builder: VarBuilder<'a>) -> Self {
        Self {
            builder,
            training: true,
        }
    }

    /// The place `name` below this one; dots go deeper.
    #[must_use]
    pub fn at(&self, name: impl Display) -> Self {
        Self {
            builder: self.builder.pp(name),
            training: self.training,
        }
    }

    /// Whether batch norms are to use the statistics of their batch.
    pub fn is_training(&self) -> bool {
        self.training
    }

    /// Where the tensors lie.
    pub fn device(&self) -> &Device {
        self.builder.device()
    }

    /// Underlying builder, for layers that are shared with the project's own networks.
    pub fn builder(&self) -> &VarBuilder<'a> {
        &self.builder
    }

    /// A weight; a fresh one starts as `init` says.
    pub fn tensor(&self, name: &str, shape: impl Into<Shape>, init: Init) -> Result<Tensor> {
        self.builder.get_with_hints(shape, name, init)
    }

    /// A weight that starts uniform within `±1/√fan-in`.
    pub fn random(&self, name: &str, shape: impl Into<Shape>, fan_in: usize) -> Result<Tensor> {
        let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
        let init = Init::Uniform {
            lo: -bound,
            up: bound,
        };
        self.tensor(name, shape, init)
    }

    /// A weight that starts at one value.
    pub fn constant(&self, name: &str, shape: impl Into<Shape>, value: f64) -> Result<Tensor> {
        self.tensor(name, shape, Init::Const(value))
    }

    /// Whether a file (or a network in training) holds this tensor.
    pub fn has(&self, name: &str) -> bool {
        self.builder.contains_tensor(name)
    }

    /// Accepts a tensor that carries nothing for us: a counter, a table that is computed instead.
    pub fn ignore(&self, name: &str) -> Result<()> {
        if self.has(name) {
            self.builder.get_unchecked(name)?;
        }
        Ok(())
    }
}
