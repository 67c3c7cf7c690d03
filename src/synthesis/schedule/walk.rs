//! The steps of diffusers' schedulers from noise to latent, one at a time.
//!
//! Separate from the table, which is plain numbers: here are tensors, and what a step remembers of those before it.

use candle_core::{Result, Tensor};

use super::estimate::{Share, mix, thresholded};
use super::multistep::{self, Memory};
use super::scheduler::{Prediction, Scheduler};
use super::times::consistent;
use super::{Kind, Table, pndm, table, unipc};

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
    /// An error in words for settings that are not supported, where no step is left, and below a strength of 1 for PNDM
    /// with Runge–Kutta steps.
    pub fn new(
        scheduler: &Scheduler,
        steps: usize,
        strength: f64,
    ) -> std::result::Result<Self, String> {
        scheduler.check()?;
        let table = table(scheduler.kind, &scheduler.config, steps)?;
        if let Some(sigma) = table.sigmas.iter().find(|s| table.straight && **s >= 1.0) {
            return Err(format!(
                "a straight line has no noise of {sigma}: use_flow_sigmas does not go with the spread of the noise"
            ));
        }
        let run = ((steps as f64 * strength.clamp(0.0, 1.0)) as usize).min(steps);
        let begin = steps - run;
        if begin >= table.times.len() {
            return Err(format!(
                "of {steps} steps a strength of {strength} leaves none; use more steps or more strength"
            ));
        }
        if begin > 0 && scheduler.kind == Kind::Pndm && !scheduler.config.skips_runge_kutta() {
            return Err(
                "PNDM's Runge–Kutta steps (skip_prk_steps = false) begin with noise alone, at a strength of 1"
                    .to_owned(),
            );
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

    /// A walk from a picture as a latent consistency model is taught to begin with one: all `steps` are taken, over the
    /// share `strength` of the times that were distilled (diffusers' `LatentConsistencyModelImg2ImgPipeline`).
    ///
    /// Samplers of other methods walk as by [`Walk::new`]. An error in words where more steps are asked than the strength
    /// leaves times, and as by [`Walk::new`].
    pub fn distilled(
        scheduler: &Scheduler,
        steps: usize,
        strength: f64,
    ) -> std::result::Result<Self, String> {
        if scheduler.kind != Kind::Lcm {
            return Self::new(scheduler, steps, strength);
        }
        let mut walk = Self::new(scheduler, steps, 1.0)?;
        walk.table.times = consistent(&scheduler.config, steps, strength)?;
        Ok(walk)
    }

    /// Times of training that the network is asked at, the noisiest first.
    pub fn times(&self) -> &[f64] {
        &self.table.times[self.begin..]
    }

    /// Share of the picture and of the noise at the step `index` of this walk.
    fn share(&self, index: usize) -> Share {
        let index = self.begin + index;
        if index < self.table.sigmas.len() {
            self.table.levels().share(index)
        } else {
            Share::left(self.left(self.table.times[index]))
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
        let Share { a, s, .. } = self.share(index);
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
            Kind::DpmSolver => self.scheduler.options.is_stochastic(),
            Kind::Ddim | Kind::Euler | Kind::UniPc | Kind::Pndm => false,
        }
    }

    /// One step: from a sample and what the network answered to the next sample.
    ///
    /// `z` is `[N,C,H,W]`, and so is the answer, or `[N,2C,H,W]` with a learned variance. `fresh` is standard normal noise
    /// of the shape of `z`, asked for where [`Walk::draws`] says so. An error beyond the last step, without such noise, and
    /// for answers of other channels.
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
        let (answer, said) = &self.parts(z, answer)?;
        let levels = self.table.levels();
        let next = match (self.scheduler.kind, fresh) {
            (Kind::Ddim, _) => self.ddim(z, answer)?,
            (Kind::Ddpm, fresh) => self.ddpm(z, answer, said.as_ref(), fresh)?,
            (Kind::Euler | Kind::EulerAncestral, fresh) => self.euler(z, answer, fresh)?,
            (Kind::Lcm, fresh) => self.lcm(z, answer, fresh)?,
            (Kind::DpmSolver, fresh) => {
                let (scheduler, memory) = (&self.scheduler, &mut self.memory);
                multistep::step(scheduler, memory, (self.at, levels), [z, answer], fresh)?
            }
            (Kind::Pndm, _) => self.pndm(z, answer)?,
            (Kind::UniPc, _) => {
                let (options, memory) = (&self.scheduler.options, &mut self.memory);
                unipc::step(options, memory, (self.at, levels), [z, answer])?
            }
        };
        self.at += 1;
        Ok(next)
    }

    /// What an answer says of the sample and, in a second half of its channels, of the variance.
    fn parts(&self, z: &Tensor, answer: &Tensor) -> Result<(Tensor, Option<Tensor>)> {
        let (latent, channels) = (z.dim(1)?, answer.dim(1)?);
        if let Err(what) = self.scheduler.check_answer(latent, channels) {
            candle_core::bail!("{what}")
        }
        if channels == latent {
            return Ok((answer.clone(), None));
        }
        let half = |from| answer.narrow(1, from, latent);
        Ok((half(0)?, Some(half(latent)?)))
    }

    fn clipped(&self, clean: Tensor) -> Result<Tensor> {
        let options = &self.scheduler.options;
        if options.thresholding {
            return thresholded(options, &clean);
        }
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

    /// Liu et al. 2022, eq. 9 over what [`pndm`] says is followed.
    fn pndm(&mut self, z: &Tensor, answer: &Tensor) -> Result<Tensor> {
        let config = &self.scheduler.config;
        let memory = &mut self.memory;
        let (time, before) = pndm::span(config, memory, (&self.table.times, self.at), self.steps);
        let (z, answer) = pndm::followed(config, memory, z, answer)?;
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

    /// Ho et al. 2020, eq. 7; `said` is what the network says of the variance.
    fn ddpm(
        &self,
        z: &Tensor,
        answer: &Tensor,
        said: Option<&Tensor>,
        fresh: Option<&Tensor>,
    ) -> Result<Tensor> {
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
        let least = ((1.0 - before) / (1.0 - left) * beta).max(1e-20);
        let deviation = match (options.variance_type.as_deref(), said) {
            (Some("learned"), Some(said)) => said.sqrt()?,
            (Some("learned_range"), Some(said)) => {
                // Nichol & Dhariwal 2021, eq. 15: between both in their logarithms, -1 to 1.
                let (low, high) = (least.ln(), beta.ln());
                let logarithm = said.affine((high - low) / 2.0, f64::midpoint(low, high))?;
                (logarithm * 0.5)?.exp()?
            }
            (Some("fixed_large"), _) => return mix(&[(1.0, &mean), (beta.sqrt(), fresh)]),
            _ => return mix(&[(1.0, &mean), (least.sqrt(), fresh)]),
        };
        mean + (deviation * fresh)?
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
            Prediction::Flow => candle_core::bail!("this sampler walks no straight lines"),
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
