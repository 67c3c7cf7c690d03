//! Steps of schedulers, equal to those of diffusers (`tests/fixtures/schedule/walks.py`): the sample after each step of
//! whole walks.

use std::path::Path;

use candle_core::{Device, Tensor};
use radcanvas::network::speed::values;
use radcanvas::synthesis::schedule::{Kind, Scheduler, Walk};
use serde_json::{Value, json};

const SHAPE: (usize, usize, usize, usize) = (1, 3, 2, 4);
const COUNT: usize = 24;

fn tensor(values: Vec<f32>) -> Tensor {
    Tensor::from_vec(values, SHAPE, &Device::Cpu).unwrap()
}

/// Row 0 begins a walk, row `k + 1` is for its step `k`.
fn noise(seed: u64, rows: usize) -> Vec<Tensor> {
    let all = values(rows * COUNT, seed);
    let scaled = |row: &[f32]| row.iter().map(|v| v * 3_f64.sqrt() as f32).collect();
    all.chunks(COUNT).map(|row| tensor(scaled(row))).collect()
}

/// What the network says: 0.6 of what it sees, and waves of the time and the index of the number.
fn answer(seen: &Tensor, time: f64, wide: bool) -> Tensor {
    let wave = |offset: f32, height: f32| {
        let at = |i| (time / 100.0 + f64::from(i)).sin() as f32;
        tensor((0..COUNT as u32).map(|i| offset + at(i) * height).collect())
    };
    let said = ((seen * f64::from(0.6_f32)).unwrap() + wave(0.0, 0.3)).unwrap();
    if wide {
        return Tensor::cat(&[said, wave(0.05, 0.04)], 1).unwrap();
    }
    said
}

fn scheduler(kind: &Value, config: &Value) -> Result<Scheduler, String> {
    let mut config = config.clone();
    config["_class_name"] = kind.clone();
    Scheduler::read(&config)
}

/// The sample after each step.
fn walked(case: &Value) -> Vec<Vec<f32>> {
    let scheduler = scheduler(&case["kind"], &case["config"]).unwrap();
    let steps = case["steps"].as_u64().unwrap() as usize;
    let strength = case["strength"].as_f64().unwrap_or(1.0);
    let seed = case["seed"].as_u64().unwrap();
    let mut walk = Walk::new(&scheduler, steps, strength).unwrap();
    let times = walk.times().to_vec();
    let rows = noise(seed, times.len() + 1);
    let mut z = if strength < 1.0 {
        let clean = tensor(values(COUNT, seed + 1));
        walk.noised(&clean, &rows[0], 0).unwrap()
    } else {
        walk.first(&rows[0]).unwrap()
    };
    let variance = case["config"]["variance_type"].as_str();
    let wide = variance.is_some_and(|name| name.starts_with("learned"));
    let mut after = Vec::new();
    for (i, time) in times.into_iter().enumerate() {
        let said = answer(&walk.seen(&z).unwrap(), time, wide);
        let fresh = walk.draws().then(|| &rows[i + 1]);
        z = walk.step(&z, &said, fresh).unwrap();
        after.push(z.flatten_all().unwrap().to_vec1().unwrap());
    }
    assert!(walk.step(&z, &z, Some(&z)).is_err());
    after
}

#[test]
fn steps_are_those_of_diffusers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/schedule");
    let wanted =
        candle_core::safetensors::load(folder.join("walks.safetensors"), &Device::Cpu).unwrap();
    let text = std::fs::read_to_string(folder.join("walks.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() > 180);
    let (mut wrong, mut worst) = (Vec::new(), 0.0_f32);
    for case in &cases {
        let found = walked(case);
        let wanted: Vec<Vec<f32>> = wanted[&case["seed"].to_string()].to_vec2().unwrap();
        assert_eq!(found.len(), wanted.len(), "{case}");
        // The peer's own rounding of its factors to f32 counts three times where it is larger: another processor rounds
        // otherwise.
        let rounding = case["rounding"].as_f64().unwrap() as f32;
        let allowed = (3.0 * rounding).max(1e-5);
        for (step, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            let largest = wanted.iter().fold(1.0_f32, |m, v| m.max(v.abs()));
            let apart = found.iter().zip(wanted);
            let apart = apart.fold(0.0_f32, |m, (a, b)| {
                if (a - b).is_nan() {
                    f32::INFINITY
                } else {
                    m.max((a - b).abs())
                }
            }) / largest;
            worst = worst.max(apart);
            if apart > allowed {
                wrong.push(format!("{apart:e} after step {step}: {case}"));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(worst < 6e-5, "{worst}");
}

#[test]
fn what_cannot_be_walked_is_refused() {
    let refused = |kind: &str, config: Value, word: &str| {
        let kind = json!(format!("{kind}Scheduler"));
        let walk = scheduler(&kind, &config).and_then(|s| Walk::new(&s, 5, 1.0));
        let error = walk.unwrap_err();
        assert!(error.contains(word), "{config}: {error}");
    };
    let (dpm, unipc) = ("DPMSolverMultistep", "UniPCMultistep");
    for kind in [
        "DDIM",
        "DDPM",
        "EulerDiscrete",
        "EulerAncestralDiscrete",
        "LCM",
        "PNDM",
    ] {
        refused(
            kind,
            json!({"prediction_type": "flow_prediction"}),
            "flow_prediction",
        );
    }
    for kind in ["EulerAncestralDiscrete", "PNDM"] {
        refused(kind, json!({"prediction_type": "sample"}), "sample");
    }
    refused(
        "DDPM",
        json!({"variance_type": "fixed_large_log"}),
        "negative logarithm",
    );
    refused(
        "DDPM",
        json!({"variance_type": "some"}),
        "variance_type = some",
    );
    for ratio in [-0.1, 1.1] {
        let config = json!({"thresholding": true, "dynamic_thresholding_ratio": ratio});
        refused("DDIM", config, "dynamic_thresholding_ratio");
    }
    refused(
        "LCM",
        json!({"thresholding": true, "sample_max_value": 0.0}),
        "sample_max_value",
    );
    refused(
        dpm,
        json!({"algorithm_type": "dpmsolver"}),
        "final_sigmas_type",
    );
    refused(dpm, json!({"algorithm_type": "other"}), "algorithm_type");
    refused(dpm, json!({"solver_type": "other"}), "solver_type");
    refused(dpm, json!({"solver_order": 4}), "solver_order");
    let third = json!({"algorithm_type": "sde-dpmsolver", "solver_order": 3, "final_sigmas_type": "sigma_min"});
    refused(dpm, third, "solver_order");
    let flow = json!({"algorithm_type": "dpmsolver", "prediction_type": "flow_prediction", "final_sigmas_type": "sigma_min"});
    refused(dpm, flow, "flow_prediction");
    refused(unipc, json!({"predict_x0": false}), "final_sigmas_type");
    refused(unipc, json!({"solver_p": {}}), "solver_p");
    refused(unipc, json!({"solver_order": 0}), "solver_order");
    // Spreads that count noise over signal leave straight lines.
    refused(
        dpm,
        json!({"use_flow_sigmas": true, "use_karras_sigmas": true}),
        "no noise of",
    );
    refused(
        unipc,
        json!({"use_flow_sigmas": true, "use_beta_sigmas": true}),
        "no noise of",
    );
    let scheduler = scheduler(&json!("PNDMScheduler"), &json!({})).unwrap();
    assert!(
        Walk::new(&scheduler, 10, 0.5)
            .unwrap_err()
            .contains("strength")
    );
}

#[test]
fn answers_must_have_the_channels_that_are_read() {
    let step = |kind: &str, config: Value, channels: usize| {
        let scheduler = scheduler(&json!(kind), &config).unwrap();
        let mut walk = Walk::new(&scheduler, 5, 1.0).unwrap();
        let z = tensor(vec![0.5; COUNT]);
        let answer = Tensor::ones((1, channels, 2, 4), z.dtype(), z.device()).unwrap();
        let made = walk.step(&z, &answer, Some(&z));
        made.map_err(|error| error.to_string())
    };
    let learned = json!({"variance_type": "learned_range"});
    let (ddpm, dpm) = ("DDPMScheduler", "DPMSolverMultistepScheduler");
    let error = step(ddpm, learned.clone(), 3).unwrap_err();
    assert!(error.contains("answers with 6 channels"), "{error}");
    for (kind, config) in [
        (ddpm, json!({})),
        ("DDIMScheduler", learned.clone()),
        (dpm, json!({"variance_type": "fixed_small"})),
    ] {
        let error = step(kind, config, 6).unwrap_err();
        assert!(error.contains("variance_type = learned"), "{error}");
    }
    assert!(step(ddpm, learned.clone(), 4).is_err());
    step(ddpm, learned.clone(), 6).unwrap();
    step(dpm, learned.clone(), 6).unwrap();
    step(dpm, learned.clone(), 3).unwrap();
    // A learned variance stays with its network when another scheduler is asked for.
    let read = scheduler(&json!(dpm), &learned).unwrap();
    assert!(read.with_kind(Kind::Ddpm).check_answer(3, 6).is_ok());
    assert!(read.with_kind(Kind::Euler).check_answer(3, 6).is_err());
}

#[test]
fn another_scheduler_than_pndm_gives_its_multistep_form() {
    let ddim = scheduler(&json!("DDIMScheduler"), &json!({})).unwrap();
    let walk = Walk::new(&ddim.with_kind(Kind::Pndm), 10, 1.0).unwrap();
    assert_eq!(walk.times().len(), 11);
    let own = scheduler(&json!("PNDMScheduler"), &json!({})).unwrap();
    let walk = Walk::new(&own, 10, 1.0).unwrap();
    assert_eq!(walk.times().len(), 19);
}
