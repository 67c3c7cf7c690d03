//! `MobileNet` v2 (Sandler et al. 2018) and v3 (Howard et al. 2019).

use candle_core::Result;

use super::{Stages, conv_norm, gate, in_eights};
use crate::network::peer::classifier::{Classifier, Config};
use crate::network::peer::layers::{Activation, Chain, ConvNorm, Residual, Step, Taps, linear};
use crate::network::peer::scope::Scope;

/// `mobilenet_v2`, `mobilenet_v3_small`, `mobilenet_v3_large`.
pub(in crate::network::peer) fn build(
    scope: &Scope<'_>,
    config: &Config,
    name: &str,
) -> Result<Option<Classifier>> {
    match name {
        "mobilenet_v2" => v2(scope, config).map(Some),
        "mobilenet_v3_small" => v3(scope, config, &SMALL, 1024).map(Some),
        "mobilenet_v3_large" => v3(scope, config, &LARGE, 1280).map(Some),
        _ => Ok(None),
    }
}

/// Expansion, channels, repeats, first stride.
const V2: [[usize; 4]; 7] = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
];

fn residual(body: Chain, short: bool) -> Box<dyn crate::network::peer::layers::Layer> {
    if short {
        Box::new(Residual {
            body,
            shortcut: Chain::new(),
            activation: Activation::Identity,
        })
    } else {
        Box::new(body)
    }
}

fn v2(scope: &Scope<'_>, config: &Config) -> Result<Classifier> {
    let (relu, epsilon) = (Activation::Relu6, 1e-5);
    let place = |index: usize| scope.at(format!("features.{index}"));
    let stem = Taps::square(3).stride(2);
    let mut stages = Stages::default();
    let mut input = 32;
    stages
        .begin(2)
        .push(conv_norm(&place(0), [3, input], stem, epsilon, relu)?);
    let mut index = 1;
    for [expansion, output, repeats, first] in V2 {
        for i in 0..repeats {
            let stride = if i == 0 { first } else { 1 };
            let layers = place(index).at("conv");
            let inner = input * expansion;
            let mut body = Chain::new();
            let mut k = 0;
            if expansion != 1 {
                let one = Taps::square(1);
                body.push(conv_norm(
                    &layers.at(0),
                    [input, inner],
                    one,
                    epsilon,
                    relu,
                )?);
                k = 1;
            }
            let depthwise = Taps::square(3).stride(stride).groups(inner);
            body.push(conv_norm(
                &layers.at(k),
                [inner, inner],
                depthwise,
                epsilon,
                relu,
            )?);
            body.push(ConvNorm::new(
                &layers.at(k + 1),
                &layers.at(k + 2),
                [inner, output],
                Taps::square(1),
                epsilon,
                Activation::Identity,
            )?);
            let short = stride == 1 && input == output;
            stages.begin(stride).push_boxed(residual(body, short));
            input = output;
            index += 1;
        }
    }
    let last = conv_norm(&place(index), [input, 1280], Taps::square(1), epsilon, relu)?;
    stages.begin(1).push(last);
    let head = Chain::new().then(Step::GlobalMean).then(linear(
        &scope.at("classifier.1"),
        [1280, config.num_classes],
        true,
    )?);
    Ok(Classifier::new(stages.finish(), head))
}

/// Input, window, expanded, output, squeezed?, hard swish?, stride.
type Bottleneck = (usize, usize, usize, usize, bool, bool, usize);

const SMALL: [Bottleneck; 11] = [
    (16, 3, 16, 16, true, false, 2),
    (16, 3, 72, 24, false, false, 2),
    (24, 3, 88, 24, false, false, 1),
    (24, 5, 96, 40, true, true, 2),
    (40, 5, 240, 40, true, true, 1),
    (40, 5, 240, 40, true, true, 1),
    (40, 5, 120, 48, true, true, 1),
    (48, 5, 144, 48, true, true, 1),
    (48, 5, 288, 96, true, true, 2),
    (96, 5, 576, 96, true, true, 1),
    (96, 5, 576, 96, true, true, 1),
];

const LARGE: [Bottleneck; 15] = [
    (16, 3, 16, 16, false, false, 1),
    (16, 3, 64, 24, false, false, 2),
    (24, 3, 72, 24, false, false, 1),
    (24, 5, 72, 40, true, false, 2),
    (40, 5, 120, 40, true, false, 1),
    (40, 5, 120, 40, true, false, 1),
    (40, 3, 240, 80, false, true, 2),
    (80, 3, 200, 80, false, true, 1),
    (80, 3, 184, 80, false, true, 1),
    (80, 3, 184, 80, false, true, 1),
    (80, 3, 480, 112, true, true, 1),
    (112, 3, 672, 112, true, true, 1),
    (112, 5, 672, 160, true, true, 2),
    (160, 5, 960, 160, true, true, 1),
    (160, 5, 960, 160, true, true, 1),
];

fn v3(
    scope: &Scope<'_>,
    config: &Config,
    blocks: &[Bottleneck],
    wide: usize,
) -> Result<Classifier> {
    let (swish, epsilon) = (Activation::HardSwish, 1e-3);
    let place = |index: usize| scope.at(format!("features.{index}"));
    let stem = Taps::square(3).stride(2);
    let mut stages = Stages::default();
    stages
        .begin(2)
        .push(conv_norm(&place(0), [3, 16], stem, epsilon, swish)?);
    let mut last = 16;
    for (i, &(input, kernel, inner, output, squeezed, hard, stride)) in blocks.iter().enumerate() {
        let layers = place(i + 1).at("block");
        let activation = if hard { swish } else { Activation::Relu };
        let mut body = Chain::new();
        let mut k = 0;
        if inner != input {
            let one = Taps::square(1);
            body.push(conv_norm(
                &layers.at(k),
                [input, inner],
                one,
                epsilon,
                activation,
            )?);
            k += 1;
        }
        let depthwise = Taps::square(kernel).stride(stride).groups(inner);
        body.push(conv_norm(
            &layers.at(k),
            [inner, inner],
            depthwise,
            epsilon,
            activation,
        )?);
        k += 1;
        if squeezed {
            let sizes = [inner, in_eights((inner / 4) as f64)];
            let (relu, hard) = (Activation::Relu, Activation::HardSigmoid);
            body.push(gate(&layers.at(k), sizes, relu, hard)?);
            k += 1;
        }
        let none = Activation::Identity;
        body.push(conv_norm(
            &layers.at(k),
            [inner, output],
            Taps::square(1),
            epsilon,
            none,
        )?);
        let short = stride == 1 && input == output;
        stages.begin(stride).push_boxed(residual(body, short));
        last = output;
    }
    let end = place(blocks.len() + 1);
    let features = 6 * last;
    stages.begin(1).push(conv_norm(
        &end,
        [last, features],
        Taps::square(1),
        epsilon,
        swish,
    )?);
    let head = Chain::new()
        .then(Step::GlobalMean)
        .then(linear(&scope.at("classifier.0"), [features, wide], true)?)
        .then(swish)
        .then(linear(
            &scope.at("classifier.3"),
            [wide, config.num_classes],
            true,
        )?);
    Ok(Classifier::new(stages.finish(), head))
}
