//! The sheet of keys: what is held, what is reserved, and changing keys by hand.

use std::collections::BTreeMap;

use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use radcanvas::app::action::Action;
use radcanvas::app::canvas::Tool;
use radcanvas::app::keys::{COMMANDS, HELD, Keys, parse};
use radcanvas::app::session::Overlay;
use radcanvas::app::{App, Start};

use super::{opened, picture};
use crate::app::window;

fn film() -> (Harness<'static, App>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.png");
    picture(&path, 60, 40, |x, y| (x * 9 + y) as u16);
    (opened(vec![path]), folder)
}

#[test]
fn what_the_hand_holds_is_reserved_and_listed() {
    let keys = Keys::default_keys();
    for held in [
        "W",
        "Shift+W",
        "Space",
        "Left",
        "Alt+Right",
        "Up",
        "Plus",
        "Minus",
        "Equals",
        "Ctrl+Plus",
        "Ctrl+0",
        "Tab",
    ] {
        assert!(parse(held).is_some(), "{held}");
        let taken = keys.conflict("brush", held);
        assert!(
            taken.is_some_and(|taken| taken.command().is_none()),
            "{held}"
        );
    }
    assert!(keys.conflict("before-after", "Tab").is_none());
    assert!(
        keys.conflict("brush", "Ctrl+W")
            .is_some_and(|t| t.command().is_some())
    );
    for command in COMMANDS.iter().filter(|c| !c.default.is_empty()) {
        let taken = keys.conflict(command.id, command.default);
        assert!(
            taken.is_none(),
            "{}: {:?}",
            command.id,
            taken.map(|t| t.title())
        );
    }
    // A file that was written by hand takes nothing away from the hand either.
    let changed = BTreeMap::from([("brush".to_owned(), "W".to_owned())]);
    assert_eq!(Keys::new(&changed).label("brush"), "B");
    let (mut harness, _folder) = film();
    harness.key_press(Key::Questionmark);
    harness.run_steps(3);
    assert!(harness.query_by_label("Mouse and held keys").is_some());
    for (_, with) in HELD {
        assert!(harness.query_all_by_label(with).next().is_some(), "{with}");
    }
}

#[test]
fn keys_are_changed_exchanged_taken_away_and_brought_back_on_the_sheet() {
    let (mut harness, _folder) = film();
    let harness = &mut harness;
    let choose = |harness: &mut Harness<'static, App>, title: &str| {
        let name = format!("Change the key of {title}");
        harness.get_by_label(&name).click();
        harness.run_steps(2);
    };
    let label = |harness: &Harness<'static, App>, id: &str| {
        let changed = &harness.state().settings().keys;
        Keys::new(changed).label(id)
    };
    harness.key_press(Key::Questionmark);
    harness.run_steps(3);
    choose(harness, "Pen");
    harness.key_press(Key::Q);
    harness.run_steps(2);
    assert_eq!(label(harness, "pen"), "Q");
    // A key that is held is refused in words.
    choose(harness, "Pen");
    harness.key_press(Key::W);
    harness.run_steps(2);
    assert_eq!(label(harness, "pen"), "Q");
    let notices = &harness.state().session().notices;
    assert!(
        notices
            .last()
            .is_some_and(|n| n.text.contains("cannot be changed"))
    );
    // Another command's key is exchanged when it is pressed again, and not before.
    choose(harness, "Pen");
    harness.key_press(Key::B);
    harness.run_steps(2);
    assert_eq!(
        (&*label(harness, "pen"), &*label(harness, "brush")),
        ("Q", "B")
    );
    harness.key_press(Key::B);
    harness.run_steps(2);
    assert_eq!(
        (&*label(harness, "pen"), &*label(harness, "brush")),
        ("B", "Q")
    );
    choose(harness, "Eraser");
    harness.key_press(Key::Backspace);
    harness.run_steps(2);
    assert_eq!(label(harness, "eraser"), "");
    // Escape leaves a key as it is.
    choose(harness, "Lasso");
    harness.key_press(Key::Escape);
    harness.run_steps(2);
    assert_eq!(label(harness, "lasso"), "L");
    harness.get_by_label("Close").click();
    harness.run_steps(2);
    harness.key_press(Key::B);
    harness.run_steps(2);
    assert_eq!(harness.state().session().tool, Tool::Pen);
    harness.key_press(Key::Q);
    harness.run_steps(2);
    harness.key_press(Key::E);
    harness.run_steps(2);
    assert_eq!(
        harness.state().session().tool,
        Tool::Brush,
        "E gives nothing"
    );
    harness.key_press(Key::Questionmark);
    harness.run_steps(3);
    harness.get_by_label("Defaults").click();
    harness.run_steps(2);
    assert!(harness.state().settings().keys.is_empty());
    assert_eq!(label(harness, "eraser"), "E");
}

#[test]
fn the_palette_has_two_keys_and_one_line_and_hints_name_the_keys_there_are() {
    let (mut harness, _folder) = film();
    let harness = &mut harness;
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::P);
    harness.run_steps(3);
    assert!(matches!(
        harness.state().session().overlay,
        Overlay::Palette(..)
    ));
    harness
        .state_mut()
        .act(Action::PaletteTyped("command palette".to_owned(), 0));
    harness.run_steps(2);
    let lines = harness.query_all_by_role(egui::accesskit::Role::Button);
    let lines = lines.filter(|node| {
        let label = node.accesskit_node().label().unwrap_or_default();
        label.contains("Command palette")
    });
    assert_eq!(lines.count(), 1);
    let mut empty = window(Start::default());
    empty
        .state_mut()
        .act(Action::Bind("open", Some("Ctrl+J".to_owned())));
    empty
        .state_mut()
        .act(Action::Open("/nowhere/at/all.png".into()));
    crate::app::until(&mut empty, "refusal", |app| {
        matches!(
            app.session().stage,
            radcanvas::app::session::Stage::Failed(_)
        )
    });
    empty.get_by_label("Open another file").hover();
    empty.run_steps(8);
    assert!(
        empty.query_by_label_contains("Ctrl+O").is_none(),
        "a stale key"
    );
}
