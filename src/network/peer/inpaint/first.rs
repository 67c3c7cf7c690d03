//! The first stage: fills the hole coarsely, by attention among what is known.
//!
//! Separate from the second stage, which sees its result as a picture.

use candle_core::{Result, Tensor, bail};

use super::Config;
use super::modulated::Level;
use super::partial::Partial;
use super::primitive::{Dense, Ending, Scaled, Size, mixed};
use super::window::{Shape, Stage};
use crate::network::peer::layers::{from_tokens, to_tokens};
use crate::network::peer::scope::Scope;

/// The five resolutions of the body.
const BODY: [Shape; 5] = [
    shape(64, 8, 2, Size::Same),
    shape(32, 16, 3, Size::Half),
    shape(16, 16, 4, Size::Half),
    shape(32, 16, 3, Size::Double),
    shape(64, 8, 2, Size::Double),
];
/// Tokens in the middle of it.
const TOKENS: usize = 256;

const fn shape(side: usize, window: usize, depth: usize, size: Size) -> Shape {
    Shape {
        side,
        window,
        depth,
        size,
    }
}

#[derive(Clone, Debug)]
pub(super) struct First {
    conv: Partial,
    encoder: Vec<Partial>,
    body: Vec<Stage>,
    down: Vec<Scaled>,
    to_style: Dense,
    style: Dense,
    to_square: Dense,
    decoder: Vec<Level>,
}

impl First {
    pub(super) fn new(scope: &Scope<'_>, config: &Config) -> Result<Self> {
        let (dim, picture) = (config.dim, config.img_channels);
        let same = [dim, dim];
        let steps = config.levels()? - 6;
        let style = 3 * dim;
        let place = |name: &str, i: usize| scope.at(format!("{name}.{i}"));
        Ok(Self {
            conv: Partial::new(&scope.at("conv_first"), [picture + 1, dim], Size::Same)?,
            encoder: (0..steps)
                .map(|i| Partial::new(&place("enc_conv", i), same, Size::Half))
                .collect::<Result<_>>()?,
            body: BODY
                .into_iter()
                .enumerate()
                .map(|(i, shape)| Stage::new(&place("tran", i), dim, config.num_heads, shape))
                .collect::<Result<_>>()?,
            down: (0..4)
                .map(|i| Scaled::new(&place("down_conv", i), same, 3, Size::Half, Ending::Leaky))
                .collect::<Result<_>>()?,
            to_style: Dense::new(&scope.at("to_style"), [dim, 2 * dim], Ending::Leaky)?,
            style: Dense::new(&scope.at("ws_style"), [config.w_dim, dim], Ending::Leaky)?,
            to_square: Dense::new(&scope.at("to_square"), [dim, TOKENS], Ending::Leaky)?,
            decoder: (0..steps)
                .map(|i| {
                    let side = 128 << i;
                    Level::new(&place("dec_conv", i), [dim, dim, style, picture], side)
                })
                .collect::<Result<_>>()?,
        })
    }

    /// `image [B,3,S,S]`, `mask [B,1,S,S]` (1 is known), `style [B,w]` and the map of what keeps its features,
    /// `[B,256,dim]`, to a picture whose known pixels are not yet put back.
    pub(super) fn forward(
        &self,
        image: &Tensor,
        mask: &Tensor,
        style: &Tensor,
        keep: &Tensor,
    ) -> Result<Tensor> {
        let known = image.broadcast_mul(mask)?;
        let input = Tensor::cat(&[&(mask - 0.5)?, &known], 1)?;
        let (mut x, mut mask) = self.conv.forward(&input, mask)?;
        let mut skips = Vec::new();
        for layer in &self.encoder {
            skips.push(x.clone());
            (x, mask) = layer.forward(&x, &mask)?;
        }
        let mut mask = Some(mask);
        let mut around = Vec::new();
        let mut both = None;
        let middle = self.body.len() / 2;
        for (i, stage) in self.body.iter().enumerate() {
            let seen = if i < middle { mask.as_ref() } else { None };
            (x, mask) = stage.forward(&x, seen)?;
            if i < middle {
                around.push(x.clone());
            } else if i == middle {
                let (mixed, style) = self.middle(&x, style, keep)?;
                (x, both) = (mixed, Some(style));
            } else if let Some(skip) = around.pop() {
                x = (x + skip)?;
            }
        }
        let Some(style) = both else {
            bail!("the body has no middle")
        };
        let mut picture = None;
        for level in &self.decoder {
            let Some(skip) = skips.pop() else {
                bail!("the decoder is deeper than the encoder")
            };
            let next;
            (x, next) = level.forward(&x, picture.as_ref(), &style, &skip)?;
            picture = Some(next);
        }
        picture.ok_or_else(|| candle_core::Error::Msg("the decoder has no levels".to_owned()))
    }

    /// The style goes into the features, and what is left of them into the style.
    fn middle(&self, x: &Tensor, style: &Tensor, keep: &Tensor) -> Result<(Tensor, Tensor)> {
        let (_, _, height, width) = x.dims4()?;
        let style = self.style.forward(style)?;
        let square = self.to_square.forward(&style)?.unsqueeze(2)?;
        let tokens = to_tokens(x)?;
        if keep.dims() != tokens.dims() {
            bail!("drop1 is {:?}, wanted {:?}", keep.dims(), tokens.dims())
        }
        let tokens = mixed(&tokens, &square, keep)?;
        let x = from_tokens(&tokens, height, width)?;
        let mut small = x.clone();
        for layer in &self.down {
            small = layer.forward(&small)?;
        }
        let means = small.flatten_from(2)?.mean(2)?;
        let own = self.to_style.forward(&means)?;
        Ok((x, Tensor::cat(&[&own, &style], 1)?))
    }
}
