//! Classifiers with torchvision's names (and the few of timm and others that the papers used).
//!
//! Separate by age: `plain` are convolutions one after the other, `mobile` are built of depthwise ones, `token` look at
//! all places at once. Dropout and stochastic depth, which change nothing when computing, are left out.

pub mod mobile;
pub mod plain;
pub mod token;

use candle_core::{Error, Result, Tensor};
use serde::Deserialize;

use super::layers::{Chain, Layer};
use super::scope::Scope;

/// What a classifier's configuration says; other keys are not for the network.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Number of logits.
    pub num_classes: usize,
    /// `GoogLeNet` and Inception with published weights: the picture is normalised once more.
    pub transform_input: bool,
    /// Side of the picture that position embeddings are for.
    #[serde(alias = "img_size")]
    pub image_size: usize,
    /// Blocks of a vision transformer, where they are fewer or more than its name says.
    pub depth: Option<usize>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            num_classes: 1000,
            transform_input: false,
            image_size: 224,
            depth: None,
        }
    }
}

/// A classifier in stages, so that maps between them can be looked at.
#[derive(Debug)]
pub struct Classifier {
    stages: Vec<Chain>,
    head: Chain,
}

impl Classifier {
    fn new(stages: Vec<Chain>, head: Chain) -> Self {
        Self { stages, head }
    }

    /// `image [B,3,H,W]`, normalised as the weights want it, to logits `[B,classes]`.
    pub fn forward(&self, image: &Tensor) -> Result<Tensor> {
        let (_, logits) = self.forward_stages(image)?;
        Ok(logits)
    }

    /// The result of every stage, the finest first, and the logits.
    pub fn forward_stages(&self, image: &Tensor) -> Result<(Vec<Tensor>, Tensor)> {
        let mut maps = Vec::with_capacity(self.stages.len());
        let mut x = image.clone();
        for stage in &self.stages {
            x = stage.forward(&x)?;
            maps.push(x.clone());
        }
        let logits = self.head.forward(&x)?;
        Ok((maps, logits))
    }
}

type Build = fn(&Scope<'_>, &Config, &str) -> Result<Option<Classifier>>;

/// Each returns `None` for names of other families.
const FAMILIES: [Build; 14] = [
    plain::alexnet::build,
    plain::vgg::build,
    plain::squeezenet::build,
    plain::resnet::build,
    plain::densenet::build,
    plain::googlenet::build,
    plain::inception::build,
    mobile::mobilenet::build,
    mobile::mnasnet::build,
    mobile::shufflenet::build,
    mobile::efficientnet::build,
    mobile::regnet::build,
    mobile::xception::build,
    token::build,
];

/// The classifier of a name; an error for names that none has.
pub fn build(scope: &Scope<'_>, config: &Config, name: &str) -> Result<Classifier> {
    for family in FAMILIES {
        if let Some(found) = family(scope, config, name)? {
            return Ok(found);
        }
    }
    Err(Error::Msg(format!("no network is called {name}")))
}
