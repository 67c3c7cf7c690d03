//! The breast: a mammogram in either view, with masses, calcifications and a drawn density.
//!
//! Attributes (age, sex, density) first, then the breast, its tissue and findings, then nuisance, each from its own
//! stream of chance. The film is square; the chest wall lies at its left or right edge.

mod lesions;
mod outline;
mod printing;
mod tissue;
mod truth;
mod woman;

use crate::geometry::Point;
use crate::grid::Grid;
use crate::noise::Noise;
use crate::phantom::xray::{Paths, Technique, Vec3, View};
use crate::phantom::{FindingRequest, Phantom};
use woman::Woman;

/// What a person asks for in a mammogram. Sizes are the diameter of a mass or the extent of a cluster, mm.
pub const FINDINGS: [&str; 4] = ["mass", "spiculated", "calcifications", "dense"];

/// Direction of the beam.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreastView {
    /// Mediolateral oblique: pectoral muscle at the upper chest wall.
    Mlo,
    /// Craniocaudal.
    Cc,
}

/// How the film was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreastStyle {
    /// A digitised screen film: Mo/Mo, its tone curve, fading skin.
    Film,
    /// A digital detector: W/Rh, multi-scale boost, skin line kept.
    Digital,
}

/// What to draw; everything that is `None` is drawn by chance.
#[derive(Clone, Debug, PartialEq)]
pub struct BreastOptions {
    /// Side of the square film, pixels; 32 to 2048.
    pub size_px: usize,
    /// Direction of the beam.
    pub view: Option<BreastView>,
    /// Whether the patient's left breast.
    pub left: Option<bool>,
    /// Age in years, 25–95.
    pub age_years: Option<f64>,
    /// `F` or `M`.
    pub sex: Option<char>,
    /// Area that looks dense, as a share of the breast, 0–1.
    pub density: Option<f64>,
    /// Findings (see [`FINDINGS`]; `dense` only sets the density where that is open); empty is a healthy breast.
    pub findings: Option<Vec<FindingRequest>>,
    /// How the film was made.
    pub style: Option<BreastStyle>,
}

impl Default for BreastOptions {
    fn default() -> Self {
        Self {
            size_px: 256,
            view: None,
            left: None,
            age_years: None,
            sex: None,
            density: None,
            findings: None,
            style: None,
        }
    }
}

/// Millimetres from the chest wall (u) and down the film (v) to the pixels of the fine film.
#[derive(Clone, Copy, Debug)]
struct Frame {
    view: View,
    /// Side of the film, mm.
    side_mm: f64,
    /// The chest wall is at the right edge.
    mirrored: bool,
}

impl Frame {
    /// Finer than the film by this factor.
    const FINER: usize = 2;

    fn new(woman: &Woman, size_px: usize) -> Self {
        let view = View {
            width: size_px,
            height: size_px,
            mm_per_px: woman.side_mm / size_px as f64,
            center_px: Point::new(-0.5, -0.5),
            focus_mm: Point::new(
                if woman.left { 0.0 } else { woman.side_mm },
                0.5 * woman.side_mm,
            ),
            source_mm: 650.0,
        }
        .finer(Self::FINER);
        Self {
            view,
            side_mm: woman.side_mm,
            mirrored: !woman.left,
        }
    }

    /// A place in the middle plane of the breast in the world of the core; lies on the detector there, so that film
    /// and world share one scale.
    fn place(&self, u: f64, v: f64) -> Vec3 {
        let x = if self.mirrored { self.side_mm - u } else { u };
        Vec3::new(x, v, 0.0)
    }

    fn pixel(&self, u: f64, v: f64) -> Point {
        self.view.project(self.place(u, v)).point
    }

    /// `(u, v)` under a pixel.
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let (x, v) = (
            (x + 0.5) * self.view.mm_per_px,
            (y + 0.5) * self.view.mm_per_px,
        );
        let u = if self.mirrored { self.side_mm - x } else { x };
        (u, v)
    }

    fn px_per_mm(&self) -> f64 {
        1.0 / self.view.mm_per_px
    }
}

/// Everything before the beam is switched on.
struct Scene {
    woman: Woman,
    frame: Frame,
    shape: outline::Shape,
    /// Share of gland in the thickness, 0–1, on the fine film.
    gland: Grid<f32>,
    /// Share of the breast, muscle aside, that looks dense.
    dense: f64,
    lesions: lesions::Lesions,
    paths: Paths,
}

fn scene(seed: u64, options: &BreastOptions) -> Scene {
    let asked = lesions::requests(seed, options);
    let woman = Woman::drawn(seed, options, &asked);
    let frame = Frame::new(&woman, options.size_px.clamp(32, 2048));
    let shape = outline::built(seed, &woman, &frame);
    let tissue = tissue::grown(seed, &woman, &frame, &shape);
    let lesions = lesions::placed(seed, &asked, &woman, &frame, &shape, &tissue.gland);
    let mut paths = Paths::new(frame.view.width, frame.view.height);
    tissue::lay(&tissue, &shape, &lesions, &mut paths);
    Scene {
        woman,
        frame,
        shape,
        dense: tissue.dense,
        gland: tissue.gland,
        lesions,
        paths,
    }
}

/// One mammogram: a pure function of seed and options.
pub fn draw(seed: u64, options: &BreastOptions) -> Phantom {
    let scene = scene(seed, options);
    let p = scene.paths.attenuation(&technique(&scene.woman).two_bins());
    let image = printing::film(seed, &scene, &p);
    truth::told(seed, &scene, image)
}

/// Attenuation of the primary beam at twice the film's sampling, before scatter, noise and processing: what a
/// counterfactual pair is compared on.
pub fn primary(seed: u64, options: &BreastOptions) -> Grid<f32> {
    let scene = scene(seed, options);
    scene.paths.attenuation(&technique(&scene.woman).two_bins())
}

fn technique(woman: &Woman) -> Technique {
    match woman.style {
        BreastStyle::Film => Technique::MoMo28,
        BreastStyle::Digital => Technique::WRh28,
    }
}

/// A stream of chance of its own for each part.
fn stream(seed: u64, part: u64) -> Noise {
    Noise::new(seed, 300 + part)
}
