//! Whether images obey what was drawn: lines, and hip points.

use super::films::grey;
use super::reading::{grouped, judged, with_hips};
use super::{Ground, Row, median};
use crate::grid::Grid;
use crate::job::{Attributes, Error, Made, Mode, ModelReference, Request, Sex};
use crate::noise::Noise;
use crate::synthesis::{Generator, Readers, generate, line_distance, read_hips};
use crate::training::data::augment::{Amount, view};
use crate::training::data::{Example, sketch_of};

/// Largest median distance between drawn lines and edges, pixels at 256 a side.
const LINES: f64 = 1.5;
/// Largest median difference between the angle asked for and the angle found, degrees.
const ANGLE: f64 = 3.0;
/// Side at which distances are given, pixels.
const SIDE: f64 = 256.0;

/// A request for an image with the attributes of a film; image `number` has its own noise.
pub(super) fn request(
    ground: &Ground<'_>,
    generator: &Generator,
    example: &Example,
    number: usize,
    mode: Mode,
) -> Request {
    let mut request = Request::new(mode, ModelReference::default());
    let facts = &example.facts;
    let sexes = [Sex::Female, Sex::Male, Sex::Other];
    request.attributes = Attributes {
        kind: facts.kind.clone(),
        age_years: facts.age_years,
        sex: facts.sex.and_then(|sex| sexes.get(sex).copied()),
        findings: facts.findings.iter().cloned().collect(),
    };
    request.size = Some([generator.size; 2]);
    request.seed = ground.options.seed;
    request.first_image = number as u64;
    request.steps = ground.options.steps;
    request.guidance = ground.options.guidance;
    request
}

/// The image of a request, read by nobody.
pub(super) fn image(generator: &Generator, request: &Request) -> Result<Made, Error> {
    let readers = Readers::default();
    let mut outcome = generate(generator, None, &readers, request, &mut |_| {
        std::ops::ControlFlow::Continue(())
    })?;
    outcome
        .images
        .pop()
        .ok_or_else(|| Error::new(crate::job::ErrorKind::Failed, "no image was made"))
}

/// The generator, or the row that says why there is none.
pub(super) fn generator(
    ground: &Ground<'_>,
    part: &str,
) -> Result<std::sync::Arc<Generator>, Vec<Row>> {
    let found = ground.generator.as_ref();
    found
        .map(std::sync::Arc::clone)
        .map_err(|error| vec![Row::unknown(part, &error.what)])
}

/// A row for a kind that the generator was not taught; `None` when it was.
pub(super) fn untaught(generator: &Generator, part: &str, kind: &str) -> Option<Row> {
    generator.diffusion.names.kind(kind).is_none().then(|| {
        let why = format!("the model that makes images does not know {kind}");
        Row::unknown(format!("{part}, {kind}"), why)
    })
}

/// The lines of a film as a hand draws them, 255 on 0: shaken, some left out, as in training.
fn hand_drawn(ground: &Ground<'_>, example: &Example, number: usize) -> Grid<u8> {
    let mut noise = Noise::new(ground.options.seed, number as u64);
    let seen = view(example, &mut noise, &Amount::NONE);
    sketch_of(&seen, &mut noise).map(|v| if *v > 0.5 { 255 } else { 0 })
}

/// Sketches of held-out films as a hand draws them: how far their lines lie from the edges of what they became.
pub(super) fn follow(ground: &mut Ground<'_>) -> Result<Vec<Row>, Error> {
    let generator = match generator(ground, "sketch") {
        Ok(generator) => generator,
        Err(rows) => return Ok(rows),
    };
    let unit = SIDE / generator.size as f64;
    let count = ground.options.count;
    let mut rows = Vec::new();
    for kind in ground.kinds.clone() {
        if let Some(row) = untaught(&generator, "sketch", &kind) {
            rows.push(row);
            continue;
        }
        let films = ground.films.of(&kind, generator.size, count).to_vec();
        let (mut made, mut real) = (Vec::new(), Vec::new());
        for (n, example) in films.iter().enumerate() {
            ground.at(&format!("sketching {kind}"), n, count);
            let hint = hand_drawn(ground, example, n);
            let lines = hint.map(|v| *v > 0);
            let mut request = request(ground, &generator, example, n, Mode::Sketch);
            request.hint = Some(hint);
            let image = image(&generator, &request)?;
            made.extend(image.hint_distance_px.map(|px| px * unit));
            real.extend(line_distance(&lines, &grey(example)).map(|px| px * unit));
        }
        let note = format!("{} sketches", made.len());
        let name = |what: &str| format!("sketch, {kind}: line to edge {what}");
        rows.push(
            Row::of(name("of the result"), median(made), "px")
                .wanted(0.0, LINES)
                .note(&note),
        );
        let why = "shaken lines do not lie on the edges of their own film either";
        rows.push(Row::of(name("of the film drawn after"), median(real), "px").note(why));
    }
    Ok(rows)
}

/// Hip points given as the condition, alone and with the lines that a hand draws about them: how far the angle that the
/// hips network then finds is from the one given.
pub(super) fn geometry(ground: &mut Ground<'_>) -> Result<Vec<Row>, Error> {
    let generator = match generator(ground, "geometry") {
        Ok(generator) => generator,
        Err(rows) => return Ok(rows),
    };
    let readers = ground.readers.clone();
    let Some(model) = readers.hips.as_ref() else {
        return Ok(vec![Row::unknown(
            "geometry",
            "there is no model that finds hips",
        )]);
    };
    let count = ground.options.count;
    let mut rows = Vec::new();
    for kind in with_hips(ground, generator.size) {
        if let Some(row) = untaught(&generator, "geometry", &kind) {
            rows.push(row);
            continue;
        }
        let films = ground.films.of(&kind, generator.size, count).to_vec();
        for (how, with_lines) in [("drawn with lines", true), ("points alone", false)] {
            let (mut hips, mut lost) = (Vec::new(), 0);
            for (n, example) in films.iter().enumerate() {
                ground.at(&format!("hip points of {kind}"), n, count);
                let Some(given) = example.facts.landmarks else {
                    continue;
                };
                let mut request = request(ground, &generator, example, n, Mode::Sketch);
                request.landmarks = Some(given);
                if with_lines {
                    request.hint = Some(hand_drawn(ground, example, n));
                }
                let image = image(&generator, &request)?;
                match read_hips(model, &image.radiograph, None) {
                    Ok(reading) => hips.extend(judged(&reading, &given, example)),
                    Err(_) => lost += 1,
                }
            }
            let note = format!("{lost} of {count} images without an answer");
            for (group, of_group) in grouped(&hips) {
                let errors: Vec<f64> = of_group.map(|hip| hip.error).collect();
                let note = format!("{} hips; {note}", errors.len());
                let name = format!("geometry, {kind}, {how}, {group}: angle given to angle found");
                rows.push(
                    Row::of(name, median(errors), "°")
                        .wanted(0.0, ANGLE)
                        .note(note),
                );
            }
        }
    }
    Ok(rows)
}
