//! Single files of models: hints in color, prompts that are too long, files that are something else than they seem.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use radcanvas::grid::Grid;
use radcanvas::job::{ControlUse, Mode, ModelReference, Prompted, Request};
use radcanvas::network::device::Place;
use radcanvas::network::peer::pipeline::{
    PeerFolder, PeerTask, check_peer, load_peer_control, load_pipeline,
};
use radcanvas::radiograph::{self, Pixels, Radiograph};
use radcanvas::synthesis::{Readers, generate_prompted};
use serde_json::{Value, json};

use super::folders::{run, save, text};
use super::{fixtures, models, raster};

fn load(path: &Path) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

fn store(path: &Path, tensors: &HashMap<String, Tensor>) {
    candle_core::safetensors::save(tensors, path).unwrap();
}

fn one() -> Tensor {
    Tensor::ones((2, 3), DType::F32, &Device::Cpu).unwrap()
}

#[test]
fn hints_keep_their_colors_and_shades_on_the_way_in() {
    let data = tempfile::tempdir().unwrap();
    let models = models();
    let (color, grey) = (data.path().join("color.png"), data.path().join("grey.png"));
    let channels = ["r", "g", "b"].map(|c| raster(&format!("hint2{c}")));
    let size = channels[0].size();
    let rgb = Grid::from_fn(size.0, size.1, |x, y| {
        [0, 1, 2].map(|c| channels[c][(x, y)])
    });
    let image = Radiograph::from_pixels(Pixels::U8(channels[0].clone()));
    let image = image.with_color(Some(Arc::new(rgb)));
    radiograph::export_color(&color, &image, false).unwrap();
    save(&grey, Pixels::U8(channels[1].clone()));
    for (hint, colored) in [(&color, true), (&grey, false)] {
        let out = data.path().join(format!("out {colored}"));
        let tiny = models.path().join("tiny");
        let (code, answer, said) = run(
            data.path(),
            &[
                "generate",
                "sketch",
                "--model",
                text(&tiny),
                "--control",
                text(&models.path().join("control")),
                "--control-hint",
                text(hint),
                "--steps",
                "1",
                "--prompt",
                "hip",
                "--out",
                text(&out),
            ],
        );
        assert_eq!(code, 0, "{said}");
        let record = answer["outcomes"][0]["record"].as_str().unwrap();
        let record: Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
        let control = record["request"]["prompted"]["controls"][0].clone();
        let read: ControlUse = serde_json::from_value(control).unwrap();
        if colored {
            assert_eq!(read.hint.as_ref(), Some(&channels[0]));
            assert_eq!(read.green_blue.unwrap(), channels[1..]);
        } else {
            assert_eq!(
                (read.hint.as_ref(), read.green_blue),
                (Some(&channels[1]), None)
            );
        }
    }
}

#[test]
fn what_is_left_out_of_a_prompt_is_said() {
    let data = tempfile::tempdir().unwrap();
    let models = models();
    let tiny = models.path().join("tiny");
    let out = data.path().join("out");
    let long = format!("{}with effusion", "hip ".repeat(80));
    let said = |more: &[&str]| {
        let arguments = [
            "generate",
            "sample",
            "--model",
            text(&tiny),
            "--steps",
            "1",
            "--out",
            text(&out),
            "--force",
        ];
        let (code, _, said) = run(data.path(), &[&arguments[..], more].concat());
        assert_eq!(code, 0, "{said}");
        said
    };
    let told = said(&["--prompt", &long]);
    let words = [
        "the prompt is longer than the 75 tokens",
        "with effusion",
        "is left out",
    ];
    assert!(words.iter().all(|word| told.contains(word)), "{told}");
    let told = said(&["--prompt", "hip", "--negative-prompt", &long]);
    assert!(told.contains("the negative prompt is longer"), "{told}");
    assert!(!said(&["--prompt", "hip"]).contains("left out"));
}

#[test]
fn files_that_are_no_changes_of_weights_are_named() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("models");
    std::fs::create_dir(&folder).unwrap();
    for (file, tensor) in [
        (
            "sd.safetensors",
            "model.diffusion_model.input_blocks.0.0.weight",
        ),
        (
            "control.safetensors",
            "control_model.input_hint_block.0.weight",
        ),
        ("unet.safetensors", "down_blocks.0.resnets.0.conv1.weight"),
        ("other.safetensors", "conv1.weight"),
    ] {
        store(
            &folder.join(file),
            &HashMap::from([(tensor.to_owned(), one())]),
        );
    }
    std::fs::write(folder.join("sd.ckpt"), b"PK").unwrap();
    for (file, words) in [
        (
            "sd.safetensors",
            [
                "checkpoint of the original layout",
                "`radcanvas models convert`",
            ],
        ),
        (
            "control.safetensors",
            [
                "control_model.input_hint_block",
                "`radcanvas models convert`",
            ],
        ),
        (
            "unet.safetensors",
            ["weights of one network", "add the folder"],
        ),
        (
            "other.safetensors",
            ["conv1.weight", "no changes of weights"],
        ),
        (
            "sd.ckpt",
            ["only .safetensors", "`radcanvas models convert`"],
        ),
        ("none.safetensors", ["none.safetensors", "is missing"]),
    ] {
        let (code, _, said) = run(data.path(), &["models", "add", text(&folder.join(file))]);
        assert_eq!(code, 4, "{said}");
        assert!(
            words.iter().all(|word| said.contains(word)),
            "{file}: {said}"
        );
    }
    let (code, rows, _) = run(data.path(), &["models", "list", text(&folder)]);
    assert_eq!(code, 1);
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row["ok"] == json!(false)), "{rows:?}");
    std::fs::copy(
        fixtures().join("kohya.safetensors"),
        folder.join("kohya.safetensors"),
    )
    .unwrap();
    let (_, rows, _) = run(data.path(), &["models", "list", text(&folder)]);
    let fine: Vec<&Value> = rows
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["ok"] == json!(true))
        .collect();
    assert_eq!(fine.len(), 1);
    assert_eq!(
        (&fine[0]["name"], &fine[0]["task"]),
        (&json!("kohya"), &json!("lora"))
    );
}

#[test]
fn wrong_files_of_changes_are_refused_by_name() {
    let models = models();
    let place = Place::default();
    let tiny = PeerFolder::open(&models.path().join("tiny")).unwrap();
    let kohya = models.path().join("kohya.safetensors");
    let whole = std::fs::read(&kohya).unwrap();
    let refused = |path: &Path, word: &str| {
        let loaded =
            PeerFolder::open(path).and_then(|lora| load_pipeline(&tiny, &[(lora, 1.0)], &place));
        let error = loaded.unwrap_err().to_string();
        assert!(error.contains(word), "{word}: {error}");
    };
    for length in [0, 7, 100, whole.len() - 1] {
        std::fs::write(&kohya, &whole[..length]).unwrap();
        refused(&kohya, "damaged or cut off");
    }
    // A pickle, under its own name and under a false one.
    let code = fixtures().join("../peer/files/code.pth");
    let pickled = models.path().join("lora.pth");
    std::fs::copy(&code, &pickled).unwrap();
    refused(&pickled, "only .safetensors");
    std::fs::copy(&code, &kohya).unwrap();
    refused(&kohya, "damaged or cut off");
    std::fs::write(&kohya, &whole).unwrap();
    let all = load(&kohya);
    let down = all
        .keys()
        .find(|name| name.ends_with("lora_down.weight"))
        .unwrap();
    let changed = |tensor: Tensor| {
        let mut all = all.clone();
        all.insert(down.clone(), tensor);
        store(&kohya, &all);
    };
    changed(all[down].to_dtype(DType::I64).unwrap());
    refused(&kohya, "is I64");
    changed(one());
    refused(&kohya, "its change");
    let mut half = all.clone();
    half.remove(down);
    store(&kohya, &half);
    refused(&kohya, "one half");
}

#[test]
fn wrong_control_nets_are_refused_by_name() {
    const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";
    let models = models();
    let place = Place::default();
    let control = models.path().join("control");
    let path = control.join(WEIGHTS);
    let whole = std::fs::read(&path).unwrap();
    let refused = |word: &str| {
        let loaded =
            PeerFolder::open(&control).and_then(|folder| load_peer_control(&folder, &place));
        let error = loaded.unwrap_err().to_string();
        assert!(error.contains(word), "{word}: {error}");
    };
    std::fs::write(&path, &whole[..whole.len() - 10]).unwrap();
    refused("damaged or cut off");
    std::fs::write(&path, &whole).unwrap();
    let all = load(&path);
    let mut integers = all.clone();
    let bias = all["conv_in.bias"].to_dtype(DType::I64).unwrap();
    integers.insert("conv_in.bias".to_owned(), bias);
    store(&path, &integers);
    refused("is I64");
    std::fs::remove_file(&path).unwrap();
    let code = fixtures().join("../peer/files/code.pth");
    let pickled = control.join("diffusion_pytorch_model.bin");
    std::fs::copy(code, &pickled).unwrap();
    refused("posix.system");
    std::fs::remove_file(&pickled).unwrap();
    // One of Stable Diffusion 2 reads other text, and projects it as tokens.
    let two: HashMap<String, Tensor> = all
        .iter()
        .map(|(name, tensor)| {
            let reads = name.contains("attn2.to_k") || name.contains("attn2.to_v");
            let projects = name.contains("proj_in.weight") || name.contains("proj_out.weight");
            let tensor = if reads {
                Tensor::cat(&[tensor, tensor], 1).unwrap()
            } else if projects && name.contains("attentions") {
                tensor.flatten_from(1).unwrap()
            } else {
                tensor.clone()
            };
            (name.clone(), tensor)
        })
        .collect();
    store(&path, &two);
    refused("wanted");
    let config = control.join("config.json");
    let mut value: Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    value["cross_attention_dim"] = json!(32);
    value["use_linear_projection"] = json!(true);
    std::fs::write(&config, value.to_string()).unwrap();
    let open = |name: &str| PeerFolder::open(&models.path().join(name)).unwrap();
    let two = Arc::new(load_peer_control(&open("control"), &place).unwrap());
    let tiny = load_pipeline(&open("tiny"), &[], &place).unwrap();
    let mut request = Request::new(Mode::Sample, ModelReference::named("tiny"));
    let mut using = ControlUse::new("control".to_owned());
    using.hint = Some(raster("hint0"));
    request.prompted = Some(Prompted {
        controls: vec![using],
        ..Prompted::default()
    });
    let mut go_on = |_| ControlFlow::Continue(());
    let made = generate_prompted(&tiny, &[two], &Readers::default(), &request, &mut go_on);
    let error = made.unwrap_err().to_string();
    let words = ["does not belong to", "text width"];
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
}

#[test]
fn every_class_of_the_family_is_taken_and_no_other() {
    let models = models();
    let tiny = models.path().join("tiny");
    let index = tiny.join("model_index.json");
    let whole: Value = serde_json::from_slice(&std::fs::read(&index).unwrap()).unwrap();
    let opened = |class: Value| {
        let mut named = whole.clone();
        named["_class_name"] = class;
        std::fs::write(&index, named.to_string()).unwrap();
        PeerFolder::open(&tiny).and_then(|found| Ok((check_peer(&found)?.hash, found)))
    };
    let plain = opened(json!("StableDiffusionPipeline")).unwrap().0;
    for class in [
        "StableDiffusionImg2ImgPipeline",
        "StableDiffusionInpaintPipeline",
        "StableDiffusionInpaintPipelineLegacy",
        "StableDiffusionControlNetPipeline",
        "StableDiffusionControlNetImg2ImgPipeline",
        "StableDiffusionControlNetInpaintPipeline",
        "StableDiffusionPAGPipeline",
        "LatentConsistencyModelPipeline",
        "LatentConsistencyModelImg2ImgPipeline",
    ] {
        let (hash, found) = opened(json!(class)).unwrap();
        assert_eq!(found.task, PeerTask::Pipeline);
        // The one class that changes what is made is part of what the model is.
        let own = class == "LatentConsistencyModelImg2ImgPipeline";
        assert_eq!(
            (found.distilled_images, hash != plain),
            (own, own),
            "{class}"
        );
    }
    for class in [
        json!("StableDiffusionXLPipeline"),
        json!("StableDiffusionXLControlNetInpaintPipeline"),
        json!("StableDiffusion3Pipeline"),
        json!("FluxPipeline"),
        json!("PixArtAlphaPipeline"),
        json!("KandinskyPipeline"),
        json!("StableDiffusionUpscalePipeline"),
        json!(["own", "OwnPipeline"]),
        json!(null),
    ] {
        let said = opened(class.clone()).unwrap_err().to_string();
        let name = class.as_str().or_else(|| class[1].as_str());
        for word in [
            "model_index.json",
            name.unwrap_or("nameless"),
            "Stable Diffusion 1 or 2",
        ] {
            assert!(said.contains(word), "{class}: {said}");
        }
    }
}

/// Sizes that no network has: each would fill the memory, or the number of them, before a tensor is missed.
#[test]
fn sizes_that_no_network_has_are_refused_by_name() {
    let models = models();
    let tiny = models.path().join("tiny");
    for (part, name, value) in [
        ("unet", "layers_per_block", json!(1_u64 << 50)),
        ("unet", "layers_per_block", json!(u64::MAX)),
        ("unet", "transformer_layers_per_block", json!(1_u64 << 50)),
        ("unet", "cross_attention_dim", json!(u64::MAX)),
        ("unet", "time_embedding_dim", json!(u64::MAX)),
        ("unet", "conv_in_kernel", json!(u64::MAX)),
        ("vae", "latent_channels", json!(u64::MAX)),
        ("vae", "layers_per_block", json!(u64::MAX)),
        ("vae", "sample_size", json!(u64::MAX)),
    ] {
        let config = tiny.join(part).join("config.json");
        let whole = std::fs::read(&config).unwrap();
        let mut changed: Value = serde_json::from_slice(&whole).unwrap();
        changed[name] = value.clone();
        std::fs::write(&config, changed.to_string()).unwrap();
        let checked = PeerFolder::open(&tiny).and_then(|folder| check_peer(&folder));
        let error = checked.unwrap_err().to_string();
        assert!(
            error.contains("is not supported, at most") && error.contains(part),
            "{name} = {value}: {error}"
        );
        std::fs::write(&config, whole).unwrap();
    }
    check_peer(&PeerFolder::open(&tiny).unwrap()).unwrap();
    // A header that speaks of values behind the end of all numbers.
    let header = r#"{"a":{"dtype":"F32","shape":[0],"data_offsets":[18446744073709551615,18446744073709551615]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    let path = models.path().join("end.safetensors");
    std::fs::write(&path, bytes).unwrap();
    let error = PeerFolder::open(&path).unwrap_err().to_string();
    assert!(error.contains("damaged or cut off"), "{error}");
}
