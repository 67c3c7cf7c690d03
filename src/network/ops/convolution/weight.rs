//! The gradient of a convolution by its weights.
//!
//! Separate from the other gradients: its sums run over pixels, so that pictures are read with their channels last.

use rayon::prelude::*;

use super::forward::images_together;
use super::geometry::{Geometry, SLACK, channels_last};
use super::gradient::FAR_WEIGHTS;
use crate::network::ops::product::memory::{Output, with_scratch};
use crate::network::ops::product::transpose::transpose_into;
use crate::network::ops::product::{
    Begin, Lines, Product, Repeat, multiply, multiply_here, rows_together,
};

/// Steps between visits to the output: 48 channels of so many pixels fit a first-level cache.
const PIXEL_BLOCK: usize = 128;

/// How the weight gradient reads pictures with their channels last.
struct Read<'a> {
    g: &'a Geometry,
    /// Values of a picture.
    image: usize,
    starts: Vec<u32>,
    offsets: Vec<u32>,
    width: usize,
}

impl<'a> Read<'a> {
    fn new(g: &'a Geometry) -> Self {
        let (p, inner) = (g.how.padding, g.inner());
        let (line, dilation) = ((g.width + 2 * p) * g.channels, g.how.dilation);
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
        let offset = |pixel: usize| {
            let (y, x) = (pixel / g.out_width, pixel % g.out_width);
            (y * stride * line + x * stride * g.channels) as u32
        };
        Self {
            g,
            image: (g.height + 2 * p) * line,
            starts,
            offsets: (0..g.out_pixels()).map(offset).collect(),
            width,
        }
    }

    /// The sums of some outputs of one group over `count` images, from `c` of the output on.
    fn product<'b>(
        &'b self,
        turned: &'b [f32],
        dy: &'b [f32],
        rows: std::ops::Range<usize>,
        c: usize,
        count: usize,
    ) -> Product<'b> {
        let g = self.g;
        let group = rows.start / g.group_outputs();
        let depth = g.taps() * g.inner();
        Product {
            a: &dy[rows.start * g.out_pixels()..],
            a_row: g.out_pixels(),
            rows: rows.len(),
            b: Lines {
                data: &turned[group * g.inner()..],
                offsets: &self.offsets,
                starts: &self.starts,
                width: self.width,
            },
            c,
            c_row: depth,
            begin: Begin::Zero,
            block: PIXEL_BLOCK,
            repeat: Some(Repeat {
                count,
                a_step: g.outputs * g.out_pixels(),
                b_step: self.image,
            }),
        }
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
    let outputs = g.group_outputs();
    let depth = g.taps() * g.inner();
    let read = Read::new(g);
    let image = read.image;
    let together = images_together(g.batch, image);
    if g.how.groups == 1 && together == g.batch && outputs * depth >= FAR_WEIGHTS {
        by_heavy_weight(&read, x, dy, dw);
        return;
    }
    with_scratch(together * image + SLACK, |turned| {
        with_scratch(g.outputs * depth, |sums| {
            for first in (0..g.batch).step_by(together) {
                let count = together.min(g.batch - first);
                let plane = g.channels * g.pixels();
                let part = &x[first * plane..(first + count) * plane];
                channels_last(part, g, &mut turned[..count * image]);
                let begin = if first == 0 {
                    Begin::Zero
                } else {
                    Begin::Output
                };
                let products: Vec<Product<'_>> = (0..g.how.groups)
                    .map(|group| {
                        let rows = group * outputs..(group + 1) * outputs;
                        let part = &dy[first * g.outputs * g.out_pixels()..];
                        Product {
                            begin,
                            ..read.product(turned, part, rows, group * outputs * depth, count)
                        }
                    })
                    .collect();
                multiply(&products, Output::new(sums));
            }
            taps_last(g, sums, dw);
        });
    });
}

/// [`by_weight`] of all images at once, some outputs at a time: their sums stay near until they are put in order.
fn by_heavy_weight(read: &Read<'_>, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let g = read.g;
    let (inner, taps) = (g.inner(), g.taps());
    let depth = taps * inner;
    let rows = rows_together(g.outputs, depth);
    let all = g.batch * read.image;
    with_scratch(all + SLACK, |turned| {
        channels_last(x, g, &mut turned[..all]);
        let turned: &[f32] = turned;
        let parts = dw.par_chunks_mut(rows * depth).enumerate();
        parts.for_each(|(part, dw)| {
            with_scratch(dw.len(), |sums| {
                let rows = part * rows..part * rows + dw.len() / depth;
                let product = read.product(turned, dy, rows, 0, g.batch);
                multiply_here(&product, Output::new(sums));
                for (to, from) in dw.chunks_exact_mut(depth).zip(sums.chunks_exact(depth)) {
                    transpose_into(from, inner, taps, inner, to);
                }
            });
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
