//! Every other operation against a plain formula in f64, and its gradients against differences of that formula.

use candle_core::{Result, Tensor, Var};
use radcanvas::network::ops::{self, Window};

use super::{bits, check_close, check_threads, flat, gradients, tensor, values, var};

type Plain<'a> = &'a dyn Fn(&[Vec<f64>]) -> Vec<f64>;

/// Compares an operation with its formula: the result, and the gradient by every element of every input.
fn check(
    what: &str,
    shapes: &[&[usize]],
    op: impl Fn(&[Var]) -> Result<Tensor> + Sync,
    plain: Plain<'_>,
) {
    let inputs: Vec<Var> = shapes
        .iter()
        .enumerate()
        .map(|(i, shape)| var(shape, 10 + i as u64))
        .collect();
    let mut points: Vec<Vec<f64>> = inputs
        .iter()
        .map(|input| flat(input).into_iter().map(f64::from).collect())
        .collect();
    let y = op(&inputs).unwrap();
    let to_tensor = |values: &[f64], like: &Tensor| {
        let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        Tensor::from_vec(values, like.shape(), like.device()).unwrap()
    };
    check_close(what, &y, &to_tensor(&plain(&points), &y), 2e-6);
    let weights: Vec<f64> = values(y.elem_count(), 4242)
        .into_iter()
        .map(f64::from)
        .collect();
    let loss = |points: &[Vec<f64>]| -> f64 {
        plain(points).iter().zip(&weights).map(|(y, w)| y * w).sum()
    };
    let variables: Vec<&Var> = inputs.iter().collect();
    let found = gradients(&y, &variables);
    for (index, input) in inputs.iter().enumerate() {
        let expected: Vec<f64> = (0..input.elem_count())
            .map(|element| {
                let (step, at) = (1e-5, points[index][element]);
                points[index][element] = at + step;
                let above = loss(&points);
                points[index][element] = at - step;
                let below = loss(&points);
                points[index][element] = at;
                (above - below) / (2.0 * step)
            })
            .collect();
        let what = format!("{what}, gradient {index}");
        check_close(&what, &found[index], &to_tensor(&expected, input), 1e-5);
    }
    check_threads(what, &variables, || op(&inputs));
}

#[test]
fn linear_layers() {
    for (rows, inner, outputs) in [
        (1, 1, 1),
        (1, 7, 3),
        (5, 4, 9),
        (3, 33, 50),
        (20, 6, 2),
        (2, 300, 4),
    ] {
        let plain = |t: &[Vec<f64>]| {
            let mut y = Vec::new();
            for r in 0..rows {
                for o in 0..outputs {
                    let products = (0..inner).map(|i| t[0][r * inner + i] * t[1][o * inner + i]);
                    y.push(products.sum::<f64>() + t[2][o]);
                }
            }
            y
        };
        check(
            &format!("linear {rows}x{inner} to {outputs}"),
            &[&[rows, inner], &[outputs, inner], &[outputs]],
            |t| ops::linear(&t[0], &t[1], Some(&t[2])),
            &plain,
        );
    }
    let (x, w) = (var(&[2, 3, 4], 1), var(&[5, 4], 2));
    let y = ops::linear(&x, &w, None).unwrap();
    check_close(
        "without bias",
        &y,
        &x.broadcast_matmul(&w.t().unwrap()).unwrap(),
        1e-6,
    );
    assert!(ops::linear(&x, &var(&[5, 3], 2), None).is_err());
}

#[test]
fn bits_of_linear_layers_do_not_depend_on_the_number_of_rows() {
    for (rows, inner, outputs) in [(70, 40, 48), (33, 300, 20), (40, 200, 900), (300, 256, 300)] {
        let (x, w, b) = (
            tensor(&[rows, inner], 1),
            tensor(&[outputs, inner], 2),
            tensor(&[outputs], 3),
        );
        let all = ops::linear(&x, &w, Some(&b)).unwrap();
        for row in [0, 1, rows - 1] {
            let one = ops::linear(&x.narrow(0, row, 1).unwrap(), &w, Some(&b)).unwrap();
            assert!(bits(&one) == bits(&all.narrow(0, row, 1).unwrap()));
        }
    }
}

fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

/// Normalizes blocks of `size` values.
fn normalized(x: &[f64], size: usize, epsilon: f64) -> Vec<f64> {
    x.chunks(size)
        .flat_map(|block| {
            let count = block.len() as f64;
            let mean = block.iter().sum::<f64>() / count;
            let variance = block.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
            let root = (variance + epsilon).sqrt();
            block.iter().map(move |v| (v - mean) / root)
        })
        .collect()
}

#[test]
fn normalizations() {
    for (b, c, h, w, groups) in [
        (2, 4, 3, 5, 2),
        (1, 6, 1, 1, 2),
        (1, 3, 7, 5, 1),
        (2, 2, 1, 9, 2),
        (1, 8, 4, 8, 4),
    ] {
        let size = c / groups * h * w;
        for own_scales in [false, true] {
            let scales: &[usize] = if own_scales { &[b, c] } else { &[c] };
            for with_silu in [false, true] {
                let plain = |t: &[Vec<f64>]| {
                    let scale = |i: usize| i / (h * w) % t[1].len();
                    normalized(&t[0], size, 1e-3)
                        .iter()
                        .enumerate()
                        .map(|(i, v)| v * t[1][scale(i)] + t[2][scale(i)])
                        .map(|v| if with_silu { silu(v) } else { v })
                        .collect()
                };
                check(
                    &format!("group norm {b}x{c}x{h}x{w} in {groups}, {own_scales}, {with_silu}"),
                    &[&[b, c, h, w], scales, scales],
                    |t| {
                        let norm = if with_silu {
                            ops::group_norm_silu
                        } else {
                            ops::group_norm
                        };
                        norm(&t[0], &t[1], &t[2], groups, 1e-3)
                    },
                    &plain,
                );
            }
        }
    }
    let plain = |t: &[Vec<f64>]| {
        normalized(&t[0], 15, 1e-5)
            .iter()
            .enumerate()
            .map(|(i, v)| v * t[1][i / 15 % 3] + t[2][i / 15 % 3])
            .collect()
    };
    check(
        "instance norm",
        &[&[2, 3, 3, 5], &[3], &[3]],
        |t| ops::instance_norm(&t[0], &t[1], &t[2], 1e-5),
        &plain,
    );
}

#[test]
fn layer_norms() {
    for (rows, width) in [(1, 5), (7, 33), (3, 64), (70, 4)] {
        let plain = |t: &[Vec<f64>]| {
            normalized(&t[0], width, 1e-4)
                .iter()
                .enumerate()
                .map(|(i, v)| v * t[1][i % width] + t[2][i % width])
                .collect()
        };
        check(
            &format!("layer norm {rows}x{width}"),
            &[&[rows, width], &[width], &[width]],
            |t| ops::layer_norm(&t[0], &t[1], &t[2], 1e-4),
            &plain,
        );
    }
}

#[test]
fn group_norm_bits_do_not_depend_on_the_batch() {
    let (x, gamma, beta) = (tensor(&[3, 8, 9, 7], 1), tensor(&[8], 2), tensor(&[8], 3));
    let all = ops::group_norm_silu(&x, &gamma, &beta, 4, 1e-5).unwrap();
    for image in 0..3 {
        let one = x.narrow(0, image, 1).unwrap();
        let one = ops::group_norm_silu(&one, &gamma, &beta, 4, 1e-5).unwrap();
        assert!(bits(&one) == bits(&all.narrow(0, image, 1).unwrap()));
    }
    assert!(ops::group_norm(&x, &gamma, &beta, 3, 1e-5).is_err());
    assert!(ops::group_norm(&x, &tensor(&[7], 1), &beta, 4, 1e-5).is_err());
}

#[test]
fn group_norm_survives_a_large_mean() {
    let x = (tensor(&[1, 2, 64, 64], 1) + 1000.0).unwrap();
    let (gamma, beta) = (tensor(&[2], 2), tensor(&[2], 3));
    let y = ops::group_norm(&x, &gamma, &beta, 1, 1e-5).unwrap();
    let values: Vec<f64> = flat(&x).into_iter().map(f64::from).collect();
    let (g, b) = (flat(&gamma), flat(&beta));
    let expected: Vec<f32> = normalized(&values, values.len(), 1e-5)
        .iter()
        .enumerate()
        .map(|(i, v)| (v * f64::from(g[i / 4096]) + f64::from(b[i / 4096])) as f32)
        .collect();
    let expected = Tensor::from_vec(expected, y.shape(), y.device()).unwrap();
    check_close("mean of 1000", &y, &expected, 1e-4);
}

fn erf(x: f64) -> f64 {
    // The Taylor series converges for the small arguments used here.
    let (mut term, mut sum) = (x, x);
    for n in 1..60 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

#[test]
fn pointwise_functions() {
    for count in [1, 3, 16, 100] {
        check("silu", &[&[count]], |t| ops::silu(&t[0]), &|t| {
            t[0].iter().map(|&x| silu(x)).collect()
        });
        check("gelu", &[&[count]], |t| ops::gelu(&t[0]), &|t| {
            t[0].iter()
                .map(|&x| 0.5 * x * (1.0 + erf(x / 2.0_f64.sqrt())))
                .collect()
        });
        check("gelu tanh", &[&[count]], |t| ops::gelu_tanh(&t[0]), &|t| {
            let inner = |x: f64| (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            t[0].iter()
                .map(|&x| 0.5 * x * (1.0 + inner(x).tanh()))
                .collect()
        });
        check(
            "quick gelu",
            &[&[count]],
            |t| ops::quick_gelu(&t[0]),
            &|t| t[0].iter().map(|&x| silu(1.702 * x) / 1.702).collect(),
        );
        check("sigmoid", &[&[count]], |t| ops::sigmoid(&t[0]), &|t| {
            t[0].iter().map(|&x| 1.0 / (1.0 + (-x).exp())).collect()
        });
    }
    let x = (tensor(&[1000], 1) * 30.0).unwrap();
    check_close(
        "silu far out",
        &ops::silu(&x).unwrap(),
        &x.silu().unwrap(),
        1e-6,
    );
    check_close(
        "gelu far out",
        &ops::gelu(&x).unwrap(),
        &x.gelu_erf().unwrap(),
        1e-6,
    );
    check_close(
        "gelu tanh far out",
        &ops::gelu_tanh(&x).unwrap(),
        &x.gelu().unwrap(),
        1e-6,
    );
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = row.iter().map(|v| (v - most).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.iter().map(|v| v / sum).collect()
}

#[test]
fn softmaxes() {
    for (rows, width) in [(1, 1), (3, 7), (2, 33), (5, 64)] {
        check(
            "softmax",
            &[&[rows, width]],
            |t| ops::softmax(&t[0]),
            &|t| t[0].chunks(width).flat_map(softmax).collect(),
        );
    }
    let large = (tensor(&[2, 40], 1) * 1e4).unwrap();
    let y = ops::softmax(&large).unwrap();
    check_close(
        "rows sum to one",
        &y.sum(1).unwrap(),
        &Tensor::ones(2, y.dtype(), y.device()).unwrap(),
        1e-6,
    );
}

fn plain_attention(t: &[Vec<f64>], heads: usize, [n, m, d, e]: [usize; 4]) -> Vec<f64> {
    let scale = 1.0 / (d as f64).sqrt();
    let mut y = Vec::new();
    for head in 0..heads {
        for i in 0..n {
            let q = &t[0][(head * n + i) * d..][..d];
            let scores: Vec<f64> = (0..m)
                .map(|j| {
                    let k = &t[1][(head * m + j) * d..][..d];
                    scale * q.iter().zip(k).map(|(a, b)| a * b).sum::<f64>()
                })
                .collect();
            let p = softmax(&scores);
            for c in 0..e {
                y.push((0..m).map(|j| p[j] * t[2][(head * m + j) * e + c]).sum());
            }
        }
    }
    y
}

#[test]
fn attentions() {
    for (b, h, n, m, d, e) in [
        (1, 1, 1, 1, 1, 1),
        (2, 2, 5, 5, 4, 4),
        (1, 2, 3, 7, 5, 2),
        (1, 1, 9, 4, 17, 3),
    ] {
        check(
            &format!("attention {b}x{h}x{n}x{m}x{d}x{e}"),
            &[&[b, h, n, d], &[b, h, m, d], &[b, h, m, e]],
            |t| ops::attention(&t[0], &t[1], &t[2]),
            &|t| plain_attention(t, b * h, [n, m, d, e]),
        );
    }
}

#[test]
fn attention_over_many_blocks_equals_the_whole_matrix() {
    let (n, m, d) = (150, 1100, 20);
    let (q, k, v) = (
        var(&[1, 2, n, d], 1),
        var(&[1, 2, m, d], 2),
        var(&[1, 2, m, d], 3),
    );
    let sharp = |t: &Tensor| (t * 6.0).unwrap();
    let blocks = ops::attention(&sharp(&q), &sharp(&k), &v).unwrap();
    let scores = sharp(&q).matmul(&sharp(&k).t().unwrap()).unwrap();
    let scores = (scores / (d as f64).sqrt()).unwrap();
    let whole = ops::softmax(&scores).unwrap().matmul(&v).unwrap();
    check_close("blocks", &blocks, &whole, 5e-6);
    let expected = gradients(&whole, &[&q, &k, &v]);
    for (got, expected) in gradients(&blocks, &[&q, &k, &v]).iter().zip(&expected) {
        check_close("gradient over blocks", got, expected, 2e-5);
    }
    check_threads("blocks", &[&q, &k, &v], || {
        ops::attention(&sharp(&q), &sharp(&k), &v)
    });
}

#[test]
fn attention_of_tokens_equals_that_of_split_heads() {
    for (b, n, m, heads, d) in [(2, 70, 300, 3, 8), (1, 9, 5, 4, 5), (1, 131, 131, 2, 20)] {
        let width = heads * d;
        let joint = var(&[b, n, 3 * width], 1);
        let (k, v) = (var(&[b, m, width], 2), var(&[b, m, width], 3));
        // A part of a wider row: read in place.
        let q = joint.narrow(2, width, width).unwrap();
        let split = |x: &Tensor| {
            let (b, n, _) = x.dims3().unwrap();
            x.reshape((b, n, heads, d))
                .unwrap()
                .transpose(1, 2)
                .unwrap()
        };
        let whole = ops::attention(&split(&q), &split(&k), &split(&v)).unwrap();
        let whole = whole.transpose(1, 2).unwrap().flatten_from(2).unwrap();
        let y = ops::attention_of_tokens(&q, &k, &v, heads).unwrap();
        check_close("tokens", &y, &whole, 1e-6);
        let expected = gradients(&whole, &[&joint, &k, &v]);
        for (got, expected) in gradients(&y, &[&joint, &k, &v]).iter().zip(&expected) {
            check_close("gradient of tokens", got, expected, 1e-6);
        }
        check_threads("tokens", &[&joint, &k, &v], || {
            let q = joint.narrow(2, width, width)?;
            ops::attention_of_tokens(&q, &k, &v, heads)
        });
    }
    let x = tensor(&[1, 4, 6], 1);
    assert!(ops::attention_of_tokens(&x, &x, &x, 4).is_err());
    assert!(ops::attention_of_tokens(&x, &x, &x, 0).is_err());
}

#[test]
fn gates_multiply_the_first_half() {
    check(
        "gated gelu",
        &[&[3, 14]],
        |t| ops::gated_gelu(&t[0]),
        &|t| {
            let normal = |x: f64| {
                // The distribution as a sum of thin slices.
                let step = x / 2000.0;
                let slices =
                    (0..2000).map(|i| (-((f64::from(i) + 0.5) * step).powi(2) / 2.0).exp());
                0.5 + slices.sum::<f64>() * step / (2.0 * std::f64::consts::PI).sqrt()
            };
            let rows = t[0].chunks(14);
            rows.flat_map(|row| (0..7).map(|i| row[i] * row[7 + i] * normal(row[7 + i])))
                .collect()
        },
    );
    assert!(ops::gated_gelu(&tensor(&[2, 3], 1)).is_err());
}

/// `y[i] = Σ matrix(i, j) x[j]` along both axes of each plane.
fn mixed(
    x: &[f64],
    (h, w): (usize, usize),
    (th, tw): (usize, usize),
    share: impl Fn(usize, usize, usize, usize) -> f64,
) -> Vec<f64> {
    let mut y = Vec::new();
    for plane in x.chunks(h * w) {
        for i in 0..th {
            for j in 0..tw {
                let mut sum = 0.0;
                for a in 0..h {
                    for b in 0..w {
                        sum += share(i, a, h, th) * share(j, b, w, tw) * plane[a * w + b];
                    }
                }
                y.push(sum);
            }
        }
    }
    y
}

#[test]
fn resizings() {
    let nearest =
        |i: usize, a: usize, size: usize, to: usize| f64::from(u8::from(i * size / to == a));
    // The tent of bilinear interpolation, with the ends held.
    let bilinear = |i: usize, a: usize, size: usize, to: usize| {
        let at = (i as f64 + 0.5) * size as f64 / to as f64 - 0.5;
        let at = at.clamp(0.0, size as f64 - 1.0);
        (1.0 - (at - a as f64).abs()).max(0.0)
    };
    for (h, w, th, tw) in [
        (2, 3, 4, 6),
        (1, 1, 3, 2),
        (4, 4, 4, 4),
        (5, 7, 3, 4),
        (3, 2, 7, 5),
        (6, 6, 2, 2),
    ] {
        let what = format!("{h}x{w} to {th}x{tw}");
        check(
            &format!("nearest {what}"),
            &[&[1, 2, h, w]],
            |t| ops::resize_nearest(&t[0], th, tw),
            &|t| mixed(&t[0], (h, w), (th, tw), nearest),
        );
        check(
            &format!("bilinear {what}"),
            &[&[2, 1, h, w]],
            |t| ops::resize_bilinear(&t[0], th, tw),
            &|t| mixed(&t[0], (h, w), (th, tw), bilinear),
        );
    }
    let x = tensor(&[1, 2, 3, 4], 1);
    let twice = ops::upsample_nearest_2x(&x).unwrap();
    check_close("twice", &twice, &x.upsample_nearest2d(6, 8).unwrap(), 0.0);
    assert!(ops::resize_bilinear(&x, 0, 4).is_err());
}

#[test]
fn a_resized_tensor_used_elsewhere_keeps_all_of_its_gradient() {
    let x = var(&[1, 1, 2, 2], 1);
    let y = ops::upsample_nearest_2x(&x).unwrap();
    let loss = (y.sum_all().unwrap() + x.sum_all().unwrap()).unwrap();
    let store = loss.backward().unwrap();
    assert_eq!(flat(store.get(&x).unwrap()), [5.0; 4]);
}

#[test]
fn poolings() {
    let windows = [
        Window::square(2),
        Window {
            kernel: (3, 3),
            stride: 2,
            padding: 1,
            ceil: false,
        },
        Window {
            kernel: (3, 2),
            stride: 2,
            padding: 1,
            ceil: true,
        },
        Window {
            kernel: (2, 3),
            stride: 1,
            padding: 0,
            ceil: false,
        },
        Window {
            kernel: (2, 2),
            stride: 3,
            padding: 0,
            ceil: true,
        },
    ];
    for window in windows {
        for (h, w) in [(3, 4), (6, 6), (5, 7)] {
            let (kernel, p) = (window.kernel, window.padding);
            let out = |size: usize, taps: usize| {
                let room = size + 2 * p - taps;
                let more = usize::from(
                    window.ceil
                        && !room.is_multiple_of(window.stride)
                        && (room / window.stride + 1) * window.stride < size + p,
                );
                room / window.stride + 1 + more
            };
            let (oh, ow) = (out(h, kernel.0), out(w, kernel.1));
            let taps = |t: &[Vec<f64>], visit: &mut dyn FnMut(Vec<f64>, usize)| {
                for plane in t[0].chunks(h * w) {
                    for i in 0..oh {
                        for j in 0..ow {
                            let (mut found, mut in_padding) = (Vec::new(), 0);
                            for y in i * window.stride..i * window.stride + kernel.0 {
                                for x in j * window.stride..j * window.stride + kernel.1 {
                                    if y >= h + 2 * p || x >= w + 2 * p {
                                        continue;
                                    }
                                    in_padding += 1;
                                    if (p..h + p).contains(&y) && (p..w + p).contains(&x) {
                                        found.push(plane[(y - p) * w + x - p]);
                                    }
                                }
                            }
                            visit(found, in_padding);
                        }
                    }
                }
            };
            let what = format!("{window:?} of {h}x{w}");
            check(
                &format!("max {what}"),
                &[&[1, 2, h, w]],
                |t| ops::max_pool(&t[0], window),
                &|t| {
                    let mut y = Vec::new();
                    taps(t, &mut |found, _| {
                        y.push(found.into_iter().fold(f64::NEG_INFINITY, f64::max));
                    });
                    y
                },
            );
            for count_padding in [false, true] {
                check(
                    &format!("mean {what} {count_padding}"),
                    &[&[2, 1, h, w]],
                    |t| ops::average_pool(&t[0], window, count_padding),
                    &|t| {
                        let mut y = Vec::new();
                        taps(t, &mut |found, padded| {
                            let count = if count_padding { padded } else { found.len() };
                            y.push(found.iter().sum::<f64>() / count as f64);
                        });
                        y
                    },
                );
            }
        }
    }
    let x = tensor(&[1, 2, 6, 6], 1);
    let own = ops::max_pool(&x, Window::square(3)).unwrap();
    check_close("the library's", &own, &x.max_pool2d(3).unwrap(), 0.0);
    assert!(ops::max_pool(&x, Window::square(7)).is_err());
}

#[test]
fn shuffles_are_inverse_and_differentiable() {
    let x = var(&[2, 3, 4, 6], 1);
    let y = ops::pixel_unshuffle(&x, 2).unwrap();
    assert_eq!(y.dims(), [2, 12, 2, 3]);
    // Channel c·4 + dy·2 + dx holds pixel (dx, dy) of each block.
    let one = y.get(1).unwrap().get(2 * 4 + 2 + 1).unwrap();
    let pixel: f32 = one.get(1).unwrap().get(2).unwrap().to_scalar().unwrap();
    let expected = x.get(1).unwrap().get(2).unwrap();
    let expected: f32 = expected
        .get(3)
        .unwrap()
        .get(5)
        .unwrap()
        .to_scalar()
        .unwrap();
    assert_eq!(pixel, expected);
    let back = ops::pixel_shuffle(&y, 2).unwrap();
    assert!(bits(&back) == bits(&x));
    let found = gradients(&back, &[&x]);
    assert!(bits(&found[0]) == bits(&tensor(x.dims(), 4242)));
}

#[test]
fn inputs_need_not_be_contiguous() {
    let x = tensor(&[2, 6, 5, 4], 1).transpose(1, 3).unwrap();
    let plain = x.contiguous().unwrap();
    let (gamma, beta) = (tensor(&[4], 2), tensor(&[4], 3));
    let run = |x: &Tensor| {
        vec![
            ops::group_norm_silu(x, &gamma, &beta, 2, 1e-5).unwrap(),
            ops::softmax(x).unwrap(),
            ops::silu(x).unwrap(),
            ops::gelu(x).unwrap(),
            ops::resize_bilinear(x, 3, 9).unwrap(),
            ops::max_pool(x, Window::square(2)).unwrap(),
            ops::attention(x, x, x).unwrap(),
            ops::linear(x, &tensor(&[3, 6], 4), None).unwrap(),
        ]
    };
    for (got, expected) in run(&x).iter().zip(run(&plain)) {
        assert!(bits(got) == bits(&expected));
    }
}
