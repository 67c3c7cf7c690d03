//! Modules that every object of a study has: patient, study, series, equipment, and the references to its image.
//!
//! Separate because a viewer finds a mask or a report by these alone: they must be those of the image, word for word.

use std::time::SystemTime;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::dataset::{DataSet, date_and_time, new_uid, uid};
use crate::radiograph::{FileKind, Radiograph};

/// Patient and General Study (PS3.3 C.7.1.1, C.7.2.1): those of the source when `keep`, else new ones.
pub(super) fn put_patient_and_study(
    set: &mut DataSet,
    radiograph: &Radiograph,
    keep: bool,
    instance: &str,
) {
    let identity = &radiograph.identity;
    let short = &instance[instance.len().saturating_sub(8)..];
    let (name, id) = if keep {
        (identity.name.clone(), identity.id.clone())
    } else if radiograph.synthetic.is_some() {
        (
            "SYNTHETIC^RADCANVAS".to_owned(),
            format!("SYNTHETIC-{short}"),
        )
    } else {
        // A PNG or JPEG tells nobody's name.
        (String::new(), String::new())
    };
    let kept = |text: &String| if keep { text.clone() } else { String::new() };
    set.text(tags::PATIENT_NAME, VR::PN, name);
    set.text(tags::PATIENT_ID, VR::LO, id);
    set.text(tags::PATIENT_BIRTH_DATE, VR::DA, kept(&identity.birth_date));
    set.text(tags::PATIENT_SEX, VR::CS, kept(&identity.sex));
    if keep && !identity.responsible_person.is_empty() {
        let person = identity.responsible_person.clone();
        set.text(tags::RESPONSIBLE_PERSON, VR::PN, person);
        set.text(tags::RESPONSIBLE_PERSON_ROLE, VR::CS, "OWNER");
    }
    let study = radiograph.source.study.clone().filter(|_| keep);
    let study = study.unwrap_or_else(|| uid(&[instance.as_bytes(), b"study"]));
    set.text(tags::STUDY_INSTANCE_UID, VR::UI, study);
    set.text(tags::STUDY_DATE, VR::DA, kept(&identity.study_date));
    set.text(tags::STUDY_TIME, VR::TM, kept(&identity.study_time));
    set.text(tags::STUDY_ID, VR::SH, kept(&identity.study_id));
    set.text(tags::ACCESSION_NUMBER, VR::SH, kept(&identity.accession));
    set.text(
        tags::REFERRING_PHYSICIAN_NAME,
        VR::PN,
        kept(&identity.physician),
    );
}

/// What an object is called within its study.
pub(super) struct SeriesFacts<'a> {
    pub(super) class: &'a str,
    pub(super) modality: &'a str,
    pub(super) number: &'a str,
    pub(super) description: &'a str,
}

/// An object that has begun: its patient, study, series and equipment are in it, its own modules are still to come.
pub(super) struct Begun {
    pub(super) set: DataSet,
    /// SOP Instance UID.
    pub(super) instance: String,
    pub(super) now: SystemTime,
    /// Today, in UTC, `YYYYMMDD`.
    pub(super) date: String,
    /// Now, in UTC, `HHMMSS`.
    pub(super) time: String,
    class: String,
}

impl Begun {
    /// Begins an object about `image` or derived from it; `content` makes its identifier its own.
    ///
    /// The patient and the study are those of the image when `keep`, else new ones.
    pub(super) fn new(
        image: &Radiograph,
        facts: &SeriesFacts<'_>,
        content: &[u8],
        keep: bool,
    ) -> Self {
        let now = SystemTime::now();
        let instance = new_uid(content, now);
        let (date, time) = date_and_time(now);
        let mut begun = Self {
            set: DataSet::default(),
            instance,
            now,
            date,
            time,
            class: facts.class.to_owned(),
        };
        put_patient_and_study(&mut begun.set, image, keep, &begun.instance);
        begun.put_series_and_equipment(image, facts);
        begun
    }

    /// SOP Common, General Series and Enhanced General Equipment (C.12.1, C.7.3.1, C.7.5.2).
    ///
    /// A synthetic source makes the object synthetic, and its series says so.
    fn put_series_and_equipment(&mut self, image: &Radiograph, facts: &SeriesFacts<'_>) {
        let synthetic = image.synthetic.is_some();
        let mark = if synthetic { "SYNTHETIC " } else { "" };
        let description: String = format!("{mark}{}", facts.description)
            .chars()
            .take(64)
            .collect();
        let series = uid(&[self.instance.as_bytes(), b"series"]);
        let set = &mut self.set;
        set.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
        set.text(tags::SOP_CLASS_UID, VR::UI, facts.class);
        set.text(tags::SOP_INSTANCE_UID, VR::UI, self.instance.as_str());
        set.text(tags::INSTANCE_CREATION_DATE, VR::DA, self.date.as_str());
        set.text(tags::INSTANCE_CREATION_TIME, VR::TM, self.time.as_str());
        set.text(tags::SERIES_INSTANCE_UID, VR::UI, series);
        set.text(tags::SERIES_NUMBER, VR::IS, facts.number);
        set.text(tags::SERIES_DATE, VR::DA, self.date.as_str());
        set.text(tags::SERIES_TIME, VR::TM, self.time.as_str());
        set.text(tags::SERIES_DESCRIPTION, VR::LO, description.trim());
        set.text(tags::MODALITY, VR::CS, facts.modality);
        set.text(tags::INSTANCE_NUMBER, VR::IS, "1");
        set.text(tags::MANUFACTURER, VR::LO, "Radcanvas");
        set.text(tags::MANUFACTURER_MODEL_NAME, VR::LO, "Radcanvas");
        set.text(tags::DEVICE_SERIAL_NUMBER, VR::LO, "0");
        set.text(tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION"));
        if synthetic {
            set.text(tags::SYNTHETIC_DATA, VR::CS, "YES");
        }
    }

    /// Content Date and Content Time: now.
    pub(super) fn put_content_time(&mut self) {
        self.set
            .text(tags::CONTENT_DATE, VR::DA, self.date.as_str());
        self.set
            .text(tags::CONTENT_TIME, VR::TM, self.time.as_str());
    }

    /// The bytes of the whole file.
    pub(super) fn into_file(self) -> Result<Vec<u8>, String> {
        self.set.into_file(&self.class, &self.instance)
    }
}

/// The image that an object is about.
pub(super) struct Reference<'a> {
    pub(super) class: &'a str,
    pub(super) instance: &'a str,
    pub(super) series: &'a str,
    pub(super) study: &'a str,
    /// Frame number from 1, where the image has several.
    pub(super) frame: Option<usize>,
}

impl<'a> Reference<'a> {
    /// The reference to an image, which must be a DICOM file with its identifiers.
    pub(super) fn of(image: &'a Radiograph) -> Result<Self, String> {
        let source = &image.source;
        let (Some(class), Some(instance), Some(series), Some(study)) = (
            source.sop_class.as_deref(),
            source.sop_instance.as_deref(),
            image.place.series.as_deref(),
            source.study.as_deref(),
        ) else {
            let kind = match source.kind {
                FileKind::Dicom => "this DICOM file lacks identifiers of study, series or image",
                _ => "only a DICOM image can be referred to",
            };
            return Err(format!("{kind}; save it as DICOM first and open that"));
        };
        Ok(Self {
            class,
            instance,
            series,
            study,
            // Of a stack it is the frame within its own file that counts.
            frame: match image.place.own_frame {
                Some((_, frames)) if frames <= 1 => None,
                Some((frame, _)) => Some(frame + 1),
                None => (image.frames > 1).then_some(image.frame + 1),
            },
        })
    }

    /// An item that refers to the whole instance, whatever its frames.
    pub(super) fn whole(&self) -> DataSet {
        let mut item = DataSet::default();
        item.text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, self.class);
        item.text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, self.instance);
        item
    }

    /// An item of Referenced Series Sequence with one reference, `image`, in its sequence `tag`.
    pub(super) fn series_item(&self, tag: Tag, image: DataSet) -> DataSet {
        let mut series = DataSet::default();
        series.text(tags::SERIES_INSTANCE_UID, VR::UI, self.series);
        series.items(tag, vec![image]);
        series
    }

    /// An item of Referenced SOP Sequence or of any sequence like it.
    pub(super) fn item(&self) -> DataSet {
        let mut item = self.whole();
        if let Some(frame) = self.frame {
            item.text(tags::REFERENCED_FRAME_NUMBER, VR::IS, frame.to_string());
        }
        item
    }
}
