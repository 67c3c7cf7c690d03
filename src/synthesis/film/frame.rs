//! Everything of a request that needs no network: which part of the image, what may change in it, and the way from
//! model grey back to an image at native depth.
//!
//! Separate so that whatever paints the grey, a network or a stand-in of a check, ends in the very same composite.

use super::composite::{Blend, Film, blend};
use super::crop::CropTransform;
use super::grey::GreyMap;
use crate::document::mask::bounds;
use crate::geometry::PixelRect;
use crate::grid::Grid;
use crate::job::{Error, Mode, Request};
use crate::measure::seam::Match;
use crate::radiograph::Radiograph;

/// A second pass is worth its time when its crop is at most this share of the first one's.
pub(super) const FINER: f64 = 0.75;
/// And when the first pass shows fewer than this many model pixels for an image pixel.
pub(super) const COARSE: f64 = 0.9;

/// Crop, grey map and blend of a request.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The square of the image that is generated.
    pub crop: CropTransform,
    /// Stored values to grey and back.
    pub map: GreyMap,
    /// In- and outpainting: where the patch counts.
    pub blend: Option<Blend>,
    /// Columns and rows of the image.
    pub size: (usize, usize),
    /// What the grey of an earlier pass was matched by, before a later one went over it.
    pub matched: Option<Match>,
}

impl Frame {
    /// The frame of a request for a model of `model_px` pixels a side.
    ///
    /// Fails when the window leaves no range of values.
    pub fn new(request: &Request, model_px: usize) -> Result<Self, Error> {
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
        let renew = renewed(request);
        let crop = match &renew {
            Some(renew) => CropTransform::around(size, reach(renew, request), model_px),
            None => CropTransform::whole(size, model_px),
        };
        let blend = renew.map(|renew| blend(&renew, request.ring.px, crop.region));
        Ok(Self {
            crop,
            map,
            blend,
            size,
            matched: None,
        })
    }

    /// The frame of a second pass in a tighter crop; `None` where it would show nothing finer.
    pub fn finer(&self, request: &Request) -> Option<Self> {
        if request.passes < 2 || request.preview || self.crop.scale() * COARSE < 1.0 {
            return None;
        }
        let renew = renewed(request)?;
        let crop = CropTransform::tight(self.size, reach(&renew, request), self.crop.model_px);
        let inside = self.crop.region.intersection(crop.region) == crop.region;
        let finer = (crop.region.width as f64) < FINER * self.crop.region.width as f64;
        (inside && finer).then(|| Self {
            blend: Some(blend(&renew, request.ring.px, crop.region)),
            crop,
            map: self.map.clone(),
            size: self.size,
            matched: None,
        })
    }

    /// Grey of a first pass (0–1, at the model's size) at the image's own resolution over the crop, and what it was
    /// matched by to what stays.
    ///
    /// A second pass is told what stays, so that what it makes of the rest always fits what it was given: the match has to
    /// come before. `None` for old records, and where too little can be compared.
    pub(in crate::synthesis) fn painted(
        &self,
        request: &Request,
        first: &Grid<f32>,
    ) -> (Grid<f32>, Option<Match>) {
        let grey = self.crop.grey_from_model(first);
        let (Some(blend), Some(source)) = (&self.blend, &request.source) else {
            return (grey, None);
        };
        if request.composite == 0 {
            return (grey, None);
        }
        let seen = grey.crop(shift(self.crop.region, blend.region), 0.0);
        let found = Film::of(source, &self.map, request).grey_match(&seen, blend);
        match found {
            Some(found) => (found.of(&grey).map(|v| v.clamp(0.0, 1.0)), Some(found)),
            None => (grey, None),
        }
    }

    /// Grey (0–1) of the source over the crop at the image's own resolution, black outside the image.
    pub fn grey(&self, source: &Radiograph) -> Grid<f32> {
        let all = PixelRect::new(0, 0, self.size.0, self.size.1);
        let inside = self.crop.region.intersection(all);
        let grey = self.map.grey(&source.pixels.crop_f32(inside));
        place(&grey, inside, self.crop.region)
    }

    /// 255 where the patch counts at all, over the crop at the image's own resolution.
    pub fn touched(&self) -> Option<Grid<u8>> {
        let blend = self.blend.as_ref()?;
        let share = blend.share.map(|s| if *s > 0.0 { 255_u8 } else { 0 });
        Some(share.crop(shift(blend.region, self.crop.region), 0))
    }
}

/// 255 where pixels are to be renewed; `None` where all of the image is.
pub(super) fn renewed(request: &Request) -> Option<Grid<u8>> {
    let mask = request.mask.as_ref()?;
    match request.mode {
        Mode::Inpaint => Some(mask.map(|m| if *m > 0 { 255 } else { 0 })),
        Mode::Outpaint => Some(mask.map(|m| if *m > 0 { 0 } else { 255 })),
        Mode::Sketch | Mode::Sample => None,
    }
}

/// What may change: the bounds of what is renewed, grown by the ring.
pub(super) fn reach(renew: &Grid<u8>, request: &Request) -> PixelRect {
    bounds(renew)
        .unwrap_or_default()
        .grown(request.ring.px.ceil() as i64)
}

/// `part` (over `inside`) on a black ground over `region`.
pub(in crate::synthesis) fn place(
    part: &Grid<f32>,
    inside: PixelRect,
    region: PixelRect,
) -> Grid<f32> {
    part.crop(shift(inside, region), 0.0)
}

/// `to` as seen from a grid that lies over `from`.
pub(super) const fn shift(from: PixelRect, to: PixelRect) -> PixelRect {
    PixelRect::new(to.x - from.x, to.y - from.y, to.width, to.height)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::job::ModelReference;
    use crate::radiograph::{DisplayWindow, Pixels};

    fn request() -> Request {
        let mut request = Request::new(Mode::Inpaint, ModelReference::default());
        let film = Grid::from_fn(128, 128, |x, y| (1000 + 5 * (x * 7 % 40) + 6 * y) as u16);
        request.source = Some(Arc::new(Radiograph::from_pixels(Pixels::U16(film))));
        request.window = Some(DisplayWindow::from_range(900.0, 2100.0));
        request.mask = Some(Grid::from_fn(128, 128, |x, y| {
            if (40..90).contains(&x) && (40..90).contains(&y) {
                255
            } else {
                0
            }
        }));
        request
    }

    #[test]
    fn a_first_pass_is_matched_before_a_second_one_is_told_what_stays() {
        let mut request = request();
        let frame = Frame::new(&request, 128).unwrap();
        let true_grey = frame.grey(request.source.as_ref().unwrap());
        let first = true_grey.map(|v| (v - 0.02) / 1.1);
        let (painted, matched) = frame.painted(&request, &first);
        let matched = matched.unwrap();
        assert!((matched.gain - 1.1).abs() < 0.01, "{matched:?}");
        let off = |grey: &Grid<f32>| {
            let pairs = grey.cells().iter().zip(true_grey.cells());
            pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        assert!(off(&painted) < 0.01 && off(&first) > 0.03);
        // What is told is the way from the first pass: the second one, given the outside, has nothing left to match.
        let second = Frame {
            matched: Some(matched),
            ..frame.clone()
        };
        let readers = crate::synthesis::Readers::default();
        let made = second.finish(&readers, &request, 0, &true_grey).unwrap();
        let seam = made.seam.unwrap();
        assert!((seam.gain.unwrap() - 1.1).abs() < 0.01, "{seam:?}");
        let once = frame.finish(&readers, &request, 0, &first).unwrap();
        let whole = once.seam.unwrap().offset.unwrap();
        assert!(
            (seam.offset.unwrap() - whole).abs() < 15.0,
            "{seam:?} {whole}"
        );
        // Two passes together are held as one is.
        let flat = true_grey.map(|v| 0.4 + 0.5 * (v - 0.4));
        let (_, matched) = frame.painted(&request, &flat);
        let second = Frame {
            matched,
            ..frame.clone()
        };
        let made = second.finish(&readers, &request, 0, &flat).unwrap();
        let seam = made.seam.unwrap();
        assert!(seam.clamped && seam.gain.unwrap() < 1.2501, "{seam:?}");
        request.composite = 0;
        assert_eq!(frame.painted(&request, &first), (first.clone(), None));
    }
}
