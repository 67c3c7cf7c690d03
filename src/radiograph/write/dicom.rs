//! DICOM Secondary Capture (SOP class 1.2.840.10008.5.1.4.1.1.7), marked as synthetic where it is.
//!
//! Stored values are written as they are, photometric interpretation and Modality LUT included, so that a pixel that
//! was not regenerated keeps its very bits. Attributes: PS3.3 A.8.1 (IOD), C.8.6.1 (Conversion Type), C.12.1.1
//! (Synthetic Data), C.7.5.2 (Contributing Equipment).

use std::path::Path;
use std::time::SystemTime;

use dicom_core::smallvec::SmallVec;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};

use super::dataset::{Code, DataSet, date_and_time, decimal};
use super::glyphs::{MARK, mark_bitmap};
use super::modules::{Begun, SeriesFacts};
use super::{WriteError, write_whole};
use crate::radiograph::{
    FileKind, ModalityTransform, Photometric, Pixels, Radiograph, SpacingSource, WindowFunction,
    check,
};

/// What a Secondary Capture says beside its pixels.
#[derive(Clone, Debug, Default)]
pub struct SecondaryCapture {
    /// Series Description; `SYNTHETIC` is put before it where the image is synthetic.
    pub description: String,
    /// The whole image is made from nothing: no patient, no study and no spacing of a source is kept.
    pub from_nothing: bool,
}

/// The file's bytes: Explicit VR Little Endian, with preamble and file meta.
pub fn dicom_bytes(radiograph: &Radiograph, facts: &SecondaryCapture) -> Result<Vec<u8>, String> {
    let keep = !facts.from_nothing && radiograph.source.kind == FileKind::Dicom;
    let series = SeriesFacts {
        class: uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
        modality: &radiograph.modality,
        number: "9001",
        description: &facts.description,
    };
    let content = radiograph.pixels.le_bytes();
    let mut begun = Begun::new(radiograph, &series, &content, keep);
    begun.put_content_time();
    let now = begun.now;
    put_capture(&mut begun.set, radiograph);
    put_provenance(&mut begun.set, radiograph, facts, now);
    put_pixels(&mut begun.set, radiograph, facts)?;
    begun.into_file()
}

/// General Image and SC Equipment (C.7.6.1, C.8.6.1).
fn put_capture(set: &mut DataSet, radiograph: &Radiograph) {
    let synthetic = radiograph.synthetic.is_some();
    set.text(tags::PATIENT_ORIENTATION, VR::CS, "");
    set.text(tags::LATERALITY, VR::CS, "");
    set.text(
        tags::SECONDARY_CAPTURE_DEVICE_MANUFACTURER,
        VR::LO,
        "Radcanvas",
    );
    let version = env!("CARGO_PKG_VERSION");
    set.text(
        tags::SECONDARY_CAPTURE_DEVICE_SOFTWARE_VERSIONS,
        VR::LO,
        version,
    );
    set.text(
        tags::CONVERSION_TYPE,
        VR::CS,
        if synthetic { "SYN" } else { "WSD" },
    );
    if !radiograph.view_position.is_empty() {
        set.text(
            tags::VIEW_POSITION,
            VR::CS,
            radiograph.view_position.clone(),
        );
    }
}

fn put_provenance(
    set: &mut DataSet,
    radiograph: &Radiograph,
    facts: &SecondaryCapture,
    now: SystemTime,
) {
    set.0.put(DataElement::new(
        tags::IMAGE_TYPE,
        VR::CS,
        PrimitiveValue::Strs(SmallVec::from_vec(vec![
            "DERIVED".to_owned(),
            "SECONDARY".to_owned(),
        ])),
    ));
    if radiograph.source.lossy {
        set.text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01");
    }
    let source = &radiograph.source;
    if let (Some(class), Some(instance), false) =
        (&source.sop_class, &source.sop_instance, facts.from_nothing)
    {
        let mut item = DataSet::default();
        item.text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, class.clone());
        item.text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, instance.clone());
        set.items(tags::SOURCE_IMAGE_SEQUENCE, vec![item]);
    }
    let Some(mark) = &radiograph.synthetic else {
        return;
    };
    set.text(tags::BURNED_IN_ANNOTATION, VR::CS, "NO");
    let contribution: String = if mark.contribution.is_empty() {
        mark.evidence.chars().take(1024).collect()
    } else {
        mark.contribution.chars().take(1024).collect()
    };
    set.text(tags::DERIVATION_DESCRIPTION, VR::ST, contribution.clone());
    let (date, time) = date_and_time(now);
    let mut item = DataSet::default();
    item.code(
        tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
        Code("109100", "DCM", "Synthesizing Equipment"),
    );
    item.text(tags::MANUFACTURER, VR::LO, "Radcanvas");
    item.text(tags::MANUFACTURER_MODEL_NAME, VR::LO, "Radcanvas");
    item.text(tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION"));
    item.text(
        tags::CONTRIBUTION_DATE_TIME,
        VR::DT,
        format!("{date}{time}"),
    );
    item.text(tags::CONTRIBUTION_DESCRIPTION, VR::ST, contribution);
    set.items(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE, vec![item]);
    put_visible_mark(set, radiograph.width(), radiograph.height());
}

/// The visible mark as an overlay plane (PS3.3 C.9.2): seen by viewers, no pixel touched.
fn put_visible_mark(set: &mut DataSet, width: usize, height: usize) {
    let ink = mark_bitmap(width, height);
    let mut packed = vec![0_u8; ink.len().div_ceil(8).next_multiple_of(2)];
    for (i, dot) in ink.iter().enumerate() {
        packed[i / 8] |= u8::from(*dot) << (i % 8);
    }
    let words: SmallVec<[u16; 2]> = packed
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let tag = |element: u16| Tag(0x6000, element);
    set.number(tag(0x0010), height as u16);
    set.number(tag(0x0011), width as u16);
    set.text(tag(0x0022), VR::LO, MARK);
    set.text(tag(0x0040), VR::CS, "G");
    set.0.put(DataElement::new(
        tag(0x0050),
        VR::SS,
        PrimitiveValue::I16(SmallVec::from_slice(&[1, 1])),
    ));
    set.number(tag(0x0100), 1);
    set.number(tag(0x0102), 0);
    set.0.put(DataElement::new(
        tag(0x3000),
        VR::OW,
        PrimitiveValue::U16(words),
    ));
}

fn put_pixels(
    set: &mut DataSet,
    radiograph: &Radiograph,
    facts: &SecondaryCapture,
) -> Result<(), String> {
    let (width, height) = (radiograph.width(), radiograph.height());
    let (Ok(columns), Ok(rows)) = (u16::try_from(width), u16::try_from(height)) else {
        return Err(format!(
            "{width} × {height} pixels are more than DICOM's 65535 a side"
        ));
    };
    let inverted = radiograph.photometric == Photometric::Monochrome1;
    let photometric = if inverted {
        "MONOCHROME1"
    } else {
        "MONOCHROME2"
    };
    set.number(tags::SAMPLES_PER_PIXEL, 1);
    set.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, photometric);
    set.number(tags::ROWS, rows);
    set.number(tags::COLUMNS, columns);
    let ((low, high), slope, intercept) = put_values(set, radiograph);
    let kept = &radiograph.modality_transform;
    let (slope, intercept) = match kept {
        ModalityTransform::Linear {
            slope: s,
            intercept: i,
        } => (slope * s, intercept * s + i),
        ModalityTransform::Table { .. } => (slope, intercept),
    };
    if slope != 1.0 || intercept != 0.0 || !radiograph.modality_unit.is_empty() {
        let unit = if radiograph.modality_unit.is_empty() {
            "US"
        } else {
            &radiograph.modality_unit
        };
        set.text(tags::RESCALE_INTERCEPT, VR::DS, decimal(intercept));
        set.text(tags::RESCALE_SLOPE, VR::DS, decimal(slope));
        set.text(tags::RESCALE_TYPE, VR::LO, unit);
    }
    put_window(
        set,
        radiograph,
        (low * slope + intercept, high * slope + intercept),
    );
    if let Some(spacing) = radiograph.spacing
        && !facts.from_nothing
    {
        let text = format!(
            "{}\\{}",
            decimal(spacing.row_mm),
            decimal(spacing.column_mm)
        );
        match spacing.source {
            SpacingSource::Calibrated | SpacingSource::Manual => {
                set.text(tags::PIXEL_SPACING, VR::DS, text);
                if spacing.source == SpacingSource::Manual {
                    set.text(tags::PIXEL_SPACING_CALIBRATION_TYPE, VR::CS, "FIDUCIAL");
                    let how = "calibrated by hand";
                    set.text(tags::PIXEL_SPACING_CALIBRATION_DESCRIPTION, VR::LO, how);
                }
            }
            _ => set.text(tags::NOMINAL_SCANNED_PIXEL_SPACING, VR::DS, text),
        }
    } else if radiograph.pixel_ratio() != 1.0 {
        // Type 1C where pixels are not square and no spacing is written (PS3.3 C.7.6.3.1.7); whole numbers.
        let text = ratio_text(radiograph.pixel_ratio());
        set.text(tags::PIXEL_ASPECT_RATIO, VR::IS, text);
    }
    Ok(())
}

/// Height over width as two whole numbers, the smallest that tell it to a millionth.
pub(super) fn ratio_text(ratio: f64) -> String {
    let exact = (1..=1000_u32).find_map(|width| {
        let height = ratio * f64::from(width);
        let whole = height.round();
        ((height - whole).abs() < 1.0e-6 * height && whole >= 1.0)
            .then(|| format!("{whole:.0}\\{width}"))
    });
    exact.unwrap_or_else(|| format!("{:.0}\\100000", (ratio * 100_000.0).round().max(1.0)))
}

/// Pixel Data and its description; the range of stored values and their scale where floats had to be quantised.
fn put_values(set: &mut DataSet, radiograph: &Radiograph) -> ((f64, f64), f64, f64) {
    let range = radiograph.pixels.range();
    let mut describe = |allocated: u16, stored: u16, signed: u16| {
        set.number(tags::BITS_ALLOCATED, allocated);
        set.number(tags::BITS_STORED, stored);
        set.number(tags::HIGH_BIT, stored - 1);
        set.number(tags::PIXEL_REPRESENTATION, signed);
    };
    let stored_bits = |low: i64, high: i64| {
        let told = radiograph.source.bits_stored.clamp(9, 16);
        let signed = low < 0;
        let fits = |bits: u16| {
            let half = 1_i64 << (bits - 1);
            if signed {
                low >= -half && high < half
            } else {
                high < half * 2
            }
        };
        if fits(told) { told } else { 16 }
    };
    let mut scale = (1.0, 0.0);
    let value = match &radiograph.pixels {
        Pixels::U8(grid) => {
            describe(8, 8, 0);
            let mut bytes = grid.cells().to_vec();
            if bytes.len() % 2 == 1 {
                bytes.push(0);
            }
            set.0.put(DataElement::new(
                tags::PIXEL_DATA,
                VR::OB,
                PrimitiveValue::U8(bytes.into()),
            ));
            return (range, 1.0, 0.0);
        }
        Pixels::U16(grid) => {
            describe(16, stored_bits(0, range.1 as i64), 0);
            grid.cells().to_vec()
        }
        Pixels::I16(grid) => {
            describe(16, 16, 1);
            grid.cells().iter().map(|v| *v as u16).collect()
        }
        Pixels::F32(grid) => {
            describe(16, 16, 0);
            let slope = ((range.1 - range.0) / 65535.0).max(f64::MIN_POSITIVE);
            scale = (slope, range.0);
            let quantise = |v: &f32| ((f64::from(*v) - range.0) / slope).round() as u16;
            grid.cells().iter().map(quantise).collect()
        }
    };
    let stored = match &radiograph.pixels {
        Pixels::F32(_) => (0.0, 65535.0),
        _ => range,
    };
    set.0.put(DataElement::new(
        tags::PIXEL_DATA,
        VR::OW,
        PrimitiveValue::U16(value.into()),
    ));
    (stored, scale.0, scale.1)
}

fn put_window(set: &mut DataSet, radiograph: &Radiograph, range: (f64, f64)) {
    let window = radiograph.windows.iter().find(|w| w.is_usable());
    let (center, width, function) = match window {
        Some(window) => (window.center, window.width, window.function),
        // LINEAR with its half-value shift: black at the lowest value, white at the highest.
        None => (
            f64::midpoint(range.0, range.1) + 0.5,
            (range.1 - range.0 + 1.0).max(1.0),
            WindowFunction::Linear,
        ),
    };
    set.text(tags::WINDOW_CENTER, VR::DS, decimal(center));
    set.text(tags::WINDOW_WIDTH, VR::DS, decimal(width));
    let name = match function {
        WindowFunction::Linear => return,
        WindowFunction::LinearExact => "LINEAR_EXACT",
        WindowFunction::Sigmoid => "SIGMOID",
    };
    set.text(tags::VOILUT_FUNCTION, VR::CS, name);
}

/// Writes a Secondary Capture.
pub fn write_dicom(
    path: &Path,
    radiograph: &Radiograph,
    facts: &SecondaryCapture,
    replace: bool,
) -> Result<(), WriteError> {
    let bytes = dicom_bytes(radiograph, facts).map_err(|what| WriteError::Unsupported {
        what,
        path: path.to_owned(),
    })?;
    check::image(&bytes, radiograph, &radiograph.pixels).map_err(|what| {
        WriteError::Unsupported {
            what,
            path: path.to_owned(),
        }
    })?;
    write_whole(path, &bytes, replace)
}
