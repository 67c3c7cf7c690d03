//! The command line, run as a user runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use radcanvas::grid::Grid;
use radcanvas::phantom::hip::{self, HipOptions};
use radcanvas::radiograph::{self, Pixels, Radiograph, SyntheticMark};
use serde_json::{Value, json};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_radcanvas"))
        .args(arguments)
        .output()
        .unwrap()
}

/// Runs with `--json` and reads the answer; the exit code must be `code`.
fn answer(code: i32, arguments: &[&str]) -> Value {
    let mut all = arguments.to_vec();
    all.push("--json");
    let output = run(&all);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"))
}

/// Fails with `code`, and says `words` on standard error.
fn refused(code: i32, words: &[&str], arguments: &[&str]) {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is missing in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A film of 128 × 96 pixels with a painted mask beside it.
fn film(folder: &Path) -> (PathBuf, PathBuf) {
    let options = HipOptions {
        size_px: 128,
        ..HipOptions::default()
    };
    let phantom = hip::draw(4, &options);
    let part = Grid::from_fn(128, 96, |x, y| phantom.image[(x, y + 16)]);
    let image = Radiograph::from_pixels(Pixels::U16(part));
    let mask = Grid::from_fn(128, 96, |x, y| {
        if (x as i64 - 80).pow(2) + (y as i64 - 40).pow(2) < 150 {
            255
        } else {
            0
        }
    });
    let mask = Radiograph::from_pixels(Pixels::U8(mask));
    let paths = (folder.join("film.png"), folder.join("mask.png"));
    radiograph::export(&paths.0, &image, &image.pixels, false).unwrap();
    radiograph::export(&paths.1, &mask, &mask.pixels, false).unwrap();
    paths
}

#[test]
fn inspect_says_what_it_read_and_names_what_it_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let (image, _) = film(folder.path());
    let words = folder.path().join("words.dcm");
    std::fs::write(&words, "no picture here").unwrap();
    let rows = answer(1, &["inspect", text(&image), text(&words)]);
    assert_eq!(rows[0]["width"], 128);
    assert_eq!(rows[0]["height"], 96);
    assert_eq!(rows[0]["bits_stored"], 16);
    assert_eq!(rows[0]["synthetic"], false);
    assert!(rows[1]["error"].as_str().unwrap().len() > 10, "{rows}");
    refused(
        3,
        &["words.dcm"],
        &["convert", text(&words), text(&folder.path().join("a.png"))],
    );
}

#[test]
fn convert_keeps_stored_values_and_never_overwrites() {
    let folder = tempfile::tempdir().unwrap();
    let (image, _) = film(folder.path());
    let out = folder.path().join("copy.tif");
    let told = answer(0, &["convert", text(&image), text(&out)]);
    assert_eq!(told["width"], 128);
    let (before, after) = (
        radiograph::read(&image, 0).unwrap(),
        radiograph::read(&out, 0).unwrap(),
    );
    assert_eq!(before.pixels.count_different(&after.pixels), Some(0));
    refused(2, &["--force"], &["convert", text(&image), text(&out)]);
}

#[test]
fn norberg_of_given_points() {
    let folder = tempfile::tempdir().unwrap();
    let (image, _) = film(folder.path());
    let points = folder.path().join("points.json");
    let hip = |x: i32, rim: i32| json!({"center": [x, 120], "radius": 28, "rim": [rim, 90]});
    let object = json!({"left": hip(144, 152), "right": hip(80, 72)});
    std::fs::write(&points, object.to_string()).unwrap();
    let rows = answer(0, &["norberg", text(&image), "--landmarks", text(&points)]);
    let degrees = rows[0]["right"]["norberg_degrees"].as_f64().unwrap();
    assert!((degrees - 104.931_417).abs() < 1e-5, "{degrees}");
    assert_eq!(rows[0]["left"]["center"], json!([144.0, 120.0]));
    // A phantom's file maps names to such objects.
    std::fs::write(&points, json!({"film.png": object}).to_string()).unwrap();
    let again = answer(0, &["norberg", text(&image), "--landmarks", text(&points)]);
    assert_eq!(again[0]["right"], rows[0]["right"]);
    std::fs::write(&points, "{}").unwrap();
    refused(
        3,
        &["no points"],
        &["norberg", text(&image), "--landmarks", text(&points)],
    );
}

#[test]
fn dscore_of_maps_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("maps.safetensors");
    // Two images, one block of 1 × 10: spots at 2 and 5.
    let mut values = [0.0_f32; 20];
    values[2] = 3.0;
    values[15] = 7.0;
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let view =
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2, 1, 10], &bytes)
            .unwrap();
    let data = safetensors::serialize([("block1", view)], None).unwrap();
    std::fs::write(&file, data).unwrap();
    let told = answer(0, &["measure", "dscore", "--maps", text(&file)]);
    let expected: f64 = (0..16)
        .map(|k| {
            0.3 * (std::f64::consts::PI * (f64::from(k) + 0.5) / 16.0)
                .cos()
                .abs()
        })
        .sum::<f64>()
        / 16.0;
    assert!(
        (told["dscore"].as_f64().unwrap() - expected).abs() < 1e-6,
        "{told}"
    );
    assert_eq!(told["dscore_values_1d"], 0.0);
    assert_eq!(told["n"], 2);
    assert_eq!(told["blocks"], 1);
    std::fs::write(&file, b"not tensors").unwrap();
    refused(
        3,
        &["safetensors"],
        &["measure", "dscore", "--maps", text(&file)],
    );
}

#[test]
fn phantoms_come_with_their_truth() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("films");
    let arguments = [
        "phantom", "hip", "--count", "2", "--seed", "7", "--size", "96", "--out",
    ];
    let mut arguments = arguments.to_vec();
    arguments.push(text(&out));
    let told = answer(0, &arguments);
    assert_eq!(told["count"], 2);
    let points: Value =
        serde_json::from_slice(&std::fs::read(out.join("landmarks.json")).unwrap()).unwrap();
    let (name, object) = points.as_object().unwrap().iter().next().unwrap();
    let film = out.join(name);
    let landmarks = out.join("landmarks.json");
    let rows = answer(
        0,
        &["norberg", text(&film), "--landmarks", text(&landmarks)],
    );
    let (told, truth) = (&rows[0]["left"], &object["left"]);
    let difference =
        told["norberg_degrees"].as_f64().unwrap() - truth["norberg_degrees"].as_f64().unwrap();
    assert!(difference.abs() < 1e-6, "{told} {truth}");
}

#[test]
fn an_inpainted_film_is_exact_outside_and_reproduces_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    let (image, mask) = film(folder.path());
    let out = folder.path().join("out");
    let arguments = [
        "generate",
        "inpaint",
        "--image",
        text(&image),
        "--mask",
        text(&mask),
        "--kind",
        "hip",
        "--steps",
        "2",
        "--seed",
        "5",
        "--ring-px",
        "3",
        "--out",
        text(&out),
    ];
    let told = answer(0, &arguments);
    let row = &told["outcomes"][0];
    assert_eq!(row["changed_outside_ring"], 0);
    let made = radiograph::read(Path::new(row["image"].as_str().unwrap()), 0).unwrap();
    assert!(
        made.synthetic.is_some(),
        "the mark survives saving and opening"
    );
    let before = radiograph::read(&image, 0).unwrap();
    let painted = radiograph::read(&mask, 0).unwrap();
    let reach = radcanvas::document::mask::distance_to(&match painted.pixels {
        Pixels::U8(grid) => grid,
        other => panic!("{other:?}"),
    });
    let far = |x: usize, y: usize| reach[(x, y)] > 4.0;
    assert_eq!(
        before.pixels.count_different_where(&made.pixels, far),
        Some(0)
    );
    assert!(
        before.pixels.count_different(&made.pixels).unwrap() > 20,
        "something was made"
    );
    // The DICOM beside it says the same.
    let dicom = Path::new(row["image"].as_str().unwrap()).with_file_name("image.dcm");
    let exported = radiograph::read(&dicom, 0).unwrap();
    assert!(exported.synthetic.is_some());
    assert_eq!(exported.pixels.count_different(&made.pixels), Some(0));
    let record = row["record"].as_str().unwrap();
    let verdict = answer(0, &["reproduce", record]);
    assert_eq!(verdict["verdict"], "bit-exact");
    // A second run finds its work done; another image is made without disturbing the first.
    let again = answer(0, &arguments);
    assert_eq!(again["outcomes"][0]["skipped"], true);
}

#[test]
fn what_contradicts_itself_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (image, mask) = film(folder.path());
    let out = folder.path().join("out");
    let small = folder.path().join("small.png");
    let one = Radiograph::from_pixels(Pixels::U8(Grid::filled(1, 1, 255)));
    radiograph::export(&small, &one, &one.pixels, false).unwrap();
    let inpaint = |extra: &[&str]| -> Vec<String> {
        ["generate", "inpaint", "--out", text(&out)]
            .iter()
            .chain(extra)
            .map(|s| (*s).to_owned())
            .collect()
    };
    let check = |code: i32, words: &[&str], extra: &[&str]| {
        let arguments = inpaint(extra);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        refused(code, words, &arguments);
    };
    check(
        2,
        &["1 × 1", "128 × 96"],
        &["--image", text(&image), "--mask", text(&small)],
    );
    check(2, &["nothing is painted"], &["--image", text(&image)]);
    check(2, &["no image"], &["--mask", text(&mask)]);
    check(
        2,
        &["0 steps"],
        &[
            "--image",
            text(&image),
            "--mask",
            text(&mask),
            "--steps",
            "0",
        ],
    );
    check(
        3,
        &["nowhere.png"],
        &["--image", "nowhere.png", "--mask", text(&mask)],
    );
    check(
        4,
        &["no model called dragons"],
        &[
            "--image",
            text(&image),
            "--mask",
            text(&mask),
            "--model",
            "dragons",
        ],
    );
    assert!(!out.exists(), "nothing half-written");
}

#[test]
fn a_model_folder_with_a_wrong_hash_is_refused() {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models");
    let folder = tempfile::tempdir().unwrap();
    let source = std::fs::read_dir(&assets)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("model.json").is_file())
        .expect("a bundled model");
    let copy = folder.path().join("model");
    std::fs::create_dir(&copy).unwrap();
    for entry in std::fs::read_dir(&source).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
    }
    assert_eq!(
        run(&["models", "check", text(&copy)]).status.code(),
        Some(0)
    );
    let weights = copy.join("weights.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    refused(4, &["SHA-256"], &["models", "check", text(&copy)]);
}

#[test]
fn a_film_marked_synthetic_stays_marked_through_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let mut image = Radiograph::from_pixels(Pixels::U16(Grid::from_fn(20, 10, |x, y| {
        (x * 100 + y) as u16
    })));
    image.synthetic = Some(SyntheticMark {
        evidence: "test".to_owned(),
        contribution: "made by a test".to_owned(),
    });
    for ending in ["png", "tif", "dcm"] {
        let path = folder.path().join(format!("image.{ending}"));
        radiograph::export(&path, &image, &image.pixels, false).unwrap();
        let again = radiograph::read(&path, 0).unwrap();
        let mark = again
            .synthetic
            .unwrap_or_else(|| panic!("{ending} lost the mark"));
        assert!(
            mark.contribution.contains("made by a test"),
            "{ending}: {mark:?}"
        );
        assert_eq!(
            again.pixels.count_different(&image.pixels),
            Some(0),
            "{ending}"
        );
    }
}

#[test]
fn given_noise_is_what_the_seed_would_have_drawn() {
    use radcanvas::noise::Noise;
    let folder = tempfile::tempdir().unwrap();
    let (image, mask) = film(folder.path());
    let generate = |extra: &[&str], out: &Path| {
        let mut arguments = vec![
            "generate",
            "inpaint",
            "--image",
            text(&image),
            "--mask",
            text(&mask),
            "--kind",
            "hip",
            "--steps",
            "1",
            "--seed",
            "8",
            "--out",
            text(out),
        ];
        arguments.extend(extra);
        let told = answer(0, &arguments);
        let row = told["outcomes"][0]["image"].as_str().unwrap().to_owned();
        radiograph::read(Path::new(&row), 0).unwrap()
    };
    let plain = generate(&[], &folder.path().join("plain"));
    let values = Noise::new(8, 0).normals(4 * 32 * 32);
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let shape = vec![1, 4, 32, 32];
    let view =
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, &bytes).unwrap();
    let file = folder.path().join("noise.safetensors");
    std::fs::write(
        &file,
        safetensors::serialize([("noise", view)], None).unwrap(),
    )
    .unwrap();
    let given = generate(&["--noise", text(&file)], &folder.path().join("given"));
    assert_eq!(plain.pixels.count_different(&given.pixels), Some(0));
}

#[test]
fn phantoms_of_every_kind_are_written_with_their_truth() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, view, mask) in [
        ("breast", "", "breast"),
        ("jaw", "PANORAMIC", "canal left"),
        ("brain-mr", "AXIAL", "ventricles"),
        ("brain-ct", "AXIAL", "skull"),
    ] {
        let out = folder.path().join(kind);
        let said = answer(
            0,
            &[
                "phantom",
                kind,
                "--count",
                "2",
                "--seed",
                "4",
                "--size",
                "64",
                "--out",
                text(&out),
            ],
        );
        assert_eq!(said["count"], 2);
        let table = std::fs::read_to_string(out.join("manifest.csv")).unwrap();
        assert_eq!(table.lines().count(), 3, "{kind}");
        assert!(table.contains(view));
        for name in radcanvas::phantom::findings_of(kind).unwrap() {
            assert!(
                table.lines().next().unwrap().contains(name),
                "{kind}: no column {name}"
            );
        }
        assert!(
            out.join(format!("masks/{kind}-00000004-{mask}.png"))
                .is_file()
        );
        assert!(out.join(format!("{kind}-00000004.png")).is_file());
    }
}

#[test]
fn bench_phantoms_prints_every_gate() {
    // Four films are too few to hold gates: what matters is that those that fail are named, and end in a failure.
    let said = answer(1, &["bench", "phantoms", "--only", "jaw", "--count", "4"]);
    let failed = said["failed"].as_array().unwrap();
    let figures = said["figures"].as_array().unwrap();
    for gate in [1, 2, 3, 4, 6] {
        assert!(figures.iter().any(|f| f["gate"] == gate), "no gate {gate}");
    }
    let fails = figures.iter().filter(|f| f["holds"] == false);
    let names: Vec<&Value> = fails.map(|f| &f["name"]).collect();
    assert!(!names.is_empty());
    assert_eq!(names, failed.iter().collect::<Vec<_>>());
    // The spread of the widest band is asked for, and known only where real films were measured.
    let spread = figures
        .iter()
        .find(|f| f["name"] == "jaw gate 2 spread bp16")
        .unwrap();
    assert!(spread["value"].is_null() && spread["holds"].is_null());
    let film = figures.iter().find(|f| f["name"] == "jaw film").unwrap();
    assert!(film["value"].as_f64().unwrap() > 0.0 && film["unit"] == "s");
    // Without real films the network of gate 4 cannot be asked.
    let fourth = figures.iter().find(|f| f["gate"] == 4).unwrap();
    assert!(fourth["value"].is_null() && fourth["holds"].is_null());
    refused(
        2,
        &["no kind of film"],
        &["bench", "phantoms", "--only", "foot"],
    );
    refused(2, &["--real"], &["bench", "phantoms", "--real", "chest"]);
}

#[test]
fn bench_phantoms_names_the_gates_that_fail_and_writes_a_table() {
    let output = run(&[
        "bench",
        "phantoms",
        "--only",
        "brain-mr",
        "--count",
        "2",
        "--markdown",
    ]);
    let (said, warned) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(1), "{said}{warned}");
    assert!(warned.contains("gates that fail: brain-mr: "), "{warned}");
    let row = said.lines().find(|line| line.starts_with("| brain-mr |"));
    let cells: Vec<&str> = row.unwrap().split('|').map(str::trim).collect();
    assert_eq!(cells.len(), 10, "{said}");
    assert_eq!((cells[5], cells[6]), ("needs films", "–"), "{said}");
    assert!(warned.contains(cells[8]), "{said}{warned}");
}

#[test]
fn ct_is_the_partner_of_mr_unless_heads_shall_be_independent() {
    let folder = tempfile::tempdir().unwrap();
    let drawn = |name: &str, arguments: &[&str]| -> String {
        let out = folder.path().join(name);
        let mut all = vec!["phantom"];
        all.extend(arguments);
        all.extend([
            "--count",
            "2",
            "--seed",
            "6",
            "--size",
            "64",
            "--out",
            text(&out),
        ]);
        answer(0, &all);
        std::fs::read_to_string(out.join("outlines.json")).unwrap()
    };
    let mr = drawn("mr", &["brain-mr"]).replace("brain-mr-", "");
    let ct = drawn("ct", &["brain-ct"]).replace("brain-ct-", "");
    let own = drawn("own", &["brain-ct", "--independent"]).replace("brain-ct-", "");
    assert_eq!(mr, ct);
    assert_ne!(mr, own);
    assert_eq!(
        drawn("own-mr", &["brain-mr", "--independent"]).replace("brain-mr-", ""),
        mr
    );
    // The manifest tells the seed that draws this head again.
    let manifest = std::fs::read_to_string(folder.path().join("own/manifest.csv")).unwrap();
    assert!(
        manifest.contains("brain-ct-00000006.png,brain-ct,9223372036854775814,"),
        "{manifest}"
    );
}

#[test]
fn bench_untouched_finds_no_changed_pixel() {
    let said = answer(0, &["bench", "untouched", "--count", "200"]);
    let figures = said["figures"].as_array().unwrap();
    let value = |name: &str| {
        let figure = figures.iter().find(|f| f["name"] == name);
        figure.unwrap_or_else(|| panic!("no {name}"))["value"]
            .as_f64()
            .unwrap()
    };
    assert_eq!(value("of them changed"), 0.0);
    assert_eq!(value("of them said to be changed"), 0.0);
    assert!(value("pixels outside the ring, compared") > 50_000.0);
    for kind in [
        "inpainted",
        "outpainted",
        "on a larger canvas",
        "with a ring of 0",
    ] {
        assert!(value(kind) > 10.0, "{kind}");
    }
    assert!(value("with a second pass") >= 1.0);
}
