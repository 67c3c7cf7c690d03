//! Rasters of marks: the truth about which pixels a mark covers.
//!
//! Pixel centers lie at integers. Paint takes the larger of what is there and the coverage, erase the smaller of what
//! is there and the inverse coverage: so a stroke split at a sample gives the same raster as the whole one, and the
//! order of marks is kept. Separate from the display, which may only approximate it.

mod area;
mod capsule;
mod layer;
mod square;

use super::{Document, Layer, Mark, Operation, Shape, StrokePoint, Tip};
use crate::geometry::{PixelRect, Point};
use crate::grid::Grid;

pub use layer::LayerRaster;

/// The tip of a brush set down at one sample: a disc or a square, half a width in reach.
#[derive(Clone, Copy)]
struct Dab {
    at: Point,
    reach: f64,
}

impl Dab {
    /// At least one pixel wide.
    fn wide(self) -> Self {
        Self {
            reach: self.reach.max(0.5),
            ..self
        }
    }
}

/// Draws what lies between each two samples of a stroke; where both have pressure 0 nothing does.
fn segments(points: &[StrokePoint], width: f64, mut draw: impl FnMut(Dab, Dab)) {
    let dab = |p: &StrokePoint| Dab {
        at: p.at,
        reach: width * f64::from(p.pressure) / 2.0,
    };
    let mut segment = |a: Dab, b: Dab| {
        if a.reach > 0.0 || b.reach > 0.0 {
            draw(a, b);
        }
    };
    if let [only] = points {
        segment(dab(only), dab(only));
    }
    for pair in points.windows(2) {
        segment(dab(&pair[0]), dab(&pair[1]));
    }
}

/// The raster of one layer at the size of the image: 0 outside, 255 inside, between for smooth edges.
pub fn rasterize(document: &Document, layer: Layer) -> Grid<u8> {
    let image = document.image();
    let mut grid = Grid::filled(image.width(), image.height(), 0);
    let clip = grid.bounds();
    for mark in document.marks_of(layer) {
        draw(&mut grid, mark, clip);
    }
    grid
}

/// Draws one mark into `grid`, only inside `clip`; returns the rectangle that may have changed.
pub fn draw(grid: &mut Grid<u8>, mark: &Mark, clip: PixelRect) -> PixelRect {
    let clip = bounds_of(mark)
        .intersection(clip)
        .intersection(grid.bounds());
    if clip.is_empty() {
        return clip;
    }
    let mut target = Target {
        grid,
        clip,
        operation: mark.operation,
    };
    match &mark.shape {
        Shape::Stroke {
            points,
            width,
            smooth,
            tip,
        } => match tip {
            Tip::Round => capsule::stroke(&mut target, points, *width, *smooth),
            Tip::Square => square::stroke(&mut target, points, *width),
        },
        Shape::Polygon { points } => area::polygon(&mut target, points),
        Shape::Rectangle { from, to } => area::rectangle(&mut target, *from, *to),
        Shape::Region { bounds, inside } => area::region(&mut target, *bounds, inside),
    }
    clip
}

/// A rectangle that holds every pixel a mark can touch, whatever the image; clamped to ±2^40 pixels.
pub fn bounds_of(mark: &Mark) -> PixelRect {
    match &mark.shape {
        Shape::Stroke { points, width, .. } => {
            let pressure = points.iter().fold(0.0_f32, |most, p| most.max(p.pressure));
            let radius = width * f64::from(pressure) / 2.0;
            around(points.iter().map(|p| p.at), radius.max(0.5) + 0.5)
        }
        Shape::Polygon { points } => around(points.iter().copied(), 0.0),
        Shape::Rectangle { from, to } => around([*from, *to].into_iter(), 0.0),
        Shape::Region { bounds, .. } => {
            let far = |v: i64| v.unsigned_abs() > 1 << 40;
            if far(bounds.x) || far(bounds.y) {
                return PixelRect::default();
            }
            *bounds
        }
    }
}

fn around(points: impl Iterator<Item = Point>, margin: f64) -> PixelRect {
    const FAR: f64 = (1_u64 << 40) as f64;
    let mut low = Point::new(f64::INFINITY, f64::INFINITY);
    let mut high = Point::new(f64::NEG_INFINITY, f64::NEG_INFINITY);
    for p in points {
        low = Point::new(low.x.min(p.x), low.y.min(p.y));
        high = Point::new(high.x.max(p.x), high.y.max(p.y));
    }
    if low.x > high.x || low.y > high.y {
        return PixelRect::default();
    }
    let first = |v: f64| (v - margin).floor().clamp(-FAR, FAR) as i64;
    let last = |v: f64| (v + margin).ceil().clamp(-FAR, FAR) as i64;
    let (x, y) = (first(low.x), first(low.y));
    PixelRect::new(
        x,
        y,
        (last(high.x) - x + 1).max(0) as usize,
        (last(high.y) - y + 1).max(0) as usize,
    )
}

/// Where coverage goes: a grid, the part that may change (inside the grid), and how.
struct Target<'a> {
    grid: &'a mut Grid<u8>,
    clip: PixelRect,
    operation: Operation,
}

impl Target<'_> {
    /// The pixels of row `y` whose centers lie in `[low, high]`, clipped; empty when there are none.
    fn columns(&self, low: f64, high: f64) -> std::ops::Range<usize> {
        // `as` saturates and takes NaN to 0; the clamp keeps both ends inside the clip in any case.
        let start = (low.ceil() as i64).clamp(self.clip.x, self.clip.right());
        let end = (high.floor() as i64)
            .saturating_add(1)
            .clamp(start, self.clip.right());
        start as usize..end as usize
    }

    /// The pixels of a row whose centers lie in `[low, high)`, clipped; empty when there are none.
    fn columns_before(&self, low: f64, high: f64) -> std::ops::Range<usize> {
        let start = (low.ceil() as i64).clamp(self.clip.x, self.clip.right());
        let end = (high.ceil() as i64).clamp(start, self.clip.right());
        start as usize..end as usize
    }

    /// The clipped rows whose centers lie in `[low, high]`.
    fn rows(&self, low: f64, high: f64) -> std::ops::Range<usize> {
        let start = (low.ceil() as i64).clamp(self.clip.y, self.clip.bottom());
        let end = (high.floor() as i64)
            .saturating_add(1)
            .clamp(start, self.clip.bottom());
        start as usize..end as usize
    }

    /// Covers a run of one row wholly.
    fn fill(&mut self, y: usize, columns: std::ops::Range<usize>) {
        let value = match self.operation {
            Operation::Paint => 255,
            Operation::Erase => 0,
        };
        if !columns.is_empty() {
            self.grid.row_mut(y)[columns].fill(value);
        }
    }

    /// Whether no coverage can change this pixel any more: neighboring segments overlap almost wholly.
    fn is_full(&self, x: usize, y: usize) -> bool {
        match self.operation {
            Operation::Paint => self.grid[(x, y)] == 255,
            Operation::Erase => self.grid[(x, y)] == 0,
        }
    }

    /// Covers one pixel partly.
    fn cover(&mut self, x: usize, y: usize, coverage: u8) {
        let operation = self.operation;
        let cell = &mut self.grid[(x, y)];
        *cell = match operation {
            Operation::Paint => (*cell).max(coverage),
            Operation::Erase => (*cell).min(255 - coverage),
        };
    }
}
