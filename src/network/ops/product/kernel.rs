//! The register tile: up to 8 rows by 3 vectors of a matrix product, for each instruction set.
//!
//! Separate because it is the only place with machine instructions. A tile computes, for each of `R` rows and `V`
//! vectors, `start + Σ_k a[row, k] · b[k, vector]`, one fused multiply-add after the other in the order of `k`. So a
//! result depends on the order of `k` alone: not on the tile an element falls into, its neighbors or the threads.
#![expect(
    unsafe_code,
    reason = "register blocking needs vector instructions and unchecked reads: safe indexing halves its speed"
)]

use std::sync::OnceLock;

/// Most rows of a tile.
pub(crate) const ROWS: usize = 8;
/// Most vectors of a tile.
pub(crate) const VECTORS: usize = 3;
/// Most lanes of a vector.
pub(crate) const MOST_LANES: usize = 16;

/// What the sums start from.
#[derive(Clone, Copy)]
pub(crate) enum Start {
    /// Zero.
    Zero,
    /// What the output holds.
    Output,
    /// One value a row, read from here on.
    Row(*const f32),
    /// One vector a vector of the tile, contiguous from here on.
    Column(*const f32),
}

/// Where one tile reads and writes.
#[derive(Clone, Copy)]
pub(crate) struct Tile {
    /// Length of the sums.
    pub depth: usize,
    /// `a[row, k]` is at `a + row·a_row + k`.
    pub a: *const f32,
    /// Distance of the rows of `a`.
    pub a_row: usize,
    /// `depth` distances: the vector `v` of `b[k]` starts at `b[v] + offsets[k]`.
    pub offsets: *const u32,
    /// Where each vector of `b` starts.
    pub b: [*const f32; VECTORS],
    /// Row `r` of vector `v` of the output is at `c[v] + r·c_row`.
    pub c: [*mut f32; VECTORS],
    /// Distance of the rows of the output.
    pub c_row: usize,
    /// What the sums start from.
    pub start: Start,
}

type Kernel = unsafe fn(&Tile);

/// The kernels of one instruction set.
pub(crate) struct Kernels {
    /// Lanes of a vector.
    pub lanes: usize,
    /// Most rows of a tile that its registers hold.
    pub rows: usize,
    table: [[Kernel; VECTORS]; ROWS],
}

impl Kernels {
    /// Computes one tile of `rows` (1 to [`Kernels::rows`]) by `vectors` (1 to 3).
    ///
    /// # Safety
    /// Every address that [`Tile`] describes must be readable (`a`, `offsets`, `b`, `start`) or writable (`c`) for
    /// `rows`, `vectors · lanes` and `depth`, and no other thread may touch the output meanwhile.
    pub(crate) unsafe fn tile(&self, rows: usize, vectors: usize, tile: &Tile) {
        // SAFETY: the table only holds kernels of instruction sets that were detected; the rest is the caller's.
        unsafe { self.table[rows - 1][vectors - 1](tile) }
    }
}

macro_rules! kernel {
    ($name:ident, $(#[$feature:meta])*, $vector:ty, $lanes:expr, $zero:expr, $splat:expr, $load:expr, $store:expr, $fma:expr) => {
        $(#[$feature])*
        unsafe fn $name<const R: usize, const V: usize>(tile: &Tile) {
            // SAFETY: all reads and writes stay where `Kernels::tile` requires the caller to vouch for.
            unsafe {
                let mut sums: [[$vector; V]; R] = [[$zero; V]; R];
                match tile.start {
                    Start::Zero => {}
                    Start::Output => {
                        for (r, row) in sums.iter_mut().enumerate() {
                            for (v, sum) in row.iter_mut().enumerate() {
                                *sum = $load(tile.c[v].add(r * tile.c_row).cast_const());
                            }
                        }
                    }
                    Start::Row(start) => {
                        for (r, row) in sums.iter_mut().enumerate() {
                            *row = [$splat(*start.add(r)); V];
                        }
                    }
                    Start::Column(start) => {
                        for row in &mut sums {
                            for (v, sum) in row.iter_mut().enumerate() {
                                *sum = $load(start.add(v * $lanes));
                            }
                        }
                    }
                }
                let (a_row, offsets) = (tile.a_row, tile.offsets);
                let (mut a, end) = (tile.a, tile.depth);
                for k in 0..end {
                    let offset = *offsets.add(k) as usize;
                    let mut b = [$zero; V];
                    for (v, b) in b.iter_mut().enumerate() {
                        *b = $load(tile.b[v].add(offset));
                    }
                    for (r, row) in sums.iter_mut().enumerate() {
                        let factor = $splat(*a.add(r * a_row));
                        for (v, sum) in row.iter_mut().enumerate() {
                            *sum = $fma(factor, b[v], *sum);
                        }
                    }
                    a = a.add(1);
                }
                for (r, row) in sums.iter().enumerate() {
                    for (v, sum) in row.iter().enumerate() {
                        $store(tile.c[v].add(r * tile.c_row), *sum);
                    }
                }
            }
        }
    };
}

macro_rules! table {
    ($name:ident) => {
        [
            [$name::<1, 1>, $name::<1, 2>, $name::<1, 3>],
            [$name::<2, 1>, $name::<2, 2>, $name::<2, 3>],
            [$name::<3, 1>, $name::<3, 2>, $name::<3, 3>],
            [$name::<4, 1>, $name::<4, 2>, $name::<4, 3>],
            [$name::<5, 1>, $name::<5, 2>, $name::<5, 3>],
            [$name::<6, 1>, $name::<6, 2>, $name::<6, 3>],
            [$name::<7, 1>, $name::<7, 2>, $name::<7, 3>],
            [$name::<8, 1>, $name::<8, 2>, $name::<8, 3>],
        ]
    };
}

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256, __m512, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps,
    _mm256_storeu_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_storeu_ps,
};

#[cfg(target_arch = "x86_64")]
kernel!(
    avx512,
    #[target_feature(enable = "avx512f")],
    __m512,
    16,
    _mm512_setzero_ps(),
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_fmadd_ps
);

#[cfg(target_arch = "x86_64")]
kernel!(
    avx2,
    #[target_feature(enable = "avx2,fma")],
    __m256,
    8,
    _mm256_setzero_ps(),
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_fmadd_ps
);

type Four = [f32; 4];

#[expect(clippy::inline_always, reason = "part of the innermost loop")]
#[inline(always)]
unsafe fn load_four(from: *const f32) -> Four {
    // SAFETY: the caller vouches for four values; an array of f32 needs no more alignment than f32.
    unsafe { from.cast::<Four>().read() }
}

#[expect(clippy::inline_always, reason = "part of the innermost loop")]
#[inline(always)]
unsafe fn store_four(to: *mut f32, value: Four) {
    // SAFETY: as in `load_four`.
    unsafe { to.cast::<Four>().write(value) }
}

#[expect(clippy::inline_always, reason = "part of the innermost loop")]
#[inline(always)]
fn multiply_add_four(a: Four, b: Four, c: Four) -> Four {
    let mut sum = c;
    for lane in 0..4 {
        // A fused step only where the processor has one: elsewhere it is a call into the mathematics library.
        sum[lane] = if cfg!(target_arch = "aarch64") {
            a[lane].mul_add(b[lane], sum[lane])
        } else {
            sum[lane] + a[lane] * b[lane]
        };
    }
    sum
}

kernel!(
    portable, , Four, 4, [0.0; 4], |value: f32| [value; 4], load_four, store_four, multiply_add_four
);

static PORTABLE: Kernels = Kernels {
    lanes: 4,
    rows: 8,
    table: table!(portable),
};

#[cfg(target_arch = "x86_64")]
static AVX2: Kernels = Kernels {
    lanes: 8,
    rows: 4,
    table: table!(avx2),
};

#[cfg(target_arch = "x86_64")]
static AVX512: Kernels = Kernels {
    lanes: 16,
    rows: 8,
    table: table!(avx512),
};

/// Every set of kernels that this processor runs, best first.
fn available() -> Vec<&'static Kernels> {
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            found.push(&AVX512);
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            found.push(&AVX2);
        }
    }
    found.push(&PORTABLE);
    found
}

/// The best kernels for this processor.
pub(crate) fn kernels() -> &'static Kernels {
    static BEST: OnceLock<&'static Kernels> = OnceLock::new();
    BEST.get_or_init(|| available()[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_equals_the_plain_sum() {
        let depth = 37;
        let a: Vec<f32> = (0..ROWS * depth).map(|i| (i as f32 * 0.37).sin()).collect();
        let width = VECTORS * MOST_LANES;
        let b: Vec<f32> = (0..depth * width)
            .map(|i| (i as f32 * 0.11).cos())
            .collect();
        let offsets: Vec<u32> = (0..depth).map(|k| (k * width) as u32).collect();
        for kernels in available() {
            for rows in 1..=kernels.rows {
                for vectors in 1..=VECTORS {
                    let mut c = vec![0.5_f32; ROWS * width];
                    let at = |v: usize| v * kernels.lanes;
                    let base = c.as_mut_ptr();
                    let tile = Tile {
                        depth,
                        a: a.as_ptr(),
                        a_row: depth,
                        offsets: offsets.as_ptr(),
                        b: std::array::from_fn(|v| b[at(v)..].as_ptr()),
                        c: std::array::from_fn(|v| base.wrapping_add(at(v))),
                        c_row: width,
                        start: Start::Output,
                    };
                    // SAFETY: the arrays hold all rows, vectors and steps; this thread alone has them.
                    unsafe { kernels.tile(rows, vectors, &tile) };
                    for r in 0..ROWS {
                        for j in 0..width {
                            let inside = r < rows && j < vectors * kernels.lanes;
                            let sum: f64 = (0..depth)
                                .map(|k| f64::from(a[r * depth + k]) * f64::from(b[k * width + j]))
                                .sum();
                            let expected = if inside { 0.5 + sum } else { 0.5 };
                            let got = f64::from(c[r * width + j]);
                            assert!((got - expected).abs() < 1e-5, "{got} {expected}");
                        }
                    }
                }
            }
        }
    }
}
