//! How products are cut into pieces for the threads.
//!
//! Separate because it decides about time alone: the same bits come out however a product is cut.

use super::kernel::Kernels;
use super::{Product, Reading, VECTORS, vectors_of};

/// Fewest multiply-adds worth a task of their own.
const LEAST_WORK: usize = 1 << 18;
/// Values that a task may go over again and again: half of a second-level cache.
const KEPT_NEAR: usize = 160 * 1024;
/// Multiply-adds in the time in which one value comes from a far cache, or is packed.
const FAR: usize = 16;

/// A part of a product: some vectors of its columns and some rows.
pub(super) struct Piece {
    pub(super) product: usize,
    pub(super) vectors: std::ops::Range<usize>,
    pub(super) rows: std::ops::Range<usize>,
}

/// How many tasks are worth it for so many multiply-adds.
pub(crate) fn tasks(work: usize) -> usize {
    match rayon::current_num_threads() {
        1 => 1,
        threads => (work / LEAST_WORK).clamp(1, threads * 4),
    }
}

/// Rows of length `depth` a task, so that they stay in its cache and every thread gets as many tasks.
pub(crate) fn rows_together(rows: usize, depth: usize) -> usize {
    let most = (KEPT_NEAR / depth.max(1)).max(1);
    let parts = rows
        .div_ceil(most)
        .next_multiple_of(rayon::current_num_threads());
    rows.div_ceil(parts).next_multiple_of(super::kernel::ROWS)
}

/// Cuts products into enough pieces for the threads, each so that it moves as little memory as possible: every part of
/// the columns reads the left matrix anew, every part of the rows reads (or packs) the right one.
pub(super) fn pieces(
    products: &[Product<'_>],
    readings: &[Reading],
    kernels: &Kernels,
) -> Vec<Piece> {
    let work = |p: &Product<'_>| p.rows * p.columns() * p.depth() * p.repeats().0;
    let total: usize = products.iter().map(work).sum();
    let each = tasks(total).div_ceil(products.len().max(1));
    let mut pieces = Vec::new();
    for (index, product) in products.iter().enumerate() {
        let vectors = vectors_of(product, readings[index], kernels.lanes);
        let tiles = product.rows.div_ceil(kernels.rows);
        let together = products.len();
        let (across, down) = parts(product, readings[index], [each, together], [vectors, tiles]);
        for column in 0..across {
            let part = |n: usize| vectors * n / across;
            for row in 0..down {
                let first = |n: usize| (tiles * n / down * kernels.rows).min(product.rows);
                pieces.push(Piece {
                    product: index,
                    vectors: part(column)..part(column + 1),
                    rows: first(row)..first(row + 1),
                });
            }
        }
    }
    pieces
}

/// Into how many parts columns and rows are cut: at most about `each` pieces of this one of `together` products.
fn parts(
    product: &Product<'_>,
    reading: Reading,
    [each, together]: [usize; 2],
    [vectors, tiles]: [usize; 2],
) -> (usize, usize) {
    let threads = rayon::current_num_threads();
    let (columns, depth) = (product.columns(), product.depth());
    let left = product.rows * depth;
    let right = match reading {
        Reading::Direct => product.span(),
        Reading::Packed => product.span() + columns * depth,
    };
    let compute = product.rows * columns * depth;
    let cost = |across: usize, down: usize| {
        let count = across * down * together;
        // Threads wait for the last pieces of a number that does not go up; few pieces cannot make up for a slow thread.
        let rounds = count.next_multiple_of(threads);
        let waiting = compute * (rounds - count) / count;
        let unsteady = compute / 32 * threads * 4 / count;
        (across * left + down * right) * FAR + waiting + unsteady
    };
    let most_across = vectors.div_ceil(VECTORS).min(each);
    let mut best = (1, 1);
    let mut least = usize::MAX;
    for across in 1..=most_across.max(1) {
        for down in 1..=tiles.min(each.div_ceil(across)).max(1) {
            if cost(across, down) < least {
                (best, least) = ((across, down), cost(across, down));
            }
        }
    }
    best
}
