//! Training: every lesson learns, resumes bit for bit, stops when told, and never diverges silently.

use std::ops::ControlFlow;
use std::path::Path;

use candle_core::{Device, Tensor};
use radcanvas::job::{DataSource, Error, ErrorKind, Observe, Trained, TrainingPlan, TrainingTask};
use radcanvas::network::device::Place;
use radcanvas::network::folder;
use radcanvas::network::speed::values;
use radcanvas::training;
use radcanvas::training::data::load;
use radcanvas::training::lesson;
use radcanvas::training::loss::{binary, cross_entropy, gradient_difference, halved, mean_square};
use radcanvas::training::recipe::Recipe;
use serde_json::{Value, json};

/// Every lesson and the folder it leaves its model in; those after the first two stand on what these leave behind.
pub(crate) const LESSONS: [(TrainingTask, &str); 8] = [
    (TrainingTask::Autoencoder, "autoencoder"),
    (TrainingTask::Diffusion, "diffusion"),
    (TrainingTask::Control, "control"),
    (TrainingTask::Student, "student"),
    (TrainingTask::Reader, "reader"),
    (TrainingTask::Hips, "hips"),
    (TrainingTask::HipDetail, "hip-detail"),
    (TrainingTask::Refiner, "refiner"),
];

pub(crate) fn plan(task: TrainingTask, out: &Path, steps: usize) -> TrainingPlan {
    let network = match task {
        TrainingTask::Autoencoder => json!({
            "encoder": [8, 8], "encoder_blocks": 1, "decoder": [8, 8], "decoder_blocks": 1,
            "preview": [8, 8]
        }),
        TrainingTask::Diffusion | TrainingTask::Refiner => json!({
            "denoiser": {"widths": [8, 8, 8], "blocks": [1, 1, 1], "embedding": 8, "head": 8},
            "adapter": {"widths": [8, 8, 8]}
        }),
        TrainingTask::Reader => json!({"widths": [8, 8, 8, 8, 8], "maps": 8}),
        TrainingTask::Hips | TrainingTask::HipDetail => json!({"widths": [8, 8, 8, 8]}),
        TrainingTask::Control | TrainingTask::Student => json!({}),
    };
    let crop = match task {
        TrainingTask::HipDetail | TrainingTask::Refiner => 32,
        _ => 0,
    };
    TrainingPlan {
        task,
        data: DataSource::Phantoms {
            kinds: vec!["shapes".to_owned()],
            seed: 1,
            count: 8,
        },
        recipe: json!({
            "size": 64, "steps": steps, "batch": 2, "rate": 2e-3, "warm_up": 2, "held_out": 2,
            "log_every": 1, "crop": crop, "network": network
        }),
        out: out.to_owned(),
        resume: false,
        minutes: None,
    }
}

pub(crate) fn carry_out(plan: &TrainingPlan, observe: &mut Observe<'_>) -> Result<Trained, Error> {
    training::carry_out(plan, &Place::default(), observe, &mut |notice| {
        panic!("nothing is to be said: {notice}")
    })
}

pub(crate) fn run(plan: &TrainingPlan) -> Trained {
    carry_out(plan, &mut |_| ControlFlow::Continue(())).unwrap()
}

pub(crate) fn lines(out: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn every_network_trains_and_loads() {
    let place = tempfile::tempdir().unwrap();
    for (task, name) in LESSONS {
        let out = place.path().join(name);
        let trained = run(&plan(task, &out, 2));
        assert_eq!(trained.steps, 2, "{name}");
        assert!(
            trained.loss.is_finite() && trained.checkpoint.is_file(),
            "{name}"
        );
        let model = folder::check(&out).unwrap();
        assert_eq!(model.card.name, name);
        let made = if name == "student" { "diffusion" } else { name };
        assert_eq!(model.card.task.name(), made);
        assert_eq!(lines(&out).len(), 2, "{name}");
    }
}

/// Over a few steps, as parts of a batch are left out at random; layers that start at zero are moved first.
#[test]
fn the_loss_of_every_lesson_reaches_every_weight() {
    let place = tempfile::tempdir().unwrap();
    let of_places = (TrainingTask::Reader, "reader-of-places");
    for (task, name) in LESSONS.into_iter().chain([of_places]) {
        let mut plan = plan(task, &place.path().join(name), 1);
        if name == "reader-of-places" {
            plan.recipe["network"]["places"] = json!(true);
        }
        if matches!(task, TrainingTask::HipDetail | TrainingTask::Refiner) {
            // The coarsest maps of half of it are single values, which a norm makes 0.
            plan.recipe["crop"] = json!(64);
        }
        // Others stand on what these two leave behind.
        if matches!(task, TrainingTask::Autoencoder | TrainingTask::Diffusion) {
            run(&plan);
        }
        let recipe = Recipe::from_value(&plan.recipe).unwrap();
        let data = load(&plan, &recipe, &mut |_| ControlFlow::Continue(())).unwrap();
        let mut lesson = lesson::begin(&plan, &recipe, data, &Place::default()).unwrap();
        let mut missing = std::collections::BTreeSet::new();
        for (weight, variable) in lesson.weights().variables() {
            let noise = values(variable.elem_count(), weight.len() as u64);
            let noise = Tensor::from_vec(noise, variable.shape(), &Device::Cpu).unwrap();
            let moved = (variable.as_tensor() + (noise * 0.05).unwrap()).unwrap();
            variable.set(&moved).unwrap();
            missing.insert(weight);
        }
        for step in 0..8 {
            let (loss, _) = lesson.loss(step, 0.8).unwrap();
            let gradients = match loss.gradients {
                Some(gradients) => gradients,
                None => loss.total.backward().unwrap(),
            };
            for (weight, variable) in lesson.weights().variables() {
                let Some(gradient) = gradients.get(variable.as_tensor()) else {
                    continue;
                };
                let size = gradient.abs().unwrap().sum_all().unwrap();
                let size = size.to_scalar::<f32>().unwrap();
                assert!(size.is_finite(), "{name}: {weight} has {size}");
                if size > 0.0 {
                    missing.remove(&weight);
                }
            }
        }
        // Its input is the logarithm of a guidance weight: 0 until a student is taught.
        if matches!(task, TrainingTask::Diffusion | TrainingTask::Refiner) {
            assert!(missing.remove("denoiser.embedding.guidance.weight"));
        }
        assert!(missing.is_empty(), "{name}: nothing reaches {missing:?}");
    }
}

#[test]
fn a_run_starts_from_a_finished_model_and_keeps_its_places() {
    let place = tempfile::tempdir().unwrap();
    let first = plan(TrainingTask::Reader, &place.path().join("first"), 2);
    run(&first);
    let names = |plan: &TrainingPlan| {
        let model = folder::ModelFolder::open(&plan.out).unwrap();
        model.card.names.unwrap()
    };
    let mut next = plan(TrainingTask::Reader, &place.path().join("next"), 1);
    next.data = DataSource::Phantoms {
        kinds: vec!["hip".to_owned()],
        seed: 1,
        count: 4,
    };
    next.recipe["start"] = json!(first.out);
    next.recipe["rate"] = json!(1e-9);
    run(&next);
    let (old, new) = (names(&first), names(&next));
    assert_eq!(new.kinds[..old.kinds.len()], old.kinds);
    assert_eq!(new.kinds.last().unwrap(), "hip");
    let weights = |plan: &TrainingPlan| {
        folder::ModelFolder::open(&plan.out)
            .unwrap()
            .tensors()
            .unwrap()
    };
    let fresh = plan(TrainingTask::Reader, &place.path().join("fresh"), 1);
    run(&fresh);
    let distance = |a: &TrainingPlan| {
        let (a, b) = (weights(a), weights(&first));
        let of = |name: &String| {
            let difference = (&a[name] - &b[name]).unwrap().abs().unwrap();
            difference.sum_all().unwrap().to_scalar::<f32>().unwrap()
        };
        a.keys().map(of).sum::<f32>()
    };
    assert!(distance(&next) < 0.01 * distance(&fresh));
    next.recipe["start"] = json!(place.path().join("nowhere"));
    let error = carry_out(&next, &mut |_| ControlFlow::Continue(()));
    assert_eq!(error.unwrap_err().kind, ErrorKind::Model);
}

#[test]
fn a_manifest_says_what_its_images_show() {
    let place = tempfile::tempdir().unwrap();
    for name in ["a.png", "b.png"] {
        let image = image::GrayImage::from_pixel(40, 30, image::Luma([90]));
        image.save(place.path().join(name)).unwrap();
    }
    let path = place.path().join("list.csv");
    let write = |rows: &str| {
        let text = format!("file,kind,age_years,sex,effusion,other\n{rows}");
        std::fs::write(&path, text).unwrap();
    };
    let mut plan = plan(TrainingTask::Reader, &place.path().join("out"), 1);
    plan.data = DataSource::Folder(path.clone());
    let recipe = Recipe::from_value(&plan.recipe).unwrap();
    let read = || load(&plan, &recipe, &mut |_| ControlFlow::Continue(()));
    write("b.png,chest,61.5,f,1,x\na.png,,,,,\n");
    let data = read().unwrap();
    let (first, second) = (&data.examples[0].facts, &data.examples[1].facts);
    assert_eq!(
        (first.kind.as_str(), first.age_years, first.sex),
        ("chest", Some(61.5), Some(0))
    );
    assert_eq!(first.findings, [("effusion".to_owned(), true)]);
    assert_eq!(
        (second.age_years, second.sex, second.findings.len()),
        (None, None, 0)
    );
    for rows in [
        "missing.png,,,,,\n",
        "a.png,,old,,,\n",
        "a.png,,,x,,\n",
        "a.png,,,,maybe,\n",
        ",,,,,\n",
    ] {
        write(rows);
        assert_eq!(read().unwrap_err().kind, ErrorKind::Input, "{rows}");
    }
}

#[test]
fn losses_fall() {
    for (task, steps, share) in [
        (TrainingTask::Autoencoder, 60, 0.6),
        (TrainingTask::Reader, 40, 0.9),
        (TrainingTask::Hips, 40, 0.9),
        (TrainingTask::HipDetail, 40, 0.9),
    ] {
        let place = tempfile::tempdir().unwrap();
        let mut plan = plan(task, &place.path().join("out"), steps);
        plan.recipe["rate"] = json!(5e-3);
        run(&plan);
        let losses: Vec<f64> = lines(&plan.out)
            .iter()
            .map(|line| line["loss"].as_f64().unwrap())
            .collect();
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        let (first, last) = (mean(&losses[..5]), mean(&losses[steps - 5..]));
        assert!(last < share * first, "{task:?}: {first} to {last}");
    }
}

/// Breaks a run of six steps off after three.
fn broken_off(plan: &TrainingPlan) {
    let error = carry_out(plan, &mut |progress| {
        if progress.stage.starts_with("training") && progress.step == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
    .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Stopped);
}

#[test]
fn a_resumed_run_equals_an_unbroken_one() {
    let weights = |plan: &TrainingPlan| std::fs::read(plan.out.join(folder::WEIGHTS)).unwrap();
    let losses = |plan: &TrainingPlan| -> Vec<Value> {
        let lines = lines(&plan.out);
        lines.iter().map(|line| line["loss"].clone()).collect()
    };
    let place = tempfile::tempdir().unwrap();
    for (task, name) in LESSONS {
        let whole = plan(task, &place.path().join(name), 6);
        run(&whole);
        let mut broken = plan(task, &place.path().join(format!("broken-{name}")), 6);
        broken_off(&broken);
        // A killed run had written a line of a step that its checkpoint does not know, and half of another.
        let path = broken.out.join("metrics.jsonl");
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"step\":5,\"loss\":9.0}\n{\"ste");
        std::fs::write(&path, text).unwrap();
        broken.resume = true;
        assert_eq!(run(&broken).steps, 6, "{name}");
        assert_eq!(
            weights(&whole),
            weights(&broken),
            "{name}: averaged weights"
        );
        assert_eq!(losses(&whole), losses(&broken), "{name}");
    }
}

#[test]
fn a_run_goes_on_with_its_own_descent_and_only_with_its_own_data() {
    let place = tempfile::tempdir().unwrap();
    let mut plan = plan(TrainingTask::Reader, &place.path().join("out"), 1_000_000);
    plan.recipe["anneal_by_time"] = json!(true);
    plan.recipe["warm_up"] = json!(0);
    plan.recipe["flat"] = json!(0.0);
    plan.minutes = Some(2.0 / 60.0);
    // Broken off when most of its two seconds are over.
    let started = std::time::Instant::now();
    let error = carry_out(&plan, &mut |progress| {
        let over = progress.seconds_left.is_some_and(|left| left < 0.4);
        if over || started.elapsed().as_secs() > 60 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
    .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Stopped);
    let rate = |line: &Value| line["rate"].as_f64().unwrap();
    let before = lines(&plan.out);
    plan.resume = true;
    plan.minutes = Some(10.0);
    let mut steps = 0;
    let error = carry_out(&plan, &mut |progress| {
        steps += usize::from(progress.stage.starts_with("training"));
        if steps > 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
    .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Stopped);
    let after = lines(&plan.out);
    let (old, new) = (rate(before.last().unwrap()), rate(after.last().unwrap()));
    assert!(old < 0.5 * rate(&before[0]), "{old} is no descent");
    assert!(new <= old, "{old}, then {new}");
    let mut other = plan.clone();
    other.data = DataSource::Phantoms {
        kinds: vec!["shapes".to_owned()],
        seed: 2,
        count: 8,
    };
    let error = carry_out(&other, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Input);
    assert!(error.what.contains("another run"), "{error}");
}

#[test]
fn gradients_block_by_block_are_those_of_the_whole() {
    let place = tempfile::tempdir().unwrap();
    for (task, name) in [
        (TrainingTask::Autoencoder, "autoencoder"),
        (TrainingTask::Diffusion, "diffusion"),
        (TrainingTask::Student, "student"),
        (TrainingTask::Refiner, "refiner"),
    ] {
        let whole = plan(task, &place.path().join(name), 3);
        run(&whole);
        if task == TrainingTask::Autoencoder {
            continue;
        }
        let mut staged = plan(task, &place.path().join(format!("staged-{name}")), 3);
        staged.recipe["checkpointing"] = json!(true);
        run(&staged);
        let line = |plan: &TrainingPlan, what: &str| {
            lines(&plan.out).last().unwrap()[what].as_f64().unwrap()
        };
        for what in ["loss", "gradient"] {
            let (a, b) = (line(&whole, what), line(&staged, what));
            assert!((a - b).abs() < 1e-4 * a.abs(), "{name}: {what} {a} and {b}");
        }
    }
    let mut refused = plan(TrainingTask::Hips, &place.path().join("hips"), 1);
    refused.recipe["checkpointing"] = json!(true);
    let error = carry_out(&refused, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Usage);
}

#[test]
fn minutes_end_a_run_with_a_model() {
    let place = tempfile::tempdir().unwrap();
    let mut plan = plan(TrainingTask::Hips, &place.path().join("out"), 1_000_000);
    plan.minutes = Some(0.002);
    let trained = run(&plan);
    assert!(trained.steps < 1000, "{}", trained.steps);
    folder::check(&plan.out).unwrap();
}

#[test]
fn divergence_is_an_error_and_keeps_the_checkpoint() {
    let place = tempfile::tempdir().unwrap();
    let mut plan = plan(TrainingTask::Autoencoder, &place.path().join("out"), 1);
    run(&plan);
    let before = std::fs::read(plan.out.join("checkpoint.safetensors")).unwrap();
    plan.resume = true;
    plan.recipe["steps"] = json!(50);
    plan.recipe["rate"] = json!(1e30);
    plan.recipe["warm_up"] = json!(1);
    let error = carry_out(&plan, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Failed);
    assert!(error.what.contains("not a number"), "{error}");
    let after = std::fs::read(plan.out.join("checkpoint.safetensors")).unwrap();
    assert_eq!(before, after);
}

#[test]
fn plans_that_cannot_work_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let refused = |change: &dyn Fn(&mut TrainingPlan), kind: ErrorKind| {
        let mut plan = plan(TrainingTask::Diffusion, &place.path().join("out"), 2);
        change(&mut plan);
        let error = carry_out(&plan, &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
    };
    refused(&|p| p.recipe["size"] = json!(100), ErrorKind::Usage);
    refused(&|p| p.recipe["crop"] = json!(33), ErrorKind::Usage);
    refused(&|p| p.recipe["batch"] = json!(0), ErrorKind::Usage);
    refused(&|p| p.recipe["rat"] = json!(1), ErrorKind::Usage);
    refused(
        &|p| p.recipe["network"]["width"] = json!(1),
        ErrorKind::Model,
    );
    // No autoencoder beside it.
    refused(&|_| (), ErrorKind::Model);
    refused(
        &|p| {
            p.data = DataSource::Phantoms {
                kinds: vec!["unicorn".to_owned()],
                seed: 1,
                count: 1,
            };
        },
        ErrorKind::Usage,
    );
}

#[test]
fn pairs_of_the_brain_become_heads_of_their_own() {
    let place = tempfile::tempdir().unwrap();
    let mut plan = plan(TrainingTask::Reader, &place.path().join("reader"), 1);
    plan.data = DataSource::Phantoms {
        kinds: vec!["brain-mr".to_owned(), "brain-ct".to_owned()],
        seed: 3,
        count: 1,
    };
    let heads = |independent: bool| {
        let mut recipe = Recipe::from_value(&json!({ "size": 64, "held_out": 0 })).unwrap();
        recipe.independent = independent;
        let data = load(&plan, &recipe, &mut |_| ControlFlow::Continue(())).unwrap();
        let [mr, ct] = [0, 1].map(|n| data.examples[n].facts.clone());
        assert_eq!(
            (mr.kind.as_str(), ct.kind.as_str()),
            ("brain-mr", "brain-ct")
        );
        (mr.outlines, ct.outlines)
    };
    let (mr, ct) = heads(false);
    assert_eq!(mr, ct, "one head");
    let (same, own) = heads(true);
    assert_eq!(same, mr);
    assert_ne!(own, mr);
    // Both kinds of set are kept, each under its own name.
    assert_eq!(heads(false), (mr, ct));
}

#[test]
fn rates_warm_up_stay_and_fall() {
    let recipe = Recipe {
        rate: 1.0,
        warm_up: 10,
        flat: 0.5,
        last_rate: 0.1,
        ..Recipe::default()
    };
    let check = |step: usize, done: f64, expected: f64| {
        let found = recipe.rate_at(step, done);
        assert!((found - expected).abs() < 1e-9, "{step} {done}: {found}");
    };
    check(0, 0.0, 0.1);
    check(4, 0.0, 0.5);
    check(100, 0.3, 1.0);
    check(100, 0.5, 1.0);
    check(100, 0.75, 0.55);
    check(100, 1.0, 0.1);
}

#[test]
fn losses_match_their_formulas() {
    let tensor =
        |values: &[f32], shape: &[usize]| Tensor::from_slice(values, shape, &Device::Cpu).unwrap();
    let value = |t: Tensor| t.to_scalar::<f32>().unwrap();
    let a = tensor(&[0.0, 1.0, 2.0, 4.0], &[1, 1, 2, 2]);
    let b = tensor(&[0.0; 4], &[1, 1, 2, 2]);
    assert_eq!(value(mean_square(&a, &b).unwrap()), 21.0 / 4.0);
    // Differences down: 2, 3; across: 1, 2.
    assert_eq!(value(gradient_difference(&a, &b).unwrap()), 2.5 + 1.5);
    assert_eq!(value(halved(&a).unwrap().mean_all().unwrap()), 1.75);
    let x = tensor(&[0.0, 100.0, -100.0], &[1, 3]);
    let y = tensor(&[1.0, 1.0, 0.0], &[1, 3]);
    let ones = tensor(&[1.0, 1.0, 1.0], &[1, 3]);
    let found = value(binary(&x, &y, &ones).unwrap());
    assert!(
        (found - std::f32::consts::LN_2 / 3.0).abs() < 1e-6,
        "{found}"
    );
    let logits = tensor(&[0.0, 0.0, 0.0, 0.0], &[1, 1, 4]);
    let target = tensor(&[0.0, 1.0, 0.0, 0.0], &[1, 1, 4]);
    let weight = tensor(&[1.0], &[1, 1]);
    let found = value(cross_entropy(&logits, &target, &weight).unwrap());
    assert!((found - 4.0_f32.ln()).abs() < 1e-6, "{found}");
}

#[test]
fn every_kind_of_phantom_encodes_its_findings() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(TrainingTask::Reader, &folder.path().join("out"), 1);
    let kinds: Vec<String> = radcanvas::phantom::KINDS.map(str::to_owned).to_vec();
    plan.data = DataSource::Phantoms {
        kinds: kinds.clone(),
        seed: 3,
        count: 3,
    };
    let recipe = Recipe::from_value(&plan.recipe).unwrap();
    let data = load(&plan, &recipe, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(data.examples.len(), 3 * kinds.len());
    assert_eq!(data.names.kinds.len(), kinds.len());
    assert!(data.names.findings.len() <= radcanvas::network::condition::FINDINGS);
    for example in &data.examples {
        let facts = &example.facts;
        let condition = data.condition(facts);
        assert_eq!(example.image.size(), (64, 64));
        assert_eq!(condition.kind, data.names.kind(&facts.kind));
        assert!(
            condition.kind.is_some() && condition.age_decades.is_some() && condition.sex.is_some()
        );
        let wanted = radcanvas::phantom::findings_of(&facts.kind).unwrap();
        assert_eq!(condition.findings.len(), wanted.len(), "{}", facts.kind);
        for name in wanted {
            let place = data.names.finding(name).unwrap();
            let said = facts.findings.iter().find(|f| f.0 == *name).unwrap().1;
            assert!(
                condition.findings.contains(&(place, said)),
                "{} {name}",
                facts.kind
            );
        }
    }
    // A panoramic film stands amid black: its lines moved with it.
    let jaw = data
        .examples
        .iter()
        .find(|e| e.facts.kind == "jaw")
        .unwrap();
    assert!(
        jaw.image
            .row(0)
            .iter()
            .chain(jaw.image.row(63))
            .all(|v| *v == 0)
    );
    let (bone, _) = &jaw.facts.outlines[0];
    assert!(bone.iter().all(|p| p.y > 12.0 && p.y < 52.0));
}

#[test]
fn every_bundled_recipe_can_be_used() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/recipes");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let value: Value = toml::from_str(&text).unwrap();
        let recipe = Recipe::from_value(&value).unwrap();
        for model in [&recipe.start, &recipe.autoencoder] {
            let named = !model.as_os_str().is_empty();
            let found = Path::new(env!("CARGO_MANIFEST_DIR")).join(model);
            assert!(
                !named || folder::check(&found).is_ok(),
                "{}",
                path.display()
            );
        }
        count += 1;
    }
    assert!(count >= 7, "{count}");
}

#[test]
fn bench_models_measures_every_part_and_says_what_a_model_does_not_know() {
    let place = tempfile::tempdir().unwrap();
    for (task, name) in [
        (TrainingTask::Autoencoder, "autoencoder"),
        (TrainingTask::Diffusion, "diffusion"),
        (TrainingTask::Reader, "reader"),
        (TrainingTask::Hips, "hips"),
    ] {
        run(&plan(task, &place.path().join(name), 2));
    }
    let answer = |arguments: &[&str]| -> Vec<Value> {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_radcanvas"))
            .args(["bench", "models", "--json", "--hip-side", "64", "--models"])
            .arg(place.path())
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        json["figures"].as_array().unwrap().clone()
    };
    let figures = answer(&[
        "--kinds", "shapes", "--count", "3", "--films", "6", "--steps", "1",
    ]);
    let figure = |name: &str| {
        let found = figures.iter().find(|f| f["name"] == name);
        found.unwrap_or_else(|| panic!("no figure {name} in {figures:?}"))
    };
    for (name, unit) in [
        ("shapes hips, all: mean error of the Norberg angle", "°"),
        ("shapes hips, normal: 90 % intervals that hold", "%"),
        ("reader, shapes: bright", "AUROC"),
        ("sketch, shapes: line to edge of the film drawn after", "px"),
        ("Fréchet, all kinds: ratio", ""),
        ("autoencoder, shapes: PSNR, preview decoder", "dB"),
    ] {
        assert!(
            figure(name)["value"].as_f64().is_some_and(f64::is_finite),
            "{name}"
        );
        assert_eq!(figure(name)["unit"], unit, "{name}");
    }
    // The discs of a shape are its edges, and no shape is luxated.
    let follows = figure("sketch, shapes: line to edge of the film drawn after");
    assert!(follows["value"].as_f64().unwrap() < 12.0, "{follows}");
    let luxated = figure("shapes hips, luxated: mean error of the Norberg angle");
    assert!(luxated["value"].is_null() && luxated["holds"].is_null());
    assert!(
        figures
            .iter()
            .any(|f| f["name"].as_str().unwrap().starts_with("geometry, shapes"))
    );
    let unknown = answer(&[
        "--kinds",
        "jaw",
        "--part",
        "reader,follow",
        "--films",
        "1",
        "--count",
        "1",
    ]);
    assert_eq!(unknown.len(), 2);
    for figure in &unknown {
        assert!(figure["value"].is_null(), "{figure}");
        assert!(
            figure["note"]
                .as_str()
                .unwrap()
                .contains("does not know jaw"),
            "{figure}"
        );
    }
}
