//! The real engine: hands each order to synthesis, the measuring networks, training or study.
//!
//! Weights are loaded when first asked for and kept; engines of both lanes share them.

mod coder;
mod refiner;
mod student;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::job::{
    Attributes, Engine, Error, ErrorKind, Measurement, ModelReference, Observe, Order, Product,
    Progress, Reading, Request,
};
use crate::network::device::{Place, Wanted, is_device_failure};
use crate::network::folder::{self, ModelError, ModelFolder, Task};
use crate::network::peer::pipeline::PeerFolder;
use crate::synthesis::prompted::library::{Library, Ready, peers_in};
use crate::synthesis::{
    ControlModel, Generator, HipDetailModel, HipModel, LEAST_AREA, ReaderModel, Readers,
    RefinerModel, generate, generate_prompted, looks_of, read_hips_asking, read_kind,
    read_saliency,
};
use crate::training;

pub use student::{LIVE_STEPS, student_of};

/// Model folders and the networks loaded from them.
#[derive(Debug, Default)]
pub struct ModelStore {
    folders: Vec<PathBuf>,
    wanted: Wanted,
    place: Option<Place>,
    notices: Vec<String>,
    generators: HashMap<String, Arc<Generator>>,
    controls: HashMap<String, Arc<ControlModel>>,
    /// The one that draws images again, once it was needed.
    refiner: Option<Arc<RefinerModel>>,
    readers: Option<Arc<Readers>>,
    library: Library,
    /// What was said of schedulers that others stand in for.
    substitutions: BTreeSet<String>,
}

impl ModelStore {
    /// A store over folders of model folders; nothing is loaded yet, and no device is opened.
    pub fn new(folders: Vec<PathBuf>, wanted: Wanted) -> Self {
        Self {
            folders,
            wanted,
            ..Self::default()
        }
    }

    /// Where networks run; the device is opened when it is first needed.
    pub fn place(&mut self) -> Place {
        if let Some(place) = &self.place {
            return place.clone();
        }
        let (place, notice) = Place::choose(self.wanted);
        self.notices.extend(notice);
        self.place.insert(place).clone()
    }

    /// Gives a failed GPU up: networks are loaded again, on the processor. `false` when they ran there already.
    fn leave_gpu(&mut self, why: &str) -> bool {
        if !self.place().is_gpu() {
            return false;
        }
        self.place = Some(Place::default());
        self.generators.clear();
        self.controls.clear();
        self.refiner = None;
        self.library.clear();
        self.readers = None;
        self.notices.push(format!(
            "the GPU failed ({why}): networks run on the processor from now on"
        ));
        true
    }

    /// Says which findings of a request its model has no place for: to it they are as if not asked for.
    fn say_unknown(&mut self, generator: &Generator, attributes: &Attributes) {
        let names = &generator.diffusion.names;
        let asked = attributes.findings.keys();
        let unknown: Vec<&str> = asked
            .map(String::as_str)
            .filter(|name| names.finding(name).is_none())
            .collect();
        if !unknown.is_empty() {
            self.notices.push(format!(
                "{} does not know {}: left out; it knows {}",
                generator.model.name,
                unknown.join(", "),
                names.findings.join(", ")
            ));
        }
    }

    /// What a person should know of how networks run, said once.
    pub fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// All readable model folders, in order of the folders they lie in.
    pub fn models(&self) -> Vec<ModelFolder> {
        self.folders
            .iter()
            .flat_map(|folder| {
                // A model may be named by its own folder.
                if folder.join(folder::CARD).is_file() {
                    vec![(folder.clone(), ModelFolder::open(folder))]
                } else {
                    folder::list(folder)
                }
            })
            .filter_map(|(_, opened)| opened.ok())
            .collect()
    }

    /// All readable models of the diffusers layout.
    pub fn peers(&self) -> Vec<PeerFolder> {
        peers_in(&self.folders)
    }

    /// Also looks in `folder`, before all others: folders of models, or a model itself.
    pub fn look_in(&mut self, folder: PathBuf) {
        self.folders.retain(|known| *known != folder);
        self.folders.insert(0, folder);
    }

    /// What a request for a model that reads text runs on; `None` when its model is one of ours.
    fn prompted(
        &mut self,
        request: &Request,
        observe: &mut Observe<'_>,
    ) -> Result<Option<Ready>, Error> {
        let name = request.model.name.as_str();
        if name.is_empty() || self.find(Task::Diffusion, name).is_some() {
            return match &request.prompted {
                Some(asked) if *asked != crate::job::Prompted::default() => {
                    let what = if name.is_empty() {
                        "no model is named, and the bundled ones read no text".to_owned()
                    } else {
                        format!("the model {name} reads no text")
                    };
                    Err(Error::new(ErrorKind::Usage, what)
                        .remedy("name a model of the diffusers layout"))
                }
                _ => Ok(None),
            };
        }
        let is_ours = request.prompted.is_none();
        if is_ours && !self.peers().iter().any(|peer| peer.name == name) {
            return Ok(None);
        }
        let place = self.place();
        let folders = self.folders.clone();
        let ready = self.library.ready(request, &folders, &place, observe)?;
        for text in ready.substitution().into_iter().chain(ready.left_out()) {
            if self.substitutions.insert(text.clone()) {
                self.notices.push(text);
            }
        }
        Ok(Some(ready))
    }

    fn find(&self, task: Task, name: &str) -> Option<ModelFolder> {
        // A student is used where it is named, or in the place of its teacher; it is nobody's first choice.
        self.models().into_iter().find(|model| {
            let free = name.is_empty() && model.card.student.is_none();
            model.card.task == task && (free || model.card.name == name)
        })
    }

    /// The request with a model that knows its kind, where it names none.
    fn with_model(&self, request: &Request) -> Request {
        let mut request = request.clone();
        let kind = &request.attributes.kind;
        if request.model == ModelReference::default() && !kind.is_empty() {
            let knows = |model: &ModelFolder| {
                let names = model.card.names.as_ref();
                model.card.task == Task::Diffusion
                    && model.card.student.is_none()
                    && names.is_some_and(|names| names.kind(kind).is_some())
            };
            if let Some(model) = self.models().into_iter().find(knows) {
                request.model.name = model.card.name;
            }
        }
        request
    }

    /// The generator of a request; an empty name takes the first there is.
    pub fn generator(&mut self, wanted: &ModelReference) -> Result<Arc<Generator>, Error> {
        let found = self.generators.get(&wanted.name);
        let generator = if let Some(generator) = found {
            Arc::clone(generator)
        } else {
            let generator = Arc::new(self.load_generator(&wanted.name)?);
            self.generators
                .insert(wanted.name.clone(), Arc::clone(&generator));
            generator
        };
        same_weights("model", &generator.model, wanted)?;
        Ok(generator)
    }

    fn load_generator(&mut self, name: &str) -> Result<Generator, Error> {
        let place = self.place();
        let Some(folder) = self.find(Task::Diffusion, name) else {
            let what = if name.is_empty() {
                "there is no model that makes images".to_owned()
            } else {
                format!("there is no model called {name} that makes images")
            };
            return Err(Error::new(ErrorKind::Model, what)
                .remedy("`radcanvas models list` shows what is there"));
        };
        let (diffusion, folder) =
            folder::load_diffusion(&folder.path, &place).map_err(model_error)?;
        let coder = self.coder_of(&folder, &place)?;
        let refiner = self.refiner(&place)?;
        Ok(Generator {
            refiner,
            autoencoder: coder.autoencoder,
            size: folder.card.native_size[0],
            latent: coder.latent,
            diffusion_hash: folder.hash(),
            few_step: folder.card.student.is_some(),
            kept: crate::synthesis::kept::Kept::default(),
            model: coder.model,
            diffusion,
            place,
        })
    }

    /// The ControlNet branch that a request names; an error when it belongs to another diffusion model.
    pub fn control(
        &mut self,
        wanted: &ModelReference,
        generator: &Generator,
    ) -> Result<Arc<ControlModel>, Error> {
        let control = if let Some(known) = self.controls.get(&wanted.name) {
            Arc::clone(known)
        } else {
            let Some(folder) = self.find(Task::Control, &wanted.name) else {
                let what = format!("there is no control model called {}", wanted.name);
                return Err(Error::new(ErrorKind::Model, what)
                    .remedy("`radcanvas models list` shows what is there"));
            };
            let need = folder.card.needs.get(Task::Diffusion.name());
            if need.is_none_or(|need| need.hash != generator.diffusion_hash) {
                let what = format!(
                    "{} was trained for another model than {}",
                    folder.card.name, generator.model.name
                );
                return Err(Error::new(ErrorKind::Model, what)
                    .at(folder.path)
                    .remedy("choose the model that it names under `needs`"));
            }
            let place = self.place();
            let (branch, folder) =
                folder::load_control(&folder.path, &place).map_err(model_error)?;
            let model = ModelReference {
                hash: folder.hash(),
                name: folder.card.name,
            };
            let control = Arc::new(ControlModel { branch, model });
            self.controls
                .insert(control.model.name.clone(), Arc::clone(&control));
            control
        };
        same_weights("control model", &control.model, wanted)?;
        Ok(control)
    }

    fn hip_detail(&self, place: &Place) -> Result<Option<HipDetailModel>, Error> {
        let Some(folder) = self.find(Task::HipDetail, "") else {
            return Ok(None);
        };
        let (network, config, calibration, folder) =
            folder::load_hip_detail(&folder.path, place).map_err(model_error)?;
        Ok(Some(HipDetailModel {
            network,
            config,
            calibration,
            size: folder.card.native_size[0],
        }))
    }

    /// The generators that are loaded, by name.
    pub fn loaded(&self) -> impl Iterator<Item = (&str, &Arc<Generator>)> {
        self.generators
            .iter()
            .map(|(name, loaded)| (name.as_str(), loaded))
    }

    /// The networks that read images; those that are missing are absent.
    pub fn readers(&mut self) -> Result<Arc<Readers>, Error> {
        if let Some(readers) = &self.readers {
            return Ok(Arc::clone(readers));
        }
        let place = self.place();
        let mut readers = Readers::default();
        if let Some(folder) = self.find(Task::Hips, "") {
            let (network, calibration, folder) =
                folder::load_hips(&folder.path, &place).map_err(model_error)?;
            readers.hips = Some(HipModel {
                network,
                calibration,
                size: folder.card.native_size[0],
                detail: self.hip_detail(&place)?,
            });
        }
        if let Some(folder) = self.find(Task::Reader, "") {
            let (network, folder) =
                folder::load_reader(&folder.path, &place).map_err(model_error)?;
            readers.reader = Some(ReaderModel {
                network,
                size: folder.card.native_size[0],
                doubtful: doubtful(&folder.card.measured),
                names: folder.card.names.unwrap_or_default(),
            });
        }
        let readers = Arc::new(readers);
        self.readers = Some(Arc::clone(&readers));
        Ok(readers)
    }
}

/// An error when a request wants other weights than those that are here under the name.
fn same_weights(what: &str, here: &ModelReference, wanted: &ModelReference) -> Result<(), Error> {
    if wanted.hash.is_empty() || wanted.hash == here.hash {
        return Ok(());
    }
    let what = format!(
        "the {what} {} here has the hash {}, the request wants {}",
        here.name, here.hash, wanted.hash
    );
    Err(Error::new(ErrorKind::Model, what)
        .remedy("add the folder of the model that the request was made with"))
}

/// A model folder's error behind the seam.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what `map_err` hands over"
)]
pub fn model_error(error: ModelError) -> Error {
    Error::new(ErrorKind::Model, error.to_string())
}

/// The engine on this machine.
#[derive(Clone, Debug)]
pub struct LocalEngine {
    store: Arc<Mutex<ModelStore>>,
}

impl LocalEngine {
    /// An engine over a store that may be shared.
    pub fn new(store: Arc<Mutex<ModelStore>>) -> Self {
        Self { store }
    }

    /// An engine over folders of model folders.
    pub fn over(folders: Vec<PathBuf>, wanted: Wanted) -> Self {
        Self::new(Arc::new(Mutex::new(ModelStore::new(folders, wanted))))
    }

    fn store(&self) -> MutexGuard<'_, ModelStore> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn readers(&self) -> Result<Arc<Readers>, Error> {
        self.store().readers()
    }

    fn measure(
        &self,
        measurement: &Measurement,
        observe: &mut Observe<'_>,
    ) -> Result<Reading, Error> {
        let readers = self.readers()?;
        let missing = |what: &str| {
            Error::new(ErrorKind::Model, format!("there is no model that {what}"))
                .remedy("`radcanvas models list` shows what is there")
        };
        match measurement {
            Measurement::Hips { radiograph, window } => {
                let model = readers.hips.as_ref();
                let model = model.ok_or_else(|| missing("finds hips"))?;
                let looks = looks_of(model);
                let mut asked = |look: usize| observe(Progress::reading(look, looks));
                read_hips_asking(model, radiograph, window.as_ref(), &mut asked).map(Reading::Hips)
            }
            Measurement::Kind { radiograph, window } => {
                let model = readers.reader.as_ref();
                let model = model.ok_or_else(|| missing("reads kinds"))?;
                read_kind(model, radiograph, window.as_ref()).map(Reading::Kind)
            }
            Measurement::Saliency { radiograph, window } => {
                let model = readers.reader.as_ref();
                let model = model.ok_or_else(|| missing("reads findings"))?;
                read_saliency(model, radiograph, window.as_ref()).map(Reading::Saliency)
            }
        }
    }
}

impl Engine for LocalEngine {
    fn carry_out(&mut self, order: &Order, observe: &mut Observe<'_>) -> Result<Product, Error> {
        match self.attempt(order, observe) {
            // A training has gone on on the processor by itself.
            Err(error) if is_device_failure(&error.what) && !matches!(order, Order::Train(_)) => {
                let left = self.store().leave_gpu(&error.what);
                if left {
                    self.attempt(order, observe)
                } else {
                    Err(error)
                }
            }
            other => other,
        }
    }

    fn place(&self) -> String {
        self.store().place().title()
    }

    fn notices(&mut self) -> Vec<String> {
        self.store().take_notices()
    }
}

impl LocalEngine {
    fn attempt(&self, order: &Order, observe: &mut Observe<'_>) -> Result<Product, Error> {
        match order {
            Order::Generate(request) => {
                let ready = self.store().prompted(request, observe)?;
                let readers = self.readers()?;
                if let Some(ready) = ready {
                    let (pipeline, controls) = (&ready.pipeline, &ready.controls);
                    return generate_prompted(
                        pipeline,
                        controls,
                        &readers,
                        &ready.request,
                        observe,
                    )
                    .map(Product::Outcome);
                }
                let request = self.store().with_model(request);
                let request = &self.store().with_student(&request);
                let generator = self.store().generator(&request.model)?;
                refiner::same_refiner(&generator, request)?;
                let control = match &request.control_model {
                    Some(wanted) => Some(self.store().control(wanted, &generator)?),
                    None => None,
                };
                if !request.preview {
                    self.store().say_unknown(&generator, &request.attributes);
                }
                generate(&generator, control.as_deref(), &readers, request, observe)
                    .map(Product::Outcome)
            }
            Order::Measure(measurement) => self.measure(measurement, observe).map(Product::Reading),
            Order::Train(plan) => {
                let (place, notice) = training::place(self.store().place());
                self.store().notices.extend(notice);
                // The rest stays where it is: that a long training failed there says little of a short answer.
                let mut failed = Vec::new();
                let notice = &mut |what: &str| failed.push(what.to_owned());
                let trained = training::carry_out(plan, &place, observe, notice);
                self.store().notices.extend(failed);
                trained.map(Product::Trained)
            }
            Order::Study(plan) => Err(Error::new(
                ErrorKind::Usage,
                format!("the study {} is not known", plan.protocol),
            )),
        }
    }
}

/// Whether a folder is a model that loads whole.
pub fn check_model(path: &Path) -> Result<ModelFolder, Error> {
    folder::check(path).map_err(model_error)
}

/// Findings whose held-out area under the ROC curve is too small to tell them.
fn doubtful(measured: &BTreeMap<String, f64>) -> BTreeSet<String> {
    let small = measured.iter().filter(|(_, area)| **area < LEAST_AREA);
    small
        .filter_map(|(name, _)| name.strip_prefix("held_out_auroc_").map(str::to_owned))
        .collect()
}
