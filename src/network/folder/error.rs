//! What can be wrong with a model folder, each with its file and what to do.
//!
//! Separate so that callers can map it to their own error without knowing how folders are read.

use std::io;
use std::path::{Path, PathBuf};

/// Why a model folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file named in `model.json`, or that file itself, is not there.
    #[error("{} is missing; copy the whole model folder again", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file was not written.
    #[error(
        "{} was not written ({source}); make room or choose another folder, what was there is untouched",
        path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `model.json` does not say what it must.
    #[error("{} cannot be understood: {what}", path.display())]
    Card {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its line and column.
        what: String,
    },
    /// The content is not what `model.json` promises.
    #[error(
        "{} has the SHA-256 {found}, {expected} was promised; the file was changed or damaged, copy it again",
        path.display()
    )]
    Hash {
        /// The file.
        path: PathBuf,
        /// Promised.
        expected: String,
        /// Found.
        found: String,
    },
    /// Not a whole safetensors file.
    #[error("{} is damaged or cut off: {what}; copy it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the format's reader said.
        what: String,
    },
    /// A tensor of a type that cannot hold weights.
    #[error("{}: tensor {tensor} is {found}, weights are F16, BF16 or F32", path.display())]
    Type {
        /// The file.
        path: PathBuf,
        /// Its name.
        tensor: String,
        /// Its type.
        found: String,
    },
    /// The architecture asks for a tensor that the files do not hold.
    #[error("{}: tensor {tensor} {what}; architecture and weights do not belong together", path.display())]
    Tensor {
        /// The folder.
        path: PathBuf,
        /// Its name.
        tensor: String,
        /// `is missing`, or its two shapes.
        what: String,
    },
    /// The files hold tensors that the architecture does not know.
    #[error("{}: unknown tensors {names}; architecture and weights do not belong together", path.display())]
    Unknown {
        /// The folder.
        path: PathBuf,
        /// The first few of them.
        names: String,
    },
    /// A PyTorch archive that holds more than the description of plain tensors.
    #[error("{} is refused: {what}; save the plain state dictionary, best as .safetensors", path.display())]
    Code {
        /// The file.
        path: PathBuf,
        /// What it holds.
        what: String,
    },
    /// A network that is not known, or a setting of it that is not.
    #[error("{}: {what}", path.display())]
    Configuration {
        /// The file with the settings.
        path: PathBuf,
        /// What is wrong with them.
        what: String,
    },
    /// Inputs that the network cannot take.
    #[error("{}: {what}", path.display())]
    Inputs {
        /// The file with the inputs.
        path: PathBuf,
        /// What is wrong with them.
        what: String,
    },
    /// A model of another task or architecture than was asked for.
    #[error("{} holds a {found} model, {expected} was wanted", path.display())]
    Task {
        /// The folder.
        path: PathBuf,
        /// What was wanted.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The tensor library failed.
    #[error("{}: {source}", path.display())]
    Tensors {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: candle_core::Error,
    },
}

impl ModelError {
    /// Why a file could not be read: it is not there, or what the system said.
    pub(crate) fn reading(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::NotFound {
            Self::Missing { path }
        } else {
            Self::Io { path, source }
        }
    }
}
