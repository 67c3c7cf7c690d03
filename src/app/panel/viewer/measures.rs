//! Measurements: the tool that draws them, and the list with their numbers.

use egui::{Button, DragValue, Popup, RichText, Ui, vec2};

use crate::app::action::{Action, ExportKind};
use crate::app::canvas::{CanvasEvent, Measured, Sides, Tool};
use crate::app::keys;
use crate::app::panel::Shown;
use crate::app::panel::widgets::{divider, icon_button};
use crate::app::theme::{self, glyph, palette};
use crate::document::{Edit, Layer};
use crate::geometry::FigureKind;

/// The command of a measuring tool.
const fn command_of(kind: FigureKind) -> &'static str {
    match kind {
        FigureKind::Length => "length",
        FigureKind::Angle => "angle",
        FigureKind::Cobb => "cobb",
        FigureKind::Circle => "circle",
        FigureKind::Rectangle => "region",
        FigureKind::Ellipse => "oval",
        FigureKind::Freehand => "freehand",
    }
}

const fn icon_of(kind: FigureKind) -> &'static str {
    match kind {
        FigureKind::Length => glyph::LENGTH,
        FigureKind::Angle | FigureKind::Cobb => glyph::ANGLE,
        FigureKind::Circle | FigureKind::Ellipse => glyph::CIRCLE,
        FigureKind::Rectangle => glyph::RECTANGLE,
        FigureKind::Freehand => glyph::LASSO,
    }
}

/// The button of the rail: the measuring tool used last; a second press opens the choice.
pub(crate) fn tool_ui(ui: &mut Ui, shown: &Shown<'_>, size: f32, actions: &mut Vec<Action>) {
    let kind = shown.session.measures.kind;
    let id = command_of(kind);
    let selected = matches!(shown.session.tool, Tool::Measure(_));
    let key = shown.keys.label(id);
    let name = format!("Measure: {}", kind.title().to_lowercase());
    let response = icon_button(ui, icon_of(kind), &name, &key, selected, size);
    let p = palette(ui.visuals());
    let corner = response.rect.right_bottom() - vec2(5.0, 5.0);
    ui.painter().add(egui::Shape::convex_polygon(
        vec![corner, corner - vec2(5.0, 0.0), corner - vec2(0.0, 5.0)],
        p.dim,
        egui::Stroke::NONE,
    ));
    if response.clicked() {
        actions.push(Action::Tool(Tool::Measure(kind)));
    }
    // The first press takes the tool and shows what else there is; the choice goes away with the next press.
    Popup::menu(&response)
        .align(egui::RectAlign::RIGHT_START)
        .show(|ui| {
            ui.set_min_width(220.0);
            for kind in FigureKind::ALL {
                let id = command_of(kind);
                let title = keys::find(id).map_or("", |command| command.title);
                let button = Button::new(title)
                    .selected(selected && shown.session.measures.kind == kind)
                    .shortcut_text(shown.keys.label(id));
                if ui.add(button).clicked() {
                    actions.push(Action::Tool(Tool::Measure(kind)));
                    ui.close();
                }
            }
        });
}

/// The list in the side column; nothing while nothing is measured.
pub(crate) fn list_ui(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let Some(open) = shown.session.open() else {
        return;
    };
    if open.figures.all.is_empty() {
        return;
    }
    ui.horizontal(|ui| {
        ui.label(theme::heading("Measurements"));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if shown.demo {
                return;
            }
            let csv = ExportKind::Csv.title();
            if icon_button(ui, glyph::EXPORT, csv, "", false, 24.0).clicked() {
                actions.push(Action::Export(ExportKind::Csv));
            }
        });
    });
    for (index, measured) in open.figures.all.iter().enumerate() {
        row(ui, shown, index, measured, actions);
    }
    divider(ui);
}

fn row(
    ui: &mut Ui,
    shown: &Shown<'_>,
    index: usize,
    measured: &Measured,
    actions: &mut Vec<Action>,
) {
    let p = palette(ui.visuals());
    let chosen = shown.session.measures.chosen == Some(index);
    let fill = if chosen {
        p.selected
    } else {
        egui::Color32::TRANSPARENT
    };
    egui::Frame::new()
        .fill(fill)
        .corner_radius(4)
        .inner_margin(egui::Margin::symmetric(4, 2))
        .show(ui, |ui| {
            ui.horizontal(|ui| {
                let title = format!("{} {}", index + 1, measured.figure.kind.title());
                let text = RichText::new(title).color(p.dim).size(12.0);
                if ui.add(Button::new(text).frame(false)).clicked() {
                    let event = CanvasEvent::ChooseFigure(Some(index));
                    actions.push(Action::Canvas(Layer::Sketch, Box::new(event)));
                }
                ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                    let name = format!("Remove measurement {}", index + 1);
                    if icon_button(ui, glyph::CLOSE, &name, "", false, 20.0).clicked() {
                        actions.push(Action::Edit(Box::new(Edit::RemoveFigure(index))));
                    }
                });
            });
            let session = shown.session;
            let sides = Sides {
                image: session.before || session.split > 0.0,
                answer: !session.before && session.split < 1.0,
            };
            let lines = measured.told(sides);
            if lines.is_empty() {
                ui.label(RichText::new("–").color(p.dim))
                    .on_hover_text("Its points lie on one line or on each other");
            }
            for line in &lines {
                ui.add(egui::Label::new(line).wrap());
            }
            if chosen && measured.figure.kind == FigureKind::Length {
                calibrate_ui(ui, shown, index, actions);
            }
        });
}

/// The chosen length as a person knows it: the whole image is measured by it.
fn calibrate_ui(ui: &mut Ui, shown: &Shown<'_>, index: usize, actions: &mut Vec<Action>) {
    let before = shown.session.measures.known_mm;
    let mut mm = before;
    ui.horizontal(|ui| {
        let label = ui.label(RichText::new("Known length").size(12.0).weak());
        let field = DragValue::new(&mut mm)
            .range(0.01..=10_000.0)
            .speed(0.1)
            .suffix(" mm");
        ui.add(field).labelled_by(label.id);
        let button = ui.button("Calibrate");
        let button = button.on_hover_text(
            "Measures the whole image by this length: a marker, a ball, a scale on the film",
        );
        if button.clicked() {
            actions.push(Action::Calibrate(index, mm));
        }
    });
    if mm != before {
        actions.push(Action::KnownLength(mm));
    }
}
