//! Convolutions whose weights a style scales (Karras et al. 2020, section 2.2 and eq. 1-3).
//!
//! The style scales the inputs and the norm of the scaled weights divides the outputs, which is the same and needs one
//! kernel for all images of a batch.

use candle_core::{Result, Tensor};

use super::primitive::{Dense, Ending, Size, UNIT, double, resized};
use crate::network::ops;
use crate::network::peer::scope::Scope;

#[derive(Clone, Debug)]
struct Modulated {
    weight: Tensor,
    affine: Dense,
    gain: f64,
    size: Size,
    normalized: bool,
}

impl Modulated {
    fn new(
        scope: &Scope<'_>,
        [input, output, style]: [usize; 3],
        kernel: usize,
        size: Size,
        normalized: bool,
    ) -> Result<Self> {
        scope.ignore("resample_filter")?;
        Ok(Self {
            weight: scope.tensor("weight", (1, output, input, kernel, kernel), UNIT)?,
            affine: Dense::with(
                &scope.at("affine"),
                [style, input],
                Ending::Linear,
                1.0,
                1.0,
            )?,
            gain: 1.0 / ((input * kernel * kernel) as f64).sqrt(),
            size,
            normalized,
        })
    }

    /// `x [B,I,H,W]`, `style [B,S]`.
    fn forward(&self, x: &Tensor, style: &Tensor) -> Result<Tensor> {
        let scale = self.affine.forward(style)?;
        let weight = (self.weight.squeeze(0)? * self.gain)?;
        let x = x.broadcast_mul(&scale.unsqueeze(2)?.unsqueeze(3)?)?;
        let y = resized(&x, &weight, self.size)?;
        if !self.normalized {
            return Ok(y);
        }
        let squares = weight.sqr()?.sum(3)?.sum(2)?;
        let norms = ops::linear(&scale.sqr()?, &squares, None)?;
        let divisor = (norms + 1e-8)?.sqrt()?;
        y.broadcast_div(&divisor.unsqueeze(2)?.unsqueeze(3)?)
    }
}

/// A modulated convolution, perhaps fixed noise, bias, leaky `ReLU`.
#[derive(Clone, Debug)]
pub(super) struct StyleConv {
    conv: Modulated,
    bias: Tensor,
    noise: Option<Tensor>,
}

impl StyleConv {
    /// `side` is that of the result, for the noise that a file may hold.
    pub(super) fn new(
        scope: &Scope<'_>,
        sizes: [usize; 3],
        size: Size,
        side: usize,
    ) -> Result<Self> {
        scope.ignore("resample_filter")?;
        let noise = if scope.has("noise_const") && scope.has("noise_strength") {
            let pattern = scope.constant("noise_const", (side, side), 0.0)?;
            let strength = scope.constant("noise_strength", (), 0.0)?;
            Some(pattern.broadcast_mul(&strength)?)
        } else {
            None
        };
        Ok(Self {
            conv: Modulated::new(&scope.at("conv"), sizes, 3, size, true)?,
            bias: scope.constant("bias", sizes[1], 0.0)?,
            noise,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, style: &Tensor) -> Result<Tensor> {
        let mut y = self.conv.forward(x, style)?;
        if let Some(noise) = &self.noise {
            y = y.broadcast_add(noise)?;
        }
        let y = y.broadcast_add(&self.bias.reshape((1, (), 1, 1))?)?;
        Ending::Leaky.apply(&y, 1.0)
    }
}

/// To the channels of a picture, added to the picture of the level before.
#[derive(Clone, Debug)]
pub(super) struct ToPicture {
    conv: Modulated,
    bias: Tensor,
}

impl ToPicture {
    pub(super) fn new(scope: &Scope<'_>, sizes: [usize; 3]) -> Result<Self> {
        scope.ignore("resample_filter")?;
        Ok(Self {
            conv: Modulated::new(&scope.at("conv"), sizes, 1, Size::Same, false)?,
            bias: scope.constant("bias", sizes[1], 0.0)?,
        })
    }

    pub(super) fn forward(
        &self,
        x: &Tensor,
        style: &Tensor,
        before: Option<&Tensor>,
    ) -> Result<Tensor> {
        let y = self.conv.forward(x, style)?;
        let y = y.broadcast_add(&self.bias.reshape((1, (), 1, 1))?)?;
        match before {
            None => Ok(y),
            Some(before) if before.dims() == y.dims() => y + before,
            Some(before) => y + double(before)?,
        }
    }
}

/// Double, add the skip, convolve, add to the picture: a level of either decoder.
#[derive(Clone, Debug)]
pub(super) struct Level {
    conv0: StyleConv,
    conv1: StyleConv,
    picture: ToPicture,
}

impl Level {
    pub(super) fn new(
        scope: &Scope<'_>,
        [input, output, style, picture]: [usize; 4],
        side: usize,
    ) -> Result<Self> {
        let sizes = [input, output, style];
        let same = [output, output, style];
        Ok(Self {
            conv0: StyleConv::new(&scope.at("conv0"), sizes, Size::Double, side)?,
            conv1: StyleConv::new(&scope.at("conv1"), same, Size::Same, side)?,
            picture: ToPicture::new(&scope.at("toRGB"), [output, picture, style])?,
        })
    }

    /// The features and the picture so far to those of this level.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        picture: Option<&Tensor>,
        style: &Tensor,
        skip: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let x = (self.conv0.forward(x, style)? + skip)?;
        let x = self.conv1.forward(&x, style)?;
        let picture = self.picture.forward(&x, style, picture)?;
        Ok((x, picture))
    }
}
