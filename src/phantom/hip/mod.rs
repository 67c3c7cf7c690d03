//! The canine pelvis, ventrodorsal with extended hips: anatomy, film and exact Norberg angles.
//!
//! Attributes → joints solved for their angle → bones and soft tissue → beam, detector and film → truth from the same
//! projection. The patient's left is on the viewer's right.

mod body;
mod dog;
mod femur;
mod film;
pub mod joint;
mod pelvis;
mod spine;
mod truth;

pub use dog::{Dog, Grade, dog, joint as drawn_joint};

use crate::geometry::Point;
use crate::noise::Noise;
use crate::phantom::Phantom;
use crate::phantom::xray::{PowerLaw, Rotation, Texture, Vec3, View, power_law};
use joint::{Joint, Pose};

/// What is asked for; everything absent is drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HipOptions {
    /// Side of the square film, pixels (32–2048); 256 when 0.
    pub size_px: usize,
    /// Norberg angle of the patient's left hip, degrees.
    pub norberg_left_degrees: Option<f64>,
    /// Norberg angle of the patient's right hip, degrees.
    pub norberg_right_degrees: Option<f64>,
    /// FCI grade of the left hip; with no angle given, the grade's distribution decides.
    pub grade_left: Option<Grade>,
    /// FCI grade of the right hip.
    pub grade_right: Option<Grade>,
    /// Years.
    pub age_years: Option<f64>,
    /// `M` or `F`.
    pub sex: Option<char>,
    /// The mix of real practice instead of the flat mix for training.
    pub natural: bool,
}

/// Everything that the parts of the drawing share.
pub(crate) struct Scene {
    pub(crate) dog: Dog,
    pub(crate) joints: [Joint; 2],
    pub(crate) pose: Pose,
    /// Degrees about the beam, clockwise on the film.
    pub(crate) turn: f64,
    /// Abduction of each femur, degrees; left, right.
    pub(crate) abduction: [f64; 2],
    /// Limb rotation, degrees; negative is inward.
    pub(crate) limb_rotation: [f64; 2],
    /// The film as delivered.
    pub(crate) film: View,
    /// The finer film that solids are drawn on.
    pub(crate) view: View,
    pub(crate) trabeculae: Texture,
    pub(crate) cloud: Texture,
}

impl Scene {
    /// Pixels of the fine film a millimetre at the depth of the hips.
    pub(crate) fn px_per_mm(&self) -> f64 {
        self.view.project(self.pose.origin).px_per_mm
    }

    /// A point given in units of the distance between the hips, frame of the pelvis.
    pub(crate) fn place(&self, x: f64, y: f64, z: f64) -> Vec3 {
        self.pose.place(Vec3::new(x, y, z) * self.dog.distance)
    }
}

/// How much finer than the film solids are drawn.
const FINER: usize = 2;

/// Draws one film; the same seed and options give the same bits on any machine and any number of threads.
pub fn draw(seed: u64, options: &HipOptions) -> Phantom {
    let scene = scene(seed, options);
    let bones = film::Bones::drawn(&scene, seed);
    let image = film::film(&scene, &bones, seed);
    truth::phantom(seed, &scene, &bones, image)
}

/// Draws who lies where, and solves the joints.
pub(crate) fn scene(seed: u64, options: &HipOptions) -> Scene {
    let size = if options.size_px == 0 {
        256
    } else {
        options.size_px.clamp(32, 2048)
    };
    let dog = dog(options, &mut Noise::new(seed, 1));
    let mut joints = [0, 1].map(|i| drawn_joint(&dog, i, &mut Noise::new(seed, 2 + i as u64)));
    let mut noise = Noise::new(seed, 4);
    let (pose, turn, film) = placed(&dog, size, &mut noise);
    let limbs = abduction(&mut noise);
    let now = joint::landmarks(&joints, &pose, &film);
    let goal = |i: usize, side| {
        dog.sides[i]
            .target
            .unwrap_or_else(|| joint::norberg(&now, side))
    };
    if dog.sides.iter().any(|s| s.target.is_some()) {
        use crate::landmarks::Side;
        let targets = [goal(0, Side::Left), goal(1, Side::Right)];
        joint::solve(&mut joints, targets, &pose, &film);
    }
    let limb_rotation = [noise.gauss(-3.0, 7.0), noise.gauss(-3.0, 7.0)];
    let mut grain = Noise::new(seed, 5);
    let law = |beta, low, anisotropy| PowerLaw {
        beta,
        low,
        high: 0.45,
        anisotropy,
    };
    let [trabecular, _] = power_law(&mut grain, 7, law(2.5, 0.03, 2.0));
    let [cloudy, _] = power_law(&mut grain, 7, law(2.9, 0.01, 1.0));
    let scale = dog.head_radius / 12.0;
    Scene {
        joints,
        pose,
        turn,
        abduction: limbs,
        limb_rotation,
        film,
        view: film.finer(FINER),
        trabeculae: Texture {
            tile: trabecular,
            mm_per_texel: 0.55 * scale,
        },
        cloud: Texture {
            tile: cloudy,
            mm_per_texel: 2.2 * scale,
        },
        dog,
    }
}

fn abduction(noise: &mut Noise) -> [f64; 2] {
    let common = noise.range(0.0, 9.0);
    let mut one = || (common + noise.gauss(0.0, 2.4)).clamp(-4.0, 20.0);
    [one(), one()]
}

/// Pose in the beam and framing on the film: nuisance, independent of everything above.
fn placed(dog: &Dog, size: usize, noise: &mut Noise) -> (Pose, f64, View) {
    let rolled = noise.chance(0.06);
    let roll = if rolled {
        noise.range(3.0, 8.0) * if noise.chance(0.5) { 1.0 } else { -1.0 }
    } else {
        noise.gauss(0.0, 1.5)
    };
    let tilt = noise.gauss(0.0, 4.0).clamp(-12.0, 12.0);
    let turn = noise.gauss(0.0, 3.0).clamp(-9.0, 9.0);
    let world_from_pelvis = Rotation::about(2, turn)
        .after(&Rotation::about(1, roll))
        .after(&Rotation::about(0, tilt));
    let d = dog.distance;
    let height = d * noise.range(0.55, 0.75) + 25.0;
    let source_mm = noise.range(950.0, 1150.0);
    let fraction = noise.range(0.29, 0.42);
    let magnification = source_mm / (source_mm - height);
    let mm_per_px = d * magnification / (fraction * size as f64);
    let at = Point::new(
        size as f64 * noise.gauss(0.5, 0.02),
        size as f64 * noise.range(0.38, 0.54),
    );
    let focus = Point::new(noise.gauss(0.0, 0.1) * d, noise.gauss(0.0, 0.35) * d);
    let film = View {
        width: size,
        height: size,
        mm_per_px,
        center_px: at,
        focus_mm: focus,
        source_mm,
    };
    let pose = Pose {
        world_from_pelvis,
        origin: Vec3::new(0.0, 0.0, height),
    };
    (pose, turn, film)
}
