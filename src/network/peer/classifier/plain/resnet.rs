//! `ResNet`, `ResNeXt` and wide `ResNet` (He et al. 2016; Xie et al. 2017; Zagoruyko & Komodakis 2016).

use candle_core::Result;

use crate::network::peer::classifier::{Classifier, Config};
use crate::network::peer::layers::{
    Activation, Chain, ConvNorm, Residual, Step, Taps, linear, window,
};
use crate::network::peer::scope::Scope;

/// What tells the members of the family apart.
struct Kind {
    depths: [usize; 4],
    /// 1×1, 3×3, 1×1 with four times the channels, instead of two 3×3.
    bottleneck: bool,
    groups: usize,
    /// Channels a group at the first level.
    width: usize,
}

fn kind(name: &str) -> Option<Kind> {
    let (depths, bottleneck, groups, width) = match name {
        "resnet18" => ([2, 2, 2, 2], false, 1, 64),
        "resnet34" => ([3, 4, 6, 3], false, 1, 64),
        "resnet50" => ([3, 4, 6, 3], true, 1, 64),
        "resnet101" => ([3, 4, 23, 3], true, 1, 64),
        "resnet152" => ([3, 8, 36, 3], true, 1, 64),
        "resnext50_32x4d" => ([3, 4, 6, 3], true, 32, 4),
        "resnext101_32x8d" => ([3, 4, 23, 3], true, 32, 8),
        "resnext101_64x4d" => ([3, 4, 23, 3], true, 64, 4),
        "wide_resnet50_2" => ([3, 4, 6, 3], true, 1, 128),
        "wide_resnet101_2" => ([3, 4, 23, 3], true, 1, 128),
        _ => return None,
    };
    Some(Kind {
        depths,
        bottleneck,
        groups,
        width,
    })
}

/// Convolution and norm `{place}{conv}`, `{place}{norm}`.
fn pair(
    scope: &Scope<'_>,
    [conv, norm]: [&str; 2],
    channels: [usize; 2],
    taps: Taps,
    activation: Activation,
) -> Result<ConvNorm> {
    let (conv, norm) = (scope.at(conv), scope.at(norm));
    ConvNorm::new(&conv, &norm, channels, taps, 1e-5, activation)
}

fn block(
    scope: &Scope<'_>,
    kind: &Kind,
    [input, planes]: [usize; 2],
    stride: usize,
) -> Result<Residual> {
    let (one, three) = (Taps::square(1), Taps::square(3).pad(1));
    let (relu, none) = (Activation::Relu, Activation::Identity);
    let mut body = Chain::new();
    let output = if kind.bottleneck { 4 * planes } else { planes };
    if kind.bottleneck {
        let inner = planes * kind.width / 64 * kind.groups;
        let middle = three.stride(stride).groups(kind.groups);
        body = body
            .then(pair(scope, ["conv1", "bn1"], [input, inner], one, relu)?)
            .then(pair(scope, ["conv2", "bn2"], [inner, inner], middle, relu)?)
            .then(pair(scope, ["conv3", "bn3"], [inner, output], one, none)?);
    } else {
        let first = three.stride(stride);
        body = body
            .then(pair(scope, ["conv1", "bn1"], [input, planes], first, relu)?)
            .then(pair(
                scope,
                ["conv2", "bn2"],
                [planes, planes],
                three,
                none,
            )?);
    }
    let shortcut = (stride != 1 || input != output)
        .then(|| {
            let names = ["downsample.0", "downsample.1"];
            pair(scope, names, [input, output], one.stride(stride), none)
        })
        .transpose()?;
    Ok(Residual::relu(body, shortcut))
}

/// All of the family by torchvision's names.
pub(in crate::network::peer) fn build(
    scope: &Scope<'_>,
    config: &Config,
    name: &str,
) -> Result<Option<Classifier>> {
    let Some(kind) = kind(name) else {
        return Ok(None);
    };
    let first = Taps::square(7).stride(2).pad(3);
    let stem = Chain::new()
        .then(pair(
            scope,
            ["conv1", "bn1"],
            [3, 64],
            first,
            Activation::Relu,
        )?)
        .then(Step::MaxPool(window(3, 2, 1, false)));
    let mut input = 64;
    let mut stages = Vec::new();
    for (level, depth) in kind.depths.into_iter().enumerate() {
        let planes = 64 << level;
        let mut stage = Chain::new();
        for i in 0..depth {
            let stride = if i == 0 && level > 0 { 2 } else { 1 };
            let place = scope.at(format!("layer{}.{i}", level + 1));
            stage.push(block(&place, &kind, [input, planes], stride)?);
            input = if kind.bottleneck { 4 * planes } else { planes };
        }
        stages.push(stage);
    }
    let all = std::iter::once(stem).chain(stages).collect();
    let head = Chain::new().then(Step::GlobalMean).then(linear(
        &scope.at("fc"),
        [input, config.num_classes],
        true,
    )?);
    Ok(Some(Classifier::new(all, head)))
}
