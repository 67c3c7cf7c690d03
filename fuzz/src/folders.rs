//! Folders of several files: models of the diffusers layout, and what lies beside images that are trained on.
//!
//! One input is all the texts of a folder, with a byte 0x1E between two of them; weights and pictures are those of the
//! fixtures. A text that is missing stays as the fixture has it.

use std::path::{Path, PathBuf};

use radcanvas::geometry::Figure;
use radcanvas::grid::Grid;
use radcanvas::job::{DataSource, TrainingPlan, TrainingTask};
use radcanvas::network::autoencoder::{Autoencoder, Config};
use radcanvas::network::peer::pipeline::{ClipTokenizer, PeerFolder, check_peer, convert, need_of};
use radcanvas::network::weights::Weights;
use radcanvas::radiograph::{Pixels, Radiograph};
use radcanvas::synthesis::schedule::{Scheduler, Walk};
use radcanvas::training::checkpoint::{Identity, restore};
use radcanvas::training::data::load;
use radcanvas::training::optimizer::AdamW;
use radcanvas::training::recipe::Recipe;
use radcanvas::transfer::Nodes;

use crate::{folder, own, put};

/// Stands between two texts.
pub const BETWEEN: u8 = 0x1E;

/// The texts of a pipeline, those that stand alone first.
pub const PIPELINE: [&str; 8] = [
    "scheduler/scheduler_config.json",
    "model_index.json",
    "unet/config.json",
    "vae/config.json",
    "text_encoder/config.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/merges.txt",
    "tokenizer/vocab.json",
];

thread_local! {
    static TEXTS: Vec<Vec<u8>> = PIPELINE
        .iter()
        .map(|name| std::fs::read(fixtures().join("tiny").join(name)).expect("the fixtures"))
        .collect();
}

fn fixtures() -> PathBuf {
    own("../tests/fixtures/pipeline")
}

fn copied(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("room for a folder");
    for entry in std::fs::read_dir(from).expect("the fixtures").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copied(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("room for a file");
        }
    }
}

/// Configurations, tokenizer and schedule of a pipeline, its weights' headers against them, and a change of its weights.
pub fn pipeline(bytes: &[u8]) {
    let at = folder().join("pipeline");
    if !at.is_dir() {
        copied(&fixtures().join("tiny"), &at);
    }
    let mut given = bytes.split(|byte| *byte == BETWEEN);
    TEXTS.with(|texts| {
        for (name, own) in PIPELINE.iter().zip(texts) {
            put(&format!("pipeline/{name}"), given.next().unwrap_or(own));
        }
    });
    let Ok(found) = PeerFolder::open(&at) else {
        return;
    };
    if let Ok(need) = need_of(&found) {
        need.bytes(&radcanvas::network::device::Place::default());
    }
    if let Ok(checked) = check_peer(&found)
        && let Some(scheduler) = &checked.scheduler
    {
        schedule(scheduler);
    }
    if let Ok(tokenizer) = ClipTokenizer::open(&at.join("tokenizer")) {
        let prompt = "a Radiograph of  2 hips, é";
        let numbers = tokenizer.numbers(prompt).unwrap_or_default();
        assert!(numbers.is_empty() || numbers.len() == tokenizer.length());
        tokenizer.left_out(prompt);
    }
}

/// A schedule, by whichever scheduler it says and by another.
fn schedule(text: &serde_json::Value) {
    let Ok(scheduler) = Scheduler::read(text) else {
        return;
    };
    for steps in [1, 4, 20] {
        for strength in [1.0, 0.4] {
            Walk::new(&scheduler, steps, strength).ok();
        }
    }
}

/// A checkpoint of one network in one file, and a file of changes of weights.
pub fn checkpoint(bytes: &[u8]) {
    let target = folder().join("converted");
    for name in ["old.safetensors", "old.ckpt"] {
        convert::convert(&put(name, bytes), &target, None).ok();
        std::fs::remove_dir_all(&target).ok();
    }
    PeerFolder::open(&put("changes.safetensors", bytes))
        .and_then(|found| check_peer(&found))
        .ok();
    put("run/checkpoint.safetensors", bytes);
    let weights = Weights::new(1);
    if let Ok(mut optimizer) =
        Autoencoder::new(&weights.builder(), &Config::tiny()).and_then(|_| AdamW::new(&weights))
    {
        restore(&folder().join("run"), &mut optimizer, &Identity::default()).ok();
    }
}

/// The texts beside images, the nodes of a person and figures given to a command.
pub const TABLES: [&str; 5] = [
    "films/manifest.csv",
    "films/landmarks.json",
    "films/outlines.json",
    "nodes.json",
    "figures.json",
];

/// Tables of training data, nodes and figures.
pub fn tables(bytes: &[u8]) {
    let films = folder().join("films");
    let image = small();
    if !films.is_dir() {
        std::fs::create_dir_all(&films).expect("room for a folder");
        let path = films.join("film.png");
        radcanvas::radiograph::export(&path, &image, &image.pixels, true).expect("an export");
    }
    let mut texts = bytes.split(|byte| *byte == BETWEEN);
    for name in TABLES {
        put(name, texts.next().unwrap_or_default());
    }
    let plan = |data: PathBuf| TrainingPlan {
        task: TrainingTask::Hips,
        data: DataSource::Folder(data),
        recipe: serde_json::Value::Null,
        out: folder(),
        resume: false,
        minutes: None,
    };
    let recipe = Recipe {
        size: 32,
        ..Recipe::default()
    };
    for data in [films.clone(), films.join("manifest.csv")] {
        let read = load(&plan(data), &recipe, &mut |_| {
            std::ops::ControlFlow::Continue(())
        });
        for example in read.iter().flat_map(|set| &set.examples) {
            assert_eq!(example.image.size(), (32, 32));
        }
    }
    if let Ok(nodes) = Nodes::load(&folder().join("nodes.json")) {
        for node in &nodes.nodes {
            assert!(node.check().is_ok(), "a node that cannot be used");
        }
    }
    let figures = std::fs::read(folder().join("figures.json")).unwrap_or_default();
    if let Ok(figures) = serde_json::from_slice::<Vec<Figure>>(&figures) {
        for figure in figures.iter().filter(|figure| figure.is_valid()).take(8) {
            for reading in image.readings(figure).values {
                assert!(reading.value.is_finite(), "{reading:?}");
            }
        }
    }
}

/// A film that the tables can speak of.
fn small() -> Radiograph {
    Radiograph::from_pixels(Pixels::U8(Grid::from_fn(24, 20, |x, y| (x * 9 + y) as u8)))
}
