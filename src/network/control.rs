//! Control: an adapter that runs once a stroke, and a ControlNet branch that runs at every step.
//!
//! Separate from the denoiser because both only add to it; fresh ones add exactly zero. The hint is sketch and
//! landmarks at the latent's size: nothing of the drawing is lost, 8×8 pixels become 64 channels.

use candle_core::{Device, Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use super::autoencoder::FACTOR;
use super::denoiser::{self, Features, WayDown};
use super::layers::{Convolution, Residual, Start};
use super::ops;
use crate::geometry::Point;
use crate::grid::Grid;
use crate::landmarks::{Hip, HipLandmarks};

/// Planes of a hint: the sketch unshuffled by eight, and six of landmarks.
pub const HINT_PLANES: usize = FACTOR * FACTOR + LANDMARK_PLANES;
const LANDMARK_PLANES: usize = 6;

/// The hint of one picture, `[1,70,H/8,W/8]`.
///
/// `sketch` holds 0–1, white lines on black, of the model's size (multiples of 8). `landmarks` are in pixels of the
/// sketch: two signed head discs `(1 − d/r)` clamped to ±1, two rim spots, the line rim–head–head–rim, and presence.
pub fn hint(sketch: &Grid<f32>, landmarks: Option<&HipLandmarks>) -> Result<Tensor> {
    let (width, height) = sketch.size();
    let (columns, rows) = (width / FACTOR, height / FACTOR);
    let lines = Tensor::from_slice(sketch.cells(), (1, 1, height, width), &Device::Cpu)?;
    let lines = ops::pixel_unshuffle(&lines, FACTOR)?;
    let mut planes = vec![0.0_f32; LANDMARK_PLANES * rows * columns];
    if let Some(landmarks) = landmarks.filter(|landmarks| landmarks.is_valid()) {
        for (i, plane) in planes.chunks_mut(rows * columns).enumerate() {
            for (cell, value) in plane.iter_mut().enumerate() {
                *value = landmark_plane(i, cell_center(cell % columns, cell / columns), landmarks);
            }
        }
    }
    let planes = Tensor::from_vec(planes, (1, LANDMARK_PLANES, rows, columns), &Device::Cpu)?;
    Tensor::cat(&[&lines, &planes], 1)
}

fn cell_center(column: usize, row: usize) -> Point {
    let center = |i: usize| (i * FACTOR) as f64 + (FACTOR as f64 - 1.0) / 2.0;
    Point::new(center(column), center(row))
}

fn landmark_plane(plane: usize, at: Point, landmarks: &HipLandmarks) -> f32 {
    let cell = FACTOR as f64;
    let disc = |hip: &Hip| (1.0 - at.distance(hip.center) / hip.radius).clamp(-1.0, 1.0);
    let spot = |hip: &Hip| (-0.5 * (at.distance(hip.rim) / cell).powi(2)).exp();
    let value = match plane {
        0 => disc(&landmarks.left),
        1 => disc(&landmarks.right),
        2 => spot(&landmarks.left),
        3 => spot(&landmarks.right),
        4 => {
            let way = [
                landmarks.left.rim,
                landmarks.left.center,
                landmarks.right.center,
                landmarks.right.rim,
            ];
            way.windows(2)
                .map(|ends| (-0.5 * (segment_distance(at, ends[0], ends[1]) / cell).powi(2)).exp())
                .fold(0.0, f64::max)
        }
        _ => 1.0,
    };
    value as f32
}

/// Distance of a point from a segment.
fn segment_distance(p: Point, a: Point, b: Point) -> f64 {
    let along = b - a;
    let length = along.dot(along);
    let share = if length > 0.0 {
        ((p - a).dot(along) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    p.distance(a + along * share)
}

/// Widths of the adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdapterConfig {
    /// Widths at the latent's size, half and a quarter of it.
    pub widths: [usize; 3],
    /// Widths of the denoiser at the entries of its three levels.
    pub outputs: [usize; 3],
}

impl Default for AdapterConfig {
    fn default() -> Self {
        Self {
            widths: [64, 96, 128],
            outputs: [96, 96, 160],
        }
    }
}

impl AdapterConfig {
    /// A size for tests.
    pub fn tiny() -> Self {
        Self {
            widths: [8, 8, 8],
            outputs: [8, 8, 8],
        }
    }

    /// The outputs that fit a denoiser.
    #[must_use]
    pub fn fitting(mut self, denoiser: &denoiser::Config) -> Self {
        let [fine, middle, _] = denoiser.widths;
        self.outputs = [fine, fine, middle];
        self
    }
}

/// Hint planes to what is added at the entry of each level of the denoiser (Mou et al., T2I-Adapter, 2023).
#[derive(Clone, Debug)]
pub struct Adapter {
    entries: Vec<Convolution>,
    blocks: Vec<[Residual; 2]>,
    exits: Vec<Convolution>,
}

impl Adapter {
    /// Reads `entry.L`, `block.L.N`, `exit.L`.
    pub fn new(vb: &VarBuilder<'_>, config: &AdapterConfig) -> Result<Self> {
        let widths = config.widths;
        let mut adapter = Self {
            entries: Vec::new(),
            blocks: Vec::new(),
            exits: Vec::new(),
        };
        for l in 0..3 {
            let before = if l == 0 { HINT_PLANES } else { widths[l - 1] };
            let entry = vb.pp(format!("entry.{l}"));
            // The first block of a level widens, so that the halving convolution stays narrow.
            adapter.entries.push(if l == 0 {
                Convolution::three(&entry, [before, widths[0]])?
            } else {
                Convolution::halving(&entry, [before, before])?
            });
            let from = if l == 0 { widths[0] } else { before };
            adapter.blocks.push([
                Residual::new(&vb.pp(format!("block.{l}.0")), [from, widths[l]])?,
                Residual::new(&vb.pp(format!("block.{l}.1")), [widths[l], widths[l]])?,
            ]);
            let channels = [widths[l], config.outputs[l]];
            let exit = Convolution::one(&vb.pp(format!("exit.{l}")), channels, Start::Zero)?;
            adapter.exits.push(exit);
        }
        Ok(adapter)
    }

    /// `hint [B,70,H,W]` to one injection a level; does not depend on the moment, so once a stroke is enough.
    pub fn forward(&self, hint: &Tensor) -> Result<Vec<Tensor>> {
        let mut x = hint.clone();
        let mut injections = Vec::with_capacity(3);
        for ((entry, [first, second]), exit) in
            self.entries.iter().zip(&self.blocks).zip(&self.exits)
        {
            x = entry.forward(&x)?;
            x = second.forward(&first.forward(&x, None)?, None)?;
            injections.push(exit.forward(&x)?);
        }
        Ok(injections)
    }
}

/// What an adapter adds at a weight: from the empty hint's (0) to the drawn one's (1) and beyond, since networks are
/// trained with the adapter always on.
pub fn weighted(without: &[Tensor], with: &[Tensor], weight: f64) -> Result<Vec<Tensor>> {
    let pairs = without.iter().zip(with);
    pairs
        .map(|(without, with)| without + ((with - without)? * weight)?)
        .collect()
}

/// A trainable copy of the way down whose results pass zero convolutions (Zhang et al., ControlNet, 2023).
#[derive(Clone, Debug)]
pub struct Branch {
    hint: [Convolution; 2],
    down: WayDown,
    zeros: Vec<Convolution>,
    zero_middle: Convolution,
}

impl Branch {
    /// Reads `hint.N`, `down.*` (named as in the denoiser, to be copied from it), `zero.N`, `zero.middle`.
    pub fn new(vb: &VarBuilder<'_>, config: &denoiser::Config) -> Result<Self> {
        let widths = config.widths;
        let levels = (0..3).flat_map(|l| std::iter::repeat_n(widths[l], config.blocks[l]));
        let zero = |name: &str, width| Convolution::one(&vb.pp(name), [width, width], Start::Zero);
        Ok(Self {
            hint: [
                Convolution::three(&vb.pp("hint.0"), [HINT_PLANES, widths[0]])?,
                Convolution::new(&vb.pp("hint.1"), [widths[0]; 2], 3, 1, Start::Zero)?,
            ],
            down: WayDown::new(&vb.pp("down"), config)?,
            zeros: levels
                .enumerate()
                .map(|(n, width)| zero(&format!("zero.{n}"), width))
                .collect::<Result<_>>()?,
            zero_middle: zero("zero.middle", widths[2])?,
        })
    }

    /// What is added to the denoiser's skips and middle, times `weight`.
    pub fn forward(
        &self,
        x: &Tensor,
        condition: &Tensor,
        hint: &Tensor,
        weight: f64,
    ) -> Result<Features> {
        let hint = ops::silu(&self.hint[0].forward(hint)?)?;
        let hint = self.hint[1].forward(&hint)?;
        let features = self.down.forward(x, condition, Some(&hint), None)?;
        let skips = self.zeros.iter().zip(&features.skips);
        Ok(Features {
            skips: skips
                .map(|(zero, skip)| zero.forward(skip)? * weight)
                .collect::<Result<_>>()?,
            middle: (self.zero_middle.forward(&features.middle)? * weight)?,
        })
    }
}
