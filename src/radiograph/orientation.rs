//! Which way an image lies in the patient, in the letters of DICOM (PS3.3 C.7.6.1.1.1 and C.7.6.2.1.1).
//!
//! Separate because animals have letters of their own, and what is not known must stay without a letter.

use serde::{Deserialize, Serialize};

/// Directions this far along an axis of the patient are told by its letter: the sine of 15°.
const TOLD: f64 = 0.2588;

/// What lies toward each edge of an image as it is stored; empty where it is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orientation {
    /// Toward the last column.
    pub right: String,
    /// Toward the first column.
    pub left: String,
    /// Toward the last row.
    pub down: String,
    /// Toward the first row.
    pub up: String,
}

/// Axes of the patient, increasing and decreasing: people, then animals on four legs.
const AXES: [[[&str; 2]; 3]; 2] = [
    [["L", "R"], ["P", "A"], ["H", "F"]],
    [["Le", "Rt"], ["D", "V"], ["Cr", "Cd"]],
];

/// What stands for each direction of people and what is opposite.
const PEOPLE: &[[&str; 2]] = &[
    ["L", "R"],
    ["R", "L"],
    ["P", "A"],
    ["A", "P"],
    ["H", "F"],
    ["F", "H"],
];

/// The same of animals; the back of a paw may lie opposite two things, and is decided elsewhere.
const ANIMALS: &[[&str; 2]] = &[
    ["Le", "Rt"],
    ["Rt", "Le"],
    ["Cr", "Cd"],
    ["Cd", "Cr"],
    ["Pr", "Di"],
    ["Di", "Pr"],
    ["Pa", "D"],
    ["Pl", "D"],
    ["D", "V"],
    ["V", "D"],
    ["R", "Cd"],
    ["M", "L"],
    ["L", "M"],
];

impl Orientation {
    /// From Image Orientation (Patient) (0020,0037): unit vectors of rows and columns, +x to the patient's left, +y to
    /// the back, +z to the head; `None` where they are of no use.
    pub fn of_directions(directions: [f64; 6], quadruped: bool) -> Option<Self> {
        let [row, column] = [0, 3].map(|at| [0, 1, 2].map(|n| directions[at + n]));
        let made = Self {
            right: letters(row, quadruped),
            left: letters(row.map(|v| -v), quadruped),
            down: letters(column, quadruped),
            up: letters(column.map(|v| -v), quadruped),
        };
        (!made.is_empty()).then_some(made)
    }

    /// From the two values of Patient Orientation (0020,0020); `None` where neither can be read.
    pub fn of_codes(row: &str, column: &str, quadruped: bool) -> Option<Self> {
        let [along, down] = [row, column].map(|code| parts(code, quadruped).unwrap_or_default());
        // Where paws are shown, the back of one lies opposite its palm or its sole.
        let limb = |part: &&str| matches!(*part, "Pr" | "Di" | "Pa" | "Pl");
        let limb = along.iter().chain(&down).any(limb);
        let against = |parts: &[&str]| opposite(parts, quadruped, limb).unwrap_or_default();
        let made = Self {
            left: against(&along),
            up: against(&down),
            right: along.concat(),
            down: down.concat(),
        };
        (!made.is_empty()).then_some(made)
    }

    /// What lies in the direction `(x, y)` of the image, by the nearer of its axes; empty where it is not known.
    pub fn toward(&self, x: f64, y: f64) -> &str {
        if x.abs() >= y.abs() {
            if x >= 0.0 { &self.right } else { &self.left }
        } else if y >= 0.0 {
            &self.down
        } else {
            &self.up
        }
    }

    fn is_empty(&self) -> bool {
        let all = [&self.right, &self.left, &self.down, &self.up];
        all.iter().all(|letters| letters.is_empty())
    }
}

/// The letters of a direction, the strongest first, two at most; empty where it is none.
fn letters(direction: [f64; 3], quadruped: bool) -> String {
    let length = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
    if !(length.is_finite() && length > 0.5) {
        return String::new();
    }
    let axes = AXES[usize::from(quadruped)];
    let mut strong: Vec<(f64, &str)> = direction
        .iter()
        .zip(axes)
        .map(|(v, names)| (v.abs() / length, names[usize::from(*v < 0.0)]))
        .filter(|(share, _)| *share > TOLD)
        .collect();
    strong.sort_by(|a, b| b.0.total_cmp(&a.0));
    strong.into_iter().take(2).map(|(_, name)| name).collect()
}

/// The letters of one value, `CRD` as `Cr` and `D`; `None` where it holds anything else.
fn parts(code: &str, quadruped: bool) -> Option<Vec<&'static str>> {
    let known = if quadruped { ANIMALS } else { PEOPLE };
    let mut rest = code.trim();
    let mut found = Vec::new();
    while !rest.is_empty() {
        // Two letters before one: `LE` is left, and not lateral.
        let next = [2, 1].into_iter().find_map(|length| {
            let head = rest.get(..length)?;
            known.iter().find(|pair| pair[0].eq_ignore_ascii_case(head))
        })?;
        rest = &rest[next[0].len()..];
        found.push(next[0]);
    }
    (!found.is_empty() && found.len() <= 3).then_some(found)
}

/// The other end of a direction; `None` where one of its letters has no known opposite.
fn opposite(parts: &[&str], quadruped: bool, limb: bool) -> Option<String> {
    let known = if quadruped { ANIMALS } else { PEOPLE };
    parts
        .iter()
        .map(|part| match *part {
            "D" if quadruped && limb => None,
            part => known.iter().find(|pair| pair[0] == part).map(|p| p[1]),
        })
        .collect()
}
