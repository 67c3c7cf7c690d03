//! What must not be lost on the way out: the whole view, colors, tables, trust in millimetres, bits, masks.

mod golden;
#[cfg(feature = "window")]
mod window;

use std::path::Path;
use std::sync::Arc;

use radcanvas::geometry::{PixelRect, Point};
use radcanvas::grid::Grid;
use radcanvas::radiograph::write::{
    Annotation, Look, Object, SecondaryCapture, Segment, deidentify_blanked, object_at,
    write_dicom, write_object,
};
use radcanvas::radiograph::{
    self, DisplayWindow, ModalityTransform, Photometric, Pixels, Radiograph, Spacing,
    SpacingSource, SyntheticMark, Values, VoiTable, WindowFunction, export_step, masks_of,
};
use radcanvas::synthesis::composite::{Film, blend, compose};

use crate::radiograph::fixture;

fn ramp(width: usize, height: usize) -> Radiograph {
    let values = Grid::from_fn(width, height, |x, y| (x * 17 + y * 29) as u16);
    let mut image = Radiograph::from_pixels(Pixels::U16(values));
    image.source.bits_stored = 12;
    "DX".clone_into(&mut image.modality);
    image
}

/// The image as a DICOM file, opened.
fn captured(path: &Path, image: &Radiograph) -> Radiograph {
    write_dicom(path, image, &SecondaryCapture::default(), true).unwrap();
    radiograph::read(path, 0).unwrap()
}

fn holds(path: &Path, words: &[u8]) -> bool {
    let bytes = std::fs::read(path).unwrap();
    bytes.windows(words.len()).any(|w| w == words)
}

/// The bytes of an element in Explicit VR Little Endian.
pub(crate) fn element(group: u16, element: u16, vr: [u8; 2], value: &[u8]) -> Vec<u8> {
    let mut bytes = [group.to_le_bytes(), element.to_le_bytes()].concat();
    bytes.extend(vr);
    if matches!(&vr, b"OB" | b"OW") {
        bytes.extend([0, 0]);
        bytes.extend((value.len() as u32).to_le_bytes());
    } else {
        bytes.extend((value.len() as u16).to_le_bytes());
    }
    bytes.extend(value);
    bytes
}

fn view() -> Look {
    Look {
        invert: true,
        quarter_turns: 1,
        flipped: true,
        shown: Some([Point::new(9.5, 4.5), Point::new(49.5, 34.5)]),
        ..Look::from(DisplayWindow::from_range(100.0, 900.0))
    }
}

#[test]
fn a_view_is_written_whole_and_every_part_of_it_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let image = captured(&folder.path().join("film.dcm"), &ramp(100, 60));
    let marks = [
        Annotation::Circle {
            center: Point::new(20.0, 14.0),
            radius: 6.25,
        },
        Annotation::Text {
            at: Point::new(2.0, 2.0),
            text: "104.6°".to_owned(),
        },
        Annotation::Lines(vec![Point::new(0.0, 0.0), Point::new(5.0, 5.0)]),
    ];
    let path = folder.path().join("view.dcm");
    let look = view();
    let object = |look, annotations| Object::Presentation { look, annotations };
    write_object(&path, &image, &object(&look, &marks), false).unwrap();
    object_at(&path, &image, &object(&look, &marks)).unwrap();
    // Turned by 90° and mirrored: the upper left of the screen is the upper left of the image again.
    for (tag, vr, value) in [
        (0x0042, *b"US", &[90, 0][..]),
        (0x0041, *b"CS", b"Y "),
        (0x0052, *b"SL", &[11, 0, 0, 0, 6, 0, 0, 0]),
        (0x0053, *b"SL", &[50, 0, 0, 0, 35, 0, 0, 0]),
    ] {
        assert!(holds(&path, &element(0x0070, tag, vr, value)), "{tag:04X}");
    }
    assert!(holds(&path, b"INVERSE "));
    let others: Vec<Look> = vec![
        Look {
            invert: false,
            ..view()
        },
        Look {
            quarter_turns: 3,
            ..view()
        },
        Look {
            flipped: false,
            ..view()
        },
        Look {
            shown: None,
            ..view()
        },
        Look {
            window: DisplayWindow::from_range(100.0, 901.0),
            ..view()
        },
    ];
    for other in &others {
        assert!(object_at(&path, &image, &object(other, &marks)).is_err());
    }
    let mut moved = marks.clone();
    moved[0] = Annotation::Circle {
        center: Point::new(20.0, 14.0),
        radius: 6.5,
    };
    assert!(object_at(&path, &image, &object(&look, &moved)).is_err());
    let mut reworded = marks.clone();
    reworded[1] = Annotation::Text {
        at: Point::new(2.0, 2.0),
        text: "104.7°".to_owned(),
    };
    assert!(object_at(&path, &image, &object(&look, &reworded)).is_err());
    assert!(object_at(&path, &image, &object(&look, &marks[..2])).is_err());
}

#[test]
fn the_corners_of_a_turned_image_are_those_that_the_screen_shows() {
    let folder = tempfile::tempdir().unwrap();
    let image = captured(&folder.path().join("film.dcm"), &ramp(100, 60));
    let path = folder.path().join("view.dcm");
    for (turns, flipped, first, last) in [
        (0, false, [1, 1], [100, 60]),
        (1, false, [1, 60], [100, 1]),
        (2, false, [100, 60], [1, 1]),
        (3, false, [100, 1], [1, 60]),
        (0, true, [100, 1], [1, 60]),
        (1, true, [1, 1], [100, 60]),
        (3, true, [100, 60], [1, 1]),
    ] {
        let look = Look {
            quarter_turns: turns,
            flipped,
            ..Look::from(DisplayWindow::from_range(0.0, 100.0))
        };
        let object = Object::Presentation {
            look: &look,
            annotations: &[],
        };
        write_object(&path, &image, &object, true).unwrap();
        let place = |[x, y]: [i32; 2]| [x.to_le_bytes(), y.to_le_bytes()].concat();
        let corner = |tag, at| element(0x0070, tag, *b"SL", &place(at));
        assert!(holds(&path, &corner(0x0052, first)), "{turns} {flipped}");
        assert!(holds(&path, &corner(0x0053, last)), "{turns} {flipped}");
    }
}

#[test]
fn curves_go_into_views_and_detector_spacing_stays_out_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let image = radiograph::read(fixture("luts"), 0).unwrap();
    let look = Look::from(image.initial_window());
    assert!(look.window.table.is_some());
    let path = folder.path().join("view.dcm");
    let object = |look| Object::Presentation {
        look,
        annotations: &[],
    };
    write_object(&path, &image, &object(&look), false).unwrap();
    // VOI LUT Sequence, and the Modality LUT Sequence that comes before it.
    assert!(holds(&path, &[0x28, 0, 0x10, 0x30, b'S', b'Q']));
    assert!(holds(&path, &[0x28, 0, 0x00, 0x30, b'S', b'Q']));
    let mut stretched = look.clone();
    stretched.window.width *= 2.0;
    assert!(object_at(&path, &image, &object(&stretched)).is_err());
    write_object(&path, &image, &object(&stretched), true).unwrap();
    let plain = Look::from(DisplayWindow::from_range(0.0, 100.0));
    assert!(object_at(&path, &image, &object(&plain)).is_err());

    let mut film = ramp(20, 10);
    for (source, written) in [
        (SpacingSource::Detector, false),
        (SpacingSource::EstimatedMagnification, false),
        (SpacingSource::Calibrated, true),
        (SpacingSource::Manual, true),
    ] {
        film.spacing = Some(Spacing {
            row_mm: 0.3,
            column_mm: 0.2,
            source,
        });
        let image = captured(&folder.path().join("film.dcm"), &film);
        write_object(&path, &image, &object(&plain), true).unwrap();
        let spacing = element(0x0070, 0x0101, *b"DS", b"0.3\\0.2 ");
        let aspect = element(0x0070, 0x0102, *b"IS", b"3\\2 ");
        assert_eq!(holds(&path, &spacing), written, "{source:?}");
        assert_eq!(holds(&path, &aspect), !written, "{source:?}");
    }
}

#[test]
fn a_color_image_stays_one() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["rgb", "rgb_planar", "ybr_full", "palette"] {
        let image = radiograph::read(fixture(name), 0).unwrap();
        let colors = image.color().expect("the fixture has color");
        for values in [Values::Stored, Values::Display] {
            let path = folder.path().join("color.dcm");
            export_step(&path, &image, values, true).unwrap();
            let back = radiograph::read(&path, 0).unwrap();
            assert_eq!(back.color(), Some(colors), "{name}");
            assert_eq!(back.source.photometric, "RGB", "{name}");
            assert!(holds(&path, &element(0x0028, 0x0006, *b"US", &[0, 0])));
        }
    }
    // What was made from a color image is grey, and says so.
    let mut made = radiograph::read(fixture("rgb"), 0).unwrap();
    made.synthetic = Some(SyntheticMark::default());
    made.replace_pixels(made.pixels.clone());
    let path = folder.path().join("made.dcm");
    let back = captured(&path, &made);
    assert!(back.color().is_none() && back.pixels == made.pixels);
    assert!(holds(
        &path,
        b"the source was RGB: values are its luminance"
    ));
}

#[test]
fn tables_windows_polarity_and_padding_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.dcm");
    let image = radiograph::read(fixture("luts"), 0).unwrap();
    assert!(matches!(
        image.modality_transform,
        ModalityTransform::Table { .. }
    ));
    export_step(&path, &image, Values::Stored, true).unwrap();
    let back = radiograph::read(&path, 0).unwrap();
    assert_eq!(back.modality_transform, image.modality_transform);
    assert_eq!(back.modality_value(3, 2), image.modality_value(3, 2));
    let (shown, wanted) = (
        back.grey(&back.initial_window()),
        image.grey(&image.initial_window()),
    );
    for (a, b) in shown.cells().iter().zip(wanted.cells()) {
        assert!((a - b).abs() < 1e-4, "{a} is not {b}");
    }
    // A table that no file can hold is refused, and not left out.
    let mut odd = image;
    odd.modality_transform = ModalityTransform::Table {
        first: 0,
        values: vec![0.5; 9],
    };
    let refused = write_dicom(&path, &odd, &SecondaryCapture::default(), true);
    assert!(refused.unwrap_err().to_string().contains("modality"));

    let mut film = ramp(40, 30);
    film.photometric = Photometric::Monochrome1;
    film.padding = Some((3000.0, 3100.0));
    film.voi_tables = vec![VoiTable {
        first: 100,
        values: (0..256).map(|n| (n as f32 / 255.0).powi(2)).collect(),
        explanation: "SOFT".to_owned(),
    }];
    let window = |center, explanation: &str| DisplayWindow {
        center,
        width: 300.0,
        function: WindowFunction::Sigmoid,
        explanation: explanation.to_owned(),
        table: None,
    };
    film.windows = vec![window(200.0, "A"), window(900.5, "B")];
    let back = captured(&path, &film);
    assert_eq!(back.photometric, Photometric::Monochrome1);
    assert_eq!(back.padding, film.padding);
    assert_eq!(back.windows, film.windows);
    assert_eq!(back.voi_tables[0].explanation, "SOFT");
    assert_eq!(back.displays().len(), 3);
    assert!(back.padding == film.padding && back.source.bits_stored == 12);
}

#[test]
fn how_far_a_length_can_be_trusted_survives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.dcm");
    let mut film = ramp(20, 10);
    for modality in ["DX", "CR", "MG", "OT", "CT"] {
        modality.clone_into(&mut film.modality);
        for source in [
            SpacingSource::Calibrated,
            SpacingSource::EstimatedMagnification,
            SpacingSource::Detector,
            SpacingSource::Manual,
        ] {
            if modality == "CT" && source == SpacingSource::EstimatedMagnification {
                continue;
            }
            film.spacing = Some(Spacing {
                row_mm: 0.143,
                column_mm: 0.139,
                source,
            });
            let back = captured(&path, &film);
            assert_eq!(back.spacing, film.spacing, "{modality}");
        }
    }
    // The type of the file's own calibration stays as it is.
    let image = radiograph::read(fixture("spacing_fiducial"), 0).unwrap();
    let back = captured(&path, &image);
    assert_eq!(back.spacing, image.spacing);
    assert_eq!(back.calibration.unwrap()[0], "FIDUCIAL");
}

#[test]
fn films_of_twelve_bits_stay_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.dcm");
    let mut film = ramp(96, 96);
    let bright = Grid::from_fn(96, 96, |x, y| 3990 + ((x * 7 + y * 13) % 106) as u16);
    film.replace_pixels(Pixels::U16(bright));
    assert_eq!(film.stored_limits(), Some((0.0, 4095.0)));
    let mask = Grid::from_fn(96, 96, |x, y| {
        u8::from((30..66).contains(&x) && (30..66).contains(&y)) * 255
    });
    let values = film.pixels.to_f32();
    // Lighter in the middle alone, where no match with the surroundings takes it back.
    let patch = Grid::from_fn(96, 96, |x, y| {
        let middle = (42..54).contains(&x) && (42..54).contains(&y);
        values[(x, y)] + if middle { 700.0 } else { 0.0 }
    });
    let all = PixelRect::new(0, 0, 96, 96);
    let free = compose(&film.pixels, &patch, &blend(&mask, 0.0, all), 1, 0);
    assert!(free.pixels.range().1 > 4095.0, "the case says nothing");
    let plan = blend(&mask, 0.0, all);
    let whole = Film {
        limits: film.stored_limits(),
        ..Film::from(&film.pixels)
    };
    let made = compose(whole, &patch, &plan, 1, 0);
    assert_eq!(made.pixels.range().1, 4095.0);
    assert_eq!(made.changed_outside_ring, 0);
    film.replace_pixels(made.pixels);
    film.synthetic = Some(SyntheticMark::default());
    assert_eq!(captured(&path, &film).source.bits_stored, 12);

    let signed = radiograph::read(fixture("signed_12"), 0).unwrap();
    assert_eq!(signed.stored_limits(), Some((-2048.0, 2047.0)));
    let back = captured(&path, &signed);
    assert_eq!((back.source.bits_stored, back.source.signed), (12, true));
    assert_eq!(back.pixels, signed.pixels);
}

#[test]
fn masks_go_back_onto_their_own_image_and_onto_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let image = captured(&folder.path().join("film.dcm"), &ramp(31, 17));
    let segments: Vec<Segment> = (0..2)
        .map(|n| Segment {
            label: format!("mask {n}"),
            mask: Grid::from_fn(31, 17, |x, y| u8::from((x + 2 * y + n) % 3 == 0) * 255),
            algorithm: (n == 1).then(|| "a network".to_owned()),
        })
        .collect();
    let path = folder.path().join("masks.dcm");
    write_object(&path, &image, &Object::Segmentation(&segments), false).unwrap();
    let found = masks_of(&path, &image).unwrap().unwrap();
    assert_eq!(found.len(), 2);
    for (found, wanted) in found.iter().zip(&segments) {
        assert_eq!(found.mask, wanted.mask);
        assert_eq!(found.label, wanted.label);
        assert_eq!(found.algorithm, wanted.algorithm);
    }
    // Opened by themselves they say whose they are.
    let alone = radiograph::read(&path, 0).unwrap();
    let note = alone.masks_note().unwrap();
    let uid = image.source.sop_instance.as_deref().unwrap();
    assert!(
        note.contains("Segmentation") && note.contains(uid),
        "{note}"
    );
    assert!(image.masks_note().is_none());
    let other = captured(&folder.path().join("other.dcm"), &ramp(31, 17));
    let refused = masks_of(&path, &other).unwrap_err().to_string();
    assert!(refused.contains("another image") && refused.contains(uid));
    let picture = Radiograph::from_pixels(image.pixels.clone());
    assert!(masks_of(&path, &picture).is_err());
    assert!(
        masks_of(&folder.path().join("film.dcm"), &image)
            .unwrap()
            .is_none()
    );
    assert!(masks_of(&fixture("report"), &image).unwrap().is_none());
    let cut = folder.path().join("cut.dcm");
    let bytes = std::fs::read(&path).unwrap();
    for length in [200, 700, bytes.len() / 2, bytes.len() - 3] {
        std::fs::write(&cut, &bytes[..length]).unwrap();
        if let Ok(Some(masks)) = masks_of(&cut, &image) {
            assert!(masks.iter().all(|m| m.mask.size() == (31, 17)));
        }
    }
}

#[test]
fn views_and_reports_are_refused_with_the_image_that_they_belong_to() {
    let folder = tempfile::tempdir().unwrap();
    let image = captured(&folder.path().join("film.dcm"), &ramp(31, 17));
    let uid = image.source.sop_instance.as_deref().unwrap();
    let path = folder.path().join("view.dcm");
    let look = Look::from(DisplayWindow::from_range(0.0, 100.0));
    let object = Object::Presentation {
        look: &look,
        annotations: &[],
    };
    write_object(&path, &image, &object, false).unwrap();
    let said = radiograph::open(&path).unwrap_err().to_string();
    assert!(said.contains("Presentation State"), "{said}");
    assert!(
        said.contains(&format!("it belongs to the image {uid}")),
        "{said}"
    );
    let figures = [radcanvas::geometry::Figure {
        kind: radcanvas::geometry::FigureKind::Length,
        points: vec![Point::new(1.0, 1.0), Point::new(5.0, 4.0)],
    }];
    let object = Object::Measurements {
        hips: None,
        figures: &figures,
    };
    write_object(&path, &image, &object, true).unwrap();
    let said = radiograph::open(&path).unwrap_err().to_string();
    assert!(
        said.contains("Comprehensive SR") && said.contains(uid),
        "{said}"
    );
}

#[test]
fn burned_in_names_are_made_black_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let clean = folder.path().join("clean.dcm");
    for name in [
        "explicit",
        "signed_12",
        "rgb",
        "rgb_planar",
        "big_endian",
        "frames",
    ] {
        let file = radiograph::open(fixture(name)).unwrap();
        let image = file.frame(0).unwrap();
        let mask = Grid::from_fn(image.width(), image.height(), |x, y| {
            u8::from(x < 3 && y < 2) * 255
        });
        deidentify_blanked(&fixture(name), &clean, b"secret", true, &mask).unwrap();
        assert!(holds(&clean, b"113101"), "{name}");
        let again = radiograph::open(&clean).unwrap();
        for frame in 0..file.frames() {
            let (before, after) = (file.frame(frame).unwrap(), again.frame(frame).unwrap());
            let black = match (before.photometric, before.stored_limits()) {
                (Photometric::Monochrome2, Some((low, _))) => low,
                (_, limits) => limits.unwrap().1,
            };
            for y in 0..before.height() {
                for x in 0..before.width() {
                    let wanted = if mask[(x, y)] == 0 {
                        before.pixels.value(x, y)
                    } else {
                        Some(black)
                    };
                    assert_eq!(after.pixels.value(x, y), wanted, "{name} {x} {y}");
                }
            }
            assert_eq!(after.burned_in, "NO");
        }
    }
    let small = Grid::filled(2, 2, 255);
    assert!(deidentify_blanked(&fixture("explicit"), &clean, b"s", true, &small).is_err());
    let image = Arc::new(radiograph::read(fixture("rle"), 0).unwrap());
    let mask = Grid::filled(image.width(), image.height(), 255);
    let refused = deidentify_blanked(&fixture("rle"), &clean, b"s", true, &mask);
    assert!(refused.unwrap_err().to_string().contains("compressed"));
}
