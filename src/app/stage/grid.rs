//! The View workspace on the screen: a bar for layout and links, and the images in rows.

use egui::{
    Align2, Color32, FontId, Rect, RichText, Sense, Stroke, StrokeKind, Ui, UiBuilder, pos2, vec2,
};

use super::corners::{facts_lines, identity_lines, size_lines};
use super::{Show, canvas_ui};
use crate::app::action::{Action, FrameChange};
use crate::app::canvas::{Canvas, CanvasEvent, Scene, Tool, ToolOptions, View};
use crate::app::logic::grid::{Beside, Layout, Link, follow, windows};
use crate::app::panel::Shown;
use crate::app::theme::palette;
use crate::document::Layer;

/// Gap between two images, points.
const GAP: f32 = 4.0;
/// Height of the bar, points.
const BAR: f32 = 30.0;

/// The whole workspace; `views` are those of the images beside the case.
pub(super) fn grid_ui(
    ui: &mut Ui,
    canvases: &mut [Canvas; 4],
    shown: &Shown<'_>,
    view: &mut View,
    views: &mut [View; 3],
    actions: &mut Vec<Action>,
) -> Vec<egui::Id> {
    bar_ui(ui, shown, actions);
    let all = ui.available_rect_before_wrap();
    let layout = shown.session.beside.layout;
    let (columns, rows) = match layout {
        Layout::One => (1, 1),
        Layout::Two => (2, 1),
        Layout::Four => (2, 2),
    };
    let size = vec2(
        (all.width() - GAP * (columns - 1) as f32) / columns as f32,
        (all.height() - GAP * (rows - 1) as f32) / rows as f32,
    );
    let mut ids = Vec::new();
    let before: Vec<View> = std::iter::once(&*view)
        .chain(views.iter())
        .cloned()
        .collect();
    for (number, canvas) in canvases.iter_mut().enumerate().take(layout.cells()) {
        let at = pos2(
            all.left() + (size.x + GAP) * (number % columns) as f32,
            all.top() + (size.y + GAP) * (number / columns) as f32,
        );
        let rect = Rect::from_min_size(at, size);
        ui.scope_builder(UiBuilder::new().max_rect(rect), |ui| {
            ui.set_clip_rect(rect);
            let mut own = Vec::new();
            let id = match number.checked_sub(1) {
                None => canvas_ui(ui, canvas, Show::View, shown, view, &mut own),
                Some(cell) => beside_ui(ui, canvas, cell, shown, &mut views[cell], &mut own),
            };
            // Steps of the wheel go to the image under the pointer, whichever keys act on.
            let steps = own.iter().any(is_step);
            let pressed = ui.input(|i| i.pointer.any_pressed())
                && ui
                    .input(|i| i.pointer.interact_pos())
                    .is_some_and(|at| rect.contains(at));
            let measures = matches!(shown.session.tool, Tool::Measure(_));
            let left = ui.input(|i| i.pointer.primary_pressed() && !i.key_down(egui::Key::Space));
            let drawn = number > 0 && pressed && left && measures;
            if let Some(cell) = number
                .checked_sub(1)
                .filter(|_| drawn && !shown.settings.pacs_buttons)
            {
                actions.push(Action::ToStage(cell));
            } else if (steps || pressed) && shown.session.beside.active != number {
                actions.push(Action::ActiveCell(number));
            }
            actions.extend(own);
            ids.extend(id);
            if layout != Layout::One && shown.session.beside.active == number {
                let stroke = Stroke::new(1.5, palette(ui.visuals()).accent);
                ui.painter()
                    .rect_stroke(rect, 0.0, stroke, StrokeKind::Inside);
            }
        });
    }
    ui.allocate_rect(all, Sense::hover());
    link(shown, &before, view, views);
    ids
}

fn is_step(action: &Action) -> bool {
    match action {
        Action::Canvas(_, event) => matches!(**event, CanvasEvent::FrameStep(_)),
        Action::Frame(_) => true,
        _ => false,
    }
}

/// Lets the views follow the one that a hand changed in this frame.
fn link(shown: &Shown<'_>, before: &[View], view: &mut View, views: &mut [View; 3]) {
    let beside = &shown.session.beside;
    let cells = beside.layout.cells();
    let image = |number: usize| match number.checked_sub(1) {
        None => shown.session.open().map(|open| open.document().image()),
        Some(cell) => beside.cells.get(cell).and_then(|cell| cell.image.as_ref()),
    };
    let now: Vec<View> = std::iter::once(&*view)
        .chain(views.iter())
        .cloned()
        .collect();
    let changed = (0..cells).find(|n| looks_differ(&now[*n], &before[*n]));
    let Some(from) = changed else {
        return;
    };
    let Some(source) = image(from) else {
        return;
    };
    for number in (0..cells).filter(|n| *n != from) {
        if let Some(other) = image(number) {
            let how = windows(source, other, beside.link_window);
            let to = match number.checked_sub(1) {
                None => &mut *view,
                Some(cell) => &mut views[cell],
            };
            follow(&before[from], &now[from], to, beside.places(), how);
        }
    }
}

/// Whether a hand changed it; sizes and corners are set by the canvas itself.
fn looks_differ(a: &View, b: &View) -> bool {
    let mut a = a.clone();
    a.image_size = b.image_size;
    (a.pixel_ratio, a.seen, a.corners) = (b.pixel_ratio, b.seen, b.corners);
    a != *b
}

fn bar_ui(ui: &mut Ui, shown: &Shown<'_>, actions: &mut Vec<Action>) {
    let beside = &shown.session.beside;
    let p = palette(ui.visuals());
    let room = vec2(ui.available_width(), BAR);
    ui.allocate_ui(room, |ui| {
        // In a narrow window the bar scrolls; it must not push the images over what stands beside them.
        let hidden = egui::scroll_area::ScrollBarVisibility::AlwaysHidden;
        let scroll = egui::ScrollArea::horizontal().scroll_bar_visibility(hidden);
        scroll.show(ui, |ui| {
            ui.horizontal_centered(|ui| links_ui(ui, beside, p.dim, actions));
        });
    });
}

fn links_ui(ui: &mut Ui, beside: &Beside, dim: Color32, actions: &mut Vec<Action>) {
    ui.set_min_height(BAR);
    ui.add_space(8.0);
    for (layout, title) in [
        (Layout::One, "1 × 1"),
        (Layout::Two, "1 × 2"),
        (Layout::Four, "2 × 2"),
    ] {
        if ui
            .selectable_label(beside.layout == layout, title)
            .clicked()
        {
            actions.push(Action::Layout(layout));
        }
    }
    ui.separator();
    ui.label(RichText::new("Together").size(12.0).color(dim));
    for (link, title, on) in [
        (Link::Zoom, "Zoom", beside.link_zoom),
        (Link::Pan, "Pan", beside.link_pan),
        (Link::Window, "Window", beside.link_window),
        (Link::Slice, "Slice", beside.link_slice),
    ] {
        let mut value = on;
        if ui.checkbox(&mut value, title).changed() {
            actions.push(Action::Link(link));
        }
    }
}

/// An image beside the case: it is looked at, not drawn on.
fn beside_ui(
    ui: &mut Ui,
    canvas: &mut Canvas,
    number: usize,
    shown: &Shown<'_>,
    view: &mut View,
    actions: &mut Vec<Action>,
) -> Option<egui::Id> {
    let cell = &shown.session.beside.cells[number];
    let Some(image) = &cell.image else {
        let rect = ui.available_rect_before_wrap();
        let p = palette(ui.visuals());
        let text = cell.unreadable.as_deref().unwrap_or("Reading…");
        let font = FontId::proportional(13.0);
        let galley = ui.painter().layout(
            text.to_owned(),
            font,
            p.dim,
            (rect.width() - 24.0).max(40.0),
        );
        let at = Align2::CENTER_CENTER.anchor_size(rect.center(), galley.size());
        ui.painter().galley(at.min, galley, p.dim);
        return None;
    };
    let options = ToolOptions::default();
    let stack = shown.session.stack.as_ref();
    let corners = corner_texts(shown, number);
    let title = match ["Second image", "Third image", "Fourth image"][number] {
        title if cell.is_before() => format!("{title}: before"),
        title => title.to_owned(),
    };
    let scene = Scene {
        image,
        after: None,
        split: 1.0,
        layer: Layer::Sketch,
        hint: None,
        mask: None,
        regenerate_inside: true,
        ring_px: 0.0,
        veil: None,
        denoised: &[],
        landmarks: None,
        intervals: None,
        show_hips: false,
        figures: &[],
        chosen: None,
        loupe: shown.session.loupe,
        tool: Tool::Select,
        tool_options: &options,
        corner_texts: &corners,
        synthetic: image.synthetic.is_some(),
        overlays: shown.session.overlays,
        planes: shown.planes(),
        pacs_buttons: shown.settings.pacs_buttons,
        stack: stack
            .zip(cell.place)
            .and_then(|(stack, place)| stack.file(place.0))
            .is_some_and(|file| file.frames() > 1),
        title: &title,
    };
    let mut events = Vec::new();
    let id = canvas.ui(ui, &scene, view, &mut events).id;
    for event in events {
        match event {
            CanvasEvent::FrameStep(step) => {
                actions.push(Action::Frame(FrameChange::Step(step as isize)));
            }
            CanvasEvent::PointerAt(at) => actions.push(Action::Probe(number, at)),
            _ => {}
        }
    }
    Some(id)
}

fn corner_texts(shown: &Shown<'_>, number: usize) -> [Vec<String>; 4] {
    let cell = &shown.session.beside.cells[number];
    let mut corners: [Vec<String>; 4] = Default::default();
    let Some(image) = &cell.image else {
        return corners;
    };
    let hidden = shown.session.hide_identity;
    if !hidden {
        corners[0] = identity_lines(image);
    }
    if cell.is_before() {
        corners[0].insert(0, "Before".to_owned());
    }
    corners[1] = facts_lines(image, hidden);
    corners[1].extend(shown.planes_line(image));
    if let (Some(stack), Some((series, frame))) = (&shown.session.stack, cell.place) {
        let frames = stack
            .file(series)
            .map_or(1, crate::radiograph::ImageFile::frames);
        if stack.series().len() > 1 {
            corners[2].push(format!("Series {} / {}", series + 1, stack.series().len()));
        }
        if frames > 1 {
            corners[2].push(format!("Frame {} / {frames}", frame + 1));
        }
    }
    corners[3] = size_lines(image);
    corners
}
