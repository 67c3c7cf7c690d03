//! What went wrong, where, and what to do: one error for everything behind the seam.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The class of an error; decides the exit code of a headless command (CLI contract).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorKind {
    /// A request that contradicts itself or its image: exit code 2.
    Usage,
    /// Input that cannot be read or is not supported: exit code 3.
    Input,
    /// A model is missing or does not fit: exit code 4.
    Model,
    /// Stopped by the person: exit code 5.
    Stopped,
    /// Anything else, a panic of the worker among it: exit code 1.
    Failed,
}

/// An error for a person: what, where and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub struct Error {
    /// Its class.
    pub kind: ErrorKind,
    /// What was wrong, one sentence without a full stop.
    pub what: String,
    /// The file concerned, if any.
    pub path: Option<PathBuf>,
    /// What to do; may be empty.
    pub remedy: String,
}

impl Error {
    /// An error of a class.
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            path: None,
            remedy: String::new(),
        }
    }

    /// With the file concerned.
    #[must_use]
    pub fn at(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// With what to do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// What was wrong and what to do, without the file concerned: its name may be the name of a person.
    pub fn words(&self) -> String {
        if self.remedy.is_empty() {
            self.what.clone()
        } else {
            format!("{}; {}", self.what, self.remedy)
        }
    }

    /// The error of a job that was stopped.
    pub fn stopped() -> Self {
        Self::new(ErrorKind::Stopped, "stopped")
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.words())?;
        if let Some(path) = &self.path {
            write!(f, ": {}", path.display())?;
        }
        Ok(())
    }
}

impl From<crate::document::project::ProjectError> for Error {
    fn from(error: crate::document::project::ProjectError) -> Self {
        let said = Self::new(ErrorKind::Failed, error.words());
        match error.path() {
            Some(path) => said.at(path),
            None => said,
        }
    }
}

impl From<crate::radiograph::ReadError> for Error {
    fn from(error: crate::radiograph::ReadError) -> Self {
        Self::new(ErrorKind::Input, error.problem.to_string())
            .at(error.path)
            .remedy(error.problem.remedy())
    }
}
