//! Which pixels a mark covers.

use super::*;
use radcanvas::document::mask::area_px;
use radcanvas::document::raster::{bounds_of, draw};
use radcanvas::document::{LayerRaster, rasterize};

fn drawn(marks: &[Mark]) -> Grid<u8> {
    let mut grid = Grid::filled(WIDTH, HEIGHT, 0);
    let all = grid.bounds();
    for mark in marks {
        draw(&mut grid, mark, all);
    }
    grid
}

fn paint(shape: Shape) -> Mark {
    mark(Layer::Mask, Operation::Paint, shape)
}

/// The aliased raster by the definition: within some disc on the way between two samples.
fn inside_by_search(points: &[StrokePoint], width: f64, p: Point, slack: f64) -> bool {
    points.windows(2).any(|pair| {
        (0..=4000).any(|i| {
            let t = f64::from(i) / 4000.0;
            let radius = |s: &StrokePoint| (width * f64::from(s.pressure) / 2.0).max(0.5);
            let r = radius(&pair[0]) * (1.0 - t) + radius(&pair[1]) * t;
            p.distance(pair[0].at * (1.0 - t) + pair[1].at * t) <= r + slack
        })
    })
}

/// Samples as x, y and pressure, and the full width.
type Case = (&'static [(f64, f64, f32)], f64);

#[test]
fn a_stroke_covers_the_hull_of_its_discs() {
    let cases: [Case; 5] = [
        (&[(5.0, 5.0, 1.0), (30.0, 20.0, 1.0)], 6.0),
        (&[(5.0, 5.0, 0.1), (30.0, 20.0, 1.0)], 14.0),
        (&[(20.0, 10.0, 1.0), (21.0, 10.5, 0.2)], 12.0),
        (
            &[(3.0, 25.0, 0.7), (35.0, 25.0, 0.7), (35.0, 3.0, 0.1)],
            5.0,
        ),
        (&[(-9.0, 8.3, 1.0), (60.0, 14.9, 1.0)], 1.0),
    ];
    for (samples, width) in cases {
        let shape = line(samples, width, false);
        let Shape::Stroke { points, .. } = &shape else {
            unreachable!()
        };
        let grid = drawn(&[paint(shape.clone())]);
        let samples: Vec<Point> = points.iter().map(|p| p.at).collect();
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let p = Point::new(x as f64, y as f64);
                let holds_sample = samples
                    .iter()
                    .any(|s| (s.x.round(), s.y.round()) == (p.x, p.y));
                let found = grid[(x, y)] == 255;
                if inside_by_search(points, width, p, -0.01) {
                    assert!(found, "{samples:?} misses {p:?}");
                }
                if found && !holds_sample {
                    assert!(
                        inside_by_search(points, width, p, 0.01),
                        "{samples:?} covers {p:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn dots_have_the_area_of_their_disc() {
    for width in [1.0, 4.0, 9.0, 24.0] {
        let area = std::f64::consts::PI * width * width / 4.0;
        let smooth = drawn(&[paint(line(&[(20.0, 15.0, 1.0)], width, true))]);
        let covered = smooth.cells().iter().map(|v| f64::from(*v)).sum::<f64>() / 255.0;
        assert!(
            (covered - area).abs() < 0.05 * area + 0.3,
            "{width}: {covered} for {area}"
        );
        let aliased = drawn(&[paint(line(&[(20.0, 15.0, 1.0)], width, false))]);
        assert!(aliased.cells().iter().all(|v| matches!(v, 0 | 255)));
        assert_eq!(aliased[(20, 15)], 255);
    }
}

#[test]
fn thin_lines_have_no_gaps() {
    for slope in 0..10 {
        let end = f64::from(slope) * 2.5;
        let grid = drawn(&[paint(line(
            &[(0.3, 2.4, 1.0), (39.0, end, 1.0)],
            0.2,
            false,
        ))]);
        for x in 0..WIDTH {
            assert!(
                (0..HEIGHT).any(|y| grid[(x, y)] == 255),
                "slope {slope}, column {x}"
            );
        }
    }
}

#[test]
fn erase_takes_from_what_lies_below_only() {
    let bar = |x: f64, operation| {
        let (from, to) = (Point::new(x, 0.0), Point::new(x + 9.0, 9.0));
        mark(Layer::Mask, operation, Shape::Rectangle { from, to })
    };
    let (paint, erase) = (bar(0.0, Operation::Paint), bar(5.0, Operation::Erase));
    let count = |marks: &[Mark]| area_px(&drawn(marks));
    assert_eq!(count(&[paint.clone(), erase.clone()]), 50);
    assert_eq!(count(&[erase.clone(), paint.clone()]), 100);
    assert_eq!(
        count(&[paint.clone(), erase, bar(5.0, Operation::Paint)]),
        150
    );
}

#[test]
fn polygons_follow_the_even_odd_rule() {
    let outline = |points: &[(f64, f64)]| Shape::Polygon {
        points: points.iter().map(|(x, y)| Point::new(*x, *y)).collect(),
    };
    // A star of five points has a hole in the middle, and its tips are filled.
    let tip = |k: i32| {
        let angle = f64::from(k * 2) * std::f64::consts::TAU / 5.0;
        (20.0 + 14.0 * angle.sin(), 15.0 - 14.0 * angle.cos())
    };
    let star = drawn(&[paint(outline(&[0, 1, 2, 3, 4].map(tip)))]);
    assert_eq!((star[(20, 15)], star[(20, 4)], star[(20, 25)]), (0, 255, 0));
    let square = drawn(&[paint(outline(&[
        (2.0, 3.0),
        (12.0, 3.0),
        (12.0, 8.0),
        (2.0, 8.0),
    ]))]);
    assert_eq!(area_px(&square), 10 * 5);
    // Neighbors that share an edge neither overlap nor leave a gap.
    let next = outline(&[(12.0, 3.0), (20.0, 3.0), (20.0, 8.0), (12.0, 8.0)]);
    let next = drawn(&[paint(next)]);
    assert!(
        square
            .cells()
            .iter()
            .zip(next.cells())
            .all(|(a, b)| a & b == 0)
    );
    assert_eq!((square[(11, 5)], next[(12, 5)]), (255, 255));
}

#[test]
fn a_large_dab_touches_its_rectangle_only() {
    let mut document = Document::new(Arc::new(Radiograph::from_pixels(Pixels::U8(Grid::filled(
        4096, 4096, 0,
    )))));
    let mut raster = LayerRaster::new(Layer::Mask, 4096, 4096);
    assert!(raster.update(&document).is_empty());
    document
        .apply(&add(line(&[(2000.0, 900.0, 1.0)], 500.0, true)))
        .unwrap();
    let dirty = raster.update(&document);
    assert!(dirty.width <= 504 && dirty.height <= 504 && dirty.contains(2000, 900));
    assert_eq!((raster.generation(), raster.grid()[(2000, 900)]), (1, 255));
    assert!(raster.update(&document).is_empty() && raster.generation() == 1);
}

#[test]
fn wild_numbers_are_survived() {
    for far in [1e9, -1e18, 1e300, f64::MAX] {
        for width in [1.0, 1e12, f64::MAX] {
            for smooth in [false, true] {
                drawn(&[paint(line(
                    &[(0.0, 0.0, 1.0), (far, -far, 0.3)],
                    width,
                    smooth,
                ))]);
            }
        }
        let points = vec![
            Point::new(far, 0.0),
            Point::new(0.0, far),
            Point::new(3.0, 3.0),
        ];
        drawn(&[paint(Shape::Polygon { points })]);
    }
    let bounds = PixelRect::new(i64::MAX, i64::MIN, 1, 1);
    let inside = Grid::filled(1, 1, 255);
    drawn(&[paint(Shape::Region { bounds, inside })]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_mark_stays_in_its_bounds(shape in shape()) {
        let mark = paint(shape);
        let bounds = bounds_of(&mark);
        let grid = drawn(std::slice::from_ref(&mark));
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                prop_assert!(grid[(x, y)] == 0 || bounds.contains(x as i64, y as i64));
            }
        }
    }

    #[test]
    fn a_split_stroke_is_the_whole(points in samples(), at in 0..8_usize, width in 0.2..15.0_f64, smooth: bool, tip in tip()) {
        prop_assume!(at < points.len() && points.len() > 1);
        let of = |points: &[StrokePoint]| paint(Shape::Stroke { points: points.to_vec(), width, smooth, tip });
        let parts: Vec<Mark> = [&points[..=at], &points[at..]]
            .into_iter()
            .filter(|part| part.len() > 1)
            .map(of)
            .collect();
        prop_assert_eq!(drawn(&parts).cells().to_vec(), drawn(&[of(&points)]).into_cells());
    }

    #[test]
    fn the_raster_that_follows_is_the_raster(edits in prop::collection::vec(edit(), 1..20)) {
        let mut document = film();
        let mut raster = LayerRaster::new(Layer::Mask, WIDTH, HEIGHT);
        for edit in edits {
            let _ = document.apply(&edit);
            let before = raster.grid().clone();
            let dirty = raster.update(&document);
            let truth = rasterize(&document, Layer::Mask);
            prop_assert_eq!(raster.grid().cells(), truth.cells());
            for y in 0..HEIGHT {
                for x in 0..WIDTH {
                    let same = before[(x, y)] == truth[(x, y)];
                    prop_assert!(same || dirty.contains(x as i64, y as i64));
                }
            }
        }
    }
}
