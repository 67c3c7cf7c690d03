//! `inspect FILE…`: what the reader understood of each file, refusals among the answers.
//!
//! Separate as every subcommand is; the answer itself is [`crate::radiograph::Inspection`].

use std::path::PathBuf;
use std::process::ExitCode;

use rayon::prelude::*;

use super::{Common, exit_code, say, say_json};
use crate::job::{Error, ErrorKind};
use crate::radiograph::{self, Inspection};

/// Options of `inspect`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Inspect {
    /// Image files, folders, ZIP archives or DICOMDIR files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Inspects every file; exit code 1 when some were refused, 3 when all were.
pub(super) fn run(options: &Inspect, common: &Common) -> Result<ExitCode, Error> {
    let rows: Vec<Inspection> = options
        .files
        .par_iter()
        .flat_map_iter(radiograph::inspect_all)
        .collect();
    if common.json {
        let document = serde_json::to_value(&rows)
            .map_err(|error| Error::new(ErrorKind::Failed, error.to_string()))?;
        say_json(&document);
    } else {
        for row in &rows {
            say(&in_words(row));
        }
    }
    let refused = rows.iter().filter(|row| row.error.is_some()).count();
    Ok(if refused == 0 {
        ExitCode::SUCCESS
    } else if refused == rows.len() {
        exit_code(ErrorKind::Input)
    } else {
        exit_code(ErrorKind::Failed)
    })
}

fn in_words(row: &Inspection) -> String {
    use std::fmt::Write as _;
    let path = row.path.display();
    if let Some(error) = &row.error {
        return format!("{path}: {error}");
    }
    let mut text = format!(
        "{path}: {} × {}, {} frames, {} bits, {}, {}",
        row.width.unwrap_or(0),
        row.height.unwrap_or(0),
        row.frames.unwrap_or(1),
        row.bits_stored.unwrap_or(0),
        row.photometric.as_deref().unwrap_or("?"),
        row.modality.as_deref().unwrap_or("OT"),
    );
    if let (Some([y, x]), Some(source)) = (row.spacing_mm, row.spacing_source) {
        // A String takes everything.
        write!(text, ", {y} × {x} mm ({})", source.label()).ok();
    }
    if row.synthetic == Some(true) {
        text.push_str(", synthetic");
    }
    for note in &row.notes {
        text.push_str("\n  ");
        text.push_str(note);
    }
    text
}
