//! Gland, fat, ligaments, ducts and vessels.
//!
//! Gland is a stack of thresholded power-law fields (projected exponent about 3) around a cone behind the nipple, so
//! that fat lobules overlap as they do in a real film; the threshold is solved for the dense share that was drawn.
//! Ligaments, ducts and vessels are swept tubes. Separate because it bears the density and nothing else.

use super::lesions::Lesions;
use super::outline::Shape;
use super::woman::Woman;
use super::{BreastView, Frame, stream};
use crate::grid::Grid;
use crate::noise::Noise;
use crate::phantom::xray::shape::{self, Node};
use crate::phantom::xray::{Material, Patch, Paths, PowerLaw, Texture, Vec3, power_law};

/// Layers of gland through the thickness.
const LAYERS: usize = 4;

/// What grows in the breast.
pub(super) struct Tissue {
    /// Share of the thickness that is gland, 0–1.
    pub(super) gland: Grid<f32>,
    /// Ligaments and ducts, cm of gland in place of fat.
    pub(super) strands: Grid<f32>,
    /// Vessels, cm of blood.
    pub(super) vessels: Grid<f32>,
    /// Calcified walls of vessels, cm.
    pub(super) walls: Grid<f32>,
    /// Share of the breast that looks dense.
    pub(super) dense: f64,
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

pub(super) fn grown(seed: u64, woman: &Woman, frame: &Frame, shape: &Shape) -> Tissue {
    let mut chance = stream(seed, 3);
    let (coarse, fine) = textures(seed);
    let (w, h) = frame.view.size();
    let layers = layers(woman, &mut chance);
    let prior = prior(woman, frame, shape, &mut chance);
    // Fields do not depend on the threshold: drawn once, cut many times.
    let mut fields = vec![Grid::filled(w, h, 0.0_f32); LAYERS];
    for (layer, field) in layers.iter().zip(&mut fields) {
        for y in 0..h {
            for x in 0..w {
                if shape.depth[(x, y)] <= 0.0 {
                    continue;
                }
                let (u, v) = frame.at(x as f64, y as f64);
                let (a, b) = (u * layer.cos + v * layer.sin, v * layer.cos - u * layer.sin);
                let broad = coarse.at(a * layer.stretch + layer.shift, b + 1.7 * layer.shift);
                let close = fine.at(a * layer.stretch - layer.shift, b + 0.6 * layer.shift);
                field[(x, y)] = 1.5 * broad + layer.rough * close + prior[(x, y)];
            }
        }
    }
    let width = chance.range(0.42, 0.66) as f32;
    let mut gland = solved(woman, shape, &fields, width);
    septa(frame, shape, &fine, &coarse, &mut chance, &mut gland);
    let mut tissue = Tissue {
        dense: dense_share(shape, &gland),
        gland,
        strands: Grid::filled(w, h, 0.0),
        vessels: Grid::filled(w, h, 0.0),
        walls: Grid::filled(w, h, 0.0),
    };
    strands(woman, frame, shape, &mut stream(seed, 4), &mut tissue);
    vessels(woman, frame, shape, &mut stream(seed, 5), &mut tissue);
    tissue
}

struct Layer {
    sin: f64,
    cos: f64,
    stretch: f64,
    shift: f64,
    rough: f32,
}

fn layers(woman: &Woman, chance: &mut Noise) -> Vec<Layer> {
    // Tissue runs toward the nipple: 22.5° down in the oblique view, 5° in the other.
    let lean = match woman.view {
        BreastView::Mlo => 22.5,
        BreastView::Cc => 5.0,
    };
    let rough = chance.range(0.05, 0.42) as f32;
    (0..LAYERS)
        .map(|i| {
            let (sin, cos) = (lean + chance.gauss(0.0, 14.0)).to_radians().sin_cos();
            Layer {
                sin,
                cos,
                stretch: chance.range(0.55, 0.8),
                shift: 37.0 * i as f64 + chance.range(0.0, 200.0),
                rough,
            }
        })
        .collect()
}

fn textures(seed: u64) -> (Texture, Texture) {
    let law = |beta, low, high| PowerLaw {
        beta,
        low,
        high,
        anisotropy: 1.0,
    };
    let [broad, _] = power_law(&mut stream(seed, 6), 7, law(3.3, 0.03, 0.5));
    let [close, _] = power_law(&mut stream(seed, 7), 8, law(2.4, 0.03, 0.5));
    let texture = |tile, mm_per_texel| Texture { tile, mm_per_texel };
    (texture(broad, 1.3), texture(close, 0.6))
}

/// Where gland is likely: a cone behind the nipple, fuller above and outside, none under the skin.
fn prior(woman: &Woman, frame: &Frame, shape: &Shape, chance: &mut Noise) -> Grid<f32> {
    let (nu, nv) = shape.nipple;
    let upper = chance.range(0.0, 0.22);
    let open = chance.range(0.5, 0.8);
    let near_skin = 10.0 - 6.0 * woman.density;
    let behind = chance.range(6.0, 16.0) * (1.0 - woman.density);
    let axis = if woman.view == BreastView::Mlo {
        -0.32
    } else {
        0.0
    };
    let (w, h) = frame.view.size();
    Grid::from_fn(w, h, |x, y| {
        if shape.depth[(x, y)] <= 0.0 {
            return -9.0;
        }
        let (u, v) = frame.at(x as f64, y as f64);
        let back = (nu - u).max(0.0);
        let aside = v - nv - axis * back;
        let reach = 10.0 + open * back;
        let off = (aside + upper * back) / reach;
        let cone = 1.1 - 1.5 * off * off;
        let skin = f64::from(shape.inside.at(x as i64, y as i64));
        let margin = 1.4 * (1.0 - ((skin - 2.0) / near_skin).clamp(0.0, 1.0));
        let retro = 1.0 * (1.0 - (u / behind).clamp(0.0, 1.0));
        let muscle = 2.2 * f64::from(shape.muscle[(x, y)]);
        (cone.max(-2.4) - margin - retro - muscle) as f32
    })
}

/// Thin sheets between lobules: ridges of a smooth field, everywhere, fainter in the fat.
fn septa(
    frame: &Frame,
    shape: &Shape,
    fine: &Texture,
    coarse: &Texture,
    chance: &mut Noise,
    gland: &mut Grid<f32>,
) {
    let faint = chance.range(0.05, 0.13) as f32;
    let strong = chance.range(0.12, 0.25) as f32;
    let sheets: Vec<(f64, f64, f64)> = (0..3)
        .map(|_| {
            let turn = chance.range(0.0, std::f64::consts::TAU);
            (turn.sin(), turn.cos(), chance.range(0.0, 300.0))
        })
        .collect();
    let (w, h) = gland.size();
    for y in 0..h {
        for x in 0..w {
            if shape.depth[(x, y)] <= 0.0 {
                continue;
            }
            let (u, v) = frame.at(x as f64, y as f64);
            let mut ridge = 0.0;
            for (sin, cos, shift) in &sheets {
                let (a, b) = (u * cos + v * sin + shift, v * cos - u * sin);
                let n = coarse.at(2.6 * a, 2.6 * b) + 0.25 * fine.at(a, b);
                ridge += (-(n / 0.16) * (n / 0.16)).exp();
            }
            let grain = 0.12 * fine.at(1.3 * u + 91.0, 1.3 * v);
            let g = &mut gland[(x, y)];
            let weight = faint + (strong - faint) * (*g * (1.0 - *g) * 4.0).min(1.0);
            *g = (*g + weight * (ridge - 0.45 + grain)).clamp(0.0, 1.0);
        }
    }
}

/// The stack cut at the level that gives the drawn share of dense area.
fn solved(woman: &Woman, shape: &Shape, fields: &[Grid<f32>], width: f32) -> Grid<f32> {
    let share = |level: f32, step: usize| {
        let (mut dense, mut all) = (0.0, 0.0);
        let (w, h) = shape.depth.size();
        for y in (0..h).step_by(step) {
            for x in (0..w).step_by(step) {
                if shape.depth[(x, y)] <= 0.0 || shape.muscle[(x, y)] > 0.2 {
                    continue;
                }
                all += 1.0;
                dense += f64::from(u8::from(mixed(fields, (x, y), level, width) > 0.4));
            }
        }
        dense / f64::max(all, 1.0)
    };
    let (mut low, mut high) = (-4.0_f32, 5.0_f32);
    for _ in 0..14 {
        let middle = f32::midpoint(low, high);
        if share(middle, 6) > woman.density {
            low = middle;
        } else {
            high = middle;
        }
    }
    let level = f32::midpoint(low, high);
    let (w, h) = shape.depth.size();
    Grid::from_fn(w, h, |x, y| {
        if shape.depth[(x, y)] > 0.0 {
            mixed(fields, (x, y), level, width)
        } else {
            0.0
        }
    })
}

fn mixed(fields: &[Grid<f32>], at: (usize, usize), level: f32, width: f32) -> f32 {
    fields
        .iter()
        .map(|f| sigmoid((f[at] - level) / width))
        .sum::<f32>()
        / fields.len() as f32
}

fn dense_share(shape: &Shape, gland: &Grid<f32>) -> f64 {
    let (mut dense, mut all) = (0_usize, 0_usize);
    for ((g, d), m) in gland
        .cells()
        .iter()
        .zip(shape.depth.cells())
        .zip(shape.muscle.cells())
    {
        if *d > 0.0 && *m <= 0.2 {
            all += 1;
            dense += usize::from(*g > 0.4);
        }
    }
    dense as f64 / all.max(1) as f64
}

fn put(plane: &mut Grid<f32>, patch: &Patch, factor: f32) {
    for y in 0..patch.rect.height {
        let at = (patch.rect.x as usize, patch.rect.y as usize + y);
        let row = &mut plane.row_mut(at.1)[at.0..at.0 + patch.rect.width];
        for (to, from) in row.iter_mut().zip(patch.values.row(y)) {
            *to += factor * from;
        }
    }
}

/// A wavy tube between two places of the film plane.
fn wavy(
    frame: &Frame,
    from: (f64, f64),
    to: (f64, f64),
    wave: f64,
    radius: [f64; 2],
    chance: &mut Noise,
) -> Patch {
    let (du, dv) = (to.0 - from.0, to.1 - from.1);
    let length = du.hypot(dv).max(1.0);
    let normal = (-dv / length, du / length);
    let pieces = ((length / 9.0) as usize).clamp(2, 12);
    let corners: Vec<Vec3> = (0..=pieces)
        .map(|i| {
            let t = i as f64 / pieces as f64;
            let off = if i == 0 { 0.0 } else { wave * chance.normal() };
            frame.place(
                from.0 + t * du + off * normal.0,
                from.1 + t * dv + off * normal.1,
            )
        })
        .collect();
    let line = shape::spline(&corners, false, 4);
    let last = (line.len() - 1).max(1) as f64;
    let nodes: Vec<Node> = line
        .into_iter()
        .enumerate()
        .map(|(i, p)| Node::new(p, radius[0] + (radius[1] - radius[0]) * i as f64 / last))
        .collect();
    shape::tube(&frame.view, &nodes, 0.0).outer
}

/// Cooper's ligaments from the gland to the skin, a net of septa in the fat, and ducts to the nipple.
fn strands(woman: &Woman, frame: &Frame, shape: &Shape, chance: &mut Noise, tissue: &mut Tissue) {
    let (nu, nv) = shape.nipple;
    let half = 0.5 * woman.height;
    for _ in 0..30 + chance.index(25) {
        let v = shape.middle + chance.range(-0.95, 0.95) * half;
        let from = (chance.range(0.05, 0.95) * woman.depth, v);
        let angle = chance.gauss(0.0, 0.7);
        let length = chance.range(10.0, 42.0);
        let to = (
            from.0 + length * angle.cos(),
            from.1 + length * angle.sin() + 0.15 * (v - nv),
        );
        let radius = chance.range(0.25, 0.75);
        let patch = wavy(frame, from, to, 1.6, [radius, 0.6 * radius], chance);
        put(&mut tissue.strands, &patch, chance.range(0.8, 2.2) as f32);
    }
    for _ in 0..8 + chance.index(8) {
        let angle = chance.gauss(0.0, 0.55)
            + if woman.view == BreastView::Mlo {
                0.3
            } else {
                0.0
            };
        let reach = woman.depth * chance.range(0.35, 0.8);
        let to = (nu - reach * angle.cos(), nv - reach * angle.sin());
        let patch = wavy(frame, (nu - 2.0, nv), to, 2.0, [0.9, 0.4], chance);
        put(&mut tissue.strands, &patch, 1.0);
        for _ in 0..2 {
            let t = chance.range(0.3, 0.9);
            let from = (nu + t * (to.0 - nu), nv + t * (to.1 - nv));
            let turn = angle + chance.gauss(0.0, 0.5);
            let end = (
                from.0 - 0.4 * reach * turn.cos(),
                from.1 - 0.4 * reach * turn.sin(),
            );
            let patch = wavy(frame, from, end, 1.8, [0.5, 0.3], chance);
            put(&mut tissue.strands, &patch, 1.0);
        }
    }
}

/// Two to five vessels along the fat; in old women some with calcified walls.
fn vessels(woman: &Woman, frame: &Frame, shape: &Shape, chance: &mut Noise, tissue: &mut Tissue) {
    let calcified = chance.chance(((woman.age - 58.0) / 60.0).clamp(0.0, 0.4));
    for i in 0..2 + chance.index(4) {
        let side = if chance.chance(0.5) { 1.0 } else { -1.0 };
        let from = (
            chance.range(0.0, 0.2) * woman.depth,
            shape.middle + side * chance.range(0.25, 0.75) * 0.5 * woman.height,
        );
        let to = (
            chance.range(0.55, 0.9) * woman.depth,
            shape.nipple.1 + side * chance.range(0.1, 0.5) * 0.5 * woman.height,
        );
        let radius = chance.range(0.7, 1.3);
        let mut twin = chance.clone();
        let patch = wavy(frame, from, to, 3.0, [radius, 0.7 * radius], chance);
        put(&mut tissue.vessels, &patch, 1.0);
        if calcified && i < 2 {
            let narrow = wavy(
                frame,
                from,
                to,
                3.0,
                [0.6 * radius, 0.4 * radius],
                &mut twin,
            );
            let wall = patch.without(&narrow);
            // Broken along the way, as such walls are.
            let broken = wall.mapped(|x, y, v| {
                let wave = (0.35 * x as f64).sin() + (0.31 * y as f64 + 1.0).sin();
                if wave > -0.3 { v } else { 0.0 }
            });
            put(&mut tissue.walls, &broken, 0.10);
        }
    }
}

/// All tissues into path lengths.
pub(super) fn lay(tissue: &Tissue, shape: &Shape, lesions: &Lesions, paths: &mut Paths) {
    let (w, h) = paths.size();
    for y in 0..h {
        for x in 0..w {
            let at = (x, y);
            let depth = shape.depth[at];
            if depth <= 0.0 {
                continue;
            }
            let cover = shape.cover[at];
            let rest = (depth - cover).max(0.0);
            let muscle = rest * shape.muscle[at];
            let rest = rest - muscle;
            let gland = rest * tissue.gland[at].clamp(0.0, 1.0);
            let fat = rest - gland;
            let strand = tissue.strands[at].min(0.6 * fat);
            let lump = lesions.lump[at].min(depth);
            // A lump takes the place of what was there, in proportion.
            let moved = if rest > 0.0 {
                (lump / rest).min(0.95)
            } else {
                0.0
            };
            paths.plane_mut(Material::Skin)[at] += cover;
            paths.plane_mut(Material::Soft)[at] += muscle + 0.25 * lump;
            paths.plane_mut(Material::Glandular)[at] +=
                (gland + strand) * (1.0 - moved) + 0.75 * lump;
            let vessel = tissue.vessels[at].min(fat);
            paths.plane_mut(Material::BreastAdipose)[at] +=
                (fat - strand - vessel).max(0.0) * (1.0 - moved);
            paths.plane_mut(Material::Blood)[at] += vessel;
            let grains = lesions.grains[at] + tissue.walls[at];
            paths.plane_mut(Material::Calcification)[at] += grains;
        }
    }
}
