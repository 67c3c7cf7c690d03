//! What a press means, and what is under way until its release.
//!
//! Separate from the widget so that the rules of the mouse can be read in one place and tested without a screen.

use egui::{Pos2, Vec2};

use super::draft::Draft;
use super::measures::FigurePart;
use crate::geometry::{Affine, Figure, Point};
use crate::landmarks::{HipLandmarks, HipPoint, Side};
use crate::radiograph::DisplayWindow;

/// What a press begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Press {
    /// The active tool.
    Tool,
    /// Window and level.
    Window,
    /// Moving the image.
    Pan,
    /// Zooming up and down.
    Zoom,
}

/// What a button begins: left the tool, right window/level, middle pan; `W` makes the left one window/level, the
/// space bar makes it pan. PACS buttons: left window/level, middle pan, right zoom.
pub fn press_of(
    button: egui::PointerButton,
    space: bool,
    w_key: bool,
    pacs_buttons: bool,
) -> Option<Press> {
    use egui::PointerButton::{Middle, Primary, Secondary};
    match button {
        Primary if space => Some(Press::Pan),
        Primary if w_key || pacs_buttons => Some(Press::Window),
        Primary => Some(Press::Tool),
        Secondary if pacs_buttons => Some(Press::Zoom),
        Secondary => Some(Press::Window),
        Middle => Some(Press::Pan),
        _ => None,
    }
}

/// What is under way.
#[derive(Clone, Debug)]
pub enum Gesture {
    /// A mark is drawn.
    Draw(Draft),
    /// Window and level, from where and with which window.
    Window {
        /// Where the pointer went down.
        from: Pos2,
        /// The window then.
        start: DisplayWindow,
    },
    /// The image follows the hand.
    Pan {
        /// Where the pointer was last.
        last: Pos2,
    },
    /// Up zooms in, at the point where the pointer went down.
    Zoom {
        /// Where the pointer went down.
        from: Pos2,
        /// Where it was last.
        last: Pos2,
    },
    /// The before/after slider.
    Split,
    /// Edges of the canvas are dragged outward.
    Bounds(super::bounds::Drag),
    /// A hip point is dragged.
    Landmark {
        /// The patient's side.
        side: Side,
        /// Which point.
        point: HipPoint,
        /// From the pointer to the point, so that nothing jumps on press.
        grip: Point,
        /// Points before the drag.
        before: HipLandmarks,
        /// Where the point is now.
        to: Point,
    },
    /// A figure is drawn: its last point follows the pointer.
    Measure,
    /// A figure is moved, as a whole or by one of its points.
    Figure {
        /// Which.
        index: usize,
        /// The part that is held.
        part: FigurePart,
        /// What it was before.
        before: Figure,
        /// Where the pointer went down, image pixels.
        from: Point,
        /// Where it is now; absent before it moved.
        to: Option<Point>,
    },
}

/// The gesture and the button that holds it: other buttons change nothing until it goes up.
#[derive(Clone, Debug)]
pub struct Active {
    /// The button that began it.
    pub button: egui::PointerButton,
    /// What it does.
    pub gesture: Gesture,
}

/// The hip point under the pointer: a center or a rim within 10 points, else a circle within 6.
pub fn landmark_under(
    landmarks: &HipLandmarks,
    screen_from_image: &Affine,
    pointer: Pos2,
) -> Option<(Side, HipPoint)> {
    let pointer = super::view::point_of(pointer);
    let mut best: Option<(f64, Side, HipPoint)> = None;
    for side in [Side::Left, Side::Right] {
        let hip = landmarks.hip(side);
        let center = screen_from_image.apply(hip.center);
        let radius = hip.radius * screen_from_image.scale();
        let edge = (pointer.distance(center) - radius).abs();
        let rim = screen_from_image.apply(hip.rim);
        for (point, away, reach) in [
            (HipPoint::Rim, pointer.distance(rim), 10.0),
            (HipPoint::Center, pointer.distance(center), 10.0),
            // A handle wins over the line of a circle.
            (HipPoint::Edge, edge + 10.0, 16.0),
        ] {
            if away <= reach && best.is_none_or(|(least, ..)| away < least) {
                best = Some((away, side, point));
            }
        }
    }
    best.map(|(_, side, point)| (side, point))
}

/// Zoom factor of a vertical drag: 200 points double or halve.
pub fn zoom_of_drag(delta: Vec2) -> f64 {
    f64::from(-delta.y / 200.0).exp2()
}

/// Zoom factor of so many points of wheel.
pub fn zoom_of_wheel(points: f32) -> f64 {
    (f64::from(points) * 0.0035).exp()
}
