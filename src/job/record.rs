//! Records: what reproduces a generated image, written beside it.
//!
//! A record holds the whole request and the hash of the result, so that the same program on the same kind of device
//! can make the image again and say whether it is the same to the last bit.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Error, ErrorKind, HipReading, Made, Mode, Request, Seam};
use crate::grid::Grid;
use crate::radiograph::write::{SecondaryCapture, WriteError, write_dicom, write_whole};
use crate::radiograph::{self, Pixels, Radiograph};

/// Version of the written form; another one is refused by name.
pub const FORMAT: u32 = 1;

/// Everything that reproduces one image, and what it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`FORMAT`].
    pub format: u32,
    /// Program and version.
    pub program: String,
    /// Always true: nothing that has a record is a plain radiograph.
    pub synthetic: bool,
    /// The request for this one image.
    pub request: Request,
    /// Columns and rows.
    pub size: [usize; 2],
    /// `u8`, `u16`, `i16` or `f32`.
    pub depth: String,
    /// SHA-256 of the stored values, little endian, row after row.
    pub sha256: String,
    /// Pixels outside the ring that differ from the source; 0.
    pub changed_outside_ring: usize,
    /// Pixels inside the ring that differ.
    pub changed_inside: usize,
    /// Seam numbers.
    pub seam: Option<Seam>,
    /// Distance of the drawn lines to the edges of the result, pixels.
    pub hint_distance_px: Option<f64>,
    /// Hip points read from the result.
    pub hips: Option<HipReading>,
    /// The reader's opinion.
    pub findings: Vec<(String, f64)>,
    /// Side in pixels of the tiles that the model decoded the image in, as it does with large ones; absent where it did so
    /// in one piece, and in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder_tile_px: Option<usize>,
    /// Time of the generation, seconds a picture.
    pub seconds: f64,
    /// The file of the image, beside the record; empty while unsaved.
    #[serde(default)]
    pub image: String,
}

/// Where an image and its companions were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The image at native depth.
    pub image: PathBuf,
    /// The painted mask.
    pub mask: PathBuf,
    /// The record.
    pub record: PathBuf,
}

/// SHA-256 of stored values, hexadecimal.
pub fn hash_of(pixels: &Pixels) -> String {
    crate::encoding::hex(&Sha256::digest(pixels.le_bytes()))
}

impl Record {
    /// The record of one image, made in `seconds` for `request` (as the outcome returned it).
    pub fn of(request: &Request, made: &Made, seconds: f64) -> Self {
        let request = request.for_image(made.image_number);
        let pixels = &made.radiograph.pixels;
        Self {
            format: FORMAT,
            program: format!("Radcanvas {}", env!("CARGO_PKG_VERSION")),
            synthetic: true,
            request,
            size: [pixels.width(), pixels.height()],
            depth: pixels.depth_name().to_owned(),
            sha256: hash_of(pixels),
            changed_outside_ring: made.changed_outside_ring,
            changed_inside: made.changed_inside,
            seam: made.seam,
            hint_distance_px: made.hint_distance_px,
            hips: made.hips.clone(),
            findings: made.findings.clone(),
            decoder_tile_px: made.decoder_tile_px,
            seconds,
            image: String::new(),
        }
    }

    /// Reads `record.json`.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(|e| {
            Error::new(ErrorKind::Input, format!("the record cannot be read ({e})")).at(path)
        })?;
        Self::from_bytes(&bytes).map_err(|error| error.at(path))
    }

    /// The written form, after it was read again and said the same.
    ///
    /// # Errors
    /// A number that JSON cannot hold, as one that is none.
    pub fn bytes(&self) -> Result<Vec<u8>, Error> {
        let failed = |what: String| {
            let what = format!("the record was read back and differs ({what}); nothing was saved");
            Error::new(ErrorKind::Failed, what)
        };
        let bytes = serde_json::to_vec(self).map_err(|e| failed(e.to_string()))?;
        let back = Self::from_bytes(&bytes).map_err(|error| failed(error.what))?;
        let again = serde_json::to_vec(&back).map_err(|e| failed(e.to_string()))?;
        if again == bytes {
            Ok(bytes)
        } else {
            Err(failed("other values".to_owned()))
        }
    }

    /// Reads the written form.
    ///
    /// # Errors
    /// It is damaged, or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let refuse = |what: String| Error::new(ErrorKind::Input, what);
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|e| refuse(format!("the record is not JSON ({e})")))?;
        if value["format"] != json!(FORMAT) {
            return Err(
                refuse(format!("the record has the format {}", value["format"]))
                    .remedy("open it with the version of the program that wrote it"),
            );
        }
        serde_json::from_value(value).map_err(|e| refuse(format!("the record is damaged ({e})")))
    }
}

fn failed(error: &WriteError) -> Error {
    let kind = match error {
        WriteError::Exists { .. } | WriteError::Unsupported { .. } => ErrorKind::Usage,
        WriteError::Disk { .. } => ErrorKind::Failed,
    };
    Error::new(kind, error.to_string())
}

/// Ending of the file that holds these pixels exactly.
const fn ending(pixels: &Pixels) -> &'static str {
    match pixels {
        Pixels::U8(_) | Pixels::U16(_) => "png",
        Pixels::I16(_) | Pixels::F32(_) => "tif",
    }
}

/// The painted mask of a request, or all of the image where there was none.
pub fn painted_mask(request: &Request, made: &Made) -> Grid<u8> {
    match &request.mask {
        Some(mask) => mask.map(|m| if *m > 0 { 255 } else { 0 }),
        None => made.changed.clone(),
    }
}

/// Writes image (PNG or TIFF, and DICOM), mask and record into `folder/NNNN`, NNNN = the image's number.
///
/// The record goes last: where there is a record, everything it speaks of is there.
pub fn write(folder: &Path, record: &Record, made: &Made, replace: bool) -> Result<Paths, Error> {
    let folder = folder.join(format!("{:04}", made.image_number));
    let name = format!("image.{}", ending(&made.radiograph.pixels));
    let paths = Paths {
        image: folder.join(&name),
        mask: folder.join("mask.png"),
        record: folder.join("record.json"),
    };
    std::fs::create_dir_all(&folder).map_err(|e| {
        Error::new(
            ErrorKind::Failed,
            format!("the folder cannot be made ({e})"),
        )
        .at(&folder)
        .remedy("make room, or check the rights of the folder")
    })?;
    export(&paths.image, &made.radiograph, replace)?;
    let mask = Radiograph::from_pixels(Pixels::U8(painted_mask(&record.request, made)));
    export(&paths.mask, &mask, replace)?;
    let facts = SecondaryCapture {
        description: "Radcanvas".to_owned(),
        from_nothing: matches!(record.request.mode, Mode::Sketch | Mode::Sample),
    };
    let dicom = folder.join("image.dcm");
    write_dicom(&dicom, &made.radiograph, &facts, replace).map_err(|e| failed(&e))?;
    let mut record = record.clone();
    record.image = name;
    let text = serde_json::to_vec(&record).map_err(|e| {
        Error::new(
            ErrorKind::Failed,
            format!("the record cannot be written ({e})"),
        )
    })?;
    write_whole(&paths.record, &text, replace).map_err(|e| failed(&e))?;
    Ok(paths)
}

/// Writes one image at native depth, mark included.
pub fn export(path: &Path, image: &Radiograph, replace: bool) -> Result<(), Error> {
    radiograph::export(path, image, &image.pixels, replace).map_err(|error| {
        let kind = match error {
            radiograph::ExportError::Disk { .. } => ErrorKind::Failed,
            _ => ErrorKind::Usage,
        };
        Error::new(kind, error.to_string())
    })
}

/// The rows of a request whose images are all there already, from an earlier run; `None` when any is missing.
pub fn finished(folder: &Path, request: &Request) -> Option<Vec<Value>> {
    (0..request.count as u64)
        .map(|n| {
            let number = request.first_image + n;
            let folder = folder.join(format!("{number:04}"));
            let path = folder.join("record.json");
            let record = Record::read(&path).ok()?;
            let mut wanted = request.for_image(number);
            // The name and hash of the model are those that were found when it ran.
            wanted.model = record.request.model.clone();
            wanted.take_hashes_of(&record.request);
            let named = request.model.name.is_empty() || request.model.name == wanted.model.name;
            let image = folder.join(&record.image);
            (named && wanted == record.request && image.is_file()).then(|| {
                json!({
                    "image": image, "mask": folder.join("mask.png"), "record": path,
                    "seed": request.seed, "image_number": number,
                    "changed_outside_ring": record.changed_outside_ring,
                    "seconds": record.seconds, "skipped": true,
                })
            })
        })
        .collect()
}
