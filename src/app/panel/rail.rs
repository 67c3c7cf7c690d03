//! The tool rail at the left edge: one tool at a time, sizes below.

use egui::{DragValue, Ui, vec2};

use super::Shown;
use super::widgets::{icon_button, short, tooltip};
use crate::app::action::Action;
use crate::app::canvas::Tool;
use crate::app::keys;
use crate::app::theme::{glyph, palette};
use crate::document::{Edit, Layer};

/// Width of the rail, points.
pub(crate) const WIDTH: f32 = 52.0;

/// Tools in the order of the rail; a gap stands between groups.
const TOOLS: &[&[(Tool, &str, &str)]] = &[
    &[
        (Tool::Pen, "pen", glyph::PEN),
        (Tool::Brush, "brush", glyph::BRUSH),
        (Tool::Eraser, "eraser", glyph::ERASER),
    ],
    &[
        (Tool::Lasso, "lasso", glyph::LASSO),
        (Tool::Rectangle, "rectangle", glyph::RECTANGLE),
        (Tool::Fill, "fill", glyph::FILL),
    ],
    &[
        (Tool::Hips, "hips", glyph::HIPS),
        (Tool::Select, "select", glyph::PAN),
        (Tool::Bounds, "bounds", glyph::FIT),
    ],
];

/// Height of a gap between groups and of the field for the width of a line, points.
const GAP: f32 = 9.0;
const FIELD: f32 = 26.0;
/// Side of a button where there is room, points, and in a low window.
const SIDE: f32 = 36.0;
const LEAST_SIDE: f32 = 26.0;
/// Between two things of the rail, points.
const SPACING: f32 = 4.0;
/// Room of the button at the lower end, points.
const LOWER: f32 = 46.0;

/// The whole rail; in a low window its buttons are smaller, and where that is not enough it scrolls.
pub(crate) fn rail_ui(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let (mut upper, mut lower) = (ui.max_rect(), ui.max_rect());
    upper.max.y = (upper.max.y - LOWER).max(upper.min.y);
    lower.min.y = upper.max.y;
    let centered = egui::Layout::top_down(egui::Align::Center);
    let part = |rect| egui::UiBuilder::new().max_rect(rect).layout(centered);
    ui.scope_builder(part(upper), |ui| {
        let hidden = egui::scroll_area::ScrollBarVisibility::AlwaysHidden;
        egui::ScrollArea::vertical()
            .scroll_bar_visibility(hidden)
            .auto_shrink(false)
            .show(ui, |ui| {
                let side = side_that_fits(upper.height());
                ui.vertical_centered(|ui| tools_ui(ui, shown, side, actions));
            });
    });
    ui.scope_builder(part(lower), |ui| {
        ui.add_space(SPACING);
        let key = shown.keys.label("keys");
        if icon_button(ui, glyph::KEYBOARD, "Keys", &key, false, SIDE).clicked() {
            actions.push(Action::Keys);
        }
    });
}

/// Side of each button for all of [`tools_ui`] to be seen in a height, points.
fn side_that_fits(height: f32) -> f32 {
    // The tools, the one to measure, swap, and the three of the history; a field and four gaps between them.
    let buttons = TOOLS.iter().map(|group| group.len()).sum::<usize>() + 5;
    let other = FIELD + 4.0 * GAP + SPACING * (buttons + 6) as f32;
    ((height - other) / buttons as f32).clamp(LEAST_SIDE, SIDE)
}

fn tools_ui(ui: &mut Ui, shown: &Shown<'_>, side: f32, actions: &mut Vec<Action>) {
    ui.spacing_mut().item_spacing.y = SPACING;
    ui.add_space(SPACING);
    for (n, group) in TOOLS.iter().enumerate() {
        if n > 0 {
            gap(ui);
        }
        for (tool, id, icon) in *group {
            let title = keys::find(id).map_or("", |command| command.title);
            let selected = shown.session.tool == *tool;
            let key = shown.keys.label(id);
            if icon_button(ui, icon, title, &key, selected, side).clicked() {
                actions.push(Action::Tool(*tool));
            }
        }
    }
    super::viewer::measures::tool_ui(ui, shown, side, actions);
    gap(ui);
    size(ui, shown, actions);
    let erasing = shown.session.tool_options.erase;
    let key = shown.keys.label("swap");
    if icon_button(ui, glyph::SWAP, "Swap paint and erase", &key, erasing, side).clicked() {
        actions.push(Action::SwapErase);
    }
    gap(ui);
    history(ui, shown, side, actions);
}

fn gap(ui: &mut Ui) {
    let p = palette(ui.visuals());
    let (rect, _) = ui.allocate_exact_size(vec2(24.0, GAP), egui::Sense::hover());
    ui.painter()
        .hline(rect.x_range(), rect.center().y, (1.0, p.line));
}

/// Width of the line of the active tool, image pixels.
fn size(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let before = shown.session.tool_options.size_px;
    let mut px = before;
    let field = DragValue::new(&mut px)
        .speed(0.25)
        .range(0.5..=1000.0)
        .custom_formatter(|value, _| short(value));
    let enabled = shown.session.tool.is_stroke();
    ui.add_enabled_ui(enabled, |ui| {
        ui.spacing_mut().button_padding = vec2(2.0, 2.0);
        let response = ui
            .add_sized([SIDE, FIELD], field)
            .accessible_name("Line width in pixels");
        let keys = format!(
            "{}  {}",
            shown.keys.label("finer"),
            shown.keys.label("wider")
        );
        response.on_hover_ui(|ui| tooltip(ui, "Line width in image pixels", &keys));
    });
    if px != before && before > 0.0 {
        actions.push(Action::Size(px / before));
    }
}

fn history(ui: &mut Ui, shown: &Shown<'_>, side: f32, actions: &mut Vec<Action>) {
    let open = shown.session.open();
    let undo = open.and_then(|open| open.history().undo_name());
    let redo = open.and_then(|open| open.history().redo_name());
    for (name, fallback, id, icon, action) in [
        (undo, "Undo", "undo", glyph::UNDO, Action::Undo),
        (redo, "Redo", "redo", glyph::REDO, Action::Redo),
    ] {
        ui.add_enabled_ui(name.is_some(), |ui| {
            let name = name.as_deref().unwrap_or(fallback);
            if icon_button(ui, icon, name, &shown.keys.label(id), false, side).clicked() {
                actions.push(action);
            }
        });
    }
    let layer = shown.session.layer;
    let any = open.is_some_and(|open| open.document().marks_of(layer).next().is_some());
    let name = match layer {
        Layer::Sketch => "Clear the sketch",
        Layer::Mask => "Clear the mask",
    };
    ui.add_enabled_ui(any, |ui| {
        if icon_button(ui, glyph::CLEAR, name, "", false, side).clicked() {
            actions.push(Action::Edit(Box::new(Edit::ClearLayer(layer))));
        }
    });
}
