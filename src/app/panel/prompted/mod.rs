//! What is asked of a model that reads text: prompts, scheduler, strength, `ControlNets`.
//!
//! Separate from the recipe of the project's own models, which know none of it.

use egui::{ComboBox, DragValue, RichText, TextEdit, Ui};

use super::Shown;
use super::widgets::{icon_button, row, slider};
use crate::app::action::Action;
use crate::app::session::Recipe;
use crate::app::theme::{CONTROL_HEIGHT, glyph, palette};
use crate::job::{ControlUse, LoraUse, Prompted, Scheduler};

/// Width of the column of controls, points.
const COLUMN: f32 = 168.0;

/// The rows of such a model; nothing for the others.
pub(crate) fn prompted_rows(
    ui: &mut Ui,
    shown: &Shown<'_>,
    recipe: &mut Recipe,
    actions: &mut Vec<Action>,
) {
    let Some(mut asked) = recipe.prompted.take() else {
        return;
    };
    text(ui, "Prompt", &mut asked.prompt, "What the image shall show");
    text(
        ui,
        "Negative prompt",
        &mut asked.negative,
        "What guidance leads away from",
    );
    row(ui, "Guidance", |ui, label| {
        slider(ui, label, &mut recipe.guidance, 1.0..=20.0, 1, false)
            .on_hover_text("How strongly the image shows the prompt; 1 is none");
    });
    scheduler_row(ui, &mut asked);
    row(ui, "Strength", |ui, label| {
        slider(ui, label, &mut recipe.strength, 0.05..=1.0, 2, false)
            .on_hover_text("1 starts from noise, less keeps more of the image");
    });
    controls(ui, shown, recipe, &mut asked);
    loras(ui, shown, recipe, &mut asked, actions);
    recipe.prompted = Some(asked);
}

fn text(ui: &mut Ui, name: &str, value: &mut String, hover: &str) {
    let p = palette(ui.visuals());
    let label = ui.label(RichText::new(name).color(p.dim));
    let edit = TextEdit::multiline(value)
        .desired_rows(2)
        .desired_width(f32::INFINITY);
    ui.add(edit).labelled_by(label.id).on_hover_text(hover);
}

fn scheduler_row(ui: &mut Ui, asked: &mut Prompted) {
    row(ui, "Scheduler", |ui, label| {
        let current = asked.scheduler.map_or("The model's own", Scheduler::title);
        let combo = ComboBox::from_id_salt("scheduler")
            .height(360.0)
            .width(COLUMN - 8.0)
            .selected_text(current)
            .show_ui(ui, |ui| {
                ui.selectable_value(&mut asked.scheduler, None, "The model's own");
                for scheduler in Scheduler::ALL {
                    ui.selectable_value(&mut asked.scheduler, Some(scheduler), scheduler.title());
                }
            });
        combo.response.labelled_by(label);
    });
}

fn controls(ui: &mut Ui, shown: &Shown<'_>, recipe: &Recipe, asked: &mut Prompted) {
    let chosen = shown.models.iter().find(|model| recipe.is(model));
    let known = chosen.map_or(&[][..], |model| model.controls.as_slice());
    let mut dropped = None;
    for (i, control) in asked.controls.iter_mut().enumerate() {
        let name = control.model.name.clone();
        row(ui, &name, |ui, label| {
            let remove = format!("Remove {name}");
            if icon_button(ui, glyph::REJECT, &remove, "", false, CONTROL_HEIGHT).clicked() {
                dropped = Some(i);
            }
            ui.add(
                DragValue::new(&mut control.weight)
                    .speed(0.01)
                    .range(0.0..=4.0)
                    .fixed_decimals(2),
            )
            .labelled_by(label)
            .on_hover_text("How strongly the image follows the drawn lines");
        });
        row(ui, "    from, to", |ui, label| {
            // Laid out from the right.
            let end = DragValue::new(&mut control.end).speed(0.005);
            ui.add(end.range(0.01..=1.0).fixed_decimals(2))
                .labelled_by(label);
            let start = DragValue::new(&mut control.start).speed(0.005);
            ui.add(start.range(0.0..=0.99).fixed_decimals(2))
                .labelled_by(label)
                .on_hover_text("The part of the steps in which it acts");
            control.end = control.end.max(control.start + 0.01).min(1.0);
        });
    }
    if let Some(i) = dropped {
        asked.controls.remove(i);
    }
    if known.is_empty() {
        return;
    }
    row(ui, "ControlNet", |ui, label| {
        let combo = ComboBox::from_id_salt("add control")
            .width(COLUMN - 8.0)
            .selected_text("Add…")
            .show_ui(ui, |ui| {
                for name in known {
                    if ui.selectable_label(false, name).clicked() {
                        asked.controls.push(ControlUse::new(name.clone()));
                    }
                }
            });
        combo
            .response
            .labelled_by(label)
            .on_hover_text("Drawn lines reach this model through ControlNets only; several add up");
    });
}

/// Changes of the weights, each with its factor; a negative one leads the other way.
fn loras(
    ui: &mut Ui,
    shown: &Shown<'_>,
    recipe: &Recipe,
    asked: &mut Prompted,
    actions: &mut Vec<Action>,
) {
    let chosen = shown.models.iter().find(|model| recipe.is(model));
    let known = chosen.map_or(&[][..], |model| model.loras.as_slice());
    let mut dropped = None;
    for (i, lora) in asked.loras.iter_mut().enumerate() {
        let name = lora.model.name.clone();
        row(ui, &name, |ui, label| {
            let remove = format!("Remove {name}");
            if icon_button(ui, glyph::REJECT, &remove, "", false, CONTROL_HEIGHT).clicked() {
                dropped = Some(i);
            }
            let weight = DragValue::new(&mut lora.weight).speed(0.01);
            ui.add(weight.range(-2.0..=2.0).fixed_decimals(2))
                .labelled_by(label)
                .on_hover_text("How much of the change is added to the weights");
        });
    }
    if let Some(i) = dropped {
        asked.loras.remove(i);
    }
    row(ui, "LoRA", |ui, label| {
        let combo = ComboBox::from_id_salt("add lora")
            .width(COLUMN - 8.0)
            .selected_text("Add…")
            .show_ui(ui, |ui| {
                for name in known {
                    if ui.selectable_label(false, name).clicked() {
                        asked.loras.push(LoraUse::new(name.clone()));
                    }
                }
                if !shown.demo && ui.selectable_label(false, "Add a file…").clicked() {
                    actions.push(Action::AddLora);
                }
            });
        combo
            .response
            .labelled_by(label)
            .on_hover_text("Low-rank changes of the model's weights, one after the other");
    });
}
