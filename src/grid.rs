//! `Grid<T>`: the one 2-D buffer of the project, row-major, x to the right and y down.
//!
//! Pixels, masks, hints, heat maps and path lengths are all grids, so that sizes are checked once and
//! an index means the same thing everywhere: `grid[(x, y)]` is the pixel whose centre lies at `(x, y)`.

use std::ops::{Index, IndexMut};

use crate::geometry::PixelRect;

/// A row-major 2-D buffer of `width × height` cells.
#[derive(Clone, PartialEq, Eq, Default, Hash)]
pub struct Grid<T> {
    width: usize,
    height: usize,
    cells: Vec<T>,
}

impl<T> Grid<T> {
    /// Takes `cells` in row-major order; `None` when their number is not `width × height`.
    pub fn from_vec(width: usize, height: usize, cells: Vec<T>) -> Option<Self> {
        (width.checked_mul(height)? == cells.len()).then_some(Self {
            width,
            height,
            cells,
        })
    }

    /// Computes every cell from its `(x, y)`.
    pub fn from_fn(width: usize, height: usize, mut cell: impl FnMut(usize, usize) -> T) -> Self {
        let mut cells = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                cells.push(cell(x, y));
            }
        }
        Self {
            width,
            height,
            cells,
        }
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// `(width, height)`.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// All cells, row after row.
    pub fn cells(&self) -> &[T] {
        &self.cells
    }

    /// All cells for writing, row after row.
    pub fn cells_mut(&mut self) -> &mut [T] {
        &mut self.cells
    }

    /// Gives up the buffer.
    pub fn into_cells(self) -> Vec<T> {
        self.cells
    }

    /// The cell at `(x, y)`, if inside.
    pub fn get(&self, x: usize, y: usize) -> Option<&T> {
        (x < self.width && y < self.height).then(|| &self.cells[y * self.width + x])
    }

    /// Row `y`.
    pub fn row(&self, y: usize) -> &[T] {
        &self.cells[y * self.width..(y + 1) * self.width]
    }

    /// Row `y` for writing.
    pub fn row_mut(&mut self, y: usize) -> &mut [T] {
        &mut self.cells[y * self.width..(y + 1) * self.width]
    }

    /// A grid of the same size with `f` applied to every cell.
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> Grid<U> {
        Grid {
            width: self.width,
            height: self.height,
            cells: self.cells.iter().map(f).collect(),
        }
    }

    /// The rectangle that covers the whole grid.
    pub fn bounds(&self) -> PixelRect {
        PixelRect::new(0, 0, self.width, self.height)
    }
}

impl<T: Clone> Grid<T> {
    /// A grid filled with one value.
    pub fn filled(width: usize, height: usize, value: T) -> Self {
        Self {
            width,
            height,
            cells: vec![value; width * height],
        }
    }

    /// The part inside `rect`; cells of `rect` that lie outside the grid become `outside`.
    #[must_use]
    pub fn crop(&self, rect: PixelRect, outside: T) -> Self {
        let mut part = Self::filled(rect.width, rect.height, outside);
        let inner = rect.intersection(self.bounds());
        for y in inner.y..inner.bottom() {
            let from = y as usize * self.width + inner.x as usize;
            let to = (y - rect.y) as usize * rect.width + (inner.x - rect.x) as usize;
            part.cells[to..to + inner.width]
                .clone_from_slice(&self.cells[from..from + inner.width]);
        }
        part
    }
}

impl<T> Index<(usize, usize)> for Grid<T> {
    type Output = T;

    fn index(&self, (x, y): (usize, usize)) -> &T {
        debug_assert!(x < self.width && y < self.height);
        &self.cells[y * self.width + x]
    }
}

impl<T> IndexMut<(usize, usize)> for Grid<T> {
    fn index_mut(&mut self, (x, y): (usize, usize)) -> &mut T {
        debug_assert!(x < self.width && y < self.height);
        &mut self.cells[y * self.width + x]
    }
}

impl<T> std::fmt::Debug for Grid<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Grid {} × {}", self.width, self.height)
    }
}
