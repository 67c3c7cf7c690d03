//! What the values of an image mean, and how it is looked at, compared after writing.
//!
//! Separate because equal pixels under another table, polarity or spacing are other numbers.

use crate::geometry::Point;
use crate::radiograph::dicom::Presented;
use crate::radiograph::write::{Annotation, Look, displayed, is_inverse, written_displays};
use crate::radiograph::{
    DisplayWindow, ModalityTransform, Pixels, Radiograph, Spacing, SpacingSource,
};

/// Decimal strings have 16 characters.
pub(super) fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= b.abs() * 1.0e-9 + 1.0e-9
}

fn said(same: bool, what: &'static str) -> Result<(), &'static str> {
    if same { Ok(()) } else { Err(what) }
}

/// Polarity, Modality LUT, windows and curves of a grey image.
pub(super) fn same_grey(back: &Radiograph, image: &Radiograph) -> Result<(), &'static str> {
    said(back.photometric == image.photometric, "another polarity")?;
    // Floats were put on a scale of 16 bits, and their values compared through it.
    let scaled = matches!(image.pixels, Pixels::F32(_));
    said(
        scaled || same_transform(&back.modality_transform, &image.modality_transform),
        "another Modality LUT",
    )?;
    said(
        scaled || back.source.signed == matches!(image.pixels, Pixels::I16(_)),
        "another sign",
    )?;
    let wanted = written_displays(image);
    let there = back.displays();
    // An image without a window gets one of its range.
    let same = wanted.is_empty()
        || (there.len() == wanted.len()
            && there.iter().zip(&wanted).all(|(a, b)| same_window(a, b)));
    said(same, "another window or VOI LUT")
}

fn same_transform(there: &ModalityTransform, wanted: &ModalityTransform) -> bool {
    match (there, wanted) {
        (
            ModalityTransform::Linear { slope, intercept },
            ModalityTransform::Linear {
                slope: own,
                intercept: zero,
            },
        ) => near(*slope, *own) && near(*intercept, *zero),
        (there, wanted) => there == wanted,
    }
}

/// Windows are compared by the grey that they give.
fn same_window(there: &DisplayWindow, wanted: &DisplayWindow) -> bool {
    const STEPS: i32 = 64;
    if there.table.is_none() && wanted.table.is_none() {
        return there.function == wanted.function
            && near(there.center, wanted.center)
            && near(there.width, wanted.width);
    }
    let (low, high) = wanted.linear_ends();
    there.table.is_some() == wanted.table.is_some()
        && (0..=STEPS).all(|step| {
            // A curve is written at whole values.
            let value = (low + (high - low) * f64::from(step) / f64::from(STEPS)).round();
            (there.grey(value) - wanted.grey(value)).abs() < 1.0e-4
        })
}

/// Millimetres and where they came from; what a file's own resolution says comes back as that of a scanner.
pub(super) fn same_spacing(
    there: Option<Spacing>,
    wanted: Option<Spacing>,
) -> Result<(), &'static str> {
    let same = match (there, wanted) {
        (Some(there), Some(wanted)) => {
            let source = match wanted.source {
                SpacingSource::FileResolution => SpacingSource::Detector,
                other => other,
            };
            there.source == source
                && near(there.row_mm, wanted.row_mm)
                && near(there.column_mm, wanted.column_mm)
        }
        (there, wanted) => there.is_none() && wanted.is_none(),
    };
    said(same, "another spacing, or another trust in it")
}

/// Everything that a presentation state says.
pub(super) fn same_view(
    back: &Presented,
    image: &Radiograph,
    look: &Look,
    annotations: &[Annotation],
) -> Result<(), &'static str> {
    let about = Some(&back.image) == image.source.sop_instance.as_ref();
    said(about, "another image")?;
    let transform = same_transform(&back.transform, &image.modality_transform);
    said(transform, "another Modality LUT")?;
    said(same_window(&back.window, &look.window), "another window")?;
    let shape = if is_inverse(image, look) {
        "INVERSE"
    } else {
        "IDENTITY"
    };
    said(back.shape == shape, "another polarity")?;
    let turn = (f64::from(look.quarter_turns % 4) * 90.0, look.flipped);
    said(back.turn == turn, "another turn or mirror")?;
    let area = displayed(image, look).map(|corner| corner.map(f64::from).to_vec());
    said(back.area == area, "another part of the image")?;
    let calibrated = image.spacing.filter(|spacing| {
        matches!(
            spacing.source,
            SpacingSource::Calibrated | SpacingSource::Manual
        )
    });
    let steps = calibrated.map_or(Vec::new(), |s| vec![s.row_mm, s.column_mm]);
    let same = back.spacing_mm.len() == steps.len()
        && back
            .spacing_mm
            .iter()
            .zip(&steps)
            .all(|(a, b)| near(*a, *b));
    said(same, "another spacing")?;
    let (graphics, texts) = drawn(annotations);
    said(back.graphics == graphics, "another drawing")?;
    said(back.texts == texts, "another text")
}

/// Graphics or texts: a type or words, and numbers.
type Drawn = Vec<(String, Vec<f64>)>;

/// Graphics and texts as they must come back: counted from the corner of the first pixel, in 32 bits.
fn drawn(annotations: &[Annotation]) -> (Drawn, Drawn) {
    let numbers = |points: &[Point]| -> Vec<f64> {
        let both = points.iter().flat_map(|p| [p.x + 0.5, p.y + 0.5]);
        both.map(|v| f64::from(v as f32)).collect()
    };
    let (mut graphics, mut texts) = (Vec::new(), Vec::new());
    let mut graphic = |kind: &str, points: &[Point]| {
        graphics.push((kind.to_owned(), numbers(points)));
    };
    let mut text = |at: Point, words: &str| {
        let words: String = words.chars().take(1024).collect();
        texts.push((words.trim().to_owned(), numbers(&[at])));
    };
    for annotation in annotations {
        match annotation {
            Annotation::Point { at, label } => {
                graphic("POINT", &[*at]);
                if !label.is_empty() {
                    text(*at, label);
                }
            }
            Annotation::Circle { center, radius } => {
                graphic("CIRCLE", &[*center, *center + Point::new(*radius, 0.0)]);
            }
            Annotation::Lines(points) => graphic("POLYLINE", points),
            Annotation::Text { at, text: words } => text(*at, words),
        }
    }
    (graphics, texts)
}
