//! Results that wait, in which order, those that were rejected, and how diverse they are.
//!
//! Separate from the rest of the session because it keeps numbers of its own that follow every result.

use std::sync::Arc;

use super::ResultId;
use crate::document::Document;
use crate::job::{Made, Request};
use crate::landmarks::{HipLandmarks, Side};
use crate::measure::dscore::{DScore, DScoreMode};
use crate::measure::norberg::norberg_degrees;

/// Bytes of rejected results that are kept to be taken back: a few at the size of a mammogram, hundreds of small ones.
const REJECTED_BYTES: usize = 256 << 20;

/// What results are put in order by; what has no such number comes last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortBy {
    /// The oldest first.
    #[default]
    Time,
    /// The nearest to the drawn lines first.
    Hint,
    /// The least visible seam first: the jump nearest to 1.
    Seam,
    /// The one first of which the reader is surest that it shows what was asked for; with no finding asked for, the one
    /// with the likeliest finding.
    Opinion,
    /// The least different Norberg angles from those of the image as it stands first.
    Norberg,
}

impl SortBy {
    /// All of them, in the order of the menu.
    pub const ALL: [Self; 5] = [
        Self::Time,
        Self::Hint,
        Self::Seam,
        Self::Opinion,
        Self::Norberg,
    ];

    /// What a menu calls it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Time => "Time",
            Self::Hint => "Hint distance",
            Self::Seam => "Seam",
            Self::Opinion => "Reader's opinion",
            Self::Norberg => "Norberg difference",
        }
    }
}

/// Hip points of the image as it stands, and what its angles are computed with, to which results are compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Film {
    /// Its hip points.
    pub landmarks: Option<HipLandmarks>,
    /// Millimetres a pixel or its mere shape, `[row, column]`.
    pub proportions: Option<[f64; 2]>,
}

impl Film {
    /// Those of a document.
    pub fn of(document: &Document) -> Self {
        Self {
            landmarks: document.landmarks,
            proportions: document.image().proportions(),
        }
    }
}

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

impl Staged {
    /// Norberg angles less those of the film, degrees: right, then left; absent where either has none.
    pub fn norberg_differences(&self, film: &Film) -> [Option<f64>; 2] {
        let hips = self.made.hips.as_ref();
        let found = hips.filter(|hips| self.by_hand || hips.is_found());
        let pair = found.map(|hips| hips.landmarks).zip(film.landmarks);
        [Side::Right, Side::Left].map(|side| {
            let (made, before) = pair?;
            let angle = |points| norberg_degrees(points, side, film.proportions);
            Some(angle(&made)? - angle(&before)?)
        })
    }

    /// How sure the reader is of what was asked for, 0–1, on average; with nothing asked for, of the likeliest finding.
    fn opinion(&self) -> Option<f64> {
        let asked = &self.request.attributes.findings;
        let shares: Vec<f64> = (self.made.findings.iter())
            .filter_map(|(name, share)| {
                let wanted = *asked.get(name)?;
                Some(if wanted { *share } else { 1.0 - share })
            })
            .collect();
        if shares.is_empty() {
            let all = self.made.findings.iter().map(|(_, share)| *share);
            return all.max_by(f64::total_cmp);
        }
        Some(shares.iter().sum::<f64>() / shares.len() as f64)
    }

    /// The number it is put in order by, the best the least.
    fn rank(&self, by: SortBy, film: &Film) -> Option<f64> {
        let rank = match by {
            SortBy::Time => Some(self.id.0 as f64),
            SortBy::Hint => self.made.hint_distance_px,
            SortBy::Seam => self.made.seam?.jump.map(|jump| jump.ln().abs()),
            SortBy::Opinion => self.opinion().map(|share| -share),
            SortBy::Norberg => {
                let differences = self.norberg_differences(film);
                let sizes = differences.into_iter().flatten().map(f64::abs);
                sizes.max_by(f64::total_cmp)
            }
        };
        rank.filter(|rank| !rank.is_nan())
    }

    /// Bytes it holds, about.
    fn bytes(&self) -> usize {
        let maps: usize = self.made.saliency.iter().map(|map| 4 * map.len()).sum();
        // Pixels of two bytes, and one that says whether it was allowed to change.
        3 * self.made.changed.len() + maps
    }
}

/// Results that wait, and how diverse they are.
pub struct Tray {
    /// Oldest first, but those that were taken back last; see [`Self::sorted`].
    pub items: Vec<Staged>,
    /// What was rejected, the last one last; the oldest are forgotten where they take too much memory.
    pub rejected: Vec<Staged>,
    /// What they are put in order by.
    pub sort: SortBy,
    /// Whether they stand the other way round.
    pub reversed: bool,
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
            rejected: Vec::new(),
            sort: SortBy::default(),
            reversed: false,
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
        let scored = self.score(&made);
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

    fn score(&mut self, made: &Made) -> bool {
        if made.saliency.is_empty() {
            self.unscored = Some("the model has no reader that gives saliency maps".to_owned());
            return false;
        }
        match self.dscore.push(&made.saliency) {
            Ok(_) => true,
            Err(error) => {
                self.unscored = Some(error.to_string());
                false
            }
        }
    }

    /// Empties it; names, and the order that was chosen, go on.
    pub fn clear(&mut self) {
        *self = Self {
            sort: self.sort,
            reversed: self.reversed,
            next: self.next,
            ..Self::default()
        };
    }

    /// Puts results in this order.
    pub fn order(&mut self, by: SortBy, reversed: bool) {
        (self.sort, self.reversed) = (by, reversed);
    }

    /// Results in the order in which they are shown; those without the number come last.
    pub fn sorted(&self, film: &Film) -> Vec<&Staged> {
        let rank = |item| (Staged::rank(item, self.sort, film), item);
        let mut list: Vec<(Option<f64>, &Staged)> = self.items.iter().map(rank).collect();
        list.sort_by(|(a, first), (b, second)| {
            let order = match (a, b) {
                (Some(a), Some(b)) if self.reversed => b.total_cmp(a),
                (Some(a), Some(b)) => a.total_cmp(b),
                (a, b) => b.is_some().cmp(&a.is_some()),
            };
            order.then(first.id.cmp(&second.id))
        });
        list.into_iter().map(|(_, item)| item).collect()
    }

    /// Takes a result out, to where it can be taken back from.
    pub fn reject(&mut self, id: ResultId) {
        let item = self.remove(id);
        self.rejected.extend(item);
        let mut bytes: usize = self.rejected.iter().map(Staged::bytes).sum();
        while bytes > REJECTED_BYTES && self.rejected.len() > 1 {
            bytes -= self.rejected.remove(0).bytes();
        }
    }

    /// Takes a rejected result back, absent = the last one; `None` where there is none.
    pub fn bring_back(&mut self, id: Option<ResultId>) -> Option<ResultId> {
        let index = match id {
            Some(id) => self.rejected.iter().position(|item| item.id == id)?,
            None => self.rejected.len().checked_sub(1)?,
        };
        let mut item = self.rejected.remove(index);
        let id = item.id;
        item.scored = self.score(&item.made);
        self.items.push(item);
        self.note();
        Some(id)
    }

    /// Takes a result out for good.
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

    /// The result after `id` in the order in which they are shown, or the one before it when it is the last.
    pub fn neighbor(&self, id: ResultId, film: &Film) -> Option<ResultId> {
        let list = self.sorted(film);
        let index = list.iter().position(|item| item.id == id)?;
        list.get(index + 1)
            .or_else(|| index.checked_sub(1).and_then(|i| list.get(i)))
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
