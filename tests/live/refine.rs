//! Images drawn again, finer, over tiny networks: when, how it is recorded, and that nothing else changes.

use std::ops::ControlFlow;

use radcanvas::geometry::{Affine, Point};
use radcanvas::grid::Grid;
use radcanvas::job::{ErrorKind, Mode, ModelReference, Order, Product, Request};
use radcanvas::landmarks::{Hip, HipLandmarks, Side};
use radcanvas::network::hips::joint::{as_left, finding_as_left, opening, square};

use super::engine::{Bench, PX, film, pixels, sketch};

fn hip(x: f64, rim: f64) -> Hip {
    Hip {
        center: Point::new(x, 32.0),
        radius: 4.0,
        rim: Point::new(rim, 28.0),
    }
}

/// The patient's left is on the viewer's right.
fn hips() -> HipLandmarks {
    HipLandmarks {
        left: hip(46.0, 48.0),
        right: hip(18.0, 16.0),
        pixel_spacing_mm: None,
    }
}

fn with_points() -> Request {
    let mut request = sketch();
    request.landmarks = Some(hips());
    request
}

/// The model as a record names it.
fn refiner(outcome: &radcanvas::job::Outcome) -> Option<&str> {
    let model = outcome.request.refiner.as_ref()?;
    assert!(!model.hash.is_empty());
    Some(&model.name)
}

#[test]
fn an_image_is_drawn_again_where_that_is_wanted_and_its_record_says_with_what() {
    let mut bench = Bench::with_refiner();
    let mut request = with_points();
    let finer = bench.ask(&request);
    assert_eq!(refiner(&finer), Some("refiner"));
    request.refiner = None;
    let plain = bench.ask(&request);
    assert_eq!(refiner(&plain), None);
    assert_ne!(pixels(&finer.images[0]), pixels(&plain.images[0]));
    // The record gives the same image again, whatever else is made with it.
    let again = bench.ask(&finer.request);
    assert_eq!(pixels(&again.images[0]), pixels(&finer.images[0]));
    let mut several = finer.request.as_ref().clone();
    several.count = 2;
    let two = bench.ask(&several);
    assert_eq!(pixels(&two.images[0]), pixels(&finer.images[0]));
    assert_ne!(pixels(&two.images[1]), pixels(&finer.images[0]));
    // A preview draws the hips alone again, the very first one nothing; an image of another kind has none.
    let mut preview = with_points();
    preview.preview = true;
    preview.steps = 1;
    assert_eq!(refiner(&bench.ask(&preview)), None);
    preview.steps = 4;
    assert_eq!(refiner(&bench.ask(&preview)), Some("refiner"));
    "chest".clone_into(&mut preview.attributes.kind);
    assert_eq!(refiner(&bench.ask(&preview)), None);
    // What the model was not taught is left alone.
    let mut other = with_points();
    "jaw".clone_into(&mut other.attributes.kind);
    assert_eq!(refiner(&bench.ask(&other)), None);
}

#[test]
fn another_refiner_than_the_recorded_one_is_refused() {
    let mut bench = Bench::with_refiner();
    let mut on = |_| ControlFlow::Continue(());
    let mut request = with_points();
    for (name, hash) in [("refiner", "00"), ("elsewhere", "")] {
        request.refiner = Some(ModelReference {
            name: name.to_owned(),
            hash: hash.to_owned(),
        });
        let error = bench.asked(&request, &mut on).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Model, "{error}");
        assert!(error.what.contains(name), "{error}");
    }
}

#[test]
fn drawing_again_stops_between_any_two_squares_and_counts_its_steps() {
    let mut bench = Bench::with_refiner();
    let request = with_points();
    let mut seen = Vec::new();
    let made = bench.asked(&request, &mut |progress| {
        seen.push((progress.step, progress.steps));
        ControlFlow::Continue(())
    });
    assert!(matches!(made, Ok(Product::Outcome(_))));
    let all = seen[seen.len() - 1].1;
    assert!(all > request.steps, "{all} steps");
    // Nine squares of the film are encoded, walked in three steps and decoded, and two hips: each can be stopped.
    let questions = seen.len();
    assert!(
        questions >= request.steps + 9 + 27 + 9 + 2 + 2,
        "{questions} questions"
    );
    seen.retain(|(_, steps)| *steps > 0);
    seen.dedup();
    assert_eq!(seen, (0..=all).map(|step| (step, all)).collect::<Vec<_>>());
    bench.stops_at_every_question(&Order::Generate(request), questions);
}

#[test]
fn squares_whose_lines_stay_are_not_adapted_again_and_nothing_changes() {
    let mut bench = Bench::with_refiner();
    let mut request = with_points();
    let first = pixels(&bench.ask(&request).images[0]);
    let counts = bench.refiner_counts();
    assert_eq!(
        counts.hints.0 + counts.hints.1,
        11,
        "nine squares and two hips"
    );
    assert_eq!(pixels(&bench.ask(&request).images[0]), first);
    let again = bench.refiner_counts();
    assert_eq!(again.hints.0, counts.hints.0, "nothing new was drawn");
    assert_eq!(again.hints.1, counts.hints.1 + 11);
    // Another weight needs the empty hint too, and what is kept is that without a weight.
    request.control.weight = 0.5;
    let weighted = pixels(&bench.ask(&request).images[0]);
    assert_eq!(
        pixels(&Bench::with_refiner().ask(&request).images[0]),
        weighted
    );
}

#[test]
fn nothing_outside_the_ring_is_drawn_again() {
    let mut bench = Bench::with_refiner();
    let mut request = with_points();
    request.mode = Mode::Inpaint;
    request.source = Some(film(PX, PX));
    request.ring.px = 2.0;
    // Half the film with one hip in it.
    request.mask = Some(Grid::from_fn(PX, PX, |x, _| if x >= 30 { 255 } else { 0 }));
    let outcome = bench.ask(&request);
    assert_eq!(refiner(&outcome), Some("refiner"));
    assert_eq!(outcome.images[0].changed_outside_ring, 0);
    let mut plain = request.clone();
    plain.refiner = None;
    assert_ne!(
        pixels(&bench.ask(&plain).images[0]),
        pixels(&outcome.images[0])
    );
}

#[test]
fn a_square_holds_head_and_rim_and_a_right_hip_is_drawn_as_a_left_one() {
    let mut points = hips();
    for far in [0.0, 6.0, 14.0] {
        points.left.center.x = 46.0 + far;
        for side in [Side::Left, Side::Right] {
            let (center, length) = square(&points, side);
            let hip = points.hip(side);
            let mask = opening(400);
            let open = |p: Point| {
                let at = |v: f64, c: f64| (((v - c) / length + 0.5) * 400.0) as usize;
                mask.get(at(p.x, center.x), at(p.y, center.y)).copied() == Some(255)
            };
            for angle in 0..8 {
                let (s, c) = (f64::from(angle) * 0.785).sin_cos();
                assert!(open(hip.center + Point::new(c, s) * hip.radius), "{far}");
            }
            assert!(open(hip.rim), "{far}");
        }
    }
    let mirror = Affine::scale_then_shift(Point::new(-1.0, 1.0), Point::new(63.0, 0.0));
    let turned = as_left(&hips(), Side::Right, &mirror);
    // What was the patient's right, on the viewer's left, stands on the viewer's right.
    assert!(turned.left.center.x > turned.right.center.x);
    assert!(turned.left.rim.x > turned.left.center.x);
    assert_eq!(as_left(&hips(), Side::Left, &Affine::IDENTITY), hips());
    let name = |name: &str| finding_as_left(name, Side::Right);
    assert_eq!(name("luxation_right"), "luxation_left");
    assert_eq!(name("luxation_left"), "luxation_right");
    assert_eq!(name("mass"), "mass");
    assert_eq!(
        finding_as_left("luxation_left", Side::Left),
        "luxation_left"
    );
}
