//! Path lengths: how many centimetres of what lie under each pixel.
//!
//! A [`Patch`] is the chord of one solid over its own screen box, so that a small bone costs its box and not the film;
//! [`Paths`] sums patches to one plane a material. Bones replace the tissue they stand in.

use super::{Material, Spectrum};
use crate::geometry::PixelRect;
use crate::grid::Grid;

/// Values (chords in cm unless said otherwise) over a rectangle of the film; zero outside it.
#[derive(Clone, Debug)]
pub struct Patch {
    /// Where; inside the film.
    pub rect: PixelRect,
    /// Values, of the size of `rect`.
    pub values: Grid<f32>,
}

impl Patch {
    /// Computes each value from the pixel `(x, y)` of the film; `rect` is cut to `width × height`.
    pub fn from_fn(
        rect: PixelRect,
        size: (usize, usize),
        mut value: impl FnMut(usize, usize) -> f32,
    ) -> Self {
        let rect = rect.intersection(PixelRect::new(0, 0, size.0, size.1));
        let values = Grid::from_fn(rect.width, rect.height, |x, y| {
            value(x + rect.x.max(0) as usize, y + rect.y.max(0) as usize)
        });
        Self { rect, values }
    }

    /// The value at a pixel of the film; zero outside.
    pub fn at(&self, x: i64, y: i64) -> f32 {
        let (px, py) = (x - self.rect.x, y - self.rect.y);
        if px < 0 || py < 0 {
            return 0.0;
        }
        self.values
            .get(px as usize, py as usize)
            .copied()
            .unwrap_or(0.0)
    }

    /// With each value replaced, given the pixel of the film.
    #[must_use]
    pub fn mapped(mut self, mut f: impl FnMut(usize, usize, f32) -> f32) -> Self {
        let (x0, y0) = (self.rect.x.max(0) as usize, self.rect.y.max(0) as usize);
        let width = self.rect.width.max(1);
        for (i, v) in self.values.cells_mut().iter_mut().enumerate() {
            *v = f(x0 + i % width, y0 + i / width, *v);
        }
        self
    }

    /// Combined with another over the box of both.
    #[must_use]
    pub fn combined(&self, other: &Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let (a, b) = (self.rect, other.rect);
        if a.width == 0 || a.height == 0 {
            return other.clone();
        }
        if b.width == 0 || b.height == 0 {
            return self.clone();
        }
        let (x, y) = (a.x.min(b.x), a.y.min(b.y));
        let right = a.right().max(b.right());
        let bottom = a.bottom().max(b.bottom());
        let rect = PixelRect::new(x, y, (right - x) as usize, (bottom - y) as usize);
        let values = Grid::from_fn(rect.width, rect.height, |i, j| {
            let (px, py) = (x + i as i64, y + j as i64);
            f(self.at(px, py), other.at(px, py))
        });
        Self { rect, values }
    }

    /// The union of two touching solids: the larger chord, rounded over `smooth_cm` where both are present.
    #[must_use]
    pub fn union(&self, other: &Self, smooth_cm: f32) -> Self {
        self.combined(other, |a, b| {
            let k = smooth_cm.min(a).min(b);
            if k <= 0.0 {
                return a.max(b);
            }
            let h = (k - (a - b).abs()).max(0.0) / k;
            a.max(b) + h * h * k * 0.25
        })
    }

    /// What is left without another, never below zero.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        self.clone()
            .mapped(|x, y, v| (v - other.at(x as i64, y as i64)).max(0.0))
    }

    /// Scaled by a factor.
    #[must_use]
    pub fn scaled(self, factor: f32) -> Self {
        self.mapped(|_, _, v| v * factor)
    }
}

/// One plane of path lengths (cm) for each material in use.
#[derive(Clone, Debug)]
pub struct Paths {
    size: (usize, usize),
    planes: Vec<Option<Grid<f32>>>,
}

impl Paths {
    /// Nothing but air.
    pub fn new(width: usize, height: usize) -> Self {
        Self {
            size: (width, height),
            planes: vec![None; Material::COUNT],
        }
    }

    /// `(width, height)`.
    pub fn size(&self) -> (usize, usize) {
        self.size
    }

    /// The plane of a material, if anything was added.
    pub fn plane(&self, material: Material) -> Option<&Grid<f32>> {
        self.planes[material as usize].as_ref()
    }

    /// The plane of a material for writing, cm.
    pub fn plane_mut(&mut self, material: Material) -> &mut Grid<f32> {
        let (w, h) = self.size;
        self.planes[material as usize].get_or_insert_with(|| Grid::filled(w, h, 0.0))
    }

    /// Adds `factor` times a patch; a negative factor takes away (a gas pocket).
    pub fn add(&mut self, material: Material, patch: &Patch, factor: f32) {
        let plane = self.plane_mut(material);
        for j in 0..patch.rect.height {
            let y = patch.rect.y as usize + j;
            let x = patch.rect.x as usize;
            let row = &mut plane.row_mut(y)[x..x + patch.rect.width];
            for (to, from) in row.iter_mut().zip(patch.values.row(j)) {
                *to += factor * from;
            }
        }
    }

    /// Puts a solid in the place of another material.
    pub fn replace(&mut self, of: Material, by: Material, patch: &Patch) {
        self.add(by, patch, 1.0);
        self.add(of, patch, -1.0);
    }

    /// `p = -ln(I/I0)` of the primary beam; negative lengths count as none, air is 0.
    pub fn attenuation(&self, spectrum: &Spectrum) -> Grid<f32> {
        let (w, h) = self.size;
        let mut transmission = Grid::filled(w, h, 0.0_f32);
        let mut sum = Grid::filled(w, h, 0.0_f32);
        let total: f64 = spectrum.bins.iter().map(|b| b.1).sum();
        for &(kev, weight) in &spectrum.bins {
            sum.cells_mut().fill(0.0);
            for (index, plane) in self.planes.iter().enumerate() {
                let Some(plane) = plane else { continue };
                let mu = MATERIALS[index].attenuation(kev) as f32;
                for (s, t) in sum.cells_mut().iter_mut().zip(plane.cells()) {
                    *s += mu * t.max(0.0);
                }
            }
            let weight = (weight / total) as f32;
            for (t, s) in transmission.cells_mut().iter_mut().zip(sum.cells()) {
                *t += weight * (-s).exp();
            }
        }
        for t in transmission.cells_mut() {
            *t = (-t.max(1e-9).ln()).max(0.0);
        }
        transmission
    }
}

const MATERIALS: [Material; Material::COUNT] = [
    Material::Soft,
    Material::Adipose,
    Material::Lung,
    Material::Blood,
    Material::Cartilage,
    Material::Cancellous,
    Material::Cortical,
    Material::Dentin,
    Material::Enamel,
    Material::Calcification,
    Material::Glandular,
    Material::BreastAdipose,
    Material::Skin,
    Material::Pvc,
    Material::Titanium,
    Material::Steel,
    Material::Lead,
];
