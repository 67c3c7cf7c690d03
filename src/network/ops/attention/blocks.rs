//! One block of queries against all keys of a head, and the way back.
//!
//! Separate from what the tensor library sees: here are slices and the distances of their rows.

use crate::network::ops::activation::{exponentials, largest, scale_all};
use crate::network::ops::product::memory::{Output, with_scratch};
use crate::network::ops::product::transpose::transpose_into;
use crate::network::ops::product::{Begin, DEPTH_BLOCK, Lines, Product, multiply_here};
use crate::network::ops::vector::{dot, exp, vectorized};

/// Queries that are worked on together.
pub(super) const QUERIES: usize = 64;
/// Keys that are worked on together: whole tiles of every vector width, and one block of depth of a product.
const KEYS: usize = 288;
/// Rows are padded to whole vectors of the widest kind.
pub(super) const LANES: usize = 16;

/// Rows of one head: `width` values each, `row` apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub data: &'a [f32],
    pub row: usize,
    pub width: usize,
}

impl<'a> Rows<'a> {
    /// Rows without gaps.
    pub(super) fn dense(data: &'a [f32], width: usize) -> Self {
        Self {
            data,
            row: width,
            width,
        }
    }

    /// The rows from `first` on.
    pub(super) fn from(self, first: usize) -> Self {
        let data = self.data.get(first * self.row..).unwrap_or_default();
        Self { data, ..self }
    }

    fn iter(self) -> impl Iterator<Item = &'a [f32]> {
        self.data
            .chunks(self.row)
            .filter_map(move |row| row.get(..self.width))
    }
}

/// Sizes of one head.
#[derive(Clone, Copy)]
pub(super) struct Blocks {
    pub queries: usize,
    pub keys: usize,
    pub depth: usize,
    pub values: usize,
    pub scale: f32,
}

/// `C [rows, columns] = A · B` (plus what `C` holds) within this thread; `b` and `c` are contiguous, the depth is at most
/// [`KEYS`] or that of the queries.
fn product(a: Rows<'_>, b: &[f32], [rows, columns]: [usize; 2], add: bool, c: &mut [f32]) {
    let offsets: Vec<u32> = (0..a.width).map(|k| (k * columns) as u32).collect();
    let product = Product {
        a: a.data,
        a_row: a.row,
        rows,
        b: Lines {
            data: b,
            offsets: &offsets,
            starts: &[0],
            width: columns,
        },
        c: 0,
        c_row: columns,
        begin: if add { Begin::Output } else { Begin::Zero },
        block: DEPTH_BLOCK,
        repeat: None,
    };
    multiply_here(&product, Output::new(c));
}

/// Rows to rows of `padded` values, with zeros.
pub(super) fn pad_rows(x: Rows<'_>, padded: usize, out: &mut [f32]) {
    for (to, from) in out.chunks_exact_mut(padded).zip(x.iter()) {
        to[..x.width].copy_from_slice(from);
        to[x.width..].fill(0.0);
    }
}

/// The first `width` of each `padded` values to rows `row` apart.
fn strip_rows(x: &[f32], [width, padded]: [usize; 2], row: usize, out: &mut [f32]) {
    for (to, from) in out.chunks_mut(row).zip(x.chunks_exact(padded)) {
        to[..width].copy_from_slice(&from[..width]);
    }
}

/// Turns rows, [`KEYS`] of them at a time: blocks `[width, rows of the block]` one after the other.
pub(super) fn turn_blocks(x: Rows<'_>, out: &mut [f32]) {
    for (index, to) in out.chunks_mut(KEYS * x.width).enumerate() {
        let from = x.from(index * KEYS);
        transpose_into(from.data, from.row, to.len() / x.width, x.width, to);
    }
}

vectorized! {
    /// `p = e^(scale·s - logarithm)` and `ds = scale · p · (dp - mean)`, with a logarithm and a mean a column.
    fn slopes(p: &mut [f32], ds: &mut [f32], logarithms: &[f32], means: &[f32], scale: f32) {
        for (((p, ds), logarithm), mean) in p.iter_mut().zip(ds).zip(logarithms).zip(means) {
            *p = exp::<FUSED>(*p * scale - logarithm);
            *ds = scale * *p * (*ds - mean);
        }
    }
}

impl Blocks {
    /// One block of queries of one head; `keys` are turned block by block, `v` has padded rows. Writes results to rows of
    /// `y` that lie `row` apart, and a logarithm for each to `logs`. `bias` has a row for each query.
    pub(super) fn forward(
        &self,
        q: Rows<'_>,
        [keys, v]: [&[f32]; 2],
        bias: Option<Rows<'_>>,
        (y, row): (&mut [f32], usize),
        logs: &mut [f32],
    ) {
        let (rows, d) = (logs.len(), self.depth);
        let wide = self.values.next_multiple_of(LANES);
        let mut most = [f32::NEG_INFINITY; QUERIES];
        let mut total = [0.0_f32; QUERIES];
        with_scratch(rows * (KEYS + wide), |scratch| {
            let (scores, sums) = scratch.split_at_mut(rows * KEYS);
            for from in (0..self.keys).step_by(KEYS) {
                let count = KEYS.min(self.keys - from);
                let scores = &mut scores[..rows * count];
                let keys = &keys[from * d..(from + count) * d];
                product(q, keys, [rows, count], false, scores);
                if let Some(bias) = bias {
                    for (row, bias) in scores.chunks_exact_mut(count).zip(bias.iter()) {
                        self.add_bias(row, &bias[from..from + count]);
                    }
                }
                for (r, row) in scores.chunks_exact_mut(count).enumerate() {
                    let peak = (largest(row) * self.scale).max(most[r]);
                    let sum = exponentials(row, self.scale, peak);
                    let fade = exp::<false>(most[r] - peak);
                    total[r] = total[r] * fade + sum;
                    if from > 0 && fade != 1.0 {
                        scale_all(&mut sums[r * wide..(r + 1) * wide], fade);
                    }
                    most[r] = peak;
                }
                let v = &v[from * wide..(from + count) * wide];
                product(Rows::dense(scores, count), v, [rows, wide], from > 0, sums);
            }
            for (r, row) in sums.chunks_exact_mut(wide).enumerate() {
                scale_all(row, 1.0 / total[r]);
                logs[r] = most[r] + total[r].ln();
            }
            strip_rows(sums, [self.values, wide], row, y);
        });
    }

    /// Adds what is to be added to scaled scores to those that are not scaled yet.
    fn add_bias(&self, scores: &mut [f32], bias: &[f32]) {
        let inverse = 1.0 / self.scale;
        for (score, bias) in scores.iter_mut().zip(bias) {
            // The least number there is, as some masks have it, stays one.
            *score += (inverse * bias).max(f32::MIN / 4.0);
        }
    }

    /// All gradients of one head: `[q, k, v, y, dy]` in, `[dq, dk, dv]` out.
    ///
    /// With a bias its rows, and its gradient `[queries, keys]`, to which is added; empty where it is not wanted.
    pub(super) fn backward(
        &self,
        [q, k, v, y, dy]: [&[f32]; 5],
        logs: &[f32],
        mut bias: Option<(Rows<'_>, &mut [f32])>,
        [dq, dk, dv]: [&mut [f32]; 3],
    ) {
        let (n, d, e) = (self.queries, self.depth, self.values);
        let (dw, ew) = (d.next_multiple_of(LANES), e.next_multiple_of(LANES));
        let means: Vec<f32> = y
            .chunks_exact(e)
            .zip(dy.chunks_exact(e))
            .map(|(y, dy)| dot(y, dy) as f32)
            .collect();
        let tile = QUERIES * KEYS;
        let sizes = [n * d, n * e, n * dw, n * ew, n * dw, tile, tile, tile];
        let small = [QUERIES * dw, QUERIES * dw, QUERIES * ew];
        let room = sizes.iter().chain(&small).sum();
        with_scratch(room, |scratch| {
            let mut rest = scratch;
            let [
                turned_q,
                turned_dy,
                wide_q,
                wide_dy,
                wide_dq,
                p,
                ds,
                turned_ds,
            ] = sizes.map(|size| take(&mut rest, size));
            let [wide_k, wide_dk, wide_dv] = small.map(|size| take(&mut rest, size));
            let (q, dy) = (Rows::dense(q, d), Rows::dense(dy, e));
            turn_blocks(q, turned_q);
            turn_blocks(dy, turned_dy);
            pad_rows(q, dw, wide_q);
            pad_rows(dy, ew, wide_dy);
            for key in (0..self.keys).step_by(QUERIES) {
                let keys = QUERIES.min(self.keys - key);
                let k = Rows::dense(&k[key * d..(key + keys) * d], d);
                let v = Rows::dense(&v[key * e..(key + keys) * e], e);
                let wide_k = &mut wide_k[..keys * dw];
                pad_rows(k, dw, wide_k);
                for from in (0..n).step_by(KEYS) {
                    let (to, count) = ((from + KEYS).min(n), KEYS.min(n - from));
                    let (p, ds) = (&mut p[..keys * count], &mut ds[..keys * count]);
                    product(k, &turned_q[from * d..to * d], [keys, count], false, p);
                    product(v, &turned_dy[from * e..to * e], [keys, count], false, ds);
                    let turned_ds = &mut turned_ds[..keys * count];
                    if let Some((bias, _)) = &bias {
                        let rows = bias.from(from);
                        transpose_into(&rows.data[key..], rows.row, count, keys, turned_ds);
                        self.add_bias(p, turned_ds);
                    }
                    let (logs, means) = (&logs[from..to], &means[from..to]);
                    for (p, ds) in p.chunks_exact_mut(count).zip(ds.chunks_exact_mut(count)) {
                        slopes(p, ds, logs, means, self.scale);
                    }
                    let add = from > 0;
                    let dy = &wide_dy[from * ew..to * ew];
                    product(Rows::dense(p, count), dy, [keys, ew], add, wide_dv);
                    let q = &wide_q[from * dw..to * dw];
                    product(Rows::dense(ds, count), q, [keys, dw], add, wide_dk);
                    transpose_into(ds, count, keys, count, turned_ds);
                    if let Some((_, slopes)) = &mut bias {
                        let rows = slopes.chunks_exact_mut(self.keys).skip(from);
                        for (to, ds) in rows.zip(turned_ds.chunks_exact(keys)) {
                            self.add_bias(&mut to[key..key + keys], ds);
                        }
                    }
                    let wide_dq = &mut wide_dq[from * dw..to * dw];
                    product(
                        Rows::dense(turned_ds, keys),
                        wide_k,
                        [count, dw],
                        key > 0,
                        wide_dq,
                    );
                }
                strip_rows(wide_dk, [d, dw], d, &mut dk[key * d..(key + keys) * d]);
                strip_rows(wide_dv, [e, ew], e, &mut dv[key * e..(key + keys) * e]);
            }
            strip_rows(wide_dq, [d, dw], d, dq);
        });
    }
}

/// Takes the first `size` values off a slice.
#[expect(clippy::mut_mut, reason = "what is left of the slice moves on")]
fn take<'a>(rest: &mut &'a mut [f32], size: usize) -> &'a mut [f32] {
    let (first, others) = std::mem::take(rest).split_at_mut(size);
    *rest = others;
    first
}
