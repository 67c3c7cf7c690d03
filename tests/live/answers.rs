//! Live mode in the window: quick answers, better ones, points read in between, hips that follow their points.

use std::time::{Duration, Instant};

use egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use radcanvas::app::action::Action;
use radcanvas::app::canvas::CanvasEvent;
use radcanvas::app::live::Quality;
use radcanvas::app::session::Recipe;
use radcanvas::app::{App, Denoised, Start};
use radcanvas::document::{Layer, Mark, Operation, Shape, StrokePoint, Tip};
use radcanvas::geometry::Point;
use radcanvas::job::{
    Engine, Error, Fake, Measurement, Mode, Observe, Order, Product, Progress, Request, Worker,
};
use radcanvas::landmarks::{HipPoint, Side};

use crate::app::{film, model, opened, until, window, window_with};

fn recipe(harness: &mut Harness<'static, App>, change: impl FnOnce(&mut Recipe)) {
    let mut recipe = harness.state().session().recipe.clone();
    change(&mut recipe);
    harness.state_mut().act(Action::Recipe(Box::new(recipe)));
}

/// A short stroke somewhere.
fn stroke(harness: &mut Harness<'static, App>, layer: Layer, x: f64) {
    let points = [x, x + 6.0].map(|x| StrokePoint {
        at: Point::new(x, 40.0),
        pressure: 1.0,
    });
    let mark = Mark {
        layer,
        operation: Operation::Paint,
        shape: Shape::Stroke {
            points: points.to_vec(),
            width: 3.0,
            smooth: false,
            tip: Tip::Round,
        },
    };
    let event = CanvasEvent::Mark(mark);
    harness
        .state_mut()
        .act(Action::Canvas(layer, Box::new(event)));
}

/// What the first answer of this quality was asked for with; a better one may follow within a frame.
fn answer(harness: &mut Harness<'static, App>, wanted: Quality) -> Request {
    let begin = Instant::now();
    loop {
        let shown = harness.state().session().live.result.as_ref();
        if let Some(shown) = shown.filter(|shown| shown.quality == wanted) {
            return (*shown.request).clone();
        }
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "never {wanted:?}"
        );
        harness.step();
    }
}

#[test]
fn one_step_answers_at_once_and_a_pause_brings_more() {
    let mut opened = opened();
    let harness = &mut opened.harness;
    recipe(harness, |recipe| {
        recipe.mode = Mode::Sketch;
        recipe.steps = 7;
        recipe.guidance = 2.0;
    });
    harness.state_mut().act(Action::Live(true));
    stroke(harness, Layer::Sketch, 30.0);
    harness.step();
    let quick = answer(harness, Quality::Quick);
    // The engine knows whether there is a student that guidance costs nothing: the window leaves it as it is.
    assert_eq!((quick.steps, quick.preview, quick.guidance), (1, true, 2.0));
    assert!(quick.warm.is_none(), "there was nothing to begin with");
    let settled = answer(harness, Quality::Settled);
    assert_eq!((settled.steps, settled.preview), (4, true));
    assert!(
        settled.warm.is_none(),
        "what settles does not add up errors"
    );
    let full = answer(harness, Quality::Full);
    assert_eq!((full.steps, full.preview), (7, false));
    // Several small edits since the last preview, of lines and mask: the next one begins with it.
    stroke(harness, Layer::Sketch, 50.0);
    stroke(harness, Layer::Sketch, 70.0);
    stroke(harness, Layer::Mask, 60.0);
    let warm = answer(harness, Quality::Quick);
    assert!(warm.warm.is_some());
    // All that changed together, whatever its shape.
    answer(harness, Quality::Settled);
    for x in 0..16 {
        stroke(harness, Layer::Sketch, f64::from(10 * x));
        stroke(harness, Layer::Mask, f64::from(10 * x));
    }
    let stripe = answer(harness, Quality::Quick);
    assert!(stripe.warm.is_some(), "a long thin stripe is small");
    answer(harness, Quality::Settled);
    recipe(harness, |recipe| recipe.seed += 1);
    assert!(
        answer(harness, Quality::Quick).warm.is_none(),
        "another seed"
    );
}

/// Makes previews without points, and reads them for as long as it is let.
struct SlowReader(Fake);

impl Engine for SlowReader {
    fn carry_out(&mut self, order: &Order, observe: &mut Observe<'_>) -> Result<Product, Error> {
        if let Order::Measure(Measurement::Hips { .. }) = order {
            for look in 0..4000 {
                std::thread::sleep(Duration::from_millis(5));
                if observe(Progress::reading(look, 4000)).is_break() {
                    return Err(Error::stopped());
                }
            }
        }
        let mut product = self.0.carry_out(order, observe)?;
        if let Product::Outcome(outcome) = &mut product {
            for made in &mut outcome.images {
                made.hips = None;
            }
        }
        Ok(product)
    }
}

#[test]
fn a_new_edit_ends_the_reading_of_the_answer_before() {
    let folder = tempfile::tempdir().unwrap();
    let start = Start {
        files: vec![film(folder.path())],
        models: vec![model()],
        ..Start::default()
    };
    let engine = || Ok(Box::new(SlowReader(Fake::default())) as Box<dyn Engine>);
    let worker = || Worker::start(engine, Box::new(|| ()), None).unwrap();
    let mut harness = window_with(start, worker);
    let harness = &mut harness;
    until(harness, "open", |app| app.session().open().is_some());
    until(harness, "guess", |app| app.session().jobs.is_empty());
    recipe(harness, |recipe| recipe.mode = Mode::Sketch);
    harness.state_mut().act(Action::Live(true));
    stroke(harness, Layer::Sketch, 30.0);
    until(harness, "reading", |app| {
        app.session().live.reading.is_some()
    });
    let before = harness
        .state()
        .session()
        .live
        .result
        .as_ref()
        .unwrap()
        .revision;
    let asked = Instant::now();
    stroke(harness, Layer::Sketch, 50.0);
    until(harness, "the next answer", |app| {
        let shown = app.session().live.result.as_ref();
        shown.is_some_and(|shown| shown.revision > before)
    });
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    // Its own points are read next, and nobody is told that the others were not.
    until(harness, "its reading", |app| {
        app.session().live.reading.is_some()
    });
    assert_eq!(harness.state().session().jobs.len(), 1);
    let said = &harness.state().session().notices;
    assert!(said.iter().all(|notice| notice.text != "Stopped"));
    harness.state_mut().act(Action::CloseCase);
}

#[test]
fn hips_follow_their_points_and_settings_bring_them_back() {
    let mut opened = opened();
    let harness = &mut opened.harness;
    let row = |harness: &Harness<'static, App>| harness.query_by_label("Hips as placed").is_some();
    assert!(!row(harness), "nothing is placed");
    recipe(harness, |recipe| {
        recipe.mode = Mode::Sketch;
        recipe.count = 1;
    });
    harness.state_mut().act(Action::PlaceHips);
    harness.run_steps(3);
    harness.get_by_label("Hips as placed").click();
    harness.run_steps(3);
    assert!(harness.state().session().recipe.hips_as_placed);
    let placed = |harness: &Harness<'static, App>| {
        let open = harness.state().session().open().unwrap();
        open.document().landmarks.unwrap()
    };
    // Points alone say what to make: no line is needed.
    harness.state_mut().act(Action::Live(true));
    assert_eq!(
        answer(harness, Quality::Quick).landmarks,
        Some(placed(harness))
    );
    answer(harness, Quality::Full);
    // The points of the answer lie elsewhere; those that were placed can be dragged all the same.
    let to = Point::new(120.0, 66.0);
    for (to, done) in [(Point::new(118.0, 64.0), false), (to, true)] {
        let event = CanvasEvent::MoveLandmark {
            side: Side::Left,
            point: HipPoint::Center,
            to,
            done,
        };
        harness
            .state_mut()
            .act(Action::Canvas(Layer::Sketch, Box::new(event)));
    }
    assert_eq!(placed(harness).left.center, to);
    let followed = answer(harness, Quality::Quick);
    assert_eq!(followed.landmarks, Some(placed(harness)));
    assert!(followed.warm.is_none(), "moved points begin from noise");
    harness.run_steps(2);
    assert!(harness.query_by_label_contains("Placed for R").is_some());
    // A result of these points, other points, and back.
    harness.state_mut().act(Action::Live(false));
    harness.key_press_modifiers(egui::Modifiers::COMMAND, Key::Enter);
    until(harness, "result", |app| {
        !app.session().tray.items.is_empty()
    });
    let wanted = placed(harness);
    let item = &harness.state().session().tray.items[0];
    assert_eq!(item.request.landmarks, Some(wanted));
    let id = item.id;
    harness.state_mut().act(Action::Show(None));
    harness.state_mut().act(Action::PlaceHips);
    recipe(harness, |recipe| recipe.hips_as_placed = false);
    assert_ne!(placed(harness), wanted);
    harness.state_mut().act(Action::Show(Some(id)));
    harness.key_press(Key::U);
    harness.run_steps(2);
    assert!(harness.state().session().recipe.hips_as_placed);
    assert_eq!(placed(harness), wanted);
    // An image of another kind has no hips to follow.
    recipe(harness, |recipe| recipe.kind = "chest".to_owned());
    harness.run_steps(2);
    assert!(!row(harness));
}

#[test]
fn the_contour_of_what_is_denoised_follows_the_mask() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(Start {
        files: vec![film(folder.path())],
        models: vec![model()],
        // As the program's own: the cells of a latent.
        denoised: Some(Denoised::new(|request| {
            radcanvas::synthesis::denoised(request, 64)
        })),
        ..Start::default()
    });
    let harness = &mut harness;
    until(harness, "open", |app| app.session().open().is_some());
    assert!(
        harness.state().session().contour.edges.is_empty(),
        "nothing is painted"
    );
    stroke(harness, Layer::Mask, 40.0);
    let first = |harness: &mut Harness<'static, App>| {
        until(harness, "contour", |app| {
            !app.session().contour.edges.is_empty()
        });
        harness.state().session().contour.edges.clone()
    };
    let edges = first(harness);
    // The painted part lies inside, and with it cells that nobody painted.
    let xs = || edges.iter().flatten().map(|end| end.x);
    assert!(xs().fold(f64::MAX, f64::min) < 30.0 && xs().fold(f64::MIN, f64::max) > 58.0);
    stroke(harness, Layer::Mask, 100.0);
    until(harness, "another contour", |app| {
        app.session().contour.edges != edges
    });
    recipe(harness, |recipe| recipe.mode = Mode::Sketch);
    until(harness, "no contour", |app| {
        app.session().contour.edges.is_empty()
    });
}
