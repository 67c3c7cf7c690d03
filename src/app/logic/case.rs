//! Cases and results: what comes onto the stage, what is accepted, what is left.
//!
//! Separate because these are the moments at which the document, the journal and the session change together.

use std::sync::Arc;

use super::frames::{Stack, stack_of};
use super::tasks::{Accepting, Ready};
use crate::app::App;
use crate::app::canvas::View;
use crate::app::files::{KeepError, Loaded, Open, Work};
use crate::app::panel;
use crate::app::session::{ResultId, Stage, Weight};
use crate::document::{Accepted, Edit};
use crate::job::record::Record;
use crate::job::{Made, Mode, Request};

impl App {
    pub(super) fn accept(&mut self, id: Option<ResultId>) {
        let Some(id) = id.or(self.session.shown) else {
            let text = "Choose a result in the tray first";
            self.session.say(Weight::Note, text);
            return;
        };
        let (Some(item), Some(open)) = (self.session.tray.find(id), self.session.open()) else {
            return;
        };
        if self.tasks.accept.is_some() {
            return;
        }
        let store = match &open.work {
            Work::Kept(project) => Some(project.store()),
            Work::Loose(_) => None,
        };
        let accepting = Accepting {
            id,
            base: Arc::clone(open.document().image()),
            made: item.made.clone(),
            whole: item.request.mode == Mode::Sketch,
            record: record(&item.made, &item.request, item.seconds),
            store,
        };
        self.tasks.accept = Some(accepting.start(self.wake()));
    }

    /// Takes a checked result into the document.
    pub(crate) fn accepted(&mut self, ready: Ready) {
        let Stage::Open(open) = &mut self.session.stage else {
            return;
        };
        let reading = ready.reading;
        let done = match (ready.prepared, &mut open.work) {
            (Some(prepared), Work::Kept(project)) => project
                .apply_prepared(prepared)
                .map(drop)
                .map_err(KeepError::from),
            _ => open.work.apply(Edit::Accept(ready.accepted), false),
        };
        match done {
            Ok(()) => {
                open.update_layers();
                if reading.is_some() {
                    open.reading = reading;
                }
                self.session.tray.remove(ready.id);
                self.session.shown = None;
                self.session.live.new_document();
                let text = format!(
                    "Accepted: 0 of {} pixels outside the ring changed",
                    panel::thousands(ready.outside)
                );
                self.session.say(Weight::Done, text);
            }
            Err(error) => self.session.say(Weight::Wrong, error),
        }
    }

    pub(super) fn reject(&mut self, id: Option<ResultId>) {
        let Some(id) = id.or(self.session.shown) else {
            return;
        };
        let film = self.session.film();
        let next = self.session.tray.neighbor(id, &film);
        self.session.tray.reject(id);
        if self.session.shown == Some(id) {
            self.session.shown = next;
        }
    }

    /// Takes a rejected result back and shows it.
    pub(super) fn bring_back(&mut self, id: Option<ResultId>) {
        match self.session.tray.bring_back(id) {
            Some(id) => {
                self.session.shown = Some(id);
                self.session.before = false;
            }
            None => self.session.say(Weight::Note, "Nothing was rejected here"),
        }
    }

    /// Puts a case that was read on the stage.
    pub(crate) fn show_loaded(&mut self, loaded: Loaded) {
        self.leave_case();
        let session = &mut self.session;
        if let Some(path) = loaded.path.clone().filter(|_| self.demo.is_none()) {
            self.settings.remember(path, loaded.seen.clone());
        }
        for note in &loaded.notes {
            session.say(Weight::Note, note.clone());
        }
        if let Some(why) = &loaded.not_kept {
            session.say_not_kept(why);
        }
        if let Some(facts) = &loaded.facts {
            if let Some(mode) = facts.mode {
                session.recipe.mode = mode;
            }
            session.recipe.age_years = facts.age_years;
            session.recipe.sex = facts.sex;
        }
        let kind = loaded.kind.clone();
        if !kind.is_empty()
            && session.recipe.kind != kind
            && let Some(model) = self.models.iter().find(|model| model.kind == kind)
        {
            session.recipe.choose(model);
        }
        session.view = View::of(loaded.work.history().document().image());
        let file = loaded.stack.clone();
        session.stage = Stage::Open(Box::new(Open::new(loaded)));
        stack_of(session, &mut self.tasks, file);
        session.recipe_revision += 1;
        self.fill_cells();
        let session = &mut self.session;
        let has_points = session
            .open()
            .is_some_and(|open| open.document().landmarks.is_some());
        let can_ask = !self.models.is_empty() && session.engine_error.is_none();
        if kind.is_empty() && can_ask {
            self.guess_kind();
        }
        if kind == "hip" && !has_points && can_ask {
            self.find_hips();
        }
    }

    /// Forgets what belongs to the open case; untouched journals are removed.
    pub(crate) fn leave_case(&mut self) {
        self.stop_work();
        self.session.tray.clear();
        self.session.shown = None;
        self.session.before = false;
        self.tasks.frame = None;
        self.tasks.picture = None;
        self.clear_cells();
        self.session.measures.chosen = None;
        let stack = self.session.stack.take();
        let parked = stack.into_iter().flat_map(Stack::into_parked);
        let stage = std::mem::replace(&mut self.session.stage, Stage::Empty);
        let shown = match stage {
            Stage::Open(open) => Some(*open),
            _ => None,
        };
        for open in parked.chain(shown) {
            self.forget_untouched(open);
        }
    }

    /// Cancels what was asked for the image on the stage.
    pub(super) fn stop_work(&mut self) {
        for job in std::mem::take(&mut self.session.jobs) {
            self.worker.cancel(job.id);
        }
        if let Some((id, ..)) = self.session.live.in_flight {
            self.worker.cancel(id);
        }
        self.tasks.accept = None;
        self.drop_fill();
        self.session.live.new_document();
        self.session.probe = None;
    }

    pub(super) fn close_case(&mut self) {
        self.leave_case();
        self.tasks.load = None;
        self.look_for_unsaved();
    }
}

/// `record.json` without the source's pixels: they lie beside it in the project, and come back on export.
fn record(made: &Made, request: &Arc<Request>, seconds: f64) -> serde_json::Value {
    let mut record = Record::of(request, made, seconds);
    record.request.source = None;
    // A record of plain data has a JSON form; an empty one would only lose its reproducibility.
    serde_json::to_value(record).unwrap_or_default()
}

/// What is worth an edit when a result is accepted.
pub(crate) fn accepted_edit(made: &Made, record: serde_json::Value) -> Arc<Accepted> {
    Arc::new(Accepted {
        radiograph: Arc::clone(&made.radiograph),
        changed: made.changed.clone(),
        landmarks: made.hips.as_ref().map(|hips| hips.landmarks),
        record,
    })
}
