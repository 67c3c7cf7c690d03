//! `SegFormer` (Xie et al. 2021) with transformers' names, those of files from before 2026 and those after.

use candle_core::{Result, Tensor, bail};
use serde::{Deserialize, Serialize};

use crate::network::ops;
use crate::network::peer::layers::{
    Activation, BatchNorm, Conv, ConvNorm, LayerNorm, Linear, Taps, attend, from_tokens, linear,
    to_tokens,
};
use crate::network::peer::scope::Scope;

/// Settings with transformers' names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Channels of the picture.
    pub num_channels: usize,
    /// Levels.
    pub num_encoder_blocks: usize,
    /// Blocks of each level.
    pub depths: Vec<usize>,
    /// How much keys and values are reduced along each axis.
    pub sr_ratios: Vec<usize>,
    /// Channels of each level.
    pub hidden_sizes: Vec<usize>,
    /// Windows of the convolutions between levels.
    pub patch_sizes: Vec<usize>,
    /// Their strides.
    pub strides: Vec<usize>,
    /// Heads of each level.
    pub num_attention_heads: Vec<usize>,
    /// Width inside a block, in widths outside.
    pub mlp_ratios: Vec<f64>,
    /// `gelu` or another.
    pub hidden_act: String,
    /// Channels of the decoder.
    pub decoder_hidden_size: usize,
    /// Classes, if said so.
    pub num_labels: Option<usize>,
    /// Classes by number: how files say how many there are.
    pub id2label: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            num_channels: 3,
            num_encoder_blocks: 4,
            depths: vec![2, 2, 2, 2],
            sr_ratios: vec![8, 4, 2, 1],
            hidden_sizes: vec![32, 64, 160, 256],
            patch_sizes: vec![7, 3, 3, 3],
            strides: vec![4, 2, 2, 2],
            num_attention_heads: vec![1, 2, 5, 8],
            mlp_ratios: vec![4.0, 4.0, 4.0, 4.0],
            hidden_act: "gelu".to_owned(),
            decoder_hidden_size: 256,
            num_labels: None,
            id2label: None,
        }
    }
}

impl Config {
    /// Number of classes: `num_labels`, or the number of names, or two as the peer has it.
    pub fn classes(&self) -> usize {
        self.num_labels
            .or_else(|| self.id2label.as_ref().map(serde_json::Map::len))
            .unwrap_or(2)
    }

    fn check(&self) -> Result<()> {
        let levels = self.num_encoder_blocks;
        let lengths = [
            self.depths.len(),
            self.sr_ratios.len(),
            self.hidden_sizes.len(),
            self.patch_sizes.len(),
            self.strides.len(),
            self.num_attention_heads.len(),
            self.mlp_ratios.len(),
        ];
        if levels == 0 || lengths.iter().any(|&length| length < levels) {
            bail!("num_encoder_blocks = {levels}: every level needs its sizes")
        }
        for i in 0..levels {
            let (width, heads) = (self.hidden_sizes[i], self.num_attention_heads[i]);
            if heads == 0
                || !width.is_multiple_of(heads)
                || self.strides[i] == 0
                || self.sr_ratios[i] == 0
            {
                bail!(
                    "level {i}: {width} channels, {heads} heads, stride {}",
                    self.strides[i]
                )
            }
        }
        Ok(())
    }
}

/// The norms' epsilon; the configuration's `layer_norm_eps` is not used by the peer either.
const EPSILON: f64 = 1e-5;

#[derive(Clone, Debug)]
struct Block {
    norm1: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    reduce: Option<(Conv, LayerNorm)>,
    norm2: LayerNorm,
    wide: Linear,
    depthwise: Conv,
    narrow: Linear,
    heads: usize,
    activation: Activation,
}

impl Block {
    fn new(
        scope: &Scope<'_>,
        config: &Config,
        level: usize,
        activation: Activation,
    ) -> Result<Self> {
        let width = config.hidden_sizes[level];
        let inner = (width as f64 * config.mlp_ratios[level]) as usize;
        let ratio = config.sr_ratios[level];
        let old = scope.at("layer_norm_1").has("weight");
        let attention = scope.at("attention");
        let names = if old {
            ["self.query", "self.key", "self.value", "output.dense"]
        } else {
            ["q_proj", "k_proj", "v_proj", "o_proj"]
        };
        let square = |name: &str| linear(&attention.at(name), [width, width], true);
        let norm = |place: &Scope<'_>| LayerNorm::new(place, width, EPSILON);
        let [norm1, norm2, wide, narrow] = if old {
            ["layer_norm_1", "layer_norm_2", "mlp.dense1", "mlp.dense2"]
        } else {
            ["layernorm_before", "layernorm_after", "mlp.fc1", "mlp.fc2"]
        };
        let reduce = if ratio > 1 {
            let [conv, after] = if old {
                ["self.sr", "self.layer_norm"]
            } else {
                [
                    "sequence_reduction.sequence_reduction",
                    "sequence_reduction.layer_norm",
                ]
            };
            let taps = Taps::square(ratio).stride(ratio);
            let conv = Conv::new(&attention.at(conv), [width, width], taps)?;
            Some((conv, norm(&attention.at(after))?))
        } else {
            None
        };
        Ok(Self {
            norm1: norm(&scope.at(norm1))?,
            query: square(names[0])?,
            key: square(names[1])?,
            value: square(names[2])?,
            out: square(names[3])?,
            reduce,
            norm2: norm(&scope.at(norm2))?,
            wide: linear(&scope.at(wide), [width, inner], true)?,
            depthwise: Conv::new(
                &scope.at("mlp.dwconv.dwconv"),
                [inner, inner],
                Taps::square(3).pad(1).groups(inner),
            )?,
            narrow: linear(&scope.at(narrow), [inner, width], true)?,
            heads: config.num_attention_heads[level],
            activation,
        })
    }

    /// Tokens `[B,H·W,C]`.
    fn forward(&self, x: &Tensor, (height, width): (usize, usize)) -> Result<Tensor> {
        let h = self.norm1.forward(x)?;
        let context = match &self.reduce {
            Some((conv, norm)) => {
                let smaller = conv.forward(&from_tokens(&h, height, width)?)?;
                norm.forward(&to_tokens(&smaller)?)?
            }
            None => h.clone(),
        };
        let h = attend(
            &self.query.forward(&h)?,
            &self.key.forward(&context)?,
            &self.value.forward(&context)?,
            self.heads,
            None,
        )?;
        let x = (x + self.out.forward(&h)?)?;
        let h = self.wide.forward(&self.norm2.forward(&x)?)?;
        let h = self.depthwise.forward(&from_tokens(&h, height, width)?)?;
        let h = self.activation.apply(&to_tokens(&h)?)?;
        &x + self.narrow.forward(&h)?
    }
}

#[derive(Clone, Debug)]
struct Level {
    patches: Conv,
    patch_norm: LayerNorm,
    blocks: Vec<Block>,
    norm: LayerNorm,
}

/// `SegformerForSemanticSegmentation` of transformers.
#[derive(Clone, Debug)]
pub struct Segformer {
    levels: Vec<Level>,
    projections: Vec<Linear>,
    fuse: ConvNorm,
    classifier: Conv,
}

impl Segformer {
    /// Builds it under `scope`; an error for sizes that do not fit each other.
    pub fn new(scope: &Scope<'_>, config: &Config) -> Result<Self> {
        config.check()?;
        let Some(activation) = Activation::named(&config.hidden_act) else {
            bail!("hidden_act = {} is not supported", config.hidden_act)
        };
        let encoder = scope.at("segformer.encoder");
        let old = encoder.has("patch_embeddings.0.proj.weight");
        let mut input = config.num_channels;
        let mut levels = Vec::new();
        for level in 0..config.num_encoder_blocks {
            let new = scope.at(format!("segformer.stages.{level}"));
            let [patches, norm] = if old {
                ["patch_embeddings", "layer_norm"].map(|name| encoder.at(format!("{name}.{level}")))
            } else {
                ["patch_embeddings", "layer_norm"].map(|name| new.at(name))
            };
            let width = config.hidden_sizes[level];
            let kernel = config.patch_sizes[level];
            let taps = Taps::square(kernel)
                .stride(config.strides[level])
                .pad(kernel / 2);
            levels.push(Level {
                patches: Conv::new(&patches.at("proj"), [input, width], taps)?,
                patch_norm: LayerNorm::new(&patches.at("layer_norm"), width, EPSILON)?,
                blocks: (0..config.depths[level])
                    .map(|i| {
                        let place = if old {
                            encoder.at(format!("block.{level}.{i}"))
                        } else {
                            new.at(format!("blocks.{i}"))
                        };
                        Block::new(&place, config, level, activation)
                    })
                    .collect::<Result<_>>()?,
                norm: LayerNorm::new(&norm, width, EPSILON)?,
            });
            input = width;
        }
        let head = scope.at("decode_head");
        let inner = config.decoder_hidden_size;
        let name = if old {
            "linear_c"
        } else {
            "linear_projections"
        };
        let all = inner * config.num_encoder_blocks;
        let one = Taps::square(1);
        let fuse = Conv::unbiased(&head.at("linear_fuse"), [all, inner], one)?;
        let norm = BatchNorm::new(&head.at("batch_norm"), inner, EPSILON)?;
        Ok(Self {
            levels,
            projections: (0..config.num_encoder_blocks)
                .map(|i| {
                    let sizes = [config.hidden_sizes[i], inner];
                    linear(&head.at(format!("{name}.{i}.proj")), sizes, true)
                })
                .collect::<Result<_>>()?,
            fuse: ConvNorm::of(fuse, norm, Activation::Relu)?,
            classifier: Conv::new(&head.at("classifier"), [inner, config.classes()], one)?,
        })
    }

    /// `image [B,3,H,W]` to logits `[B,classes,H/4,W/4]`, the size of the finest level.
    pub fn forward(&self, image: &Tensor) -> Result<Tensor> {
        let mut x = image.clone();
        let mut maps = Vec::new();
        let mut finest = (0, 0);
        for (index, (level, projection)) in self.levels.iter().zip(&self.projections).enumerate() {
            let patches = level.patches.forward(&x)?;
            let (_, _, height, width) = patches.dims4()?;
            let mut tokens = level.patch_norm.forward(&to_tokens(&patches)?)?;
            for block in &level.blocks {
                tokens = block.forward(&tokens, (height, width))?;
            }
            tokens = level.norm.forward(&tokens)?;
            x = from_tokens(&tokens, height, width)?;
            if index == 0 {
                finest = (height, width);
            }
            let map = from_tokens(&projection.forward(&tokens)?, height, width)?;
            maps.push(ops::resize_bilinear(&map, finest.0, finest.1)?);
        }
        maps.reverse();
        let fused = self.fuse.forward(&Tensor::cat(&maps, 1)?)?;
        self.classifier.forward(&fused)
    }
}
