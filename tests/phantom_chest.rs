use radcanvas::grid::Grid;
use radcanvas::phantom::chest::{self, ChestOptions, ChestView, FINDINGS, FindingRequest};

fn options(findings: &[(&str, Option<f64>)]) -> ChestOptions {
    ChestOptions {
        size_px: 128,
        findings: Some(
            findings
                .iter()
                .map(|(name, size_mm)| FindingRequest {
                    name: (*name).to_owned(),
                    place: None,
                    size_mm: *size_mm,
                })
                .collect(),
        ),
        devices: Some(false),
        ..ChestOptions::default()
    }
}

fn area(mask: &Grid<u8>) -> usize {
    mask.cells().iter().filter(|v| **v > 0).count()
}

#[test]
fn one_seed_is_one_film() {
    let asked = ChestOptions {
        size_px: 96,
        ..ChestOptions::default()
    };
    let (a, b) = (chest::draw(7, &asked), chest::draw(7, &asked));
    assert_eq!(a.image, b.image);
    assert_eq!((a.outlines, a.numbers), (b.outlines, b.numbers));
    assert_ne!(a.image, chest::draw(8, &asked).image);
}

#[test]
fn attributes_asked_for_are_drawn() {
    for (view, name) in [(ChestView::Pa, "PA"), (ChestView::Ap, "AP")] {
        for sex in ['M', 'F'] {
            let film = chest::draw(
                3,
                &ChestOptions {
                    size_px: 64,
                    view: Some(view),
                    age_years: Some(61.0),
                    sex: Some(sex),
                    ..ChestOptions::default()
                },
            );
            assert_eq!(
                (film.view.as_str(), film.sex, film.age_years),
                (name, sex, 61.0)
            );
            assert_eq!(film.labels.len(), FINDINGS.len());
            assert!(film.image.cells().iter().all(|v| *v <= 4095));
        }
    }
}

#[test]
fn odd_requests_are_no_panic() {
    let mut asked = options(&[
        ("nodule", Some(f64::NAN)),
        ("unknown", None),
        ("mass", Some(-4.0)),
    ]);
    asked.size_px = 0;
    asked.age_years = Some(f64::INFINITY);
    asked.sex = Some('x');
    if let Some(findings) = &mut asked.findings {
        findings[0].place = Some(radcanvas::geometry::Point::new(9.0, f64::NAN));
        findings[2].place = Some(radcanvas::geometry::Point::new(1.0, 1.0));
    }
    let film = chest::draw(1, &asked);
    assert_eq!(film.image.size(), (32, 32));
    assert!(!film.labels.contains_key("unknown"));
}

#[test]
fn a_healthy_chest_has_lungs_heart_and_lines() {
    for seed in 0..6 {
        let film = chest::draw(seed, &options(&[]));
        assert!(film.findings.is_empty() && film.labels.values().all(|v| !v));
        for name in ["right lung", "left lung", "heart", "ribs", "clavicles"] {
            assert!(area(&film.masks[name]) > 128, "seed {seed}: {name}");
        }
        for name in [
            "right lung",
            "heart",
            "left diaphragm",
            "trachea",
            "left clavicle",
            "right rib 6",
        ] {
            assert!(
                film.outlines
                    .iter()
                    .any(|o| o.name == name && o.points.len() > 5),
                "seed {seed}: {name}"
            );
        }
        // Lung is darker than heart.
        let mean = |mask: &Grid<u8>| {
            let inside = film.image.cells().iter().zip(mask.cells());
            let sum: f64 = inside
                .filter(|(_, m)| **m > 0)
                .map(|(v, _)| f64::from(*v))
                .sum();
            sum / area(mask) as f64
        };
        let (lung, heart) = (mean(&film.masks["right lung"]), mean(&film.masks["heart"]));
        assert!(lung + 200.0 < heart, "seed {seed}: {lung} and {heart}");
    }
}

#[test]
fn every_finding_has_truth() {
    for name in FINDINGS {
        let mut there = 0;
        for seed in 10..14 {
            let film = chest::draw(seed, &options(&[(name, None)]));
            let found: Vec<_> = film.findings.iter().filter(|f| f.label == name).collect();
            assert_eq!(film.labels[name], !found.is_empty(), "{name} {seed}");
            there += usize::from(found.iter().any(|f| !f.bounds.is_empty()));
        }
        assert!(there >= 3, "{name}: {there} of 4");
    }
}

#[test]
fn a_large_heart_has_a_large_ratio() {
    for seed in 20..26 {
        let ratio = |asked: &[(&str, Option<f64>)]| chest::draw(seed, &options(asked)).numbers["cardiothoracic_ratio"];
        let (healthy, large) = (ratio(&[]), ratio(&[("cardiomegaly", None)]));
        assert!(
            healthy < 0.60 && (0.51..0.80).contains(&large),
            "seed {seed}: {healthy}, {large}"
        );
        assert!(large > healthy, "seed {seed}");
    }
}

#[test]
fn a_nodule_changes_the_primary_beam_only_within_itself() {
    for seed in 30..34 {
        let asked = options(&[("nodule", Some(24.0))]);
        let before = chest::primary(seed, &options(&[]));
        let after = chest::primary(seed, &asked);
        let film = chest::draw(seed, &asked);
        let bounds = film.findings[0].bounds.grown(2);
        let mut changed = 0;
        for y in 0..before.height() {
            for x in 0..before.width() {
                let more = after[(x, y)] - before[(x, y)];
                let inside = bounds.contains(x as i64 / 2, y as i64 / 2);
                // Spicules may leave the box of the body by its radius.
                let near = bounds.grown(16).contains(x as i64 / 2, y as i64 / 2);
                assert!(near || more == 0.0, "seed {seed} at {x}, {y}: {more}");
                changed += usize::from(inside && more > 0.02);
            }
        }
        assert!(changed > 20, "seed {seed}: {changed}");
        let diameter = film.numbers["nodule_diameter_mm"] / film.spacing_mm;
        let width = film.findings[0].bounds.width as f64;
        assert!(
            (0.5..1.6).contains(&(width / diameter)),
            "seed {seed}: {width} of {diameter}"
        );
    }
}

#[test]
fn free_air_darkens_one_side_and_fluid_brightens() {
    for (name, sign) in [
        ("pneumothorax", -1.0),
        ("effusion", 1.0),
        ("consolidation", 1.0),
    ] {
        for seed in 40..43 {
            let asked = options(&[(name, None)]);
            let before = chest::primary(seed, &options(&[]));
            let after = chest::primary(seed, &asked);
            let film = chest::draw(seed, &asked);
            let Some(mask) = film.masks.get(name) else {
                panic!("{name} {seed}: no mask");
            };
            let mut sum = 0.0;
            for y in 0..mask.height() {
                for x in 0..mask.width() {
                    if mask[(x, y)] > 0 {
                        sum += f64::from(after[(2 * x, 2 * y)] - before[(2 * x, 2 * y)]);
                    }
                }
            }
            let mean = sum / area(mask).max(1) as f64;
            assert!(mean * sign > 0.01, "{name} {seed}: {mean}");
        }
    }
}
