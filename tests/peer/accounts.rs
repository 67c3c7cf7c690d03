//! Every architecture accounts for every tensor of a file, and says what goes in and what comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candle_core::{DType, Device, Result as Tensors, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use radcanvas::network::device::Place;
use radcanvas::network::folder::{ModelError, Store, build_over};
use radcanvas::network::peer::scope::Scope;
use radcanvas::network::peer::{ARCHITECTURES, Architecture, architectures_help, build};
use serde_json::Value;

use super::numbers::cases;
use super::weights::Made;

const FAMILIES: [&str; 5] = ["diffusion", "classifiers", "others", "mat", "medfusion"];

/// Names and shapes without values: zeros that take no memory.
struct Hollow(BTreeMap<String, Vec<usize>>);

impl Store for Hollow {
    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn shape(&self, name: &str) -> Option<Shape> {
        self.0.get(name).map(|dims| Shape::from(dims.as_slice()))
    }

    fn read(&self, name: &str, _: DType) -> Result<Tensor, ModelError> {
        let zero = Tensor::zeros((), DType::F32, &Device::Cpu);
        let zeros = zero.and_then(|zero| zero.broadcast_as(self.0[name].as_slice()));
        Ok(zeros.unwrap())
    }
}

/// Builds the network of a case over these names; the error in words.
fn built(case: &Value, names: &BTreeMap<String, Vec<usize>>) -> Result<(), String> {
    let arch = case["arch"].as_str().unwrap();
    let network = build_over(
        Hollow(names.clone()),
        Path::new("weights.safetensors"),
        &Place::default(),
        |builder| build(arch, &case["config"], &Scope::new(builder.clone())),
    );
    network.map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn missing_unknown_and_misshapen_tensors_of_every_architecture_are_named() {
    for family in FAMILIES {
        let (cases, _) = cases(family);
        for case in &cases {
            let label = &case["name"];
            let made = Made::new(false, 1.0);
            let arch = case["arch"].as_str().unwrap();
            build(arch, &case["config"], &Scope::new(made.builder())).unwrap();
            let whole = made.asked();
            assert_eq!(built(case, &whole), Ok(()), "{label}");
            let mut more = whole.clone();
            more.insert("surplus.weight".to_owned(), vec![2, 3]);
            let said = built(case, &more).unwrap_err();
            assert!(
                said.contains("unknown tensors surplus.weight"),
                "{label}: {said}"
            );
            let names: Vec<&String> = whole.keys().collect();
            for name in [names[0], names[names.len() / 2], names[names.len() - 1]] {
                let mut less = whole.clone();
                less.remove(name);
                let said = built(case, &less).unwrap_err();
                assert!(
                    said.contains(&format!("{name} is missing")),
                    "{label}: {said}"
                );
                let mut other = whole.clone();
                other.get_mut(name).unwrap().push(5);
                let said = built(case, &other).unwrap_err();
                assert!(
                    said.contains(name.as_str()) && said.contains("wanted"),
                    "{label}: {said}"
                );
            }
        }
    }
}

fn architecture(name: &str) -> &'static Architecture {
    let found = ARCHITECTURES
        .iter()
        .find(|each| each.each_name().any(|own| own == name));
    found.unwrap_or_else(|| panic!("{name} is not listed"))
}

#[test]
fn the_help_lists_every_network_with_all_its_tensors() {
    let mut seen = BTreeMap::<&str, [BTreeSet<String>; 2]>::new();
    for family in FAMILIES {
        let (cases, results) = cases(family);
        for case in &cases {
            let listed = architecture(case["arch"].as_str().unwrap());
            let [inputs, outputs] = seen.entry(listed.names).or_default();
            inputs.extend(case["inputs"].as_object().unwrap().keys().cloned());
            let label = format!("{}/", case["name"].as_str().unwrap());
            let own = results.keys().filter_map(|key| key.strip_prefix(&label));
            outputs.extend(own.map(|name| match name.rsplit_once('.') {
                Some((name, _)) => format!("{name}.N"),
                None => name.to_owned(),
            }));
        }
    }
    // The networks of the fixtures are all there are, and their tensors all that is listed.
    assert_eq!(seen.len(), ARCHITECTURES.len());
    for each in ARCHITECTURES {
        let [inputs, outputs] = &seen[each.names];
        let names = |tensors: &[(&str, &str)]| -> BTreeSet<String> {
            tensors.iter().map(|(name, _)| (*name).to_owned()).collect()
        };
        let listed = &names(each.inputs) | &names(each.optional);
        assert_eq!(&listed, inputs, "{}", each.names);
        assert_eq!(&names(each.outputs), outputs, "{}", each.names);
    }
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_radcanvas"))
        .args(["models", "forward", "--help"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words(&said).contains(&words(&architectures_help())),
        "{said}"
    );
    for word in ["timestep_cond", "condition", "drop2", "densenet161"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

/// Has no tensors, and says what it was asked for first.
struct Nothing;

impl SimpleBackend for Nothing {
    fn get(&self, _: Shape, name: &str, _: Init, _: DType, _: &Device) -> Tensors<Tensor> {
        candle_core::bail!("a network wants {name}")
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Tensors<Tensor> {
        candle_core::bail!("a network wants {name}")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        false
    }
}

#[test]
fn every_name_that_is_listed_stands_for_a_network() {
    let wanted = |name: &str| {
        let builder = VarBuilder::from_backend(Box::new(Nothing), DType::F32, Device::Cpu);
        let settings = Value::Object(serde_json::Map::default());
        let error = build(name, &settings, &Scope::new(builder)).unwrap_err();
        error.to_string()
    };
    for each in ARCHITECTURES {
        for name in each.each_name() {
            let said = wanted(name);
            assert!(said.contains("a network wants"), "{name}: {said}");
        }
    }
    assert!(wanted("resnet19").contains("no network is called resnet19"));
}
