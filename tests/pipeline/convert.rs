//! `models convert`: names against diffusers' own conversion, and whole checkpoints.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use radcanvas::network::folder::ModelError;
use radcanvas::network::peer::pipeline::convert::{Counts, control, convert, renamed};
use radcanvas::network::peer::pipeline::{PeerFolder, PeerTask, check_peer};
use radcanvas::network::speed::values;

use super::fixtures;

/// Part, original name, new name and shape of every tensor of narrow Stable Diffusion 1.x and its ControlNet.
fn names() -> Vec<(String, String, String, Vec<usize>)> {
    let bytes = std::fs::read(fixtures().join("names.z")).unwrap();
    let text = miniz_oxide::inflate::decompress_to_vec_zlib(&bytes).unwrap();
    let text = String::from_utf8(text).unwrap();
    let dims = |text: &str| text.split('x').map(|n| n.parse().unwrap()).collect();
    text.lines()
        .map(|line| {
            let parts: Vec<&str> = line.split(' ').collect();
            let [part, was, is, shape] = parts[..] else {
                panic!("{line}")
            };
            (part.to_owned(), was.to_owned(), is.to_owned(), dims(shape))
        })
        .collect()
}

const COUNTS: Counts = Counts {
    layers: 2,
    levels: 4,
    last_hint: 14,
};

#[test]
fn names_are_those_of_diffusers() {
    let names = names();
    assert!(names.len() > 1200);
    for (part, was, is, _) in &names {
        let found = match was.strip_prefix("control_model.") {
            Some(rest) => control(rest, COUNTS).map(|name| ("control", name)),
            None => renamed(was, COUNTS),
        };
        assert_eq!(found, Some((part.as_str(), is.clone())), "{was}");
    }
}

/// A checkpoint with the tensors of some parts, and more beside them.
fn checkpoint(path: &Path, parts: &[&str], more: &[(&str, Tensor)]) {
    let mut all: HashMap<String, Tensor> = HashMap::new();
    for (part, was, _, shape) in names() {
        if parts.contains(&part.as_str()) {
            let numbers = values(shape.iter().product(), was.len() as u64);
            let tensor = Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap();
            all.insert(was, tensor.to_dtype(DType::F16).unwrap());
        }
    }
    for (name, tensor) in more {
        all.insert((*name).to_owned(), tensor.clone());
    }
    candle_core::safetensors::save(&all, path).unwrap();
}

#[test]
fn checkpoints_become_folders_that_load() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (
        folder.path().join("sd.safetensors"),
        folder.path().join("sd"),
    );
    let numbers = Tensor::ones(5, DType::F32, &Device::Cpu).unwrap();
    let ids = Tensor::ones((1, 77), DType::I64, &Device::Cpu).unwrap();
    let more = [
        (
            "model_ema.diffusion_modelinput_blocks00weight",
            numbers.clone(),
        ),
        ("betas", numbers.clone()),
        (
            "cond_stage_model.transformer.text_model.embeddings.position_ids",
            ids,
        ),
    ];
    checkpoint(&input, &["unet", "vae", "text_encoder"], &more);
    let words = fixtures().join("tiny/tokenizer");
    let made = convert(&input, &out, Some(&words)).unwrap();
    assert_eq!(
        (made.task, made.left_out, made.tokenizer),
        ("diffusers", 3, true)
    );
    let found = PeerFolder::open(&out).unwrap();
    assert_eq!(found.task, PeerTask::Pipeline);
    // The tokenizer of the tests has a word more or less than this text encoder has rows.
    let checked = check_peer(&found).unwrap();
    assert_eq!(checked.shape.unwrap().size, 512);
    // Values and halves are kept.
    let unet = candle_core::safetensors::load(
        out.join("unet/diffusion_pytorch_model.safetensors"),
        &Device::Cpu,
    )
    .unwrap();
    let (_, was, is, shape) = names().swap_remove(40);
    let moved = &unet[&is];
    assert_eq!(
        (moved.dtype(), moved.dims()),
        (DType::F16, shape.as_slice())
    );
    let first: f32 = moved
        .flatten_all()
        .unwrap()
        .get(0)
        .unwrap()
        .to_dtype(DType::F32)
        .unwrap()
        .to_scalar()
        .unwrap();
    assert!((first - values(1, was.len() as u64)[0]).abs() < 1e-3);
    // Made once; not over what is there.
    let again = convert(&input, &out, None).unwrap_err();
    assert!(matches!(again, ModelError::Inputs { .. }), "{again}");
}

#[test]
fn control_checkpoints_become_folders_with_or_without_their_model() {
    let folder = tempfile::tempdir().unwrap();
    for (name, parts) in [("a", vec!["control"]), ("b", vec!["control", "unet"])] {
        let input = folder.path().join(format!("{name}.safetensors"));
        let out = folder.path().join(name);
        checkpoint(&input, &parts, &[]);
        let made = convert(&input, &out, None).unwrap();
        assert_eq!(made.task, "diffusers-control");
        let found = PeerFolder::open(&out).unwrap();
        check_peer(&found).unwrap();
    }
}

#[test]
fn other_files_are_refused_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let one = Tensor::ones(5, DType::F32, &Device::Cpu).unwrap();
    checkpoint(&path("part.safetensors"), &["unet"], &[]);
    checkpoint(
        &path("more.safetensors"),
        &["control"],
        &[("control_model.extra.weight", one.clone())],
    );
    checkpoint(
        &path("two.safetensors"),
        &[],
        &[("cond_stage_model.model.ln_final.bias", one.clone())],
    );
    checkpoint(&path("other.safetensors"), &[], &[("conv1.weight", one)]);
    let code = fixtures().join("../peer/files/code.pth");
    for (input, word) in [
        (path("part.safetensors"), "first_stage_model"),
        (path("more.safetensors"), "control_model.extra.weight"),
        (path("two.safetensors"), "Stable Diffusion 2"),
        (
            path("other.safetensors"),
            "no checkpoint of Stable Diffusion 1",
        ),
        (code, "posix.system"),
        (path("none.ckpt"), "missing"),
    ] {
        let error = convert(&input, &path("out"), None).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert!(!path("out").exists());
    }
    let left = std::fs::read_dir(folder.path()).unwrap();
    let hidden = left.filter(|e| {
        let name = e.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with('.')
    });
    assert_eq!(hidden.count(), 0);
}
