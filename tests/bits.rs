//! The same bits for any number of threads and in any company: whole networks, steps of training, whole images.
//!
//! Single operations are held to it in `ops`; here is what is put together of them and of everything between.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use candle_core::{Device, Tensor};
use radcanvas::grid::Grid;
use radcanvas::job::TrainingTask;
use radcanvas::network::condition::{Condition, Moment};
use radcanvas::network::control::{Branch, HINT_PLANES};
use radcanvas::network::denoiser::{self, assemble};
use radcanvas::network::device::Place;
use radcanvas::network::folder::{load_autoencoder, load_diffusion, load_hips, load_reader};
use radcanvas::network::weights::Weights;
use radcanvas::noise::Noise;
use radcanvas::radiograph::{self, Pixels, Radiograph};
use radcanvas::training::data::load;
use radcanvas::training::lesson;
use radcanvas::training::recipe::Recipe;
use serde_json::{Value, json};

use super::ops::{bits, with_threads};
use super::training::{LESSONS, lines, plan, run};

/// Images of a batch.
const COMPANY: usize = 3;

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("assets/models")
        .join(name)
}

fn random(shape: &[usize], seed: u64) -> Tensor {
    let values = Noise::new(seed, 11).normals(shape.iter().product());
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// `run(range)` computes the images of a part of a batch; each result has an image a row.
fn check(what: &str, run: impl Fn(std::ops::Range<usize>) -> Vec<Tensor> + Sync) {
    let bits_of = |threads: usize, range: std::ops::Range<usize>| -> Vec<Vec<u32>> {
        with_threads(threads, || run(range).iter().map(bits).collect())
    };
    let all = bits_of(1, 0..COMPANY);
    for threads in [2, 3] {
        assert!(
            all == bits_of(threads, 0..COMPANY),
            "{what}: {threads} threads"
        );
    }
    for image in 0..COMPANY {
        let alone = bits_of(2, image..image + 1);
        for (output, (alone, all)) in alone.iter().zip(&all).enumerate() {
            let part = all.len() / COMPANY;
            assert!(
                alone[..] == all[image * part..(image + 1) * part],
                "{what}: result {output} of image {image} alone"
            );
        }
    }
}

fn part(batch: &Tensor, range: &std::ops::Range<usize>) -> Tensor {
    batch.narrow(0, range.start, range.len()).unwrap()
}

#[test]
fn bits_of_the_bundled_autoencoder() {
    let (network, _) = load_autoencoder(&model("autoencoder"), &Place::default()).unwrap();
    let images = random(&[COMPANY, 1, 64, 32], 1);
    check("autoencoder", |range| {
        let z = network.encode(&part(&images, &range)).unwrap();
        let (decoded, preview) = (network.decode(&z), network.decode_preview(&z));
        vec![z, decoded.unwrap(), preview.unwrap()]
    });
}

#[test]
fn bits_of_the_bundled_networks_that_read() {
    let images = random(&[COMPANY, 1, 64, 96], 2);
    let (hips, _, _) = load_hips(&model("hips"), &Place::default()).unwrap();
    check("hips", |range| {
        vec![hips.forward(&part(&images, &range)).unwrap()]
    });
    let (reader, _) = load_reader(&model("reader"), &Place::default()).unwrap();
    check("reader", |range| {
        let read = reader.forward(&part(&images, &range)).unwrap();
        let mut all = vec![read.logits, read.features];
        all.extend(read.maps);
        all.extend(read.blocks);
        all
    });
}

fn conditions() -> (Vec<Condition>, Vec<Moment>) {
    let of = |kind: usize| Condition {
        kind: Some(kind),
        age_decades: Some(2.5 * kind as f64),
        sex: Some(kind % 2),
        findings: vec![(kind, true), (5, false)],
        geometry: None,
    };
    let moments = [0.9, 0.3, 0.05].map(Moment::plain);
    (vec![of(0), of(1), Condition::default()], moments.to_vec())
}

#[test]
fn bits_of_the_bundled_denoiser() {
    let (network, _) = load_diffusion(&model("diffusion"), &Place::default()).unwrap();
    let (conditions, moments) = conditions();
    let [noisy, kept] = [3, 4].map(|seed| random(&[COMPANY, 4, 16, 12], seed));
    let hint = random(&[COMPANY, HINT_PLANES, 16, 12], 5);
    let mask = Tensor::ones((1, 1, 16, 12), noisy.dtype(), &Device::Cpu).unwrap();
    check("denoiser", |range| {
        let rows = range.clone().map(|i| {
            let one = i..i + 1;
            assemble(&part(&noisy, &one), Some((&mask, &part(&kept, &one)))).unwrap()
        });
        let input = Tensor::cat(&rows.collect::<Vec<_>>(), 0).unwrap();
        let denoiser = &network.denoiser;
        let (conditions, moments) = (&conditions[range.clone()], &moments[range.clone()]);
        let condition = denoiser.embed(conditions, moments).unwrap();
        let injections = network.adapter.forward(&part(&hint, &range)).unwrap();
        let velocity = denoiser.forward(&input, &condition, Some(&injections), None);
        vec![condition, velocity.unwrap()]
    });
}

#[test]
fn bits_of_a_control_branch() {
    let config = denoiser::Config {
        widths: [32, 32, 64],
        ..denoiser::Config::tiny()
    };
    let weights = Weights::new(6);
    let vb = weights.builder();
    let network = denoiser::Denoiser::new(&vb.pp("denoiser"), &config).unwrap();
    let branch = Branch::new(&vb.pp("branch"), &config).unwrap();
    for (i, (_, variable)) in weights.variables().into_iter().enumerate() {
        let moved = (random(variable.dims(), i as u64) * 0.1).unwrap();
        variable
            .set(&(variable.as_tensor() + moved).unwrap())
            .unwrap();
    }
    let (conditions, moments) = conditions();
    let noisy = random(&[COMPANY, 4, 16, 12], 7);
    let hint = random(&[COMPANY, HINT_PLANES, 16, 12], 8);
    check("branch", |range| {
        let input = assemble(&part(&noisy, &range), None).unwrap();
        let (conditions, moments) = (&conditions[range.clone()], &moments[range.clone()]);
        let condition = network.embed(conditions, moments).unwrap();
        let added = branch.forward(&input, &condition, &part(&hint, &range), 1.0);
        let velocity = network.forward(&input, &condition, None, Some(&added.unwrap()));
        vec![velocity.unwrap()]
    });
}

/// Wide enough that its products are cut into pieces for several threads.
fn wide(task: TrainingTask) -> Value {
    match task {
        TrainingTask::Autoencoder => json!({
            "encoder": [16, 32], "encoder_blocks": 1, "decoder": [32, 16], "decoder_blocks": 1,
            "preview": [16, 16]
        }),
        TrainingTask::Diffusion | TrainingTask::Refiner => json!({
            "denoiser": {"widths": [32, 32, 64], "blocks": [1, 1, 1], "embedding": 32, "head": 16},
            "adapter": {"widths": [16, 32, 32]}
        }),
        TrainingTask::Reader => {
            json!({"widths": [16, 16, 32, 32, 32], "maps": 16, "places": true})
        }
        TrainingTask::Hips | TrainingTask::HipDetail => json!({"widths": [16, 16, 32, 32]}),
        TrainingTask::Control | TrainingTask::Student => json!({}),
    }
}

/// Losses and gradients of two steps of every lesson, and what their checkpoints hold.
fn learnt(threads: usize) -> Vec<(String, Vec<u8>)> {
    let place = tempfile::tempdir().unwrap();
    let mut found = Vec::new();
    for (task, name) in LESSONS {
        let mut plan = plan(task, &place.path().join(name), 2);
        plan.recipe["batch"] = json!(3);
        plan.recipe["network"] = wide(task);
        with_threads(threads, || run(&plan));
        for (step, line) in lines(&plan.out).iter().enumerate() {
            let numbers = [&line["loss"], &line["gradient"]].map(ToString::to_string);
            let what = format!("{name}: loss and gradient of step {step}");
            found.push((what, numbers.join(" ").into_bytes()));
        }
        let content = std::fs::read(plan.out.join("checkpoint.safetensors")).unwrap();
        let held = safetensors::SafeTensors::deserialize(&content).unwrap();
        let tensors: BTreeMap<String, Vec<u8>> = held
            .tensors()
            .into_iter()
            .map(|(tensor, view)| (format!("{name}: {tensor}"), view.data().to_vec()))
            .collect();
        assert!(tensors.len() > 20, "{name}");
        found.extend(tensors);
    }
    found
}

/// Of a lesson on another: the second one stands on what the first left behind, so that nothing may differ there either.
#[test]
fn bits_of_training_do_not_depend_on_threads() {
    let one = learnt(1);
    for threads in [2, 3] {
        let other = learnt(threads);
        assert_eq!(one.len(), other.len());
        for ((what, a), (_, b)) in one.iter().zip(&other) {
            assert!(a == b, "{what}: {threads} threads");
        }
    }
}

/// Losses, without learning, of batches made ahead and of batches made in their turn.
#[test]
fn batches_made_ahead_are_those_made_in_turn() {
    let place = tempfile::tempdir().unwrap();
    for (task, name) in LESSONS {
        let plan = plan(task, &place.path().join(name), 1);
        // Others stand on what these two leave behind.
        if matches!(task, TrainingTask::Autoencoder | TrainingTask::Diffusion) {
            run(&plan);
        }
        let recipe = Recipe::from_value(&plan.recipe).unwrap();
        let begin = || {
            let data = load(&plan, &recipe, &mut |_| ControlFlow::Continue(())).unwrap();
            lesson::begin(&plan, &recipe, data, &Place::default()).unwrap()
        };
        let mut in_turn = begin();
        let mut expected = [3, 4, 5, 9].map(|step| {
            let (loss, _) = in_turn.loss(step, 0.8).unwrap();
            loss.total.to_scalar::<f32>().unwrap().to_bits()
        });
        for threads in [1, 2] {
            let mut lesson = begin();
            let mut found = Vec::new();
            with_threads(threads, || {
                // What was made ahead for one step is not taken for another.
                for (step, next) in [(3, Some(4)), (4, Some(5)), (5, Some(6)), (9, None)] {
                    let mut note = |loss: radcanvas::training::trainer::Loss| {
                        found.push(loss.total.to_scalar::<f32>().unwrap().to_bits());
                        Ok(())
                    };
                    let time = lesson.learn(step, next, 0.8, &mut note).unwrap();
                    assert!(time.made > 0.0 && time.waited >= 0.0, "{name}: {time:?}");
                }
            });
            assert_eq!(found, expected, "{name}: {threads} threads");
        }
        expected.sort_unstable();
        assert!(expected.windows(2).all(|pair| pair[0] != pair[1]), "{name}");
    }
}

/// The pictures that a command made, and the rest of what it answered that is not time or place.
fn generated(arguments: &[&str], threads: &str, out: &Path) -> (Vec<Vec<u8>>, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_radcanvas"))
        .args(arguments)
        .args(["--threads", threads, "--json", "--out"])
        .arg(out)
        .env("CANDLE_NUM_THREADS", threads)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    let mut told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut pictures = Vec::new();
    for row in told["outcomes"].as_array_mut().unwrap() {
        let row = row.as_object_mut().unwrap();
        for (key, value) in row.clone() {
            let Some(path) = value.as_str().map(Path::new).filter(|path| path.is_file()) else {
                continue;
            };
            row.remove(&key);
            if path.extension().is_some_and(|end| end == "png") {
                let film = radiograph::read(path, 0).unwrap();
                let values = film.pixels.to_f32();
                let bits = values.cells().iter().flat_map(|v| v.to_le_bytes());
                pictures.push(bits.collect());
            }
        }
        row.remove("seconds");
    }
    (pictures, told)
}

#[test]
fn bits_of_whole_images_do_not_depend_on_threads() {
    let place = tempfile::tempdir().unwrap();
    let models = place.path().join("models");
    for (task, name) in LESSONS {
        // A branch and a student are other ways through the same networks.
        if matches!(task, TrainingTask::Control | TrainingTask::Student) {
            continue;
        }
        let mut plan = plan(task, &models.join(name), 2);
        plan.recipe["network"] = wide(task);
        run(&plan);
    }
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let save = |name: &str, pixels: Pixels| {
        let path = place.path().join(name);
        let film = Radiograph::from_pixels(pixels);
        radiograph::export(&path, &film, &film.pixels, false).unwrap();
        text(&path)
    };
    let film = save(
        "film.png",
        Pixels::U16(Grid::from_fn(150, 110, |x, y| (x * 211 + y * y * 7) as u16)),
    );
    let mask = save(
        "mask.png",
        Pixels::U8(Grid::from_fn(150, 110, |x, y| {
            if x.abs_diff(90) + y.abs_diff(50) < 30 {
                255
            } else {
                0
            }
        })),
    );
    let models = text(&models);
    let common = [
        "--models",
        models.as_str(),
        "--model",
        "diffusion",
        "--kind",
        "shapes",
    ];
    let sample = [
        "generate", "sample", "--count", "2", "--steps", "3", "--seed", "4",
    ];
    let inpaint = [
        "generate",
        "inpaint",
        "--image",
        film.as_str(),
        "--mask",
        mask.as_str(),
        "--steps",
        "3",
    ];
    for (name, own) in [("sample", &sample[..]), ("inpaint", &inpaint[..])] {
        let arguments: Vec<&str> = own.iter().chain(&common).copied().collect();
        let of = |threads: &str| {
            let out = place.path().join(format!("{name}-{threads}"));
            generated(&arguments, threads, &out)
        };
        let (one, two) = (of("1"), of("2"));
        assert!(!one.0.is_empty() && one.0.iter().all(|picture| picture.len() > 1000));
        assert!(one.0 == two.0, "{name}: pictures");
        assert_eq!(one.1, two.1, "{name}");
    }
}
