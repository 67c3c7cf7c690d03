//! How long the steps of a lesson take with our operations and with the tensor library's own, side by side.
//!
//! Separate from the trainer: nothing is kept. Two copies of one network learn the same batches in turns, so that a busy
//! machine slows both alike. Data, optimizer and averages are ours on both sides: only the networks differ.

use std::time::Instant;

use super::data;
use super::lesson::{self, Lesson};
use super::optimizer::{AdamW, Rates};
use super::recipe::Recipe;
use super::tensors;
use crate::job::{Error, Observe, Progress, TrainingPlan};
use crate::network::device::Place;
use crate::network::ops::with_library_kernels;

/// Steps whose losses are compared. The first alone says little where a network's last layer starts at zero.
pub const COMPARED: usize = 5;

/// What two copies of a network took.
#[derive(Clone, Debug)]
pub struct Turns {
    /// Seconds of each step with our operations.
    pub ours: Vec<f64>,
    /// Seconds of each step with the tensor library's kernels.
    pub library: Vec<f64>,
    /// Seconds of each of our steps that its batch took.
    pub data: Vec<f64>,
    /// How far the two losses of a step lie apart at most over the first [`COMPARED`], as a share of the larger: 0 = equal.
    /// Later ones drift apart by themselves, as rounding is amplified from step to step.
    pub difference: f64,
}

/// One copy of the network with its optimizer.
struct Copy {
    lesson: Box<dyn Lesson>,
    optimizer: AdamW,
}

impl Copy {
    fn new(lesson: Box<dyn Lesson>) -> Result<Self, Error> {
        let optimizer = AdamW::new(lesson.weights()).map_err(|error| tensors(&error))?;
        Ok(Self { lesson, optimizer })
    }

    /// The whole step as the trainer does it, its batch first; its seconds, those of its batch, and its loss.
    fn step(&mut self, recipe: &Recipe, step: usize, done: f64) -> Result<[f64; 3], Error> {
        let start = Instant::now();
        let (loss, data) = self.lesson.loss(step, done)?;
        let run = || {
            let value = f64::from(loss.total.to_scalar::<f32>()?);
            let gradients = match loss.gradients {
                Some(gradients) => gradients,
                None => loss.total.backward()?,
            };
            let rates = Rates {
                rate: recipe.rate_at(step, done),
                weight_decay: recipe.weight_decay,
                clip: recipe.clip,
                average: recipe.average,
            };
            self.optimizer.step(&gradients, &rates)?;
            Ok(value)
        };
        let value = run().map_err(|error: candle_core::Error| tensors(&error))?;
        Ok([start.elapsed().as_secs_f64(), data.made, value])
    }
}

/// Runs the first `steps` steps of a plan on the processor with our operations, and the first `library_steps` of them
/// with the tensor library's as well.
pub fn side_by_side(
    plan: &TrainingPlan,
    steps: usize,
    library_steps: usize,
    observe: &mut Observe<'_>,
) -> Result<Turns, Error> {
    let recipe = Recipe::from_value(&plan.recipe)?;
    let data = data::load(plan, &recipe, observe)?;
    let place = Place::default();
    let begin = || Copy::new(lesson::begin(plan, &recipe, data.clone(), &place)?);
    let (mut mine, mut other) = (begin()?, begin()?);
    let mut turns = Turns {
        ours: Vec::new(),
        library: Vec::new(),
        data: Vec::new(),
        difference: 0.0,
    };
    for step in 0..steps.max(library_steps) {
        let progress = Progress {
            stage: format!("steps of {}", super::task_name(plan.task)),
            step,
            steps: steps.max(library_steps),
            seconds_left: None,
            preview: None,
            value: None,
        };
        if observe(progress).is_break() {
            return Err(Error::stopped());
        }
        let done = step as f64 / steps.max(library_steps) as f64;
        let (mut here, mut there) = (None, None);
        if step < steps {
            let [seconds, data, loss] = mine.step(&recipe, step, done)?;
            turns.ours.push(seconds);
            turns.data.push(data);
            here = Some(loss);
        }
        if step < library_steps {
            let [seconds, _, loss] = with_library_kernels(|| other.step(&recipe, step, done))?;
            turns.library.push(seconds);
            there = Some(loss);
        }
        if let (0..COMPARED, Some(a), Some(b)) = (step, here, there) {
            let apart = (a - b).abs() / a.abs().max(b.abs()).max(1e-12);
            turns.difference = turns.difference.max(apart);
        }
    }
    Ok(turns)
}
