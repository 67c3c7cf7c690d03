//! The worker: one background thread that owns the engine, with two lanes into it.
//!
//! *Live*: at most one request runs and at most one waits; a newer one replaces the waiting one, and stops a running
//! preview only while it is less than 30 % done (a person who keeps drawing must still see results); what runs in full
//! quality, or shows better what had an answer, is stopped at once.
//! *Queue*: orders in turn; a long one gives way to the live lane between two of its steps.

mod spool;
mod task;

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{Engine, Error, ErrorKind, Event, JobId, Observe, Order, Product, Progress, Request};
use task::panicked;

pub use task::{Task, Wake};

/// A running live request is stopped for a newer one only below this share of its steps.
const STOP_BELOW: f64 = 0.3;

/// Events that may wait for the window before the worker waits for it; progress never waits.
const EVENTS: usize = 256;

/// Builds an engine on the worker's thread; called once a lane, and again after a panic.
pub type BuildEngine = Box<dyn Fn() -> Result<Box<dyn Engine>, Error> + Send>;

#[derive(Default)]
struct Lanes {
    live: Option<Live>,
    queue: VecDeque<(JobId, Order)>,
    running: HashSet<JobId>,
    cancelled: HashSet<JobId>,
    last_id: u64,
    closed: bool,
}

/// A live request that waits.
struct Live {
    id: JobId,
    request: Request,
    /// What it shows has had an answer: any newer one stops it.
    yields: bool,
}

struct Shared {
    lanes: Mutex<Lanes>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Lanes> {
        // A panic while the lock was held cannot leave the lanes half-changed: each change is one statement.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Handle to the background thread; dropping it stops the running order and joins the thread.
pub struct Worker {
    shared: Arc<Shared>,
    events: Receiver<Event>,
    thread: Option<std::thread::JoinHandle<()>>,
    inline: Option<std::cell::RefCell<Lane>>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Worker")
    }
}

impl Worker {
    /// Starts the thread; the engines are built on it, and `wake` is called after every event.
    ///
    /// With a `spool` folder, queued orders are written there and those of an earlier run are queued again.
    pub fn start(
        build: impl Fn() -> Result<Box<dyn Engine>, Error> + Send + 'static,
        wake: Wake,
        spool: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let (mut worker, mut lane) = Self::assemble(Box::new(build), wake, spool);
        let thread = std::thread::Builder::new()
            .name("radcanvas-worker".to_owned())
            .spawn(move || lane.run())
            .map_err(|error| {
                Error::new(
                    ErrorKind::Failed,
                    format!("no thread could be started ({error})"),
                )
            })?;
        worker.thread = Some(thread);
        Ok(worker)
    }

    /// A worker that carries orders out on the caller's thread, inside [`Self::events`]: for tests.
    pub fn inline(build: impl Fn() -> Result<Box<dyn Engine>, Error> + Send + 'static) -> Self {
        let (mut worker, lane) = Self::assemble(Box::new(build), Box::new(|| ()), None);
        worker.inline = Some(std::cell::RefCell::new(lane));
        worker
    }

    fn assemble(build: BuildEngine, wake: Wake, spool: Option<PathBuf>) -> (Self, Lane) {
        let (sender, events) = bounded(EVENTS);
        let mut lanes = Lanes::default();
        let mut written = HashMap::new();
        for (path, order) in spool.as_deref().map(spool::recover).unwrap_or_default() {
            lanes.last_id += 1;
            let id = JobId(lanes.last_id);
            written.insert(id, path);
            lanes.queue.push_back((id, order));
        }
        let shared = Arc::new(Shared {
            lanes: Mutex::new(lanes),
            changed: Condvar::new(),
        });
        let lane = Lane {
            shared: Arc::clone(&shared),
            sender,
            wake,
            build,
            spool: spool.map(|folder| spool::Spool::new(folder, written)),
            live_engine: None,
            queue_engine: None,
        };
        let worker = Self {
            shared,
            events,
            thread: None,
            inline: None,
        };
        (worker, lane)
    }

    /// Hands in a live request; it replaces one that waits.
    pub fn live(&self, request: Request) -> JobId {
        // What was asked for in a pause has had its preview.
        let yields = !request.preview;
        self.hand_in(request, yields)
    }

    /// Hands in a live request for what is shown already, only better; any newer request stops it at once.
    pub fn live_again(&self, request: Request) -> JobId {
        self.hand_in(request, true)
    }

    fn hand_in(&self, request: Request, yields: bool) -> JobId {
        let mut lanes = self.shared.lock();
        lanes.last_id += 1;
        let id = JobId(lanes.last_id);
        let replaced = lanes.live.replace(Live {
            id,
            request,
            yields,
        });
        drop(lanes);
        self.shared.changed.notify_all();
        if let Some(old) = replaced {
            // Told through the lane, so that events stay in one order.
            self.shared.lock().cancelled.insert(old.id);
        }
        id
    }

    /// Hands in an order of the queue.
    pub fn queue(&self, order: Order) -> JobId {
        let mut lanes = self.shared.lock();
        lanes.last_id += 1;
        let id = JobId(lanes.last_id);
        lanes.queue.push_back((id, order));
        drop(lanes);
        self.shared.changed.notify_all();
        id
    }

    /// Stops a running order within one step, or removes a waiting one; an unknown number is no error.
    pub fn cancel(&self, id: JobId) {
        self.shared.lock().cancelled.insert(id);
        self.shared.changed.notify_all();
    }

    /// Orders that run or wait, in order.
    pub fn pending(&self) -> Vec<JobId> {
        let lanes = self.shared.lock();
        let mut ids: Vec<JobId> = lanes.running.iter().copied().collect();
        ids.sort();
        ids.extend(lanes.live.iter().map(|live| live.id));
        ids.extend(lanes.queue.iter().map(|(id, _)| *id));
        ids
    }

    /// What happened since the last call; never waits.
    pub fn events(&self) -> impl Iterator<Item = Event> + '_ {
        if let Some(lane) = &self.inline {
            lane.borrow_mut().run_waiting();
        }
        self.events.try_iter()
    }

    /// The next event, waiting up to `timeout`: for headless use and tests.
    pub fn next_event(&self, timeout: std::time::Duration) -> Option<Event> {
        self.events.recv_timeout(timeout).ok()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        // The thread may be waiting to hand over an event: let it.
        if let Some(thread) = self.thread.take() {
            while !thread.is_finished() {
                self.events
                    .recv_timeout(std::time::Duration::from_millis(20))
                    .ok();
            }
            thread.join().ok();
        }
    }
}

/// The thread's side.
struct Lane {
    shared: Arc<Shared>,
    sender: Sender<Event>,
    wake: Wake,
    build: BuildEngine,
    spool: Option<spool::Spool>,
    live_engine: Option<Box<dyn Engine>>,
    queue_engine: Option<Box<dyn Engine>>,
}

impl Lane {
    fn run(&mut self) {
        match (self.build)() {
            Ok(engine) => {
                self.say(Event::Ready(engine.place()));
                self.live_engine = Some(engine);
                self.say_notices();
            }
            Err(error) => self.say(Event::Failed(JobId(0), error)),
        }
        loop {
            let mut lanes = self.shared.lock();
            while !lanes.closed && lanes.live.is_none() && lanes.queue.is_empty() {
                lanes = self
                    .shared
                    .changed
                    .wait(lanes)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if lanes.closed {
                return;
            }
            drop(lanes);
            self.run_waiting();
        }
    }

    /// Runs everything that waits, live requests first.
    fn run_waiting(&mut self) {
        loop {
            self.spool_waiting();
            if self.run_live() {
                continue;
            }
            let next = {
                let mut lanes = self.shared.lock();
                if lanes.closed {
                    return;
                }
                let next = lanes.queue.pop_front();
                if let Some((id, _)) = &next {
                    lanes.running.insert(*id);
                }
                next
            };
            let Some((id, order)) = next else { return };
            self.run_queued(id, &order);
        }
    }

    fn spool_waiting(&mut self) {
        if let Some(spool) = &mut self.spool {
            let waiting: Vec<_> = self.shared.lock().queue.iter().cloned().collect();
            spool.write(&waiting);
        }
    }

    /// Runs the live request that waits; `false` when none does.
    fn run_live(&mut self) -> bool {
        let Live {
            id,
            request,
            yields,
        } = {
            let mut lanes = self.shared.lock();
            let Some(live) = lanes.live.take() else {
                return false;
            };
            lanes.running.insert(live.id);
            live
        };
        let mut engine = self.live_engine.take();
        let shared = Arc::clone(&self.shared);
        let stale = move |progress: &Progress| {
            let lanes = shared.lock();
            let done = progress.step as f64 / progress.steps.max(1) as f64;
            lanes.closed
                || lanes.cancelled.contains(&id)
                || (lanes.live.is_some() && (yields || done < STOP_BELOW))
        };
        let mut observe = |progress: Progress| {
            let stop = stale(&progress);
            self.tell_progress(id, progress);
            if stop {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let result = carry_out(
            &mut engine,
            &self.build,
            &Order::Generate(request),
            &mut observe,
        );
        self.live_engine = engine;
        self.say_notices();
        self.finish(id, result, true);
        true
    }

    fn run_queued(&mut self, id: JobId, order: &Order) {
        let mut engine = self.queue_engine.take();
        // The build closure is needed while `self` serves the live lane from inside the observer.
        let result = {
            let this = std::cell::RefCell::new(&mut *self);
            let mut observe = |progress: Progress| {
                let mut lane = this.borrow_mut();
                let stop = {
                    let lanes = lane.shared.lock();
                    lanes.closed || lanes.cancelled.contains(&id)
                };
                lane.tell_progress(id, progress);
                if stop {
                    return ControlFlow::Break(());
                }
                lane.spool_waiting();
                lane.run_live();
                ControlFlow::Continue(())
            };
            let cancelled = this.borrow().shared.lock().cancelled.contains(&id);
            if cancelled {
                Err(Error::stopped())
            } else {
                if engine.is_none() {
                    let built = (this.borrow().build)();
                    engine = match built {
                        Ok(built) => Some(built),
                        Err(error) => {
                            self.finish(id, Err(error), false);
                            return;
                        }
                    };
                }
                carry_out_built(&mut engine, order, &mut observe)
            }
        };
        self.queue_engine = engine;
        self.say_notices();
        let closed = self.shared.lock().closed;
        if let Some(spool) = &mut self.spool
            && !closed
        {
            spool.remove(id);
        }
        self.finish(id, result, false);
    }

    fn finish(&mut self, id: JobId, result: Result<Product, Error>, live: bool) {
        {
            let mut lanes = self.shared.lock();
            lanes.running.remove(&id);
        }
        match result {
            Ok(product) => self.say(Event::Finished(id, product)),
            Err(error) if live && error.kind == ErrorKind::Stopped => {
                self.say(Event::Superseded(id));
            }
            Err(error) => self.say(Event::Failed(id, error)),
        }
        let replaced: Vec<JobId> = {
            let mut lanes = self.shared.lock();
            lanes.cancelled.remove(&id);
            let waiting: HashSet<JobId> = lanes
                .queue
                .iter()
                .map(|(id, _)| *id)
                .chain(lanes.live.iter().map(|live| live.id))
                .chain(lanes.running.iter().copied())
                .collect();
            let gone = |id: &JobId| !waiting.contains(id);
            let replaced = lanes.cancelled.iter().copied().filter(gone).collect();
            lanes.cancelled.retain(|id| waiting.contains(id));
            replaced
        };
        for id in replaced {
            self.say(Event::Superseded(id));
        }
    }

    /// What the engines want a person to know; where networks run may have changed with it.
    fn say_notices(&mut self) {
        let engines = self.live_engine.iter_mut().chain(&mut self.queue_engine);
        let said: Vec<(Vec<String>, String)> = engines
            .map(|engine| (engine.notices(), engine.place()))
            .filter(|(notices, _)| !notices.is_empty())
            .collect();
        for (notices, place) in said {
            for notice in notices {
                self.say(Event::Notice(notice));
            }
            self.say(Event::Ready(place));
        }
    }

    fn tell_progress(&self, id: JobId, progress: Progress) {
        // Progress is the one event that may be lost: a newer one follows.
        self.sender.try_send(Event::Progress(id, progress)).ok();
        (self.wake)();
    }

    fn say(&self, event: Event) {
        if self.sender.is_full() && on_other_thread() {
            return;
        }
        // An error means that the window is gone, and with it anyone to tell.
        self.sender.send(event).ok();
        (self.wake)();
    }
}

fn carry_out(
    engine: &mut Option<Box<dyn Engine>>,
    build: &BuildEngine,
    order: &Order,
    observe: &mut Observe<'_>,
) -> Result<Product, Error> {
    if engine.is_none() {
        *engine = Some(build()?);
    }
    carry_out_built(engine, order, observe)
}

/// Runs one order; a panic becomes an error, and the engine that panicked is dropped.
fn carry_out_built(
    engine: &mut Option<Box<dyn Engine>>,
    order: &Order,
    observe: &mut Observe<'_>,
) -> Result<Product, Error> {
    let Some(running) = engine.as_mut() else {
        return Err(Error::new(ErrorKind::Failed, "there is no engine"));
    };
    let attempt = AssertUnwindSafe(|| running.carry_out(order, observe));
    std::panic::catch_unwind(attempt).unwrap_or_else(|panic| {
        *engine = None;
        Err(panicked(&*panic))
    })
}

/// Whether this is not the worker's thread: an inline lane shares the reader's, and would wait for room for ever.
fn on_other_thread() -> bool {
    std::thread::current().name() != Some("radcanvas-worker")
}
