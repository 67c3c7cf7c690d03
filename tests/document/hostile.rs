//! Project folders, model folders and manifests that someone else changed: an error or what was there, never a panic,
//! and nothing read outside.

use super::*;
use radcanvas::document::Project;
use radcanvas::job::{GivenNoise, Mode, ModelReference, Request};
use radcanvas::network::folder::{self, ModelFolder};
use radcanvas::noise::Noise;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// One of the kinds of damage that a text file is given.
fn worse(text: &[u8], noise: &mut Noise) -> Vec<u8> {
    let mut worse = text.to_vec();
    let at = noise.index(worse.len());
    match noise.index(5) {
        0 => worse.truncate(at),
        1 => worse[at] ^= 1 << noise.index(8),
        2 => {
            // A number replaced by one that does not fit.
            const NUMBERS: [&str; 7] = [
                "-1",
                "1e308",
                "18446744073709551615",
                "null",
                "0",
                "\"\"",
                "[]",
            ];
            if let Some(start) = (at..worse.len()).find(|i| worse[*i].is_ascii_digit()) {
                let end = (start..worse.len()).find(|i| !worse[*i].is_ascii_digit());
                let new = NUMBERS[noise.index(NUMBERS.len())].bytes();
                worse.splice(start..end.unwrap_or(worse.len()), new);
            }
        }
        3 => {
            let part = worse[at..].to_vec();
            worse.extend(part);
        }
        _ => {
            worse.splice(at..at, std::iter::repeat_n(b'[', 20_000));
        }
    }
    worse
}

#[test]
fn a_damaged_project_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = Project::create(folder.path(), film()).unwrap();
    project.apply(stroke(1.0)).unwrap();
    project.apply(accepted(9)).unwrap();
    project.apply(Edit::SetLandmarks(Some(hips()))).unwrap();
    drop(project);
    let files = ["project.json", "journal.jsonl"];
    let whole = files.map(|name| fs::read(folder.path().join(name)).unwrap());
    let mut noise = Noise::new(11, 0);
    let mut refused = 0;
    for _ in 0..400 {
        let which = noise.index(2);
        fs::write(
            folder.path().join(files[which]),
            worse(&whole[which], &mut noise),
        )
        .unwrap();
        let read = catch_unwind(AssertUnwindSafe(|| Project::read(folder.path())));
        refused += usize::from(read.expect("panicked").is_err());
        fs::write(folder.path().join(files[which]), &whole[which]).unwrap();
    }
    assert!(refused > 50, "{refused}");
    assert!(Project::read(folder.path()).unwrap().1.is_empty());
}

#[test]
fn a_damaged_model_folder_never_panics() {
    let bundled = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/hips");
    let folder = tempfile::tempdir().unwrap();
    for name in ["model.json", "weights.safetensors"] {
        fs::copy(bundled.join(name), folder.path().join(name)).unwrap();
    }
    let card = fs::read(bundled.join("model.json")).unwrap();
    let mut noise = Noise::new(12, 0);
    let mut refused = 0;
    for _ in 0..150 {
        fs::write(folder.path().join("model.json"), worse(&card, &mut noise)).unwrap();
        let loaded = catch_unwind(AssertUnwindSafe(|| {
            ModelFolder::open(folder.path()).and_then(|_| folder::check(folder.path()))
        }));
        refused += usize::from(loaded.expect("panicked").is_err());
    }
    assert!(refused > 50, "{refused}");
    // A card may not name a file elsewhere.
    let text = String::from_utf8(card).unwrap();
    let elsewhere = text.replace("weights.safetensors", "../../etc/passwd");
    fs::write(folder.path().join("model.json"), elsewhere).unwrap();
    let said = ModelFolder::open(folder.path())
        .unwrap()
        .tensors()
        .unwrap_err();
    assert!(said.to_string().contains("no name of a file"), "{said}");
    // The weights themselves, hash aside: their header says where each tensor lies.
    let weights = fs::read(bundled.join("weights.safetensors")).unwrap();
    for _ in 0..300 {
        let mut other = weights.clone();
        for _ in 0..4 {
            let header = noise.chance(0.8);
            let at = noise.index(if header { 2000 } else { other.len() });
            other[at] ^= 1 << noise.index(8);
        }
        if noise.chance(0.3) {
            other.truncate(noise.index(other.len()));
        }
        let read = catch_unwind(|| folder::tensors_in(&bundled, &other).is_ok());
        assert!(read.is_ok(), "panicked");
    }
}

#[test]
fn a_damaged_line_of_a_manifest_never_panics() {
    let mut request = Request::new(Mode::Inpaint, ModelReference::default());
    request.source = Some(Arc::clone(film().image()));
    request.noise = Some(GivenNoise {
        shape: [1, 2, 3],
        values: vec![0.5; 24],
    });
    request.mask = Some(Grid::filled(WIDTH, HEIGHT, 255));
    let line = serde_json::to_vec(&request).unwrap();
    let mut noise = Noise::new(13, 0);
    for _ in 0..1000 {
        let other = worse(&line, &mut noise);
        let read = catch_unwind(|| {
            serde_json::from_slice::<Request>(&other).is_ok_and(|r| r.for_image(3).count == 1)
        });
        assert!(read.is_ok(), "panicked");
    }
}
