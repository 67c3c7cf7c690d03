//! What a brush or a fill takes: only values between two bounds, or only what is like the point that was pressed.

use egui::{DragValue, Ui};

use crate::app::action::Action;
use crate::app::canvas::{Tool, ToolOptions};
use crate::app::panel::Shown;
use crate::app::panel::widgets::{divider, row, section, slider};
use crate::document::Tip;

/// The options of the tool in hand; nothing for a tool without any.
pub(crate) fn options_ui(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let Some(open) = shown.session.open() else {
        return;
    };
    let before = &shown.session.tool_options;
    let mut options = before.clone();
    match shown.session.tool {
        Tool::Brush | Tool::Eraser => {
            section(ui, "Brush");
            ui.horizontal(|ui| {
                for (tip, title) in [(Tip::Round, "Round"), (Tip::Square, "Square")] {
                    if ui.selectable_label(options.tip == tip, title).clicked() {
                        options.tip = tip;
                    }
                }
            });
            let unit = open.document().image().modality_unit.clone();
            range_ui(ui, shown, &unit, &mut options);
        }
        Tool::Fill => {
            section(ui, "Fill");
            row(ui, "Tolerance", |ui, label| {
                let mut percent = options.fill_tolerance * 100.0;
                slider(ui, label, &mut percent, 0.0..=100.0, 0, false);
                options.fill_tolerance = percent / 100.0;
            });
            let reach = shown.session.view.window.width * options.fill_tolerance;
            let text = format!("± {} around the value pressed", short(reach));
            ui.label(egui::RichText::new(text).size(11.5).weak());
        }
        _ => return,
    }
    if options != *before {
        actions.push(Action::ToolOptions(Box::new(options)));
    }
    divider(ui);
}

fn short(value: f64) -> String {
    if value.abs() < 10.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}

fn range_ui(ui: &mut Ui, shown: &Shown<'_>, unit: &str, options: &mut ToolOptions) {
    let window = &shown.session.view.window;
    let seen = [
        window.center - window.width / 2.0,
        window.center + window.width / 2.0,
    ];
    let mut on = options.range.is_some();
    let text = "Only values between";
    if ui.checkbox(&mut on, text).changed() {
        options.range = on.then_some(seen);
    }
    let Some([low, high]) = &mut options.range else {
        return;
    };
    let speed = (window.width / 500.0).max(1.0e-6);
    ui.horizontal(|ui| {
        let suffix = if unit.is_empty() {
            String::new()
        } else {
            format!(" {unit}")
        };
        for (value, name) in [(&mut *low, "Lowest value"), (&mut *high, "Highest value")] {
            let field = DragValue::new(value)
                .speed(speed)
                .range(-1.0e9..=1.0e9)
                .suffix(&suffix);
            ui.add(field).accessible_name(name);
        }
        let button = ui.button("As seen");
        let button = button.on_hover_text("From black to white of the window as it is");
        if button.clicked() {
            (*low, *high) = (seen[0], seen[1]);
        }
    });
}
