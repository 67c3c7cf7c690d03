//! Vision transformers (Dosovitskiy et al. 2021) with torchvision's or timm's names.
//!
//! One network, two naming schemes; what timm's variants add (a norm before the first block) is an option of it.

use candle_core::{Result, Tensor, bail};
use candle_nn::Init;

use crate::network::ops;
use crate::network::peer::classifier::{Classifier, Config};
use crate::network::peer::layers::{
    Chain, Conv, Layer, LayerNorm, Linear, Taps, attend, linear, to_tokens,
};
use crate::network::peer::scope::Scope;

/// Sizes of a member of the family.
#[derive(Clone, Copy, Debug)]
struct Size {
    patch: usize,
    depth: usize,
    heads: usize,
    width: usize,
    hidden: usize,
}

const fn size(patch: usize, depth: usize, heads: usize, width: usize, hidden: usize) -> Size {
    Size {
        patch,
        depth,
        heads,
        width,
        hidden,
    }
}

/// Who named the tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Torchvision,
    Timm,
    /// timm's, with a norm before the blocks, no bias in the first convolution and another epsilon.
    TimmClip,
}

fn member(name: &str) -> Option<(Names, Size)> {
    let (base, large) = ((12, 12, 768, 3072), (24, 16, 1024, 4096));
    let of = |patch, (depth, heads, width, hidden)| size(patch, depth, heads, width, hidden);
    Some(match name {
        "vit_b_16" => (Names::Torchvision, of(16, base)),
        "vit_b_32" => (Names::Torchvision, of(32, base)),
        "vit_l_16" => (Names::Torchvision, of(16, large)),
        "vit_l_32" => (Names::Torchvision, of(32, large)),
        "vit_h_14" => (Names::Torchvision, size(14, 32, 16, 1280, 5120)),
        "vit_tiny_patch16_224" => (Names::Timm, size(16, 12, 3, 192, 768)),
        "vit_small_patch16_224" => (Names::Timm, size(16, 12, 6, 384, 1536)),
        "vit_base_patch16_224" => (Names::Timm, of(16, base)),
        "vit_base_patch32_224" => (Names::Timm, of(32, base)),
        "vit_large_patch16_224" => (Names::Timm, of(16, large)),
        "vit_large_patch32_224" | "vit_large_patch32_224.orig_in21k" => {
            (Names::Timm, of(32, large))
        }
        "vit_gigantic_patch14_clip_224" => (Names::TimmClip, size(14, 48, 16, 1664, 8192)),
        _ => return None,
    })
}

/// Attention and two linear layers, each normalised first and added.
#[derive(Debug)]
struct Block {
    norm1: LayerNorm,
    qkv: Tensor,
    qkv_bias: Tensor,
    out: Linear,
    norm2: LayerNorm,
    wide: Linear,
    narrow: Linear,
    heads: usize,
}

impl Block {
    fn new(scope: &Scope<'_>, names: Names, size: Size, epsilon: f64) -> Result<Self> {
        let Size { width, hidden, .. } = size;
        let norm = |name: &str| LayerNorm::new(&scope.at(name), width, epsilon);
        let three = 3 * width;
        if names == Names::Torchvision {
            let attention = scope.at("self_attention");
            let mlp = scope.at("mlp");
            // Files from before version 0.12.
            let old = mlp.at("linear_1").has("weight");
            let [wide, narrow] = if old {
                ["linear_1", "linear_2"]
            } else {
                ["0", "3"]
            };
            return Ok(Self {
                norm1: norm("ln_1")?,
                qkv: attention.random("in_proj_weight", (three, width), width)?,
                qkv_bias: attention.constant("in_proj_bias", three, 0.0)?,
                out: linear(&attention.at("out_proj"), [width, width], true)?,
                norm2: norm("ln_2")?,
                wide: linear(&mlp.at(wide), [width, hidden], true)?,
                narrow: linear(&mlp.at(narrow), [hidden, width], true)?,
                heads: size.heads,
            });
        }
        let qkv = scope.at("attn.qkv");
        Ok(Self {
            norm1: norm("norm1")?,
            qkv: qkv.random("weight", (three, width), width)?,
            qkv_bias: qkv.constant("bias", three, 0.0)?,
            out: linear(&scope.at("attn.proj"), [width, width], true)?,
            norm2: norm("norm2")?,
            wide: linear(&scope.at("mlp.fc1"), [width, hidden], true)?,
            narrow: linear(&scope.at("mlp.fc2"), [hidden, width], true)?,
            heads: size.heads,
        })
    }
}

impl Layer for Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let h = self.norm1.forward(x)?;
        let qkv = ops::linear(&h, &self.qkv, Some(&self.qkv_bias))?.chunk(3, 2)?;
        let h = attend(&qkv[0], &qkv[1], &qkv[2], self.heads, None)?;
        let x = (x + self.out.forward(&h)?)?;
        let h = self.wide.forward(&self.norm2.forward(&x)?)?;
        &x + self.narrow.forward(&ops::gelu(&h)?)?
    }
}

/// Patches, the class token before them, and positions.
#[derive(Debug)]
struct Embedding {
    patches: Conv,
    class: Tensor,
    positions: Tensor,
    norm: Option<LayerNorm>,
    side: usize,
}

impl Layer for Embedding {
    fn forward(&self, image: &Tensor) -> Result<Tensor> {
        let (batch, _, height, width) = image.dims4()?;
        if (height, width) != (self.side, self.side) {
            bail!(
                "image: {height}x{width}, this network's positions are for {0}x{0} (image_size)",
                self.side
            )
        }
        let tokens = to_tokens(&self.patches.forward(image)?)?;
        let (_, _, channels) = tokens.dims3()?;
        let class = self.class.broadcast_as((batch, 1, channels))?;
        let tokens = Tensor::cat(&[&class.contiguous()?, &tokens], 1)?;
        let tokens = tokens.broadcast_add(&self.positions)?;
        match &self.norm {
            Some(norm) => norm.forward(&tokens),
            None => Ok(tokens),
        }
    }
}

/// The class token of `[B,N,C]`.
#[derive(Clone, Copy, Debug)]
struct First;

impl Layer for First {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.narrow(1, 0, 1)?.squeeze(1)?.contiguous()
    }
}

/// torchvision's `vit_b_16` … `vit_h_14` and timm's `vit_…_patch…_224`.
pub(super) fn build(scope: &Scope<'_>, config: &Config, name: &str) -> Result<Option<Classifier>> {
    let Some((names, mut size)) = member(name) else {
        return Ok(None);
    };
    if let Some(depth) = config.depth {
        size.depth = depth;
    }
    let torchvision = names == Names::Torchvision;
    let clip = names == Names::TimmClip;
    let epsilon = if clip { 1e-5 } else { 1e-6 };
    let (width, side) = (size.width, config.image_size);
    if side == 0 || !side.is_multiple_of(size.patch) {
        bail!(
            "image_size = {side} is no multiple of the patch of {}",
            size.patch
        )
    }
    let count = (side / size.patch) * (side / size.patch) + 1;
    let small = Init::Randn {
        mean: 0.0,
        stdev: 0.02,
    };
    let [patches, class, positions, block, norm, head] = if torchvision {
        let block = "encoder.layers.encoder_layer_";
        [
            "conv_proj",
            "class_token",
            "encoder.pos_embedding",
            block,
            "encoder.ln",
            "heads.head",
        ]
    } else {
        [
            "patch_embed.proj",
            "cls_token",
            "pos_embed",
            "blocks.",
            "norm",
            "head",
        ]
    };
    let taps = Taps::square(size.patch).stride(size.patch);
    let conv = if clip { Conv::unbiased } else { Conv::new };
    let embedding = Embedding {
        patches: conv(&scope.at(patches), [3, width], taps)?,
        class: scope.tensor(class, (1, 1, width), small)?,
        positions: scope.tensor(positions, (1, count, width), small)?,
        norm: clip
            .then(|| LayerNorm::new(&scope.at("norm_pre"), width, epsilon))
            .transpose()?,
        side,
    };
    let mut stages = vec![Chain::new().then(embedding)];
    for i in 0..size.depth {
        let place = scope.at(format!("{block}{i}"));
        stages.push(Chain::new().then(Block::new(&place, names, size, epsilon)?));
    }
    let head = Chain::new()
        .then(LayerNorm::new(&scope.at(norm), width, epsilon)?)
        .then(First)
        .then(linear(&scope.at(head), [width, config.num_classes], true)?);
    Ok(Some(Classifier::new(stages, head)))
}
