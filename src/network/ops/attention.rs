//! Attention in blocks: no matrix of all scores, forward or backward.
//!
//! Separate from softmax: here it runs online, block by block (Dao et al. 2022, "`FlashAttention`", algorithms 1 and 4;
//! the memory needed grows with the length of the sequence, not with its square).

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Tensor, bail};
use rayon::prelude::*;

use super::activation::{exponentials, largest, scale_all, softmax};
use super::product::memory::{Output, with_scratch};
use super::product::transpose::transpose_into;
use super::product::{Begin, DEPTH_BLOCK, Lines, Product, multiply_here};
use super::tensor::{OneStorage, new_tensor, on_processor, read, slice, written};
use super::vector::{dot, exp, vectorized};

/// Queries that are worked on together.
const QUERIES: usize = 64;
/// Keys that are worked on together: whole tiles of every vector width, and one block of depth of a product.
const KEYS: usize = 288;
/// Rows are padded to whole vectors of the widest kind.
const LANES: usize = 16;

/// Scaled dot-product attention: `softmax(q kᵀ / √D) v`, for each image and head.
///
/// `q [B,H,N,D]`, `k [B,H,M,D]`, `v [B,H,M,E]` to `[B,H,N,E]`; N and M may differ.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    let (&[b, h, n, d], &[kb, kh, m, kd], &[vb, vh, vm, e]) = (q.dims(), k.dims(), v.dims()) else {
        bail!("attention wants q, k, v [B,H,N,D]")
    };
    if (kb, kh, kd, vb, vh, vm) != (b, h, d, b, h, m) || m == 0 || d == 0 {
        bail!(
            "attention: q {:?}, k {:?}, v {:?} do not fit",
            q.dims(),
            k.dims(),
            v.dims()
        )
    }
    let scale = 1.0 / (d as f64).sqrt();
    if !on_processor(q) {
        let scores = (q.contiguous()?.matmul(&k.t()?.contiguous()?)? * scale)?;
        return softmax(&scores)?.matmul(&v.contiguous()?);
    }
    let op = Blocks {
        queries: n,
        keys: m,
        depth: d,
        values: e,
        scale: scale as f32,
        logarithms: OnceLock::new(),
    };
    q.contiguous()?
        .apply_op3(&k.contiguous()?, &v.contiguous()?, op)
}

struct Blocks {
    queries: usize,
    keys: usize,
    depth: usize,
    values: usize,
    scale: f32,
    /// For each query, the logarithm of the sum of its exponentials: what the gradient needs of the forward pass.
    logarithms: OnceLock<Vec<f32>>,
}

/// `C [rows, columns] = A · B` (plus what `C` holds) within this thread; all are contiguous, `depth` at most [`KEYS`]
/// or that of the queries.
fn product(a: &[f32], b: &[f32], [rows, depth, columns]: [usize; 3], add: bool, c: &mut [f32]) {
    let offsets: Vec<u32> = (0..depth).map(|k| (k * columns) as u32).collect();
    let product = Product {
        a,
        a_row: depth,
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

/// Rows of `width` values to rows of `padded` ones, with zeros.
fn pad_rows(x: &[f32], width: usize, padded: usize, out: &mut [f32]) {
    for (to, from) in out.chunks_exact_mut(padded).zip(x.chunks_exact(width)) {
        to[..width].copy_from_slice(from);
        to[width..].fill(0.0);
    }
}

/// The inverse of [`pad_rows`].
fn strip_rows(x: &[f32], width: usize, padded: usize, out: &mut [f32]) {
    for (to, from) in out.chunks_exact_mut(width).zip(x.chunks_exact(padded)) {
        to.copy_from_slice(&from[..width]);
    }
}

/// Turns rows of `width` values, [`KEYS`] of them at a time: blocks `[width, rows of the block]` one after the other.
fn turn_blocks(x: &[f32], width: usize, out: &mut [f32]) {
    let blocks = out.chunks_mut(KEYS * width).zip(x.chunks(KEYS * width));
    for (to, from) in blocks {
        transpose_into(from, width, from.len() / width, width, to);
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
    /// One block of queries of one head; `keys` are turned block by block, `v` has padded rows.
    fn forward(&self, q: &[f32], keys: &[f32], v: &[f32], y: &mut [f32], logs: &mut [f32]) {
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
                product(q, keys, [rows, d, count], false, scores);
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
                product(scores, v, [rows, count, wide], from > 0, sums);
            }
            strip_rows(sums, self.values, wide, y);
        });
        for (r, row) in y.chunks_exact_mut(self.values).enumerate() {
            scale_all(row, 1.0 / total[r]);
            logs[r] = most[r] + total[r].ln();
        }
    }

    /// All gradients of one head: `[q, k, v, y, dy]` in, `[dq, dk, dv]` out.
    fn backward(&self, [q, k, v, y, dy]: [&[f32]; 5], logs: &[f32], [dq, dk, dv]: [&mut [f32]; 3]) {
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
            turn_blocks(q, d, turned_q);
            turn_blocks(dy, e, turned_dy);
            pad_rows(q, d, dw, wide_q);
            pad_rows(dy, e, ew, wide_dy);
            for key in (0..self.keys).step_by(QUERIES) {
                let keys = QUERIES.min(self.keys - key);
                let (k, v) = (&k[key * d..(key + keys) * d], &v[key * e..(key + keys) * e]);
                let wide_k = &mut wide_k[..keys * dw];
                pad_rows(k, d, dw, wide_k);
                for from in (0..n).step_by(KEYS) {
                    let (to, count) = ((from + KEYS).min(n), KEYS.min(n - from));
                    let (p, ds) = (&mut p[..keys * count], &mut ds[..keys * count]);
                    product(k, &turned_q[from * d..to * d], [keys, d, count], false, p);
                    product(v, &turned_dy[from * e..to * e], [keys, e, count], false, ds);
                    let (logs, means) = (&logs[from..to], &means[from..to]);
                    for (p, ds) in p.chunks_exact_mut(count).zip(ds.chunks_exact_mut(count)) {
                        slopes(p, ds, logs, means, self.scale);
                    }
                    let add = from > 0;
                    let dy = &wide_dy[from * ew..to * ew];
                    product(p, dy, [keys, count, ew], add, wide_dv);
                    let q = &wide_q[from * dw..to * dw];
                    product(ds, q, [keys, count, dw], add, wide_dk);
                    let turned_ds = &mut turned_ds[..keys * count];
                    transpose_into(ds, count, keys, count, turned_ds);
                    let wide_dq = &mut wide_dq[from * dw..to * dw];
                    product(turned_ds, wide_k, [count, keys, dw], key > 0, wide_dq);
                }
                strip_rows(wide_dk, d, dw, &mut dk[key * d..(key + keys) * d]);
                strip_rows(wide_dv, e, ew, &mut dv[key * e..(key + keys) * e]);
            }
            strip_rows(wide_dq, d, dw, dq);
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

impl CustomOp3 for Blocks {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<OneStorage> {
        let (q, k, v) = (
            slice(q, q_layout)?,
            slice(k, k_layout)?,
            slice(v, v_layout)?,
        );
        let (b, h, n, d) = q_layout.shape().dims4()?;
        let (m, e) = (self.keys, self.values);
        let mut logs = vec![0.0; b * h * n];
        let y = written(b * h * n * e, |y| {
            let wide = e.next_multiple_of(LANES);
            with_scratch(b * h * m * (d + wide), |scratch| {
                let (turned, padded) = scratch.split_at_mut(k.len());
                turned
                    .par_chunks_mut(m * d)
                    .zip(padded.par_chunks_mut(m * wide))
                    .zip(k.par_chunks(m * d).zip(v.par_chunks(m * e)))
                    .for_each(|((turned, padded), (k, v))| {
                        turn_blocks(k, d, turned);
                        pad_rows(v, e, wide, padded);
                    });
                let (turned, padded): (&[f32], &[f32]) = (turned, padded);
                let blocks = n.div_ceil(QUERIES);
                // Blocks of queries of each head, in the order of memory.
                let parts: Vec<_> = y
                    .chunks_mut(n * e)
                    .zip(logs.chunks_mut(n))
                    .enumerate()
                    .flat_map(|(head, (y, logs))| {
                        y.chunks_mut(QUERIES * e)
                            .zip(logs.chunks_mut(QUERIES))
                            .enumerate()
                            .map(move |(block, part)| (head, block, part))
                    })
                    .collect();
                debug_assert_eq!(parts.len(), b * h * blocks);
                parts.into_par_iter().for_each(|(head, block, (y, logs))| {
                    let from = head * n + block * QUERIES;
                    let q = &q[from * d..(from + logs.len()) * d];
                    let keys = &turned[head * m * d..(head + 1) * m * d];
                    let v = &padded[head * m * wide..(head + 1) * m * wide];
                    self.forward(q, keys, v, y, logs);
                });
            });
        });
        // A second forward pass of one operation does not happen: it is made for one call.
        self.logarithms.set(logs).ok();
        Ok((CpuStorage::F32(y), (b, h, n, e).into()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(logs) = self.logarithms.get() else {
            bail!("attention: a gradient without a forward pass")
        };
        let (n, m, d, e) = (self.queries, self.keys, self.depth, self.values);
        if q.elem_count() == 0 || v.elem_count() == 0 {
            return Ok((
                Some(q.zeros_like()?),
                Some(k.zeros_like()?),
                Some(v.zeros_like()?),
            ));
        }
        read([q, k, v, y, dy], |[qs, ks, vs, ys, dys]| {
            let (mut dk, mut dv) = (None, None);
            let dq = new_tensor(q, |dq| {
                dk = Some(new_tensor(k, |dk| {
                    dv = Some(new_tensor(v, |dv| {
                        dq.par_chunks_mut(n * d)
                            .zip(dk.par_chunks_mut(m * d).zip(dv.par_chunks_mut(m * e)))
                            .enumerate()
                            .for_each(|(head, (dq, (dk, dv)))| {
                                let part = |x| part_of(x, head);
                                let inputs = [
                                    part((qs, n * d)),
                                    part((ks, m * d)),
                                    part((vs, m * e)),
                                    part((ys, n * e)),
                                    part((dys, n * e)),
                                ];
                                self.backward(inputs, part((logs, n)), [dq, dk, dv]);
                            });
                    }));
                }));
            })?;
            Ok((Some(dq), dk.transpose()?, dv.transpose()?))
        })
    }
}

fn part_of((values, size): (&[f32], usize), index: usize) -> &[f32] {
    &values[index * size..(index + 1) * size]
}
