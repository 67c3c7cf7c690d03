//! Phantoms held out by seed, drawn once for all parts, as training images and as films to read.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::grid::Grid;
use crate::radiograph::{DisplayWindow, Pixels, Radiograph};
use crate::training::data::{Example, phantom_example};

/// Phantoms by kind and size; film `n` of every kind has the seed `seed + n`.
pub(super) struct Films {
    seed: u64,
    drawn: BTreeMap<(String, usize), Vec<Example>>,
}

impl Films {
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            seed,
            drawn: BTreeMap::new(),
        }
    }

    /// The first `count` films of a kind, `size` pixels a side.
    pub(super) fn of(&mut self, kind: &str, size: usize, count: usize) -> &[Example] {
        let films = self.drawn.entry((kind.to_owned(), size)).or_default();
        let missing: Vec<u64> = (films.len()..count)
            .map(|n| self.seed.wrapping_add(n as u64))
            .collect();
        let more: Vec<Example> = missing
            .into_par_iter()
            .map(|seed| phantom_example(kind, seed, size))
            .collect();
        films.extend(more);
        &films[..count]
    }
}

/// A training image as a film, with the window in which networks saw it.
pub(super) fn film(example: &Example) -> (Radiograph, DisplayWindow) {
    let radiograph = Radiograph::from_pixels(Pixels::U8(example.image.clone()));
    (radiograph, DisplayWindow::from_range(0.0, 255.0))
}

/// The grey of a training image, 0–1.
pub(super) fn grey(example: &Example) -> Grid<f32> {
    example.image.map(|v| f32::from(*v) / 255.0)
}

/// Whether a film shows a finding; absent counts as no.
pub(super) fn shows(example: &Example, finding: &str) -> bool {
    let findings = &example.facts.findings;
    findings
        .iter()
        .any(|(name, present)| name == finding && *present)
}
