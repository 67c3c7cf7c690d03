//! The levels of a U-Net on the way down, in the middle and on the way up.
//!
//! Separate from the networks: U-Nets, `ControlNet` and the autoencoder are made of the same levels.

use candle_core::{Result, Tensor, bail};

use super::attention::{PixelAttention, Transformer, TransformerSize};
use super::config::{Config, Level};
use super::resnet::{Downsample, Resnet, Size, Style, Upsample};
use crate::network::peer::scope::Scope;

/// What follows each residual block of a level.
#[derive(Clone, Debug)]
enum Looking {
    Nowhere,
    Pixels(PixelAttention),
    Text(Transformer),
}

impl Looking {
    fn forward(&self, x: Tensor, text: Option<&Tensor>) -> Result<Tensor> {
        match (self, text) {
            (Self::Nowhere, _) => Ok(x),
            (Self::Pixels(attention), _) => attention.forward(&x),
            (Self::Text(transformer), Some(text)) => transformer.forward(&x, text),
            (Self::Text(_), None) => bail!("encoder_hidden_states are missing"),
        }
    }
}

/// The kinds of levels by diffusers' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    /// Halves or doubles with a residual block.
    Resnet,
    Attention,
    CrossAttention,
}

impl Kind {
    fn of(name: &str) -> Result<Self> {
        let short = name.strip_prefix("UNetRes").unwrap_or(name);
        Ok(match short {
            "DownBlock2D" | "UpBlock2D" | "DownEncoderBlock2D" | "UpDecoderBlock2D" => Self::Plain,
            "ResnetDownsampleBlock2D" | "ResnetUpsampleBlock2D" => Self::Resnet,
            "AttnDownBlock2D" | "AttnUpBlock2D" => Self::Attention,
            "CrossAttnDownBlock2D" | "CrossAttnUpBlock2D" => Self::CrossAttention,
            _ => bail!("block type {name} is not supported"),
        })
    }

    /// Whether the size is changed by a residual block, `by` being what the configuration says of attention levels.
    fn resizes_by_resnet(self, by: Option<&str>) -> bool {
        self == Self::Resnet || (self == Self::Attention && by == Some("resnet"))
    }

    /// Residual blocks into which `inputs` channels come, with `depths` transformer blocks after each.
    fn layers(
        self,
        scope: &Scope<'_>,
        config: &Config,
        level: &Level,
        inputs: &[usize],
        depths: &[usize],
    ) -> Result<Vec<(Resnet, Looking)>> {
        let style = config.style();
        inputs
            .iter()
            .enumerate()
            .map(|(i, &input)| {
                let place = scope.at(format!("resnets.{i}"));
                let resnet = Resnet::new(&place, [input, level.channels], style, Size::Same)?;
                let depth = depths.get(i).copied().unwrap_or(1);
                let looking = self.looking(scope, config, level, style, (i, depth))?;
                Ok((resnet, looking))
            })
            .collect()
    }

    /// What looks around after layer `index`, with `depth` transformer blocks where there is text.
    fn looking(
        self,
        scope: &Scope<'_>,
        config: &Config,
        level: &Level,
        style: Style,
        (index, depth): (usize, usize),
    ) -> Result<Looking> {
        let place = scope.at(format!("attentions.{index}"));
        Ok(match self {
            Self::Plain | Self::Resnet => Looking::Nowhere,
            Self::Attention => Looking::Pixels(PixelAttention::new(
                &place,
                level.channels,
                level.heads.unwrap_or(level.channels),
                (style.groups, style.epsilon),
                style.divisor,
            )?),
            Self::CrossAttention => Looking::Text(transformer(&place, config, level, depth)?),
        })
    }
}

fn transformer(
    scope: &Scope<'_>,
    config: &Config,
    level: &Level,
    depth: usize,
) -> Result<Transformer> {
    let size = TransformerSize {
        width: level.channels,
        context: level.context,
        heads: level.heads.unwrap_or(1),
        depth,
        groups: config.norm_num_groups,
        linear: config.use_linear_projection,
        only_cross: level.only_cross,
        wide: config.upcast_attention,
    };
    Transformer::new(scope, size)
}

impl Config {
    /// What the blocks share.
    pub(super) fn style(&self) -> Style {
        Style {
            time: Some(self.time_width()),
            groups: self.norm_num_groups,
            epsilon: self.norm_eps,
            scale_shift: self.resnet_time_scale_shift == "scale_shift",
            divisor: 1.0,
        }
    }
}

/// What changes the size of the picture at the end of a stage.
#[derive(Clone, Debug)]
enum End {
    Half(Downsample),
    Double(Upsample),
    Resnet(Box<Resnet>),
}

/// Residual blocks, each with what looks around after it: a level on the way down or up.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    layers: Vec<(Resnet, Looking)>,
    end: Option<End>,
}

impl Stage {
    /// A level on the way down, into which `input` channels come; the last one keeps its size.
    pub(super) fn down(
        scope: &Scope<'_>,
        config: &Config,
        kind: &str,
        (input, level): (usize, &Level),
        last: bool,
    ) -> Result<Self> {
        let (kind, c) = (Kind::of(kind)?, level.channels);
        let inputs: Vec<usize> = (0..level.layers)
            .map(|i| if i == 0 { input } else { c })
            .collect();
        let layers = kind.layers(scope, config, level, &inputs, &level.depths)?;
        let place = scope.at("downsamplers.0");
        let end = if last {
            None
        } else if kind.resizes_by_resnet(config.downsample_type.as_deref()) {
            let resnet = Resnet::new(&place, [c, c], config.style(), Size::Half)?;
            Some(End::Resnet(Box::new(resnet)))
        } else {
            let conv = Downsample::new(&place, c, config.downsample_padding)?;
            Some(End::Half(conv))
        };
        Ok(Self { layers, end })
    }

    /// A level on the way up: `from` channels come from below, `skips` are those of the skip of each layer.
    pub(super) fn up(
        scope: &Scope<'_>,
        config: &Config,
        kind: &str,
        level: &Level,
        (from, skips): (usize, &[usize]),
        last: bool,
    ) -> Result<Self> {
        let (kind, c) = (Kind::of(kind)?, level.channels);
        let inputs: Vec<usize> = skips
            .iter()
            .enumerate()
            .map(|(i, skip)| skip + if i == 0 { from } else { c })
            .collect();
        let layers = kind.layers(scope, config, level, &inputs, &level.up_depths)?;
        let place = scope.at("upsamplers.0");
        let end = if last {
            None
        } else if kind.resizes_by_resnet(config.upsample_type.as_deref()) {
            let resnet = Resnet::new(&place, [c, c], config.style(), Size::Double)?;
            Some(End::Resnet(Box::new(resnet)))
        } else {
            Some(End::Double(Upsample::new(&place, c)?))
        };
        Ok(Self { layers, end })
    }

    /// On the way down: appends every result to `skips` and returns the last.
    pub(super) fn descend(
        &self,
        x: &Tensor,
        time: Option<&Tensor>,
        text: Option<&Tensor>,
        skips: &mut Vec<Tensor>,
    ) -> Result<Tensor> {
        let mut x = x.clone();
        for (resnet, looking) in &self.layers {
            x = looking.forward(resnet.forward(&x, time)?, text)?;
            skips.push(x.clone());
        }
        if let Some(end) = &self.end {
            x = end.forward(&x, time, None)?;
            skips.push(x.clone());
        }
        Ok(x)
    }

    /// On the way up: takes its skips off the end of `skips`; the result has the size of the next one.
    pub(super) fn ascend(
        &self,
        mut x: Tensor,
        time: Option<&Tensor>,
        text: Option<&Tensor>,
        skips: &mut Vec<Tensor>,
    ) -> Result<Tensor> {
        for (resnet, looking) in &self.layers {
            let Some(skip) = skips.pop() else {
                bail!("the way up has more layers than the way down")
            };
            let both = Tensor::cat(&[&x, &skip], 1)?;
            x = looking.forward(resnet.forward(&both, time)?, text)?;
        }
        let size = match skips.last() {
            Some(next) => {
                let (_, _, height, width) = next.dims4()?;
                Some((height, width))
            }
            None => None,
        };
        match &self.end {
            Some(end) => end.forward(&x, time, size),
            None => Ok(x),
        }
    }
}

impl End {
    /// To `size`, where it is known, or to half or twice the size.
    fn forward(
        &self,
        x: &Tensor,
        time: Option<&Tensor>,
        size: Option<(usize, usize)>,
    ) -> Result<Tensor> {
        match self {
            Self::Half(conv) => conv.forward(x),
            Self::Double(conv) => conv.forward(x, size),
            Self::Resnet(resnet) => resnet.forward(x, time),
        }
    }
}

/// The middle.
#[derive(Clone, Debug)]
pub(super) struct Middle {
    first: Resnet,
    looking: Looking,
    second: Resnet,
}

impl Middle {
    /// The middle that the configuration names; none if it names none.
    pub(super) fn new(scope: &Scope<'_>, config: &Config, level: &Level) -> Result<Option<Self>> {
        let Some(kind) = config.mid_block_type.as_deref() else {
            return Ok(None);
        };
        let mut style = config.style();
        style.divisor = config.mid_block_scale_factor;
        let place = scope.at("attentions.0");
        let looking = match kind {
            "UNetMidBlock2DCrossAttn" => {
                let mut level = level.clone();
                level.only_cross = false;
                let depth = level.depths.first().copied().unwrap_or(1);
                Looking::Text(transformer(&place, config, &level, depth)?)
            }
            "UNetMidBlock2D" if config.add_attention => {
                let groups = config.attn_norm_num_groups.unwrap_or(style.groups);
                let width = level.heads.unwrap_or(level.channels);
                let norm = (groups, style.epsilon);
                let divisor = style.divisor;
                Looking::Pixels(PixelAttention::new(
                    &place,
                    level.channels,
                    width,
                    norm,
                    divisor,
                )?)
            }
            "UNetMidBlock2D" => Looking::Nowhere,
            other => bail!("block type {other} is not supported"),
        };
        Self::of(scope, level.channels, style, looking).map(Some)
    }

    /// The middle of an autoencoder.
    pub(super) fn plain(
        scope: &Scope<'_>,
        channels: usize,
        style: Style,
        attends: bool,
    ) -> Result<Self> {
        let looking = if attends {
            let norm = (style.groups, style.epsilon);
            let place = scope.at("attentions.0");
            Looking::Pixels(PixelAttention::new(&place, channels, channels, norm, 1.0)?)
        } else {
            Looking::Nowhere
        };
        Self::of(scope, channels, style, looking)
    }

    fn of(scope: &Scope<'_>, channels: usize, style: Style, looking: Looking) -> Result<Self> {
        let resnet = |i: usize| {
            let place = scope.at(format!("resnets.{i}"));
            Resnet::new(&place, [channels, channels], style, Size::Same)
        };
        Ok(Self {
            first: resnet(0)?,
            looking,
            second: resnet(1)?,
        })
    }

    pub(super) fn forward(
        &self,
        x: &Tensor,
        time: Option<&Tensor>,
        text: Option<&Tensor>,
    ) -> Result<Tensor> {
        let x = self.first.forward(x, time)?;
        self.second.forward(&self.looking.forward(x, text)?, time)
    }
}
