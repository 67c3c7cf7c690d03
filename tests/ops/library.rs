//! Our kernels against the same operations put together from the tensor library's: the formulas that GPUs use.

use candle_core::{DType, Result, Tensor, Var};
use radcanvas::network::ops::{self, Convolution, Window, with_library_kernels};

use super::{bits, check_close, gradients, tensor, var, with_threads};

fn check(what: &str, shapes: &[&[usize]], op: impl Fn(&[Var]) -> Result<Tensor>) {
    let inputs: Vec<Var> = shapes
        .iter()
        .enumerate()
        .map(|(i, shape)| var(shape, 30 + i as u64))
        .collect();
    let variables: Vec<&Var> = inputs.iter().collect();
    let ours = op(&inputs).unwrap();
    let ours_back = gradients(&ours, &variables);
    with_library_kernels(|| {
        let theirs = op(&inputs).unwrap();
        check_close(what, &ours, &theirs, 2e-5);
        let theirs_back = gradients(&theirs, &variables);
        for (i, (a, b)) in ours_back.iter().zip(&theirs_back).enumerate() {
            check_close(&format!("{what}, gradient {i}"), a, b, 5e-5);
        }
        // Half precision, as networks run on GPUs: the same answer to its three digits.
        let half: Vec<Var> = inputs
            .iter()
            .map(|input| Var::from_tensor(&input.to_dtype(DType::F16).unwrap()).unwrap())
            .collect();
        let rough = op(&half).unwrap();
        assert_eq!(rough.dtype(), DType::F16, "{what}");
        let rough = rough.to_dtype(DType::F32).unwrap();
        check_close(&format!("{what}, f16"), &rough, &theirs, 6e-3);
    });
}

#[test]
fn library_kernels_give_the_same_convolutions() {
    for (stride, padding, dilation, groups) in
        [(1, 1, 1, 1), (2, 1, 1, 1), (1, 2, 2, 2), (1, 0, 1, 4)]
    {
        let how = Convolution {
            stride,
            padding,
            dilation,
            groups,
        };
        check(
            &format!("convolution {how:?}"),
            &[&[2, 8, 9, 7], &[12, 8 / groups, 3, 3], &[12]],
            |t| ops::convolution(&t[0], &t[1], Some(&t[2]), how),
        );
    }
    let how = Convolution {
        stride: 2,
        padding: 1,
        ..Convolution::default()
    };
    check(
        "transposed convolution",
        &[&[2, 6, 5, 4], &[6, 3, 4, 4], &[3]],
        |t| ops::convolution_transposed(&t[0], &t[1], Some(&t[2]), how, 0),
    );
    check(
        "pointwise convolution",
        &[&[3, 6, 5, 4], &[10, 6, 1, 1]],
        |t| ops::convolution(&t[0], &t[1], None, Convolution::default()),
    );
}

/// Wide layers are computed by tiles: the same answer, the same bits for any threads and neighbors.
#[test]
fn wide_convolutions_are_right_and_do_not_depend_on_threads() {
    let how = Convolution {
        padding: 1,
        ..Convolution::default()
    };
    for [c, o, height, width] in [[64, 70, 62, 64], [300, 256, 20, 50]] {
        let x = tensor(&[2, c, height, width], 1);
        let (weight, bias) = (tensor(&[o, c, 3, 3], 2), tensor(&[o], 3));
        let run = |x: &Tensor| ops::convolution(x, &weight, Some(&bias), how).unwrap();
        let ours = run(&x);
        let theirs = with_library_kernels(|| run(&x));
        check_close("tiles", &ours, &theirs, 1e-5);
        for threads in [1, 3] {
            assert!(bits(&ours) == with_threads(threads, || bits(&run(&x))));
        }
        let alone = run(&x.narrow(0, 1, 1).unwrap());
        assert!(bits(&alone) == bits(&ours.narrow(0, 1, 1).unwrap()));
    }
}

/// Weights that no near cache holds are turned in parts: the same gradients, the same bits for any threads and
/// neighbors.
#[test]
fn gradients_of_heavy_weights_are_right_and_do_not_depend_on_threads() {
    for (x, weight) in [
        ([2, 250, 7, 6], [240, 250, 3, 3]),
        ([2, 750, 3, 4], [720, 750, 1, 1]),
    ] {
        let how = Convolution {
            padding: weight[2] / 2,
            ..Convolution::default()
        };
        let (x, weight) = (var(&x, 1), var(&weight, 2));
        let run = |x: &Var| {
            let y = ops::convolution(x, &weight, None, how).unwrap();
            gradients(&y, &[x, &weight])
        };
        let ours = run(&x);
        let theirs = with_library_kernels(|| run(&x));
        for (name, (a, b)) in ["dx", "dw"].iter().zip(ours.iter().zip(&theirs)) {
            check_close(name, a, b, 2e-5);
        }
        for threads in [1, 3] {
            let again = with_threads(threads, || run(&x));
            for (a, b) in ours.iter().zip(&again) {
                assert!(bits(a) == bits(b), "{threads} threads");
            }
        }
        // `gradients` weighs the first image alone as it does beside the second.
        let alone = Var::from_tensor(&x.narrow(0, 0, 1).unwrap()).unwrap();
        assert!(bits(&run(&alone)[0]) == bits(&ours[0].narrow(0, 0, 1).unwrap()));
    }
}

#[test]
fn library_kernels_give_the_same_layers() {
    check("linear", &[&[3, 5, 6], &[7, 6], &[7]], |t| {
        ops::linear(&t[0], &t[1], Some(&t[2]))
    });
    check("group norm", &[&[2, 8, 5, 3], &[8], &[8]], |t| {
        ops::group_norm(&t[0], &t[1], &t[2], 4, 1e-5)
    });
    check("group norm silu", &[&[2, 8, 5, 3], &[2, 8], &[2, 8]], |t| {
        ops::group_norm_silu(&t[0], &t[1], &t[2], 2, 1e-5)
    });
    check("layer norm", &[&[4, 3, 10], &[10], &[10]], |t| {
        ops::layer_norm(&t[0], &t[1], &t[2], 1e-5)
    });
    check("instance norm", &[&[2, 4, 5, 3], &[4], &[4]], |t| {
        ops::instance_norm(&t[0], &t[1], &t[2], 1e-5)
    });
    check("softmax", &[&[4, 3, 10]], |t| ops::softmax(&t[0]));
    check("silu", &[&[4, 30]], |t| ops::silu(&t[0]));
    check("gelu", &[&[4, 30]], |t| ops::gelu(&t[0]));
    check("gelu tanh", &[&[4, 30]], |t| ops::gelu_tanh(&t[0]));
    check("quick gelu", &[&[4, 30]], |t| ops::quick_gelu(&t[0]));
    check("sigmoid", &[&[4, 30]], |t| ops::sigmoid(&t[0]));
    check(
        "attention",
        &[&[2, 2, 9, 8], &[2, 2, 7, 8], &[2, 2, 7, 5]],
        |t| ops::attention(&t[0], &t[1], &t[2]),
    );
    check(
        "attention of tokens",
        &[&[2, 9, 12], &[2, 7, 12], &[2, 7, 15]],
        |t| ops::attention_of_tokens(&t[0], &t[1], &t[2], 3),
    );
    check("gated gelu", &[&[4, 3, 10]], |t| ops::gated_gelu(&t[0]));
    check("add", &[&[4, 3, 10], &[4, 3, 10]], |t| {
        ops::add(&t[0], &t[1])
    });
}

#[test]
fn library_kernels_give_the_same_sizes() {
    check("nearest, twice", &[&[2, 3, 4, 5]], |t| {
        // Used twice, so that a gradient that overwrites instead of adding shows.
        ops::upsample_nearest_2x(&t[0])? + ops::resize_nearest(&t[0], 8, 10)?
    });
    check("nearest, uneven", &[&[1, 2, 4, 5]], |t| {
        ops::resize_nearest(&t[0], 7, 9)
    });
    check("bilinear", &[&[2, 2, 4, 5]], |t| {
        ops::resize_bilinear(&t[0], 9, 7)
    });
    let window = Window {
        kernel: (3, 3),
        stride: 2,
        padding: 1,
        ceil: true,
    };
    check("average pool", &[&[2, 2, 8, 7]], |t| {
        ops::average_pool(&t[0], window, false)
    });
    check("max pool", &[&[2, 2, 8, 7]], |t| {
        ops::max_pool(&t[0], window)
    });
}
