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
        let failed: Vec<&Gate> = gates.iter().filter(|g| g.fails()).collect();
        assert!(failed.is_empty(), "{}: {failed:?}", real.name);
        assert!(gates.iter().filter(|g| g.number == 1).count() == 11);
        // The spread of everything, of the widest band too; unknown where nobody measured it.
        let spreads: Vec<&Gate> = gates.iter().filter(|g| g.number == 2).collect();
        assert_eq!(spreads.len(), 12);
        let widest = spreads.iter().find(|g| g.name == "spread bp16").unwrap();
        let known = real.values[place::BANDS + 4].deviation.is_some();
        assert_eq!((widest.known, widest.holds()), (known, known));
    }
}

#[test]
fn films_unlike_the_real_ones_fail_the_gate_that_says_so() {
    let real = Reference::named("chest").unwrap();
    let failed = |summary: &Summary| -> Vec<(u8, String)> {
        let gates = realism::gates(summary, real).into_iter();
        gates
            .filter(Gate::fails)
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

#[test]
fn films_at_hand_tell_spreads_that_nobody_knew() {
    let real = Reference::named("jaw").unwrap();
    let mut uniform = like(real);
    uniform.values[place::BANDS + 4] = Some((9.3, 0.2));
    let fails = |row: &Reference| -> Vec<String> {
        let gates = realism::gates(&uniform, row).into_iter();
        gates.filter(Gate::fails).map(|gate| gate.name).collect()
    };
    assert_eq!(fails(real), [""; 0], "unknown is no failure");
    let mut films = like(real);
    films.values[place::BANDS + 4] = Some((9.3, 2.0));
    assert_eq!(
        fails(&real.completed(&films, realism::LEAST_FILMS)),
        ["spread bp16"]
    );
    assert_eq!(
        &real.completed(&films, realism::LEAST_FILMS - 1),
        real,
        "too few"
    );
    // What the row knows is not measured again.
    assert_eq!(
        real.completed(&films, 99).values[place::BETA],
        real.values[place::BETA]
    );
}

/// Summaries of real phantoms, few and small: every number is there, and every gate has its say.
#[test]
fn drawn_films_go_through_the_gates() {
    for real in &REFERENCES {
        let kind = real.name.strip_suffix("-film").unwrap_or(real.name);
        let kind = kind.strip_suffix("-digital").unwrap_or(kind);
        let looks: Vec<_> = (0..2)
            .map(|seed| {
                let film = radcanvas::phantom::draw(kind, 910_000 + seed, 256).unwrap();
                let grey = film.image.map(|v| f32::from(*v) / 4095.0);
                realism::look(&grey)
            })
            .collect();
        let gates = realism::gates(&Summary::of(&looks), real);
        for gate in gates.iter().filter(|gate| gate.known) {
            let value = gate.value.unwrap_or(f64::NAN);
            assert!(value.is_finite() && value >= 0.0, "{}: {gate:?}", real.name);
        }
        // Two films say little of many, but they are films: their grey and the
        // balance of their bands lie near real ones.
        let of = |number: u8| gates.iter().find(|gate| gate.number == number);
        let grey = of(3).and_then(|gate| gate.value).unwrap();
        let balance = of(6).and_then(|gate| gate.value).unwrap();
        assert!(grey < 60.0, "{}: {grey}", real.name);
        assert!((0.2..5.0).contains(&balance), "{}: {balance}", real.name);
        let held = gates.iter().filter(|gate| gate.holds()).count();
        assert!(held >= 3, "{}: {held}", real.name);
        // A sheet of one grey is no film.
        let sheet = realism::look(&Grid::from_fn(
            128,
            128,
            |x, _| {
                if x < 16 { 0.0 } else { 0.5_f32 }
            },
        ));
        let sheets = realism::gates(&Summary::of(&[sheet.clone(), sheet]), real);
        let fails = sheets.iter().filter(|gate| gate.fails()).count();
        assert!(fails > gates.iter().filter(|gate| gate.fails()).count());
    }
}
