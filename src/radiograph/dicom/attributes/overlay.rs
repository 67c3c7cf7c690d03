//! Overlay planes (PS3.3 C.9.2): bits of their own, or unused bits of the pixels (retired, but common on old films).
//!
//! Separate because a plane has its own size and origin; here it is brought to the image, so that it can be drawn.

use crate::grid::Grid;
use crate::radiograph::dicom::layout::{Carrier, Layout};
use crate::radiograph::dicom::values::{Kind, View};
use crate::radiograph::{Overlay, Pixels};

/// The planes of frame `frame`, groups 6000 to 601E; a plane that cannot be read is named in `notes` and left out.
///
/// `native` are the bytes of the frame where it is not compressed: embedded planes lie in them.
pub(in crate::radiograph::dicom) fn overlays(
    view: View<'_>,
    frame: usize,
    layout: &Layout,
    native: Option<&[u8]>,
    notes: &mut Vec<String>,
) -> Vec<Overlay> {
    (0..16_u32)
        .map(|n| (0x6000 + 2 * n) << 16)
        .filter(|base| view.find(base | 0x0010).is_some())
        .filter_map(|base| {
            let found = one(view, base, frame, layout, native);
            match found {
                Ok(overlay) => overlay,
                Err(why) => {
                    notes.push(format!(
                        "overlay plane {:04X} was left out: {why}",
                        base >> 16
                    ));
                    None
                }
            }
        })
        .collect()
}

fn one(
    view: View<'_>,
    base: u32,
    frame: usize,
    layout: &Layout,
    native: Option<&[u8]>,
) -> Result<Option<Overlay>, String> {
    let count = |element: u32| view.count(base | element, Kind::Short);
    let (rows, columns) = (count(0x0010).unwrap_or(0), count(0x0011).unwrap_or(0));
    if rows == 0 || columns == 0 || rows > 65_535 || columns > 65_535 {
        return Err(format!("it has {columns} × {rows} dots"));
    }
    // A plane may cover some frames only: its first is Image Frame Origin, counted from 1.
    let origin_frame = count(0x0051).unwrap_or(1).max(1) - 1;
    let planes = view.count(base | 0x0015, Kind::Text);
    let plane = match planes {
        Some(planes) if planes > 1 || layout.frames > 1 => {
            match frame.checked_sub(origin_frame).filter(|p| *p < planes) {
                Some(plane) => plane,
                None => return Ok(None),
            }
        }
        _ => 0,
    };
    let origin = view.numbers(base | 0x0050, Kind::SignedShort);
    let &[top, left] = origin.first_chunk::<2>().unwrap_or(&[1.0, 1.0]);
    let (top, left) = (top as i64 - 1, left as i64 - 1);
    let dots = match view.raw(base | 0x3000) {
        Some(raw) => packed(raw, plane, rows, columns)?,
        None => embedded(count(0x0102).unwrap_or(0), rows, columns, layout, native)?,
    };
    let ink = Grid::from_fn(layout.width, layout.height, |x, y| {
        let (x, y) = (x as i64 - left, y as i64 - top);
        let inside = (0..columns as i64).contains(&x) && (0..rows as i64).contains(&y);
        u8::from(inside && dots(y as usize * columns + x as usize))
    });
    let description = view.text(base | 0x0022);
    let label = view.some_text(base | 0x1500);
    Ok(Some(Overlay {
        group: (base >> 16) as u16,
        label: label.unwrap_or_else(|| description.clone()),
        description,
        region: view.text(base | 0x0040) == "R",
        ink: Pixels::U8(ink),
    }))
}

type Dots<'a> = Box<dyn Fn(usize) -> bool + 'a>;

fn packed(raw: &[u8], plane: usize, rows: usize, columns: usize) -> Result<Dots<'_>, String> {
    let area = rows * columns;
    let first = plane
        .checked_mul(area)
        .ok_or_else(|| "its frames overflow".to_owned())?;
    if (raw.len() as u128) * 8 < (first as u128) + area as u128 {
        return Err(format!(
            "Overlay Data has {} bytes for {columns} × {rows} dots",
            raw.len()
        ));
    }
    Ok(Box::new(move |index| {
        let bit = first + index;
        raw.get(bit / 8)
            .is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
    }))
}

/// Bit Overlay Bit Position of every pixel (PS3.5 8.1.2 of older editions).
fn embedded<'a>(
    bit: usize,
    rows: usize,
    columns: usize,
    layout: &Layout,
    native: Option<&'a [u8]>,
) -> Result<Dots<'a>, String> {
    let Some(native) = native else {
        return Err("it has no Overlay Data, and the pixels are compressed".to_owned());
    };
    let bytes = usize::from(layout.allocated / 8);
    let whole = layout.carrier == Carrier::Integer && layout.samples == 1 && matches!(bytes, 1 | 2);
    if !whole || bit >= bytes * 8 || rows > layout.height || columns != layout.width {
        return Err("it has no Overlay Data".to_owned());
    }
    Ok(Box::new(move |index| {
        native
            .get(index * bytes + bit / 8)
            .is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
    }))
}
