//! What lies above the window: command palette, sheet of keys, notices, passing messages, first-start hints.

use std::time::Duration;

use egui::{
    Align, Align2, Area, Button, FontId, Id, Key, Layout, Modal, Order, RichText, ScrollArea,
    TextEdit, Ui, vec2,
};

use super::Shown;
use super::status::notice_ui;
use crate::app::action::Action;
use crate::app::demo;
use crate::app::keys::{self, COMMANDS, Command, HELD, SECOND_PALETTE};
use crate::app::session::{Overlay, Weight};
use crate::app::theme::{self, glyph, palette};

/// How long a message passes by.
const TOAST: Duration = Duration::from_secs(5);

/// First-start hints: name, text with `{command}` for its key; each stands beside the thing it explains.
pub(crate) const HINTS: [(&str, &str); 5] = [
    (
        "draw",
        "Draw on the left canvas what the image should follow; paint on the right what should be renewed.",
    ),
    (
        "window",
        "Drag with the right button to change brightness and contrast, in every tool.",
    ),
    (
        "live",
        "Switch Live on and the answer follows the pen. Nothing is changed until you accept it.",
    ),
    (
        "ring",
        "Pixels change only in the painted part and its ring. Everything else is counted: 0 changed.",
    ),
    (
        "palette",
        "Every command is in the palette ({palette}); all keys are on one sheet ({keys}).",
    ),
];

/// Everything above the window.
pub(crate) fn overlay_ui(ui: &Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    match &shown.session.overlay {
        Overlay::None => toasts(ui, shown),
        Overlay::Palette(query, chosen) => palette_ui(ui, shown, query, *chosen, actions),
        Overlay::Keys(awaiting) => keys_ui(ui, shown, *awaiting, None, actions),
        Overlay::Contested(id, keys, other) => {
            let title = keys::find(other).map_or("", |command| command.title);
            keys_ui(ui, shown, Some(id), Some((keys, title)), actions);
        }
        Overlay::Notices => notices_ui(ui, shown, actions),
        Overlay::Nodes => crate::app::nodes::panel::nodes_ui(ui, shown, actions),
    }
}

/// Commands that can be given here, in the order of the table.
fn commands(demo: bool) -> impl Iterator<Item = &'static Command> {
    (COMMANDS.iter()).filter(move |command| !demo || demo::lists(command))
}

/// Commands whose title holds every word typed, in the order of the table.
fn matches(query: &str, demo: bool) -> Vec<&'static Command> {
    let query = query.to_lowercase();
    commands(demo)
        .filter(|command| command.id != SECOND_PALETTE)
        .filter(|command| {
            let title = format!("{} {}", command.group, command.title).to_lowercase();
            query.split_whitespace().all(|word| title.contains(word))
        })
        .collect()
}

fn palette_ui(ui: &Ui, shown: &Shown<'_>, query: &str, chosen: usize, actions: &mut Vec<Action>) {
    let p = palette(ui.visuals());
    let found = matches(query, shown.demo);
    let modal = Modal::new(Id::unique("palette"))
        .area(
            Modal::default_area(Id::unique("palette")).anchor(Align2::CENTER_TOP, vec2(0.0, 96.0)),
        )
        .show(ui.ctx(), |ui| {
            ui.set_width(520.0);
            let mut text = query.to_owned();
            let field = TextEdit::singleline(&mut text)
                .hint_text("Type a command")
                .desired_width(f32::INFINITY)
                .margin(egui::Margin::symmetric(10, 8))
                .font(FontId::proportional(15.0));
            let (down, up, enter) = ui.input_mut(|input| {
                (
                    input.consume_key(egui::Modifiers::NONE, Key::ArrowDown),
                    input.consume_key(egui::Modifiers::NONE, Key::ArrowUp),
                    input.key_pressed(Key::Enter),
                )
            });
            let response = ui.add(field).accessible_name("Command");
            response.request_focus();
            let mut line = chosen.min(found.len().saturating_sub(1));
            if down {
                line = (line + 1).min(found.len().saturating_sub(1));
            }
            if up {
                line = line.saturating_sub(1);
            }
            if text != query {
                line = 0;
            }
            if enter && let Some(command) = found.get(line) {
                actions.push(Action::Close);
                actions.push((command.action)());
            } else if text != query || line != chosen {
                actions.push(Action::PaletteTyped(text, line));
            }
            ui.add_space(6.0);
            // Twelve whole lines.
            ScrollArea::vertical()
                .max_height(12.0 * 29.0)
                .show(ui, |ui| {
                    ui.spacing_mut().item_spacing.y = 1.0;
                    for (n, command) in found.iter().enumerate() {
                        let title = RichText::new(command.title);
                        let button = Button::new((
                            RichText::new(format!("{}  ", command.group)).color(p.dim),
                            title,
                        ))
                        .fill(if n == line {
                            p.selected
                        } else {
                            egui::Color32::TRANSPARENT
                        })
                        .stroke(egui::Stroke::NONE)
                        .min_size(vec2(ui.available_width(), 28.0))
                        .shortcut_text(shown.keys.label(command.id));
                        let response = ui.add(button);
                        if n == line && (down || up) {
                            response.scroll_to_me(None);
                        }
                        if response.clicked() {
                            actions.push(Action::Close);
                            actions.push((command.action)());
                        }
                    }
                    if found.is_empty() {
                        ui.label(RichText::new("No command of this name").color(p.dim));
                    }
                });
        });
    if modal.should_close() {
        actions.push(Action::Close);
    }
}

/// Groups of commands as they stand side by side on the sheet of keys.
const KEY_COLUMNS: [&[&str]; 3] = [
    &["Tools", "Measure"],
    &["Work", "Edit", "File", "Help"],
    &["View"],
];

/// The frame of a dialog: with room between its edge and what is in it.
pub(crate) fn dialog_frame(ui: &Ui) -> egui::Frame {
    egui::Frame::popup(ui.style()).inner_margin(egui::Margin::same(16))
}

/// The sheet; `contested` is the key that was pressed for the awaited command and the title of the one that has it.
fn keys_ui(
    ui: &Ui,
    shown: &Shown<'_>,
    awaiting: Option<&'static str>,
    contested: Option<(&str, &str)>,
    actions: &mut Vec<Action>,
) {
    let p = palette(ui.visuals());
    if let Some(id) = awaiting
        && let Some(pressed) = ui.input(pressed_shortcut)
    {
        actions.push(if pressed == "Backspace" {
            Action::Unbind(id)
        } else {
            Action::Bind(id, Some(pressed))
        });
    }
    if awaiting.is_some() && ui.input(|input| input.key_pressed(Key::Escape)) {
        actions.push(Action::Keys);
    }
    let screen = ui.ctx().content_rect().size();
    let frame = dialog_frame(ui);
    let modal = Modal::new(Id::unique("keys"))
        .frame(frame)
        .show(ui.ctx(), |ui| {
            ui.set_width((screen.x - 80.0).min(960.0));
            ui.horizontal(|ui| {
                ui.heading("Keys");
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if ui.button("Close").clicked() {
                        actions.push(Action::Close);
                    }
                    let changed = !shown.settings.keys.is_empty();
                    if !shown.demo
                        && ui
                            .add_enabled(changed, Button::new("Defaults"))
                            .on_hover_text("All keys as they were at first")
                            .clicked()
                    {
                        actions.push(Action::DefaultKeys);
                    }
                    let text = match (contested, awaiting) {
                        _ if shown.demo => String::new(),
                        (Some((keys, title)), _) => {
                            format!("{keys} is the key of “{title}”: again exchanges the two")
                        }
                        (None, Some(_)) => {
                            "Press the new key; Backspace takes it away, Escape leaves it"
                                .to_owned()
                        }
                        (None, None) => "Click a key to change it".to_owned(),
                    };
                    ui.label(RichText::new(text).color(p.dim));
                });
            });
            ui.add_space(8.0);
            // A dialog is as high as its first frame asks for, and no higher: the list asks for what the screen has.
            let height = (screen.y - 150.0).clamp(120.0, 720.0);
            ScrollArea::vertical()
                .max_height(height)
                .min_scrolled_height(height)
                .show(ui, |ui| {
                    ui.spacing_mut().item_spacing.x = 28.0;
                    ui.columns(KEY_COLUMNS.len(), |columns| {
                        for (n, (column, groups)) in columns.iter_mut().zip(KEY_COLUMNS).enumerate()
                        {
                            column.spacing_mut().item_spacing.x = 8.0;
                            for group in groups {
                                key_group(column, shown, group, awaiting, actions);
                            }
                            if n == 0 {
                                held_group(column);
                            }
                        }
                    });
                });
        });
    if modal.should_close() && awaiting.is_none() {
        actions.push(Action::Close);
    }
}

/// What mouse and held keys do; nothing of it can be changed.
fn held_group(ui: &mut Ui) {
    let p = palette(ui.visuals());
    ui.label(theme::heading("Mouse and held keys"));
    for (what, with) in HELD {
        ui.horizontal(|ui| {
            ui.set_min_height(22.0);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.label(RichText::new(*with).size(12.0));
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    let title = RichText::new(*what).color(p.dim);
                    ui.add(egui::Label::new(title).truncate());
                });
            });
        });
    }
}

fn key_group(
    ui: &mut Ui,
    shown: &Shown<'_>,
    group: &str,
    awaiting: Option<&'static str>,
    actions: &mut Vec<Action>,
) {
    let p = palette(ui.visuals());
    let mut group = commands(shown.demo)
        .filter(|command| command.group == group)
        .peekable();
    let Some(first) = group.peek() else { return };
    ui.label(theme::heading(first.group));
    for command in group {
        ui.horizontal(|ui| {
            ui.set_min_height(24.0);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let label = shown.keys.label(command.id);
                let text = match (awaiting == Some(command.id), label.is_empty()) {
                    (true, _) => "…".to_owned(),
                    (false, true) => "–".to_owned(),
                    (false, false) => label,
                };
                let mut button = Button::new(RichText::new(text).size(12.0))
                    .min_size(vec2(44.0, 20.0))
                    .small();
                if shown.demo {
                    button = button.sense(egui::Sense::empty());
                }
                let mut response = ui.add(button);
                if !shown.demo {
                    let name = format!("Change the key of {}", command.title);
                    response = response.accessible_name(&name).on_hover_text(&name);
                }
                if response.clicked() {
                    actions.push(Action::Bind(command.id, None));
                }
                // What the key leaves: a long title is cut short, and not written over.
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    let title = RichText::new(command.title).color(p.dim);
                    ui.add(egui::Label::new(title).truncate());
                });
            });
        });
    }
    ui.add_space(10.0);
}

/// The shortcut that is pressed now, if it is a whole one.
fn pressed_shortcut(input: &egui::InputState) -> Option<String> {
    input.events.iter().find_map(|event| match event {
        egui::Event::Key {
            key,
            pressed: true,
            modifiers,
            ..
        } if *key != Key::Escape => Some(keys::write(egui::KeyboardShortcut::new(
            egui::Modifiers {
                alt: modifiers.alt,
                shift: modifiers.shift,
                command: modifiers.command,
                ..egui::Modifiers::NONE
            },
            *key,
        ))),
        _ => None,
    })
}

fn notices_ui(ui: &Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let p = palette(ui.visuals());
    let frame = dialog_frame(ui);
    let modal = Modal::new(Id::unique("notices"))
        .frame(frame)
        .show(ui.ctx(), |ui| {
            ui.set_width(520.0);
            ui.horizontal(|ui| {
                ui.heading("Notices");
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if ui.button("Close").clicked() {
                        actions.push(Action::Close);
                    }
                    if !shown.session.notices.is_empty() && ui.button("Clear").clicked() {
                        actions.push(Action::ClearNotices);
                    }
                });
            });
            ui.add_space(8.0);
            ScrollArea::vertical().max_height(420.0).show(ui, |ui| {
                if shown.session.notices.is_empty() {
                    ui.label(RichText::new("Nothing to report.").color(p.dim));
                }
                for notice in shown.session.notices.iter().rev() {
                    notice_ui(ui, shown.names(), notice);
                    ui.add_space(4.0);
                }
            });
        });
    if modal.should_close() {
        actions.push(Action::Close);
    }
}

/// The newest notices for a few seconds, at the bottom; they take no clicks from what lies below.
fn toasts(ui: &Ui, shown: &Shown<'_>) {
    let p = palette(ui.visuals());
    let fresh: Vec<_> = shown
        .session
        .notices
        .iter()
        .rev()
        .filter(|notice| notice.at.elapsed() < TOAST)
        .take(3)
        .collect();
    if fresh.is_empty() {
        return;
    }
    if let Some(oldest) = fresh
        .iter()
        .map(|n| TOAST.saturating_sub(n.at.elapsed()))
        .min()
    {
        ui.ctx().request_repaint_after(oldest);
    }
    Area::new(Id::unique("toasts"))
        .order(Order::Foreground)
        .interactable(false)
        .anchor(Align2::CENTER_BOTTOM, vec2(0.0, -44.0))
        .show(ui.ctx(), |ui| {
            for notice in fresh.iter().rev() {
                let border = if notice.weight == Weight::Wrong {
                    p.wrong
                } else {
                    p.line
                };
                egui::Frame::popup(ui.style())
                    .stroke(egui::Stroke::new(1.0, border))
                    .inner_margin(egui::Margin::symmetric(14, 9))
                    .show(ui, |ui| {
                        ui.set_max_width(460.0);
                        notice_ui(ui, shown.names(), notice);
                    });
                ui.add_space(4.0);
            }
        });
}

/// A text with the keys of the commands it names.
fn with_keys(text: &str, shown: &Shown<'_>) -> String {
    ["palette", "keys"]
        .iter()
        .fold(text.to_owned(), |text, id| {
            let key = match shown.keys.label(id) {
                key if key.is_empty() => "in the menu Help".to_owned(),
                key => key,
            };
            text.replace(&format!("{{{id}}}"), &key)
        })
}

/// A first-start hint beside the thing it explains, until it is put away.
pub(crate) fn hint_ui(
    ui: &mut Ui,
    shown: &Shown<'_>,
    name: &'static str,
    actions: &mut Vec<Action>,
) {
    if shown.demo || shown.settings.dismissed.contains(name) {
        return;
    }
    let Some((_, text)) = HINTS.iter().find(|(hint, _)| *hint == name) else {
        return;
    };
    let p = palette(ui.visuals());
    egui::Frame::new()
        .fill(p.selected)
        .corner_radius(6)
        .inner_margin(egui::Margin::symmetric(10, 6))
        .show(ui, |ui| {
            ui.horizontal_top(|ui| {
                ui.label(theme::icon(glyph::INFO, 15.0).color(p.sketch));
                let width = ui.available_width() - 28.0;
                ui.allocate_ui(vec2(width, 0.0), |ui| {
                    ui.set_min_width(width);
                    let text = with_keys(text, shown);
                    ui.add(egui::Label::new(RichText::new(text).size(12.0)).wrap());
                });
                let name_text = format!("Put away the hint about {name}");
                if super::widgets::icon_button(ui, glyph::CLOSE, &name_text, "", false, 20.0)
                    .clicked()
                {
                    actions.push(Action::DismissHint(name));
                }
            });
        });
    ui.add_space(4.0);
}
