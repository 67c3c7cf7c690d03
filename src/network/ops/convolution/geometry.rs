//! Shapes of a convolution and the padded copies of a picture that its products read.
//!
//! Separate from the products: here is the arithmetic of padding, stride and dilation, and nothing else.

use candle_core::{Result, bail};
use rayon::prelude::*;

use crate::network::ops::product::transpose::transpose_into;

/// Stride, padding, dilation and groups of a convolution, the same along both axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Step between outputs, in pixels; at least 1.
    pub stride: usize,
    /// Zeros around the picture, in pixels.
    pub padding: usize,
    /// Step between the taps of the kernel, in pixels; at least 1.
    pub dilation: usize,
    /// Independent groups of channels; divides both numbers of channels.
    pub groups: usize,
}

impl Default for Convolution {
    fn default() -> Self {
        Self {
            stride: 1,
            padding: 0,
            dilation: 1,
            groups: 1,
        }
    }
}

/// All sizes of one convolution from a picture `[B,C,H,W]` with weights `[O,C/groups,kh,kw]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub batch: usize,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub outputs: usize,
    pub kernel: (usize, usize),
    pub out_height: usize,
    pub out_width: usize,
    pub how: Convolution,
}

impl Geometry {
    /// The geometry of `conv2d`; an error where shapes do not fit.
    pub(crate) fn new(x: &[usize], weight: &[usize], how: Convolution) -> Result<Self> {
        let (&[batch, channels, height, width], &[outputs, inner, rows, columns]) = (x, weight)
        else {
            bail!(
                "conv2d wants x [B,C,H,W] and weight [O,C/groups,kh,kw], got {x:?} and {weight:?}"
            )
        };
        let Convolution {
            stride,
            padding,
            dilation,
            groups,
        } = how;
        if stride == 0 || dilation == 0 || groups == 0 || rows == 0 || columns == 0 {
            bail!("conv2d: stride, dilation, groups and kernel must be at least 1 ({how:?})")
        }
        if inner * groups != channels || outputs % groups != 0 {
            bail!("conv2d: {channels} channels do not fit weight {weight:?} in {groups} groups")
        }
        let span = |size: usize, taps: usize| {
            (size + 2 * padding)
                .checked_sub(dilation * (taps - 1) + 1)
                .map(|room| room / stride + 1)
        };
        let (Some(out_height), Some(out_width)) = (span(height, rows), span(width, columns)) else {
            bail!("conv2d: a {rows}x{columns} kernel does not fit {x:?} with {how:?}")
        };
        let geometry = Self {
            batch,
            channels,
            height,
            width,
            outputs,
            kernel: (rows, columns),
            out_height,
            out_width,
            how,
        };
        let largest = (channels.max(outputs))
            * (height + 2 * padding + span_extra(stride))
            * (width + 2 * padding + span_extra(stride));
        if largest > u32::MAX as usize / 2 {
            bail!("conv2d: one image of {x:?} is too large")
        }
        Ok(geometry)
    }

    /// Channels a group.
    pub(crate) fn inner(&self) -> usize {
        self.channels / self.how.groups
    }

    /// Outputs a group.
    pub(crate) fn group_outputs(&self) -> usize {
        self.outputs / self.how.groups
    }

    /// Pixels of an output plane.
    pub(crate) fn out_pixels(&self) -> usize {
        self.out_height * self.out_width
    }

    /// Pixels of an input plane.
    pub(crate) fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Taps of the kernel.
    pub(crate) fn taps(&self) -> usize {
        self.kernel.0 * self.kernel.1
    }

    /// Whether the picture can be read where it is.
    pub(crate) fn is_plain(&self) -> bool {
        self.how.padding == 0 && self.how.stride == 1
    }
}

fn span_extra(stride: usize) -> usize {
    stride + 2
}

/// Values read past the end of the last line by a whole vector.
pub(crate) const SLACK: usize = 16;

/// A padded picture, taken apart by the remainders of row and column modulo the stride:
/// `[C][remainder of row][remainder of column][height][width]`, so that outputs next to each other read inputs
/// next to each other at any stride.
#[derive(Clone, Debug)]
pub(crate) struct Phases {
    pub height: usize,
    pub width: usize,
    rows: Vec<usize>,
    columns: Vec<usize>,
    stride: usize,
    dilation: usize,
    padding: usize,
}

impl Phases {
    pub(crate) fn new(g: &Geometry) -> Self {
        let Convolution {
            stride,
            padding,
            dilation,
            ..
        } = g.how;
        let remainders = |taps: usize| {
            let mut found: Vec<usize> = (0..taps).map(|k| k * dilation % stride).collect();
            found.sort_unstable();
            found.dedup();
            found
        };
        Self {
            height: g.out_height + (g.kernel.0 - 1) * dilation / stride,
            width: g.out_width + (g.kernel.1 - 1) * dilation / stride,
            rows: remainders(g.kernel.0),
            columns: remainders(g.kernel.1),
            stride,
            dilation,
            padding,
        }
    }

    /// Values a channel.
    pub(crate) fn block(&self) -> usize {
        self.rows.len() * self.columns.len() * self.height * self.width
    }

    /// Where the tap `(ky, kx)` of the first output lies in a channel.
    pub(crate) fn tap(&self, ky: usize, kx: usize) -> usize {
        let (y, x) = (ky * self.dilation, kx * self.dilation);
        let index = |all: &[usize], r: usize| all.iter().position(|&a| a == r).unwrap_or(0);
        let row = index(&self.rows, y % self.stride);
        let column = index(&self.columns, x % self.stride);
        ((row * self.columns.len() + column) * self.height + y / self.stride) * self.width
            + x / self.stride
    }

    /// Writes every value of the channels of `x` (planes of `height · width`) into `out`.
    pub(crate) fn fill(&self, x: &[f32], height: usize, width: usize, out: &mut [f32]) {
        out.par_chunks_mut(self.block())
            .zip(x.par_chunks(height * width))
            .with_min_len(1 + 8192 / self.block())
            .for_each(|(block, plane)| self.fill_plane(plane, height, width, block));
    }

    fn fill_plane(&self, plane: &[f32], height: usize, width: usize, block: &mut [f32]) {
        let mut parts = block.chunks_exact_mut(self.height * self.width);
        for &row in &self.rows {
            for &column in &self.columns {
                let Some(part) = parts.next() else { return };
                for (q, line) in part.chunks_exact_mut(self.width).enumerate() {
                    let y = (q * self.stride + row).wrapping_sub(self.padding);
                    if y >= height {
                        line.fill(0.0);
                        continue;
                    }
                    let source = &plane[y * width..(y + 1) * width];
                    fill_line(line, source, column, self.padding, self.stride);
                }
            }
        }
    }
}

/// `line[q] = source[q · stride + shift - padding]`, zero outside.
fn fill_line(line: &mut [f32], source: &[f32], shift: usize, padding: usize, stride: usize) {
    let first = padding
        .saturating_sub(shift)
        .div_ceil(stride)
        .min(line.len());
    let end = (source.len() + padding)
        .saturating_sub(shift)
        .div_ceil(stride)
        .clamp(first, line.len());
    line[..first].fill(0.0);
    line[end..].fill(0.0);
    if first == end {
        return;
    }
    let from = first * stride + shift - padding;
    let inner = &mut line[first..end];
    if stride == 1 {
        inner.copy_from_slice(&source[from..from + inner.len()]);
    } else {
        for (to, value) in inner.iter_mut().zip(source[from..].iter().step_by(stride)) {
            *to = *value;
        }
    }
}

/// Writes images `[C,H,W]` as `[H + 2 padding][W + 2 padding][C]`, zeros outside.
pub(crate) fn channels_last(x: &[f32], g: &Geometry, out: &mut [f32]) {
    let p = g.how.padding;
    let line = (g.width + 2 * p) * g.channels;
    let lines = g.height + 2 * p;
    out.par_chunks_mut(line)
        .with_min_len(1 + 4096 / line)
        .enumerate()
        .for_each(|(index, out)| {
            let (image, y) = (index / lines, (index % lines).wrapping_sub(p));
            if y >= g.height {
                out.fill(0.0);
                return;
            }
            let (left, rest) = out.split_at_mut(p * g.channels);
            let (middle, right) = rest.split_at_mut(g.width * g.channels);
            left.fill(0.0);
            right.fill(0.0);
            let start = image * g.channels * g.pixels() + y * g.width;
            transpose_into(&x[start..], g.pixels(), g.channels, g.width, middle);
        });
}
