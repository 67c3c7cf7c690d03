//! DICOM Secondary Capture out, with the mark of what is synthetic, and whole files written safely.
//!
//! Every writer writes beside the target, syncs and renames: a file is there whole or not at all, and one that exists
//! is replaced only when asked.

mod dicom;
mod glyphs;

use std::io::Write as _;
use std::path::{Path, PathBuf};

pub use dicom::{SecondaryCapture, dicom_bytes, write_dicom};

/// Why a file was not written; nothing half-written is left.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file exists.
    #[error("the file exists and is not replaced without being asked: {}", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// The disk refused.
    #[error("the file could not be written ({reason}); check the free space and the rights of the folder: {}", path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The values do not fit the format.
    #[error("{what}: {}", path.display())]
    Unsupported {
        /// What does not fit and what to use instead.
        what: String,
        /// Where it was to go.
        path: PathBuf,
    },
}

/// Writes a whole file: beside the target first, synced, then renamed.
pub fn write_whole(path: &Path, bytes: &[u8], replace: bool) -> Result<(), WriteError> {
    let disk = |error: std::io::Error| WriteError::Disk {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    if !replace && path.exists() {
        return Err(WriteError::Exists {
            path: path.to_owned(),
        });
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder).map_err(disk)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".radcanvas-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As readable as any other new file: the umask still applies.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(disk)?;
    file.write_all(bytes).map_err(disk)?;
    file.as_file().sync_all().map_err(disk)?;
    let saved = if replace {
        file.persist(path).map_err(|e| e.error)
    } else {
        file.persist_noclobber(path).map_err(|e| e.error)
    };
    saved.map(|_| ()).map_err(disk)
}
