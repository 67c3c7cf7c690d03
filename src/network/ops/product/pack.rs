//! Copies short or far-apart lines of the right-hand matrix together into a panel.
//!
//! Separate because it is the part of a product that moves memory and computes nothing.

use super::transpose::transpose_apart;
use super::{Lines, PANEL};

/// Copies columns `column..column + columns` of steps `steps` into the panel, a row of [`PANEL`] a step.
pub(super) fn pack(
    b: &Lines<'_>,
    steps: std::ops::Range<usize>,
    column: usize,
    columns: usize,
    panel: &mut [f32],
) {
    if let Some((from, row)) = turned(b, &steps, column, columns) {
        transpose_apart(&b.data[from..], row, columns, steps.len(), panel, PANEL);
        return;
    }
    // At most one run a column: (where in the panel, where in the data, length).
    let mut runs = [(0, 0, 0); PANEL];
    let (mut used, mut at) = (0, column);
    while at < column + columns {
        let (line, inside) = (at / b.width, at % b.width);
        let length = (b.width - inside).min(column + columns - at);
        runs[used] = (at - column, b.starts[line] as usize + inside, length);
        used += 1;
        at += length;
    }
    let runs = &runs[..used];
    let offsets = &b.offsets[steps];
    match runs {
        [(0, from, PANEL)] => copy_runs::<PANEL>(b.data, offsets, &[(0, *from, PANEL)], panel),
        _ if runs.iter().all(|run| run.2 == 16) => copy_runs::<16>(b.data, offsets, runs, panel),
        _ if runs.iter().all(|run| run.2 == 8) => copy_runs::<8>(b.data, offsets, runs, panel),
        _ if runs.iter().all(|run| run.2 == 4) => copy_runs::<4>(b.data, offsets, runs, panel),
        _ => {
            for (row, &offset) in panel.chunks_exact_mut(PANEL).zip(offsets) {
                for &(to, from, length) in runs {
                    let from = from + offset as usize;
                    row[to..to + length].copy_from_slice(&b.data[from..from + length]);
                }
            }
        }
    }
}

/// Where the first of these columns starts and how far the next ones lie apart, if each is a row in memory: a matrix
/// that is to be turned.
fn turned(
    b: &Lines<'_>,
    steps: &std::ops::Range<usize>,
    column: usize,
    columns: usize,
) -> Option<(usize, usize)> {
    if b.width != 1 || columns < 2 || steps.is_empty() {
        return None;
    }
    let offsets = &b.offsets[steps.clone()];
    let starts = &b.starts[column..column + columns];
    let row = starts[1].checked_sub(starts[0])?;
    let equal_rows = starts.windows(2).all(|pair| pair[1] == pair[0] + row);
    let neighbors = offsets.windows(2).all(|pair| pair[1] == pair[0] + 1);
    let from = (starts[0] + offsets[0]) as usize;
    (equal_rows && neighbors).then_some((from, row as usize))
}

/// Runs of one length known to the compiler: a copy is a few vector moves instead of a call.
fn copy_runs<const LENGTH: usize>(
    data: &[f32],
    offsets: &[u32],
    runs: &[(usize, usize, usize)],
    panel: &mut [f32],
) {
    for (row, &offset) in panel.chunks_exact_mut(PANEL).zip(offsets) {
        for &(to, from, _) in runs {
            let from = from + offset as usize;
            if let (Some(source), Some(target)) =
                (data.get(from..from + LENGTH), row.get_mut(to..to + LENGTH))
            {
                target.copy_from_slice(source);
            }
        }
    }
}
