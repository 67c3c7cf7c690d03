//! Tables read back by another path than they were written by: COCO and CSV parsed again, against what was measured.
//!
//! Separate because whoever writes a table must not be the one who says that it is right.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use super::{coco, figures_csv, hips_csv, mask_of_counts, masks_csv};
use crate::geometry::Figure;
use crate::grid::Grid;
use crate::landmarks::Side;
use crate::radiograph::Radiograph;
use crate::radiograph::check::differs;
use crate::radiograph::write::report::HipReport;
use crate::radiograph::write::segmentation::Segment;
use crate::radiograph::write::{WriteError, write_whole};

/// A text about an image.
#[derive(Clone, Copy, Debug)]
pub enum Table<'a> {
    /// Masks as COCO JSON.
    Coco(&'a [Segment]),
    /// Masks as CSV.
    Masks(&'a [Segment]),
    /// Hip points and Norberg angles as CSV.
    Hips(&'a HipReport),
    /// Figures and their numbers as CSV.
    Figures(&'a [Figure]),
}

/// Writes a table about `image`; it is parsed again first, and saved only when it says the same.
///
/// # Errors
/// What cannot be said in this form or was read back otherwise, or the disk; then nothing was written.
pub fn write_table(
    path: &Path,
    file_name: &str,
    image: &Radiograph,
    table: &Table<'_>,
    replace: bool,
) -> Result<(), WriteError> {
    let unsupported = |what| WriteError::Unsupported {
        what,
        path: path.to_owned(),
    };
    let bytes = table.bytes(file_name, image).map_err(unsupported)?;
    table.check(&bytes, file_name, image).map_err(unsupported)?;
    write_whole(path, &bytes, replace)
}

impl Table<'_> {
    /// The whole text, UTF-8.
    ///
    /// # Errors
    /// What the format refused.
    pub fn bytes(&self, file_name: &str, image: &Radiograph) -> Result<Vec<u8>, String> {
        match self {
            Self::Coco(segments) => serde_json::to_vec(&coco(file_name, image, segments))
                .map_err(|error| error.to_string()),
            Self::Masks(segments) => masks_csv(file_name, image, segments),
            Self::Hips(report) => hips_csv(file_name, image, report),
            Self::Figures(figures) => figures_csv(file_name, image, figures),
        }
    }

    /// Parses a written table and compares it with what was to be written.
    ///
    /// # Errors
    /// What differs, for a person.
    pub fn check(&self, bytes: &[u8], file_name: &str, image: &Radiograph) -> Result<(), String> {
        let found = match self {
            Self::Coco(segments) => coco_says(bytes, file_name, image, segments),
            _ => self.csv_says(bytes, file_name, image),
        };
        found.map_err(|what| differs(&what))
    }

    fn csv_says(&self, bytes: &[u8], file_name: &str, image: &Radiograph) -> Result<(), String> {
        let rows = rows(bytes)?;
        for row in &rows {
            row.says("file", file_name)?;
            row.says("synthetic", &image.synthetic.is_some().to_string())?;
        }
        match self {
            Self::Coco(segments) | Self::Masks(segments) => masks_say(&rows, image, segments),
            Self::Hips(report) => hips_say(&rows, report),
            Self::Figures(figures) => figures_say(&rows, image, figures),
        }
    }
}

/// A row of a CSV file by the names of its columns.
struct Row(HashMap<String, String>);

fn rows(bytes: &[u8]) -> Result<Vec<Row>, String> {
    let mut reader = csv::Reader::from_reader(bytes);
    reader
        .deserialize()
        .map(|row| row.map(Row).map_err(|error| error.to_string()))
        .collect()
}

impl Row {
    fn text(&self, column: &str) -> Result<&str, String> {
        let text = self.0.get(column).map(String::as_str);
        text.ok_or_else(|| format!("the column {column} is missing"))
    }

    fn says(&self, column: &str, wanted: &str) -> Result<(), String> {
        let found = self.text(column)?;
        if found == wanted {
            return Ok(());
        }
        Err(format!("{column} says '{found}', not '{wanted}'"))
    }

    /// A number, or an empty field where there is none.
    fn counts(&self, column: &str, wanted: Option<f64>) -> Result<(), String> {
        let text = self.text(column)?;
        let found: Option<f64> = text.parse().ok();
        let same = match (found, wanted) {
            (Some(found), Some(wanted)) => near(found, wanted),
            (None, None) => text.is_empty(),
            _ => false,
        };
        if same {
            return Ok(());
        }
        Err(format!("{column} says '{text}', not {wanted:?}"))
    }
}

/// Decimal text gives a double back to the last bit; sums over pixels may differ in theirs.
fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= b.abs() * 1.0e-12
}

/// Area, `[x, y, width, height]` and the modality values inside of a mask, pixel by pixel.
struct Inside {
    area: usize,
    bounds: [usize; 4],
    values: Vec<f64>,
}

/// `None` for an empty mask.
fn inside(mask: &Grid<u8>, image: &Radiograph) -> Result<Option<Inside>, String> {
    if mask.size() != (image.width(), image.height()) {
        return Err(format!(
            "a mask of {} × {} on an image of {} × {}; give one of its size",
            mask.width(),
            mask.height(),
            image.width(),
            image.height()
        ));
    }
    let at = |index: usize| (index % mask.width(), index / mask.width());
    let cells = mask.cells().iter().enumerate();
    let places: Vec<(usize, usize)> = cells
        .filter(|(_, value)| **value != 0)
        .map(|(index, _)| at(index))
        .collect();
    let Some(first) = places.first().copied() else {
        return Ok(None);
    };
    let (mut low, mut high) = (first, first);
    for (x, y) in &places {
        low = (low.0.min(*x), low.1.min(*y));
        high = (high.0.max(*x), high.1.max(*y));
    }
    Ok(Some(Inside {
        area: places.len(),
        bounds: [low.0, low.1, high.0 - low.0 + 1, high.1 - low.1 + 1],
        values: places
            .iter()
            .filter_map(|(x, y)| image.modality_value(*x, *y).filter(|v| v.is_finite()))
            .collect(),
    }))
}

fn coco_says(
    bytes: &[u8],
    file_name: &str,
    image: &Radiograph,
    segments: &[Segment],
) -> Result<(), String> {
    let table: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let about = &table["images"][0];
    let (width, height) = (image.width(), image.height());
    let said = about["file_name"] == file_name
        && about["width"] == width
        && about["height"] == height
        && about["synthetic"] == image.synthetic.is_some();
    if !said {
        return Err("the image that it speaks of".to_owned());
    }
    let none = Vec::new();
    let mut left = table["annotations"].as_array().unwrap_or(&none).iter();
    for segment in segments {
        let Some(wanted) = inside(&segment.mask, image)? else {
            continue;
        };
        let label = &segment.label;
        let found = left
            .next()
            .ok_or_else(|| format!("the mask '{label}' is missing"))?;
        let category = found["category_id"].as_u64().unwrap_or(0) as usize;
        let name = category
            .checked_sub(1)
            .map(|index| &table["categories"][index]["name"]);
        if name.is_none_or(|name| name != label.as_str()) {
            return Err(format!("the name of the mask '{label}'"));
        }
        let counts: Option<Vec<usize>> =
            serde_json::from_value(found["segmentation"]["counts"].clone()).ok();
        let mask = counts.and_then(|counts| mask_of_counts(width, height, &counts));
        let same = mask.is_some_and(|mask| {
            let mut pairs = mask.cells().iter().zip(segment.mask.cells());
            pairs.all(|(a, b)| (*a != 0) == (*b != 0))
        });
        if !same {
            return Err(format!("the pixels of the mask '{label}'"));
        }
        if found["area"] != wanted.area || found["bbox"] != serde_json::json!(wanted.bounds) {
            return Err(format!("area or box of the mask '{label}'"));
        }
    }
    match left.next() {
        None => Ok(()),
        Some(_) => Err("a mask too many".to_owned()),
    }
}

fn masks_say(rows: &[Row], image: &Radiograph, segments: &[Segment]) -> Result<(), String> {
    let mut left = rows.iter();
    let spacing = image.spacing;
    for segment in segments {
        let Some(wanted) = inside(&segment.mask, image)? else {
            continue;
        };
        let row = left
            .next()
            .ok_or_else(|| format!("the mask '{}' is missing", segment.label))?;
        row.says("label", &segment.label)?;
        row.says("area_px", &wanted.area.to_string())?;
        let square = spacing.map(|s| wanted.area as f64 * s.row_mm * s.column_mm);
        row.counts("area_mm2", square)?;
        row.says("spacing_source", spacing.map_or("", |s| s.source.label()))?;
        for (column, number) in ["x", "y", "width", "height"].iter().zip(wanted.bounds) {
            row.says(column, &number.to_string())?;
        }
        let values = &wanted.values;
        let any = |value: f64| (!values.is_empty()).then_some(value);
        row.counts(
            "mean",
            any(values.iter().sum::<f64>() / values.len() as f64),
        )?;
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        row.counts("minimum", any(low))?;
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        row.counts("maximum", any(high))?;
        row.says("unit", &image.modality_unit)?;
    }
    match left.next() {
        None => Ok(()),
        Some(_) => Err("a row too many".to_owned()),
    }
}

fn hips_say(rows: &[Row], report: &HipReport) -> Result<(), String> {
    let [right, left] = rows else {
        return Err(format!("{} rows, not one a hip", rows.len()));
    };
    for (row, name, side, angle) in [
        (right, "right", Side::Right, report.right),
        (left, "left", Side::Left, report.left),
    ] {
        row.says("side", name)?;
        let hip = report.landmarks.hip(side);
        row.counts("center_x", Some(hip.center.x))?;
        row.counts("center_y", Some(hip.center.y))?;
        row.counts("radius", Some(hip.radius))?;
        row.counts("rim_x", Some(hip.rim.x))?;
        row.counts("rim_y", Some(hip.rim.y))?;
        row.counts("norberg_degrees", angle.map(|a| a.degrees))?;
        let interval = angle.and_then(|a| a.interval_degrees);
        row.counts("interval_low", interval.map(|i| i[0]))?;
        row.counts("interval_high", interval.map(|i| i[1]))?;
        row.says(
            "placed_by",
            report.algorithm.as_deref().unwrap_or("a person"),
        )?;
    }
    Ok(())
}

fn figures_say(rows: &[Row], image: &Radiograph, figures: &[Figure]) -> Result<(), String> {
    let mut left = rows.iter();
    for (number, figure) in figures.iter().enumerate() {
        let readings = image.readings(figure);
        for reading in &readings.values {
            let row = left
                .next()
                .ok_or_else(|| format!("a number of figure {} is missing", number + 1))?;
            row.says("frame", &(image.frame + 1).to_string())?;
            row.says("number", &(number + 1).to_string())?;
            row.says("figure", figure.kind.title())?;
            row.says("quantity", reading.quantity.name())?;
            row.counts("value", Some(reading.value))?;
            row.says("unit", reading.unit.label())?;
            let source = readings.spacing.map_or("", |source| source.label());
            row.says("spacing_source", source)?;
            let points = points(row.text("points")?);
            let wanted = figure.points.iter().map(|p| [p.x, p.y]);
            if points.is_none_or(|points| !points.into_iter().eq(wanted)) {
                return Err(format!("the points of figure {}", number + 1));
            }
        }
    }
    match left.next() {
        None => Ok(()),
        Some(_) => Err("a row too many".to_owned()),
    }
}

/// `1 2; 3.5 4` as points.
fn points(text: &str) -> Option<Vec<[f64; 2]>> {
    let one = |text: &str| {
        let (x, y) = text.trim().split_once(' ')?;
        Some([x.parse().ok()?, y.parse().ok()?])
    };
    text.split(';').map(one).collect()
}
