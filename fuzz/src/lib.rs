//! The targets: each takes any bytes for a file of one kind and goes the way that the program goes with such a file.
//!
//! A target fails only by a panic, an abort, too much memory or too much time. What is read is held against the
//! promises of the reader (sizes that fit, numbers that are numbers), so that nonsense counts as a failure too.

mod folders;
mod network;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use radcanvas::document::{Document, Project};
use radcanvas::grid::Grid;
use radcanvas::job::record::Record;
use radcanvas::job::{Order, Request};
use radcanvas::landmarks::{HipLandmarks, Side};
use radcanvas::measure::norberg::norberg_degrees;
use radcanvas::network::device::Place;
use radcanvas::network::folder::{ModelFolder, tensors_in};
use radcanvas::network::folder::{
    load_autoencoder, load_control, load_diffusion, load_hip_detail, load_hips, load_reader,
    load_refiner,
};
use radcanvas::network::peer::source::Source;
use radcanvas::radiograph::exchange::{self, Attributes, EXPLICIT, Instance};
use radcanvas::radiograph::write::deidentify as remove_identity;
use radcanvas::radiograph::{
    FileKind, ImageFile, Pixels, Radiograph, ReadError, Values, inspect, masks_of, open_bytes,
    read, series, values,
};
use radcanvas::training::recipe::Recipe;
use sha2::{Digest as _, Sha256};

pub use folders::{BETWEEN, PIPELINE, TABLES, checkpoint, pipeline, tables};
pub use network::{STUDY, messages, web, written};

/// Each target by name.
pub const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("dicom", dicom),
    ("raster", raster),
    ("volume", volume),
    ("archive", archive),
    ("deidentify", deidentify),
    ("exchange", exchange),
    ("project", project),
    ("journal", journal),
    ("model", model),
    ("records", records),
    ("recipe", recipe),
    ("messages", messages),
    ("web", web),
    ("pipeline", pipeline),
    ("checkpoint", checkpoint),
    ("tables", tables),
];

/// Below the folder of this crate.
pub fn own(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Lets decoders of other projects panic in peace: the program shields itself against them, and libFuzzer would not.
pub fn quiet() {
    std::panic::set_hook(Box::new(|_| {}));
}

thread_local! {
    static FOLDER: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

/// A folder in memory where the system has one, the same for every input.
fn folder() -> PathBuf {
    FOLDER.with_borrow_mut(|folder| {
        let made = folder.get_or_insert_with(|| {
            let memory = Path::new("/dev/shm");
            let made = if memory.is_dir() {
                tempfile::tempdir_in(memory)
            } else {
                tempfile::tempdir()
            };
            made.expect("a temporary folder")
        });
        made.path().to_owned()
    })
}

fn put(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    let parent = path.parent().expect("a file in a folder");
    if !parent.is_dir() {
        std::fs::create_dir_all(parent).expect("room for a folder");
    }
    std::fs::write(&path, bytes).expect("room for an input");
    path
}

/// The first and the last frame, their values and how they are shown.
fn look(file: Result<ImageFile, ReadError>) {
    let Ok(file) = file else {
        return;
    };
    let frames = file.frames();
    assert!(frames > 0, "a file of no frame");
    let ends = [0, frames - 1];
    for frame in &ends[..frames.min(2)] {
        let Ok(image) = file.frame(*frame) else {
            continue;
        };
        assert!(image.width() > 0 && image.height() > 0, "no pixel");
        assert_eq!(image.frames, frames);
        let window = image.initial_window();
        assert!(window.is_usable(), "a window of no use: {window:?}");
        let grey = image.grey(&window);
        assert!(grey.cells().iter().all(|v| (0.0..=1.0).contains(v)));
        let spacing = image.spacing.iter().flat_map(|s| [s.row_mm, s.column_mm]);
        assert!(spacing.into_iter().all(|mm| mm.is_finite() && mm > 0.0));
        let modality = values(&image, Values::Modality);
        assert_eq!(modality.width(), image.width());
        for overlay in &image.overlays {
            assert_eq!(overlay.ink.width(), image.width());
            assert_eq!(overlay.ink.height(), image.height());
        }
    }
    assert!(file.frame(frames).is_err(), "a frame past the last one");
}

/// A DICOM file: scan, layout, frames, code streams, attributes.
pub fn dicom(bytes: &[u8]) {
    look(open_bytes("input.dcm", bytes.to_vec()));
}

/// PNG, TIFF and JPEG.
pub fn raster(bytes: &[u8]) {
    let kinds = [FileKind::Png, FileKind::Tiff, FileKind::Jpeg];
    let file = open_bytes("input.png", bytes.to_vec());
    look(file.and_then(|file| {
        if kinds.contains(&file.kind()) {
            Ok(file)
        } else {
            open_bytes("input.png", Vec::new())
        }
    }));
}

/// NIfTI and NRRD, packed by gzip or not.
pub fn volume(bytes: &[u8]) {
    look(open_bytes("input.nii", bytes.to_vec()));
}

/// ZIP archives and DICOMDIR: what they name, and their members.
pub fn archive(bytes: &[u8]) {
    let path = put("archive.zip", bytes);
    let Ok(listing) = series::list(&path) else {
        return;
    };
    for member in listing.series.iter().flat_map(|series| &series.members) {
        let inside = member.path.starts_with(folder());
        assert!(inside, "a member outside the folder of its archive");
        read(&member.path, 0).ok();
    }
}

/// De-identification, whose writer must be able to write what its parser read.
pub fn deidentify(bytes: &[u8]) {
    let (from, to) = (put("from.dcm", bytes), folder().join("to.dcm"));
    if remove_identity(&from, &to, b"salt", true).is_ok() {
        assert!(to.is_file());
    }
}

/// Objects as they are sent and taken in: names, data sets written anew, masks brought onto an image, and small data
/// sets without a file around them.
pub fn exchange(bytes: &[u8]) {
    for explicit in [false, true] {
        if let Ok(attributes) = Attributes::read(bytes.to_vec(), explicit) {
            for tag in [0x0000_0900, 0x0010_0010, 0x0020_000D] {
                attributes.text(tag);
                attributes.number(tag);
            }
        }
    }
    let path = put("object.dcm", bytes);
    inspect(&path);
    exchange::names_of(&path);
    if let Ok((names, file)) = exchange::received(bytes.to_vec()) {
        // What was taken in under our own head must be found again under it.
        let again = exchange::received(file).map(|(names, _)| names);
        assert_eq!(again.ok(), Some(names));
    }
    if let Ok(object) = Instance::read(&path) {
        for explicit in [false, true] {
            let Ok(data) = object.recoded(explicit) else {
                continue;
            };
            let file = object.file_with(
                &data,
                if explicit {
                    EXPLICIT
                } else {
                    exchange::IMPLICIT
                },
            );
            let again = Instance::read(&put("again.dcm", &file)).expect("an object of our own");
            assert_eq!(
                (again.class, again.instance),
                (object.class.clone(), object.instance.clone())
            );
        }
        if let Ok(image) = read(&path, 0) {
            masks_of(&path, &image).ok();
        }
    }
}

/// `project.json`, and a journal as it lies.
pub fn project(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    put("project.json", parts.next().unwrap_or_default());
    put("journal.jsonl", parts.next().unwrap_or_default());
    Project::read(&folder()).ok();
}

/// Entries of a journal, a line each; their checks are made to fit, as a forger would.
pub fn journal(bytes: &[u8]) {
    let base = folder().join("base");
    if !base.is_dir() {
        let pixels = Pixels::U8(Grid::filled(8, 8, 0));
        let document = Document::new(Arc::new(Radiograph::from_pixels(pixels)));
        drop(Project::create(&base, document).expect("room for a project"));
    }
    let mut check = check_of("radcanvas-journal", b"");
    let mut lines = Vec::new();
    for entry in bytes.split(|byte| *byte == b'\n') {
        check = check_of(&check, entry);
        lines.extend_from_slice(format!("{{\"check\":\"{check}\",\"entry\":").as_bytes());
        lines.extend_from_slice(entry);
        lines.extend_from_slice(b"}\n");
    }
    put("base/journal.jsonl", &lines);
    let (history, _) = Project::read(&base).expect("the beginning is whole");
    let document = history.document();
    let image = document.image();
    if image.width() * image.height() < 1 << 16 {
        document.mask();
    }
}

fn check_of(before: &str, entry: &[u8]) -> String {
    let hash = Sha256::new().chain_update(before).chain_update(entry);
    let mut check = hex(&hash.finalize());
    check.truncate(32);
    check
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A model card; a safetensors file, read whole and piece by piece; a PyTorch archive; the pickle inside one.
pub fn model(bytes: &[u8]) {
    put("model.json", bytes);
    if let Ok(card) = ModelFolder::open(&folder()) {
        card.hash();
        card.configuration::<serde_json::Value>().ok();
        networks(&card.card);
    }
    tensors_in(Path::new("input.safetensors"), bytes).ok();
    Source::open(&put("input.safetensors", bytes)).ok();
    Source::open(&put("input.pth", bytes)).ok();
    let mut packed = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default();
    let stored = stored.compression_method(zip::CompressionMethod::Stored);
    packed
        .start_file("archive/data.pkl", stored)
        .expect("a name that fits");
    std::io::Write::write_all(&mut packed, bytes).expect("memory");
    let packed = packed.finish().expect("memory").into_inner();
    Source::open(&put("packed.pth", &packed)).ok();
}

/// The networks that a card may describe, over no weights at all: whatever the configuration says, one is missing.
fn networks(card: &radcanvas::network::folder::Card) {
    let mut card = card.clone();
    card.files.clear();
    let at = folder().join("card");
    put(
        "card/model.json",
        &serde_json::to_vec(&card).expect("a card has a JSON form"),
    );
    let place = Place::default();
    load_autoencoder(&at, &place).ok();
    load_diffusion(&at, &place).ok();
    load_refiner(&at, &place).ok();
    load_control(&at, &place).ok();
    load_reader(&at, &place).ok();
    load_hips(&at, &place).ok();
    load_hip_detail(&at, &place).ok();
}

/// Requests, records, orders and landmarks: JSON from a manifest, a folder of results or another program.
pub fn records(bytes: &[u8]) {
    if let Ok(request) = serde_json::from_slice::<Request>(bytes) {
        let again = serde_json::to_vec(&request).expect("a request has a JSON form");
        assert!(serde_json::from_slice::<Request>(&again).is_ok() || has_no_number(&again));
    }
    serde_json::from_slice::<Order>(bytes).ok();
    if let Ok(points) = serde_json::from_slice::<HipLandmarks>(bytes)
        && points.is_valid()
    {
        for side in [Side::Left, Side::Right] {
            let angle = norberg_degrees(&points, side, None);
            assert!(angle.is_none_or(f64::is_finite), "{angle:?}");
        }
    }
    Record::read(&put("record.json", bytes)).ok();
}

/// Numbers that JSON lacks become null and do not read back.
fn has_no_number(text: &[u8]) -> bool {
    text.windows(4).any(|four| four == b"null")
}

/// A training recipe in TOML.
pub fn recipe(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(value) = toml::from_str::<serde_json::Value>(text)
        && let Ok(recipe) = Recipe::from_value(&value)
    {
        for done in [0.0, 0.5, 1.0] {
            assert!(recipe.rate_at(recipe.steps / 2, done).is_finite());
        }
    }
}
