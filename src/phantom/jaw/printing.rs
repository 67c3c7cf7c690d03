//! Exposure and processing of a panoramic film: slit scatter, boost, tone curve, the white frame and the side letter.
//!
//! Independent of the findings. Separate because it is nuisance.

use super::{FILM_MM, FINER, Scene, stream};
use crate::geometry::Point;
use crate::grid::Grid;
use crate::noise::Noise;
use crate::phantom::xray::blur;
use crate::phantom::xray::detector::{self, Grain, Scatter};
use crate::phantom::xray::film::{self, Look};
use crate::phantom::xray::letters::Letter;

/// The 12-bit film of a scene from its primary attenuation on the fine grid.
pub(super) fn film(seed: u64, scene: &Scene, p: &Grid<f32>) -> Grid<u16> {
    let mut chance = stream(seed, 40);
    let fine = scene.frame.view.mm_per_px;
    let scatter = Scatter {
        ratio: chance.range(0.05, 0.2),
        narrow_px: chance.range(15.0, 25.0) / fine,
        wide_px: chance.range(40.0, 60.0) / fine,
    };
    let intensity = detector::with_scatter(p, scatter, 0.5);
    let mut intensity = blur::area_average(&intensity, FINER);
    let pixel = fine * FINER as f64;
    let grain = Grain {
        quanta: 26_000.0 * chance.range(15.0, 50.0) * pixel * pixel * 0.5,
        electronic: 30.0,
        // Grain, compression and fine clutter as they are left at this sampling.
        fixed_pattern: chance.range(0.032, 0.045) * (pixel / 1.1).min(1.0).powf(0.7),
        correlation_px: 0.0,
    };
    detector::add_noise(&mut intensity, &mut stream(seed, 41), grain);
    let p = film::negative_log(&intensity);
    let (w, h) = p.size();
    let inside = Grid::filled(w, h, 1.0_f32);
    let mut image = film::develop(&p, &inside, &look(&mut chance));
    frame(&mut image, &mut chance);
    letter(&mut image, &mut chance);
    film::quantized(&image)
}

fn look(chance: &mut Noise) -> Look {
    let boost = chance.range(0.8, 1.25);
    Look {
        gains: film::scattered([0.77, 0.94, 1.25, 1.15, 1.2], boost, chance),
        coarse: chance.range(0.46, 0.62) as f32,
        saturation: 0.3,
        gate: 0.004,
        steepness: chance.range(3.6, 4.55) as f32,
        middle: chance.range(0.56, 0.66) as f32,
        jitter: [
            chance.range(-0.02, 0.04) as f32,
            chance.range(-0.18, -0.06) as f32,
        ],
        blur_px: chance.range(0.44, 0.54),
    }
}

/// The fuzzy white margin of the slit's path, on most films.
fn frame(image: &mut Grid<f32>, chance: &mut Noise) {
    let present = chance.chance(0.8);
    let wide = chance.range(0.006, 0.014);
    if !present {
        return;
    }
    let (w, h) = image.size();
    let reach = wide * w as f64;
    let phase = chance.range(0.0, 6.0);
    for y in 0..h {
        for x in 0..w {
            let edge = x.min(w - 1 - x).min(y.min(h - 1 - y)) as f64 + 0.5;
            let along = (x + y) as f64 / w as f64;
            let ragged = reach * (1.0 + 0.2 * (31.0 * along + phase).sin());
            let cover = (1.0 - (edge - ragged) / (0.76 * reach).max(0.7)).clamp(0.0, 1.0) as f32;
            let v = &mut image[(x, y)];
            *v += (0.93 - *v) * cover;
        }
    }
}

fn letter(image: &mut Grid<f32>, chance: &mut Noise) {
    let (w, h) = image.size();
    let left = chance.chance(0.6);
    let at = Point::new(
        w as f64 * if left { 0.945 } else { 0.055 },
        h as f64 * chance.range(0.88, 0.93),
    );
    let letter = Letter {
        glyph: if left { 'L' } else { 'R' },
        center: at,
        height_px: (7.5 / FILM_MM.1 * h as f64).max(6.0),
        stroke_px: (1.4 / FILM_MM.1 * h as f64).max(1.0),
        degrees: 0.0,
        mirrored: false,
    };
    if chance.chance(0.8) {
        letter.draw(image, 1.0);
    }
}
