//! The results tray: what was made, each with its numbers, to be shown, accepted or rejected.

use egui::accesskit::Role;
use egui::{
    Align, Align2, Color32, CornerRadius, FontId, Layout, Rect, RichText, ScrollArea, Sense,
    Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};

use super::Shown;
use super::widgets::icon_button;
use crate::app::action::Action;
use crate::app::canvas::VeilKind;
use crate::app::keys;
use crate::app::session::{SortBy, Staged};
use crate::app::theme::{glyph, palette};
use crate::landmarks::Side;
use crate::measure::norberg::norberg_degrees;

/// Side of a thumbnail, points.
const PICTURE: f32 = 92.0;

/// What can be done with the result that is shown, at the right of the tray's title.
pub(crate) fn buttons_ui(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    ui.add_space(6.0);
    ui.spacing_mut().item_spacing.x = 2.0;
    let any = shown.session.shown().is_some();
    ui.add_enabled_ui(any, |ui| {
        let veil = shown.session.veil.kind;
        for (id, icon, selected) in [
            ("reject", glyph::REJECT, false),
            ("accept", glyph::ACCEPT, false),
            ("settings", glyph::RECIPE, false),
            ("variations", glyph::SEED, false),
            ("spread", glyph::CIRCLE, veil == Some(VeilKind::Spread)),
            (
                "difference",
                glyph::INVERT,
                veil == Some(VeilKind::Difference),
            ),
            ("before-after", glyph::COMPARE, shown.session.before),
        ] {
            let Some(command) = keys::find(id) else {
                continue;
            };
            let key = shown.keys.label(id);
            if icon_button(ui, icon, command.title, &key, selected, 26.0).clicked() {
                actions.push((command.action)());
            }
        }
    });
    ui.add_space(8.0);
    lists_ui(ui, shown, actions);
}

/// The settings of an accepted result, the order, and what was rejected.
fn lists_ui(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let tray = &shown.session.tray;
    let small = |text: String| RichText::new(text).size(12.0);
    let accepted = shown
        .session
        .open()
        .map_or(0, |open| open.document().accepted.len());
    if shown.session.shown().is_none() && accepted > 0 {
        let text = "The settings, lines and mask of the result that was accepted last";
        let button = egui::Button::new(small("Accepted settings".to_owned())).frame(false);
        if ui.add(button).on_hover_text(text).clicked() {
            actions.push(Action::TakeSettings(None));
        }
    }
    if !tray.items.is_empty() {
        let way = if tray.reversed { ", reversed" } else { "" };
        let text = format!("By {}{way}", tray.sort.title().to_lowercase());
        ui.menu_button(small(text), |ui| {
            for by in SortBy::ALL {
                if ui.selectable_label(tray.sort == by, by.title()).clicked() {
                    actions.push(Action::SortTray(by, tray.reversed));
                    ui.close();
                }
            }
            ui.separator();
            if ui.selectable_label(tray.reversed, "Reversed").clicked() {
                actions.push(Action::SortTray(tray.sort, !tray.reversed));
                ui.close();
            }
        });
    }
    if !tray.rejected.is_empty() {
        let text = format!("Rejected {}", tray.rejected.len());
        ui.menu_button(small(text), |ui| {
            for item in tray.rejected.iter().rev().take(12) {
                let (seed, image) = (item.request.seed, item.made.image_number);
                if ui
                    .button(format!("Take back seed {seed} image {image}"))
                    .clicked()
                {
                    actions.push(Action::BringBack(Some(item.id)));
                    ui.close();
                }
            }
        });
    }
}

/// The whole tray.
pub(crate) fn tray_ui(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let p = palette(ui.visuals());
    let tray = &shown.session.tray;
    if tray.items.is_empty() {
        let text = if shown.models.is_empty() {
            "Results appear here. A model is needed to make them; see the recipe."
        } else {
            "Results appear here. Draw or paint, then press Generate."
        };
        ui.add_space(34.0);
        ui.vertical_centered(|ui| ui.label(RichText::new(text).color(p.dim)));
        return;
    }
    ScrollArea::horizontal()
        .id_salt("tray")
        .stick_to_right(true)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 10.0;
                for item in tray.sorted(&shown.session.film()) {
                    card(ui, shown, item, actions);
                }
            });
        });
}

fn card(ui: &mut Ui, shown: &Shown<'_>, item: &Staged, actions: &mut Vec<Action>) {
    let p = palette(ui.visuals());
    let selected = shown.session.shown == Some(item.id);
    let size = vec2(PICTURE + 168.0, PICTURE + 30.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let name = format!(
        "Result of seed {}, image {}",
        item.request.seed, item.made.image_number
    );
    response.widget_info(|| WidgetInfo::selected(Role::ListItem, true, selected, &name));
    let fill = if selected {
        p.selected
    } else if response.hovered() {
        p.hovered
    } else {
        p.control
    };
    let border = if selected || response.has_focus() {
        p.accent
    } else {
        Color32::TRANSPARENT
    };
    ui.painter().rect(
        rect,
        CornerRadius::same(7),
        fill,
        Stroke::new(1.5, border),
        StrokeKind::Inside,
    );
    let frame = Rect::from_min_size(rect.min + vec2(6.0, 6.0), vec2(PICTURE, size.y - 12.0));
    picture(ui, item, frame);
    numbers(ui, item, shown, rect, frame);
    let buttons = Rect::from_min_max(
        pos2(frame.right() + 6.0, rect.bottom() - 34.0),
        rect.max - vec2(6.0, 6.0),
    );
    let mut row = ui.new_child(
        egui::UiBuilder::new()
            .id_salt(item.id)
            .max_rect(buttons)
            .layout(Layout::right_to_left(Align::Center)),
    );
    row.spacing_mut().item_spacing.x = 2.0;
    let reject = format!(
        "Reject seed {} image {}",
        item.request.seed, item.made.image_number
    );
    if icon_button(&mut row, glyph::CLOSE, &reject, "", false, 24.0).clicked() {
        actions.push(Action::Reject(Some(item.id)));
    }
    let accept = format!(
        "Accept seed {} image {}",
        item.request.seed, item.made.image_number
    );
    if icon_button(&mut row, glyph::ACCEPT, &accept, "", false, 24.0).clicked() {
        actions.push(Action::Accept(Some(item.id)));
    }
    if response.clicked() {
        actions.push(Action::Show((!selected).then_some(item.id)));
    }
    if response.double_clicked() {
        actions.push(Action::Show(Some(item.id)));
    }
    response.on_hover_ui(|ui| details(ui, item, shown));
}

fn picture(ui: &Ui, item: &Staged, frame: Rect) {
    let Some(texture) = &item.thumbnail else {
        return;
    };
    let size = texture.size_vec2();
    let scale = (frame.width() / size.x).min(frame.height() / size.y);
    let at = Align2::CENTER_CENTER.align_size_within_rect(size * scale, frame);
    egui::Image::new(texture).corner_radius(4).paint_at(ui, at);
}

fn numbers(ui: &Ui, item: &Staged, shown: &Shown<'_>, rect: Rect, frame: Rect) {
    let p = palette(ui.visuals());
    let x = frame.right() + 9.0;
    let right = rect.right() - 9.0;
    let mut y = rect.top() + 13.0;
    let mut line = |label: &str, value: &str, color: Color32| {
        let font = FontId::proportional(11.5);
        ui.painter()
            .text(pos2(x, y), Align2::LEFT_CENTER, label, font.clone(), p.dim);
        ui.painter()
            .text(pos2(right, y), Align2::RIGHT_CENTER, value, font, color);
        y += 15.0;
    };
    let number = format!("{}.{}", item.request.seed, item.made.image_number);
    line("Seed", &number, p.text);
    let spacing = shown.proportions();
    if let Some(hips) = &item.made.hips {
        for (side, letter, color) in [(Side::Right, "R", p.right), (Side::Left, "L", p.left)] {
            let angle = Some(&hips.landmarks)
                .filter(|_| item.by_hand || hips.is_found())
                .and_then(|landmarks| norberg_degrees(landmarks, side, spacing))
                .map_or_else(|| "–".to_owned(), |degrees| format!("{degrees:.1}°"));
            line(letter, &angle, color);
        }
    } else if let Some((finding, probability)) =
        item.made.findings.iter().max_by(|a, b| a.1.total_cmp(&b.1))
    {
        let text = format!("{:.0} %", probability * 100.0);
        line(&super::sentence(finding), &text, p.text);
    }
    if let Some(seam) = item.made.seam {
        let times =
            |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |v| format!("{v:.2}×"));
        let text = format!("{} · noise {}", times(seam.jump), times(seam.noise_ratio));
        line(
            "Seam",
            &text,
            if seam.clamped { p.regenerate } else { p.text },
        );
    }
    if let Some(text) = shown.hint_distance(&item.made) {
        line("Hint", &text, p.text);
    }
    let changed = item.made.changed_outside_ring;
    let color = if changed == 0 { p.kept } else { p.wrong };
    let at = pos2(x, rect.bottom() - 18.0);
    if item.made.seam.is_some() || changed > 0 {
        let text = format!("{} changed", super::thousands(changed));
        ui.painter().text(
            at,
            Align2::LEFT_CENTER,
            text,
            FontId::proportional(11.5),
            color,
        );
    }
}

fn details(ui: &mut Ui, item: &Staged, shown: &Shown<'_>) {
    let p = palette(ui.visuals());
    let made = &item.made;
    let outside = super::thousands(made.changed_outside_ring);
    let inside = super::thousands(made.changed_inside);
    ui.label(format!(
        "{outside} pixels changed outside the ring, {inside} inside"
    ));
    match shown.session.tray.adds(item.id) {
        Some(adds) => ui.label(format!(
            "Adds {adds:.3} to the D-score (mean distance to the others)"
        )),
        None => ui.label(
            RichText::new("Adds nothing to the D-score yet: it needs two results").color(p.dim),
        ),
    };
    if let Some(seam) = made.seam {
        let text = match super::matched(made) {
            Some(matched) if seam.clamped => {
                format!("Matched by gain and offset {matched}: the patch may not belong here")
            }
            Some(matched) => format!("Matched by gain and offset {matched}"),
            None => format!("Not matched. {}", super::UNMATCHED),
        };
        ui.label(text);
        if let Some(share) = seam.beyond_window.filter(|share| *share > 0.0) {
            ui.label(format!(
                "{} of the renewed part lies beyond the window: its values are not those of the film",
                super::share_beyond(share)
            ));
        }
    }
    let differences = item.norberg_differences(&shown.session.film());
    if let [Some(right), Some(left)] = differences {
        ui.label(format!(
            "Norberg angle less the film's: R {right:+.1}°, L {left:+.1}°"
        ));
    }
    for (finding, probability) in &made.findings {
        ui.label(
            RichText::new(format!(
                "{} {:.0} %",
                super::sentence(finding),
                probability * 100.0
            ))
            .color(p.dim),
        );
    }
    let model = &item.request.model.name;
    ui.label(
        RichText::new(format!(
            "{model} · {} steps · {}",
            item.request.steps,
            super::duration(item.seconds)
        ))
        .color(p.dim),
    );
}
