//! Live mode without a window: full quality on a pause, warm starts, what stops what.

use std::sync::Arc;
use std::time::{Duration, Instant};

use radcanvas::app::live::{Live, Sameness};
use radcanvas::geometry::PixelRect;
use radcanvas::job::{
    Engine, Event, Fake, JobId, Made, Mode, ModelReference, Order, Product, Request, Worker,
};

fn preview() -> Request {
    let mut request = Request::new(Mode::Sketch, ModelReference::default());
    request.preview = true;
    request.steps = 1;
    request
}

fn answer(request: &Request) -> (Made, Arc<Request>) {
    let product = Fake::default().carry_out(&Order::Generate(request.clone()), &mut |_| {
        std::ops::ControlFlow::Continue(())
    });
    let Ok(Product::Outcome(mut outcome)) = product else {
        panic!("no image");
    };
    (outcome.images.remove(0), outcome.request)
}

#[test]
fn full_quality_comes_when_the_hand_rests_and_the_next_edit_goes_first() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut live = Live::default();
    live.switch(true);
    live.observe(1, at(0));
    live.sent(JobId(1), 1, at(0));
    assert_eq!(live.full_due_in(at(10)), None, "nothing is shown yet");
    let (made, request) = answer(&preview());
    live.answered(made, request, 0.05, at(60));
    live.observe(1, at(60));
    assert_eq!(live.due_in(at(60)), None);
    assert_eq!(live.full_due_in(at(60)), Some(Duration::from_millis(190)));
    assert_eq!(live.full_due_in(at(260)), Some(Duration::ZERO));
    live.sent_full(JobId(2), 1, at(260));
    assert_eq!(live.full_due_in(at(270)), None, "in flight");
    // An edit while it runs is asked for at once.
    live.observe(2, at(280));
    assert_eq!(live.due_in(at(280)), Some(Duration::ZERO));
    live.sent(JobId(3), 2, at(280));
    assert!(!live.is(JobId(2)), "what comes of it is nobody's");
    let (made, request) = answer(&preview());
    live.answered(made, request, 0.05, at(300));
    live.observe(2, at(300));
    live.sent_full(JobId(4), 2, at(600));
    let (made, request) = answer(&preview());
    live.answered(made, request, 2.0, at(2600));
    assert!(live.result.as_ref().is_some_and(|result| result.full));
    assert_eq!(live.full_due_in(at(9000)), None, "it is there");
    // Two seconds of full quality do not make previews slow.
    live.observe(3, at(9000));
    assert_eq!(live.due_in(at(9000)), Some(Duration::ZERO));
}

#[test]
fn a_warm_start_needs_the_preview_before_and_one_edit_of_the_sketch() {
    let now = Instant::now();
    let same: Sameness = (4, 1, 0x77);
    let mut live = Live::default();
    live.switch(true);
    assert!(live.warm(same, 1).is_none());
    live.sent(JobId(1), 1, now);
    live.made_from(same, 7);
    let (made, request) = answer(&preview());
    live.answered(made, request, 0.05, now);
    let warm = live.warm(same, 8).unwrap();
    assert!(warm.t > 0.0 && warm.t < 1.0);
    assert_eq!(warm.region, PixelRect::new(0, 0, 64, 64));
    assert!(live.warm(same, 7).is_none(), "nothing was drawn");
    assert!(live.warm(same, 9).is_none(), "more than one edit");
    assert!(live.warm((5, 1, 0x77), 8).is_none(), "another recipe");
    assert!(live.warm((4, 2, 0x77), 8).is_none(), "another mask");
    live.sent_full(JobId(2), 1, now);
    let (made, request) = answer(&preview());
    live.answered(made, request, 1.0, now);
    assert!(
        live.warm(same, 8).is_none(),
        "after full quality it begins from noise"
    );
    live.new_document();
    assert!(live.warm(same, 8).is_none());
}

#[test]
fn what_runs_in_full_quality_gives_way_to_a_newer_edit_at_once() {
    let step = Duration::from_millis(20);
    let engine = move || Ok(Box::new(Fake { step }) as Box<dyn Engine>);
    let worker = Worker::start(engine, Box::new(|| ()), None).unwrap();
    let mut full = preview();
    full.preview = false;
    full.steps = 50;
    let first = worker.live(full);
    let end = Instant::now() + Duration::from_secs(10);
    let next = || {
        assert!(Instant::now() < end, "never");
        worker.next_event(Duration::from_millis(200))
    };
    // Past the share at which a preview would be let run.
    while !matches!(next(), Some(Event::Progress(id, p)) if id == first && p.step >= 20) {}
    let second = worker.live(preview());
    let mut stopped = false;
    loop {
        match next() {
            Some(Event::Superseded(id)) if id == first => stopped = true,
            Some(Event::Finished(id, _)) if id == second => break,
            Some(Event::Finished(id, _)) => assert_ne!(id, first, "it ran to its end"),
            _ => {}
        }
    }
    assert!(stopped);
}
