//! Settings of a U-Net as its `config.json` holds them.
//!
//! Separate because the three networks with them differ in defaults only, and because what is not supported must be
//! refused by name instead of computed wrongly.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Which network a configuration is for; decides the defaults of what is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `UNet2DConditionModel`.
    Conditional,
    /// `UNet2DModel`.
    Unconditional,
    /// `ControlNetModel`.
    Control,
}

/// Wider networks than any that was published; a size beyond it is a slip or meant to fill the memory.
pub(super) const MOST_CHANNELS: usize = 1 << 16;
/// Blocks a level, and transformer blocks a layer.
pub(super) const MOST_BLOCKS: usize = 256;

/// An error that names a setting of which a value is beyond `most`.
pub(super) fn within(name: &str, values: &[usize], most: usize) -> Result<(), String> {
    match values.iter().find(|value| **value > most) {
        Some(value) => Err(format!("{name} = {value} is not supported, at most {most}")),
        None => Ok(()),
    }
}

/// One value for all levels, or one for each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerLevel<T> {
    /// From the finest level to the coarsest.
    Each(Vec<T>),
    /// The same everywhere; read after the other, or a list of lists would be one for all.
    One(T),
}

impl<T: Clone> PerLevel<T> {
    /// What is given, once or for each level.
    fn values(&self) -> &[T] {
        match self {
            Self::Each(values) => values,
            Self::One(value) => std::slice::from_ref(value),
        }
    }

    fn spread(&self, levels: usize, name: &str) -> Result<Vec<T>, String> {
        match self {
            Self::One(value) => Ok(vec![value.clone(); levels]),
            Self::Each(values) if values.len() == levels => Ok(values.clone()),
            Self::Each(values) => Err(format!(
                "{name} has {} values for {levels} levels",
                values.len()
            )),
        }
    }
}

/// Settings with diffusers' names; what does not change the network is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the settings are the peer's")]
pub struct Config {
    /// Channels of `sample`.
    pub in_channels: usize,
    /// Channels of the result; unused by `ControlNet`.
    #[serde(default)]
    pub out_channels: usize,
    /// `2 x - 1` first.
    #[serde(default)]
    pub center_input_sample: bool,
    /// Cosines before sines.
    pub flip_sin_to_cos: bool,
    /// Subtracted from the number of frequencies.
    pub freq_shift: f64,
    /// From the finest level to the coarsest.
    pub down_block_types: Vec<String>,
    /// `null` for none.
    pub mid_block_type: Option<String>,
    /// From the coarsest level to the finest.
    #[serde(default)]
    pub up_block_types: Vec<String>,
    /// Channels of each level.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks a level.
    pub layers_per_block: PerLevel<usize>,
    /// Zeros around a picture that is halved; 0 means one to the right and one below.
    pub downsample_padding: usize,
    /// `conv` or `resnet`, in levels with plain attention.
    #[serde(default)]
    pub downsample_type: Option<String>,
    /// `conv` or `resnet`, in levels with plain attention.
    #[serde(default)]
    pub upsample_type: Option<String>,
    /// What the sums in the middle are divided by.
    pub mid_block_scale_factor: f64,
    /// Activation.
    pub act_fn: String,
    /// Groups of all group norms.
    pub norm_num_groups: usize,
    /// Groups of the norm of attention in the middle of an unconditional network.
    #[serde(default)]
    pub attn_norm_num_groups: Option<usize>,
    /// Epsilon of the norms.
    pub norm_eps: f64,
    /// Width of the text states.
    #[serde(default = "PerLevel::thousand")]
    pub cross_attention_dim: PerLevel<usize>,
    /// Transformer blocks a layer.
    #[serde(default = "PerLevel::one")]
    pub transformer_layers_per_block: PerLevel<PerLevel<usize>>,
    /// As above for the way up, coarsest level first, where it is not the mirror image.
    #[serde(default)]
    pub reverse_transformer_layers_per_block: Option<PerLevel<PerLevel<usize>>>,
    /// Heads of cross-attention (sic); width of a head of plain attention.
    pub attention_head_dim: Option<PerLevel<usize>>,
    /// Transformers without self-attention.
    #[serde(default = "PerLevel::no")]
    pub only_cross_attention: PerLevel<bool>,
    /// Linear layers instead of 1×1 convolutions around transformers.
    #[serde(default)]
    pub use_linear_projection: bool,
    /// Whether the middle of an unconditional network attends.
    #[serde(default = "yes")]
    pub add_attention: bool,
    /// `default` or `scale_shift`.
    pub resnet_time_scale_shift: String,
    /// Width of the time embedding; four times the first level if absent.
    #[serde(default)]
    pub time_embedding_dim: Option<usize>,
    /// Width of the embedding of guidance, for networks that were taught it.
    #[serde(default)]
    pub time_cond_proj_dim: Option<usize>,
    /// Whether scores of attention are computed in f32 where the weights are halves.
    #[serde(default)]
    pub upcast_attention: bool,
    /// Window of the first convolution.
    #[serde(default = "three")]
    pub conv_in_kernel: usize,
    /// Window of the last convolution.
    #[serde(default = "three")]
    pub conv_out_kernel: usize,
    /// Channels of the hint of a `ControlNet`.
    #[serde(default = "three")]
    pub conditioning_channels: usize,
    /// `rgb` or `bgr`.
    #[serde(default = "rgb")]
    pub controlnet_conditioning_channel_order: String,
    /// Channels of the hint's encoder.
    #[serde(default = "hint_channels")]
    pub conditioning_embedding_out_channels: Vec<usize>,
    /// Whether the residuals are averaged over their pixels.
    #[serde(default)]
    pub global_pool_conditions: bool,
    /// What the residuals are multiplied by.
    #[serde(default = "unit")]
    pub conditioning_scale: f64,
}

fn yes() -> bool {
    true
}

fn three() -> usize {
    3
}

fn unit() -> f64 {
    1.0
}

fn rgb() -> String {
    "rgb".to_owned()
}

fn hint_channels() -> Vec<usize> {
    vec![16, 32, 96, 256]
}

impl PerLevel<usize> {
    fn thousand() -> Self {
        Self::One(1280)
    }
}

impl PerLevel<PerLevel<usize>> {
    fn one() -> Self {
        Self::One(PerLevel::One(1))
    }
}

impl PerLevel<bool> {
    fn no() -> Self {
        Self::One(false)
    }
}

/// Settings that change the network in ways that are not built, with the value that leaves them off.
fn unsupported() -> Vec<(&'static str, Value)> {
    vec![
        ("class_embed_type", Value::Null),
        ("num_class_embeds", Value::Null),
        ("addition_embed_type", Value::Null),
        ("encoder_hid_dim", Value::Null),
        ("encoder_hid_dim_type", Value::Null),
        ("time_embedding_act_fn", Value::Null),
        ("timestep_post_act", Value::Null),
        ("cross_attention_norm", Value::Null),
        ("dual_cross_attention", json!(false)),
        ("class_embeddings_concat", json!(false)),
        ("resnet_skip_time_act", json!(false)),
        ("resnet_out_scale_factor", json!(1.0)),
        ("time_embedding_type", json!("positional")),
        ("attention_type", json!("default")),
    ]
}

/// What the levels of a network are, resolved.
#[derive(Clone, Debug)]
pub(super) struct Level {
    pub channels: usize,
    pub layers: usize,
    pub heads: Option<usize>,
    pub context: usize,
    /// Transformer blocks of each layer.
    pub depths: Vec<usize>,
    pub up_depths: Vec<usize>,
    pub only_cross: bool,
}

impl Config {
    /// Reads a `config.json`; an error names the setting that is missing, wrong or not supported.
    pub fn read(value: &Value, family: Family) -> Result<Self, String> {
        let Value::Object(given) = value else {
            return Err("the configuration is no JSON object".to_owned());
        };
        for (name, off) in unsupported() {
            if let Some(value) = given.get(name) {
                let same = match (value.as_f64(), off.as_f64()) {
                    (Some(value), Some(off)) => value == off,
                    _ => *value == off || value.is_null(),
                };
                if !same {
                    return Err(format!("{name} = {value} is not supported, only {off}"));
                }
            }
        }
        let mut whole = Self::defaults(family);
        if let Value::Object(whole) = &mut whole {
            for (name, value) in given {
                whole.insert(name.clone(), value.clone());
            }
        }
        let config: Self = serde_json::from_value(whole).map_err(|error| error.to_string())?;
        config.check(family)?;
        Ok(config)
    }

    fn defaults(family: Family) -> Value {
        let mut value = json!({
            "in_channels": 4,
            "out_channels": 4,
            "flip_sin_to_cos": true,
            "freq_shift": 0,
            "down_block_types":
                ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
            "mid_block_type": "UNetMidBlock2DCrossAttn",
            "up_block_types":
                ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
            "block_out_channels": [320, 640, 1280, 1280],
            "layers_per_block": 2,
            "downsample_padding": 1,
            "mid_block_scale_factor": 1,
            "act_fn": "silu",
            "norm_num_groups": 32,
            "norm_eps": 1e-5,
            "attention_head_dim": 8,
            "resnet_time_scale_shift": "default",
        });
        if family == Family::Unconditional {
            value["in_channels"] = json!(3);
            value["out_channels"] = json!(3);
            value["down_block_types"] = json!([
                "DownBlock2D",
                "AttnDownBlock2D",
                "AttnDownBlock2D",
                "AttnDownBlock2D"
            ]);
            value["mid_block_type"] = json!("UNetMidBlock2D");
            value["up_block_types"] = json!([
                "AttnUpBlock2D",
                "AttnUpBlock2D",
                "AttnUpBlock2D",
                "UpBlock2D"
            ]);
            value["block_out_channels"] = json!([224, 448, 672, 896]);
        }
        value
    }

    /// Refuses sizes that no network has, before anything is counted or made by them.
    fn check_sizes(&self) -> Result<(), String> {
        let mut given = vec![
            self.in_channels,
            self.out_channels,
            self.conditioning_channels,
            self.time_embedding_dim.unwrap_or(0),
            self.time_cond_proj_dim.unwrap_or(0),
        ];
        given.extend(&self.conditioning_embedding_out_channels);
        within("a number of channels", &given, MOST_CHANNELS)?;
        let channels = &self.block_out_channels;
        within("block_out_channels", channels, MOST_CHANNELS)?;
        let text = self.cross_attention_dim.values();
        within("cross_attention_dim", text, MOST_CHANNELS)?;
        let layers = self.layers_per_block.values();
        within("layers_per_block", layers, MOST_BLOCKS)?;
        let kernels = [
            self.conv_in_kernel,
            self.conv_out_kernel,
            self.downsample_padding,
        ];
        within("a window or padding", &kernels, MOST_BLOCKS)?;
        let reverse = self.reverse_transformer_layers_per_block.iter();
        for depths in reverse.chain([&self.transformer_layers_per_block]) {
            for depths in depths.values() {
                within("transformer_layers_per_block", depths.values(), MOST_BLOCKS)?;
            }
        }
        Ok(())
    }

    fn check(&self, family: Family) -> Result<(), String> {
        self.check_sizes()?;
        let levels = self.block_out_channels.len();
        if levels == 0 || self.down_block_types.len() != levels {
            return Err(format!(
                "down_block_types has {} values for {levels} levels",
                self.down_block_types.len()
            ));
        }
        if family != Family::Control && self.up_block_types.len() != levels {
            return Err(format!(
                "up_block_types has {} values for {levels} levels",
                self.up_block_types.len()
            ));
        }
        if !matches!(self.act_fn.as_str(), "silu" | "swish") {
            return Err(format!(
                "act_fn = {} is not supported, only silu",
                self.act_fn
            ));
        }
        if !matches!(
            self.resnet_time_scale_shift.as_str(),
            "default" | "scale_shift"
        ) {
            return Err(format!(
                "resnet_time_scale_shift = {} is not supported, only default and scale_shift",
                self.resnet_time_scale_shift
            ));
        }
        let groups = self.norm_num_groups;
        if groups == 0
            || self
                .block_out_channels
                .iter()
                .any(|c| *c == 0 || !c.is_multiple_of(groups))
        {
            return Err(format!(
                "block_out_channels {:?} cannot be split into norm_num_groups = {groups}",
                self.block_out_channels
            ));
        }
        if self.time_cond_proj_dim.is_some() && family != Family::Conditional {
            return Err("time_cond_proj_dim is supported in denoisers with text only".to_owned());
        }
        if self.time_cond_proj_dim == Some(0) {
            return Err("time_cond_proj_dim = 0 is not supported".to_owned());
        }
        self.levels().map(|_| ())
    }

    /// Width of the text that each level reads.
    pub fn text_widths(&self) -> Result<Vec<usize>, String> {
        let levels = self.block_out_channels.len();
        self.cross_attention_dim
            .spread(levels, "cross_attention_dim")
    }

    /// Width of the time embedding.
    pub(super) fn time_width(&self) -> usize {
        self.time_embedding_dim
            .unwrap_or(4 * self.block_out_channels[0])
    }

    /// The levels from the finest to the coarsest.
    pub(super) fn levels(&self) -> Result<Vec<Level>, String> {
        let count = self.block_out_channels.len();
        let layers = self.layers_per_block.spread(count, "layers_per_block")?;
        let context = self
            .cross_attention_dim
            .spread(count, "cross_attention_dim")?;
        let only = self
            .only_cross_attention
            .spread(count, "only_cross_attention")?;
        let heads = match &self.attention_head_dim {
            None => vec![None; count],
            Some(heads) => heads
                .spread(count, "attention_head_dim")?
                .into_iter()
                .map(Some)
                .collect(),
        };
        let depths = self
            .transformer_layers_per_block
            .spread(count, "transformer_layers_per_block")?;
        let reverse = match &self.reverse_transformer_layers_per_block {
            Some(reverse) => {
                let mut reverse = reverse.spread(count, "reverse_transformer_layers_per_block")?;
                reverse.reverse();
                reverse
            }
            None => depths.clone(),
        };
        (0..count)
            .map(|i| {
                Ok(Level {
                    channels: self.block_out_channels[i],
                    layers: layers[i],
                    heads: heads[i],
                    context: context[i],
                    depths: depths[i].spread(layers[i], "transformer_layers_per_block")?,
                    up_depths: reverse[i].spread(layers[i] + 1, "transformer_layers_per_block")?,
                    only_cross: only[i],
                })
            })
            .collect()
    }
}
