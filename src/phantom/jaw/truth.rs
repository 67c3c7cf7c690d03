//! What is known about a panoramic film: teeth, mandible and canals as masks, boxes, lines and numbers.

use std::collections::BTreeMap;

use super::tooth::Place;
use super::{FINDINGS, FINER, Scene};
use crate::geometry::{PixelRect, Point};
use crate::grid::Grid;
use crate::phantom::xray::Patch;
use crate::phantom::{Finding, Outline, Phantom, contour};

/// The phantom of a scene with its film.
pub(super) fn told(seed: u64, scene: &Scene, image: Grid<u16>) -> Phantom {
    let mut masks = BTreeMap::new();
    masks.insert(
        "mandible".to_owned(),
        covered(scene, &[&scene.bones.mandible]),
    );
    for (canal, name) in scene.canals.iter().zip(["canal right", "canal left"]) {
        masks.insert(name.to_owned(), covered(scene, &[&canal.tube]));
    }
    let teeth: Vec<&Patch> = scene.drawn.iter().map(|d| &d.whole).collect();
    masks.insert("teeth".to_owned(), covered(scene, &teeth));
    let mut labels: BTreeMap<String, bool> =
        FINDINGS.iter().map(|n| ((*n).to_owned(), false)).collect();
    let mut findings = Vec::new();
    for (name, fine) in &scene.marks {
        let found = contour::coarser(fine, FINER, |v| v > 0);
        labels.insert(name.clone(), true);
        if let Some(bounds) = contour::bounds(&found) {
            findings.push(Finding {
                label: name.clone(),
                bounds,
            });
        }
        contour::join(&mut masks, name, found);
    }
    labels.insert("bone_loss".into(), scene.person.bone_loss);
    let toothless = scene.person.toothless;
    labels.insert("edentulous".into(), toothless[0] || toothless[1]);
    let mut phantom = Phantom {
        kind: "jaw".into(),
        seed,
        spacing_mm: scene.frame.view.mm_per_px * FINER as f64,
        view: "PANORAMIC".into(),
        age_years: scene.person.age.round(),
        sex: scene.person.sex,
        labels,
        numbers: numbers(scene),
        landmarks: None,
        masks,
        findings,
        outlines: outlines(scene),
        image,
    };
    for one in &scene.drawn {
        if let Some(bounds) = contour::bounds(&covered(scene, &[&one.whole])) {
            phantom.findings.push(Finding {
                label: format!("tooth {}", one.number),
                bounds: bounds.intersection(PixelRect::new(
                    0,
                    0,
                    phantom.image.width(),
                    phantom.image.height(),
                )),
            });
        }
    }
    phantom
}

/// Where patches of the fine film cover at least half of a pixel of the film.
fn covered(scene: &Scene, patches: &[&Patch]) -> Grid<u8> {
    let (w, h) = scene.frame.view.size();
    let mut fine = Grid::filled(w, h, 0_u8);
    for patch in patches {
        for y in 0..patch.rect.height {
            for x in 0..patch.rect.width {
                if patch.values[(x, y)] > 1e-3 {
                    fine[(x + patch.rect.x as usize, y + patch.rect.y as usize)] = 1;
                }
            }
        }
    }
    contour::coarser(&fine, FINER, |v| v > 0)
}

fn numbers(scene: &Scene) -> BTreeMap<String, f64> {
    let mut numbers = BTreeMap::new();
    let count = |places: &[Place]| {
        let fits = scene
            .teeth
            .iter()
            .filter(|t| places.contains(&t.state.place));
        fits.count() as f64
    };
    let teeth = count(&[Place::Standing, Place::Impacted]);
    numbers.insert("teeth".to_owned(), teeth);
    numbers.insert("implants".to_owned(), count(&[Place::Implant]));
    numbers.insert("lower_cortex_mm".to_owned(), scene.person.cortex);
    numbers.insert("crest_below_enamel_mm".to_owned(), scene.person.crest);
    for (canal, name) in scene.canals.iter().zip(["right", "left"]) {
        let p = contour::coarser_point(canal.foramen, FINER);
        numbers.insert(format!("mental_foramen_{name}_x_px"), p.x);
        numbers.insert(format!("mental_foramen_{name}_y_px"), p.y);
    }
    numbers
}

fn outlines(scene: &Scene) -> Vec<Outline> {
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
    push("mandible".into(), &scene.bones.outline, true);
    push("upper jaw".into(), &scene.bones.upper, true);
    for (canal, name) in scene.canals.iter().zip(["canal right", "canal left"]) {
        push(name.into(), &canal.line, false);
    }
    for one in &scene.drawn {
        push(format!("crown {}", one.number), &one.crown, true);
    }
    all
}
