//! `radcanvas phantom`: analytic radiographs with their truth, as files.
//!
//! Films are made on all threads and written in order of their seeds; names and bytes depend on the seed only.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use rayon::prelude::*;
use serde_json::{Value, json};

use super::{Common, say, say_json};
use crate::grid::Grid;
use crate::job::{Error, ErrorKind};
use crate::landmarks::Side;
use crate::measure::norberg::norberg_degrees;
use crate::phantom::hip::{self, HipOptions};
use crate::phantom::{self, Phantom};
use crate::radiograph::write::write_whole;
use crate::radiograph::{
    self, DisplayWindow, Pixels, Radiograph, Spacing, SpacingSource, SyntheticMark,
};

/// What to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Canine pelvis, ventrodorsal.
    Hip,
    /// Human chest, frontal.
    Chest,
    /// Mammogram, oblique or craniocaudal.
    Breast,
    /// Panoramic film of the jaws, twice as wide as high.
    Jaw,
    /// Axial slice of the brain, T1-weighted MR.
    BrainMr,
    /// Axial slice of the brain, CT; the partner of the MR of the same seed, but with `--independent`.
    BrainCt,
}

impl Kind {
    /// As the networks call it.
    fn name(self) -> &'static str {
        match self {
            Self::Hip => "hip",
            Self::Chest => "chest",
            Self::Breast => "breast",
            Self::Jaw => "jaw",
            Self::BrainMr => "brain-mr",
            Self::BrainCt => "brain-ct",
        }
    }
}

/// How to store films.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// 16-bit grey PNG, 12 bits used.
    Png,
    /// DICOM.
    Dicom,
}

/// Options of `phantom`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct PhantomArguments {
    /// What to draw.
    #[arg(value_enum)]
    pub(super) kind: Kind,
    /// How many films; seeds count up from the first.
    #[arg(long, default_value_t = 1)]
    pub(super) count: usize,
    /// First seed.
    #[arg(long, default_value_t = 0)]
    pub(super) seed: u64,
    /// Longer side, pixels.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(32..=2048))]
    pub(super) size: u16,
    /// File format of the films.
    #[arg(long, value_enum, default_value_t = Format::Png)]
    pub(super) format: Format,
    /// Folder for films and truth; made if absent.
    #[arg(long)]
    pub(super) out: PathBuf,
    /// The mix of real practice, not the flat mix for training (hips).
    #[arg(long)]
    pub(super) natural: bool,
    /// Heads of which no MR has the same seed: unpaired CT (brain-ct).
    #[arg(long)]
    pub(super) independent: bool,
    /// Replace what is there.
    #[arg(long)]
    pub(super) force: bool,
}

/// Draws, writes and reports.
pub(super) fn run(arguments: &PhantomArguments, common: &Common) -> Result<ExitCode, Error> {
    let out = &arguments.out;
    let manifest = out.join("manifest.csv");
    if manifest.exists() && !arguments.force {
        return Err(Error::new(
            ErrorKind::Usage,
            format!(
                "{}: exists already; give another --out, or --force to replace it",
                manifest.display()
            ),
        ));
    }
    std::fs::create_dir_all(out.join("masks")).map_err(|e| failed(out, &e))?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(common.threads.unwrap_or(0))
        .build()
        .map_err(|e| Error::new(ErrorKind::Failed, format!("phantom: no threads: {e}")))?;
    let rows: Vec<Row> = pool.install(|| {
        (0..arguments.count)
            .into_par_iter()
            .map(|i| one(arguments, arguments.seed.wrapping_add(i as u64)))
            .collect::<Result<_, Error>>()
    })?;
    write_tables(out, &manifest, &rows)?;
    if common.json {
        say_json(&json!({ "count": rows.len(), "manifest": manifest }));
    } else {
        say(&format!("{} films, {}", rows.len(), manifest.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// What the tables need of one film; the pixels are on disk by then.
struct Row {
    name: String,
    size: (usize, usize),
    phantom: Phantom,
}

/// A phantom as a film, marked as what it is.
fn film(phantom: &Phantom, format: Format) -> Radiograph {
    let pixels = match format {
        // 12 bits fill the 16 of the file, so that any viewer shows them.
        Format::Png => phantom.image.map(|v| (v << 4) | (v >> 8)),
        Format::Dicom => phantom.image.clone(),
    };
    let mut film = Radiograph::from_pixels(Pixels::U16(pixels));
    if format == Format::Dicom {
        film.source.bits_stored = 12;
        film.windows = vec![DisplayWindow::from_range(0.0, 4095.0)];
    }
    match phantom.kind.as_str() {
        "breast" => "MG",
        "jaw" => "PX",
        "brain-mr" => "MR",
        "brain-ct" => "CT",
        _ => "DX",
    }
    .clone_into(&mut film.modality);
    film.view_position.clone_from(&phantom.view);
    film.spacing = Some(Spacing {
        row_mm: phantom.spacing_mm,
        column_mm: phantom.spacing_mm,
        source: SpacingSource::Calibrated,
    });
    film.synthetic = Some(SyntheticMark {
        evidence: "drawn by this program".to_owned(),
        contribution: format!(
            "Radcanvas {}: analytic {} phantom, seed {}",
            env!("CARGO_PKG_VERSION"),
            phantom.kind,
            phantom.seed
        ),
    });
    film
}

fn one(arguments: &PhantomArguments, seed: u64) -> Result<Row, Error> {
    let size = usize::from(arguments.size);
    let natural = arguments.kind == Kind::Hip && arguments.natural;
    let mut phantom = if natural {
        hip::draw(
            seed,
            &HipOptions {
                size_px: size,
                natural,
                ..HipOptions::default()
            },
        )
    } else {
        let kind = arguments.kind.name();
        // The manifest says which seed it was; the file is called after the one that was asked for.
        let own = phantom::seed_of(kind, seed, arguments.independent);
        phantom::draw(kind, own, size)
            .ok_or_else(|| Error::new(ErrorKind::Usage, "no such kind of phantom"))?
    };
    let stem = format!("{}-{seed:08}", phantom.kind);
    let name = match arguments.format {
        Format::Png => format!("{stem}.png"),
        Format::Dicom => format!("{stem}.dcm"),
    };
    let path = arguments.out.join(&name);
    let film = film(&phantom, arguments.format);
    // The manifest, written last, guards the folder: what an interrupted run left may be replaced.
    radiograph::export(&path, &film, &film.pixels, true).map_err(|e| failed(&path, &e))?;
    for (mask, pixels) in &phantom.masks {
        let path = arguments
            .out
            .join("masks")
            .join(format!("{stem}-{mask}.png"));
        let mask = Radiograph::from_pixels(Pixels::U8(pixels.clone()));
        radiograph::export(&path, &mask, &mask.pixels, true).map_err(|e| failed(&path, &e))?;
    }
    let size = phantom.image.size();
    phantom.image = Grid::default();
    phantom.masks.clear();
    Ok(Row {
        name,
        size,
        phantom,
    })
}

fn write_tables(out: &Path, manifest: &Path, rows: &[Row]) -> Result<(), Error> {
    let landmarks: BTreeMap<&str, Value> = rows
        .iter()
        .filter_map(|row| Some((row.name.as_str(), landmark_json(&row.phantom)?)))
        .collect();
    write_json(&out.join("landmarks.json"), &json!(landmarks))?;
    write_json(&out.join("boxes.json"), &boxes(rows))?;
    let outlines: BTreeMap<&str, _> = rows
        .iter()
        .map(|row| (row.name.as_str(), &row.phantom.outlines))
        .collect();
    write_json(&out.join("outlines.json"), &json!(outlines))?;
    write_manifest(manifest, rows)
}

/// The contract's landmark object, with the angle beside each hip.
fn landmark_json(phantom: &Phantom) -> Option<Value> {
    let landmarks = phantom.landmarks.as_ref()?;
    let mut value = serde_json::to_value(landmarks).ok()?;
    for (name, side) in [("left", Side::Left), ("right", Side::Right)] {
        value[name]["norberg_degrees"] = json!(norberg_degrees(landmarks, side, None));
    }
    Some(value)
}

/// Findings as COCO: categories in alphabetical order, boxes `[x, y, width, height]`.
fn boxes(rows: &[Row]) -> Value {
    let mut categories: Vec<&str> = rows
        .iter()
        .flat_map(|row| row.phantom.findings.iter().map(|f| f.label.as_str()))
        .collect();
    categories.sort_unstable();
    categories.dedup();
    let mut annotations = Vec::new();
    for (image, row) in rows.iter().enumerate() {
        for finding in &row.phantom.findings {
            let category = categories
                .binary_search(&finding.label.as_str())
                .unwrap_or(0);
            let b = finding.bounds;
            annotations.push(json!({
                "id": annotations.len() + 1,
                "image_id": image + 1,
                "category_id": category + 1,
                "bbox": [b.x, b.y, b.width, b.height],
                "area": b.width * b.height,
                "iscrowd": 0,
            }));
        }
    }
    let images: Vec<Value> = rows
        .iter()
        .enumerate()
        .map(|(i, row)| {
            json!({"id": i + 1, "file_name": row.name, "width": row.size.0, "height": row.size.1})
        })
        .collect();
    let categories: Vec<Value> = categories
        .iter()
        .enumerate()
        .map(|(i, name)| json!({"id": i + 1, "name": name}))
        .collect();
    json!({"images": images, "annotations": annotations, "categories": categories})
}

fn write_manifest(path: &Path, rows: &[Row]) -> Result<(), Error> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let labels: Vec<&String> = rows
        .first()
        .map_or_else(Vec::new, |r| r.phantom.labels.keys().collect());
    // Not every film has every number: a lesion's size is there with the lesion.
    let numbers: BTreeSet<&String> = rows.iter().flat_map(|r| r.phantom.numbers.keys()).collect();
    let fixed = [
        "file",
        "kind",
        "seed",
        "view",
        "age_years",
        "sex",
        "spacing_mm",
        "width",
        "height",
    ];
    let header = fixed
        .iter()
        .copied()
        .chain(labels.iter().map(|s| s.as_str()))
        .chain(numbers.iter().map(|s| s.as_str()));
    table.write_record(header).map_err(|e| failed(path, &e))?;
    for row in rows {
        let p = &row.phantom;
        let mut record = vec![
            row.name.clone(),
            p.kind.clone(),
            p.seed.to_string(),
            p.view.clone(),
            format!("{:.2}", p.age_years),
            p.sex.to_string(),
            format!("{:.5}", p.spacing_mm),
            row.size.0.to_string(),
            row.size.1.to_string(),
        ];
        record.extend(
            labels
                .iter()
                .map(|l| u8::from(p.labels.get(*l).copied().unwrap_or(false)).to_string()),
        );
        record.extend(numbers.iter().map(|n| {
            p.numbers
                .get(*n)
                .map_or_else(String::new, |v| format!("{v:.4}"))
        }));
        table.write_record(&record).map_err(|e| failed(path, &e))?;
    }
    let bytes = table.into_inner().map_err(|e| failed(path, &e))?;
    write_whole(path, &bytes, true).map_err(|e| failed(path, &e))
}

fn write_json(path: &Path, value: &Value) -> Result<(), Error> {
    write_whole(path, value.to_string().as_bytes(), true).map_err(|e| failed(path, &e))
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::new(
        ErrorKind::Failed,
        format!("{}: could not be written: {error}", path.display()),
    )
}
