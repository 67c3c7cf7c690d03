//! The numbers of a figure on an image: with units, and with where its millimetres came from.
//!
//! Separate because canvas, panels, tables and reports must say the very same numbers. Values are those after the
//! Modality LUT; padding and what is no number are left out.

use serde::Serialize;

use super::spacing::RATIOS;
use super::{Radiograph, SpacingSource};
use crate::geometry::{Figure, Statistics};

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Distance of two points.
    Length,
    /// Angle of three points.
    Angle,
    /// Angle between two lines.
    CobbAngle,
    /// Radius of a circle.
    Radius,
    /// Area of a region or a circle.
    Area,
    /// Mean of the values inside.
    Mean,
    /// Standard deviation of the values inside (n − 1).
    StandardDeviation,
    /// Smallest value inside.
    Minimum,
    /// Largest value inside.
    Maximum,
    /// Pixels counted.
    Count,
}

impl Quantity {
    /// As a column or a row is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Angle => "angle",
            Self::CobbAngle => "cobb angle",
            Self::Radius => "radius",
            Self::Area => "area",
            Self::Mean => "mean",
            Self::StandardDeviation => "standard deviation",
            Self::Minimum => "minimum",
            Self::Maximum => "maximum",
            Self::Count => "pixels",
        }
    }
}

/// A unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Millimetres.
    Millimetre,
    /// Pixels along a line.
    Pixel,
    /// Square millimetres.
    SquareMillimetre,
    /// Pixels of an area.
    SquarePixel,
    /// Degrees.
    Degree,
    /// Whatever the modality values are in: `HU`, or empty.
    Value(String),
    /// A number of pixels.
    Count,
}

impl Unit {
    /// As it is written behind a number; empty where there is none.
    pub fn label(&self) -> &str {
        match self {
            Self::Millimetre => "mm",
            Self::Pixel => "px",
            Self::SquareMillimetre => "mm²",
            Self::SquarePixel => "px²",
            Self::Degree => "°",
            Self::Value(unit) => unit,
            Self::Count => "",
        }
    }
}

/// One number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reading {
    /// What it is.
    pub quantity: Quantity,
    /// The number, finite.
    pub value: f64,
    /// Its unit.
    pub unit: Unit,
}

/// The numbers of one figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Readings {
    /// In the order in which they are told; empty where nothing can be computed.
    pub values: Vec<Reading>,
    /// Where millimetres came from; absent where they are unknown and lengths are in pixels.
    pub spacing: Option<SpacingSource>,
}

impl Readings {
    /// The number of this kind; in millimetres where it is given in both.
    pub fn get(&self, quantity: Quantity) -> Option<&Reading> {
        self.values.iter().rev().find(|r| r.quantity == quantity)
    }

    /// One or more lines for a person: `182 px · 25.5 mm (calibrated)`, `104.6°`, `mean 40.1 HU · SD 12.0`.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = self.drawn_lines();
        lines.extend(self.value_lines(""));
        lines
    }

    /// The lines that follow from the points alone: lengths, angles, areas.
    pub fn drawn_lines(&self) -> Vec<String> {
        let trust = match self.spacing {
            Some(source) => format!(" ({})", source.label()),
            None => " (not calibrated)".to_owned(),
        };
        let mut lines = Vec::new();
        let sized = |quantity, prefix: &str| {
            let found: Vec<&Reading> = self
                .values
                .iter()
                .filter(|r| r.quantity == quantity)
                .collect();
            (!found.is_empty()).then(|| {
                let parts: Vec<String> = found.iter().map(|r| written(r)).collect();
                format!("{prefix}{}{trust}", parts.join(" · "))
            })
        };
        lines.extend(sized(Quantity::Length, ""));
        lines.extend(sized(Quantity::Radius, "r "));
        let degrees = self
            .get(Quantity::Angle)
            .or_else(|| self.get(Quantity::CobbAngle));
        lines.extend(degrees.map(|r| format!("{:.1}°", r.value)));
        lines.extend(sized(Quantity::Area, "area "));
        lines
    }

    /// The lines about the values inside; `of` says of which of two images they are, empty where there is one.
    pub fn value_lines(&self, of: &str) -> Vec<String> {
        let of = if of.is_empty() {
            String::new()
        } else {
            format!(" ({of})")
        };
        let mut lines = Vec::new();
        let unit = |r: &Reading| match r.unit.label() {
            "" => String::new(),
            unit => format!(" {unit}"),
        };
        if let Some(mean) = self.get(Quantity::Mean) {
            let deviation = self
                .get(Quantity::StandardDeviation)
                .map_or_else(|| "–".to_owned(), |r| number(r.value));
            lines.push(format!(
                "mean {}{} · SD {deviation}{of}",
                number(mean.value),
                unit(mean)
            ));
        }
        if let (Some(low), Some(high), Some(count)) = (
            self.get(Quantity::Minimum),
            self.get(Quantity::Maximum),
            self.get(Quantity::Count),
        ) {
            lines.push(format!(
                "{} … {}{} · n {:.0}{of}",
                number(low.value),
                number(high.value),
                unit(low),
                count.value
            ));
        }
        lines
    }
}

/// A number over many pixels as it is told: no more digits than a reader needs.
fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1.0e9 {
        format!("{value:.0}")
    } else if value.abs() >= 1.0 && value.abs() < 1.0e6 {
        format!("{value:.1}")
    } else {
        one_value(value)
    }
}

/// One value as it is told: whole numbers whole, others with about four digits that count.
pub fn one_value(value: f64) -> String {
    digits(value, value)
}

/// A value told as finely as a span of this size asks for: as the center of a window by its width.
pub(super) fn in_span(value: f64, span: f64) -> String {
    // One digit fewer than a value of its own has: a window is dragged, and its digits must not flicker.
    digits(value, span * 10.0)
}

/// A value with the decimals that four digits of `size` have; never anything that is no number.
fn digits(value: f64, size: f64) -> String {
    let (value, size) = (value + 0.0, size.abs());
    if !value.is_finite() {
        return "–".to_owned();
    }
    if value.fract() == 0.0 && value.abs() < 1.0e9 {
        return format!("{value:.0}");
    }
    if !(1.0e-3..1.0e9).contains(&size) || value.abs() >= 1.0e9 {
        return format!("{value:.3e}");
    }
    let decimals = (3.0 - size.log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{value:.decimals$}")
}

fn written(reading: &Reading) -> String {
    let unit = reading.unit.label();
    match reading.unit {
        Unit::Pixel | Unit::SquarePixel => format!("{:.0} {unit}", reading.value),
        _ => format!("{:.1} {unit}", reading.value),
    }
}

impl Radiograph {
    /// What one pixel counts, `[row, column]`: millimetres, or where they are unknown widths of a pixel.
    pub fn scale(&self) -> [f64; 2] {
        self.spacing
            .map_or_else(|| [self.pixel_ratio(), 1.0], |s| [s.row_mm, s.column_mm])
    }

    /// Height of a pixel over its width, from the spacing or else from Pixel Aspect Ratio; 1 where neither is known.
    ///
    /// Between 1/32 and 32: beyond that nothing could be seen.
    pub fn pixel_ratio(&self) -> f64 {
        let ratio = self.spacing.map(|s| s.row_mm / s.column_mm);
        ratio
            .or(self.aspect)
            .filter(|ratio| RATIOS.contains(ratio))
            .unwrap_or(1.0)
    }

    /// What angles are computed with, `[row, column]`: millimetres, else the shape of a pixel; `None` for square ones of
    /// unknown size.
    pub fn proportions(&self) -> Option<[f64; 2]> {
        (self.spacing.is_some() || self.pixel_ratio() != 1.0).then(|| self.scale())
    }

    /// The numbers of a figure on this image; those that cannot be computed are left out.
    pub fn readings(&self, figure: &Figure) -> Readings {
        let mut values = Vec::new();
        let mut add = |quantity, value: Option<f64>, unit| {
            if let Some(value) = value.filter(|v| v.is_finite()) {
                values.push(Reading {
                    quantity,
                    value,
                    unit,
                });
            }
        };
        let plain = [1.0, 1.0];
        let scale = self.spacing.map(|_| self.scale());
        add(Quantity::Length, figure.length(plain), Unit::Pixel);
        add(
            Quantity::Length,
            scale.and_then(|scale| figure.length(scale)),
            Unit::Millimetre,
        );
        let angle = match figure.kind {
            crate::geometry::FigureKind::Cobb => Quantity::CobbAngle,
            _ => Quantity::Angle,
        };
        add(angle, figure.angle_degrees(self.scale()), Unit::Degree);
        // A circle in millimetres is none in pixels that are not square.
        let radius = |scale| figure.circle(scale).map(|(_, radius)| radius);
        match scale {
            Some(scale) => add(Quantity::Radius, radius(scale), Unit::Millimetre),
            None => add(Quantity::Radius, radius(self.scale()), Unit::Pixel),
        }
        match scale {
            Some(scale) => add(Quantity::Area, figure.area(scale), Unit::SquareMillimetre),
            None => add(Quantity::Area, figure.area(plain), Unit::SquarePixel),
        }
        if let Some(found) = self.statistics(figure) {
            let unit = || Unit::Value(self.modality_unit.clone());
            add(Quantity::Mean, Some(found.mean), unit());
            add(Quantity::StandardDeviation, found.deviation, unit());
            add(Quantity::Minimum, Some(found.minimum), unit());
            add(Quantity::Maximum, Some(found.maximum), unit());
            add(Quantity::Count, Some(found.count as f64), Unit::Count);
        }
        Readings {
            values,
            spacing: self.spacing.map(|s| s.source),
        }
    }

    /// The modality values inside a region; `None` for other figures and where there is no value.
    pub fn statistics(&self, figure: &Figure) -> Option<Statistics> {
        let runs = figure.runs(self.width(), self.height());
        let padded = |stored: f64| {
            self.padding
                .is_some_and(|(low, high)| stored >= low && stored <= high)
        };
        Statistics::of(runs.into_iter().flat_map(|(y, columns)| {
            columns.filter_map(move |x| {
                let stored = self.pixels.value(x, y)?;
                (!padded(stored)).then(|| self.modality_transform.apply(stored))
            })
        }))
    }
}
