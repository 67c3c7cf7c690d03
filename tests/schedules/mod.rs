//! Tables of schedulers, equal to those of diffusers (`tests/fixtures/schedule/make.py`), and their steps.

mod walks;

use radcanvas::synthesis::schedule::{Config, Kind, table};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    let all = value.as_array().unwrap();
    all.iter().map(|number| number.as_f64().unwrap()).collect()
}

/// Relative to the number, or to one for small ones.
fn close(found: &[f64], wanted: &[f64]) -> Result<(), String> {
    if found.len() != wanted.len() {
        return Err(format!("{} values, wanted {}", found.len(), wanted.len()));
    }
    for (i, (a, b)) in found.iter().zip(wanted).enumerate() {
        if (a - b).abs() > 1e-6 * b.abs().max(1.0) {
            return Err(format!("value {i} is {a}, wanted {b}"));
        }
    }
    Ok(())
}

#[test]
fn tables_are_those_of_diffusers() {
    let text = include_str!("../fixtures/schedule/tables.json");
    let cases: Vec<Value> = serde_json::from_str(text).unwrap();
    assert!(cases.len() > 110);
    let mut wrong = Vec::new();
    for case in &cases {
        let kind: Kind = serde_json::from_value(case["kind"].clone()).unwrap();
        let config: Config = serde_json::from_value(case["config"].clone()).unwrap();
        let steps = case["steps"].as_u64().unwrap() as usize;
        let found = table(kind, &config, steps).unwrap();
        let mut times = found.times.clone();
        if case.get("thinned").is_some() {
            times = [&times[..3], &times[times.len() - 3..]].concat();
        }
        let sigmas: Vec<f64> = found.sigmas.iter().map(|&s| f64::from(s)).collect();
        let last = found.left.len() - 1;
        let left: Vec<f64> = (0..11)
            .map(|i| f64::from(found.left[i * last / 10]))
            .collect();
        for (name, found, wanted) in [
            ("times", times, numbers(&case["times"])),
            ("sigmas", sigmas, numbers(&case["sigmas"])),
            ("left", left, numbers(&case["left"])),
            (
                "left_at_end",
                vec![f64::from(found.left_at_end)],
                vec![case["left_at_end"].as_f64().unwrap()],
            ),
        ] {
            if let Err(what) = close(&found, &wanted) {
                wrong.push(format!(
                    "{kind:?} {} {steps}: {name}: {what}",
                    case["config"]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn impossible_settings_are_refused() {
    let with = |config: &str| -> Config { serde_json::from_str(config).unwrap() };
    let refused = |kind, config: &str, steps, word: &str| {
        let error = table(kind, &with(config), steps).unwrap_err();
        assert!(error.contains(word), "{error}");
    };
    refused(Kind::Ddim, "{}", 0, "1 to 1000");
    refused(Kind::Ddim, "{}", 1001, "1 to 1000");
    refused(Kind::Lcm, "{}", 51, "50 distilled");
    refused(
        Kind::Euler,
        r#"{"use_beta_sigmas": true, "use_karras_sigmas": true}"#,
        5,
        "only one of use_beta_sigmas",
    );
    refused(
        Kind::Ddim,
        r#"{"beta_schedule": "sigmoid"}"#,
        5,
        "beta_schedule = sigmoid",
    );
    for kind in [Kind::Ddim, Kind::Euler, Kind::EulerAncestral, Kind::Pndm] {
        refused(kind, r#"{"use_flow_sigmas": true}"#, 5, "use_flow_sigmas");
    }
    for (config, word) in [
        (r#"{"shift_terminal": 0.1}"#, "use_flow_sigmas is off"),
        (
            r#"{"use_flow_sigmas": true, "use_dynamic_shifting": true}"#,
            "flow_shift",
        ),
        (
            r#"{"use_flow_sigmas": true, "flow_shift": 0.0}"#,
            "flow_shift = 0",
        ),
        (
            r#"{"use_flow_sigmas": true, "shift_terminal": 1.0}"#,
            "shift_terminal = 1",
        ),
    ] {
        refused(Kind::UniPc, config, 5, word);
    }
    // Numbers that nobody trained with: they would fill the memory, or leave nothing to count from.
    for (config, word) in [
        (
            r#"{"num_train_timesteps": 1000000000000000}"#,
            "num_train_timesteps = 1000000000000000",
        ),
        (
            r#"{"steps_offset": 18446744073709551615}"#,
            "steps_offset = 18446744073709551615",
        ),
        (
            r#"{"lambda_min_clipped": 1e9}"#,
            "lambda_min_clipped = 1000000000",
        ),
    ] {
        refused(Kind::DpmSolver, config, 5, word);
    }
    // A line of one point cannot be stretched.
    let stretched = r#"{"use_flow_sigmas": true, "shift_terminal": 0.1}"#;
    refused(Kind::UniPc, stretched, 1, "no numbers");
    refused(Kind::Pndm, "{}", 3, "skip_prk_steps");
    refused(
        Kind::Ddim,
        r#"{"trained_betas": [0.1]}"#,
        5,
        "trained_betas",
    );
}
