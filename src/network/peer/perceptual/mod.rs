//! Losses that compare what a network sees, not pixels: LPIPS, and the features of VGG19 alone.
//!
//! Zhang et al. 2018, "The unreasonable effectiveness of deep features as a perceptual metric". Separate from the
//! classifiers, of which only the convolutions are used.

use candle_core::{Result, Tensor};

use super::classifier::plain::vgg::{Tap, VggFeatures};
use super::layers::linear;
use super::scope::Scope;

/// Behind which convolutions of VGG16, activated, LPIPS looks, and how many channels there are.
const TAPS: [(usize, usize); 5] = [(2, 64), (7, 128), (14, 256), (21, 512), (28, 512)];

/// LPIPS over VGG16, with the names of the `lpips` package.
#[derive(Debug)]
pub struct Lpips {
    network: VggFeatures,
    weights: Vec<Tensor>,
}

impl Lpips {
    /// Builds it under `scope`.
    pub fn new(scope: &Scope<'_>) -> Result<Self> {
        scope.ignore("scaling_layer.shift")?;
        scope.ignore("scaling_layer.scale")?;
        let slice = |index: usize| 1 + TAPS.iter().filter(|(tap, _)| *tap < index).count();
        let place = |index: usize| scope.at(format!("net.slice{}.{index}", slice(index)));
        Ok(Self {
            network: VggFeatures::new("vgg16", place)?,
            weights: TAPS
                .iter()
                .enumerate()
                .map(|(i, &(_, channels))| {
                    // The package names every one of them twice; a file may hold one or both.
                    let own = scope.at(format!("lin{i}.model.1"));
                    let again = scope.at(format!("lins.{i}.model.1"));
                    let place = if again.has("weight") && !own.has("weight") {
                        again
                    } else {
                        again.ignore("weight")?;
                        own
                    };
                    place.constant("weight", (1, channels, 1, 1), 1.0 / channels as f64)
                })
                .collect::<Result<_>>()?,
        })
    }

    /// Distances `[B,1,1,1]` of pictures `[B,3,H,W]` in -1..1; 0 for equal ones.
    pub fn forward(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let taps = TAPS.map(|(index, _)| Tap::After(index));
        let (a, b) = (scaled(a)?, scaled(b)?);
        let a = self.network.forward(&a, &taps)?;
        let b = self.network.forward(&b, &taps)?;
        let mut sum: Option<Tensor> = None;
        for ((a, b), weight) in a.iter().zip(&b).zip(&self.weights) {
            let off = (unit(a)? - unit(b)?)?.sqr()?;
            let part = off
                .broadcast_mul(weight)?
                .sum_keepdim(1)?
                .mean_keepdim(3)?
                .mean_keepdim(2)?;
            sum = Some(match sum {
                Some(sum) => (sum + part)?,
                None => part,
            });
        }
        sum.ok_or_else(|| candle_core::Error::Msg("no layers to compare".to_owned()))
    }
}

/// From -1..1 to what VGG was trained on.
fn scaled(x: &Tensor) -> Result<Tensor> {
    let row = |values: [f32; 3]| Tensor::new(&values, x.device())?.reshape((1, 3, 1, 1));
    x.broadcast_sub(&row([-0.030, -0.088, -0.188])?)?
        .broadcast_div(&row([0.458, 0.448, 0.450])?)
}

/// Channels of every pixel at length one.
fn unit(x: &Tensor) -> Result<Tensor> {
    // Inside the root too, where zeros have no slope.
    let length = (x.sqr()?.sum_keepdim(1)? + 1e-20)?.sqrt()?;
    x.broadcast_div(&(length + 1e-10)?)
}

/// VGG19's maps before the activations of `conv4_4` and `conv5_4`: what MAT's perceptual loss compares.
#[derive(Debug)]
pub struct Vgg19Features {
    network: VggFeatures,
}

impl Vgg19Features {
    /// Builds it over torchvision's names; the classifier behind it is checked if it is there, and not kept.
    pub fn new(scope: &Scope<'_>) -> Result<Self> {
        for (index, input) in [(0, 512 * 49), (3, 4096)] {
            let place = scope.at(format!("classifier.{index}"));
            if place.has("weight") {
                linear(&place, [input, 4096], true)?;
            }
        }
        let last = scope.at("classifier.6");
        last.ignore("weight")?;
        last.ignore("bias")?;
        Ok(Self {
            network: VggFeatures::new("vgg19", |index| scope.at(format!("features.{index}")))?,
        })
    }

    /// `image [B,3,H,W]`, normalised with `ImageNet`'s mean and deviation, to the two maps.
    pub fn forward(&self, image: &Tensor) -> Result<[Tensor; 2]> {
        let taps = [Tap::Before(25), Tap::Before(34)];
        let mut maps = self.network.forward(image, &taps)?.into_iter();
        match (maps.next(), maps.next()) {
            (Some(a), Some(b)) => Ok([a, b]),
            _ => candle_core::bail!("the network ends before its taps"),
        }
    }
}
