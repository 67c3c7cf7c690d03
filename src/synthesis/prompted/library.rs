//! Models of the diffusers layout by name, and those of them that are loaded.
//!
//! Separate from the engine because finding, telling the need and loading belong together; one pipeline is kept, since
//! one fills the memory of a usual machine.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{joint_need, tell_need};
use crate::job::{Error, ErrorKind, ModelReference, Observe, Request};
use crate::network::device::Place;
use crate::network::folder::ModelError;
use crate::network::peer::pipeline::{
    PeerControl, PeerFolder, PeerTask, Pipeline, list_peers, load_peer_control, load_pipeline,
    need_of,
};
use crate::synthesis::schedule::Scheduler;

/// What a request runs on.
#[derive(Debug)]
pub struct Ready {
    /// The pipeline, with the request's changes of weights.
    pub pipeline: Arc<Pipeline>,
    /// The request's `ControlNets` in their order.
    pub controls: Vec<Arc<PeerControl>>,
    /// The request with the hashes of what was found.
    pub request: Request,
}

impl Ready {
    /// What to say where the model's own scheduler is not built in and the request names no other.
    pub fn substitution(&self) -> Option<String> {
        let asked = self.request.prompted.as_ref()?;
        if asked.scheduler.is_some() {
            return None;
        }
        let name = Scheduler::read(&self.pipeline.scheduler)
            .ok()?
            .written_for?;
        Some(format!(
            "{} of the model {} is not built in: DDIM takes its place",
            name, self.pipeline.name
        ))
    }

    /// What to say about the prompts that are longer than the model reads: which part of them is left out.
    pub fn left_out(&self) -> Vec<String> {
        let Some(asked) = &self.request.prompted else {
            return Vec::new();
        };
        let tokenizer = &self.pipeline.tokenizer;
        let prompts = [
            ("prompt", &asked.prompt),
            ("negative prompt", &asked.negative),
        ];
        prompts
            .into_iter()
            .filter_map(|(what, text)| {
                let mut rest: String = tokenizer.left_out(text)?.to_owned();
                if let Some((end, _)) = rest.char_indices().nth(SHOWN) {
                    rest.truncate(end);
                    rest.push('…');
                }
                Some(format!(
                    "the {what} is longer than the {} tokens that {} reads: “{rest}” at its end is left out",
                    tokenizer.length() - 2,
                    self.pipeline.name
                ))
            })
            .collect()
    }
}

/// Characters of a text that are shown.
const SHOWN: usize = 200;

/// Models of the diffusers layout.
#[derive(Debug, Default)]
pub struct Library {
    /// The pipeline that is loaded and what it was made of.
    pipeline: Option<(String, Arc<Pipeline>)>,
    controls: HashMap<String, Arc<PeerControl>>,
}

fn model_error(error: &ModelError) -> Error {
    Error::new(ErrorKind::Model, error.to_string())
}

/// All of them in folders of models, or a folder that is one itself.
pub fn peers_in(folders: &[PathBuf]) -> Vec<PeerFolder> {
    folders
        .iter()
        .flat_map(|folder| {
            if PeerFolder::is_one(folder) {
                PeerFolder::open(folder).ok().into_iter().collect()
            } else {
                let found = list_peers(folder);
                let readable = found.into_iter().filter_map(|(_, opened)| opened.ok());
                readable.collect::<Vec<_>>()
            }
        })
        .collect()
}

/// The one of a name and a task; `ControlNets` inside of a pipeline are called `PIPELINE/controlnet`.
pub fn find(folders: &[PathBuf], task: PeerTask, name: &str) -> Option<PeerFolder> {
    let peers = peers_in(folders);
    let inside = name.split_once('/').and_then(|(pipeline, part)| {
        let owner = peers.iter().find(|peer| peer.name == pipeline)?;
        let own = owner.own_controls();
        let path = own
            .iter()
            .find(|path| path.file_name().is_some_and(|own| own == part))?;
        let mut control = PeerFolder::open(path).ok()?;
        name.clone_into(&mut control.name);
        Some(control)
    });
    let mut named = peers.iter().filter(|peer| peer.name == name);
    let found = named.find(|peer| peer.task == task).cloned();
    found.or(inside.filter(|control| control.task == task))
}

fn found(folders: &[PathBuf], task: PeerTask, name: &str) -> Result<PeerFolder, Error> {
    find(folders, task, name).ok_or_else(|| {
        // A model that is there and cannot be read is more telling than none.
        let broken = folders
            .iter()
            .flat_map(|folder| list_peers(folder))
            .find(|(path, opened)| opened.is_err() && path.file_name().is_some_and(|n| n == name));
        if let Some((_, Err(error))) = broken {
            return model_error(&error);
        }
        let what = match task {
            PeerTask::Pipeline => "model of the diffusers layout",
            PeerTask::Control => "ControlNet",
            PeerTask::Lora => "change of weights",
        };
        let what = format!("there is no {what} called {name}");
        Error::new(ErrorKind::Model, what).remedy("`radcanvas models list` shows what is there")
    })
}

/// Refuses weights that are not those that a request was made with.
fn same(wanted: &ModelReference, hash: &str) -> Result<(), Error> {
    if wanted.hash.is_empty() || wanted.hash == hash {
        return Ok(());
    }
    let what = format!(
        "the model {} here has the hash {hash}, the request wants {}",
        wanted.name, wanted.hash
    );
    Err(Error::new(ErrorKind::Model, what)
        .remedy("add the folder of the model that the request was made with"))
}

impl Library {
    /// Forgets what is loaded.
    pub fn clear(&mut self) {
        self.pipeline = None;
        self.controls.clear();
    }

    /// Finds and loads what a request names; the need is told before anything is read.
    pub fn ready(
        &mut self,
        request: &Request,
        folders: &[PathBuf],
        place: &Place,
        observe: &mut Observe<'_>,
    ) -> Result<Ready, Error> {
        let mut request = request.clone();
        let folder = found(folders, PeerTask::Pipeline, &request.model.name)?;
        let mut uses = request.prompted.take().unwrap_or_default();
        let mut loras = Vec::new();
        let mut key = folder.path.display().to_string();
        for lora in &mut uses.loras {
            let own = found(folders, PeerTask::Lora, &lora.model.name)?;
            let hash = own.hash().map_err(|e| model_error(&e))?;
            same(&lora.model, &hash)?;
            key = format!("{key}\n{} {}", hash, lora.weight);
            lora.model.hash = hash;
            loras.push((own, lora.weight));
        }
        let mut wanted = Vec::new();
        for control in &uses.controls {
            wanted.push(found(folders, PeerTask::Control, &control.model.name)?);
        }
        let loaded = self.pipeline.as_ref().is_some_and(|(own, _)| *own == key);
        self.tell(&folder, &wanted, loaded, place, observe)?;
        let pipeline = match &self.pipeline {
            Some((_, pipeline)) if loaded => Arc::clone(pipeline),
            _ => {
                // The old one goes first: two do not fit.
                self.pipeline = None;
                let made = load_pipeline(&folder, &loras, place).map_err(|e| model_error(&e))?;
                let made = Arc::new(made);
                self.pipeline = Some((key, Arc::clone(&made)));
                made
            }
        };
        same(&request.model, &pipeline.hash)?;
        let mut controls = Vec::new();
        for (using, folder) in uses.controls.iter().zip(&wanted) {
            let control = match self.controls.get(&folder.name) {
                Some(control) => Arc::clone(control),
                None => Arc::new(load_peer_control(folder, place).map_err(|e| model_error(&e))?),
            };
            same(&using.model, &control.hash)?;
            self.controls
                .insert(folder.name.clone(), Arc::clone(&control));
            controls.push(control);
        }
        request.prompted = Some(uses);
        Ok(Ready {
            pipeline,
            controls,
            request,
        })
    }

    fn tell(
        &self,
        folder: &PeerFolder,
        controls: &[PeerFolder],
        loaded: bool,
        place: &Place,
        observe: &mut Observe<'_>,
    ) -> Result<(), Error> {
        let missing = controls
            .iter()
            .filter(|control| !self.controls.contains_key(&control.name));
        let missing: Vec<&PeerFolder> = (!loaded)
            .then_some(folder)
            .into_iter()
            .chain(missing)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let needs: Vec<_> = missing
            .iter()
            .map(|folder| need_of(folder))
            .collect::<Result<_, _>>()
            .map_err(|e| model_error(&e))?;
        let names: Vec<&str> = missing.iter().map(|folder| folder.name.as_str()).collect();
        tell_need(
            &names.join(" and "),
            joint_need(needs).bytes(place),
            observe,
        )
    }
}

/// The name under which a path is found, and the folder to look in: the model itself.
pub fn named(path: &Path) -> Result<(String, PathBuf), Error> {
    let opened = PeerFolder::open(path).map_err(|e| model_error(&e))?;
    Ok((opened.name, path.to_owned()))
}
