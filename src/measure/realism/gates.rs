//! Limits between drawn and real films: means, spread between films, grey histogram, balance of the bands.
//!
//! A gate is one number with the interval that real films allow; it holds or it does not. Gates that need real films
//! or a network are made by the caller, of the same type.

use super::reference::{Reference, Spread};
use super::{Look, NAMES, moments, place};

/// One number with its limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// 1 mean, 2 spread between films, 3 grey histogram, 4 a network tells drawn from real, 5 a network trained on
    /// drawn films reads real ones, 6 balance of fine and coarse bands.
    pub number: u8,
    /// What is measured.
    pub name: String,
    /// Its value; absent when it could not be measured.
    pub value: Option<f64>,
    /// Whether there are real films to compare with; without, it neither holds nor fails.
    pub known: bool,
    /// Unit of the value.
    pub unit: &'static str,
    /// Smallest and largest value allowed.
    pub limits: [f64; 2],
}

impl Gate {
    /// Whether the value is there and within its limits.
    pub fn holds(&self) -> bool {
        self.value
            .is_some_and(|v| v >= self.limits[0] && v <= self.limits[1])
    }

    /// Whether there is something to compare with, and the value is not within its limits or could not be measured.
    pub fn fails(&self) -> bool {
        self.known && !self.holds()
    }
}

/// Share of the mean within which a drawn mean shall lie where no deviation between real films is known.
const TOLERANCE: f64 = 0.30;
/// Least deviation between drawn films, as a share of that between real ones.
const LEAST_SPREAD: f64 = 0.6;
/// Largest distance of grey histograms, levels of 255.
const HISTOGRAM: f64 = 12.0;
/// Largest factor between drawn and real balance of the finest band and the band of 8 pixels.
const BALANCE: f64 = 1.5;

/// Mean and deviation over films of each of [`NAMES`], and the mean histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Mean and deviation; absent where no film gave the number.
    pub values: [Option<(f64, f64)>; NAMES.len()],
    /// Mean share of each grey level.
    pub histogram: Vec<f64>,
}

impl Summary {
    /// Over all films.
    pub fn of(looks: &[Look]) -> Self {
        let values = std::array::from_fn(|i| {
            let known: Vec<f64> = looks.iter().filter_map(|look| look.values[i]).collect();
            moments(&known)
        });
        let mut histogram = vec![0.0; 256];
        for look in looks {
            for (sum, share) in histogram.iter_mut().zip(&look.histogram) {
                *sum += share / looks.len() as f64;
            }
        }
        Self { values, histogram }
    }

    /// Grey (0–255) below which a share `q` of all pixels lies, between levels by straight lines.
    pub fn quantile(&self, q: f64) -> f64 {
        let mut below = 0.0;
        for (level, share) in self.histogram.iter().enumerate() {
            if below + share >= q && *share > 0.0 {
                return level as f64 - 0.5 + (q - below) / share;
            }
            below += share;
        }
        255.0
    }
}

/// What a mean may be: within one deviation of the real films, or within 30 % where that is not known.
fn allowed(spread: Spread) -> [f64; 2] {
    let reach = spread.deviation.unwrap_or(TOLERANCE * spread.mean);
    [spread.mean - reach, spread.mean + reach]
}

/// Gates 1, 2, 3 and 6 of drawn films against a kind of real ones.
///
/// Gate 2 asks for the spread of everything that gate 1 asks for the mean of, and of the foreground's grey; where no
/// deviation between real films is known, it stands there unknown.
pub fn gates(drawn: &Summary, real: &Reference) -> Vec<Gate> {
    let mut list = Vec::new();
    let compared = [
        place::DEVIATION,
        place::BETA,
        place::SIGMA,
        place::GRADIENT,
        place::STEEPEST,
        place::EDGE,
    ];
    let bands = place::BANDS..NAMES.len();
    for i in compared.into_iter().chain(bands.clone()) {
        list.push(Gate {
            number: 1,
            name: format!("mean {}", NAMES[i]),
            value: drawn.values[i].map(|v| v.0),
            known: true,
            unit: unit(i),
            limits: allowed(real.values[i]),
        });
    }
    for i in [place::MEAN].into_iter().chain(compared).chain(bands) {
        let deviation = real.values[i].deviation.filter(|d| *d > 0.0);
        list.push(Gate {
            number: 2,
            name: format!("spread {}", NAMES[i]),
            value: drawn.values[i].zip(deviation).map(|(v, d)| v.1 / d),
            known: deviation.is_some(),
            unit: "of real",
            limits: [LEAST_SPREAD, f64::INFINITY],
        });
    }
    list.push(Gate {
        number: 3,
        name: "grey histogram".to_owned(),
        value: Some(histogram_distance(drawn, real)),
        known: true,
        unit: "grey",
        limits: [0.0, HISTOGRAM],
    });
    let (fine, coarse) = (place::BANDS, place::BANDS + 3);
    let balance = drawn.values[fine]
        .zip(drawn.values[coarse])
        .map(|(a, b)| a.0 / b.0.max(1e-9));
    let wanted = real.values[fine].mean / real.values[coarse].mean;
    list.push(Gate {
        number: 6,
        name: "bp1 over bp8".to_owned(),
        value: balance.map(|b| b / wanted),
        known: true,
        unit: "of real",
        limits: [1.0 / BALANCE, BALANCE],
    });
    list
}

fn unit(index: usize) -> &'static str {
    match index {
        0..=2 => "of 1",
        3 | 4 => "",
        place::EDGE => "px",
        _ => "grey",
    }
}

/// Wasserstein-1 distance of the grey of all pixels, from the quantiles that are known of the real films.
///
/// Both quantile functions are straight lines through the same seven points, so that what lies between them adds
/// nothing.
fn histogram_distance(drawn: &Summary, real: &Reference) -> f64 {
    let at = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];
    let gaps: Vec<f64> = at
        .iter()
        .zip(real.quantiles)
        .map(|(q, grey)| drawn.quantile(*q) - grey)
        .collect();
    let mut sum = at[0] * gaps[0].abs() + (1.0 - at[6]) * gaps[6].abs();
    for i in 1..at.len() {
        let (a, b) = (gaps[i - 1], gaps[i]);
        let mean = if a * b >= 0.0 {
            f64::midpoint(a.abs(), b.abs())
        } else {
            // The lines cross: two triangles.
            (a * a + b * b) / (2.0 * (a.abs() + b.abs()))
        };
        sum += (at[i] - at[i - 1]) * mean;
    }
    sum
}
