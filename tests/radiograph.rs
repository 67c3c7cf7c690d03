//! Reading images: every DICOM form in `tests/fixtures/dicom` (written by its `make.py`), PNG, TIFF, JPEG, refusals.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use radcanvas::grid::Grid;
use radcanvas::job;
use radcanvas::radiograph::{
    self, DisplayWindow, ExportError, FileKind, ModalityTransform, Photometric, Picture, Pixels,
    Radiograph, ReadProblem, Spacing, SpacingSource, SyntheticMark, Values, WindowFunction,
};

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/dicom")
        .join(format!("{name}.dcm"))
}

pub(crate) fn dicom(name: &str) -> Radiograph {
    radiograph::read(fixture(name), 0).unwrap()
}

fn stored(image: &Radiograph) -> Vec<f64> {
    let values = image.pixels.to_f32();
    values.cells().iter().map(|v| f64::from(*v)).collect()
}

fn problem(bytes: &[u8]) -> ReadProblem {
    let opened = radiograph::open_bytes("image", bytes.to_vec());
    match opened.and_then(|file| file.frame(0)) {
        Ok(image) => panic!("read as {} × {}", image.width(), image.height()),
        Err(error) => error.problem,
    }
}

#[test]
fn every_fixture_gives_its_stored_values() {
    let text = std::fs::read_to_string(fixture("x").with_file_name("expected.json")).unwrap();
    let expected: BTreeMap<String, Vec<f64>> = serde_json::from_str(&text).unwrap();
    assert!(expected.len() >= 30, "{}", expected.len());
    for (name, values) in &expected {
        let file = radiograph::open(fixture(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(file.kind(), FileKind::Dicom, "{name}");
        let mut all = Vec::new();
        for frame in 0..file.frames() {
            let image = file
                .frame(frame)
                .unwrap_or_else(|e| panic!("{name} {frame}: {e}"));
            all.extend(stored(&image));
        }
        assert_eq!(&all, values, "{name}");
    }
}

#[test]
fn depth_follows_bits_stored_and_sign() {
    let check = |name: &str, depth: &str| assert_eq!(dicom(name).pixels.depth_name(), depth);
    check("explicit", "u16");
    check("signed_12", "i16");
    check("signed_8", "i16");
    check("bits", "u8");
    check("rgb", "u8");
    check("palette", "u16");
    check("wide_32", "f32");
    check("float", "f32");
}

#[test]
fn a_reduced_picture_comes_before_the_image() {
    let file = radiograph::open(fixture("jpeg_2000")).unwrap();
    let preview = file.preview(0, 10).unwrap();
    assert_eq!(preview.size, (35, 35));
    let Picture::Grey(small) = &preview.picture else {
        panic!("a grey image has a grey picture");
    };
    assert_eq!(small.size(), (18, 18));
    assert!(!preview.synthetic);
    let image = file.frame(0).unwrap();
    let grey = image.grey(&image.initial_window());
    let mean = |cells: &mut dyn Iterator<Item = f64>| {
        let (sum, count) = cells.fold((0.0, 0.0), |(sum, count), v| (sum + v, count + 1.0));
        sum / count
    };
    let whole = mean(&mut grey.cells().iter().map(|v| f64::from(*v)));
    let part = mean(&mut small.cells().iter().map(|v| f64::from(*v) / 255.0));
    assert!((whole - part).abs() < 0.05, "{whole} {part}");
    // Neither larger than the image, nor of what is not coded in steps.
    assert!(file.preview(0, 35).is_none());
    assert!(file.preview(1, 10).is_none());
    assert!(
        radiograph::open(fixture("rle"))
            .unwrap()
            .preview(0, 1)
            .is_none()
    );
}

#[test]
fn a_preview_and_a_thumbnail_have_the_shape_that_was_photographed() {
    let ratio = |text: &str| {
        let mut bytes = std::fs::read(fixture("jpeg_2000")).unwrap();
        // Pixel Aspect Ratio goes before Bits Allocated.
        let allocated = [0x28, 0x00, 0x00, 0x01, b'U', b'S'];
        let at = bytes.windows(6).position(|six| six == allocated).unwrap();
        let mut element = vec![0x28, 0x00, 0x34, 0x00, b'I', b'S', text.len() as u8, 0];
        element.extend(text.as_bytes());
        bytes.splice(at..at, element);
        let file = radiograph::open_bytes("aspect.dcm", bytes).unwrap();
        let preview = file.preview(0, 10).unwrap();
        assert_eq!((preview.size, preview.picture.width()), ((35, 35), 18));
        let small = Picture::reduced(&file.frame(0).unwrap(), 192);
        (preview.pixel_ratio, (small.width(), small.height()))
    };
    assert_eq!(ratio("1\\1 "), (1.0, (35, 35)));
    assert_eq!(ratio("2\\1 "), (2.0, (35, 70)), "twice as tall as wide");
    assert_eq!(ratio("1\\2 "), (0.5, (70, 35)), "twice as wide as tall");
    let plain = radiograph::open(fixture("jpeg_2000")).unwrap();
    assert_eq!(plain.preview(0, 10).unwrap().pixel_ratio, 1.0);
}

#[test]
fn a_reduced_picture_has_square_cells_and_square_pixels_change_nothing() {
    let mut image = Radiograph::from_pixels(Pixels::U8(Grid::from_fn(300, 200, |x, y| {
        (x * 5 + y * 3) as u8
    })));
    let grey = |image: &Radiograph, most| match Picture::reduced(image, most) {
        Picture::Grey(grid) => grid,
        Picture::Color(_) => panic!("a grey image has a grey picture"),
    };
    // Of square pixels: the mean of four, a quarter from the edges of a cell of whole pixels.
    let window = image.initial_window();
    let value = |x: usize, y: usize| window.grey(f64::from((x * 5 + y * 3) as u8));
    for most in [300, 100, 77, 40, 7] {
        let step = 300_usize.div_ceil(most);
        let (near, far) = (step / 4, 3 * step / 4);
        let expected = Grid::from_fn(300 / step, 200 / step, |x, y| {
            let (x, y) = (x * step, y * step);
            let four = value(x + near, y + near)
                + value(x + far, y + near)
                + value(x + near, y + far)
                + value(x + far, y + far);
            (four * 255.0 / 4.0).round() as u8
        });
        assert!(grey(&image, most) == expected, "{most}");
    }
    for (ratio, size) in [
        (0.5, (100, 33)),
        (2.0, (75, 100)),
        (1.5, (100, 100)),
        (3.0, (50, 100)),
    ] {
        image.aspect = Some(ratio);
        assert_eq!(grey(&image, 100).size(), size, "{ratio}");
    }
    // Millimetres count before the shape alone, and what cannot be is not believed.
    image.spacing = Some(Spacing {
        row_mm: 0.2,
        column_mm: 0.4,
        source: SpacingSource::Calibrated,
    });
    assert_eq!(grey(&image, 100).size(), (100, 33));
    image.spacing = None;
    for wild in [0.0, -1.0, f64::NAN, 1e9] {
        image.aspect = Some(wild);
        assert_eq!(grey(&image, 100).size(), (100, 66), "{wild}");
    }
    // Nothing of a small image is lost: its rows are shown twice, none is left out.
    let mut rows = Radiograph::from_pixels(Pixels::U8(Grid::from_fn(9, 5, |_, y| 40 * y as u8)));
    rows.aspect = Some(2.0);
    let tall = grey(&rows, 192);
    assert_eq!(tall.size(), (9, 10));
    let column: Vec<u8> = (0..10).map(|y| tall[(4, y)]).collect();
    assert_eq!(column, [0, 0, 40, 40, 80, 80, 120, 120, 160, 160]);
}

#[test]
fn a_ct_file_is_understood() {
    let image = dicom("ct");
    assert_eq!(image.photometric, Photometric::Monochrome1);
    assert_eq!(image.modality_unit, "HU");
    assert_eq!(
        image.modality_transform,
        ModalityTransform::Linear {
            slope: 2.0,
            intercept: -1024.0
        }
    );
    assert_eq!(image.modality_value(1, 0), Some(37.0 * 2.0 - 1024.0));
    let named: Vec<_> = image
        .windows
        .iter()
        .map(|w| (w.center, w.width, w.explanation.as_str()))
        .collect();
    assert_eq!(named, [(40.0, 400.0, "SOFT"), (-600.0, 1500.0, "LUNG")]);
    assert_eq!(image.padding, Some((0.0, 37.0)));
    assert!(image.source.lossy);
    let spacing = image.spacing.unwrap();
    assert_eq!((spacing.row_mm, spacing.column_mm), (0.5, 0.25));
    assert_eq!(spacing.source, SpacingSource::Calibrated);
    let mark = image.synthetic.unwrap();
    assert!(mark.evidence.contains("(0008,001C)"), "{}", mark.evidence);
    assert_eq!(mark.contribution, "model m, seed 7");
    // MONOCHROME1: the lowest value is white.
    let image = dicom("ct");
    let grey = image.grey(&image.initial_window());
    assert_eq!(grey[(0, 0)], 1.0);
}

#[test]
fn spacing_names_its_source() {
    let check = |name: &str, mm: f64, source: SpacingSource| {
        let spacing = dicom(name).spacing.unwrap();
        assert!((spacing.row_mm - mm).abs() < 1e-12, "{name}: {spacing:?}");
        assert_eq!(spacing.source, source, "{name}");
    };
    check("spacing_detector", 0.3, SpacingSource::Detector);
    check("spacing_same", 0.3, SpacingSource::Detector);
    check("spacing_erm", 0.24, SpacingSource::EstimatedMagnification);
    check(
        "spacing_distances",
        0.2,
        SpacingSource::EstimatedMagnification,
    );
    check("spacing_fiducial", 0.2, SpacingSource::Calibrated);
    check("enhanced", 0.7, SpacingSource::Calibrated);
    assert_eq!(dicom("explicit").spacing, None);
    assert_eq!(dicom("spacing_same").view_position, "VD");
}

#[test]
fn look_up_tables_are_read() {
    let image = dicom("luts");
    assert_eq!(image.modality_unit, "OD");
    let at = |stored| image.modality_transform.apply(stored);
    assert_eq!(
        [at(0.0), at(10.0), at(12.0), at(99.0)],
        [100.0, 100.0, 300.0, 400.0]
    );
    let table = &image.voi_tables[0];
    assert_eq!((table.first, table.explanation.as_str()), (100, "CURVE"));
    assert_eq!(table.values.len(), 3);
    assert_eq!(table.values[2], 1.0);
}

#[test]
fn frames_have_their_own_windows() {
    for (frame, center) in [(0, 100.0), (1, 200.0)] {
        let image = radiograph::read(fixture("enhanced"), frame).unwrap();
        assert_eq!(image.windows[0].center, center);
        assert_eq!(image.windows[0].function, WindowFunction::Sigmoid);
        assert_eq!((image.frame, image.frames), (frame, 2));
    }
    let error = radiograph::read(fixture("enhanced"), 2).unwrap_err();
    assert_eq!(
        error.problem,
        ReadProblem::NoFrame {
            frame: 2,
            frames: 2
        }
    );
}

#[test]
fn names_are_decoded_and_never_printed() {
    let image = dicom("names");
    assert_eq!(image.identity.name, "Müller^Rex");
    assert_eq!(image.identity.responsible_person, "Müller^Anna");
    assert!(!format!("{image:?}").contains("Rex"));
    let inspected = serde_json::to_string(&radiograph::inspect(fixture("names"))).unwrap();
    assert!(!inspected.contains("Rex"));
}

#[test]
fn a_voi_table_is_the_first_display_and_meets_its_entries() {
    let image = radiograph::read(fixture("luts"), 0).unwrap();
    let window = image.initial_window();
    let table = window.table.as_ref().unwrap();
    assert_eq!((table.first, table.values.len()), (100, 3));
    assert_eq!(window.explanation, "CURVE");
    for (value, grey) in [
        (99.0, 0.0),
        (100.0, 0.0),
        (101.0, 511.0 / 1023.0),
        (102.0, 1.0),
        (400.0, 1.0),
    ] {
        assert!((window.grey(value) - grey).abs() < 1e-6, "{value}");
    }
    // Stored 0 is 100 after the Modality LUT, everything from 13 on is 400.
    let grey = image.grey(&window);
    assert_eq!((grey[(0, 0)], grey[(1, 0)]), (0.0, 1.0));
    assert_eq!(
        radiograph::values(&image, Values::Display).value(0, 0),
        Some(0.0)
    );
    // A wider window stretches the curve about its middle.
    let wide = DisplayWindow {
        width: 4.0,
        ..window
    };
    assert!((wide.grey(99.0)).abs() < 1e-6 && (wide.grey(103.0) - 1.0).abs() < 1e-6);
    assert!((wide.grey(101.0) - 511.0 / 1023.0).abs() < 1e-6);
}

#[test]
fn windows_follow_the_standard() {
    let window = |function| DisplayWindow {
        center: 40.0,
        width: 400.0,
        function,
        ..DisplayWindow::from_range(0.0, 1.0)
    };
    let eight = |function, value| (window(function).grey(value) * 255.0).round();
    // The known wrong answers to these are 23, 162 and 255 (an offset of one forgotten).
    let check = |function: WindowFunction, value: f64, expected: f64| {
        let closed = match function {
            WindowFunction::Linear => (value - 39.5) / 399.0 + 0.5,
            WindowFunction::LinearExact => (value - 40.0) / 400.0 + 0.5,
            WindowFunction::Sigmoid => 1.0 / (1.0 + (-4.0 * (value - 40.0) / 400.0_f64).exp()),
        };
        assert_eq!(
            eight(function, value),
            (closed.clamp(0.0, 1.0) * 255.0).round()
        );
        assert_eq!(eight(function, value), expected, "{function:?} {value}");
    };
    check(WindowFunction::Linear, -160.0, 0.0);
    check(WindowFunction::Linear, 39.5, 128.0);
    check(WindowFunction::Linear, 239.0, 255.0);
    check(WindowFunction::LinearExact, -160.0, 0.0);
    check(WindowFunction::LinearExact, 40.0, 128.0);
    check(WindowFunction::LinearExact, 239.0, 254.0);
    check(WindowFunction::Sigmoid, 40.0, 128.0);
    check(WindowFunction::Sigmoid, -160.0, 30.0);
    check(WindowFunction::Sigmoid, 240.0, 225.0);
    let one = DisplayWindow {
        width: 1.0,
        ..window(WindowFunction::Linear)
    };
    assert_eq!((one.grey(39.5), one.grey(39.6)), (0.0, 1.0));
}

#[test]
fn what_is_no_image_is_refused_by_name() {
    let report = std::fs::read(fixture("report")).unwrap();
    let ReadProblem::NoImage(why) = problem(&report) else {
        panic!("not refused as a report");
    };
    assert!(why.contains("Comprehensive SR"), "{why}");
    let check = |bytes: &[u8], word: &str| {
        let refusal = problem(bytes);
        assert!(refusal.to_string().contains(word), "{refusal}");
        assert!(matches!(refusal, ReadProblem::UnknownFormat(_)));
    };
    check(b"Patient: none\nthis is a text file", "text file");
    check(b"", "empty");
    check(&[0x1F, 0x8B, 9, 0], "1F 8B 09");
    assert!(
        matches!(problem(&[0x1F, 0x8B, 8, 0]), ReadProblem::Damaged(why) if why.contains("gzip"))
    );
    check(&[0xDE, 0xAD, 0xBE, 0xEF], "DE AD BE EF");
    let empty = tempfile::tempdir().unwrap();
    let folder = radiograph::read(empty.path(), 0).unwrap_err();
    assert!(matches!(folder.problem, ReadProblem::NoImage(_)));
    let error = job::Error::from(folder);
    assert_eq!(error.kind, job::ErrorKind::Input);
    assert!(error.path.is_some() && !error.remedy.is_empty());
}

#[test]
fn a_truncated_file_is_refused_and_never_panics() {
    for name in [
        "explicit",
        "jpeg_2000",
        "jpeg_ls",
        "rle",
        "rgb_rle",
        "deflated",
        "ct",
    ] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for length in (0..whole.len()).step_by(7) {
            let opened = radiograph::open_bytes("cut", whole[..length].to_vec());
            if let Ok(image) = opened.and_then(|file| file.frame(0)) {
                // Trailing padding may be lost; pixels may not.
                assert!(
                    length + 64 > whole.len() || name == "jpeg_2000",
                    "{name} {length}"
                );
                assert!(image.width() > 0);
            }
        }
    }
}

#[test]
fn damaged_bytes_never_panic_or_hang() {
    let mut noise = radcanvas::noise::Noise::new(7, 0);
    for name in [
        "explicit",
        "big_endian",
        "jpeg_ls",
        "rle",
        "palette_segmented",
        "luts",
        "enhanced",
        "bits",
    ] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for _ in 0..60 {
            let mut bytes = whole.clone();
            for _ in 0..3 {
                let at = noise.index(bytes.len());
                bytes[at] = noise.bits() as u8;
            }
            if let Ok(file) = radiograph::open_bytes("hit", bytes) {
                file.frame(0).ok();
            }
        }
    }
}

#[test]
fn sizes_that_cannot_be_are_refused_before_allocating() {
    let whole = std::fs::read(fixture("explicit")).unwrap();
    let rows = whole
        .windows(4)
        .position(|w| w == [0x28, 0, 0x10, 0])
        .unwrap()
        + 8;
    let with = |value: u16| {
        let mut bytes = whole.clone();
        bytes[rows..rows + 2].copy_from_slice(&value.to_le_bytes());
        bytes
    };
    assert!(matches!(problem(&with(0)), ReadProblem::Damaged(_)));
    assert!(matches!(problem(&with(65535)), ReadProblem::Damaged(_)));
    // Sequences nested without end.
    let mut deep = vec![0_u8; 128];
    deep.extend(b"DICM");
    for _ in 0..10_000 {
        deep.extend([
            0x08, 0, 0x40, 0x11, b'S', b'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF,
        ]);
        deep.extend([0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
    }
    assert!(problem(&deep).to_string().contains("nested"));
}

#[test]
fn a_file_without_preamble_or_meta_is_read() {
    let whole = std::fs::read(fixture("explicit")).unwrap();
    let check = |bytes: &[u8]| {
        let image = radiograph::open_bytes("bare", bytes.to_vec())
            .unwrap()
            .frame(0)
            .unwrap();
        assert_eq!(image.pixels, dicom("explicit").pixels);
        assert!(!image.notes.is_empty());
    };
    check(&whole[132..]);
    let set = whole.windows(4).position(|w| w == [8, 0, 0x16, 0]).unwrap();
    check(&whole[set..]);
    let implicit = std::fs::read(fixture("implicit")).unwrap();
    let set = implicit
        .windows(4)
        .position(|w| w == [8, 0, 0x16, 0])
        .unwrap();
    check(&implicit[set..]);
    let big = std::fs::read(fixture("big_endian")).unwrap();
    let set = big.windows(4).position(|w| w == [0, 8, 0, 0x16]).unwrap();
    check(&big[set..]);
}

#[test]
fn what_is_exported_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let sixteen = Pixels::U16(Grid::from_fn(9, 4, |x, y| (x * 7000 + y) as u16));
    let eight = Pixels::U8(Grid::from_fn(3, 5, |x, y| (x * 80 + y) as u8));
    let signed = Pixels::I16(Grid::from_fn(6, 2, |x, y| x as i16 * 100 - 250 + y as i16));
    let float = Pixels::F32(Grid::from_fn(1, 1, |_, _| 0.25));
    let check = |name: &str, pixels: &Pixels| {
        let mut image = Radiograph::from_pixels(pixels.clone());
        image.synthetic = Some(SyntheticMark {
            evidence: "made here".to_owned(),
            contribution: "model β, seed 7".to_owned(),
        });
        image.spacing = dicom("ct").spacing;
        let path = folder.path().join(name);
        radiograph::export_step(&path, &image, Values::Stored, false).unwrap();
        let again = radiograph::read(&path, 0).unwrap();
        assert_eq!(&again.pixels, pixels, "{name}");
        let mark = again.synthetic.unwrap();
        assert!(mark.contribution.contains("seed 7"), "{name}");
        let spacing = again.spacing.unwrap();
        assert!((spacing.row_mm - 0.5).abs() < 1e-3, "{name} {spacing:?}");
        assert_eq!(spacing.source, SpacingSource::FileResolution);
        let twice = radiograph::export_step(&path, &image, Values::Stored, false);
        assert!(matches!(twice, Err(ExportError::Exists(_))));
        radiograph::export_step(&path, &image, Values::Stored, true).unwrap();
    };
    check("a.png", &sixteen);
    check("b.png", &eight);
    check("a.tif", &sixteen);
    check("b.tif", &eight);
    check("c.tif", &signed);
    check("d.tiff", &float);
    let ct = dicom("ct");
    let copy = folder.path().join("ct.dcm");
    radiograph::export_step(&copy, &ct, Values::Stored, false).unwrap();
    let again = radiograph::read(&copy, 0).unwrap();
    assert_eq!(
        (again.pixels, again.photometric),
        (ct.pixels, ct.photometric)
    );
    assert!(again.synthetic.is_some());
    let image = Radiograph::from_pixels(signed.clone());
    let refused = |name: &str| {
        radiograph::export_step(&folder.path().join(name), &image, Values::Stored, false)
            .unwrap_err()
    };
    assert!(matches!(refused("e.png"), ExportError::Values { .. }));
    assert!(matches!(refused("e.bmp"), ExportError::Format(_)));
    // Nothing half-written was left behind.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 7);
}

#[test]
fn numpy_and_safetensors_hold_the_values() {
    let folder = tempfile::tempdir().unwrap();
    let image = dicom("ct");
    let values = radiograph::values(&image, Values::Modality);
    assert_eq!(values.value(1, 0), Some(-950.0));
    let numpy = folder.path().join("a.npy");
    radiograph::export_step(&numpy, &image, Values::Modality, false).unwrap();
    let bytes = std::fs::read(&numpy).unwrap();
    assert!(bytes.starts_with(b"\x93NUMPY\x01\x00"));
    assert_eq!((bytes.len() - 35 * 2) % 64, 0);
    assert_eq!(&bytes[bytes.len() - 70..], &*values.le_bytes());
    let tensors = folder.path().join("a.safetensors");
    radiograph::export_step(&tensors, &image, Values::Modality, false).unwrap();
    let bytes = std::fs::read(&tensors).unwrap();
    let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(read.tensor("image").unwrap().shape(), [1, 1, 5, 7]);
    let display = radiograph::values(&image, Values::Display);
    assert_eq!(display.value(0, 0), Some(255.0));
}

#[test]
fn inspection_has_the_keys_of_the_contract() {
    let row = serde_json::to_value(radiograph::inspect(fixture("ct"))).unwrap();
    for key in [
        "path",
        "kind",
        "width",
        "height",
        "frames",
        "bits_stored",
        "signed",
        "photometric",
        "spacing_mm",
        "spacing_source",
        "window",
        "modality",
        "synthetic",
        "error",
    ] {
        assert!(row.get(key).is_some(), "{key}");
    }
    assert_eq!(row["kind"], "dicom");
    assert_eq!(row["spacing_mm"][1], 0.25);
    assert_eq!(row["spacing_source"], "calibrated");
    assert_eq!(row["window"]["width"], 400.0);
    assert_eq!(row["synthetic"], true);
    assert!(row["error"].is_null());
    let row = serde_json::to_value(radiograph::inspect(fixture("report"))).unwrap();
    assert!(row["error"].as_str().unwrap().contains("SR"));
}
