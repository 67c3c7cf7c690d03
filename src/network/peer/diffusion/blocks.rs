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

#[derive(Clone, Debug)]
enum Down {
    Conv(Downsample),
    Resnet(Box<Resnet>),
}

/// A level on the way down.
#[derive(Clone, Debug)]
pub(super) struct DownLevel {
    layers: Vec<(Resnet, Looking)>,
    down: Option<Down>,
}

impl DownLevel {
    /// `input` channels come in; the last level keeps its size.
    pub(super) fn new(
        scope: &Scope<'_>,
        config: &Config,
        kind: &str,
        (input, level): (usize, &Level),
        last: bool,
    ) -> Result<Self> {
        let kind = Kind::of(kind)?;
        let style = config.style();
        let layers = (0..level.layers)
            .map(|i| {
                let channels = [if i == 0 { input } else { level.channels }, level.channels];
                let place = scope.at(format!("resnets.{i}"));
                let resnet = Resnet::new(&place, channels, style, Size::Same)?;
                let looking = kind.looking(scope, config, level, style, (i, level.depths[i]))?;
                Ok((resnet, looking))
            })
            .collect::<Result<_>>()?;
        let by_resnet = kind == Kind::Resnet
            || (kind == Kind::Attention && config.downsample_type.as_deref() == Some("resnet"));
        let place = scope.at("downsamplers.0");
        let down = if last {
            None
        } else if by_resnet {
            let channels = [level.channels, level.channels];
            let resnet = Resnet::new(&place, channels, style, Size::Half)?;
            Some(Down::Resnet(Box::new(resnet)))
        } else {
            let padding = config.downsample_padding;
            Some(Down::Conv(Downsample::new(
                &place,
                level.channels,
                padding,
            )?))
        };
        Ok(Self { layers, down })
    }

    /// Appends every result to `skips` and returns the last.
    pub(super) fn forward(
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
        if let Some(down) = &self.down {
            x = match down {
                Down::Conv(conv) => conv.forward(&x)?,
                Down::Resnet(resnet) => resnet.forward(&x, time)?,
            };
            skips.push(x.clone());
        }
        Ok(x)
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

#[derive(Clone, Debug)]
enum Up {
    Conv(Upsample),
    Resnet(Box<Resnet>),
}

/// A level on the way up.
#[derive(Clone, Debug)]
pub(super) struct UpLevel {
    layers: Vec<(Resnet, Looking)>,
    up: Option<Up>,
}

impl UpLevel {
    /// `from` channels come from below; `skips` are the channels of the skip of each layer.
    pub(super) fn new(
        scope: &Scope<'_>,
        config: &Config,
        kind: &str,
        level: &Level,
        (from, skips): (usize, &[usize]),
        last: bool,
    ) -> Result<Self> {
        let kind = Kind::of(kind)?;
        let style = config.style();
        let layers = skips
            .iter()
            .enumerate()
            .map(|(i, skip)| {
                let input = if i == 0 { from } else { level.channels } + skip;
                let place = scope.at(format!("resnets.{i}"));
                let resnet = Resnet::new(&place, [input, level.channels], style, Size::Same)?;
                let depth = level.up_depths.get(i).copied().unwrap_or(1);
                let looking = kind.looking(scope, config, level, style, (i, depth))?;
                Ok((resnet, looking))
            })
            .collect::<Result<_>>()?;
        let by_resnet = kind == Kind::Resnet
            || (kind == Kind::Attention && config.upsample_type.as_deref() == Some("resnet"));
        let place = scope.at("upsamplers.0");
        let up = if last {
            None
        } else if by_resnet {
            let channels = [level.channels, level.channels];
            let resnet = Resnet::new(&place, channels, style, Size::Double)?;
            Some(Up::Resnet(Box::new(resnet)))
        } else {
            Some(Up::Conv(Upsample::new(&place, level.channels)?))
        };
        Ok(Self { layers, up })
    }

    /// Takes its skips off the end of `skips`; the result has the size of the next one.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        time: Option<&Tensor>,
        text: Option<&Tensor>,
        skips: &mut Vec<Tensor>,
    ) -> Result<Tensor> {
        let mut x = x.clone();
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
        match &self.up {
            Some(Up::Conv(conv)) => conv.forward(&x, size),
            Some(Up::Resnet(resnet)) => resnet.forward(&x, time),
            None => Ok(x),
        }
    }
}
