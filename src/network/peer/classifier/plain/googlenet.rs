//! `GoogLeNet` as torchvision has it: batch norms, and 3×3 where the paper has 5×5 (Szegedy et al. 2015).

use candle_core::Result;

use super::mixed::{Basic, Renormalize};
use crate::network::peer::classifier::{Classifier, Config};
use crate::network::peer::layers::{Chain, Concat, Step, Taps, linear, window};
use crate::network::peer::scope::Scope;

/// Name, input, 1×1, then 1×1 and 3×3, 1×1 and 3×3, and 1×1 behind the pooling.
type Mixed = (&'static str, [usize; 7]);

/// The three levels.
const LEVELS: [&[Mixed]; 3] = [
    &[
        ("inception3a", [192, 64, 96, 128, 16, 32, 32]),
        ("inception3b", [256, 128, 128, 192, 32, 96, 64]),
    ],
    &[
        ("inception4a", [480, 192, 96, 208, 16, 48, 64]),
        ("inception4b", [512, 160, 112, 224, 24, 64, 64]),
        ("inception4c", [512, 128, 128, 256, 24, 64, 64]),
        ("inception4d", [512, 112, 144, 288, 32, 64, 64]),
        ("inception4e", [528, 256, 160, 320, 32, 128, 128]),
    ],
    &[
        ("inception5a", [832, 256, 160, 320, 32, 128, 128]),
        ("inception5b", [832, 384, 192, 384, 48, 128, 128]),
    ],
];

const BASIC: Basic = Basic { epsilon: 1e-3 };

fn mixed(scope: &Scope<'_>, sizes: [usize; 7]) -> Result<Concat> {
    let [input, one, to_three, three, to_five, five, pooled] = sizes;
    let single = Taps::square(1);
    let wide = Taps::square(3).pad(1);
    let conv =
        |name: &str, channels: [usize; 2], taps: Taps| BASIC.conv(&scope.at(name), channels, taps);
    Ok(Concat(vec![
        Chain::new().then(conv("branch1", [input, one], single)?),
        Chain::new()
            .then(conv("branch2.0", [input, to_three], single)?)
            .then(conv("branch2.1", [to_three, three], wide)?),
        Chain::new()
            .then(conv("branch3.0", [input, to_five], single)?)
            .then(conv("branch3.1", [to_five, five], wide)?),
        Chain::new()
            .then(Step::MaxPool(window(3, 1, 1, true)))
            .then(conv("branch4.1", [input, pooled], single)?),
    ]))
}

/// `googlenet`; its two side outputs, which only training uses, are read and checked if they are there.
pub(in crate::network::peer) fn build(
    scope: &Scope<'_>,
    config: &Config,
    name: &str,
) -> Result<Option<Classifier>> {
    if name != "googlenet" {
        return Ok(None);
    }
    for (name, input) in [("aux1", 512), ("aux2", 528)] {
        let place = scope.at(name);
        if place.has("fc1.weight") {
            BASIC.conv(&place.at("conv"), [input, 128], Taps::square(1))?;
            linear(&place.at("fc1"), [2048, 1024], true)?;
            linear(&place.at("fc2"), [1024, config.num_classes], true)?;
        }
    }
    let conv =
        |name: &str, channels: [usize; 2], taps: Taps| BASIC.conv(&scope.at(name), channels, taps);
    let pool = Step::MaxPool(window(3, 2, 0, true));
    let mut stem = Chain::new();
    if config.transform_input {
        stem.push(Renormalize);
    }
    let stem = stem
        .then(conv("conv1", [3, 64], Taps::square(7).stride(2).pad(3))?)
        .then(pool)
        .then(conv("conv2", [64, 64], Taps::square(1))?)
        .then(conv("conv3", [64, 192], Taps::square(3).pad(1))?);
    let mut stages = vec![stem];
    for (level, blocks) in LEVELS.into_iter().enumerate() {
        let last = level + 1 == LEVELS.len();
        let small = Step::MaxPool(window(2, 2, 0, true));
        let mut stage = Chain::new().then(if last { small } else { pool });
        for (name, sizes) in blocks {
            stage.push(mixed(&scope.at(name), *sizes)?);
        }
        stages.push(stage);
    }
    let head = Chain::new().then(Step::GlobalMean).then(linear(
        &scope.at("fc"),
        [1024, config.num_classes],
        true,
    )?);
    Ok(Some(Classifier::new(stages, head)))
}
