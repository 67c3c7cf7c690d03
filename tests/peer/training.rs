//! Every network can be trained: a gradient reaches every weight, and batch norms follow their batches.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Tensor;
use radcanvas::network::peer::scope::Scope;
use radcanvas::network::peer::{Inputs, build};
use radcanvas::network::weights::Weights;
use serde_json::Value;

use super::weights::input;

/// The cases of a family that are quick enough for a backward pass.
fn cases(family: &str, names: &[&str]) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/peer");
    let text = std::fs::read_to_string(path.join(format!("{family}.json"))).unwrap();
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    let found: Vec<Value> = all
        .into_iter()
        .filter(|case| names.contains(&case["name"].as_str().unwrap()))
        .collect();
    assert_eq!(found.len(), names.len());
    found
}

/// Weights that no output depends on, by architecture: what the peer computes and does not use.
fn check(case: &Value, unreached: &[&str]) {
    let label = case["name"].as_str().unwrap();
    let weights = Weights::new(5);
    let scope = Scope::training(weights.builder());
    let network = build(case["arch"].as_str().unwrap(), &case["config"], &scope).unwrap();
    // Layers that start at zero hide those before them: every weight gets a value of its own.
    for (name, variable) in weights.variables() {
        let noise = radcanvas::network::speed::values(variable.elem_count(), name.len() as u64);
        let noise = Tensor::from_vec(noise, variable.shape(), variable.device()).unwrap();
        let next = (variable.as_tensor() + (noise * 0.05).unwrap()).unwrap();
        variable.set(&next).unwrap();
    }
    // Copies: a variable is overwritten in place.
    let before: BTreeMap<String, Tensor> = weights
        .variables()
        .into_iter()
        .map(|(name, variable)| (name, variable.copy().unwrap()))
        .collect();
    let inputs: BTreeMap<String, Tensor> = case["inputs"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, spec)| (name.clone(), input(spec).unwrap()))
        .collect();
    let outputs = network.forward(&Inputs::new(inputs)).unwrap();
    let loss = outputs
        .values()
        .map(|output| output.sqr().unwrap().mean_all().unwrap())
        .reduce(|a, b| (a + b).unwrap())
        .unwrap();
    let gradients = loss.backward().unwrap();
    for (name, variable) in weights.variables() {
        if name.contains("running_") {
            let moved = (variable.as_tensor() - &before[&name]).unwrap();
            let moved = moved
                .abs()
                .unwrap()
                .sum_all()
                .unwrap()
                .to_scalar::<f32>()
                .unwrap();
            assert!(moved > 0.0, "{label}: {name} does not follow");
            continue;
        }
        if unreached.iter().any(|part| name.contains(part)) {
            continue;
        }
        let gradient = gradients
            .get(&variable)
            .unwrap_or_else(|| panic!("{label}: no gradient for {name}"));
        let size = gradient
            .abs()
            .unwrap()
            .sum_all()
            .unwrap()
            .to_scalar::<f32>()
            .unwrap();
        assert!(size > 0.0 && size.is_finite(), "{label}: {name} has {size}");
    }
}

#[test]
fn gradients_reach_the_networks_of_diffusion() {
    // Logits do not change when all keys move together; the log-variance is no output.
    for case in cases(
        "diffusion",
        &["condition-odd", "plain-resnet", "control-odd", "clip-small"],
    ) {
        check(&case, &["k_proj.bias", "to_k.bias"]);
    }
    for case in cases("diffusion", &["autoencoder-small"]) {
        check(&case, &["to_k.bias"]);
    }
}

#[test]
fn gradients_reach_classifiers() {
    for case in cases(
        "classifiers",
        &["mobilenet_v3_small-70x64", "resnet18-64x72"],
    ) {
        check(&case, &[]);
    }
}

/// Architectures with the side of a picture.
fn check_families(families: &[(&str, usize)], unreached: &[&str]) {
    for (arch, size) in families {
        let case = serde_json::json!({
            "name": arch,
            "arch": arch,
            "config": {"num_classes": 3, "image_size": size, "depth": 2},
            "inputs": {"image": {"shape": [2, 3, size, size], "seed": 1}},
        });
        check(&case, unreached);
    }
}

/// The smallest of every other family.
#[test]
fn gradients_reach_plain_classifiers() {
    let families = [
        ("alexnet", 64),
        ("squeezenet1_1", 64),
        ("densenet121", 64),
        ("googlenet", 64),
        ("inception_v3", 96),
    ];
    check_families(&families, &[]);
    // What a batch norm follows does not depend on the bias before it.
    check_families(&[("vgg11_bn", 32)], &["features.0.bias"]);
}

#[test]
fn gradients_reach_mobile_and_token_classifiers() {
    let families = [
        ("mobilenet_v2", 64),
        ("mnasnet0_5", 64),
        ("shufflenet_v2_x0_5", 64),
        ("efficientnet_b0", 64),
        ("regnet_x_400mf", 64),
        ("regnet_y_400mf", 64),
        ("xception", 96),
        ("convnext_tiny", 64),
        ("swin_t", 64),
        ("vit_tiny_patch16_224", 64),
        ("maxvit_t", 224),
    ];
    check_families(&families, &[]);
}

#[test]
fn gradients_reach_the_others() {
    for case in cases(
        "others",
        &["segformer-small", "translator-odd", "patches-small"],
    ) {
        // What a norm of single channels follows does not depend on the bias before it.
        check(&case, &["k_proj.bias", ".bias"]);
    }
    for case in cases("mat", &["mat-small", "discriminator-small"]) {
        check(&case, &["w_avg", "attn.k.bias"]);
    }
    for case in cases("medfusion", &["vae-odd", "unet-three"]) {
        check(&case, &["outc_ver", "basic_block.conv.bias"]);
    }
}
