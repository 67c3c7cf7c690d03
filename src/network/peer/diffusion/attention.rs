//! Attention inside a U-Net: of pixels to pixels, and transformers that also look at the text.
//!
//! Separate from the blocks, which only say where attention stands.

use candle_core::{DType, Error, Result, Tensor, bail};

use crate::network::ops;
use crate::network::peer::layers::{
    Conv, GroupNorm, LayerNorm, Linear, Taps, attend, from_tokens, linear, to_tokens,
};
use crate::network::peer::scope::Scope;

/// Queries, keys, values and an output layer.
#[derive(Clone, Debug)]
struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    heads: usize,
    /// Whether scores are computed in f32.
    wide: bool,
}

impl Attention {
    /// `width` channels that look at a context of `context` channels.
    fn new(
        scope: &Scope<'_>,
        [width, context]: [usize; 2],
        heads: usize,
        biased: bool,
    ) -> Result<Self> {
        Ok(Self {
            query: linear(&scope.at("to_q"), [width, width], biased)?,
            key: linear(&scope.at("to_k"), [context, width], biased)?,
            value: linear(&scope.at("to_v"), [context, width], biased)?,
            out: linear(&scope.at("to_out.0"), [width, width], true)?,
            heads,
            wide: false,
        })
    }

    /// `x [B,N,C]` and `context [B,M,D]` to `[B,N,C]`.
    fn forward(&self, x: &Tensor, context: &Tensor) -> Result<Tensor> {
        let (mut query, mut key) = (self.query.forward(x)?, self.key.forward(context)?);
        if self.wide {
            (query, key) = (query.to_dtype(DType::F32)?, key.to_dtype(DType::F32)?);
        }
        let value = self.value.forward(context)?;
        self.out
            .forward(&attend(&query, &key, &value, self.heads, None)?)
    }
}

/// Group norm and attention of all pixels to each other, plus the input.
#[derive(Clone, Debug)]
pub(super) struct PixelAttention {
    norm: GroupNorm,
    attention: Attention,
    divisor: f64,
}

impl PixelAttention {
    /// Heads of `head_width` channels; `norm` is the number of groups and the epsilon.
    pub(super) fn new(
        scope: &Scope<'_>,
        channels: usize,
        head_width: usize,
        (groups, epsilon): (usize, f64),
        divisor: f64,
    ) -> Result<Self> {
        if head_width == 0 || !channels.is_multiple_of(head_width) {
            bail!("attention: {channels} channels in heads of {head_width}")
        }
        let heads = channels / head_width;
        // Names before 2023.
        let old = scope.has("query.weight");
        let attention = if old {
            Attention {
                query: linear(&scope.at("query"), [channels, channels], true)?,
                key: linear(&scope.at("key"), [channels, channels], true)?,
                value: linear(&scope.at("value"), [channels, channels], true)?,
                out: linear(&scope.at("proj_attn"), [channels, channels], true)?,
                heads,
                wide: false,
            }
        } else {
            Attention::new(scope, [channels, channels], heads, true)?
        };
        Ok(Self {
            norm: GroupNorm::new(&scope.at("group_norm"), channels, groups, epsilon)?,
            attention,
            divisor,
        })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = x.dims4()?;
        let tokens = to_tokens(&self.norm.forward(x)?)?;
        let y = from_tokens(&self.attention.forward(&tokens, &tokens)?, height, width)?;
        let sum = ops::add(x, &y)?;
        if self.divisor == 1.0 {
            Ok(sum)
        } else {
            sum / self.divisor
        }
    }
}

/// Self-attention, attention to the text, gated feed-forward, each normalised first and added.
#[derive(Clone, Debug)]
struct Block {
    norm1: LayerNorm,
    attn1: Attention,
    norm2: LayerNorm,
    attn2: Attention,
    norm3: LayerNorm,
    gate: Linear,
    out: Linear,
    only_cross: bool,
}

const EPSILON: f64 = 1e-5;

impl Block {
    fn new(
        scope: &Scope<'_>,
        [width, context]: [usize; 2],
        heads: usize,
        [only_cross, wide]: [bool; 2],
    ) -> Result<Self> {
        let attention = |name: &str, context: usize| {
            let made = Attention::new(&scope.at(name), [width, context], heads, false)?;
            Ok::<_, Error>(Attention { wide, ..made })
        };
        let norm = |name: &str| LayerNorm::new(&scope.at(name), width, EPSILON);
        let first = if only_cross { context } else { width };
        Ok(Self {
            norm1: norm("norm1")?,
            attn1: attention("attn1", first)?,
            norm2: norm("norm2")?,
            attn2: attention("attn2", context)?,
            norm3: norm("norm3")?,
            gate: linear(&scope.at("ff.net.0.proj"), [width, 8 * width], true)?,
            out: linear(&scope.at("ff.net.2"), [4 * width, width], true)?,
            only_cross,
        })
    }

    fn forward(&self, x: &Tensor, text: &Tensor) -> Result<Tensor> {
        let h = self.norm1.forward(x)?;
        let context = if self.only_cross { text } else { &h };
        let x = ops::add(x, &self.attn1.forward(&h, context)?)?;
        let x = ops::add(&x, &self.attn2.forward(&self.norm2.forward(&x)?, text)?)?;
        let gated = self.gate.forward(&self.norm3.forward(&x)?)?;
        ops::add(&x, &self.out.forward(&ops::gated_gelu(&gated)?)?)
    }
}

/// A 1×1 convolution over pixels, or a linear layer over tokens: the same numbers in two shapes.
#[derive(Clone, Debug)]
enum Projection {
    Pixels(Conv),
    Tokens(Linear),
}

impl Projection {
    fn new(scope: &Scope<'_>, width: usize, tokens: bool) -> Result<Self> {
        Ok(if tokens {
            Self::Tokens(linear(scope, [width, width], true)?)
        } else {
            Self::Pixels(Conv::new(scope, [width, width], Taps::square(1))?)
        })
    }
}

/// Transformer blocks over the pixels of a picture, with the text as context, plus the input.
#[derive(Clone, Debug)]
pub(super) struct Transformer {
    norm: GroupNorm,
    input: Projection,
    blocks: Vec<Block>,
    output: Projection,
}

/// Sizes of a [`Transformer`].
#[derive(Clone, Copy, Debug)]
pub(super) struct TransformerSize {
    pub width: usize,
    pub context: usize,
    pub heads: usize,
    pub depth: usize,
    pub groups: usize,
    pub linear: bool,
    pub only_cross: bool,
    /// Whether scores are computed in f32.
    pub wide: bool,
}

impl Transformer {
    pub(super) fn new(scope: &Scope<'_>, size: TransformerSize) -> Result<Self> {
        let TransformerSize {
            width,
            context,
            heads,
            ..
        } = size;
        if heads == 0 || !width.is_multiple_of(heads) {
            bail!("attention: {width} channels in {heads} heads")
        }
        Ok(Self {
            norm: GroupNorm::new(&scope.at("norm"), width, size.groups, 1e-6)?,
            input: Projection::new(&scope.at("proj_in"), width, size.linear)?,
            blocks: (0..size.depth)
                .map(|i| {
                    let place = scope.at(format!("transformer_blocks.{i}"));
                    Block::new(
                        &place,
                        [width, context],
                        heads,
                        [size.only_cross, size.wide],
                    )
                })
                .collect::<Result<_>>()?,
            output: Projection::new(&scope.at("proj_out"), width, size.linear)?,
        })
    }

    /// `x [B,C,H,W]`, `text [B,M,D]`.
    pub(super) fn forward(&self, x: &Tensor, text: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = x.dims4()?;
        let h = self.norm.forward(x)?;
        let mut tokens = match &self.input {
            Projection::Pixels(conv) => to_tokens(&conv.forward(&h)?)?,
            Projection::Tokens(linear) => linear.forward(&to_tokens(&h)?)?,
        };
        for block in &self.blocks {
            tokens = block.forward(&tokens, text)?;
        }
        let y = match &self.output {
            Projection::Pixels(conv) => conv.forward(&from_tokens(&tokens, height, width)?)?,
            Projection::Tokens(linear) => from_tokens(&linear.forward(&tokens)?, height, width)?,
        };
        ops::add(x, &y)
    }
}
