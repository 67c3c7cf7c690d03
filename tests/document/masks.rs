//! Distances, growth, fills, simplification and smoothing.

use super::*;
use radcanvas::document::fill::{fill_closed, flood_fill};
use radcanvas::document::mask::{area_mm2, area_px, bounds, dilated, distance_to};
use radcanvas::document::stroke::{distance_to_segment, simplified, smoothed};
use radcanvas::radiograph::{Spacing, SpacingSource};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn distance_and_growth_equal_brute_force(
        width in 1..14_usize, height in 1..14_usize, dots in prop::collection::vec((0..14_usize, 0..14_usize), 0..6),
        px in 0.0..6.0_f64,
    ) {
        let mask = Grid::from_fn(width, height, |x, y| u8::from(dots.contains(&(x, y))));
        let (distance, grown) = (distance_to(&mask), dilated(&mask, px));
        for y in 0..height {
            for x in 0..width {
                let nearest = dots.iter().filter(|(i, j)| *i < width && *j < height)
                    .map(|(i, j)| (i.abs_diff(x).pow(2) + j.abs_diff(y).pow(2)) as f64)
                    .fold(f64::INFINITY, f64::min);
                prop_assert_eq!(distance[(x, y)], nearest.sqrt() as f32);
                prop_assert_eq!(grown[(x, y)] == 255, nearest <= px * px);
            }
        }
    }

    #[test]
    fn a_simplified_lasso_stays_close(points in prop::collection::vec(point(), 2..40)) {
        let few = simplified(&points, 0.6);
        prop_assert!(few.first() == points.first() && few.last() == points.last());
        for p in &points {
            let nearest = few.windows(2).map(|s| distance_to_segment(*p, s[0], s[1])).fold(f64::MAX, f64::min);
            prop_assert!(nearest <= 0.6 + 1e-9);
        }
    }
}

#[test]
fn bounds_and_areas() {
    let mut mask = Grid::filled(9, 7, 0);
    assert_eq!((bounds(&mask), area_px(&mask)), (None, 0));
    mask[(3, 2)] = 1;
    mask[(6, 5)] = 255;
    assert_eq!(bounds(&mask), Some(PixelRect::new(3, 2, 4, 4)));
    let spacing = |row_mm| Spacing {
        row_mm,
        column_mm: 0.5,
        source: SpacingSource::Calibrated,
    };
    assert_eq!(area_mm2(&mask, Some(spacing(0.2))), Some(0.2));
    assert_eq!(area_mm2(&mask, Some(spacing(f64::NAN))), None);
    assert_eq!(area_mm2(&mask, None), None);
}

#[test]
fn fills_stop_at_the_tolerance_and_at_corners() {
    let image = Grid::from_fn(20, 10, |x, _| if x < 8 { x as f32 } else { 100.0 });
    let all = image.bounds();
    let near = |image: &Grid<f32>, seed: (usize, usize), tolerance: f32, limits: PixelRect| {
        let center = *image.get(seed.0, seed.1)?;
        let limits = limits.intersection(image.bounds());
        let belongs = |x, y| (image[(x, y)] - center).abs() <= tolerance;
        flood_fill(seed, limits, belongs, || false)
    };
    let (found, inside) = near(&image, (0, 0), 3.0, all).unwrap();
    assert_eq!(found, PixelRect::new(0, 0, 4, 10));
    assert!(inside.cells().iter().all(|v| *v == 255));
    let limits = PixelRect::new(9, 2, 5, 3);
    assert_eq!(near(&image, (10, 3), 0.0, limits).unwrap().0, limits);
    assert!(near(&image, (0, 0), 1.0, limits).is_none());
    assert!(near(&image, (20, 0), 1.0, all).is_none());
    let unknown = Grid::filled(3, 3, f32::NAN);
    assert!(near(&unknown, (1, 1), 1.0, unknown.bounds()).is_none());
    // A diamond of corners holds the fill in; outside it is open.
    let diamond = Grid::from_fn(11, 11, |x, y| {
        if x.abs_diff(5) + y.abs_diff(5) == 4 {
            255
        } else {
            0
        }
    });
    let (found, inside) = fill_closed(&diamond, (5, 5), || false).unwrap();
    assert_eq!((found, area_px(&inside)), (PixelRect::new(2, 2, 7, 7), 25));
    assert!(fill_closed(&diamond, (0, 0), || false).is_none());
    assert!(fill_closed(&diamond, (5, 1), || false).is_none());
}

#[test]
fn smoothing_is_even_and_keeps_the_ends() {
    let Shape::Stroke { points, .. } = line(
        &[(0.0, 0.0, 0.0), (13.0, 2.0, 0.5), (20.0, 19.0, 1.0)],
        1.0,
        false,
    ) else {
        unreachable!()
    };
    let even = smoothed(&points, 1.5);
    assert_eq!((even.first(), even.last()), (points.first(), points.last()));
    for pair in even.windows(2).rev().skip(1) {
        let step = pair[0].at.distance(pair[1].at);
        assert!((1.4..=1.5001).contains(&step), "{step}");
        assert!(pair[0].pressure <= pair[1].pressure);
    }
    // The curve passes through its samples.
    let near = even.iter().map(|p| p.at.distance(points[1].at));
    assert!(near.fold(f64::MAX, f64::min) < 0.76);
    for spacing in [0.0, -1.0, f64::NAN, 1e-300] {
        assert_eq!(smoothed(&points, spacing), points, "{spacing}");
    }
}
