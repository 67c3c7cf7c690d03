//! A document on a larger canvas: the image with room at its edges, everything drawn moved with it, the room painted
//! on the mask layer, so that the mask that will be used is seen.

use std::sync::Arc;

use serde_json::json;

use super::{Accepted, Document, EditError, Layer, Mark, Operation, Shape};
use crate::geometry::{Affine, PixelRect, Point};
use crate::radiograph::Margins;

impl Mark {
    /// The same mark, moved by whole pixels.
    #[must_use]
    pub fn moved(&self, columns: i64, rows: i64) -> Self {
        let by = Point::new(columns as f64, rows as f64);
        let mut mark = self.clone();
        match &mut mark.shape {
            Shape::Stroke { points, .. } => {
                for point in points {
                    point.at = point.at + by;
                }
            }
            Shape::Polygon { points } => {
                for point in points {
                    *point = *point + by;
                }
            }
            Shape::Rectangle { from, to } => {
                *from = *from + by;
                *to = *to + by;
            }
            Shape::Region { bounds, .. } => {
                bounds.x = bounds.x.saturating_add(columns);
                bounds.y = bounds.y.saturating_add(rows);
            }
        }
        mark
    }
}

/// The mask mark that covers a band of pixels.
fn painted(band: PixelRect) -> Arc<Mark> {
    Arc::new(Mark {
        layer: Layer::Mask,
        operation: Operation::Paint,
        shape: Shape::Rectangle {
            from: Point::new(band.x as f64, band.y as f64),
            to: Point::new((band.right() - 1) as f64, (band.bottom() - 1) as f64),
        },
    })
}

impl Document {
    /// Gives the image room at its edges; the room is what the mask layer then holds on top.
    pub(super) fn extend(&mut self, margins: &Margins) -> Result<(), EditError> {
        let image = self.image();
        let size = (image.width(), image.height());
        if margins.is_empty() {
            return Err(EditError::NoRoom);
        }
        let larger = image.extended(margins).ok_or(EditError::TooLarge)?;
        let (columns, rows) = (margins.left as i64, margins.top as i64);
        let by = Affine::scale_then_shift(
            Point::new(1.0, 1.0),
            Point::new(columns as f64, rows as f64),
        );
        for mark in &mut self.marks {
            *mark = Arc::new(mark.moved(columns, rows));
        }
        for note in &mut self.notes {
            note.at = by.apply(note.at);
        }
        if let Some(landmarks) = &mut self.landmarks {
            let spacing = landmarks.pixel_spacing_mm;
            *landmarks = landmarks.mapped(&by);
            landmarks.pixel_spacing_mm = spacing;
        }
        let bands = margins.bands(size);
        let bands = bands.into_iter().filter(|band| !band.is_empty());
        self.marks.extend(bands.map(painted));
        self.accepted.push(Arc::new(Accepted {
            radiograph: Arc::new(larger),
            changed: margins.mask(size),
            landmarks: self.landmarks,
            record: json!({ "extended": margins }),
        }));
        Ok(())
    }
}
