//! The conditional U-Net that predicts the velocity of flow matching.
//!
//! Separate from its control branches, which add to it: with none of them it is the whole generator. Sum skips instead
//! of concatenation, attention only at the coarsest size (measured: best use of a CPU's time at 32×32 latents).

use candle_core::{DType, Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use super::condition::{Condition, Embedding, Moment};
use super::layers::{Attention, Convolution, Norm, Residual, Start};
use super::ops;
use super::stages::Stage;

/// Widths and depths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Latent channels.
    pub latent: usize,
    /// Widths at the latent's size, half and a quarter of it.
    pub widths: [usize; 3],
    /// Residual blocks at each size.
    pub blocks: [usize; 3],
    /// Width of the condition vector.
    pub embedding: usize,
    /// Channels of one attention head.
    pub head: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            latent: 4,
            widths: [96, 160, 256],
            blocks: [1, 2, 2],
            embedding: 256,
            head: 32,
        }
    }
}

impl Config {
    /// A size for tests.
    pub fn tiny() -> Self {
        Self {
            latent: 4,
            widths: [8, 8, 16],
            blocks: [1, 1, 1],
            embedding: 16,
            head: 8,
        }
    }

    /// Input channels: noisy latent, mask (1 = regenerate), latent of the masked picture.
    pub fn inputs(&self) -> usize {
        2 * self.latent + 1
    }
}

/// A residual block, with attention at the coarsest size.
#[derive(Clone, Debug)]
struct Block {
    residual: Residual,
    attention: Option<Attention>,
}

impl Block {
    fn new(
        vb: &VarBuilder<'_>,
        channels: [usize; 2],
        config: &Config,
        attends: bool,
    ) -> Result<Self> {
        Ok(Self {
            residual: Residual::conditioned(&vb.pp("residual"), channels, config.embedding)?,
            attention: attends
                .then(|| Attention::new(&vb.pp("attention"), channels[1], config.head))
                .transpose()?,
        })
    }

    fn forward(&self, x: &Tensor, condition: &Tensor) -> Result<Tensor> {
        let x = self.residual.forward(x, Some(condition))?;
        match &self.attention {
            Some(attention) => attention.forward(&x),
            None => Ok(x),
        }
    }
}

/// What the way down gives: one tensor a residual block, and the middle.
#[derive(Clone, Debug)]
pub struct Features {
    /// After each block on the way down, finest first.
    pub skips: Vec<Tensor>,
    /// After the middle.
    pub middle: Tensor,
}

/// The way down and the middle; a ControlNet branch is a copy of it.
#[derive(Clone, Debug)]
pub struct WayDown {
    first: Convolution,
    levels: Vec<Vec<Block>>,
    halvings: Vec<Convolution>,
    middle: [Block; 2],
}

impl WayDown {
    /// Reads `first`, `level.L.N`, `halving.L`, `middle.N`.
    pub fn new(vb: &VarBuilder<'_>, config: &Config) -> Result<Self> {
        let widths = config.widths;
        let mut levels = Vec::new();
        for (level, &width) in widths.iter().enumerate() {
            let blocks = (0..config.blocks[level]).map(|n| {
                let from = if n == 0 {
                    widths[level.saturating_sub(1)]
                } else {
                    width
                };
                let name = format!("level.{level}.{n}");
                Block::new(&vb.pp(name), [from, width], config, level == 2)
            });
            levels.push(blocks.collect::<Result<Vec<_>>>()?);
        }
        let wide = [widths[2], widths[2]];
        Ok(Self {
            first: Convolution::three(&vb.pp("first"), [config.inputs(), widths[0]])?,
            levels,
            halvings: (0..2)
                .map(|l| {
                    Convolution::halving(&vb.pp(format!("halving.{l}")), [widths[l], widths[l]])
                })
                .collect::<Result<_>>()?,
            middle: [
                Block::new(&vb.pp("middle.0"), wide, config, true)?,
                Block::new(&vb.pp("middle.1"), wide, config, false)?,
            ],
        })
    }

    /// `x [B,2·latent+1,H,W]`; `hint` is added after the first convolution, `injections[l]` at the entry of level `l`.
    pub fn forward(
        &self,
        x: &Tensor,
        condition: &Tensor,
        hint: Option<&Tensor>,
        injections: Option<&[Tensor]>,
    ) -> Result<Features> {
        let mut x = self.first.forward(x)?;
        if let Some(hint) = hint {
            x = (x + hint)?;
        }
        let mut skips = Vec::new();
        for (l, level) in self.levels.iter().enumerate() {
            if let Some(injection) = injections.and_then(|all| all.get(l)) {
                x = (x + injection)?;
            }
            for block in level {
                x = block.forward(&x, condition)?;
                skips.push(x.clone());
            }
            if let Some(halving) = self.halvings.get(l) {
                x = halving.forward(&x)?;
            }
        }
        for block in &self.middle {
            x = block.forward(&x, condition)?;
        }
        Ok(Features { skips, middle: x })
    }
}

/// The denoiser.
#[derive(Clone, Debug)]
pub struct Denoiser {
    embedding: Embedding,
    down: WayDown,
    levels: Vec<Vec<Block>>,
    doublings: Vec<Convolution>,
    norm: Norm,
    last: Convolution,
}

impl Denoiser {
    /// Reads `embedding.*`, `down.*`, `up.*`, `norm`, `last`.
    pub fn new(vb: &VarBuilder<'_>, config: &Config) -> Result<Self> {
        let widths = config.widths;
        let up = vb.pp("up");
        let mut levels = Vec::new();
        for (level, &width) in widths.iter().enumerate() {
            let blocks = (0..config.blocks[level]).map(|n| {
                let name = format!("level.{level}.{n}");
                Block::new(&up.pp(name), [width, width], config, level == 2)
            });
            levels.push(blocks.collect::<Result<Vec<_>>>()?);
        }
        Ok(Self {
            embedding: Embedding::new(&vb.pp("embedding"), config.embedding)?,
            down: WayDown::new(&vb.pp("down"), config)?,
            levels,
            doublings: (0..2)
                .map(|l| {
                    let channels = [widths[l + 1], widths[l]];
                    Convolution::three(&up.pp(format!("doubling.{l}")), channels)
                })
                .collect::<Result<_>>()?,
            norm: Norm::new(&vb.pp("norm"), widths[0])?,
            last: Convolution::new(
                &vb.pp("last"),
                [widths[0], config.latent],
                3,
                1,
                Start::Zero,
            )?,
        })
    }

    /// The condition vectors `[B,embedding]`; worth keeping between steps with the same moments.
    pub fn embed(&self, conditions: &[Condition], moments: &[Moment]) -> Result<Tensor> {
        self.embedding.forward(conditions, moments)
    }

    /// Velocity `[B,latent,H,W]` for `x [B,2·latent+1,H,W]` (see [`assemble`]).
    ///
    /// `injections` come from the control adapter, `residuals` from a ControlNet branch; both are added. f32, where the
    /// weights are.
    pub fn forward(
        &self,
        x: &Tensor,
        condition: &Tensor,
        injections: Option<&[Tensor]>,
        residuals: Option<&Features>,
    ) -> Result<Tensor> {
        let features = self.down.forward(x, condition, None, injections)?;
        let mut x = features.middle;
        let mut skips = features.skips;
        if let Some(residuals) = residuals {
            x = (x + &residuals.middle)?;
            for (skip, residual) in skips.iter_mut().zip(&residuals.skips) {
                *skip = (&*skip + residual)?;
            }
        }
        for (l, level) in self.levels.iter().enumerate().rev() {
            for block in level {
                if let Some(skip) = skips.pop() {
                    x = (x + skip)?;
                }
                x = block.forward(&x, condition)?;
            }
            if let Some(doubling) = l.checked_sub(1).and_then(|l| self.doublings.get(l)) {
                x = doubling.forward(&ops::upsample_nearest_2x(&x)?)?;
            }
        }
        self.last
            .forward(&self.norm.forward_silu(&x)?)?
            .to_dtype(DType::F32)
    }

    /// [`Denoiser::forward`] without residuals as stages, one a block, for [`crate::network::stages::backward`].
    ///
    /// The first state is `[x, condition, injections of the three levels]`, the last one `[velocity]`; between them the
    /// skips lie behind the injections.
    pub fn stages(&self) -> Vec<Stage<'_>> {
        /// Where the injections begin in a state, and where the skips do.
        const INJECTIONS: usize = 2;
        const SKIPS: usize = INJECTIONS + 3;
        let with = |state: &[Tensor], x: Tensor| {
            let mut next = state.to_vec();
            next[0] = x;
            next
        };
        let mut stages: Vec<Stage<'_>> = Vec::new();
        let down = &self.down;
        for (l, level) in down.levels.iter().enumerate() {
            for (n, block) in level.iter().enumerate() {
                stages.push(Box::new(move |state| {
                    let mut x = state[0].clone();
                    if l == 0 && n == 0 {
                        x = down.first.forward(&x)?;
                    }
                    if n == 0 {
                        x = (x + &state[INJECTIONS + l])?;
                    }
                    let x = block.forward(&x, &state[1])?;
                    let halving = down.halvings.get(l).filter(|_| n + 1 == level.len());
                    let mut next = with(state, x.clone());
                    next.push(x.clone());
                    if let Some(halving) = halving {
                        next[0] = halving.forward(&x)?;
                    }
                    Ok(next)
                }));
            }
        }
        for block in &down.middle {
            stages.push(Box::new(move |state| {
                Ok(with(state, block.forward(&state[0], &state[1])?))
            }));
        }
        for (l, level) in self.levels.iter().enumerate().rev() {
            for (n, block) in level.iter().enumerate() {
                stages.push(Box::new(move |state| {
                    let (skip, rest) = match state {
                        [rest @ .., skip] if state.len() > SKIPS => (skip, rest),
                        _ => candle_core::bail!("a stage without its skip"),
                    };
                    let mut x = block.forward(&(&rest[0] + skip)?, &rest[1])?;
                    if let Some(doubling) = l.checked_sub(1).and_then(|l| self.doublings.get(l))
                        && n + 1 == level.len()
                    {
                        x = doubling.forward(&ops::upsample_nearest_2x(&x)?)?;
                    }
                    if l == 0 && n + 1 == level.len() {
                        let y = self.last.forward(&self.norm.forward_silu(&x)?)?;
                        return Ok(vec![y.to_dtype(DType::F32)?]);
                    }
                    Ok(with(rest, x))
                }));
            }
        }
        stages
    }
}

/// Noisy latent, mask (`[B,1,H,W]`, 1 = regenerate) and latent of the masked picture in one input.
///
/// Without a mask everything is regenerated: mask 1 and a zero masked latent.
pub fn assemble(z: &Tensor, masked: Option<(&Tensor, &Tensor)>) -> Result<Tensor> {
    if let Some((mask, kept)) = masked {
        Tensor::cat(&[z, mask, kept], 1)
    } else {
        let (b, _, h, w) = z.dims4()?;
        let mask = Tensor::ones((b, 1, h, w), z.dtype(), z.device())?;
        Tensor::cat(&[z, &mask, &z.zeros_like()?], 1)
    }
}
