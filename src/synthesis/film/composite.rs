//! The composite: a generated patch put into the source at native depth.
//!
//! A pixel outside the declared ring is copied bit for bit, never computed; inside, values are blended in f32 and
//! quantised once, rounded. What is allowed to change is decided here alone and returned with the result.

use super::grey::GreyMap;
use super::{before, grain};
use crate::document::mask::{bounds, distance_to};
use crate::geometry::PixelRect;
use crate::grid::Grid;
use crate::job::{COMPOSITE, Request, Seam};
use crate::measure::seam::{self, Match};
use crate::noise::Noise;
use crate::radiograph::{Pixels, Radiograph};

/// How far blending reaches inward from the mask's border when the ring is 0, image pixels.
const INWARD_PX: f32 = 6.0;

/// Stream of the seed that grain is drawn from; images draw from streams below it.
pub(super) const GRAIN_STREAM: u64 = 1 << 40;

/// Where and how much a patch counts, over one region of the image.
#[derive(Clone, Debug)]
pub struct Blend {
    /// The region in image pixels; inside the image.
    pub region: PixelRect,
    /// Share of the patch in each pixel of the region, 0–1; exactly 0 = copied.
    pub share: Grid<f32>,
}

/// The blend of a mask of pixels to renew (255), with a ring of `ring_px` outside it.
///
/// `region` is where the patch is known; beyond it nothing changes. With a ring the share falls from 1 at the mask's
/// border to 0 at the ring's end; without one it rises inward.
pub fn blend(renew: &Grid<u8>, ring_px: f64, region: PixelRect) -> Blend {
    let region = region.intersection(renew.bounds());
    let part = renew.crop(region, 0);
    let ring = ring_px.max(0.0) as f32;
    let share = if ring > 0.0 {
        let outward = distance_to(&part);
        // One more pixel in the denominator: the last one of the ring still takes a little of the patch.
        outward.map(|d| {
            if f64::from(*d) <= ring_px {
                smooth(1.0 - d / (ring + 1.0))
            } else {
                0.0
            }
        })
    } else {
        let inward = distance_to(&part.map(|m| 255 - *m));
        Grid::from_fn(part.width(), part.height(), |x, y| {
            if part[(x, y)] == 0 {
                return 0.0;
            }
            // The first pixel inside is at distance 1.
            smooth(inward[(x, y)].min(INWARD_PX) / INWARD_PX).max(f32::MIN_POSITIVE)
        })
    };
    Blend { region, share }
}

/// `3t² − 2t³` on 0–1.
fn smooth(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// A composite with the proof of what it changed.
#[derive(Clone, Debug)]
pub struct Composite {
    /// Stored values at the source's depth.
    pub pixels: Pixels,
    /// 255 where pixels were allowed to change.
    pub changed: Grid<u8>,
    /// Pixels outside `changed` that differ; 0 unless something is broken.
    pub changed_outside_ring: usize,
    /// Pixels inside `changed` that differ.
    pub changed_inside: usize,
    /// How well the patch meets its surroundings.
    pub seam: Seam,
}

/// The film that a patch is put into, and what of it can be compared with a patch.
#[derive(Clone, Copy, Debug)]
pub struct Film<'a> {
    /// Stored values.
    pub pixels: &'a Pixels,
    /// What the model was shown them through; absent = all of them as they are.
    pub map: Option<&'a GreyMap>,
    /// Pixel Padding Value range, stored values.
    pub padding: Option<(f64, f64)>,
    /// Least and largest stored value of its bits; absent = those of its buffer.
    pub limits: Option<(f64, f64)>,
    /// The gain that an earlier pass was matched by, 0.8–1.25; 1 without one.
    pub earlier_gain: f64,
    /// The way of putting in, [`Request::composite`].
    pub composite: u32,
}

impl<'a> From<&'a Pixels> for Film<'a> {
    fn from(pixels: &'a Pixels) -> Self {
        Self {
            pixels,
            map: None,
            padding: None,
            limits: None,
            earlier_gain: 1.0,
            composite: COMPOSITE,
        }
    }
}

impl<'a> Film<'a> {
    /// The source of a request, shown through `map`.
    pub(in crate::synthesis) fn of(
        source: &'a Radiograph,
        map: &'a GreyMap,
        request: &Request,
    ) -> Self {
        Self {
            pixels: &source.pixels,
            map: Some(map),
            padding: source.padding,
            limits: source.stored_limits(),
            earlier_gain: 1.0,
            composite: request.composite,
        }
    }

    fn is_padding(&self, value: f32) -> bool {
        let value = f64::from(value);
        self.padding
            .is_some_and(|(low, high)| (low..=high).contains(&value))
    }

    /// Whether a stored value was measured and lies strictly inside the window: what lies beyond it the model never
    /// saw, so that a patch must not be matched to it.
    fn shows(&self, value: f32) -> bool {
        value.is_finite() && !self.is_padding(value) && self.map.is_none_or(|map| map.shows(value))
    }

    /// What values can differ by: the film's range, or the window's where that is narrower.
    fn range(&self) -> f64 {
        let (low, high) = self.pixels.quantiles(0.005, self.padding);
        let range = (high - low).max(1e-6);
        self.map.map_or(range, |map| range.min(map.range()))
    }

    /// Pixels that stay as they are, within reach of those that do not, and can be compared.
    fn surroundings(&self, original: &Grid<f32>, share: &Grid<f32>) -> Grid<bool> {
        let mut near = near_outside(share);
        if self.composite > 0 {
            for (near, value) in near.cells_mut().iter_mut().zip(original.cells()) {
                *near = *near && self.shows(*value);
            }
        }
        near
    }

    /// Pixels that were measured: what is exactly even is room that was added, or a burnt-in letter.
    fn measured(&self, original: &Grid<f32>) -> Grid<bool> {
        Grid::from_fn(original.width(), original.height(), |x, y| {
            let value = original[(x, y)];
            let (left, above) = (x.saturating_sub(1), y.saturating_sub(1));
            let beside = [(left, y), (x + 1, y), (x, above), (x, y + 1)];
            let mut beside = beside.iter().filter_map(|(x, y)| original.get(*x, *y));
            self.shows(value) && beside.any(|other| (other - value).abs() > 0.0)
        })
    }

    /// What a patch has to be matched by, beside what an earlier pass was.
    fn fitted(
        &self,
        patch: &Grid<f32>,
        original: &Grid<f32>,
        surroundings: &Grid<bool>,
        range: f64,
    ) -> Option<Match> {
        let fit = if self.composite < 3 {
            seam::fit_deviations_after
        } else {
            seam::fit_after
        };
        fit(patch, original, surroundings, range, self.earlier_gain)
    }

    /// The matched patch with grain like its surroundings', blended: anatomy by its share, grain so that its power stays.
    ///
    /// Only what the surroundings reach is filtered; elsewhere nothing changes.
    fn mixed(
        &self,
        matched: &Grid<f32>,
        original: &Grid<f32>,
        share: &Grid<f32>,
        surroundings: &Grid<bool>,
        noise: &mut Noise,
    ) -> Grid<f32> {
        let mut all = original.clone();
        let Some(area) = compared(share, surroundings) else {
            return all;
        };
        let area = area.grown(grain::REACH as i64).intersection(share.bounds());
        let original = original.crop(area, 0.0);
        let places = grain::Places {
            surroundings: surroundings.crop(area, false),
            film: (self.composite > 2).then(|| self.measured(&original)),
        };
        let blended = grain::blended(
            matched.crop(area, 0.0),
            &original,
            &share.crop(area, 0.0),
            &places,
            noise,
        );
        for y in 0..area.height {
            let start = area.x as usize;
            all.row_mut(area.y as usize + y)[start..start + area.width]
                .copy_from_slice(blended.row(y));
        }
        all
    }

    /// What a patch of grey (0–1 over `blend.region`) has to be matched by; `None` where too little can be compared.
    pub(in crate::synthesis) fn grey_match(
        &self,
        grey: &Grid<f32>,
        blend: &Blend,
    ) -> Option<Match> {
        let map = self.map?;
        let original = self.pixels.crop_f32(blend.region);
        let surroundings = self.surroundings(&original, &blend.share);
        let range = (self.range() / map.range()).min(1.0);
        self.fitted(grey, &map.grey(&original), &surroundings, range)
    }

    /// The share of the renewed pixels whose source lies beyond the window; `None` without a window.
    fn beyond_window(&self, original: &Grid<f32>, renewed: &Grid<bool>) -> Option<f64> {
        let map = self.map?;
        let (mut all, mut beyond) = (0_usize, 0_usize);
        for (value, renewed) in original.cells().iter().zip(renewed.cells()) {
            if *renewed && value.is_finite() && !self.is_padding(*value) {
                all += 1;
                beyond += usize::from(map.clips(*value));
            }
        }
        (all > 0).then(|| beyond as f64 / all as f64)
    }
}

/// Puts `patch` (stored values over `blend.region`) into a film.
///
/// Gain, offset and grain are fitted on pixels of the region that stay as they are, within reach of the mask, inside
/// the window and no padding.
pub fn compose<'a>(
    film: impl Into<Film<'a>>,
    patch: &Grid<f32>,
    blend: &Blend,
    seed: u64,
    image_number: u64,
) -> Composite {
    let film = film.into();
    let source = film.pixels;
    let region = blend.region;
    let original = source.crop_f32(region);
    let surroundings = film.surroundings(&original, &blend.share);
    let fitted = if film.composite == 0 {
        let (low, high) = source.quantiles(0.005, None);
        let range = (high - low).max(1e-6);
        before::fit(patch, &original, &surroundings, range)
    } else {
        film.fitted(patch, &original, &surroundings, film.range())
    };
    let matched = fitted.map_or_else(|| patch.clone(), |fitted| fitted.of(patch));
    let mixed = if film.composite == 0 {
        before::mixed(matched, &original, blend, &surroundings, seed, image_number)
    } else {
        let mut noise = Noise::new(seed, GRAIN_STREAM + image_number);
        let values = film.mixed(&matched, &original, &blend.share, &surroundings, &mut noise);
        // A film of 12 bits stays one, however light the gain and the grain make it.
        match film.limits {
            Some((low, high)) => values.map(|v| v.clamp(low as f32, high as f32)),
            None => values,
        }
    };
    let pixels = paste(source, &mixed, &blend.share, region);
    let mut changed = Grid::filled(source.width(), source.height(), 0_u8);
    for y in 0..region.height {
        for x in 0..region.width {
            if blend.share[(x, y)] > 0.0 {
                changed[(region.x as usize + x, region.y as usize + y)] = 255;
            }
        }
    }
    let outside = source.count_different_where(&pixels, |x, y| changed[(x, y)] == 0);
    let all = source.count_different(&pixels).unwrap_or(usize::MAX);
    // `None` would mean another size or depth: everything counts as changed then.
    let changed_outside_ring = outside.unwrap_or(usize::MAX);
    let area = compared(&blend.share, &surroundings).unwrap_or_default();
    let result = pixels.crop_f32(PixelRect {
        x: region.x + area.x,
        y: region.y + area.y,
        ..area
    });
    let share = blend.share.crop(area, 0.0);
    let surroundings = surroundings.crop(area, false);
    let renewed = share.map(|share| *share > 0.5);
    // Half-way through the ring, where two grains meet.
    let meeting = share.map(|share| (0.2..=0.8).contains(share));
    let noise_bands = seam::band_ratios(&result, &renewed, &surroundings);
    Composite {
        changed,
        changed_outside_ring,
        changed_inside: all.saturating_sub(changed_outside_ring),
        seam: Seam {
            gain: fitted.map(|fitted| fitted.gain),
            offset: fitted.map(|fitted| fitted.offset),
            clamped: fitted.is_some_and(|fitted| fitted.clamped),
            jump: seam::jump(&result, &renewed),
            noise_ratio: noise_bands[0],
            noise_bands,
            ring_noise_ratio: seam::noise_ratio(&result, &meeting, &surroundings),
            beyond_window: film.beyond_window(&original.crop(area, 0.0), &renewed),
        },
        pixels,
    }
}

/// Pixels that stay as they are, within reach of those that do not.
fn near_outside(share: &Grid<f32>) -> Grid<bool> {
    let touched = share.map(|s| if *s > 0.0 { 255_u8 } else { 0 });
    let reach = (share.width().max(share.height()) as f32 / 16.0).max(8.0);
    distance_to(&touched).map(|d| *d > 0.0 && *d <= reach)
}

/// The bounds of all that changes or is compared with it; `None` where nothing changes.
fn compared(share: &Grid<f32>, surroundings: &Grid<bool>) -> Option<PixelRect> {
    let changing = bounds(&share.map(|s| u8::from(*s > 0.0)))?;
    let around = bounds(&surroundings.map(|s| u8::from(*s))).unwrap_or(changing);
    Some(changing.union(around))
}

/// Copies `source` and overwrites only where the share is above 0, rounded once to the depth.
fn paste(source: &Pixels, mixed: &Grid<f32>, share: &Grid<f32>, region: PixelRect) -> Pixels {
    let quantised = source.like(mixed);
    let mut pixels = source.clone();
    let put = |x: usize, y: usize| (region.x as usize + x, region.y as usize + y);
    macro_rules! copy {
        ($to:expr, $from:expr) => {
            for y in 0..region.height {
                for x in 0..region.width {
                    if share[(x, y)] > 0.0 {
                        $to[put(x, y)] = $from[(x, y)];
                    }
                }
            }
        };
    }
    match (&mut pixels, &quantised) {
        (Pixels::U8(to), Pixels::U8(from)) => copy!(to, from),
        (Pixels::U16(to), Pixels::U16(from)) => copy!(to, from),
        (Pixels::I16(to), Pixels::I16(from)) => copy!(to, from),
        (Pixels::F32(to), Pixels::F32(from)) => copy!(to, from),
        // `like` keeps the depth: there is no other pair.
        _ => {}
    }
    pixels
}
