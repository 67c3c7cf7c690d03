//! How an image lies on the screen: place, zoom, quarter turns, flip, window and colors.
//!
//! Separate from the widget because two canvases share one view, and because its maths needs neither a screen
//! nor a GPU. The data is never touched: a view is only a way of looking.

use serde::{Deserialize, Serialize};

use crate::geometry::{Affine, Point};
use crate::radiograph::write::Look;
use crate::radiograph::{DisplayWindow, Radiograph, WindowFunction};

/// Smallest zoom, screen pixels an image pixel.
pub const MIN_ZOOM: f64 = 1.0 / 64.0;
/// Largest zoom, screen pixels an image pixel.
pub const MAX_ZOOM: f64 = 64.0;

/// How grey becomes color.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColorMap {
    /// Black to white.
    #[default]
    Grey,
    /// Black, red, yellow, white.
    Hot,
    /// Perceptually even, dark blue to yellow.
    Viridis,
}

/// How an image is looked at; shared by both canvases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct View {
    /// Image point at the middle of the canvas, pixels.
    pub center: Point,
    /// Screen (physical) pixels the width of an image pixel, > 0.
    pub zoom: f64,
    /// Whether the whole image is kept in sight, whatever the size of the canvas; `center` and `zoom` then wait.
    pub fitted: bool,
    /// Clockwise quarter turns, 0–3.
    pub quarter_turns: u8,
    /// Mirrored left to right, after the turn.
    pub flipped: bool,
    /// Window, modality values.
    pub window: DisplayWindow,
    /// Black and white exchanged by the person, on top of the photometric interpretation.
    pub invert: bool,
    /// Color map.
    pub colors: ColorMap,
    /// Room kept around a fitted image, as a share of the canvas: where its edges can be dragged.
    #[serde(skip)]
    pub margin: f64,
    /// Columns and rows of the image shown; set by the canvas each frame.
    #[serde(skip)]
    pub image_size: (usize, usize),
    /// The image points at the upper left and the lower right corner of the canvas; set by the canvas each frame.
    #[serde(skip)]
    pub corners: Option<[Point; 2]>,
    /// Height of a pixel over its width, > 0; set by the canvas each frame.
    #[serde(skip, default = "square")]
    pub pixel_ratio: f64,
    /// Image point at the middle and zoom as the canvas used them last, fitted or not.
    #[serde(skip)]
    pub seen: Option<(Point, f64)>,
}

const fn square() -> f64 {
    1.0
}

impl Default for View {
    fn default() -> Self {
        Self {
            center: Point::default(),
            zoom: 1.0,
            fitted: true,
            quarter_turns: 0,
            flipped: false,
            window: DisplayWindow::from_range(0.0, 255.0),
            invert: false,
            colors: ColorMap::Grey,
            margin: 0.0,
            image_size: (1, 1),
            corners: None,
            pixel_ratio: 1.0,
            seen: None,
        }
    }
}

impl View {
    /// The view an image opens with: all of it, through its initial window.
    ///
    /// Reading the robust range of a large image takes a few ms, so this belongs where the image is opened.
    pub fn of(radiograph: &Radiograph) -> Self {
        Self {
            window: radiograph.initial_window(),
            image_size: (radiograph.width(), radiograph.height()),
            pixel_ratio: radiograph.pixel_ratio(),
            center: middle((radiograph.width(), radiograph.height())),
            ..Self::default()
        }
    }

    /// The same in the words of an export: what is in sight is told where it is not the whole image.
    pub fn look(&self) -> Look {
        Look {
            window: self.window.clone(),
            invert: self.invert,
            quarter_turns: self.quarter_turns % 4,
            flipped: self.flipped,
            shown: self.corners.filter(|_| !self.fitted),
        }
    }

    /// Remembers which part of the image a canvas shows.
    pub(super) fn remember_corners(&mut self, rect: egui::Rect, pixels_per_point: f32) {
        let image = self.image_from_screen(rect, pixels_per_point);
        let corners = [rect.min, rect.max].map(|corner| image.apply(point_of(corner)));
        self.corners = Some(corners);
    }

    /// Shows the whole image from now on, in each canvas at its own size.
    pub fn fit(&mut self) {
        self.fitted = true;
    }

    /// One image pixel on one screen pixel, the middle of the canvas kept.
    pub fn one_to_one(&mut self) {
        if self.fitted {
            // Whatever was in the middle before is long out of it.
            self.center = middle(self.image_size);
        }
        self.fitted = false;
        self.zoom = 1.0;
    }

    /// The image point at the middle of the canvas and the zoom, as they are used in a canvas of this size.
    pub fn placement(&self, rect: egui::Rect, pixels_per_point: f32) -> (Point, f64) {
        if !self.fitted {
            return (self.center, self.zoom);
        }
        let (width, height) = (
            self.image_size.0.max(1) as f64,
            self.image_size.1.max(1) as f64 * self.pixel_ratio,
        );
        let turned = self.quarter_turns % 2 == 1;
        let (across, down) = if turned {
            (height, width)
        } else {
            (width, height)
        };
        let scale = f64::from(pixels_per_point);
        let zoom =
            (f64::from(rect.width()) * scale / across).min(f64::from(rect.height()) * scale / down);
        let zoom = (zoom * (1.0 - self.margin.clamp(0.0, 0.9))).clamp(MIN_ZOOM, MAX_ZOOM);
        (middle(self.image_size), zoom)
    }

    /// Screen points (as egui counts) to image pixels, pixel centers at integers.
    ///
    /// The middle of the canvas is rounded to a whole screen pixel, so that 1:1 is crisp at every scale factor.
    pub fn image_from_screen(&self, rect: egui::Rect, pixels_per_point: f32) -> Affine {
        let (center, zoom) = self.placement(rect, pixels_per_point);
        let scale = f64::from(pixels_per_point);
        let [a, b, d, e] = self.turn();
        let middle = screen_middle_px(rect, pixels_per_point);
        let per_pixel = 1.0 / zoom;
        let (a, b, d, e) = (a * per_pixel, b * per_pixel, d * per_pixel, e * per_pixel);
        Affine {
            coefficients: [
                a * scale,
                b * scale,
                center.x - a * middle.x - b * middle.y,
                d * scale,
                e * scale,
                center.y - d * middle.x - e * middle.y,
            ],
        }
    }

    /// Zooms by `factor` with the image point under `pointer` (screen points) kept where it is.
    pub fn zoom_at(
        &mut self,
        rect: egui::Rect,
        pixels_per_point: f32,
        pointer: egui::Pos2,
        factor: f64,
    ) {
        let (center, zoom) = self.placement(rect, pixels_per_point);
        if !(factor.is_finite() && factor > 0.0) {
            return;
        }
        let before = self.image_from_screen(rect, pixels_per_point);
        let under = before.apply(point_of(pointer));
        let next = (zoom * factor).clamp(MIN_ZOOM, MAX_ZOOM);
        self.center = under + (center - under) * (zoom / next);
        self.zoom = next;
        self.fitted = false;
    }

    /// Moves the image with the hand by `delta` screen points.
    pub fn pan(&mut self, rect: egui::Rect, pixels_per_point: f32, delta: egui::Vec2) {
        let (center, zoom) = self.placement(rect, pixels_per_point);
        let [a, b, _, d, e, _] = self.image_from_screen(rect, pixels_per_point).coefficients;
        let (dx, dy) = (f64::from(delta.x), f64::from(delta.y));
        let moved = center - Point::new(a * dx + b * dy, d * dx + e * dy);
        let (width, height) = (self.image_size.0 as f64, self.image_size.1 as f64);
        self.center = Point::new(
            moved.x.clamp(-0.5, width - 0.5),
            moved.y.clamp(-0.5, height - 0.5),
        );
        self.zoom = zoom;
        self.fitted = false;
    }

    /// Image point at the middle and zoom, in a canvas that was shown already.
    pub fn place(&self) -> (Point, f64) {
        let own = (self.center, self.zoom);
        if self.fitted {
            self.seen.unwrap_or(own)
        } else {
            own
        }
    }

    /// The direction in the image of what goes right and of what goes down on the screen.
    pub fn directions(&self) -> [Point; 2] {
        let [a, b, d, e] = self.turn();
        [Point::new(a, d), Point::new(b, e)]
    }

    /// Turns the picture clockwise by a quarter.
    pub fn rotate(&mut self) {
        // The mirror stands after the turn: a clockwise quarter seen is a counterclockwise one before it.
        let step = if self.flipped { 3 } else { 1 };
        self.quarter_turns = (self.quarter_turns + step) % 4;
    }

    /// Mirrors the picture left to right.
    pub fn flip(&mut self) {
        self.flipped = !self.flipped;
    }

    /// Image offset from screen offset, `[a, b, d, e]`, without zoom; a pixel is as tall as it is measured to be.
    fn turn(&self) -> [f64; 4] {
        let mirror = if self.flipped { -1.0 } else { 1.0 };
        // A clockwise turn of the picture by k quarters takes screen offsets back by k quarters.
        let [a, b, d, e] = match self.quarter_turns % 4 {
            0 => [1.0, 0.0, 0.0, 1.0],
            1 => [0.0, 1.0, -1.0, 0.0],
            2 => [-1.0, 0.0, 0.0, -1.0],
            _ => [0.0, -1.0, 1.0, 0.0],
        };
        let ratio = self.pixel_ratio;
        [a * mirror, b, d * mirror / ratio, e / ratio]
    }
}

/// The middle of a canvas in whole screen pixels.
pub fn screen_middle_px(rect: egui::Rect, pixels_per_point: f32) -> Point {
    let center = rect.center() * pixels_per_point;
    Point::new(f64::from(center.x.round()), f64::from(center.y.round()))
}

/// An egui position as a point.
pub fn point_of(position: egui::Pos2) -> Point {
    Point::new(f64::from(position.x), f64::from(position.y))
}

/// A point as an egui position.
pub fn position_of(point: Point) -> egui::Pos2 {
    egui::pos2(point.x as f32, point.y as f32)
}

fn middle((width, height): (usize, usize)) -> Point {
    Point::new((width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0)
}

/// What changes the speed of a window drag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DragSpeed {
    /// A quarter of the speed (Shift).
    pub slow: bool,
    /// Four times the speed (Ctrl).
    pub fast: bool,
}

/// The window after a drag of `dx`, `dy` screen points (y down) that began with `start`.
///
/// To the right widens, down raises the center (darker). One point is 1/1024 of the robust range of the image, so
/// the hand feels the same on 8 bits and on 16. The width keeps above a floor and nothing ever becomes NaN.
#[must_use]
pub fn dragged_window(
    start: &DisplayWindow,
    (dx, dy): (f64, f64),
    robust_range: (f64, f64),
    speed: DragSpeed,
) -> DisplayWindow {
    let span = (robust_range.1 - robust_range.0).abs();
    let span = if span.is_finite() && span > 0.0 {
        span
    } else {
        1024.0
    };
    let gain =
        span / 1024.0 * if speed.slow { 0.25 } else { 1.0 } * if speed.fast { 4.0 } else { 1.0 };
    let floor = match start.function {
        WindowFunction::Linear => 1.0,
        WindowFunction::LinearExact | WindowFunction::Sigmoid => span / 65536.0,
    };
    let mut window = start.clone();
    let width = start.width + gain * dx;
    let center = start.center + gain * dy;
    if width.is_finite() && center.is_finite() {
        window.width = width.clamp(floor, span.max(start.width) * 64.0);
        window.center = center;
        window.explanation.clear();
    }
    window
}
