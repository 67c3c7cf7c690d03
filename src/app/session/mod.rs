//! The session: tool, view, recipe, staged results, jobs and notices. Forgotten when the window closes.
//!
//! Separate from the document, which is undone and saved, and from the settings, which are remembered.

mod notices;
mod tray;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::canvas::{Tool, ToolOptions, Under, View};
use super::files::Open;
use super::live::Live;
use super::logic::contour::Contour;
use super::logic::frames::Stack;
use super::logic::grid::Beside;
use super::logic::measures::Measures;
use super::logic::veil::VeilState;
use crate::document::Layer;
use crate::job::{
    Attributes, Control, Error, JobId, Mode, ModelReference, Progress, Prompted, Request,
    RingPolicy, Sex,
};
use crate::landmarks::HipLandmarks;
use crate::radiograph::Preview;

pub use notices::{Notice, Remark, Weight};
pub use tray::{Film, SortBy, Staged, Tray};

/// The large parts of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Workspace {
    /// Two canvases over one view.
    #[default]
    Draw,
    /// One canvas with the construction of the angles.
    Hips,
    /// One, two or four images side by side.
    View,
}

/// A model that can be chosen, as `main` found it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelChoice {
    /// Name in `model.json`.
    pub name: String,
    /// What a person reads.
    pub title: String,
    /// `hip`, `chest`, …: the kind of image it makes.
    pub kind: String,
    /// Findings it can be asked for.
    pub findings: Vec<String>,
    /// Denoising steps it does well with.
    pub steps: usize,
    /// ControlNet branches made for it.
    pub controls: Vec<String>,
    /// LoRA files that can change its weights.
    pub loras: Vec<String>,
    /// Whether it is asked with prompts.
    pub reads_text: bool,
    /// Whether one step of it, or of its student, already shows something.
    pub quick: bool,
}

/// Names a staged result; never used twice in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResultId(pub u64);

/// What is asked for besides what is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Sketch, in- or outpainting.
    pub mode: Mode,
    /// Name of the model.
    pub model: String,
    /// Kind of image asked of it: `hip`, `chest`.
    pub kind: String,
    /// Seed of the noise.
    pub seed: u64,
    /// Number of the first image of the seed; 0 but where the settings of one result were taken.
    pub first_image: u64,
    /// Images a press of Generate.
    pub count: usize,
    /// Denoising steps.
    pub steps: usize,
    /// Effect of the hint.
    pub control: Control,
    /// The ControlNet branch that brings the hint in; absent = the model's own adapter.
    pub control_model: Option<String>,
    /// What is asked of a model that reads text; absent for the others.
    pub prompted: Option<Prompted>,
    /// Classifier-free guidance.
    pub guidance: f64,
    /// 1 starts from noise alone.
    pub strength: f64,
    /// Age in years, when it matters.
    pub age_years: Option<f64>,
    /// Sex, when it matters.
    pub sex: Option<Sex>,
    /// Findings asked for or excluded.
    pub findings: BTreeMap<String, bool>,
    /// Width of the ring, image pixels.
    pub ring_px: f64,
    /// Whether images are drawn again, finer, where there is a model for it.
    pub finer: bool,
    /// Whether a hip shall stand where the hip points of the document were placed.
    pub hips_as_placed: bool,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            mode: Mode::Inpaint,
            model: String::new(),
            kind: String::new(),
            seed: 1,
            first_image: 0,
            count: 4,
            steps: 8,
            control: Control {
                weight: 1.0,
                start: 0.0,
                end: 1.0,
            },
            control_model: None,
            prompted: None,
            guidance: 1.5,
            strength: 1.0,
            age_years: None,
            sex: None,
            findings: BTreeMap::new(),
            ring_px: 12.0,
            finer: true,
            hips_as_placed: false,
        }
    }
}

impl Recipe {
    /// Takes a model with its own number of steps; findings it does not know are dropped.
    pub fn choose(&mut self, model: &ModelChoice) {
        self.model.clone_from(&model.name);
        self.kind.clone_from(&model.kind);
        self.control_model = self
            .control_model
            .take()
            .filter(|name| model.controls.contains(name));
        if model.steps > 0 {
            self.steps = model.steps;
        }
        if model.reads_text {
            if self.prompted.is_none() {
                self.guidance = 7.5;
            }
            self.control_model = None;
            let asked = self.prompted.get_or_insert_default();
            asked
                .controls
                .retain(|control| model.controls.contains(&control.model.name));
            asked
                .loras
                .retain(|lora| model.loras.contains(&lora.model.name));
        } else if self.prompted.take().is_some() {
            let usual = Self::default();
            (self.guidance, self.steps) = (usual.guidance, usual.steps);
        }
        self.findings
            .retain(|finding, _| model.findings.contains(finding));
    }

    /// The settings that a result was made with, so that it alone is made again.
    pub fn of(request: &Request, image_number: u64) -> Self {
        Self {
            mode: request.mode,
            model: request.model.name.clone(),
            kind: request.attributes.kind.clone(),
            seed: request.seed,
            first_image: image_number,
            count: 1,
            steps: request.steps,
            control: request.control,
            control_model: request
                .control_model
                .as_ref()
                .map(|model| model.name.clone()),
            guidance: request.guidance,
            strength: request.strength,
            age_years: request.attributes.age_years,
            sex: request.attributes.sex,
            findings: request.attributes.findings.clone(),
            ring_px: request.ring.px,
            prompted: request.prompted.clone(),
            finer: request.refiner.is_some() || request.preview,
            hips_as_placed: request.landmarks.is_some(),
        }
    }

    /// Whether this is the chosen model.
    pub fn is(&self, model: &ModelChoice) -> bool {
        self.model == model.name && self.kind == model.kind
    }

    /// The part of a request that does not depend on the document.
    pub fn request(&self) -> Request {
        let model = ModelReference::named(&self.model);
        let mut request = Request::new(self.mode, model);
        request.attributes = Attributes {
            kind: self.kind.clone(),
            age_years: self.age_years,
            sex: self.sex,
            findings: self.findings.clone(),
        };
        request.seed = self.seed;
        request.first_image = self.first_image;
        request.count = self.count;
        request.steps = self.steps.max(1);
        request.control = self.control;
        request.control_model = self.control_model.as_ref().map(ModelReference::named);
        request.prompted.clone_from(&self.prompted);
        request.guidance = self.guidance;
        request.strength = self.strength;
        request.ring = RingPolicy { px: self.ring_px };
        request.refiner = request.refiner.filter(|_| self.finer);
        request
    }
}

/// An order that runs or waits.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// What a person calls it.
    pub title: String,
    /// How far it is; absent while it waits.
    pub progress: Option<Progress>,
    /// What it was asked for, to say what came back.
    pub purpose: Purpose,
}

/// What to do with the product of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Results for the tray.
    Generate,
    /// Hip points for the document.
    Hips,
    /// Hip points for the live answer of this revision.
    LiveHips(u64),
    /// A guess of the kind of the image.
    Kind,
}

/// What stands where the images are.
pub enum Stage {
    /// Nothing is open.
    Empty,
    /// A file is being read.
    Loading {
        /// Its path.
        path: PathBuf,
        /// Its size in bytes, when it is known.
        bytes: Option<u64>,
        /// A picture of it, as soon as there is one; it cannot be measured or drawn on.
        preview: Arc<OnceLock<Preview>>,
        /// The same on the GPU.
        picture: Option<egui::TextureHandle>,
    },
    /// A file could not be read.
    Failed(Error),
    /// A case is open.
    Open(Box<Open>),
}

/// What lies above the window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Overlay {
    /// Nothing.
    #[default]
    None,
    /// The command palette, with what was typed and the chosen line.
    Palette(String, usize),
    /// The sheet of keys; the command whose new key is awaited.
    Keys(Option<&'static str>),
    /// The same, and the key that was pressed is another command's: pressed again, the two are exchanged.
    Contested(&'static str, String, &'static str),
    /// The list of notices.
    Notices,
    /// The panel of nodes: sending and fetching.
    Nodes,
}

/// Everything that is forgotten when the window closes.
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches of the window that have nothing to do with each other"
)]
pub struct Session {
    /// The workspace that is shown.
    pub workspace: Workspace,
    /// What stands where the images are.
    pub stage: Stage,
    /// The frames of the open file, when it has several.
    pub stack: Option<Stack>,
    /// The active tool.
    pub tool: Tool,
    /// Sizes and switches of the tools.
    pub tool_options: ToolOptions,
    /// The one view that all canvases of the case share.
    pub view: View,
    /// The images beside the case.
    pub beside: Beside,
    /// What is asked for besides what is drawn.
    pub recipe: Recipe,
    /// Moves on with every change of the recipe.
    pub recipe_revision: u64,
    /// Live mode.
    pub live: Live,
    /// Results that wait.
    pub tray: Tray,
    /// The result shown on the canvas.
    pub shown: Option<ResultId>,
    /// Whether the canvas shows the image before the result.
    pub before: bool,
    /// Where the before/after slider stands: 0 = all answer, 1 = all image.
    pub split: f32,
    /// What lies over the result: its difference from the image, or the spread over seeds.
    pub veil: VeilState,
    /// The contour of what is denoised.
    pub contour: Contour,
    /// Whether strokes, masks and points are drawn.
    pub overlays: bool,
    /// Whether the overlay planes of the file are drawn.
    pub planes: bool,
    /// Whether identity is hidden.
    pub hide_identity: bool,
    /// Whether the painted mask is made black in exports without identity; never remembered.
    pub export_blank: bool,
    /// Orders that run or wait.
    pub jobs: Vec<Job>,
    /// What the window had to say, oldest first.
    pub notices: Vec<Notice>,
    /// Notices nobody has looked at.
    pub unread: usize,
    /// What lies above the window.
    pub overlay: Overlay,
    /// The figure that is chosen, and whether it is being dragged.
    pub measures: Measures,
    /// Whether what lies under the pointer is magnified.
    pub loupe: bool,
    /// What the pointer is over.
    pub probe: Option<Under>,
    /// Which image that is; 0 = the case.
    pub probed: usize,
    /// The layer the pointer was last on: what Clear and the tool sizes act on.
    pub layer: Layer,
    /// Whether the engine is built.
    pub engine_ready: bool,
    /// Why there is no engine.
    pub engine_error: Option<Error>,
    /// Journals of unsaved work found at the start.
    pub restorable: Vec<PathBuf>,
    /// Other programs of the network.
    pub nodes: super::nodes::View,
    /// Whether the whole screen is used.
    pub full_screen: bool,
    /// Secret for files without identity; empty until the first of them.
    pub salt: Vec<u8>,
}

impl Session {
    /// A session with nothing open.
    pub fn new(settings: &super::settings::Settings, models: &[ModelChoice]) -> Self {
        let mut recipe = Recipe::default();
        if let Some(model) = models.first() {
            recipe.choose(model);
        }
        Self {
            workspace: Workspace::Draw,
            stage: Stage::Empty,
            stack: None,
            tool: Tool::Pen,
            tool_options: ToolOptions {
                size_px: settings.pen_px,
                ..ToolOptions::default()
            },
            view: View::default(),
            beside: Beside::default(),
            recipe,
            recipe_revision: 0,
            live: Live::default(),
            tray: Tray::default(),
            shown: None,
            before: false,
            split: 0.0,
            veil: VeilState::default(),
            contour: Contour::default(),
            overlays: true,
            planes: true,
            hide_identity: settings.hide_identity,
            jobs: Vec::new(),
            notices: Vec::new(),
            unread: 0,
            overlay: Overlay::None,
            measures: Measures::default(),
            loupe: false,
            probe: None,
            probed: 0,
            layer: Layer::Sketch,
            engine_ready: false,
            engine_error: None,
            restorable: Vec::new(),
            nodes: super::nodes::View::default(),
            full_screen: false,
            salt: Vec::new(),
            export_blank: false,
        }
    }

    /// The open case.
    pub fn open(&self) -> Option<&Open> {
        match &self.stage {
            Stage::Open(open) => Some(open),
            _ => None,
        }
    }

    /// What results are compared with: the image as it stands.
    pub fn film(&self) -> Film {
        self.open()
            .map_or_else(Film::default, |open| Film::of(open.document()))
    }

    /// The kind of image that is asked for: the recipe's, else that of the case; empty where neither has one.
    pub(crate) fn kind(&self) -> &str {
        let own = self.recipe.kind.as_str();
        let case = || self.open().map_or("", |open| open.kind.as_str());
        if own.is_empty() { case() } else { own }
    }

    /// The hip points that can be asked for: those placed on an image of hips.
    pub(crate) fn placed_hips(&self) -> Option<HipLandmarks> {
        let open = self.open()?;
        let is_hip = self.kind() == "hip" && self.recipe.prompted.is_none();
        let placed = open.document().landmarks.filter(|_| is_hip);
        placed.filter(HipLandmarks::is_valid)
    }

    /// The hip points that an image is asked to show.
    pub(crate) fn asked_hips(&self) -> Option<HipLandmarks> {
        self.placed_hips().filter(|_| self.recipe.hips_as_placed)
    }

    /// The result that is shown.
    pub fn shown(&self) -> Option<&Staged> {
        self.shown.and_then(|id| self.tray.find(id))
    }
}
