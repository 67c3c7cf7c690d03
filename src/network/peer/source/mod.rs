//! Files of weights: which tensors they hold, and their values one at a time.
//!
//! Separate from the networks because a file is read lazily: never are the file and its tensors in memory together.

mod described;
mod pickle;
mod program;
mod tensors;
mod values;

use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::VarBuilder;

use self::pickle::Archive;
use self::tensors::TensorFile;
use super::scope::Scope;
use crate::network::device::Place;
use crate::network::folder::{ModelError, Store, build_over};

/// A file of weights.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    file: Box<dyn Reading>,
    /// What names begin with in the file and not in the network.
    prefix: String,
    /// What the names of other networks in the same file begin with.
    others: Vec<String>,
}

/// What the formats have in common; names are those of the file.
trait Reading: std::fmt::Debug + Send + Sync {
    fn names(&self) -> Vec<String>;
    fn shape(&self, name: &str) -> Option<Shape>;
    /// The name of its type.
    fn dtype(&self, name: &str) -> Option<String>;
    /// On the processor, in `dtype` where that needs no second copy, otherwise in a type that holds the file's.
    fn read(&self, name: &str, dtype: DType) -> Result<Tensor, ModelError>;
}

impl Source {
    /// Opens a `.safetensors` file or a file of PyTorch (`.pth`, `.pt`, `.ckpt`, `.bin`), of plain tensors.
    ///
    /// An error for files that are missing, damaged or cut off, and for pickles that call more than plain tensors need.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let file: Box<dyn Reading> = if path.extension().is_some_and(|e| e == "safetensors") {
            Box::new(TensorFile::open(path)?)
        } else {
            Box::new(Archive::open(path)?)
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            prefix: String::new(),
            others: Vec::new(),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves out the names that begin with one of `others`: a file may hold several networks.
    #[must_use]
    pub fn without(mut self, others: &[&str]) -> Self {
        self.others = others.iter().map(|&other| other.to_owned()).collect();
        self
    }

    fn own_names(&self) -> Vec<String> {
        let mut names = self.file.names();
        names.retain(|name| !self.others.iter().any(|other| name.starts_with(other)));
        names
    }

    /// The first of `prefixes` that every name of the file begins with is left out of the names.
    #[must_use]
    pub fn without_prefix(mut self, prefixes: &[&str]) -> Self {
        let names = self.own_names();
        let common = |prefix: &&&str| names.iter().all(|name| name.starts_with(**prefix));
        if let Some(prefix) = prefixes.iter().find(common).filter(|_| !names.is_empty()) {
            (*prefix).clone_into(&mut self.prefix);
        }
        self
    }

    /// Builds a network in f32 on `device`: so are other programs' numbers checked. See [`Source::build_at`].
    pub fn build<N>(
        self,
        device: &Device,
        network: impl FnOnce(&Scope<'_>) -> candle_core::Result<N>,
    ) -> Result<N, ModelError> {
        let place = Place {
            device: device.clone(),
            dtype: DType::F32,
        };
        self.build_at(&place, network)
    }

    /// Builds a network at a place, in its type; missing, misshapen, unknown and wrongly typed tensors are errors that
    /// name them.
    ///
    /// Tensors are read and converted one after the other: the file is never in memory beside the network.
    pub fn build_at<N>(
        self,
        place: &Place,
        network: impl FnOnce(&Scope<'_>) -> candle_core::Result<N>,
    ) -> Result<N, ModelError> {
        let path = self.path.clone();
        build_over(self, &path, place, |builder: &VarBuilder<'_>| {
            network(&Scope::new(builder.clone()))
        })
    }

    /// The type of one of its tensors, as the file names it.
    pub fn dtype(&self, name: &str) -> Option<String> {
        self.file.dtype(&self.full(name))
    }

    /// The values of one of its tensors in the type of the file.
    pub fn read_as_is(&self, name: &str) -> Result<Tensor, ModelError> {
        let name = self.full(name);
        let own = match self.file.dtype(&name).as_deref() {
            Some("F16") => DType::F16,
            Some("BF16") => DType::BF16,
            Some("F64") => DType::F64,
            _ => DType::F32,
        };
        self.file.read(&name, own)
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

impl Store for Source {
    fn names(&self) -> Vec<String> {
        self.own_names()
            .into_iter()
            .map(|name| match name.strip_prefix(&self.prefix) {
                Some(rest) => rest.to_owned(),
                None => name,
            })
            .collect()
    }

    fn shape(&self, name: &str) -> Option<Shape> {
        self.file.shape(&self.full(name))
    }

    fn read(&self, name: &str, dtype: DType) -> Result<Tensor, ModelError> {
        let name = self.full(name);
        let found = self.file.dtype(&name).unwrap_or_default();
        if !matches!(found.as_str(), "F16" | "BF16" | "F32" | "F64") {
            return Err(ModelError::Type {
                path: self.path.clone(),
                tensor: name,
                found,
            });
        }
        self.file
            .read(&name, dtype)?
            .to_dtype(dtype)
            .map_err(|source| ModelError::Tensors {
                path: self.path.clone(),
                source,
            })
    }
}
