//! The steps of diffusers' schedulers from noise to latent, one at a time.
//!
//! Separate from the table, which is plain numbers: here are tensors, and what a step remembers of those before it.
//! Factors are in f64 over the table's f32 values and are rounded once where they meet a tensor.

use candle_core::{Result, Tensor};

use super::multistep::{self, Memory};
use super::scheduler::{Prediction, Scheduler};
use super::{Kind, Table, pndm, table, unipc};

/// `Σ factor · tensor`; factors of 0 are left out, so that what they stand before need not be finite.
pub(super) fn mix(terms: &[(f64, &Tensor)]) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for (factor, tensor) in terms.iter().filter(|(factor, _)| *factor != 0.0) {
        let term = (*tensor * *factor)?;
        sum = Some(match sum {
            Some(sum) => (sum + term)?,
            None => term,
        });
    }
    match (sum, terms.first()) {
        (Some(sum), _) => Ok(sum),
        (None, Some((_, like))) => like.zeros_like(),
        (None, None) => candle_core::bail!("a sum of nothing"),
    }
}

/// How much of the picture and of the noise is in a sample: `z = a x + s ε`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub a: f64,
    pub s: f64,
}

impl Share {
    /// Of a share `ᾱ` of the picture's variance.
    pub(super) fn left(left: f64) -> Self {
        Self {
            a: left.sqrt(),
            s: (1.0 - left).max(0.0).sqrt(),
        }
    }

    /// Of noise over signal.
    pub(super) fn noise(sigma: f64) -> Self {
        let a = 1.0 / (sigma * sigma + 1.0).sqrt();
        Self { a, s: sigma * a }
    }

    /// Logarithm of signal over noise; infinite without noise.
    pub(super) fn lambda(self) -> f64 {
        self.a.ln() - self.s.ln()
    }

    /// The picture that an answer of the network speaks of.
    pub(super) fn clean(self, wanted: Prediction, z: &Tensor, answer: &Tensor) -> Result<Tensor> {
        match wanted {
            Prediction::Epsilon => mix(&[(1.0 / self.a, z), (-self.s / self.a, answer)]),
            Prediction::Sample => Ok(answer.clone()),
            Prediction::Velocity => mix(&[(self.a, z), (-self.s, answer)]),
        }
    }

    /// The noise that it speaks of.
    fn epsilon(self, wanted: Prediction, z: &Tensor, answer: &Tensor) -> Result<Tensor> {
        match wanted {
            Prediction::Epsilon => Ok(answer.clone()),
            Prediction::Sample => mix(&[(1.0 / self.s, z), (-self.a / self.s, answer)]),
            Prediction::Velocity => mix(&[(self.a, answer), (self.s, z)]),
        }
    }
}

/// A walk down a table, from noise or from the middle.
#[derive(Clone, Debug)]
pub struct Walk {
    scheduler: Scheduler,
    table: Table,
    /// Steps that were asked for; the table may have fewer.
    steps: usize,
    begin: usize,
    at: usize,
    memory: Memory,
}

impl Walk {
    /// A walk of `steps` steps; below a `strength` of 1 only its last part, `⌊steps · strength⌋` of them.
    ///
    /// An error in words for settings that are not supported, and where no step is left.
    pub fn new(
        scheduler: &Scheduler,
        steps: usize,
        strength: f64,
    ) -> std::result::Result<Self, String> {
        scheduler.check()?;
        let table = table(scheduler.kind, &scheduler.config, steps)?;
        let run = ((steps as f64 * strength.clamp(0.0, 1.0)) as usize).min(steps);
        let begin = steps - run;
        if begin >= table.times.len() {
            return Err(format!(
                "of {steps} steps a strength of {strength} leaves none; use more steps or more strength"
            ));
        }
        Ok(Self {
            scheduler: scheduler.clone(),
            table,
            steps,
            begin,
            at: begin,
            memory: Memory::default(),
        })
    }

    /// Times of training that the network is asked at, the noisiest first.
    pub fn times(&self) -> &[f64] {
        &self.table.times[self.begin..]
    }

    /// Share of the picture and of the noise at the step `index` of this walk.
    fn share(&self, index: usize) -> Share {
        let index = self.begin + index;
        match self.table.sigmas.get(index) {
            Some(sigma) => Share::noise(f64::from(*sigma)),
            None => Share::left(self.left(self.table.times[index])),
        }
    }

    fn left(&self, time: f64) -> f64 {
        let last = self.table.left.len() - 1;
        f64::from(self.table.left[(time.max(0.0) as usize).min(last)])
    }

    fn counts_sigmas(&self) -> bool {
        matches!(self.scheduler.kind, Kind::Euler | Kind::EulerAncestral)
    }

    /// What a walk begins with when it begins with noise alone.
    pub fn first(&self, noise: &Tensor) -> Result<Tensor> {
        if !self.counts_sigmas() {
            return Ok(noise.clone());
        }
        let most = self.table.sigmas.iter().fold(0.0_f32, |m, s| m.max(*s));
        let most = f64::from(most);
        let leading = self.scheduler.config.timestep_spacing == Some(super::Spacing::Leading);
        noise * if leading { most.hypot(1.0) } else { most }
    }

    /// A picture's latent with as much noise as the step `index` of this walk begins with.
    pub fn noised(&self, clean: &Tensor, noise: &Tensor, index: usize) -> Result<Tensor> {
        let Share { a, s } = self.share(index);
        if self.counts_sigmas() {
            mix(&[(1.0, clean), (s / a, noise)])
        } else {
            mix(&[(a, clean), (s, noise)])
        }
    }

    /// What the network sees of a sample at the next step.
    pub fn seen(&self, z: &Tensor) -> Result<Tensor> {
        if self.counts_sigmas() {
            z * self.share(self.at - self.begin).a
        } else {
            Ok(z.clone())
        }
    }

    /// Whether the next step mixes in fresh noise.
    pub fn draws(&self) -> bool {
        let last = self.at + 1 == self.table.times.len();
        match self.scheduler.kind {
            Kind::Ddpm => self.table.times[self.at] > 0.0,
            Kind::EulerAncestral => true,
            Kind::Lcm => !last,
            Kind::DpmSolver => self.scheduler.options.algorithm_type.starts_with("sde"),
            Kind::Ddim | Kind::Euler | Kind::UniPc | Kind::Pndm => false,
        }
    }

    /// One step: from a sample and what the network answered to the next sample.
    ///
    /// `fresh` is standard normal noise, asked for where [`Walk::draws`] says so.
    pub fn step(&mut self, z: &Tensor, answer: &Tensor, fresh: Option<&Tensor>) -> Result<Tensor> {
        if self.at >= self.table.times.len() {
            candle_core::bail!("the walk is at its end")
        }
        let fresh = if self.draws() {
            let Some(fresh) = fresh else {
                candle_core::bail!("this step needs noise")
            };
            Some(fresh)
        } else {
            None
        };
        let next = match (self.scheduler.kind, fresh) {
            (Kind::Ddim, _) => self.ddim(z, answer)?,
            (Kind::Ddpm, fresh) => self.ddpm(z, answer, fresh)?,
            (Kind::Euler | Kind::EulerAncestral, fresh) => self.euler(z, answer, fresh)?,
            (Kind::Lcm, fresh) => self.lcm(z, answer, fresh)?,
            (Kind::DpmSolver, fresh) => {
                let step = (self.at, self.table.sigmas.as_slice());
                multistep::step(&self.scheduler, &mut self.memory, step, [z, answer], fresh)?
            }
            (Kind::Pndm, _) => self.pndm(z, answer)?,
            (Kind::UniPc, _) => {
                let step = (self.at, self.table.sigmas.as_slice());
                unipc::step(&self.scheduler.options, &mut self.memory, step, [z, answer])?
            }
        };
        self.at += 1;
        Ok(next)
    }

    fn clipped(&self, clean: Tensor) -> Result<Tensor> {
        let options = &self.scheduler.options;
        let usual = self.scheduler.kind != Kind::Lcm;
        if options.clip_sample.unwrap_or(usual) {
            let range = options.clip_sample_range;
            return clean.clamp(-range, range);
        }
        Ok(clean)
    }

    /// Song et al. 2021, eq. 12, without its noise.
    fn ddim(&self, z: &Tensor, answer: &Tensor) -> Result<Tensor> {
        let time = self.table.times[self.at];
        let stride = self.scheduler.config.num_train_timesteps / self.steps;
        let next = self.left_before(time - stride as f64);
        let now = Share::left(self.left(time));
        let wanted = self.scheduler.options.prediction_type;
        let clean = self.clipped(now.clean(wanted, z, answer)?)?;
        let epsilon = now.epsilon(wanted, z, answer)?;
        mix(&[(next.a, &clean), (next.s, &epsilon)])
    }

    /// Liu et al. 2022, eq. 9 over the combined answers of eq. 12.
    fn pndm(&mut self, z: &Tensor, answer: &Tensor) -> Result<Tensor> {
        let stride = (self.scheduler.config.num_train_timesteps / self.steps) as f64;
        let time = self.table.times[self.at];
        let (time, before) = if self.memory.done == 1 {
            (time + stride, time)
        } else {
            (time, time - stride)
        };
        let (z, answer) = pndm::combined(&mut self.memory, z, answer)?;
        let now = Share::left(self.left(time));
        let next = self.left_before(before);
        let epsilon = now.epsilon(self.scheduler.options.prediction_type, &z, &answer)?;
        let kept = next.a / now.a;
        mix(&[(kept, &z), (next.s - kept * now.s, &epsilon)])
    }

    /// The share at a time, or behind the last step.
    fn left_before(&self, time: f64) -> Share {
        Share::left(if time >= 0.0 {
            self.left(time)
        } else {
            f64::from(self.table.left_at_end)
        })
    }

    /// Ho et al. 2020, eq. 7.
    fn ddpm(&self, z: &Tensor, answer: &Tensor, fresh: Option<&Tensor>) -> Result<Tensor> {
        let left = self.left(self.table.times[self.at]);
        let before = self.table.times.get(self.at + 1);
        let before = before.map_or(1.0, |time| self.left(*time));
        let kept = left / before;
        let beta = 1.0 - kept;
        let options = &self.scheduler.options;
        let clean = Share::left(left).clean(options.prediction_type, z, answer)?;
        let clean = self.clipped(clean)?;
        let mean = mix(&[
            (before.sqrt() * beta / (1.0 - left), &clean),
            (kept.sqrt() * (1.0 - before) / (1.0 - left), z),
        ])?;
        let Some(fresh) = fresh else { return Ok(mean) };
        let variance = if options.variance_type.as_deref() == Some("fixed_large") {
            beta
        } else {
            ((1.0 - before) / (1.0 - left) * beta).max(1e-20)
        };
        mix(&[(1.0, &mean), (variance.sqrt(), fresh)])
    }

    /// Karras et al. 2022, algorithm 1; with fresh noise its ancestral form.
    fn euler(&self, z: &Tensor, answer: &Tensor, fresh: Option<&Tensor>) -> Result<Tensor> {
        let sigma = f64::from(self.table.sigmas[self.at]);
        let next = f64::from(self.table.sigmas[self.at + 1]);
        let below = sigma * sigma + 1.0;
        let clean = match self.scheduler.options.prediction_type {
            Prediction::Epsilon => mix(&[(1.0, z), (-sigma, answer)])?,
            Prediction::Sample => answer.clone(),
            Prediction::Velocity => mix(&[(1.0 / below, z), (-sigma / below.sqrt(), answer)])?,
        };
        let (down, up) = if fresh.is_some() {
            let variance = next * next * (sigma * sigma - next * next) / (sigma * sigma);
            let up = variance.max(0.0).sqrt();
            ((next * next - up * up).max(0.0).sqrt(), up)
        } else {
            (next, 0.0)
        };
        // The line from the sample to the picture, followed down to `down`.
        let share = (down - sigma) / sigma;
        let moved = mix(&[(1.0 + share, z), (-share, &clean)])?;
        match fresh {
            Some(fresh) => mix(&[(1.0, &moved), (up, fresh)]),
            None => Ok(moved),
        }
    }

    /// Luo et al. 2023, algorithm 2: the picture, then noise again.
    fn lcm(&self, z: &Tensor, answer: &Tensor, fresh: Option<&Tensor>) -> Result<Tensor> {
        /// Deviation of the pictures as the method has it.
        const DATA: f64 = 0.5;
        let time = self.table.times[self.at];
        let options = &self.scheduler.options;
        let now = Share::left(self.left(time));
        let clean = self.clipped(now.clean(options.prediction_type, z, answer)?)?;
        let scaled = time * options.timestep_scaling;
        let below = scaled * scaled + DATA * DATA;
        let clean = mix(&[(scaled / below.sqrt(), &clean), (DATA * DATA / below, z)])?;
        match (fresh, self.table.times.get(self.at + 1)) {
            (Some(fresh), Some(next)) => {
                let next = Share::left(self.left(*next));
                mix(&[(next.a, &clean), (next.s, fresh)])
            }
            _ => Ok(clean),
        }
    }
}
