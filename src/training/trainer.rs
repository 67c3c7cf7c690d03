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

use super::checkpoint::{self, Standing};
use super::lesson::Lesson;
use super::optimizer::{AdamW, Rates};
use super::recipe::Recipe;
use crate::job::{DataSource, Error, ErrorKind, Observe, Progress, Trained, TrainingPlan};
use crate::network::folder;
use crate::whole;

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
    observe: &mut Observe<'_>,
) -> Result<Trained, Error> {
    let mut run = Run::start(plan, recipe, lesson)?;
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
    optimizer: AdamW,
    standing: Standing,
    /// Share that was over when this session began.
    begun: f64,
    metrics: fs::File,
}

impl<'a> Run<'a> {
    fn start(
        plan: &'a TrainingPlan,
        recipe: &'a Recipe,
        lesson: &dyn Lesson,
    ) -> Result<Self, Error> {
        let io = |error: std::io::Error| {
            Error::new(ErrorKind::Failed, error.to_string())
                .at(&plan.out)
                .remedy("choose a folder that can be written with --out")
        };
        fs::create_dir_all(&plan.out).map_err(io)?;
        let mut optimizer = AdamW::new(lesson.weights()).map_err(tensors)?;
        let standing = if plan.resume {
            checkpoint::restore(&plan.out, &mut optimizer, &what(plan, recipe))?.unwrap_or_default()
        } else {
            Standing::default()
        };
        let path = plan.out.join("metrics.jsonl");
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
            optimizer,
            standing,
            begun,
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
        let loss = lesson.loss(step, done)?;
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
        let smoothing = (1.0 / (step as f64 + 1.0)).max(0.02);
        self.standing.loss += smoothing * (value - self.standing.loss);
        self.standing.step += 1;
        if step.is_multiple_of(self.recipe.log_every.max(1)) {
            self.log(value, norm, rates.rate, &loss.parts)?;
        }
        Ok(())
    }

    fn log(
        &mut self,
        loss: f64,
        norm: f64,
        rate: f64,
        parts: &[(&'static str, f64)],
    ) -> Result<(), Error> {
        let mut line = serde_json::json!({
            "step": self.standing.step,
            "loss": loss,
            "smoothed": self.standing.loss,
            "gradient": norm,
            "rate": rate,
            "seconds": self.standing.seconds,
        });
        for (name, value) in parts {
            line[*name] = serde_json::json!(value);
        }
        writeln!(self.metrics, "{line}").map_err(|error| {
            Error::new(ErrorKind::Failed, error.to_string()).at(self.plan.out.join("metrics.jsonl"))
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
        Progress {
            stage: format!("training {}", super::task_name(self.plan.task)),
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
            &what(self.plan, self.recipe),
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

/// What a run is of, as its checkpoint keeps it: another answer means other images, another network or other chance.
/// Steps, rates and folders may change between sessions.
fn what(plan: &TrainingPlan, recipe: &Recipe) -> String {
    let data = match &plan.data {
        DataSource::Folder(_) => "a folder".to_owned(),
        DataSource::Phantoms { kinds, seed, count } => {
            format!("{count} phantoms of each {} from {seed}", kinds.join(" "))
        }
    };
    format!(
        "{} on {data}{}, {} px, crops of {}, {} a batch, {} held out, seed {}, network {}",
        super::task_name(plan.task),
        if recipe.independent {
            ", heads of their own"
        } else {
            ""
        },
        recipe.size,
        recipe.crop,
        recipe.batch,
        recipe.held_out,
        recipe.seed,
        recipe.network,
    )
}

/// Takes the lines of steps beyond `step` out of the metrics: a killed run had written them, and they are done again.
fn cut_back(path: &Path, step: usize) -> std::io::Result<()> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
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
    if kept.len() == text.len() {
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
