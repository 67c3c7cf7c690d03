//! From raw pointer events to gestures and from gestures to events.
//!
//! Separate because it is the whole of what the mouse does, in one place.

use std::sync::Mutex;

use egui::{Event, Key, PointerButton, Pos2, Ui};

use super::{Canvas, Pass, Settling, generation_of};
use crate::app::canvas::bounds::Drag;
use crate::app::canvas::draft::{Draft, DraftRaster};
use crate::app::canvas::gesture::{Active, Gesture, Press, landmark_under, press_of, zoom_of_drag};
use crate::app::canvas::view::{DragSpeed, dragged_window};
use crate::app::canvas::{CanvasEvent, Scene, Tool, Under, measures};
use crate::document::{Layer, StrokePoint};
use crate::geometry::PixelRect;
use crate::landmarks::HipPoint;

/// How near the slider a press takes hold of it, points.
const SPLIT_GRIP: f32 = 6.0;

impl Canvas {
    pub(super) fn follow_events(
        &mut self,
        ui: &Ui,
        response: &egui::Response,
        pass: &mut Pass<'_, '_>,
    ) {
        let (events, space, w_key) = ui.input(|i| {
            (
                i.events.clone(),
                i.key_down(Key::Space),
                i.key_down(Key::W) && !i.modifiers.command,
            )
        });
        let focus_elsewhere = ui
            .memory(egui::Memory::focused)
            .is_some_and(|id| id != response.id);
        for event in events {
            match event {
                Event::Touch { force, .. } => self.pressure = force.unwrap_or(1.0).clamp(0.0, 1.0),
                Event::PointerButton {
                    pos,
                    button,
                    pressed: true,
                    ..
                } if self.active.is_none() && ui.is_enabled() && is_over(ui, pass.rect, pos) => {
                    response.request_focus();
                    let held = !focus_elsewhere;
                    let pacs = pass.scene.pacs_buttons;
                    if let Some(press) = press_of(button, space && held, w_key && held, pacs) {
                        self.begin(press, button, pos, pass);
                    }
                }
                Event::PointerButton {
                    pos,
                    button,
                    pressed: false,
                    ..
                } if self.active.as_ref().is_some_and(|a| a.button == button) => {
                    self.follow(ui, pos, pass);
                    self.finish(pass);
                }
                Event::PointerMoved(pos) => {
                    self.pointer = is_over(ui, pass.rect, pos).then_some(pos);
                    self.follow(ui, pos, pass);
                }
                Event::PointerGone => self.pointer = None,
                Event::Key {
                    key: Key::Escape,
                    pressed: true,
                    ..
                } => self.escape(pass),
                _ => {}
            }
        }
        // Said only when it changes: a canvas beside this one has nothing to say, and an answer that comes, or a
        // slider that goes, changes what is shown under a pointer that rests.
        let under = self.pointer.map(|pointer| Under {
            at: pass.image_point(pointer),
            answer: pass.scene.after.is_some() && pointer.x >= split_x(pass),
            layer: pass.scene.layer,
        });
        if under != self.told {
            self.told = under;
            pass.events.push(CanvasEvent::PointerAt(under));
        }
    }

    fn escape(&mut self, pass: &mut Pass<'_, '_>) {
        match self.active.as_ref().map(|active| &active.gesture) {
            Some(Gesture::Window { start, .. }) => pass.view.window = start.clone(),
            Some(Gesture::Landmark { before, .. }) => {
                pass.events.push(CanvasEvent::RestoreLandmarks(*before));
            }
            Some(Gesture::Figure { to: Some(_), .. }) => {
                pass.events.push(CanvasEvent::RestoreFigure);
            }
            _ => {}
        }
        if self.cancel() {
            pass.events.push(CanvasEvent::Cancelled);
        }
    }

    fn begin(&mut self, press: Press, button: PointerButton, at: Pos2, pass: &mut Pass<'_, '_>) {
        let gesture = match press {
            Press::Window => Some(Gesture::Window {
                from: at,
                start: pass.view.window.clone(),
            }),
            Press::Pan => Some(Gesture::Pan { last: at }),
            Press::Zoom => Some(Gesture::Zoom { from: at, last: at }),
            Press::Tool => self.begin_tool(at, pass),
        };
        self.active = gesture.map(|gesture| Active { button, gesture });
    }

    fn begin_tool(&mut self, at: Pos2, pass: &mut Pass<'_, '_>) -> Option<Gesture> {
        let scene = pass.scene;
        if scene.after.is_some() && (at.x - split_x(pass)).abs() <= SPLIT_GRIP {
            return Some(Gesture::Split);
        }
        let point = pass.image_point(at);
        match scene.tool {
            Tool::Brush | Tool::Pen | Tool::Eraser | Tool::Lasso | Tool::Rectangle => {
                let first = StrokePoint {
                    at: point,
                    pressure: self.pressure,
                };
                let draft = Draft::new(scene.tool, scene.layer, scene.tool_options, first);
                if scene.tool.is_stroke() {
                    self.settling = None;
                    self.shown_draft = (layer_code(scene.layer), draft.erases());
                    if let Ok(mut raster) = self.raster.lock() {
                        raster.clear((scene.image.width(), scene.image.height()));
                        let rect = draft.segment(&mut raster, first, first);
                        keep_in_range(&mut raster, rect, scene);
                    }
                }
                pass.events.push(CanvasEvent::DraftChanged);
                Some(Gesture::Draw(draft))
            }
            Tool::Fill => {
                pass.events.push(CanvasEvent::Fill { at: point });
                None
            }
            Tool::Hips => self.begin_hips(at, pass),
            Tool::Measure(kind) => {
                // A figure that is half drawn goes on, wherever the next point is set.
                if self.drawn.is_none()
                    && let Some(gesture) = take_figure(at, pass, false)
                {
                    return Some(gesture);
                }
                measures::grow(&mut self.drawn, kind, point);
                Some(Gesture::Measure)
            }
            Tool::Bounds => {
                let size = (scene.image.width(), scene.image.height());
                let screen_from_image = pass.image_from_screen().inverse()?;
                let pointer = crate::app::canvas::view::point_of(at);
                let drag = Drag::begin(size, &screen_from_image, pointer);
                Some(drag.map_or(Gesture::Pan { last: at }, Gesture::Bounds))
            }
            Tool::Select => {
                let taken = take_figure(at, pass, true);
                if taken.is_none() && scene.chosen.is_some() {
                    pass.events.push(CanvasEvent::ChooseFigure(None));
                }
                Some(taken.unwrap_or(Gesture::Pan { last: at }))
            }
        }
    }

    #[expect(
        clippy::unused_self,
        reason = "one of the tools; they are called alike"
    )]
    fn begin_hips(&mut self, at: Pos2, pass: &mut Pass<'_, '_>) -> Option<Gesture> {
        let Some(landmarks) = pass.scene.landmarks else {
            let point = pass.image_point(at);
            pass.events.push(CanvasEvent::PlaceLandmarks(point));
            return None;
        };
        let screen_from_image = pass.image_from_screen().inverse()?;
        let Some((side, point)) = landmark_under(landmarks, &screen_from_image, at) else {
            return Some(Gesture::Pan { last: at });
        };
        let pointer = pass.image_point(at);
        let hip = landmarks.hip(side);
        let place = match point {
            HipPoint::Center => hip.center,
            HipPoint::Rim => hip.rim,
            HipPoint::Edge => pointer,
        };
        Some(Gesture::Landmark {
            side,
            point,
            grip: place - pointer,
            before: *landmarks,
            to: place,
        })
    }

    /// Brings the active gesture to where the pointer is.
    fn follow(&mut self, ui: &Ui, at: Pos2, pass: &mut Pass<'_, '_>) {
        let Some(active) = &mut self.active else {
            return;
        };
        let point = pass.image_point(at);
        match &mut active.gesture {
            Gesture::Draw(draft) => {
                let sample = StrokePoint {
                    at: point,
                    pressure: self.pressure,
                };
                draw_on(draft, sample, &self.raster, pass);
            }
            Gesture::Window { from, start } => {
                let delta = at - *from;
                let drag = (f64::from(delta.x), f64::from(delta.y));
                let speed = ui.input(|i| DragSpeed {
                    slow: i.modifiers.shift,
                    fast: i.modifiers.command,
                });
                let range = pass
                    .image
                    .get()
                    .map_or((0.0, start.width), |p| p.robust_range);
                pass.view.window = dragged_window(start, drag, range, speed);
            }
            Gesture::Pan { last } => {
                pass.view.pan(pass.rect, pass.ppp, at - *last);
                *last = at;
            }
            Gesture::Zoom { from, last } => {
                let factor = zoom_of_drag(at - *last);
                pass.view.zoom_at(pass.rect, pass.ppp, *from, factor);
                *last = at;
            }
            Gesture::Bounds(drag) => {
                drag.follow((pass.scene.image.width(), pass.scene.image.height()), point);
            }
            Gesture::Split => {
                let along = (at.x - pass.rect.left()) / pass.rect.width().max(1.0);
                let split = along.clamp(0.0, 1.0);
                pass.events.push(CanvasEvent::SplitMoved(split));
            }
            Gesture::Landmark {
                side,
                point: which,
                grip,
                to,
                ..
            } => {
                *to = point + *grip;
                pass.events.push(CanvasEvent::MoveLandmark {
                    side: *side,
                    point: *which,
                    to: *to,
                    done: false,
                });
            }
            Gesture::Measure => {
                let (_, zoom) = pass.view.placement(pass.rect, pass.ppp);
                if let Some(figure) = &mut self.drawn {
                    measures::extend(figure, point, 1.0 / zoom);
                }
            }
            Gesture::Figure {
                index,
                part,
                before,
                from,
                to,
            } => {
                *to = Some(point);
                pass.events.push(CanvasEvent::MoveFigure {
                    index: *index,
                    figure: measures::moved(before, *part, *from, point),
                    done: false,
                });
            }
        }
    }

    /// Ends the active gesture: the button went up.
    fn finish(&mut self, pass: &mut Pass<'_, '_>) {
        match self.active.take().map(|active| active.gesture) {
            Some(Gesture::Draw(mut draft)) => {
                let before = draft.points().last().copied();
                if draft.close()
                    && let (Some(before), Some(after), Ok(mut raster)) =
                        (before, draft.points().last().copied(), self.raster.lock())
                {
                    let rect = draft.segment(&mut raster, before, after);
                    keep_in_range(&mut raster, rect, pass.scene);
                }
                if let Some(mark) = draft.mark() {
                    self.settling = draft.tool().is_stroke().then(|| Settling {
                        layer: draft.layer(),
                        generation: generation_of(pass.scene, draft.layer()),
                        passes: 0,
                    });
                    pass.events.push(CanvasEvent::Mark(mark));
                }
            }
            Some(Gesture::Bounds(drag)) if !drag.margins.is_empty() => {
                pass.events.push(CanvasEvent::Extend(drag.margins));
            }
            Some(Gesture::Landmark {
                side, point, to, ..
            }) => pass.events.push(CanvasEvent::MoveLandmark {
                side,
                point,
                to,
                done: true,
            }),
            Some(Gesture::Measure) => {
                let (_, zoom) = pass.view.placement(pass.rect, pass.ppp);
                let done = measures::settle(&mut self.drawn, 2.0 * f64::from(pass.ppp) / zoom);
                pass.events.extend(done.map(CanvasEvent::Figure));
            }
            Some(Gesture::Figure {
                index,
                part,
                before,
                from,
                to: Some(to),
            }) => pass.events.push(CanvasEvent::MoveFigure {
                index,
                figure: measures::moved(&before, part, from, to),
                done: true,
            }),
            _ => {}
        }
    }
}

/// Takes hold of a figure under the pointer, and chooses it; its line counts only where nothing new is drawn.
fn take_figure(at: Pos2, pass: &mut Pass<'_, '_>, lines: bool) -> Option<Gesture> {
    let scene = pass.scene;
    let screen_from_image = pass.image_from_screen().inverse()?;
    let scale = scene.image.scale();
    let figures = if scene.overlays { scene.figures } else { &[] };
    let (index, part) = measures::figure_under(figures, scale, &screen_from_image, at, lines)?;
    pass.events.push(CanvasEvent::ChooseFigure(Some(index)));
    Some(Gesture::Figure {
        index,
        part,
        before: (*scene.figures.get(index)?.figure).clone(),
        from: pass.image_point(at),
        to: None,
    })
}

/// Where the slider stands, screen points.
pub(super) fn split_x(pass: &Pass<'_, '_>) -> f32 {
    pass.rect.left() + pass.scene.split.clamp(0.0, 1.0) * pass.rect.width()
}

/// Adds a sample to a mark, and to the raster that shows it.
fn draw_on(
    draft: &mut Draft,
    sample: StrokePoint,
    raster: &Mutex<DraftRaster>,
    pass: &mut Pass<'_, '_>,
) {
    let before = draft.points().last().copied();
    let (_, zoom) = pass.view.placement(pass.rect, pass.ppp);
    if !draft.push(sample, 0.5 / zoom) {
        return;
    }
    if let (true, Some(before), Some(after), Ok(mut raster)) = (
        draft.tool().is_stroke(),
        before,
        draft.points().last().copied(),
        raster.lock(),
    ) {
        let rect = draft.segment(&mut raster, before, after);
        keep_in_range(&mut raster, rect, pass.scene);
    }
    pass.events.push(CanvasEvent::DraftChanged);
}

/// Takes away what a stroke may not cover: values outside the range of the brush.
fn keep_in_range(raster: &mut DraftRaster, rect: PixelRect, scene: &Scene<'_>) {
    let options = scene.tool_options;
    if options.range.is_some() {
        raster.keep(rect, |x, y| options.takes(scene.image.modality_value(x, y)));
    }
}

/// The layer as the shader counts it.
fn layer_code(layer: Layer) -> f32 {
    match layer {
        Layer::Mask => 1.0,
        Layer::Sketch => 2.0,
    }
}

/// Whether a position is on the canvas and not on a menu or window above it.
fn is_over(ui: &Ui, rect: egui::Rect, at: Pos2) -> bool {
    rect.intersect(ui.clip_rect()).contains(at)
        && ui
            .ctx()
            .layer_id_at(at)
            .is_none_or(|layer| layer == ui.layer_id())
}
