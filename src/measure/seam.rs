//! How well a patch meets its surroundings: gain and offset, gradient jump, noise ratio.
//!
//! Pure functions of the pixels, so that the composite and the numbers shown beside it cannot disagree. A number that
//! cannot be had is absent: a patch that was never compared with anything is not a perfect one.

use crate::grid::Grid;
use crate::signal::blur::area_average;

/// Pixels a side of the squares whose means [`band_ratios`] compares: periods of about 2–4, 4–8, 8–16 and 16–32 px.
pub const BANDS: [usize; 4] = [1, 2, 4, 8];

/// A gain and an offset that map the patch onto its surroundings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// Factor.
    pub gain: f64,
    /// Offset after the factor.
    pub offset: f64,
    /// Whether one of them would have had to be larger.
    pub clamped: bool,
}

impl Match {
    /// This match and then `next`, as one.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self {
            gain: next.gain * self.gain,
            offset: next.gain * self.offset + next.offset,
            clamped: self.clamped || next.clamped,
        }
    }

    /// A patch, matched.
    pub fn of(self, patch: &Grid<f32>) -> Grid<f32> {
        patch.map(|v| (f64::from(*v) * self.gain + self.offset) as f32)
    }
}

/// Mean and standard deviation of the cells where `counts` is set; `None` for fewer than eight cells.
pub fn moments(image: &Grid<f32>, counts: &Grid<bool>) -> Option<(f64, f64)> {
    let mut n = 0.0;
    let mut sum = 0.0;
    let mut square_sum = 0.0;
    for (value, counted) in image.cells().iter().zip(counts.cells()) {
        if *counted && value.is_finite() {
            let value = f64::from(*value);
            n += 1.0;
            sum += value;
            square_sum += value * value;
        }
    }
    if n < 8.0 {
        return None;
    }
    let mean = sum / n;
    Some((mean, (square_sum / n - mean * mean).max(0.0).sqrt()))
}

/// Gain and offset that bring a patch onto its source, fitted on pixels outside the mask that both images show.
///
/// `outside` marks them. The gain is the slope of the source over the patch (least squares, by masked moments): detail
/// that the patch lacks, vessels finer than a model's pixels or grain, is no contrast of its tones, and a gain by
/// deviations would make them stand out by it. It is clamped to 0.8–1.25, and what it leaves of the difference of means
/// to a quarter of `range`: a patch that needs more does not belong there, and the seam's jump then says so. `None` for
/// fewer than eight pixels.
pub fn fit(
    patch: &Grid<f32>,
    source: &Grid<f32>,
    outside: &Grid<bool>,
    range: f64,
) -> Option<Match> {
    fit_after(patch, source, outside, range, 1.0)
}

/// [`fit`] of a patch that a gain was put on already: both together are clamped.
pub fn fit_after(
    patch: &Grid<f32>,
    source: &Grid<f32>,
    outside: &Grid<bool>,
    range: f64,
    earlier_gain: f64,
) -> Option<Match> {
    let (patch_mean, patch_sd) = moments(patch, outside)?;
    let (source_mean, _) = moments(source, outside)?;
    let (mut n, mut together) = (0.0, 0.0);
    for ((p, s), counted) in patch
        .cells()
        .iter()
        .zip(source.cells())
        .zip(outside.cells())
    {
        if *counted && p.is_finite() && s.is_finite() {
            n += 1.0;
            together += (f64::from(*p) - patch_mean) * (f64::from(*s) - source_mean);
        }
    }
    let gain = if patch_sd > flat(range) && n > 0.0 {
        together / n / (patch_sd * patch_sd)
    } else {
        1.0
    };
    Some(held(gain, [patch_mean, source_mean], range, earlier_gain))
}

/// [`fit_after`] with the gain that gives the patch the source's deviation: how it was done before
/// [`Request::composite`] was 3.
///
/// [`Request::composite`]: crate::job::Request::composite
pub(crate) fn fit_deviations_after(
    patch: &Grid<f32>,
    source: &Grid<f32>,
    outside: &Grid<bool>,
    range: f64,
    earlier_gain: f64,
) -> Option<Match> {
    let (patch_mean, patch_sd) = moments(patch, outside)?;
    let (source_mean, source_sd) = moments(source, outside)?;
    let gain = wanted_gain(patch_sd, source_sd, range);
    Some(held(gain, [patch_mean, source_mean], range, earlier_gain))
}

/// A match of this gain about two means, within what a match may do.
fn held(gain: f64, [patch_mean, source_mean]: [f64; 2], range: f64, earlier_gain: f64) -> Match {
    let clamped_gain = gain.clamp(0.8 / earlier_gain, 1.25 / earlier_gain);
    // Held is how far the surroundings move, not the offset itself: behind a gain that holds the distance from the
    // means to a stored value of 0, which means nothing (1024 below water in a CT).
    let move_by = source_mean - patch_mean;
    let limit = 0.25 * range.abs();
    let moved = move_by.clamp(-limit, limit);
    let held = moved != move_by;
    let offset = if held {
        patch_mean + moved - clamped_gain * patch_mean
    } else {
        source_mean - clamped_gain * patch_mean
    };
    Match {
        gain: clamped_gain,
        offset,
        clamped: clamped_gain != gain || held,
    }
}

/// The deviation at which an image has no contrast that could be matched.
fn flat(range: f64) -> f64 {
    1e-6 * range.abs().max(1e-12)
}

/// The gain that gives the patch the source's deviation.
pub(crate) fn wanted_gain(patch_sd: f64, source_sd: f64, range: f64) -> f64 {
    if patch_sd > flat(range) {
        source_sd / patch_sd
    } else {
        1.0
    }
}

/// Mean gradient across the border of `inside` over the mean gradient one pixel to either side of it.
///
/// 1 means that the border cannot be told from its neighbourhood; `None` without a border or on a flat image.
pub fn jump(image: &Grid<f32>, inside: &Grid<bool>) -> Option<f64> {
    let (width, height) = image.size();
    let (mut across, mut across_n, mut beside, mut beside_n) = (0.0, 0usize, 0.0, 0usize);
    let mut visit = |a: (usize, usize),
                     b: (usize, usize),
                     before: Option<(usize, usize)>,
                     after: Option<(usize, usize)>| {
        if inside[a] == inside[b] {
            return;
        }
        across += f64::from((image[a] - image[b]).abs());
        across_n += 1;
        for (from, to) in [(before, Some(a)), (Some(b), after)] {
            if let (Some(from), Some(to)) = (from, to)
                && inside[from] == inside[to]
            {
                beside += f64::from((image[from] - image[to]).abs());
                beside_n += 1;
            }
        }
    };
    for y in 0..height {
        for x in 0..width {
            if x + 1 < width {
                let before = (x > 0).then(|| (x - 1, y));
                let after = (x + 2 < width).then_some((x + 2, y));
                visit((x, y), (x + 1, y), before, after);
            }
            if y + 1 < height {
                let before = (y > 0).then(|| (x, y - 1));
                let after = (y + 2 < height).then_some((x, y + 2));
                visit((x, y), (x, y + 1), before, after);
            }
        }
    }
    if across_n == 0 || beside_n == 0 || beside <= 0.0 {
        return None;
    }
    Some((across / across_n as f64) / (beside / beside_n as f64))
}

/// High-pass noise power inside `a` over that inside `b`; `None` when either is too small or flat.
pub fn noise_ratio(image: &Grid<f32>, a: &Grid<bool>, b: &Grid<bool>) -> Option<f64> {
    let (of_a, of_b) = (noise_power(image, a)?, noise_power(image, b)?);
    (of_b > 0.0).then(|| of_a / of_b)
}

/// [`noise_ratio`] of the means over squares of each of [`BANDS`] pixels a side: how coarse grain compares too.
///
/// Squares count that lie wholly inside.
pub fn band_ratios(
    image: &Grid<f32>,
    a: &Grid<bool>,
    b: &Grid<bool>,
) -> [Option<f64>; BANDS.len()] {
    BANDS.map(|side| {
        if side == 1 {
            return noise_ratio(image, a, b);
        }
        let whole = |counts: &Grid<bool>| {
            let share = area_average(&counts.map(|c| f32::from(u8::from(*c))), side);
            share.map(|share| *share >= 1.0)
        };
        noise_ratio(&area_average(image, side), &whole(a), &whole(b))
    })
}

/// Median squared response to the high pass `[1 −2 1; −2 4 −2; 1 −2 1] / 6` inside `counts`; `None` below 16 pixels.
///
/// The high pass is blind to every locally linear anatomy, and the median does not count edges as noise.
pub fn noise_power(image: &Grid<f32>, counts: &Grid<bool>) -> Option<f64> {
    let (width, height) = image.size();
    let mut powers = Vec::new();
    for y in 1..height.saturating_sub(1) {
        for x in 1..width.saturating_sub(1) {
            if !counts[(x, y)] {
                continue;
            }
            let at = |dx: usize, dy: usize| image[(x + dx - 1, y + dy - 1)];
            let corners = at(0, 0) + at(2, 0) + at(0, 2) + at(2, 2);
            let sides = at(1, 0) + at(0, 1) + at(2, 1) + at(1, 2);
            let response = (corners - 2.0 * sides + 4.0 * at(1, 1)) / 6.0;
            powers.push(f64::from(response) * f64::from(response));
        }
    }
    (powers.len() >= 16).then(|| {
        let middle = powers.len() / 2;
        *powers.select_nth_unstable_by(middle, f64::total_cmp).1
    })
}
