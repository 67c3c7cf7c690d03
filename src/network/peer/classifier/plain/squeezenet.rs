//! `SqueezeNet` (Iandola et al. 2016), both versions.

use candle_core::Result;

use crate::network::peer::classifier::{Classifier, Config};
use crate::network::peer::layers::{Activation, Chain, Concat, Conv, Step, Taps, window};
use crate::network::peer::scope::Scope;

/// Index, channels, squeezed channels, channels of each of the two ways.
type Fire = [usize; 4];

/// A pooling layer comes before the fires after which a number is missing in the indices.
const FIRES_1_0: [Fire; 8] = [
    [3, 96, 16, 64],
    [4, 128, 16, 64],
    [5, 128, 32, 128],
    [7, 256, 32, 128],
    [8, 256, 48, 192],
    [9, 384, 48, 192],
    [10, 384, 64, 256],
    [12, 512, 64, 256],
];
const FIRES_1_1: [Fire; 8] = [
    [3, 64, 16, 64],
    [4, 128, 16, 64],
    [6, 128, 32, 128],
    [7, 256, 32, 128],
    [9, 256, 48, 192],
    [10, 384, 48, 192],
    [11, 384, 64, 256],
    [12, 512, 64, 256],
];

/// `squeezenet1_0` and `squeezenet1_1`.
pub(in crate::network::peer) fn build(
    scope: &Scope<'_>,
    config: &Config,
    name: &str,
) -> Result<Option<Classifier>> {
    let (first, fires) = match name {
        "squeezenet1_0" => (Taps::square(7).stride(2), FIRES_1_0),
        "squeezenet1_1" => (Taps::square(3).stride(2), FIRES_1_1),
        _ => return Ok(None),
    };
    let relu = Activation::Relu;
    let pool = Step::MaxPool(window(3, 2, 0, true));
    let width = fires[0][1];
    let mut stages = vec![
        Chain::new()
            .then(Conv::new(&scope.at("features.0"), [3, width], first)?)
            .then(relu),
    ];
    let mut stage = Chain::new().then(pool);
    let mut last = 2;
    for [index, input, squeezed, each] in fires {
        if index > last + 1 {
            stages.push(std::mem::take(&mut stage));
            stage.push(pool);
        }
        last = index;
        let place = scope.at(format!("features.{index}"));
        stage.push(Conv::new(
            &place.at("squeeze"),
            [input, squeezed],
            Taps::square(1),
        )?);
        stage.push(relu);
        let way = |name: &str, taps: Taps| -> Result<Chain> {
            let conv = Conv::new(&place.at(name), [squeezed, each], taps)?;
            Ok(Chain::new().then(conv).then(relu))
        };
        stage.push(Concat(vec![
            way("expand1x1", Taps::square(1))?,
            way("expand3x3", Taps::square(3).pad(1))?,
        ]));
    }
    stages.push(stage);
    let classes = [512, config.num_classes];
    let head = Chain::new()
        .then(Conv::new(
            &scope.at("classifier.1"),
            classes,
            Taps::square(1),
        )?)
        .then(relu)
        .then(Step::GlobalMean);
    Ok(Some(Classifier::new(stages, head)))
}
