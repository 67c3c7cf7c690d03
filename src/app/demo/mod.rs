//! The demo of a conference: an attract loop of recorded strokes, and the pen for whoever touches it.
//!
//! Separate because it is the only place that acts without a person; it pushes the same actions as a hand would. What a
//! visitor may ask for stands in [`allows`], and nowhere else.

mod visit;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::action::Action;
use super::keys::Command;
use crate::document::{Edit, Layer, Mark, Operation, Shape, StrokePoint, Tip};
use crate::geometry::Point;

/// Without a touch for so long, the loop begins again.
const IDLE: Duration = Duration::from_secs(90);
/// How long the answer to the finished drawing is shown before the loop starts over.
const REST_SECONDS: f64 = 8.0;
/// The answer to the finished drawing is waited for at most so long: where there is no model, none comes.
const ANSWER_SECONDS: f64 = 40.0;
/// After an error live mode waits so long, then twice as long after each that follows, up to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(128);
/// A stroke becomes part of the document in pieces of this length, so that the answer follows the pen.
const PIECE_SECONDS: f64 = 0.3;

/// One sample of a recorded stroke.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedPoint {
    /// Seconds since the recording began.
    pub t: f64,
    /// Image pixels.
    pub x: f64,
    /// Image pixels.
    pub y: f64,
    /// 0–1.
    #[serde(default = "full")]
    pub pressure: f32,
}

const fn full() -> f32 {
    1.0
}

/// One recorded stroke.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedStroke {
    /// Where it counts.
    pub layer: Layer,
    /// Full width, image pixels.
    pub width: f64,
    /// Samples in order of time.
    pub points: Vec<RecordedPoint>,
}

/// `sketch.json` of a bundled case: strokes with times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// Strokes in order of time.
    pub strokes: Vec<RecordedStroke>,
}

impl Recording {
    /// Seconds until the last sample.
    pub fn seconds(&self) -> f64 {
        self.strokes
            .iter()
            .filter_map(|stroke| stroke.points.last())
            .map(|point| point.t)
            .fold(0.0, f64::max)
    }

    /// The pieces of strokes whose last sample lies in `(from, to]`, as edits in order of time.
    ///
    /// Where a piece ends depends on the recording alone, so that the same drawing comes of it at any frame rate.
    pub fn pieces(&self, from: f64, to: f64) -> Vec<Edit> {
        let mut edits: Vec<(f64, Edit)> = Vec::new();
        for stroke in &self.strokes {
            let last = stroke.points.len().saturating_sub(1);
            let mut begin = 0;
            for (n, point) in stroke.points.iter().enumerate() {
                let long = point.t - stroke.points[begin].t >= PIECE_SECONDS;
                if !(long || n == last) {
                    continue;
                }
                if point.t > from && point.t <= to {
                    edits.push((point.t, piece(stroke, begin, n)));
                }
                begin = n;
            }
        }
        edits.sort_by(|a, b| a.0.total_cmp(&b.0));
        edits.into_iter().map(|(_, edit)| edit).collect()
    }
}

fn piece(stroke: &RecordedStroke, begin: usize, end: usize) -> Edit {
    let points = stroke.points[begin..=end]
        .iter()
        .map(|point| StrokePoint {
            at: Point::new(point.x, point.y),
            pressure: point.pressure.clamp(0.0, 1.0),
        })
        .collect();
    Edit::AddMark(std::sync::Arc::new(Mark {
        layer: stroke.layer,
        operation: Operation::Paint,
        shape: Shape::Stroke {
            points,
            width: stroke.width,
            smooth: false,
            tip: Tip::Round,
        },
    }))
}

/// What the demo wants done now.
#[derive(Debug, PartialEq)]
pub enum Wish {
    /// Nothing, but look again after this time.
    Wait(Duration),
    /// Open the case anew.
    Reset,
    /// Draw these.
    Draw(Vec<Edit>),
}

/// The state of the demo.
#[derive(Debug)]
pub struct Demo {
    touched: Option<Instant>,
    began: Option<Instant>,
    /// Seconds of the recording that are drawn; below 0 = nothing yet, not even what lies at 0.
    drawn_until: f64,
    /// When the answer to the finished drawing was first seen.
    answered: Option<Instant>,
    /// Errors of live mode since its last answer.
    errors: u32,
    /// Live mode asks for nothing before.
    rests_until: Option<Instant>,
    /// How far its clock is ahead of the machine's: tests let time pass.
    ahead: Duration,
}

impl Demo {
    /// A demo whose loop begins with the first case that is open.
    pub const fn new() -> Self {
        Self {
            touched: None,
            began: None,
            drawn_until: -1.0,
            answered: None,
            errors: 0,
            rests_until: None,
            ahead: Duration::ZERO,
        }
    }

    /// Now, by its own clock.
    pub fn now(&self) -> Instant {
        Instant::now() + self.ahead
    }

    /// Lets time pass, for tests.
    pub fn pass(&mut self, time: Duration) {
        self.ahead += time;
    }

    /// A visitor touched the screen: the pen is theirs.
    pub const fn touch(&mut self, now: Instant) {
        self.touched = Some(now);
    }

    /// Whether the loop is drawing.
    pub const fn attracts(&self) -> bool {
        self.touched.is_none()
    }

    /// Begins the loop anew; called when the case is open again. What went wrong is remembered: it goes wrong again.
    pub const fn restart(&mut self) {
        self.touched = None;
        self.began = None;
        self.drawn_until = -1.0;
        self.answered = None;
    }

    /// The answer that is shown is that of the document as it stands, in full quality.
    pub fn answered(&mut self, recording: &Recording, now: Instant) {
        if self.drawn_until >= recording.seconds() {
            self.answered.get_or_insert(now);
        }
    }

    /// Live mode failed: it is tried again later, and later still after the next time.
    pub fn failed(&mut self, now: Instant) {
        let pause = FIRST_PAUSE * 2_u32.pow(self.errors.min(6));
        self.errors = self.errors.saturating_add(1);
        self.rests_until = Some(now + pause.min(LONGEST_PAUSE));
    }

    /// Live mode gave an answer.
    pub const fn worked(&mut self) {
        self.errors = 0;
        self.rests_until = None;
    }

    /// How long live mode still rests after an error; `None` when it may ask.
    pub fn rests(&self, now: Instant) -> Option<Duration> {
        let left = self.rests_until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// What is to be done at `now`.
    pub fn wish(&mut self, recording: Option<&Recording>, now: Instant) -> Wish {
        if let Some(touched) = self.touched {
            let idle = now.saturating_duration_since(touched);
            return if idle >= IDLE {
                Wish::Reset
            } else {
                Wish::Wait(IDLE.saturating_sub(idle))
            };
        }
        let Some(recording) = recording else {
            // Nothing to draw: as if somebody had just gone away.
            self.touched = Some(now);
            return Wish::Wait(IDLE);
        };
        let began = *self.began.get_or_insert(now);
        let seconds = |time: Instant| time.saturating_duration_since(began).as_secs_f64();
        let at = seconds(now);
        // However late a frame comes, all is drawn before it is over.
        let edits = recording.pieces(self.drawn_until, at);
        self.drawn_until = at;
        if !edits.is_empty() {
            return Wish::Draw(edits);
        }
        let drawn = recording.seconds();
        let seen = self.answered.map_or(drawn + ANSWER_SECONDS, seconds);
        if at > drawn.max(seen) + REST_SECONDS {
            Wish::Reset
        } else {
            Wish::Wait(Duration::from_millis(50))
        }
    }
}

impl Default for Demo {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a visitor may ask for this: no file, no setting, no other program, no end.
pub const fn allows(action: &Action) -> bool {
    !matches!(
        action,
        Action::OpenDialog
            | Action::OpenFolder
            | Action::Open(_)
            | Action::OpenAll(_)
            | Action::Dropped(_)
            | Action::Restore(_)
            | Action::Discard(_)
            | Action::ClearRecent
            | Action::Save
            | Action::Export(_)
            | Action::ExportIdentity
            | Action::ExportBlank
            | Action::Nodes(_)
            | Action::AddModel
            | Action::AddLora
            | Action::Quit
            | Action::FullScreen
            | Action::Theme(_)
            | Action::PacsButtons
            | Action::PlanesIdentity
            | Action::Bind(..)
            | Action::Unbind(_)
            | Action::DefaultKeys
            | Action::DismissHint(_)
    )
}

/// Whether menus, the palette and the sheet of keys list this command; the way out is for who runs the stand.
pub(crate) fn lists(command: &Command) -> bool {
    let action = (command.action)();
    allows(&action) && action != Action::LeaveDemo
}
