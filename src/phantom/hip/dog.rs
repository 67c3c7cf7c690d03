//! Who is on the table: attributes first, then the anatomy given them.
//!
//! Grades follow the FCI letters; distributions of cup depth and displacement give the published mean angle of each
//! grade. Separate from the drawing so that a grade can be tested without rendering.

use super::HipOptions;
use super::joint::Joint;
use crate::noise::Noise;
use crate::phantom::xray::Vec3;

/// FCI letter of one hip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// No sign of dysplasia.
    A,
    /// Near normal.
    B,
    /// Mild.
    C,
    /// Moderate.
    D,
    /// Severe.
    E,
}

impl Grade {
    /// All, best first.
    pub const ALL: [Self; 5] = [Self::A, Self::B, Self::C, Self::D, Self::E];

    /// Mean and standard deviation of the Norberg angle (Comhaire and Schoonjans; E is without the luxated tail).
    pub fn angle(self) -> (f64, f64) {
        match self {
            Self::A => (106.5, 3.5),
            Self::B => (103.5, 3.5),
            Self::C => (99.0, 4.5),
            Self::D => (94.5, 6.5),
            Self::E => (89.1, 6.4),
        }
    }
}

/// One hip of the dog.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Side {
    /// Its grade.
    pub grade: Grade,
    /// Whether the head has left the cup.
    pub luxated: bool,
    /// Osteoarthritis, 0 none to 3 severe.
    pub arthritis: f64,
    /// Flattening of the head, 0–.3.
    pub flattening: f64,
    /// Angle to be met, degrees; absent when the grade alone decides.
    pub target: Option<f64>,
}

/// A dog.
#[derive(Clone, Debug, PartialEq)]
pub struct Dog {
    /// Years.
    pub age: f64,
    /// Whether male.
    pub male: bool,
    /// kg.
    pub weight: f64,
    /// Radius of a normal femoral head, mm.
    pub head_radius: f64,
    /// Distance between the cups, mm.
    pub distance: f64,
    /// Left, right.
    pub sides: [Side; 2],
}

/// Draws the dog: attributes in the options stand, the rest is chance.
pub fn dog(options: &HipOptions, noise: &mut Noise) -> Dog {
    let drawn_age = if noise.chance(0.12) {
        noise.range(0.4, 1.0)
    } else {
        1.0 + 12.0 * noise.uniform().powf(1.4)
    };
    let age = options.age_years.unwrap_or(drawn_age).clamp(0.3, 18.0);
    let drawn_male = noise.chance(0.5);
    let male = options.sex.map_or(drawn_male, |s| s == 'M');
    let weight = (27.0 * noise.gauss(0.0, 0.45).exp()).clamp(4.0, 65.0);
    let head_radius = 12.0
        * (weight / 30.0).cbrt()
        * noise.gauss(1.0, 0.05).clamp(0.85, 1.15)
        * if male { 1.025 } else { 0.975 };
    let distance = head_radius * noise.gauss(9.2, 0.55).clamp(8.3, 10.8);
    let sides = sides(options, age, noise);
    Dog {
        age,
        male,
        weight,
        head_radius,
        distance,
        sides,
    }
}

fn sides(options: &HipOptions, age: f64, noise: &mut Noise) -> [Side; 2] {
    let shared = noise.uniform();
    std::array::from_fn(|index| {
        let target_option = [options.norberg_left_degrees, options.norberg_right_degrees][index];
        let grade_option = [options.grade_left, options.grade_right][index];
        // Sides share their chance two times in three: the correlation of .6–.7 of real dogs.
        let own = noise.uniform();
        let chance = if noise.chance(0.35) {
            own
        } else {
            (shared + 0.18 * (own - 0.5)).clamp(0.0, 0.999)
        };
        let low = noise.chance(0.1);
        let flat = if low {
            15.0 + 40.0 * chance
        } else {
            55.0 + 65.0 * chance
        };
        let pick = noise.uniform();
        let (grade, target) = match (target_option, grade_option) {
            (Some(angle), Some(grade)) => (grade, Some(angle)),
            (Some(angle), None) => (grade_of(angle, pick), Some(angle)),
            (None, Some(grade)) => (grade, None),
            (None, None) if options.natural => (natural_grade(chance), None),
            (None, None) => (grade_of(flat, pick), Some(flat)),
        };
        let tail = noise.chance(0.25);
        let luxated = match target {
            Some(angle) => angle < 68.0,
            None => grade == Grade::E && tail,
        };
        let rate = [0.0, 0.15, 0.6, 1.3, 2.2][grade as usize];
        let arthritis = (rate * (0.35 + 0.11 * age) * noise.range(0.5, 1.4)).clamp(0.0, 3.0);
        let arthritis = if age < 1.0 {
            0.3 * arthritis
        } else {
            arthritis
        };
        let flattening = match grade {
            Grade::A | Grade::B => noise.range(0.0, 0.02),
            Grade::C => noise.range(0.02, 0.07),
            Grade::D => noise.range(0.04, 0.13),
            Grade::E => noise.range(0.07, 0.22),
        };
        Side {
            grade,
            luxated,
            arthritis,
            flattening,
            target: target.map(|t| t.clamp(8.0, 125.0)),
        }
    })
}

/// A grade for an angle: by the likelihood of the angle in each grade.
fn grade_of(angle: f64, pick: f64) -> Grade {
    if angle < 75.0 {
        return Grade::E;
    }
    let weights: [f64; 5] = std::array::from_fn(|i| {
        let (mean, sd) = Grade::ALL[i].angle();
        // Wider than the table, so that a label is not a mere threshold; above the best mean all is A or B.
        let sd = 1.15 * sd;
        let z = (angle.min(109.0) - mean) / sd;
        (-0.5 * z * z).exp() / sd
    });
    let mut left = pick * weights.iter().sum::<f64>();
    for (grade, weight) in Grade::ALL.into_iter().zip(weights) {
        left -= weight;
        if left < 0.0 {
            return grade;
        }
    }
    Grade::E
}

/// The mix of 121 measured hips.
fn natural_grade(chance: f64) -> Grade {
    match chance {
        c if c < 0.17 => Grade::E,
        c if c < 0.27 => Grade::D,
        c if c < 0.43 => Grade::C,
        c if c < 0.66 => Grade::B,
        _ => Grade::A,
    }
}

/// A joint drawn from the table of its grade, before any target is met.
pub fn joint(dog: &Dog, index: usize, noise: &mut Noise) -> Joint {
    let side = &dog.sides[index];
    let lateral = if index == 0 { 1.0 } else { -1.0 };
    let shrink = 1.0 - [0.0, 0.005, 0.01, 0.03, 0.05][side.grade as usize];
    let head_radius = dog.head_radius * shrink * noise.gauss(1.0, 0.015);
    let cup_radius = head_radius * (1.0 + noise.range(0.04, 0.08));
    let (low, high, s_low, s_high) = match side.grade {
        Grade::A => (0.03, 0.15, 0.0, 0.04),
        Grade::B => (0.0, 0.12, 0.0, 0.10),
        Grade::C => (-0.03, 0.06, 0.03, 0.15),
        Grade::D => (-0.10, 0.04, 0.0, 0.20),
        Grade::E => (-0.20, 0.02, 0.02, 0.25),
    };
    let depth = cup_radius * noise.range(low, high);
    let mut displacement = head_radius * noise.range(s_low, s_high);
    let far = noise.range(0.8, 1.6);
    if side.luxated {
        displacement = head_radius * far;
    }
    let spread = if side.grade >= Grade::D { 4.0 } else { 2.0 };
    let azimuth = noise.gauss(-12.0, spread).clamp(-24.0, 0.0);
    let ventral = noise.range(8.0, 15.0);
    let cranial = if side.luxated {
        noise.range(0.35, 0.8)
    } else {
        noise.range(0.0, 0.5)
    };
    let escape = Vec3::new(
        lateral * noise.range(0.7, 1.0),
        -cranial,
        -noise.range(0.0, 0.25),
    )
    .unit();
    Joint {
        lateral,
        cup: Vec3::new(
            lateral * dog.distance / 2.0,
            noise.gauss(0.0, 0.008) * dog.distance,
            0.0,
        ),
        cup_radius,
        depth,
        azimuth,
        ventral,
        head_radius,
        escape,
        displacement,
    }
}
