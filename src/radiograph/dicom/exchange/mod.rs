//! DICOM objects as they travel between nodes: what a message names, and data sets in another transfer syntax.
//!
//! Separate because a network speaks of data sets without a file around them; the layer that carries them knows tags
//! only as numbers and leaves every byte to this parser and these writers.

mod attributes;
mod recode;

use std::path::{Path, PathBuf};

use super::dataset::Encoding;
use super::file::{self, DicomFile};
use super::written::head;
use crate::radiograph::error::{ReadError, ReadProblem};

pub use attributes::{Attributes, Value, write_attributes};

/// Implicit VR Little Endian: what every node understands (PS3.5 10.1).
pub const IMPLICIT: &str = "1.2.840.10008.1.2";
/// Explicit VR Little Endian.
pub const EXPLICIT: &str = "1.2.840.10008.1.2.1";
/// Deflated Explicit VR Little Endian: its size says nothing of what comes out of it.
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// Larger files are not sent: they would be held in memory whole, bytes.
const MOST_SENT: u64 = 1 << 31;

/// What a Transfer Syntax UID stands for, for a person.
pub fn name_of_uid(uid: &str) -> &str {
    match uid {
        IMPLICIT => "Implicit VR Little Endian",
        EXPLICIT => "Explicit VR Little Endian",
        other => other,
    }
}

/// A DICOM object that lies in a file, whole and scanned.
#[expect(clippy::struct_field_names, reason = "instance is DICOM's own word")]
pub struct Instance {
    path: PathBuf,
    file: DicomFile,
    /// SOP Class UID.
    pub class: String,
    /// SOP Instance UID.
    pub instance: String,
    /// Transfer Syntax UID that the data set is in.
    pub syntax: String,
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither pixels nor identity belong into a log.
        write!(f, "Instance({} bytes)", self.file.bytes.len())
    }
}

impl Instance {
    /// Reads the object at `path`, an image or not; nothing is decoded.
    ///
    /// # Errors
    /// It is no DICOM file, is cut short, is larger than 2 GiB, or does not name itself.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let refused = |problem| ReadError::new(path, problem);
        let open = |error: std::io::Error| refused(ReadProblem::Open(error.to_string()));
        let meta = std::fs::metadata(path).map_err(open)?;
        if !meta.is_file() {
            let what = "it is not a regular file".to_owned();
            return Err(refused(ReadProblem::Open(what)));
        }
        if meta.len() > MOST_SENT {
            let what = "a file of more than 2 GiB is not sent".to_owned();
            return Err(refused(ReadProblem::TooLarge(what)));
        }
        let bytes = std::fs::read(path).map_err(open)?;
        Self::of(path, bytes).map_err(refused)
    }

    fn of(path: &Path, bytes: Vec<u8>) -> Result<Self, ReadProblem> {
        if !file::looks_like_dicom(&bytes) {
            return Err(ReadProblem::UnknownFormat(
                "only DICOM files are sent".to_owned(),
            ));
        }
        let file = file::parse(bytes)?;
        if let Some(broken) = &file.elements.broken {
            return Err(ReadProblem::Damaged(broken.clone()));
        }
        let view = file.view();
        let class = file.class();
        let instance = view.some_text(0x0008_0018);
        let (Some(class), Some(instance)) = (class, instance) else {
            return Err(ReadProblem::Damaged(
                "it has no SOP Class UID (0008,0016) or SOP Instance UID (0008,0018)".to_owned(),
            ));
        };
        for uid in [&class, &instance] {
            if !is_uid(uid) {
                return Err(ReadProblem::Damaged(
                    "its SOP Class or SOP Instance UID is no UID".to_owned(),
                ));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            class,
            instance,
            syntax: file.syntax.clone(),
            file,
        })
    }

    /// Study Instance UID; empty when absent.
    pub fn study(&self) -> String {
        self.file.view().text(0x0020_000D)
    }

    /// Series Instance UID; empty when absent.
    pub fn series(&self) -> String {
        self.file.view().text(0x0020_000E)
    }

    /// The data set byte for byte as it lies in the file, where it is in the transfer syntax that the file names.
    pub fn as_it_is(&self) -> Option<&[u8]> {
        let encoding = self.file.elements.list.first()?.encoding;
        let truthful = match self.syntax.as_str() {
            IMPLICIT | file::GE_PRIVATE => encoding == Encoding::IMPLICIT,
            "1.2.840.10008.1.2.2" => encoding.explicit && encoding.big,
            DEFLATED => false,
            _ => encoding == Encoding::EXPLICIT,
        };
        let bytes = self.file.bytes.get(self.file.start..)?;
        // The length of a data set on the wire is even.
        (truthful && bytes.len() % 2 == 0).then_some(bytes)
    }

    /// The data set in Explicit or Implicit VR Little Endian, with pixels uncompressed.
    ///
    /// Compressed pixels are decoded by the process that decodes files; their values are those that every reader sees.
    ///
    /// # Errors
    /// Color, palette, float or wider than 16 bits and compressed: such pixels are not decoded without a loss here.
    pub fn recoded(&self, explicit: bool) -> Result<Vec<u8>, ReadError> {
        recode::recode(&self.path, &self.file, explicit)
            .map_err(|problem| ReadError::new(&self.path, problem))
    }

    /// The whole file with the data set `data` in the transfer syntax `syntax`.
    pub fn file_with(&self, data: &[u8], syntax: &str) -> Vec<u8> {
        part_ten(&self.class, &self.instance, syntax, data)
    }
}

/// Whether a text has the form of a UID (PS3.5 section 9.1).
pub fn is_uid(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A DICOM file of a data set.
pub fn part_ten(class: &str, instance: &str, syntax: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = head(class, instance, syntax);
    bytes.extend_from_slice(data);
    bytes
}

/// What an object says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// SOP Class UID.
    pub class: String,
    /// SOP Instance UID.
    pub instance: String,
    /// Study Instance UID.
    pub study: String,
    /// Series Instance UID.
    pub series: String,
    /// Transfer Syntax UID.
    pub syntax: String,
}

/// Scans the bytes of a file that came from elsewhere; gives its names, and the file with a head of our own.
///
/// # Errors
/// It is no DICOM file, is cut short, contradicts itself, nests too deep, or does not say which object it is.
pub fn received(bytes: Vec<u8>) -> Result<(Names, Vec<u8>), ReadProblem> {
    let instance = Instance::of(Path::new("received"), bytes)?;
    let (study, series) = (instance.study(), instance.series());
    if !is_uid(&study) || !is_uid(&series) || !is_uid(&instance.syntax) {
        return Err(ReadProblem::Damaged(
            "it does not say which study and series it belongs to".to_owned(),
        ));
    }
    let Some(data) = instance.as_it_is() else {
        return Err(ReadProblem::Unsupported(format!(
            "a data set that is not written as its transfer syntax {} says, or deflated",
            instance.syntax
        )));
    };
    let whole = part_ten(&instance.class, &instance.instance, &instance.syntax, data);
    let names = Names {
        class: instance.class,
        instance: instance.instance,
        study,
        series,
        syntax: instance.syntax,
    };
    Ok((names, whole))
}

/// What the file at `path` says of itself, read from its first 64 KiB; `None` where they do not tell.
pub fn names_of(path: &Path) -> Option<Names> {
    use std::io::Read as _;
    const HEAD: u64 = 1 << 16;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(HEAD).read_to_end(&mut bytes).ok()?;
    if !file::looks_like_dicom(&bytes) {
        return None;
    }
    let file = file::parse(bytes).ok()?;
    let view = file.view();
    Some(Names {
        class: file.class()?,
        instance: view.some_text(0x0008_0018)?,
        study: view.text(0x0020_000D),
        series: view.text(0x0020_000E),
        syntax: file.syntax.clone(),
    })
}

/// Every SOP class of stored objects begins so.
const STORED: &str = "1.2.840.10008.5.1.4.1.1.";

/// Whether objects of a class may be taken in at all: stored objects of the standard.
pub fn is_stored_class(uid: &str) -> bool {
    uid.starts_with(STORED) && is_uid(uid)
}

/// Transfer syntaxes in which objects are taken in, the most telling first; never a deflated data set, whose size
/// says nothing of what comes out of it.
pub const TAKEN: [&str; 21] = [
    EXPLICIT,
    IMPLICIT,
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.8.1",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.92",
    "1.2.840.10008.1.2.4.93",
    "1.2.840.10008.1.2.4.110",
    "1.2.840.10008.1.2.4.111",
    "1.2.840.10008.1.2.4.112",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.4.203",
];

/// What follows `1.2.840.10008.5.1.4.1.1.` in the SOP classes of images and of what is said about them (PS3.4 B.5).
const FETCHED: [&str; 84] = [
    "1", "1.1", "1.1.1", "1.2", "1.2.1", "1.3", "1.3.1", "2", "2.1", "2.2", "3.1", "4", "4.1",
    "4.2", "4.3", "4.4", "6.1", "6.2", "7", "7.1", "7.2", "7.3", "7.4", "11.1", "11.2", "11.3",
    "11.4", "11.5", "11.8", "12.1", "12.1.1", "12.2", "12.2.1", "13.1.1", "13.1.2", "13.1.3",
    "13.1.4", "13.1.5", "20", "30", "66", "66.1", "66.2", "66.3", "66.4", "66.5", "66.6", "66.7",
    "67", "77.1.1", "77.1.1.1", "77.1.2", "77.1.3", "77.1.4", "77.1.5.1", "77.1.5.2", "77.1.5.4",
    "77.1.5.7", "77.1.6", "77.1.7", "81.1", "88.11", "88.22", "88.33", "88.34", "88.35", "88.50",
    "88.59", "88.65", "88.67", "88.69", "88.71", "90.1", "91.1", "104.1", "104.3", "128", "128.1",
    "130", "131", "481.1", "481.2", "481.3", "481.5",
];

/// SOP classes of objects that may be fetched: as many as one association has room for beside the question.
pub fn fetched_classes() -> impl Iterator<Item = String> {
    FETCHED.iter().map(|rest| format!("{STORED}{rest}"))
}
