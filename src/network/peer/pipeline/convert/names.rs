//! Names of the original layout, and what diffusers calls the same tensors.
//!
//! Separate because it is a plain function of names: `tests/fixtures/pipeline/names.py` holds it against diffusers' own.

use std::collections::BTreeMap;

/// How many residual blocks a level of the denoiser has, and levels of the autoencoder: what names depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Residual blocks a level on the way down.
    pub layers: usize,
    /// Levels of the autoencoder; 0 where there is none.
    pub levels: usize,
    /// The last layer of the hint's encoder; 0 where there is none.
    pub last_hint: usize,
}

/// Tensors that carry nothing a picture depends on: averages of training, tables and counters.
pub fn is_left_out(name: &str) -> bool {
    let prefixes = [
        "model_ema.",
        "first_stage_model.loss.",
        "first_stage_model.model_ema.",
        "cond_stage_model.logit_scale",
        "cond_stage_model.transformer.text_projection",
    ];
    !name.contains('.')
        || prefixes.iter().any(|prefix| name.starts_with(prefix))
        || name.ends_with("position_ids")
        || name.ends_with("num_batches_tracked")
}

/// A part of a model and the name in it; `None` for names that are not known.
pub fn renamed(name: &str, counts: Counts) -> Option<(&'static str, String)> {
    if let Some(rest) = name.strip_prefix("model.diffusion_model.") {
        return Some(("unet", denoiser(rest, counts)?));
    }
    if let Some(rest) = name.strip_prefix("first_stage_model.") {
        return Some(("vae", autoencoder(rest, counts)?));
    }
    if let Some(rest) = name.strip_prefix("cond_stage_model.transformer.") {
        let rest = rest.strip_prefix("text_model.").unwrap_or(rest);
        let known = ["embeddings.", "encoder.layers.", "final_layer_norm."];
        let known = known.iter().any(|prefix| rest.starts_with(prefix));
        return known.then(|| ("text_encoder", format!("text_model.{rest}")));
    }
    None
}

/// A `ControlNet`'s name, its prefix taken off.
pub fn control(name: &str, counts: Counts) -> Option<String> {
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        ["zero_convs", i, "0", kind] => Some(format!("controlnet_down_blocks.{i}.{kind}")),
        ["middle_block_out", "0", kind] => Some(format!("controlnet_mid_block.{kind}")),
        ["input_hint_block", i, kind] => {
            let i: usize = i.parse().ok()?;
            let layer = match i {
                0 => "conv_in".to_owned(),
                i if i == counts.last_hint => "conv_out".to_owned(),
                i if i.is_multiple_of(2) => format!("blocks.{}", i / 2 - 1),
                _ => return None,
            };
            Some(format!("controlnet_cond_embedding.{layer}.{kind}"))
        }
        ["out" | "output_blocks", ..] => None,
        _ => denoiser(name, counts),
    }
}

fn denoiser(name: &str, counts: Counts) -> Option<String> {
    let each = counts.layers + 1;
    let parts: Vec<&str> = name.split('.').collect();
    Some(match parts.as_slice() {
        ["time_embed", "0", kind] => format!("time_embedding.linear_1.{kind}"),
        ["time_embed", "2", kind] => format!("time_embedding.linear_2.{kind}"),
        ["input_blocks", "0", "0", kind] => format!("conv_in.{kind}"),
        ["out", "0", kind] => format!("conv_norm_out.{kind}"),
        ["out", "2", kind] => format!("conv_out.{kind}"),
        ["input_blocks", n, rest @ ..] => {
            let n = n.parse::<usize>().ok()?.checked_sub(1)?;
            let (level, layer) = (n / each, n % each);
            match rest {
                ["0", "op", kind] => format!("down_blocks.{level}.downsamplers.0.conv.{kind}"),
                ["0", rest @ ..] => {
                    format!("down_blocks.{level}.resnets.{layer}.{}", residual(rest)?)
                }
                ["1", rest @ ..] => {
                    format!("down_blocks.{level}.attentions.{layer}.{}", rest.join("."))
                }
                _ => return None,
            }
        }
        ["middle_block", "0", rest @ ..] => format!("mid_block.resnets.0.{}", residual(rest)?),
        ["middle_block", "1", rest @ ..] => format!("mid_block.attentions.0.{}", rest.join(".")),
        ["middle_block", "2", rest @ ..] => format!("mid_block.resnets.1.{}", residual(rest)?),
        ["output_blocks", n, rest @ ..] => {
            let n: usize = n.parse().ok()?;
            let (level, layer) = (n / each, n % each);
            match rest {
                ["1" | "2", "conv", kind] => {
                    format!("up_blocks.{level}.upsamplers.0.conv.{kind}")
                }
                ["0", rest @ ..] => {
                    format!("up_blocks.{level}.resnets.{layer}.{}", residual(rest)?)
                }
                ["1", rest @ ..] => {
                    format!("up_blocks.{level}.attentions.{layer}.{}", rest.join("."))
                }
                _ => return None,
            }
        }
        _ => return None,
    })
}

fn residual(rest: &[&str]) -> Option<String> {
    Some(match rest {
        ["in_layers", "0", kind] => format!("norm1.{kind}"),
        ["in_layers", "2", kind] => format!("conv1.{kind}"),
        ["emb_layers", "1", kind] => format!("time_emb_proj.{kind}"),
        ["out_layers", "0", kind] => format!("norm2.{kind}"),
        ["out_layers", "3", kind] => format!("conv2.{kind}"),
        ["skip_connection", kind] => format!("conv_shortcut.{kind}"),
        _ => return None,
    })
}

fn autoencoder(name: &str, counts: Counts) -> Option<String> {
    let parts: Vec<&str> = name.split('.').collect();
    let attention = BTreeMap::from([
        ("norm", "group_norm"),
        ("q", "to_q"),
        ("k", "to_k"),
        ("v", "to_v"),
        ("proj_out", "to_out.0"),
    ]);
    let block = |rest: &[&str]| match rest {
        ["nin_shortcut", kind] => Some(format!("conv_shortcut.{kind}")),
        ["norm1" | "norm2" | "conv1" | "conv2", _] => Some(rest.join(".")),
        _ => None,
    };
    Some(match parts.as_slice() {
        ["quant_conv" | "post_quant_conv", _] => name.to_owned(),
        [side @ ("encoder" | "decoder"), rest @ ..] => {
            let rest = match rest {
                ["conv_in" | "conv_out", _] => rest.join("."),
                ["norm_out", kind] => format!("conv_norm_out.{kind}"),
                ["down", i, "block", j, rest @ ..] => {
                    format!("down_blocks.{i}.resnets.{j}.{}", block(rest)?)
                }
                ["down", i, "downsample", "conv", kind] => {
                    format!("down_blocks.{i}.downsamplers.0.conv.{kind}")
                }
                ["up", i, rest @ ..] => {
                    let i = counts.levels.checked_sub(1 + i.parse::<usize>().ok()?)?;
                    match rest {
                        ["block", j, rest @ ..] => {
                            format!("up_blocks.{i}.resnets.{j}.{}", block(rest)?)
                        }
                        ["upsample", "conv", kind] => {
                            format!("up_blocks.{i}.upsamplers.0.conv.{kind}")
                        }
                        _ => return None,
                    }
                }
                ["mid", "block_1", rest @ ..] => format!("mid_block.resnets.0.{}", block(rest)?),
                ["mid", "block_2", rest @ ..] => format!("mid_block.resnets.1.{}", block(rest)?),
                ["mid", "attn_1", layer, kind] => {
                    format!("mid_block.attentions.0.{}.{kind}", attention.get(layer)?)
                }
                _ => return None,
            };
            format!("{side}.{rest}")
        }
        _ => return None,
    })
}
