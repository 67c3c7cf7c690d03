//! Attention in blocks: no matrix of all scores, forward or backward.
//!
//! Separate from softmax: here it runs online, block by block (Dao et al. 2022, "FlashAttention", algorithms 1 and 4;
//! the memory needed grows with the length of the sequence, not with its square).

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Tensor, bail};
use rayon::prelude::*;

use super::activation::{exponentials, largest, scale_all, softmax};
use super::product::memory::{Output, with_scratch};
use super::product::transpose::transpose_into;
use super::product::{Begin, DEPTH_BLOCK, Lines, Product, multiply_here};
use super::tensor::{OneStorage, new_tensor, read, slice, written};
use super::vector::{dot, exp, vectorized};

/// Queries that are worked on together.
const QUERIES: usize = 64;
/// Keys that are worked on together.
const KEYS: usize = 512;

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
    if !q.device().is_cpu() {
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

/// `C [rows, columns] = A · B` (plus what `C` holds) within this thread; `b_row` is the distance of the rows of `B`.
fn product(
    a: &[f32],
    (b, b_row): (&[f32], usize),
    [rows, depth, columns]: [usize; 3],
    add: bool,
    c: &mut [f32],
) {
    let mut offsets = [0_u32; KEYS];
    for (k, offset) in offsets.iter_mut().enumerate() {
        *offset = (k * b_row) as u32;
    }
    // Depths beyond one block of offsets are summed in order, block by block.
    for from in (0..depth).step_by(KEYS) {
        let to = (from + KEYS).min(depth);
        let product = Product {
            a: &a[from..],
            a_row: depth,
            rows,
            b: Lines {
                data: &b[from * b_row..],
                offsets: &offsets[..to - from],
                starts: &[0],
                width: columns,
            },
            c: 0,
            c_row: columns,
            begin: if add || from > 0 {
                Begin::Output
            } else {
                Begin::Zero
            },
            block: DEPTH_BLOCK,
            repeat: None,
        };
        multiply_here(&product, Output::new(c));
    }
}

vectorized! {
    /// `p = e^(scale·s - logarithm)` and `ds = scale · p · (dp - mean)`, with a logarithm and a mean a column.
    fn slopes(p: &mut [f32], ds: &mut [f32], logarithms: &[f32], means: &[f32], scale: f32) {
        for (((p, ds), logarithm), mean) in p.iter_mut().zip(ds).zip(logarithms).zip(means) {
            *p = exp(*p * scale - logarithm);
            *ds = scale * *p * (*ds - mean);
        }
    }
}

impl Blocks {
    /// One block of queries of one head.
    fn forward(&self, q: &[f32], turned_keys: &[f32], v: &[f32], y: &mut [f32], logs: &mut [f32]) {
        let rows = q.len() / self.depth;
        let mut most = [f32::NEG_INFINITY; QUERIES];
        let mut total = [0.0_f32; QUERIES];
        with_scratch(rows * KEYS, |scores| {
            for from in (0..self.keys).step_by(KEYS) {
                let count = KEYS.min(self.keys - from);
                let scores = &mut scores[..rows * count];
                let keys = &turned_keys[from..];
                product(
                    q,
                    (keys, self.keys),
                    [rows, self.depth, count],
                    false,
                    scores,
                );
                for (r, row) in scores.chunks_exact_mut(count).enumerate() {
                    let peak = (largest(row) * self.scale).max(most[r]);
                    let sum = exponentials(row, self.scale, peak);
                    let fade = exp(most[r] - peak);
                    total[r] = total[r] * fade + sum;
                    if from > 0 && fade != 1.0 {
                        scale_all(&mut y[r * self.values..(r + 1) * self.values], fade);
                    }
                    most[r] = peak;
                }
                let v = &v[from * self.values..];
                product(
                    scores,
                    (v, self.values),
                    [rows, count, self.values],
                    from > 0,
                    y,
                );
            }
        });
        for (r, row) in y.chunks_exact_mut(self.values).enumerate() {
            scale_all(row, 1.0 / total[r]);
            logs[r] = most[r] + total[r].ln();
        }
    }

    /// All gradients of one head: `[q, k, v, y, dy]` in, `[dq, dk, dv]` out.
    fn backward(&self, [q, k, v, y, dy]: [&[f32]; 5], logs: &[f32], [dq, dk, dv]: [&mut [f32]; 3]) {
        let (n, d, e) = (self.queries, self.depth, self.values);
        let means: Vec<f32> = y
            .chunks_exact(e)
            .zip(dy.chunks_exact(e))
            .map(|(y, dy)| dot(y, dy) as f32)
            .collect();
        let room = n * (d + e) + 3 * QUERIES * KEYS;
        with_scratch(room, |scratch| {
            let (turned_q, rest) = scratch.split_at_mut(n * d);
            let (turned_dy, rest) = rest.split_at_mut(n * e);
            let (p, rest) = rest.split_at_mut(QUERIES * KEYS);
            let (ds, turned_ds) = rest.split_at_mut(QUERIES * KEYS);
            transpose_into(q, d, n, d, turned_q);
            transpose_into(dy, e, n, e, turned_dy);
            for key in (0..self.keys).step_by(QUERIES) {
                let keys = QUERIES.min(self.keys - key);
                let (k, v) = (&k[key * d..(key + keys) * d], &v[key * e..(key + keys) * e]);
                let dk = &mut dk[key * d..(key + keys) * d];
                let dv = &mut dv[key * e..(key + keys) * e];
                for from in (0..n).step_by(KEYS) {
                    let count = KEYS.min(n - from);
                    let add = from > 0;
                    let (p, ds) = (&mut p[..keys * count], &mut ds[..keys * count]);
                    product(k, (&turned_q[from..], n), [keys, d, count], false, p);
                    product(v, (&turned_dy[from..], n), [keys, e, count], false, ds);
                    let part = from..from + count;
                    for (p, ds) in p.chunks_exact_mut(count).zip(ds.chunks_exact_mut(count)) {
                        slopes(p, ds, &logs[part.clone()], &means[part.clone()], self.scale);
                    }
                    product(p, (&dy[from * e..], e), [keys, count, e], add, dv);
                    product(ds, (&q[from * d..], d), [keys, count, d], add, dk);
                    let turned_ds = &mut turned_ds[..keys * count];
                    transpose_into(ds, count, keys, count, turned_ds);
                    let dq = &mut dq[from * d..(from + count) * d];
                    product(turned_ds, (k, d), [count, keys, d], key > 0, dq);
                }
            }
        });
    }
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
            with_scratch(k.len(), |turned| {
                turned
                    .par_chunks_mut(m * d)
                    .zip(k.par_chunks(m * d))
                    .for_each(|(turned, k)| transpose_into(k, d, m, d, turned));
                let turned: &[f32] = turned;
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
                    let v = &v[head * m * e..(head + 1) * m * e];
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
