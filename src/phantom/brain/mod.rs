//! The brain: axial slices as T1-weighted MR and as CT, both from one map of labels.
//!
//! No projection here: anatomy is a map of tissues on a fine grid, contrast a table over it, so that the MR and the CT
//! of one seed and one set of options show the same head, pixel by pixel. Attributes (age, sex, findings) first, then
//! anatomy and pose, then what each scanner adds, from streams of its own. The patient's left is on the viewer's right.

mod head;
mod labels;
mod lesions;
mod scanner;
mod truth;

use crate::grid::Grid;
use crate::noise::Noise;
use crate::phantom::{FindingRequest, Phantom};
use head::Head;

/// What a person asks for in a slice. Sizes are diameters, mm (tumor, stroke, hemorrhage); atrophy and hydrocephalus
/// have none.
pub const FINDINGS: [&str; 6] = [
    "tumor",
    "stroke",
    "hemorrhage",
    "sclerosis",
    "atrophy",
    "hydrocephalus",
];

/// What the scanner sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contrast {
    /// T1-weighted magnetic resonance.
    #[default]
    Mr,
    /// X-ray attenuation, brain window.
    Ct,
}

/// What to draw; everything that is `None` is drawn by chance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BrainOptions {
    /// Side of the square image, pixels; 32 to 2048; 256 when 0.
    pub size_px: usize,
    /// What the scanner sees.
    pub contrast: Contrast,
    /// Age in years, 18–95.
    pub age_years: Option<f64>,
    /// `M` or `F`.
    pub sex: Option<char>,
    /// Height of the slice: 0 at the basal ganglia, .5 at the bodies of the ventricles, 1 above them.
    pub level: Option<f64>,
    /// Findings (see [`FINDINGS`]); an empty list is a healthy brain of its age.
    pub findings: Option<Vec<FindingRequest>>,
}

/// Finer than the image by this factor, where labels are drawn.
const FINER: usize = 2;

/// Everything before the scanner.
struct Scene {
    head: Head,
    /// Millimetres a pixel of the fine grid.
    pitch: f64,
    labels: Grid<u8>,
    lesions: lesions::Lesions,
}

fn scene(seed: u64, options: &BrainOptions) -> Scene {
    let size = if options.size_px == 0 {
        256
    } else {
        options.size_px.clamp(32, 2048)
    };
    let asked = lesions::requests(seed, options);
    let head = Head::drawn(seed, options, &asked);
    let fine = size * FINER;
    let pitch = head.field_mm / fine as f64;
    let mut lesions = lesions::placed(seed, &asked, &head);
    let labels = labels::drawn(seed, &head, &mut lesions, fine, pitch);
    Scene {
        head,
        pitch,
        labels,
        lesions,
    }
}

/// One slice: a pure function of seed and options; the same seed and options with the other contrast give the
/// registered partner.
pub fn draw(seed: u64, options: &BrainOptions) -> Phantom {
    let scene = scene(seed, options);
    let image = scanner::image(seed, &scene, options.contrast);
    truth::told(seed, &scene, options.contrast, image)
}

/// The seed of a head that is nobody's partner: of the CT that belongs to no MR of a seed below 2⁶³.
///
/// The same seed is one head in MR and in CT. Where heads shall be independent, the CT is drawn of this one: one to
/// one, and apart from every seed that counts up from a small number. `seed` is that of the MR.
pub const fn independent_seed(seed: u64) -> u64 {
    seed ^ (1 << 63)
}

/// The MR and the CT of one head.
pub fn pair(seed: u64, options: &BrainOptions) -> [Phantom; 2] {
    let scene = scene(seed, options);
    [Contrast::Mr, Contrast::Ct].map(|contrast| {
        let image = scanner::image(seed, &scene, contrast);
        truth::told(seed, &scene, contrast, image)
    })
}

/// A stream of chance of its own for each part.
fn stream(seed: u64, part: u64) -> Noise {
    Noise::new(seed, 400 + part)
}
