//! Numbers of figures against those that numpy finds: fixtures/measures/golden.json and the script beside it.

use std::path::Path;

use radcanvas::geometry::Figure;
use radcanvas::grid::Grid;
use radcanvas::landmarks::{HipLandmarks, Side};
use radcanvas::measure::norberg::norberg_degrees;
use radcanvas::radiograph::{ModalityTransform, Pixels, Radiograph, Spacing, SpacingSource};
use serde_json::Value;

const NEAR: f64 = 1.0e-6;

fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/measures/golden.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn image(facts: &Value, spacing: &Value) -> Radiograph {
    let whole = |name: &str| facts[name].as_u64().unwrap() as usize;
    let [a, b, c, d, m] = ["a", "b", "c", "d", "m"].map(whole);
    let values = Grid::from_fn(whole("width"), whole("height"), |x, y| {
        ((a * x + b * y + c * x * y + d * x * x) % m) as u16
    });
    let mut image = Radiograph::from_pixels(Pixels::U16(values));
    image.modality_transform = ModalityTransform::Linear {
        slope: facts["slope"].as_f64().unwrap(),
        intercept: facts["intercept"].as_f64().unwrap(),
    };
    image.spacing = steps(spacing).map(|[row_mm, column_mm]| Spacing {
        row_mm,
        column_mm,
        source: SpacingSource::Calibrated,
    });
    image
}

fn steps(spacing: &Value) -> Option<[f64; 2]> {
    serde_json::from_value(spacing.clone()).unwrap()
}

#[test]
fn figures_measure_what_numpy_does() {
    let golden = golden();
    let cases = golden["cases"].as_array().unwrap();
    let mut numbers = 0;
    for (number, case) in cases.iter().enumerate() {
        let image = image(&case["image"], &case["spacing_mm"]);
        let figure: Figure = serde_json::from_value(case["figure"].clone()).unwrap();
        let readings = image.readings(&figure);
        for (name, wanted) in case["readings"].as_object().unwrap() {
            let quantity = serde_json::to_value;
            let found = readings
                .values
                .iter()
                .rev()
                .find(|r| quantity(r.quantity).unwrap() == name.as_str())
                .unwrap_or_else(|| panic!("case {number}: no {name}"));
            let wanted = wanted.as_f64().unwrap();
            let near = (found.value - wanted).abs() <= NEAR * wanted.abs().max(1.0);
            assert!(near, "case {number}, {name}: {}, not {wanted}", found.value);
            numbers += 1;
        }
    }
    assert!(cases.len() >= 28 && numbers >= 80, "{numbers} numbers");
}

#[test]
fn norberg_angles_are_those_of_numpy() {
    let golden = golden();
    let films = golden["norberg"].as_array().unwrap();
    assert!(films.len() >= 6);
    for film in films {
        let landmarks: HipLandmarks = serde_json::from_value(film["landmarks"].clone()).unwrap();
        let spacing = steps(&film["spacing_mm"]);
        for (name, side) in [("left", Side::Left), ("right", Side::Right)] {
            let found = norberg_degrees(&landmarks, side, spacing).unwrap();
            let wanted = film["degrees"][name].as_f64().unwrap();
            assert!(
                (found - wanted).abs() < NEAR,
                "{name}: {found}, not {wanted}"
            );
        }
    }
}
