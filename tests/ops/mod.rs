//! Network operations: closed forms in f64, gradients, the tensor library's own operations, bits.

mod attention;
mod convolution;
mod library;
mod others;
mod reference;
mod update;

use candle_core::{Device, Result, Tensor, Var};

/// Numbers that look random, the same everywhere.
fn values(count: usize, seed: u64) -> Vec<f32> {
    (0..count as u64)
        .map(|i| {
            let mut z = (i + seed * 1_000_003).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

fn tensor(shape: &[usize], seed: u64) -> Tensor {
    Tensor::from_vec(values(shape.iter().product(), seed), shape, &Device::Cpu).unwrap()
}

fn var(shape: &[usize], seed: u64) -> Var {
    Var::from_tensor(&tensor(shape, seed)).unwrap()
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

pub(crate) fn bits(tensor: &Tensor) -> Vec<u32> {
    flat(tensor).into_iter().map(f32::to_bits).collect()
}

/// Fails where two tensors differ by more than `tolerance` of the largest expected value.
fn check_close(what: &str, got: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(got.dims(), expected.dims(), "{what}: shape");
    let expected = flat(expected);
    let scale = expected
        .iter()
        .fold(1e-6_f64, |most, &v| most.max(f64::from(v).abs()));
    for (i, (a, b)) in flat(got).into_iter().zip(expected).enumerate() {
        let off = (f64::from(a) - f64::from(b)).abs();
        assert!(
            off <= tolerance * scale,
            "{what}: element {i} is {a}, expected {b} (of at most {scale})"
        );
    }
}

/// Runs `work` in a pool of so many threads.
pub(crate) fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap()
        .install(work)
}

/// Gradients of `Σ y · weights` (weights that look random) by each variable.
fn gradients(y: &Tensor, variables: &[&Var]) -> Vec<Tensor> {
    let weights = tensor(y.dims(), 4242);
    let loss = (y * weights).unwrap().sum_all().unwrap();
    let store = loss.backward().unwrap();
    variables
        .iter()
        .map(|variable| {
            store
                .get(variable)
                .expect("a gradient reaches every variable")
                .clone()
        })
        .collect()
}

/// The results of an operation and its gradients have the same bits with one thread and with two.
fn check_threads(what: &str, variables: &[&Var], op: impl Fn() -> Result<Tensor> + Sync) {
    let run = |threads| {
        with_threads(threads, || {
            let y = op().unwrap();
            let mut all = vec![bits(&y)];
            all.extend(gradients(&y, variables).iter().map(bits));
            all
        })
    };
    let one = run(1);
    for threads in [2, 3] {
        assert!(
            one == run(threads),
            "{what}: bits differ with {threads} threads"
        );
    }
}
