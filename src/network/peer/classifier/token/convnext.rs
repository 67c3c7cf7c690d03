//! `ConvNeXt` (Liu et al. 2022).

use candle_core::{Result, Tensor};

use crate::network::ops;
use crate::network::peer::classifier::{Classifier, Config};
use crate::network::peer::layers::{Chain, Conv, Layer, LayerNorm, Linear, Step, Taps, linear};
use crate::network::peer::scope::Scope;

const EPSILON: f64 = 1e-6;

/// A layer norm over the channels of every pixel.
#[derive(Debug)]
struct ChannelNorm(LayerNorm);

impl Layer for ChannelNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.forward_channels(x)
    }
}

/// Depthwise 7×7, norm, four times the channels, GELU, back, scaled and added.
#[derive(Debug)]
struct Block {
    depthwise: Conv,
    norm: LayerNorm,
    wide: Linear,
    narrow: Linear,
    scale: Tensor,
}

impl Block {
    fn new(scope: &Scope<'_>, width: usize) -> Result<Self> {
        let layers = scope.at("block");
        let taps = Taps::square(7).pad(3).groups(width);
        Ok(Self {
            depthwise: Conv::new(&layers.at(0), [width, width], taps)?,
            norm: LayerNorm::new(&layers.at(2), width, EPSILON)?,
            wide: linear(&layers.at(3), [width, 4 * width], true)?,
            narrow: linear(&layers.at(5), [4 * width, width], true)?,
            scale: scope.constant("layer_scale", (width, 1, 1), 1e-6)?,
        })
    }
}

impl Layer for Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let h = self.depthwise.forward(x)?;
        let h = self.norm.forward(&h.permute((0, 2, 3, 1))?.contiguous()?)?;
        let h = self.narrow.forward(&ops::gelu(&self.wide.forward(&h)?)?)?;
        let h = h.permute((0, 3, 1, 2))?.contiguous()?;
        x + h.broadcast_mul(&self.scale)?
    }
}

/// `convnext_tiny`, `small`, `base`, `large`.
pub(super) fn build(scope: &Scope<'_>, config: &Config, name: &str) -> Result<Option<Classifier>> {
    let (first, third) = match name {
        "convnext_tiny" => (96, 9),
        "convnext_small" => (96, 27),
        "convnext_base" => (128, 27),
        "convnext_large" => (192, 27),
        _ => return Ok(None),
    };
    let norm = |place: &Scope<'_>, width: usize| LayerNorm::new(place, width, EPSILON);
    let place = |index: usize| scope.at(format!("features.{index}"));
    let stem = Taps::square(4).stride(4);
    let mut stage = Chain::new()
        .then(Conv::new(&place(0).at(0), [3, first], stem)?)
        .then(ChannelNorm(norm(&place(0).at(1), first)?));
    let mut width = first;
    let mut stages = Vec::new();
    for (level, depth) in [3, 3, third, 3].into_iter().enumerate() {
        if level > 0 {
            let down = place(2 * level);
            let half = Taps::square(2).stride(2);
            stage = Chain::new()
                .then(ChannelNorm(norm(&down.at(0), width)?))
                .then(Conv::new(&down.at(1), [width, 2 * width], half)?);
            width *= 2;
        }
        for i in 0..depth {
            stage.push(Block::new(&place(2 * level + 1).at(i), width)?);
        }
        stages.push(std::mem::take(&mut stage));
    }
    let head = Chain::new()
        .then(Step::GlobalMean)
        .then(norm(&scope.at("classifier.0"), width)?)
        .then(linear(
            &scope.at("classifier.2"),
            [width, config.num_classes],
            true,
        )?);
    Ok(Some(Classifier::new(stages, head)))
}
