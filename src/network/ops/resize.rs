//! Resizing of pictures, nearest and bilinear, with gradients that add up.
//!
//! Separate because each is one pair of index tables along the two axes and nothing else.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::tensor::{OneStorage, new_tensor, on_processor, read, slice, written};

/// Nearest-neighbor enlargement by two: `[B,C,H,W]` to `[B,C,2H,2W]`.
pub fn upsample_nearest_2x(x: &Tensor) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    resize_nearest(x, 2 * height, 2 * width)
}

/// Nearest-neighbor resizing to `height × width`: output `i` shows input `⌊i · size / new size⌋`.
pub fn resize_nearest(x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    if !on_processor(x) {
        if h == 0 || w == 0 || !height.is_multiple_of(h) || !width.is_multiple_of(w) {
            return gather(x, height, width);
        }
        let (down, across) = (height / h, width / w);
        return x
            .reshape((b, c, h, 1, w, 1))?
            .broadcast_as((b, c, h, down, w, across))?
            .reshape((b, c, height, width));
    }
    resize(x, height, width, nearest)
}

/// Bilinear resizing to `height × width` with pixel centers at half-integers (no aligned corners, no antialiasing).
pub fn resize_bilinear(x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    if !on_processor(x) {
        return interpolate(x, height, width);
    }
    resize(x, height, width, bilinear)
}

fn check(x: &Tensor, height: usize, width: usize) -> Result<[usize; 4]> {
    let (b, c, h, w) = x.dims4()?;
    if h == 0 || w == 0 || height == 0 || width == 0 {
        bail!("cannot resize {h}x{w} to {height}x{width}")
    }
    Ok([b, c, h, w])
}

fn resize(
    x: &Tensor,
    height: usize,
    width: usize,
    table: fn(usize, usize) -> Vec<Mix>,
) -> Result<Tensor> {
    let [_, _, h, w] = check(x, height, width)?;
    x.contiguous()?.apply_op1(Resize {
        from: (h, w),
        to: (height, width),
        rows: table(h, height),
        columns: table(w, width),
    })
}

/// Nearest resizing on a GPU for ratios that are not whole.
fn gather(x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let [_, _, h, w] = check(x, height, width)?;
    let index = |from: usize, to: usize| {
        let picks: Vec<u32> = nearest(from, to).iter().map(|m| m.first as u32).collect();
        Tensor::from_vec(picks, to, x.device())
    };
    x.index_select(&index(h, height)?, 2)?
        .index_select(&index(w, width)?, 3)
}

/// Bilinear resizing on a GPU: two products with the interpolation matrices.
fn interpolate(x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let [b, c, h, w] = check(x, height, width)?;
    let matrix = |from: usize, to: usize| {
        let mut values = vec![0.0_f32; from * to];
        for (i, mix) in bilinear(from, to).iter().enumerate() {
            values[i * from + mix.first] += 1.0 - mix.share;
            values[i * from + mix.second] += mix.share;
        }
        Tensor::from_vec(values, (to, from), x.device())?.to_dtype(x.dtype())
    };
    x.reshape((b * c * h, w))?
        .matmul(&matrix(w, width)?.t()?.contiguous()?)?
        .reshape((b * c, h, width))?
        .transpose(1, 2)?
        .contiguous()?
        .reshape((b * c * width, h))?
        .matmul(&matrix(h, height)?.t()?.contiguous()?)?
        .reshape((b * c, width, height))?
        .transpose(1, 2)?
        .contiguous()?
        .reshape((b, c, height, width))
}

/// One output along an axis: `(1 - share) · x[first] + share · x[second]`.
#[derive(Clone, Copy)]
struct Mix {
    first: usize,
    second: usize,
    share: f32,
}

fn nearest(from: usize, to: usize) -> Vec<Mix> {
    (0..to)
        .map(|i| {
            let first = i * from / to;
            Mix {
                first,
                second: first,
                share: 0.0,
            }
        })
        .collect()
}

fn bilinear(from: usize, to: usize) -> Vec<Mix> {
    (0..to)
        .map(|i| {
            let position = ((i as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0);
            let first = (position as usize).min(from - 1);
            Mix {
                first,
                second: (first + 1).min(from - 1),
                share: (position - first as f64).clamp(0.0, 1.0) as f32,
            }
        })
        .collect()
}

struct Resize {
    from: (usize, usize),
    to: (usize, usize),
    rows: Vec<Mix>,
    columns: Vec<Mix>,
}

impl Resize {
    fn is_nearest(&self) -> bool {
        let whole = |all: &[Mix]| all.iter().all(|mix| mix.share == 0.0);
        whole(&self.rows) && whole(&self.columns)
    }

    fn forward(&self, x: &[f32], y: &mut [f32]) {
        let (_, w) = self.from;
        let plain = self.is_nearest();
        let twice = plain && self.to.1 == 2 * w;
        let mut last = usize::MAX;
        for (i, row) in self.rows.iter().enumerate() {
            let (done, rest) = y.split_at_mut(i * self.to.1);
            let line = &mut rest[..self.to.1];
            let first = &x[row.first * w..(row.first + 1) * w];
            if plain && last == row.first {
                line.copy_from_slice(&done[(i - 1) * self.to.1..]);
            } else if twice {
                for (pair, value) in line.chunks_exact_mut(2).zip(first) {
                    pair.fill(*value);
                }
            } else if plain {
                for (to, column) in line.iter_mut().zip(&self.columns) {
                    *to = first[column.first];
                }
            } else {
                let second = &x[row.second * w..(row.second + 1) * w];
                for (to, c) in line.iter_mut().zip(&self.columns) {
                    let above = first[c.first] + c.share * (first[c.second] - first[c.first]);
                    let below = second[c.first] + c.share * (second[c.second] - second[c.first]);
                    *to = above + row.share * (below - above);
                }
            }
            last = row.first;
        }
    }

    fn backward(&self, dy: &[f32], dx: &mut [f32]) {
        let (_, w) = self.from;
        let plain = self.is_nearest();
        dx.fill(0.0);
        for (line, row) in dy.chunks_exact(self.to.1).zip(&self.rows) {
            if plain {
                let to = &mut dx[row.first * w..(row.first + 1) * w];
                if self.to.1 == 2 * w {
                    for (to, pair) in to.iter_mut().zip(line.chunks_exact(2)) {
                        *to += pair[0] + pair[1];
                    }
                } else {
                    for (dy, column) in line.iter().zip(&self.columns) {
                        to[column.first] += dy;
                    }
                }
                continue;
            }
            for (dy, column) in line.iter().zip(&self.columns) {
                let (below, above) = (dy * row.share, dy * (1.0 - row.share));
                for (y, part) in [(row.first, above), (row.second, below)] {
                    dx[y * w + column.first] += part * (1.0 - column.share);
                    dx[y * w + column.second] += part * column.share;
                }
            }
        }
    }
}

impl CustomOp1 for Resize {
    fn name(&self) -> &'static str {
        "resize"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<OneStorage> {
        let x = slice(x, layout)?;
        let (b, c, _, _) = layout.shape().dims4()?;
        let (source, target) = (self.from.0 * self.from.1, self.to.0 * self.to.1);
        let y = written(b * c * target, |y| {
            y.par_chunks_mut(target)
                .zip(x.par_chunks(source))
                .with_min_len(1 + 8192 / target)
                .for_each(|(y, x)| self.forward(x, y));
        });
        Ok((
            CpuStorage::F32(y),
            Shape::from((b, c, self.to.0, self.to.1)),
        ))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let (source, target) = (self.from.0 * self.from.1, self.to.0 * self.to.1);
        read([dy], |[dy]| {
            new_tensor(x, |dx| {
                dx.par_chunks_mut(source)
                    .zip(dy.par_chunks(target))
                    .with_min_len(1 + 8192 / target)
                    .for_each(|(dx, dy)| self.backward(dy, dx));
            })
        })
        .map(Some)
    }
}
