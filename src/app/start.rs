//! What the window is opened with: files, models, folders. Everything else it finds out itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::session::ModelChoice;
use crate::geometry::Point;
use crate::job::{Error, Request};

/// What the window is opened with.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Files and folders to open, as the series they hold; the first one is shown.
    pub files: Vec<PathBuf>,
    /// The demo for a conference.
    pub demo: bool,
    /// Models that can be chosen.
    pub models: Vec<ModelChoice>,
    /// Adds a folder of another program's models; absent = none can be added.
    pub add_model: Option<AddModel>,
    /// Says which part of an image is denoised; absent = it is not shown.
    pub denoised: Option<Denoised>,
    /// Folder of the bundled cases.
    pub cases: Option<PathBuf>,
    /// Where networks run, in words: `CPU · 2 threads`.
    pub device: String,
    /// Folder for the journals of unsaved work; absent = nothing is kept.
    pub keep: Option<PathBuf>,
    /// File of the settings; absent = nothing is remembered.
    pub settings: Option<PathBuf>,
    /// The list of nodes of the network; absent = nothing can be sent or fetched.
    pub nodes: Option<PathBuf>,
}

/// Says which part of an image a request has denoised: its edges, image pixels; `None` where that is all of it.
#[derive(Clone)]
pub struct Denoised(Arc<Denoising>);

type Denoising = dyn Fn(&Request) -> Option<Vec<[Point; 2]>> + Send + Sync;

impl Denoised {
    /// By this function, which may take its time.
    pub fn new(
        denoised: impl Fn(&Request) -> Option<Vec<[Point; 2]>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(denoised))
    }

    pub(crate) fn of(&self, request: &Request) -> Option<Vec<[Point; 2]>> {
        (self.0)(request)
    }
}

impl std::fmt::Debug for Denoised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Denoised")
    }
}

/// Checks a model folder, makes it known and lists all models then, with the name of the new one.
#[derive(Clone)]
pub struct AddModel(Arc<AddingModel>);

type AddingModel = dyn Fn(&Path) -> Result<(Vec<ModelChoice>, String), Error> + Send + Sync;

impl AddModel {
    /// By this function, which may take its time.
    pub fn new(
        add: impl Fn(&Path) -> Result<(Vec<ModelChoice>, String), Error> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(add))
    }

    pub(crate) fn call(&self, folder: &Path) -> Result<(Vec<ModelChoice>, String), Error> {
        (self.0)(folder)
    }
}

impl std::fmt::Debug for AddModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AddModel")
    }
}
