//! How the pixels of a DICOM image are laid out (PS3.3 C.7.6.3, PS3.5 section 8).
//!
//! Separate because every later step needs the same few numbers, checked once against each other.

use super::dataset;
use super::file::DicomFile;
use super::values::{Kind, View};
use crate::radiograph::error::{ReadProblem, checked_size};

/// Which element carries the pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    /// Pixel Data (7FE0,0010).
    Integer,
    /// Float Pixel Data (7FE0,0008).
    Float,
    /// Double Float Pixel Data (7FE0,0009).
    Double,
}

impl Carrier {
    pub(super) const fn tag(self) -> u32 {
        match self {
            Self::Integer => 0x7FE0_0010,
            Self::Float => 0x7FE0_0008,
            Self::Double => 0x7FE0_0009,
        }
    }
}

/// The Image Pixel module of one file.
#[derive(Clone, Debug)]
pub(in crate::radiograph) struct Layout {
    pub(super) carrier: Carrier,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) samples: usize,
    pub(super) allocated: u16,
    pub(super) stored: u16,
    pub(super) high_bit: u16,
    pub(super) signed: bool,
    /// Planar Configuration: each sample's plane apart.
    pub(super) planar: bool,
    pub(in crate::radiograph) frames: usize,
    /// Said when the file declares more frames than it holds.
    pub(super) fewer_frames: Option<String>,
    /// Photometric Interpretation, as written.
    pub(super) photometric: String,
}

/// What a SOP Class UID stands for, for a person.
pub(super) fn class_name(uid: &str) -> String {
    use dicom_dictionary_std::sop_class::StandardSopClassDictionary;
    // `UidDictionary` is the trait of the look-up; it is re-exported with the dictionary's core crate.
    use dicom_core::dictionary::UidDictionary as _;
    StandardSopClassDictionary
        .by_uid(uid)
        .map_or_else(|| format!("SOP class {uid}"), |entry| entry.name.to_owned())
}

/// Why a data set without pixels is refused.
fn no_pixels(file: &DicomFile, view: View<'_>) -> ReadProblem {
    let class = file.class();
    let cut = file.elements.broken.as_ref();
    match (class, cut) {
        (_, Some(cut)) => {
            ReadProblem::Damaged(format!("it ends before Pixel Data (7FE0,0010): {cut}"))
        }
        (Some(class), None) => {
            let belongs = super::objects::belongs(view);
            let comma = if belongs.is_empty() { "" } else { "; " };
            ReadProblem::NoImage(format!(
                "it is a {} and has no Pixel Data (7FE0,0010){comma}{belongs}",
                class_name(&class)
            ))
        }
        (None, None) => ReadProblem::NoImage(
            "it has neither SOP Class UID (0008,0016) nor Pixel Data (7FE0,0010)".to_owned(),
        ),
    }
}

impl Layout {
    pub(in crate::radiograph) fn of(file: &DicomFile) -> Result<Self, ReadProblem> {
        let view = file.view();
        let carrier = [Carrier::Integer, Carrier::Float, Carrier::Double]
            .into_iter()
            .find(|carrier| view.find(carrier.tag()).is_some())
            .ok_or_else(|| no_pixels(file, view))?;
        let need = |tag: u32, name: &str| {
            view.count(tag, Kind::Short).ok_or_else(|| {
                ReadProblem::Damaged(format!(
                    "{name} {} is absent or no number",
                    super::dataset::tag_name(tag)
                ))
            })
        };
        let height = need(0x0028_0010, "Rows")?;
        let width = need(0x0028_0011, "Columns")?;
        let samples = view.count(0x0028_0002, Kind::Short).unwrap_or(1);
        let allocated = match carrier {
            Carrier::Integer => need(0x0028_0100, "Bits Allocated")? as u16,
            Carrier::Float => 32,
            Carrier::Double => 64,
        };
        if !matches!(allocated, 1..=32 | 64) {
            return Err(ReadProblem::Unsupported(format!(
                "Bits Allocated (0028,0100) of {allocated}"
            )));
        }
        let stored = view
            .count(0x0028_0101, Kind::Short)
            .filter(|bits| (1..=usize::from(allocated)).contains(bits))
            .map_or(allocated, |bits| bits as u16);
        let high_bit = view
            .count(0x0028_0102, Kind::Short)
            .filter(|bit| (usize::from(stored) - 1..usize::from(allocated)).contains(bit))
            .map_or(stored - 1, |bit| bit as u16);
        if !matches!(samples, 1 | 3) {
            return Err(ReadProblem::Unsupported(format!(
                "Samples per Pixel (0028,0002) of {samples}"
            )));
        }
        checked_size(width, height, samples, usize::from(allocated).div_ceil(8))?;
        let frames = view.count(0x0028_0008, Kind::Text).unwrap_or(1).max(1);
        let mut layout = Self {
            carrier,
            width,
            height,
            samples,
            allocated,
            stored,
            high_bit,
            signed: view.count(0x0028_0103, Kind::Short) == Some(1),
            planar: view.count(0x0028_0006, Kind::Short) == Some(1),
            frames,
            fewer_frames: None,
            photometric: view.text(0x0028_0004),
        };
        let held = layout.frames_held(view);
        if held < frames {
            layout.fewer_frames = Some(format!(
                "Number of Frames (0028,0008) says {frames}, the pixel data holds {held}"
            ));
            layout.frames = held;
        }
        Ok(layout)
    }

    /// How many frames there can be in the pixel data, at least 1: a declared number costs an attacker nothing.
    fn frames_held(&self, view: View<'_>) -> usize {
        let Some(element) = view.find(self.carrier.tag()) else {
            return 1;
        };
        let held = if element.undefined {
            // The first item is the offset table; a fragment holds one frame at most.
            dataset::item_ranges(view.bytes, element)
                .len()
                .saturating_sub(1)
        } else {
            let bits = (self.native_samples() as u128) * u128::from(self.allocated);
            ((element.end - element.start) as u128 * 8 / bits.max(1)) as usize
        };
        held.max(1)
    }

    /// Columns and rows.
    pub(in crate::radiograph) const fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Pixels a frame.
    pub(super) fn area(&self) -> usize {
        self.width * self.height
    }

    /// Samples of a frame that lie in the file when it is not compressed: chroma may be halved.
    pub(super) fn native_samples(&self) -> usize {
        match self.photometric.as_str() {
            "YBR_FULL_422" | "YBR_PARTIAL_422" if self.samples == 3 => {
                self.width.div_ceil(2) * 4 * self.height
            }
            "YBR_PARTIAL_420" if self.samples == 3 => self.area() + self.area() / 2,
            _ => self.area() * self.samples,
        }
    }
}
