//! `bench live`, cancelling: how long an order goes on after it was asked to stop, wherever that wish comes.
//!
//! Every order is stopped at each place where it can be, once; the wish is taken to have come right after the place
//! before, so that all of what lies between has to pass first.

use std::ops::ControlFlow;
use std::time::Instant;

use super::Figure;
use crate::engine::LocalEngine;
use crate::job::{Engine as _, Error, ErrorKind, Order, Progress};

/// Places of one order, more than any has.
const MOST: usize = 1000;

/// Makes the order of a run.
pub(super) type MakeOrder<'a> = dyn Fn(usize) -> Result<Order, Error> + 'a;

/// Longest wait of each order, and of all, whose goal is the longest step of the walk.
///
/// `orders` are made anew for every run, so that little is at hand from the run before. Fails when an order fails, or
/// goes on after it was stopped.
pub(super) fn figures(
    engine: &mut LocalEngine,
    orders: &[(&str, &MakeOrder<'_>)],
) -> Result<Vec<Figure>, Error> {
    let (mut figures, mut longest, mut step) = (Vec::new(), 0.0_f64, 0.0_f64);
    for (name, order) in orders {
        let (mut wait, mut where_to) = (0.0_f64, 0);
        // Once to its end: nobody can stop what comes after the last question.
        let (end, length, places) = run(engine, &order(0)?, MOST)?;
        step = step.max(length);
        for place in 0..places {
            let (stopped, length, _) = run(engine, &order(place + 1)?, place)?;
            step = step.max(length);
            if stopped > wait {
                (wait, where_to) = (stopped, place);
            }
        }
        if end > wait {
            (wait, where_to) = (end, places);
        }
        let name = format!("cancel, {name}, longest (at {where_to} of {places})");
        figures.push(Figure::new(name, wait, "s"));
        longest = longest.max(wait);
    }
    figures.push(Figure::new("one step of the walk, longest", step, "s"));
    figures.push(Figure::new("cancel, longest", longest, "s").at_most(step));
    Ok(figures)
}

/// Stops an order at its `place`-th question: seconds from the question before to its return, the longest denoising
/// step on the way, and how many questions there were.
fn run(engine: &mut LocalEngine, order: &Order, place: usize) -> Result<(f64, f64, usize), Error> {
    let (mut places, mut step) = (0, 0.0_f64);
    let mut last = Instant::now();
    let mut before: Option<Progress> = None;
    let done = engine.carry_out(order, &mut |progress| {
        places += 1;
        if places == place + 1 {
            return ControlFlow::Break(());
        }
        let is_step = |before: &Progress| {
            before.stage == "denoising" && before.steps > 0 && before.step + 1 == progress.step
        };
        if before.as_ref().is_some_and(is_step) {
            step = step.max(last.elapsed().as_secs_f64());
        }
        before = Some(progress);
        last = Instant::now();
        ControlFlow::Continue(())
    });
    let wait = last.elapsed().as_secs_f64();
    match done {
        Err(error) if error.kind != ErrorKind::Stopped => Err(error),
        Ok(_) if places > place => Err(Error::new(ErrorKind::Failed, "the engine did not stop")),
        _ => Ok((wait, step, places)),
    }
}
