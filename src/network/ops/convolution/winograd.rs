//! 3×3 convolutions by Winograd's F(2×2, 3×3): 16 products of 2×2 output tiles instead of 36 (Lavin & Gray 2016).
//!
//! Separate because it pays for wide layers only, and rounds differently (a few 1e-6 of the largest value).
#![expect(unsafe_code, reason = "threads write rows of one output, each its own")]

use rayon::prelude::*;

use super::geometry::{Convolution, Geometry, SLACK};
use crate::network::ops::product::memory::{Output, with_scratch};
use crate::network::ops::product::{Begin, Lines, MATRIX_BLOCK, Product, multiply_here};
use crate::network::ops::vector::vectorized;

/// Positions of a transformed tile.
const PLACES: usize = 16;
/// Values of a block of transformed tiles, in and out: half of a second-level cache.
const BLOCK: usize = 192 * 1024;

/// Whether tiles pay. Measured on two cores: 0.76–0.88 of the time of the direct products from 64 channels of 64 × 64
/// pixels on, and from 320 of 32 × 32; slower below.
///
/// The number of images has no say, as the bits of one must not depend on its neighbors.
pub(super) fn pays(g: &Geometry) -> bool {
    let plain = Convolution {
        padding: 1,
        ..Convolution::default()
    };
    g.kernel == (3, 3)
        && g.how == plain
        && g.height.is_multiple_of(2)
        && g.width.is_multiple_of(2)
        && (16..=2 * WIDEST).contains(&g.width)
        && g.channels.min(g.outputs) >= 64
        && g.channels.min(g.outputs) * g.pixels() >= 250_000
}

/// `U = G g Gᵀ` of every kernel: `[16][O][C]`.
fn turn_weights(g: &Geometry, weight: &[f32], out: &mut [f32]) {
    let count = g.outputs * g.channels;
    for (at, kernel) in weight.as_chunks::<9>().0.iter().enumerate() {
        let mut half = [[0.0_f32; 3]; 4];
        for x in 0..3 {
            let [a, b, c] = [kernel[x], kernel[3 + x], kernel[6 + x]];
            half[0][x] = a;
            half[1][x] = 0.5 * (a + c + b);
            half[2][x] = 0.5 * (a + c - b);
            half[3][x] = c;
        }
        for (y, [a, b, c]) in half.into_iter().enumerate() {
            let line = [a, 0.5 * (a + c + b), 0.5 * (a + c - b), c];
            for (x, value) in line.into_iter().enumerate() {
                out[(y * 4 + x) * count + at] = value;
            }
        }
    }
}

vectorized! {
    /// The four rows `Bᵀ d` of a row of tiles, each taken apart into even and odd columns.
    fn rows_in(d: [&[f32]; 4], even: &mut [[f32; WIDEST]; 4], odd: &mut [[f32; WIDEST]; 4]) {
        let [d0, d1, d2, d3] = d.map(|row| row.as_chunks::<2>().0);
        let half = d1.len();
        for i in 0..half {
            let (a, b, c, d) = (d0[i], d1[i], d2[i], d3[i]);
            for (side, to) in [&mut *even, &mut *odd].into_iter().enumerate() {
                to[0][i] = a[side] - c[side];
                to[1][i] = b[side] + c[side];
                to[2][i] = c[side] - b[side];
                to[3][i] = b[side] - d[side];
            }
        }
    }
}

vectorized! {
    /// `(Bᵀ d) B` of one row of the four: odd columns lead by one tile.
    fn columns_in(even: &[f32], odd: &[f32], out: [&mut [f32]; 4]) {
        let half = even.len();
        let odd = &odd[..half];
        let [a, b, c, d] = out.map(|line| &mut line[..half]);
        a[0] = -odd[0];
        for i in 1..half {
            a[i] = odd[i - 1] - odd[i];
        }
        for i in 0..half {
            b[i] = even[i] + odd[i];
            c[i] = odd[i] - even[i];
        }
        for i in 0..half - 1 {
            d[i] = even[i] - even[i + 1];
        }
        d[half - 1] = even[half - 1];
    }
}

vectorized! {
    /// `Aᵀ m A` of a row of tiles plus a bias: two rows of pixels.
    fn rows_out(m: &[&[f32]; PLACES], bias: f32, upper: &mut [f32], lower: &mut [f32]) {
        let (upper, _) = upper.as_chunks_mut::<2>();
        let (lower, _) = lower.as_chunks_mut::<2>();
        let half = upper.len();
        let m = m.map(|line| &line[..half]);
        let lower = &mut lower[..half];
        for i in 0..half {
            let (mut a, mut b) = ([0.0_f32; 4], [0.0_f32; 4]);
            for x in 0..4 {
                let [p, q, r, s] = [m[x][i], m[4 + x][i], m[8 + x][i], m[12 + x][i]];
                a[x] = p + q + r;
                b[x] = q - r - s;
            }
            upper[i] = [a[0] + a[1] + a[2] + bias, a[1] - a[2] - a[3] + bias];
            lower[i] = [b[0] + b[1] + b[2] + bias, b[1] - b[2] - b[3] + bias];
        }
    }
}

/// Tiles across the widest picture that is taken.
const WIDEST: usize = 512;

/// `y = x ∗ weight + bias` where [`pays`] says so; writes every element of `y`.
pub(super) fn convolve(
    g: &Geometry,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    let half = g.width / 2;
    let tile_rows = g.height / 2;
    let each = PLACES * (g.channels + g.outputs) * half;
    let rows = (BLOCK / each).clamp(1, tile_rows);
    let blocks = tile_rows.div_ceil(rows);
    let output = Output::new(y);
    with_scratch(PLACES * g.outputs * g.channels, |turned| {
        turn_weights(g, weight, turned);
        let turned: &[f32] = turned;
        (0..g.batch * blocks).into_par_iter().for_each(|index| {
            let (image, block) = (index / blocks, index % blocks);
            let first = block * rows;
            let part = Part {
                g,
                half,
                first,
                rows: rows.min(tile_rows - first),
            };
            let plane = g.channels * g.pixels();
            let x = &x[image * plane..(image + 1) * plane];
            part.run(x, turned, bias, output, image * g.outputs * g.pixels());
        });
    });
}

/// Some rows of tiles of one image.
struct Part<'a> {
    g: &'a Geometry,
    half: usize,
    first: usize,
    rows: usize,
}

impl Part<'_> {
    fn run(
        &self,
        x: &[f32],
        turned: &[f32],
        bias: Option<&[f32]>,
        output: Output<'_>,
        start: usize,
    ) {
        let g = self.g;
        let tiles = self.rows * self.half;
        let (inner, outer) = (PLACES * g.channels * tiles, PLACES * g.outputs * tiles);
        with_scratch(inner + outer + SLACK, |scratch| {
            let (v, m) = scratch.split_at_mut(inner + SLACK);
            self.transform(x, v, tiles);
            let offsets: Vec<u32> = (0..g.channels).map(|c| (c * tiles) as u32).collect();
            for place in 0..PLACES {
                let count = g.outputs * g.channels;
                let product = Product {
                    a: &turned[place * count..(place + 1) * count],
                    a_row: g.channels,
                    rows: g.outputs,
                    b: Lines {
                        data: &v[place * g.channels * tiles..],
                        offsets: &offsets,
                        starts: &[0],
                        width: tiles,
                    },
                    c: place * g.outputs * tiles,
                    c_row: tiles,
                    begin: Begin::Zero,
                    block: MATRIX_BLOCK,
                    repeat: None,
                };
                multiply_here(&product, Output::new(m));
            }
            self.gather(m, bias, tiles, output, start);
        });
    }

    fn transform(&self, x: &[f32], v: &mut [f32], tiles: usize) {
        let g = self.g;
        let zeros = [0.0_f32; 2 * WIDEST];
        let (mut even, mut odd) = ([[0.0_f32; WIDEST]; 4], [[0.0_f32; WIDEST]; 4]);
        let place_size = g.channels * tiles;
        for (c, plane) in x.chunks_exact(g.pixels()).enumerate() {
            for row in 0..self.rows {
                let top = 2 * (self.first + row);
                let line = |at: Option<usize>| match at.filter(|y| *y < g.height) {
                    Some(y) => &plane[y * g.width..(y + 1) * g.width],
                    None => &zeros[..g.width],
                };
                let lines = [
                    line(top.checked_sub(1)),
                    line(Some(top)),
                    line(Some(top + 1)),
                    line(Some(top + 2)),
                ];
                rows_in(lines, &mut even, &mut odd);
                let at = c * tiles + row * self.half;
                for (k, (even, odd)) in even.iter().zip(&odd).enumerate() {
                    let quarter = &mut v[4 * k * place_size..(4 * k + 4) * place_size];
                    let (a, rest) = quarter.split_at_mut(place_size);
                    let (b, rest) = rest.split_at_mut(place_size);
                    let (c, d) = rest.split_at_mut(place_size);
                    let out = [a, b, c, d].map(|part| &mut part[at..at + self.half]);
                    columns_in(&even[..self.half], &odd[..self.half], out);
                }
            }
        }
    }

    fn gather(
        &self,
        m: &[f32],
        bias: Option<&[f32]>,
        tiles: usize,
        output: Output<'_>,
        start: usize,
    ) {
        let g = self.g;
        for o in 0..g.outputs {
            let bias = bias.map_or(0.0, |bias| bias[o]);
            for row in 0..self.rows {
                let at = o * tiles + row * self.half;
                let lines: [&[f32]; PLACES] = std::array::from_fn(|place| {
                    let from = place * g.outputs * tiles + at;
                    &m[from..from + self.half]
                });
                let to = start + o * g.pixels() + 2 * (self.first + row) * g.width;
                assert!(to + 2 * g.width <= output.len(), "rows outside the output");
                // SAFETY: the assertion keeps the two rows inside; every part writes rows of its own tiles only.
                let pixels = unsafe { std::slice::from_raw_parts_mut(output.at(to), 2 * g.width) };
                let (upper, lower) = pixels.split_at_mut(g.width);
                rows_out(&lines, bias, upper, lower);
            }
        }
    }
}
