//! Modality LUT and VOI LUTs on their way out (PS3.3 C.11.1, C.11.2): a table stays a table.
//!
//! Separate because a number is right only when the table that made it goes along, or is applied.

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;

use crate::radiograph::write::dataset::{DataSet, decimal};
use crate::radiograph::{DisplayWindow, ModalityTransform, Radiograph, WindowFunction};

/// A table has at most so many entries (PS3.3 C.11.1.1.1).
const MOST_ENTRIES: usize = 1 << 16;

/// One item of a LUT sequence with entries of 16 bits; `signed` is how its first input is written.
fn item(first: i64, values: Vec<u16>, signed: bool) -> Result<DataSet, String> {
    let range = if signed {
        i64::from(i16::MIN)..=i64::from(i16::MAX)
    } else {
        0..=i64::from(u16::MAX)
    };
    if values.is_empty() || values.len() > MOST_ENTRIES || !range.contains(&first) {
        return Err(format!(
            "a table of {} entries from the value {first} on does not fit into DICOM",
            values.len()
        ));
    }
    let mut item = DataSet::default();
    // 65536 entries are written as 0.
    let described = [values.len() as u16, first as u16, 16];
    let (vr, descriptor) = if signed {
        let words = described.map(|word| word as i16).into_iter();
        (VR::SS, PrimitiveValue::I16(words.collect()))
    } else {
        (VR::US, PrimitiveValue::U16(described.into_iter().collect()))
    };
    item.0
        .put(DataElement::new(tags::LUT_DESCRIPTOR, vr, descriptor));
    item.0.put(DataElement::new(
        tags::LUT_DATA,
        VR::OW,
        PrimitiveValue::U16(values.into()),
    ));
    Ok(item)
}

/// The Modality LUT of an image whose stored values are written as `slope × value + intercept` of themselves.
///
/// `signed` is how the pixels are written.
///
/// # Errors
/// A table that is no whole numbers of 16 bits, or one of values that had to be put on another scale.
pub(in crate::radiograph::write) fn put_modality(
    set: &mut DataSet,
    image: &Radiograph,
    (slope, intercept): (f64, f64),
    signed: bool,
) -> Result<(), String> {
    let unit = match image.modality_unit.as_str() {
        "" => "US",
        unit => unit,
    };
    match &image.modality_transform {
        ModalityTransform::Linear {
            slope: own,
            intercept: zero,
        } => {
            let (slope, intercept) = (slope * own, intercept * own + zero);
            set.text(tags::RESCALE_INTERCEPT, VR::DS, decimal(intercept));
            set.text(tags::RESCALE_SLOPE, VR::DS, decimal(slope));
            set.text(tags::RESCALE_TYPE, VR::LO, unit);
        }
        ModalityTransform::Table { first, values } => {
            let fits = |v: &f32| v.fract() == 0.0 && (0.0..=65535.0).contains(v);
            if (slope, intercept) != (1.0, 0.0) || !values.iter().all(fits) {
                return Err(
                    "the modality table of this image does not fit into DICOM; write its modality values instead"
                        .to_owned(),
                );
            }
            let values = values.iter().map(|v| *v as u16).collect();
            let mut item = item(*first, values, signed)?;
            item.text(tags::MODALITY_LUT_TYPE, VR::LO, unit);
            set.items(tags::MODALITY_LUT_SEQUENCE, vec![item]);
        }
    }
    Ok(())
}

/// A window with a curve as an item of VOI LUT Sequence; `None` for a plain window.
///
/// The curve is taken at every whole modality value under it: unstretched, its own entries.
///
/// # Errors
/// A curve over fewer than two or more than 65536 whole values, or out of reach of 16 bits.
pub(super) fn curve(window: &DisplayWindow) -> Result<Option<DataSet>, String> {
    if window.table.is_none() {
        return Ok(None);
    }
    let (low, high) = window.linear_ends();
    let (first, last) = (low.round(), high.round());
    let entries = last - first + 1.0;
    if !(2.0..=MOST_ENTRIES as f64).contains(&entries) {
        return Err(format!(
            "the VOI LUT lies over {entries} whole values; DICOM takes 2 to 65536: choose a plain window"
        ));
    }
    let values = (0..entries as usize).map(|n| {
        let grey = window.grey(first + n as f64).clamp(0.0, 1.0);
        (grey * 65535.0).round() as u16
    });
    let mut item = item(first as i64, values.collect(), first < 0.0)?;
    let explanation = one_value(&window.explanation);
    if !explanation.is_empty() {
        item.text(tags::LUT_EXPLANATION, VR::LO, explanation);
    }
    Ok(Some(item))
}

/// Text that is one value of 64 characters at most.
fn one_value(text: &str) -> String {
    let plain = text.replace('\\', "/");
    plain.chars().take(64).collect::<String>().trim().to_owned()
}

/// What an image is shown through, as it can be written: its curves, then its windows of one function.
///
/// One VOI LUT Function (0028,1056) holds for all windows; those of another than the first are left out.
pub(in crate::radiograph) fn written_displays(image: &Radiograph) -> Vec<DisplayWindow> {
    let (curves, plain): (Vec<_>, Vec<_>) = image
        .displays()
        .into_iter()
        .partition(|window| window.table.is_some());
    let function = plain.first().map(|window| window.function);
    let plain = plain
        .into_iter()
        .filter(|window| Some(window.function) == function);
    curves.into_iter().chain(plain).collect()
}

/// VOI LUTs and windows of an image; without any, a window over `range`, the ends of its modality values.
///
/// # Errors
/// A curve that no VOI LUT can hold.
pub(in crate::radiograph::write) fn put_voi(
    set: &mut DataSet,
    image: &Radiograph,
    range: (f64, f64),
) -> Result<(), String> {
    let mut displays = written_displays(image);
    let curves: Vec<DataSet> = displays
        .iter()
        .filter_map(|window| curve(window).transpose())
        .collect::<Result<_, _>>()?;
    displays.retain(|window| window.table.is_none());
    if !curves.is_empty() {
        set.items(tags::VOILUT_SEQUENCE, curves);
        if displays.is_empty() {
            return Ok(());
        }
    }
    if displays.is_empty() {
        // LINEAR with its half-value shift: black at the lowest value, white at the highest.
        displays.push(DisplayWindow {
            center: f64::midpoint(range.0, range.1) + 0.5,
            width: (range.1 - range.0 + 1.0).max(1.0),
            function: WindowFunction::Linear,
            ..DisplayWindow::from_range(0.0, 1.0)
        });
    }
    let mut several = |tag, vr, of: &dyn Fn(&DisplayWindow) -> String| {
        let texts: Vec<String> = displays.iter().map(of).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        if texts.iter().any(|text| !text.is_empty()) {
            set.texts(tag, vr, &texts);
        }
    };
    several(tags::WINDOW_CENTER, VR::DS, &|w| decimal(w.center));
    several(tags::WINDOW_WIDTH, VR::DS, &|w| decimal(w.width));
    several(tags::WINDOW_CENTER_WIDTH_EXPLANATION, VR::LO, &|w| {
        one_value(&w.explanation)
    });
    put_function(set, displays[0].function);
    Ok(())
}

/// VOI LUT Function (C.11.2.1.2); without it a window is LINEAR.
pub(super) fn put_function(set: &mut DataSet, function: WindowFunction) {
    match function {
        WindowFunction::Linear => {}
        WindowFunction::LinearExact => set.text(tags::VOILUT_FUNCTION, VR::CS, "LINEAR_EXACT"),
        WindowFunction::Sigmoid => set.text(tags::VOILUT_FUNCTION, VR::CS, "SIGMOID"),
    }
}
