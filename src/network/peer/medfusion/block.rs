//! The block of both networks, and the levels on the way down and up.

use candle_core::{Result, Tensor, bail};

use crate::network::ops;
use crate::network::peer::layers::{Conv, GroupNorm, Linear, Taps, linear};
use crate::network::peer::scope::Scope;

const THREE: Taps = Taps::square(3).pad(1);
const EPSILON: f64 = 1e-5;

/// Convolution, norm, swish, plus the input.
#[derive(Clone, Debug)]
struct Half {
    conv: Conv,
    norm: GroupNorm,
    shortcut: Option<Conv>,
}

impl Half {
    fn new(scope: &Scope<'_>, [input, output]: [usize; 2], groups: usize) -> Result<Self> {
        let place = scope.at("basic_block");
        Ok(Self {
            conv: Conv::new(&place.at("conv"), [input, output], THREE)?,
            norm: GroupNorm::new(&place.at("norm"), output, groups, EPSILON)?,
            shortcut: (input != output)
                .then(|| Conv::new(&scope.at("conv_res"), [input, output], Taps::square(1)))
                .transpose()?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let h = self.norm.forward_silu(&self.conv.forward(x)?)?;
        match &self.shortcut {
            Some(shortcut) => h + shortcut.forward(x)?,
            None => h + x,
        }
    }
}

/// Two halves; time, if any, is added between them.
#[derive(Clone, Debug)]
pub(super) struct Block {
    first: Half,
    second: Half,
    time: Option<Linear>,
}

impl Block {
    /// `time` is the width of the embedding.
    pub(super) fn new(
        scope: &Scope<'_>,
        [input, output]: [usize; 2],
        groups: usize,
        time: Option<usize>,
    ) -> Result<Self> {
        if groups == 0 || !output.is_multiple_of(groups) {
            bail!("{output} channels in {groups} groups")
        }
        Ok(Self {
            first: Half::new(&scope.at("block_seq.0"), [input, output], groups)?,
            second: Half::new(&scope.at("block_seq.1"), [output, output], groups)?,
            time: time
                .map(|width| linear(&scope.at("local_embedder.1"), [width, output], true))
                .transpose()?,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, time: Option<&Tensor>) -> Result<Tensor> {
        let mut h = self.first.forward(x)?;
        if let (Some(layer), Some(time)) = (&self.time, time) {
            let time = layer.forward(&ops::silu(time)?)?;
            h = h.broadcast_add(&time.unsqueeze(2)?.unsqueeze(3)?)?;
        }
        self.second.forward(&h)
    }
}

/// A level on the way down.
#[derive(Clone, Debug)]
pub(super) struct Down {
    conv: Conv,
    block: Block,
}

impl Down {
    pub(super) fn new(
        scope: &Scope<'_>,
        [input, output]: [usize; 2],
        stride: usize,
        groups: usize,
        time: Option<usize>,
    ) -> Result<Self> {
        let taps = THREE.stride(stride);
        Ok(Self {
            conv: Conv::new(&scope.at("down_op.down_op"), [input, output], taps)?,
            block: Block::new(&scope.at("conv_block"), [output, output], groups, time)?,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, time: Option<&Tensor>) -> Result<Tensor> {
        self.block.forward(&self.conv.forward(x)?, time)
    }
}

/// A level on the way up.
#[derive(Clone, Debug)]
pub(super) struct Up {
    conv: Conv,
    block: Block,
    factor: usize,
}

impl Up {
    pub(super) fn new(
        scope: &Scope<'_>,
        [input, output]: [usize; 2],
        factor: usize,
        groups: usize,
        time: Option<usize>,
    ) -> Result<Self> {
        Ok(Self {
            conv: Conv::new(&scope.at("up_op.up_op"), [input, output], THREE)?,
            block: Block::new(&scope.at("conv_block"), [output, output], groups, time)?,
            factor,
        })
    }

    /// The skip is added, not appended.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        skip: Option<&Tensor>,
        time: Option<&Tensor>,
    ) -> Result<Tensor> {
        let (_, _, height, width) = x.dims4()?;
        let x = ops::resize_nearest(x, self.factor * height, self.factor * width)?;
        let mut x = self.conv.forward(&x)?;
        if let Some(skip) = skip {
            if skip.dims() != x.dims() {
                bail!(
                    "{:?} and {:?}: the size must be a multiple of every stride",
                    x.dims(),
                    skip.dims()
                )
            }
            x = (x + skip)?;
        }
        self.block.forward(&x, time)
    }
}

/// Whether every level but the first has a stride of 1 or more, and as many as there are levels.
pub(super) fn check(widths: &[usize], strides: &[usize]) -> Result<()> {
    if widths.is_empty() || strides.len() != widths.len() || strides.contains(&0) {
        bail!("hid_chs {widths:?} and strides {strides:?} do not belong together")
    }
    Ok(())
}
