//! `norberg FILE…`: both hips from the hips model, or from given points.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Common, carry_out, engine_of, report, say, say_json};
use crate::engine::LocalEngine;
use crate::job::{Error, ErrorKind, HipReading, Measurement, Order, Product, Reading};
use crate::landmarks::{HipLandmarks, Side};
use crate::measure::norberg::{doubts, norberg_degrees};
use crate::radiograph::{self, Radiograph};

/// Options of `norberg`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Norberg {
    /// Ventrodorsal hip films.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Points instead of the model's: one object for one film, or a phantom's `landmarks.json`.
    #[arg(long)]
    landmarks: Option<PathBuf>,
    /// Folder of model folders to use before the bundled ones.
    #[arg(long)]
    models: Option<PathBuf>,
}

/// Measures every film; a film that fails is reported, the others are measured.
pub(super) fn run(options: &Norberg, common: &Common) -> Result<ExitCode, Error> {
    let given = options.landmarks.as_deref().map(read_points).transpose()?;
    let mut engine = engine_of(options.models.as_deref(), common);
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for path in &options.files {
        let row = match &given {
            Some(points) => from_points(path, points),
            None => from_model(path, &mut engine),
        };
        match row {
            Ok(row) => {
                if !common.json {
                    say(&line(&row));
                }
                rows.push(row);
            }
            Err(error) => {
                report(&error);
                rows.push(json!({ "path": path, "error": error.to_string() }));
                failed.push(error);
            }
        }
    }
    if common.json {
        say_json(&Value::Array(rows));
    }
    match failed.into_iter().next() {
        None => Ok(ExitCode::SUCCESS),
        Some(first) if options.files.len() == 1 => Ok(super::exit_code(first.kind)),
        Some(_) => Ok(ExitCode::from(1)),
    }
}

pub(super) fn read_points(path: &Path) -> Result<Value, Error> {
    let refuse = |what: String| {
        Error::new(ErrorKind::Input, what)
            .at(path)
            .remedy("give {\"left\":{\"center\":[x,y],\"radius\":r,\"rim\":[x,y]},\"right\":{…}}")
    };
    let bytes = std::fs::read(path).map_err(|e| refuse(format!("cannot be read ({e})")))?;
    serde_json::from_slice(&bytes).map_err(|e| refuse(format!("is not JSON ({e})")))
}

/// The points of one film: the object itself, or the one under the film's name.
pub(super) fn points_for(path: &Path, points: &Value) -> Result<HipLandmarks, Error> {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
    let object = name.and_then(|name| points.get(name)).unwrap_or(points);
    let landmarks: HipLandmarks = serde_json::from_value(object.clone()).map_err(|e| {
        Error::new(
            ErrorKind::Input,
            format!("there are no points for this film ({e})"),
        )
        .at(path)
    })?;
    if landmarks.is_valid() {
        Ok(landmarks)
    } else {
        Err(Error::new(ErrorKind::Input, "a point or radius is not a usable number").at(path))
    }
}

fn from_points(path: &Path, points: &Value) -> Result<Value, Error> {
    let landmarks = points_for(path, points)?;
    // Points alone are enough; the film only adds its spacing, and may be missing.
    let spacing = landmarks.pixel_spacing_mm.or_else(|| {
        let film = radiograph::read(path, 0).ok()?;
        film.proportions()
    });
    let side = |side| -> Result<Value, Error> {
        let hip = landmarks.hip(side);
        let degrees = norberg_degrees(&landmarks, side, spacing).ok_or_else(|| {
            Error::new(
                ErrorKind::Input,
                "the points make no angle: two of them coincide",
            )
            .at(path)
        })?;
        Ok(json!({
            "center": hip.center, "radius": hip.radius, "rim": hip.rim,
            "norberg_degrees": degrees, "interval_degrees": [degrees, degrees],
        }))
    };
    Ok(json!({
        "path": path, "left": side(Side::Left)?, "right": side(Side::Right)?,
        "warnings": doubts(&landmarks), "method": "given points",
    }))
}

/// The points that the hips model finds on a film.
pub(super) fn model_points(path: &Path, engine: &mut LocalEngine) -> Result<HipLandmarks, Error> {
    model_reading(path, engine).map(|(_, reading)| reading.landmarks)
}

fn model_reading(
    path: &Path,
    engine: &mut LocalEngine,
) -> Result<(Arc<Radiograph>, HipReading), Error> {
    let film = Arc::new(radiograph::read(path, 0)?);
    let order = Order::Measure(Measurement::Hips {
        radiograph: Arc::clone(&film),
        window: None,
    });
    let product = carry_out(engine, &order, &mut |_| std::ops::ControlFlow::Continue(()));
    let Product::Reading(Reading::Hips(reading)) = product.map_err(|e| e.at(path))? else {
        return Err(Error::new(ErrorKind::Failed, "the engine answered something else").at(path));
    };
    Ok((film, reading))
}

fn from_model(path: &Path, engine: &mut LocalEngine) -> Result<Value, Error> {
    let (film, reading) = model_reading(path, engine)?;
    let landmarks = &reading.landmarks;
    let side = |side, interval: [f64; 2]| {
        let hip = landmarks.hip(side);
        json!({
            "center": hip.center, "radius": hip.radius, "rim": hip.rim,
            "norberg_degrees": norberg_degrees(landmarks, side, landmarks.pixel_spacing_mm),
            "interval_degrees": interval,
        })
    };
    let mut warnings = reading.warnings.clone();
    if film.synthetic.is_some() {
        warnings.push("the film is synthetic, wholly or in part".to_owned());
    }
    Ok(json!({
        "path": path,
        "left": side(Side::Left, reading.left_interval_degrees),
        "right": side(Side::Right, reading.right_interval_degrees),
        "warnings": warnings, "method": "hips model", "point_sigma_px": reading.point_sigma_px,
    }))
}

fn line(row: &Value) -> String {
    let side = |name: &str| {
        let side = &row[name];
        let number = |v: &Value| v.as_f64().map_or("–".to_owned(), |v| format!("{v:.1}"));
        let interval = &side["interval_degrees"];
        format!(
            "{name} {}° [{}, {}]",
            number(&side["norberg_degrees"]),
            number(&interval[0]),
            number(&interval[1])
        )
    };
    let path = row["path"].as_str().unwrap_or_default();
    let mut text = format!("{path}: {}, {}", side("right"), side("left"));
    for warning in row["warnings"].as_array().into_iter().flatten() {
        text.push_str("\n  ");
        text.push_str(warning.as_str().unwrap_or_default());
    }
    text
}
