//! Views and masks that a generator is taught with: where things are said to be, there they are.

use radcanvas::geometry::{PixelRect, Point};
use radcanvas::grid::Grid;
use radcanvas::network::folder::{Context, DiffusionConfig};
use radcanvas::noise::Noise;
use radcanvas::signal::fill::filled;
use radcanvas::training::data::augment::View;
use radcanvas::training::data::{CLOSE, Example, Facts, WHOLE, fixed_view, mask_of, said_of_mask};

const FILM: usize = 512;
const SIZE: usize = 256;

/// A black film with one bright square, which is a mass.
fn example(square: PixelRect) -> Example {
    let inside = |x: usize, y: usize| square.contains(x as i64, y as i64);
    let image = Grid::from_fn(FILM, FILM, |x, y| if inside(x, y) { 255 } else { 20 });
    let low = Point::new(square.x as f64 - 0.5, square.y as f64 - 0.5);
    let high = Point::new(square.right() as f64 - 0.5, square.bottom() as f64 - 0.5);
    let facts = Facts {
        findings: vec![("mass".to_owned(), true), ("dense".to_owned(), true)],
        places: vec![("mass".to_owned(), [low, high])],
        spacing_mm: Some(0.4),
        ..Facts::default()
    };
    Example { image, facts }
}

/// The box about what is bright, pixels.
fn bright(view: &View) -> Option<[Point; 2]> {
    let (width, height) = view.image.size();
    let cells = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let mut found: Option<[Point; 2]> = None;
    for (x, y) in cells.filter(|at| view.image[*at] > 0.2) {
        let at = Point::new(x as f64, y as f64);
        let [low, high] = found.get_or_insert([at, at]);
        *low = Point::new(low.x.min(at.x), low.y.min(at.y));
        *high = Point::new(high.x.max(at.x), high.y.max(at.y));
    }
    found
}

#[test]
fn places_move_with_every_view_of_a_larger_film() {
    let example = example(PixelRect::new(200, 260, 60, 40));
    for n in 0..6 {
        let mut sizes = Vec::new();
        for number in 0..WHOLE + CLOSE {
            let view = fixed_view(&example, n, number, SIZE);
            assert_eq!(view.image.size(), (SIZE, SIZE));
            assert_eq!(view.image, fixed_view(&example, n, number, SIZE).image);
            let [low, high] = view.facts.places[0].1;
            sizes.push(high.x - low.x);
            // Only a view that has all of it can be compared.
            let within = |v: f64| (1.0..SIZE as f64 - 2.0).contains(&v);
            if ![low.x, low.y, high.x, high.y].into_iter().all(within) {
                continue;
            }
            let [from, to] = bright(&view).expect("the square is in the view");
            for (a, b) in [
                (low.x, from.x),
                (low.y, from.y),
                (high.x, to.x),
                (high.y, to.y),
            ] {
                assert!(
                    (a - b).abs() < 4.0,
                    "view {number} of {n}: {low:?} {high:?} {from:?} {to:?}"
                );
            }
        }
        assert!((sizes[0] - 30.0).abs() < 0.1, "{sizes:?}");
        // Close views are close.
        assert!(
            sizes[2] > 1.15 * sizes[0] && sizes[3] > 1.15 * sizes[0],
            "{sizes:?}"
        );
    }
}

#[test]
fn a_film_of_the_size_of_training_is_seen_as_it_is() {
    let example = example(PixelRect::new(10, 20, 30, 40));
    let view = fixed_view(&example, 3, 0, FILM);
    assert_eq!(
        view.image,
        example.image.map(|v| f32::from(*v) / 127.5 - 1.0)
    );
    assert_eq!(view.facts, example.facts);
}

#[test]
fn masks_are_painted_about_findings_more_often_than_not() {
    let example = example(PixelRect::new(200, 260, 60, 40));
    let view = fixed_view(&example, 0, 0, SIZE);
    let middle = |mask: &Grid<u8>| mask[(115, 140)] > 0;
    let mut about = 0;
    for seed in 0..200 {
        let mask = mask_of(&view, &mut Noise::new(seed, 0));
        let painted = mask.cells().iter().filter(|v| **v > 0).count();
        // 30 by 20 pixels, 1.05 to 1.7 times as long, and an ellipse wider than the box.
        about += usize::from(middle(&mask) && (400..4000).contains(&painted));
    }
    assert!((100..180).contains(&about), "{about} of 200");
}

#[test]
fn what_is_said_of_a_mask_is_said_of_what_it_covers() {
    let facts = example(PixelRect::new(20, 20, 40, 40)).facts;
    let small_at = |x: i64, y: i64| {
        let disc = PixelRect::new(x, y, 60, 60);
        Grid::from_fn(FILM, FILM, |x, y| {
            if disc.contains(x as i64, y as i64) {
                255
            } else {
                0
            }
        })
    };
    let said = |mask: &Grid<u8>, seed: u64| {
        let mut facts = facts.clone();
        said_of_mask(&mut facts, mask, &mut Noise::new(seed, 0));
        assert!(
            facts.findings.contains(&("dense".to_owned(), true)),
            "has no place"
        );
        let mass = facts.findings.iter().find(|(name, _)| name == "mass");
        mass.map(|(_, present)| *present)
    };
    let large = small_at(300, 300).map(|v| 255 - v);
    let (mut absent, mut unsaid) = (0, 0);
    for seed in 0..40 {
        assert_eq!(said(&small_at(10, 10), seed), Some(true));
        assert_eq!(said(&large, seed), Some(true), "renewed with all else");
        match said(&small_at(300, 300), seed) {
            Some(false) => absent += 1,
            None => unsaid += 1,
            Some(true) => panic!("the mask is elsewhere"),
        }
        let kept = small_at(10, 10).map(|v| 255 - v);
        assert_eq!(
            said(&kept, seed),
            None,
            "kept, and most of the picture renewed"
        );
    }
    assert!(absent > 8 && unsaid > 8, "{absent} {unsaid}");
}

#[test]
fn a_hole_is_filled_smoothly_from_around_it() {
    let slope = Grid::from_fn(90, 70, |x, y| x as f32 + 0.5 * y as f32);
    let hole = Grid::from_fn(90, 70, |x, y| {
        let inside = (x as f64 - 45.0).hypot(y as f64 - 30.0) < 20.0;
        u8::from(inside)
    });
    let mut blinded = slope.clone();
    for (value, hole) in blinded.cells_mut().iter_mut().zip(hole.cells()) {
        if *hole > 0 {
            *value = 1e6;
        }
    }
    let whole = filled(&blinded, &hole, 0.0);
    let mut most = 0.0_f32;
    for ((whole, slope), hole) in whole.cells().iter().zip(slope.cells()).zip(hole.cells()) {
        if *hole > 0 {
            most = most.max((whole - slope).abs());
        } else {
            assert_eq!(whole, slope, "what is known stays");
        }
    }
    // From one side of the hole to the other it is 40 columns.
    assert!(most < 16.0, "{most}");
    let flat = filled(&slope.map(|_| 7.0), &hole, 0.0);
    assert!(flat.cells().iter().all(|v| (v - 7.0).abs() < 1e-4));
    let unknown = filled(&slope, &hole.map(|_| 1), -3.0);
    assert!(unknown.cells().iter().all(|v| *v == -3.0));
    let empty = filled(&Grid::filled(0, 0, 0.0), &Grid::filled(0, 0, 0), 0.0);
    assert_eq!(empty.size(), (0, 0));
}

#[test]
fn a_model_without_a_word_about_its_context_was_shown_grey() {
    let mut value = serde_json::to_value(DiffusionConfig::tiny()).unwrap();
    assert_eq!(value["context"], "grey");
    value.as_object_mut().unwrap().remove("context");
    let old: DiffusionConfig = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(old.context, Context::Grey);
    value["context"] = "filled".into();
    let new: DiffusionConfig = serde_json::from_value(value).unwrap();
    let image = Grid::filled(64, 64, 0.8_f32);
    let mask = Grid::from_fn(64, 64, |x, _| if x > 30 { 255 } else { 0 });
    assert_eq!(old.context.of(&image, &mask, 0.5)[(40, 5)], 0.5);
    assert!((new.context.of(&image, &mask, 0.5)[(40, 5)] - 0.8).abs() < 1e-6);
}
