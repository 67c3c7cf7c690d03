//! A file of weights under the names that the networks ask for, with changes added on the way.
//!
//! Separate from the file itself: old names of the autoencoder's attention and low-rank changes are matters of whole
//! models, and a check reads shapes only.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::VarBuilder;

use super::lora::Change;
use crate::network::device::Place;
use crate::network::folder::{ModelError, Store, build_over};
use crate::network::peer::scope::Scope;
use crate::network::peer::source::Source;

/// Names of attention in autoencoders before 2023, and today's.
const OLD: [(&str, &str); 4] = [
    (".query.", ".to_q."),
    (".key.", ".to_k."),
    (".value.", ".to_v."),
    (".proj_attn.", ".to_out.0."),
];

/// A file with what is put on it.
#[derive(Debug)]
pub(super) struct Dressed {
    source: Source,
    /// Today's names that differ from those of the file.
    names: BTreeMap<String, String>,
    /// Changes by the name of the weight.
    changes: HashMap<String, Vec<Change>>,
    /// Shapes and types only: zeros stand in for all values and take no memory.
    hollow: bool,
}

impl Dressed {
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let source = Source::open(path)?;
        let mut names = BTreeMap::new();
        for old in source.names() {
            for (was, is) in OLD {
                if old.contains("mid_block.attentions.") && old.contains(was) {
                    names.insert(old.replace(was, is), old.clone());
                }
            }
        }
        Ok(Self {
            source,
            names,
            changes: HashMap::new(),
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
        self.changes = changes;
        self
    }

    fn own<'a>(&'a self, name: &'a str) -> &'a str {
        self.names.get(name).map_or(name, String::as_str)
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
        let names = self.source.names();
        let is = |old: &String| {
            let today = self.names.iter().find(|(_, was)| *was == old);
            today.map_or_else(|| old.clone(), |(is, _)| is.clone())
        };
        if self.names.is_empty() {
            names
        } else {
            names.iter().map(is).collect()
        }
    }

    fn shape(&self, name: &str) -> Option<Shape> {
        self.source.shape(self.own(name))
    }

    fn read(&self, name: &str, dtype: DType) -> Result<Tensor, ModelError> {
        let own = self.own(name);
        let failed = |source| ModelError::Tensors {
            path: self.source.path().to_owned(),
            source,
        };
        if self.hollow {
            let found = self.source.dtype(own).unwrap_or_default();
            if !matches!(found.as_str(), "F16" | "BF16" | "F32" | "F64") {
                return Err(ModelError::Type {
                    path: self.source.path().to_owned(),
                    tensor: name.to_owned(),
                    found,
                });
            }
            let shape = self.source.shape(own).unwrap_or_else(|| Shape::from(()));
            return Tensor::zeros((), DType::F32, &Device::Cpu)
                .and_then(|zero| zero.broadcast_as(shape))
                .map_err(failed);
        }
        let Some(changes) = self.changes.get(name) else {
            return self.source.read(own, dtype);
        };
        let mut tensor = self.source.read(own, DType::F32)?;
        for change in changes {
            tensor = change.added_to(&tensor).map_err(failed)?;
        }
        Ok(tensor)
    }
}
