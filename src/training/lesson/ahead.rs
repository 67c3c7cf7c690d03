//! The next batch is made while the last one is learnt.
//!
//! Separate from the lessons, which know nothing of threads: a batch is a pure function of its step, so that it is the
//! same whoever makes it and when. It fills the time in which the threads of a step wait for each other, and on a GPU
//! all of it; on two busy cores there is less to win.

use std::collections::BTreeMap;
use std::time::Instant;

use candle_core::{Result as Tensors, Tensor};

use super::Lesson;
use crate::job::Error;
use crate::network::folder::Card;
use crate::network::weights::Weights;
use crate::training::tensors;
use crate::training::trainer::Loss;

/// What one network is taught, and how its batches are made.
pub(super) trait Taught: Send + Sync {
    /// What a step learns from, before any network has seen it.
    type Batch: Send;

    /// The weights that are trained.
    fn weights(&self) -> &Weights;

    /// Hashes of the models that the run stands on and that stay as they are.
    fn stands_on(&self) -> Vec<String> {
        Vec::new()
    }

    /// What step `step` learns from: a pure function of the step.
    fn batch(&self, step: usize) -> Tensors<Self::Batch>;

    /// The loss of the batch of step `step`; `done` is the share of the run over.
    fn loss(&self, batch: Self::Batch, step: usize, done: f64) -> Tensors<Loss>;

    /// As [`Lesson::card`].
    fn card(&self, averages: &BTreeMap<String, Tensor>) -> Result<Card, Error>;

    /// As [`Lesson::measure`].
    fn measure(&self, averages: &BTreeMap<String, Tensor>, card: &mut Card) -> Result<(), Error>;
}

/// Seconds of a step that went to its data.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DataTime {
    /// What making its batch took, alone or beside the step before.
    pub made: f64,
    /// How long nothing else was done, for want of this batch or of the next one.
    pub waited: f64,
}

/// A lesson whose batches are made ahead.
pub(super) struct Ahead<T: Taught> {
    taught: T,
    next: Option<Made<T::Batch>>,
}

/// The batch of a step.
struct Made<B> {
    step: usize,
    batch: B,
    seconds: f64,
}

impl<T: Taught> Ahead<T> {
    pub(super) fn new(taught: T) -> Self {
        Self { taught, next: None }
    }

    /// The batch of a step: the one made ahead, or a new one.
    fn taken(&mut self, step: usize) -> Tensors<Made<T::Batch>> {
        match self.next.take() {
            Some(made) if made.step == step => Ok(made),
            _ => made(&self.taught, step),
        }
    }
}

fn made<T: Taught>(taught: &T, step: usize) -> Tensors<Made<T::Batch>> {
    let started = Instant::now();
    let batch = taught.batch(step)?;
    Ok(Made {
        step,
        batch,
        seconds: started.elapsed().as_secs_f64(),
    })
}

impl<T: Taught> Lesson for Ahead<T> {
    fn weights(&self) -> &Weights {
        self.taught.weights()
    }

    fn stands_on(&self) -> Vec<String> {
        self.taught.stands_on()
    }

    fn loss(&mut self, step: usize, done: f64) -> Result<(Loss, DataTime), Error> {
        let run = |lesson: &mut Self| {
            let made = lesson.taken(step)?;
            let time = DataTime {
                made: made.seconds,
                waited: made.seconds,
            };
            Ok((lesson.taught.loss(made.batch, step, done)?, time))
        };
        run(self).map_err(|error: candle_core::Error| tensors(&error))
    }

    fn learn(
        &mut self,
        step: usize,
        next: Option<usize>,
        done: f64,
        learn: &mut (dyn FnMut(Loss) -> Result<(), Error> + Send),
    ) -> Result<DataTime, Error> {
        let started = Instant::now();
        let Made { batch, seconds, .. } = self.taken(step).map_err(|error| tensors(&error))?;
        let before = started.elapsed();
        let taught = &self.taught;
        let work = || {
            let loss = taught.loss(batch, step, done);
            learn(loss.map_err(|error| tensors(&error))?)?;
            Ok(Instant::now())
        };
        let (learnt, ahead): (Result<Instant, Error>, _) = match next {
            Some(next) => rayon::join(work, || made(taught, next).ok()),
            None => (work(), None),
        };
        let waited = before + learnt?.elapsed();
        // One that could not be made is tried again by its own step, which says what was wrong.
        self.next = ahead;
        Ok(DataTime {
            made: seconds,
            waited: waited.as_secs_f64(),
        })
    }

    fn card(&mut self, averages: &BTreeMap<String, Tensor>) -> Result<Card, Error> {
        self.taught.card(averages)
    }

    fn measure(
        &mut self,
        averages: &BTreeMap<String, Tensor>,
        card: &mut Card,
    ) -> Result<(), Error> {
        self.taught.measure(averages, card)
    }
}
