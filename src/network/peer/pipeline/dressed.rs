//! A file of weights with changes added on the way.
//!
//! Separate from the file itself: low-rank changes are a matter of whole models, and a check reads shapes only.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::VarBuilder;

use super::lora::Change;
use crate::network::device::Place;
use crate::network::folder::{ModelError, Store, build_over};
use crate::network::peer::scope::Scope;
use crate::network::peer::source::Source;

/// A file with what is put on it.
#[derive(Clone, Debug)]
pub(super) struct Dressed {
    source: Arc<Source>,
    /// Changes by the name of the weight.
    changes: Arc<HashMap<String, Vec<Change>>>,
    /// Shapes and types only: zeros stand in for all values and take no memory.
    hollow: bool,
}

impl Dressed {
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let source = Source::open(path)?;
        Ok(Self {
            source: Arc::new(source),
            changes: Arc::default(),
            hollow: false,
        })
    }

    /// For checking: values are not read.
    pub(super) fn hollow(mut self) -> Self {
        self.hollow = true;
        self
    }

    /// With changes of its weights.
    pub(super) fn changed(mut self, changes: HashMap<String, Vec<Change>>) -> Self {
        self.changes = Arc::new(changes);
        self
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        self.source.path()
    }

    /// Whether anything is put on it.
    pub(super) fn is_changed(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Numbers in all its tensors.
    pub(super) fn count(&self) -> u64 {
        let names = self.source.names();
        let shapes = names.iter().filter_map(|name| self.source.shape(name));
        shapes.map(|shape| shape.elem_count() as u64).sum()
    }

    /// Builds a network; every tensor of the file must be used and fit.
    pub(super) fn build<N>(
        self,
        place: &Place,
        network: impl FnOnce(&Scope<'_>) -> candle_core::Result<N>,
    ) -> Result<N, ModelError> {
        let path = self.source.path().to_owned();
        let named = path.clone();
        build_over(self, &path, place, |builder: &VarBuilder<'_>| {
            network(&Scope::new(builder.clone()))
        })
        .map_err(|error| plain(error, named))
    }
}

/// What is not about a tensor of the file is about its settings.
fn plain(error: ModelError, path: PathBuf) -> ModelError {
    match error {
        ModelError::Tensors { source, .. } => {
            let mut error = &source;
            while let candle_core::Error::WithBacktrace { inner, .. }
            | candle_core::Error::Context { inner, .. } = error
            {
                error = inner;
            }
            ModelError::Configuration {
                path,
                what: error.to_string(),
            }
        }
        error => error,
    }
}

impl Store for Dressed {
    fn names(&self) -> Vec<String> {
        self.source.names()
    }

    fn shape(&self, name: &str) -> Option<Shape> {
        self.source.shape(name)
    }

    fn read(&self, name: &str, dtype: DType) -> Result<Tensor, ModelError> {
        let failed = |source| ModelError::Tensors {
            path: self.source.path().to_owned(),
            source,
        };
        if self.hollow {
            let found = self.source.dtype(name).unwrap_or_default();
            if !matches!(found.as_str(), "F16" | "BF16" | "F32" | "F64") {
                return Err(ModelError::Type {
                    path: self.source.path().to_owned(),
                    tensor: name.to_owned(),
                    found,
                });
            }
            let shape = self.source.shape(name).unwrap_or_else(|| Shape::from(()));
            return Tensor::zeros((), DType::F32, &Device::Cpu)
                .and_then(|zero| zero.broadcast_as(shape))
                .map_err(failed);
        }
        let Some(changes) = self.changes.get(name) else {
            return self.source.read(name, dtype);
        };
        let mut tensor = self.source.read(name, DType::F32)?;
        for change in changes {
            tensor = change.added_to(&tensor).map_err(failed)?;
        }
        Ok(tensor)
    }
}
