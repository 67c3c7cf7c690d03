//! Exports and masks in the window: what is said when pixels leave, and what a dropped file becomes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui_kittest::Harness;
use radcanvas::app::action::{Action, ExportKind};
use radcanvas::app::files::{Exporting, export, load};
use radcanvas::app::{App, Start};
use radcanvas::document::{Document, Edit, Layer, Mark, Operation, Shape};
use radcanvas::geometry::Point;
use radcanvas::grid::Grid;
use radcanvas::radiograph::write::{Look, Object, Segment, write_object};
use radcanvas::radiograph::{self, DisplayWindow, Photometric};

use super::{captured, fixture, ramp};
use crate::app::{model, until, window};

fn masks(path: &Path, image: &radcanvas::radiograph::Radiograph) -> Grid<u8> {
    let mask = Grid::from_fn(image.width(), image.height(), |x, y| {
        u8::from((20..60).contains(&x) && (10..30).contains(&y)) * 255
    });
    let segment = Segment {
        label: "lesion".to_owned(),
        mask: mask.clone(),
        algorithm: None,
    };
    write_object(path, image, &Object::Segmentation(&[segment]), false).unwrap();
    mask
}

/// The window with a film open in it.
fn opened(film: PathBuf, folder: &Path) -> Harness<'static, App> {
    let mut harness = window(Start {
        files: vec![film],
        models: vec![model()],
        keep: Some(folder.join("unsaved")),
        ..Start::default()
    });
    until(&mut harness, "open", |app| app.session().open().is_some());
    harness
}

#[test]
fn masks_dropped_on_their_image_go_onto_the_mask_canvas() {
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.dcm");
    let image = captured(&film, &ramp(120, 80));
    let path = folder.path().join("masks.dcm");
    let mask = masks(&path, &image);
    // By themselves they are refused, with what they are.
    let alone = load(&path, None, &|_| ()).unwrap_err().to_string();
    assert!(
        alone.contains("Segmentation") && alone.contains("drop this file on it"),
        "{alone}"
    );
    let mut harness = opened(film, folder.path());
    harness.state_mut().act(Action::Dropped(path.clone()));
    until(&mut harness, "masks", |app| {
        let open = app.session().open();
        open.is_some_and(|open| open.document().marks_of(Layer::Mask).next().is_some())
    });
    let open = harness.state().session().open().unwrap();
    assert_eq!(open.document().mask().unwrap(), mask);
    // On another image they are refused, and that image stays.
    let other = folder.path().join("other.dcm");
    captured(&other, &ramp(120, 80));
    harness.state_mut().act(Action::Dropped(other.clone()));
    until(&mut harness, "the other image", |app| {
        let open = app.session().open();
        open.is_some_and(|open| open.path.as_deref() == Some(&*other))
    });
    let before = harness.state().session().notices.len();
    harness.state_mut().act(Action::Dropped(path));
    until(&mut harness, "a refusal", |app| {
        app.session().notices.len() > before
    });
    let open = harness.state().session().open().unwrap();
    assert!(open.document().mask().is_none());
}

#[test]
fn an_export_of_the_view_knows_turns_inversion_and_what_is_in_sight() {
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.dcm");
    captured(&film, &ramp(120, 80));
    let mut harness = opened(film, folder.path());
    assert_eq!(harness.state().session().view.look().shown, None);
    for action in [
        Action::Invert,
        Action::Rotate,
        Action::Flip,
        Action::OneToOne,
    ] {
        harness.state_mut().act(action);
        harness.run_steps(2);
    }
    harness.run_steps(3);
    let view = harness.state().session().view.clone();
    let look = view.look();
    assert!(look.invert == view.invert && look.invert);
    assert_eq!(look.quarter_turns, 1);
    assert!(look.flipped);
    let [a, b] = look.shown.unwrap();
    // At 1:1 as many image pixels are in sight as the canvas has.
    assert!(
        (a - b).x.abs() > 100.0 && (a - b).y.abs() > 100.0,
        "{a:?} {b:?}"
    );
}

#[test]
fn pixels_that_leave_without_identity_are_to_be_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let image = radiograph::read(fixture("ct"), 0).unwrap();
    let mut what = Exporting {
        document: Document::new(Arc::new(image.clone())),
        look: Look::from(DisplayWindow::from_range(0.0, 100.0)),
        reading: None,
        name: "film".to_owned(),
        blank: false,
        without_identity: Some(b"secret".to_vec()),
    };
    let pictures = [
        ExportKind::Png16,
        ExportKind::Tiff,
        ExportKind::Nifti,
        ExportKind::Dicom,
    ];
    let said = |what: &Exporting, kind: ExportKind| {
        let path = folder
            .path()
            .join(format!("x{}.{}", kind.suffix(), kind.ending()));
        export(kind, what, &path).unwrap().join("; ")
    };
    for kind in pictures {
        // Tables that PNG cannot hold are none of this test.
        if kind == ExportKind::Png16 && image.pixels.range().0 < 0.0 {
            continue;
        }
        let said = said(&what, kind);
        assert!(said.contains("Burned In Annotation"), "{kind:?}: {said}");
    }
    "NO".clone_into(&mut Arc::make_mut(&mut what.document.original).burned_in);
    for kind in pictures {
        if kind == ExportKind::Png16 && image.pixels.range().0 < 0.0 {
            continue;
        }
        let said = said(&what, kind);
        assert!(!said.contains("Burned In Annotation"), "{kind:?}: {said}");
    }
    // Painted over, and made black: nothing is left to look at.
    Arc::make_mut(&mut what.document.original).burned_in.clear();
    what.blank = true;
    let path = folder.path().join("black.tif");
    let refused = export(ExportKind::Tiff, &what, &path)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("no mask") && !path.exists(), "{refused}");
    let mark = Mark {
        layer: Layer::Mask,
        operation: Operation::Paint,
        shape: Shape::Rectangle {
            from: Point::new(0.0, 0.0),
            to: Point::new(3.0, 2.0),
        },
    };
    what.document.apply(&Edit::AddMark(Arc::new(mark))).unwrap();
    let mask = what.document.mask().unwrap();
    for kind in [ExportKind::Tiff, ExportKind::Nifti, ExportKind::Dicom] {
        let path = folder
            .path()
            .join(format!("black{}.{}", kind.suffix(), kind.ending()));
        let said = export(kind, &what, &path).unwrap().join("; ");
        assert!(!said.contains("Burned In"), "{kind:?}: {said}");
        let back = radiograph::read(&path, 0).unwrap();
        let limits = image.stored_limits().unwrap();
        let black = match image.photometric {
            Photometric::Monochrome1 => limits.1,
            Photometric::Monochrome2 => limits.0,
        };
        for y in 0..image.height() {
            for x in 0..image.width() {
                let wanted = if mask[(x, y)] == 0 {
                    image.pixels.value(x, y)
                } else {
                    Some(black)
                };
                assert_eq!(back.pixels.value(x, y), wanted, "{kind:?} {x} {y}");
            }
        }
    }
}
