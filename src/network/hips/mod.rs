//! Hip points: heat maps of two femoral heads and two rims, with radii, and how sure they are.
//!
//! Separate from the reader because its answer is geometry with an error ellipse; [`points`] turns maps into numbers
//! and holds the calibration, [`detail`] looks at each hip again, this file is the network.

pub mod detail;
pub mod joint;
pub mod points;

use candle_core::{DType, Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use super::layers::{Convolution, Residual, Start};
use super::ops;

/// Pixels of the input a map cell covers in each direction.
pub const CELL: usize = 4;
/// Maps: four logits (left centre, left rim, right centre, right rim), two radii, two log-variances of the radii.
pub const MAPS: usize = 8;

/// Widths of the hourglass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Channels at a quarter of the size, and at each halving of it.
    pub widths: [usize; 4],
}

impl Default for Config {
    fn default() -> Self {
        Self {
            widths: [48, 96, 128, 192],
        }
    }
}

impl Config {
    /// A size for tests.
    pub fn tiny() -> Self {
        Self {
            widths: [8, 8, 8, 8],
        }
    }
}

/// The hourglass.
#[derive(Clone, Debug)]
pub struct HipNetwork {
    first: Convolution,
    halvings: Vec<Convolution>,
    down: Vec<Residual>,
    across: Vec<Convolution>,
    up: Vec<Residual>,
    last: Convolution,
}

impl HipNetwork {
    /// Reads `first`, `halving.L`, `down.L`, `across.L`, `up.L`, `last`.
    pub fn new(vb: &VarBuilder<'_>, config: &Config) -> Result<Self> {
        let w = config.widths;
        let mut net = Self {
            first: Convolution::three(&vb.pp("first"), [CELL * CELL, w[0]])?,
            halvings: Vec::new(),
            down: vec![Residual::new(&vb.pp("down.0"), [w[0], w[0]])?],
            across: Vec::new(),
            up: Vec::new(),
            last: Convolution::one(&vb.pp("last"), [w[0], MAPS], Start::Random)?,
        };
        for l in 0..3 {
            let vb = |name: &str, l: usize| vb.pp(format!("{name}.{l}"));
            let halving = Convolution::halving(&vb("halving", l), [w[l], w[l]])?;
            net.halvings.push(halving);
            let channels = [w[l], w[l + 1]];
            net.down.push(Residual::new(&vb("down", l + 1), channels)?);
            let across = Convolution::one(&vb("across", l), [w[l + 1], w[l]], Start::Random)?;
            net.across.push(across);
            net.up.push(Residual::new(&vb("up", l), [w[l], w[l]])?);
        }
        Ok(net)
    }

    /// Images `[B,1,H,W]` in −1…1 (H, W multiples of 32) to maps `[B,8,H/4,W/4]`.
    pub fn forward(&self, image: &Tensor) -> Result<Tensor> {
        let mut x = self.first.forward(&ops::pixel_unshuffle(image, CELL)?)?;
        x = self.down[0].forward(&x, None)?;
        let mut skips = Vec::new();
        for (halving, block) in self.halvings.iter().zip(&self.down[1..]) {
            skips.push(x.clone());
            x = block.forward(&halving.forward(&x)?, None)?;
        }
        for ((across, block), skip) in self.across.iter().zip(&self.up).zip(&skips).rev() {
            x = (ops::upsample_nearest_2x(&across.forward(&x)?)? + skip)?;
            x = block.forward(&x, None)?;
        }
        self.last.forward(&x)?.to_dtype(DType::F32)
    }
}
