//! Comprehensive SR with the Norberg angles of a film (PS3.3 A.35.3; PS3.16 TID 1500, 1501, 4019).
//!
//! Separate because a measurement is only worth what it was made from: each angle carries its two circles and its rim
//! point as coordinates on the image, who or what placed them, and its interval.

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};

use super::dataset::{Code, DataSet, decimal, uid};
use super::modules::{Begun, Reference, SeriesFacts};
use super::presentation::corner;
use crate::geometry::Point;
use crate::landmarks::{Hip, HipLandmarks, Side};
use crate::radiograph::Radiograph;

/// The angle of one side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeasuredAngle {
    /// Norberg angle, degrees.
    pub degrees: f64,
    /// The interval that was given with it, degrees.
    pub interval_degrees: Option<[f64; 2]>,
}

/// Both hips of one film.
#[derive(Clone, Debug, PartialEq)]
pub struct HipReport {
    /// The points, in pixels of the image.
    pub landmarks: HipLandmarks,
    /// The patient's left hip.
    pub left: Option<MeasuredAngle>,
    /// The patient's right hip.
    pub right: Option<MeasuredAngle>,
    /// Name of the network that placed the points; absent where a person placed them all.
    pub algorithm: Option<String>,
    /// Who looked at them, or moved them; may be empty.
    pub person: String,
}

const OUR_SCHEME: &str = "99RADCANVAS";
const NORBERG: Code<'static> = Code("NORBERG", OUR_SCHEME, "Norberg angle");
const LOWER: Code<'static> = Code("NORBERG-LOW", OUR_SCHEME, "Norberg angle, lower bound");
const UPPER: Code<'static> = Code("NORBERG-HIGH", OUR_SCHEME, "Norberg angle, upper bound");

/// The bytes of a report on `image`.
///
/// # Errors
/// What does not fit, for a person: no angle, points that are no numbers, an image that cannot be referred to.
pub fn report_bytes(image: &Radiograph, report: &HipReport) -> Result<Vec<u8>, String> {
    let reference = Reference::of(image)?;
    if report.left.is_none() && report.right.is_none() {
        return Err("there is no angle to report".to_owned());
    }
    let angles = [report.left, report.right];
    let finite = angles.iter().flatten().all(|angle| {
        angle.degrees.is_finite()
            && angle
                .interval_degrees
                .is_none_or(|i| i.iter().all(|v| v.is_finite()))
    });
    if !report.landmarks.is_valid() || !finite {
        return Err("a point or an angle is no number".to_owned());
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
    content.extend(observers(report, instance));
    content.push(Item::code(
        "HAS CONCEPT MOD",
        Code("121058", "DCM", "Procedure reported"),
        Code("168537006", "SCT", "Plain radiography"),
    ));
    content.push(library(&reference));
    let groups = [(Side::Right, report.right), (Side::Left, report.left)];
    let groups = groups
        .into_iter()
        .filter_map(|(side, angle)| Some(group(report, side, angle?, &reference, instance)))
        .collect();
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

    fn number(name: Code<'_>, degrees: f64) -> Self {
        let mut value = DataSet::default();
        value.text(tags::NUMERIC_VALUE, VR::DS, decimal(degrees));
        value.code(
            tags::MEASUREMENT_UNITS_CODE_SEQUENCE,
            Code("deg", "UCUM", "degree"),
        );
        let mut item = Self::new("CONTAINS", "NUM", Some(name));
        item.set.items(tags::MEASURED_VALUE_SEQUENCE, vec![value]);
        item
    }

    fn coordinates(name: Code<'_>, kind: &str, points: &[Point], image: &Reference<'_>) -> Self {
        let mut item = Self::new("INFERRED FROM", "SCOORD", Some(name));
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
fn observers(report: &HipReport, instance: &str) -> Vec<Item> {
    let relation = "HAS OBS CONTEXT";
    let kind = Code("121005", "DCM", "Observer Type");
    let mut items = Vec::new();
    if report.algorithm.is_none() || !report.person.is_empty() {
        items.push(Item::code(relation, kind, Code("121006", "DCM", "Person")));
        let name = Code("121008", "DCM", "Person Observer Name");
        let mut person = Item::new(relation, "PNAME", Some(name));
        let known = if report.person.is_empty() {
            "UNKNOWN"
        } else {
            &report.person
        };
        person.set.text(tags::PERSON_NAME, VR::PN, known);
        items.push(person);
    }
    if report.algorithm.is_some() {
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

/// TID 1501: one hip.
fn group(
    report: &HipReport,
    side: Side,
    angle: MeasuredAngle,
    reference: &Reference<'_>,
    instance: &str,
) -> Item {
    let (word, laterality) = match side {
        Side::Left => ("left", Code("7771000", "SCT", "Left")),
        Side::Right => ("right", Code("24028007", "SCT", "Right")),
    };
    let mut site = Item::code(
        "HAS CONCEPT MOD",
        Code("363698007", "SCT", "Finding Site"),
        Code("24136001", "SCT", "Hip joint"),
    );
    site.children = vec![Item::code(
        "HAS CONCEPT MOD",
        Code("272741003", "SCT", "Laterality"),
        laterality,
    )];
    let mut children = vec![
        Item::text(
            "HAS OBS CONTEXT",
            Code("112039", "DCM", "Tracking Identifier"),
            &format!("Norberg {word}"),
        ),
        Item::uid(
            "HAS OBS CONTEXT",
            Code("112040", "DCM", "Tracking Unique Identifier"),
            uid(&[instance.as_bytes(), word.as_bytes()]),
        ),
        site,
    ];
    if let Some(name) = &report.algorithm {
        let said = Code("111001", "DCM", "Algorithm Name");
        children.push(Item::text("HAS CONCEPT MOD", said, name));
        let said = Code("111003", "DCM", "Algorithm Version");
        children.push(Item::text(
            "HAS CONCEPT MOD",
            said,
            env!("CARGO_PKG_VERSION"),
        ));
    }
    let other = match side {
        Side::Left => Side::Right,
        Side::Right => Side::Left,
    };
    let (own, opposite) = (report.landmarks.hip(side), report.landmarks.hip(other));
    let circle = |hip: &Hip, name: Code<'_>| {
        let rim = Point::new(hip.center.x + hip.radius, hip.center.y);
        Item::coordinates(name, "CIRCLE", &[hip.center, rim], reference)
    };
    let mut number = Item::number(NORBERG, angle.degrees);
    number.children = vec![
        circle(own, Code("HEAD", OUR_SCHEME, "Femoral head")),
        circle(
            opposite,
            Code("OTHER-HEAD", OUR_SCHEME, "Femoral head of the other side"),
        ),
        Item::coordinates(
            Code("RIM", OUR_SCHEME, "Cranial effective acetabular rim"),
            "POINT",
            &[own.rim],
            reference,
        ),
    ];
    children.push(number);
    if let Some([low, high]) = angle.interval_degrees {
        children.push(Item::number(LOWER, low));
        children.push(Item::number(UPPER, high));
    }
    Item::container(
        "CONTAINS",
        Code("125007", "DCM", "Measurement Group"),
        children,
    )
}
