//! A scheduler as its `scheduler_config.json` describes it: which one, its table and its steps.
//!
//! Separate from the table because a picture may be asked for with another scheduler than the model's own, over the
//! same settings.

use serde::Deserialize;
use serde_json::Value;

use super::{Config, Kind};

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
}

/// Settings of the steps; names and defaults are the peer's.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "the settings are the peer's")]
pub struct Options {
    /// What the network answers with.
    pub prediction_type: Prediction,
    /// Whether the estimate of the picture is clamped; DDIM, DDPM and LCM only.
    pub clip_sample: Option<bool>,
    /// To what.
    pub clip_sample_range: f64,
    /// Not supported.
    pub thresholding: bool,
    /// DDPM: `fixed_small`, `fixed_small_log`, `fixed_large`.
    pub variance_type: Option<String>,
    /// Steps that are looked back at, and the one made; DPM-Solver and `UniPC` only.
    pub solver_order: usize,
    /// `dpmsolver++` or `sde-dpmsolver++`.
    pub algorithm_type: String,
    /// `midpoint` or `heun`; for `UniPC` `bh1` or `bh2`.
    pub solver_type: Option<String>,
    /// Fewer steps looked back at in the end.
    pub lower_order_final: bool,
    /// None looked back at in the last one.
    pub euler_at_final: bool,
    /// `UniPC`: `true` only.
    pub predict_x0: bool,
    /// `UniPC`: steps that are not corrected.
    pub disable_corrector: Vec<usize>,
    /// `UniPC`: not supported.
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
    /// A class that is not built in, PNDM with Runge–Kutta steps among them, is taken as DDIM over the same settings:
    /// what it leaves behind is the same kind of latent.
    pub fn read(value: &Value) -> Result<Self, String> {
        let Value::Object(given) = value else {
            return Err("the configuration is no JSON object".to_owned());
        };
        let named = given.get("_class_name").cloned().unwrap_or_default();
        let kind: Option<Kind> = serde_json::from_value(named.clone()).ok();
        let skips = given.get("skip_prk_steps").and_then(Value::as_bool);
        let kind = kind.filter(|kind| *kind != Kind::Pndm || skips == Some(true));
        // What is `null` there is as if it were absent.
        let given: serde_json::Map<String, Value> = given
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let wrong = |error: serde_json::Error| error.to_string();
        let mut options = given.clone();
        // The option of this name means something else for every scheduler.
        if let Some(kind) = kind
            && !matches!(kind, Kind::Ddpm)
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
            // The solvers' own types do not fit each other; a latent is clamped only where its model says so.
            other.options.solver_type = None;
            other.options.variance_type = None;
            other.options.clip_sample.get_or_insert(false);
        }
        other
    }

    /// Refuses settings that are not built, by name.
    pub fn check(&self) -> Result<(), String> {
        let options = &self.options;
        let solver = options.solver_type.as_deref();
        let refused = [
            ("thresholding", options.thresholding),
            ("predict_x0 = false", !options.predict_x0),
            ("solver_p", options.solver_p.is_some()),
        ];
        if let Some((name, _)) = refused.iter().find(|(_, on)| *on) {
            return Err(format!("{name} is not supported"));
        }
        match self.kind {
            Kind::DpmSolver => {
                if !matches!(
                    options.algorithm_type.as_str(),
                    "dpmsolver++" | "sde-dpmsolver++"
                ) {
                    return Err(format!(
                        "algorithm_type = {} is not supported, only dpmsolver++ and sde-dpmsolver++",
                        options.algorithm_type
                    ));
                }
                if !matches!(solver, None | Some("midpoint" | "heun")) {
                    return Err(format!(
                        "solver_type = {} is not supported, only midpoint and heun",
                        solver.unwrap_or_default()
                    ));
                }
            }
            Kind::UniPc if !matches!(solver, None | Some("bh1" | "bh2")) => {
                return Err(format!(
                    "solver_type = {} is not supported, only bh1 and bh2",
                    solver.unwrap_or_default()
                ));
            }
            Kind::Ddpm => {
                let variance = options.variance_type.as_deref().unwrap_or("fixed_small");
                if !matches!(variance, "fixed_small" | "fixed_small_log" | "fixed_large") {
                    return Err(format!("variance_type = {variance} is not supported"));
                }
            }
            Kind::EulerAncestral | Kind::Pndm if options.prediction_type == Prediction::Sample => {
                return Err("prediction_type = sample is not supported here".to_owned());
            }
            _ => {}
        }
        if matches!(self.kind, Kind::DpmSolver | Kind::UniPc)
            && !(1..=3).contains(&options.solver_order)
        {
            return Err(format!(
                "solver_order = {} is not 1–3",
                options.solver_order
            ));
        }
        Ok(())
    }
}
