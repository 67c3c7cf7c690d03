//! The readouts: diversity of the tray, Norberg angles, seam, noise and hint distance, each with how sure it is.

use egui::{Align, FontId, Layout, RichText, Ui, vec2};

use super::Shown;
use super::widgets::{divider, icon_button, section, sparkline, value_row};
use crate::app::action::Action;
use crate::app::theme::{self, glyph, palette};
use crate::job::Made;
use crate::landmarks::Side;
use crate::measure::norberg::{bva_points, doubts, norberg_degrees};

/// The whole panel.
pub(crate) fn readouts_ui(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    diversity(ui, shown);
    divider(ui);
    angles(ui, shown, actions);
    divider(ui);
    patch(ui, shown);
}

/// A large number with its label above it.
fn large(ui: &mut Ui, text: &str) -> egui::Response {
    ui.label(RichText::new(text).font(FontId::new(21.0, theme::strong())))
}

fn diversity(ui: &mut Ui, shown: &Shown<'_>) {
    let p = palette(ui.visuals());
    let tray = &shown.session.tray;
    section(ui, "Diversity");
    ui.horizontal(|ui| {
        if let Some(value) = tray.dscore.value() {
            large(ui, &format!("{value:.3}"));
        } else {
            let reason = tray.unscored.clone().unwrap_or_else(|| {
                "The D-score compares the results in the tray: it needs two".to_owned()
            });
            large(ui, "–").on_hover_text(reason);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            sparkline(ui, "D-score so far", &tray.past, 96.0, p.sketch);
        });
    });
    let text = format!("D-score · N = {} · sliced W1", tray.dscore.len());
    ui.label(RichText::new(text).size(11.5).color(p.dim))
        .on_hover_text(
            "Mean distance between the reader's saliency maps of all pairs in the tray: \
             how differently the images are looked at.",
        );
}

fn angles(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let p = palette(ui.visuals());
    ui.horizontal(|ui| {
        ui.label(theme::heading("Norberg angle"));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let open = shown.session.open().is_some();
            ui.add_enabled_ui(open, |ui| {
                if icon_button(ui, glyph::HIPS, "Find hip points", "", false, 24.0).clicked() {
                    actions.push(Action::FindHips);
                }
            });
        });
    });
    let landmarks = shown.landmarks();
    let spacing = shown.proportions();
    for (side, letter, name, color) in [
        (Side::Right, "R", "Right", p.right),
        (Side::Left, "L", "Left", p.left),
    ] {
        let degrees = landmarks.and_then(|points| norberg_degrees(&points, side, spacing));
        ui.horizontal(|ui| {
            ui.set_min_height(30.0);
            let (rect, _) = ui.allocate_exact_size(vec2(20.0, 20.0), egui::Sense::hover());
            ui.painter()
                .rect_filled(rect, 4.0, color.gamma_multiply(0.22));
            ui.painter().text(
                rect.center(),
                egui::Align2::CENTER_CENTER,
                letter,
                FontId::new(12.0, theme::strong()),
                color,
            );
            let Some(degrees) = degrees else {
                large(ui, "–").on_hover_text(shown.no_angle());
                ui.label(RichText::new(name).color(p.dim));
                return;
            };
            large(ui, &format!("{degrees:.1}°"));
            let interval = shown.interval(side);
            let text = interval.map_or_else(
                || "no interval".to_owned(),
                |[low, high]| format!("[{low:.1}, {high:.1}]"),
            );
            ui.label(RichText::new(text).color(p.dim))
                .on_hover_text(interval.map_or(
                    "These points were given or moved by hand, not read by the network",
                    |_| "90 % interval from the spread of the network's points",
                ));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let points = bva_points(degrees);
                ui.label(
                    RichText::new(format!("BVA {points}"))
                        .size(12.0)
                        .color(p.dim),
                )
                .on_hover_text(
                    "Points of the BVA/KC scheme for this angle alone, 0 (best) to 6. \
                         Not a grade: grading uses congruency, rim, osteoarthritis, age and breed.",
                );
            });
        });
    }
    placed(ui, shown);
    // Where there is no angle, the reason stands in place of what it would have belonged to.
    let note = if landmarks.is_some() {
        shown.reading_note()
    } else {
        shown.makes_hips().then(|| shown.no_angle())
    };
    if let Some(text) = note {
        ui.label(RichText::new(text).size(11.5).color(p.dim));
    }
    let mut warnings = landmarks.map(|points| doubts(&points)).unwrap_or_default();
    warnings.extend(shown.warnings());
    for doubt in warnings {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            ui.label(theme::icon(glyph::WARNING, 14.0).color(p.regenerate));
            ui.label(RichText::new(super::sentence(&doubt)).size(12.0));
        });
    }
}

/// The numbers of the seam; `reason` says why one is missing.
fn seam_rows(ui: &mut Ui, made: Option<&Made>, reason: &dyn Fn(&'static str) -> &'static str) {
    let seam = made.and_then(|made| made.seam);
    let times = |value: Option<f64>| value.map(|value| format!("{value:.2}"));
    value_row(
        ui,
        "Seam",
        times(seam.and_then(|seam| seam.jump)),
        "×",
        reason("There is no border within the film, or the film is flat beside it"),
    )
    .on_hover_text("Mean gradient across the seam over that beside it; 1 is invisible");
    let noise = value_row(
        ui,
        "Noise",
        times(seam.and_then(|seam| seam.noise_ratio)),
        "×",
        reason(UNMEASURED_NOISE),
    );
    let bands = seam.map_or([None; 4], |seam| seam.noise_bands);
    noise.on_hover_text(format!(
        "Noise power of the patch over that of its surroundings; 1 is alike. Finest to coarsest: {}",
        bands.map(|band| times(band).unwrap_or_else(|| "–".to_owned())).join(", ")
    ));
    value_row(
        ui,
        "Noise in the ring",
        times(seam.and_then(|seam| seam.ring_noise_ratio)),
        "×",
        reason("The ring is too narrow to measure noise in, or its surroundings are flat"),
    )
    .on_hover_text(
        "Noise power half-way through the ring over that of the surroundings; 1 is alike",
    );
    value_row(
        ui,
        "Gain and offset",
        made.and_then(super::matched),
        "",
        reason(super::UNMATCHED),
    )
    .on_hover_text(
        "What the patch was matched by, in the unit of the image or else in stored values, fitted outside the mask and inside the window alone; held = it \
         would have had to be more than is allowed",
    );
    if let Some(share) = seam
        .and_then(|seam| seam.beyond_window)
        .filter(|s| *s > 0.0)
    {
        value_row(
            ui,
            "Beyond the window",
            Some(super::share_beyond(share)),
            "",
            "",
        )
        .on_hover_text(
            "Share of the renewed part where the film lies beyond the window: the model never saw those values, and made \
             others inside the window",
        );
    }
}

const UNMEASURED_NOISE: &str =
    "The patch or its surroundings are too small to measure noise in, or flat";

/// What the points ask for that live answers follow.
fn placed(ui: &mut Ui, shown: &Shown<'_>) {
    let points = shown.points().filter(|_| shown.follows_points());
    let Some(points) = points else { return };
    let degrees = |side| norberg_degrees(&points, side, shown.proportions());
    if let (Some(right), Some(left)) = (degrees(Side::Right), degrees(Side::Left)) {
        let text = format!("Placed for R {right:.1}°, L {left:.1}°");
        let dim = palette(ui.visuals()).dim;
        ui.label(RichText::new(text).size(11.5).color(dim))
            .on_hover_text("What the points ask for; above stands what is read from the answer");
    }
}

fn patch(ui: &mut Ui, shown: &Shown<'_>) {
    section(ui, "Patch");
    let made: Option<&Made> = shown.made();
    let none = "Show a result to see its numbers";
    let seam = made.and_then(|made| made.seam);
    let reason = |unmeasured: &'static str| match (made, seam) {
        (None, _) => none,
        (Some(_), None) => "A whole image has no seam",
        (Some(_), Some(_)) => unmeasured,
    };
    seam_rows(ui, made, &reason);
    value_row(
        ui,
        "Hint distance",
        made.and_then(|made| shown.hint_distance(made)),
        "",
        if made.is_some() {
            "Only images made from a sketch have one"
        } else {
            none
        },
    )
    .on_hover_text("Median distance of the drawn lines to the nearest edge of the result");
    value_row(
        ui,
        "Changed outside the ring",
        made.map(|made| super::thousands(made.changed_outside_ring)),
        "px",
        none,
    )
    .on_hover_text("Counted pixel by pixel against the source. It must be 0 to accept.");
}
