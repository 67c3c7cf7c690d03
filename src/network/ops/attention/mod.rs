//! Attention in blocks: no matrix of all scores, forward or backward.
//!
//! Separate from softmax: here it runs online, block by block (Dao et al. 2022, "`FlashAttention`", algorithms 1 and 4;
//! the memory needed grows with the length of the sequence, not with its square).

mod biased;
mod blocks;

use std::sync::OnceLock;

pub use biased::attention_biased;
use biased::{Added, Sheets};
use blocks::{Blocks, LANES, QUERIES, Rows, pad_rows, turn_blocks};
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Tensor, bail};
use rayon::prelude::*;

use super::activation::softmax;
use super::product::memory::with_scratch;
use super::tensor::{OneStorage, new_tensor, on_processor, read, written};

/// Scores that a GPU holds at a time: what the formulas of the tensor library widen to f32 takes a few times 64 MB.
const SCORES: usize = 1 << 24;

/// Scaled dot-product attention: `softmax(q kᵀ / √D) v`, for each image and head.
///
/// Queries are scaled before they are multiplied, so that scores of half precision do not overflow needlessly; `q` and `k`
/// may be f32 where `v` is of half precision (on GPUs): then the scores are.
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
    let op = Attention::new(Arrangement::Heads, [b, h], [n, m, d, e]);
    if !on_processor(q) {
        return op.sliced([q, k, v], None);
    }
    q.contiguous()?
        .apply_op3(&k.contiguous()?, &v.contiguous()?, op)
}

/// [`attention`] of tokens whose `heads` lie one after the other in the last dimension, read and written in place.
///
/// `q [B,N,H·D]`, `k [B,M,H·D]`, `v [B,M,H·E]` to `[B,N,H·E]`; parts of a joint tensor need no copy.
pub fn attention_of_tokens(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize) -> Result<Tensor> {
    let (&[b, n, width], &[kb, m, k_width], &[vb, vm, v_width]) = (q.dims(), k.dims(), v.dims())
    else {
        bail!("attention wants q, k, v [B,N,C]")
    };
    let whole = heads > 0 && width % heads == 0 && v_width % heads == 0;
    if (kb, k_width, vb, vm) != (b, width, b, m) || m == 0 || width == 0 || !whole {
        bail!(
            "attention: q {:?}, k {:?}, v {:?} do not fit for {heads} heads",
            q.dims(),
            k.dims(),
            v.dims()
        )
    }
    let sizes = [n, m, width / heads, v_width / heads];
    let op = Attention::new(Arrangement::Tokens, [b, heads], sizes);
    if !on_processor(q) {
        let parts = [split(q, heads)?, split(k, heads)?, split(v, heads)?];
        let y = op.sliced(parts.each_ref(), None)?;
        return joined(&y);
    }
    let rows = |x: &Tensor| {
        if x.layout().stride().last() == Some(&1) {
            Ok(x.clone())
        } else {
            x.contiguous()
        }
    };
    rows(q)?.apply_op3(&rows(k)?, &rows(v)?, op)
}

/// `[B,N,H·D]` to `[B,H,N,D]`.
fn split(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, tokens, width) = x.dims3()?;
    x.reshape((batch, tokens, heads, width / heads))?
        .transpose(1, 2)?
        .contiguous()
}

/// The inverse of [`split`].
fn joined(x: &Tensor) -> Result<Tensor> {
    x.transpose(1, 2)?.flatten_from(2)?.contiguous()
}

/// Where the heads of an image lie.
#[derive(Clone, Copy, PartialEq)]
enum Arrangement {
    /// One after the other.
    Heads,
    /// Side by side in every row.
    Tokens,
}

struct Attention {
    arrangement: Arrangement,
    batch: usize,
    heads: usize,
    sizes: Blocks,
    /// For each query, the logarithm of the sum of its exponentials: what the gradient needs of the forward pass.
    /// Task by task, with the rows of a task.
    logarithms: OnceLock<(Vec<f32>, usize)>,
}

/// A tensor as rows of heads of images.
struct Side<'a> {
    data: &'a [f32],
    image: usize,
    head: usize,
    row: usize,
    width: usize,
}

impl<'a> Side<'a> {
    fn of(
        storage: &'a CpuStorage,
        layout: &Layout,
        arrangement: Arrangement,
        width: usize,
    ) -> Result<Self> {
        let CpuStorage::F32(values) = storage else {
            bail!("network operations of the processor compute in f32 only")
        };
        let (image, head, row) = match (layout.stride(), arrangement) {
            (&[image, head, row, 1], Arrangement::Heads) => (image, head, row),
            (&[image, row, 1], Arrangement::Tokens) => (image, width, row),
            (stride, _) => bail!("attention cannot read rows at {stride:?}"),
        };
        Ok(Self {
            data: &values[layout.start_offset()..],
            image,
            head,
            row,
            width,
        })
    }

    fn rows(&self, image: usize, head: usize) -> Rows<'a> {
        let start = image * self.image + head * self.head;
        Rows {
            data: self.data.get(start..).unwrap_or_default(),
            row: self.row,
            width: self.width,
        }
    }
}

/// Results of some rows of an image, and of one head or of all; each head has its own run of logarithms.
struct Part<'a> {
    image: usize,
    heads: std::ops::Range<usize>,
    first: usize,
    y: &'a mut [f32],
    logs: &'a mut [f32],
}

impl Attention {
    fn new(arrangement: Arrangement, [batch, heads]: [usize; 2], sizes: [usize; 4]) -> Self {
        let [queries, keys, depth, values] = sizes;
        Self {
            arrangement,
            batch,
            heads,
            sizes: Blocks {
                queries,
                keys,
                depth,
                values,
                scale: (1.0 / (depth as f64).sqrt()) as f32,
            },
            logarithms: OnceLock::new(),
        }
    }

    /// By the tensor library's operations, some queries at a time, so that their scores are bounded; `[B,H,N,D]` each.
    fn sliced(&self, [q, k, v]: [&Tensor; 3], bias: Option<&Tensor>) -> Result<Tensor> {
        let (q, v) = ((q * f64::from(self.sizes.scale))?, v.contiguous()?);
        let turned = k.t()?.contiguous()?;
        let each = (SCORES / (self.batch * self.heads * self.sizes.keys).max(1)).max(1);
        let parts: Vec<Tensor> = (0..self.sizes.queries)
            .step_by(each)
            .map(|from| {
                let count = each.min(self.sizes.queries - from);
                let mut scores = q.narrow(2, from, count)?.contiguous()?.matmul(&turned)?;
                if let Some(bias) = bias {
                    scores = biased::added(&scores, &bias.narrow(2, from, count)?)?;
                }
                softmax(&scores)?.to_dtype(v.dtype())?.matmul(&v)
            })
            .collect::<Result<_>>()?;
        match parts.as_slice() {
            [one] => Ok(one.clone()),
            [] => v.narrow(2, 0, 0),
            parts => Tensor::cat(parts, 2),
        }
    }

    /// Heads that share their rows.
    fn together(&self) -> usize {
        match self.arrangement {
            Arrangement::Heads => 1,
            Arrangement::Tokens => self.heads,
        }
    }

    /// Rows of a task: fewer where there are few, so that all threads have some.
    fn rows_together(&self) -> usize {
        let rows = self.batch * self.heads / self.together() * self.sizes.queries;
        rows.div_ceil(4 * rayon::current_num_threads())
            .next_multiple_of(8)
            .clamp(8, QUERIES)
    }

    /// The logarithms head by head, out of those task by task.
    fn by_head(&self, logs: &[f32], rows: usize) -> Vec<f32> {
        let (n, together) = (self.sizes.queries, self.together());
        let mut sorted = vec![0.0; logs.len()];
        let sets = sorted
            .chunks_mut(n * together)
            .zip(logs.chunks(n * together));
        for (to, from) in sets {
            for (block, part) in from.chunks(rows * together).enumerate() {
                let count = part.len() / together;
                for (head, part) in part.chunks(count).enumerate() {
                    to[head * n + block * rows..][..count].copy_from_slice(part);
                }
            }
        }
        sorted
    }

    /// Cuts the output into what one task writes.
    fn parts<'a>(&self, rows: usize, y: &'a mut [f32], logs: &'a mut [f32]) -> Vec<Part<'a>> {
        let n = self.sizes.queries;
        let apart = self.arrangement == Arrangement::Heads;
        let together = self.together();
        let width = together * self.sizes.values;
        y.chunks_mut(n * width)
            .zip(logs.chunks_mut(n * together))
            .enumerate()
            .flat_map(|(set, (y, logs))| {
                let (image, heads) = if apart {
                    let head = set % self.heads;
                    (set / self.heads, head..head + 1)
                } else {
                    (set, 0..self.heads)
                };
                y.chunks_mut(rows * width)
                    .zip(logs.chunks_mut(rows * together))
                    .enumerate()
                    .map(move |(block, (y, logs))| Part {
                        image,
                        heads: heads.clone(),
                        first: block * rows,
                        y,
                        logs,
                    })
            })
            .collect()
    }

    fn forward(
        &self,
        [q, k, v]: [Side<'_>; 3],
        bias: Option<Sheets<'_>>,
        rows: usize,
        (y, logs): (&mut [f32], &mut [f32]),
    ) {
        let Blocks {
            keys: m,
            depth: d,
            values: e,
            ..
        } = self.sizes;
        let all = self.batch * self.heads;
        let wide = e.next_multiple_of(LANES);
        with_scratch(all * m * (d + wide), |scratch| {
            let (turned, padded) = scratch.split_at_mut(all * m * d);
            turned
                .par_chunks_mut(m * d)
                .zip(padded.par_chunks_mut(m * wide))
                .enumerate()
                .for_each(|(index, (turned, padded))| {
                    let (image, head) = (index / self.heads, index % self.heads);
                    turn_blocks(k.rows(image, head), turned);
                    pad_rows(v.rows(image, head), wide, padded);
                });
            let (turned, padded): (&[f32], &[f32]) = (turned, padded);
            self.parts(rows, y, logs).into_par_iter().for_each(|part| {
                let row = part.heads.len() * e;
                let rows = part.y.len() / row;
                for (at, head) in part.heads.enumerate() {
                    let index = part.image * self.heads + head;
                    let keys = &turned[index * m * d..(index + 1) * m * d];
                    let v = &padded[index * m * wide..(index + 1) * m * wide];
                    let q = q.rows(part.image, head).from(part.first);
                    let logs = &mut part.logs[at * rows..(at + 1) * rows];
                    let bias = bias.map(|bias| bias.rows(part.image, head).from(part.first));
                    let y = (&mut part.y[at * e..], row);
                    self.sizes.forward(q, [keys, v], bias, y, logs);
                }
            });
        });
    }
}

impl CustomOp3 for Attention {
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
        let (depth, values) = (self.sizes.depth, self.sizes.values);
        let sides = [
            Side::of(q, q_layout, self.arrangement, depth)?,
            Side::of(k, k_layout, self.arrangement, depth)?,
            Side::of(v, v_layout, self.arrangement, values)?,
        ];
        let y = self.computed(sides, None);
        let (b, h, n) = (self.batch, self.heads, self.sizes.queries);
        let shape = match self.arrangement {
            Arrangement::Heads => (b, h, n, values).into(),
            Arrangement::Tokens => (b, n, h * values).into(),
        };
        Ok((CpuStorage::F32(y), shape))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        if q.elem_count() == 0 || v.elem_count() == 0 {
            return Ok((
                Some(q.zeros_like()?),
                Some(k.zeros_like()?),
                Some(v.zeros_like()?),
            ));
        }
        let heads = |x: &Tensor| match self.arrangement {
            Arrangement::Heads => x.contiguous(),
            Arrangement::Tokens => split(x, self.heads),
        };
        let sides = [heads(q)?, heads(k)?, heads(v)?, heads(y)?, heads(dy)?];
        let [dq, dk, dv] = self.gradients(&sides, None)?;
        Ok(match self.arrangement {
            Arrangement::Heads => (Some(dq), Some(dk), Some(dv)),
            Arrangement::Tokens => (Some(joined(&dq)?), Some(joined(&dk)?), Some(joined(&dv)?)),
        })
    }
}

impl Attention {
    /// The results, and for the gradient the logarithms.
    fn computed(&self, sides: [Side<'_>; 3], bias: Option<Sheets<'_>>) -> Vec<f32> {
        let count = self.batch * self.heads * self.sizes.queries;
        let mut logs = vec![0.0; count];
        let rows = self.rows_together();
        let y = written(count * self.sizes.values, |y| {
            self.forward(sides, bias, rows, (y, &mut logs));
        });
        // A second forward pass of one operation does not happen: it is made for one call.
        self.logarithms.set((logs, rows)).ok();
        y
    }

    /// Of `q, k, v, y, dy`, each `[B,H,N,D]` without gaps: by `q`, `k` and `v`, and into `bias` by that.
    fn gradients(
        &self,
        [q, k, v, y, dy]: &[Tensor; 5],
        bias: Option<Added<'_>>,
    ) -> Result<[Tensor; 3]> {
        let Some((logs, rows)) = self.logarithms.get() else {
            bail!("attention: a gradient without a forward pass")
        };
        let logs = self.by_head(logs, *rows);
        let Blocks {
            queries: n,
            keys: m,
            depth: d,
            values: e,
            ..
        } = self.sizes;
        read([q, k, v, y, dy], |[qs, ks, vs, ys, dys]| {
            let (mut dk, mut dv) = (None, None);
            let dq = new_tensor(q, |dq| {
                dk = Some(new_tensor(k, |dk| {
                    dv = Some(new_tensor(v, |dv| {
                        let one =
                            |head: usize,
                             outputs: [&mut [f32]; 3],
                             bias: Option<(Rows<'_>, &mut [f32])>| {
                                let part = |x| part_of(x, head);
                                let inputs = [
                                    part((qs, n * d)),
                                    part((ks, m * d)),
                                    part((vs, m * e)),
                                    part((ys, n * e)),
                                    part((dys, n * e)),
                                ];
                                let logs = part((&logs, n));
                                self.sizes.backward(inputs, logs, bias, outputs);
                            };
                        let heads = dq
                            .par_chunks_mut(n * d)
                            .zip(dk.par_chunks_mut(m * d).zip(dv.par_chunks_mut(m * e)))
                            .map(|(dq, (dk, dv))| [dq, dk, dv]);
                        match bias {
                            None => heads
                                .enumerate()
                                .for_each(|(head, outputs)| one(head, outputs, None)),
                            Some(bias) => bias.each(heads.collect(), self.heads, one),
                        }
                    }));
                }));
            })?;
            let missing = || candle_core::Error::Msg("attention: no gradient".to_owned());
            let dk = dk.transpose()?.ok_or_else(missing)?;
            Ok([dq, dk, dv.transpose()?.ok_or_else(missing)?])
        })
    }
}
fn part_of((values, size): (&[f32], usize), index: usize) -> &[f32] {
    &values[index * size..(index + 1) * size]
}
