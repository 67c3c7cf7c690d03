//! DICOM objects about an image: masks of every odd size, reports, presentation states, tables; each read back.

use radcanvas::geometry::{Figure, FigureKind, Point};
use radcanvas::grid::Grid;
use radcanvas::landmarks::{Hip, HipLandmarks};
use radcanvas::radiograph::write::{
    Annotation, HipReport, MeasuredAngle, Object, SecondaryCapture, Segment, Table, coco, hips_csv,
    mask_of_counts, masks_csv, write_dicom, write_object, write_table,
};
use radcanvas::radiograph::{self, DisplayWindow, Pixels, Radiograph, SyntheticMark};

/// A film that is a DICOM file, as only such a one can be referred to.
fn film(folder: &std::path::Path, width: usize, height: usize) -> Radiograph {
    let values = Grid::from_fn(width, height, |x, y| (x * 7 + y * 11) as u16);
    let mut image = Radiograph::from_pixels(Pixels::U16(values));
    image.synthetic = Some(SyntheticMark::default());
    let path = folder.join(format!("film-{width}-{height}.dcm"));
    write_dicom(&path, &image, &SecondaryCapture::default(), true).unwrap();
    radiograph::read(&path, 0).unwrap()
}

fn hips() -> HipReport {
    let hip = |x| Hip {
        center: Point::new(x, 30.25),
        radius: 9.5,
        rim: Point::new(x + 1.5, 19.0),
    };
    let angle = |degrees| {
        Some(MeasuredAngle {
            degrees,
            interval_degrees: Some([degrees - 2.0, degrees + 2.5]),
        })
    };
    HipReport {
        landmarks: HipLandmarks {
            left: hip(70.0),
            right: hip(20.0),
            pixel_spacing_mm: None,
        },
        left: angle(101.25),
        right: angle(98.0 + 1.0 / 3.0),
        algorithm: Some("hips model".to_owned()),
        person: "Reader^A".to_owned(),
    }
}

#[test]
fn masks_of_any_size_survive_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    for (width, height, count) in [(17, 13, 3), (1, 1, 1), (8, 8, 2), (31, 5, 5)] {
        let image = film(folder.path(), width, height);
        let segments: Vec<Segment> = (0..count)
            .map(|n| Segment {
                label: format!("mask {n}"),
                mask: Grid::from_fn(width, height, |x, y| {
                    u8::from((x * 3 + y * 5 + n) % 4 == 0) * 255
                }),
                algorithm: (n == 1).then(|| "a network".to_owned()),
            })
            .collect();
        let path = folder.path().join("seg.dcm");
        write_object(&path, &image, &Object::Segmentation(&segments), true).unwrap();
        let file = radiograph::open(&path).unwrap();
        assert_eq!(file.frames(), count);
        for (n, segment) in segments.iter().enumerate() {
            let frame = file.frame(n).unwrap();
            let Pixels::U8(bits) = &frame.pixels else {
                panic!("{}", frame.pixels.depth_name());
            };
            assert_eq!(
                bits,
                &segment.mask.map(|v| v / 255),
                "{width} × {height}, {n}"
            );
            assert!(frame.synthetic.is_some());
        }
        assert_eq!(file.frame(0).unwrap().source.study, image.source.study);
    }
}

#[test]
fn what_does_not_fit_is_said_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let image = film(folder.path(), 20, 10);
    let path = folder.path().join("object.dcm");
    let odd = [Segment {
        label: String::new(),
        mask: Grid::filled(3, 3, 1),
        algorithm: None,
    }];
    let said = |result: Result<(), radcanvas::radiograph::write::WriteError>| {
        result.unwrap_err().to_string()
    };
    assert!(
        said(write_object(
            &path,
            &image,
            &Object::Segmentation(&odd),
            false
        ))
        .contains("3 × 3")
    );
    assert!(
        said(write_object(
            &path,
            &image,
            &Object::Segmentation(&[]),
            false
        ))
        .contains("mask")
    );
    let mut report = hips();
    report.landmarks.left.center.x = f64::NAN;
    assert!(
        said(write_object(&path, &image, &Object::Report(&report), false)).contains("no number")
    );
    // A picture that is no DICOM file cannot be referred to.
    let picture = Radiograph::from_pixels(image.pixels.clone());
    assert!(
        said(write_object(
            &path,
            &picture,
            &Object::Report(&hips()),
            false
        ))
        .contains("DICOM")
    );
    assert!(!path.exists());
}

#[test]
fn reports_and_views_are_written_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let image = film(folder.path(), 100, 60);
    let path = folder.path().join("report.dcm");
    write_object(&path, &image, &Object::Report(&hips()), false).unwrap();
    let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
    for word in [
        "Norberg angle",
        "hips model",
        "Reader^A",
        "101.25",
        "98.33333333333",
        "CIRCLE",
        "1500",
    ] {
        assert!(text.contains(word), "{word}");
    }
    let window = DisplayWindow {
        center: 400.5,
        width: 123.0,
        ..DisplayWindow::from_range(0.0, 1.0)
    };
    let annotations = [
        Annotation::Circle {
            center: Point::new(3.0, 4.0),
            radius: 2.0,
        },
        Annotation::Point {
            at: Point::new(1.0, 1.0),
            label: "105°".to_owned(),
        },
        Annotation::Lines(vec![Point::new(0.0, 0.0), Point::new(5.0, 5.0)]),
        Annotation::Text {
            at: Point::new(2.0, 2.0),
            text: "left".to_owned(),
        },
    ];
    let look = window.into();
    let view = Object::Presentation {
        look: &look,
        annotations: &annotations,
    };
    let path = folder.path().join("view.dcm");
    write_object(&path, &image, &view, false).unwrap();
    assert!(
        write_object(&path, &image, &view, false)
            .unwrap_err()
            .to_string()
            .contains("exists")
    );
    let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
    assert!(text.contains("105°") && text.contains("400.5") && text.contains("POLYLINE"));
}

#[test]
fn tables_hold_what_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let image = film(folder.path(), 12, 9);
    let mask = Grid::from_fn(12, 9, |x, y| {
        u8::from((3..7).contains(&x) && (2..5).contains(&y))
    });
    let segment = |label: &str, mask: &Grid<u8>| Segment {
        label: label.to_owned(),
        mask: mask.clone(),
        algorithm: None,
    };
    let segments = [
        segment("lesion", &mask),
        segment("nothing", &Grid::filled(12, 9, 0)),
    ];
    let document = coco("film.dcm", &image, &segments);
    let annotations = document["annotations"].as_array().unwrap();
    assert_eq!(annotations.len(), 1);
    assert_eq!(annotations[0]["bbox"], serde_json::json!([3, 2, 4, 3]));
    assert_eq!(annotations[0]["area"], 12);
    assert_eq!(document["images"][0]["synthetic"], true);
    let counts: Vec<usize> =
        serde_json::from_value(annotations[0]["segmentation"]["counts"].clone()).unwrap();
    assert_eq!(
        mask_of_counts(12, 9, &counts).unwrap().map(|v| v / 255),
        mask
    );
    assert!(mask_of_counts(12, 9, &[5, usize::MAX]).is_none());
    let text = String::from_utf8(masks_csv("film.dcm", &image, &segments).unwrap()).unwrap();
    let row: Vec<&str> = text.lines().nth(1).unwrap().split(',').collect();
    // The mean of 7x + 11y over x 3…6 and y 2…4.
    assert_eq!(
        (row[2], row[3], row[10], row[11], row[12]),
        ("lesion", "12", "64.5", "43", "86")
    );
    let text = String::from_utf8(hips_csv("film.dcm", &image, &hips()).unwrap()).unwrap();
    assert!(
        text.lines()
            .nth(2)
            .unwrap()
            .contains("left,70,30.25,9.5,71.5,19,101.25,99.25,103.75,hips model"),
        "{text}"
    );
}

#[test]
fn tables_are_read_again_before_they_are_saved() {
    let folder = tempfile::tempdir().unwrap();
    let image = film(folder.path(), 12, 9);
    let mask = Grid::from_fn(12, 9, |x, y| {
        u8::from((3..7).contains(&x) && (2..5).contains(&y))
    });
    let segment = |mask: Grid<u8>| Segment {
        label: "a, \"b\"".to_owned(),
        mask,
        algorithm: None,
    };
    let masks = [segment(mask), segment(Grid::filled(12, 9, 0))];
    let report = hips();
    let figures = [
        Figure {
            kind: FigureKind::Length,
            points: vec![Point::new(1.5, 2.0), Point::new(4.5, 6.0)],
        },
        Figure {
            kind: FigureKind::Rectangle,
            points: vec![Point::new(1.0, 1.0), Point::new(6.0, 5.0)],
        },
    ];
    for (table, changes) in [
        (
            Table::Coco(&masks),
            vec![
                ("\"area\":12", "\"area\":13"),
                ("[3,2,4,3]", "[3,2,4,2]"),
                ("[29,3,6", "[28,4,6"),
                ("\"synthetic\":true", "\"synthetic\":false"),
                ("film.dcm", "other.dcm"),
                ("\"name\":\"a", "\"name\":\"c"),
            ],
        ),
        (
            Table::Masks(&masks),
            vec![(",64.5,", ",64.4,"), (",12,", ",13,"), ("label", "table")],
        ),
        (
            Table::Hips(&report),
            vec![
                ("101.25", "101.5"),
                ("left,70", "left,71"),
                ("\nfilm.dcm,true,left", "\n"),
            ],
        ),
        (
            Table::Figures(&figures),
            vec![
                ("1.5 2; 4.5 6", "1.5 2; 4.5 7"),
                (",5,px", ",6,px"),
                ("mean", "median"),
            ],
        ),
    ] {
        let bytes = table.bytes("film.dcm", &image).unwrap();
        table.check(&bytes, "film.dcm", &image).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "{from} in {text}");
            let changed = text.replacen(from, to, 1);
            let found = table.check(changed.as_bytes(), "film.dcm", &image);
            assert!(found.is_err(), "{from} became {to} unseen");
        }
        assert!(
            table
                .check(&text.as_bytes()[..text.len() / 2], "film.dcm", &image)
                .is_err()
        );
    }
    // A mask of another size would be read as other pixels than were painted.
    let other = [segment(Grid::filled(9, 12, 255))];
    for (number, table) in [Table::Coco(&other), Table::Masks(&other)]
        .iter()
        .enumerate()
    {
        let path = folder.path().join(format!("{number}.txt"));
        assert!(write_table(&path, "film.dcm", &image, table, true).is_err());
        assert!(!path.exists());
    }
}

#[test]
fn a_volume_file_opens_as_it_was_shown() {
    let folder = tempfile::tempdir().unwrap();
    let image = film(folder.path(), 12, 9);
    for name in ["a.nii", "a.nii.gz"] {
        let path = folder.path().join(name);
        radiograph::export(&path, &image, &image.pixels, false).unwrap();
        let back = radiograph::read(&path, 0).unwrap();
        assert_eq!(back.pixels, image.pixels);
        assert!(back.synthetic.is_some(), "the mark is lost in {name}");
    }
    let packed = folder.path().join("a.gz");
    assert!(radiograph::export(&packed, &image, &image.pixels, false).is_err());
}
