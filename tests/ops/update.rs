//! In-place steps of training against their formulas in f64.

use candle_core::{Tensor, Var};
use radcanvas::network::ops::{self, AdamW};

use super::{bits, check_close, flat, tensor, var, with_threads};

fn zeros(shape: &[usize]) -> Tensor {
    tensor(shape, 1).zeros_like().unwrap()
}

#[test]
fn adamw_follows_its_formula_over_several_steps() {
    let shape = [3, 7];
    let parameter = var(&shape, 1);
    let (first, second) = (zeros(&shape), zeros(&shape));
    let how = AdamW {
        rate: 1e-2,
        beta1: 0.8,
        beta2: 0.95,
        epsilon: 1e-6,
        decay: 0.1,
    };
    let mut expected: Vec<[f64; 3]> = flat(&parameter)
        .into_iter()
        .map(|p| [f64::from(p), 0.0, 0.0])
        .collect();
    for step in 1..=5 {
        let gradient = tensor(&shape, 100 + step as u64);
        let scale = 0.5;
        ops::adamw_step(&parameter, &gradient, &first, &second, how, step, scale).unwrap();
        for (state, g) in expected.iter_mut().zip(flat(&gradient)) {
            let g = f64::from(g) * scale;
            let [p, m, v] = *state;
            let m = how.beta1 * m + (1.0 - how.beta1) * g;
            let v = how.beta2 * v + (1.0 - how.beta2) * g * g;
            let m_hat = m / (1.0 - how.beta1.powf(step as f64));
            let v_hat = v / (1.0 - how.beta2.powf(step as f64));
            let kept = p - how.rate * how.decay * p;
            let moved = kept - how.rate * m_hat / (v_hat.sqrt() + how.epsilon);
            *state = [moved, m, v];
        }
    }
    let column = |i: usize| {
        let values: Vec<f32> = expected.iter().map(|s| s[i] as f32).collect();
        Tensor::from_vec(values, &shape, parameter.device()).unwrap()
    };
    check_close("parameter", &parameter, &column(0), 1e-6);
    check_close("first moment", &first, &column(1), 1e-6);
    check_close("second moment", &second, &column(2), 1e-6);
}

#[test]
fn steps_refuse_what_does_not_fit() {
    let parameter = var(&[4], 1);
    let (m, v) = (zeros(&[4]), zeros(&[4]));
    let how = AdamW::default();
    assert!(ops::adamw_step(&parameter, &tensor(&[3], 2), &m, &v, how, 1, 1.0).is_err());
    assert!(ops::adamw_step(&parameter, &tensor(&[4], 2), &m, &v, how, 0, 1.0).is_err());
    assert!(ops::average_step(&m, &tensor(&[3], 2), 0.5).is_err());
}

#[test]
fn averages_move_toward_the_value() {
    let average = Var::from_tensor(&tensor(&[5], 1)).unwrap();
    let (before, value) = (flat(&average), tensor(&[5], 2));
    ops::average_step(&average, &value, 0.75).unwrap();
    for ((got, a), v) in flat(&average).into_iter().zip(before).zip(flat(&value)) {
        assert!((got - (0.75 * a + 0.25 * v)).abs() < 1e-6);
    }
    ops::average_step(&average, &value, 0.0).unwrap();
    check_close("without memory", &average, &value, 1e-6);
}

#[test]
fn norms_and_clipping() {
    let (a, b) = (tensor(&[300, 401], 1), tensor(&[7], 2));
    let expected: f64 = flat(&a)
        .into_iter()
        .chain(flat(&b))
        .map(|v| f64::from(v).powi(2))
        .sum::<f64>()
        .sqrt();
    let norm = |threads| with_threads(threads, || ops::gradient_norm(&[&a, &b]).unwrap());
    assert!((norm(1) - expected).abs() < 1e-5 * expected);
    assert_eq!(norm(1).to_bits(), norm(2).to_bits());
    assert_eq!(ops::clip_scale(0.5, 1.0), 1.0);
    assert_eq!(ops::clip_scale(4.0, 1.0), 0.25);
    assert_eq!(ops::clip_scale(f64::NAN, 1.0), 0.0);
}

#[test]
fn bits_of_a_step_do_not_depend_on_threads() {
    let run = |threads| {
        with_threads(threads, || {
            let parameter = var(&[300, 700], 1);
            let (m, v) = (zeros(&[300, 700]), zeros(&[300, 700]));
            let gradient = tensor(&[300, 700], 2);
            let how = AdamW::default();
            ops::adamw_step(&parameter, &gradient, &m, &v, how, 1, 1.0).unwrap();
            bits(&parameter)
        })
    };
    assert!(run(1) == run(2));
}
