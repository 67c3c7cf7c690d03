//! `bench canvas`: CPU time a frame and bytes written while panning, windowing and painting, and frames when idle.
//!
//! Measured through an egui context without a window: the widget's pass, and the upload calls on a device without a
//! surface where there is one. What the GPU then does is not in these figures.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use egui::{Event, Modifiers, PointerButton, Pos2, RawInput, Rect, pos2, vec2};

use super::gpu::Headless;
use super::view::point_of;
use super::{Canvas, Planes, Scene, Tool, ToolOptions, View};
use crate::document::Layer;
use crate::geometry::{PixelRect, Point};
use crate::grid::Grid;
use crate::radiograph::{Pixels, Radiograph};

const SIDE: usize = 4096;
/// Full width of the brush, image pixels.
const BRUSH_PX: f64 = 500.0;
const FRAMES: usize = 60;
/// How long a canvas is watched that nobody touches.
const IDLE: Duration = Duration::from_secs(1);

/// One measured figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// The unit of the value; empty for a plain number.
    pub unit: &'static str,
    /// The most that it is meant to be.
    pub most: Option<f64>,
}

impl Figure {
    fn new(name: &str, value: f64, unit: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            value,
            unit,
            most: None,
        }
    }

    fn at_most(self, most: f64) -> Self {
        Self {
            most: Some(most),
            ..self
        }
    }
}

/// What is measured; figures of uploads are absent on a machine without any device.
pub fn figures() -> Vec<Figure> {
    let image = Arc::new(Radiograph::from_pixels(Pixels::U16(Grid::from_fn(
        SIDE,
        SIDE,
        |x, y| ((x * 13 + y * 7) % 65536) as u16,
    ))));
    let mut found = Vec::new();
    let start = Instant::now();
    let prepared = super::pyramid::prepare(&image);
    found.push(Figure::new("levels of 4096²", ms(start), "ms"));
    drop(prepared);
    let mut idle = 0;
    for (name, button, tool) in [
        ("panning", PointerButton::Middle, Tool::Select),
        ("windowing", PointerButton::Secondary, Tool::Select),
        ("painting", PointerButton::Primary, Tool::Brush),
    ] {
        let options = ToolOptions {
            size_px: BRUSH_PX,
            ..ToolOptions::default()
        };
        let corners = <[Vec<String>; 4]>::default();
        let scene = bench_scene(&image, tool, &options, &corners);
        let mut bench = Bench::new(&scene);
        bench.wait_until_shown();
        let drag = bench.drag(button);
        idle += bench.idle_frames(button);
        let has_device = bench.device.is_some();
        found.extend(reported(name, drag, has_device));
    }
    let watched = format!("idle, frames in {} s", 3 * IDLE.as_secs());
    found.push(Figure::new(&watched, f64::from(idle), "frames").at_most(0.0));
    found
}

/// The figures of one kind of drag, with what they are meant to be.
fn reported(name: &str, drag: Drag, has_device: bool) -> Vec<Figure> {
    let named = |what: &str| format!("{name}, {what}");
    let per_frame = "ms a frame";
    let both = drag.ui_ms.iter().zip(&drag.upload_ms);
    let all: Vec<f64> = both.map(|(ui, upload)| ui + upload).collect();
    let mut found = vec![Figure::new(
        &named("widget"),
        quantile(drag.ui_ms, 0.5),
        per_frame,
    )];
    if !has_device {
        return found;
    }
    let upload = quantile(drag.upload_ms, 0.5);
    found.push(Figure::new(&named("upload calls"), upload, per_frame));
    let in_all = quantile(all.clone(), 0.5);
    found.push(Figure::new(&named("in all"), in_all, per_frame).at_most(2.0));
    let slow = quantile(all, 0.95);
    found.push(Figure::new(&named("19 of 20 within"), slow, per_frame));
    let bytes = Figure::new(
        &named("written"),
        drag.bytes as f64 / FRAMES as f64,
        "bytes a frame",
    );
    if name == "painting" {
        found.push(bytes);
        let share = drag.bytes as f64 / drag.dirty_px.max(1) as f64;
        found.push(Figure::new(&named("written of what changed"), share, "").at_most(1.1));
    } else {
        found.push(bytes.at_most(0.0));
    }
    found
}

fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * share) as usize;
    values.get(at).copied().unwrap_or(0.0)
}

/// What 60 frames with four moves each cost.
#[derive(Default)]
struct Drag {
    ui_ms: Vec<f64>,
    upload_ms: Vec<f64>,
    bytes: u64,
    /// Pixels of the smallest rectangles that hold what the brush passed in each frame.
    dirty_px: u64,
}

/// One canvas with the context and the device that it is shown by.
struct Bench<'a> {
    ctx: egui::Context,
    canvas: Canvas,
    view: View,
    scene: &'a Scene<'a>,
    device: Option<Headless>,
    /// Where the canvas lies.
    rect: Rect,
    /// When the context wants its next frame.
    due: Arc<Mutex<Option<Instant>>>,
}

impl<'a> Bench<'a> {
    fn new(scene: &'a Scene<'a>) -> Self {
        let ctx = egui::Context::default();
        let due: Arc<Mutex<Option<Instant>>> = Arc::default();
        let asked = Arc::clone(&due);
        ctx.set_request_repaint_callback(move |info| {
            let at = Instant::now().checked_add(info.delay);
            let mut due = asked.lock().unwrap_or_else(PoisonError::into_inner);
            *due = match (*due, at) {
                (Some(due), Some(at)) => Some(due.min(at)),
                (due, at) => due.or(at),
            };
        });
        Self {
            ctx,
            canvas: Canvas::new(1),
            view: View::of(scene.image),
            scene,
            device: Headless::new(),
            rect: Rect::NOTHING,
            due,
        }
    }

    /// One frame: milliseconds of the widget, of the upload calls, and bytes written.
    fn pass(&mut self, events: Vec<Event>) -> (f64, f64, u64) {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let start = Instant::now();
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, vec2(1500.0, 940.0))),
            events,
            ..RawInput::default()
        };
        let mut output = self.ctx.run_ui(input, |ui| {
            let response = self
                .canvas
                .ui(ui, self.scene, &mut self.view, &mut Vec::new());
            self.rect = response.rect;
        });
        output.textures_delta.clear();
        let ui_ms = ms(start);
        let before = self.canvas.bytes_written();
        let start = Instant::now();
        if let (Some(device), Some(frame)) = (&mut self.device, self.canvas.last_frame()) {
            device.prepare(frame);
        }
        let upload_ms = ms(start);
        if let Some(device) = &self.device {
            device.flush();
        }
        (ui_ms, upload_ms, self.canvas.bytes_written() - before)
    }

    /// Until the image is there: made ready off this thread, uploaded a few MB a frame.
    fn wait_until_shown(&mut self) {
        let start = Instant::now();
        let (mut ready, mut idle) = (false, 0);
        while idle < 3 && start.elapsed().as_secs() < 30 {
            let (_, _, bytes) = self.pass(Vec::new());
            let frame = self.canvas.last_frame();
            ready |= frame.is_some_and(|frame| frame.before.get().is_some());
            idle = if ready && bytes == 0 { idle + 1 } else { 0 };
        }
    }

    fn drag(&mut self, button: PointerButton) -> Drag {
        let mut at = pos2(400.0, 400.0);
        self.pass(vec![Event::PointerMoved(at), pressed(button, at, true)]);
        let mut drag = Drag::default();
        for frame in 0..FRAMES {
            let moves: Vec<Pos2> = (0..4)
                .map(|i| {
                    let x = (frame * 4 + i) as f32;
                    pos2(400.0 + 2.0 * x, 400.0 + 40.0 * (x * 0.1).sin())
                })
                .collect();
            // The first frame goes no way: it begins where the button went down.
            drag.dirty_px += self.passed_px(std::iter::once(&at).chain(&moves));
            at = moves.last().copied().unwrap_or(at);
            let (ui_ms, upload_ms, bytes) =
                self.pass(moves.into_iter().map(Event::PointerMoved).collect());
            drag.ui_ms.push(ui_ms);
            drag.upload_ms.push(upload_ms);
            drag.bytes += bytes;
        }
        drag
    }

    /// Pixels of the smallest rectangle of the image that holds a brush at all these places.
    fn passed_px<'p>(&self, places: impl Iterator<Item = &'p Pos2>) -> u64 {
        let image_from_screen = self
            .view
            .image_from_screen(self.rect, self.ctx.pixels_per_point());
        let (mut low, mut high) = (
            Point::new(f64::INFINITY, f64::INFINITY),
            Point::new(f64::NEG_INFINITY, f64::NEG_INFINITY),
        );
        for place in places {
            let p = image_from_screen.apply(point_of(*place));
            low = Point::new(low.x.min(p.x), low.y.min(p.y));
            high = Point::new(high.x.max(p.x), high.y.max(p.y));
        }
        // A smooth edge covers pixels whose centers lie less than half a pixel outside.
        let reach = BRUSH_PX / 2.0 + 0.5;
        let first = |v: f64| (v - reach).ceil() as i64;
        let count = |low: f64, high: f64| ((high + reach).floor() as i64 - first(low) + 1) as usize;
        let rect = PixelRect::new(
            first(low.x),
            first(low.y),
            count(low.x, high.x),
            count(low.y, high.y),
        )
        .intersection(PixelRect::new(0, 0, SIDE, SIDE));
        (rect.width * rect.height) as u64
    }

    /// Frames that are asked for while nobody touches anything, counted once what the drag left behind is done.
    fn idle_frames(&mut self, button: PointerButton) -> u32 {
        let at = pos2(600.0, 400.0);
        self.pass(vec![pressed(button, at, false)]);
        // The stroke stays in sight until a document has taken it over, which here none does: 30 passes at most.
        for _ in 0..40 {
            self.pass(Vec::new());
        }
        let (start, mut frames) = (Instant::now(), 0);
        while start.elapsed() < IDLE {
            let due = *self.due.lock().unwrap_or_else(PoisonError::into_inner);
            if due.is_some_and(|due| due <= Instant::now()) {
                self.pass(Vec::new());
                frames += 1;
            }
            std::hint::spin_loop();
        }
        frames
    }
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
        denoised: &[],
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
        planes: Planes::All,
        pacs_buttons: false,
        stack: false,
        title: "Bench",
    }
}
