//! Strokes of a square tip: their rasters to the last bit, and projects with and without them.

use super::*;
use radcanvas::document::raster::draw;
use radcanvas::document::{Project, rasterize};
use std::fs;

fn square(points: &[(f64, f64, f32)], width: f64) -> Shape {
    let Shape::Stroke { points, smooth, .. } = line(points, width, false) else {
        unreachable!()
    };
    Shape::Stroke {
        points,
        width,
        smooth,
        tip: Tip::Square,
    }
}

fn drawn(shape: Shape) -> Grid<u8> {
    let mut grid = Grid::filled(WIDTH, HEIGHT, 0);
    let all = grid.bounds();
    draw(&mut grid, &mark(Layer::Mask, Operation::Paint, shape), all);
    grid
}

/// Parts of a pixel in which the cases below are whole numbers.
const PARTS: f64 = 1_048_576.0;
/// How fine "just beside" is: far finer than the distance of two rational numbers of this size.
const FINE: i128 = 1 << 30;

fn whole(value: f64) -> i128 {
    let parts = value * PARTS;
    assert_eq!(parts.fract(), 0.0, "{value} is no multiple of a part");
    parts as i128
}

type Corner = (i128, i128);

fn turn(o: Corner, a: Corner, b: Corner) -> i128 {
    (a.0 - o.0) * (b.1 - o.1) - (a.1 - o.1) * (b.0 - o.0)
}

/// The convex hull of corners, in order (Andrew's monotone chain), in whole numbers.
fn hull(mut corners: Vec<Corner>) -> Vec<Corner> {
    corners.sort_unstable();
    corners.dedup();
    let half = |corners: &mut dyn Iterator<Item = Corner>| {
        let mut chain: Vec<Corner> = Vec::new();
        for corner in corners {
            while let [.., a, b] = chain[..]
                && turn(a, b, corner) <= 0
            {
                chain.pop();
            }
            chain.push(corner);
        }
        chain.pop();
        chain
    };
    let mut all = half(&mut corners.iter().copied());
    all.extend(half(&mut corners.iter().rev().copied()));
    all
}

/// The raster by its definition: a pixel belongs to a segment when its center lies in the hull of the two squares, the
/// lower and the right edge left out. No number is rounded.
fn by_definition(samples: &[(f64, f64, f32)], width: f64) -> Grid<u8> {
    let corners = |(x, y, pressure): (f64, f64, f32)| {
        let half = whole((width * f64::from(pressure) / 2.0).max(0.5));
        let (x, y) = (whole(x), whole(y));
        [(-1, -1), (1, -1), (1, 1), (-1, 1)]
            .map(|(sx, sy)| ((x + sx * half) * FINE, (y + sy * half) * FINE))
    };
    let ends: Vec<[(f64, f64, f32); 2]> = match samples {
        [only] => vec![[*only, *only]],
        more => more.windows(2).map(|pair| [pair[0], pair[1]]).collect(),
    };
    let segments: Vec<(Vec<Corner>, i128)> = ends
        .into_iter()
        .filter(|[a, b]| a.2 > 0.0 || b.2 > 0.0)
        .map(|[a, b]| {
            let all: Vec<Corner> = corners(a).into_iter().chain(corners(b)).collect();
            let bottom = all.iter().map(|corner| corner.1).max().unwrap();
            (hull(all), bottom)
        })
        .collect();
    let inside = |hull: &[Corner], at: Corner| {
        (0..hull.len()).all(|n| turn(hull[n], hull[(n + 1) % hull.len()], at) >= 0)
    };
    Grid::from_fn(WIDTH, HEIGHT, |x, y| {
        let at = (whole(x as f64) * FINE, whole(y as f64) * FINE);
        let beside = (at.0 + 1, at.1);
        let belongs = |(hull, bottom): &(Vec<Corner>, i128)| {
            at.1 < *bottom && inside(hull, at) && inside(hull, beside)
        };
        u8::from(segments.iter().any(belongs)) * 255
    })
}

#[test]
fn a_square_of_n_pixels_covers_n_columns_and_rows_wherever_it_is_set_down() {
    for width in [1_u32, 2, 3, 4, 7, 12] {
        for (x, y) in [(20.0, 15.0), (20.5, 15.5), (19.25, 14.875), (20.0, 15.5)] {
            let grid = drawn(square(&[(x, y, 1.0)], f64::from(width)));
            let rows: Vec<usize> = (0..HEIGHT)
                .map(|y| {
                    grid.row(y)
                        .iter()
                        .map(|cell| usize::from(*cell) / 255)
                        .sum()
                })
                .filter(|count| *count > 0)
                .collect();
            assert_eq!(
                rows,
                vec![width as usize; width as usize],
                "{width} at {x} {y}"
            );
        }
    }
    // Half the pressure, half the side; none, nothing; and never less than a pixel.
    let area = |pressure, width| {
        let grid = drawn(square(&[(20.25, 15.25, pressure)], width));
        grid.cells().iter().filter(|cell| **cell != 0).count()
    };
    assert_eq!(
        [
            area(0.5, 8.0),
            area(0.0, 8.0),
            area(0.01, 8.0),
            area(1.0, 0.2)
        ],
        [16, 0, 1, 1]
    );
}

#[test]
fn a_square_stroke_is_what_its_definition_says_to_the_last_bit() {
    let cases: [(&[(f64, f64, f32)], f64); 8] = [
        (&[(5.0, 5.0, 1.0), (30.0, 5.0, 1.0)], 4.0),
        (&[(5.0, 5.0, 1.0), (5.0, 25.0, 1.0)], 5.0),
        // On a diagonal, edges run through the middles of pixels.
        (&[(6.0, 6.0, 1.0), (22.0, 22.0, 1.0)], 4.0),
        (&[(22.0, 6.0, 1.0), (6.0, 22.0, 1.0)], 4.0),
        (&[(8.0, 20.0, 0.25), (32.0, 8.0, 1.0)], 8.0),
        (&[(20.0, 15.0, 1.0), (21.0, 15.0, 0.25)], 16.0),
        (&[(-9.0, 8.25, 1.0), (60.0, 14.75, 1.0)], 1.0),
        (
            &[
                (3.0, 25.0, 0.5),
                (35.0, 25.0, 0.5),
                (35.5, 3.0, 0.0),
                (9.0, 9.0, 0.0),
            ],
            6.0,
        ),
    ];
    for (samples, width) in cases {
        let found = drawn(square(samples, width));
        assert!(
            found == by_definition(samples, width),
            "{samples:?} {width}"
        );
    }
    // Any others: positions, widths and pressures in whole parts, so that the definition is exact.
    let mut noise = radcanvas::noise::Noise::new(11, 0);
    let mut covered = 0;
    for case in 0..400 {
        let part = |value: f64| (value * PARTS / 64.0).round() * 64.0 / PARTS;
        let count = 1 + noise.index(4);
        let samples: Vec<(f64, f64, f32)> = (0..count)
            .map(|_| {
                let at = (part(noise.range(-8.0, 48.0)), part(noise.range(-8.0, 38.0)));
                (at.0, at.1, noise.index(17) as f32 / 16.0)
            })
            .collect();
        let width = part(noise.range(0.25, 14.0));
        let found = drawn(square(&samples, width));
        covered += found.cells().iter().filter(|cell| **cell != 0).count();
        assert!(
            found == by_definition(&samples, width),
            "case {case}: {samples:?} {width}"
        );
    }
    assert!(covered > 10_000, "{covered}");
}

#[test]
fn a_square_is_erased_by_a_square_and_its_edge_is_never_soft() {
    let mut grid = drawn(square(&[(8.0, 8.0, 1.0), (30.0, 20.0, 1.0)], 6.0));
    let erase = mark(
        Layer::Mask,
        Operation::Erase,
        square(&[(8.0, 8.0, 1.0), (30.0, 20.0, 1.0)], 6.0),
    );
    let all = grid.bounds();
    draw(&mut grid, &erase, all);
    assert!(grid.cells().iter().all(|cell| *cell == 0));
    let Shape::Stroke {
        points, width, tip, ..
    } = square(&[(9.3, 9.7, 1.0), (20.1, 14.4, 0.5)], 7.0)
    else {
        unreachable!()
    };
    let of = |smooth| Shape::Stroke {
        points: points.clone(),
        width,
        smooth,
        tip,
    };
    assert!(drawn(of(true)) == drawn(of(false)));
}

#[test]
fn wild_squares_are_survived() {
    for far in [1e9, -1e18, 1e300, f64::MAX] {
        for width in [1.0, 1e12, f64::MAX] {
            drawn(square(&[(0.0, 0.0, 1.0), (far, -far, 0.25)], width));
            drawn(square(&[(far, far, 1.0)], width));
        }
    }
}

#[test]
fn square_strokes_survive_a_project_and_round_ones_are_written_as_they_always_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case");
    let mut project = Project::create(&path, film()).unwrap();
    project
        .apply(add(square(&[(3.0, 4.0, 1.0), (20.0, 9.0, 0.5)], 5.0)))
        .unwrap();
    project.apply(stroke(1.0)).unwrap();
    let now = project.document().clone();
    drop(project);
    let journal = path.join("journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    assert_eq!(text.matches("\"tip\":\"square\"").count(), 1, "{text}");
    assert_eq!(
        text.matches("\"tip\"").count(),
        1,
        "a round tip is not written"
    );
    let (project, repairs) = Project::open(&path).unwrap();
    assert_eq!((repairs, project.document()), (Vec::new(), &now));
    let mask = rasterize(project.document(), Layer::Mask);
    assert!(mask == rasterize(&now, Layer::Mask));
    drop(project);
    // A stroke as it was written before there were tips.
    let old =
        r#"{"stroke":{"points":[{"at":[3.0,4.0],"pressure":1.0}],"width":5.0,"smooth":false}}"#;
    let shape: Shape = serde_json::from_str(old).unwrap();
    let Shape::Stroke { tip, .. } = &shape else {
        panic!("a stroke");
    };
    assert_eq!(*tip, Tip::Round);
    assert_eq!(serde_json::to_string(&shape).unwrap(), old);
}
