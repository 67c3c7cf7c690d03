//! What an answer of the network says of the picture and of the noise in a sample.
//!
//! Separate from the steps, which all begin with it. Factors are in f64 over the table's f32 values and are rounded once
//! where they meet a tensor.

use candle_core::{DType, Result, Tensor};

use super::scheduler::{Options, Prediction};

/// `Σ factor · tensor`; factors of 0 are left out, so that what they stand before need not be finite.
pub(super) fn mix(terms: &[(f64, &Tensor)]) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for (factor, tensor) in terms.iter().filter(|(factor, _)| *factor != 0.0) {
        let term = (*tensor * *factor)?;
        sum = Some(match sum {
            Some(sum) => (sum + term)?,
            None => term,
        });
    }
    match (sum, terms.first()) {
        (Some(sum), _) => Ok(sum),
        (None, Some((_, like))) => like.zeros_like(),
        (None, None) => candle_core::bail!("a sum of nothing"),
    }
}

/// How much of the picture and of the noise is in a sample: `z = a x + s ε`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub a: f64,
    pub s: f64,
    /// What the table says of it: `s / a`, on straight lines `s`.
    sigma: f64,
}

impl Share {
    /// Of a share `ᾱ` of the picture's variance.
    pub(super) fn left(left: f64) -> Self {
        let (a, s) = (left.sqrt(), (1.0 - left).max(0.0).sqrt());
        Self { a, s, sigma: s / a }
    }

    /// Of noise over signal.
    fn noise(sigma: f64) -> Self {
        let a = 1.0 / (sigma * sigma + 1.0).sqrt();
        Self {
            a,
            s: sigma * a,
            sigma,
        }
    }

    /// Of the way from picture to noise, 0 to 1.
    fn straight(sigma: f64) -> Self {
        Self {
            a: 1.0 - sigma,
            s: sigma,
            sigma,
        }
    }

    /// Logarithm of signal over noise; infinite without noise.
    pub(super) fn lambda(self) -> f64 {
        self.a.ln() - self.s.ln()
    }

    /// The picture that an answer of the network speaks of.
    pub(super) fn clean(self, wanted: Prediction, z: &Tensor, answer: &Tensor) -> Result<Tensor> {
        match wanted {
            Prediction::Epsilon => mix(&[(1.0 / self.a, z), (-self.s / self.a, answer)]),
            Prediction::Sample => Ok(answer.clone()),
            Prediction::Velocity => mix(&[(self.a, z), (-self.s, answer)]),
            Prediction::Flow => mix(&[(1.0, z), (-self.sigma, answer)]),
        }
    }

    /// The noise that it speaks of.
    pub(super) fn epsilon(self, wanted: Prediction, z: &Tensor, answer: &Tensor) -> Result<Tensor> {
        match wanted {
            Prediction::Epsilon => Ok(answer.clone()),
            Prediction::Sample => self.noise_beside(z, answer),
            Prediction::Velocity => mix(&[(self.a, answer), (self.s, z)]),
            Prediction::Flow => self.noise_beside(z, &self.clean(wanted, z, answer)?),
        }
    }

    /// The noise that is in a sample beside a picture.
    pub(super) fn noise_beside(self, z: &Tensor, clean: &Tensor) -> Result<Tensor> {
        mix(&[(1.0 / self.s, z), (-self.a / self.s, clean)])
    }
}

/// The amounts of noise of a table, the most first and that behind the last step at the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Levels<'a> {
    pub sigmas: &'a [f32],
    /// Whether picture and noise lie on a straight line; see [`super::Table::straight`].
    pub straight: bool,
}

impl Levels<'_> {
    /// The share of the picture at a step; beyond the end there is no noise.
    pub(super) fn share(self, index: usize) -> Share {
        let sigma = self.sigmas.get(index);
        let sigma = sigma.map_or(0.0, |sigma| f64::from(*sigma));
        if self.straight {
            Share::straight(sigma)
        } else {
            Share::noise(sigma)
        }
    }

    /// Steps between them.
    pub(super) fn steps(self) -> usize {
        self.sigmas.len() - 1
    }
}

/// An estimate of the picture pulled into -1 to 1 where few of its values lie outside.
///
/// Saharia et al. 2022, "Photorealistic text-to-image diffusion models", section 2.3: each picture is clamped to ± the
/// bound below which `dynamic_thresholding_ratio` of its absolute values lie, and divided by it. The bound is at least 1
/// and at most `sample_max_value`.
pub(super) fn thresholded(options: &Options, clean: &Tensor) -> Result<Tensor> {
    let ratio = options.dynamic_thresholding_ratio as f32;
    let most = options.sample_max_value as f32;
    let rows = clean
        .flatten_from(1)?
        .to_dtype(DType::F32)?
        .to_vec2::<f32>()?;
    let bounds: Vec<f32> = rows
        .into_iter()
        .map(|mut row| {
            for value in &mut row {
                *value = value.abs();
            }
            quantile(row, ratio).max(1.0).min(most)
        })
        .collect();
    let mut shape = vec![1; clean.rank()];
    shape[0] = bounds.len();
    let bound = Tensor::from_vec(bounds, shape, clean.device())?.to_dtype(clean.dtype())?;
    clean
        .broadcast_minimum(&bound)?
        .broadcast_maximum(&bound.neg()?)?
        .broadcast_div(&bound)
}

/// The value with this share of the others below it, on the line between its neighbours; f32 throughout, because the
/// place between them is rounded in the peer's.
fn quantile(mut values: Vec<f32>, ratio: f32) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    let Some(last) = values.len().checked_sub(1) else {
        return 0.0;
    };
    let rank = ratio * last as f32;
    let (low, high) = (rank.floor() as usize, rank.ceil() as usize);
    let share = rank - rank.floor();
    let (a, b) = (values[low.min(last)], values[high.min(last)]);
    if share < 0.5 {
        a + share * (b - a)
    } else {
        b - (b - a) * (1.0 - share)
    }
}
