//! `AlexNet` in torchvision's single-column form (Krizhevsky 2014, "One weird trick").

use candle_core::Result;

use crate::network::peer::classifier::{Classifier, Config};
use crate::network::peer::layers::{Activation, Chain, Conv, Step, Taps, linear, window};
use crate::network::peer::scope::Scope;

/// `alexnet`.
pub(in crate::network::peer) fn build(
    scope: &Scope<'_>,
    config: &Config,
    name: &str,
) -> Result<Option<Classifier>> {
    if name != "alexnet" {
        return Ok(None);
    }
    let pool = Step::MaxPool(window(3, 2, 0, false));
    let relu = Activation::Relu;
    let conv = |index: usize, channels: [usize; 2], taps: Taps| {
        Conv::new(&scope.at(format!("features.{index}")), channels, taps)
    };
    let three = Taps::square(3).pad(1);
    let stages = vec![
        Chain::new()
            .then(conv(0, [3, 64], Taps::square(11).stride(4).pad(2))?)
            .then(relu),
        Chain::new()
            .then(pool)
            .then(conv(3, [64, 192], Taps::square(5).pad(2))?)
            .then(relu),
        Chain::new()
            .then(pool)
            .then(conv(6, [192, 384], three)?)
            .then(relu),
        Chain::new().then(conv(8, [384, 256], three)?).then(relu),
        Chain::new().then(conv(10, [256, 256], three)?).then(relu),
    ];
    let full = |index: usize, sizes: [usize; 2]| {
        linear(&scope.at(format!("classifier.{index}")), sizes, true)
    };
    let head = Chain::new()
        .then(pool)
        .then(Step::AdaptivePool(6))
        .then(Step::Flatten)
        .then(full(1, [256 * 36, 4096])?)
        .then(relu)
        .then(full(4, [4096, 4096])?)
        .then(relu)
        .then(full(6, [4096, config.num_classes])?);
    Ok(Some(Classifier::new(stages, head)))
}
