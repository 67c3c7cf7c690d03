//! `bench canvas`: CPU time a frame and bytes written while panning, windowing and painting.
//!
//! Measured through an egui context without a window: the widget's pass, and the upload calls on a device without a
//! surface where there is one. What the GPU then does is not in these figures.

use std::sync::Arc;
use std::time::Instant;

use egui::{Event, Modifiers, PointerButton, Pos2, RawInput, Rect, pos2, vec2};

use super::gpu::Headless;
use super::{Canvas, Scene, Tool, ToolOptions, View};
use crate::document::Layer;
use crate::grid::Grid;
use crate::radiograph::{Pixels, Radiograph};

const SIDE: usize = 4096;
const FRAMES: usize = 60;

/// `(name, value, unit)` of each figure; upload figures are absent on a machine without any device.
pub fn figures() -> Vec<(String, f64, String)> {
    let image = Arc::new(Radiograph::from_pixels(Pixels::U16(Grid::from_fn(
        SIDE,
        SIDE,
        |x, y| ((x * 13 + y * 7) % 65536) as u16,
    ))));
    let mut found = Vec::new();
    let start = Instant::now();
    let prepared = super::pyramid::prepare(&image);
    found.push(figure("levels of 4096²", ms(start), "ms"));
    drop(prepared);
    for (name, button, tool) in [
        ("panning", PointerButton::Middle, Tool::Select),
        ("windowing", PointerButton::Secondary, Tool::Select),
        ("painting", PointerButton::Primary, Tool::Brush),
    ] {
        found.extend(measured(name, button, tool, &image));
    }
    found
}

fn figure(name: &str, value: f64, unit: &str) -> (String, f64, String) {
    (name.to_owned(), value, unit.to_owned())
}

fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// One kind of drag, 60 frames with four moves each.
fn measured(
    name: &str,
    button: PointerButton,
    tool: Tool,
    image: &Arc<Radiograph>,
) -> Vec<(String, f64, String)> {
    let ctx = egui::Context::default();
    let mut canvas = Canvas::new(1);
    let mut view = View::of(image);
    let options = ToolOptions {
        size_px: 500.0,
        ..ToolOptions::default()
    };
    let corners = <[Vec<String>; 4]>::default();
    let scene = bench_scene(image, tool, &options, &corners);
    let mut device = Headless::new();
    let has_device = device.is_some();
    let mut pass = |events: Vec<Event>| {
        let start = Instant::now();
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, vec2(1500.0, 940.0))),
            events,
            ..RawInput::default()
        };
        let mut output = ctx.run_ui(input, |ui| {
            canvas.ui(ui, &scene, &mut view, &mut Vec::new());
        });
        output.textures_delta.clear();
        let ui_ms = ms(start);
        let before = canvas.bytes_written();
        let start = Instant::now();
        if let (Some(device), Some(frame)) = (&mut device, canvas.last_frame()) {
            device.prepare(frame);
        }
        let upload_ms = ms(start);
        if let Some(device) = &device {
            device.flush();
        }
        let at_hand = canvas
            .last_frame()
            .is_some_and(|frame| frame.before.get().is_some());
        (ui_ms, upload_ms, canvas.bytes_written() - before, at_hand)
    };
    // Until the image is there: made ready off this thread, uploaded a few MB a frame.
    let start = Instant::now();
    let (mut ready, mut idle) = (false, 0);
    while idle < 3 && start.elapsed().as_secs() < 30 {
        let (_, _, bytes, at_hand) = pass(Vec::new());
        ready |= at_hand;
        idle = if ready && bytes == 0 { idle + 1 } else { 0 };
    }
    let _ = pass(vec![
        Event::PointerMoved(pos2(400.0, 400.0)),
        pressed(button, pos2(400.0, 400.0), true),
    ]);
    let (mut ui_times, mut upload_times, mut bytes) = (Vec::new(), Vec::new(), 0);
    for frame in 0..FRAMES {
        let moves = (0..4)
            .map(|i| {
                let x = (frame * 4 + i) as f32;
                Event::PointerMoved(pos2(400.0 + 2.0 * x, 400.0 + 40.0 * (x * 0.1).sin()))
            })
            .collect();
        let (ui_ms, upload_ms, written, _) = pass(moves);
        ui_times.push(ui_ms);
        upload_times.push(upload_ms);
        bytes += written;
    }
    let mut found = vec![figure(
        &format!("{name}, widget"),
        median(ui_times),
        "ms a frame",
    )];
    if has_device {
        found.push(figure(
            &format!("{name}, upload calls"),
            median(upload_times),
            "ms a frame",
        ));
        found.push(figure(
            &format!("{name}, written"),
            bytes as f64 / FRAMES as f64,
            "bytes a frame",
        ));
    }
    found
}

fn pressed(button: PointerButton, pos: Pos2, pressed: bool) -> Event {
    Event::PointerButton {
        pos,
        button,
        pressed,
        modifiers: Modifiers::NONE,
    }
}

fn bench_scene<'a>(
    image: &'a Arc<Radiograph>,
    tool: Tool,
    options: &'a ToolOptions,
    corners: &'a [Vec<String>; 4],
) -> Scene<'a> {
    Scene {
        image,
        after: None,
        veil: None,
        split: 1.0,
        layer: Layer::Mask,
        hint: None,
        mask: None,
        regenerate_inside: true,
        ring_px: 12.0,
        denoised_px: 0.0,
        landmarks: None,
        intervals: None,
        show_hips: false,
        figures: &[],
        chosen: None,
        loupe: false,
        tool,
        tool_options: options,
        corner_texts: corners,
        synthetic: false,
        overlays: true,
        pacs_buttons: false,
        stack: false,
        title: "Bench",
    }
}
