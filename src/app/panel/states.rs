//! What stands where the images are when there is none: empty, loading, failed.

use egui::accesskit::Role;
use egui::{
    Align, Align2, Button, Color32, CornerRadius, FontId, Layout, Rect, RichText, Sense, Stroke,
    StrokeKind, Ui, WidgetInfo, pos2, vec2,
};

use super::Shown;
use super::widgets::{fitted, primary_button};
use crate::app::action::Action;
use crate::app::recent::Recent;
use crate::app::theme::{self, glyph, palette};
use crate::job::Error;
use crate::radiograph::Preview;

/// Nothing is open: one drop area, unsaved work, recent files, bundled cases.
pub(crate) fn empty_ui(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let width = (ui.available_width() - 64.0).min(720.0);
    let height = ui.available_height();
    egui::ScrollArea::vertical().show(ui, |ui| {
        ui.vertical_centered(|ui| {
            ui.set_max_width(width);
            ui.add_space(((height - 560.0) * 0.4).clamp(20.0, 160.0));
            for folder in &shown.session.restorable {
                restore_card(ui, folder, actions);
                ui.add_space(12.0);
            }
            if shown.demo {
                ui.label(RichText::new("One moment…").font(FontId::new(16.0, theme::strong())));
            } else {
                drop_area(ui, shown, actions);
            }
            ui.add_space(20.0);
            cases(ui, shown, actions);
            recent(ui, shown, actions);
            ui.add_space(20.0);
            let p = palette(ui.visuals());
            ui.label(
                RichText::new(format!(
                    "{}  Everything stays on this computer.",
                    glyph::LOCK
                ))
                .color(p.dim),
            );
        });
    });
}

fn restore_card(ui: &mut Ui, folder: &std::path::Path, actions: &mut Vec<Action>) {
    let p = palette(ui.visuals());
    egui::Frame::new()
        .fill(p.selected)
        .corner_radius(8)
        .inner_margin(egui::Margin::symmetric(14, 10))
        .show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.label(theme::icon(glyph::RESTORE, 18.0));
                ui.label("There is unsaved work from last time.");
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if ui.button("Restore").clicked() {
                        actions.push(Action::Restore(folder.to_owned()));
                    }
                    if ui.add(Button::new("Discard").frame(false)).clicked() {
                        actions.push(Action::Discard(folder.to_owned()));
                    }
                });
            });
        });
}

fn drop_area(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let p = palette(ui.visuals());
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), 190.0), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, "Open a radiograph"));
    let over = ui.input(|input| !input.raw.hovered_files.is_empty());
    let bright = over || response.hovered() || response.has_focus();
    let color = if bright { p.sketch } else { p.line };
    ui.painter()
        .rect_filled(rect, CornerRadius::same(10), p.panel);
    dashed(ui, rect.shrink(1.0), color);
    let center = rect.center();
    let painter = ui.painter();
    painter.text(
        center - vec2(0.0, 34.0),
        Align2::CENTER_CENTER,
        glyph::DROP,
        FontId::new(40.0, theme::icons()),
        if bright { p.sketch } else { p.dim },
    );
    painter.text(
        center + vec2(0.0, 14.0),
        Align2::CENTER_CENTER,
        "Open a radiograph, or drop a file or folder",
        FontId::new(16.0, theme::strong()),
        p.text,
    );
    painter.text(
        center + vec2(0.0, 40.0),
        Align2::CENTER_CENTER,
        format!(
            "DICOM, PNG, TIFF, JPEG, NIfTI, NRRD, ZIP   ·   {}",
            shown.keys.label("open")
        ),
        FontId::proportional(13.0),
        p.dim,
    );
    if response.clicked() {
        actions.push(Action::OpenDialog);
    }
}

fn dashed(ui: &Ui, rect: Rect, color: Color32) {
    let corners = [
        rect.left_top(),
        rect.right_top(),
        rect.right_bottom(),
        rect.left_bottom(),
        rect.left_top(),
    ];
    let shapes = egui::Shape::dashed_line(&corners, Stroke::new(1.5, color), 6.0, 5.0);
    ui.painter().extend(shapes);
}

/// Between two pictures of cases, points.
const GAP: f32 = 12.0;
/// A picture of a case is at least so wide, points.
const LEAST_CARD: f32 = 130.0;

fn cases(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    if shown.cases.is_empty() {
        return;
    }
    let p = palette(ui.visuals());
    ui.with_layout(Layout::top_down(Align::Min), |ui| {
        ui.label(theme::heading("Cases"));
        ui.add_space(2.0);
        // Rows end where the drop area ends.
        let room = ui.available_width() + GAP;
        let across = ((room / (LEAST_CARD + GAP)) as usize).clamp(1, shown.cases.len());
        // A hair less, so that rounding never sends the last one to the next row.
        let width = (room / across as f32 - GAP - 0.01).min(168.0);
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = vec2(GAP, GAP);
            for (n, case) in shown.cases.iter().enumerate() {
                let (rect, response) = ui.allocate_exact_size(vec2(width, 150.0), Sense::click());
                response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &case.title));
                let bright = response.hovered() || response.has_focus();
                let fill = if bright { p.hovered } else { p.panel };
                ui.painter().rect(
                    rect,
                    CornerRadius::same(8),
                    fill,
                    Stroke::new(
                        1.0,
                        if response.has_focus() {
                            p.accent
                        } else {
                            p.line
                        },
                    ),
                    StrokeKind::Inside,
                );
                let frame = Rect::from_min_max(
                    rect.min + vec2(8.0, 8.0),
                    pos2(rect.right() - 8.0, rect.bottom() - 32.0),
                );
                if let Some(texture) = &case.picture {
                    let size = texture.size_vec2();
                    let scale = (frame.width() / size.x).min(frame.height() / size.y);
                    let at = Align2::CENTER_CENTER.align_size_within_rect(size * scale, frame);
                    egui::Image::new(texture).corner_radius(4).paint_at(ui, at);
                }
                ui.painter().text(
                    pos2(rect.center().x, rect.bottom() - 17.0),
                    Align2::CENTER_CENTER,
                    &case.title,
                    FontId::proportional(13.0),
                    p.text,
                );
                if response.on_hover_text(&case.description).clicked() {
                    actions.push(Action::OpenCase(n));
                }
            }
        });
        ui.add_space(14.0);
    });
}

fn recent(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    if shown.settings.recent.is_empty() || shown.demo {
        return;
    }
    ui.with_layout(Layout::top_down(Align::Min), |ui| {
        ui.label(theme::heading("Recent"));
        for (number, recent) in shown.settings.recent.iter().take(5).enumerate() {
            if recent_ui(ui, shown, number, recent) {
                actions.push(Action::Open(recent.path.clone()));
            }
        }
    });
}

/// Height of a file opened last, points.
const RECENT: f32 = 46.0;

/// A file opened last: its picture, its name or what tells it apart without one, and when; whether it was pressed.
fn recent_ui(ui: &mut Ui, shown: &Shown<'_>, number: usize, recent: &Recent) -> bool {
    let p = palette(ui.visuals());
    let names = shown.names();
    let name = names.recent(recent, number);
    let seen = recent.seen.as_ref().map(crate::app::recent::Glimpse::words);
    let when = recent.when(crate::app::recent::now());
    // Where the name is hidden, what was seen stands in its place.
    let mut below: Vec<String> = seen.filter(|words| *words != name).into_iter().collect();
    below.extend((!when.is_empty()).then(|| format!("opened {when}")));
    let below = below.join(" · ");
    let size = vec2(ui.available_width(), RECENT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let label = format!("{name}, {below}");
    let label = label.trim_end_matches(", ");
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, label));
    let painter = ui.painter_at(rect);
    if response.hovered() || response.has_focus() {
        painter.rect_filled(rect, 6.0, p.hovered);
    }
    if response.has_focus() {
        let stroke = Stroke::new(1.0, p.accent);
        painter.rect_stroke(rect, 6.0, stroke, StrokeKind::Inside);
    }
    let room = Rect::from_min_size(rect.min + vec2(4.0, 3.0), vec2(40.0, 40.0));
    if let Some(texture) = crate::app::recent::texture(ui.ctx(), recent) {
        painter.rect_filled(room, 3.0, Color32::BLACK);
        fitted(&painter, &texture, room);
    } else {
        let font = FontId::new(18.0, theme::icons());
        painter.text(
            room.center(),
            Align2::CENTER_CENTER,
            glyph::CLOCK,
            font,
            p.dim,
        );
    }
    let left = room.right() + 10.0;
    let two = !below.is_empty();
    let y = rect.center().y - if two { 9.0 } else { 0.0 };
    let font = FontId::proportional(13.5);
    painter.text(pos2(left, y), Align2::LEFT_CENTER, &name, font, p.text);
    let at = pos2(left, rect.center().y + 10.0);
    let font = FontId::proportional(12.0);
    painter.text(at, Align2::LEFT_CENTER, below, font, p.dim);
    let folder = recent.path.parent().map(|folder| names.place(folder));
    let folder = folder.unwrap_or_default();
    if folder.is_empty() {
        response.clicked()
    } else {
        response.on_hover_text(folder).clicked()
    }
}

/// A file is being read: its name and size at once. A bundled case has a name of its own.
pub(crate) fn loading_ui(
    ui: &mut Ui,
    shown: &Shown<'_>,
    path: &std::path::Path,
    bytes: Option<u64>,
) {
    let p = palette(ui.visuals());
    let case = shown.cases.iter().find(|case| case.folder == path);
    let name = case.map_or_else(|| shown.names().file(path, 0), |case| case.title.clone());
    ui.vertical_centered(|ui| {
        ui.add_space(ui.available_height() * 0.4);
        ui.label(RichText::new(name).font(FontId::new(16.0, theme::strong())));
        let size = bytes.map_or_else(String::new, |bytes| {
            format!(" {:.1} MB", bytes as f64 / 1.0e6)
        });
        ui.label(RichText::new(format!("Reading{size}…")).color(p.dim));
    });
}

/// A picture of a file that is still being read: to be looked at, with no tool at hand.
pub(crate) fn preview_ui(
    ui: &mut Ui,
    shown: &Shown<'_>,
    path: &std::path::Path,
    preview: &Preview,
    picture: &egui::TextureHandle,
) {
    let p = palette(ui.visuals());
    let (rect, response) = ui.allocate_exact_size(ui.available_size(), Sense::hover());
    let (width, height) = preview.size;
    let text = format!(
        "Preview of {} · {width} × {height}: the whole image is being read",
        shown.names().file(path, 0)
    );
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &text));
    // As tall as the image will stand there itself.
    let whole = vec2(width as f32, height as f32 * preview.pixel_ratio as f32);
    let place = rect.shrink2(vec2(16.0, 44.0));
    let scale = (place.width() / whole.x)
        .min(place.height() / whole.y)
        .max(0.0);
    let drawn = Rect::from_center_size(place.center(), whole * scale);
    let all = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    ui.painter().image(picture.id(), drawn, all, Color32::WHITE);
    let above = rect.center_top() + vec2(0.0, 22.0);
    let font = FontId::new(14.0, theme::strong());
    ui.painter()
        .text(above, Align2::CENTER_CENTER, text, font.clone(), p.text);
    if preview.synthetic {
        let below = rect.center_bottom() - vec2(0.0, 22.0);
        let mark = "SYNTHETIC · not for diagnosis";
        ui.painter()
            .text(below, Align2::CENTER_CENTER, mark, font, p.synthetic);
    }
}

/// A file could not be read: what, where, what to do.
pub(crate) fn failed_ui(ui: &mut Ui, shown: &Shown<'_>, error: &Error, actions: &mut Vec<Action>) {
    let p = palette(ui.visuals());
    ui.vertical_centered(|ui| {
        ui.set_max_width(460.0);
        ui.add_space(ui.available_height() * 0.28);
        ui.label(theme::icon(glyph::WARNING, 36.0).color(p.wrong));
        ui.add_space(8.0);
        ui.label(
            RichText::new(super::sentence(&error.what)).font(FontId::new(16.0, theme::strong())),
        );
        if let Some(path) = &error.path {
            ui.label(RichText::new(shown.names().path(path)).color(p.dim));
        }
        if !error.remedy.is_empty() {
            ui.add_space(4.0);
            ui.label(format!("{}.", super::sentence(&error.remedy)));
        }
        ui.add_space(14.0);
        ui.allocate_ui(vec2(240.0, 34.0), |ui| {
            if shown.demo {
                let key = shown.keys.label("demo");
                if primary_button(ui, glyph::RESTORE, "Start again", &key).clicked() {
                    actions.push(Action::ResetDemo);
                }
            } else if primary_button(
                ui,
                glyph::OPEN,
                "Open another file",
                &shown.keys.label("open"),
            )
            .clicked()
            {
                actions.push(Action::OpenDialog);
            }
        });
        ui.add_space(2.0);
        ui.horizontal(|ui| {
            ui.add_space((ui.available_width() - 200.0) / 2.0);
            let copy = format!("{}  Copy details", glyph::COPY);
            if ui.add(Button::new(copy).frame(false)).clicked() {
                actions.push(Action::Copy(format!("{error:#?}")));
            }
            if !shown.demo && ui.add(Button::new("Back").frame(false)).clicked() {
                actions.push(Action::CloseCase);
            }
        });
    });
}
