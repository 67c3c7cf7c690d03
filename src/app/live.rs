//! Live mode: when an edit becomes a request.
//!
//! Separate because it is a small machine of its own, tested without a window: one request in flight, edits coalesce
//! into the next, a result says how many edits it is behind, and an error switches live mode off.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::job::{JobId, Made, Request};

/// Wait after the last edit, when answers are slow.
const GRACE: Duration = Duration::from_millis(250);
/// Answers slower than this are waited for before a new one is asked.
const SLOW_SECONDS: f64 = 1.5;
/// An answer is asked for at the latest after so long a time of edits without a pause.
const LATEST: Duration = Duration::from_secs(3);
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
            }
            Some(_) => {}
            None => self.pending = Some((revision, now, now)),
        }
    }

    /// How long until a request is due; `None` when nothing is to be asked or one is in flight.
    pub fn due_in(&self, now: Instant) -> Option<Duration> {
        if !self.on || self.in_flight.is_some() {
            return None;
        }
        let (_, first, last) = self.pending?;
        if self.mean_seconds().is_none_or(|mean| mean <= SLOW_SECONDS) {
            return Some(Duration::ZERO);
        }
        let due = (last + GRACE).min(first + LATEST);
        Some(due.saturating_duration_since(now))
    }

    /// Notes that a request went out.
    pub fn sent(&mut self, id: JobId, revision: u64, now: Instant) {
        self.in_flight = Some((id, revision, now));
        self.submitted = Some(revision);
        self.pending = None;
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
    pub fn answered(&mut self, made: Made, request: Arc<Request>, seconds: f64, now: Instant) {
        if let Some((_, revision, sent)) = self.in_flight.take() {
            self.latency = Some(now.saturating_duration_since(sent));
            self.seconds.push_back(seconds);
            if self.seconds.len() > WINDOW {
                self.seconds.pop_front();
            }
            self.result = Some(LiveResult {
                revision,
                made,
                request,
                seconds,
            });
        }
    }

    /// Notes that the request in flight was replaced or stopped.
    pub fn dropped(&mut self) {
        self.in_flight = None;
        self.submitted = None;
    }

    /// Switches it on or off; off forgets the answer.
    pub fn switch(&mut self, on: bool) {
        self.on = on;
        self.submitted = None;
        self.pending = None;
        if !on {
            self.result = None;
        }
    }

    /// Forgets everything of the last document, keeps the switch and the speed.
    pub fn new_document(&mut self) {
        self.in_flight = None;
        self.result = None;
        self.submitted = None;
        self.pending = None;
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
