//! Xception (Chollet 2017) with timm's names.

use candle_core::Result;

use crate::network::peer::classifier::{Classifier, Config};
use crate::network::peer::layers::{
    Activation, BatchNorm, Chain, Conv, ConvNorm, Residual, Step, Taps, linear, window,
};
use crate::network::peer::scope::Scope;

const EPSILON: f64 = 1e-5;

/// Depthwise 3×3, then 1×1 with a norm: `conv1`, `pointwise`.
fn separable(
    chain: &mut Chain,
    conv: &Scope<'_>,
    norm: &Scope<'_>,
    [input, output]: [usize; 2],
    activation: Activation,
) -> Result<()> {
    let depthwise = Taps::square(3).pad(1).groups(input);
    chain.push(Conv::unbiased(
        &conv.at("conv1"),
        [input, input],
        depthwise,
    )?);
    let pointwise = Conv::unbiased(&conv.at("pointwise"), [input, output], Taps::square(1))?;
    let norm = BatchNorm::new(norm, output, EPSILON)?;
    chain.push(ConvNorm::of(pointwise, norm, activation)?);
    Ok(())
}

/// Channels of the layers, whether the block halves the picture, and whether it begins with an activation.
fn block(scope: &Scope<'_>, widths: &[usize], halves: bool, active: bool) -> Result<Residual> {
    let mut body = Chain::new();
    for (i, pair) in widths.windows(2).enumerate() {
        if active || i > 0 {
            body.push(Activation::Relu);
        }
        let first = 3 * i + usize::from(active);
        let place = |index: usize| scope.at(format!("rep.{index}"));
        let channels = [pair[0], pair[1]];
        separable(
            &mut body,
            &place(first),
            &place(first + 1),
            channels,
            Activation::Identity,
        )?;
    }
    let (input, output) = (widths[0], widths[widths.len() - 1]);
    let mut shortcut = Chain::new();
    if halves {
        body.push(Step::MaxPool(window(3, 2, 1, false)));
    }
    if halves || input != output {
        let taps = Taps::square(1).stride(if halves { 2 } else { 1 });
        shortcut.push(ConvNorm::new(
            &scope.at("skip"),
            &scope.at("skipbn"),
            [input, output],
            taps,
            EPSILON,
            Activation::Identity,
        )?);
    }
    Ok(Residual {
        body,
        shortcut,
        activation: Activation::Identity,
    })
}

/// `xception`, which timm calls `legacy_xception` by now.
pub(in crate::network::peer) fn build(
    scope: &Scope<'_>,
    config: &Config,
    name: &str,
) -> Result<Option<Classifier>> {
    if !matches!(name, "xception" | "legacy_xception") {
        return Ok(None);
    }
    let stem = |conv: &str, norm: &str, channels: [usize; 2], taps: Taps| {
        let (conv, norm) = (scope.at(conv), scope.at(norm));
        ConvNorm::new(&conv, &norm, channels, taps, EPSILON, Activation::Relu)
    };
    let three = Taps::square(3);
    let mut stages = vec![
        Chain::new()
            .then(stem("conv1", "bn1", [3, 32], three.stride(2))?)
            .then(stem("conv2", "bn2", [32, 64], three)?),
    ];
    let place = |index: usize| scope.at(format!("block{index}"));
    for (i, widths) in [[64, 128, 128], [128, 256, 256], [256, 728, 728]]
        .iter()
        .enumerate()
    {
        stages.push(Chain::new().then(block(&place(i + 1), widths, true, i > 0)?));
    }
    let mut middle = Chain::new();
    for i in 4..12 {
        middle.push(block(&place(i), &[728; 4], false, true)?);
    }
    stages.push(middle);
    let mut last = Chain::new().then(block(&place(12), &[728, 728, 1024], true, true)?);
    let relu = Activation::Relu;
    separable(
        &mut last,
        &scope.at("conv3"),
        &scope.at("bn3"),
        [1024, 1536],
        relu,
    )?;
    separable(
        &mut last,
        &scope.at("conv4"),
        &scope.at("bn4"),
        [1536, 2048],
        relu,
    )?;
    stages.push(last);
    let head = Chain::new().then(Step::GlobalMean).then(linear(
        &scope.at("fc"),
        [2048, config.num_classes],
        true,
    )?);
    Ok(Some(Classifier::new(stages, head)))
}
