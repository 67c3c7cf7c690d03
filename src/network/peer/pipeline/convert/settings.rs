//! Settings of an original checkpoint, read off the shapes of its tensors.
//!
//! Separate from the names: the original layout keeps its settings in another file, which is seldom at hand. What shapes
//! do not tell (eight heads, 32 groups) is as in Stable Diffusion 1.

use candle_core::Shape;
use serde_json::{Value, json};

use super::names::Counts;
use crate::network::folder::Store as _;
use crate::network::peer::source::Source;

/// A checkpoint with a prefix that its names begin with.
pub(super) struct Shapes<'a> {
    pub source: &'a Source,
    pub prefix: &'a str,
}

impl Shapes<'_> {
    fn dims(&self, name: &str) -> Option<Vec<usize>> {
        let shape: Shape = self.source.shape(&format!("{}{name}", self.prefix))?;
        Some(shape.dims().to_vec())
    }

    fn dim(&self, name: &str, axis: usize) -> Result<usize, String> {
        let dims = self.dims(name);
        let found = dims.and_then(|dims| dims.get(axis).copied());
        found.ok_or_else(|| {
            format!(
                "tensor {}{name} is missing or has too few axes",
                self.prefix
            )
        })
    }

    /// How many of `first, second, …` there are in a row.
    fn row(&self, name: impl Fn(usize) -> String) -> usize {
        (0..1000)
            .take_while(|i| self.dims(&name(*i)).is_some())
            .count()
    }

    /// Residual blocks a level: the first halving tells.
    pub(super) fn layers(&self) -> Result<usize, String> {
        (2..20)
            .find(|n| {
                self.dims(&format!("input_blocks.{n}.0.op.weight"))
                    .is_some()
            })
            .map(|n| n - 1)
            .ok_or_else(|| {
                "it has no level that is halved: it is no U-Net of this family".to_owned()
            })
    }

    /// Levels of an autoencoder.
    pub(super) fn levels(&self) -> usize {
        self.row(|i| format!("encoder.down.{i}.block.0.norm1.weight"))
    }

    /// The last layer of a hint's encoder.
    pub(super) fn last_hint(&self) -> usize {
        let layers = self.row(|i| format!("input_hint_block.{}.weight", 2 * i));
        2 * layers.saturating_sub(1)
    }

    /// `config.json` of a denoiser, or what a `ControlNet` shares with one.
    pub(super) fn denoiser(&self, layers: usize) -> Result<Value, String> {
        let each = layers + 1;
        let mut widths = Vec::new();
        let mut down = Vec::new();
        let mut text = None;
        loop {
            let first = 1 + widths.len() * each;
            let Ok(width) = self.dim(&format!("input_blocks.{first}.0.out_layers.3.weight"), 0)
            else {
                break;
            };
            widths.push(width);
            let key = format!("input_blocks.{first}.1.transformer_blocks.0.attn2.to_k.weight");
            let attends = self.dims(&key);
            down.push(if attends.is_some() {
                "CrossAttnDownBlock2D"
            } else {
                "DownBlock2D"
            });
            text = text.or(attends.and_then(|dims| dims.get(1).copied()));
        }
        let text = text.ok_or("no level of it reads text")?;
        let deeper = "middle_block.1.transformer_blocks.1.norm1.weight";
        if self.dims(deeper).is_some() || self.dims("label_emb.0.0.weight").is_some() {
            return Err("it is of Stable Diffusion XL, only 1.x is converted".to_owned());
        }
        if self
            .dims("middle_block.1.proj_in.weight")
            .is_some_and(|dims| dims.len() == 2)
        {
            return Err("it is of Stable Diffusion 2, only 1.x is converted".to_owned());
        }
        Ok(json!({
            "_diffusers_version": "0.42.1",
            "act_fn": "silu",
            "attention_head_dim": 8,
            "block_out_channels": widths,
            "cross_attention_dim": text,
            "down_block_types": down,
            "downsample_padding": 1,
            "flip_sin_to_cos": true,
            "freq_shift": 0,
            "in_channels": self.dim("input_blocks.0.0.weight", 1)?,
            "layers_per_block": layers,
            "mid_block_scale_factor": 1,
            "norm_eps": 1e-5,
            "norm_num_groups": 32,
        }))
    }

    /// `unet/config.json`.
    pub(super) fn unet(&self, counts: Counts) -> Result<Value, String> {
        let mut config = self.denoiser(counts.layers)?;
        let up: Vec<Value> = config["down_block_types"]
            .as_array()
            .into_iter()
            .flatten()
            .rev()
            .map(|kind| json!(kind.as_str().unwrap_or_default().replace("Down", "Up")))
            .collect();
        config["_class_name"] = json!("UNet2DConditionModel");
        config["up_block_types"] = Value::Array(up);
        config["out_channels"] = json!(self.dim("out.2.weight", 0)?);
        config["sample_size"] = json!(64);
        Ok(config)
    }

    /// `config.json` of a `ControlNet`.
    pub(super) fn control(&self, counts: Counts) -> Result<Value, String> {
        let mut config = self.denoiser(counts.layers)?;
        let mut widths = vec![self.dim("input_hint_block.0.weight", 0)?];
        for i in (4..counts.last_hint).step_by(4) {
            widths.push(self.dim(&format!("input_hint_block.{i}.weight"), 0)?);
        }
        config["_class_name"] = json!("ControlNetModel");
        config["conditioning_channels"] = json!(self.dim("input_hint_block.0.weight", 1)?);
        config["conditioning_embedding_out_channels"] = json!(widths);
        config["controlnet_conditioning_channel_order"] = json!("rgb");
        Ok(config)
    }

    /// `vae/config.json`.
    pub(super) fn autoencoder(&self, counts: Counts) -> Result<Value, String> {
        let widths = (0..counts.levels)
            .map(|i| self.dim(&format!("encoder.down.{i}.block.0.conv2.weight"), 0))
            .collect::<Result<Vec<_>, _>>()?;
        let layers = self.row(|j| format!("encoder.down.0.block.{j}.norm1.weight"));
        Ok(json!({
            "_class_name": "AutoencoderKL",
            "_diffusers_version": "0.42.1",
            "act_fn": "silu",
            "block_out_channels": widths,
            "down_block_types": vec!["DownEncoderBlock2D"; counts.levels],
            "in_channels": self.dim("encoder.conv_in.weight", 1)?,
            "latent_channels": self.dim("post_quant_conv.weight", 0)?,
            "layers_per_block": layers,
            "norm_num_groups": 32,
            "out_channels": self.dim("decoder.conv_out.weight", 0)?,
            "sample_size": 64 << counts.levels.clamp(1, 8).saturating_sub(1),
            "scaling_factor": 0.18215,
            "up_block_types": vec!["UpDecoderBlock2D"; counts.levels],
        }))
    }

    /// `text_encoder/config.json`.
    pub(super) fn text(&self) -> Result<Value, String> {
        let embedding = "embeddings.token_embedding.weight";
        let inner = if self.dims(&format!("text_model.{embedding}")).is_some() {
            "text_model."
        } else {
            ""
        };
        let width = self.dim(&format!("{inner}{embedding}"), 1)?;
        let first = format!("{inner}encoder.layers.0.mlp.fc1.weight");
        let positions = format!("{inner}embeddings.position_embedding.weight");
        Ok(json!({
            "architectures": ["CLIPTextModel"],
            "hidden_act": "quick_gelu",
            "hidden_size": width,
            "intermediate_size": self.dim(&first, 0)?,
            "layer_norm_eps": 1e-5,
            "max_position_embeddings": self.dim(&positions, 0)?,
            "model_type": "clip_text_model",
            "num_attention_heads": (width / 64).max(1),
            "num_hidden_layers":
                self.row(|i| format!("{inner}encoder.layers.{i}.layer_norm1.weight")),
            "vocab_size": self.dim(&format!("{inner}{embedding}"), 0)?,
        }))
    }
}

/// `scheduler/scheduler_config.json`: the noise that Stable Diffusion 1 was trained with.
pub(super) fn scheduler() -> Value {
    json!({
        "_class_name": "DDIMScheduler",
        "_diffusers_version": "0.42.1",
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "clip_sample": false,
        "num_train_timesteps": 1000,
        "prediction_type": "epsilon",
        "set_alpha_to_one": false,
        "steps_offset": 1,
        "timestep_spacing": "leading",
    })
}

/// `model_index.json`.
pub(super) fn index(inpaints: bool) -> Value {
    json!({
        "_class_name":
            if inpaints { "StableDiffusionInpaintPipeline" } else { "StableDiffusionPipeline" },
        "_diffusers_version": "0.42.1",
        "feature_extractor": [null, null],
        "safety_checker": [null, null],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    })
}
