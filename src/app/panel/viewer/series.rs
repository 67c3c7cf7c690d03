//! The list of series: a picture, a name and a number of images each; a press brings one onto the stage.

use egui::accesskit::Role;
use egui::{
    Align2, Color32, FontId, Rect, ScrollArea, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2,
    vec2,
};

use crate::app::action::{Action, FrameChange};
use crate::app::logic::frames::Listed;
use crate::app::panel::Shown;
use crate::app::theme::palette;

/// Width of the list, points.
pub(crate) const WIDTH: f32 = 132.0;
/// Height of one entry, points.
const HEIGHT: f32 = 132.0;

/// Whether there is anything to list.
pub(crate) fn is_shown(shown: &Shown<'_>) -> bool {
    let several = |stack: &crate::app::logic::frames::Stack| stack.series().len() > 1;
    shown.settings.series_list && shown.session.stack.as_ref().is_some_and(several)
}

/// The whole list.
pub(crate) fn list_ui(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let Some(stack) = &shown.session.stack else {
        return;
    };
    let count = stack.series().len();
    // Only the entries in sight are laid out: a folder may hold thousands.
    ScrollArea::vertical()
        .auto_shrink([false, false])
        .show_rows(ui, HEIGHT, count, |ui, rows| {
            for index in rows {
                if let Some(listed) = stack.series().get(index) {
                    let on = stack.shown() == index;
                    if entry_ui(ui, shown, index, listed, on) {
                        actions.push(Action::Frame(FrameChange::ToSeries(index)));
                    }
                }
            }
        });
}

fn entry_ui(ui: &mut Ui, shown: &Shown<'_>, index: usize, listed: &Listed, on: bool) -> bool {
    let p = palette(ui.visuals());
    let size = vec2(ui.available_width(), HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let entry = &listed.entry;
    let title = shown.names().series(index, &entry.title);
    let frames = entry.file.frames();
    let facts = match (entry.modality.as_str(), frames) {
        ("", 1) => String::new(),
        (modality, 1) => modality.to_owned(),
        ("", n) => format!("{n} images"),
        (modality, n) => format!("{modality} · {n} images"),
    };
    let name = format!("Series {}: {title} {facts}", index + 1);
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, on, name.trim()));
    if !ui.is_rect_visible(rect) {
        return response.clicked();
    }
    let inner = rect.shrink(3.0);
    let fill = if on {
        p.selected
    } else if response.hovered() {
        p.hovered
    } else {
        Color32::TRANSPARENT
    };
    let painter = ui.painter_at(rect);
    painter.rect_filled(inner, 5.0, fill);
    if on || response.has_focus() {
        let stroke = Stroke::new(1.5, p.accent);
        painter.rect_stroke(inner, 5.0, stroke, StrokeKind::Inside);
    }
    let room = Rect::from_min_max(
        inner.min + vec2(4.0, 4.0),
        pos2(inner.right() - 4.0, inner.bottom() - 36.0),
    );
    painter.rect_filled(room, 2.0, Color32::BLACK);
    if let Some(picture) = &listed.picture {
        let [w, h] = picture.size().map(|side| side.max(1) as f32);
        let scale = (room.width() / w).min(room.height() / h);
        let place = Rect::from_center_size(room.center(), vec2(w, h) * scale);
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        painter.image(picture.id(), place, whole, Color32::WHITE);
    } else {
        let text = if listed.unreadable.is_some() {
            "cannot be read"
        } else {
            "…"
        };
        let font = FontId::proportional(11.5);
        painter.text(room.center(), Align2::CENTER_CENTER, text, font, p.dim);
    }
    let at = |y: f32| pos2(room.left(), room.bottom() + y);
    let font = FontId::proportional(12.0);
    painter.text(
        at(3.0),
        Align2::LEFT_TOP,
        cut(&painter, &title, room.width()),
        font,
        p.text,
    );
    let font = FontId::proportional(11.0);
    painter.text(
        at(18.0),
        Align2::LEFT_TOP,
        cut(&painter, &facts, room.width()),
        font,
        p.dim,
    );
    let response = match &listed.unreadable {
        Some(why) => response.on_hover_text(shown.names().written(why)),
        None => response.on_hover_text(format!("{title}\n{facts}")),
    };
    response.clicked()
}

/// As much of a text as fits.
fn cut(painter: &egui::Painter, text: &str, width: f32) -> String {
    let fits = |text: &str| {
        let font = FontId::proportional(12.0);
        let galley = painter.layout_no_wrap(text.to_owned(), font, Color32::WHITE);
        galley.size().x <= width
    };
    if text.chars().count() <= 64 && fits(text) {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(64).collect();
    while !kept.is_empty() && !fits(&format!("{kept}…")) {
        kept.pop();
    }
    format!("{kept}…")
}
