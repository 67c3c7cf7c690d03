//! Final latents against diffusers' pipelines (`tests/fixtures/pipeline/make.py`), and the tokenizer against
//! transformers'.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use radcanvas::grid::Grid;
use radcanvas::job::{
    ControlUse, GivenNoise, LoraUse, Mode, ModelReference, Outcome, Prompted, Request,
};
use radcanvas::network::device::Place;
use radcanvas::network::peer::pipeline::{
    ClipTokenizer, PeerFolder, load_peer_control, load_pipeline,
};
use radcanvas::network::speed::values;
use radcanvas::synthesis::{Readers, generate_prompted};
use serde_json::Value;

use super::{film, fixtures, models, raster, tensors};

fn cases() -> Value {
    let text = std::fs::read_to_string(fixtures().join("cases.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn texts_become_the_numbers_of_transformers() {
    let tokenizer = ClipTokenizer::open(&fixtures().join("tiny/tokenizer")).unwrap();
    let cases = cases();
    let texts = cases["tokens"].as_array().unwrap();
    assert!(texts.len() > 15);
    for case in texts {
        let text = case["text"].as_str().unwrap();
        let wanted: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        assert_eq!(tokenizer.numbers(text).unwrap(), wanted, "{text:?}");
        // What is not left out gives the same numbers.
        let rest = tokenizer.left_out(text).unwrap_or_default();
        if text[..text.len() - rest.len()].ends_with(char::is_whitespace) {
            let read = &text[..text.len() - rest.len()];
            assert_eq!(
                tokenizer.numbers(read).unwrap(),
                wanted,
                "{rest:?} of {text:?}"
            );
        }
    }
    let words = "hip ".repeat(75);
    assert_eq!(tokenizer.left_out(&words), None);
    let longer = format!("{words}Ünd mehr");
    assert_eq!(tokenizer.left_out(&longer), Some("Ünd mehr"));
    assert!(tokenizer.numbers(&"a".repeat(200_000)).is_err());
}

fn reference(name: &str) -> ModelReference {
    ModelReference {
        name: name.to_owned(),
        hash: String::new(),
    }
}

/// The hint of a case: grey, or one of its colors.
fn channel(control: &Value, color: &str) -> Grid<u8> {
    let number = &control["hint"];
    raster(&if *number == 2 {
        format!("hint{number}{color}")
    } else {
        format!("hint{number}")
    })
}

fn request(case: &Value) -> Request {
    let number = |key: &str| case[key].as_f64();
    let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
    let mode = if case["mask"] == true {
        Mode::Inpaint
    } else {
        Mode::Sample
    };
    let mut request = Request::new(mode, reference("tiny"));
    request.steps = case["steps"].as_u64().unwrap() as usize;
    request.guidance = number("guidance").unwrap();
    request.strength = number("strength").unwrap_or(1.0);
    request.ring.px = 0.0;
    if case["image"] == true {
        request.source = Some(Arc::new(film()));
    }
    if case["mask"] == true {
        request.mask = Some(raster("mask"));
    }
    let seed = case["name"].as_str().unwrap().len() as u64;
    let mut noise = values((request.steps + 1) * 4 * 64, seed);
    for value in &mut noise {
        *value *= 3_f64.sqrt() as f32;
    }
    request.noise = Some(GivenNoise {
        shape: [4, 8, 8],
        values: noise,
    });
    let controls = case["controls"].as_array().into_iter().flatten();
    request.prompted = Some(Prompted {
        prompt: text("prompt"),
        negative: text("negative"),
        scheduler: None,
        controls: controls
            .map(|control| ControlUse {
                model: reference(control["model"].as_str().unwrap()),
                weight: control["weight"].as_f64().unwrap(),
                start: control["start"].as_f64().unwrap(),
                end: control["end"].as_f64().unwrap(),
                hint: Some(channel(control, "r")),
                green_blue: (control["hint"] == 2)
                    .then(|| [channel(control, "g"), channel(control, "b")]),
            })
            .collect(),
        loras: Vec::new(),
    });
    if request.source.is_none() {
        // A picture is as large as the hint that it follows.
        let mut uses = request.prompted.iter().flat_map(|asked| &asked.controls);
        let hint = uses.find_map(|control| control.hint.as_ref());
        request.size = hint.map(|hint| [hint.width(), hint.height()]);
    }
    request
}

fn outcome(case: &Value, models: &std::path::Path) -> Outcome {
    let place = Place::default();
    let open = |name: &str| PeerFolder::open(&models.join(name)).unwrap();
    let one = case["lora"].as_str().map(|name| {
        let weight = case["lora_weight"].as_f64().unwrap();
        (open(name), weight)
    });
    let more = case["loras"].as_array().into_iter().flatten();
    let more = more.map(|lora| (open(lora[0].as_str().unwrap()), lora[1].as_f64().unwrap()));
    let loras: Vec<(PeerFolder, f64)> = one.into_iter().chain(more).collect();
    let name = case["folder"].as_str().unwrap_or("tiny");
    let index = models.join(name).join("model_index.json");
    let whole = std::fs::read_to_string(&index).unwrap();
    if let Some(class) = case["class"].as_str() {
        let mut named: Value = serde_json::from_str(&whole).unwrap();
        named["_class_name"] = class.into();
        std::fs::write(&index, named.to_string()).unwrap();
    }
    let folder = open(name);
    let vae = folder.path.join("vae/config.json");
    let config = std::fs::read_to_string(&vae).unwrap();
    if let Some(shift) = case["shift"].as_f64() {
        let mut shifted: Value = serde_json::from_str(&config).unwrap();
        shifted["shift_factor"] = shift.into();
        std::fs::write(&vae, shifted.to_string()).unwrap();
    }
    let mut pipeline = load_pipeline(&folder, &loras, &place).unwrap();
    std::fs::write(&vae, config).unwrap();
    std::fs::write(&index, whole).unwrap();
    pipeline.scheduler = case["options"].clone();
    pipeline.scheduler["_class_name"] = case["scheduler"].clone();
    let mut request = request(case);
    let uses = request.prompted.as_mut().unwrap();
    if let Some(name) = case["lora"].as_str() {
        uses.loras.push(LoraUse {
            model: reference(name),
            weight: 1.0,
        });
    }
    let controls: Vec<_> = uses
        .controls
        .iter()
        .map(|control| Arc::new(load_peer_control(&open(&control.model.name), &place).unwrap()))
        .collect();
    let readers = Readers::default();
    let mut go_on = |_| ControlFlow::Continue(());
    generate_prompted(&pipeline, &controls, &readers, &request, &mut go_on)
        .unwrap_or_else(|error| panic!("{}: {error}", case["name"]))
}

#[test]
fn latents_are_those_of_diffusers() {
    let models = models();
    let wanted = tensors("latents.safetensors");
    let cases = cases();
    let cases = cases["cases"].as_array().unwrap();
    assert!(cases.len() > 40);
    let mut wrong = Vec::new();
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let made = outcome(case, models.path());
        let image = &made.images[0];
        let (_, found) = image.latent.as_ref().unwrap();
        assert_eq!(found.shape, [4, 8, 8]);
        let wanted: Vec<f32> = wanted[name].flatten_all().unwrap().to_vec1().unwrap();
        let largest = wanted.iter().fold(1.0_f32, |m, v| m.max(v.abs()));
        let apart = found.values.iter().zip(&wanted);
        let apart = apart.fold(0.0_f32, |m, (a, b)| m.max((a - b).abs())) / largest;
        if apart.is_nan() || apart >= 1e-4 {
            wrong.push(format!("{name}: {apart:e}"));
        }
        assert_eq!(image.changed_outside_ring, 0, "{name}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn noise_of_the_seed_is_that_of_the_image() {
    let models: PathBuf = fixtures();
    let folder = PeerFolder::open(&models.join("tiny")).unwrap();
    let pipeline = load_pipeline(&folder, &[], &Place::default()).unwrap();
    let readers = Readers::default();
    let mut request = Request::new(Mode::Sample, reference("tiny"));
    request.steps = 3;
    request.count = 2;
    request.prompted = Some(Prompted {
        prompt: "hip".to_owned(),
        scheduler: Some(radcanvas::job::Scheduler::EulerAncestral),
        ..Prompted::default()
    });
    let run = |request: &Request| {
        let mut go_on = |_| ControlFlow::Continue(());
        generate_prompted(&pipeline, &[], &readers, request, &mut go_on).unwrap()
    };
    let both = run(&request);
    let second = run(&both.request.for_image(1));
    assert_eq!(both.images[1].latent, second.images[0].latent);
    assert_ne!(both.images[0].latent, both.images[1].latent);
    assert_eq!(both.request.model.hash, pipeline.hash);
    let mut stop = |_| ControlFlow::Break(());
    let stopped = generate_prompted(&pipeline, &[], &readers, &request, &mut stop).unwrap_err();
    assert_eq!(stopped.kind, radcanvas::job::ErrorKind::Stopped);
}
