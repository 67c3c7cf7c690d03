//! The window, driven without a screen: the real app over a worker with the fake engine.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use egui::{Key, Modifiers, Pos2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use radcanvas::app::action::{Action, FrameChange};
use radcanvas::app::canvas::{CanvasEvent, Tool};
use radcanvas::app::demo::{Demo, RecordedPoint, RecordedStroke, Recording, Wish};
use radcanvas::app::keys::{self, COMMANDS, Keys};
use radcanvas::app::live::{Live, Quality};
use radcanvas::app::session::{ModelChoice, Overlay, Stage, Workspace};
use radcanvas::app::settings::Settings;
use radcanvas::app::{App, Start};
use radcanvas::document::{Edit, Layer};
use radcanvas::geometry::Point;
use radcanvas::grid::Grid;
use radcanvas::job::{Engine, FAIL_SEED, Fake, HEADLESS_SEED, JobId, Mode, Worker};
use radcanvas::landmarks::{HipPoint, Side};
use radcanvas::measure::norberg::norberg_degrees;
use radcanvas::radiograph::{Pixels, Radiograph, export};

pub(crate) fn model() -> ModelChoice {
    ModelChoice {
        quick: true,
        name: "fake".to_owned(),
        title: "Fake".to_owned(),
        kind: "hip".to_owned(),
        findings: vec!["effusion".to_owned()],
        steps: 3,
        controls: vec!["branch".to_owned()],
        loras: Vec::new(),
        reads_text: false,
    }
}

pub(crate) fn film(folder: &Path) -> PathBuf {
    let path = folder.join("film.png");
    let image = Grid::from_fn(160, 120, |x, y| (1000 + 100 * x + 7 * y) as u16);
    let image = Radiograph::from_pixels(Pixels::U16(image));
    export(&path, &image, &image.pixels, false).unwrap();
    path
}

/// A worker on this thread with the fake engine.
pub(crate) fn faked() -> Worker {
    Worker::inline(|| Ok(Box::new(Fake::default()) as Box<dyn Engine>))
}

pub(crate) fn window(start: Start) -> Harness<'static, App> {
    window_with(start, faked)
}

/// A window over a worker of one's own.
pub(crate) fn window_with(start: Start, worker: impl FnOnce() -> Worker) -> Harness<'static, App> {
    Harness::builder()
        .with_size(vec2(1400.0, 900.0))
        .with_max_steps(64)
        .build_eframe(|cc| {
            let render = cc.wgpu_render_state.as_ref();
            App::new(&cc.egui_ctx, start, worker(), render)
        })
}

/// Steps until `done`; files are read on threads of their own.
pub(crate) fn until(harness: &mut Harness<'static, App>, what: &str, done: impl Fn(&App) -> bool) {
    let begin = Instant::now();
    while !done(harness.state()) {
        harness.step();
        assert!(begin.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::yield_now();
    }
    harness.run_steps(2);
}

pub(crate) struct Opened {
    pub(crate) harness: Harness<'static, App>,
    folder: tempfile::TempDir,
}

pub(crate) fn opened() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let start = Start {
        files: vec![film(folder.path())],
        models: vec![model()],
        device: "CPU".to_owned(),
        keep: Some(folder.path().join("unsaved")),
        ..Start::default()
    };
    let mut harness = window(start);
    until(&mut harness, "open", |app| app.session().open().is_some());
    Opened { harness, folder }
}

pub(crate) fn marks(harness: &Harness<'static, App>, layer: Layer) -> usize {
    let open = harness.state().session().open().unwrap();
    open.document().marks_of(layer).count()
}

pub(crate) fn canvas_center(harness: &Harness<'static, App>, name: &str) -> Pos2 {
    harness.get_by_label(name).rect().center()
}

pub(crate) fn drag(harness: &mut Harness<'static, App>, from: Pos2, to: Pos2) {
    harness.hover_at(from);
    harness.step();
    harness.drag_at(from);
    harness.step();
    harness.hover_at(from + (to - from) * 0.5);
    harness.hover_at(to);
    harness.step();
    harness.drop_at(to);
    harness.run_steps(3);
}

#[test]
fn a_stroke_becomes_a_mark_and_is_undone_and_redone() {
    let mut opened = opened();
    let harness = &mut opened.harness;
    let at = canvas_center(harness, "Sketch canvas");
    drag(harness, at, at + vec2(40.0, 20.0));
    assert_eq!(marks(harness, Layer::Sketch), 1);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run_steps(2);
    assert_eq!(marks(harness, Layer::Sketch), 0, "undo");
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    harness.run_steps(2);
    assert_eq!(marks(harness, Layer::Sketch), 1, "redo");
    let at = canvas_center(harness, "Mask canvas");
    harness.key_press(Key::B);
    harness.run_steps(2);
    assert_eq!(harness.state().session().tool, Tool::Brush);
    drag(harness, at, at + vec2(30.0, 0.0));
    assert_eq!(marks(harness, Layer::Mask), 1);
}

#[test]
fn escape_drops_the_stroke_that_is_being_drawn() {
    let mut opened = opened();
    let harness = &mut opened.harness;
    let at = canvas_center(harness, "Sketch canvas");
    harness.hover_at(at);
    harness.step();
    harness.drag_at(at);
    harness.step();
    harness.hover_at(at + vec2(30.0, 10.0));
    harness.step();
    harness.key_press(Key::Escape);
    harness.run_steps(2);
    harness.drop_at(at + vec2(60.0, 10.0));
    harness.run_steps(3);
    assert_eq!(marks(harness, Layer::Sketch), 0);
    let open = harness.state().session().open().unwrap();
    assert!(!open.history().can_undo(), "nothing to undo");
}

/// Paints and generates, so that the tray holds results.
pub(crate) fn with_results() -> Opened {
    let mut opened = opened();
    let harness = &mut opened.harness;
    harness.state_mut().act(Action::Tool(Tool::Brush));
    let at = canvas_center(harness, "Mask canvas");
    drag(harness, at, at + vec2(60.0, 0.0));
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    until(harness, "results", |app| {
        !app.session().tray.items.is_empty()
    });
    opened
}

#[test]
fn generating_fills_the_tray_and_measures_diversity() {
    let opened = with_results();
    let session = opened.harness.state().session();
    assert_eq!(session.tray.items.len(), session.recipe.count);
    assert!(session.tray.dscore.value().is_some_and(|value| value > 0.0));
    assert!(session.jobs.is_empty());
    let first = session.tray.items[0].id;
    assert_eq!(session.shown, Some(first), "the first result is shown");
    assert!(session.tray.adds(first).is_some_and(|adds| adds > 0.0));
    assert!(
        opened.harness.query_by_label("SYNTHETIC").is_some(),
        "badge"
    );
    assert!(
        !session.open().unwrap().document().is_synthetic(),
        "not accepted yet"
    );
}

#[test]
fn accepting_makes_the_document_synthetic_and_can_be_undone() {
    let mut opened = with_results();
    let harness = &mut opened.harness;
    let count = harness.state().session().tray.items.len();
    let synthetic = |app: &App| app.session().open().unwrap().document().is_synthetic();
    harness.key_press(Key::Y);
    until(harness, "accept", synthetic);
    let session = harness.state().session();
    assert_eq!(session.tray.items.len(), count - 1);
    assert_eq!(marks(harness, Layer::Mask), 0, "a used mask is cleared");
    let record = &session.open().unwrap().document().accepted[0].record;
    assert_eq!(record["request"]["seed"], 1);
    assert_eq!(record["changed_outside_ring"], 0);
    assert!(harness.query_by_label("SYNTHETIC").is_some(), "badge");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run_steps(2);
    assert!(!synthetic(harness.state()), "undone");
    // A result of the image before is refused once pixels outside its ring differ.
    assert!(harness.query_by_label("SYNTHETIC").is_none(), "badge gone");
}

#[test]
fn rejecting_removes_one_result_and_shows_the_next() {
    let mut opened = with_results();
    let harness = &mut opened.harness;
    let ids: Vec<_> = harness
        .state()
        .session()
        .tray
        .items
        .iter()
        .map(|i| i.id)
        .collect();
    harness.key_press(Key::Delete);
    harness.run_steps(2);
    let session = harness.state().session();
    assert_eq!(session.tray.items.len(), ids.len() - 1);
    assert_eq!(session.shown, Some(ids[1]));
}

#[test]
fn dragging_a_hip_point_changes_the_angle_in_the_same_frame_and_is_one_step() {
    let mut opened = opened();
    let harness = &mut opened.harness;
    harness.state_mut().act(Action::PlaceHips);
    let points = |harness: &Harness<'static, App>| {
        let open = harness.state().session().open().unwrap();
        open.document().landmarks.unwrap()
    };
    let angle = |harness: &Harness<'static, App>| {
        norberg_degrees(&points(harness), Side::Left, None).unwrap()
    };
    let before = angle(harness);
    let rim = points(harness).left.rim;
    for (n, done) in [(1.0, false), (2.0, false), (3.0, true)] {
        let event = CanvasEvent::MoveLandmark {
            side: Side::Left,
            point: HipPoint::Rim,
            to: Point::new(rim.x + n, rim.y + n),
            done,
        };
        let app = harness.state_mut();
        app.act(Action::Canvas(Layer::Sketch, Box::new(event)));
        assert!((angle(harness) - before).abs() > 0.1 * n, "at once");
    }
    harness.step();
    let text = format!("{:.1}°", angle(harness));
    assert!(harness.query_by_label(&text).is_some(), "{text} is shown");
    harness.state_mut().act(Action::Undo);
    assert_eq!(angle(harness), before, "one drag, one step");
}

#[test]
fn finding_hips_shows_the_interval_until_a_point_is_moved() {
    let mut opened = opened();
    let harness = &mut opened.harness;
    harness.state_mut().act(Action::FindHips);
    until(harness, "points", |app| {
        app.session().open().unwrap().reading.is_some()
    });
    assert!(harness.query_by_label("[100.0, 110.0]").is_some());
    let to = Point::new(90.0, 50.0);
    let edit = Edit::MoveLandmark {
        side: Side::Left,
        point: HipPoint::Rim,
        to,
    };
    harness.state_mut().act(Action::Edit(Box::new(edit)));
    harness.run_steps(2);
    assert!(harness.query_by_label("[100.0, 110.0]").is_none());
}

#[test]
fn an_answer_without_both_femoral_heads_has_no_angle_and_one_with_them_has() {
    let mut opened = opened();
    let harness = &mut opened.harness;
    // The film's own angles must not stand in for those of an answer that has none.
    harness.state_mut().act(Action::PlaceHips);
    harness.run_steps(2);
    let angles = |harness: &Harness<'static, App>| harness.query_all_by_label_contains("°").count();
    assert_eq!(angles(harness), 2, "the film's own");
    harness.state_mut().act(Action::Live(true));
    harness.state_mut().act(Action::Tool(Tool::Brush));
    for (seed, shown) in [(HEADLESS_SEED, 0), (7, 2), (HEADLESS_SEED, 0)] {
        let mut recipe = harness.state().session().recipe.clone();
        recipe.seed = seed;
        harness.state_mut().act(Action::Recipe(Box::new(recipe)));
        let at = canvas_center(harness, "Mask canvas");
        drag(harness, at, at + vec2(50.0, 0.0));
        until(harness, "answer", |app| {
            let live = app.session().live.result.as_ref();
            live.is_some_and(|live| live.request.seed == seed)
        });
        assert_eq!(angles(harness), shown, "seed {seed}");
    }
    harness.state_mut().act(Action::BeforeAfter);
    harness.run_steps(2);
    assert_eq!(angles(harness), 2, "before means the film again");
}

#[test]
fn letters_typed_in_a_field_are_no_shortcuts() {
    let mut opened = opened();
    let harness = &mut opened.harness;
    let tool = harness.state().session().tool;
    harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
    harness.run_steps(3);
    for (key, text) in [(Key::B, "b"), (Key::R, "r")] {
        harness.key_press(key);
        harness.event(egui::Event::Text(text.to_owned()));
        harness.run_steps(2);
    }
    let session = harness.state().session();
    assert_eq!(session.tool, tool, "no tool was taken");
    assert_eq!(session.overlay, Overlay::Palette("br".to_owned(), 0));
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    assert_eq!(
        harness.state().session().tool,
        Tool::Brush,
        "the palette gave it"
    );
    assert_eq!(harness.state().session().overlay, Overlay::None);
}

#[test]
fn live_mode_answers_edits_and_an_error_switches_it_off() {
    let mut opened = opened();
    let harness = &mut opened.harness;
    harness.state_mut().act(Action::Live(true));
    harness.state_mut().act(Action::Tool(Tool::Brush));
    let at = canvas_center(harness, "Mask canvas");
    drag(harness, at, at + vec2(50.0, 0.0));
    until(harness, "answer", |app| app.session().live.result.is_some());
    let session = harness.state().session();
    assert!(session.live.on);
    assert!(session.tray.items.is_empty(), "an answer is no result");
    let mut recipe = session.recipe.clone();
    recipe.seed = FAIL_SEED;
    harness.state_mut().act(Action::Recipe(Box::new(recipe)));
    until(harness, "off", |app| !app.session().live.on);
    let said = &harness.state().session().notices;
    assert!(
        said.iter()
            .any(|notice| notice.text.contains("asked to fail"))
    );
}

#[test]
fn a_file_that_cannot_be_read_is_explained_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.png");
    std::fs::write(&path, b"not an image").unwrap();
    let mut harness = window(Start {
        files: vec![path],
        ..Start::default()
    });
    until(&mut harness, "failure", |app| {
        matches!(app.session().stage, Stage::Failed(_))
    });
    assert!(harness.query_by_label_contains("Copy details").is_some());
}

#[test]
fn unsaved_work_is_offered_again_and_untouched_work_is_forgotten() {
    let Opened {
        mut harness,
        folder,
    } = opened();
    let at = canvas_center(&harness, "Sketch canvas");
    drag(&mut harness, at, at + vec2(40.0, 20.0));
    drop(harness);
    let start = || Start {
        keep: Some(folder.path().join("unsaved")),
        ..Start::default()
    };
    let mut again = window(start());
    until(&mut again, "offer", |app| {
        !app.session().restorable.is_empty()
    });
    assert!(again.query_by_label("Restore").is_some());
    let path = again.state().session().restorable[0].clone();
    again.state_mut().act(Action::Restore(path));
    until(&mut again, "restored", |app| app.session().open().is_some());
    assert_eq!(marks(&again, Layer::Sketch), 1);
}

#[test]
fn the_frames_of_a_file_keep_what_was_made_on_them() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dicom/frames.dcm");
    let mut harness = window(Start {
        files: vec![fixture],
        keep: Some(folder.path().join("unsaved")),
        ..Start::default()
    });
    until(&mut harness, "open", |app| app.session().open().is_some());
    let frame = |app: &App| app.session().open().map(|o| o.document().original.frame);
    let value = |harness: &Harness<'static, App>| {
        let open = harness.state().session().open().unwrap();
        open.document().image().pixels.value(0, 0).unwrap()
    };
    assert_eq!((frame(harness.state()), value(&harness)), (Some(0), 0.0));
    harness.state_mut().act(Action::OneToOne);
    harness.key_press(Key::PageDown);
    until(&mut harness, "next", |app| frame(app) == Some(1));
    assert_eq!(value(&harness), 1036.0);
    assert!(!harness.state().session().view.fitted, "the view stays");
    let at = canvas_center(&harness, "Sketch canvas");
    drag(&mut harness, at, at + vec2(10.0, 6.0));
    assert_eq!(marks(&harness, Layer::Sketch), 1);
    // Beyond the last frame is the last frame.
    for _ in 0..5 {
        let step = Action::Frame(FrameChange::Step(1));
        harness.state_mut().act(step);
    }
    until(&mut harness, "last", |app| frame(app) == Some(2));
    assert_eq!(marks(&harness, Layer::Sketch), 0);
    let stack = harness.state().session().stack.as_ref().unwrap();
    assert_eq!((stack.frames(), stack.parked()), (3, 1));
    // Back: the frame that was drawn on comes back as it was left, with its undo.
    harness.state_mut().act(Action::Frame(FrameChange::To(1)));
    until(&mut harness, "back", |app| frame(app) == Some(1));
    assert_eq!(marks(&harness, Layer::Sketch), 1);
    harness.state_mut().act(Action::Undo);
    assert_eq!(marks(&harness, Layer::Sketch), 0);
}

#[test]
fn workspaces_and_panels_show_without_a_case() {
    let mut harness = window(Start::default());
    harness.run_steps(2);
    assert!(harness.query_by_label("Open a radiograph").is_some());
    harness.state_mut().act(Action::Workspace(Workspace::Hips));
    harness.state_mut().act(Action::Generate);
    harness.state_mut().act(Action::Undo);
    harness.state_mut().act(Action::Accept(None));
    harness.run_steps(2);
    assert!(harness.state().session().open().is_none());
}

#[test]
fn settings_survive_bad_data() {
    let check = |text: &str, warns: bool| {
        let (settings, warning) = Settings::parse(text);
        assert_eq!(warning.is_some(), warns, "{text}");
        settings
    };
    let good = Settings {
        pen_px: 7.5,
        ..Settings::default()
    };
    let text = serde_json::to_string(&good).unwrap();
    assert_eq!(check(&text, false), good);
    for bad in [
        "",
        "{",
        "[]",
        "{\"version\":99}",
        "{\"version\":1,\"theme\":3}",
    ] {
        assert_eq!(check(bad, true), Settings::default());
    }
    let wild = check("{\"version\":1,\"pen_px\":-3.0,\"brush_px\":1e99}", false);
    assert_eq!((wild.pen_px, wild.brush_px), (3.0, 24.0));
}

#[test]
fn every_default_key_can_be_read_and_is_given_once() {
    let mut seen = std::collections::BTreeMap::new();
    for command in COMMANDS {
        if command.default.is_empty() {
            continue;
        }
        let shortcut = keys::parse(command.default);
        assert!(shortcut.is_some(), "{}: {}", command.id, command.default);
        let written = keys::write(shortcut.unwrap());
        assert_eq!(keys::parse(&written), shortcut, "{written}");
        let other = seen.insert(written.clone(), command.id);
        assert_eq!(other, None, "{written} is given twice");
    }
    let mut changed = std::collections::BTreeMap::new();
    changed.insert("brush".to_owned(), "Ctrl+J".to_owned());
    let bound = Keys::new(&changed);
    assert_eq!(bound.label("brush"), "Ctrl+J");
    let taken = bound.conflict("pen", "Ctrl+J");
    let command = taken.and_then(|taken| taken.command());
    assert_eq!(command.map(|c| c.id), Some("brush"));
    assert!(bound.conflict("pen", "B").is_none());
}

#[test]
fn live_keeps_one_request_in_flight_and_coalesces() {
    let mut live = Live::default();
    let now = Instant::now();
    live.observe(1, now);
    assert_eq!(live.due_in(now), None, "off");
    live.switch(true);
    live.observe(1, now);
    assert_eq!(
        live.due_in(now),
        Some(Duration::ZERO),
        "no grace when quick"
    );
    live.sent(JobId(1), 1, (Quality::Quick, crate::live::basis(1)), now);
    live.observe(4, now);
    assert_eq!(live.due_in(now), None, "one in flight");
    live.dropped();
    live.observe(4, now);
    assert_eq!(live.due_in(now), Some(Duration::ZERO));
    live.sent(JobId(2), 4, (Quality::Quick, crate::live::basis(4)), now);
    live.observe(4, now);
    live.dropped();
    live.skip(4);
    live.observe(4, now);
    assert_eq!(live.due_in(now), None, "nothing new");
}

#[test]
fn the_demo_draws_its_recording_once_and_hands_over_the_pen() {
    let points = (0..=10)
        .map(|n| RecordedPoint {
            t: f64::from(n) * 0.1,
            x: f64::from(n),
            y: 5.0,
            pressure: 1.0,
        })
        .collect();
    let recording = Recording {
        strokes: vec![RecordedStroke {
            layer: Layer::Sketch,
            width: 3.0,
            points,
        }],
    };
    let whole = recording.pieces(-1.0, 2.0);
    let halves = recording.pieces(-1.0, 0.55).len() + recording.pieces(0.55, 2.0).len();
    assert!(whole.len() >= 3);
    assert_eq!(whole.len(), halves, "pieces come once");
    let mut demo = Demo::new();
    let begin = Instant::now();
    assert!(matches!(demo.wish(Some(&recording), begin), Wish::Wait(_)));
    let at = |seconds: f64| begin + Duration::from_secs_f64(seconds);
    assert!(matches!(
        demo.wish(Some(&recording), at(1.5)),
        Wish::Draw(_)
    ));
    assert!(matches!(
        demo.wish(Some(&recording), at(2.0)),
        Wish::Wait(_)
    ));
    demo.touch(at(3.0));
    assert!(matches!(
        demo.wish(Some(&recording), at(60.0)),
        Wish::Wait(_)
    ));
    assert_eq!(demo.wish(Some(&recording), at(93.5)), Wish::Reset);
    demo.restart();
    assert!(demo.attracts());
}

#[test]
fn the_recipe_becomes_the_request() {
    let mut opened = opened();
    let harness = &mut opened.harness;
    let mut recipe = harness.state().session().recipe.clone();
    assert_eq!(
        (recipe.model.as_str(), recipe.kind.as_str()),
        ("fake", "hip")
    );
    recipe.mode = Mode::Outpaint;
    recipe.ring_px = 5.0;
    recipe.findings.insert("effusion".to_owned(), true);
    let request = recipe.request();
    assert_eq!(request.ring.px, 5.0);
    assert_eq!(request.attributes.kind, "hip");
    assert_eq!(request.attributes.findings.get("effusion"), Some(&true));
    assert_eq!(request.steps, 3);
}

/// A renderer, or `None` where there is no graphics device; `RADCANVAS_REQUIRE_GPU=1` makes that a failure.
pub(crate) fn renderer() -> Option<egui_kittest::wgpu::WgpuTestRenderer> {
    let made = std::panic::catch_unwind(egui_kittest::wgpu::WgpuTestRenderer::new);
    if made.is_err() {
        let required = std::env::var("RADCANVAS_REQUIRE_GPU").is_ok_and(|value| value == "1");
        assert!(!required, "a graphics device is required here");
        eprintln!("skipped: no graphics device");
    }
    made.ok()
}

#[test]
fn the_film_stands_on_the_screen_in_its_own_grey() {
    let Some(renderer) = renderer() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let start = Start {
        files: vec![film(folder.path())],
        ..Start::default()
    };
    let mut harness = Harness::builder()
        .with_size(vec2(1200.0, 800.0))
        .with_max_steps(64)
        .renderer(renderer)
        .build_eframe(|cc| {
            let render = cc.wgpu_render_state.as_ref();
            App::new(&cc.egui_ctx, start, faked(), render)
        });
    until(&mut harness, "open", |app| app.session().open().is_some());
    let canvas = harness.get_by_label("Sketch canvas").rect();
    let picture = harness.render().unwrap();
    let grey = |share: f32| {
        let x = canvas.left() + canvas.width() * share;
        picture.get_pixel(x as u32, canvas.center().y as u32).0[0]
    };
    let (left, middle, right) = (grey(0.1), grey(0.5), grey(0.9));
    assert!(
        left + 40 < middle && middle + 40 < right,
        "{left} {middle} {right}"
    );
    let panel = picture.get_pixel(1190, 400).0;
    assert_eq!(&panel[..3], &[0x16, 0x19, 0x1C], "the dark panel");
}

#[test]
fn the_window_opens_as_large_as_a_hand_left_it_and_not_as_a_zoom_or_a_screen_did() {
    use radcanvas::app::frame::{SizeWatch, WindowFrame};
    let seen = |width: f32, height: f32, maximized: bool| egui::ViewportInfo {
        inner_rect: Some(egui::Rect::from_min_size(
            egui::Pos2::ZERO,
            egui::vec2(width, height),
        )),
        maximized: Some(maximized),
        ..egui::ViewportInfo::default()
    };
    let before = WindowFrame {
        size: [1720.0, 1100.0],
        maximized: false,
    };
    // A screen of twice the scale had room for 1200 × 750 only: nobody chose that.
    let mut small = SizeWatch::default();
    small.see(&seen(1200.0, 750.0, false), 1.0);
    assert_eq!(small.remembered(before), before);
    // Zoomed by Ctrl and plus, the same window has fewer points.
    let mut zoomed = SizeWatch::default();
    zoomed.see(&seen(1600.0, 1000.0, false), 1.0);
    zoomed.see(&seen(1200.0, 750.0, false), 4.0 / 3.0);
    assert_eq!(zoomed.remembered(before), before);
    // A hand drags its edge, then lets it fill the screen: both are remembered.
    let mut dragged = SizeWatch::default();
    dragged.see(&seen(1600.0, 1000.0, false), 1.0);
    dragged.see(&seen(1400.0, 900.0, false), 1.0);
    let left = WindowFrame {
        size: [1400.0, 900.0],
        maximized: false,
    };
    assert_eq!(dragged.remembered(before), left);
    dragged.see(&seen(2560.0, 1400.0, true), 1.0);
    let filled = WindowFrame {
        maximized: true,
        ..left
    };
    assert_eq!(dragged.remembered(before), filled);
    // It survives its written form, and a size of no use falls back.
    let settings = Settings {
        window: filled,
        ..Settings::default()
    };
    let text = serde_json::to_string(&settings).unwrap();
    assert_eq!(Settings::parse(&text).0.window, filled);
    let broken = text.replace("1400.0", "-3.0");
    assert_ne!(broken, text);
    assert_eq!(
        Settings::parse(&broken).0.window.size,
        WindowFrame::default().size
    );
}
