//! What is known about a slice: tissues and findings as masks, boxes, lines and numbers, off the map it was made from.

use std::collections::BTreeMap;

use super::labels::tissue as t;
use super::{Contrast, FINDINGS, FINER, Scene};
use crate::geometry::Point;
use crate::grid::Grid;
use crate::phantom::{Finding, Outline, Phantom, contour};

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
    let mut labels: BTreeMap<String, bool> =
        FINDINGS.iter().map(|n| ((*n).to_owned(), false)).collect();
    let mut findings = Vec::new();
    for (name, fine) in &scene.lesions.marks {
        let found = contour::coarser(fine, FINER, |v| v > 0);
        let Some(bounds) = contour::bounds(&found) else {
            continue;
        };
        labels.insert(name.clone(), true);
        findings.push(Finding {
            label: name.clone(),
            bounds,
        });
        outlines.extend(contour::traced(name, &found));
        contour::join(&mut masks, name, found);
    }
    labels.insert("atrophy".into(), scene.head.atrophy);
    labels.insert("hydrocephalus".into(), scene.head.hydrocephalus);
    let mut numbers: BTreeMap<String, f64> = scene.lesions.numbers.iter().cloned().collect();
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
    Phantom {
        kind: match contrast {
            Contrast::Mr => "brain-mr".into(),
            Contrast::Ct => "brain-ct".into(),
        },
        seed,
        image,
        spacing_mm: scene.pitch * FINER as f64,
        view: "AXIAL".into(),
        age_years: scene.head.age.round(),
        sex: scene.head.sex,
        labels,
        numbers,
        landmarks: None,
        masks,
        findings,
        outlines,
    }
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
