//! Exposure and processing of a mammogram, as screen film or as a digital detector; side and view label.
//!
//! Independent of the findings. Separate because it is nuisance.

use super::{BreastStyle, BreastView, Frame, Scene, stream};
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
    let screen = scene.woman.style == BreastStyle::Film;
    let scatter = Scatter {
        ratio: chance.range(0.08, 0.2),
        narrow_px: chance.range(8.0, 15.0) / fine,
        wide_px: chance.range(20.0, 35.0) / fine,
    };
    let intensity = detector::with_scatter(p, scatter, 0.4);
    let mut intensity = blur::area_average(&intensity, Frame::FINER);
    let pixel = fine * Frame::FINER as f64;
    // Kerma in the open beam; behind the breast it is an order lower. Only the noise below the band of a pixel is
    // left after averaging to this pixel.
    let quanta = 5_600.0 * chance.range(800.0, 2500.0) * pixel * pixel * 0.5;
    let grain = Grain {
        quanta,
        electronic: 30.0,
        fixed_pattern: if screen {
            chance.range(0.006, 0.034)
        } else {
            chance.range(0.008, 0.017)
        },
        correlation_px: if screen { 0.55 } else { 0.35 },
    };
    detector::add_noise(&mut intensity, &mut stream(seed, 41), grain);
    let p = film::negative_log(&intensity);
    let body = blur::area_average(&scene.shape.depth, Frame::FINER);
    let inside = body.map(|d| f32::from(u8::from(*d > 1.2)));
    let p = if screen {
        p
    } else {
        evened(&p, &body, &mut chance)
    };
    let look = if screen {
        film_look(&mut chance)
    } else {
        digital_look(&mut chance)
    };
    let mut image = film::develop(&p, &inside, &look);
    finish(&mut image, &body, screen, &mut chance);
    if screen {
        emulsion(&mut image, &mut stream(seed, 42));
    }
    label(scene, &mut image, screen, &mut chance);
    film::quantized(&image)
}

/// What digital processing does at the margin: thin tissue is lifted to the level of the middle.
fn evened(p: &Grid<f32>, body: &Grid<f32>, chance: &mut Noise) -> Grid<f32> {
    let full = body
        .cells()
        .iter()
        .copied()
        .fold(0.0_f32, f32::max)
        .max(0.1);
    let strength = chance.range(0.55, 0.9) as f32;
    Grid::from_fn(p.width(), p.height(), |x, y| {
        let d = body[(x, y)];
        if d <= 0.05 {
            return p[(x, y)];
        }
        // Fat of the missing thickness.
        let share = (d / 0.25).min(1.0);
        p[(x, y)] + strength * share * 0.52 * (full - d)
    })
}

fn film_look(chance: &mut Noise) -> Look {
    Look {
        gains: [1.0, 1.0, 1.0, 1.0, 1.0],
        coarse: 1.0,
        saturation: 0.5,
        gate: 0.002,
        steepness: chance.range(6.6, 9.2) as f32,
        middle: chance.range(0.50, 0.72) as f32,
        jitter: [
            chance.range(-0.25, -0.05) as f32,
            chance.range(-0.02, 0.15) as f32,
        ],
        blur_px: chance.range(0.52, 0.73),
    }
}

fn digital_look(chance: &mut Noise) -> Look {
    let boost = chance.range(0.9, 1.6);
    Look {
        gains: film::scattered([2.6, 1.9, 1.3, 1.2, 0.9], boost, chance),
        coarse: chance.range(0.75, 1.0) as f32,
        saturation: 0.4,
        gate: 0.002,
        steepness: chance.range(3.0, 4.2) as f32,
        middle: chance.range(0.72, 0.95) as f32,
        jitter: [
            chance.range(-0.12, 0.0) as f32,
            chance.range(-0.02, 0.15) as f32,
        ],
        blur_px: chance.range(0.30, 0.5),
    }
}

/// Black base and white limit of a film; exact zero around a digital breast.
fn finish(image: &mut Grid<f32>, body: &Grid<f32>, screen: bool, chance: &mut Noise) {
    let base = chance.range(0.0, 0.01) as f32;
    let light = chance.range(0.80, 0.95) as f32;
    for (v, d) in image.cells_mut().iter_mut().zip(body.cells()) {
        *v = if screen {
            base + (light - base) * *v
        } else if *d > 0.0 {
            light * *v * (d / 0.12).min(1.0)
        } else {
            0.0
        };
    }
}

/// Grain of the emulsion and noise of the digitiser: after the screen's blur, so white at this sampling; little where
/// the film is black, since the digitiser sees nothing there.
fn emulsion(image: &mut Grid<f32>, chance: &mut Noise) {
    let deviation = chance.range(0.3, 1.0) / 255.0;
    for v in image.cells_mut() {
        let share = f64::from((*v / 0.2).min(1.0));
        *v = (*v + (share * deviation * chance.normal()) as f32).max(0.0);
    }
}

/// Side and view as letters: in a bright tag on films, plain on digital images; at the side of the armpit, away from
/// the chest wall.
fn label(scene: &Scene, image: &mut Grid<f32>, screen: bool, chance: &mut Noise) {
    let size = image.width() as f64;
    let height = size * chance.range(0.024, 0.034);
    let outward = chance.range(0.70, 0.80);
    let at = Point::new(
        size * if scene.woman.left {
            outward
        } else {
            1.0 - outward
        },
        size * chance.range(0.06, 0.12),
    );
    let share = if screen { 0.35 } else { 0.85 };
    if !chance.chance(share) {
        return;
    }
    let side = if scene.woman.left { 'L' } else { 'R' };
    let text: Vec<char> = match scene.woman.view {
        BreastView::Mlo => vec![side, ' ', 'M', 'L', 'O'],
        BreastView::Cc => vec![side, ' ', 'C', 'C'],
    };
    let pitch = 0.95 * height;
    let wide = pitch * text.len() as f64;
    let tag = screen && chance.chance(0.5);
    let bright = chance.range(0.3, 0.5) as f32;
    if tag {
        let (w, h) = image.size();
        let (rx, ry) = (0.5 * wide + 0.5 * height, 0.95 * height);
        for y in 0..h {
            for x in 0..w {
                let off = Point::new(x as f64, y as f64) - at;
                if off.x.abs() < rx && off.y.abs() < ry {
                    image[(x, y)] = bright;
                }
            }
        }
    }
    let ink = if tag { 0.08 } else { bright };
    for (i, glyph) in text.into_iter().enumerate() {
        let letter = Letter {
            glyph,
            center: Point::new(at.x - 0.5 * wide + (i as f64 + 0.5) * pitch, at.y),
            height_px: height,
            stroke_px: (0.16 * height).max(1.0),
            degrees: 0.0,
            mirrored: false,
        };
        letter.draw(image, ink);
    }
}
