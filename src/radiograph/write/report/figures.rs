//! Figures drawn to measure: lengths and angles from their lines (TID 1501), circles and regions as such (TID 1410).

use super::{Code, DEGREE, Item, OUR_SCHEME, Reference, uid};
use crate::geometry::{Figure, FigureKind, Point};
use crate::radiograph::{Quantity, Radiograph, Reading, Readings, Unit};

/// The concept of a number (PS3.16 CID 7470, 7471, 7464, 7550).
const fn concept(quantity: Quantity) -> Code<'static> {
    match quantity {
        Quantity::Length => Code("410668003", "SCT", "Length"),
        Quantity::Angle => Code("1483009", "SCT", "Angle"),
        Quantity::CobbAngle => Code("285285000", "SCT", "Cobb angle"),
        Quantity::Radius => Code("131190003", "SCT", "Radius"),
        Quantity::Area => Code("42798000", "SCT", "Area"),
        Quantity::Mean => Code("373098007", "SCT", "Mean"),
        Quantity::StandardDeviation => Code("386136009", "SCT", "Standard Deviation"),
        Quantity::Minimum => Code("255605001", "SCT", "Minimum"),
        Quantity::Maximum => Code("56851009", "SCT", "Maximum"),
        Quantity::Count => Code("PIXELS", OUR_SCHEME, "Number of pixels"),
    }
}

/// The unit of a number (PS3.16 CID 7460, 7461).
fn unit(unit: &Unit) -> Code<'static> {
    match unit {
        Unit::Millimetre => Code("mm", "UCUM", "millimeter"),
        Unit::SquareMillimetre => Code("mm2", "UCUM", "square millimeter"),
        Unit::Pixel | Unit::SquarePixel | Unit::Count => Code("{pixels}", "UCUM", "pixels"),
        Unit::Degree => DEGREE,
        Unit::Value(value) if value == "HU" => Code("[hnsf'U]", "UCUM", "Hounsfield unit"),
        Unit::Value(_) => Code("1", "UCUM", "no units"),
    }
}

/// What is reported of a figure: a length in millimetres is not told in pixels as well.
fn told(readings: &Readings) -> impl Iterator<Item = &Reading> {
    readings.values.iter().filter(|reading| {
        reading.unit != Unit::Pixel
            || reading.quantity != Quantity::Length
            || readings.spacing.is_none()
    })
}

/// The numbers in the order of the tree.
pub(super) fn numbers(image: &Radiograph, figures: &[Figure]) -> Vec<(&'static str, f64)> {
    let mut found = Vec::new();
    for figure in figures {
        let readings = image.readings(figure);
        found.extend(told(&readings).map(|r| (concept(r.quantity).0, r.value)));
    }
    found
}

/// One group a figure that has a number.
pub(super) fn groups(
    image: &Radiograph,
    figures: &[Figure],
    reference: &Reference<'_>,
    instance: &str,
) -> Vec<Item> {
    figures
        .iter()
        .enumerate()
        .filter_map(|(number, figure)| group(image, number + 1, figure, reference, instance))
        .collect()
}

fn group(
    image: &Radiograph,
    number: usize,
    figure: &Figure,
    reference: &Reference<'_>,
    instance: &str,
) -> Option<Item> {
    let readings = image.readings(figure);
    told(&readings).next()?;
    let name = format!("{} {number}", figure.kind.title());
    let mut children = vec![
        Item::text(
            "HAS OBS CONTEXT",
            Code("112039", "DCM", "Tracking Identifier"),
            &name,
        ),
        Item::uid(
            "HAS OBS CONTEXT",
            Code("112040", "DCM", "Tracking Unique Identifier"),
            uid(&[instance.as_bytes(), name.as_bytes()]),
        ),
    ];
    let encloses = figure.kind.is_region() || figure.kind == FigureKind::Circle;
    let shapes = |relation: &'static str, name: Code<'static>| {
        drawn(image, figure)
            .into_iter()
            .map(move |(kind, points)| Item::coordinates(relation, name, kind, &points, reference))
    };
    if encloses {
        children.extend(shapes("CONTAINS", Code("111030", "DCM", "Image Region")));
    }
    let trust = readings.spacing.map_or_else(
        || "not calibrated".to_owned(),
        |source| format!("mm ({})", source.label()),
    );
    for reading in told(&readings) {
        let mut item = Item::number(
            concept(reading.quantity),
            reading.value,
            unit(&reading.unit),
        );
        let has_scale = matches!(
            reading.unit,
            Unit::Millimetre | Unit::SquareMillimetre | Unit::Pixel | Unit::SquarePixel
        );
        if has_scale {
            // How far a length can be trusted stays with it.
            let comment = Code("121106", "DCM", "Comment");
            item.children
                .push(Item::text("HAS PROPERTIES", comment, &trust));
        }
        if !encloses {
            let points = Code("121055", "DCM", "Path");
            item.children.extend(shapes("INFERRED FROM", points));
        }
        children.push(item);
    }
    Some(Item::container(
        "CONTAINS",
        Code("125007", "DCM", "Measurement Group"),
        children,
    ))
}

/// The figure in DICOM's graphic types (PS3.3 C.18.6.1.2).
fn drawn(image: &Radiograph, figure: &Figure) -> Vec<(&'static str, Vec<Point>)> {
    let scale = image.scale();
    let axes = |center: Point, across: f64, down: f64| {
        let (x, y) = (Point::new(across, 0.0), Point::new(0.0, down));
        let (long, short) = if across >= down { (x, y) } else { (y, x) };
        let ends = vec![center - long, center + long, center - short, center + short];
        vec![("ELLIPSE", ends)]
    };
    match (figure.kind, figure.points.as_slice()) {
        (FigureKind::Circle, _) => match figure.circle(scale) {
            Some((center, radius)) if scale[0] == scale[1] => {
                let rim = center + Point::new(radius / scale[1], 0.0);
                vec![("CIRCLE", vec![center, rim])]
            }
            Some((center, radius)) => axes(center, radius / scale[1], radius / scale[0]),
            None => Vec::new(),
        },
        (FigureKind::Ellipse, [a, b]) => {
            let half = (*b - *a) * 0.5;
            axes(*a + half, half.x.abs(), half.y.abs())
        }
        _ => figure
            .lines(scale, 2)
            .into_iter()
            .map(|line| ("POLYLINE", line))
            .collect(),
    }
}
