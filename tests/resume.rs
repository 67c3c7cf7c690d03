//! Runs of training that were killed, forgotten or moved: nothing is lost, and none goes on as what it is not.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use radcanvas::job::{DataSource, Error, ErrorKind, TrainingPlan, TrainingTask};
use radcanvas::network::device::Place;
use radcanvas::network::folder;
use radcanvas::training;
use serde_json::{Value, json};

use super::training::{carry_out, lines, plan, run};

const CHECKPOINT: &str = "checkpoint.safetensors";
const BEFORE: &str = "checkpoint-before.safetensors";

/// Everything in a checkpoint but the seconds that it took.
fn held(out: &Path) -> Vec<(String, Vec<u8>)> {
    let content = std::fs::read(out.join(CHECKPOINT)).unwrap();
    let read = safetensors::SafeTensors::deserialize(&content).unwrap();
    let tensors = read.tensors().into_iter();
    let mut all: Vec<_> = tensors.map(|(n, view)| (n, view.data().to_vec())).collect();
    let (_, header) = safetensors::SafeTensors::read_metadata(&content).unwrap();
    for (name, text) in header.metadata().clone().unwrap() {
        if name != "seconds" {
            all.push((name, text.into_bytes()));
        }
    }
    all.sort();
    all
}

fn losses(out: &Path) -> Vec<[Value; 2]> {
    let of = |line: Value| [line["step"].clone(), line["loss"].clone()];
    lines(out).into_iter().map(of).collect()
}

/// Ends a run before step `step`.
fn stopped_at(plan: &TrainingPlan, step: usize) {
    let error = carry_out(plan, &mut |progress| {
        if progress.stage.starts_with("training") && progress.step == step {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!(error.unwrap_err().kind, ErrorKind::Stopped);
}

fn refused(plan: &TrainingPlan, word: &str) {
    let error: Error = carry_out(plan, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Input, "{error}");
    assert!(
        error.what.contains("another run") && error.what.contains(word),
        "{error}"
    );
}

/// Complete lines of the metrics of a run that is under way.
fn lines_yet(out: &Path) -> usize {
    let text = std::fs::read(out.join("metrics.jsonl")).unwrap_or_default();
    text.split(|byte| *byte == b'\n').count() - 1
}

#[test]
fn a_run_killed_again_and_again_equals_an_unbroken_one() {
    let place = tempfile::tempdir().unwrap();
    let mut whole = plan(TrainingTask::Hips, &place.path().join("whole"), 80);
    // After every step, so that the kills meet it.
    whole.recipe["checkpoint_minutes"] = json!(1e-9);
    run(&whole);
    let recipe = place.path().join("recipe.toml");
    std::fs::write(&recipe, toml::to_string(&whole.recipe).unwrap()).unwrap();
    let mut killed = whole.clone();
    killed.out = place.path().join("killed");
    killed.resume = true;
    let mut kills = 0;
    for after in [0, 3, 9, 14, 22, 27, 31] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_radcanvas"))
            .args(["train", "hips", "--data", "shapes", "--count", "8"])
            .args(["--seed", "1", "--resume", "--quiet", "--config"])
            .arg(&recipe)
            .arg("--out")
            .arg(&killed.out)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while lines_yet(&killed.out) < after && started.elapsed() < Duration::from_mins(2) {
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
            std::thread::sleep(Duration::from_millis(1));
        }
        // Somewhere in the step, the checkpoint or the weights.
        std::thread::sleep(Duration::from_millis(7 * after as u64 % 20));
        child.kill().unwrap();
        kills += usize::from(!child.wait().unwrap().success());
    }
    assert_eq!(kills, 7);
    assert_eq!(run(&killed).steps, 80);
    assert_eq!(losses(&whole.out), losses(&killed.out));
    assert!(held(&whole.out) == held(&killed.out), "checkpoints");
    let weights = |plan: &TrainingPlan| std::fs::read(plan.out.join(folder::WEIGHTS)).unwrap();
    assert!(weights(&whole) == weights(&killed), "weights");
    folder::check(&killed.out).unwrap();
    // What the kills left behind is taken away.
    for entry in std::fs::read_dir(&killed.out).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(!radcanvas::whole::is_leftover(&name), "{name:?}");
    }
}

#[test]
fn a_run_that_was_forgotten_is_kept_and_is_not_the_next_one() {
    let place = tempfile::tempdir().unwrap();
    let mut plan = plan(TrainingTask::Hips, &place.path().join("out"), 3);
    run(&plan);
    let (old, old_lines) = (held(&plan.out), lines(&plan.out));
    for line in &old_lines {
        for key in ["data_seconds", "data_waited"] {
            assert!(line[key].as_f64().is_some_and(|s| s >= 0.0), "{line}");
        }
    }
    let mut told = Vec::new();
    let begun = training::carry_out(
        &plan,
        &Place::default(),
        &mut |progress| {
            if progress.stage.starts_with("training") {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        },
        &mut |notice| told.push(notice.to_owned()),
    );
    assert_eq!(begun.unwrap_err().kind, ErrorKind::Stopped);
    assert!(told.len() == 1 && told[0].contains(BEFORE), "{told:?}");
    assert!(lines(&plan.out).is_empty());
    // As if it had been killed before its first checkpoint: the one before is not taken for it.
    std::fs::remove_file(plan.out.join(CHECKPOINT)).unwrap();
    plan.resume = true;
    let mut first = None;
    carry_out(&plan, &mut |progress| {
        if progress.stage.starts_with("training") {
            first.get_or_insert(progress.step);
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(first, Some(0));
    assert!(held(&plan.out) == old, "the same run again");
    // It can be had back.
    std::fs::rename(plan.out.join(BEFORE), plan.out.join(CHECKPOINT)).unwrap();
    assert!(held(&plan.out) == old);
    let kept = std::fs::read_to_string(plan.out.join("metrics-before.jsonl")).unwrap();
    assert_eq!(kept.lines().count(), old_lines.len());
}

#[test]
fn metrics_may_end_in_anything() {
    let place = tempfile::tempdir().unwrap();
    for (name, end) in [
        ("half", &b"{\"step\":3,\"lo"[..]),
        ("no text", b"\xff\xfe\x00{"),
        ("nothing", b"\0\0\0\0\0\0\0\0"),
        ("no line's end", b"{\"step\":3,\"loss\":1.0}"),
    ] {
        let mut plan = plan(TrainingTask::Hips, &place.path().join(name), 4);
        stopped_at(&plan, 2);
        let before = losses(&plan.out);
        let path = plan.out.join("metrics.jsonl");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(end);
        std::fs::write(&path, bytes).unwrap();
        plan.resume = true;
        run(&plan);
        let after = losses(&plan.out);
        assert_eq!(after[..2], before[..], "{name}");
        let steps: Vec<_> = after.iter().map(|line| line[0].as_u64().unwrap()).collect();
        assert_eq!(steps, [1, 2, 3, 4], "{name}");
    }
}

#[test]
fn a_run_does_not_go_on_over_another_autoencoder() {
    let place = tempfile::tempdir().unwrap();
    let autoencoder = plan(
        TrainingTask::Autoencoder,
        &place.path().join("autoencoder"),
        1,
    );
    run(&autoencoder);
    let mut diffusion = plan(TrainingTask::Diffusion, &place.path().join("diffusion"), 3);
    stopped_at(&diffusion, 1);
    diffusion.resume = true;
    let elsewhere = place.path().join("elsewhere");
    std::fs::rename(&autoencoder.out, &elsewhere).unwrap();
    let mut other = autoencoder;
    other.recipe["seed"] = json!(7);
    run(&other);
    refused(&diffusion, "other models");
    // The same one may lie anywhere.
    diffusion.recipe["autoencoder"] = json!(elsewhere);
    assert_eq!(run(&diffusion).steps, 3);
}

#[test]
fn a_run_does_not_go_on_over_other_images() {
    let place = tempfile::tempdir().unwrap();
    let films = place.path().join("films");
    std::fs::create_dir(&films).unwrap();
    let write = |name: &str, grey: u8| {
        let image = image::GrayImage::from_fn(64, 64, |x, y| image::Luma([grey ^ (x * y) as u8]));
        image.save(films.join(name)).unwrap();
    };
    write("a.png", 10);
    write("b.png", 90);
    let list = |rows: &str| std::fs::write(films.join("list.csv"), rows).unwrap();
    list("file,kind,effusion\na.png,chest,0\nb.png,chest,1\n");
    let mut plan = plan(TrainingTask::Reader, &place.path().join("out"), 3);
    plan.data = DataSource::Folder(films.join("list.csv"));
    stopped_at(&plan, 1);
    plan.resume = true;
    write("b.png", 91);
    refused(&plan, "other images");
    write("b.png", 90);
    list("file,kind,effusion\na.png,chest,1\nb.png,chest,1\n");
    refused(&plan, "other images");
    list("file,kind,effusion\na.png,chest,0\nb.png,chest,1\n");
    // Moved, they are the same.
    let moved = place.path().join("moved");
    std::fs::rename(&films, &moved).unwrap();
    plan.data = DataSource::Folder(moved.join("list.csv"));
    assert_eq!(run(&plan).steps, 3);
}
