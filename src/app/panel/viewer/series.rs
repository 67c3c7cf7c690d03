//! The list of series: studies with their date and description, below each its series with a picture, a name and a number
//! of images; a press brings a series onto the stage, one on a study folds its series away.

use std::sync::Arc;

use egui::accesskit::Role;
use egui::{
    Align2, Color32, FontId, Painter, Rect, Response, ScrollArea, Sense, Stroke, StrokeKind, Ui,
    WidgetInfo, pos2, vec2,
};

use crate::app::action::{Action, FrameChange};
use crate::app::files::StudyEntry;
use crate::app::logic::frames::{Listed, Stack};
use crate::app::panel::Shown;
use crate::app::panel::widgets::fitted;
use crate::app::theme::{self, glyph, palette};

/// Width of the list, points.
pub(crate) const WIDTH: f32 = 148.0;
/// Height of a series, points.
const HEIGHT: f32 = 132.0;
/// Height of one line of what stands over a study, points.
const LINE: f32 = 16.0;

/// Whether there is anything to list.
pub(crate) fn is_shown(shown: &Shown<'_>) -> bool {
    let several = |stack: &Stack| stack.series().len() > 1;
    shown.settings.series_list && shown.session.stack.as_ref().is_some_and(several)
}

/// What stands over a study, and where it and its series lie, points from the top of the list.
struct Part {
    lines: Vec<String>,
    top: f32,
    below_head: f32,
    /// Series that are not folded away.
    rows: usize,
    bottom: f32,
}

/// The parts of the list from top to bottom: found by arithmetic, so that thousands of series cost nothing.
fn parts(shown: &Shown<'_>, stack: &Stack) -> Vec<Part> {
    // Pictures that belong to no study need nothing over them.
    let heads = stack.studies().iter().any(|study| study.known);
    let patients =
        (stack.studies().windows(2)).any(|two| two[0].heading.patient != two[1].heading.patient);
    let mut top = 0.0;
    let part = |(number, study): (usize, &StudyEntry)| {
        let [patient, title, description] = shown.names().study(number, study);
        let mut lines = Vec::new();
        if heads {
            lines.push(title);
            // Where all is of one person, the corner of the image says who it is.
            lines.extend((patients && !patient.is_empty()).then_some(patient));
            lines.extend((!description.is_empty()).then_some(description));
            lines.push(facts_of(study));
        }
        let head = if heads {
            LINE * lines.len() as f32 + 10.0
        } else {
            0.0
        };
        let rows = if heads && stack.is_folded(number) {
            0
        } else {
            study.count
        };
        let below_head = top + head;
        let bottom = below_head + HEIGHT * rows as f32;
        let part = Part {
            lines,
            top,
            below_head,
            rows,
            bottom,
        };
        top = bottom;
        part
    };
    stack.studies().iter().enumerate().map(part).collect()
}

fn facts_of(study: &StudyEntry) -> String {
    let count = format!("{} series", study.count);
    match study.modalities.as_slice() {
        [] => count,
        some => format!("{} · {count}", some.join(" ")),
    }
}

/// The whole list.
pub(crate) fn list_ui(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let Some(stack) = &shown.session.stack else {
        return;
    };
    let parts = parts(shown, stack);
    let height = parts.last().map_or(0.0, |part| part.bottom);
    let area = ScrollArea::vertical().auto_shrink([false, false]);
    area.show_viewport(ui, |ui, seen| {
        ui.set_min_height(height);
        let (left, right) = (ui.max_rect().left(), ui.max_rect().right());
        let origin = ui.max_rect().top();
        let place = |top: f32, bottom: f32| {
            Rect::from_min_max(pos2(left, origin + top), pos2(right, origin + bottom))
        };
        follow(ui, stack, &parts, place);
        // Only what is in sight is laid out: a folder may hold thousands.
        for (number, (part, study)) in parts.iter().zip(stack.studies()).enumerate() {
            if part.bottom < seen.top() || part.top > seen.bottom() {
                continue;
            }
            if part.below_head > part.top {
                let rect = place(part.top, part.below_head);
                if study_ui(ui, rect, (number, study), stack, part) {
                    actions.push(Action::FoldStudy(number));
                }
            }
            let row = |y: f32| ((y - part.below_head) / HEIGHT).max(0.0);
            let first = row(seen.top()).floor() as usize;
            let last = (row(seen.bottom()).ceil() as usize).min(part.rows);
            for index in first..last {
                let top = part.below_head + HEIGHT * index as f32;
                let series = study.first + index;
                let Some(listed) = stack.series().get(series) else {
                    break;
                };
                let on = stack.shown() == series;
                let rect = place(top, top + HEIGHT);
                if entry_ui(ui, rect, shown, (series, listed), on) {
                    actions.push(Action::Frame(FrameChange::ToSeries(series)));
                }
            }
        }
    });
}

/// Brings the series on the stage into sight when it has become another one.
fn follow(ui: &Ui, stack: &Stack, parts: &[Part], place: impl Fn(f32, f32) -> Rect) {
    let id = egui::Id::unique("series followed");
    // The series itself: that of another folder may have the same number.
    let now = (stack.series().get(stack.shown())).map(|s| Arc::as_ptr(&s.entry.file) as usize);
    let before = ui.data_mut(|data| {
        let kept = data.get_temp_mut_or_default::<Option<usize>>(id);
        std::mem::replace(kept, now)
    });
    if before == now {
        return;
    }
    let studies = stack.studies().iter().zip(parts);
    if let Some((study, part)) = studies.into_iter().find(|(s, _)| s.holds(stack.shown())) {
        let top = part.below_head + HEIGHT * (stack.shown() - study.first) as f32;
        let rect = if part.rows > 0 {
            place(top, top + HEIGHT)
        } else {
            place(part.top, part.below_head)
        };
        ui.scroll_to_rect(rect, None);
    }
}

/// What lies behind an entry, by what a hand or the stage makes of it.
fn ground(ui: &Ui, painter: &Painter, inner: Rect, response: &Response, on: bool) {
    let p = palette(ui.visuals());
    let fill = if on {
        p.selected
    } else if response.hovered() {
        p.hovered
    } else {
        Color32::TRANSPARENT
    };
    painter.rect_filled(inner, 5.0, fill);
    if on || response.has_focus() {
        let stroke = Stroke::new(1.5, p.accent);
        painter.rect_stroke(inner, 5.0, stroke, StrokeKind::Inside);
    }
}

/// What stands over the series of a study; whether it was pressed.
fn study_ui(
    ui: &Ui,
    rect: Rect,
    (number, study): (usize, &StudyEntry),
    stack: &Stack,
    part: &Part,
) -> bool {
    let p = palette(ui.visuals());
    let id = ui.scope_id().with(("study", number));
    let response = ui.interact(rect, id, Sense::click());
    let folded = stack.is_folded(number);
    let state = if folded { "folded" } else { "open" };
    let name = format!("Study, {state}: {}", part.lines.join(", "));
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, !folded, name.as_str()));
    let painter = ui.painter_at(rect);
    let inner = rect.shrink2(vec2(3.0, 1.0));
    let holds = folded && study.holds(stack.shown());
    ground(ui, &painter, inner, &response, holds);
    painter.hline(inner.x_range(), rect.top(), Stroke::new(1.0, p.line));
    let caret = if folded {
        glyph::CARET_RIGHT
    } else {
        glyph::CARET_DOWN
    };
    let left = inner.left() + 4.0;
    let mut y = rect.top() + 5.0;
    let font = FontId::new(11.0, theme::icons());
    painter.text(pos2(left, y + 2.0), Align2::LEFT_TOP, caret, font, p.dim);
    for (index, line) in part.lines.iter().enumerate() {
        let (font, color) = if index == 0 {
            (FontId::new(12.5, theme::strong()), p.text)
        } else {
            (FontId::proportional(11.0), p.dim)
        };
        let at = pos2(left + 15.0, y);
        let text = cut(&painter, line, &font, inner.right() - 4.0 - at.x);
        painter.text(at, Align2::LEFT_TOP, text, font, color);
        y += LINE;
    }
    let what = if folded { "Show" } else { "Fold away" };
    let response = response.on_hover_text(format!("{}\n{what} its series", part.lines.join("\n")));
    response.clicked()
}

/// One series; whether it was pressed.
fn entry_ui(
    ui: &Ui,
    rect: Rect,
    shown: &Shown<'_>,
    (index, listed): (usize, &Listed),
    on: bool,
) -> bool {
    let p = palette(ui.visuals());
    let id = ui.scope_id().with(("series", index));
    let response = ui.interact(rect, id, Sense::click());
    let entry = &listed.entry;
    // The number that stands on its picture, where there is one.
    let number = entry.number.unwrap_or(index as i64 + 1);
    let title = shown.names().series(number, &entry.title);
    let images = match entry.file.frames() {
        1 => "1 image".to_owned(),
        n => format!("{n} images"),
    };
    let facts = match entry.modality.as_str() {
        "" => images,
        modality => format!("{modality} · {images}"),
    };
    let name = format!("Series {}: {title} {facts}", index + 1);
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, on, name.as_str()));
    let inner = rect.shrink(3.0);
    let painter = ui.painter_at(rect);
    ground(ui, &painter, inner, &response, on);
    let room = Rect::from_min_max(
        inner.min + vec2(4.0, 4.0),
        pos2(inner.right() - 4.0, inner.bottom() - 36.0),
    );
    picture_ui(ui, &painter, room, listed);
    if let Some(number) = entry.number {
        let font = FontId::proportional(11.0);
        let galley = painter.layout_no_wrap(number.to_string(), font, p.text);
        let at = room.min + vec2(4.0, 2.0);
        let back = Rect::from_min_size(at, galley.size()).expand2(vec2(3.0, 0.0));
        painter.rect_filled(back, 2.0, p.panel.gamma_multiply(0.8));
        painter.galley(at, galley, p.text);
    }
    let lines = [
        (3.0, &title, FontId::proportional(12.0), p.text),
        (18.0, &facts, FontId::proportional(11.0), p.dim),
    ];
    for (y, text, font, color) in lines {
        let at = pos2(room.left(), room.bottom() + y);
        let text = cut(&painter, text, &font, room.width());
        painter.text(at, Align2::LEFT_TOP, text, font, color);
    }
    let response = match &listed.unreadable {
        Some(why) => response.on_hover_text(shown.names().written(why)),
        None => response.on_hover_text(format!("{title}\n{facts}")),
    };
    response.clicked()
}

/// The picture of a series in its room, or why there is none.
fn picture_ui(ui: &Ui, painter: &Painter, room: Rect, listed: &Listed) {
    painter.rect_filled(room, 2.0, Color32::BLACK);
    if let Some(picture) = &listed.picture {
        fitted(painter, picture, room);
        return;
    }
    let text = if listed.unreadable.is_some() {
        "cannot be read"
    } else {
        "…"
    };
    let font = FontId::proportional(11.5);
    let color = palette(ui.visuals()).dim;
    painter.text(room.center(), Align2::CENTER_CENTER, text, font, color);
}

/// As much of a text as fits.
fn cut(painter: &Painter, text: &str, font: &FontId, width: f32) -> String {
    let fits = |text: &str| {
        let galley = painter.layout_no_wrap(text.to_owned(), font.clone(), Color32::WHITE);
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
