//! The convolution itself.
//!
//! Separate from its gradients: inference needs only this file.

use super::geometry::{Geometry, Phases, SLACK};
use super::winograd;
use crate::network::ops::product::memory::{MOST_KEPT, Output, with_scratch};
use crate::network::ops::product::{Begin, DEPTH_BLOCK, Lines, MATRIX_BLOCK, Product, multiply};

/// Images whose padded copies fit a buffer together; at least one.
pub(super) fn images_together(batch: usize, each: usize) -> usize {
    (MOST_KEPT / 2 / each.max(1)).clamp(1, batch.max(1))
}

/// Steps between visits to the output: about [`DEPTH_BLOCK`], whole channels; half where lines are too short to be
/// read in place, as packed panels share nothing between their steps.
pub(super) fn depth_block(taps: usize, width: usize) -> usize {
    if taps == 1 {
        return MATRIX_BLOCK;
    }
    let most = if width < 16 {
        DEPTH_BLOCK / 2
    } else {
        DEPTH_BLOCK
    };
    if taps >= most {
        most
    } else {
        most / taps * taps
    }
}

/// `y [B,O,oh,ow] = x ∗ weight + bias`; writes every element of `y`.
pub(super) fn convolve(
    g: &Geometry,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    if winograd::pays(g) {
        winograd::convolve(g, x, weight, bias, y);
        return;
    }
    let phases = Phases::new(g);
    let block = phases.block();
    let mut offsets = Vec::with_capacity(g.inner() * g.taps());
    for c in 0..g.inner() {
        for ky in 0..g.kernel.0 {
            for kx in 0..g.kernel.1 {
                offsets.push((c * block + phases.tap(ky, kx)) as u32);
            }
        }
    }
    let pointwise = g.is_plain() && g.taps() == 1;
    // A pointwise convolution knows no rows: one line of all pixels.
    let (width, lines) = if pointwise {
        (g.out_pixels(), 1)
    } else {
        (g.out_width, g.out_height)
    };
    let starts: Vec<u32> = (0..lines)
        .map(|line| (line * phases.width) as u32)
        .collect();
    let plan = Plan {
        g,
        offsets: &offsets,
        starts: &starts,
        width,
        channel: block,
        weight,
        bias,
    };
    if g.is_plain() {
        plan.run(x, 0, g.batch, y);
        return;
    }
    let image = g.channels * block;
    let together = images_together(g.batch, image);
    with_scratch(together * image + SLACK, |padded| {
        for first in (0..g.batch).step_by(together) {
            let count = together.min(g.batch - first);
            let plane = g.channels * g.pixels();
            phases.fill(
                &x[first * plane..(first + count) * plane],
                g.height,
                g.width,
                &mut padded[..count * image],
            );
            plan.run(padded, first, count, y);
        }
    });
}

struct Plan<'a> {
    g: &'a Geometry,
    offsets: &'a [u32],
    starts: &'a [u32],
    width: usize,
    channel: usize,
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
}

impl Plan<'_> {
    fn run(&self, padded: &[f32], first: usize, count: usize, y: &mut [f32]) {
        let g = self.g;
        let (rows, depth, pixels) = (g.group_outputs(), self.offsets.len(), g.out_pixels());
        let mut products = Vec::with_capacity(count * g.how.groups);
        for image in 0..count {
            for group in 0..g.how.groups {
                let row = group * rows;
                products.push(Product {
                    a: &self.weight[row * depth..(row + rows) * depth],
                    a_row: depth,
                    rows,
                    b: Lines {
                        data: &padded[(image * g.channels + group * g.inner()) * self.channel..],
                        offsets: self.offsets,
                        starts: self.starts,
                        width: self.width,
                    },
                    c: ((first + image) * g.outputs + row) * pixels,
                    c_row: pixels,
                    begin: match self.bias {
                        Some(bias) => Begin::Row(&bias[row..row + rows]),
                        None => Begin::Zero,
                    },
                    block: depth_block(g.taps(), g.out_width),
                    repeat: None,
                });
            }
        }
        multiply(&products, Output::new(y));
    }
}
