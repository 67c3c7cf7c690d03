//! The small controls that all panels share: icon buttons, rows, switches, sections, curves.
//!
//! Separate so that every panel has the same heights, gaps, names for screen readers and tooltips with keys.

use egui::accesskit::Role;
use egui::{
    Align, Align2, Color32, CornerRadius, FontId, Layout, Painter, Rect, Response, RichText, Sense,
    Stroke, StrokeKind, TextureHandle, Ui, WidgetInfo, pos2, vec2,
};

use crate::app::theme::{self, CONTROL_HEIGHT, palette};

/// A picture as large as a room lets it be, in its middle.
pub(crate) fn fitted(painter: &Painter, picture: &TextureHandle, room: Rect) {
    let [w, h] = picture.size().map(|side| side.max(1) as f32);
    let scale = (room.width() / w).min(room.height() / h);
    let place = Rect::from_center_size(room.center(), vec2(w, h) * scale);
    let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    painter.image(picture.id(), place, whole, Color32::WHITE);
}

/// A square button with an icon, a name for screen readers and a tooltip that ends in its key.
pub(crate) fn icon_button(
    ui: &mut Ui,
    glyph: &str,
    name: &str,
    key: &str,
    selected: bool,
    size: f32,
) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(size, size), Sense::click());
    let enabled = ui.is_enabled();
    response.widget_info(|| WidgetInfo::selected(Role::Button, enabled, selected, name));
    if ui.is_rect_visible(rect) {
        let p = palette(ui.visuals());
        let fill = if selected {
            p.selected
        } else if response.hovered() && enabled {
            p.hovered
        } else {
            Color32::TRANSPARENT
        };
        let color = if !enabled {
            p.dim.gamma_multiply(0.5)
        } else if selected || response.hovered() {
            p.text
        } else {
            p.dim
        };
        ui.painter().rect_filled(rect, CornerRadius::same(6), fill);
        if response.has_focus() {
            ui.painter().rect_stroke(
                rect.shrink(0.5),
                CornerRadius::same(6),
                Stroke::new(1.0, p.accent),
                StrokeKind::Inside,
            );
        }
        ui.painter().text(
            rect.center(),
            Align2::CENTER_CENTER,
            glyph,
            FontId::new((size * 0.56).round(), theme::icons()),
            color,
        );
    }
    response.on_hover_ui(|ui| tooltip(ui, name, key))
}

/// A tooltip: what it is, and its key.
pub(crate) fn tooltip(ui: &mut Ui, name: &str, key: &str) {
    ui.horizontal(|ui| {
        ui.label(name);
        if !key.is_empty() {
            key_cap(ui, key);
        }
    });
}

/// A key as it is printed on a keyboard.
pub(crate) fn key_cap(ui: &mut Ui, key: &str) {
    let p = palette(ui.visuals());
    egui::Frame::new()
        .fill(p.control)
        .stroke(Stroke::new(1.0, p.line))
        .corner_radius(4)
        .inner_margin(egui::Margin::symmetric(5, 1))
        .show(ui, |ui| {
            ui.label(RichText::new(key).size(11.5).color(p.dim));
        });
}

/// The main button of a panel, as wide as the panel.
pub(crate) fn primary_button(ui: &mut Ui, glyph: &str, text: &str, key: &str) -> Response {
    let p = palette(ui.visuals());
    let size = vec2(ui.available_width(), 34.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let enabled = ui.is_enabled();
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, text));
    let fill = match (enabled, response.hovered()) {
        (false, _) => p.control,
        (true, true) => p.accent.lerp_to_gamma(p.on_accent, 0.12),
        (true, false) => p.accent,
    };
    let color = if enabled { p.on_accent } else { p.dim };
    ui.painter().rect_filled(rect, CornerRadius::same(6), fill);
    if response.has_focus() {
        ui.painter().rect_stroke(
            rect.expand(2.0),
            CornerRadius::same(8),
            Stroke::new(1.0, p.accent),
            StrokeKind::Inside,
        );
    }
    let font = FontId::new(13.5, theme::strong());
    let galley = ui.painter().layout_no_wrap(text.to_owned(), font, color);
    let left = rect.center().x - galley.size().x / 2.0 - 12.0;
    ui.painter().text(
        pos2(left, rect.center().y),
        Align2::LEFT_CENTER,
        glyph,
        FontId::new(17.0, theme::icons()),
        color,
    );
    ui.painter().galley(
        pos2(left + 24.0, rect.center().y - galley.size().y / 2.0),
        galley,
        color,
    );
    response.on_hover_ui(|ui| tooltip(ui, text, key))
}

/// A heading of a section in the side column.
pub(crate) fn section(ui: &mut Ui, title: &str) {
    ui.add_space(4.0);
    ui.label(theme::heading(title));
    ui.add_space(2.0);
}

/// A thin line across the panel.
pub(crate) fn divider(ui: &mut Ui) {
    let p = palette(ui.visuals());
    ui.add_space(8.0);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 1.0), Sense::hover());
    ui.painter().rect_filled(rect, 0.0, p.line);
    ui.add_space(6.0);
}

/// A label on the left, its control right-aligned in a column of fixed width.
pub(crate) fn row<R>(ui: &mut Ui, label: &str, add: impl FnOnce(&mut Ui, egui::Id) -> R) -> R {
    let p = palette(ui.visuals());
    ui.horizontal(|ui| {
        ui.set_min_height(CONTROL_HEIGHT);
        let label = ui.label(RichText::new(label).color(p.dim));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| add(ui, label.id))
            .inner
    })
    .inner
}

/// A slider with its number beside it, in a row of the side column; numbers of all rows align.
pub(crate) fn slider<N: egui::emath::Numeric>(
    ui: &mut Ui,
    label: egui::Id,
    value: &mut N,
    range: std::ops::RangeInclusive<N>,
    decimals: usize,
    logarithmic: bool,
) -> Response {
    let speed = if decimals == 0 { 0.1 } else { 0.01 };
    ui.add_sized(
        [48.0, CONTROL_HEIGHT],
        egui::DragValue::new(value)
            .range(range.clone())
            .speed(speed)
            .fixed_decimals(decimals),
    )
    .labelled_by(label);
    // The handle takes its size from the height of controls: smaller than a button's.
    ui.spacing_mut().interact_size.y = 17.0;
    ui.spacing_mut().slider_width = 112.0;
    ui.add(
        egui::Slider::new(value, range)
            .show_value(false)
            .logarithmic(logarithmic),
    )
    .labelled_by(label)
}

/// A number as short as it can be told: `12`, `12.5`.
pub(crate) fn short(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    if rounded.fract() == 0.0 {
        format!("{rounded:.0}")
    } else {
        format!("{rounded:.1}")
    }
}

/// A number with its unit on a line of its own; `reason` says why it is absent.
pub(crate) fn value_row(
    ui: &mut Ui,
    label: &str,
    value: Option<String>,
    unit: &str,
    reason: &str,
) -> Response {
    let p = palette(ui.visuals());
    ui.horizontal(|ui| {
        ui.set_min_height(22.0);
        ui.label(RichText::new(label).color(p.dim));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| match value {
            Some(value) => {
                if !unit.is_empty() {
                    ui.label(RichText::new(unit).size(11.5).color(p.dim));
                }
                ui.label(value);
            }
            None => {
                ui.label(RichText::new("–").color(p.dim))
                    .on_hover_text(reason);
            }
        });
    })
    .response
}

/// A choice among a few, side by side.
pub(crate) fn segmented<T: Copy + PartialEq>(
    ui: &mut Ui,
    name: &str,
    current: T,
    choices: &[(T, &str, &str)],
) -> Option<T> {
    let p = palette(ui.visuals());
    let (rect, _) = ui.allocate_exact_size(
        vec2(ui.available_width(), CONTROL_HEIGHT + 2.0),
        Sense::hover(),
    );
    ui.painter()
        .rect_filled(rect, CornerRadius::same(6), p.control);
    let mut chosen = None;
    let width = rect.width() / choices.len() as f32;
    for (n, (value, title, explanation)) in choices.iter().enumerate() {
        let cell = Rect::from_min_size(
            pos2(rect.left() + width * n as f32, rect.top()),
            vec2(width, rect.height()),
        );
        let id = ui.scope_id().with((name, *title));
        let response = ui.interact(cell, id, Sense::click());
        let on = *value == current;
        response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, on, *title));
        if on {
            ui.painter()
                .rect_filled(cell.shrink(2.0), CornerRadius::same(5), p.selected);
        } else if response.hovered() {
            ui.painter()
                .rect_filled(cell.shrink(2.0), CornerRadius::same(5), p.hovered);
        }
        if response.has_focus() {
            ui.painter().rect_stroke(
                cell.shrink(2.0),
                CornerRadius::same(5),
                Stroke::new(1.0, p.accent),
                StrokeKind::Inside,
            );
        }
        let color = if on { p.text } else { p.dim };
        ui.painter().text(
            cell.center(),
            Align2::CENTER_CENTER,
            *title,
            FontId::proportional(13.0),
            color,
        );
        let response = if explanation.is_empty() {
            response
        } else {
            response.on_hover_text(*explanation)
        };
        if response.clicked() {
            chosen = Some(*value);
        }
    }
    chosen
}

/// A switch; returns the new state when it was pressed.
pub(crate) fn switch(ui: &mut Ui, name: &str, on: bool) -> Option<bool> {
    let p = palette(ui.visuals());
    let (rect, response) = ui.allocate_exact_size(vec2(34.0, 20.0), Sense::click());
    let enabled = ui.is_enabled();
    response.widget_info(|| WidgetInfo::selected(Role::Switch, enabled, on, name));
    let how = ui.ctx().animate_bool(response.id, on);
    let fill = p.hovered.lerp_to_gamma(p.accent, how);
    ui.painter().rect_filled(rect, CornerRadius::same(10), fill);
    if response.has_focus() {
        ui.painter().rect_stroke(
            rect.expand(2.0),
            CornerRadius::same(12),
            Stroke::new(1.0, p.accent),
            StrokeKind::Inside,
        );
    }
    let x = egui::lerp(rect.left() + 10.0..=rect.right() - 10.0, how);
    ui.painter()
        .circle_filled(pos2(x, rect.center().y), 7.0, p.on_accent);
    response.clicked().then_some(!on)
}

/// A little curve of past values.
pub(crate) fn sparkline(ui: &mut Ui, name: &str, values: &[f64], width: f32, color: Color32) {
    let (rect, response) = ui.allocate_exact_size(vec2(width, 22.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, name));
    if values.len() < 2 {
        return;
    }
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let span = (high - low).max(1e-12);
    let points: Vec<_> = values
        .iter()
        .enumerate()
        .map(|(n, value)| {
            let x = rect.left() + rect.width() * n as f32 / (values.len() - 1) as f32;
            let y = rect.bottom() - 3.0 - (rect.height() - 6.0) * ((value - low) / span) as f32;
            pos2(x, y)
        })
        .collect();
    let last = points.last().copied();
    ui.painter()
        .add(egui::Shape::line(points, Stroke::new(1.5, color)));
    if let Some(last) = last {
        ui.painter().circle_filled(last, 2.5, color);
    }
}

/// A coloured word in a rounded outline: SYNTHETIC.
pub(crate) fn badge(ui: &mut Ui, glyph: &str, text: &str, color: Color32) -> Response {
    let font = FontId::new(11.5, theme::strong());
    let galley = ui.painter().layout_no_wrap(text.to_owned(), font, color);
    let size = vec2(galley.size().x + 32.0, 22.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, text));
    ui.painter().rect(
        rect,
        CornerRadius::same(11),
        color.gamma_multiply(0.14),
        Stroke::new(1.0, color.gamma_multiply(0.7)),
        StrokeKind::Inside,
    );
    ui.painter().text(
        pos2(rect.left() + 9.0, rect.center().y),
        Align2::LEFT_CENTER,
        glyph,
        FontId::new(13.0, theme::icons()),
        color,
    );
    ui.painter().galley(
        pos2(rect.left() + 24.0, rect.center().y - galley.size().y / 2.0),
        galley,
        color,
    );
    response
}
