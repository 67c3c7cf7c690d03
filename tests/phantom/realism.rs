//! The estimators of a film's look against closed forms, and the gates against films that must pass or fail.

use radcanvas::geometry::PixelRect;
use radcanvas::grid::Grid;
use radcanvas::measure::realism::{self, Gate, NAMES, REFERENCES, Reference, Summary, place};
use radcanvas::noise::Noise;
use radcanvas::phantom::xray::{PowerLaw, power_law};
use radcanvas::signal::blur;

#[test]
fn slope_of_a_power_law_is_its_exponent() {
    for beta in [2.0, 2.7, 3.3] {
        let law = PowerLaw {
            beta,
            low: 0.0,
            high: 1e6,
            anisotropy: 1.0,
        };
        let [field, _] = power_law(&mut Noise::new(3, 1), 8, law);
        let slope = realism::tile_slope(&field, None, 2.5 / 64.0, 0.25).unwrap();
        assert!((slope - beta).abs() < 0.15, "{slope}, wanted {beta}");
    }
    let small = Grid::filled(40, 40, 0.5_f32);
    assert_eq!(realism::tile_slope(&small, None, 0.04, 0.25), None);
}

#[test]
fn noise_and_edges_are_measured_as_they_are() {
    let mut noise = Noise::new(4, 2);
    let sigma = 2.0 / 255.0;
    // A dark border, or all of it would be the film's own black.
    let grain = Grid::from_fn(128, 128, |x, _| {
        let level = if x < 24 { 0.0 } else { 0.5 };
        (level + sigma * noise.normal()) as f32
    });
    let look = realism::look(&grain);
    let measured = look.values[place::SIGMA].unwrap();
    assert!((measured - 2.0).abs() < 0.15, "{measured}");
    assert!((look.values[place::MEAN].unwrap() - 0.5).abs() < 0.01);
    // 10 to 90 % of a blurred step are 2.563 deviations.
    let step = Grid::from_fn(128, 128, |x, _| if x < 64 { 0.2 } else { 0.8_f32 });
    let soft = blur::sampled_gaussian(&step, 1.5);
    let width = realism::look(&soft).values[place::EDGE].unwrap();
    assert!((width - 1.5 * 2.563).abs() < 0.3, "{width}");
    let total: f64 = look.histogram.iter().sum();
    assert!((total - 1.0).abs() < 1e-9);
}

#[test]
fn foreground_and_content_leave_black_out() {
    let film = Grid::from_fn(100, 80, |x, y| {
        if (30..70).contains(&x) && (20..60).contains(&y) {
            0.3 + 0.4 * ((x + y) % 7) as f32 / 7.0
        } else {
            0.0
        }
    });
    let mask = realism::foreground(&film);
    let count = mask.cells().iter().filter(|m| **m).count();
    // Opening with a cross takes the corners.
    assert!((1560..=1600).contains(&count), "{count}");
    assert_eq!(realism::content(&film), PixelRect::new(30, 20, 40, 40));
    let nothing = realism::look(&Grid::filled(64, 64, 0.0_f32));
    assert!(nothing.values.iter().flatten().all(|v| v.is_finite()));
    assert_eq!(nothing.values[place::MEAN], None);
}

/// A summary exactly like a kind of real films.
fn like(real: &Reference) -> Summary {
    let mut histogram = vec![0.0; 256];
    let levels = [0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0];
    let mut greys = vec![real.quantiles[0]];
    greys.extend(real.quantiles);
    greys.push(real.quantiles[6]);
    // A thousand equal parts of the quantile function.
    for k in 0..1000 {
        let q = (f64::from(k) + 0.5) / 1000.0;
        let i = levels.iter().rposition(|l| *l <= q).unwrap().min(7);
        let t = (q - levels[i]) / (levels[i + 1] - levels[i]);
        let grey = greys[i] + t * (greys[i + 1] - greys[i]);
        histogram[grey.round() as usize] += 1e-3;
    }
    Summary {
        values: std::array::from_fn(|i| {
            let spread = real.values[i];
            Some((spread.mean, spread.deviation.unwrap_or(0.1)))
        }),
        histogram,
    }
}

#[test]
fn films_like_the_real_ones_pass_every_gate() {
    for real in &REFERENCES {
        let gates = realism::gates(&like(real), real);
        let failed: Vec<&Gate> = gates.iter().filter(|g| !g.holds()).collect();
        assert!(failed.is_empty(), "{}: {failed:?}", real.name);
        assert!(gates.iter().filter(|g| g.number == 1).count() == 11);
    }
}

#[test]
fn films_unlike_the_real_ones_fail_the_gate_that_says_so() {
    let real = Reference::named("chest").unwrap();
    let failed = |summary: &Summary| -> Vec<(u8, String)> {
        let gates = realism::gates(summary, real).into_iter();
        gates
            .filter(|g| !g.holds())
            .map(|g| (g.number, g.name))
            .collect()
    };
    let mut noisy = like(real);
    noisy.values[place::SIGMA] = Some((6.0, 0.75));
    assert_eq!(failed(&noisy), [(1, "mean sigma flat".to_owned())]);
    let mut uniform = like(real);
    uniform.values[place::MEAN] = Some((0.54, 0.01));
    assert_eq!(failed(&uniform), [(2, "spread fg mean".to_owned())]);
    let mut dark = like(real);
    dark.histogram.rotate_left(20);
    assert_eq!(failed(&dark), [(3, "grey histogram".to_owned())]);
    let mut unknown = like(real);
    unknown.values[place::EDGE] = None;
    assert!(failed(&unknown).iter().all(|f| f.1.contains("edge")));
    assert_eq!(NAMES[place::BANDS], "bp1");
}
