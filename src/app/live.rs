//! Live mode: when an edit becomes a request.
//!
//! Separate because it is a small machine of its own, tested without a window: one request in flight, edits coalesce
//! into the next, a result says how many edits it is behind, and an error switches live mode off. While edits keep
//! coming each is answered in one step; when they pause for a moment the same state is asked for in a few steps, when
//! the hand rests in full quality, and the next edit stops either.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::geometry::PixelRect;
use crate::job::{GivenNoise, JobId, Made, Request, WarmStart};
use crate::landmarks::HipLandmarks;

/// Wait after the last edit, when answers are slow.
const GRACE: Duration = Duration::from_millis(250);
/// Answers slower than this are waited for before a new one is asked.
const SLOW_SECONDS: f64 = 1.5;
/// An answer is asked for at the latest after so long a time of edits without a pause.
const LATEST: Duration = Duration::from_secs(3);
/// Edits pause when nothing was edited for so long: shorter than a quick answer takes, so that one stroke is settled as
/// soon as it was answered, and longer than two edits of a dragged point are apart.
const PAUSE: Duration = Duration::from_millis(50);
/// The hand rests when nothing was edited for so long.
const REST: Duration = Duration::from_millis(250);
/// Denoising steps of a settled preview at most.
pub const PREVIEW_STEPS: usize = 4;
/// The largest part of the image that edits may touch for a quick answer to begin with what settled before them.
pub const SMALL_EDIT: f64 = 0.15;
/// Where on the path a warm start begins: half of the steps are left.
pub const WARM_FROM: f64 = 0.5;
/// How many answers the mean is taken over.
const WINDOW: usize = 10;

/// How good an answer is; each is asked for when the one before is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quality {
    /// One step and nothing drawn again: while edits keep coming.
    #[default]
    Quick,
    /// A few steps, hips drawn again: when edits pause for a moment.
    Settled,
    /// As Generate makes it: when the hand rests.
    Full,
}

/// An answer of live mode, shown on the canvas but no part of the document.
pub struct LiveResult {
    /// The revision it shows.
    pub revision: u64,
    /// The image with its numbers.
    pub made: Made,
    /// What it was made from.
    pub request: Arc<Request>,
    /// Seconds it took.
    pub seconds: f64,
    /// How good it is.
    pub quality: Quality,
}

/// What an answer was made from, as far as a warm start needs to know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Basis {
    /// Revision of the recipe.
    pub recipe: u64,
    /// Address of the image.
    pub image: usize,
    /// Hip points that were asked for.
    pub hips: Option<HipLandmarks>,
    /// Generation of the sketch.
    pub sketch: u64,
    /// Generation of the mask.
    pub mask: u64,
}

impl Basis {
    /// Whether nothing differs but lines and mask.
    fn is_same_but_layers(&self, other: &Self) -> bool {
        let layers = |basis: &Self| Self {
            sketch: 0,
            mask: 0,
            ..*basis
        };
        layers(self) == layers(other)
    }
}

/// The latent of the last settled preview, with what it was made from.
struct Warmth {
    basis: Basis,
    region: PixelRect,
    latent: GivenNoise,
}

/// The state of live mode.
#[derive(Default)]
pub struct Live {
    /// Whether it is on.
    pub on: bool,
    /// The request in flight, with the revision it was made from.
    pub in_flight: Option<(JobId, u64, Instant)>,
    /// The newest answer.
    pub result: Option<LiveResult>,
    /// The newest revision that was asked for.
    submitted: Option<u64>,
    /// When the first and the last edit happened that no request has seen.
    pending: Option<(u64, Instant, Instant)>,
    /// A button is held: what comes next is another edit, and nothing but it is begun.
    pub holding: bool,
    /// The reading of the hip points of the answer that is shown; full quality, which brings its own, waits for it.
    pub reading: Option<JobId>,
    /// How good the answer in flight will be.
    flying: Quality,
    /// Whether the state that the request in flight shows has had an answer: any edit is worth more.
    yields: bool,
    /// When the last edit was seen.
    edited: Option<Instant>,
    /// What the request in flight was made from.
    asked: Option<Basis>,
    warmth: Option<Warmth>,
    seconds: VecDeque<f64>,
    latency: Option<Duration>,
}

impl Live {
    /// Tells it the revision as it stands; an O(1) comparison a frame.
    pub fn observe(&mut self, revision: u64, now: Instant) {
        if self.submitted == Some(revision) {
            self.pending = None;
            return;
        }
        match &mut self.pending {
            Some((seen, _, last)) if *seen != revision => {
                *seen = revision;
                *last = now;
                self.edited = Some(now);
            }
            Some(_) => {}
            None => {
                self.pending = Some((revision, now, now));
                self.edited = Some(now);
            }
        }
    }

    /// How long until an edit is to be answered; `None` when nothing is to be asked or a first answer is in flight.
    pub fn due_in(&self, now: Instant) -> Option<Duration> {
        if !self.on || (self.in_flight.is_some() && !self.yields) {
            return None;
        }
        let (_, first, last) = self.pending?;
        if self.mean_seconds().is_none_or(|mean| mean <= SLOW_SECONDS) {
            return Some(Duration::ZERO);
        }
        let due = (last + GRACE).min(first + LATEST);
        Some(due.saturating_duration_since(now))
    }

    /// What the state that is shown is to be asked for in next, and how long until then; `None` while edits come in,
    /// something is in flight, or the best is there.
    pub fn next_due(&self, now: Instant) -> Option<(Quality, Duration)> {
        let shown = self.result.as_ref()?;
        let rests = self.on && self.in_flight.is_none() && self.pending.is_none() && !self.holding;
        if !rests || self.submitted != Some(shown.revision) {
            return None;
        }
        let (next, pause) = match shown.quality {
            Quality::Quick => (Quality::Settled, PAUSE),
            Quality::Settled if self.reading.is_none() => (Quality::Full, REST),
            Quality::Settled | Quality::Full => return None,
        };
        let due = self.edited.map_or(now, |edited| edited + pause);
        Some((next, due.saturating_duration_since(now)))
    }

    /// Notes that the state of `revision` was asked for, made from this.
    pub fn sent(
        &mut self,
        id: JobId,
        revision: u64,
        (quality, basis): (Quality, Basis),
        now: Instant,
    ) {
        let shown = self.result.as_ref();
        self.yields = shown.is_some_and(|shown| shown.revision == revision);
        self.in_flight = Some((id, revision, now));
        self.submitted = Some(revision);
        self.pending = None;
        self.flying = quality;
        self.asked = Some(basis);
    }

    /// What the last settled preview was made from, where a quick one may begin with it.
    pub fn warm_basis(&self) -> Option<&Basis> {
        self.warmth.as_ref().map(|warmth| &warmth.basis)
    }

    /// A warm start from the last settled preview, for a state of which lines and mask were `touched` since, a share of the
    /// image; absent when that is not known or too much, nothing was, or anything else changed.
    pub fn warm(&self, basis: &Basis, touched: Option<f64>) -> Option<WarmStart> {
        let warmth = self.warmth.as_ref()?;
        let is_small = touched.is_some_and(|share| share <= SMALL_EDIT);
        (is_small && warmth.basis != *basis && warmth.basis.is_same_but_layers(basis)).then(|| {
            WarmStart {
                t: WARM_FROM,
                region: warmth.region,
                latent: warmth.latent.clone(),
            }
        })
    }

    /// Notes that the state of `revision` cannot be asked for (nothing is painted): it is not tried again.
    pub fn skip(&mut self, revision: u64) {
        self.submitted = Some(revision);
        self.pending = None;
    }

    /// Whether this job is the one in flight.
    pub fn is(&self, id: JobId) -> bool {
        self.in_flight.is_some_and(|(flying, ..)| flying == id)
    }

    /// Takes an answer in.
    pub fn answered(&mut self, mut made: Made, request: Arc<Request>, seconds: f64, now: Instant) {
        let Some((_, revision, sent)) = self.in_flight.take() else {
            return;
        };
        let asked = self.asked.take();
        // Quick answers begin with what settled before them, never with each other: errors would add up (seen: two
        // outlines of one bone after a few strokes). One in full quality leaves no latent.
        let is_settled = self.flying == Quality::Settled && request.prompted.is_none();
        let latent = made.latent.take();
        if let Some((basis, (region, latent))) = asked.zip(latent).filter(|_| is_settled) {
            self.warmth = Some(Warmth {
                basis,
                region,
                latent,
            });
        }
        if !std::mem::take(&mut self.yields) {
            self.latency = Some(now.saturating_duration_since(sent));
            self.seconds.push_back(seconds);
            if self.seconds.len() > WINDOW {
                self.seconds.pop_front();
            }
        }
        self.result = Some(LiveResult {
            revision,
            made,
            request,
            seconds,
            quality: self.flying,
        });
    }

    /// Notes that the request in flight was replaced or stopped.
    pub fn dropped(&mut self) {
        self.in_flight = None;
        self.submitted = None;
        self.yields = false;
    }

    /// Switches it on or off; off forgets the answer.
    pub fn switch(&mut self, on: bool) {
        self.on = on;
        self.submitted = None;
        self.pending = None;
        self.warmth = None;
        self.reading = None;
        if !on {
            self.result = None;
        }
    }

    /// Forgets everything of the last document, keeps the switch and the speed.
    pub fn new_document(&mut self) {
        self.in_flight = None;
        self.yields = false;
        self.reading = None;
        self.result = None;
        self.submitted = None;
        self.pending = None;
        self.warmth = None;
    }

    /// Edits made since the one that the answer shows.
    pub fn behind(&self, revision: u64) -> Option<u64> {
        self.result
            .as_ref()
            .map(|result| revision.saturating_sub(result.revision))
    }

    /// From the edit to the answer, the last time.
    pub fn latency(&self) -> Option<Duration> {
        self.latency
    }

    fn mean_seconds(&self) -> Option<f64> {
        (!self.seconds.is_empty())
            .then(|| self.seconds.iter().sum::<f64>() / self.seconds.len() as f64)
    }
}
