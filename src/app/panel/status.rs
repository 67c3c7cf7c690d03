//! The bar at the bottom: where the pointer is and what is there, jobs with progress, notices.

use egui::accesskit::Role;
use egui::{Align, Button, Layout, RichText, Sense, Ui, WidgetInfo, vec2};

use super::Shown;
use super::widgets::icon_button;
use crate::app::action::Action;
use crate::app::files::Open;
use crate::app::names::Names;
use crate::app::session::{Notice, Weight};
use crate::app::theme::{glyph, palette};
use crate::geometry::Point;
use crate::job::Progress;
use crate::radiograph::{ModalityTransform, Radiograph, one_value};

/// The whole bar.
pub(crate) fn bar_ui(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    ui.horizontal_centered(|ui| {
        ui.add_space(4.0);
        probe(ui, shown);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.add_space(2.0);
            notices_button(ui, shown, actions);
            jobs(ui, shown, actions);
        });
    });
}

/// Position, millimetres with their source, stored value, HU.
fn probe(ui: &mut Ui, shown: &Shown<'_>) {
    let p = palette(ui.visuals());
    let dim = |text: String| RichText::new(text).size(12.0).color(p.dim);
    let Some(open) = shown.session.open() else {
        ui.label(dim("Nothing open".to_owned()));
        return;
    };
    // The image under the pointer, which may be one beside the case.
    let probed = shown.session.probe.and(shown.session.probed_image());
    let image = probed.unwrap_or_else(|| open.document().image());
    let cell = |ui: &mut Ui, width: f32, text: String| {
        ui.allocate_ui_with_layout(
            vec2(width, 20.0),
            Layout::left_to_right(Align::Center),
            |ui| {
                ui.set_min_width(width);
                ui.label(dim(text));
            },
        );
    };
    let Some(under) = shown.session.probe else {
        let size = format!("{} × {} px", image.width(), image.height());
        let depth = format!("{} bit", image.source.bits_stored);
        let spacing = image.spacing.map_or_else(
            || "no scale".to_owned(),
            |s| format!("{:.3} mm/px ({})", s.row_mm, s.source.label()),
        );
        ui.label(dim(format!(
            "{} · {size} · {depth} · {spacing}",
            shown.names().case(shown.session)
        )));
        not_kept(ui, open);
        return;
    };
    let probe = under.at;
    cell(ui, 116.0, format!("x {:.0}  y {:.0}", probe.x, probe.y));
    let millimetres = image.spacing.map_or_else(
        || "no scale".to_owned(),
        |s| {
            format!(
                "{:.1}, {:.1} mm ({})",
                probe.x * s.column_mm,
                probe.y * s.row_mm,
                s.source.label()
            )
        },
    );
    cell(ui, 210.0, millimetres);
    // What is shown there is what is told: the answer on its side of the slider, else the image.
    let answer = shown.answer().filter(|_| shown.session.probed == 0);
    let seen = answer.filter(|_| under.answer).unwrap_or(image);
    let which = match answer {
        None => "",
        Some(_) if under.answer => " (synthetic)",
        Some(_) => " (source)",
    };
    let [stored, modality] = values(seen, probe);
    let width = if which.is_empty() { 104.0 } else { 176.0 };
    cell(ui, width, format!("stored {stored}{which}"));
    cell(ui, 90.0, modality);
    not_kept(ui, open);
}

/// The stored value at a point, and what it means where that is something else; a dash where there is none.
fn values(image: &Radiograph, at: Point) -> [String; 2] {
    let (x, y) = (at.x.round(), at.y.round());
    let inside = x >= 0.0 && y >= 0.0;
    let value = inside
        .then(|| image.pixels.value(x as usize, y as usize))
        .flatten();
    let told = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), one_value);
    let meant = value.map(|stored| image.modality_transform.apply(stored));
    // Where stored values mean themselves and have no unit, there is no second value to tell.
    let modality = match image.modality_unit.as_str() {
        "" if image.modality_transform == ModalityTransform::default() => String::new(),
        "" => format!("value {}", told(meant)),
        unit => format!("{unit} {}", told(meant)),
    };
    [told(value), modality]
}

/// Says that a crash would lose this work, as long as it would.
fn not_kept(ui: &mut Ui, open: &Open) {
    let Some(why) = &open.not_kept else {
        return;
    };
    let p = palette(ui.visuals());
    let text = RichText::new(format!("{}  not kept on disk", glyph::WARNING));
    ui.label(text.size(12.0).color(p.wrong)).on_hover_text(why);
}

fn notices_button(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let p = palette(ui.visuals());
    let session = shown.session;
    let worst = session
        .notices
        .iter()
        .rev()
        .take(session.unread)
        .any(|notice| notice.weight == Weight::Wrong);
    let color = if worst { p.wrong } else { p.dim };
    let text = match session.unread {
        0 => format!("{}  Notices", glyph::NOTICES),
        n => format!("{}  Notices {n}", glyph::NOTICES),
    };
    let button = Button::new(RichText::new(text).size(12.0).color(color)).frame(false);
    if ui.add(button).clicked() {
        actions.push(Action::Notices);
    }
}

fn jobs(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let p = palette(ui.visuals());
    let session = shown.session;
    let Some(job) = session
        .jobs
        .iter()
        .find(|job| job.progress.is_some())
        .or_else(|| session.jobs.first())
    else {
        if let Some(error) = &session.engine_error {
            ui.label(RichText::new("No engine").size(12.0).color(p.wrong))
                .on_hover_text(error.to_string());
        } else if !session.engine_ready {
            ui.label(RichText::new("Loading models…").size(12.0).color(p.dim));
        }
        return;
    };
    let stop = format!("Stop {}", job.title);
    let key = shown.keys.label("cancel");
    if icon_button(ui, glyph::CLOSE, &stop, &key, false, 22.0).clicked() {
        actions.push(Action::CancelJob(job.id));
    }
    let share = job.progress.as_ref().and_then(share);
    let (rect, response) = ui.allocate_exact_size(vec2(120.0, 4.0), Sense::hover());
    response.widget_info(|| {
        WidgetInfo::labeled(
            Role::ProgressIndicator,
            true,
            progress_text(&job.title, job.progress.as_ref()),
        )
    });
    ui.painter().rect_filled(rect, 2.0, p.hovered);
    let mut done = rect;
    done.set_width(rect.width() * share.unwrap_or(0.0));
    ui.painter().rect_filled(done, 2.0, p.accent);
    let mut text = progress_text(&job.title, job.progress.as_ref());
    let waiting = session.jobs.len() - 1;
    if waiting > 0 {
        text = format!("{text} · {waiting} waiting");
    }
    ui.label(RichText::new(text).size(12.0).color(p.dim));
}

fn share(progress: &Progress) -> Option<f32> {
    (progress.steps > 0).then(|| (progress.step as f32 / progress.steps as f32).clamp(0.0, 1.0))
}

/// `Generate · denoising 12 of 40 · 3 s left`.
fn progress_text(title: &str, progress: Option<&Progress>) -> String {
    let Some(progress) = progress else {
        return format!("{title} · waiting");
    };
    let mut text = format!("{title} · {}", progress.stage);
    if progress.steps > 0 {
        text = format!("{text} {} of {}", progress.step, progress.steps);
    }
    if let Some(seconds) = progress.seconds_left.filter(|s| s.is_finite() && *s >= 0.0) {
        text = format!("{text} · {} left", super::duration(seconds));
    }
    text
}

/// One notice with its sign.
pub(crate) fn notice_ui(ui: &mut Ui, names: Names, notice: &Notice) {
    let p = palette(ui.visuals());
    let (sign, color) = match notice.weight {
        Weight::Done => (glyph::DONE, p.kept),
        Weight::Note => (glyph::INFO, p.sketch),
        Weight::Wrong => (glyph::WARNING, p.wrong),
    };
    ui.horizontal_top(|ui| {
        ui.label(crate::app::theme::icon(sign, 16.0).color(color));
        let text = names.told(&notice.text, notice.file.as_deref());
        ui.add(egui::Label::new(text).wrap());
    });
}
