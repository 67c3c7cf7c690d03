//! Dragging the edges of the canvas: handles at the film's edges and corners, and the room they will add.
//!
//! Separate because it is a gesture with a picture of its own; what comes of it is one event.

use egui::{Align2, Pos2, Rect, Stroke, vec2};

use super::drawing::Sheet;
use super::palette;
use crate::geometry::{Affine, Point};
use crate::radiograph::{Margins, Radiograph};

/// How near a handle a press takes hold of it, points.
const REACH: f64 = 12.0;
/// Room that one drag can add at an edge, as a share of the image's side.
const MOST: f64 = 2.0;

/// Edges that are being dragged and the room they have so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drag {
    /// −1 left, 1 right, 0 neither.
    horizontal: i8,
    /// −1 top, 1 bottom, 0 neither.
    vertical: i8,
    /// The room.
    pub margins: Margins,
}

/// Handles in image pixels: corners and the middles of the edges, with the edges they hold.
fn handles((width, height): (usize, usize)) -> [(Point, i8, i8); 8] {
    let (right, bottom) = (width as f64 - 0.5, height as f64 - 0.5);
    let (x, y) = ((right - 0.5) / 2.0, (bottom - 0.5) / 2.0);
    [
        (Point::new(-0.5, -0.5), -1, -1),
        (Point::new(x, -0.5), 0, -1),
        (Point::new(right, -0.5), 1, -1),
        (Point::new(right, y), 1, 0),
        (Point::new(right, bottom), 1, 1),
        (Point::new(x, bottom), 0, 1),
        (Point::new(-0.5, bottom), -1, 1),
        (Point::new(-0.5, y), -1, 0),
    ]
}

impl Drag {
    /// The drag that a press begins; `None` away from every handle.
    pub(super) fn begin(
        size: (usize, usize),
        screen_from_image: &Affine,
        pointer: Point,
    ) -> Option<Self> {
        let away = |at: Point| screen_from_image.apply(at).distance(pointer);
        let (_, horizontal, vertical) = handles(size)
            .into_iter()
            .filter(|(at, ..)| away(*at) <= REACH)
            .min_by(|a, b| away(a.0).total_cmp(&away(b.0)))?;
        Some(Self {
            horizontal,
            vertical,
            margins: Margins::default(),
        })
    }

    /// Brings the edges to an image point; inward of the film there is no room to add.
    pub(super) fn follow(&mut self, size: (usize, usize), at: Point) {
        let room = |away: f64, side: usize| away.round().clamp(0.0, MOST * side as f64) as usize;
        let (width, height) = (size.0 as f64, size.1 as f64);
        self.margins = Margins {
            left: if self.horizontal < 0 {
                room(-0.5 - at.x, size.0)
            } else {
                0
            },
            right: if self.horizontal > 0 {
                room(at.x - width + 0.5, size.0)
            } else {
                0
            },
            top: if self.vertical < 0 {
                room(-0.5 - at.y, size.1)
            } else {
                0
            },
            bottom: if self.vertical > 0 {
                room(at.y - height + 0.5, size.1)
            } else {
                0
            },
        };
    }
}

impl Sheet<'_> {
    /// The film's edges with their handles, and while they are dragged the room that is added, in pixels and mm.
    pub(super) fn bounds(&self, image: &Radiograph, drag: Option<&Drag>) {
        let size = (image.width(), image.height());
        let frame = |left: f64, top: f64, right: f64, bottom: f64| {
            let corner = |x, y| self.at(Point::new(x, y));
            [
                corner(left, top),
                corner(right, top),
                corner(right, bottom),
                corner(left, bottom),
                corner(left, top),
            ]
        };
        let (right, bottom) = (size.0 as f64 - 0.5, size.1 as f64 - 0.5);
        let film = frame(-0.5, -0.5, right, bottom);
        self.painter.add(egui::Shape::line(
            film.to_vec(),
            Stroke::new(1.0, palette::KEPT),
        ));
        for (at, ..) in handles(size) {
            let square = |side| Rect::from_center_size(self.at(at), vec2(side, side));
            self.painter.rect_filled(square(10.0), 1.0, palette::HALO);
            self.painter.rect_filled(square(7.0), 1.0, palette::KEPT);
        }
        let Some(margins) = drag.map(|drag| drag.margins).filter(|m| !m.is_empty()) else {
            return;
        };
        let room = frame(
            -0.5 - margins.left as f64,
            -0.5 - margins.top as f64,
            right + margins.right as f64,
            bottom + margins.bottom as f64,
        );
        let stroke = Stroke::new(1.5, palette::REGENERATE);
        self.painter
            .extend(egui::Shape::dashed_line(&room, stroke, 6.0, 4.0));
        let lowest = room.iter().fold(Pos2::new(0.0, f32::MIN), |low, at| {
            if at.y > low.y { *at } else { low }
        });
        let at = Pos2::new(
            self.rect.center().x,
            (lowest.y + 8.0).min(self.rect.bottom() - 34.0),
        );
        self.text(
            at,
            Align2::CENTER_TOP,
            &room_text(image, &margins),
            13.0,
            palette::REGENERATE,
        );
    }
}

/// `+120 columns, 0 rows · 17.0 × 0.0 mm: made by the model`.
fn room_text(image: &Radiograph, margins: &Margins) -> String {
    let (columns, rows) = (margins.left + margins.right, margins.top + margins.bottom);
    let mm = image.spacing.map_or_else(String::new, |spacing| {
        format!(
            " · {:.1} × {:.1} mm",
            columns as f64 * spacing.column_mm,
            rows as f64 * spacing.row_mm
        )
    });
    format!("+{columns} columns, +{rows} rows{mm}: the model fills them")
}
