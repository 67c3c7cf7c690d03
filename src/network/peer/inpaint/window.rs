//! Attention within windows, among what is known; no norms and no sums around it (MAT, sections 3.2 and 3.3).
//!
//! Windows and their shift are those of Liu et al. 2021, "Swin transformer".

use candle_core::{D, Result, Tensor};

use super::partial::Partial;
use super::primitive::{Dense, Ending, Size};
use crate::network::peer::layers::{AWAY, Windows, attend};
use crate::network::peer::scope::Scope;

#[derive(Clone, Debug)]
struct Block {
    query: Dense,
    key: Dense,
    value: Dense,
    out: Dense,
    fuse: Dense,
    wide: Dense,
    narrow: Dense,
    heads: usize,
    windows: Windows,
}

impl Block {
    fn new(
        scope: &Scope<'_>,
        width: usize,
        heads: usize,
        (window, shift): (usize, usize),
    ) -> Result<Self> {
        scope.ignore("attn_mask")?;
        let attention = scope.at("attn");
        let square = |name: &str| Dense::new(&attention.at(name), [width, width], Ending::Linear);
        Ok(Self {
            query: square("q")?,
            key: square("k")?,
            value: square("v")?,
            out: square("proj")?,
            fuse: Dense::new(&scope.at("fuse"), [2 * width, width], Ending::Leaky)?,
            wide: Dense::new(&scope.at("mlp.fc1"), [width, 2 * width], Ending::Leaky)?,
            narrow: Dense::new(&scope.at("mlp.fc2"), [2 * width, width], Ending::Linear)?,
            heads,
            windows: Windows {
                side: window,
                shift: [shift; 2],
            },
        })
    }

    /// `x [B,H,W,C]` and a mask `[B,H,W,1]` of what is known to both after the block.
    fn forward(&self, x: &Tensor, mask: Option<&Tensor>) -> Result<(Tensor, Option<Tensor>)> {
        let (batch, height, width, _) = x.dims4()?;
        let windows = self.windows.partition(x)?;
        let (count, tokens, _) = windows.dims3()?;
        let mask_windows = mask.map(|mask| self.windows.partition(mask)).transpose()?;
        let mut bias = None;
        if self.windows.shift != [0, 0] {
            bias = Some(self.windows.neighbors(height, width, x)?);
        }
        if let Some(known) = &mask_windows {
            let away = known.eq(0.0)?.to_dtype(x.dtype())?;
            let away = (away.reshape((count, 1, tokens))? * f64::from(AWAY))?;
            bias = Some(match bias {
                Some(own) => {
                    let all = (batch, count / batch, tokens, tokens);
                    let own = own.unsqueeze(0)?.broadcast_as(all)?;
                    own.reshape((count, tokens, tokens))?.broadcast_add(&away)?
                }
                None => away.broadcast_as((count, tokens, tokens))?.contiguous()?,
            });
        }
        let norm = (windows.sqr()?.sum_keepdim(D::Minus1)? + 1e-24)?.sqrt()?;
        let unit = windows.broadcast_div(&norm)?;
        let bias = bias.map(|bias| bias.unsqueeze(1)).transpose()?;
        let y = attend(
            &self.query.forward(&unit)?,
            &self.key.forward(&unit)?,
            &self.value.forward(&windows)?,
            self.heads,
            bias.as_ref(),
        )?;
        let y = self
            .windows
            .join(&self.out.forward(&y)?, (batch, height, width))?;
        let y = self.fuse.forward(&Tensor::cat(&[x, &y], 3)?)?;
        let y = self.narrow.forward(&self.wide.forward(&y)?)?;
        let mask = match mask_windows {
            None => None,
            // One known place makes its whole window known.
            Some(known) => {
                let any = known.max_keepdim(1)?.clamp(0.0, 1.0)?;
                let any = any.broadcast_as((count, tokens, 1))?.contiguous()?;
                Some(self.windows.join(&any, (batch, height, width))?)
            }
        };
        Ok((y, mask))
    }
}

/// What one resolution of the first stage is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub side: usize,
    pub window: usize,
    pub depth: usize,
    /// How the picture gets to this resolution.
    pub size: Size,
}

/// Blocks at one resolution: resized first, convolved last, and the resized input added.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    resize: Option<Partial>,
    blocks: Vec<Block>,
    conv: Partial,
    side: usize,
}

impl Stage {
    pub(super) fn new(scope: &Scope<'_>, width: usize, heads: usize, shape: Shape) -> Result<Self> {
        let Shape { side, depth, .. } = shape;
        let window = shape.window.min(side);
        let shifted = side > window;
        let channels = [width, width];
        Ok(Self {
            resize: (shape.size != Size::Same)
                .then(|| Partial::new(&scope.at("downsample.conv"), channels, shape.size))
                .transpose()?,
            blocks: (0..depth)
                .map(|i| {
                    let shift = if i % 2 == 1 && shifted { window / 2 } else { 0 };
                    Block::new(
                        &scope.at(format!("blocks.{i}")),
                        width,
                        heads,
                        (window, shift),
                    )
                })
                .collect::<Result<_>>()?,
            conv: Partial::new(&scope.at("conv"), channels, Size::Same)?,
            side,
        })
    }

    /// `x [B,C,H,W]` and a mask `[B,1,H,W]`; without a mask everything is known.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        mask: Option<&Tensor>,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let mut x = x.clone();
        let mut mask = mask.cloned();
        if let Some(resize) = &self.resize {
            (x, mask) = apply(resize, &x, mask.as_ref())?;
        }
        let (_, _, height, width) = x.dims4()?;
        if (height, width) != (self.side, self.side) {
            candle_core::bail!("a {height}x{width} map where {0}x{0} was wanted", self.side)
        }
        let mut tokens = x.permute((0, 2, 3, 1))?.contiguous()?;
        let mut known = match &mask {
            Some(mask) => Some(mask.permute((0, 2, 3, 1))?.contiguous()?),
            None => None,
        };
        for block in &self.blocks {
            (tokens, known) = block.forward(&tokens, known.as_ref())?;
        }
        let map = tokens.permute((0, 3, 1, 2))?.contiguous()?;
        let known = match known {
            Some(known) => Some(known.permute((0, 3, 1, 2))?.contiguous()?),
            None => None,
        };
        let (map, known) = apply(&self.conv, &map, known.as_ref())?;
        Ok(((map + x)?, known))
    }
}

fn apply(conv: &Partial, x: &Tensor, mask: Option<&Tensor>) -> Result<(Tensor, Option<Tensor>)> {
    match mask {
        Some(mask) => {
            let (x, mask) = conv.forward(x, mask)?;
            Ok((x, Some(mask)))
        }
        None => Ok((conv.forward_known(x)?, None)),
    }
}
