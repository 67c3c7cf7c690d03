//! From noise to latent: the steps of flow matching, with guidance and known parts held.
//!
//! The path is straight: `z_t = (1 − t) z + t ε`, and the network gives the velocity `ε − z` (Lipman et al., "Flow
//! matching for generative modeling", 2023; Liu et al., "Rectified flow", 2023). The deterministic sampler is its
//! Euler form, which is what DDIM with η = 0 is on this path; the ancestral one draws fresh noise at every step.

use candle_core::{Result, Tensor};

use crate::job::Sampler;

/// One step of the way: from `t` down to `next`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Where the step begins, 1 = noise.
    pub t: f64,
    /// Where it ends, 0 = image.
    pub next: f64,
    /// Its number, from 0.
    pub index: usize,
}

/// `steps` equal steps from `start` (0–1] to 0, ending exactly there.
pub fn grid(start: f64, steps: usize) -> Vec<Step> {
    let at = |k: usize| start * (1.0 - k as f64 / steps as f64);
    (0..steps)
        .map(|index| Step {
            t: at(index),
            next: if index + 1 == steps {
                0.0
            } else {
                at(index + 1)
            },
            index,
        })
        .collect()
}

/// What is known of the result: `mask` 1 = renew, `latent` holds the known part.
#[derive(Debug)]
pub struct Known<'a> {
    /// `[1,1,h,w]`, 1 = renew, 0 = keep.
    pub mask: &'a Tensor,
    /// `[1,c,h,w]`, latent of the source.
    pub latent: &'a Tensor,
}

/// `(1 − t) z + t ε`.
pub fn noised(z: &Tensor, noise: &Tensor, t: f64) -> Result<Tensor> {
    (z * (1.0 - t))? + (noise * t)?
}

/// Walks from `z` at the first step's time to time 0.
///
/// `velocity(z, step)` is the network, guidance included, and may stop the walk by an error. `fresh(step)` gives the
/// noise that the ancestral sampler mixes in. Where `known` says keep, the latent is put back on the source's own
/// path after every step, with the same noise `first_noise` that the walk began with.
pub fn walk(
    mut z: Tensor,
    first_noise: &Tensor,
    steps: &[Step],
    sampler: Sampler,
    known: Option<&Known<'_>>,
    mut velocity: impl FnMut(&Tensor, &Step) -> Result<Tensor>,
    mut fresh: impl FnMut(&Step) -> Result<Tensor>,
) -> Result<Tensor> {
    for step in steps {
        let v = velocity(&z, step)?;
        z = match sampler {
            Sampler::Ddim => (&z - (v * (step.t - step.next))?)?,
            Sampler::Ddpm => {
                // Clean estimate, then forward again with new noise.
                let clean = (&z - (v * step.t)?)?;
                if step.next > 0.0 {
                    noised(&clean, &fresh(step)?, step.next)?
                } else {
                    clean
                }
            }
        };
        if let Some(known) = known {
            let kept = noised(known.latent, first_noise, step.next)?;
            z = (z.broadcast_mul(known.mask)?
                + kept.broadcast_mul(&known.mask.affine(-1.0, 1.0)?)?)?;
        }
    }
    Ok(z)
}
