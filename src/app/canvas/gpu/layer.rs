//! Textures of layers: a dirty rectangle is all that is written, plus its reduced copies.
//!
//! Level 1 is left out: levels 2 and on add 1/16 + 1/64 + … < 9 %, level 1 alone would add 25 %. The shader averages
//! level 0 by hand where level 1 would be wanted.

use eframe::egui_wgpu::wgpu;

use super::tiles::{Tiling, array_view};
use crate::app::canvas::OverlayRaster;
use crate::geometry::PixelRect;
use crate::grid::Grid;

pub(super) struct LayerTexture {
    tiling: Tiling,
    texture: wgpu::Texture,
    view: wgpu::TextureView,
    /// Levels 2, 3, …
    reduced: Vec<Grid<u8>>,
    generation: Option<u64>,
}

/// The texture in `place`, made anew when there is none of this size.
pub(super) fn sized<'a>(
    place: &'a mut Option<LayerTexture>,
    device: &wgpu::Device,
    size: (usize, usize),
) -> &'a mut LayerTexture {
    if place
        .as_ref()
        .is_some_and(|layer| layer.tiling.size != size)
    {
        *place = None;
    }
    place.get_or_insert_with(|| LayerTexture::new(device, size))
}

impl LayerTexture {
    fn new(device: &wgpu::Device, size: (usize, usize)) -> Self {
        let tiling = Tiling::of(size);
        let texture = tiling.texture(device, "canvas layer", wgpu::TextureFormat::R8Unorm);
        let reduced = (2..tiling.levels())
            .map(|level| {
                let side = 1 << level;
                Grid::filled(size.0.div_ceil(side), size.1.div_ceil(side), 0)
            })
            .collect();
        Self {
            tiling,
            view: array_view(&texture),
            texture,
            reduced,
            generation: None,
        }
    }

    pub(super) fn view(&self) -> &wgpu::TextureView {
        &self.view
    }

    /// Brings the texture to a raster's generation; a generation missed means everything.
    pub(super) fn follow(&mut self, queue: &wgpu::Queue, raster: &OverlayRaster) -> u64 {
        if self.generation == Some(raster.generation) {
            return 0;
        }
        let next = self.generation.map(|g| g.wrapping_add(1)) == Some(raster.generation);
        let dirty = raster
            .dirty
            .filter(|_| next)
            .unwrap_or(raster.grid.bounds());
        self.generation = Some(raster.generation);
        self.write(queue, &raster.grid, dirty)
    }

    /// Writes a rectangle of the layer; returns the bytes.
    pub(super) fn write(&mut self, queue: &wgpu::Queue, grid: &Grid<u8>, dirty: PixelRect) -> u64 {
        let mut rect = dirty.intersection(grid.bounds());
        if rect.is_empty() {
            return 0;
        }
        let mut bytes = self.tiling.write(queue, &self.texture, 0, grid, rect);
        for index in 0..self.reduced.len() {
            let (finer, rest) = self.reduced.split_at_mut(index);
            let Some(target) = rest.first_mut() else {
                break;
            };
            if let Some(source) = finer.last() {
                rect = covering(rect, 2);
                reduce::<2>(source, target, rect);
            } else {
                rect = covering(rect, 4);
                reduce::<4>(grid, target, rect);
            }
            let level = index as u32 + 2;
            bytes += self.tiling.write(queue, &self.texture, level, target, rect);
        }
        bytes
    }
}

/// The cells of `factor × factor` pixels that a rectangle touches.
fn covering(rect: PixelRect, factor: i64) -> PixelRect {
    let (x, y) = (rect.x.div_euclid(factor), rect.y.div_euclid(factor));
    let right = (rect.right() - 1).div_euclid(factor) + 1;
    let bottom = (rect.bottom() - 1).div_euclid(factor) + 1;
    PixelRect::new(x, y, (right - x) as usize, (bottom - y) as usize)
}

/// Means of `SIDE × SIDE` cells, fewer at the right and lower edge of the source; `SIDE` is at most 16.
///
/// Whole rows are added up before their sums are joined: a stroke has this done to all its pixels in every frame.
fn reduce<const SIDE: usize>(source: &Grid<u8>, target: &mut Grid<u8>, rect: PixelRect) {
    let rect = rect.intersection(target.bounds());
    let (width, height) = source.size();
    let columns = rect.x as usize * SIDE..(rect.right() as usize * SIDE).min(width);
    if columns.is_empty() {
        return;
    }
    let mut sums = vec![0_u16; columns.len()];
    for y in rect.y as usize..rect.bottom() as usize {
        let rows = y * SIDE..((y + 1) * SIDE).min(height);
        let count = rows.len();
        sums.fill(0);
        for row in rows {
            for (sum, value) in sums.iter_mut().zip(&source.row(row)[columns.clone()]) {
                *sum += u16::from(*value);
            }
        }
        let mean = |sums: &[u16], cells: usize| {
            let sum: usize = sums.iter().map(|sum| usize::from(*sum)).sum();
            ((sum + cells / 2) / cells) as u8
        };
        let cells = &mut target.row_mut(y)[rect.x as usize..rect.right() as usize];
        let (blocks, rest) = sums.as_chunks::<SIDE>();
        // Divided by a constant where it can be.
        if count == SIDE {
            for (cell, block) in cells.iter_mut().zip(blocks) {
                *cell = mean(block, SIDE * SIDE);
            }
        } else {
            for (cell, block) in cells.iter_mut().zip(blocks) {
                *cell = mean(block, SIDE * count);
            }
        }
        if let (Some(cell), false) = (cells.last_mut(), rest.is_empty()) {
            *cell = mean(rest, rest.len() * count);
        }
    }
}
