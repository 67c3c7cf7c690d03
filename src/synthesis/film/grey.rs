//! Between stored values and the model's grey: one map there, its exact inverse back.
//!
//! Separate because the pair decides whether a composite meets its film: the window is opened to its ends, inverted
//! for MONOCHROME1, and the inverse is affine, so that a quantisation happens once, at the end.

use crate::grid::Grid;
use crate::job::{Error, ErrorKind};
use crate::measure::seam::Match;
use crate::radiograph::{DisplayWindow, ModalityTransform, Photometric, Radiograph};

/// `grey = (stored − black) / (white − black)`.
#[derive(Clone, Debug, PartialEq)]
pub struct GreyMap {
    /// Stored value that is black.
    black: f64,
    /// Stored value that is white.
    white: f64,
    /// A Modality LUT that is not affine: modality value of each stored value from `first` on.
    table: Option<(i64, Vec<f32>)>,
}

impl GreyMap {
    /// The map of a radiograph through a window; absent = its initial window.
    ///
    /// Fails when the window or the rescale slope leaves no range of values.
    pub fn new(radiograph: &Radiograph, window: Option<&DisplayWindow>) -> Result<Self, Error> {
        let window = window
            .cloned()
            .unwrap_or_else(|| radiograph.initial_window());
        let (low, high) = window.linear_ends();
        let inverted = radiograph.photometric == Photometric::Monochrome1;
        let (low, high) = if inverted { (high, low) } else { (low, high) };
        let (black, white, table) = match &radiograph.modality_transform {
            ModalityTransform::Linear { slope, intercept } => {
                ((low - intercept) / slope, (high - intercept) / slope, None)
            }
            ModalityTransform::Table { first, values } => {
                (low, high, Some((*first, values.clone())))
            }
        };
        if !(black.is_finite() && white.is_finite() && (white - black).abs() > 0.0) {
            return Err(
                Error::new(ErrorKind::Usage, "the window leaves no range of values")
                    .remedy("choose a window with a width above 0"),
            );
        }
        Ok(Self {
            black,
            white,
            table,
        })
    }

    /// A map for images made from nothing: 12-bit values.
    pub const fn twelve_bit() -> Self {
        Self {
            black: 0.0,
            white: 4095.0,
            table: None,
        }
    }

    /// Grey of a stored value, below 0 and above 1 where the window clips it.
    fn unclipped(&self, stored: f32) -> f64 {
        let mut value = f64::from(stored);
        if let Some((first, table)) = &self.table {
            let index = (value as i64).saturating_sub(*first).max(0) as usize;
            let last = table.len().saturating_sub(1);
            value = table.get(index.min(last)).map_or(value, |v| f64::from(*v));
        }
        (value - self.black) * (1.0 / (self.white - self.black))
    }

    /// Grey, 0–1 and clamped, of stored values.
    pub fn grey(&self, stored: &Grid<f32>) -> Grid<f32> {
        stored.map(|value| {
            let grey = self.unclipped(*value);
            if grey.is_finite() {
                grey.clamp(0.0, 1.0) as f32
            } else {
                0.0
            }
        })
    }

    /// Whether a stored value lies strictly inside the window: grey tells which one it was.
    pub fn shows(&self, stored: f32) -> bool {
        let grey = self.unclipped(stored);
        grey > 0.0 && grey < 1.0
    }

    /// Whether a stored value lies beyond the window: grey tells another one.
    pub fn clips(&self, stored: f32) -> bool {
        let grey = self.unclipped(stored);
        !(0.0..=1.0).contains(&grey)
    }

    /// Stored values from one end of the window to the other, above 0; at least 1 through a table.
    pub fn range(&self) -> f64 {
        let span = (self.white - self.black).abs();
        let Some((_, table)) = &self.table else {
            return span;
        };
        let (low, high) = (self.black.min(self.white), self.black.max(self.white));
        let inside = |v: &f32| (low..=high).contains(&f64::from(*v));
        let first = table.iter().position(inside);
        let last = table.iter().rposition(inside);
        let entries = first.zip(last).map_or(0, |(first, last)| last - first);
        (entries as f64).max(1.0)
    }

    /// A match of grey as a match of stored values; `None` through a table, where no offset is one.
    pub(super) fn stored_match(&self, grey: Match) -> Option<Match> {
        let span = self.white - self.black;
        self.table.is_none().then_some(Match {
            offset: self.black + grey.offset * span - grey.gain * self.black,
            ..grey
        })
    }

    /// Stored values of grey; not rounded, not clamped to any depth.
    pub fn stored(&self, grey: &Grid<f32>) -> Grid<f32> {
        let span = self.white - self.black;
        match &self.table {
            None => grey.map(|g| (self.black + f64::from(*g) * span) as f32),
            Some((first, table)) => grey.map(|g| {
                let wanted = (self.black + f64::from(*g) * span) as f32;
                let nearest = table
                    .iter()
                    .enumerate()
                    .min_by(|a, b| (a.1 - wanted).abs().total_cmp(&(b.1 - wanted).abs()));
                nearest.map_or(0.0, |(i, _)| (*first + i as i64) as f32)
            }),
        }
    }
}
