//! Grayscale Softcopy Presentation State (PS3.3 A.33.1): window, points and circles, to be applied by another viewer.
//!
//! Separate because nothing in it is a pixel: it says how the image was looked at.

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};

use super::dataset::{DataSet, decimal};
use super::modules::{Begun, Reference, SeriesFacts};
use crate::geometry::Point;
use crate::radiograph::{DisplayWindow, Photometric, Radiograph, WindowFunction};

/// Something drawn over an image, in pixels of the image, centres at integers.
#[derive(Clone, Debug, PartialEq)]
pub enum Annotation {
    /// A point with a word beside it.
    Point {
        /// Where.
        at: Point,
        /// May be empty.
        label: String,
    },
    /// A circle.
    Circle {
        /// Its centre.
        center: Point,
        /// Its radius, pixels.
        radius: f64,
    },
    /// Straight lines from point to point.
    Lines(Vec<Point>),
    /// Text that begins at a point.
    Text {
        /// Where.
        at: Point,
        /// What.
        text: String,
    },
}

const LAYER: &str = "RADCANVAS";

/// DICOM counts from the corner of the first pixel, and not from its centre (C.10.5.1.2).
pub(super) fn corner(point: Point) -> [f32; 2] {
    [(point.x + 0.5) as f32, (point.y + 0.5) as f32]
}

/// The bytes of a presentation state of `image`.
///
/// # Errors
/// What does not fit, for a person: an image that cannot be referred to, an annotation that is not finite.
pub fn presentation_bytes(
    image: &Radiograph,
    window: &DisplayWindow,
    annotations: &[Annotation],
) -> Result<Vec<u8>, String> {
    let reference = Reference::of(image)?;
    if !window.is_usable() {
        return Err("the window has no usable center and width".to_owned());
    }
    let facts = SeriesFacts {
        class: uids::GRAYSCALE_SOFTCOPY_PRESENTATION_STATE_STORAGE,
        modality: "PR",
        number: "9004",
        description: "Presentation",
    };
    let mut begun = Begun::new(image, &facts, reference.instance.as_bytes(), true);
    let set = &mut begun.set;
    set.text(tags::LATERALITY, VR::CS, "");
    set.text(tags::CONTENT_LABEL, VR::CS, LAYER);
    set.text(
        tags::CONTENT_DESCRIPTION,
        VR::LO,
        "Window and marks of Radcanvas",
    );
    set.text(tags::CONTENT_CREATOR_NAME, VR::PN, "");
    set.text(
        tags::PRESENTATION_CREATION_DATE,
        VR::DA,
        begun.date.as_str(),
    );
    set.text(
        tags::PRESENTATION_CREATION_TIME,
        VR::TM,
        begun.time.as_str(),
    );
    let series = reference.series_item(tags::REFERENCED_IMAGE_SEQUENCE, reference.item());
    set.items(tags::REFERENCED_SERIES_SEQUENCE, vec![series]);
    put_area(set, image);
    put_annotations(set, annotations)?;
    // The Modality LUT of the image is applied before this window.
    if let crate::radiograph::ModalityTransform::Linear { slope, intercept } =
        &image.modality_transform
    {
        let unit = match image.modality_unit.as_str() {
            "" => "US",
            unit => unit,
        };
        set.text(tags::RESCALE_INTERCEPT, VR::DS, decimal(*intercept));
        set.text(tags::RESCALE_SLOPE, VR::DS, decimal(*slope));
        set.text(tags::RESCALE_TYPE, VR::LO, unit);
    }
    let mut voi = DataSet::default();
    voi.text(tags::WINDOW_CENTER, VR::DS, decimal(window.center));
    voi.text(tags::WINDOW_WIDTH, VR::DS, decimal(window.width));
    match window.function {
        WindowFunction::Linear => {}
        WindowFunction::LinearExact => voi.text(tags::VOILUT_FUNCTION, VR::CS, "LINEAR_EXACT"),
        WindowFunction::Sigmoid => voi.text(tags::VOILUT_FUNCTION, VR::CS, "SIGMOID"),
    }
    set.items(tags::SOFTCOPY_VOILUT_SEQUENCE, vec![voi]);
    let shape = match image.photometric {
        Photometric::Monochrome1 => "INVERSE",
        Photometric::Monochrome2 => "IDENTITY",
    };
    set.text(tags::PRESENTATION_LUT_SHAPE, VR::CS, shape);
    begun.into_file()
}

/// Displayed Area (C.10.4): the whole image, as large as fits.
fn put_area(set: &mut DataSet, image: &Radiograph) {
    let corner = |tag, x: usize, y: usize| {
        let value = PrimitiveValue::I32([x as i32, y as i32].into_iter().collect());
        DataElement::new(tag, VR::SL, value)
    };
    let mut area = DataSet::default();
    area.0
        .put(corner(tags::DISPLAYED_AREA_TOP_LEFT_HAND_CORNER, 1, 1));
    area.0.put(corner(
        tags::DISPLAYED_AREA_BOTTOM_RIGHT_HAND_CORNER,
        image.width(),
        image.height(),
    ));
    area.text(tags::PRESENTATION_SIZE_MODE, VR::CS, "SCALE TO FIT");
    if let Some(spacing) = image.spacing {
        let text = [decimal(spacing.row_mm), decimal(spacing.column_mm)];
        area.texts(
            tags::PRESENTATION_PIXEL_SPACING,
            VR::DS,
            &[&text[0], &text[1]],
        );
    } else {
        let text = super::dicom::ratio_text(image.pixel_ratio());
        let parts: Vec<&str> = text.split('\\').collect();
        area.texts(tags::PRESENTATION_PIXEL_ASPECT_RATIO, VR::IS, &parts);
    }
    set.items(tags::DISPLAYED_AREA_SELECTION_SEQUENCE, vec![area]);
}

fn put_annotations(set: &mut DataSet, annotations: &[Annotation]) -> Result<(), String> {
    if annotations.is_empty() {
        return Ok(());
    }
    let (mut graphics, mut texts) = (Vec::new(), Vec::new());
    for annotation in annotations {
        match annotation {
            Annotation::Point { at, label } => {
                graphics.push(graphic("POINT", &[*at])?);
                if !label.is_empty() {
                    texts.push(text_object(*at, label)?);
                }
            }
            Annotation::Circle { center, radius } => {
                let rim = Point::new(center.x + radius, center.y);
                graphics.push(graphic("CIRCLE", &[*center, rim])?);
            }
            Annotation::Lines(points) => graphics.push(graphic("POLYLINE", points)?),
            Annotation::Text { at, text } => texts.push(text_object(*at, text)?),
        }
    }
    let mut item = DataSet::default();
    item.text(tags::GRAPHIC_LAYER, VR::CS, LAYER);
    if !texts.is_empty() {
        item.items(tags::TEXT_OBJECT_SEQUENCE, texts);
    }
    if !graphics.is_empty() {
        item.items(tags::GRAPHIC_OBJECT_SEQUENCE, graphics);
    }
    set.items(tags::GRAPHIC_ANNOTATION_SEQUENCE, vec![item]);
    let mut layer = DataSet::default();
    layer.text(tags::GRAPHIC_LAYER, VR::CS, LAYER);
    layer.text(tags::GRAPHIC_LAYER_ORDER, VR::IS, "1");
    set.items(tags::GRAPHIC_LAYER_SEQUENCE, vec![layer]);
    Ok(())
}

fn graphic(kind: &str, points: &[Point]) -> Result<DataSet, String> {
    if points.is_empty() || points.iter().any(|point| !point.is_finite()) {
        return Err("an annotation without points, or with one that is no number".to_owned());
    }
    let Ok(count) = u16::try_from(points.len()) else {
        return Err(format!(
            "a line of {} points; DICOM takes 65535",
            points.len()
        ));
    };
    let data: Vec<f32> = points.iter().flat_map(|point| corner(*point)).collect();
    let mut item = DataSet::default();
    item.text(tags::GRAPHIC_ANNOTATION_UNITS, VR::CS, "PIXEL");
    item.number(tags::GRAPHIC_DIMENSIONS, 2);
    item.number(tags::NUMBER_OF_GRAPHIC_POINTS, count);
    item.floats(tags::GRAPHIC_DATA, &data);
    item.text(tags::GRAPHIC_TYPE, VR::CS, kind);
    if kind != "POINT" {
        item.text(tags::GRAPHIC_FILLED, VR::CS, "N");
    }
    Ok(item)
}

fn text_object(at: Point, text: &str) -> Result<DataSet, String> {
    if !at.is_finite() {
        return Err("a text whose place is no number".to_owned());
    }
    let mut item = DataSet::default();
    item.text(tags::ANCHOR_POINT_ANNOTATION_UNITS, VR::CS, "PIXEL");
    item.text(
        tags::UNFORMATTED_TEXT_VALUE,
        VR::ST,
        text.chars().take(1024).collect::<String>(),
    );
    item.floats(tags::ANCHOR_POINT, &corner(at));
    item.text(tags::ANCHOR_POINT_VISIBILITY, VR::CS, "N");
    Ok(item)
}
