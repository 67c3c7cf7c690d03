//! Masks as COCO (cocodataset.org, "Data format"), and masks, hips and figures as CSV, for programs that count.
//!
//! Separate because these are text about an image, without the image; a synthetic image is named as such in every row.

mod back;

pub use back::{Table, write_table};

use serde_json::{Value, json};

use super::report::HipReport;
use super::segmentation::Segment;
use crate::geometry::Figure;
use crate::grid::Grid;
use crate::landmarks::Side;
use crate::radiograph::Radiograph;

/// COCO's run lengths: columns one after the other, beginning with what is outside.
fn run_lengths(mask: &Grid<u8>) -> Vec<usize> {
    let mut counts = vec![0];
    let mut inside = false;
    for x in 0..mask.width() {
        for y in 0..mask.height() {
            let now = mask[(x, y)] != 0;
            if now != inside {
                counts.push(0);
                inside = now;
            }
            if let Some(last) = counts.last_mut() {
                *last += 1;
            }
        }
    }
    counts
}

/// `[x, y, width, height]` of what is inside; `None` for an empty mask.
fn bounding_box(mask: &Grid<u8>) -> Option<[usize; 4]> {
    let inside = |x: usize, y: usize| mask[(x, y)] != 0;
    let columns: Vec<usize> = (0..mask.width())
        .filter(|x| (0..mask.height()).any(|y| inside(*x, y)))
        .collect();
    let rows: Vec<usize> = (0..mask.height())
        .filter(|y| (0..mask.width()).any(|x| inside(x, *y)))
        .collect();
    let (left, right) = (*columns.first()?, *columns.last()?);
    let (top, bottom) = (*rows.first()?, *rows.last()?);
    Some([left, top, right - left + 1, bottom - top + 1])
}

fn area(mask: &Grid<u8>) -> usize {
    mask.cells().iter().filter(|v| **v != 0).count()
}

/// A COCO document with one image, one category a label and one annotation a mask; empty masks are left out.
pub fn coco(file_name: &str, image: &Radiograph, segments: &[Segment]) -> Value {
    let mut labels: Vec<&str> = Vec::new();
    let mut annotations = Vec::new();
    for segment in segments {
        let known = labels.iter().position(|label| *label == segment.label);
        let category = known.unwrap_or_else(|| {
            labels.push(&segment.label);
            labels.len() - 1
        });
        let Some(bounds) = bounding_box(&segment.mask) else {
            continue;
        };
        annotations.push(json!({
            "id": annotations.len() + 1, "image_id": 1, "category_id": category + 1,
            "bbox": bounds, "area": area(&segment.mask), "iscrowd": 1,
            "segmentation": {
                "size": [image.height(), image.width()],
                "counts": run_lengths(&segment.mask),
            },
        }));
    }
    let categories: Vec<Value> = labels
        .iter()
        .enumerate()
        .map(|(n, name)| json!({ "id": n + 1, "name": name }))
        .collect();
    json!({
        "info": { "description": "Radcanvas", "synthetic": image.synthetic.is_some() },
        "images": [{
            "id": 1, "file_name": file_name, "width": image.width(), "height": image.height(),
            "synthetic": image.synthetic.is_some(),
        }],
        "categories": categories,
        "annotations": annotations,
    })
}

/// The mask of a COCO annotation's run lengths; `None` where they do not fill it.
pub fn mask_of_counts(width: usize, height: usize, counts: &[usize]) -> Option<Grid<u8>> {
    let mut mask = Grid::filled(width, height, 0);
    let mut at = 0_usize;
    for (number, count) in counts.iter().enumerate() {
        let end = at
            .checked_add(*count)
            .filter(|end| *end <= width * height)?;
        if number % 2 == 1 {
            for index in at..end {
                mask.row_mut(index % height)[index / height] = 255;
            }
        }
        at = end;
    }
    (at == width * height).then_some(mask)
}

fn csv_text(
    rows: impl FnOnce(&mut csv::Writer<Vec<u8>>) -> csv::Result<()>,
) -> Result<Vec<u8>, String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    rows(&mut writer).map_err(|error| error.to_string())?;
    writer.into_inner().map_err(|error| error.to_string())
}

/// One row a mask: size in pixels and mm², box, and the modality values inside.
pub fn masks_csv(
    file_name: &str,
    image: &Radiograph,
    segments: &[Segment],
) -> Result<Vec<u8>, String> {
    csv_text(|writer| {
        writer.write_record([
            "file",
            "synthetic",
            "label",
            "area_px",
            "area_mm2",
            "spacing_source",
            "x",
            "y",
            "width",
            "height",
            "mean",
            "minimum",
            "maximum",
            "unit",
        ])?;
        for segment in segments {
            let Some(bounds) = bounding_box(&segment.mask) else {
                continue;
            };
            let pixels = area(&segment.mask);
            let (mut sum, mut low, mut high, mut count) =
                (0.0, f64::INFINITY, f64::NEG_INFINITY, 0_usize);
            for y in bounds[1]..bounds[1] + bounds[3] {
                for x in bounds[0]..bounds[0] + bounds[2] {
                    let value = image.modality_value(x, y).filter(|v| v.is_finite());
                    if let Some(value) = value.filter(|_| segment.mask[(x, y)] != 0) {
                        sum += value;
                        (low, high, count) = (low.min(value), high.max(value), count + 1);
                    }
                }
            }
            // What cannot be computed is left empty.
            let number = |value: f64| {
                if count > 0 {
                    value.to_string()
                } else {
                    String::new()
                }
            };
            let square = image
                .spacing
                .map(|s| pixels as f64 * s.row_mm * s.column_mm);
            writer.write_record([
                file_name.to_owned(),
                image.synthetic.is_some().to_string(),
                segment.label.clone(),
                pixels.to_string(),
                square.map(|mm2| mm2.to_string()).unwrap_or_default(),
                image
                    .spacing
                    .map(|s| s.source.label().to_owned())
                    .unwrap_or_default(),
                bounds[0].to_string(),
                bounds[1].to_string(),
                bounds[2].to_string(),
                bounds[3].to_string(),
                number(sum / count.max(1) as f64),
                number(low),
                number(high),
                image.modality_unit.clone(),
            ])?;
        }
        Ok(())
    })
}

/// One row a hip: points in pixels of the image, the angle and its interval.
pub fn hips_csv(
    file_name: &str,
    image: &Radiograph,
    report: &HipReport,
) -> Result<Vec<u8>, String> {
    csv_text(|writer| {
        writer.write_record([
            "file",
            "synthetic",
            "side",
            "center_x",
            "center_y",
            "radius",
            "rim_x",
            "rim_y",
            "norberg_degrees",
            "interval_low",
            "interval_high",
            "placed_by",
        ])?;
        for (name, side, angle) in [
            ("right", Side::Right, report.right),
            ("left", Side::Left, report.left),
        ] {
            let hip = report.landmarks.hip(side);
            let numbers = [hip.center.x, hip.center.y, hip.radius, hip.rim.x, hip.rim.y];
            let mut row = vec![
                file_name.to_owned(),
                image.synthetic.is_some().to_string(),
                name.to_owned(),
            ];
            row.extend(numbers.map(|number| number.to_string()));
            row.push(angle.map(|a| a.degrees.to_string()).unwrap_or_default());
            let interval = angle.and_then(|a| a.interval_degrees);
            for bound in 0..2 {
                row.push(interval.map(|i| i[bound].to_string()).unwrap_or_default());
            }
            row.push(
                report
                    .algorithm
                    .clone()
                    .unwrap_or_else(|| "a person".to_owned()),
            );
            writer.write_record(row)?;
        }
        Ok(())
    })
}

/// One row a number of a figure: what was drawn, what was measured, in which unit, and where millimetres came from.
pub fn figures_csv(
    file_name: &str,
    image: &Radiograph,
    figures: &[Figure],
) -> Result<Vec<u8>, String> {
    csv_text(|writer| {
        writer.write_record([
            "file",
            "synthetic",
            "frame",
            "number",
            "figure",
            "quantity",
            "value",
            "unit",
            "spacing_source",
            "points",
        ])?;
        for (number, figure) in figures.iter().enumerate() {
            let readings = image.readings(figure);
            let points: Vec<String> = figure
                .points
                .iter()
                .map(|p| format!("{} {}", p.x, p.y))
                .collect();
            for reading in &readings.values {
                writer.write_record([
                    file_name.to_owned(),
                    image.synthetic.is_some().to_string(),
                    (image.frame + 1).to_string(),
                    (number + 1).to_string(),
                    figure.kind.title().to_owned(),
                    reading.quantity.name().to_owned(),
                    reading.value.to_string(),
                    reading.unit.label().to_owned(),
                    readings
                        .spacing
                        .map(|source| source.label().to_owned())
                        .unwrap_or_default(),
                    points.join("; "),
                ])?;
            }
        }
        Ok(())
    })
}
