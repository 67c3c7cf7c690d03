//! A vision transformer without a class token that knows places by their distance (timm's `vit_srelpos`).
//!
//! The score of two places gets a bias that a small network makes of the logarithms of their distances, as in
//! Liu et al. 2022, "Swin transformer V2", section 3.3; one such network serves all blocks.

use candle_core::{Result, Tensor, bail};

use crate::network::ops;
use crate::network::peer::classifier::{Classifier, Config};
use crate::network::peer::layers::{
    Chain, Conv, Layer, LayerNorm, Linear, Taps, attend, linear, relative_bias, to_tokens,
};
use crate::network::peer::scope::Scope;

const EPSILON: f64 = 1e-6;
const PATCH: usize = 16;
const HEADS: usize = 8;
const WIDTH: usize = 512;
const DEPTH: usize = 12;

#[derive(Debug)]
struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    out: Linear,
    scale1: Tensor,
    norm2: LayerNorm,
    wide: Linear,
    narrow: Linear,
    scale2: Tensor,
}

impl Block {
    fn new(scope: &Scope<'_>) -> Result<Self> {
        let norm = |name: &str| LayerNorm::new(&scope.at(name), WIDTH, EPSILON);
        let scale = |name: &str| scope.at(name).constant("gamma", WIDTH, 1e-6);
        Ok(Self {
            norm1: norm("norm1")?,
            qkv: linear(&scope.at("attn.qkv"), [WIDTH, 3 * WIDTH], false)?,
            out: linear(&scope.at("attn.proj"), [WIDTH, WIDTH], true)?,
            scale1: scale("ls1")?,
            norm2: norm("norm2")?,
            wide: linear(&scope.at("mlp.fc1"), [WIDTH, 4 * WIDTH], true)?,
            narrow: linear(&scope.at("mlp.fc2"), [4 * WIDTH, WIDTH], true)?,
            scale2: scale("ls2")?,
        })
    }

    fn forward(&self, x: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let qkv = self.qkv.forward(&self.norm1.forward(x)?)?.chunk(3, 2)?;
        let h = attend(&qkv[0], &qkv[1], &qkv[2], HEADS, Some(bias))?;
        let x = (x + self.out.forward(&h)?.broadcast_mul(&self.scale1)?)?;
        let h = ops::gelu(&self.wide.forward(&self.norm2.forward(&x)?)?)?;
        &x + self.narrow.forward(&h)?.broadcast_mul(&self.scale2)?
    }
}

/// The whole body: patches, blocks with their common bias, the mean of all tokens.
#[derive(Debug)]
struct Body {
    patches: Conv,
    wide: Linear,
    narrow: Linear,
    blocks: Vec<Block>,
    norm: LayerNorm,
    side: usize,
}

impl Body {
    /// `[heads, N, N]` for a square of `count × count` patches.
    fn bias(&self, count: usize, like: &Tensor) -> Result<Tensor> {
        let span = 2 * count - 1;
        let logarithm = |i: usize| {
            let off = i as f32 - (count - 1) as f32;
            off.signum() * off.abs().ln_1p() * f32::from(u8::from(off != 0.0))
        };
        let table: Vec<f32> = (0..span * span)
            .flat_map(|i| [logarithm(i / span), logarithm(i % span)])
            .collect();
        let table = Tensor::from_vec(table, (span * span, 2), like.device())?;
        let table = self.narrow.forward(&self.wide.forward(&table)?.relu()?)?;
        relative_bias(&table, count)
    }
}

impl Layer for Body {
    fn forward(&self, image: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = image.dims4()?;
        if (height, width) != (self.side, self.side) {
            bail!(
                "image: {height}x{width}, wanted {0}x{0} (image_size)",
                self.side
            )
        }
        let mut tokens = to_tokens(&self.patches.forward(image)?)?;
        let bias = self.bias(self.side / PATCH, &tokens)?;
        for block in &self.blocks {
            tokens = block.forward(&tokens, &bias)?;
        }
        self.norm.forward(&tokens)?.mean(1)
    }
}

/// `vit_srelpos_medium_patch16_224`.
pub(super) fn build(scope: &Scope<'_>, config: &Config, name: &str) -> Result<Option<Classifier>> {
    if name != "vit_srelpos_medium_patch16_224" {
        return Ok(None);
    }
    let side = config.image_size;
    if side == 0 || !side.is_multiple_of(PATCH) {
        bail!("image_size = {side} is no multiple of the patch of {PATCH}")
    }
    let positions = scope.at("shared_rel_pos.mlp");
    let body = Body {
        patches: Conv::new(
            &scope.at("patch_embed.proj"),
            [3, WIDTH],
            Taps::square(PATCH).stride(PATCH),
        )?,
        wide: linear(&positions.at("fc1"), [2, WIDTH], true)?,
        narrow: linear(&positions.at("fc2"), [WIDTH, HEADS], true)?,
        blocks: (0..config.depth.unwrap_or(DEPTH))
            .map(|i| Block::new(&scope.at(format!("blocks.{i}"))))
            .collect::<Result<_>>()?,
        norm: LayerNorm::new(&scope.at("norm"), WIDTH, EPSILON)?,
        side,
    };
    let head = Chain::new().then(linear(
        &scope.at("head"),
        [WIDTH, config.num_classes],
        true,
    )?);
    Ok(Some(Classifier::new(vec![Chain::new().then(body)], head)))
}
