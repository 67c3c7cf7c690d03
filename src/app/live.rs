//! Live mode: when an edit becomes a request.
//!
//! Separate because it is a small machine of its own, tested without a window: one request in flight, edits coalesce
//! into the next, a result says how many edits it is behind, and an error switches live mode off. Previews come first;
//! when the hand rests, the same state is asked for once more in full quality, and the next edit stops that.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::geometry::PixelRect;
use crate::job::{GivenNoise, JobId, Made, Request, WarmStart};

/// Wait after the last edit, when answers are slow.
const GRACE: Duration = Duration::from_millis(250);
/// Answers slower than this are waited for before a new one is asked.
const SLOW_SECONDS: f64 = 1.5;
/// An answer is asked for at the latest after so long a time of edits without a pause.
const LATEST: Duration = Duration::from_secs(3);
/// The hand rests when nothing was edited for so long.
const REST: Duration = Duration::from_millis(250);
/// Denoising steps of a preview at most.
pub const PREVIEW_STEPS: usize = 4;
/// Where on the path a warm start begins: half of the steps are left.
pub const WARM_FROM: f64 = 0.5;
/// How many answers the mean is taken over.
const WINDOW: usize = 10;

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
    /// Whether it is in full quality.
    pub full: bool,
}

/// What a warm start needs to stay the same: revision of the recipe, generation of the mask, address of the image.
pub type Sameness = (u64, u64, usize);

/// The latent of the last preview, with what it was made from.
struct Warmth {
    same: Sameness,
    /// Generation of the sketch it shows.
    sketch: u64,
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
    /// Whether the request in flight is one of full quality.
    flying_full: bool,
    /// When the last edit was seen.
    edited: Option<Instant>,
    /// What the request in flight was made from.
    asked: Option<(Sameness, u64)>,
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

    /// How long until a preview is due; `None` when nothing is to be asked or one is in flight.
    pub fn due_in(&self, now: Instant) -> Option<Duration> {
        if !self.on || (self.in_flight.is_some() && !self.flying_full) {
            return None;
        }
        let (_, first, last) = self.pending?;
        if self.mean_seconds().is_none_or(|mean| mean <= SLOW_SECONDS) {
            return Some(Duration::ZERO);
        }
        let due = (last + GRACE).min(first + LATEST);
        Some(due.saturating_duration_since(now))
    }

    /// How long until the state that is shown is due in full quality; `None` while it is not, or is there already.
    pub fn full_due_in(&self, now: Instant) -> Option<Duration> {
        let shown = self.result.as_ref()?;
        let rests = self.on && self.in_flight.is_none() && self.pending.is_none();
        if !rests || shown.full || self.submitted != Some(shown.revision) {
            return None;
        }
        let due = self.edited.map_or(now, |edited| edited + REST);
        Some(due.saturating_duration_since(now))
    }

    /// Notes that a preview went out, and what it was made from.
    pub fn sent(&mut self, id: JobId, revision: u64, now: Instant) {
        self.in_flight = Some((id, revision, now));
        self.submitted = Some(revision);
        self.pending = None;
        self.flying_full = false;
        self.asked = None;
    }

    /// Notes what the preview that just went out was made from: the next one may begin with its answer.
    pub fn made_from(&mut self, same: Sameness, sketch: u64) {
        self.asked = Some((same, sketch));
    }

    /// Notes that the state of `revision` was asked for in full quality.
    pub fn sent_full(&mut self, id: JobId, revision: u64, now: Instant) {
        self.sent(id, revision, now);
        self.flying_full = true;
    }

    /// A warm start from the last preview; absent when anything but the sketch changed, or the sketch by more than the
    /// edit of its generation.
    pub fn warm(&self, same: Sameness, sketch: u64) -> Option<WarmStart> {
        let warmth = self.warmth.as_ref()?;
        (warmth.same == same && warmth.sketch + 1 == sketch).then(|| WarmStart {
            t: WARM_FROM,
            region: warmth.region,
            latent: warmth.latent.clone(),
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
        let full = std::mem::take(&mut self.flying_full);
        let from = self.asked.take();
        // After an answer in full quality the next preview begins from noise again: errors do not add up.
        self.warmth = made
            .latent
            .take()
            .filter(|_| request.preview && request.prompted.is_none())
            .zip(from)
            .map(|((region, latent), from)| {
                let (same, sketch) = from;
                Warmth {
                    same,
                    sketch,
                    region,
                    latent,
                }
            });
        if !full {
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
            full,
        });
    }

    /// Notes that the request in flight was replaced or stopped.
    pub fn dropped(&mut self) {
        self.in_flight = None;
        self.submitted = None;
        self.flying_full = false;
    }

    /// Switches it on or off; off forgets the answer.
    pub fn switch(&mut self, on: bool) {
        self.on = on;
        self.submitted = None;
        self.pending = None;
        self.warmth = None;
        if !on {
            self.result = None;
        }
    }

    /// Forgets everything of the last document, keeps the switch and the speed.
    pub fn new_document(&mut self) {
        self.in_flight = None;
        self.flying_full = false;
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
