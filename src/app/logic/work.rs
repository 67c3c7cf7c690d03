//! Orders out and events in: generating, reading hip points, live mode.
//!
//! Separate because it is the window's side of the seam; nothing here waits for the worker.

use std::sync::Arc;
use std::time::Instant;

use crate::app::App;
use crate::app::files::Open;
use crate::app::layers::LayerPixels;
use crate::app::live::{Basis, PREVIEW_STEPS, Quality};
use crate::app::session::{Job, Purpose, Stage, Weight};
use crate::document::{Edit, Layer};
use crate::job::{
    Error, ErrorKind, Event, JobId, Made, Measurement, Mode, Order, Product, Reading, Request,
};
use crate::radiograph::Picture;

impl App {
    /// Freezes everything a generation needs; `None` without an image.
    pub(crate) fn request(&self) -> Option<Request> {
        let open = self.session.open()?;
        let document = open.document();
        let mut request = self.session.recipe.request();
        self.session.kind().clone_into(&mut request.attributes.kind);
        request.source = Some(Arc::clone(document.image()));
        let raster = |layer, pixels: &LayerPixels| {
            let any = document.marks_of(layer).next().is_some();
            any.then(|| (*pixels.overlay.grid).clone())
        };
        request.hint = raster(Layer::Sketch, &open.sketch);
        if request.mode != Mode::Sketch {
            request.mask = raster(Layer::Mask, &open.mask);
        }
        request.landmarks = self.session.asked_hips();
        Some(request)
    }

    /// Hands an order to the worker, and lists it under `title` until it ends.
    pub(super) fn queue(&mut self, order: Order, title: impl Into<String>, purpose: Purpose) {
        let id = self.worker.queue(order);
        self.session.jobs.push(Job {
            id,
            title: title.into(),
            progress: None,
            purpose,
        });
    }

    pub(super) fn generate(&mut self) {
        if let Some(obstacle) = self.shown().obstacle() {
            self.session.say(Weight::Note, obstacle);
            return;
        }
        let Some(request) = self.request() else {
            return;
        };
        let title = match request.count {
            1 => "Generate".to_owned(),
            n => format!("Generate {n}"),
        };
        self.queue(Order::Generate(request), title, Purpose::Generate);
    }

    pub(crate) fn find_hips(&mut self) {
        let Some(open) = self.session.open() else {
            return;
        };
        let order = Order::Measure(Measurement::Hips {
            radiograph: Arc::clone(open.document().image()),
            window: None,
        });
        self.queue(order, "Find hip points", Purpose::Hips);
    }

    /// Takes in everything that happened since the last frame.
    pub(crate) fn drain(&mut self, ctx: &egui::Context) {
        let events: Vec<Event> = self.worker.events().collect();
        for event in events {
            match event {
                Event::Ready(place) => {
                    self.session.engine_ready = true;
                    if !place.is_empty() {
                        self.device = place;
                    }
                }
                Event::Notice(text) => self.session.say(Weight::Note, text),
                Event::Progress(id, progress) => {
                    if let Some(job) = self.session.jobs.iter_mut().find(|job| job.id == id) {
                        job.progress = Some(progress);
                    }
                }
                Event::Finished(id, product) => self.finished(ctx, id, product),
                Event::Superseded(id) => {
                    if self.session.live.is(id) {
                        self.session.live.dropped();
                    }
                    self.session.jobs.retain(|job| job.id != id);
                }
                Event::Failed(id, error) => self.failed(id, error),
            }
        }
        self.poll_tasks(ctx);
        self.follow_veil(ctx);
        self.follow_contour();
        self.submit_live(ctx);
    }

    pub(super) fn finished(&mut self, ctx: &egui::Context, id: JobId, product: Product) {
        if self.session.live.is(id) {
            if let Product::Outcome(mut outcome) = product
                && !outcome.images.is_empty()
            {
                let made = outcome.images.swap_remove(0);
                self.live_answer(made, outcome.request, outcome.seconds);
            } else {
                self.session.live.dropped();
            }
            return;
        }
        let Some(at) = self.session.jobs.iter().position(|job| job.id == id) else {
            return;
        };
        let job = self.session.jobs.remove(at);
        match (product, job.purpose) {
            (Product::Outcome(outcome), _) => {
                let each = outcome.seconds / outcome.images.len().max(1) as f64;
                let mut first = None;
                for made in outcome.images {
                    let small = Picture::reduced(&made.radiograph, 184);
                    let request = Arc::clone(&outcome.request);
                    let id = self.session.tray.push(made, request, each);
                    first.get_or_insert(id);
                    if let Some(item) = self.session.tray.items.last_mut() {
                        item.thumbnail = Some(crate::app::texture(ctx, &small));
                    }
                }
                if self.session.shown.is_none() {
                    self.session.shown = first;
                    self.session.split = 0.0;
                }
            }
            (Product::Reading(Reading::Hips(reading)), Purpose::Hips) => {
                let points = reading.landmarks;
                self.edit(Edit::SetLandmarks(Some(points)), false);
                if let Stage::Open(open) = &mut self.session.stage {
                    open.reading = Some(reading);
                }
            }
            (Product::Reading(Reading::Kind(kinds)), Purpose::Kind) => self.guessed(kinds),
            (Product::Reading(Reading::Hips(reading)), Purpose::LiveHips(revision)) => {
                self.session.live.reading = None;
                if let Some(live) = self
                    .session
                    .live
                    .result
                    .as_mut()
                    .filter(|live| live.revision == revision)
                {
                    live.made.hips = Some(reading);
                }
            }
            _ => {}
        }
    }

    pub(super) fn failed(&mut self, id: JobId, error: Error) {
        if self.session.live.is(id) {
            self.session.live.dropped();
            if error.kind != ErrorKind::Stopped && !self.live_failed_quietly() {
                self.session.live.switch(false);
                self.session
                    .say(Weight::Wrong, format!("Live is off: {}", error.words()));
            }
            return;
        }
        if id == JobId(0) {
            self.session.engine_ready = true;
            self.session.engine_error = Some(error);
            return;
        }
        if self.session.live.reading == Some(id) {
            self.session.live.reading = None;
        }
        // A guess that cannot be made is no failure of anything that was asked for, nor is half a sketch without hips.
        let asked = |job: &Job| !matches!(job.purpose, Purpose::Kind | Purpose::LiveHips(_));
        let known = (self.session.jobs.iter()).any(|job| job.id == id && asked(job));
        self.session.jobs.retain(|job| job.id != id);
        match (error.kind, known) {
            (_, false) => {}
            (ErrorKind::Stopped, true) => self.session.say(Weight::Note, "Stopped"),
            _ => self.session.say(Weight::Wrong, error),
        }
    }

    /// Edits of the document and of the recipe, counted together.
    pub(crate) fn revision(&self) -> u64 {
        let document = self.session.open().map_or(0, Open::revision);
        document + self.session.recipe_revision
    }

    pub(super) fn submit_live(&mut self, ctx: &egui::Context) {
        if !self.session.live.on || self.session.open().is_none() {
            return;
        }
        if let Some(wait) = self.live_rests() {
            ctx.request_repaint_after(wait);
            return;
        }
        let now = Instant::now();
        let revision = self.revision();
        self.session.live.holding = ctx.input(|input| input.pointer.any_down());
        self.session.live.observe(revision, now);
        match self.session.live.due_in(now) {
            None => self.submit_next(ctx, now),
            Some(wait) if !wait.is_zero() => ctx.request_repaint_after(wait),
            Some(_) => {
                if self.shown().obstacle().is_some() {
                    self.session.live.skip(revision);
                    self.session.live.result = None;
                    return;
                }
                let quality = if self.is_quick() {
                    Quality::Quick
                } else {
                    Quality::Settled
                };
                self.ask(quality, now);
            }
        }
    }

    /// Whether one step shows something: of a student, but not of a model that was never distilled, nor of one whose lines
    /// go by a branch of its own, nor of one that reads text.
    fn is_quick(&self) -> bool {
        let recipe = &self.session.recipe;
        let kind = self.session.kind();
        let mut fitting = self.models.iter().filter(|choice| {
            let named = recipe.model.is_empty() || choice.name == recipe.model;
            named && (kind.is_empty() || choice.kind == kind)
        });
        let own_lines = recipe.control_model.is_none() && recipe.prompted.is_none();
        own_lines && fitting.next().is_some_and(|choice| choice.quick)
    }

    /// Asks for the state that is shown once more and better, when edits pause.
    fn submit_next(&mut self, ctx: &egui::Context, now: Instant) {
        match self.session.live.next_due(now) {
            None => {}
            Some((_, wait)) if !wait.is_zero() => ctx.request_repaint_after(wait),
            Some((quality, _)) => self.ask(quality, now),
        }
    }

    /// Hands the state as it is to the worker.
    fn ask(&mut self, quality: Quality, now: Instant) {
        let (revision, basis) = (self.revision(), self.live_basis());
        let Some(mut request) = self.request() else {
            return;
        };
        request.count = 1;
        if quality != Quality::Full {
            request.preview = true;
            request.steps = match quality {
                Quality::Quick => 1,
                Quality::Settled | Quality::Full => request.steps.min(PREVIEW_STEPS),
            };
            if request.prompted.is_some() {
                // It doubles the work; the answer in full quality has it.
                request.guidance = 1.0;
            }
        }
        if quality == Quality::Quick {
            let live = &self.session.live;
            let touched = live.warm_basis().and_then(|before| self.touched(before));
            request.warm = live.warm(&basis, touched);
        }
        let live = &self.session.live;
        let shown = live.result.as_ref().map(|result| result.revision);
        let id = if shown == Some(revision) {
            self.worker.live_again(request)
        } else {
            self.stop_reading();
            self.worker.live(request)
        };
        self.session.live.sent(id, revision, (quality, basis), now);
    }

    /// Points of an answer that is about to be replaced are nobody's: the next answer need not wait for them.
    fn stop_reading(&mut self) {
        if let Some(id) = self.session.live.reading.take() {
            self.worker.cancel(id);
            self.session.jobs.retain(|job| job.id != id);
        }
    }

    /// What a request is made from now.
    fn live_basis(&self) -> Basis {
        let open = self.session.open();
        Basis {
            recipe: self.session.recipe_revision,
            image: open.map_or(0, |open| Arc::as_ptr(open.document().image()) as usize),
            hips: self.session.asked_hips(),
            sketch: open.map_or(0, |open| open.sketch.overlay.generation),
            mask: open.map_or(0, |open| open.mask.overlay.generation),
        }
    }

    /// The share of the image that lines and mask changed since; `None` when that is not known any more.
    fn touched(&self, before: &Basis) -> Option<f64> {
        let open = self.session.open()?;
        let sketch = open.sketch.changed_since(before.sketch)?;
        let mask = open.mask.changed_since(before.mask)?;
        let px = sketch.width * sketch.height + mask.width * mask.height;
        Some(px as f64 / open.sketch.overlay.grid.len().max(1) as f64)
    }

    pub(super) fn live_answer(&mut self, made: Made, request: Arc<Request>, seconds: f64) {
        self.live_worked();
        let needs_points = made.hips.is_none() && request.attributes.kind == "hip";
        let radiograph = Arc::clone(&made.radiograph);
        self.session
            .live
            .answered(made, request, seconds, Instant::now());
        let Some(live) = self.session.live.result.as_ref() else {
            return;
        };
        // A quick answer is replaced before its points are read, and behind other work they come too late: full quality
        // brings its own.
        if !needs_points || live.quality != Quality::Settled || !self.session.jobs.is_empty() {
            return;
        }
        let revision = live.revision;
        let order = Order::Measure(Measurement::Hips {
            radiograph,
            window: None,
        });
        self.queue(order, "Read the live answer", Purpose::LiveHips(revision));
        self.session.live.reading = self.session.jobs.last().map(|job| job.id);
    }
}
