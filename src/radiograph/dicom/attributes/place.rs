//! Where an image belongs: patient space, series and study (PS3.3 C.7.6.2, C.7.3.1).
//!
//! Separate because a list of hundreds of files needs only this, and not a single pixel.

use super::lut::first_in_groups;
use crate::radiograph::Orientation;
use crate::radiograph::dicom::values::{Kind, View};
use crate::radiograph::series::{Heading, Place};

/// What lies toward the edges of a frame: by Image Orientation (Patient), else by Patient Orientation.
pub(in crate::radiograph::dicom) fn orientation(
    view: View<'_>,
    frame: usize,
) -> Option<Orientation> {
    let quadruped = view.text(0x0010_2210) == "QUADRUPED";
    let directions = first_in_groups(view, frame, 0x0020_9116, |inner| {
        let numbers = inner.numbers(0x0020_0037, Kind::Text);
        numbers.first_chunk::<6>().copied()
    });
    directions
        .and_then(|directions| Orientation::of_directions(directions, quadruped))
        .or_else(|| {
            let codes = first_in_groups(view, frame, 0x0020_9450, |inner| {
                let codes = inner.texts(0x0020_0020);
                (codes.len() >= 2).then_some(codes)
            })?;
            Orientation::of_codes(&codes[0], &codes[1], quadruped)
        })
}

/// The place of the first frame.
pub(in crate::radiograph::dicom) fn place(view: View<'_>) -> Place {
    let charsets = view.texts(0x0008_0005);
    let numbers = |group: u32, tag: u32| {
        first_in_groups(view, 0, group, |inner| {
            let numbers = inner.numbers(tag, Kind::Text);
            let whole = numbers.iter().all(|n| n.is_finite()) && !numbers.is_empty();
            whole.then_some(numbers)
        })
    };
    let position = numbers(0x0020_9113, 0x0020_0032);
    let directions = numbers(0x0020_9116, 0x0020_0037);
    let whole = |tag: u32| view.number(tag, Kind::Text).map(|n| n as i64);
    Place {
        study: view.some_text(0x0020_000D),
        series: view.some_text(0x0020_000E),
        frame_of_reference: view.some_text(0x0020_0052),
        description: view.free_text(0x0008_103E, &charsets),
        modality: view.text(0x0008_0060),
        series_number: whole(0x0020_0011),
        instance_number: whole(0x0020_0013),
        position_mm: position.and_then(|p| p.first_chunk::<3>().copied()),
        directions: directions.and_then(|d| d.first_chunk::<6>().copied()),
        own_frame: None,
    }
}

/// What stands over the study of the file.
pub(in crate::radiograph::dicom) fn heading(view: View<'_>) -> Heading {
    let charsets = view.texts(0x0008_0005);
    Heading {
        patient: view.free_text(0x0010_0010, &charsets),
        date: view.text(0x0008_0020),
        time: view.text(0x0008_0030),
        description: view.free_text(0x0008_1030, &charsets),
    }
}
