//! The few-step student's lesson: progressive distillation in one network that knows the length of its step.
//!
//! Separate from [`super::diffusion`]: here a finished generator is the teacher and stays as it is. A step of length `d`
//! learns the mean of two half steps (Salimans and Ho, "Progressive distillation", 2022; the length as an input after
//! Frans et al., "One step diffusion via shortcut models", 2024). The shortest half steps are the teacher's, guidance
//! included; longer ones are the student's own, without further guidance, which would compound.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Result as Tensors, Tensor};

use super::diffusion::{HOLES, error, velocity_loss};
use super::flow::{FlowBatch, FlowData, Holes, Sample};
use super::{Taught, card, fixed, mean_unseen};
use crate::job::Error;
use crate::network::condition::{Condition, Moment, Names, guided};
use crate::network::device::Place;
use crate::network::folder::{
    Card, Diffusion, DiffusionConfig, ModelFolder, Need, Student, Task, load_autoencoder,
    load_diffusion,
};
use crate::network::weights::Weights;
use crate::noise::Noise;
use crate::training::data::DataSet;
use crate::training::recipe::Recipe;
use crate::training::trainer::Loss;
use crate::training::{model, tensors};

/// Steps that the student can walk the whole way in, most first.
const STEPS: [usize; 3] = [4, 2, 1];
/// Guidance weights it learns.
const WEIGHTS: [f64; 4] = [1.0, 1.5, 2.0, 3.0];

struct StudentLesson {
    out: PathBuf,
    recipe: Recipe,
    flow: FlowData,
    needs: BTreeMap<String, Need>,
    /// Hashes of the autoencoder and of the teacher.
    stands_on: [String; 2],
    teacher: Diffusion,
    config: DiffusionConfig,
    names: Names,
    weights: Weights,
    network: Diffusion,
}

/// Loads autoencoder and teacher (the recipe's `base`) and starts the student as a copy of the teacher.
pub(super) fn begin(
    out: &Path,
    recipe: &Recipe,
    mut data: DataSet,
    place: &Place,
) -> Result<impl Taught + use<>, Error> {
    let path = Recipe::beside(&recipe.autoencoder, out, "autoencoder");
    let (autoencoder, autoencoder_folder) =
        load_autoencoder(&path, place).map_err(|e| model(&e))?;
    let path = Recipe::beside(&recipe.base, out, "diffusion");
    let (teacher, folder) = load_diffusion(&path, place).map_err(|e| model(&e))?;
    let config: DiffusionConfig = folder.configuration().map_err(|e| model(&e))?;
    // The places of kinds and findings are the teacher's.
    data.names = folder.card.names.clone().unwrap_or_default();
    let names = data.names.clone();
    let weights = Weights::on(recipe.seed, &place.device);
    let network =
        Diffusion::new(&weights.builder(), &config, names.clone()).map_err(|e| tensors(&e))?;
    let copied = folder
        .tensors()
        .map_err(|e| model(&e))?
        .into_iter()
        .collect();
    weights.set(&copied).map_err(|e| tensors(&e))?;
    Ok(StudentLesson {
        out: out.to_owned(),
        recipe: recipe.clone(),
        flow: FlowData::new(data, autoencoder, config.context),
        needs: needs(&folder),
        stands_on: [autoencoder_folder.hash(), folder.hash()],
        teacher,
        config,
        names,
        weights,
        network,
    })
}

/// The teacher's own autoencoder, and the teacher that it stands in for.
fn needs(teacher: &ModelFolder) -> BTreeMap<String, Need> {
    let mut needs = teacher.card.needs.clone();
    needs.insert(Task::Diffusion.name().to_owned(), Need::of(teacher));
    needs
}

const PARTS: Holes = Holes {
    moment: on_grid,
    ..HOLES
};

/// A step length, a time at which a walk of such steps stops, and a guidance weight. Half of the draws are the shortest
/// steps, on which all others stand.
fn on_grid(noise: &mut Noise, _blind: bool) -> Moment {
    let steps = STEPS[noise.index(4).saturating_sub(1)];
    let step = 1.0 / steps as f64;
    Moment {
        t: step * (1 + noise.index(steps)) as f64,
        step,
        guidance: WEIGHTS[noise.index(WEIGHTS.len())],
    }
}

/// Those samples of a batch for which `chosen` holds.
struct Part {
    rows: Vec<u32>,
    input: Tensor,
    hint: Tensor,
    conditions: Vec<Condition>,
    moments: Vec<Moment>,
}

impl Part {
    fn of(batch: &FlowBatch, chosen: impl Fn(&Moment) -> bool) -> Tensors<Option<Self>> {
        let rows: Vec<u32> = (0..batch.moments.len())
            .filter(|i| chosen(&batch.moments[*i]))
            .map(|i| i as u32)
            .collect();
        if rows.is_empty() {
            return Ok(None);
        }
        let index = Tensor::from_slice(&rows, rows.len(), batch.input.device())?;
        let each = |i: &u32| *i as usize;
        Ok(Some(Self {
            input: batch.input.index_select(&index, 0)?,
            hint: batch.hint.index_select(&index, 0)?,
            conditions: rows
                .iter()
                .map(|i| batch.conditions[each(i)].clone())
                .collect(),
            moments: rows.iter().map(|i| batch.moments[each(i)]).collect(),
            rows,
        }))
    }

    /// The mean velocity of two half steps, each as `velocity(input, moments of half the length)` gives it.
    fn two_half_steps(
        &self,
        latent: usize,
        mut velocity: impl FnMut(&Tensor, &[Moment]) -> Tensors<Tensor>,
    ) -> Tensors<Tensor> {
        let half: Vec<Moment> = self
            .moments
            .iter()
            .map(|m| Moment {
                step: m.step / 2.0,
                ..*m
            })
            .collect();
        let first = velocity(&self.input, &half)?.detach();
        let lengths: Vec<f32> = half.iter().map(|m| m.step as f32).collect();
        let lengths = Tensor::from_vec(lengths, (half.len(), 1, 1, 1), self.input.device())?;
        let z = self.input.narrow(1, 0, latent)?;
        let z = (z - first.broadcast_mul(&lengths)?)?;
        let others = self.input.dim(1)? - latent;
        let input = Tensor::cat(&[&z, &self.input.narrow(1, latent, others)?], 1)?;
        let later: Vec<Moment> = half
            .iter()
            .map(|m| Moment {
                t: m.t - m.step,
                ..*m
            })
            .collect();
        let second = velocity(&input, &later)?.detach();
        (first + second)? * 0.5
    }
}

impl StudentLesson {
    /// The teacher's velocity with its guidance.
    fn taught(&self, part: &Part, input: &Tensor, moments: &[Moment]) -> Tensors<Tensor> {
        let plain: Vec<Moment> = moments.iter().map(|m| Moment::plain(m.t)).collect();
        let weak: Vec<Condition> = part
            .conditions
            .iter()
            .map(Condition::without_labels)
            .collect();
        let ask =
            |conditions: &[Condition]| self.teacher.velocity(input, &part.hint, conditions, &plain);
        let strong = ask(&part.conditions)?;
        let weights: Vec<f64> = moments
            .iter()
            .map(|m| if m.guided() { m.guidance } else { 1.0 })
            .collect();
        if weights.iter().all(|w| *w == 1.0) {
            return Ok(strong);
        }
        let weak = ask(&weak)?;
        let rows: Vec<Tensor> = weights
            .iter()
            .enumerate()
            .map(|(i, w)| guided(&weak.narrow(0, i, 1)?, &strong.narrow(0, i, 1)?, *w))
            .collect::<Tensors<_>>()?;
        Tensor::cat(&rows, 0)
    }

    /// What the student shall say about each sample of a batch.
    fn targets(&self, batch: &FlowBatch) -> Tensors<Tensor> {
        let latent = self.config.denoiser.latent;
        let shortest = 1.0 / STEPS[0] as f64;
        let mut rows: Vec<Option<Tensor>> = vec![None; batch.moments.len()];
        let mut keep = |part: &Part, target: &Tensor| -> Tensors<()> {
            for (i, row) in part.rows.iter().enumerate() {
                rows[*row as usize] = Some(target.narrow(0, i, 1)?);
            }
            Ok(())
        };
        if let Some(part) = Part::of(batch, |m| m.step <= shortest)? {
            let target = part.two_half_steps(latent, |x, m| self.taught(&part, x, m))?;
            keep(&part, &target)?;
        }
        if let Some(part) = Part::of(batch, |m| m.step > shortest)? {
            let own = |x: &Tensor, m: &[Moment]| {
                self.network
                    .velocity(x, &part.hint, &part.conditions, m)
                    .map(|v| v.detach())
            };
            let target = part.two_half_steps(latent, own)?;
            keep(&part, &target)?;
        }
        let rows: Vec<Tensor> = rows.into_iter().flatten().collect();
        Tensor::cat(&rows, 0)
    }

    fn with_targets(&self, samples: &[Sample]) -> Tensors<FlowBatch> {
        let mut batch = self.flow.batch(samples)?;
        batch.target = self.targets(&batch)?;
        Ok(batch)
    }
}

impl Taught for StudentLesson {
    type Batch = Vec<Sample>;

    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn stands_on(&self) -> Vec<String> {
        self.stands_on.to_vec()
    }

    fn batch(&self, step: usize) -> Tensors<Vec<Sample>> {
        Ok(self.flow.samples(&self.recipe, step, &PARTS))
    }

    fn loss(&self, samples: Vec<Sample>, _step: usize, _done: f64) -> Tensors<Loss> {
        let batch = self.with_targets(&samples)?;
        let given = (&self.recipe, &self.config);
        velocity_loss(&self.network, &batch, given, "distance")
    }

    fn card(&self, _averages: &BTreeMap<String, Tensor>) -> Result<Card, Error> {
        let (out, recipe, data) = (&self.out, &self.recipe, &self.flow.data);
        let task = Task::Diffusion;
        let mut card = card(task, "flow-unet-1", &self.config, out, recipe, data);
        card.training = format!("distilled from diffusion on {}", data.description);
        card.names = Some(self.names.clone());
        card.needs.clone_from(&self.needs);
        card.student = Some(Student {
            steps: STEPS.into_iter().rev().collect(),
            guidance: [WEIGHTS[0], WEIGHTS[WEIGHTS.len() - 1]],
        });
        Ok(card)
    }

    fn measure(&self, averages: &BTreeMap<String, Tensor>, card: &mut Card) -> Result<(), Error> {
        let mean = Diffusion::new(&fixed(averages), &self.config, Names::default())
            .and_then(|network| {
                mean_unseen(|step| error(&network, &self.with_targets(&self.batch(step)?)?))
            })
            .map_err(|e| tensors(&e))?;
        card.measured
            .insert("distance_from_two_half_steps".to_owned(), mean);
        Ok(())
    }
}
