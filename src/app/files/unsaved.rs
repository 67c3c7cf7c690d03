//! Work that an earlier session left: journals that can be opened again, and those that cannot.
//!
//! Separate because what is found wrong here must be said, and never removed.

use std::io;
use std::path::{Path, PathBuf};

use crate::document::project::{Project, ProjectError};

/// What lies in the folder of unsaved work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsaved {
    /// Journals with work in them that no running program holds, newest first.
    pub folders: Vec<PathBuf>,
    /// What could not be opened and why, a sentence each; it is left where it is.
    pub failed: Vec<String>,
}

/// Looks for journals of unsaved work; those without any work in them are removed.
pub fn unsaved(keep: &Path) -> Unsaved {
    let mut found = Unsaved::default();
    let entries = match std::fs::read_dir(keep) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return found,
        Err(error) => {
            found.failed.push(format!(
                "The folder of unsaved work cannot be read ({error}): {}",
                keep.display()
            ));
            return found;
        }
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        // A folder without this file never held any work.
        if !path.join("project.json").is_file() {
            continue;
        }
        match Project::open(&path) {
            Ok((project, _)) => {
                let touched = project.history().can_undo() || project.history().can_redo();
                drop(project);
                if touched {
                    found.folders.push(path);
                } else {
                    std::fs::remove_dir_all(&path).ok();
                }
            }
            // Another window is at it.
            Err(ProjectError::InUse(_)) => {}
            Err(error) => found.failed.push(format!(
                "Unsaved work of an earlier session cannot be opened and is left where it is: {error}"
            )),
        }
    }
    found.folders.sort();
    found.folders.reverse();
    found.failed.sort();
    found
}
