//! `convert IN OUT`: one frame into another file format.
//!
//! Separate as every subcommand is; values and formats are those of [`crate::radiograph::export`].

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::{Common, say, say_json};
use crate::job::{Error, ErrorKind};
use crate::radiograph::{self, ExportError, Values};

/// Options of `convert`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Convert {
    /// DICOM, PNG, TIFF, JPEG, NIfTI or NRRD file; a folder or an archive stands for its largest series.
    input: PathBuf,
    /// Output: .png, .tif, .nii, .nii.gz, .npy, .safetensors or .dcm.
    output: PathBuf,
    /// Frame, from 0.
    #[arg(long, default_value_t = 0)]
    frame: usize,
    /// Which values to write.
    #[arg(long, value_enum, default_value_t = ValuesChoice::Stored)]
    values: ValuesChoice,
    /// Replace an existing file.
    #[arg(long)]
    force: bool,
}

/// Which values to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ValuesChoice {
    /// As in the file.
    Stored,
    /// After the Modality LUT.
    Modality,
    /// The 8-bit view.
    Display,
}

/// Converts one frame.
pub(super) fn run(options: &Convert, common: &Common) -> Result<ExitCode, Error> {
    let image = radiograph::read(&options.input, options.frame)?;
    let which = match options.values {
        ValuesChoice::Stored => Values::Stored,
        ValuesChoice::Modality => Values::Modality,
        ValuesChoice::Display => Values::Display,
    };
    let pixels = radiograph::export_step(&options.output, &image, which, options.force).map_err(
        |error| {
            let kind = match error {
                ExportError::Disk { .. } => ErrorKind::Failed,
                _ => ErrorKind::Usage,
            };
            Error::new(kind, error.to_string())
        },
    )?;
    let (low, high) = pixels.range();
    if common.json {
        say_json(&json!({
            "width": pixels.width(),
            "height": pixels.height(),
            "min": low,
            "max": high,
        }));
    } else {
        say(&format!(
            "{}: {} × {}, values {low} to {high}",
            options.output.display(),
            pixels.width(),
            pixels.height()
        ));
    }
    Ok(ExitCode::SUCCESS)
}
