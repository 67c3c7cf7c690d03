//! The demo of a conference: an attract loop of recorded strokes, and the pen for whoever touches it.
//!
//! Separate because it is the only place that acts without a person; it pushes the same actions as a hand would.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::document::{Edit, Layer, Mark, Operation, Shape, StrokePoint};
use crate::geometry::Point;

/// Without a touch for so long, the loop begins again.
const IDLE: Duration = Duration::from_secs(90);
/// How long the finished drawing is shown before the loop starts over.
const REST_SECONDS: f64 = 8.0;
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

    /// The pieces of strokes whose last sample lies in `(from, to]`, as edits.
    pub fn pieces(&self, from: f64, to: f64) -> Vec<Edit> {
        let mut edits = Vec::new();
        for stroke in &self.strokes {
            let last = stroke.points.len().saturating_sub(1);
            let mut begin = 0;
            for (n, point) in stroke.points.iter().enumerate() {
                let long = point.t - stroke.points[begin].t >= PIECE_SECONDS;
                if !(long || n == last) {
                    continue;
                }
                if point.t > from && point.t <= to {
                    edits.push(piece(stroke, begin, n));
                }
                begin = n;
            }
        }
        edits
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
    drawn_until: f64,
}

impl Demo {
    /// A demo whose loop begins with the first case that is open.
    pub const fn new() -> Self {
        Self {
            touched: None,
            began: None,
            drawn_until: 0.0,
        }
    }

    /// A visitor touched the screen: the pen is theirs.
    pub const fn touch(&mut self, now: Instant) {
        self.touched = Some(now);
    }

    /// Whether the loop is drawing.
    pub const fn attracts(&self) -> bool {
        self.touched.is_none()
    }

    /// Begins the loop anew; called when the case is open again.
    pub const fn restart(&mut self) {
        self.touched = None;
        self.began = None;
        self.drawn_until = 0.0;
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
        let at = now.saturating_duration_since(began).as_secs_f64();
        if at > recording.seconds() + REST_SECONDS {
            return Wish::Reset;
        }
        let edits = recording.pieces(self.drawn_until, at);
        self.drawn_until = at;
        if edits.is_empty() {
            Wish::Wait(Duration::from_millis(50))
        } else {
            Wish::Draw(edits)
        }
    }
}

impl Default for Demo {
    fn default() -> Self {
        Self::new()
    }
}
