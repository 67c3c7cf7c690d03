//! The files that the worker exports, and what each must hold when it is there.
//!
//! Separate because every format is told to be whole in its own way: read as an image, read back as an object, or
//! compared to the byte.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use super::worker::Work;
use super::{Found, failed};
use crate::document::Document;
use crate::geometry::Point;
use crate::grid::Grid;
use crate::job::Error;
use crate::landmarks::{Hip, HipLandmarks};
use crate::noise::Noise;
use crate::radiograph::write::{
    HipReport, MeasuredAngle, Object, SecondaryCapture, Segment, Table, object_at, write_dicom,
    write_object, write_table, write_whole,
};
use crate::radiograph::{self, DisplayWindow, Pixels, Radiograph};

/// Images, by name: read back as images.
const IMAGES: &[&str] = &["image.png", "image.tif", "image.nii.gz", "image.dcm"];
/// Objects about the image.
const OBJECTS: &[&str] = &["masks.dcm", "report.dcm", "view.dcm"];
/// Texts about the image.
const TABLES: &[&str] = &["masks.csv", "masks.json", "hips.csv"];
/// Other files that are the same to the byte whenever they are written.
const BYTES: &[&str] = &["image.npy", "image.safetensors", "settings.json"];

/// What is exported is one of these: an image of one value after the other.
const VARIANTS: usize = 2;

fn picture(work: &Work, variant: usize) -> Radiograph {
    let mut image = (*work.image).clone();
    let (width, height) = (image.width(), image.height());
    let step = 100 + 57 * variant;
    image.pixels = Pixels::U16(Grid::from_fn(width, height, |x, y| (x * step + y) as u16));
    image
}

fn segments(work: &Work, variant: usize) -> Vec<Segment> {
    let (width, height) = (work.image.width(), work.image.height());
    vec![Segment {
        label: "lesion".to_owned(),
        mask: Grid::from_fn(width, height, |x, y| u8::from(x > 20 + variant && y > 30)),
        algorithm: None,
    }]
}

fn report(variant: usize) -> HipReport {
    let hip = |x: f64, rim: f64| Hip {
        center: Point::new(x, 40.0),
        radius: 8.0,
        rim: Point::new(rim, 28.0),
    };
    HipReport {
        landmarks: HipLandmarks {
            left: hip(70.0, 76.0),
            right: hip(26.0, 20.0),
            pixel_spacing_mm: None,
        },
        left: Some(MeasuredAngle {
            degrees: 101.0 + variant as f64,
            interval_degrees: None,
        }),
        right: None,
        algorithm: None,
        person: String::new(),
    }
}

fn window(variant: usize) -> DisplayWindow {
    DisplayWindow::from_range(0.0, 1000.0 + variant as f64)
}

/// Calls `then` with the object of this name.
fn with_object<T>(
    work: &Work,
    name: &str,
    variant: usize,
    then: impl FnOnce(&Object<'_>) -> T,
) -> T {
    match name {
        "masks.dcm" => then(&Object::Segmentation(&segments(work, variant))),
        "report.dcm" => then(&Object::Report(&report(variant))),
        _ => then(&Object::Presentation {
            look: &window(variant).into(),
            annotations: &[],
        }),
    }
}

/// Calls `then` with the table of this name.
fn with_table<T>(work: &Work, name: &str, variant: usize, then: impl FnOnce(&Table<'_>) -> T) -> T {
    match name {
        "hips.csv" => then(&Table::Hips(&report(variant))),
        "masks.json" => then(&Table::Coco(&segments(work, variant))),
        _ => then(&Table::Masks(&segments(work, variant))),
    }
}

fn settings(variant: usize) -> Vec<u8> {
    let settings = json!({ "variant": variant, "recent": vec!["a film"; 200] });
    settings.to_string().into_bytes()
}

/// Writes one file in the place of the one that is there, by the code that the window and the commands use.
pub(super) fn write(
    work: &Work,
    document: &Document,
    which: usize,
    chance: &mut Noise,
) -> Result<(), Error> {
    let variant = chance.index(VARIANTS);
    let names: Vec<&str> = [IMAGES, OBJECTS, TABLES, BYTES, &["shown.png"]].concat();
    let name = names[which % names.len()];
    let path = work.out(name);
    let image = picture(work, variant);
    let lost = |error: &dyn std::fmt::Display| failed(&path, error);
    match name {
        "shown.png" => {
            let shown = document.image();
            radiograph::export(&path, shown, &shown.pixels, true).map_err(|e| lost(&e))
        }
        "image.dcm" => {
            write_dicom(&path, &image, &SecondaryCapture::default(), true).map_err(|e| lost(&e))
        }
        name if OBJECTS.contains(&name) => with_object(work, name, variant, |object| {
            write_object(&path, &work.image, object, true).map_err(|e| lost(&e))
        }),
        name if TABLES.contains(&name) => with_table(work, name, variant, |table| {
            write_table(&path, name, &image, table, true).map_err(|e| lost(&e))
        }),
        "settings.json" => write_whole(&path, &settings(variant), true).map_err(|e| lost(&e)),
        _ => radiograph::export(&path, &image, &image.pixels, true).map_err(|e| lost(&e)),
    }
}

/// Looks at every export that is there.
pub(super) fn look(work: &Work, found: &mut Found) {
    for name in [IMAGES, OBJECTS, TABLES, BYTES, &["shown.png"]].concat() {
        let path = work.out(name);
        if !path.exists() {
            continue;
        }
        found.exports += 1;
        if let Err(what) = whole(work, name, &path, &mut found.known) {
            found.faults.push(format!("{name}: {what}"));
        }
    }
}

/// Whether a file is one of those that were written, from its first byte to its last.
fn whole(work: &Work, name: &'static str, path: &Path, known: &mut Known) -> Result<(), String> {
    if name == "shown.png" {
        let image = radiograph::read(path, 0).map_err(|error| error.to_string())?;
        return same_size(&image, work);
    }
    let mut reasons = Vec::new();
    for variant in 0..VARIANTS {
        match is_variant(work, name, path, variant, known) {
            Ok(()) => return Ok(()),
            Err(what) => reasons.push(what),
        }
    }
    Err(reasons.join("; "))
}

fn same_size(image: &Radiograph, work: &Work) -> Result<(), String> {
    if (image.width(), image.height()) == (work.image.width(), work.image.height()) {
        Ok(())
    } else {
        Err("another size".to_owned())
    }
}

/// Files that are the same to the byte each time, by name and variant.
pub(super) type Known = BTreeMap<(&'static str, usize), Vec<u8>>;

fn is_variant(
    work: &Work,
    name: &'static str,
    path: &Path,
    variant: usize,
    known: &mut Known,
) -> Result<(), String> {
    let equal = |same: bool| {
        if same {
            Ok(())
        } else {
            Err("other content".to_owned())
        }
    };
    if IMAGES.contains(&name) {
        let image = radiograph::read(path, 0).map_err(|error| error.to_string())?;
        let wanted = picture(work, variant);
        let same = image.pixels.to_f32() == wanted.pixels.to_f32();
        return equal(same && image.notes.iter().all(|note| !note.contains("cut short")));
    }
    if OBJECTS.contains(&name) {
        return with_object(work, name, variant, |object| {
            object_at(path, &work.image, object).map_err(|error| error.to_string())
        });
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    if let Some(wanted) = known.get(&(name, variant)) {
        return equal(bytes == *wanted);
    }
    let wanted = match name {
        "image.npy" | "image.safetensors" => {
            // Written once more beside, where no kill reaches it.
            let folder = tempfile::tempdir_in(work.folder()).map_err(|error| error.to_string())?;
            let again = folder.path().join(name);
            let image = picture(work, variant);
            radiograph::export(&again, &image, &image.pixels, true)
                .map_err(|error| error.to_string())?;
            std::fs::read(&again).map_err(|error| error.to_string())?
        }
        "settings.json" => settings(variant),
        name => {
            let image = picture(work, variant);
            with_table(work, name, variant, |table| table.bytes(name, &image))?
        }
    };
    let same = bytes == wanted;
    known.insert((name, variant), wanted);
    equal(same)
}
