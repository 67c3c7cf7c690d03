//! Attention with a bias, and scores that half precision cannot hold.

use candle_core::{D, DType, Device, Result, Tensor, Var};
use radcanvas::network::ops::{self, with_library_kernels};

use super::{check_close, check_threads, flat, gradients, tensor, var};

/// The formula, with all scores in memory.
fn plain(q: &Tensor, k: &Tensor, v: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let scale = 1.0 / (q.dim(3)? as f64).sqrt();
    let scores = (q.matmul(&k.t()?.contiguous()?)? * scale)?;
    let images = q.dim(0)? / bias.dim(0)?;
    let scores = scores.broadcast_add(&bias.repeat((images, 1, 1, 1))?)?;
    let shifted = scores
        .broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?
        .exp()?;
    let sums = shifted.sum_keepdim(D::Minus1)?;
    shifted.broadcast_div(&sums)?.matmul(v)
}

/// Images, heads, queries, keys, width of keys and of values; sets and heads of the bias.
const CASES: [([usize; 6], [usize; 2]); 5] = [
    ([1, 1, 1, 1, 1, 1], [1, 1]),
    ([4, 3, 9, 9, 8, 8], [1, 3]),
    ([4, 2, 49, 49, 16, 16], [2, 2]),
    ([2, 3, 70, 300, 5, 7], [2, 1]),
    ([3, 2, 130, 600, 12, 20], [3, 2]),
];

#[test]
fn a_bias_is_added_and_has_a_gradient() {
    for ([b, h, n, m, d, e], [sets, heads]) in CASES {
        let what = format!("{b} {h} {n} {m} {d} {e}, {sets} {heads}");
        let shapes = [
            [b, h, n, d],
            [b, h, m, d],
            [b, h, m, e],
            [sets, heads, n, m],
        ];
        let vars: Vec<Var> = (0..4).map(|i| var(&shapes[i], 10 + i as u64)).collect();
        // Some places are not looked at.
        let bias = tensor(&shapes[3], 77);
        let away = (bias.gt(0.6).unwrap().to_dtype(DType::F32).unwrap() * -100.0).unwrap();
        vars[3]
            .set(&(bias * 2.0).unwrap().add(&away).unwrap())
            .unwrap();
        let [q, k, v, bias] = [0, 1, 2, 3].map(|i| vars[i].as_tensor());
        let wanted = plain(q, k, v, bias).unwrap();
        let all: Vec<&Var> = vars.iter().collect();
        let slopes = gradients(&wanted, &all);
        let ours = || ops::attention_biased(q, k, v, bias);
        for (way, found) in [("ours", ours()), ("library", with_library_kernels(ours))] {
            let found = found.unwrap();
            check_close(&format!("{way} {what}"), &found, &wanted, 2e-5);
            for (i, (a, b)) in gradients(&found, &all).iter().zip(&slopes).enumerate() {
                check_close(&format!("{way} {what} gradient {i}"), a, b, 1e-4);
            }
        }
        if n > 100 {
            check_threads(&what, &all, ours);
        }
        // A bias that is given, not learnt.
        let fixed = bias.detach();
        let found = ops::attention_biased(q, k, v, &fixed).unwrap();
        check_close(&what, &found, &wanted, 2e-5);
        for (a, b) in gradients(&found, &all[..3]).iter().zip(&slopes) {
            check_close(
                &format!("{what} without a gradient of the bias"),
                a,
                b,
                1e-4,
            );
        }
    }
}

#[test]
fn a_bias_of_another_size_is_refused() {
    let x = tensor(&[4, 3, 9, 8], 1);
    for shape in [
        [3, 3, 9, 9],
        [4, 2, 9, 9],
        [1, 1, 1, 9],
        [1, 1, 9, 8],
        [5, 3, 9, 9],
    ] {
        let error = ops::attention_biased(&x, &x, &x, &tensor(&shape, 2)).unwrap_err();
        assert!(error.to_string().contains("do not fit"), "{error}");
    }
}

fn half(tensor: &Tensor) -> Tensor {
    tensor.to_dtype(DType::F16).unwrap()
}

#[test]
fn large_scores_of_half_precision_stay_finite() {
    let keys = tensor(&[1, 2, 7, 64], 5).sign().unwrap();
    let queries = Tensor::ones((1, 2, 5, 64), DType::F32, &Device::Cpu).unwrap();
    let v = tensor(&[1, 2, 7, 64], 6);
    let near = |what: &str, [q, k]: [&Tensor; 2]| {
        let wanted = {
            let wide = |x: &Tensor| x.to_dtype(DType::F32).unwrap();
            ops::attention(&wide(q), &wide(k), &v).unwrap()
        };
        let found = with_library_kernels(|| ops::attention(q, k, &half(&v))).unwrap();
        assert_eq!(found.dtype(), DType::F16, "{what}");
        let found = found.to_dtype(DType::F32).unwrap();
        assert!(flat(&found).iter().all(|v| v.is_finite()), "{what}");
        check_close(what, &found, &wanted, 5e-3);
    };
    // Of equal signs: 64 · 60 · 60 is beyond f16, an eighth of it is not.
    let (q, k) = (
        (queries * 60.0).unwrap(),
        (keys.abs().unwrap() * 60.0).unwrap(),
    );
    near("scaled first", [&half(&q), &half(&k)]);
    // Beyond f16 even then: such layers compute their scores in f32.
    let (q, k) = ((q * 10.0).unwrap(), (k * 10.0).unwrap());
    near("in f32", [&q, &k]);
}
