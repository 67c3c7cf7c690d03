//! `ShuffleNet` v2 (Ma et al. 2018).

use candle_core::{Result, Tensor};

use crate::network::peer::classifier::{Classifier, Config};
use crate::network::peer::layers::{
    Activation, Chain, ConvNorm, Layer, Step, Taps, linear, window,
};
use crate::network::peer::scope::Scope;

const REPEATS: [usize; 3] = [4, 8, 4];

fn widths(name: &str) -> Option<[usize; 5]> {
    Some(match name {
        "shufflenet_v2_x0_5" => [24, 48, 96, 192, 1024],
        "shufflenet_v2_x1_0" => [24, 116, 232, 464, 1024],
        "shufflenet_v2_x1_5" => [24, 176, 352, 704, 1024],
        "shufflenet_v2_x2_0" => [24, 244, 488, 976, 2048],
        _ => return None,
    })
}

/// Half of the channels pass, or both ways halve the size; then the two halves are interleaved.
#[derive(Debug)]
struct Unit {
    first: Option<Chain>,
    second: Chain,
}

impl Layer for Unit {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (left, right) = if let Some(first) = &self.first {
            (first.forward(x)?, self.second.forward(x)?)
        } else {
            let halves = x.chunk(2, 1)?;
            let right = self.second.forward(&halves[1].contiguous()?)?;
            (halves[0].contiguous()?, right)
        };
        // The channels of both, alternating.
        Tensor::stack(&[left, right], 2)?.flatten(1, 2)
    }
}

fn pair(
    scope: &Scope<'_>,
    index: usize,
    channels: [usize; 2],
    taps: Taps,
    activation: Activation,
) -> Result<ConvNorm> {
    let (conv, norm) = (scope.at(index), scope.at(index + 1));
    ConvNorm::new(&conv, &norm, channels, taps.same(), 1e-5, activation)
}

fn unit(scope: &Scope<'_>, [input, output]: [usize; 2], stride: usize) -> Result<Unit> {
    let half = output / 2;
    let (one, relu, none) = (Taps::square(1), Activation::Relu, Activation::Identity);
    let depthwise = |channels: usize| Taps::square(3).stride(stride).groups(channels);
    let first = (stride > 1)
        .then(|| -> Result<Chain> {
            let place = scope.at("branch1");
            Ok(Chain::new()
                .then(pair(&place, 0, [input, input], depthwise(input), none)?)
                .then(pair(&place, 2, [input, half], one, relu)?))
        })
        .transpose()?;
    let place = scope.at("branch2");
    let from = if stride > 1 { input } else { half };
    Ok(Unit {
        first,
        second: Chain::new()
            .then(pair(&place, 0, [from, half], one, relu)?)
            .then(pair(&place, 3, [half, half], depthwise(half), none)?)
            .then(pair(&place, 5, [half, half], one, relu)?),
    })
}

/// `shufflenet_v2_x0_5`, `x1_0`, `x1_5`, `x2_0`.
pub(in crate::network::peer) fn build(
    scope: &Scope<'_>,
    config: &Config,
    name: &str,
) -> Result<Option<Classifier>> {
    let Some(widths) = widths(name) else {
        return Ok(None);
    };
    let relu = Activation::Relu;
    let stem = Taps::square(3).stride(2);
    let mut stages = vec![
        Chain::new()
            .then(pair(&scope.at("conv1"), 0, [3, widths[0]], stem, relu)?)
            .then(Step::MaxPool(window(3, 2, 1, false))),
    ];
    let mut input = widths[0];
    for (i, (repeats, &output)) in REPEATS.into_iter().zip(&widths[1..4]).enumerate() {
        let mut stage = Chain::new();
        for j in 0..repeats {
            let place = scope.at(format!("stage{}.{j}", i + 2));
            stage.push(unit(&place, [input, output], if j == 0 { 2 } else { 1 })?);
            input = output;
        }
        stages.push(stage);
    }
    let features = widths[4];
    let one = Taps::square(1);
    let head = Chain::new()
        .then(pair(&scope.at("conv5"), 0, [input, features], one, relu)?)
        .then(Step::GlobalMean)
        .then(linear(
            &scope.at("fc"),
            [features, config.num_classes],
            true,
        )?);
    Ok(Some(Classifier::new(stages, head)))
}
