//! Live mode without a window: full quality on a pause, warm starts, what stops what.

use std::sync::Arc;
use std::time::{Duration, Instant};

use radcanvas::app::live::{Basis, Live, Quality, SMALL_EDIT};
use radcanvas::geometry::{PixelRect, Point};
use radcanvas::job::{
    Engine, Event, Fake, JobId, Made, Mode, ModelReference, Order, Product, Request, Worker,
};
use radcanvas::landmarks::{Hip, HipLandmarks};

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

/// What a state with this generation of the sketch is made from.
pub(crate) fn basis(sketch: u64) -> Basis {
    Basis {
        recipe: 4,
        image: 0x77,
        hips: None,
        sketch,
        mask: 1,
    }
}

/// Live mode at the answer of an edit, made in 50 ms.
fn answered(live: &mut Live, id: u64, revision: u64, quality: Quality, now: Instant) {
    live.observe(revision, now);
    live.sent(JobId(id), revision, (quality, basis(revision)), now);
    let mut request = preview();
    request.preview = quality != Quality::Full;
    let (made, request) = answer(&request);
    live.answered(made, request, 0.05, now);
    live.observe(revision, now);
}

#[test]
fn answers_get_better_when_edits_pause_and_the_next_edit_goes_first() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let ms = Duration::from_millis;
    let quality = |live: &Live| live.result.as_ref().map(|result| result.quality);
    let mut live = Live::default();
    live.switch(true);
    live.observe(1, at(0));
    assert_eq!(live.due_in(at(0)), Some(Duration::ZERO));
    live.sent(JobId(1), 1, (Quality::Quick, basis(1)), at(0));
    assert_eq!(live.next_due(at(10)), None, "nothing is shown yet");
    let (made, request) = answer(&preview());
    live.answered(made, request, 0.03, at(30));
    live.observe(1, at(30));
    assert_eq!(live.due_in(at(30)), None);
    assert_eq!(live.next_due(at(30)), Some((Quality::Settled, ms(20))));
    // While a button is held the next edit is near: nothing but an edit is answered.
    live.holding = true;
    assert_eq!(live.next_due(at(100)), None, "a button is held");
    live.holding = false;
    assert_eq!(live.next_due(at(100)), Some((Quality::Settled, ms(0))));
    live.sent(JobId(2), 1, (Quality::Settled, basis(1)), at(100));
    assert_eq!(live.next_due(at(110)), None, "in flight");
    // An edit while it runs is asked for at once; what comes of the other is nobody's.
    live.observe(2, at(120));
    assert_eq!(live.due_in(at(120)), Some(Duration::ZERO));
    live.sent(JobId(3), 2, (Quality::Quick, basis(2)), at(120));
    assert!(!live.is(JobId(2)));
    // The first answer of an edit is waited for, and edits without a pause get no better ones.
    live.observe(3, at(130));
    assert_eq!(live.due_in(at(130)), None, "one in flight");
    let (made, request) = answer(&preview());
    live.answered(made, request, 0.03, at(150));
    assert_eq!(live.next_due(at(150)), None, "an edit waits");
    assert_eq!(live.due_in(at(150)), Some(Duration::ZERO));
    live.sent(JobId(4), 3, (Quality::Quick, basis(3)), at(150));
    let (made, request) = answer(&preview());
    live.answered(made, request, 0.03, at(180));
    live.observe(3, at(180));
    live.sent(JobId(5), 3, (Quality::Settled, basis(3)), at(180));
    let (made, request) = answer(&preview());
    live.answered(made, request, 0.2, at(380));
    assert_eq!(quality(&live), Some(Quality::Settled));
    assert_eq!(live.latency(), Some(ms(30)), "that of the first answer");
    // Its points are read before full quality is begun, which reads them itself.
    live.reading = Some(JobId(6));
    assert_eq!(live.next_due(at(900)), None, "being read");
    live.reading = None;
    assert_eq!(live.next_due(at(300)), Some((Quality::Full, ms(80))));
    live.sent(JobId(7), 3, (Quality::Full, basis(3)), at(400));
    let (made, request) = answer(&preview());
    live.answered(made, request, 2.0, at(2400));
    assert_eq!(quality(&live), Some(Quality::Full));
    assert_eq!(live.next_due(at(9000)), None, "it is there");
    // Two seconds of full quality do not make previews slow.
    live.observe(4, at(9000));
    assert_eq!(live.due_in(at(9000)), Some(Duration::ZERO));
}

#[test]
fn a_warm_start_needs_what_settled_and_small_edits_of_lines_and_mask_alone() {
    let now = Instant::now();
    let mut live = Live::default();
    live.switch(true);
    let small = Some(SMALL_EDIT);
    assert!(live.warm(&basis(1), small).is_none());
    answered(&mut live, 1, 5, Quality::Quick, now);
    assert!(live.warm(&basis(8), small).is_none(), "errors would add up");
    answered(&mut live, 2, 7, Quality::Settled, now);
    for (id, quality) in [(3, Quality::Full), (4, Quality::Quick)] {
        // What follows leaves it as it is.
        answered(&mut live, id, 7, quality, now);
    }
    let warm = live.warm(&basis(8), small).unwrap();
    assert!(warm.t > 0.0 && warm.t < 1.0);
    assert_eq!(warm.region, PixelRect::new(0, 0, 64, 64));
    assert!(live.warm(&basis(7), small).is_none(), "nothing was drawn");
    assert!(live.warm(&basis(12), small).is_some(), "several edits");
    assert!(live.warm(&basis(8), None).is_none(), "nobody knows which");
    let large = Some(1.01 * SMALL_EDIT);
    assert!(live.warm(&basis(8), large).is_none(), "a large edit");
    let mut other = basis(8);
    other.mask = 2;
    assert!(live.warm(&other, small).is_some(), "a painted part");
    other.recipe = 5;
    assert!(live.warm(&other, small).is_none(), "another recipe");
    other = basis(8);
    other.image = 1;
    assert!(live.warm(&other, small).is_none(), "another image");
    other = basis(8);
    let hip = Hip {
        center: Point::new(4.0, 5.0),
        radius: 2.0,
        rim: Point::new(5.0, 1.0),
    };
    other.hips = Some(HipLandmarks {
        left: hip,
        right: hip,
        pixel_spacing_mm: None,
    });
    assert!(live.warm(&other, small).is_none(), "moved hip points");
    live.new_document();
    assert!(live.warm(&basis(8), small).is_none());
}

#[test]
fn a_better_answer_gives_way_to_a_newer_edit_past_a_third() {
    let step = Duration::from_millis(20);
    let engine = move || Ok(Box::new(Fake { step }) as Box<dyn Engine>);
    let worker = Worker::start(engine, Box::new(|| ()), None).unwrap();
    let mut settled = preview();
    settled.steps = 50;
    let first = worker.live_again(settled);
    let end = Instant::now() + Duration::from_secs(10);
    let next = || {
        assert!(Instant::now() < end, "never");
        worker.next_event(Duration::from_millis(200))
    };
    while !matches!(next(), Some(Event::Progress(id, p)) if id == first && p.step >= 25) {}
    let second = worker.live(preview());
    loop {
        match next() {
            Some(Event::Superseded(id)) if id == first => break,
            Some(Event::Finished(id, _)) => assert_ne!(id, first, "it ran to its end"),
            _ => {}
        }
    }
    while !matches!(next(), Some(Event::Finished(id, _)) if id == second) {}
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
