//! The X-ray core against closed forms and tabulated values.

use radcanvas::geometry::Point;
use radcanvas::grid::Grid;
use radcanvas::noise::Noise;
use radcanvas::phantom::xray::detector::{self, Grain, Scatter};
use radcanvas::phantom::xray::shape::{self, Node};
use radcanvas::phantom::xray::{
    Material, Paths, PowerLaw, Rotation, Technique, Vec3, View, power_law,
};

fn view(mm_per_px: f64) -> View {
    View {
        width: 101,
        height: 101,
        mm_per_px,
        center_px: Point::new(50.0, 50.0),
        focus_mm: Point::new(0.0, 0.0),
        source_mm: 1e7,
    }
}

fn check(name: &str, value: f64, wanted: f64, tolerance: f64) {
    assert!(
        (value - wanted).abs() <= tolerance,
        "{name}: {value}, wanted {wanted} ± {tolerance}"
    );
}

#[test]
fn golden_attenuation_at_60_kvp() {
    use Material::{Cancellous, Cortical, Soft};
    let cases: [(&str, &[(Material, f64)], f64); 7] = [
        ("3 cm", &[(Soft, 3.0)], 0.92),
        ("6 cm", &[(Soft, 6.0)], 1.80),
        ("10 cm", &[(Soft, 10.0)], 2.92),
        ("gas", &[(Soft, 7.0)], 2.08),
        ("cancellous", &[(Soft, 7.5), (Cancellous, 2.5)], 3.31),
        (".3 cortical", &[(Soft, 9.7), (Cortical, 0.3)], 3.20),
        (".8 cortical", &[(Soft, 9.2), (Cortical, 0.8)], 3.60),
    ];
    for (name, lengths, wanted) in cases {
        for spectrum in [Technique::Kvp60.two_bins(), Technique::Kvp60.three_bins()] {
            check(name, spectrum.attenuation(lengths), wanted, 0.035);
        }
    }
}

#[test]
fn the_table_is_met_at_its_energies() {
    check(
        "cortical 60",
        Material::Cortical.attenuation(60.0),
        0.604,
        1e-9,
    );
    check("soft 16", Material::Soft.attenuation(16.0), 1.497, 1e-9);
    check("lead 80", Material::Lead.attenuation(80.0), 27.0, 1e-9);
}

#[test]
fn unit_sphere_has_its_chord() {
    let chord = |x: f64| {
        shape::ellipsoid_chord_mm(
            Vec3::default(),
            Vec3::new(1.0, 1.0, 1.0),
            &Rotation::about(1, 33.0),
            Vec3::new(x, 0.0, -9.0),
            Vec3::new(0.0, 0.0, 1.0),
        )
    };
    check("offset .6", chord(0.6), 1.6, 1e-12);
    check("offset 1.1", chord(1.1), 0.0, 0.0);
    let ball = shape::ellipsoid(
        &view(0.1),
        Vec3::default(),
        Vec3::new(1.0, 1.0, 1.0),
        &Rotation::IDENTITY,
    );
    check("patch, cm", f64::from(ball.at(56, 50)), 0.16, 1e-5);
    let tube = shape::tube(
        &view(0.1),
        &[
            Node::new(Vec3::new(0.0, -4.0, 0.0), 1.0),
            Node::new(Vec3::new(0.0, 4.0, 0.0), 1.0),
        ],
        0.2,
    );
    check("tube", f64::from(tube.outer.at(56, 50)), 0.16, 1e-4);
    let wall = 0.16 - 0.2 * (0.64_f64 - 0.36).sqrt();
    check("hollow", f64::from(tube.wall().at(56, 50)), wall, 1e-4);
}

#[test]
fn air_transmits_everything() {
    let mut paths = Paths::new(8, 8);
    let p = paths.attenuation(&Technique::Kvp60.two_bins());
    assert!(p.cells().iter().all(|v| *v == 0.0));
    paths.plane_mut(Material::Soft).cells_mut().fill(3.0);
    let p = paths.attenuation(&Technique::Kvp60.two_bins());
    let wanted = Technique::Kvp60
        .two_bins()
        .attenuation(&[(Material::Soft, 3.0)]);
    check("plane", f64::from(p[(3, 4)]), wanted, 1e-5);
}

#[test]
fn scatter_has_the_median_drawn() {
    let p = Grid::from_fn(256, 256, |x, _| 1.0 + x as f32 / 128.0);
    let scatter = Scatter {
        ratio: 0.8,
        narrow_px: 24.0,
        wide_px: 60.0,
    };
    let with = detector::with_scatter(&p, scatter, 0.3);
    let mut ratios: Vec<f64> = p
        .cells()
        .iter()
        .zip(with.cells())
        .map(|(p, i)| f64::from(i / (-p).exp()) - 1.0)
        .collect();
    ratios.sort_by(f64::total_cmp);
    check("median", ratios[ratios.len() / 2], 0.8, 0.02);
}

#[test]
fn noise_variance_is_one_over_n() {
    for correlation_px in [0.0, 0.6, 1.5] {
        let grain = Grain {
            quanta: 1000.0,
            electronic: 0.0,
            fixed_pattern: 0.0,
            correlation_px,
        };
        // Many films, borders left out: the estimate itself is then good to 1 %.
        let (mut sum, mut count) = (0.0, 0.0);
        for seed in 0..8 {
            let mut flat = Grid::filled(256, 256, 1.0_f32);
            detector::add_noise(&mut flat, &mut Noise::new(seed, 1), grain);
            for y in 8..248 {
                for v in &flat.row(y)[8..248] {
                    sum += (f64::from(*v) - 1.0).powi(2);
                    count += 1.0;
                }
            }
        }
        check("variance", sum / count * 1000.0, 1.0, 0.03);
    }
}

/// Minus the slope of log power against log frequency, from sums of cosines along rows.
fn measured_beta(tile: &Grid<f32>) -> f64 {
    let n = tile.width();
    // A row of an isotropic 2-D f^-β field has power f^-(β-1).
    let mut points = Vec::new();
    for k in [2_usize, 3, 4, 6, 8, 12, 16, 24, 32] {
        let mut power = 0.0;
        for y in 0..n {
            let (mut re, mut im) = (0.0, 0.0);
            for (x, v) in tile.row(y).iter().enumerate() {
                let (s, c) = (std::f64::consts::TAU * (k * x) as f64 / n as f64).sin_cos();
                re += f64::from(*v) * c;
                im += f64::from(*v) * s;
            }
            power += re * re + im * im;
        }
        points.push(((k as f64).ln(), power.ln()));
    }
    let m = points.len() as f64;
    let (sx, sy) = points
        .iter()
        .fold((0.0, 0.0), |a, p| (a.0 + p.0, a.1 + p.1));
    let (mx, my) = (sx / m, sy / m);
    let top: f64 = points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    let low: f64 = points.iter().map(|p| (p.0 - mx).powi(2)).sum();
    1.0 - top / low
}

#[test]
fn textures_have_the_exponent_asked_for() {
    for beta in [2.4, 2.8, 3.2] {
        let mut sum = 0.0;
        for seed in 0..6 {
            let law = PowerLaw {
                beta,
                low: 0.0,
                high: 9.0,
                anisotropy: 1.0,
            };
            let [a, b] = power_law(&mut Noise::new(seed, 3), 8, law);
            sum += measured_beta(&a) + measured_beta(&b);
        }
        check("beta", sum / 12.0, beta, 0.1);
    }
}
