//! Who is on the film: attributes first, then the sizes of the thorax given them.
//!
//! Cardiothoracic ratio, thoracic width and aortic knob follow published means by age and sex (PAMJ 27-201,
//! n = 1047); rib half-widths are starting values with 5 % jitter. Separate because everything else only reads it.

use super::{ChestOptions, ChestView};
use crate::noise::Noise;

/// Ribs 1–12 of a man: half-width and depth of the ring, mm.
const RIBS: [(f64, f64); 12] = [
    (52.0, 58.0),
    (80.0, 88.0),
    (100.0, 112.0),
    (114.0, 130.0),
    (124.0, 145.0),
    (131.0, 155.0),
    (135.0, 160.0),
    (136.0, 158.0),
    (134.0, 148.0),
    (127.0, 132.0),
    (112.0, 110.0),
    (88.0, 80.0),
];

/// Attributes and sizes, millimetres. Patient's left is +x (viewer's right), y points down from the lung apex,
/// depth from the anterior skin backward.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) age: f64,
    pub(super) sex: char,
    pub(super) view: ChestView,
    /// Inner thoracic width at its widest.
    pub(super) thorax_width: f64,
    /// Width of the heart over that of the thorax, on the film.
    pub(super) ratio: f64,
    /// Height of the lungs from apex to dome, right and left.
    pub(super) lung_height: [f64; 2],
    /// Half-width and depth of the ring of each rib.
    pub(super) ribs: [(f64, f64); 12],
    /// Fall of the rib planes, degrees, of the first and the tenth.
    pub(super) slope: [f64; 2],
    /// Depth of the trunk at the nipples.
    pub(super) depth: f64,
    /// Fat under the skin.
    pub(super) fat: f64,
    /// Muscle between ribs and fat.
    pub(super) muscle: f64,
    /// Width of the aortic knob from the trachea.
    pub(super) knob: f64,
    /// Bone mineral, 1 in a young adult.
    pub(super) mineral: f64,
    /// Thoracic curve to a side, mm at its middle.
    pub(super) scoliosis: f64,
    /// Breast half-width, half-height and thickness; `None` in men.
    pub(super) breast: Option<[f64; 3]>,
    /// Turning of the trunk, mm of shift of anterior parts against the spine.
    pub(super) turned: f64,
}

impl Person {
    /// Draws the attributes that `options` leaves open, and the sizes; `enlarged` asks for cardiomegaly.
    pub(super) fn drawn(seed: u64, options: &ChestOptions, enlarged: Option<f64>) -> Self {
        let mut chance = Noise::new(seed, 100);
        let age = chance.range(18.0, 92.0);
        let age = options
            .age_years
            .filter(|a| a.is_finite())
            .unwrap_or(age)
            .clamp(15.0, 100.0);
        let male = chance.chance(0.55);
        let sex = options.sex.unwrap_or(if male { 'M' } else { 'F' });
        let sex = if sex == 'F' || sex == 'f' { 'F' } else { 'M' };
        let bedside = chance.chance(0.6);
        let view = options.view.unwrap_or(if bedside {
            ChestView::Ap
        } else {
            ChestView::Pa
        });
        let mut person = Self::sized(&mut Noise::new(seed, 101), age, sex, view);
        if let Some(ratio) = enlarged {
            person.ratio = ratio;
        }
        person
    }

    fn sized(chance: &mut Noise, age: f64, sex: char, view: ChestView) -> Self {
        let female = sex == 'F';
        let bedside = view == ChestView::Ap;
        let size = if female { 0.92 } else { 1.0 };
        let thorax_width = (chance.normal().clamp(-2.2, 2.2))
            .mul_add(if female { 20.0 } else { 21.0 }, 297.0 * size);
        let healthy = 0.44 + 0.0007 * (age - 20.0) + if female { 0.012 } else { 0.0 };
        let limit = if bedside { 0.55 } else { 0.50 };
        let magnified = if bedside { 1.09 } else { 1.0 };
        let ratio = (magnified * (healthy + 0.03 * chance.normal())).clamp(0.36, limit - 0.01);
        let breath = if bedside {
            chance.range(0.76, 0.93)
        } else {
            chance.range(0.92, 1.06)
        };
        let right = breath * (if female { 212.0 } else { 234.0 }) * (1.0 + 0.04 * chance.normal());
        let left = right + chance.range(6.0, 20.0);
        let wide = (thorax_width / 2.0 + 5.0) / 136.0;
        let deep = size * chance.range(0.92, 1.1) * (1.0 + 0.0015 * (age - 40.0));
        let ribs = RIBS.map(|(w, d)| (w * wide, d * deep));
        let fat = chance.range(6.0, 26.0) * if female { 1.15 } else { 1.0 };
        let muscle = chance.range(12.0, 20.0) * size;
        let breast = (female && !chance.chance(0.02)).then(|| {
            [
                chance.range(56.0, 78.0),
                chance.range(48.0, 70.0),
                chance.range(18.0, 58.0),
            ]
        });
        let flat = 0.08 * (age - 40.0) + if bedside { 5.0 } else { 0.0 };
        Self {
            age,
            sex,
            view,
            thorax_width,
            ratio,
            lung_height: [right, left],
            ribs,
            slope: [
                32.0 - flat * 0.5 + 2.0 * chance.normal(),
                44.0 - flat + 3.0 * chance.normal(),
            ],
            depth: ribs[6].1 + 2.0 * (fat + 14.0) + 22.0,
            fat,
            muscle,
            knob: (0.199 * age + 19.5) * size + 3.0 * chance.normal(),
            mineral: (1.08 - 0.005 * (age - 30.0).max(0.0) * if female { 1.3 } else { 0.8 })
                .clamp(0.55, 1.1)
                * chance.range(0.92, 1.08),
            scoliosis: 5.0 * chance.normal(),
            breast,
            turned: if bedside { 7.0 } else { 3.0 } * chance.normal(),
        }
    }

    /// Height of the middle of thoracic vertebra `i` (0 = T1).
    pub(super) fn vertebra_y(&self, i: f64) -> f64 {
        let size = if self.sex == 'F' { 0.93 } else { 1.0 };
        size * (-14.0 + 19.5 * i + 0.27 * i * i)
    }

    /// Shift of the spine to a side at a height.
    pub(super) fn spine_x(&self, y: f64) -> f64 {
        self.scoliosis * (-((y - 130.0) / 90.0).powi(2)).exp() - 0.3 * self.turned
    }

    /// Fall of the plane of rib `i`, degrees.
    pub(super) fn rib_slope(&self, i: usize) -> f64 {
        let t = (i as f64 / 9.0).min(1.0);
        (self.slope[0] + (self.slope[1] - self.slope[0]) * t).clamp(14.0, 55.0)
    }

    /// Depth of the foremost and the rearmost inside of the chest.
    pub(super) fn cavity_middle(&self) -> f64 {
        self.fat + 12.0 + self.ribs[6].1 / 2.0
    }

    /// Width of the inside of the chest where the lungs are widest, as seen on the film.
    pub(super) fn inner_width(&self) -> f64 {
        let lowest = self.lung_height[0].min(self.lung_height[1]) + 12.0;
        (0..20)
            .map(|k| 2.0 * self.cavity(lowest * f64::from(k) / 19.0).0)
            .fold(0.0, f64::max)
    }

    /// Half-width and depth of the inside of the chest at a height.
    pub(super) fn cavity(&self, y: f64) -> (f64, f64) {
        let lateral = |i: usize| {
            self.vertebra_y(i as f64) + self.rib_slope(i).to_radians().tan() * self.ribs[i].1 * 0.36
        };
        let inside = |i: usize| (self.ribs[i].0 - 5.0, self.ribs[i].1 - 4.0);
        let first = lateral(0);
        if y <= first {
            let t = ((y + 25.0) / (first + 25.0)).clamp(0.15, 1.0);
            let (w, d) = inside(0);
            return (w * (0.72 + 0.28 * t), d * t.sqrt());
        }
        for i in 0..9 {
            let (a, b) = (lateral(i), lateral(i + 1));
            if y <= b {
                let t = (y - a) / (b - a);
                let ((w0, d0), (w1, d1)) = (inside(i), inside(i + 1));
                return (w0 + (w1 - w0) * t, d0 + (d1 - d0) * t);
            }
        }
        let (w, d) = inside(9);
        (w, d)
    }
}
