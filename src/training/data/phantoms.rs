//! Phantoms as training images, drawn on all cores and kept on disk.
//!
//! Separate because a phantom takes long enough to draw that five lessons should not each draw it again.

use std::ops::ControlFlow;
use std::path::Path;

use rayon::prelude::*;

use super::{Example, Facts, cache, shapes};
use crate::geometry::{Affine, PixelRect, Point};
use crate::job::{Error, ErrorKind, Observe, Progress};
use crate::landmarks::HipLandmarks;
use crate::phantom::{self, Finding, Phantom};

/// Kinds that can be trained on.
pub const KINDS: [&str; 7] = [
    "hip", "chest", "breast", "jaw", "brain-mr", "brain-ct", "shapes",
];

/// Which phantoms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Seed of the first.
    pub seed: u64,
    /// How many of each kind.
    pub count: usize,
    /// Width and height.
    pub size: usize,
    /// Whether MR and CT of one seed are heads of their own.
    pub independent: bool,
}

/// `count` images of each kind, of `size`², in an order that mixes the kinds: image `n` of every kind has the seed
/// `seed + n`, or where kinds shall be independent, that of [`phantom::seed_of`].
pub(super) fn examples(
    kinds: &[String],
    wanted: &Wanted,
    folder: &Path,
    observe: &mut Observe<'_>,
) -> Result<Vec<Example>, Error> {
    let &Wanted {
        seed, count, size, ..
    } = wanted;
    if let Some(unknown) = kinds.iter().find(|kind| !KINDS.contains(&kind.as_str())) {
        return Err(
            Error::new(ErrorKind::Usage, format!("no phantom is called {unknown}"))
                .remedy(format!("give one or more of {}", KINDS.join(", "))),
        );
    }
    let mut of_kinds = Vec::new();
    for kind in kinds {
        let apart = phantom::seed_of(kind, seed, wanted.independent) != seed;
        let mark = if apart { "-independent" } else { "" };
        let name = format!("{kind}{mark}-{seed}-{count}-{size}");
        let examples = match cache::load(folder, &name) {
            Some(examples) if examples.len() == count => examples,
            _ => {
                let examples = drawn(kind, wanted, observe)?;
                cache::save(folder, &name, &examples)?;
                examples
            }
        };
        of_kinds.push(examples.into_iter());
    }
    let mut mixed = Vec::with_capacity(kinds.len() * count);
    for _ in 0..count {
        mixed.extend(of_kinds.iter_mut().filter_map(Iterator::next));
    }
    Ok(mixed)
}

fn drawn(kind: &str, wanted: &Wanted, observe: &mut Observe<'_>) -> Result<Vec<Example>, Error> {
    let &Wanted {
        seed, count, size, ..
    } = wanted;
    let own = |seed: u64| phantom::seed_of(kind, seed, wanted.independent);
    let mut examples = Vec::with_capacity(count);
    let numbers: Vec<u64> = (seed..seed + count as u64).collect();
    for part in numbers.chunks(16) {
        let progress = Progress {
            stage: format!("drawing {kind} phantoms"),
            step: examples.len(),
            steps: count,
            seconds_left: None,
            preview: None,
            value: None,
        };
        if let ControlFlow::Break(()) = observe(progress) {
            return Err(Error::stopped());
        }
        let drawn: Vec<Example> = part
            .par_iter()
            .map(|seed| phantom_example(kind, own(*seed), size))
            .collect();
        examples.extend(drawn);
    }
    Ok(examples)
}

/// One phantom of a kind (see [`KINDS`]) as a training image of `size`²; shapes for a kind that is not known.
pub fn phantom_example(kind: &str, seed: u64, size: usize) -> Example {
    if let Some(phantom) = phantom::draw(kind, seed, size) {
        return example_of(&phantom, size);
    }
    let (image, facts) = shapes::draw(seed, size);
    Example { image, facts }
}

/// A phantom's pixels and truth as a training example of `size`²: a film that is not square stands amid black.
///
/// Of its labels only those that a person asks for ([`phantom::findings_of`]) are kept: a network has few places.
fn example_of(phantom: &Phantom, size: usize) -> Example {
    let (width, height) = phantom.image.size();
    let left = size.saturating_sub(width) / 2;
    let top = size.saturating_sub(height) / 2;
    let whole = PixelRect::new(-(left as i64), -(top as i64), size, size);
    // 12 bits to 8, rounded.
    let image = phantom
        .image
        .map(|v| ((u32::from((*v).min(4095)) * 255 + 2047) / 4095) as u8)
        .crop(whole, 0);
    let moved = Affine::scale_then_shift(Point::new(1.0, 1.0), Point::new(left as f64, top as f64));
    let asked = phantom::findings_of(&phantom.kind).unwrap_or_default();
    Example {
        image,
        facts: Facts {
            kind: phantom.kind.clone(),
            age_years: Some(phantom.age_years),
            sex: match phantom.sex {
                'F' => Some(0),
                'M' => Some(1),
                _ => None,
            },
            findings: asked
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), *phantom.labels.get(*name)?)))
                .collect(),
            landmarks: phantom.landmarks.map(|points| HipLandmarks {
                pixel_spacing_mm: points.pixel_spacing_mm,
                ..points.mapped(&moved)
            }),
            outlines: phantom
                .outlines
                .iter()
                .map(|outline| {
                    let points = outline.points.iter().map(|p| moved.apply(*p));
                    (points.collect(), outline.closed)
                })
                .collect(),
            places: places(phantom, asked, &moved),
            spacing_mm: Some(phantom.spacing_mm),
        },
    }
}

/// The boxes of a phantom's findings, moved; a finding of a hip without a side is that of the nearest one.
fn places(phantom: &Phantom, asked: &[&str], moved: &Affine) -> Vec<(String, [Point; 2])> {
    let named = |finding: &Finding| {
        let label = finding.label.as_str();
        if asked.contains(&label) {
            return Some(label.to_owned());
        }
        let hips = phantom.landmarks?;
        let bounds = finding.bounds;
        let middle = Point::new(
            bounds.x as f64 + bounds.width as f64 / 2.0,
            bounds.y as f64 + bounds.height as f64 / 2.0,
        );
        let [left, right] = [hips.left, hips.right].map(|hip| hip.center.distance(middle));
        let side = if left < right { "left" } else { "right" };
        let name = format!("{label}_{side}");
        asked.contains(&name.as_str()).then_some(name)
    };
    let boxes = phantom.findings.iter();
    boxes
        .filter_map(|finding| {
            let bounds = finding.bounds;
            // Edges of pixels, whose centers are at integers.
            let low = Point::new(bounds.x as f64 - 0.5, bounds.y as f64 - 0.5);
            let high = Point::new(bounds.right() as f64 - 0.5, bounds.bottom() as f64 - 0.5);
            Some((named(finding)?, moved.bounds_of([low, high])))
        })
        .collect()
}
