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

/// The whole rail.
pub(crate) fn rail_ui(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    ui.vertical_centered(|ui| {
        ui.spacing_mut().item_spacing.y = 4.0;
        ui.add_space(4.0);
        for (n, group) in TOOLS.iter().enumerate() {
            if n > 0 {
                gap(ui);
            }
            for (tool, id, icon) in *group {
                let title = keys::find(id).map_or("", |command| command.title);
                let selected = shown.session.tool == *tool;
                let key = shown.keys.label(id);
                if icon_button(ui, icon, title, &key, selected, 36.0).clicked() {
                    actions.push(Action::Tool(*tool));
                }
            }
        }
        super::viewer::measures::tool_ui(ui, shown, 36.0, actions);
        gap(ui);
        size(ui, shown, actions);
        let erasing = shown.session.tool_options.erase;
        let key = shown.keys.label("swap");
        if icon_button(ui, glyph::SWAP, "Swap paint and erase", &key, erasing, 36.0).clicked() {
            actions.push(Action::SwapErase);
        }
        gap(ui);
        history(ui, shown, actions);
        ui.with_layout(egui::Layout::bottom_up(egui::Align::Center), |ui| {
            ui.add_space(6.0);
            let key = shown.keys.label("keys");
            if icon_button(ui, glyph::KEYBOARD, "Keys", &key, false, 36.0).clicked() {
                actions.push(Action::Keys);
            }
        });
    });
}

fn gap(ui: &mut Ui) {
    let p = palette(ui.visuals());
    let (rect, _) = ui.allocate_exact_size(vec2(24.0, 9.0), egui::Sense::hover());
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
            .add_sized([36.0, 26.0], field)
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

fn history(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let open = shown.session.open();
    let undo = open.and_then(|open| open.history().undo_name());
    let redo = open.and_then(|open| open.history().redo_name());
    for (name, fallback, id, icon, action) in [
        (undo, "Undo", "undo", glyph::UNDO, Action::Undo),
        (redo, "Redo", "redo", glyph::REDO, Action::Redo),
    ] {
        ui.add_enabled_ui(name.is_some(), |ui| {
            let name = name.as_deref().unwrap_or(fallback);
            if icon_button(ui, icon, name, &shown.keys.label(id), false, 36.0).clicked() {
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
        if icon_button(ui, glyph::CLEAR, name, "", false, 36.0).clicked() {
            actions.push(Action::Edit(Box::new(Edit::ClearLayer(layer))));
        }
    });
}
