//! What is kept between live requests: adapter outputs, latents of the source, condition vectors.
//!
//! A new seed or another number of steps leaves the drawing as it is, and a new line leaves the labels: what does not
//! change is not computed again. Keys are the inputs themselves, compared whole, so that a kept value is always the
//! one that would have been computed, to the last bit.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Result, Tensor};

use crate::geometry::PixelRect;
use crate::grid::Grid;
use crate::landmarks::HipLandmarks;
use crate::network::condition::{Condition, Moment};
use crate::radiograph::{DisplayWindow, Radiograph};

/// Drawings whose adapter outputs are kept: the empty one, the last and the one before.
const HINTS: usize = 3;
/// The same of the network that draws nine squares of a film and two hips again: those of one film.
pub const HINTS_AGAIN: usize = 12;
/// Pictures whose latents are kept: the source and its blanked forms.
const LATENTS: usize = 4;
/// Condition vectors kept: two halves of guidance at so many steps.
const VECTORS: usize = 128;

/// The newest values of a function with their inputs.
#[derive(Debug)]
struct Recent<K, V> {
    entries: VecDeque<(K, V)>,
    most: usize,
    made: usize,
    reused: usize,
}

impl<K, V: Clone> Recent<K, V> {
    const fn new(most: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            most,
            made: 0,
            reused: 0,
        }
    }

    fn get(&mut self, is: impl Fn(&K) -> bool) -> Option<V> {
        let at = self.entries.iter().position(|(known, _)| is(known))?;
        let entry = self.entries.remove(at)?;
        let value = entry.1.clone();
        self.entries.push_front(entry);
        self.reused += 1;
        Some(value)
    }

    fn put(&mut self, key: K, value: V) {
        self.made += 1;
        self.entries.push_front((key, value));
        self.entries.truncate(self.most);
    }
}

type Film = (Arc<Radiograph>, PixelRect, Option<DisplayWindow>);

#[derive(Debug)]
struct Inner {
    hints: Recent<(Grid<f32>, Option<HipLandmarks>), Vec<Tensor>>,
    latents: Recent<Grid<f32>, Tensor>,
    vectors: Recent<(Condition, Moment), Tensor>,
    // The film is held, so that its address stays its own.
    films: Recent<Film, Grid<f32>>,
}

/// How often something was computed and how often it was at hand: `(computed, at hand)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Adapter outputs.
    pub hints: (usize, usize),
    /// Latents of pictures.
    pub latents: (usize, usize),
    /// Condition vectors.
    pub vectors: (usize, usize),
}

/// Everything kept for one generator; lives and dies with its weights.
#[derive(Debug)]
pub struct Kept {
    inner: Mutex<Inner>,
}

impl Default for Kept {
    fn default() -> Self {
        Self::of_hints(HINTS)
    }
}

impl Kept {
    /// For a network that is asked for so many drawings in turns.
    pub fn of_hints(most: usize) -> Self {
        Self {
            inner: Mutex::new(Inner {
                hints: Recent::new(most),
                latents: Recent::new(LATENTS),
                vectors: Recent::new(VECTORS),
                films: Recent::new(1),
            }),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        // A panic elsewhere leaves whole entries or none.
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How often each was computed and at hand since the generator was loaded.
    pub fn counts(&self) -> Counts {
        self.with(|inner| Counts {
            hints: (inner.hints.made, inner.hints.reused),
            latents: (inner.latents.made, inner.latents.reused),
            vectors: (inner.vectors.made, inner.vectors.reused),
        })
    }

    /// What the adapter gives for lines (0–1, model size) and hip points.
    pub(super) fn hint(
        &self,
        lines: &Grid<f32>,
        landmarks: Option<&HipLandmarks>,
        make: impl FnOnce() -> Result<Vec<Tensor>>,
    ) -> Result<Vec<Tensor>> {
        let same = |(known, points): &(Grid<f32>, Option<HipLandmarks>)| {
            points.as_ref() == landmarks && known == lines
        };
        if let Some(known) = self.with(|inner| inner.hints.get(same)) {
            return Ok(known);
        }
        let made = make()?;
        let key = (lines.clone(), landmarks.copied());
        self.with(|inner| inner.hints.put(key, made.clone()));
        Ok(made)
    }

    /// The latent of a picture (grey 0–1, model size).
    pub(super) fn latent(
        &self,
        grey: &Grid<f32>,
        make: impl FnOnce() -> Result<Tensor>,
    ) -> Result<Tensor> {
        if let Some(known) = self.with(|inner| inner.latents.get(|known| known == grey)) {
            return Ok(known);
        }
        let made = make()?;
        self.with(|inner| inner.latents.put(grey.clone(), made.clone()));
        Ok(made)
    }

    /// The vector of a condition at a moment.
    pub(super) fn vector(
        &self,
        condition: &Condition,
        moment: Moment,
        make: impl FnOnce() -> Result<Tensor>,
    ) -> Result<Tensor> {
        let same = |(known, when): &(Condition, Moment)| *when == moment && known == condition;
        if let Some(known) = self.with(|inner| inner.vectors.get(same)) {
            return Ok(known);
        }
        let made = make()?;
        let key = (condition.clone(), moment);
        self.with(|inner| inner.vectors.put(key, made.clone()));
        Ok(made)
    }

    /// Grey at the model's size of a part of a film that is open: the same `Arc` while it stays the same.
    pub(super) fn film(
        &self,
        film: &Arc<Radiograph>,
        region: PixelRect,
        window: Option<&DisplayWindow>,
        make: impl FnOnce() -> Grid<f32>,
    ) -> Grid<f32> {
        let same = |(known, part, through): &Film| {
            Arc::ptr_eq(known, film) && *part == region && through.as_ref() == window
        };
        if let Some(known) = self.with(|inner| inner.films.get(same)) {
            return known;
        }
        let made = make();
        let key = (Arc::clone(film), region, window.cloned());
        self.with(|inner| inner.films.put(key, made.clone()));
        made
    }
}
