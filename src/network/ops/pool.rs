//! Maximum and average pooling with any window, and gradients for all of them.
//!
//! Separate from resizing: windows overlap and have edges of their own.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::tensor::{OneStorage, new_tensor, on_processor, read, slice, written};

/// A pooling window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns of the window; at least 1.
    pub kernel: (usize, usize),
    /// Step between windows; at least 1.
    pub stride: usize,
    /// Pixels around the picture, at most half of the window; they never win a maximum.
    pub padding: usize,
    /// Whether a last window may begin inside the picture and reach beyond it.
    pub ceil: bool,
}

impl Window {
    /// Windows of `side × side` beside each other.
    pub fn square(side: usize) -> Self {
        Self {
            kernel: (side, side),
            stride: side,
            padding: 0,
            ceil: false,
        }
    }
}

/// The largest value of each window: `[B,C,H,W]` to `[B,C,oh,ow]`; its gradient goes to the first largest pixel.
pub fn max_pool(x: &Tensor, window: Window) -> Result<Tensor> {
    pool(x, window, Kind::Max)
}

/// The mean of each window: `[B,C,H,W]` to `[B,C,oh,ow]`.
///
/// With `count_padding`, zeros of the padding count as pixels; what lies beyond the padding never does.
pub fn average_pool(x: &Tensor, window: Window, count_padding: bool) -> Result<Tensor> {
    pool(x, window, Kind::Mean { count_padding })
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Max,
    Mean { count_padding: bool },
}

fn pool(x: &Tensor, window: Window, kind: Kind) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    let Window {
        kernel,
        stride,
        padding,
        ceil,
    } = window;
    if kernel.0 == 0 || kernel.1 == 0 || stride == 0 || 2 * padding > kernel.0.min(kernel.1) {
        bail!("pooling: {window:?} is not a window")
    }
    let count = |size: usize, taps: usize| {
        let room = (size + 2 * padding).checked_sub(taps)?;
        let mut count = room / stride + 1;
        if ceil && room % stride != 0 && count * stride < size + padding {
            count += 1;
        }
        Some(count)
    };
    let (Some(rows), Some(columns)) = (count(height, kernel.0), count(width, kernel.1)) else {
        bail!("pooling: {window:?} is larger than {height}x{width}")
    };
    let op = Pool {
        size: (height, width),
        out: (rows, columns),
        window,
        kind,
    };
    if on_processor(x) {
        x.contiguous()?.apply_op1(op)
    } else {
        op.elsewhere(x)
    }
}

struct Pool {
    size: (usize, usize),
    out: (usize, usize),
    window: Window,
    kind: Kind,
}

/// The pixels `from..to` of a window along one axis, and how many of it lie inside picture and padding.
fn span(at: usize, taps: usize, size: usize, window: Window) -> (usize, usize, usize) {
    let start = at * window.stride;
    let end = (start + taps).min(size + 2 * window.padding);
    let inside = |padded: usize| padded.saturating_sub(window.padding).min(size);
    (inside(start), inside(end), end - start)
}

impl Pool {
    /// Calls `visit(output, (rows), (columns), divisor)` for each window.
    fn each(&self, mut visit: impl FnMut(usize, (usize, usize), (usize, usize), f32)) {
        for row in 0..self.out.0 {
            let (top, bottom, tall) = span(row, self.window.kernel.0, self.size.0, self.window);
            for column in 0..self.out.1 {
                let (left, right, wide) =
                    span(column, self.window.kernel.1, self.size.1, self.window);
                let count = match self.kind {
                    Kind::Mean {
                        count_padding: true,
                    } => tall * wide,
                    _ => (bottom - top) * (right - left),
                };
                visit(
                    row * self.out.1 + column,
                    (top, bottom),
                    (left, right),
                    count.max(1) as f32,
                );
            }
        }
    }

    fn forward(&self, x: &[f32], y: &mut [f32]) {
        let width = self.size.1;
        self.each(|at, (top, bottom), (left, right), count| {
            let lines = (top..bottom).map(|row| &x[row * width + left..row * width + right]);
            y[at] = match self.kind {
                Kind::Max => lines.flatten().fold(f32::NEG_INFINITY, |most, &value| {
                    if value > most || value.is_nan() {
                        value
                    } else {
                        most
                    }
                }),
                Kind::Mean { .. } => lines.flatten().sum::<f32>() / count,
            };
        });
    }

    fn backward(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        let width = self.size.1;
        dx.fill(0.0);
        self.each(|at, (top, bottom), (left, right), count| match self.kind {
            Kind::Max => {
                let mut best = top * width + left;
                for row in top..bottom {
                    for index in row * width + left..row * width + right {
                        if x[index] > x[best] {
                            best = index;
                        }
                    }
                }
                dx[best] += dy[at];
            }
            Kind::Mean { .. } => {
                let part = dy[at] / count;
                for row in top..bottom {
                    for value in &mut dx[row * width + left..row * width + right] {
                        *value += part;
                    }
                }
            }
        });
    }

    /// On a GPU: each tap of the window as a strided view, one after the other.
    fn elsewhere(&self, x: &Tensor) -> Result<Tensor> {
        let (b, c, height, width) = x.dims4()?;
        let Window {
            kernel,
            stride,
            padding,
            ..
        } = self.window;
        let reach = |out: usize, taps: usize| (out - 1) * stride + taps;
        let (tall, wide) = (reach(self.out.0, kernel.0), reach(self.out.1, kernel.1));
        let outside = match self.kind {
            Kind::Max => f64::from(f32::MIN),
            Kind::Mean { .. } => 0.0,
        };
        let below = tall.saturating_sub(height + padding);
        let beyond = wide.saturating_sub(width + padding);
        let frame = |h: usize, w: usize| {
            (Tensor::ones((b, c, h, w), x.dtype(), x.device())? * outside)?.contiguous()
        };
        let x = Tensor::cat(&[&frame(padding, width)?, x, &frame(below, width)?], 2)?;
        let lines = x.dim(2)?;
        let x = Tensor::cat(&[&frame(lines, padding)?, &x, &frame(lines, beyond)?], 3)?;
        let pick = |tap: usize, out: usize| {
            let picks: Vec<u32> = (0..out).map(|i| (i * stride + tap) as u32).collect();
            Tensor::from_vec(picks, out, x.device())
        };
        let mut result: Option<Tensor> = None;
        for ky in 0..kernel.0 {
            let rows = x.index_select(&pick(ky, self.out.0)?, 2)?;
            for kx in 0..kernel.1 {
                let tap = rows.index_select(&pick(kx, self.out.1)?, 3)?;
                result = Some(match (result, self.kind) {
                    (None, _) => tap,
                    (Some(result), Kind::Max) => result.maximum(&tap)?,
                    (Some(result), Kind::Mean { .. }) => (result + tap)?,
                });
            }
        }
        let Some(result) = result else {
            bail!("pooling: an empty window")
        };
        if self.kind == Kind::Max {
            return Ok(result);
        }
        let mut counts = vec![0.0_f32; self.out.0 * self.out.1];
        self.each(|at, _, _, count| counts[at] = count);
        let counts = Tensor::from_vec(counts, (1, 1, self.out.0, self.out.1), result.device())?
            .to_dtype(result.dtype())?;
        result.broadcast_div(&counts)
    }
}

impl CustomOp1 for Pool {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<OneStorage> {
        let x = slice(x, layout)?;
        let (b, c, _, _) = layout.shape().dims4()?;
        let (source, target) = (self.size.0 * self.size.1, self.out.0 * self.out.1);
        let y = written(b * c * target, |y| {
            y.par_chunks_mut(target)
                .zip(x.par_chunks(source))
                .with_min_len(1 + 8192 / source)
                .for_each(|(y, x)| self.forward(x, y));
        });
        Ok((
            CpuStorage::F32(y),
            Shape::from((b, c, self.out.0, self.out.1)),
        ))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let (source, target) = (self.size.0 * self.size.1, self.out.0 * self.out.1);
        read([x, dy], |[xs, dy]| {
            new_tensor(x, |dx| {
                dx.par_chunks_mut(source)
                    .zip(xs.par_chunks(source).zip(dy.par_chunks(target)))
                    .with_min_len(1 + 8192 / source)
                    .for_each(|(dx, (x, dy))| self.backward(x, dy, dx));
            })
        })
        .map(Some)
    }
}
