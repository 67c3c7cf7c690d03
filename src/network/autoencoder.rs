//! The grey autoencoder: encoder, decoder and a small preview decoder.
//!
//! Separate because the latent space it defines is frozen once other networks are trained on it. Eight pixels become
//! one latent cell; space-to-depth instead of convolutions at full resolution, where few channels only move memory.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use super::layers::{Convolution, Norm, Residual};
use super::ops;
use crate::grid::Grid;

/// Pixels a latent cell covers in each direction.
pub const FACTOR: usize = 8;

/// Widths and depths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Latent channels.
    pub latent: usize,
    /// Encoder widths at a quarter and an eighth of the size.
    pub encoder: [usize; 2],
    /// Residual blocks of the encoder at each of the two sizes.
    pub encoder_blocks: usize,
    /// Decoder widths at an eighth and a quarter of the size.
    pub decoder: [usize; 2],
    /// Residual blocks of the decoder at each of the two sizes.
    pub decoder_blocks: usize,
    /// Widths of the preview decoder at an eighth and a quarter of the size.
    pub preview: [usize; 2],
}

impl Default for Config {
    fn default() -> Self {
        Self {
            latent: 4,
            encoder: [64, 128],
            encoder_blocks: 2,
            decoder: [160, 80],
            decoder_blocks: 3,
            preview: [64, 48],
        }
    }
}

impl Config {
    /// A size for tests.
    pub fn tiny() -> Self {
        Self {
            latent: 4,
            encoder: [8, 16],
            encoder_blocks: 1,
            decoder: [16, 8],
            decoder_blocks: 1,
            preview: [8, 8],
        }
    }
}

/// Brings each latent channel to mean 0 and deviation 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatentScale {
    /// Mean of each channel; empty = 0.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel; empty = 1.
    pub std: Vec<f32>,
}

impl LatentScale {
    /// `(z − mean) / std`.
    pub fn normalized(&self, z: &Tensor) -> Result<Tensor> {
        match self.tensors(z)? {
            Some((mean, std)) => z.broadcast_sub(&mean)?.broadcast_div(&std),
            None => Ok(z.clone()),
        }
    }

    /// `z · std + mean`.
    pub fn raw(&self, z: &Tensor) -> Result<Tensor> {
        match self.tensors(z)? {
            Some((mean, std)) => z.broadcast_mul(&std)?.broadcast_add(&mean),
            None => Ok(z.clone()),
        }
    }

    fn tensors(&self, z: &Tensor) -> Result<Option<(Tensor, Tensor)>> {
        if self.mean.is_empty() {
            return Ok(None);
        }
        let shape = (1, self.mean.len(), 1, 1);
        Ok(Some((
            Tensor::from_slice(&self.mean, shape, z.device())?,
            Tensor::from_slice(&self.std, shape, z.device())?,
        )))
    }
}

#[derive(Clone, Debug)]
struct Encoder {
    first: Convolution,
    fine: Vec<Residual>,
    halving: Convolution,
    coarse: Vec<Residual>,
    norm: Norm,
    last: Convolution,
}

impl Encoder {
    fn new(vb: &VarBuilder<'_>, config: &Config) -> Result<Self> {
        let [fine, coarse] = config.encoder;
        Ok(Self {
            first: Convolution::three(&vb.pp("first"), [16, fine])?,
            fine: blocks(&vb.pp("fine"), [fine, fine], config.encoder_blocks)?,
            halving: Convolution::halving(&vb.pp("halving"), [fine, fine])?,
            coarse: blocks(&vb.pp("coarse"), [fine, coarse], config.encoder_blocks)?,
            norm: Norm::new(&vb.pp("norm"), coarse)?,
            last: Convolution::three(&vb.pp("last"), [coarse, config.latent])?,
        })
    }

    fn forward(&self, image: &Tensor) -> Result<Tensor> {
        let mut x = self.first.forward(&ops::pixel_unshuffle(image, 4)?)?;
        x = through(&self.fine, x)?;
        x = self.halving.forward(&x)?;
        x = through(&self.coarse, x)?;
        self.last.forward(&self.norm.forward_silu(&x)?)
    }
}

#[derive(Clone, Debug)]
struct Decoder {
    first: Convolution,
    coarse: Vec<Residual>,
    narrowing: Convolution,
    fine: Vec<Residual>,
    norm: Norm,
    last: Convolution,
}

impl Decoder {
    fn new(vb: &VarBuilder<'_>, config: &Config) -> Result<Self> {
        let [coarse, fine] = config.decoder;
        Ok(Self {
            first: Convolution::three(&vb.pp("first"), [config.latent, coarse])?,
            coarse: blocks(&vb.pp("coarse"), [coarse, coarse], config.decoder_blocks)?,
            narrowing: Convolution::three(&vb.pp("narrowing"), [coarse, fine])?,
            fine: blocks(&vb.pp("fine"), [fine, fine], config.decoder_blocks)?,
            norm: Norm::new(&vb.pp("norm"), fine)?,
            last: Convolution::three(&vb.pp("last"), [fine, 16])?,
        })
    }

    fn forward(&self, z: &Tensor) -> Result<Tensor> {
        let mut x = through(&self.coarse, self.first.forward(z)?)?;
        x = self.narrowing.forward(&ops::upsample_nearest_2x(&x)?)?;
        x = through(&self.fine, x)?;
        ops::pixel_shuffle(&self.last.forward(&self.norm.forward_silu(&x)?)?, 4)
    }
}

/// Plain convolutions with `ReLU`: an eighth of the decoder's arithmetic, for every preview.
#[derive(Clone, Debug)]
struct Preview {
    coarse: Vec<Convolution>,
    fine: Vec<Convolution>,
    last: Convolution,
}

impl Preview {
    fn new(vb: &VarBuilder<'_>, config: &Config) -> Result<Self> {
        let [coarse, fine] = config.preview;
        let chain = |name: &str, widths: &[usize]| {
            widths
                .windows(2)
                .enumerate()
                .map(|(i, w)| Convolution::three(&vb.pp(format!("{name}.{i}")), [w[0], w[1]]))
                .collect::<Result<Vec<_>>>()
        };
        Ok(Self {
            coarse: chain("coarse", &[config.latent, coarse, coarse, coarse])?,
            fine: chain("fine", &[coarse, fine, fine, fine])?,
            last: Convolution::three(&vb.pp("last"), [fine, 16])?,
        })
    }

    fn forward(&self, z: &Tensor) -> Result<Tensor> {
        let mut x = z.clone();
        for layer in &self.coarse {
            x = layer.forward(&x)?.relu()?;
        }
        x = ops::upsample_nearest_2x(&x)?;
        for layer in &self.fine {
            x = layer.forward(&x)?.relu()?;
        }
        ops::pixel_shuffle(&self.last.forward(&x)?, 4)
    }
}

fn blocks(vb: &VarBuilder<'_>, [input, output]: [usize; 2], n: usize) -> Result<Vec<Residual>> {
    (0..n)
        .map(|i| {
            let from = if i == 0 { input } else { output };
            Residual::new(&vb.pp(i.to_string()), [from, output])
        })
        .collect()
}

fn through(blocks: &[Residual], x: Tensor) -> Result<Tensor> {
    blocks
        .iter()
        .try_fold(x, |x, block| block.forward(&x, None))
}

/// Images in −1…1 to latents and back: `[B,1,H,W]` and `[B,4,H/8,W/8]`, H and W multiples of 32.
#[derive(Clone, Debug)]
pub struct Autoencoder {
    encoder: Encoder,
    decoder: Decoder,
    preview: Preview,
    latent: usize,
    /// Applied after encoding and undone before decoding; the identity while the autoencoder itself is trained.
    pub scale: LatentScale,
}

impl Autoencoder {
    /// Reads `encoder.*`, `decoder.*` and `preview.*`.
    pub fn new(vb: &VarBuilder<'_>, config: &Config) -> Result<Self> {
        Ok(Self {
            encoder: Encoder::new(&vb.pp("encoder"), config)?,
            decoder: Decoder::new(&vb.pp("decoder"), config)?,
            preview: Preview::new(&vb.pp("preview"), config)?,
            latent: config.latent,
            scale: LatentScale::default(),
        })
    }

    /// Latent channels.
    pub fn channels(&self) -> usize {
        self.latent
    }

    /// Image in −1…1 to scaled latent.
    pub fn encode(&self, image: &Tensor) -> Result<Tensor> {
        let z = self.encoder.forward(image)?.to_dtype(DType::F32)?;
        self.scale.normalized(&z)
    }

    /// Scaled latent to image, about −1…1 and not clamped.
    pub fn decode(&self, z: &Tensor) -> Result<Tensor> {
        self.decoder
            .forward(&self.scale.raw(z)?)?
            .to_dtype(DType::F32)
    }

    /// Scaled latent to image by the small decoder.
    pub fn decode_preview(&self, z: &Tensor) -> Result<Tensor> {
        self.preview
            .forward(&self.scale.raw(z)?)?
            .to_dtype(DType::F32)
    }
}

/// A painted mask at the latent's size, [`latent_cells`] as 1 and 0.
///
/// `painted` 255 = renewed, of the model's size; gives `[1,1,H/8,W/8]`.
pub fn latent_mask(painted: &Grid<u8>) -> Result<Tensor> {
    let grown = latent_cells(painted).map(|cell| f32::from(u8::from(*cell)));
    let (columns, rows) = grown.size();
    Tensor::from_slice(grown.cells(), (1, 1, rows, columns), &Device::Cpu)
}

/// The cells of a latent of which any pixel, or any of a neighbouring one, is painted; `painted` is of the model's size.
pub fn latent_cells(painted: &Grid<u8>) -> Grid<bool> {
    let (columns, rows) = (painted.width() / FACTOR, painted.height() / FACTOR);
    let mut touched = Grid::filled(columns, rows, false);
    for y in 0..rows * FACTOR {
        for (x, value) in painted.row(y).iter().enumerate().take(columns * FACTOR) {
            if *value > 0 {
                touched[(x / FACTOR, y / FACTOR)] = true;
            }
        }
    }
    let near = |x: usize, y: usize| {
        let across = x.saturating_sub(1)..=(x + 1).min(columns - 1);
        let down = y.saturating_sub(1)..=(y + 1).min(rows - 1);
        down.into_iter()
            .any(|y| across.clone().any(|x| touched[(x, y)]))
    };
    Grid::from_fn(columns, rows, near)
}
