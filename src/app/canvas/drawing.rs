//! What is drawn over the image with egui's painter: cursor, outline drafts, hips, corners, slider, badge.
//!
//! Separate from the widget because everything here is a function of borrowed state and changes nothing.

use egui::{
    Align2, Color32, FontId, Mesh, Painter, Pos2, Rect, Shape, Stroke, TextureId, Vec2, vec2,
};

use super::view::position_of;
use super::{Scene, Tool, View, palette};
use crate::document::Tip;
use crate::geometry::{Affine, PixelRect, Point};
use crate::landmarks::{Hip, HipLandmarks, Side};
use crate::measure::norberg::norberg_degrees;
use crate::radiograph::Radiograph;

/// Where things are drawn: a painter and the way from the image to the screen.
pub(super) struct Sheet<'a> {
    pub(super) painter: &'a Painter,
    pub(super) rect: Rect,
    pub(super) screen_from_image: Affine,
}

impl Sheet<'_> {
    pub(super) fn at(&self, point: Point) -> Pos2 {
        position_of(self.screen_from_image.apply(point))
    }

    /// A texture laid over a region of the image.
    pub(super) fn textured(&self, texture: TextureId, region: PixelRect) -> Mesh {
        let (left, top) = (region.x as f64 - 0.5, region.y as f64 - 0.5);
        let (right, bottom) = (region.right() as f64 - 0.5, region.bottom() as f64 - 0.5);
        let mut mesh = Mesh::with_texture(texture);
        for (x, y, u, v) in [
            (left, top, 0.0, 0.0),
            (right, top, 1.0, 0.0),
            (right, bottom, 1.0, 1.0),
            (left, bottom, 0.0, 1.0),
        ] {
            mesh.vertices.push(egui::epaint::Vertex {
                pos: self.at(Point::new(x, y)),
                uv: Pos2::new(u, v),
                color: Color32::WHITE,
            });
        }
        mesh.add_triangle(0, 1, 2);
        mesh.add_triangle(0, 2, 3);
        mesh
    }

    fn points(&self, image_px: f64) -> f32 {
        (image_px * self.screen_from_image.scale()) as f32
    }

    /// The contour of what is denoised: dashed, along the cells of the latent.
    pub(super) fn denoised(&self, edges: &[[Point; 2]]) {
        let stroke = Stroke::new(1.2, palette::REGENERATE);
        for edge in edges {
            let ends = edge.map(|end| self.at(end));
            self.painter
                .extend(Shape::dashed_line(&ends, stroke, 7.0, 5.0));
        }
    }

    /// A line on a dark halo.
    pub(super) fn line(&self, points: &[Pos2], width: f32, color: Color32) {
        let halo = Stroke::new(width + 2.0, palette::HALO);
        self.painter.add(Shape::line(points.to_vec(), halo));
        let stroke = Stroke::new(width, color);
        self.painter.add(Shape::line(points.to_vec(), stroke));
    }

    /// Text on a dark halo.
    pub(super) fn text(
        &self,
        at: Pos2,
        anchor: Align2,
        text: &str,
        size: f32,
        color: Color32,
    ) -> Rect {
        let font = FontId::proportional(size);
        let galley = self.painter.layout_no_wrap(text.to_owned(), font, color);
        let rect = anchor.anchor_size(at, galley.size());
        self.painter
            .rect_filled(rect.expand2(vec2(3.0, 1.0)), 2.0, palette::HALO);
        self.painter.galley(rect.min, galley, color);
        rect
    }

    /// A circle of the image about a point of the screen, where it is none on the screen: pixels are not square.
    fn ring(&self, center: Pos2, radius_px: f64) -> Option<Vec<Pos2>> {
        let [a, b, _, d, e, _] = self.screen_from_image.coefficients;
        let (across, down) = (a.hypot(d), b.hypot(e));
        ((across - down).abs() > 0.01 * across.max(down)).then(|| {
            let at = |n: u32| {
                let (sin, cos) = (f64::from(n) / 48.0 * std::f64::consts::TAU).sin_cos();
                let (x, y) = (radius_px * cos, radius_px * sin);
                center + vec2((a * x + b * y) as f32, (d * x + e * y) as f32)
            };
            (0..48).map(at).collect()
        })
    }

    /// A square of the image about a point of the screen, as it lies there.
    fn square(&self, center: Pos2, half_px: f64) -> Vec<Pos2> {
        let [a, b, _, d, e, _] = self.screen_from_image.coefficients;
        let corner = |(x, y): (f64, f64)| {
            let (x, y) = (x * half_px, y * half_px);
            center + vec2((a * x + b * y) as f32, (d * x + e * y) as f32)
        };
        [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]
            .map(corner)
            .to_vec()
    }

    /// The outline of the brush, light on dark, so that it is seen on white as on black.
    pub(super) fn cursor(&self, pointer: Pos2, width_px: f64, tip: Tip, erases: bool) {
        let radius = (self.points(width_px) / 2.0).max(1.5);
        let half_px = width_px.max(1.0e-6) / 2.0;
        let ring = match tip {
            Tip::Round => self.ring(pointer, half_px),
            Tip::Square => Some(self.square(pointer, half_px)),
        };
        for stroke in [
            Stroke::new(2.5, palette::HALO),
            Stroke::new(1.0, palette::TEXT),
        ] {
            match &ring {
                Some(points) => self.painter.add(Shape::closed_line(points.clone(), stroke)),
                None => self.painter.circle_stroke(pointer, radius, stroke),
            };
        }
        if radius > 6.0 {
            let arm = vec2(3.0, 0.0);
            let stroke = Stroke::new(1.0, palette::TEXT);
            self.painter
                .line_segment([pointer - arm, pointer + arm], stroke);
            if !erases {
                let arm = vec2(0.0, 3.0);
                self.painter
                    .line_segment([pointer - arm, pointer + arm], stroke);
            }
        }
    }

    /// The outline of a lasso or a rectangle being drawn.
    pub(super) fn outline(&self, tool: Tool, points: &[Point], color: Color32) {
        let mut screen: Vec<Pos2> = points.iter().map(|p| self.at(*p)).collect();
        if let (Tool::Rectangle, [from, to]) = (tool, points) {
            let corners = [
                *from,
                Point::new(to.x, from.y),
                *to,
                Point::new(from.x, to.y),
            ];
            screen = corners.iter().map(|p| self.at(*p)).collect();
        }
        if let Some(first) = screen.first().copied() {
            screen.push(first);
        }
        self.line(&screen, 1.5, color);
    }

    /// The before/after slider.
    pub(super) fn slider(&self, x: f32) {
        let rect = self.rect;
        let ends = [Pos2::new(x, rect.top()), Pos2::new(x, rect.bottom())];
        self.line(&ends, 1.0, palette::TEXT);
        let handle = Rect::from_center_size(Pos2::new(x, rect.center().y), vec2(10.0, 28.0));
        self.painter.rect_filled(handle, 4.0, palette::TEXT);
        for dx in [-1.5_f32, 1.5] {
            let middle = handle.center() + vec2(dx, 0.0);
            let arm = vec2(0.0, 6.0);
            let stroke = Stroke::new(1.0, palette::GROUND);
            self.painter
                .line_segment([middle - arm, middle + arm], stroke);
        }
        let y = rect.bottom() - 10.0;
        self.text(
            Pos2::new(x - 8.0, y),
            Align2::RIGHT_BOTTOM,
            "Before",
            11.0,
            palette::DIM,
        );
        self.text(
            Pos2::new(x + 8.0, y),
            Align2::LEFT_BOTTOM,
            "After",
            11.0,
            palette::DIM,
        );
    }

    /// Lines in the four corners.
    pub(super) fn corners(&self, texts: &[Vec<String>; 4], badge: bool) {
        let inner = self.rect.shrink(8.0);
        let places = [
            (inner.left_top(), Align2::LEFT_TOP, 1.0_f32),
            (inner.right_top(), Align2::RIGHT_TOP, 1.0),
            (inner.left_bottom(), Align2::LEFT_BOTTOM, -1.0),
            (inner.right_bottom(), Align2::RIGHT_BOTTOM, -1.0),
        ];
        for (index, (lines, (at, anchor, direction))) in texts.iter().zip(places).enumerate() {
            let below_badge = if badge && index == 1 { 28.0 } else { 0.0 };
            let mut y = at.y + below_badge;
            let mut ordered: Vec<&String> = lines.iter().collect();
            if direction < 0.0 {
                ordered.reverse();
            }
            for line in ordered {
                self.text(Pos2::new(at.x, y), anchor, line, 12.0, palette::TEXT);
                y += direction * 16.0;
            }
        }
    }

    /// What lies toward each edge of the canvas, at the middles of the edges; nothing where it is not known.
    pub(super) fn orientation(&self, view: &View, image: &Radiograph) {
        for ((at, anchor), letters) in edges(self.rect).into_iter().zip(edge_letters(view, image)) {
            if !letters.is_empty() {
                self.text(at, anchor, letters, 15.0, palette::TEXT);
            }
        }
    }

    /// The badge of a synthetic image; nothing turns it off.
    pub(super) fn badge(&self) {
        let font = FontId::proportional(13.0);
        let galley = self
            .painter
            .layout_no_wrap("SYNTHETIC".to_owned(), font, palette::GROUND);
        let size = galley.size() + vec2(14.0, 6.0);
        let corner = self.rect.right_top() + vec2(-size.x - 8.0, 8.0);
        let rect = Rect::from_min_size(corner, size);
        self.painter.rect_filled(rect, 3.0, palette::SYNTHETIC);
        self.painter
            .galley(rect.min + vec2(7.0, 3.0), galley, palette::GROUND);
    }

    /// Both hips: circles, the line of centers, the lines to the rims, arcs with the angle and its interval.
    pub(super) fn hips(&self, scene: &Scene<'_>, landmarks: &HipLandmarks) {
        let (left, right) = (landmarks.left.center, landmarks.right.center);
        self.construction(landmarks);
        for (index, side) in [Side::Left, Side::Right].into_iter().enumerate() {
            let hip = landmarks.hip(side);
            let color = color_of(side);
            let other = if side == Side::Left { right } else { left };
            let radius = self.points(hip.radius);
            let center = self.at(hip.center);
            self.handle(center, side);
            self.handle(self.at(hip.rim), side);
            let arc = self.arc(hip.center, other, hip.rim, 0.6 * hip.radius);
            self.side_line(&arc, side);
            let spacing = scene.image.proportions();
            let letter = if side == Side::Left { "L" } else { "R" };
            let angle = norberg_degrees(landmarks, side, spacing)
                .map_or_else(|| "–".to_owned(), |angle| format!("{angle:.1}°"));
            let interval = scene.intervals.map_or_else(String::new, |both| {
                let [low, high] = both[index];
                if low.is_finite() && high.is_finite() {
                    format!(" [{low:.1}, {high:.1}]")
                } else {
                    String::new()
                }
            });
            // On the outer side, above: 10 o'clock for the one on the screen's left, 2 o'clock for the other.
            let outward = if center.x <= self.at(other).x {
                -1.0
            } else {
                1.0
            };
            let at = center + vec2(outward * 0.87, -0.5) * (radius + 14.0);
            let anchor = if outward < 0.0 {
                Align2::RIGHT_BOTTOM
            } else {
                Align2::LEFT_BOTTOM
            };
            self.text(
                at,
                anchor,
                &format!("{letter} {angle}{interval}"),
                14.0,
                color,
            );
        }
    }

    /// The lines of both hips alone: circles, the line of centers, the lines to the rims.
    pub(super) fn construction(&self, landmarks: &HipLandmarks) {
        let (left, right) = (landmarks.left.center, landmarks.right.center);
        self.line(&[self.at(right), self.at(left)], 1.0, palette::LANDMARK);
        for side in [Side::Left, Side::Right] {
            let hip = landmarks.hip(side);
            self.side_line(&[self.at(hip.center), self.at(hip.rim)], side);
            self.circle(hip, side);
        }
    }

    /// The circle of a femoral head.
    pub(super) fn circle(&self, hip: &Hip, side: Side) {
        let (center, radius) = (self.at(hip.center), self.points(hip.radius));
        let halo = Stroke::new(3.0, palette::HALO);
        self.painter.circle_stroke(center, radius, halo);
        let stroke = Stroke::new(1.5, color_of(side));
        self.painter.circle_stroke(center, radius, stroke);
    }

    /// A line of one hip: unbroken on the patient's right, dashed on the left.
    fn side_line(&self, points: &[Pos2], side: Side) {
        let color = color_of(side);
        match side {
            Side::Right => self.line(points, 1.5, color),
            Side::Left => {
                let halo = Stroke::new(3.5, palette::HALO);
                self.painter.add(Shape::line(points.to_vec(), halo));
                let stroke = Stroke::new(1.5, color);
                self.painter
                    .extend(Shape::dashed_line(points, stroke, 6.0, 3.0));
            }
        }
    }

    /// A handle: round on the patient's right, square on the left.
    fn handle(&self, at: Pos2, side: Side) {
        let color = color_of(side);
        if side == Side::Right {
            self.painter.circle_filled(at, 4.5, palette::HALO);
            self.painter.circle_filled(at, 3.0, color);
        } else {
            let square = |side| Rect::from_center_size(at, Vec2::splat(side));
            self.painter.rect_filled(square(8.0), 0.0, palette::HALO);
            self.painter.rect_filled(square(5.5), 0.0, color);
        }
    }

    /// The arc at `vertex` from the direction of `a` to that of `b`, `radius_px` image pixels away.
    pub(super) fn arc(&self, vertex: Point, a: Point, b: Point, radius_px: f64) -> Vec<Pos2> {
        let (u, v) = (a - vertex, b - vertex);
        let start = u.y.atan2(u.x);
        let turn = u.cross(v).atan2(u.dot(v));
        (0..=24)
            .map(|i| {
                let angle = start + turn * f64::from(i) / 24.0;
                self.at(vertex + Point::new(angle.cos(), angle.sin()) * radius_px)
            })
            .collect()
    }

    /// How wide a line of text will be, points.
    pub(super) fn width_of(&self, text: &str, size: f32) -> f32 {
        let font = FontId::proportional(size);
        let color = palette::TEXT;
        let galley = self.painter.layout_no_wrap(text.to_owned(), font, color);
        galley.size().x
    }
}

/// Where letters stand: right, left, lower and upper edge.
fn edges(rect: Rect) -> [(Pos2, Align2); 4] {
    let inner = rect.shrink(10.0);
    [
        (inner.right_center(), Align2::RIGHT_CENTER),
        (inner.left_center(), Align2::LEFT_CENTER),
        (inner.center_bottom(), Align2::CENTER_BOTTOM),
        (inner.center_top(), Align2::CENTER_TOP),
    ]
}

/// What lies toward the right, left, lower and upper edge of the screen; empty where it is not known.
pub fn edge_letters<'a>(view: &View, image: &'a Radiograph) -> [&'a str; 4] {
    let Some(orientation) = &image.orientation else {
        return [""; 4];
    };
    let [across, down] = view.directions();
    [across, across * -1.0, down, down * -1.0].map(|way| orientation.toward(way.x, way.y))
}

fn color_of(side: Side) -> Color32 {
    match side {
        Side::Left => palette::LEFT,
        Side::Right => palette::RIGHT,
    }
}
