//! A scheduler as its `scheduler_config.json` describes it: which one, its table and its steps.
//!
//! Separate from the table because a picture may be asked for with another scheduler than the model's own, over the
//! same settings.

use serde::Deserialize;
use serde_json::Value;

use super::{Config, FinalSigma, Kind};

/// What the network answers with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prediction {
    /// The noise.
    #[default]
    Epsilon,
    /// The picture.
    Sample,
    /// `√ᾱ ε − √(1−ᾱ) x` (Salimans & Ho 2022).
    #[serde(rename = "v_prediction")]
    Velocity,
    /// `ε − x`, the way along a straight line (Liu et al. 2023, "Flow straight and fast"); DPM-Solver++ and `UniPC` over
    /// the picture only.
    #[serde(rename = "flow_prediction")]
    Flow,
}

/// Settings of the steps; names and defaults are the peer's.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "the settings are the peer's")]
pub struct Options {
    /// What the network answers with.
    pub prediction_type: Prediction,
    /// Whether the estimate of the picture is clamped; DDIM, DDPM and LCM only. Absent: yes, for LCM no.
    pub clip_sample: Option<bool>,
    /// To what, ±.
    pub clip_sample_range: f64,
    /// Whether it is clamped to a bound of its own and divided by that, in place of `clip_sample` (Saharia et al. 2022,
    /// section 2.3); DDIM, DDPM, LCM, DPM-Solver, and `UniPC` over the picture.
    pub thresholding: bool,
    /// The share of absolute values below that bound, 0–1.
    pub dynamic_thresholding_ratio: f64,
    /// The largest bound, above 0. At its default of 1 every bound is 1.
    pub sample_max_value: f64,
    /// DDPM: `fixed_small`, `fixed_small_log` (the same variance), `fixed_large` (Ho et al. 2020, section 3.2),
    /// `learned`, `learned_range` (Nichol & Dhariwal 2021, eq. 15). For the learned ones the network answers with twice the
    /// channels of a latent; DPM-Solver leaves their second half out.
    pub variance_type: Option<String>,
    /// Steps that are looked back at, and the one made: for DPM-Solver 1–3, for `UniPC` 1 or more.
    pub solver_order: usize,
    /// `dpmsolver++` over the picture, `dpmsolver` over the noise, and with `sde-` before them their stochastic forms;
    /// `deis`, of another scheduler, is taken as `dpmsolver++`.
    pub algorithm_type: String,
    /// `midpoint` or `heun`; for `UniPC` `bh1` or `bh2`. The types of other solvers are taken as `midpoint` and `bh2`.
    pub solver_type: Option<String>,
    /// Fewer steps looked back at in the end; for DPM-Solver below 15 steps only.
    pub lower_order_final: bool,
    /// None looked back at in the last one; DPM-Solver only.
    pub euler_at_final: bool,
    /// `UniPC`: over the picture, or over the noise (Zhao et al. 2023, appendix A).
    pub predict_x0: bool,
    /// `UniPC`: steps that are not corrected, from 0.
    pub disable_corrector: Vec<usize>,
    /// `UniPC`: a scheduler in place of the predictor; not supported.
    pub solver_p: Option<Value>,
    /// LCM: factor on times where a step keeps some of its sample.
    pub timestep_scaling: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prediction_type: Prediction::Epsilon,
            clip_sample: None,
            clip_sample_range: 1.0,
            thresholding: false,
            dynamic_thresholding_ratio: 0.995,
            sample_max_value: 1.0,
            variance_type: None,
            solver_order: 2,
            algorithm_type: "dpmsolver++".to_owned(),
            solver_type: None,
            lower_order_final: true,
            euler_at_final: false,
            predict_x0: true,
            disable_corrector: Vec::new(),
            solver_p: None,
            timestep_scaling: 10.0,
        }
    }
}

impl Options {
    /// Whether DPM-Solver integrates the noise and not the picture.
    pub(super) fn follows_noise(&self) -> bool {
        matches!(self.algorithm_type.as_str(), "dpmsolver" | "sde-dpmsolver")
    }

    /// Whether DPM-Solver mixes in fresh noise.
    pub(super) fn is_stochastic(&self) -> bool {
        self.algorithm_type.starts_with("sde-")
    }

    fn learns_variance(&self) -> bool {
        matches!(
            self.variance_type.as_deref(),
            Some("learned" | "learned_range")
        )
    }
}

/// Which scheduler, with all its settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Scheduler {
    /// Which one.
    pub kind: Kind,
    /// Settings of its table.
    pub config: Config,
    /// Settings of its steps.
    pub options: Options,
    /// The class that the settings were written for, where it is another one.
    pub written_for: Option<String>,
}

impl Scheduler {
    /// Reads a `scheduler_config.json`; an error names the setting that is wrong or not supported.
    ///
    /// A class that is not built in is taken as DDIM over the same settings: what it leaves behind is the same kind of
    /// latent.
    pub fn read(value: &Value) -> Result<Self, String> {
        let Value::Object(given) = value else {
            return Err("the configuration is no JSON object".to_owned());
        };
        let named = given.get("_class_name").cloned().unwrap_or_default();
        let kind: Option<Kind> = serde_json::from_value(named.clone()).ok();
        // What is `null` there is as if it were absent.
        let given: serde_json::Map<String, Value> = given
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let wrong = |error: serde_json::Error| error.to_string();
        let mut options = given.clone();
        // The option of this name means something else for every other scheduler.
        if let Some(kind) = kind
            && !matches!(kind, Kind::Ddpm | Kind::DpmSolver)
        {
            options.remove("variance_type");
        }
        let config = serde_json::from_value(Value::Object(given)).map_err(wrong)?;
        let scheduler = Self {
            kind: kind.unwrap_or(Kind::Ddim),
            config,
            options: serde_json::from_value(Value::Object(options)).map_err(wrong)?,
            written_for: match (kind, named) {
                (None, Value::String(name)) => Some(name),
                _ => None,
            },
        };
        scheduler.check()?;
        Ok(scheduler)
    }

    /// Another scheduler over the same settings.
    #[must_use]
    pub fn with_kind(&self, kind: Kind) -> Self {
        let mut other = self.clone();
        if kind != self.kind {
            other.kind = kind;
            other.written_for = None;
            if self.kind == Kind::Pndm {
                // What its absence means there.
                other.config.set_alpha_to_one.get_or_insert(false);
            }
            // What is asked for by this name are its multistep steps.
            other.config.skip_prk_steps.get_or_insert(true);
            // The solvers' own types do not fit each other; a latent is clamped only where its model says so.
            other.options.solver_type = None;
            other.options.clip_sample.get_or_insert(false);
            // What the network answers with does not change with the scheduler.
            if !other.options.learns_variance() {
                other.options.variance_type = None;
            }
        }
        other
    }

    /// Refuses settings that are not built or cannot work, by name; those of the table are refused with it.
    pub fn check(&self) -> Result<(), String> {
        let options = &self.options;
        let wanted = options.prediction_type;
        let multistep = matches!(self.kind, Kind::DpmSolver | Kind::UniPc);
        if matches!(self.kind, Kind::EulerAncestral | Kind::Pndm) && wanted == Prediction::Sample {
            return Err("prediction_type = sample is not supported here".to_owned());
        }
        if wanted == Prediction::Flow && !multistep {
            return Err(
                "prediction_type = flow_prediction is of the DPM-Solver and UniPC schedulers alone"
                    .to_owned(),
            );
        }
        let bounded = !matches!(self.kind, Kind::Euler | Kind::EulerAncestral | Kind::Pndm);
        if bounded && options.thresholding {
            let (ratio, most) = (options.dynamic_thresholding_ratio, options.sample_max_value);
            if !(0.0..=1.0).contains(&ratio) {
                return Err(format!("dynamic_thresholding_ratio = {ratio} is not 0–1"));
            }
            if most.is_nan() || most <= 0.0 {
                return Err(format!("sample_max_value = {most} is not above 0"));
            }
        }
        match self.kind {
            Kind::DpmSolver => self.check_dpm(),
            Kind::UniPc => self.check_unipc(),
            Kind::Ddpm => match options.variance_type.as_deref() {
                None
                | Some("fixed_small" | "fixed_small_log" | "fixed_large" | "learned" | "learned_range") => Ok(()),
                Some("fixed_large_log") => Err(
                    "variance_type = fixed_large_log is not supported: its steps take the root of a negative logarithm, \
                     which is no number"
                        .to_owned(),
                ),
                Some(variance) => Err(format!("variance_type = {variance} is not supported")),
            },
            _ => Ok(()),
        }
    }

    fn check_dpm(&self) -> Result<(), String> {
        let options = &self.options;
        let algorithm = options.algorithm_type.as_str();
        let known = [
            "dpmsolver++",
            "sde-dpmsolver++",
            "dpmsolver",
            "sde-dpmsolver",
            "deis",
        ];
        if !known.contains(&algorithm) {
            return Err(format!(
                "algorithm_type = {algorithm} is not supported, only dpmsolver and dpmsolver++, with or without sde-"
            ));
        }
        self.check_solver(["midpoint", "heun"], ["logrho", "bh1", "bh2"].as_slice())?;
        let most = if algorithm == "sde-dpmsolver" { 2 } else { 3 };
        if !(1..=most).contains(&options.solver_order) {
            return Err(format!(
                "solver_order = {} is not 1–{most}, what {algorithm} has",
                options.solver_order
            ));
        }
        if options.follows_noise() {
            self.check_over_noise("algorithm_type", algorithm)?;
        }
        Ok(())
    }

    fn check_unipc(&self) -> Result<(), String> {
        let options = &self.options;
        if options.solver_p.is_some() {
            return Err(
                "solver_p is not supported: a scheduler inside of another has no place in a configuration"
                    .to_owned(),
            );
        }
        self.check_solver(["bh1", "bh2"], ["midpoint", "heun", "logrho"].as_slice())?;
        if options.solver_order == 0 {
            return Err("solver_order = 0 is not 1 or more".to_owned());
        }
        if !options.predict_x0 {
            self.check_over_noise("predict_x0", "false")?;
        }
        Ok(())
    }

    fn check_solver(&self, own: [&str; 2], others: &[&str]) -> Result<(), String> {
        match self.options.solver_type.as_deref() {
            Some(solver) if !own.contains(&solver) && !others.contains(&solver) => Err(format!(
                "solver_type = {solver} is not supported, only {} and {}",
                own[0], own[1]
            )),
            _ => Ok(()),
        }
    }

    /// What cannot be integrated over the noise.
    fn check_over_noise(&self, name: &str, value: &str) -> Result<(), String> {
        if self.config.final_sigmas_type == FinalSigma::Zero {
            return Err(format!(
                "{name} = {value} needs final_sigmas_type = sigma_min: without noise at the end there is nothing to \
                 integrate over"
            ));
        }
        if self.options.prediction_type == Prediction::Flow {
            return Err(format!(
                "prediction_type = flow_prediction does not go with {name} = {value}"
            ));
        }
        Ok(())
    }

    /// Refuses a network whose answers do not fit: `latent` channels are wanted, or twice as many with a learned variance.
    pub fn check_answer(&self, latent: usize, answer: usize) -> Result<(), String> {
        let kind = matches!(self.kind, Kind::Ddpm | Kind::DpmSolver);
        let learned = kind && self.options.learns_variance();
        let variance = self.options.variance_type.as_deref().unwrap_or_default();
        if answer == 2 * latent && !learned {
            return Err(format!(
                "the denoiser answers with {answer} channels for latents of {latent}: only DDPM and DPM-Solver with \
                 variance_type = learned or learned_range read so many"
            ));
        }
        if answer == latent && learned && self.kind == Kind::Ddpm {
            return Err(format!(
                "variance_type = {variance} needs a denoiser that answers with {} channels, and it has {answer}",
                2 * latent
            ));
        }
        if answer != latent && answer != 2 * latent {
            return Err(format!(
                "the denoiser answers with {answer} channels for latents of {latent}"
            ));
        }
        Ok(())
    }
}
