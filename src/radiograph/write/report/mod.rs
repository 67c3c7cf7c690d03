//! Comprehensive SR with what was measured on an image (PS3.3 A.35.3; PS3.16 TID 1500, 1410, 1501, 4019).
//!
//! Separate because a measurement is only worth what it was made from: each number carries its points as coordinates on
//! the image, and who or what placed them.

mod figures;
mod hips;

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};

use super::dataset::{Code, DataSet, decimal, uid};
use super::modules::{Begun, Reference, SeriesFacts};
use super::presentation::corner;
use crate::geometry::{Figure, Point};
use crate::radiograph::Radiograph;

pub use hips::{HipReport, MeasuredAngle};

const OUR_SCHEME: &str = "99RADCANVAS";
const DEGREE: Code<'static> = Code("deg", "UCUM", "degree");

/// The bytes of a report on `image`: the hips where there are any, and every figure that has a number.
///
/// `person` drew the figures, or looked at them; may be empty.
///
/// # Errors
/// What does not fit, for a person: nothing to report, points that are no numbers, an image that cannot be referred to.
pub fn report_bytes(
    image: &Radiograph,
    hips: Option<&HipReport>,
    figures: &[Figure],
    person: &str,
) -> Result<Vec<u8>, String> {
    let reference = Reference::of(image)?;
    if let Some(report) = hips {
        hips::check(report)?;
    }
    if figures.iter().any(|figure| !figure.is_valid()) {
        return Err("a point of a measurement is no number".to_owned());
    }
    let facts = SeriesFacts {
        class: uids::COMPREHENSIVE_SR_STORAGE,
        modality: "SR",
        number: "9003",
        description: "Measurements",
    };
    let mut begun = Begun::new(image, &facts, reference.instance.as_bytes(), true);
    begun.put_content_time();
    let (set, instance) = (&mut begun.set, &begun.instance);
    let mut groups = Vec::new();
    groups.extend(
        hips.into_iter()
            .flat_map(|report| hips::groups(report, &reference, instance)),
    );
    groups.extend(figures::groups(image, figures, &reference, instance));
    if groups.is_empty() {
        return Err("there is nothing to report: measure something first".to_owned());
    }
    set.items(
        tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE,
        Vec::new(),
    );
    set.text(tags::COMPLETION_FLAG, VR::CS, "PARTIAL");
    set.text(tags::VERIFICATION_FLAG, VR::CS, "UNVERIFIED");
    set.items(tags::PERFORMED_PROCEDURE_CODE_SEQUENCE, Vec::new());
    set.items(
        tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE,
        vec![evidence(&reference)],
    );
    let mut template = DataSet::default();
    template.text(tags::MAPPING_RESOURCE, VR::CS, "DCMR");
    template.text(tags::TEMPLATE_IDENTIFIER, VR::CS, "1500");
    set.items(tags::CONTENT_TEMPLATE_SEQUENCE, vec![template]);
    set.text(tags::VALUE_TYPE, VR::CS, "CONTAINER");
    set.code(
        tags::CONCEPT_NAME_CODE_SEQUENCE,
        Code("126000", "DCM", "Imaging Measurement Report"),
    );
    set.text(tags::CONTINUITY_OF_CONTENT, VR::CS, "SEPARATE");
    let mut content = vec![Item::code(
        "HAS CONCEPT MOD",
        Code("121049", "DCM", "Language of Content Item and Descendants"),
        Code("en", "RFC5646", "English"),
    )];
    let algorithm = hips.and_then(|report| report.algorithm.as_deref());
    let known = hips.map_or("", |report| report.person.as_str());
    let person = if person.is_empty() { known } else { person };
    let by_hand = algorithm.is_none() || !figures.is_empty();
    content.extend(observers(by_hand, algorithm.is_some(), person, instance));
    content.push(Item::code(
        "HAS CONCEPT MOD",
        Code("121058", "DCM", "Procedure reported"),
        procedure(image),
    ));
    content.push(library(&reference));
    content.push(Item::container(
        "CONTAINS",
        Code("126010", "DCM", "Imaging Measurements"),
        groups,
    ));
    set.items(
        tags::CONTENT_SEQUENCE,
        content.into_iter().map(Item::into_set).collect(),
    );
    begun.into_file()
}

/// Every number that a report holds, in the order of its tree: code value and number.
pub(in crate::radiograph) fn reported(
    image: &Radiograph,
    hips: Option<&HipReport>,
    figures: &[Figure],
) -> Vec<(&'static str, f64)> {
    let mut numbers: Vec<_> = hips.into_iter().flat_map(hips::numbers).collect();
    numbers.extend(figures::numbers(image, figures));
    numbers
}

/// What was done, as far as the modality tells.
fn procedure(image: &Radiograph) -> Code<'static> {
    match image.modality.as_str() {
        "CT" => Code("77477000", "SCT", "Computed tomography"),
        "MR" => Code("113091000", "SCT", "Magnetic resonance imaging"),
        "US" => Code("16310003", "SCT", "Ultrasonography"),
        "MG" => Code("71651007", "SCT", "Mammography"),
        "CR" | "DX" | "RG" | "" | "OT" => Code("168537006", "SCT", "Plain radiography"),
        _ => Code("363679005", "SCT", "Imaging procedure"),
    }
}

fn evidence(reference: &Reference<'_>) -> DataSet {
    let series = reference.series_item(tags::REFERENCED_SOP_SEQUENCE, reference.whole());
    let mut study = DataSet::default();
    study.text(tags::STUDY_INSTANCE_UID, VR::UI, reference.study);
    study.items(tags::REFERENCED_SERIES_SEQUENCE, vec![series]);
    study
}

/// A content item (PS3.3 C.17.3).
struct Item {
    set: DataSet,
    children: Vec<Self>,
}

impl Item {
    fn new(relation: &str, kind: &str, name: Option<Code<'_>>) -> Self {
        let mut set = DataSet::default();
        set.text(tags::RELATIONSHIP_TYPE, VR::CS, relation);
        set.text(tags::VALUE_TYPE, VR::CS, kind);
        if let Some(name) = name {
            set.code(tags::CONCEPT_NAME_CODE_SEQUENCE, name);
        }
        Self {
            set,
            children: Vec::new(),
        }
    }

    fn code(relation: &str, name: Code<'_>, value: Code<'_>) -> Self {
        let mut item = Self::new(relation, "CODE", Some(name));
        item.set.code(tags::CONCEPT_CODE_SEQUENCE, value);
        item
    }

    fn text(relation: &str, name: Code<'_>, value: &str) -> Self {
        let mut item = Self::new(relation, "TEXT", Some(name));
        item.set.text(tags::TEXT_VALUE, VR::UT, value);
        item
    }

    fn uid(relation: &str, name: Code<'_>, value: String) -> Self {
        let mut item = Self::new(relation, "UIDREF", Some(name));
        item.set.text(tags::UID, VR::UI, value);
        item
    }

    fn container(relation: &str, name: Code<'_>, children: Vec<Self>) -> Self {
        let mut item = Self::new(relation, "CONTAINER", Some(name));
        item.set
            .text(tags::CONTINUITY_OF_CONTENT, VR::CS, "SEPARATE");
        item.children = children;
        item
    }

    fn image(relation: &str, reference: &Reference<'_>) -> Self {
        let mut item = Self::new(relation, "IMAGE", None);
        item.set
            .items(tags::REFERENCED_SOP_SEQUENCE, vec![reference.item()]);
        item
    }

    fn number(name: Code<'_>, number: f64, unit: Code<'_>) -> Self {
        let mut value = DataSet::default();
        value.text(tags::NUMERIC_VALUE, VR::DS, decimal(number));
        value.code(tags::MEASUREMENT_UNITS_CODE_SEQUENCE, unit);
        let mut item = Self::new("CONTAINS", "NUM", Some(name));
        item.set.items(tags::MEASURED_VALUE_SEQUENCE, vec![value]);
        item
    }

    fn coordinates(
        relation: &str,
        name: Code<'_>,
        kind: &str,
        points: &[Point],
        image: &Reference<'_>,
    ) -> Self {
        let mut item = Self::new(relation, "SCOORD", Some(name));
        let data: Vec<f32> = points.iter().flat_map(|point| corner(*point)).collect();
        item.set.floats(tags::GRAPHIC_DATA, &data);
        item.set.text(tags::GRAPHIC_TYPE, VR::CS, kind);
        item.children = vec![Self::image("SELECTED FROM", image)];
        item
    }

    fn into_set(self) -> DataSet {
        let mut set = self.set;
        if !self.children.is_empty() {
            let children = self.children.into_iter().map(Self::into_set);
            set.items(tags::CONTENT_SEQUENCE, children.collect());
        }
        set
    }
}

/// TID 1002: the program, and the person where there is one.
fn observers(by_hand: bool, by_device: bool, person: &str, instance: &str) -> Vec<Item> {
    let relation = "HAS OBS CONTEXT";
    let kind = Code("121005", "DCM", "Observer Type");
    let mut items = Vec::new();
    if by_hand || !person.is_empty() {
        items.push(Item::code(relation, kind, Code("121006", "DCM", "Person")));
        let name = Code("121008", "DCM", "Person Observer Name");
        let mut observer = Item::new(relation, "PNAME", Some(name));
        let known = if person.is_empty() { "UNKNOWN" } else { person };
        observer.set.text(tags::PERSON_NAME, VR::PN, known);
        items.push(observer);
    }
    if by_device {
        items.push(Item::code(relation, kind, Code("121007", "DCM", "Device")));
        items.push(Item::uid(
            relation,
            Code("121012", "DCM", "Device Observer UID"),
            uid(&[instance.as_bytes(), b"device"]),
        ));
        items.push(Item::text(
            relation,
            Code("121013", "DCM", "Device Observer Name"),
            "Radcanvas",
        ));
    }
    items
}

/// TID 1600, the least of it: the image.
fn library(reference: &Reference<'_>) -> Item {
    let group = Item::container(
        "CONTAINS",
        Code("126200", "DCM", "Image Library Group"),
        vec![Item::image("CONTAINS", reference)],
    );
    Item::container(
        "CONTAINS",
        Code("111028", "DCM", "Image Library"),
        vec![group],
    )
}
