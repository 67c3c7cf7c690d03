//! Which teeth there are, where they stand and what has befallen them.
//!
//! Crown, root and width in mm are textbook means with 7 % between people; positions add up from the midline. Teeth are
//! lost with age, third molars more often. Separate from the drawing so that a plan can be tested without pixels.

use super::person::{self, Person, TALL};
use super::{JawOptions, stream};
use crate::noise::Noise;
use crate::phantom::FindingRequest;

/// Crown, root and width of the teeth 1 to 8 of the upper and the lower jaw, mm.
const SIZES: [[(f64, f64, f64); 8]; 2] = [
    [
        (10.5, 13.0, 8.5),
        (9.0, 13.0, 6.5),
        (10.0, 17.0, 7.5),
        (8.5, 14.0, 7.0),
        (8.5, 14.0, 7.0),
        (7.5, 12.5, 10.0),
        (7.0, 11.5, 9.0),
        (6.5, 11.0, 8.5),
    ],
    [
        (9.0, 12.5, 5.0),
        (9.5, 14.0, 5.5),
        (11.0, 16.0, 7.0),
        (8.5, 14.0, 7.0),
        (8.0, 14.5, 7.0),
        (7.5, 14.0, 11.0),
        (7.0, 13.0, 10.5),
        (7.0, 11.0, 10.0),
    ],
];

/// What stands in a place of the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// A tooth.
    #[default]
    Standing,
    /// A tooth that lies in the bone.
    Impacted,
    /// A screw.
    Implant,
    /// Nothing.
    Missing,
}

/// What stands in a place, and what was done to it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct State {
    pub(super) place: Place,
    /// Decay on this side of the crown, −1 or 1.
    pub(super) caries: Option<f64>,
    /// Metal in the crown: its share of the width; above 1 a whole crown of metal.
    pub(super) filling: Option<f64>,
    /// The canals are filled.
    pub(super) root_filled: bool,
    /// Radius of a lesion at the apex, mm on the film.
    pub(super) apical: Option<f64>,
}

/// One place of the dentition; lengths in mm on the film.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tooth {
    /// Number of the World Dental Federation, 11 to 48.
    pub(super) number: u8,
    pub(super) upper: bool,
    /// Middle of the biting edge.
    pub(super) at: (f64, f64),
    /// Unit vector toward the apex.
    pub(super) axis: (f64, f64),
    pub(super) width: f64,
    pub(super) crown: f64,
    pub(super) root: f64,
    pub(super) state: State,
}

impl Tooth {
    /// Place in the row, 1 (front) to 8.
    pub(super) fn rank(&self) -> usize {
        usize::from(self.number % 10)
    }

    /// A point `s` across (to the viewer's right when upright) and `t` toward the apex.
    pub(super) fn point(&self, s: f64, t: f64) -> (f64, f64) {
        let across = if self.axis.1 > 0.0 {
            (self.axis.1, -self.axis.0)
        } else {
            (-self.axis.1, self.axis.0)
        };
        (
            self.at.0 + s * across.0 + t * self.axis.0,
            self.at.1 + s * across.1 + t * self.axis.1,
        )
    }
}

/// What is asked for, or drawn with the likelihood of the age.
pub(super) fn requests(seed: u64, options: &JawOptions) -> Vec<FindingRequest> {
    if let Some(asked) = &options.findings {
        return asked.clone();
    }
    let age = person::age(seed, options);
    let old = ((age - 20.0) / 60.0).clamp(0.0, 1.0);
    let mut chance = stream(seed, 10);
    let odds = [
        ("caries", 0.35),
        ("filling", 0.3 + 0.4 * old),
        ("apical_lesion", 0.22),
        ("impacted", 0.45 - 0.4 * old),
        ("implant", 0.06 + 0.25 * old),
        ("edentulous", 0.16 * old),
        ("bone_loss", 0.10 + 0.35 * old),
    ];
    odds.iter()
        .filter(|(_, share)| chance.uniform() < *share)
        .map(|(name, _)| FindingRequest {
            name: (*name).to_owned(),
            place: None,
            size_mm: None,
        })
        .collect()
}

/// All 32 places.
pub(super) fn planned(seed: u64, person: &Person, asked: &[FindingRequest]) -> Vec<Tooth> {
    let mut chance = stream(seed, 11);
    let own = 1.0 + 0.07 * chance.normal().clamp(-1.5, 1.5);
    let mut teeth = Vec::with_capacity(32);
    for quadrant in 1..=4_u8 {
        row(quadrant, own, person, &mut chance, &mut teeth);
    }
    let mut marks = stream(seed, 12);
    for request in asked {
        befall(request, &mut marks, &mut teeth);
    }
    teeth
}

/// One quadrant from the midline backward.
fn row(quadrant: u8, own: f64, person: &Person, chance: &mut Noise, teeth: &mut Vec<Tooth>) {
    let upper = quadrant < 3;
    let side = if matches!(quadrant, 2 | 3) { 1.0 } else { -1.0 };
    let jaw = usize::from(!upper);
    let old = ((person.age - 30.0) / 60.0).clamp(0.0, 1.0);
    let mut x = 0.3;
    for rank in 1..=8_u8 {
        let (crown, root, width) = SIZES[jaw][usize::from(rank) - 1];
        let scale = own * person.size;
        let width = width * scale * if upper { 0.94 } else { 0.98 };
        // Roots lean outward in front, back toward the middle behind: mesial crowns.
        let lean = match rank {
            1 => 2.0,
            2 => 4.0,
            3 => 8.0,
            4 | 5 => 6.0,
            6 => 9.0,
            _ => 15.0,
        } * if upper && rank > 5 { 0.3 } else { 1.0 }
            + chance.gauss(0.0, 3.0);
        let lean = (side * lean).to_radians();
        let middle = x + 0.5 * width;
        x += width * chance.range(0.95, 1.0);
        let gap = if upper { -0.9 } else { 0.9 };
        // Upper front teeth overlap the lower ones.
        let over = if rank <= 3 { 1.6 } else { 0.2 } * if upper { 1.0 } else { -0.4 };
        let y = person.bite(middle) + gap + over + chance.gauss(0.0, 0.4);
        let lost = match rank {
            8 => 0.3 + 0.4 * old,
            6 => 0.30 * old,
            4 | 5 | 7 => 0.22 * old,
            _ => 0.07 * old,
        };
        let gone = chance.chance(lost) || person.toothless[jaw];
        teeth.push(Tooth {
            number: quadrant * 10 + rank,
            upper,
            at: (side * middle, y),
            axis: (lean.sin(), if upper { -lean.cos() } else { lean.cos() }),
            width,
            crown: crown * scale * TALL * chance.gauss(1.0, 0.03),
            root: root * scale * TALL * chance.gauss(1.0, 0.05),
            state: State {
                place: if gone {
                    Place::Missing
                } else {
                    Place::Standing
                },
                ..State::default()
            },
        });
    }
}

/// One to four teeth that fit, drawn without repetition.
fn pick(
    teeth: &[Tooth],
    count: usize,
    chance: &mut Noise,
    fits: impl Fn(&Tooth) -> bool,
) -> Vec<usize> {
    let mut fitting: Vec<usize> = (0..teeth.len()).filter(|i| fits(&teeth[*i])).collect();
    chance.shuffle(&mut fitting);
    fitting.truncate(count);
    fitting
}

fn befall(request: &FindingRequest, chance: &mut Noise, teeth: &mut [Tooth]) {
    let sound = |t: &Tooth| t.state.place == Place::Standing;
    match request.name.as_str() {
        "caries" => {
            for i in pick(teeth, 1 + chance.index(3), chance, |t| {
                sound(t) && t.rank() >= 4 && t.rank() < 8 && t.state.filling.is_none()
            }) {
                teeth[i].state.caries = Some(if chance.chance(0.5) { 1.0 } else { -1.0 });
            }
        }
        "filling" => {
            for i in pick(teeth, 1 + chance.index(5), chance, |t| {
                sound(t) && t.rank() >= 4 && t.state.caries.is_none()
            }) {
                let whole = chance.chance(0.25);
                teeth[i].state.filling = Some(if whole { 1.5 } else { chance.range(0.25, 0.6) });
                teeth[i].state.root_filled = chance.chance(0.25);
            }
        }
        "apical_lesion" => {
            for i in pick(teeth, 1 + chance.index(2), chance, |t| {
                sound(t) && t.rank() < 8
            }) {
                let drawn = chance.range(2.6, 6.0);
                let size = request.size_mm.filter(|s| s.is_finite() && *s > 0.0);
                teeth[i].state.apical =
                    Some(size.map_or(drawn, |s| 0.5 * TALL * s).clamp(1.0, 14.0));
                teeth[i].state.root_filled |= chance.chance(0.3);
            }
        }
        "impacted" => {
            for i in pick(teeth, 1 + chance.index(2), chance, |t| {
                !t.upper && t.rank() == 8
            }) {
                impact(&mut teeth[i], chance);
            }
            if chance.chance(0.4) {
                for i in pick(teeth, 1, chance, |t| t.upper && t.rank() == 8) {
                    teeth[i].state = State {
                        place: Place::Impacted,
                        ..State::default()
                    };
                    teeth[i].at.1 -= chance.range(9.0, 14.0);
                }
            }
        }
        "implant" => {
            let count = 1 + chance.index(3);
            let mut places = pick(teeth, count, chance, |t| {
                t.state.place == Place::Missing && (3..8).contains(&t.rank())
            });
            if places.is_empty() {
                places = pick(teeth, 1, chance, |t| (4..8).contains(&t.rank()));
            }
            for i in places {
                teeth[i].state = State {
                    place: Place::Implant,
                    ..State::default()
                };
            }
        }
        _ => {}
    }
}

/// A lower third molar lies against the second, more or less on its side.
fn impact(tooth: &mut Tooth, chance: &mut Noise) {
    let side = tooth.at.0.signum();
    let angle = chance.range(35.0_f64, 95.0).to_radians();
    tooth.axis = (side * angle.sin(), angle.cos());
    tooth.at.0 -= side * 2.0;
    tooth.at.1 += chance.range(7.0, 13.0);
    tooth.state = State {
        place: Place::Impacted,
        ..State::default()
    };
}
