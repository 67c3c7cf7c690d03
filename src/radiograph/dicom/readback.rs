//! Objects of ours read back: the numbers of a report, the view and the drawings of a presentation state.
//!
//! Separate because it is the second path: written by one library, read by our own parser, and compared before anyone
//! is told that it was saved.

use super::attributes::lut;
use super::file::parse;
use super::values::{Kind, View};
use crate::radiograph::error::ReadProblem;
use crate::radiograph::{DisplayWindow, ModalityTransform};

/// Every NUM of a report in the order of its tree: code value of its name, and its number.
pub(in crate::radiograph) fn report_numbers(
    bytes: Vec<u8>,
) -> Result<Vec<(String, f64)>, ReadProblem> {
    let file = parse(bytes)?;
    let view = file.view();
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
    /// SOP Instance UID of the image that it is about.
    pub(in crate::radiograph) image: String,
    /// Modality values that the window counts in.
    pub(in crate::radiograph) transform: ModalityTransform,
    /// The first curve or window.
    pub(in crate::radiograph) window: DisplayWindow,
    /// Presentation LUT Shape.
    pub(in crate::radiograph) shape: String,
    /// Degrees clockwise, and whether it is mirrored after the turn.
    pub(in crate::radiograph) turn: (f64, bool),
    /// Column and row, from 1, of the corners of the displayed area.
    pub(in crate::radiograph) area: [Vec<f64>; 2],
    /// Presentation Pixel Spacing; empty where there is none.
    pub(in crate::radiograph) spacing_mm: Vec<f64>,
    /// Type and numbers of every graphic.
    pub(in crate::radiograph) graphics: Vec<(String, Vec<f64>)>,
    /// Words and anchor of every text.
    pub(in crate::radiograph) texts: Vec<(String, Vec<f64>)>,
}

/// The view, the image and everything drawn of a presentation state.
pub(in crate::radiograph) fn presented(bytes: Vec<u8>) -> Result<Presented, ReadProblem> {
    let file = parse(bytes)?;
    let view = file.view();
    let missing = |what: &str| ReadProblem::Damaged(format!("a presentation state without {what}"));
    let voi = view.item(0x0028_3110).ok_or_else(|| missing("window"))?;
    let voi = view.of(&voi);
    let curve = lut::voi_tables(voi, 0, false).into_iter().next();
    let window = curve
        .map(DisplayWindow::from_table)
        .or_else(|| lut::windows(voi, 0).into_iter().next())
        .ok_or_else(|| missing("window"))?;
    let series = view.item(0x0008_1115).ok_or_else(|| missing("image"))?;
    let series = view.of(&series);
    let image = series.item(0x0008_1140).ok_or_else(|| missing("image"))?;
    let area = view
        .item(0x0070_005A)
        .ok_or_else(|| missing("displayed area"))?;
    let area = view.of(&area);
    let charsets = view.texts(0x0008_0005);
    let (mut graphics, mut texts) = (Vec::new(), Vec::new());
    for layer in &view.items(0x0070_0001) {
        let layer = view.of(layer);
        for object in &layer.items(0x0070_0009) {
            let object = view.of(object);
            let numbers = object.numbers(0x0070_0022, Kind::Short);
            graphics.push((object.text(0x0070_0023), numbers));
        }
        for text in &layer.items(0x0070_0008) {
            let text = view.of(text);
            let words = text.free_text(0x0070_0006, &charsets);
            texts.push((words, text.numbers(0x0070_0014, Kind::Short)));
        }
    }
    let (transform, _) = lut::modality(view, 0, false, &mut Vec::new());
    Ok(Presented {
        image: series.of(&image).text(0x0008_1155),
        transform,
        window,
        shape: view.text(0x2050_0020),
        turn: (
            view.number(0x0070_0042, Kind::Short).unwrap_or(0.0),
            view.text(0x0070_0041) == "Y",
        ),
        area: [0x0070_0052, 0x0070_0053].map(|tag| area.numbers(tag, Kind::Short)),
        spacing_mm: area.numbers(0x0070_0101, Kind::Text),
        graphics,
        texts,
    })
}
