//! How fast a whole denoiser runs and learns: one picture, four, and a training step of sixteen.
//!
//! Separate from the single operations: here also what lies between them counts, and the memory of a step.

use std::path::Path;
use std::time::Duration;

use candle_core::{Device, Result, Tensor};

use super::{CALLS, Figure, fingerprint, input, usual};
use crate::network::denoiser::{Config, Denoiser};
use crate::network::folder::{DiffusionConfig, ModelFolder};
use crate::network::ops;
use crate::network::weights::Weights;

/// Pictures in a training step.
const BATCH: usize = 16;
/// Rows and columns of a latent at 256 × 256 pixels.
const SIDE: usize = 32;

/// The denoiser of a diffusion model folder with trainable weights.
fn denoiser(folder: &Path, device: &Device) -> Result<(Denoiser, Weights, Config)> {
    let failed =
        |error: crate::network::folder::ModelError| candle_core::Error::Msg(error.to_string());
    let folder = ModelFolder::open(folder).map_err(failed)?;
    let config: DiffusionConfig = folder.configuration().map_err(failed)?;
    let weights = Weights::on(1, device);
    let network = Denoiser::new(&weights.builder(), &config.denoiser)?;
    let values = folder.tensors().map_err(failed)?;
    let values = values
        .into_iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("denoiser.")?.to_owned(), value)))
        .collect();
    weights.set(&values)?;
    Ok((network, weights, config.denoiser))
}

/// Seconds of a forward pass of 1 and of 4 latents and of a whole training step of 16 (forward, backward, clipping, `AdamW`,
/// average), with fingerprints; and the process's largest memory.
///
/// `folder` is a diffusion model folder. What the condition network adds is left out: it is computed once a picture.
pub fn figures(
    folder: &Path,
    only: &str,
    budget: Duration,
    device: &Device,
) -> Result<Vec<Figure>> {
    let (network, weights, config) = denoiser(folder, device)?;
    let mut figures = Vec::new();
    let mut figure = |name: String, value: f64, unit: &'static str| {
        figures.push(Figure { name, value, unit });
    };
    for batch in [1, 4] {
        let name = format!("unet forward of {batch}");
        if !name.contains(only) {
            continue;
        }
        let x = input(&[batch, config.inputs(), SIDE, SIDE], 1, device)?;
        let condition = input(&[batch, config.embedding], 2, device)?;
        // Without a graph of gradients, as in generation.
        let fixed = weights.tensors().into_iter().collect();
        let vb = candle_nn::VarBuilder::from_tensors(fixed, x.dtype(), x.device());
        let fixed = Denoiser::new(&vb, &config)?;
        let seconds = usual((CALLS, budget), device, || {
            fixed.forward(&x, &condition, None, None).map(drop)
        })?;
        let y = fixed.forward(&x, &condition, None, None)?;
        figure(format!("{name} fingerprint"), fingerprint(&y)?, "");
        figure(name, seconds, "s");
    }
    let name = format!("unet training step of {BATCH}");
    if name.contains(only) {
        let step = Step::new(&network, &weights, &config)?;
        figure(format!("{name} fingerprint"), step.gradient_norm()?, "");
        let mut steps = 0;
        // A step takes seconds: three make a median here, and several rounds one of them.
        let seconds = usual((3, budget), device, || {
            steps += 1;
            step.run(steps)
        })?;
        figure(name, seconds, "s");
    }
    if let Some(bytes) = largest_memory() {
        figure("largest memory".to_owned(), bytes / 1e6, "MB");
    }
    Ok(figures)
}

/// One training step on fixed data.
struct Step<'a> {
    network: &'a Denoiser,
    x: Tensor,
    condition: Tensor,
    target: Tensor,
    slots: Vec<(candle_core::Var, Tensor, Tensor, Tensor)>,
}

impl<'a> Step<'a> {
    fn new(network: &'a Denoiser, weights: &Weights, config: &Config) -> Result<Self> {
        // The embedding takes no part here.
        let device = weights.device();
        let taught = weights.variables().into_iter();
        let taught = taught.filter(|(name, _)| !name.starts_with("embedding."));
        Ok(Self {
            network,
            x: input(&[BATCH, config.inputs(), SIDE, SIDE], 1, device)?,
            condition: input(&[BATCH, config.embedding], 2, device)?,
            target: input(&[BATCH, config.latent, SIDE, SIDE], 3, device)?,
            slots: taught
                .map(|(_, variable)| {
                    let zero = || variable.zeros_like().map(|zero| zero.detach());
                    let average = variable.as_tensor().copy()?.detach();
                    Ok((variable.clone(), zero()?, zero()?, average))
                })
                .collect::<Result<_>>()?,
        })
    }

    fn gradients(&self) -> Result<candle_core::backprop::GradStore> {
        let y = self.network.forward(&self.x, &self.condition, None, None)?;
        (y - &self.target)?.sqr()?.mean_all()?.backward()
    }

    fn gradient_norm(&self) -> Result<f64> {
        let store = self.gradients()?;
        let all: Vec<&Tensor> = self
            .slots
            .iter()
            .filter_map(|slot| store.get(&slot.0))
            .collect();
        ops::gradient_norm(&all)
    }

    fn run(&self, number: usize) -> Result<()> {
        let store = self.gradients()?;
        let all: Vec<&Tensor> = self
            .slots
            .iter()
            .filter_map(|slot| store.get(&slot.0))
            .collect();
        let scale = ops::clip_scale(ops::gradient_norm(&all)?, 1.0);
        let how = ops::AdamW {
            rate: 1e-6,
            ..ops::AdamW::default()
        };
        for ((variable, mean, square, average), gradient) in self.slots.iter().zip(all) {
            ops::adamw_step(variable, gradient, mean, square, how, number, scale)?;
            ops::average_step(average, variable.as_tensor(), 0.999)?;
        }
        Ok(())
    }
}

/// The most memory the process ever held, bytes; known on Linux only.
pub fn largest_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024.0)
}
