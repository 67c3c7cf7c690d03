//! Swin transformers (Liu et al. 2021) and their second version (Liu et al. 2022) with torchvision's names.
//!
//! Tokens stay a picture `[B,H,W,C]` and look around within windows, every second time shifted ones.

use candle_core::{D, Result, Tensor};

use crate::network::ops;
use crate::network::peer::classifier::{Classifier, Config};
use crate::network::peer::layers::{
    Chain, Conv, Layer, LayerNorm, Linear, Taps, Windows, attend, linear, relative_bias,
};
use crate::network::peer::scope::Scope;

const EPSILON: f64 = 1e-5;
/// Side of a patch.
const PATCH: usize = 4;
/// Width of the network that makes biases of distances in the second version.
const HIDDEN: usize = 512;
/// Heads of the second version are not sharper than this.
const SHARPEST: f64 = 100.0;

/// What tells the members of the family apart.
#[derive(Clone, Copy, Debug)]
struct Size {
    width: usize,
    depths: [usize; 4],
    /// Heads at the first level; each level has twice as many.
    heads: usize,
    window: usize,
    second: bool,
}

fn member(name: &str) -> Option<Size> {
    let (size, second) = match name.strip_prefix("swin_v2_") {
        Some(size) => (size, true),
        None => (name.strip_prefix("swin_")?, false),
    };
    let (width, deep, heads) = match size {
        "t" => (96, 6, 3),
        "s" => (96, 18, 3),
        "b" => (128, 18, 4),
        _ => return None,
    };
    Some(Size {
        width,
        depths: [2, 2, deep, 2],
        heads,
        window: if second { 8 } else { 7 },
        second,
    })
}

/// Where the biases of distances come from.
#[derive(Debug)]
enum Bias {
    Table(Tensor),
    /// A network of the logarithms of distances, and the logarithm of each head's sharpness.
    Made {
        wide: Linear,
        narrow: Linear,
        sharpness: Tensor,
    },
}

impl Bias {
    fn new(scope: &Scope<'_>, heads: usize, size: Size) -> Result<Self> {
        scope.ignore("relative_position_index")?;
        if size.second {
            scope.ignore("relative_coords_table")?;
            let start = 10_f64.ln();
            return Ok(Self::Made {
                wide: linear(&scope.at("cpb_mlp.0"), [2, HIDDEN], true)?,
                narrow: linear(&scope.at("cpb_mlp.2"), [HIDDEN, heads], false)?,
                sharpness: scope.constant("logit_scale", (heads, 1, 1), start)?,
            });
        }
        let span = 2 * size.window - 1;
        let shape = (span * span, heads);
        let table = scope.random("relative_position_bias_table", shape, span * span)?;
        Ok(Self::Table(table))
    }

    /// `[heads, N, N]`.
    fn of(&self, window: usize) -> Result<Tensor> {
        match self {
            Self::Table(table) => relative_bias(table, window),
            Self::Made {
                wide,
                narrow,
                sharpness,
            } => {
                let span = 2 * window - 1;
                let logarithm = |i: usize| {
                    let off = 8.0 * (i as f32 - (window - 1) as f32) / (window - 1) as f32;
                    (off.abs() + 1.0).log2().copysign(off) / 3.0
                };
                let table: Vec<f32> = (0..span * span)
                    .flat_map(|i| [logarithm(i / span), logarithm(i % span)])
                    .collect();
                let table = Tensor::from_vec(table, (span * span, 2), sharpness.device())?;
                let table = narrow.forward(&wide.forward(&table)?.relu()?)?;
                ops::sigmoid(&relative_bias(&table, window)?)? * 16.0
            }
        }
    }
}

/// Attention within windows and two linear layers, each normalised (first, or in the second version last) and added.
#[derive(Debug)]
struct Block {
    norm1: LayerNorm,
    qkv: Tensor,
    qkv_bias: Tensor,
    out: Linear,
    bias: Bias,
    norm2: LayerNorm,
    wide: Linear,
    narrow: Linear,
    heads: usize,
    windows: Windows,
}

impl Block {
    fn new(
        scope: &Scope<'_>,
        size: Size,
        [width, heads]: [usize; 2],
        shifted: bool,
    ) -> Result<Self> {
        let attention = scope.at("attn");
        let qkv = attention.at("qkv");
        let norm = |name: &str| LayerNorm::new(&scope.at(name), width, EPSILON);
        let mut qkv_bias = qkv.constant("bias", 3 * width, 0.0)?;
        if size.second {
            // Keys have none.
            let part = |i: usize| qkv_bias.narrow(0, i * width, width);
            qkv_bias = Tensor::cat(&[part(0)?, part(1)?.zeros_like()?, part(2)?], 0)?;
        }
        let shift = if shifted { size.window / 2 } else { 0 };
        Ok(Self {
            norm1: norm("norm1")?,
            qkv: qkv.random("weight", (3 * width, width), width)?,
            qkv_bias,
            out: linear(&attention.at("proj"), [width, width], true)?,
            bias: Bias::new(&attention, heads, size)?,
            norm2: norm("norm2")?,
            wide: linear(&scope.at("mlp.0"), [width, 4 * width], true)?,
            narrow: linear(&scope.at("mlp.3"), [4 * width, width], true)?,
            heads,
            windows: Windows {
                side: size.window,
                shift: [shift; 2],
            },
        })
    }

    fn attention(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, height, width, channels) = x.dims4()?;
        let side = self.windows.side;
        let [rows, columns] = [height, width].map(|size| size.next_multiple_of(side));
        let mut windows = self.windows;
        for (shift, size) in windows.shift.iter_mut().zip([rows, columns]) {
            // One window sees everything.
            if size <= side {
                *shift = 0;
            }
        }
        let padded =
            x.pad_with_zeros(1, 0, rows - height)?
                .pad_with_zeros(2, 0, columns - width)?;
        let tokens = windows.partition(&padded)?;
        let qkv = ops::linear(&tokens, &self.qkv, Some(&self.qkv_bias))?.chunk(3, 2)?;
        let (mut query, mut key) = (qkv[0].clone(), qkv[1].clone());
        if let Bias::Made { sharpness, .. } = &self.bias {
            let depth = ((channels / self.heads) as f64).sqrt();
            let sharp = sharpness.clamp(f64::NEG_INFINITY, SHARPEST.ln())?.exp()?;
            query = self.unit(&query, &(sharp * depth)?)?;
            key = self.unit(&key, &sharpness.ones_like()?)?;
        }
        let mut bias = self.bias.of(side)?.unsqueeze(0)?;
        if windows.shift != [0, 0] {
            let apart = windows.neighbors(rows, columns, x)?.unsqueeze(1)?;
            // The windows of one image; those of the next take the same.
            bias = bias.broadcast_add(&apart)?;
        }
        let y = attend(&query, &key, &qkv[2], self.heads, Some(&bias))?;
        windows
            .join(&self.out.forward(&y)?, (batch, rows, columns))?
            .narrow(1, 0, height)?
            .narrow(2, 0, width)?
            .contiguous()
    }

    /// The heads of `x [B,N,C]` at length one, times `factor [heads,1,1]`.
    fn unit(&self, x: &Tensor, factor: &Tensor) -> Result<Tensor> {
        let (batch, tokens, channels) = x.dims3()?;
        let x = x.reshape((batch, tokens, self.heads, channels / self.heads))?;
        // Inside the root: the keys of places that pad a window are zeros, where it has no slope.
        let length = (x.sqr()?.sum_keepdim(D::Minus1)? + 1e-24)?.sqrt()?;
        x.broadcast_div(&length)?
            .broadcast_mul(&factor.reshape((self.heads, 1))?)?
            .flatten_from(2)
    }

    fn feed_forward(&self, x: &Tensor) -> Result<Tensor> {
        self.narrow.forward(&ops::gelu(&self.wide.forward(x)?)?)
    }
}

impl Layer for Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if let Bias::Made { .. } = self.bias {
            let x = (x + self.norm1.forward(&self.attention(x)?)?)?;
            return &x + self.norm2.forward(&self.feed_forward(&x)?)?;
        }
        let x = (x + self.attention(&self.norm1.forward(x)?)?)?;
        &x + self.feed_forward(&self.norm2.forward(&x)?)?
    }
}

/// Four neighboring places become one with twice the channels.
#[derive(Debug)]
struct Merging {
    reduction: Linear,
    norm: LayerNorm,
    norm_last: bool,
}

impl Layer for Merging {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, height, width, channels) = x.dims4()?;
        let x = x
            .pad_with_zeros(1, 0, height % 2)?
            .pad_with_zeros(2, 0, width % 2)?;
        // Rows change faster than columns among the four.
        let x = x
            .reshape((batch, height.div_ceil(2), 2, width.div_ceil(2), 2, channels))?
            .permute((0, 1, 3, 4, 2, 5))?
            .contiguous()?
            .reshape((batch, height.div_ceil(2), width.div_ceil(2), 4 * channels))?;
        if self.norm_last {
            return self.norm.forward(&self.reduction.forward(&x)?);
        }
        self.reduction.forward(&self.norm.forward(&x)?)
    }
}

/// Patches as a picture `[B,H,W,C]`.
#[derive(Debug)]
struct Patches {
    conv: Conv,
    norm: LayerNorm,
}

impl Layer for Patches {
    fn forward(&self, image: &Tensor) -> Result<Tensor> {
        let x = self.conv.forward(image)?.permute((0, 2, 3, 1))?;
        self.norm.forward(&x.contiguous()?)
    }
}

/// The mean over all places of `[B,H,W,C]`.
#[derive(Clone, Copy, Debug)]
struct Mean;

impl Layer for Mean {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.flatten(1, 2)?.mean(1)
    }
}

/// torchvision's `swin_t`, `swin_s`, `swin_b` and `swin_v2_…`.
pub(super) fn build(scope: &Scope<'_>, config: &Config, name: &str) -> Result<Option<Classifier>> {
    let Some(size) = member(name) else {
        return Ok(None);
    };
    let features = scope.at("features");
    let taps = Taps::square(PATCH).stride(PATCH);
    let patches = Patches {
        conv: Conv::new(&features.at("0.0"), [3, size.width], taps)?,
        norm: LayerNorm::new(&features.at("0.2"), size.width, EPSILON)?,
    };
    let mut stages = vec![Chain::new().then(patches)];
    let mut width = size.width;
    for (level, depth) in size.depths.into_iter().enumerate() {
        let mut stage = Chain::new();
        if level > 0 {
            let place = features.at(2 * level);
            let normed = if size.second { 2 * width } else { 4 * width };
            stage.push(Merging {
                reduction: linear(&place.at("reduction"), [4 * width, 2 * width], false)?,
                norm: LayerNorm::new(&place.at("norm"), normed, EPSILON)?,
                norm_last: size.second,
            });
            width *= 2;
        }
        for i in 0..depth {
            let place = features.at(format!("{}.{i}", 2 * level + 1));
            let heads = size.heads << level;
            stage.push(Block::new(&place, size, [width, heads], i % 2 == 1)?);
        }
        stages.push(stage);
    }
    let head = Chain::new()
        .then(LayerNorm::new(&scope.at("norm"), width, EPSILON)?)
        .then(Mean)
        .then(linear(
            &scope.at("head"),
            [width, config.num_classes],
            true,
        )?);
    Ok(Some(Classifier::new(stages, head)))
}
