//! The gradients of a convolution by its input (which is also the transposed convolution) and its bias.
//!
//! Separate from the forward pass: training alone needs it.

use rayon::prelude::*;

use super::forward::{depth_block, images_together};
use super::geometry::{Geometry, SLACK};
use crate::network::ops::product::memory::{Output, with_scratch};
use crate::network::ops::product::transpose::transpose_into;
use crate::network::ops::product::{Begin, Lines, Product, multiply, multiply_here, rows_together};
use crate::network::ops::vector::sum;

/// Channels whose weights are turned together.
const CHANNELS_TOGETHER: usize = 16;
/// Values of weights from which on they are turned in parts that stay near: more than a second-level cache holds.
pub(super) const FAR_WEIGHTS: usize = 512 * 1024;

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
        if g.how.stride == 1 {
            let start = first * g.channels * points;
            self.multiply(padded, weight, depth, bias, count, start, dx);
            return;
        }
        with_scratch(count * g.channels * points, |lattice| {
            self.multiply(padded, weight, depth, bias, count, 0, lattice);
            self.spread(lattice, &mut dx[first * g.channels * g.pixels()..]);
        });
    }

    /// The weights of the channels from `first` on, as `[C][O/groups][taps of this phase]`.
    fn turn(&self, weight: &[f32], depth: usize, first: usize, turned: &mut [f32]) {
        let g = self.g;
        let (inner, outputs, taps) = (g.inner(), g.group_outputs(), g.taps());
        if depth == 0 {
            return;
        }
        let count = turned.len() / depth;
        if taps == 1 && g.how.groups == 1 {
            transpose_into(&weight[first..], inner, outputs, count, turned);
            return;
        }
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
        for o in 0..outputs {
            for (row, channel) in turned.chunks_exact_mut(depth).zip(first..) {
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
    }

    /// How the frames are read: offsets of the steps of a sum, starts of the lines of pixels, and their width.
    fn lines(&self, depth: usize) -> (Vec<u32>, Vec<u32>, usize) {
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
        (offsets, starts, width)
    }

    #[expect(clippy::too_many_arguments, reason = "the two ends of one product")]
    fn multiply(
        &self,
        padded: &[f32],
        weight: &[f32],
        depth: usize,
        bias: Option<&[f32]>,
        count: usize,
        start: usize,
        out: &mut [f32],
    ) {
        let g = self.g;
        let plane = self.frame.height * self.frame.width;
        let (offsets, starts, width) = self.lines(depth);
        let points = self.rows.count * self.columns.count;
        let taps = self.rows.taps.len() * self.columns.taps.len();
        // Some channels of one group in one image, weights yet to be given.
        let product = |image: usize, channel: usize, rows: usize| Product {
            a: &[],
            a_row: depth,
            rows,
            b: Lines {
                data: &padded
                    [(image * g.outputs + channel / g.inner() * g.group_outputs()) * plane..],
                offsets: &offsets,
                starts: &starts,
                width,
            },
            c: start + (image * g.channels + channel) * points,
            c_row: points,
            begin: match bias {
                Some(bias) => Begin::Row(&bias[channel..channel + rows]),
                None => Begin::Zero,
            },
            block: depth_block(taps.max(1), self.columns.count),
            repeat: None,
        };
        let output = Output::new(out);
        if g.how.groups == 1 && g.channels * depth >= FAR_WEIGHTS {
            let rows = rows_together(g.channels, depth);
            (0..g.channels)
                .into_par_iter()
                .step_by(rows)
                .for_each(|channel| {
                    let rows = rows.min(g.channels - channel);
                    with_scratch(rows * depth, |turned| {
                        self.turn(weight, depth, channel, turned);
                        for image in 0..count {
                            let a: &[f32] = turned;
                            multiply_here(
                                &Product {
                                    a,
                                    ..product(image, channel, rows)
                                },
                                output,
                            );
                        }
                    });
                });
            return;
        }
        with_scratch(g.channels * depth, |turned| {
            // Neighboring channels together: they share the cache lines of the weights.
            turned
                .par_chunks_mut((depth * CHANNELS_TOGETHER).max(1))
                .enumerate()
                .for_each(|(part, turned)| {
                    self.turn(weight, depth, part * CHANNELS_TOGETHER, turned);
                });
            let group = g.inner() * depth;
            let products: Vec<Product<'_>> = (0..count * g.how.groups)
                .map(|number| {
                    let (image, n) = (number / g.how.groups, number % g.how.groups);
                    Product {
                        a: &turned[n * group..],
                        ..product(image, n * g.inner(), g.inner())
                    }
                })
                .collect();
            multiply(&products, output);
        });
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
