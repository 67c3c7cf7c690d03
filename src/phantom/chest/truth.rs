//! What is known about a chest film: masks, boxes, lines and numbers.
//!
//! Everything is read off the same fine grids that the film was made from. Separate because drawing needs none of it.

use std::collections::BTreeMap;

use super::{ChestView, FINDINGS, Frame, Scene};
use crate::geometry::Point;
use crate::grid::Grid;
use crate::phantom::{Outline, Phantom, contour};

fn halved(fine: &Grid<u8>, inside: impl Fn(u8) -> bool) -> Grid<u8> {
    contour::coarser(fine, Frame::FINER, inside)
}

fn coarse(p: Point) -> Point {
    contour::coarser_point(p, Frame::FINER)
}

/// Widest heart over the inner width of the chest, both from masks.
fn ratio(right: &Grid<u8>, left: &Grid<u8>, heart: &Grid<u8>) -> Option<f64> {
    let right = contour::bounds(right)?;
    let left = contour::bounds(left)?;
    let heart = contour::bounds(heart)?;
    let chest = (left.right() - right.x) as f64;
    (chest > 0.0).then(|| heart.width as f64 / chest)
}

fn anatomy_masks(scene: &Scene) -> BTreeMap<String, Grid<u8>> {
    let mut masks = BTreeMap::new();
    masks.insert(
        "right lung".to_owned(),
        halved(&scene.trunk.field, |v| v == 1),
    );
    masks.insert(
        "left lung".to_owned(),
        halved(&scene.trunk.field, |v| v == 2),
    );
    masks.insert(
        "heart".to_owned(),
        halved(&scene.trunk.heart_mask, |v| v > 0),
    );
    masks.insert("ribs".to_owned(), halved(&scene.skeleton.ribs, |v| v > 0));
    masks.insert(
        "clavicles".to_owned(),
        halved(&scene.skeleton.clavicles, |v| v > 0),
    );
    masks
}

fn anatomy_lines(scene: &Scene, masks: &BTreeMap<String, Grid<u8>>) -> Vec<Outline> {
    let mut outlines: Vec<Outline> = ["right lung", "left lung"]
        .iter()
        .filter_map(|name| contour::traced(name, masks.get(*name)?))
        .collect();
    let mut line = |name: String, points: &[Point], closed: bool| {
        outlines.push(Outline {
            name,
            points: points.iter().map(|p| coarse(*p)).collect(),
            closed,
        });
    };
    line("heart".into(), &scene.trunk.heart, true);
    let [right, left] = &scene.trunk.domes;
    line("right diaphragm".into(), right, false);
    line("left diaphragm".into(), left, false);
    line("trachea".into(), &scene.airway, false);
    for (name, points, closed) in &scene.skeleton.lines {
        line(name.clone(), points, *closed);
    }
    outlines
}

/// The phantom of a scene with its film.
pub(super) fn told(seed: u64, scene: &Scene, image: Grid<u16>) -> Phantom {
    let masks = anatomy_masks(scene);
    let mut phantom = Phantom {
        spacing_mm: scene.frame.view.mm_per_px * Frame::FINER as f64,
        view: match scene.person.view {
            ChestView::Pa => "PA".into(),
            ChestView::Ap => "AP".into(),
        },
        age_years: scene.person.age.round(),
        sex: scene.person.sex,
        outlines: anatomy_lines(scene, &masks),
        masks,
        ..Phantom::of("chest", seed, image, &FINDINGS)
    };
    for (name, fine) in &scene.lesions.marks {
        // A large heart has the heart's mask and line already.
        phantom.mark(name, fine, Frame::FINER, name != "cardiomegaly");
    }
    let numbers = &mut phantom.numbers;
    numbers.extend(scene.lesions.numbers.iter().cloned());
    numbers.insert("thorax_width_mm".into(), scene.person.thorax_width);
    numbers.insert("aortic_knob_mm".into(), scene.person.knob);
    let masks = &phantom.masks;
    if let Some(ratio) = ratio(&masks["right lung"], &masks["left lung"], &masks["heart"]) {
        numbers.insert("cardiothoracic_ratio".into(), ratio);
    }
    phantom
}
