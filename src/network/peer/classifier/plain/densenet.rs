//! `DenseNet` (Huang et al. 2017).

use candle_core::Result;

use crate::network::peer::classifier::{Classifier, Config};
use crate::network::peer::layers::{
    Activation, BatchNorm, Chain, Concat, Conv, ConvNorm, Step, Taps, linear, window,
};
use crate::network::peer::scope::Scope;

const EPSILON: f64 = 1e-5;

/// Norm and convolution names; files from before 2018 write `norm.1` for `norm1`.
fn place<'a>(scope: &Scope<'a>, kind: &str, index: usize) -> Scope<'a> {
    let old = scope.at(format!("{kind}.{index}"));
    if old.has("weight") {
        old
    } else {
        scope.at(format!("{kind}{index}"))
    }
}

/// Norm, `ReLU`, 1×1, norm, `ReLU`, 3×3; its result is appended to its input.
fn layer(scope: &Scope<'_>, input: usize, growth: usize) -> Result<Concat> {
    let inner = 4 * growth;
    let body = Chain::new()
        .then(BatchNorm::new(&place(scope, "norm", 1), input, EPSILON)?)
        .then(Activation::Relu)
        .then(ConvNorm::new(
            &place(scope, "conv", 1),
            &place(scope, "norm", 2),
            [input, inner],
            Taps::square(1),
            EPSILON,
            Activation::Relu,
        )?)
        .then(Conv::unbiased(
            &place(scope, "conv", 2),
            [inner, growth],
            Taps::square(3).pad(1),
        )?);
    Ok(Concat(vec![Chain::new(), body]))
}

/// `densenet121`, `161`, `169`, `201`.
pub(in crate::network::peer) fn build(
    scope: &Scope<'_>,
    config: &Config,
    name: &str,
) -> Result<Option<Classifier>> {
    let (growth, depths, first) = match name {
        "densenet121" => (32, [6, 12, 24, 16], 64),
        "densenet161" => (48, [6, 12, 36, 24], 96),
        "densenet169" => (32, [6, 12, 32, 32], 64),
        "densenet201" => (32, [6, 12, 48, 32], 64),
        _ => return Ok(None),
    };
    let features = scope.at("features");
    let stem = ConvNorm::new(
        &features.at("conv0"),
        &features.at("norm0"),
        [3, first],
        Taps::square(7).stride(2).pad(3),
        EPSILON,
        Activation::Relu,
    )?;
    let mut stage = Chain::new()
        .then(stem)
        .then(Step::MaxPool(window(3, 2, 1, false)));
    let mut channels = first;
    let mut stages = Vec::new();
    for (level, depth) in depths.into_iter().enumerate() {
        for i in 1..=depth {
            let name = format!("denseblock{}.denselayer{i}", level + 1);
            stage.push(layer(&features.at(name), channels, growth)?);
            channels += growth;
        }
        stages.push(std::mem::take(&mut stage));
        if level + 1 < depths.len() {
            let place = features.at(format!("transition{}", level + 1));
            let half = channels / 2;
            stage = stage
                .then(BatchNorm::new(&place.at("norm"), channels, EPSILON)?)
                .then(Activation::Relu)
                .then(Conv::unbiased(
                    &place.at("conv"),
                    [channels, half],
                    Taps::square(1),
                )?)
                .then(Step::AveragePool(window(2, 2, 0, false), true));
            channels = half;
        }
    }
    let head = Chain::new()
        .then(BatchNorm::new(&features.at("norm5"), channels, EPSILON)?)
        .then(Activation::Relu)
        .then(Step::GlobalMean)
        .then(linear(
            &scope.at("classifier"),
            [channels, config.num_classes],
            true,
        )?);
    Ok(Some(Classifier::new(stages, head)))
}
