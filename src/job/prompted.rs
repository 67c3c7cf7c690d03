//! What is asked of a model that reads text: prompts, scheduler, ControlNets and changes of its weights.
//!
//! Separate from the request's own fields because the project's models know none of it.

use serde::{Deserialize, Serialize};

use super::ModelReference;
use crate::grid::Grid;

/// How noise becomes an image, by diffusers' formulas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scheduler {
    /// Song et al. 2021, η = 0.
    #[serde(rename = "ddim")]
    Ddim,
    /// Ho et al. 2020; fresh noise at every step.
    #[serde(rename = "ddpm")]
    Ddpm,
    /// Karras et al. 2022.
    #[serde(rename = "euler")]
    Euler,
    /// The same with fresh noise at every step.
    #[serde(rename = "euler-a")]
    EulerAncestral,
    /// Lu et al. 2022.
    #[serde(rename = "dpm++")]
    DpmSolver,
    /// Zhao et al. 2023.
    #[serde(rename = "unipc")]
    UniPc,
    /// Luo et al. 2023; fresh noise at every step but the last.
    #[serde(rename = "lcm")]
    Lcm,
    /// Liu et al. 2022; linear multistep with the second time asked twice, unless the model's own settings begin with
    /// Runge–Kutta steps.
    #[serde(rename = "pndm")]
    Pndm,
}

impl Scheduler {
    /// All of them, as they are offered.
    pub const ALL: [Self; 8] = [
        Self::Ddim,
        Self::Ddpm,
        Self::Euler,
        Self::EulerAncestral,
        Self::DpmSolver,
        Self::UniPc,
        Self::Lcm,
        Self::Pndm,
    ];

    /// Its name on the command line and in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ddim => "ddim",
            Self::Ddpm => "ddpm",
            Self::Euler => "euler",
            Self::EulerAncestral => "euler-a",
            Self::DpmSolver => "dpm++",
            Self::UniPc => "unipc",
            Self::Lcm => "lcm",
            Self::Pndm => "pndm",
        }
    }

    /// Its name for a person.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ddim => "DDIM",
            Self::Ddpm => "DDPM",
            Self::Euler => "Euler",
            Self::EulerAncestral => "Euler a",
            Self::DpmSolver => "DPM-Solver++",
            Self::UniPc => "UniPC",
            Self::Lcm => "LCM",
            Self::Pndm => "PNDM",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.name() == name)
    }
}

/// One ControlNet with the hint it reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ControlUse {
    /// The network.
    pub model: ModelReference,
    /// Factor on what it adds, ≥ 0.
    pub weight: f64,
    /// Fraction of the steps at which it begins, 0–1.
    pub start: f64,
    /// Fraction of the steps at which it ends, 0–1.
    pub end: f64,
    /// Its own hint in image space, 0–255 as it is: red, or all three channels; absent = the drawn one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::encoding::optional_grid_u8"
    )]
    pub hint: Option<Grid<u8>>,
    /// Green and blue of a hint whose colors mean something (poses, classes, directions), of the size of `hint`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::encoding::optional_grids_u8"
    )]
    pub green_blue: Option<[Grid<u8>; 2]>,
}

impl ControlUse {
    /// The network of that name over all steps, on the drawn hint.
    pub fn new(name: String) -> Self {
        Self {
            model: ModelReference::named(name),
            weight: 1.0,
            start: 0.0,
            end: 1.0,
            hint: None,
            green_blue: None,
        }
    }
}

/// A low-rank change of weights (Hu et al. 2022, "LoRA").
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoraUse {
    /// The file.
    pub model: ModelReference,
    /// Factor on the change.
    pub weight: f64,
}

impl LoraUse {
    /// The file of that name, at its full weight.
    pub fn new(name: String) -> Self {
        Self {
            model: ModelReference::named(name),
            weight: 1.0,
        }
    }
}

/// What is asked of a model that reads text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Prompted {
    /// What the image shall show.
    #[serde(default)]
    pub prompt: String,
    /// What guidance leads away from.
    #[serde(default)]
    pub negative: String,
    /// Absent = the model's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<Scheduler>,
    /// ControlNets; what they add is summed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<ControlUse>,
    /// Changes of the weights, one after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loras: Vec<LoraUse>,
}
