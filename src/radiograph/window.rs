//! VOI windows: modality value → grey (DICOM PS3.3 C.11.2.1).
//!
//! Separate because the shader, the exports and the networks must use the very same three formulas.

use serde::{Deserialize, Serialize};

/// VOI LUT Function (0028,1056).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WindowFunction {
    /// `((x − (c − 0.5)) / (w − 1) + 0.5)`, the default of the standard.
    #[default]
    Linear,
    /// `(x − c) / w + 0.5`.
    LinearExact,
    /// `1 / (1 + exp(−4 (x − c) / w))`.
    Sigmoid,
}

/// A window in modality values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DisplayWindow {
    /// Window Center (0028,1050).
    pub center: f64,
    /// Window Width (0028,1051), ≥ 1 for `Linear`, > 0 otherwise.
    pub width: f64,
    /// VOI LUT Function.
    #[serde(default)]
    pub function: WindowFunction,
    /// Window Center & Width Explanation (0028,1055).
    #[serde(default)]
    pub explanation: String,
}

impl DisplayWindow {
    /// A `LinearExact` window whose ends are black and white.
    pub fn from_range(low: f64, high: f64) -> Self {
        Self {
            center: f64::midpoint(low, high),
            width: (high - low).max(f64::MIN_POSITIVE),
            function: WindowFunction::LinearExact,
            explanation: String::new(),
        }
    }

    /// Whether center and width are numbers that can be used.
    pub fn is_usable(&self) -> bool {
        self.center.is_finite()
            && self.width.is_finite()
            && match self.function {
                WindowFunction::Linear => self.width >= 1.0,
                WindowFunction::LinearExact | WindowFunction::Sigmoid => self.width > 0.0,
            }
    }

    /// Grey in 0–1 of a modality value, before any inversion; never NaN for a finite value.
    pub fn grey(&self, value: f64) -> f64 {
        match self.function {
            WindowFunction::Linear => {
                let (low, high) = self.linear_ends();
                if value <= low {
                    0.0
                } else if value > high {
                    1.0
                } else {
                    ((value - (self.center - 0.5)) / (self.width - 1.0) + 0.5).clamp(0.0, 1.0)
                }
            }
            WindowFunction::LinearExact => {
                ((value - self.center) / self.width + 0.5).clamp(0.0, 1.0)
            }
            WindowFunction::Sigmoid => {
                1.0 / (1.0 + (-4.0 * (value - self.center) / self.width).exp())
            }
        }
    }

    /// Modality values at which a linear window becomes black and white.
    pub fn linear_ends(&self) -> (f64, f64) {
        match self.function {
            WindowFunction::Linear => (
                self.center - 0.5 - (self.width - 1.0) / 2.0,
                self.center - 0.5 + (self.width - 1.0) / 2.0,
            ),
            WindowFunction::LinearExact | WindowFunction::Sigmoid => (
                self.center - self.width / 2.0,
                self.center + self.width / 2.0,
            ),
        }
    }
}
