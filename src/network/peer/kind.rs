//! Which network a name stands for, and its inputs and outputs by name.
//!
//! The one place that knows all of them; the networks do not know each other.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use candle_core::{DType, Error, Result, Tensor, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::classifier::plain::inception::InceptionFid;
use super::classifier::{self, Classifier};
use super::diffusion::{self, AutoencoderKl, ControlNet, Family, Unet};
use super::inpaint::{self, Discriminator, Generator};
use super::medfusion;
use super::perceptual::{Lpips, Vgg19Features};
use super::scope::Scope;
use super::segment::{Segformer, SegformerConfig};
use super::text::{ClipText, ClipTextConfig};
use super::translate::{self, PatchDiscriminator, ResnetGenerator};

/// Tensors that go into a network, by name; it remembers which were asked for.
#[derive(Debug, Default)]
pub struct Inputs {
    tensors: BTreeMap<String, Tensor>,
    used: RefCell<BTreeSet<String>>,
}

impl Inputs {
    /// Over tensors by name.
    pub fn new(tensors: BTreeMap<String, Tensor>) -> Self {
        Self {
            tensors,
            used: RefCell::default(),
        }
    }

    /// An input as it is; an error that names it when it is missing.
    pub fn raw(&self, name: &str) -> Result<&Tensor> {
        self.used.borrow_mut().insert(name.to_owned());
        self.tensors.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.tensors.keys().map(String::as_str).collect();
            Error::Msg(format!(
                "input {name} is missing; there are {}",
                names.join(", ")
            ))
        })
    }

    /// An input as it is, where there is one.
    pub fn optional(&self, name: &str) -> Option<&Tensor> {
        self.used.borrow_mut().insert(name.to_owned());
        self.tensors.get(name)
    }

    /// An input in f32.
    pub fn get(&self, name: &str) -> Result<Tensor> {
        self.raw(name)?.to_dtype(DType::F32)?.contiguous()
    }

    /// A picture `[B,C,H,W]` of so many channels.
    pub fn picture(&self, name: &str, channels: usize) -> Result<Tensor> {
        let picture = self.get(name)?;
        match picture.dims() {
            [batch, c, height, width] if *c == channels && batch * height * width > 0 => {
                Ok(picture)
            }
            dims => bail!("input {name} is {dims:?}, wanted [B,{channels},H,W]"),
        }
    }

    /// Names that no one asked for.
    pub fn unused(&self) -> Vec<&str> {
        let used = self.used.borrow();
        self.tensors
            .keys()
            .map(String::as_str)
            .filter(|name| !used.contains(*name))
            .collect()
    }
}

/// Results by name.
pub type Outputs = BTreeMap<String, Tensor>;

/// A network of another program.
pub trait Network: std::fmt::Debug {
    /// Computes its outputs; an error for inputs that are missing or do not fit.
    fn forward(&self, inputs: &Inputs) -> Result<Outputs>;
}

fn one(name: &str, tensor: Tensor) -> Outputs {
    Outputs::from([(name.to_owned(), tensor)])
}

fn two(names: [&str; 2], [a, b]: [Tensor; 2]) -> Outputs {
    Outputs::from([(names[0].to_owned(), a), (names[1].to_owned(), b)])
}

impl Network for Classifier {
    fn forward(&self, inputs: &Inputs) -> Result<Outputs> {
        let image = inputs.picture("image", 3)?;
        Ok(one("logits", self.forward(&image)?))
    }
}

impl Network for InceptionFid {
    fn forward(&self, inputs: &Inputs) -> Result<Outputs> {
        let image = inputs.picture("image", 3)?;
        Ok(one("features", self.forward(&image)?))
    }
}

impl Network for Segformer {
    fn forward(&self, inputs: &Inputs) -> Result<Outputs> {
        Ok(one("logits", self.forward(&inputs.get("image")?)?))
    }
}

impl Network for ClipText {
    fn forward(&self, inputs: &Inputs) -> Result<Outputs> {
        let states = self.forward(inputs.raw("input_ids")?)?;
        Ok(one("last_hidden_state", states))
    }
}

impl Network for AutoencoderKl {
    fn forward(&self, inputs: &Inputs) -> Result<Outputs> {
        let (mean, _) = self.encoder.encode(&inputs.get("image")?)?;
        let decoded = self.decoder.decode(&mean)?;
        Ok(two(["latent_mean", "decoded"], [mean, decoded]))
    }
}

impl Network for medfusion::Autoencoder {
    fn forward(&self, inputs: &Inputs) -> Result<Outputs> {
        let (mean, _) = self.encode(&inputs.get("image")?)?;
        let decoded = self.decode(&mean)?;
        Ok(two(["latent_mean", "decoded"], [mean, decoded]))
    }
}

impl Network for medfusion::Unet {
    fn forward(&self, inputs: &Inputs) -> Result<Outputs> {
        let condition = self.is_conditional().then(|| inputs.optional("condition"));
        let (sample, time) = (inputs.get("sample")?, inputs.raw("timestep")?);
        let result = self.forward(&sample, time, condition.flatten())?;
        Ok(one("sample", result))
    }
}

impl Network for Generator {
    fn forward(&self, inputs: &Inputs) -> Result<Outputs> {
        let (image, mask) = (inputs.get("image")?, inputs.get("mask")?);
        let keep = [inputs.get("drop1")?, inputs.get("drop2")?];
        let made = self.forward(&image, &mask, &inputs.get("z")?, [&keep[0], &keep[1]], 1.0)?;
        Ok(two(["image", "stage1"], [made.image, made.first]))
    }
}

impl Network for Discriminator {
    fn forward(&self, inputs: &Inputs) -> Result<Outputs> {
        let (image, mask) = (inputs.get("image")?, inputs.get("mask")?);
        let logits = self.forward(&image, &inputs.get("stage1")?, &mask)?;
        Ok(two(["logits", "logits_stage1"], logits))
    }
}

impl Network for ResnetGenerator {
    fn forward(&self, inputs: &Inputs) -> Result<Outputs> {
        Ok(one("image", self.forward(&inputs.get("image")?)?))
    }
}

impl Network for PatchDiscriminator {
    fn forward(&self, inputs: &Inputs) -> Result<Outputs> {
        Ok(one("logits", self.forward(&inputs.get("image")?)?))
    }
}

impl Network for Lpips {
    fn forward(&self, inputs: &Inputs) -> Result<Outputs> {
        let (a, b) = (inputs.picture("image0", 3)?, inputs.picture("image1", 3)?);
        Ok(one("distance", self.forward(&a, &b)?))
    }
}

impl Network for Vgg19Features {
    fn forward(&self, inputs: &Inputs) -> Result<Outputs> {
        let maps = self.forward(&inputs.picture("image", 3)?)?;
        Ok(two(["conv4_4", "conv5_4"], maps))
    }
}

#[derive(Debug)]
struct Denoiser {
    network: Unet,
    channels: usize,
    conditional: bool,
}

impl Network for Denoiser {
    fn forward(&self, inputs: &Inputs) -> Result<Outputs> {
        let sample = inputs.picture("sample", self.channels)?;
        let time = inputs.raw("timestep")?;
        let text = self
            .conditional
            .then(|| inputs.get("encoder_hidden_states"))
            .transpose()?;
        let guidance = self.network.guidance_width();
        let guidance = guidance.and_then(|_| inputs.optional("timestep_cond"));
        let sides = (text.as_ref(), guidance);
        let result = self.network.forward_guided(&sample, time, sides, None)?;
        Ok(one("sample", result))
    }
}

#[derive(Debug)]
struct Control {
    network: ControlNet,
    channels: usize,
    scale: f64,
}

impl Network for Control {
    fn forward(&self, inputs: &Inputs) -> Result<Outputs> {
        let residuals = self.network.forward(
            &inputs.picture("sample", self.channels)?,
            inputs.raw("timestep")?,
            &inputs.get("encoder_hidden_states")?,
            &inputs.get("controlnet_cond")?,
            self.scale,
        )?;
        let mut outputs = one("mid_block_res_sample", residuals.middle);
        for (i, skip) in residuals.skips.into_iter().enumerate() {
            outputs.insert(format!("down_block_res_samples.{i}"), skip);
        }
        Ok(outputs)
    }
}

/// How the names of a file become those of the network `name`: what begins with one of the first belongs to other
/// networks in the same file, and the first of the second that all the others begin with is left out.
pub(super) fn prefixes(name: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match name {
        "medfusion-vae" => (
            &[
                "perceiver.",
                "latent_embedder.perceiver.",
                "noise_estimator.",
                "noise_scheduler.",
            ],
            &["latent_embedder."],
        ),
        "medfusion-unet" => (
            &["latent_embedder.", "noise_scheduler."],
            &["noise_estimator."],
        ),
        // The layers of translators are called `model` themselves.
        "cyclegan-resnet" | "cyclegan-discriminator" => (&[], &["module."]),
        _ => (&[], &["module.", "model."]),
    }
}

fn settings<C: DeserializeOwned>(config: &Value) -> Result<C> {
    serde_json::from_value(config.clone())
        .map_err(|error| Error::Msg(format!("the configuration cannot be used: {error}")))
}

fn unet_settings(config: &Value, family: Family) -> Result<diffusion::Config> {
    diffusion::Config::read(config, family).map_err(Error::Msg)
}

/// Builds the network called `name` with the peer's own settings; an error names what is unknown or does not fit.
pub fn build(name: &str, config: &Value, scope: &Scope<'_>) -> Result<Box<dyn Network>> {
    Ok(match name {
        "unet-2d-condition" | "unet-2d" => {
            let conditional = name == "unet-2d-condition";
            let family = if conditional {
                Family::Conditional
            } else {
                Family::Unconditional
            };
            let config = unet_settings(config, family)?;
            Box::new(Denoiser {
                network: Unet::new(scope, &config)?,
                channels: config.in_channels,
                conditional,
            })
        }
        "controlnet" => {
            let config = unet_settings(config, Family::Control)?;
            Box::new(Control {
                network: ControlNet::new(scope, &config)?,
                channels: config.in_channels,
                scale: config.conditioning_scale,
            })
        }
        "autoencoder-kl" => {
            let mut config: diffusion::AutoencoderConfig = settings(config)?;
            // The peer goes through in tiles only when told so.
            config.use_tiling.get_or_insert(false);
            Box::new(AutoencoderKl::new(scope, &config)?)
        }
        "clip-text" => {
            let config: ClipTextConfig = settings(config)?;
            Box::new(ClipText::new(scope, &config)?)
        }
        "segformer" => {
            let config: SegformerConfig = settings(config)?;
            Box::new(Segformer::new(scope, &config)?)
        }
        "inception-fid" => Box::new(InceptionFid::new(scope)?),
        "mat" => Box::new(Generator::new(
            scope,
            &settings::<inpaint::Config>(config)?,
        )?),
        "mat-discriminator" => Box::new(Discriminator::new(
            scope,
            &settings::<inpaint::Config>(config)?,
        )?),
        "cyclegan-resnet" => Box::new(ResnetGenerator::new(
            scope,
            &settings::<translate::Config>(config)?,
        )?),
        "cyclegan-discriminator" => Box::new(PatchDiscriminator::new(
            scope,
            &settings::<translate::Config>(config)?,
        )?),
        "medfusion-vae" => Box::new(medfusion::Autoencoder::new(scope, &settings(config)?)?),
        "medfusion-unet" => Box::new(medfusion::Unet::new(scope, &settings(config)?)?),
        "lpips" => Box::new(Lpips::new(scope)?),
        "vgg19-features" => Box::new(Vgg19Features::new(scope)?),
        _ => Box::new(classifier::build(scope, &settings(config)?, name)?),
    })
}
