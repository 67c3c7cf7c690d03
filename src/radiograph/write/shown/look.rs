//! A way of looking at an image: window or curve, polarity, quarter turns, mirror and the part in sight.
//!
//! Attributes: PS3.3 C.10.4 (Displayed Area), C.10.6 (Spatial Transformation), C.11.6 (Softcopy Presentation LUT),
//! C.11.8 (Softcopy VOI LUT).

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;

use super::luts;
use crate::geometry::Point;
use crate::radiograph::write::dataset::{DataSet, decimal};
use crate::radiograph::{DisplayWindow, Photometric, Radiograph, SpacingSource};

/// How an image is looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Window, in modality values; a VOI LUT where it has a table.
    pub window: DisplayWindow,
    /// Black and white exchanged, on top of the photometric interpretation.
    pub invert: bool,
    /// Clockwise quarter turns, 0–3.
    pub quarter_turns: u8,
    /// Mirrored left to right, after the turn.
    pub flipped: bool,
    /// The image points at the upper left and the lower right corner of the canvas, pixels; absent = all of the image.
    pub shown: Option<[Point; 2]>,
}

impl From<DisplayWindow> for Look {
    /// The whole image as it lies in the file, through a window.
    fn from(window: DisplayWindow) -> Self {
        Self {
            window,
            invert: false,
            quarter_turns: 0,
            flipped: false,
            shown: None,
        }
    }
}

/// Whether low values are white: as the image says, exchanged by the person.
pub(in crate::radiograph) fn is_inverse(image: &Radiograph, look: &Look) -> bool {
    (image.photometric == Photometric::Monochrome1) != look.invert
}

/// Presentation LUT Shape: a presentation state overrules the photometric interpretation of its image (PS3.4 N.2.1).
fn put_shape(set: &mut DataSet, image: &Radiograph, look: &Look) {
    let shape = if is_inverse(image, look) {
        "INVERSE"
    } else {
        "IDENTITY"
    };
    set.text(tags::PRESENTATION_LUT_SHAPE, VR::CS, shape);
}

/// Spatial Transformation, where there is any: a turn clockwise, and a mirror after it, as in our view.
fn put_turn(set: &mut DataSet, look: &Look) {
    let turns = look.quarter_turns % 4;
    if turns == 0 && !look.flipped {
        return;
    }
    set.number(tags::IMAGE_ROTATION, u16::from(turns) * 90);
    let flip = if look.flipped { "Y" } else { "N" };
    set.text(tags::IMAGE_HORIZONTAL_FLIP, VR::CS, flip);
}

/// Columns and rows, from 1, of the pixels at the upper left and the lower right once the image is turned.
///
/// They are counted in the image as it lies in the file, and may lie outside it.
pub(in crate::radiograph) fn displayed(image: &Radiograph, look: &Look) -> [[i32; 2]; 2] {
    let (width, height) = (image.width() as f64, image.height() as f64);
    let mirror = if look.flipped { -1.0 } else { 1.0 };
    // Where the image lies when the screen is followed to the right and down.
    let (x, y) = match look.quarter_turns % 4 {
        0 => (mirror, 1.0),
        1 => (1.0, -mirror),
        2 => (-mirror, -1.0),
        _ => (-1.0, mirror),
    };
    let whole = [
        Point::new(-0.5, -0.5),
        Point::new(width - 0.5, height - 0.5),
    ];
    let [a, b] = look
        .shown
        .filter(|points| points.iter().all(|p| p.is_finite()))
        .unwrap_or(whole);
    let span = |a: f64, b: f64| {
        let (low, high) = (a.min(b), a.max(b));
        let first = (low + 0.5 + 1.0e-6).floor() + 1.0;
        let last = (high + 0.5 - 1.0e-6).ceil().max(first);
        (first as i32, last as i32)
    };
    let ((left, right), (top, bottom)) = (span(a.x, b.x), span(a.y, b.y));
    let ordered = |(low, high): (i32, i32), forward: bool| {
        if forward { [low, high] } else { [high, low] }
    };
    let columns = ordered((left, right), x > 0.0);
    let rows = ordered((top, bottom), y > 0.0);
    [[columns[0], rows[0]], [columns[1], rows[1]]]
}

/// Displayed Area, the window or curve, the turn and the polarity of a presentation state.
///
/// # Errors
/// A curve that no VOI LUT can hold.
pub(in crate::radiograph::write) fn put_view(
    set: &mut DataSet,
    image: &Radiograph,
    look: &Look,
) -> Result<(), String> {
    put_area(set, image, look);
    let mut voi = DataSet::default();
    if let Some(curve) = luts::curve(&look.window)? {
        voi.items(tags::VOILUT_SEQUENCE, vec![curve]);
    } else {
        voi.text(tags::WINDOW_CENTER, VR::DS, decimal(look.window.center));
        voi.text(tags::WINDOW_WIDTH, VR::DS, decimal(look.window.width));
        luts::put_function(&mut voi, look.window.function);
    }
    set.items(tags::SOFTCOPY_VOILUT_SEQUENCE, vec![voi]);
    put_turn(set, look);
    put_shape(set, image, look);
    Ok(())
}

fn put_area(set: &mut DataSet, image: &Radiograph, look: &Look) {
    let corner = |tag: Tag, place: [i32; 2]| {
        let value = PrimitiveValue::I32(place.into_iter().collect());
        DataElement::new(tag, VR::SL, value)
    };
    let mut area = DataSet::default();
    let [first, last] = displayed(image, look);
    area.0
        .put(corner(tags::DISPLAYED_AREA_TOP_LEFT_HAND_CORNER, first));
    area.0
        .put(corner(tags::DISPLAYED_AREA_BOTTOM_RIGHT_HAND_CORNER, last));
    area.text(tags::PRESENTATION_SIZE_MODE, VR::CS, "SCALE TO FIT");
    // Presentation Pixel Spacing is a distance in the patient. Spacing at the detector, or a guess of it, is not: of it
    // only the shape of a pixel is told.
    match image.spacing {
        Some(spacing)
            if matches!(
                spacing.source,
                SpacingSource::Calibrated | SpacingSource::Manual
            ) =>
        {
            let text = [decimal(spacing.row_mm), decimal(spacing.column_mm)];
            area.texts(
                tags::PRESENTATION_PIXEL_SPACING,
                VR::DS,
                &[&text[0], &text[1]],
            );
        }
        _ => {
            let text = ratio(image.pixel_ratio()).map(|n| n.to_string());
            area.texts(
                tags::PRESENTATION_PIXEL_ASPECT_RATIO,
                VR::IS,
                &[&text[0], &text[1]],
            );
        }
    }
    set.items(tags::DISPLAYED_AREA_SELECTION_SEQUENCE, vec![area]);
}

/// Height and width of a pixel as two small whole numbers, to six digits.
pub(super) fn ratio(height_over_width: f64) -> [u32; 2] {
    const UNIT: u32 = 1_000_000;
    let height = (height_over_width * f64::from(UNIT)).round();
    if !(1.0..=1.0e9).contains(&height) {
        return [1, 1];
    }
    let (mut a, mut b) = (height as u32, UNIT);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    [height as u32 / a, UNIT / a]
}
