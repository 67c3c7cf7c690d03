//! Millimetres of a Secondary Capture, and how far they can be trusted (PS3.3 C.8.6.2, 10.7.1.3).
//!
//! Separate because a length that comes back under another name is a wrong length: what was calibrated says so, what was
//! measured at the detector does not become a distance in the patient.

use dicom_core::VR;
use dicom_dictionary_std::tags;

use super::look::ratio;
use crate::radiograph::write::dataset::{DataSet, decimal};
use crate::radiograph::{Radiograph, SpacingSource};

/// Modalities whose pixel spacing is one in the patient without being calibrated.
const CROSS_SECTIONAL: &[&str] = &["CT", "MR", "PT", "NM", "US"];

/// The spacing of an image with its source.
pub(in crate::radiograph::write) fn put_spacing(set: &mut DataSet, image: &Radiograph) {
    let Some(spacing) = image.spacing else {
        if image.pixel_ratio() != 1.0 {
            // Type 1C where pixels are not square and no spacing is written (PS3.3 C.7.6.3.1.7).
            let text = ratio(image.pixel_ratio()).map(|n| n.to_string());
            set.texts(tags::PIXEL_ASPECT_RATIO, VR::IS, &[&text[0], &text[1]]);
        }
        return;
    };
    let steps = [decimal(spacing.row_mm), decimal(spacing.column_mm)];
    let steps = [steps[0].as_str(), steps[1].as_str()];
    let Some((kind, description)) = spacing.source.calibration() else {
        set.texts(tags::NOMINAL_SCANNED_PIXEL_SPACING, VR::DS, &steps);
        return;
    };
    set.texts(tags::PIXEL_SPACING, VR::DS, &steps);
    let known = image.calibration.as_ref().filter(|[kind, _]| {
        // The reader knows these types alone; with another it would not find this spacing again.
        let is_known = matches!(kind.as_str(), "FIDUCIAL" | "GEOMETRY");
        spacing.source == SpacingSource::Calibrated && is_known
    });
    let (kind, description) = match known {
        Some([kind, description]) if !description.is_empty() => {
            (kind.as_str(), description.as_str())
        }
        Some([kind, _]) => (kind.as_str(), description),
        None if CROSS_SECTIONAL.contains(&image.modality.as_str())
            && spacing.source == SpacingSource::Calibrated =>
        {
            return;
        }
        None => (kind, description),
    };
    set.text(tags::PIXEL_SPACING_CALIBRATION_TYPE, VR::CS, kind);
    let description: String = description.chars().take(64).collect();
    let tag = tags::PIXEL_SPACING_CALIBRATION_DESCRIPTION;
    set.text(tag, VR::LO, description);
}
