//! The chest: a frontal radiograph from anatomy, with findings, masks, boxes and lines.
//!
//! Attributes (age, sex, view) are drawn first, then the anatomy, then findings, then nuisance; each part has its own
//! stream of chance, so that changing one finding of a seed changes that finding alone. The patient's left is on the
//! viewer's right in both views.

mod devices;
mod lesions;
mod person;
mod printing;
mod skeleton;
mod trunk;
mod truth;
mod vessels;

use crate::geometry::Point;
use crate::grid::Grid;
use crate::noise::Noise;
use crate::phantom::Phantom;
use crate::phantom::xray::{Material, Paths, PowerLaw, Technique, Texture, Vec3, View, power_law};
use person::Person;

pub use crate::phantom::FindingRequest;

/// Names that [`FindingRequest::name`] may have.
///
/// Only the side of a place counts for effusion and pneumothorax; cardiomegaly and edema have none. Sizes are diameters
/// (nodule, mass, consolidation), height (effusion), rim (pneumothorax), length (atelectasis) or heart width
/// (cardiomegaly).
pub const FINDINGS: [&str; 9] = [
    "nodule",
    "mass",
    "effusion",
    "pneumothorax",
    "consolidation",
    "cardiomegaly",
    "edema",
    "atelectasis",
    "opacities",
];

/// Direction of the beam.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChestView {
    /// Standing, tube behind, 1800 mm.
    Pa,
    /// Bedside, tube in front, about 1000 mm.
    Ap,
}

/// What to draw; everything that is `None` is drawn by chance.
#[derive(Clone, Debug, PartialEq)]
pub struct ChestOptions {
    /// Side of the square film, pixels; at least 32 and at most 2048.
    pub size_px: usize,
    /// Direction of the beam.
    pub view: Option<ChestView>,
    /// Age in years, 15–100.
    pub age_years: Option<f64>,
    /// `M` or `F`.
    pub sex: Option<char>,
    /// Findings; an empty list is a healthy chest.
    pub findings: Option<Vec<FindingRequest>>,
    /// Leads, tubes and lines.
    pub devices: Option<bool>,
}

impl Default for ChestOptions {
    fn default() -> Self {
        Self {
            size_px: 256,
            view: None,
            age_years: None,
            sex: None,
            findings: None,
            devices: None,
        }
    }
}

/// Patient millimetres (left, down, backward) to the film.
#[derive(Clone, Copy, Debug)]
struct Frame {
    view: View,
    px_per_mm: f64,
    depth: f64,
    pa: bool,
    /// Patient point on the central ray: across and down.
    aim: Point,
}

impl Frame {
    /// Finer than the film by this factor, where edges and vessels are drawn.
    const FINER: usize = 2;

    fn drawn(seed: u64, person: &Person, size_px: usize) -> Self {
        let mut chance = Noise::new(seed, 105);
        let pa = person.view == ChestView::Pa;
        let source_mm = if pa {
            1800.0
        } else {
            chance.range(950.0, 1200.0)
        };
        let covered = (person.thorax_width + 92.0) * chance.range(0.92, 1.12);
        let middle = size_px as f64 / 2.0 - 0.5;
        let view = View {
            width: size_px,
            height: size_px,
            mm_per_px: covered / size_px as f64,
            center_px: Point::new(middle, middle),
            focus_mm: Point::new(0.0, 0.0),
            source_mm,
        }
        .finer(Self::FINER);
        let mut frame = Self {
            view,
            px_per_mm: 1.0,
            depth: person.depth,
            pa,
            aim: Point::new(
                8.0 * chance.normal(),
                person.lung_height[0] * 0.56 + 12.0 * chance.normal(),
            ),
        };
        frame.px_per_mm = view
            .project(frame.place(Vec3::new(0.0, 0.0, person.cavity_middle())))
            .px_per_mm;
        frame
    }

    /// World point of the core: the side that faces the detector is the chest in PA, the back in AP.
    fn place(&self, p: Vec3) -> Vec3 {
        let z = if self.pa { p.z } else { self.depth - p.z };
        Vec3::new(p.x - self.aim.x, p.y - self.aim.y, z + 25.0)
    }

    /// Pixel of a point in the plane through the middle of the chest.
    fn middle(&self, x: f64, y: f64) -> Point {
        (Point::new(x, y) - self.aim) * self.px_per_mm + self.view.center_px
    }

    /// Patient point in the middle plane under a pixel.
    fn middle_mm(&self, x: f64, y: f64) -> Point {
        (Point::new(x, y) - self.view.center_px) * (1.0 / self.px_per_mm) + self.aim
    }
}

/// Everything before the beam is switched on.
struct Scene {
    person: Person,
    frame: Frame,
    paths: Paths,
    trunk: trunk::Trunk,
    skeleton: skeleton::Skeleton,
    airway: Vec<Point>,
    lesions: lesions::Lesions,
}

fn clean(options: &ChestOptions) -> ChestOptions {
    ChestOptions {
        size_px: options.size_px.clamp(32, 2048),
        ..options.clone()
    }
}

fn scene(seed: u64, options: &ChestOptions) -> Scene {
    let asked = lesions::requests(seed, options);
    let enlarged = lesions::enlarged_heart(seed, options, &asked);
    let person = Person::drawn(seed, options, enlarged);
    let frame = Frame::drawn(seed, &person, options.size_px);
    let trunk = trunk::built(seed, &person, &frame);
    let clouds = clouds(seed);
    let lesions = lesions::placed(seed, &asked, &person, &frame, &trunk, &clouds[0]);
    let (w, h) = (frame.view.width, frame.view.height);
    let mut paths = Paths::new(w, h);
    tissue(seed, &person, &frame, &trunk, &lesions, &clouds, &mut paths);
    let skeleton = skeleton::built(seed, &person, &frame, &trunk.body, &mut paths);
    let airway = vessels::airways(seed, &person, &frame, &mut paths);
    for (material, patch, factor) in &lesions.extra {
        paths.add(*material, patch, *factor);
    }
    if devices::present(seed, options, &person) {
        devices::worn(seed, &person, &frame, &airway, &mut paths);
    }
    Scene {
        person,
        frame,
        paths,
        trunk,
        skeleton,
        airway,
        lesions,
    }
}

/// Two fields for haze, mottle and sheets of fat.
fn clouds(seed: u64) -> [Texture; 2] {
    let law = PowerLaw {
        beta: 2.7,
        low: 0.012,
        high: 0.5,
        anisotropy: 1.0,
    };
    power_law(&mut Noise::new(seed, 106), 7, law).map(|tile| Texture {
        tile,
        mm_per_texel: 1.6,
    })
}

/// Soft tissue, fat, lung with its texture, vessels, breasts and gas.
fn tissue(
    seed: u64,
    person: &Person,
    frame: &Frame,
    trunk: &trunk::Trunk,
    lesions: &lesions::Lesions,
    clouds: &[Texture; 2],
    paths: &mut Paths,
) {
    let [haze, planes] = clouds;
    let vessels = vessels::vessels(seed, person, frame, trunk);
    let (w, h) = (frame.view.width, frame.view.height);
    let mut lung = Grid::filled(w, h, 0.0_f32);
    let mut soft = Grid::filled(w, h, 0.0_f32);
    let mut fat = Grid::filled(w, h, 0.0_f32);
    let mut blood = Grid::filled(w, h, 0.0_f32);
    for y in 0..h {
        for x in 0..w {
            let at = (x, y);
            let body = trunk.body[at];
            if body <= 0.0 {
                continue;
            }
            let mm = frame.middle_mm(x as f64, y as f64);
            let (cloud, sheet) = (haze.at(mm.x, mm.y), planes.at(mm.x, mm.y));
            let whole = trunk.lung[at];
            let (fluid, gas) = (lesions.fluid[at], lesions.gas[at]);
            let vessel = vessels.at(x as i64, y as i64) * (1.0 - gas) * (1.0 - 0.6 * fluid);
            let air_part = whole * (1.0 - gas);
            // Lung at rest holds a few per cent more or less tissue from place to place.
            let dense = (air_part * 0.022 * cloud).max(-0.15);
            let wet = air_part * fluid * 0.78;
            lung[at] = (air_part - wet - dense - vessel).max(0.0);
            blood[at] = vessel;
            let sheets = (0.10 * sheet * trunk.fat[at].min(3.0)).min(trunk.fat[at]);
            fat[at] = (trunk.fat[at] + sheets).min(body);
            soft[at] = (body - whole - fat[at] + wet + dense).max(0.0);
        }
    }
    *paths.plane_mut(Material::Lung) = lung;
    *paths.plane_mut(Material::Soft) = soft;
    *paths.plane_mut(Material::Adipose) = fat;
    *paths.plane_mut(Material::Blood) = blood;
    for part in vessels::hila(seed, person, frame, trunk) {
        let open = part.mapped(|x, y, v| v * (1.0 - lesions.gas[(x, y)]));
        paths.replace(Material::Lung, Material::Blood, &open);
    }
    printing::surface(seed, person, frame, trunk, paths);
}

/// Attenuation `p = -ln(I/I0)` of the primary beam at twice the film's sampling, before scatter, noise and processing:
/// what a counterfactual pair is compared on.
pub fn primary(seed: u64, options: &ChestOptions) -> Grid<f32> {
    let options = clean(options);
    let scene = scene(seed, &options);
    scene
        .paths
        .attenuation(&technique(&scene.person).two_bins())
}

fn technique(person: &Person) -> Technique {
    match person.view {
        ChestView::Pa => Technique::Kvp125,
        ChestView::Ap => Technique::Kvp90,
    }
}

/// One chest film: a pure function of seed and options.
pub fn draw(seed: u64, options: &ChestOptions) -> Phantom {
    let options = clean(options);
    let scene = scene(seed, &options);
    let p = scene
        .paths
        .attenuation(&technique(&scene.person).two_bins());
    let image = printing::film(seed, &scene, &p);
    truth::told(seed, &scene, image)
}
