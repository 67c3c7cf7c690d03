//! The engine over tiny networks: students, reuse, warm starts, second passes, guesses.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex};

use candle_core::Tensor;
use radcanvas::engine::{LocalEngine, ModelStore};
use radcanvas::grid::Grid;
use radcanvas::job::record::{Record, hash_of};
use radcanvas::job::{
    Engine, Error, ErrorKind, Made, Measurement, Mode, ModelReference, Observe, Order, Outcome,
    Product, Reading, Request, WarmStart,
};
use radcanvas::network::autoencoder::{self, Autoencoder};
use radcanvas::network::condition::Names;
use radcanvas::network::control::Adapter;
use radcanvas::network::denoiser::Denoiser;
use radcanvas::network::device::Wanted;
use radcanvas::network::folder::{self, Card, DiffusionConfig, ModelFolder, Need, Student, Task};
use radcanvas::network::reader::{self, Reader};
use radcanvas::network::weights::Weights;
use radcanvas::noise::Noise;
use radcanvas::radiograph::{Pixels, Radiograph};
use radcanvas::synthesis::kept::Counts;

pub(super) const PX: usize = 64;

fn card(name: &str, task: Task, configuration: serde_json::Value) -> Card {
    Card {
        name: name.to_owned(),
        task,
        domain: "nothing".to_owned(),
        architecture: "tiny".to_owned(),
        configuration,
        native_size: [PX; 2],
        spacing_mm: None,
        hint: String::new(),
        licence: "CC0-1.0".to_owned(),
        training: "none".to_owned(),
        measured: BTreeMap::new(),
        files: BTreeMap::new(),
        latent: None,
        calibration: None,
        names: Some(Names {
            kinds: vec!["chest".to_owned(), "hip".to_owned()],
            findings: vec!["mass".to_owned()],
            years_per_decade: Vec::new(),
        }),
        student: None,
        needs: BTreeMap::new(),
    }
}

/// Zero-started layers are moved, so that every input matters.
fn moved(weights: &Weights) -> BTreeMap<String, Tensor> {
    let tensors = weights.tensors();
    let moved = tensors.into_iter().enumerate().map(|(i, (name, tensor))| {
        let count = tensor.elem_count();
        let noise = Noise::new(77, i as u64).normals(count);
        let noise = Tensor::from_vec(noise, tensor.dims(), tensor.device()).unwrap();
        (name, (tensor + (noise * 0.05).unwrap()).unwrap())
    });
    moved.collect()
}

fn diffusion(folder: &Path, seed: u64, coder: &ModelFolder, student: Option<Student>) {
    flow(folder, Task::Diffusion, seed, coder, student);
}

fn flow(folder: &Path, task: Task, seed: u64, coder: &ModelFolder, student: Option<Student>) {
    let config = DiffusionConfig::tiny();
    let weights = Weights::new(seed);
    let vb = weights.builder();
    Denoiser::new(&vb.pp("denoiser"), &config.denoiser).unwrap();
    let adapter = config.adapter.clone().fitting(&config.denoiser);
    Adapter::new(&vb.pp("adapter"), &adapter).unwrap();
    let name = folder.file_name().unwrap().to_str().unwrap();
    let mut card = card(name, task, serde_json::to_value(&config).unwrap());
    if task == Task::Refiner {
        // Cells that halve twice.
        card.native_size = [32; 2];
    }
    card.student = student;
    let need = Need {
        name: coder.card.name.clone(),
        hash: coder.hash(),
    };
    card.needs.insert(Task::Autoencoder.name().to_owned(), need);
    folder::save(folder, card, &moved(&weights)).unwrap();
}

/// Tiny models in a folder: autoencoder, diffusion, reader, and a student if asked for.
pub(super) fn models(folder: &Path, with_student: bool) {
    let weights = Weights::new(1);
    let config = autoencoder::Config::tiny();
    Autoencoder::new(&weights.builder(), &config).unwrap();
    let card_of = |task, configuration| {
        let mut card = card(Task::name(task), task, configuration);
        if task == Task::Autoencoder {
            card.names = None;
        }
        card
    };
    let configuration = serde_json::to_value(&config).unwrap();
    let coder = card_of(Task::Autoencoder, configuration);
    folder::save(&folder.join("autoencoder"), coder, &moved(&weights)).unwrap();
    let coder = ModelFolder::open(&folder.join("autoencoder")).unwrap();
    diffusion(&folder.join("diffusion"), 2, &coder, None);
    if with_student {
        let student = Student {
            steps: vec![1, 2, 4],
            guidance: [1.0, 3.0],
        };
        diffusion(&folder.join("student"), 3, &coder, Some(student));
    }
    let weights = Weights::new(4);
    let config = reader::Config::tiny();
    Reader::new(&weights.builder(), &config).unwrap();
    let configuration = serde_json::to_value(&config).unwrap();
    let reader = card_of(Task::Reader, configuration);
    folder::save(&folder.join("reader"), reader, &moved(&weights)).unwrap();
}

pub(super) struct Bench {
    store: Arc<Mutex<ModelStore>>,
    engine: LocalEngine,
    _folder: tempfile::TempDir,
}

impl Bench {
    pub(super) fn new(with_student: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        models(folder.path(), with_student);
        Self::over(folder)
    }

    /// With a model that draws images again.
    pub(super) fn with_refiner() -> Self {
        let folder = tempfile::tempdir().unwrap();
        models(folder.path(), false);
        let coder = ModelFolder::open(&folder.path().join("autoencoder")).unwrap();
        flow(
            &folder.path().join("refiner"),
            Task::Refiner,
            5,
            &coder,
            None,
        );
        Self::over(folder)
    }

    pub(super) fn over(folder: tempfile::TempDir) -> Self {
        let store = ModelStore::new(vec![folder.path().to_owned()], Wanted::Processor);
        let store = Arc::new(Mutex::new(store));
        Self {
            engine: LocalEngine::new(Arc::clone(&store)),
            store,
            _folder: folder,
        }
    }

    pub(super) fn ask(&mut self, request: &Request) -> Outcome {
        let mut on = |_| ControlFlow::Continue(());
        match self.asked(request, &mut on).unwrap() {
            Product::Outcome(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn asked(
        &mut self,
        request: &Request,
        observe: &mut Observe<'_>,
    ) -> Result<Product, Error> {
        self.engine
            .carry_out(&Order::Generate(request.clone()), observe)
    }

    /// An order that asks so many times whether to go on ends at whichever of them says no, and asks no more.
    pub(super) fn stops_at_every_question(&mut self, order: &Order, questions: usize) {
        for last in 0..questions {
            let mut count = 0;
            let stopped = self.engine.carry_out(order, &mut |_| {
                count += 1;
                if count > last {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
            assert_eq!(stopped.unwrap_err().kind, ErrorKind::Stopped);
            assert_eq!(count, last + 1, "it asked again after it was stopped");
        }
    }

    fn made(&mut self, request: &Request) -> Made {
        self.ask(request).images.remove(0)
    }

    /// What the model that draws again did not compute again.
    pub(super) fn refiner_counts(&self) -> Counts {
        let store = self.store.lock().unwrap();
        let refiner = store
            .loaded()
            .find_map(|(_, loaded)| loaded.refiner.clone());
        refiner.unwrap().kept.counts()
    }

    fn counts(&self, name: &str) -> Counts {
        let store = self.store.lock().unwrap();
        let found = store.loaded().find(|(loaded, _)| *loaded == name);
        found.map(|(_, generator)| generator.kept.counts()).unwrap()
    }
}

pub(super) fn film(width: usize, height: usize) -> Arc<Radiograph> {
    let mut noise = Noise::new(8, 0);
    Arc::new(Radiograph::from_pixels(Pixels::U16(Grid::from_fn(
        width,
        height,
        |x, y| (900 + 9 * x + 5 * y + noise.index(60)) as u16,
    ))))
}

fn line(size: usize, column: usize) -> Grid<u8> {
    Grid::from_fn(size, size, |x, _| if x == column { 255 } else { 0 })
}

pub(super) fn sketch() -> Request {
    let mut request = Request::new(Mode::Sketch, ModelReference::default());
    request.source = Some(film(PX, PX));
    request.hint = Some(line(PX, 20));
    "hip".clone_into(&mut request.attributes.kind);
    request.attributes.findings.insert("mass".to_owned(), true);
    request.steps = 6;
    request
}

pub(super) fn pixels(made: &Made) -> String {
    hash_of(&made.radiograph.pixels)
}

#[test]
fn a_finding_that_the_model_does_not_know_is_said_to_be_left_out() {
    let mut bench = Bench::new(false);
    let mut request = sketch();
    request.attributes.findings.insert("mass=yes".into(), true);
    request.preview = true;
    bench.ask(&request);
    assert_eq!(bench.engine.notices(), Vec::<String>::new());
    request.preview = false;
    bench.ask(&request);
    let said = bench.engine.notices().join("; ");
    assert!(said.contains("does not know mass=yes"), "{said}");
}

#[test]
fn previews_are_the_students_and_what_is_kept_is_the_teachers() {
    let mut bench = Bench::new(true);
    let mut request = sketch();
    let full = bench.ask(&request);
    assert_eq!(full.request.model.name, "diffusion");
    assert_eq!((full.request.steps, full.request.guidance), (6, 1.5));
    request.preview = true;
    let preview = bench.ask(&request);
    assert_eq!(preview.request.model.name, "student");
    assert_eq!((preview.request.steps, preview.request.guidance), (4, 1.5));
    // Fewer steps are the student's as well: the very first answer takes one.
    for (asked, taken) in [(1, 1), (2, 2), (3, 2), (4, 4), (50, 4)] {
        request.steps = asked;
        assert_eq!(bench.ask(&request).request.steps, taken, "of {asked}");
    }
    request.steps = 6;
    // Guidance is kept where the student was taught it, and held to what it was taught.
    request.guidance = 7.0;
    assert_eq!(bench.ask(&request).request.guidance, 3.0);
    request.guidance = 1.5;
    // The record names the student by its weights: it gives the same image again, and is changed by nothing.
    let again = bench.ask(&preview.request);
    assert_eq!(pixels(&again.images[0]), pixels(&preview.images[0]));
    assert_eq!(again.request, preview.request);
    let mut named = request.clone();
    named.model = full.request.model.clone();
    assert_eq!(bench.ask(&named).request.model.name, "diffusion");
    // What is left of the path takes its share of the steps.
    let (region, latent) = preview.images[0].latent.clone().unwrap();
    request.warm = Some(WarmStart {
        t: 0.5,
        region,
        latent,
    });
    assert_eq!(bench.ask(&request).request.steps, 2);
    request.steps = 1;
    assert_eq!(bench.ask(&request).request.steps, 1);
    request.steps = 6;
    // An image of a kind that the student does not know, and a machine without one.
    request.warm = None;
    "jaw".clone_into(&mut request.attributes.kind);
    assert_eq!(bench.ask(&request).request.model.name, "diffusion");
    let mut alone = Bench::new(false);
    let outcome = alone.ask(&request);
    assert_eq!(outcome.request.model.name, "diffusion");
    assert_eq!(outcome.request.steps, 6);
    // Without a student a preview is not guided: it would take twice as long.
    assert_eq!(outcome.request.guidance, 1.0);
    request.preview = false;
    assert_eq!(alone.ask(&request).request.guidance, 1.5);
}

#[test]
fn what_does_not_change_is_not_computed_again_and_changes_nothing() {
    let mut bench = Bench::new(false);
    let mut request = sketch();
    bench.ask(&request);
    let first = bench.counts("diffusion");
    assert_eq!(first.hints, (2, 0), "the empty hint and the drawn one");
    assert_eq!(first.latents.0, 0, "a sketch needs no latent of the film");
    request.seed = 5;
    let reseeded = bench.made(&request);
    let second = bench.counts("diffusion");
    assert_eq!(second.hints, (2, 2));
    assert_eq!(second.vectors.0, first.vectors.0, "the same moments");
    request.steps = 3;
    bench.ask(&request);
    let third = bench.counts("diffusion");
    assert_eq!(third.hints, (2, 4), "steps leave the drawing alone");
    request.hint = Some(line(PX, 40));
    bench.ask(&request);
    let fourth = bench.counts("diffusion");
    assert_eq!(fourth.hints, (3, 5), "one new line");
    assert_eq!(
        fourth.vectors.0, third.vectors.0,
        "lines leave labels alone"
    );
    // A fresh engine gives the same image to the last bit.
    request = sketch();
    request.seed = 5;
    assert_eq!(pixels(&Bench::new(false).made(&request)), pixels(&reseeded));
    // Inpainting: the film's latent stays while the mask grows.
    request.mode = Mode::Inpaint;
    request.mask = Some(line(PX, 30));
    bench.ask(&request);
    let painted = bench.counts("diffusion").latents;
    assert_eq!(
        painted.0, 2,
        "the film, and the film without the painted part"
    );
    request.mask = Some(line(PX, 31));
    bench.ask(&request);
    assert_eq!(
        bench.counts("diffusion").latents,
        (painted.0 + 1, painted.1 + 1)
    );
}

#[test]
fn a_warm_start_is_recorded_and_reproduces_to_the_last_bit() {
    let mut bench = Bench::new(false);
    let mut request = sketch();
    request.preview = true;
    let cold = bench.made(&request);
    let (region, latent) = cold.latent.clone().unwrap();
    request.hint = Some(line(PX, 24));
    request.steps = 3;
    let without = bench.made(&request);
    request.warm = Some(WarmStart {
        t: 0.5,
        region,
        latent,
    });
    let outcome = bench.ask(&request);
    let warm = &outcome.images[0];
    assert_ne!(pixels(warm), pixels(&without));
    let record = Record::of(&outcome.request, warm, 1.0);
    let text = serde_json::to_string(&record).unwrap();
    let read: Record = serde_json::from_str(&text).unwrap();
    let mut other = Bench::new(false);
    // The weights of another folder are the same, drawn from the same seeds.
    assert_eq!(pixels(&other.made(&read.request)), record.sha256);
    // Another square of the image: the latent is left alone.
    let mut elsewhere = request.clone();
    if let Some(warm) = &mut elsewhere.warm {
        warm.region.x += 8;
    }
    assert_eq!(pixels(&bench.made(&elsewhere)), pixels(&without));
    for spoil in [
        (|r: &mut Request| r.count = 2) as fn(&mut Request),
        |r| r.warm.as_mut().unwrap().t = 1.0,
        |r| r.warm.as_mut().unwrap().latent.shape = [1, 2, 3],
        |r| r.warm.as_mut().unwrap().latent.values[7] = f32::NAN,
    ] {
        let mut request = request.clone();
        spoil(&mut request);
        let order = Order::Generate(request);
        let error = bench
            .engine
            .carry_out(&order, &mut |_| ControlFlow::Continue(()));
        assert_eq!(error.unwrap_err().kind, ErrorKind::Usage);
    }
    assert!(bench.made(&sketch()).latent.is_none(), "previews only");
}

#[test]
fn a_mask_larger_than_the_model_is_gone_over_twice() {
    let mut bench = Bench::new(false);
    let mut request = sketch();
    request.mode = Mode::Inpaint;
    request.source = Some(film(300, 200));
    request.hint = None;
    request.mask = Some(Grid::from_fn(300, 200, |x, y| {
        if (x as i64 - 120).pow(2) + (y as i64 - 90).pow(2) < 1600 {
            255
        } else {
            0
        }
    }));
    request.steps = 5;
    let order = Order::Generate(request.clone());
    let mut seen = Vec::new();
    let product = bench.engine.carry_out(&order, &mut |progress| {
        seen.push((progress.step, progress.steps));
        ControlFlow::Continue(())
    });
    // Parts between two steps ask as well.
    let questions = seen.len();
    seen.retain(|(_, steps)| *steps > 0);
    seen.dedup();
    let Ok(Product::Outcome(outcome)) = product else {
        panic!("no image");
    };
    let twice = &outcome.images[0];
    let steps: Vec<_> = (0..=7).map(|step| (step, 7)).collect();
    assert_eq!(seen, steps, "five steps, and 0.4 of them again");
    // Two latents a pass, two decoders, the readings: each can be stopped.
    assert!(questions >= 7 + 4 + 2 + 2, "{questions} questions");
    bench.stops_at_every_question(&order, questions);
    request.passes = 1;
    let once = bench.made(&request);
    assert_ne!(pixels(twice), pixels(&once));
    assert_eq!(twice.changed.cells(), once.changed.cells());
    assert_eq!(
        (twice.changed_outside_ring, once.changed_outside_ring),
        (0, 0)
    );
    assert_eq!(pixels(&bench.made(&outcome.request)), pixels(twice));
    // A request that was written before there were second passes has one.
    let mut value = serde_json::to_value(&request).unwrap();
    value.as_object_mut().unwrap().remove("passes");
    let old: Request = serde_json::from_value(value).unwrap();
    assert_eq!(old.passes, 1);
}

#[test]
fn a_reading_of_hips_stops_before_any_look() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models");
    let mut engine = LocalEngine::over(vec![models], Wanted::Processor);
    let hip = radcanvas::phantom::hip::draw(11, &radcanvas::phantom::hip::HipOptions::default());
    let order = Order::Measure(Measurement::Hips {
        radiograph: Arc::new(Radiograph::from_pixels(Pixels::U16(hip.image))),
        window: None,
    });
    // One look at the film, then two at each hip, twice.
    for last in [0, 1, 3, 6, 8, 9] {
        let mut count = 0;
        let read = engine.carry_out(&order, &mut |progress| {
            assert_eq!((progress.step, progress.steps), (count, 9));
            count += 1;
            if count > last {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        assert_eq!(count, (last + 1).min(9));
        match read {
            Err(error) => assert_eq!(error.kind, ErrorKind::Stopped),
            Ok(_) => assert_eq!(last, 9, "it read on"),
        }
    }
}

#[test]
fn the_reader_says_what_kind_of_image_it_is() {
    let mut bench = Bench::new(false);
    let order = Order::Measure(Measurement::Kind {
        radiograph: film(90, 70),
        window: None,
    });
    let product = bench
        .engine
        .carry_out(&order, &mut |_| ControlFlow::Continue(()));
    let Ok(Product::Reading(Reading::Kind(kinds))) = product else {
        panic!("no kinds");
    };
    let names: Vec<&str> = kinds.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names == ["chest", "hip"] || names == ["hip", "chest"]);
    assert!((kinds.iter().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-9);
    assert!(kinds[0].1 >= kinds[1].1 && kinds[1].1 > 0.0);
}
