//! What the panel asks for, on a thread of its own; the window only collects what came of it.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{Ask, Draft, Form, Page};
use crate::app::App;
use crate::app::action::Action;
use crate::app::files::{self, Exporting};
use crate::app::session::{Overlay, Weight};
use crate::job::{Error, ErrorKind, Progress, Task};
use crate::radiograph::write::secret;
use crate::transfer::{
    self, Access, Fetched, MOST_BYTES, Match, Node, Nodes, Sending, Sent, Wanted, Way,
};

/// What came of it.
pub(crate) enum Done {
    Listed(Nodes, Option<String>),
    Answered(String),
    Found(Vec<Match>),
    Fetched(PathBuf, Fetched),
    Sent(Vec<Sent>),
    Nothing,
}

/// Something under way.
pub(crate) struct Running {
    task: Task<Done>,
    what: String,
    signal: Arc<Signal>,
}

/// What the thread and the window tell each other.
#[derive(Default)]
struct Signal {
    stop: AtomicBool,
    step: AtomicUsize,
    steps: AtomicUsize,
}

impl Running {
    /// What is done, and how far in 0–1 where that is known.
    fn state(&self) -> (String, Option<f32>) {
        let step = self.signal.step.load(Ordering::Relaxed);
        let steps = self.signal.steps.load(Ordering::Relaxed);
        let part = (steps > 0).then(|| step as f32 / steps as f32);
        (self.what.clone(), part)
    }
}

impl App {
    /// Carries out what the panel asks for.
    pub(crate) fn ask_nodes(&mut self, ask: Ask) {
        match ask {
            Ask::Show => {
                self.session.overlay = Overlay::Nodes;
                self.list_nodes(None, |_| Ok(()));
            }
            Ask::Change(form) => self.change_form(*form),
            Ask::Stop => {
                if let Some(running) = &self.tasks.nodes {
                    running.signal.stop.store(true, Ordering::Release);
                }
            }
            // One thing at a time.
            _ if self.tasks.nodes.is_some() => {}
            Ask::Save => self.keep_node(),
            Ask::Remove => {
                if let Some(name) = self.session.nodes.form.chosen.clone() {
                    self.list_nodes(None, move |nodes| nodes.remove(&name));
                }
            }
            Ask::Test => {
                self.with_node("Testing", |node, access, observe| {
                    let echo = transfer::echo(&node, &access, observe)?;
                    let text = format!(
                        "{} answers ({}, {} ms)",
                        node.name, echo.by, echo.milliseconds
                    );
                    Ok(Done::Answered(text))
                });
            }
            Ask::Search => {
                let form = &self.session.nodes.form;
                let (query, web) = (form.query.clone(), form.web);
                self.with_node("Searching", move |node, access, observe| {
                    transfer::find(&node, &access, &query, web, observe).map(Done::Found)
                });
            }
            Ask::Fetch(study) => self.fetch_study(study),
            Ask::Send => self.send_open(),
        }
    }

    fn change_form(&mut self, form: Form) {
        let view = &mut self.session.nodes;
        if form.chosen == view.form.chosen {
            view.form = form;
        } else {
            view.choose(form.chosen.as_deref());
            view.said = None;
        }
    }

    /// Changes the list on the disk, and shows what it holds then; `choose` is chosen where it is there.
    fn list_nodes(
        &mut self,
        choose: Option<String>,
        change: impl FnOnce(&mut Nodes) -> Result<(), Error> + Send + 'static,
    ) {
        let Some(place) = self.session.nodes.place.clone() else {
            let why = "This person has no folder for the list of nodes";
            self.session.nodes.said = Some((false, why.to_owned()));
            return;
        };
        self.start_node_work("Reading the list", move |_| {
            let before = Nodes::load(&place)?;
            let mut nodes = before.clone();
            change(&mut nodes)?;
            if nodes != before {
                nodes.save(&place)?;
            }
            Ok(Done::Listed(nodes, choose))
        });
    }

    fn keep_node(&mut self) {
        let view = &mut self.session.nodes;
        let before = view.node().cloned();
        let node = match view
            .form
            .draft
            .node(before.as_ref().unwrap_or(&Node::default()))
        {
            Ok(node) => node,
            Err(why) => {
                view.said = Some((false, crate::app::panel::sentence(&why)));
                return;
            }
        };
        let old = before.map(|before| before.name);
        let name = node.name.clone();
        self.list_nodes(Some(name), move |nodes| {
            let same = old.as_ref() == Some(&node.name);
            nodes.put(node, same)?;
            // A new name replaces the old one.
            match old.filter(|_| !same) {
                Some(old) => nodes.remove(&old),
                None => Ok(()),
            }
        });
    }

    fn fetch_study(&mut self, study: String) {
        let form = &self.session.nodes.form;
        let way = form.web.then_some(Way::Web);
        self.with_node("Fetching", move |node, access, observe| {
            let Some(out) = where_to() else {
                return Ok(Done::Nothing);
            };
            let wanted = Wanted {
                study,
                series: None,
                out: out.clone(),
                most_bytes: MOST_BYTES,
            };
            let fetched = transfer::fetch(&node, &access, &wanted, way, observe)?;
            Ok(Done::Fetched(out, fetched))
        });
    }

    /// Sends the image as it stands, marked where it is synthetic, and what was chosen to go along.
    fn send_open(&mut self) {
        let Some(open) = self.session.open() else {
            self.session.nodes.said = Some((false, "Open a case first".to_owned()));
            return;
        };
        let form = &self.session.nodes.form;
        let web = form.web;
        let look = self.session.view.look();
        let kinds = form.objects(open);
        let what = Exporting {
            document: open.document().clone(),
            look,
            reading: open.reading.clone(),
            name: String::new(),
            blank: form.deidentify && self.session.export_blank,
            without_identity: form.deidentify.then(secret),
        };
        self.with_node("Sending", move |node, access, observe| {
            let failed = |error: std::io::Error| Error::new(ErrorKind::Failed, error.to_string());
            let work = tempfile::tempdir().map_err(failed)?;
            let files = files::bundle(&kinds, &what, work.path())?;
            // Identity was left behind already, where that was asked for.
            let how = Sending {
                web,
                deidentify: None,
            };
            transfer::send(&node, &access, &files, &how, observe).map(Done::Sent)
        });
    }

    fn with_node(
        &mut self,
        what: &str,
        work: impl FnOnce(Node, Access, &mut crate::job::Observe<'_>) -> Result<Done, Error>
        + Send
        + 'static,
    ) {
        let view = &self.session.nodes;
        let Some(node) = view.node().cloned() else {
            self.session.nodes.said = Some((false, "Choose a node first, or add one".to_owned()));
            return;
        };
        let access = Access {
            password: Some(view.form.password.clone()).filter(|p| !p.is_empty()),
        };
        let what = format!("{what}: {}", node.name);
        self.start_node_work(&what, move |observe| work(node, access, observe));
    }

    fn start_node_work(
        &mut self,
        what: &str,
        work: impl FnOnce(&mut crate::job::Observe<'_>) -> Result<Done, Error> + Send + 'static,
    ) {
        let signal = Arc::new(Signal::default());
        let told = Arc::clone(&signal);
        let ctx = self.ctx.clone();
        let mut observe = move |progress: Progress| {
            if told.step.swap(progress.step, Ordering::Relaxed) != progress.step {
                ctx.request_repaint();
            }
            told.steps.store(progress.steps, Ordering::Relaxed);
            if told.stop.load(Ordering::Acquire) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let task = Task::start("network", self.wake(), move || work(&mut observe));
        let running = Running {
            task,
            what: what.to_owned(),
            signal,
        };
        self.session.nodes.said = None;
        self.session.nodes.busy = Some(running.state());
        self.tasks.nodes = Some(running);
    }

    /// Collects what is done.
    pub(crate) fn poll_nodes(&mut self) {
        let Some(running) = &self.tasks.nodes else {
            return;
        };
        let Some(result) = running.task.poll() else {
            self.session.nodes.busy = Some(running.state());
            return;
        };
        self.tasks.nodes = None;
        self.session.nodes.busy = None;
        let said = match result {
            Ok(done) => self.node_work_done(done),
            Err(error) if error.kind == ErrorKind::Stopped => Some((true, "Stopped".to_owned())),
            Err(error) => Some((false, crate::app::panel::sentence(&error.words()))),
        };
        // Where the panel was closed meanwhile, the notices tell it.
        if let Some((well, text)) = &said
            && self.session.overlay != Overlay::Nodes
        {
            let weight = if *well { Weight::Done } else { Weight::Wrong };
            self.session.say(weight, text.clone());
        }
        self.session.nodes.said = said;
    }

    fn node_work_done(&mut self, done: Done) -> Option<(bool, String)> {
        let view = &mut self.session.nodes;
        match done {
            Done::Nothing => None,
            Done::Listed(list, choose) => {
                view.nodes = list.nodes;
                let kept = choose.is_some();
                let page = view.form.page;
                let chosen = choose.or_else(|| view.form.chosen.clone());
                let first = view.nodes.first().map(|node| node.name.clone());
                let there = |name: &String| view.nodes.iter().any(|node| node.name == *name);
                let chosen = chosen.filter(there).or(first);
                if kept || chosen != view.form.chosen || view.form.draft == Draft::default() {
                    view.choose(chosen.as_deref());
                }
                if kept {
                    view.form.page = Page::Settings;
                } else if !view.nodes.is_empty() {
                    view.form.page = page;
                }
                kept.then(|| (true, "Kept; test whether it answers".to_owned()))
            }
            Done::Answered(text) => Some((true, text)),
            Done::Found(found) => {
                let text = match found.len() {
                    0 => "Nothing was found".to_owned(),
                    1 => "1 study".to_owned(),
                    n => format!("{n} studies"),
                };
                view.found = found;
                Some((true, text))
            }
            Done::Sent(sent) => Some(said_of(sent)),
            Done::Fetched(folder, fetched) => {
                let new = fetched.files.len();
                let text = format!("{new} new files in {}", folder.display());
                let said = match fetched.failures.first() {
                    Some(first) => (
                        false,
                        format!("{text}; {} did not come: {first}", fetched.failures.len()),
                    ),
                    None => (true, text),
                };
                if said.0 {
                    self.session.overlay = Overlay::None;
                    let ctx = self.ctx.clone();
                    self.carry_out(&ctx, Action::Open(folder));
                }
                Some(said)
            }
        }
    }
}

/// How sending ended: all of it, or what did not arrive and why.
fn said_of(sent: Vec<Sent>) -> (bool, String) {
    let all = sent.len();
    let (mut arrived, mut remark, mut failure) = (0, None, None);
    for one in sent {
        match one.outcome {
            Ok(delivered) => {
                arrived += 1;
                remark = remark.or(delivered.warning);
            }
            Err(mut error) => {
                // Where it lay for the moment is nobody's concern.
                error.path = None;
                failure.get_or_insert(error);
            }
        }
    }
    let what = match all {
        0 => return (false, "Nothing was sent".to_owned()),
        1 => "Sent".to_owned(),
        _ => format!("Sent {arrived} of {all}: the image and what was made on it"),
    };
    match failure {
        Some(error) if all == 1 => (false, crate::app::panel::sentence(&error.words())),
        Some(error) => (
            false,
            format!("Sent {arrived} of {all}; then: {}", error.words()),
        ),
        None => {
            let remark = remark.map(|remark| format!("; {remark}"));
            (true, format!("{what}{}", remark.unwrap_or_default()))
        }
    }
}

/// A folder that the person chooses; where no dialog can be shown, a free one among the documents.
fn where_to() -> Option<PathBuf> {
    let asked = std::time::Instant::now();
    let picked = rfd::FileDialog::new()
        .set_title("Fetch into this folder")
        .pick_folder();
    // Nobody cancels a dialog so soon: it could not be shown.
    let shown = asked.elapsed() > std::time::Duration::from_millis(150);
    picked.or_else(|| {
        (!shown)
            .then(|| crate::bundle::free_document("Fetched study"))
            .flatten()
    })
}
