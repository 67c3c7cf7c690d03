//! Folders as a person has them: found, checked, added, run from the command line, and refused whole.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{copy, fixtures, models, raster};
use radcanvas::network::device::Place;
use radcanvas::network::peer::pipeline::{PeerFolder, check_peer, load_pipeline};
use radcanvas::radiograph::{self, Pixels, Radiograph};

/// Runs the program with its own folder for data and no bundled models; exit code, answer and what it said.
pub(super) fn run(data: &Path, arguments: &[&str]) -> (i32, Value, String) {
    let assets = data.join("assets");
    std::fs::create_dir_all(assets.join("models")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_radcanvas"))
        .args(arguments)
        .arg("--json")
        .env("XDG_DATA_HOME", data)
        .env("RADCANVAS_ASSETS", assets)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let answer = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap_or(-1), answer, said)
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(super) fn save(path: &Path, pixels: Pixels) {
    let image = Radiograph::from_pixels(pixels);
    radiograph::export(path, &image, &image.pixels, false).unwrap();
}

#[test]
fn a_folder_is_checked_added_and_found_by_name() {
    let data = tempfile::tempdir().unwrap();
    let models = models();
    let tiny = models.path().join("tiny");
    let (code, answer, said) = run(data.path(), &["models", "check", text(&tiny)]);
    assert_eq!(code, 0, "{said}");
    let row = &answer[0];
    assert_eq!(
        (&row["ok"], &row["task"]),
        (&json!(true), &json!("diffusers"))
    );
    assert_eq!(row["native_size"], json!([32, 32]));
    assert_eq!(row["files"].as_object().unwrap().len(), 10);
    let memory = row["memory_bytes"].as_u64().unwrap();
    assert!(memory > row["weights_bytes"].as_u64().unwrap());
    let hash = row["hash"].clone();
    for _ in 0..2 {
        let (code, answer, said) = run(data.path(), &["models", "add", text(&tiny)]);
        assert_eq!((code, &answer[0]["name"]), (0, &json!("tiny")), "{said}");
    }
    let (_, answer, _) = run(data.path(), &["models", "list"]);
    let rows = answer.as_array().unwrap();
    let named: Vec<_> = rows.iter().filter(|row| row["name"] == "tiny").collect();
    assert_eq!(named.len(), 1);
    let out = data.path().join("out");
    let arguments = [
        "generate",
        "sample",
        "--model",
        "tiny",
        "--prompt",
        "hip",
        "--steps",
        "2",
        "--out",
        text(&out),
        "--latents",
    ];
    let (code, answer, said) = run(data.path(), &arguments);
    assert_eq!(code, 0, "{said}");
    let made = &answer["outcomes"][0];
    let record: Value =
        serde_json::from_slice(&std::fs::read(made["record"].as_str().unwrap()).unwrap()).unwrap();
    assert_eq!(
        record["request"]["model"],
        json!({"name": "tiny", "hash": hash})
    );
    assert_eq!(record["request"]["prompted"]["prompt"], "hip");
    assert!(Path::new(made["latents"].as_str().unwrap()).is_file());
    let (code, answer, said) = run(
        data.path(),
        &["reproduce", made["record"].as_str().unwrap()],
    );
    assert_eq!(
        (code, &answer["verdict"]),
        (0, &json!("bit-exact")),
        "{said}"
    );
    // What was added is what is run.
    let config = tiny.join("scheduler/scheduler_config.json");
    let changed = std::fs::read_to_string(&config)
        .unwrap()
        .replace("0.012", "0.013");
    std::fs::write(&config, changed).unwrap();
    let mut arguments = arguments.to_vec();
    arguments.push("--force");
    let (code, _, said) = run(data.path(), &arguments);
    assert_eq!(code, 4);
    assert!(
        said.contains("scheduler_config.json") && said.contains("SHA-256"),
        "{said}"
    );
}

#[test]
fn a_scheduler_that_stands_in_for_another_is_named() {
    let data = tempfile::tempdir().unwrap();
    let models = models();
    let tiny = models.path().join("tiny");
    let config = tiny.join("scheduler/scheduler_config.json");
    let whole = std::fs::read_to_string(&config).unwrap();
    let out = data.path().join("out");
    let said_of = |class: &str, more: &[&str]| {
        std::fs::write(&config, whole.replace("DDIMScheduler", class)).unwrap();
        let arguments = [
            "generate",
            "sample",
            "--model",
            text(&tiny),
            "--prompt",
            "hip",
            "--steps",
            "4",
            "--out",
            text(&out),
            "--force",
        ];
        let (code, _, said) = run(data.path(), &[&arguments[..], more].concat());
        assert_eq!(code, 0, "{said}");
        said
    };
    let substituted = "HeunDiscreteScheduler of the model tiny is not built in";
    assert!(said_of("HeunDiscreteScheduler", &[]).contains(substituted));
    assert!(!said_of("HeunDiscreteScheduler", &["--sampler", "euler"]).contains(substituted));
    // With Runge–Kutta steps, as its settings say nothing of them.
    assert!(!said_of("PNDMScheduler", &[]).contains("not built in"));
    assert!(!said_of("DDIMScheduler", &[]).contains("not built in"));
}

#[test]
fn every_mode_runs_from_the_command_line() {
    let data = tempfile::tempdir().unwrap();
    let models = models();
    let at = |name: &str| models.path().join(name);
    let (image, mask, hint) = (at("image.png"), at("mask.png"), at("hint.png"));
    let deep = raster("image").map(|v| u16::from(*v) * 257 / 2);
    save(&image, Pixels::U16(deep));
    save(&mask, Pixels::U8(raster("mask")));
    save(&hint, Pixels::U8(raster("hint0")));
    let (tiny, inpaint, control) = (at("tiny"), at("inpaint"), at("control"));
    let controls = format!("{}:0.8:0-0.9", text(&control));
    let scribble = format!("{}:0.5", text(&at("scribble")));
    let kohya = format!("{}:0.5", text(&at("kohya.safetensors")));
    let modes: [Vec<&str>; 4] = [
        vec![
            "sketch",
            "--model",
            text(&tiny),
            "--hint",
            text(&hint),
            "--control",
            &controls,
            "--control",
            &scribble,
        ],
        vec![
            "inpaint",
            "--model",
            text(&inpaint),
            "--image",
            text(&image),
            "--mask",
            text(&mask),
            "--sampler",
            "unipc",
        ],
        vec![
            "outpaint",
            "--model",
            text(&tiny),
            "--image",
            text(&image),
            "--mask",
            text(&mask),
            "--lora",
            &kohya,
        ],
        vec![
            "sample",
            "--model",
            text(&tiny),
            "--image",
            text(&image),
            "--strength",
            "0.5",
            "--sampler",
            "dpm++",
        ],
    ];
    for mode in modes {
        let out = data.path().join(mode[0]);
        let mut arguments = vec!["generate"];
        arguments.extend(&mode);
        arguments.extend([
            "--prompt",
            "a hip film",
            "--negative-prompt",
            "text",
            "--steps",
            "4",
            "--out",
            text(&out),
        ]);
        let (code, answer, said) = run(data.path(), &arguments);
        assert_eq!(code, 0, "{mode:?}: {said}");
        let made = &answer["outcomes"][0];
        assert_eq!(made["changed_outside_ring"], 0);
        let (code, again, said) = run(data.path(), &arguments);
        assert_eq!(
            (code, &again["outcomes"][0]["skipped"]),
            (0, &json!(true)),
            "{said}"
        );
        let (code, answer, said) = run(
            data.path(),
            &[
                "reproduce",
                made["record"].as_str().unwrap(),
                "--models",
                text(models.path()),
            ],
        );
        assert_eq!(
            (code, &answer["verdict"]),
            (0, &json!("bit-exact")),
            "{said}"
        );
        if mode[0] == "inpaint" {
            let image = radiograph::read(Path::new(made["image"].as_str().unwrap()), 0).unwrap();
            assert!(matches!(image.pixels, Pixels::U16(_)), "native depth");
        }
    }
}

#[test]
fn what_does_not_fit_a_request_is_said() {
    let data = tempfile::tempdir().unwrap();
    let models = models();
    let at = |name: &str| models.path().join(name);
    let hint = at("hint.png");
    save(&hint, Pixels::U8(raster("hint0")));
    let tiny = at("tiny");
    let out = data.path().join("out");
    for (code, word, more) in [
        (
            2,
            "ControlNet",
            vec!["sketch", "--model", text(&tiny), "--hint", text(&hint)],
        ),
        (
            2,
            "only in- and outpaint",
            vec!["sample", "--model", text(&at("inpaint"))],
        ),
        (
            2,
            "is no sampler",
            vec!["sample", "--model", text(&tiny), "--sampler", "plms"],
        ),
        (
            4,
            "called other",
            vec!["sample", "--model", text(&tiny), "--control", "other"],
        ),
        (
            4,
            "reads text",
            vec!["sample", "--prompt", "hip", "--model", "nothing"],
        ),
        (
            4,
            "bundled ones read no text",
            vec!["sample", "--prompt", "hip"],
        ),
        (
            2,
            "range",
            vec![
                "sample",
                "--model",
                text(&tiny),
                "--control",
                "control:1:0.8-0.2",
                "--control-hint",
                text(&hint),
                "--models",
                text(models.path()),
            ],
        ),
    ] {
        let mut arguments = vec!["generate"];
        arguments.extend(more);
        arguments.extend(["--steps", "2", "--out", text(&out)]);
        let (found, _, said) = run(data.path(), &arguments);
        assert_eq!(found, code, "{arguments:?}: {said}");
        assert!(said.contains(word), "{word}: {said}");
        assert!(!out.join("0000").exists());
    }
}

/// A damaged copy of the folder is refused with words, in checking, in loading, and by the program.
fn refused(what: &str, words: &[&str], damage: impl Fn(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let tiny = folder.path().join("tiny");
    copy(&fixtures().join("tiny"), &tiny);
    damage(&tiny);
    let load =
        PeerFolder::open(&tiny).and_then(|found| load_pipeline(&found, &[], &Place::default()));
    let Err(load) = load else {
        panic!("{what}: it was loaded");
    };
    let check = PeerFolder::open(&tiny)
        .and_then(|found| check_peer(&found))
        .unwrap_err();
    for error in [&load, &check] {
        let said = error.to_string();
        for word in words {
            assert!(
                said.contains(word),
                "{what}: {word:?} is missing in: {said}"
            );
        }
    }
    let out = folder.path().join("out");
    let (code, _, said) = run(
        folder.path(),
        &[
            "generate",
            "sample",
            "--model",
            text(&tiny),
            "--steps",
            "1",
            "--out",
            text(&out),
        ],
    );
    assert_eq!(code, 4, "{what}: {said}");
    assert!(!out.exists(), "{what}");
    let (code, _, _) = run(folder.path(), &["models", "check", text(&tiny)]);
    assert_eq!(code, 4, "{what}");
}

fn edit(path: &Path, change: impl Fn(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
}

#[test]
fn wrong_folders_are_refused_whole() {
    const UNET: &str = "unet/diffusion_pytorch_model.safetensors";
    refused(
        "no weights",
        &["diffusion_pytorch_model.safetensors", "missing"],
        |tiny| {
            std::fs::remove_file(tiny.join(UNET)).unwrap();
        },
    );
    refused(
        "no scheduler",
        &["scheduler_config.json", "missing"],
        |tiny| {
            std::fs::remove_dir_all(tiny.join("scheduler")).unwrap();
        },
    );
    refused("cut off", &["damaged or cut off"], |tiny| {
        let path = tiny.join("vae/diffusion_pytorch_model.safetensors");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 100]).unwrap();
    });
    refused(
        "another family",
        &["StableDiffusionXLPipeline", "Stable Diffusion 1 or 2"],
        |tiny| {
            edit(&tiny.join("model_index.json"), |v| {
                v["_class_name"] = json!("StableDiffusionXLPipeline");
            });
        },
    );
    refused("another part", &["FlaxUNet"], |tiny| {
        edit(&tiny.join("unet/config.json"), |v| {
            v["_class_name"] = json!("FlaxUNet");
        });
    });
    refused("other widths", &["down_blocks.0", "wanted"], |tiny| {
        edit(&tiny.join("unet/config.json"), |v| {
            v["block_out_channels"] = json!([8, 8]);
        });
    });
    refused("other channels", &["reads 8 channels"], |tiny| {
        edit(&tiny.join("unet/config.json"), |v| {
            v["in_channels"] = json!(8);
        });
    });
    refused("other text", &["width 32"], |tiny| {
        edit(&tiny.join("unet/config.json"), |v| {
            v["cross_attention_dim"] = json!(32);
        });
    });
    refused("wrong type", &["is I64"], |tiny| {
        let path = tiny.join(UNET);
        let mut all = candle_core::safetensors::load(&path, &candle_core::Device::Cpu).unwrap();
        let bias = all["conv_in.bias"]
            .to_dtype(candle_core::DType::I64)
            .unwrap();
        all.insert("conv_in.bias".to_owned(), bias);
        candle_core::safetensors::save(&all, &path).unwrap();
    });
    refused("a pickle with code", &["posix.system"], |tiny| {
        std::fs::remove_file(tiny.join(UNET)).unwrap();
        let code = fixtures().join("../peer/files/code.pth");
        std::fs::copy(code, tiny.join("unet/diffusion_pytorch_model.bin")).unwrap();
    });
    refused("another tokenizer", &["T5Tokenizer"], |tiny| {
        edit(&tiny.join("tokenizer/tokenizer_config.json"), |v| {
            v["tokenizer_class"] = json!("T5Tokenizer");
        });
    });
    refused("another vocabulary", &["do not belong together"], |tiny| {
        edit(&tiny.join("tokenizer/vocab.json"), |v| {
            v["surplus"] = json!(9000);
        });
    });
    refused("no begin", &["<|startoftext|>", "not CLIP's"], |tiny| {
        edit(&tiny.join("tokenizer/vocab.json"), |v| {
            v.as_object_mut().unwrap().remove("<|startoftext|>");
        });
    });
    refused("no JSON", &["no JSON"], |tiny| {
        std::fs::write(tiny.join("vae/config.json"), "{").unwrap();
    });
}

#[test]
fn changes_and_controls_of_other_models_are_refused_by_name() {
    let models = models();
    let open = |name: &str| PeerFolder::open(&models.path().join(name)).unwrap();
    let place = Place::default();
    let path = models.path().join("lora/pytorch_lora_weights.safetensors");
    let mut all = candle_core::safetensors::load(&path, &candle_core::Device::Cpu).unwrap();
    let one = candle_core::Tensor::ones((2, 3), candle_core::DType::F32, &candle_core::Device::Cpu)
        .unwrap();
    all.insert("unet.down_blocks.7.lora_A.weight".to_owned(), one);
    candle_core::safetensors::save(&all, &path).unwrap();
    let error = load_pipeline(&open("tiny"), &[(open("lora"), 1.0)], &place).unwrap_err();
    assert!(error.to_string().contains("down_blocks.7"), "{error}");
    let error = load_pipeline(&open("control"), &[], &place).unwrap_err();
    assert!(error.to_string().contains("diffusers-control"), "{error}");
    // Old names of the autoencoder's attention.
    let vae = models
        .path()
        .join("tiny/vae/diffusion_pytorch_model.safetensors");
    let all = candle_core::safetensors::load(&vae, &candle_core::Device::Cpu).unwrap();
    let old: std::collections::HashMap<String, candle_core::Tensor> = all
        .into_iter()
        .map(|(name, tensor)| {
            let old = [
                ("to_q", "query"),
                ("to_k", "key"),
                ("to_v", "value"),
                ("to_out.0", "proj_attn"),
            ];
            (
                old.iter()
                    .fold(name, |name, (is, was)| name.replace(is, was)),
                tensor,
            )
        })
        .collect();
    candle_core::safetensors::save(&old, &vae).unwrap();
    check_peer(&open("tiny")).unwrap();
}
