//! `EfficientNet` as converted from TensorFlow (the `efficientnet_pytorch` package, which the Norberg paper used).
//!
//! Same network as torchvision's with other names and another padding: what TensorFlow's `SAME` needs at the native
//! size of the picture, kept at every other size.

use candle_core::{Result, Tensor};

use super::Stages;
use super::efficientnet::{Row, SCALES, scaled};
use super::in_eights;
use crate::network::peer::classifier::{Classifier, Config};
use crate::network::peer::layers::{
    Activation, Chain, Conv, ConvNorm, Gate, Layer, Residual, Step, Taps, linear, pad_zeros,
};
use crate::network::peer::scope::Scope;

const EPSILON: f64 = 1e-3;
/// Side of the picture that each size was made for.
const SIDES: [usize; 8] = [224, 240, 260, 300, 380, 456, 528, 600];

/// Zeros above, below, left and right.
#[derive(Clone, Copy, Debug)]
struct Pad([usize; 4]);

impl Layer for Pad {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        pad_zeros(x, self.0)
    }
}

/// The side of the picture on its way through the network.
struct Side(usize);

impl Side {
    /// Padding of the next window, which also shrinks the picture.
    fn pad(&mut self, kernel: usize, stride: usize) -> Pad {
        let next = self.0.div_ceil(stride);
        let all = ((next - 1) * stride + kernel).saturating_sub(self.0);
        self.0 = next;
        let before = all / 2;
        Pad([before, all - before, before, all - before])
    }
}

fn pair(
    scope: &Scope<'_>,
    [conv, norm]: [&str; 2],
    channels: [usize; 2],
    taps: Taps,
    activation: Activation,
) -> Result<ConvNorm> {
    let (conv, norm) = (scope.at(conv), scope.at(norm));
    ConvNorm::new(&conv, &norm, channels, taps, EPSILON, activation)
}

fn block(
    scope: &Scope<'_>,
    [expansion, kernel, stride, input, output, _]: [usize; 6],
    side: &mut Side,
) -> Result<Chain> {
    let (swish, one) = (Activation::Silu, Taps::square(1));
    let inner = input * expansion;
    let mut body = Chain::new();
    if expansion != 1 {
        body.push(pair(
            scope,
            ["_expand_conv", "_bn0"],
            [input, inner],
            one,
            swish,
        )?);
    }
    let depthwise = Taps::square(kernel).stride(stride).groups(inner);
    body.push(side.pad(kernel, stride));
    body.push(pair(
        scope,
        ["_depthwise_conv", "_bn1"],
        [inner, inner],
        depthwise,
        swish,
    )?);
    let squeezed = (input / 4).max(1);
    body.push(Gate {
        squeeze: Conv::new(&scope.at("_se_reduce"), [inner, squeezed], one)?,
        inner: swish,
        excite: Conv::new(&scope.at("_se_expand"), [squeezed, inner], one)?,
        outer: Activation::Sigmoid,
    });
    let names = ["_project_conv", "_bn2"];
    body.push(pair(
        scope,
        names,
        [inner, output],
        one,
        Activation::Identity,
    )?);
    Ok(body)
}

/// `efficientnet-b0` to `efficientnet-b7`, with a hyphen.
pub(super) fn build(scope: &Scope<'_>, config: &Config, name: &str) -> Result<Option<Classifier>> {
    let size = name
        .strip_prefix("efficientnet-b")
        .and_then(|size| size.parse::<usize>().ok())
        .filter(|&size| size < SIDES.len());
    let Some(size) = size else {
        return Ok(None);
    };
    let swish = Activation::Silu;
    let mut side = Side(SIDES[size]);
    let rows: Vec<Row> = scaled(SCALES[size]);
    let first = rows[0].1[3];
    let mut stages = Stages::default();
    let stem = stages.begin(2);
    stem.push(side.pad(3, 2));
    let half = Taps::square(3).stride(2);
    stem.push(pair(
        scope,
        ["_conv_stem", "_bn0"],
        [3, first],
        half,
        swish,
    )?);
    let (mut index, mut last) = (0, first);
    for (_, row) in rows {
        for j in 0..row[5] {
            let mut own = row;
            if j > 0 {
                (own[2], own[3]) = (1, row[4]);
            }
            let body = block(&scope.at(format!("_blocks.{index}")), own, &mut side)?;
            let stage = stages.begin(own[2]);
            if own[2] == 1 && own[3] == own[4] {
                stage.push(Residual {
                    body,
                    shortcut: Chain::new(),
                    activation: Activation::Identity,
                });
            } else {
                stage.push(body);
            }
            index += 1;
        }
        last = row[4];
    }
    let features = in_eights(1280.0 * SCALES[size].0);
    let one = Taps::square(1);
    let end = pair(scope, ["_conv_head", "_bn1"], [last, features], one, swish)?;
    stages.begin(1).push(end);
    let head = Chain::new().then(Step::GlobalMean).then(linear(
        &scope.at("_fc"),
        [features, config.num_classes],
        true,
    )?);
    Ok(Some(Classifier::new(stages.finish(), head)))
}
