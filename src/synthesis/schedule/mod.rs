//! Noise schedules of diffusers: which times a sampler visits, and how much noise there is at each.
//!
//! The table is plain numbers; the steps between them are [`Walk`]'s. Arithmetic is in f32 where the peer's is,
//! because the first times differ in the fifth digit otherwise. Separate from the project's own flow, which is straight
//! and needs no table.

mod betas;
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
    /// Lu et al. 2022, "DPM-Solver++".
    #[serde(rename = "DPMSolverMultistepScheduler")]
    DpmSolver,
    /// Zhao et al. 2023, "`UniPC`".
    #[serde(rename = "UniPCMultistepScheduler")]
    UniPc,
    /// Luo et al. 2023, "Latent consistency models".
    #[serde(rename = "LCMScheduler")]
    Lcm,
    /// Liu et al. 2022, "Pseudo numerical methods for diffusion models", without its Runge–Kutta steps: what Stable
    /// Diffusion 1 comes with.
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
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "the settings are the peer's")]
pub struct Config {
    /// Steps of training.
    pub num_train_timesteps: usize,
    /// First variance; absent: 0.0001, for LCM 0.00085.
    pub beta_start: Option<f64>,
    /// Last variance; absent: 0.02, for LCM 0.012.
    pub beta_end: Option<f64>,
    /// Absent: linear, for LCM scaled.
    pub beta_schedule: Option<BetaSchedule>,
    /// The variances themselves, in place of all this.
    pub trained_betas: Option<Vec<f32>>,
    /// Whether nothing is left of the noise after the last step of DDIM and LCM.
    pub set_alpha_to_one: Option<bool>,
    /// Added to leading times.
    pub steps_offset: usize,
    /// Absent: leading for DDIM, DDPM and LCM, linspace for the others.
    pub timestep_spacing: Option<Spacing>,
    /// Moves the variances so that nothing of the picture is left at the last step (Lin et al. 2024).
    pub rescale_betas_zero_snr: bool,
    /// Noise as Karras et al. 2022, eq. 5.
    pub use_karras_sigmas: bool,
    /// Noise evenly in its logarithm.
    pub use_exponential_sigmas: bool,
    /// The same, with rounded times; DPM-Solver only.
    pub use_lu_lambdas: bool,
    /// Noise evenly in a beta distribution.
    pub use_beta_sigmas: bool,
    /// Not supported.
    pub use_flow_sigmas: bool,
    /// `discrete`, or for Euler `continuous`: a network that predicts velocities is asked for a quarter of the logarithm
    /// of the noise.
    pub timestep_type: Option<String>,
    /// What the network answers with; see [`Options`].
    pub prediction_type: Prediction,
    /// Euler only.
    pub interpolation_type: Interpolation,
    /// The least logarithm of signal over noise; DPM-Solver only.
    pub lambda_min_clipped: Option<f64>,
    /// Least noise of Karras' and exponential spacing, if not that of the times.
    pub sigma_min: Option<f64>,
    /// Most noise of them.
    pub sigma_max: Option<f64>,
    /// Where the noise ends.
    pub final_sigmas_type: FinalSigma,
    /// Steps that LCM was distilled to.
    pub original_inference_steps: usize,
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
            use_lu_lambdas: false,
            use_beta_sigmas: false,
            use_flow_sigmas: false,
            timestep_type: None,
            prediction_type: Prediction::Epsilon,
            interpolation_type: Interpolation::Linear,
            lambda_min_clipped: None,
            sigma_min: None,
            sigma_max: None,
            final_sigmas_type: FinalSigma::Zero,
            original_inference_steps: 50,
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
}

/// What a sampler looks up.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The times it visits, the noisiest first; those between two of training are not whole.
    pub times: Vec<f64>,
    /// Noise over signal at each of them and at the end; empty for samplers that use `left` alone.
    pub sigmas: Vec<f32>,
    /// The share of the picture's variance that is left at each time of training, `ᾱ`.
    pub left: Vec<f32>,
    /// The same behind the last step.
    pub left_at_end: f32,
}

/// The table of a sampler that takes `steps` steps.
///
/// An error for settings that are not supported or contradict each other, in words.
pub fn table(kind: Kind, config: &Config, steps: usize) -> Result<Table, String> {
    if steps == 0 || steps > config.num_train_timesteps {
        return Err(format!(
            "{steps} steps: this schedule has 1 to {}",
            config.num_train_timesteps
        ));
    }
    if config.use_flow_sigmas {
        return Err("use_flow_sigmas is not supported: flows need another network".to_owned());
    }
    if config.spreads() > 1 {
        let what =
            "only one of use_beta_sigmas, use_exponential_sigmas and use_karras_sigmas can be used";
        return Err(what.to_owned());
    }
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
    let left_at_end = match kind {
        Kind::Ddim | Kind::Lcm if config.set_alpha_to_one == Some(false) => left[0],
        Kind::Pndm if config.set_alpha_to_one != Some(true) => left[0],
        _ => 1.0,
    };
    Ok(Table {
        times,
        sigmas,
        left,
        left_at_end,
    })
}
