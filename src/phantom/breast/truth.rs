//! What is known about a mammogram: masks, boxes, lines and numbers, off the grids it was made from.

use std::collections::BTreeMap;

use super::{BreastStyle, BreastView, FINDINGS, Frame, Scene};
use crate::geometry::Point;
use crate::grid::Grid;
use crate::phantom::{Outline, Phantom, contour};

/// The phantom of a scene with its film.
pub(super) fn told(seed: u64, scene: &Scene, image: Grid<u16>) -> Phantom {
    let mask = |fine: &Grid<f32>, above: f32| {
        let fine = fine.map(|v| u8::from(*v > above));
        contour::coarser(&fine, Frame::FINER, |v| v > 0)
    };
    let mut masks = BTreeMap::new();
    masks.insert("breast".to_owned(), mask(&scene.shape.depth, 0.0));
    let gland = Grid::from_fn(scene.gland.width(), scene.gland.height(), |x, y| {
        scene.gland[(x, y)] * (1.0 - scene.shape.muscle[(x, y)])
    });
    masks.insert("gland".to_owned(), mask(&gland, 0.4));
    let mut outlines = lines(scene);
    if scene.woman.view == BreastView::Mlo {
        masks.insert("pectoral".to_owned(), mask(&scene.shape.muscle, 0.15));
    }
    outlines.extend(contour::traced("gland", &masks["gland"]));
    let mut phantom = Phantom {
        spacing_mm: scene.frame.view.mm_per_px * Frame::FINER as f64,
        view: match scene.woman.view {
            BreastView::Mlo => "MLO".into(),
            BreastView::Cc => "CC".into(),
        },
        age_years: scene.woman.age.round(),
        sex: scene.woman.sex,
        masks,
        outlines,
        ..Phantom::of("breast", seed, image, &FINDINGS)
    };
    for (name, fine) in &scene.lesions.marks {
        phantom.mark(name, fine, Frame::FINER, true);
    }
    let dense = scene.dense;
    phantom.labels.insert("dense".to_owned(), dense >= 0.32);
    let numbers = &mut phantom.numbers;
    numbers.extend(scene.lesions.numbers.iter().cloned());
    numbers.insert("density_percent".into(), 100.0 * dense);
    numbers.insert("thickness_mm".into(), scene.woman.thickness);
    numbers.insert("left".into(), f64::from(u8::from(scene.woman.left)));
    numbers.insert(
        "digital".into(),
        f64::from(u8::from(scene.woman.style == BreastStyle::Digital)),
    );
    let nipple = scene
        .frame
        .pixel(scene.shape.nipple.0, scene.shape.nipple.1);
    let nipple = contour::coarser_point(nipple, Frame::FINER);
    numbers.insert("nipple_x_px".into(), nipple.x);
    numbers.insert("nipple_y_px".into(), nipple.y);
    phantom
}

/// Skin and muscle as lines of the film, without what lies off it.
fn lines(scene: &Scene) -> Vec<Outline> {
    let size = scene.frame.view.size();
    let on_film =
        |p: &&Point| p.x >= -0.5 && p.y >= -0.5 && p.x < size.0 as f64 && p.y < size.1 as f64;
    let mut outlines = Vec::new();
    for (name, points) in [("skin", &scene.shape.skin), ("pectoral", &scene.shape.edge)] {
        let points: Vec<Point> = points
            .iter()
            .filter(on_film)
            .map(|p| contour::coarser_point(*p, Frame::FINER))
            .collect();
        if points.len() > 2 {
            outlines.push(Outline {
                name: name.to_owned(),
                points,
                closed: false,
            });
        }
    }
    outlines
}
