//! How like real films generated and decoded ones are: Fréchet distance, and what the autoencoder loses.

use super::drawn::{generator, image, request, untaught};
use super::films::grey;
use super::{Ground, Row, mean};
use crate::grid::Grid;
use crate::job::{Error, Mode};
use crate::measure::frechet::{Cloud, distance};
use crate::synthesis::grey::GreyMap;
use crate::synthesis::{read_features, rebuilt};

/// Largest Fréchet distance of generated images, over that between two halves of real ones.
const RATIO: f64 = 1.5;
/// Most films that the autoencoder is measured on.
const REBUILT: usize = 48;

/// Generated images against a half of the real ones that they were not asked after; the other half, whose attributes
/// they have, against the same, and so that half out of the autoencoder: what no denoiser can better.
pub(super) fn frechet(ground: &mut Ground<'_>) -> Result<Vec<Row>, Error> {
    let generator = match generator(ground, "Fréchet") {
        Ok(generator) => generator,
        Err(rows) => return Ok(rows),
    };
    let readers = ground.readers.clone();
    let Some(model) = readers
        .reader
        .as_ref()
        .filter(|model| model.size == generator.size)
    else {
        let why = "there is no reader for images of this size";
        return Ok(vec![Row::unknown("Fréchet", why)]);
    };
    let count = ground.options.count;
    let mut all = [const { Vec::new() }; 4];
    let mut rows = Vec::new();
    for kind in ground.kinds.clone() {
        if let Some(row) = untaught(&generator, "Fréchet", &kind) {
            rows.push(row);
            continue;
        }
        let films = ground.films.of(&kind, generator.size, 2 * count).to_vec();
        let mut made = Vec::with_capacity(count);
        for (n, example) in films[..count].iter().enumerate() {
            ground.at(&format!("making {kind}"), n, count);
            let request = request(ground, &generator, example, n, Mode::Sample);
            let image = image(&generator, &request)?;
            made.push(GreyMap::twelve_bit().grey(&image.radiograph.pixels.to_f32()));
        }
        let greys: Vec<Grid<f32>> = films.iter().map(grey).collect();
        let mut decoded = Vec::with_capacity(count);
        for grey in &greys[..count] {
            let [full, _] = rebuilt(&generator, grey)?;
            decoded.push(full);
        }
        let features = [
            read_features(model, &made)?,
            read_features(model, &greys[..count])?,
            read_features(model, &greys[count..])?,
            read_features(model, &decoded)?,
        ];
        rows.extend(compared(&kind, &features));
        for (all, of_kind) in all.iter_mut().zip(features) {
            all.extend(of_kind);
        }
    }
    if !all[0].is_empty() {
        rows.extend(compared("all kinds", &all));
    }
    Ok(rows)
}

/// Distances of generated and of real features from other real ones, and their ratio.
fn compared(kind: &str, features: &[Vec<Vec<f32>>; 4]) -> Vec<Row> {
    let clouds = features.each_ref().map(|rows| Cloud::of(rows));
    let apart = |i: usize| distance(clouds[i].as_ref()?, clouds[2].as_ref()?);
    let (made, real, decoded) = (apart(0), apart(1), apart(3));
    let over_real = |distance: Option<f64>| {
        let both = distance.zip(real).filter(|(_, real)| *real > 0.0);
        both.map(|(distance, real)| distance / real)
    };
    let note = format!("{} images each", features[0].len());
    let name = |what: &str| format!("Fréchet, {kind}: {what}");
    vec![
        Row::of(name("generated to real"), made, "").note(&note),
        Row::of(name("real to real"), real, "").note(&note),
        Row::of(name("ratio"), over_real(made), "")
            .wanted(0.0, RATIO)
            .note(&note),
        Row::of(
            name("ratio of the autoencoder alone"),
            over_real(decoded),
            "",
        )
        .note(&note),
    ]
}

/// Peak signal-to-noise ratio of encoding and decoding, by both decoders.
pub(super) fn autoencoder(ground: &mut Ground<'_>) -> Result<Vec<Row>, Error> {
    let generator = match generator(ground, "autoencoder") {
        Ok(generator) => generator,
        Err(rows) => return Ok(rows),
    };
    let count = ground.options.films.min(REBUILT);
    let mut rows = Vec::new();
    for kind in ground.kinds.clone() {
        let films = ground.films.of(&kind, generator.size, count).to_vec();
        let mut errors = [Vec::new(), Vec::new()];
        for (n, example) in films.iter().enumerate() {
            ground.at(&format!("encoding {kind}"), n, count);
            let grey = grey(example);
            let made = rebuilt(&generator, &grey)?;
            for (errors, made) in errors.iter_mut().zip(&made) {
                errors.push(mean_square(made, &grey));
            }
        }
        let decoders = ["decoder", "preview decoder"];
        for (decoder, errors) in decoders.into_iter().zip(&errors) {
            // Of the mean error, as the lesson measures it; grey reaches from 0 to 1.
            let decibels = mean(errors).map(|error| -10.0 * error.max(1e-12).log10());
            let name = format!("autoencoder, {kind}: PSNR, {decoder}");
            rows.push(Row::of(name, decibels, "dB").note(format!("{count} films")));
        }
    }
    Ok(rows)
}

fn mean_square(a: &Grid<f32>, b: &Grid<f32>) -> f64 {
    let squares = a.cells().iter().zip(b.cells());
    squares.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / a.len().max(1) as f64
}
