//! What real films gave under the same estimators, at 256 pixels on the longer side.
//!
//! Means and deviations over films, one row a kind of film; a deviation is absent where the films were too few to give
//! one. Grey quantiles are those of the whole film, in 255ths.

use super::{NAMES, Summary};

/// Films that are needed to know how much they differ.
pub const LEAST_FILMS: usize = 10;

/// A mean over films with the deviation between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Mean over films.
    pub mean: f64,
    /// Standard deviation between films, if known.
    pub deviation: Option<f64>,
}

/// The look of one kind of real film.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// Name of the row: a phantom's kind, with its style where a kind has two.
    pub name: &'static str,
    /// How many films.
    pub films: usize,
    /// Grey at 1, 5, 25, 50, 75, 95 and 99 % of all pixels, 0–255.
    pub quantiles: [f64; 7],
    /// One for each of [`NAMES`].
    pub values: [Spread; NAMES.len()],
}

const fn of(mean: f64, deviation: f64) -> Spread {
    Spread {
        mean,
        deviation: Some(deviation),
    }
}

const fn about(mean: f64) -> Spread {
    Spread {
        mean,
        deviation: None,
    }
}

/// All rows, by name of the phantom.
pub const REFERENCES: [Reference; 7] = [
    Reference {
        name: "hip",
        films: 3,
        quantiles: [7.0, 8.0, 16.0, 40.0, 99.0, 160.0, 206.0],
        values: [
            of(0.70, 0.15),
            about(0.32),
            about(0.20),
            of(2.63, 0.17),
            of(3.30, 0.57),
            about(0.64),
            about(5.2),
            about(18.0),
            about(31.0),
            about(1.6),
            about(2.4),
            about(3.2),
            about(4.9),
            about(7.2),
            about(8.1),
        ],
    },
    Reference {
        name: "chest",
        films: 206,
        quantiles: [43.0, 67.0, 112.0, 141.0, 162.0, 181.0, 194.0],
        values: [
            of(0.96, 0.03),
            of(0.54, 0.08),
            of(0.12, 0.04),
            of(2.77, 0.32),
            of(2.91, 0.40),
            of(2.20, 0.75),
            of(5.9, 2.0),
            of(16.0, 6.0),
            of(27.0, 9.0),
            of(1.8, 0.30),
            about(2.1),
            about(2.8),
            about(3.8),
            about(5.1),
            about(5.7),
        ],
    },
    Reference {
        name: "breast-film",
        films: 64,
        quantiles: [0.0, 0.0, 1.0, 11.0, 107.0, 189.0, 213.0],
        values: [
            of(0.39, 0.12),
            of(0.53, 0.06),
            of(0.21, 0.03),
            of(2.98, 0.40),
            of(3.49, 0.26),
            of(0.97, 0.25),
            about(4.5),
            about(11.0),
            about(18.0),
            of(4.4, 2.1),
            about(1.4),
            about(2.2),
            about(5.0),
            about(8.0),
            about(9.9),
        ],
    },
    Reference {
        name: "breast-digital",
        films: 4,
        quantiles: [0.0, 0.0, 0.0, 0.0, 7.0, 99.0, 159.0],
        values: [
            about(0.23),
            about(0.29),
            about(0.16),
            of(2.41, 0.31),
            of(3.34, 0.31),
            about(5.1),
            about(15.0),
            about(36.0),
            about(52.0),
            about(1.9),
            about(5.2),
            about(6.0),
            about(5.9),
            about(5.7),
            about(6.3),
        ],
    },
    Reference {
        name: "jaw",
        films: 22,
        quantiles: [12.0, 29.0, 83.0, 125.0, 173.0, 243.0, 253.0],
        values: [
            of(0.95, 0.03),
            of(0.52, 0.04),
            of(0.23, 0.02),
            of(3.44, 0.14),
            of(4.27, 0.21),
            of(1.41, 0.15),
            about(10.2),
            about(28.0),
            about(46.0),
            of(2.0, 0.12),
            about(4.2),
            about(6.4),
            about(7.6),
            about(8.7),
            about(9.3),
        ],
    },
    Reference {
        name: "brain-mr",
        films: 60,
        quantiles: [2.0, 5.0, 10.0, 66.0, 105.0, 168.0, 213.0],
        values: [
            of(0.63, 0.11),
            of(0.40, 0.12),
            of(0.17, 0.05),
            of(2.68, 0.55),
            of(5.50, 0.89),
            of(1.3, 1.15),
            about(9.9),
            about(31.0),
            about(53.0),
            about(2.2),
            about(4.2),
            about(5.7),
            about(7.1),
            about(6.6),
            about(5.6),
        ],
    },
    Reference {
        name: "brain-ct",
        films: 60,
        quantiles: [0.0, 1.0, 1.0, 23.0, 115.0, 253.0, 255.0],
        values: [
            of(0.42, 0.12),
            about(0.62),
            about(0.25),
            of(2.63, 0.63),
            of(4.58, 0.75),
            of(2.0, 0.42),
            about(9.8),
            about(38.0),
            about(68.0),
            about(2.1),
            about(4.9),
            about(8.0),
            about(13.0),
            about(15.0),
            about(13.0),
        ],
    },
];

impl Reference {
    /// The same with deviations from films at hand, where the row knows none; fewer than [`LEAST_FILMS`] tell nothing.
    #[must_use]
    pub fn completed(&self, found: &Summary, films: usize) -> Self {
        let mut row = self.clone();
        if films >= LEAST_FILMS {
            for (spread, found) in row.values.iter_mut().zip(found.values) {
                spread.deviation = spread.deviation.or(found.map(|(_, deviation)| deviation));
            }
        }
        row
    }

    /// The row of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        REFERENCES.iter().find(|row| row.name == name)
    }
}
