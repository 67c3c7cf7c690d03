//! Orders out and events in: generating, reading hip points, live mode.
//!
//! Separate because it is the window's side of the seam; nothing here waits for the worker.

use std::sync::Arc;
use std::time::Instant;

use crate::app::App;
use crate::app::files::Open;
use crate::app::layers::LayerPixels;
use crate::app::live::{PREVIEW_STEPS, Sameness};
use crate::app::session::{Job, Purpose, Stage, Weight};
use crate::document::{Edit, Layer};
use crate::job::{
    Error, ErrorKind, Event, JobId, Made, Measurement, Mode, Order, Product, Reading, Request,
};
use crate::radiograph::Picture;

/// The largest part of the image that an edit may touch for the next preview to begin with the last one.
const SMALL_EDIT: f64 = 0.15;

impl App {
    /// Freezes everything a generation needs; `None` without an image.
    pub(crate) fn request(&self) -> Option<Request> {
        let open = self.session.open()?;
        let document = open.document();
        let mut request = self.session.recipe.request();
        if request.attributes.kind.is_empty() {
            request.attributes.kind.clone_from(&open.kind);
        }
        request.source = Some(Arc::clone(document.image()));
        let raster = |layer, pixels: &LayerPixels| {
            let any = document.marks_of(layer).next().is_some();
            any.then(|| (*pixels.overlay.grid).clone())
        };
        request.hint = raster(Layer::Sketch, &open.sketch);
        if request.mode != Mode::Sketch {
            request.mask = raster(Layer::Mask, &open.mask);
        }
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
                    .say(Weight::Wrong, format!("Live is off: {error}"));
            }
            return;
        }
        if id == JobId(0) {
            self.session.engine_ready = true;
            self.session.engine_error = Some(error);
            return;
        }
        // A guess that cannot be made is no failure of anything that was asked for.
        let asked = |purpose: Purpose| match purpose {
            Purpose::Kind => false,
            Purpose::LiveHips(_) => self.demo.is_none(),
            Purpose::Generate | Purpose::Hips => true,
        };
        let known = (self.session.jobs.iter()).any(|job| job.id == id && asked(job.purpose));
        self.session.jobs.retain(|job| job.id != id);
        match (error.kind, known) {
            (_, false) => {}
            (ErrorKind::Stopped, true) => self.session.say(Weight::Note, "Stopped"),
            _ => self.session.say(Weight::Wrong, error.to_string()),
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
        self.session.live.observe(revision, now);
        match self.session.live.due_in(now) {
            None => self.submit_full(ctx, now),
            Some(wait) if !wait.is_zero() => ctx.request_repaint_after(wait),
            Some(_) => {
                if self.shown().obstacle().is_some() {
                    self.session.live.skip(revision);
                    self.session.live.result = None;
                    return;
                }
                if let Some(mut request) = self.request() {
                    let (same, sketch) = self.live_basis();
                    request.count = 1;
                    request.preview = true;
                    request.steps = request.steps.min(PREVIEW_STEPS);
                    // Guidance doubles the work; the answer in full quality has it.
                    request.guidance = 1.0;
                    if self.was_small_edit()
                        && let Some(warm) = self.session.live.warm(same, sketch)
                    {
                        request.steps = (request.steps as f64 * warm.t).ceil() as usize;
                        request.warm = Some(warm);
                    }
                    let id = self.worker.live(request);
                    self.session.live.sent(id, revision, now);
                    self.session.live.made_from(same, sketch);
                }
            }
        }
    }

    /// Asks for the state that is shown in full quality once the hand rests.
    fn submit_full(&mut self, ctx: &egui::Context, now: Instant) {
        match self.session.live.full_due_in(now) {
            None => {}
            Some(wait) if !wait.is_zero() => ctx.request_repaint_after(wait),
            Some(_) => {
                let revision = self.revision();
                if let Some(mut request) = self.request() {
                    request.count = 1;
                    let id = self.worker.live(request);
                    self.session.live.sent_full(id, revision, now);
                }
            }
        }
    }

    /// What must stay the same for a warm start, and the generation of the sketch.
    fn live_basis(&self) -> (Sameness, u64) {
        self.session.open().map_or(((0, 0, 0), 0), |open| {
            let image = Arc::as_ptr(open.document().image()) as usize;
            let same = (
                self.session.recipe_revision,
                open.mask.overlay.generation,
                image,
            );
            (same, open.sketch.overlay.generation)
        })
    }

    /// Whether the last edit of the sketch touched a small part of the image only.
    fn was_small_edit(&self) -> bool {
        self.session.open().is_some_and(|open| {
            let overlay = &open.sketch.overlay;
            let touched = overlay.dirty.map(|dirty| dirty.width * dirty.height);
            touched.is_some_and(|px| px as f64 <= SMALL_EDIT * overlay.grid.len() as f64)
        })
    }

    pub(super) fn live_answer(&mut self, made: Made, request: Arc<Request>, seconds: f64) {
        self.live_worked();
        let needs_points = made.hips.is_none() && request.attributes.kind == "hip";
        let radiograph = Arc::clone(&made.radiograph);
        self.session
            .live
            .answered(made, request, seconds, Instant::now());
        if !needs_points {
            return;
        }
        let Some(revision) = self.session.live.result.as_ref().map(|live| live.revision) else {
            return;
        };
        let waiting = |job: &Job| matches!(job.purpose, Purpose::LiveHips(_));
        if self.session.jobs.iter().any(waiting) {
            return;
        }
        let order = Order::Measure(Measurement::Hips {
            radiograph,
            window: None,
        });
        self.queue(order, "Read the live answer", Purpose::LiveHips(revision));
    }
}
