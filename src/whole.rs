//! Files that are there whole or not at all.
//!
//! Ground, because images, projects, models, queues and records are all written this way: beside the target, flushed,
//! read back, renamed. Whatever goes wrong on the way, the file that was there before is untouched and nothing is left
//! beside it; a process that is killed can leave a hidden file, which [`clear`] removes from folders of our own.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// How the names of files on their way begin.
const PREFIX: &str = ".radcanvas-";

/// Makes the folder in which the file at `path` is to lie, where it is missing.
///
/// # Errors
/// What the system refused.
pub fn make_folder_of(path: &Path) -> io::Result<()> {
    fs::create_dir_all(folder_of(path))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Writes a whole file. Its folder must be there: one that was taken away with its disk is not made anew.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] for a file that is there when `replace` is not given; whatever the system refused.
/// Nothing of the new file stays then.
pub fn write(path: &Path, bytes: &[u8], replace: bool) -> io::Result<()> {
    if !replace && path.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let folder = folder_of(path);
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As readable as any other new file: the umask still applies.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    // A disk that takes what it does not keep is found out while the old file is still there.
    if fs::read(file.path())? != bytes {
        return Err(io::Error::other(
            "what was written is not what is read back",
        ));
    }
    if replace {
        file.persist(path).map_err(|error| error.error)?;
    } else {
        file.persist_noclobber(path).map_err(|error| error.error)?;
    }
    flush_folder(folder)
}

/// The rename itself is on the disk once the folder is; only Unix lets a folder be flushed.
#[cfg(unix)]
fn flush_folder(folder: &Path) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // File systems without such a flush, and folders that may be written and not read.
        Err(error) if matches!(error.kind(), InvalidInput | PermissionDenied | Unsupported) => {
            Ok(())
        }
        other => other,
    }
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "Unix may refuse")]
fn flush_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Removes what writers that were killed left in `folder`, which no other process may be writing to.
pub fn clear(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if is_leftover(&entry.file_name()) {
            // It stays hidden and in nobody's way where it cannot be removed.
            fs::remove_file(entry.path()).ok();
        }
    }
}

/// Whether a file of this name was on its way when its writer was killed.
pub fn is_leftover(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
}

/// A copy of the folder `from` beside `to`, flushed to the disk; it is removed when it is dropped.
///
/// # Errors
/// What the system refused; nothing of the copy stays then.
pub fn copy_beside(from: &Path, to: &Path) -> io::Result<tempfile::TempDir> {
    let parent = folder_of(to);
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o777));
    }
    let copy = builder.tempdir_in(parent)?;
    copy_folder(from, copy.path())?;
    Ok(copy)
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if !is_leftover(&entry.file_name()) {
            fs::copy(entry.path(), &target)?;
            File::options().write(true).open(&target)?.sync_all()?;
        }
    }
    flush_folder(to)
}

/// Puts the folder `new` in the place of the folder `to`, which may be missing.
///
/// At every moment a whole folder is at `to` where the system can exchange two names at once (Linux). Elsewhere there
/// is a moment at which the old one is called `NAME.replaced`.
///
/// # Errors
/// What the system refused; `to` is then the old folder.
pub fn replace_folder(new: tempfile::TempDir, to: &Path) -> io::Result<()> {
    if !to.exists() {
        fs::rename(new.path(), to)?;
        // There is nothing left under its old name that could be removed.
        drop(new.keep());
        return Ok(());
    }
    if exchange(new.path(), to).is_ok() {
        // Dropping `new` removes what was replaced.
        return Ok(());
    }
    let free = |n: &u32| !to.with_extension(format!("replaced-{n}")).exists();
    let number = (1..1000).find(free).unwrap_or(1000);
    let aside = to.with_extension(format!("replaced-{number}"));
    fs::rename(to, &aside)?;
    if let Err(error) = fs::rename(new.path(), to) {
        fs::rename(&aside, to)?;
        return Err(error);
    }
    drop(new.keep());
    // The new one is in its place; what is left of the old one only takes room.
    fs::remove_dir_all(&aside).ok();
    Ok(())
}

/// Exchanges two names at once.
#[cfg(target_os = "linux")]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt as _;
    let name = |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other);
    let (one, other) = (name(one)?, name(other)?);
    #[expect(unsafe_code, reason = "the standard library has no such rename")]
    // SAFETY: both names end in a zero and live until the call returns; nothing else is handed over.
    let status = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            one.as_ptr(),
            libc::AT_FDCWD,
            other.as_ptr(),
            libc::RENAME_EXCHANGE,
        )
    };
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(not(target_os = "linux"))]
fn exchange(_one: &Path, _other: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
