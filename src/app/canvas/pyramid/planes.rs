//! The overlay planes of a file (PS3.3 C.9.2) as one texture with ink and a dark edge, made and uploaded once an image.
//!
//! Separate because it is egui's own texture: planes never change, and follow the view as four corners.

use std::sync::{Arc, Mutex, OnceLock, Weak};

use crate::app::canvas::palette;
use crate::grid::Grid;
use crate::radiograph::{Overlay, Pixels, Radiograph};

/// Planes of at most so many pixels are made at once, so that the first frame shows them.
const AT_ONCE_PX: usize = 1 << 18;
/// A texture has at most so many pixels a side; finer planes are reduced, and lose no dot.
const MOST_SIDE: usize = 2048;

/// Nothing.
const NONE: u8 = 0;
/// Inside of a region of interest.
const REGION: u8 = 1;
/// Beside ink.
const EDGE: u8 = 2;
/// Graphics.
const INK: u8 = 3;

/// Which of the overlay planes of a file are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Planes {
    /// None.
    None,
    /// Regions of interest alone: any graphics may be words that tell who it is.
    Regions,
    /// All but graphics that call themselves words.
    Wordless,
    /// All.
    #[default]
    All,
}

impl Planes {
    /// Whether a plane is one of them.
    pub fn shows(self, plane: &Overlay) -> bool {
        match self {
            Self::None => false,
            Self::Regions => plane.region,
            Self::Wordless => !plane.is_words(),
            Self::All => true,
        }
    }
}

type Entry = (Weak<Radiograph>, Planes, Slot);
type Slot = Arc<OnceLock<Option<egui::TextureHandle>>>;

#[derive(Clone, Default)]
struct Cache(Arc<Mutex<Vec<Entry>>>);

/// The texture of these planes of an image, shared by all canvases; `None` while it is made, and where there are none.
pub fn planes(
    ctx: &egui::Context,
    image: &Arc<Radiograph>,
    which: Planes,
) -> Option<egui::TextureHandle> {
    let id = egui::Id::unique("canvas planes");
    let cache: Cache = ctx.data_mut(|data| data.get_temp_mut_or_default::<Cache>(id).clone());
    let mut entries = cache.0.lock().ok()?;
    entries.retain(|(known, ..)| known.strong_count() > 0);
    if !image.overlays.iter().any(|plane| which.shows(plane)) {
        return None;
    }
    let known = entries.iter().find(|(known, planes, _)| {
        *planes == which && std::ptr::eq(known.as_ptr(), Arc::as_ptr(image))
    });
    if let Some((.., slot)) = known {
        return slot.get().cloned().flatten();
    }
    let slot = Slot::default();
    entries.push((Arc::downgrade(image), which, Arc::clone(&slot)));
    drop(entries);
    let most = ctx.input(|input| input.max_texture_side).min(MOST_SIDE);
    let (ctx, image, filled) = (ctx.clone(), Arc::clone(image), Arc::clone(&slot));
    let at_once = image.width() * image.height() <= AT_ONCE_PX;
    let make = move || {
        let texture = color_image(&image, which, most).map(|picture| {
            // A dot is a dot when magnified.
            let look = egui::TextureOptions {
                magnification: egui::TextureFilter::Nearest,
                ..egui::TextureOptions::LINEAR
            };
            ctx.load_texture("overlay planes", picture, look)
        });
        // Nobody else fills it.
        filled.set(texture).ok();
        ctx.request_repaint();
    };
    if at_once {
        make();
    } else {
        rayon::spawn(make);
    }
    slot.get().cloned().flatten()
}

/// What of the planes lies on each cell of `step × step` pixels, with a dark edge about the ink.
fn covered(image: &Radiograph, which: Planes, step: usize) -> Grid<u8> {
    let size = (image.width(), image.height());
    let mut cells = Grid::filled(size.0.div_ceil(step), size.1.div_ceil(step), NONE);
    for plane in image.overlays.iter().filter(|plane| which.shows(plane)) {
        let Pixels::U8(ink) = &plane.ink else {
            continue;
        };
        if ink.size() != size {
            continue;
        }
        let kind = if plane.region { REGION } else { INK };
        for y in 0..size.1 {
            let row = cells.row_mut(y / step);
            for (x, _) in ink.row(y).iter().enumerate().filter(|(_, dot)| **dot != 0) {
                row[x / step] = row[x / step].max(kind);
            }
        }
    }
    let (width, height) = cells.size();
    let mut edged = cells.clone();
    for y in 0..height {
        for x in 0..width {
            if cells[(x, y)] != INK {
                continue;
            }
            for beside in y.saturating_sub(1)..(y + 2).min(height) {
                let row = &mut edged.row_mut(beside)[x.saturating_sub(1)..(x + 2).min(width)];
                for cell in row.iter_mut().filter(|cell| **cell < EDGE) {
                    *cell = EDGE;
                }
            }
        }
    }
    edged
}

/// The picture of these planes of an image, at most `most` pixels a side; `None` where they hold nothing.
pub fn color_image(image: &Radiograph, which: Planes, most: usize) -> Option<egui::ColorImage> {
    let longest = image.width().max(image.height());
    let cells = covered(image, which, longest.div_ceil(most.max(1)).max(1));
    if cells.cells().iter().all(|cell| *cell == NONE) {
        return None;
    }
    let colors = [
        egui::Color32::TRANSPARENT,
        palette::TEXT.gamma_multiply(0.3),
        palette::HALO,
        palette::TEXT,
    ];
    let (width, height) = cells.size();
    let pixels = cells.cells().iter().map(|cell| colors[usize::from(*cell)]);
    Some(egui::ColorImage::new([width, height], pixels.collect()))
}
