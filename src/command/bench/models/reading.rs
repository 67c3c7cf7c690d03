//! What the hips network and the reader say of films, against the truth.

use super::films::{film, shows};
use super::{Ground, Row, mean};
use crate::job::{Error, HipReading};
use crate::landmarks::{HipLandmarks, Side};
use crate::measure::norberg::norberg_degrees;
use crate::synthesis::{read_findings, read_hips, told_by_angles};
use crate::training::data::Example;
use crate::training::lesson::auroc;

/// Largest mean error of a Norberg angle, degrees.
const ANGLE: f64 = 1.0;
/// Share of 90 % intervals that shall hold the truth, per cent.
const COVERAGE: [f64; 2] = [87.0, 93.0];
/// Least area under the ROC curve of a finding.
const AREA: f64 = 0.95;

/// One hip of one film.
pub(super) struct HipResult {
    /// Degrees between the angle found and the truth.
    pub(super) error: f64,
    /// Whether the interval holds the truth.
    covered: bool,
    pub(super) luxated: bool,
}

/// Both hips of a film as read, against the true points.
pub(super) fn judged(
    reading: &HipReading,
    truth: &HipLandmarks,
    example: &Example,
) -> Vec<HipResult> {
    let sides = [
        (Side::Left, reading.left_interval_degrees, "luxation_left"),
        (
            Side::Right,
            reading.right_interval_degrees,
            "luxation_right",
        ),
    ];
    sides
        .into_iter()
        .filter_map(|(side, [low, high], luxation)| {
            let wanted = norberg_degrees(truth, side, None)?;
            let found = norberg_degrees(&reading.landmarks, side, None)?;
            Some(HipResult {
                error: (found - wanted).abs(),
                covered: (low..=high).contains(&wanted),
                luxated: shows(example, luxation),
            })
        })
        .collect()
}

/// The kinds whose films show hips.
pub(super) fn with_hips(ground: &mut Ground<'_>, size: usize) -> Vec<String> {
    let films = &mut ground.films;
    let mut kinds = ground.kinds.clone();
    kinds.retain(|kind| {
        let first = films.of(kind, size, 1).first();
        first.is_some_and(|film| film.facts.landmarks.is_some())
    });
    kinds
}

/// Error of the Norberg angle and coverage of its 90 % intervals: all hips, normal and luxated ones.
pub(super) fn hips(ground: &mut Ground<'_>) -> Vec<Row> {
    let readers = ground.readers.clone();
    let Some(model) = readers.hips.as_ref() else {
        return vec![Row::unknown("hips", "there is no model that finds hips")];
    };
    let count = ground.options.films;
    let usual = model.size * if model.detail.is_some() { 3 } else { 1 };
    let side = ground.options.hip_side.unwrap_or(usual).clamp(32, 2048);
    let mut rows = Vec::new();
    for kind in with_hips(ground, model.size) {
        let films = ground.films.of(&kind, side, count).to_vec();
        let (mut hips, mut lost) = (Vec::new(), 0);
        for (n, example) in films.iter().enumerate() {
            ground.at("reading hips", n, count);
            let Some(truth) = example.facts.landmarks else {
                continue;
            };
            let (radiograph, window) = film(example);
            match read_hips(model, &radiograph, Some(&window)) {
                Ok(reading) => hips.extend(judged(&reading, &truth, example)),
                Err(_) => lost += 1,
            }
        }
        rows.push(Row::of(
            format!("{kind} hips: films without an answer"),
            Some(f64::from(lost)),
            "",
        ));
        for (group, of_group) in grouped(&hips) {
            let (errors, covered): (Vec<f64>, Vec<f64>) = of_group
                .map(|hip| (hip.error, if hip.covered { 100.0 } else { 0.0 }))
                .unzip();
            let note = format!("{} hips on films of {side} px", errors.len());
            let name = |what: &str| format!("{kind} hips, {group}: {what}");
            rows.push(
                Row::of(name("mean error of the Norberg angle"), mean(&errors), "°")
                    .wanted(0.0, ANGLE)
                    .note(&note),
            );
            rows.push(
                Row::of(name("90 % intervals that hold"), mean(&covered), "%")
                    .wanted(COVERAGE[0], COVERAGE[1])
                    .note(&note),
            );
        }
    }
    rows
}

/// All hips, the normal and the luxated ones, each group by its name.
pub(super) fn grouped(hips: &[HipResult]) -> [(&'static str, impl Iterator<Item = &HipResult>); 3] {
    [
        ("all", None),
        ("normal", Some(false)),
        ("luxated", Some(true)),
    ]
    .map(|(group, wanted)| {
        let of_group = hips.iter();
        (
            group,
            of_group.filter(move |hip| wanted.is_none_or(|w| hip.luxated == w)),
        )
    })
}

/// Area under the ROC curve of each finding, on films of the kind that it belongs to.
pub(super) fn findings(ground: &mut Ground<'_>) -> Result<Vec<Row>, Error> {
    let readers = ground.readers.clone();
    let Some(model) = readers.reader.as_ref() else {
        return Ok(vec![Row::unknown(
            "reader",
            "there is no model that reads findings",
        )]);
    };
    let count = ground.options.films;
    let mut rows = Vec::new();
    for kind in ground.kinds.clone() {
        if model.names.kind(&kind).is_none() {
            let why = format!("the reader does not know {kind}");
            rows.push(Row::unknown(format!("reader, {kind}"), why));
            continue;
        }
        let films = ground.films.of(&kind, model.size, count).to_vec();
        let mut said = Vec::with_capacity(films.len());
        for (n, example) in films.iter().enumerate() {
            ground.at(&format!("reading {kind}"), n, count);
            let (radiograph, window) = film(example);
            let mut read = read_findings(model, &radiograph, Some(&window), &kind)?;
            // As everywhere: what the angles of hips tell, they tell better.
            let hips = readers.hips.as_ref().filter(|_| kind == "hip");
            if let Some(hips) = hips
                && let Ok(hips) = read_hips(hips, &radiograph, Some(&window))
            {
                told_by_angles(&hips, &mut read);
            }
            said.push(read);
        }
        let asked = films.first().map(|film| film.facts.findings.as_slice());
        for (finding, _) in asked.unwrap_or_default() {
            let name = format!("reader, {kind}: {finding}");
            if model.names.finding(finding).is_none() {
                rows.push(Row::unknown(
                    name,
                    format!("the reader does not know {finding}"),
                ));
                continue;
            }
            let scored: Vec<(f32, bool)> = films
                .iter()
                .zip(&said)
                .filter_map(|(film, said)| {
                    let (_, share) = said.iter().find(|(name, _)| name == finding)?;
                    Some((*share as f32, shows(film, finding)))
                })
                .collect();
            let positives = scored.iter().filter(|(_, truth)| *truth).count();
            let note = format!("{positives} of {} show it", scored.len());
            rows.push(
                Row::of(name, auroc(scored), "AUROC")
                    .wanted(AREA, 1.0)
                    .note(note),
            );
        }
    }
    Ok(rows)
}
