//! `RegNet` X and Y (Radosavovic et al. 2020).

use candle_core::Result;

use super::{conv_norm, gate};
use crate::network::peer::classifier::{Classifier, Config};
use crate::network::peer::layers::{Activation, Chain, Residual, Step, Taps, linear};
use crate::network::peer::scope::Scope;

/// Blocks, first width, slope, factor, width of a group: equations 2 to 4 of the paper.
type Rule = (usize, f64, f64, f64, usize);

fn rule(size: &str, gated: bool) -> Option<Rule> {
    Some(match (gated, size) {
        (true, "400mf") => (16, 48.0, 27.89, 2.09, 8),
        (true, "800mf") => (14, 56.0, 38.84, 2.4, 16),
        (true, "1_6gf") => (27, 48.0, 20.71, 2.65, 24),
        (true, "3_2gf") => (21, 80.0, 42.63, 2.66, 24),
        (true, "8gf") => (17, 192.0, 76.82, 2.19, 56),
        (true, "16gf") => (18, 200.0, 106.23, 2.48, 112),
        (true, "32gf") => (20, 232.0, 115.89, 2.53, 232),
        (true, "128gf") => (27, 456.0, 160.83, 2.52, 264),
        (false, "400mf") => (22, 24.0, 24.48, 2.54, 16),
        (false, "800mf") => (16, 56.0, 35.73, 2.28, 16),
        (false, "1_6gf") => (18, 80.0, 34.01, 2.25, 24),
        (false, "3_2gf") => (25, 88.0, 26.31, 2.25, 48),
        (false, "8gf") => (23, 80.0, 49.56, 2.88, 120),
        (false, "16gf") => (22, 216.0, 55.59, 2.1, 128),
        (false, "32gf") => (23, 320.0, 69.86, 2.0, 168),
        _ => return None,
    })
}

/// Width, depth and width of a group of each stage.
fn stages((blocks, first, slope, factor, group): Rule) -> Vec<[usize; 3]> {
    let mut stages: Vec<[usize; 3]> = Vec::new();
    for block in 0..blocks {
        let wanted = first + slope * block as f64;
        let step = ((wanted / first).ln() / factor.ln()).round_ties_even();
        let width = (first * factor.powf(step) / 8.0).round_ties_even() as usize * 8;
        match stages.last_mut() {
            Some(stage) if stage[0] == width => stage[1] += 1,
            _ => stages.push([width, 1, group]),
        }
    }
    for stage in &mut stages {
        let group = group.min(stage[0]);
        // The multiple of the group next to the width, not more than a tenth below it.
        let near = ((stage[0] + group / 2) / group * group).max(group);
        let lowest = 0.9 * stage[0] as f64;
        stage[0] = if (near as f64) < lowest {
            near + group
        } else {
            near
        };
        stage[2] = group;
    }
    stages
}

fn block(
    scope: &Scope<'_>,
    [input, output, group]: [usize; 3],
    stride: usize,
    gated: bool,
) -> Result<Residual> {
    let (one, relu, none) = (Taps::square(1), Activation::Relu, Activation::Identity);
    let epsilon = 1e-5;
    let place = scope.at("f");
    let middle = Taps::square(3).stride(stride).groups(output / group);
    let mut body = Chain::new()
        .then(conv_norm(
            &place.at("a"),
            [input, output],
            one,
            epsilon,
            relu,
        )?)
        .then(conv_norm(
            &place.at("b"),
            [output, output],
            middle,
            epsilon,
            relu,
        )?);
    if gated {
        let squeezed = (0.25 * input as f64).round_ties_even() as usize;
        let sizes = [output, squeezed];
        body.push(gate(&place.at("se"), sizes, relu, Activation::Sigmoid)?);
    }
    body.push(conv_norm(
        &place.at("c"),
        [output, output],
        one,
        epsilon,
        none,
    )?);
    let shortcut = (input != output || stride != 1)
        .then(|| {
            let (place, taps) = (scope.at("proj"), one.stride(stride));
            conv_norm(&place, [input, output], taps, epsilon, none)
        })
        .transpose()?;
    Ok(Residual::relu(body, shortcut))
}

/// `regnet_x_…` and `regnet_y_…` in all of torchvision's sizes.
pub(in crate::network::peer) fn build(
    scope: &Scope<'_>,
    config: &Config,
    name: &str,
) -> Result<Option<Classifier>> {
    let (size, gated) = if let Some(size) = name.strip_prefix("regnet_x_") {
        (size, false)
    } else if let Some(size) = name.strip_prefix("regnet_y_") {
        (size, true)
    } else {
        return Ok(None);
    };
    let Some(rule) = rule(size, gated) else {
        return Ok(None);
    };
    let mut input = 32;
    let stem = Taps::square(3).stride(2);
    let first = conv_norm(&scope.at("stem"), [3, input], stem, 1e-5, Activation::Relu)?;
    let mut all = vec![Chain::new().then(first)];
    for (i, [width, depth, group]) in stages(rule).into_iter().enumerate() {
        let mut stage = Chain::new();
        for j in 0..depth {
            let level = i + 1;
            let place = scope.at(format!("trunk_output.block{level}.block{level}-{j}"));
            let stride = if j == 0 { 2 } else { 1 };
            stage.push(block(&place, [input, width, group], stride, gated)?);
            input = width;
        }
        all.push(stage);
    }
    let head = Chain::new().then(Step::GlobalMean).then(linear(
        &scope.at("fc"),
        [input, config.num_classes],
        true,
    )?);
    Ok(Some(Classifier::new(all, head)))
}
