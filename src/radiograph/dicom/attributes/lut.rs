//! Modality LUT, windows and VOI LUTs of one frame (PS3.3 C.11.1, C.11.2, C.7.6.16.2.9 and 10).
//!
//! Separate because enhanced images keep them in functional groups, a frame at a time, and others at the top.

use crate::radiograph::dicom::values::{Kind, View};
use crate::radiograph::{DisplayWindow, ModalityTransform, VoiTable, WindowFunction};

/// Shared and Per-Frame Functional Groups Sequence.
const SHARED: u32 = 0x5200_9229;
const PER_FRAME: u32 = 0x5200_9230;

/// Calls `read` with the data sets that may describe frame `frame`, most specific first, until it answers.
///
/// `group` is the macro's sequence, for instance Frame VOI LUT Sequence; the top level comes last.
pub(in crate::radiograph::dicom) fn first_in_groups<T>(
    view: View<'_>,
    frame: usize,
    group: u32,
    read: impl Fn(View<'_>) -> Option<T>,
) -> Option<T> {
    for (sequence, index) in [(PER_FRAME, frame), (SHARED, 0)] {
        let items = view.items(sequence);
        let Some(item) = items.get(index) else {
            continue;
        };
        let groups = view.of(item).items(group);
        if let Some(found) = groups.first().and_then(|inner| read(view.of(inner))) {
            return Some(found);
        }
    }
    read(view)
}

/// One LUT item: first input, bits of an entry, entries.
fn table(item: View<'_>, signed: bool) -> Option<(i64, u32, Vec<u16>)> {
    let kind = if signed {
        Kind::SignedShort
    } else {
        Kind::Short
    };
    let descriptor = item.numbers(0x0028_3002, kind);
    let &[entries, first, bits] = descriptor.first_chunk::<3>()?;
    let entries = match (entries as i64).rem_euclid(1 << 16) {
        0 => 1 << 16,
        some => some as usize,
    };
    let bits = bits as u32;
    let element = item.find(0x0028_3006)?;
    let raw = item.raw(0x0028_3006)?;
    let values: Vec<u16> = if raw.len() < entries * 2 && bits <= 8 {
        raw.iter().map(|byte| u16::from(*byte)).collect()
    } else {
        let pairs = raw.as_chunks::<2>().0.iter();
        pairs.map(|pair| element.encoding.u16(*pair)).collect()
    };
    (!values.is_empty() && (1..=16).contains(&bits)).then_some((
        first as i64,
        bits,
        values.into_iter().take(entries).collect(),
    ))
}

/// The Modality LUT of a frame, and its unit.
pub(in crate::radiograph::dicom) fn modality(
    view: View<'_>,
    frame: usize,
    signed: bool,
    notes: &mut Vec<String>,
) -> (ModalityTransform, String) {
    if let Some(item) = view.item(0x0028_3000) {
        let item_view = view.of(&item);
        if let Some((first, _, values)) = table(item_view, signed) {
            let values = values.into_iter().map(f32::from).collect();
            let unit = item_view.text(0x0028_3004);
            return (ModalityTransform::Table { first, values }, unit_of(&unit));
        }
        notes.push(
            "the Modality LUT Sequence (0028,3000) cannot be read and was left out".to_owned(),
        );
    }
    let linear = first_in_groups(view, frame, 0x0028_9145, |group| {
        let slope = group.number(0x0028_1053, Kind::Text)?;
        let intercept = group.number(0x0028_1052, Kind::Text).unwrap_or(0.0);
        Some((slope, intercept, group.text(0x0028_1054)))
    });
    let Some((slope, intercept, unit)) = linear else {
        let unit = if view.text(0x0008_0060) == "CT" {
            "HU"
        } else {
            ""
        };
        return (ModalityTransform::default(), unit.to_owned());
    };
    if slope == 0.0 {
        notes.push("a Rescale Slope (0028,1053) of 0 was taken as 1".to_owned());
    }
    let unit = match unit.as_str() {
        "" if view.text(0x0008_0060) == "CT" => "HU".to_owned(),
        other => unit_of(other),
    };
    let slope = if slope == 0.0 { 1.0 } else { slope };
    (ModalityTransform::Linear { slope, intercept }, unit)
}

/// `US` stands for unspecified.
fn unit_of(written: &str) -> String {
    match written {
        "US" => String::new(),
        other => other.to_owned(),
    }
}

/// The windows of a frame.
pub(in crate::radiograph::dicom) fn windows(view: View<'_>, frame: usize) -> Vec<DisplayWindow> {
    first_in_groups(view, frame, 0x0028_9132, |group| {
        let found = windows_in(group);
        (!found.is_empty()).then_some(found)
    })
    .unwrap_or_default()
}

fn windows_in(group: View<'_>) -> Vec<DisplayWindow> {
    let centers = group.numbers(0x0028_1050, Kind::Text);
    let widths = group.numbers(0x0028_1051, Kind::Text);
    let explanations = group.texts(0x0028_1055);
    let function = match group.text(0x0028_1056).as_str() {
        "LINEAR_EXACT" => WindowFunction::LinearExact,
        "SIGMOID" => WindowFunction::Sigmoid,
        _ => WindowFunction::Linear,
    };
    centers
        .iter()
        .zip(&widths)
        .enumerate()
        .map(|(index, (center, width))| DisplayWindow {
            center: *center,
            width: *width,
            function,
            explanation: explanations.get(index).cloned().unwrap_or_default(),
            table: None,
        })
        .filter(DisplayWindow::is_usable)
        .collect()
}

/// The VOI LUT Sequence of a frame.
pub(in crate::radiograph::dicom) fn voi_tables(
    view: View<'_>,
    frame: usize,
    signed: bool,
) -> Vec<VoiTable> {
    first_in_groups(view, frame, 0x0028_9132, |group| {
        let items = group.items(0x0028_3010);
        let tables: Vec<VoiTable> = items
            .iter()
            .filter_map(|item| {
                let item = group.of(item);
                let (first, bits, values) = table(item, signed)?;
                let most = ((1_u32 << bits) - 1) as f32;
                Some(VoiTable {
                    first,
                    values: values
                        .into_iter()
                        .map(|v| (f32::from(v) / most).min(1.0))
                        .collect(),
                    explanation: item.text(0x0028_3003),
                })
            })
            .collect();
        (!tables.is_empty()).then_some(tables)
    })
    .unwrap_or_default()
}
