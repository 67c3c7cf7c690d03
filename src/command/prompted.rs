//! Options of `generate` for models that read text: prompts, `ControlNets`, changes of weights.
//!
//! Separate from the options of all models: without one of these folders none of them means anything.

use std::path::{Path, PathBuf};

use crate::job::{ControlUse, Error, ErrorKind, LoraUse, Prompted, Scheduler};
use crate::network::folder::{CARD, ModelFolder};
use crate::network::peer::pipeline::{PeerFolder, PeerTask};
use crate::radiograph;
use crate::synthesis::prompted::library::{find, named};

/// Options of models in the layout of diffusers.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Options {
    /// What the image shall show; models that read text only.
    #[arg(long)]
    prompt: Option<String>,
    /// What guidance leads away from.
    #[arg(long)]
    negative_prompt: Option<String>,
    /// A ControlNet by name or folder, as NAME, NAME:WEIGHT or NAME:WEIGHT:START-END (fractions of the steps). May be
    /// repeated.
    #[arg(long)]
    control: Vec<String>,
    /// The hint image of each --control in turn, as it is, in its colors; without it, --hint.
    #[arg(long)]
    control_hint: Vec<PathBuf>,
    /// A `LoRA` file by name or path, as NAME or NAME:WEIGHT. May be repeated.
    #[arg(long)]
    lora: Vec<String>,
    /// Writes `latents.safetensors` beside each image: the final latent, `latents` `[1,C,h,w]`.
    #[arg(long)]
    pub(super) latents: bool,
}

/// What the options say, and where the models that were given by path lie.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) model: Option<String>,
    /// Absent for the project's own models.
    pub(super) prompted: Option<Prompted>,
    /// Models themselves, to be looked at before the folders of models.
    pub(super) folders: Vec<PathBuf>,
}

fn usage(what: String) -> Error {
    Error::new(ErrorKind::Usage, what)
}

impl Options {
    fn any(&self) -> bool {
        self.prompt.is_some()
            || self.negative_prompt.is_some()
            || !self.control.is_empty()
            || !self.lora.is_empty()
            || self.latents
    }

    /// Decides whether `model` (a name or a folder) reads text, and reads these options for it.
    ///
    /// `control_model` and its weight are those of the project's own models; they count as one more ControlNet.
    pub(super) fn read(
        &self,
        model: Option<&str>,
        known: &[PathBuf],
        sampler: Option<&str>,
        control_model: Option<(&str, f64)>,
    ) -> Result<Asked, Error> {
        let mut asked = Asked::default();
        asked.model = model.map(|name| asked.place(name)).transpose()?;
        let folders: Vec<PathBuf> = asked.folders.iter().chain(known).cloned().collect();
        let name = asked.model.clone().unwrap_or_default();
        if name.is_empty() || find(&folders, PeerTask::Pipeline, &name).is_none() {
            if self.any() {
                let what = if name.is_empty() {
                    "no --model is given, and the bundled ones read no text".to_owned()
                } else {
                    format!("there is no model called {name} that reads text")
                };
                return Err(Error::new(ErrorKind::Model, what)
                    .remedy("give a folder of the diffusers layout, or its name"));
            }
            return Ok(asked);
        }
        let scheduler = match sampler {
            None => None,
            Some(name) => Some(Scheduler::named(name).ok_or_else(|| {
                let all: Vec<&str> = Scheduler::ALL.iter().map(|s| s.name()).collect();
                usage(format!("{name} is no sampler")).remedy(format!("use {}", all.join(", ")))
            })?),
        };
        let mut prompted = Prompted {
            prompt: self.prompt.clone().unwrap_or_default(),
            negative: self.negative_prompt.clone().unwrap_or_default(),
            scheduler,
            ..Prompted::default()
        };
        if let Some((text, weight)) = control_model {
            let mut control = ControlUse::new(asked.place(text)?);
            control.weight = weight;
            prompted.controls.push(control);
        }
        for (i, text) in self.control.iter().enumerate() {
            let mut control = control(text)?;
            control.model.name = asked.place(&control.model.name)?;
            if let Some(path) = self.control_hint.get(i) {
                let image = radiograph::read(path, 0)?;
                if let Some(colors) = image.color() {
                    let channel = |n: usize| colors.map(|color| color[n]);
                    control.hint = Some(channel(0));
                    control.green_blue = Some([channel(1), channel(2)]);
                } else {
                    let grey = image.grey(&image.initial_window());
                    control.hint = Some(grey.map(|v| (v * 255.0).round() as u8));
                }
            }
            prompted.controls.push(control);
        }
        if self.control_hint.len() > self.control.len() {
            return Err(usage(
                "there are more --control-hint than --control".to_owned(),
            ));
        }
        for text in &self.lora {
            let (name, weight) = match text.rsplit_once(':') {
                Some((name, weight)) if weight.parse::<f64>().is_ok_and(f64::is_finite) => {
                    (name, weight.parse().unwrap_or(1.0))
                }
                _ => (text.as_str(), 1.0),
            };
            prompted.loras.push(LoraUse {
                weight,
                ..LoraUse::new(asked.place(name)?)
            });
        }
        asked.prompted = Some(prompted);
        Ok(asked)
    }
}

impl Asked {
    /// The name of a model given by name or path; a path is remembered.
    fn place(&mut self, text: &str) -> Result<String, Error> {
        let path = Path::new(text);
        if path.join(CARD).is_file() {
            let folder = ModelFolder::open(path)
                .map_err(|error| Error::new(ErrorKind::Model, error.to_string()))?;
            self.folders.push(path.to_owned());
            return Ok(folder.card.name);
        }
        if !PeerFolder::is_one(path) {
            // A name may by chance be that of something in this folder.
            if path.is_dir() && path.components().count() > 1 {
                let what =
                    "there is no model in this folder: neither model_index.json nor model.json";
                return Err(Error::new(ErrorKind::Model, what).at(path));
            }
            return Ok(text.to_owned());
        }
        let (name, folder) = named(path)?;
        self.folders.push(folder);
        Ok(name)
    }
}

/// `NAME`, `NAME:WEIGHT` or `NAME:WEIGHT:START-END`.
fn control(text: &str) -> Result<ControlUse, Error> {
    let range = |text: &str| {
        let (start, end) = text.split_once('-')?;
        Some((start.parse::<f64>().ok()?, end.parse::<f64>().ok()?))
    };
    let weighted = |text: &str| {
        let (name, weight) = text.rsplit_once(':')?;
        let mut control = ControlUse::new(name.to_owned());
        control.weight = weight.parse().ok()?;
        Some(control)
    };
    if let Some((rest, (start, end))) = text
        .rsplit_once(':')
        .and_then(|(rest, last)| Some((rest, range(last)?)))
    {
        let mut control = weighted(rest).unwrap_or_else(|| ControlUse::new(rest.to_owned()));
        (control.start, control.end) = (start, end);
        return Ok(control);
    }
    if text.is_empty() {
        return Err(usage("a --control is empty".to_owned()));
    }
    Ok(weighted(text).unwrap_or_else(|| ControlUse::new(text.to_owned())))
}
