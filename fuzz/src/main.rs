//! The targets without libFuzzer: mutates a corpus in this process, on any compiler, blind to coverage.
//!
//! `mutate-in-process seeds` gathers the corpora from the fixtures of the program's tests; `mutate-in-process TARGET
//! SECONDS [SEED]` runs a target and says how many executions it reached. An input that breaks a target is kept as
//! `broken-TARGET`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use radcanvas::document::{
    Document, Edit, Layer, Mark, Note, Operation, Project, Shape, StrokePoint, Tip,
};
use radcanvas::geometry::Point;
use radcanvas::grid::Grid;
use radcanvas::job::{Mode, ModelReference, Request};
use radcanvas::noise::Noise;
use radcanvas::radiograph::{Pixels, Radiograph};
use radcanvas_fuzz::{BETWEEN, PIPELINE, STUDY, TABLES, TARGETS, own, written};

/// Inputs do not grow beyond this.
const LONGEST: usize = 1 << 16;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [seeds] if seeds == "seeds" => {
            gather();
            ExitCode::SUCCESS
        }
        [name, seconds, rest @ ..] => {
            let target = TARGETS.iter().find(|(known, _)| known == name);
            let (Some((_, target)), Ok(seconds)) = (target, seconds.parse()) else {
                return usage();
            };
            let seed = rest.first().and_then(|text| text.parse().ok()).unwrap_or(1);
            run(name, *target, Duration::from_secs(seconds), seed)
        }
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    eprintln!(
        "mutate-in-process seeds | TARGET SECONDS [SEED]; targets: {}",
        names.join(" ")
    );
    ExitCode::from(2)
}

fn run(name: &str, target: fn(&[u8]), time: Duration, seed: u64) -> ExitCode {
    let corpus = files_in(&own("corpus").join(name), &[]);
    let corpus: Vec<Vec<u8>> = corpus
        .iter()
        .filter_map(|p| std::fs::read(p).ok())
        .collect();
    assert!(
        !corpus.is_empty(),
        "no corpus; run `mutate-in-process seeds` first"
    );
    let (begun, mut count, mut slowest) = (Instant::now(), 0_u64, Duration::ZERO);
    for seed_file in &corpus {
        target(seed_file);
    }
    while begun.elapsed() < time {
        let mut noise = Noise::new(seed, count);
        let input = mutant(&corpus, &mut noise);
        let one = Instant::now();
        let done = std::panic::catch_unwind(|| target(&input));
        slowest = slowest.max(one.elapsed());
        count += 1;
        if done.is_err() {
            let kept = own(&format!("broken-{name}"));
            std::fs::write(&kept, &input).expect("room for the input");
            eprintln!(
                "{name}: execution {count} broke the target, see {}",
                kept.display()
            );
            return ExitCode::FAILURE;
        }
    }
    println!(
        "{name}: {count} executions in {} s, slowest {} ms",
        time.as_secs(),
        slowest.as_millis()
    );
    ExitCode::SUCCESS
}

/// One file with a few of the changes that any mutator makes.
fn mutant(corpus: &[Vec<u8>], noise: &mut Noise) -> Vec<u8> {
    let mut bytes = corpus[noise.index(corpus.len())].clone();
    for _ in 0..=noise.index(6) {
        let at = noise.index(bytes.len().max(1)).min(bytes.len());
        let length = (1 + noise.index(16)).min(bytes.len() - at);
        match noise.index(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << noise.index(8),
            1 if at < bytes.len() => bytes[at] = noise.index(256) as u8,
            2 => bytes.truncate(at),
            3 => {
                bytes.drain(at..at + length);
            }
            4 => {
                let copy = bytes[at..at + length].to_vec();
                bytes.splice(at..at, copy);
            }
            5 => {
                let odd = [[0; 4], [0xFF; 4], [0, 0, 0, 0x80], [0x7F; 4]][noise.index(4)];
                let end = (at + 4).min(bytes.len());
                bytes.splice(at..end, odd);
            }
            _ => {
                let other = &corpus[noise.index(corpus.len())];
                let from = noise.index(other.len().max(1)).min(other.len());
                let to = (from + noise.index(256)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

fn files_in(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.retain(|path| {
        let ending = path.extension().unwrap_or_default();
        path.is_file() && (endings.is_empty() || endings.iter().any(|e| ending == *e))
    });
    files.sort();
    files
}

/// Small files of every kind, from the fixtures and from the program itself.
fn gather() {
    let fixtures = own("../tests/fixtures");
    let keep = |target: &str, paths: &[PathBuf]| {
        for path in paths {
            if let (Some(name), Ok(bytes)) = (path.file_name(), std::fs::read(path))
                && bytes.len() < 6000
            {
                put(target, &name.to_string_lossy(), &bytes);
            }
        }
    };
    let mut dicom = files_in(&fixtures.join("dicom"), &["dcm"]);
    dicom.extend(files_in(&fixtures.join("files"), &["dcm"]));
    keep("dicom", &dicom);
    keep("deidentify", &dicom[..dicom.len().min(12)]);
    keep(
        "volume",
        &files_in(&fixtures.join("files"), &["nii", "gz", "nrrd"]),
    );
    keep("exchange", &dicom[..dicom.len().min(30)]);
    put("exchange", "object.dcm", &written::file());
    put("exchange", "found", &written::found());
    keep("archive", &files_in(&fixtures.join("files"), &["zip"]));
    keep("archive", &files_in(&fixtures.join("files/medium"), &[]));
    keep(
        "model",
        &files_in(&fixtures.join("peer/files"), &["safetensors", "pth", "pkl"]),
    );
    keep("recipe", &files_in(&own("../assets/recipes"), &["toml"]));
    for model in ["hips", "reader"] {
        let card = own(&format!("../assets/models/{model}/model.json"));
        if let Ok(bytes) = std::fs::read(card) {
            put("model", &format!("{model}.json"), &bytes);
        }
    }
    keep(
        "checkpoint",
        &files_in(&fixtures.join("peer/files"), &["safetensors", "pth", "pkl"]),
    );
    pictures();
    records();
    journal();
    network();
    folders();
}

/// What nodes say: a good answer of each kind.
fn network() {
    use written::{answer, asked, end, file, found, granted, message, stored};
    let said: [(&str, u8, &[Vec<u8>]); 5] = [
        ("echo", 0, &[granted(1), answer(1, 0x30, 0, None), end()]),
        (
            "find",
            1,
            &[
                granted(1),
                answer(1, 0x20, 0xFF00, Some(&found())),
                answer(1, 0x20, 0, None),
                end(),
            ],
        ),
        (
            "get",
            2,
            // The twentieth context is that of Secondary Capture.
            &[
                granted(20),
                stored(39),
                answer(1, 0x10, 0xFF00, None),
                answer(1, 0x10, 0, None),
                end(),
            ],
        ),
        ("store", 3, &[granted(1), answer(1, 1, 0, None), end()]),
        (
            "provide",
            4,
            &[
                asked(),
                stored(1),
                message(1, &[(0x0000_0100, 0x30_u16.into())], None),
                end(),
            ],
        ),
    ];
    for (name, what, units) in said {
        put("messages", name, &[vec![what], units.concat()].concat());
    }
    let list = format!(
        r#"[{{"0020000D":{{"vr":"UI","Value":["{STUDY}"]}},"0020000E":{{"vr":"UI","Value":["1.2.3.1"]}},"00201209":{{"vr":"IS","Value":[3]}},"00100010":{{"vr":"PN","Value":[{{"Alphabetic":"A^B"}}]}}}}]"#
    );
    let part = b"--cut\r\nContent-Type: application/dicom\r\n\r\n";
    let parts = [&part[..], &file(), b"\r\n", part, b"\r\n--cut--\r\n"].concat();
    let stored = br#"{"00081199":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["1.2.3.4"]},"00081196":{"vr":"US","Value":[45056]}}]}}"#;
    let refused = br#"{"00081198":{"vr":"SQ","Value":[{"00081197":{"vr":"US","Value":[49442]}}]}}"#;
    let whole = |kind: &str, body: &[u8]| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n");
        [head.as_bytes(), body].concat()
    };
    let multipart = "multipart/related; type=\"application/dicom\"; boundary=cut";
    for (name, what, said) in [
        ("list", 0, list.clone().into_bytes()),
        ("parts", 1, parts.clone()),
        ("stored", 2, stored.to_vec()),
        ("refused", 3, refused.to_vec()),
        (
            "whole-list",
            4,
            whole("application/dicom+json", list.as_bytes()),
        ),
        ("whole-parts", 5, whole(multipart, &parts)),
    ] {
        put("web", name, &[vec![what], said].concat());
    }
}

/// Texts of folders, one after the other.
fn folders() {
    let texts = |root: &Path, names: &[&str]| {
        let read = |name: &&str| std::fs::read(root.join(name)).unwrap_or_default();
        names.iter().map(read).collect::<Vec<_>>().join(&BETWEEN)
    };
    let pipelines = own("../tests/fixtures/pipeline");
    put(
        "pipeline",
        "tiny",
        &texts(&pipelines.join("tiny"), &PIPELINE),
    );
    let schedule = |class: &str, more: &str| {
        format!(
            r#"{{"_class_name":"{class}","num_train_timesteps":1000,"beta_schedule":"scaled_linear"{more}}}"#
        )
    };
    for (name, schedule) in [
        (
            "pndm",
            schedule("PNDMScheduler", r#","skip_prk_steps":false"#),
        ),
        (
            "euler",
            schedule(
                "EulerDiscreteScheduler",
                r#","use_karras_sigmas":true,"timestep_type":"continuous""#,
            ),
        ),
        (
            "dpm",
            schedule(
                "DPMSolverMultistepScheduler",
                r#","lambda_min_clipped":-5.1,"solver_order":3,"use_lu_lambdas":true"#,
            ),
        ),
        (
            "unipc",
            schedule(
                "UniPCMultistepScheduler",
                r#","use_flow_sigmas":true,"flow_shift":3.0,"prediction_type":"flow_prediction""#,
            ),
        ),
        (
            "lcm",
            schedule("LCMScheduler", r#","original_inference_steps":50"#),
        ),
    ] {
        put("pipeline", name, schedule.as_bytes());
    }
    let tables: [&[u8]; TABLES.len()] = [
        b"file,kind,age_years,sex,dysplasia\nfilm.png,hip,3.5,F,1\n",
        br#"{"film.png":{"left":{"center":[16,10],"radius":3,"rim":[18,7]},"right":{"center":[7,10],"radius":3,"rim":[5,7]},"pixel_spacing_mm":null}}"#,
        br#"{"film.png":[{"points":[[1,1],[9,4],[20,18]],"closed":true}]}"#,
        br#"{"version":1,"nodes":[{"name":"pacs","host":"127.0.0.1","port":104,"title":"PACS","web":"https://pacs.example/dicom-web"}]}"#,
        br#"[{"kind":"length","points":[[1,1],[9,4]]},{"kind":"circle","points":[[1,1],[9,4],[5,12]]},{"kind":"freehand","points":[[1,1],[9,4],[5,12],[2,8]]}]"#,
    ];
    put("tables", "films", &tables.join(&BETWEEN));
}

fn put(target: &str, name: &str, bytes: &[u8]) {
    let folder = own("corpus").join(target);
    std::fs::create_dir_all(&folder).expect("a folder for the corpus");
    std::fs::write(folder.join(name), bytes).expect("room for the corpus");
}

fn small() -> Radiograph {
    Radiograph::from_pixels(Pixels::U16(Grid::from_fn(12, 9, |x, y| {
        (x * 300 + y * 7) as u16
    })))
}

fn pictures() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let image = small();
    for name in ["image.png", "image.tif"] {
        let path = folder.path().join(name);
        radcanvas::radiograph::export(&path, &image, &image.pixels, true).expect("an export");
        put("raster", name, &std::fs::read(path).expect("the export"));
    }
    // The code streams of DICOM files are JPEG files.
    for path in files_in(&own("../tests/fixtures/dicom"), &["dcm"]) {
        let bytes = std::fs::read(&path).unwrap_or_default();
        let start = bytes
            .windows(3)
            .position(|three| three == [0xFF, 0xD8, 0xFF]);
        if let Some(start) = start {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            put("raster", &format!("{name}.jpg"), &bytes[start..]);
        }
    }
}

fn records() {
    let image = Arc::new(small());
    let model = ModelReference {
        name: "diffusion".to_owned(),
        hash: String::new(),
    };
    let mut request = Request::new(Mode::Inpaint, model);
    request.source = Some(image);
    request.mask = Some(Grid::filled(12, 9, 255));
    let request = serde_json::to_vec(&request).expect("a JSON form");
    put("records", "request.json", &request);
    let mut order = b"{\"Generate\":".to_vec();
    order.extend_from_slice(&request);
    order.push(b'}');
    put("records", "order.json", &order);
    put(
        "records",
        "points.json",
        br#"{"left":{"center":[90.0,50.0],"radius":9.0,"rim":[80.0,40.0]},"right":{"center":[30.0,50.0],"radius":9.0,"rim":[40.0,40.0]},"pixel_spacing_mm":[0.2,0.2]}"#,
    );
}

fn journal() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path().join("project");
    let blank = Radiograph::from_pixels(Pixels::U8(Grid::filled(8, 8, 0)));
    let mut project = Project::create(&at, Document::new(Arc::new(blank))).expect("a project");
    let points = [(1.0, 1.0), (6.0, 5.0)].map(|(x, y)| StrokePoint {
        at: Point::new(x, y),
        pressure: 1.0,
    });
    let mark = Mark {
        layer: Layer::Mask,
        operation: Operation::Paint,
        shape: Shape::Stroke {
            points: points.to_vec(),
            width: 2.0,
            smooth: true,
            tip: Tip::Round,
        },
    };
    project
        .apply(Edit::AddMark(Arc::new(mark)))
        .expect("a stroke");
    project
        .apply(Edit::AddNote(Note {
            at: Point::new(2.0, 2.0),
            text: "note".to_owned(),
        }))
        .expect("a note");
    project.undo().expect("a step back");
    project.redo().expect("a step forth");
    drop(project);
    let beginning = std::fs::read(at.join("project.json")).expect("the project");
    let lines = std::fs::read_to_string(at.join("journal.jsonl")).expect("the journal");
    let whole = [&beginning[..], b"\0", lines.as_bytes()].concat();
    put("project", "project", &whole);
    let entries: Vec<&str> = lines
        .lines()
        .filter_map(|line| line.split_once(",\"entry\":")?.1.strip_suffix('}'))
        .collect();
    put("journal", "entries", entries.join("\n").as_bytes());
}
