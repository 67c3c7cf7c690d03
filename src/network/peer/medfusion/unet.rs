//! The U-Net; its skips are added.

use candle_core::{DType, Result, Tensor, bail};
use candle_nn::Init;
use serde::Deserialize;

use super::block::{Block, Down, Up, check};
use crate::network::peer::diffusion::TimeEmbedding;
use crate::network::peer::layers::{Conv, Taps};
use crate::network::peer::scope::Scope;

/// Settings with the names of the program's arguments.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Channels of a latent.
    pub in_ch: usize,
    /// Channels of the estimate.
    pub out_ch: usize,
    /// Channels of each level.
    pub hid_chs: Vec<usize>,
    /// Strides before each level; the first is 1.
    pub strides: Vec<usize>,
    /// Groups of all norms.
    pub norm_groups: usize,
    /// Sinusoids of time.
    pub time_pos_dim: usize,
    /// Width of the time embedding.
    pub time_emb_dim: usize,
    /// What the embedding of labels is made with; absent where there is none, or where the file shows it.
    pub cond_embedder_kwargs: Option<Labels>,
}

/// Settings of the embedding of labels, `LabelEmbedder`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Labels {
    /// How many there are.
    pub num_classes: usize,
}

impl Default for Labels {
    fn default() -> Self {
        Self { num_classes: 2 }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            in_ch: 8,
            out_ch: 8,
            hid_chs: vec![256, 256, 512, 1024],
            strides: vec![1, 2, 2, 2],
            norm_groups: 32,
            time_pos_dim: 256,
            time_emb_dim: 1024,
            cond_embedder_kwargs: None,
        }
    }
}

/// `UNet` of Medfusion.
#[derive(Clone, Debug)]
pub struct Unet {
    time: TimeEmbedding,
    /// A row for each label, `[labels, time_emb_dim]`; published checkpoints with labels have it.
    labels: Option<Tensor>,
    input: Block,
    down: Vec<Down>,
    up: Vec<Up>,
    output: Conv,
}

impl Unet {
    /// Builds it under `scope`.
    pub fn new(scope: &Scope<'_>, config: &Config) -> Result<Self> {
        let widths = &config.hid_chs;
        check(widths, &config.strides)?;
        let (groups, time) = (config.norm_groups, Some(config.time_emb_dim));
        let place = scope.at("time_embedder.time_emb");
        let sizes = [config.time_pos_dim, config.time_emb_dim];
        let levels = widths.len() - 1;
        let first = widths[0];
        Ok(Self {
            time: TimeEmbedding::new(&place.at(1), &place.at(3), sizes, false, 1.0)?,
            labels: labels(scope, config)?,
            input: Block::new(&scope.at("inc"), [config.in_ch, first], groups, time)?,
            down: (0..levels)
                .map(|i| {
                    let channels = [widths[i], widths[i + 1]];
                    let place = scope.at(format!("encoders.{i}"));
                    Down::new(&place, channels, config.strides[i + 1], groups, time)
                })
                .collect::<Result<_>>()?,
            up: (0..levels)
                .map(|i| {
                    let channels = [widths[i + 1], widths[i]];
                    let place = scope.at(format!("decoders.{i}"));
                    Up::new(&place, channels, config.strides[i + 1], groups, time)
                })
                .collect::<Result<_>>()?,
            output: Conv::new(
                &scope.at("outc.conv.conv"),
                [first, config.out_ch],
                Taps::square(1),
            )?,
        })
    }

    /// Whether it reads a label.
    pub fn is_conditional(&self) -> bool {
        self.labels.is_some()
    }

    /// `sample [B,C,H,W]` and times (one, or one an image) to the estimate.
    ///
    /// `condition`, whole numbers, is the label of each image; without it nothing is added for labels.
    pub fn forward(
        &self,
        sample: &Tensor,
        time: &Tensor,
        condition: Option<&Tensor>,
    ) -> Result<Tensor> {
        let batch = sample.dim(0)?;
        let mut time = self.time.forward(time, batch)?;
        if let Some(condition) = condition {
            time = (time + self.embedded(condition, batch)?)?;
        }
        let mut x = self.input.forward(sample, Some(&time))?;
        let mut skips = Vec::with_capacity(self.down.len());
        for level in &self.down {
            skips.push(x.clone());
            x = level.forward(&x, Some(&time))?;
        }
        for level in self.up.iter().rev() {
            x = level.forward(&x, skips.pop().as_ref(), Some(&time))?;
        }
        self.output.forward(&x)
    }

    /// The rows of the labels, `[batch, time_emb_dim]`; an error for labels that there are not.
    fn embedded(&self, condition: &Tensor, batch: usize) -> Result<Tensor> {
        let Some(labels) = &self.labels else {
            bail!("condition: this network reads no labels")
        };
        let rows = labels.dim(0)?;
        let given: Vec<i64> = condition.to_dtype(DType::I64)?.flatten_all()?.to_vec1()?;
        let known = |label: &i64| usize::try_from(*label).is_ok_and(|label| label < rows);
        if given.len() != batch || !given.iter().all(known) {
            bail!(
                "condition: {given:?} for a batch of {batch} and the labels 0 to {}",
                rows - 1
            )
        }
        let picks: Vec<u32> = given.iter().map(|label| *label as u32).collect();
        let picks = Tensor::from_vec(picks, batch, labels.device())?;
        labels.index_select(&picks, 0)
    }
}

/// The table of labels: as many as the settings say, or as the file holds.
fn labels(scope: &Scope<'_>, config: &Config) -> Result<Option<Tensor>> {
    let place = scope.at("cond_embedder.embedding");
    let width = config.time_emb_dim;
    let rows = match &config.cond_embedder_kwargs {
        Some(labels) => labels.num_classes,
        None if scope.is_training() || !place.has("weight") => return Ok(None),
        None => place.builder().get_unchecked("weight")?.dim(0)?,
    };
    if rows == 0 {
        bail!("cond_embedder_kwargs: there are no labels")
    }
    let start = Init::Randn {
        mean: 0.0,
        stdev: 1.0,
    };
    place.tensor("weight", (rows, width), start).map(Some)
}
