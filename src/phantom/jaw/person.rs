//! Who bites: age and sex first, then the sizes of the jaws given them.
//!
//! Men's jaws are about 4 % larger with a more acute angle; the lower cortex thins in women after sixty, the alveolar
//! crest sinks and pulps narrow with age. Separate because everything else only reads it.

use super::{JawOptions, stream};
use crate::phantom::FindingRequest;

/// Vertical magnification of the film.
pub(super) const TALL: f64 = 1.27;

/// Attributes and sizes; lengths in mm on the film unless said otherwise.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) age: f64,
    pub(super) sex: char,
    /// Scale of the jaws.
    pub(super) size: f64,
    /// Change of the angle of the mandible, degrees; more is steeper.
    pub(super) angle: f64,
    /// Thickness of the lower cortex.
    pub(super) cortex: f64,
    /// Crest of the bone below the enamel's edge.
    pub(super) crest: f64,
    /// Bone left in a jaw without teeth, as a share; upper, lower; 1 with teeth.
    pub(super) height: [f64; 2],
    /// Share of a young adult's pulp.
    pub(super) pulp: f64,
    pub(super) bone_loss: bool,
    /// Neither tooth in the upper, lower jaw.
    pub(super) toothless: [bool; 2],
    /// How strongly the line of the bite curves upward at the sides, mm at the molars.
    pub(super) smile: f64,
    /// Left–right differences of the rami.
    pub(super) sides: [f64; 2],
    /// Tilt, degrees, and shift of the head on the film, mm.
    pub(super) tilt: f64,
    pub(super) shift: (f64, f64),
}

/// The age asked for, or drawn.
pub(super) fn age(seed: u64, options: &JawOptions) -> f64 {
    let drawn = stream(seed, 3).range(17.0, 84.0);
    options
        .age_years
        .filter(|a| a.is_finite())
        .unwrap_or(drawn)
        .clamp(16.0, 95.0)
}

impl Person {
    pub(super) fn drawn(seed: u64, options: &JawOptions, asked: &[FindingRequest]) -> Self {
        let mut chance = stream(seed, 0);
        let age = age(seed, options);
        let male = chance.chance(0.5);
        let male = options.sex.map_or(male, |s| matches!(s, 'M' | 'm'));
        let has = |name: &str| asked.iter().any(|f| f.name == name);
        let bone_loss = has("bone_loss");
        let all = chance.chance(0.5);
        let upper_only = chance.chance(0.5);
        let toothless = if has("edentulous") {
            [all || upper_only, all || !upper_only]
        } else {
            [false, false]
        };
        let thin = if male {
            0.0
        } else {
            ((age - 55.0) / 25.0).clamp(0.0, 1.0)
        };
        let loss = 1.3 + 0.07 * (age - 35.0).max(0.0) + chance.range(0.0, 0.6);
        let extra = chance.range(3.5, 7.0);
        let resorbed = |chance: &mut crate::noise::Noise, gone: bool| {
            let share = chance.range(0.45, 0.75);
            if gone { share } else { 1.0 }
        };
        let height = [
            resorbed(&mut chance, toothless[0]),
            resorbed(&mut chance, toothless[1]),
        ];
        Self {
            age,
            sex: if male { 'M' } else { 'F' },
            size: if male { 1.02 } else { 0.98 } * chance.gauss(1.0, 0.025).clamp(0.93, 1.07),
            angle: chance.gauss(0.0, 5.0).clamp(-10.0, 10.0)
                + if male { -1.3 } else { 1.3 }
                + if toothless[1] { 5.0 } else { 0.0 },
            cortex: (chance.range(3.6, 5.2) - 1.9 * thin) * TALL,
            crest: TALL
                * if bone_loss {
                    loss.min(3.0) + extra
                } else {
                    loss.min(4.2)
                },
            height,
            pulp: (1.35 - 0.013 * age).clamp(0.35, 1.1) * chance.range(0.85, 1.15),
            bone_loss,
            toothless,
            smile: chance.range(-1.0, 8.0),
            sides: [chance.gauss(1.0, 0.03), chance.gauss(1.0, 0.03)],
            tilt: chance.gauss(0.0, 1.1).clamp(-3.0, 3.0),
            shift: (chance.gauss(0.0, 2.5), chance.gauss(0.0, 3.0)),
        }
    }

    /// Height of the bite at a distance from the midline.
    pub(super) fn bite(&self, x: f64) -> f64 {
        62.5 - self.smile * (x / 60.0).powi(2)
    }

    /// A point of the lower jaw given for a face of middle size: `x` grows with the size and the side.
    pub(super) fn jaw(&self, side: f64, x: f64, y: f64) -> (f64, f64) {
        let own = self.sides[usize::from(side > 0.0)];
        let wide = 1.0 + (self.size - 1.0) * 1.3 + (own - 1.0) * (x / 60.0).min(1.0);
        // A steeper angle lifts the corner and lowers the chin.
        let back = (x / 100.0).powi(2);
        let low = ((y - 60.0) / 50.0).clamp(0.0, 1.0);
        let lift = -0.75 * self.angle * (back - 0.25) * low;
        (side * x * wide, 60.0 + (y - 60.0) * self.size + lift)
    }
}
