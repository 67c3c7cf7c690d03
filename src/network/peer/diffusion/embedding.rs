//! Time as a vector.
//!
//! Separate from the U-Nets: `ControlNet` and Medfusion embed time the same way.

use candle_core::{DType, Device, Result, Tensor, bail};

use crate::network::device::beside;
use crate::network::ops;
use crate::network::peer::layers::{Linear, linear};
use crate::network::peer::scope::Scope;

/// Sinusoids of time through two linear layers (Ho et al. 2020, after Vaswani et al. 2017).
#[derive(Clone, Debug)]
pub struct TimeEmbedding {
    width: usize,
    cosine_first: bool,
    shift: f64,
    /// From the embedding of guidance to the sinusoids.
    guidance: Option<Linear>,
    linear_1: Linear,
    linear_2: Linear,
}

impl TimeEmbedding {
    /// `width` sinusoids to `output` numbers; `shift` is subtracted from the number of frequencies.
    pub fn new(
        first: &Scope<'_>,
        second: &Scope<'_>,
        [width, output]: [usize; 2],
        cosine_first: bool,
        shift: f64,
    ) -> Result<Self> {
        Ok(Self {
            width,
            cosine_first,
            shift,
            guidance: None,
            linear_1: linear(first, [width, output], true)?,
            linear_2: linear(second, [output, output], true)?,
        })
    }

    /// One that knows how far it is guided (Luo et al. 2023, "Latent consistency models"), from `width` numbers.
    pub fn guided(mut self, scope: &Scope<'_>, width: usize) -> Result<Self> {
        self.guidance = Some(linear(scope, [width, self.width], false)?);
        Ok(self)
    }

    /// `time`, one number or one for each of `batch` images, to `[batch, output]`.
    pub fn forward(&self, time: &Tensor, batch: usize) -> Result<Tensor> {
        self.forward_guided(time, batch, None)
    }

    /// [`Self::forward`] with the embedding of the guidance, `[batch or 1, width]`, if any.
    pub fn forward_guided(
        &self,
        time: &Tensor,
        batch: usize,
        guidance: Option<&Tensor>,
    ) -> Result<Tensor> {
        let mut sinusoids = self.sinusoids(time, batch)?;
        match (&self.guidance, guidance) {
            (Some(layer), Some(guidance)) => {
                let told = beside(&layer.forward(guidance)?, &sinusoids)?;
                sinusoids = sinusoids.broadcast_add(&told)?;
            }
            (None, Some(_)) => {
                bail!("timestep_cond: this network is not told how far it is guided")
            }
            (_, None) => {}
        }
        let embedded = self.linear_1.forward(&sinusoids)?;
        self.linear_2.forward(&ops::silu(&embedded)?)
    }

    /// `[batch, width]`: `sin(t f_k)` and `cos(t f_k)`, `f_k = 10000^(-k / (width/2 - shift))`.
    fn sinusoids(&self, time: &Tensor, batch: usize) -> Result<Tensor> {
        let times: Vec<f32> = time.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        if times.len() != 1 && times.len() != batch {
            bail!("timestep: {} values for a batch of {batch}", times.len())
        }
        let half = self.width / 2;
        let rate = -(10000_f64.ln()) as f32;
        let below = (half as f64 - self.shift) as f32;
        let mut values = Vec::with_capacity(batch * self.width);
        for image in 0..batch {
            let time = times[image.min(times.len() - 1)];
            let angles = (0..half).map(|k| time * (rate * k as f32 / below).exp());
            let (sines, cosines): (Vec<f32>, Vec<f32>) =
                angles.map(|angle| (angle.sin(), angle.cos())).unzip();
            if self.cosine_first {
                values.extend(cosines);
                values.extend(sines);
            } else {
                values.extend(sines);
                values.extend(cosines);
            }
            values.extend(std::iter::repeat_n(0.0, self.width - 2 * half));
        }
        Tensor::from_vec(values, (batch, self.width), time.device())
    }
}

/// The embedding `[1, width]` of a guidance `w`, ≥ 1, for networks that were taught it: sines and cosines of
/// `1000 (w - 1)` (Kingma et al. 2021, section 3; `get_guidance_scale_embedding` of diffusers).
pub fn guidance_embedding(guidance: f64, width: usize, device: &Device) -> Result<Tensor> {
    let half = width / 2;
    let rate = (10000_f64.ln() / (half.max(2) - 1) as f64) as f32;
    let scaled = (guidance - 1.0) as f32 * 1000.0;
    let angles = (0..half).map(|k| scaled * (-rate * k as f32).exp());
    let (mut values, cosines): (Vec<f32>, Vec<f32>) =
        angles.map(|angle| (angle.sin(), angle.cos())).unzip();
    values.extend(cosines);
    values.resize(width, 0.0);
    Tensor::from_vec(values, (1, width), device)
}
