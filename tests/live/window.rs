//! The window: veils, variations, settings taken again, guesses, canvases that grow, the demo between visitors.

use egui::{Key, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use radcanvas::app::action::Action;
use radcanvas::app::canvas::{CanvasEvent, Tool, VeilKind};
use radcanvas::app::session::Workspace;
use radcanvas::app::{App, Start};
use radcanvas::document::Layer;
use radcanvas::job::Mode;
use radcanvas::radiograph::Margins;

use crate::app::{canvas_center, drag, marks, model, opened, until, window, with_results};

fn items(harness: &Harness<'static, App>) -> usize {
    harness.state().session().tray.items.len()
}

#[test]
fn a_veil_shows_the_difference_or_the_spread_with_its_scale() {
    let mut opened = with_results();
    let harness = &mut opened.harness;
    harness.key_press(Key::D);
    until(harness, "difference", |app| {
        app.session().veil.veil.is_some()
    });
    let veil = harness.state().session().veil.veil.clone().unwrap();
    assert_eq!(veil.kind, VeilKind::Difference);
    assert!(veil.scale > 0.0 && veil.lines[1].contains("mean"));
    let changed = harness.state().session().tray.items[0].made.changed_inside;
    assert!(
        veil.lines[1].contains(&format!("{changed} px")),
        "{:?}",
        veil.lines
    );
    harness.key_press(Key::S);
    until(harness, "spread", |app| {
        let veil = app.session().veil.veil.as_ref();
        veil.is_some_and(|veil| veil.kind == VeilKind::Spread)
    });
    let count = items(harness);
    let veil = harness.state().session().veil.veil.clone().unwrap();
    assert!(
        veil.lines[0].contains(&format!("{count} seeds")),
        "{:?}",
        veil.lines
    );
    // A result less: the spread is that of the others.
    harness.key_press(Key::Delete);
    until(harness, "again", |app| {
        let veil = app.session().veil.veil.as_ref();
        veil.is_some_and(|veil| veil.lines[0].contains(&format!("{} seeds", count - 1)))
    });
    harness.key_press(Key::S);
    harness.run_steps(2);
    assert!(harness.state().session().veil.veil.is_none());
}

#[test]
fn more_like_a_result_and_its_settings_again() {
    let mut opened = with_results();
    let harness = &mut opened.harness;
    let before = items(harness);
    harness.key_press(Key::J);
    until(harness, "more", |app| {
        app.session().tray.items.len() > before
    });
    let tray = &harness.state().session().tray;
    let (first, last) = (&tray.items[0], &tray.items[items(harness) - 1]);
    assert_ne!(first.request.seed, last.request.seed);
    assert_eq!(tray.same_but_seed(first.id).len(), tray.items.len());
    let shown = tray.items[1].id;
    let number = tray.items[1].made.image_number;
    let painted = tray.items[1].request.mask.clone().unwrap();
    // Everything is changed, then taken back from the result.
    let mut other = harness.state().session().recipe.clone();
    other.mode = Mode::Sketch;
    other.seed = 999;
    other.steps = 17;
    other.ring_px = 3.0;
    harness.state_mut().act(Action::Recipe(Box::new(other)));
    harness.state_mut().act(Action::Clear(Layer::Mask));
    harness.state_mut().act(Action::Show(Some(shown)));
    harness.key_press(Key::U);
    harness.run_steps(2);
    let session = harness.state().session();
    assert_eq!(session.recipe.mode, Mode::Inpaint);
    assert_eq!((session.recipe.seed, session.recipe.steps), (1, 3));
    assert_eq!(
        (session.recipe.first_image, session.recipe.count),
        (number, 1)
    );
    assert_eq!(session.recipe.ring_px, 12.0);
    let mask = session.open().unwrap().document().mask().unwrap();
    assert_eq!(mask.cells(), painted.cells());
    // A new seed begins with its first image.
    harness.state_mut().act(Action::NewSeed);
    assert_eq!(harness.state().session().recipe.first_image, 0);
}

#[test]
fn a_film_that_says_no_kind_is_guessed_and_the_person_decides() {
    let mut opened = opened();
    let harness = &mut opened.harness;
    until(harness, "guess", |app| {
        app.session().open().unwrap().guess.is_some()
    });
    let guess = |harness: &Harness<'static, App>| {
        let open = harness.state().session().open().unwrap();
        (open.guess.clone(), open.kind.clone())
    };
    assert_eq!(
        guess(harness),
        (Some(("hip".to_owned(), 0.9)), String::new())
    );
    assert_eq!(harness.state().session().recipe.kind, "hip");
    harness.run_steps(2);
    assert!(harness.query_by_label("Hip? a guess").is_some());
    let mut other = harness.state().session().recipe.clone();
    other.kind = "chest".to_owned();
    harness.state_mut().act(Action::Recipe(Box::new(other)));
    assert_eq!(guess(harness), (None, "chest".to_owned()), "overruled");
    let mut again = self::opened();
    let harness = &mut again.harness;
    until(harness, "guess", |app| {
        app.session().open().unwrap().guess.is_some()
    });
    harness.state_mut().act(Action::ConfirmKind);
    assert_eq!(guess(harness), (None, "hip".to_owned()), "confirmed");
    // Chosen before the guess is there, or just after: either way it is the person's word that counts.
    let mut late = self::opened();
    let harness = &mut late.harness;
    let mut other = harness.state().session().recipe.clone();
    other.kind = "chest".to_owned();
    harness.state_mut().act(Action::Recipe(Box::new(other)));
    until(harness, "idle", |app| app.session().jobs.is_empty());
    assert_eq!(guess(harness), (None, "chest".to_owned()), "late");
    assert_eq!(harness.state().session().recipe.kind, "chest");
}

#[test]
fn dragging_an_edge_of_the_canvas_makes_room_and_has_it_filled() {
    let mut opened = opened();
    let harness = &mut opened.harness;
    let size = |harness: &Harness<'static, App>| {
        let image = harness
            .state()
            .session()
            .open()
            .unwrap()
            .document()
            .image()
            .clone();
        (image.width(), image.height())
    };
    harness.key_press(Key::K);
    harness.run_steps(2);
    assert_eq!(harness.state().session().tool, Tool::Bounds);
    let rect = harness.get_by_label("Mask canvas").rect();
    let view = harness.state().session().view.clone();
    let to_screen = view.image_from_screen(rect, 1.0).inverse().unwrap();
    let edge = to_screen.apply(radcanvas::geometry::Point::new(159.5, 59.5));
    let edge = egui::pos2(edge.x as f32, edge.y as f32);
    assert!(rect.contains(edge), "the edge can be reached");
    // Inward makes no room.
    drag(harness, edge, edge - vec2(30.0, 0.0));
    assert_eq!(size(harness), (160, 120));
    drag(harness, edge, edge + vec2(25.0, 0.0));
    let (width, height) = size(harness);
    assert!(width > 165 && height == 120, "{width} × {height}");
    let painted = marks(harness, Layer::Mask);
    assert_eq!(painted, 1, "the room is painted");
    assert_eq!(harness.state().session().recipe.mode, Mode::Inpaint);
    until(harness, "filled", |app| {
        !app.session().tray.items.is_empty()
    });
    let made = &harness.state().session().tray.items[0].made;
    assert_eq!(made.radiograph.width(), width);
    assert_eq!(made.changed_outside_ring, 0);
    harness.state_mut().act(Action::Undo);
    assert_eq!(size(harness), (160, 120));
    harness.run_steps(3);
}

#[test]
fn the_demo_forgets_its_visitor() {
    let cases = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/cases");
    let mut harness = window(Start {
        demo: true,
        cases: Some(cases),
        models: vec![model()],
        ..Start::default()
    });
    until(&mut harness, "case", |app| app.session().open().is_some());
    let title = |app: &App| app.session().open().map(|open| open.title.clone());
    let first = title(harness.state()).unwrap();
    let app = harness.state_mut();
    app.act(Action::Workspace(Workspace::Hips));
    app.act(Action::Invert);
    app.act(Action::Tool(Tool::Bounds));
    let mut recipe = app.session().recipe.clone();
    recipe.seed = 77;
    app.act(Action::Recipe(Box::new(recipe)));
    harness.key_press(Key::F5);
    harness.step();
    assert!(harness.state().session().open().is_none());
    until(&mut harness, "case again", |app| {
        app.session().open().is_some()
    });
    assert_eq!(title(harness.state()), Some(first));
    let app = harness.state();
    assert_eq!(app.session().workspace, Workspace::Draw);
    assert_ne!(app.session().recipe.seed, 77);
    assert!(!app.session().view.invert);
    assert_eq!(app.session().view.margin, 0.0);
    let center = canvas_center(&harness, "Sketch canvas");
    drag(&mut harness, center, center + vec2(12.0, 4.0));
    let event = CanvasEvent::Extend(Margins::default());
    harness
        .state_mut()
        .act(Action::Canvas(Layer::Mask, Box::new(event)));
    assert!(harness.state().session().open().is_some());
}
