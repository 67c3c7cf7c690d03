//! What is known about a slice: tissues and findings as masks, boxes, lines and numbers, off the map it was made from.

use std::collections::BTreeMap;

use super::labels::tissue as t;
use super::{Contrast, FINDINGS, FINER, Scene};
use crate::geometry::Point;
use crate::grid::Grid;
use crate::phantom::{Outline, Phantom, contour};

/// Named sets of tissues.
const SETS: [(&str, &[u8]); 6] = [
    ("skull", &[t::COMPACT, t::DIPLOE]),
    (
        "brain",
        &[
            t::CORTEX,
            t::WHITE,
            t::NUCLEUS,
            t::VENTRICLE,
            t::PATCH,
            t::EDEMA,
            t::INFARCT,
            t::TUMOR,
            t::RING,
            t::NECROSIS,
            t::PLAQUE,
        ],
    ),
    ("gray matter", &[t::CORTEX, t::NUCLEUS]),
    ("white matter", &[t::WHITE, t::PATCH, t::PLAQUE]),
    ("ventricles", &[t::VENTRICLE, t::CALCIFIED]),
    ("fluid", &[t::FLUID]),
];

/// The phantom of a scene with its image.
pub(super) fn told(seed: u64, scene: &Scene, contrast: Contrast, image: Grid<u16>) -> Phantom {
    let mut masks = BTreeMap::new();
    for (name, set) in SETS {
        let mask = contour::coarser(&scene.labels, FINER, |l| set.contains(&l));
        masks.insert(name.to_owned(), mask);
    }
    let head = contour::coarser(&scene.labels, FINER, |l| l != t::AIR);
    let mut outlines: Vec<Outline> = contour::traced("head", &head).into_iter().collect();
    for name in ["brain", "ventricles"] {
        outlines.extend(contour::traced(name, &masks[name]));
    }
    outlines.push(middle(scene));
    let kind = match contrast {
        Contrast::Mr => "brain-mr",
        Contrast::Ct => "brain-ct",
    };
    let mut phantom = Phantom {
        spacing_mm: scene.pitch * FINER as f64,
        view: "AXIAL".into(),
        age_years: scene.head.age.round(),
        sex: scene.head.sex,
        masks,
        outlines,
        ..Phantom::of(kind, seed, image, &FINDINGS)
    };
    for (name, fine) in &scene.lesions.marks {
        phantom.mark(name, fine, FINER, true);
    }
    phantom.labels.insert("atrophy".into(), scene.head.atrophy);
    phantom
        .labels
        .insert("hydrocephalus".into(), scene.head.hydrocephalus);
    let numbers = &mut phantom.numbers;
    numbers.extend(scene.lesions.numbers.iter().cloned());
    let cell = scene.pitch * scene.pitch;
    let area = |set: &[u8]| {
        let n = scene
            .labels
            .cells()
            .iter()
            .filter(|l| set.contains(l))
            .count();
        n as f64 * cell
    };
    numbers.insert("evans_index".into(), scene.head.evans);
    numbers.insert("level".into(), scene.head.level);
    numbers.insert("ventricle_area_mm2".into(), area(&[t::VENTRICLE]));
    numbers.insert("white_matter_patch_mm2".into(), area(&[t::PATCH]));
    phantom
}

/// The line from the forehead to the back through the middle.
fn middle(scene: &Scene) -> Outline {
    let long = scene.head.half.1;
    let at = |y: f64| -> Point {
        let mm = scene.head.image_mm(0.0, y);
        let pitch = scene.pitch * FINER as f64;
        Point::new(mm.x / pitch - 0.5, mm.y / pitch - 0.5)
    };
    Outline {
        name: "midline".into(),
        points: vec![at(-long), at(long)],
        closed: false,
    }
}
