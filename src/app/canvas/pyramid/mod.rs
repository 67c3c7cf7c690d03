//! The pixels of an image made ready for the GPU: 16-bit or float levels, each half the size of the one before.
//!
//! Separate because it needs no GPU, takes tens of milliseconds for a large film and so runs off the window's thread.

pub mod planes;
pub mod reach;

use std::sync::{Arc, Mutex, OnceLock};

use rayon::prelude::*;

use crate::grid::Grid;
use crate::radiograph::{
    DisplayWindow, ModalityTransform, Photometric, Pixels, Radiograph, Rgb, WindowFunction,
};

/// Images of at most so many pixels are made ready at once, so that the first frame shows them.
const AT_ONCE_PX: usize = 1 << 20;

/// Level 0 is the image; level `l` has `⌈size / 2^l⌉` pixels, each the mean of those it covers.
pub enum Levels {
    /// Stored values plus [`Prepared::offset`]; exact.
    Integer(Vec<Grid<u16>>),
    /// Float values.
    Float(Vec<Grid<f32>>),
}

/// An image ready for upload.
pub struct Prepared {
    /// Its levels.
    pub levels: Levels,
    /// The same levels in color where the image is to be shown so: red, green, blue and 255.
    pub color: Option<Vec<Grid<[u8; 4]>>>,
    /// What was added to stored values: 32768 for signed ones.
    pub offset: f64,
    /// Modality value = stored × slope + intercept; 1 and 0 where a modality table has been applied already.
    pub rescale: (f64, f64),
    /// Whether low is white.
    pub inverted: bool,
    /// 0.1–99.9 percentiles of the modality values: what a window drag is measured by.
    pub robust_range: (f64, f64),
    /// Columns and rows.
    pub size: (usize, usize),
}

/// An image that is ready, or will be.
pub type Pending = Arc<OnceLock<Prepared>>;

/// Side of a square texture tile as a power of two: at least two tiles, at most 1024 pixels a side.
///
/// Two at least because OpenGL takes an array of one layer for a plain texture.
pub fn tile_shift((width, height): (usize, usize)) -> u32 {
    let side = width.max(height).max(2).next_power_of_two() / 2;
    let shift = side.trailing_zeros().min(10);
    // More than 256 tiles would pass the least limit on array layers.
    let tiles = width.div_ceil(1 << shift) * height.div_ceil(1 << shift);
    if tiles > 256 { shift + 1 } else { shift }
}

/// Makes an image ready on the calling thread.
pub fn prepare(radiograph: &Radiograph) -> Prepared {
    let size = (radiograph.width(), radiograph.height());
    let count = tile_shift(size) as usize + 1;
    let mut offset = 0.0;
    let (levels, rescale) = match &radiograph.modality_transform {
        ModalityTransform::Linear { slope, intercept } => {
            let levels = match &radiograph.pixels {
                Pixels::U8(grid) => integer_levels(grid.map(|v| u16::from(*v)), count),
                Pixels::U16(grid) => integer_levels(grid.clone(), count),
                Pixels::I16(grid) => {
                    offset = 32768.0;
                    integer_levels(grid.map(|v| (i32::from(*v) + 32768) as u16), count)
                }
                Pixels::F32(grid) => float_levels(grid.map(|v| usable(*v)), count),
            };
            (levels, (*slope, *intercept))
        }
        table @ ModalityTransform::Table { .. } => {
            let values = radiograph.pixels.to_f32();
            let values = values.map(|v| usable(table.apply(f64::from(*v)) as f32));
            (float_levels(values, count), (1.0, 0.0))
        }
    };
    Prepared {
        levels,
        color: radiograph.color().map(|color| color_levels(color, count)),
        offset,
        rescale,
        inverted: radiograph.photometric == Photometric::Monochrome1,
        robust_range: radiograph.robust_range(0.001),
        size,
    }
}

fn usable(value: f32) -> f32 {
    if value.is_finite() { value } else { 0.0 }
}

fn integer_levels(base: Grid<u16>, count: usize) -> Levels {
    Levels::Integer(levels(base, count, |a, b, c, d| {
        ((u32::from(a) + u32::from(b) + u32::from(c) + u32::from(d) + 2) / 4) as u16
    }))
}

fn float_levels(base: Grid<f32>, count: usize) -> Levels {
    Levels::Float(levels(base, count, |a, b, c, d| {
        (a * 0.25 + b * 0.25) + (c * 0.25 + d * 0.25)
    }))
}

fn color_levels(color: &Rgb, count: usize) -> Vec<Grid<[u8; 4]>> {
    let base = color.map(|[red, green, blue]| [*red, *green, *blue, 255]);
    levels(base, count, |a, b, c, d| {
        std::array::from_fn(|channel| {
            let sum: u16 = [a, b, c, d]
                .iter()
                .map(|cell| u16::from(cell[channel]))
                .sum();
            ((sum + 2) / 4) as u8
        })
    })
}

/// `count` levels by 2 × 2 means; an odd last column or row counts double.
fn levels<T: Copy + Send + Sync + Default>(
    base: Grid<T>,
    count: usize,
    mean: impl Fn(T, T, T, T) -> T + Sync,
) -> Vec<Grid<T>> {
    let mut all = vec![base];
    while all.len() < count {
        let Some(fine) = all.last() else { break };
        let (width, height) = fine.size();
        if width == 0 || height == 0 {
            break;
        }
        let mut coarse = Grid::filled(width.div_ceil(2), height.div_ceil(2), T::default());
        let columns = coarse.width();
        coarse
            .cells_mut()
            .par_chunks_mut(columns)
            .enumerate()
            .for_each(|(y, row)| {
                let top = fine.row(2 * y);
                let bottom = fine.row((2 * y + 1).min(height - 1));
                for (x, cell) in row.iter_mut().enumerate() {
                    let (a, b) = (2 * x, (2 * x + 1).min(width - 1));
                    *cell = mean(top[a], top[b], bottom[a], bottom[b]);
                }
            });
        all.push(coarse);
    }
    all
}

/// `[pivot, gain, kind, inverted]` of the shader for a window: grey from `(stored + offset − pivot) × gain`.
///
/// Computed in f64 so that the shader's f32 never subtracts two large numbers that were rounded apart.
pub fn window_uniform(prepared: &Prepared, window: &DisplayWindow, invert: bool) -> [f32; 4] {
    let inverted = if prepared.inverted == invert {
        0.0
    } else {
        1.0
    };
    let (slope, intercept) = prepared.rescale;
    if !window.is_usable() || slope == 0.0 || !slope.is_finite() || !intercept.is_finite() {
        let grey = if window.is_usable() && intercept.is_finite() {
            window.grey(intercept)
        } else {
            0.0
        };
        return [grey as f32, 0.0, 3.0, inverted];
    }
    let (middle, span, kind) = match window.function {
        WindowFunction::Linear if window.width <= 1.0 => (window.center - 0.5, 1.0, 2.0),
        WindowFunction::Linear => (window.center - 0.5, window.width - 1.0, 0.0),
        WindowFunction::LinearExact => (window.center, window.width, 0.0),
        WindowFunction::Sigmoid => (window.center, window.width, 1.0),
    };
    let kind = if window.table.is_some() { 4.0 } else { kind };
    let pivot = (middle - intercept) / slope + prepared.offset;
    [pivot as f32, (slope / span) as f32, kind, inverted]
}

struct Entry {
    radiograph: Arc<Radiograph>,
    pending: Pending,
    last_pass: u64,
}

#[derive(Clone, Default)]
struct Cache(Arc<Mutex<Vec<Entry>>>);

/// The image made ready, shared by all canvases of a window; large ones on rayon's threads, with a repaint when done.
pub fn pending(ctx: &egui::Context, radiograph: &Arc<Radiograph>) -> Pending {
    let id = egui::Id::unique("canvas images");
    let cache: Cache = ctx.data_mut(|data| data.get_temp_mut_or_default::<Cache>(id).clone());
    let pass = ctx.cumulative_pass_nr();
    let Ok(mut entries) = cache.0.lock() else {
        return Arc::new(OnceLock::new());
    };
    entries.retain(|entry| entry.last_pass + 8 >= pass);
    if let Some(entry) = entries
        .iter_mut()
        .find(|entry| Arc::ptr_eq(&entry.radiograph, radiograph))
    {
        entry.last_pass = pass;
        return Arc::clone(&entry.pending);
    }
    let pending = Pending::default();
    if radiograph.width() * radiograph.height() <= AT_ONCE_PX {
        let _ = pending.set(prepare(radiograph));
    } else {
        let (ctx, radiograph, slot) = (ctx.clone(), Arc::clone(radiograph), Arc::clone(&pending));
        rayon::spawn(move || {
            let _ = slot.set(prepare(&radiograph));
            ctx.request_repaint();
        });
    }
    entries.push(Entry {
        radiograph: Arc::clone(radiograph),
        pending: Arc::clone(&pending),
        last_pass: pass,
    });
    pending
}
