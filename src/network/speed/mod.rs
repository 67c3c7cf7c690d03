//! How fast the operations run on this machine, and a fingerprint of what they compute.
//!
//! Separate from `ops`, as nothing in the product calls it: it feeds `radcanvas bench network` and the comparison
//! with other programs in `tests/bench/peers`.

pub mod whole;

use std::time::{Duration, Instant};

use candle_core::{Device, Result, Tensor, Var};

use crate::network::ops::{self, Convolution};

/// One measured figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// The unit of the value; empty for a plain number.
    pub unit: &'static str,
}

type Run = Box<dyn Fn(&[Tensor]) -> Result<Tensor>>;

/// One operation at one size.
struct Subject {
    name: String,
    /// Floating-point operations of one forward pass; 0 where memory is what counts.
    work: f64,
    inputs: Vec<Tensor>,
    run: Run,
    backward: bool,
}

/// Numbers in -1..1 that look random and that other programs can repeat: splitmix64 of `index + 1000003 · seed`.
pub fn values(count: usize, seed: u64) -> Vec<f32> {
    (0..count as u64)
        .map(|i| {
            let mut z = (i + seed * 1_000_003).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

fn input(shape: &[usize], seed: u64) -> Result<Tensor> {
    Tensor::from_vec(values(shape.iter().product(), seed), shape, &Device::Cpu)
}

/// Batch, channels, outputs, side, kernel, stride of the convolutions that are measured.
const CONVOLUTIONS: [[usize; 6]; 16] = [
    [1, 32, 32, 256, 3, 1],
    [1, 64, 64, 128, 3, 1],
    [4, 64, 64, 64, 3, 1],
    [1, 80, 80, 64, 3, 1],
    [1, 96, 96, 32, 3, 1],
    [4, 128, 128, 32, 3, 1],
    [1, 160, 160, 32, 3, 1],
    [1, 160, 160, 16, 3, 1],
    [2, 320, 320, 32, 3, 1],
    [1, 256, 256, 8, 3, 1],
    [1, 640, 640, 16, 3, 1],
    [1, 1280, 1280, 8, 3, 1],
    [1, 96, 96, 32, 3, 2],
    [4, 320, 320, 32, 1, 1],
    [1, 256, 768, 8, 1, 1],
    [1, 160, 96, 32, 1, 1],
];

fn convolutions() -> Result<Vec<Subject>> {
    CONVOLUTIONS
        .iter()
        .map(|&[b, c, o, side, k, stride]| {
            let how = Convolution {
                stride,
                padding: k / 2,
                ..Convolution::default()
            };
            let out = side / stride;
            Ok(Subject {
                name: format!("conv{k} {b}x{c}x{side}x{side} to {o} stride {stride}"),
                work: 2.0 * (b * c * o * k * k * out * out) as f64,
                inputs: vec![
                    input(&[b, c, side, side], 1)?,
                    input(&[o, c, k, k], 2)?,
                    input(&[o], 3)?,
                ],
                run: Box::new(move |t| ops::convolution(&t[0], &t[1], Some(&t[2]), how)),
                backward: true,
            })
        })
        .collect()
}

fn others() -> Result<Vec<Subject>> {
    let mut found = Vec::new();
    for [rows, from, to] in [[64, 256, 768], [1024, 320, 1280], [1024, 1024, 1024]] {
        found.push(Subject {
            name: format!("linear {rows}x{from} to {to}"),
            work: 2.0 * (rows * from * to) as f64,
            inputs: vec![
                input(&[rows, from], 1)?,
                input(&[to, from], 2)?,
                input(&[to], 3)?,
            ],
            run: Box::new(|t| ops::linear(&t[0], &t[1], Some(&t[2]))),
            backward: true,
        });
    }
    for [b, c, side] in [[1, 96, 32], [4, 64, 64], [1, 160, 64]] {
        found.push(Subject {
            name: format!("group norm silu {b}x{c}x{side}x{side}"),
            work: 0.0,
            inputs: vec![
                input(&[b, c, side, side], 1)?,
                input(&[c], 2)?,
                input(&[c], 3)?,
            ],
            run: Box::new(|t| ops::group_norm_silu(&t[0], &t[1], &t[2], 8, 1e-5)),
            backward: true,
        });
    }
    for [heads, tokens, depth] in [[8, 64, 32], [8, 1024, 40], [8, 4096, 40]] {
        let shape = [1, heads, tokens, depth];
        found.push(Subject {
            name: format!("attention {heads}x{tokens}x{depth}"),
            work: 4.0 * (heads * tokens * tokens * depth) as f64,
            inputs: vec![input(&shape, 1)?, input(&shape, 2)?, input(&shape, 3)?],
            run: Box::new(|t| ops::attention(&t[0], &t[1], &t[2])),
            backward: true,
        });
    }
    Ok(found)
}

/// The smallest time of one call in about `budget`.
fn fastest(budget: Duration, mut call: impl FnMut() -> Result<()>) -> Result<f64> {
    call()?;
    let start = Instant::now();
    let mut best = f64::INFINITY;
    let mut calls = 0;
    while calls < 3 || start.elapsed() < budget {
        let before = Instant::now();
        call()?;
        best = best.min(before.elapsed().as_secs_f64());
        calls += 1;
    }
    Ok(best)
}

/// `Σ y · w` with the numbers of seed 9 for `w`: equal programs have equal fingerprints.
fn fingerprint(y: &Tensor) -> Result<f64> {
    let y: Vec<f32> = y.flatten_all()?.to_vec1()?;
    let weights = values(y.len(), 9);
    Ok(y.iter()
        .zip(weights)
        .map(|(&y, w)| f64::from(y) * f64::from(w))
        .sum())
}

/// Measures every operation whose name contains `only`, each for about `budget`, forward and backward.
///
/// Per operation: `NAME forward` and `NAME backward` in seconds (backward: all gradients, with what the tensor library
/// adds around them), `NAME speed` in GFLOP/s, `NAME of peak` as a share of the matrix product's speed, and fingerprints of
/// the result and of each gradient.
pub fn figures(only: &str, budget: Duration) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let peak = {
        let (a, b) = (input(&[1024, 1024], 1)?, input(&[1024, 1024], 2)?);
        2.0 * 1024.0_f64.powi(3) / fastest(budget, || a.matmul(&b).map(drop))?
    };
    let mut figure = |name: String, value: f64, unit: &'static str| {
        figures.push(Figure { name, value, unit });
    };
    figure("matrix product 1024".into(), peak / 1e9, "GFLOP/s");
    let mut subjects = convolutions()?;
    subjects.extend(others()?);
    for subject in subjects
        .iter()
        .filter(|subject| subject.name.contains(only))
    {
        let name = &subject.name;
        let seconds = fastest(budget, || (subject.run)(&subject.inputs).map(drop))?;
        figure(format!("{name} forward"), seconds, "s");
        if subject.work > 0.0 {
            let speed = subject.work / seconds;
            figure(format!("{name} speed"), speed / 1e9, "GFLOP/s");
            figure(format!("{name} of peak"), speed / peak, "");
        }
        let y = (subject.run)(&subject.inputs)?;
        figure(format!("{name} fingerprint"), fingerprint(&y)?, "");
        if !subject.backward {
            continue;
        }
        let inputs: Vec<Tensor> = subject
            .inputs
            .iter()
            .map(|input| Var::from_tensor(input).map(Var::into_inner))
            .collect::<Result<_>>()?;
        let y = (subject.run)(&inputs)?;
        let loss = (&y * input(y.dims(), 9)?)?.sum_all()?;
        let store = loss.backward()?;
        for (index, input) in inputs.iter().enumerate() {
            if let Some(gradient) = store.get(input) {
                figure(
                    format!("{name} gradient {index}"),
                    fingerprint(gradient)?,
                    "",
                );
            }
        }
        let seconds = fastest(budget, || y.backward().map(drop))?;
        figure(format!("{name} backward"), seconds, "s");
    }
    Ok(figures)
}
