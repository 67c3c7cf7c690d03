//! Convolutions against plain loops in f64.

use candle_core::{Tensor, Var};
use radcanvas::network::ops::{self, Convolution};

use super::{bits, check_close, check_threads, flat, gradients, tensor, values, var};

/// One case: sizes and how.
#[derive(Clone, Copy, Debug)]
struct Case {
    batch: usize,
    channels: usize,
    outputs: usize,
    size: (usize, usize),
    kernel: (usize, usize),
    how: Convolution,
}

fn case(
    [batch, channels, outputs, height, width]: [usize; 5],
    kernel: (usize, usize),
    [stride, padding, dilation, groups]: [usize; 4],
) -> Case {
    Case {
        batch,
        channels,
        outputs,
        size: (height, width),
        kernel,
        how: Convolution {
            stride,
            padding,
            dilation,
            groups,
        },
    }
}

fn cases() -> Vec<Case> {
    vec![
        case([2, 3, 5, 7, 9], (3, 3), [1, 1, 1, 1]),
        case([1, 1, 1, 1, 1], (1, 1), [1, 0, 1, 1]),
        case([2, 4, 9, 1, 1], (3, 3), [1, 1, 1, 1]),
        case([1, 16, 8, 8, 8], (3, 3), [1, 1, 1, 1]),
        case([2, 5, 17, 16, 16], (3, 3), [1, 1, 1, 1]),
        case([1, 40, 24, 4, 4], (3, 3), [1, 1, 1, 1]),
        case([1, 70, 6, 5, 33], (3, 3), [1, 1, 1, 1]),
        case([3, 6, 4, 8, 8], (1, 1), [1, 0, 1, 1]),
        case([1, 600, 20, 4, 8], (1, 1), [1, 0, 1, 1]),
        case([1, 9, 20, 32, 16], (1, 1), [1, 0, 1, 1]),
        case([2, 3, 4, 9, 11], (3, 3), [2, 1, 1, 1]),
        case([1, 3, 4, 32, 32], (3, 3), [2, 1, 1, 1]),
        case([2, 3, 4, 8, 8], (4, 4), [2, 1, 1, 1]),
        case([1, 2, 3, 8, 6], (1, 1), [2, 0, 1, 1]),
        case([1, 2, 3, 9, 9], (2, 2), [3, 0, 1, 1]),
        case([1, 3, 2, 12, 13], (7, 7), [4, 3, 1, 1]),
        case([1, 2, 3, 10, 9], (3, 3), [1, 2, 2, 1]),
        case([1, 2, 3, 11, 10], (3, 3), [2, 3, 3, 1]),
        case([1, 2, 3, 6, 8], (1, 5), [1, 2, 1, 1]),
        case([2, 6, 4, 7, 7], (3, 3), [1, 1, 1, 2]),
        case([1, 6, 6, 9, 8], (3, 3), [1, 1, 1, 6]),
        case([2, 4, 8, 9, 8], (5, 5), [2, 2, 1, 4]),
        case([1, 2, 2, 3, 3], (1, 1), [1, 2, 1, 1]),
    ]
}

/// Calls `visit(output index, x index, weight index)` for every product of the convolution.
fn each_product(c: &Case, out: (usize, usize), mut visit: impl FnMut(usize, usize, usize)) {
    let (inner, group_outputs) = (c.channels / c.how.groups, c.outputs / c.how.groups);
    let (height, width) = c.size;
    for b in 0..c.batch {
        for o in 0..c.outputs {
            for i in 0..inner {
                let channel = o / group_outputs * inner + i;
                for oy in 0..out.0 {
                    for ox in 0..out.1 {
                        for ky in 0..c.kernel.0 {
                            for kx in 0..c.kernel.1 {
                                let y = oy * c.how.stride + ky * c.how.dilation;
                                let x = ox * c.how.stride + kx * c.how.dilation;
                                let (y, x) =
                                    (y.wrapping_sub(c.how.padding), x.wrapping_sub(c.how.padding));
                                if y < height && x < width {
                                    visit(
                                        ((b * c.outputs + o) * out.0 + oy) * out.1 + ox,
                                        ((b * c.channels + channel) * height + y) * width + x,
                                        ((o * inner + i) * c.kernel.0 + ky) * c.kernel.1 + kx,
                                    );
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn as_tensor(values: &[f64], like: &Tensor) -> Tensor {
    let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
    Tensor::from_vec(values, like.shape(), like.device()).unwrap()
}

fn inputs(c: &Case) -> (Var, Var, Var) {
    let inner = c.channels / c.how.groups;
    (
        var(&[c.batch, c.channels, c.size.0, c.size.1], 1),
        var(&[c.outputs, inner, c.kernel.0, c.kernel.1], 2),
        var(&[c.outputs], 3),
    )
}

#[test]
fn convolution_and_its_gradients_equal_plain_loops() {
    for c in cases() {
        let (x, weight, bias) = inputs(&c);
        let y = ops::convolution(&x, &weight, Some(&bias), c.how).unwrap();
        let (_, _, oh, ow) = y.dims4().unwrap();
        let (xs, ws, bs) = (flat(&x), flat(&weight), flat(&bias));
        let weights = values(y.elem_count(), 4242);
        let plane = oh * ow;
        let mut expected: Vec<f64> = (0..y.elem_count())
            .map(|i| f64::from(bs[i / plane % c.outputs]))
            .collect();
        let mut dx = vec![0.0; xs.len()];
        let mut dw = vec![0.0; ws.len()];
        let mut db = vec![0.0; bs.len()];
        each_product(&c, (oh, ow), |yi, xi, wi| {
            expected[yi] += f64::from(xs[xi]) * f64::from(ws[wi]);
            dx[xi] += f64::from(ws[wi]) * f64::from(weights[yi]);
            dw[wi] += f64::from(xs[xi]) * f64::from(weights[yi]);
        });
        for (i, weight) in weights.iter().enumerate() {
            db[i / plane % c.outputs] += f64::from(*weight);
        }
        let what = format!("{c:?}");
        check_close(&what, &y, &as_tensor(&expected, &y), 2e-6);
        let found = gradients(&y, &[&x, &weight, &bias]);
        check_close(&format!("dx {what}"), &found[0], &as_tensor(&dx, &x), 2e-6);
        check_close(
            &format!("dw {what}"),
            &found[1],
            &as_tensor(&dw, &weight),
            2e-6,
        );
        check_close(
            &format!("db {what}"),
            &found[2],
            &as_tensor(&db, &bias),
            2e-6,
        );
    }
}

#[test]
fn transposed_convolution_is_the_gradient_of_the_convolution() {
    for c in cases() {
        let (height, width) = c.size;
        let room =
            |size: usize, taps: usize| size + 2 * c.how.padding - c.how.dilation * (taps - 1) - 1;
        let (rest_y, rest_x) = (
            room(height, c.kernel.0) % c.how.stride,
            room(width, c.kernel.1) % c.how.stride,
        );
        if rest_y != rest_x {
            continue;
        }
        let (x, weight, _) = inputs(&c);
        let y = ops::convolution(&x, &weight, None, c.how).unwrap();
        let dy = Var::from_tensor(&tensor(y.dims(), 4242)).unwrap();
        let dx = &gradients(&y, &[&x])[0];
        let bias = var(&[c.channels], 5);
        let what = format!("transposed {c:?}");
        let got = ops::convolution_transposed(&dy, &weight, Some(&bias), c.how, rest_y).unwrap();
        let expected = dx
            .broadcast_add(&bias.reshape((1, (), 1, 1)).unwrap())
            .unwrap();
        check_close(&what, &got, &expected, 1e-6);
        // Its gradients, by the linear maps they are: with g for the gradient of the result,
        // d(dy) is the convolution of g, d(weight) is that of the convolution of g.
        let found = gradients(&got, &[&dy, &weight, &bias]);
        let g = Var::from_tensor(&tensor(got.dims(), 4242)).unwrap();
        let of_g = ops::convolution(&g, &weight, None, c.how).unwrap();
        check_close(&what, &found[0], &of_g, 1e-6);
        let store = (&of_g * dy.as_tensor()).unwrap().sum_all().unwrap();
        let store = store.backward().unwrap();
        check_close(&what, &found[1], store.get(&weight).unwrap(), 1e-6);
        let sums = g.sum((0, 2, 3)).unwrap();
        check_close(&what, &found[2], &sums, 1e-6);
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    for c in cases() {
        let (x, weight, bias) = inputs(&c);
        check_threads(&format!("{c:?}"), &[&x, &weight, &bias], || {
            ops::convolution(&x, &weight, Some(&bias), c.how)
        });
    }
    let c = case([2, 32, 40, 24, 24], (3, 3), [1, 1, 1, 1]);
    let (x, weight, bias) = inputs(&c);
    check_threads("large", &[&x, &weight, &bias], || {
        ops::convolution(&x, &weight, Some(&bias), c.how)
    });
}

#[test]
fn bits_do_not_depend_on_the_batch() {
    for c in cases() {
        let (x, weight, bias) = inputs(&c);
        let together = ops::convolution(&x, &weight, Some(&bias), c.how).unwrap();
        let dx = &gradients(&together, &[&x])[0];
        for image in 0..c.batch {
            let one = x.narrow(0, image, 1).unwrap();
            let alone = ops::convolution(&one, &weight, Some(&bias), c.how).unwrap();
            let expected = together.narrow(0, image, 1).unwrap();
            assert!(bits(&alone) == bits(&expected), "{c:?}");
            let dy = tensor(together.dims(), 4242).narrow(0, image, 1).unwrap();
            let one = Var::from_tensor(&one).unwrap();
            let alone = ops::convolution(&one, &weight, Some(&bias), c.how).unwrap();
            let store = (alone * dy).unwrap().sum_all().unwrap().backward().unwrap();
            let expected = dx.narrow(0, image, 1).unwrap();
            assert!(
                bits(store.get(&one).unwrap()) == bits(&expected),
                "dx {c:?}"
            );
        }
    }
}

#[test]
fn inputs_need_not_be_contiguous() {
    let (x, weight) = (tensor(&[2, 9, 8, 6], 1), tensor(&[3, 3, 4, 6], 2));
    let (x, weight) = (x.transpose(1, 3).unwrap(), weight.transpose(1, 3).unwrap());
    let got = ops::conv2d(&x, &weight, None, 1, 1).unwrap();
    let expected = ops::conv2d(
        &x.contiguous().unwrap(),
        &weight.contiguous().unwrap(),
        None,
        1,
        1,
    )
    .unwrap();
    assert!(bits(&got) == bits(&expected));
    let part = tensor(&[2, 12, 8, 6], 1).narrow(1, 3, 6).unwrap();
    let got = ops::conv2d(&part, &weight, None, 1, 1).unwrap();
    let expected = ops::conv2d(&part.contiguous().unwrap(), &weight, None, 1, 1).unwrap();
    assert!(bits(&got) == bits(&expected));
}

#[test]
fn shapes_that_do_not_fit_are_errors() {
    let x = tensor(&[1, 4, 5, 5], 1);
    let check = |weight: &[usize], bias: Option<usize>, how: Convolution| {
        let bias = bias.map(|n| tensor(&[n], 3));
        let got = ops::convolution(&x, &tensor(weight, 2), bias.as_ref(), how);
        assert!(got.is_err(), "{weight:?} {how:?}");
    };
    let plain = Convolution::default();
    check(&[2, 3, 3, 3], None, plain);
    check(&[2, 4, 7, 7], None, plain);
    check(&[2, 4, 3, 3], Some(3), plain);
    check(&[2, 4, 3, 3], None, Convolution { stride: 0, ..plain });
    check(&[3, 2, 3, 3], None, Convolution { groups: 2, ..plain });
}
