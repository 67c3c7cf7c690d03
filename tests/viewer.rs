//! The viewer's habits in the window: measuring, series, images side by side, exports, brushes that choose values.

use std::path::{Path, PathBuf};

use egui::{Key, Modifiers, PointerButton, Pos2, pos2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use radcanvas::app::action::{Action, ExportKind, FrameChange, Layout, Link};
use radcanvas::app::canvas::Tool;
use radcanvas::app::files::{Exporting, export};
use radcanvas::app::session::Workspace;
use radcanvas::app::{App, Start};
use radcanvas::document::{Document, Edit, Layer, Mark, Operation, Shape};
use radcanvas::geometry::{Figure, FigureKind, Point};
use radcanvas::grid::Grid;
use radcanvas::radiograph::{
    self, DisplayWindow, Pixels, Quantity, Radiograph, export as write_image,
};

use crate::app::{canvas_center, drag, faked, model, until, window};

fn picture(path: &Path, width: usize, height: usize, slope: usize) {
    let grid = Grid::from_fn(width, height, |x, y| (x * slope + y) as u16);
    let image = Radiograph::from_pixels(Pixels::U16(grid));
    write_image(path, &image, &image.pixels, false).unwrap();
}

fn opened(path: PathBuf, keep: &Path) -> Harness<'static, App> {
    let mut harness = window(Start {
        files: vec![path],
        models: vec![model()],
        keep: Some(keep.join("unsaved")),
        ..Start::default()
    });
    until(&mut harness, "open", |app| app.session().open().is_some());
    harness
}

fn one_film(folder: &Path) -> Harness<'static, App> {
    let path = folder.join("film.png");
    picture(&path, 160, 120, 100);
    opened(path, folder)
}

fn document(harness: &Harness<'static, App>) -> Document {
    let open = harness.state().session().open().unwrap();
    open.document().clone()
}

fn figures(harness: &Harness<'static, App>) -> Vec<Figure> {
    let document = document(harness);
    document.figures.iter().map(|f| (**f).clone()).collect()
}

#[test]
fn a_length_is_drawn_moved_undone_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = one_film(folder.path());
    let harness = &mut harness;
    harness.key_press(Key::M);
    harness.run_steps(2);
    let at = canvas_center(harness, "Sketch canvas");
    drag(harness, at, at + vec2(60.0, 0.0));
    let drawn = figures(harness);
    assert_eq!(drawn.len(), 1);
    assert_eq!(drawn[0].kind, FigureKind::Length);
    let px = drawn[0].length([1.0, 1.0]).unwrap();
    let text = format!("{px:.0} px (not calibrated)");
    assert!(harness.query_by_label(&text).is_some(), "{text} is listed");
    // Its end is taken hold of and dragged: one step.
    drag(harness, at + vec2(60.0, 0.0), at + vec2(60.0, 40.0));
    let moved = figures(harness);
    assert_eq!(moved.len(), 1, "no second figure was begun");
    assert!(moved[0].length([1.0, 1.0]).unwrap() > px);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run_steps(2);
    assert_eq!(figures(harness), drawn, "the whole drag");
    harness.key_press(Key::Delete);
    harness.run_steps(2);
    assert!(figures(harness).is_empty());
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run_steps(2);
    assert_eq!(figures(harness), drawn);
}

#[test]
fn points_can_be_set_by_pressing_and_escape_drops_half_a_figure() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = one_film(folder.path());
    let harness = &mut harness;
    let at = canvas_center(harness, "Sketch canvas");
    let press = |harness: &mut Harness<'static, App>, to: Pos2| drag(harness, to, to);
    harness.key_press(Key::C);
    harness.run_steps(2);
    for offset in [vec2(0.0, -40.0), vec2(40.0, 0.0), vec2(0.0, 40.0)] {
        assert!(figures(harness).is_empty());
        press(harness, at + offset);
    }
    let drawn = figures(harness);
    assert_eq!(drawn.len(), 1);
    assert_eq!(drawn[0].kind, FigureKind::Circle);
    assert!(drawn[0].circle([1.0, 1.0]).is_some());
    harness.key_press_modifiers(Modifiers::SHIFT, Key::A);
    harness.run_steps(2);
    assert_eq!(
        harness.state().session().tool,
        Tool::Measure(FigureKind::Cobb)
    );
    drag(harness, at + vec2(-80.0, -80.0), at + vec2(-20.0, -90.0));
    assert_eq!(figures(harness).len(), 1, "half of it");
    harness.key_press(Key::Escape);
    harness.run_steps(2);
    drag(harness, at + vec2(-80.0, -80.0), at + vec2(-20.0, -90.0));
    drag(harness, at + vec2(-80.0, 80.0), at + vec2(-20.0, 90.0));
    let drawn = figures(harness);
    assert_eq!(drawn.len(), 2);
    let degrees = drawn[1].angle_degrees([1.0, 1.0]).unwrap();
    assert!(
        (degrees - 2.0 * (1.0_f64 / 6.0).atan().to_degrees()).abs() < 1.0,
        "{degrees}"
    );
}

#[test]
fn regions_show_the_values_inside() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = one_film(folder.path());
    let harness = &mut harness;
    let at = canvas_center(harness, "Sketch canvas");
    for (key, kind, up) in [
        (Key::R, FigureKind::Rectangle, 0.0),
        (Key::E, FigureKind::Ellipse, 60.0),
        (Key::L, FigureKind::Freehand, 120.0),
    ] {
        // Away from the handles of the one before: those would be taken hold of.
        let at = at - vec2(0.0, up);
        harness.key_press_modifiers(Modifiers::SHIFT, key);
        harness.run_steps(2);
        assert_eq!(harness.state().session().tool, Tool::Measure(kind));
        drag(harness, at, at + vec2(70.0, 50.0));
    }
    let session = harness.state().session();
    let open = session.open().unwrap();
    // A straight line by hand encloses nothing and is still an outline of three points.
    let measured = &open.figures.all;
    assert!(measured.len() >= 2);
    for one in &measured[..2] {
        let mean = one.readings.get(Quantity::Mean).unwrap().value;
        let (low, high) = (
            one.readings.get(Quantity::Minimum).unwrap().value,
            one.readings.get(Quantity::Maximum).unwrap().value,
        );
        assert!(low < mean && mean < high);
    }
    let line = measured[0].lines.last().unwrap().clone();
    assert!(harness.query_by_label(&line).is_some(), "{line}");
}

#[test]
fn a_folder_opens_as_series_with_pictures_and_keys_go_through_it() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("films");
    std::fs::create_dir(&images).unwrap();
    for (name, width) in [("a10.png", 64), ("a2.png", 48), ("b.png", 32)] {
        picture(&images.join(name), width, 40, 7);
    }
    std::fs::write(images.join("notes.txt"), "no image").unwrap();
    let mut harness = opened(images, folder.path());
    let harness = &mut harness;
    let stack = |app: &App| {
        let stack = app.session().stack.as_ref().unwrap();
        (stack.series().len(), stack.shown())
    };
    let wide = |app: &App| app.session().open().map(|o| o.document().image().width());
    assert_eq!(stack(harness.state()).0, 3);
    until(harness, "pictures", |app| {
        let stack = app.session().stack.as_ref().unwrap();
        stack.series().iter().all(|listed| listed.picture.is_some())
    });
    let first = wide(harness.state());
    harness.key_press(Key::PageDown);
    until(harness, "next image", |app| wide(app) != first);
    assert_eq!(stack(harness.state()).1, 1);
    // Drawn on, left, and found again as it was.
    let at = canvas_center(harness, "Sketch canvas");
    harness.key_press(Key::M);
    harness.run_steps(2);
    drag(harness, at, at + vec2(30.0, 10.0));
    assert_eq!(figures(harness).len(), 1);
    harness
        .state_mut()
        .act(Action::Frame(FrameChange::ToSeries(2)));
    until(harness, "third", |app| wide(app) == Some(32));
    assert!(figures(harness).is_empty());
    harness.key_press_modifiers(Modifiers::COMMAND, Key::PageUp);
    until(harness, "back", |app| stack(app).1 == 1);
    assert_eq!(figures(harness).len(), 1);
    harness.state_mut().act(Action::Frame(FrameChange::To(0)));
    until(harness, "home", |app| stack(app).1 == 0);
}

#[test]
fn an_empty_folder_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let mut harness = window(Start {
        files: vec![empty],
        ..Start::default()
    });
    until(&mut harness, "refusal", |app| {
        matches!(
            app.session().stage,
            radcanvas::app::session::Stage::Failed(_)
        )
    });
}

#[test]
fn images_side_by_side_are_zoomed_and_windowed_together_or_apart() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("films");
    std::fs::create_dir(&images).unwrap();
    for name in ["a.png", "b.png", "c.png", "d.png"] {
        picture(&images.join(name), 64, 40, 7);
    }
    let mut harness = opened(images, folder.path());
    let harness = &mut harness;
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num4);
    until(harness, "four images", |app| {
        let beside = &app.session().beside;
        beside.cells.iter().all(|cell| cell.image.is_some())
    });
    assert_eq!(harness.state().session().workspace, Workspace::View);
    let fourth = canvas_center(harness, "Fourth image");
    let first = canvas_center(harness, "First image");
    assert!(fourth.x > first.x && fourth.y > first.y);
    let places: Vec<_> = harness
        .state()
        .session()
        .beside
        .cells
        .iter()
        .map(|cell| cell.place)
        .collect();
    assert_eq!(places, [Some((1, 0)), Some((2, 0)), Some((3, 0))]);
    // The right button drags the window of one, and the others follow.
    let window_drag = |harness: &mut Harness<'static, App>, at: Pos2| {
        harness.hover_at(at);
        harness.step();
        let button = |pos, pressed| egui::Event::PointerButton {
            pos,
            button: PointerButton::Secondary,
            pressed,
            modifiers: Modifiers::NONE,
        };
        harness.event(button(at, true));
        harness.step();
        harness.hover_at(at + vec2(50.0, 20.0));
        harness.step();
        harness.event(button(at + vec2(50.0, 20.0), false));
        harness.run_steps(2);
    };
    let before = harness.state().session().view.window.clone();
    window_drag(harness, fourth);
    let session = harness.state().session();
    assert_eq!(session.beside.active, 3);
    assert_ne!(session.view.window, before);
    assert_eq!(session.view.window, session.beside.views[2].window);
    harness.key_press(Key::Num1);
    harness.run_steps(2);
    let session = harness.state().session();
    assert!(
        !session.view.fitted && session.view.zoom == 1.0,
        "1:1 in all"
    );
    harness.state_mut().act(Action::Link(Link::Window));
    let before = harness.state().session().view.window.clone();
    window_drag(harness, fourth);
    assert_eq!(harness.state().session().view.window, before, "apart");
    // Keys step through what the fourth place shows.
    harness.key_press(Key::PageUp);
    until(harness, "third in fourth place", |app| {
        let cell = &app.session().beside.cells[2];
        cell.place == Some((2, 0)) && !cell.stale
    });
    assert_eq!(
        harness.state().session().stack.as_ref().unwrap().shown(),
        0,
        "the case stays"
    );
}

#[test]
fn a_brush_with_a_range_takes_only_those_values() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = one_film(folder.path());
    let harness = &mut harness;
    harness.state_mut().act(Action::Tool(Tool::Brush));
    let mut options = harness.state().session().tool_options.clone();
    options.range = Some([7000.0, 8500.0]);
    harness
        .state_mut()
        .act(Action::ToolOptions(Box::new(options)));
    let at = canvas_center(harness, "Mask canvas");
    drag(harness, at - vec2(60.0, 0.0), at + vec2(60.0, 0.0));
    let document = document(harness);
    let mask = document.mask().unwrap();
    let image = document.image();
    let mut taken = 0;
    for y in 0..image.height() {
        for x in 0..image.width() {
            if mask[(x, y)] != 0 {
                let value = image.modality_value(x, y).unwrap();
                assert!((7000.0..=8500.0).contains(&value), "{value}");
                taken += 1;
            }
        }
    }
    assert!(taken > 50, "{taken}");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run_steps(2);
    assert!(document_mask_is_empty(harness));
    // Where no value fits, nothing is drawn and there is nothing to undo.
    let mut options = harness.state().session().tool_options.clone();
    options.range = Some([-5.0, -4.0]);
    harness
        .state_mut()
        .act(Action::ToolOptions(Box::new(options)));
    drag(harness, at, at + vec2(20.0, 0.0));
    assert!(document_mask_is_empty(harness));
}

fn document_mask_is_empty(harness: &Harness<'static, App>) -> bool {
    document(harness).marks_of(Layer::Mask).next().is_none()
}

/// A DICOM case with a mask and two figures.
fn dicom_case() -> Document {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dicom");
    let mut image = radiograph::read(fixtures.join("ct.dcm"), 0).unwrap();
    "Doe^Jane".clone_into(&mut image.identity.name);
    "ID-4711".clone_into(&mut image.identity.id);
    let mut document = Document::new(std::sync::Arc::new(image));
    let figure = |kind, points: &[[f64; 2]]| {
        let points = points.iter().map(|p| Point::from(*p)).collect();
        Edit::AddFigure(std::sync::Arc::new(Figure { kind, points }))
    };
    for edit in [
        figure(FigureKind::Length, &[[1.0, 1.0], [5.0, 4.0]]),
        figure(FigureKind::Ellipse, &[[1.0, 1.0], [7.0, 6.0]]),
        Edit::AddMark(std::sync::Arc::new(Mark {
            layer: Layer::Mask,
            operation: Operation::Paint,
            shape: Shape::Rectangle {
                from: Point::new(1.0, 1.0),
                to: Point::new(4.0, 3.0),
            },
        })),
    ] {
        document.apply(&edit).unwrap();
    }
    document
}

#[test]
fn every_form_is_written_with_or_without_identity() {
    let folder = tempfile::tempdir().unwrap();
    let document = dicom_case();
    let mut what = Exporting {
        document,
        look: DisplayWindow::from_range(-100.0, 300.0).into(),
        reading: None,
        name: "Doe Jane.dcm".to_owned(),
        blank: false,
        without_identity: None,
    };
    let holds = |path: &Path, word: &str| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(word.len()).any(|w| w == word.as_bytes())
    };
    for kind in ExportKind::ALL {
        let path = folder
            .path()
            .join(format!("case{}.{}", kind.suffix(), kind.ending()));
        let done = export(kind, &what, &path);
        if kind == ExportKind::Record {
            assert!(done.is_err() && !path.exists());
            continue;
        }
        assert!(done.unwrap().is_empty(), "{kind:?}");
        assert!(path.is_file(), "{kind:?}");
    }
    let report = folder.path().join("case-measurements.dcm");
    assert!(holds(&report, "Doe^Jane") && holds(&report, "ID-4711"));
    what.without_identity = Some(b"a secret of this session".to_vec());
    for kind in ExportKind::ALL {
        if kind == ExportKind::Record {
            continue;
        }
        let path = folder
            .path()
            .join(format!("nameless{}.{}", kind.suffix(), kind.ending()));
        export(kind, &what, &path).unwrap();
        for word in ["Doe", "ID-4711", "Jane"] {
            assert!(!holds(&path, word), "{kind:?} says {word}");
        }
    }
    let back = radiograph::read(folder.path().join("nameless.dcm"), 0).unwrap();
    assert_eq!(back.pixels, what.document.image().pixels);
}

#[test]
fn nothing_is_cut_off_at_any_scale() {
    for scale in [1.0_f32, 1.25, 1.5, 2.0, 3.0] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("film.png");
        picture(&path, 160, 120, 100);
        let size = vec2(1000.0, 640.0);
        let start = Start {
            files: vec![path],
            models: vec![model()],
            ..Start::default()
        };
        let mut harness = Harness::builder()
            .with_size(size)
            .with_pixels_per_point(scale)
            .with_max_steps(64)
            .build_eframe(|cc| App::new(&cc.egui_ctx, start, faked(), None));
        until(&mut harness, "open", |app| app.session().open().is_some());
        let screen = egui::Rect::from_min_size(pos2(0.0, 0.0), size);
        for workspace in [Workspace::Draw, Workspace::Hips, Workspace::View] {
            harness.state_mut().act(Action::Workspace(workspace));
            harness.run_steps(3);
            let side = harness.get_by_label("Measure: length").rect();
            assert!(screen.contains_rect(side), "{scale}");
            for role in [egui::accesskit::Role::Canvas, egui::accesskit::Role::Tab] {
                for node in harness.get_all_by_role(role) {
                    assert!(screen.contains_rect(node.rect()), "{scale} {workspace:?}");
                    assert!(node.rect().width() > 20.0 && node.rect().height() > 12.0);
                }
            }
            let menu = ["File", "Edit", "View", "Case", "Help"];
            for name in menu {
                let found: Vec<_> = harness.query_all_by_label(name).collect();
                assert!(!found.is_empty(), "{name}");
                for node in found {
                    assert!(screen.contains_rect(node.rect()), "{scale} {name}");
                }
            }
            let notices = harness
                .query_all_by_role(egui::accesskit::Role::Button)
                .filter(|node| {
                    let rect = node.rect();
                    // What is scrolled out of the side column counts as cut off only sideways.
                    rect.left() < -0.5 || rect.right() > size.x + 0.5
                })
                .count();
            assert_eq!(notices, 0, "{scale} {workspace:?}: buttons beyond the edge");
        }
    }
}

#[test]
fn the_loupe_and_every_new_command_are_in_the_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = one_film(folder.path());
    let harness = &mut harness;
    harness.key_press(Key::Z);
    harness.run_steps(2);
    assert!(harness.state().session().loupe);
    let at = canvas_center(harness, "Sketch canvas");
    harness.hover_at(at);
    harness.run_steps(2);
    harness.key_press(Key::Z);
    harness.run_steps(2);
    assert!(!harness.state().session().loupe);
    let mut taken = std::collections::BTreeMap::new();
    for command in radcanvas::app::keys::COMMANDS {
        if !command.default.is_empty() {
            let other = taken.insert(command.default, command.id);
            assert_eq!(other, None, "{} has two commands", command.default);
            assert!(
                radcanvas::app::keys::parse(command.default).is_some(),
                "{}",
                command.default
            );
        }
    }
}

#[test]
fn images_of_another_scale_take_the_change_and_nothing_is_drawn_unseen() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("films");
    std::fs::create_dir(&images).unwrap();
    picture(&images.join("a.png"), 64, 40, 7);
    picture(&images.join("b.png"), 64, 40, 700);
    let mut harness = opened(images, folder.path());
    let harness = &mut harness;
    harness.state_mut().act(Action::Layout(Layout::Two));
    until(harness, "two images", |app| {
        app.session().beside.cells[0].image.is_some()
    });
    let widths = |harness: &Harness<'static, App>| {
        let session = harness.state().session();
        (
            session.view.window.width,
            session.beside.views[0].window.width,
        )
    };
    let before = widths(harness);
    assert!(before.1 > 20.0 * before.0, "each opens with its own window");
    let at = canvas_center(harness, "First image");
    // A tool that draws only moves the image here: its layer is not in sight.
    assert_eq!(harness.state().session().tool, Tool::Pen);
    drag(harness, at, at + vec2(30.0, 10.0));
    assert!(document(harness).marks.is_empty());
    let session = harness.state().session();
    assert_eq!(session.view.center, session.beside.views[0].center);
    assert!(!session.view.fitted && !session.beside.views[0].fitted);
    harness.key_press_modifiers(Modifiers::ALT, Key::ArrowRight);
    harness.run_steps(2);
    let after = widths(harness);
    assert!(after.0 > before.0);
    let ratio = (after.0 / before.0) / (after.1 / before.1);
    assert!((ratio - 1.0).abs() < 1e-9, "{before:?} {after:?}");
}

#[test]
fn slices_go_together_by_as_many_steps_where_their_places_are_not_known() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("volumes");
    std::fs::create_dir(&images).unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/files");
    for name in ["short.nii", "turned.nii"] {
        std::fs::copy(fixtures.join(name), images.join(name)).unwrap();
    }
    let mut harness = opened(images, folder.path());
    let harness = &mut harness;
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num2);
    until(harness, "two images", |app| {
        app.session().beside.cells[0].image.is_some()
    });
    let state = |app: &App| {
        let session = app.session();
        let case = session.open().map(|o| o.document().original.frame);
        let cell = &session.beside.cells[0];
        let there = cell.image.as_ref().map(|image| image.frame);
        let stale = cell.stale || there != cell.place.map(|place| place.1);
        (case.unwrap_or(9), there.unwrap_or(9), stale)
    };
    harness.key_press(Key::PageDown);
    until(harness, "both one on", |app| state(app) == (1, 1, false));
    // From the image beside the case as well.
    harness.state_mut().act(Action::ActiveCell(1));
    harness.key_press(Key::PageDown);
    until(harness, "both at the end", |app| {
        state(app) == (2, 2, false)
    });
    harness.state_mut().act(Action::Link(Link::Slice));
    harness.key_press(Key::PageUp);
    until(harness, "one alone", |app| state(app) == (2, 1, false));
    harness.state_mut().act(Action::Link(Link::Slice));
    // Their distance is kept, as far as there are slices.
    harness.key_press(Key::PageUp);
    until(harness, "together again", |app| state(app) == (1, 0, false));
}

#[test]
fn the_nearest_slice_is_found_along_the_normal_and_only_in_the_same_space() {
    use radiograph::series::{Place, nearest};
    let place = |z: f64, directions: [f64; 6], space: &str| Place {
        frame_of_reference: Some(space.to_owned()),
        // In-plane shifts mean nothing for the depth.
        position_mm: Some([z * 7.0, -40.0, z]),
        directions: Some(directions),
        ..Place::default()
    };
    let axial = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    let from = place(12.0, axial, "1.2.3");
    let thick: Vec<Place> = (0..9)
        .map(|n| place(5.0 * f64::from(n), axial, "1.2.3"))
        .collect();
    let among = |places: &[Place]| nearest(&from, places.iter().map(Some));
    assert_eq!(among(&thick), Some(2), "12 mm lies nearest to 10 mm");
    // The other way round, and beyond the end of the stack.
    let reversed: Vec<Place> = thick.iter().rev().cloned().collect();
    assert_eq!(among(&reversed), Some(6));
    assert_eq!(among(&thick[4..]), Some(0));
    // Turned over, the planes are parallel; tilted by 20° they are not.
    let turned = [1.0, 0.0, 0.0, 0.0, -1.0, 0.0];
    let over: Vec<Place> = (0..9)
        .map(|n| place(5.0 * f64::from(n), turned, "1.2.3"))
        .collect();
    assert_eq!(among(&over), Some(2));
    let (sin, cos) = 20.0_f64.to_radians().sin_cos();
    let tilted = [1.0, 0.0, 0.0, 0.0, cos, sin];
    assert_eq!(among(&[place(10.0, tilted, "1.2.3")]), None);
    assert_eq!(among(&[place(10.0, axial, "9.9")]), None, "another space");
    let nowhere = Place {
        position_mm: None,
        ..from.clone()
    };
    assert_eq!(among(&[nowhere]), None);
    assert_eq!(nearest(&from, [None]), None);
    assert_eq!(among(&[]), None);
    assert_eq!(nearest(&Place::default(), thick.iter().map(Some)), None);
}
