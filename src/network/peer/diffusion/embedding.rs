//! Time as a vector.
//!
//! Separate from the U-Nets: `ControlNet` and Medfusion embed time the same way.

use candle_core::{DType, Result, Tensor, bail};

use crate::network::ops;
use crate::network::peer::layers::{Linear, linear};
use crate::network::peer::scope::Scope;

/// Sinusoids of time through two linear layers (Ho et al. 2020, after Vaswani et al. 2017).
#[derive(Clone, Debug)]
pub struct TimeEmbedding {
    width: usize,
    cosine_first: bool,
    shift: f64,
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
            linear_1: linear(first, [width, output], true)?,
            linear_2: linear(second, [output, output], true)?,
        })
    }

    /// `time`, one number or one for each of `batch` images, to `[batch, output]`.
    pub fn forward(&self, time: &Tensor, batch: usize) -> Result<Tensor> {
        let embedded = self.linear_1.forward(&self.sinusoids(time, batch)?)?;
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
