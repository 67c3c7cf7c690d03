//! Pictures to look at; not kept.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use egui::vec2;
use egui_kittest::Harness;
use radcanvas::app::action::Action;
use radcanvas::app::canvas::CanvasEvent;
use radcanvas::app::live::Quality;
use radcanvas::app::session::ModelChoice;
use radcanvas::app::{App, Denoised, Start};
use radcanvas::document::{Document, Edit, Layer, Mark, Operation, Shape, StrokePoint};
use radcanvas::engine::{LocalEngine, ModelStore};
use radcanvas::geometry::Point;
use radcanvas::job::{
    Engine, Made, Mode, ModelReference, Order, Product, Request, WarmStart, Worker,
};
use radcanvas::landmarks::{HipPoint, Side};
use radcanvas::network::device::Wanted;
use radcanvas::phantom::hip::{self, HipOptions};
use radcanvas::radiograph::{Pixels, Radiograph, export};

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models")
}

fn arc(layer: Layer, center: (f64, f64), r: f64, from: f64, to: f64, width: f64) -> Mark {
    let points = (0..=24).map(|i| {
        let a = from + (to - from) * f64::from(i) / 24.0;
        StrokePoint {
            at: Point::new(center.0 + r * a.cos(), center.1 + r * a.sin()),
            pressure: 1.0,
        }
    });
    Mark {
        layer,
        operation: Operation::Paint,
        shape: Shape::Stroke {
            points: points.collect(),
            width,
            smooth: true,
        },
    }
}

#[test]
#[ignore = "pictures"]
fn warm_chain() {
    let out = PathBuf::from("/tmp/lp_pictures");
    std::fs::create_dir_all(&out).unwrap();
    let mut engine = LocalEngine::over(vec![models()], Wanted::Processor);
    let film = hip::draw(11, &HipOptions::default());
    let film = Arc::new(Radiograph::from_pixels(Pixels::U16(film.image)));
    let size = film.width() as f64;
    let mut document = Document::new(Arc::clone(&film));
    let mut ask = |document: &Document, steps: usize, warm: Option<&Made>, name: &str| -> Made {
        let mut request = Request::new(Mode::Sketch, ModelReference::default());
        request.source = Some(Arc::clone(document.image()));
        request.hint = document.hint();
        "hip".clone_into(&mut request.attributes.kind);
        request.steps = steps;
        request.preview = true;
        request.warm = warm
            .and_then(|made| made.latent.clone())
            .map(|(region, latent)| WarmStart {
                t: 0.5,
                region,
                latent,
            });
        let began = std::time::Instant::now();
        let product = engine
            .carry_out(
                &Order::Generate(request),
                &mut |_| ControlFlow::Continue(()),
            )
            .unwrap();
        let Product::Outcome(mut outcome) = product else {
            panic!()
        };
        let made = outcome.images.remove(0);
        println!(
            "{name}: {:.0} ms, hint distance {:?}",
            began.elapsed().as_secs_f64() * 1e3,
            made.hint_distance_px
        );
        export(
            &out.join(format!("{name}.png")),
            &made.radiograph,
            &made.radiograph.pixels,
            true,
        )
        .unwrap();
        made
    };
    let t = std::f64::consts::TAU;
    let strokes = [
        arc(
            Layer::Sketch,
            (0.33 * size, 0.45 * size),
            0.055 * size,
            0.0,
            t,
            size / 128.0,
        ),
        arc(
            Layer::Sketch,
            (0.66 * size, 0.45 * size),
            0.055 * size,
            0.0,
            t,
            size / 128.0,
        ),
        arc(
            Layer::Sketch,
            (0.66 * size, 0.45 * size),
            0.075 * size,
            3.3,
            5.5,
            size / 128.0,
        ),
        arc(
            Layer::Sketch,
            (0.33 * size, 0.45 * size),
            0.075 * size,
            3.6,
            6.0,
            size / 128.0,
        ),
        arc(
            Layer::Sketch,
            (0.80 * size, 0.75 * size),
            0.20 * size,
            2.6,
            4.0,
            size / 128.0,
        ),
    ];
    let mut settled: Option<Made> = None;
    let mut chain: Option<Made> = None;
    for (n, stroke) in strokes.into_iter().enumerate() {
        document.apply(&Edit::AddMark(Arc::new(stroke))).unwrap();
        ask(&document, 1, None, &format!("{n}-cold1"));
        ask(&document, 1, settled.as_ref(), &format!("{n}-warm1"));
        let next = ask(
            &document,
            1,
            chain.as_ref().or(settled.as_ref()),
            &format!("{n}-chain1"),
        );
        chain = Some(next);
        settled = Some(ask(&document, 4, None, &format!("{n}-settled")));
    }
}

#[test]
#[ignore = "pictures"]
fn window_pictures() {
    let out = PathBuf::from("/tmp/lp_pictures");
    std::fs::create_dir_all(&out).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let drawn = hip::draw(11, &HipOptions::default());
    let film = Radiograph::from_pixels(Pixels::U16(drawn.image));
    let size = film.width() as f64;
    let path = folder.path().join("film.png");
    export(&path, &film, &film.pixels, false).unwrap();
    let names: Vec<String> = ModelStore::new(vec![models()], Wanted::Processor)
        .models()
        .into_iter()
        .filter(|m| {
            m.card.task == radcanvas::network::folder::Task::Diffusion && m.card.student.is_none()
        })
        .filter(|m| {
            m.card
                .names
                .as_ref()
                .is_some_and(|n| n.kind("hip").is_some())
        })
        .map(|m| m.card.name)
        .collect();
    let choice = ModelChoice {
        name: names[0].clone(),
        title: "hip".to_owned(),
        kind: "hip".to_owned(),
        ..ModelChoice::default()
    };
    let start = Start {
        files: vec![path],
        models: vec![choice],
        denoised: Some(Denoised::new(|request| {
            radcanvas::synthesis::denoised(request, 256)
        })),
        ..Start::default()
    };
    let mut harness: Harness<'static, App> = Harness::builder()
        .with_size(vec2(1500.0, 980.0))
        .wgpu()
        .build_eframe(|cc| {
            let store = Arc::new(Mutex::new(ModelStore::new(
                vec![models()],
                Wanted::Processor,
            )));
            let worker = Worker::start(
                move || Ok(Box::new(LocalEngine::new(Arc::clone(&store))) as Box<dyn Engine>),
                Box::new(|| ()),
                None,
            )
            .unwrap();
            App::new(&cc.egui_ctx, start, worker, cc.wgpu_render_state.as_ref())
        });
    let wait = |harness: &mut Harness<'static, App>, what: &str, done: &dyn Fn(&App) -> bool| {
        let began = std::time::Instant::now();
        while !done(harness.state()) {
            harness.step();
            assert!(began.elapsed().as_secs() < 200, "never {what}");
        }
        println!("{what}: {:.0} ms", began.elapsed().as_secs_f64() * 1e3);
        harness.run_steps(4);
    };
    let keep = |harness: &mut Harness<'static, App>, name: &str| {
        for _ in 0..6 {
            harness.step();
            harness.render().ok();
        }
        harness.render().unwrap().save(out.join(name)).unwrap();
    };
    wait(&mut harness, "open", &|app| app.session().open().is_some());
    wait(&mut harness, "idle", &|app| app.session().jobs.is_empty());
    let mut recipe = harness.state().session().recipe.clone();
    recipe.mode = Mode::Inpaint;
    harness
        .state_mut()
        .act(Action::Recipe(Box::new(recipe.clone())));
    let mark = arc(
        Layer::Mask,
        (0.66 * size, 0.45 * size),
        0.04 * size,
        0.0,
        6.3,
        0.06 * size,
    );
    harness.state_mut().act(Action::Canvas(
        Layer::Mask,
        Box::new(CanvasEvent::Mark(mark)),
    ));
    wait(&mut harness, "contour", &|app| {
        !app.session().contour.edges.is_empty()
    });
    keep(&mut harness, "window-contour.png");
    harness.state_mut().act(Action::PlaceHips);
    recipe.mode = Mode::Sketch;
    recipe.hips_as_placed = true;
    harness.state_mut().act(Action::Recipe(Box::new(recipe)));
    harness.state_mut().act(Action::Live(true));
    let quality = |wanted: Quality| {
        move |app: &App| {
            app.session()
                .live
                .result
                .as_ref()
                .is_some_and(|r| r.quality == wanted)
        }
    };
    wait(&mut harness, "quick", &quality(Quality::Quick));
    wait(&mut harness, "settled", &quality(Quality::Settled));
    wait(&mut harness, "points", &|app| {
        app.session()
            .live
            .result
            .as_ref()
            .is_some_and(|r| r.made.hips.is_some())
    });
    keep(&mut harness, "window-placed.png");
    let placed = harness
        .state()
        .session()
        .open()
        .unwrap()
        .document()
        .landmarks
        .unwrap();
    for i in 1..=8 {
        let event = CanvasEvent::MoveLandmark {
            side: Side::Left,
            point: HipPoint::Center,
            to: placed.left.center + Point::new(0.01 * size, 0.008 * size) * f64::from(i),
            done: i == 8,
        };
        harness
            .state_mut()
            .act(Action::Canvas(Layer::Sketch, Box::new(event)));
        harness.step();
    }
    wait(&mut harness, "quick after drag", &quality(Quality::Quick));
    keep(&mut harness, "window-dragged-quick.png");
    wait(&mut harness, "points after drag", &|app| {
        app.session()
            .live
            .result
            .as_ref()
            .is_some_and(|r| r.quality >= Quality::Settled && r.made.hips.is_some())
    });
    keep(&mut harness, "window-dragged.png");
}

#[test]
#[ignore = "timing"]
fn batch_or_one_by_one() {
    use candle_core::{DType, Device, Tensor};
    use radcanvas::network::condition::{Condition, Moment};
    use radcanvas::network::control;
    let place = radcanvas::network::device::Place::default();
    let (diffusion, folder) =
        radcanvas::network::folder::load_refiner(&models().join("refiner"), &place).unwrap();
    let size = folder.card.native_size[0];
    let cells = size / 8;
    let lines = radcanvas::grid::Grid::filled(size, size, 0.0_f32);
    let began = std::time::Instant::now();
    let one = diffusion
        .adapter
        .forward(&control::hint(&lines, None).unwrap())
        .unwrap();
    println!(
        "adapter, one: {:.0} ms (first)",
        began.elapsed().as_secs_f64() * 1e3
    );
    for _ in 0..3 {
        let began = std::time::Instant::now();
        diffusion
            .adapter
            .forward(&control::hint(&lines, None).unwrap())
            .unwrap();
        let adapter = began.elapsed().as_secs_f64();
        let vector = diffusion
            .denoiser
            .embed(&[Condition::default()], &[Moment::plain(0.5)])
            .unwrap();
        let channels = 4;
        let channels = std::env::var("LATENT")
            .ok()
            .and_then(|c| c.parse().ok())
            .unwrap_or(channels);
        let x = Tensor::zeros(
            (1, 2 * channels + 1, cells, cells),
            DType::F32,
            &Device::Cpu,
        )
        .unwrap();
        let began = std::time::Instant::now();
        for _ in 0..9 {
            diffusion
                .denoiser
                .forward(&x, &vector, Some(&one), None)
                .unwrap();
        }
        let single = began.elapsed().as_secs_f64();
        let nine = |t: &Tensor| Tensor::cat(&vec![t.clone(); 9], 0).unwrap();
        let (x, vector) = (nine(&x), nine(&vector));
        let added: Vec<Tensor> = one.iter().map(nine).collect();
        let began = std::time::Instant::now();
        diffusion
            .denoiser
            .forward(&x, &vector, Some(&added), None)
            .unwrap();
        let batch = began.elapsed().as_secs_f64();
        println!(
            "adapter {:.0} ms, nine singles {:.0} ms, batch of nine {:.0} ms, ratio {:.2}",
            adapter * 1e3,
            single * 1e3,
            batch * 1e3,
            single / batch
        );
    }
}

#[test]
#[ignore = "leaves tiny models behind"]
fn tiny_models() {
    std::mem::forget(super::engine::Bench::with_refiner());
}
