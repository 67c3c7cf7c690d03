//! A small network that tries to tell drawn patches from real ones: how far drawn films still are from real.
//!
//! Five convolutions on 64 × 64 patches whose grey ranks are equal, so that neither brightness nor contrast gives the
//! answer, only texture. Films are split, not patches: no film is both trained on and judged. Separate from the lessons
//! because nothing of it is kept.

use candle_core::{Device, Result, Tensor};

use super::data::{image_tensor, indices};
use super::lesson::auroc;
use super::loss;
use super::optimizer::{AdamW, Rates};
use crate::grid::Grid;
use crate::network::layers::{Convolution, Linear, Norm, Start};
use crate::network::weights::Weights;
use crate::noise::Noise;

/// Side of a patch, pixels.
const SIDE: usize = 64;
/// Patches a step.
const BATCH: usize = 16;

struct Critic {
    blocks: Vec<(Convolution, Norm)>,
    head: Linear,
}

impl Critic {
    fn new(weights: &Weights) -> Result<Self> {
        let vb = weights.builder();
        let widths = [1, 16, 24, 32, 48, 64];
        let blocks = (0..5).map(|i| {
            let vb = vb.pp(format!("block{i}"));
            Ok((
                Convolution::halving(&vb.pp("conv"), [widths[i], widths[i + 1]])?,
                Norm::new(&vb.pp("norm"), widths[i + 1])?,
            ))
        });
        Ok(Self {
            blocks: blocks.collect::<Result<_>>()?,
            head: Linear::new(&vb.pp("head"), [64, 1], Start::Random)?,
        })
    }

    /// `[B,1,64,64]` to `[B,1]`: above 0 where drawn.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for (convolution, norm) in &self.blocks {
            x = norm.forward_silu(&convolution.forward(&x)?)?;
        }
        self.head.forward(&x.mean(3)?.mean(2)?)
    }
}

/// A patch with its grey replaced by its rank, −1 to 1; equal greys share their mean rank.
fn ranked(film: &Grid<f32>, x0: usize, y0: usize, noise: &mut Noise) -> Grid<f32> {
    let mut patch = Grid::from_fn(SIDE, SIDE, |x, y| film[(x0 + x, y0 + y)]);
    let flipped = noise.chance(0.5);
    if flipped {
        patch = Grid::from_fn(SIDE, SIDE, |x, y| patch[(SIDE - 1 - x, y)]);
    }
    let mut order: Vec<usize> = (0..patch.len()).collect();
    order.sort_by(|a, b| patch.cells()[*a].total_cmp(&patch.cells()[*b]));
    let mut out = patch.clone();
    let mut start = 0;
    while start < order.len() {
        let value = patch.cells()[order[start]];
        let same = order[start..]
            .iter()
            .take_while(|i| patch.cells()[**i].total_cmp(&value).is_eq());
        let end = start + same.count();
        let rank = (start + end - 1) as f32 / (order.len() - 1) as f32 - 1.0;
        for i in &order[start..end] {
            out.cells_mut()[*i] = rank;
        }
        start = end;
    }
    out
}

/// A patch that is mostly anatomy; `None` where thirty tries find none.
fn patch(film: &Grid<f32>, noise: &mut Noise) -> Option<Grid<f32>> {
    let (w, h) = film.size();
    if w < SIDE || h < SIDE {
        return None;
    }
    (0..30).find_map(|_| {
        let (x0, y0) = (noise.index(w - SIDE + 1), noise.index(h - SIDE + 1));
        let lit = (0..SIDE)
            .flat_map(|y| &film.row(y0 + y)[x0..x0 + SIDE])
            .filter(|v| **v > 0.06)
            .count();
        (10 * lit > 9 * SIDE * SIDE).then(|| ranked(film, x0, y0, noise))
    })
}

/// Area under the ROC curve of the trained network on films it has not seen; .5 = it cannot tell, 1 = always.
///
/// Films are grey 0–1 of one scale; half of each kind trains for `steps` steps, half is judged. `None` with fewer than
/// two films of a kind that hold a patch.
pub fn told_apart(
    drawn: &[Grid<f32>],
    real: &[Grid<f32>],
    seed: u64,
    steps: usize,
) -> Result<Option<f64>> {
    let mut noise = Noise::new(seed, 0x7061_7463);
    let usable = |films: &[Grid<f32>], noise: &mut Noise| -> Vec<Grid<f32>> {
        let fits = films.iter().filter(|film| patch(film, noise).is_some());
        fits.cloned().collect()
    };
    let (drawn, real) = (usable(drawn, &mut noise), usable(real, &mut noise));
    if drawn.len() < 2 || real.len() < 2 {
        return Ok(None);
    }
    let weights = Weights::new(seed);
    let critic = Critic::new(&weights)?;
    let mut optimizer = AdamW::new(&weights)?;
    let rates = Rates {
        rate: 2e-3,
        weight_decay: 0.01,
        clip: 1.0,
        average: 0.0,
    };
    let batch = |from: [std::ops::Range<usize>; 2], noise: &mut Noise| {
        let mut patches = Vec::with_capacity(BATCH);
        let mut truth = Vec::with_capacity(BATCH);
        while patches.len() < BATCH {
            let is_drawn = patches.len() % 2 == 0;
            let (films, range) = if is_drawn {
                (&drawn, &from[0])
            } else {
                (&real, &from[1])
            };
            let film = &films[range.start + indices(noise, range.len(), 1)[0]];
            if let Some(patch) = patch(film, noise) {
                patches.push(patch);
                truth.push(if is_drawn { 1.0_f32 } else { 0.0 });
            }
        }
        (patches, truth)
    };
    let half = [drawn.len() / 2, real.len() / 2];
    for _ in 0..steps {
        let (patches, truth) = batch([0..half[0], 0..half[1]], &mut noise);
        let truth = Tensor::from_vec(truth, (BATCH, 1), &Device::Cpu)?;
        let logits = critic.forward(&image_tensor(&patches)?)?;
        let loss = loss::binary(&logits, &truth, &truth.ones_like()?)?;
        optimizer.step(&loss.backward()?, &rates)?;
    }
    let mut scored = Vec::new();
    for _ in 0..24 {
        let held = [half[0]..drawn.len(), half[1]..real.len()];
        let (patches, truth) = batch(held, &mut noise);
        let logits = critic.forward(&image_tensor(&patches)?)?;
        let logits: Vec<f32> = logits.flatten_all()?.to_vec1()?;
        scored.extend(logits.into_iter().zip(truth.into_iter().map(|t| t > 0.5)));
    }
    Ok(auroc(scored))
}
