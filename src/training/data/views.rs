//! The fixed views of an example: whole, nudged, and close.
//!
//! In use a model sees whole films, and where a part is painted on a large film a square of half its side or more
//! (`synthesis::film::crop`). Fixed, so that what an encoder makes of them can be kept; separate from random changes of
//! pose, which never come twice.

use super::augment::{Amount, View, through, transform, view};
use super::{Example, Facts};
use crate::geometry::{Affine, Point};
use crate::noise::Noise;
use crate::signal::resize::resize;

/// Views that show the whole film: as it is, and a little moved.
pub const WHOLE: u64 = 2;
/// Views beyond those that show a part of it.
pub const CLOSE: u64 = 2;

/// Sides of close views, as shares of the film's.
const SHARES: [f64; 2] = [0.45, 0.8];
/// How often a close view is of a finding, where there is one.
const ABOUT_FINDING: f64 = 0.8;
/// Degrees that a close view is turned at most, and strength of changes of its exposure.
const ROTATION: f64 = 4.0;
const EXPOSURE: f64 = 0.3;

/// View `number` of example `n`, `size` pixels a side, from the whole film to close (see [`WHOLE`] and [`CLOSE`]): the
/// same at every step.
pub fn fixed_view(example: &Example, n: usize, number: u64, size: usize) -> View {
    let mut noise = Noise::new(n as u64, number);
    if number >= WHOLE {
        return close(example, size, &mut noise);
    }
    let amount = if number == 0 {
        Amount::NONE
    } else {
        Amount::GENTLE
    };
    if example.image.width() == size {
        view(example, &mut noise, &amount)
    } else {
        view(&reduced(example, size), &mut noise, &amount)
    }
}

/// Film pixels to pixels of a square part of `side` of them about `center`, `size` a side; centers at integers in both.
fn square(center: Point, side: f64, size: usize) -> Affine {
    let scale = size as f64 / side;
    let middle = (size as f64 - 1.0) / 2.0;
    Affine::scale_then_shift(
        Point::new(scale, scale),
        Point::new(middle - scale * center.x, middle - scale * center.y),
    )
}

/// The whole of an example at another size.
fn reduced(example: &Example, size: usize) -> Example {
    let film = example.image.width() as f64;
    let middle = (film - 1.0) / 2.0;
    let image = resize(&example.image.map(|v| f32::from(*v)), size, size);
    let mut facts = example.facts.clone();
    let whole = square(Point::new(middle, middle), film, size);
    transform(&mut facts, &whole, false);
    Example {
        image: image.map(|v| v.round().clamp(0.0, 255.0) as u8),
        facts,
    }
}

/// A part of the film, with a finding in it where there is one.
fn close(example: &Example, size: usize, noise: &mut Noise) -> View {
    let film = example.image.width() as f64;
    let side = film * noise.range(SHARES[0], SHARES[1]);
    let mut anywhere = || noise.range(0.3, 0.7) * film;
    let mut center = Point::new(anywhere(), anywhere());
    let seen = places_within(&example.facts, film);
    if !seen.is_empty() && noise.chance(ABOUT_FINDING) {
        let [low, high] = seen[noise.index(seen.len())];
        let mut off = || noise.range(-0.25, 0.25) * side;
        center = (low + high) * 0.5 + Point::new(off(), off());
    }
    // Moved into the film, as the square about a mask is.
    let inside = |at: f64| at.clamp(0.5 * side - 0.5, film - 0.5 * side - 0.5);
    let center = Point::new(inside(center.x), inside(center.y));
    let middle = (size as f64 - 1.0) / 2.0;
    let turn = noise.range(-ROTATION, ROTATION).to_radians();
    let turn = Affine::rotation(turn, Point::new(middle, middle));
    let view_from_film = turn.after(&square(center, side, size));
    through(example, &view_from_film, size, EXPOSURE, noise)
}

/// Boxes of findings small enough for a close view.
fn places_within(facts: &Facts, film: f64) -> Vec<[Point; 2]> {
    let small = |[low, high]: &[Point; 2]| (high.x - low.x).max(high.y - low.y) < 0.5 * film;
    let places = facts.places.iter().map(|(_, place)| *place);
    places.filter(small).collect()
}
