//! Matrix products over lines in memory: the one inner loop of convolutions, linear layers and attention.
//!
//! Every heavy operation is `C[row, n] = start + Σ_k A[row, k] · B[k, n]` where a row of `B` is a set of contiguous
//! lines of an array that stays where it is: `B[k]` is the same lines, moved by `offsets[k]`. For a convolution the
//! lines are rows of a padded picture and `offsets` the taps of the kernel, so no column matrix is ever built
//! (compare Zhang, Franchetti & Low 2018, "High performance zero-memory overhead direct convolutions").
//! Work is split by outputs, never along `k`: the same bits for every number of threads.
#![expect(
    unsafe_code,
    reason = "threads write disjoint tiles of one output, and tiles read without bounds checks"
)]

pub(crate) mod kernel;
pub(crate) mod memory;
mod pack;
mod split;
pub(crate) mod transpose;

use std::cell::RefCell;
use std::sync::OnceLock;

use kernel::{Kernels, MOST_LANES, ROWS, Start, Tile, VECTORS, kernels};
use memory::Output;
use pack::pack;
use rayon::prelude::*;
use split::{Piece, pieces};
pub(crate) use split::{rows_together, tasks};

/// Width of a packed panel: the widest tile of any instruction set.
const PANEL: usize = VECTORS * MOST_LANES;
/// Most steps of a sum between two visits to the output: what a first-level cache holds of `B`.
pub(crate) const DEPTH_BLOCK: usize = 288;
/// The same where a panel of `B` shares nothing between its steps, as in a plain matrix.
pub(crate) const MATRIX_BLOCK: usize = 128;

/// The right-hand matrix: lines of `width` values in `data`.
#[derive(Clone, Copy)]
pub(crate) struct Lines<'a> {
    /// The array all lines lie in.
    pub data: &'a [f32],
    /// How far `B[k]` is moved.
    pub offsets: &'a [u32],
    /// Where each line starts in `data`, for an offset of 0.
    pub starts: &'a [u32],
    /// Values a line.
    pub width: usize,
}

/// What a product starts from.
#[derive(Clone, Copy)]
pub(crate) enum Begin<'a> {
    /// Zero.
    Zero,
    /// What the output holds.
    Output,
    /// One value a row.
    Row(&'a [f32]),
    /// One value a column.
    Column(&'a [f32]),
}

/// One product; the output is `[rows, lines · width]` with rows `c_row` apart, from `c` on.
#[derive(Clone, Copy)]
pub(crate) struct Product<'a> {
    /// `A[row, k]` is `a[row · a_row + k]`.
    pub a: &'a [f32],
    /// Distance of the rows of `A`.
    pub a_row: usize,
    /// Rows of `A` and the output.
    pub rows: usize,
    /// The right-hand matrix.
    pub b: Lines<'a>,
    /// Where the output starts.
    pub c: usize,
    /// Distance of the rows of the output.
    pub c_row: usize,
    /// What the sums start from.
    pub begin: Begin<'a>,
    /// Steps between visits to the output; a function of the shape alone, as it fixes the order of the sums.
    pub block: usize,
    /// The same product of further matrices, added in order.
    pub repeat: Option<Repeat>,
}

/// Further pairs of matrices, at equal distances in the same arrays.
#[derive(Clone, Copy)]
pub(crate) struct Repeat {
    /// Pairs in all.
    pub count: usize,
    /// Distance of the left matrices.
    pub a_step: usize,
    /// Distance of the right matrices.
    pub b_step: usize,
}

/// How the right-hand matrix is read.
#[derive(Clone, Copy, PartialEq)]
enum Reading {
    /// Vectors straight from the lines.
    Direct,
    /// Panels copied together first, because lines are short or would evict each other from the cache.
    Packed,
}

impl Product<'_> {
    fn columns(&self) -> usize {
        self.b.starts.len() * self.b.width
    }

    /// Pairs of matrices, and how far the last left and right ones lie behind the first.
    fn repeats(&self) -> (usize, usize, usize) {
        self.repeat.map_or((1, 0, 0), |repeat| {
            let more = repeat.count.saturating_sub(1);
            (repeat.count, more * repeat.a_step, more * repeat.b_step)
        })
    }

    fn depth(&self) -> usize {
        self.b.offsets.len()
    }

    /// Values between the first and the last one of the right-hand matrix.
    fn span(&self) -> usize {
        let farthest = self.b.starts.iter().max().copied().unwrap_or(0);
        let last = self.b.offsets.iter().max().copied().unwrap_or(0);
        farthest as usize + last as usize + self.b.width
    }

    fn reading(&self, lanes: usize) -> Reading {
        let padded_width = self.b.width.next_multiple_of(lanes);
        let behind = self.repeats().2;
        let inside = behind + self.span() + padded_width - self.b.width <= self.b.data.len();
        let direct = padded_width * self.b.starts.len();
        let packed = self.columns().next_multiple_of(lanes);
        let stride = match self.b.offsets {
            [first, second, ..] => second.abs_diff(*first) as usize,
            _ => 1,
        };
        let conflicts = stride >= 512 && stride.is_multiple_of(512) && self.rows > 2 * ROWS;
        if inside && !conflicts && direct * 8 <= packed * 9 {
            Reading::Direct
        } else {
            Reading::Packed
        }
    }

    /// Panics if any address of the product lies outside its arrays; what the kernels rely on.
    fn check(&self, output: usize) {
        assert!(self.block > 0 && self.block <= DEPTH_BLOCK, "block");
        assert!(self.rows > 0 && self.columns() > 0, "an empty product");
        let (count, a_behind, b_behind) = self.repeats();
        assert!(count > 0, "a product of nothing");
        assert!(
            a_behind + (self.rows - 1) * self.a_row + self.depth() <= self.a.len(),
            "the left matrix is too short"
        );
        assert!(
            self.c + (self.rows - 1) * self.c_row + self.columns() <= output,
            "the output is too short"
        );
        assert!(
            self.depth() == 0 || b_behind + self.span() <= self.b.data.len(),
            "the right matrix is too short"
        );
        match self.begin {
            Begin::Row(values) => assert!(values.len() >= self.rows, "start"),
            Begin::Column(values) => assert!(values.len() >= self.columns(), "start"),
            Begin::Zero | Begin::Output => {}
        }
    }
}

fn vectors_of(product: &Product<'_>, reading: Reading, lanes: usize) -> usize {
    match reading {
        Reading::Direct => product.b.starts.len() * product.b.width.div_ceil(lanes),
        Reading::Packed => product.columns().div_ceil(lanes),
    }
}

/// Computes all products, whose outputs must not overlap, into `output`.
pub(crate) fn multiply(products: &[Product<'_>], output: Output<'_>) {
    let kernels = kernels();
    for product in products {
        product.check(output.len());
    }
    let readings: Vec<Reading> = products
        .iter()
        .map(|product| product.reading(kernels.lanes))
        .collect();
    let pieces = pieces(products, &readings, kernels);
    let run = |piece: &Piece| {
        let (product, reading) = (&products[piece.product], readings[piece.product]);
        // SAFETY: `check` has proven the addresses; pieces of one product are disjoint, products by contract.
        unsafe { run_repeats(kernels, product, reading, piece, output) };
    };
    if pieces.len() == 1 {
        pieces.iter().for_each(run);
    } else {
        pieces.par_iter().with_max_len(1).for_each(run);
    }
}

/// [`multiply`] of one product within this thread, for callers that have split their work already.
pub(crate) fn multiply_here(product: &Product<'_>, output: Output<'_>) {
    let kernels = kernels();
    product.check(output.len());
    let reading = product.reading(kernels.lanes);
    let piece = Piece {
        product: 0,
        vectors: 0..vectors_of(product, reading, kernels.lanes),
        rows: 0..product.rows,
    };
    // SAFETY: `check` has proven the addresses; callers give tasks of one output disjoint products.
    unsafe { run_repeats(kernels, product, reading, &piece, output) };
}

/// A piece of a product and of its repetitions, in order.
///
/// # Safety
/// As [`run_piece`].
unsafe fn run_repeats(
    kernels: &Kernels,
    product: &Product<'_>,
    reading: Reading,
    piece: &Piece,
    output: Output<'_>,
) {
    with_panel(|panel| {
        let mut product = *product;
        for number in 0..product.repeats().0 {
            if let (Some(repeat), true) = (product.repeat, number > 0) {
                product.a = &product.a[repeat.a_step..];
                product.b.data = &product.b.data[repeat.b_step..];
                product.begin = Begin::Output;
            }
            // SAFETY: the caller vouches for the piece; `check` has included all repetitions.
            unsafe { run_piece(kernels, &product, reading, piece, panel, output) };
        }
    });
}

thread_local! {
    static PANEL_BUFFER: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Runs `work` with this thread's panel, which begins at a cache line.
fn with_panel(work: impl FnOnce(&mut [f32])) {
    PANEL_BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(PANEL * DEPTH_BLOCK + MOST_LANES, 0.0);
        let start = buffer.as_ptr().align_offset(64).min(MOST_LANES);
        work(&mut buffer[start..start + PANEL * DEPTH_BLOCK]);
    });
}

fn panel_offsets() -> &'static [u32] {
    static OFFSETS: OnceLock<Vec<u32>> = OnceLock::new();
    OFFSETS.get_or_init(|| (0..DEPTH_BLOCK).map(|k| (k * PANEL) as u32).collect())
}

/// A vector of a tile: where it is read without an offset, its column and how many of its lanes count.
#[derive(Clone, Copy, Default)]
struct Vector {
    source: usize,
    column: usize,
    valid: usize,
}

/// # Safety
/// The product must have passed [`Product::check`] for this output, and the piece must be this thread's alone.
unsafe fn run_piece(
    kernels: &Kernels,
    product: &Product<'_>,
    reading: Reading,
    piece: &Piece,
    panel: &mut [f32],
    output: Output<'_>,
) {
    let lanes = kernels.lanes;
    let depth = product.depth();
    let mut from = 0;
    loop {
        let to = (from + product.block).min(depth);
        for first in piece.vectors.clone().step_by(VECTORS) {
            let mut vectors = [Vector::default(); VECTORS];
            let used = VECTORS.min(piece.vectors.end - first);
            for (v, vector) in vectors.iter_mut().enumerate().take(used) {
                *vector = describe(product, reading, lanes, first + v);
            }
            let (base, offsets) = match reading {
                Reading::Direct => (product.b.data.as_ptr(), &product.b.offsets[from..to]),
                Reading::Packed => {
                    let column = first * lanes;
                    let columns = (used * lanes).min(product.columns() - column);
                    pack(&product.b, from..to, column, columns, panel);
                    for (v, vector) in vectors.iter_mut().enumerate() {
                        vector.source = v * lanes;
                    }
                    (panel.as_ptr(), &panel_offsets()[..to - from])
                }
            };
            let whole = vectors[..used].iter().all(|vector| vector.valid == lanes);
            let mut row = piece.rows.start;
            while row < piece.rows.end {
                let rows = kernels.rows.min(piece.rows.end - row);
                let c = product.c + row * product.c_row;
                let mut tile = Tile {
                    depth: to - from,
                    // An empty sum reads nothing of `a`.
                    a: product.a.as_ptr().wrapping_add(row * product.a_row + from),
                    a_row: product.a_row,
                    offsets: offsets.as_ptr(),
                    b: std::array::from_fn(|v| base.wrapping_add(vectors[v].source)),
                    c: std::array::from_fn(|v| output.at(c + vectors[v].column)),
                    c_row: product.c_row,
                    start: match product.begin {
                        _ if from > 0 => Start::Output,
                        Begin::Zero => Start::Zero,
                        Begin::Output => Start::Output,
                        Begin::Row(values) => Start::Row(values[row..].as_ptr()),
                        Begin::Column(values) => {
                            Start::Column(values[vectors[0].column..].as_ptr())
                        }
                    },
                };
                // SAFETY: rows, vectors and steps lie inside what `check` measured; whole vectors write only
                // columns of this piece, others go through a buffer.
                unsafe {
                    if whole {
                        kernels.tile(rows, used, &tile);
                    } else {
                        part_tile(kernels, rows, &vectors[..used], &mut tile);
                    }
                }
                row += rows;
            }
        }
        from = to;
        if from >= depth {
            break;
        }
    }
}

fn describe(product: &Product<'_>, reading: Reading, lanes: usize, vector: usize) -> Vector {
    match reading {
        Reading::Direct => {
            let width = product.b.width;
            let in_line = width.div_ceil(lanes);
            let (line, at) = (vector / in_line, vector % in_line * lanes);
            Vector {
                source: product.b.starts[line] as usize + at,
                column: line * width + at,
                valid: lanes.min(width - at),
            }
        }
        Reading::Packed => Vector {
            source: 0,
            column: vector * lanes,
            valid: lanes.min(product.columns() - vector * lanes),
        },
    }
}

/// Computes a tile whose vectors are not all full, through a buffer.
///
/// # Safety
/// As [`Kernels::tile`], with writes only to the valid lanes.
unsafe fn part_tile(kernels: &Kernels, rows: usize, vectors: &[Vector], tile: &mut Tile) {
    let lanes = kernels.lanes;
    let mut buffer = [0.0_f32; ROWS * PANEL];
    let mut column_start = [0.0_f32; PANEL];
    let targets = tile.c;
    // SAFETY: only valid lanes of the output and of the start are touched; the buffer holds a whole tile.
    unsafe {
        if let Start::Output = tile.start {
            for r in 0..rows {
                for (v, vector) in vectors.iter().enumerate() {
                    let from = targets[v].add(r * tile.c_row).cast_const();
                    let to = buffer[r * PANEL + v * lanes..].as_mut_ptr();
                    std::ptr::copy_nonoverlapping(from, to, vector.valid);
                }
            }
        }
        if let Start::Column(values) = tile.start {
            let valid = vectors.last().map_or(0, |last| last.valid);
            let count = (vectors.len() - 1) * lanes + valid;
            std::ptr::copy_nonoverlapping(values, column_start.as_mut_ptr(), count);
            tile.start = Start::Column(column_start.as_ptr());
        }
        let c_row = std::mem::replace(&mut tile.c_row, PANEL);
        let base = buffer.as_mut_ptr();
        tile.c = std::array::from_fn(|v| base.wrapping_add(v * lanes));
        kernels.tile(rows, vectors.len(), tile);
        for r in 0..rows {
            for (v, vector) in vectors.iter().enumerate() {
                let from = buffer[r * PANEL + v * lanes..].as_ptr();
                std::ptr::copy_nonoverlapping(from, targets[v].add(r * c_row), vector.valid);
            }
        }
    }
}
