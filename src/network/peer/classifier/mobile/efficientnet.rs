//! `EfficientNet` (Tan & Le 2019) and its second version (2021) with torchvision's names.

use candle_core::Result;

use super::{Stages, conv_norm, gate, in_eights};
use crate::network::peer::classifier::{Classifier, Config};
use crate::network::peer::layers::{Activation, Chain, Residual, Step, Taps, linear};
use crate::network::peer::scope::Scope;

/// Expansion, window, stride, input, output, repeats; `true`: the expansion and the depthwise layer are one.
pub(super) type Row = (bool, [usize; 6]);

/// Version 1 at its smallest.
pub(super) const BASE: [Row; 7] = [
    (false, [1, 3, 1, 32, 16, 1]),
    (false, [6, 3, 2, 16, 24, 2]),
    (false, [6, 5, 2, 24, 40, 2]),
    (false, [6, 3, 2, 40, 80, 3]),
    (false, [6, 5, 1, 80, 112, 3]),
    (false, [6, 5, 2, 112, 192, 4]),
    (false, [6, 3, 1, 192, 320, 1]),
];

const V2_S: [Row; 6] = [
    (true, [1, 3, 1, 24, 24, 2]),
    (true, [4, 3, 2, 24, 48, 4]),
    (true, [4, 3, 2, 48, 64, 4]),
    (false, [4, 3, 2, 64, 128, 6]),
    (false, [6, 3, 1, 128, 160, 9]),
    (false, [6, 3, 2, 160, 256, 15]),
];

const V2_M: [Row; 7] = [
    (true, [1, 3, 1, 24, 24, 3]),
    (true, [4, 3, 2, 24, 48, 5]),
    (true, [4, 3, 2, 48, 80, 5]),
    (false, [4, 3, 2, 80, 160, 7]),
    (false, [6, 3, 1, 160, 176, 14]),
    (false, [6, 3, 2, 176, 304, 18]),
    (false, [6, 3, 1, 304, 512, 5]),
];

const V2_L: [Row; 7] = [
    (true, [1, 3, 1, 32, 32, 4]),
    (true, [4, 3, 2, 32, 64, 7]),
    (true, [4, 3, 2, 64, 96, 7]),
    (false, [4, 3, 2, 96, 192, 10]),
    (false, [6, 3, 1, 192, 224, 19]),
    (false, [6, 3, 2, 224, 384, 25]),
    (false, [6, 3, 1, 384, 640, 7]),
];

/// Widths and depths of version 1 by size, from `b0`.
pub(super) const SCALES: [(f64, f64); 8] = [
    (1.0, 1.0),
    (1.0, 1.1),
    (1.1, 1.2),
    (1.2, 1.4),
    (1.4, 1.8),
    (1.6, 2.2),
    (1.8, 2.6),
    (2.0, 3.1),
];

/// Version 1 at one of its sizes.
pub(super) fn scaled((width, depth): (f64, f64)) -> Vec<Row> {
    BASE.into_iter()
        .map(
            |(fused, [expansion, kernel, stride, input, output, repeats])| {
                let channels = |c: usize| in_eights(c as f64 * width);
                let repeats = (repeats as f64 * depth).ceil() as usize;
                let row = [
                    expansion,
                    kernel,
                    stride,
                    channels(input),
                    channels(output),
                    repeats,
                ];
                (fused, row)
            },
        )
        .collect()
}

fn block(
    scope: &Scope<'_>,
    (fused, [expansion, kernel, stride, input, output, _]): Row,
    epsilon: f64,
) -> Result<Chain> {
    let (swish, none) = (Activation::Silu, Activation::Identity);
    let (one, inner) = (Taps::square(1), in_eights((input * expansion) as f64));
    let full = Taps::square(kernel).stride(stride);
    let mut k = 0;
    let mut place = || {
        k += 1;
        scope.at(format!("block.{}", k - 1))
    };
    let mut body = Chain::new();
    if fused {
        if inner == input {
            body.push(conv_norm(&place(), [input, output], full, epsilon, swish)?);
        } else {
            body.push(conv_norm(&place(), [input, inner], full, epsilon, swish)?);
            body.push(conv_norm(&place(), [inner, output], one, epsilon, none)?);
        }
        return Ok(body);
    }
    if inner != input {
        body.push(conv_norm(&place(), [input, inner], one, epsilon, swish)?);
    }
    body.push(conv_norm(
        &place(),
        [inner, inner],
        full.groups(inner),
        epsilon,
        swish,
    )?);
    let squeezed = (input / 4).max(1);
    body.push(gate(
        &place(),
        [inner, squeezed],
        swish,
        Activation::Sigmoid,
    )?);
    body.push(conv_norm(&place(), [inner, output], one, epsilon, none)?);
    Ok(body)
}

/// `efficientnet_b0` to `b7`, `efficientnet_v2_s`, `m`, `l`.
pub(in crate::network::peer) fn build(
    scope: &Scope<'_>,
    config: &Config,
    name: &str,
) -> Result<Option<Classifier>> {
    let sizes = ["b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7"];
    let Some(kind) = name.strip_prefix("efficientnet_") else {
        return super::tensorflow::build(scope, config, name);
    };
    let (rows, features, epsilon) = match kind {
        "v2_s" => (V2_S.to_vec(), 1280, 1e-3),
        "v2_m" => (V2_M.to_vec(), 1280, 1e-3),
        "v2_l" => (V2_L.to_vec(), 1280, 1e-3),
        _ => {
            let Some(size) = sizes.iter().position(|size| *size == kind) else {
                return Ok(None);
            };
            let rows = scaled(SCALES[size]);
            let last = rows.last().map_or(0, |(_, row)| row[4]);
            (rows, 4 * last, if size < 5 { 1e-5 } else { 1e-3 })
        }
    };
    let features_at = |index: usize| scope.at(format!("features.{index}"));
    let swish = Activation::Silu;
    let first = rows[0].1[3];
    let stem = Taps::square(3).stride(2);
    let mut stages = Stages::default();
    stages.begin(2).push(conv_norm(
        &features_at(0),
        [3, first],
        stem,
        epsilon,
        swish,
    )?);
    let mut last = first;
    for (i, &(fused, row)) in rows.iter().enumerate() {
        for j in 0..row[5] {
            let mut own = row;
            if j > 0 {
                (own[2], own[3]) = (1, row[4]);
            }
            let body = block(&features_at(i + 1).at(j), (fused, own), epsilon)?;
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
        }
        last = row[4];
    }
    let end = features_at(rows.len() + 1);
    stages.begin(1).push(conv_norm(
        &end,
        [last, features],
        Taps::square(1),
        epsilon,
        swish,
    )?);
    let head = Chain::new().then(Step::GlobalMean).then(linear(
        &scope.at("classifier.1"),
        [features, config.num_classes],
        true,
    )?);
    Ok(Some(Classifier::new(stages.finish(), head)))
}
