//! Differences, spreads and their numbers.

use radcanvas::grid::Grid;
use radcanvas::measure::compare::{Spread, difference, summary};
use radcanvas::noise::Noise;

#[test]
fn a_difference_is_signed_and_says_where_it_cannot_be_had() {
    let before = Grid::from_fn(3, 2, |x, y| (x + 10 * y) as f32);
    let after = before.map(|v| 2.0 * v - 5.0);
    let found = difference(&before, &after).unwrap();
    assert_eq!(found.cells(), [-5.0, -4.0, -3.0, 5.0, 6.0, 7.0]);
    assert!(difference(&before, &Grid::filled(2, 3, 0.0)).is_none());
    let numbers = summary(&found, |x, y| (x, y) != (2, 1)).unwrap();
    assert_eq!(
        (numbers.pixels, numbers.least, numbers.most),
        (5, -5.0, 6.0)
    );
    assert!((numbers.mean - -0.2).abs() < 1e-9);
    assert_eq!(numbers.median, -3.0);
    assert_eq!(numbers.size_995, 6.0);
    assert!(summary(&found, |_, _| false).is_none());
    assert!(summary(&Grid::filled(2, 2, f32::NAN), |_, _| true).is_none());
}

#[test]
fn a_spread_fed_one_by_one_is_the_sample_deviation() {
    let mut noise = Noise::new(5, 0);
    let images: Vec<Grid<f32>> = (0..7)
        .map(|_| Grid::from_fn(4, 3, |x, y| 3000.0 + (x * y) as f32 + noise.normal() as f32))
        .collect();
    let mut spread = Spread::default();
    assert!(spread.deviation().is_none());
    for image in &images {
        assert!(spread.push(image));
    }
    assert!(!spread.push(&Grid::filled(3, 4, 0.0)), "another size");
    assert_eq!(spread.count(), 7);
    let found = spread.deviation().unwrap();
    for y in 0..3 {
        for x in 0..4 {
            let values: Vec<f64> = images.iter().map(|i| f64::from(i[(x, y)])).collect();
            let mean = values.iter().sum::<f64>() / 7.0;
            let wanted = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 6.0).sqrt();
            assert!((f64::from(found[(x, y)]) - wanted).abs() < 2e-3, "{x} {y}");
        }
    }
}
