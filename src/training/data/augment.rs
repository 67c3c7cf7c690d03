//! Small changes of pose and exposure, image and truth together.
//!
//! Separate because here image space changes: everything that has coordinates passes the same transform. No elastic
//! deformation: it would change angles.

use rayon::prelude::*;

use super::{Example, Facts};
use crate::geometry::{Affine, Point};
use crate::grid::Grid;
use crate::landmarks::HipLandmarks;
use crate::noise::Noise;
use crate::signal::blur::bilinear_on_black;

/// How much is changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Amount {
    /// Largest rotation in degrees.
    pub rotation: f64,
    /// Largest relative change of scale.
    pub scale: f64,
    /// Largest shift as a share of the side.
    pub shift: f64,
    /// Chance of a mirror image (hips only: sides are swapped with it).
    pub mirror: f64,
    /// Strength of changes of gamma, window and noise, 0–1.
    pub exposure: f64,
}

impl Amount {
    /// Nothing changes.
    pub const NONE: Self = Self {
        rotation: 0.0,
        scale: 0.0,
        shift: 0.0,
        mirror: 0.0,
        exposure: 0.0,
    };
    /// For networks that shall not care.
    pub const STRONG: Self = Self {
        rotation: 10.0,
        scale: 0.1,
        shift: 0.06,
        mirror: 0.5,
        exposure: 1.0,
    };
    /// For networks that shall paint what they saw.
    pub const GENTLE: Self = Self {
        rotation: 4.0,
        scale: 0.05,
        shift: 0.03,
        mirror: 0.0,
        exposure: 0.3,
    };
}

/// One random change of gamma and window, and grain.
#[derive(Clone, Copy, Debug)]
struct Exposure {
    exponent: f32,
    low: f32,
    span: f32,
    grain: f64,
}

impl Exposure {
    /// `draw(a)` gives a number in −a…a; `strength` 0–1.
    fn drawn(draw: &mut impl FnMut(f64) -> f64, strength: f64) -> Self {
        let [gamma, low, high] = [draw(0.2), draw(0.06), draw(0.06)].map(|v| v * strength);
        Self {
            exponent: (1.0 + gamma) as f32,
            low: low as f32,
            span: (1.0 + high - low) as f32,
            grain: draw(0.5).abs() * 0.02 * strength,
        }
    }

    /// Grey in 0–1 to −1…1.
    fn applied(&self, mut image: Grid<f32>, noise: &mut Noise) -> Grid<f32> {
        for value in image.cells_mut() {
            let grey = ((*value - self.low) / self.span).clamp(0.0, 1.0);
            *value = 2.0 * grey.powf(self.exponent) - 1.0;
        }
        if self.grain > 0.004 {
            for value in image.cells_mut() {
                // A sum of three uniforms: near enough to normal for grain, and cheap.
                let bits = noise.bits();
                let sum = (bits & 1023) + ((bits >> 10) & 1023) + ((bits >> 20) & 1023);
                let normal = (sum as f32 - 1534.5) / 511.5;
                *value = (*value + 2.0 * self.grain as f32 * normal).clamp(-1.0, 1.0);
            }
        }
        image
    }
}

/// A square part of an image, `size` pixels a side, through `part_from_image`, its exposure changed by up to
/// `strength` (0–1); grey in −1…1.
pub fn part(
    image: &Grid<u8>,
    part_from_image: &Affine,
    size: usize,
    strength: f64,
    noise: &mut Noise,
) -> Grid<f32> {
    let exposure = Exposure::drawn(&mut |a| noise.range(-a, a), strength);
    exposure.applied(resampled(image, part_from_image, (size, size)), noise)
}

/// An example through `view_from_image`, `size` pixels a side, image and facts alike; exposure as for [`part`].
pub fn through(
    example: &Example,
    view_from_image: &Affine,
    size: usize,
    strength: f64,
    noise: &mut Noise,
) -> View {
    let image = part(&example.image, view_from_image, size, strength, noise);
    let mut facts = example.facts.clone();
    transform(&mut facts, view_from_image, false);
    View { image, facts }
}

/// One example as a network sees it.
#[derive(Clone, Debug)]
pub struct View {
    /// Grey in −1…1.
    pub image: Grid<f32>,
    /// Its facts, in its own pixels.
    pub facts: Facts,
}

/// Views of several examples at once; each draws from the stream of its own number.
pub fn views(examples: &[(&Example, u64)], seed: u64, amount: &Amount) -> Vec<View> {
    examples
        .par_iter()
        .map(|(example, stream)| view(example, &mut Noise::new(seed, *stream), amount))
        .collect()
}

/// One random view of an example.
pub fn view(example: &Example, noise: &mut Noise, amount: &Amount) -> View {
    let size = example.image.width() as f64;
    let center = Point::new(
        (size - 1.0) / 2.0,
        (example.image.height() as f64 - 1.0) / 2.0,
    );
    let around = |a: f64| (-a, a);
    let mut draw = |a: f64| {
        let (low, high) = around(a);
        noise.range(low, high)
    };
    let angle = draw(amount.rotation).to_radians();
    let scale = 1.0 + draw(amount.scale);
    let shift = Point::new(draw(amount.shift) * size, draw(amount.shift) * size);
    let exposure = Exposure::drawn(&mut draw, amount.exposure);
    let mirror = example.facts.landmarks.is_some() && noise.chance(amount.mirror);
    let flip = if mirror { -1.0 } else { 1.0 };
    let scaled = Affine::scale_then_shift(
        Point::new(flip * scale, scale),
        Point::new(
            center.x * (1.0 - flip * scale) + shift.x,
            center.y * (1.0 - scale) + shift.y,
        ),
    );
    let view_from_image = Affine::rotation(angle, center).after(&scaled);
    let still = *amount == Amount::NONE;
    let image = if still {
        example.image.map(|v| f32::from(*v) / 127.5 - 1.0)
    } else {
        let image = resampled(&example.image, &view_from_image, example.image.size());
        exposure.applied(image, noise)
    };
    let mut facts = example.facts.clone();
    if !still {
        transform(&mut facts, &view_from_image, mirror);
    }
    View { image, facts }
}

pub(super) fn transform(facts: &mut Facts, view_from_image: &Affine, mirror: bool) {
    facts.landmarks = facts.landmarks.map(|landmarks| {
        let mapped = landmarks.mapped(view_from_image);
        if mirror {
            HipLandmarks {
                left: mapped.right,
                right: mapped.left,
                pixel_spacing_mm: None,
            }
        } else {
            mapped
        }
    });
    for (points, _) in &mut facts.outlines {
        for point in points {
            *point = view_from_image.apply(*point);
        }
    }
    for (_, corners) in &mut facts.places {
        *corners = view_from_image.bounds_of(*corners);
    }
    facts.spacing_mm = facts.spacing_mm.map(|mm| mm / view_from_image.scale());
}

/// Grey in 0–1 by bilinear interpolation, of `size` columns and rows; outside is black.
fn resampled(image: &Grid<u8>, view_from_image: &Affine, size: (usize, usize)) -> Grid<f32> {
    let image_from_view = view_from_image.inverse().unwrap_or(Affine::IDENTITY);
    Grid::from_fn(size.0, size.1, |x, y| {
        let at = image_from_view.apply(Point::new(x as f64, y as f64));
        bilinear_on_black(image, at.x, at.y) / 255.0
    })
}
