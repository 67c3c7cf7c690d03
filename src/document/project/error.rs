//! What can go wrong with a project folder; the document in memory is as it was in every case.

use std::io;
use std::path::{Path, PathBuf};

use crate::document::EditError;

/// Why a project cannot be made, opened or written.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The folder holds no `project.json`.
    #[error("this folder is not a project, it has no project.json: {}", .0.display())]
    NotAProject(PathBuf),
    /// A project, or the journal of one, already lies there.
    #[error("this folder already holds a project; open it or choose another folder: {}", .0.display())]
    Exists(PathBuf),
    /// Another process has the project open.
    #[error("this project is open in another window or process; close it there first: {}", .0.display())]
    InUse(PathBuf),
    /// Written by another version of the program.
    #[error("this project has format version {found}, this program reads version {known}; open it with the \
             program that wrote it: {}", .path.display())]
    Version {
        /// The version found, as written.
        found: String,
        /// The version of this program.
        known: u64,
        /// The file.
        path: PathBuf,
    },
    /// A file that was changed or cut.
    #[error("{what}: {}", .path.display())]
    Damaged {
        /// What does not fit.
        what: String,
        /// The file.
        path: PathBuf,
    },
    /// A value that JSON cannot hold, such as an infinite window.
    #[error("the {0} holds a number that cannot be stored")]
    NotStorable(&'static str),
    /// The disk refused: full, read-only, taken away.
    #[error("cannot {what}: {source}; the document is still in memory, make room or save it in another folder: {}",
            .path.display())]
    Io {
        /// `read`, `write` and so on.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The edit does not fit the document.
    #[error(transparent)]
    Edit(#[from] EditError),
}

impl ProjectError {
    /// For `map_err`: an error of the system with what was tried and where.
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }

    /// The file or folder concerned.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::NotAProject(path) | Self::Exists(path) | Self::InUse(path) => Some(path),
            Self::Version { path, .. } | Self::Damaged { path, .. } | Self::Io { path, .. } => {
                Some(path)
            }
            Self::NotStorable(_) | Self::Edit(_) => None,
        }
    }

    /// What went wrong without the file concerned: its name may be the name of a person.
    pub fn words(&self) -> String {
        let mut text = self.to_string();
        if let Some(path) = self.path() {
            let named = format!(": {}", path.display());
            text.truncate(text.strip_suffix(&named).unwrap_or(&text).len());
        }
        text
    }

    /// A damaged file.
    pub(super) fn damaged(what: impl Into<String>, path: &Path) -> Self {
        Self::Damaged {
            what: what.into(),
            path: path.to_owned(),
        }
    }

    /// Whether the files themselves are wrong, rather than the system unable to read them now.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::Damaged { .. } | Self::Edit(_) => true,
            _ => false,
        }
    }
}
