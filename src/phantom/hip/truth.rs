//! What is known of a drawn film: landmarks, angles, masks, outlines, labels and boxes.
//!
//! Everything comes from the same scene and projection that drew the film; nothing is measured on pixels.

use super::dog::Grade;
use super::film::{self, Bones};
use super::{FINER, Scene, joint};
use crate::geometry::{PixelRect, Point};
use crate::grid::Grid;
use crate::landmarks::{Hip, Side};
use crate::phantom::{Finding, Outline, Phantom, contour};

/// Puts film and truth together.
pub(crate) fn phantom(seed: u64, scene: &Scene, bones: &Bones, image: Grid<u16>) -> Phantom {
    let mut landmarks = joint::landmarks(&scene.joints, &scene.pose, &scene.film);
    let spacing_mm = 1.0 / scene.film.project(scene.pose.origin).px_per_mm;
    landmarks.pixel_spacing_mm = Some([spacing_mm, spacing_mm]);
    let mut phantom = Phantom {
        spacing_mm,
        view: "VD".to_owned(),
        age_years: scene.dog.age,
        sex: if scene.dog.male { 'M' } else { 'F' },
        landmarks: Some(landmarks),
        outlines: outlines(scene, bones),
        ..Phantom::of("hip", seed, image, &[])
    };
    // The plate with its lip and what has grown on it; the thin dorsal wall behind the head is left out.
    let half = |h: &super::pelvis::Half| h.bone.outer.union(&h.growth, 0.0);
    let pelvis = half(&bones.halves[0]).union(&half(&bones.halves[1]), 0.0);
    phantom
        .masks
        .insert("pelvis".to_owned(), film::mask(scene, &pelvis));
    phantom.masks.insert(
        "spine".to_owned(),
        film::mask(scene, &bones.spine.bone.outer),
    );
    phantom
        .numbers
        .insert("weight_kg".to_owned(), scene.dog.weight);
    for (index, side) in [Side::Left, Side::Right].into_iter().enumerate() {
        one_side(
            &mut phantom,
            scene,
            bones,
            index,
            joint::norberg(&landmarks, side),
        );
    }
    for name in ["dysplasia", "luxation", "osteoarthritis"] {
        let either = ["left", "right"]
            .iter()
            .any(|s| phantom.labels.get(&format!("{name}_{s}")) == Some(&true));
        phantom.labels.insert(name.to_owned(), either);
    }
    phantom
}

fn one_side(phantom: &mut Phantom, scene: &Scene, bones: &Bones, index: usize, angle: f64) {
    let name = ["left", "right"][index];
    let joint = &scene.joints[index];
    let side = &scene.dog.sides[index];
    let luxated = joint.displacement > 0.7 * joint.head_radius;
    let dysplastic = side.grade >= Grade::C;
    let arthritic = side.arthritis >= 1.0;
    let mut number = |key: &str, value: f64| {
        phantom.numbers.insert(key.replace("SIDE", name), value);
    };
    number("norberg_SIDE_degrees", angle);
    number("grade_SIDE", f64::from(side.grade as u8));
    number("osteoarthritis_SIDE_score", side.arthritis);
    number("displacement_SIDE_mm", joint.displacement);
    number("head_radius_SIDE_mm", joint.head_radius);
    for (label, present) in [
        ("dysplasia", dysplastic),
        ("luxation", luxated),
        ("osteoarthritis", arthritic),
    ] {
        phantom.labels.insert(format!("{label}_{name}"), present);
    }
    for grade in Grade::ALL {
        phantom
            .labels
            .insert(format!("grade_{name}_{grade:?}"), grade == side.grade);
    }
    let femur = &bones.femurs[index];
    phantom.masks.insert(
        format!("femur_{name}"),
        film::mask(scene, &femur.ends.outer),
    );
    phantom
        .masks
        .insert(format!("head_{name}"), film::mask(scene, &femur.head));
    let Some(points) = &phantom.landmarks else {
        return;
    };
    let bounds = around(points.hip(if index == 0 { Side::Left } else { Side::Right }))
        .intersection(phantom.image.bounds());
    if bounds.width == 0 || bounds.height == 0 {
        return;
    }
    for (label, present) in [
        ("dysplasia", dysplastic),
        ("luxation", luxated),
        ("osteoarthritis", arthritic),
    ] {
        if present {
            phantom.findings.push(Finding {
                label: label.to_owned(),
                bounds,
            });
        }
    }
}

/// The box of a joint: head and rim with room for the neck and the cup.
fn around(hip: &Hip) -> PixelRect {
    let reach = 1.45 * hip.radius;
    let (c, a) = (hip.center, hip.rim);
    let low = Point::new((c.x - reach).min(a.x - 2.0), (c.y - reach).min(a.y - 2.0));
    let high = Point::new((c.x + reach).max(a.x + 2.0), (c.y + reach).max(a.y + 2.0));
    PixelRect::new(
        low.x.round() as i64,
        low.y.round() as i64,
        (high.x - low.x).round().max(1.0) as usize,
        (high.y - low.y).round().max(1.0) as usize,
    )
}

fn outlines(scene: &Scene, bones: &Bones) -> Vec<Outline> {
    let mut all = Vec::new();
    let mut push = |name: String, points: &[Point], closed: bool| {
        all.push(Outline {
            name,
            points: points
                .iter()
                .map(|p| contour::coarser_point(*p, FINER))
                .collect(),
            closed,
        });
    };
    for (index, name) in ["left", "right"].into_iter().enumerate() {
        let joint = &scene.joints[index];
        let head = joint.on_film(&scene.pose, &scene.view);
        let circle: Vec<Point> = (0..32)
            .map(|i| {
                let (s, c) = (std::f64::consts::TAU * f64::from(i) / 32.0).sin_cos();
                head.center + Point::new(c, s) * head.radius
            })
            .collect();
        let half = &bones.halves[index];
        let femur = &bones.femurs[index];
        push(format!("{name} femoral head"), &circle, true);
        push(format!("{name} femoral axis"), &femur.axis, false);
        push(format!("{name} shaft lateral"), &femur.borders[0], false);
        push(format!("{name} shaft medial"), &femur.borders[1], false);
        push(format!("{name} acetabular rim"), &half.rim[..20], false);
        push(format!("{name} pelvis"), &half.outline, true);
        push(format!("{name} obturator foramen"), &half.foramen, true);
    }
    let spine: Vec<Point> = bones
        .spine
        .midline
        .iter()
        .map(|p| scene.view.project(*p).point)
        .collect();
    push("spine".to_owned(), &spine, false);
    all
}
