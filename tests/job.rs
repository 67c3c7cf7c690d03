//! The seam: lanes, cancelling, panics.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use radcanvas::job::{
    DataSource, Engine, Error, ErrorKind, Event, FAIL_SEED, Fake, JobId, Mode, ModelReference,
    Observe, Order, PANIC_SEED, Product, Progress, Request, Task, TrainingPlan, TrainingTask,
    Worker,
};

fn request(seed: u64, steps: usize) -> Request {
    let mut request = Request::new(Mode::Sketch, ModelReference::default());
    request.seed = seed;
    request.steps = steps;
    request
}

fn worker(step_ms: u64) -> Worker {
    let step = Duration::from_millis(step_ms);
    Worker::start(move || Ok(Box::new(Fake { step })), Box::new(|| ()), None).unwrap()
}

/// Events until `last` says so; panics after ten seconds.
fn events_until(worker: &Worker, mut last: impl FnMut(&Event) -> bool) -> Vec<Event> {
    let mut events = Vec::new();
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if let Some(event) = worker.next_event(Duration::from_millis(100)) {
            let done = last(&event);
            events.push(event);
            if done {
                return events;
            }
        }
    }
    panic!("no such event; had {events:?}");
}

fn is_end(event: &Event, of: JobId) -> bool {
    matches!(event, Event::Finished(id, _) | Event::Failed(id, _) | Event::Superseded(id) if *id == of)
}

#[test]
fn a_live_request_becomes_an_outcome() {
    let worker = worker(0);
    let id = worker.live(request(3, 4));
    let events = events_until(&worker, |e| is_end(e, id));
    assert!(matches!(events[0], Event::Ready(_)));
    let Some(Event::Finished(_, Product::Outcome(outcome))) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(outcome.images.len(), 1);
    assert!(outcome.images[0].radiograph.synthetic.is_some());
}

#[test]
fn the_newest_live_request_wins_and_none_in_between_runs() {
    let worker = worker(20);
    let first = worker.live(request(1, 10));
    events_until(
        &worker,
        |e| matches!(e, Event::Progress(id, _) if *id == first),
    );
    let ids: Vec<_> = (2..6).map(|seed| worker.live(request(seed, 2))).collect();
    let last = *ids.last().unwrap();
    let events = events_until(&worker, |e| is_end(e, last));
    let finished: Vec<_> = events
        .iter()
        .filter_map(|e| match e {
            Event::Finished(id, _) => Some(*id),
            _ => None,
        })
        .collect();
    assert_eq!(
        finished,
        [last],
        "the first was stopped early, the others never ran"
    );
    for id in &ids[..3] {
        events_and_rest(&worker, &events, *id);
    }
}

/// The request `id` was told superseded, before or just after.
fn events_and_rest(worker: &Worker, events: &[Event], id: JobId) {
    let told = |e: &Event| matches!(e, Event::Superseded(other) if *other == id);
    assert!(
        events.iter().any(told) || worker.events().any(|e| told(&e)),
        "{id:?}"
    );
}

#[test]
fn a_preview_past_a_third_is_not_stopped_by_a_newer_one() {
    let worker = worker(15);
    let mut preview = request(1, 10);
    preview.preview = true;
    let first = worker.live(preview);
    events_until(
        &worker,
        |e| matches!(e, Event::Progress(id, p) if *id == first && p.step >= 5),
    );
    let second = worker.live(request(2, 1));
    let events = events_until(&worker, |e| is_end(e, second));
    let finished = events
        .iter()
        .filter(|e| matches!(e, Event::Finished(..)))
        .count();
    assert_eq!(finished, 2);
}

#[test]
fn cancelling_takes_at_most_one_step() {
    let worker = worker(50);
    let id = worker.queue(Order::Generate(request(1, 1000)));
    events_until(&worker, |e| matches!(e, Event::Progress(..)));
    let asked = Instant::now();
    worker.cancel(id);
    let events = events_until(&worker, |e| is_end(e, id));
    assert!(
        asked.elapsed() < Duration::from_millis(400),
        "{:?}",
        asked.elapsed()
    );
    assert!(matches!(events.last(), Some(Event::Failed(_, e)) if e.kind == ErrorKind::Stopped));
}

#[test]
fn a_long_order_gives_way_to_the_live_lane() {
    let worker = worker(10);
    let long = worker.queue(Order::Generate(request(1, 200)));
    events_until(
        &worker,
        |e| matches!(e, Event::Progress(id, _) if *id == long),
    );
    let live = worker.live(request(2, 1));
    let events = events_until(&worker, |e| is_end(e, live));
    assert!(
        !events.iter().any(|e| is_end(e, long)),
        "the long order still runs"
    );
    worker.cancel(long);
    events_until(&worker, |e| is_end(e, long));
}

#[test]
fn a_panic_becomes_an_event_and_the_worker_goes_on() {
    let worker = worker(0);
    let bad = worker.queue(Order::Generate(request(PANIC_SEED, 1)));
    let events = events_until(&worker, |e| is_end(e, bad));
    assert!(
        matches!(events.last(), Some(Event::Failed(_, e)) if e.what.contains("asked to panic"))
    );
    let good = worker.queue(Order::Generate(request(1, 1)));
    let events = events_until(&worker, |e| is_end(e, good));
    assert!(matches!(events.last(), Some(Event::Finished(..))));
}

#[test]
fn a_failure_says_what_to_do() {
    let worker = worker(0);
    let id = worker.live(request(FAIL_SEED, 1));
    let events = events_until(&worker, |e| is_end(e, id));
    let Some(Event::Failed(_, error)) = events.last() else {
        panic!("{events:?}")
    };
    assert_eq!(error.to_string(), "asked to fail; use another seed");
}

#[test]
fn dropping_the_worker_joins_its_thread_soon() {
    let worker = worker(10);
    worker.queue(Order::Generate(request(1, 100_000)));
    events_until(&worker, |e| matches!(e, Event::Progress(..)));
    let asked = Instant::now();
    drop(worker);
    assert!(asked.elapsed() < Duration::from_secs(2));
}

#[test]
fn an_engine_that_cannot_be_built_is_told() {
    let worker = Worker::start(
        || Err(Error::new(ErrorKind::Model, "no models found")),
        Box::new(|| ()),
        None,
    )
    .unwrap();
    let id = worker.live(request(1, 1));
    let events = events_until(&worker, |e| is_end(e, id));
    assert!(
        events
            .iter()
            .all(|e| matches!(e, Event::Failed(_, e) if e.kind == ErrorKind::Model))
    );
}

#[test]
fn an_inline_worker_runs_when_its_events_are_read() {
    let worker = Worker::inline(|| Ok(Box::new(Fake::default())));
    let id = worker.live(request(7, 3));
    let events: Vec<_> = worker.events().collect();
    assert!(events.iter().any(|e| is_end(e, id)));
}

/// Never gets past its first step unless told to stop.
struct Stuck;

impl Engine for Stuck {
    fn carry_out(&mut self, _: &Order, observe: &mut Observe<'_>) -> Result<Product, Error> {
        loop {
            let progress = Progress {
                stage: "waiting".to_owned(),
                step: 0,
                steps: 1,
                seconds_left: None,
                preview: None,
                value: None,
            };
            if observe(progress) == ControlFlow::Break(()) {
                return Err(Error::stopped());
            }
            std::thread::yield_now();
        }
    }
}

#[test]
fn the_queue_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let plan = TrainingPlan {
        task: TrainingTask::Hips,
        data: DataSource::Folder("cases".into()),
        recipe: serde_json::Value::Null,
        out: "out".into(),
        resume: true,
        minutes: Some(1.0),
    };
    let start = |stuck: bool| {
        let build = move || -> Result<Box<dyn Engine>, Error> {
            Ok(if stuck {
                Box::new(Stuck)
            } else {
                Box::new(Fake::default())
            })
        };
        Worker::start(build, Box::new(|| ()), Some(folder.path().to_owned())).unwrap()
    };
    let first = start(true);
    first.queue(Order::Train(plan));
    first.queue(Order::Generate(request(5, 2)));
    events_until(&first, |e| matches!(e, Event::Progress(..)));
    drop(first);
    let second = start(false);
    let mut ended = 0;
    let events = events_until(&second, |e| {
        ended += usize::from(matches!(e, Event::Finished(..) | Event::Failed(..)));
        ended == 2
    });
    assert!(
        matches!(events.last(), Some(Event::Finished(..))),
        "{events:?}"
    );
}

#[test]
fn a_task_gives_its_result_once_and_a_panic_as_an_error() {
    let task = Task::start("add", Box::new(|| ()), || Ok(1 + 1));
    let end = Instant::now() + Duration::from_secs(5);
    let sum = loop {
        if let Some(result) = task.poll() {
            break result;
        }
        assert!(Instant::now() < end);
        std::thread::yield_now();
    };
    assert_eq!(sum, Ok(2));
    assert!(task.poll().is_none());
    let task = Task::<()>::start("fall", Box::new(|| ()), || panic!("fell"));
    assert!(task.wait().unwrap_err().what.contains("fell"));
}

#[test]
fn a_request_is_the_same_after_a_round_trip_through_json() {
    use radcanvas::grid::Grid;
    use radcanvas::radiograph::{Pixels, Radiograph};
    let mut request = request(9, 4);
    let pixels = Pixels::I16(Grid::from_fn(5, 3, |x, y| {
        (x * 100) as i16 - (y * 777) as i16
    }));
    request.source = Some(std::sync::Arc::new(Radiograph::from_pixels(pixels)));
    request.mask = Some(Grid::from_fn(5, 3, |x, y| (x * y * 31) as u8));
    let text = serde_json::to_string(&request).unwrap();
    assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request);
}

#[test]
fn one_image_of_a_request_keeps_its_own_noise() {
    use radcanvas::job::GivenNoise;
    let mut request = request(1, 2);
    request.count = 3;
    request.first_image = 10;
    request.noise = Some(GivenNoise {
        shape: [1, 1, 2],
        values: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
    });
    let one = request.for_image(11);
    assert_eq!((one.count, one.first_image), (1, 11));
    assert_eq!(one.noise.unwrap().values, [2.0, 3.0]);
}
