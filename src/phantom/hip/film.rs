//! The bones and the body put into the beam, and the film that comes of it.
//!
//! Exposure, processing, collimation and markers are nuisance: drawn from streams of their own, independent of every
//! finding. Separate from the anatomy so that a look can change without moving a bone.

use super::femur::{Femur, femur};
use super::pelvis::{Half, half};
use super::spine::{Spine, spine};
use super::{FINER, Scene, body};
use crate::geometry::Point;
use crate::grid::Grid;
use crate::noise::Noise;
use crate::phantom::xray::detector::{self, Grain, Scatter};
use crate::phantom::xray::film::{self, Blade, Look};
use crate::phantom::xray::letters::Letter;
use crate::phantom::xray::shape::{self, Hollow};
use crate::phantom::xray::{Material, Patch, Paths, Rotation, Technique, Vec3, blur};

/// All bones, left first.
pub(crate) struct Bones {
    pub(crate) halves: [Half; 2],
    pub(crate) femurs: [Femur; 2],
    pub(crate) spine: Spine,
}

impl Bones {
    /// Draws them.
    pub(crate) fn drawn(scene: &Scene, seed: u64) -> Self {
        Self {
            halves: [0, 1].map(|i| half(scene, i, seed)),
            femurs: [0, 1].map(|i| femur(scene, i, seed)),
            spine: spine(scene, seed),
        }
    }
}

/// The displayed film, 12 bits.
pub(crate) fn film(scene: &Scene, bones: &Bones, seed: u64) -> Grid<u16> {
    let mut noise = Noise::new(seed, 60);
    let mut paths = Paths::new(scene.view.width, scene.view.height);
    body::fill(scene, &bones.femurs, &mut paths, seed);
    lay(scene, bones, &mut paths);
    let marker = mark(scene, &mut paths, &mut noise);
    let technique = match scene.dog.weight {
        w if w < 8.0 => Technique::Kvp50,
        w if w < 32.0 => Technique::Kvp60,
        _ => Technique::Kvp70,
    };
    let p = paths.attenuation(&technique.two_bins());
    let size = scene.film.width as f64;
    let blades = blades(size, &mut noise);
    let open = film::field(scene.film.size(), &blades);
    let look = look(size, &mut noise);
    let intensity = exposed(scene, &p, &mut noise, seed);
    let p = film::negative_log(&intensity);
    let mut inside = p.map(|p| if *p > 0.55 && *p < 5.5 { 1.0_f32 } else { 0.0 });
    for (i, o) in inside.cells_mut().iter_mut().zip(open.cells()) {
        if *o < 0.5 {
            *i = 0.0;
        }
    }
    // A ball of steel or a letter of lead is no anatomy, whatever it lets through.
    for metal in [Material::Steel, Material::Lead] {
        let Some(plane) = paths.plane(metal) else {
            continue;
        };
        let covered = blur::area_average(plane, FINER);
        for (i, m) in inside.cells_mut().iter_mut().zip(covered.cells()) {
            if *m > 1e-4 {
                *i = 0.0;
            }
        }
    }
    let mut image = film::develop(&p, &inside, &look);
    let tail = noise.range(0.0, 0.02) as f32;
    for (v, o) in image.cells_mut().iter_mut().zip(open.cells()) {
        *v = *v * o + tail * (1.0 - o);
    }
    if let Some(letter) = marker {
        letter.draw(&mut image, 1.0);
    }
    letterbox(&mut image, &mut noise);
    film::quantized(&image)
}

/// Bones take the place of soft tissue.
fn lay(scene: &Scene, bones: &Bones, paths: &mut Paths) {
    let k = scene.px_per_mm();
    let age = scene.dog.age;
    let density = (1.0 - 0.012 * (age - 6.0).max(0.0)) as f32;
    let grain = |degrees: f64, shift: f64, strength: f32| {
        let (s, c) = degrees.to_radians().sin_cos();
        move |x: usize, y: usize| {
            let (mx, my) = (x as f64 / k, y as f64 / k);
            let fine = scene
                .trabeculae
                .at(c * mx + s * my + shift, c * my - s * mx);
            let coarse = scene.cloud.at(mx + shift, my);
            1.0 + strength * (0.75 * fine + 0.55 * coarse)
        }
    };
    let solid = |paths: &mut Paths, bone: &Hollow, texture: &dyn Fn(usize, usize) -> f32| {
        let wall = bone
            .wall()
            .mapped(|x, y, v| v * (0.72 + 0.28 * texture(x, y)));
        paths.replace(Material::Soft, Material::Cortical, &wall);
        let inner = bone
            .inner
            .clone()
            .mapped(|x, y, v| v * texture(x, y) * density);
        paths.replace(Material::Soft, Material::Cancellous, &inner);
    };
    solid(paths, &bones.spine.bone, &grain(0.0, 11.0, 0.15));
    paths.replace(Material::Soft, Material::Cortical, &bones.spine.lines);
    for (index, (half, femur)) in bones.halves.iter().zip(&bones.femurs).enumerate() {
        let side = scene.joints[index].lateral;
        solid(paths, &half.bone, &grain(12.0 * side, 23.0 * side, 0.17));
        paths.replace(Material::Soft, Material::Cortical, &half.lines);
        paths.replace(Material::Soft, Material::Cortical, &half.growth);
        let texture = grain(-28.0 * side, 41.0 * side, 0.16);
        let wall = femur.ends.wall();
        let wall = wall.mapped(|x, y, v| v * (0.8 + 0.2 * texture(x, y)));
        paths.replace(Material::Soft, Material::Cortical, &wall);
        let marrow = femur.ends.inner.clone();
        let spongy = marrow
            .clone()
            .mapped(|x, y, v| v * texture(x, y) * density * femur.spongy.at(x as i64, y as i64));
        let fatty = marrow.mapped(|x, y, v| v * (1.0 - femur.spongy.at(x as i64, y as i64)));
        paths.replace(Material::Soft, Material::Cancellous, &spongy);
        paths.replace(Material::Soft, Material::Adipose, &fatty.scaled(0.75));
        paths.replace(Material::Soft, Material::Cortical, &femur.lines);
        solid(paths, &femur.small, &grain(0.0, 5.0, 0.08));
        paths.replace(Material::Soft, Material::Cortical, &femur.leg.wall());
        let marrow = femur.leg.inner.clone().scaled(0.45);
        paths.replace(Material::Soft, Material::Cancellous, &marrow);
    }
    if age < 1.0 {
        physes(scene, bones, paths);
    }
}

/// Open growth plates of a young dog: dark lines at the head and the greater trochanter.
fn physes(scene: &Scene, bones: &Bones, paths: &mut Paths) {
    for (index, femur) in bones.femurs.iter().enumerate() {
        let joint = &scene.joints[index];
        let r = joint.head_radius;
        let head = scene.pose.place(joint.head());
        let across = Vec3::new(femur.distal.y, -femur.distal.x, 0.0) * joint.lateral;
        let at = |x: f64, y: f64| head + (across * x + femur.distal * y) * r;
        for line in [
            [at(0.62, -0.55), at(0.55, 0.1), at(0.0, 0.72)],
            [at(1.95, 0.75), at(2.35, 1.1), at(2.95, 1.2)],
        ] {
            let nodes: Vec<_> = shape::spline(&line, false, 6)
                .into_iter()
                .map(|p| shape::Node::new(p, 0.045 * r))
                .collect();
            let gap = shape::tube(&scene.view, &nodes, 0.0).outer.scaled(4.0);
            paths.add(Material::Cancellous, &gap, -1.0);
            paths.add(Material::Cartilage, &gap, 1.0);
        }
    }
}

/// Scatter, area average and noise.
fn exposed(scene: &Scene, p: &Grid<f32>, noise: &mut Noise, seed: u64) -> Grid<f32> {
    let per_mm = 1.0 / scene.view.mm_per_px;
    let grid = noise.chance(0.6);
    let scatter = Scatter {
        ratio: if grid {
            noise.range(0.2, 0.6)
        } else {
            noise.range(0.5, 1.1)
        },
        narrow_px: noise.range(20.0, 35.0) * per_mm,
        wide_px: noise.range(60.0, 90.0) * per_mm,
    };
    let intensity = detector::with_scatter(p, scatter, 0.5);
    let mut intensity = blur::area_average(&intensity, FINER);
    let kerma = noise.range(8.0, 38.0);
    let pixel = scene.film.mm_per_px;
    let grain = Grain {
        quanta: 22_800.0 * kerma * pixel * pixel * noise.range(0.3, 0.65),
        electronic: noise.range(15.0, 45.0),
        fixed_pattern: noise.range(0.001, 0.004),
        correlation_px: noise.range(0.3, 0.55),
    };
    detector::add_noise(&mut intensity, &mut Noise::new(seed, 61), grain);
    // What flat-fielding leaves of the heel effect: a gentle slope along the tube axis.
    let slope = noise.gauss(0.0, 0.06) as f32;
    let height = intensity.height().max(1) as f32;
    for y in 0..intensity.height() {
        let gain = 1.0 + slope * (y as f32 / height - 0.5);
        intensity.row_mut(y).iter_mut().for_each(|i| *i *= gain);
    }
    intensity
}

fn look(size: f64, noise: &mut Noise) -> Look {
    let scale = (size / 256.0).max(0.5).sqrt();
    let boost = noise.range(0.0, 1.0) as f32;
    let mut gain = |low: f64, high: f64| {
        (low + (high - low) * (0.65 * f64::from(boost) + 0.35 * noise.uniform())) as f32
    };
    let gains = [
        gain(1.08, 1.66),
        gain(0.85, 1.4),
        gain(0.85, 1.35),
        gain(0.9, 1.4),
        gain(0.85, 1.25),
    ];
    Look {
        gains,
        coarse: noise.range(0.62, 0.95) as f32,
        saturation: noise.range(0.15, 0.4) as f32,
        gate: noise.range(0.002, 0.006) as f32,
        steepness: noise.range(3.2, 4.9) as f32,
        middle: noise.range(0.74, 1.02) as f32,
        jitter: [
            noise.range(-0.05, 0.15) as f32,
            noise.range(-0.06, 0.08) as f32,
        ],
        blur_px: noise.range(0.12, 0.28) * scale,
    }
}

/// A side marker: lead in the beam, or a letter to be drawn on the finished film.
fn mark(scene: &Scene, paths: &mut Paths, noise: &mut Noise) -> Option<Letter> {
    let size = scene.film.width as f64;
    let kind = noise.uniform();
    let left = noise.chance(0.5);
    // The patient's left is on the viewer's right.
    let x = if left {
        noise.range(0.87, 0.95)
    } else {
        noise.range(0.05, 0.13)
    };
    let y = if noise.chance(0.6) {
        noise.range(0.06, 0.25)
    } else {
        noise.range(0.5, 0.92)
    };
    let letter = Letter {
        glyph: if left { 'L' } else { 'R' },
        center: Point::new(x * size, y * size),
        height_px: (noise.range(0.045, 0.065) * size).max(8.0),
        stroke_px: (0.009 * size).max(1.3),
        degrees: if kind < 0.45 {
            noise.range(-20.0, 20.0)
        } else {
            0.0
        },
        mirrored: false,
    };
    ball(scene, paths, noise);
    if kind < 0.45 {
        let f = FINER as f64;
        let fine = Letter {
            center: (letter.center + Point::new(0.5, 0.5)) * f - Point::new(0.5, 0.5),
            height_px: letter.height_px * f,
            stroke_px: letter.stroke_px * f,
            ..letter
        };
        let lead = fine.coverage((scene.view.width, scene.view.height));
        paths.add(Material::Lead, &lead, 0.12);
        None
    } else {
        (kind < 0.75).then_some(letter)
    }
}

/// A calibration ball of steel on a tenth of the films.
fn ball(scene: &Scene, paths: &mut Paths, noise: &mut Noise) {
    let side = if noise.chance(0.5) { 1.0 } else { -1.0 };
    let (x, y) = (noise.range(1.15, 1.4), noise.range(-0.3, 1.0));
    if noise.chance(0.1) {
        let at = scene.place(side * x, y, 0.0);
        let r = Vec3::new(12.5, 12.5, 12.5);
        let ball = shape::ellipsoid(&scene.view, at, r, &Rotation::IDENTITY);
        paths.add(Material::Steel, &ball, 1.0);
    }
}

fn blades(size: f64, noise: &mut Noise) -> Vec<Blade> {
    if noise.chance(0.7) {
        return Vec::new();
    }
    let turn = noise.gauss(0.0, 1.2).to_radians();
    let (s, c) = turn.sin_cos();
    let penumbra = noise.range(1.0, 3.0) * size / 256.0;
    let mut blades = Vec::new();
    for (x, y, nx, ny) in [
        (0.0, 0.5, 1.0, 0.0),
        (1.0, 0.5, -1.0, 0.0),
        (0.5, 0.0, 0.0, 1.0),
        (0.5, 1.0, 0.0, -1.0),
    ] {
        let depth = size * noise.range(0.01, 0.09);
        if noise.chance(0.65) {
            let normal = Point::new(c * nx - s * ny, s * nx + c * ny);
            blades.push(Blade {
                at: Point::new(x * size, y * size) + normal * depth,
                normal,
                penumbra_px: penumbra,
            });
        }
    }
    blades
}

/// Exact zeros beside a film that is not square, on a third of the films.
fn letterbox(image: &mut Grid<f32>, noise: &mut Noise) {
    let (w, h) = image.size();
    let kind = noise.uniform();
    let share = noise.range(0.02, 0.14);
    let other = noise.range(0.02, 0.14);
    let (a, b) = ((share * w as f64) as usize, (other * w as f64) as usize);
    for y in 0..h {
        for x in 0..w {
            let out = if kind < 0.18 {
                y < a || y >= h - b
            } else if kind < 0.33 {
                x < a || x >= w - a
            } else {
                false
            };
            if out {
                image[(x, y)] = 0.0;
            }
        }
    }
}

/// How much of each pixel of the film a patch of the fine film covers, as a mask: 255 where at least half.
pub(crate) fn mask(scene: &Scene, patch: &Patch) -> Grid<u8> {
    let covered = |x: usize, y: usize| {
        let mut n = 0;
        for j in 0..FINER {
            for i in 0..FINER {
                let at = ((x * FINER + i) as i64, (y * FINER + j) as i64);
                n += usize::from(patch.at(at.0, at.1) > 1e-3);
            }
        }
        if 2 * n >= FINER * FINER { 255 } else { 0 }
    };
    Grid::from_fn(scene.film.width, scene.film.height, covered)
}
