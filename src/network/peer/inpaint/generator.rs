//! The generator: noise to a style, the first stage, the second stage, and the known pixels put back.
//!
//! Noise comes in from outside, the two Bernoulli maps too, so that the same inputs give the same picture.

use candle_core::{DType, Result, Tensor, bail};

use super::Config;
use super::first::First;
use super::modulated::{Level, StyleConv, ToPicture};
use super::primitive::{Dense, Ending, Scaled, Size, mixed};
use crate::network::peer::scope::Scope;

/// What the published weights slow the style's layers down by.
const MAPPING_RATE: f64 = 0.01;
const MAPPING_LAYERS: usize = 8;

/// Noise to style.
#[derive(Clone, Debug)]
struct Mapping {
    layers: Vec<Dense>,
    /// The running mean of styles, which truncation draws towards.
    mean: Tensor,
}

impl Mapping {
    fn new(scope: &Scope<'_>, config: &Config) -> Result<Self> {
        Ok(Self {
            layers: (0..MAPPING_LAYERS)
                .map(|i| {
                    let input = if i == 0 { config.z_dim } else { config.w_dim };
                    let place = scope.at(format!("fc{i}"));
                    Dense::with(
                        &place,
                        [input, config.w_dim],
                        Ending::Leaky,
                        MAPPING_RATE,
                        0.0,
                    )
                })
                .collect::<Result<_>>()?,
            mean: scope.constant("w_avg", config.w_dim, 0.0)?,
        })
    }

    /// `z [B,z]` to `[B,w]`; `truncation` 1 leaves it, 0 gives the mean.
    fn forward(&self, z: &Tensor, truncation: f64) -> Result<Tensor> {
        let size = (z.sqr()?.mean_keepdim(1)? + 1e-8)?.sqrt()?;
        let mut w = z.broadcast_div(&size)?;
        for layer in &self.layers {
            w = layer.forward(&w)?;
        }
        if truncation == 1.0 {
            return Ok(w);
        }
        let off = w.broadcast_sub(&self.mean)?;
        (off * truncation)?.broadcast_add(&self.mean)
    }
}

/// A level of the second stage's encoder.
#[derive(Clone, Debug)]
struct Encoder {
    conv0: Scaled,
    conv1: Scaled,
}

/// What a generator makes.
#[derive(Clone, Debug)]
pub struct Completed {
    /// The picture, its known pixels exactly those of the input.
    pub image: Tensor,
    /// The picture of the first stage, likewise.
    pub first: Tensor,
}

/// The generator of MAT.
#[derive(Clone, Debug)]
pub struct Generator {
    mapping: Mapping,
    first: First,
    /// From the size of the picture to 16×16.
    encoder: Vec<Encoder>,
    to_square: Dense,
    to_style: Vec<Scaled>,
    style: Dense,
    conv0: Scaled,
    conv1: StyleConv,
    picture: ToPicture,
    decoder: Vec<Level>,
    side: usize,
}

impl Generator {
    /// Builds it under `scope`.
    pub fn new(scope: &Scope<'_>, config: &Config) -> Result<Self> {
        let levels = config.levels()?;
        let channels = |level: usize| config.channels(level);
        let picture = config.img_channels;
        let synthesis = scope.at("synthesis");
        let leaky = Ending::Leaky;
        let encoder = (4..=levels)
            .rev()
            .map(|level| {
                let side = 1 << level;
                let place = synthesis.at(format!("enc.EncConv_Block_{side}x{side}"));
                let (input, kernel, size) = if level == levels {
                    (2 * picture + 1, 1, Size::Same)
                } else {
                    (channels(level + 1), 3, Size::Half)
                };
                let output = channels(level);
                let first = [input, output];
                Ok(Encoder {
                    conv0: Scaled::new(&place.at("conv0"), first, kernel, size, leaky)?,
                    conv1: Scaled::new(&place.at("conv1"), [output; 2], 3, Size::Same, leaky)?,
                })
            })
            .collect::<Result<_>>()?;
        let body = channels(4);
        let wide = 2 * body;
        let style = config.w_dim + wide;
        let to_style = synthesis.at("to_style");
        let start = synthesis.at("dec.Dec_16x16");
        Ok(Self {
            mapping: Mapping::new(&scope.at("mapping"), config)?,
            first: First::new(&synthesis.at("first_stage"), config)?,
            encoder,
            to_square: Dense::new(&synthesis.at("to_square"), [config.w_dim, 256], leaky)?,
            to_style: (0..3)
                .map(|i| {
                    let place = to_style.at(format!("conv.{i}"));
                    Scaled::new(&place, [body; 2], 3, Size::Half, leaky)
                })
                .collect::<Result<_>>()?,
            style: Dense::new(&to_style.at("fc"), [body, wide], leaky)?,
            conv0: Scaled::new(&start.at("conv0"), [body; 2], 3, Size::Same, leaky)?,
            conv1: StyleConv::new(&start.at("conv1"), [body, body, style], Size::Same, 16)?,
            picture: ToPicture::new(&start.at("toRGB"), [body, picture, style])?,
            decoder: (5..=levels)
                .map(|level| {
                    let side = 1 << level;
                    let place = synthesis.at(format!("dec.Dec_{side}x{side}"));
                    let sizes = [channels(level - 1), channels(level), style, picture];
                    Level::new(&place, sizes, side)
                })
                .collect::<Result<_>>()?,
            side: config.img_resolution,
        })
    }

    /// `image [B,C,S,S]` in -1..1, `mask [B,1,S,S]` (1 is kept), `z [B,z]`, and the two maps of zeros and ones that
    /// decide which features the style replaces: `keep[0] [B,256,dim]`, `keep[1] [B,C16,16,16]`.
    pub fn forward(
        &self,
        image: &Tensor,
        mask: &Tensor,
        z: &Tensor,
        keep: [&Tensor; 2],
        truncation: f64,
    ) -> Result<Completed> {
        let (batch, _, height, width) = image.dims4()?;
        if (height, width) != (self.side, self.side) {
            bail!(
                "image: {height}x{width}, this network is for {0}x{0}",
                self.side
            )
        }
        if mask.dims() != [batch, 1, height, width] || z.dim(0)? != batch {
            bail!(
                "mask {:?} and z {:?} for {:?}",
                mask.dims(),
                z.dims(),
                image.dims()
            )
        }
        let mask = mask.to_dtype(DType::F32)?;
        let hole = mask.affine(-1.0, 1.0)?;
        let known = image.broadcast_mul(&mask)?;
        let put_back = |made: &Tensor| made.broadcast_mul(&hole)? + &known;
        let style = self.mapping.forward(z, truncation)?;
        let first = put_back(&self.first.forward(image, &mask, &style, keep[0])?)?;
        let input = Tensor::cat(&[&(&mask - 0.5)?, &first, &known], 1)?;
        let made = self.refine(&input, &style, keep[1])?;
        Ok(Completed {
            image: put_back(&made)?,
            first,
        })
    }

    fn refine(&self, input: &Tensor, style: &Tensor, keep: &Tensor) -> Result<Tensor> {
        let mut skips = Vec::new();
        let mut x = input.clone();
        for level in &self.encoder {
            x = level.conv1.forward(&level.conv0.forward(&x)?)?;
            skips.push(x.clone());
        }
        skips.pop();
        if keep.dims() != x.dims() {
            bail!("drop2 is {:?}, wanted {:?}", keep.dims(), x.dims())
        }
        let batch = x.dim(0)?;
        let square = self.to_square.forward(style)?.reshape((batch, 1, 16, 16))?;
        let square = square.broadcast_as(x.shape())?;
        let mixed = mixed(&x, &square, keep)?;
        let mut small = mixed.clone();
        for layer in &self.to_style {
            small = layer.forward(&small)?;
        }
        let own = self.style.forward(&small.flatten_from(2)?.mean(2)?)?;
        let style = Tensor::cat(&[style, &own], 1)?;
        let x = (self.conv0.forward(&mixed)? + &mixed)?;
        let mut x = self.conv1.forward(&x, &style)?;
        let mut picture = self.picture.forward(&x, &style, None)?;
        for level in &self.decoder {
            let Some(skip) = skips.pop() else {
                bail!("the decoder is deeper than the encoder")
            };
            (x, picture) = level.forward(&x, Some(&picture), &style, &skip)?;
        }
        Ok(picture)
    }
}
