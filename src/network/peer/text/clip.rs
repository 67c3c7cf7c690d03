//! The text encoder of CLIP (Radford et al. 2021) with transformers' names.

use candle_core::{DType, Result, Tensor, bail};
use candle_nn::Init;
use serde::{Deserialize, Serialize};

use crate::network::peer::layers::{Activation, LayerNorm, Linear, attend, linear};
use crate::network::peer::scope::Scope;

/// Settings with transformers' names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Number of tokens that have an embedding.
    pub vocab_size: usize,
    /// Width of a state.
    pub hidden_size: usize,
    /// Width inside a block.
    pub intermediate_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Heads of attention.
    pub num_attention_heads: usize,
    /// The longest text, in tokens.
    pub max_position_embeddings: usize,
    /// `quick_gelu` or `gelu`.
    pub hidden_act: String,
    /// Epsilon of the norms.
    pub layer_norm_eps: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vocab_size: 49408,
            hidden_size: 512,
            intermediate_size: 2048,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: "quick_gelu".to_owned(),
            layer_norm_eps: 1e-5,
        }
    }
}

#[derive(Clone, Debug)]
struct Block {
    norm1: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    norm2: LayerNorm,
    wide: Linear,
    narrow: Linear,
}

impl Block {
    fn new(scope: &Scope<'_>, config: &Config) -> Result<Self> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let attention = scope.at("self_attn");
        let square = |name: &str| linear(&attention.at(name), [width, width], true);
        Ok(Self {
            norm1: LayerNorm::new(&scope.at("layer_norm1"), width, config.layer_norm_eps)?,
            query: square("q_proj")?,
            key: square("k_proj")?,
            value: square("v_proj")?,
            out: square("out_proj")?,
            norm2: LayerNorm::new(&scope.at("layer_norm2"), width, config.layer_norm_eps)?,
            wide: linear(&scope.at("mlp.fc1"), [width, inner], true)?,
            narrow: linear(&scope.at("mlp.fc2"), [inner, width], true)?,
        })
    }

    fn forward(
        &self,
        x: &Tensor,
        heads: usize,
        mask: &Tensor,
        activation: Activation,
    ) -> Result<Tensor> {
        let h = self.norm1.forward(x)?;
        let h = attend(
            &self.query.forward(&h)?,
            &self.key.forward(&h)?,
            &self.value.forward(&h)?,
            heads,
            Some(mask),
        )?;
        let x = (x + self.out.forward(&h)?)?;
        let h = self.wide.forward(&self.norm2.forward(&x)?)?;
        &x + self.narrow.forward(&activation.apply(&h)?)?
    }
}

/// `CLIPTextModel` of transformers.
#[derive(Clone, Debug)]
pub struct ClipText {
    tokens: Tensor,
    positions: Tensor,
    blocks: Vec<Block>,
    norm: LayerNorm,
    heads: usize,
    activation: Activation,
}

impl ClipText {
    /// Builds it under `scope`; names may begin with `text_model.`, as they do in files from before 2026.
    pub fn new(scope: &Scope<'_>, config: &Config) -> Result<Self> {
        let width = config.hidden_size;
        let Some(activation) = Activation::named(&config.hidden_act) else {
            bail!("hidden_act = {} is not supported", config.hidden_act)
        };
        if config.num_attention_heads == 0 || !width.is_multiple_of(config.num_attention_heads) {
            bail!(
                "hidden_size = {width} cannot be split into {} heads",
                config.num_attention_heads
            )
        }
        let old = scope.at("text_model");
        let scope = if old.at("embeddings.token_embedding").has("weight") {
            &old
        } else {
            scope
        };
        let place = scope.at("embeddings");
        place.ignore("position_ids")?;
        let small = Init::Randn {
            mean: 0.0,
            stdev: 0.02,
        };
        let table = |name: &str, rows: usize| place.at(name).tensor("weight", (rows, width), small);
        Ok(Self {
            tokens: table("token_embedding", config.vocab_size)?,
            positions: table("position_embedding", config.max_position_embeddings)?,
            blocks: (0..config.num_hidden_layers)
                .map(|i| Block::new(&scope.at(format!("encoder.layers.{i}")), config))
                .collect::<Result<_>>()?,
            norm: LayerNorm::new(&scope.at("final_layer_norm"), width, config.layer_norm_eps)?,
            heads: config.num_attention_heads,
            activation,
        })
    }

    /// Token numbers `[B,N]` to states `[B,N,D]`; an error for numbers without an embedding and for texts too long.
    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        let (batch, count) = tokens.dims2()?;
        let (vocabulary, width) = self.tokens.dims2()?;
        let numbers: Vec<i64> = tokens.to_dtype(DType::I64)?.flatten_all()?.to_vec1()?;
        if let Some(wrong) = numbers.iter().find(|&&n| n < 0 || n >= vocabulary as i64) {
            bail!("input_ids: token {wrong} is not one of {vocabulary}")
        }
        let longest = self.positions.dim(0)?;
        if count > longest || count == 0 {
            bail!("input_ids: {count} tokens, this network reads 1 to {longest}")
        }
        let numbers: Vec<u32> = numbers.into_iter().map(|n| n as u32).collect();
        let index = Tensor::from_vec(numbers, batch * count, self.tokens.device())?;
        let mut x = self
            .tokens
            .index_select(&index, 0)?
            .reshape((batch, count, width))?
            .broadcast_add(&self.positions.narrow(0, 0, count)?)?;
        let mask = causal(count, &x)?;
        for block in &self.blocks {
            x = block.forward(&x, self.heads, &mask, self.activation)?;
        }
        self.norm.forward(&x)
    }
}

/// `[N,N]`: a token sees itself and what stands before it.
fn causal(count: usize, like: &Tensor) -> Result<Tensor> {
    let values: Vec<f32> = (0..count * count)
        .map(|i| if i % count > i / count { f32::MIN } else { 0.0 })
        .collect();
    // The lowest number of f32 becomes -∞ in f16, which softmax knows as well.
    Tensor::from_vec(values, (count, count), like.device())?.to_dtype(like.dtype())
}
