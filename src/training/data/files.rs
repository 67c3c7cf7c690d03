//! A folder of images as training data.
//!
//! Separate from phantoms: nothing is known about a file but what stands beside it. `manifest.csv`, `landmarks.json` and
//! `outlines.json`, as `radcanvas phantom` writes them, are read when they are there.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::{Example, Facts, manifest};
use crate::geometry::{Affine, Point};
use crate::grid::Grid;
use crate::job::{Error, ErrorKind, Observe, Progress};
use crate::landmarks::HipLandmarks;
use crate::radiograph::{self, Radiograph};

const EXTENSIONS: [&str; 7] = ["png", "dcm", "dicom", "tif", "tiff", "jpg", "jpeg"];

/// Lines of one image, as in `outlines.json`.
#[derive(serde::Deserialize)]
struct Line {
    points: Vec<Point>,
    closed: bool,
}

/// Every image directly in a folder, or every file that a manifest (a `.csv`) names, fitted into `size`² with black
/// borders: those of a folder in order of their names, those of a manifest in its order.
///
/// Where nothing says the kind of an image, a folder called after a kind (`hip`) gives it. A file that looks like an
/// image but cannot be read is an error that names it: a silent gap in the data is worse.
pub(super) fn examples(
    source: &Path,
    size: usize,
    observe: &mut Observe<'_>,
) -> Result<Vec<Example>, Error> {
    let is_manifest = source
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    let (folder, paths, said) = if is_manifest && source.is_file() {
        let folder = source.parent().unwrap_or(Path::new("."));
        let rows = manifest::rows(source)?;
        let paths = rows.iter().map(|(file, _)| folder.join(file)).collect();
        (folder, paths, rows.into_iter().collect())
    } else {
        (source, images(source)?, manifest::beside(source)?)
    };
    let landmarks: BTreeMap<String, HipLandmarks> = table(folder, "landmarks.json")?;
    let outlines: BTreeMap<String, Vec<Line>> = table(folder, "outlines.json")?;
    let kind = folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let paths: Vec<PathBuf> = paths;
    let mut examples = Vec::with_capacity(paths.len());
    for (step, path) in paths.iter().enumerate() {
        let progress = Progress {
            stage: "reading images".to_owned(),
            step,
            steps: paths.len(),
            seconds_left: None,
            preview: None,
            value: None,
        };
        if let ControlFlow::Break(()) = observe(progress) {
            return Err(Error::stopped());
        }
        let radiograph = radiograph::read(path, 0)
            .map_err(|error| Error::new(ErrorKind::Input, error.to_string()).at(path))?;
        let (image, training_from_image) = fitted(&radiograph, size);
        let name = path
            .strip_prefix(folder)
            .unwrap_or(path)
            .to_string_lossy()
            .into_owned();
        let said = said.get(&name).cloned().unwrap_or_default();
        let lines = outlines.get(&name).map_or(&[][..], Vec::as_slice);
        let facts = Facts {
            kind: if said.kind.is_empty() {
                kind.clone()
            } else {
                said.kind
            },
            landmarks: landmarks
                .get(&name)
                .map(|points| points.mapped(&training_from_image)),
            outlines: lines
                .iter()
                .map(|line| {
                    let points = line.points.iter().map(|p| training_from_image.apply(*p));
                    (points.collect(), line.closed)
                })
                .collect(),
            places: Vec::new(),
            spacing_mm: radiograph
                .spacing
                .map(|spacing| spacing.column_mm / training_from_image.scale()),
            age_years: said.age_years,
            sex: said.sex,
            findings: said.findings,
        };
        examples.push(Example { image, facts });
    }
    Ok(examples)
}

fn images(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |error: std::io::Error| Error::new(ErrorKind::Input, error.to_string()).at(folder);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let extension = path
            .extension()
            .map(|e| e.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        if EXTENSIONS.contains(&extension.as_str()) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// A JSON table by file name; an empty one when there is no such file.
fn table<T: serde::de::DeserializeOwned>(
    folder: &Path,
    name: &str,
) -> Result<BTreeMap<String, T>, Error> {
    let path = folder.join(name);
    if !path.is_file() {
        return Ok(BTreeMap::new());
    }
    let wrong = |what: String| Error::new(ErrorKind::Input, what).at(&path);
    let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
}

/// Grey through the initial window, shrunk by area or enlarged by the nearest pixel, centred on black.
fn fitted(radiograph: &Radiograph, size: usize) -> (Grid<u8>, Affine) {
    let grey = radiograph.grey(&radiograph.initial_window());
    let (width, height) = grey.size();
    let scale = size as f64 / width.max(height).max(1) as f64;
    let shift = |n: usize| (size as f64 - n as f64 * scale) / 2.0;
    let (left, top) = (shift(width), shift(height));
    // Pixel centres are at integers, so edges are half a pixel before them.
    let center = |shift: f64| scale * 0.5 - 0.5 + shift;
    let training_from_image = Affine::scale_then_shift(
        Point::new(scale, scale),
        Point::new(center(left), center(top)),
    );
    let covered = |i: usize, shift: f64, n: usize| {
        let from = ((i as f64 - shift) / scale).floor();
        let to = (((i + 1) as f64 - shift) / scale).ceil().max(from + 1.0);
        if to <= 0.0 || from >= n as f64 {
            return 0..0;
        }
        (from.max(0.0) as usize)..(to as usize).min(n)
    };
    let image = Grid::from_fn(size, size, |x, y| {
        let (columns, rows) = (covered(x, left, width), covered(y, top, height));
        let count = columns.len() * rows.len();
        if count == 0 {
            return 0;
        }
        let sum: f32 = rows.flat_map(|y| &grey.row(y)[columns.clone()]).sum();
        (sum / count as f32 * 255.0).round().clamp(0.0, 255.0) as u8
    });
    (image, training_from_image)
}
