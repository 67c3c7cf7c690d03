//! Analytic radiographs with ground truth: X-ray projections (Beer–Lambert) through solids.
//!
//! A phantom is a pure function of its seed and options: the same on any machine and any number of threads.
//! Attributes are drawn first, then the anatomy given them, then nuisance (pose, exposure, processing) independent
//! of both, so that nothing but anatomy tells a finding.

pub mod brain;
pub mod breast;
pub mod chest;
mod contour;
pub mod hip;
pub mod jaw;
pub mod xray;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::geometry::{PixelRect, Point};
use crate::grid::Grid;
use crate::landmarks::HipLandmarks;

/// A named line of the anatomy in image space: what a person would draw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outline {
    /// `left femoral head`, `heart`, …
    pub name: String,
    /// Points in order, pixels.
    pub points: Vec<Point>,
    /// Whether the last point joins the first.
    pub closed: bool,
}

/// A finding with its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// `nodule`, `effusion`, …
    pub label: String,
    /// Its box.
    pub bounds: PixelRect,
}

/// One analytic radiograph with everything that is known about it.
#[derive(Clone, Debug)]
pub struct Phantom {
    /// `hip`, `chest`, …
    pub kind: String,
    /// Seed it was made from.
    pub seed: u64,
    /// 12-bit grey, 0–4095, MONOCHROME2, as a detector delivers it after processing.
    pub image: Grid<u16>,
    /// Millimetres a pixel (square).
    pub spacing_mm: f64,
    /// DICOM View Position: `VD`, `PA`, `AP`.
    pub view: String,
    /// Age in years.
    pub age_years: f64,
    /// `M` or `F`.
    pub sex: char,
    /// Findings by name: present or absent.
    pub labels: BTreeMap<String, bool>,
    /// Numbers worth keeping: `norberg_left_degrees`, `cardiothoracic_ratio`, …
    pub numbers: BTreeMap<String, f64>,
    /// Hip points, hip films only.
    pub landmarks: Option<HipLandmarks>,
    /// Named masks of the size of the image, 255 = inside.
    pub masks: BTreeMap<String, Grid<u8>>,
    /// Findings with their boxes.
    pub findings: Vec<Finding>,
    /// The lines of the anatomy.
    pub outlines: Vec<Outline>,
}

impl Phantom {
    /// A film of which nothing is known yet; none of the findings is there.
    fn of(kind: &str, seed: u64, image: Grid<u16>, findings: &[&str]) -> Self {
        Self {
            kind: kind.to_owned(),
            seed,
            image,
            spacing_mm: 0.0,
            view: String::new(),
            age_years: 0.0,
            sex: 'F',
            labels: findings.iter().map(|n| ((*n).to_owned(), false)).collect(),
            numbers: BTreeMap::new(),
            landmarks: None,
            masks: BTreeMap::new(),
            findings: Vec::new(),
            outlines: Vec::new(),
        }
    }

    /// Adds a finding marked on a grid `factor` times as fine as the film: label and box, and where `lined`, mask and
    /// outline. A mark that covers no pixel adds nothing.
    fn mark(&mut self, name: &str, fine: &Grid<u8>, factor: usize, lined: bool) {
        let found = contour::coarser(fine, factor, |v| v > 0);
        let Some(bounds) = contour::bounds(&found) else {
            return;
        };
        self.labels.insert(name.to_owned(), true);
        self.findings.push(Finding {
            label: name.to_owned(),
            bounds,
        });
        if lined {
            self.outlines.extend(contour::traced(name, &found));
            contour::join(&mut self.masks, name, found);
        }
    }
}

/// One finding that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct FindingRequest {
    /// One of the findings of the kind; others are ignored.
    pub name: String,
    /// Its middle as a fraction of the film, 0–1 each way; drawn when absent.
    pub place: Option<Point>,
    /// Its size in mm; drawn when absent.
    pub size_mm: Option<f64>,
}

/// All kinds, as the command line and the networks call them.
pub const KINDS: [&str; 6] = ["hip", "chest", "breast", "jaw", "brain-mr", "brain-ct"];

/// One film of a kind with everything drawn by chance, `size_px` on the longer side; `None` for a kind that is not
/// known.
pub fn draw(kind: &str, seed: u64, size_px: usize) -> Option<Phantom> {
    Some(match kind {
        "hip" => hip::draw(
            seed,
            &hip::HipOptions {
                size_px,
                ..hip::HipOptions::default()
            },
        ),
        "chest" => chest::draw(
            seed,
            &chest::ChestOptions {
                size_px,
                ..chest::ChestOptions::default()
            },
        ),
        "breast" => breast::draw(
            seed,
            &breast::BreastOptions {
                size_px,
                ..breast::BreastOptions::default()
            },
        ),
        "jaw" => jaw::draw(
            seed,
            &jaw::JawOptions {
                size_px,
                ..jaw::JawOptions::default()
            },
        ),
        "brain-mr" | "brain-ct" => brain::draw(
            seed,
            &brain::BrainOptions {
                size_px,
                contrast: if kind == "brain-mr" {
                    brain::Contrast::Mr
                } else {
                    brain::Contrast::Ct
                },
                ..brain::BrainOptions::default()
            },
        ),
        _ => return None,
    })
}

/// The seed that film `seed` of a kind is drawn from: another one for a CT that shall be `independent`, not of the head
/// of an MR.
pub fn seed_of(kind: &str, seed: u64, independent: bool) -> u64 {
    match kind {
        "brain-ct" if independent => brain::independent_seed(seed),
        _ => seed,
    }
}

/// Findings that a person asks for in images of a kind, in reading order; `None` for a kind that is not known.
///
/// Fewer than the labels of a phantom: grades and either-side labels follow from these.
pub fn findings_of(kind: &str) -> Option<&'static [&'static str]> {
    match kind {
        "hip" => Some(&[
            "dysplasia_left",
            "dysplasia_right",
            "luxation_left",
            "luxation_right",
            "osteoarthritis_left",
            "osteoarthritis_right",
        ]),
        "chest" => Some(&chest::FINDINGS),
        "breast" => Some(&breast::FINDINGS),
        "jaw" => Some(&jaw::FINDINGS),
        "brain-mr" | "brain-ct" => Some(&brain::FINDINGS),
        _ => None,
    }
}
