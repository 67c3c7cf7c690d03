//! Textures of images: arrays of square tiles, each with its levels, filled a few MB a frame from coarse to fine.

use std::sync::Arc;

use eframe::egui_wgpu::wgpu;

use crate::app::canvas::pyramid::reach::Reach;
use crate::app::canvas::pyramid::{Levels, Pending, Prepared, tile_shift};
use crate::geometry::PixelRect;
use crate::grid::Grid;
use crate::radiograph::VoiTable;

/// Bytes of pixels written in one frame, about: 4 MB take 1–2 ms.
const BYTES_A_FRAME: u64 = 4 << 20;
/// Entries of a VOI LUT in a row of its texture; the shader knows it too.
const CURVE_COLUMNS: usize = 256;

/// How an image is cut into tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tiling {
    pub(super) size: (usize, usize),
    pub(super) shift: u32,
}

impl Tiling {
    pub(super) fn of(size: (usize, usize)) -> Self {
        Self {
            size,
            shift: tile_shift(size),
        }
    }

    pub(super) fn across(self) -> usize {
        self.size.0.div_ceil(1 << self.shift)
    }

    pub(super) fn count(self) -> usize {
        self.across() * self.size.1.div_ceil(1 << self.shift)
    }

    pub(super) fn levels(self) -> u32 {
        self.shift + 1
    }

    /// Pixels of tile `tile` at `level`, clipped to a level of `size`.
    pub(super) fn part(self, tile: usize, level: u32, size: (usize, usize)) -> PixelRect {
        let side = 1_usize << (self.shift - level);
        let (column, row) = (tile % self.across(), tile / self.across());
        PixelRect::new((column * side) as i64, (row * side) as i64, side, side)
            .intersection(PixelRect::new(0, 0, size.0, size.1))
    }

    pub(super) fn texture(
        self,
        device: &wgpu::Device,
        label: &str,
        format: wgpu::TextureFormat,
    ) -> wgpu::Texture {
        let side = 1 << self.shift;
        device.create_texture(&wgpu::TextureDescriptor {
            label: Some(label),
            size: wgpu::Extent3d {
                width: side,
                height: side,
                // OpenGL takes an array of one layer for a plain texture.
                depth_or_array_layers: self.count().max(2) as u32,
            },
            mip_level_count: self.levels(),
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        })
    }

    /// Writes `rect` of a level into all tiles it touches; returns the bytes.
    pub(super) fn write<T: bytemuck::Pod>(
        self,
        queue: &wgpu::Queue,
        texture: &wgpu::Texture,
        level: u32,
        grid: &Grid<T>,
        rect: PixelRect,
    ) -> u64 {
        let rect = rect.intersection(grid.bounds());
        if rect.is_empty() {
            return 0;
        }
        let bits = self.shift - level;
        let mut bytes = 0;
        for row in rect.y >> bits..=(rect.bottom() - 1) >> bits {
            for column in rect.x >> bits..=(rect.right() - 1) >> bits {
                let tile = row as usize * self.across() + column as usize;
                let part = self.part(tile, level, grid.size()).intersection(rect);
                if part.is_empty() {
                    continue;
                }
                let origin = wgpu::Origin3d {
                    x: (part.x - (column << bits)) as u32,
                    y: (part.y - (row << bits)) as u32,
                    z: tile as u32,
                };
                // Rows are taken from where they lie: gathering them first would copy everything twice.
                let from = part.y as usize * grid.width() + part.x as usize;
                let to = from + (part.height - 1) * grid.width() + part.width;
                let values = &grid.cells()[from..to];
                write(queue, texture, level, origin, part, values, grid.width());
                bytes += (part.width * part.height * size_of::<T>()) as u64;
            }
        }
        bytes
    }
}

/// Writes a part whose rows begin `columns` values apart.
fn write<T: bytemuck::Pod>(
    queue: &wgpu::Queue,
    texture: &wgpu::Texture,
    mip_level: u32,
    origin: wgpu::Origin3d,
    part: PixelRect,
    values: &[T],
    columns: usize,
) {
    queue.write_texture(
        wgpu::TexelCopyTextureInfo {
            texture,
            mip_level,
            origin,
            aspect: wgpu::TextureAspect::All,
        },
        bytemuck::cast_slice(values),
        wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some((columns * size_of::<T>()) as u32),
            rows_per_image: None,
        },
        wgpu::Extent3d {
            width: part.width as u32,
            height: part.height as u32,
            depth_or_array_layers: 1,
        },
    );
}

/// A view of all tiles.
pub(super) fn array_view(texture: &wgpu::Texture) -> wgpu::TextureView {
    texture.create_view(&wgpu::TextureViewDescriptor {
        dimension: Some(wgpu::TextureViewDimension::D2Array),
        ..Default::default()
    })
}

/// One image.
pub(super) struct ImageTexture {
    pending: Pending,
    tiling: Tiling,
    texture: wgpu::Texture,
    view: wgpu::TextureView,
    /// The same tiles in color.
    color: Option<(wgpu::Texture, wgpu::TextureView)>,
    float: bool,
    /// The level being filled and the next tile of it; finished when the level is below 0.
    level: i64,
    tile: usize,
}

impl ImageTexture {
    pub(super) fn new(device: &wgpu::Device, pending: &Pending) -> Option<Self> {
        let prepared = pending.get()?;
        if prepared.size.0 == 0 || prepared.size.1 == 0 {
            return None;
        }
        let tiling = Tiling::of(prepared.size);
        let limits = device.limits();
        if tiling.count() as u32 > limits.max_texture_array_layers
            || (1 << tiling.shift) > limits.max_texture_dimension_2d
        {
            return None;
        }
        let float = matches!(prepared.levels, Levels::Float(_));
        let format = if float {
            wgpu::TextureFormat::R32Float
        } else {
            wgpu::TextureFormat::R16Uint
        };
        let texture = tiling.texture(device, "canvas image", format);
        let color = prepared.color.as_ref().map(|_| {
            // Gamma coded as the framebuffer is: what is written is what is shown.
            let format = wgpu::TextureFormat::Rgba8Unorm;
            let texture = tiling.texture(device, "canvas image in color", format);
            let view = array_view(&texture);
            (texture, view)
        });
        Some(Self {
            pending: Arc::clone(pending),
            tiling,
            view: array_view(&texture),
            texture,
            color,
            float,
            level: i64::from(tiling.levels()) - 1,
            tile: 0,
        })
    }

    pub(super) fn shows(&self, pending: &Pending) -> bool {
        Arc::ptr_eq(&self.pending, pending)
    }

    /// Whether anything but this texture still holds the image.
    pub(super) fn is_wanted(&self) -> bool {
        Arc::strong_count(&self.pending) > 1
    }

    pub(super) fn size(&self) -> (usize, usize) {
        self.tiling.size
    }

    pub(super) fn is_float(&self) -> bool {
        self.float
    }

    pub(super) fn view(&self) -> &wgpu::TextureView {
        &self.view
    }

    /// Its colors, where it has any.
    pub(super) fn color(&self) -> Option<&wgpu::TextureView> {
        self.color.as_ref().map(|(_, view)| view)
    }

    /// The finest level that is wholly there.
    pub(super) fn finest(&self) -> u32 {
        (self.level + 1) as u32
    }

    /// `tiles` of the uniforms, without flags.
    pub(super) fn layout(&self) -> [u32; 4] {
        let last = self.tiling.levels() - 1;
        [self.tiling.shift, self.tiling.across() as u32, last, 0]
    }

    /// Writes some more tiles; the whole coarse levels at least, so that the first frame shows a picture.
    pub(super) fn upload_some(&mut self, queue: &wgpu::Queue, prepared: &Prepared) -> u64 {
        let mut bytes = 0;
        while self.level >= 0 && bytes < BYTES_A_FRAME {
            let level = self.level as usize;
            bytes += match &prepared.levels {
                Levels::Integer(levels) => {
                    self.upload_tile(queue, &self.texture, levels.get(level))
                }
                Levels::Float(levels) => self.upload_tile(queue, &self.texture, levels.get(level)),
            };
            if let (Some((texture, _)), Some(levels)) = (&self.color, &prepared.color) {
                bytes += self.upload_tile(queue, texture, levels.get(level));
            }
            self.tile += 1;
            if self.tile >= self.tiling.count() {
                self.tile = 0;
                self.level -= 1;
            }
        }
        bytes
    }

    fn upload_tile<T: bytemuck::Pod>(
        &self,
        queue: &wgpu::Queue,
        texture: &wgpu::Texture,
        grid: Option<&Grid<T>>,
    ) -> u64 {
        grid.map_or(0, |grid| {
            let level = self.level as u32;
            let part = self.tiling.part(self.tile, level, grid.size());
            self.tiling.write(queue, texture, level, grid, part)
        })
    }
}

/// The distance field of a mask.
pub(super) struct ReachTexture {
    reach: Arc<Reach>,
    view: wgpu::TextureView,
}

impl ReachTexture {
    pub(super) fn new(device: &wgpu::Device, queue: &wgpu::Queue, reach: &Arc<Reach>) -> Self {
        let (width, height) = reach.field.size();
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("canvas reach"),
            size: wgpu::Extent3d {
                width: width.max(1) as u32,
                height: height.max(1) as u32,
                depth_or_array_layers: 2,
            },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::R8Unorm,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        if !reach.field.is_empty() {
            let origin = wgpu::Origin3d::ZERO;
            let all = reach.field.bounds();
            write(queue, &texture, 0, origin, all, reach.field.cells(), width);
        }
        Self {
            reach: Arc::clone(reach),
            view: array_view(&texture),
        }
    }

    pub(super) fn shows(&self, reach: &Arc<Reach>) -> bool {
        Arc::ptr_eq(&self.reach, reach)
    }

    pub(super) fn view(&self) -> &wgpu::TextureView {
        &self.view
    }
}

/// A VOI LUT as the shader reads it: entries row by row, 256 a row.
pub(super) struct CurveTexture {
    table: Arc<VoiTable>,
    view: wgpu::TextureView,
}

impl CurveTexture {
    pub(super) fn new(device: &wgpu::Device, queue: &wgpu::Queue, table: &Arc<VoiTable>) -> Self {
        let rows = table.values.len().div_ceil(CURVE_COLUMNS).max(1);
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("canvas VOI LUT"),
            size: wgpu::Extent3d {
                width: CURVE_COLUMNS as u32,
                height: rows as u32,
                depth_or_array_layers: 2,
            },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::R32Float,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let mut values = table.values.clone();
        values.resize(rows * CURVE_COLUMNS, 0.0);
        let all = PixelRect {
            x: 0,
            y: 0,
            width: CURVE_COLUMNS,
            height: rows,
        };
        let origin = wgpu::Origin3d::ZERO;
        write(queue, &texture, 0, origin, all, &values, CURVE_COLUMNS);
        Self {
            table: Arc::clone(table),
            view: array_view(&texture),
        }
    }

    pub(super) fn shows(&self, table: &Arc<VoiTable>) -> bool {
        Arc::ptr_eq(&self.table, table)
    }

    pub(super) fn view(&self) -> &wgpu::TextureView {
        &self.view
    }

    /// Bytes written for it.
    pub(super) fn bytes(&self) -> u64 {
        let rows = self.table.values.len().div_ceil(CURVE_COLUMNS);
        (rows * CURVE_COLUMNS * size_of::<f32>()) as u64
    }
}
