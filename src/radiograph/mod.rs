//! A radiograph: immutable pixels at native depth, with spacing and its source, windows and identity.
//!
//! The grey-scale pipeline is stored value → Modality LUT → VOI window → presentation (DICOM PS3.3 C.11, PS3.4 N.2).
//! Window and level are a view: nothing in here changes a pixel. A radiograph is shared by `Arc`.

mod apart;
mod archive;
mod check;
mod dicom;
mod error;
mod export;
mod extend;
mod luminance;
mod open;
mod orientation;
mod pixels;
mod raster;
mod readings;
pub mod series;
mod spacing;
mod volume;
mod window;
pub mod write;

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::grid::Grid;

pub(crate) use archive::crc32;

pub use apart::{decode_apart, end_idle, serve, start_ahead};
pub use dicom::exchange;
pub use error::{ReadError, ReadProblem};
pub use export::{ExportError, Values, export, export_color, export_step, values};
pub use extend::Margins;
pub use luminance::{Picture, Rgb};
pub use open::{
    ImageFile, InspectedWindow, Inspection, Preview, inspect, inspect_all, masks_of, open,
    open_bytes, open_here, read,
};
pub use orientation::Orientation;
pub use pixels::Pixels;
pub use raster::SYNTHETIC_KEYWORD;
pub use readings::{Quantity, Reading, Readings, Unit, one_value};
pub use spacing::{Spacing, SpacingSource};
pub use window::{DisplayWindow, VoiTable, WindowFunction};

/// Stored value → modality value (DICOM PS3.3 C.11.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ModalityTransform {
    /// Rescale Slope and Rescale Intercept.
    Linear {
        /// Rescale Slope (0028,1053).
        slope: f64,
        /// Rescale Intercept (0028,1052).
        intercept: f64,
    },
    /// Modality LUT Sequence (0028,3000): values below the first or above the last take the nearest entry.
    Table {
        /// First stored value mapped.
        first: i64,
        /// LUT Data.
        values: Vec<f32>,
    },
}

impl Default for ModalityTransform {
    fn default() -> Self {
        Self::Linear {
            slope: 1.0,
            intercept: 0.0,
        }
    }
}

impl ModalityTransform {
    /// The modality value of a stored value.
    pub fn apply(&self, stored: f64) -> f64 {
        match self {
            Self::Linear { slope, intercept } => stored * slope + intercept,
            Self::Table { first, values } => {
                let index = (stored as i64).saturating_sub(*first).max(0) as usize;
                values
                    .get(index.min(values.len().saturating_sub(1)))
                    .map_or(stored, |v| f64::from(*v))
            }
        }
    }
}

/// Whether low values are black or white.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Photometric {
    /// Low values white (MONOCHROME1).
    Monochrome1,
    /// Low values black (MONOCHROME2).
    #[default]
    Monochrome2,
}

/// The kind of file the pixels came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// DICOM Part 10 file or a bare data set.
    Dicom,
    /// PNG.
    Png,
    /// TIFF.
    Tiff,
    /// JPEG.
    Jpeg,
    /// NIfTI-1 or NIfTI-2.
    Nifti,
    /// NRRD.
    Nrrd,
    /// Made in the program: a phantom or a generated image that was never a file.
    Memory,
}

/// Who the image is of: shown in the corners, hidden by one key, never logged.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Patient Name (0010,0010).
    pub name: String,
    /// Patient ID (0010,0020).
    pub id: String,
    /// Patient Birth Date (0010,0030), as written.
    pub birth_date: String,
    /// Responsible Person (0010,2297): an animal's owner.
    pub responsible_person: String,
    /// Patient's Sex (0010,0040).
    #[serde(default)]
    pub sex: String,
    /// Study Date (0008,0020), as written.
    #[serde(default)]
    pub study_date: String,
    /// Study Time (0008,0030), as written.
    #[serde(default)]
    pub study_time: String,
    /// Study ID (0020,0010).
    #[serde(default)]
    pub study_id: String,
    /// Accession Number (0008,0050).
    #[serde(default)]
    pub accession: String,
    /// Referring Physician's Name (0008,0090).
    #[serde(default)]
    pub physician: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(hidden)")
    }
}

/// What marks an image as synthetic, wholly or in part; carried through every save, export and re-open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyntheticMark {
    /// How it is known: the tag or chunk that said so, or this program's own record.
    pub evidence: String,
    /// What made it, in words for a person: model, weight hash, seed, steps; empty when unknown.
    pub contribution: String,
}

/// Facts of the file kept for display, for derived files and for the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Where it was opened.
    pub path: Option<PathBuf>,
    /// What it was.
    pub kind: FileKind,
    /// Transfer Syntax UID, DICOM only.
    pub transfer_syntax: Option<String>,
    /// SOP Class UID.
    pub sop_class: Option<String>,
    /// SOP Instance UID.
    pub sop_instance: Option<String>,
    /// Study Instance UID.
    pub study: Option<String>,
    /// Photometric Interpretation as written, or `RGB`, `L` and the like for other files.
    pub photometric: String,
    /// Bits Stored, or the bit depth of the file.
    pub bits_stored: u16,
    /// Whether stored values are signed.
    pub signed: bool,
    /// Lossy Image Compression (0028,2110) is `01`, or the file is a JPEG: once lossy, always lossy.
    pub lossy: bool,
}

/// An overlay plane of a DICOM file, brought to the image (PS3.3 C.9.2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overlay {
    /// Its group, 0x6000 to 0x601E.
    pub group: u16,
    /// Overlay Label (60xx,1500), else its description; may be empty.
    pub label: String,
    /// Overlay Description (60xx,0022); may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// A region of interest, and not graphics.
    pub region: bool,
    /// 1 where there is ink, else 0; of the size of the image.
    pub ink: Pixels,
}

/// How words begin by which a plane says that it carries words, perhaps names.
const WORDS: [&str; 7] = [
    "annotat",
    "caption",
    "demograph",
    "identi",
    "patient",
    "label",
    "beschrift",
];

impl Overlay {
    /// Whether it is graphics that call themselves words: other programs burn names into such planes.
    ///
    /// The standard has no mark for it (Overlay Type (60xx,0040) is `G` for all graphics, PS3.3 C.9.2), so its label and
    /// description are what there is to go by; a plane that says nothing may carry words all the same.
    pub fn is_words(&self) -> bool {
        let said = format!("{} {}", self.label, self.description).to_lowercase();
        let mut words = said.split(|c: char| !c.is_alphabetic());
        !self.region
            && words.any(|word| {
                matches!(
                    word,
                    "text" | "texts" | "name" | "names" | "letters" | "words"
                ) || WORDS.iter().any(|start| word.starts_with(start))
            })
    }
}

/// One frame of one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Radiograph {
    /// Stored values; colour files are reduced to luminance, and `notes` says so.
    ///
    /// Where they may belong to a colour file, they are exchanged by [`Self::replace_pixels`].
    pub pixels: Pixels,
    /// The colours of a colour file, to look at.
    #[serde(skip)]
    color: Option<Arc<Rgb>>,
    /// Frame number, from 0.
    pub frame: usize,
    /// Frames in the file, ≥ 1.
    pub frames: usize,
    /// DICOM Modality (0008,0060), or `OT`.
    pub modality: String,
    /// Millimetres a pixel; absent when unknown.
    pub spacing: Option<Spacing>,
    /// Pixel Spacing Calibration Type and Description, as the file has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<[String; 2]>,
    /// Burned In Annotation (0028,0301): `YES`, `NO`, or empty when the file does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub burned_in: String,
    /// Height of a pixel over its width (0028,0034), where the file tells only that; see [`Self::pixel_ratio`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aspect: Option<f64>,
    /// Stored → modality values.
    pub modality_transform: ModalityTransform,
    /// Unit of the modality values: `HU`, or empty.
    pub modality_unit: String,
    /// Whether low is black or white.
    pub photometric: Photometric,
    /// The file's windows, first one first; empty when it has none.
    pub windows: Vec<DisplayWindow>,
    /// The file's VOI LUTs.
    pub voi_tables: Vec<VoiTable>,
    /// Pixel Padding Value range in stored values: kept out of automatic windows.
    pub padding: Option<(f64, f64)>,
    /// View Position (0018,5101), e.g. `VD`, `PA`, `MLO`; empty when unknown.
    pub view_position: String,
    /// Facts of the file.
    pub source: Source,
    /// Who it is of.
    pub identity: Identity,
    /// Set when any pixel is synthetic.
    pub synthetic: Option<SyntheticMark>,
    /// Overlay planes; never part of the pixels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overlays: Vec<Overlay>,
    /// What lies toward its edges; absent when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orientation: Option<Orientation>,
    /// Where it belongs.
    #[serde(default)]
    pub place: series::Place,
    /// What the reader had to assume or repair, in words for a person.
    pub notes: Vec<String>,
}

impl Radiograph {
    /// A radiograph made in the program, with no file behind it.
    pub fn from_pixels(pixels: Pixels) -> Self {
        let (bits_stored, signed) = pixels.depth();
        Self {
            pixels,
            color: None,
            frame: 0,
            frames: 1,
            modality: "OT".to_owned(),
            spacing: None,
            calibration: None,
            burned_in: String::new(),
            aspect: None,
            modality_transform: ModalityTransform::default(),
            modality_unit: String::new(),
            photometric: Photometric::Monochrome2,
            windows: Vec::new(),
            voi_tables: Vec::new(),
            padding: None,
            view_position: String::new(),
            source: Source {
                path: None,
                kind: FileKind::Memory,
                transfer_syntax: None,
                sop_class: None,
                sop_instance: None,
                study: None,
                photometric: "MONOCHROME2".to_owned(),
                bits_stored,
                signed,
                lossy: false,
            },
            identity: Identity::default(),
            synthetic: None,
            overlays: Vec::new(),
            orientation: None,
            place: series::Place::default(),
            notes: Vec::new(),
        }
    }

    /// The colours of a colour file, of the size of the image; `None` for grey, and for whatever was made from it.
    ///
    /// They are for looking, and for hints whose colours mean something; measuring and synthesis know [`Self::pixels`].
    pub fn color(&self) -> Option<&Arc<Rgb>> {
        self.color
            .as_ref()
            .filter(|color| color.size() == (self.width(), self.height()))
    }

    /// The same image in these colours; absent or of another size, it is grey.
    #[must_use]
    pub fn with_color(mut self, color: Option<Arc<Rgb>>) -> Self {
        self.color = color;
        self
    }

    /// What is lost of the colors of a colour file when the image is written as it is; `None` where nothing is.
    pub fn about_colors(&self) -> Option<String> {
        let written = &self.source.photometric;
        let colored = ["RGB", "YBR", "PALETTE"]
            .iter()
            .any(|name| written.starts_with(name));
        if self.color().is_some() {
            (written == "PALETTE COLOR" || self.source.bits_stored > 8)
                .then(|| "colors are written in 8 bits a channel".to_owned())
        } else if colored && self.synthetic.is_some() {
            Some(format!(
                "the source was {written}: values are its luminance (Rec. 601)"
            ))
        } else {
            None
        }
    }

    /// What is said where these are masks of another image and no image; `None` for images.
    pub fn masks_note(&self) -> Option<&str> {
        let class = self.source.sop_class.as_deref()?;
        let note = self.notes.first()?;
        dicom::SEGMENTATION.contains(&class).then_some(note)
    }

    /// Other pixels in the place of these: grey, since the colours were those of the pixels that go.
    pub fn replace_pixels(&mut self, pixels: Pixels) {
        self.pixels = pixels;
        self.color = None;
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.pixels.width()
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.pixels.height()
    }

    /// The modality value of the pixel at `(x, y)`, if inside.
    pub fn modality_value(&self, x: usize, y: usize) -> Option<f64> {
        self.pixels
            .value(x, y)
            .map(|stored| self.modality_transform.apply(stored))
    }

    /// Every way of display the file names: its VOI LUTs, then its windows.
    ///
    /// The tables come first: a maker that writes both made the window as the plain stand-in (PS3.3 C.11.2.1).
    pub fn displays(&self) -> Vec<DisplayWindow> {
        let tables = self.voi_tables.iter().filter(|t| !t.values.is_empty());
        let tables = tables.cloned().map(DisplayWindow::from_table);
        let windows = self.windows.iter().filter(|w| w.is_usable()).cloned();
        tables.chain(windows).collect()
    }

    /// The window to open with: the file's first, else the 0.5–99.5 percentiles of the modality values.
    ///
    /// 8-bit colour or grey files without a window open at their full range, as any other viewer shows them.
    pub fn initial_window(&self) -> DisplayWindow {
        if let Some(first) = self.displays().into_iter().next() {
            return first;
        }
        if matches!(self.pixels, Pixels::U8(_)) && self.source.kind != FileKind::Dicom {
            return DisplayWindow::from_range(0.0, 255.0);
        }
        // Beside its colors, the grey of an image and of what is made from it must be as light as they are.
        if self.color().is_some() {
            return DisplayWindow::from_range(0.0, self.lightest());
        }
        let (low, high) = self.robust_range(0.005);
        DisplayWindow::from_range(low, high)
    }

    /// The luminance of white in a colour image.
    fn lightest(&self) -> f64 {
        match (&self.pixels, self.source.bits_stored) {
            (Pixels::U8(_), _) => 255.0,
            (_, bits @ 9..=15) => f64::from((1_u32 << bits) - 1),
            // Palettes of 16 bits stand behind indices of 8.
            _ => 65535.0,
        }
    }

    /// The `tail` and `1 − tail` quantiles of the modality values, padding left out; never an empty range.
    pub fn robust_range(&self, tail: f64) -> (f64, f64) {
        let (low, high) = self.pixels.quantiles(tail, self.padding);
        let a = self.modality_transform.apply(low);
        let b = self.modality_transform.apply(high);
        usable_range(a, b)
    }

    /// The smallest and the largest of the modality values, padding left out; never an empty range.
    pub fn full_range(&self) -> (f64, f64) {
        let (low, high) = self.pixels.extremes(self.padding);
        usable_range(
            self.modality_transform.apply(low),
            self.modality_transform.apply(high),
        )
    }

    /// Grey in 0–1 through a window, polarity applied: black is 0 whatever the photometric interpretation.
    ///
    /// A float pixel that is no number is black.
    pub fn grey(&self, window: &DisplayWindow) -> Grid<f32> {
        let inverted = self.photometric == Photometric::Monochrome1;
        let shade = |stored: f64| {
            let grey = window.grey(self.modality_transform.apply(stored));
            let grey = if inverted { 1.0 - grey } else { grey };
            if grey.is_nan() { 0.0 } else { grey as f32 }
        };
        // Integers of a large image are looked up: the formula runs once a value, not once a pixel.
        let large = self.width() * self.height() > 1 << 16;
        match &self.pixels {
            Pixels::U16(grid) if large => {
                let table: Vec<f32> = (0..=u16::MAX).map(|v| shade(f64::from(v))).collect();
                grid.map(|v| table[usize::from(*v)])
            }
            Pixels::I16(grid) if large => {
                let table: Vec<f32> = (0..=u16::MAX).map(|v| shade(f64::from(v as i16))).collect();
                grid.map(|v| table[usize::from(*v as u16)])
            }
            pixels => pixels.to_f32().map(|stored| shade(f64::from(*stored))),
        }
    }
}

fn usable_range(a: f64, b: f64) -> (f64, f64) {
    let (low, high) = (a.min(b), a.max(b));
    if low.is_finite() && high.is_finite() && high > low {
        (low, high)
    } else if low.is_finite() {
        (low - 0.5, low + 0.5)
    } else {
        (0.0, 1.0)
    }
}
