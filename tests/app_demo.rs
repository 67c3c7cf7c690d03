//! The demo of a conference: nothing of a visitor stays, nothing talks of files, every loop ends alike.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use egui::{Key, Modifiers, ViewportCommand, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use radcanvas::app::action::{Action, ExportKind, Theme};
use radcanvas::app::demo::{Demo, Recording, Wish};
use radcanvas::app::keys::COMMANDS;
use radcanvas::app::live::Quality;
use radcanvas::app::nodes::Ask;
use radcanvas::app::session::{ModelChoice, Stage, Weight, Workspace};
use radcanvas::app::{AddModel, App, Start};
use radcanvas::document::Layer;
use radcanvas::job::{
    Engine, Error, ErrorKind, Fake, Mode, Observe, Order, Product, Request, Worker,
};

use crate::app::{canvas_center, drag, marks, model, opened, until, window_with};

type Window = Harness<'static, App>;

/// What an engine was asked for in full quality, and whether it fails.
#[derive(Clone, Default)]
struct Heard {
    full: Arc<Mutex<Vec<Request>>>,
    live: Arc<Mutex<usize>>,
    fails: Arc<AtomicBool>,
}

struct Listening {
    heard: Heard,
    fake: Fake,
}

impl Engine for Listening {
    fn carry_out(&mut self, order: &Order, observe: &mut Observe<'_>) -> Result<Product, Error> {
        if let Order::Generate(request) = order {
            *self.heard.live.lock().unwrap() += 1;
            if !request.preview {
                self.heard.full.lock().unwrap().push(request.clone());
            }
            if self.heard.fails.load(Ordering::Relaxed) {
                return Err(Error::new(ErrorKind::Failed, "the engine broke"));
            }
        }
        self.fake.carry_out(order, observe)
    }
}

fn models() -> Vec<ModelChoice> {
    let chest = ModelChoice {
        kind: "chest".to_owned(),
        steps: 7,
        ..model()
    };
    vec![chest, model()]
}

/// The demo with its cases, and an engine that remembers what it was asked.
fn demo(heard: &Heard) -> Window {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/cases");
    let added = |_: &Path| Err(Error::new(ErrorKind::Usage, "no folder is asked for"));
    let start = Start {
        demo: true,
        cases: Some(cases),
        models: models(),
        add_model: Some(AddModel::new(added)),
        nodes: Some(PathBuf::from("no such nodes.json")),
        ..Start::default()
    };
    let heard = heard.clone();
    let engine = move || {
        let (heard, fake) = (heard.clone(), Fake::default());
        Ok(Box::new(Listening { heard, fake }) as Box<dyn Engine>)
    };
    let mut harness = window_with(start, || Worker::inline(engine));
    until(&mut harness, "case", is_open);
    harness
}

fn is_open(app: &App) -> bool {
    app.session().open().is_some()
}

fn recording(harness: &Window) -> Recording {
    let open = harness.state().session().open().unwrap();
    open.recording.clone().unwrap()
}

fn commands(harness: &Window) -> Vec<ViewportCommand> {
    let viewports = harness.output().viewport_output.values();
    viewports.flat_map(|view| view.commands.clone()).collect()
}

/// One frame in which a key is pressed, and what it asked of the screen.
fn press(harness: &mut Window, modifiers: Modifiers, key: Key) -> Vec<ViewportCommand> {
    harness.input_mut().events.push(egui::Event::Key {
        key,
        physical_key: None,
        pressed: true,
        repeat: false,
        modifiers,
    });
    harness.step();
    commands(harness)
}

fn pass(harness: &mut Window, seconds: f64) {
    harness
        .state_mut()
        .let_pass(Duration::from_secs_f64(seconds));
    harness.step();
}

#[test]
fn the_demo_keeps_the_whole_screen_and_has_one_way_out() {
    let mut harness = demo(&Heard::default());
    assert!(harness.state().session().full_screen);
    for (modifiers, key) in [(Modifiers::NONE, Key::F11), (Modifiers::COMMAND, Key::Q)] {
        let asked = press(&mut harness, modifiers, key);
        let leaves = |command: &ViewportCommand| {
            matches!(
                command,
                ViewportCommand::Close | ViewportCommand::Fullscreen(_)
            )
        };
        assert!(!asked.iter().any(leaves), "{key:?}: {asked:?}");
        assert!(harness.state().session().full_screen);
    }
    harness.state_mut().act(Action::Quit);
    harness.step();
    assert!(!commands(&harness).contains(&ViewportCommand::Close));
    // What a window manager, Ctrl and plus or a menu did is undone with everything else.
    harness.ctx.set_zoom_factor(1.5);
    harness.ctx.set_theme(egui::Theme::Light);
    harness.run_steps(2);
    assert_eq!(harness.ctx.zoom_factor(), 1.5);
    let asked = press(&mut harness, Modifiers::NONE, Key::F5);
    assert!(asked.contains(&ViewportCommand::Fullscreen(true)));
    harness.run_steps(2);
    assert_eq!(harness.ctx.zoom_factor(), 1.0);
    assert_eq!(harness.ctx.theme(), egui::Theme::Dark);
    assert!(harness.state().session().full_screen);
    let way_out = Modifiers::COMMAND | Modifiers::SHIFT;
    let asked = press(&mut harness, way_out, Key::Q);
    assert!(asked.contains(&ViewportCommand::Close), "{asked:?}");
}

/// What a file dialog could come of.
fn file_actions() -> Vec<Action> {
    let mut actions = vec![
        Action::OpenDialog,
        Action::Open(PathBuf::from("/somewhere/film.png")),
        Action::Restore(PathBuf::from("/somewhere/work")),
        Action::Discard(PathBuf::from("/somewhere/work")),
        Action::Save,
        Action::AddModel,
        Action::AddLora,
        Action::Nodes(Box::new(Ask::Show)),
    ];
    actions.extend(ExportKind::ALL.map(Action::Export));
    actions
}

#[test]
fn a_visitor_leaves_nothing_and_no_file_is_ever_asked_for() {
    let heard = Heard::default();
    let mut harness = demo(&heard);
    let title = |harness: &Window| {
        let open = harness.state().session().open().unwrap();
        open.title.clone()
    };
    let first = title(&harness);
    // A touch hands the pen over: the loop draws nothing more.
    let center = canvas_center(&harness, "Sketch canvas");
    drag(&mut harness, center, center + vec2(40.0, 20.0));
    let drawn = marks(&harness, Layer::Sketch);
    assert!(drawn > 0);
    for action in file_actions() {
        harness.state_mut().act(action.clone());
        let asks = |harness: &Window| harness.state().asks_for_files();
        assert!(!asks(&harness), "{action:?}");
        harness.step();
        assert!(!asks(&harness) && is_open(harness.state()), "{action:?}");
    }
    for key in [Key::O, Key::S] {
        press(&mut harness, Modifiers::COMMAND, key);
        assert!(!harness.state().asks_for_files(), "{key:?}");
    }
    for action in [
        Action::PacsButtons,
        Action::Theme(Theme::Light),
        Action::Bind("brush", Some("Q".to_owned())),
        Action::Workspace(Workspace::Hips),
        Action::Invert,
        Action::Live(false),
    ] {
        harness.state_mut().act(action);
    }
    assert!(!harness.state().settings().pacs_buttons && harness.state().settings().keys.is_empty());
    let mut recipe = harness.state().session().recipe.clone();
    recipe.seed = 77;
    recipe.mode = Mode::Outpaint;
    harness.state_mut().act(Action::Recipe(Box::new(recipe)));
    pass(&mut harness, 80.0);
    assert_eq!(marks(&harness, Layer::Sketch), drawn, "still the visitor's");
    // A pen that rests on the screen is a visitor too.
    harness.drag_at(center);
    harness.step();
    pass(&mut harness, 80.0);
    assert!(is_open(harness.state()));
    harness.drop_at(center);
    harness.step();
    pass(&mut harness, 91.0);
    assert!(matches!(
        harness.state().session().stage,
        Stage::Loading { .. }
    ));
    until(&mut harness, "case again", is_open);
    assert_eq!(title(&harness), first);
    let session = harness.state().session();
    assert_eq!(session.workspace, Workspace::Draw);
    assert_eq!(
        (session.recipe.seed, session.recipe.mode),
        (1, Mode::Sketch)
    );
    assert!(!session.view.invert && session.live.on);
    // Nor does any command, whatever key or line of the palette gives it.
    for command in COMMANDS.iter().filter(|command| command.id != "leave-demo") {
        harness.state_mut().act((command.action)());
        assert!(!harness.state().asks_for_files(), "{}", command.id);
    }
}

#[derive(Debug)]
struct Dropped;

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        Path::new("/somewhere/film.dcm")
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("nobody reads it".to_owned())
    }
}

#[test]
fn closing_starts_over_and_what_is_dropped_is_declined() {
    let mut harness = demo(&Heard::default());
    harness.input_mut().dropped_files.push(Arc::new(Dropped));
    harness.step();
    let session = harness.state().session();
    assert!(session.open().is_some());
    let said = session.notices.last().unwrap();
    assert_eq!(said.weight, Weight::Note);
    assert!(said.text.contains("its own cases"), "{}", said.text);
    harness.state_mut().act(Action::OpenCase(1));
    until(&mut harness, "another case", |app| {
        is_open(app) && app.session().recipe.kind == "chest"
    });
    press(&mut harness, Modifiers::COMMAND, Key::W);
    let begin = Instant::now();
    while !is_open(harness.state()) {
        assert!(harness.query_by_label("Open a radiograph").is_none());
        harness.step();
        assert!(begin.elapsed() < Duration::from_secs(20));
    }
    assert_eq!(harness.state().session().recipe.kind, "hip");
    // Letting go of the keys is no touch: the loop draws again.
    harness.key_up_modifiers(Modifiers::COMMAND, Key::W);
    harness.step();
    pass(&mut harness, 0.0);
    pass(&mut harness, 2.0);
    harness.step();
    assert!(marks(&harness, Layer::Sketch) > 0);
}

/// Words that a visitor has no use for.
const OF_FILES: [&str; 9] = [
    "Open…",
    "Save project",
    "Export",
    "Send and fetch",
    "PACS",
    "Full screen",
    "Quit",
    "Leave the demo",
    "Click a key",
];

#[test]
fn sheet_of_keys_and_palette_list_what_a_visitor_can_do() {
    let listed = |harness: &Window| -> Vec<&str> {
        let there = |words: &&str| harness.query_all_by_label_contains(words).count() > 0;
        OF_FILES.into_iter().filter(|words| there(words)).collect()
    };
    let mut opened = opened();
    opened.harness.state_mut().act(Action::Keys);
    opened.harness.run_steps(3);
    assert_eq!(listed(&opened.harness), OF_FILES, "in the plain window");
    let mut harness = demo(&Heard::default());
    harness.state_mut().act(Action::Keys);
    harness.run_steps(3);
    assert!(harness.query_all_by_label_contains("Brush").count() > 0);
    assert_eq!(listed(&harness), [""; 0]);
    harness.state_mut().act(Action::Palette);
    harness.run_steps(3);
    assert_eq!(listed(&harness), [""; 0]);
    for typed in ["export", "open", "quit", "pacs", "leave"] {
        let typed = Action::PaletteTyped(typed.to_owned(), 0);
        harness.state_mut().act(typed);
        harness.run_steps(2);
        assert!(harness.query_by_label("No command of this name").is_some());
    }
}

#[test]
fn live_is_the_visitors_to_switch_off() {
    let mut harness = demo(&Heard::default());
    assert!(harness.state().session().live.on);
    let center = canvas_center(&harness, "Sketch canvas");
    drag(&mut harness, center, center + vec2(20.0, 0.0));
    harness.state_mut().act(Action::Live(false));
    harness.run_steps(5);
    assert!(!harness.state().session().live.on);
    harness.state_mut().act(Action::ResetDemo);
    assert!(harness.state().session().live.on);
}

#[test]
fn an_error_of_live_mode_is_quiet_and_tried_again_ever_later() {
    let heard = Heard::default();
    heard.fails.store(true, Ordering::Relaxed);
    let mut harness = demo(&heard);
    let asked = |harness: &mut Window| {
        harness.run_steps(12);
        *heard.live.lock().unwrap()
    };
    pass(&mut harness, 0.0);
    pass(&mut harness, 3.0);
    assert_eq!(asked(&mut harness), 1);
    assert_eq!(asked(&mut harness), 1, "it waits");
    pass(&mut harness, 2.1);
    assert_eq!(asked(&mut harness), 2);
    pass(&mut harness, 2.1);
    assert_eq!(asked(&mut harness), 2, "it waits longer");
    pass(&mut harness, 2.1);
    assert_eq!(asked(&mut harness), 3);
    let session = harness.state().session();
    assert!(session.live.on && session.live.result.is_none());
    assert!(session.notices.is_empty(), "{:?}", session.notices);
    // What was wrong is over.
    heard.fails.store(false, Ordering::Relaxed);
    pass(&mut harness, 8.1);
    harness.run_steps(4);
    assert!(harness.state().session().live.result.is_some());
}

/// Plays a loop to its end; `frame` gives the seconds between two frames. The request that the last answer was made of.
fn played(harness: &mut Window, frame: impl Fn(usize) -> f64) -> Request {
    let pieces = recording(harness).pieces(-1.0, f64::INFINITY).len();
    let begin = Instant::now();
    let finished = |harness: &Window| {
        let session = harness.state().session();
        let revision = session.open()?.revision() + session.recipe_revision;
        let live = session.live.result.as_ref()?;
        let done = live.quality == Quality::Full && live.revision == revision;
        (done && marks(harness, Layer::Sketch) == pieces).then(|| (*live.request).clone())
    };
    for n in 0.. {
        // Answers take time of the clock on the wall, however fast the demo's own passes.
        let is_drawn = marks(harness, Layer::Sketch) == pieces;
        pass(harness, if is_drawn { 0.0 } else { frame(n) });
        if let Some(request) = finished(harness) {
            return request;
        }
        assert!(begin.elapsed() < Duration::from_mins(1), "never finished");
        assert!(is_open(harness.state()), "over before it was finished");
        if is_drawn {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    unreachable!()
}

/// Lets the finished loop begin again by itself.
fn next_loop(harness: &mut Window) {
    pass(harness, 0.0);
    pass(harness, 8.5);
    assert!(!is_open(harness.state()), "it begins again");
    until(harness, "next loop", is_open);
    assert_eq!(marks(harness, Layer::Sketch), 0);
}

#[test]
fn every_loop_ends_in_the_same_request_however_fast_frames_come() {
    let heard = Heard::default();
    let mut harness = demo(&heard);
    let first = played(&mut harness, |n| if n % 3 == 0 { 0.05 } else { 0.14 });
    assert_eq!((first.seed, first.count, first.steps), (1, 1, 3));
    assert!(first.warm.is_none() && !first.preview && first.hint.is_some());
    assert_eq!(first.attributes.kind, "hip");
    let bytes = serde_json::to_vec(&first).unwrap();
    next_loop(&mut harness);
    let same = |harness: &mut Window, what: &str, frame: fn(usize) -> f64| {
        let request = played(harness, frame);
        assert!(serde_json::to_vec(&request).unwrap() == bytes, "{what}");
        let last = heard.full.lock().unwrap().last().cloned().unwrap();
        assert!(serde_json::to_vec(&last).unwrap() == bytes, "{what}: asked");
    };
    same(&mut harness, "few frames", |_| 1.7);
    next_loop(&mut harness);
    // A machine that slept, then frames in which no time passes.
    same(
        &mut harness,
        "one frame",
        |n| if n == 1 { 60.0 } else { 0.0 },
    );
    // A visitor comes in the middle, changes what can be changed, and goes.
    let center = canvas_center(&harness, "Sketch canvas");
    drag(&mut harness, center, center + vec2(60.0, 20.0));
    harness.state_mut().act(Action::OpenCase(1));
    until(&mut harness, "chest", |app| {
        is_open(app) && app.session().recipe.kind == "chest"
    });
    let mut recipe = harness.state().session().recipe.clone();
    (recipe.seed, recipe.guidance, recipe.finer) = (77, 4.0, false);
    recipe.age_years = Some(3.0);
    harness.state_mut().act(Action::Recipe(Box::new(recipe)));
    harness.run_steps(2);
    pass(&mut harness, 95.0);
    until(&mut harness, "case again", |app| {
        is_open(app) && app.session().recipe.kind == "hip"
    });
    same(&mut harness, "after a visitor", |_| 0.4);
}

#[test]
fn the_finished_drawing_is_looked_at_from_when_its_answer_is_there() {
    let recording: Recording = serde_json::from_str(
        r#"{"strokes":[{"layer":"sketch","width":3.0,"points":[{"t":0.0,"x":1.0,"y":1.0}]},
            {"layer":"sketch","width":3.0,"points":[{"t":0.1,"x":1.0,"y":1.0},{"t":1.0,"x":9.0,"y":1.0}]}]}"#,
    )
    .unwrap();
    let begin = Instant::now();
    let at = |seconds: f64| begin + Duration::from_secs_f64(seconds);
    let mut demo = Demo::new();
    assert!(
        matches!(demo.wish(Some(&recording), begin), Wish::Draw(edits) if edits.len() == 1),
        "a point at 0 is drawn too"
    );
    // An answer to half of it ends nothing.
    demo.answered(&recording, at(0.5));
    let Wish::Draw(edits) = demo.wish(Some(&recording), at(30.0)) else {
        panic!("a late frame leaves lines out");
    };
    assert_eq!(edits.len(), 1);
    assert!(matches!(
        demo.wish(Some(&recording), at(31.0)),
        Wish::Wait(_)
    ));
    demo.answered(&recording, at(33.0));
    demo.answered(&recording, at(39.0));
    assert!(matches!(
        demo.wish(Some(&recording), at(40.0)),
        Wish::Wait(_)
    ));
    assert_eq!(demo.wish(Some(&recording), at(41.5)), Wish::Reset);
    // Without an answer it ends all the same.
    demo.restart();
    for seconds in [0.0, 2.0] {
        demo.wish(Some(&recording), at(seconds));
    }
    assert!(matches!(
        demo.wish(Some(&recording), at(20.0)),
        Wish::Wait(_)
    ));
    assert_eq!(demo.wish(Some(&recording), at(60.0)), Wish::Reset);
}
