//! Grain: a patch is made as grainy as its surroundings in each of four bands, and blended so that the power stays.
//!
//! A smooth patch in a grainy film looks like a sticker, and a grainy one in a smooth film too. A patch enlarged from a
//! model's pixels lacks everything finer than those, so that one number (and white noise) does not do: film grain,
//! scatter grids and mottle have their power elsewhere. Two independent grains mixed by halves have half their power
//! each, which shows as a smooth halo half-way through a ring; here their shares are square roots.

use crate::grid::Grid;
use crate::noise::Noise;
use crate::signal::atrous::{self, Response, smoother};
use crate::signal::blur::sampled_gaussian;

/// Bands: periods of about 2–4, 4–8, 8–16 and 16–32 px.
const BANDS: usize = 4;
/// Bands in which too much grain is taken away; a coarser texture of a patch is anatomy that was asked for.
const SOFTENED: usize = 2;
/// Bands that count as grain alone. Grain does not grow towards coarser bands, anatomy does.
const GRAIN_ALONE: usize = 2;
/// How much more power surroundings may have than the whole film before they count as anatomy: vessels in a small part
/// that is kept are as fine as grain, and all that is drawn around it would be covered with their power.
const ANATOMY: f64 = 3.0;
/// How much more or less power a patch may have before anything is done.
const MORE: f64 = 1.2;
/// Beyond so many deviations of grain a detail is an edge.
const EDGE: f64 = 3.0;
/// Fewest pixels that a power is measured on, and most.
const COUNTED: [usize; 2] = [32, 200_000];
/// Median of the square of a standard normal number.
const MEDIAN_SQUARE: f64 = 0.454_936;

/// Blurs that new grain is drawn with, tenths of a pixel: within the finest band film grain is seldom white.
const BLURS: std::ops::RangeInclusive<u32> = 0..=20;

/// Farthest pixel that the details at a place depend on.
pub(super) const REACH: usize = atrous::reach(BANDS);

/// Where grain is measured.
pub(super) struct Places {
    /// Pixels that stay and lie near those that do not.
    pub surroundings: Grid<bool>,
    /// All pixels that were measured, whether they stay or not; absent: nothing is compared with them.
    pub film: Option<Grid<bool>>,
}

/// The patch with its grain matched, blended into `original` by `share`.
///
/// Without enough surroundings to measure, a straight blend.
pub(super) fn blended(
    mut patch: Grid<f32>,
    original: &Grid<f32>,
    share: &Grid<f32>,
    places: &Places,
    noise: &mut Noise,
) -> Grid<f32> {
    // What is no number would spread; it is nothing that a patch could be blended with.
    let pairs = original.cells().iter().zip(patch.cells());
    let known = pairs.map(|(o, p)| if o.is_finite() { *o } else { *p });
    let original = Grid::from_vec(share.width(), share.height(), known.collect())
        .unwrap_or_else(|| original.clone());
    let mut correction = Grid::filled(share.width(), share.height(), 0.0_f32);
    if let Some(plan) = Plan::of(&patch, &original, share, places) {
        plan.carry_out(&mut patch, &original, share, noise, &mut correction);
    }
    let mut mixed = original;
    let cells = mixed.cells_mut().iter_mut().zip(patch.cells());
    for (((cell, patch), share), correction) in cells.zip(share.cells()).zip(correction.cells()) {
        *cell += share * (patch - *cell) + correction;
    }
    mixed
}

/// What is done in each band.
struct Plan {
    /// Deviation of the surroundings' grain.
    around: [f64; BANDS],
    /// Share of the patch's own grain that is kept, and its deviation.
    kept: [(f64, f64); BANDS],
    /// Amplitude of new grain, and the blur it is drawn with, pixels.
    added: Vec<f64>,
    blur: f64,
}

impl Plan {
    /// Measures both; `None` where one of them is too small.
    fn of(
        patch: &Grid<f32>,
        original: &Grid<f32>,
        share: &Grid<f32>,
        places: &Places,
    ) -> Option<Self> {
        let renewed = share.map(|share| *share > 0.5);
        let [near, everywhere] =
            powers(original, [Some(&places.surroundings), places.film.as_ref()]);
        let (mut wanted, mut sharp) = near?;
        if let Some(everywhere) = everywhere {
            let mut pairs = wanted.iter().zip(everywhere.0).take(GRAIN_ALONE);
            if pairs.any(|(near, all)| *near > ANATOMY * all) {
                (wanted, sharp) = everywhere;
            }
        }
        let [found] = powers(patch, [Some(&renewed)]);
        let (found, _) = found?;
        let most = wanted[..GRAIN_ALONE].iter().copied().fold(0.0, f64::max);
        let mut kept = [(1.0, 0.0); BANDS];
        let mut missing = [0.0; BANDS];
        for k in 0..BANDS {
            let target = if k < GRAIN_ALONE {
                wanted[k]
            } else {
                wanted[k].min(most)
            };
            if k < SOFTENED && found[k] > MORE * target {
                kept[k] = ((target / found[k]).sqrt(), found[k].sqrt());
            } else if target > MORE * found[k] {
                missing[k] = target - found[k];
            }
        }
        let blur = blur_of(sharp / wanted[0]);
        Some(Self {
            around: wanted.map(f64::sqrt),
            kept,
            added: Response::new(BANDS, blur).amplitudes(&missing),
            blur,
        })
    }

    /// Changes the patch, and puts into `correction` what a straight blend of both lacks.
    fn carry_out(
        &self,
        patch: &mut Grid<f32>,
        original: &Grid<f32>,
        share: &Grid<f32>,
        noise: &mut Noise,
        correction: &mut Grid<f32>,
    ) {
        let (width, height) = patch.size();
        let adds = self.added.iter().any(|a| *a > 0.0);
        let mut own = patch.clone();
        let mut theirs = original.clone();
        let mut fresh = if adds {
            let drawn = Grid::from_vec(width, height, noise.normals(width * height));
            drawn.map(|drawn| {
                if self.blur > 0.0 {
                    sampled_gaussian(&drawn, self.blur)
                } else {
                    drawn
                }
            })
        } else {
            None
        };
        for k in 0..BANDS {
            let mut new = detail(&mut own, k);
            let old = detail(&mut theirs, k);
            let (kept, deviation) = self.kept[k];
            let most = (EDGE * deviation) as f32;
            let taken = (1.0 - kept) as f32;
            for (cell, detail) in patch.cells_mut().iter_mut().zip(new.cells_mut()) {
                let less = taken * detail.clamp(-most, most);
                *cell -= less;
                *detail -= less;
            }
            if let Some(fresh) = &mut fresh {
                let drawn = detail(fresh, k);
                let amplitude = self.added[k] as f32;
                let cells = patch.cells_mut().iter_mut().zip(new.cells_mut());
                for ((cell, detail), drawn) in cells.zip(drawn.cells()) {
                    *cell += amplitude * drawn;
                    *detail += amplitude * drawn;
                }
            }
            let most = (EDGE * self.around[k]) as f32;
            correct(&old, &new, share, most, correction);
        }
    }
}

/// The detail of band `k` taken out of `image`, which becomes what is left.
fn detail(image: &mut Grid<f32>, k: usize) -> Grid<f32> {
    let next = smoother(image, k);
    let mut detail = std::mem::replace(image, next);
    for (detail, next) in detail.cells_mut().iter_mut().zip(image.cells()) {
        *detail -= next;
    }
    detail
}

/// What grain lacks of its power in a straight blend, detail for detail; beyond `most` lies an edge, blended straight.
///
/// Where both grains are one (the patch knew the film), nothing is lacking: their correlation in the ring says so.
fn correct(
    old: &Grid<f32>,
    new: &Grid<f32>,
    share: &Grid<f32>,
    most: f32,
    correction: &mut Grid<f32>,
) {
    let grain = |detail: f32| detail.clamp(-most, most);
    let in_ring = |share: f32| share > 0.0 && share < 1.0;
    let (mut both, mut of_old, mut of_new) = (0.0_f64, 0.0_f64, 0.0_f64);
    let details = old.cells().iter().zip(new.cells());
    for ((old, new), share) in details.zip(share.cells()) {
        if in_ring(*share) {
            let (old, new) = (f64::from(grain(*old)), f64::from(grain(*new)));
            both += old * new;
            of_old += old * old;
            of_new += new * new;
        }
    }
    let power = (of_old * of_new).sqrt();
    if power <= 0.0 {
        return;
    }
    let alike = (both / power).clamp(0.0, 1.0) as f32;
    let details = old.cells().iter().zip(new.cells());
    let cells = correction.cells_mut().iter_mut().zip(share.cells());
    for ((old, new), (cell, share)) in details.zip(cells) {
        if in_ring(*share) {
            let (old, new) = (grain(*old), grain(*new));
            let (rest, own) = ((1.0 - share).sqrt(), share.sqrt());
            let length = (1.0 + 2.0 * alike * rest * own).sqrt();
            *cell += (rest * old + own * new) / length - ((1.0 - share) * old + share * new);
        }
    }
}

/// The blur of white noise whose finest band is as sharp as this; none where that is no number.
fn blur_of(sharpness: f64) -> f64 {
    let blurs = BLURS.map(|tenths| f64::from(tenths) / 10.0);
    let off = |blur: f64| (Response::new(1, blur).sharpness() / sharpness).ln().abs();
    let pairs = blurs.map(|blur| (blur, off(blur)));
    let finite = pairs.filter(|(_, off)| off.is_finite());
    let best = finite.min_by(|a, b| a.1.total_cmp(&b.1));
    best.map_or(0.0, |(blur, _)| blur)
}

/// Variance of the grain in each band, and that of the finest detail's own finest detail.
type Powers = ([f64; BANDS], f64);

/// The powers where each of `counts` says; `None` for too few pixels, or where nothing counts.
fn powers<const N: usize>(
    image: &Grid<f32>,
    counts: [Option<&Grid<bool>>; N],
) -> [Option<Powers>; N] {
    let mut left = image.clone();
    let mut all = counts.map(|counts| counts.map(|_| ([0.0; BANDS], 0.0)));
    for k in 0..BANDS {
        let mut band = detail(&mut left, k);
        for (found, counts) in all.iter_mut().zip(counts) {
            let power = counts.and_then(|counts| power(&band, &left, counts));
            *found = found.zip(power).map(|((mut bands, sharp), power)| {
                bands[k] = power;
                (bands, sharp)
            });
        }
        if k == 0 {
            let finer = detail(&mut band, 0);
            for (found, counts) in all.iter_mut().zip(counts) {
                let sharp = counts.and_then(|counts| power(&finer, &left, counts));
                *found = found.zip(sharp).map(|((bands, _), sharp)| (bands, sharp));
            }
        }
    }
    all
}

/// The median square of a detail, as a variance, where the coarser image is even: grain on a slope may be anatomy.
fn power(detail: &Grid<f32>, coarser: &Grid<f32>, counts: &Grid<bool>) -> Option<f64> {
    let (width, height) = detail.size();
    let all = counts.cells().iter().filter(|c| **c).count();
    let every = all.div_ceil(COUNTED[1]).max(1);
    let mut seen = Vec::with_capacity(all / every + 1);
    let mut nth = 0;
    for y in 0..height {
        let (above, below) = (
            coarser.row(y.saturating_sub(1)),
            coarser.row((y + 1).min(height - 1)),
        );
        let row = coarser.row(y);
        for (x, counted) in counts.row(y).iter().enumerate() {
            if !counted {
                continue;
            }
            nth += 1;
            if nth % every > 0 {
                continue;
            }
            let across = row[(x + 1).min(width - 1)] - row[x.saturating_sub(1)];
            let down = below[x] - above[x];
            let square = f64::from(detail[(x, y)]).powi(2);
            seen.push((across * across + down * down, square));
        }
    }
    if seen.len() < COUNTED[0] {
        return None;
    }
    let middle = seen.len() / 2;
    seen.select_nth_unstable_by(middle, |a, b| a.0.total_cmp(&b.0));
    let mut even: Vec<f64> = seen[..=middle].iter().map(|(_, square)| *square).collect();
    let middle = even.len() / 2;
    let median = *even.select_nth_unstable_by(middle, f64::total_cmp).1;
    Some(median / MEDIAN_SQUARE)
}
