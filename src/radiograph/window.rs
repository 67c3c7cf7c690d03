//! VOI windows: modality value → grey (DICOM PS3.3 C.11.2.1).
//!
//! Separate because the shader, the exports and the networks must use the very same three formulas.

use std::sync::Arc;

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

/// A VOI LUT Sequence item (0028,3010): a curve instead of a straight line (PS3.3 C.11.2.1.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VoiTable {
    /// First modality value mapped.
    pub first: i64,
    /// Output grey, scaled to 0–1; never empty.
    pub values: Vec<f32>,
    /// LUT Explanation, if any.
    pub explanation: String,
}

impl VoiTable {
    /// Grey at `place`, 0 = the first entry and 1 = the last, straight between two entries and held beyond the ends.
    fn at(&self, place: f64) -> f64 {
        let last = self.values.len().saturating_sub(1);
        let index = place.clamp(0.0, 1.0) * last as f64;
        let (low, part) = (index.floor(), index.fract());
        let entry = |i: usize| self.values.get(i.min(last)).map_or(0.0, |v| f64::from(*v));
        let below = entry(low as usize);
        below + (entry(low as usize + 1) - below) * part
    }
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
    /// A VOI LUT laid over the width of the window: its first entry at the lower end, its last at the upper one.
    ///
    /// Dragging the window stretches the curve. `function` is `LinearExact` then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Arc<VoiTable>>,
}

impl DisplayWindow {
    /// A VOI LUT as the file gives it: every whole modality value meets its own entry.
    pub fn from_table(table: VoiTable) -> Self {
        let last = table.values.len().saturating_sub(1).max(1);
        Self {
            explanation: table.explanation.clone(),
            ..Self::from_range(table.first as f64, table.first as f64 + last as f64)
        }
        .with_table(table)
    }

    fn with_table(mut self, table: VoiTable) -> Self {
        self.table = Some(Arc::new(table));
        self
    }

    /// A `LinearExact` window whose ends are black and white.
    pub fn from_range(low: f64, high: f64) -> Self {
        Self {
            center: f64::midpoint(low, high),
            width: (high - low).max(f64::MIN_POSITIVE),
            function: WindowFunction::LinearExact,
            explanation: String::new(),
            table: None,
        }
    }

    /// Center and width for a person: `C 40  W 400`, `C 0.25  W 0.5`, `VOI LUT  C 128  W 255`.
    pub fn label(&self) -> String {
        let kind = if self.table.is_some() {
            "VOI LUT  "
        } else {
            ""
        };
        let told = |value| super::readings::in_span(value, self.width);
        format!("{kind}C {}  W {}", told(self.center), told(self.width))
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
        if let Some(table) = &self.table {
            let (low, high) = self.linear_ends();
            return table.at((value - low) / (high - low));
        }
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
