//! Objects of ours read back: the numbers of a report, the window and points of a presentation state.
//!
//! Separate because it is the second path: written by one library, read by our own parser, and compared before anyone
//! is told that it was saved.

use super::file::parse;
use super::values::{Kind, View};
use crate::radiograph::error::ReadProblem;

/// Every NUM of a report in the order of its tree: code value of its name, and its number.
pub(in crate::radiograph) fn report_numbers(
    bytes: Vec<u8>,
) -> Result<Vec<(String, f64)>, ReadProblem> {
    let file = parse(bytes)?;
    let view = View {
        bytes: &file.bytes,
        elements: &file.elements,
    };
    let mut found = Vec::new();
    walk(view, 0, &mut found);
    Ok(found)
}

fn walk(view: View<'_>, depth: usize, found: &mut Vec<(String, f64)>) {
    if view.text(0x0040_A040) == "NUM" {
        let name = view
            .item(0x0040_A043)
            .map(|item| view.of(&item).text(0x0008_0100));
        let value = view.item(0x0040_A300);
        let value = value.and_then(|item| view.of(&item).number(0x0040_A30A, Kind::Text));
        if let (Some(name), Some(value)) = (name, value) {
            found.push((name, value));
        }
    }
    if depth < 16 {
        for item in view.items(0x0040_A730) {
            walk(view.of(&item), depth + 1, found);
        }
    }
}

/// What a presentation state says.
#[derive(Debug, PartialEq)]
pub(in crate::radiograph) struct Presented {
    pub(in crate::radiograph) center: f64,
    pub(in crate::radiograph) width: f64,
    /// SOP Instance UID of the image that it is about.
    pub(in crate::radiograph) image: String,
    /// Numbers of every graphic.
    pub(in crate::radiograph) graphics: Vec<Vec<f64>>,
}

/// The window, the image and the graphics of a presentation state.
pub(in crate::radiograph) fn presented(bytes: Vec<u8>) -> Result<Presented, ReadProblem> {
    let file = parse(bytes)?;
    let view = View {
        bytes: &file.bytes,
        elements: &file.elements,
    };
    let missing = |what: &str| ReadProblem::Damaged(format!("a presentation state without {what}"));
    let voi = view.item(0x0028_3110).ok_or_else(|| missing("window"))?;
    let window = |tag| {
        view.of(&voi)
            .number(tag, Kind::Text)
            .ok_or_else(|| missing("window"))
    };
    let series = view.item(0x0008_1115).ok_or_else(|| missing("image"))?;
    let series = view.of(&series);
    let image = series.item(0x0008_1140).ok_or_else(|| missing("image"))?;
    let mut graphics = Vec::new();
    for layer in &view.items(0x0070_0001) {
        for object in &view.of(layer).items(0x0070_0009) {
            graphics.push(view.of(object).numbers(0x0070_0022, Kind::Short));
        }
    }
    Ok(Presented {
        center: window(0x0028_1050)?,
        width: window(0x0028_1051)?,
        image: series.of(&image).text(0x0008_1155),
        graphics,
    })
}
