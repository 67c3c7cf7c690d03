//! Paints one pass: the image by its shader, everything else by egui's painter.
//!
//! Separate because it changes nothing of the canvas.

use std::sync::Arc;

use egui::{Rect, Stroke, Ui, pos2, vec2};

use super::hand::split_x;
use super::{Canvas, Pass};
use crate::app::canvas::drawing::Sheet;
use crate::app::canvas::gesture::Gesture;
use crate::app::canvas::gpu::{Frame, Painted, REGENERATE_INSIDE, Uniforms};
use crate::app::canvas::measures::{FigurePart, moved};
use crate::app::canvas::pyramid::pending;
use crate::app::canvas::pyramid::planes::planes;
use crate::app::canvas::view::screen_middle_px;
use crate::app::canvas::{ColorMap, Scene, Tool, View, palette};
use crate::document::Layer;
use crate::geometry::{Figure, PixelRect, Point};

/// The uniforms that follow from how an image lies on the screen.
pub fn look(view: &View, rect: Rect, ppp: f32) -> Uniforms {
    let [a, b, _, d, e, _] = view.image_from_screen(rect, ppp).coefficients;
    let scale = f64::from(ppp);
    let (center, zoom) = view.placement(rect, ppp);
    let middle = screen_middle_px(rect, ppp);
    Uniforms {
        turn: [a / scale, b / scale, d / scale, e / scale].map(|v| v as f32),
        place: [middle.x, middle.y, center.x, center.y].map(|v| v as f32),
        size: [
            view.image_size.0 as f32,
            view.image_size.1 as f32,
            // Levels are chosen by the mean of both sides where pixels are not square.
            (zoom * view.pixel_ratio.sqrt()) as f32,
            ppp,
        ],
        reach: [1.0, 1.0, 0.0, 0.0],
        other: [
            0.0,
            match view.colors {
                ColorMap::Grey => 0.0,
                ColorMap::Hot => 1.0,
                ColorMap::Viridis => 2.0,
            },
            0.0,
            0.0,
        ],
        ..Uniforms::default()
    }
}

impl Canvas {
    pub(super) fn paint(&mut self, ui: &Ui, response: &egui::Response, pass: &Pass<'_, '_>) {
        let painter = ui.painter_at(pass.rect);
        painter.rect_filled(pass.rect, 0.0, palette::GROUND);
        let frame = Arc::new(self.frame(ui, pass, 0, pass.view, pass.rect, split_x(pass)));
        self.last_frame = Some(Arc::clone(&frame));
        painter.add(eframe::egui_wgpu::Callback::new_paint_callback(
            pass.rect,
            Painted(frame),
        ));
        if pass.image.get().is_none() {
            say_preparing(&painter, pass);
        }
        let Some(screen_from_image) = pass.image_from_screen().inverse() else {
            return;
        };
        let sheet = Sheet {
            painter: &painter,
            rect: pass.rect,
            screen_from_image,
        };
        let scene = pass.scene;
        if scene.overlays {
            paint_planes(&sheet, pass, ui);
        }
        if let Some(veil) = scene.veil {
            sheet.veil(veil, split_x(pass));
        }
        if scene.tool == Tool::Bounds {
            let drag = match self.active.as_ref().map(|active| &active.gesture) {
                Some(Gesture::Bounds(drag)) => Some(drag),
                _ => None,
            };
            sheet.bounds(scene.image, drag);
        }
        if let Some(landmarks) = scene.landmarks.filter(|l| scene.show_hips && l.is_valid()) {
            sheet.hips(scene, landmarks);
        }
        if scene.overlays {
            paint_overlays(&sheet, pass);
        }
        if let Some(figure) = &self.drawn {
            sheet.growing_figure(figure, scene, split_x(pass));
        }
        let gesture = self.active.as_ref().map(|active| &active.gesture);
        if let Some(Gesture::Draw(draft)) = gesture
            && !draft.tool().is_stroke()
        {
            let points: Vec<Point> = draft.points().iter().map(|p| p.at).collect();
            let color = match draft.layer() {
                Layer::Sketch => palette::SKETCH,
                Layer::Mask => palette::REGENERATE,
            };
            sheet.outline(draft.tool(), &points, color);
        }
        if scene.after.is_some() {
            sheet.slider(split_x(pass));
        }
        if scene.overlays {
            sheet.corners(&corners(pass), scene.synthetic);
            sheet.orientation(pass.view, scene.image);
        }
        if scene.synthetic {
            sheet.badge();
        }
        let magnified = self.magnified(gesture, pass);
        self.last_loupe = None;
        if let Some(point) = magnified {
            self.last_loupe = Some(self.paint_loupe(&painter, &sheet, pass, point, ui));
        }
        self.paint_cursor(ui, &sheet, scene);
        if response.has_focus() {
            let stroke = Stroke::new(1.0, palette::SKETCH);
            painter.rect_stroke(pass.rect, 0.0, stroke, egui::StrokeKind::Inside);
        }
    }

    /// What the pointer looks like, by the tool in hand.
    fn paint_cursor(&self, ui: &Ui, sheet: &Sheet<'_>, scene: &Scene<'_>) {
        let gesture = self.active.as_ref().map(|active| &active.gesture);
        if let Some(pointer) = self.pointer {
            let busy = !matches!(gesture, None | Some(Gesture::Draw(_)));
            if scene.tool.is_stroke() && !busy {
                ui.ctx().set_cursor_icon(egui::CursorIcon::None);
                let erases = (scene.tool == Tool::Eraser) != scene.tool_options.erase;
                let options = scene.tool_options;
                sheet.cursor(pointer, options.size_px, options.tip_of(scene.tool), erases);
            } else if scene.tool != Tool::Select && !busy {
                ui.ctx().set_cursor_icon(egui::CursorIcon::Crosshair);
            }
        }
    }

    /// The point that is magnified: the one that a hand sets, else the one under the pointer when that is asked for.
    fn magnified(&self, gesture: Option<&Gesture>, pass: &Pass<'_, '_>) -> Option<Point> {
        match gesture {
            Some(Gesture::Landmark { to, .. }) => Some(*to),
            Some(Gesture::Measure) => self
                .drawn
                .as_ref()
                .filter(|figure| figure.kind.points().is_some())
                .and_then(|figure| figure.points.last().copied()),
            Some(Gesture::Figure {
                part: FigurePart::Point(index),
                before,
                from,
                to: Some(to),
                ..
            }) => Some(*before.points.get(*index)? + (*to - *from)),
            None if pass.scene.loupe => self.pointer.map(|pointer| pass.image_point(pointer)),
            _ => None,
        }
    }

    /// A picture of the scene, 0 = the canvas, 1 = the loupe: `split` is where its slider stands, screen points.
    fn frame(
        &self,
        ui: &Ui,
        pass: &Pass<'_, '_>,
        picture: u8,
        view: &View,
        rect: Rect,
        split: f32,
    ) -> Frame {
        let scene = pass.scene;
        let mut uniforms = look(view, rect, pass.ppp);
        uniforms.other[0] = split * pass.ppp;
        uniforms.other[2] = self.shown_draft.0;
        uniforms.other[3] = f32::from(u8::from(self.shown_draft.1));
        uniforms.reach[2] = scene.ring_px as f32;
        if scene.regenerate_inside {
            uniforms.tiles[3] |= REGENERATE_INSIDE;
        }
        Frame {
            slot: (self.id, picture),
            uniforms,
            window: view.window.clone(),
            invert: view.invert,
            before: Arc::clone(&pass.image),
            after: scene.after.map(|after| pending(ui.ctx(), after)),
            mask: scene.mask.filter(|_| scene.overlays).cloned(),
            hint: scene.hint.filter(|_| scene.overlays).cloned(),
            draft: Some(Arc::clone(&self.raster)),
            reach: self.shown_reach.clone(),
            written: Arc::clone(&self.written),
            ctx: ui.ctx().clone(),
        }
    }

    /// A magnified view of the point being dragged, with a cross, away from the hand.
    fn paint_loupe(
        &self,
        painter: &egui::Painter,
        sheet: &Sheet<'_>,
        pass: &Pass<'_, '_>,
        point: Point,
        ui: &Ui,
    ) -> Arc<Frame> {
        let side = 150.0_f32.min(pass.rect.height() / 3.0);
        let at = sheet.at(point);
        let up = if at.y - side - 60.0 > pass.rect.top() {
            -1.0
        } else {
            1.0
        };
        let center = at + vec2(0.0, up * (side / 2.0 + 40.0));
        let rect = Rect::from_center_size(center, vec2(side, side));
        let mut view = pass.view.clone();
        let (_, zoom) = pass.view.placement(pass.rect, pass.ppp);
        view.fitted = false;
        view.center = point;
        view.zoom = (zoom * 4.0).clamp(2.0, 32.0);
        // The slider lies where it does on the image below: as far from the point, and magnified.
        let split = center.x + (split_x(pass) - at.x) * (view.zoom / zoom) as f32;
        let frame = self.frame(ui, pass, 1, &view, rect, split);
        painter.rect_filled(rect, 0.0, palette::GROUND);
        let frame = Arc::new(frame);
        painter.add(eframe::egui_wgpu::Callback::new_paint_callback(
            rect,
            Painted(Arc::clone(&frame)),
        ));
        let inside = painter.with_clip_rect(rect.intersect(painter.clip_rect()));
        if let Some(screen_from_image) = view.image_from_screen(rect, pass.ppp).inverse() {
            let sheet = Sheet {
                painter: &inside,
                rect,
                screen_from_image,
            };
            self.paint_on_loupe(&sheet, pass, split, ui);
        }
        let stroke = Stroke::new(1.0, palette::LANDMARK);
        painter.rect_stroke(rect, 0.0, stroke, egui::StrokeKind::Outside);
        for arm in [vec2(12.0, 0.0), vec2(0.0, 12.0)] {
            painter.line_segment([center - arm, center - arm * 0.3], stroke);
            painter.line_segment([center + arm * 0.3, center + arm], stroke);
        }
        frame
    }

    /// What lies over the image in the loupe too: all that is drawn to its measure. Words and handles are left out: they
    /// would cover the point that a hand sets.
    fn paint_on_loupe(&self, sheet: &Sheet<'_>, pass: &Pass<'_, '_>, split_x: f32, ui: &Ui) {
        let scene = pass.scene;
        if scene.overlays {
            paint_planes(sheet, pass, ui);
        }
        if let Some(veil) = scene.veil {
            sheet.veil_colors(veil, split_x);
        }
        let gesture = self.active.as_ref().map(|active| &active.gesture);
        // What is under the hand lies where the hand is, not where the document had it.
        let held = match gesture {
            Some(Gesture::Landmark {
                side,
                point,
                before,
                to,
                ..
            }) => Some((before.with_point(*side, *point, *to), *side)),
            _ => None,
        };
        let landmarks = held.map(|(now, _)| now).or(scene.landmarks.copied());
        if let Some(landmarks) = landmarks.filter(|l| scene.show_hips && l.is_valid()) {
            sheet.construction(&landmarks);
        } else if let Some((now, side)) = held {
            // The circle is what its points are set by: it must be seen where they are.
            sheet.circle(now.hip(side), side);
        }
        if scene.overlays {
            sheet.denoised(scene.denoised);
            for (number, measured) in scene.figures.iter().enumerate() {
                let chosen = scene.chosen == Some(number);
                let moved = moved_figure(gesture, number);
                let figure = moved.as_ref().unwrap_or(&measured.figure);
                sheet.lines_of(figure, scene.image, chosen);
            }
        }
        if let Some(figure) = &self.drawn {
            sheet.lines_of(figure, scene.image, true);
        }
        if scene.after.is_some() {
            let (top, bottom) = (sheet.rect.top(), sheet.rect.bottom());
            let ends = [pos2(split_x, top), pos2(split_x, bottom)];
            sheet.line(&ends, 1.0, palette::TEXT);
        }
    }
}

/// The figure of this number as the hand that holds it has it; `None` where none holds it.
fn moved_figure(gesture: Option<&Gesture>, number: usize) -> Option<Figure> {
    match gesture {
        Some(Gesture::Figure {
            index,
            part,
            before,
            from,
            to: Some(to),
        }) if *index == number => Some(moved(before, *part, *from, *to)),
        _ => None,
    }
}

/// The planes of the image, laid over it as it lies on the screen.
fn paint_planes(sheet: &Sheet<'_>, pass: &Pass<'_, '_>, ui: &Ui) {
    let image = pass.scene.image;
    let Some(texture) = planes(ui.ctx(), image, pass.scene.planes) else {
        return;
    };
    let whole = PixelRect::new(0, 0, image.width(), image.height());
    let mesh = sheet.textured(texture.id(), whole);
    sheet.painter.add(egui::Shape::mesh(mesh));
}

/// The corners with how the image is looked at, which is known in this very frame alone.
fn corners(pass: &Pass<'_, '_>) -> [Vec<String>; 4] {
    let mut corners = pass.scene.corner_texts.clone();
    let (_, zoom) = pass.view.placement(pass.rect, pass.ppp);
    let look = [
        pass.view.window.label(),
        format!("Zoom {}", zoom_text(zoom)),
    ];
    corners[2].splice(0..0, look);
    corners
}

/// Screen pixels an image pixel, as a share: `83 %`, `400 %`.
fn zoom_text(zoom: f64) -> String {
    let percent = zoom * 100.0;
    if percent < 10.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// The contour of what is denoised, and figures that measure.
fn paint_overlays(sheet: &Sheet<'_>, pass: &Pass<'_, '_>) {
    sheet.denoised(pass.scene.denoised);
    for (number, measured) in pass.scene.figures.iter().enumerate() {
        sheet.figure(number, measured, pass.scene, split_x(pass));
    }
}

fn say_preparing(painter: &egui::Painter, pass: &Pass<'_, '_>) {
    let image = pass.scene.image;
    painter.text(
        pass.rect.center(),
        egui::Align2::CENTER_CENTER,
        format!("{} × {} px, preparing", image.width(), image.height()),
        egui::FontId::proportional(14.0),
        palette::DIM,
    );
}
