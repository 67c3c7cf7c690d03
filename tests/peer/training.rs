//! Every network can be trained: a gradient reaches every weight, and batch norms follow their batches.
//!
//! Where a gradient is known to be 0 by mathematics the weight is named with the reason, and it must be 0: what rounding
//! leaves is told from a gradient by its size beside that of the weights of the same layer. Any other must be above 0.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candle_core::{Device, Tensor};
use radcanvas::network::peer::scope::Scope;
use radcanvas::network::peer::{ARCHITECTURES, Architecture, Inputs, build, medfusion};
use radcanvas::network::weights::Weights;
use serde_json::{Value, json};

use super::weights::input;

/// The cases of a family that are quick enough for a backward pass.
const QUICK: [(&str, &[&str]); 5] = [
    (
        "diffusion",
        &[
            "condition-odd",
            "condition-guided",
            "plain-resnet",
            "control-odd",
            "autoencoder-small",
            "clip-small",
        ],
    ),
    (
        "classifiers",
        &["mobilenet_v3_small-70x64", "resnet18-64x72"],
    ),
    (
        "others",
        &[
            "segformer-small",
            "translator-odd",
            "patches-small",
            "lpips-small",
        ],
    ),
    ("mat", &["mat-small", "discriminator-small"]),
    ("medfusion", &["vae-odd", "unet-three", "unet-labels"]),
];

/// Two networks of which no fixture is quick.
fn more() -> [Value; 2] {
    let case = |arch: &str, side: usize| {
        let image = json!({"shape": [1, 3, side, side], "seed": 1, "kind": "unit"});
        json!({"name": arch, "arch": arch, "config": {}, "inputs": {"image": image}})
    };
    [case("vgg19-features", 32), case("inception-fid", 20)]
}

const SHIFT: &str = "scores of all keys move together, and a softmax takes that away";
const MEAN: &str = "a norm takes the mean of each channel away, and a shift with it";
/// Names of weights whose gradient is 0, and why; `*` stands for one part of a name, `**` in front for any number.
type Zeros<'a> = &'a [(&'a str, &'a str)];

/// The largest size of a gradient of nothing but rounding, beside that of the weights of its layer.
const ROUNDING: f64 = 1e-3;

/// Case `name` of a family.
fn case(family: &str, name: &str) -> Value {
    let quick = QUICK.iter().find(|(other, _)| *other == family).unwrap().1;
    assert!(quick.contains(&name), "{name} is not in the table");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/peer");
    let text = std::fs::read_to_string(path.join(format!("{family}.json"))).unwrap();
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    let mut found = all.into_iter().filter(|case| case["name"] == name);
    found.next().unwrap()
}

fn fits(name: &str, pattern: &str) -> bool {
    if let Some(end) = pattern.strip_prefix("**") {
        return name.ends_with(end);
    }
    let (parts, wanted) = (name.split('.'), pattern.split('.'));
    parts.clone().count() == wanted.clone().count()
        && parts.zip(wanted).all(|(a, b)| b == "*" || a == b)
}

/// Root of the mean square.
fn size(tensor: &Tensor) -> f64 {
    let mean = tensor.sqr().unwrap().mean_all().unwrap();
    f64::from(mean.to_scalar::<f32>().unwrap()).sqrt()
}

/// The sum of the mean squares of results.
fn loss_of<'a>(outputs: impl Iterator<Item = &'a Tensor>) -> Tensor {
    outputs
        .map(|output| output.sqr().unwrap().mean_all().unwrap())
        .reduce(|a, b| (a + b).unwrap())
        .unwrap()
}

fn inputs_of(case: &Value) -> Inputs {
    let specs = case["inputs"].as_object().unwrap();
    let made = |(name, spec): (&String, &Value)| (name.clone(), input(spec).unwrap());
    Inputs::new(specs.iter().map(made).collect())
}

/// `loss(scope)` builds the network, and gives what computes its loss.
fn check_loss<L: Fn() -> Tensor>(
    label: &str,
    zeros: Zeros<'_>,
    loss: impl FnOnce(&Scope<'_>) -> L,
) {
    let weights = Weights::new(5);
    let loss = loss(&Scope::training(weights.builder()));
    // Layers that start at zero hide those before them: every weight gets a value of its own.
    for (name, variable) in weights.variables() {
        let noise = radcanvas::network::speed::values(variable.elem_count(), name.len() as u64);
        let noise = Tensor::from_vec(noise, variable.shape(), variable.device()).unwrap();
        let next = (variable.as_tensor() + (noise * 0.05).unwrap()).unwrap();
        variable.set(&next).unwrap();
    }
    // Copies: a variable is overwritten in place.
    let statistics = |name: &String| name.contains("running_");
    let before: BTreeMap<String, Tensor> = weights
        .variables()
        .into_iter()
        .filter(|(name, _)| statistics(name))
        .map(|(name, variable)| (name, variable.copy().unwrap()))
        .collect();
    let gradients = loss().backward().unwrap();
    let variables = weights.variables();
    let sizes: BTreeMap<&String, Option<f64>> = variables
        .iter()
        .map(|(name, variable)| (name, gradients.get(variable).map(size)))
        .collect();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, variable) in &variables {
        if let Some(before) = before.get(name) {
            let moved = size(&(variable.as_tensor() - before).unwrap());
            if moved.is_nan() || moved <= 0.0 {
                wrong.push(format!("{name} does not follow"));
            }
            continue;
        }
        let found = sizes[name].unwrap_or(0.0);
        let partner = name
            .strip_suffix("bias")
            .map(|stem| format!("{stem}weight"));
        let beside = partner.and_then(|partner| sizes.get(&partner).copied().flatten());
        let least = beside.map_or(0.0, |size| ROUNDING * size);
        let zero = zeros.iter().find(|(pattern, _)| fits(name, pattern));
        seen.extend(zero.map(|(pattern, _)| *pattern));
        let right = if zero.is_some() {
            found <= least
        } else {
            found > 0.0 && found.is_finite()
        };
        if !right {
            let why = zero.map_or("", |(_, why)| *why);
            wrong.push(format!("{name} has {found:e} beside {beside:?}; {why}"));
        }
    }
    for (pattern, _) in zeros {
        if !seen.contains(pattern) {
            wrong.push(format!("there is no {pattern}"));
        }
    }
    assert!(wrong.is_empty(), "{label}:\n{}", wrong.join("\n"));
}

fn check(case: &Value, zeros: Zeros<'_>) {
    let label = case["name"].as_str().unwrap();
    check_loss(label, zeros, |scope| {
        let network = build(case["arch"].as_str().unwrap(), &case["config"], scope).unwrap();
        let inputs = inputs_of(case);
        move || loss_of(network.forward(&inputs).unwrap().values())
    });
}

/// A classifier of three classes on two pictures, with so many blocks where that can be said.
fn check_classifier(arch: &str, side: usize, depth: usize, zeros: Zeros<'_>) {
    let case = json!({
        "name": arch,
        "arch": arch,
        "config": {"num_classes": 3, "image_size": side, "depth": depth},
        "inputs": {"image": {"shape": [2, 3, side, side], "seed": 1}},
    });
    check(&case, zeros);
}

#[test]
fn every_network_that_is_no_classifier_is_among_the_cases() {
    let quick = QUICK
        .iter()
        .flat_map(|(family, names)| names.iter().map(move |name| case(family, name)));
    let found: BTreeSet<String> = quick
        .chain(more())
        .map(|case| case["arch"].as_str().unwrap().to_owned())
        .collect();
    // The first are the classifiers.
    let others = ARCHITECTURES[1..].iter().flat_map(Architecture::each_name);
    for name in others {
        assert!(found.contains(name), "{name}");
    }
}

#[test]
fn gradients_reach_the_networks_of_diffusion() {
    check(&case("diffusion", "condition-odd"), &[]);
    check(&case("diffusion", "condition-guided"), &[]);
    check(&case("diffusion", "control-odd"), &[]);
    check(
        &case("diffusion", "plain-resnet"),
        &[("**.to_k.bias", SHIFT)],
    );
    check(
        &case("diffusion", "autoencoder-small"),
        &[("**.to_k.bias", SHIFT)],
    );
    check(
        &case("diffusion", "clip-small"),
        &[("**.self_attn.k_proj.bias", SHIFT)],
    );
}

#[test]
fn gradients_reach_classifiers() {
    check(&case("classifiers", "resnet18-64x72"), &[]);
    // Not activated, and behind every sum of them a convolution of one tap, and the norm of the batch.
    let ends = [1, 2, 3].map(|i| format!("features.{i}.block.2.1.bias"));
    let later = [4, 5, 6, 7, 8, 9].map(|i| format!("features.{i}.block.3.1.bias"));
    let zeros: Vec<(&str, &str)> = ends
        .iter()
        .chain(&later)
        .map(|name| (name.as_str(), MEAN))
        .collect();
    check(&case("classifiers", "mobilenet_v3_small-70x64"), &zeros);
}

#[test]
fn gradients_reach_plain_classifiers() {
    for (arch, side) in [
        ("alexnet", 64),
        ("squeezenet1_1", 64),
        ("densenet121", 64),
        ("googlenet", 64),
        ("inception_v3", 96),
    ] {
        check_classifier(arch, side, 2, &[]);
    }
    let convolutions = [0, 4, 8, 11, 15, 18, 22, 25].map(|i| format!("features.{i}.bias"));
    let zeros: Vec<(&str, &str)> = convolutions.iter().map(|n| (n.as_str(), MEAN)).collect();
    check_classifier("vgg11_bn", 32, 2, &zeros);
}

#[test]
fn gradients_reach_mobile_classifiers() {
    for (arch, side) in [
        ("mobilenet_v2", 64),
        ("mnasnet0_5", 64),
        ("shufflenet_v2_x0_5", 64),
        ("efficientnet_b0", 64),
        ("efficientnet-b0", 64),
        ("regnet_x_400mf", 64),
        ("regnet_y_400mf", 64),
        ("xception", 96),
    ] {
        check_classifier(arch, side, 2, &[]);
    }
}

#[test]
fn gradients_reach_the_second_efficientnet() {
    check_classifier("efficientnet_v2_s", 64, 2, &[]);
}

#[test]
fn gradients_reach_token_classifiers() {
    for (arch, side) in [("convnext_tiny", 64), ("swin_t", 64), ("maxvit_t", 224)] {
        check_classifier(arch, side, 2, &[]);
    }
}

#[test]
fn gradients_reach_the_second_swin_transformer() {
    check_classifier("swin_v2_t", 64, 2, &[]);
}

#[test]
fn gradients_reach_vision_transformers() {
    check_classifier("vit_tiny_patch16_224", 64, 2, &[]);
    check_classifier("vit_b_16", 32, 1, &[]);
    // One number a head for every pair of places.
    check_classifier(
        "vit_srelpos_medium_patch16_224",
        32,
        1,
        &[("shared_rel_pos.mlp.fc2.bias", SHIFT)],
    );
}

#[test]
fn gradients_reach_the_segmenter() {
    check(
        &case("others", "segformer-small"),
        &[
            ("segformer.stages.*.blocks.*.attention.k_proj.bias", SHIFT),
            // Added to every place, kept by resizing, mixed by a layer without a bias, and then the norm of the batch.
            ("decode_head.linear_projections.*.proj.bias", MEAN),
            // The coarsest level goes nowhere else.
            ("segformer.stages.3.layer_norm.bias", MEAN),
        ],
    );
}

#[test]
fn gradients_reach_translators() {
    // Every convolution but the last has an instance norm behind it.
    check(
        &case("others", "translator-odd"),
        &[
            ("model.1.bias", MEAN),
            ("model.4.bias", MEAN),
            ("model.7.bias", MEAN),
            ("model.10.conv_block.*.bias", MEAN),
            ("model.11.conv_block.*.bias", MEAN),
            ("model.12.bias", MEAN),
            ("model.15.bias", MEAN),
        ],
    );
    // Every one but the first and the last.
    check(
        &case("others", "patches-small"),
        &[
            ("model.2.bias", MEAN),
            ("model.5.bias", MEAN),
            ("model.8.bias", MEAN),
        ],
    );
}

#[test]
fn gradients_reach_the_networks_that_compare() {
    check(&case("others", "lpips-small"), &[]);
    let [vgg, _] = more();
    check(&vgg, &[]);
}

#[test]
fn gradients_reach_the_network_of_the_frechet_distance() {
    let [_, inception] = more();
    check(&inception, &[]);
}

#[test]
fn gradients_reach_inpainters() {
    let average = "a mean that is read only where styles are drawn nearer to it";
    check(
        &case("mat", "mat-small"),
        &[("**w_avg", average), ("**.attn.k.bias", SHIFT)],
    );
    check(&case("mat", "discriminator-small"), &[]);
}

#[test]
fn gradients_reach_medfusion() {
    // Its side pictures too, which are no outputs.
    let vae = case("medfusion", "vae-odd");
    let image = input(&vae["inputs"]["image"]).unwrap();
    // In groups of one channel.
    let narrow = [
        ("inc.block_seq.*.basic_block.conv.bias", MEAN),
        (
            "decoders.0.conv_block.block_seq.*.basic_block.conv.bias",
            MEAN,
        ),
    ];
    check_loss("medfusion-vae", &narrow, |scope| {
        let config = serde_json::from_value(vae["config"].clone()).unwrap();
        let network = medfusion::Autoencoder::new(scope, &config).unwrap();
        move || {
            let (mean, variance) = network.encode(&image).unwrap();
            let (picture, sides) = network.decode_with_sides(&mean).unwrap();
            loss_of([&mean, &variance, &picture].into_iter().chain(&sides))
        }
    });
    for name in ["unet-three", "unet-labels"] {
        check(&case("medfusion", name), &[]);
    }
}

#[test]
fn rounding_is_told_from_a_gradient() {
    // A shift before a norm over places, and one behind it.
    let check = |zeros: Zeros<'_>| {
        check_loss("a norm", zeros, |scope| {
            let weight = scope.random("a.weight", (4, 4, 3, 3), 36).unwrap();
            let [before, after] = ["a.bias", "b.bias"].map(|n| scope.random(n, 4, 4).unwrap());
            let x = input(&json!({"shape": [2, 4, 9, 9], "seed": 3})).unwrap();
            move || {
                use radcanvas::network::ops;
                let y = ops::conv2d(&x, &weight, Some(&before), 1, 1).unwrap();
                let ones = Tensor::ones(4, y.dtype(), &Device::Cpu).unwrap();
                loss_of([ops::group_norm_silu(&y, &ones, &after, 4, 1e-5).unwrap()].iter())
            }
        });
    };
    check(&[("a.bias", MEAN)]);
    for wrong in [
        &[("b.bias", MEAN)],
        &[("a.weight", MEAN)],
        &[("c.bias", MEAN)],
    ] {
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(wrong)));
        assert!(told.is_err(), "{wrong:?}");
    }
}
