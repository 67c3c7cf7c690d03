//! Whether to go on: the person has not stopped it, and it has not lasted too long.
//!
//! Separate because every wait of this layer asks it, in whatever thread it waits.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::{SLICE, failed};
use crate::job::{Error, Observe, Progress};

/// Watches one transfer.
pub(super) struct Watch<'a> {
    observe: &'a mut Observe<'a>,
    progress: Progress,
    asked: Option<Instant>,
    until: Instant,
    most: Duration,
}

impl<'a> Watch<'a> {
    /// From now on for `most`; `stage` is what a person is told.
    pub(super) fn new(observe: &'a mut Observe<'_>, stage: &str, most: Duration) -> Self {
        Self {
            observe,
            progress: Progress {
                stage: stage.to_owned(),
                step: 0,
                steps: 0,
                seconds_left: None,
                preview: None,
                value: None,
            },
            asked: None,
            until: Instant::now() + most,
            most,
        }
    }

    /// Asks whether to go on; the person is asked at most once a slice.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        if now >= self.until {
            return Err(failed(format!(
                "it took longer than {} s in all",
                self.most.as_secs_f64()
            ))
            .remedy("transfer less at once, or allow more time for this node"));
        }
        if self.asked.is_some_and(|asked| now - asked < SLICE) {
            return Ok(());
        }
        self.asked = Some(now);
        match (self.observe)(self.progress.clone()) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::stopped()),
        }
    }

    /// Says how far it is, and asks whether to go on.
    pub(super) fn at(&mut self, step: usize, steps: usize) -> Result<(), Error> {
        if (self.progress.step, self.progress.steps) != (step, steps) {
            (self.progress.step, self.progress.steps) = (step, steps);
            self.asked = None;
        }
        self.check()
    }

    /// Time that is left in all.
    pub(super) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}
