//! The panel of nodes: a list at the left, and what can be done with the chosen one.

use egui::{
    Align, Button, Checkbox, Grid, Id, Layout, Modal, ProgressBar, RichText, ScrollArea, TextEdit,
    Ui,
};

use super::{ALONG, Ask, Form, Page, View, goes_along, nothing_for};
use crate::app::action::Action;
use crate::app::panel::Shown;
use crate::app::panel::overlay::dialog_frame;
use crate::app::panel::widgets::segmented;
use crate::app::theme::{self, palette};
use crate::transfer::Match;

const WIDTH: f32 = 760.0;
const HEIGHT: f32 = 430.0;

/// Draws the panel above the window.
pub(crate) fn nodes_ui(ui: &Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let view = &shown.session.nodes;
    let mut form = view.form.clone();
    let mut asks = Vec::new();
    let frame = dialog_frame(ui);
    let modal = Modal::new(Id::unique("nodes"))
        .frame(frame)
        .show(ui.ctx(), |ui| {
            ui.set_width(WIDTH);
            ui.horizontal(|ui| {
                ui.heading("Send and fetch");
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if ui.button("Close").clicked() {
                        actions.push(Action::Close);
                    }
                });
            });
            ui.add_space(6.0);
            // Of a fixed height: a separator takes all there is, and the dialog would grow with it.
            let all = egui::vec2(WIDTH, HEIGHT);
            ui.allocate_ui_with_layout(all, Layout::left_to_right(Align::TOP), |ui| {
                ui.allocate_ui_with_layout(
                    egui::vec2(170.0, HEIGHT),
                    Layout::top_down(Align::LEFT),
                    |ui| list_ui(ui, view, &mut form),
                );
                ui.separator();
                ui.allocate_ui_with_layout(
                    egui::vec2(WIDTH - 190.0, HEIGHT),
                    Layout::top_down(Align::LEFT),
                    |ui| {
                        ui.set_min_height(HEIGHT);
                        ui.set_width(WIDTH - 200.0);
                        page_ui(ui, shown, &mut form, &mut asks);
                    },
                );
            });
            ui.separator();
            state_ui(ui, view, &mut asks);
        });
    if form != view.form {
        actions.push(Action::Nodes(Box::new(Ask::Change(Box::new(form)))));
    }
    actions.extend(asks.into_iter().map(|ask| Action::Nodes(Box::new(ask))));
    if modal.should_close() {
        actions.push(Action::Close);
    }
}

fn list_ui(ui: &mut Ui, view: &View, form: &mut Form) {
    ui.set_width(170.0);
    ui.label(theme::heading("Nodes"));
    ScrollArea::vertical()
        .max_height(HEIGHT - 70.0)
        .show(ui, |ui| {
            for node in &view.nodes {
                let chosen = form.chosen.as_ref() == Some(&node.name);
                if ui.selectable_label(chosen, &node.name).clicked() {
                    form.chosen = Some(node.name.clone());
                }
            }
            if view.nodes.is_empty() {
                let p = palette(ui.visuals());
                let text = "None: nothing is sent or fetched until you add one.";
                ui.label(RichText::new(text).color(p.dim));
            }
        });
    ui.add_space(6.0);
    if ui.button("Add a node").clicked() {
        form.chosen = None;
        form.page = Page::Settings;
    }
}

fn page_ui(ui: &mut Ui, shown: &Shown<'_>, form: &mut Form, asks: &mut Vec<Ask>) {
    let pages = [
        (Page::Find, "Find and fetch", ""),
        (Page::Send, "Send", ""),
        (Page::Settings, "Settings", ""),
    ];
    if form.chosen.is_some() {
        if let Some(page) = segmented(ui, "Page", form.page, &pages) {
            form.page = page;
        }
        ui.add_space(8.0);
    }
    match form.page {
        Page::Settings => settings_ui(ui, &shown.session.nodes, form, asks),
        _ if form.chosen.is_none() => {
            ui.label("Choose a node, or add one.");
        }
        Page::Find => find_ui(ui, shown, form, asks),
        Page::Send => send_ui(ui, shown, form, asks),
    }
}

/// A text with its name, in a grid of two columns.
fn field(ui: &mut Ui, name: &str, hint: &str, text: &mut String) {
    let label = ui.label(name);
    let edit = TextEdit::singleline(text)
        .hint_text(hint)
        .desired_width(330.0);
    ui.add(edit).labelled_by(label.id);
    ui.end_row();
}

fn settings_ui(ui: &mut Ui, view: &View, form: &mut Form, asks: &mut Vec<Ask>) {
    let draft = &mut form.draft;
    Grid::new("node settings")
        .num_columns(2)
        .spacing([12.0, 6.0])
        .show(ui, |ui| {
            field(ui, "Name", "letters and digits", &mut draft.name);
            field(ui, "Host", "10.0.0.5 or pacs.example", &mut draft.host);
            field(ui, "Port", "104, 4242, 11112", &mut draft.port);
            field(ui, "Its AE title", "ask who runs it", &mut draft.title);
            field(ui, "Own AE title", "RADCANVAS", &mut draft.own_title);
            let hint = "for C-MOVE; C-GET is used without";
            field(ui, "Listen on port", hint, &mut draft.listen);
            field(
                ui,
                "DICOMweb",
                "https://pacs.example/dicom-web",
                &mut draft.web,
            );
            field(
                ui,
                "User",
                "of DICOMweb, if it asks for one",
                &mut draft.user,
            );
        });
    ui.add_space(8.0);
    let idle = view.busy.is_none();
    ui.horizontal(|ui| {
        if ui.add_enabled(idle, Button::new("Keep")).clicked() {
            asks.push(Ask::Save);
        }
        if form.chosen.is_some() {
            if ui.add_enabled(idle, Button::new("Test")).clicked() {
                asks.push(Ask::Test);
            }
            if ui
                .add_enabled(idle, Button::new("Forget this node"))
                .clicked()
            {
                asks.push(Ask::Remove);
            }
        }
    });
}

/// By which way, and the password, where the node needs them.
fn way_ui(ui: &mut Ui, view: &View, form: &mut Form) {
    let Some(node) = view.node() else {
        return;
    };
    if node.port.is_some() && node.web.is_some() {
        ui.checkbox(&mut form.web, "By DICOMweb");
    }
    let web = node.port.is_none() || form.web;
    if web && node.user.is_some() {
        let label = ui.label("Password");
        let edit = TextEdit::singleline(&mut form.password).password(true);
        ui.add(edit.desired_width(140.0)).labelled_by(label.id);
    }
}

fn find_ui(ui: &mut Ui, shown: &Shown<'_>, form: &mut Form, asks: &mut Vec<Ask>) {
    let view = &shown.session.nodes;
    let query = &mut form.query;
    Grid::new("node query")
        .num_columns(2)
        .spacing([12.0, 6.0])
        .show(ui, |ui| {
            field(
                ui,
                "Patient's name",
                "* stands for letters",
                &mut query.patient,
            );
            field(ui, "Patient ID", "", &mut query.patient_id);
            field(ui, "Date", "20260131 or 20260101-20261231", &mut query.date);
            field(ui, "Modality", "DX, CR, MG, CT, MR", &mut query.modality);
        });
    ui.add_space(4.0);
    let mut entered = false;
    ui.horizontal(|ui| {
        entered = ui
            .add_enabled(view.busy.is_none(), Button::new("Search"))
            .clicked();
        way_ui(ui, view, form);
    });
    if entered {
        asks.push(Ask::Search);
    }
    ui.add_space(6.0);
    let hidden = shown.session.hide_identity;
    if hidden && !view.found.is_empty() {
        let p = palette(ui.visuals());
        let text = format!(
            "Names and descriptions are hidden; {} shows them.",
            shown.keys.label("identity")
        );
        ui.label(RichText::new(text).color(p.dim));
    }
    ScrollArea::vertical()
        .id_salt("found")
        .auto_shrink([false, false])
        .max_height(220.0)
        .show(ui, |ui| {
            Grid::new("found")
                .num_columns(6)
                .striped(true)
                .spacing([10.0, 4.0])
                .show(ui, |ui| {
                    for one in &view.found {
                        let fetch = Button::new("Fetch").small();
                        if ui.add_enabled(view.busy.is_none(), fetch).clicked() {
                            asks.push(Ask::Fetch(one.study.clone()));
                        }
                        row(ui, one, shown);
                        ui.end_row();
                    }
                });
        });
}

fn row(ui: &mut Ui, one: &Match, shown: &Shown<'_>) {
    let names = shown.names();
    let who = format!("{} {}", one.patient.replace('^', " "), one.patient_id);
    let (who, description) = (names.written(&who), names.written(&one.description));
    let images = one.images.map(|n| format!("{n} img")).unwrap_or_default();
    for text in [&one.date, &who, &one.modality, &description, &images] {
        let short: String = text.chars().take(32).collect();
        ui.label(short);
    }
}

fn send_ui(ui: &mut Ui, shown: &Shown<'_>, form: &mut Form, asks: &mut Vec<Ask>) {
    let view = &shown.session.nodes;
    let open = shown.session.open();
    ui.label("Sends the image as it stands, as a DICOM secondary capture.");
    if shown.is_synthetic() {
        ui.label("It is synthetic, and goes out marked as such.");
    }
    if open.is_none() {
        ui.label("Open a case first.");
    }
    let mut label = "Send the image".to_owned();
    if let Some(open) = open {
        ui.add_space(6.0);
        ui.label("With it, referring to it:");
        for ((kind, title), wanted) in ALONG.into_iter().zip(&mut form.along) {
            let obstacle = nothing_for(kind, open);
            let mut on = goes_along(kind, *wanted, open);
            let shown = obstacle.map_or_else(|| title.to_owned(), |why| format!("{title}: {why}"));
            let check = Checkbox::new(&mut on, shown);
            if ui.add_enabled(obstacle.is_none(), check).changed() {
                *wanted = Some(on);
            }
        }
        match form.objects(open).len() {
            0 => {}
            1 => label += " and 1 object",
            more => label = format!("{label} and {more} objects"),
        }
    }
    ui.add_space(6.0);
    ui.checkbox(
        &mut form.deidentify,
        "Without identity (PS3.15 basic profile, an animal's owner too)",
    );
    ui.add_space(6.0);
    ui.horizontal(|ui| {
        let ready = open.is_some() && view.busy.is_none();
        if ui.add_enabled(ready, Button::new(label)).clicked() {
            asks.push(Ask::Send);
        }
        way_ui(ui, view, form);
    });
}

/// What is under way, or how the last thing ended.
fn state_ui(ui: &mut Ui, view: &View, asks: &mut Vec<Ask>) {
    let p = palette(ui.visuals());
    ui.horizontal(|ui| {
        ui.set_min_height(26.0);
        if let Some((what, part)) = &view.busy {
            match part {
                Some(part) => {
                    ui.add(ProgressBar::new(*part).desired_width(160.0));
                }
                None => {
                    ui.spinner();
                }
            }
            ui.label(what);
            if ui.button("Stop").clicked() {
                asks.push(Ask::Stop);
            }
        } else if let Some((well, text)) = &view.said {
            let color = if *well { p.text } else { p.wrong };
            ui.add(egui::Label::new(RichText::new(text).color(color)).wrap());
        }
    });
}
