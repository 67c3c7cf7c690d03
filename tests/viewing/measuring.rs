//! Several files, windows, what goes together, images beside the case, calibration, large fills.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::{Key, Modifiers, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use radcanvas::app::App;
use radcanvas::app::action::{Action, Layout, Link};
use radcanvas::app::canvas::{CanvasEvent, Tool};
use radcanvas::app::session::Workspace;
use radcanvas::document::Layer;
use radcanvas::geometry::Point;
use radcanvas::radiograph::SpacingSource;

use super::{Dicom, opened, picture};
use crate::app::{canvas_center, drag, marks, until};

fn films(folder: &Path) -> Vec<PathBuf> {
    // Not in the order of their names: the first is the first that was named.
    ["b.png", "a.png", "c.png"]
        .into_iter()
        .enumerate()
        .map(|(n, name)| {
            let path = folder.join(name);
            picture(&path, 64, 40, move |x, _| (1000 * (n + 1) + x) as u16);
            path
        })
        .collect()
}

fn series(app: &App) -> (usize, usize) {
    let stack = app.session().stack.as_ref();
    stack.map_or((1, 1), |stack| (stack.series().len(), stack.frames()))
}

fn value(app: &App) -> f64 {
    let open = app.session().open().unwrap();
    open.document().image().pixels.value(0, 0).unwrap()
}

#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|error| error.to_string())
    }
}

#[test]
fn several_files_open_as_series_however_they_are_given() {
    let folder = tempfile::tempdir().unwrap();
    let paths = films(folder.path());
    let mut harness = opened(paths[..2].to_vec());
    assert_eq!(series(harness.state()), (2, 1));
    assert_eq!(value(harness.state()), 1000.0, "the first that was named");
    let dropped = paths
        .iter()
        .map(|path| Arc::new(Dropped(path.clone())) as _);
    harness.input_mut().dropped_files = dropped.collect();
    harness.step();
    harness.input_mut().dropped_files.clear();
    until(&mut harness, "three", |app| {
        app.session().open().is_some() && series(app).0 == 3
    });
    // Two files of one series are one series, and what cannot be read is named.
    let slices: Vec<PathBuf> = (1..=2)
        .map(|number| {
            let mut slice = Dicom::new(8, 8, |x, y| x + y);
            slice.text((0x0020, 0x000E), "UI", "1.2.3.4");
            slice.text((0x0020, 0x0013), "IS", &number.to_string());
            let path = folder.path().join(format!("slice{number}.dcm"));
            slice.write(&path);
            path
        })
        .chain([folder.path().join("missing.dcm")])
        .collect();
    harness.state_mut().act(Action::OpenAll(slices));
    until(&mut harness, "one series", |app| {
        app.session().open().is_some() && series(app) == (1, 2)
    });
    let notices = &harness.state().session().notices;
    let about = notices.iter().filter_map(|notice| notice.file.as_ref());
    assert!(about.into_iter().any(|file| file.ends_with("missing.dcm")));
}

#[test]
fn keys_choose_the_windows_of_the_file_first_then_the_presets() {
    let folder = tempfile::tempdir().unwrap();
    let mut ct = Dicom::new(100, 10, |x, y| if (x, y) == (0, 0) { 4000 } else { 10 * x });
    ct.text((0x0008, 0x0060), "CS", "CT");
    ct.text((0x0028, 0x1050), "DS", "50\\300");
    ct.text((0x0028, 0x1051), "DS", "100\\700");
    ct.text((0x0028, 0x1052), "DS", "-1000");
    ct.text((0x0028, 0x1053), "DS", "1");
    let path = folder.path().join("ct.dcm");
    ct.write(&path);
    let mut harness = opened(vec![path]);
    let harness = &mut harness;
    let mut after = |key| {
        harness.key_press_modifiers(Modifiers::ALT, key);
        harness.run_steps(2);
        let window = &harness.state().session().view.window;
        (window.center, window.width)
    };
    assert_eq!(after(Key::Num2), (300.0, 700.0), "the file's second");
    assert_eq!(after(Key::Num1), (50.0, 100.0));
    assert_eq!(
        after(Key::Num4),
        (-600.0, 1500.0),
        "lung, behind the file's two"
    );
    assert_eq!(after(Key::Num9), (-600.0, 1500.0), "there is none");
    let (center, width) = after(Key::F);
    assert_eq!(
        (center - width / 2.0, center + width / 2.0),
        (-1000.0, 3000.0),
        "full"
    );
    let (center, width) = after(Key::A);
    let (low, high) = (center - width / 2.0, center + width / 2.0);
    assert!(
        (-1000.0..-985.0).contains(&low) && (-15.0..0.0).contains(&high),
        "{low} {high}"
    );
    assert_eq!(after(Key::Num0), (50.0, 100.0));
}

fn two_images(folder: &Path) -> Harness<'static, App> {
    let mut harness = opened(films(folder));
    harness.state_mut().act(Action::Layout(Layout::Two));
    until(&mut harness, "two images", |app| {
        app.session().beside.cells[0].image.is_some()
    });
    harness.run_steps(2);
    harness
}

#[test]
fn zoom_and_pan_go_together_each_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = two_images(folder.path());
    let harness = &mut harness;
    let views = |harness: &Harness<'static, App>| {
        let session = harness.state().session();
        (session.view.place(), session.beside.views[0].place())
    };
    let at = canvas_center(harness, "First image");
    let pan = |harness: &mut Harness<'static, App>, by: f32| drag(harness, at, at + vec2(by, 0.0));
    let zoom = |harness: &mut Harness<'static, App>| {
        harness.key_press(Key::Plus);
        harness.run_steps(2);
    };
    // A press gives the canvas the focus, so that keys are its own.
    pan(harness, 0.0);
    harness.state_mut().act(Action::Link(Link::Pan));
    let before = views(harness);
    zoom(harness);
    pan(harness, 20.0);
    let after = views(harness);
    assert!(
        (after.1.1 / before.1.1 - 1.25).abs() < 1e-9,
        "zoom goes along"
    );
    assert!(after.0.0.distance(before.0.0) > 0.5);
    assert_eq!(after.1.0, before.1.0, "the place of the other stays");
    harness.state_mut().act(Action::Link(Link::Pan));
    harness.state_mut().act(Action::Link(Link::Zoom));
    zoom(harness);
    pan(harness, 20.0);
    let last = views(harness);
    assert_eq!(last.1.1, after.1.1, "zoom stays");
    assert_eq!(last.1.0, last.0.0, "the place goes along");
    for name in ["Zoom", "Pan", "Window", "Slice"] {
        assert!(harness.query_all_by_label(name).next().is_some(), "{name}");
    }
    // Both at once by the older command.
    harness.state_mut().act(Action::Link(Link::Place));
    let beside = &harness.state().session().beside;
    assert!(beside.link_zoom && beside.link_pan);
}

#[test]
fn images_beside_the_case_are_probed_and_come_to_the_stage_to_be_measured() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = two_images(folder.path());
    let harness = &mut harness;
    let (first, second) = (
        canvas_center(harness, "First image"),
        canvas_center(harness, "Second image"),
    );
    let stored = |harness: &mut Harness<'static, App>, at| {
        harness.hover_at(at);
        harness.run_steps(2);
        let session = harness.state().session();
        let point = session.probe.unwrap();
        let text = |base: f64| format!("stored {:.0}", base + point.at.x.round());
        let shown = |text: String| harness.query_by_label(&text).is_some();
        (
            shown(text(1000.0)),
            shown(text(2000.0)),
            shown(text(3000.0)),
        )
    };
    let here = stored(harness, first);
    assert_eq!(here, (true, false, false));
    let there = stored(harness, second);
    assert!(!there.0 && (there.1 || there.2), "{there:?}");
    assert_eq!(stored(harness, first), here, "and back");
    // A measuring tool is for the stage: the image comes there, and the other goes where it was.
    let place = harness.state().session().beside.cells[0].place;
    let before = value(harness.state());
    harness.key_press(Key::M);
    harness.run_steps(2);
    drag(harness, second, second + vec2(10.0, 0.0));
    until(harness, "exchanged", |app| {
        let cell = &app.session().beside.cells[0];
        value(app) != before && cell.place != place && !cell.stale
    });
    drag(harness, first, first + vec2(40.0, 0.0));
    let session = harness.state().session();
    assert_eq!(session.open().unwrap().document().figures.len(), 1);
}

#[test]
fn a_drawn_length_calibrates_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.png");
    picture(&path, 160, 120, |x, y| (x * 100 + y) as u16);
    let mut harness = opened(vec![path]);
    let harness = &mut harness;
    harness.state_mut().act(Action::Workspace(Workspace::View));
    harness.key_press(Key::M);
    harness.run_steps(2);
    let at = canvas_center(harness, "First image");
    drag(harness, at, at + vec2(80.0, 0.0));
    harness.state_mut().act(Action::KnownLength(50.0));
    harness.run_steps(2);
    harness.get_by_label("Calibrate").click();
    harness.run_steps(3);
    let spacing = |harness: &Harness<'static, App>| {
        let open = harness.state().session().open().unwrap();
        open.document().image().spacing
    };
    let made = spacing(harness).unwrap();
    assert_eq!(made.source, SpacingSource::Manual);
    let line = harness.query_all_by_label_contains("50.0 mm (calibrated by hand)");
    assert!(line.count() > 0, "in the list");
    harness.hover_at(at);
    harness.run_steps(2);
    let probe = harness.query_all_by_label_contains("mm (calibrated by hand)");
    assert!(probe.count() > 1, "and in the bar");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run_steps(2);
    assert_eq!(spacing(harness), None);
}

#[test]
fn a_large_fill_runs_beside_the_window_and_escape_stops_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.png");
    picture(&path, 1100, 900, |x, _| if x < 700 { 100 } else { 60_000 });
    let mut harness = opened(vec![path]);
    let harness = &mut harness;
    harness.state_mut().act(Action::Tool(Tool::Fill));
    let fill = |harness: &mut Harness<'static, App>| {
        let event = CanvasEvent::Fill {
            at: Point::new(30.0, 40.0),
        };
        harness
            .state_mut()
            .act(Action::Canvas(Layer::Mask, Box::new(event)));
    };
    fill(harness);
    assert_eq!(marks(harness, Layer::Mask), 0, "the window did not wait");
    harness.state_mut().act(Action::Cancel);
    let notices = &harness.state().session().notices;
    assert!(notices.last().is_some_and(|n| n.text.contains("stopped")));
    std::thread::sleep(std::time::Duration::from_millis(80));
    harness.run_steps(4);
    assert_eq!(marks(harness, Layer::Mask), 0, "stopped");
    fill(harness);
    until(harness, "filled", |app| {
        let open = app.session().open().unwrap();
        open.document().marks_of(Layer::Mask).count() == 1
    });
    let open = harness.state().session().open().unwrap();
    let mask = open.document().mask().unwrap();
    assert_eq!((mask[(699, 899)], mask[(700, 0)]), (255, 0));
    let all = mask.bounds();
    let stopped = radcanvas::document::fill::flood_fill((3, 3), all, |_, _| true, || true);
    assert!(stopped.is_none());
}
