//! `reproduce RECORD`: makes the image of a record again and compares it.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::{Common, carry_out, engine_of, say, say_json};
use crate::job::record::{Record, hash_of};
use crate::job::{Error, ErrorKind, Order, Product};
use crate::radiograph::{self, Pixels};

/// Largest difference of stored values that still counts as the same image on another device.
const TOLERANCE: f64 = 2.0;

/// Options of `reproduce`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Reproduce {
    /// A `record.json`; the image is looked for beside it.
    record: PathBuf,
    /// Folder of model folders to use before the bundled ones.
    #[arg(long)]
    models: Option<PathBuf>,
}

/// Reproduces; a different image is a failure of this command.
pub(super) fn run(options: &Reproduce, common: &Common) -> Result<ExitCode, Error> {
    let record = Record::read(&options.record)?;
    let mut engine = engine_of(options.models.as_deref(), common);
    let order = Order::Generate(record.request.clone());
    let Product::Outcome(outcome) =
        carry_out(&mut engine, &order, &mut |_| ControlFlow::Continue(()))?
    else {
        return Err(Error::new(
            ErrorKind::Failed,
            "the engine answered something else",
        ));
    };
    let Some(made) = outcome.images.first() else {
        return Err(Error::new(ErrorKind::Failed, "the engine made no image"));
    };
    let pixels = &made.radiograph.pixels;
    let exact = hash_of(pixels) == record.sha256;
    let difference = if exact {
        Some(0.0)
    } else {
        let path = options.record.with_file_name(&record.image);
        let saved = radiograph::read(&path, 0).ok();
        saved.and_then(|saved| largest_difference(pixels, &saved.pixels))
    };
    let verdict = match difference {
        _ if exact => "bit-exact",
        Some(difference) if difference <= TOLERANCE => "within tolerance",
        _ => "different",
    };
    if common.json {
        say_json(&json!({
            "verdict": verdict, "max_abs_difference": difference, "tolerance": TOLERANCE,
            "sha256": hash_of(pixels), "recorded_sha256": record.sha256,
        }));
    } else {
        let shown = difference.map_or("unknown".to_owned(), |d| d.to_string());
        say(&format!("{verdict}, largest difference {shown}"));
    }
    Ok(ExitCode::from(u8::from(verdict == "different")))
}

/// Largest absolute difference of stored values; `None` when sizes differ.
fn largest_difference(a: &Pixels, b: &Pixels) -> Option<f64> {
    let (a, b) = (a.to_f32(), b.to_f32());
    (a.size() == b.size()).then(|| {
        let pairs = a.cells().iter().zip(b.cells());
        pairs
            .map(|(p, q)| f64::from((p - q).abs()))
            .fold(0.0, f64::max)
    })
}
