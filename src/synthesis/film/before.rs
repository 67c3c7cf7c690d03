//! How patches were put into films before [`Request::composite`] was 1: kept, so that a record of then still gives the
//! same image to the last bit, and used for nothing else.
//!
//! The match counted what the window clips, grain was white noise of one power, and it was blended like anatomy.
//!
//! [`Request::composite`]: crate::job::Request::composite

use super::composite::{Blend, GRAIN_STREAM};
use crate::grid::Grid;
use crate::measure::seam::{self, Match, moments, wanted_gain};
use crate::noise::Noise;

/// How often a grainy patch is softened at most: each time takes the finest of what is left.
const SOFTENINGS: usize = 4;

/// The match of then; `range` is that of the whole film.
pub(super) fn fit(
    patch: &Grid<f32>,
    source: &Grid<f32>,
    outside: &Grid<bool>,
    range: f64,
) -> Option<Match> {
    let (patch_mean, patch_sd) = moments(patch, outside)?;
    let (source_mean, source_sd) = moments(source, outside)?;
    let wanted = wanted_gain(patch_sd, source_sd, range);
    let gain = wanted.clamp(0.8, 1.25);
    let needed = source_mean - gain * patch_mean;
    let limit = 0.25 * range.abs() + (gain - 1.0).abs() * range.abs();
    let offset = needed.clamp(-limit, limit);
    Some(Match {
        gain,
        offset,
        clamped: gain != wanted || offset != needed,
    })
}

/// The blended values over the region: what was matched, made grainy and mixed straight.
pub(super) fn mixed(
    mut matched: Grid<f32>,
    original: &Grid<f32>,
    blend: &Blend,
    surroundings: &Grid<bool>,
    seed: u64,
    image_number: u64,
) -> Grid<f32> {
    let renewed = blend.share.map(|share| *share > 0.5);
    match_grain(
        &mut matched,
        original,
        &renewed,
        surroundings,
        seed,
        image_number,
    );
    Grid::from_fn(matched.width(), matched.height(), |x, y| {
        let share = blend.share[(x, y)];
        original[(x, y)] + share * (matched[(x, y)] - original[(x, y)])
    })
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
