//! Reading back what was written, by another path than it was written by, before anyone is told that it was saved.
//!
//! Separate because it is the same promise for every format: the values, the synthetic mark, or an error.

mod meaning;

use super::dicom::{presented, report_numbers};
use super::write::{Object, Segment, reported};
use super::{FileKind, ModalityTransform, Pixels, Radiograph, Rgb, open_bytes};

/// Reads the image in `bytes` and compares it with what was to be written.
///
/// # Errors
/// What differs, for a person.
pub(super) fn image(bytes: &[u8], image: &Radiograph, pixels: &Pixels) -> Result<(), String> {
    same_image(&reopened(bytes)?, image, pixels)
}

/// Reads the Secondary Capture in `bytes` and compares everything with the image that was to be written: colors or
/// values, polarity, Modality LUT, windows and curves, and spacing with its source.
///
/// # Errors
/// What differs, for a person.
pub(super) fn capture(bytes: &[u8], image: &Radiograph, from_nothing: bool) -> Result<(), String> {
    let back = reopened(bytes)?;
    if let Some(color) = image.color() {
        same_color(&back, image, color)?;
    } else {
        same_image(&back, image, &image.pixels)?;
        meaning::same_grey(&back, image).map_err(differs)?;
    }
    let spacing = image.spacing.filter(|_| !from_nothing);
    meaning::same_spacing(back.spacing, spacing).map_err(differs)
}

fn reopened(bytes: &[u8]) -> Result<Radiograph, String> {
    open_bytes("what was written", bytes.to_vec())
        .and_then(|file| file.frame(0))
        .map_err(|error| differs(&error.problem.to_string()))
}

fn same_image(back: &Radiograph, image: &Radiograph, pixels: &Pixels) -> Result<(), String> {
    if (back.width(), back.height()) != (pixels.width(), pixels.height()) {
        return Err(differs("another size"));
    }
    if image.synthetic.is_some() && back.synthetic.is_none() {
        return Err(differs("the synthetic mark is missing"));
    }
    // DICOM has no float of its own here: such values were put on a scale of 16 bits.
    let quantised = back.source.kind == FileKind::Dicom && matches!(pixels, Pixels::F32(_));
    if !quantised {
        let same = same_values(&back.pixels, pixels);
        return same.then_some(()).ok_or_else(|| differs("other values"));
    }
    let (ModalityTransform::Linear { slope, .. }, transform) =
        (&back.modality_transform, &image.modality_transform)
    else {
        return Err(differs("another scale"));
    };
    let step = slope.abs();
    let (there, wanted) = (back.pixels.to_f32(), pixels.to_f32());
    let near = there
        .cells()
        .iter()
        .zip(wanted.cells())
        .all(|(there, wanted)| {
            let (a, b) = (
                back.modality_transform.apply(f64::from(*there)),
                transform.apply(f64::from(*wanted)),
            );
            !b.is_finite() || (a - b).abs() <= step * 0.51 + b.abs() * 1.0e-6
        });
    if near {
        Ok(())
    } else {
        Err(differs("other values"))
    }
}

/// Reads the image in `bytes` and compares its colors with what was to be written.
///
/// # Errors
/// What differs, for a person.
pub(super) fn color(bytes: &[u8], image: &Radiograph, color: &Rgb) -> Result<(), String> {
    same_color(&reopened(bytes)?, image, color)
}

fn same_color(back: &Radiograph, image: &Radiograph, color: &Rgb) -> Result<(), String> {
    if image.synthetic.is_some() && back.synthetic.is_none() {
        return Err(differs("the synthetic mark is missing"));
    }
    let same = back.color().is_some_and(|there| **there == *color);
    same.then_some(()).ok_or_else(|| differs("other colors"))
}

/// What is said of a file that did not come back as it was to be written.
pub(super) fn differs(what: &str) -> String {
    format!("it was read back and differs: {what}; nothing was saved")
}

fn same_values(a: &Pixels, b: &Pixels) -> bool {
    let (a, b) = (a.to_f32(), b.to_f32());
    let mut pairs = a.cells().iter().zip(b.cells());
    a.len() == b.len() && pairs.all(|(a, b)| a == b || (a.is_nan() && b.is_nan()))
}

/// Reads the object in `bytes` and compares it with what was to be written.
///
/// # Errors
/// What differs, for a person.
pub(super) fn object(bytes: &[u8], image: &Radiograph, object: &Object<'_>) -> Result<(), String> {
    match object {
        Object::Segmentation(segments) => masks(bytes, segments),
        Object::Report(report) => numbers(bytes, &reported(image, Some(report), &[])),
        Object::Measurements { hips, figures } => numbers(bytes, &reported(image, *hips, figures)),
        Object::Presentation { look, annotations } => {
            let back = presented(bytes.to_vec()).map_err(|e| differs(&e.to_string()))?;
            meaning::same_view(&back, image, look, annotations).map_err(differs)
        }
    }
}

fn masks(bytes: &[u8], segments: &[Segment]) -> Result<(), String> {
    let refused = |error: super::ReadError| differs(&error.problem.to_string());
    let file = open_bytes("what was written", bytes.to_vec()).map_err(refused)?;
    if file.frames() != segments.len() {
        return Err(differs("another number of masks"));
    }
    for (number, segment) in segments.iter().enumerate() {
        let frame = file.frame(number).map_err(refused)?;
        let wanted = Pixels::U8(segment.mask.map(|v| u8::from(*v != 0)));
        if !same_values(&frame.pixels, &wanted) {
            return Err(differs(&format!("the mask '{}'", segment.label)));
        }
    }
    Ok(())
}

fn numbers(bytes: &[u8], wanted: &[(&str, f64)]) -> Result<(), String> {
    let back = report_numbers(bytes.to_vec()).map_err(|e| differs(&e.to_string()))?;
    let same = back.len() == wanted.len()
        && back
            .iter()
            .zip(wanted)
            .all(|((name, value), (wanted, number))| {
                name == wanted && meaning::near(*value, *number)
            });
    if same {
        Ok(())
    } else {
        Err(differs("other numbers"))
    }
}
