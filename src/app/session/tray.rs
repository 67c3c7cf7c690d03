//! Results that wait, and how diverse they are.
//!
//! Separate from the rest of the session because it keeps numbers of its own that follow every result.

use std::sync::Arc;

use super::ResultId;
use crate::job::{Made, Request};
use crate::measure::dscore::{DScore, DScoreMode};

/// A generated image that waits to be accepted or rejected.
pub struct Staged {
    /// Its name in this session.
    pub id: ResultId,
    /// The image with its numbers.
    pub made: Made,
    /// What it was made from.
    pub request: Arc<Request>,
    /// Seconds an image.
    pub seconds: f64,
    /// A reduced picture, made when it is first shown.
    pub thumbnail: Option<egui::TextureHandle>,
    /// Whether its hip points were moved by hand: then no interval holds.
    pub by_hand: bool,
    /// Whether it counts in the D-score (it has saliency maps).
    pub scored: bool,
}

/// Results that wait, and how diverse they are.
pub struct Tray {
    /// Oldest first.
    pub items: Vec<Staged>,
    /// The D-score of the items with saliency maps, kept up to date item by item.
    pub dscore: DScore,
    /// The score after each change, for the little curve.
    pub past: Vec<f64>,
    /// Why the last item could not be scored.
    pub unscored: Option<String>,
    next: u64,
}

impl Default for Tray {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            dscore: DScore::new(DScoreMode::Sliced),
            past: Vec::new(),
            unscored: None,
            next: 1,
        }
    }
}

impl Tray {
    /// Adds a result.
    pub fn push(&mut self, made: Made, request: Arc<Request>, seconds: f64) -> ResultId {
        let id = ResultId(self.next);
        self.next += 1;
        let scored = if made.saliency.is_empty() {
            self.unscored = Some("the model has no reader that gives saliency maps".to_owned());
            false
        } else {
            match self.dscore.push(&made.saliency) {
                Ok(_) => true,
                Err(error) => {
                    self.unscored = Some(error.to_string());
                    false
                }
            }
        };
        self.items.push(Staged {
            id,
            made,
            request,
            seconds,
            thumbnail: None,
            by_hand: false,
            scored,
        });
        self.note();
        id
    }

    /// Takes a result out.
    pub fn remove(&mut self, id: ResultId) -> Option<Staged> {
        let index = self.items.iter().position(|item| item.id == id)?;
        if let Some(scored) = self.scored_index(id) {
            self.dscore.remove(scored);
        }
        let item = self.items.remove(index);
        self.note();
        Some(item)
    }

    /// The result of a name.
    pub fn find(&self, id: ResultId) -> Option<&Staged> {
        self.items.iter().find(|item| item.id == id)
    }

    /// Mean distance of a result to the others: what it adds to the D-score.
    pub fn adds(&self, id: ResultId) -> Option<f64> {
        self.dscore.contribution(self.scored_index(id)?)
    }

    /// The result after `id`, or the one before it when it is the last.
    pub fn neighbor(&self, id: ResultId) -> Option<ResultId> {
        let index = self.items.iter().position(|item| item.id == id)?;
        self.items
            .get(index + 1)
            .or_else(|| index.checked_sub(1).and_then(|i| self.items.get(i)))
            .map(|item| item.id)
    }

    /// Results that differ from `id` in their seed alone, itself among them: what they disagree on is made up.
    pub fn same_but_seed(&self, id: ResultId) -> Vec<ResultId> {
        let Some(item) = self.find(id) else {
            return Vec::new();
        };
        let alike = |other: &&Staged| {
            Arc::ptr_eq(&other.request, &item.request)
                || same_but_seed(&other.request, &item.request)
        };
        self.items
            .iter()
            .filter(alike)
            .map(|other| other.id)
            .collect()
    }

    fn scored_index(&self, id: ResultId) -> Option<usize> {
        self.items
            .iter()
            .filter(|item| item.scored)
            .position(|item| item.id == id)
    }

    fn note(&mut self) {
        if let Some(value) = self.dscore.value() {
            self.past.push(value);
            if self.past.len() > 64 {
                self.past.remove(0);
            }
        }
    }
}

/// Whether two requests ask for the same with other noise.
fn same_but_seed(a: &Request, b: &Request) -> bool {
    let film = match (&a.source, &b.source) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    };
    // The large parts last: most differ before.
    film && a.mode == b.mode
        && a.model == b.model
        && a.control_model == b.control_model
        && a.refiner == b.refiner
        && a.prompted == b.prompted
        && a.size == b.size
        && a.attributes == b.attributes
        && (a.steps, a.sampler, a.passes) == (b.steps, b.sampler, b.passes)
        && a.composite == b.composite
        && (a.strength, a.guidance) == (b.strength, b.guidance)
        && a.control == b.control
        && a.ring == b.ring
        && a.window == b.window
        && a.landmarks == b.landmarks
        && a.mask == b.mask
        && a.hint == b.hint
}
