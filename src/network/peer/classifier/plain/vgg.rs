//! VGG with and without batch norms (Simonyan & Zisserman 2015), and its features alone for perceptual losses.

use candle_core::{Result, Tensor};

use crate::network::peer::classifier::{Classifier, Config};
use crate::network::peer::layers::{
    Activation, BatchNorm, Chain, Conv, ConvNorm, Layer as _, Step, Taps, linear, window,
};
use crate::network::peer::scope::Scope;

/// Convolutions in each of the five levels.
fn depths(name: &str) -> Option<[usize; 5]> {
    Some(match name {
        "vgg11" => [1, 1, 2, 2, 2],
        "vgg13" => [2, 2, 2, 2, 2],
        "vgg16" => [2, 2, 3, 3, 3],
        "vgg19" => [2, 2, 4, 4, 4],
        _ => return None,
    })
}

const WIDTHS: [usize; 5] = [64, 128, 256, 512, 512];
const POOL: Step = Step::MaxPool(window(2, 2, 0, false));
const THREE: Taps = Taps::square(3).pad(1);

/// `vgg11` to `vgg19`, each also with `_bn`.
pub(in crate::network::peer) fn build(
    scope: &Scope<'_>,
    config: &Config,
    name: &str,
) -> Result<Option<Classifier>> {
    let (plain, normed) = match name.strip_suffix("_bn") {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    let Some(depths) = depths(plain) else {
        return Ok(None);
    };
    let mut stages = Vec::new();
    let (mut index, mut input) = (0, 3);
    for (level, (depth, width)) in depths.into_iter().zip(WIDTHS).enumerate() {
        let mut stage = Chain::new();
        if level > 0 {
            stage.push(POOL);
            index += 1;
        }
        for _ in 0..depth {
            let place = |k: usize| scope.at(format!("features.{k}"));
            let conv = Conv::new(&place(index), [input, width], THREE)?;
            if normed {
                let norm = BatchNorm::new(&place(index + 1), width, 1e-5)?;
                stage.push(ConvNorm::of(conv, norm, Activation::Relu)?);
                index += 3;
            } else {
                stage = stage.then(conv).then(Activation::Relu);
                index += 2;
            }
            input = width;
        }
        stages.push(stage);
    }
    let full = |index: usize, sizes: [usize; 2]| {
        linear(&scope.at(format!("classifier.{index}")), sizes, true)
    };
    let head = Chain::new()
        .then(POOL)
        .then(Step::AdaptivePool(7))
        .then(Step::Flatten)
        .then(full(0, [512 * 49, 4096])?)
        .then(Activation::Relu)
        .then(full(3, [4096, 4096])?)
        .then(Activation::Relu)
        .then(full(6, [4096, config.num_classes])?);
    Ok(Some(Classifier::new(stages, head)))
}

/// The convolutions of VGG16 or VGG19 with taps, for perceptual losses.
#[derive(Debug)]
pub struct VggFeatures {
    /// Convolutions, with the torchvision index of each.
    convolutions: Vec<(usize, Conv)>,
    /// Indices of the pooling layers.
    pools: Vec<usize>,
}

/// Where a tap lies in a convolution layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tap {
    /// The result of the convolution with this index of torchvision's `features`.
    Before(usize),
    /// After its activation.
    After(usize),
}

impl VggFeatures {
    /// `vgg16` or `vgg19` (any of the four), its convolutions named by `place(index)`.
    pub fn new<'a>(name: &str, place: impl Fn(usize) -> Scope<'a>) -> Result<Self> {
        let Some(depths) = depths(name) else {
            candle_core::bail!("no network is called {name}")
        };
        let (mut index, mut input) = (0, 3);
        let (mut convolutions, mut pools) = (Vec::new(), Vec::new());
        for (level, (depth, width)) in depths.into_iter().zip(WIDTHS).enumerate() {
            if level > 0 {
                pools.push(index);
                index += 1;
            }
            for _ in 0..depth {
                convolutions.push((index, Conv::new(&place(index), [input, width], THREE)?));
                input = width;
                index += 2;
            }
        }
        Ok(Self {
            convolutions,
            pools,
        })
    }

    /// The maps at `taps`, which must stand in the order of the network; what is behind the last is not computed.
    pub fn forward(&self, image: &Tensor, taps: &[Tap]) -> Result<Vec<Tensor>> {
        let mut found = Vec::with_capacity(taps.len());
        let mut x = image.clone();
        for (index, conv) in &self.convolutions {
            if found.len() == taps.len() {
                break;
            }
            if *index > 0 && self.pools.contains(&(index - 1)) {
                x = POOL.forward(&x)?;
            }
            x = conv.forward(&x)?;
            if taps.contains(&Tap::Before(*index)) {
                found.push(x.clone());
            }
            x = x.relu()?;
            if taps.contains(&Tap::After(*index)) {
                found.push(x.clone());
            }
        }
        Ok(found)
    }
}
