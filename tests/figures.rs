//! Figures drawn to measure: exact numbers, images, documents that keep them, and the files that carry them out.

use std::path::Path;
use std::sync::Arc;

use radcanvas::document::{Document, Edit, EditError, History, Project};
use radcanvas::geometry::{Figure, FigureKind, Point, Statistics, angle_degrees};
use radcanvas::grid::Grid;
use radcanvas::radiograph::write::{
    Object, SecondaryCapture, deidentify, deidentify_own_report, figure_annotations, figures_csv,
    write_dicom, write_object,
};
use radcanvas::radiograph::{
    self, DisplayWindow, ModalityTransform, Pixels, Quantity, Radiograph, Spacing, SpacingSource,
    Unit,
};

const SQUARE: [f64; 2] = [1.0, 1.0];

fn figure(kind: FigureKind, points: &[[f64; 2]]) -> Figure {
    Figure {
        kind,
        points: points.iter().map(|p| Point::from(*p)).collect(),
    }
}

fn near(found: Option<f64>, wanted: f64) {
    let found = found.unwrap();
    assert!((found - wanted).abs() < 1e-9, "{found} is not {wanted}");
}

#[test]
fn lengths_and_angles_are_those_of_the_drawing_board() {
    let length = figure(FigureKind::Length, &[[1.0, 2.0], [4.0, 6.0]]);
    near(length.length(SQUARE), 5.0);
    // Rows 0.5 mm apart, columns 2 mm: (6, 2) mm.
    near(length.length([0.5, 2.0]), 40.0_f64.sqrt());
    let angle = figure(FigureKind::Angle, &[[1.0, 0.0], [0.0, 0.0], [0.0, 3.0]]);
    near(angle.angle_degrees(SQUARE), 90.0);
    let half = figure(FigureKind::Angle, &[[5.0, 0.0], [0.0, 0.0], [1.0, 1.0]]);
    near(half.angle_degrees(SQUARE), 45.0);
    // A pixel three times as high as wide turns 45° into 71.565…°.
    near(half.angle_degrees([3.0, 1.0]), 3.0_f64.atan().to_degrees());
    assert_eq!(length.angle_degrees(SQUARE), None);
    let nowhere = Point::new(1.0, 1.0);
    assert_eq!(
        angle_degrees(nowhere, nowhere, Point::default(), None),
        None
    );
}

#[test]
fn cobb_angles_do_not_depend_on_how_the_lines_were_drawn() {
    let slope = |degrees: f64| degrees.to_radians().tan();
    let at = |a: f64, b: f64, back: bool| {
        let (end, low) = ([100.0, 100.0 * slope(b)], 300.0);
        let second = if back {
            [[100.0, low + end[1]], [0.0, low]]
        } else {
            [[0.0, low], [100.0, low + end[1]]]
        };
        let points = [[0.0, 0.0], [100.0, 100.0 * slope(a)], second[0], second[1]];
        figure(FigureKind::Cobb, &points).angle_degrees(SQUARE)
    };
    for back in [false, true] {
        near(at(20.0, -15.0, back), 35.0);
        near(at(50.0, -55.0, back), 105.0);
        near(at(10.0, 10.0, back), 0.0);
        // Steep lines have no left and right: the acute angle.
        near(at(85.0, -85.0, back), 10.0);
    }
}

#[test]
fn circles_pass_through_their_three_points() {
    let circle = figure(FigureKind::Circle, &[[13.0, 4.0], [8.0, 9.0], [3.0, 4.0]]);
    let (center, radius) = circle.circle(SQUARE).unwrap();
    assert!(center.distance(Point::new(8.0, 4.0)) < 1e-9);
    near(Some(radius), 5.0);
    near(circle.area(SQUARE), 25.0 * std::f64::consts::PI);
    // Far away and small: no digits are lost.
    let far = figure(
        FigureKind::Circle,
        &[
            [9.0e5 + 1.0, 9.0e5],
            [9.0e5, 9.0e5 + 1.0],
            [9.0e5 - 1.0, 9.0e5],
        ],
    );
    near(far.circle(SQUARE).map(|(_, r)| r), 1.0);
    // Pixels that are not square: the circle is one in millimetres.
    let scale = [0.5, 0.25];
    let (center, radius) = circle.circle(scale).unwrap();
    for point in &circle.points {
        let away = (*point - center).scaled(scale[1], scale[0]).length();
        near(Some(away), radius);
    }
    let line = figure(FigureKind::Circle, &[[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]);
    assert_eq!(line.circle(SQUARE), None);
    assert_eq!(line.area(SQUARE), None);
    assert_eq!(
        line.lines(SQUARE, 8),
        vec![line.points.clone()],
        "what cannot be a circle is shown as drawn"
    );
}

#[test]
fn regions_count_the_pixels_whose_centers_lie_inside() {
    let box_ = figure(FigureKind::Rectangle, &[[4.5, 3.5], [1.5, 0.5]]);
    near(box_.area([2.0, 0.5]), 9.0);
    assert_eq!(box_.runs(10, 10), vec![(1, 2..5), (2, 2..5), (3, 2..5)]);
    let edge = figure(FigureKind::Rectangle, &[[-5.0, -5.0], [0.0, 0.0]]);
    assert_eq!(edge.runs(10, 10), vec![(0, 0..1)]);
    let out = figure(FigureKind::Rectangle, &[[50.0, 50.0], [60.0, 60.0]]);
    assert!(out.runs(10, 10).is_empty());
    let oval = figure(FigureKind::Ellipse, &[[2.0, 2.0], [8.0, 6.0]]);
    near(oval.area(SQUARE), std::f64::consts::PI * 6.0);
    let inside: usize = oval.runs(20, 20).iter().map(|(_, run)| run.len()).sum();
    let counted = (0..20_i32)
        .flat_map(|y| (0..20_i32).map(move |x| (x, y)))
        .filter(|(x, y)| {
            let (u, v) = (f64::from(x - 5) / 3.0, f64::from(y - 4) / 2.0);
            u * u + v * v <= 1.0 + 1e-12
        })
        .count();
    assert_eq!(inside, counted);
    // A bow tie crosses itself: even–odd inside, and the shoelace's area.
    let bow = figure(
        FigureKind::Freehand,
        &[[0.0, 0.0], [8.0, 8.0], [8.0, 0.0], [0.0, 8.0]],
    );
    let rows = bow.runs(20, 20);
    assert_eq!(rows.iter().filter(|(y, _)| *y == 2).count(), 2);
    let square = figure(
        FigureKind::Freehand,
        &[[1.5, 1.5], [4.5, 1.5], [4.5, 3.5], [1.5, 3.5]],
    );
    near(square.area(SQUARE), 6.0);
    assert_eq!(square.runs(9, 9), vec![(2, 2..5), (3, 2..5)]);
}

#[test]
fn statistics_are_exact_and_never_nan() {
    let found = Statistics::of([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
    assert_eq!((found.count, found.mean), (8, 5.0));
    assert_eq!((found.minimum, found.maximum), (2.0, 9.0));
    near(found.deviation, (32.0_f64 / 7.0).sqrt());
    let far = Statistics::of([1.0e9 + 1.0, 1.0e9 + 2.0, 1.0e9 + 3.0]).unwrap();
    near(far.deviation, 1.0);
    let one = Statistics::of([7.0, f64::NAN, f64::INFINITY]).unwrap();
    assert_eq!((one.count, one.deviation), (1, None));
    assert_eq!(Statistics::of([f64::NAN]), None);
}

fn ramp() -> Radiograph {
    let grid = Grid::from_fn(20, 10, |x, y| (x + 100 * y) as i16);
    let mut image = Radiograph::from_pixels(Pixels::I16(grid));
    image.modality_transform = ModalityTransform::Linear {
        slope: 2.0,
        intercept: -1000.0,
    };
    "HU".clone_into(&mut image.modality_unit);
    image
}

#[test]
fn readings_say_their_unit_and_how_far_they_can_be_trusted() {
    let mut image = ramp();
    let length = figure(FigureKind::Length, &[[0.0, 0.0], [6.0, 8.0]]);
    let plain = image.readings(&length);
    assert_eq!(plain.lines(), ["10 px (not calibrated)"]);
    for (source, text) in [
        (SpacingSource::Calibrated, "calibrated"),
        (SpacingSource::EstimatedMagnification, "est. magnification"),
        (SpacingSource::Detector, "at detector"),
        (SpacingSource::Manual, "calibrated by hand"),
    ] {
        image.spacing = Some(Spacing {
            row_mm: 0.5,
            column_mm: 0.5,
            source,
        });
        let lines = image.readings(&length).lines();
        assert_eq!(lines, [format!("10 px · 5.0 mm ({text})")]);
    }
    let region = figure(FigureKind::Rectangle, &[[2.0, 1.0], [4.0, 2.0]]);
    let readings = image.readings(&region);
    // Stored 102, 103, 104, 202, 203, 204; modality value 2 v − 1000.
    let value = |quantity| readings.get(quantity).unwrap().value;
    assert_eq!(value(Quantity::Mean), -694.0);
    assert_eq!(value(Quantity::Minimum), -796.0);
    assert_eq!(value(Quantity::Maximum), -592.0);
    assert_eq!(value(Quantity::Count), 6.0);
    assert_eq!(value(Quantity::Area), 2.0 * 0.25);
    let mean = readings.get(Quantity::Mean).unwrap();
    assert_eq!(mean.unit, Unit::Value("HU".to_owned()));
    assert!(readings.lines().iter().any(|l| l.contains("mean -694 HU")));
    image.padding = Some((200.0, 300.0));
    let found = image.statistics(&region).unwrap();
    assert_eq!(
        (found.count, found.maximum),
        (3, -792.0),
        "padding is left out"
    );
}

#[test]
fn rubbish_is_refused_and_measures_nothing() {
    let mut document = Document::new(Arc::new(ramp()));
    for bad in [
        figure(FigureKind::Length, &[[0.0, 0.0]]),
        figure(FigureKind::Length, &[[0.0, f64::NAN], [1.0, 1.0]]),
        figure(
            FigureKind::Circle,
            &[[0.0, 0.0], [1.0e300, 0.0], [1.0, 1.0]],
        ),
        figure(FigureKind::Freehand, &[[0.0, 0.0], [1.0, 1.0]]),
    ] {
        let edit = Edit::AddFigure(Arc::new(bad.clone()));
        assert_eq!(document.apply(&edit), Err(EditError::NotANumber("figure")));
        // Even so none of it panics.
        let _ = (document.image().readings(&bad), bad.lines(SQUARE, 4));
    }
    assert!(document.apply(&Edit::RemoveFigure(0)).is_err());
    let dot = figure(FigureKind::Angle, &[[1.0, 1.0]; 3]);
    assert!(document.image().readings(&dot).values.is_empty());
    let far = figure(FigureKind::Ellipse, &[[-1.0e7, -1.0e7], [1.0e7, 1.0e7]]);
    assert_eq!(document.image().statistics(&far).unwrap().count, 200);
}

#[test]
fn a_drag_of_a_figure_is_one_step_and_projects_keep_figures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case.radcanvas");
    let circle = figure(FigureKind::Circle, &[[13.0, 4.0], [8.0, 9.0], [3.0, 4.0]]);
    let moved = |x: f64| {
        let mut next = circle.clone();
        next.points[0].x = x;
        Arc::new(next)
    };
    let mut project = Project::create(&path, Document::new(Arc::new(ramp()))).unwrap();
    project
        .apply(Edit::AddFigure(Arc::new(circle.clone())))
        .unwrap();
    project.apply(Edit::SetFigure(0, moved(14.0))).unwrap();
    project
        .apply_coalesced(Edit::SetFigure(0, moved(15.0)))
        .unwrap();
    drop(project);
    let (mut project, notes) = Project::open(&path).unwrap();
    assert!(notes.is_empty());
    assert_eq!(*project.document().figures[0], *moved(15.0));
    assert!(project.undo().unwrap());
    assert_eq!(*project.document().figures[0], circle, "the whole drag");
    let mut history = History::new(project.document().clone());
    history.apply(Edit::ClearFigures).unwrap();
    assert_eq!(
        history.undo_name().as_deref(),
        Some("Undo clear measurements")
    );
    // A project that begins with figures has them in its beginning.
    let copy = folder.path().join("copy.radcanvas");
    drop(Project::create(&copy, project.document().clone()).unwrap());
    assert_eq!(Project::open(&copy).unwrap().0.document().figures.len(), 1);
}

fn film(folder: &Path) -> Radiograph {
    let mut image = ramp();
    image.spacing = Some(Spacing {
        row_mm: 0.4,
        column_mm: 0.4,
        source: SpacingSource::Calibrated,
    });
    let path = folder.join("film.dcm");
    let facts = SecondaryCapture {
        description: "test".to_owned(),
        from_nothing: false,
    };
    write_dicom(&path, &image, &facts, false).unwrap();
    radiograph::read(&path, 0).unwrap()
}

fn one_of_each() -> Vec<Figure> {
    vec![
        figure(FigureKind::Length, &[[1.0, 1.0], [4.0, 5.0]]),
        figure(FigureKind::Angle, &[[9.0, 1.0], [2.0, 1.0], [2.0, 8.0]]),
        figure(
            FigureKind::Cobb,
            &[[1.0, 1.0], [9.0, 2.0], [1.0, 8.0], [9.0, 6.0]],
        ),
        figure(FigureKind::Circle, &[[13.0, 4.0], [8.0, 9.0], [3.0, 4.0]]),
        figure(FigureKind::Rectangle, &[[2.0, 1.0], [4.0, 2.0]]),
        figure(FigureKind::Ellipse, &[[2.0, 1.0], [9.0, 8.0]]),
        figure(FigureKind::Freehand, &[[1.0, 1.0], [9.0, 1.5], [5.0, 8.0]]),
    ]
}

#[test]
fn reports_views_and_tables_carry_every_figure() {
    let folder = tempfile::tempdir().unwrap();
    let image = film(folder.path());
    let figures = one_of_each();
    let object = Object::Measurements {
        hips: None,
        figures: &figures,
    };
    let report = folder.path().join("report.dcm");
    // Read back and compared number by number before it is saved.
    write_object(&report, &image, &object, false).unwrap();
    let bytes = std::fs::read(&report).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    for word in [
        "410668003",
        "285285000",
        "Cobb angle 3",
        "131190003",
        "373098007",
        "ELLIPSE",
        "CIRCLE",
        "POLYLINE",
        "mm (calibrated)",
    ] {
        assert!(text.contains(word), "{word}");
    }
    // The basic profile takes the content of any report; of our own, which names nobody, it stays.
    let bare = folder.path().join("bare.dcm");
    deidentify(&report, &bare, b"secret", false).unwrap();
    let text = String::from_utf8_lossy(&std::fs::read(&bare).unwrap()).into_owned();
    assert!(!text.contains("410668003"));
    let nameless = folder.path().join("nameless.dcm");
    deidentify_own_report(&report, &nameless, b"secret", false).unwrap();
    let text = String::from_utf8_lossy(&std::fs::read(&nameless).unwrap()).into_owned();
    for word in ["Cobb angle 3", "410668003", "113104"] {
        assert!(text.contains(word), "{word}");
    }
    assert!(!text.contains("UNKNOWN"));
    let annotations = figure_annotations(&image, &figures);
    let window = DisplayWindow::from_range(-1000.0, 1000.0);
    let look = window.into();
    let view = Object::Presentation {
        look: &look,
        annotations: &annotations,
    };
    write_object(&folder.path().join("view.dcm"), &image, &view, false).unwrap();
    let table = String::from_utf8(figures_csv("film.dcm", &image, &figures).unwrap()).unwrap();
    let rows: Vec<&str> = table.lines().collect();
    assert!(rows[1].starts_with("film.dcm,false,1,1,Length,length,5,px,calibrated,1 1; 4 5"));
    assert!(rows[2].starts_with("film.dcm,false,1,1,Length,length,2,mm,calibrated"));
    assert!(table.contains("Region, ellipse"), "quoted by the writer");
    let nothing = Object::Measurements {
        hips: None,
        figures: &[],
    };
    let refused = write_object(&folder.path().join("no.dcm"), &image, &nothing, false);
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("measure something")
    );
}
