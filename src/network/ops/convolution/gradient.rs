//! The gradients of a convolution: by its input (which is also the transposed convolution), weights and bias.
//!
//! Separate from the forward pass: training alone needs it.

use rayon::prelude::*;

use super::forward::{depth_block, images_together};
use super::geometry::{Geometry, SLACK, channels_last};
use crate::network::ops::product::memory::{Output, with_scratch};
use crate::network::ops::product::transpose::{transpose, transpose_into};
use crate::network::ops::product::{Begin, Lines, Product, Repeat, multiply};
use crate::network::ops::vector::sum;

/// Steps between visits to the output of a weight gradient: 48 channels of so many pixels fit a first-level cache.
const PIXEL_BLOCK: usize = 128;
/// Channels whose weights are turned together.
const CHANNELS_TOGETHER: usize = 16;

/// The taps of one remainder of the input position modulo the stride, along one axis.
struct Axis {
    /// `(tap, how many outputs back it reads)`.
    taps: Vec<(usize, usize)>,
    /// Input position of the first one: `stride · first + remainder - padding`.
    start: usize,
    /// Quotient of the first position.
    first: usize,
    /// Positions.
    count: usize,
}

fn axis(size: usize, taps: usize, g: &Geometry, remainder: usize) -> Axis {
    let (stride, padding) = (g.how.stride, g.how.padding);
    let first = padding.saturating_sub(remainder).div_ceil(stride);
    let start = stride * first + remainder - padding;
    Axis {
        taps: (0..taps)
            .filter(|k| k * g.how.dilation % stride == remainder)
            .map(|k| (k, (k * g.how.dilation - remainder) / stride))
            .collect(),
        start,
        first,
        count: size.saturating_sub(start).div_ceil(stride),
    }
}

/// A copy of `dy` with zeros around it, from which every phase of the input reads.
struct Frame {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

impl Frame {
    fn new(g: &Geometry) -> Self {
        let stride = g.how.stride;
        let reach = |taps: usize| (taps - 1) * g.how.dilation / stride;
        let (top, left) = (reach(g.kernel.0), reach(g.kernel.1));
        let last = |size: usize| (size.max(1) - 1 + g.how.padding) / stride + 1;
        Self {
            top,
            left,
            height: top + g.out_height.max(last(g.height)),
            width: left + g.out_width.max(last(g.width)),
        }
    }

    fn fill(&self, g: &Geometry, dy: &[f32], out: &mut [f32]) {
        out.par_chunks_mut(self.height * self.width)
            .zip(dy.par_chunks(g.out_pixels()))
            .with_min_len(1 + 8192 / (self.height * self.width))
            .for_each(|(frame, plane)| {
                for (row, line) in frame.chunks_exact_mut(self.width).enumerate() {
                    let y = row.wrapping_sub(self.top);
                    if y >= g.out_height {
                        line.fill(0.0);
                        continue;
                    }
                    let end = self.left + g.out_width;
                    line[..self.left].fill(0.0);
                    line[self.left..end]
                        .copy_from_slice(&plane[y * g.out_width..(y + 1) * g.out_width]);
                    line[end..].fill(0.0);
                }
            });
    }
}

/// `dx [B,C,H,W]` from `dy [B,O,oh,ow]` (and plus a bias a channel); writes every element of `dx`.
pub(super) fn by_input(
    g: &Geometry,
    dy: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    dx: &mut [f32],
) {
    let stride = g.how.stride;
    let frame = Frame::new(g);
    let plane = frame.height * frame.width;
    let in_place = g.taps() == 1 && g.is_plain();
    let image = g.outputs * plane;
    let together = images_together(g.batch, image);
    let room = if in_place {
        0
    } else {
        together * image + SLACK
    };
    with_scratch(room, |padded| {
        for first in (0..g.batch).step_by(together) {
            let count = together.min(g.batch - first);
            let each = g.outputs * g.out_pixels();
            let part = &dy[first * each..(first + count) * each];
            if !in_place {
                frame.fill(g, part, &mut padded[..count * image]);
            }
            let source: &[f32] = if in_place { part } else { padded };
            for row in 0..stride {
                for column in 0..stride {
                    let rows = axis(g.height, g.kernel.0, g, row);
                    let columns = axis(g.width, g.kernel.1, g, column);
                    if rows.count > 0 && columns.count > 0 {
                        let phase = Phase {
                            g,
                            frame: &frame,
                            rows,
                            columns,
                        };
                        phase.run(source, weight, bias, first, count, dx);
                    }
                }
            }
        }
    });
}

/// The inputs whose padded position leaves one remainder modulo the stride.
struct Phase<'a> {
    g: &'a Geometry,
    frame: &'a Frame,
    rows: Axis,
    columns: Axis,
}

impl Phase<'_> {
    fn run(
        &self,
        padded: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
        first: usize,
        count: usize,
        dx: &mut [f32],
    ) {
        let g = self.g;
        let depth = g.group_outputs() * self.rows.taps.len() * self.columns.taps.len();
        let points = self.rows.count * self.columns.count;
        with_scratch(g.channels * depth, |turned| {
            self.turn(weight, depth, turned);
            if g.how.stride == 1 {
                self.multiply(
                    padded,
                    turned,
                    depth,
                    bias,
                    count,
                    first * g.channels * points,
                    dx,
                );
                return;
            }
            with_scratch(count * g.channels * points, |lattice| {
                self.multiply(padded, turned, depth, bias, count, 0, lattice);
                self.spread(lattice, &mut dx[first * g.channels * g.pixels()..]);
            });
        });
    }

    /// The weights as `[C][O/groups][taps of this phase]`.
    fn turn(&self, weight: &[f32], depth: usize, turned: &mut [f32]) {
        let g = self.g;
        let (inner, outputs, taps) = (g.inner(), g.group_outputs(), g.taps());
        let here: Vec<usize> = self
            .rows
            .taps
            .iter()
            .flat_map(|(ky, _)| {
                self.columns
                    .taps
                    .iter()
                    .map(move |(kx, _)| ky * g.kernel.1 + kx)
            })
            .collect();
        if depth == 0 {
            return;
        }
        if taps == 1 {
            let rows = turned.chunks_exact_mut(inner * outputs);
            for (to, from) in rows.zip(weight.chunks_exact(inner * outputs)) {
                transpose(from, outputs, inner, to);
            }
            return;
        }
        // Neighboring channels together: they share the cache lines of the weights.
        turned
            .par_chunks_mut(depth * CHANNELS_TOGETHER)
            .enumerate()
            .for_each(|(index, rows)| {
                let first = index * CHANNELS_TOGETHER;
                for o in 0..outputs {
                    for (row, channel) in rows.chunks_exact_mut(depth).zip(first..) {
                        let (group, c) = (channel / inner, channel % inner);
                        let from = ((group * outputs + o) * inner + c) * taps;
                        let kernel = &weight[from..from + taps];
                        let to = &mut row[o * here.len()..(o + 1) * here.len()];
                        // All nine taps of the usual kernel: a copy of known length.
                        if let (Ok(to), Ok(kernel)) = (
                            <&mut [f32; 9]>::try_from(&mut *to),
                            <&[f32; 9]>::try_from(kernel),
                        ) {
                            *to = *kernel;
                            continue;
                        }
                        for (to, &tap) in to.iter_mut().zip(&here) {
                            *to = kernel[tap];
                        }
                    }
                }
            });
    }

    #[expect(clippy::too_many_arguments, reason = "the two ends of one product")]
    fn multiply(
        &self,
        padded: &[f32],
        turned: &[f32],
        depth: usize,
        bias: Option<&[f32]>,
        count: usize,
        start: usize,
        out: &mut [f32],
    ) {
        let (g, frame) = (self.g, self.frame);
        let plane = frame.height * frame.width;
        let mut offsets = Vec::with_capacity(depth);
        for o in 0..g.group_outputs() {
            for (_, up) in &self.rows.taps {
                for (_, back) in &self.columns.taps {
                    let (y, x) = (frame.top - up, frame.left - back);
                    offsets.push((o * plane + y * frame.width + x) as u32);
                }
            }
        }
        let plain = g.taps() == 1 && g.is_plain();
        let (lines, width) = if plain {
            (1, g.pixels())
        } else {
            (self.rows.count, self.columns.count)
        };
        let starts: Vec<u32> = (0..lines)
            .map(|line| ((self.rows.first + line) * frame.width + self.columns.first) as u32)
            .collect();
        let points = self.rows.count * self.columns.count;
        let taps = self.rows.taps.len() * self.columns.taps.len();
        let rows = g.inner();
        let mut products = Vec::with_capacity(count * g.how.groups);
        for image in 0..count {
            for group in 0..g.how.groups {
                let row = group * rows;
                products.push(Product {
                    a: &turned[row * depth..(row + rows) * depth],
                    a_row: depth,
                    rows,
                    b: Lines {
                        data: &padded[(image * g.outputs + group * g.group_outputs()) * plane..],
                        offsets: &offsets,
                        starts: &starts,
                        width,
                    },
                    c: start + (image * g.channels + row) * points,
                    c_row: points,
                    begin: match bias {
                        Some(bias) => Begin::Row(&bias[row..row + rows]),
                        None => Begin::Zero,
                    },
                    block: depth_block(taps.max(1), self.columns.count),
                    repeat: None,
                });
            }
        }
        multiply(&products, Output::new(out));
    }

    fn spread(&self, lattice: &[f32], dx: &mut [f32]) {
        let (g, stride) = (self.g, self.g.how.stride);
        let points = self.rows.count * self.columns.count;
        dx.par_chunks_mut(g.pixels())
            .zip(lattice.par_chunks(points))
            .with_min_len(1 + 8192 / points)
            .for_each(|(plane, lattice)| {
                for (q, line) in lattice.chunks_exact(self.columns.count).enumerate() {
                    let start = (self.rows.start + q * stride) * g.width + self.columns.start;
                    for (to, value) in plane[start..].iter_mut().step_by(stride).zip(line) {
                        *to = *value;
                    }
                }
            });
    }
}

/// `dw [O,C/groups,kh,kw]` from `x` and `dy`; writes every element of `dw`.
pub(super) fn by_weight(g: &Geometry, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    if g.batch == 0 {
        dw.fill(0.0);
        return;
    }
    if g.taps() == 1 && g.is_plain() {
        by_pointwise_weight(g, x, dy, dw);
        return;
    }
    let (inner, outputs) = (g.inner(), g.group_outputs());
    let p = g.how.padding;
    let (line, dilation) = ((g.width + 2 * p) * g.channels, g.how.dilation);
    let image = (g.height + 2 * p) * line;
    // Neighboring taps of one row are one contiguous line, if nothing lies between them.
    let merged = dilation == 1 && g.how.groups == 1;
    let (across, width) = if merged {
        (1, g.kernel.1 * inner)
    } else {
        (g.kernel.1, inner)
    };
    let mut starts = Vec::new();
    for ky in 0..g.kernel.0 {
        for kx in 0..across {
            starts.push((ky * dilation * line + kx * dilation * g.channels) as u32);
        }
    }
    let stride = g.how.stride;
    let offsets: Vec<u32> = (0..g.out_pixels())
        .map(|pixel| {
            let (y, x) = (pixel / g.out_width, pixel % g.out_width);
            (y * stride * line + x * stride * g.channels) as u32
        })
        .collect();
    let depth = g.taps() * inner;
    let together = images_together(g.batch, image);
    with_scratch(together * image + SLACK, |turned| {
        with_scratch(g.outputs * depth, |sums| {
            for first in (0..g.batch).step_by(together) {
                let count = together.min(g.batch - first);
                let plane = g.channels * g.pixels();
                let part = &x[first * plane..(first + count) * plane];
                channels_last(part, g, &mut turned[..count * image]);
                let products: Vec<Product<'_>> = (0..g.how.groups)
                    .map(|group| Product {
                        a: &dy[(first * g.outputs + group * outputs) * g.out_pixels()..],
                        a_row: g.out_pixels(),
                        rows: outputs,
                        b: Lines {
                            data: &turned[group * inner..],
                            offsets: &offsets,
                            starts: &starts,
                            width,
                        },
                        c: group * outputs * depth,
                        c_row: depth,
                        begin: if first == 0 {
                            Begin::Zero
                        } else {
                            Begin::Output
                        },
                        block: PIXEL_BLOCK,
                        repeat: Some(Repeat {
                            count,
                            a_step: g.outputs * g.out_pixels(),
                            b_step: image,
                        }),
                    })
                    .collect();
                multiply(&products, Output::new(sums));
            }
            taps_last(g, sums, dw);
        });
    });
}

/// [`by_weight`] of a single tap at every pixel: the picture is turned while it is packed.
fn by_pointwise_weight(g: &Geometry, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let (inner, outputs, pixels) = (g.inner(), g.group_outputs(), g.pixels());
    let offsets: Vec<u32> = (0..pixels as u32).collect();
    let starts: Vec<u32> = (0..inner).map(|c| (c * pixels) as u32).collect();
    let products: Vec<Product<'_>> = (0..g.how.groups)
        .map(|group| Product {
            a: &dy[group * outputs * pixels..],
            a_row: pixels,
            rows: outputs,
            b: Lines {
                data: &x[group * inner * pixels..],
                offsets: &offsets,
                starts: &starts,
                width: 1,
            },
            c: group * outputs * inner,
            c_row: inner,
            begin: Begin::Zero,
            block: PIXEL_BLOCK,
            repeat: Some(Repeat {
                count: g.batch,
                a_step: g.outputs * pixels,
                b_step: g.channels * pixels,
            }),
        })
        .collect();
    multiply(&products, Output::new(dw));
}

/// `[O][taps][C]` to `[O][C][taps]`.
fn taps_last(g: &Geometry, sums: &[f32], dw: &mut [f32]) {
    let (taps, inner) = (g.taps(), g.inner());
    dw.par_chunks_mut(taps * inner)
        .zip(sums.par_chunks(taps * inner))
        .with_min_len(1 + 8192 / (taps * inner))
        .for_each(|(to, from)| {
            transpose_into(from, inner, taps, inner, to);
        });
}

/// `db [O]`: the sum of every output plane, over all images in order.
pub(super) fn by_bias(batch: usize, outputs: usize, pixels: usize, dy: &[f32], db: &mut [f32]) {
    db.par_iter_mut()
        .with_min_len(1 + 65536 / (pixels * batch).max(1))
        .enumerate()
        .for_each(|(o, to)| {
            *to = (0..batch)
                .map(|image| {
                    let from = (image * outputs + o) * pixels;
                    sum(&dy[from..from + pixels])
                })
                .sum::<f64>() as f32;
        });
}
