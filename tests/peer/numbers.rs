//! The results of each peer on weights made of their names, stored by `tests/fixtures/peer/make.py`.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use radcanvas::network::ops::with_library_kernels;
use radcanvas::network::peer::scope::Scope;
use radcanvas::network::peer::{Inputs, build};
use serde_json::Value;

use super::weights::{Made, input};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/peer")
}

/// The largest difference over the largest value.
fn distance(found: &Tensor, wanted: &Tensor) -> f64 {
    assert_eq!(found.dims(), wanted.dims());
    let most = |tensor: Tensor| -> f64 {
        let all = tensor.abs().unwrap().flatten_all().unwrap();
        f64::from(all.max(0).unwrap().to_scalar::<f32>().unwrap())
    };
    most((found - wanted).unwrap()) / most(wanted.clone()).max(1e-30)
}

/// Every fifth row and column of large pictures, as the fixtures hold them.
fn thinned(tensor: &Tensor) -> Tensor {
    let Ok((_, _, height, width)) = tensor.dims4() else {
        return tensor.clone();
    };
    if tensor.elem_count() <= 8192 {
        return tensor.clone();
    }
    let every = |size: usize| {
        let picks: Vec<u32> = (0..size as u32).step_by(5).collect();
        let count = picks.len();
        Tensor::from_vec(picks, count, &Device::Cpu).unwrap()
    };
    let whole = tensor.contiguous().unwrap();
    let rows = whole.index_select(&every(height), 2).unwrap();
    rows.index_select(&every(width), 3).unwrap()
}

/// What a case of a fixture is computed from.
fn inputs_of(case: &Value) -> Inputs {
    let specs = case["inputs"].as_object().unwrap();
    let made = |(name, spec): (&String, &Value)| (name.clone(), input(spec).unwrap());
    Inputs::new(specs.iter().map(made).collect())
}

pub(super) fn cases(name: &str) -> (Vec<Value>, BTreeMap<String, Tensor>) {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
    let path = folder().join(format!("{name}.safetensors"));
    let wanted = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    (
        serde_json::from_str(&text).unwrap(),
        wanted.into_iter().collect(),
    )
}

/// Every case of a family: names and shapes of all weights, and all results within 1e-4.
fn family(name: &str) {
    let (cases, mut wanted) = cases(name);
    assert!(cases.len() > 1);
    for case in &cases {
        let label = case["name"].as_str().unwrap();
        let arch = case["arch"].as_str().unwrap();
        let made = Made::new(
            case["equalized"].as_bool().unwrap(),
            case["gain"].as_f64().unwrap(),
        );
        let scope = Scope::new(made.builder());
        let network =
            build(arch, &case["config"], &scope).unwrap_or_else(|error| panic!("{label}: {error}"));
        assert_eq!(
            made.digest(),
            case["keys"].as_str().unwrap(),
            "{label}: names or shapes"
        );
        let inputs = inputs_of(case);
        let outputs = network
            .forward(&inputs)
            .unwrap_or_else(|error| panic!("{label}: {error}"));
        assert_eq!(inputs.unused(), Vec::<&str>::new(), "{label}");
        for (name, tensor) in &outputs {
            let key = format!("{label}/{name}");
            let wanted = wanted.remove(&key).unwrap_or_else(|| panic!("{key}"));
            let off = distance(&thinned(tensor), &wanted);
            assert!(off < 1e-4, "{key} is {off:e} off");
        }
    }
    assert!(wanted.is_empty(), "{:?} were not computed", wanted.keys());
}

#[test]
fn diffusion() {
    family("diffusion");
}

#[test]
fn half_precision_of_graphics_cards_stays_near() {
    let (cases, wanted) = cases("diffusion");
    for case in &cases {
        let made = Made::new(false, 1.0);
        let scope = Scope::new(made.builder_of(DType::F16));
        let network = build(case["arch"].as_str().unwrap(), &case["config"], &scope).unwrap();
        // Inputs stay f32: networks bring them to their weights.
        let outputs = with_library_kernels(|| network.forward(&inputs_of(case))).unwrap();
        for (name, tensor) in &outputs {
            let key = format!("{}/{name}", case["name"].as_str().unwrap());
            let found = thinned(&tensor.to_dtype(DType::F32).unwrap());
            let off = distance(&found, &wanted[&key]);
            assert!(off < 0.02 && off > 1e-6, "{key} is {off:e} off");
        }
    }
}

/// Weights of queries and keys that are a thousand times too large.
struct Loud(VarBuilder<'static>);

impl SimpleBackend for Loud {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        _: DType,
        _: &Device,
    ) -> candle_core::Result<Tensor> {
        let tensor = self.0.get_with_hints(shape, name, init)?;
        let loud = name.ends_with("to_q.weight") || name.ends_with("to_k.weight");
        if loud { tensor * 1000.0 } else { Ok(tensor) }
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        self.0.get_unchecked(name)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.contains_tensor(name)
    }
}

#[test]
fn scores_beyond_half_precision_are_computed_in_single_where_the_settings_say_so() {
    let (cases, _) = cases("diffusion");
    let case = cases.iter().find(|case| case["name"] == "condition-guided");
    let case = case.unwrap();
    let finite = |upcast: bool| {
        let mut config = case["config"].clone();
        config["upcast_attention"] = upcast.into();
        let loud = Loud(Made::new(false, 1.0).builder_of(DType::F16));
        let builder = VarBuilder::from_backend(Box::new(loud), DType::F16, Device::Cpu);
        let network = build("unet-2d-condition", &config, &Scope::new(builder)).unwrap();
        let made = with_library_kernels(|| network.forward(&inputs_of(case))).unwrap();
        let sample = made["sample"].to_dtype(DType::F32).unwrap();
        let values: Vec<f32> = sample.flatten_all().unwrap().to_vec1().unwrap();
        values.iter().all(|v| v.is_finite())
    };
    assert!(finite(true));
    assert!(!finite(false), "this test proves nothing");
}

#[test]
fn classifiers() {
    family("classifiers");
}

#[test]
fn segmenters_and_translators() {
    family("others");
}

#[test]
fn mat() {
    family("mat");
}

#[test]
fn medfusion() {
    family("medfusion");
}
