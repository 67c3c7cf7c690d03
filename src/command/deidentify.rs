//! `deidentify IN OUT`: DICOM files without what tells who they are, an animal's owner included.
//!
//! Separate as every subcommand is; what is removed is decided by [`crate::radiograph::write::deidentify`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::generate::raster;
use super::{Common, report, say, say_json};
use crate::grid::Grid;
use crate::job::{Error, ErrorKind};
use crate::radiograph::write::{
    Deidentification, DeidentifyError, WriteError, deidentify, deidentify_blanked, secret,
};

/// Options of `deidentify`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Deidentify {
    /// A DICOM file, or a folder of them.
    input: PathBuf,
    /// The new file, or the folder for files named 0001.dcm and so on.
    output: PathBuf,
    /// A mask of the size of the image: pixels under it are made black, which must be every name burned into them.
    #[arg(long)]
    blank: Option<PathBuf>,
    /// Replace existing files.
    #[arg(long)]
    force: bool,
}

/// De-identifies a file or every file of a folder; references between the files of one run hold.
pub(super) fn run(options: &Deidentify, common: &Common) -> Result<ExitCode, Error> {
    let salt = secret();
    let blank = options.blank.as_deref().map(raster).transpose()?;
    let mut removed = BTreeSet::new();
    let mut warnings = BTreeSet::new();
    let mut files = Vec::new();
    let mut failed = 0;
    for (from, to) in pairs(options)? {
        match one(&from, &to, &salt, blank.as_ref(), options.force) {
            Ok(done) => {
                removed.extend(done.removed);
                warnings.extend(done.warnings);
                files.push(to);
            }
            Err(error) if options.input.is_dir() => {
                report(&error);
                failed += 1;
            }
            Err(error) => return Err(error),
        }
    }
    let method = "PS3.15 2024b Basic Profile";
    if common.json {
        say_json(&json!({
            "removed": removed, "method": method, "warnings": warnings, "files": files,
            "failed": failed,
        }));
    } else {
        say(&format!(
            "{} files, {} attributes removed, emptied or replaced ({method})",
            files.len(),
            removed.len()
        ));
        for warning in &warnings {
            say(warning);
        }
    }
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// Input and output of each file. New names are numbers: a name of a file may be a name of a person.
fn pairs(options: &Deidentify) -> Result<Vec<(PathBuf, PathBuf)>, Error> {
    if !options.input.is_dir() {
        return Ok(vec![(options.input.clone(), options.output.clone())]);
    }
    let found = files_under(&options.input)?;
    let named = found.into_iter().enumerate();
    Ok(named
        .map(|(n, from)| (from, options.output.join(format!("{:04}.dcm", n + 1))))
        .collect())
}

/// Every file below a folder, links not followed, in the order of their paths.
pub(super) fn files_under(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| {
            let what = format!("the folder cannot be read ({error})");
            Error::new(ErrorKind::Input, what).at(&folder)
        })?;
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    Ok(found)
}

fn one(
    from: &Path,
    to: &Path,
    salt: &[u8],
    blank: Option<&Grid<u8>>,
    force: bool,
) -> Result<Deidentification, Error> {
    match blank {
        Some(mask) => deidentify_blanked(from, to, salt, force, mask),
        None => deidentify(from, to, salt, force),
    }
    .map_err(|error| match error {
        DeidentifyError::Read(error) => error.into(),
        DeidentifyError::Write(error) => {
            let kind = match error {
                WriteError::Exists { .. } => ErrorKind::Usage,
                _ => ErrorKind::Failed,
            };
            Error::new(kind, error.to_string())
        }
    })
}
