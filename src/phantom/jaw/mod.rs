//! The jaws: a panoramic radiograph with every tooth, the mandibular canals and findings.
//!
//! The anatomy is drawn unrolled, as the moving slit shows it: millimetres across the film from the midline and down.
//! What lies outside the layer in focus (spine, palate, the opposite jaw) is added blurred. Attributes (age, sex) come
//! first, then bones and teeth given them, then findings, then nuisance. The patient's left is on the viewer's right.
//! The film is twice as wide as high.

mod bones;
mod canal;
mod person;
mod printing;
mod surround;
mod teeth;
mod tooth;
mod truth;

use crate::geometry::Point;
use crate::grid::Grid;
use crate::noise::Noise;
use crate::phantom::xray::{Paths, PowerLaw, Technique, Texture, Vec3, View, power_law};
use crate::phantom::{FindingRequest, Phantom};
use person::Person;

/// What a person asks for in a panoramic film. A size is that of an apical lesion, mm; the others have none.
pub const FINDINGS: [&str; 7] = [
    "caries",
    "filling",
    "apical_lesion",
    "impacted",
    "implant",
    "edentulous",
    "bone_loss",
];

/// What to draw; everything that is `None` is drawn by chance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JawOptions {
    /// Width of the film, pixels; its height is half of that. 64 to 2048; 256 when 0.
    pub size_px: usize,
    /// Age in years, 16–95: the dentition is an adult's.
    pub age_years: Option<f64>,
    /// `M` or `F`.
    pub sex: Option<char>,
    /// Findings (see [`FINDINGS`]); an empty list is a sound dentition.
    pub findings: Option<Vec<FindingRequest>>,
}

/// Width and height of the film, mm.
const FILM_MM: (f64, f64) = (280.0, 140.0);
/// Finer than the film by this factor, where solids are drawn.
const FINER: usize = 2;

/// Millimetres on the film to pixels of the fine film.
#[derive(Clone, Copy, Debug)]
struct Frame {
    view: View,
}

impl Frame {
    fn new(width_px: usize, person: &Person) -> Self {
        let mm_per_px = FILM_MM.0 / width_px as f64;
        let view = View {
            width: width_px,
            height: width_px / 2,
            mm_per_px,
            center_px: Point::new(
                0.5 * width_px as f64 - 0.5 + person.shift.0 / mm_per_px,
                person.shift.1 / mm_per_px - 0.5,
            ),
            focus_mm: Point::new(0.0, 0.0),
            source_mm: 500.0,
        }
        .finer(FINER);
        Self { view }
    }

    /// A place on the film, from the midline and down, tilted with the head.
    fn place(person: &Person, x: f64, y: f64) -> Vec3 {
        let (s, c) = person.tilt.to_radians().sin_cos();
        let (px, py) = (x, y - 60.0);
        Vec3::new(c * px - s * py, 60.0 + s * px + c * py, 0.0)
    }

    fn pixel(&self, person: &Person, x: f64, y: f64) -> Point {
        self.view.project(Self::place(person, x, y)).point
    }

    fn px_per_mm(&self) -> f64 {
        1.0 / self.view.mm_per_px
    }
}

/// Everything before the beam is switched on.
struct Scene {
    person: Person,
    frame: Frame,
    bones: bones::Bones,
    teeth: Vec<tooth::Tooth>,
    drawn: Vec<teeth::Drawn>,
    canals: [canal::Canal; 2],
    /// Name and fine mask of each finding.
    marks: Vec<(String, Grid<u8>)>,
    paths: Paths,
}

fn scene(seed: u64, options: &JawOptions) -> Scene {
    let width = if options.size_px == 0 {
        256
    } else {
        options.size_px.clamp(64, 2048)
    };
    let asked = tooth::requests(seed, options);
    let person = Person::drawn(seed, options, &asked);
    let frame = Frame::new(width, &person);
    let teeth = tooth::planned(seed, &person, &asked);
    let mut paths = Paths::new(frame.view.width, frame.view.height);
    surround::soft(seed, &person, &frame, &mut paths);
    let bones = bones::built(seed, &person, &frame, &mut paths);
    let canals =
        [-1.0, 1.0].map(|side| canal::cut(seed, &person, &frame, side, &bones, &mut paths));
    let drawn = teeth::set(&person, &frame, &teeth, &mut paths);
    let marks = teeth::marks(&frame, &drawn);
    surround::ghosts(seed, &person, &frame, &bones, &mut paths);
    Scene {
        person,
        frame,
        bones,
        teeth,
        drawn,
        canals,
        marks,
        paths,
    }
}

/// One panoramic film: a pure function of seed and options.
pub fn draw(seed: u64, options: &JawOptions) -> Phantom {
    let scene = scene(seed, options);
    let p = scene.paths.attenuation(&Technique::Panoramic70.two_bins());
    let image = printing::film(seed, &scene, &p);
    truth::told(seed, &scene, image)
}

/// Attenuation of the primary beam at twice the film's sampling, before scatter, noise and processing: what a
/// counterfactual pair is compared on.
pub fn primary(seed: u64, options: &JawOptions) -> Grid<f32> {
    let scene = scene(seed, options);
    scene.paths.attenuation(&Technique::Panoramic70.two_bins())
}

/// A field for spongy bone, mm of the film.
fn trabeculae(seed: u64) -> Texture {
    let law = PowerLaw {
        beta: 2.8,
        low: 0.03,
        high: 0.3,
        anisotropy: 1.4,
    };
    let [tile, _] = power_law(&mut stream(seed, 1), 7, law);
    Texture {
        tile,
        mm_per_texel: 0.55,
    }
}

/// A stream of chance of its own for each part.
fn stream(seed: u64, part: u64) -> Noise {
    Noise::new(seed, 500 + part)
}
