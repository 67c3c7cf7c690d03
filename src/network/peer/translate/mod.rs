//! Unpaired translation: the networks of `CycleGAN` (Zhu et al. 2017) with their published names.

use candle_core::{Result, Tensor, bail};
use serde::Deserialize;

use super::layers::{Activation, Conv, Taps};
use super::scope::Scope;
use crate::network::ops::{self, Convolution};

/// Settings with the names of the program's options.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Channels in.
    pub input_nc: usize,
    /// Channels out; generators only.
    pub output_nc: usize,
    /// Channels of the generator at full size.
    pub ngf: usize,
    /// Channels of the discriminator at half size.
    pub ndf: usize,
    /// Residual blocks of the generator.
    pub n_blocks: usize,
    /// Layers of the discriminator between the first and the last two.
    pub n_layers: usize,
    /// `instance` only.
    pub norm: String,
    /// Whether blocks have a dropout layer, which shifts their names.
    pub use_dropout: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            input_nc: 3,
            output_nc: 3,
            ngf: 64,
            ndf: 64,
            n_blocks: 9,
            n_layers: 3,
            norm: "instance".to_owned(),
            use_dropout: false,
        }
    }
}

impl Config {
    fn check(&self) -> Result<()> {
        if self.norm == "instance" {
            Ok(())
        } else {
            bail!("norm = {} is not supported, only instance", self.norm)
        }
    }
}

/// Instance norm without weights; what old files hold about it is accepted and not used.
fn forget(scope: &Scope<'_>) -> Result<()> {
    for name in ["running_mean", "running_var", "num_batches_tracked"] {
        scope.ignore(name)?;
    }
    Ok(())
}

fn normalize(x: &Tensor) -> Result<Tensor> {
    let (_, channels, height, width) = x.dims4()?;
    if height * width < 2 {
        bail!("an instance norm of a single pixel says nothing: the picture is too small")
    }
    let ones = Tensor::ones(channels, x.dtype(), x.device())?;
    ops::instance_norm(x, &ones, &ones.zeros_like()?, 1e-5)
}

/// The picture mirrored at its edges, which are not repeated.
fn reflect(x: &Tensor, by: usize) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    if by >= height || by >= width {
        bail!("a {height}x{width} map cannot be mirrored by {by}: the picture is too small")
    }
    let places = |size: usize| {
        let last = 2 * (size - 1);
        let at: Vec<u32> = (0..size + 2 * by)
            .map(|i| i.abs_diff(by).min(last - i.abs_diff(by).min(last)) as u32)
            .collect();
        Tensor::from_vec(at, size + 2 * by, x.device())
    };
    x.index_select(&places(height)?, 2)?
        .index_select(&places(width)?, 3)
}

/// A transposed convolution that doubles the picture.
#[derive(Clone, Debug)]
struct Double {
    weight: Tensor,
    bias: Tensor,
}

impl Double {
    fn new(scope: &Scope<'_>, [input, output]: [usize; 2]) -> Result<Self> {
        Ok(Self {
            weight: scope.random("weight", (input, output, 3, 3), output * 9)?,
            bias: scope.random("bias", output, output * 9)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let how = Convolution {
            stride: 2,
            padding: 1,
            ..Convolution::default()
        };
        ops::convolution_transposed(x, &self.weight, Some(&self.bias), how, 1)
    }
}

/// `ResnetGenerator` with instance norms.
#[derive(Clone, Debug)]
pub struct ResnetGenerator {
    first: Conv,
    down: Vec<Conv>,
    blocks: Vec<[Conv; 2]>,
    up: Vec<Double>,
    last: Conv,
}

impl ResnetGenerator {
    /// Builds it under `scope`.
    pub fn new(scope: &Scope<'_>, config: &Config) -> Result<Self> {
        config.check()?;
        let place = |index: usize| scope.at(format!("model.{index}"));
        let n = config.ngf;
        let (seven, three) = (Taps::square(7), Taps::square(3));
        let half = three.stride(2).pad(1);
        let end = 10 + config.n_blocks;
        for index in [2, 5, 8, end + 1, end + 4] {
            forget(&place(index))?;
        }
        let second = if config.use_dropout { 6 } else { 5 };
        let block = |i: usize| -> Result<[Conv; 2]> {
            let place = place(10 + i).at("conv_block");
            forget(&place.at(2))?;
            forget(&place.at(second + 1))?;
            let conv = |index: usize| Conv::new(&place.at(index), [4 * n, 4 * n], three);
            Ok([conv(1)?, conv(second)?])
        };
        Ok(Self {
            first: Conv::new(&place(1), [config.input_nc, n], seven)?,
            down: vec![
                Conv::new(&place(4), [n, 2 * n], half)?,
                Conv::new(&place(7), [2 * n, 4 * n], half)?,
            ],
            blocks: (0..config.n_blocks).map(block).collect::<Result<_>>()?,
            up: vec![
                Double::new(&place(end), [4 * n, 2 * n])?,
                Double::new(&place(end + 3), [2 * n, n])?,
            ],
            last: Conv::new(&place(end + 7), [n, config.output_nc], seven)?,
        })
    }

    /// `image [B,I,H,W]` in -1..1 to `[B,O,H',W']` in -1..1, sizes rounded up to multiples of four.
    pub fn forward(&self, image: &Tensor) -> Result<Tensor> {
        let mut x = normalize(&self.first.forward(&reflect(image, 3)?)?)?.relu()?;
        for conv in &self.down {
            x = normalize(&conv.forward(&x)?)?.relu()?;
        }
        for [first, second] in &self.blocks {
            let h = normalize(&first.forward(&reflect(&x, 1)?)?)?.relu()?;
            x = (&x + normalize(&second.forward(&reflect(&h, 1)?)?)?)?;
        }
        for double in &self.up {
            x = normalize(&double.forward(&x)?)?.relu()?;
        }
        self.last.forward(&reflect(&x, 3)?)?.tanh()
    }
}

/// `NLayerDiscriminator` with instance norms: a logit for every patch.
#[derive(Clone, Debug)]
pub struct PatchDiscriminator {
    layers: Vec<Conv>,
}

impl PatchDiscriminator {
    /// Builds it under `scope`.
    pub fn new(scope: &Scope<'_>, config: &Config) -> Result<Self> {
        config.check()?;
        let four = Taps::square(4).pad(1);
        let place = |index: usize| scope.at(format!("model.{index}"));
        let width = |layer: usize| config.ndf << layer.min(3);
        let first = [config.input_nc, config.ndf];
        let mut layers = vec![Conv::new(&place(0), first, four.stride(2))?];
        for layer in 1..=config.n_layers {
            let stride = if layer < config.n_layers { 2 } else { 1 };
            let index = 3 * layer - 1;
            let channels = [width(layer - 1), width(layer)];
            layers.push(Conv::new(&place(index), channels, four.stride(stride))?);
            forget(&place(index + 1))?;
        }
        let last = [width(config.n_layers), 1];
        layers.push(Conv::new(&place(3 * config.n_layers + 2), last, four)?);
        Ok(Self { layers })
    }

    /// `image [B,I,H,W]` in -1..1 to logits `[B,1,h,w]`.
    pub fn forward(&self, image: &Tensor) -> Result<Tensor> {
        let leaky = Activation::LeakyRelu(0.2);
        let mut x = image.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&x)?;
            if i + 1 == self.layers.len() {
                break;
            }
            if i > 0 {
                x = normalize(&x)?;
            }
            x = leaky.apply(&x)?;
        }
        Ok(x)
    }
}
