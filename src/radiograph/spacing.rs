//! Millimetres a pixel, and how far they can be trusted.
//!
//! Separate from the image because every length, report and export asks where its millimetres came from.

use serde::{Deserialize, Serialize};

/// Heights of a pixel over its width that are believed: beyond them nothing could be seen.
pub(super) const RATIOS: std::ops::RangeInclusive<f64> = 1.0 / 32.0..=32.0;

/// Where the millimetres a pixel came from, and so how far a length can be trusted (DICOM PS3.3 10.7.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpacingSource {
    /// Pixel Spacing calibrated by a fiducial or by geometry, or of a cross-sectional image: mm in the body.
    Calibrated,
    /// Imager Pixel Spacing divided by the estimated magnification factor.
    EstimatedMagnification,
    /// Imager Pixel Spacing: mm at the detector, larger than in the body.
    Detector,
    /// Physical resolution written in a PNG, TIFF or JPEG file.
    FileResolution,
    /// Set by the person.
    Manual,
}

impl SpacingSource {
    /// Pixel Spacing Calibration Type and Description (0028,0A02 and 0A04) of a spacing in the patient; `None` for others.
    ///
    /// The reader knows them again.
    pub(crate) const fn calibration(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Calibrated => Some(("GEOMETRY", "calibrated; how is not known")),
            Self::EstimatedMagnification => Some(("GEOMETRY", "estimated magnification factor")),
            Self::Manual => Some(("FIDUCIAL", "set by hand")),
            Self::Detector | Self::FileResolution => None,
        }
    }

    /// What stands behind a length: `mm (calibrated)`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Calibrated => "calibrated",
            Self::EstimatedMagnification => "est. magnification",
            Self::Detector => "at detector",
            Self::FileResolution => "from file",
            Self::Manual => "calibrated by hand",
        }
    }
}

/// Millimetres a pixel, and where they came from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spacing {
    /// Distance between the centres of neighbouring rows, mm, > 0.
    pub row_mm: f64,
    /// Distance between the centres of neighbouring columns, mm, > 0.
    pub column_mm: f64,
    /// Where they came from.
    pub source: SpacingSource,
}
