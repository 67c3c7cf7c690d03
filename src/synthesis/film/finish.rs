//! From model grey to an image at native depth, with its numbers and its mark.
//!
//! Separate because this is where the invariants of the result live: its depth, its mark, its count of changed pixels.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::composite::{Composite, Film, compose};
use super::frame::{Frame, shift};
use crate::document::mask::distance_to;
use crate::geometry::PixelRect;
use crate::grid::Grid;
use crate::job::{Error, ErrorKind, Made, Mode, Request, Seam};
use crate::measure::edges::{edges, median_distance};
use crate::measure::seam::Match;
use crate::radiograph::{DisplayWindow, Pixels, Radiograph, SyntheticMark};
use crate::signal::resize::resize;
use crate::synthesis::readings::{
    Readers, go_on, read_findings, read_hips_asking, read_saliency, told_by_angles,
};

impl Frame {
    /// [`Self::finish_asking`] that nobody ends.
    pub fn finish(
        &self,
        readers: &Readers,
        request: &Request,
        image_number: u64,
        grey: &Grid<f32>,
    ) -> Result<Made, Error> {
        let mut on = || ControlFlow::Continue(());
        self.finish_asking(readers, request, image_number, grey, &mut on)
    }

    /// The image at native depth, with its numbers; `grey` (0–1) is what was painted over the crop, at the model's
    /// size or finer.
    ///
    /// Calls `asked` before every network that reads the image. Fails when one of them fails, and with
    /// [`Error::stopped`] on `Break`.
    pub fn finish_asking(
        &self,
        readers: &Readers,
        request: &Request,
        image_number: u64,
        grey: &Grid<f32>,
        asked: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Made, Error> {
        go_on(asked())?;
        let patch = self.map.stored(&self.crop.grey_from_model(grey));
        let (composite, base) = match (&self.blend, &request.source) {
            (Some(blend), Some(source)) => {
                let patch = patch.crop(shift(self.crop.region, blend.region), 0.0);
                let film = Film {
                    earlier_gain: self.matched.map_or(1.0, |matched| matched.gain),
                    ..Film::of(source, &self.map, request)
                };
                let mut made = compose(film, &patch, blend, request.seed, image_number);
                self.add_earlier(&mut made.seam);
                (made, (**source).clone())
            }
            _ => self.whole_image(request, &patch),
        };
        let mut radiograph = base;
        radiograph.replace_pixels(composite.pixels);
        radiograph.synthetic = Some(SyntheticMark {
            evidence: "made by this program".to_owned(),
            contribution: contribution(request, image_number),
        });
        let window = request.window.as_ref();
        let is_hip = request.attributes.kind == "hip";
        let hips = match &readers.hips {
            // Two looks at two hips take longer than a preview: whoever shows one asks for its points afterwards.
            Some(model) if is_hip && !request.preview => {
                match read_hips_asking(model, &radiograph, window, &mut |_| asked()) {
                    Err(error) if error.kind == ErrorKind::Stopped => return Err(error),
                    // A missing answer is a missing number, not a failed image.
                    read => read.ok(),
                }
            }
            _ => None,
        };
        let (saliency, mut findings) = match &readers.reader {
            Some(model) if !request.preview => {
                go_on(asked())?;
                let saliency = read_saliency(model, &radiograph, window)?;
                go_on(asked())?;
                let kind = &request.attributes.kind;
                (saliency, read_findings(model, &radiograph, window, kind)?)
            }
            _ => (Vec::new(), Vec::new()),
        };
        if let Some(hips) = &hips {
            told_by_angles(hips, &mut findings);
        }
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
            decoder_tile_px: None,
            latent: None,
            radiograph: Arc::new(radiograph),
        })
    }

    /// What an earlier pass was matched by belongs to what is told: a second one is given the outside.
    fn add_earlier(&self, seam: &mut Seam) {
        let Some(grey) = self.matched else { return };
        let last = Match {
            gain: seam.gain.unwrap_or(1.0),
            offset: seam.offset.unwrap_or(0.0),
            clamped: seam.clamped,
        };
        let first = self.map.stored_match(grey);
        seam.gain = Some(grey.gain * last.gain);
        seam.offset = first.map(|first| first.then(last).offset);
        seam.clamped = grey.clamped || last.clamped;
    }

    /// A whole new image: of the source's depth, or 12 bits.
    fn whole_image(&self, request: &Request, patch: &Grid<f32>) -> (Composite, Radiograph) {
        let all = PixelRect::new(0, 0, self.size.0, self.size.1);
        let values = patch.crop(shift(self.crop.region, all), 0.0);
        let mut base = if let Some(source) = &request.source {
            let values = match source.stored_limits() {
                Some((low, high)) => values.map(|v| v.clamp(low as f32, high as f32)),
                None => values,
            };
            let mut base = Radiograph::from_pixels(source.pixels.like(&values));
            base.photometric = source.photometric;
            base.modality.clone_from(&source.modality);
            base.modality_transform
                .clone_from(&source.modality_transform);
            base.modality_unit.clone_from(&source.modality_unit);
            base.source.bits_stored = source.source.bits_stored;
            // Drawn on the canvas of the source, it is as large as that, and lies as that does.
            if self.size == (source.width(), source.height()) {
                base.spacing = source.spacing;
                base.view_position.clone_from(&source.view_position);
            }
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
            seam: Seam::default(),
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
        let model = self.crop.model_px;
        let distance = if grey.width() == model {
            line_distance(&lines, grey)
        } else {
            line_distance(&lines, &resize(grey, model, model))
        };
        Some(distance? * self.crop.scale())
    }
}

/// Median distance in pixels from lines to the nearest edge of an image; `None` without lines or without edges.
pub fn line_distance(lines: &Grid<bool>, grey: &Grid<f32>) -> Option<f64> {
    let found = edges(grey, 0.8).map(|edge| if *edge { 255_u8 } else { 0 });
    median_distance(lines, &distance_to(&found))
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
