//! The linear layer: one matrix product with the bias in its first step.
//!
//! Separate from convolutions: rows of inputs are the left matrix here, not the right one.
#![expect(
    unsafe_code,
    reason = "threads write columns of one output, each its own"
)]

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};

use rayon::prelude::*;

use super::product::kernel::MOST_LANES;
use super::product::memory::{Output, with_scratch};
use super::product::transpose::{transpose, transpose_to};
use super::product::{Begin, Lines, MATRIX_BLOCK, Product, multiply, multiply_here, tasks};
use super::tensor::{OneStorage, new_tensor, on_processor, read, slice, wants_gradient, written};
use super::vector::sum;

/// Most outputs of few rows that are computed before they are turned back: what a first-level cache holds of 64 rows.
const OUTPUTS_TOGETHER: usize = 128;

/// `x weightᵀ + bias` over the last dimension: `x […,I]`, `weight [O,I]`, `bias [O]` to `[…,O]`.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (&[outputs, inner], Some(&last)) = (weight.dims(), x.dims().last()) else {
        bail!("linear wants x [...,I] and weight [O,I]")
    };
    if last != inner || bias.is_some_and(|bias| bias.dims() != [outputs]) {
        bail!(
            "linear: x {:?} and weight {:?} do not fit",
            x.dims(),
            weight.dims()
        )
    }
    if !on_processor(x) {
        let y = x.broadcast_matmul(&weight.t()?)?;
        return match bias {
            Some(bias) => y.broadcast_add(bias),
            None => Ok(y),
        };
    }
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    match bias {
        Some(bias) => x.apply_op3(&weight, &bias.contiguous()?, Linear),
        None => x.apply_op2(&weight, Linear),
    }
}

/// The right-hand matrix of a product, in memory by its steps or by its columns.
#[derive(Clone, Copy)]
enum Right {
    /// `[depth, columns]`.
    BySteps,
    /// `[columns, depth]`: turned while it is packed.
    ByColumns,
}

/// `C [rows, columns] = A [rows, depth] · B [depth, columns]`, all contiguous; writes every element of `c`.
fn product(
    a: &[f32],
    b: (Right, &[f32]),
    [rows, depth, columns]: [usize; 3],
    begin: Begin<'_>,
    c: &mut [f32],
) {
    // Rows at distances of a power of two evict each other from the cache: spread them.
    if depth.is_multiple_of(256) && rows >= 64 {
        let a_row = depth + 16;
        with_scratch(rows * a_row, |spread| {
            spread
                .par_chunks_mut(a_row)
                .zip(a.par_chunks(depth))
                .with_min_len(1 + 16384 / depth)
                .for_each(|(to, from)| {
                    to[..depth].copy_from_slice(from);
                });
            product_of_rows(spread, a_row, b, [rows, depth, columns], begin, c);
        });
    } else {
        product_of_rows(a, depth, b, [rows, depth, columns], begin, c);
    }
}

fn product_of_rows(
    a: &[f32],
    a_row: usize,
    (right, b): (Right, &[f32]),
    [rows, depth, columns]: [usize; 3],
    begin: Begin<'_>,
    c: &mut [f32],
) {
    let apart = |count: usize, by: usize| (0..count).map(|n| (n * by) as u32).collect();
    let (offsets, starts, width): (Vec<u32>, Vec<u32>, usize) = match right {
        Right::BySteps => (apart(depth, columns), vec![0], columns),
        Right::ByColumns => (apart(depth, 1), apart(columns, depth), 1),
    };
    let product = Product {
        a,
        a_row,
        rows,
        b: Lines {
            data: b,
            offsets: &offsets,
            starts: &starts,
            width,
        },
        c: 0,
        c_row: columns,
        begin,
        block: MATRIX_BLOCK,
        repeat: None,
    };
    multiply(&[product], Output::new(c));
}

/// `y [rows, outputs]` of few rows: `yᵀ = weight · xᵀ`, as turning the rows costs less than turning the weights. Some
/// outputs at a time, turned back while they are in the cache; the order of the sums is that of [`product`].
fn few_rows(
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    [rows, inner, outputs]: [usize; 3],
    y: &mut [f32],
) {
    assert_eq!(y.len(), rows * outputs, "the output of a linear layer");
    let tasks = tasks(rows * inner * outputs);
    let part = outputs
        .div_ceil(tasks)
        .next_multiple_of(MOST_LANES)
        .min(OUTPUTS_TOGETHER);
    let offsets: Vec<u32> = (0..inner).map(|k| (k * rows) as u32).collect();
    // Whole vectors are read past the last row.
    with_scratch(rows * inner + MOST_LANES, |turned| {
        transpose(x, rows, inner, &mut turned[..rows * inner]);
        let turned: &[f32] = turned;
        let y = Output::new(y);
        (0..outputs.div_ceil(part)).into_par_iter().for_each(|n| {
            let first = n * part;
            let count = part.min(outputs - first);
            let product = Product {
                a: &weight[first * inner..],
                a_row: inner,
                rows: count,
                b: Lines {
                    data: turned,
                    offsets: &offsets,
                    starts: &[0],
                    width: rows,
                },
                c: 0,
                c_row: rows,
                begin: bias.map_or(Begin::Zero, |bias| Begin::Row(&bias[first..])),
                block: MATRIX_BLOCK,
                repeat: None,
            };
            with_scratch(count * rows, |result| {
                multiply_here(&product, Output::new(result));
                // SAFETY: row `r` of `y` has `outputs` values (asserted above), of which this task alone writes `first`
                // to `first + count`, which end at `outputs` at the latest.
                unsafe { transpose_to(result, rows, count, rows, y.at(first), outputs) };
            });
        });
    });
}

struct Linear;

impl Linear {
    fn run(x: &[f32], weight: &[f32], bias: Option<&[f32]>, shape: &Shape) -> OneStorage {
        let inner = shape.dims().last().copied().unwrap_or(0).max(1);
        let (rows, outputs) = (x.len() / inner, weight.len() / inner);
        let mut dims = shape.dims().to_vec();
        if let Some(last) = dims.last_mut() {
            *last = outputs;
        }
        let y = written(rows * outputs, |y| {
            // One of the two sides must be turned; the order of the sums is the same either way.
            let sizes = [rows, inner, outputs];
            if rows * (inner + outputs) < inner * outputs {
                few_rows(x, weight, bias, sizes, y);
            } else {
                let begin = bias.map_or(Begin::Zero, Begin::Column);
                product(x, (Right::ByColumns, weight), sizes, begin, y);
            }
        });
        (CpuStorage::F32(y), Shape::from(dims))
    }

    fn gradients(
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        dy: &Tensor,
    ) -> Result<[Option<Tensor>; 3]> {
        let (outputs, inner) = weight.dims2()?;
        let rows = x.elem_count() / inner.max(1);
        if rows == 0 {
            let zero = |t: &Tensor| t.zeros_like();
            let db = bias.map(zero).transpose()?;
            return Ok([Some(zero(x)?), Some(zero(weight)?), db]);
        }
        read([x, weight, dy], |[xs, weights, dys]| {
            let dx = wants_gradient(x)
                .then(|| {
                    new_tensor(x, |dx| {
                        let right = (Right::BySteps, weights);
                        product(dys, right, [rows, outputs, inner], Begin::Zero, dx);
                    })
                })
                .transpose()?;
            let mut db = None;
            let mut dw = None;
            if wants_gradient(weight) || bias.is_some_and(wants_gradient) {
                with_scratch(dys.len(), |turned| -> Result<()> {
                    transpose(dys, rows, outputs, turned);
                    dw = Some(new_tensor(weight, |dw| {
                        let right = (Right::BySteps, xs);
                        product(turned, right, [outputs, rows, inner], Begin::Zero, dw);
                    })?);
                    if let Some(bias) = bias {
                        db = Some(new_tensor(bias, |db| {
                            for (to, row) in db.iter_mut().zip(turned.chunks_exact(rows)) {
                                *to = sum(row) as f32;
                            }
                        })?);
                    }
                    Ok(())
                })?;
            }
            Ok([dx, dw, db])
        })
    }
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<OneStorage> {
        let (x, weight) = (slice(x, x_layout)?, slice(weight, weight_layout)?);
        Ok(Self::run(x, weight, None, x_layout.shape()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [dx, dw, _] = Self::gradients(x, weight, None, dy)?;
        Ok((dx, dw))
    }
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<OneStorage> {
        let (x, weight) = (slice(x, x_layout)?, slice(weight, weight_layout)?);
        let bias = slice(bias, bias_layout)?;
        Ok(Self::run(x, weight, Some(bias), x_layout.shape()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [dx, dw, db] = Self::gradients(x, weight, Some(bias), dy)?;
        Ok((dx, dw, db))
    }
}
