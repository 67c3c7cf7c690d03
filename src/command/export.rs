//! `export IN OUT`: what was made about an image as a file of its own: masks, hips, the view.
//!
//! Separate as every subcommand is; each format belongs to [`crate::radiograph::write`], which reads back what it wrote.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::generate::raster;
use super::norberg::{points_for, read_points};
use super::{Common, say, say_json};
use crate::geometry::{Figure, Point};
use crate::job::{Error, ErrorKind};
use crate::landmarks::Side;
use crate::measure::norberg::norberg_degrees;
use crate::radiograph::write::{
    HipReport, Look, MeasuredAngle, Object, Segment, Table, WriteError, figure_annotations,
    hip_annotations, write_object, write_table,
};
use crate::radiograph::{self, DisplayWindow, Radiograph, WindowFunction};

/// Options of `export`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Export {
    /// The image; for DICOM objects a DICOM file.
    input: PathBuf,
    /// The new file.
    output: PathBuf,
    /// What it becomes.
    #[arg(long = "as", value_enum)]
    form: Form,
    /// A mask of the size of the image; may be given several times.
    #[arg(long)]
    mask: Vec<PathBuf>,
    /// The name of each mask, in the order of the masks.
    #[arg(long)]
    label: Vec<String>,
    /// Points of both hips: one object, or one under the image's file name.
    #[arg(long)]
    landmarks: Option<PathBuf>,
    /// Figures to measure: a JSON list of `{"kind": "length", "points": [[x, y], …]}` in pixels.
    #[arg(long)]
    figures: Option<PathBuf>,
    /// Name of the model that placed the points or drew the masks; without it, a person did.
    #[arg(long)]
    algorithm: Option<String>,
    /// Window as `CENTER,WIDTH`; the image's own if absent.
    #[arg(long)]
    window: Option<String>,
    /// View: black and white exchanged.
    #[arg(long)]
    invert: bool,
    /// View: clockwise quarter turns.
    #[arg(long, default_value_t = 0)]
    turns: u8,
    /// View: mirrored left to right, after the turn.
    #[arg(long)]
    flip: bool,
    /// View: the part in sight as `LEFT,TOP,WIDTH,HEIGHT` in pixels of the image; all of it if absent.
    #[arg(long)]
    area: Option<String>,
    /// Frame, from 0.
    #[arg(long, default_value_t = 0)]
    frame: usize,
    /// Replace an existing file.
    #[arg(long)]
    force: bool,
}

/// What an export becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Form {
    /// DICOM Segmentation of the masks.
    Segmentation,
    /// DICOM Comprehensive SR of Norberg angles and figures.
    Report,
    /// DICOM presentation state: window and points.
    Presentation,
    /// COCO JSON of the masks.
    Coco,
    /// CSV of the figures where there are any, else of the hips, else of the masks.
    Csv,
}

/// Exports; exit code 2 when something that the form needs was not given.
pub(super) fn run(options: &Export, common: &Common) -> Result<ExitCode, Error> {
    let image = radiograph::read(&options.input, options.frame)?;
    let name = options
        .input
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let report = hips(options, &image)?;
    let segments = segments(options)?;
    let figures = figures(options)?;
    let (force, path) = (options.force, &options.output);
    let table = |table: &Table<'_>| {
        write_table(path, &name, &image, table, force).map_err(|error| written(&error))
    };
    match options.form {
        Form::Segmentation => {
            need(!segments.is_empty(), "a mask", "--mask")?;
            let object = Object::Segmentation(&segments);
            write_object(path, &image, &object, force).map_err(|error| written(&error))?;
        }
        Form::Report => {
            let any = report.is_some() || !figures.is_empty();
            need(any, "points or figures", "--landmarks or --figures")?;
            let object = Object::Measurements {
                hips: report.as_ref(),
                figures: &figures,
            };
            write_object(path, &image, &object, force).map_err(|error| written(&error))?;
        }
        Form::Presentation => {
            let window = window(options, &image)?;
            let mut annotations = report.as_ref().map(hip_annotations).unwrap_or_default();
            annotations.extend(figure_annotations(&image, &figures));
            let look = Look {
                invert: options.invert,
                quarter_turns: options.turns % 4,
                flipped: options.flip,
                shown: area(options)?,
                ..Look::from(window)
            };
            let object = Object::Presentation {
                look: &look,
                annotations: &annotations,
            };
            write_object(path, &image, &object, force).map_err(|error| written(&error))?;
        }
        Form::Coco => {
            need(!segments.is_empty(), "a mask", "--mask")?;
            table(&Table::Coco(&segments))?;
        }
        Form::Csv => {
            if !figures.is_empty() {
                table(&Table::Figures(&figures))?;
            } else if let Some(report) = &report {
                table(&Table::Hips(report))?;
            } else {
                let options = "--landmarks or --mask";
                need(!segments.is_empty(), "points or a mask", options)?;
                table(&Table::Masks(&segments))?;
            }
        }
    }
    if common.json {
        say_json(&json!({ "path": path, "masks": segments.len(), "read_back": true }));
    } else {
        say(&format!("{}: written and read back", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn missing(what: &str, option: &str) -> Error {
    Error::new(
        ErrorKind::Usage,
        format!("there is nothing to export: {what} is needed"),
    )
    .remedy(format!("give {option}"))
}

fn need(there: bool, what: &str, option: &str) -> Result<(), Error> {
    if there {
        Ok(())
    } else {
        Err(missing(what, option))
    }
}

fn written(error: &WriteError) -> Error {
    let kind = match error {
        WriteError::Exists { .. } | WriteError::Unsupported { .. } => ErrorKind::Usage,
        WriteError::Disk { .. } => ErrorKind::Failed,
    };
    Error::new(kind, error.to_string())
}

fn segments(options: &Export) -> Result<Vec<Segment>, Error> {
    let labels = options
        .label
        .iter()
        .map(Some)
        .chain(std::iter::repeat(None));
    let masks = options.mask.iter().zip(labels);
    masks
        .map(|(path, label)| {
            let stem = |path: &Path| path.file_stem().map(|s| s.to_string_lossy().into_owned());
            Ok(Segment {
                label: label.cloned().or_else(|| stem(path)).unwrap_or_default(),
                mask: raster(path)?,
                algorithm: options.algorithm.clone(),
            })
        })
        .collect()
}

fn figures(options: &Export) -> Result<Vec<Figure>, Error> {
    let Some(path) = &options.figures else {
        return Ok(Vec::new());
    };
    let unreadable = |what: String| {
        Error::new(ErrorKind::Input, format!("no figures can be read ({what})")).at(path)
    };
    let text = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let figures: Vec<Figure> =
        serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
    match figures.iter().position(|figure| !figure.is_valid()) {
        Some(number) => Err(unreadable(format!(
            "number {} has points that do not fit its kind",
            number + 1
        ))),
        None => Ok(figures),
    }
}

fn hips(options: &Export, image: &Radiograph) -> Result<Option<HipReport>, Error> {
    let Some(path) = &options.landmarks else {
        return Ok(None);
    };
    let points = read_points(path)?;
    let landmarks = points_for(&options.input, &points)?;
    let spacing = image.proportions();
    let spacing = landmarks.pixel_spacing_mm.or(spacing);
    let side = |name: &str, side| {
        let degrees = norberg_degrees(&landmarks, side, spacing)?;
        let interval = &points[name]["interval_degrees"];
        let interval = interval[0].as_f64().zip(interval[1].as_f64());
        Some(MeasuredAngle {
            degrees,
            // Given points have no spread: their interval is the angle itself and says nothing.
            interval_degrees: interval
                .filter(|(low, high)| low < high)
                .map(|(low, high)| [low, high]),
        })
    };
    Ok(Some(HipReport {
        landmarks,
        left: side("left", Side::Left),
        right: side("right", Side::Right),
        algorithm: options.algorithm.clone(),
        person: String::new(),
    }))
}

/// The corners of the part in sight, as the turned image shows them: upper left, lower right.
fn area(options: &Export) -> Result<Option<[Point; 2]>, Error> {
    let Some(text) = &options.area else {
        return Ok(None);
    };
    let numbers: Vec<f64> = text
        .split(',')
        .filter_map(|part| part.trim().parse().ok())
        .filter(|number: &f64| number.is_finite() && number.abs() < 1.0e6)
        .collect();
    match numbers[..] {
        [left, top, width, height] if width >= 1.0 && height >= 1.0 => Ok(Some([
            Point::new(left - 0.5, top - 0.5),
            Point::new(left + width - 0.5, top + height - 0.5),
        ])),
        _ => Err(
            Error::new(ErrorKind::Usage, format!("'{text}' is no part of an image")).remedy(
                "give left, top, width and height in pixels with commas between, as 10,20,300,200",
            ),
        ),
    }
}

fn window(options: &Export, image: &Radiograph) -> Result<DisplayWindow, Error> {
    let Some(text) = &options.window else {
        return Ok(image.initial_window());
    };
    let numbers = text.split_once(',').and_then(|(center, width)| {
        Some((center.trim().parse().ok()?, width.trim().parse().ok()?))
    });
    let window = numbers.map(|(center, width)| DisplayWindow {
        center,
        width,
        function: WindowFunction::Linear,
        explanation: String::new(),
        table: None,
    });
    window.filter(DisplayWindow::is_usable).ok_or_else(|| {
        Error::new(ErrorKind::Usage, format!("'{text}' is no window")).remedy(
            "give center and width with a comma between, as 40,400; the width is at least 1",
        )
    })
}
