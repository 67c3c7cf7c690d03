//! `MNASNet` B1 (Tan et al. 2019).

use candle_core::Result;

use super::{Stages, in_eights};
use crate::network::peer::classifier::{Classifier, Config};
use crate::network::peer::layers::{Activation, Chain, ConvNorm, Residual, Step, Taps, linear};
use crate::network::peer::scope::Scope;

const EPSILON: f64 = 1e-5;

/// Window, stride, expansion, repeats of each stack.
const STACKS: [[usize; 4]; 6] = [
    [3, 2, 3, 3],
    [5, 2, 3, 3],
    [5, 2, 6, 3],
    [3, 1, 6, 2],
    [5, 2, 6, 4],
    [3, 1, 6, 1],
];

fn pair(
    scope: &Scope<'_>,
    index: usize,
    channels: [usize; 2],
    taps: Taps,
    activation: Activation,
) -> Result<ConvNorm> {
    let (conv, norm) = (scope.at(index), scope.at(index + 1));
    ConvNorm::new(&conv, &norm, channels, taps.same(), EPSILON, activation)
}

/// 1×1, depthwise, 1×1 without activation.
fn body(scope: &Scope<'_>, [input, inner, output]: [usize; 3], depthwise: Taps) -> Result<Chain> {
    let (one, relu) = (Taps::square(1), Activation::Relu);
    Ok(Chain::new()
        .then(pair(scope, 0, [input, inner], one, relu)?)
        .then(pair(
            scope,
            3,
            [inner, inner],
            depthwise.groups(inner),
            relu,
        )?)
        .then(pair(scope, 6, [inner, output], one, Activation::Identity)?))
}

/// `mnasnet0_5`, `0_75`, `1_0`, `1_3`.
pub(in crate::network::peer) fn build(
    scope: &Scope<'_>,
    config: &Config,
    name: &str,
) -> Result<Option<Classifier>> {
    let alpha = match name {
        "mnasnet0_5" => 0.5,
        "mnasnet0_75" => 0.75,
        "mnasnet1_0" => 1.0,
        "mnasnet1_3" => 1.3,
        _ => return Ok(None),
    };
    let widths =
        [32.0, 16.0, 24.0, 40.0, 80.0, 96.0, 192.0, 320.0].map(|width| in_eights(width * alpha));
    let layers = scope.at("layers");
    let relu = Activation::Relu;
    let (first, second) = (widths[0], widths[1]);
    let depthwise = Taps::square(3).groups(first);
    let mut stages = Stages::default();
    let stem = stages.begin(2);
    stem.push(pair(
        &layers,
        0,
        [3, first],
        Taps::square(3).stride(2),
        relu,
    )?);
    stem.push(pair(&layers, 3, [first, first], depthwise, relu)?);
    stem.push(pair(
        &layers,
        6,
        [first, second],
        Taps::square(1),
        Activation::Identity,
    )?);
    let mut input = second;
    for (i, ([kernel, first, expansion, repeats], &output)) in
        STACKS.into_iter().zip(&widths[2..]).enumerate()
    {
        for j in 0..repeats {
            let place = layers.at(format!("{}.{j}.layers", 8 + i));
            let stride = if j == 0 { first } else { 1 };
            let sizes = [input, input * expansion, output];
            let body = body(&place, sizes, Taps::square(kernel).stride(stride))?;
            let stage = stages.begin(stride);
            if stride == 1 && input == output {
                stage.push(Residual {
                    body,
                    shortcut: Chain::new(),
                    activation: Activation::Identity,
                });
            } else {
                stage.push(body);
            }
            input = output;
        }
    }
    let last = pair(&layers, 14, [input, 1280], Taps::square(1), relu)?;
    stages.begin(1).push(last);
    let head = Chain::new().then(Step::GlobalMean).then(linear(
        &scope.at("classifier.1"),
        [1280, config.num_classes],
        true,
    )?);
    Ok(Some(Classifier::new(stages.finish(), head)))
}
