//! Classifiers of depthwise convolutions: `MobileNet`, `MNASNet`, `ShuffleNet`, `EfficientNet`, `RegNet`,
//! Xception.

pub mod efficientnet;
pub mod mnasnet;
pub mod mobilenet;
pub mod regnet;
pub mod shufflenet;
pub mod tensorflow;
pub mod xception;

use candle_core::Result;

use crate::network::peer::layers::{Activation, Chain, Conv, ConvNorm, Gate, Taps};
use crate::network::peer::scope::Scope;

/// The multiple of 8 next to `value`, not more than a tenth below it.
fn in_eights(value: f64) -> usize {
    let near = (((value + 4.0) as usize) / 8 * 8).max(8);
    if (near as f64) < 0.9 * value {
        near + 8
    } else {
        near
    }
}

/// Convolution `0`, norm `1`, activation, with half a window of padding.
fn conv_norm(
    scope: &Scope<'_>,
    channels: [usize; 2],
    taps: Taps,
    epsilon: f64,
    activation: Activation,
) -> Result<ConvNorm> {
    let (conv, norm) = (scope.at(0), scope.at(1));
    ConvNorm::new(&conv, &norm, channels, taps.same(), epsilon, activation)
}

/// Squeeze and excitation `fc1`, `fc2`.
pub(super) fn gate(
    scope: &Scope<'_>,
    [channels, squeezed]: [usize; 2],
    inner: Activation,
    outer: Activation,
) -> Result<Gate> {
    let one = Taps::square(1);
    Ok(Gate {
        squeeze: Conv::new(&scope.at("fc1"), [channels, squeezed], one)?,
        inner,
        excite: Conv::new(&scope.at("fc2"), [squeezed, channels], one)?,
        outer,
    })
}

/// Layers of a picture that ends a stage whenever its size is halved.
#[derive(Default)]
struct Stages {
    done: Vec<Chain>,
    open: Chain,
}

impl Stages {
    /// What comes next; a stride of 2 begins a stage.
    fn begin(&mut self, stride: usize) -> &mut Chain {
        if stride > 1 && !self.open.is_empty() {
            self.done.push(std::mem::take(&mut self.open));
        }
        &mut self.open
    }

    fn finish(mut self) -> Vec<Chain> {
        self.done.push(self.open);
        self.done
    }
}
