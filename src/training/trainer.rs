//! The training loop: rate, step, average, metrics, checkpoints, export, and stopping in time.
//!
//! Separate from the lessons, which only know their data and their loss. A loss that is not a number stops the run with
//! the last good checkpoint kept.

use std::fs;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::Tensor;
use candle_core::backprop::GradStore;

use super::checkpoint::{self, Identity, Standing};
use super::lesson::{DataTime, Lesson};
use super::optimizer::{AdamW, Rates};
use super::recipe::Recipe;
use crate::job::{Error, ErrorKind, Observe, Progress, Trained, TrainingPlan};
use crate::network::folder;
use crate::whole;

/// Name of the file with a line for every so many steps.
const METRICS: &str = "metrics.jsonl";
/// Name of that of the run before, as [`checkpoint::BEFORE`].
const METRICS_BEFORE: &str = "metrics-before.jsonl";

/// The loss of one step.
#[derive(Debug)]
pub struct Loss {
    /// What is minimized, a scalar.
    pub total: Tensor,
    /// Its parts worth a curve.
    pub parts: Vec<(&'static str, f64)>,
    /// Its gradients, where the lesson has computed them already; `total` has no graph then.
    pub gradients: Option<GradStore>,
}

/// Trains until the recipe's steps, the plan's minutes or a `Break`.
pub fn train(
    plan: &TrainingPlan,
    recipe: &Recipe,
    lesson: &mut dyn Lesson,
    identity: &Identity,
    observe: &mut Observe<'_>,
) -> Result<Trained, Error> {
    let mut run = Run::start(plan, recipe, lesson, identity)?;
    let started = Instant::now();
    let before = run.standing.seconds;
    let first_step = run.standing.step;
    let mut saved = Instant::now();
    let limit = plan.minutes.map(|minutes| minutes * 60.0);
    while run.standing.step < recipe.steps {
        let spent = started.elapsed().as_secs_f64();
        if limit.is_some_and(|limit| spent >= limit) {
            break;
        }
        run.standing.seconds = before + spent;
        let done = run.done(limit, spent);
        run.standing.done = done;
        let progress = run.progress(spent, first_step, limit);
        if let ControlFlow::Break(()) = observe(progress) {
            run.save(lesson)?;
            return Err(Error::stopped());
        }
        run.step(lesson, done)?;
        if saved.elapsed().as_secs_f64() >= recipe.checkpoint_minutes * 60.0 {
            run.save(lesson)?;
            saved = Instant::now();
        }
    }
    let spent = started.elapsed().as_secs_f64();
    run.standing.seconds = before + spent;
    run.standing.done = run.done(limit, spent).min(1.0);
    let checkpoint = run.save(lesson)?;
    run.finish(lesson)?;
    Ok(Trained {
        steps: run.standing.step,
        loss: run.standing.loss,
        checkpoint,
    })
}

struct Run<'a> {
    plan: &'a TrainingPlan,
    recipe: &'a Recipe,
    identity: &'a Identity,
    optimizer: AdamW,
    standing: Standing,
    /// Share that was over when this session began.
    begun: f64,
    /// Seconds of this session in which nothing was done but making batches.
    waited: f64,
    metrics: fs::File,
}

/// What one step came to.
struct Learnt {
    loss: f64,
    parts: Vec<(&'static str, f64)>,
    /// Norm of the gradient before clipping.
    norm: f64,
    rate: f64,
}

impl<'a> Run<'a> {
    fn start(
        plan: &'a TrainingPlan,
        recipe: &'a Recipe,
        lesson: &dyn Lesson,
        identity: &'a Identity,
    ) -> Result<Self, Error> {
        let io = |error: std::io::Error| {
            Error::new(ErrorKind::Failed, error.to_string())
                .at(&plan.out)
                .remedy("choose a folder that can be written with --out")
        };
        fs::create_dir_all(&plan.out).map_err(io)?;
        whole::clear(&plan.out);
        let mut optimizer = AdamW::new(lesson.weights()).map_err(tensors)?;
        let standing = if plan.resume {
            checkpoint::restore(&plan.out, &mut optimizer, identity)?.unwrap_or_default()
        } else {
            set_aside(&plan.out).map_err(io)?;
            Standing::default()
        };
        let path = plan.out.join(METRICS);
        if plan.resume {
            cut_back(&path, standing.step).map_err(io)?;
        }
        let metrics = fs::OpenOptions::new()
            .create(true)
            .append(plan.resume)
            .truncate(!plan.resume)
            .write(true)
            .open(path)
            .map_err(io)?;
        // A run that came to its end begins another descent of the rate; one that was broken off goes on with its own.
        let begun = if standing.done < 1.0 {
            standing.done
        } else {
            0.0
        };
        Ok(Self {
            plan,
            recipe,
            identity,
            optimizer,
            standing,
            begun,
            waited: 0.0,
            metrics,
        })
    }

    /// The share of the run that is over, `spent` seconds of this session's `limit` after it began.
    fn done(&self, limit: Option<f64>, spent: f64) -> f64 {
        let steps = self.standing.step as f64 / self.recipe.steps as f64;
        match limit {
            Some(limit) if self.recipe.anneal_by_time => {
                steps.max(self.begun + (1.0 - self.begun) * spent / limit)
            }
            _ => steps,
        }
    }

    fn step(&mut self, lesson: &mut dyn Lesson, done: f64) -> Result<(), Error> {
        let step = self.standing.step;
        let next = Some(step + 1).filter(|next| *next < self.recipe.steps);
        let mut learnt = None;
        let data = lesson.learn(step, next, done, &mut |loss| {
            learnt = Some(self.descend(loss, done)?);
            Ok(())
        })?;
        let learnt = learnt
            .ok_or_else(|| Error::new(ErrorKind::Failed, format!("step {step} gave no loss")))?;
        self.waited += data.waited;
        let smoothing = (1.0 / (step as f64 + 1.0)).max(0.02);
        self.standing.loss += smoothing * (learnt.loss - self.standing.loss);
        self.standing.step += 1;
        if step.is_multiple_of(self.recipe.log_every.max(1)) {
            self.log(&learnt, data)?;
        }
        Ok(())
    }

    /// Moves the weights against the gradient of a loss.
    fn descend(&mut self, loss: Loss, done: f64) -> Result<Learnt, Error> {
        let step = self.standing.step;
        let value = f64::from(loss.total.to_scalar::<f32>().map_err(tensors)?);
        let diverged = |what: &str| {
            Error::new(
                ErrorKind::Failed,
                format!("training diverged: the {what} of step {step} is not a number"),
            )
            .at(self.plan.out.join(checkpoint::CHECKPOINT))
            .remedy("go on from the last checkpoint with --resume and a smaller rate")
        };
        if !value.is_finite() {
            return Err(diverged("loss"));
        }
        let gradients = match loss.gradients {
            Some(gradients) => gradients,
            None => loss.total.backward().map_err(tensors)?,
        };
        let rates = Rates {
            rate: self.recipe.rate_at(step, done),
            weight_decay: self.recipe.weight_decay,
            clip: self.recipe.clip,
            average: self.recipe.average,
        };
        let norm = self.optimizer.step(&gradients, &rates).map_err(tensors)?;
        if !norm.is_finite() {
            return Err(diverged("gradient"));
        }
        Ok(Learnt {
            loss: value,
            parts: loss.parts,
            norm,
            rate: rates.rate,
        })
    }

    fn log(&mut self, learnt: &Learnt, data: DataTime) -> Result<(), Error> {
        let mut line = serde_json::json!({
            "step": self.standing.step,
            "loss": learnt.loss,
            "smoothed": self.standing.loss,
            "gradient": learnt.norm,
            "rate": learnt.rate,
            "seconds": self.standing.seconds,
            "data_seconds": data.made,
            "data_waited": data.waited,
        });
        for (name, value) in &learnt.parts {
            line[*name] = serde_json::json!(value);
        }
        // In one piece: whoever reads along, or a kill, shall not meet half a line.
        let line = format!("{line}\n");
        self.metrics.write_all(line.as_bytes()).map_err(|error| {
            Error::new(ErrorKind::Failed, error.to_string()).at(self.plan.out.join(METRICS))
        })
    }

    fn progress(&self, spent: f64, first_step: usize, limit: Option<f64>) -> Progress {
        let here = self.standing.step - first_step;
        let left = (self.recipe.steps - self.standing.step) as f64;
        let by_steps = (here > 0).then(|| spent / here as f64 * left);
        let by_time = limit.map(|limit| (limit - spent).max(0.0));
        let seconds_left = match (by_steps, by_time) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let share = 100.0 * self.waited / spent.max(1e-9);
        let data = if here > 0 && share >= 1.0 {
            format!(", {share:.0} % for data")
        } else {
            String::new()
        };
        Progress {
            stage: format!("training {}{data}", super::task_name(self.plan.task)),
            step: self.standing.step,
            steps: self.recipe.steps,
            seconds_left,
            preview: None,
            value: (self.standing.step > 0).then_some(self.standing.loss),
        }
    }

    /// Checkpoint, and the averaged weights as a model folder.
    fn save(&self, lesson: &mut dyn Lesson) -> Result<PathBuf, Error> {
        let path = checkpoint::save(
            &self.plan.out,
            &self.optimizer,
            &self.standing,
            self.identity,
        )?;
        let averages = self.optimizer.averages().map_err(tensors)?;
        let mut card = lesson.card(&averages)?;
        card.training = format!(
            "{}; {} steps of {} images",
            card.training, self.standing.step, self.recipe.batch
        );
        folder::save(&self.plan.out, card, &averages).map_err(|error| super::model(&error))?;
        Ok(path)
    }

    /// Measures and calibrates what was written.
    fn finish(&self, lesson: &mut dyn Lesson) -> Result<(), Error> {
        let mut folder =
            folder::ModelFolder::open(&self.plan.out).map_err(|error| super::model(&error))?;
        let averages = self.optimizer.averages().map_err(tensors)?;
        lesson.measure(&averages, &mut folder.card)?;
        folder.save_card().map_err(|error| super::model(&error))
    }
}

/// Keeps what another run left in the folder, in the place of what was kept before: whoever forgets to go on with a run
/// has not lost it, and its checkpoint is not taken for one of the run that begins.
fn set_aside(out: &Path) -> std::io::Result<()> {
    for (name, before) in [
        (checkpoint::CHECKPOINT, checkpoint::BEFORE),
        (METRICS, METRICS_BEFORE),
    ] {
        match fs::rename(out.join(name), out.join(before)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

/// Takes the lines of steps beyond `step` out of the metrics: a killed run had written them, and they are done again.
fn cut_back(path: &Path, step: usize) -> std::io::Result<()> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    // What a machine that lost its power leaves at the end need not be text.
    let text = String::from_utf8_lossy(&bytes);
    let before = |line: &&str| {
        let value: Option<serde_json::Value> = serde_json::from_str(line).ok();
        let at = value.and_then(|value| value["step"].as_u64());
        at.is_some_and(|at| at <= step as u64)
    };
    let kept: String = text
        .lines()
        .filter(before)
        .flat_map(|line| [line, "\n"])
        .collect();
    if kept.as_bytes() == bytes {
        return Ok(());
    }
    whole::write(path, kept.as_bytes(), true)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what `map_err` hands over"
)]
fn tensors(error: candle_core::Error) -> Error {
    super::tensors(&error)
}
