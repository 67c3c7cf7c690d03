//! The one crop transform that image, mask and every hint go through.
//!
//! A request is generated on a square of model pixels. Which square of the image that is, is decided here once; the
//! mask that will be used is then the mask that is drawn, by construction.

use crate::geometry::{Affine, PixelRect, Point};
use crate::grid::Grid;
use crate::landmarks::HipLandmarks;

use crate::signal::lanczos::resize_lanczos;
use crate::signal::resize::{resize, resize_lines};

/// A square of the image and the model pixels it becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CropTransform {
    /// The square in image pixels; reaches beyond an image that is not square.
    pub region: PixelRect,
    /// Model pixels a side.
    pub model_px: usize,
    /// Columns and rows of the image.
    pub image_size: (usize, usize),
}

/// Surroundings that a patch is generated with: at least this many times the mask's longer side.
const CONTEXT: f64 = 2.0;

/// Surroundings of a second pass.
const TIGHT: f64 = 1.25;

/// And at least this share of the image's longer side, so that the anatomy can be told.
const LEAST_SHARE: f64 = 0.5;

impl CropTransform {
    /// The whole image, centered in a square.
    pub fn whole(image_size: (usize, usize), model_px: usize) -> Self {
        let side = image_size.0.max(image_size.1).max(1);
        Self {
            region: square(
                image_size,
                side,
                image_size.0 as f64 / 2.0,
                image_size.1 as f64 / 2.0,
            ),
            model_px,
            image_size,
        }
    }

    /// A square around `bounds` with its surroundings; the whole image when it is at most twice the model's size.
    pub fn around(image_size: (usize, usize), bounds: PixelRect, model_px: usize) -> Self {
        let long = image_size.0.max(image_size.1);
        let wanted = (CONTEXT * bounds.width.max(bounds.height) as f64)
            .max(LEAST_SHARE * long as f64)
            .ceil() as usize;
        if long <= 2 * model_px || wanted >= long {
            return Self::whole(image_size, model_px);
        }
        Self::centered(image_size, bounds, wanted.max(model_px).min(long), model_px)
    }

    /// A square around `bounds` with few surroundings, for a second pass that knows the anatomy already.
    pub fn tight(image_size: (usize, usize), bounds: PixelRect, model_px: usize) -> Self {
        let long = image_size.0.max(image_size.1);
        let wanted = TIGHT * bounds.width.max(bounds.height) as f64;
        let side = (wanted.ceil() as usize).max(model_px);
        if side >= long {
            return Self::whole(image_size, model_px);
        }
        Self::centered(image_size, bounds, side, model_px)
    }

    /// A square of `side` image pixels about the middle of `bounds`.
    fn centered(
        image_size: (usize, usize),
        bounds: PixelRect,
        side: usize,
        model_px: usize,
    ) -> Self {
        let x = bounds.x as f64 + bounds.width as f64 / 2.0;
        let y = bounds.y as f64 + bounds.height as f64 / 2.0;
        Self {
            region: square(image_size, side, x, y),
            model_px,
            image_size,
        }
    }

    /// Image pixels a model pixel.
    pub fn scale(&self) -> f64 {
        self.region.width as f64 / self.model_px as f64
    }

    /// Maps model to image pixels, centers at integers in both.
    pub fn image_from_model(&self) -> Affine {
        let s = self.scale();
        let shift = |start: i64| start as f64 + 0.5 * s - 0.5;
        Affine::scale_then_shift(
            Point::new(s, s),
            Point::new(shift(self.region.x), shift(self.region.y)),
        )
    }

    /// Maps image to model pixels, centers at integers in both.
    pub fn model_from_image(&self) -> Affine {
        let s = 1.0 / self.scale();
        let shift = |start: i64| -(start as f64) * s + 0.5 * s - 0.5;
        Affine::scale_then_shift(
            Point::new(s, s),
            Point::new(shift(self.region.x), shift(self.region.y)),
        )
    }

    /// Grey of the image as the model sees it; black outside the image.
    pub fn grey_to_model(&self, grey: &Grid<f32>) -> Grid<f32> {
        resize(&grey.crop(self.region, 0.0), self.model_px, self.model_px)
    }

    /// A raster of lines as the model sees it, 0–1.
    pub fn lines_to_model(&self, lines: &Grid<u8>) -> Grid<f32> {
        resize_lines(&lines.crop(self.region, 0), self.model_px, self.model_px)
    }

    /// One channel of a given picture as the model sees it, 0–1, scaled as the programs of others do; black outside.
    pub fn picture_to_model(&self, channel: &Grid<u8>) -> Grid<f32> {
        let side = self.model_px;
        resize_lanczos(&channel.crop(self.region, 0), side, side).map(|v| f32::from(*v) / 255.0)
    }

    /// Model pixels that a mask touches at all: 1, else 0; 0 outside the image.
    pub fn mask_to_model(&self, mask: &Grid<u8>) -> Grid<f32> {
        self.lines_to_model(mask)
            .map(|v| f32::from(u8::from(*v > 0.0)))
    }

    /// Model grey at the image's resolution, of the size of `region`.
    pub fn grey_from_model(&self, grey: &Grid<f32>) -> Grid<f32> {
        resize(grey, self.region.width, self.region.height)
    }

    /// Hip points as the model sees them.
    pub fn landmarks_to_model(&self, landmarks: &HipLandmarks) -> HipLandmarks {
        landmarks.mapped(&self.model_from_image())
    }
}

/// A square of `side` about `(x, y)`, moved into the image as far as it fits, centered where it does not.
fn square(image_size: (usize, usize), side: usize, x: f64, y: f64) -> PixelRect {
    let place = |center: f64, length: usize| {
        let room = length as i64 - side as i64;
        if room <= 0 {
            return room.div_euclid(2);
        }
        ((center - side as f64 / 2.0).round() as i64).clamp(0, room)
    };
    PixelRect::new(place(x, image_size.0), place(y, image_size.1), side, side)
}
