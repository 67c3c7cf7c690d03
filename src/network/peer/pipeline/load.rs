//! Networks of a pipeline out of its folder, and the check that it is whole.
//!
//! Separate from the folder: here weights are read. Parts are read one after the other, and nothing is handed out
//! unless all of them fit each other.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::Error;
use serde_json::Value;

use super::coder::Coder;
use super::dressed::Dressed;
use super::files::{joint, read_json};
use super::folder::{PeerFolder, PeerTask, control_weights, lora_file};
use super::lora::{Changes, Part, layers};
use super::need::Need;
use super::reader::TextReader;
use super::tokenizer::ClipTokenizer;
use crate::network::device::Place;
use crate::network::folder::{ModelError, Store as _};
use crate::network::peer::diffusion::{AutoencoderConfig, Config, ControlNet, Family, Unet};
use crate::network::peer::text::ClipTextConfig;

/// A pipeline that is ready to run.
#[derive(Debug)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// Its hash, changes of weights left out.
    pub hash: String,
    /// Text to numbers.
    pub tokenizer: ClipTokenizer,
    /// Numbers to states.
    pub text: TextReader,
    /// The denoiser.
    pub unet: Unet,
    /// Image to latent and back.
    pub autoencoder: Coder,
    /// `scheduler_config.json`.
    pub scheduler: Value,
    /// See [`PeerFolder::distilled_images`].
    pub distilled_images: bool,
    /// Sizes.
    pub shape: Shape,
    /// Where it runs.
    pub place: Place,
}

/// Sizes of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Channels that the denoiser reads: those of a latent, or twice that and a mask.
    pub channels: usize,
    /// Channels of a latent.
    pub latent: usize,
    /// Channels that the denoiser answers with: those of a latent, or as many again for a learned variance.
    pub answers: usize,
    /// Image pixels a latent pixel.
    pub factor: usize,
    /// Width and height of a generated square, pixels.
    pub size: usize,
    /// Channels of the denoiser's levels and width of the text: what a `ControlNet` must share.
    pub levels: Vec<usize>,
    /// Width of a text state.
    pub text: usize,
}

impl Shape {
    /// Whether the denoiser sees mask and masked image.
    pub const fn inpaints(&self) -> bool {
        self.channels != self.latent
    }
}

/// A `ControlNet` that is ready to run.
#[derive(Debug)]
pub struct PeerControl {
    /// Its name.
    pub name: String,
    /// Its hash.
    pub hash: String,
    /// The network.
    pub network: ControlNet,
    /// Channels of its levels.
    levels: Vec<usize>,
    /// Width of the text it reads.
    text: usize,
    /// Channels of the latent it reads.
    latent: usize,
    /// Hint pixels a latent pixel.
    factor: usize,
}

impl PeerControl {
    /// An error in words where it was made for another denoiser.
    pub fn check_for(&self, shape: &Shape) -> Result<(), String> {
        for (what, own, wanted) in [
            ("channels", &self.levels, &shape.levels),
            ("text width", &vec![self.text], &vec![shape.text]),
            ("latent channels", &vec![self.latent], &vec![shape.latent]),
            (
                "pixels a latent pixel",
                &vec![self.factor],
                &vec![shape.factor],
            ),
        ] {
            if own != wanted {
                return Err(format!("its {what} are {own:?}, the model's {wanted:?}"));
            }
        }
        Ok(())
    }
}

/// The configurations of a pipeline, read and held against each other.
struct Settings {
    unet: Config,
    autoencoder: AutoencoderConfig,
    text: ClipTextConfig,
    scheduler: Value,
    shape: Shape,
}

impl Settings {
    fn read(folder: &PeerFolder) -> Result<Self, ModelError> {
        let at = |part: &str| folder.path.join(part).join("config.json");
        let wrong = |part: &str, what: String| ModelError::Configuration {
            path: at(part),
            what,
        };
        let raw = folder.config("unet")?;
        class(&at("unet"), &raw, "UNet2DConditionModel")?;
        let unet = Config::read(&raw, Family::Conditional).map_err(|what| wrong("unet", what))?;
        let value = folder.config("vae")?;
        class(&at("vae"), &value, "AutoencoderKL")?;
        let autoencoder: AutoencoderConfig =
            serde_json::from_value(value).map_err(|e| wrong("vae", e.to_string()))?;
        autoencoder
            .check_sizes()
            .map_err(|what| wrong("vae", what))?;
        let value = folder.config("text_encoder")?;
        let text: ClipTextConfig = serde_json::from_value(without_nulls(value))
            .map_err(|e| wrong("text_encoder", e.to_string()))?;
        let scheduler = read_json(&folder.path.join("scheduler").join("scheduler_config.json"))?;
        let latent = autoencoder.latent_channels;
        if unet.in_channels != latent && unet.in_channels != 2 * latent + 1 {
            let what = format!(
                "the denoiser reads {} channels; {latent} and, for inpainting, {} are supported",
                unet.in_channels,
                2 * latent + 1
            );
            return Err(wrong("unet", what));
        }
        if unet.out_channels != latent && unet.out_channels != 2 * latent {
            let what = format!(
                "the denoiser answers with {} channels for latents of {latent}",
                unet.out_channels
            );
            return Err(wrong("unet", what));
        }
        if autoencoder.in_channels != 3 || autoencoder.out_channels != 3 {
            return Err(wrong(
                "vae",
                "only pictures of three channels are supported".to_owned(),
            ));
        }
        let width = context(&unet).map_err(|what| wrong("unet", what))?;
        if width != text.hidden_size {
            let what = format!(
                "the denoiser reads text of width {width}, the text encoder writes {}",
                text.hidden_size
            );
            return Err(wrong("unet", what));
        }
        let factor = 1_usize << (autoencoder.block_out_channels.len().clamp(1, 8) - 1);
        let side = &raw["sample_size"];
        let side = side.as_u64().or_else(|| side[0].as_u64()).unwrap_or(64);
        let halvings = 1_usize << (unet.block_out_channels.len().clamp(1, 8) - 1);
        let side = (side as usize).clamp(1, 1024).next_multiple_of(halvings);
        Ok(Self {
            shape: Shape {
                channels: unet.in_channels,
                latent,
                answers: unet.out_channels,
                factor,
                size: side * factor,
                levels: unet.block_out_channels.clone(),
                text: width,
            },
            unet,
            autoencoder,
            text,
            scheduler,
        })
    }

    fn tokenizer(&self, folder: &PeerFolder) -> Result<ClipTokenizer, ModelError> {
        let path = folder.path.join("tokenizer");
        let tokenizer = ClipTokenizer::open(&path)?;
        let (words, known) = (tokenizer.largest() as usize + 1, self.text.vocab_size);
        // A few rows more than words are usual; a thousand are another vocabulary.
        if words > known || known - words > 1024 {
            return Err(ModelError::Configuration {
                path,
                what: format!(
                    "the tokenizer has {words} words, the text encoder {known}: they do not belong together"
                ),
            });
        }
        if tokenizer.length() > self.text.max_position_embeddings {
            return Err(ModelError::Configuration {
                path,
                what: format!(
                    "the tokenizer makes texts of {} numbers, the text encoder reads {}",
                    tokenizer.length(),
                    self.text.max_position_embeddings
                ),
            });
        }
        Ok(tokenizer)
    }
}

/// Keys of old files that say nothing must not stand in for defaults.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect(),
        other => other,
    }
}

fn class(path: &Path, value: &Value, wanted: &str) -> Result<(), ModelError> {
    match value["_class_name"].as_str() {
        None => Ok(()),
        Some(found) if found == wanted => Ok(()),
        Some(found) => Err(ModelError::Task {
            path: path.to_owned(),
            expected: wanted.to_owned(),
            found: found.to_owned(),
        }),
    }
}

fn context(config: &Config) -> Result<usize, String> {
    let widths = config.text_widths()?;
    match widths.split_first() {
        Some((first, others)) if others.iter().all(|width| width == first) => Ok(*first),
        _ => Err(format!("cross_attention_dim {widths:?} is not one width")),
    }
}

fn wanted(folder: &PeerFolder, task: PeerTask, expected: &str) -> Result<(), ModelError> {
    if folder.task == task {
        return Ok(());
    }
    Err(ModelError::Task {
        path: folder.path.clone(),
        expected: expected.to_owned(),
        found: folder.task.name().to_owned(),
    })
}

/// Opens the three files of a pipeline.
fn open_parts(folder: &PeerFolder) -> Result<[Dressed; 3], ModelError> {
    let open = |part: &str| Dressed::open(&folder.weights(part)?);
    Ok([open("text_encoder")?, open("unet")?, open("vae")?])
}

fn named_shapes(part: &Dressed) -> Vec<(String, Vec<usize>)> {
    let names = part.names().into_iter();
    names
        .filter_map(|name| {
            let dims = part.shape(&name)?.dims().to_vec();
            Some((name, dims))
        })
        .collect()
}

/// Reads a pipeline, with changes of its weights; each is a file and the factor on it.
pub fn load_pipeline(
    folder: &PeerFolder,
    loras: &[(PeerFolder, f64)],
    place: &Place,
) -> Result<Pipeline, ModelError> {
    wanted(folder, PeerTask::Pipeline, "diffusers")?;
    let settings = Settings::read(folder)?;
    let tokenizer = settings.tokenizer(folder)?;
    let hash = joint(&folder.hashes()?);
    let [text, unet, autoencoder] = open_parts(folder)?;
    let known = BTreeMap::from([
        (Part::Text, layers(named_shapes(&text))),
        (Part::Unet, layers(named_shapes(&unet))),
    ]);
    let (text_names, unet_names) = (text.names(), unet.names());
    let (mut text_changes, mut unet_changes) = (HashMap::new(), HashMap::new());
    for (lora, weight) in loras {
        wanted(lora, PeerTask::Lora, "lora")?;
        let changes = Changes::read(&lora_file(&lora.path), &known, *weight)?;
        if changes.len() == 0 {
            return Err(ModelError::Configuration {
                path: changes.file().to_owned(),
                what: "it changes nothing".to_owned(),
            });
        }
        changes.take(Part::Text, &text_names, &mut text_changes);
        changes.take(Part::Unet, &unet_names, &mut unet_changes);
    }
    let parts = [
        text.changed(text_changes),
        unet.changed(unet_changes),
        autoencoder,
    ];
    let (text, unet, autoencoder) = build(&settings, parts, place)?;
    Ok(Pipeline {
        name: folder.name.clone(),
        hash,
        tokenizer,
        text,
        unet,
        autoencoder,
        scheduler: settings.scheduler,
        distilled_images: folder.distilled_images,
        shape: settings.shape,
        place: place.clone(),
    })
}

fn build(
    settings: &Settings,
    [text, unet, autoencoder]: [Dressed; 3],
    place: &Place,
) -> Result<(TextReader, Unet, Coder), ModelError> {
    Ok((
        TextReader::new(text, settings.text.clone(), place)?,
        unet.build(place, |scope| Unet::new(scope, &settings.unet))?,
        Coder::new(autoencoder, settings.autoencoder.clone(), place)?,
    ))
}

fn control_settings(folder: &PeerFolder) -> Result<(Config, Dressed), ModelError> {
    wanted(folder, PeerTask::Control, "diffusers-control")?;
    let path = folder.path.join("config.json");
    let value = read_json(&path)?;
    let config = Config::read(&value, Family::Control)
        .map_err(|what| ModelError::Configuration { path, what })?;
    Ok((config, Dressed::open(&control_weights(&folder.path)?)?))
}

/// Reads a `ControlNet`.
pub fn load_peer_control(folder: &PeerFolder, place: &Place) -> Result<PeerControl, ModelError> {
    let (config, weights) = control_settings(folder)?;
    let hash = folder.hash()?;
    let network = weights.build(place, |scope| ControlNet::new(scope, &config))?;
    let text = context(&config).map_err(|what| ModelError::Configuration {
        path: folder.path.join("config.json"),
        what,
    })?;
    let widths = config.conditioning_embedding_out_channels.len();
    Ok(PeerControl {
        name: folder.name.clone(),
        hash,
        network,
        text,
        latent: config.in_channels,
        factor: 1 << (widths.clamp(1, 8) - 1),
        levels: config.block_out_channels,
    })
}

/// What it takes to run a model, from the headers of its files alone.
pub fn need_of(folder: &PeerFolder) -> Result<Need, ModelError> {
    match folder.task {
        PeerTask::Pipeline => {
            let settings = Settings::read(folder)?;
            let parts = open_parts(folder)?;
            let [encoder, decoder] = Coder::counts(&parts[2]);
            let [text, unet, _] = parts.map(|part| part.count());
            let weights = unet + decoder;
            let meanwhile = text.max(encoder);
            Ok(Need::of(
                weights,
                meanwhile,
                &settings.shape,
                &settings.autoencoder,
            ))
        }
        PeerTask::Control => Ok(Need::weights(control_settings(folder)?.1.count())),
        PeerTask::Lora => Ok(Need::weights(
            Dressed::open(&lora_file(&folder.path))?.count(),
        )),
    }
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// SHA-256 of each file.
    pub files: BTreeMap<String, String>,
    /// Over all of them.
    pub hash: String,
    /// What it takes to run it.
    pub need: Need,
    /// Sizes; pipelines only.
    pub shape: Option<Shape>,
    /// `scheduler_config.json`; pipelines only.
    pub scheduler: Option<Value>,
}

/// Whether the networks of a model fit their files: names, shapes and types of all tensors. No values are read.
pub(super) fn check_networks(folder: &PeerFolder) -> Result<(), ModelError> {
    let place = Place::default();
    match folder.task {
        PeerTask::Pipeline => {
            let settings = Settings::read(folder)?;
            let parts = open_parts(folder)?.map(Dressed::hollow);
            build(&settings, parts, &place)?;
        }
        PeerTask::Control => {
            let (config, weights) = control_settings(folder)?;
            weights
                .hollow()
                .build(&place, |scope| ControlNet::new(scope, &config))?;
        }
        PeerTask::Lora => {
            // What is in the file was seen when it was opened.
            Dressed::open(&lora_file(&folder.path))?;
        }
    }
    Ok(())
}

/// Whether a model is whole: files, settings, names, shapes and types of all tensors. No values are read.
pub fn check_peer(folder: &PeerFolder) -> Result<Checked, ModelError> {
    let (mut shape, mut scheduler) = (None, None);
    if folder.task == PeerTask::Pipeline {
        let settings = Settings::read(folder)?;
        settings.tokenizer(folder)?;
        for control in folder.own_controls() {
            check_peer(&PeerFolder::open(&control)?)?;
        }
        shape = Some(settings.shape);
        scheduler = Some(settings.scheduler);
    }
    check_networks(folder)?;
    let files = folder.hashes()?;
    Ok(Checked {
        hash: joint(&files),
        files,
        need: need_of(folder)?,
        shape,
        scheduler,
    })
}

/// An error of the tensor library in its own words.
pub fn words(error: &Error) -> String {
    let mut error = error;
    while let Error::WithBacktrace { inner, .. } | Error::Context { inner, .. } = error {
        error = inner;
    }
    error.to_string()
}
