//! A full disk and a folder that nobody may write to: every writer says so, and what was there before is untouched.
//!
//! A limit on the size of files stands in for the full disk: the write that meets it is cut in the middle. A file in
//! the place of a folder, and a folder of the system, stand in for a read-only one, which would not stop root.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use radcanvas::document::{Accepted, Document, Edit, Project};
use radcanvas::geometry::Point;
use radcanvas::grid::Grid;
use radcanvas::job::record::{self, Record};
use radcanvas::job::{Engine as _, Error, Fake, Mode, ModelReference, Order, Product, Request};
use radcanvas::landmarks::{Hip, HipLandmarks};
use radcanvas::network::autoencoder::{self, Autoencoder};
use radcanvas::network::folder;
use radcanvas::network::weights::Weights;
use radcanvas::radiograph::write::{
    HipReport, MeasuredAngle, Object, SecondaryCapture, Segment, coco, deidentify, masks_csv,
    write_dicom, write_object, write_whole,
};
use radcanvas::radiograph::{self, DisplayWindow, Pixels, Radiograph, SyntheticMark};
use radcanvas::training::checkpoint::{self, Identity, Standing};
use radcanvas::training::optimizer::AdamW;
use radcanvas::transfer::{Node, Nodes};
use radcanvas::whole;

const FOLDER: &str = "RADCANVAS_TEST_FULL_FOLDER";

fn film(variant: u16) -> Radiograph {
    Radiograph::from_pixels(Pixels::U16(Grid::from_fn(70, 60, |x, y| {
        (x as u16).wrapping_mul(977 + variant) ^ (y as u16).wrapping_mul(3511)
    })))
}

fn report(variant: u16) -> HipReport {
    let hip = |x: f64, rim: f64| Hip {
        center: Point::new(x, 30.0),
        radius: 7.0,
        rim: Point::new(rim, 20.0),
    };
    HipReport {
        landmarks: HipLandmarks {
            left: hip(50.0, 55.0),
            right: hip(20.0, 15.0),
            pixel_spacing_mm: None,
        },
        left: Some(MeasuredAngle {
            degrees: 100.0 + f64::from(variant),
            interval_degrees: None,
        }),
        right: None,
        algorithm: None,
        person: String::new(),
    }
}

fn accepted(variant: u16) -> Edit {
    let mut radiograph = film(variant);
    radiograph.synthetic = Some(SyntheticMark::default());
    Edit::Accept(Arc::new(Accepted {
        radiograph: Arc::new(radiograph),
        changed: Grid::filled(70, 60, 255),
        landmarks: None,
        record: serde_json::Value::Null,
    }))
}

/// The checkpoint of a small run.
fn checkpoint(out: &Path, variant: u16) -> Result<PathBuf, Error> {
    let weights = Weights::new(u64::from(variant));
    Autoencoder::new(&weights.builder(), &autoencoder::Config::tiny()).unwrap();
    let optimizer = AdamW::new(&weights).unwrap();
    checkpoint::save(out, &optimizer, &Standing::default(), &Identity::default())
}

/// A generated image with its mask and record, in the folder `0000`.
fn record(to: &Path, variant: u16) -> Result<record::Paths, Error> {
    let mut request = Request::new(Mode::Sketch, ModelReference::default());
    request.source = Some(Arc::new(film(variant)));
    request.seed = u64::from(variant);
    let product = Fake::default().carry_out(&Order::Generate(request), &mut |_| {
        std::ops::ControlFlow::Continue(())
    });
    let Ok(Product::Outcome(outcome)) = product else {
        panic!("{product:?}");
    };
    let made = &outcome.images[0];
    record::write(to, &Record::of(&outcome.request, made, 0.0), made, true)
}

/// Every writer by the name of its file, in the place of a file that may be there; `source` is a DICOM image.
fn write_all(source: &Path, to: &Path, variant: u16) -> Vec<(&'static str, Result<(), String>)> {
    fn said<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<(), String> {
        result.map(drop).map_err(|error| error.to_string())
    }
    let (image, base) = (film(variant), radiograph::read(source, 0).unwrap());
    let segments = [Segment {
        label: "lesion".to_owned(),
        mask: Grid::from_fn(70, 60, |x, y| u8::from((x * y) % 7 > usize::from(variant))),
        algorithm: None,
    }];
    let window = DisplayWindow::from_range(0.0, 1000.0 + f64::from(variant));
    let report = report(variant);
    let object =
        |name: &str, object: Object<'_>| said(write_object(&to.join(name), &base, &object, true));
    let mut done = Vec::new();
    for name in [
        "image.png",
        "image.tif",
        "image.npy",
        "image.safetensors",
        "image.nii",
        "image.nii.gz",
    ] {
        let path = to.join(name);
        done.push((
            name,
            said(radiograph::export(&path, &image, &image.pixels, true)),
        ));
    }
    let facts = SecondaryCapture::default();
    done.push((
        "image.dcm",
        said(write_dicom(&to.join("image.dcm"), &image, &facts, true)),
    ));
    done.push((
        "masks.dcm",
        object("masks.dcm", Object::Segmentation(&segments)),
    ));
    done.push(("report.dcm", object("report.dcm", Object::Report(&report))));
    let look = window.into();
    let view = Object::Presentation {
        look: &look,
        annotations: &[],
    };
    done.push(("view.dcm", object("view.dcm", view)));
    let csv = masks_csv("film", &base, &vec![segments[0].clone(); 20]).unwrap();
    done.push((
        "masks.csv",
        said(write_whole(&to.join("masks.csv"), &csv, true)),
    ));
    let json = coco("film", &base, &segments).to_string();
    done.push((
        "masks.json",
        said(write_whole(&to.join("masks.json"), json.as_bytes(), true)),
    ));
    done.push((
        "plain.dcm",
        said(deidentify(
            source,
            &to.join("plain.dcm"),
            &[variant as u8],
            true,
        )),
    ));
    let weights = vec![variant as u8; 4000];
    let model = folder::write(&to.join("weights.safetensors"), &weights);
    done.push(("weights.safetensors", said(model)));
    done.push(("run", said(checkpoint(&to.join("run"), variant))));
    done.push(("0000", said(record(to, variant))));
    let mut nodes = Nodes::default();
    nodes.nodes = (0..5)
        .map(|n| Node {
            name: format!("node-{n}"),
            host: format!("host-{variant}"),
            ..Node::default()
        })
        .collect();
    done.push(("nodes.json", said(nodes.save(&to.join("nodes.json")))));
    #[cfg(feature = "window")]
    {
        use radcanvas::app::settings::Settings;
        let mut settings = Settings::default();
        for n in 0..8 {
            let path = PathBuf::from(format!("{n}/{variant}/{}", "a".repeat(200)));
            settings.remember(path, None);
        }
        done.push((
            "settings.json",
            said(settings.save(&to.join("settings.json"))),
        ));
    }
    done
}

/// The writer with a limit on it: does nothing unless the test below started it.
#[test]
fn writer_on_a_full_disk() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let (mut project, _) = Project::open(&folder.join("project")).unwrap();
    let error = project.apply(accepted(5)).unwrap_err().to_string();
    assert!(error.contains("still in memory"), "{error}");
    let error = Project::save_as(&folder.join("project"), &folder.join("saved.radcanvas"));
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("save the project") && error.contains("saved.radcanvas"),
        "{error}"
    );
    let error = Project::create(&folder.join("new"), Document::new(Arc::new(film(9))));
    assert!(error.unwrap_err().to_string().contains("make room"));
    for (name, result) in write_all(&folder.join("source.dcm"), &folder.join("out"), 1) {
        let error = result.expect_err(name);
        assert!(error.contains(name), "{name}: {error}");
        let told = ["room", "free space"]
            .iter()
            .any(|words| error.contains(words));
        assert!(told, "{name}: {error}");
    }
}

/// Name and content of everything below a folder.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_every_file_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let source = at.join("source.dcm");
    write_dicom(&source, &film(0), &SecondaryCapture::default(), true).unwrap();
    for (name, result) in write_all(&source, &at.join("out"), 0) {
        assert_eq!(result, Ok(()), "{name}");
    }
    let mut project =
        Project::create(&at.join("project"), Document::new(Arc::new(film(0)))).unwrap();
    project.apply(accepted(2)).unwrap();
    drop(project);
    drop(Project::save_as(&at.join("project"), &at.join("saved.radcanvas")).unwrap());
    let before = contents(at);
    // Blocks of 512 bytes: nothing that is written here is that short.
    let done = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "full_disk::writer_on_a_full_disk",
            "--test-threads=1",
        ])
        .env(FOLDER, at)
        .env("TMPDIR", at)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
    let mut after = contents(at);
    // A project that could not be begun is none; its folder and its empty files may stay.
    after.retain(|path, _| !path.starts_with(at.join("new")));
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&after), names(&before));
    assert!(after == before, "a file was changed");
    assert!(!at.join("new/project.json").exists());
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source.dcm");
    write_dicom(&source, &film(0), &SecondaryCapture::default(), true).unwrap();
    let file = folder.path().join("no-folder");
    fs::write(&file, b"a file").unwrap();
    let before = contents(folder.path());
    let mut places = vec![file];
    places.extend(
        ["/proc", "/sys"]
            .map(PathBuf::from)
            .into_iter()
            .filter(|p| p.is_dir()),
    );
    for place in places {
        for (name, result) in write_all(&source, &place, 0) {
            let error = result.expect_err(name);
            assert!(error.contains(name), "{name}: {error}");
            let told = ["room", "rights of the folder"]
                .iter()
                .any(|words| error.contains(words));
            assert!(told, "{name}: {error}");
        }
        let project = Project::create(&place.join("project"), Document::new(Arc::new(film(1))));
        assert!(project.unwrap_err().to_string().contains("another folder"));
    }
    assert!(contents(folder.path()) == before);
}

#[test]
fn a_file_is_replaced_only_when_that_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/file");
    // A folder that was taken away is not made anew unless that is asked.
    assert!(whole::write(&path, b"first", false).is_err());
    whole::make_folder_of(&path).unwrap();
    whole::write(&path, b"first", false).unwrap();
    let error = whole::write(&path, b"second", false).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).unwrap(), b"first");
    whole::write(&path, b"second", true).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"second");
    fs::write(folder.path().join("new/.radcanvas-killed"), b"hal").unwrap();
    whole::clear(&folder.path().join("new"));
    assert_eq!(
        contents(folder.path()).into_keys().collect::<Vec<_>>(),
        [path]
    );
}

#[test]
fn a_saved_project_takes_the_place_of_the_one_before_and_of_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (
        folder.path().join("work"),
        folder.path().join("case.radcanvas"),
    );
    let mut project = Project::create(&from, Document::new(Arc::new(film(0)))).unwrap();
    let saved = Project::save_as(&from, &to).unwrap();
    assert!(saved.document().accepted.is_empty());
    project.apply(accepted(1)).unwrap();
    // Open here: nobody may exchange it now.
    assert!(Project::save_as(&from, &to).is_err());
    drop(saved);
    let saved = Project::save_as(&from, &to).unwrap();
    assert_eq!(saved.document(), project.document());
    let other = folder.path().join("letters");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("letter.txt"), b"dear").unwrap();
    assert!(Project::save_as(&from, &other).is_err());
    assert_eq!(fs::read(other.join("letter.txt")).unwrap(), b"dear");
    let names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[cfg(feature = "window")]
#[test]
fn settings_come_back_and_damaged_ones_are_told() {
    use radcanvas::app::settings::Settings;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own/settings.json");
    assert_eq!(Settings::load(Some(&file)), (Settings::default(), None));
    let mut settings = Settings::default();
    settings.remember(PathBuf::from("a film.dcm"), None);
    settings.save(&file).unwrap();
    assert_eq!(Settings::load(Some(&file)), (settings, None));
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let (back, warning) = Settings::load(Some(&file));
    assert_eq!(back, Settings::default());
    assert!(warning.unwrap().contains("defaults"));
}
