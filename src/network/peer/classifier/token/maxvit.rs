//! `MaxViT` (Tu et al. 2022) with torchvision's names: depthwise convolutions, then attention in windows, then in grids.
//!
//! A grid takes its places at equal distances from all over the picture, a window takes neighbors.

use candle_core::{Result, Tensor, bail};

use crate::network::ops;
use crate::network::peer::classifier::mobile::gate;
use crate::network::peer::classifier::{Classifier, Config};
use crate::network::peer::layers::{
    Activation, BatchNorm, Chain, Conv, ConvNorm, Layer, LayerNorm, Linear, Residual, Step, Taps,
    attend, linear, relative_bias, window,
};
use crate::network::peer::scope::Scope;

const EPSILON: f64 = 1e-5;
/// Of the batch norms.
const BATCH_EPSILON: f64 = 1e-3;
/// Places along a side of a window or a grid.
const SIDE: usize = 7;
/// Channels of a head.
const HEAD: usize = 32;
const STEM: usize = 64;
const WIDTHS: [usize; 4] = [64, 128, 256, 512];
const DEPTHS: [usize; 4] = [2, 2, 5, 2];

/// How a picture is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Division {
    Windows,
    Grids,
}

/// Attention within the parts of a picture and two linear layers, each normalised first and added.
#[derive(Debug)]
struct Attention {
    norm1: LayerNorm,
    qkv: Linear,
    table: Tensor,
    out: Linear,
    norm2: LayerNorm,
    wide: Linear,
    narrow: Linear,
    division: Division,
}

impl Attention {
    fn new(scope: &Scope<'_>, width: usize, division: Division) -> Result<Self> {
        let (attention, mlp) = (scope.at("attn_layer"), scope.at("mlp_layer"));
        let inner = attention.at(1);
        inner.ignore("relative_position_index")?;
        let span = (2 * SIDE - 1) * (2 * SIDE - 1);
        let table = inner.random("relative_position_bias_table", (span, width / HEAD), span)?;
        Ok(Self {
            norm1: LayerNorm::new(&attention.at(0), width, EPSILON)?,
            qkv: linear(&inner.at("to_qkv"), [width, 3 * width], true)?,
            table,
            out: linear(&inner.at("merge"), [width, width], true)?,
            norm2: LayerNorm::new(&mlp.at(0), width, EPSILON)?,
            wide: linear(&mlp.at(1), [width, 4 * width], true)?,
            narrow: linear(&mlp.at(3), [4 * width, width], true)?,
            division,
        })
    }
}

impl Layer for Attention {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, channels, height, width) = x.dims4()?;
        let (rows, columns) = (height / SIDE, width / SIDE);
        if height % SIDE + width % SIDE > 0 {
            bail!("image: {height}x{width} places at a level, wanted multiples of {SIDE}")
        }
        let windows = self.division == Division::Windows;
        // Both divisions cut rows and columns in two; which half numbers the parts makes the difference.
        let (cut, order, back) = if windows {
            let cut = [batch, channels, rows, SIDE, columns, SIDE];
            (cut, [0, 2, 4, 3, 5, 1], [0, 5, 1, 3, 2, 4])
        } else {
            let cut = [batch, channels, SIDE, rows, SIDE, columns];
            (cut, [0, 3, 5, 2, 4, 1], [0, 5, 3, 1, 4, 2])
        };
        let tokens =
            x.reshape(&cut)?
                .permute(order)?
                .contiguous()?
                .reshape(((), SIDE * SIDE, channels))?;
        let qkv = self.qkv.forward(&self.norm1.forward(&tokens)?)?;
        let qkv = qkv.chunk(3, 2)?;
        // Scores are divided by the root of all channels, not of a head's.
        let query = (&qkv[0] * (HEAD as f64 / channels as f64).sqrt())?;
        let bias = relative_bias(&self.table, SIDE)?;
        let y = attend(&query, &qkv[1], &qkv[2], channels / HEAD, Some(&bias))?;
        let tokens = (tokens + self.out.forward(&y)?)?;
        let h = self.wide.forward(&self.norm2.forward(&tokens)?)?;
        let tokens = (&tokens + self.narrow.forward(&ops::gelu(&h)?)?)?;
        tokens
            .reshape(&[batch, rows, columns, SIDE, SIDE, channels])?
            .permute(back)?
            .contiguous()?
            .reshape((batch, channels, height, width))
    }
}

fn conv_norm(scope: &Scope<'_>, channels: [usize; 2], taps: Taps) -> Result<ConvNorm> {
    let (conv, norm) = (scope.at(0), scope.at(1));
    ConvNorm::new(
        &conv,
        &norm,
        channels,
        taps,
        BATCH_EPSILON,
        Activation::Gelu,
    )
}

fn convolutions(scope: &Scope<'_>, [input, output]: [usize; 2], stride: usize) -> Result<Residual> {
    let (layers, inner) = (scope.at("layers"), 4 * output);
    let one = Taps::square(1);
    let middle = Taps::square(3).pad(1).stride(stride).groups(inner);
    let body = Chain::new()
        .then(BatchNorm::new(
            &layers.at("pre_norm"),
            input,
            BATCH_EPSILON,
        )?)
        .then(conv_norm(&layers.at("conv_a"), [input, inner], one)?)
        .then(conv_norm(&layers.at("conv_b"), [inner, inner], middle)?)
        .then(gate(
            &layers.at("squeeze_excitation"),
            [inner, output / 4],
            Activation::Silu,
            Activation::Sigmoid,
        )?)
        .then(Conv::new(&layers.at("conv_c"), [inner, output], one)?);
    let mut shortcut = Chain::new();
    if stride != 1 {
        shortcut = shortcut
            .then(Step::AveragePool(window(3, stride, 1, false), true))
            .then(Conv::new(&scope.at("proj.1"), [input, output], one)?);
    }
    Ok(Residual {
        body,
        shortcut,
        activation: Activation::Identity,
    })
}

/// torchvision's `maxvit_t`; pictures whose sides are multiples of 224.
pub(super) fn build(scope: &Scope<'_>, config: &Config, name: &str) -> Result<Option<Classifier>> {
    if name != "maxvit_t" {
        return Ok(None);
    }
    let (stem, three) = (scope.at("stem"), Taps::square(3).pad(1));
    let mut stages = vec![
        Chain::new()
            .then(conv_norm(&stem.at(0), [3, STEM], three.stride(2))?)
            .then(Conv::new(&stem.at("1.0"), [STEM, STEM], three)?),
    ];
    let mut input = STEM;
    for (level, (width, depth)) in WIDTHS.into_iter().zip(DEPTHS).enumerate() {
        let mut stage = Chain::new();
        for i in 0..depth {
            let place = scope.at(format!("blocks.{level}.layers.{i}.layers"));
            let stride = if i == 0 { 2 } else { 1 };
            let attention = |name: &str, division| Attention::new(&place.at(name), width, division);
            stage = stage
                .then(convolutions(&place.at("MBconv"), [input, width], stride)?)
                .then(attention("window_attention", Division::Windows)?)
                .then(attention("grid_attention", Division::Grids)?);
            input = width;
        }
        stages.push(stage);
    }
    let classifier = scope.at("classifier");
    let head = Chain::new()
        .then(Step::GlobalMean)
        .then(LayerNorm::new(&classifier.at(2), input, EPSILON)?)
        .then(linear(&classifier.at(3), [input, input], true)?)
        .then(Activation::Tanh)
        .then(linear(
            &classifier.at(5),
            [input, config.num_classes],
            false,
        )?);
    Ok(Some(Classifier::new(stages, head)))
}
