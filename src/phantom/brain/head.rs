//! Who lies in the scanner, and the sizes of head, ventricles and furrows.
//!
//! Evans index, width of the third ventricle and of the sulci grow with age as published (index .25 ± .03 in adults,
//! .28 at 71 years); men's heads are about 4 % larger. Separate because everything else only reads it.

use super::{BrainOptions, stream};
use crate::geometry::Point;
use crate::phantom::FindingRequest;

/// Attributes and sizes, mm, of one slice. Frame of the head: x to the viewer's right, y backward, origin amid.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) age: f64,
    pub(super) sex: char,
    /// 0 at the basal ganglia, 1 above the ventricles.
    pub(super) level: f64,
    /// Half-width and half-length of the outer surface.
    pub(super) half: (f64, f64),
    /// How much narrower the forehead is.
    pub(super) taper: f64,
    /// Flattening of one side of the back.
    pub(super) skew: f64,
    /// Thickness of scalp and skull.
    pub(super) scalp: f64,
    pub(super) skull: f64,
    /// Fluid between skull and brain.
    pub(super) rim: f64,
    /// Widest frontal horns over widest inside of the skull.
    pub(super) evans: f64,
    /// Width of the third ventricle.
    pub(super) third: f64,
    /// Width of a sulcus at its mouth and how deep it goes.
    pub(super) sulcus: f64,
    pub(super) sulcus_depth: f64,
    /// From one sulcus to the next along the surface.
    pub(super) period: f64,
    /// Share of white matter with small-vessel disease, 0–1.
    pub(super) patches: f64,
    pub(super) atrophy: bool,
    pub(super) hydrocephalus: bool,
    /// Side of the image.
    pub(super) field_mm: f64,
    /// Rotation in the image, degrees, and place of the middle, mm from that of the image.
    pub(super) turn: f64,
    pub(super) shift: (f64, f64),
}

impl Head {
    pub(super) fn drawn(seed: u64, options: &BrainOptions, asked: &[FindingRequest]) -> Self {
        let mut chance = stream(seed, 0);
        let age = options
            .age_years
            .filter(|a| a.is_finite())
            .unwrap_or(chance.range(20.0, 90.0))
            .clamp(18.0, 95.0);
        let male = chance.chance(0.5);
        let male = options.sex.map_or(male, |s| matches!(s, 'M' | 'm'));
        let level = chance.uniform();
        let level = options
            .level
            .filter(|l| l.is_finite())
            .unwrap_or(level)
            .clamp(0.0, 1.0);
        let has = |name: &str| asked.iter().any(|f| f.name == name);
        let (atrophy, hydrocephalus) = (has("atrophy"), has("hydrocephalus"));
        let size = if male { 1.02 } else { 0.98 } * chance.gauss(1.0, 0.025).clamp(0.93, 1.07);
        let cap = 1.0 - 0.13 * level * level;
        let healthy = 0.24 + 0.0006 * (age - 30.0).max(0.0) + 0.0012 * (age - 65.0).max(0.0);
        let healthy = (healthy + 0.018 * chance.normal()).clamp(0.20, 0.315);
        let wide = chance.uniform();
        let evans = if hydrocephalus {
            0.36 + 0.10 * wide
        } else if atrophy {
            healthy + 0.03 + 0.03 * wide
        } else {
            healthy
        };
        let old = ((age - 30.0) / 60.0).clamp(0.0, 1.0);
        let thin = if atrophy { 1.9 } else { 1.0 } * if hydrocephalus { 0.45 } else { 1.0 };
        Self {
            age,
            sex: if male { 'M' } else { 'F' },
            level,
            half: (
                77.0 * size * cap * chance.gauss(1.0, 0.02),
                96.0 * size * cap * chance.gauss(1.0, 0.02),
            ),
            taper: chance.range(0.05, 0.14),
            skew: chance.gauss(0.0, 0.012),
            scalp: chance.range(4.5, 8.5),
            skull: chance.range(4.6, 7.2),
            rim: (chance.range(0.8, 1.6) + 1.6 * old) * thin,
            evans,
            third: (chance.range(2.5, 4.0) + 3.5 * old) * if hydrocephalus { 2.2 } else { 1.0 },
            sulcus: (chance.range(0.6, 1.1) + 1.1 * old) * thin,
            sulcus_depth: chance.range(15.0, 22.0),
            period: chance.range(11.5, 14.5),
            patches: ((age - 50.0) / 60.0).clamp(0.0, 1.0) * chance.range(0.0, 1.0).powi(2),
            atrophy,
            hydrocephalus,
            field_mm: 192.0 * size * chance.range(1.16, 1.42),
            turn: chance.gauss(0.0, 3.0).clamp(-9.0, 9.0),
            shift: (chance.gauss(0.0, 3.0), chance.gauss(0.0, 4.0)),
        }
    }

    /// Distance from the middle to the outer surface in the direction of a place.
    pub(super) fn reach(&self, x: f64, y: f64) -> f64 {
        let r = x.hypot(y);
        let (c, s) = if r > 1e-6 { (x / r, y / r) } else { (1.0, 0.0) };
        let wide = self.half.0
            * (1.0 + self.taper * s - 0.06 * s * s)
            * (1.0 + self.skew * c * s.max(0.0) * 4.0);
        let long = self.half.1;
        // A little squarer than an ellipse.
        let n = 2.25;
        1.0 / ((c / wide).abs().powf(n) + (s / long).abs().powf(n)).powf(1.0 / n)
    }

    /// Thickness of the bone in a direction: more at the midline, in front and behind.
    pub(super) fn bone(&self, x: f64, y: f64) -> f64 {
        let r = x.hypot(y).max(1e-6);
        let s = (y / r).abs();
        let low = 1.0 - self.level;
        let crest =
            (-(x / 7.0) * (x / 7.0)).exp() * (1.0 + 3.0 * low * f64::from(u8::from(y > 0.0)));
        self.skull * (0.82 + 0.4 * s * s) + 1.6 * crest * s
    }

    /// From the head's frame to millimetres from the image's upper left corner.
    pub(super) fn image_mm(&self, x: f64, y: f64) -> Point {
        let (s, c) = self.turn.to_radians().sin_cos();
        Point::new(
            0.5 * self.field_mm + self.shift.0 + c * x - s * y,
            0.5 * self.field_mm + self.shift.1 + s * x + c * y,
        )
    }

    /// The other way.
    pub(super) fn head_mm(&self, at: Point) -> (f64, f64) {
        let (s, c) = self.turn.to_radians().sin_cos();
        let (x, y) = (
            at.x - 0.5 * self.field_mm - self.shift.0,
            at.y - 0.5 * self.field_mm - self.shift.1,
        );
        (c * x + s * y, c * y - s * x)
    }

    /// Half of the widest inside of the skull.
    pub(super) fn inner_half(&self) -> f64 {
        let mut widest = 0.0_f64;
        for k in -20..=20 {
            let y = f64::from(k) * 2.0;
            let (mut low, mut high) = (0.0, 2.0 * self.half.0);
            for _ in 0..24 {
                let x = 0.5 * (low + high);
                let inside = x.hypot(y) < self.reach(x, y) - self.scalp - self.bone(x, y);
                if inside {
                    low = x;
                } else {
                    high = x;
                }
            }
            widest = widest.max(low);
        }
        widest
    }
}
