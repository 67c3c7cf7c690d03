//! `measure dscore`: diversity of a folder of images, or of saliency maps in a file.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use super::{Common, carry_out, engine_of, report, say, say_json};
use crate::engine::LocalEngine;
use crate::grid::Grid;
use crate::job::{Error, ErrorKind, Measurement, Order, Product, Reading};
use crate::measure::dscore::{DScore, DScoreMode};
use crate::radiograph;

/// What is measured.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum Measure {
    /// D-score: how diverse images are in the eyes of the reader.
    Dscore(Dscore),
}

/// Options of `measure dscore`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Dscore {
    /// Folder of images, read by the reader model.
    #[arg(required_unless_present = "maps")]
    folder: Option<PathBuf>,
    /// Saliency maps instead: one `[N,H,W]` tensor a block.
    #[arg(long)]
    maps: Option<PathBuf>,
    /// Folder of model folders to use before the bundled ones.
    #[arg(long)]
    models: Option<PathBuf>,
}

/// Measures.
pub(super) fn run(measure: &Measure, common: &Common) -> Result<ExitCode, Error> {
    let Measure::Dscore(options) = measure;
    let mut failed = 0;
    let (images, place) = match (&options.maps, &options.folder) {
        (Some(file), _) => (maps_of(file)?, file),
        (None, Some(folder)) => {
            let mut engine = engine_of(options.models.as_deref(), common);
            (saliency_of(folder, &mut engine, &mut failed)?, folder)
        }
        (None, None) => return Err(Error::new(ErrorKind::Usage, "nothing to measure")),
    };
    let score = |mode| {
        DScore::of(mode, &images).map_err(|e| Error::new(ErrorKind::Input, e.to_string()).at(place))
    };
    let sliced = score(DScoreMode::Sliced)?;
    let values = score(DScoreMode::Values)?;
    // Fewer than two images have no pair: the score is 0 by definition (Eq. 7 sums over nothing).
    let (d, v) = (sliced.value().unwrap_or(0.0), values.value().unwrap_or(0.0));
    if common.json {
        say_json(&json!({
            "dscore": d, "dscore_values_1d": v, "n": sliced.len(), "blocks": sliced.blocks(),
            "blank_maps": sliced.blank_maps(),
        }));
    } else {
        say(&format!(
            "D-score {d:.6} (sliced W1), {v:.6} (values), {} images, {} blocks",
            sliced.len(),
            sliced.blocks()
        ));
    }
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// The maps of a safetensors file: `[N,H,W]` a block, blocks in order of their names.
fn maps_of(path: &Path) -> Result<Vec<Vec<Grid<f32>>>, Error> {
    let refuse = |what: String| Error::new(ErrorKind::Input, what).at(path);
    let bytes = std::fs::read(path).map_err(|e| refuse(format!("cannot be read ({e})")))?;
    let file = safetensors::SafeTensors::deserialize(&bytes)
        .map_err(|e| refuse(format!("is no safetensors file ({e})")))?;
    let mut names: Vec<&str> = file.names();
    names.sort_by_key(|a| natural(a));
    let mut images: Vec<Vec<Grid<f32>>> = Vec::new();
    for name in names {
        let view = file.tensor(name).map_err(|e| refuse(e.to_string()))?;
        let &[n, height, width] = view.shape() else {
            return Err(refuse(format!(
                "{name} has the shape {:?}, not [N,H,W]",
                view.shape()
            )));
        };
        let values = floats(view.dtype(), view.data())
            .ok_or_else(|| refuse(format!("{name} is {:?}, not F32 or F64", view.dtype())))?;
        if values.iter().any(|v| !v.is_finite()) {
            return Err(refuse(format!("{name} holds values that are no numbers")));
        }
        if n == 0 || height * width == 0 {
            return Err(refuse(format!("{name} is empty")));
        }
        images.resize_with(images.len().max(n), Vec::new);
        for (image, cells) in images.iter_mut().zip(values.chunks(height * width)) {
            let map = Grid::from_vec(width, height, cells.to_vec());
            image.push(map.ok_or_else(|| refuse(format!("{name} is cut short")))?);
        }
    }
    if images.is_empty() {
        return Err(refuse("holds no tensor".to_owned()));
    }
    Ok(images)
}

/// Orders `block2` before `block10`.
fn natural(name: &str) -> (String, u64, String) {
    let digits = name
        .find(|c: char| c.is_ascii_digit())
        .unwrap_or(name.len());
    let end = name[digits..]
        .find(|c: char| !c.is_ascii_digit())
        .map_or(name.len(), |i| digits + i);
    (
        name[..digits].to_owned(),
        name[digits..end].parse().unwrap_or(0),
        name.to_owned(),
    )
}

fn floats(dtype: safetensors::Dtype, data: &[u8]) -> Option<Vec<f32>> {
    match dtype {
        safetensors::Dtype::F32 => Some(
            data.chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
        ),
        safetensors::Dtype::F64 => Some(
            data.chunks_exact(8)
                .map(|b| {
                    f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32
                })
                .collect(),
        ),
        _ => None,
    }
}

/// The reader's maps of every readable image of a folder, in order of their names.
fn saliency_of(
    folder: &Path,
    engine: &mut LocalEngine,
    failed: &mut usize,
) -> Result<Vec<Vec<Grid<f32>>>, Error> {
    let entries = std::fs::read_dir(folder).map_err(|e| {
        Error::new(ErrorKind::Input, format!("the folder cannot be read ({e})")).at(folder)
    })?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    let mut images = Vec::new();
    for path in paths {
        let read = radiograph::read(&path, 0)
            .map_err(Error::from)
            .and_then(|image| {
                let order = Order::Measure(Measurement::Saliency {
                    radiograph: Arc::new(image),
                    window: None,
                });
                carry_out(engine, &order, &mut |_| ControlFlow::Continue(()))
            });
        match read {
            Ok(Product::Reading(Reading::Saliency(maps))) => images.push(maps),
            Ok(_) => {
                return Err(Error::new(
                    ErrorKind::Failed,
                    "the engine answered something else",
                ));
            }
            Err(error) if error.kind == ErrorKind::Model => return Err(error),
            Err(error) => {
                report(&error);
                *failed += 1;
            }
        }
    }
    if images.is_empty() {
        return Err(
            Error::new(ErrorKind::Input, "there is no readable image in the folder").at(folder),
        );
    }
    Ok(images)
}
