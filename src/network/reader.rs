//! The reader: a classifier with five named blocks, whose attention makes the D-score.
//!
//! Separate from the generator because it judges it: it must never be trained on generated images by accident.

use candle_core::{DType, Result, Tensor, Var};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use super::condition::{DECADES, FINDINGS, KINDS};
use super::layers::{Convolution, Linear, Norm, Residual, Start};
use super::ops;
use crate::grid::Grid;

/// Numbers the reader gives: kinds, ages, sex, findings.
pub const LOGITS: usize = KINDS + DECADES + 1 + FINDINGS;
/// Where the ordinal age logits start: logit `k` says that the age is at least `k` decades.
pub const FIRST_AGE: usize = KINDS;
/// Where the logit of "male" is.
pub const SEX: usize = KINDS + DECADES;
/// Where the findings start.
pub const FIRST_FINDING: usize = SEX + 1;

/// Widths of the five blocks, and what the head is told of place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Channels of `block1` to `block5`.
    pub widths: [usize; 5],
    /// Whether the first convolution also sees column and row (−1…1; Liu et al. 2018) and the head also the maxima of
    /// the last block: a finding of one side, or of a few cells, is lost in means alone.
    pub places: bool,
    /// Channels of the pyramid that looks for findings cell by cell, eight pixels a cell (after Lin et al., "Feature
    /// pyramid networks", 2017); 0 = findings are told from the whole image alone.
    pub maps: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            widths: [24, 48, 96, 144, 192],
            places: false,
            maps: 0,
        }
    }
}

impl Config {
    /// A size for tests.
    pub fn tiny() -> Self {
        Self {
            widths: [8, 8, 8, 16, 16],
            places: true,
            maps: 8,
        }
    }
}

#[derive(Clone, Debug)]
struct Block {
    entry: Convolution,
    norm: Norm,
    residual: Residual,
}

/// What the reader gives.
#[derive(Clone, Debug)]
pub struct Read {
    /// `[B,LOGITS]`.
    pub logits: Tensor,
    /// Outputs of `block1` to `block5`, each `[B,C,H,W]`.
    pub blocks: Vec<Tensor>,
    /// Means of the last block over the image, `[B,C]`: the features of the Fréchet distance.
    pub features: Tensor,
    /// Logits of each finding in each cell, `[B,FINDINGS,H/8,W/8]`; the largest is part of the finding's logit.
    pub maps: Option<Tensor>,
}

/// Findings cell by cell: the last three blocks, the coarser ones enlarged, added up.
#[derive(Clone, Debug)]
struct Maps {
    sides: [Convolution; 3],
    norm: Norm,
    residual: Residual,
    exit: Convolution,
}

impl Maps {
    /// Reads `side3` to `side5`, `norm`, `residual`, `exit`.
    fn new(vb: &VarBuilder<'_>, config: &Config) -> Result<Self> {
        let width = config.maps;
        let side = |block: usize| {
            let from = config.widths[block - 1];
            let vb = vb.pp(format!("side{block}"));
            Convolution::one(&vb, [from, width], Start::Random)
        };
        Ok(Self {
            sides: [side(3)?, side(4)?, side(5)?],
            norm: Norm::new(&vb.pp("norm"), width)?,
            residual: Residual::new(&vb.pp("residual"), [width, width])?,
            exit: Convolution::one(&vb.pp("exit"), [width, FINDINGS], Start::Zero)?,
        })
    }

    fn forward(&self, blocks: &[Tensor]) -> Result<Tensor> {
        let mut sum = self.sides[2].forward(&blocks[4])?;
        for level in [1, 0] {
            let finer = self.sides[level].forward(&blocks[2 + level])?;
            sum = ops::add(&finer, &ops::upsample_nearest_2x(&sum)?)?;
        }
        let x = self.norm.forward_silu(&sum)?;
        self.exit.forward(&self.residual.forward(&x, None)?)
    }
}

/// The reader.
#[derive(Clone, Debug)]
pub struct Reader {
    first: Convolution,
    blocks: Vec<Block>,
    head: Linear,
    places: bool,
    maps: Option<Maps>,
}

impl Reader {
    /// Reads `first`, `block1` to `block5`, `head`, and `maps` where there are any.
    pub fn new(vb: &VarBuilder<'_>, config: &Config) -> Result<Self> {
        let mut from = config.widths[0];
        let mut blocks = Vec::new();
        for (i, &width) in config.widths.iter().enumerate() {
            let vb = vb.pp(format!("block{}", i + 1));
            let stride = if i == 0 { 1 } else { 2 };
            blocks.push(Block {
                entry: Convolution::new(&vb.pp("entry"), [from, width], 3, stride, Start::Random)?,
                norm: Norm::new(&vb.pp("norm"), width)?,
                residual: Residual::new(&vb.pp("residual"), [width, width])?,
            });
            from = width;
        }
        let (seen, told) = if config.places {
            (4 + 2, 2 * from)
        } else {
            (4, from)
        };
        Ok(Self {
            first: Convolution::three(&vb.pp("first"), [seen, config.widths[0]])?,
            blocks,
            head: Linear::new(&vb.pp("head"), [told, LOGITS], Start::Random)?,
            places: config.places,
            maps: (config.maps > 0)
                .then(|| Maps::new(&vb.pp("maps"), config))
                .transpose()?,
        })
    }

    /// Reads images `[B,1,H,W]` in −1…1; H and W multiples of 32.
    pub fn forward(&self, image: &Tensor) -> Result<Read> {
        self.forward_with(image, |_, x| Ok(x))
    }

    /// The outputs of the first `count` blocks only: features of a perceptual distance.
    pub fn first_blocks(&self, image: &Tensor, count: usize) -> Result<Vec<Tensor>> {
        let mut x = self.entrance(image)?;
        let mut outputs = Vec::with_capacity(count);
        for block in self.blocks.iter().take(count) {
            x = block.forward(&x)?;
            outputs.push(x.clone());
        }
        Ok(outputs)
    }

    /// The first convolution over the image, four pixels a cell, and over the cells' places.
    fn entrance(&self, image: &Tensor) -> Result<Tensor> {
        let cells = ops::pixel_unshuffle(image, 2)?;
        if !self.places {
            return self.first.forward(&cells);
        }
        let (batch, _, height, width) = cells.dims4()?;
        let along = |count: usize| -> Vec<f32> {
            let middle = (count as f32 - 1.0) / 2.0;
            (0..count)
                .map(|i| (i as f32 - middle) / middle.max(1.0))
                .collect()
        };
        let plane = |numbers: Vec<f32>, shape: (usize, usize, usize, usize)| {
            Tensor::from_vec(numbers, shape, cells.device())?
                .to_dtype(cells.dtype())?
                .broadcast_as((batch, 1, height, width))?
                .contiguous()
        };
        let columns = plane(along(width), (1, 1, 1, width))?;
        let rows = plane(along(height), (1, 1, height, 1))?;
        self.first
            .forward(&Tensor::cat(&[&cells, &columns, &rows], 1)?)
    }

    fn forward_with(
        &self,
        image: &Tensor,
        mut after: impl FnMut(usize, Tensor) -> Result<Tensor>,
    ) -> Result<Read> {
        let mut x = self.entrance(image)?;
        let mut outputs = Vec::with_capacity(self.blocks.len());
        for (i, block) in self.blocks.iter().enumerate() {
            x = after(i, block.forward(&x)?)?;
            outputs.push(x.clone());
        }
        let last = x.to_dtype(DType::F32)?;
        let features = last.mean((2, 3))?;
        let told = if self.places {
            Tensor::cat(&[&features, &last.flatten_from(2)?.max(2)?], 1)?
        } else {
            features.clone()
        };
        let mut logits = self.head.forward(&told)?.to_dtype(DType::F32)?;
        let maps = match &self.maps {
            Some(maps) => Some(maps.forward(&outputs)?.to_dtype(DType::F32)?),
            None => None,
        };
        if let Some(maps) = &maps {
            let most = maps.flatten_from(2)?.max(2)?;
            let before = logits.narrow(1, 0, FIRST_FINDING)?;
            let findings = (logits.narrow(1, FIRST_FINDING, FINDINGS)? + most)?;
            logits = Tensor::cat(&[before, findings], 1)?;
        }
        Ok(Read {
            logits,
            blocks: outputs,
            features,
            maps,
        })
    }
}

impl Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.norm.forward_silu(&self.entry.forward(x)?)?;
        self.residual.forward(&x, None)
    }
}

/// One Grad-CAM map for each of the five blocks (Selvaraju et al. 2017) of the reader's own opinion: the strongest
/// present finding, or the kind of the image when it sees none.
///
/// `image [1,1,H,W]` in −1…1; map `i` has the size of block `i + 1`: H/2, H/4, … H/32.
pub fn saliency(reader: &Reader, image: &Tensor) -> Result<Vec<Grid<f32>>> {
    let read = reader.forward(image)?;
    let logits: Vec<f32> = read.logits.flatten_all()?.to_vec1()?;
    let strongest = |from: usize, count: usize| {
        (from..from + count).max_by(|a, b| logits[*a].total_cmp(&logits[*b]))
    };
    let finding = strongest(FIRST_FINDING, FINDINGS).filter(|i| logits[*i] > 0.0);
    let logit = finding.or_else(|| strongest(0, KINDS)).unwrap_or(0);
    saliency_of(reader, image, logit)
}

/// [`saliency`] of one logit: the request's finding, say.
pub fn saliency_of(reader: &Reader, image: &Tensor, logit: usize) -> Result<Vec<Grid<f32>>> {
    // The gradient store keeps leaves only: a zero leaf added to a block's output carries its gradient.
    let mut leaves: Vec<Var> = Vec::new();
    let read = reader.forward_with(image, |_, x| {
        let leaf = Var::zeros(x.shape(), x.dtype(), x.device())?;
        let sum = (x + leaf.as_tensor())?;
        leaves.push(leaf);
        Ok(sum)
    })?;
    let answer = read.logits.narrow(1, logit.min(LOGITS - 1), 1)?.sum_all()?;
    let gradients = answer.backward()?;
    read.blocks
        .iter()
        .zip(&leaves)
        .map(|(output, leaf)| {
            let (_, channels, height, width) = output.dims4()?;
            let gradient = match gradients.get(leaf) {
                Some(gradient) => gradient.clone(),
                None => output.zeros_like()?,
            };
            let weight = gradient.mean((2, 3))?.reshape((1, channels, 1, 1))?;
            let map = output.detach().broadcast_mul(&weight)?.sum(1)?.relu()?;
            let map = map.to_dtype(DType::F32)?;
            let cells: Vec<f32> = map.flatten_all()?.to_vec1()?;
            let cells = cells
                .into_iter()
                .map(|value| if value.is_finite() { value } else { 0.0 })
                .collect();
            Grid::from_vec(width, height, cells)
                .ok_or_else(|| candle_core::Error::Msg("map of another size".to_owned()))
        })
        .collect()
}
