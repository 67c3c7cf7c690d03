//! Who is on the film: age and density first, then the size of the breast given them.
//!
//! Area per cent and breast area a density class as published (cebp table); classes by age follow the slope of
//! volumetric measurements (Sci Rep 8, 32923), shifted by one class for Western women. Separate because everything else
//! only reads it.

use super::{BreastOptions, BreastStyle, BreastView, stream};
use crate::noise::Noise;
use crate::phantom::FindingRequest;

/// Attributes and sizes, mm.
#[derive(Clone, Debug)]
pub(super) struct Woman {
    pub(super) age: f64,
    pub(super) sex: char,
    pub(super) view: BreastView,
    pub(super) left: bool,
    pub(super) style: BreastStyle,
    /// Share of the area that looks dense.
    pub(super) density: f64,
    /// Chest wall to nipple.
    pub(super) depth: f64,
    /// Height of the breast along the chest wall.
    pub(super) height: f64,
    /// Compressed thickness.
    pub(super) thickness: f64,
    /// Side of the film.
    pub(super) side_mm: f64,
}

/// Mean and deviation of the dense share, and mean area (cm²), of the classes a to d.
const CLASSES: [(f64, f64, f64); 4] = [
    (0.043, 0.030, 239.0),
    (0.193, 0.080, 156.0),
    (0.404, 0.100, 119.0),
    (0.623, 0.090, 96.0),
];

/// Shares of the classes at an age.
fn mix(age: f64) -> [f64; 4] {
    let t = ((age - 40.0) / 35.0).clamp(0.0, 1.0);
    [
        0.08 + 0.14 * t,
        0.36 + 0.14 * t,
        0.42 - 0.17 * t,
        0.14 - 0.11 * t,
    ]
}

impl Woman {
    pub(super) fn drawn(seed: u64, options: &BreastOptions, asked: &[FindingRequest]) -> Self {
        let mut chance = stream(seed, 0);
        let age = chance.gauss(58.0, 12.0).clamp(35.0, 90.0);
        let age = options
            .age_years
            .filter(|a| a.is_finite())
            .unwrap_or(age)
            .clamp(25.0, 95.0);
        let male = chance.chance(0.01);
        let male = options.sex.map_or(male, |s| matches!(s, 'M' | 'm'));
        let mlo = chance.chance(0.5);
        let left = chance.chance(0.5);
        let film = chance.chance(0.5);
        let dense = asked.iter().any(|f| f.name == "dense");
        let healthy = options.findings.is_some() && !dense;
        let mut pick = chance.uniform();
        let mut class = 3;
        for (i, share) in mix(age).into_iter().enumerate() {
            if pick < share {
                class = i;
                break;
            }
            pick -= share;
        }
        // Who asks for dense gets dense, and who lists findings without it does not.
        if dense {
            class = class.max(2);
        } else if healthy {
            class = class.min(1);
        }
        let (mean, deviation, area) = CLASSES[class];
        let z = chance.normal().clamp(-1.6, 1.6);
        let density = options
            .density
            .filter(|d| d.is_finite())
            .unwrap_or(mean + deviation * z)
            .clamp(0.01, 0.9);
        let mut woman = Self {
            age,
            sex: if male { 'M' } else { 'F' },
            view: options
                .view
                .unwrap_or(if mlo { BreastView::Mlo } else { BreastView::Cc }),
            left: options.left.unwrap_or(left),
            style: options.style.unwrap_or(if film {
                BreastStyle::Film
            } else {
                BreastStyle::Digital
            }),
            density: if male { 0.03 } else { density },
            depth: 0.0,
            height: 0.0,
            thickness: 0.0,
            side_mm: 0.0,
        };
        woman.size(area * if male { 0.3 } else { 1.0 }, &mut chance);
        woman
    }

    fn size(&mut self, area_cm2: f64, chance: &mut Noise) {
        let big = (0.25 * chance.normal()).clamp(-0.5, 0.45).exp();
        self.depth = (area_cm2 * 100.0 / 1.75 * big).sqrt().clamp(42.0, 128.0);
        self.height = self.depth * chance.range(1.75, 2.15);
        self.thickness =
            (54.0 + 0.35 * (self.depth - 90.0) + chance.gauss(0.0, 9.0)).clamp(24.0, 88.0);
        // Screen films are cut to the breast, digital images keep the detector.
        let close = f64::max(self.height * chance.range(0.95, 1.1), self.depth * 1.25);
        self.side_mm = match self.style {
            BreastStyle::Film => close,
            BreastStyle::Digital => close.max(205.0) * chance.range(1.0, 1.12),
        };
    }
}
