//! DICOM Segmentation, BINARY (PS3.3 A.51, C.8.20): masks that other viewers lay over their image.
//!
//! Separate because its frames are packed to the bit, one after the other without a gap (PS3.5 8.1.1), which a reader
//! and a writer must agree on.

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};

use super::dataset::{Code, DataSet, decimal, uid};
use super::modules::{Begun, Reference, SeriesFacts};
use crate::grid::Grid;
use crate::radiograph::{Radiograph, Spacing, SpacingSource};

/// One mask and what it stands for.
#[derive(Clone, Debug)]
pub struct Segment {
    /// What a person calls it; at most 64 characters are kept.
    pub label: String,
    /// Inside where not 0; of the size of the image.
    pub mask: Grid<u8>,
    /// Name and version of what drew it; absent for a mask drawn by hand.
    pub algorithm: Option<String>,
}

/// The bytes of a Segmentation of `image` with one frame a segment.
///
/// # Errors
/// What does not fit, for a person: no segment, a mask of another size, an image that cannot be referred to.
pub fn segmentation_bytes(image: &Radiograph, segments: &[Segment]) -> Result<Vec<u8>, String> {
    let reference = Reference::of(image)?;
    let (width, height) = (image.width(), image.height());
    if segments.is_empty() || segments.len() > usize::from(u16::MAX) {
        return Err(format!("{} masks; give at least one", segments.len()));
    }
    if let Some(odd) = segments.iter().find(|s| s.mask.size() != (width, height)) {
        let (w, h) = odd.mask.size();
        return Err(format!(
            "the mask '{}' has {w} × {h} pixels, the image {width} × {height}",
            odd.label
        ));
    }
    let (Ok(columns), Ok(rows)) = (u16::try_from(width), u16::try_from(height)) else {
        return Err(format!(
            "{width} × {height} pixels are more than DICOM's 65535 a side"
        ));
    };
    let packed = packed_frames(segments);
    let facts = SeriesFacts {
        class: uids::SEGMENTATION_STORAGE,
        modality: "SEG",
        number: "9002",
        description: "Masks",
    };
    let mut begun = Begun::new(image, &facts, &packed, true);
    begun.put_content_time();
    let (set, instance) = (&mut begun.set, &begun.instance);
    // Needed where no plane in the patient is known, and may be empty.
    set.text(tags::PATIENT_ORIENTATION, VR::CS, "");
    set.texts(tags::IMAGE_TYPE, VR::CS, &["DERIVED", "PRIMARY"]);
    set.text(tags::CONTENT_LABEL, VR::CS, "MASKS");
    set.text(
        tags::CONTENT_DESCRIPTION,
        VR::LO,
        "Masks drawn in Radcanvas",
    );
    set.text(tags::CONTENT_CREATOR_NAME, VR::PN, "");
    set.text(tags::SEGMENTATION_TYPE, VR::CS, "BINARY");
    set.number(tags::SAMPLES_PER_PIXEL, 1);
    set.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    set.number(tags::ROWS, rows);
    set.number(tags::COLUMNS, columns);
    set.number(tags::BITS_ALLOCATED, 1);
    set.number(tags::BITS_STORED, 1);
    set.number(tags::HIGH_BIT, 0);
    set.number(tags::PIXEL_REPRESENTATION, 0);
    set.text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00");
    set.text(tags::NUMBER_OF_FRAMES, VR::IS, segments.len().to_string());
    let described = segments.iter().enumerate();
    set.items(
        tags::SEGMENT_SEQUENCE,
        described
            .map(|(n, segment)| segment_item(n as u16 + 1, segment))
            .collect(),
    );
    let series = reference.series_item(tags::REFERENCED_INSTANCE_SEQUENCE, reference.whole());
    set.items(tags::REFERENCED_SERIES_SEQUENCE, vec![series]);
    put_dimension(set, instance);
    put_frames(set, image, &reference, segments.len());
    set.0.put(DataElement::new(
        tags::PIXEL_DATA,
        VR::OB,
        PrimitiveValue::U8(packed.into()),
    ));
    begun.into_file()
}

/// All masks, lowest bit first, no gap between frames, an even number of bytes.
fn packed_frames(segments: &[Segment]) -> Vec<u8> {
    let bits: usize = segments.iter().map(|segment| segment.mask.len()).sum();
    let mut packed = vec![0_u8; bits.div_ceil(8).next_multiple_of(2)];
    let inside = segments.iter().flat_map(|segment| segment.mask.cells());
    for (index, value) in inside.enumerate() {
        packed[index / 8] |= u8::from(*value != 0) << (index % 8);
    }
    packed
}

fn segment_item(number: u16, segment: &Segment) -> DataSet {
    let label: String = segment.label.chars().take(64).collect();
    let mut item = DataSet::default();
    item.number(tags::SEGMENT_NUMBER, number);
    item.text(
        tags::SEGMENT_LABEL,
        VR::LO,
        if label.is_empty() {
            format!("mask {number}")
        } else {
            label
        },
    );
    match &segment.algorithm {
        Some(name) => {
            item.text(tags::SEGMENT_ALGORITHM_TYPE, VR::CS, "SEMIAUTOMATIC");
            let name: String = name.chars().take(64).collect();
            item.text(tags::SEGMENT_ALGORITHM_NAME, VR::LO, name);
        }
        None => item.text(tags::SEGMENT_ALGORITHM_TYPE, VR::CS, "MANUAL"),
    }
    let category = Code("91723000", "SCT", "Anatomical Structure");
    item.code(tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, category);
    let kind = Code("38866009", "SCT", "Body part");
    item.code(tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, kind);
    item
}

/// The dimension of the frames (C.7.6.17): the segment, in its order.
fn put_dimension(set: &mut DataSet, instance: &str) {
    let pointer = |set: &mut DataSet, tag, to| {
        let value = PrimitiveValue::Tags([to].into_iter().collect());
        set.0.put(DataElement::new(tag, VR::AT, value));
    };
    let organization = uid(&[instance.as_bytes(), b"dimensions"]);
    let mut one = DataSet::default();
    one.text(
        tags::DIMENSION_ORGANIZATION_UID,
        VR::UI,
        organization.clone(),
    );
    set.items(tags::DIMENSION_ORGANIZATION_SEQUENCE, vec![one]);
    let mut index = DataSet::default();
    index.text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, organization);
    pointer(
        &mut index,
        tags::DIMENSION_INDEX_POINTER,
        tags::REFERENCED_SEGMENT_NUMBER,
    );
    pointer(
        &mut index,
        tags::FUNCTIONAL_GROUP_POINTER,
        tags::SEGMENT_IDENTIFICATION_SEQUENCE,
    );
    index.text(tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, "Segment");
    set.items(tags::DIMENSION_INDEX_SEQUENCE, vec![index]);
}

fn decimals(set: &mut DataSet, tag: Tag, values: &[f64]) {
    let texts: Vec<String> = values.iter().map(|v| decimal(*v)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    set.texts(tag, VR::DS, &texts);
}

/// Functional groups (C.7.6.16): one frame a segment; where the image lies in the patient, the masks lie too.
fn put_frames(set: &mut DataSet, image: &Radiograph, reference: &Reference<'_>, count: usize) {
    let place = &image.place;
    let space = place.frame_of_reference.as_ref().zip(place.directions);
    let space = space.zip(place.position_mm);
    let mut shared = DataSet::default();
    let calibrated = |spacing: &Spacing| spacing.source == SpacingSource::Calibrated;
    if let Some(spacing) = image.spacing.filter(calibrated) {
        let mut measures = DataSet::default();
        let steps = [spacing.row_mm, spacing.column_mm];
        decimals(&mut measures, tags::PIXEL_SPACING, &steps);
        measures.text(tags::SLICE_THICKNESS, VR::DS, "1");
        shared.items(tags::PIXEL_MEASURES_SEQUENCE, vec![measures]);
    }
    if let Some(((frame_of_reference, directions), _)) = space {
        set.text(
            tags::FRAME_OF_REFERENCE_UID,
            VR::UI,
            frame_of_reference.clone(),
        );
        set.text(tags::POSITION_REFERENCE_INDICATOR, VR::LO, "");
        let mut orientation = DataSet::default();
        let tag = tags::IMAGE_ORIENTATION_PATIENT;
        decimals(&mut orientation, tag, &directions);
        shared.items(tags::PLANE_ORIENTATION_SEQUENCE, vec![orientation]);
    }
    set.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]);
    let position = space.map(|(_, position)| position);
    let frames = (1..=count as u16).map(|number| frame_item(number, position, reference));
    set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames.collect());
}

fn frame_item(number: u16, position: Option<[f64; 3]>, reference: &Reference<'_>) -> DataSet {
    let mut frame = DataSet::default();
    let mut content = DataSet::default();
    let index = PrimitiveValue::from(u32::from(number));
    content.0.put(DataElement::new(
        tags::DIMENSION_INDEX_VALUES,
        VR::UL,
        index,
    ));
    frame.items(tags::FRAME_CONTENT_SEQUENCE, vec![content]);
    let mut segment = DataSet::default();
    segment.number(tags::REFERENCED_SEGMENT_NUMBER, number);
    frame.items(tags::SEGMENT_IDENTIFICATION_SEQUENCE, vec![segment]);
    if let Some(position) = position {
        let mut plane = DataSet::default();
        decimals(&mut plane, tags::IMAGE_POSITION_PATIENT, &position);
        frame.items(tags::PLANE_POSITION_SEQUENCE, vec![plane]);
    }
    let mut source = reference.item();
    source.code(
        tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
        Code(
            "121322",
            "DCM",
            "Source image for image processing operation",
        ),
    );
    let mut derivation = DataSet::default();
    derivation.items(tags::SOURCE_IMAGE_SEQUENCE, vec![source]);
    derivation.code(
        tags::DERIVATION_CODE_SEQUENCE,
        Code("113076", "DCM", "Segmentation"),
    );
    frame.items(tags::DERIVATION_IMAGE_SEQUENCE, vec![derivation]);
    frame
}
