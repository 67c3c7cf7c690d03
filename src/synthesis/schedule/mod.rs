//! Noise schedules of diffusers: which times a sampler visits, and how much noise there is at each.
//!
//! The table is plain numbers; the steps between them are [`Walk`]'s. Arithmetic is in f32 where the peer's is,
//! because the first times differ in the fifth digit otherwise. Every documented option of the eight classes is read, or
//! refused with the reason. Separate from the project's own flow, which needs no table.

mod betas;
mod estimate;
mod multistep;
mod pndm;
mod scheduler;
mod spread;
mod times;
mod unipc;
mod walk;

pub use scheduler::{Options, Prediction, Scheduler};
pub use walk::Walk;

use serde::{Deserialize, Serialize};

use self::estimate::Levels;

/// The samplers that have a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Song et al. 2021, "Denoising diffusion implicit models".
    #[serde(rename = "DDIMScheduler")]
    Ddim,
    /// Ho et al. 2020.
    #[serde(rename = "DDPMScheduler")]
    Ddpm,
    /// Karras et al. 2022, algorithm 1.
    #[serde(rename = "EulerDiscreteScheduler")]
    Euler,
    /// The same with fresh noise at every step.
    #[serde(rename = "EulerAncestralDiscreteScheduler")]
    EulerAncestral,
    /// Lu et al. 2022, "DPM-Solver++", and "DPM-Solver" before it.
    #[serde(rename = "DPMSolverMultistepScheduler")]
    DpmSolver,
    /// Zhao et al. 2023, "`UniPC`".
    #[serde(rename = "UniPCMultistepScheduler")]
    UniPc,
    /// Luo et al. 2023, "Latent consistency models".
    #[serde(rename = "LCMScheduler")]
    Lcm,
    /// Liu et al. 2022, "Pseudo numerical methods for diffusion models"; Stable Diffusion 1 comes with it, its
    /// Runge–Kutta steps left out.
    #[serde(rename = "PNDMScheduler")]
    Pndm,
}

/// How the variances of the steps of training grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BetaSchedule {
    /// Evenly.
    Linear,
    /// Their roots evenly.
    ScaledLinear,
    /// So that what is left follows a squared cosine (Nichol & Dhariwal 2021).
    #[serde(rename = "squaredcos_cap_v2")]
    SquaredCosine,
    /// By a logistic function from -6 to 6; DDPM only.
    Sigmoid,
    /// So that what is left follows Laplace's distribution; DDPM only.
    Laplace,
}

/// How the times of a sampler are spread over those of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Spacing {
    /// From the last to the first.
    Linspace,
    /// Whole strides from the first.
    Leading,
    /// Strides from the last.
    Trailing,
}

/// Where the noise ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalSigma {
    /// At none.
    Zero,
    /// At the least of training.
    SigmaMin,
}

/// How amounts of noise between two times of training are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// On the line between them.
    Linear,
    /// Evenly in their logarithms, whatever the times.
    LogLinear,
}

/// `scheduler_config.json`; what is absent is as the peer has it for the kind.
///
/// What a kind does not know is not read, as with the peer. Times are counted in steps of training, amounts of noise
/// (`sigma`) are deviations of the noise over the share of the picture.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "the settings are the peer's")]
pub struct Config {
    /// Steps of training.
    pub num_train_timesteps: usize,
    /// First variance, 0–1; absent: 0.0001, for LCM 0.00085.
    pub beta_start: Option<f64>,
    /// Last variance, 0–1; absent: 0.02, for LCM 0.012.
    pub beta_end: Option<f64>,
    /// Absent: linear, for LCM scaled.
    pub beta_schedule: Option<BetaSchedule>,
    /// The variances themselves, in place of all this; as many as there are steps of training.
    pub trained_betas: Option<Vec<f32>>,
    /// Whether nothing is left of the noise after the last step of DDIM, LCM and PNDM; absent: yes, for PNDM no.
    pub set_alpha_to_one: Option<bool>,
    /// Added to leading times, steps of training.
    pub steps_offset: usize,
    /// Absent: leading for DDIM, DDPM and PNDM, linspace for the others; LCM does not read it.
    pub timestep_spacing: Option<Spacing>,
    /// Moves the variances so that nothing of the picture is left at the last step (Lin et al. 2024, algorithm 1); not
    /// PNDM.
    pub rescale_betas_zero_snr: bool,
    /// Noise as Karras et al. 2022, eq. 5; Euler, DPM-Solver and `UniPC` only, like the next two.
    pub use_karras_sigmas: bool,
    /// Noise evenly in its logarithm.
    pub use_exponential_sigmas: bool,
    /// Noise evenly in a beta distribution (Lee et al. 2024).
    pub use_beta_sigmas: bool,
    /// Noise evenly in its logarithm, with rounded times (Lu et al. 2022, "DPM-Solver", section 3.4); DPM-Solver only.
    pub use_lu_lambdas: bool,
    /// Picture and noise on a straight line, `z = (1 − σ) x + σ ε` (Lipman et al. 2023; Liu et al. 2023); DPM-Solver
    /// and `UniPC` only. The variances of training then say nothing.
    pub use_flow_sigmas: bool,
    /// Moves the times of such lines towards noise: `σ' = f σ / (1 + (f − 1) σ)` (Esser et al. 2024, eq. 23); above 0.
    pub flow_shift: f64,
    /// Where the last time of such a line shall lie, 0 to below 1; `UniPC` only.
    pub shift_terminal: Option<f64>,
    /// A shift by the size of the image. No setting says by how much: `UniPC` refuses it, DPM-Solver then shifts by
    /// `flow_shift`, both as the peer does.
    pub use_dynamic_shifting: bool,
    /// `discrete`, or for Euler `continuous`: a network that predicts velocities is asked for a quarter of the logarithm
    /// of the noise.
    pub timestep_type: Option<String>,
    /// What the network answers with; see [`Options`].
    pub prediction_type: Prediction,
    /// Euler only.
    pub interpolation_type: Interpolation,
    /// The least logarithm of signal over noise; DPM-Solver only.
    pub lambda_min_clipped: Option<f64>,
    /// Least noise of Karras', exponential and beta spacing, if not that of the times.
    pub sigma_min: Option<f64>,
    /// Most noise of them.
    pub sigma_max: Option<f64>,
    /// Where the noise ends; Euler, DPM-Solver and `UniPC` only.
    pub final_sigmas_type: FinalSigma,
    /// Steps that LCM was distilled to, 1 to those of training.
    pub original_inference_steps: usize,
    /// Whether PNDM leaves its Runge–Kutta steps out; absent: no.
    pub skip_prk_steps: Option<bool>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            num_train_timesteps: 1000,
            beta_start: None,
            beta_end: None,
            beta_schedule: None,
            trained_betas: None,
            set_alpha_to_one: None,
            steps_offset: 0,
            timestep_spacing: None,
            rescale_betas_zero_snr: false,
            use_karras_sigmas: false,
            use_exponential_sigmas: false,
            use_beta_sigmas: false,
            use_lu_lambdas: false,
            use_flow_sigmas: false,
            flow_shift: 1.0,
            shift_terminal: None,
            use_dynamic_shifting: false,
            timestep_type: None,
            prediction_type: Prediction::Epsilon,
            interpolation_type: Interpolation::Linear,
            lambda_min_clipped: None,
            sigma_min: None,
            sigma_max: None,
            final_sigmas_type: FinalSigma::Zero,
            original_inference_steps: 50,
            skip_prk_steps: None,
        }
    }
}

impl Config {
    /// How many rules spread the noise: one at most.
    fn spreads(&self) -> usize {
        [
            self.use_karras_sigmas,
            self.use_exponential_sigmas,
            self.use_beta_sigmas,
        ]
        .into_iter()
        .filter(|on| *on)
        .count()
    }

    fn is_continuous(&self) -> bool {
        self.timestep_type.as_deref() == Some("continuous")
            && self.prediction_type == Prediction::Velocity
    }

    fn skips_runge_kutta(&self) -> bool {
        self.skip_prk_steps == Some(true)
    }

    /// Refuses settings that contradict each other, by name.
    fn check(&self, kind: Kind) -> Result<(), String> {
        if self.spreads() > 1 {
            let what = "only one of use_beta_sigmas, use_exponential_sigmas and use_karras_sigmas can be used";
            return Err(what.to_owned());
        }
        let unipc = kind == Kind::UniPc;
        if !self.use_flow_sigmas {
            return if unipc && self.shift_terminal.is_some() {
                Err(
                    "shift_terminal is of straight lines alone, and use_flow_sigmas is off"
                        .to_owned(),
                )
            } else {
                Ok(())
            };
        }
        if !unipc && kind != Kind::DpmSolver {
            return Err(
                "use_flow_sigmas is of the DPM-Solver and UniPC schedulers alone: this one walks no straight lines"
                    .to_owned(),
            );
        }
        if !self.flow_shift.is_finite() || self.flow_shift <= 0.0 {
            return Err(format!("flow_shift = {} is not above 0", self.flow_shift));
        }
        let end = self.shift_terminal.filter(|_| unipc);
        if end.is_some_and(|end| !(0.0..1.0).contains(&end)) {
            return Err(format!(
                "shift_terminal = {} is not 0 to below 1",
                end.unwrap_or_default()
            ));
        }
        if unipc && self.use_dynamic_shifting {
            return Err(
                "use_dynamic_shifting needs a shift for every image size, which no setting gives; set flow_shift"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

/// What a sampler looks up.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The times it visits, the noisiest first, in steps of training; those between two of them are not whole. PNDM asks
    /// more often than it has steps.
    pub times: Vec<f64>,
    /// Noise over signal at each of them and at the end, on straight lines the share of the noise; empty for samplers
    /// that use `left` alone.
    pub sigmas: Vec<f32>,
    /// Whether picture and noise lie on a straight line: `z = (1 − σ) x + σ ε`, and not `z = (x + σ ε) / √(1 + σ²)`.
    pub straight: bool,
    /// The share of the picture's variance that is left at each time of training, `ᾱ`.
    pub left: Vec<f32>,
    /// The same behind the last step.
    pub left_at_end: f32,
}

impl Table {
    fn levels(&self) -> Levels<'_> {
        Levels {
            sigmas: &self.sigmas,
            straight: self.straight,
        }
    }
}

/// More steps of training are no schedule: each of them is kept in memory.
const MOST_TIMES: usize = 1 << 20;

/// The table of a sampler that takes `steps` steps, 1 to those of training.
///
/// An error for settings that are not supported, contradict each other or lead to no numbers, in words.
pub fn table(kind: Kind, config: &Config, steps: usize) -> Result<Table, String> {
    for (name, value) in [
        ("num_train_timesteps", config.num_train_timesteps),
        ("steps_offset", config.steps_offset),
    ] {
        if value > MOST_TIMES {
            return Err(format!(
                "{name} = {value} is not supported, at most {MOST_TIMES}"
            ));
        }
    }
    if steps == 0 || steps > config.num_train_timesteps {
        return Err(format!(
            "{steps} steps: this schedule has 1 to {}",
            config.num_train_timesteps
        ));
    }
    config.check(kind)?;
    let mut left = betas::left(kind, config)?;
    let has_sigmas = !matches!(kind, Kind::Ddim | Kind::Ddpm | Kind::Lcm | Kind::Pndm);
    if config.rescale_betas_zero_snr
        && has_sigmas
        && let Some(last) = left.last_mut()
    {
        // A finite amount of noise stands for the infinite one.
        *last = (-24.0_f32).exp2();
    }
    let (times, sigmas) = times::times(kind, config, &left, steps)?;
    if sigmas.iter().any(|sigma| !sigma.is_finite()) {
        return Err(format!(
            "the amounts of noise of {steps} steps are no numbers with these settings"
        ));
    }
    let left_at_end = match kind {
        Kind::Ddim | Kind::Lcm if config.set_alpha_to_one == Some(false) => left[0],
        Kind::Pndm if config.set_alpha_to_one != Some(true) => left[0],
        _ => 1.0,
    };
    Ok(Table {
        times,
        sigmas,
        straight: config.use_flow_sigmas,
        left,
        left_at_end,
    })
}
