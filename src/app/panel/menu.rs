//! The bar at the top: menus, workspaces, and what must always be seen (synthetic, identity, device, live).

use egui::{Align, Button, FontId, Layout, MenuBar, RichText, Sense, Ui, WidgetInfo, vec2};

use super::Shown;
use super::widgets::{badge, tooltip};
use crate::app::action::{Action, ExportKind, Theme};
use crate::app::demo;
use crate::app::keys::{self, Command};
use crate::app::session::Workspace;
use crate::app::theme::{self, glyph, palette};
use crate::radiograph::Radiograph;

/// The whole bar.
pub(crate) fn bar_ui(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    MenuBar::new().ui(ui, |ui| {
        ui.set_min_height(38.0);
        ui.add_space(4.0);
        mark(ui);
        ui.add_space(6.0);
        if !shown.demo {
            ui.menu_button("File", |ui| file_menu(ui, shown, actions));
        }
        ui.menu_button("Edit", |ui| edit_menu(ui, shown, actions));
        ui.menu_button("View", |ui| view_menu(ui, shown, actions));
        ui.menu_button("Case", |ui| case_menu(ui, shown, actions));
        ui.menu_button("Help", |ui| {
            for id in ["keys", "palette", "demo"] {
                if id == "demo" && !shown.demo {
                    continue;
                }
                item(ui, shown, id, None, true, actions);
            }
        });
        ui.add_space(16.0);
        workspaces(ui, shown, actions);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.add_space(6.0);
            indicators(ui, shown, actions);
        });
    });
}

/// The program's mark: a ring with a tangent, the construction of the angle it measures.
fn mark(ui: &mut Ui) {
    let p = palette(ui.visuals());
    let (rect, _) = ui.allocate_exact_size(vec2(20.0, 20.0), Sense::hover());
    let c = rect.center();
    let painter = ui.painter();
    painter.circle_stroke(c + vec2(-1.0, 2.0), 6.0, egui::Stroke::new(2.0, p.sketch));
    painter.line_segment(
        [c + vec2(-1.0, 2.0), c + vec2(7.0, -8.0)],
        egui::Stroke::new(2.0, p.landmark),
    );
    painter.circle_filled(c + vec2(-1.0, 2.0), 1.8, p.landmark);
}

/// A command by name, where it can be given.
fn offered(shown: &Shown<'_>, id: &str) -> Option<&'static Command> {
    keys::find(id).filter(|command| !shown.demo || demo::lists(command))
}

fn item(
    ui: &mut Ui,
    shown: &Shown<'_>,
    id: &'static str,
    title: Option<String>,
    enabled: bool,
    actions: &mut Vec<Action>,
) {
    let Some(command) = offered(shown, id) else {
        return;
    };
    let title = title.unwrap_or_else(|| command.title.to_owned());
    let button = Button::new(title).shortcut_text(shown.keys.label(id));
    if ui.add_enabled(enabled, button).clicked() {
        actions.push((command.action)());
        ui.close();
    }
}

fn file_menu(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    ui.set_min_width(220.0);
    let open = shown.session.open();
    item(ui, shown, "open", None, true, actions);
    item(ui, shown, "open-folder", None, true, actions);
    ui.menu_button("Open recent", |ui| {
        ui.set_min_width(260.0);
        if shown.settings.recent.is_empty() {
            ui.add_enabled(false, Button::new("Nothing yet"));
        }
        let now = crate::app::recent::now();
        for (number, recent) in shown.settings.recent.iter().enumerate() {
            let name = shown.names().recent(recent, number);
            let button = Button::new(name).shortcut_text(recent.when(now));
            if ui.add(button).clicked() {
                actions.push(Action::Open(recent.path.clone()));
                ui.close();
            }
        }
        if !shown.settings.recent.is_empty() {
            ui.separator();
            if ui.button("Forget these").clicked() {
                actions.push(Action::ClearRecent);
                ui.close();
            }
        }
    });
    ui.separator();
    item(ui, shown, "save", None, open.is_some(), actions);
    ui.add_enabled_ui(open.is_some(), |ui| {
        ui.menu_button("Export", |ui| {
            ui.set_min_width(260.0);
            for kind in ExportKind::ALL {
                let obstacle = open.and_then(|open| crate::app::logic::no_export(kind, open));
                let button = ui.add_enabled(obstacle.is_none(), Button::new(kind.title()));
                let button = button.on_disabled_hover_text(obstacle.unwrap_or_default());
                if button.clicked() {
                    actions.push(Action::Export(kind));
                    ui.close();
                }
            }
            ui.separator();
            let nameless = shown.settings.export_nameless;
            check(ui, shown, "export-nameless", nameless, actions);
            let blank = shown.session.export_blank;
            check(ui, shown, "export-blank", blank, actions);
        });
    });
    item(ui, shown, "nodes", None, true, actions);
    ui.separator();
    item(ui, shown, "close", None, open.is_some(), actions);
    item(ui, shown, "quit", None, true, actions);
}

fn edit_menu(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    ui.set_min_width(220.0);
    let open = shown.session.open();
    let undo = open.and_then(|open| open.history().undo_name());
    let redo = open.and_then(|open| open.history().redo_name());
    let (can_undo, can_redo) = (undo.is_some(), redo.is_some());
    item(ui, shown, "undo", undo, can_undo, actions);
    item(ui, shown, "redo", redo, can_redo, actions);
    ui.separator();
    item(ui, shown, "clear-sketch", None, open.is_some(), actions);
    item(ui, shown, "clear-mask", None, open.is_some(), actions);
    let figures = open.is_some_and(|open| !open.document().figures.is_empty());
    item(ui, shown, "clear-measures", None, figures, actions);
}

/// The displays the file names, then the presets of its modality, each with its key.
fn window_menu(ui: &mut Ui, shown: &Shown<'_>, image: &Radiograph, actions: &mut Vec<Action>) {
    let windows = crate::app::logic::windows::list(image);
    if windows.is_empty() {
        return;
    }
    ui.menu_button("Windows", |ui| {
        let own = image.displays().len();
        for (n, (title, _)) in windows.into_iter().enumerate() {
            if n == own && n > 0 {
                ui.separator();
            }
            let key = shown.keys.label(&format!("preset-{}", n + 1));
            if ui.add(Button::new(title).shortcut_text(key)).clicked() {
                actions.push(Action::Preset(n));
                ui.close();
            }
        }
    });
}

fn view_menu(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    ui.set_min_width(240.0);
    let open = shown.session.open().is_some();
    for id in [
        "fit",
        "one-to-one",
        "invert",
        "rotate",
        "flip",
        "window",
        "auto-window",
        "full-range",
    ] {
        item(ui, shown, id, None, open, actions);
    }
    if let Some(open) = shown.session.open() {
        window_menu(ui, shown, open.document().image(), actions);
    }
    ui.separator();
    item(ui, shown, "before-after", None, open, actions);
    check(ui, shown, "overlays", shown.session.overlays, actions);
    let planes = shown.session.planes;
    explained(ui, shown, "planes", planes, ABOUT_PLANES, actions);
    let all = shown.settings.planes_with_identity;
    explained(ui, shown, "planes-identity", all, ABOUT_ALL_PLANES, actions);
    check(ui, shown, "loupe", shown.session.loupe, actions);
    check(ui, shown, "series", shown.settings.series_list, actions);
    check(ui, shown, "identity", shown.session.hide_identity, actions);
    check(ui, shown, "pacs", shown.settings.pacs_buttons, actions);
    for (theme, title) in [(Theme::Dark, "Dark theme"), (Theme::Light, "Light theme")] {
        if shown.demo {
            break;
        }
        if theme == Theme::Dark {
            ui.separator();
        }
        if ui
            .selectable_label(shown.settings.theme == theme, title)
            .clicked()
        {
            actions.push(Action::Theme(theme));
            ui.close();
        }
    }
    ui.separator();
    item(ui, shown, "layout", None, true, actions);
    item(ui, shown, "full-screen", None, true, actions);
}

/// What the row of the overlay planes says of them.
const ABOUT_PLANES: &str = "Graphics and regions that other programs laid over the image. Graphics may be \
    words, and words may be names: while identity is hidden, planes that call themselves annotations are left out. \
    This hides all of them.";
/// What the row says that leaves all graphics out.
const ABOUT_ALL_PLANES: &str = "While identity is hidden, leave out all planes of graphics and show regions of \
    interest alone: a plane with a name in it need not say so.";

fn check(ui: &mut Ui, shown: &Shown<'_>, id: &'static str, on: bool, actions: &mut Vec<Action>) {
    explained(ui, shown, id, on, "", actions);
}

/// A switch, and what it means where its name does not say it all.
fn explained(
    ui: &mut Ui,
    shown: &Shown<'_>,
    id: &'static str,
    on: bool,
    about: &str,
    actions: &mut Vec<Action>,
) {
    let Some(command) = offered(shown, id) else {
        return;
    };
    let button = Button::new(command.title)
        .selected(on)
        .shortcut_text(shown.keys.label(id));
    let mut response = ui.add(button);
    if !about.is_empty() {
        response = response.on_hover_text(about);
    }
    if response.clicked() {
        actions.push((command.action)());
        ui.close();
    }
}

fn case_menu(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    ui.set_min_width(220.0);
    let open = shown.session.open().is_some();
    for id in ["generate", "seed"] {
        item(ui, shown, id, None, open, actions);
    }
    ui.separator();
    for id in ["find-hips", "place-hips"] {
        item(ui, shown, id, None, open, actions);
    }
    if !shown.cases.is_empty() {
        ui.separator();
        for (n, case) in shown.cases.iter().enumerate() {
            if ui.button(&case.title).clicked() {
                actions.push(Action::OpenCase(n));
                ui.close();
            }
        }
    }
}

fn workspaces(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let p = palette(ui.visuals());
    ui.spacing_mut().item_spacing.x = 2.0;
    for (workspace, title, id) in [
        (Workspace::Draw, "Draw", "draw"),
        (Workspace::Hips, "Hips", "hips-workspace"),
        (Workspace::View, "View", "view-workspace"),
    ] {
        let on = shown.session.workspace == workspace;
        let font = FontId::new(
            13.0,
            if on {
                theme::strong()
            } else {
                egui::FontFamily::Proportional
            },
        );
        let color = if on { p.text } else { p.dim };
        let galley = ui.painter().layout_no_wrap(title.to_owned(), font, color);
        let (rect, response) =
            ui.allocate_exact_size(vec2(galley.size().x + 22.0, 38.0), Sense::click());
        response.widget_info(|| WidgetInfo::selected(egui::accesskit::Role::Tab, true, on, title));
        if response.hovered() && !on {
            ui.painter()
                .rect_filled(rect.shrink2(vec2(2.0, 6.0)), 5.0, p.hovered);
        }
        if on {
            let line = egui::Rect::from_min_max(
                egui::pos2(rect.left() + 10.0, rect.bottom() - 4.0),
                egui::pos2(rect.right() - 10.0, rect.bottom() - 2.0),
            );
            ui.painter().rect_filled(line, 1.0, p.sketch);
        }
        if response.has_focus() {
            ui.painter().rect_stroke(
                rect.shrink2(vec2(2.0, 6.0)),
                5.0,
                egui::Stroke::new(1.0, p.accent),
                egui::StrokeKind::Inside,
            );
        }
        let at = rect.center() - galley.size() / 2.0;
        ui.painter().galley(at, galley, color);
        let key = shown.keys.label(id);
        if response
            .on_hover_ui(|ui| tooltip(ui, title, &key))
            .clicked()
        {
            actions.push(Action::Workspace(workspace));
        }
    }
}

/// What must always be seen, from the right edge inwards.
fn indicators(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let p = palette(ui.visuals());
    let session = shown.session;
    ui.spacing_mut().item_spacing.x = 12.0;
    let (dot, text) = live_text(shown);
    let color = match dot {
        Dot::Idle => p.dim,
        Dot::Working => p.regenerate,
        Dot::Fresh => p.kept,
    };
    let label = ui.label(RichText::new(text).size(12.0).color(p.dim));
    let (rect, _) = ui.allocate_exact_size(vec2(8.0, 8.0), Sense::hover());
    ui.painter().circle_filled(rect.center(), 4.0, color);
    label.on_hover_text("From the last edit to its answer");
    ui.label(RichText::new(shown.device).size(12.0).color(p.dim))
        .on_hover_text("Where the networks run. Everything stays on this computer.");
    if session.open().is_some() {
        let (glyph, text) = if session.hide_identity {
            (glyph::HIDE, "Identity hidden")
        } else {
            (glyph::SHOW, "Identity shown")
        };
        let color = if session.hide_identity {
            p.dim
        } else {
            p.regenerate
        };
        let button = Button::new(
            RichText::new(format!("{glyph}  {text}"))
                .size(12.0)
                .color(color),
        )
        .frame(false);
        let key = shown.keys.label("identity");
        if ui
            .add(button)
            .on_hover_ui(|ui| tooltip(ui, "Hide or show identity", &key))
            .clicked()
        {
            actions.push(Action::Identity);
        }
    }
    if shown.is_synthetic() {
        badge(ui, glyph::SYNTHETIC, "SYNTHETIC", p.synthetic).on_hover_text(
            "Some or all pixels were made by a network. The mark stays in every save and export.",
        );
    }
}

enum Dot {
    Idle,
    Working,
    Fresh,
}

fn live_text(shown: &Shown<'_>) -> (Dot, String) {
    let live = &shown.session.live;
    if !live.on {
        return (Dot::Idle, "Live off".to_owned());
    }
    let latency = live
        .latency()
        .map(|latency| super::duration(latency.as_secs_f64()));
    match (&live.in_flight, latency) {
        (Some(_), Some(latency)) => (Dot::Working, format!("Live {latency}")),
        (Some(_), None) => (Dot::Working, "Live …".to_owned()),
        (None, Some(latency)) => (Dot::Fresh, format!("Live {latency}")),
        (None, None) => (Dot::Idle, "Live".to_owned()),
    }
}
