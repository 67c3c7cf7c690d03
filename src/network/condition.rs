//! What a picture shall show, as one vector for the denoiser.
//!
//! Separate because the plain description ([`Condition`]) is filled by requests and by training examples alike, and
//! because "unknown" is a value of its own in every field, never a class.

use candle_core::{Device, Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use super::layers::{Linear, Start};
use super::ops;
use crate::landmarks::HipLandmarks;

/// Places for kinds of image.
pub const KINDS: usize = 6;
/// Places for findings.
pub const FINDINGS: usize = 32;
/// Decades of age.
pub const DECADES: usize = 10;
const LABELS: usize = (KINDS + 1) + (DECADES + 1) + 4 + FINDINGS;
const GEOMETRY: usize = 8 + 2 + 6 + 1;
const TIME_WAVES: usize = 128;
const STEP_WAVES: usize = 64;

/// The names behind the places of a network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Names {
    /// Kinds in order of their place, at most [`KINDS`].
    pub kinds: Vec<String>,
    /// Findings in order of their place, at most [`FINDINGS`].
    pub findings: Vec<String>,
    /// Years that one "decade" stands for, per kind: 10 for people, less for animals; missing = 10.
    pub years_per_decade: Vec<f64>,
}

impl Names {
    /// The place of a kind.
    pub fn kind(&self, name: &str) -> Option<usize> {
        self.kinds.iter().take(KINDS).position(|kind| kind == name)
    }

    /// The place of a finding.
    pub fn finding(&self, name: &str) -> Option<usize> {
        self.findings
            .iter()
            .take(FINDINGS)
            .position(|finding| finding == name)
    }

    /// Age in decades of the kind's own lifetime, 0 to 9 and between.
    pub fn decades(&self, kind: Option<usize>, age_years: f64) -> f64 {
        let years = kind
            .and_then(|kind| self.years_per_decade.get(kind))
            .copied()
            .filter(|years| *years > 0.0)
            .unwrap_or(10.0);
        (age_years / years).clamp(0.0, (DECADES - 1) as f64)
    }
}

/// What one picture shall show; what is absent is unknown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Condition {
    /// Place of the kind.
    pub kind: Option<usize>,
    /// Age in decades ([`Names::decades`]).
    pub age_decades: Option<f64>,
    /// 0 female, 1 male, 2 other.
    pub sex: Option<usize>,
    /// Place and whether present; other findings are unknown.
    pub findings: Vec<(usize, bool)>,
    /// Points wanted, in units of the picture's width and height (0 to 1).
    pub geometry: Option<HipLandmarks>,
}

impl Condition {
    /// With age, sex and findings unknown, kind and geometry kept: the weak half of classifier-free guidance.
    #[must_use]
    pub fn without_labels(&self) -> Self {
        Self {
            kind: self.kind,
            geometry: self.geometry,
            ..Self::default()
        }
    }

    fn labels(&self) -> [f32; LABELS] {
        let mut row = [0.0; LABELS];
        let kind = self.kind.filter(|kind| *kind < KINDS).unwrap_or(KINDS);
        row[kind] = 1.0;
        let ages = &mut row[KINDS + 1..][..=DECADES];
        match self.age_decades {
            // Between two decades the vector is between theirs: a slider moves the picture smoothly.
            Some(age) if age.is_finite() => {
                let age = age.clamp(0.0, (DECADES - 1) as f64);
                let low = (age as usize).min(DECADES - 2);
                ages[low] = (1.0 - (age - low as f64)) as f32;
                ages[low + 1] = (age - low as f64) as f32;
            }
            _ => ages[DECADES] = 1.0,
        }
        row[KINDS + DECADES + 2 + self.sex.filter(|sex| *sex < 3).unwrap_or(3)] = 1.0;
        for (finding, present) in &self.findings {
            if *finding < FINDINGS {
                row[LABELS - FINDINGS + finding] = if *present { 1.0 } else { -1.0 };
            }
        }
        row
    }

    fn geometry_row(&self) -> [f32; GEOMETRY] {
        let mut row = [0.0; GEOMETRY];
        let Some(landmarks) = self.geometry.filter(HipLandmarks::is_valid) else {
            return row;
        };
        let hips = [landmarks.left, landmarks.right];
        for (i, hip) in hips.iter().enumerate() {
            for (j, point) in [hip.center, hip.rim].iter().enumerate() {
                // Centred on the picture and of about unit size.
                row[4 * i + 2 * j] = (2.0 * point.x - 1.0) as f32;
                row[4 * i + 2 * j + 1] = (2.0 * point.y - 1.0) as f32;
            }
            row[8 + i] = (8.0 * hip.radius) as f32;
        }
        row[10..].fill(1.0);
        row
    }
}

/// Where on the path from noise to picture a denoiser is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// 0 = picture, 1 = noise.
    pub t: f64,
    /// Length of the step that will be taken with the answer; 0 = the plain velocity.
    pub step: f64,
    /// Guidance weight folded into the answer; 1 = none.
    pub guidance: f64,
}

impl Moment {
    /// Whether classifier-free guidance acts at this time: at the ends it does harm and no good.
    pub fn guided(&self) -> bool {
        (0.1..=0.9).contains(&self.t)
    }

    /// The plain velocity at `t`.
    pub const fn plain(t: f64) -> Self {
        Self {
            t,
            step: 0.0,
            guidance: 1.0,
        }
    }
}

/// Turns conditions and moments into vectors.
#[derive(Clone, Debug)]
pub struct Embedding {
    time: [Linear; 2],
    step: [Linear; 2],
    guidance: Linear,
    labels: Linear,
    geometry: [Linear; 2],
}

impl Embedding {
    /// Vectors of `width` numbers.
    pub fn new(vb: &VarBuilder<'_>, width: usize) -> Result<Self> {
        let linear = |name: &str, io, start| Linear::new(&vb.pp(name), io, start);
        Ok(Self {
            time: [
                linear("time.0", [TIME_WAVES, width], Start::Random)?,
                linear("time.1", [width, width], Start::Random)?,
            ],
            // Zero at first: a network trained without steps and guidance is not disturbed by them.
            step: [
                linear("step.0", [STEP_WAVES + 1, width], Start::Random)?,
                Linear::unbiased(&vb.pp("step.1"), [width, width], Start::Zero)?,
            ],
            guidance: Linear::unbiased(&vb.pp("guidance"), [1, width], Start::Zero)?,
            labels: Linear::unbiased(&vb.pp("labels"), [LABELS, width], Start::Random)?,
            geometry: [
                linear("geometry.0", [GEOMETRY, 64], Start::Random)?,
                linear("geometry.1", [64, width], Start::Random)?,
            ],
        })
    }

    /// One row for each pair of condition and moment: `[B,width]`, after SiLU.
    pub fn forward(&self, conditions: &[Condition], moments: &[Moment]) -> Result<Tensor> {
        let batch = conditions.len();
        let mut time = Vec::with_capacity(batch * TIME_WAVES);
        let mut step = Vec::with_capacity(batch * (STEP_WAVES + 1));
        let mut guidance = Vec::with_capacity(batch);
        for moment in moments {
            waves(1000.0 * moment.t, TIME_WAVES, &mut time);
            let plain = moment.step <= 0.0;
            let position = if plain {
                0.0
            } else {
                10.0 * moment.step.log2()
            };
            waves(position, STEP_WAVES, &mut step);
            step.push(if plain { 1.0 } else { 0.0 });
            guidance.push(moment.guidance.max(1e-3).ln() as f32);
        }
        let labels: Vec<f32> = conditions.iter().flat_map(Condition::labels).collect();
        let geometry: Vec<f32> = conditions
            .iter()
            .flat_map(Condition::geometry_row)
            .collect();
        let device = Device::Cpu;
        let tensor = |values: Vec<f32>, width| Tensor::from_vec(values, (batch, width), &device);
        let two = |[first, second]: &[Linear; 2], x: Tensor| {
            second.forward(&ops::silu(&first.forward(&x)?)?)
        };
        let sum = (two(&self.time, tensor(time, TIME_WAVES)?)?
            + two(&self.step, tensor(step, STEP_WAVES + 1)?)?)?;
        let sum = (sum + self.guidance.forward(&tensor(guidance, 1)?)?)?;
        let sum = (sum + self.labels.forward(&tensor(labels, LABELS)?)?)?;
        ops::silu(&(sum + two(&self.geometry, tensor(geometry, GEOMETRY)?)?)?)
    }
}

/// Sines and cosines of `position` at geometrically falling frequencies (Vaswani et al. 2017).
fn waves(position: f64, width: usize, row: &mut Vec<f32>) {
    let half = width / 2;
    let frequency = |i: usize| (-(10_000.0_f64.ln()) * i as f64 / half as f64).exp();
    row.extend((0..half).map(|i| (position * frequency(i)).sin() as f32));
    row.extend((0..half).map(|i| (position * frequency(i)).cos() as f32));
}

/// The velocity pushed from the weakly conditioned one beyond the strongly conditioned one: `weak + w (strong − weak)`
/// (Ho and Salimans, "Classifier-free diffusion guidance", 2022).
pub fn guided(weak: &Tensor, strong: &Tensor, weight: f64) -> Result<Tensor> {
    weak + ((strong - weak)? * weight)?
}
