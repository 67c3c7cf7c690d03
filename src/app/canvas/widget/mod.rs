//! The widget: takes its room, follows the hand, paints.
//!
//! Gestures are made from raw pointer events, because egui's own drags begin late, and end when any other button or
//! Esc is pressed. All events of a frame count, so that a quick stroke keeps its shape.

mod hand;
mod paint;

pub use paint::look;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use egui::{EventFilter, Key, Pos2, Rect};

use super::draft::DraftRaster;
use super::gesture::{Active, Gesture};
use super::gpu::Frame;
use super::pyramid::{Pending, pending, reach::Reach};
use super::{CanvasEvent, Scene, Tool, Under, View};
use crate::document::{Layer, Mark};
use crate::geometry::{Affine, Figure, Point};

/// Points of a touchpad that make one slice.
const SLICE_POINTS: f32 = 50.0;

/// What a finished stroke waits for: the layer's raster with it.
struct Settling {
    layer: Layer,
    generation: Option<u64>,
    passes: u32,
}

/// A distance field that is there or will be, and what it was made from.
struct ReachJob {
    key: (u64, u64, u64),
    field: Arc<OnceLock<Arc<Reach>>>,
}

/// One canvas of the window.
pub struct Canvas {
    id: u64,
    active: Option<Active>,
    /// The figure that is being drawn, over one press or several.
    drawn: Option<Figure>,
    raster: Arc<Mutex<DraftRaster>>,
    /// Layer code and whether it erases, of the stroke in the raster; 0 = none.
    shown_draft: (f32, bool),
    settling: Option<Settling>,
    pressure: f32,
    reach: Option<ReachJob>,
    shown_reach: Option<Arc<Reach>>,
    written: Arc<AtomicU64>,
    pointer: Option<Pos2>,
    /// What was last said to lie under the pointer.
    told: Option<Under>,
    /// Points that a touchpad has scrolled since the last slice.
    scrolled: f32,
    last_frame: Option<Arc<Frame>>,
    last_loupe: Option<Arc<Frame>>,
}

/// What one pass of the widget works with.
struct Pass<'a, 'b> {
    rect: Rect,
    ppp: f32,
    scene: &'a Scene<'b>,
    view: &'a mut View,
    events: &'a mut Vec<CanvasEvent>,
    image: Pending,
}

impl Pass<'_, '_> {
    fn image_from_screen(&self) -> Affine {
        self.view.image_from_screen(self.rect, self.ppp)
    }

    fn image_point(&self, at: Pos2) -> Point {
        self.image_from_screen().apply(super::view::point_of(at))
    }

    fn robust_range(&self) -> (f64, f64) {
        self.image
            .get()
            .map_or((0.0, self.view.window.width), |p| p.robust_range)
    }
}

impl Canvas {
    /// A canvas; `id` must differ between canvases shown at once.
    pub fn new(id: u64) -> Self {
        Self {
            id,
            active: None,
            drawn: None,
            raster: Arc::default(),
            shown_draft: (0.0, false),
            settling: None,
            pressure: 1.0,
            reach: None,
            shown_reach: None,
            written: Arc::default(),
            pointer: None,
            told: None,
            scrolled: 0.0,
            last_frame: None,
            last_loupe: None,
        }
    }

    /// Shows a scene in all the room there is, and tells what the person did.
    pub fn ui(
        &mut self,
        ui: &mut egui::Ui,
        scene: &Scene<'_>,
        view: &mut View,
        events: &mut Vec<CanvasEvent>,
    ) -> egui::Response {
        view.image_size = (scene.image.width(), scene.image.height());
        view.pixel_ratio = scene.image.pixel_ratio();
        let response = ui.allocate_response(
            ui.available_size(),
            egui::Sense::click_and_drag() | egui::Sense::FOCUSABLE,
        );
        let title = scene.title;
        response.widget_info(|| {
            egui::WidgetInfo::labeled(egui::accesskit::Role::Canvas, ui.is_enabled(), title)
        });
        let mut pass = Pass {
            rect: response.rect,
            ppp: ui.ctx().pixels_per_point(),
            scene,
            view,
            events,
            image: pending(ui.ctx(), scene.image),
        };
        self.follow_events(ui, &response, &mut pass);
        self.follow_wheel(ui, &response, &mut pass);
        if response.has_focus() {
            let filter = EventFilter {
                tab: false,
                horizontal_arrows: true,
                vertical_arrows: true,
                escape: true,
            };
            ui.memory_mut(|m| m.set_focus_lock_filter(response.id, filter));
            follow_keys(ui, &mut pass);
        }
        let paints = scene.tool.is_stroke() || matches!(scene.tool, Tool::Lasso | Tool::Rectangle);
        if response.double_clicked_by(egui::PointerButton::Middle)
            || response.double_clicked_by(egui::PointerButton::Secondary)
            || (!paints && response.double_clicked())
        {
            pass.view.fit();
        }
        pass.view.seen = Some(pass.view.placement(pass.rect, pass.ppp));
        pass.view.remember_corners(pass.rect, pass.ppp);
        self.settle(scene);
        self.follow_reach(ui.ctx(), scene);
        if ui.is_rect_visible(pass.rect) {
            self.paint(ui, &response, &pass);
        }
        response
    }

    /// The mark being drawn, as it would be if the button went up now.
    pub fn draft(&self) -> Option<Mark> {
        match self.active.as_ref().map(|active| &active.gesture) {
            Some(Gesture::Draw(draft)) => draft.mark(),
            _ => None,
        }
    }

    /// What the last pass asked the GPU to show: for measuring without a window.
    pub fn last_frame(&self) -> Option<&Arc<Frame>> {
        self.last_frame.as_ref()
    }

    /// The same of the loupe; `None` where nothing was magnified.
    pub fn last_loupe(&self) -> Option<&Arc<Frame>> {
        self.last_loupe.as_ref()
    }

    /// Bytes of pixels written to the GPU since the canvas was made.
    pub fn bytes_written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Drops what is being done; `false` when nothing was. A dropped draft leaves nothing behind.
    pub fn cancel(&mut self) -> bool {
        let had_figure = self.drawn.take().is_some();
        let Some(active) = self.active.take() else {
            return had_figure;
        };
        if let Gesture::Draw(_) = active.gesture {
            self.shown_draft = (0.0, false);
            self.settling = None;
            if let Ok(mut raster) = self.raster.lock() {
                let size = raster.grid.size();
                raster.clear(size);
            }
        }
        true
    }

    /// Keeps a finished stroke in sight until the document's raster has it, so that nothing flickers.
    fn settle(&mut self, scene: &Scene<'_>) {
        let Some(settling) = &mut self.settling else {
            return;
        };
        settling.passes += 1;
        let now = generation_of(scene, settling.layer);
        if now != settling.generation || settling.passes > 30 {
            self.settling = None;
            self.shown_draft = (0.0, false);
            if let Ok(mut raster) = self.raster.lock() {
                let size = raster.grid.size();
                raster.clear(size);
            }
        }
    }

    /// Has the distance field made for the mask shown, off the window's thread when it is large.
    fn follow_reach(&mut self, ctx: &egui::Context, scene: &Scene<'_>) {
        let wanted = scene.mask.filter(|_| scene.overlays && scene.ring_px > 0.0);
        let Some(mask) = wanted else {
            self.reach = None;
            self.shown_reach = None;
            return;
        };
        let most = scene.ring_px;
        let key = (mask.generation, most.to_bits(), mask.grid.len() as u64);
        let running = self
            .reach
            .as_ref()
            .is_some_and(|job| job.field.get().is_none());
        if !running && self.reach.as_ref().is_none_or(|job| job.key != key) {
            let field: Arc<OnceLock<Arc<Reach>>> = Arc::default();
            let (slot, grid) = (Arc::clone(&field), Arc::clone(&mask.grid));
            let make = move || {
                let _ = slot.set(Arc::new(super::pyramid::reach::reach_of(&grid, most)));
            };
            if mask.grid.len() <= 1 << 17 {
                make();
            } else {
                let ctx = ctx.clone();
                rayon::spawn(move || {
                    make();
                    ctx.request_repaint();
                });
            }
            self.reach = Some(ReachJob { key, field });
        }
        if let Some(field) = self.reach.as_ref().and_then(|job| job.field.get()) {
            self.shown_reach = Some(Arc::clone(field));
        }
    }
}

fn generation_of(scene: &Scene<'_>, layer: Layer) -> Option<u64> {
    let raster = match layer {
        Layer::Sketch => scene.hint,
        Layer::Mask => scene.mask,
    };
    raster.map(|raster| raster.generation)
}

impl Canvas {
    fn follow_wheel(&mut self, ui: &egui::Ui, response: &egui::Response, pass: &mut Pass<'_, '_>) {
        let Some(pointer) = response.hover_pos().filter(|_| response.contains_pointer()) else {
            self.scrolled = 0.0;
            return;
        };
        let (scroll, pinch, touch, notches, points) = ui.input(|i| {
            let (mut notches, mut points) = (0, 0.0);
            for event in &i.events {
                match event {
                    egui::Event::MouseWheel { unit, delta, .. } if !i.modifiers.command => {
                        if *unit == egui::MouseWheelUnit::Point {
                            points += delta.y;
                        } else {
                            notches -= delta.y.signum() as i32 * i32::from(delta.y != 0.0);
                        }
                    }
                    _ => {}
                }
            }
            let scroll = i.smooth_scroll_delta().y;
            (scroll, i.zoom_delta(), i.multi_touch(), notches, points)
        });
        let mut factor = f64::from(pinch);
        if pass.scene.stack {
            let steps = notches.signum() + self.slices(points);
            if steps != 0 {
                pass.events.push(CanvasEvent::FrameStep(steps));
            }
        } else {
            factor *= super::gesture::zoom_of_wheel(scroll);
        }
        if factor != 1.0 {
            pass.view.zoom_at(pass.rect, pass.ppp, pointer, factor);
        }
        if let Some(touch) = touch {
            pass.view.pan(pass.rect, pass.ppp, touch.translation_delta);
        }
    }

    /// Slices that so many points of a touchpad make together with those before; turning back begins anew.
    fn slices(&mut self, points: f32) -> i32 {
        if !points.is_finite() || points == 0.0 {
            return 0;
        }
        if points * self.scrolled < 0.0 {
            self.scrolled = 0.0;
        }
        self.scrolled += points;
        let whole = (self.scrolled / SLICE_POINTS).trunc();
        self.scrolled -= whole * SLICE_POINTS;
        -(whole as i32)
    }
}

/// Arrows pan, with Alt they change the window, plus and minus zoom at the middle.
fn follow_keys(ui: &egui::Ui, pass: &mut Pass<'_, '_>) {
    let (dx, dy, alt, zoom) = ui.input(|i| {
        let pressed = |key: Key| i.num_presses(key) as f32;
        (
            pressed(Key::ArrowRight) - pressed(Key::ArrowLeft),
            pressed(Key::ArrowDown) - pressed(Key::ArrowUp),
            i.modifiers.alt,
            pressed(Key::Plus) + pressed(Key::Equals) - pressed(Key::Minus),
        )
    });
    let plain = ui.input(|i| !i.modifiers.command);
    if (dx, dy) != (0.0, 0.0) && plain {
        if alt {
            let drag = (f64::from(dx) * 16.0, f64::from(dy) * 16.0);
            let range = pass.robust_range();
            let speed = super::view::DragSpeed::default();
            pass.view.window = super::view::dragged_window(&pass.view.window, drag, range, speed);
        } else {
            let delta = egui::vec2(-dx, -dy) * 40.0;
            pass.view.pan(pass.rect, pass.ppp, delta);
        }
    }
    if zoom != 0.0 && plain {
        let middle = pass.rect.center();
        let factor = 1.25_f64.powf(f64::from(zoom));
        pass.view.zoom_at(pass.rect, pass.ppp, middle, factor);
    }
}
