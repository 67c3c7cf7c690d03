//! How an image lies on the screen: overlay planes, letters at the edges, pixels that are not square.

use std::sync::Arc;

use egui::{Key, Modifiers, Pos2, Rect, vec2};
use radcanvas::app::canvas::pyramid::planes::color_image;
use radcanvas::app::canvas::view::point_of;
use radcanvas::app::canvas::{Planes, View, edge_letters, palette};
use radcanvas::document::{Document, Edit};
use radcanvas::geometry::{Figure, FigureKind, Point};
use radcanvas::radiograph::write::{SecondaryCapture, dicom_bytes};
use radcanvas::radiograph::{Orientation, Quantity, Radiograph, Spacing, SpacingSource};

use super::{Dicom, opened};

fn with_planes() -> Dicom {
    let mut film = Dicom::new(40, 30, |x, _| 20 * x);
    film.plane(0x6000, "G", (40, 30), |x, y| (x, y) == (5, 7) || y == 20);
    film.plane(0x6002, "R", (40, 30), |x, y| x > 30 && y < 5);
    film
}

#[test]
fn overlay_planes_are_drawn_with_an_edge_and_lose_no_dot_when_reduced() {
    let image = with_planes().read();
    assert_eq!(image.overlays.len(), 2);
    let whole = color_image(&image, Planes::All, 2048).unwrap();
    assert_eq!(whole.size, [40, 30]);
    let at = |x: usize, y: usize| whole.pixels[y * 40 + x];
    assert_eq!(at(5, 7), palette::TEXT);
    assert_eq!((at(4, 6), at(6, 8)), (palette::HALO, palette::HALO));
    assert_eq!(at(12, 12), egui::Color32::TRANSPARENT);
    assert!(
        at(35, 2).a() > 0 && at(35, 2) != palette::TEXT,
        "a region is a veil"
    );
    let small = color_image(&image, Planes::All, 10).unwrap();
    assert_eq!(small.size, [10, 8]);
    assert_eq!(small.pixels[10 + 1], palette::TEXT, "the lone dot");
    assert!(color_image(&Dicom::new(4, 4, |_, _| 1).read(), Planes::All, 2048).is_none());
}

#[test]
fn planes_are_uploaded_once_for_all_canvases_and_follow_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let textures = |dicom: &Dicom, name: &str| {
        let path = folder.path().join(name);
        dicom.write(&path);
        let mut harness = opened(vec![path]);
        harness.run_steps(4);
        let before = harness.ctx.tex_manager().read().num_allocated();
        assert!(harness.state().session().planes);
        harness.key_press_modifiers(Modifiers::SHIFT, Key::O);
        harness.run_steps(2);
        assert!(!harness.state().session().planes);
        harness.key_press_modifiers(Modifiers::SHIFT, Key::O);
        harness.run_steps(2);
        assert!(harness.state().session().planes);
        let after = harness.ctx.tex_manager().read().num_allocated();
        assert_eq!(before, after, "kept while hidden");
        after
    };
    let plain = Dicom::new(40, 30, |x, _| 20 * x);
    let none = textures(&plain, "plain.dcm");
    assert_eq!(textures(&with_planes(), "planes.dcm"), none + 1);
}

fn letters(image: &Radiograph) -> [String; 4] {
    edge_letters(&View::of(image), image).map(str::to_owned)
}

#[test]
fn letters_at_the_edges_follow_the_directions_and_the_view() {
    let mut film = Dicom::new(8, 8, |x, _| x);
    assert_eq!(letters(&film.read()), ["", "", "", ""], "unknown");
    // An axial slice: columns run to the patient's left, rows to the back.
    film.text((0x0020, 0x0037), "DS", "1\\0\\0\\0\\1\\0");
    let image = film.read();
    assert_eq!(letters(&image), ["L", "R", "P", "A"]);
    let mut view = View::of(&image);
    view.rotate();
    assert_eq!(
        edge_letters(&view, &image),
        ["A", "P", "L", "R"],
        "clockwise"
    );
    view.flip();
    assert_eq!(edge_letters(&view, &image), ["P", "A", "L", "R"]);
    view.rotate();
    assert_eq!(edge_letters(&view, &image), ["R", "L", "P", "A"]);
    // Image Orientation says it for sure; Patient Orientation counts where there is none.
    film.text((0x0020, 0x0020), "CS", "R\\F");
    assert_eq!(letters(&film.read()), ["L", "R", "P", "A"]);
    film.elements.remove(&(0x0020, 0x0037));
    assert_eq!(letters(&film.read()), ["R", "L", "F", "H"]);
    film.text((0x0020, 0x0020), "CS", "nonsense\\F");
    assert_eq!(letters(&film.read()), ["", "", "F", "H"]);
}

#[test]
fn animals_have_letters_of_their_own() {
    let mut film = Dicom::new(8, 8, |x, _| x);
    film.text((0x0010, 0x2210), "CS", "QUADRUPED");
    film.text((0x0020, 0x0020), "CS", "LE\\CD");
    assert_eq!(letters(&film.read()), ["Le", "Rt", "Cd", "Cr"]);
    film.text((0x0020, 0x0037), "DS", "0\\1\\0\\0\\0\\-1");
    assert_eq!(letters(&film.read()), ["D", "V", "Cd", "Cr"]);
    let paw = Orientation::of_codes("D", "DI", true).unwrap();
    assert_eq!(
        (&*paw.right, &*paw.left),
        ("D", ""),
        "palm or sole is not known"
    );
    assert_eq!((&*paw.down, &*paw.up), ("Di", "Pr"));
    let mixed = Orientation::of_codes("CRD", "", true).unwrap();
    assert_eq!((&*mixed.right, &*mixed.left), ("CrD", "CdV"));
    assert!(Orientation::of_codes("X", "7", true).is_none());
    let oblique = [0.7, 0.7, 0.1, 0.0, 0.0, -1.0];
    let oblique = Orientation::of_directions(oblique, false).unwrap();
    assert_eq!((&*oblique.left, &*oblique.down), ("RA", "F"));
    for bad in [[0.0; 6], [f64::NAN; 6], [f64::INFINITY; 6]] {
        assert!(Orientation::of_directions(bad, false).is_none());
    }
}

#[test]
fn pixels_that_are_not_square_are_measured_and_shown_as_they_are() {
    let mut film = Dicom::new(40, 30, |x, _| x);
    film.text((0x0028, 0x0034), "IS", "2\\1");
    let image = film.read();
    assert_eq!((image.spacing, image.pixel_ratio()), (None, 2.0));
    let figure = |kind, points: &[[f64; 2]]| Figure {
        kind,
        points: points.iter().map(|p| Point::from(*p)).collect(),
    };
    // Ten pixels across and five down are equally far: 45°.
    let angle = figure(FigureKind::Angle, &[[10.0, 0.0], [0.0, 0.0], [10.0, 5.0]]);
    let degrees = image.readings(&angle).get(Quantity::Angle).unwrap().value;
    assert!((degrees - 45.0).abs() < 1e-9, "{degrees}");
    let circle = figure(FigureKind::Circle, &[[10.0, 0.0], [-10.0, 0.0], [0.0, 5.0]]);
    let radius = image.readings(&circle).get(Quantity::Radius).unwrap().value;
    assert!((radius - 10.0).abs() < 1e-9, "{radius}");
    // What is written says so too.
    let bytes = dicom_bytes(&image, &SecondaryCapture::default()).unwrap();
    let back = radcanvas::radiograph::open_bytes("back.dcm", bytes).unwrap();
    assert_eq!(back.frame(0).unwrap().pixel_ratio(), 2.0);
    for text in ["0\\1", "1", "x\\y", "1\\9999", "-1\\1"] {
        film.text((0x0028, 0x0034), "IS", text);
        assert_eq!(film.read().pixel_ratio(), 1.0, "{text}");
    }
    film.text((0x0028, 0x0030), "DS", "0.597\\0.545");
    assert!((film.read().pixel_ratio() - 0.597 / 0.545).abs() < 1e-9);

    let rect = Rect::from_min_size(Pos2::ZERO, vec2(400.0, 300.0));
    for turns in 0..4 {
        for flipped in [false, true] {
            let mut view = View::of(&image);
            (view.quarter_turns, view.flipped) = (turns, flipped);
            let screen = view.image_from_screen(rect, 1.5).inverse().unwrap();
            let at = |x, y| screen.apply(Point::new(x, y));
            let (across, down) = (
                at(0.0, 0.0).distance(at(1.0, 0.0)),
                at(0.0, 0.0).distance(at(0.0, 1.0)),
            );
            assert!((down / across - 2.0).abs() < 1e-9, "{turns} {flipped}");
            // All of it is in sight, and fills the canvas one way.
            let [low, high] = screen.bounds_of([Point::new(-0.5, -0.5), Point::new(39.5, 29.5)]);
            assert!(low.x > -0.51 && low.y > -0.51 && high.x < 400.51 && high.y < 300.51);
            assert!((high - low).x > 398.0 || (high - low).y > 298.0);
            let pointer = egui::pos2(111.0, 77.0);
            let under = view.image_from_screen(rect, 1.5).apply(point_of(pointer));
            view.zoom_at(rect, 1.5, pointer, 1.7);
            let now = view.image_from_screen(rect, 1.5).apply(point_of(pointer));
            assert!(now.distance(under) < 1e-6);
            view.pan(rect, 1.5, vec2(10.0, -6.0));
            let now = view
                .image_from_screen(rect, 1.5)
                .apply(point_of(pointer + vec2(10.0, -6.0)));
            assert!(now.distance(under) < 1e-6, "{turns} {flipped}");
        }
    }
}

#[test]
fn a_calibration_is_an_edit_of_every_image_of_the_document() {
    let mut film = Dicom::new(40, 30, |x, _| x);
    film.text((0x0028, 0x0034), "IS", "2\\1");
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("case");
    let document = Document::new(Arc::new(film.read()));
    let mut project = radcanvas::document::Project::create(&at, document).unwrap();
    let length = Figure {
        kind: FigureKind::Length,
        points: vec![Point::new(0.0, 0.0), Point::new(0.0, 5.0)],
    };
    let [row_mm, column_mm] = length.calibration(25.0, 2.0).unwrap();
    assert_eq!((row_mm, column_mm), (5.0, 2.5));
    assert_eq!(length.calibration(0.0, 1.0), None);
    let spacing = Spacing {
        row_mm,
        column_mm,
        source: SpacingSource::Manual,
    };
    project.apply(Edit::Calibrate(Some(spacing))).unwrap();
    assert_eq!(
        project.history().undo_name().as_deref(),
        Some("Undo calibration")
    );
    let broken = Spacing {
        row_mm: f64::NAN,
        ..spacing
    };
    assert!(project.apply(Edit::Calibrate(Some(broken))).is_err());
    drop(project);
    let (mut project, _) = radcanvas::document::Project::open(&at).unwrap();
    let image = Arc::clone(project.history().document().image());
    assert_eq!(image.spacing, Some(spacing));
    assert_eq!(
        image.readings(&length).lines(),
        ["5 px · 25.0 mm (calibrated by hand)"]
    );
    assert!(project.undo().unwrap());
    assert_eq!(project.history().document().image().spacing, None);
}
