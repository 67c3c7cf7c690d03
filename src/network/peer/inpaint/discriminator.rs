//! The discriminator: two networks of the same form, one for the picture and one for that of the first stage.
//!
//! Separate from the generator; nothing but training needs it.

use candle_core::{Result, Tensor, bail};

use super::Config;
use super::primitive::{Dense, Ending, Scaled, Size};
use crate::network::peer::scope::Scope;

/// Halves the picture, with a short way beside it.
#[derive(Clone, Debug)]
struct Block {
    conv0: Scaled,
    conv1: Scaled,
    skip: Scaled,
}

impl Block {
    fn new(scope: &Scope<'_>, [input, output]: [usize; 2]) -> Result<Self> {
        let leaky = Ending::Leaky;
        let both = [input, output];
        Ok(Self {
            conv0: Scaled::new(&scope.at("conv0"), [input; 2], 3, Size::Same, leaky)?,
            conv1: Scaled::new(&scope.at("conv1"), both, 3, Size::Half, leaky)?,
            skip: Scaled::unbiased(&scope.at("skip"), both, 1, Size::Half)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let gain = std::f64::consts::FRAC_1_SQRT_2;
        let y = self.conv1.forward_by(&self.conv0.forward(x)?, gain)?;
        y + self.skip.forward_by(x, gain)?
    }
}

#[derive(Clone, Debug)]
struct Tower {
    first: Scaled,
    blocks: Vec<Block>,
    last: Scaled,
    wide: Dense,
    logit: Dense,
    group: usize,
}

impl Tower {
    /// `suffix` is what its names end with; it has the channels of the other divided by `share`.
    fn new(scope: &Scope<'_>, config: &Config, suffix: &str, share: usize) -> Result<Self> {
        let levels = config.levels()?;
        let channels = |level: usize| config.channels(level) / share;
        let place = |i: usize| scope.at(format!("Dis{suffix}.{i}"));
        let leaky = Ending::Leaky;
        let end = channels(2);
        let first = [config.img_channels + 1, channels(levels)];
        let blocks: Vec<Block> = (3..=levels)
            .rev()
            .enumerate()
            .map(|(i, level)| Block::new(&place(i + 1), [channels(level), channels(level - 1)]))
            .collect::<Result<_>>()?;
        // The layer between, which has no weights, has an index too.
        let last = place(blocks.len() + 2);
        Ok(Self {
            first: Scaled::new(&place(0).at("conv"), first, 1, Size::Same, leaky)?,
            blocks,
            last: Scaled::new(&last, [end + 1, end], 3, Size::Same, leaky)?,
            wide: Dense::new(&scope.at(format!("fc0{suffix}")), [16 * end, end], leaky)?,
            logit: Dense::new(&scope.at(format!("fc1{suffix}")), [end, 1], Ending::Linear)?,
            group: config.mbstd_group_size.max(1),
        })
    }

    fn forward(&self, image: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let input = Tensor::cat(&[&(mask - 0.5)?, image], 1)?;
        let mut x = self.first.forward(&input)?;
        for block in &self.blocks {
            x = block.forward(&x)?;
        }
        let x = self.last.forward(&with_spread(&x, self.group)?)?;
        self.logit.forward(&self.wide.forward(&x.flatten_from(1)?)?)
    }
}

/// One more channel: how much the images of a group differ (Karras et al. 2018, section 3).
fn with_spread(x: &Tensor, group: usize) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    let group = group.min(batch);
    if !batch.is_multiple_of(group) {
        bail!("a batch of {batch} in groups of {group}")
    }
    let sets = batch / group;
    let y = x.reshape((group, sets, channels * height * width))?;
    let off = y.broadcast_sub(&y.mean_keepdim(0)?)?;
    let deviation = (off.sqr()?.mean(0)? + 1e-8)?.sqrt()?;
    let spread = deviation.mean_keepdim(1)?.reshape((1, sets, 1, 1, 1))?;
    let spread = spread
        .broadcast_as((group, sets, 1, height, width))?
        .contiguous()?
        .reshape((batch, 1, height, width))?;
    Tensor::cat(&[x, &spread], 1)
}

/// The discriminator of MAT.
#[derive(Clone, Debug)]
pub struct Discriminator {
    whole: Tower,
    first: Tower,
}

impl Discriminator {
    /// Builds it under `scope`.
    pub fn new(scope: &Scope<'_>, config: &Config) -> Result<Self> {
        Ok(Self {
            whole: Tower::new(scope, config, "", 1)?,
            first: Tower::new(scope, config, "_stg1", 2)?,
        })
    }

    /// Logits `[B,1]` of the picture and of that of the first stage, `[B,C,S,S]` each; `mask [B,1,S,S]`, 1 is kept.
    pub fn forward(&self, image: &Tensor, first: &Tensor, mask: &Tensor) -> Result<[Tensor; 2]> {
        Ok([
            self.whole.forward(image, mask)?,
            self.first.forward(first, mask)?,
        ])
    }
}
