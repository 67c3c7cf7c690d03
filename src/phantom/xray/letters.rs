//! Side markers: letters as strokes, in lead within the beam or drawn on the finished film.
//!
//! Separate because strokes are data, and both ways of marking need the same ones.

use super::Patch;
use crate::geometry::{PixelRect, Point};
use crate::grid::Grid;

/// Strokes of a capital letter in a box of 1 × 1 (x right, y down); empty for a letter that is not known.
pub fn strokes(letter: char) -> Vec<Vec<Point>> {
    let line = |points: &[(f64, f64)]| -> Vec<Point> {
        points.iter().map(|&(x, y)| Point::new(x, y)).collect()
    };
    match letter {
        'L' => vec![line(&[(0.2, 0.0), (0.2, 1.0), (0.75, 1.0)])],
        'R' => vec![
            line(&[
                (0.2, 1.0),
                (0.2, 0.0),
                (0.55, 0.0),
                (0.74, 0.1),
                (0.78, 0.27),
            ]),
            line(&[(0.78, 0.27), (0.72, 0.44), (0.55, 0.53), (0.2, 0.53)]),
            line(&[(0.48, 0.53), (0.8, 1.0)]),
        ],
        'A' => vec![
            line(&[(0.1, 1.0), (0.5, 0.0), (0.9, 1.0)]),
            line(&[(0.25, 0.65), (0.75, 0.65)]),
        ],
        'P' => vec![line(&[
            (0.2, 1.0),
            (0.2, 0.0),
            (0.6, 0.0),
            (0.8, 0.14),
            (0.8, 0.4),
            (0.6, 0.54),
            (0.2, 0.54),
        ])],
        'E' => vec![
            line(&[(0.8, 0.0), (0.2, 0.0), (0.2, 1.0), (0.8, 1.0)]),
            line(&[(0.2, 0.5), (0.7, 0.5)]),
        ],
        'S' => vec![line(&[
            (0.8, 0.15),
            (0.6, 0.0),
            (0.35, 0.02),
            (0.2, 0.2),
            (0.3, 0.42),
            (0.7, 0.58),
            (0.8, 0.8),
            (0.62, 0.99),
            (0.35, 1.0),
            (0.18, 0.85),
        ])],
        'U' => vec![line(&[
            (0.15, 0.0),
            (0.15, 0.75),
            (0.35, 1.0),
            (0.65, 1.0),
            (0.85, 0.75),
            (0.85, 0.0),
        ])],
        'I' => vec![line(&[(0.5, 0.0), (0.5, 1.0)])],
        'N' => vec![line(&[(0.15, 1.0), (0.15, 0.0), (0.85, 1.0), (0.85, 0.0)])],
        'T' => vec![
            line(&[(0.1, 0.0), (0.9, 0.0)]),
            line(&[(0.5, 0.0), (0.5, 1.0)]),
        ],
        _ => view_strokes(letter),
    }
}

/// Strokes of the letters that only name views.
fn view_strokes(letter: char) -> Vec<Vec<Point>> {
    let line = |points: &[(f64, f64)]| -> Vec<Point> {
        points.iter().map(|&(x, y)| Point::new(x, y)).collect()
    };
    match letter {
        'C' => vec![line(&[
            (0.85, 0.18),
            (0.62, 0.0),
            (0.38, 0.0),
            (0.15, 0.25),
            (0.15, 0.75),
            (0.38, 1.0),
            (0.62, 1.0),
            (0.85, 0.82),
        ])],
        'M' => vec![line(&[
            (0.1, 1.0),
            (0.1, 0.0),
            (0.5, 0.6),
            (0.9, 0.0),
            (0.9, 1.0),
        ])],
        'O' => vec![line(&[
            (0.38, 0.0),
            (0.62, 0.0),
            (0.87, 0.25),
            (0.87, 0.75),
            (0.62, 1.0),
            (0.38, 1.0),
            (0.13, 0.75),
            (0.13, 0.25),
            (0.38, 0.0),
        ])],
        _ => Vec::new(),
    }
}

/// A letter on the film.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Letter {
    /// Which.
    pub glyph: char,
    /// Its middle, pixels.
    pub center: Point,
    /// Height, pixels.
    pub height_px: f64,
    /// Width of the strokes, pixels.
    pub stroke_px: f64,
    /// Turned clockwise, degrees.
    pub degrees: f64,
    /// Seen from behind.
    pub mirrored: bool,
}

impl Letter {
    /// Draws it on a finished film of 0–1 in the grey `ink`.
    pub fn draw(&self, film: &mut Grid<f32>, ink: f32) {
        let patch = self.coverage(film.size());
        for y in 0..patch.rect.height {
            for x in 0..patch.rect.width {
                let at = (x + patch.rect.x as usize, y + patch.rect.y as usize);
                film[at] += (ink - film[at]) * patch.values[(x, y)];
            }
        }
    }

    /// How much of each pixel is covered, 0–1.
    pub fn coverage(&self, size: (usize, usize)) -> Patch {
        let (s, c) = self.degrees.to_radians().sin_cos();
        let place = |p: &Point| {
            let x = (p.x - 0.5) * 0.75 * self.height_px * if self.mirrored { -1.0 } else { 1.0 };
            let y = (p.y - 0.5) * self.height_px;
            Point::new(self.center.x + c * x - s * y, self.center.y + s * x + c * y)
        };
        let lines: Vec<Vec<Point>> = strokes(self.glyph)
            .iter()
            .map(|line| line.iter().map(place).collect())
            .collect();
        let reach = (self.height_px * 0.75 + self.stroke_px + 2.0).ceil();
        let side = 2 * reach as usize + 1;
        let rect = PixelRect::new(
            (self.center.x - reach) as i64,
            (self.center.y - reach) as i64,
            side,
            side,
        );
        let half = self.stroke_px / 2.0;
        Patch::from_fn(rect, size, |x, y| {
            let p = Point::new(x as f64, y as f64);
            let nearest = lines
                .iter()
                .flat_map(|line| line.windows(2))
                .map(|pair| distance_to_piece(p, pair[0], pair[1]))
                .fold(f64::MAX, f64::min);
            (half - nearest + 0.5).clamp(0.0, 1.0) as f32
        })
    }
}

fn distance_to_piece(p: Point, a: Point, b: Point) -> f64 {
    let axis = b - a;
    let t = ((p - a).dot(axis) / axis.dot(axis).max(1e-12)).clamp(0.0, 1.0);
    (p - a - axis * t).length()
}
