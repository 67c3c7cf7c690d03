//! Results and gradients of PyTorch, stored by `tests/fixtures/ops/make_reference.py`.

use std::collections::HashMap;

use candle_core::{Device, Result, Tensor, Var};
use radcanvas::network::ops::{self, AdamW, Convolution, Window};

use super::{check_close, gradients, tensor, var};

type Op = fn(&[Var]) -> Result<Tensor>;

fn how(stride: usize, padding: usize, dilation: usize, groups: usize) -> Convolution {
    Convolution {
        stride,
        padding,
        dilation,
        groups,
    }
}

fn three(padding: usize, ceil: bool) -> Window {
    Window {
        kernel: (3, 3),
        stride: 2,
        padding,
        ceil,
    }
}

fn cases() -> Vec<(&'static str, Vec<Vec<usize>>, Op)> {
    vec![
        (
            "conv",
            vec![vec![2, 6, 9, 10], vec![8, 6, 3, 3], vec![8]],
            |t| ops::conv2d(&t[0], &t[1], Some(&t[2]), 1, 1),
        ),
        (
            "conv_stride",
            vec![vec![1, 4, 11, 12], vec![6, 4, 3, 3], vec![6]],
            |t| ops::conv2d(&t[0], &t[1], Some(&t[2]), 2, 1),
        ),
        (
            "conv_groups",
            vec![vec![1, 6, 8, 9], vec![4, 3, 3, 3], vec![4]],
            |t| ops::convolution(&t[0], &t[1], Some(&t[2]), how(1, 2, 2, 2)),
        ),
        (
            "transposed",
            vec![vec![1, 5, 6, 7], vec![5, 4, 4, 4], vec![4]],
            |t| ops::convolution_transposed(&t[0], &t[1], Some(&t[2]), how(2, 1, 1, 1), 0),
        ),
        (
            "transposed_output_padding",
            vec![vec![2, 4, 5, 4], vec![4, 3, 3, 3], vec![6]],
            |t| ops::convolution_transposed(&t[0], &t[1], Some(&t[2]), how(2, 1, 1, 2), 1),
        ),
        ("linear", vec![vec![5, 12], vec![7, 12], vec![7]], |t| {
            ops::linear(&t[0], &t[1], Some(&t[2]))
        }),
        (
            "group_norm_silu",
            vec![vec![2, 8, 5, 6], vec![8], vec![8]],
            |t| ops::group_norm_silu(&t[0], &t[1], &t[2], 4, 1e-5),
        ),
        ("layer_norm", vec![vec![6, 20], vec![20], vec![20]], |t| {
            ops::layer_norm(&t[0], &t[1], &t[2], 1e-5)
        }),
        (
            "attention",
            vec![vec![1, 2, 9, 8], vec![1, 2, 11, 8], vec![1, 2, 11, 8]],
            |t| ops::attention(&t[0], &t[1], &t[2]),
        ),
        ("softmax", vec![vec![4, 13]], |t| ops::softmax(&t[0])),
        ("gelu", vec![vec![50]], |t| ops::gelu(&t[0])),
        ("silu", vec![vec![50]], |t| ops::silu(&t[0])),
        ("nearest", vec![vec![1, 2, 5, 6]], |t| {
            ops::resize_nearest(&t[0], 8, 13)
        }),
        ("bilinear", vec![vec![1, 2, 5, 6]], |t| {
            ops::resize_bilinear(&t[0], 8, 13)
        }),
        ("bilinear_down", vec![vec![1, 2, 9, 8]], |t| {
            ops::resize_bilinear(&t[0], 4, 3)
        }),
        ("max_pool", vec![vec![1, 3, 7, 8]], |t| {
            ops::max_pool(&t[0], three(1, false))
        }),
        ("max_pool_ceil", vec![vec![1, 3, 8, 8]], |t| {
            ops::max_pool(&t[0], three(0, true))
        }),
        ("average_pool", vec![vec![1, 3, 7, 8]], |t| {
            ops::average_pool(&t[0], three(1, true), true)
        }),
        ("average_pool_inside", vec![vec![1, 3, 7, 8]], |t| {
            ops::average_pool(&t[0], three(1, true), false)
        }),
    ]
}

fn stored() -> HashMap<String, Tensor> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/ops/reference.safetensors"
    );
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

#[test]
fn operations_and_their_gradients_equal_pytorch() {
    let stored = stored();
    for (name, shapes, op) in cases() {
        let inputs: Vec<Var> = shapes
            .iter()
            .enumerate()
            .map(|(i, shape)| var(shape, 10 + i as u64))
            .collect();
        let y = op(&inputs).unwrap();
        check_close(name, &y, &stored[&format!("{name}.y")], 2e-6);
        let variables: Vec<&Var> = inputs.iter().collect();
        for (i, gradient) in gradients(&y, &variables).iter().enumerate() {
            let what = format!("{name}.g{i}");
            check_close(&what, gradient, &stored[&what], 5e-6);
        }
    }
}

#[test]
fn adamw_equals_pytorch() {
    let parameter = var(&[5, 6], 10);
    let (m, v) = (
        parameter.zeros_like().unwrap(),
        parameter.zeros_like().unwrap(),
    );
    let how = AdamW {
        rate: 1e-2,
        beta1: 0.8,
        beta2: 0.95,
        epsilon: 1e-6,
        decay: 0.1,
    };
    for step in 1..=3 {
        let gradient = tensor(&[5, 6], 100 + step as u64);
        ops::adamw_step(&parameter, &gradient, &m, &v, how, step, 1.0).unwrap();
    }
    check_close("adamw", &parameter, &stored()["adamw.y"], 1e-6);
}
