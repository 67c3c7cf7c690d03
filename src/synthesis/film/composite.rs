//! The composite: a generated patch put into the source at native depth.
//!
//! A pixel outside the declared ring is copied bit for bit, never computed; inside, values are blended in f32 and
//! quantised once, rounded. What is allowed to change is decided here alone and returned with the result.

use crate::document::mask::distance_to;
use crate::geometry::PixelRect;
use crate::grid::Grid;
use crate::job::Seam;
use crate::measure::seam;
use crate::noise::Noise;
use crate::radiograph::Pixels;

/// How far blending reaches inward from the mask's border when the ring is 0, image pixels.
const INWARD_PX: f32 = 6.0;

/// How often a grainy patch is softened at most: each time takes the finest of what is left.
const SOFTENINGS: usize = 4;

/// Stream of the seed that grain is drawn from; images draw from streams below it.
const GRAIN_STREAM: u64 = 1 << 40;

/// Where and how much a patch counts, over one region of the image.
#[derive(Clone, Debug)]
pub struct Blend {
    /// The region in image pixels; inside the image.
    pub region: PixelRect,
    /// Share of the patch in each pixel of the region, 0–1; exactly 0 = copied.
    pub share: Grid<f32>,
    /// Least and largest stored value of the source's bits; absent = those of its buffer.
    pub limits: Option<(f64, f64)>,
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
    Blend {
        region,
        share,
        limits: None,
    }
}

impl Blend {
    /// The same blend for an image whose stored values lie within `limits`.
    #[must_use]
    pub const fn within(mut self, limits: Option<(f64, f64)>) -> Self {
        self.limits = limits;
        self
    }
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

/// Puts `patch` (stored values over `blend.region`) into `source`.
///
/// Gain, offset and grain are fitted on pixels of the region that stay as they are, within reach of the mask.
pub fn compose(
    source: &Pixels,
    patch: &Grid<f32>,
    blend: &Blend,
    seed: u64,
    image_number: u64,
) -> Composite {
    let region = blend.region;
    let original = source.crop_f32(region);
    let (low, high) = source.quantiles(0.005, None);
    let range = (high - low).max(1e-6);
    let surroundings = near_outside(&blend.share);
    let fitted = seam::fit(patch, &original, &surroundings, range);
    let mut matched = patch.map(|v| (f64::from(*v) * fitted.gain + fitted.offset) as f32);
    let renewed = blend.share.map(|share| *share > 0.5);
    match_grain(
        &mut matched,
        &original,
        &renewed,
        &surroundings,
        seed,
        image_number,
    );
    let mixed = Grid::from_fn(region.width, region.height, |x, y| {
        let share = blend.share[(x, y)];
        let value = original[(x, y)] + share * (matched[(x, y)] - original[(x, y)]);
        // A film of 12 bits stays one, however light the gain and the grain make it.
        blend
            .limits
            .map_or(value, |(low, high)| value.clamp(low as f32, high as f32))
    });
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
    let result = pixels.crop_f32(region);
    Composite {
        changed,
        changed_outside_ring,
        changed_inside: all.saturating_sub(changed_outside_ring),
        seam: Seam {
            gain: fitted.gain,
            offset: fitted.offset,
            clamped: fitted.clamped,
            jump: seam::jump(&result, &renewed).unwrap_or(1.0),
            noise_ratio: seam::noise_ratio(&result, &renewed, &surroundings).unwrap_or(1.0),
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

/// Makes the patch as grainy as its surroundings, by added noise or by taking some of its own away: a smooth patch in
/// a grainy film looks like a sticker, and a grainy one in a smooth film too.
fn match_grain(
    patch: &mut Grid<f32>,
    original: &Grid<f32>,
    renewed: &Grid<bool>,
    surroundings: &Grid<bool>,
    seed: u64,
    image_number: u64,
) {
    // One image with both textures, so that one measure compares them.
    let powers = |patch: &Grid<f32>| {
        let both = Grid::from_fn(patch.width(), patch.height(), |x, y| {
            if renewed[(x, y)] {
                patch[(x, y)]
            } else {
                original[(x, y)]
            }
        });
        Some((
            seam::noise_power(&both, renewed)?,
            seam::noise_power(&both, surroundings)?,
        ))
    };
    let mut found = powers(patch);
    for _ in 0..SOFTENINGS {
        let Some((inner, outer)) = found.filter(|(inner, outer)| *inner > 1.2 * outer) else {
            break;
        };
        soften(patch, (outer / inner).sqrt() as f32);
        found = powers(patch);
    }
    let Some(missing) = found.map(|(inner, outer)| outer - inner) else {
        return;
    };
    if missing <= 0.0 {
        return;
    }
    // White noise of variance 1 has power 36/36 = 1 behind the high pass; the median of its square is 0.455.
    let sigma = (missing / 0.455).sqrt();
    let mut noise = Noise::new(seed, GRAIN_STREAM + image_number);
    for value in patch.cells_mut() {
        *value += (sigma * noise.normal()) as f32;
    }
}

/// Keeps the share `keep` of what a binomial blur of 3 × 3 pixels takes away.
fn soften(patch: &mut Grid<f32>, keep: f32) {
    let (width, height) = patch.size();
    let at =
        |i: usize, step: i64, size: usize| (i as i64 + step).clamp(0, size as i64 - 1) as usize;
    let along = |grid: &Grid<f32>, dx: i64, dy: i64| {
        Grid::from_fn(width, height, |x, y| {
            let before = grid[(at(x, -dx, width), at(y, -dy, height))];
            let after = grid[(at(x, dx, width), at(y, dy, height))];
            0.25 * (before + after) + 0.5 * grid[(x, y)]
        })
    };
    let low = along(&along(patch, 1, 0), 0, 1);
    for (value, low) in patch.cells_mut().iter_mut().zip(low.cells()) {
        *value = low + keep * (*value - low);
    }
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
