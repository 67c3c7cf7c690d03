//! `models forward` from files: safetensors and PyTorch archives, and what is refused.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use candle_nn::Init;
use radcanvas::network::device::Place;
use radcanvas::network::folder::{ModelError, Store as _};
use radcanvas::network::peer::source::Source;
use radcanvas::network::peer::{Files, forward_files};

/// Files in a folder of their own.
struct Case {
    folder: tempfile::TempDir,
    files: Files,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/peer/files")
}

const CONFIG: &str = r#"{"vocab_size": 12, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
    "num_attention_heads": 2, "max_position_embeddings": 5, "torch_dtype": "float32"}"#;

fn case(weights: &str) -> Case {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.json");
    std::fs::write(&config, CONFIG).unwrap();
    let files = Files {
        config,
        weights: fixtures().join(weights),
        inputs: fixtures().join("inputs.safetensors"),
        out: folder.path().join("out.safetensors"),
    };
    Case { folder, files }
}

fn states(case: &Case) -> Vec<f32> {
    let report = forward_files("clip-text", &case.files, 2, &Device::Cpu).unwrap();
    assert_eq!(report.outputs["last_hidden_state"], [1, 4, 8]);
    assert!(report.seconds > 0.0);
    let out = candle_core::safetensors::load(&case.files.out, &candle_core::Device::Cpu).unwrap();
    let states = &out["last_hidden_state"];
    states.flatten_all().unwrap().to_vec1().unwrap()
}

fn refusal(case: &Case, arch: &str) -> ModelError {
    let error = forward_files(arch, &case.files, 1, &Device::Cpu).unwrap_err();
    assert!(!case.files.out.exists());
    error
}

#[test]
fn archives_and_halves_give_the_same_numbers() {
    let wanted = states(&case("clip.safetensors"));
    // Under `state_dict` among other things, transposed views, and the names of before 2026.
    assert_eq!(states(&case("clip.ckpt")), wanted);
    // Beside settings that name classes and call none.
    assert_eq!(states(&case("clip-lightning.ckpt")), wanted);
    // Before PyTorch 0.4: views of one storage.
    assert_eq!(states(&case("clip-oldest.pth")), wanted);
    // Before 1.6, with halves and doubles.
    for file in ["clip-f16.pth", "clip-legacy.pth"] {
        for (a, b) in states(&case(file)).iter().zip(&wanted) {
            assert!((a - b).abs() < 5e-3, "{file}: {a} {b}");
        }
    }
}

#[test]
fn every_type_of_number_is_converted_tensor_by_tensor() {
    let whole = case("clip.safetensors");
    let wanted = states(&whole);
    let tensors = candle_core::safetensors::load(&whole.files.weights, &Device::Cpu).unwrap();
    for (dtype, near) in [(DType::F64, 0.0), (DType::F16, 5e-3), (DType::BF16, 4e-2)] {
        let stored: HashMap<&String, Tensor> = tensors
            .iter()
            .map(|(name, tensor)| (name, tensor.to_dtype(dtype).unwrap()))
            .collect();
        let mut case = case("clip.safetensors");
        case.files.weights = case.folder.path().join("stored.safetensors");
        candle_core::safetensors::save(&stored, &case.files.weights).unwrap();
        let found = states(&case);
        for (a, b) in found.iter().zip(&wanted) {
            assert!((a - b).abs() <= near, "{dtype:?}: {a} {b}");
        }
        assert!(near == 0.0 || found != wanted, "{dtype:?}");
        // In half precision the values are those of the file, bit by bit.
        let source = Source::open(&case.files.weights).unwrap();
        let place = Place {
            device: Device::Cpu,
            dtype: DType::F16,
        };
        let read = source.build_at(&place, |scope| {
            stored
                .iter()
                .map(|(name, tensor)| {
                    let read = scope.tensor(name, tensor.shape().clone(), Init::Const(0.0))?;
                    Ok((read, tensor.to_dtype(DType::F16)?))
                })
                .collect::<candle_core::Result<Vec<_>>>()
        });
        for (read, tensor) in read.unwrap() {
            assert_eq!(read.dtype(), DType::F16);
            let bits =
                |t: &Tensor| -> Vec<half::f16> { t.flatten_all().unwrap().to_vec1().unwrap() };
            assert_eq!(bits(&read), bits(&tensor));
        }
    }
}

#[test]
fn pickles_that_carry_code_are_refused_by_name() {
    for (file, word) in [
        ("code.pth", "posix.system"),
        ("module.pth", "torch.nn.modules"),
        ("code-legacy.pth", "posix.system"),
        ("code-lightning.ckpt", "posix.system"),
        ("bare.pkl", "bare pickle"),
    ] {
        let error = refusal(&case(file), "clip-text");
        assert!(matches!(error, ModelError::Code { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn wrong_files_are_refused_by_name() {
    let whole = std::fs::read(fixtures().join("clip.safetensors")).unwrap();
    let cut = |length: usize| {
        let mut case = case("clip.safetensors");
        case.files.weights = case.folder.path().join("cut.safetensors");
        std::fs::write(&case.files.weights, &whole[..length]).unwrap();
        case
    };
    for length in [0, 7, 40, whole.len() - 1] {
        let error = refusal(&cut(length), "clip-text");
        assert!(matches!(error, ModelError::Damaged { .. }), "{error}");
    }
    let archive = std::fs::read(fixtures().join("clip.ckpt")).unwrap();
    for length in [0, 3, 100, archive.len() / 2] {
        let mut case = case("clip.ckpt");
        case.files.weights = case.folder.path().join("cut.ckpt");
        std::fs::write(&case.files.weights, &archive[..length]).unwrap();
        let error = refusal(&case, "clip-text");
        assert!(matches!(error, ModelError::Damaged { .. }), "{error}");
    }
    let mut gone = case("clip.safetensors");
    gone.files.weights = gone.folder.path().join("none.safetensors");
    assert!(matches!(
        refusal(&gone, "clip-text"),
        ModelError::Missing { .. }
    ));
    let error = refusal(&case("integers.safetensors"), "clip-text");
    assert!(
        matches!(&error, ModelError::Type { tensor, .. } if tensor == "final_layer_norm.weight"),
        "{error}"
    );
    let error = refusal(&case("missing.safetensors"), "clip-text");
    let said = error.to_string();
    assert!(said.contains("final_layer_norm.bias is missing"), "{said}");
    assert!(said.contains("unknown tensors extra.weight"), "{said}");
    let error = refusal(&case("extra.safetensors"), "clip-text");
    assert!(
        matches!(&error, ModelError::Unknown { names, .. } if names == "extra.weight"),
        "{error}"
    );
    let error = refusal(&case("clip.safetensors"), "resnet18");
    assert!(
        matches!(&error, ModelError::Tensor { tensor, .. } if tensor == "conv1.weight"),
        "{error}"
    );
}

#[test]
fn a_file_that_is_cut_off_while_it_is_in_use_is_an_error() {
    let case = case("clip.safetensors");
    let whole = std::fs::read(&case.files.weights).unwrap();
    let path = case.folder.path().join("cut.safetensors");
    std::fs::write(&path, &whole).unwrap();
    let source = Source::open(&path).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(whole.len() as u64 - 40).unwrap();
    let read: Vec<_> = source
        .names()
        .iter()
        .map(|name| source.read_as_is(name))
        .collect();
    assert!(read.iter().any(Result::is_ok));
    let error = read.into_iter().find_map(Result::err).unwrap();
    assert!(matches!(error, ModelError::Damaged { .. }), "{error}");
    for word in ["cut.safetensors", "cut off while in use"] {
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn wrong_settings_and_inputs_are_refused_by_name() {
    let error = refusal(&case("clip.safetensors"), "resnet19");
    assert!(
        error.to_string().contains("no network is called resnet19"),
        "{error}"
    );
    let with = |config: &str| {
        let case = case("clip.safetensors");
        std::fs::write(&case.files.config, config).unwrap();
        case
    };
    for (arch, config, word) in [
        ("clip-text", "{", "EOF"),
        ("clip-text", r#"{"hidden_size": "wide"}"#, "wide"),
        ("clip-text", r#"{"hidden_act": "mish"}"#, "mish"),
        (
            "unet-2d-condition",
            r#"{"class_embed_type": "timestep"}"#,
            "class_embed_type",
        ),
        (
            "unet-2d",
            r#"{"block_out_channels": [30]}"#,
            "down_block_types",
        ),
        ("autoencoder-kl", r#"{"act_fn": "mish"}"#, "mish"),
    ] {
        let error = refusal(&with(config), arch);
        assert!(matches!(error, ModelError::Configuration { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
    let error = refusal(&with(&CONFIG.replace("12", "3")), "clip-text");
    assert!(error.to_string().contains("wanted [3, 8]"), "{error}");
    let mut inputs = case("clip.safetensors");
    for (file, word) in [
        ("other-inputs.safetensors", "input_ids is missing"),
        ("clip.ckpt", "no safetensors"),
    ] {
        inputs.files.inputs = fixtures().join(file);
        let error = refusal(&inputs, "clip-text");
        assert!(matches!(error, ModelError::Inputs { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

/// Runs the program; its exit code, and what it said on both ways out.
fn program(case: &Case, more: &[&str]) -> (Option<i32>, String, String) {
    let files = &case.files;
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_radcanvas"))
        .args(["models", "forward", "--arch", "clip-text"])
        .arg("--config")
        .arg(&files.config)
        .arg("--weights")
        .arg(&files.weights)
        .arg("--inputs")
        .arg(&files.inputs)
        .arg("--out")
        .arg(&files.out)
        .args(more)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn the_command_keeps_its_contract() {
    let mut case = case("clip.safetensors");
    let (code, said, _) = program(&case, &["--json", "--repeat", "3"]);
    assert_eq!(code, Some(0));
    let answer: serde_json::Value = serde_json::from_str(&said).unwrap();
    let shape = serde_json::json!([1, 4, 8]);
    assert_eq!(answer["outputs"]["last_hidden_state"], shape);
    assert!(answer["seconds"].as_f64().unwrap() > 0.0);
    let (code, _, error) = program(&case, &[]);
    assert_eq!(code, Some(2), "an existing file is kept");
    assert!(error.contains("--force"), "{error}");
    assert_eq!(program(&case, &["--force"]).0, Some(0));
    case.files.inputs = case.folder.path().join("none.safetensors");
    let (code, said, error) = program(&case, &["--force", "--json"]);
    assert_eq!((code, said.as_str()), (Some(3), ""), "{error}");
    case.files.inputs = fixtures().join("inputs.safetensors");
    case.files.weights = fixtures().join("code.pth");
    let (code, _, error) = program(&case, &["--force"]);
    assert_eq!(code, Some(4));
    assert!(error.contains("posix.system"), "{error}");
}
