//! Measurements against closed forms.

use radcanvas::geometry::{Affine, Point};
use radcanvas::grid::Grid;
use radcanvas::landmarks::{Hip, HipLandmarks, HipPoint, Side};
use radcanvas::measure::dscore::{DScore, DScoreError, DScoreMode};
use radcanvas::measure::frechet::{Cloud, distance};
use radcanvas::measure::norberg::{bva_points, doubts, norberg_degrees};
use radcanvas::measure::seam::{fit, jump, noise_ratio};
use radcanvas::measure::wasserstein::{Slices, distance_of_sorted, normalized_mass};
use radcanvas::noise::Noise;

fn near(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} is not {b} ± {tolerance}");
}

/// The golden points of the reference: p1 (80,120), p2 (144,120), p3 (72,90), p4 (152,90).
fn golden() -> HipLandmarks {
    let hip = |x: f64, rim: f64| Hip {
        center: Point::new(x, 120.0),
        radius: 12.0,
        rim: Point::new(rim, 90.0),
    };
    HipLandmarks {
        left: hip(144.0, 152.0),
        right: hip(80.0, 72.0),
        pixel_spacing_mm: None,
    }
}

#[test]
fn norberg_of_square_and_stretched_pixels() {
    let points = golden();
    let square = norberg_degrees(&points, Side::Right, None).unwrap();
    near(square, 90.0 + (8.0_f64 / 30.0).atan().to_degrees(), 1e-9);
    near(square, 104.931_417, 1e-6);
    // The same picture squeezed from 1908 × 768 to 224 × 224: only the spacing brings the true angle back.
    let spacing = [768.0 / 224.0, 1908.0 / 224.0];
    let stretched = norberg_degrees(&points, Side::Right, Some(spacing)).unwrap();
    near(stretched, 123.524_473, 1e-6);
}

#[test]
fn norberg_is_invariant_under_rotation_scale_and_shift() {
    let points = golden();
    let mut noise = Noise::new(5, 0);
    for _ in 0..50 {
        let turn = Affine::rotation(noise.range(-3.0, 3.0), Point::new(100.0, 50.0));
        let scale = noise.range(0.2, 5.0);
        let shift = Point::new(noise.range(-500.0, 500.0), noise.range(-500.0, 500.0));
        let map = Affine::scale_then_shift(Point::new(scale, scale), shift).after(&turn);
        for side in [Side::Left, Side::Right] {
            let before = norberg_degrees(&points, side, None).unwrap();
            let after = norberg_degrees(&points.mapped(&map), side, None).unwrap();
            near(after, before, 1e-9);
        }
    }
}

#[test]
fn mirroring_swaps_the_sides() {
    let mut points = golden();
    points.right.rim = Point::new(75.0, 95.0);
    let mirror = |p: Point| Point::new(223.0 - p.x, p.y);
    let flip = |hip: Hip| Hip {
        center: mirror(hip.center),
        radius: hip.radius,
        rim: mirror(hip.rim),
    };
    let mirrored = HipLandmarks {
        left: flip(points.right),
        right: flip(points.left),
        pixel_spacing_mm: None,
    };
    near(
        norberg_degrees(&points, Side::Right, None).unwrap(),
        norberg_degrees(&mirrored, Side::Left, None).unwrap(),
        1e-9,
    );
}

#[test]
fn an_angle_that_cannot_be_had_is_absent() {
    let mut points = golden();
    points.left.center = points.right.center;
    assert_eq!(norberg_degrees(&points, Side::Left, None), None);
    let mut points = golden();
    points.left.rim = Point::new(f64::NAN, 1.0);
    assert_eq!(norberg_degrees(&points, Side::Left, None), None);
}

#[test]
fn doubts_name_what_is_wrong() {
    assert!(doubts(&golden()).is_empty() || golden().left.radius < 30.0);
    let check = |change: &dyn Fn(&mut HipLandmarks), word: &str| {
        let mut points = golden();
        points.left.radius = 28.0;
        points.right.radius = 28.0;
        assert!(doubts(&points).is_empty(), "{:?}", doubts(&points));
        change(&mut points);
        let said = doubts(&points);
        assert!(said.iter().any(|d| d.contains(word)), "{word}: {said:?}");
    };
    check(&|p| p.left.rim = Point::new(150.0, 150.0), "caudal");
    check(&|p| p.left.rim = Point::new(146.0, 118.0), "inside");
    check(&|p| p.left.rim = Point::new(150.0, 10.0), "far");
    check(
        &|p| std::mem::swap(&mut p.left, &mut p.right),
        "viewer's left",
    );
    check(&|p| p.left.radius = 20.0, "size");
}

#[test]
fn bva_points_at_their_limits() {
    for (degrees, points) in [
        (105.0, 0),
        (104.9, 1),
        (100.0, 1),
        (99.9, 2),
        (92.0, 3),
        (85.0, 4),
        (80.0, 5),
        (79.9, 6),
    ] {
        assert_eq!(bva_points(degrees), points, "{degrees}");
    }
}

#[test]
fn dragging_a_point_moves_that_point_alone() {
    let points = golden().with_point(Side::Left, HipPoint::Edge, Point::new(144.0, 140.0));
    near(points.left.radius, 20.0, 1e-12);
    assert_eq!(points.left.center, golden().left.center);
    assert_eq!(points.right, golden().right);
}

fn random_maps(seed: u64, count: usize, sizes: &[(usize, usize)]) -> Vec<Vec<Grid<f32>>> {
    let mut noise = Noise::new(seed, 1);
    (0..count)
        .map(|_| {
            sizes
                .iter()
                .map(|(w, h)| Grid::from_fn(*w, *h, |_, _| noise.uniform() as f32))
                .collect()
        })
        .collect()
}

/// Sliced W1 straight from its definition: integrate |F − G| over the sorted projections.
fn brute_sliced(a: &Grid<f32>, b: &Grid<f32>) -> f64 {
    let (a_mass, _) = normalized_mass(a);
    let (b_mass, _) = normalized_mass(b);
    let mut total = 0.0;
    for k in 0..16 {
        let (sin, cos) = (std::f64::consts::PI * (f64::from(k) + 0.5) / 16.0).sin_cos();
        let mut points: Vec<(f64, f64)> = Vec::new();
        for y in 0..a.height() {
            for x in 0..a.width() {
                let at = (x as f64 + 0.5) / a.width() as f64 * cos
                    + (y as f64 + 0.5) / a.height() as f64 * sin;
                let i = y * a.width() + x;
                points.push((at, f64::from(a_mass[i]) - f64::from(b_mass[i])));
            }
        }
        points.sort_by(|p, q| p.0.total_cmp(&q.0));
        let mut cdf = 0.0;
        for pair in points.windows(2) {
            cdf += pair[0].1;
            total += cdf.abs() * (pair[1].0 - pair[0].0);
        }
    }
    total / 16.0
}

#[test]
fn dscore_equals_its_definition_and_its_batch_form() {
    let images = random_maps(1, 6, &[(9, 7), (4, 4)]);
    let mut sum = 0.0;
    for i in 0..6 {
        for j in i + 1..6 {
            sum += f64::midpoint(
                brute_sliced(&images[i][0], &images[j][0]),
                brute_sliced(&images[i][1], &images[j][1]),
            );
        }
    }
    for mode in [DScoreMode::Sliced, DScoreMode::Values] {
        let batch = DScore::of(mode, &images).unwrap();
        let mut one_by_one = DScore::new(mode);
        for maps in &images {
            one_by_one.push(maps).unwrap();
        }
        near(batch.value().unwrap(), one_by_one.value().unwrap(), 1e-9);
        if mode == DScoreMode::Sliced {
            near(batch.value().unwrap(), sum / 15.0, 1e-9);
        }
    }
}

#[test]
fn dscore_properties() {
    let images = random_maps(2, 5, &[(8, 8)]);
    let mut score = DScore::new(DScoreMode::Sliced);
    assert_eq!(score.value(), None);
    score.push(&images[0]).unwrap();
    assert_eq!(score.value(), None);
    score.push(&images[0]).unwrap();
    near(score.value().unwrap(), 0.0, 1e-12);
    let mut score = DScore::of(DScoreMode::Sliced, &images).unwrap();
    let before = score.value().unwrap();
    score.push(&images[2]).unwrap();
    assert!(score.value().unwrap() < before, "a duplicate lowers D");
    score.remove(5);
    near(score.value().unwrap(), before, 1e-12);
    let reversed: Vec<_> = images.iter().rev().cloned().collect();
    near(
        DScore::of(DScoreMode::Sliced, &reversed)
            .unwrap()
            .value()
            .unwrap(),
        before,
        1e-12,
    );
}

#[test]
fn dscore_refuses_what_does_not_fit() {
    let mut score = DScore::new(DScoreMode::Sliced);
    score.push(&random_maps(1, 1, &[(4, 4)])[0]).unwrap();
    let other_size = score.push(&random_maps(1, 1, &[(5, 4)])[0]);
    assert!(matches!(other_size, Err(DScoreError::Size { .. })));
    let more_blocks = score.push(&random_maps(1, 1, &[(4, 4), (4, 4)])[0]);
    assert!(matches!(more_blocks, Err(DScoreError::Blocks { .. })));
    assert_eq!(score.len(), 1);
}

#[test]
fn a_blank_map_counts_as_uniform() {
    let mut score = DScore::new(DScoreMode::Sliced);
    score.push(&[Grid::filled(6, 6, 0.0)]).unwrap();
    score.push(&[Grid::filled(6, 6, 3.0)]).unwrap();
    near(score.value().unwrap(), 0.0, 1e-7);
    assert_eq!(score.blank_maps(), 1);
}

#[test]
fn moving_a_spot_changes_the_sliced_distance_and_not_the_values() {
    let spot = |x: usize| Grid::from_fn(10, 1, |i, _| f32::from(u8::from(i == x)));
    let pair = [vec![spot(2)], vec![spot(5)]];
    let sliced = DScore::of(DScoreMode::Sliced, &pair)
        .unwrap()
        .value()
        .unwrap();
    // A shift by 3/10 of the width projects to 0.3 |cos θ|.
    let expected: f64 = (0..16)
        .map(|k| {
            0.3 * (std::f64::consts::PI * (f64::from(k) + 0.5) / 16.0)
                .cos()
                .abs()
        })
        .sum::<f64>()
        / 16.0;
    near(sliced, expected, 1e-9);
    near(
        DScore::of(DScoreMode::Values, &pair)
            .unwrap()
            .value()
            .unwrap(),
        0.0,
        1e-12,
    );
}

#[test]
fn w1_of_values_matches_the_textbook() {
    near(
        distance_of_sorted(&[0.0, 1.0, 3.0], &[5.0, 6.0, 8.0]),
        5.0,
        1e-12,
    );
    near(Slices::new(3, 3).distance(&[0.0; 9], &[0.0; 9]), 0.0, 0.0);
}

#[test]
fn seam_numbers() {
    let outside = Grid::from_fn(20, 20, |x, _| x < 5);
    let mut noise = Noise::new(1, 1);
    let source = Grid::from_fn(20, 20, |_, _| noise.range(100.0, 200.0) as f32);
    let patch = source.map(|v| (v - 20.0) / 1.1);
    let found = fit(&patch, &source, &outside, 255.0).unwrap();
    near(found.gain, 1.1, 1e-4);
    near(found.offset, 20.0, 1e-2);
    let nowhere = Grid::filled(20, 20, false);
    assert_eq!(fit(&patch, &source, &nowhere, 255.0), None);
    // A step at the border of a ramp is a jump of its height over the ramp's slope.
    let inside = Grid::from_fn(20, 20, |x, _| x >= 10);
    let stepped = Grid::from_fn(20, 20, |x, _| x as f32 + if x >= 10 { 4.0 } else { 0.0 });
    near(jump(&stepped, &inside).unwrap(), 5.0, 1e-6);
    assert_eq!(jump(&stepped, &Grid::filled(20, 20, true)), None);
    let two_sided = Grid::from_fn(40, 40, |x, _| {
        let sigma = if x < 20 { 2.0 } else { 1.0 };
        noise.gauss(0.0, sigma) as f32
    });
    let left = Grid::from_fn(40, 40, |x, _| x < 19);
    let right = Grid::from_fn(40, 40, |x, _| x > 20);
    near(noise_ratio(&two_sided, &left, &right).unwrap(), 4.0, 1.6);
}

#[test]
fn frechet_distance_of_clouds() {
    // Twelve rows of three features each; 1.312 772 is what SciPy's matrix square root gives.
    let rows = |row: &dyn Fn(f64) -> [f64; 3]| -> Vec<Vec<f32>> {
        (0..12)
            .map(|i| row(f64::from(i)).map(|v| v as f32).to_vec())
            .collect()
    };
    let a = rows(&|i| {
        let square = (i * i) % 7.0;
        [(1.3 * i).sin(), (0.7 * i).cos() + 0.1 * i, square / 7.0]
    });
    let b = rows(&|i| {
        let stairs = (3.0 * i) % 5.0 / 5.0 + 0.2 * (1.3 * i).sin();
        [
            0.5 * (0.9 * i).cos() + 0.3,
            (1.1 * i).sin() - 0.05 * i,
            stairs,
        ]
    });
    let (first, second) = (Cloud::of(&a).unwrap(), Cloud::of(&b).unwrap());
    near(distance(&first, &second).unwrap(), 1.312_772_365, 1e-5);
    near(distance(&second, &first).unwrap(), 1.312_772_365, 1e-5);
    near(distance(&first, &first).unwrap(), 0.0, 1e-9);
    // A shift alone is its square, whatever the covariance; fewer rows than features are no matter.
    let wide = |shift: f32| -> Vec<Vec<f32>> {
        let row = |i: usize| {
            (0..9)
                .map(|k| ((i * 7 + k * 5) % 11) as f32 + shift)
                .collect()
        };
        (0..4).map(row).collect()
    };
    let (here, there) = (
        Cloud::of(&wide(0.0)).unwrap(),
        Cloud::of(&wide(2.0)).unwrap(),
    );
    near(distance(&here, &there).unwrap(), 36.0, 1e-4);
    assert_eq!(distance(&here, &first), None);
    assert_eq!(Cloud::of(&a[..1]), None);
    assert_eq!(Cloud::of(&[vec![1.0], vec![f32::NAN]]), None);
}
