//! The frames of a file and the series of a folder: which is on the stage, which wait with what was made on them.
//!
//! Separate because each image is a case of its own, with its document and journal, and only the stepping joins them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::tasks::Tasks;
use crate::app::App;
use crate::app::action::FrameChange;
use crate::app::canvas::View;
use crate::app::files::{self, Gathered, Loaded, Open, SeriesEntry, StudyEntry};
use crate::app::session::{Session, Stage, Tray, Weight};
use crate::job::{Error, Task};
use crate::radiograph::ImageFile;

/// Pictures of more series than this are not made.
const MOST_PICTURES: usize = 1000;

/// A series in the list.
pub struct Listed {
    /// What it is.
    pub entry: SeriesEntry,
    /// Its picture; absent until it is made.
    pub picture: Option<egui::TextureHandle>,
    /// Why there is none.
    pub unreadable: Option<String>,
}

/// An image among all that were opened: series and frame, from 0.
pub(crate) type Place = (usize, usize);

/// What was opened: one or more series of one or more images each.
pub struct Stack {
    series: Vec<Listed>,
    studies: Vec<StudyEntry>,
    /// Studies whose series are folded away in the list.
    folded: BTreeSet<usize>,
    /// The image that was asked for last; it is on the stage or on its way there.
    wanted: Place,
    /// The series on the stage.
    shown: usize,
    parked: BTreeMap<Place, Parked>,
}

/// A frame that was left with work on it.
struct Parked {
    open: Box<Open>,
    tray: Tray,
}

impl Stack {
    fn new(gathered: Gathered, frame: usize) -> Self {
        let listed = |entry| Listed {
            entry,
            picture: None,
            unreadable: None,
        };
        Self {
            series: gathered.series.into_iter().map(listed).collect(),
            studies: gathered.studies,
            folded: BTreeSet::new(),
            wanted: (gathered.first, frame),
            shown: gathered.first,
            parked: BTreeMap::new(),
        }
    }

    /// Images of the series on the stage, at least 1.
    pub fn frames(&self) -> usize {
        self.file(self.shown).map_or(1, ImageFile::frames)
    }

    /// All series in their order, at least one.
    pub fn series(&self) -> &[Listed] {
        &self.series
    }

    /// The studies that the series belong to, in the same order.
    pub fn studies(&self) -> &[StudyEntry] {
        &self.studies
    }

    /// Whether the series of a study are folded away in the list.
    pub fn is_folded(&self, study: usize) -> bool {
        self.folded.contains(&study)
    }

    /// Folds the series of a study away in the list, or shows them again.
    pub(super) fn fold(&mut self, study: usize) {
        if study < self.studies.len() && !self.folded.remove(&study) {
            self.folded.insert(study);
        }
    }

    /// The series on the stage.
    pub fn shown(&self) -> usize {
        self.shown
    }

    /// Images that wait with work on them.
    pub fn parked(&self) -> usize {
        self.parked.len()
    }

    /// The image that was asked for last.
    pub(super) const fn wanted(&self) -> Place {
        self.wanted
    }

    /// Asks for another image; returns the one that was asked for before.
    pub(super) const fn want(&mut self, place: Place) -> Place {
        std::mem::replace(&mut self.wanted, place)
    }

    /// The images of a series.
    pub(crate) fn file(&self, series: usize) -> Option<&ImageFile> {
        self.series.get(series).map(|listed| &*listed.entry.file)
    }

    /// The images of a series, to be read elsewhere.
    pub(super) fn shared(&self, series: usize) -> Option<Arc<ImageFile>> {
        Some(Arc::clone(&self.series.get(series)?.entry.file))
    }

    /// The cases of the frames that wait.
    pub(super) fn into_parked(self) -> impl Iterator<Item = Open> {
        self.parked.into_values().map(|parked| *parked.open)
    }

    /// Lets the image on the stage follow one beside it that went from `before` to `now`.
    pub(super) fn follow(&mut self, before: Place, now: Place) {
        self.wanted = self.following(before, now, self.wanted);
    }

    /// Where a change leads from a place.
    pub(super) fn after(&self, (series, frame): Place, change: FrameChange) -> Place {
        let last = |series| {
            self.file(series)
                .map_or(0, |f| f.frames().saturating_sub(1))
        };
        let other = |step| {
            let most = self.series.len().saturating_sub(1);
            let next = series.saturating_add_signed(step).min(most);
            if next == series {
                (series, frame)
            } else {
                (next, 0)
            }
        };
        match change {
            // Images that stand each for itself are stepped through like the slices of one series.
            FrameChange::Step(step) if last(series) == 0 => other(step),
            FrameChange::Step(step) => {
                (series, frame.saturating_add_signed(step).min(last(series)))
            }
            FrameChange::To(frame) if last(series) == 0 => {
                let most = self.series.len().saturating_sub(1);
                (frame.min(most), 0)
            }
            FrameChange::To(frame) => (series, frame.min(last(series))),
            FrameChange::Series(step) => other(step),
            FrameChange::ToSeries(next) if next == series => (series, frame),
            FrameChange::ToSeries(next) => (next.min(self.series.len().saturating_sub(1)), 0),
        }
    }
}

/// Reads one more image; the work of a task.
fn load(file: &ImageFile, frame: usize, keep: Option<&Path>) -> Result<Loaded, Error> {
    let radiograph = file.frame(frame).map_err(Error::from)?;
    Ok(files::loaded(radiograph, file.path(), keep))
}

impl App {
    /// Goes to another image; steps made while one is read go on from the last one asked for.
    pub(super) fn change_frame(&mut self, change: FrameChange) {
        if self.change_cell(change) {
            return;
        }
        let Some(stack) = &mut self.session.stack else {
            return;
        };
        let before = stack.wanted;
        stack.wanted = stack.after(before, change);
        let now = stack.wanted;
        self.follow_stack();
        self.link_slices(None, before, now);
    }

    /// Puts the wanted image on the stage, or begins to read it.
    pub(super) fn follow_stack(&mut self) {
        let Some(stack) = &mut self.session.stack else {
            return;
        };
        let shown = match &self.session.stage {
            Stage::Open(open) => (stack.shown, open.document().original.frame),
            _ => return,
        };
        let wanted = stack.wanted;
        if wanted == shown || self.tasks.frame.is_some() {
            return;
        }
        if let Some(parked) = stack.parked.remove(&wanted) {
            self.put_frame(wanted.0, parked.open, parked.tray);
            return;
        }
        let Some(listed) = stack.series.get(wanted.0) else {
            return;
        };
        let (file, keep) = (Arc::clone(&listed.entry.file), self.keep.clone());
        let task = Task::start("frame", self.wake(), move || {
            load(&file, wanted.1, keep.as_deref())
        });
        self.tasks.frame = Some((wanted.0, task));
    }

    /// Collects an image that was read.
    pub(super) fn poll_frame(&mut self) {
        let Some((series, result)) = self
            .tasks
            .frame
            .as_ref()
            .and_then(|(series, task)| Some((*series, task.poll()?)))
        else {
            return;
        };
        self.tasks.frame = None;
        match result {
            Ok(loaded) => {
                // Once for all frames, until one is kept again.
                let said = self.session.open().is_some_and(|o| o.not_kept.is_some());
                if let Some(why) = loaded.not_kept.as_ref().filter(|_| !said) {
                    self.session.say_not_kept(why);
                }
                self.put_frame(series, Box::new(Open::new(loaded)), Tray::default());
                self.follow_stack();
            }
            Err(error) => {
                // The image on the stage stays; the next step starts from it.
                let shown = self.session.open().map(|o| o.document().original.frame);
                if let (Some(stack), Some(shown)) = (&mut self.session.stack, shown) {
                    stack.wanted = (stack.shown, shown);
                }
                self.session.say(Weight::Wrong, error);
            }
        }
    }

    /// Exchanges the image on the stage; the view stays, and its window unless it is the old image's own.
    fn put_frame(&mut self, series: usize, open: Box<Open>, tray: Tray) {
        let next = Arc::clone(open.document().image());
        let own = next.initial_window();
        let Stage::Open(left) = std::mem::replace(&mut self.session.stage, Stage::Open(open))
        else {
            return;
        };
        let before = left.document().image();
        let alike = (before.width(), before.height()) == (next.width(), next.height())
            && before.modality == next.modality;
        if !alike {
            // Another kind of image: what was looked at there says nothing here.
            self.session.view = View::of(&next);
        } else if before.initial_window() == self.session.view.window {
            self.session.view.window = own;
        }
        self.stop_work();
        let left_tray = std::mem::replace(&mut self.session.tray, tray);
        self.session.shown = None;
        self.session.before = false;
        self.session.measures.chosen = None;
        let touched = left.history().can_undo() || left.history().can_redo();
        let worth_keeping = touched || !left_tray.items.is_empty() || left.project_folder.is_some();
        match &mut self.session.stack {
            Some(stack) => {
                let place = (stack.shown, left.document().original.frame);
                stack.shown = series;
                if worth_keeping {
                    let tray = left_tray;
                    stack.parked.insert(place, Parked { open: left, tray });
                } else {
                    self.forget_untouched(*left);
                }
            }
            None => self.forget_untouched(*left),
        }
    }

    /// Makes the pictures of the list one after the other.
    pub(super) fn poll_pictures(&mut self, ctx: &egui::Context) {
        let Some(stack) = &mut self.session.stack else {
            self.tasks.picture = None;
            return;
        };
        if let Some((series, task)) = &self.tasks.picture {
            let Some(result) = task.poll() else {
                return;
            };
            if let Some(listed) = stack.series.get_mut(*series) {
                match result {
                    Ok(small) => listed.picture = Some(crate::app::texture(ctx, &small)),
                    Err(error) => listed.unreadable = Some(error.words()),
                }
            }
            self.tasks.picture = None;
            ctx.request_repaint();
        }
        if stack.series.len() < 2 {
            return;
        }
        let waits = |listed: &Listed| listed.picture.is_none() && listed.unreadable.is_none();
        let next = stack.series.iter().take(MOST_PICTURES).position(waits);
        if let Some(series) = next {
            let file = Arc::clone(&stack.series[series].entry.file);
            let task = Task::start("picture", self.wake(), move || files::thumbnail(&file));
            self.tasks.picture = Some((series, task));
        }
    }
}

/// What was opened beside the image on the stage.
pub(super) fn stack_of(session: &mut Session, tasks: &mut Tasks, gathered: Option<Gathered>) {
    tasks.frame = None;
    tasks.picture = None;
    let shown = session.open().map_or(0, |o| o.document().original.frame);
    session.stack = gathered.map(|gathered| Stack::new(gathered, shown));
}

/// Frame and frames, or image and images, from 1, as it is written in a corner.
pub(crate) fn title(session: &Session) -> Option<String> {
    let stack = session.stack.as_ref()?;
    if stack.frames() > 1 {
        let shown = session.open()?.document().original.frame;
        Some(format!("Frame {} / {}", shown + 1, stack.frames()))
    } else {
        Some(format!(
            "Image {} / {}",
            stack.shown + 1,
            stack.series.len()
        ))
    }
}
