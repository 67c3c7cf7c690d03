//! From model grey to an image at native depth, with its numbers and its mark.
//!
//! Separate because this is where the invariants of the result live: its depth, its mark, its count of changed pixels.

use std::sync::Arc;

use super::composite::{Blend, Composite, blend, compose};
use super::crop::CropTransform;
use super::grey::GreyMap;
use super::readings::{Readers, read_findings, read_hips, read_saliency};
use super::resize::{resize, resize_lines};
use crate::document::mask::{bounds, distance_to};
use crate::geometry::PixelRect;
use crate::grid::Grid;
use crate::job::{Error, Made, Mode, Request};
use crate::measure::edges::{edges, median_distance};
use crate::radiograph::{DisplayWindow, Pixels, Radiograph, SyntheticMark};

/// What of an image a request is about, and the way there and back: the same for every kind of model.
pub(super) struct Frame {
    pub(super) crop: CropTransform,
    pub(super) map: GreyMap,
    /// In- and outpainting: where the patch counts.
    pub(super) blend: Option<Blend>,
    pub(super) size: (usize, usize),
}

impl Frame {
    /// For a model of `model_px` pixels a side.
    pub(super) fn new(request: &Request, model_px: usize) -> Result<Self, Error> {
        let size = match (&request.source, request.size, &request.hint) {
            (Some(source), ..) => (source.width(), source.height()),
            (None, Some([w, h]), _) => (w, h),
            (None, None, Some(hint)) => hint.size(),
            (None, None, None) => (model_px, model_px),
        };
        let map = match &request.source {
            Some(source) => GreyMap::new(source, request.window.as_ref())?,
            None => GreyMap::twelve_bit(),
        };
        let renew = request.mask.as_ref().and_then(|mask| match request.mode {
            Mode::Inpaint => Some(mask.map(|m| if *m > 0 { 255 } else { 0 })),
            Mode::Outpaint => Some(mask.map(|m| if *m > 0 { 0 } else { 255 })),
            Mode::Sketch | Mode::Sample => None,
        });
        let crop = match &renew {
            Some(renew) => {
                let touched = bounds(renew).unwrap_or_default();
                let bounds = touched.grown(request.ring.px.ceil() as i64);
                CropTransform::around(size, bounds, model_px)
            }
            None => CropTransform::whole(size, model_px),
        };
        Ok(Self {
            blend: renew
                .as_ref()
                .map(|renew| blend(renew, request.ring.px, crop.region)),
            crop,
            map,
            size,
        })
    }

    /// Grey of the source as the model sees it; black outside the image.
    pub(super) fn grey(&self, source: &Radiograph) -> Grid<f32> {
        let all = PixelRect::new(0, 0, self.size.0, self.size.1);
        let inside = self.crop.region.intersection(all);
        let grey = self.map.grey(&source.pixels.crop_f32(inside));
        let shift = PixelRect::new(
            self.crop.region.x - inside.x,
            self.crop.region.y - inside.y,
            self.crop.region.width,
            self.crop.region.height,
        );
        resize(
            &grey.crop(shift, 0.0),
            self.crop.model_px,
            self.crop.model_px,
        )
    }

    /// Model pixels that may change: 255, else 0; in- and outpainting only.
    pub(super) fn touched(&self) -> Option<Grid<u8>> {
        let blend = self.blend.as_ref()?;
        let renewed = blend.share.map(|s| if *s > 0.0 { 255_u8 } else { 0 });
        let mut in_crop = Grid::filled(self.crop.region.width, self.crop.region.height, 0_u8);
        let (dx, dy) = (
            blend.region.x - self.crop.region.x,
            blend.region.y - self.crop.region.y,
        );
        for y in 0..renewed.height() {
            let to = (dx as usize, y + dy as usize);
            in_crop.row_mut(to.1)[to.0..to.0 + renewed.width()].copy_from_slice(renewed.row(y));
        }
        let model = self.crop.model_px;
        let touched = resize_lines(&in_crop, model, model);
        Some(touched.map(|v| if *v > 0.0 { 255_u8 } else { 0 }))
    }

    /// The image at native depth, with its numbers.
    pub(super) fn finish(
        &self,
        readers: &Readers,
        request: &Request,
        image_number: u64,
        grey: &Grid<f32>,
    ) -> Result<Made, Error> {
        let patch = self.map.stored(&self.crop.grey_from_model(grey));
        let (composite, base) = match (&self.blend, &request.source) {
            (Some(blend), Some(source)) => {
                let shift = PixelRect::new(
                    blend.region.x - self.crop.region.x,
                    blend.region.y - self.crop.region.y,
                    blend.region.width,
                    blend.region.height,
                );
                let patch = patch.crop(shift, 0.0);
                let made = compose(&source.pixels, &patch, blend, request.seed, image_number);
                (made, (**source).clone())
            }
            _ => self.whole_image(request, &patch),
        };
        let mut radiograph = base;
        radiograph.pixels = composite.pixels;
        radiograph.synthetic = Some(SyntheticMark {
            evidence: "made by this program".to_owned(),
            contribution: contribution(request, image_number),
        });
        let window = request.window.as_ref();
        let is_hip = request.attributes.kind == "hip";
        let hips = match &readers.hips {
            // A missing answer is a missing number, not a failed image.
            Some(model) if is_hip => read_hips(model, &radiograph, window).ok(),
            _ => None,
        };
        let (saliency, findings) = match &readers.reader {
            Some(model) if !request.preview => (
                read_saliency(model, &radiograph, window)?,
                read_findings(model, &radiograph, window, &request.attributes.kind)?,
            ),
            _ => (Vec::new(), Vec::new()),
        };
        Ok(Made {
            image_number,
            changed: composite.changed,
            changed_outside_ring: composite.changed_outside_ring,
            changed_inside: composite.changed_inside,
            seam: self.blend.is_some().then_some(composite.seam),
            hint_distance_px: self.hint_distance(request, grey),
            hips,
            saliency,
            findings,
            latent: None,
            radiograph: Arc::new(radiograph),
        })
    }

    /// A whole new image: of the source's depth, or 12 bits.
    fn whole_image(&self, request: &Request, patch: &Grid<f32>) -> (Composite, Radiograph) {
        let shift = PixelRect::new(
            -self.crop.region.x,
            -self.crop.region.y,
            self.size.0,
            self.size.1,
        );
        let values = patch.crop(shift, 0.0);
        let mut base = if let Some(source) = &request.source {
            let mut base = Radiograph::from_pixels(source.pixels.like(&values));
            base.photometric = source.photometric;
            base.modality.clone_from(&source.modality);
            base.modality_transform
                .clone_from(&source.modality_transform);
            base.modality_unit.clone_from(&source.modality_unit);
            base.source.bits_stored = source.source.bits_stored;
            base.windows = vec![
                request
                    .window
                    .clone()
                    .unwrap_or_else(|| source.initial_window()),
            ];
            base
        } else {
            let twelve_bits = values.map(|v| v.round().clamp(0.0, 4095.0) as u16);
            let mut base = Radiograph::from_pixels(Pixels::U16(twelve_bits));
            base.source.bits_stored = 12;
            base.windows = vec![DisplayWindow::from_range(0.0, 4095.0)];
            base
        };
        base.notes
            .push("a whole synthetic image: it shows no patient".to_owned());
        let pixels = base.pixels.clone();
        let composite = Composite {
            changed: Grid::filled(self.size.0, self.size.1, 255),
            changed_outside_ring: 0,
            changed_inside: self.size.0 * self.size.1,
            seam: crate::job::Seam::default(),
            pixels,
        };
        (composite, base)
    }

    /// Median distance from the drawn lines to the edges of the result, image pixels.
    fn hint_distance(&self, request: &Request, grey: &Grid<f32>) -> Option<f64> {
        let lines = self
            .crop
            .lines_to_model(request.hint.as_ref()?)
            .map(|v| *v > 0.5);
        let found = edges(grey, 0.8).map(|edge| if *edge { 255_u8 } else { 0 });
        Some(median_distance(&lines, &distance_to(&found))? * self.crop.scale())
    }
}

/// What made an image, for its mark.
fn contribution(request: &Request, image_number: u64) -> String {
    let mode = match request.mode {
        Mode::Sketch => "sketch to image",
        Mode::Inpaint => "inpainting",
        Mode::Outpaint => "outpainting",
        Mode::Sample => "sampling",
    };
    let hash: String = request.model.hash.chars().take(12).collect();
    format!(
        "Radcanvas {}: {mode}, model {} {hash}, seed {}, image {image_number}, {} steps, guidance {}",
        env!("CARGO_PKG_VERSION"),
        request.model.name,
        request.seed,
        request.steps,
        request.guidance,
    )
}
