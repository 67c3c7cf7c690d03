//! The Norberg angles of both hips: two circles and a rim point each, and the interval.

use super::{Code, DEGREE, Item, OUR_SCHEME, Reference, uid};
use crate::geometry::Point;
use crate::landmarks::{Hip, HipLandmarks, Side};

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

const NORBERG: Code<'static> = Code("NORBERG", OUR_SCHEME, "Norberg angle");
const LOWER: Code<'static> = Code("NORBERG-LOW", OUR_SCHEME, "Norberg angle, lower bound");
const UPPER: Code<'static> = Code("NORBERG-HIGH", OUR_SCHEME, "Norberg angle, upper bound");

const INFERRED: &str = "INFERRED FROM";

/// Whether every point and angle is a number, and there is an angle.
pub(super) fn check(report: &HipReport) -> Result<(), String> {
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
    Ok(())
}

/// Its numbers in the order of the tree.
pub(super) fn numbers(report: &HipReport) -> Vec<(&'static str, f64)> {
    let sides = [report.right, report.left];
    let mut found = Vec::new();
    for angle in sides.into_iter().flatten() {
        found.push((NORBERG.0, angle.degrees));
        if let Some([low, high]) = angle.interval_degrees {
            found.extend([(LOWER.0, low), (UPPER.0, high)]);
        }
    }
    found
}

/// One group a side that has an angle.
pub(super) fn groups(report: &HipReport, reference: &Reference<'_>, instance: &str) -> Vec<Item> {
    let sides = [(Side::Right, report.right), (Side::Left, report.left)];
    sides
        .into_iter()
        .filter_map(|(side, angle)| Some(group(report, side, angle?, reference, instance)))
        .collect()
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
        Item::coordinates(INFERRED, name, "CIRCLE", &[hip.center, rim], reference)
    };
    let mut number = Item::number(NORBERG, angle.degrees, DEGREE);
    number.children = vec![
        circle(own, Code("HEAD", OUR_SCHEME, "Femoral head")),
        circle(
            opposite,
            Code("OTHER-HEAD", OUR_SCHEME, "Femoral head of the other side"),
        ),
        Item::coordinates(
            INFERRED,
            Code("RIM", OUR_SCHEME, "Cranial effective acetabular rim"),
            "POINT",
            &[own.rim],
            reference,
        ),
    ];
    children.push(number);
    if let Some([low, high]) = angle.interval_degrees {
        children.push(Item::number(LOWER, low, DEGREE));
        children.push(Item::number(UPPER, high, DEGREE));
    }
    Item::container(
        "CONTAINS",
        Code("125007", "DCM", "Measurement Group"),
        children,
    )
}
