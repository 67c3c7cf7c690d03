//! The engine's contract, and what a running order says.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{Error, Order, Outcome, Reading, StudyTable, Trained};
use crate::grid::Grid;

/// Names one submitted order; never used twice in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId(pub u64);

/// How far a running order is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// What is being done, for a person: `denoising`, `training hips`.
    pub stage: String,
    /// Steps done.
    pub step: usize,
    /// Steps in all, ≥ 1; 0 when unknown.
    pub steps: usize,
    /// Seconds left, when it can be told.
    pub seconds_left: Option<f64>,
    /// A reduced grey picture (0–1) of what is being made.
    pub preview: Option<Arc<Grid<f32>>>,
    /// A number worth a curve: the loss while training.
    pub value: Option<f64>,
}

impl Progress {
    /// `done` of `steps` denoising steps, begun at `started`: what is left takes as long a step as what is done.
    pub fn denoising(done: usize, steps: usize, started: Instant) -> Self {
        let spent = started.elapsed().as_secs_f64();
        let left = steps.saturating_sub(done) as f64;
        Self {
            stage: "denoising".to_owned(),
            step: done,
            steps,
            seconds_left: (done > 0).then(|| spent / done as f64 * left),
            preview: None,
            value: None,
        }
    }

    /// `done` of `looks` looks at an image.
    pub fn reading(done: usize, looks: usize) -> Self {
        Self {
            stage: "reading".to_owned(),
            step: done,
            steps: looks,
            seconds_left: None,
            preview: None,
            value: None,
        }
    }
}

/// Receives progress; `Break` cancels within one step. Progress and cancelling are one idea.
pub type Observe<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;

/// What an order became.
#[derive(Clone, Debug)]
pub enum Product {
    /// Images.
    Outcome(Outcome),
    /// What was read from an image.
    Reading(Reading),
    /// A trained network.
    Trained(Trained),
    /// A study's table.
    Table(StudyTable),
}

/// Carries orders out, one at a time.
pub trait Engine: Send {
    /// Carries one order out; calls `observe` at least once a step and returns [`Error::stopped`] on `Break`.
    fn carry_out(&mut self, order: &Order, observe: &mut Observe<'_>) -> Result<Product, Error>;

    /// Where networks run, in words: `CPU · 2 threads`.
    fn place(&self) -> String {
        String::new()
    }

    /// What a person should know since the last call: a GPU that cannot be used, say.
    fn notices(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// What the worker says.
#[derive(Clone, Debug)]
pub enum Event {
    /// The engine is built and weights can be used; where networks run, in words. Said again when that changes.
    Ready(String),
    /// Something a person should know that belongs to no order.
    Notice(String),
    /// A running order got on.
    Progress(JobId, Progress),
    /// An order is done.
    Finished(JobId, Product),
    /// A live order was replaced by a newer one before or while it ran.
    Superseded(JobId),
    /// An order failed; a panic of the engine is one of these.
    Failed(JobId, Error),
}
