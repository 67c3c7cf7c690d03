//! The session: tool, view, recipe, staged results, jobs and notices. Forgotten when the window closes.
//!
//! Separate from the document, which is undone and saved, and from the settings, which are remembered.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::canvas::{Tool, ToolOptions, View};
use super::files::Open;
use super::live::Live;
use super::logic::frames::Stack;
use crate::document::Layer;
use crate::geometry::Point;
use crate::job::{
    Attributes, Control, Error, JobId, Made, Mode, ModelReference, Progress, Prompted, Request,
    RingPolicy, Sex,
};
use crate::measure::dscore::{DScore, DScoreMode};

/// The large parts of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Workspace {
    /// Two canvases over one view.
    #[default]
    Draw,
    /// One canvas with the construction of the angles.
    Hips,
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
    /// Whether it is asked with prompts.
    pub reads_text: bool,
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
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            mode: Mode::Inpaint,
            model: String::new(),
            kind: String::new(),
            seed: 1,
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
        } else if self.prompted.take().is_some() {
            let usual = Self::default();
            (self.guidance, self.steps) = (usual.guidance, usual.steps);
        }
        self.findings
            .retain(|finding, _| model.findings.contains(finding));
    }

    /// Whether this is the chosen model.
    pub fn is(&self, model: &ModelChoice) -> bool {
        self.model == model.name && self.kind == model.kind
    }

    /// The part of a request that does not depend on the document.
    pub fn request(&self) -> Request {
        let model = ModelReference {
            name: self.model.clone(),
            hash: String::new(),
        };
        let mut request = Request::new(self.mode, model);
        request.attributes = Attributes {
            kind: self.kind.clone(),
            age_years: self.age_years,
            sex: self.sex,
            findings: self.findings.clone(),
        };
        request.seed = self.seed;
        request.count = self.count;
        request.steps = self.steps.max(1);
        request.control = self.control;
        request.control_model = self.control_model.as_ref().map(|name| ModelReference {
            name: name.clone(),
            hash: String::new(),
        });
        request.prompted.clone_from(&self.prompted);
        request.guidance = self.guidance;
        request.strength = self.strength;
        request.ring = RingPolicy { px: self.ring_px };
        request
    }
}

/// A generated image that waits to be accepted or rejected.
pub struct Staged {
    /// Its name in this session.
    pub id: ResultId,
    /// The image with its numbers.
    pub made: Made,
    /// What it was made from.
    pub request: Arc<Request>,
    /// Seconds an image.
    pub seconds: f64,
    /// A reduced picture, made when it is first shown.
    pub thumbnail: Option<egui::TextureHandle>,
    /// Whether its hip points were moved by hand: then no interval holds.
    pub by_hand: bool,
    /// Whether it counts in the D-score (it has saliency maps).
    pub scored: bool,
}

/// Results that wait, and how diverse they are.
pub struct Tray {
    /// Oldest first.
    pub items: Vec<Staged>,
    /// The D-score of the items with saliency maps, kept up to date item by item.
    pub dscore: DScore,
    /// The score after each change, for the little curve.
    pub past: Vec<f64>,
    /// Why the last item could not be scored.
    pub unscored: Option<String>,
    next: u64,
}

impl Default for Tray {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            dscore: DScore::new(DScoreMode::Sliced),
            past: Vec::new(),
            unscored: None,
            next: 1,
        }
    }
}

impl Tray {
    /// Adds a result.
    pub fn push(&mut self, made: Made, request: Arc<Request>, seconds: f64) -> ResultId {
        let id = ResultId(self.next);
        self.next += 1;
        let scored = if made.saliency.is_empty() {
            self.unscored = Some("the model has no reader that gives saliency maps".to_owned());
            false
        } else {
            match self.dscore.push(&made.saliency) {
                Ok(_) => true,
                Err(error) => {
                    self.unscored = Some(error.to_string());
                    false
                }
            }
        };
        self.items.push(Staged {
            id,
            made,
            request,
            seconds,
            thumbnail: None,
            by_hand: false,
            scored,
        });
        self.note();
        id
    }

    /// Takes a result out.
    pub fn remove(&mut self, id: ResultId) -> Option<Staged> {
        let index = self.items.iter().position(|item| item.id == id)?;
        if let Some(scored) = self.scored_index(id) {
            self.dscore.remove(scored);
        }
        let item = self.items.remove(index);
        self.note();
        Some(item)
    }

    /// The result of a name.
    pub fn find(&self, id: ResultId) -> Option<&Staged> {
        self.items.iter().find(|item| item.id == id)
    }

    /// Mean distance of a result to the others: what it adds to the D-score.
    pub fn adds(&self, id: ResultId) -> Option<f64> {
        self.dscore.contribution(self.scored_index(id)?)
    }

    /// The result after `id`, or the one before it when it is the last.
    pub fn neighbor(&self, id: ResultId) -> Option<ResultId> {
        let index = self.items.iter().position(|item| item.id == id)?;
        self.items
            .get(index + 1)
            .or_else(|| index.checked_sub(1).and_then(|i| self.items.get(i)))
            .map(|item| item.id)
    }

    fn scored_index(&self, id: ResultId) -> Option<usize> {
        self.items
            .iter()
            .filter(|item| item.scored)
            .position(|item| item.id == id)
    }

    fn note(&mut self) {
        if let Some(value) = self.dscore.value() {
            self.past.push(value);
            if self.past.len() > 64 {
                self.past.remove(0);
            }
        }
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
}

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Something went well.
    Done,
    /// Worth knowing.
    Note,
    /// Something went wrong.
    Wrong,
}

/// Something the window has to say.
#[derive(Clone, Debug)]
pub struct Notice {
    /// How much it matters.
    pub weight: Weight,
    /// What it says.
    pub text: String,
    /// When it was said.
    pub at: Instant,
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
    /// The list of notices.
    Notices,
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
    /// The one view that all canvases share.
    pub view: View,
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
    /// Whether strokes, masks and points are drawn.
    pub overlays: bool,
    /// Whether identity is hidden.
    pub hide_identity: bool,
    /// Orders that run or wait.
    pub jobs: Vec<Job>,
    /// What the window had to say, oldest first.
    pub notices: Vec<Notice>,
    /// Notices nobody has looked at.
    pub unread: usize,
    /// What lies above the window.
    pub overlay: Overlay,
    /// The image point that the pointer is over, pixels.
    pub probe: Option<Point>,
    /// The layer the pointer was last on: what Clear and the tool sizes act on.
    pub layer: Layer,
    /// Whether the engine is built.
    pub engine_ready: bool,
    /// Why there is no engine.
    pub engine_error: Option<Error>,
    /// Journals of unsaved work found at the start.
    pub restorable: Vec<PathBuf>,
    /// Whether the whole screen is used.
    pub full_screen: bool,
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
            recipe,
            recipe_revision: 0,
            live: Live::default(),
            tray: Tray::default(),
            shown: None,
            before: false,
            split: 0.0,
            overlays: true,
            hide_identity: settings.hide_identity,
            jobs: Vec::new(),
            notices: Vec::new(),
            unread: 0,
            overlay: Overlay::None,
            probe: None,
            layer: Layer::Sketch,
            engine_ready: false,
            engine_error: None,
            restorable: Vec::new(),
            full_screen: false,
        }
    }

    /// Says something.
    pub fn say(&mut self, weight: Weight, text: impl Into<String>) {
        self.notices.push(Notice {
            weight,
            text: text.into(),
            at: Instant::now(),
        });
        self.unread += 1;
        if self.notices.len() > 100 {
            self.notices.remove(0);
        }
    }

    /// The open case.
    pub fn open(&self) -> Option<&Open> {
        match &self.stage {
            Stage::Open(open) => Some(open),
            _ => None,
        }
    }

    /// The result that is shown.
    pub fn shown(&self) -> Option<&Staged> {
        self.shown.and_then(|id| self.tray.find(id))
    }
}
