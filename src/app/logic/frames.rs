//! The frames of one file: which is on the stage, which wait with what was made on them.
//!
//! Separate because a frame is a case of its own, with its document and journal, and only the stepping joins them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::tasks::Tasks;
use crate::app::App;
use crate::app::action::FrameChange;
use crate::app::files::{self, Loaded, Open};
use crate::app::session::{Session, Stage, Tray, Weight};
use crate::job::{Error, Task};
use crate::radiograph::ImageFile;

/// A file of several frames.
pub struct Stack {
    file: Arc<ImageFile>,
    /// The frame that was asked for last, from 0; it is on the stage or on its way there.
    wanted: usize,
    parked: BTreeMap<usize, Parked>,
}

/// A frame that was left with work on it.
struct Parked {
    open: Box<Open>,
    tray: Tray,
}

impl Stack {
    /// The file, its frame `shown` on the stage.
    pub(crate) fn new(file: Arc<ImageFile>, shown: usize) -> Self {
        Self {
            file,
            wanted: shown,
            parked: BTreeMap::new(),
        }
    }

    /// Frames of the file, at least 2.
    pub fn frames(&self) -> usize {
        self.file.frames()
    }

    /// Frames that wait with work on them.
    pub fn parked(&self) -> usize {
        self.parked.len()
    }

    /// The cases of the frames that wait.
    pub(super) fn into_parked(self) -> impl Iterator<Item = Open> {
        self.parked.into_values().map(|parked| *parked.open)
    }
}

/// Reads one more frame; the work of a task.
fn load(file: &ImageFile, frame: usize, keep: Option<&Path>) -> Result<Loaded, Error> {
    let radiograph = file.frame(frame).map_err(files::refused)?;
    Ok(files::loaded(radiograph, file.path(), keep))
}

impl App {
    /// Goes to another frame; steps made while one is read go on from the last one asked for.
    pub(super) fn change_frame(&mut self, change: FrameChange) {
        let Some(stack) = &mut self.session.stack else {
            return;
        };
        let last = stack.frames() - 1;
        stack.wanted = match change {
            FrameChange::Step(step) => stack.wanted.saturating_add_signed(step).min(last),
            FrameChange::To(frame) => frame.min(last),
        };
        self.follow_stack();
    }

    /// Puts the wanted frame on the stage, or begins to read it.
    fn follow_stack(&mut self) {
        let Some(stack) = &mut self.session.stack else {
            return;
        };
        let shown = match &self.session.stage {
            Stage::Open(open) => open.document().original.frame,
            _ => return,
        };
        let wanted = stack.wanted;
        if wanted == shown || self.tasks.frame.is_some() {
            return;
        }
        if let Some(parked) = stack.parked.remove(&wanted) {
            self.put_frame(parked.open, parked.tray);
            return;
        }
        let (file, keep) = (Arc::clone(&stack.file), self.keep.clone());
        self.tasks.frame = Some(Task::start("frame", self.wake(), move || {
            load(&file, wanted, keep.as_deref())
        }));
    }

    /// Collects a frame that was read.
    pub(super) fn poll_frame(&mut self) {
        let Some(result) = self.tasks.frame.as_ref().and_then(Task::poll) else {
            return;
        };
        self.tasks.frame = None;
        match result {
            Ok(loaded) => {
                self.put_frame(Box::new(Open::new(loaded)), Tray::default());
                self.follow_stack();
            }
            Err(error) => {
                // The frame on the stage stays; the next step starts from it.
                let shown = self.session.open().map(|o| o.document().original.frame);
                if let (Some(stack), Some(shown)) = (&mut self.session.stack, shown) {
                    stack.wanted = shown;
                }
                self.session.say(Weight::Wrong, error.to_string());
            }
        }
    }

    /// Exchanges the frame on the stage; the view stays, and its window unless it is the old frame's own.
    fn put_frame(&mut self, open: Box<Open>, tray: Tray) {
        let next = open.document().image();
        let own = next.initial_window();
        let Stage::Open(left) = std::mem::replace(&mut self.session.stage, Stage::Open(open))
        else {
            return;
        };
        if left.document().image().initial_window() == self.session.view.window {
            self.session.view.window = own;
        }
        self.stop_work();
        let left_tray = std::mem::replace(&mut self.session.tray, tray);
        self.session.shown = None;
        self.session.before = false;
        let touched = left.history().can_undo() || left.history().can_redo();
        let worth_keeping = touched || !left_tray.items.is_empty() || left.project_folder.is_some();
        match &mut self.session.stack {
            Some(stack) if worth_keeping => {
                let frame = left.document().original.frame;
                let tray = left_tray;
                stack.parked.insert(frame, Parked { open: left, tray });
            }
            _ => self.forget_untouched(*left),
        }
    }
}

/// What a file of several frames brings onto the stage beside its first one.
pub(super) fn stack_of(session: &mut Session, tasks: &mut Tasks, file: Option<Arc<ImageFile>>) {
    tasks.frame = None;
    let shown = session.open().map_or(0, |o| o.document().original.frame);
    session.stack = file.map(|file| Stack::new(file, shown));
}

/// Frame and frames, from 1, as it is written in a corner.
pub(crate) fn title(session: &Session) -> Option<String> {
    let stack = session.stack.as_ref()?;
    let shown = session.open()?.document().original.frame;
    Some(format!("Frame {} / {}", shown + 1, stack.frames()))
}
