//! DICOM data sets on their way out: elements, codes, identifiers, dates.
//!
//! Separate because every object that is written needs the same few kinds of element.

use std::time::{SystemTime, UNIX_EPOCH};

use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use sha2::{Digest as _, Sha256};

/// A code: value, scheme, meaning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Code<'a>(pub(super) &'a str, pub(super) &'a str, pub(super) &'a str);

impl Code<'_> {
    /// The item of a code sequence (PS3.3 Table 8.8-1).
    pub(super) fn item(self) -> DataSet {
        let mut item = DataSet::default();
        item.text(tags::CODE_VALUE, VR::SH, self.0);
        item.text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, self.1);
        item.text(tags::CODE_MEANING, VR::LO, self.2);
        item
    }
}

/// A data set being written.
pub(super) struct DataSet(pub(super) InMemDicomObject);

impl Default for DataSet {
    fn default() -> Self {
        Self(InMemDicomObject::new_empty())
    }
}

impl DataSet {
    /// Text of any representation.
    pub(super) fn text(&mut self, tag: Tag, vr: VR, value: impl Into<String>) {
        self.0.put(DataElement::new(
            tag,
            vr,
            PrimitiveValue::from(value.into()),
        ));
    }

    /// One US.
    pub(super) fn number(&mut self, tag: Tag, value: u16) {
        self.0
            .put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }

    /// Several texts.
    pub(super) fn texts(&mut self, tag: Tag, vr: VR, values: &[&str]) {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        self.0
            .put(DataElement::new(tag, vr, PrimitiveValue::Strs(values)));
    }

    /// Floats of 32 bits.
    pub(super) fn floats(&mut self, tag: Tag, values: &[f32]) {
        let values = PrimitiveValue::F32(values.iter().copied().collect());
        self.0.put(DataElement::new(tag, VR::FL, values));
    }

    /// A sequence.
    pub(super) fn items(&mut self, tag: Tag, items: Vec<Self>) {
        let items: Vec<InMemDicomObject> = items.into_iter().map(|item| item.0).collect();
        let sequence = DataSetSequence::from(items);
        self.0.put(DataElement::new(tag, VR::SQ, sequence));
    }

    /// A sequence of one code (PS3.3 8.8).
    pub(super) fn code(&mut self, tag: Tag, code: Code<'_>) {
        self.items(tag, vec![code.item()]);
    }

    /// The bytes of a whole file in Explicit VR Little Endian, with preamble and file meta.
    pub(super) fn into_file(self, class: &str, instance: &str) -> Result<Vec<u8>, String> {
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
            .media_storage_sop_class_uid(class)
            .media_storage_sop_instance_uid(instance);
        let object = self.0.with_meta(meta).map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        object
            .write_all(&mut bytes)
            .map_err(|error| error.to_string())?;
        Ok(bytes)
    }
}

/// A UID that was never there before: of some bytes, the time and this process.
pub(super) fn new_uid(bytes: &[u8], now: SystemTime) -> String {
    let stamp = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos())
        .to_le_bytes();
    let process = std::process::id().to_le_bytes();
    uid(&[bytes, &stamp, &process, b"instance"])
}

/// `2.25.` and 128 bits of the hash of `parts` in decimal (PS3.5 B.2).
pub(super) fn uid(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut bits = [0_u8; 16];
    bits.copy_from_slice(&digest[..16]);
    format!("2.25.{}", u128::from_be_bytes(bits))
}

/// `(YYYYMMDD, HHMMSS)` of a time in UTC (days to civil date after Hinnant).
pub fn date_and_time(time: SystemTime) -> (String, String) {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let days = (seconds / 86_400) as i64 + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let clock = seconds % 86_400;
    (
        format!("{year:04}{month:02}{day:02}"),
        format!("{:02}{:02}{:02}", clock / 3600, clock / 60 % 60, clock % 60),
    )
}

/// A Decimal String of at most 16 characters (PS3.5 6.2).
pub(super) fn decimal(value: f64) -> String {
    (0..=12)
        .rev()
        .map(|digits| {
            let text = format!("{value:.digits$}");
            let trimmed = text.trim_end_matches('0').trim_end_matches('.').to_owned();
            if text.contains('.') { trimmed } else { text }
        })
        .find(|text| text.len() <= 16)
        .unwrap_or_else(|| format!("{value:.7e}"))
}
