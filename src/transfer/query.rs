//! What is looked for and what was found, for both ways of asking (PS3.4 C.6.2, PS3.18 10.6).
//!
//! Separate because a query is the same question in a message and in an address.

use serde::{Deserialize, Serialize};

use crate::job::{Error, ErrorKind};

/// What a query lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Studies.
    #[default]
    Study,
    /// Series of a study.
    Series,
    /// Images of a series.
    Image,
}

/// What is looked for; an empty field matches everything, `*` and `?` stand for letters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Query {
    /// What is listed.
    pub level: Level,
    /// Patient Name (0010,0010).
    pub patient: String,
    /// Patient ID (0010,0020).
    pub patient_id: String,
    /// Study Date (0008,0020), or a range `20260101-20261231`.
    pub date: String,
    /// Accession Number (0008,0050).
    pub accession: String,
    /// Modality.
    pub modality: String,
    /// Study Instance UID.
    pub study: String,
    /// Series Instance UID.
    pub series: String,
}

/// More answers are not taken.
pub(super) const MOST_MATCHES: usize = 10_000;

pub(super) const CHARSET: u32 = 0x0008_0005;
pub(super) const LEVEL: u32 = 0x0008_0052;
pub(super) const STUDY: u32 = 0x0020_000D;
pub(super) const SERIES: u32 = 0x0020_000E;
pub(super) const INSTANCE: u32 = 0x0008_0018;

impl Query {
    /// Whether it can be asked.
    pub(super) fn check(&self) -> Result<(), Error> {
        let wrong =
            |what: &str, remedy: &str| Err(Error::new(ErrorKind::Usage, what).remedy(remedy));
        if self.level != Level::Study && self.study.is_empty() {
            return wrong(
                "series and images are listed of one study",
                "give the UID of the study",
            );
        }
        if self.level == Level::Image && self.series.is_empty() {
            return wrong(
                "images are listed of one series",
                "give the UID of the series",
            );
        }
        let uids = [&self.study, &self.series];
        let is_uid = crate::radiograph::exchange::is_uid;
        if uids.iter().any(|uid| !uid.is_empty() && !is_uid(uid)) {
            return wrong(
                "a study or series is named by something that is no UID",
                "give digits and dots only",
            );
        }
        let date = |c: char| c.is_ascii_digit() || c == '-';
        if !self.date.chars().all(date) || self.date.len() > 17 {
            return wrong(
                "a date is eight digits, or two dates with '-' between",
                "give 20260131 or 20260101-20261231",
            );
        }
        let texts = [
            &self.patient,
            &self.patient_id,
            &self.accession,
            &self.modality,
        ];
        if texts
            .iter()
            .any(|t| t.len() > 256 || t.contains(['\\', '\0', '\n', '\r']))
        {
            return wrong(
                "a text of the query is too long or has a backslash",
                "shorten it",
            );
        }
        Ok(())
    }

    /// The value of the level attribute (0008,0052).
    pub(super) const fn level_name(&self) -> &'static str {
        match self.level {
            Level::Study => "STUDY",
            Level::Series => "SERIES",
            Level::Image => "IMAGE",
        }
    }

    /// The keys: attributes with what they must match, empty ones to be told.
    pub(super) fn keys(&self) -> Vec<(u32, &str)> {
        match self.level {
            Level::Study => vec![
                (0x0008_0020, &self.date),
                (0x0008_0030, ""),
                (0x0008_0050, &self.accession),
                (0x0008_0061, &self.modality),
                (0x0008_1030, ""),
                (0x0010_0010, &self.patient),
                (0x0010_0020, &self.patient_id),
                (STUDY, &self.study),
                (0x0020_1208, ""),
            ],
            Level::Series => vec![
                (0x0008_0060, &self.modality),
                (0x0008_103E, ""),
                (STUDY, &self.study),
                (SERIES, &self.series),
                (0x0020_0011, ""),
                (0x0020_1209, ""),
            ],
            Level::Image => vec![
                (0x0008_0016, ""),
                (INSTANCE, ""),
                (STUDY, &self.study),
                (SERIES, &self.series),
                (0x0020_0013, ""),
            ],
        }
    }
}

/// One answer; fields that the node did not tell are empty.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Match {
    /// Patient Name.
    pub patient: String,
    /// Patient ID.
    pub patient_id: String,
    /// Study Date, as written.
    pub date: String,
    /// Study Time, as written.
    pub time: String,
    /// Accession Number.
    pub accession: String,
    /// Study or Series Description.
    pub description: String,
    /// Modality, or those of the study.
    pub modality: String,
    /// Study Instance UID.
    pub study: String,
    /// Series Instance UID.
    pub series: String,
    /// SOP Instance UID.
    pub instance: String,
    /// SOP Class UID.
    pub class: String,
    /// Series or instance number.
    pub number: Option<u32>,
    /// Images in it, where the node counts them.
    pub images: Option<u32>,
}

impl std::fmt::Debug for Match {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Match(hidden)")
    }
}

impl Match {
    /// From what `text` says of attributes, whichever way they came; control characters are left out.
    pub(super) fn of(level: Level, text: &dyn Fn(u32) -> String) -> Self {
        let text = |tag| -> String {
            let raw = text(tag);
            let plain = raw.chars().filter(|c| !c.is_control()).take(1024);
            plain.collect()
        };
        let (description, modality, number, images) = match level {
            Level::Study => (0x0008_1030, 0x0008_0061, 0, 0x0020_1208),
            Level::Series => (0x0008_103E, 0x0008_0060, 0x0020_0011, 0x0020_1209),
            Level::Image => (0, 0, 0x0020_0013, 0),
        };
        Self {
            patient: text(0x0010_0010),
            patient_id: text(0x0010_0020),
            date: text(0x0008_0020),
            time: text(0x0008_0030),
            accession: text(0x0008_0050),
            description: text(description),
            modality: text(modality),
            study: text(STUDY),
            series: text(SERIES),
            instance: text(INSTANCE),
            class: text(0x0008_0016),
            number: text(number).parse().ok(),
            images: text(images).parse().ok(),
        }
    }
}
