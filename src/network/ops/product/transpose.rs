//! Transposes, eight by eight values in registers.
//!
//! Separate because every product with a turned operand pays for one: plain loops cost as much as a product of depth
//! 64 does.
#![expect(
    unsafe_code,
    reason = "vector shuffles turn a block of 64 values in 24 instructions; plain code takes one store a value"
)]

use rayon::prelude::*;

/// Side of a block.
#[cfg(target_arch = "x86_64")]
const SIDE: usize = 8;

/// Writes the transpose of a `rows × columns` matrix whose rows lie `row` apart: `out[c · rows + r]`.
pub(crate) fn transpose_into(x: &[f32], row: usize, rows: usize, columns: usize, out: &mut [f32]) {
    transpose_apart(x, row, rows, columns, out, rows);
}

/// [`transpose_into`] with the rows of the output `out_row` apart: `out[c · out_row + r]`.
pub(crate) fn transpose_apart(
    x: &[f32],
    row: usize,
    rows: usize,
    columns: usize,
    out: &mut [f32],
    out_row: usize,
) {
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(
        rows <= out_row && (columns - 1) * out_row + rows <= out.len(),
        "the output is too short"
    );
    // SAFETY: `out` is this call's alone, and the assertion above bounds every value written.
    unsafe { transpose_to(x, row, rows, columns, out.as_mut_ptr(), out_row) };
}

/// [`transpose_apart`] into an output that other threads write beside it.
///
/// # Safety
/// `rows` values must be writable at each of `columns` places `out_row` apart from `out` on, by nobody else meanwhile.
pub(crate) unsafe fn transpose_to(
    x: &[f32],
    row: usize,
    rows: usize,
    columns: usize,
    out: *mut f32,
    out_row: usize,
) {
    assert!(
        rows == 0 || (rows - 1) * row + columns <= x.len(),
        "the matrix is too short"
    );
    // SAFETY: the assertion above bounds what is read, the caller vouches for what is written, and AVX is detected.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx") {
            blocks(x, row, rows, columns, out, out_row);
            return;
        }
        plain(x, row, [0, rows], [0, columns], out, out_row);
    }
}

/// The part `rows × columns` of a transpose, value by value.
///
/// # Safety
/// As [`transpose_to`].
unsafe fn plain(
    x: &[f32],
    row: usize,
    [top, bottom]: [usize; 2],
    [left, right]: [usize; 2],
    out: *mut f32,
    out_row: usize,
) {
    const PART: usize = 16;
    for r in (top..bottom).step_by(PART) {
        for j in left..right {
            for i in r..(r + PART).min(bottom) {
                // SAFETY: the caller vouches for row `j` of the output.
                unsafe { out.add(j * out_row + i).write(x[i * row + j]) };
            }
        }
    }
}

/// # Safety
/// As [`transpose_to`]; AVX must be there and `x` hold the whole matrix.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
unsafe fn blocks(
    x: &[f32],
    row: usize,
    rows: usize,
    columns: usize,
    out: *mut f32,
    out_row: usize,
) {
    let (whole_rows, whole_columns) = (rows / SIDE * SIDE, columns / SIDE * SIDE);
    // Two blocks below each other write one cache line.
    for r in (0..whole_rows).step_by(2 * SIDE) {
        for c in (0..whole_columns).step_by(SIDE) {
            for r in (r..(r + 2 * SIDE).min(whole_rows)).step_by(SIDE) {
                // SAFETY: the block lies inside the matrix, and so does its transpose.
                unsafe {
                    let from = x.as_ptr().add(r * row + c);
                    block(from, row, out.add(c * out_row + r), out_row);
                }
            }
        }
    }
    // SAFETY: the rest of the same matrix.
    unsafe {
        plain(
            x,
            row,
            [0, whole_rows],
            [whole_columns, columns],
            out,
            out_row,
        );
        plain(x, row, [whole_rows, rows], [0, columns], out, out_row);
    }
}

/// # Safety
/// Eight rows of eight values must be readable at `from` and writable at `to`, at these distances.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
unsafe fn block(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
    use std::arch::x86_64::{
        _mm256_loadu_ps, _mm256_permute2f128_ps, _mm256_shuffle_ps, _mm256_storeu_ps,
        _mm256_unpackhi_ps, _mm256_unpacklo_ps,
    };
    // SAFETY: the caller vouches for the eight rows.
    let rows: [_; SIDE] =
        std::array::from_fn(|i| unsafe { _mm256_loadu_ps(from.add(i * from_row)) });
    let [a, b, c, d, e, f, g, h] = rows;
    let (ab, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    let (cd, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    let (ef, ef_high) = (_mm256_unpacklo_ps(e, f), _mm256_unpackhi_ps(e, f));
    let (gh, gh_high) = (_mm256_unpacklo_ps(g, h), _mm256_unpackhi_ps(g, h));
    let first = [
        _mm256_shuffle_ps::<0x44>(ab, cd),
        _mm256_shuffle_ps::<0xee>(ab, cd),
        _mm256_shuffle_ps::<0x44>(ab_high, cd_high),
        _mm256_shuffle_ps::<0xee>(ab_high, cd_high),
    ];
    let second = [
        _mm256_shuffle_ps::<0x44>(ef, gh),
        _mm256_shuffle_ps::<0xee>(ef, gh),
        _mm256_shuffle_ps::<0x44>(ef_high, gh_high),
        _mm256_shuffle_ps::<0xee>(ef_high, gh_high),
    ];
    for (i, (low, high)) in first.into_iter().zip(second).enumerate() {
        // SAFETY: the caller vouches for the eight rows.
        unsafe {
            let halves = _mm256_permute2f128_ps::<0x20>(low, high);
            _mm256_storeu_ps(to.add(i * to_row), halves);
            let halves = _mm256_permute2f128_ps::<0x31>(low, high);
            _mm256_storeu_ps(to.add((i + 4) * to_row), halves);
        }
    }
}

/// Writes the transpose of a contiguous `rows × columns` matrix, on all threads where it is large.
pub(crate) fn transpose(x: &[f32], rows: usize, columns: usize, out: &mut [f32]) {
    const STRIPE: usize = 64;
    if rows * columns < 1 << 16 {
        transpose_into(x, columns, rows, columns, out);
        return;
    }
    out.par_chunks_mut(STRIPE * rows)
        .enumerate()
        .for_each(|(index, out)| {
            let first = index * STRIPE;
            transpose_into(&x[first..], columns, rows, out.len() / rows, out);
        });
}
