//! Breast, jaw and brain: one seed one film, truth that fits the pixels, attributes that change the anatomy.

use radcanvas::grid::Grid;
use radcanvas::phantom::brain::{self, BrainOptions, Contrast};
use radcanvas::phantom::breast::{self, BreastOptions, BreastStyle, BreastView};
use radcanvas::phantom::jaw::{self, JawOptions};
use radcanvas::phantom::{self, FindingRequest, Phantom};

fn asked(name: &str, size_mm: Option<f64>) -> Vec<FindingRequest> {
    vec![FindingRequest {
        name: name.to_owned(),
        place: None,
        size_mm,
    }]
}

fn area(mask: &Grid<u8>) -> usize {
    mask.cells().iter().filter(|v| **v > 0).count()
}

/// Mean grey where a mask is set.
fn grey_in(film: &Phantom, mask: &str) -> f64 {
    let mask = &film.masks[mask];
    let inside = film.image.cells().iter().zip(mask.cells());
    let inside: Vec<f64> = inside
        .filter(|(_, m)| **m > 0)
        .map(|(v, _)| f64::from(*v))
        .collect();
    inside.iter().sum::<f64>() / inside.len() as f64
}

#[test]
fn one_seed_is_one_film_of_every_kind() {
    for kind in phantom::KINDS {
        let a = phantom::draw(kind, 5, 96).unwrap();
        let b = phantom::draw(kind, 5, 96).unwrap();
        assert_eq!(
            (&a.image, &a.numbers, &a.masks),
            (&b.image, &b.numbers, &b.masks),
            "{kind}"
        );
        assert_ne!(a.image, phantom::draw(kind, 6, 96).unwrap().image, "{kind}");
        assert_eq!(a.kind, kind);
        assert_eq!(a.image.width(), 96);
        assert!(a.image.cells().iter().all(|v| *v <= 4095));
    }
    assert!(phantom::draw("foot", 1, 96).is_none());
}

#[test]
fn truth_lies_on_the_film() {
    for kind in phantom::KINDS {
        for seed in 0..4 {
            let film = phantom::draw(kind, seed, 128).unwrap();
            for name in phantom::findings_of(kind).unwrap() {
                assert!(film.labels.contains_key(*name), "{kind}: no label {name}");
            }
            for (name, mask) in &film.masks {
                assert_eq!(mask.size(), film.image.size(), "{kind} {name}");
                assert!(mask.cells().iter().all(|v| *v == 0 || *v == 255));
            }
            for finding in &film.findings {
                let inside = finding.bounds.intersection(film.image.bounds());
                assert_eq!(inside, finding.bounds, "{kind} {}", finding.label);
                assert!(finding.bounds.width > 0 && finding.bounds.height > 0);
            }
            assert!(film.outlines.len() >= 3, "{kind}");
            for outline in &film.outlines {
                assert!(
                    outline
                        .points
                        .iter()
                        .all(|p| p.x.is_finite() && p.y.is_finite())
                );
            }
            assert!(film.numbers.values().all(|v| v.is_finite()), "{kind}");
        }
    }
}

#[test]
fn a_label_is_a_mask_and_the_other_way_round() {
    let focal = [
        ("breast", &["mass", "spiculated", "calcifications"][..]),
        (
            "jaw",
            &["caries", "filling", "apical_lesion", "impacted", "implant"],
        ),
        ("brain-ct", &["tumor", "stroke", "hemorrhage", "sclerosis"]),
    ];
    for (kind, names) in focal {
        for seed in 0..12 {
            let film = phantom::draw(kind, seed, 128).unwrap();
            for name in names {
                assert_eq!(
                    film.labels[*name],
                    film.masks.contains_key(*name),
                    "{kind} {seed} {name}"
                );
            }
        }
    }
}

fn breast(findings: Option<Vec<FindingRequest>>) -> BreastOptions {
    BreastOptions {
        size_px: 128,
        view: Some(BreastView::Cc),
        style: Some(BreastStyle::Film),
        density: Some(0.2),
        findings,
        ..BreastOptions::default()
    }
}

#[test]
fn a_mass_changes_its_own_place_only() {
    let healthy = breast::primary(3, &breast(Some(Vec::new())));
    let ill = breast::primary(3, &breast(Some(asked("mass", Some(24.0)))));
    let film = breast::draw(3, &breast(Some(asked("mass", Some(24.0)))));
    let mask = &film.masks["mass"];
    let bounds = film
        .findings
        .iter()
        .find(|f| f.label == "mass")
        .unwrap()
        .bounds;
    let (mut outside, mut inside) = (0.0_f32, 0.0_f32);
    for y in 0..healthy.height() {
        for x in 0..healthy.width() {
            let change = (ill[(x, y)] - healthy[(x, y)]).abs();
            let near = (x as i64 / 2 - bounds.x).clamp(-4, bounds.width as i64 + 3)
                == x as i64 / 2 - bounds.x
                && (y as i64 / 2 - bounds.y).clamp(-4, bounds.height as i64 + 3)
                    == y as i64 / 2 - bounds.y;
            if near {
                inside = inside.max(change);
            } else {
                outside = outside.max(change);
            }
        }
    }
    assert!(inside > 0.15, "a mass of 24 mm adds only {inside}");
    assert!(outside < 1e-4, "{outside} outside of the mass");
    // A disc of 24 mm, give or take its waves and margin.
    let wanted = std::f64::consts::PI * 144.0 / film.spacing_mm.powi(2);
    let ratio = area(mask) as f64 / wanted;
    assert!((0.6..1.5).contains(&ratio), "area {ratio} of a disc");
}

#[test]
fn density_is_what_was_asked_for() {
    for density in [0.1, 0.35, 0.6] {
        let film = breast::draw(
            9,
            &BreastOptions {
                size_px: 128,
                density: Some(density),
                findings: Some(Vec::new()),
                ..BreastOptions::default()
            },
        );
        let drawn = film.numbers["density_percent"] / 100.0;
        assert!((drawn - density).abs() < 0.06, "{drawn}, wanted {density}");
    }
}

#[test]
fn views_and_sides_of_the_breast() {
    for left in [true, false] {
        let film = breast::draw(
            4,
            &BreastOptions {
                size_px: 96,
                view: Some(BreastView::Mlo),
                left: Some(left),
                ..BreastOptions::default()
            },
        );
        assert_eq!(film.view, "MLO");
        // The chest wall of the left breast is at the left edge, and so is the muscle.
        let muscle = &film.masks["pectoral"];
        let columns = |range: std::ops::Range<usize>| -> usize {
            (0..96)
                .map(|y| range.clone().filter(|x| muscle[(*x, y)] > 0).count())
                .sum()
        };
        let (west, east) = (columns(0..48), columns(48..96));
        assert_eq!(west > east, left, "{west} {east}");
    }
    let cc = breast::draw(4, &breast(None));
    assert!(!cc.masks.contains_key("pectoral"));
}

#[test]
fn canals_run_in_the_mandible_and_are_darker() {
    for seed in 0..4 {
        let film = jaw::draw(
            seed,
            &JawOptions {
                size_px: 512,
                findings: Some(Vec::new()),
                ..JawOptions::default()
            },
        );
        assert_eq!(film.image.size(), (512, 256));
        let bone = &film.masks["mandible"];
        for side in ["canal right", "canal left"] {
            let canal = &film.masks[side];
            let within = canal
                .cells()
                .iter()
                .zip(bone.cells())
                .filter(|(c, b)| **c > 0 && **b > 0);
            let share = within.count() as f64 / area(canal) as f64;
            assert!(share > 0.95, "{side}: {share} in the bone");
            let line = film.outlines.iter().find(|o| o.name == side).unwrap();
            let on = |p: &&radcanvas::geometry::Point| {
                canal[(p.x.round() as usize, p.y.round() as usize)] > 0
            };
            let hit = line.points.iter().filter(on).count() as f64 / line.points.len() as f64;
            assert!(hit > 0.9, "{side}: {hit} of the line in its tube");
        }
        // The patient's left is on the viewer's right.
        assert!(
            film.numbers["mental_foramen_left_x_px"] > film.numbers["mental_foramen_right_x_px"]
        );
    }
}

#[test]
fn jaws_follow_age_and_findings() {
    let draw = |age: f64, findings: Option<Vec<FindingRequest>>, seed: u64| {
        jaw::draw(
            seed,
            &JawOptions {
                size_px: 128,
                age_years: Some(age),
                findings,
                ..JawOptions::default()
            },
        )
    };
    let mean = |age: f64, key: &str| -> f64 {
        (0..12)
            .map(|s| draw(age, Some(Vec::new()), s).numbers[key])
            .sum::<f64>()
            / 12.0
    };
    assert!(mean(20.0, "teeth") > mean(85.0, "teeth") + 2.0);
    assert!(mean(85.0, "crest_below_enamel_mm") > mean(20.0, "crest_below_enamel_mm") + 1.0);
    for name in phantom::findings_of("jaw").unwrap() {
        let film = draw(45.0, Some(asked(name, None)), 3);
        let present: Vec<&str> = film
            .labels
            .iter()
            .filter(|l| *l.1)
            .map(|l| l.0.as_str())
            .collect();
        assert_eq!(present, [*name]);
    }
}

fn brain(contrast: Contrast, findings: Option<Vec<FindingRequest>>) -> BrainOptions {
    BrainOptions {
        size_px: 128,
        contrast,
        level: Some(0.1),
        age_years: Some(60.0),
        findings,
        ..BrainOptions::default()
    }
}

#[test]
fn mr_and_ct_of_one_seed_are_one_head() {
    let [mr, ct] = brain::pair(8, &brain(Contrast::Mr, Some(asked("tumor", None))));
    assert_eq!(
        (&mr.masks, &mr.numbers, &mr.findings),
        (&ct.masks, &ct.numbers, &ct.findings)
    );
    assert_eq!(
        (mr.kind.as_str(), ct.kind.as_str()),
        ("brain-mr", "brain-ct")
    );
    assert_eq!(
        ct.image,
        brain::draw(8, &brain(Contrast::Ct, Some(asked("tumor", None)))).image
    );
    // Bone is bright on CT and dark on MR; white matter is the brighter one on T1, the darker one on CT.
    assert!(grey_in(&ct, "skull") > 3600.0);
    assert!(grey_in(&mr, "skull") < grey_in(&mr, "white matter"));
    let healthy = [Contrast::Mr, Contrast::Ct].map(|c| brain::draw(8, &brain(c, Some(Vec::new()))));
    assert!(grey_in(&healthy[0], "white matter") > grey_in(&healthy[0], "gray matter"));
    assert!(grey_in(&healthy[1], "white matter") < grey_in(&healthy[1], "gray matter"));
    assert!(grey_in(&healthy[1], "ventricles") < grey_in(&healthy[1], "white matter"));
}

#[test]
fn independent_heads_are_no_partners_of_any_seed_near() {
    use radcanvas::phantom::seed_of;
    for seed in [0, 8, 123_456_789] {
        let own = seed_of("brain-ct", seed, true);
        assert_ne!(own, seed);
        assert_eq!(seed_of("brain-ct", seed, false), seed);
        assert_eq!(brain::independent_seed(own), seed, "one to one");
        assert_eq!(seed_of("brain-mr", seed, true), seed);
        let [mr, ct] = [(seed, Contrast::Mr), (own, Contrast::Ct)]
            .map(|(seed, contrast)| brain::draw(seed, &brain(contrast, Some(Vec::new()))));
        assert_ne!(mr.masks["skull"], ct.masks["skull"]);
        assert_ne!(mr.outlines, ct.outlines);
    }
}

#[test]
fn ventricles_grow_with_age_and_disease() {
    let ventricles = |age: f64, findings: Option<Vec<FindingRequest>>| -> f64 {
        (0..6)
            .map(|seed| {
                let options = BrainOptions {
                    age_years: Some(age),
                    ..brain(Contrast::Ct, findings.clone())
                };
                brain::draw(seed, &options).numbers["ventricle_area_mm2"]
            })
            .sum()
    };
    let (young, old) = (
        ventricles(25.0, Some(Vec::new())),
        ventricles(85.0, Some(Vec::new())),
    );
    assert!(old > 1.15 * young, "{young} {old}");
    assert!(ventricles(25.0, Some(asked("hydrocephalus", None))) > 1.8 * young);
}

#[test]
fn every_focal_lesion_of_the_brain_is_there() {
    for name in ["tumor", "stroke", "hemorrhage", "sclerosis"] {
        let shown = (0..5).filter(|seed| {
            let film = brain::draw(*seed, &brain(Contrast::Mr, Some(asked(name, None))));
            film.labels[name] && film.masks.get(name).is_some_and(|m| area(m) > 3)
        });
        assert!(shown.count() >= 4, "{name}");
    }
    let bleeding = brain::draw(
        2,
        &brain(Contrast::Ct, Some(asked("hemorrhage", Some(40.0)))),
    );
    assert!(grey_in(&bleeding, "hemorrhage") > grey_in(&bleeding, "white matter") + 400.0);
}
