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

fn input(shape: &[usize], seed: u64, device: &Device) -> Result<Tensor> {
    Tensor::from_vec(values(shape.iter().product(), seed), shape, device)
}

/// Batch, channels, outputs, side, kernel, stride of the convolutions that are measured.
const CONVOLUTIONS: [[usize; 6]; 25] = [
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
    [1, 32, 32, 256, 1, 1],
    [4, 48, 80, 64, 1, 1],
    [1, 64, 64, 128, 1, 1],
    [1, 96, 288, 32, 1, 1],
    [1, 160, 96, 32, 1, 1],
    [4, 160, 160, 16, 1, 1],
    [2, 192, 192, 32, 1, 1],
    [1, 256, 768, 8, 1, 1],
    [4, 320, 320, 32, 1, 1],
    [2, 320, 640, 16, 1, 1],
    [1, 640, 640, 16, 1, 1],
    [4, 640, 640, 8, 1, 1],
];

/// Rows, numbers in and numbers out of the linear layers that are measured.
const LINEARS: [[usize; 3]; 12] = [
    [4, 128, 512],
    [64, 256, 768],
    [64, 640, 640],
    [77, 320, 1280],
    [154, 640, 640],
    [256, 160, 480],
    [256, 640, 2560],
    [1024, 96, 288],
    [1024, 320, 1280],
    [1024, 1024, 1024],
    [4096, 64, 64],
    [4096, 320, 320],
];

/// Batch, channels and side of the group norms that are measured.
const NORMS: [[usize; 3]; 12] = [
    [1, 32, 256],
    [1, 64, 128],
    [4, 64, 64],
    [1, 96, 32],
    [4, 96, 32],
    [1, 160, 64],
    [4, 160, 16],
    [2, 256, 16],
    [1, 320, 64],
    [2, 320, 32],
    [1, 640, 16],
    [4, 640, 8],
];

/// Heads, tokens and numbers a head of the attentions that are measured.
const ATTENTIONS: [[usize; 3]; 6] = [
    [8, 64, 32],
    [4, 256, 32],
    [8, 256, 80],
    [5, 1024, 64],
    [8, 1024, 40],
    [8, 4096, 40],
];

fn convolutions(device: &Device) -> Result<Vec<Subject>> {
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
                    input(&[b, c, side, side], 1, device)?,
                    input(&[o, c, k, k], 2, device)?,
                    input(&[o], 3, device)?,
                ],
                run: Box::new(move |t| ops::convolution(&t[0], &t[1], Some(&t[2]), how)),
                backward: true,
            })
        })
        .collect()
}

fn others(device: &Device) -> Result<Vec<Subject>> {
    let input = |shape: &[usize], seed| input(shape, seed, device);
    let mut found = Vec::new();
    for [rows, from, to] in LINEARS {
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
    for [b, c, side] in NORMS {
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
    for [heads, tokens, depth] in ATTENTIONS {
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

/// The median time of one call, of at least `least` and about `budget`; what a device has been asked is waited for.
fn usual(
    (least, budget): (usize, Duration),
    device: &Device,
    mut call: impl FnMut() -> Result<()>,
) -> Result<f64> {
    call()?;
    device.synchronize()?;
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < least || start.elapsed() < budget {
        let before = Instant::now();
        call()?;
        device.synchronize()?;
        times.push(before.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
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

/// How often an operation is called at least for a median.
const CALLS: usize = 20;

/// Measures every operation whose name contains `only` on a device, forward and backward: medians of at least 20 calls
/// and of about `budget`.
///
/// Per operation: `NAME forward` and `NAME backward` in seconds (backward: all gradients, with what the tensor library
/// adds around them), `NAME speed` in GFLOP/s, `NAME of peak` as a share of the matrix product's speed, and fingerprints of
/// the result and of each gradient.
pub fn figures(only: &str, budget: Duration, device: &Device) -> Result<Vec<Figure>> {
    let many = (CALLS, budget);
    let mut figures = Vec::new();
    let peak = {
        let side = [1024, 1024];
        let (a, b) = (input(&side, 1, device)?, input(&side, 2, device)?);
        2.0 * 1024.0_f64.powi(3) / usual(many, device, || a.matmul(&b).map(drop))?
    };
    let mut figure = |name: String, value: f64, unit: &'static str| {
        figures.push(Figure { name, value, unit });
    };
    figure("matrix product 1024".into(), peak / 1e9, "GFLOP/s");
    let mut subjects = convolutions(device)?;
    subjects.extend(others(device)?);
    for subject in subjects
        .iter()
        .filter(|subject| subject.name.contains(only))
    {
        let name = &subject.name;
        let seconds = usual(many, device, || (subject.run)(&subject.inputs).map(drop))?;
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
        let loss = (&y * input(y.dims(), 9, device)?)?.sum_all()?;
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
        let seconds = usual(many, device, || y.backward().map(drop))?;
        figure(format!("{name} backward"), seconds, "s");
    }
    Ok(figures)
}
