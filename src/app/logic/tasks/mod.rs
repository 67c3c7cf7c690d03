//! Work beside the window: dialogs, reading, saving, exporting, checking a result before it is accepted.
//!
//! Separate so that everything that may wait for a disk or a person is started and collected in one place.

pub(crate) mod exports;
mod masks;
pub(crate) mod models;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use self::exports::Exported;
use super::case::accepted_edit;
use super::frames::Place;
use crate::app::App;
use crate::app::action::Action;
use crate::app::files::{self, CaseCard, Loaded, Open, Work};
use crate::app::names::Names;
use crate::app::recent::Glimpse;
use crate::app::session::{ResultId, Stage, Weight};
use crate::document::project::{Prepared, Project, Store};
use crate::document::{Accepted, Document, Edit};
use crate::job::{Error, ErrorKind, HipReading, Made, Task, Wake};
use crate::radiograph::{Picture, Preview, Radiograph};

/// A project in a folder of its own and what there is to see of it; nothing where none was chosen or it had one.
type Saved = Option<(Project, Glimpse)>;

/// Everything that is under way.
#[derive(Default)]
pub(crate) struct Tasks {
    /// A case that is being read.
    pub load: Option<Task<Loaded>>,
    /// A file that was dropped on the open image.
    pub dropped: Option<masks::Dropped>,
    /// Another image of what is open, and its series.
    pub frame: Option<(usize, Task<Loaded>)>,
    /// An image beside the case: its number, where it is from.
    pub cell: Option<(usize, Place, Task<Radiograph>)>,
    /// The picture of a series for the list.
    pub picture: Option<(usize, Task<Picture>)>,
    /// A file dialog; no path when it was closed.
    pub dialog: Option<Task<Vec<PathBuf>>>,
    /// A large fill under way.
    pub fill: Option<super::edit::Filling>,
    /// A model folder that is being added.
    pub model: Option<Task<models::Added>>,
    /// A result that is being checked.
    pub accept: Option<Task<Ready>>,
    /// A project that is being saved, with the revision it shows.
    pub save: Option<(Task<Saved>, u64)>,
    /// A file that is being written.
    pub export: Option<Task<Option<Exported>>>,
    /// Settings that are being written.
    pub settings: Option<Task<()>>,
    /// Bundled cases.
    pub cards: Option<Task<Vec<CaseCard>>>,
    /// Journals of unsaved work.
    pub unsaved: Option<Task<files::Unsaved>>,
    /// Something asked of another program of the network.
    pub nodes: Option<crate::app::nodes::Running>,
}

/// A result on its way into the document.
pub(crate) struct Accepting {
    /// Its name in the tray.
    pub id: ResultId,
    /// The image as it stands.
    pub base: Arc<Radiograph>,
    /// The result.
    pub made: Made,
    /// Whether it is a whole new image, with no pixel to keep.
    pub whole: bool,
    /// Everything that reproduces it.
    pub record: serde_json::Value,
    /// Where its pixels go; absent without a journal.
    pub store: Option<Store>,
}

/// A result that was checked: not one pixel outside its ring differs from the image as it stands.
pub(crate) struct Ready {
    /// Its name in the tray.
    pub id: ResultId,
    /// What becomes part of the document.
    pub accepted: Arc<Accepted>,
    /// The same with its pixels on the disk.
    pub prepared: Option<Prepared>,
    /// Pixels that were compared.
    pub outside: usize,
    /// Its hip points with their intervals.
    pub reading: Option<HipReading>,
}

impl Accepting {
    /// Starts the comparison and, with a journal, the writing of the pixels.
    pub(crate) fn start(self, wake: Wake) -> Task<Ready> {
        Task::start("accept", wake, move || self.check())
    }

    fn check(self) -> Result<Ready, Error> {
        let changed = &self.made.changed;
        let kept = |x: usize, y: usize| changed.get(x, y).is_some_and(|c| *c == 0);
        let different = self
            .base
            .pixels
            .count_different_where(&self.made.radiograph.pixels, kept)
            .ok_or_else(|| refused("the result has another size or depth than the image"))?;
        if different > 0 && !self.whole {
            return Err(refused(&format!(
                "{different} pixels outside the ring differ from the image as it stands"
            )));
        }
        let accepted = accepted_edit(&self.made, self.record);
        let prepared = self
            .store
            .map(|store| store.prepare(Edit::Accept(Arc::clone(&accepted))))
            .transpose()
            .map_err(|error| Error::new(ErrorKind::Failed, error.to_string()))?;
        Ok(Ready {
            id: self.id,
            outside: changed.cells().iter().map(|c| usize::from(*c == 0)).sum(),
            reading: self.made.hips,
            accepted,
            prepared,
        })
    }
}

fn refused(what: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("not accepted: {what}"))
        .remedy("generate it again from the image as it stands")
}

impl App {
    /// Wakes the window from another thread.
    pub(crate) fn wake(&self) -> Wake {
        let ctx = self.ctx.clone();
        Box::new(move || ctx.request_repaint())
    }

    /// Starts what has to do with files.
    pub(crate) fn start_task(&mut self, action: Action) {
        match action {
            Action::OpenDialog if self.tasks.dialog.is_none() => {
                self.tasks.dialog = Some(Task::start("open dialog", self.wake(), || {
                    Ok(rfd::FileDialog::new()
                        .set_title("Open radiographs")
                        .pick_files()
                        .unwrap_or_default())
                }));
            }
            Action::OpenFolder if self.tasks.dialog.is_none() => {
                self.tasks.dialog = Some(Task::start("open dialog", self.wake(), || {
                    let dialog = rfd::FileDialog::new().set_title("Open a folder of radiographs");
                    Ok(dialog.pick_folder().into_iter().collect())
                }));
            }
            Action::Open(path) => self.open_path(path),
            Action::Dropped(path) => self.dropped(path),
            Action::OpenAll(paths) => self.open_paths(paths),
            Action::OpenCase(n) => {
                if let Some(card) = self.cases.get(n) {
                    self.open_path(card.folder.clone());
                }
            }
            Action::Restore(path) => {
                self.session.restorable.retain(|known| *known != path);
                self.load(path, |path, _, _| files::restore(path, None));
            }
            Action::Discard(path) => {
                self.session.restorable.retain(|known| *known != path);
                remove_later(path, self.wake());
            }
            Action::Save => self.save(),
            Action::Export(kind) => self.export(kind),
            _ => {}
        }
    }

    fn open_path(&mut self, path: PathBuf) {
        self.load(path, files::load);
    }

    /// Opens one path as what it is, several as the series they hold.
    fn open_paths(&mut self, mut paths: Vec<PathBuf>) {
        match paths.len() {
            0 => {}
            1 => self.open_path(paths.remove(0)),
            _ => self.load(paths[0].clone(), move |_, keep, show| {
                files::load_all(&paths, keep, show)
            }),
        }
    }

    fn load(
        &mut self,
        path: PathBuf,
        read: impl FnOnce(&Path, Option<&Path>, &dyn Fn(Preview)) -> Result<Loaded, Error>
        + Send
        + 'static,
    ) {
        self.leave_case();
        let keep = self.keep.clone();
        let preview = Arc::new(OnceLock::new());
        let (slot, wake) = (Arc::clone(&preview), self.wake());
        self.session.stage = Stage::Loading {
            bytes: std::fs::metadata(&path)
                .ok()
                .filter(std::fs::Metadata::is_file)
                .map(|m| m.len()),
            path: path.clone(),
            preview,
            picture: None,
        };
        self.tasks.load = Some(Task::start("open", self.wake(), move || {
            let show = |preview| {
                // There is one picture a file.
                slot.set(preview).ok();
                wake();
            };
            read(&path, keep.as_deref(), &show)
        }));
    }

    fn save(&mut self) {
        let Some(open) = self.session.open() else {
            return;
        };
        if self.tasks.save.is_some() {
            return;
        }
        let revision = open.revision();
        let known = open.project_folder.clone();
        let document = open.document().clone();
        let source = match &open.work {
            Work::Kept(project) if Some(project.folder()) == known.as_deref() => {
                let synced = project.sync().map_err(|error| error.to_string());
                let task = Task::start("save", self.wake(), move || {
                    let failed = |what: String| Error::new(ErrorKind::Failed, what);
                    let file = synced.map_err(failed)?;
                    file.sync_data()
                        .map_err(|error| failed(error.to_string()))?;
                    Ok(None)
                });
                self.tasks.save = Some((task, revision));
                return;
            }
            Work::Kept(project) => Some(project.folder().to_owned()),
            Work::Loose(_) => None,
        };
        let name = format!("{}.radcanvas", open.title);
        let kind = open.kind.clone();
        let task = Task::start("save", self.wake(), move || {
            let target = known.or_else(|| ask_where("Save the project folder", &name));
            let Some(target) = target else {
                return Ok(None);
            };
            let project = save_to(source.as_deref(), &document, &target)?;
            // What the folder holds: one image, as it is now.
            let seen = Glimpse::of(project.document().image(), &kind, 1);
            Ok(Some((project, seen)))
        });
        self.tasks.save = Some((task, revision));
    }

    /// Writes the settings where they changed.
    pub(crate) fn keep_settings(&mut self) {
        self.settings.layout = self.stage.layout();
        self.settings.window = self.size.remembered(self.settings.window);
        let wake = self.wake();
        let Some((file, written)) = &mut self.settings_file else {
            return;
        };
        if *written == self.settings {
            return;
        }
        if let Some(earlier) = self.tasks.settings.take() {
            // Two writers would race; the earlier one had half a minute.
            earlier.wait().ok();
        }
        written.clone_from(&self.settings);
        let (file, settings) = (file.clone(), self.settings.clone());
        let work = move || settings.save(&file);
        self.tasks.settings = Some(Task::start("settings", wake, work));
    }

    /// Looks for journals that an earlier session left.
    pub(crate) fn look_for_unsaved(&mut self) {
        if let Some(keep) = self.keep.clone().filter(|_| self.demo.is_none()) {
            self.tasks.unsaved = Some(Task::start("unsaved", self.wake(), move || {
                Ok(files::unsaved(&keep))
            }));
        }
    }

    /// Removes the journal of work that was never touched, or that was saved elsewhere.
    pub(crate) fn forget_untouched(&self, open: Open) {
        let touched = open.history().can_undo() || open.history().can_redo();
        if let Work::Kept(project) = open.work
            && open.project_folder.as_deref() != Some(project.folder())
            && !touched
        {
            let folder = project.folder().to_owned();
            drop(project);
            remove_later(folder, self.wake());
        }
    }

    /// Collects what is done.
    pub(crate) fn poll_tasks(&mut self, ctx: &egui::Context) {
        if let Some(result) = self.tasks.load.as_ref().and_then(Task::poll) {
            self.tasks.load = None;
            match result {
                Ok(loaded) => self.show_loaded(loaded),
                Err(error) => self.session.stage = Stage::Failed(error),
            }
        }
        if let Stage::Loading {
            preview, picture, ..
        } = &mut self.session.stage
            && picture.is_none()
        {
            *picture = preview
                .get()
                .map(|preview| crate::app::texture(ctx, &preview.picture));
        }
        self.poll_dropped();
        self.poll_frame();
        self.poll_pictures(ctx);
        self.poll_cells();
        self.poll_added_model();
        self.poll_fill();
        if let Some(result) = self.tasks.dialog.as_ref().and_then(Task::poll) {
            self.tasks.dialog = None;
            match result {
                Ok(paths) => self.open_paths(paths),
                Err(error) => self.session.say(Weight::Wrong, error),
            }
        }
        if let Some(result) = self.tasks.accept.as_ref().and_then(Task::poll) {
            self.tasks.accept = None;
            match result {
                Ok(ready) => self.accepted(ready),
                Err(error) => self.session.say(Weight::Wrong, error),
            }
        }
        self.poll_saves();
        if let Some(result) = self.tasks.settings.as_ref().and_then(Task::poll) {
            self.tasks.settings = None;
            if let Err(error) = result {
                self.session.say(Weight::Wrong, error);
            }
        }
        self.poll_nodes();
        if let Some(Ok(cards)) = self.tasks.cards.as_ref().and_then(Task::poll) {
            self.tasks.cards = None;
            self.cases = cards;
            for card in &mut self.cases {
                card.picture = Some(crate::app::texture(ctx, &card.small));
            }
            if self.demo.is_some() {
                self.reset_demo();
            }
        }
        if let Some(Ok(found)) = self.tasks.unsaved.as_ref().and_then(Task::poll) {
            self.tasks.unsaved = None;
            self.session.restorable = found.folders;
            for text in found.failed {
                // It is looked for after every case: once is enough.
                if self.session.notices.iter().all(|said| said.text != text) {
                    self.session.say(Weight::Wrong, text);
                }
            }
        }
    }

    fn poll_saves(&mut self) {
        if let Some((task, revision)) = &self.tasks.save
            && let Some(result) = task.poll()
        {
            let revision = *revision;
            self.tasks.save = None;
            match result {
                Ok(project) => self.saved(project, revision),
                Err(error) => self.session.say(Weight::Wrong, error),
            }
        }
        self.poll_export();
    }

    /// Goes on in the saved folder, unless the document moved on while it was copied.
    fn saved(&mut self, saved: Saved, revision: u64) {
        let wake = self.wake();
        let Stage::Open(open) = &mut self.session.stage else {
            return;
        };
        let Some((project, seen)) = saved else {
            if open.project_folder.is_some() {
                open.saved_revision = revision;
                self.session.say(Weight::Done, "Saved");
            }
            return;
        };
        let folder = project.folder().to_owned();
        open.title = crate::app::panel::file_name(&folder);
        if open.revision() == revision {
            let old = std::mem::replace(&mut open.work, Work::Kept(Box::new(project)));
            open.project_folder = Some(folder.clone());
            open.saved_revision = open.revision();
            open.not_kept = None;
            open.update_layers();
            if let Work::Kept(old) = old {
                let unsaved = old.folder().to_owned();
                drop(old);
                remove_later(unsaved, wake);
            }
        }
        let name = Names::of(&self.session).written(&crate::app::panel::file_name(&folder));
        self.settings.remember(folder, Some(seen));
        self.session.say(Weight::Done, format!("Saved {name}"));
    }
}

fn save_to(source: Option<&Path>, document: &Document, target: &Path) -> Result<Project, Error> {
    match source {
        Some(source) => Project::save_as(source, target),
        None => Project::create(target, document.clone()),
    }
    .map_err(Error::from)
}

/// Removes a folder of our own on another thread; what cannot be removed is offered again at the next start.
fn remove_later(folder: PathBuf, wake: Wake) {
    drop(Task::start("forget", wake, move || {
        std::fs::remove_dir_all(&folder).ok();
        Ok(())
    }));
}

/// A file dialog for a new file; blocks its thread.
///
/// Where no dialog can be shown at all, the answer comes at once and looks like "cancelled": the file then goes into
/// the documents folder under a name that is free, so that work can always be got out.
pub(super) fn ask_where(title: &str, name: &str) -> Option<PathBuf> {
    let asked = std::time::Instant::now();
    let picked = rfd::FileDialog::new()
        .set_title(title)
        .set_file_name(name)
        .save_file();
    if picked.is_some() || asked.elapsed() > NO_DIALOG {
        return picked;
    }
    crate::bundle::free_document(name)
}

/// Nobody cancels a dialog so soon after it was asked for.
const NO_DIALOG: std::time::Duration = std::time::Duration::from_millis(150);
