//! Attention with a number added to every score: relative places, windows, what is known.
//!
//! Separate because such a bias is shared by images or heads and has a gradient of its own, which sums over them.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Tensor, bail};
use rayon::prelude::*;

use super::blocks::Rows;
use super::{Arrangement, Attention, Side};
use crate::network::ops::tensor::{OneStorage, on_processor, read, slice, wants_gradient};

/// Attention whose scaled scores get a bias: `softmax(q kᵀ / √D + bias) v`.
///
/// `q [B,H,N,D]`, `k [B,H,M,D]`, `v [B,H,M,E]` to `[B,H,N,E]`. `bias [S,T,N,M]`, finite: S divides B and image `b` takes
/// the bias `b mod S`; T is H, or 1 where all heads share one.
pub fn attention_biased(q: &Tensor, k: &Tensor, v: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let shapes = (q.dims(), k.dims(), v.dims(), bias.dims());
    let (&[b, h, n, d], &[kb, kh, m, kd], &[vb, vh, vm, e], &[sets, heads, rows, columns]) = shapes
    else {
        bail!("attention wants q, k, v [B,H,N,D] and a bias [S,T,N,M]")
    };
    let fits = (kb, kh, kd, vb, vh, vm) == (b, h, d, b, h, m) && m > 0 && d > 0;
    let bias_fits = sets > 0 && b % sets == 0 && (heads == h || heads == 1);
    if !fits || !bias_fits || (rows, columns) != (n, m) {
        let (q, k, v, bias) = shapes;
        bail!("attention: q {q:?}, k {k:?}, v {v:?} and the bias {bias:?} do not fit")
    }
    let inner = Attention::new(Arrangement::Heads, [b, h], [n, m, d, e]);
    if !on_processor(q) {
        return inner.sliced([q, k, v], Some(bias));
    }
    let both = Tensor::cat(&[k, v], 3)?;
    let op = Biased { inner, sets, heads };
    q.contiguous()?
        .apply_op3(&both.contiguous()?, &bias.contiguous()?, op)
}

/// Scores `[B,H,N,M]` with a bias `[S,T,N,M]`, by the tensor library's operations.
pub(super) fn added(scores: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (b, h, n, m) = scores.dims4()?;
    let bias = bias.to_dtype(scores.dtype())?;
    let sets = bias.dim(0)?;
    scores
        .reshape((b / sets, sets, h, n, m))?
        .broadcast_add(&bias.unsqueeze(0)?)?
        .reshape((b, h, n, m))
}

/// Keys and values come side by side, `[B,H,M,D+E]`: an operation has three inputs at most.
struct Biased {
    inner: Attention,
    sets: usize,
    heads: usize,
}

/// The matrices of a bias, one behind the other.
#[derive(Clone, Copy)]
pub(super) struct Sheets<'a> {
    data: &'a [f32],
    sets: usize,
    heads: usize,
    rows: usize,
    columns: usize,
}

impl<'a> Sheets<'a> {
    /// Which matrix a head of an image takes.
    fn index(self, image: usize, head: usize) -> usize {
        (image % self.sets) * self.heads + head % self.heads
    }

    pub(super) fn rows(self, image: usize, head: usize) -> Rows<'a> {
        let size = self.rows * self.columns;
        let from = self.index(image, head) * size;
        Rows::dense(&self.data[from..from + size], self.columns)
    }
}

/// A bias with its gradient, which is empty where it is not wanted.
pub(super) struct Added<'a> {
    sheets: Sheets<'a>,
    slopes: &'a mut [f32],
}

/// The gradients of one head by queries, keys and values.
type Outputs<'a> = [&'a mut [f32]; 3];

impl Added<'_> {
    /// Runs `one` for every head of every image; those that share a matrix run one after the other, in their order.
    pub(super) fn each<'o>(
        self,
        all: Vec<Outputs<'o>>,
        heads: usize,
        one: impl Fn(usize, Outputs<'o>, Option<(Rows<'_>, &mut [f32])>) + Sync,
    ) {
        let Self { sheets, slopes } = self;
        let rows = |at: usize| sheets.rows(at / heads, at % heads);
        if slopes.is_empty() {
            all.into_par_iter()
                .enumerate()
                .for_each(|(at, outputs)| one(at, outputs, Some((rows(at), &mut []))));
            return;
        }
        let mut groups: Vec<Vec<(usize, Outputs<'o>)>> = Vec::new();
        groups.resize_with(sheets.sets * sheets.heads, Vec::new);
        for (at, outputs) in all.into_iter().enumerate() {
            groups[sheets.index(at / heads, at % heads)].push((at, outputs));
        }
        groups
            .into_par_iter()
            .zip(slopes.par_chunks_mut(sheets.rows * sheets.columns))
            .for_each(|(group, slopes)| {
                for (at, outputs) in group {
                    one(at, outputs, Some((rows(at), &mut *slopes)));
                }
            });
    }
}

impl Biased {
    fn sheets<'a>(&self, data: &'a [f32]) -> Sheets<'a> {
        Sheets {
            data,
            sets: self.sets,
            heads: self.heads,
            rows: self.inner.sizes.queries,
            columns: self.inner.sizes.keys,
        }
    }
}

impl CustomOp3 for Biased {
    fn name(&self) -> &'static str {
        "attention with a bias"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        both: &CpuStorage,
        both_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<OneStorage> {
        let (depth, values) = (self.inner.sizes.depth, self.inner.sizes.values);
        let arrangement = Arrangement::Heads;
        let keys = Side::of(both, both_layout, arrangement, depth)?;
        let mut wide = Side::of(both, both_layout, arrangement, values)?;
        wide.data = wide.data.get(depth..).unwrap_or_default();
        let sides = [Side::of(q, q_layout, arrangement, depth)?, keys, wide];
        let sheets = self.sheets(slice(bias, bias_layout)?);
        let y = self.inner.computed(sides, Some(sheets));
        let (b, h, n) = (self.inner.batch, self.inner.heads, self.inner.sizes.queries);
        Ok((CpuStorage::F32(y), (b, h, n, values).into()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        both: &Tensor,
        bias: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        if q.elem_count() == 0 || y.elem_count() == 0 {
            let zeros = |x: &Tensor| x.zeros_like().map(Some);
            return Ok((zeros(q)?, zeros(both)?, zeros(bias)?));
        }
        let (depth, values) = (self.inner.sizes.depth, self.inner.sizes.values);
        let sides = [
            q.contiguous()?,
            both.narrow(3, 0, depth)?.contiguous()?,
            both.narrow(3, depth, values)?.contiguous()?,
            y.contiguous()?,
            dy.contiguous()?,
        ];
        let wanted = wants_gradient(bias);
        let mut slopes = vec![0.0; if wanted { bias.elem_count() } else { 0 }];
        let [dq, dk, dv] = read([bias], |[data]| {
            let sheets = self.sheets(data);
            let slopes = &mut slopes;
            self.inner.gradients(&sides, Some(Added { sheets, slopes }))
        })?;
        let by_bias = wanted
            .then(|| Tensor::from_vec(slopes, bias.shape(), bias.device()))
            .transpose()?;
        Ok((Some(dq), Some(Tensor::cat(&[dk, dv], 3)?), by_bias))
    }
}
