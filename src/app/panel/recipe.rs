//! The recipe: what is asked for besides what is drawn.

use egui::{ComboBox, DragValue, RichText, Ui};

use super::Shown;
use super::prompted::prompted_rows;
use super::widgets::{
    divider, icon_button, primary_button, row, section, segmented, short, slider, switch,
};
use crate::app::action::Action;
use crate::app::session::Recipe;
use crate::app::theme::{CONTROL_HEIGHT, glyph, palette};
use crate::document::Layer;
use crate::job::{Mode, Sex};

/// Width of the column of controls, points.
const COLUMN: f32 = 168.0;

/// The whole panel.
pub(crate) fn recipe_ui(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let mut recipe = shown.session.recipe.clone();
    section(ui, "Recipe");
    let modes = [
        (
            Mode::Sketch,
            "Sketch",
            "A whole image that follows the drawn lines",
        ),
        (
            Mode::Inpaint,
            "Inpaint",
            "The painted part is renewed, the rest is kept",
        ),
        (
            Mode::Outpaint,
            "Outpaint",
            "The painted part is kept, the rest is renewed",
        ),
    ];
    if let Some(mode) = segmented(ui, "mode", recipe.mode, &modes) {
        recipe.mode = mode;
    }
    ui.add_space(4.0);
    model_row(ui, shown, &mut recipe, actions);
    guess_row(ui, shown, actions);
    noise_rows(ui, shown, &mut recipe, actions);
    if recipe.prompted.is_some() {
        prompted_rows(ui, shown, &mut recipe, actions);
    } else {
        hint_rows(ui, shown, &mut recipe);
        patient_rows(ui, shown, &mut recipe);
    }
    if recipe.mode != Mode::Sketch {
        ring_row(ui, shown, &mut recipe);
        painted_row(ui, shown);
    }
    ui.add_space(8.0);
    generate(ui, shown, actions);
    if recipe != shown.session.recipe {
        actions.push(Action::Recipe(Box::new(recipe)));
    }
    divider(ui);
}

fn model_row(ui: &mut Ui, shown: &Shown<'_>, recipe: &mut Recipe, actions: &mut Vec<Action>) {
    row(ui, "Model", |ui, label| {
        if shown.models.is_empty() {
            ui.label(RichText::new("No model found").color(palette(ui.visuals()).regenerate))
                .on_hover_text(
                    "Generating needs a model folder (model.json and .safetensors) in \
                     assets/models beside the program. Drawing, measuring by hand and \
                     exporting work without one.",
                );
            return;
        }
        let current = shown
            .models
            .iter()
            .find(|model| recipe.is(model))
            .map_or("Choose…", |model| model.title.as_str());
        let combo = ComboBox::from_id_salt("model")
            .width(COLUMN - 8.0)
            // The kinds of two models and the way to add one: nothing is hidden below an edge.
            .height(520.0)
            .truncate()
            .selected_text(current)
            .show_ui(ui, |ui| {
                for model in shown.models {
                    let on = recipe.is(model);
                    if ui.selectable_label(on, &model.title).clicked() && !on {
                        recipe.choose(model);
                    }
                }
                if shown.demo {
                    return;
                }
                ui.separator();
                let add = ui.selectable_label(false, "Add a model folder…");
                let add =
                    add.on_hover_text("A folder of the diffusers layout, with model_index.json");
                if add.clicked() {
                    actions.push(Action::AddModel);
                }
            });
        combo.response.labelled_by(label);
    });
}

/// The kind that the reader takes the film for: a guess, to be confirmed or overruled by the row above.
fn guess_row(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let guess = shown.session.open().and_then(|open| open.guess.as_ref());
    let Some((kind, _)) = guess else { return };
    let p = palette(ui.visuals());
    row(ui, "Kind", |ui, _| {
        let right = "The guess is right";
        if icon_button(ui, glyph::ACCEPT, right, "", false, CONTROL_HEIGHT).clicked() {
            actions.push(Action::ConfirmKind);
        }
        // The share is not calibrated on real films: a number here would promise what nobody measured.
        let text = format!("{}? a guess", super::sentence(kind));
        ui.label(RichText::new(text).color(p.regenerate)).on_hover_text(
            "The file does not say what it shows; this is what the reader, trained on phantoms, takes it for. Choose \
             another model above if it is wrong.",
        );
    });
}

fn noise_rows(ui: &mut Ui, shown: &Shown<'_>, recipe: &mut Recipe, actions: &mut Vec<Action>) {
    row(ui, "Seed", |ui, label| {
        let key = shown.keys.label("seed");
        if icon_button(ui, glyph::SEED, "New seed", &key, false, CONTROL_HEIGHT).clicked() {
            actions.push(Action::NewSeed);
        }
        let before = recipe.seed;
        let image = match recipe.first_image {
            0 => String::new(),
            n => format!(" · image {n}"),
        };
        ui.add_sized(
            [COLUMN - CONTROL_HEIGHT - 8.0, CONTROL_HEIGHT],
            DragValue::new(&mut recipe.seed)
                .speed(1.0)
                .range(0..=u64::from(u32::MAX))
                .suffix(image),
        )
        .labelled_by(label);
        if recipe.seed != before {
            recipe.first_image = 0;
        }
    });
    row(ui, "Images", |ui, label| {
        slider(ui, label, &mut recipe.count, 1..=16, 0, false);
    });
    row(ui, "Steps", |ui, label| {
        slider(ui, label, &mut recipe.steps, 1..=64, 0, true);
    });
    if recipe.prompted.is_none() {
        row(ui, "Finer", |ui, _| {
            if let Some(on) = switch(ui, "Draw images again, finer", recipe.finer) {
                recipe.finer = on;
            }
            let text = RichText::new("Draw again in detail").size(11.5);
            ui.label(text.color(palette(ui.visuals()).dim)).on_hover_text(
                "Squares of the image are drawn once more, two to three times as fine, and hips from the drawn lines",
            );
        });
    }
}

fn hint_rows(ui: &mut Ui, shown: &Shown<'_>, recipe: &mut Recipe) {
    let chosen = shown.models.iter().find(|model| recipe.is(model));
    if let Some(model) = chosen.filter(|model| !model.controls.is_empty()) {
        row(ui, "Lines by", |ui, label| {
            let current = recipe.control_model.clone();
            let combo = ComboBox::from_id_salt("control model")
                .width(COLUMN - 8.0)
                .truncate()
                .selected_text(current.as_deref().unwrap_or("Adapter"))
                .show_ui(ui, |ui| {
                    if ui.selectable_label(current.is_none(), "Adapter").clicked() {
                        recipe.control_model = None;
                    }
                    for name in &model.controls {
                        let on = current.as_ref() == Some(name);
                        if ui
                            .selectable_label(on, format!("ControlNet: {name}"))
                            .clicked()
                        {
                            recipe.control_model = Some(name.clone());
                        }
                    }
                });
            combo.response.labelled_by(label).on_hover_text(
                "What turns drawn lines into the image: the model's adapter (once a stroke), or a ControlNet branch \
                 (at every step, slower)",
            );
        });
    }
    row(ui, "Control", |ui, label| {
        slider(ui, label, &mut recipe.control.weight, 0.0..=2.0, 2, false)
            .on_hover_text("How strongly the image follows the drawn lines");
    });
    // Without points on a hip there is nothing to follow.
    if shown.session.placed_hips().is_some() {
        row(ui, "Hips", |ui, _| {
            if let Some(on) = switch(ui, "Hips as placed", recipe.hips_as_placed) {
                recipe.hips_as_placed = on;
            }
            let text = RichText::new("As the points are placed").size(11.5);
            ui.label(text.color(palette(ui.visuals()).dim)).on_hover_text(
                "Heads and rims are made where their points stand; with Live on, the image follows a point that is \
                 dragged",
            );
        });
    }
    row(ui, "Guidance", |ui, label| {
        slider(ui, label, &mut recipe.guidance, 1.0..=8.0, 1, false)
            .on_hover_text("How strongly the image shows age, sex and findings; 1 is none");
    });
}

fn patient_rows(ui: &mut Ui, shown: &Shown<'_>, recipe: &mut Recipe) {
    row(ui, "Age", |ui, label| {
        let known = recipe.age_years.is_some();
        if let Some(on) = switch(ui, "Ask for an age", known) {
            recipe.age_years = on.then_some(5.0);
        }
        match &mut recipe.age_years {
            Some(age) => {
                ui.add_sized(
                    [COLUMN - 42.0, CONTROL_HEIGHT],
                    DragValue::new(age)
                        .speed(0.1)
                        .range(0.0..=120.0)
                        .fixed_decimals(1)
                        .suffix(" years"),
                )
                .labelled_by(label);
            }
            None => {
                ui.label(RichText::new("Any").color(palette(ui.visuals()).dim));
            }
        }
    });
    row(ui, "Sex", |ui, _| {
        ui.allocate_ui(egui::vec2(COLUMN, CONTROL_HEIGHT + 2.0), |ui| {
            let choices = [
                (None, "Any", ""),
                (Some(Sex::Female), "F", "Female"),
                (Some(Sex::Male), "M", "Male"),
            ];
            if let Some(sex) = segmented(ui, "sex", recipe.sex, &choices) {
                recipe.sex = sex;
            }
        });
    });
    let Some(model) = shown
        .models
        .iter()
        .find(|model| recipe.is(model))
        .filter(|model| !model.findings.is_empty())
    else {
        return;
    };
    for finding in &model.findings {
        // OA is what every reader calls it, and it fits beside the switch.
        let name = super::sentence(finding).replace("Osteoarthritis", "OA");
        row(ui, &name, |ui, _| {
            ui.allocate_ui(egui::vec2(COLUMN, CONTROL_HEIGHT + 2.0), |ui| {
                let current = recipe.findings.get(finding).copied();
                let choices = [
                    (None, "Any", ""),
                    (Some(true), "Yes", ""),
                    (Some(false), "No", ""),
                ];
                if let Some(wanted) = segmented(ui, finding, current, &choices) {
                    match wanted {
                        Some(wanted) => recipe.findings.insert(finding.clone(), wanted),
                        None => recipe.findings.remove(finding),
                    };
                }
            });
        });
    }
}

fn ring_row(ui: &mut Ui, shown: &Shown<'_>, recipe: &mut Recipe) {
    let spacing = shown
        .session
        .open()
        .and_then(|open| open.document().image().spacing);
    row(ui, "Ring", |ui, label| {
        let mm = spacing.map_or_else(String::new, |spacing| {
            let mm = recipe.ring_px * f64::midpoint(spacing.row_mm, spacing.column_mm);
            format!(" · {mm:.1} mm")
        });
        ui.add_sized(
            [COLUMN, CONTROL_HEIGHT],
            DragValue::new(&mut recipe.ring_px)
                .speed(0.25)
                .range(0.0..=256.0)
                .custom_formatter(|value, _| short(value))
                .suffix(format!(" px{mm}")),
        )
        .labelled_by(label)
        .on_hover_text(
            "How far outside the painted part pixels may change. 0 blends inward only. \
             Beyond the ring not one pixel changes, and that is counted.",
        );
    });
}

/// How much is painted, above the button that renews it: `1 234 px · 179.1 mm²`.
fn painted_row(ui: &mut Ui, shown: &Shown<'_>) {
    row(ui, "Painted", |ui, _| {
        let text = RichText::new(shown.painted_area());
        ui.label(text).on_hover_text(
            "Area of the mask that will be used; in mm² where the image says how large its pixels are",
        );
    });
}

fn generate(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let p = palette(ui.visuals());
    let obstacle = shown.obstacle();
    ui.add_enabled_ui(obstacle.is_none(), |ui| {
        let key = shown.keys.label("generate");
        if primary_button(ui, glyph::GENERATE, "Generate", &key).clicked() {
            actions.push(Action::Generate);
        }
    });
    row(ui, "Live", |ui, _| {
        if let Some(on) = switch(ui, "Live", shown.session.live.on) {
            actions.push(Action::Live(on));
        }
        let text = match (&obstacle, shown.session.live.on) {
            (Some(obstacle), _) => obstacle.clone(),
            (None, true) => shown.live_state(),
            (None, false) => "Answers while you draw".to_owned(),
        };
        ui.add(egui::Label::new(RichText::new(text).size(11.5).color(p.dim)).truncate());
    });
}

/// Whether anything is painted or drawn on a layer.
pub(crate) fn has_marks(shown: &Shown<'_>, layer: Layer) -> bool {
    shown
        .session
        .open()
        .is_some_and(|open| open.document().marks_of(layer).next().is_some())
}
