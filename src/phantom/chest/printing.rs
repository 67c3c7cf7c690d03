//! Body surface, stomach gas and breasts; then exposure and processing: from paths to the film of one site.
//!
//! Scatter without and with grid, quantum noise, multi-scale boost, collimation and side letters. Independent of the
//! findings. Separate because it is nuisance.

use super::person::Person;
use super::trunk::{Trunk, dome_y};
use super::{ChestView, Frame, Scene};
use crate::geometry::Point;
use crate::grid::Grid;
use crate::noise::Noise;
use crate::phantom::xray::detector::{self, Grain, Scatter};
use crate::phantom::xray::film::{self, Blade, Look};
use crate::phantom::xray::letters::Letter;
use crate::phantom::xray::{Material, Patch, Paths, Rotation, Vec3, blur, shape};

/// Breasts, muscles of the chest, folds and gas in stomach and colon.
pub(super) fn surface(seed: u64, person: &Person, frame: &Frame, trunk: &Trunk, paths: &mut Paths) {
    let mut chance = Noise::new(seed, 160);
    let solid = |center: Vec3, half: Vec3, degrees: f64| {
        shape::ellipsoid(
            &frame.view,
            frame.place(center),
            half,
            &Rotation::about(2, degrees),
        )
    };
    let clipped =
        |patch: Patch| patch.mapped(|x, y, v| if trunk.body[(x, y)] > 0.0 { v } else { 0.2 * v });
    for sign in [-1.0, 1.0] {
        let x = sign * person.thorax_width * chance.range(0.27, 0.31);
        if let Some([wide, tall, thick]) = person.breast {
            let low = if person.view == ChestView::Ap {
                16.0
            } else {
                0.0
            };
            let y = 168.0 + 5.0 * chance.normal() - low + 0.15 * person.age;
            let at = Vec3::new(x * 1.08, y, 4.0);
            let bell = solid(at, Vec3::new(wide, tall, thick), -sign * 12.0);
            // Fuller below than above: the fold is a line, the upper end fades.
            let bell = bell.mapped(|_, py, v| {
                let mm = frame.middle_mm(0.0, py as f64).y;
                v * (0.5 + 0.5 * ((mm - y + tall) / (1.3 * tall)).clamp(0.0, 1.0)) as f32
            });
            paths.add(Material::BreastAdipose, &clipped(bell.clone()), 0.34);
            paths.add(Material::Glandular, &clipped(bell), 0.16);
        } else {
            let pectoral = solid(
                Vec3::new(x * 1.12, 70.0, 10.0),
                Vec3::new(62.0, 44.0, 13.0),
                sign * 32.0,
            );
            paths.add(Material::Soft, &clipped(pectoral), 0.55);
        }
        // The back muscle whose edge runs from the arm to the waist.
        let edge = solid(
            Vec3::new(
                sign * (person.thorax_width / 2.0 + 14.0),
                110.0,
                person.depth - 60.0,
            ),
            Vec3::new(26.0, 120.0, 30.0),
            -sign * chance.range(2.0, 9.0),
        );
        paths.add(
            Material::Soft,
            &edge.mapped(|x, y, v| if trunk.lung[(x, y)] > 0.0 { 0.3 * v } else { v }),
            0.5,
        );
    }
    let roof = dome_y(person, 1, 75.0);
    let mut gas = |center: Vec3, half: Vec3, factor: f32, degrees: f64| {
        let pocket = solid(center, half, degrees);
        paths.add(Material::Soft, &pocket, -factor);
    };
    if chance.chance(0.8) {
        let (wide, tall) = (chance.range(18.0, 38.0), chance.range(9.0, 20.0));
        let at = Vec3::new(chance.range(54.0, 80.0), roof + 8.0 + tall, 90.0);
        gas(
            at,
            Vec3::new(wide, tall, wide),
            0.7,
            chance.range(-20.0, 20.0),
        );
    }
    for _ in 0..chance.index(6) {
        let x = chance.range(-110.0, 120.0);
        let at = Vec3::new(x, roof + chance.range(48.0, 105.0), 80.0);
        let half = Vec3::new(chance.range(10.0, 24.0), chance.range(8.0, 17.0), 16.0);
        gas(at, half, 0.8, chance.range(-70.0, 70.0));
    }
}

fn look(chance: &mut Noise, bedside: bool) -> Look {
    let boost = chance.range(0.75, 1.75) * if bedside { 1.08 } else { 1.0 };
    Look {
        gains: film::scattered([3.5, 2.5, 2.5, 1.8, 1.8], boost, chance),
        coarse: chance.range(0.42, 0.95) as f32,
        saturation: 0.22,
        gate: 0.003,
        steepness: chance.range(3.2, 6.4) as f32,
        middle: chance.range(0.38, 0.60) as f32,
        jitter: [
            chance.range(-0.06, 0.04) as f32,
            chance.range(-0.02, 0.12) as f32,
        ],
        blur_px: chance.range(0.08, 0.22),
    }
}

fn blades(chance: &mut Noise, size: f64) -> Vec<Blade> {
    let mut blades = Vec::new();
    let middle = Point::new(size / 2.0, size / 2.0);
    for side in 0..4 {
        if !chance.chance(0.22) {
            continue;
        }
        let angle =
            f64::from(side) * std::f64::consts::FRAC_PI_2 + chance.range(-4.0, 4.0).to_radians();
        let inward = Point::new(angle.cos(), angle.sin());
        let away = size * chance.range(0.455, 0.495);
        blades.push(Blade {
            at: middle - inward * away,
            normal: inward,
            penumbra_px: chance.range(1.0, 1.6),
        });
    }
    blades
}

/// The 12-bit film of a scene from its primary attenuation on the fine grid.
pub(super) fn film(seed: u64, scene: &Scene, p: &Grid<f32>) -> Grid<u16> {
    let mut chance = Noise::new(seed, 170);
    let frame = &scene.frame;
    let bedside = scene.person.view == ChestView::Ap;
    let fine = frame.view.mm_per_px;
    let ratio = if bedside {
        chance.range(0.6, 1.2)
    } else {
        chance.range(0.25, 0.5)
    };
    let intensity = detector::with_scatter(
        p,
        Scatter {
            ratio,
            narrow_px: chance.range(20.0, 35.0) / fine,
            wide_px: chance.range(60.0, 90.0) / fine,
        },
        0.3,
    );
    let mut intensity = blur::area_average(&intensity, Frame::FINER);
    let side = intensity.width();
    let pixel = fine * Frame::FINER as f64;
    // Finer films show less of it in each pixel, not more.
    let finer = (1.5 / pixel).max(1.0);
    detector::add_noise(
        &mut intensity,
        &mut Noise::new(seed, 171),
        Grain {
            // So few quanta stand for all that is grainy at this sampling: noise, compression, fine clutter.
            quanta: 30_000.0 * chance.range(2.5, 14.0) * pixel * pixel * 0.3 * finer.powi(4),
            electronic: 30.0,
            fixed_pattern: chance.range(0.002, 0.005),
            correlation_px: 0.55,
        },
    );
    let p = film::negative_log(&intensity);
    let blades = blades(&mut chance, side as f64);
    let open = film::field((side, side), &blades);
    let body = blur::area_average(&scene.trunk.body, Frame::FINER);
    let inside = Grid::from_fn(side, side, |x, y| {
        f32::from(u8::from(body[(x, y)] > 4.0 && open[(x, y)] > 0.9))
    });
    let look = look(&mut chance, bedside);
    let mut film = film::develop(&p, &inside, &look);
    let dark = chance.range(0.05, 0.36) as f32;
    let light = chance.range(0.62, 0.94) as f32;
    let shade = chance.range(0.0, 0.07) as f32;
    for (v, o) in film.cells_mut().iter_mut().zip(open.cells()) {
        *v = (dark + (light - dark) * *v) * o + shade * (1.0 - o);
    }
    marker(&mut chance, &mut film);
    film::quantized(&film)
}

/// A letter at the upper corner of its side, flat white, sometimes on a grey tile.
fn marker(chance: &mut Noise, film: &mut Grid<f32>) {
    if !chance.chance(0.7) {
        return;
    }
    let size = film.width() as f64;
    let left = chance.chance(0.6);
    let x = chance.range(0.045, 0.13);
    let height = size * chance.range(0.028, 0.05);
    let tile = chance.chance(0.4);
    let letter = Letter {
        glyph: if left { 'L' } else { 'R' },
        center: Point::new(
            size * if left { 1.0 - x } else { x },
            size * chance.range(0.05, 0.2),
        ),
        height_px: height,
        stroke_px: (height * 0.17).max(1.0),
        degrees: if tile { 0.0 } else { chance.range(-6.0, 6.0) },
        mirrored: false,
    };
    let bright = chance.range(0.85, 1.0) as f32;
    let ground = chance.range(0.35, 0.6) as f32;
    let coverage = letter.coverage(film.size());
    for y in coverage.rect.y..coverage.rect.bottom() {
        for x in coverage.rect.x..coverage.rect.right() {
            let cell = &mut film[(x as usize, y as usize)];
            let off = Point::new(x as f64, y as f64) - letter.center;
            if tile && off.x.abs() < height * 0.62 && off.y.abs() < height * 0.75 {
                *cell = ground;
            }
            let c = coverage.at(x, y);
            *cell += (bright - *cell) * c;
        }
    }
}
